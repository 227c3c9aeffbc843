# SPDX-License-Identifier: BSD-3-Clause
"""The schedules of one layer against the enumeration of all (docs/model/search.md sections 2, 3).

Every partition scheme, array mapping and loop blocking scheme, with the energy of hops and idle
time; what bounds exclude must not be missed.
"""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, FCLayer, PoolingLayer
from nn_dataflow.core.layer_space import LayerSpace, fmap_range
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_space import Setting
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.placement import Placement
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.scheduling import Scheduling
from nn_dataflow.core.scheduling_constraint import SchedulingConstraint
from nn_dataflow.core.scheduling_result import SchedulingCondition
from nn_dataflow.core.search_effort import SearchEffort
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.strategies import costs, search_layers, search_options, search_resources

GOALS = ("e", "d", "ed")
USUAL = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)


@st.composite
def layer_searches(draw, *, max_ntops=3):
    """(layer, batch, resource, cost, options, ifmap layout)."""
    layer, batch = draw(search_layers()), draw(st.sampled_from((1, 2, 4)))
    resource, options = draw(search_resources()), draw(search_options(max_ntops=max_ntops))
    layouts = ifmap_layouts(layer, batch, resource.src_data_region, options)
    return layer, batch, resource, draw(costs()), options, draw(st.sampled_from(layouts))


def ifmap_layouts(layer, batch, region, options):
    """Places where the ifmaps can be."""
    source = layer.input_layer()
    parts = rs.partitions(source, batch, region, options)
    return [rs.fmap_layout(source, batch, region, part) for part in parts]


def searched(layer, batch, resource, cost, options, layout, constraint=None):
    scheduling = Scheduling(layer, batch, cost, MapStrategyEyeriss)
    constraint = SchedulingConstraint() if constraint is None else constraint
    condition = SchedulingCondition(resource, constraint, layout, (0, 0, 0))
    return scheduling.schedule_search(condition, options)


def keys_of(goal, results):
    return [rs.goal_key(goal, result.total_cost, result.total_time) for result in results]


@pytest.mark.parametrize("goal", GOALS)
@given(layer_searches())
@settings(max_examples=60, deadline=None)
def test_layer_search_is_the_enumeration(goal, case):
    layer, batch, resource, cost, options, layout = case
    options = options._replace(opt_goal=goal)
    found = searched(layer, batch, resource, cost, options, layout)
    everything = rs.layer_schedules(
        layer, batch, resource, cost, options, MapStrategyEyeriss, layout
    )
    expected = rs.best_values(
        goal, [one.cost for one in everything], [one.time for one in everything], options.ntops
    )
    assert len(found) == len(expected)
    assert all(map(rs.close, keys_of(goal, found), expected))


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("option", ["hw_access_forwarding", "hw_gbuf_sharing"])
@given(layer_searches())
@settings(max_examples=20, deadline=None)
def test_layer_search_with_groups_is_the_enumeration(option, goal, case):
    """Nodes that use the same data forward them, or share their buffers and pay for the moves."""
    layer, batch, resource, cost, options, layout = case
    options = options._replace(opt_goal=goal, **{option: True})
    found = searched(layer, batch, resource, cost, options, layout)
    everything = rs.layer_schedules(
        layer, batch, resource, cost, options, MapStrategyEyeriss, layout
    )
    expected = rs.best_values(
        goal, [one.cost for one in everything], [one.time for one in everything], options.ntops
    )
    assert len(found) == len(expected)
    assert all(map(rs.close, keys_of(goal, found), expected))


