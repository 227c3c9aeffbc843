# SPDX-License-Identifier: BSD-3-Clause
"""The network search against all combinations (docs/model/search.md section 6).

Every start layout, and for every layer every partition scheme, array mapping and loop blocking
scheme; the walk over all prefixes prunes nothing.
"""

import contextlib
import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.core import network_search
from nn_dataflow.core.columns import take
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.network import Network
from nn_dataflow.core.network_bounds import Factor, NetworkBounds
from nn_dataflow.core.network_step import Step
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import unit_nhops_to_proc_region
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.strategies import costs, networks, search_options, search_resources

GOALS = ("e", "d", "ed")

# Most schedules of a network that a test walks over.
MAX_WALK = 200_000


@st.composite
def network_searches(draw, *, max_ntops=3):
    """(network, batch, resource, cost, options, strategy)."""
    return (
        draw(networks()),
        draw(st.sampled_from((1, 1, 2))),
        draw(search_resources(locations=("memory",), tight=True)),
        draw(costs()),
        draw(search_options(max_ntops=max_ntops)),
        MapStrategyEyeriss,
    )


def searched(network, batch, resource, cost, options, strategy):
    dataflow = NNDataflow(network, batch, resource, cost, strategy)
    with contextlib.redirect_stderr(io.StringIO()):
        found, _ = dataflow.schedule_search(options)
    return found, dataflow


def keys_of(goal, schemes):
    return [rs.goal_key(goal, scheme.total_cost, scheme.total_time) for scheme in schemes]


def assert_is_best(case, found):
    """The results are the least values of all schedules."""
    oracle = rs.NetworkOracle(*case)
    assume(oracle.num_schedules() <= MAX_WALK)
    options = case[4]
    expected = rs.best_values(options.opt_goal, *oracle.values(), options.ntops)
    keys = keys_of(options.opt_goal, found)
    assert len(keys) == len(expected)
    assert all(map(rs.close, keys, expected))


@pytest.mark.parametrize("goal", GOALS)
@given(network_searches())
@settings(max_examples=30, deadline=None)
def test_network_search_is_the_walk_over_everything(goal, case):
    network, batch, resource, cost, options, strategy = case
    case = network, batch, resource, cost, options._replace(opt_goal=goal), strategy
    found, dataflow = searched(*case)
    assert_is_best(case, found)
    assert dataflow.effort.prefixes_dropped == 0
    assert (dataflow.failure is None) == bool(found)


def with_partial_blocks(case, partial):
    network, batch, resource, cost, options, strategy = case
    options = options._replace(sw_imperfect=partial, ntops=1)
    return network, batch, resource, cost, options, strategy


@given(network_searches(), st.sampled_from(GOALS))
@settings(max_examples=40, deadline=None)
def test_partial_blocks_are_never_worse(case, goal):
    """Every schedule without them is one of those with them."""
    case = *case[:4], case[4]._replace(opt_goal=goal), case[5]
    full, partial = (
        keys_of(goal, searched(*with_partial_blocks(case, partial))[0]) for partial in (False, True)
    )
    assert len(full) <= len(partial)
    assert all(
        one <= other or rs.close(one, other) for one, other in zip(partial, full, strict=False)
    )


