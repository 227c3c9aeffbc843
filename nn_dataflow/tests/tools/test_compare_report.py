# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the report of a comparison (docs/compare.md section 4)."""

import json
from functools import lru_cache

import pytest

from nn_dataflow.report.compare_page import render
from nn_dataflow.tests.tools.compared_results import WORDS, comparisons, values
from nn_dataflow.tests.tools.report_page import (
    check_nothing_is_loaded,
    check_soundness,
    columns,
    parsed,
)
from nn_dataflow.tests.tools.report_page import values as numbers
from nn_dataflow.tools import main
from nn_dataflow.tools.comparison import compare
from nn_dataflow.tools.result_record import ResultRecord

VERSION = "3.1+test"
COMMAND = "nn_dataflow compare 0.json 1.json"


@lru_cache
def report(name):
    """The text and the page of a comparison."""
    text = render(comparisons(name), VERSION, COMMAND)
    return text, parsed(text)


def pairs(name):
    """Letters and comparisons of those with layers."""
    several = zip("BCDEFG", comparisons(name), strict=False)
    return [(letter, one) for letter, one in several if one.same_network]


@pytest.mark.parametrize("name", WORDS)
def test_page_is_sound(name):
    text, page = report(name)
    check_soundness(text, page)
    check_nothing_is_loaded(text, page)
    assert page.id("command").text == COMMAND
    assert VERSION in page.id("again").text


@pytest.mark.parametrize("name", WORDS)
def test_results(name):
    table = columns(report(name)[1].id("result-table"))
    results = [comparisons(name)[0].base, *(one.other for one in comparisons(name))]
    assert [cell.text for cell in table["file"]] == [one.path for one in results]
    assert [cell.text for cell in table["network"]] == [one.net for one in results]
    assert [int(cell["data-value"]) for cell in table["batch"]] == [one.batch for one in results]
    gaps = [float(cell["data-value"]) for cell in table["gap"]]
    assert gaps == [one.certificate.gap for one in results]
    assert table["result"][0].text == "A (base)"


def test_what_changed():
    page = report("pipelined")[1]
    rows = {row[0].text: row[1:] for row in page.id("change-table").rows()}
    assert {field: [cell.text for cell in cells] for field, cells in rows.items()} == {
        "options.partition_interlayer": ["false", "true", "false"],
        "options.layer_pipeline_max_degree": ["unlimited", "2.0", "unlimited"],
        "resource.size_gbuf": ["65536", "65536", "16384"],
        "resource.dram_bandwidth": ["unlimited", "unlimited", "16.0"],
    }
    bold = {field: [bool(cell.all("strong")) for cell in cells] for field, cells in rows.items()}
    assert bold["options.partition_interlayer"] == [False, True, False]
    assert bold["resource.size_gbuf"] == [False, False, True]
    same = [item.text for item in page.id("changes").all("details")[0].all("li")]
    assert "net: alex_net" in same
    assert not any(item.startswith("resource.size_gbuf") for item in same)


def test_nothing_changed():
    page = report("alike")[1]
    assert "The same was searched." in page.id("changes").text
    assert "change-table" not in page.ids
    for what in ("cost", "time"):
        assert f"B-{what}" not in page.ids
        assert f"Every layer in both has the same {what}." in page.id("B").text


@pytest.mark.parametrize("name", WORDS)
def test_totals(name):
    page = report(name)[1]
    several = comparisons(name)
    table = columns(page.id("total-table"))
    assert numbers(table["A"]) == [one.base for one in several[0].totals]
    for letter, one in zip("BCDEF", several, strict=False):
        assert numbers(table[letter]) == [total.other for total in one.totals]
        for cell, total in zip(table[letter], one.totals, strict=True):
            told = cell.all("small")[0].text
            signs = {1: "+", 0: "0", -1: "−"}[(total.change > 0) - (total.change < 0)]
            assert told.startswith(signs)
            assert told.endswith("%") == bool(total.change and total.base)
    for place, what in enumerate(("cost", "time")):
        rows = page.id(f"{what}-totals").rows()
        totals = [one.totals[place] for one in several]
        shown = [several[0].totals[place].base, *(one.other for one in totals)]
        assert [float(row[2]["data-value"]) for row in rows] == shown
        percents = [float(row[3]["data-value"]) for row in rows]
        assert percents == [0, *(one.percent for one in totals)]
        lengths = [sum(float(part["width"][:-1]) for part in row[1].all("rect")) for row in rows]
        if what == "time":
            assert lengths == pytest.approx([100 * one / max(shown) for one in shown], abs=0.01)
        assert max(lengths) == pytest.approx(100, abs=0.01)


def test_totals_have_the_names_of_the_bars():
    cells = [cell.text for cell in columns(report("resnet152")[1].id("total-table"))["total"]]
    assert cells[:5] == [
        *("energy J", "time G cycles", "energy x time J x G cycles"),
        *("energy of operations mJ", "energy of memory mJ"),
    ]
    assert "buffer accesses M words" in cells


@pytest.mark.parametrize("name", WORDS)
def test_layers(name):
    page = report(name)[1]
    for letter, one in pairs(name):
        rows = page.id(f"{letter}-layers").rows()
        assert [row[0].text for row in rows] == [layer.name for layer in one.layers]
        for row, layer in zip(rows, one.layers, strict=True):
            told = [float(cell["data-value"]) for cell in row[2:10]]
            assert told == [
                number
                for two in (layer.cost, layer.time)
                for number in (two.base, two.other, two.change, two.percent)
            ]
            assert set(layer.limits) == {*row[10].text.split(" → ")}
            assert row[11].text == (", ".join(layer.changed) or "–")
            for cell, change in ((row[4], layer.cost.change), (row[8], layer.time.change)):
                assert cell.text[0] == ("+" if change > 0 else "−" if change < 0 else "0")


