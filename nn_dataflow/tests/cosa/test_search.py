# SPDX-License-Identifier: BSD-3-Clause
"""The search for proven optima against every mapping, recorded optima and random search."""

import random

import numpy as np
import pytest

from nn_dataflow.cosa import Architecture, Level, Mapspace, Problem, evaluate, search_spatial
from nn_dataflow.cosa.search import search

from . import cases
from .all_mappings import every_mapping, random_mappings, values

GOALS = ("e", "d", "ed")
RECORDED_GOALS = {"e": "energy", "d": "delay", "ed": "edp"}

# Layers with windows, strides, odd planes, matrix products, batches; and those that are hardest.
LAYERS = (
    "resnet50/input.2",
    "resnet50/input.40",
    "alexnet/input.2",
    "resnext50/input.46",
    "deepbench/07_OCR",
    "deepbench/11_Face_Recognition",
    "dlrm/213",
    "resnet18_batch16/Conv2d-51",
)


def small_case(seed, most_primes=4):
    """A few primes, few of them on a machine with small memories, so that all mappings can be."""
    rng = random.Random(seed)
    dims = dict.fromkeys(cases.DIMS, 1)
    some = rng.choice(("RPCK", "RSPQ", "RPRP", cases.DIMS))
    for _ in range(rng.randint(1, most_primes)):
        dims[rng.choice(some)] *= rng.choice((2, 2, 3))
    pairs = [(rng.randint(1, 3), rng.randint(1, 2)) for _ in range(2)]
    machine = cases.random_machine(rng, rng.randint(2, 5), entries=(3, 5, 12, 100))
    return Problem(dims, *pairs), machine


def value_of(problem, machine, mapping, goal):
    found = evaluate(problem, machine, mapping)
    assert found.valid
    energy = found.energy_pj if "e" in goal else 1
    return energy * found.cycles if "d" in goal else energy


# In the last three, neighbours pass most if loops along a window are divided over two memories.
@pytest.mark.parametrize("seed", [*range(60), 1120, 1130, 3508])
def test_best_of_all_mappings(seed):
    problem, machine = small_case(seed)
    batch = every_mapping(problem, machine)
    for goal in GOALS:
        best = values(problem, machine, batch, goal).min()
        found = search(problem, machine, goal, tolerance=1e-9)
        assert found.value == pytest.approx(best, rel=1e-9)
        assert found.bound <= best * (1 + 1e-9)
        assert found.value == value_of(problem, machine, found.mapping, goal)
        assert found.gap == found.value / found.bound - 1
        assert (found.status == "optimal") == (found.gap <= 1.01e-9)


@pytest.mark.parametrize(
    "dims",
    [
        {"C": 4, "K": 4},
        {"K": 3, "C": 5, "N": 2},
        {"P": 3, "Q": 2, "C": 2, "K": 2},
        {"R": 2, "P": 3, "K": 2},
        {"R": 2, "S": 2, "Q": 5},
    ],
    ids=str,
)
def test_best_of_all_mappings_in_large_blocks(dims):
    """On the bundled machine, whose blocks are larger than such layers."""
    problem, machine = Problem(dims), Architecture.preset("simba16")
    batch = every_mapping(problem, machine)
    for goal in GOALS:
        best = values(problem, machine, batch, goal).min()
        found = search(problem, machine, goal)
        assert found.value == pytest.approx(best, rel=1e-5)
        assert found.bound <= best
        assert found.gap < 2e-3


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize(
    "dims", [{"C": 16, "K": 32}, {"P": 4, "Q": 4, "C": 8, "K": 8}, {"C": 10, "K": 12, "N": 6}]
)
def test_layers_smaller_than_blocks_are_no_work(dims, goal):
    """Bounds in whole blocks; in words, tens of thousands of mappings are below the optimum."""
    found = search(Problem(dims), Architecture.preset("simba16"), goal)
    assert found.status == "optimal"
    assert sum(found.nodes.values()) < 2000


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("layer", LAYERS)
def test_recorded_optima(layer, goal):
    (item,) = (
        item
        for item in cases.recorded("best_known")
        if (item["id"], item["goal"]) == (layer, RECORDED_GOALS[goal])
    )
    (layer_item,) = (item for item in cases.recorded("problems") if item["id"] == layer)
    problem = cases.recorded_problem(layer_item)
    machine = Architecture.preset("simba16")
    known = value_of(problem, machine, cases.recorded_mapping(item["mapping"]), goal)
    found = search(problem, machine, goal)
    assert found.value <= known * (1 + 1e-5)
    assert found.bound <= known
    assert found.gap <= 1e-3
    assert found.value == value_of(problem, machine, found.mapping, goal)


