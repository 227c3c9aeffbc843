# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the pictures of a comparison (docs/compare.md section 4)."""

import math
import xml.etree.ElementTree as ET
from functools import lru_cache

import pytest

from nn_dataflow.report import compare_plot
from nn_dataflow.report.compared import compared
from nn_dataflow.report.layer_rows import in_order
from nn_dataflow.tests.tools.compared_results import FOLDER, WORDS, comparisons
from nn_dataflow.tests.tools.drawn_texts import bars, outside, overlaps, texts_of
from nn_dataflow.tools.comparison_table import percent_text
from nn_dataflow.tools.table_text import shorten

LAYERS = ("layer_energy", "layer_time")


@lru_cache
def pictures(name):
    """The figure and the texts of each picture of a comparison."""
    return {
        picture: (figure, texts_of(figure))
        for picture, figure in compare_plot.figures(comparisons(name))
    }


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def shown_bars(axis):
    """Row, begin and end of the bars that are not shaded rows."""
    return [bar for part in axis.collections if part.get_zorder() > 0 for bar in bars(part)]


@pytest.mark.parametrize("name", WORDS)
def test_texts_do_not_overlap_and_are_inside(name):
    assert tuple(pictures(name)) == ("totals", *LAYERS)
    for figure, texts in pictures(name).values():
        assert outside(figure, texts) == []
        assert overlaps(texts) == []


@pytest.mark.parametrize("name", WORDS)
def test_letters_and_files(name):
    """Every picture tells all of them; the name of a file that is too long is in several lines."""
    results = [comparisons(name)[0].base, *(one.other for one in comparisons(name))]
    for _, texts in pictures(name).values():
        written = "".join(text.strip() for text, _ in texts).replace(" ", "")
        for letter, one in zip("ABCDEF", results, strict=False):
            assert f"{letter}:{one.path}" in written
        assert written.count("(base)") == 1
    rows = [text for text, _ in pictures(name)["totals"][1] if text in "ABCDEF"]
    assert rows == [*"ABCDEF"[: len(results)]]


def test_long_names_of_files_are_there():
    assert len(FOLDER) > 60
    assert comparisons("six")[4].other.path.startswith(FOLDER)


@pytest.mark.parametrize("name", WORDS)
def test_bars_of_totals(name):
    shown = compared(comparisons(name))
    left, right = pictures(name)["totals"][0].axes
    lengths = [0.0] * len(shown.results)
    for row, begin, end in shown_bars(left):
        assert begin == pytest.approx(lengths[row])
        lengths[row] = end
    expected = [math.fsum(in_order(one.components())) for one in shown.results]
    assert [shown.whole_cost.factor * end for end in lengths] == pytest.approx(expected)
    times = [end * shown.total_time.factor for _, _, end in shown_bars(right)]
    assert times == pytest.approx([one.total_time for one in shown.results])
    assert left.get_xlabel() == shown.whole_cost.label
    assert right.get_xlabel().startswith("time (")
    texts = [text for text, _ in pictures(name)["totals"][1]]
    for one in comparisons(name):
        percent = percent_text(one.totals[1]).replace("-", "−")
        assert any(text.endswith(f" ({percent} %)") for text in texts)


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("picture", LAYERS)
def test_bars_of_layers_are_the_changes(name, picture):
    shown = compared(comparisons(name))
    what = picture.removeprefix("layer_").replace("energy", "cost")
    unit = {"cost": shown.cost_change, "time": shown.time_change}[what]
    figure, texts = pictures(name)[picture]
    letters = [letter for letter, _ in shown.layered]
    columns = len(figure.axes) // len(letters)
    assert titles(figure) == [f"{letter} against A" for letter in letters] * columns
    assert {axis.get_xlabel() for axis in figure.axes} == {f"change of {unit.label}"}
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    for number, (_, one) in enumerate(shown.layered):
        changes = []
        for axis in figure.axes[number :: len(letters)]:
            found = sorted(shown_bars(axis))
            assert all(begin == 0 or end == 0 for _, begin, end in found)
            changes += [(begin + end) * unit.factor for _, begin, end in found]
        expected = {layer.name: getattr(layer, what).change for layer in one.layers}
        in_order_of_rows = [expected.get(row.name, 0.0) for row in shown.rows]
        assert changes == pytest.approx([change for change in in_order_of_rows if change])
    numbers = [text for text, _ in texts if text[:1] in "+−" and text[1:2].isdigit()]
    signs = [text[0] for text in numbers]
    changes = [one.change for row in shown.rows for one in getattr(row, what) if one is not None]
    tiny = sum(text[:2] in ("+<", "−<") for text, _ in texts)
    assert len(signs) == sum(change != 0 for change in changes) - tiny + _ticks(figure, texts)


def _ticks(figure, texts):
    """Numbers with a minus sign that are below the axes."""
    lowest = min(axis.get_window_extent().y0 for axis in figure.axes)
    return sum(text.startswith("−") and box[3] < lowest for text, box in texts)


def test_every_layer_has_its_row():
    shown = compared(comparisons("resnet152"))
    names = [shorten(row.name) for row in shown.rows]
    assert len(names) > 150
    for picture in LAYERS:
        texts = [text for text, _ in pictures("resnet152")[picture][1]]
        assert [text for text in texts if text in set(names)] == names


def test_layers_in_one_result_only_are_told():
    base, others = comparisons("six")[0].base, [one.other for one in comparisons("six")]
    assert "fc2" in base.layers
    assert all("fc2" not in one.layers for one in others)
    for picture in LAYERS:
        texts = [text for text, _ in pictures("six")[picture][1]]
        assert texts.count("only in A") == 5
        for letter in "BCDEF":
            assert texts.count(f"only in {letter}") == 1
        assert texts.count("in neither") == 3 * 5 - 5


def test_another_network_has_totals_only():
    assert titles(pictures("networks")["layer_time"][0]) == ["B against A"]
    only = [one for one in comparisons("networks") if not one.same_network]
    assert [*dict(compare_plot.figures(only))] == ["totals"]


def test_results_that_do_not_differ():
    for picture in LAYERS:
        figure, _ = pictures("alike")[picture]
        assert all(shown_bars(axis) == [] for axis in figure.axes)


def test_files_are_the_same_every_time():
    files = dict(compare_plot.files(comparisons("alike")))
    names = [f"{name}.{suffix}" for name in ("totals", *LAYERS) for suffix in ("svg", "png")]
    assert [*files] == names
    assert dict(compare_plot.files(comparisons("alike"))) == files
    for name, contents in files.items():
        if name.endswith(".png"):
            assert contents.startswith(b"\x89PNG")
        else:
            assert ET.fromstring(contents).tag.endswith("}svg")
