# SPDX-License-Identifier: BSD-3-Clause
"""Where data lie, as arrays.

Decides which part of an fmap range each node of a layout holds, and how many word-hops it takes to
bring boxes of data from there to nodes (docs/model/partition.md sections 2.5 and 8.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .partition_array import PartitionArray, range_parts
from .partition_scheme import region_node_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .data_layout import DataLayout
    from .fmap_range import FmapRange
    from .node_region import NodeRegion
    from .partition_array import Ints
    from .partition_scheme import PartitionScheme

MAX_ELEMENTS = 2**20
"""Largest number of elements of an intermediate array; work is done in blocks up to this size."""


class Placement:
    """L layouts of up to Q parts each.

    Attributes
    ----------
    beg, end : int array (4, L, Q)
        Extents of the parts in b, n, h, w. Missing parts are empty.
    coord : int array (2, L, Q)
        Absolute coordinate (h, w) of the node that holds each part.
    box_beg, box_end : int array (4, L)
        The complete range of each layout.
    """

    __slots__ = ("beg", "box_beg", "box_end", "coord", "end")

    def __init__(self, beg: Ints, end: Ints, coord: Ints, box_beg: Ints, box_end: Ints) -> None:
        self.beg, self.end, self.coord = beg, end, coord
        self.box_beg, self.box_end = box_beg, box_end

    @classmethod
    def of_schemes(cls, frng: FmapRange, region: NodeRegion, parts: PartitionArray) -> Placement:
        """Return one layout per scheme: an fmap range spread over a region by each of them.

        The range may begin at any channel: the pieces of several producers can be placed by
        themselves, each for all of its schemes, since without forwarding their hops add up.

        Raises
        ------
        ValueError
            When a scheme does not fit the region.

        Examples
        --------
        >>> from nn_dataflow.core.fmap_range import FmapRange
        >>> from nn_dataflow.core.node_region import NodeRegion
        >>> from nn_dataflow.core.phy_dim2 import PhyDim2
        >>> parts = PartitionArray([[0, 1, 2, 3]], [[[1, 2], [1, 1], [1, 1], [1, 1]]])
        >>> region = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 5), type=NodeRegion.DRAM)
        >>> placement = Placement.of_schemes(FmapRange((0, 0, 0, 0), (4, 9, 2, 2)), region, parts)
        >>> placement.beg[1].tolist(), placement.end[1].tolist(), placement.coord[1].tolist()
        ([[0, 4]], [[4, 9]], [[5, 6]])
        """
        indices = parts.indices()
        node = region_node_index(region, parts.coordinates(indices.pair))
        cuts = zip(zip(*frng, strict=True), indices.fmap(), parts.fmap_counts(), strict=True)
        beg, end = np.empty((2, 4, *node.shape), dtype=np.int64)
        for axis, (extent, index, count) in enumerate(cuts):
            beg[axis], end[axis] = range_parts(extent, index, count[:, None])
        if indices.valid is not None:
            np.copyto(end, beg, where=~indices.valid)
        box = np.empty((2, 4, len(parts)), dtype=np.int64)
        box[:] = np.array(frng, dtype=np.int64)[:, :, None]
        return cls(beg, end, np.moveaxis(region.coordinates()[node], -1, 0), box[0], box[1])

    @classmethod
    def of_layouts(cls, layouts: Sequence[DataLayout]) -> Placement:
        """Return the placement of data layouts, all pieces of one beside each other."""
        grouped: dict[tuple[FmapRange, NodeRegion], list[tuple[int, int, PartitionScheme]]] = {}
        most = 0
        for row, layout in enumerate(layouts):
            at = 0
            for frng, region, part in zip(*layout, strict=True):
                grouped.setdefault((frng, region), []).append((row, at, part))
                at += part.size()
            most = max(most, at)
        if len(grouped) == 1 and all(len(layout.parts) == 1 for layout in layouts):
            ((frng, region), pieces) = grouped.popitem()
            return cls.of_schemes(frng, region, PartitionArray.of([part for _, _, part in pieces]))
        beg, end = np.zeros((2, 4, len(layouts), most), dtype=np.int64)
        coord = np.zeros((2, len(layouts), most), dtype=np.int64)
        for (frng, region), pieces in grouped.items():
            group = cls.of_schemes(frng, region, PartitionArray.of([part for _, _, part in pieces]))
            for number, (row, at, part) in enumerate(pieces):
                own = slice(part.size())
                to = slice(at, at + part.size())
                beg[:, row, to], end[:, row, to] = (
                    group.beg[:, number, own],
                    group.end[:, number, own],
                )
                coord[:, row, to] = group.coord[:, number, own]
        boxes = [layout.complete_fmap_range() for layout in layouts]
        box_beg, box_end = (np.array(ends).T for ends in zip(*boxes, strict=True))
        return cls(beg, end, coord, box_beg, box_end)

    def __len__(self) -> int:
        return int(self.beg.shape[1])

    def keys(self) -> list[bytes]:
        """Return one key per layout; keys are equal iff the same nodes hold the same ranges.

        Parts are compared in order of node and range, empty ones as nothing at all. Keys of one
        placement can be compared, those of different ones cannot.
        """
        empty = (self.end <= self.beg).any(axis=0)
        fields = np.concatenate([self.coord, self.beg, self.end])
        fields[:, empty] = 0
        order = np.lexsort(fields[::-1])
        ordered = np.take_along_axis(fields, order[None], axis=2)
        return [layout.tobytes() for layout in np.moveaxis(ordered, 1, 0)]

    def words_in(self, beg: Ints, end: Ints, which: Ints) -> Ints:
        """Return the words that boxes share with the complete range of a layout.

        Parameters
        ----------
        beg, end : int array (4, M)
            The boxes.
        which : int array (M,)
            The layout of each box.

        Returns
        -------
        int array (M,)
        """
        low = np.maximum(beg, self.box_beg[:, which])
        size = np.maximum(np.minimum(end, self.box_end[:, which]) - low, 0)
        words: Ints = size.prod(axis=0)
        return words

    def hops_to(self, beg: Ints, end: Ints, dest: Ints, which: Ints) -> Ints:
        """Return the transfer hops of M boxes, each from one layout to one node.

        ``T(box, d) = Σ_q |box ∩ part_q| · hop(node_q, d)``; positions outside of the layout
        contribute nothing.

        Parameters
        ----------
        beg, end : int array (4, M)
            The boxes.
        dest : int array (2, M)
            Absolute coordinates (h, w) of the destinations.
        which : int array (M,)
            The layout of each box.

        Returns
        -------
        int array (M,)
            Word-hops.
        """
        hops = np.empty(beg.shape[1], dtype=np.int64)
        for rows in blocks(beg.shape[1], self.beg.shape[2]):
            hops[rows] = self._hops_to(beg[:, rows], end[:, rows], dest[:, rows], which[rows])
        return hops

    def _hops_to(self, beg: Ints, end: Ints, dest: Ints, which: Ints) -> Ints:
        """Find the pairs of box and part that overlap in b and n, and go on with these only."""
        words = _overlap(
            self.beg[0].take(which, axis=0), self.end[0].take(which, axis=0), beg[0], end[0]
        )
        words *= _overlap(
            self.beg[1].take(which, axis=0), self.end[1].take(which, axis=0), beg[1], end[1]
        )
        box, part = np.nonzero(words)
        own = which[box] * words.shape[1] + part
        pairs = words[box, part]
        for axis in (2, 3):
            ends = self.beg[axis].take(own)[:, None], self.end[axis].take(own)[:, None]
            pairs *= _overlap(*ends, beg[axis, box], end[axis, box])[:, 0]
        pairs *= sum(np.abs(self.coord[axis].take(own) - dest[axis, box]) for axis in range(2))
        running = np.concatenate([[0], np.cumsum(pairs)])
        last = np.cumsum(np.bincount(box, minlength=len(which)))
        return np.diff(running[last], prepend=0)


def _overlap(beg: Ints, end: Ints, box_beg: Ints, box_end: Ints) -> Ints:
    """Lengths that one-dimensional parts (M, Q) share with boxes (M,)."""
    overlap = np.minimum(end, box_end[:, None])
    overlap -= np.maximum(beg, box_beg[:, None])
    return np.maximum(overlap, 0, out=overlap)


def blocks(rows: int, elements_per_row: int) -> Iterator[slice]:
    """Yield slices that cover `rows` with at most `MAX_ELEMENTS` elements each (or one row)."""
    step = max(1, MAX_ELEMENTS // max(1, elements_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
