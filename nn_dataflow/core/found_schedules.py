# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of a network that were found, in part or in whole.

Decides which of several are the best (docs/model/search.md section 5), each once, and what is known
of those that a search had found when it was interrupted (section 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .certificate import Certificate
from .ranking import goal_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .nn_dataflow_scheme import NNDataflowScheme
    from .option import Option


class FoundSoFar:
    """What a search has found so far.

    Parameters
    ----------
    options : Option, optional
        What is searched; nothing is by default.
    """

    def __init__(self, options: Option | None = None) -> None:
        self._options = options
        self._finders: list[Callable[[], list[NNDataflowScheme]]] = []
        self._least: Callable[[], float] = float

    def add(self, find: Callable[[], list[NNDataflowScheme]], least: Callable[[], float]) -> None:
        """Begin a stage of the search.

        Parameters
        ----------
        find
            Gives the best schedules of this stage at any time.
        least
            Gives a lower bound on the value of all schedules, of later stages as well, or 0.
        """
        self._finders.append(find)
        self._least = least

    def best(self) -> tuple[list[NNDataflowScheme], Certificate | None]:
        """Return the best schedules of all stages, and what is proven of the first, if anything."""
        if self._options is None:
            return [], None
        schemes: list[NNDataflowScheme] = []
        for find in self._finders:
            schemes = best_schemes(find(), schemes, self._options)
        least = self._least()
        if not schemes or least <= 0:
            return schemes, None
        value = value_of(schemes[0], self._options.opt_goal)
        return schemes, Certificate(value, min(value, least))


def value_of(scheme: NNDataflowScheme, goal: str) -> float:
    """Return what a schedule is worth under a goal: energy, time, or their product."""
    cost, time = scheme.total_cost, scheme.total_time
    return {"e": cost, "d": time}.get(goal, cost * time)


def best_schemes(
    schemes: Sequence[NNDataflowScheme], others: Sequence[NNDataflowScheme], options: Option
) -> list[NNDataflowScheme]:
    """The best of some schedules, and of others that are not among them."""
    known = {_layer_schemes(scheme) for scheme in schemes}
    found = [*schemes, *(scheme for scheme in others if _layer_schemes(scheme) not in known)]
    cost = np.array([scheme.total_cost for scheme in found])
    time = np.array([scheme.total_time for scheme in found])
    order = goal_order(cost, time, options.opt_goal)[: options.ntops]
    return [found[number] for number in order.tolist()]


def _layer_schemes(scheme: NNDataflowScheme) -> tuple[object, ...]:
    """What tells schedules apart: place, partition, factors and orders of every layer."""
    keys = ("part", "tvals", "orders", "trips")
    return tuple(
        (name, result.sched_seq, *(result.scheme[key] for key in keys))
        for name, result in scheme.items()
    )
