# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the Python interface (docs/python.md)."""

import inspect
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

import nn_dataflow
from nn_dataflow.core import Cost, InputLayer, Network
from nn_dataflow.core.layer import FCLayer
from nn_dataflow.machines.machine_file import load as load_machine
from nn_dataflow.nns import import_network
from nn_dataflow.tools import nn_dataflow_search
from nn_dataflow.tools.search_options import OPTIONS

ROOT = Path(nn_dataflow.__file__).parents[1]
PIPELINED = {
    "batch": 4,
    "nodes": (2, 2),
    "hybrid_partition": True,
    "interlayer_partition": True,
    "dram_bw": 16,
    "unit_idle_cost": 2.5,
    "processes": 1,
}
TIMES = ("elapsed", "stage_seconds")


@pytest.fixture(scope="module")
def pipelined():
    return nn_dataflow.search("alex_net", **PIPELINED)


def timeless(values):
    return {key: value for key, value in values.items() if key not in TIMES}


def test_importing_the_package_loads_nothing_else():
    code = (
        "import sys; import nn_dataflow; print('numpy' in sys.modules, *sorted(\n"
        "m for m in sys.modules if m.startswith('nn_dataflow')), nn_dataflow.__all__ == "
        "[n for n in dir(nn_dataflow) if n in nn_dataflow.__all__])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "nn_dataflow", "nn_dataflow.lazy", "True"]


def test_names_of_the_package():
    for name in nn_dataflow.__all__:
        assert getattr(nn_dataflow, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'serach'"):
        _ = nn_dataflow.serach


def test_options_are_those_of_the_command_line():
    names = [spec.names.split()[-1] for specs in OPTIONS.values() for spec in specs]
    output = {"--json", "--output", "--explain", "--plot", "--report", "--debug"}
    wanted = {name[2:].replace("-", "_") for name in names if name not in output}
    given = [*inspect.signature(nn_dataflow.search).parameters.values()]
    assert {one.name for one in given[1:]} == wanted
    assert all(one.kind == one.KEYWORD_ONLY for one in given[1:])


def test_the_command_line_finds_the_same(pipelined, capsys):
    words = "--batch 4 --nodes 2 2 --hybrid-partition --interlayer-partition --dram-bw 16"
    argv = ["alex_net", *words.split(), "--unit-idle-cost", "2.5", "-p", "1"]
    assert nn_dataflow_search.main(argv) == 0
    values = json.loads(capsys.readouterr().out)
    assert timeless(values) == timeless(pipelined.to_dict())


def test_attributes(pipelined):
    values = pipelined.to_dict()
    assert (pipelined.net, pipelined.batch) == ("alex_net", 4)
    assert (pipelined.energy, pipelined.time) == (values["total_cost"], values["total_time"])
    assert pipelined.energy_unit == "units"
    assert sum(pipelined.components.values()) == pytest.approx(pipelined.energy)
    assert [*pipelined.accesses.values()] == values["total_accesses"]
    assert pipelined.certificate.is_optimal == values["certificate"]["optimal"]
    assert [*pipelined.layers] == list(values["schedules"])
    for name, layer in pipelined.layers.items():
        scheme, _, place = values["schedules"][name]
        assert (layer.energy, layer.time, layer.segment) == (
            scheme["cost"],
            scheme["time"],
            place[0],
        )
        assert layer.limit == values["limits"][name]
        assert sum(layer.components.values()) == pytest.approx(layer.energy)
        assert layer.components["static"] == scheme["cost_static"]
        busy = scheme["ops"] / (scheme["time"] * scheme["num_nodes"] * 256)
        assert layer.pe_utilization == pytest.approx(busy)
        assert layer.schedule == scheme
    assert [segment.time for segment in pipelined.segments] == values["segment_time"]
    assert any(len(group) for segment in pipelined.segments for group in segment.groups[1:])
    assert pipelined.schedules[0].total_cost == pipelined.energy
    assert pipelined.options["partition_interlayer"] is True
    assert pipelined.resource["size_gbuf"] == 65536


def test_a_record_may_be_changed(pipelined):
    pipelined.to_dict()["schedules"].clear()
    pipelined.layers["conv1_a"].schedule["time"] = 0
    assert pipelined.to_dict()["schedules"]["conv1_a"][0]["time"] > 0


def test_stored_and_read(pipelined, tmp_path):
    path = tmp_path / "result.json"
    pipelined.save(path)
    assert path.read_text() == pipelined.to_json()
    again = nn_dataflow.load(path)
    assert again.to_dict() == pipelined.to_dict()
    assert repr(again) == repr(pipelined)
    assert again._repr_html_() == pipelined._repr_html_()
    assert again.certificate == pipelined.certificate
    assert [*again.layers.values()][1:] == [*pipelined.layers.values()][1:]
    assert again.segments == pipelined.segments
    assert again.schedules == []


def test_several_schedules():
    result = nn_dataflow.search("mlp_s", top=3)
    assert len(result.schedules) == 3
    assert result.schedules[0].total_cost == result.energy


def test_network_and_machine_as_objects(tmp_path):
    machine = load_machine("eyeriss-chip").machine()
    by_name = nn_dataflow.search("mlp_s", arch="eyeriss-chip", goal="ed")
    network = import_network("mlp_s")
    for arch in (machine, (machine.resource, machine.cost)):
        result = nn_dataflow.search(network, arch=arch, goal="ED")
        assert (result.energy, result.time) == (by_name.energy, by_name.time)
        assert result.net == "MLP-S"
    assert result.energy_unit == "units"
    assert nn_dataflow.search(network, arch=machine).energy_unit == "pJ"
    eight = nn_dataflow.search(network, arch=(machine.resource, machine.cost), word=8)
    assert eight.machine["word"] == 8
    file = tmp_path / "tiny.py"
    file.write_text(
        "from nn_dataflow.core import FCLayer, InputLayer, Network\n"
        "NN = Network('tiny')\nNN.set_input_layer(InputLayer(8, 1))\nNN.add('fc', FCLayer(8, 8))\n"
    )
    assert [*nn_dataflow.search(file).layers] == ["fc"]
    assert list(nn_dataflow.search(str(file)).layers) == ["fc"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, ["--batch", "0"]),
        ({"batch": 1.5}, ["--batch", "1.5"]),
        ({"batch": "--json"}, ["--batch=--json"]),
        ({"nodes": (0, 4)}, ["--nodes", "0", "4"]),
        ({"nodes": (4,)}, ["--nodes", "4"]),
        ({"goal": "x"}, ["--goal", "x"]),
        ({"word": 0}, ["--word", "0"]),
        ({"hier_cost": (1, 2, -3, 4)}, ["--hier-cost", "1", "2", "-3", "4"]),
        ({"dram_bw": 0}, ["--dram-bw", "0"]),
        ({"disable_bypass": "x"}, ["--disable-bypass=x"]),
        ({"ifmaps_partition": True}, ["--ifmaps-partition"]),
        (
            {"solve_loopblocking": True, "enable_gbuf_sharing": True},
            ["--solve-loopblocking", "--enable-gbuf-sharing"],
        ),
        ({"arch": "eyeris"}, ["--arch", "eyeris"]),
        ({"layer_pipeline_max_degree": 0.5}, ["--layer-pipeline-max-degree", "0.5"]),
        ({"regf": 2}, ["--regf", "2"]),
    ],
)
def test_refusals_are_those_of_the_command_line(capsys, options, words):
    status = nn_dataflow_search.main(["mlp_s", *words])
    told = capsys.readouterr().err
    wanted = {2: nn_dataflow.InputError, 3: nn_dataflow.NoDataflowError}[status]
    with pytest.raises(wanted) as caught:
        nn_dataflow.search("mlp_s", **options)
    prefix = "nn_dataflow_search: " + ("error: " if status == 2 else "")
    assert told == f"{prefix}{caught.value}\n"


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        ("alexnet", {}, "unknown network 'alexnet', the closest known name is 'alex_net'"),
        (3, {}, "3: must be a name or a path"),
        (b"mlp_s", {}, "b'mlp_s': must be a name or a path"),
        ("mlp_s", {"verbose": 1}, "--verbose: must be True or False, got 1"),
        ("mlp_s", {"nodes": "44"}, "--nodes: must be 2 numbers, got '44'"),
        ("mlp_s", {"hier_cost": 4}, "--hier-cost: must be 4 numbers, got 4"),
        ("mlp_s", {"disable_bypass": 3}, "--disable-bypass: must be letters of i, o, f, got 3"),
        ("mlp_s", {"arch": 3}, "--arch: must be a name, a file or (Resource, Cost), got 3"),
    ],
)
def test_refusals_of_their_own(net, options, message):
    with pytest.raises(nn_dataflow.InputError) as caught:
        nn_dataflow.search(net, **options)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_machine_options_with_a_machine():
    machine = load_machine("eyeriss-chip").machine()
    for option, value in {"nodes": (2, 2), "gbuf": 9, "hop_cost": 1, "mem_type": "3D"}.items():
        with pytest.raises(nn_dataflow.InputError) as caught:
            nn_dataflow.search("mlp_s", arch=machine, **{option: value})
        assert str(caught.value) == (
            f"--{option.replace('_', '-')}: must not be given with a Resource and a Cost"
        )
    with pytest.raises(nn_dataflow.InputError, match=r"^--word 0: must be a whole number of bits"):
        nn_dataflow.search("mlp_s", arch=machine, word=0)


