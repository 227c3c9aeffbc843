# SPDX-License-Identifier: BSD-3-Clause
"""What the network search drops by bounds, against enumerations (docs/model/search.md section 6).

Lower bounds on small random networks of every shape, on products of energy and time, and on the
hops that loop blocking is searched for; and what happens when there are too many prefixes.
"""

import contextlib
import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import network_bounds, network_search
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer
from nn_dataflow.core.layer_space import LayerSpace, fmap_range
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_space import Setting
from nn_dataflow.core.network import Network
from nn_dataflow.core.network_bounds import Factor, NetworkBounds
from nn_dataflow.core.network_search import NetworkSearch
from nn_dataflow.core.network_step import Source, hops_of_ifmaps, make_step
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import unit_nhops_to_proc_region
from nn_dataflow.core.partition_array import PartitionArray
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.search_limit import BoundLines, LowerBounds, SearchLimit, least_product
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tools.nn_dataflow_search import describe
from nn_dataflow.tools.search_arguments import parse_arguments

GOALS = ("e", "d", "ed")

# Factors by their sources, producers first.
CHAIN = ((), (0,), (1,), (2,))
FORK = ((), (0,), (0,), (0,))
JOIN = ((), (), (), (0, 1, 2))
TREE_OF_PRODUCERS = ((), (), (0, 1), (), (2, 3))
TREE_OF_CONSUMERS = ((), (0,), (0,), (1,), (1,))
DIAMOND = ((), (0,), (0,), (1, 2))
SKIPS = ((), (0,), (0, 1), (0, 1, 2))
TREES = (CHAIN, FORK, JOIN, TREE_OF_PRODUCERS, TREE_OF_CONSUMERS)
GRAPHS = (*TREES, DIAMOND, SKIPS)


# The least product of energy and time.


def values(goal, least, weight=None, total=None):
    """Ranking keys for bounds on energy and time, and on their weighted sum."""
    cost, time = (np.array([value]) for value in least)
    mixed = cost if total is None else np.array([total])
    one, two = SearchLimit(goal, 1).values(LowerBounds(cost, time, mixed), weight or 0.0)
    return float(one[0]), float(two[0])


LEAST = st.tuples(st.integers(0, 50).map(float), st.integers(0, 50).map(float))
WEIGHTS = st.sampled_from((0.01, 0.5, 1.0, 3.0, 100.0))


@given(LEAST, WEIGHTS, st.integers(-40, 1200).map(lambda quarters: quarters / 4))
@settings(max_examples=300)
def test_product_of_bounds_is_admissible_and_tight(least, weight, more):
    """No point above all bounds has a smaller product, and one has just this."""
    cost, time = least
    total = cost + weight * time + more
    bound, rest = values("ed", least, weight, total)
    assert rest == 0
    points = [
        (cost + c, time + t)
        for c in np.linspace(0, max(1, more), 40).tolist()
        for t in np.linspace(0, max(1, more / weight), 40).tolist()
    ]
    points = [(c, t) for c, t in points if c + weight * t >= total]
    room = max(0.0, more)  # points on the line itself, between its ends
    points += [
        (cost + share * room, time + (1 - share) * room / weight)
        for share in np.linspace(0, 1, 41).tolist()
    ]
    products = [c * t for c, t in points]
    scale = max(1.0, cost + room) * max(1.0, time + room / weight)
    assert bound <= min(products) + 1e-9 * scale
    assert bound == pytest.approx(min(products), rel=1e-9, abs=1e-9 * scale)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=5),
    st.lists(WEIGHTS, min_size=1, max_size=4, unique=True),
)
@settings(max_examples=300)
def test_product_above_the_lines_of_a_hull(points, weights):
    """No point has a smaller product; with a line along every edge, one corner has just this."""
    costs, times = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    corners = hull(points)
    edges = [(c - d) / (u - t) for (c, t), (d, u) in itertools.pairwise(corners)]
    best = float((costs * times).min())
    for several, is_tight in ((weights, False), (edges, True), (sorted({*weights, *edges}), True)):
        sums = [(weight, (costs + weight * times).min(keepdims=True)) for weight in several]
        least, time = least_product(
            BoundLines(costs.min(keepdims=True), times.min(keepdims=True), sums)
        )
        assert least[0] <= best * (1 + 1e-9)
        assert times.min() <= time[0]
        if is_tight:
            assert least[0] == pytest.approx(best, rel=1e-9)
            assert any(u == pytest.approx(time[0]) for _, u in corners)


def hull(points):
    """Corners of the lower left hull of points (c, t), that of least time first."""
    corners = []
    for c, t in sorted(set(points), key=lambda point: point[::-1]):
        if corners and c >= corners[-1][0]:
            continue
        while len(corners) > 1:
            (a, r), (b, s) = corners[-2:]
            if (b - a) * (t - r) < (c - a) * (s - r):
                break
            corners.pop()
        corners.append((c, t))
    return corners


