# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the table of shares: what energy and time of layers and segments are spent on."""

import json

import pytest

from nn_dataflow.tests.tools.pipelined_result import STATIC, found, two_groups
from nn_dataflow.tools.layer_figures import components, limit_of
from nn_dataflow.tools.result_json import record, to_text
from nn_dataflow.tools.segments import segments_of
from nn_dataflow.tools.share_table import share_table

PIPELINED = (
    "alex_net --batch 2 --nodes 2 2 --interlayer-partition "
    "--enable-save-writeback --dram-bw 12 --unit-idle-cost 20 --bus-width 64 -p 1"
)


@pytest.fixture(scope="module")
def searched():
    return found(PIPELINED)


def table(result, width=120):
    return share_table(result, [*enumerate(segments_of(result), start=1)], width)


def test_written_shares():
    """Layers a and b overlap for 7680 cycles; together they work 1179648 of 16 x 64 x 7680."""
    lines = table(two_groups())
    assert lines[:8] == [
        "seg.   layer       cost   time     PEs     PEs    DRAM     ops  static",
        "                  % all  % all  % busy  % time  % time  % cost  % cost",
        "┌ 1.1  a           35.1           18.8   100.0    46.9    32.4    67.6",
        "└ 1.2  b           57.8           18.8   100.0    78.1    59.0    41.0",
        "  2    c           24.9   36.8     4.3    22.3   100.0    30.5    69.5",
        "-" * 70,
        "       segment 1   75.1   63.2    15.0                    60.6    39.4",
        "       total      100.0  100.0    11.1                    53.1    46.9",
    ]
    static = STATIC * 7680
    assert static / (static + 294912 + 884736) == pytest.approx(0.394, abs=5e-4)


def test_shares_of_a_layer(searched):
    lines = table(searched)
    layer = searched.best["conv2_a"]
    parts = [part.cost for part in components(layer, searched.cost, layer.total_time)]
    assert sum(parts) == pytest.approx(layer.total_cost)
    scheme = layer.scheme
    assert parts[-1] == scheme["cost_static"]
    assert sum(parts[1:5]) == pytest.approx(scheme["cost_access"])
    times = [scheme[f"{kind}_time"] for kind in ("proc", "bus", "dram")]
    shares = [*(time / max(times) for time in times), *(part / sum(parts) for part in parts)]
    row = next(line.split() for line in lines if " conv2_a " in line)
    assert row[-len(shares) :] == [f"{100 * share:.1f}" for share in shares]


def test_segments_sum_to_the_total(searched):
    lines = table(searched)
    rows = [line.split() for line in lines if line.startswith("       segment ")]
    alone = [line.split() for line in lines if line.startswith("  ") and line[2:3].isdigit()]
    several = [segment for segment in segments_of(searched) if segment.num_layers > 1]
    assert len(rows) == len(several) > 1
    for column in (2, 3):
        total = sum(float(row[column]) for row in [*rows, *alone])
        assert total == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_line_fits(searched, width):
    assert max(map(len, table(searched, width))) <= width


def test_narrow_table_is_in_two_parts(searched):
    lines = table(searched, 80)
    heads = [line.split() for line in lines if line.startswith("seg. ")]
    assert heads[0][2:] == ["cost", "time", "PEs", "PEs", "bus", "DRAM"]
    assert heads[1][2:] == ["ops", "DRAM", "GBUF", "array", "regf", "hops", "static"]


def test_limits_are_in_the_record(searched):
    values = json.loads(to_text(record(searched, "1")))
    assert values["limits"] == {
        name: limit_of(layer.scheme) for name, layer in searched.best.items()
    }
    assert set(values["limits"].values()) > {"PEs"}
