# SPDX-License-Identifier: BSD-3-Clause
"""Cases where the reproduced program was wrong, lost a schedule or crashed.

Decides that the answers of docs/differences.md come out of loop blocking, layer searches and
network searches. Each test names the difference; those that belong to one module alone are
tested beside it.
"""

import itertools
import math

import pytest

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core import partition
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapPosition, FmapRange
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.loop_blocking import gen_loopblocking
from nn_dataflow.core.loop_blocking_solver import gen_loopblocking_gbuf_reside
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.scheduling import Scheduling
from nn_dataflow.core.scheduling_constraint import SchedulingConstraint
from nn_dataflow.core.scheduling_result import SchedulingCondition
from nn_dataflow.nns import import_network
from nn_dataflow.tests import pipeline_cases as pipelines
from nn_dataflow.tests import reference_blocking as ref

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
ALL_BYPASS = Option(sw_gbuf_bypass=(True, True, True))
HYBRID = ALL_BYPASS._replace(partition_hybrid=True)
ONE = PhyDim2(1, 1)
WHOLE = PartitionScheme(order=(0, 1, 2, 3), pdims=(ONE, ONE, ONE, ONE))
FREE = SchedulingConstraint()
SPATIAL = HYBRID._replace(partition_interlayer=True)
TEMPORAL = HYBRID._replace(hw_gbuf_save_writeback=True)

CONV2 = ConvLayer(48, 128, 27, 5)
CONV_12_10 = ConvLayer(12, 10, 28, 3)
CONV_64_64 = ConvLayer(64, 64, 8, 3)


def machine(nodes=(1, 1), array=(16, 16), size_gbuf=65536, size_regf=256, **fields):
    """Nodes with memory next to each."""
    dim, origin = PhyDim2(*nodes), PhyDim2(0, 0)
    memory = NodeRegion(dim=dim, origin=origin, type=NodeRegion.DRAM)
    return Resource(
        proc_region=NodeRegion(dim=dim, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*array),
        size_gbuf=size_gbuf,
        size_regf=size_regf,
        array_bus_width=math.inf,
        dram_bandwidth=fields.pop("dram_bandwidth", math.inf),
        no_time_mux=fields.pop("no_time_mux", False),
    )


def first_desc(layer, batch_size):
    strategy = MapStrategyEyeriss(layer, batch_size, 1, PhyDim2(16, 16))
    return next(iter(strategy.gen_nested_loop_desc()))


def blockings(layer, batch_size, resource, options=ALL_BYPASS, constraint=FREE, cost=COST):
    desc = first_desc(layer, batch_size)
    return list(gen_loopblocking(desc, resource, WHOLE, constraint, cost, options))


def chain(*layers):
    network = Network("chain")
    network.set_input_layer(InputLayer(layers[0].nifm, (layers[0].hifm, layers[0].wifm)))
    for number, layer in enumerate(layers):
        network.add(f"layer{number}", layer)
    return network


def searcher(network, batch_size, resource, cost=COST):
    return NNDataflow(network, batch_size, resource, cost, MapStrategyEyeriss)


def search(network, batch_size, resource, options, cost=COST):
    return searcher(network, batch_size, resource, cost).schedule_search(options)[0]


class TestTrueHops:
    """M2, M3: what of the ifmaps is read, and how far it is."""

    def test_normalisation_that_splits_channels(self):
        """Windows of 5 channels, and groups of 3 and 2 of 7 channels, are scheduled."""
        network = chain(
            ConvLayer(3, 7, 6, 3), LocalRegionLayer(7, 6, nreg=5, sreg=1), FCLayer(7, 10, 6)
        )
        (best,) = search(network, 4, machine((2, 2), size_gbuf=4096), HYBRID)
        assert list(best) == ["layer0", "layer1", "layer2"]
        assert best.total_ops == sum(network[name].total_ops(4) for name in network)

    @pytest.mark.parametrize("goals", [("e", "d", "e"), ("d", "e", "d")])
    def test_order_of_searches_does_not_matter(self, goals):
        """What was computed before, for other goals and layouts, changes no hops."""
        network = chain(ConvLayer(8, 8, 8, 1), PoolingLayer(8, 4, 2), ConvLayer(8, 16, 4, 3))
        used = searcher(network, 4, machine((2, 2), (8, 8), 4096, 64))
        for goal in goals:
            options = HYBRID._replace(opt_goal=goal)
            (ours,) = used.schedule_search(options)[0]
            (fresh,) = search(network, 4, machine((2, 2), (8, 8), 4096, 64), options)
            assert (ours.total_cost, ours.total_time) == (fresh.total_cost, fresh.total_time)
            assert [ours[n].scheme for n in ours] == [fresh[n].scheme for n in fresh]


