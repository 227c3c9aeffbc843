# SPDX-License-Identifier: BSD-3-Clause
"""Half-open ranges of integers (docs/model/workload.md section 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from .record import Record, is_integer


class _IntRangeFields(NamedTuple):
    beg: int
    end: int


class IntRange(Record, _IntRangeFields):
    """The integers from ``beg`` (included) to ``end`` (excluded).

    Parameters
    ----------
    beg, end : int
        The ends; negative values are allowed.

    Raises
    ------
    TypeError
        When an end is not an integer.
    ValueError
        When ``beg`` is above ``end``.

    Examples
    --------
    >>> IntRange(1, 5).overlap(IntRange(3, 9))
    IntRange(beg=3, end=5)
    >>> IntRange(1, 5).offset(-2).size()
    4
    """

    __slots__ = ()

    def __new__(cls, beg: int, end: int) -> IntRange:  # noqa: PYI034  # Self needs Python 3.11
        """Check the ends and build the range."""
        for field, value in (("beg", beg), ("end", end)):
            if not is_integer(value):
                raise TypeError(f"IntRange: {field} must be an integer, got {value!r}")
        if beg > end:
            raise ValueError(f"IntRange: beg must not be above end, got beg {beg}, end {end}")
        return super().__new__(cls, beg, end)

    def size(self) -> int:
        """Return the number of integers, ``end - beg``."""
        return self.end - self.beg

    def empty(self) -> bool:
        """Return whether the range holds no integer."""
        return self.beg == self.end

    def range(self) -> range:
        """Return the integers ``beg`` to ``end - 1`` as a Python range."""
        return range(self.beg, self.end)

    def overlap(self, other: IntRange) -> IntRange:
        """Return the common part.

        Ranges that touch give the empty range at the touching point; ranges apart from each other
        give ``IntRange(0, 0)``.

        Raises
        ------
        TypeError
            When ``other`` is not an ``IntRange``.
        """
        if not isinstance(other, IntRange):
            raise TypeError(f"IntRange: other must be an IntRange, got {other!r}")
        beg, end = max(self.beg, other.beg), min(self.end, other.end)
        return IntRange(beg, end) if beg <= end else IntRange(0, 0)

    def offset(self, val: int) -> IntRange:
        """Return the range with both ends shifted by ``val``."""
        return IntRange(self.beg + val, self.end + val)
