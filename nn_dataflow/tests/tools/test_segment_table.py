# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what the readable table tells about segments."""

import io
import sys

import pytest

from nn_dataflow.tests.tools.pipelined_result import (
    alike,
    found,
    three_layers,
    two_groups,
    written,
)
from nn_dataflow.tools.result_table import render
from nn_dataflow.tools.segments import segments_of
from nn_dataflow.tools.terminal import write

PIPELINES = (
    "alex_net --batch 4 --nodes 4 4 --hybrid-partition --interlayer-partition "
    "--enable-save-writeback --dram-bw 16 -p 1"
)

LAYERS = """\
seg.   layer     cost    time   PEs busy  time    DRAM   GBUF  partition  I      O      B      order
              k units  cycles  % of time  limit  words  words  nodes      trips  trips  trips
┌ 1.1  a        909.3    6144       18.8  PEs        0      0  -          1·1·1  2·1·1  2·1·1  BO/-
└ 1.2  b       1499.1    6144       18.8  PEs        0      0  -          2·1·1  1·1·1  2·1·1  BI/-
  2    c        644.6    4480        4.3  DRAM       0      0  -          1·1·1  1·1·1  1·1·1  -/-
----------------------------------------------------------------------------------------------------
       total   2592.3   12160       11.1             0      0
PEs busy: operations / (time x nodes x PEs per node); time limit: the longest of the times in PEs,
on the bus to them and in DRAM; both of a layer with its own time and nodes, in total with the time
of the segments and all nodes
seg.: segment.group; the groups of a segment run side by side on nodes of their own, the layers of a
group one after another
time, and what limits it: of the layer by itself; layers of a segment overlap, and the total is the
time of the segments
cost: with the static cost of the layer's own time, in total with that of the time of the segments
"""

SEGMENTS = """\

segment  layers    groups    time  limit  in nodes  in DRAM  overhead  sample
                 of nodes  cycles           cycles   cycles         %  groups
1             2         2    7680  nodes      7680     7680       0.0       2
limit: the longer of the time in the nodes and that of all DRAM accesses of the segment; overhead:
time beyond that of its layers one by one on all its nodes; sample groups: parts of the batch that
follow each other through the layers

seg.   layer   start     end  ifmaps  ofmaps  nodes
              cycles  cycles  from    to
┌ 1.1  a           0    6144  DRAM    1.2     4: 4x1 at (0,0)
└ 1.2  b        1536    7680  1.1     DRAM    12: 4x3 at (0,1)
start, end: in the segment, without waiting for DRAM that other layers use at the same time; from,
to: DRAM, own (buffers of the layer's own nodes), or the group on other nodes
nodes: how many, and where: rows x columns at (row, column)

total   cost 2592.3 k units; time 12160 cycles; cost x time 3.15218e+10 unit-cycles
"""

NARROW = """\
seg.   layer     cost    time   PEs busy  time    DRAM
              k units  cycles  % of time  limit  words
        GBUF  partition  I      O      B      order
       words  nodes      trips  trips  trips
┌ 1.1  a        909.3    6144       18.8  PEs        0
│          0  -          1·1·1  2·1·1  2·1·1  BO/-
│ 1.2  b       1499.1    6144       18.8  PEs        0
└          0  -          2·1·1  1·1·1  2·1·1  BI/-
  2    c        644.6    4480        4.3  DRAM       0
           0  -          1·1·1  1·1·1  1·1·1  -/-
------------------------------------------------------
       total   2592.3   12160       11.1             0
           0
"""

FOLDED = """\
seg.   layer   start     end  ifmaps  ofmaps
              cycles  cycles  from    to
┌ 1.1  nodes 4: 4x1 at (0,0)
│      a           0    6144  DRAM    1.2
│ 1.2  nodes 12: 4x3 at (0,1)
└      b        1536    7680  1.1     DRAM
"""


@pytest.fixture(scope="module")
def searched():
    return found(PIPELINES)


def test_wide_table():
    text = render(two_groups(), 100)
    assert LAYERS in text
    assert SEGMENTS in text


def test_narrow_table_has_nodes_on_lines_of_their_own():
    text = render(two_groups(), 56)
    assert NARROW in text
    assert FOLDED in text
    assert FOLDED not in render(two_groups(), 80)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_every_line_fits(searched, width):
    lines = render(searched, width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_layers_of_a_segment_stand_together_between_marks(searched, width):
    lines = render(searched, width).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("seg. "))
    end = next(n for n, line in enumerate(lines) if line.startswith("---"))
    marked, inside = [], []
    for line in lines[begin + (2 if width == 120 else 4) : end]:
        words = line[1:].split()
        # In two lines per layer, the second has no number of a segment.
        if not line[2:6].isspace():
            inside.append(words[1])
        is_last = line[0] == "└" or (line[0] == " " and len(inside) == 1)
        if is_last and inside:
            marked.append(inside)
            inside = []
    assert not inside
    assert marked == [
        [layer.name for group in segment.groups for layer in group.layers]
        for segment in segments_of(searched)
    ]


