# SPDX-License-Identifier: BSD-3-Clause
"""Records: immutable values with named fields that are checked however they are made.

Decides that a copy with some fields replaced is as valid as a new value (docs/differences.md,
E10), for all value types of the model, and what counts as a number in their fields: NumPy's
scalars do, booleans do not.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self


class Record:
    """Mix-in of a checked named tuple, put before the named tuple in the list of base classes.

    A record type checks its fields in ``__new__``. A plain named tuple passes by ``__new__`` in
    ``_make`` and ``_replace``; with this mix-in both go through it. Printing, equality, hashing,
    ``_asdict`` and pickling are those of the named tuple.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> class _SpanFields(NamedTuple):
    ...     beg: int
    ...     end: int
    >>> class Span(Record, _SpanFields):
    ...     __slots__ = ()
    ...     def __new__(cls, beg, end):
    ...         if beg > end:
    ...             raise ValueError(f"Span: end must not be below {beg}, got {end}")
    ...         return super().__new__(cls, beg, end)
    >>> Span(1, 3)._replace(end=4)
    Span(beg=1, end=4)
    >>> Span(1, 3)._replace(end=0)
    Traceback (most recent call last):
        ...
    ValueError: Span: end must not be below 1, got 0
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # to a type checker it is that of the named tuple

        @classmethod
        def _make(cls, iterable: Iterable[Any]) -> Self:
            return cls(*iterable)


def is_integer(value: object) -> bool:
    """Tell whether a field value is an integer.

    Examples
    --------
    >>> is_integer(3), is_integer(3.0), is_integer(True)
    (True, False, False)
    """
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))


def is_real(value: object) -> bool:
    """Tell whether a field value is a real number; infinity and NaN are.

    Examples
    --------
    >>> is_real(3), is_real(2.5), is_real("3"), is_real(True)
    (True, True, False, False)
    """
    return type(value) in (int, float) or (isinstance(value, Real) and not isinstance(value, bool))