def test_no_valid_dataflow_on_a_machine_of_the_model():
    machine = load_machine("eyeriss-chip").machine()
    small = machine._replace(resource=machine.resource._replace(size_regf=2))
    with pytest.raises(nn_dataflow.NoDataflowError) as caught:
        nn_dataflow.search("mlp_s", arch=small)
    assert str(caught.value) == (
        "no valid dataflow for mlp_s: layer fc1: needs at least 3 words of register file per PE, "
        "size_regf is 2"
    )


def test_network_that_is_too_large():
    network = Network("big")
    network.set_input_layer(InputLayer(2**40, 1))
    network.add("huge", FCLayer(2**40, 2**40))
    with pytest.raises(nn_dataflow.InputError, match=r"^big: layer huge: "):
        nn_dataflow.search(network)


def test_files_that_are_no_results(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(nn_dataflow.InputError, match=": cannot be read: No such file"):
        nn_dataflow.load(path)
    path.write_text("{}")
    with pytest.raises(nn_dataflow.InputError, match=r": is no result of nn_dataflow_search; must"):
        nn_dataflow.load(str(path))


def test_places_where_nothing_can_be_stored(pipelined, tmp_path, monkeypatch):
    with pytest.raises(nn_dataflow.InputError, match=r"must be a file in an existing folder$"):
        pipelined.save(tmp_path / "no" / "x")

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match=r"cannot be written: No space left on device$"):
        pipelined.save(tmp_path / "x")


