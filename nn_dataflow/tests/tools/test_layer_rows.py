# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what pictures and reports tell (docs/report.md), apart from how it is drawn."""

import math
from itertools import pairwise

import pytest

from nn_dataflow.core.local_region_layer import LocalRegionLayer
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.report.contents import contents_of
from nn_dataflow.report.layer_rows import kind_of
from nn_dataflow.report.node_maps import (
    AT_MEMORY,
    PASS,
    READ,
    WRITE,
    Flow,
    board_of,
    node_maps,
    numbers_text,
)
from nn_dataflow.report.roofline import along, frame_of, label_places, roof_line
from nn_dataflow.report.row_axes import columns_of
from nn_dataflow.report.units import cost_unit, counted
from nn_dataflow.tests.tools.drawn_results import WORDS, record, result
from nn_dataflow.tests.tools.pipelined_result import alike, fork, residual, two_groups, written
from nn_dataflow.tools.segments import Rectangle


@pytest.fixture(scope="module", params=WORDS)
def shown(request):
    return contents_of(result(request.param)), record(request.param)


def test_rows_are_the_record(shown):
    contents, values = shown
    assert [row.name for row in contents.rows] == [*values["schedules"]]
    for row, (scheme, _, place) in zip(contents.rows, values["schedules"].values(), strict=True):
        assert (row.segment, row.group) == tuple(place[:2])
        assert (row.cost, row.time, row.ops) == (scheme["cost"], scheme["time"], scheme["ops"])
        assert row.num_nodes == scheme["num_nodes"]
        assert row.costs[-1] == pytest.approx(scheme["cost_static"])
        assert math.fsum(row.costs) == pytest.approx(row.cost)
        words = sum(scheme["access"][0])
        assert row.ops_per_word == (row.ops / words if words else math.inf)
        assert 0 < row.busy <= 1 + 1e-9


def test_segments_follow_each_other(shown):
    contents, values = shown
    times = [(span.start, span.end) for span in contents.spans]
    assert [end - start for start, end in times] == pytest.approx(values["segment_time"])
    assert [start for start, _ in times] == [0, *(end for _, end in times[:-1])]
    inside = {
        name: (layer["start"], layer["end"])
        for segment in values["segments"]
        for group in segment["groups"]
        for name, layer in group["layers"].items()
    }
    for row in contents.rows:
        start = contents.spans[row.segment].start
        assert (row.start - start, row.end - start) == pytest.approx(inside[row.name])


def test_places_of_layers():
    contents = contents_of(two_groups())
    assert [row.place for row in contents.rows] == ["1.1", "1.2", "2"]
    assert [row.shares_segment for row in contents.rows] == [True, True, False]
    assert [row.kind for row in contents.rows] == ["convolution"] * 3
    assert (contents.num_groups, contents.is_pipelined, contents.has_waits) == (2, True, True)


def test_kinds_of_layers():
    rows = contents_of(result("resnet152")).rows
    kinds = {row.name: row.kind for row in rows}
    assert kinds["conv1"] == "convolution"
    assert kinds["pool1"] == "pooling"
    assert kinds["conv2_0_res"] == "element-wise"
    assert kinds["fc"] == "fully connected"
    assert kind_of(LocalRegionLayer(4, 8, 3, 1)) == "local region"


def test_no_layer_is_above_a_roof(shown):
    contents, _ = shown
    for row in contents.rows:
        assert row.ops_per_cycle <= contents.roofs.at(row.ops_per_word) * (1 + 1e-9)


def test_points_have_all_layers_once(shown):
    contents, _ = shown
    names = [name for point in contents.points for name in point.names]
    assert sorted(names) == sorted(row.name for row in contents.rows)
    times = [point.time for point in contents.points]
    assert times == sorted(times, reverse=True)


def test_layers_without_memory_traffic_are_beyond():
    contents = contents_of(two_groups())
    assert {row.ops_per_word for row in contents.rows} == {math.inf}
    frame = frame_of(contents.points, contents.roofs)
    assert 1 < frame.beyond < frame.right
    assert roof_line(frame, contents.roofs)[-1] == (frame.right, contents.roofs.pes)


