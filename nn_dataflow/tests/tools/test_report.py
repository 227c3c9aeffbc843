# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the report of a result (docs/report.md section 6)."""

import math
import re

import pytest

from nn_dataflow.core.layer import FCLayer, InputLayer
from nn_dataflow.core.network import Network
from nn_dataflow.report import page_tables
from nn_dataflow.report.contents import contents_of
from nn_dataflow.report.layer_rows import PARTS
from nn_dataflow.report.page import render
from nn_dataflow.report.palette import GROUP_FILLS, KIND_COLOURS, PART_FILLS
from nn_dataflow.tests.tools.drawn_results import WORDS, record, result
from nn_dataflow.tests.tools.pipelined_result import found, two_groups
from nn_dataflow.tests.tools.report_page import (
    check_nothing_is_loaded,
    check_soundness,
    columns,
    parsed,
    values,
)
from nn_dataflow.tools.loop_nest import explain

VERSION = "3.1+test"


@pytest.fixture(scope="module", params=WORDS)
def case(request):
    """The name of a result, its record, the text of its report, and the page."""
    text = render(result(request.param), VERSION, f"nn_dataflow_search {WORDS[request.param]}")
    return request.param, record(request.param), text, parsed(text)


def test_summary_is_the_record(case):
    _, values_of, _, page = case
    summary = page.id("summary")
    for key in ("total_cost", "total_time", "total_ops"):
        assert float(summary.id(key)["value"]) == values_of[key]
    facts = {
        name.text: data for name, data in zip(summary.all("dt"), summary.all("data"), strict=True)
    }
    assert float(facts["words from and to memory"]["value"]) == values_of["total_accesses"][0]
    assert int(facts["layers"]["value"]) == len(values_of["schedules"])
    assert int(facts["segments"]["value"]) == len(values_of["segments"])


def test_certificate(case):
    _, values_of, _, page = case
    told = page.id("certificate")
    assert float(told["data-lower-bound"]) == values_of["certificate"]["lower_bound"]
    assert float(told["data-gap"]) == values_of["certificate"]["gap"]
    start = "Optimal" if values_of["certificate"]["optimal"] else "Not proven optimal"
    assert told.text.startswith(start)


def test_heads_of_tables_are_repeated_on_paper(case):
    """Buttons are no boxes there: of a head with boxes of them, Chromium repeats only the room."""
    _, _, text, page = case
    assert page.id("layer-table").all("button")
    style = text[text.index("@media print") : text.index("</style>")]
    rules = dict(re.findall(r"^  ([^{}\n]+) \{ (.+) \}$", style, re.MULTILINE))
    assert "display: table-header-group;" in rules["thead"]
    assert "display: contents;" in rules["th button"]
    assert "overflow: visible;" in rules[".scroll"]


def test_results_without_a_proof_say_so():
    evaluated = result("alex_net")._replace(certificate=None, effort={})
    told = parsed(render(evaluated, VERSION)).id("certificate")
    assert told.text == "No proof: a stored schedule was evaluated, nothing was searched."
    assert told.get("data-gap") is None


def test_parts_of_the_cost_are_the_record(case):
    _, values_of, _, page = case
    rows = {row[0].text: row for row in page.id("parts").rows()}
    costs = {name: float(row[3]["data-value"]) for name, row in rows.items()}
    assert [*costs] == [name for name, _ in PARTS]
    assert costs["operations"] == values_of["total_op_cost"]
    assert costs["NoC"] == values_of["total_noc_cost"]
    assert costs["static"] == values_of["total_static_cost"]
    memories = ("memory", "buffer", "PE array", "register files")
    assert math.fsum(costs[name] for name in memories) == values_of["total_access_cost"]
    amounts = [float(rows[name][4]["data-value"]) for name in memories]
    assert amounts == values_of["total_accesses"]
    assert sum(float(row[2]["data-value"]) for row in rows.values()) == pytest.approx(1)


