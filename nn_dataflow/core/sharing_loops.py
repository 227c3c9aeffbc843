# SPDX-License-Identifier: BSD-3-Clause
"""Ways to split and order the loops between GBUF and register file for shared buffers.

Decides which of these loops may be split and moved, in which ways, and how each way steps through
the data of a category (docs/model/loop_blocking.md section 6.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nn_dataflow.caching import lru_cache

from . import loop_enum as le
from .loop_blocking_space import divisors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


class Nest(NamedTuple):
    """The loops of level 1 that can be split and ordered, and those that stay, outer to inner."""

    flexible: tuple[int, ...]
    fixed: tuple[int, ...]


class Orders(NamedTuple):
    """Orders of the flexible loops, outer to inner: outside of level 1, and inside."""

    outside: tuple[int, ...]
    inside: tuple[int, ...]


class Steps(NamedTuple):
    """How the loops of level 1 step through a category; the last axis is the way, see `Loops`."""

    unrelated: tuple[int, ...]
    blocks: Ints  # (unrelated loops, ways) REGF blocks in a row for which all data pass by once
    units: Ints  # (ways,) units that the data move in
    begun: NDArray[np.bool_]  # (ways,) whether the loops step through the data at all


@dataclass(frozen=True, eq=False)  # equal if identical, as a key of caches
class Loops:
    """What can be done with the loops of level 1.

    Factors (I, O, B) outside of level 1, lexicographic, 1 where nothing is flexible; and orders of
    the flexible loops outside of and inside level 1, lexicographic. A way is a split and an order;
    all orders of the first split come first. For each category, how its data are stepped through.
    """

    nest: Nest
    splits: Ints
    orders: tuple[Orders, ...]
    steps: tuple[Steps, ...]


@lru_cache(maxsize=1 << 12)
def sharing_loops(
    related: tuple[tuple[int, ...], ...], factors: tuple[int, ...], order: tuple[int, ...]
) -> Loops:
    """Find all ways to split and order the loops of level 1.

    Parameters
    ----------
    related
        Loops related to each data category.
    factors, order
        Factors of level 1 (I, O, B), and order positions, 0 innermost.

    Examples
    --------
    >>> loops = sharing_loops(((0, 1), (0, 2), (1, 2)), (4, 2, 2), (1, 2, 0))
    >>> loops.nest
    Nest(flexible=(0, 1), fixed=(2,))
    >>> loops.splits.tolist()
    [[1, 1, 1], [1, 2, 1], [2, 1, 1], [2, 2, 1], [4, 1, 1], [4, 2, 1]]
    >>> len(loops.orders), loops.orders[1]
    (4, Orders(outside=(0, 1), inside=(1, 0)))
    >>> loops.steps[1].units.reshape(6, 4)[2].tolist()  # ifmaps; input channels in two halves
    [4, 2, 4, 2]
    """
    nest = _nest(related, factors, order)
    choices = [
        divisors(factors[lpe]) if lpe in nest.flexible else np.ones(1, dtype=np.int64)
        for lpe in range(le.NUM)
    ]
    grid = np.meshgrid(*choices, indexing="ij")
    splits = np.stack([axis.ravel() for axis in grid], axis=1)
    orders = tuple(
        Orders(outside, inside)
        for outside in permutations(nest.flexible)
        for inside in permutations(nest.flexible)
    )
    slots = _slots(factors, nest, splits, orders)
    steps = tuple(_steps(own, factors, slots) for own in related)
    for array in (splits, *(column for own in steps for column in own[1:])):
        array.flags.writeable = False
    return Loops(nest, splits, orders, steps)


def _nest(related: Sequence[Sequence[int]], factors: Sequence[int], order: Sequence[int]) -> Nest:
    """Tell the loops of level 1 that are inside the innermost related loop of some category."""
    loops = sorted((lpe for lpe in range(le.NUM) if factors[lpe] > 1), key=order.__getitem__)
    innermost = [min((order[lpe] for lpe in loops if lpe in own), default=-1) for own in related]
    last = max(innermost)
    fixed = tuple(lpe for lpe in reversed(loops) if order[lpe] < last)
    return Nest(tuple(sorted(lpe for lpe in loops if lpe not in fixed)), fixed)


def _slots(
    factors: tuple[int, ...], nest: Nest, splits: Ints, orders: Sequence[Orders]
) -> list[tuple[Ints, Ints]]:
    """Loops and their factors, all ways, outer to inner: outside of level 1, inside, and fixed."""
    num_ways = len(splits) * len(orders)
    which = np.repeat(np.arange(len(splits)), len(orders))
    slots = []
    for half, table in enumerate((splits, np.array(factors) // splits)):
        for place in range(len(nest.flexible)):
            loops = np.tile([one[half][place] for one in orders], len(splits))
            slots.append((loops, table[which, loops]))
    fixed = [(np.full(num_ways, lpe), np.full(num_ways, factors[lpe])) for lpe in nest.fixed]
    return slots + fixed


def _steps(
    related: Sequence[int], factors: Sequence[int], slots: Sequence[tuple[Ints, Ints]]
) -> Steps:
    """How the loops of level 1 step through the data of a category."""
    is_related = np.array([lpe in related for lpe in range(le.NUM)])
    unrelated = tuple(np.flatnonzero(~is_related).tolist())
    num_ways = len(slots[0][0]) if slots else 1
    parts = np.ones((len(unrelated), num_ways), dtype=np.int64)
    units = np.ones(num_ways, dtype=np.int64)
    begun = np.zeros(num_ways, dtype=bool)
    ended = np.zeros(num_ways, dtype=bool)
    for loops, factor in slots:
        of_category = is_related[loops]
        units = units * np.where(of_category & ~ended, factor, 1)
        for row, lpe in enumerate(unrelated):
            parts[row] *= np.where((loops == lpe) & ~begun, factor, 1)
        many = factor > 1
        ended |= ~of_category & begun & many
        begun |= of_category & many
    blocks = np.array([factors[lpe] for lpe in unrelated], dtype=np.int64)[:, None] // parts
    return Steps(unrelated, blocks, units, begun)
