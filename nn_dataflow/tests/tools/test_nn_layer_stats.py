# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the layer statistics tool (docs/model/search.md section 8)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow.tools import nn_layer_stats

ROOT = Path(nn_layer_stats.__file__).parents[2]
SCRIPT = Path(nn_layer_stats.__file__)

ALEX_NET_ROWS = {
    "conv2_a": "1441.50, 2916.00, 300.00, 1708.59, 391.52",
    "pool1_a": "4537.50, 1093.50, 0.00, 4.81, 74.25",
    "fc1": "288.00, 128.00, 73728.00, 576.00, 129.20",
    "MAX": "nan, 4537.50, 73728.00, 1708.59, nan",
    "SUM": "nan, 24429.25, 119052.06, 11070.39, nan",
}


def run(capsys, *argv):
    status = nn_layer_stats.main(argv)
    out, err = capsys.readouterr()
    return status, out, err


def test_alex_net_at_batch_16(capsys):
    status, out, err = run(capsys, "alex_net", "-b", "16")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].replace(" ", "") == "Layer,Ifmap/kB,Ofmap/kB,Weight/kB,MACs/M,MinOptBuf/kB"
    rows = {line.split(",")[0].strip(): line for line in lines[1:] if "," in line}
    for name, numbers in ALEX_NET_ROWS.items():
        assert rows[name] == ", ".join(
            [f"{name:<30}", *(number.rjust(12) for number in numbers.split(", "))]
        )
    assert len(lines) == 1 + 19 + 1 + 2 + 1 + 1
    assert lines[20] == lines[23] == "-" * 30
    assert lines[-1] == "# CONV layers = 10, # FC layers = 3"


def test_defaults_are_batch_1_and_16_bits(capsys):
    assert run(capsys, "mlp_s") == run(capsys, "mlp_s", "--batch", "1", "--word", "16")
    assert run(capsys, "mlp_s") == run(capsys, "mlp_s", "--word", "9")
    assert run(capsys, "mlp_s") != run(capsys, "mlp_s", "--word", "8")


def test_word_scales_sizes_only(capsys):
    def numbers(word):
        line = run(capsys, "zfnet", "-w", word)[1].splitlines()[1]
        return [float(number) for number in line.split(",")[1:]]

    wide, narrow = numbers("32"), numbers("8")
    assert wide == pytest.approx(
        [4 * narrow[0], 4 * narrow[1], 4 * narrow[2], narrow[3], 4 * narrow[4]], abs=0.05
    )


def test_network_from_a_file(capsys, tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(
        "from nn_dataflow.core.layer import FCLayer, InputLayer\n"
        "from nn_dataflow.core.network import Network\n"
        "NN = Network('tiny')\n"
        "NN.set_input_layer(InputLayer(1024, 1))\n"
        "NN.add('only', FCLayer(1024, 1024))\n"
    )
    status, out, _ = run(capsys, str(path), "-w", "8")
    assert status == 0
    assert [part.strip() for part in out.splitlines()[1].split(",")] == [
        "only", "1.00", "1.00", "1024.00", "1.00", "1.00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["alexnet"], ["'alexnet'", "'alex_net'"]),
        (["no/such/net.py"], ["no/such/net.py"]),
        (["alex_net", "-b", "0"], ["--batch 0: ", "at least 1"]),
        (["alex_net", "-b", "-4"], ["--batch -4: "]),
        (["alex_net", "-b", "-inf"], ["--batch -inf: "]),
        (["alex_net", "-b", "1.5"], ["--batch 1.5: "]),
        (["alex_net", "-b", "many"], ["--batch many: "]),
        (["alex_net", "-b", "9" * 400], ["--batch"]),
        (["alex_net", "-w", "0"], ["--word 0: "]),
        (["alex_net", "-w", "1000000"], ["--word 1000000: ", "1024 bits"]),
        (["alex_net", "--nodes", "4"], ["--nodes"]),
        ([], ["net"]),
    ],
)
def test_a_bad_argument_is_one_line_and_status_2(capsys, argv, named):
    status, out, err = run(capsys, *argv)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("nn_layer_stats: error: ")
    assert all(part in err for part in named)


def test_help_names_the_options(capsys):
    status, out, err = run(capsys, "--help")
    assert (status, err) == (0, "")
    assert "--batch" in out
    assert "--word" in out


@pytest.mark.parametrize(
    ("command", "cwd"),
    [([str(SCRIPT)], None), (["-m", "nn_dataflow.tools.nn_layer_stats"], ROOT)],
    ids=["script", "module"],
)
def test_runs_as_a_script_from_any_folder_and_as_a_module(tmp_path, command, cwd):
    def start(*argv):
        return subprocess.run(
            [sys.executable, *command, *argv],
            cwd=cwd or tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    ran = start("mlp_s")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("# CONV layers = 0, # FC layers = 3\n")
    failed = start("mlp_x")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr


def write_network(tmp_path, program):
    path = tmp_path / "mine.py"
    path.write_text(
        "from nn_dataflow.core import FCLayer, InputLayer, Network\n"
        "NN = Network('mine')\n"
        "NN.set_input_layer(InputLayer(4, 1))\n"
        f"NN.add('fc', FCLayer(4, 4))\n{program}\n"
    )
    return str(path)


def test_what_a_network_prints_is_no_part_of_the_report(capsys, tmp_path):
    status, out, err = run(capsys, write_network(tmp_path, "print('hello')"))
    assert (status, err) == (0, "hello\n")
    assert out.startswith("Layer ")


def test_interruption(capsys, tmp_path):
    path = write_network(tmp_path, "raise KeyboardInterrupt")
    assert run(capsys, path) == (130, "", "nn_layer_stats: interrupted\n")


def test_own_faults_are_one_line(capsys, monkeypatch):
    def report(*_):
        raise KeyError("boom")

    monkeypatch.setattr(nn_layer_stats, "report", report)
    assert run(capsys, "mlp_s") == (1, "", "nn_layer_stats: internal error: KeyError: 'boom'\n")


def start_into(stdout, *argv):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["mlp_s", "--help"])
def test_reader_that_stops_reading(word):
    read, write = os.pipe()
    os.close(read)
    done = start_into(write, word)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("word", ["mlp_s", "--help"])
def test_standard_output_that_is_full(word):
    with Path("/dev/full").open("w") as full:
        done = start_into(full, word)
    assert done.returncode == 1
    assert done.stderr == (
        "nn_layer_stats: error: standard output: cannot be written: No space left on device\n"
    )


def test_standard_output_that_is_closed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert nn_layer_stats.main(["mlp_s"]) == 2
    assert nn_layer_stats.main(["--help"]) == 1
    line = "nn_layer_stats: error: standard output is closed\n"
    assert capsys.readouterr().err == 2 * line
