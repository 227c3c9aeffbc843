# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the pictures of a result (docs/report.md sections 2 to 5)."""

import xml.etree.ElementTree as ET
from functools import lru_cache

import matplotlib as mpl
import numpy as np
import pytest

from nn_dataflow.report import plot
from nn_dataflow.report.contents import contents_of
from nn_dataflow.report.layer_rows import PARTS
from nn_dataflow.tests.tools.drawn_results import WORDS, record, result
from nn_dataflow.tests.tools.drawn_texts import bars, outside, overlaps, texts_of
from nn_dataflow.tests.tools.pipelined_result import found

PICTURES = ("energy", "time", "roofline", "nodes", "pipeline")
SVG = "{http://www.w3.org/2000/svg}"


@lru_cache
def pictures(name):
    """The figure and the texts of each picture of a result."""
    found = {}
    for picture, figure in plot.figures(result(name)):
        found[picture] = (figure, texts_of(figure))
    return found


@pytest.fixture(scope="module", params=WORDS)
def drawn(request):
    """The name of a result, and its pictures."""
    return request.param, pictures(request.param)


@pytest.fixture(scope="module")
def files():
    return dict(plot.files(found("mlp_s -p 1")))


def test_all_pictures(drawn):
    assert tuple(drawn[1]) == PICTURES


@pytest.mark.parametrize("picture", PICTURES)
def test_texts_do_not_overlap_and_are_inside(drawn, picture):
    figure, texts = drawn[1][picture]
    assert outside(figure, texts) == []
    assert overlaps(texts) == []


def test_every_layer_has_its_row(drawn):
    name, drawings = drawn
    layers = [*record(name)["schedules"]]
    for picture in ("energy", "time", "pipeline"):
        texts = [text.split("  ")[0] for text, _ in drawings[picture][1]]
        assert [text for text in texts if text in layers] == layers


def test_axes_have_units(drawn):
    name, drawings = drawn
    labels = {
        picture: {label for axis in figure.axes if (label := axis.get_xlabel())}
        for picture, (figure, _) in drawings.items()
    }
    cost = {"resnet152": "energy (mJ)", "lstm_gnmt": "cost (M MAC)"}
    assert labels["energy"] == {cost.get(name, "cost (G MAC)")}
    assert "PEs busy (% of time)" in labels["time"]
    for label in labels["time"] - {"PEs busy (% of time)"} | labels["pipeline"]:
        assert label.startswith("time (")
        assert label.endswith("cycles)")
    (roofline,) = drawings["roofline"][0].axes
    assert "words of 16 bits" in roofline.get_xlabel()
    assert roofline.get_ylabel() == "operations per cycle"


def test_bars_of_energy_are_the_costs():
    contents = contents_of(result("lstm_gnmt"))
    (axis,) = pictures("lstm_gnmt")["energy"][0].axes
    assert len(axis.collections) == len(PARTS)
    ends = [0.0] * len(contents.rows)
    for number, collection in enumerate(axis.collections):
        lengths = {row: (end - begin) for row, begin, end in bars(collection)}
        assert {row: begin for row, begin, _ in bars(collection)} == pytest.approx(
            {row: ends[row] for row in lengths}
        )
        for row, shown in enumerate(contents.rows):
            length = lengths.get(row, 0.0) * contents.layer_cost.factor
            assert length == pytest.approx(shown.costs[number])
            ends[row] += lengths.get(row, 0.0)
    costs = [layer[0]["cost"] for layer in record("lstm_gnmt")["schedules"].values()]
    assert np.array(ends) * contents.layer_cost.factor == pytest.approx(costs)


def test_bars_of_the_pipeline_are_the_times():
    contents = contents_of(result("googlenet"))
    figure, _ = pictures("googlenet")["pipeline"]
    factor = contents.whole_time.factor
    rest = [*contents.rows]
    for axis in figure.axes:
        segments, *groups = [bars(part) for part in axis.collections if len(part.get_paths()) > 0]
        rows, rest = rest[: len(segments)], rest[len(segments) :]
        times = {place: (begin, end) for group in groups for place, begin, end in group}
        assert sorted(times) == [*range(len(rows))]
        for (place, *segment), row in zip(segments, rows, strict=True):
            assert np.array(times[place]) * factor == pytest.approx((row.start, row.end))
            assert np.array(segment) * factor == pytest.approx(contents.spans[row.segment][:2])
    assert rest == []


def test_costs_of_zero():
    """There are no bars, and nothing is divided by them."""
    free = found("mlp_s --op-cost 0 --hier-cost 0 0 0 0 --hop-cost 0 -p 1")
    figure = dict(plot.figures(free))["energy"]
    assert all(bars(collection) == [] for axis in figure.axes for collection in axis.collections)


def test_names_are_no_formulas():
    plain = found("mlp_s -p 1")
    strange = plain._replace(problem=plain.problem._replace(net=r"a$\frac$b$"))
    for _, figure in plot.figures(strange):
        assert r"a$\frac$b$" in "".join(text for text, _ in texts_of(figure))


def test_files(files):
    assert [*files] == [f"{name}.{suffix}" for name in PICTURES for suffix in ("svg", "png")]
    for name, contents in files.items():
        if name.endswith(".png"):
            assert contents.startswith(b"\x89PNG")
        else:
            assert ET.fromstring(contents).tag == f"{SVG}svg"


def test_same_result_same_files_whatever_the_user_has_set(files):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert dict(plot.files(found("mlp_s -p 1"))) == files
        assert dict(mpl.rcParams) == before
