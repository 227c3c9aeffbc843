# SPDX-License-Identifier: BSD-3-Clause
"""Tests of ``nn_dataflow evaluate`` (docs/evaluate.md)."""

import copy
import json
import math
import os
import sys
from pathlib import Path

import pytest

from nn_dataflow.machines.machine_file import load, values_of
from nn_dataflow.tests.tools.test_nn_dataflow_search import terminal
from nn_dataflow.tools import main, nn_dataflow_search

# What the evaluation tells in its own way.
OWN = {
    "cache_stats",
    "elapsed",
    "log10_schedules",
    "search_effort",
    "certificate",
    "stage_seconds",
    "evaluated",
}

CASES = (
    "mlp_s",
    "alex_net --batch 4 --arch eyeriss-chip --disable-bypass iof",
    "googlenet --batch 2 --nodes 2 4 --hybrid-partition --solve-loopblocking",
    "alex_net --nodes 4 4 --hybrid-partition --batch-partition --ifmaps-partition --goal ED",
    "lstm_gnmt --batch 2 --nodes 2 2 --hybrid-partition --mem-type 3D --bus-width 64 --dram-bw 9",
    "vgg_net --arch tetris-t16 --hybrid-partition --enable-access-forwarding --solve-loopblocking",
    "alex_net --batch 4 --nodes 2 2 --hybrid-partition --enable-gbuf-sharing --word 8",
    "mlp_l --arch tangram --hybrid-partition --enable-gbuf-sharing --disable-bypass iof -g D",
    "lstm_phoneme --nodes 4 4 --hybrid-partition --interlayer-partition --enable-save-writeback",
    (
        "lstm_gnmt --batch 2 --nodes 2 2 --hybrid-partition --interlayer-partition "
        "--enable-save-writeback --enable-gbuf-sharing --unit-idle-cost 7 --goal ED"
    ),
    (
        "resnet50 --batch 1 --nodes 4 4 --interlayer-partition --enable-save-writeback "
        "--layer-pipeline-max-degree 2 --layer-pipeline-time-overhead 0.5"
    ),
    "zfnet --batch 2 --nodes 2 2 --interlayer-partition --disable-interlayer-opt --goal D",
    "zfnet --imperfect --dram-bw 1 --goal D",
    "alex_net --imperfect --arch tangram --hybrid-partition --enable-gbuf-sharing",
    "alex_net --imperfect --batch 4 --nodes 4 4 --interlayer-partition --enable-save-writeback",
)
ONE_LAYER = """
from nn_dataflow.core import ConvLayer, InputLayer, Network
NN = Network("one")
NN.set_input_layer(InputLayer(4, 8))
NN.add("conv", ConvLayer(4, 8, 8, 3))
print("a network may print")
"""


def searched(tmp_path, words):
    """The path of what the search writes."""
    path = tmp_path / "result.json"
    assert nn_dataflow_search.main([*words.split(), "-p", "1", "-o", str(path)]) == 0
    return path


@pytest.fixture
def stored(tmp_path):
    """The path of a result, and a function that writes it with changes."""
    path = searched(tmp_path, "mlp_s --nodes 2 2 --hybrid-partition")
    values = json.loads(path.read_text())

    def write(change=None):
        other = copy.deepcopy(values)
        if change is not None:
            change(other)
        path.write_text(json.dumps(other))
        return str(path)

    return write


def evaluate(capsys, *words):
    status = main.main(["evaluate", *words])
    return (status, *capsys.readouterr())