def test_roof_has_a_corner_where_memory_is_limited():
    contents = contents_of(result("googlenet"))
    frame = frame_of(contents.points, contents.roofs)
    corners = roof_line(frame, contents.roofs)
    assert corners[1] == (contents.roofs.pes / 32, contents.roofs.pes)
    assert corners[0] == pytest.approx((frame.left, 32 * frame.left))
    steps = along(corners, 10)
    assert (steps[0], steps[-1]) == (corners[0], corners[-1])


def test_names_of_points_are_apart_and_the_first_ones_win():
    points = [(10.0 * number, 5.0) for number in range(9)]
    places = label_places(points, [(25, 2)] * 9, (0, 0, 100, 10), 1)
    boxes = [(x, y, x + 25, y + 2) for x, y in filter(None, places)]
    assert places[0] is not None
    assert 3 <= len(boxes) < 9
    for number, (left, low, right, high) in enumerate(boxes):
        assert 0 <= left < right <= 100
        assert 0 <= low < high <= 10
        for other in boxes[:number]:
            assert left >= other[2] or right <= other[0] or low >= other[3] or high <= other[1]
        for x, y in points:
            assert x + 1 <= left or x - 1 >= right or y + 1 <= low or y - 1 >= high


def test_names_keep_off_lines():
    assert label_places([(5, 5)], [(20, 2)], (0, 4, 30, 6), 1) == [(6.8, 4.0)]
    assert label_places([(5, 5)], [(20, 2)], (0, 4, 30, 6), 1, [(9, 5)]) == [None]


def test_maps_of_a_pipeline():
    contents = contents_of(two_groups())
    first, second = contents.maps
    assert (first.segments, second.segments) == ((1,), (2,))
    assert first.layers == (("a",), ("b",))
    assert first.sizes == (4, 12)
    assert first.groups == (((4, 1, 0, 0),), ((4, 3, 0, 1),))
    assert first.flows == (Flow(AT_MEMORY, 0), Flow(0, 1), Flow(1, AT_MEMORY))
    assert (first.anchor(0), first.anchor(1)) == ((0, 1.5), (2, 1.5))
    assert second.flows == (Flow(AT_MEMORY, 0), Flow(0, AT_MEMORY))


def test_flows_within_a_group_and_of_shared_reads():
    """A group's own fmaps are no flow, and memory that one group reads for two is read once."""
    options = "--interlayer-partition --enable-save-writeback"
    own = written(
        residual(), alike((("a", "add"), ("next",)), (9, 7), ("before",)), options=options
    )
    (*_, one) = contents_of(own).maps
    assert one.flows == (Flow(AT_MEMORY, 0), Flow(0, AT_MEMORY), Flow(0, 1), Flow(1, AT_MEMORY))
    shared = written(fork(), alike((("left",), ("right",)), (8, 8)), options=options)
    (one,) = contents_of(shared).maps
    assert one.flows == (Flow(AT_MEMORY, 0), Flow(0, AT_MEMORY), Flow(0, 1), Flow(1, AT_MEMORY))


def test_segments_that_use_nodes_alike_share_a_map(shown):
    contents, values = shown
    numbers = sorted(number for one in contents.maps for number in one.segments)
    assert numbers == [*range(1, len(values["segments"]) + 1)]
    keys = [(one.groups, one.flows) for one in contents.maps]
    assert len(set(keys)) == len(keys)
    nodes = sum(part.rows * part.columns for part in contents.board.nodes)
    for one in contents.maps:
        areas = [sum(part.rows * part.columns for part in parts) for parts in one.groups]
        assert areas == [*one.sizes]
        assert sum(areas) <= nodes


def test_memory_at_the_corners_is_outside_and_arrows_end_there():
    board = board_of(result("vgg_net"))
    assert not board.inside
    assert set(board.memory) == {(-1, -1), (4, -1), (-1, 4), (4, 4)}
    assert board.extent == (-1.5, -1.5, 4.5, 4.5)
    (one,) = node_maps(contents_of(result("vgg_net")).spans)
    read, write = board.arrows(one, 0.25)
    assert (read.kind, write.kind) == (READ, WRITE)
    assert math.dist(read.start, (-1, -1)) == pytest.approx(board.memory_side / 2)
    assert math.dist(read.end, (1.5, 1.5)) == pytest.approx(0.25)
    assert math.dist(write.end, (-1, -1)) == pytest.approx(board.memory_side / 2)
    assert read.control != write.control
    tip, *corners = read.head(0.2)
    assert tip == read.end
    assert math.dist(tip, corners[0]) == pytest.approx(math.dist(tip, corners[1]))


