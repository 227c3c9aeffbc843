# SPDX-License-Identifier: BSD-3-Clause
"""Word-hops of all partition schemes of a layer at once.

Decides what the NoC carries when every data category moves once between where it is stored and
the nodes (docs/model/partition.md section 9).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from . import data_category_enum as de
from . import parallel_enum as pe
from .fmap_range import FmapRange
from .forwarding import forward_filters, forward_ifmaps, forward_ofmaps
from .layer import ConvLayer
from .node_region import NodeRegion
from .node_work import N, NodeWork
from .partition_array import PartitionArray
from .placement import Placement, blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from .data_layout import DataLayout
    from .layer import Layer
    from .option import Option
    from .partition_array import Bools, Ints
    from .partition_scheme import PartitionScheme
    from .phy_dim2 import PhyDim2

# Layers on a region of which what every node works on is kept: some megabytes each.
MAX_WORKS = 64

_EXACT_FLOAT = 2**53
"""Doubles are exact for integers below."""

_ONE_THREAD = 2**18
"""Multiplications of a matrix product up to which libraries use one thread.

Several threads would wait for each other longer than such products take.
"""


def unit_nhops(  # positions as in unit_nhops_to_proc_region
    layer: Layer,
    batch_size: int,
    region: NodeRegion,
    parts: PartitionArray | Iterable[PartitionScheme],
    filter_nodes: Collection[PhyDim2],
    ifmap_layout: DataLayout,
    ofmap: NodeRegion | Sequence[DataLayout],
    options: Option,
) -> Ints:
    """Return the word-hops of every data category for all schemes of a layer.

    Parameters
    ----------
    layer, batch_size
        A Conv or LocalRegion layer and its batch.
    region : NodeRegion
        The nodes that process the layer.
    parts : PartitionArray or iterable of PartitionScheme
        n schemes, each of which fits the region.
    filter_nodes : collection of PhyDim2
        Nodes that hold all filters.
    ifmap_layout : DataLayout
        Where the ifmaps are.
    ofmap : NodeRegion or sequence of n DataLayout
        Where the ofmaps go. A region stands for the full ofmap range on it, split by each scheme
        as projected there for fmaps.
    options : Option
        Nodes forward data to each other with `hw_access_forwarding` or `hw_gbuf_sharing`.

    Returns
    -------
    int array (n, 3)
        Word-hops of FIL, IFM and OFM.

    Raises
    ------
    ValueError
        When a scheme does not fit the region, or a Conv layer has no filter nodes.
    TypeError
        When the layer is of another kind.

    Notes
    -----
    Time and memory grow with n times the nodes that process, times the nodes that hold data.
    Schemes are taken in blocks, so that no intermediate array has more than
    `placement.MAX_ELEMENTS` elements (those of one scheme at least).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from nn_dataflow.core.data_layout import DataLayout
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> region = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> memory = NodeRegion(PhyDim2(1, 1), PhyDim2(0, -1), type=NodeRegion.DRAM)
    >>> orders = [[1, 2, 0, 3], [1, 2, 3, 0]]
    >>> parts = PartitionArray(orders, [[[1, 2], [1, 1], [1, 1], [2, 1]]] * 2)
    >>> options = SimpleNamespace(hw_access_forwarding=False, hw_gbuf_sharing=False)
    >>> from nn_dataflow.core.partition_scheme import PartitionScheme
    >>> whole = PartitionScheme((0, 1, 2, 3), ((1, 1),) * 4)
    >>> ifmaps = DataLayout((FmapRange((0, 0, 0, 0), (2, 8, 10, 10)),), (memory,), (whole,))
    >>> unit_nhops(
    ...     ConvLayer(8, 16, 8, 3), 2, region, parts, [PhyDim2(0, -1)], ifmaps, memory, options
    ... ).tolist()
    [[2304, 6400, 6144], [2304, 6400, 6144]]
    """
    forwarding = bool(options.hw_access_forwarding or options.hw_gbuf_sharing)
    parts = PartitionArray.of(parts)
    ifmaps = Placement.of_layouts([ifmap_layout])
    hops = np.empty((len(parts), de.NUM), dtype=np.int64)
    for rows in _scheme_blocks(parts):
        table = PartitionHops(layer, batch_size, region, parts.take(rows), forwarding)
        hops[rows, de.FIL] = table.filters(filter_nodes)
        hops[rows, de.IFM] = table.ifmaps(ifmaps)[0]
        hops[rows, de.OFM] = table.ofmaps(ofmap if isinstance(ofmap, NodeRegion) else ofmap[rows])
    return hops


class PartitionHops:
    """Word-hops of n schemes of one layer on one region, category by category.

    What the nodes work on is found once for all categories and layouts that are asked for in a
    row, unless it is so large that it is better found again, block by block of schemes.

    Parameters
    ----------
    layer, batch_size, region, parts
        As for `unit_nhops`.
    forwarding : bool
        Whether nodes that use the same data forward them to each other.

    Examples
    --------
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> parts = PartitionArray([[1, 2, 0, 3]], [[[1, 2], [1, 1], [1, 1], [2, 1]]])
    >>> region = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> table = PartitionHops(ConvLayer(8, 16, 8, 3), 2, region, parts, forwarding=False)
    >>> table.filters([PhyDim2(0, -1), PhyDim2(1, -1)]).tolist()
    [1728]
    """

    def __init__(
        self,
        layer: Layer,
        batch_size: int,
        region: NodeRegion,
        parts: PartitionArray | Iterable[PartitionScheme],
        forwarding: bool = False,
    ) -> None:
        self.layer, self.batch_size, self.region = layer, batch_size, region
        self.parts = PartitionArray.of(parts)
        self.forwarding = forwarding
        self._blocks = list(_scheme_blocks(self.parts))

    def _works(self) -> Iterator[tuple[slice, NodeWork]]:
        if len(self._blocks) == 1:
            yield self._blocks[0], self._only_work()
            return
        for rows in self._blocks:
            parts = self.parts.take(rows)
            yield rows, NodeWork(self.layer, self.batch_size, self.region, parts)

    @lru_cache(maxsize=MAX_WORKS)  # noqa: B019 (few are kept, and they are what takes memory)
    def _only_work(self) -> NodeWork:
        return NodeWork(self.layer, self.batch_size, self.region, self.parts)

    def filters(self, filter_nodes: Collection[PhyDim2]) -> Ints:
        """Return the word-hops of the filters, (n,).

        Every node gets its |i| · |o| · R · S words from the nearest filter node. With forwarding
        the nodes of a group and the filter nodes are connected by a minimum spanning forest, and
        every edge carries the words once.

        Raises
        ------
        ValueError
            When there is no filter node and the layer has filters.
        """
        hops = np.zeros(len(self.parts), dtype=np.int64)
        if not isinstance(self.layer, ConvLayer):
            return hops
        if not len(filter_nodes):
            raise ValueError("partition: filter_nodes must not be empty for a layer with filters")
        nearest = _nearest(self.region.coordinates(), np.array(list(filter_nodes)))
        for rows, work in self._works():
            if self.forwarding:
                hops[rows] = forward_filters(work, nearest)
            else:
                hops[rows] = work.masked(work.filter_count() * nearest[work.node]).sum(axis=1)
        return hops * self.layer.filter_size()

    def ifmaps(self, layouts: Placement | Sequence[DataLayout]) -> Ints:
        """Return the word-hops of the ifmaps for each of K layouts, (K, n).

        Every node gets its part from the layout. With forwarding, the nearest node of a group
        does, and the part moves once along each edge of the minimum spanning tree of the group.
        """
        placement = layouts if isinstance(layouts, Placement) else Placement.of_layouts(layouts)
        hops = np.zeros((len(placement), len(self.parts)), dtype=np.int64)
        for rows, work in self._works():
            for own, transfer in _gen_ifmap_transfers(work, placement):
                if self.forwarding:
                    hops[own, rows] = forward_ifmaps(work, placement, own, transfer)
                else:
                    hops[own, rows] = work.masked(transfer).sum(axis=2)
        return hops

    def ofmaps(self, ofmap: NodeRegion | Sequence[DataLayout]) -> Ints:
        """Return the word-hops of the ofmaps, (n,).

        The middle node of the group that adds up an ofmap part exchanges it with memory; every
        other node sends it partial sums, at half the weight, since the caller counts reads and
        writes. With forwarding, half of what the nearest node and all nodes of the group take.
        Nothing moves where scheme and region of the layout are those of the layer.

        Parameters
        ----------
        ofmap : NodeRegion or sequence of n DataLayout
            As for `unit_nhops`.
        """
        hops = np.zeros(len(self.parts), dtype=np.int64)
        for rows, work in self._works():
            local, which, placement = (
                self._projected(work.parts, ofmap)
                if isinstance(ofmap, NodeRegion)
                else self._given(work.parts, ofmap[rows])
            )
            if placement is None:
                continue
            count = forward_ofmaps if self.forwarding else _merge_ofmaps
            hops[rows] = count(work, placement, local, which)
        return hops

    def _projected(
        self, parts: PartitionArray, dest: NodeRegion
    ) -> tuple[Bools, Ints, Placement | None]:
        """Lay out the full ofmap range on a region: (local, layout of each scheme, layouts)."""
        projected = parts.projection(dest.dim, appl2frng=True)
        local = (projected.pdims == parts.pdims).all(axis=(1, 2))
        if dest is not self.region:
            local &= np.array_equal(dest.coordinates(), self.region.coordinates())
        which = np.cumsum(~local) - 1
        if local.all():
            return local, which, None
        frng = FmapRange(
            (0, 0, 0, 0), (self.batch_size, self.layer.nofm, self.layer.hofm, self.layer.wofm)
        )
        return local, which, Placement.of_schemes(frng, dest, projected.take(~local))

    def _given(
        self, parts: PartitionArray, layouts: Sequence[DataLayout]
    ) -> tuple[Bools, Ints, Placement | None]:
        """Take given layouts, equal ones once: (local, layout of each scheme, layouts)."""
        numbers: dict[int, int] = {}
        which = np.array([numbers.setdefault(id(layout), len(numbers)) for layout in layouts])
        distinct = {id(layout): layout for layout in layouts}
        local = np.array(
            [
                layout.regions == (self.region,)
                and (layout.parts[0].order, layout.parts[0].pdims)
                == (tuple(order), tuple(map(tuple, pdims)))
                for layout, order, pdims in zip(
                    layouts, parts.order.tolist(), parts.pdims.tolist(), strict=True
                )
            ]
        )
        return local, which, Placement.of_layouts(list(distinct.values()))


def _scheme_blocks(parts: PartitionArray) -> Iterator[slice]:
    """Blocks of schemes whose partition indices, 4 pairs each, stay within the maximum."""
    return blocks(len(parts), 2 * pe.NUM * int(parts.size().prod(axis=1).max(initial=1)))


def _nearest(coord: Ints, sources: Ints) -> Ints:
    """Hops from each node (D, 2) to the nearest of some sources (F, 2)."""
    nearest = np.empty(len(coord), dtype=np.int64)
    for rows in blocks(len(coord), 2 * len(sources)):
        nearest[rows] = np.abs(coord[rows, None] - sources).sum(axis=2).min(axis=1)
    return nearest


def _gen_ifmap_transfers(work: NodeWork, placement: Placement) -> Iterator[tuple[slice, Ints]]:
    """Yield slices of layouts, and T(ifmap part, node) from each to every index, (K, n, P).

    The distance splits into that of rows and that of columns, and few distinct rows and columns
    occur. So the words of every distinct part on every node of the layout, times the distances to
    the distinct rows and columns, give a table in which each index finds its two terms. Doubles
    are used where all sums are exact in them, because matrix products of integers are slow.
    """
    number, table_rows = work.ifm_grid()
    axes = [np.unique(coord, return_inverse=True) for coord in work.coord]
    lines = sum(line.size for line, _ in axes)
    to_row = number * lines + axes[0][1][work.node]
    to_col = number * lines + (axes[1][1] + axes[0][0].size)[work.node]
    layouts, holders = placement.beg.shape[1:]
    parts = table_rows.shape[1]
    for own in blocks(layouts, max(parts * holders, parts * lines, holders * lines, number.size)):
        distance = np.concatenate(
            [np.abs(placement.coord[axis, own, :, None] - axes[axis][0]) for axis in range(2)],
            axis=2,
        )
        volume = (placement.box_end[:, own] - placement.box_beg[:, own]).prod(axis=0)
        exact = int(volume.max()) * int(distance.max()) < _EXACT_FLOAT
        dtype = np.float64 if exact else np.int64
        overlaps = [_overlaps(work, placement, axis, own).astype(dtype) for axis in range(4)]
        distance = distance.astype(dtype)
        product = np.empty((distance.shape[0], parts, lines), dtype)
        for some in blocks(parts, distance.shape[0] * holders):
            words: npt.NDArray[Any] = overlaps[0].take(table_rows[0, some], axis=1)
            for axis in range(1, 4):
                words *= overlaps[axis].take(table_rows[axis, some], axis=1)
            step = max(1, _ONE_THREAD // distance[0].size)
            for first in range(0, words.shape[1], step):
                part = slice(first, first + step)
                product[:, some][:, part] = words[:, part] @ distance
        flat = product.astype(np.int64, copy=False).reshape(distance.shape[0], -1)
        yield own, flat.take(to_row, axis=1) + flat.take(to_col, axis=1)


def _overlaps(work: NodeWork, placement: Placement, axis: int, own: slice) -> Ints:
    """One-dimensional overlaps of ifmap intervals and parts of layouts, (K, intervals, Q)."""
    table = work.ifm[axis]
    beg, end = placement.beg[axis, own, None], placement.end[axis, own, None]
    total: Ints = np.zeros(1, dtype=np.int64)
    for shift in work.ifm_shifts if axis == N else (0,):
        overlap = np.minimum(end, (table.end + shift)[:, None])
        overlap -= np.maximum(beg, (table.beg + shift)[:, None])
        total = total + np.maximum(overlap, 0, out=overlap)
    return total


def _merge_ofmaps(work: NodeWork, placement: Placement, local: Bools, which: Ints) -> Ints:
    """Ofmap hops of n schemes where middle nodes merge partial sums."""
    position, middle = _middle_positions(work)
    counted = ~local[:, None] if work.valid is None else work.valid & ~local[:, None]
    is_middle = np.nonzero(counted & (position == middle))
    transfer = placement.hops_to(
        *work.ofm_boxes(is_middle), work.coord[:, work.node[is_middle]], which[is_middle[0]]
    )
    hops = np.zeros(work.node.shape, dtype=np.int64)
    hops[is_middle] = transfer
    if (work.parts.size()[:, pe.INPP] > 1).any():
        coord = work.coord[:, work.node]
        distance = np.abs(coord - np.take_along_axis(coord, middle[None], axis=2)).sum(axis=0)
        hops += np.where(counted, (work.ofm_words() * distance + 1) // 2, 0)
    total: Ints = hops.sum(axis=1)
    return total


def _middle_positions(work: NodeWork) -> tuple[Ints, Ints]:
    """Positions of all indices (P,), and that of the middle node of the group of each (n, P).

    Groups are runs of s_INPP indices; nodes whose ifmap channels are empty do not count.
    """
    members = work.parts.size()[:, pe.INPP]
    channels = work.ifm[N]
    middle = np.empty_like(members)
    for size in set(members.tolist()):
        own = members == size
        has_work = np.arange(size)
        if work.merges:
            first = channels.first[np.argmax(own)]
            has_work = np.flatnonzero(channels.length()[first : first + size])
        middle[own] = has_work[has_work.size // 2]
    position = np.arange(work.node.shape[1])
    group = position // members[:, None] * members[:, None]
    return position, np.minimum(group + middle[:, None], position.size - 1)