def refused(capsys, *words):
    status, out, err = evaluate(capsys, *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("nn_dataflow evaluate: error: ").rstrip("\n")


def without_own(values):
    return {key: value for key, value in values.items() if key not in OWN}


@pytest.mark.parametrize("words", CASES)
def test_a_search_has_its_own_numbers(capsys, tmp_path, words):
    """All of the record is the same to the last bit, but what is told of the search."""
    path = searched(tmp_path, words)
    capsys.readouterr()
    status, out, err = evaluate(capsys, str(path))
    assert (status, err) == (0, "")
    before, after = json.loads(path.read_text()), json.loads(out)
    assert without_own(after) == without_own(before)
    assert after["evaluated"] == {
        "file": str(path),
        "stored_cost": before["total_cost"],
        "stored_time": before["total_time"],
        "left_out": [],
    }


@pytest.mark.parametrize("change", ["", "--gbuf 400 --regf 2048"])
def test_filters_that_stay_on_chip_for_good(capsys, tmp_path, change):
    """In a network of one layer."""
    (tmp_path / "one.py").write_text(ONE_LAYER)
    path = searched(tmp_path, f"{tmp_path / 'one.py'} --batch 4 --array 4 4 {change}".rstrip())
    capsys.readouterr()
    status, out, _ = evaluate(capsys, str(path))
    assert status == 0
    before, after = json.loads(path.read_text()), json.loads(out)
    assert without_own(after) == without_own(before)
    pinned = before["schedules"]["conv"][0]["fetch"][0][0] == 0
    assert pinned == (change == "")


def test_an_evaluation_is_a_result(capsys, tmp_path, stored):
    other = tmp_path / "other.json"
    assert evaluate(capsys, stored(), "-o", str(other)) == (0, "", "")
    status, out, _ = evaluate(capsys, str(other), "--json")
    assert status == 0
    assert without_own(json.loads(out)) == without_own(json.loads(other.read_text()))


def machine_file(tmp_path, **changes):
    """The machine of `stored` with other values, as a file."""
    spec = load("eyeriss-isca16")
    values = values_of(spec)
    values["resource"] |= {"proc_region": "2x2", "dram_region": "corners"}
    values["cost"]["noc_hop"] = 10
    for key, value in changes.items():
        values["cost" if key in values["cost"] else "resource"][key] = value
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(values))
    return str(path)


def test_another_machine_with_other_costs(capsys, tmp_path, stored):
    """Counts stay; the energy is their sum with the other prices."""
    path = stored()
    arch = machine_file(tmp_path, mac_op=3, idl_unit=2, dram_bandwidth="8 B/cycle")
    status, out, err = evaluate(capsys, path, "--arch", arch)
    assert (status, err) == (0, "")
    before = json.loads(Path(path).read_text())
    after = json.loads(out)
    assert after["machine"]["name"] == "eyeriss-isca16"
    for key in ("total_ops", "total_accesses", "total_noc_hops", "input_layout"):
        assert after[key] == before[key]
    assert after["total_op_cost"] == 3 * before["total_op_cost"]
    assert after["total_access_cost"] == before["total_access_cost"]
    times = [math.ceil(sum(s["access"][0]) / 4) for s, _, _ in after["schedules"].values()]
    assert after["segment_dram_time"] == times
    assert after["total_time"] > before["total_time"]
    assert after["total_static_cost"] == 2 * after["total_time"]


def test_more_room_changes_nothing(capsys, tmp_path, stored):
    arch = machine_file(tmp_path, size_gbuf="1 MB", size_regf="2 kB")
    _, out, _ = evaluate(capsys, stored(), "--arch", arch)
    values = json.loads(out)
    assert values["total_cost"] == values["evaluated"]["stored_cost"]
    assert values["total_time"] == values["evaluated"]["stored_time"]


def test_memory_elsewhere(capsys, tmp_path, stored):
    """The input is laid out anew on a smaller region of memory."""
    arch = machine_file(tmp_path, dram_region={"dim": [1, 1], "origin": [0, 5]})
    _, out, _ = evaluate(capsys, stored(), "--arch", arch)
    values = json.loads(out)
    assert values["input_layout"][1] == [[[1, 1], [0, 5], [1, 1], 1, 1, 1]]
    assert values["input_layout"][2][0][1] == [[1, 1]] * 4
    assert values["total_noc_hops"] > 0


