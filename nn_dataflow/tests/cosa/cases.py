# SPDX-License-Identifier: BSD-3-Clause
"""Random problems, machines and mappings, and those of reference data."""

import gzip
import json
import math
from pathlib import Path

from nn_dataflow.cosa import Architecture, Level, Mapping, Problem

DIMS = "RSPQCKN"
TENSORS = ("Weights", "Inputs", "Outputs")
DATA = Path(__file__).parents[1] / "data" / "cosa"

SMALL = {
    "R": (1, 2, 3),
    "S": (1, 2),
    "P": (1, 2, 4, 6),
    "Q": (1, 3, 4),
    "C": (1, 2),
    "K": (1, 2, 4),
    "N": (1, 2),
}


def recorded(name):
    """Items of a file of reference data."""
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))["items"]


def recorded_problem(item):
    return Problem(item["dims"], tuple(item["stride"]), tuple(item["dilation"]), item["id"])


def recorded_mapping(levels):
    loops = [(row["level"], row["spatial"], row["temporal"]) for row in levels]
    return Mapping([(name, map(tuple, s), map(tuple, t)) for name, s, t in loops])


def random_problem(rng, most_macs=600):
    while True:
        dims = {dim: rng.choice(values) for dim, values in SMALL.items()}
        if math.prod(dims.values()) <= most_macs:
            pairs = [(rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2))) for _ in range(2)]
            return Problem(dims, *pairs)


def random_machine(rng, num_memories=None, entries=10**6):
    num = num_memories or rng.randint(2, 7)
    instances = 1
    levels = [Level("Last", None, 1, 8, 4, is_dram=True, read_bandwidth=2.0, write_bandwidth=3.0)]
    for number in reversed(range(num - 1)):
        if number < num - 2:
            instances *= rng.choice((1, 2, 4, 6))
        keeps = tuple(tensor for tensor in TENSORS if rng.random() < 0.6)
        cluster = rng.choice([c for c in (1, 2) if instances % c == 0])
        bits, block = rng.choice((8, 16)), rng.choice((1, 2, 4))
        size = entries if isinstance(entries, int) else rng.choice(entries)
        bandwidth = rng.choice((None, None, 1.5))
        levels.insert(
            0, Level(f"M{number}", size, instances, bits, block, cluster, bandwidth, None, keeps)
        )
    return Architecture(tuple(levels), instances * rng.choice((1, 1, 2)), 8)


def random_mapping(rng, problem, machine, *, uneven=False):
    """Split primes over the memories, spatial ones within the fan-outs, in any order."""
    spatial = [[] for _ in machine.levels]
    temporal = [[] for _ in machine.levels]
    room = list(machine.fanouts)
    for dim, bound in problem.dims.items():
        for prime in primes(bound):
            m = rng.randrange(len(room))
            if room[m] >= prime and rng.random() < 0.7:
                room[m] //= prime
                spatial[m].append((dim, prime))
            else:
                temporal[m].append((dim, prime))
    for loops in (*spatial, *temporal):
        rng.shuffle(loops)
        if rng.random() < 0.5:
            loops[:] = joined(loops)
    residency = None
    if uneven:
        residency = [[rng.randint(0, len(loops)) for _ in TENSORS] for loops in temporal[:-1]]
        residency.append([len(temporal[-1])] * len(TENSORS))
    return Mapping(zip(machine.names, spatial, temporal, strict=True), residency)


def primes(number):
    """Prime factors in ascending order."""
    found = []
    for prime in range(2, number + 1):
        while number % math.prod([*found, prime]) == 0:
            found.append(prime)
    return found


def joined(loops):
    """Loops with those of a dimension made one."""
    bounds = {}
    for dim, bound in loops:
        bounds[dim] = bounds.get(dim, 1) * bound
    return list(bounds.items())