@pytest.mark.parametrize("noc_hop", [0.001, 10, 100])
@pytest.mark.parametrize("goal", GOALS)
def test_moves_between_nodes_are_paid_for(goal, noc_hop):
    """Where no node can hold its data alone, and what to share depends on what hops cost."""
    proc = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    resource = Resource(proc, memory, memory, memory, PhyDim2(4, 4), 50, 12, 4, 4.0, False)
    cost = USUAL._replace(noc_hop=noc_hop)
    options = Option(partition_hybrid=True, hw_gbuf_sharing=True, opt_goal=goal, ntops=3)
    layer = ConvLayer(4, 8, 4, 2)
    layout = ifmap_layouts(layer, 4, memory, options)[0]
    found = searched(layer, 4, resource, cost, options, layout)
    everything = rs.layer_schedules(layer, 4, resource, cost, options, MapStrategyEyeriss, layout)
    expected = rs.best_values(
        goal, [one.cost for one in everything], [one.time for one in everything], 3
    )
    assert all(map(rs.close, keys_of(goal, found), expected))
    assert len(found) == 3
    moved = [sum(one.scheme["node_nhops"]) for one in found]
    assert max(moved) > 0
    for one, hops in zip(found, moved, strict=True):
        assert one.total_noc_hops == hops + sum(one.scheme["mem_nhops"])


@given(layer_searches(max_ntops=1), st.data())
@settings(max_examples=60, deadline=None)
def test_required_top_factors(case, data):
    """The best of all schemes with these factors, equivalent ones included (correction S2)."""
    layer, batch, resource, cost, options, layout = case
    factor = st.sampled_from((0, 0, 1, 2, 3))
    tops = data.draw(st.tuples(factor, factor, factor))
    constraint = SchedulingConstraint(topifm=tops[0], topofm=tops[1], topbat=tops[2])
    found = searched(layer, batch, resource, cost, options, layout, constraint)
    everything = rs.layer_schedules(
        layer, batch, resource, cost, options, MapStrategyEyeriss, layout, constraint
    )
    expected = rs.best_values(
        options.opt_goal, [one.cost for one in everything], [one.time for one in everything], 1
    )
    assert len(found) == len(expected)
    assert all(map(rs.close, keys_of(options.opt_goal, found), expected))


@given(layer_searches())
@settings(max_examples=40, deadline=None)
def test_bounds_of_rows_are_admissible(case):
    """No schedule of a partition and array mapping is cheaper or faster than their bounds."""
    layer, batch, resource, cost, options, layout = case
    space = LayerSpace(layer, batch, Setting(resource, cost, options), MapStrategyEyeriss)
    hops = space.ifmap_hops(Placement.of_layouts([layout]), 1)[0]
    rows = np.arange(len(space.row_part))
    limits = space.hop_costs(hops)
    bounds = space.choices(rows, limits, search=False)
    assert (bounds.point == -1).all()
    lowest = dict(zip(bounds.row.tolist(), space.energy(bounds, hops).tolist(), strict=True))
    fastest = dict(zip(bounds.row.tolist(), bounds.time.tolist(), strict=True))
    choices = space.choices(rows, limits, search=True)
    assert (choices.point >= 0).all()
    for row, energy, time in zip(
        choices.row.tolist(),
        space.energy(choices, hops).tolist(),
        choices.time.tolist(),
        strict=True,
    ):
        assert lowest[row] <= energy * (1 + 1e-9)
        assert fastest[row] <= time
    order = list(zip(choices.row.tolist(), choices.point.tolist(), strict=True))
    assert order == sorted(order)


@given(layer_searches())
@settings(max_examples=40, deadline=None)
def test_effort_adds_up(case):
    layer, batch, resource, cost, options, layout = case
    space = LayerSpace(layer, batch, Setting(resource, cost, options), MapStrategyEyeriss)
    before = space.total_effort().as_dict()
    assert before["candidates"] == before["bound"] > 0
    assert before["mappings_searched"] == 0
    hops = space.ifmap_hops(Placement.of_layouts([layout]), 1)[0]
    space.best(hops, space.hop_costs(hops), options.opt_goal, options.ntops)
    after = space.total_effort().as_dict()
    assert after["candidates"] == before["candidates"]
    kinds = ("equivalent", "capacity", "bound", "evaluated")
    assert after["candidates"] == sum(after[kind] for kind in kinds)
    assert min(after.values()) >= 0
    parts = rs.partitions(layer, batch, resource.proc_region, options)
    assert after["partitions"] == len(parts)
    assert after["mappings"] == len(space.row_part)
    assert after["mappings_searched"] <= len(space.mappings)


