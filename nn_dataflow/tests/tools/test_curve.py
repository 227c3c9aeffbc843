# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve in the table, the record, the pictures and the report."""

import functools
import json
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import nn_dataflow
from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.energy_delay import Corner, Edge, EnergyDelayCurve
from nn_dataflow.report import page, plot
from nn_dataflow.tests.tools.drawn_texts import overlaps, texts_of
from nn_dataflow.tools import nn_dataflow_search as tool
from nn_dataflow.tools.curve_table import curve_table
from nn_dataflow.tools.result_json import record
from nn_dataflow.tools.result_table import render
from nn_dataflow.tools.search_arguments import parse_arguments

COMMAND = ("alex_net", "--arch", "tetris-t16", "--hybrid-partition", "--pareto")


@functools.cache
def result():
    arguments = parse_arguments(COMMAND)
    return tool.search(arguments, tool.describe(arguments))


def test_ends_are_the_best_of_two_goals():
    corners = result().curve.corners
    assert len(corners) > 2
    assert corners[0].cost == pytest.approx(result().best.total_cost)
    fastest = nn_dataflow.search("alex_net", arch="tetris-t16", hybrid_partition=True, goal="d")
    assert corners[-1].time == fastest.time
    assert corners[-1].cost == pytest.approx(fastest.energy)


def test_record():
    values = json.loads(json.dumps(record(result(), "1")))
    curve = values["curve"]
    assert curve["complete"] is True
    assert [one["total_cost"] for one in curve["corners"]] == [
        corner.cost for corner in result().curve.corners
    ]
    for one in curve["corners"]:
        layers = one["schedules"].values()
        assert sum(scheme["time"] for scheme, _, _ in layers) == one["total_time"]
        assert sum(scheme["cost"] for scheme, _, _ in layers) == pytest.approx(one["total_cost"])
        assert sum(one["segment_time"]) == one["total_time"]
    assert [edge["gap"] for edge in curve["edges"]] == [0] * (len(curve["corners"]) - 1)
    assert 30 < values["log10_schedules"] < 300


def test_no_curve_unless_asked_for():
    arguments = parse_arguments(["mlp_s"])
    plain = tool.search(arguments, tool.describe(arguments))
    assert plain.curve is None
    assert record(plain, "1")["curve"] is None
    assert "energy-delay" not in render(plain, 100)
    assert 'id="curve"' not in page.render(plain, "1")
    assert plot.CURVE not in dict(plot.figures(plain))


@pytest.mark.parametrize("width", [80, 120])
def test_table(width):
    lines = render(result(), width).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("energy-delay curve"))
    block = lines[start : lines.index("", lines.index("", start) + 1)]
    assert max(map(len, block)) <= width
    rows = [line.split() for line in block[-len(result().curve.corners) :]]
    assert [row[0] for row in rows] == [str(n + 1) for n in range(len(rows))]
    assert [row[-1] for row in rows[1:]] == ["proven"] * (len(rows) - 1)
    assert rows[0][3] == rows[-1][4] == "0"
    assert any(line.startswith("effort  10^") for line in lines)


def edge(gap):
    return Edge(2.0, Certificate(1000.0, 1000.0 * (1 - gap)))


@pytest.mark.parametrize(
    ("edges", "least_time", "said"),
    [
        ((edge(0),), 200.0, "none is below the lines"),
        ((edge(0.0123),), 200.0, "others may be below the lines"),
        ((edge(0),), 100.0, "or beyond the ends"),
        ((), 300.0, "one schedule has the least cost and the least time"),
        ((), 0.0, "one schedule is known; others may have less cost or take less time"),
    ],
)
def test_what_is_said_of_a_curve(edges, least_time, said):
    corners = [Corner(None, 400.0, 300.0), Corner(None, 600.0, 200.0)][: len(edges) + 1]
    ends = Certificate(400.0, 400.0), Certificate(corners[-1].time, least_time)
    text = " ".join(
        " ".join(curve_table(EnergyDelayCurve(tuple(corners), edges, ends), "units", 100)).split()
    )
    assert said in text
    assert ("1.23 %" in text) == ("others may be below" in said)


