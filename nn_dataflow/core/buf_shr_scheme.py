# SPDX-License-Identifier: BSD-3-Clause
"""Buffer sharing between nodes that use the same data.

Decides which nodes form a sharing group, how a subgroup of it lies on the chip, and the hops to
rotate or fetch data within it (docs/model/loop_blocking.md sections 6.1-6.3).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from nn_dataflow.caching import lru_cache
from nn_dataflow.util import gcd

from . import data_category_enum as de
from . import loop_enum as le
from . import parallel_enum as pe
from .layer import ConvLayer
from .phy_dim2 import PhyDim2

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from .data_dim_loops import DataDimLoops
    from .node_region import NodeRegion
    from .partition_scheme import PartitionScheme

    Floats = npt.NDArray[np.float64]

_WHOLE = 1e-6
"""A fetch width this little above a whole number counts as whole."""

_NAMES = ("FIL", "IFM", "OFM")


class _Group(NamedTuple):
    """Nodes that use the same data: their number along each dimension, and how far apart."""

    dim: PhyDim2
    dist: PhyDim2


class Ring(NamedTuple):
    """The way around the nodes of every subgroup of a sharing group.

    The formulas of section 6.3, over arrays: `width` is how many node buffers are passed together,
    and what is at most 1 counts as 1.

    Attributes
    ----------
    hops
        Length of the ring, see `BufShrScheme.ring_hops`.
    nodes
        Nodes of a subgroup, M.
    num
        Subgroups in the group.
    """

    hops: float
    nodes: int
    num: int

    def rotation(self, width: Any) -> Any:
        """Hops per word of a rotation round, see `BufShrScheme.nhops_rotate_all`."""
        return self.hops * (self.nodes - np.maximum(1, width)) / self.nodes * self.num

    def wide_fetch(self, width: Any) -> Any:
        """Hops per word of a wide fetch, see `BufShrScheme.nhops_wide_fetch_once`."""
        step = float(self.rotation(1)) / max(1, self.nodes - 1)
        width = np.maximum(1, width)
        count = np.ceil(width - _WHOLE)
        further = count - 1
        return step * (further * count / 2 - further * (count - width)) / width


_ALONE = _Group(PhyDim2(1, 1), PhyDim2(math.inf, math.inf))  # type: ignore[arg-type]


class BufShrScheme:
    """The sharing groups of each data category under a partition scheme.

    Nodes along the parallelism of the loop that is unrelated to a category use the same data of
    it: OUTP for ifmaps, INPP for ofmaps, BATP or OFMP for filters of a Conv layer.

    Parameters
    ----------
    node_region : NodeRegion
    part : PartitionScheme
    data_loops : sequence of 3 DataDimLoops, optional
        Loops related to each data category; those of Conv layers by default.

    Raises
    ------
    ValueError
        When the scheme is larger than the region in any dimension.

    Examples
    --------
    >>> from nn_dataflow.core.node_region import NodeRegion
    >>> from nn_dataflow.core.partition_scheme import PartitionScheme
    >>> region = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> part = PartitionScheme((1, 2, 3, 0), ((4, 2), (1, 2), (1, 1), (1, 1)))
    >>> bufshr = BufShrScheme(region, part)
    >>> bufshr.dim(de.IFM), bufshr.size(de.FIL), bufshr.size(de.OFM)
    (PhyDim2(h=4, w=2), 2, 1)
    >>> bufshr.nhops_rotate_all(de.IFM, 4)
    9.0
    """

    __slots__ = ("_groups",)

    def __init__(
        self,
        node_region: NodeRegion,
        part: PartitionScheme,
        data_loops: Sequence[DataDimLoops] | None = None,
    ) -> None:
        dim = part.dim()
        if dim.h > node_region.dim.h or dim.w > node_region.dim.w:
            raise ValueError(
                f"BufShrScheme: part must fit node_region, got partition dim {tuple(dim)}"
                f" on a region of dim {tuple(node_region.dim)}"
            )
        loops = ConvLayer.data_loops() if data_loops is None else data_loops
        self._groups = tuple(_sharing_group(node_region, part, loops[dce]) for dce in range(de.NUM))

    def __repr__(self) -> str:
        groups = ", ".join(
            f"{name}={group.dim}" for name, group in zip(_NAMES, self._groups, strict=True)
        )
        return f"{type(self).__name__}({groups})"

    def geometry(self) -> tuple[tuple[PhyDim2, PhyDim2], ...]:
        """Return dimension and neighbour distance of the groups of every data category."""
        return self._groups

    def dim(self, dce: int) -> PhyDim2:
        """Return the dimension of the groups of a data category, in nodes."""
        return self._groups[dce].dim

    def size(self, dce: int) -> int:
        """Return the number of nodes of a group of a data category."""
        return self._groups[dce].dim.size()

    def nbr_dist(self, dce: int) -> PhyDim2:
        """Return the average hops between neighbours of a group, infinite where there are none."""
        return self._groups[dce].dist

    @overload
    def nhops_rotate_all(
        self, dce: int, subgrp_size: int, rotation_unit_cnt: float | None = None
    ) -> float: ...
    @overload
    def nhops_rotate_all(self, dce: int, subgrp_size: int, rotation_unit_cnt: Floats) -> Floats: ...
    def nhops_rotate_all(
        self, dce: int, subgrp_size: int, rotation_unit_cnt: float | Floats | None = None
    ) -> float | Floats:
        """Return the hops of one rotation round in all subgroups of a group.

        Every node of a subgroup of M nodes passes its 1/M of the data around the ring, until all
        nodes have seen all of it. With U rotation units, ``skip = max(1, M / U)`` and
        ``rotate(M, U) = ring(M) · (M − skip) / M · ⌊G / M⌋``, where ring(M) is the length of the
        ring, see `ring_hops`, and G the size of the group.

        Parameters
        ----------
        dce : int
            Data category.
        subgrp_size : int
            M, 1 ≤ M ≤ G.
        rotation_unit_cnt : number or array, optional
            U, positive; M by default. An array gives an array.

        Returns
        -------
        float or float array
            Hops per word of the unique data.

        Raises
        ------
        ValueError
            When M or U is out of range.
        """
        ring = self.ring(dce, subgrp_size)
        if rotation_unit_cnt is None:
            return float(ring.rotation(1))
        if np.any(np.asarray(rotation_unit_cnt) <= 0):
            raise ValueError(
                f"BufShrScheme: rotation_unit_cnt must be positive, got {rotation_unit_cnt}"
            )
        width = subgrp_size / np.asarray(rotation_unit_cnt)
        return _as_given(rotation_unit_cnt, ring.rotation(width))

    @overload
    def nhops_wide_fetch_once(self, dce: int, subgrp_size: int, fetch_width: float) -> float: ...
    @overload
    def nhops_wide_fetch_once(self, dce: int, subgrp_size: int, fetch_width: Floats) -> Floats: ...
    def nhops_wide_fetch_once(
        self, dce: int, subgrp_size: int, fetch_width: float | Floats
    ) -> float | Floats:
        """Return the hops to fetch all data once with accesses as wide as several node buffers.

        For a width of W node buffers, 0 if W ≤ 1; otherwise, with c = ⌈W − 1e−6⌉,
        ``wide(M, W) = rotate(M, M) / (M − 1) · ((c − 1) · c / 2 − (c − 1) · (c − W)) / W``.

        Parameters
        ----------
        dce : int
            Data category.
        subgrp_size : int
            M, 1 ≤ M ≤ G.
        fetch_width : number or array
            W ≤ M. An array gives an array.

        Returns
        -------
        float or float array
            Hops per word of the unique data.

        Raises
        ------
        ValueError
            When M is out of range or W > M.
        """
        ring = self.ring(dce, subgrp_size)
        width = np.asarray(fetch_width, dtype=np.float64)
        if (width > subgrp_size).any():
            raise ValueError(
                f"BufShrScheme: fetch_width must not exceed subgrp_size {subgrp_size},"
                f" got {fetch_width}"
            )
        return _as_given(fetch_width, ring.wide_fetch(width))

    def ring_hops(self, dce: int, subgrp_size: int) -> float:
        """Return the length of the ring through the nodes of a subgroup.

        M is rounded up to M', a divisor of the group size G. Along the dimension p of the smaller
        distance (height on a tie) a subgroup is P = gcd(d_p, M') long, and Q = M' / P across; its
        nodes form a snake. The ring takes ``(P − 1) · Q · D_p + (Q − 1) · D_q`` hops, and back from
        node M − 1 at (x, q) another ``x · D_p + q · D_q``. No steps over an infinite distance are
        0 hops.

        Raises
        ------
        ValueError
            When M is not in 1..G.
        """
        return self.ring(dce, subgrp_size).hops

    def ring(self, dce: int, subgrp_size: int) -> Ring:
        """Return the ring through the nodes of a subgroup, see `ring_hops`.

        Raises
        ------
        ValueError
            When M is not in 1..G.
        """
        return _ring_of(self._groups[dce], subgrp_size)


@lru_cache(maxsize=1 << 12)
def _ring_of(group: _Group, nodes: int) -> Ring:
    """Ring through the nodes of a subgroup of a group."""
    dim, dist = group
    size = dim.size()
    if not 1 <= nodes <= size:
        raise ValueError(f"BufShrScheme: subgrp_size must be 1 to {size}, got {nodes}")
    rounded = next(num for num in range(nodes, size + 1) if size % num == 0)
    along, across = (0, 1) if dist.h <= dist.w else (1, 0)
    length = gcd(dim[along], rounded)
    rows = rounded // length
    row, column = divmod(nodes - 1, length)
    if row % 2:
        column = length - 1 - column
    hops = _walk((length - 1) * rows + column, dist[along]) + _walk(rows - 1 + row, dist[across])
    return Ring(float(hops), nodes, size // nodes)


def _walk(steps: int, dist: float) -> float:
    return steps * dist if steps else 0


def _as_given(given: object, value: Floats) -> float | Floats:
    return value if isinstance(given, np.ndarray) else float(value)


def _sharing_group(node_region: NodeRegion, part: PartitionScheme, related: DataDimLoops) -> _Group:
    """Group of the first loop that is unrelated to a category."""
    unrelated = related.drop(range(le.NUM))
    if not unrelated:
        return _ALONE
    if unrelated[0] == le.IFM:
        return _group_of(node_region, part, pe.INPP)
    if unrelated[0] == le.OFM:
        return _group_of(node_region, part, pe.OUTP)
    return _batch_group(node_region, part)


def _batch_group(node_region: NodeRegion, part: PartitionScheme) -> _Group:
    """Group of the batch loop: nodes of BATP and OFMP, if these are next to each other."""
    lower, upper = sorted((pe.OFMP, pe.BATP), key=part.order.index, reverse=True)
    bottom, top = (_group_of(node_region, part, pae) for pae in (lower, upper))
    if bottom.dim.size() == 1:
        return top
    if top.dim.size() == 1 or part.order.index(lower) != part.order.index(upper) + 1:
        return bottom
    nearer = PhyDim2(min(bottom.dist.h, top.dist.h), min(bottom.dist.w, top.dist.w))
    return _Group(bottom.dim * top.dim, nearer)


@lru_cache(maxsize=1 << 16)
def _group_of(node_region: NodeRegion, part: PartitionScheme, pae: int) -> _Group:
    return _Group(part.dim(pae), part.part_neighbor_dist(node_region, pae))