class TestPinnedFilters:
    """M6: filters that stay on chip for good are in the buffer, if that is better."""

    def best(self, gbuf_energy, size_gbuf=65536):
        cost = COST._replace(mem_hier=(200, gbuf_energy, 2, 1))
        resource = machine(size_gbuf=size_gbuf)
        (best,) = search(chain(CONV_64_64), 4, resource, ALL_BYPASS, cost)
        return best["layer0"].scheme

    def test_they_are_held_and_counted(self):
        scheme = self.best(gbuf_energy=6)
        filters = CONV_64_64.total_filter_size()
        assert scheme["fetch"][0][de.FIL] == 0
        assert scheme["access"][me.DRAM][de.FIL] == 0
        assert scheme["access"][me.GBUF][de.FIL] >= filters
        assert scheme["size"][0][de.FIL] >= filters

    def test_they_are_fetched_where_that_is_better(self):
        scheme = self.best(gbuf_energy=5000)
        assert scheme["fetch"][0][de.FIL] >= 1
        assert scheme["access"][me.DRAM][de.FIL] >= CONV_64_64.total_filter_size()
        assert scheme["access"][me.GBUF][de.FIL] == scheme["size"][0][de.FIL] == 0

    def test_they_are_fetched_where_nothing_holds_them(self):
        size_gbuf = CONV_64_64.total_filter_size() - 1
        scheme = self.best(gbuf_energy=6, size_gbuf=size_gbuf)
        assert scheme["access"][me.DRAM][de.FIL] >= CONV_64_64.total_filter_size()

    def test_more_than_one_layer_pins_nothing(self):
        (best,) = search(chain(CONV_64_64, CONV_64_64), 4, machine(), ALL_BYPASS)
        for name in best:
            filters = best[name].scheme["access"][me.DRAM][de.FIL]
            assert filters >= CONV_64_64.total_filter_size()

    @pytest.mark.parametrize("gbuf_energy", [6, 5000])
    def test_blocking_takes_the_better_of_both(self, gbuf_energy):
        layer = ConvLayer(4, 8, 6, 3)
        cost = COST._replace(mem_hier=(200, gbuf_energy, 2, 1))
        resource = machine(size_gbuf=2000, size_regf=30, no_time_mux=True)
        (ours,) = blockings(layer, 2, resource, cost=cost)
        ((key, *_),) = ref.best(first_desc(layer, 2), resource, ALL_BYPASS, cost)
        assert (ours.get_access_cost(cost), ours.time) == pytest.approx(key)


def test_network_of_one_segment_waits_for_memory():
    """M7: one layer that memory holds up takes the time of the memory."""
    layer = ConvLayer(8, 8, 16, 1)
    resource = machine((4, 4), (8, 8), dram_bandwidth=0.5)
    (best,) = search(chain(layer), 4, resource, Option())
    assert best.total_time == best["layer0"].total_dram_time
    assert best.total_time == 2 * (layer.total_ifmap_size(4) + layer.total_ofmap_size(4))
    assert best.total_time > best["layer0"].total_node_time


