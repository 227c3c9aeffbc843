# SPDX-License-Identifier: BSD-3-Clause
"""What is written of a schedule: records, folders, tables (docs/cosa.md section 5)."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from nn_dataflow.cosa import Architecture, Mapping, Problem, evaluate, schedule
from nn_dataflow.cosa.output import keys, record, to_line, write_folder
from nn_dataflow.cosa.report import level_table, summary

from . import cases

CONV = Problem({"R": 3, "S": 3, "P": 8, "Q": 8, "C": 8, "K": 16}, (2, 1), (1, 3), "conv")
LOOPS = (
    ([], [("Q", 8)]),
    ([("C", 8)], []),
    ([], [("K", 2), ("R", 3)]),
    ([("P", 8)], []),
    ([("K", 2)], [("K", 4), ("S", 3)]),
    ([], []),
)


@pytest.fixture(scope="module")
def found():
    machine = Architecture.preset("simba16")
    result = schedule(CONV, machine, formulation="H")
    mapping = Mapping([(name, *two) for name, two in zip(machine.names, LOOPS, strict=True)])
    return replace(result, mapping=mapping, evaluation=evaluate(CONV, machine, mapping))


@pytest.fixture
def rejected(found):
    machine = found.architecture
    levels = [(name, [], []) for name in machine.names]
    levels[3] = ("InputBuffer", [], list(CONV.dims.items()))
    levels[4] = ("GlobalBuffer", [("K", 17)], [])
    mapping = Mapping(levels)
    return replace(found, mapping=mapping, evaluation=evaluate(CONV, machine, mapping))


def test_record(found):
    text = to_line(record(found))
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    values = json.loads(text, parse_constant=pytest.fail)
    assert values["problem"] == {
        "dims": CONV.dims,
        "stride": [2, 1],
        "dilation": [1, 3],
        "macs": CONV.macs,
    }
    assert (values["layer"], values["architecture"]) == ("conv", "simba16")
    assert values["objective"].keys() == {"total", "utilisation", "compute", "traffic"}
    assert (values["valid"], values["reason"]) == (True, None)
    assert values["cycles"] == found.evaluation.cycles
    assert values["energy_pj"] == found.evaluation.energy_pj
    rows = values["levels"]
    row = found.evaluation.levels["GlobalBuffer"]["Inputs"]
    assert rows["GlobalBuffer"]["Inputs"] == row._asdict()
    assert cases.recorded_mapping(values["mapping"]) == found.mapping
    assert values["residency"] is None


def test_record_of_uneven_mapping_and_of_no_bound(found):
    inside = [(len(t),) * 3 for _, _, t in found.mapping.levels]
    inside[4] = (2, 1, 0)
    mapping = Mapping(found.mapping.levels, inside)
    values = record(replace(found, mapping=mapping, best_bound=float("-inf"), objective=None))
    assert values["residency"][4] == [2, 1, 0]
    assert values["best_bound"] is None
    assert values["objective"] is None
    to_line(values)


def test_keys(found):
    machine, problem, spatial, temporal = keys(found)
    assert (machine, problem) == ("simba16", "3_3_8_8_8_16_1_2_1_1_3")
    factors, orders = temporal.split("+")
    assert factors.split("-") == [
        "1_1_1_8_1_1_1",
        "1_1_1_1_1_1_1",
        "3_1_1_1_1_2_1",
        "1_1_1_1_1_1_1",
        "1_3_1_1_1_4_1",
        "1_1_1_1_1_1_1",
    ]
    # K then R at memory 2: R at place 1, S 2, P 3, Q 4, C 5, K 0, N 6.
    assert orders.split("-")[2] == "1234506"
    assert orders.split("-")[4] == "2134506"
    assert orders.split("-")[0] == "0123456"
    assert spatial.startswith("1_1_1_1_1_1_1-1_1_1_1_8_1_1-")


def test_folder(found, tmp_path):
    folder = write_folder(found, tmp_path)
    assert folder.relative_to(tmp_path).parts == keys(found)
    assert sorted(path.name for path in folder.iterdir()) == [
        "map_16.map+stats.xml",
        "map_16.map.txt",
        "map_16.stats.txt",
        "map_16.yaml",
        "tc.dict.json",
    ]
    assert Mapping.from_yaml(folder / "map_16.yaml") == found.mapping
    assert (folder / "map_16.map.txt").read_text() == f"{found.mapping}\n"
    stats = (folder / "map_16.stats.txt").read_text()
    assert stats == f"{summary(found)}\n\n{level_table(found.evaluation)}\n"
    values = json.loads((folder / "tc.dict.json").read_text())
    evaluation = found.evaluation
    assert values == {
        "+".join(keys(found)): {
            "run_status": [1, -1, -1],
            "cycle_results": [-1] * 6,
            "utilized_capacity": [
                sum(row.tile_size for row in tensors.values())
                for tensors in evaluation.levels.values()
            ],
            "output_dir": str(folder),
            "pe_cycle": evaluation.compute_cycles,
            "pe_energy": evaluation.mac_energy_pj,
            "energy": evaluation.energy_pj / 1e6,
            "cycle": evaluation.cycles,
        }
    }
    top = ET.parse(folder / "map_16.map+stats.xml").getroot()
    assert top.get("valid") == "true"
    assert int(top.findtext("cycles")) == evaluation.cycles
    memory = top.findall("memory")[2]
    assert memory.get("name") == "WeightBuffer"
    assert [loop.attrib for loop in memory.findall("temporal")] == [
        {"dimension": "K", "bound": "2"},
        {"dimension": "R", "bound": "3"},
    ]
    assert memory.find("tensor").get("fills") == str(
        evaluation.levels["WeightBuffer"]["Weights"].fills
    )


def test_folder_of_a_rejected_mapping(rejected, tmp_path):
    folder = write_folder(rejected, tmp_path)
    ((_, values),) = json.loads((folder / "tc.dict.json").read_text()).items()
    assert values["run_status"] == [0, -1, -1]
    assert values["reason"] == rejected.evaluation.reason
    assert "cycle" not in values
    assert f"rejected: {values['reason']}" in (folder / "map_16.stats.txt").read_text()
    root = ET.parse(folder / "map_16.map+stats.xml").getroot()
    assert (root.get("valid"), root.findtext("reason")) == ("false", values["reason"])


def test_folders_of_many_memories_have_short_names(found, tmp_path):
    levels = [(f"M{number}", [], [("K", 2)]) for number in range(30)]
    machine = found.architecture
    names = tuple(replace(machine.levels[1], name=f"M{number}") for number in range(29))
    machine = replace(machine, levels=(*names, replace(machine.levels[-1], name="M29")))
    problem = Problem({"K": 2**30})
    mapping = Mapping(levels)
    evaluation = evaluate(problem, machine, mapping)
    long = replace(
        found, problem=problem, architecture=machine, mapping=mapping, evaluation=evaluation
    )
    other = replace(long, mapping=Mapping([*levels[:-1], ("M29", [], [("N", 2)])]))
    folders = [write_folder(result, tmp_path) for result in (long, other)]
    assert folders[0] != folders[1]
    assert all(len(part) <= 200 for folder in folders for part in folder.parts)


def test_table(found):
    lines = level_table(found.evaluation).splitlines()
    head = " ".join(lines[0].split())
    assert head == "memory tensor words instances reads updates fills energy/uJ share/%"
    assert len(lines) == 1 + 9 + 2
    row = found.evaluation.levels["GlobalBuffer"]["Outputs"]
    assert lines[5].split()[:7] == [
        "GlobalBuffer",
        "Outputs",
        *map(str, (row.tile_size, row.instances, row.reads, row.updates, row.fills)),
    ]
    assert lines[-1].split()[-1] == "100.0"
    shares = [float(line.split()[-1]) for line in lines[1:-1]]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_summary(found):
    text = summary(found)
    assert "conv: R=3 S=3 P=8 Q=8 C=8 K=16 N=1, stride 2x1, dilation 1x3" in text
    assert "formulation H: optimal after" in text
    assert "objective: total" in text
    exact = summary(replace(found, objective=None, formulation="exact", best_bound=1e6))
    assert "pJ x cycles; no mapping is below 1e+06 (gap" in exact
