# SPDX-License-Identifier: BSD-3-Clause
"""Tests of machines on the command line: ``--arch`` and ``nn_dataflow arch``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.machines.machine_file import PRESETS, load, values_of
from nn_dataflow.tests.tools.recorded_search import RecordedSearch
from nn_dataflow.tools import main, nn_dataflow_search
from nn_dataflow.tools.result_table import render
from nn_dataflow.tools.search_arguments import parse_arguments

MLP = "mlp_s --batch 16 --nodes 1 1 -g e"


@pytest.fixture
def machine_file(tmp_path):
    """A file that has the tangram machine with some other values of its resource."""

    def write(**resource):
        values = values_of(load("tangram"))
        values["name"] = "mine"
        values["resource"] |= resource
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(values))
        return str(path)

    return write


def searched(*words):
    """The machine that is searched."""
    arguments = parse_arguments(["mlp_s", *words])
    return nn_dataflow_search.describe(arguments).machine


def test_a_search_from_end_to_end(capsys, tmp_path):
    """The energy of operations is that of the machine."""
    path = tmp_path / "result.json"
    status = nn_dataflow_search.main(["mlp_s", "--arch", "eyeriss-chip", "-o", str(path)])
    assert (status, *capsys.readouterr()) == (0, "", "")
    result = json.loads(path.read_text())
    assert result["cost"]["mem_hier"] == [460, 15, 4, 1]
    assert result["total_op_cost"] == 2 * result["total_ops"]


def refused(capsys, *words):
    assert nn_dataflow_search.main(["mlp_s", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("nn_dataflow_search: error: ").rstrip("\n")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_searched(name):
    call = searched("--arch", name)
    machine = load(name).machine()
    assert (call.resource, call.cost) == (machine.resource, machine.cost)


def test_a_file_is_searched(machine_file):
    call = searched("--arch", machine_file(size_gbuf="1 MB"))
    assert call.resource == load("tangram").machine().resource._replace(size_gbuf=2**19)


def test_options_given_override_the_machine():
    """Also those that are given with their default, and in any order."""
    words = "--gbuf 131072 --arch tangram --nodes 2 4 --bus-width 0 --hier-cost 200 6 2 1"
    call = searched(*words.split(), "--hop-cost", "0")
    kept = load("tangram").machine()
    nodes = NodeRegion(PhyDim2(2, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    dist = PhyDim2(1, 3)
    memory = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), dist=dist, type=NodeRegion.DRAM)
    assert call.resource == kept.resource._replace(
        proc_region=nodes,
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        size_gbuf=65536,
        array_bus_width=float("inf"),
    )
    assert call.cost == Cost(0.9984, (200, 6, 2, 1), 0, 1272.9)


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("--array 4 4", {"dim_array": PhyDim2(4, 4)}),
        ("--regf 128", {"size_regf": 64}),
        ("--dram-bw 12.8", {"dram_bandwidth": 6.4}),
        (
            "--word 8",
            {"size_gbuf": 32768, "size_regf": 64, "array_bus_width": 16, "dram_bandwidth": 51.2},
        ),
    ],
)
def test_a_single_option_changes_what_it_says(words, change):
    """Sizes stay in bytes when the word is another."""
    call = searched("--arch", "tangram", *words.split())
    kept = load("tangram").machine()
    assert call.resource == kept.resource._replace(**change)
    assert call.cost == kept.cost


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("--op-cost 3", {"mac_op": 3}),
        ("--hop-cost 3", {"noc_hop": 3}),
        ("--unit-idle-cost 3", {"idl_unit": 3}),
    ],
)
def test_a_single_cost_changes_what_it_says(words, change):
    call = searched("--arch", "tangram", *words.split())
    kept = load("tangram").machine()
    assert call.resource == kept.resource
    assert call.cost == kept.cost._replace(**change)


def test_memory_type_overrides(machine_file):
    path = machine_file(dram_region={"dim": [1, 2]})
    call = searched("--arch", path, "--mem-type", "3D", "--nodes", "2", "3")
    assert call.resource.dram_region.dim == (2, 3)


def test_nodes_do_not_override_where_memory_is_at_coordinates(capsys, machine_file):
    path = machine_file(dram_region={"dim": [1, 2]})
    assert refused(capsys, "--arch", path, "--nodes", "2", "2") == (
        f"--nodes: {path} has its memory at coordinates: must be given with --mem-type, or not at "
        "all"
    )


def test_a_bus_narrower_than_an_overriding_word_is_refused(capsys):
    assert refused(capsys, "--arch", "tangram", "--word", "256").startswith(
        "bus_width_from_bits: a bus of 128 bits is narrower than a word of 256 bits"
    )


def test_refusals_say_that_it_is_the_machine(capsys, machine_file):
    assert refused(capsys, "--arch", "tangran").startswith(
        "--arch: 'tangran' is no preset and no file: tangram was meant?"
    )
    path = machine_file(size_gbuf="1 kg")
    assert refused(capsys, "--arch", path).startswith(
        f"--arch: {path}:1: size_gbuf: must be a size such as"
    )


def test_no_dataflow_tells_of_the_machine(capsys, monkeypatch, machine_file):
    failing = RecordedSearch(MLP, failure="layer fc1: needs more").install(monkeypatch)
    path = machine_file(size_gbuf="13 bit")
    assert nn_dataflow_search.main(["mlp_s", "--arch", path]) == 3
    assert capsys.readouterr().err == (
        f"nn_dataflow_search: no valid dataflow for mlp_s: {failing.failure} (--arch {path}, "
        "--regf 64 bytes, --gbuf 13 bits, 16-bit words)\n"
    )


def test_the_table_names_the_machine_and_its_unit(monkeypatch, machine_file):
    RecordedSearch(MLP).install(monkeypatch)
    path = machine_file(proc_region="1x4", dram_region={"dim": [1, 2], "dist": [1, 3]})
    costs = "--op-cost 1 --hier-cost 200 6 2 1 --hop-cost 10 --unit-idle-cost 0"
    arguments = parse_arguments(["mlp_s", "--arch", path, *costs.split()])
    result = nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))
    text = " ".join(render(result, 120).split())
    assert "machine mine; 1x4 nodes of 8x8 PEs;" in text
    assert "memory (DRAM) at (0,0), (0,3);" in text
    assert "one unit is 1 pJ" in text


def run(capsys, *words):
    status = main.main(words)
    return (status, *capsys.readouterr())


def test_list(capsys):
    status, out, err = run(capsys, "arch", "list")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[::2]] == list(PRESETS)
    assert "tangram         TANGRAM-style chip: 16x16 nodes of 8x8 PEs" in out
    assert "16x16 nodes of 8x8 PEs, 16-bit words, 32 kB per node, 64 B per PE\n" in out


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(("ending", "words"), [("yaml", ()), ("json", ("--json",))])
def test_what_is_shown_is_a_file_of_the_same_machine(capsys, tmp_path, name, ending, words):
    status, out, err = run(capsys, "arch", "show", name, *words)
    assert (status, err) == (0, "")
    path = tmp_path / f"other.{ending}"
    path.write_text(out)
    assert load(str(path)) == load(name)


def test_show_refuses(capsys):
    status, out, err = run(capsys, "arch", "show", "none.yaml")
    assert (status, out) == (2, "")
    assert err == (
        "nn_dataflow arch: error: none.yaml: cannot be read: No such file or directory\n"
    )


def test_check_tells_of_every_file(capsys, machine_file):
    path = machine_file(size_gbuf="1 kg")
    status, out, err = run(capsys, "arch", "check", path, "tangram", "none.json")
    assert status == 2
    assert out == ("tangram: 16x16 nodes of 8x8 PEs, 16-bit words, 32 kB per node, 64 B per PE\n")
    first, second = err.splitlines()
    assert first.startswith(f"nn_dataflow arch: error: {path}:1: size_gbuf: must be a size")
    assert second.startswith("nn_dataflow arch: error: none.json: cannot be read")


def test_check_of_good_files(capsys, machine_file):
    status, out, err = run(capsys, "arch", "check", machine_file(size_gbuf="1 MB"))
    assert (status, err) == (0, "")
    assert out.endswith(
        "mine.json: 16x16 nodes of 8x8 PEs, 16-bit words, 1 MB per node, 64 B per PE\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nn_dataflow: error: a command is missing: must be one of arch, compare, evaluate"),
        (("serach",), "nn_dataflow: error: serach: must be one of arch, compare, evaluate"),
        (("arch",), "nn_dataflow arch: error: the following arguments are required: "),
        (("arch", "lisst"), "nn_dataflow arch: error: list|show|check: invalid choice: 'lisst'"),
    ],
)
def test_commands_refused(capsys, words, message):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [("--help",), ("arch", "--help"), ("--version",)])
def test_help_and_version(capsys, words):
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    assert "nn_dataflow" in out


def test_as_a_module():
    root = Path(nn_dataflow_search.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "nn_dataflow", "arch", "list"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert done.stdout.startswith("eyeriss-chip ")
