# SPDX-License-Identifier: BSD-3-Clause
"""The original's program against recorded optima, by hand, and against its slot-by-slot form."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.cosa import Architecture, Level, Mapping, Problem, evaluate
from nn_dataflow.cosa.decoding import factor_tables, from_mapping
from nn_dataflow.cosa.formulation import objective_of, solve
from nn_dataflow.cosa.program import make_program

from . import cases
from .reference_program import Reference

SEEDS = st.integers(0, 2**32)

FILES = {
    "results_h": ("simba16", "H"),
    "results_p": ("simba16", "P"),
    "results_h_64pe": ("simba64", "H"),
    "toys": ("simba16", None),
}
RECORDED = [
    pytest.param(item, Architecture.preset(machine), revision or item["formulation"], id=name)
    for file, (machine, revision) in FILES.items()
    for item in cases.recorded(file)
    for name in [f"{file}-{item['id']}"]
]

# A machine of another's sizes, and its best mapping of a small layer.
EXAMPLE = Architecture(
    (
        Level("Latch", 1, 32, keeps=("Weights",)),
        Level("PartialSums", 16, 8, keeps=("Outputs",)),
        Level("FilterStore", 512, 8, keeps=("Weights",)),
        Level("PixelStore", 256, 4, keeps=("Inputs",)),
        Level("Shared", 8192, 1, keeps=("Inputs", "Outputs")),
        Level("Offchip", None),
    )
)
LAYER = Problem({"R": 3, "S": 3, "P": 12, "Q": 12, "C": 8, "K": 16})
BEST = Mapping(
    [
        ("Latch", [], [("P", 3), ("Q", 3)]),
        ("PartialSums", [("C", 4)], [("C", 2)]),
        ("FilterStore", [], [("K", 16)]),
        ("PixelStore", [("P", 2)], []),
        ("Shared", [("P", 2), ("Q", 2)], [("Q", 2)]),
        ("Offchip", [], [("R", 3), ("S", 3)]),
    ]
)
BEST_TERMS = (157.940950485, 17.409850003, 12.339850003, 36.283435457)

# Cost per bit at temporal places, of dimensions that index inputs and outputs, weights and
# inputs, weights and outputs.
COSTS = {
    0: (11.3840, 11.2830, 11.2830),
    1: (11.4632, 11.4622, 11.4622),
    2: (11.6424, 11.5414, 11.6414),
    3: (11.7216, 11.7216, 11.8216),
    4: (12, 12, 12),
    5: (13.01, 13.01, 13.01),
}


@pytest.mark.parametrize(("item", "machine", "revision"), RECORDED)
def test_recorded_optima(item, machine, revision):
    problem = cases.recorded_problem(item)
    solution = solve(problem, machine, revision)
    wanted = item["objective"]["total"]
    assert solution.status == "optimal"
    assert solution.objective.total == pytest.approx(wanted, rel=1e-6)
    assert solution.gap <= 1e-6
    assert solution.best_bound == pytest.approx(wanted, rel=1e-6)
    sizes = [
        np.prod(
            [
                bound
                for _, loops, more in solution.mapping.levels
                for d, bound in (*loops, *more)
                if d == dim
            ],
            dtype=int,
        )
        for dim in cases.DIMS
    ]
    assert tuple(sizes) == problem.bounds


@pytest.mark.parametrize(("item", "machine", "revision"), RECORDED)
def test_recorded_configurations(item, machine, revision):
    """Terms of recorded mappings, but for unit filters that P rewards with a bit each."""
    problem, mapping = cases.recorded_problem(item), cases.recorded_mapping(item["mapping"])
    found, wanted = objective_of(problem, machine, revision, mapping), item["objective"]
    assert found.compute == pytest.approx(wanted["compute"], abs=1e-9)
    assert found.traffic == pytest.approx(wanted["traffic"], rel=1e-9)
    bonus = wanted["utilisation"] - found.utilisation
    units = [problem.dims[dim] for dim in "RS"].count(1) if revision == "P" else 0
    assert bonus == pytest.approx(round(bonus), abs=1e-9)
    assert 0 <= round(bonus) <= units
    assert found.total == pytest.approx(wanted["total"] + 0.1 * bonus, abs=1e-9)


@pytest.mark.parametrize(
    ("item", "machine", "revision"), [row for row in RECORDED if "toys" not in row.id]
)
def test_recorded_tables(item, machine, revision):
    program = make_program(cases.recorded_problem(item), machine, revision)
    configuration = from_mapping(program, cases.recorded_mapping(item["mapping"]))
    tables = factor_tables(program, configuration)
    assert tables.prime_factors == item["prime_factors"]
    assert tables.gb_order_index == item["gb_order_index"]
    for dim, primes in item["prime_factors"].items():
        found = zip(primes, tables.level_of_factor[dim], tables.spatial_flag[dim], strict=True)
        wanted = zip(primes, item["level_of_factor"][dim], item["spatial_flag"][dim], strict=True)
        assert sorted(found) == sorted(wanted)


def test_example_by_hand():
    solution = solve(LAYER, EXAMPLE, "H")
    assert solution.objective.total == pytest.approx(BEST_TERMS[0], abs=1e-8)
    assert objective_of(LAYER, EXAMPLE, "H", BEST) == pytest.approx(BEST_TERMS, abs=1e-8)


@pytest.mark.parametrize("memory", COSTS)
@pytest.mark.parametrize(("dims", "column"), [("PQN", 0), ("C", 1), ("K", 2)])
def test_cost_of_a_bit(memory, dims, column):
    machine = Architecture.preset("simba16")
    for dim in dims:
        loops = [[(dim, 2)] * (memory == place) for place in range(6)]
        mapping = Mapping([(name, [], loops[m]) for m, name in enumerate(machine.names)])
        found = objective_of(Problem({dim: 2}), machine, "H", mapping)
        assert found.total == pytest.approx(COSTS[memory][column], abs=1e-9)


def test_order_decides_what_the_buffer_moves():
    machine = Architecture.preset("simba16")
    problem = Problem({"P": 2, "C": 4, "K": 8})
    bits = {"P": 1, "C": 2, "K": 3}
    # Weights from C or K on, inputs from P or C on, outputs from P or K on.
    moved = {"PCK": 5 + 6 + 6, "CPK": 6 + 6 + 4, "KCP": 6 + 3 + 6, "KPC": 6 + 3 + 6}
    for order, wanted in moved.items():
        loops = [(dim, 2 ** bits[dim]) for dim in order]
        mapping = Mapping([(n, [], loops * (n == "GlobalBuffer")) for n in machine.names])
        assert objective_of(problem, machine, "H", mapping).traffic == pytest.approx(wanted)


def test_revisions_differ_in_halo_and_shares():
    """H leaves no room for filters on the chip; P charges them at the input buffer."""
    machine = Architecture.preset("simba16")
    problem = Problem({"R": 3, "S": 3, "P": 56, "Q": 56, "C": 64, "K": 64}, (2, 2))
    programs = {revision: make_program(problem, machine, revision) for revision in "HP"}
    assert programs["H"].halo_memories.tolist() == [0, 1, 2]
    assert programs["P"].halo_memories.tolist() == [3]
    assert programs["H"].words[4].tolist() == [1, 32768, 32768]
    assert programs["P"].words[4].tolist() == [1, 16384, 49152]
    np.testing.assert_array_equal(programs["H"].words[:4], programs["P"].words[:4])
    np.testing.assert_array_equal(programs["H"].footprint, programs["P"].footprint)
    levels = {r: solve(problem, machine, r).tables.level_of_factor for r in "HP"}
    assert levels["H"]["R"] == levels["H"]["S"] == [5]
    assert levels["P"]["R"][0] < 5
    assert levels["P"]["S"][0] < 5
    loops = [
        [("P", 4), ("R", 3)],
        [],
        [],
        [],
        [],
        [("K", 64), ("C", 64), ("Q", 56), ("P", 14), ("S", 3)],
    ]
    mapping = Mapping([(name, [], loops[m]) for m, name in enumerate(machine.names)])
    bits = {
        revision: program.footprints(from_mapping(program, mapping))[0, :, 1]
        for revision, program in programs.items()
    }
    # Two factors of P with stride 2 are 4 bits; the filter doubles it, as P is inside.
    assert bits["H"].tolist() == pytest.approx([1, 1, 1, 4, 4])
    assert bits["P"].tolist() == pytest.approx([0, 0, 0, 5, 4])
    mapping = Mapping(
        [(n, [], [x for x in loops[m] if m or x[0] == "R"]) for m, n in enumerate(machine.names)]
    )
    program = make_program(
        Problem({"R": 3, "S": 3, "P": 14, "Q": 56, "C": 64, "K": 64}), machine, "P"
    )
    fully = program.footprints(from_mapping(program, mapping))[0, 3, 1]
    assert fully == pytest.approx(np.log2(3))


def random_case(rng, most):
    """A layer and a machine small enough to enumerate `most` assignments."""
    machine = cases.random_machine(rng, rng.randint(2, 5), (5, 6, 8, 12, 20))
    while True:
        problem = cases.random_problem(rng)
        if 10 < Reference(problem, machine, "P").size() < most:
            return problem, machine


@pytest.mark.parametrize("revision", ["H", "P"])
@given(SEEDS)
@settings(max_examples=30)
def test_enumeration(revision, seed):
    """Even mappings, given boundaries and chosen boundaries against all assignments."""
    rng = random.Random(seed)
    problem, machine = random_case(rng, 20000)
    spans = [[rng.randint(0, 1) for _ in range(3)] for _ in machine.levels[:-1]] + [[1, 1, 1]]
    for residency, table in (("even", None), ("uneven", None), (spans, spans)):
        reference = Reference(problem, machine, revision, table)
        solution = solve(problem, machine, revision, residency=residency)
        wanted = reference.optimum(chooses=residency == "uneven")
        assert solution.objective.total == pytest.approx(wanted, abs=1e-8)
        assert solution.gap <= 1e-8


@pytest.mark.parametrize("revision", ["H", "P"])
@pytest.mark.parametrize("seed", range(6))
def test_direct_form(revision, seed):
    """Binaries slot by slot, unit factors at ranks included, on the full machine."""
    rng = random.Random(seed)
    values = {
        "R": (1, 2, 3, 7),
        "S": (1, 3),
        "P": (1, 4, 7, 13),
        "Q": (1, 2, 3),
        "C": (1, 3, 12),
        "K": (1, 8, 10),
        "N": (1, 2),
    }
    dims = {dim: rng.choice(choices) for dim, choices in values.items()}
    problem = Problem(dims, (rng.choice((1, 2)), rng.choice((1, 4))))
    machine = Architecture.preset("simba16")
    answer = Reference(problem, machine, revision).direct()
    assert answer.status == "optimal"
    assert solve(problem, machine, revision).objective.total == pytest.approx(answer.objective)


@given(SEEDS)
@settings(max_examples=20)
def test_solutions_keep_to_the_program(seed):
    """Mappings evaluate to the objective and fit; boundaries can only lower the optimum."""
    rng = random.Random(seed)
    machine = cases.random_machine(rng, rng.randint(3, 7), (8, 16, 64, 1024))
    problem = cases.random_problem(rng, 5000)
    for revision in "HP":
        even = solve(problem, machine, revision)
        uneven = solve(problem, machine, revision, residency="uneven")
        assert uneven.objective.total <= even.objective.total + 1e-9
        assert even.mapping.residency is None
        for solution in (even, uneven):
            found = objective_of(problem, machine, revision, solution.mapping)
            # Mappings do not say where a unit factor is, on which windows and strides depend.
            if min(problem.bounds[:4]) > 1:
                assert found.total == pytest.approx(solution.objective.total)
            assert found.compute == pytest.approx(solution.objective.compute)
            assert found.traffic == pytest.approx(solution.objective.traffic)
            found = evaluate(problem, machine, solution.mapping)
            assert found.reason is None or "tiles" in found.reason


def test_uneven_mapping_keeps_outputs_while_inputs_change():
    item = cases.recorded("results_p")[0]
    problem, machine = cases.recorded_problem(item), Architecture.preset("simba16")
    even = solve(problem, machine, "P")
    uneven = solve(problem, machine, "P", residency="uneven")
    assert uneven.objective.total < even.objective.total - 1e-3
    assert uneven.gap <= 1e-6
    buffer = machine.names.index("GlobalBuffer")
    _, _, loops = uneven.mapping.levels[buffer]
    inputs, outputs = uneven.mapping.residency[buffer][1:]
    assert inputs < outputs == len(loops)
    assert evaluate(problem, machine, uneven.mapping).valid
