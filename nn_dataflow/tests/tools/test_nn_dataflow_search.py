# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the command line of the network search (docs/model/search.md section 7)."""

import contextlib
import json
import math
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests.tools.recorded_search import RecordedSearch
from nn_dataflow.tools import nn_dataflow_search
from nn_dataflow.tools.search_arguments import parse_arguments
from nn_dataflow.version import get_version

SCRIPT = Path(nn_dataflow_search.__file__)
ROOT = SCRIPT.parents[2]

MLP = "mlp_s --batch 16 --nodes 1 1 -g e"
FAILURE = "layer fc1: needs 1210 words of register file per PE, 4 available"


@pytest.fixture
def search(monkeypatch):
    return RecordedSearch(MLP).install(monkeypatch)


def run(capsys, *argv):
    status = nn_dataflow_search.main([word for text in argv for word in text.split(" ")])
    out, err = capsys.readouterr()
    return status, out, err


def refusal(capsys, *argv):
    """The message of a refusal, after checking its form."""
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert err.startswith("nn_dataflow_search: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removeprefix("nn_dataflow_search: error: ").rstrip("\n")


def test_defaults_make_a_network_a_whole_command(search, capsys, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    status, _, err = run(capsys, "mlp_s")
    assert (status, err) == (0, "")
    (call,) = search.calls
    assert call.network.net_name == "MLP-S"
    assert call.batch == 16
    assert call.map_strategy is MapStrategyEyeriss
    assert call.resource.proc_region == NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=0)
    assert call.resource.dim_array == (16, 16)
    assert (call.resource.size_gbuf, call.resource.size_regf) == (65536, 256)
    assert (call.resource.array_bus_width, call.resource.dram_bandwidth) == (math.inf, math.inf)
    assert call.resource.no_time_mux is False
    assert call.cost == (1, (200, 6, 2, 1), 10, 0)
    assert call.options.sw_gbuf_bypass == (True, True, True)
    assert (call.options.opt_goal, call.options.ntops) == ("e", 1)
    assert not any(call.options[1:9])
    assert call.options.verbose is False


def test_quantities_become_words_and_cycles(search, capsys):
    machine = "--nodes 16 8 --array 12 14 --word 16 --gbuf 131072 --regf 512 --bus-width 64"
    run(capsys, "mlp_s", machine, "--dram-bw 128 --mem-type 2D")
    (call,) = search.calls
    resource = call.resource
    assert resource.proc_region.dim == (16, 8)
    assert resource.dim_array == (12, 14)
    assert (resource.size_gbuf, resource.size_regf) == (65536, 256)
    assert (resource.array_bus_width, resource.dram_bandwidth) == (4, 64)
    assert set(resource.dram_region.iter_node()) == {(0, 0), (0, 7), (15, 0), (15, 7)}
    assert resource.dram_region == resource.src_data_region == resource.dst_data_region


def test_memory_on_every_node(search, capsys):
    run(capsys, "mlp_s", "--nodes 2 3 --mem-type 3D")
    region = search.calls[0].resource.dram_region
    assert (region.dim, region.type) == ((2, 3), NodeRegion.DRAM)
    assert sorted(region.iter_node()) == sorted(search.calls[0].resource.proc_region.iter_node())


def test_words_of_no_whole_bytes_are_rounded_alike_in_capacity_and_bus(search, capsys):
    """The original counts a 12-bit word as 2 bytes in buffers (docs/differences.md M8)."""
    run(capsys, "mlp_s", "--word 12 --gbuf 100 --regf 7 --bus-width 100 --dram-bw 3")
    resource = search.calls[0].resource
    assert (resource.size_gbuf, resource.size_regf) == (800 // 12, 56 // 12)
    assert (resource.array_bus_width, resource.dram_bandwidth) == (8, 2)


def test_costs_and_options_reach_the_search(search, capsys):
    costs = "--op-cost 2 --hier-cost 100 5.5 0 1e-3 --hop-cost 0 --unit-idle-cost 7"
    options = "--solve-loopblocking --hybrid-partition --batch-partition --ifmaps-partition"
    status, _, err = run(capsys, "mlp_s", options, "-t 3 -p 2 -v --goal ED --batch 4")
    assert (status, err) == (0, "")
    option = search.calls[0].options
    assert option.sw_solve_loopblocking
    assert option.partition_hybrid
    assert option.partition_batch
    assert option.partition_ifmaps
    assert (option.opt_goal, option.ntops, option.nprocesses) == ("ed", 3, 2)
    assert option.verbose
    assert search.calls[0].batch == 4
    run(capsys, "mlp_s", costs)
    assert search.calls[1].cost == (2, (100, 5.5, 0, 0.001), 0, 7)


def test_partial_blocks_reach_the_search(search, capsys):
    for words, partial in (("mlp_s", False), ("mlp_s --imperfect", True)):
        assert run(capsys, words)[0] == 0
        assert search.calls[-1].options.sw_imperfect is partial


def test_forwarding_and_sharing_reach_the_search(search, capsys):
    """Each by itself; sharing implies forwarding in the model."""
    for words, fields in (
        ("", (False, False)),
        ("--enable-access-forwarding", (True, False)),
        ("--enable-access-forwarding --solve-loopblocking", (True, False)),
        ("--enable-gbuf-sharing", (False, True)),
    ):
        assert run(capsys, f"mlp_s {words}".rstrip())[0] == 0
        option = search.calls[-1].options
        assert (option.hw_access_forwarding, option.hw_gbuf_sharing) == fields


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("", {}),
        ("--interlayer-partition", {"partition_interlayer": True}),
        ("--enable-save-writeback", {"hw_gbuf_save_writeback": True}),
        ("--interl --enable-s", {"partition_interlayer": True, "hw_gbuf_save_writeback": True}),
        ("--interl --solve", {"partition_interlayer": True, "sw_solve_loopblocking": True}),
        ("--disable-interlayer-opt", {"layer_pipeline_opt": False}),
        ("--layer-pipeline-time-overhead 0", {"layer_pipeline_time_ovhd": 0}),
        ("--layer-pipeline-time-overhead=0.1", {"layer_pipeline_time_ovhd": 0.1}),
        ("--layer-pipeline-time-overhead INF", {"layer_pipeline_time_ovhd": math.inf}),
        ("--layer-pipeline-max-degree 1", {"layer_pipeline_max_degree": 1}),
        ("--layer-pipeline-max-degree 2.5", {"layer_pipeline_max_degree": 2.5}),
        ("--layer-pipeline-m inf", {"layer_pipeline_max_degree": math.inf}),
    ],
)
def test_pipelines_reach_the_search(search, capsys, words, fields):
    assert run(capsys, f"mlp_s -p 1 {words}".rstrip())[0] == 0
    plain = Option(sw_gbuf_bypass=(True, True, True))
    assert search.calls[0].options == plain._replace(**fields)