@pytest.mark.parametrize("name", ["pipelined", "six", "resnet152", "buffers"])
def test_bars_of_layers_have_one_zero_and_one_scale(name):
    page = report(name)[1]
    for what in ("cost", "time"):
        scales, zeros = set(), set()
        for letter, one in pairs(name):
            changes = {layer.name: getattr(layer, what).change for layer in one.layers}
            if not any(changes.values()):
                assert f"{letter}-{what}" not in page.ids
                continue
            for name_cell, bar, cell in page.id(f"{letter}-{what}").rows():
                (line,) = bar.all("line")
                zero = float(line["x1"].removesuffix("%"))
                zeros.add(zero)
                change = changes.get(name_cell.text)
                if change is None:
                    assert cell.text in ("only in A", f"only in {letter}")
                parts = bar.all("rect")
                assert len(parts) == bool(change)
                for part in parts:
                    begin, length = (float(part[key].removesuffix("%")) for key in ("x", "width"))
                    assert part["class"] == ("f-more" if change > 0 else "f-less")
                    edge = begin if change > 0 else begin + length
                    assert edge == pytest.approx(zero, abs=0.01)
                    if length > 5:
                        scales.add(round(abs(change) / length / 1e-9))
        assert len(zeros) <= 1
        assert max(scales, default=1) <= 1.01 * min(scales, default=1)


def test_layers_in_one_result_only():
    texts = [item.text for item in report("six")[1].id("C").all("p")]
    assert "Only in A: fc2." in texts
    assert "Only in C: renamed_2_fc2." in texts


def test_segments_that_differ():
    (_, one), _ = pairs("pipelined")
    table = columns(report("pipelined")[1].id("B-segments"))
    expected = [(number, segment.time) for number, segment in one.other_segments]
    assert expected
    assert {cell.text for cell in table["segment"]} == {"only in B"}
    told = [*zip(map(int, texts(table["number"])), numbers(table["time B"]), strict=True)]
    assert told == expected
    groups = [" | ".join(map(", ".join, segment.groups)) for _, segment in one.other_segments]
    assert texts(table["layers"]) == groups
    assert {cell.text for cell in table["time A"]} == {"–"}


def texts(cells):
    return [cell.text for cell in cells]


def test_another_network():
    page = report("networks")[1]
    assert "C is of another network, alex_net; only its totals are compared." in page.text
    assert "C" not in page.ids
    assert "B" in page.ids
    assert page.all("h1")[0].text == "Comparison: mlp_s, batch 16 and 4; alex_net, batch 4"


def test_costs_in_other_units():
    record = values("mlp_s")
    other = {**record, "machine": {**record["machine"], "cost_unit": "pJ"}}
    both = compare(ResultRecord("a", record), ResultRecord("b", other))
    page = parsed(render([both], VERSION))
    assert "Costs are in different units: A in MAC, B in pJ." in page.id("results").text
    assert "MAC and pJ" in page.id("cost-totals").text


def test_costs_of_nothing():
    """No bar is divided by zero; percents of nothing are a dash, and beyond all others."""
    record = values("mlp_s")
    free = json.loads(json.dumps(record))
    free["total_cost"] = 0
    free["cost"].update(mac_op=0, mem_hier=[0] * 4, noc_hop=0, idl_unit=0)
    for layer, *_ in free["schedules"].values():
        layer["cost"] = 0
    page = parsed(render([compare(ResultRecord("a", free), ResultRecord("b", record))], VERSION))
    percents = columns(page.id("cost-totals"))["change"]
    assert (percents[1].text, percents[1]["data-value"]) == ("-", "Infinity")
    both = compare(ResultRecord("a", free), ResultRecord("b", free))
    assert parsed(render([both], VERSION)).id("cost-totals").all("rect") == []


def test_all_values_are_escaped():
    """Names come from files that others may have written."""
    record = values("mlp_s")
    name = '<b onclick="x">\'&amp;_\u2028'
    schedules = {**record["schedules"], name: record["schedules"]["fc3"]}
    del schedules["fc3"]
    evil = {**record, "net": "<script>alert(1)</script>", "schedules": schedules}
    machine = {**record["machine"], "name": "<i>mine</i>"}
    more = {**evil, "machine": machine, "schedules": {**schedules, "<u>": schedules[name]}}
    both = compare(ResultRecord("<s>a", evil), ResultRecord("<s>b", more))
    page = parsed(render([both], "<em>1</em>", "a '<q>' && b"))
    for tag in ("b", "i", "u", "s", "em", "q"):
        assert page.all(tag) == []
    assert len(page.all("script")) == 1
    assert page.id("B-layers").rows()[-1][0].text == name
    assert "Only in B: <u>." in page.id("B").text
    assert page.id("command").text == "a '<q>' && b"


def test_no_result_is_overwritten(capsys, tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        path.write_text("{}")
    for path in paths:
        assert main.main(["compare", *map(str, paths), "--report", str(path)]) == 2
        assert capsys.readouterr().err.endswith("which it would overwrite\n")
        assert path.read_text() == "{}"


def test_same_results_same_report():
    again = render(comparisons("buffers"), VERSION, COMMAND)
    assert again == report("buffers")[0]
