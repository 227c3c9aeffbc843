# SPDX-License-Identifier: BSD-3-Clause
"""Tests of ``nn_dataflow evaluate`` with several schedules, and a curve (docs/evaluate.md)."""

import copy
import json
from itertools import pairwise

import pytest

from nn_dataflow.machines.machine_file import load, values_of
from nn_dataflow.tools import main, nn_dataflow_search
from nn_dataflow.tools.curve_table import curve_table
from nn_dataflow.tools.evaluate_command import evaluated
from nn_dataflow.tools.stored_result import read_result
from nn_dataflow.tools.stored_schedules import curve_among

MACHINE = "tetris-t16"
WORDS = f"alex_net --arch {MACHINE} --hybrid-partition --pareto --top 3 --processes 1"


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "result.json"
    assert nn_dataflow_search.main([*WORDS.split(), "-o", str(path)]) == 0
    return json.loads(path.read_text())


@pytest.fixture
def evaluate(capsys, tmp_path, record):
    """Evaluate the record, changed and on a machine with some fields changed; return JSON."""

    def run(change=None, status=0, **fields):
        values = copy.deepcopy(record)
        if change is not None:
            change(values)
        path = tmp_path / "result.json"
        path.write_text(json.dumps(values))
        words = ["--arch", machine(tmp_path, **fields)] if fields else []
        assert main.main(["evaluate", str(path), *words]) == status
        out, err = capsys.readouterr()
        return (json.loads(out) if out else None), err.replace(f"{tmp_path}/", "")

    return run


def machine(folder, **fields):
    values = values_of(load(MACHINE))
    for name, value in fields.items():
        values["cost" if name in values["cost"] else "resource"][name] = value
    path = folder / "machine.json"
    path.write_text(json.dumps(values))
    return str(path)


def test_all_is_kept_on_the_stored_machine(evaluate, record):
    """To the last bit, with what is proven."""
    values, err = evaluate()
    assert err == ""
    assert len(record["others"]) == 2
    assert len(record["curve"]["corners"]) > 2
    assert record["curve"]["complete"] is True
    for key in ("others", "curve"):
        assert values[key] == record[key]


def test_an_incomplete_curve_stays_incomplete(evaluate):
    def change(values):
        values["curve"]["complete"] = False
        values["curve"]["edges"][0] |= {"lower_bound": 1.0}

    values, _ = evaluate(change)
    curve = values["curve"]
    assert curve["complete"] is False
    assert [edge["optimal"] for edge in curve["edges"]][:2] == [False, True]
    assert curve["edges"][0]["lower_bound"] == 1


def test_figures_that_are_not_the_stored_ones_prove_nothing(evaluate):
    def change(values):
        values["curve"]["corners"][1]["total_cost"] += 1

    values, err = evaluate(change)
    assert err == ""
    assert values["curve"]["complete"] is False
    assert {edge["lower_bound"] for edge in values["curve"]["edges"]} == {0}
    assert values["certificate"]["optimal"] is True  # that of the best one is another proof


def test_other_costs_of_every_schedule(evaluate, record):
    """Static energy, which is all there is of it: schedules of less energy take less time."""
    free = dict.fromkeys(("DRAM", "GBUF", "ITCN", "REGF"), 0)
    values, err = evaluate(mem_hier=free, mac_op=0, noc_hop=0, idl_unit=3)
    assert err == ""
    assert values["evaluated"]["left_out"] == []
    for before, after in zip(record["others"], values["others"], strict=True):
        assert after["total_time"] == before["total_time"]
        assert after["total_cost"] == 3 * after["total_time"]
    curve = values["curve"]
    assert curve["complete"] is False
    assert curve["edges"] == []
    (only,) = curve["corners"]
    assert only["total_time"] == min(one["total_time"] for one in record["curve"]["corners"])


