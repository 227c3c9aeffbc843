# SPDX-License-Identifier: BSD-3-Clause
"""What each node works on.

Decides the filter, ifmap and ofmap ranges of every node under every scheme, as numbers of
one-dimensional intervals (docs/model/partition.md section 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import parallel_enum as pe
from .layer import ConvLayer, LocalRegionLayer
from .partition_array import range_parts
from .partition_scheme import region_node_index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .layer import Layer
    from .node_region import NodeRegion
    from .partition_array import Bools, Ints, PartitionArray

B, N, H, W = range(4)
"""Axes of fmap ranges: batch, channel, row, column."""


class Intervals(NamedTuple):
    """Range-parts of [0, L) for all the part counts that occur, one table for all schemes.

    Attributes
    ----------
    beg, end : int array (I,)
        Part i of k is in row ``first(k) + i``.
    parts, first : int array (n,)
        Number of parts of each scheme, and the row of its first part.
    """

    beg: Ints
    end: Ints
    parts: Ints
    first: Ints

    @classmethod
    def of_cuts(cls, length: int, count: Ints) -> Intervals:
        """Return the parts of [0, length) for the given part counts (n,)."""
        distinct = np.flatnonzero(np.bincount(count))
        first = np.zeros(int(distinct[-1]) + 1, dtype=np.int64)
        first[distinct] = np.cumsum(distinct) - distinct
        total = np.repeat(distinct, distinct)
        index = np.arange(total.size) - first[total]
        return cls(*range_parts((0, length), index, total), count, first[count])

    @classmethod
    def of_one(cls, beg: int, end: int) -> Intervals:
        """Return a table of the single interval [beg, end)."""
        one = np.ones(1, dtype=np.int64)
        return cls(np.array([beg]), np.array([end]), one, one - 1)

    def pick(self, row: int) -> Intervals:
        """Return a table of one interval of this one."""
        return self.of_one(*(int(ends[row]) for ends in (self.beg, self.end)))

    def ends(self) -> tuple[int, int]:
        """Return the only interval as (beg, end)."""
        return int(self.beg.item()), int(self.end.item())

    def with_ends(self, beg: Ints, end: Ints) -> Intervals:
        """Return a table of the same layout with other intervals."""
        return self._replace(beg=beg, end=end)

    def length(self) -> Ints:
        """Return the lengths of the intervals, (I,)."""
        length: Ints = self.end - self.beg
        return length


class NodeWork:
    """The ranges that the nodes of a region process, for n schemes of P partition indices.

    Attributes
    ----------
    coord : int array (2, D)
        Absolute coordinates of the D nodes of the region.
    node : int array (n, P)
        Number of the node of each partition index.
    valid : bool array (n, P) or None
        Whether the index has anything to do: its ofmap and ifmap part are not empty. None when
        all have.
    ofm, ifm : tuple of 4 Intervals
        Tables of the intervals of the ofmap and ifmap parts in b, n, h, w. Those of the ifmap
        channels are of the first block only.
    ofm_id, ifm_id : tuple of 4 int arrays (n, P)
        Rows in these tables.
    ifm_shifts : tuple of int
        Offsets of the channel blocks that a node reads: one per operand of an element-wise layer,
        block k of the channels [n0, n1) being [k · M + n0, k · M + n1); otherwise only 0.
    merges : bool
        Whether INPP cuts the ifmap channels, so that nodes add up partial sums.

    Raises
    ------
    TypeError
        When the layer is neither a Conv nor a LocalRegion kind.
    ValueError
        When a scheme does not fit the region.
    """

    def __init__(
        self, layer: Layer, batch_size: int, region: NodeRegion, parts: PartitionArray
    ) -> None:
        height, width = window(layer)
        self.parts = parts
        indices = parts.indices()
        self.node = region_node_index(region, parts.coordinates(indices.pair))
        self.coord = np.ascontiguousarray(region.coordinates().T)
        extents = (batch_size, layer.nofm, layer.hofm, layer.wofm)
        self.ofm = tuple(map(Intervals.of_cuts, extents, parts.fmap_counts()))
        within = indices.fmap()
        self.ofm_id = tuple(
            index + table.first[:, None] for index, table in zip(within, self.ofm, strict=True)
        )
        if isinstance(layer, ConvLayer):
            chan = Intervals.of_cuts(layer.nifm, parts.size()[:, pe.INPP])
            chan_in = indices.kind[pe.INPP]
            chan_id = chan_in + chan.first[:, None]
        else:
            chan = region_channels(layer, self.ofm[N])
            chan_in, chan_id = within[N], self.ofm_id[N]
        self.ifm = (
            self.ofm[B],
            chan,
            fmap_rows(self.ofm[H], layer.htrd, height),
            fmap_rows(self.ofm[W], layer.wtrd, width),
        )
        self.ifm_id = (self.ofm_id[B], chan_id, self.ofm_id[H], self.ofm_id[W])
        self._ifm_in = (within[B], chan_in, within[H], within[W])
        self.ifm_shifts = operand_shifts(layer)
        self.merges = isinstance(layer, ConvLayer)
        self.valid = self._has_work(indices.valid)

    def _has_work(self, valid: Bools | None) -> Bools | None:
        for table, ids in (*zip(self.ofm, self.ofm_id, strict=True), (self.ifm[N], self.ifm_id[N])):
            length = table.length()
            if not length.all():
                some = length[ids] > 0
                valid = some if valid is None else valid & some
        return valid

    def masked(self, values: Ints) -> Ints:
        """Return values (..., n, P) with 0 where an index has nothing to do."""
        return values if self.valid is None else np.where(self.valid, values, 0)

    def ofm_words(self) -> Ints:
        """Return the words of each ofmap part, (n, P)."""
        words: Ints = self.ofm[0].length()[self.ofm_id[0]]
        for table, ids in zip(self.ofm[1:], self.ofm_id[1:], strict=True):
            words = words * table.length()[ids]
        return words

    def filter_count(self) -> Ints:
        """Return the number of 2-D filters of each node: |ifmap channels| · |ofmap channels|."""
        count: Ints = self.ifm[N].length()[self.ifm_id[N]] * self.ofm[N].length()[self.ofm_id[N]]
        return count

    def ofm_boxes(self, at: tuple[Ints, ...] | Bools) -> tuple[Ints, Ints]:
        """Return the ofmap parts of selected indices as beginnings and ends, (4, M) each."""
        return _boxes(self.ofm, [index[at] for index in self.ofm_id])

    def ifm_boxes(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return beginnings and ends, (4, M) each, of ifmap parts, first channel block.

        `rows` (4, M) are those in the tables `ifm`, as from `ifm_grid`.
        """
        return _boxes(self.ifm, rows)

    def ifm_grid(self) -> tuple[Ints, Ints]:
        """Give a number to every distinct ifmap part of all schemes.

        Schemes that cut b, n, h and w into the same numbers of parts share them.

        Returns
        -------
        int array (n, P)
            Number of the ifmap part of each partition index, 0 to R − 1.
        int array (4, R)
            Rows of each ifmap part in the tables `ifm`.
        """
        counts = np.stack([table.parts for table in self.ifm])
        key = np.zeros_like(counts[0])
        for count in counts:
            key = key * (int(count.max()) + 1) + count
        _, sample, scheme_grid = np.unique(key, return_index=True, return_inverse=True)
        shape = counts[:, sample]
        volume = shape[0] * shape[1] * shape[2] * shape[3]
        first = np.cumsum(volume) - volume
        grid = np.repeat(np.arange(volume.size), volume)
        rest = np.arange(grid.size) - first[grid]
        rows = np.empty((4, grid.size), dtype=np.int64)
        for axis in (W, H, N):
            rest, rows[axis] = np.divmod(rest, shape[axis][grid])
        rows[B] = rest
        rows += np.stack([table.first[sample] for table in self.ifm])[:, grid]
        number = self._ifm_in[B]
        for axis in (N, H, W):
            number = number * counts[axis, :, None] + self._ifm_in[axis]
        return number + first[scheme_grid][:, None], rows


