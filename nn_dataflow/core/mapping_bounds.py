# SPDX-License-Identifier: BSD-3-Clause
"""What the schemes of many array mappings cost at least, found for all of them at once.

Decides how array mappings are bounded before any of them is searched (docs/model/search.md section
2): the tables of a loop of all array mappings stand behind each other and are priced together, once
for all requirements on the top level that agree in the loop. The formulas are those of `Pricing`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import loop_enum as le
from .blocking_search import NO_POINTS
from .columns import join
from .loop_blocking import allowed_schemes
from .loop_blocking_space import NUM_ORDERS, LoopTable
from .loop_prices import Pricing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .loop_blocking_space import TopLoops
    from .mapping_space import MappingSpace

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Cycles of what has no scheme.
NEVER = 2**62


class Bounds(NamedTuple):
    """Admissible lower bounds on the schemes of array mappings; axis 0 is the mapping."""

    cost: Floats  # (n,) energy of accesses and operations, infinite if no scheme is valid
    time: Ints  # (n,) cycles
    num_candidates: Ints  # (n,) schemes of the stated space


class MappingBounds:
    """Lower bounds on the schemes of array mappings of one layer on one machine.

    Parameters
    ----------
    mappings
        The array mappings without requirements, of one setting.

    Attributes
    ----------
    loop_counts
        Trip counts of the loops I, O and B, (n, 3).
    """

    def __init__(self, mappings: Sequence[MappingSpace]) -> None:
        counts = [mapping.nld.loopcnt for mapping in mappings]
        self.loop_counts: Ints = np.array(counts, dtype=np.int64).reshape(-1, le.NUM)
        self._op_cost = np.array([mapping.op_cost for mapping in mappings])
        self._is_solved = np.array([mapping.solved for mapping in mappings], dtype=bool)
        solved = [own.solutions for own in mappings if own.solutions is not None]
        self._solutions = join([NO_POINTS, *solved])
        sizes = [len(points.time) for points in solved]
        self._solution_of = np.flatnonzero(self._is_solved).repeat(sizes)
        alike: dict[object, list[int]] = {}
        for number in np.flatnonzero(~self._is_solved).tolist():
            alike.setdefault(mappings[number].nld.data_loops, []).append(number)
        self._searched = [
            (np.array(numbers), _Stacked([mappings[number] for number in numbers]))
            for numbers in alike.values()
        ]

    def possible(self, tops: TopLoops) -> Bools:
        """Which array mappings may have a scheme as required, as far as that is seen at once."""
        factors = np.maximum(tops.factors, 1)
        divides = (self.loop_counts % factors == 0).all(axis=1)
        allowed: Bools = ~self._is_solved
        allowed[self._solution_of[allowed_schemes(self._solutions, tops)]] = True
        possible: Bools = divides & allowed
        return possible

    def under(self, tops: TopLoops) -> Bounds:
        """Bounds under requirements on the top level of loops."""
        num = len(self.loop_counts)
        bounds = Bounds(np.full(num, np.inf), np.full(num, NEVER), np.zeros(num, dtype=np.int64))
        allowed = allowed_schemes(self._solutions, tops)
        number = self._solution_of[allowed]
        np.minimum.at(bounds.cost, number, self._solutions.cost[allowed])
        np.minimum.at(bounds.time, number, self._solutions.time[allowed])
        np.add.at(bounds.num_candidates, number, 1)
        for numbers, stacked in self._searched:
            for column, own in zip(bounds, stacked.under(tops), strict=True):
                column[numbers] = own
        return bounds._replace(cost=bounds.cost + self._op_cost)


class _Least(NamedTuple):
    """The least of a loop in each of its roles, (n, roles), and its number of factor triples."""

    cost: Floats
    dram: Floats
    num_triples: Ints


class _Stacked:
    """Array mappings of equal data loops whose schemes are searched."""

    def __init__(self, mappings: Sequence[MappingSpace]) -> None:
        setting = mappings[0].setting
        model = setting.stacked(mappings)
        self._prices = Pricing(model, setting.cost, setting.limits)
        self._counts: list[list[int]] = np.array(model.nld.loopcnt).tolist()
        self._least: dict[tuple[int, int, tuple[int, ...]], _Least] = {}

    def under(self, tops: TopLoops) -> Bounds:
        """Bounds under requirements, without the energy of operations."""
        loops = [self._of(lpe, tops.factors[lpe], tops.outer) for lpe in range(le.NUM)]
        bounds = self._prices.bound(tops, [one.cost for one in loops], [one.dram for one in loops])
        one, two, three = (loop.num_triples for loop in loops)
        num_candidates = one * two * three * NUM_ORDERS
        return Bounds(bounds.costs.min(axis=1), bounds.times.min(axis=1), num_candidates)

    def _of(self, lpe: int, top: int, outer: tuple[int, ...]) -> _Least:
        key = lpe, top, outer
        if key not in self._least:
            self._least[key] = self._find(*key)
        return self._least[key]

    def _find(self, lpe: int, top: int, outer: tuple[int, ...]) -> _Least:
        prices = self._prices
        tables = [prices.table(lpe, count, top, outer) for count in self._counts[lpe]]
        together, which = _joined(tables)
        found = prices.price(prices.model.at(which), lpe, together, outer)
        shape = len(tables), -1
        return _Least(
            found.least.reshape(shape),
            found.least_dram.reshape(shape),
            np.array([table.num_triples for table in tables], dtype=np.int64),
        )


def _joined(tables: Sequence[LoopTable]) -> tuple[LoopTable, Ints]:
    """Put tables behind each other, the roles of each apart; tell whose each entry is."""
    sizes = [len(table.role) for table in tables]
    begins = np.array([0, *accumulate(sizes[:-1])], dtype=np.int64)
    num_roles = len(tables[0].start)
    first_roles = np.arange(len(tables)) * num_roles

    def joined(field: str) -> Any:
        return np.concatenate([getattr(table, field) for table in tables])

    def shifted(field: str, by: Ints) -> Ints:
        columns = [getattr(table, field) for table in tables]
        return np.concatenate(columns) + np.repeat(by, [len(column) for column in columns])

    together = LoopTable(
        triple=joined("triple"),
        ts=joined("ts"),
        block=joined("block"),
        fetch=joined("fetch"),
        role=joined("role"),
        start=shifted("start", begins),
        stop=shifted("stop", begins),
        filled=shifted("filled", first_roles),
        num_triples=sum(table.num_triples for table in tables),
    )
    return together, np.repeat(np.arange(len(tables)), sizes)
