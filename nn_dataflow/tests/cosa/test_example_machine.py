# SPDX-License-Identifier: BSD-3-Clause
"""The machine of docs/cosa.md: five memories and a storage table of its own."""

import json
from pathlib import Path

import pytest

from nn_dataflow.cosa import Architecture, Mapping, Mapspace, Problem, evaluate
from nn_dataflow.cosa.bundled import EXAMPLES
from nn_dataflow.tools import cosa_schedule


def test_machine():
    machine = Architecture.from_yaml(EXAMPLES / "machine.yaml")
    assert machine.fanouts == (1, 1, 1, 168, 1)
    assert machine.stores.astype(int).tolist() == [
        [0, 1, 0, 0, 1],
        [0, 0, 1, 1, 1],
        [1, 0, 0, 1, 1],
    ]
    wider = Mapspace.from_yaml(EXAMPLES / "mapspace.yaml").apply(machine)
    assert wider.stores[:, 3].all()


@pytest.mark.parametrize("formulation", ["exact", "H", "P"])
@pytest.mark.parametrize("mapspace", [False, True])
def test_command_line(capsys, tmp_path, formulation, mapspace):
    paths = ["-ap", "machine.yaml", "-pp", "layer.yaml", *["-mp", "mapspace.yaml"] * mapspace]
    words = [word if word.startswith("-") else str(EXAMPLES / word) for word in paths]
    options = ["--formulation", formulation, "-o", str(tmp_path), "--goal", "d"]
    assert cosa_schedule.main([*words, *options]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    record = json.loads(out)
    assert record["valid"]
    assert record["architecture"] == "machine"
    assert ("Weights" in record["levels"]["GlobalBuffer"]) == mapspace
    if formulation == "exact":
        assert record["cycles"] == 3 * 3 * 14 * 14 * 256 * 384 // 168
    mapping = Mapping.from_yaml(Path(record["output_dir"]) / "map_16.yaml")
    machine = Architecture.from_yaml(EXAMPLES / "machine.yaml")
    found = evaluate(Problem.from_yaml(EXAMPLES / "layer.yaml"), machine, mapping)
    assert (found.cycles, found.energy_pj) == (record["cycles"], record["energy_pj"])
