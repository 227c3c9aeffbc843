# SPDX-License-Identifier: BSD-3-Clause
"""The command line of the layer scheduler (docs/cosa.md sections 5 and 6)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow.cosa import Architecture, Mapping, Problem
from nn_dataflow.cosa.bundled import ARCHITECTURE, MAPSPACE, PROBLEM
from nn_dataflow.cosa.errors import MissingExtraError
from nn_dataflow.tools import cosa_schedule
from nn_dataflow.tools.argument_checks import shown
from nn_dataflow.tools.cosa_arguments import parse_arguments

NETWORK = b"""
from nn_dataflow.core import FCLayer, InputLayer, Network
NN = Network("one")
NN.set_input_layer(InputLayer(8, 1))
NN.add("fc", FCLayer(8, 4))
"""
SCRIPT = Path(cosa_schedule.__file__)


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = cosa_schedule.main([word for text in words for word in text.split()])
        out, err = capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err

    return call


def test_no_arguments(run, tmp_path):
    status, (record,), err = run()
    assert (status, err) == (0, "")
    assert record["layer"] == "resnet50_input.2"
    assert record["problem"]["macs"] == 118013952
    assert (record["architecture"], record["formulation"], record["goal"]) == (
        "simba16",
        "exact",
        "ed",
    )
    assert record["valid"]
    assert record["gap"] < 1e-3
    folder = tmp_path / record["output_dir"]
    assert folder.is_relative_to(tmp_path / "output_dir" / "simba16")
    assert Mapping.from_yaml(folder / "map_16.yaml").levels


def test_files_of_the_original(run, tmp_path):
    paths = f"-ap {ARCHITECTURE} -mp {MAPSPACE} -pp {PROBLEM}"
    status, (record,), err = run(f"{paths} -o results --formulation H")
    assert (status, err) == (0, "")
    assert record["objective"]["total"] == pytest.approx(232.76854821637806, rel=1e-6)
    assert (tmp_path / record["output_dir"]).is_relative_to(tmp_path / "results" / "simba16")


def test_network(run):
    status, records, err = run("--net mlp_s --batch 4 --formulation P --arch simba64 -p 2")
    assert (status, err) == (0, "")
    assert [record["layer"] for record in records] == ["fc1", "fc2", "fc3"]
    assert {record["architecture"] for record in records} == {"simba64"}
    assert {record["problem"]["dims"]["N"] for record in records} == {4}


def test_one_layer_of_a_network(run):
    status, (record,), err = run("--net vgg_net --layer conv5 --formulation H --seed 3")
    assert (status, err) == (0, "")
    assert (record["layer"], record["problem"]["dims"]["N"]) == ("conv5", 1)


def test_goal(run, tmp_path):
    Problem({"K": 32, "C": 16}, name="fc").to_yaml(tmp_path / "fc.yaml")
    for goal in ("e", "D"):
        status, (record,), _ = run(f"-pp fc.yaml -g {goal} --time-limit 60")
        assert (status, record["goal"], record["layer"]) == (0, goal.lower(), "fc")
        value = record["energy_pj"] if goal == "e" else record["cycles"]
        assert record["best_bound"] <= record["value"] == value


def test_uneven(run):
    status, (record,), _ = run("--formulation H --uneven")
    assert status == 0
    assert record["objective"]["total"] <= 232.76854821637806 * (1 + 1e-6)


def test_rejected_mapping(run, tmp_path):
    # Formulation P knows no halo in the global buffer, and lets this one overflow.
    dims = {"R": 3, "S": 3, "P": 14, "Q": 14, "C": 256, "K": 256, "N": 16}
    Problem(dims).to_yaml(tmp_path / "conv.yaml")
    status, (record,), err = run("-pp conv.yaml --formulation P")
    assert status == 0
    assert not record["valid"]
    assert record["reason"].startswith("GlobalBuffer: tiles of ")
    assert err == f"cosa_schedule: conv: rejected: {record['reason']}\n"


def test_warning(run, tmp_path):
    text = MAPSPACE.read_text().replace(
        "keep: [Inputs], bypass: [Weights", "keep: [Inputs, Weights"
    )
    assert text != MAPSPACE.read_text()
    (tmp_path / "mapspace.yaml").write_text(
        text.replace("Weights, Outputs]}", "Weights], bypass: [Outputs]}")
    )
    status, (record,), err = run("-mp mapspace.yaml --formulation H")
    assert status == 0
    assert err.startswith("cosa_schedule: warning: simba16: memories keep other tensors than ")
    assert record["keeps"]["InputBuffer"] == ["Weights", "Inputs"]


def small_machine(path, entries):
    path.write_text(
        f"arch:\n  arithmetic: {{instances: 4}}\n  storage:\n"
        f"  - {{name: Buffer, entries: {entries}, instances: 4}}\n"
        f"  - {{name: DRAM, technology: DRAM}}\n"
    )


def test_machine_that_holds_no_mapping(run, tmp_path):
    small_machine(tmp_path / "machine.yaml", 2)
    status, (record,), err = run("-ap machine.yaml")
    assert status == 3
    reason = "no valid mapping: Buffer has 2 entries, fewer than one for each of"
    reason += " Weights, Inputs, Outputs"
    assert record == {"error": reason, "status": "infeasible", "best_bound": None}
    assert err == f"cosa_schedule: {reason}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-ap none.yaml", "none.yaml: cannot be read: No such file or directory"),
        ("-pp bad.yaml", "bad.yaml:2: is no YAML: expected ',' or '}', but got '<stream end>'"),
        ("--arch simba", "Architecture: no preset 'simba', must be one of simba16, simba64"),
        ("--arch simba16 -ap x", "--arch: must not be given with --arch_path"),
        ("--net vgg_net -pp x", "--net: must not be given with --prob_path"),
        ("--layer conv1", "--layer: needs --net"),
        ("--batch 3", "--batch: needs --net"),
        (
            "--net vgg_net --layer conv05",
            "--layer conv05: vgg_net has no layer of this name, the closest is conv5",
        ),
        (
            "--net mlp_s --layer x",
            "--layer x: mlp_s has no layer of this name, must be one of fc1, fc2, fc3",
        ),
        (
            "-mp dram.yaml",
            "dram.yaml: DRAM, the last memory, must keep every tensor, got Weights",
        ),
        ("--net vgg_net --batch 0", "--batch 0: must be a whole number of at least 1"),
        ("--formulation Q", "--formulation Q: must be one of exact, H, P"),
        ("--goal x", "--goal x: must be one of e, d, ed, E, D, ED"),
        ("--uneven", "--uneven: needs --formulation H or P"),
        ("--time-limit -1", "--time-limit -1: must be a positive number of seconds, at most 1e+09"),
        ("--time-limit x", "--time-limit x: must be a positive number of seconds, at most 1e+09"),
        ("--seed -1", "--seed -1: must be a whole number of at least 0"),
        ("--processes 0", "--processes 0: must be a whole number of at least 1"),
        ("--output_dir= ", "--output_dir '': must be the name of a folder"),
        ("--outptu x", "unrecognized arguments: --outptu x"),
    ],
)
def test_refused(run, tmp_path, words, message):
    (tmp_path / "bad.yaml").write_text("problem: {R: 3\n")
    constraint = "{target: DRAM, type: datatype, keep: [Weights], bypass: [Inputs, Outputs]}"
    (tmp_path / "dram.yaml").write_text(f"mapspace: {{constraints: [{constraint}]}}\n")
    status, records, err = run(words)
    assert (status, records) == (2, [])
    assert err == f"cosa_schedule: error: {message}\n"


def test_unknown_network(run):
    status, records, err = run("--net vgg")
    assert (status, records) == (2, [])
    assert err.startswith("cosa_schedule: error: ")
    assert err.count("\n") == 1


def test_missing_extra(run, monkeypatch):
    def missing(_):
        raise MissingExtraError("reading of files needs PyYAML: pip install it")

    monkeypatch.setattr(Architecture, "from_yaml", missing)
    status, _, err = run()
    assert (status, err) == (
        2,
        "cosa_schedule: error: reading of files needs PyYAML: pip install it\n",
    )


def test_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run("-o file --formulation H")
    assert (status, err) == (
        1,
        "cosa_schedule: error: --output_dir file: cannot be written: Not a directory\n",
    )


@pytest.mark.parametrize(
    ("option", "file"),
    [("-ap", ARCHITECTURE), ("-mp", MAPSPACE), ("-pp", PROBLEM), ("--net", None)],
)
def test_files_that_are_read_are_not_overwritten(run, tmp_path, option, file):
    """Be they where the folder is to be, or behind a name in it."""
    read = tmp_path / "read.py"
    read.write_bytes(NETWORK if file is None else file.read_bytes())
    before = read.read_bytes()
    long = {"-ap": "--arch_path", "-mp": "--mapspace_path", "-pp": "--prob_path"}.get(
        option, option
    )
    wrong = f"must be another file than {long} read.py, which it would overwrite\n"
    words = f"{option} read.py --formulation H"
    status, _, err = run(f"{words} -o ./read.py")
    assert (status, err) == (2, f"cosa_schedule: error: --output_dir ./read.py: {wrong}")
    _, (record,), _ = run(words)
    written = Path(record["output_dir"], "map_16.stats.txt")
    written.unlink()
    written.symlink_to(read)
    status, records, err = run(words)
    assert (status, records) == (2, [])
    assert err == f"cosa_schedule: error: --output_dir {shown(str(written))}: {wrong}"
    assert read.read_bytes() == before


@pytest.mark.parametrize("debug", ["", "--debug"])
def test_own_fault(run, monkeypatch, debug):
    def fail(_):
        raise ZeroDivisionError("of the program")

    monkeypatch.setattr(cosa_schedule, "describe_problems", fail)
    status, _, err = run(debug)
    assert status == 1
    assert err.endswith(
        "cosa_schedule: internal error: ZeroDivisionError: of the program (--debug shows where)\n"
    )
    assert ("Traceback" in err) == bool(debug)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_about(capsys, word):
    assert cosa_schedule.main([word]) == 0
    assert "cosa_schedule" in capsys.readouterr().out


def test_table_on_a_terminal(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert cosa_schedule.main(["--formulation", "H", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "resnet50_input.2: R=7 S=7 P=112 Q=112 C=3 K=64 N=1" in out
    assert "DRAM (Weights, Inputs, Outputs):\n" in out
    assert "share/%" in out
    assert cosa_schedule.main(["--formulation", "H", "-o", str(tmp_path), "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_defaults():
    arguments = parse_arguments([])
    assert arguments.output_dir == "output_dir"
    assert (arguments.arch_path, arguments.mapspace_path, arguments.prob_path) == (None,) * 3
    assert arguments.processes == os.cpu_count()


def test_runs_as_a_script(tmp_path):
    command = [sys.executable, str(SCRIPT), "--formulation", "H"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["valid"]