@pytest.mark.parametrize(("cpus", "processes"), [(1, 1), (3, 1), (8, 4), (None, 1)])
def test_half_of_the_cpus_work_by_default(cpus, processes):
    code = (
        f"import os; os.cpu_count = lambda: {cpus}\n"
        "from nn_dataflow.tools.search_arguments import parse_arguments\n"
        "print(parse_arguments(['mlp_s']).processes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert int(done.stdout) == processes


@pytest.mark.parametrize("text", ["e", "d", "ed", "E", "D", "ED"])
def test_goals_in_both_cases(text):
    assert parse_arguments(["mlp_s", "-g", text]).goal == text.lower()


@pytest.mark.parametrize(
    ("words", "bypass"),
    [
        ("mlp_s --disable-bypass i o f", (False, False, False)),
        ("--disable-bypass i o f mlp_s", (False, False, False)),
        ("--disable-bypass iof mlp_s", (False, False, False)),
        ("--disable-bypass=iof mlp_s", (False, False, False)),
        ("--disable-bypass i mlp_s --batch 2", (True, False, True)),
        ("--batch 2 --disable-bypass f o mlp_s", (False, True, False)),
        ("--disable-bypass=f mlp_s --disable-bypass i", (False, False, True)),
        ("--disable-b o mlp_s", (True, True, False)),
        ("--disable-bypass i -- mlp_s", (True, False, True)),
    ],
)
def test_disabled_bypass_leaves_the_network_alone(search, capsys, words, bypass):
    """The original takes the network for a category (docs/differences.md E13)."""
    assert run(capsys, words)[0] == 0
    (call,) = search.calls
    assert call.network.net_name == "MLP-S"
    assert call.options.sw_gbuf_bypass == bypass


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("--hybrid-partition2d", "hybrid_partition"),
        ("--hybrid-partitioning", "hybrid_partition"),
        ("--hybrid", "hybrid_partition"),
        ("--hybrid-partitio", "hybrid_partition"),
        ("--batch-partitioning", "batch_partition"),
        ("--batch-p", "batch_partition"),
        ("--hybrid-partition --ifmap-partition", "ifmaps_partition"),
        ("--hybrid-partition --ifmap-partitioning", "ifmaps_partition"),
        ("--hybrid-partition --ifmaps-partitioning", "ifmaps_partition"),
        ("--hybrid-partition --ifmap", "ifmaps_partition"),
        ("--solve", "solve_loopblocking"),
        ("--imp", "imperfect"),
        ("--enable-a", "enable_access_forwarding"),
        ("--enable-g", "enable_gbuf_sharing"),
        ("--inter-layer-partition", "interlayer_partition"),
        ("--inter-", "interlayer_partition"),
        ("--inter", "interlayer_partition"),
        ("--interl", "interlayer_partition"),
        ("--enable-s", "enable_save_writeback"),
        ("--basic-interlayer-partition", "disable_interlayer_opt"),
        ("--basic", "disable_interlayer_opt"),
        ("--disable-i", "disable_interlayer_opt"),
    ],
)
def test_aliases_and_prefixes(words, field):
    """Some are only in the published README (docs/differences.md E15)."""
    assert getattr(parse_arguments(["mlp_s", *words.split()]), field) is True
    assert getattr(parse_arguments(["mlp_s"]), field) is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--batch 0", "--batch 0: must be a whole number of at least 1"),
        ("--batch -3", "--batch -3: must be a whole number of at least 1"),
        ("--batch 1.5", "--batch 1.5: must be a whole number of at least 1"),
        ("--batch many", "--batch many: must be a whole number of at least 1"),
        ("--batch=", "--batch '': must be a whole number of at least 1"),
        ("--batch 1000001", "--batch 1000001: must be at most 1000000"),
        ("--word 0", "--word 0: must be a whole number of bits, at least 1"),
        ("--word 1025", "--word 1025: must be at most 1024 bits"),
        ("--nodes 0 4", "--nodes 0 4: must be two whole numbers of at least 1"),
        ("--nodes 2 x", "--nodes 2 x: must be two whole numbers of at least 1"),
        ("--nodes 256 257", "--nodes 256 257: must be at most 65536 nodes in all"),
        ("--array 16 -1", "--array 16 -1: must be two whole numbers of at least 1"),
        ("--array 1025 1024", "--array 1025 1024: must be at most 1048576 PEs in all"),
        ("--regf 0", "--regf 0: must be a whole number of bytes, at least 1"),
        ("--gbuf -1", "--gbuf -1: must be a whole number of bytes, at least 1"),
        ("--gbuf 1099511627777", "--gbuf 1099511627777: must be at most 1099511627776 bytes"),
        ("--bus-width 8", "--bus-width 8: must be 0 (unlimited), or at least one word of 16 bits"),
        ("--bus-width -1", "--bus-width -1: must be a whole number of bits, at least 0"),
        ("--op-cost -1", "--op-cost -1: must be a number from 0 to 1e+15"),
        ("--hop-cost inf", "--hop-cost inf: must be a number from 0 to 1e+15"),
        ("--unit-idle-cost nan", "--unit-idle-cost nan: must be a number from 0 to 1e+15"),
        ("--hier-cost 1 2 3 x", "--hier-cost 1 2 3 x: must be 4 numbers from 0 to 1e+15"),
        ("--hier-cost 1 2 3", "--hier-cost: expected 4 arguments"),
        ("--mem-type 4D", "--mem-type 4D: must be one of 2D, 3D"),
        ("--goal eD", "--goal eD: must be one of e, d, ed, E, D, ED"),
        ("-t 0", "--top 0: must be a whole number of at least 1"),
        ("-t 101", "--top 101: must be at most 100"),
        ("-p 0", "--processes 0: must be a whole number of at least 1"),
        ("-p 1025", "--processes 1025: must be at most 1024"),
        ("--ifmaps-partition", "--ifmaps-partition: needs --hybrid-partition"),
        (
            "--enable-access-forwarding --enable-gbuf-sharing",
            "--enable-access-forwarding: must not be given with --enable-gbuf-sharing",
        ),
        (
            "--enable-gbuf-sharing --solve-loopblocking",
            "--solve-loopblocking: must not be given with --enable-gbuf-sharing",
        ),
        (
            "--enable",
            (
                "--enable: could be --enable-access-forwarding or --enable-gbuf-sharing or "
                "--enable-save-writeback"
            ),
        ),
        ("--disable", "--disable: could be --disable-bypass or --disable-interlayer-opt"),
        (
            "--layer-pipeline",
            (
                "--layer-pipeline: could be --layer-pipeline-max-degree or "
                "--layer-pipeline-time-overhead"
            ),
        ),
        ("--i", "--i: could be --ifmaps-partition or --imperfect or --interlayer-partition"),
        (
            "--imperfect --solve-loopblocking",
            "--solve-loopblocking: must not be given with --imperfect",
        ),
        ("--ba 4", "--ba: could be --basic-interlayer-partition or --batch or --batch-partition"),
        (
            "--solve-loopblocking --enable-save-writeback",
            "--solve-loopblocking: must not be given with --enable-save-writeback",
        ),
        ("--interlayer-partition=1", "--interlayer-partition: ignored explicit argument '1'"),
        ("--layer-pipeline-max-degree", "--layer-pipeline-max-degree: expected one argument"),
        ("--disable-bypass", "--disable-bypass: must be followed by i, o, f or some of them"),
        ("--disable-bypass x", "--disable-bypass x: must be followed by i, o, f or some of them"),
        (
            "--disable-bypass=ix",
            "--disable-bypass ix: must be one or more of i (ifmaps), o (ofmaps) and f (filters)",
        ),
        ("--enable-magic", "unrecognized arguments: --enable-magic"),
        (
            "--b",
            (
                "--b: could be --basic-interlayer-partition or --batch or --batch-partition or "
                "--bus-width"
            ),
        ),
        ("zfnet", "unrecognized arguments: zfnet"),
        ("--batch", "--batch: expected one argument"),
    ],
)
def test_bad_values_are_refused_in_one_line(search, capsys, words, message):
    assert refusal(capsys, "mlp_s " + words) == message
    assert not search.calls


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--op-cost -.5", "--op-cost -.5: must be a number from 0 to 1e+15"),
        ("--op-cost -1e3", "--op-cost -1e3: must be a number from 0 to 1e+15"),
        ("--hop-cost -nan", "--hop-cost -nan: must be a number from 0 to 1e+15"),
        (
            "--hier-cost 1 -1e3 -Inf 2",
            "--hier-cost 1 -1e3 -Inf 2: must be 4 numbers from 0 to 1e+15",
        ),
        ("--batch -inf", "--batch -inf: must be a whole number of at least 1"),
        ("--nodes -1e2 -inf", "--nodes -1e2 -inf: must be two whole numbers of at least 1"),
    ],
)
def test_negative_numbers_are_shown(capsys, words, message):
    assert refusal(capsys, f"mlp_s {words}") == message