def test_nothing_is_the_least():
    """Where hops alone cost anything, the cheapest schedule may cost nothing."""
    corners = Corner(None, 0.0, 300.0), Corner(None, 600.0, 200.0)
    ends = Certificate(0.0, 0.0), Certificate(200.0, 200.0)
    lines = curve_table(EnergyDelayCurve(corners, (edge(0),), ends), "units", 100)
    assert any("inf" in line.split() for line in lines)


def test_picture():
    """Every corner has its number, beside it and inside the picture."""
    figure = dict(plot.figures(result()))[plot.CURVE]
    figure.draw_without_rendering()
    (axis,) = figure.axes
    notes = {text.get_text(): text.get_window_extent() for text in axis.texts}
    assert sorted(notes, key=int) == [str(n + 1) for n in range(len(result().curve.corners))]
    frame = figure.bbox
    for note in notes.values():
        assert frame.x0 <= note.x0 < note.x1 <= frame.x1
        assert frame.y0 <= note.y0 < note.y1 <= frame.y1
    assert axis.get_xlabel() == "time (M cycles)"
    assert axis.get_ylabel() == "energy (mJ)"


def test_numbers_of_corners_that_are_close_do_not_overlap():
    """Where there is no room for all, the ends have theirs."""
    corners = [Corner(None, 1e9 + 1e6 * n * n, 3e6 - 5e3 * n) for n in range(90)]
    edges = [edge(0)] * 89
    ends = Certificate(1.0, 1.0), Certificate(1.0, 1.0)
    crowded = result()._replace(curve=EnergyDelayCurve(tuple(corners), tuple(edges), ends))
    texts = texts_of(dict(plot.figures(crowded))[plot.CURVE])
    assert overlaps(texts) == []
    named = {text for text, _ in texts} & {str(n + 1) for n in range(90)}
    assert {"1", "90"} <= named
    assert len(named) > 10


class Values(HTMLParser):
    """The values of the table of the curve, row by row."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.inside = False

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "table":
            self.inside = values.get("id") == "curve-table"
        if self.inside and tag == "tr":
            self.rows.append([])
        if self.inside and tag in ("td", "th") and "data-value" in values:
            self.rows[-1].append(float(values["data-value"]))


def test_report():
    parser = Values()
    parser.feed(page.render(result(), "1"))
    rows = [row for row in parser.rows if row]
    assert [(row[1], row[2]) for row in rows] == [
        (corner.cost, corner.time) for corner in result().curve.corners
    ]


def test_command():
    """The whole program, without pictures."""
    made = subprocess.run(
        [sys.executable, "-m", "nn_dataflow.tools.nn_dataflow_search", *COMMAND],
        capture_output=True,
        text=True,
        check=True,
    )
    corners = json.loads(made.stdout)["curve"]["corners"]
    assert len(corners) == len(result().curve.corners)
    assert made.stderr == ""


def test_interrupted(monkeypatch):
    """What is known of the curve is shown, and that the search was interrupted."""
    searches = []

    def search(dataflow, options, **keywords):
        searches.append(options.opt_goal)
        if len(searches) == 5:
            raise KeyboardInterrupt
        return original(dataflow, options, **keywords)

    original = tool_search()
    monkeypatch.setattr("nn_dataflow.core.nn_dataflow.NNDataflow.schedule_search", search)
    arguments = parse_arguments(COMMAND)
    found = tool.search(arguments, tool.describe(arguments))
    assert found.interrupted
    assert 2 <= len(found.curve.corners) < len(result().curve.corners)
    assert not found.curve.is_complete
    assert "may be below" in render(found, 100)


def tool_search():
    from nn_dataflow.core.nn_dataflow import NNDataflow  # noqa: PLC0415

    return NNDataflow.schedule_search