@given(layer_searches(max_ntops=1))
@settings(max_examples=40, deadline=None)
def test_places_of_ofmaps(case):
    """Partitions that put the same ranges on the same nodes have the same place."""
    layer, batch, resource, cost, options, _ = case
    space = LayerSpace(layer, batch, Setting(resource, cost, options), MapStrategyEyeriss)
    place, parts = space.ofmap_places()
    region = resource.dst_data_region
    seen = {}
    parts_tried = rs.partitions(layer, batch, resource.proc_region, options)
    for number, part in enumerate(parts_tried):
        where = rs.placement(rs.fmap_layout(layer, batch, region, part))
        seen.setdefault(where, place[number])
        if not space.no_hops:
            assert seen[where] == place[number]
    assert len(parts) == (1 if space.no_hops else len(seen))
    assert sorted(set(place.tolist())) == list(range(len(parts)))


@pytest.mark.parametrize(
    ("layer", "size_gbuf", "size_regf", "message"),
    [
        (ConvLayer(4, 4, 8, 3), 10000, 3, "register file per PE, size_regf is 3"),
        (ConvLayer(4, 4, 8, 3), 30, 100, "global buffer per node, size_gbuf is 30"),
        (PoolingLayer(4, 8, 2), 10, 100, "global buffer per node, size_gbuf is 10"),
    ],
)
def test_what_is_too_small(layer, size_gbuf, size_regf, message):
    """The quantity, what is needed, and what there is."""
    proc = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    resource = Resource(
        proc, memory, memory, memory, PhyDim2(8, 8), size_gbuf, size_regf, 4, 4.0, False
    )
    space = LayerSpace(layer, 1, Setting(resource, USUAL, Option()), MapStrategyEyeriss)
    hops = np.zeros(len(space.parts))
    found, energy = space.best(hops, space.hop_costs(hops), "e", 1)
    assert len(found.row) == len(energy) == 0
    needed = int(space.too_small().split()[3])
    assert space.too_small().endswith(message)
    assert needed > (size_regf if "register" in message else size_gbuf)


