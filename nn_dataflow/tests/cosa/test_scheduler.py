# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of single layers and of networks, and how failures are told (docs/cosa.md)."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nn_dataflow import cosa
from nn_dataflow.cosa import (
    Architecture,
    InputError,
    Level,
    Mapping,
    Mapspace,
    MissingExtraError,
    NoMappingError,
    Problem,
    evaluate,
    network_problems,
    schedule,
    schedule_all,
    search,
)
from nn_dataflow.nns import import_network

from . import cases
from .test_architecture import FLAT, MAPSPACE_TEXT

CONV = Problem({"R": 3, "S": 3, "P": 8, "Q": 8, "C": 8, "K": 16}, name="conv")


@pytest.fixture
def simba():
    return Architecture.preset("simba16")


@pytest.mark.parametrize("goal", ["e", "d", "ed"])
def test_exact(simba, goal):
    problem = Problem({"P": 8, "Q": 8, "C": 8, "K": 16})
    found = schedule(problem, simba, goal=goal)
    assert (found.status, found.formulation, found.goal) == ("optimal", "exact", goal)
    assert found.evaluation == evaluate(problem, simba, found.mapping)
    assert found.evaluation.valid
    energy, cycles = found.evaluation.energy_pj, found.evaluation.cycles
    assert found.value == {"e": energy, "d": cycles, "ed": energy * cycles}[goal]
    assert 0 <= found.gap < 1e-3
    assert found.gap == pytest.approx(found.value / found.best_bound - 1, abs=1e-9)
    assert found.objective is None
    assert found.wall_s > 0


@pytest.mark.parametrize("formulation", ["H", "P"])
def test_programs_of_the_original(simba, formulation):
    found = schedule(CONV, simba, formulation=formulation)
    assert found.status == "optimal"
    assert found.evaluation == evaluate(CONV, simba, found.mapping)
    total, utilisation, compute, traffic = found.objective
    assert total == pytest.approx(-0.1 * utilisation + 10 * compute + traffic, rel=1e-9)
    assert found.best_bound == pytest.approx(total, rel=1e-6)
    assert found.gap <= 1e-6


def test_small_example(tmp_path):
    """The machine, mapspace and layer of docs/model/cosa.md section 2.5, all by files."""
    for name, text in (("machine", FLAT), ("mapspace", MAPSPACE_TEXT)):
        (tmp_path / f"{name}.yaml").write_text(text)
    problem = Problem({"R": 3, "S": 3, "P": 12, "Q": 12, "C": 8, "K": 16})
    machine = Architecture.from_yaml(tmp_path / "machine.yaml")
    mapspace = Mapspace.from_yaml(tmp_path / "mapspace.yaml")
    found = schedule(problem, machine, mapspace, "H")
    expected = (157.940950485, 17.409850003, 12.339850003, 36.283435457)
    assert found.objective == pytest.approx(expected, rel=1e-9)
    loops = (
        ([], [("P", 3), ("Q", 3)]),
        ([("C", 4)], [("C", 2)]),
        ([], [("K", 16)]),
        ([("P", 2)], []),
        ([("P", 2), ("Q", 2)], [("Q", 2)]),
        ([], [("R", 3), ("S", 3)]),
    )
    optimal = Mapping([(name, *two) for name, two in zip(machine.names, loops, strict=True)])
    evaluation = evaluate(problem, mapspace.apply(machine), optimal)
    assert evaluation.cycles == 5184
    assert evaluation.energy_pj / 1e6 == pytest.approx(1.168032, abs=5e-7)
    best = schedule(problem, machine, mapspace, goal="ed")
    assert best.value <= evaluation.energy_pj * evaluation.cycles
    assert best.best_bound <= best.value


def test_uneven_mapping(simba):
    even = schedule(CONV, simba, formulation="H")
    uneven = schedule(CONV, simba, formulation="H", residency="uneven")
    assert uneven.objective.total <= even.objective.total + 1e-9
    assert uneven.evaluation == evaluate(CONV, simba, uneven.mapping)


