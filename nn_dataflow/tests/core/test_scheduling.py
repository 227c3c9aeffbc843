# SPDX-License-Identifier: BSD-3-Clause
"""The layer search as published: what it refuses, and what a layer result says.

docs/model/search.md sections 2 and 3. That it finds the best is tested in test_layer_space.
"""

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, FCLayer, PoolingLayer
from nn_dataflow.core.loop_blocking import gen_loopblocking
from nn_dataflow.core.map_strategy import MapStrategy, MapStrategyEyeriss
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import gen_partition, unit_nhops_to_proc_region
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.scheduling import Scheduling
from nn_dataflow.core.scheduling_constraint import (
    SchedulingConstraint,
    SchedulingConstraintLayerPipeline,
)
from nn_dataflow.core.scheduling_result import SchedulingCondition
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.core.test_layer_space import ifmap_layouts, layer_searches, searched

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=50)
LAYER = ConvLayer(4, 6, 8, 3)
BATCH = 2
PROC = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
MEMORY = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
RESOURCE = Resource(PROC, MEMORY, MEMORY, MEMORY, PhyDim2(4, 4), 800, 30, 4, 4.0, False)
OPTIONS = Option(partition_hybrid=True, sw_gbuf_bypass=(True, True, True))
WHOLE = PartitionScheme((0, 1, 2, 3), ((1, 1),) * 4)

KEYS = [
    "cost",
    "time",
    "ops",
    "num_nodes",
    "is_dram",
    "cost_op",
    "cost_access",
    "cost_noc",
    "cost_static",
    "proc_time",
    "bus_time",
    "dram_time",
    "access",
    "remote_gbuf_access",
    "total_nhops",
    "fetch",
    "ti",
    "to",
    "tb",
    "tvals",
    "orders",
    "size",
    "unit_size",
    "unit_cnt",
    "accfwd_reduction",
    "bufshr_grp_size",
    "bufshr_subgrp_size",
    "bufshr_bs_t",
    "bufshr_bs_ord",
    "bufshr_rot_fetch",
    "bufshr_rot_round_cnt",
    "bufshr_rot_unit_cnt",
    "bufshr_wide_fetch",
    "bufshr_wide_fetch_width",
    "part",
    "mem_nhops",
    "node_nhops",
    "unit_nhops",
    "trips",
]


def layout_of(shape, region=MEMORY):
    """Ifmaps (batch, channels, height, width) on the first node of a region."""
    return DataLayout((FmapRange((0, 0, 0, 0), shape),), (region,), (WHOLE,))


LAYOUT = layout_of((BATCH, 4, 10, 10))


def condition(layout=LAYOUT, resource=RESOURCE, constraint=None, sched_seq=(0, 0, 0)):
    constraint = SchedulingConstraint() if constraint is None else constraint
    return SchedulingCondition(resource, constraint, layout, sched_seq)


# What is refused.


@pytest.mark.parametrize(
    ("position", "wrong", "name"),
    [
        (0, "conv", "layer"),
        (2, (1, 2, 3), "cost"),
        (3, MapStrategyEyeriss(LAYER, 1, 1, PhyDim2(4, 4)), "map_strategy_class"),
        (3, Scheduling, "map_strategy_class"),
    ],
)
def test_wrong_types(position, wrong, name):
    args = [LAYER, BATCH, COST, MapStrategyEyeriss]
    args[position] = wrong
    with pytest.raises(TypeError, match=f"Scheduling: {name} "):
        Scheduling(*args)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        pytest.param(layout_of((1, 4, 10, 10)), "batch size 1, must be 2", id="batch"),
        pytest.param(layout_of((BATCH, 3, 10, 10)), "3 channels, must be 4", id="channels"),
        pytest.param(layout_of((BATCH, 4, 11, 10)), r"size \(11, 10\)", id="too high"),
        pytest.param(layout_of((BATCH, 4, 10, 7)), r"size \(10, 7\)", id="too narrow"),
        pytest.param(
            layout_of(
                (BATCH, 4, 10, 10),
                NodeRegion(PhyDim2(1, 1), PhyDim2(0, 5), type=NodeRegion.DRAM),
            ),
            "inside the source or the processing region",
            id="elsewhere",
        ),
        pytest.param(
            layout_of(
                (BATCH, 4, 10, 10),
                NodeRegion(PhyDim2(2, 1), PhyDim2(0, 0), type=NodeRegion.DRAM),
            ),
            "inside the source or the processing region",
            id="partly elsewhere",
        ),
    ],
)
def test_refused_layouts(layout, message):
    scheduling = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    with pytest.raises(ValueError, match=f"Scheduling: ifmap_layout .*{message}"):
        scheduling.schedule_search(condition(layout), OPTIONS)


