# SPDX-License-Identifier: BSD-3-Clause
"""Tests of ``nn_dataflow compare`` (docs/compare.md)."""

import json
import math
import sys
from pathlib import Path

import pytest

import nn_dataflow
from nn_dataflow.cosa import Architecture, Level, Problem, output, schedule
from nn_dataflow.errors import InputError
from nn_dataflow.tests.tools.report_page import parsed
from nn_dataflow.tools import main, nn_dataflow_search
from nn_dataflow.tools.comparison import Difference, compare
from nn_dataflow.tools.comparison_table import render
from nn_dataflow.tools.result_record import ResultRecord

ALONE = "alex_net --batch 4 --nodes 4 4 --hybrid-partition --solve-loopblocking"
PIPELINED = "alex_net --batch 4 --nodes 4 4 --hybrid-partition --interlayer-partition --dram-bw 12"
MLP = "mlp_s --nodes 2 2 --hybrid-partition"
MLP_SMALL = "mlp_s --nodes 2 2 --hybrid-partition --gbuf 4096 --dram-bw 64 --batch 4"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Values of records by command line."""
    folder = tmp_path_factory.mktemp("results")
    found = {}
    for words in (ALONE, PIPELINED, MLP, MLP_SMALL):
        path = folder / "result.json"
        assert nn_dataflow_search.main([*words.split(), "-p", "1", "-o", str(path)]) == 0
        found[words] = path.read_text()
    return found


def record(results, words, name="A.json", **changes):
    return ResultRecord(name, {**json.loads(results[words]), **changes})


def compared(results, one, two, **changes):
    return compare(record(results, one), record(results, two, "B.json", **changes))


def run(capsys, *argv):
    status = main.main(["compare", *map(str, argv)])
    return (status, *capsys.readouterr())


def test_a_result_with_itself(results):
    same = compared(results, PIPELINED, PIPELINED)
    assert same.same_network
    assert not same.changes
    assert same.only_in_base == same.only_in_other == []
    assert same.segments == same.base_segments == same.other_segments == []
    assert not any(one.change for one in same.totals)
    assert len(same.layers) == 19
    assert not any(layer.changed or layer.cost.change for layer in same.layers)
    text = render(same, 120)
    assert "the same was searched" in text
    assert "+" not in text.replace("(+)", "")


def test_what_was_searched_otherwise(results):
    changes = compared(results, MLP, MLP_SMALL).changes
    assert {one.field: (one.base, one.other) for one in changes} == {
        "batch": (16, 4),
        "resource.size_gbuf": (65536, 2048),
        "resource.dram_bandwidth": ("unlimited", 32.0),
    }
    text = render(compared(results, MLP, MLP_SMALL), 100)
    assert (
        "changes batch 16 -> 4; resource.size_gbuf 65536 -> 2048; resource.dram_bandwidth " in text
    )
    assert " unlimited -> 32.0\n" in text


def test_regions_and_missing_fields_are_readable(results):
    machine = {"name": "mine", "word": 16, "cost_unit": "pJ", "memory": ""}
    resource = json.loads(results[MLP])["resource"]
    resource = {**resource, "proc_region": [[1, 4], [0, 2], [1, 2], 0, 4, 4]}
    there = compared(results, MLP, MLP, machine=machine, resource=resource, version="4")
    text = " ".join(render(there, 100).split())
    for words in (
        "machine.name - -> mine;",
        "machine.memory 2D -> -;",
        "resource.proc_region 2x2 at (0,0) -> 1x4 at (0,2), each 1x2 apart",
        "-> 4;",
        "units and pJ",
    ):
        assert words in text
    assert "options" not in text


def test_memories_that_are_all_at_one_node(results):
    """The corners of one node."""
    resource = json.loads(results[MLP])["resource"]
    resource = {**resource, "dram_region": [[2, 2], [0, 0], [0, 0], 1, 2, 2]}
    (change,) = compared(results, MLP, MLP, resource=resource).changes
    assert change == ("resource.dram_region", "2x2 at (0,0)", "2x2, all at (0,0)")


def test_what_is_not_there_is_as_what_is_empty(results):
    """A record of an older version has no machine."""
    machine = {"name": "", "word": 16, "cost_unit": "", "memory": "2D"}
    base = record(results, MLP, machine=machine)
    older = ResultRecord("B.json", {k: v for k, v in base.values.items() if k != "machine"})
    for one, two in ((base, older), (older, base)):
        fields = [change.field for change in compare(one, two).changes]
        assert fields == ["machine.word", "machine.memory"]
        assert "- -> -" not in render(compare(one, two), 100)


def test_totals_are_those_of_both(results):
    there = compared(results, ALONE, PIPELINED)
    base, other = (json.loads(results[words]) for words in (ALONE, PIPELINED))
    totals = {one.name: one for one in there.totals}
    for name, key in (("cost", "total_cost"), ("time", "total_time"), ("hops", "total_noc_hops")):
        assert totals[name] == Difference(name, totals[name].unit, base[key], other[key])
    cost = totals["cost"]
    assert cost.change == other["total_cost"] - base["total_cost"] < 0
    assert cost.percent == pytest.approx(100 * (other["total_cost"] / base["total_cost"] - 1))
    parts = [one for name, one in totals.items() if name.startswith("cost of ")]
    assert len(parts) == 7
    for side in ("base", "other", "change"):
        total = sum(getattr(one, side) for one in parts)
        assert total == pytest.approx(getattr(cost, side), rel=1e-9)
    assert totals["cost x time"].other == other["total_cost"] * other["total_time"]
    assert totals["DRAM accesses"].other == other["total_accesses"][0]


def test_layers_and_segments(results):
    there = compared(results, ALONE, PIPELINED)
    base, other = (json.loads(results[words]) for words in (ALONE, PIPELINED))
    assert [layer.name for layer in there.layers] == list(base["schedules"])
    for layer in there.layers:
        here, then = (result["schedules"][layer.name] for result in (base, other))
        assert layer.cost.change == then[0]["cost"] - here[0]["cost"]
        assert layer.time.other == then[0]["time"]
        assert layer.limits == (base["limits"][layer.name], other["limits"][layer.name])
        assert ("partition" in layer.changed) == (here[0]["part"] != then[0]["part"])
        assert ("mapping" in layer.changed) == (here[0]["unit_size"] != then[0]["unit_size"])
        is_shared = sum(s[2][0] == then[2][0] for s in other["schedules"].values()) > 1
        assert ("segment" in layer.changed) == is_shared
    assert not there.base_segments
    places = [[*layer[2]] for layer in other["schedules"].values()]
    several = {seg for seg, *_ in places if sum(place[0] == seg for place in places) > 1}
    assert {number - 1 for number, _ in there.other_segments} == several
    number, segment = there.other_segments[0]
    assert segment.time == other["segment_time"][number - 1]
    text = render(there, 120)
    groups = " | ".join(map(", ".join, segment.groups))
    assert f"segments of several layers only in B.json:\n  {number}: {groups}; " in text
    assert "layers of a segment overlap" in text


def test_the_other_way_round_has_the_other_signs(results):
    there, back = compared(results, ALONE, PIPELINED), compared(results, PIPELINED, ALONE)
    assert [one.change for one in there.totals] == [-one.change for one in back.totals]
    assert there.other_segments == back.base_segments


def test_a_segment_that_takes_longer(results):
    values = json.loads(results[PIPELINED])
    times = [2 * time for time in values["segment_time"]]
    there = compared(results, PIPELINED, PIPELINED, segment_time=times)
    assert len(there.segments) > 1
    assert all(one.time.percent == 100 for one in there.segments)
    assert "(+100.0 %)" in render(there, 120)


def test_layers_in_one_result_only(results):
    schedules = json.loads(results[MLP])["schedules"]
    schedules["fc9"] = schedules.pop("fc3")
    there = compared(results, MLP, MLP, schedules=schedules)
    assert [layer.name for layer in there.layers] == ["fc1", "fc2"]
    assert (there.only_in_base, there.only_in_other) == (["fc3"], ["fc9"])
    text = render(there, 100)
    assert "only in A.json: fc3\nonly in B.json: fc9\n" in text


def test_another_network_is_compared_on_totals(results):
    there = compared(results, MLP, ALONE)
    assert not there.same_network
    assert there.layers == there.only_in_base == there.only_in_other == []
    text = render(there, 100)
    assert "other network: alex_net, not mlp_s; only totals are compared\n" in text
    assert "cost of DRAM" in text
    assert "fc1" not in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_line_fits(results, width):
    for one, two in ((ALONE, PIPELINED), (MLP_SMALL, MLP), (MLP, ALONE)):
        lines = render(compared(results, one, two), width).splitlines()
        assert max(map(len, lines)) <= width
        assert all(line == line.rstrip() for line in lines)


def test_command(results, capsys, tmp_path):
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for path, words in zip(paths, (ALONE, PIPELINED, ALONE), strict=True):
        path.write_text(results[words])
    status, out, err = run(capsys, *paths)
    assert (status, err) == (0, "")
    assert out.startswith(f"{paths[1]}, compared with the base {paths[0]}\n")
    assert f"\n\n{paths[2]}, compared with the base {paths[0]}\nthe same was searched\n" in out
    status, out, err = run(capsys, *paths, "--json")
    assert (status, err) == (0, "")
    values = json.loads(out, parse_constant=pytest.fail)
    assert values["base"] == str(paths[0])
    assert [one["file"] for one in values["results"]] == [*map(str, paths[1:])]
    first, second = values["results"]
    assert first["totals"]["cost"]["change"] < 0
    assert first["totals"]["cost of GBUF"]["percent"] is None
    assert first["layers"]["fc1"]["limits"] == ["PEs", "DRAM"]
    assert first["segments_only_in_other"][0]["groups"][0][0] == "conv1_a"
    assert second["changes"] == []
    assert second["totals"]["cost"]["percent"] == 0


def without(*keys):
    def change(values):
        for key in keys[:-1]:
            values = values[key]
        del values[keys[-1]]

    return change


def put(value, *keys):
    def change(values):
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("version"), "version: is missing"),
        (without("schedules"), "schedules: is missing"),
        (put("x", "batch"), 'batch: must be a whole number, got "x"'),
        (put(True, "total_cost"), "total_cost: must be a number, got true"),
        (put(float("nan"), "total_cost"), "total_cost: must be a number, got NaN"),
        (put(0, "total_time"), "total_time: must be above 0"),
        (put([1, 2], "total_accesses"), "total_accesses: must be 4 numbers, got [1, 2]"),
        (
            put(None, "resource", "proc_region"),
            "resource.proc_region: must be [dim, origin, dist, type, wtot, wbeg], got null",
        ),
        (
            put([2], "resource", "dram_region", 0),
            (
                "resource.dram_region: must be [dim, origin, dist, type, wtot, wbeg], "
                "got [[2], [0, 0], [1, 1], 1, 2, 2]"
            ),
        ),
        (
            put([0, 2], "resource", "proc_region", 0),
            "resource.proc_region: must have from 1 to 65536 nodes, got [0, 2]",
        ),
        (
            put(-1, "cost", "mac_op"),
            "cost: Cost: mac_op must be a scalar, finite and not negative, got -1",
        ),
        (put([1], "machine"), "machine: must be a mapping"),
        (put(10**400, "total_cost"), f"total_cost: must be a number, got {10**56}..."),
        (
            put(10**30, "resource", "dim_array", 0),
            f"resource.dim_array: must be 2 whole numbers of at least 1, got [{10**30}, 16]",
        ),
        (put(math.inf, "curve"), "curve: must have no NaN and no infinite number"),
        (
            put(["x"] * 4, "cost", "mem_hier"),
            'cost.mem_hier: must be 4 numbers, got ["x", "x", "x", "x"]',
        ),
        (
            put([1], "schedules", "fc1"),
            ("schedules.fc1: must be [scheme, ofmap layout, [segment, spatial, temporal]]"),
        ),
        (put(0, "schedules", "fc1", 0, "time"), "schedules.fc1.time: must be above 0"),
        (without("schedules", "fc1", 0, "bus_time"), "schedules.fc1.bus_time: is missing"),
        (put([1], "segment_time"), "segment_time: must be 3 numbers, got [1]"),
    ],
)
def test_records_that_are_none(results, capsys, tmp_path, change, message):
    path = tmp_path / "other.json"
    good = tmp_path / "good.json"
    good.write_text(results[MLP])
    values = json.loads(results[MLP])
    change(values)
    path.write_text(json.dumps(values))
    told = f"nn_dataflow compare: error: {path}: {message}\n"
    assert run(capsys, good, path) == (2, "", told)


NO_RESULT = "is no result of nn_dataflow_search"
EXPECTED = "must be JSON that it, or nn_dataflow evaluate, wrote (-o FILE)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", f": {NO_RESULT}; {EXPECTED}"),
        ("{}", f": {NO_RESULT}; {EXPECTED}"),
        ('{"net": "mlp_s"}', ": version: is missing"),
        (
            "{",
            (
                f":1: {NO_RESULT}: is no JSON: Expecting property name enclosed in double quotes; "
                f"{EXPECTED}"
            ),
        ),
        (None, ": cannot be read: No such file or directory"),
    ],
)
def test_files_that_are_no_results(capsys, tmp_path, text, message):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    told = f"nn_dataflow compare: error: {path}{message}\n"
    assert run(capsys, path, path) == (2, "", told)


def test_files_of_another_kind(results, capsys, tmp_path):
    """A machine, a comparison, and a schedule of one layer are no results, and load says so too."""
    good = tmp_path / "good.json"
    good.write_text(results[MLP])
    status, comparison, _ = run(capsys, good, good, "--json")
    assert status == 0
    assert main.main(["arch", "show", "eyeriss-chip", "--json"]) == 0
    machine = capsys.readouterr().out
    memories = (Level("Buffer", 64), Level("DRAM", None))
    layer = schedule(Problem({"C": 8}), Architecture(memories))
    other = tmp_path / "other.json"
    for text in (machine, comparison, output.to_line(output.record(layer))):
        other.write_text(text)
        told = f"{other}: {NO_RESULT}; {EXPECTED}"
        assert run(capsys, good, other) == (2, "", f"nn_dataflow compare: error: {told}\n")
        with pytest.raises(InputError) as refusal:
            nn_dataflow.load(other)
        assert str(refusal.value) == told


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: RESULT.json"),
        (["a.json"], "a.json: must be followed by results to compare it with"),
        (["a.json", "b.json", "--magic"], "unrecognized arguments: --magic"),
    ],
)
def test_command_lines_that_are_refused(capsys, argv, message):
    assert run(capsys, *argv) == (2, "", f"nn_dataflow compare: error: {message}\n")


PICTURES = {
    f"{name}.{suffix}"
    for name in ("totals", "layer_energy", "layer_time")
    for suffix in ("svg", "png")
}


def test_pictures_and_report_come_beside_the_tables(results, capsys, tmp_path):
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for path, words in zip(paths, (MLP, MLP_SMALL), strict=True):
        path.write_text(results[words])
    tables = run(capsys, *paths)
    folder, report = tmp_path / "pictures", tmp_path / "r.html"
    words = [*paths, "--plot", folder, "--report", report]
    assert run(capsys, *words) == tables
    assert {file.name for file in folder.iterdir()} == PICTURES
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", "b.json", "pictures", "r.html"}
    page = parsed(report.read_text(encoding="utf-8"))
    assert page.id("command").text == " ".join(["nn_dataflow compare", *map(str, words)])


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_places_are_refused_before_anything_is_read(capsys, tmp_path, option):
    place = tmp_path / "no" / "x"
    status, out, err = run(capsys, "missing.json", "missing.json", option, place)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"nn_dataflow compare: error: {option} ")
    status, out, err = run(capsys, *["missing.json"] * 27, option, tmp_path / "x")
    assert (status, out) == (2, "")
    assert err == f"nn_dataflow compare: error: {option}: shows at most 26 results, got 27\n"


@pytest.mark.parametrize(
    ("option", "module", "package", "extra"),
    [("--plot", "matplotlib", "matplotlib", "plot"), ("--report", "jinja2", "Jinja2", "report")],
)
def test_missing_extras_are_named(capsys, tmp_path, monkeypatch, option, module, package, extra):
    monkeypatch.setitem(sys.modules, module, None)
    told = f'{option} needs {package}: pip install "nn_dataflow[{extra}]"'
    expected = (2, "", f"nn_dataflow compare: error: {told}\n")
    assert run(capsys, "missing.json", "missing.json", option, tmp_path / "x") == expected


def test_nothing_optional_is_loaded_without_need(results, capsys, tmp_path, monkeypatch):
    for name in ("matplotlib", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.json"
    path.write_text(results[MLP])
    assert run(capsys, path, path)[0] == 0


def test_report_is_as_it_was_when_writing_fails(results, capsys, tmp_path, monkeypatch):
    path, report = tmp_path / "a.json", tmp_path / "r.html"
    path.write_text(results[MLP])
    report.write_text("old")

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    status, out, err = run(capsys, path, path, "--report", report)
    assert (status, out) == (1, "")
    assert err.endswith(": cannot be written: No space left on device\n")
    assert report.read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", "r.html"}
