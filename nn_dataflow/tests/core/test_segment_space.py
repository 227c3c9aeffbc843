# SPDX-License-Identifier: BSD-3-Clause
"""What the search over segments is made of: constraints as grids, tables of layers, shared spaces.

Bounds must be lower bounds and become those of schedules; what is shared between layers, segments
and array mappings must not change what comes out (docs/model/search.md section 6.2).
"""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core.columns import take
from nn_dataflow.core.constraint_grid import UNKNOWN, ConstraintGrid
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import ConvLayer
from nn_dataflow.core.layer_space import LayerSpace
from nn_dataflow.core.layer_table import COST, DRAM, LayerBounds, LayerTable
from nn_dataflow.core.loop_blocking_space import TopLoops
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_space import MappingPool, MappingSpace, Setting
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import input_layout_partitions
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.search_effort import SearchEffort
from nn_dataflow.core.search_limit import LowerBounds, SearchLimit, best_of
from nn_dataflow.core.segment_bounds import SegmentGoal
from nn_dataflow.core.segment_builder import SegmentBuilder
from nn_dataflow.tests import pipeline_cases as cases
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.core.test_loop_blocking_simulator import conv2_desc
from nn_dataflow.tests.core.test_loop_blocking_simulator import machine as roomy_machine

ENERGY = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
OPTIONS = Option(
    sw_gbuf_bypass=(True, True, True),
    partition_hybrid=True,
    partition_interlayer=True,
    hw_gbuf_save_writeback=True,
)
INFINITE = float("inf")
NETWORKS = {
    "linear": cases.linear_network,
    "fork": cases.fork_network,
    "pooling": cases.fork_around_pooling,
    "connected": cases.fully_connected_network,
}
MACHINE = cases.machine((2, 2))


@functools.cache
def placed_segments(name, goal="ed", idle=0.0):
    """Builder, and the segments of a network that it has made spaces of."""
    network = NETWORKS[name]()
    pipeline = InterLayerPipeline(network, 2, MACHINE)
    starts = input_layout_partitions([network.input_layer()], 2, MACHINE.src_data_region, OPTIONS)
    builder = SegmentBuilder(
        network,
        2,
        MACHINE,
        ENERGY,
        OPTIONS,
        MapStrategyEyeriss,
        starts,
        SegmentGoal(goal, 1, idle, INFINITE),
    )
    order = pipeline.ordered_layer_list()
    return builder, builder.place(pipeline.gen_segment(OPTIONS), order, lambda *_: None)


def several_layers(name):
    return [edge for edge in placed_segments(name)[1] if len(edge.space.layers) > 1]


# Constraints.


def grids_of(name):
    for edge in placed_segments(name)[1]:
        for system in edge.segment.constraint_systems():
            yield system, ConstraintGrid(system)


@pytest.mark.parametrize("name", NETWORKS)
def test_grid_is_the_list_of_combinations(name):
    for system, grid in grids_of(name):
        expected = [
            [one.top_loops() for group in constraint for one in group]
            for constraint, _ in system.combinations()
        ]
        assert [grid.tops_of(number) for number in range(grid.num)] == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_values_of_the_symbols_of_a_layer(name):
    """Each number of values means the same requirement in all combinations that have them."""
    for _, grid in grids_of(name):
        for layer in range(len(grid.tops)):
            values = list(grid.values_of(layer))
            symbols = grid.symbols_of(layer, np.array([number for number, _ in values]))
            for combination, index in enumerate(np.ndindex(*grid.shape)):
                fits = [
                    tops
                    for row, (_, tops) in zip(symbols.tolist(), values, strict=True)
                    if all(s in (UNKNOWN, i) for s, i in zip(row, index, strict=True))
                ]
                assert fits == [grid.tops_of(combination)[layer]]