@pytest.mark.parametrize(("goal", "gain"), [("e", 0.05), ("d", 0.1), ("ed", 0.1)])
def test_partial_blocks_are_better_where_loops_have_no_divisors(goal, gain):
    """512 channels, 5 at a time, are a loop of 103 iterations."""
    network = Network("one")
    network.set_input_layer(InputLayer(256, 13))
    network.add("a", ConvLayer(256, 512, 13, 3))
    memory = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
    resource = Resource(
        proc_region=memory._replace(type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(16, 16),
        size_gbuf=65536,
        size_regf=256,
        array_bus_width=math.inf,
        dram_bandwidth=0.25,
        no_time_mux=False,
    )
    cost = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
    options = Option(sw_gbuf_bypass=(True,) * 3, opt_goal=goal)
    case = network, 16, resource, cost, options, MapStrategyEyeriss
    (full,), _ = searched(*with_partial_blocks(case, partial=False))
    (partial,), _ = searched(*with_partial_blocks(case, partial=True))
    assert 103 in partial["a"].scheme["trips"]
    values = {
        "e": [one.total_cost for one in (full, partial)],
        "d": [one.total_time for one in (full, partial)],
        "ed": [one.total_cost * one.total_time for one in (full, partial)],
    }[goal]
    assert values[1] <= (1 - gain) * values[0]


JOINS = ("join", "diamond", "skip", "residual", "twice", "external", "external_sum")


@st.composite
def group_searches(draw, *, max_ntops=3):
    """Networks with layers of several producers, on nodes that forward data or share buffers."""
    network = draw(networks(only=JOINS))
    resource = draw(search_resources(locations=("memory",), tight=True))
    if draw(st.booleans()):  # forwarding shows on several nodes only
        square = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
        memory = square._replace(type=NodeRegion.DRAM)
        resource = resource._replace(
            proc_region=square,
            dram_region=memory,
            src_data_region=memory,
            dst_data_region=memory,
        )
    options = draw(search_options(max_ntops=max_ntops))
    option = draw(st.sampled_from(("hw_access_forwarding", "hw_gbuf_sharing")))
    options = options._replace(**{option: True})
    batch = draw(st.sampled_from((1, 1, 2)))
    return network, batch, resource, draw(costs()), options, MapStrategyEyeriss


@pytest.mark.parametrize("goal", GOALS)
@given(group_searches())
@settings(max_examples=12, deadline=None)
def test_network_search_with_groups_is_the_walk_over_everything(goal, case):
    """The hops of a concatenation are those from its whole layout."""
    network, batch, resource, cost, options, strategy = case
    case = network, batch, resource, cost, options._replace(opt_goal=goal), strategy
    found, dataflow = searched(*case)
    assert_is_best(case, found)
    assert dataflow.effort.prefixes_dropped == 0


@given(network_searches())
@settings(max_examples=30, deadline=None)
def test_few_guided_prefixes_do_not_matter(case):
    """How many prefixes the pass keeps that looks for a better limit changes the effort only."""
    wide, _ = searched(*case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_search, "GUIDED_PREFIXES", 1)
        narrow, dataflow = searched(*case)
    assert all(map(rs.close, *(keys_of(case[4].opt_goal, found) for found in (wide, narrow))))
    assert len(wide) == len(narrow)
    assert (dataflow.failure is None) == bool(narrow)


def test_guided_prefixes_may_all_be_dead_ends(monkeypatch):
    """The pass that looks for a better limit may end early, which is no failure of a layer."""
    case = residual(), 2, machine(), DEAR_HOPS, Option(partition_hybrid=True), MapStrategyEyeriss
    expected, _ = searched(*case)

    def keep_none(_search, number, found):
        return take(found, slice(0, None if number == 0 else 0))

    monkeypatch.setattr(network_search.NetworkSearch, "_keep_promising", keep_none)
    found, dataflow = searched(*case)
    assert keys_of("e", found) == keys_of("e", expected)
    assert len(found) == 1
    assert dataflow.failure is None


@given(st.one_of(network_searches(), group_searches()))
@settings(max_examples=50, deadline=None)
def test_schedules_hold_together(case):
    """Every layer's hops are those from where its producers put their fmaps."""
    network, batch, resource, _, options, _ = case
    found, dataflow = searched(*case)
    nodes = set(resource.dram_region.iter_node())
    for scheme in found:
        assert set(scheme) == set(network)
        for number, (name, result) in enumerate(scheme.items()):
            assert result.sched_seq == (number, 0, 0)
            part = result.scheme["part"]
            hops = unit_nhops_to_proc_region(
                network[name],
                batch,
                resource.proc_region,
                part,
                nodes,
                scheme.fmap_layout(network.prevs(name)),
                result.ofmap_layout,
                options,
            )
            assert list(result.scheme["unit_nhops"]) == hops
            assert result.scheme["num_nodes"] == resource.proc_region.dim.size()
        values = list(scheme.values())
        assert scheme.total_cost == pytest.approx(sum(one.total_cost for one in values))
        assert scheme.total_time == sum(one.total_time for one in values)
    counts = dataflow.effort.as_dict()
    assert min(counts.values()) >= 0
    kinds = ("equivalent", "capacity", "bound", "evaluated")
    assert counts["candidates"] == sum(counts[kind] for kind in kinds)


# Joins whose best places differ from what is best for each layer alone.


def machine(dim=(2, 2), size_gbuf=400, size_regf=20):
    proc = NodeRegion(PhyDim2(*dim), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(*dim), PhyDim2(0, 0), type=NodeRegion.DRAM)
    sizes = size_gbuf, size_regf
    return Resource(proc, memory, memory, memory, PhyDim2(4, 4), *sizes, 4, 4.0, False)


def residual():
    network = Network("residual")
    network.set_input_layer(InputLayer(2, 4))
    network.add("a", ConvLayer(2, 4, 4, 1))
    network.add("b", ConvLayer(4, 4, 4, 1))
    network.add("e", EltwiseLayer(4, 4, 2), prevs=("a", "b"))
    return network


DEAR_HOPS = Cost(mac_op=1, mem_hier=(2, 1, 1, 1), noc_hop=100, idl_unit=3)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("ntops", [1, 3])
def test_residual_join_with_dear_hops(goal, ntops):
    """Where hops decide, layers give way to each other."""
    options = Option(partition_hybrid=True, opt_goal=goal, ntops=ntops)
    case = (
        residual(),
        1,
        machine(size_gbuf=200, size_regf=12),
        DEAR_HOPS,
        options,
        MapStrategyEyeriss,
    )
    oracle = rs.NetworkOracle(*case)
    assert oracle.num_schedules() > 5000
    found, _ = searched(*case)
    expected = rs.best_values(goal, *oracle.values(), ntops)
    assert all(map(rs.close, keys_of(goal, found), expected))
    assert len(found) == ntops


def concatenation():
    network = Network("concatenation")
    network.set_input_layer(InputLayer(1, 1))
    network.add("a", ConvLayer(1, 1, 1, 1))
    network.add("b", ConvLayer(1, 6, 1, 1), prevs=(Network.INPUT_LAYER_KEY,))
    network.add("c", ConvLayer(7, 4, 1, 1), prevs=("a", "b"))
    return network


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("option", ["hw_access_forwarding", "hw_gbuf_sharing"])
def test_concatenation_with_dear_hops(goal, option):
    """One node receives what all producers made, and passes it on."""
    options = Option(partition_hybrid=True, opt_goal=goal, **{option: True})
    case = concatenation(), 1, machine((1, 4), size_regf=12), DEAR_HOPS, options
    oracle = rs.NetworkOracle(*case, MapStrategyEyeriss)
    found, _ = searched(*case, MapStrategyEyeriss)
    expected = rs.best_values(goal, *oracle.values(), 1)
    assert all(map(rs.close, keys_of(goal, found), expected))
    assert len(found) == 1
    with pytest.MonkeyPatch.context() as patch:  # the sum over producers would be less
        patch.setattr(Step, "is_joint", False)
        wrong, _ = searched(*case, MapStrategyEyeriss)
    (right,), (less,) = keys_of(goal, found), keys_of(goal, wrong)
    assert less < right


def test_more_is_a_continuation_of_fewer():
    for goal in GOALS:
        options = Option(partition_hybrid=True, opt_goal=goal, sw_gbuf_bypass=(True,) * 3)
        case = residual(), 2, machine(), DEAR_HOPS
        most, _ = searched(*case, options._replace(ntops=6), MapStrategyEyeriss)
        assert len(most) == 6
        for ntops in range(1, 6):
            found, _ = searched(*case, options._replace(ntops=ntops), MapStrategyEyeriss)
            expected = keys_of(goal, most[:ntops])
            assert all(map(rs.close, keys_of(goal, found), expected))
            assert len(found) == ntops


# What is dropped without a look at what follows.


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=5),
    st.integers(1, 20),
)
def test_extensions_in_blocks(groups, most):
    """Each prefix meets all schedules of its group once, as many together as are allowed."""
    members, end = [], 0
    for num, _ in groups:
        members.append(np.arange(end, end + num))
        end += num
    sizes = [size for _, size in groups]
    ends = list(itertools.accumulate(sizes, initial=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_search, "MAX_BLOCK", most)
        blocks = list(network_search._pairs(members, sizes))
    found = [pair for block in blocks for pair in zip(*map(np.ndarray.tolist, block), strict=True)]
    expected = [
        pair
        for own, begin, size in zip(members, ends, sizes, strict=False)
        for pair in itertools.product(own.tolist(), range(begin, begin + size))
    ]
    assert sorted(found) == sorted(expected)
    for prev, _ in blocks:
        assert len(prev) <= most or len(set(prev.tolist())) == 1
    if len(expected) <= most:
        assert len(blocks) == 1


@st.composite
def factor_graphs(draw):
    """A few factors with random costs and hops, each with some earlier ones as sources."""
    factors = []
    for number in range(draw(st.integers(1, 4))):
        size = draw(st.integers(1, 4))
        parts, places = draw(st.integers(1, 3)), draw(st.integers(1, 3))

        def numbers(count, most):
            return np.array(draw(st.lists(st.integers(0, most), min_size=count, max_size=count)))

        sources = tuple(draw(st.sets(st.integers(0, number - 1)))) if number else ()
        factors.append(
            Factor(
                base=numbers(size, 20).astype(float),
                scale=numbers(size, 3),
                part=numbers(size, parts - 1),
                place=numbers(size, places - 1),
                num_places=places,
                sources=sources,
                tables=[
                    numbers(factors[source].num_places * parts, 20).reshape(-1, parts).astype(float)
                    for source in sources
                ],
            )
        )
    return factors


def cost_of(factors, chosen):
    total = 0.0
    for factor, own in zip(factors, chosen, strict=True):
        total += factor.base[own]
        for source, table in zip(factor.sources, factor.tables, strict=True):
            place = factors[source].place[chosen[source]]
            total += factor.scale[own] * table[place, factor.part[own]]
    return total


@given(factor_graphs())
@settings(max_examples=150, deadline=None)
def test_network_bounds_are_admissible(factors):
    """No choice costs less than the bound, a layer's reduced cost, or what a prefix is charged."""
    choices = list(itertools.product(*(range(len(factor.base)) for factor in factors)))
    costs_ = [cost_of(factors, chosen) for chosen in choices]
    bounds = NetworkBounds(factors, math.inf, {})
    slack = 1e-9 * (1 + max(costs_))
    assert bounds.bound() <= min(costs_) + slack
    for number in range(len(factors)):
        reduced = bounds.reduced(number)
        rest = bounds.bound() - bounds.least[number]
        for chosen, cost in zip(choices, costs_, strict=True):
            assert rest + reduced[chosen[number]] <= cost + slack
        later = sum(bounds.least[number + 1 :])
        for chosen, cost in zip(choices, costs_, strict=True):
            places = np.array([[f.place[c] for f, c in zip(factors, chosen, strict=True)]])
            prefix = cost_of(factors[: number + 1], chosen[: number + 1])
            charged = bounds.charged(places, range(len(factors)), number)[0]
            assert prefix + charged + later <= cost + slack


def test_bounds_of_a_chain_are_exact():
    """Two layers that want different places: the bound is what the best compromise costs."""
    first = Factor(
        np.array([0.0, 3.0]), np.array([1, 1]), np.array([0, 0]), np.array([0, 1]), 2, (), ()
    )
    moves = np.array([[10.0], [0.0]])
    second = Factor(np.array([1.0]), np.array([1]), np.array([0]), np.array([0]), 1, (0,), (moves,))
    assert NetworkBounds([first, second], math.inf, {}).bound() == pytest.approx(4)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("ntops", [1, 4])
def test_beam_keeps_the_best_prefixes(goal, ntops):
    """A walk that keeps the best prefixes, whatever they leave to the layers to come."""
    resource = machine(size_gbuf=200, size_regf=12)
    options = Option(partition_hybrid=True, opt_goal=goal, ntops=ntops)
    case = residual(), 1, resource, DEAR_HOPS, options, MapStrategyEyeriss
    oracle = rs.NetworkOracle(*case)
    prefixes = [(0.0, 0, dict(layouts)) for layouts in oracle.starts]
    for name in oracle.names:
        extended = [
            (cost + own, time + cycles, {**layouts, name: layout})
            for cost, time, layouts in prefixes
            for layout, costs, times in oracle.schedules(name, layouts)
            for own, cycles in zip(costs.tolist(), times.tolist(), strict=True)
        ]
        extended.sort(key=lambda prefix: rs.goal_key(goal, prefix[0], prefix[1]))
        prefixes = extended[:ntops]
    dataflow = NNDataflow(*case[:4], MapStrategyEyeriss)
    found = dataflow.beam_search(options)
    keys = [rs.goal_key(goal, cost, time) for cost, time, _ in prefixes]
    assert all(map(rs.close, keys_of(goal, found), keys))
    best, _ = dataflow.schedule_search(options._replace(ntops=1))
    (key,) = keys_of(goal, best)
    assert key <= keys_of(goal, found)[0]