def test_the_curve_of_another_machine_is_a_hull(evaluate, record):
    """Dearer hops; every schedule of the file is on it or above it, and none is proven to be."""
    values, err = evaluate(noc_hop=400, idl_unit=0)
    assert err == ""
    corners, edges = values["curve"]["corners"], values["curve"]["edges"]
    assert 1 < len(corners) <= len(record["curve"]["corners"]) + 3
    assert len(edges) == len(corners) - 1
    for one, two in pairwise(corners):
        assert one["total_cost"] < two["total_cost"]
        assert one["total_time"] > two["total_time"]
    worths = [edge["worth"] for edge in edges]
    assert worths == sorted(worths)
    for edge in edges:
        assert (edge["lower_bound"], edge["optimal"]) == (0, False)
        for one in (values, *values["others"]):
            value = one["total_cost"] + edge["worth"] * one["total_time"]
            assert value >= edge["value"] * (1 - 1e-9)


def test_what_does_not_fit_is_left_out(evaluate, record):
    """And where it is, is said, and why."""

    def largest(values):
        return max(sum(scheme["size"][0]) for scheme, _, _ in values["schedules"].values())

    beside = [*record["others"], *record["curve"]["corners"]]
    room = max(map(largest, [record, *record["others"]]))
    num_fitting = sum(largest(one) <= room for one in beside)
    assert num_fitting < len(beside)
    values, err = evaluate(size_gbuf=f"{room} words")
    left_out = values["evaluated"]["left_out"]
    assert len(left_out) == len(beside) - num_fitting
    assert len(values["others"]) == 2
    first = f"nn_dataflow evaluate: result.json: left out: {left_out[0]}"
    assert err.startswith(first)
    assert err.count("\n") == 1
    assert left_out[0].startswith("curve.corners.")
    assert f" more than size_gbuf {room}" in left_out[0]
    assert values["curve"]["complete"] is False


def test_no_gap_is_told_where_nothing_is_proven(tmp_path, record):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))
    result, _ = evaluated(str(path), read_result(str(path)), machine(tmp_path, noc_hop=400), None)
    text = "\n".join(curve_table(result.curve, "pJ", 100))
    assert "others may be below the lines between them, or beyond the ends" in " ".join(
        text.split()
    )
    assert " unknown" in text
    assert "proven" not in text
    assert "100 %" not in text


def test_curve_among_equal_schedules(tmp_path, record):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))
    result, _ = evaluated(str(path), read_result(str(path)), None, None)
    curve = curve_among([result.best, result.best])
    assert [corner.scheme for corner in curve.corners] == [result.best]
    assert not curve.is_complete


def test_a_report_made_later_has_the_curve(tmp_path, record):
    pytest.importorskip("jinja2")
    path, report = tmp_path / "result.json", tmp_path / "report.html"
    path.write_text(json.dumps(record))
    assert main.main(["evaluate", str(path), "--report", str(report), "--json"]) == 0
    assert 'id="curve"' in report.read_text()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("others",), 3, "others: must be a list"),
        (("others",), [3], "others.0 must be a mapping"),
        (("others", 1, "total_cost"), "x", 'others.1.total_cost: must be a number, got "x"'),
        (("curve",), [], "curve: must be a mapping"),
        (("curve", "corners"), [], "curve.edges: must be one less than corners (0), got "),
        (("curve", "edges", 0, "worth"), None, "curve.edges.0.worth: must be a number, got null"),
        (("curve", "corners", 1, "schedules"), [], "curve.corners.1.schedules: must be a mapping"),
    ],
)
def test_refusals_name_the_key(evaluate, keys, value, message):
    def change(values):
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = value

    _, err = evaluate(change, status=2)
    assert err.startswith(f"nn_dataflow evaluate: error: result.json: {message}")


def test_results_without_these_keys(evaluate):
    """As those of older versions."""

    def change(values):
        del values["others"], values["curve"]

    values, err = evaluate(change)
    assert err == ""
    assert (values["others"], values["curve"]) == ([], None)