def test_other_stores_are_told(simba):
    keeps = tuple((level.name, cases.TENSORS) for level in simba.levels[3:])
    mapspace = Mapspace((*((x.name, x.keeps) for x in simba.levels[:3]), *keeps))
    with pytest.warns(UserWarning, match="simba16: memories keep other tensors than the program"):
        found = schedule(CONV, simba, mapspace, "H")
    assert list(found.evaluation.levels["InputBuffer"]) == list(cases.TENSORS)
    assert found.architecture == mapspace.apply(simba)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formulation": "h"}, "formulation must be one of exact, H, P, got 'h'"),
        ({"goal": "edp"}, "goal must be one of e, d, ed, got 'edp'"),
        ({"time_limit": 0}, "time_limit must be a positive number of seconds, got 0"),
        ({"time_limit": "1"}, "time_limit must be a positive number of seconds, got '1'"),
        ({"residency": "uneven"}, "residency: uneven mapping needs the formulation H or P"),
    ],
)
def test_bad_options(simba, options, message):
    with pytest.raises(InputError, match=message):
        schedule(CONV, simba, **options)


@pytest.mark.parametrize("formulation", ["exact", "H", "P"])
def test_machine_that_holds_no_mapping(simba, formulation):
    levels = [replace(x, keeps=cases.TENSORS) if x.name == "Registers" else x for x in simba.levels]
    machine = replace(simba, levels=tuple(levels))
    reason = "Registers has 1 entries, fewer than one for each of Weights, Inputs, Outputs"
    with pytest.raises(NoMappingError, match=reason) as caught:
        schedule(CONV, machine, formulation=formulation)
    assert (caught.value.status, caught.value.bound) == ("infeasible", None)


def test_nothing_found_in_time(simba, monkeypatch):
    nothing = SimpleNamespace(mapping=None, bound=12.5, status="time limit")
    monkeypatch.setattr(search, "search", lambda *_, **__: nothing)
    with pytest.raises(NoMappingError, match=r"conv: no valid mapping found: time limit") as caught:
        schedule(CONV, simba)
    assert (caught.value.status, caught.value.bound) == ("time limit", 12.5)


def test_schedules_can_be_sent(simba):
    found = schedule(CONV, simba)
    assert pickle.loads(pickle.dumps(found)) == found


def test_networks(simba):
    problems = network_problems(import_network("mlp_s"), 4)
    twin = Problem(problems["fc1"].dims, name="twin")
    told = []
    found = schedule_all(
        [*problems.values(), twin], simba, formulation="H", progress=lambda *news: told.append(news)
    )
    assert [item.problem.name for item in found] == [*problems, "twin"]
    assert found[-1].evaluation is found[0].evaluation
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert {name for *_, name in told} == set(problems)
    with ThreadPoolExecutor(2) as executor:
        again = schedule_all([*problems.values()], simba, formulation="H", executor=executor)
    parallel = schedule_all([*problems.values()], simba, formulation="H", processes=2)
    for one, two, three in zip(found[:-1], again, parallel, strict=True):
        assert one.mapping == two.mapping == three.mapping


@pytest.mark.parametrize("processes", [1, 2])
def test_failure_of_one_layer(processes):
    machine = Architecture((Level("Buffer", 2), Level("DRAM", None)))
    with pytest.raises(NoMappingError, match="Buffer has 2 entries"):
        schedule_all([CONV, Problem({"K": 2})], machine, processes=processes)


def test_public_names():
    assert set(dir(cosa)) >= set(cosa.__all__)
    for name in cosa.__all__:
        assert getattr(cosa, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        cosa.nothing  # noqa: B018


WITHOUT_EXTRAS = """
import sys
sys.modules["yaml"] = sys.modules["highspy"] = None
from nn_dataflow.cosa import *
machine = Architecture((Level("Buffer", 64, 4), Level("DRAM", None)))
problem = Problem({"C": 8, "K": 4})
assert schedule(problem, machine).evaluation.valid
for needing, arguments in (
    (Architecture.preset, ("simba16",)),
    (schedule, (problem, machine, None, "H")),
):
    try:
        needing(*arguments)
    except MissingExtraError as error:
        print(error)
"""


def test_missing_extras():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.endswith('pip install "nn_dataflow[cosa]"') for line in lines)
    assert lines[0].startswith("reading and writing of YAML files needs PyYAML: ")
    assert issubclass(MissingExtraError, ImportError)
