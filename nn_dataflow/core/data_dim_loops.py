# SPDX-License-Identifier: BSD-3-Clause
"""The loops whose index selects a different piece of a data category.

Decides the reuse of the data: it is reused over the other loops (docs/model/workload.md section 2).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NoReturn, TypeVar

from . import loop_enum as le

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class DataDimLoops:
    """The set of loops whose index selects a different piece of some data.

    Immutable; equal and hashable by content.

    Parameters
    ----------
    *lpe_list : int
        Loops (``LoopEnum`` values), in any order; duplicates count once.

    Raises
    ------
    ValueError
        For a value that is not a loop.

    Examples
    --------
    >>> from nn_dataflow.core import loop_enum as le
    >>> dims = DataDimLoops(le.BAT, le.IFM)
    >>> dims.loops()
    (0, 2)
    >>> dims.take(("ifm", "ofm", "bat")), dims.drop(("ifm", "ofm", "bat"))
    (['ifm', 'bat'], ['ofm'])
    """

    __slots__ = ("_loops", "_rest")

    _loops: tuple[int, ...]
    _rest: tuple[int, ...]

    def __init__(self, *lpe_list: int) -> None:
        members = {_loop(lpe) for lpe in lpe_list}
        object.__setattr__(self, "_loops", tuple(sorted(members)))
        object.__setattr__(self, "_rest", tuple(sorted(set(range(le.NUM)) - members)))

    def loops(self) -> tuple[int, ...]:
        """Return the member loops, ascending."""
        return self._loops

    def take(self, lpe_indexed: Sequence[T]) -> list[T]:
        """Return the entries of a loop-indexed sequence at the member loops, ascending."""
        return [lpe_indexed[lpe] for lpe in self._loops]

    def drop(self, lpe_indexed: Sequence[T]) -> list[T]:
        """Return the entries of a loop-indexed sequence at the other loops, ascending."""
        return [lpe_indexed[lpe] for lpe in self._rest]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"DataDimLoops: cannot set {name}, it is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataDimLoops):
            return NotImplemented
        return self._loops == other._loops

    def __hash__(self) -> int:
        return hash(self._loops)

    def __repr__(self) -> str:
        return f"DataDimLoops({', '.join(map(str, self._loops))})"

    def __reduce__(self) -> tuple[type[DataDimLoops], tuple[int, ...]]:
        return DataDimLoops, self._loops


def _loop(lpe: object) -> int:
    try:
        loop = operator.index(lpe)  # type: ignore[arg-type]
    except TypeError:
        loop = -1
    if not 0 <= loop < le.NUM:
        raise ValueError(
            f"DataDimLoops: loops must be LoopEnum values 0 to {le.NUM - 1}, got {lpe!r}"
        )
    return loop