def test_memory_at_every_node_is_inside():
    contents = contents_of(result("lstm_gnmt"))
    assert contents.board.inside
    assert len(contents.board.memory) == 16
    assert contents.board.extent == (-0.5, -0.5, 3.5, 3.5)
    kinds = {arrow.kind for one in contents.maps for arrow in contents.board.arrows(one, 0.3)}
    assert kinds == {READ, WRITE, PASS}


def test_memory_under_a_group_of_one_node():
    """The arrow comes from the corner of its square, since memory is under the number."""
    contents = contents_of(written(fork(), alike((("left",), ("right",)), (1, 15))))
    one = contents.maps[0]._replace(groups=((Rectangle(1, 1, 2, 2),),), flows=(Flow(AT_MEMORY, 0),))
    (read,) = contents.board.arrows(one, 0.1)
    assert one.anchor(0) == (2, 2)
    assert math.dist(read.start, (1.5, 1.5)) == pytest.approx(contents.board.memory_side / 2)
    assert math.dist(read.end, (2, 2)) == pytest.approx(0.1)


def board_with(**regions):
    """The board of a machine with other nodes."""
    searched = result("vgg_net")
    problem = searched.problem
    machine = problem.machine._replace(resource=problem.machine.resource._replace(**regions))
    return board_of(searched._replace(problem=problem._replace(machine=machine)))


def test_memory_inside_of_the_array():
    region = NodeRegion(PhyDim2(1, 1), PhyDim2(1, 1), type=NodeRegion.DRAM)
    board = board_with(dram_region=region)
    assert (board.inside, board.memory) == (True, ((1, 1),))


def test_memory_nodes_too_many_to_be_told_apart():
    nodes = NodeRegion(PhyDim2(64, 128), PhyDim2(0, 0), type=NodeRegion.PROC)
    board = board_with(proc_region=nodes, dram_region=nodes._replace(type=NodeRegion.DRAM))
    assert (len(board.memory), board.shown_memory) == (64 * 128, ())
    assert board.extent == (-0.5, -0.5, 127.5, 63.5)


@pytest.mark.parametrize(
    ("numbers", "text"), [([1], "1"), ([1, 2], "1, 2"), ([1, 2, 3, 7, 9, 10, 11], "1–3, 7, 9–11")]
)
def test_numbers_of_segments(numbers, text):
    assert numbers_text(numbers) == text


def test_columns_have_all_rows_and_keep_segments_together(shown):
    contents, _ = shown
    for most in (5, 20, 52):
        columns = columns_of(contents.rows, most)
        assert [row for column in columns for row in column] == contents.rows
        assert max(map(len, columns)) <= most + most // 8 + 1
        for before, after in pairwise(columns):
            if before[-1].segment == after[0].segment:
                number = sum(row.segment == after[0].segment for row in contents.rows)
                assert number > most // 8


def test_units():
    assert counted("time", "cycles", [70287104]).told(13271040) == "13.27 M cycles"
    assert counted("time", "cycles", [999, 12]).told(12) == "12 cycles"
    assert counted("time", "cycles", [9.5]).told(9.5) == "9.500 cycles"
    assert counted("x", "words", [0]).told(0) == "0 words"
    energy = cost_unit(result("resnet152"), [2.5e9])
    assert (energy.label, energy.told(2.5e9)) == ("energy (mJ)", "2.500 mJ")
    assert cost_unit(result("resnet152"), [25e3]).label == "energy (nJ)"
    assert cost_unit(result("resnet152"), [25e6]).label == "energy (µJ)"
    assert cost_unit(result("resnet152"), [1e22]).told(1e22) == "10000000000.0 J"
    assert cost_unit(result("alex_net"), [1e4]).label == "cost (k MAC)"
