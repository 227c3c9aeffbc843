# SPDX-License-Identifier: BSD-3-Clause
"""How many mappings per second one core evaluates, for the layers of ResNet-50.

usage: python benchmarks/cosa_evaluator.py [--mappings N] [--arch PRESET] [--batch-size N]

Each distinct layer is evaluated with random mappings: every prime factor of every loop goes to a
random memory, spatial ones only where the fan-out has room, and loops are in random order. The time
is the best of three of the evaluation of a batch of arrays; the making of the arrays does not
count. Ends with status 1 if a layer is below 20 000 mappings per second.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from nn_dataflow.cosa import Architecture, Batch, evaluate_batch, network_problems
from nn_dataflow.nns import import_network

WANTED = 20_000
REPEATS = 3


def prime_factors(number):
    found = []
    prime = 2
    while number > 1:
        while number % prime == 0:
            found.append(prime)
            number //= prime
        prime += 1
    return found


def random_batch(rng, problem, architecture, number):
    """Random mappings within the fan-outs, as tables of factors with random orders."""
    shape = (number, len(architecture.levels), 7)
    spatial, temporal = np.ones(shape, dtype=np.int64), np.ones(shape, dtype=np.int64)
    room = np.tile(np.array(architecture.fanouts), (number, 1))
    rows = np.arange(number)
    for d, bound in enumerate(problem.bounds):
        for prime in prime_factors(bound):
            memory = rng.integers(0, shape[1], number)
            is_spatial = (room[rows, memory] >= prime) & (rng.random(number) < 0.7)
            room[rows[is_spatial], memory[is_spatial]] //= prime
            spatial[rows[is_spatial], memory[is_spatial], d] *= prime
            temporal[rows[~is_spatial], memory[~is_spatial], d] *= prime
    order = rng.permuted(np.tile(np.arange(7), (*shape[:2], 1)), axis=2)
    return Batch.of_factors(spatial, temporal, order, order)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mappings", type=int, default=10_000, help="per layer (10000)")
    parser.add_argument("--arch", default="simba16", help="machine (simba16)")
    parser.add_argument("--batch-size", type=int, default=1, help="of the network (1)")
    arguments = parser.parse_args()
    architecture = Architecture.preset(arguments.arch)
    problems = network_problems(import_network("resnet50"), arguments.batch_size)
    rng = np.random.default_rng(0)
    rates = []
    print(f"{'layer':24} {'valid/%':>8} {'mappings/s':>12}")
    for problem in dict.fromkeys(problems.values()):
        batch = random_batch(rng, problem, architecture, arguments.mappings)
        times = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            found = evaluate_batch(problem, architecture, batch)
            times.append(time.perf_counter() - begin)
        rates.append(len(batch) / min(times))
        print(f"{problem.name:24} {100 * found.valid.mean():8.1f} {rates[-1]:12,.0f}")
    slowest = min(rates)
    print(f"{len(rates)} layers: slowest {slowest:,.0f}, median {np.median(rates):,.0f} mappings/s")
    return int(slowest < WANTED)


if __name__ == "__main__":
    sys.exit(main())