def test_pipeline_of_a_whole_network_waits_for_memory():
    """M7: docs/model/search.md example C; the layers share the bandwidth."""
    conv = ConvLayer(8, 8, 16, 1)
    resource = machine((4, 4), (8, 8), dram_bandwidth=0.5)
    (best,) = search(chain(conv, conv), 4, resource, Option(partition_interlayer=True))
    assert [best[name].sched_seq for name in best] == [(0, 0, 0), (0, 1, 0)]
    assert best.segment_timing_list[0].critical_time == 16_384
    assert best.total_time == best.segment_timing_list[0].dram_time == 32_768


class TestGoalDelay:
    """S1: goal d ranks by computed times."""

    def test_least_cost_at_the_least_time(self):
        (found,) = blockings(CONV2, 4, machine(), ALL_BYPASS._replace(opt_goal="d"))
        assert (found.time, found.get_access_cost(COST)) == (3_317_760, 2_073_162_240)

    def test_a_valid_scheme_is_found(self):
        """docs/model/loop_blocking.md section 12: the first candidates are not valid."""
        resource = machine(size_regf=32)
        found = {}
        for goal in ("e", "d", "ed"):
            options = Option(sw_gbuf_bypass=(False, False, False), opt_goal=goal)
            (scheme,) = blockings(CONV_12_10, 16, resource, options)
            assert scheme.is_valid()
            found[goal] = scheme.get_access_cost(COST)
        assert found == {"e": 119_067_200, "d": 119_067_200, "ed": 119_067_200}


@pytest.mark.parametrize(
    ("size_gbuf", "size_regf", "constraint", "access_cost"),
    [
        pytest.param(8000, 12, SchedulingConstraint(topifm=3), 38_704_640, id="topifm"),
        pytest.param(4000, 24, SchedulingConstraint(topbat=2), 29_615_360, id="topbat"),
    ],
)
def test_top_factor_that_the_equivalent_scheme_lacks(size_gbuf, size_regf, constraint, access_cost):
    """S2: schemes are not skipped for an equivalent one that the constraint refuses.

    The second case is that of docs/model/loop_blocking.md section 12.
    """
    resource = machine(size_gbuf=size_gbuf, size_regf=size_regf)
    (found,) = blockings(CONV_12_10, 4, resource, constraint=constraint)
    assert found.get_access_cost(COST) == access_cost
    assert constraint.is_valid_top_bl(found.bl_ts[0], found.bl_ords[0])
    desc = first_desc(CONV_12_10, 4)
    ((key, *_),) = ref.best(desc, resource, ALL_BYPASS, COST, constraint=constraint)
    assert key[0] == access_cost
    skipping = ref.best(desc, resource, ALL_BYPASS, COST, constraint=constraint, skip=ref.skip_conv)
    assert not skipping or skipping[0][0][0] > access_cost


