# SPDX-License-Identifier: BSD-3-Clause
"""The search within constraints against all schedules that they allow (docs/constraints.md).

The oracles enumerate everything, no scheme standing for another, and `wanted.Wanted` tells of each
schedule by itself whether it is allowed.
"""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.constraints.constraint_file import constraints
from nn_dataflow.core.blocking_model import BlockingModel
from nn_dataflow.core.blocking_search import frontier
from nn_dataflow.core.blocking_space import BlockingSpace
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import ConvLayer, InputLayer, LocalRegionLayer
from nn_dataflow.core.loop_prices import PriceList
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.option import Option
from nn_dataflow.core.search_effort import SearchEffort
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_pipeline as rp
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.core import test_blocking_search as blocking
from nn_dataflow.tests.core import test_network_search as alone
from nn_dataflow.tests.core import test_pipeline_search as piped
from nn_dataflow.tests.wanted import Wanted, allows_segment, fields_around, layer_constraints

GOALS = ("e", "d", "ed")


# Loop blocking of one array mapping.


def one_layer():
    network = Network("one")
    network.set_input_layer(InputLayer(1, 1))
    network.add("a", ConvLayer(1, 1, 1, 1))
    return network


def limits_of(fields):
    return constraints({"layers": {"a": fields}}, one_layer(), Option()).limits("a")


def schemes_of(case):
    """All valid ways to run all schemes whose nests differ: (factors, orders, result)."""
    nld, resource, options, _, tops = case
    independent = blocking.independent(tops)
    return [
        (bl_ts, bl_ords, result)
        for bl_ts, bl_ords in ref.gen_candidates(nld, independent, partial=options.sw_imperfect)
        if rs.is_plain(bl_ts, bl_ords)
        for result in ref.variants(nld, bl_ts, bl_ords, resource, options)
    ]


def best_allowed(goal, case, schemes, hop_costs):
    """The least key of some schemes for hop costs."""
    cost = case[3]
    energy, time = [], []
    for _, _, result in schemes:
        hops = sum(h * f for h, f in zip(hop_costs, result["top_level_fetch"], strict=True))
        energy.append(ref.access_cost(result, cost) + cost.idl_unit * result["time"] + hops)
        time.append(result["time"])
    return rs.best_values(goal, energy, time, 1)


@pytest.mark.parametrize("goal", GOALS)
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_best_loop_blocking_that_is_allowed(goal, data):
    """For all hop costs; factors, orders and places of data are as required."""
    case = data.draw(blocking.searches(tops=data.draw(st.booleans()), max_candidates=36 * 60))
    nld, resource, options, cost, tops = case
    schemes = schemes_of(case)
    assume(schemes)
    target, other = (
        (found[0], found[1], found[2]["stored"])
        for found in (data.draw(st.sampled_from(schemes)), data.draw(st.sampled_from(schemes)))
    )
    fields = data.draw(fields_around(target, other))
    own = Wanted({"layers": {"a": fields}}, "a")
    allowed = [
        scheme for scheme in schemes if own.scheme(nld, scheme[0], scheme[1], scheme[2]["stored"])
    ]
    assert own.scheme(nld, *target)
    hop_costs, within = data.draw(blocking.hop_limits())
    model = BlockingModel(nld, resource, options)
    space = BlockingSpace(PriceList(model, cost, limits_of(fields)), tops)
    points = frontier(space, hop_costs, goal, 1, SearchEffort())
    assert space.bound <= points.cost.min() * (1 + 1e-9)
    found = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters)
    assert found.valid.all()
    for bl_ts, bl_ords, stored in zip(points.bl_ts, points.bl_ords, found.stored, strict=True):
        assert own.scheme(nld, bl_ts.tolist(), bl_ords.tolist(), stored.tolist())
    for costs in within:
        energy = points.cost + cost.idl_unit * points.time + found.fetch[:, 0] @ np.array(costs)
        (best,) = rs.best_values(goal, energy, points.time, 1)
        (expected,) = best_allowed(goal, case, allowed, costs)
        assert rs.close(best, expected)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_every_scheme_can_be_asked_for(data):
    """Also one that the search leaves out otherwise, since an equivalent one stands for it."""
    case = data.draw(blocking.searches(conv=True, max_candidates=36 * 60))
    nld, resource, options, cost, tops = case
    schemes = schemes_of(case)
    assume(schemes)
    bl_ts, bl_ords, result = data.draw(st.sampled_from(schemes))
    levels = list(zip(("dram", "gbuf", "regf"), bl_ts, strict=True))
    fields = {
        "blocking": {name: dict(zip("IOB", factors, strict=True)) for name, factors in levels},
        "order": {
            name: sorted("IOB", key=lambda loop, o=order: -o["IOB".index(loop)])
            for (name, _), order in zip(levels, bl_ords, strict=False)
        },
    }
    model = BlockingModel(nld, resource, options)
    space = BlockingSpace(PriceList(model, cost, limits_of(fields)), tops)
    points = frontier(space, (0, 0, 0), "e", 1, SearchEffort())
    assert points.bl_ts.tolist() == [list(map(list, bl_ts))]
    assert blocking.outline(bl_ts, points.bl_ords[0].tolist()) == blocking.outline(bl_ts, bl_ords)
    ways = [one for *scheme, one in schemes if scheme == [bl_ts, bl_ords]]
    energy = [ref.access_cost(one, cost) + cost.idl_unit * one["time"] for one in ways]
    assert result in ways
    assert points.cost[0] + cost.idl_unit * points.time[0] == pytest.approx(min(energy), rel=1e-9)