@pytest.mark.parametrize(
    ("level", "words", "what", "field"),
    [
        (0, "--disable-bypass iof", "global buffer per node", "size_gbuf"),
        (1, "", "register file per PE", "size_regf"),
    ],
)
def test_a_machine_that_is_too_small(capsys, tmp_path, level, words, what, field):
    """By how much is said, and how it divides among the categories."""
    path = searched(tmp_path, f"mlp_s --nodes 2 2 --hybrid-partition {words}".rstrip())
    schedules = json.loads(path.read_text())["schedules"]
    sizes = {name: scheme["size"][level] for name, (scheme, _, _) in schedules.items()}
    room = max(map(sum, sizes.values())) - 3
    name = next(name for name, size in sizes.items() if sum(size) > room)
    excess = sum(sizes[name]) - room
    filters, ifmaps, ofmaps = sizes[name]
    arch = machine_file(tmp_path, **{field: f"{room} words"})
    capsys.readouterr()
    status, out, err = evaluate(capsys, str(path), "--arch", arch)
    assert (status, out) == (3, "")
    assert err == (
        f"nn_dataflow evaluate: {path} does not fit {arch}: layer {name}: needs "
        f"{sum(sizes[name])} words of {what} (filters {filters}, ifmaps {ifmaps}, ofmaps "
        f"{ofmaps}), {excess} more than {field} {room}\n"
    )


def test_an_edited_machine_that_is_too_small(capsys, stored):
    path = stored(lambda values: values["resource"].update(size_regf=50))
    status, out, err = evaluate(capsys, path)
    assert (status, out) == (3, "")
    assert err.startswith(f"nn_dataflow evaluate: {path} does not fit its machine: layer fc1: ")


def test_an_edited_schedule_is_evaluated(capsys, stored):
    """Filters of fc1 are fetched for every sample, when the loop over samples is outermost."""
    tvals = [[49, 1, 16], [1, 1, 1], [1, 8, 1]]

    def edit(values):
        scheme = values["schedules"]["fc1"][0]
        assert scheme["tvals"] == [[1, 1, 1], [49, 1, 1], [1, 8, 16]]
        for key in ("ti", "to", "tb"):
            del scheme[key]
        scheme["tvals"] = tvals
        scheme["orders"] = [[0, 1, 2], [0, 1, 2]]

    path = stored()
    before = json.loads(Path(path).read_text())["schedules"]["fc1"][0]
    status, out, err = evaluate(capsys, stored(edit))
    assert (status, err) == (0, "")
    values = json.loads(out)
    after = values["schedules"]["fc1"][0]
    assert after["tvals"] == tvals
    assert after["access"][0][0] == 16 * before["access"][0][0]
    assert after["ops"] == before["ops"]
    assert values["total_cost"] > values["evaluated"]["stored_cost"]


def test_a_network_that_has_moved(capsys, stored):
    path = stored(put("net", value="nowhere/mlp.py"))
    assert refused(capsys, path).startswith("network file nowhere/mlp.py: ")
    status, out, err = evaluate(capsys, path, "--net", "mlp_s")
    assert (status, err) == (0, "")
    assert json.loads(out)["net"] == "mlp_s"


def test_another_network_is_refused(capsys, stored):
    path = stored()
    assert refused(capsys, path, "--net", "alex_net") == f"{path}: layer conv1_a is not scheduled"


def test_refusals_of_machines_say_so(capsys, stored):
    assert refused(capsys, stored(), "--arch", "none").startswith(
        "--arch: 'none' is no preset and no file"
    )


def put(*keys, value):
    """A change of one value of a record; of None, none is left."""

    def change(values):
        for key in keys[:-1]:
            values = values[key]
        if value is None:
            del values[keys[-1]]
        else:
            values[keys[-1]] = value

    return change


