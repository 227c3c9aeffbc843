# SPDX-License-Identifier: BSD-3-Clause
"""Inputs that neighbours pass on, over all orders of the loops.

Decides how little a memory reads where neighbours may have what a child needs next
(docs/model/cosa_search.md section 2.4): then orders differ that otherwise cost the same, and the
few that there are get tried one by one.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .deliveries import boundary
from .loops import Batch
from .nest import Nest
from .problem import DIMENSIONS, INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .problem import Problem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

NUM_DIMS = len(DIMENSIONS)
_BIT = 1 << np.arange(NUM_DIMS)

# Orders of one partial mapping that are tried at most, and mappings counted at once.
MOST_ORDERS = 720
CHUNK = 20_000


class Orders(NamedTuple):
    """All orders of the loops of N partial mappings, V in all.

    Attributes
    ----------
    node : numpy.ndarray of int, (V,)
        Partial mapping, ascending.
    spatial, temporal : numpy.ndarray of int, (V, M, 7)
        Dimensions, innermost first.
    """

    node: Ints
    spatial: Ints
    temporal: Ints


def count_orders(
    spatial: Ints, temporal: Ints, spatial_at: Sequence[int], temporal_at: Sequence[int]
) -> Floats:
    """Number of orders of the spatial and the temporal loops of some memories, (N,)."""
    used = np.concatenate((spatial[:, spatial_at], temporal[:, temporal_at]), axis=1) > 1
    ways = np.array([float(factorial(number)) for number in range(NUM_DIMS + 1)])
    found: Floats = ways[used.sum(axis=2)].prod(axis=1)
    return found


def all_orders(
    spatial: Ints, temporal: Ints, spatial_at: Sequence[int], temporal_at: Sequence[int]
) -> Orders:
    """List these orders; other memories keep the fixed order R, S, P, Q, C, K, N."""
    node = np.arange(len(spatial))
    fixed = np.broadcast_to(np.arange(NUM_DIMS), spatial.shape)
    tables = [fixed.copy(), fixed.copy()]
    for number, (bounds, places) in enumerate(((spatial, spatial_at), (temporal, temporal_at))):
        for m in places:
            masks = ((bounds[node, m] > 1) * _BIT).sum(axis=1)
            ways = [_permutations(int(mask)) for mask in masks]
            counts = [len(each) for each in ways]
            node, *tables = (np.repeat(each, counts, axis=0) for each in (node, *tables))
            tables[number][:, m] = np.concatenate(ways)
    return Orders(node, *tables)


def received(
    problem: Problem, memory: int, spatial: Ints, temporal: Ints, inside: Ints, orders: Orders
) -> tuple[Floats, Floats, Floats, Floats]:
    """Words delivered to a child, read by the memory, written into a child, and read to pass, (V,).

    Parameters
    ----------
    problem : Problem
        The layer.
    memory : int
        The parent; the memory below it stores inputs.
    spatial, temporal : numpy.ndarray of int, (N, M, 7)
        Bounds; temporal ones below the parent are not looked at.
    inside : numpy.ndarray of int, (N, 7)
        Temporal bounds inside the children.
    orders : Orders
        Orders of the loops.
    """
    bounds = temporal.copy()
    bounds[:, : memory - 1] = 1
    bounds[:, memory - 1] = inside
    words, reads, fills, passed = np.empty((4, len(orders.node)))
    for begin in range(0, len(reads), CHUNK):
        some = slice(begin, begin + CHUNK)
        node = orders.node[some]
        batch = Batch.of_factors(
            spatial[node], bounds[node], orders.temporal[some], orders.spatial[some]
        )
        nest = Nest.of_batch(problem, batch)
        found = boundary(nest, INPUTS, memory)
        words[some] = (found.words + found.transfers) / nest.fanout[memory]
        reads[some] = found.accesses
        passed[some] = found.transfers / nest.instances[memory]
        fills[some] = found.words / nest.fanout[memory] + passed[some]
    return words, reads, fills, passed


@lru_cache(maxsize=1 << NUM_DIMS)
def _permutations(mask: int) -> Ints:
    used = [d for d in range(NUM_DIMS) if mask >> d & 1]
    unused = [d for d in range(NUM_DIMS) if not mask >> d & 1]
    return np.array([[*order, *unused] for order in permutations(used)])
