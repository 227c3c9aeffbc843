# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the schedule of a network (docs/model/search.md section 4).

Decides which layers are accepted in which order, that a refusal and a copy leave a schedule as it
was, and what a schedule costs and how long it takes; compares with the worked examples and the
reference searches.
"""

import copy
import json
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow import nns
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
from nn_dataflow.core.scheduling_result import SchedulingResult
from nn_dataflow.tests.core.test_pipeline_segment_timing import made_up_result
from nn_dataflow.tests.core.test_scheduling_result import LAYOUT, layout_of

SEARCHES = json.loads((Path(__file__).parents[1] / "data" / "search.json").read_text())


def full_result(seq, time, *, layout=LAYOUT, cost=0, static=0, ops=0, access=0, hops=0, **timing):
    """A result whose accesses are all of filters at DRAM, and hops of ifmaps."""
    result = made_up_result(seq, time, **timing)
    scheme = OrderedDict(
        result.scheme,
        cost=cost,
        cost_static=static,
        ops=ops,
        access=((access, 0, 0), (2, 3, 4), (0, 0, 0), (0, 0, 0)),
        remote_gbuf_access=(0, 1, 0),
        total_nhops=(0, hops, 0),
    )
    return SchedulingResult(scheme, layout, seq)


def chain(*names, channels=8):
    network = Network("chain")
    network.set_input_layer(InputLayer(channels, 8))
    for name in names:
        network.add(name, ConvLayer(channels, channels, 8, 1))
    return network


@pytest.fixture(name="network")
def fixture_network():
    """External x and input feed a (16 channels), a feeds b (8 channels), both feed c."""
    network = Network("test")
    network.set_input_layer(InputLayer(8, 8))
    network.add_ext("x", InputLayer(4, 8))
    network.add("a", ConvLayer(12, 16, 8, 1), prevs=["x", Network.INPUT_LAYER_KEY])
    network.add("b", ConvLayer(16, 8, 8, 1), prevs=["a"])
    network.add("c", ConvLayer(24, 8, 8, 1), prevs=["a", "b"])
    return network


@pytest.fixture(name="scheme")
def fixture_scheme(network):
    """Layers a and b are scheduled, each in a segment of its own."""
    scheme = NNDataflowScheme(network, LAYOUT, {"x": layout_of(4)})
    scheme["a"] = full_result(
        (0, 0, 0), 100, layout=layout_of(16), cost=1000, static=200, ops=800, access=50, hops=7
    )
    scheme["b"] = full_result(
        (1, 0, 0), 50, layout=layout_of(8), cost=400, static=100, ops=300, access=25, hops=5
    )
    return scheme


def state_of(scheme):
    return (
        dict(scheme),
        list(scheme),
        [timing.timing_list for timing in scheme.segment_timing_list],
        scheme.last_seg_idx,
        scheme.total_cost,
        scheme.total_time,
        scheme.total_ops,
        scheme.total_accesses,
        scheme.total_noc_hops,
        scheme.segment_time_list(),
        scheme.segment_dram_time_list(),
    )


class TestConstruction:
    def test_empty(self, network):
        ext_layouts = {"x": layout_of(4)}
        scheme = NNDataflowScheme(network, LAYOUT, ext_layouts)
        assert scheme.network is network
        assert scheme.input_layout == LAYOUT
        assert scheme.ext_layout_dict == ext_layouts
        assert len(scheme) == 0
        assert list(scheme) == []
        assert scheme.res_dict == {}
        assert scheme.last_seg_idx == -1
        assert (scheme.total_cost, scheme.total_time, scheme.total_ops) == (0, 0, 0)
        assert (scheme.total_accesses, scheme.total_noc_hops) == ([0] * 4, 0)
        assert scheme.segment_timing_list == scheme.segment_time_list() == []

    def test_without_external_layers(self):
        assert NNDataflowScheme(chain("a"), LAYOUT).ext_layout_dict == {}
        assert NNDataflowScheme(chain("a"), LAYOUT, {}).ext_layout_dict == {}

    def test_external_layouts_are_taken_over(self, network):
        ext_layouts = {"x": layout_of(4)}
        scheme = NNDataflowScheme(network, LAYOUT, ext_layouts)
        ext_layouts.clear()
        assert scheme.ext_layout_dict == {"x": layout_of(4)}

    def test_bad_types(self, network):
        with pytest.raises(TypeError, match=r"^NNDataflowScheme: network must be"):
            NNDataflowScheme("network", LAYOUT)
        with pytest.raises(TypeError, match=r"^NNDataflowScheme: input_layout must be"):
            NNDataflowScheme(network, None, {"x": layout_of(4)})
        with pytest.raises(TypeError, match=r"^NNDataflowScheme: ext_layout_dict must hold"):
            NNDataflowScheme(network, LAYOUT, {"x": None})
        with pytest.raises(TypeError, match=r"^NNDataflowScheme: ext_layout_dict must be"):
            NNDataflowScheme(network, LAYOUT, [layout_of(4)])

    @pytest.mark.parametrize("names", [None, [], ["y"], ["x", "y"], ["a"]])
    def test_wrong_external_names(self, network, names):
        layouts = None if names is None else dict.fromkeys(names, layout_of(4))
        with pytest.raises(ValueError, match=r"^NNDataflowScheme: ext_layout_dict must have"):
            NNDataflowScheme(network, LAYOUT, layouts)


class TestMapping:
    def test_layers_in_schedule_order(self, scheme):
        assert list(scheme) == ["a", "b"]
        assert len(scheme) == 2
        assert "b" in scheme
        assert "c" not in scheme
        assert scheme["a"].sched_seq == (0, 0, 0)
        assert scheme.res_dict == dict(scheme)
        assert scheme.last_seg_idx == 1
        assert [timing.seg_idx for timing in scheme.segment_timing_list] == [0, 1]

    def test_missing_layer(self, scheme):
        with pytest.raises(KeyError):
            scheme["c"]

    def test_print(self, scheme):
        assert repr(scheme) == "NNDataflowScheme(test: {a: (0, 0, 0), b: (1, 0, 0)})"

    @pytest.mark.parametrize("delete", [lambda s: s.pop("b"), lambda s: s.popitem()])
    def test_no_removal(self, scheme, delete):
        before = state_of(scheme)
        with pytest.raises(KeyError, match="cannot be deleted"):
            delete(scheme)
        assert state_of(scheme) == before

    def test_no_deletion(self, scheme):
        before = state_of(scheme)
        with pytest.raises(KeyError, match="layer b cannot be deleted"):
            del scheme["b"]
        with pytest.raises(KeyError, match="layers cannot be deleted"):
            scheme.clear()
        assert state_of(scheme) == before


class TestRefusal:
    """Every refusal leaves the schedule as it was (limits of the original: stored and counted)."""

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("y", "has no layer 'y'"),
            ("x", "has no layer 'x'"),
            (Network.INPUT_LAYER_KEY, "has no layer"),
            (None, "has no layer None"),
            ("b", "b is scheduled already"),
        ],
    )
    def test_wrong_layer(self, scheme, name, reason):
        before = state_of(scheme)
        with pytest.raises(KeyError, match=reason):
            scheme[name] = full_result((2, 0, 0), 10)
        assert state_of(scheme) == before

    def test_missing_producer(self, network):
        scheme = NNDataflowScheme(network, LAYOUT, {"x": layout_of(4)})
        before = state_of(scheme)
        with pytest.raises(KeyError, match="producer a of layer b is not scheduled yet"):
            scheme["b"] = full_result((0, 0, 0), 10)
        assert state_of(scheme) == before

    def test_wrong_type(self, scheme):
        before = state_of(scheme)
        with pytest.raises(TypeError, match="the schedule of layer c must be"):
            scheme["c"] = tuple(full_result((2, 0, 0), 10))
        assert state_of(scheme) == before

    @pytest.mark.parametrize("seg_idx", [-1, 0, 3])
    def test_wrong_segment(self, scheme, seg_idx):
        before = state_of(scheme)
        with pytest.raises(ValueError, match="segment number of layer c must be 1 or 2, got"):
            scheme["c"] = full_result((seg_idx, 0, 0), 10)
        assert state_of(scheme) == before

    @pytest.mark.parametrize("seg_idx", [-1, 1])
    def test_wrong_first_segment(self, seg_idx):
        scheme = NNDataflowScheme(chain("a"), LAYOUT)
        before = state_of(scheme)
        with pytest.raises(ValueError, match="segment number of layer a must be 0, got"):
            scheme["a"] = full_result((seg_idx, 0, 0), 10)
        assert state_of(scheme) == before

    @pytest.mark.parametrize("seq", [(1, 0, 0), (1, 0, 2), (1, 1, 1), (1, 2, 0), (2, 0, 1)])
    def test_wrong_place_in_segment(self, scheme, seq):
        before = state_of(scheme)
        with pytest.raises(ValueError, match="sched_seq of layer c must be"):
            scheme["c"] = full_result(seq, 10)
        assert state_of(scheme) == before

    @pytest.mark.parametrize("key", ["cost", "time", "cost_static", "orders", "dram_time"])
    def test_incomplete_result(self, scheme, key):
        before = state_of(scheme)
        result = full_result((1, 0, 1), 10)
        with pytest.raises(KeyError):
            scheme["c"] = result._replace(
                scheme=OrderedDict((k, v) for k, v in result.scheme.items() if k != key)
            )
        assert state_of(scheme) == before

    @pytest.mark.parametrize("seq", [(1, 0, 1), (1, 1, 0), (2, 0, 0)])
    def test_refused_layer_can_be_added_afterwards(self, scheme, seq):
        with pytest.raises(ValueError, match="segment number"):
            scheme["c"] = full_result((5, 0, 0), 10)
        scheme["c"] = full_result(seq, 10)
        assert scheme["c"].sched_seq == seq
        assert scheme.last_seg_idx == seq[0]


class TestCopy:
    @pytest.mark.parametrize("copied", [NNDataflowScheme.copy, copy.copy])
    def test_equal_and_independent(self, scheme, copied):
        before = state_of(scheme)
        other = copied(scheme)
        assert isinstance(other, NNDataflowScheme)
        assert other == scheme
        assert state_of(other) == before
        other["c"] = full_result((1, 0, 1), 10, cost=5)
        assert state_of(scheme) == before
        assert len(other) == 3
        changed = state_of(other)
        scheme["c"] = full_result((1, 1, 0), 20, cost=6)
        assert state_of(other) == changed

    def test_shares_what_cannot_change(self, scheme):
        other = scheme.copy()
        assert other.network is scheme.network
        assert other.input_layout is scheme.input_layout
        assert other.ext_layout_dict is scheme.ext_layout_dict
        assert all(other[name] is scheme[name] for name in scheme)

    @given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
    def test_copying_at_every_step_changes_nothing(self, steps):
        """A step says whether a new segment begins, or else a new group."""
        names = [f"l{i}" for i in range(len(steps) + 1)]
        grown = NNDataflowScheme(chain(*names), LAYOUT)
        copied = [grown.copy()]
        seq = (0, 0, 0)
        for name, step in zip(names, [None, *steps], strict=True):
            if step is not None:
                seg, sp, tm = seq
                new_segment, new_group = step
                seq = (seg + 1, 0, 0) if new_segment else (seg, sp + 1, 0)
                seq = seq if new_segment or new_group else (seg, sp, tm + 1)
            result = full_result(seq, 10 + len(copied), cost=7, static=3, loops="O2")
            grown[name] = result
            copied.append(copied[-1].copy())
            copied[-1][name] = result
        assert state_of(copied[-1]) == state_of(grown)
        assert [len(scheme) for scheme in copied] == list(range(len(names) + 1))


class TestLayout:
    def test_of_one_layer(self, scheme):
        assert scheme.fmap_layout(("a",)) == layout_of(16)
        assert scheme.fmap_layout(("x",)) == layout_of(4)
        assert scheme.fmap_layout((None,)) == LAYOUT

    def test_concatenated_in_order(self, scheme):
        layout = scheme.fmap_layout(scheme.network.prevs("c"))
        assert layout == DataLayout.concat(layout_of(16), layout_of(8))
        assert scheme.fmap_layout(scheme.network.prevs("a")) == DataLayout.concat(
            layout_of(4), LAYOUT
        )

    def test_of_unscheduled_layer(self, scheme):
        with pytest.raises(KeyError, match="layer c is not scheduled"):
            scheme.fmap_layout(("a", "c"))

    def test_of_nothing(self, scheme):
        with pytest.raises(ValueError):
            scheme.fmap_layout(())


class TestTotals:
    def test_sums(self, scheme):
        assert scheme.total_time == 150
        assert scheme.total_cost == 1400
        assert scheme.total_ops == 1100
        assert scheme.total_accesses == [75, 20, 0, 0]
        assert scheme.total_noc_hops == 12
        assert scheme.segment_time_list() == [100, 50]

    def test_overlap_saves_static_cost(self, scheme):
        scheme["c"] = full_result((1, 1, 0), 40, cost=300, static=80)
        # c starts when b is done; b and c take 90 in all.
        assert scheme.segment_time_list() == [100, 90]
        scheme = scheme.copy()
        assert scheme.total_time == 190
        assert scheme.total_cost == 1700

    def test_no_time_at_all(self):
        scheme = NNDataflowScheme(chain("a"), LAYOUT)
        scheme["a"] = full_result((0, 0, 0), 0, cost=30, static=10)
        assert scheme.total_cost == 30

    @pytest.mark.parametrize(
        ("groups", "segment_time", "total_cost"), [(1, 12288, 49416704), (4, 7680, 48955904)]
    )
    def test_example_b(self, groups, segment_time, total_cost):
        scheme = NNDataflowScheme(chain("a", "b", "c"), LAYOUT)
        common = {"static": 614400, "num_nodes": 4}
        scheme["a"] = full_result(
            (0, 0, 0), 6144, loops=f"O{groups}", dram_time=2304, cost=20000000, **common
        )
        scheme["b"] = full_result(
            (0, 1, 0), 6144, loops=f"I{groups}", dram_time=4800, cost=20276992, **common
        )
        scheme["c"] = full_result((1, 0, 0), 4480, dram_time=4480, cost=9139712, static=448000)
        assert scheme.segment_time_list() == [segment_time, 4480]
        assert scheme.segment_dram_time_list() == [7104, 4480]
        assert scheme.total_time == segment_time + 4480
        assert scheme.total_cost == pytest.approx(total_cost, rel=1e-12)

    def test_example_c(self):
        """The DRAM time counts (correction M7): 32768, not the critical time of 16384."""
        scheme = NNDataflowScheme(chain("a", "b"), LAYOUT)
        scheme["a"] = full_result((0, 0, 0), 16384, loops="O4", dram_time=16384)
        scheme["b"] = full_result((0, 1, 0), 16384, loops="I4", dram_time=16384)
        assert scheme.segment_timing_list[0].critical_time == 16384
        assert scheme.segment_time_list() == scheme.segment_dram_time_list() == [32768]
        assert scheme.total_time == 32768

    def test_whole_network_in_one_segment_is_never_filled_nor_drained(self):
        scheme = NNDataflowScheme(chain("a", "b"), LAYOUT)
        scheme["a"] = full_result((0, 0, 0), 100, cost=50, static=20)
        scheme["b"] = full_result((0, 1, 0), 100, cost=50, static=20)
        assert scheme.segment_time_list() == [200]
        assert scheme.total_time == 100
        assert scheme.total_cost == 80

    def test_part_of_a_network_in_one_segment(self):
        scheme = NNDataflowScheme(chain("a", "b", "c"), LAYOUT)
        scheme["a"] = full_result((0, 0, 0), 100)
        scheme["b"] = full_result((0, 1, 0), 100)
        assert scheme.total_time == 200

    def test_network_in_several_segments(self):
        scheme = NNDataflowScheme(chain("a", "b"), LAYOUT)
        scheme["a"] = full_result((0, 0, 0), 100)
        scheme["b"] = full_result((1, 0, 0), 100)
        assert scheme.total_time == 200

    @pytest.mark.parametrize("record", SEARCHES, ids=lambda record: record["args"])
    def test_reference_searches(self, record):
        network = nns.import_network(record["args"].split()[0])
        scheme = NNDataflowScheme(network, LAYOUT, dict.fromkeys(network.ext_layers(), LAYOUT))
        for name, layer_scheme in record["schedules"].items():
            seq = tuple(layer_scheme["sched_seq"])
            scheme[name] = SchedulingResult(OrderedDict(layer_scheme), LAYOUT, seq)
        assert scheme.total_cost == pytest.approx(record["total_cost"], rel=1e-9)
        assert scheme.total_time == record["total_time"]
        assert scheme.total_ops == record["total_ops"]
        assert scheme.total_accesses == pytest.approx(record["total_accesses"], rel=1e-9)
        assert scheme.total_noc_hops == pytest.approx(record["total_noc_hops"], rel=1e-9)
        assert scheme.segment_time_list() == record["segment_time"]
        assert scheme.segment_dram_time_list() == record["segment_dram_time"]

    @given(
        st.lists(st.tuples(st.integers(1, 999), st.integers(0, 999), st.integers(0, 99))),
        st.booleans(),
    )
    def test_static_cost_is_paid_for_the_total_time(self, layers, pipelined):
        """With costs of static energy alone, proportional to time, the total is too."""
        names = [f"l{i}" for i in range(len(layers))]
        scheme = NNDataflowScheme(chain(*names, "end"), LAYOUT)
        for i, (name, (time, dram_time, cost)) in enumerate(zip(names, layers, strict=True)):
            seq = (0, i, 0) if pipelined else (i, 0, 0)
            scheme[name] = full_result(
                seq,
                max(time, dram_time),
                dram_time=dram_time,
                static=3 * max(time, dram_time),
                cost=cost + 3 * max(time, dram_time),
            )
        expected = sum(cost for _, _, cost in layers) + 3 * scheme.total_time
        assert scheme.total_cost == pytest.approx(expected)


class TestStatistics:
    def test_per_layer(self, scheme):
        assert scheme.perlayer_stats("active_node_pes") == {"a": 2, "b": 1.5}
        assert scheme.perlayer_stats("dram_bandwidth") == {"a": 0.5, "b": 0.5}
        assert list(scheme.perlayer_stats("dram_bandwidth")) == ["a", "b"]

    def test_of_one_result(self):
        result = full_result((0, 0, 0), 80, ops=400, access=20, num_nodes=5, node_time=40)
        assert NNDataflowScheme.active_node_pes(result) == 2
        assert NNDataflowScheme.dram_bandwidth(result) == 0.25

    @pytest.mark.parametrize("name", ["total_cost", "copy", "unknown"])
    def test_unknown(self, scheme, name):
        with pytest.raises(AttributeError, match="stats_name must be"):
            scheme.perlayer_stats(name)


def test_branches_and_joins():
    """Producers may be in any segment before."""
    network = Network("join")
    network.set_input_layer(InputLayer(8, 8))
    network.add("a", ConvLayer(8, 8, 8, 1))
    network.add("b", ConvLayer(8, 8, 8, 1), prevs=["a"])
    network.add("c", EltwiseLayer(8, 8, 2), prevs=["a", "b"])
    scheme = NNDataflowScheme(network, LAYOUT)
    for number, name in enumerate(network):
        scheme[name] = full_result((number, 0, 0), 10)
    assert scheme.total_time == 30