@pytest.mark.parametrize("name", ["linear", "pooling"])
def test_least_over_combinations(name):
    random = np.random.default_rng(1)
    for _, grid in grids_of(name):
        table = random.integers(0, 99, (*grid.shape, 2)).astype(float)
        for layer in range(len(grid.tops)):
            least = grid.least_of(layer, table)
            for number, _ in grid.values_of(layer):
                (row,) = grid.symbols_of(layer, np.array([number]))
                picked = table[tuple(slice(None) if s == UNKNOWN else s for s in row.tolist())]
                expected = picked.reshape(-1, 2).min(axis=0)
                assert least[number].tolist() == expected.tolist()
                assert grid.pick(table, row[None])[0].tolist() == expected.tolist()


def test_symbols_are_forgotten_behind_their_last_use():
    (grid, *_) = (grid for _, grid in grids_of("linear") if len(grid.shape) > 1)
    symbols = np.zeros((1, len(grid.shape)), dtype=np.int64)
    for layer in range(len(grid.tops)):
        later = {axis for axes in grid.axes[layer + 1 :] for axis in axes}
        needed = grid.still_needed(layer, symbols)[0] != UNKNOWN
        assert set(np.flatnonzero(needed).tolist()) == later


# Tables of layers.


@functools.cache
def tables_of(name):
    """Layers under requirements, a few of each network."""
    found = {}
    for edge in several_layers(name):
        for grid in edge.space.grids:
            for number, layer in enumerate(edge.space.layers):
                for tops in grid.tops[number]:
                    found.setdefault((layer.step.space, tops), layer)
    picked = list(found.items())
    return picked[:: max(1, len(picked) // 12)]


def bounds_of(layer):
    return LayerBounds(layer.step, layer.min_hops, (0.0, 300.0), 0.5)


def all_metrics(layer, tops):
    """Metrics of all schedules that the array mappings have, searched without any bound."""
    bounds, space = bounds_of(layer), layer.step.space
    found = []
    for number in range(len(space.mappings)):
        mapping = space.under(number, tops)
        points = mapping.points(layer.step.hop_costs[number], space.effort)
        rows = np.flatnonzero(space.row_mapping == number)
        choices = space.searched(rows, mapping, points)
        dram = points.dram[choices.point]
        found.append(bounds.metric(bounds.from_best(choices), choices.time, dram))
    return np.concatenate(found)


def sorted_rows(metrics):
    return sorted(map(tuple, metrics.tolist()))


def settling(table, column):
    """Look closer at a table until the least of a column is settled, pausing in between."""
    while True:
        yield
        table.refine(column)
        yield
        job = table.wanted(column)
        if job is None:
            return
        mapping, hop_costs, effort = job
        mapping.points(hop_costs, effort)


@pytest.mark.parametrize("name", NETWORKS)
def test_bounds_of_a_layer(name):
    """They are bounds at first, and the least of any column when it has been refined."""
    for (_, tops), layer in tables_of(name):
        least = all_metrics(layer, tops).min(axis=0, initial=INFINITE)
        bounds = bounds_of(layer)
        for column in range(len(least)):
            table = LayerTable(bounds, tops)
            for _ in settling(table, column):
                assert np.all(table.least <= least * (1 + 1e-12))
            if column != DRAM:  # nothing is known of the cycles of the memory without a search
                assert table.least[column] == least[column]
            assert not table.refine(column)


@pytest.mark.parametrize("name", NETWORKS)
def test_schedules_of_a_layer(name):
    """All that may matter are found, whatever was looked at before."""
    for (_, tops), layer in tables_of(name):
        metrics = all_metrics(layer, tops)
        bounds = bounds_of(layer)
        for share in (0, 0.1, 0.5, 1):
            limit = np.quantile(metrics[:, 3], share) if len(metrics) else 0
            table = LayerTable(bounds, tops)
            if share == 0.5:
                for _ in settling(table, COST):
                    pass
            found = table.search(lambda metric, most=limit: metric[:, 3] <= most)
            ours = bounds.metric(bounds.from_best(found), found.time, found.dram)
            assert sorted_rows(ours) == sorted_rows(metrics[metrics[:, 3] <= limit])
            tops_of = layer.step.space.pool.schemes
            for scheme in set(found.scheme.tolist()):
                one = tops_of[scheme]
                assert tops.allow(one.bl_ts[:, 0], one.bl_ords[:, 0]).all()


# Segments that are alike, and places in memory.


def test_equal_segments_share_a_space():
    """The layers of the fork are all equal but the last, and so are its two branches."""
    spaces = {edge.segment.seg: edge.space for edge in placed_segments("fork")[1]}
    assert spaces[("2a",),] is spaces[("3b",),]
    assert spaces[("2a",),] is not spaces[("4",),]
    assert spaces[("2a", "3a"),] is spaces[("2b", "3b"),]
    assert spaces[("2a",), ("3a",)] is spaces[("2b",), ("3b",)]
    assert spaces[("2a",), ("3a",)] is not spaces[("2a", "3a"),]


@pytest.mark.parametrize("name", NETWORKS)
def test_positions_of_segments(name):
    """Segments cover runs of the order, and read and write the columns of their neighbours."""
    network, (_, edges) = NETWORKS[name](), placed_segments(name)
    order = InterLayerPipeline(network, 2, MACHINE).ordered_layer_list()
    for edge in edges:
        names = [layer for group in edge.segment.seg for layer in group]
        assert order[edge.begin : edge.end] == names
        read = {prev for layer in names for prev in network.prevs(layer)} - set(names)
        columns = {0 if prev is None else order.index(prev) + 1 for prev in read}
        assert set(edge.sources) == columns
        written = [
            layer
            for layer in names
            if not set(network.nexts(layer)) <= set(names) or None in network.nexts(layer)
        ]
        assert [column for _, column in edge.outputs] == [order.index(w) + 1 for w in written]


@pytest.mark.parametrize("name", NETWORKS)
def test_places_in_memory(name):
    """Two schemes have the same place if they put the same ranges on the same nodes."""
    ranges_of = {}
    for edge in placed_segments(name)[1]:
        for number, _ in edge.outputs:
            layer = edge.space.layers[number]
            space = layer.step.space
            for part, place in enumerate(layer.memory.tolist()):
                scheme = PartitionScheme.of_row(space.parts, part)
                layout = rs.fmap_layout(space.layer, 2, MACHINE.dst_data_region, scheme)
                found = ranges_of.setdefault((space.layer, place), rs.placement(layout))
                assert found == rs.placement(layout)
    distinct = {(layer, placement) for (layer, _), placement in ranges_of.items()}
    assert len(distinct) == len(ranges_of)


# Array mappings that layers have in common.


def regions():
    """Settings of a layer on 2 nodes, whose fmaps come from and go to various places."""
    memory = MACHINE.dram_region
    left, right = (
        NodeRegion(PhyDim2(2, 1), PhyDim2(0, column), type=NodeRegion.PROC) for column in (0, 1)
    )
    for own, source, target, pins in itertools.product(
        (left, right), (memory, left, right), (memory, left, right), (False, True)
    ):
        resource = MACHINE._replace(
            proc_region=own, src_data_region=source, dst_data_region=target, no_time_mux=pins
        )
        for near in (0, 0.5) if source is memory else (0,):
            yield Setting(resource, ENERGY, OPTIONS, near, split_times=True)


@pytest.mark.parametrize("forwards", [False, True])
def test_sharing_array_mappings_changes_nothing(forwards):
    """Spaces with a common pool against spaces of their own."""
    layer, batch = ConvLayer(8, 12, 8, 3), 2
    pool = MappingPool()
    tops = [TopLoops(), TopLoops((1, 2, 1), (1,)), TopLoops((1, 0, 2), (2,))]
    reused = 0
    for setting in regions():
        options = setting.options._replace(hw_access_forwarding=forwards)
        used = setting._replace(options=options)
        known = len(pool._mappings)
        shared = LayerSpace(layer, batch, used, MapStrategyEyeriss, pool=pool)
        alone = LayerSpace(layer, batch, used, MapStrategyEyeriss)
        reused += len(pool._mappings) == known
        for one, other in zip(shared.least, alone.least, strict=True):
            assert one.tolist() == other.tolist()
        for number in range(0, len(shared.mappings), 2):
            for top in tops:
                one, other = (
                    space.under(number, top).points((10.0, 10.0, 10.0), space.effort)
                    for space in (shared, alone)
                )
                for column, expected in zip(one, other, strict=True):
                    assert column.tolist() == expected.tolist()
    assert reused > 5


# What is within the limit.


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12),
    st.sampled_from(("e", "d", "ed")),
    st.integers(1, 3),
)
@settings(max_examples=100)
def test_limit_is_the_worst_of_the_best(found, goal, num):
    limit = SearchLimit(goal, num)
    cost, time = np.array(found, dtype=float).T
    limit.lower(cost, time)
    keys = sorted(rs.goal_key(goal, c, t) for c, t in found)
    expected = keys[num - 1] if len(found) >= num else (INFINITE,)
    assert limit.keys[: len(expected)] == expected
    lower = LowerBounds(cost, time, cost)
    within = limit.within(lower, 0.0)
    assert within.tolist() == [
        len(found) < num or rs.goal_key(goal, c, t) <= expected for c, t in found
    ]
    before = limit.keys
    limit.lower(cost + 1, time + 1)
    assert limit.keys == before
    named = {(number,): one for number, one in enumerate(found)}
    best = [rs.goal_key(goal, *named[name]) for name in best_of(named, goal, num)]
    assert best == keys[:num]