@pytest.mark.parametrize(("most", "gap"), [(2, 1e-4), (network_search.MAX_WEIGHTS, 0)])
def test_more_sums_close_the_gap(most, gap, monkeypatch):
    """The least product is that of a corner of the hull, which one line does not show."""
    monkeypatch.setattr(network_search, "MAX_PREFIXES", 1)
    monkeypatch.setattr(network_search, "MAX_WEIGHTS", most)
    words = "mlp_l --nodes 2 2 --array 8 8 --regf 64 --gbuf 32768 --dram-bw 51.2 --op-cost 1"
    costs = "--hop-cost 10 --unit-idle-cost 1273 --hybrid-partition --ifmaps-partition --goal ed"
    problem = describe(parse_arguments([*words.split(), *costs.split(), "--bus-width", "128"]))
    dataflow = NNDataflow(
        problem.network,
        problem.batch,
        problem.machine.resource,
        problem.machine.cost,
        MapStrategyEyeriss,
    )
    dataflow.schedule_search(problem.options)
    assert dataflow.certificate.gap == pytest.approx(gap, rel=0.5, abs=1e-9)


@given(LEAST)
def test_keys_without_a_weighted_sum(least):
    cost, time = least
    assert values("e", least) == (cost, time)
    assert values("d", least) == (time, cost)
    assert values("ed", least) == (cost * time, 0)


# Bounds of factor graphs.


def random_factors(sources, seed, *, all_places=True):
    """Factors with random costs; each place of each has a schedule if `all_places`."""
    random = np.random.default_rng(seed)
    factors = []
    for own in sources:
        places, parts = (int(n) for n in random.integers(1, 4, 2))
        size = places + int(random.integers(0, 3))
        place = random.integers(0, places, size)
        if all_places:
            place[:places] = np.arange(places)
        tables = [
            random.integers(0, 30, (factors[source].num_places, parts)).astype(float)
            for source in own
        ]
        factors.append(
            Factor(
                base=random.integers(0, 40, size).astype(float),
                scale=random.integers(0, 4, size),
                part=random.integers(0, parts, size),
                place=place,
                num_places=places,
                sources=own,
                tables=tables,
            )
        )
    return factors


def all_costs(factors):
    """Every choice of a schedule for each factor, and its cost."""
    found = []
    for chosen in itertools.product(*(range(len(factor.base)) for factor in factors)):
        cost = 0.0
        for factor, own in zip(factors, chosen, strict=True):
            cost += factor.base[own]
            for source, table in zip(factor.sources, factor.tables, strict=True):
                at = factors[source].place[chosen[source]]
                cost += factor.scale[own] * table[at, factor.part[own]]
        found.append((chosen, cost))
    return found