# Networks.


def searched(case, values):
    network, batch, resource, cost, options, strategy = case
    given = constraints(values, network, options)
    dataflow = NNDataflow(network, batch, resource, cost, strategy, given)
    with contextlib.redirect_stderr(io.StringIO()):
        return dataflow.schedule_search(options)[0], dataflow


def wanted(network, values):
    return {name: Wanted(values, name) for name in network}


def assert_allowed(network, values, schemes):
    """What is reported is what was asked for."""
    for scheme in schemes:
        for name, result in scheme.items():
            found, own = result.scheme, Wanted(values, name)
            assert own.part(found["part"])
            assert own._factors(found["tvals"])
            assert own._orders(found["tvals"], found["orders"])
            stored = dict(zip(("filters", "ifmaps", "ofmaps"), found["size"][0], strict=True))
            if isinstance(network[name], LocalRegionLayer):
                del stored["filters"]
            for value in own.of("stored"):
                assert all(value.get(key, size > 0) == (size > 0) for key, size in stored.items())


def assert_is_best(goal, expected, found, dataflow):
    keys = alone.keys_of(goal, found)
    assert len(keys) == len(expected)
    assert all(map(rs.close, keys, expected))
    assert (dataflow.failure is None) == bool(found)
    assert not found or dataflow.certificate.is_optimal


def around(data, schemes, names):
    """Constraints that a schedule keeps to, so that there is one."""
    values = {}
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        one, other = (data.draw(st.sampled_from(schemes))[name].scheme for _ in range(2))
        stored = [[size > 0 for size in own["size"][0]] for own in (one, other)]
        values[name] = data.draw(
            fields_around(
                (one["tvals"], one["orders"], stored[0]),
                (other["tvals"], other["orders"], stored[1]),
            )
        )
        kinds = ("OUTP", "OFMP", "BATP", "INPP")
        split = data.draw(st.dictionaries(st.sampled_from(kinds), st.just(0), max_size=1))
        if split:
            dims = one["part"].pdims
            pattern = {kind: list(dims[kinds.index(kind)]) for kind in split}
            values[name]["partition"] = pattern
    return {"layers": values}


@pytest.mark.parametrize("goal", GOALS)
@given(alone.network_searches(max_ntops=1), st.data())
@settings(max_examples=25, deadline=None)
def test_best_network_that_is_allowed(goal, case, data):
    network = case[0]
    case = (*case[:4], case[4]._replace(opt_goal=goal), case[5])
    values = data.draw(layer_constraints(list(network)))
    free = alone.searched(*case[:4], case[4]._replace(opt_goal="d", ntops=3), case[5])[0]
    if free and data.draw(st.integers(0, 3)):
        values = around(data, free, list(network))
    oracle = rs.NetworkOracle(*case, wanted(network, values))
    assume(oracle.num_schedules() <= alone.MAX_WALK)
    found, dataflow = searched(case, values)
    assert_is_best(goal, rs.best_values(goal, *oracle.values(), 1), found, dataflow)
    assert_allowed(network, values, found)


# Segments.


@st.composite
def segment_rules(draw, segments, least):
    """Rules about layers of a segment, at least so many."""
    kinds = st.sampled_from(("together", "exactly", "alone", "apart"))
    rules = {}
    for kind in draw(st.lists(kinds, min_size=least, max_size=2, unique=True)):
        groups = draw(st.sampled_from(segments))
        names = [name for group in groups for name in group]
        if kind == "alone":
            rules[kind] = [draw(st.sampled_from(names))]
        elif kind == "exactly":
            rules[kind] = [[list(group) for group in groups]]
        elif len(names) > 1:
            chosen = st.lists(st.sampled_from(names), min_size=2, max_size=3, unique=True)
            rules[kind] = [draw(chosen)]
    return rules


@pytest.mark.parametrize("goal", GOALS)
@given(piped.searches(), st.data())
@settings(max_examples=20, deadline=None)
def test_best_segments_that_are_allowed(goal, case, data):
    case = piped.with_options(case, opt_goal=goal)
    network, batch, resource, _, options, _ = case
    free = piped.searched(piped.with_options(case, opt_goal="d", ntops=3))
    values = {}
    if free and data.draw(st.booleans()) and not options.hw_gbuf_sharing:
        values = around(data, free, list(network))
    pipeline = InterLayerPipeline(network, batch, resource)
    segments = sorted((segment.seg for segment in pipeline.gen_segment(options)), key=len)
    values["segments"] = data.draw(segment_rules(segments, 0 if values else 1))
    expected = rp.best_values(
        goal,
        piped.all_values(
            case,
            allows=wanted(network, values),
            allows_segment=lambda seg: allows_segment(values, seg),
        ),
        1,
    )
    found, dataflow = searched(case, values)
    assert_is_best(goal, expected, found, dataflow)
    assert_allowed(network, values, found)
    for scheme in found:
        assert all(allows_segment(values, seg) for seg in piped.segments_of(scheme))