class TestFullCost:
    """S3: partitions and schemes are ranked by energy with hops and static energy."""

    LAYER = ConvLayer(8, 12, 8, 3)
    RESOURCE = machine((2, 2), (8, 8), 600, 24)

    def whole_range(self, channels, height, width):
        return FmapRange(FmapPosition(0, 0, 0, 0), FmapPosition(4, channels, height, width))

    def layout(self, part):
        frng = self.whole_range(self.LAYER.nifm, self.LAYER.hifm, self.LAYER.wifm)
        region = self.RESOURCE.src_data_region
        return DataLayout((frng,), (region,), (part.projection(region, appl2frng=True),))

    def all_keys(self, options, cost, ifmap_layout):
        """(Energy without hops and static energy, energy, time) of every scheme there is."""
        layer, resource = self.LAYER, self.RESOURCE
        keys = []
        for part in partition.gen_partition(layer, 4, resource.proc_region.dim, options):
            node_layer, node_batch, occupancy = part.part_layer(layer, 4)
            region = resource.dst_data_region
            ofmap_layout = DataLayout(
                (self.whole_range(layer.nofm, layer.hofm, layer.wofm),),
                (region,),
                (part.projection(region, appl2frng=True),),
            )
            hops = partition.unit_nhops_to_proc_region(
                layer,
                4,
                resource.proc_region,
                part,
                frozenset(resource.dram_region.iter_node()),
                ifmap_layout,
                ofmap_layout,
                options,
            )
            strategy = MapStrategyEyeriss(node_layer, node_batch, occupancy, resource.dim_array)
            for desc in strategy.gen_nested_loop_desc():
                for bl_ts, bl_ords in ref.gen_candidates(desc):
                    if ref.skip_conv(bl_ts, bl_ords):
                        continue
                    one = ref.evaluate(desc, bl_ts, bl_ords, resource, options)
                    if not one["valid"]:
                        continue
                    nearby = ref.access_cost(one, cost) + cost.mac_op * one["ops"]
                    moved = sum(map(math.prod, zip(hops, one["top_level_fetch"], strict=True)))
                    full = nearby + cost.noc_hop * moved + cost.idl_unit * one["time"]
                    keys.append((nearby, full, one["time"]))
        return keys

    @pytest.mark.parametrize("goal", ["e", "d", "ed"])
    def test_best_of_all_schemes_and_partitions(self, goal):
        """Far hops and idle nodes: the cheapest accesses are not the cheapest schedule."""
        cost = COST._replace(noc_hop=150, idl_unit=40)
        options = HYBRID._replace(opt_goal=goal)
        split = PartitionScheme((0, 1, 2, 3), (ONE, PhyDim2(2, 2), ONE, ONE))
        layout = self.layout(split)
        condition = SchedulingCondition(self.RESOURCE, FREE, layout, (0, 0, 0))
        scheduling = Scheduling(self.LAYER, 4, cost, MapStrategyEyeriss)
        (ours,) = scheduling.schedule_search(condition, options)
        keys = self.all_keys(options, cost, layout)
        best = min(ref.goal_key(goal, full, time) for _, full, time in keys)
        assert ref.goal_key(goal, ours.total_cost, ours.total_time) == pytest.approx(best)
        nearest = min(keys, key=lambda key: (ref.goal_key(goal, key[0], key[2]), key[1]))
        assert ref.goal_key(goal, *nearest[1:]) > best


def test_goal_of_an_earlier_search_does_not_stick():
    """S5: docs/model/search.md section 11, item 2."""
    network = chain(ConvLayer(8, 8, 8, 1), ConvLayer(8, 9, 8, 1), ConvLayer(9, 8, 8, 1))
    used = searcher(network, 4, machine((4, 4), (8, 8)))
    found = []
    for goal in ("e", "d", "e"):
        (best,) = used.schedule_search(Option(partition_hybrid=True, opt_goal=goal))[0]
        found.append((best.total_cost, best.total_time))
    assert found == [(3_721_216, 200), (3_757_568, 64), (3_721_216, 200)]


def segments_of(scheme):
    """Layers of each segment, by spatial and temporal index."""
    segments = []
    for name, result in scheme.items():
        seg, sp, _ = result.sched_seq
        while seg == len(segments):
            segments.append([])
        while sp == len(segments[seg]):
            segments[seg].append([])
        segments[seg][sp].append(name)
    return segments


def three_layers():
    """docs/model/pipeline.md section 9.2, with its machine and batch size."""
    return pipelines.linear_network(), 4, pipelines.machine()


