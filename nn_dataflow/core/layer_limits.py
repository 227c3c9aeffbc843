# SPDX-License-Identifier: BSD-3-Clause
"""What is fixed or forbidden in the schedule of a layer, as masks on the arrays of the search.

Decides which schedules match a pattern (docs/constraints.md sections 2 and 3): partitions, blocking
factors, orders, and where data are. A limit only takes schedules away, so that every bound of the
search still holds. Equivalent blocking factors stand for each other (docs/model/loop_blocking.md
section 8.1) only in loops whose factors nothing is said about.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import loop_enum as le

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .partition_array import PartitionArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

# Kinds of parallelism, each with the rows and columns of nodes that it is split over.
PartitionPattern = tuple[tuple[int, tuple[int, int]], ...]
# Level (0 DRAM, 1 GBUF, 2 register file), loop, and the trips that it may make there.
FactorPattern = tuple[tuple[int, int, tuple[int, ...]], ...]
# Level (0 DRAM, 1 GBUF), and loops, outermost first.
OrderPattern = tuple[tuple[int, tuple[int, ...]], ...]


class LoopLimits(NamedTuple):
    """What is fixed or forbidden in the factors of one loop.

    Attributes
    ----------
    allowed
        Levels and the trips allowed there; all must hold.
    forbidden
        Patterns of levels and trips; what matches one whole is left out.
    merges
        Whether equivalent factors may stand for each other, since nothing is said about any.
    """

    allowed: tuple[tuple[int, tuple[int, ...]], ...] = ()
    forbidden: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...] = ()
    merges: bool = True

    def kept(self, triples: Ints) -> Ints:
        """Return the factor triples (n, 3) that are allowed.

        Examples
        --------
        >>> limits = LoopLimits(allowed=((0, (1, 2)),), forbidden=(((0, (2,)), (1, (1,))),))
        >>> limits.kept(np.array([[1, 1, 4], [2, 1, 2], [2, 2, 1], [4, 1, 1]])).tolist()
        [[1, 1, 4], [2, 2, 1]]
        """
        if not self.allowed and not self.forbidden:
            return triples
        keep = _match(triples, self.allowed)
        for pattern in self.forbidden:
            keep &= ~_match(triples, pattern)
        return triples[keep]


def _match(triples: Ints, pattern: Sequence[tuple[int, tuple[int, ...]]]) -> Bools:
    match = np.ones(len(triples), dtype=bool)
    for level, values in pattern:
        match &= np.isin(triples[:, level], values)
    return match


class OrderLimits(NamedTuple):
    """What is fixed or forbidden in the orders of the loops of the levels DRAM and GBUF.

    Attributes
    ----------
    pinned
        Loops of a level that stand in this order wherever they make more than one trip.
    forbidden
        Patterns of one level or both; a nest matches one in which all the loops named make more
        than one trip and stand in this order.
    """

    pinned: OrderPattern = ()
    forbidden: tuple[OrderPattern, ...] = ()

    def allow(self, bl_ts: Ints, bl_ords: Ints) -> Bools:
        """Tell which schemes are allowed: factors (n, 2 or 3, 3), positions (n, 2, 3), to (n,).

        Examples
        --------
        >>> limits = OrderLimits(pinned=((0, (2, 1, 0)),))
        >>> factors, inside = [[[2, 1, 2], [1, 1, 1]]], [[0, 1, 2]]
        >>> limits.allow(np.array(factors), np.array([inside + inside])).tolist()
        [True]
        >>> limits.allow(np.array(factors), np.array([[[2, 1, 0], [0, 1, 2]]])).tolist()
        [False]
        """
        against = [np.zeros(len(bl_ts), dtype=bool)]
        for level, loops in self.pinned:
            against += (
                self._nested(bl_ts, bl_ords, level, (inner, outer))
                for outer, inner in combinations(loops, 2)
            )
        for pattern in self.forbidden:
            nests = [self._nested(bl_ts, bl_ords, level, loops) for level, loops in pattern]
            against.append(np.logical_and.reduce(nests))
        allowed: Bools = ~np.logical_or.reduce(against)
        return allowed

    @staticmethod
    def _nested(bl_ts: Ints, bl_ords: Ints, level: int, loops: Sequence[int]) -> Bools:
        """Tell where loops make more than one trip each and stand in an order, outermost first."""
        nested: Bools = np.logical_and.reduce(bl_ts[:, level, list(loops)] > 1, axis=1)
        for outer, inner in pairwise(loops):
            nested &= bl_ords[:, level, outer] > bl_ords[:, level, inner]
        return nested


@dataclass(frozen=True)
class LayerLimits:
    """What is fixed or forbidden in the schedule of a layer; nothing by default.

    Attributes
    ----------
    partitions
        Each a choice of patterns, one of which the partition must match.
    not_partitions
        Patterns that it must not match.
    factors
        Trips allowed at levels of loops; all must hold.
    not_factors
        Patterns that the factors must not match.
    orders, not_orders
        See `OrderLimits`.
    stored
        Data categories that must live in GBUF, or must bypass it.
    """

    partitions: tuple[tuple[PartitionPattern, ...], ...] = ()
    not_partitions: tuple[PartitionPattern, ...] = ()
    factors: FactorPattern = ()
    not_factors: tuple[FactorPattern, ...] = ()
    orders: OrderPattern = ()
    not_orders: tuple[OrderPattern, ...] = ()
    stored: tuple[tuple[int, bool], ...] = ()

    def both(self, other: LayerLimits) -> LayerLimits:
        """Return what is left if this and another hold."""
        names = [field.name for field in fields(self)]
        return LayerLimits(*(getattr(self, name) + getattr(other, name) for name in names))

    @cached_property
    def loops(self) -> tuple[LoopLimits, ...]:
        """What concerns single loops."""
        named = {lpe for pattern in (self.factors, *self.not_factors) for _, lpe, _ in pattern}
        return tuple(
            LoopLimits(
                tuple((level, values) for level, own, values in self.factors if own == lpe),
                tuple(
                    tuple((level, values) for level, _, values in pattern)
                    for pattern in self.not_factors
                    if {own for _, own, _ in pattern} == {lpe}
                ),
                merges=lpe not in named,
            )
            for lpe in range(le.NUM)
        )

    @cached_property
    def of_several_loops(self) -> tuple[FactorPattern, ...]:
        """Forbidden patterns of factors that join several loops."""
        return tuple(
            pattern for pattern in self.not_factors if len({lpe for _, lpe, _ in pattern}) > 1
        )

    @cached_property
    def nests(self) -> OrderLimits:
        """What concerns the orders of loops."""
        return OrderLimits(self.orders, self.not_orders)

    def split(self, parts: PartitionArray) -> PartitionArray:
        """Return the partitions that are allowed."""
        if not self.partitions and not self.not_partitions:
            return parts
        keep = np.ones(len(parts), dtype=bool)
        for patterns in self.partitions:
            keep &= np.any([_is_split(parts, pattern) for pattern in patterns], axis=0)
        for pattern in self.not_partitions:
            keep &= ~_is_split(parts, pattern)
        return parts.take(np.flatnonzero(keep))

    def allow(self, bl_ts: Ints, bl_ords: Ints, stored: Bools) -> Bools:
        """Tell which schemes are allowed, (n,).

        Parameters
        ----------
        bl_ts, bl_ords
            Factors (n, 3 levels, 3 loops) and order positions (n, 2 levels, 3 loops).
        stored
            Whether each data category lives in GBUF, (n, 3).
        """
        keep = self.nests.allow(bl_ts, bl_ords)
        for level, lpe, values in self.factors:
            keep &= np.isin(bl_ts[:, level, lpe], values)
        for pattern in self.not_factors:
            match = np.ones(len(bl_ts), dtype=bool)
            for level, lpe, values in pattern:
                match &= np.isin(bl_ts[:, level, lpe], values)
            keep &= ~match
        for dce, wanted in self.stored:
            keep &= stored[:, dce] == wanted
        return keep


def _is_split(parts: PartitionArray, pattern: PartitionPattern) -> Bools:
    match = np.ones(len(parts), dtype=bool)
    for kind, dims in pattern:
        match &= (parts.pdims[:, kind] == dims).all(axis=1)
    return match


NO_LIMITS = LayerLimits()
FREE_LOOP = LoopLimits()