FC1 = ("schedules", "fc1", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("net", value=None), "net: is missing"),
        (put("net", value=3), "net: must be a text, got 3"),
        (put("batch", value=1.5), "batch: must be a whole number, got 1.5"),
        (put("batch", value=0), "batch: must be from 1 to 1000000, got 0"),
        (put("total_cost", value="low"), 'total_cost: must be a number, got "low"'),
        (put("resource", value=[1]), "resource: must be a mapping"),
        (put("resource", "size_gbuf", value=None), "resource.size_gbuf: is missing"),
        (
            put("resource", "size_gbuf", value=-1),
            "resource: Resource: size_gbuf must be a scalar of at least 0 words, got -1",
        ),
        (
            put("resource", "proc_region", 3, value=5),
            "resource.proc_region: NodeRegion: type must be NodeRegion.PROC or DRAM, got 5",
        ),
        (
            put("resource", "proc_region", value="4x4"),
            "resource.proc_region: must be [dim, origin, dist, type, wtot, wbeg], got ",
        ),
        (put("resource", "proc_region", 0, value=[1]), "resource.proc_region: must be [dim, "),
        (put("resource", "dim_array", value=3), "resource.dim_array: must be 2 whole numbers "),
        (put("cost", "mem_hier", value=[1, 2]), "cost.mem_hier: must be 4 numbers, got [1, 2]"),
        (put("cost", "noc_hop", value=None), "cost.noc_hop: is missing"),
        (
            put("options", "opt_goal", value="x"),
            "options: Option: opt_goal must be 'e', 'd' or 'ed', got 'x'",
        ),
        (put("options", "colour", value=1), "options: "),
        (put("machine", "word", value="16"), 'machine.word: must be a whole number, got "16"'),
        (put("input_layout", value=3), "input_layout: must be a layout: [ranges, regions, part"),
        (put("input_layout", 2, value=[]), "input_layout: must have one partition, got 0"),
        (put("ext_layout_dict", value=[]), "ext_layout_dict: must be a mapping"),
        (put("schedules", value=None), "schedules: is missing"),
        (
            put("schedules", "fc1", value=[1]),
            "schedules.fc1: must be [scheme, ofmap layout, [segment, spatial, temporal]]",
        ),
        (
            put("schedules", "fc1", 2, value=[0, 0]),
            "schedules.fc1.place: must be 3 whole numbers of at least 0, got [0, 0]",
        ),
        (
            put(*FC1, "tvals", value=[[1, 2, 3]]),
            "schedules.fc1.tvals: must be 3 x 3 whole numbers of at least 1, got [[1, 2, 3]]",
        ),
        (
            put(*FC1, "ti", value=[1, 1, 1]),
            "schedules.fc1.ti: must be [1, 49, 1], as tvals says, got [1, 1, 1]",
        ),
        (
            put(*FC1, "orders", value=[[0, 0, 2], [0, 1, 2]]),
            "schedules.fc1.orders: must be two permutations of 0, 1, 2, got [[0, 0, 2], [0, 1, 2]]",
        ),
        (
            put(*FC1, "part", value=[[0, 1, 2, 2], [[1, 1]] * 4]),
            "schedules.fc1.part: PartitionScheme: order must be a permutation of 0 to 3, got ",
        ),
        (
            put(*FC1, "part", value=[[0, 1, 2, 3], [[0, 1]] * 4]),
            "schedules.fc1.part: must have four pairs of whole numbers of at least 1, got ",
        ),
        (
            put(*FC1, "trips", value=[49, 8]),
            "schedules.fc1.trips: must be 3 whole numbers of at least 1, got [49, 8]",
        ),
        (put(*FC1, "unit_size", value=None), "schedules.fc1.unit_size: is missing"),
        (put(*FC1, "access", value=None), "schedules.fc1.access: is missing"),
    ],
)
def test_refusals_name_file_and_key(capsys, stored, change, message):
    path = stored(change)
    assert refused(capsys, path).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", ":1: is no result of nn_dataflow_search: is no JSON: Expecting property name"),
        ("\n[1, ]", ":2: is no result of nn_dataflow_search: is no JSON: "),
        ("[1]", ": is no result of nn_dataflow_search; must be JSON that it, or nn_dataflow ev"),
        ("[" * 100_000, ": is no result of nn_dataflow_search: is no JSON; must be "),
        ("\udcff", ": is no result of nn_dataflow_search: is no JSON; must be "),
    ],
)
def test_what_is_no_record(capsys, tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refused(capsys, str(path)).startswith(f"{path}{message}")


def test_no_file(capsys):
    assert refused(capsys, "no.json") == "no.json: cannot be read: No such file or directory"


def test_a_record_without_the_name_of_its_machine(capsys, stored):
    """As those of older versions."""
    status, out, _ = evaluate(capsys, stored(put("machine", value=None)))
    assert status == 0
    assert json.loads(out)["machine"] == {"name": "", "word": 16, "cost_unit": "", "memory": ""}


def on_terminal(monkeypatch, *words):
    """What a terminal of 100 columns shows."""
    monkeypatch.setenv("COLUMNS", "100")
    with (
        terminal() as (slave, shown),
        monkeypatch.context() as patch,
        os.fdopen(os.dup(slave), "w") as stdout,
    ):
        patch.setattr(sys, "stdout", stdout)
        assert main.main(["evaluate", *words]) == 0
    return "".join(shown).replace("\r\n", "\n")


def test_the_table_says_that_nothing_was_searched(monkeypatch, tmp_path, stored):
    path = stored()
    text = on_terminal(monkeypatch, path)
    assert text.startswith("mlp_s, batch 16, goal: least energy (cost)\nmachine 2x2 nodes of ")
    assert "\nsearch " not in text
    assert text.endswith(
        f"\n\nevaluated without a search; cost and time are those stored in {path}\n"
    )
    arch = machine_file(tmp_path, mem_hier=dict.fromkeys(("DRAM", "GBUF", "ITCN", "REGF"), 0))
    text = on_terminal(monkeypatch, path, "--arch", arch)
    assert "machine eyeriss-isca16; 2x2 nodes of 16x16 PEs;" in text
    assert "\nevaluated without a search: cost 9.29376e+06 (0.0" in text
    assert f" (1 times the 18272 stored) in {path}\n" in text


@pytest.mark.parametrize("option", ["-o", "--report"])
def test_the_stored_result_is_not_overwritten(capsys, stored, option):
    path = stored()
    before = Path(path).read_bytes()
    assert main.main(["evaluate", path, option, path]) == 2
    assert capsys.readouterr().err.endswith("which it would overwrite\n")
    assert Path(path).read_bytes() == before


def test_a_byte_order_mark_is_no_fault(capsys, stored):
    path = stored()
    Path(path).write_bytes(b"\xef\xbb\xbf" + Path(path).read_bytes())
    assert main.main(["evaluate", path]) == 0
    assert json.loads(capsys.readouterr().out)["net"] == "mlp_s"


@pytest.mark.parametrize(
    ("keys", "value", "refused"),
    [
        (("resource", "src_data_region", 0, 1), 10**30, "resource.src_data_region: must be [dim,"),
        (("resource", "proc_region", 0), [2**40, 2], "resource.proc_region: must have from 1 to "),
        (("cost", "mem_hier", 1), 10**400, "cost.mem_hier: "),
        (("schedules", "fc1", 0, "part", 0), [0, 1, 2], "schedules.fc1.part: must have an order "),
    ],
)
def test_absurd_values_are_refused(capsys, stored, keys, value, refused):
    def change(values):
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = value

    path = stored(change)
    assert main.main(["evaluate", path]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"nn_dataflow evaluate: error: {path}: {refused}")
    assert err.count("\n") == 1


def test_what_was_proven_is_told_of_the_same_figures_only(capsys, tmp_path):
    path = searched(tmp_path, "alex_net --batch 4 --arch eyeriss-chip --disable-bypass iof")
    proven = json.loads(path.read_text())["certificate"]
    assert proven["optimal"]
    assert main.main(["evaluate", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["certificate"] == proven
    # On another machine, or with another schedule, another one may be better.
    assert main.main(["evaluate", str(path), "--arch", "eyeriss-chip"]) == 0
    assert json.loads(capsys.readouterr().out)["certificate"] is None
    values = json.loads(path.read_text())
    values["total_cost"] *= 1.5
    path.write_text(json.dumps(values))
    assert main.main(["evaluate", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["certificate"] is None