class TestPipelinesThatAreNotTheFirst:
    """S4: fewer groups of fmaps cost as much and take longer; all combinations are compared."""

    @pytest.mark.parametrize("overhead", [math.inf, 0.1, 0])
    @pytest.mark.parametrize("idle", [0, 100])
    def test_worked_example(self, overhead, idle):
        """The first combination takes 12 288 cycles, the one found 7104, at the same energy."""
        options = SPATIAL._replace(layer_pipeline_max_degree=2, layer_pipeline_time_ovhd=overhead)
        (best,) = search(*three_layers(), options, COST._replace(idl_unit=idle))
        assert segments_of(best) == [[["a"], ["b"]], [["c"]]]
        assert best.segment_time_list() == [7104, 4480]
        assert best.segment_timing_list[0].time_overhead == 0
        assert best.total_cost == 39_048_192 + 8_691_712 + idle * (7104 + 4480)

    def test_worked_example_for_other_goals(self):
        """Faster ones, of more energy; the original's takes 16 768 cycles for all goals."""
        found = {}
        for goal in ("e", "d", "ed"):
            options = SPATIAL._replace(layer_pipeline_max_degree=2, opt_goal=goal)
            (found[goal],) = search(*three_layers(), options)
        assert (found["e"].total_cost, found["e"].total_time) == (47_739_904, 11_584)
        assert found["d"].total_time <= found["ed"].total_time < 11_584
        assert found["ed"].total_cost * found["ed"].total_time < 47_739_904 * 11_584

    def test_prefix_that_is_best_is_not_all(self):
        """The best first two layers end in a schedule that is 0.65 % worse than the original's."""
        network = chain(ConvLayer(4, 8, 8, 3), ConvLayer(8, 32, 8, 3), ConvLayer(32, 4, 4, 1, 2))
        resource = machine((4, 4), (8, 8), 1024, 128)
        options = SPATIAL._replace(partition_batch=True, opt_goal="ed")
        (best,) = search(network, 8, resource, options)
        product = best.total_cost * best.total_time
        assert product <= 21_325_824 * 1744
        assert product <= 17_591_552 * 2128
        (plain,) = search(network, 8, resource, options._replace(partition_interlayer=False))
        assert product <= plain.total_cost * plain.total_time

    @pytest.mark.parametrize("goal", ["e", "d", "ed"])
    def test_few_groups_of_samples_within_the_overhead(self, goal):
        """Buffering whole fmaps takes no time where the memory holds all layers up."""
        network = chain(FCLayer(512, 4096, 6), *map(FCLayer, (4096, 4096, 1000), (4096, 1000, 10)))
        resource = machine((4, 4), dram_bandwidth=32)
        options = SPATIAL._replace(layer_pipeline_time_ovhd=0.1, opt_goal=goal)
        (best,) = search(network, 4, resource, options)
        assert segments_of(best) == [[["layer0"], ["layer1"], ["layer2"]], [["layer3"]]]
        (original,) = (
            segment.gen_constraint(0.1, original_rules=True)
            for segment in InterLayerPipeline(network, 4, resource).gen_segment(options)
            if len(segment) == 3
        )
        assert not list(original)
        assert best.segment_timing_list[0].bat_ngrp == 1
        assert best.segment_timing_list[0].time_overhead == pytest.approx(0)


class TestLocalRegionLayersInSegments:
    """S5, S7: how their ofmaps are split is searched with that of the layer before."""

    def test_each_schedule_has_its_own_split(self):
        """The pooling layers of the best schedules follow their own convolution."""
        network = chain(ConvLayer(8, 32, 8, 3), PoolingLayer(32, 4, 2))
        resource = machine((1, 1), (8, 8), 2000, 64)
        splits = set()
        for scheme in search(network, 4, resource, TEMPORAL._replace(ntops=60)):
            conv, pool = (scheme[name] for name in scheme)
            assert pool.sched_seq == (0, 0, 1)
            assert pool.scheme["to"][0] == conv.scheme["to"][0]
            splits.add(conv.scheme["to"][0])
        assert splits == {2, 4}

    @pytest.mark.parametrize(
        ("goal", "most"), [("e", 7.7813e10), ("ed", 1.2325e18)], ids=["e", "ed"]
    )
    def test_alex_net(self, goal, most):
        """Convolution and pooling run together, which the convolution's own choice rules out."""
        options = TEMPORAL._replace(partition_interlayer=True, opt_goal=goal)
        (best,) = search(import_network("alex_net"), 16, machine((2, 2)), options)
        value = best.total_cost * (best.total_time if goal == "ed" else 1)
        assert value < most * 1.0001
        assert any(["conv2_a", "pool2_a"] in segment for segment in segments_of(best))


