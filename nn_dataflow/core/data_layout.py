# SPDX-License-Identifier: BSD-3-Clause
"""Data layouts: which node holds which part of the feature maps.

Decides what is a legal layout, and the hops to bring a range of feature maps from it to nodes
(docs/model/partition.md section 8).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .fmap_range import FmapPosition, FmapRange, FmapRangeMap
from .forwarding import tree_hops
from .node_region import NodeRegion
from .partition_scheme import PartitionScheme
from .phy_dim2 import PhyDim2
from .placement import Placement
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Fields(NamedTuple):
    frngs: tuple[FmapRange, ...]
    regions: tuple[NodeRegion, ...]
    parts: tuple[PartitionScheme, ...]


class DataLayout(Record, _Fields):
    """Where feature maps are: pieces that follow each other in channels, each on its own nodes.

    Piece j is the range ``frngs[j]``, spread over the nodes of ``regions[j]`` by ``parts[j]``.

    Parameters
    ----------
    frngs : tuple of FmapRange
        The first begins at (0, 0, 0, 0); each further one has the same extents in b, h and w, and
        begins in n where the one before ends.
    regions : tuple of NodeRegion
    parts : tuple of PartitionScheme
        Schemes without INPP that fit their regions.

    Raises
    ------
    TypeError
        When a field is not a tuple of these.
    ValueError
        When the ranges do not follow each other, a scheme splits input channels or is larger than
        its region, or the lengths differ.

    Examples
    --------
    >>> region = NodeRegion(PhyDim2(2, 2), PhyDim2(1, 1), type=NodeRegion.DRAM)
    >>> part = PartitionScheme((0, 1, 2, 3), ((1, 1), (2, 1), (1, 2), (1, 1)))
    >>> layout = DataLayout((FmapRange((0, 0, 0, 0), (4, 4, 16, 16)),), (region,), (part,))
    >>> layout.nhops_to(layout.complete_fmap_range(), PhyDim2(-1, -2))
    24576
    """

    __slots__ = ()

    def __new__(  # noqa: PYI034  # Self needs Python 3.11
        cls,
        frngs: tuple[FmapRange, ...],
        regions: tuple[NodeRegion, ...],
        parts: tuple[PartitionScheme, ...],
    ) -> DataLayout:
        """Check the fields and build the layout."""
        _check_types("frngs", frngs, FmapRange)
        _check_types("regions", regions, NodeRegion)
        _check_types("parts", parts, PartitionScheme)
        _check_ranges(frngs)
        for region, part in zip(regions, parts, strict=False):
            _check_part(region, part)
        if not len(frngs) == len(regions) == len(parts):
            raise ValueError(
                "DataLayout: frngs, regions and parts must have the same length,"
                f" got {len(frngs)}, {len(regions)} and {len(parts)}"
            )
        return super().__new__(cls, frngs, regions, parts)

    def complete_fmap_range(self) -> FmapRange:
        """Return the range from the beginning of the first piece to the end of the last."""
        return FmapRange(self.frngs[0].fp_beg, self.frngs[-1].fp_end)

    def fmap_range_map(self) -> FmapRangeMap[PhyDim2]:
        """Return the map from every non-empty part to the absolute coordinate that holds it."""
        frmap: FmapRangeMap[PhyDim2] = FmapRangeMap()
        placement = Placement.of_layouts([self])
        ends = zip(placement.beg[:, 0].T.tolist(), placement.end[:, 0].T.tolist(), strict=True)
        for (beg, end), node in zip(ends, placement.coord[:, 0].T.tolist(), strict=True):
            frmap.add(FmapRange(beg, end), PhyDim2(*node))
        return frmap

    def nhops_to(self, fmap_range: FmapRange, *dest_list: PhyDim2, **kwargs: Any) -> int:
        """Return the word-hops to bring a range to one or more nodes.

        ``T(range, d) = Σ_parts |range ∩ part| · hop(node, d)``; positions outside of the layout
        contribute nothing. Without forwarding the sum of T over the destinations, repeated ones
        counting repeatedly. With forwarding the smallest T, plus the words of the range that the
        layout has times the length of the minimum spanning tree of the set of destinations.

        Parameters
        ----------
        fmap_range : FmapRange
        *dest_list : PhyDim2
            Absolute coordinates of the destinations.
        forwarding : bool
            Whether destinations forward the data to each other; False by default.

        Raises
        ------
        ValueError
            For an unknown keyword, or no destination with forwarding.

        Examples
        --------
        >>> region = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
        >>> part = PartitionScheme((0, 1, 2, 3), ((1, 1),) * 4)
        >>> layout = DataLayout((FmapRange((0, 0, 0, 0), (1, 8, 2, 2)),), (region,), (part,))
        >>> nodes = PhyDim2(0, 2), PhyDim2(0, 3)
        >>> layout.nhops_to(layout.frngs[0], *nodes)
        160
        >>> layout.nhops_to(layout.frngs[0], *nodes, forwarding=True)
        96
        """
        forwarding = kwargs.pop("forwarding", False)
        if kwargs:
            raise ValueError(f"DataLayout: unknown keyword of nhops_to: {', '.join(kwargs)}")
        if forwarding and not dest_list:
            raise ValueError("DataLayout: nhops_to with forwarding needs a destination")
        dest = np.array(dest_list, dtype=np.int64).reshape(-1, 2).T
        beg, end = (np.repeat(np.array(pos)[:, None], dest.shape[1], axis=1) for pos in fmap_range)
        which = np.zeros(dest.shape[1], dtype=np.int64)
        hops = Placement.of_layouts([self]).hops_to(beg, end, dest, which)
        if not forwarding:
            return int(hops.sum())
        words = fmap_range.overlap_size(self.complete_fmap_range())
        return int(hops.min()) + words * int(tree_hops(dest[:, None])[0])

    def is_in(self, *regions: NodeRegion) -> bool:
        """Return whether every node of every own region is in a given region of the same type.

        Whole regions count, whether or not all of their nodes hold data. Nodes of one piece may be
        in different regions. Without regions the answer is False.
        """
        return all(
            _nodes([region]) <= _nodes([other for other in regions if other.type == region.type])
            for region in self.regions
        )

    @classmethod
    def concat(cls, *layouts: DataLayout) -> DataLayout:
        """Return the concatenation of layouts along the channels.

        Raises
        ------
        TypeError
            When an argument is not a layout.
        ValueError
            When there is none, or they differ in b, h or w.

        Examples
        --------
        >>> region = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
        >>> part = PartitionScheme((0, 1, 2, 3), ((1, 1),) * 4)
        >>> one = DataLayout((FmapRange((0, 0, 0, 0), (1, 8, 2, 2)),), (region,), (part,))
        >>> two = DataLayout.concat(one, one)
        >>> DataLayout.concat(two, one).complete_fmap_range().fp_end
        FmapPosition(b=1, n=24, h=2, w=2)
        """
        if not layouts:
            raise ValueError("DataLayout: concat needs at least one layout")
        frngs: list[FmapRange] = []
        total = 0
        for layout in layouts:
            if not isinstance(layout, DataLayout):
                raise TypeError(f"DataLayout: concat needs DataLayout values, got {layout!r}")
            size = layout.frngs[0].fp_end
            first = layouts[0].frngs[0].fp_end
            if (size.b, size.h, size.w) != (first.b, first.h, first.w):
                raise ValueError(
                    "DataLayout: concat needs layouts of the same b, h and w,"
                    f" got {layouts[0].complete_fmap_range()} and {layout.complete_fmap_range()}"
                )
            frngs += [_shifted(frng, total) for frng in layout.frngs]
            total += layout.frngs[-1].fp_end.n
        return cls(
            tuple(frngs),
            tuple(region for layout in layouts for region in layout.regions),
            tuple(part for layout in layouts for part in layout.parts),
        )


def _shifted(frng: FmapRange, channels: int) -> FmapRange:
    return FmapRange(*(FmapPosition(b, n + channels, h, w) for b, n, h, w in frng))


def _nodes(regions: Sequence[NodeRegion]) -> set[PhyDim2]:
    return {node for region in regions for node in region.iter_node()}


def _check_types(field: str, value: object, of: type) -> None:
    if not isinstance(value, tuple) or not all(isinstance(entry, of) for entry in value):
        raise TypeError(f"DataLayout: {field} must be a tuple of {of.__name__}, got {value!r}")


def _check_ranges(frngs: tuple[FmapRange, ...]) -> None:
    if not frngs:
        raise ValueError("DataLayout: frngs must not be empty")
    if any(frngs[0].fp_beg):
        raise ValueError(f"DataLayout: frngs must begin at (0, 0, 0, 0), got {frngs[0]}")
    for before, frng in itertools.pairwise(frngs):
        follows = frng.fp_beg == before.fp_beg._replace(n=before.fp_end.n)
        if not follows or frng.fp_end != before.fp_end._replace(n=frng.fp_end.n):
            raise ValueError(
                "DataLayout: frngs must follow each other in n with the same b, h and w,"
                f" got {before} and {frng}"
            )


def _check_part(region: NodeRegion, part: PartitionScheme) -> None:
    if not part.is_applicable_to_fmap_range():
        raise ValueError(f"DataLayout: parts must not split input channels (INPP), got {part}")
    dim = part.dim()
    if dim.h > region.dim.h or dim.w > region.dim.w:
        raise ValueError(
            f"DataLayout: parts must fit their regions, got partition dim {tuple(dim)}"
            f" on a region of dim {tuple(region.dim)}"
        )
