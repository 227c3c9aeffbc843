# SPDX-License-Identifier: BSD-3-Clause
"""Nested loop descriptors: the record that a mapping hands to loop blocking.

Decides what is known of one processing pass on the PE array, the innermost loop body, and how its
numbers add up over all passes of the layer (docs/model/mapping.md section 7). A unit pass is the
part of a processing pass that one replica does (section 5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .data_dim_loops import DataDimLoops
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self


class UnitPass(NamedTuple):
    """What the PEs of one replica do for one piece of a 2-D fmap.

    `MapStrategy.processing_pass` puts several side by side. Tuples are indexed by data category.
    Sizes are maxima over the unit passes of a layer, accesses and operations are averages and may
    be fractional (docs/model/mapping.md section 5).

    Attributes
    ----------
    size_gbuf : tuple of int
        Buffer space of the data touched (words).
    size_regf : tuple of int
        Register file space in every PE (words).
    access : tuple of tuple of float
        Accesses (words), per memory level and data category.
    ops : float
        Operations.
    time : int
        Duration (cycles).
    """

    size_gbuf: tuple[int, ...]
    size_regf: tuple[int, ...]
    access: tuple[tuple[float, ...], ...]
    ops: float
    time: int


class _Fields(NamedTuple):
    loopcnt: tuple[int, ...]
    usize_gbuf: tuple[int, ...]
    usize_regf: tuple[int, ...]
    unit_access: tuple[tuple[float, ...], ...]
    unit_ops: float
    unit_time: float
    data_loops: tuple[DataDimLoops, ...]


class NestedLoopDesc(Record, _Fields):
    """One processing pass on the PE array, and the three loops over all passes of a layer.

    Accesses and operations are averages over the passes, and may be fractional; sizes and time are
    maxima.

    Parameters
    ----------
    loopcnt : tuple of int
        Trip counts (T_I, T_O, T_B) of the loops over processing passes, per ``LoopEnum``.
    usize_gbuf : tuple of int
        Buffer space of the data of one pass (words), per ``DataCategoryEnum``.
    usize_regf : tuple of int
        Register file space in each PE (words), per ``DataCategoryEnum``.
    unit_access : tuple of tuple of float
        Accesses of one pass (words), per ``MemHierEnum``, then per ``DataCategoryEnum``.
    unit_ops : float
        Operations of one pass.
    unit_time : float
        Time of one pass (cycles).
    data_loops : tuple of DataDimLoops
        Loops whose index selects a different piece of the data, per ``DataCategoryEnum``.

    Raises
    ------
    TypeError
        If a field that must be a tuple is none, or an entry of `data_loops` is no
        ``DataDimLoops``.
    ValueError
        If a tuple has a wrong length.

    Examples
    --------
    Two filters of 3×3 side by side on a 5×5 ofmap; 4 input and 6 output channels, batch 2.

    >>> desc = NestedLoopDesc(
    ...     loopcnt=(4, 3, 2),
    ...     usize_gbuf=(18, 49, 50),
    ...     usize_regf=(3, 3, 1),
    ...     unit_access=((18, 49, 50), (18, 49, 50), (90, 210, 150), (450, 450, 450)),
    ...     unit_ops=450,
    ...     unit_time=15,
    ...     data_loops=(
    ...         DataDimLoops(le.IFM, le.OFM),
    ...         DataDimLoops(le.IFM, le.BAT),
    ...         DataDimLoops(le.OFM, le.BAT),
    ...     ),
    ... )
    >>> desc.total_ops()
    10800
    >>> desc.total_access_at_of(me.DRAM, de.FIL) == 4 * 6 * 3 * 3
    True

    References
    ----------
    docs/model/mapping.md section 7.
    """

    __slots__ = ()

    def __new__(  # positions are part of the published interface
        cls,
        loopcnt: tuple[int, ...],
        usize_gbuf: tuple[int, ...],
        usize_regf: tuple[int, ...],
        unit_access: tuple[tuple[float, ...], ...],
        unit_ops: float,
        unit_time: float,
        data_loops: tuple[DataDimLoops, ...],
    ) -> Self:
        """Check the fields, in the order loop counts, sizes, accesses, data loops."""
        _check_tuple("loopcnt", loopcnt, le.NUM)
        _check_tuple("usize_gbuf", usize_gbuf, de.NUM)
        _check_tuple("usize_regf", usize_regf, de.NUM)
        _check_tuple("unit_access", unit_access, me.NUM)
        for mhe, access in enumerate(unit_access):
            _check_tuple(f"unit_access[{mhe}]", access, de.NUM)
        _check_tuple("data_loops", data_loops, de.NUM)
        for dce, loops in enumerate(data_loops):
            if not isinstance(loops, DataDimLoops):
                raise TypeError(
                    f"NestedLoopDesc: data_loops[{dce}] must be a DataDimLoops, got {loops!r}"
                )
        return super().__new__(
            cls, loopcnt, usize_gbuf, usize_regf, unit_access, unit_ops, unit_time, data_loops
        )

    def usize_gbuf_of(self, dce: int) -> int:
        """Return the buffer space of one pass for a data category (words)."""
        return self.usize_gbuf[dce]

    def usize_regf_of(self, dce: int) -> int:
        """Return the register file space in each PE for a data category (words)."""
        return self.usize_regf[dce]

    def unit_access_at_of(self, mhe: int, dce: int | None = None) -> float:
        """Return the accesses of one pass at a memory level (words).

        Parameters
        ----------
        mhe : int
            Memory level.
        dce : int, optional
            Data category; all of them together if none is given.
        """
        if dce is None:
            return sum(self.unit_access[mhe])
        return self.unit_access[mhe][dce]

    def total_ops(self) -> float:
        """Return the operations of all passes, unit_ops · T_I · T_O · T_B."""
        return self.unit_ops * math.prod(self.loopcnt)

    def total_access_at_of(self, mhe: int, dce: int | None = None) -> float:
        """Return the accesses at a memory level when every distinct piece is touched once (words).

        The accesses of one pass are taken once per iteration of the category's own data loops;
        what loop blocking does with the other loops comes on top.

        Parameters
        ----------
        mhe : int
            Memory level.
        dce : int, optional
            Data category; all of them together if none is given.
        """
        if dce is None:
            return sum(self.total_access_at_of(mhe, each) for each in range(de.NUM))
        pieces = math.prod(self.data_loops[dce].take(self.loopcnt))
        return self.unit_access[mhe][dce] * pieces


def stack(descs: Sequence[NestedLoopDesc]) -> NestedLoopDesc:
    """Put several (n) with equal data loops into one, whose numbers are arrays (n,).

    Examples
    --------
    >>> loops = (DataDimLoops(le.IFM), DataDimLoops(le.OFM), DataDimLoops(le.BAT))
    >>> access = ((9, 9, 9),) * 4
    >>> one = NestedLoopDesc((2, 1, 1), (9, 9, 9), (1, 1, 1), access, 9, 9, loops)
    >>> stack([one, one._replace(loopcnt=(3, 5, 7))]).total_ops().tolist()
    [18, 945]
    """
    first = descs[0]
    if any(desc.data_loops != first.data_loops for desc in descs):
        raise ValueError("nested_loop_desc: only those of equal data loops can be stacked")

    def columns(field: str) -> tuple[Any, ...]:
        return tuple(np.array([getattr(desc, field) for desc in descs]).T)

    access = np.array([desc.unit_access for desc in descs])
    return NestedLoopDesc(
        loopcnt=columns("loopcnt"),
        usize_gbuf=columns("usize_gbuf"),
        usize_regf=columns("usize_regf"),
        unit_access=tuple(tuple(level) for level in np.moveaxis(access, 0, -1)),
        unit_ops=np.array([desc.unit_ops for desc in descs]),  # type: ignore[arg-type]
        unit_time=np.array([desc.unit_time for desc in descs]),  # type: ignore[arg-type]
        data_loops=first.data_loops,
    )


def rows_of(stacked: NestedLoopDesc, rows: NDArray[np.int64]) -> NestedLoopDesc:
    """Select some of stacked descriptions, or repeat them."""

    def columns(field: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(column[rows] for column in field)

    return NestedLoopDesc(
        loopcnt=columns(stacked.loopcnt),
        usize_gbuf=columns(stacked.usize_gbuf),
        usize_regf=columns(stacked.usize_regf),
        unit_access=tuple(columns(level) for level in stacked.unit_access),
        unit_ops=stacked.unit_ops[rows],  # type: ignore[index]
        unit_time=stacked.unit_time[rows],  # type: ignore[index]
        data_loops=stacked.data_loops,
    )


def _check_tuple(name: str, value: object, length: int) -> None:
    if not isinstance(value, tuple):
        raise TypeError(f"NestedLoopDesc: {name} must be a tuple, got {value!r}")
    if len(value) != length:
        raise ValueError(
            f"NestedLoopDesc: {name} must have {length} entries, got {len(value)}: {value!r}"
        )