def close(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def not_above(one, other):
    return one <= other + 1e-9 * (1 + abs(other))


SEEDS = st.integers(0, 2**32 - 1)


@given(st.sampled_from(GRAPHS), SEEDS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_bound_is_at_most_the_optimum(graph, seed, all_places):
    factors = random_factors(graph, seed, all_places=all_places)
    bounds = NetworkBounds(factors, math.inf, {})
    assert not_above(bounds.bound(), min(cost for _, cost in all_costs(factors)))
    assert bounds.bound() == close(sum(bounds.least))
    for number, least in enumerate(bounds.least):
        assert least == close(bounds.reduced(number).min())


@given(st.sampled_from(TREES), SEEDS)
@settings(max_examples=150, deadline=None)
def test_bound_of_trees_is_the_optimum(graph, seed):
    """Where all go to one consumer, or all come from one producer, one sweep is enough."""
    factors = random_factors(graph, seed)
    bounds = NetworkBounds(factors, math.inf, {})
    assert bounds.bound() == close(min(cost for _, cost in all_costs(factors)))
    assert bounds.num_sweeps <= 2


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_what_a_prefix_of_a_chain_is_charged_is_exact(seed):
    factors = random_factors(CHAIN, seed)
    bounds = NetworkBounds(factors, math.inf, {})
    for number in range(len(factors)):
        assert_admissible_from(factors, bounds, number, exact=True)


@given(st.sampled_from(GRAPHS), SEEDS, st.booleans())
@settings(max_examples=80, deadline=None)
def test_what_a_prefix_is_charged_is_admissible(graph, seed, all_places):
    factors = random_factors(graph, seed, all_places=all_places)
    bounds = NetworkBounds(factors, math.inf, {})
    for number in range(len(factors)):
        assert_admissible_from(factors, bounds, number)


def assert_admissible_from(factors, bounds, number, *, exact=False):
    """The best end of every prefix costs no less than its charge and the least of the rest."""
    best = {}
    for chosen, cost in all_costs(factors):
        prefix = chosen[: number + 1]
        best[prefix] = min(cost, best.get(prefix, math.inf))
    spent = dict(all_costs(factors[: number + 1]))
    prefixes = list(best)
    places = np.full((len(prefixes), len(factors)), -1)
    for column, factor in enumerate(factors[: number + 1]):
        places[:, column] = [factor.place[prefix[column]] for prefix in prefixes]
    charged = bounds.charged(places, range(len(factors)), number)
    rest = sum(bounds.least[number + 1 :])
    for prefix, charge in zip(prefixes, charged.tolist(), strict=True):
        assert not_above(spent[prefix] + charge + rest, best[prefix])
        if exact:
            assert spent[prefix] + charge + rest == close(best[prefix])


def bound_after(factors, sweeps, monkeypatch):
    monkeypatch.setattr(network_bounds, "MAX_SWEEPS", sweeps)
    return NetworkBounds(factors, math.inf, {})


@given(st.sampled_from(GRAPHS), SEEDS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_bound_never_falls(graph, seed, all_places):
    factors = random_factors(graph, seed, all_places=all_places)
    with pytest.MonkeyPatch.context() as patch:
        found = [bound_after(factors, sweeps, patch) for sweeps in range(1, 8)]
    for earlier, later in itertools.pairwise(found):
        assert not_above(earlier.bound(), later.bound())
        assert earlier.num_sweeps <= later.num_sweeps
    again = NetworkBounds(factors, math.inf, found[0].message)
    assert not_above(found[0].bound(), again.bound())


def test_sweeps_raise_the_bound(monkeypatch):
    """Several sweeps are worth their while where producers have several consumers."""
    risen = 0
    for seed in range(20):
        factors = random_factors(SKIPS, seed)
        one, many = (bound_after(factors, sweeps, monkeypatch) for sweeps in (1, 30))
        assert one.num_sweeps == 1
        assert 2 <= many.num_sweeps <= 30
        risen += many.bound() > one.bound() * (1 + 1e-6)
    assert risen > 0


def test_sweeps_end_at_the_target(monkeypatch):
    factors = random_factors(SKIPS, seed=0)
    bound = bound_after(factors, 1, monkeypatch).bound()
    monkeypatch.setattr(network_bounds, "MAX_SWEEPS", 30)
    assert NetworkBounds(factors, bound, {}).num_sweeps == 1


@given(st.sampled_from(GRAPHS), SEEDS, st.data())
@settings(max_examples=100, deadline=None)
def test_restricted_bounds_are_valid(graph, seed, data):
    """Of what is left, nothing costs less; the bound does not fall, and goes on from there."""
    factors = random_factors(graph, seed)
    bounds = NetworkBounds(factors, math.inf, {})
    left = list(factors)
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(factors) - 1))
        size = len(left[number].base)
        keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        keep[data.draw(st.integers(0, size - 1))] = True
        before = bounds.bound()
        bounds.restrict(number, keep)
        assert not_above(before, bounds.bound())
        columns = ("base", "scale", "part", "place")
        left[number] = left[number]._replace(
            **{name: getattr(left[number], name)[keep] for name in columns}
        )
        assert not_above(bounds.bound(), min(cost for _, cost in all_costs(left)))
        for other, factor in enumerate(left):
            assert len(bounds.reduced(other)) == len(factor.base)
    for number in range(len(left)):
        assert_admissible_from(left, bounds, number)
    again = NetworkBounds(left, math.inf, bounds.message)
    assert not_above(bounds.bound(), again.bound())
    assert not_above(again.bound(), min(cost for _, cost in all_costs(left)))


def test_nothing_left():
    bounds = NetworkBounds(random_factors(CHAIN, 1), math.inf, {})
    bounds.restrict(2, np.zeros(len(bounds.reduced(2)), dtype=bool))
    assert bounds.bound() == math.inf


# Too many prefixes.


def forked():
    """Two forks in a row, a join after each."""
    network = Network("forked")
    network.set_input_layer(InputLayer(4, 8))
    network.add("a", ConvLayer(4, 8, 8, 3))
    network.add("b", ConvLayer(8, 16, 8, 1))
    network.add("c", ConvLayer(16, 8, 8, 3))
    network.add("d", EltwiseLayer(8, 8, 2), prevs=("a", "c"))
    network.add("f", ConvLayer(8, 16, 4, 3, 2), prevs=("d",))
    network.add("g", ConvLayer(8, 16, 4, 1, 2), prevs=("d",))
    network.add("h", EltwiseLayer(16, 4, 2), prevs=("f", "g"))
    return network


def searched(network, resource, options):
    """The best schedules, the search, and what its passes found."""
    cost = Cost(mac_op=1, mem_hier=(4, 3, 1, 1), noc_hop=10, idl_unit=0)
    dataflow = NNDataflow(network, 1, resource, cost, MapStrategyEyeriss)
    passes = []

    def best_traces(search, found):
        passes.extend(found)
        return original(search, found)

    original = NetworkSearch._best_traces
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()):
        patch.setattr(NetworkSearch, "_best_traces", best_traces)
        schemes, _ = dataflow.schedule_search(options)
    return schemes, dataflow, passes


