# SPDX-License-Identifier: BSD-3-Clause
"""The evaluator against a literal walk through loop nests and against recorded results."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.cosa import (
    Architecture,
    Batch,
    InputError,
    Level,
    Mapping,
    Problem,
    evaluate,
    evaluate_batch,
)
from nn_dataflow.cosa.counts import _scaled_down
from nn_dataflow.cosa.deliveries import distinct_children
from nn_dataflow.cosa.nest import Nest

from . import cases
from .reference_evaluator import Reference

SEEDS = st.integers(0, 2**32)
ENTRIES = (4, 30, 10**6)  # of which some hold a mapping and some do not


def agree(problem, machine, mapping):
    found, wanted = evaluate(problem, machine, mapping), Reference(problem, machine, mapping)
    counts = {
        (memory, tensor): {k: v for k, v in row._asdict().items() if k != "energy_pj"}
        for memory, tensors in found.levels.items()
        for tensor, row in tensors.items()
    }
    assert counts == wanted.counts
    assert {
        (memory, tensor): words
        for memory, tensors in found.transfers.items()
        for tensor, words in tensors.items()
    } == wanted.transfers
    assert found.valid == wanted.valid == (found.reason is None)
    assert found.compute_cycles == wanted.compute
    assert found.cycles == wanted.cycles
    assert found.energy_pj == pytest.approx(wanted.energy, rel=1e-12)
    assert found.utilization == problem.macs / (machine.mac_instances * found.cycles)
    return wanted


@given(SEEDS)
def test_literal_walk(seed):
    rng = random.Random(seed)
    problem, machine = cases.random_problem(rng), cases.random_machine(rng, entries=ENTRIES)
    agree(problem, machine, cases.random_mapping(rng, problem, machine))


@given(SEEDS)
def test_literal_walk_of_uneven_mappings(seed):
    rng = random.Random(seed)
    problem, machine = cases.random_problem(rng), cases.random_machine(rng, entries=ENTRIES)
    agree(problem, machine, cases.random_mapping(rng, problem, machine, uneven=True))


def test_neighbours_with_equal_offsets():
    # Two children differ in K only; at the second R the tile returns to where it was, which is
    # delivered again and which each has from the other.
    problem = Problem({"P": 4, "R": 3, "K": 4})
    machine = Architecture((Level("A", 64, 2, keeps=("Inputs",)), Level("B", 64), Level("D", None)))
    mapping = Mapping(
        [("A", [], []), ("B", [("K", 2)], [("P", 4)]), ("D", [], [("R", 3), ("K", 2)])]
    )
    assert agree(problem, machine, mapping).transfers == {("A", "Inputs"): 8}


def check_recorded(problem, machine, mapping, wanted):
    found = evaluate(problem, machine, mapping)
    assert found.valid == wanted["valid"]
    if not wanted["valid"]:
        words = [word for word in wanted["reason"].split() if word.isdigit()]
        assert (
            found.reason == f"GlobalBuffer: tiles of {words[0]} words exceed its {words[1]} entries"
        )
        return
    assert (found.cycles, found.compute_cycles) == (wanted["cycles"], wanted["compute_cycles"])
    # Recorded energies are rounded to a pJ, those of single memories to 0.01 pJ.
    energy = pytest.approx(wanted["energy_uj_exact"], rel=1e-6, abs=5.1e-7)
    assert found.energy_pj / 1e6 == energy
    assert found.mac_energy_pj == wanted["mac_energy_pj"]
    assert found.mac_lanes == wanted["mac_lanes_used"]
    for memory, tensors in wanted["levels"].items():
        assert found.levels[memory].keys() == tensors.keys()
        for tensor, row in tensors.items():
            got = found.levels[memory][tensor]._asdict()
            assert got.pop("energy_pj") == pytest.approx(row.pop("energy_pj"), rel=1e-6, abs=6e-3)
            assert got == row
    for pair, tensors in wanted.get("neighbour_transfers_per_parent", {}).items():
        assert found.transfers[pair.split(" <==> ")[1]] == tensors


RECORDED = (
    ("evaluator_cases", "simba16"),
    ("results_h", "simba16"),
    ("results_p", "simba16"),
    ("results_h_64pe", "simba64"),
    ("toys", "simba16"),
)


@pytest.mark.parametrize(("name", "machine"), RECORDED)
def test_recorded_evaluations(name, machine):
    items = [item for item in cases.recorded(name) if item.get("evaluation")]
    assert items
    for item in items:
        problem = cases.recorded_problem(item)
        mapping = cases.recorded_mapping(item["mapping"])
        check_recorded(problem, Architecture.preset(machine), mapping, item["evaluation"])


def test_recorded_random_mappings():
    machine = Architecture.preset("simba16")
    num = 0
    for item in cases.recorded("random_mappings"):
        for sample in item["samples"]:
            mapping = cases.recorded_mapping(sample["mapping"])
            check_recorded(cases.recorded_problem(item), machine, mapping, sample["evaluation"])
            num += 1
    assert num == 110


@given(SEEDS)
def test_batch_is_its_mappings(seed):
    rng = random.Random(seed)
    problem, machine = cases.random_problem(rng), cases.random_machine(rng, entries=ENTRIES)
    mappings = [
        cases.random_mapping(rng, problem, machine, uneven=rng.random() < 0.3) for _ in range(5)
    ]
    batch = Batch.of_mappings(mappings)
    found = evaluate_batch(problem, machine, batch)
    for n, mapping in enumerate(mappings):
        assert found.at(n) == evaluate(problem, machine, mapping)
        assert batch.mapping(machine, n) == mapping


def test_batches_beyond_a_chunk():
    problem = Problem({"C": 2, "K": 2})
    machine = Architecture.preset("simba16")
    temporal = np.ones((2500, 6, 7), dtype=np.int64)
    temporal[:, 5, 4:6] = 2
    temporal[::3, 5, 5], temporal[::3, 1, 5] = 1, 2
    ones = np.ones_like(temporal)
    found = evaluate_batch(problem, machine, Batch.of_factors(ones, temporal))
    assert len(found.valid) == len(found.energy_pj) == found.counts.reads.shape[2] == 2500
    assert found.at(2499) == found.at(0) != found.at(1) == found.at(2498)


def test_factor_tables_with_orders():
    rng = np.random.default_rng(1)
    machine = Architecture.preset("simba16")
    problem = Problem({"P": 4, "K": 8, "C": 6})
    temporal = np.ones((1, 6, 7), dtype=np.int64)
    temporal[0, 5, [2, 5]] = 4, 8
    temporal[0, 2, 4] = 6
    order = rng.permuted(np.tile(np.arange(7), (1, 6, 1)), axis=2)
    batch = Batch.of_factors(np.ones_like(temporal), temporal, order)
    loops = [(cases.DIMS[d], int(temporal[0, 5, d])) for d in order[0, 5] if d in (2, 5)]
    levels = [(name, [], []) for name in machine.names]
    levels[2], levels[5] = ("WeightBuffer", [], [("C", 6)]), ("DRAM", [], loops)
    assert batch.mapping(machine, 0) == Mapping(levels)
    assert evaluate_batch(problem, machine, batch).at(0) == evaluate(
        problem, machine, Mapping(levels)
    )


def two_memories(entries=8, instances=4, fanout=1):
    return Architecture((Level("A", entries, instances), Level("D", None)), instances * fanout)


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        (([], [("C", 8)], [], []), "A: tiles of 17 words exceed its 8 entries"),
        (([], [], [("C", 8)], []), "D: spatial loops use 8 of 4 instances of A"),
        (([("C", 2)], [], [], [("C", 4)]), "A: spatial loops use 2 of 1 instances of arithmetic"),
        (([], [], [], [("C", 4)]), "the loops of C do not multiply to its bound 8"),
        (([], [], [("C", 4)], [("C", 2)]), None),
    ],
)
def test_validity(levels, reason):
    inner, outer = levels[:2], levels[2:]
    mapping = Mapping([("A", *inner), ("D", *outer)])
    found = evaluate(Problem({"C": 8}), two_memories(), mapping)
    assert (found.valid, found.reason) == (reason is None, reason)


def test_kept_tensors_of_the_mapping_count():
    mapping = Mapping([("A", [], [("C", 8)]), ("D", [], [])], keeps=[("Outputs",), cases.TENSORS])
    found = evaluate(Problem({"C": 8}), two_memories(), mapping)
    assert found.valid
    assert list(found.levels["A"]) == ["Outputs"]


def test_mapping_for_another_machine():
    mapping = Mapping([("B", [], []), ("D", [], [])])
    with pytest.raises(InputError, match="memories are B, D, but those of machine are A, D"):
        evaluate(Problem({"C": 8}), two_memories(), mapping)


def test_partition_of_large_products_is_exact():
    # 2^50 weights of which an instance holds 3·2^25 at a time: the product exceeds 2^63.
    whole, part, of = 2.0**50 + 7, 3 * 2.0**25 + 5, 2.0**33 + 9
    found = _scaled_down(np.array([whole]), np.array([part]), np.array([of]))
    assert int(found[0]) == int(whole) * int(part) // int(of)


def test_worked_example():
    """The layer that docs/model/cosa.md section 8.9 follows by hand."""
    problem = Problem({"R": 3, "S": 3, "P": 56, "Q": 56, "C": 64, "K": 64})
    loops = (
        ([], [("Q", 7)]),
        ([("C", 8)], [("C", 8), ("K", 8)]),
        ([], [("K", 4)]),
        ([("P", 2), ("Q", 4)], []),
        ([("P", 4), ("Q", 2), ("K", 2)], []),
        ([], [("R", 3), ("S", 3), ("P", 7)]),
    )
    machine = Architecture.preset("simba16")
    found = evaluate(
        problem, machine, Mapping([(n, *two) for n, two in zip(machine.names, loops, strict=True)])
    )
    assert found.cycles == 112_896
    assert found.levels["Registers"]["Weights"].fills == 16_128
    assert found.levels["WeightBuffer"]["Weights"].reads == 129_024
    assert found.levels["DRAM"]["Weights"].reads == 258_048
    assert found.levels["GlobalBuffer"]["Inputs"].fills == 752_640
    outputs = found.levels["AccumulationBuffer"]["Outputs"]
    assert (outputs.tile_size, outputs.updates, outputs.fills) == (56, 112_896, 14_112)
    assert round(found.energy_pj / 1e6, 2) == 267.49


# Memory, tensor: words held, instances, reads, updates, fills per instance; pJ, pJ per word.
PUBLISHED = {
    ("Registers", "Weights"): (1, 1024, 12544, 0, 1792, 516.10, 0.00),
    ("AccumulationBuffer", "Outputs"): (56, 128, 23520, 25088, 1568, 523034.62, 0.08),
    ("WeightBuffer", "Weights"): (1024, 128, 14336, 0, 1024, 1280901.12, 0.65),
    ("InputBuffer", "Inputs"): (3584, 16, 401408, 0, 50176, 4707311.62, 0.65),
    ("GlobalBuffer", "Inputs"): (14336, 1, 200704, 0, 200704, 32689.66, 0.08),
    ("GlobalBuffer", "Outputs"): (14336, 1, 0, 200704, 200704, 32689.66, 0.08),
    ("DRAM", "Weights"): (4096, 1, 4096, 0, 0, 32768, 8.00),
    ("DRAM", "Inputs"): (200704, 1, 200704, 0, 0, 1605632, 8.00),
    ("DRAM", "Outputs"): (200704, 1, 0, 200704, 0, 1605632, 8.00),
}
PUBLISHED_MACS_PJ = 7206076.42


def published_mapping():
    problem = Problem({"P": 56, "Q": 56, "C": 64, "K": 64})
    loops = (
        ([], [("P", 7)]),
        ([("C", 4), ("K", 2)], [("C", 16), ("K", 4)]),
        ([], [("K", 2)]),
        ([("P", 2), ("Q", 4)], []),
        ([("P", 2), ("Q", 2), ("K", 4)], []),
        ([], [("P", 2), ("Q", 7)]),
    )
    machine = Architecture.preset("simba16")
    limits = {"read_bandwidth": None, "write_bandwidth": None}
    machine = replace(machine, levels=tuple(replace(x, **limits) for x in machine.levels))
    mapping = Mapping([(n, *two) for n, two in zip(machine.names, loops, strict=True)])
    return problem, machine, mapping


def test_published_mapping():
    """A fixed mapping with full statistics: every count is equal (docs/model/cosa.md section 9).

    Energies come from another table there; its energies per word times our words are theirs.
    """
    problem, machine, mapping = published_mapping()
    found = evaluate(problem, machine, mapping)
    assert (found.cycles, found.utilization, problem.macs) == (12544, 1, 12845056)
    rows = {(m, t): row for m, tensors in found.levels.items() for t, row in tensors.items()}
    assert rows.keys() == PUBLISHED.keys()
    for key, (*counts, energy, per_word) in PUBLISHED.items():
        row = rows[key]
        got = [row.tile_size, row.instances, row.reads, row.updates, row.fills]
        assert got == counts
        words = row.instances * (row.reads + row.updates + row.fills)
        assert round(energy / words, 2) == per_word
    total = PUBLISHED_MACS_PJ + sum(energy for *_, energy, _ in PUBLISHED.values())
    assert round(total / 1e6, 2) == 17.03
    assert round(total / problem.macs, 2) == 1.33


def test_published_multicast():
    problem, _, mapping = published_mapping()
    nest = Nest.of_batch(problem, Batch.of_mappings([mapping]))

    def sharing(tensor, parent):
        return nest.fanout[parent, 0] / distinct_children(nest, tensor, parent)[0]

    assert [sharing(tensor, 4) for tensor in range(3)] == [4, 4, 1]
    assert [sharing(tensor, 1) for tensor in (1, 2)] == [2, 4]
    additions = nest.compute_cycles * (nest.fanout[1] - distinct_children(nest, 2, 1))
    assert additions[0] == 75264