class TestLimitOfTheOverhead:
    """S8, E3: an overhead at the limit passes, and a limit of 0 is one."""

    def best(self, overhead):
        options = SPATIAL._replace(layer_pipeline_time_ovhd=overhead)
        return search(*three_layers(), options)[0]

    def test_at_the_limit(self):
        free = self.best(math.inf)
        (timing,) = free.segment_timing_list
        assert timing.time_overhead == pytest.approx(0.9073, abs=5e-5)
        for limit, passes in ((1, True), (1 - 1e-10, True), (1 - 1e-6, False)):
            best = self.best(timing.time_overhead * limit)
            assert (best.total_cost == free.total_cost) == passes
            assert best.total_cost >= free.total_cost

    @pytest.mark.parametrize("options", [SPATIAL, TEMPORAL])
    def test_no_overhead_at_all(self, options):
        options = options._replace(layer_pipeline_time_ovhd=0)
        (best,) = search(*three_layers(), options)
        assert len(segments_of(best)) < len(best)
        for timing in best.segment_timing_list:
            assert timing.time_overhead <= 1e-9


@pytest.mark.parametrize("options", [SPATIAL, TEMPORAL])
def test_pooling_beside_a_convolution(options):
    """E2: a shortcut of a pooling layer joins a convolution in a sum."""
    network = chain(ConvLayer(8, 16, 32, 1), PoolingLayer(16, 16, 2))
    network.add("conv", ConvLayer(16, 16, 16, 1, 2), prevs=("layer0",))
    network.add("sum", EltwiseLayer(16, 16, 2), prevs=("conv", "layer1"))
    network.add("last", ConvLayer(16, 8, 16, 1))
    resource = machine((4, 4), (8, 8), 4096, 64)
    (best,) = search(network, 4, resource, options)
    (plain,) = search(network, 4, resource, HYBRID)
    assert set(best) == set(network)
    assert best["sum"].sched_seq[0] == best["conv"].sched_seq[0]
    assert best.total_cost < plain.total_cost


class TestDistinctSchedules:
    """S6: equal schedules are kept once, in an order that does not depend on chance."""

    @staticmethod
    def placement(part, region, layout):
        frng = layout.complete_fmap_range()
        return frozenset(
            (tuple(part.coordinate(region, pidx)), part.fmap_range(frng, pidx), pidx[3])
            for pidx in part.gen_pidx()
        )

    def content(self, schedule, region):
        """What tells schedules apart, layer by layer."""
        described = []
        for name in schedule:
            result = schedule[name]
            orders = ()
            if isinstance(schedule.network[name], ConvLayer):
                levels = zip(result.scheme["tvals"], result.scheme["orders"], strict=False)
                orders = tuple(
                    tuple(sorted((ords[lpe], lpe) for lpe in range(3) if factors[lpe] > 1))
                    for factors, ords in levels
                )
                orders = tuple(tuple(lpe for _, lpe in level) for level in orders)
            part = result.scheme["part"]
            placed = self.placement(part, region, result.ofmap_layout)
            described.append((result.sched_seq, placed, result.scheme["tvals"], orders))
        return tuple(described)

    @pytest.mark.parametrize("goal", ["e", "d", "ed"])
    @pytest.mark.parametrize(
        ("nodes", "options", "ntops"), [((1, 1), ALL_BYPASS, 40), ((2, 2), HYBRID, 24)]
    )
    def test_no_two_are_equal(self, nodes, options, ntops, goal):
        network = chain(ConvLayer(4, 8, 6, 3), PoolingLayer(8, 3, 2))
        resource = machine(nodes, (8, 8), 4096, 128)
        options = options._replace(ntops=ntops, opt_goal=goal)
        found = search(network, 2, resource, options)
        assert len(found) == ntops
        contents = [self.content(schedule, resource.proc_region) for schedule in found]
        assert len(set(contents)) == ntops
        keys = [ref.goal_key(goal, one.total_cost, one.total_time) for one in found]
        for one, other in itertools.pairwise(keys):
            assert one[0] <= other[0] * (1 + 1e-9)

    def test_larger_lists_start_like_smaller_ones(self):
        network = chain(ConvLayer(4, 8, 6, 3), PoolingLayer(8, 3, 2))
        resource = machine((2, 2), (8, 8), 4096, 128)
        few, many = (search(network, 2, resource, HYBRID._replace(ntops=n)) for n in (1, 9))
        assert [few[0][name].scheme for name in few[0]] == [
            many[0][name].scheme for name in many[0]
        ]