@pytest.mark.parametrize(
    "text", ["0", "-1", "nan", "much", "1e-10", "1e16", "-inf", "-infinity", "-1e5", "-.5"]
)
def test_bad_bandwidths(capsys, text):
    assert refusal(capsys, f"mlp_s --dram-bw {text}") == (
        f"--dram-bw {text}: must be a number of bytes per cycle from 1e-09 to 1e+15, or inf"
    )


@pytest.mark.parametrize(
    ("option", "text", "lowest"),
    [
        *(("--layer-pipeline-time-overhead", t, 0) for t in ("-0.1", "-inf", "nan", "x", "10%")),
        *(("--layer-pipeline-max-degree", t, 1) for t in ("0", "0.99", "-1", "-inf", "NaN", "two")),
    ],
)
def test_bad_limits_of_pipelines(search, capsys, option, text, lowest):
    message = f"{option} {text}: must be a number of at least {lowest}, or inf"
    assert refusal(capsys, f"mlp_s {option} {text}") == message
    assert refusal(capsys, f"mlp_s {option}={text}") == message
    assert not search.calls


def test_long_and_odd_values_are_shown_in_one_line(capsys):
    assert refusal(capsys, "mlp_s --batch 1\n2") == (
        r"--batch '1\n2': must be a whole number of at least 1"
    )
    message = refusal(capsys, "mlp_s --batch " + "9" * 5000)
    assert message.startswith("--batch 99999")
    assert len(message) < 120


