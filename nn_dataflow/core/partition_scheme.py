# SPDX-License-Identifier: BSD-3-Clause
"""One partition scheme: how a layer is split over the nodes of a region.

Decides how the parts nest on the region, which part each node gets, and how full the nodes are
(docs/model/partition.md sections 2-5).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nn_dataflow.util import get_ith_range

from . import parallel_enum as pe
from .fmap_range import FmapRange
from .layer import divide_layer
from .partition_array import PartitionArray
from .phy_dim2 import PhyDim2
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .layer import Layer
    from .node_region import NodeRegion
    from .partition_array import Ints

PartitionIndex = tuple[PhyDim2, ...]
"""One index per parallelism kind."""


class _Fields(NamedTuple):
    order: tuple[int, ...]
    pdims: tuple[PhyDim2, ...]


class PartitionScheme(Record, _Fields):
    """How a layer is split over a two-dimensional array of nodes.

    The dimensions of all parallelism kinds multiply, per axis, to the node array. The order says
    how the kinds nest physically.

    Parameters
    ----------
    order : sequence of 4 int
        The parallelism kinds, coarsest first: a permutation of 0..3.
    pdims : sequence of 4 pairs
        Dimension d_X = (h, w) of each kind, indexed by kind. The numbers are not checked.

    Raises
    ------
    ValueError
        When `order` is not a permutation of 0..3, or `pdims` not four pairs.

    Examples
    --------
    >>> part = PartitionScheme(order=(2, 0, 1, 3), pdims=((1, 2), (2, 1), (2, 1), (1, 2)))
    >>> part.dim(), part.size(pe.OUTP, pe.INPP)
    (PhyDim2(h=4, w=4), 4)
    """

    __slots__ = ()

    def __new__(  # noqa: PYI034  # Self needs Python 3.11
        cls, order: Sequence[int], pdims: Sequence[Sequence[int]]
    ) -> PartitionScheme:
        """Check the fields and build the scheme."""
        order = tuple(order)
        if order not in _PERMUTATIONS:
            raise ValueError(
                f"PartitionScheme: order must be a permutation of 0 to {pe.NUM - 1}, got {order}"
            )
        try:
            dims = tuple(PhyDim2(*dim) for dim in pdims)
        except TypeError:
            dims = ()
        if len(dims) != pe.NUM:
            raise ValueError(f"PartitionScheme: pdims must be {pe.NUM} pairs (h, w), got {pdims!r}")
        return super().__new__(cls, order, dims)

    @classmethod
    def of_row(cls, parts: PartitionArray, row: int) -> PartitionScheme:
        """Return one scheme of an array of schemes.

        Examples
        --------
        >>> parts = PartitionArray([[0, 1, 2, 3]], [[[1, 2], [1, 1], [1, 1], [1, 1]]])
        >>> PartitionScheme.of_row(parts, 0).dim()
        PhyDim2(h=1, w=2)
        """
        return cls(parts.order[row].tolist(), parts.pdims[row].tolist())

    def dim(self, *paes: int) -> PhyDim2:
        """Return the element-wise product of the dimensions of the named kinds (all if none).

        Raises
        ------
        IndexError
            For a kind outside 0..3.
        """
        dims = [self.pdims[pae] for pae in paes] if paes else self.pdims
        return PhyDim2(math.prod(dim[0] for dim in dims), math.prod(dim[1] for dim in dims))

    def size(self, *paes: int) -> int:
        """Return the area of ``dim(*paes)``: the number of parts along the named kinds."""
        return self.dim(*paes).size()

    def gen_pidx(self) -> Iterator[PartitionIndex]:
        """Yield all partition indices: kinds nested in enum order, INPP fastest, each row-major."""
        return itertools.product(
            *([PhyDim2(h, w) for h in range(dim.h) for w in range(dim.w)] for dim in self.pdims)
        )

    def coordinate(self, node_region: NodeRegion, pidx: PartitionIndex) -> PhyDim2:
        """Return the absolute coordinate of the node with index `pidx` in a region.

        Per axis, mixed radix over the order, top first: ``c = c · d_X + index_X``.

        Raises
        ------
        ValueError
            When the coordinate lies outside the region.

        Examples
        --------
        >>> from nn_dataflow.core.node_region import NodeRegion
        >>> part = PartitionScheme((2, 0, 1, 3), ((1, 2), (2, 1), (2, 1), (1, 2)))
        >>> region = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
        >>> part.coordinate(region, (PhyDim2(0, 1), PhyDim2(0, 0), PhyDim2(1, 0), PhyDim2(0, 1)))
        PhyDim2(h=2, w=3)
        """
        pair = np.array(pidx, dtype=np.int64).reshape(pe.NUM, 2, 1, 1)
        return node_region.rel2abs(
            PhyDim2(*PartitionArray.of([self]).coordinates(pair).ravel().tolist())
        )

    def fmap_range(self, frng: FmapRange, pidx: PartitionIndex) -> FmapRange:
        """Return the part of an fmap range with index `pidx`; it may be empty.

        Batch is cut by BATP, channels by OUTP, rows and columns by OFMP.

        Examples
        --------
        >>> part = PartitionScheme((0, 1, 2, 3), ((1, 2), (2, 1), (1, 1), (1, 1)))
        >>> one, zero = PhyDim2(0, 1), PhyDim2(0, 0)
        >>> part.fmap_range(FmapRange((0, 0, 0, 0), (4, 10, 7, 7)), (one, zero, zero, zero))[0]
        FmapPosition(b=0, n=5, h=0, w=0)
        """
        batch, chan, fmap = pidx[pe.BATP], pidx[pe.OUTP], pidx[pe.OFMP]
        which = (
            (batch[0] * self.pdims[pe.BATP].w + batch[1], self.size(pe.BATP)),
            (chan[0] * self.pdims[pe.OUTP].w + chan[1], self.size(pe.OUTP)),
            (fmap[0], self.pdims[pe.OFMP].h),
            (fmap[1], self.pdims[pe.OFMP].w),
        )
        ends = [
            get_ith_range(extent, idx, num)
            for extent, (idx, num) in zip(zip(*frng, strict=True), which, strict=True)
        ]
        return FmapRange([beg for beg, _ in ends], [end for _, end in ends])

    def is_applicable_to_fmap_range(self) -> bool:
        """Return whether fmaps can be laid out by the scheme: s_INPP = 1."""
        return self.size(pe.INPP) == 1

    def part_layer(self, layer: Layer, batch_size: int) -> tuple[Layer, int, float]:
        """Return the layer and batch of one node, and the occupancy of the nodes.

        All divisions are rounded up. Occupancy is the fraction of the nodes' operations that are
        not padding, κ = ops(layer, N) / (ops(divided layer, N') · s_total), 0 < κ ≤ 1.

        Returns
        -------
        (Layer, int, float)
            Divided layer, divided batch N', occupancy κ.

        Raises
        ------
        ValueError
            When a LocalRegion layer is split by input channels.
        TypeError
            When the layer is of a kind that cannot be divided.

        Examples
        --------
        >>> from nn_dataflow.core.layer import ConvLayer
        >>> part = PartitionScheme((0, 1, 2, 3), ((2, 1), (1, 1), (1, 1), (1, 4)))
        >>> layer, batch, occupancy = part.part_layer(ConvLayer(30, 64, 28, 3), 16)
        >>> layer.nifm, layer.nofm, batch, occupancy
        (8, 32, 16, 0.9375)
        """
        divided = divide_layer(layer, self.size(pe.INPP), self.size(pe.OUTP), *self.pdims[pe.OFMP])
        batch = -(-batch_size // self.size(pe.BATP))
        occupancy = layer.total_ops(batch_size) / (divided.total_ops(batch) * self.size())
        return divided, batch, occupancy

    def part_neighbor_dist(self, node_region: NodeRegion, pae: int) -> PhyDim2:
        """Return the average hop distance of neighbours along one parallelism kind.

        Average over all partition indices with index_X.h > 0 of the hops between the node and the
        one whose index_X.h is one less, all else equal; the same for w.

        Returns
        -------
        PhyDim2 of float
            Hops; infinite on an axis without neighbours, NaN on both for a kind outside 0..3.

        Raises
        ------
        ValueError
            When the scheme is larger than the region.

        Examples
        --------
        >>> from nn_dataflow.core.node_region import NodeRegion
        >>> part = PartitionScheme((0, 1, 2, 3), ((1, 2), (1, 4), (1, 1), (1, 1)))
        >>> region = NodeRegion(PhyDim2(1, 8), PhyDim2(0, 0), type=NodeRegion.PROC, wtot=3)
        >>> part.part_neighbor_dist(region, pe.OUTP)
        PhyDim2(h=inf, w=2.5)
        """
        if pae not in range(pe.NUM):
            return PhyDim2(math.nan, math.nan)  # type: ignore[arg-type]
        parts = PartitionArray.of([self])
        node = region_node_index(node_region, parts.coordinates(parts.indices().pair))[0]
        shape = [length for dim in self.pdims for length in dim]
        grid = node_region.coordinates()[node].reshape(*shape, 2)
        hops = [
            np.abs(np.diff(grid, axis=2 * pae + axis)).sum(axis=-1).ravel() for axis in range(2)
        ]
        means = [int(hop.sum()) / hop.size if hop.size else math.inf for hop in hops]
        return PhyDim2(*means)  # type: ignore[arg-type]

    def projection(self, region: NodeRegion, appl2frng: bool = False) -> PartitionScheme:
        """Return the scheme fitted to another region, in the same order.

        On an axis where the region is longer, BATP grows; where it is shorter, kinds shrink from
        the top of the order (see `PartitionArray.projection`). The result fits in the region but
        need not fill it.

        Parameters
        ----------
        region : NodeRegion
        appl2frng : bool
            Drop INPP first, so that the result applies to fmaps.

        Raises
        ------
        ValueError
            When the region is empty.

        Examples
        --------
        >>> from nn_dataflow.core.node_region import NodeRegion
        >>> part = PartitionScheme((2, 3, 0, 1), ((2, 3), (1, 5), (4, 4), (1, 1)))
        >>> region = NodeRegion(PhyDim2(4, 30), PhyDim2(0, 0), type=NodeRegion.DRAM)
        >>> part.projection(region).pdims[pe.BATP]
        PhyDim2(h=2, w=2)
        """
        return self.of_row(PartitionArray.of([self]).projection(region.dim, appl2frng), 0)


_PERMUTATIONS = frozenset(itertools.permutations(range(pe.NUM)))


def region_node_index(region: NodeRegion, relative: Ints) -> Ints:
    """Return the number of nodes in iteration order of a region, given relative coordinates.

    Parameters
    ----------
    region : NodeRegion
    relative : int array (2, ...)
        Relative coordinates (h, w).

    Returns
    -------
    int array (...)
        Rows of ``region.coordinates()``.

    Raises
    ------
    ValueError
        When a coordinate lies outside the region.
    """
    height, width = region.dim
    rel_h, rel_w = relative
    outside = rel_h.size and (
        rel_h.min() < 0 or rel_w.min() < 0 or rel_h.max() >= height or rel_w.max() >= width
    )
    if outside:
        raise ValueError(
            f"PartitionScheme: pdims do not fit the node region of dim {tuple(region.dim)}"
        )
    node: Ints = rel_h * width + rel_w
    return node