@pytest.mark.parametrize("number", [0, 6, 12, 16])
def test_never_worse_than_the_program_on_64_elements(number):
    item = cases.recorded("results_h_64pe")[number]
    problem = Problem(item["dims"], tuple(item.get("stride", (1, 1))))
    machine = Architecture.preset("simba64")
    known = value_of(problem, machine, cases.recorded_mapping(item["mapping"]), "ed")
    ties = item.get("ties", {"cycles": [], "energy_uj": []})
    rows = zip(ties["cycles"], ties["energy_uj"], strict=True)
    known = min([known, *(cycles * energy * 1e6 for cycles, energy in rows)])
    found = search(problem, machine, "ed")
    assert found.bound <= found.value <= known
    assert found.gap <= 1e-3


@pytest.mark.parametrize("num_memories", [3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(4))
def test_never_worse_than_random_search(num_memories, seed):
    rng = random.Random(100 * num_memories + seed)
    machine = cases.random_machine(rng, num_memories, entries=(8, 64, 1000))
    problem = cases.random_problem(rng, most_macs=20_000)
    batch = random_mappings(np.random.default_rng(seed), problem, machine, 3000)
    for goal in GOALS:
        best = values(problem, machine, batch, goal).min()
        found = search(problem, machine, goal, tolerance=1e-3)
        assert found.bound <= best
        assert found.value <= best * (1 + 1e-3)
        assert found.value == value_of(problem, machine, found.mapping, goal)


def test_what_memories_keep_comes_from_the_mapspace():
    machine = Architecture((Level("Buffer", 64, 4), Level("DRAM", None)))
    problem = Problem({"C": 8, "K": 4, "P": 4})
    mapspace = Mapspace((("Buffer", ("Inputs",)),))
    found = search(problem, machine, "e", mapspace=mapspace)
    assert found.value == search(problem, mapspace.apply(machine), "e").value
    assert found.value > search(problem, machine, "e").value


def test_time_limit():
    problem = Problem({"R": 3, "S": 3, "P": 56, "Q": 56, "C": 64, "K": 64})
    machine = Architecture.preset("simba16")
    found = search(problem, machine, "ed", time_limit=1e-9)
    best = search(problem, machine, "ed")
    assert found.status == "time limit"
    assert 0 < found.bound <= best.bound
    assert found.value == value_of(problem, machine, found.mapping, "ed") >= best.value
    assert best.status == "optimal"


@pytest.mark.parametrize("goal", GOALS)
def test_time_limit_where_no_unrolling_of_many_lanes_fits(goal):
    rng = random.Random(5011)
    machine = cases.random_machine(rng, 7, entries=(8, 64, 1000))
    problem = cases.random_problem(rng, most_macs=20_000)
    found = search(problem, machine, goal, time_limit=1e-9)
    assert found.status == "time limit"
    assert 0 < found.bound <= found.value == value_of(problem, machine, found.mapping, goal)


def test_machine_that_holds_no_mapping():
    machine = Architecture((Level("Buffer", 2), Level("DRAM", None)))
    found = search(Problem({"C": 8}), machine, "e")
    assert (found.mapping, found.status) == (None, "infeasible")


def test_machine_with_too_many_spatial_choices(monkeypatch):
    problem, machine = Problem({"C": 64, "K": 64, "P": 14}), Architecture.preset("simba16")
    best = search(problem, machine, "ed")
    monkeypatch.setattr(search_spatial, "_MOST_COMBINATIONS", 500)
    found = search(problem, machine, "ed")
    assert found.status == "gap"
    assert 0 < found.bound < best.bound <= found.value < 2 * best.value
    assert found.value == value_of(problem, machine, found.mapping, "ed")


def test_only_combinations_that_divide_the_problem_count(monkeypatch):
    """Six fan-outs over a small layer: many pairs of signatures, few that can be."""
    levels = [Level(f"M{m}", 100, 4 ** (6 - m)) for m in range(1, 6)]
    machine = Architecture((*levels, Level("DRAM", None, is_dram=True)), mac_instances=4**6)
    problem = Problem({"C": 4, "K": 2})
    best = search(problem, machine, "e")
    monkeypatch.setattr(search_spatial, "_MOST_COMBINATIONS", 500)
    found = search(problem, machine, "e")
    assert (found.value, found.bound, found.status) == (best.value, best.bound, "optimal")


@pytest.mark.parametrize("most", [1, 4, 20])
def test_machine_with_too_many_spatial_choices_and_little_memory(monkeypatch, most):
    """The unrollings of most lanes do not fit together; some mapping is found, still."""
    monkeypatch.setattr(search_spatial, "_MOST_COMBINATIONS", most)
    keeps = (("Weights",), ("Outputs",), cases.TENSORS, cases.TENSORS)
    levels = [Level(f"M{m}", 4, 4 ** (3 - m), keeps=kept) for m, kept in enumerate(keeps)]
    machine = Architecture((*levels, Level("DRAM", None)))
    problem = Problem({"P": 4, "C": 8, "K": 8})
    found = search(problem, machine, "ed")
    assert found.status == "gap"
    assert 0 < found.bound < found.value == value_of(problem, machine, found.mapping, "ed")