def test_no_network(capsys):
    assert refusal(capsys, "--batch 4") == "the following arguments are required: net"


def test_unknown_network(search, capsys):
    assert refusal(capsys, "alexnet") == (
        "unknown network 'alexnet', the closest known name is 'alex_net'"
    )
    assert refusal(capsys, "qqq").startswith(
        "unknown network 'qqq', the known names are alex_net, "
    )
    assert not search.calls


def test_files_that_are_no_networks(search, capsys, tmp_path):
    (tmp_path / "empty.py").write_text("nn = 1\n")
    (tmp_path / "broken.py").write_text("NN = 1 +\n")
    for name in ("empty.py", "broken.py", "missing.py"):
        assert str(tmp_path / name) in refusal(capsys, str(tmp_path / name))
    assert not search.calls


NETWORK = """
from nn_dataflow.core import FCLayer, InputLayer, Network
print("this is no result")
NN = Network("tiny")
NN.set_input_layer(InputLayer(784, 1))
NN.add("fc1", FCLayer(784, 500))
NN.add("fc2", FCLayer({nifm}, 250))
NN.add("fc3", FCLayer(250, 10))
"""


def test_network_from_a_file(search, capsys, tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(NETWORK.format(nifm=500))
    status, out, err = run(capsys, str(path))
    assert (status, err) == (0, "this is no result\n")
    assert json.loads(out)["net"] == str(path)
    assert search.calls[0].network.net_name == "tiny"


def test_network_that_does_not_chain(search, capsys, tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(NETWORK.format(nifm=499))
    status, out, err = run(capsys, str(path))
    assert (status, out) == (2, "")
    message = err.replace("this is no result\n", "")
    assert message.count("\n") == 1
    assert str(path) in message
    assert "fc2" in message
    assert not search.calls


def test_no_valid_dataflow(monkeypatch, capsys, tmp_path):
    RecordedSearch(MLP, failure=FAILURE).install(monkeypatch)
    file = tmp_path / "result.json"
    status, out, err = run(capsys, "mlp_s", f"-o {file}")
    assert (status, out) == (3, "")
    given = "--regf 512 bytes, --gbuf 131072 bytes, 16-bit words"
    assert err == f"nn_dataflow_search: no valid dataflow for mlp_s: {FAILURE} ({given})\n"
    assert not list(tmp_path.iterdir())
    err = run(capsys, "mlp_s --regf 1 --gbuf 3 --word 8")[2]
    assert err.endswith(f"{FAILURE} (--regf 1 byte, --gbuf 3 bytes, 8-bit words)\n")


def test_layers_too_large_for_the_model_are_bad_input(capsys, monkeypatch, tmp_path):
    class TooLarge(RecordedSearch):
        def __call__(self, *_):
            raise ValueError("NNDataflow: layer fc1: 9 operations are too many")

    TooLarge(MLP).install(monkeypatch)
    assert refusal(capsys, "mlp_s") == "mlp_s: layer fc1: 9 operations are too many"
    monkeypatch.undo()
    path = tmp_path / "big.py"
    path.write_text(
        "from nn_dataflow.core import FCLayer, InputLayer, Network\n"
        "NN = Network('big')\n"
        "NN.set_input_layer(InputLayer(2**40, 1))\n"
        "NN.add('huge', FCLayer(2**40, 2**40))\n"
    )
    assert refusal(capsys, str(path)).startswith(f"{path}: layer huge: ")


def fail(error):
    def during(_):
        raise error

    return during


def test_what_the_search_says_is_kept_unless_it_fails(monkeypatch, capsys):
    def warn(_):
        sys.stderr.write("a warning\n")

    RecordedSearch(MLP, during=warn).install(monkeypatch)
    assert run(capsys, "mlp_s")[2] == "a warning\n"
    RecordedSearch(MLP, during=warn, failure=FAILURE).install(monkeypatch)
    assert run(capsys, "mlp_s")[2].startswith("nn_dataflow_search: no valid dataflow")
    assert run(capsys, "mlp_s -v")[2].startswith("a warning\nnn_dataflow_search: no valid")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("boom"), "internal error: KeyError: 'boom' (--debug shows where)"),
        (ValueError("two\nlines"), "internal error: ValueError: two lines (--debug shows where)"),
        (SystemExit(0), "internal error: SystemExit: 0 (--debug shows where)"),
        (BrokenPipeError("x"), "internal error: BrokenPipeError: x (--debug shows where)"),
    ],
)
def test_own_faults_are_one_line(monkeypatch, capsys, tmp_path, error, line):
    RecordedSearch(MLP, during=fail(error)).install(monkeypatch)
    status, out, err = run(capsys, "mlp_s", f"-o {tmp_path / 'result.json'}")
    assert (status, out, err) == (1, "", f"nn_dataflow_search: {line}\n")
    assert not list(tmp_path.iterdir())