@given(
    *[st.integers(0, 12)] * 3,
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from((0.5, 1.0, 3.0)),
)
@settings(max_examples=150)
def test_bound_on_a_product(cost, time, total, best_cost, best_time, weight):
    """No product below the bound is possible, so nothing as good as the best is lost."""
    bounds = LowerBounds(*(np.array([float(value)]) for value in (cost, time, total)))
    limit = SearchLimit("ed", 1)
    limit.lower(np.array([float(best_cost)]), np.array([float(best_time)]))
    assert limit.weight == best_cost / best_time
    one, _ = limit.values(bounds, weight)
    possible = [
        (c / 4, t / 4)
        for c in range(4 * cost, 80)
        for t in range(4 * time, 80)
        if c / 4 + weight * t / 4 >= total
    ]
    least = min(c * t for c, t in possible)
    assert one[0] <= least + 1e-9
    if least <= best_cost * best_time:
        assert limit.within(bounds, weight)[0]


def test_infinite_bounds_are_not_within():
    limit = SearchLimit("ed", 1)
    limit.lower(np.array([4.0]), np.array([2.0]))
    infinite = np.array([INFINITE, 1.0])
    bounds = LowerBounds(infinite, infinite, infinite)
    assert limit.within(bounds, limit.weight).tolist() == [False, True]


def test_groups_are_those_of_full_blocks():
    """A batch of 6 in blocks of 2 is three groups; one of 5 is none, for its last block."""
    options = OPTIONS._replace(sw_imperfect=True)
    for batch, groups in ((6, 3), (5, 1)):
        nld = conv2_desc((1, 1, batch))
        mapping = MappingSpace(nld, Setting(roomy_machine(), ENERGY, options))
        factors = np.array([[(1, 1, 3), (1, 1, 1), (1, 1, 2)]])
        points = take(mapping.points((0.0, 0.0, 0.0), SearchEffort()), slice(0, 1))
        numbered = MappingPool().numbered(mapping, points._replace(bl_ts=factors))
        assert numbered.groups.bat.tolist() == [groups]
