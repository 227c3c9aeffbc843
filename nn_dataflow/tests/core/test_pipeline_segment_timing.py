# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the time of a segment (docs/model/pipeline.md section 8).

Decides when layers start and end, what the segment takes, and in which order layers are accepted;
compares with the worked examples and the reference searches.
"""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow import nns
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer, PoolingLayer
from nn_dataflow.core.network import Network
from nn_dataflow.core.pipeline_segment_timing import PipelineSegmentTiming, SchedIndex
from nn_dataflow.core.scheduling_result import SchedulingResult
from nn_dataflow.tests.core.test_scheduling_result import LAYOUT

SEARCHES = json.loads((Path(__file__).parents[1] / "data" / "search.json").read_text())
IN = Network.INPUT_LAYER_KEY


def made_up_result(seq, time, *, loops="", dram_time=0, node_time=None, num_nodes=4):
    """A result with these non-trivial top-level loops, outermost first, such as "B2 O4"."""
    factors = {"I": 1, "O": 1, "B": 1} | {loop[0]: int(loop[1:]) for loop in loops.split()}
    nesting = [loop[0] for loop in loops.split()]
    nesting += [lpe for lpe in "IOB" if lpe not in nesting]
    scheme = OrderedDict(
        time=time,
        num_nodes=num_nodes,
        proc_time=time if node_time is None else node_time,
        bus_time=0,
        dram_time=dram_time,
        ti=(factors["I"], 1, 1),
        to=(factors["O"], 1, 1),
        tb=(factors["B"], 1, 1),
        orders=(tuple(2 - nesting.index(lpe) for lpe in "IOB"), (0, 1, 2)),
    )
    return SchedulingResult(scheme, LAYOUT, seq)


@pytest.fixture(name="network", scope="module")
def fixture_network():
    """Two chains a → p → b → q and a → c, joined in d."""
    network = Network("test")
    network.set_input_layer(InputLayer(8, 8))
    network.add("a", ConvLayer(8, 8, 8, 1), prevs=[IN])
    network.add("p", PoolingLayer(8, 8, 1), prevs=["a"])
    network.add("b", ConvLayer(8, 8, 8, 1), prevs=["p"])
    network.add("q", PoolingLayer(8, 8, 1), prevs=["b"])
    network.add("c", ConvLayer(8, 8, 8, 1), prevs=["a"])
    network.add("d", EltwiseLayer(8, 8, 2), prevs=["q", "c"])
    return network


def timing_of(network, *layers, seg_idx=0):
    """A segment of layers given as (name, (spatial, temporal), time, loops, dram_time, nodes)."""
    timing = PipelineSegmentTiming(network, seg_idx)
    for name, place, time, *more in layers:
        loops, dram_time, num_nodes = (*more, *("", 0, 4)[len(more) :])
        result = made_up_result(
            (seg_idx, *place), time, loops=loops, dram_time=dram_time, num_nodes=num_nodes
        )
        timing.add(name, result)
    return timing


def start_end(timing, name):
    index = timing.layer2idx[name]
    layer = timing.timing_list[index.sp_idx][index.tm_idx]
    return layer.ts_xb, layer.td_xb


class TestWorkedExample:
    """Section 9.2, its layer b is c here; both layers take 6144 cycles."""

    @pytest.mark.parametrize(
        ("split_and_dram_a", "start_end_c", "times", "overhead"),
        [
            ((1, 1, 2304), (6144, 12288), (12288, 7104, 12288), 0.7297),
            ((1, 2, 2304), (3072, 9216), (9216, 7104, 9216), 0.2973),
            ((1, 4, 2304), (1536, 7680), (7680, 7104, 7680), 0.0811),
            ((1, 8, 2304), (768, 6912), (6912, 7104, 7104), 0),
            ((2, 2, 2880), (3072, 9216), (7680, 7680, 7680), 0),
            ((4, 1, 2304), (6144, 12288), (7680, 7104, 7680), 0.0811),
        ],
    )
    def test_table(self, network, split_and_dram_a, start_end_c, times, overhead):
        bat, groups, dram_a = split_and_dram_a
        timing = timing_of(
            network,
            ("a", (0, 0), 6144, f"B{bat} O{groups}", dram_a, 4),
            ("c", (1, 0), 6144, f"B{bat} I{groups}", 4800, 12),
        )
        assert timing.bat_ngrp == bat
        assert start_end(timing, "a") == (0, 6144)
        assert start_end(timing, "c") == start_end_c
        assert timing.critical_time == 6144
        assert (timing.node_time, timing.dram_time, timing.time) == times
        assert timing.time_overhead == pytest.approx(overhead, abs=5e-5)


class TestLayers:
    def test_single_layer(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "B4 O2", 60))
        assert timing.time == timing.critical_time == timing.node_time == 100
        assert timing.dram_time == 60
        assert timing.time_overhead == 0

    def test_single_layer_bound_by_memory(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "B4", 100))
        assert timing.time == 100

    def test_timing_record(self, network):
        timing = PipelineSegmentTiming(network, 2)
        timing.add(
            "a", made_up_result((2, 0, 0), 90, loops="O3", dram_time=90, node_time=50, num_nodes=7)
        )
        assert timing.timing_list == [[(90, 50, 90, 7, 3, 0, 90)]]
        assert timing.timing_list[0][0]._asdict() == {
            "time": 90,
            "node_time": 50,
            "dram_time": 90,
            "num_nodes": 7,
            "ngrp": 3,
            "ts_xb": 0,
            "td_xb": 90,
        }
        assert timing.layer2idx == {"a": (0, 0)}
        assert timing.layer2idx["a"] == SchedIndex(sp_idx=0, tm_idx=0)

    @pytest.mark.parametrize(
        ("loops", "ngrp"),
        [("", 1), ("O4", 4), ("I4", 1), ("O4 I2", 4), ("I2 O4", 1), ("B2 O4", 4), ("O4 B2", 4)],
    )
    def test_groups_are_split_by_the_outermost_loop_but_b(self, network, loops, ngrp):
        timing = timing_of(network, ("a", (0, 0), 100, loops))
        assert timing.timing_list[0][0].ngrp == ngrp

    def test_fused_local_region_layer(self, network):
        """It starts after the first group, and ends its own time after its producer."""
        timing = timing_of(network, ("a", (0, 0), 100, "O4"), ("p", (0, 1), 8, "O4"))
        assert start_end(timing, "p") == (25, 108)
        assert timing.time == 108

    def test_local_region_layer_with_other_groups(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "O4"), ("p", (0, 1), 8, "O2"))
        assert start_end(timing, "p") == (100, 108)

    def test_convolution_is_never_fused(self, network):
        timing = timing_of(
            network,
            ("a", (0, 0), 100, "O4"),
            ("p", (0, 1), 8, "O4"),
            ("b", (0, 2), 50, "O4"),
        )
        assert start_end(timing, "p") == (25, 108)
        assert start_end(timing, "b") == (108, 158)
        assert timing.critical_time == 158

    def test_forwarded_groups(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "O4"), ("c", (1, 0), 90, "I4"))
        assert start_end(timing, "c") == (25, 115)

    @pytest.mark.parametrize("loops", ["", "O4", "I2", "O2 I4"])
    def test_whole_fmaps_where_groups_differ(self, network, loops):
        timing = timing_of(network, ("a", (0, 0), 100, "O4"), ("c", (1, 0), 90, loops))
        assert start_end(timing, "c") == (100, 190)

    def test_forwarded_to_local_region_layer(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "O4"), ("p", (1, 0), 90, "O4"))
        assert start_end(timing, "p") == (25, 115)

    def test_group_time_is_rounded_down(self, network):
        timing = timing_of(network, ("a", (0, 0), 101, "O4"), ("c", (1, 0), 90, "I4"))
        assert start_end(timing, "c") == (25, 115)

    def test_start_after_all_producers(self, network):
        timing = timing_of(
            network,
            ("b", (0, 0), 100, "O2"),
            ("q", (0, 1), 8, "O2"),
            ("c", (1, 0), 30, "O2"),
            ("d", (2, 0), 40, "O2"),
        )
        assert start_end(timing, "q") == (50, 108)
        assert start_end(timing, "c") == (0, 30)
        # q: 50 + 8 // 2, c: 0 + 30 // 2.
        assert start_end(timing, "d") == (54, 94)

    def test_fused_join_ends_after_the_layer_before(self, network):
        timing = timing_of(
            network, ("c", (0, 0), 400, "O2"), ("d", (0, 1), 10, "O2"), ("b", (1, 0), 10)
        )
        assert start_end(timing, "d") == (200, 410)
        assert timing.critical_time == 410


class TestSegment:
    def test_critical_time_is_that_of_the_busiest_group(self, network):
        timing = timing_of(
            network,
            ("a", (0, 0), 100, "O4"),
            ("p", (0, 1), 20, "O4"),
            ("b", (1, 0), 50, "I4"),
        )
        # p: 25 to 120; b: 25 + 20 // 4 to 80.
        assert start_end(timing, "b") == (30, 80)
        assert timing.critical_time == 120
        assert timing.node_time == 120

    @pytest.mark.parametrize(
        ("splits", "bat"),
        [
            (("B4", "B4", "B4"), 4),
            (("B4", "B2", "B2"), 1),
            (("B4", "B4", "B2"), 1),
            (("B4", "O2 B4", "B4"), 1),  # B is not outermost
            (("B4", "B1", "B4"), 1),
            (("", "B4", "B4"), 1),
        ],
    )
    def test_batch_groups(self, network, splits, bat):
        names = (("a", (0, 0)), ("p", (0, 1)), ("b", (1, 0)))
        layers = ((*layer, 100, loops) for layer, loops in zip(names, splits, strict=True))
        assert timing_of(network, *layers).bat_ngrp == bat

    def test_batch_groups_follow_at_the_critical_time(self, network):
        timing = timing_of(
            network, ("a", (0, 0), 101, "B4"), ("p", (0, 1), 20, "B4"), ("b", (1, 0), 60, "B4")
        )
        assert start_end(timing, "b") == (121, 181)
        assert timing.critical_time == 121
        assert timing.node_time == (181 + 121 * 3) // 4

    def test_memory_time_adds_up(self, network):
        timing = timing_of(network, ("a", (0, 0), 100, "O4", 70), ("c", (1, 0), 90, "I4", 80))
        assert timing.node_time == 115
        assert timing.dram_time == 150
        assert timing.time == 150

    def test_overhead(self, network):
        """Alone on all 16 nodes: max(100 · 4 / 16, 70) + max(90 · 12 / 16, 10)."""
        timing = timing_of(network, ("a", (0, 0), 100, "", 70, 4), ("c", (1, 0), 90, "", 10, 12))
        assert timing.time == 190
        assert timing.time_overhead == pytest.approx((190 - 137.5) / 137.5)

    def test_nodes_are_counted_once_per_group(self, network):
        timing = timing_of(network, ("a", (0, 0), 100), ("p", (0, 1), 60))
        assert timing.time_overhead == 0

    def test_overhead_looks_at_the_time_inside_the_nodes(self, network):
        timing = PipelineSegmentTiming(network, 0)
        timing.add("a", made_up_result((0, 0, 0), 100, dram_time=80, node_time=50))
        assert timing.time_overhead == pytest.approx(0.25)

    def test_nothing_to_do_takes_no_time(self, network):
        timing = PipelineSegmentTiming(network, 0)
        assert (timing.time, timing.critical_time, timing.time_overhead) == (0, 0, 0)
        timing.add("a", made_up_result((0, 0, 0), 0))
        assert (timing.time, timing.critical_time, timing.time_overhead) == (0, 0, 0)

    @pytest.mark.parametrize("record", SEARCHES, ids=lambda record: record["args"])
    def test_reference_searches(self, record):
        network = nns.import_network(record["args"].split()[0])
        timings = []
        for name, scheme in record["schedules"].items():
            result = SchedulingResult(OrderedDict(scheme), LAYOUT, tuple(scheme["sched_seq"]))
            if result.sched_seq[1:] == (0, 0):
                timings.append(PipelineSegmentTiming(network, len(timings)))
            timings[-1].add(name, result)
        assert [timing.time for timing in timings] == record["segment_time"]
        assert [timing.dram_time for timing in timings] == record["segment_dram_time"]

    @given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 500), st.integers(1, 6))
    def test_finer_groups_never_take_longer(self, network, time_a, time_c, dram_time, groups):
        def segment(num):
            return timing_of(
                network,
                ("a", (0, 0), time_a, f"O{num}", dram_time),
                ("c", (1, 0), time_c, f"I{num}", dram_time),
            )

        fine, whole = segment(groups), segment(1)
        assert max(time_a, time_c, 2 * dram_time) <= fine.time <= whole.time
        assert fine.critical_time == max(time_a, time_c)


class TestOrder:
    def test_network_type(self):
        with pytest.raises(TypeError, match=r"^PipelineSegmentTiming: network must be"):
            PipelineSegmentTiming("network", 0)

    PLACED = (("a", (0, 0), 100, "B2"), ("p", (0, 1), 10, "B2"), ("b", (1, 0), 50, "B2"))

    @pytest.mark.parametrize("place", [(3, 1, 1), (3, 2, 0)])
    def test_next_places(self, network, place):
        timing = timing_of(network, *self.PLACED, seg_idx=3)
        timing.add("q", made_up_result(place, 10))
        assert timing.layer2idx["q"] == place[1:]

    @pytest.mark.parametrize(
        "place",
        [(3, 0, 0), (3, 0, 2), (3, 1, 0), (3, 1, 2), (3, 2, 1), (3, 3, 0), (2, 1, 1), (4, 0, 0)],
    )
    def test_wrong_place(self, network, place):
        timing = timing_of(network, *self.PLACED, seg_idx=3)
        with pytest.raises(ValueError, match=r"layer q must be \(3, 1, 1\) or \(3, 2, 0\), got"):
            timing.add("q", made_up_result(place, 10))
        self.check_unchanged(timing)

    @pytest.mark.parametrize("place", [(3, 0, 1), (3, 1, 0), (0, 0, 0)])
    def test_wrong_first_place(self, network, place):
        timing = PipelineSegmentTiming(network, 3)
        with pytest.raises(ValueError, match=r"layer a must be \(3, 0, 0\), got"):
            timing.add("a", made_up_result(place, 10))
        assert timing.timing_list == []

    def test_repeated_layer(self, network):
        timing = timing_of(network, *self.PLACED, seg_idx=3)
        with pytest.raises(ValueError, match="layer p is in the segment already"):
            timing.add("p", made_up_result((3, 1, 1), 10))
        self.check_unchanged(timing)

    def test_unknown_layer(self, network):
        timing = timing_of(network, *self.PLACED, seg_idx=3)
        with pytest.raises(KeyError):
            timing.add("x", made_up_result((3, 1, 1), 10))
        self.check_unchanged(timing)

    def check_unchanged(self, timing):
        assert timing.layer2idx == {"a": (0, 0), "p": (0, 1), "b": (1, 0)}
        assert [len(group) for group in timing.timing_list] == [2, 1]
        assert timing.bat_ngrp == 2

    def test_copy_is_independent(self, network):
        timing = timing_of(network, *self.PLACED, seg_idx=3)
        same_group, next_group = timing.copy(), timing.copy()
        same_group.add("q", made_up_result((3, 1, 1), 10))
        next_group.add("c", made_up_result((3, 2, 0), 10, loops="B2"))
        self.check_unchanged(timing)
        assert [len(group) for group in same_group.timing_list] == [2, 2]
        assert [len(group) for group in next_group.timing_list] == [2, 1, 1]
        timing.add("q", made_up_result((3, 1, 1), 20, loops="B2"))
        assert timing.bat_ngrp == next_group.bat_ngrp == 2
        assert same_group.bat_ngrp == 1
        assert start_end(same_group, "q")[1] == start_end(timing, "q")[1] - 10