def no_worse(ones, others):
    """Whether keys are at most others, one by one."""
    return all(
        one <= other or rs.close(one, other) for one, other in zip(ones, others, strict=True)
    )


@pytest.mark.parametrize("goal", GOALS)
def test_dropped_prefixes_are_counted(goal, monkeypatch):
    """Where too many prefixes are left, the result is valid, and no worse than the first pass."""
    proc = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    resource = Resource(proc, memory, memory, memory, PhyDim2(4, 4), 500, 30, 4, 4.0, False)
    options = Option(
        partition_hybrid=True, partition_batch=True, partition_ifmaps=True, opt_goal=goal, ntops=4
    )

    def keys_of(schemes):
        return [rs.goal_key(goal, scheme.total_cost, scheme.total_time) for scheme in schemes]

    case = forked(), resource, options
    best, dataflow, _ = searched(*case)
    assert dataflow.effort.prefixes_dropped == 0
    monkeypatch.setattr(network_search, "MAX_PREFIXES", 2)
    found, dataflow, (first, _, exact) = searched(*case)
    assert dataflow.effort.prefixes_dropped > 0
    assert max(len(prefixes.cost) for prefixes in exact[1:]) == 2
    assert len(found) == len(best) == 4
    assert no_worse(keys_of(best), keys_of(found))
    last = first[-1]
    values = zip(last.cost.tolist(), last.time.tolist(), strict=True)
    assert no_worse(keys_of(found), sorted(rs.goal_key(goal, *value) for value in values))
    for scheme in found:
        assert_holds_together(case[0], 1, resource, options, scheme)


def assert_holds_together(network, batch, resource, options, scheme):
    """A result of every layer, with the hops from where its producers put their fmaps."""
    assert set(scheme) == set(network)
    for name, result in scheme.items():
        hops = unit_nhops_to_proc_region(
            network[name],
            batch,
            resource.proc_region,
            result.scheme["part"],
            set(resource.dram_region.iter_node()),
            scheme.fmap_layout(network.prevs(name)),
            result.ofmap_layout,
            options,
        )
        assert list(result.scheme["unit_nhops"]) == hops
    assert scheme.total_cost == pytest.approx(sum(r.total_cost for r in scheme.values()))
    assert scheme.total_time == sum(r.total_time for r in scheme.values())


# The hops that loop blocking is searched for.


def test_schemes_for_dear_places_are_kept():
    """From a free place and from a dear one the best schedules differ, and both are found.

    With the hops of the free place alone, only schemes that are best without hops would remain.
    """
    layer, batch = ConvLayer(4, 6, 4, 3), 2
    proc = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
    source = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), PhyDim2(1, 9), type=NodeRegion.DRAM)
    resource = Resource(
        proc, memory, source, memory, PhyDim2(4, 4), 120, 20, math.inf, math.inf, False
    )
    cost, options = Cost(1, (20, 6, 2, 1), 10, 0), Option(partition_hybrid=True)
    one = (1, 1)
    parts = PartitionArray([range(4)] * 2, [[one] * 4, [one, (1, 2), one, one]])
    space = LayerSpace(layer, batch, Setting(resource, cost, options), MapStrategyEyeriss)
    producer = layer.input_layer()
    sources = [Source(producer, source, parts, 0)]
    step = make_step("layer", space, sources, hops_of_ifmaps(space, sources))
    assert step.hops[0].tolist() == [[0], [9 * producer.total_ofmap_size(batch) // 2]]

    def least(choices, place):
        return float(space.energy(choices, step.ifmap_hops([place])).min())

    rows = np.arange(len(space.row_part))
    kept = space.choices(rows, step.hop_costs, search=True)
    for place, part in enumerate(map(PartitionScheme.of_row, [parts] * 2, range(2))):
        layout = DataLayout((fmap_range(producer, batch),), (source,), (part,))
        every = rs.layer_schedules(
            layer, batch, resource, cost, options, MapStrategyEyeriss, layout
        )
        assert least(kept, place) == close(min(schedule.cost for schedule in every))
    # The case tells: with the least hops in place of the most, the second optimum would be lost.
    free = space.choices(rows, space.hop_costs(step.hops[0].min(axis=0)), search=True)
    assert least(free, 0) == close(least(kept, 0))
    assert least(free, 1) > least(kept, 1) * 1.01