def region_channels(layer: Layer, chan: Intervals) -> Intervals:
    """Return the ifmap channels that a LocalRegion layer reads for intervals of ofmap channels.

    A window of g = nreg channels around [n0, n1) reads [n0 − ⌊g/2⌋, n1 − 1 + ⌈g/2⌉), clipped to
    the ifmap. The operands of an element-wise layer are blocks of their own: [n0, n1) of each.

    Examples
    --------
    >>> norm = LocalRegionLayer(8, 4, nreg=5, sreg=1)
    >>> region_channels(norm, Intervals.of_one(4, 8)).ends()
    (2, 8)
    """
    if len(operand_shifts(layer)) > 1:
        return chan
    nreg: int = layer.nreg  # type: ignore[attr-defined]
    beg = np.maximum(chan.beg - nreg // 2, 0)
    end = np.minimum(chan.end - 1 + (nreg + 1) // 2, layer.nifm)
    return chan.with_ends(beg, end)


def operand_shifts(layer: Layer) -> tuple[int, ...]:
    """Return the channel offsets k · M of the operands of an element-wise layer; else only 0.

    Examples
    --------
    >>> operand_shifts(LocalRegionLayer(8, 4, nreg=3, sreg=1, ntrd=3))
    (0, 8, 16)
    """
    operands = layer.num_operands if isinstance(layer, LocalRegionLayer) else 1
    return tuple(range(0, operands * layer.nofm, layer.nofm))


def fmap_rows(rows: Intervals, stride: int, window: int) -> Intervals:
    """Return the ifmap rows [h0 · U, max(h0 · U, (h1 − 1) · U + R)) of ofmap rows [h0, h1).

    Examples
    --------
    >>> fmap_rows(Intervals.of_one(3, 5), stride=2, window=3).ends()
    (6, 11)
    """
    beg = rows.beg * stride
    return rows.with_ends(beg, np.maximum(beg, (rows.end - 1) * stride + window))


def window(layer: Layer) -> tuple[int, int]:
    """Return the height R and width S of the filters, or of the regions, of a layer."""
    if isinstance(layer, ConvLayer):
        return layer.hfil, layer.wfil
    if isinstance(layer, LocalRegionLayer):
        return layer.hreg, layer.wreg
    raise TypeError(f"partition: layer must be a Conv or LocalRegion kind, got {layer!r}")


def _boxes(tables: tuple[Intervals, ...], rows: Iterable[Ints]) -> tuple[Ints, Ints]:
    pairs = list(zip(tables, rows, strict=True))
    return (
        np.stack([table.beg[row] for table, row in pairs]),
        np.stack([table.end[row] for table, row in pairs]),
    )