@pytest.mark.parametrize("size", [(8, 8), (10, 10), (9, 10)])
def test_paddings(size):
    """Ifmaps with and without padding, on the memory or on the nodes."""
    scheduling = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    for region in (MEMORY, PROC):
        assert scheduling.schedule_search(condition(layout_of((BATCH, 4, *size), region)), OPTIONS)


# What a result says.


@given(layer_searches())
@settings(max_examples=100, deadline=None)
def test_figures_of_results(case):
    """Each figure from its own formula, and the totals from the parts."""
    layer, batch, resource, cost, options, layout = case
    for result in searched(*case):
        scheme = result.scheme
        assert list(scheme) == KEYS
        part = scheme["part"]
        hops = unit_nhops_to_proc_region(
            layer,
            batch,
            resource.proc_region,
            part,
            set(resource.dram_region.iter_node()),
            layout,
            result.ofmap_layout,
            options,
        )
        assert list(scheme["unit_nhops"]) == hops
        assert scheme["mem_nhops"] == tuple(
            hop * fetch for hop, fetch in zip(hops, scheme["fetch"][0], strict=True)
        )
        assert scheme["node_nhops"] == (0, 0, 0)
        assert scheme["total_nhops"] == scheme["mem_nhops"]
        assert scheme["cost_op"] == pytest.approx(cost.mac_op * scheme["ops"])
        accesses = sum(
            price * words for price, words in zip(cost.mem_hier, result.total_accesses, strict=True)
        )
        assert scheme["cost_access"] == pytest.approx(accesses)
        assert scheme["cost_noc"] == pytest.approx(cost.noc_hop * result.total_noc_hops)
        assert scheme["cost_static"] == pytest.approx(cost.idl_unit * result.total_time)
        parts = sum(scheme[f"cost_{name}"] for name in ("op", "access", "noc", "static"))
        assert result.total_cost == pytest.approx(parts)
        times = [scheme[f"{name}_time"] for name in ("proc", "bus", "dram")]
        assert result.total_time == max(times)
        assert scheme["tvals"] == tuple(zip(scheme["ti"], scheme["to"], scheme["tb"], strict=True))
        assert scheme["num_nodes"] == resource.proc_region.dim.size()
        on_chip = (resource.src_data_region, resource.dst_data_region)
        assert scheme["is_dram"] == tuple(region.type == NodeRegion.DRAM for region in on_chip)
        # All operations of the layer are done, and its ofmaps are where they are said to be.
        assert result.total_ops == pytest.approx(layer.total_ops(batch), rel=1e-4)
        assert result.ofmap_layout == rs.fmap_layout(layer, batch, resource.dst_data_region, part)


@given(layer_searches())
@settings(max_examples=60, deadline=None)
def test_blocking_of_results_is_what_the_reference_says(case):
    layer, batch, resource, _, options, _ = case
    for result in searched(*case):
        scheme = result.scheme
        node_layer, node_batch, occupancy = scheme["part"].part_layer(layer, batch)
        strategy = MapStrategyEyeriss(node_layer, node_batch, occupancy, resource.dim_array)
        ways = [
            way
            for nld in strategy.gen_nested_loop_desc()
            if (nld.usize_gbuf, nld.usize_regf) == scheme["unit_size"]
            for way in ref.variants(nld, scheme["tvals"], scheme["orders"], resource, options)
        ]
        same = [way for way in ways if tuple(map(tuple, way["fetch"])) == scheme["fetch"]]
        assert same
        assert any(
            [list(row) for row in scheme["size"]] == way["size"]
            and way["time"] == scheme["time"]
            and all(
                row == pytest.approx(words)
                for row, words in zip(scheme["access"], way["access"], strict=True)
            )
            and scheme["remote_gbuf_access"] == pytest.approx(tuple(way["remote_gbuf_access"]))
            for way in same
        )


def test_sched_seq_and_order():
    """Results carry the place asked for, and are best first."""
    options = OPTIONS._replace(ntops=5)
    scheduling = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    for goal in ("e", "d", "ed"):
        found = scheduling.schedule_search(
            condition(sched_seq=(3, 1, 2)), options._replace(opt_goal=goal)
        )
        assert [result.sched_seq for result in found] == [(3, 1, 2)] * 5
        keys = [rs.goal_key(goal, result.total_cost, result.total_time) for result in found]
        for one, other in itertools.pairwise(keys):
            assert one <= other or rs.close(one, other)