def test_busy_share_is_of_the_nodes_of_the_layer(searched):
    text = render(searched, 120)
    best = searched.best
    some = [name for name in best if best[name].num_nodes < 16]
    assert some
    for name in some:
        layer = best[name]
        busy = 100 * layer.total_ops / (layer.total_time * layer.num_nodes * 256)
        row = next(line.split() for line in text.splitlines() if f" {name} " in line)
        assert row[row.index(name) + 3] == f"{busy:.1f}"
    busy = 100 * best.total_ops / (best.total_time * 16 * 256)
    total = next(
        line.split() for line in text.splitlines() if line.startswith("    ") and "total" in line
    )
    assert total[3] == f"{busy:.1f}"


def test_segments_of_one_layer_are_not_shown():
    layers = {
        name: ((n, 0, 0), 65536, 16, (1000, 500), (1, 1, 1), (0, 1, 2))
        for n, name in enumerate("abc")
    }
    text = render(written(three_layers(), layers), 120)
    assert "groups of layers run side by side" in text
    for word in ("seg.", "segment", "┌", "ifmaps from", "own time"):
        assert word not in text


def test_limit_by_memory_and_overhead():
    def times(a, b, groups=1):
        layers = {
            "a": ((0, 0, 0), 1000, 4, a, (1, 1, groups), (0, 1, 2)),
            "b": ((0, 1, 0), 1000, 12, b, (1, 1, groups), (0, 1, 2)),
            "c": ((1, 0, 0), 1000, 16, (1000, 0), (1, 1, 1), (0, 1, 2)),
        }
        lines = render(written(three_layers(), layers), 120).splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith("segment "))
        return " ".join(lines[at + 2].split()[3:])

    # 1000 on 4 of 16 nodes are 250 on all; 2000 on 12 are 1500.
    assert times((1000, 0), (2000, 0)) == "3000 nodes 3000 0 71.4 1"
    # Layers by themselves wait for memory: 900 each.
    assert times((1000, 900), (1000, 900)) == "2000 nodes 2000 1800 11.1 1"
    # In two groups of samples the second layer starts early, and memory is the limit.
    assert times((1000, 900), (1000, 900), groups=2) == "1800 DRAM 1500 1800 0.0 2"


def test_whole_network_in_one_segment_is_explained():
    layers = alike((("a",), ("b",)), (4, 12))
    network = three_layers()
    part = render(
        written(network, {**layers, "c": ((1, 0, 0), 9, 16, (9, 0), (1, 1, 1), (0, 1, 2))}), 80
    )
    assert "The whole network is one segment" not in part
    whole = render(written(pair(), layers), 80)
    assert "The whole network is one segment: batch follows batch without a break" in whole
    assert "total   cost 231072 units; time 1000 cycles" in whole
    assert "time, and what limits it" in whole


def pair():
    """The first two of the three layers."""
    network, three = type(three_layers())("pair"), three_layers()
    network.set_input_layer(three.input_layer())
    for name in "ab":
        network.add(name, three[name])
    return network


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("--interlayer-partition", "exhaustive; groups of layers run side by side"),
        ("--enable-save-writeback", "exhaustive; fmaps stay in GBUF between layers"),
        (
            "--interl --enable-s --basic --layer-pipeline-t 0.5 --layer-pipeline-m 4",
            (
                "groups of layers run side by side; fmaps stay in GBUF between layers; basic "
                "pipelines only; time overhead of a segment at most 0.5; at most 4 units in a "
                "segment"
            ),
        ),
        ("--basic --layer-pipeline-t 0.5 --layer-pipeline-m 4", "loop blocking exhaustive"),
    ],
)
def test_options_of_pipelines_are_shown(words, shown):
    layers = {"a": ((0, 0, 0), 9, 16, (9, 0), (1, 1, 1), (0, 1, 2))}
    text = " ".join(render(written(three_layers(), layers, options=words), 120).split())
    assert f"{shown} layer" in text


def test_marks_where_the_terminal_has_no_such_signs(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    write("┌│└·…\n")
    assert stream.buffer.getvalue() == b"/|\\.~\n"