def test_array_mappings_are_shared_where_groups_are_alike():
    """Of equal node layers: in size, or where nodes share buffers in shape and distances."""
    proc = NodeRegion(PhyDim2(2, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = proc._replace(type=NodeRegion.DRAM)
    resource = Resource(
        proc, memory, memory, memory, PhyDim2(4, 4), 400, 40, 4, 4.0, no_time_mux=False
    )
    counts = {}
    for option in ("hw_access_forwarding", "hw_gbuf_sharing"):
        options = Option(partition_hybrid=True, partition_batch=True, **{option: True})
        layer = ConvLayer(4, 8, 4, 2)
        space = LayerSpace(layer, 8, Setting(resource, USUAL, options), MapStrategyEyeriss)
        parts = rs.partitions(layer, 8, proc, options)
        for number, mapping in zip(space.row_part, space.row_mapping, strict=True):
            own = BufShrScheme(proc, parts[number])
            model = space.mappings[mapping].model
            assert model.reduction == tuple(own.size(dce) for dce in range(3))
            if model.bufshr is not None:
                assert model.bufshr.geometry() == own.geometry()
        counts[option] = len(space.mappings)
    assert counts["hw_access_forwarding"] < counts["hw_gbuf_sharing"]


def test_what_is_too_small_for_a_group():
    """Nodes that share buffers need less each, and exactly what is named."""
    proc = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = proc._replace(type=NodeRegion.DRAM)
    layer = ConvLayer(4, 4, 8, 3)

    def needed(size_gbuf, sharing):
        """Words named, None where they are there."""
        resource = Resource(
            proc, memory, memory, memory, PhyDim2(8, 8), size_gbuf, 100, 4, 4.0, no_time_mux=False
        )
        options = Option(partition_hybrid=True, hw_gbuf_sharing=sharing)
        space = LayerSpace(layer, 1, Setting(resource, USUAL, options), MapStrategyEyeriss)
        hops = np.zeros(len(space.parts))
        found, _ = space.best(hops, space.hop_costs(hops), "e", 1)
        return None if len(found.row) else int(space.too_small().split()[3])

    alone, shared = needed(30, sharing=False), needed(30, sharing=True)
    assert shared < alone
    for words, sharing in ((alone, False), (shared, True)):
        assert needed(words - 1, sharing) == words
        assert needed(words, sharing) is None


@pytest.mark.parametrize("option", ["hw_access_forwarding", "hw_gbuf_sharing", "partition_batch"])
def test_searches_for_other_processes(option):
    """A job that was sent away finds what is found here, groups of nodes included."""
    proc = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = proc._replace(type=NodeRegion.DRAM)
    resource = Resource(
        proc, memory, memory, memory, PhyDim2(4, 4), 60, 12, 4, 4.0, no_time_mux=False
    )
    options = Option(partition_hybrid=True, **{option: True})
    setting = Setting(resource, USUAL, options, split_times=option == "partition_batch")
    space = LayerSpace(ConvLayer(4, 8, 4, 2), 4, setting, MapStrategyEyeriss)
    moved = 0.0
    for mapping in space.mappings:
        hop_costs = (100.0, 100.0, 100.0)
        found = pickle.loads(pickle.dumps(mapping.job(hop_costs))).run()
        effort = SearchEffort()
        own = mapping.points(hop_costs, effort)
        assert all(np.array_equal(*both) for both in zip(found.points, own, strict=True))
        assert found.effort.evaluated == effort.evaluated
        mapping.put(hop_costs, found)
        assert mapping.points(hop_costs, effort) is found.points
        evaluation = mapping.model.evaluate(own.bl_ts, own.bl_ords, own.keep_filters)
        assert own.dram.tolist() == evaluation.dram_time.tolist()
        assert own.node.tolist() == evaluation.node_time.tolist()
        more = own.cost - evaluation.access_cost(USUAL)
        assert (more >= -1e-9 * own.cost).all()
        moved += more.sum()
    assert (moved > 1) == (option == "hw_gbuf_sharing")


@pytest.mark.parametrize(
    "layer", [ConvLayer(4, 6, 8, 3), FCLayer(8, 4), PoolingLayer(4, 4, 2), EltwiseLayer(4, 4, 2)]
)
def test_more_is_a_continuation_of_fewer(layer):
    """The `num` best are the first of more; equal node layers share their array mappings."""
    proc = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    resource = Resource(proc, memory, memory, memory, PhyDim2(4, 4), 800, 30, 4, 4.0, False)
    options = Option(partition_hybrid=True, sw_gbuf_bypass=(True, True, True), ntops=6)
    layout = ifmap_layouts(layer, 2, memory, options)[-1]
    for goal in GOALS:
        most = searched(layer, 2, resource, USUAL, options._replace(opt_goal=goal), layout)
        assert len(most) == 6
        for ntops in range(1, 6):
            fewer = options._replace(opt_goal=goal, ntops=ntops)
            found = searched(layer, 2, resource, USUAL, fewer, layout)
            assert all(map(rs.close, keys_of(goal, found), keys_of(goal, most[:ntops])))


def test_fmap_range():
    frng = fmap_range(ConvLayer(3, 8, (4, 5), 3), 2, first_channel=10)
    assert frng.fp_beg == (0, 10, 0, 0)
    assert frng.fp_end == (2, 18, 4, 5)
