# SPDX-License-Identifier: BSD-3-Clause
"""Regions of nodes on the chip: where they are, and how they are divided.

Decides the absolute coordinate of every node of a rectangular region that may be folded in a
zig-zag, and which nodes each request gets when a region is divided (docs/model/hardware.md
section 4). The fold is one expression over numbers or arrays, `_zigzag`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from nn_dataflow import util
from nn_dataflow.caching import lru_cache

from .phy_dim2 import PhyDim2
from .record import Record, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from typing_extensions import Self

_UNSET: Final[Any] = object()


class _NodeRegionFields(NamedTuple):
    dim: PhyDim2
    origin: PhyDim2
    dist: PhyDim2
    type: int
    wtot: int
    wbeg: int


class NodeRegion(Record, _NodeRegionFields):
    """A region of compute nodes or memory nodes.

    The region is a strip of `dim.h` rows and `dim.w` columns that snakes through a band of width
    `wtot`: after abs(`wbeg`) columns it turns to the next band of `dim.h` rows above and reverses
    its direction, then it turns every `wtot` columns. Compute and memory nodes share one coordinate
    plane; at the same coordinate they are 0 hops apart.

    Parameters
    ----------
    dim : PhyDim2
        Logical height and width, in nodes; a region of 0 nodes is legal.
    origin : PhyDim2
        Absolute coordinate of the first node.
    dist : PhyDim2
        Absolute spacing of neighbouring nodes, (1, 1) unless given. Only memory nodes may coincide
        (spacing 0), as the four corners of a narrow chip do; a negative spacing mirrors the region.
    type : int
        `NodeRegion.PROC` for compute nodes or `NodeRegion.DRAM` for memory nodes.
    wtot : int
        Row width between two turns of the fold, in nodes; `dim.w` unless given.
    wbeg : int
        Number of nodes before the first turn, `wtot` unless given; positive when the first band
        goes right, negative when it goes left.

    Raises
    ------
    TypeError
        If `dim`, `origin` or `dist` is not a `PhyDim2` of integers, `wtot` or `wbeg` is not an
        integer, or one of `dim`, `origin` and `type` is missing.
    ValueError
        If `dim` is negative, `dist` 0 on compute nodes, `type` unknown, or not
        0 < abs(`wbeg`) ≤ `wtot` and the region is not empty.

    Notes
    -----
    Equality is by fields: two regions of the same nodes that fold differently are unequal.

    Examples
    --------
    >>> region = NodeRegion(PhyDim2(1, 5), PhyDim2(0, 0), type=NodeRegion.PROC, wtot=3, wbeg=2)
    >>> [(h, w) for h, w in region.iter_node()]
    [(0, 0), (0, 1), (1, 1), (1, 0), (1, -1)]
    """

    __slots__ = ()

    PROC = 0
    DRAM = 1
    NUM = 2

    def __new__(  # noqa: D102  # the class describes it; published positions
        cls,
        dim: PhyDim2,
        origin: PhyDim2,
        dist: PhyDim2 = PhyDim2(1, 1),  # noqa: B008  # immutable
        type: int = _UNSET,  # noqa: A002  # name of the published interface
        wtot: int = _UNSET,
        wbeg: int = _UNSET,
    ) -> Self:
        if type is _UNSET:
            raise TypeError("NodeRegion: type is missing, it must be NodeRegion.PROC or DRAM")
        _check_pair("dim", dim)
        _check_pair("origin", origin)
        _check_pair("dist", dist)
        if not is_integer(type) or type not in (cls.PROC, cls.DRAM):
            raise ValueError(f"NodeRegion: type must be NodeRegion.PROC or DRAM, got {type!r}")
        wtot = dim.w if wtot is _UNSET else wtot
        wbeg = wtot if wbeg is _UNSET else wbeg
        for name, width in (("wtot", wtot), ("wbeg", wbeg)):
            if not is_integer(width):
                raise TypeError(f"NodeRegion: {name} must be an integer, got {width!r}")
        if dim.h < 0 or dim.w < 0:
            raise ValueError(f"NodeRegion: dim must not be negative, got {dim}")
        if type == cls.PROC and 0 in dist:
            raise ValueError(f"NodeRegion: dist must not be 0 between compute nodes, got {dist}")
        if dim.size() > 0 and not 0 < abs(wbeg) <= wtot:
            raise ValueError(
                f"NodeRegion: wbeg must not be 0 nor beyond wtot = {wtot} in magnitude, got {wbeg}"
            )
        return super().__new__(cls, dim, origin, dist, type, wtot, wbeg)

    def contains_node(self, coordinate: PhyDim2) -> bool:
        """Tell whether the region has a node at an absolute coordinate.

        Examples
        --------
        >>> region = NodeRegion(PhyDim2(2, 2), PhyDim2(4, 4), type=NodeRegion.PROC)
        >>> region.contains_node(PhyDim2(5, 4)), region.contains_node(PhyDim2(0, 0))
        (True, False)
        """
        return coordinate in _node_set(self)

    def iter_node(self) -> Iterator[PhyDim2]:
        """Iterate over the absolute coordinates of all nodes, in relative row-major order."""
        for row, col in self.coordinates().tolist():
            yield PhyDim2(row, col)

    def coordinates(self) -> NDArray[np.int64]:
        """Absolute coordinates of all nodes, as an array.

        Returns
        -------
        numpy.ndarray of int64, shape (dim.h · dim.w, 2), read-only
            Columns are h and w; rows are in the order of `iter_node`.

        Examples
        --------
        >>> NodeRegion(PhyDim2(2, 2), PhyDim2(4, 4), type=NodeRegion.PROC).coordinates().tolist()
        [[4, 4], [4, 5], [5, 4], [5, 5]]
        """
        return _coordinates(self)

    def rel2abs(self, rel_coordinate: PhyDim2) -> PhyDim2:
        """Absolute coordinate of a node given by its place in the unfolded strip.

        Parameters
        ----------
        rel_coordinate : PhyDim2
            Row and column, at least (0, 0) and below `dim`.

        Raises
        ------
        TypeError
            If it is not a `PhyDim2`.
        ValueError
            If it lies outside the region.

        Examples
        --------
        >>> region = NodeRegion(PhyDim2(4, 8), PhyDim2(1, 3), type=NodeRegion.PROC, wtot=3)
        >>> region.rel2abs(PhyDim2(3, 7))
        PhyDim2(h=12, w=4)
        """
        if not isinstance(rel_coordinate, PhyDim2):
            raise TypeError(f"NodeRegion: rel_coordinate must be a PhyDim2, got {rel_coordinate!r}")
        rel_h, rel_w = rel_coordinate
        if not (0 <= rel_h < self.dim.h and 0 <= rel_w < self.dim.w):
            raise ValueError(
                f"NodeRegion: rel_coordinate must lie inside {self.dim}, got {rel_coordinate}"
            )
        return PhyDim2(*_zigzag(self, rel_h, rel_w))

    def allocate(self, request_list: Iterable[int]) -> list[NodeRegion]:
        """Divide the nodes of the region among requests, in order.

        Stripes of the greatest height that divides the region's height and all requests are filled
        one after the other, to the right and to the left in turn; each request gets the next
        columns, as a region that folds at the ends of the stripes.

        Parameters
        ----------
        request_list : iterable of int
            Positive numbers of nodes.

        Returns
        -------
        list of NodeRegion
            One region per request, with exactly that many nodes, in the order of the requests; they
            are disjoint and lie in this region. Empty if the requests exceed the region. Empty as
            well where this region is folded and the next nodes of a request do not fold evenly, so
            that no region describes them; that cannot happen if this region is not folded, if its
            bands are all full, or if all requests are multiples of its height.

        Raises
        ------
        TypeError
            If a request is not an integer.
        ValueError
            If a request is not positive.

        Examples
        --------
        >>> region = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
        >>> for sub in region.allocate([6, 10]):
        ...     print(sub.dim, sub.origin, sub.wbeg)
        PhyDim2(h=2, w=3) PhyDim2(h=0, w=0) 3
        PhyDim2(h=2, w=5) PhyDim2(h=0, w=3) 1
        """
        requests = list(request_list)
        if not requests or sum(requests) > self.dim.size():
            return []
        height = util.gcd(self.dim.h, *requests)
        snake = _snake(self, height)
        regions = [
            _region_of_runs(self, height, _take(snake, request // height)) for request in requests
        ]
        if None not in regions:
            return [region for region in regions if region is not None]
        if abs(self.wbeg) == self.wtot and self.dim.w % self.wtot == 0:
            # The bands fill a rectangle, whose stripes fold evenly.
            rectangle = PhyDim2(self.dim.h * (self.dim.w // self.wtot), self.wtot)
            return self._replace(dim=rectangle).allocate(requests)
        return []


def _check_pair(name: str, value: object) -> None:
    if not isinstance(value, PhyDim2):
        raise TypeError(f"NodeRegion: {name} must be a PhyDim2, got {value!r}")
    if not (is_integer(value.h) and is_integer(value.w)):
        raise TypeError(f"NodeRegion: {name} must have integer components, got {value!r}")


def _fold(region: NodeRegion, rel_w: Any) -> tuple[Any, Any, Any]:
    """Band of a relative column, whether that band goes right, and the place within the band.

    Columns are numbers or an array. The first band is counted as if it had all `wtot` places.
    """
    band, place = divmod(rel_w + (region.wtot - abs(region.wbeg)), region.wtot)
    right = (band % 2 == 0) == (region.wbeg > 0)
    return band, right, place


def _zigzag(region: NodeRegion, rel_h: Any, rel_w: Any) -> tuple[Any, Any]:
    """Absolute coordinates (h, w) of relative ones: numbers, or arrays that broadcast."""
    dim, origin, dist, _, wtot, wbeg = region
    band, right, place = _fold(region, rel_w)
    col = right * place + (1 - right) * (wtot - 1 - place)
    first_col = wtot - wbeg if wbeg > 0 else -wbeg - 1
    return (
        origin.h + (band * dim.h + rel_h) * dist.h,
        origin.w + (col - first_col) * dist.w,
    )


@lru_cache(maxsize=256)
def _coordinates(region: NodeRegion) -> NDArray[np.int64]:
    coords = np.empty((*region.dim, 2), dtype=np.int64)
    if coords.size:
        rel_h, rel_w = np.ogrid[: region.dim.h, : region.dim.w]
        coords[..., 0], coords[..., 1] = _zigzag(region, rel_h, rel_w)
    nodes = coords.reshape(-1, 2)
    nodes.flags.writeable = False
    return nodes


@lru_cache(maxsize=256)
def _node_set(region: NodeRegion) -> frozenset[tuple[int, int]]:
    return frozenset(map(tuple, _coordinates(region).tolist()))


class _Run(NamedTuple):
    """Columns of one stripe between two turns: the first, how many, and on to which side."""

    rel_h: int
    rel_w: int
    length: int
    step: int


def _snake(region: NodeRegion, height: int) -> list[_Run]:
    """Walk over all stripes of a height, right and left in turn; the first run is the last item."""
    turns = [0, *range(abs(region.wbeg), region.dim.w, region.wtot), region.dim.w]
    bands = list(pairwise(turns))
    runs = []
    for stripe, rel_h in enumerate(range(0, region.dim.h, height)):
        if stripe % 2 == 0:
            runs += [_Run(rel_h, beg, end - beg, 1) for beg, end in bands]
        else:
            runs += [_Run(rel_h, end - 1, end - beg, -1) for beg, end in reversed(bands)]
    return runs[::-1]


def _take(snake: list[_Run], width: int) -> list[_Run]:
    """Take the next `width` columns off a snake."""
    taken = []
    while width > 0:
        run = snake.pop()
        if run.length > width:
            rest = run.length - width
            snake.append(run._replace(rel_w=run.rel_w + run.step * width, length=rest))
            run = run._replace(length=width)
        taken.append(run)
        width -= run.length
    return taken


def _region_of_runs(region: NodeRegion, height: int, runs: list[_Run]) -> NodeRegion | None:
    """Describe consecutive runs of a region as a region, or give None if they fold unevenly."""
    lengths = [run.length for run in runs]
    wtot = lengths[1] if len(runs) > 2 else min(region.wtot, region.dim.w)
    if any(length != wtot for length in lengths[1:-1]) or max(lengths) > wtot:
        return None
    starts = [PhyDim2(*_zigzag(region, run.rel_h, run.rel_w)) for run in runs]
    dist = region.dist
    rises = {after.h - before.h for before, after in pairwise(starts)}
    if rises and rises != {height * dist.h}:
        if len(rises) > 1 or height > 1:
            return None
        dist = PhyDim2(rises.pop(), dist.w)
    _, right, _ = _fold(region, runs[0].rel_w)
    return NodeRegion(
        dim=PhyDim2(height, sum(lengths)),
        origin=starts[0],
        dist=dist,
        type=region.type,
        wtot=wtot,
        wbeg=lengths[0] if right == (runs[0].step > 0) else -lengths[0],
    )