def test_a_schedule_is_listed_once():
    """Filters pinned or streamed are two ways to run one scheme; the better stays (M6, S6)."""
    resource = RESOURCE._replace(no_time_mux=True, size_gbuf=10000, size_regf=100)
    options = OPTIONS._replace(ntops=8, partition_hybrid=False)
    scheduling = Scheduling(ConvLayer(1, 2, 4, 2), BATCH, COST, MapStrategyEyeriss)
    found = scheduling.schedule_search(condition(layout_of((BATCH, 1, 5, 5)), resource), options)
    which = [
        (result.scheme["part"], result.scheme["tvals"], result.scheme["orders"]) for result in found
    ]
    assert len(set(which)) == len(which)


def test_nothing_fits():
    scheduling = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    assert not scheduling.schedule_search(
        condition(resource=RESOURCE._replace(size_regf=2)), OPTIONS
    )


def test_results_do_not_depend_on_earlier_searches():
    """The same machine with other goals, numbers and layouts before leaves no trace."""
    used = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    options = OPTIONS._replace(partition_batch=True, ntops=2)
    layouts = ifmap_layouts(LAYER, BATCH, MEMORY, options)
    asked = [
        (condition(layout), options._replace(opt_goal=goal, ntops=ntops))
        for ntops in (2, 1, 3)
        for goal in ("e", "d", "ed")
        for layout in layouts
    ]
    for args in asked:
        used.schedule_search(*args)
    for args in asked:
        fresh = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss).schedule_search(*args)
        assert used.schedule_search(*args) == fresh


def test_cache_statistics():
    """(reused, searched): asking again searches nothing."""
    scheduling = Scheduling(LAYER, BATCH, COST, MapStrategyEyeriss)
    assert scheduling.cache_stats() == (0, 0)
    scheduling.schedule_search(condition(), OPTIONS)
    _, searches = scheduling.cache_stats()
    assert searches > 0
    reused, _ = scheduling.cache_stats()
    scheduling.schedule_search(condition(), OPTIONS)
    assert scheduling.cache_stats()[1] == searches
    assert scheduling.cache_stats()[0] > reused


# One partition.


@pytest.mark.parametrize(
    "layer", [ConvLayer(4, 6, 8, 3), FCLayer(8, 4), PoolingLayer(4, 4, 2), EltwiseLayer(4, 4, 2)]
)
def test_search_per_node(layer):
    """For every array mapping what `gen_loopblocking` gives, mapping by mapping."""
    scheduling = Scheduling(layer, BATCH, COST, MapStrategyEyeriss)
    options = OPTIONS._replace(ntops=3)
    free = SchedulingConstraint()
    for part in gen_partition(layer, BATCH, PROC.dim, options, guaranteed=True):
        node_layer, node_batch, occupancy = part.part_layer(layer, BATCH)
        strategy = MapStrategyEyeriss(node_layer, node_batch, occupancy, RESOURCE.dim_array)
        expected = [
            (nld, scheme.bl_ts, scheme.bl_ords)
            for nld in strategy.gen_nested_loop_desc()
            for scheme in gen_loopblocking(nld, RESOURCE, part, free, COST, options)
        ]
        found = scheduling.schedule_search_per_node(part, RESOURCE, free, options)
        assert [(one.nld, one.bl_ts, one.bl_ords) for one in found] == expected


@given(*[st.sampled_from((0, 1, 2, 4))] * 3, st.sampled_from((60, 150, 800)))
@settings(max_examples=30, deadline=None)
def test_constraints_are_kept(topifm, topofm, topbat, size_gbuf):
    """Factors and orders of the top level are those that a pipeline needs."""
    assume(not (topifm > 1 and topofm > 1))
    constraint = SchedulingConstraintLayerPipeline(topifm=topifm, topofm=topofm, topbat=topbat)
    resource = RESOURCE._replace(size_gbuf=size_gbuf, size_regf=12)
    scheduling = Scheduling(ConvLayer(8, 8, 4, 3), 4, COST, MapStrategyEyeriss)
    for result in scheduling.schedule_search(
        condition(layout_of((4, 8, 6, 6)), resource, constraint), OPTIONS._replace(ntops=4)
    ):
        scheme = result.scheme
        assert constraint.is_valid_top_bl(scheme["tvals"][0], scheme["orders"][0])


class OnePE(MapStrategy):
    """A mapping strategy from outside the package that has nothing to offer."""

    def gen_nested_loop_desc(self):
        return iter(())


def test_strategy_without_mappings():
    scheduling = Scheduling(LAYER, BATCH, COST, OnePE)
    assert scheduling.schedule_search(condition(), OPTIONS) == []
