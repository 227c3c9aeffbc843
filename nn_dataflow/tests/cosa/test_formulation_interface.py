# SPDX-License-Identifier: BSD-3-Clause
"""What users meet around the program: limits, seeds, mapspaces, boundaries, errors."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.cosa import (
    Architecture,
    InputError,
    Level,
    Mapping,
    Mapspace,
    NoMappingError,
    Problem,
)
from nn_dataflow.cosa.errors import MissingExtraError
from nn_dataflow.cosa.formulation import objective_of, solve
from nn_dataflow.cosa.highs_model import Answer, LinearProgram
from nn_dataflow.cosa.prime_factors import factor_groups, prime_factors
from nn_dataflow.cosa.program import make_program

MACHINE = Architecture.preset("simba16")
LAYER = Problem({"R": 3, "S": 3, "P": 28, "Q": 28, "C": 128, "K": 128, "N": 16}, name="layer")
SMALL = Problem({"P": 4, "K": 4})


@given(st.integers(1, 10**6))
def test_prime_factors(value):
    factors = prime_factors(value)
    assert math.prod(factors) == value
    assert factors == sorted(factors)
    assert value == 1 or all(
        p > 1 and all(p % q for q in range(2, math.isqrt(p) + 1)) for p in factors
    )
    groups = factor_groups([value])
    assert (
        math.prod(p**n for p, n in zip(groups.prime.tolist(), groups.number.tolist(), strict=True))
        == value
    )
    assert groups.unit.tolist() == [p == 1 for p in groups.prime]


@pytest.mark.parametrize("revision", ["H", "P"])
def test_time_limit_without_a_solution(revision):
    """Everything is at the last memory, and the bound still holds."""
    best = solve(LAYER, MACHINE, revision)
    found = solve(LAYER, MACHINE, revision, time_limit=0)
    assert found.status == "time limit"
    assert dict(found.mapping.levels[-1][2]) == {d: n for d, n in LAYER.dims.items() if n > 1}
    assert found.objective == pytest.approx(objective_of(LAYER, MACHINE, revision, found.mapping))
    assert found.best_bound <= best.objective.total < found.objective.total
    assert found.gap == (found.objective.total - found.best_bound) / found.objective.total


def test_same_seed_same_solution():
    for seed in (0, 7):
        first, second = (solve(LAYER, MACHINE, "P", seed=seed) for _ in range(2))
        assert first._replace(wall_s=0) == second._replace(wall_s=0)


def test_size_and_time_are_reported():
    solution = solve(LAYER, MACHINE, "P")
    assert 0 < solution.wall_s < 60
    assert (solution.columns, solution.rows) <= (120, 41)


def test_mapspace_overrides_the_storage_table():
    kept = Mapspace((("Registers", ("Weights",)), ("GlobalBuffer", ("Outputs",))))
    solution = solve(LAYER, MACHINE, "H", mapspace=kept)
    machine = kept.apply(MACHINE)
    assert solution.objective == solve(LAYER, machine, "H").objective
    assert solution.objective != solve(LAYER, MACHINE, "H").objective
    assert solution.mapping.keeps == tuple(level.keeps for level in machine.levels)
    found = objective_of(LAYER, MACHINE, "H", solution.mapping, mapspace=kept)
    assert found.total == pytest.approx(solution.objective.total)


def test_roles_come_from_the_machine():
    """Seven memories: halo, weights and shares follow what they keep, not their number."""
    kept = [
        ("Weights",),
        ("Outputs",),
        ("Inputs",),
        ("Weights",),
        ("Weights", "Inputs"),
        ("Weights", "Outputs"),
    ]
    levels = [Level(f"M{m}", 80 * 4**m, 2 ** (6 - m), keeps=keeps) for m, keeps in enumerate(kept)]
    machine = Architecture((*levels, Level("Last", None)))
    program = make_program(LAYER, machine, "P")
    assert program.buffer == 5
    assert program.level_weight.tolist() == [1, 1, 1, 1, 1.01, 0]
    assert program.halo_memories.tolist() == [2]
    assert program.words[4].tolist() == [10240, 10240, 1]
    assert program.words[5].tolist() == [20480, 1, 61440]
    assert make_program(LAYER, machine, "H").halo_memories.tolist() == [0, 1, 3, 4]
    assert make_program(LAYER, machine, "H").words[5].tolist() == [40960, 1, 40960]


def test_nothing_is_unrolled_above_the_buffer():
    levels = (Level("Buffer", 1024, 4), Level("Last", None))
    solution = solve(SMALL, Architecture(levels), "H")
    assert solution.mapping.levels[-1][1] == ()
    assert solution.objective.compute == 4


@pytest.mark.parametrize("revision", ["H", "P"])
def test_unit_factors_are_listed_at_the_last_memory(revision):
    """Wherever the program has them: P gains from unit filters on the chip."""
    layer = Problem({"Q": 4, "K": 16, "C": 16}, (2, 1))
    tables = solve(layer, MACHINE, revision).tables
    for dim in "RSPN":
        assert tables.prime_factors[dim] == [1]
        assert tables.level_of_factor[dim] == [5]
        assert tables.spatial_flag[dim] == [0]


def test_given_boundary_is_in_the_mapping():
    table = [[1, 1, 1] for _ in MACHINE.levels]
    table[4] = [0, 0, 1]  # the buffer keeps no weights
    solution = solve(LAYER, MACHINE, "P", residency=table)
    loops = [len(temporal) for _, _, temporal in solution.mapping.levels]
    assert loops[4] > 0
    assert solution.mapping.residency[4] == (loops[4], 0, loops[4])
    assert all(
        row == (n, n, n)
        for m, (row, n) in enumerate(zip(solution.mapping.residency, loops, strict=True))
        if m != 4
    )
    assert solution.objective.total < solve(LAYER, MACHINE, "P").objective.total


@pytest.mark.parametrize(
    ("entries", "revision", "message"),
    [
        (
            (2, 64),
            "H",
            "Inner: 2 entries leave 0.667 of a word for Weights in formulation H, which needs one",
        ),
        (
            (4, 3),
            "P",
            "Shared: 3 entries leave 0.6 of a word for Weights in formulation P, which needs one",
        ),
    ],
)
def test_memory_without_room(entries, revision, message):
    machine = Architecture(
        (Level("Inner", entries[0]), Level("Shared", entries[1]), Level("Last", None))
    )
    with pytest.raises(NoMappingError, match=f"^{message}$"):
        solve(SMALL, machine, revision)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("odd", 'residency: must be "even", "uneven" or a table'),
        (7, "residency: must be a table of 0 and 1"),
        ([[1, 1, 1]], r"residency: must be a table of 0 and 1 of \(6, 3\)"),
        ([[1, 1], [1]], "residency: must be a table of 0 and 1"),
        ([[1, 1, 2]] * 6, "residency: must be a table of 0 and 1"),
        ([[1, 1, 1]] * 5 + [[1, 0, 1]], "residency: DRAM, the last memory, holds whole tensors"),
    ],
)
def test_bad_residency(given, message):
    with pytest.raises(InputError, match=f"^{message}"):
        solve(SMALL, MACHINE, "H", residency=given)


def test_bad_revision_seed_and_limit():
    with pytest.raises(InputError, match=r"^formulation: must be one of H, P, got 'Q'$"):
        solve(SMALL, MACHINE, "Q")
    with pytest.raises(InputError, match=r"^HiGHS: random_seed must not be -1$"):
        solve(SMALL, MACHINE, "H", seed=-1)
    with pytest.raises(InputError, match=r"^HiGHS: time_limit must not be -1\.0$"):
        solve(SMALL, MACHINE, "H", time_limit=-1)


def mapping_with(residency=None, **loops):
    levels = [(name, [], loops.get(name, [])) for name in MACHINE.names]
    return Mapping(levels, residency)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (Mapping([("Other", [], [])]), "mapping: memories must be Registers, .*, got Other$"),
        (mapping_with(DRAM=[("P", 3)]), "mapping: P of the layer has no factor 3$"),
        (mapping_with(DRAM=[("P", 4), ("K", 2)]), "mapping: the bounds of K do not multiply"),
        (
            mapping_with(
                [[0, 0, 0], [0, 0, 1], *[[0, 0, 0]] * 3, [1, 1, 1]],
                AccumulationBuffer=[("P", 2), ("K", 4)],
                DRAM=[("P", 2)],
            ),
            "AccumulationBuffer: the program has none or all of its 2 temporal loops inside",
        ),
    ],
)
def test_mappings_that_have_no_objective(mapping, message):
    with pytest.raises(InputError, match=f"^{message}"):
        objective_of(SMALL, MACHINE, "H", mapping)


def test_residency_of_a_mapping_counts():
    """Inside a memory only tiles shrink; at the buffer exchanges are charged as well."""
    even = objective_of(SMALL, MACHINE, "H", mapping_with(AccumulationBuffer=[("P", 4), ("K", 4)]))
    rows = [[0, 0, 0], [2, 2, 0], *[[0, 0, 0]] * 4]
    uneven = objective_of(
        SMALL, MACHINE, "H", mapping_with(rows, AccumulationBuffer=[("P", 4), ("K", 4)])
    )
    assert uneven.utilisation == pytest.approx(even.utilisation - 4)
    assert uneven.traffic == even.traffic
    even = objective_of(SMALL, MACHINE, "H", mapping_with(GlobalBuffer=[("P", 4), ("K", 4)]))
    rows = [*[[0, 0, 0]] * 4, [2, 2, 1], [0, 0, 0]]
    uneven = objective_of(
        SMALL, MACHINE, "H", mapping_with(rows, GlobalBuffer=[("P", 4), ("K", 4)])
    )
    assert uneven.traffic == pytest.approx(even.traffic + 2)


def test_solver_that_gives_up(monkeypatch):
    answer = Answer(None, math.inf, 1.5, "Memory limit reached")
    monkeypatch.setattr(LinearProgram, "solve", lambda *_, **__: answer)
    message = "^formulation H: HiGHS stopped: Memory limit reached, best bound 1.5$"
    with pytest.raises(NoMappingError, match=message) as caught:
        solve(SMALL, MACHINE, "H")
    assert (caught.value.status, caught.value.bound) == ("Memory limit reached", 1.5)


def test_solver_that_is_wrong(monkeypatch):
    """A solution that does not cost what the solver says is our own fault, and not returned."""
    right = LinearProgram.solve

    def wrong(*args, **options):
        answer = right(*args, **options)
        return answer._replace(objective=answer.objective - 1)

    monkeypatch.setattr(LinearProgram, "solve", wrong)
    with pytest.raises(RuntimeError, match=r"^the solution of layer does not keep to its program$"):
        solve(LAYER, MACHINE, "H")


def test_solver_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "highspy", None)
    message = r'^solving formulations H and P needs HiGHS: pip install "nn_dataflow\[cosa\]"$'
    with pytest.raises(MissingExtraError, match=message):
        solve(SMALL, MACHINE, "H")