def test_traceback_only_for_debugging(monkeypatch, capsys):
    RecordedSearch(MLP, during=fail(KeyError("boom"))).install(monkeypatch)
    status, out, err = run(capsys, "mlp_s", "--debug")
    assert (status, out) == (1, "")
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("nn_dataflow_search: internal error: KeyError")


def test_interruption(monkeypatch, capsys, tmp_path):
    RecordedSearch(MLP, during=fail(KeyboardInterrupt())).install(monkeypatch)
    status, out, err = run(capsys, "mlp_s", f"-o {tmp_path / 'result.json'}")
    told = "nn_dataflow_search: interrupted before a schedule was found\n"
    assert (status, out, err) == (130, "", told)
    assert not list(tmp_path.iterdir())


def test_costs_that_do_not_add_up_are_a_fault(search, capsys):
    search.case = {**search.case, "schedules": {**search.case["schedules"]}}
    layer = search.case["schedules"]["fc1"]
    search.case["schedules"]["fc1"] = {**layer, "cost": layer["cost"] * 1.01}
    status, out, err = run(capsys, "mlp_s")
    assert (status, out) == (1, "")
    assert "the components of the cost sum to 156645752, not to" in err


@pytest.mark.usefixtures("search")
def test_piped_result_is_json(capsys):
    status, out, err = run(capsys, "mlp_s")
    assert (status, err) == (0, "")
    assert out.endswith("\n}\n")
    assert json.loads(out)["total_cost"] == 156645752