def test_layers_are_the_record(case):
    _, values_of, _, page = case
    table = columns(page.id("layer-table"))
    schemes = {name: layer[0] for name, layer in values_of["schedules"].items()}
    assert [cell.text for cell in table["layer"]] == [*schemes]
    cost = "energy" if "energy" in table else "cost"
    for title, key in ((cost, "cost"), ("time", "time"), ("operations", "ops")):
        assert values(table[title]) == [scheme[key] for scheme in schemes.values()]
    words = [sum(scheme["access"][0]) for scheme in schemes.values()]
    assert values(table["memory"]) == words
    hops = [sum(scheme["total_nhops"]) for scheme in schemes.values()]
    assert values(table["NoC"]) == hops
    busy = [
        scheme["ops"] / (scheme["time"] * scheme["num_nodes"] * pes(values_of))
        for scheme in schemes.values()
    ]
    assert values(table["PEs busy"]) == pytest.approx(busy)
    if "nodes" in table:
        assert values(table["nodes"]) == [scheme["num_nodes"] for scheme in schemes.values()]


def pes(values_of):
    high, wide = values_of["resource"]["dim_array"]
    return high * wide


def test_numbers_of_the_bars_are_the_costs(case):
    _, values_of, _, page = case
    for row, layer in zip(
        page.id("energy-numbers").rows(), values_of["schedules"].values(), strict=True
    ):
        assert math.fsum(values(row[1:])) == pytest.approx(layer[0]["cost"])


def test_bars_fit_in_their_width(case):
    *_, page = case
    bars = [one for one in page.all("svg") if one.get("class") == "bar"]
    assert len(bars) >= 4 * len(page.id("layer-table").rows())
    for bar in bars:
        for part in bar.all("rect"):
            begin, length = (float(part[name].removesuffix("%")) for name in ("x", "width"))
            assert -1e-3 <= begin <= begin + length <= 100.01


def test_longest_bar_is_the_largest_cost(case):
    _, values_of, _, page = case
    costs = [layer[0]["cost"] for layer in values_of["schedules"].values()]
    rows = page.id("energy-table").rows()
    for cost, (_, bar, _) in zip(costs, rows, strict=True):
        length = sum(float(part["width"].removesuffix("%")) for part in bar.all("rect"))
        assert length == pytest.approx(100 * cost / max(costs), abs=0.01)


def test_times_of_the_pipeline_are_the_record(case):
    _, values_of, _, page = case
    starts = [0.0]
    for time in values_of["segment_time"]:
        starts.append(starts[-1] + time)
    expected = [
        (starts[number] + layer["start"], starts[number] + layer["end"])
        for number, segment in enumerate(values_of["segments"])
        for group in segment["groups"]
        for layer in group["layers"].values()
    ]
    rows = page.id("pipeline-table").rows()
    assert [time for row in rows for time in values(row[2:])] == pytest.approx(
        [time for pair in expected for time in pair]
    )


def test_tables_of_shared_segments():
    contents = contents_of(two_groups())
    segment = [column.cells for column in page_tables.segments(contents)]
    texts = [cell.text for (cell,) in segment]
    assert texts == ["1", "2", "2", "7.680", "7.680", "7.680", "0.0", "2"]
    moves = [[cell.text for cell in column.cells] for column in page_tables.moves(contents)]
    assert [*zip(*moves, strict=True)] == [
        ("a", "1.1", "DRAM", "1.2", "4: 4x1 at (0,0)"),
        ("b", "1.2", "1.1", "DRAM", "12: 4x3 at (0,1)"),
    ]
    words = page_tables.layers(contents)[-1]
    assert {(cell.text, float(cell.value)) for cell in words.cells} == {("no traffic", math.inf)}


def test_shared_segments_are_told_in_the_page():
    page = parsed(render(result("googlenet"), VERSION))
    segments = record("googlenet")["segments"]
    shared = [
        (number, segment)
        for number, segment in enumerate(segments, start=1)
        if sum(len(group["layers"]) for group in segment["groups"]) > 1
    ]
    rows = page.id("segment-table").rows()
    assert [row[0].text for row in rows] == [str(number) for number, _ in shared]
    for row, (_, segment) in zip(rows, shared, strict=True):
        keys = ("time", "node_time", "dram_time", "time_overhead", "bat_ngrp")
        assert values(row[3:]) == [segment[key] for key in keys]
    layers = [name for _, one in shared for group in one["groups"] for name in group["layers"]]
    assert [row[0].text for row in page.id("move-table").rows()] == layers


def test_every_place_of_the_roofline_is_told(case):
    _, values_of, _, page = case
    dots = page.id("roofline").all("use")
    told = [dot.text for dot in dots if dot.inside]
    names = [name for text in told for name in text.split(": ")[0].split(", ")]
    assert sorted(names) == sorted(values_of["schedules"])


