# SPDX-License-Identifier: BSD-3-Clause
"""Every mapping of a small problem, and random ones of larger problems, as batches."""

from itertools import permutations, product

import numpy as np

from nn_dataflow.cosa import Batch, evaluate_batch

from . import cases


def every_mapping(problem, machine):
    """All ways to place the primes, with all orders of spatial and temporal loops."""
    num = len(machine.levels)
    places = [(m, True) for m in range(num) if machine.fanouts[m] > 1]
    places += [(m, False) for m in range(num)]
    factors = prime_factors(problem)
    tables = {}
    for chosen in product(places, repeat=len(factors)):
        spatial, temporal = np.ones((2, num, 7), dtype=np.int64)
        for (d, prime), (m, is_spatial) in zip(factors, chosen, strict=True):
            (spatial if is_spatial else temporal)[m, d] *= prime
        if (spatial.prod(axis=1) <= machine.fanouts).all():
            tables[spatial.tobytes(), temporal.tobytes()] = spatial, temporal
    rows = []
    for spatial, temporal in tables.values():
        orders = [list(_orders(row)) for row in (*spatial, *temporal)]
        rows += [(spatial, temporal, o[num:], o[:num]) for o in product(*orders)]
    return Batch.of_factors(*(np.array(column) for column in zip(*rows, strict=True)))


def _orders(bounds):
    used = np.flatnonzero(bounds > 1)
    unused = np.flatnonzero(bounds <= 1)
    for order in permutations(used):
        yield [*order, *unused]


def random_mappings(rng, problem, machine, count):
    """Primes at random memories, spatial where the fan-out has room; random orders."""
    num = len(machine.levels)
    spatial, temporal = np.ones((2, count, num, 7), dtype=np.int64)
    room = np.tile(machine.fanouts, (count, 1))
    rows = np.arange(count)
    weights = rng.dirichlet(np.ones(num) * 0.7, count).cumsum(axis=1)
    share = rng.random(count)
    factors = prime_factors(problem)
    for number in rng.permutation(len(factors)):
        d, prime = factors[number]
        at = (rng.random(count)[:, None] > weights).sum(axis=1).clip(0, num - 1)
        spread = rng.integers(0, num, count)
        is_spread = (room[rows, spread] >= prime) & (rng.random(count) < share)
        some = np.flatnonzero(is_spread)
        spatial[some, spread[some], d] *= prime
        room[some, spread[some]] //= prime
        some = np.flatnonzero(~is_spread)
        temporal[some, at[some], d] *= prime
    orders = rng.random((2, count, num, 7)).argsort(axis=3)
    return Batch.of_factors(spatial, temporal, *orders)


def prime_factors(problem):
    return [(d, p) for d, bound in enumerate(problem.bounds) for p in cases.primes(bound)]


def values(problem, machine, batch, goal):
    """Values of the goal; infinite for mappings that are not valid."""
    found = evaluate_batch(problem, machine, batch)
    energy = found.energy_pj if "e" in goal else 1
    value = energy * found.cycles if "d" in goal else energy
    return np.where(found.valid, value, np.inf)
