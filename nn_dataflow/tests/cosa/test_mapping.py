# SPDX-License-Identifier: BSD-3-Clause
"""Mappings: values, files that read back, printed loop nests (docs/cosa.md section 4)."""

import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.cosa import Architecture, InputError, Mapping

from . import cases

LOOPS = [
    ("Buffer", [("K", 4), ("C", 2)], [("P", 7), ("Q", 1), ("K", 2), ("P", 2)]),
    ("DRAM", [], [("R", 3), ("K", 2)]),
]

TEXT = """\
mapping:
- {target: Buffer, type: spatial, factors: R=1 S=1 P=1 Q=1 C=2 K=4 N=1, permutation: KCRSPQN}
- {target: Buffer, type: temporal, factors: "P=7 K=2", permutation: PKRSQCN}
- {target: Buffer, type: temporal, factors: "P2", permutation: P}
- {target: DRAM, type: temporal, factors: "R=3,K=2"}
- {target: Buffer, type: residency, Inputs: 1}
- {target: Buffer, type: bypass, keep: [Inputs], bypass: [Weights, Outputs]}
"""


def test_values():
    mapping = Mapping(LOOPS)
    assert mapping.levels[0][2] == (("P", 7), ("K", 2), ("P", 2))
    assert mapping == Mapping(LOOPS, [(3, 3, 3), (2, 2, 2)]) == Mapping(LOOPS, keeps=[(), ()])
    assert hash(mapping) == hash(Mapping(LOOPS))
    assert mapping != Mapping(LOOPS, [(3, 3, 2), (2, 2, 2)])
    assert mapping != Mapping(LOOPS[::-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([("A", [("X", 2)], [])],), "A: unknown dimension 'X', must be one of R S P Q C K N"),
        (([("A", [("K", 0)], [])],), "A: the bound of K must be a positive integer, got 0"),
        (([("A", [("K", 1.5)], [])],), "A: the bound of K must be a positive integer, got 1.5"),
        (([("A", [])],), "levels must be .memory, spatial loops, temporal loops. each"),
        (([("A", [], []), ("A", [], [])],), "a memory is named twice in A, A"),
        ((LOOPS, [(3, 3, 3)]), "residency must be three counts for each of 2"),
        ((LOOPS, [(3, 3), (2, 2)]), "residency must be three counts for each of 2"),
        ((LOOPS, [(3, 4, 3), (2, 2, 2)]), "Buffer: residency of Inputs must be from 0 to 3, .* 4"),
        ((LOOPS, [(3, 3, 3), (2, 2, 1)]), "DRAM, the last memory, holds whole tensors"),
        ((LOOPS, None, [()]), "keeps must name tensors for each of 2 memories"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(InputError, match=message):
        Mapping(*arguments)


def test_file_that_is_read(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(TEXT)
    mapping = Mapping.from_yaml(path)
    assert mapping == Mapping(LOOPS, [(3, 1, 3), (2, 2, 2)])
    assert mapping.keeps == (("Inputs",), cases.TENSORS)


@given(st.integers(0, 2**32))
def test_files_read_back(tmp_path_factory, seed):
    rng = random.Random(seed)
    problem, machine = cases.random_problem(rng), cases.random_machine(rng)
    mapping = cases.random_mapping(rng, problem, machine, uneven=rng.random() < 0.5)
    path = tmp_path_factory.mktemp("mapping") / "mapping.yaml"
    mapping.to_yaml(path)
    assert Mapping.from_yaml(path) == mapping
    assert Mapping.from_yaml(path).keeps is None
    mapping.to_yaml(path, machine)
    assert Mapping.from_yaml(path) == mapping
    assert Mapping.from_yaml(path).keeps == tuple(level.keeps for level in machine.levels)


def test_file_for_the_evaluator(tmp_path):
    machine = Architecture.preset("simba16")
    item = cases.recorded("results_h")[0]
    mapping = cases.recorded_mapping(item["mapping"])
    mapping.to_yaml(tmp_path / "map.yaml", machine)
    rows = yaml.safe_load((tmp_path / "map.yaml").read_text())["mapping"]
    fans = ("AccumulationBuffer", "InputBuffer", "GlobalBuffer")
    assert [(row["target"], row["type"]) for row in rows] == [
        (name, kind)
        for name in machine.names
        for kind in (("spatial", "temporal") if name in fans else ("temporal",))
    ] + [(name, "bypass") for name in machine.names]
    assert rows[4] == {
        "target": "InputBuffer",
        "type": "spatial",
        "factors": "R=1 S=1 P=4 Q=2 C=1 K=1 N=1",
        "permutation": "RSPQCKN",
    }
    assert rows[-2]["keep"] == ["Inputs", "Outputs"]
    assert rows[-2]["bypass"] == ["Weights"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("P=7 K=2", "P=7 K=x", "yaml:3: factors: must be like R=1 S=1 P=7, got 'K=x'"),
        ("P=7 K=2", "P=0", "yaml:3: factors: must be like R=1 S=1 P=7, got 'P=0'"),
        ("P=7 K=2", "P=7 P=2", "yaml:3: factors: P is given twice"),
        ("PKRSQCN", "PKK", "yaml:3: permutation: must name dimensions of RSPQCKN once, got 'PKK'"),
        ("type: spatial", "type: space", "yaml:2: type: must be one of spatial, temporal, bypass"),
        ("Inputs: 1", "Inputs: 4", "yaml:6: Inputs: must be an integer from 0 to 3, got 4"),
        ("Inputs: 1", "Inputs: no", "yaml:6: Inputs: must be an integer from 0 to 3, got False"),
        ("DRAM, type: temp", "DRAM, typ: temp", "yaml:5: typ: unknown key, 'type' was meant"),
        ("{target: Buffer, type: by", "{target: A, type: by", "yaml:1: mapping: A has neither"),
        ("mapping:", "map:", "yaml:1: file: mapping is missing"),
        ("mapping:\n", "mapping:\n- 3\n", "yaml:1: mapping: must be a list of mappings"),
    ],
)
def test_bad_files(tmp_path, old, new, message):
    path = tmp_path / "mapping.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=message):
        Mapping.from_yaml(path)


def test_memory_bypassed_twice(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(TEXT + "- {target: Buffer, type: bypass}\n")
    with pytest.raises(InputError, match="yaml:8: target: Buffer is given twice"):
        Mapping.from_yaml(path)


def test_loop_nest():
    keeps = [("Inputs", "Outputs"), cases.TENSORS]
    assert str(Mapping(LOOPS, [(3, 2, 0), (2, 2, 2)], keeps)).splitlines() == [
        "DRAM (Weights, Inputs, Outputs):",
        "for K in 0..1",
        "for R in 0..2",
        "  Buffer (Inputs, Outputs):",
        "  for P in 0..1  # exchanges Inputs, Outputs",
        "  for K in 0..1  # exchanges Outputs",
        "  for P in 0..6  # exchanges Outputs",
        "  parallel for C in 0..1",
        "  parallel for K in 0..3",
    ]