def test_maps_name_all_segments(case):
    _, values_of, _, page = case
    numbers = []
    for caption in page.id("nodes").all("strong"):
        for part in re.findall(r"(\d+)(?:–(\d+))?", caption.text):
            numbers += range(int(part[0]), int(part[1] or part[0]) + 1)
    assert sorted(numbers) == [*range(1, len(values_of["segments"]) + 1)]


def test_loop_nests_are_those_of_explain(case):
    name, values_of, _, page = case
    links = page.id("layer-table").all("a")
    for link, layer in zip(links, values_of["schedules"], strict=True):
        nest = page.id(link["href"].removeprefix("#"))
        assert nest.tag == "details"
        assert nest.all("summary")[0].text == layer
        assert nest.all("pre")[0].text == explain(result(name).best, layer)


def test_machine_options_command_and_versions(case):
    name, _, _, page = case
    facts = [item.text for item in page.id("machine").all("li")]
    assert any(fact.endswith("PEs") for fact in facts)
    assert any(fact.startswith("loop blocking") for fact in facts)
    assert page.id("command").text == f"nn_dataflow_search {WORDS[name]}"
    assert VERSION in page.id("again").text


def test_no_command():
    text = render(result("alex_net"), VERSION)
    assert 'id="command"' not in text


def test_page_is_sound(case):
    """Ids are unique, references meet one, tables have captions and heads, SVG is XML."""
    *_, text, page = case
    check_soundness(text, page)


def test_nothing_is_loaded(case):
    *_, text, page = case
    check_nothing_is_loaded(text, page)


def test_every_fill_is_defined():
    page = parsed(render(result("alex_net"), VERSION))
    patterns = {one["id"] for one in page.all("pattern")}
    assert patterns == {f"p{n}" for n in range(len(PART_FILLS))} | {
        f"g{n}" for n in range(len(GROUP_FILLS))
    }
    marks = {one["id"] for one in page.all("defs")[0].all("path") if one.get("id")}
    assert marks == {f"k{n}" for n in range(len(KIND_COLOURS))}


def test_all_values_are_escaped():
    """Names come from files that others may have written."""
    network = Network("evil")
    network.set_input_layer(InputLayer(8, 1))
    name = '<b onclick="x">\'&amp;_\u2028'
    network.add(name, FCLayer(8, 8))
    plain = found("mlp_s --array 4 4 -p 1")
    problem = plain.problem._replace(network=network, net='<script>alert("1")</script>')
    searched = found_in(problem)
    text = render(searched, "<i>1</i>", "a '<u>' && b")
    page = parsed(text)
    for tag in ("b", "i", "u"):
        assert page.all(tag) == []
    assert len(page.all("script")) == 1
    assert page.all("h1")[0].text == '<script>alert("1")</script>, batch 16'
    assert page.id("layer-table").all("a")[0].text == name
    assert page.id("energy-table").rows()[0][0].text == name
    assert page.id("command").text == "a '<u>' && b"


def found_in(problem):
    """What the search finds for a problem."""
    from nn_dataflow.tools import nn_dataflow_search  # noqa: PLC0415
    from nn_dataflow.tools.search_arguments import parse_arguments  # noqa: PLC0415

    return nn_dataflow_search.search(parse_arguments(["mlp_s", "-p", "1"]), problem)


def test_same_result_same_report():
    first = render(found("mlp_s -p 1"), VERSION)
    assert render(found("mlp_s -p 1"), VERSION) == first


def test_product_of_energy_and_time_is_in_their_units():
    cards = parsed(render(result("alex_net"), VERSION)).id("summary")
    facts = [
        (div.all("dt")[0].text, div.all("data")[0], div.all("small")[0].text)
        for div in cards.all("div")
    ]
    (cost, one, of_cost), (_, two, of_time), (name, both, unit) = facts[:3]
    assert (name, unit) == (f"{cost} x time", f"{of_cost} x {of_time}")
    assert float(both.text) == pytest.approx(float(one.text) * float(two.text), rel=2e-3)


def test_what_limits_a_layer_is_in_the_table(case):
    _, values_of, _, page = case
    table = columns(page.id("layer-table"))
    limits = [cell.text for cell in table["time limit"]]
    assert limits == [*values_of["limits"].values()]
