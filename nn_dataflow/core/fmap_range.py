# SPDX-License-Identifier: BSD-3-Clause
"""Positions and boxes in a batch of feature maps, and maps from disjoint boxes to values.

Decides how boxes are compared, cut and measured (docs/model/workload.md sections 4.2 and 4.3).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from .int_range import IntRange
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


V = TypeVar("V")


class FmapPosition(NamedTuple):
    """A point: batch sample ``b``, channel ``n``, row ``h``, column ``w``."""

    b: int
    n: int
    h: int
    w: int


_DIMS = FmapPosition._fields
_DIM_INDEX = {dim: index for index, dim in enumerate(_DIMS)}
_ORIGIN = FmapPosition(0, 0, 0, 0)
_EMPTY_HASH = hash((_ORIGIN, _ORIGIN))


class _FmapRangeFields(NamedTuple):
    fp_beg: FmapPosition
    fp_end: FmapPosition


class FmapRange(Record, _FmapRangeFields):
    """The half-open box between two positions.

    ``pos in frng`` tells whether ``beg <= pos < end`` in every dimension.

    Ranges are ordered by their first position. Two empty ranges are equal wherever they are, and
    an empty range is less than any other. Distinct ranges that overlap are unequal and have no
    order (ValueError).

    Parameters
    ----------
    fp_beg, fp_end : FmapPosition or sequence of 4
        The first position, and the end position (excluded), as (b, n, h, w).

    Raises
    ------
    TypeError
        When an end has not four components.
    ValueError
        When a component of ``fp_beg`` is above that of ``fp_end``.

    Examples
    --------
    >>> frng = FmapRange((0, 0, 0, 0), (4, 96, 55, 55))
    >>> frng.size(), frng.size("h", "w")
    (1161600, 3025)
    >>> frng.beg_end("n")
    IntRange(beg=0, end=96)
    >>> frng.overlap_size(FmapRange((2, 90, 0, 0), (8, 99, 1, 1)))
    12
    >>> (3, 95, 0, 54) in frng
    True
    """

    __slots__ = ()

    def __new__(cls, fp_beg: Sequence[int], fp_end: Sequence[int]) -> FmapRange:  # noqa: PYI034  # Self needs Python 3.11
        """Check the ends and build the range."""
        beg, end = _position("fp_beg", fp_beg), _position("fp_end", fp_end)
        if not (beg[0] <= end[0] and beg[1] <= end[1] and beg[2] <= end[2] and beg[3] <= end[3]):
            raise ValueError(
                f"FmapRange: fp_beg must not be above fp_end in any dimension, got {beg} and {end}"
            )
        return super().__new__(cls, beg, end)

    def beg_end(self, *attrs: str) -> IntRange | list[IntRange]:
        """Return the extents along the named dimensions.

        Parameters
        ----------
        *attrs : str
            Dimension names out of ``b``, ``n``, ``h``, ``w``; all four when none is named.

        Returns
        -------
        IntRange or list of IntRange
            A single range when exactly one dimension is named, else a list.

        Raises
        ------
        AttributeError
            For an unknown dimension name.
        TypeError
            When an end is fractional.
        """
        extents = self._extents(attrs)
        return extents[0] if len(attrs) == 1 else extents

    def range(self, *attrs: str) -> Iterator[tuple[int, ...]]:
        """Yield all index tuples of the named dimensions (all if none), the last one fastest."""
        return itertools.product(*(extent.range() for extent in self._extents(attrs)))

    def size(self, *attrs: str) -> int:
        """Return the product of the extents along the named dimensions (all if none)."""
        beg, end = self
        if not attrs:
            return (end[0] - beg[0]) * (end[1] - beg[1]) * (end[2] - beg[2]) * (end[3] - beg[3])
        return math.prod(end[i] - beg[i] for i in map(_dim_index, attrs))

    def overlap(self, other: FmapRange) -> FmapRange:
        """Return the common box; when there is none, the empty box with all ends 0.

        Raises
        ------
        TypeError
            When ``other`` is not an ``FmapRange``.
        """
        _check_range("other", other)
        beg = FmapPosition(*map(max, self[0], other[0]))
        end = FmapPosition(*map(min, self[1], other[1]))
        if beg[0] < end[0] and beg[1] < end[1] and beg[2] < end[2] and beg[3] < end[3]:
            return FmapRange(beg, end)
        return FmapRange(_ORIGIN, _ORIGIN)

    def overlap_size(self, other: FmapRange) -> int:
        """Return the number of positions in common with ``other`` (TypeError as in `overlap`)."""
        _check_range("other", other)
        size = 1
        for beg, end, other_beg, other_end in zip(*self, *other, strict=True):
            extent = min(end, other_end) - max(beg, other_beg)
            if extent <= 0:
                return 0
            size *= extent
        return size

    def _extents(self, attrs: Sequence[str]) -> list[IntRange]:
        beg, end = self
        return [IntRange(beg[i], end[i]) for i in map(_dim_index, attrs or _DIMS)]

    def __contains__(self, fpos: object) -> bool:
        pos = _position("position", fpos)
        return all(beg <= at < end for beg, at, end in zip(self[0], pos, self[1], strict=True))

    def _compare(self, other: object) -> int:
        """Return a negative, zero or positive number as self is less, equal or greater."""
        if not isinstance(other, FmapRange):
            raise TypeError(f"FmapRange: no order between a range and {other!r}")
        if tuple.__eq__(self, other):
            return 0
        empty, other_empty = not self.size(), not other.size()
        if empty or other_empty:
            return other_empty - empty
        if self.overlap_size(other):
            raise ValueError(f"FmapRange: overlapping ranges have no order: {self} and {other}")
        return -1 if self[0] < other[0] else 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FmapRange):
            return False
        return tuple.__eq__(self, other) or not (self.size() or other.size())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return self._compare(other) < 0

    def __le__(self, other: object) -> bool:
        return self._compare(other) <= 0

    def __gt__(self, other: object) -> bool:
        return self._compare(other) > 0

    def __ge__(self, other: object) -> bool:
        return self._compare(other) >= 0

    def __hash__(self) -> int:
        return tuple.__hash__(self) if self.size() else _EMPTY_HASH


class FmapRangeMap(Generic[V]):
    """A map from disjoint, non-empty ranges to hashable values, sorted by range.

    Notes
    -----
    Ranges are indexed by their extent along one dimension after the other, so for the pieces of a
    grid a look-up costs as many steps as there are distinct cuts along the dimensions, not as
    there are pieces.

    Examples
    --------
    >>> frmap = FmapRangeMap()
    >>> frmap.add(FmapRange((0, 0, 0, 0), (2, 4, 8, 8)), "left")
    >>> frmap.add(FmapRange((0, 4, 0, 0), (2, 8, 8, 8)), "right")
    >>> frmap.get(FmapPosition(1, 5, 0, 0))
    'right'
    >>> frmap.complete_fmap_range().fp_end
    FmapPosition(b=2, n=8, h=8, w=8)
    >>> sorted(frmap.rget_counter(FmapRange((0, 3, 0, 0), (1, 8, 1, 1))).items())
    [('left', 1), ('right', 4)]
    """

    def __init__(self) -> None:
        self._values: dict[FmapRange, V] = {}
        self._index: dict[tuple[int, int], Any] = {}
        self._sorted = True

    def add(self, frng: FmapRange, val: V) -> None:
        """Map a range to a value; an empty range is ignored.

        Raises
        ------
        TypeError
            When ``frng`` is not an ``FmapRange``.
        ValueError
            When it overlaps a range of the map.
        """
        _check_range("range", frng)
        if not frng.size():
            return
        if present := self._overlapping(frng):
            raise ValueError(f"FmapRangeMap: {frng} overlaps {present[0]}")
        b, n, h, w = zip(*frng, strict=True)
        self._index.setdefault(b, {}).setdefault(n, {}).setdefault(h, {})[w] = frng
        self._values[frng] = val
        self._sorted = False

    def get(self, fpos: Sequence[int]) -> V:
        """Return the value at a position (KeyError when no range contains it)."""
        pos = _position("position", fpos)
        unit = FmapRange(pos, [at + 1 for at in pos])
        for frng in self._overlapping(unit):
            if pos in frng:
                return self._values[frng]
        raise KeyError(f"FmapRangeMap: no range contains {pos}")

    def rget_counter(self, frng: FmapRange) -> Counter[V]:
        """Return, for every value of the map, how many positions of ``frng`` map to it."""
        counter: Counter[V] = Counter(dict.fromkeys(self._values.values(), 0))
        for present in self._overlapping(frng):
            counter[self._values[present]] += present.overlap_size(frng)
        return counter

    def rget_single(self, frng: FmapRange) -> V:
        """Return the value to which all positions of ``frng`` map.

        Raises
        ------
        ValueError
            When there is no such value, or the range is empty.
        """
        size = frng.size()
        if size:
            for val, count in self.rget_counter(frng).items():
                if count == size:
                    return val
        raise ValueError(f"FmapRangeMap: no single value covers {frng}")

    def complete_fmap_range(self) -> FmapRange:
        """Return the box that the ranges fill together, from (0, 0, 0, 0) on.

        Raises
        ------
        ValueError
            When the map is empty, the box begins elsewhere, or has holes.
        """
        if self._values:
            begs, ends = zip(*self._values, strict=True)
            beg = FmapPosition(*map(min, zip(*begs, strict=True)))
            end = FmapPosition(*map(max, zip(*ends, strict=True)))
            box = FmapRange(beg, end)
            if beg == _ORIGIN and box.size() == sum(frng.size() for frng in self._values):
                return box
        raise ValueError("FmapRangeMap: not complete, the ranges do not fill a box at the origin")

    def is_complete(self) -> bool:
        """Return whether `complete_fmap_range` exists."""
        try:
            self.complete_fmap_range()
        except ValueError:
            return False
        return True

    def items(self) -> list[tuple[FmapRange, V]]:
        """Return the pairs of range and value, sorted by range."""
        if not self._sorted:
            self._values = dict(sorted(self._values.items(), key=lambda item: item[0][0]))
            self._sorted = True
        return list(self._values.items())

    def __repr__(self) -> str:
        items = ", ".join(f"{frng!r}: {val!r}" for frng, val in self.items())
        return f"{type(self).__name__}({{{items}}})"

    def copy(self) -> FmapRangeMap[V]:
        """Return an independent map with the same content."""
        twin: FmapRangeMap[V] = FmapRangeMap()
        for frng, val in self._values.items():
            twin.add(frng, val)
        return twin

    def _overlapping(self, frng: FmapRange) -> list[FmapRange]:
        """Return the ranges of the map that have positions in common with ``frng``.

        An empty ``frng`` may meet ranges around its place, with no position in common.
        """
        _check_range("range", frng)
        found: list[Any] = [self._index]
        for beg, end in zip(*frng, strict=True):
            found = [
                inner
                for level in found
                for (inner_beg, inner_end), inner in level.items()
                if inner_beg < end and beg < inner_end
            ]
        return found


def _position(field: str, value: Any) -> FmapPosition:
    if type(value) is FmapPosition:
        return value
    try:
        return FmapPosition(*value)
    except TypeError:
        raise TypeError(
            f"FmapRange: {field} must be four numbers b, n, h, w, got {value!r}"
        ) from None


def _dim_index(dim: str) -> int:
    try:
        return _DIM_INDEX[dim]
    except KeyError:
        raise AttributeError(f"FmapRange: no dimension {dim!r}, there are b, n, h and w") from None


def _check_range(field: str, value: object) -> None:
    if not isinstance(value, FmapRange):
        raise TypeError(f"FmapRange: {field} must be an FmapRange, got {value!r}")