def test_data_frames(pipelined, monkeypatch):
    """Without pandas there is one line; with it, it gets a row for each layer."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(nn_dataflow.MissingExtraError) as caught:
        pipelined.to_dataframe()
    assert str(caught.value) == 'to_dataframe needs pandas: pip install "nn_dataflow[pandas]"'
    pandas = types.ModuleType("pandas")
    pandas.DataFrame = types.SimpleNamespace(from_dict=lambda rows, orient: (rows, orient))
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    rows, orient = pipelined.to_dataframe()
    assert orient == "index"
    assert list(rows) == list(pipelined.layers)
    row, layer = rows["fc1"], pipelined.layers["fc1"]
    assert (row["energy"], row["limit"]) == (layer.energy, layer.limit)
    assert row["energy of DRAM"] == layer.components["DRAM"]
    assert row["GBUF words"] == layer.accesses["GBUF"]


REPR = """\
Result(mlp_s, batch 16: energy 175861.8 k units, time 18272 cycles, least energy)
layer  seg.    energy    energy    time  limit   PEs busy
              k units  % of all  cycles         % of time
fc1       1  124542.6      70.8    6272  PEs         97.7
fc2       2   47018.5      26.7    8000  PEs         24.4
fc3       3    4300.8       2.4    4000  PEs          1.0
total        175861.8     100.0   18272              44.4"""


def test_how_it_is_shown(pipelined):
    assert repr(nn_dataflow.search("mlp_s", nodes=(2, 2), hybrid_partition=True)) == REPR
    text = pipelined._repr_html_()
    assert text.count("<tr>") == 2 + len(pipelined.layers)
    assert "<th>energy (M units)</th>" in text
    assert max(map(len, repr(pipelined).splitlines()[1:])) <= 80


def test_names_are_escaped_in_notebooks():
    network = Network("a<b")
    network.set_input_layer(InputLayer(8, 1))
    network.add("<fc>", FCLayer(8, 8))
    result = nn_dataflow.search(network, arch=(load_machine("eyeriss-chip").machine()))
    text = result._repr_html_()
    assert "<td>&lt;fc&gt;</td>" in text
    assert "a&lt;b, batch 16" in text


def test_many_layers_are_cut():
    result = nn_dataflow.search(
        "resnet50", nodes=(2, 2), solve_loopblocking=True, hybrid_partition=True
    )
    lines = repr(result).splitlines()
    assert len(lines) == 1 + 2 + 40 + 1
    assert lines[23].split() == ["...", "33", "more"]
    assert lines[-1].startswith("total ")


def test_costs_are_of_the_machine():
    machine = load_machine("eyeriss-chip").machine()
    free = Cost(mac_op=0, mem_hier=(0, 0, 0, 0), noc_hop=0, idl_unit=0)
    result = nn_dataflow.search("mlp_s", arch=(machine.resource, free))
    assert result.energy == 0
    assert "0.0" in repr(result)


def test_an_interrupted_search_is_not_lost(monkeypatch):
    whole = nn_dataflow_search.search
    monkeypatch.setattr(
        nn_dataflow_search, "search", lambda *given: whole(*given)._replace(interrupted=True)
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        nn_dataflow.search("mlp_s", processes=1)
    assert isinstance(caught.value, nn_dataflow.SearchInterrupted)
    monkeypatch.undo()
    found = caught.value.result
    assert found.energy == nn_dataflow.search("mlp_s", processes=1).energy
    assert found.to_dict()["interrupted"] is True
