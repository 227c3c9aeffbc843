# SPDX-License-Identifier: BSD-3-Clause
"""Partial schedules that can still become the best ones, among those of equal places.

Decides which of the prefixes that lead to the same places are kept (docs/model/search.md section
6): whatever comes after them costs all of them the same, so that one that is better in neither
energy nor time than enough others is of no use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .columns import keys_of, row_keys
from .ranking import levels, ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]


def groups_of_equal(places: Ints) -> list[Ints]:
    """Indices of the rows of each group of equal rows (m, columns), at least one, ascending."""
    if len(places) == 1 or not places.shape[1]:
        return [np.arange(len(places))]
    key = keys_of(places[:, ::-1])
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def unbeaten(group: Ints, cost: Floats, time: NDArray[Any], goal: str, num: int) -> Ints:
    """Indices of schedules that fewer than `num` others beat, whatever comes after them.

    For goal 'ed' one beats another if it is better in neither energy nor time; for the others
    the best `num` remain. Among equals the first ones remain.

    Parameters
    ----------
    group
        Which schedules can beat each other: those of equal numbers, (m,), not negative.
    cost, time
        Energy and time, (m,). Energies within the tolerance of ties are equal.
    goal, num
        What to find: the `num` best under a goal.

    Returns
    -------
    Ints
        Indices, ascending.

    Examples
    --------
    >>> group, cost = np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 2.0, 2.0])
    >>> unbeaten(group, cost, np.array([5, 4, 6, 6]), "ed", 1).tolist()
    [0, 1, 3]
    """
    if len(cost) < 2:
        return np.arange(len(cost))
    if goal == "ed":
        return _fast_or_cheap(group, cost, time, num)
    first, second = (cost, time) if goal == "e" else (time, cost)
    order = np.lexsort((levels(second, group), levels(first, group)))
    begins = np.diff(group[order], prepend=-1) != 0
    place = np.arange(len(order)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return np.sort(order[place < num])


def _fast_or_cheap(group: Ints, cost: Floats, time: NDArray[Any], num: int) -> Ints:
    """Indices of schedules that fewer than `num` others of their group beat, ascending.

    Others can beat one only if they come before it in the order of the levels of energy, then the
    time. One that `num` others before it are faster than is beaten in whatever order those of a
    level are, which leaves few to put in order.
    """
    order, level = ranked(cost, group)
    _, rank = np.unique(time, return_inverse=True)
    key = row_keys([group.max() - group[order], rank[order]])
    left = np.flatnonzero(key <= _least_before(key, num))
    order, level, key = order[left], level[left], key[left]
    in_level = np.lexsort((order, key, level))
    order, key = order[in_level], key[in_level]
    return np.sort(order[key < _least_before(key, num)])


def _least_before(values: Ints, num: int) -> Ints:
    """The `num`th least of those before each of some values; the highest of all if fewer are.

    Each value, or what it is less than and takes the place of, goes on to be the next least one.
    Where the values of each group are below all of the groups before, those of earlier groups do
    not matter for which values are less.
    """
    before = values
    for _ in range(num):
        before = np.full_like(values, np.iinfo(np.int64).max)
        np.minimum.accumulate(values[:-1], out=before[1:])
        values = np.maximum(values, before)
    return before
