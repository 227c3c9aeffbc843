# SPDX-License-Identifier: BSD-3-Clause
"""The order of schedules under a goal, the same on every platform.

Decides when two values are equal and which of two schedules comes first
(docs/model/search.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

# Values within this relative distance are equal; they differ by the order of summation.
TIE = 1e-9

# Values of which fewer are ranked faster one by one than as an array.
FEW = 128


def goal_order(cost: Floats, time: NDArray[Any], goal: str) -> Ints:
    """Order of schedules from best to worst under a goal, stable among equals.

    Goal 'e' ranks by energy, then time; 'd' by time, then energy; 'ed' by their product, then
    energy, then time. Values within a relative distance of `TIE` are equal.

    Examples
    --------
    >>> goal_order(np.array([3.0, 2.0, 2.0]), np.array([1, 5, 4]), "e").tolist()
    [2, 1, 0]
    >>> goal_order(np.array([3.0, 2.0, 2.0]), np.array([1, 5, 4]), "ed").tolist()
    [0, 2, 1]
    """
    if len(cost) < 2:
        return np.arange(len(cost))
    energy, delay = levels(cost), levels(time)
    if goal == "e":
        return np.lexsort((delay, energy))
    if goal == "d":
        return np.lexsort((energy, delay))
    return np.lexsort((delay, energy, levels(cost * time)))


def goal_keys(cost: Floats, time: NDArray[Any], goal: str) -> tuple[Floats, Floats]:
    """First and second ranking key under a goal; for 'ed' only the product counts.

    Examples
    --------
    >>> one, two = goal_keys(np.array([2.0]), np.array([3]), "d")
    >>> one.tolist(), two.tolist()
    ([3.0], [2.0])
    """
    if goal == "ed":
        return cost * time, np.zeros_like(cost)
    return (cost, time.astype(float)) if goal == "e" else (time.astype(float), cost)


def exceeds(bound: Sequence[float], value: Sequence[float]) -> bool:
    """Whether ranking keys are certainly worse than others."""
    if bound[0] > value[0] + TIE * abs(value[0]):
        return True
    return bound[0] >= value[0] and bound[1] > value[1] + TIE * abs(value[1])


def levels(values: NDArray[Any], group: Ints | None = None) -> Ints:
    """Ranks of values, the same for values within `TIE` of the least of their rank.

    Parameters
    ----------
    values
        Any number of them, (m,).
    group
        Which groups they belong to, if each is to be ranked by itself, (m,), not negative. Groups
        of higher numbers then have higher ranks.

    Examples
    --------
    >>> levels(np.array([2.0, 1.0, 2.0 + 1e-12])).tolist()
    [1, 0, 1]
    >>> levels(np.array([2.0, 1.0, 2.0 + 1e-12]), np.array([0, 1, 1])).tolist()
    [0, 1, 2]
    """
    order, ranks = ranked(values, group)
    levels = np.empty(len(values), dtype=np.int64)
    levels[order] = ranks
    return levels


def ranked(values: NDArray[Any], group: Ints | None = None) -> tuple[Ints, Ints]:
    """Indices of values in ascending order, group by group, and the `levels` in this order."""
    order = np.argsort(values)
    begins = np.zeros(len(values), dtype=bool)
    begins[:1] = True
    if group is not None:
        group = group[order].astype(np.min_scalar_type(group.max(initial=0)))  # faster to sort
        by_group = np.argsort(group, kind="stable")
        order, group = order[by_group], group[by_group]
        begins[1:] = group[1:] != group[:-1]
    rank = _ranks_one_by_one if len(values) < FEW else _ranks_of_neighbours
    return order, rank(values[order], begins)


def _ranks_one_by_one(ordered: NDArray[Any], begins: Bools) -> Ints:
    """Ranks of ascending values; a rank ends where a value is beyond the limit of its first."""
    ranks = []
    rank, limit = -1, -np.inf
    for value, is_new in zip(ordered.tolist(), begins.tolist(), strict=True):
        if is_new or value > limit:
            rank, limit = rank + 1, value + TIE * abs(value)
        ranks.append(rank)
    return np.array(ranks, dtype=np.int64)


def _ranks_of_neighbours(ordered: NDArray[Any], begins: Bools) -> Ints:
    """The same on arrays; chains of close neighbours that go beyond their first one by one."""
    limits = ordered + TIE * np.abs(ordered)
    begins = begins.copy()
    begins[1:] |= ordered[1:] > limits[:-1]
    chain, first = np.cumsum(begins) - 1, np.flatnonzero(begins)
    ends = np.append(first[1:], len(ordered))
    for number in np.unique(chain[ordered > limits[first][chain]]).tolist():
        own = slice(first[number], ends[number])
        begins[own] = np.diff(_ranks_one_by_one(ordered[own], begins[own]), prepend=-1)
    return np.cumsum(begins) - 1