@pytest.mark.usefixtures("search")
def test_output_file_instead_of_a_pipe(capsys, tmp_path):
    file = tmp_path / "result.json"
    assert run(capsys, "mlp_s", f"-o {file}") == (0, "", "")
    assert json.loads(file.read_text())["net"] == "mlp_s"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.usefixtures("search")
def test_output_file_and_standard_output(capsys, tmp_path):
    file = tmp_path / "result.json"
    _, out, _ = run(capsys, "mlp_s", f"--json -o {file}")
    assert file.read_text() == out


@pytest.mark.usefixtures("search")
def test_output_file_is_replaced_behind_a_link_and_keeps_its_mode(capsys, tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")
    file.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert run(capsys, "mlp_s", f"-o {link}")[0] == 0
    assert link.is_symlink()
    assert json.loads(file.read_text())["net"] == "mlp_s"
    assert file.stat().st_mode & 0o777 == 0o600


def test_output_places_that_are_refused_before_the_search(search, capsys, tmp_path):
    (tmp_path / "file").touch()
    places = {
        "": "--output '': must be the name of a file",
        f"{tmp_path}": f"--output {tmp_path}: must be a new name or an ordinary file",
        f"{tmp_path}/no/x": f"--output {tmp_path}/no/x: must be a file in an existing folder",
        f"{tmp_path}/file/x": f"--output {tmp_path}/file/x: must be a file in an existing folder",
        "/dev/null": "--output /dev/null: must be a new name or an ordinary file",
        "/": "--output /: must be a new name or an ordinary file",
    }
    for place, message in places.items():
        # A long path is cut in messages, so it is compared as far as that.
        start, rule = message.split(": must")
        got = refusal(capsys, "mlp_s -o " + place if place else "mlp_s --output=")
        assert got.endswith(": must" + rule)
        assert got.startswith(start[:50])
    assert not search.calls


def test_links_in_a_circle_are_no_fault_of_the_program(search, capsys, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert refusal(capsys, f"mlp_s -o {one}/x").startswith("--output ")
    assert refusal(capsys, f"mlp_s --plot {one}/x").startswith("--plot ")
    assert not search.calls


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize("source", ["net.py", "--arch mine.json", "--constraints wanted.json"])
def test_what_is_read_is_not_overwritten(search, capsys, tmp_path, monkeypatch, option, source):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / source.split()[-1]
    file.write_text("work of a day")
    os.link(file, tmp_path / "link")
    words = source if source == "net.py" else f"mlp_s {source}"
    for other in (f"./{file.name}", str(file), "link"):
        message = refusal(capsys, f"{words} {option} {other}")
        assert message.endswith(f"{source.replace('net', 'NET net')}, which it would overwrite")
    assert file.read_text() == "work of a day"
    assert not search.calls


def test_two_results_need_two_files(search, capsys, tmp_path):
    same = tmp_path / "x"
    message = refusal(capsys, f"mlp_s -o {same} --report {tmp_path}/./x")
    assert ": must be another file than --output " in message.replace("--report", "--output", 1)
    assert not search.calls


def test_names_of_the_package_are_no_files(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert run(capsys, "mlp_s -p 1 -o mlp_s") == (0, "", "")
        assert run(capsys, "mlp_s -p 1 --arch tetris-l1 -o tetris-l1") == (0, "", "")


def test_output_folder_that_cannot_be_written(search, capsys, tmp_path, monkeypatch):
    def touch(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", touch)
    assert refusal(capsys, f"mlp_s -o {tmp_path / 'x'}").endswith(
        ": cannot be written: Permission denied"
    )
    assert not search.calls


@pytest.mark.usefixtures("search")
def test_output_file_is_as_it_was_when_writing_fails(capsys, tmp_path, monkeypatch):
    def replace(*_):
        raise OSError(28, "No space left on device")

    file = tmp_path / "result.json"
    file.write_text("old")
    monkeypatch.setattr(Path, "replace", replace)
    status, out, err = run(capsys, "mlp_s", f"-o {file}")
    assert status == 1
    assert json.loads(out)["net"] == "mlp_s"  # what was searched for is not lost
    assert err.count("\n") == 1
    assert err.endswith(
        "cannot be written: No space left on device; the result is on standard output\n"
    )
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_help_shows_defaults_and_units(capsys):
    status, out, err = run(capsys, "--help")
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    for text in (
        "--batch N batch size (default: 16)",
        "--nodes H W rows and columns of nodes (default: 1 1)",
        "--regf BYTES register file of a PE, in bytes (default: 512)",
        "--gbuf BYTES global buffer of a node, in bytes (default: 131072)",
        "--word BITS word size, in bits (default: 16)",
        "(default: 200 6 2 1)",
        "(default: all may)",
        "(default: half of the CPUs, here ",
        "pipelines of layers, which share a segment of time and hand over fmaps on chip:",
        "--interlayer-partition groups of layers may run side by side",
        "the same nodes; not with --solve-loopblocking --disable-interlayer-opt basic pipelines",
        "as a share of the latter (0.1 is a tenth), or inf (default: inf)",
        "with the pooling and the like behind it (default: inf)",
    ):
        assert text in words
    assert "at most 100; many may tie, and the search time grows with N" in words
    assert "JSON the schedules (default: 1)" in words


def test_version(capsys):
    status, out, err = run(capsys, "--version")
    assert (status, err) == (0, "")
    assert out.startswith(f"nn_dataflow_search {get_version()}")


def tool(*argv, stdout=subprocess.PIPE, cwd=None, script=True):
    program = [str(SCRIPT)] if script else ["-m", "nn_dataflow.tools.nn_dataflow_search"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *program, *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=env,
        check=False,
    )


@pytest.mark.parametrize("script", [True, False])
def test_runs_as_script_from_any_folder_and_as_module(tmp_path, script):
    done = tool("mlp_s", "--goal", "ED", cwd=tmp_path if script else ROOT, script=script)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["total_time"] > 0
    assert not list(tmp_path.iterdir())


def test_worked_example():
    """Example A of docs/model/search.md section 10."""
    machine = "--nodes 2 2 --array 8 8 --regf 512 --gbuf 65536 --disable-bypass i o f -p 1"
    done = tool("mlp_s", "--batch", "4", *machine.split())
    values = json.loads(done.stdout)
    assert values["total_cost"] == pytest.approx(125209904, rel=1e-9)
    assert values["total_time"] == 9272
    assert values["total_ops"] == 2078000
    assert values["total_accesses"] == [548600, 548600, 781432, 8312000]
    assert values["total_noc_hops"] == 24544
    assert values["active_node_pes"]["fc1"] == pytest.approx(62.5)
    assert values["schedules"]["fc1"][0]["cost"] == pytest.approx(92730208)


def test_buffers_too_small_for_any_schedule():
    done = tool("mlp_s", "--regf", "2")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("nn_dataflow_search: no valid dataflow for mlp_s: layer fc1: ")
    assert done.stderr.endswith("(--regf 2 bytes, --gbuf 131072 bytes, 16-bit words)\n")
    assert done.stderr.count("\n") == 1


def test_reader_that_stops_reading():
    read, write = os.pipe()
    os.close(read)
    done = tool("mlp_s", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("word", ["mlp_s", "--help", "--version"])
def test_standard_output_that_is_full(word):
    with Path("/dev/full").open("w") as full:
        done = tool(word, stdout=full)
    assert done.returncode == 1
    assert done.stderr == (
        "nn_dataflow_search: error: standard output: cannot be written: No space left on device\n"
    )


@contextlib.contextmanager
def terminal():
    """A terminal's file descriptor, and the list of what has been written to it at the end."""
    master, slave = pty.openpty()
    shown = []

    def read():
        # It ends with an error when the last writer has closed the terminal.
        with contextlib.suppress(OSError):
            while text := os.read(master, 4096):
                shown.append(text.decode())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield slave, shown
    finally:
        os.close(slave)
        reader.join()
        os.close(master)


@pytest.mark.parametrize(("extra", "starts"), [((), "mlp_s, batch 16"), (("--json",), "{")])
def test_terminal_gets_the_table(tmp_path, extra, starts):
    file = tmp_path / "result.json"
    with terminal() as (slave, shown):
        done = tool("mlp_s", "-o", str(file), *extra, stdout=slave)
    assert (done.returncode, done.stderr) == (0, "")
    assert "".join(shown).startswith(starts)
    assert json.loads(file.read_text())["net"] == "mlp_s"


def test_names_do_not_command_a_terminal(capsys, monkeypatch, tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        "from nn_dataflow.core import FCLayer, InputLayer, Network\n"
        "NN = Network('one')\n"
        "NN.set_input_layer(InputLayer(4, 1))\n"
        "NN.add('fc\\x1b[2J\\x9b1', FCLayer(4, 4))\n"
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status, out, err = run(capsys, str(path), "-p 1")
    assert (status, err) == (0, "")
    assert "fc?[2J?1" in out
    assert not set("\x1b\x9b") & set(out)
    assert "\x1b" not in refusal(capsys, "mlp_s --explain fc\x1b[2J")