class TestSolverWithoutFeasiblePoint:
    """E1: that scheme yields nothing, and the search goes on."""

    SOLVE = ALL_BYPASS._replace(sw_solve_loopblocking=True)

    def test_it_yields_nothing(self):
        resource = machine(size_gbuf=64, size_regf=8)
        desc = first_desc(CONV_64_64, 4)
        assert not list(gen_loopblocking_gbuf_reside(desc, resource, self.SOLVE))
        assert not blockings(CONV_64_64, 4, resource, self.SOLVE)

    def test_nothing_is_left(self, capsys):
        """The layer is named, with the capacities."""
        network = chain(CONV_64_64, ConvLayer(64, 4, 8, 1))
        used = searcher(network, 4, machine(size_gbuf=64, size_regf=8))
        schedules, _ = used.schedule_search(self.SOLVE)
        assert schedules == []
        assert "layer0" in used.failure
        assert "size_regf 8" in used.failure
        assert "size_gbuf 64" in used.failure
        assert "chain" in capsys.readouterr().err
        used.schedule_search(ALL_BYPASS)
        assert used.failure is None

    def test_other_categories_are_still_tried(self):
        """Room for a block of filters, but for none of the ifmaps or ofmaps."""
        desc = first_desc(CONV_64_64, 4)
        least = min(desc.usize_gbuf)
        assert least == desc.usize_gbuf[de.FIL]
        resource = machine(size_gbuf=least, size_regf=64)
        assert len(list(gen_loopblocking_gbuf_reside(desc, resource, self.SOLVE))) == 1
        (scheme,) = blockings(CONV_64_64, 4, resource, self.SOLVE)
        assert scheme.is_valid()
        assert search(chain(CONV_64_64), 4, resource, self.SOLVE)


@pytest.mark.parametrize("goal", ["e", "d", "ed"])
def test_all_costs_zero(goal):
    """E4: the result has cost 0, and the least time under goal d."""
    free = Cost(mac_op=0, mem_hier=(0, 0, 0, 0), noc_hop=0, idl_unit=0)
    network = chain(ConvLayer(4, 8, 6, 3), PoolingLayer(8, 3, 2))
    options = HYBRID._replace(opt_goal=goal)
    (best,) = search(network, 2, machine((2, 2), (8, 8), 4096, 128), options, free)
    assert best.total_cost == 0
    if goal != "ed":
        delay = HYBRID._replace(opt_goal="d")
        (fastest,) = search(network, 2, machine((2, 2), (8, 8), 4096, 128), delay)
        assert best.total_time == fastest.total_time


def test_cache_statistics_count_once():
    """E14: equal layers share one search, whose figures are not multiplied by their number."""
    conv = ConvLayer(8, 8, 8, 1)
    stats = {}
    for number in (2, 3, 5):
        used = searcher(chain(*[conv] * number), 4, machine((4, 4), (8, 8)))
        _, stats[number] = used.schedule_search(HYBRID)
        (shared,) = set(used.layer_sched_dict.values())
        assert stats[number] == shared.cache_stats()
    computed = {number: pair[1] for number, pair in stats.items()}
    assert computed[2] == computed[3] == computed[5] > 0
    reused = {number: pair[0] for number, pair in stats.items()}
    assert reused[5] - reused[3] == 2 * (reused[3] - reused[2])

    used = searcher(chain(conv, ConvLayer(8, 4, 8, 1)), 4, machine((4, 4), (8, 8)))
    _, both = used.schedule_search(HYBRID)
    each = [used.layer_sched_dict[name].cache_stats() for name in ("layer0", "layer1")]
    assert both == tuple(map(sum, zip(*each, strict=True)))
