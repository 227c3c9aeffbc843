# SPDX-License-Identifier: BSD-3-Clause
"""What a network search has found so far, and what can still be as good.

Decides from lower bounds on energy and time whether a schedule may be among the best
(docs/model/search.md section 6). For goal 'ed' a bound on the sum of energy and weighted time
says more than those on each of them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .ranking import TIE, goal_keys, goal_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]


class BoundLines(NamedTuple):
    """Lower bounds on schedules, (n,) each: lines in a diagram of energy and time.

    Attributes
    ----------
    cost, time
        Least energy and time.
    sums
        Weights of the time, all different, and the least sums of energy and weighted time.
    """

    cost: Floats
    time: Floats
    sums: Sequence[tuple[float, Floats]]


class LowerBounds(NamedTuple):
    """Least energy, time, and energy plus weighted time, of schedules; arrays of equal shape."""

    cost: Floats
    time: Floats
    mixed: Floats

    def lines(self, weight: float) -> BoundLines:
        """All bounds, with the weight of the time in `mixed`, which says nothing if it is 0."""
        return BoundLines(self.cost, self.time, [(weight, self.mixed)] if weight else [])


class SearchLimit:
    """Ranking keys of the `num` best schedules found so far, or infinity.

    Parameters
    ----------
    goal, num
        What is searched: the `num` best under a goal.

    Attributes
    ----------
    keys
        Ranking keys that a schedule must not exceed.
    cost, time
        Energy and time of the schedule that sets the limit.
    """

    def __init__(self, goal: str, num: int) -> None:
        self.goal = goal
        self.num = num
        self.keys = (float("inf"), float("inf"))
        self.cost = self.time = float("inf")

    def lower(self, cost: Floats, time: NDArray[Any]) -> None:
        """Lower the limit to the worst of the `num` best of some schedules."""
        if len(cost) < self.num:
            return
        worst = goal_order(cost, time, self.goal)[self.num - 1]
        one, two = goal_keys(cost[worst : worst + 1], time[worst : worst + 1], self.goal)
        keys = float(one[0]), float(two[0])
        if keys < self.keys:
            self.keys = keys
            self.cost, self.time = float(cost[worst]), float(time[worst])

    @property
    def weight(self) -> float:
        """Weight of the time in a sum with the energy, at the limit; 0 where it says nothing."""
        if self.goal == "ed" and 0 < self.cost * self.time < float("inf"):
            return self.cost / self.time
        return 0.0

    def values(self, bounds: LowerBounds, weight: float) -> tuple[Floats, Floats]:
        """Ranking keys from lower bounds; `weight` is that of the time in `bounds.mixed`."""
        return self.values_above(bounds.lines(weight))

    def within(self, bounds: LowerBounds, weight: float) -> Bools:
        """Whether schedules of given lower bounds may be within the limit."""
        return self.within_above(bounds.lines(weight))

    def values_above(self, lines: BoundLines) -> tuple[Floats, Floats]:
        """Ranking keys from lower bounds."""
        one, two = goal_keys(lines.cost, lines.time, self.goal)
        if lines.sums:
            one, _ = least_product(lines)
        return one, two

    def within_above(self, lines: BoundLines) -> Bools:
        """Whether schedules above lower bounds may be within the limit."""
        one, two = self.values_above(lines)
        most = [value + TIE * abs(value) for value in self.keys]
        beyond: Bools = one > most[0]
        if self.goal != "ed":
            beyond |= (one >= self.keys[0]) & (two > most[1])
        return ~beyond


def least_product(bounds: BoundLines) -> tuple[Floats, Floats]:
    """Least product of energy c and time t above bounds, and the time where it is.

    With c at least its bound and, for every sum, at least L - w t, the least c for each t has
    straight pieces, on which the product has no minimum but at their ends: at the bound of t, or
    where two of the lines meet.
    """
    time = bounds.time
    lines = [(0.0, bounds.cost), *bounds.sums]
    least, place = np.full_like(time, np.inf, dtype=float), np.asarray(time, dtype=float)
    with np.errstate(invalid="ignore"):  # infinite bounds stay so
        meet = [
            np.fmax(time, (one - two) / (w - v))
            for (v, two), (w, one) in itertools.combinations(lines, 2)
        ]
        for at in (time, *meet):
            product = at * np.fmax.reduce([total - w * at for w, total in lines])
            is_less = product < least
            least = np.where(is_less, product, least)
            place = np.where(is_less, at, place)
    return least, place


class NearLimit(NamedTuple):
    """Leaves what is close to a lower bound: to find a good schedule soon.

    Attributes
    ----------
    column
        Which of the `LowerBounds` counts.
    most
        The largest value that it may have.
    """

    column: int
    most: float

    def within(
        self,
        bounds: LowerBounds,
        weight: float,  # noqa: ARG002 (as SearchLimit)
    ) -> Bools:
        """Whether lower bounds are close enough."""
        near: Bools = bounds[self.column] <= self.most
        return near


def best_of(
    found: dict[tuple[Any, ...], tuple[float, float]], goal: str, num: int
) -> Sequence[tuple[Any, ...]]:
    """The `num` best of some schedules with given energies and times, equal ones in order."""
    keys = sorted(found)
    cost, time = np.array([found[key] for key in keys]).T
    return [keys[n] for n in goal_order(cost, time, goal)[:num].tolist()]
