# SPDX-License-Identifier: BSD-3-Clause
"""The pruned search of loop blocking against the enumeration of all schemes.

Whatever the hops cost within the limits given, the best schemes under each goal have to be among
those kept (docs/model/loop_blocking.md sections 8 and 11, docs/model/search.md section 5).
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import blocking_search
from nn_dataflow.core.blocking_model import BlockingModel
from nn_dataflow.core.blocking_search import frontier
from nn_dataflow.core.blocking_space import BlockingSpace
from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.loop_blocking import gen_loopblocking, skip_conv
from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.core.loop_blocking_solver import gen_loopblocking_gbuf_reside
from nn_dataflow.core.loop_blocking_space import FREE, TopLoops
from nn_dataflow.core.loop_prices import PriceList
from nn_dataflow.core.scheduling_constraint import (
    SchedulingConstraint,
    SchedulingConstraintLayerPipeline,
)
from nn_dataflow.core.search_effort import SearchEffort
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_sharing as sharing
from nn_dataflow.tests import strategies as own_st
from nn_dataflow.tests.core.test_loop_blocking_simulator import (
    ALL_BYPASS,
    COST,
    NO_BYPASS,
    SCHEME_C,
    TopConstraint,
    conv2_desc,
    conv_12_10_desc,
    local_desc,
    machine,
)
from nn_dataflow.tests.reference_search import best_values, close

GOALS = ("e", "d", "ed")
FIRST_ORDERS = ((0, 1, 2), (0, 1, 2))
NO_HOPS = (0.0, 0.0, 0.0)


def is_equivalent(nld, bl_ts, bl_ords):
    """Whether another scheme with the same figures stands for this one."""
    return ref.skip_conv(bl_ts, bl_ords) if ref.is_conv(nld) else bl_ords != FIRST_ORDERS


def independent(tops):
    """The reading of the reference of what is required of the top level."""
    return TopConstraint(tops.factors, tops.outer)


class Everything:
    """All valid ways to run all schemes: figures, and whether an equivalent scheme is built.

    Attributes: costs of accesses and static energy, times, top fetches, equivalence flags, and the
    schemes, in candidate order.
    """

    def __init__(self, nld, resource, options, cost, tops=FREE):
        rows = []
        partial = options.sw_imperfect
        for bl_ts, bl_ords in ref.gen_candidates(nld, independent(tops), partial=partial):
            equivalent = is_equivalent(nld, bl_ts, bl_ords)
            if equivalent and tops == FREE:
                continue
            for result in ref.variants(nld, bl_ts, bl_ords, resource, options):
                energy = ref.access_cost(result, cost) + cost.idl_unit * result["time"]
                figures = (energy, result["time"], result["top_level_fetch"])
                rows.append((*figures, equivalent, (bl_ts, bl_ords)))
        columns = zip(*rows, strict=True) if rows else [()] * 5
        energy, time, fetch, self.equivalent, self.schemes = columns
        self.cost = np.array(energy, dtype=float)
        self.time = np.array(time)
        self.fetch = np.array(fetch, dtype=float).reshape(-1, 3)

    def with_hops(self, hop_costs, extra):
        return self.cost + self.fetch @ np.array(hop_costs) + extra


@st.composite
def searches(draw, *, conv=None, tops=False, max_candidates=36 * 100, partial=None):
    """(nld, resource, options, cost, tops) of a space that can be enumerated.

    The last blocks of loops may be partial in every second one, or as given.
    """
    partial = draw(st.booleans()) if partial is None else partial
    if partial:
        max_candidates //= 3  # of full blocks; there are more of the others
    nld = draw(own_st.nested_loop_descs(conv=conv, max_candidates=max_candidates))
    resource = draw(own_st.resources(nld, partial=partial))
    required = draw(top_loops(nld.loopcnt)) if tops else FREE
    options = draw(own_st.blocking_options(partial=partial))
    return nld, resource, options, draw(own_st.costs()), required


@st.composite
def top_loops(draw, counts):
    """Required top factors; maybe those above 1 have to be outermost, as in a pipeline."""
    topifm, topofm, topbat = (
        draw(st.sampled_from((0, *(n for n in range(1, count + 1) if count % n == 0))))
        for count in counts
    )
    if draw(st.booleans()):
        return TopLoops((topifm, topofm, topbat))
    if topifm > 1 and topofm > 1:
        topofm = 0
    factors = (topifm, topofm, topbat)
    return TopLoops(factors, tuple(lpe for lpe in (2, 0, 1) if factors[lpe] > 1))


def constraint_of(tops):
    """The published constraint that requires this of the top level."""
    topifm, topofm, topbat = tops.factors
    kind = SchedulingConstraintLayerPipeline if tops.outer else SchedulingConstraint
    return kind(topbat=topbat, topifm=topifm, topofm=topofm)


@st.composite
def hop_limits(draw):
    """Largest hop costs per category, and some hop costs within."""
    limit = tuple(draw(st.sampled_from((0, 0, 1, 10, 1e3, 1e5))) for _ in range(3))
    share = st.sampled_from((0, 0, 1, 1, 0.5, 0.1, 0.01))
    shares = draw(st.lists(st.tuples(share, share, share), min_size=1, max_size=4))
    within = [tuple(most * part for most, part in zip(limit, one, strict=True)) for one in shares]
    return limit, within


def outline(bl_ts, bl_ords):
    """Factors, and the order of the loops that are not trivial: what tells schemes apart."""
    loops = LoopBlockingScheme.ordered_loops
    return bl_ts, [loops(factors, order) for factors, order in zip(bl_ts, bl_ords, strict=False)]


def search(case, hop_costs=NO_HOPS, goal="e", num=1):
    nld, resource, options, cost, tops = case
    space = BlockingSpace(PriceList(BlockingModel(nld, resource, options), cost), tops)
    effort = SearchEffort()
    return frontier(space, hop_costs, goal, num, effort), effort


def best_schemes(goal, cost, time, schemes, num):
    """The `num` least keys, of two ways to run one scheme only the better one (M6)."""
    best = {}
    for index, scheme in enumerate(schemes):
        key = ref.goal_key(goal, cost[index], time[index])
        if scheme not in best or key < best[scheme][0]:
            best[scheme] = (key, index)
    rows = [index for _, index in best.values()]
    return best_values(goal, cost[rows], np.asarray(time)[rows], num)


def best_points(goal, case, points, hop_costs, extra, num):
    """The `num` least keys of the schemes kept, for some hop costs."""
    nld, resource, options, cost, _ = case
    model = BlockingModel(nld, resource, options)
    fetch = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters).fetch[:, 0]
    total = points.cost + cost.idl_unit * points.time + fetch @ np.array(hop_costs) + extra
    pairs = zip(points.bl_ts.tolist(), points.bl_ords.tolist(), strict=True)
    return best_schemes(goal, total, points.time, list(map(str, pairs)), num)


# The frontier against everything.


@pytest.mark.parametrize("goal", GOALS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_best_are_kept_for_all_hop_costs(goal, data):
    """Also with energy that all schemes have in common, which matters to products."""
    num = data.draw(st.integers(1, 4))
    case = data.draw(searches())
    limit, within = data.draw(hop_limits())
    points, _ = search(case, limit, goal, num)
    everything = Everything(*case)
    for hop_costs in within:
        extra = data.draw(st.sampled_from((0, 1e5)))
        cost = everything.with_hops(hop_costs, extra)
        expected = best_schemes(goal, cost, everything.time, everything.schemes, num)
        found = best_points(goal, case, points, hop_costs, extra, num)
        assert len(found) == len(expected)
        assert all(map(close, found, expected))


@pytest.mark.parametrize("goal", GOALS)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_best_are_kept_under_required_top_factors(goal, data):
    """The best of all is found, and the next ones are no worse than those without equivalents."""
    num = data.draw(st.integers(1, 3))
    case = data.draw(searches(tops=True))
    limit, (hop_costs, *_) = data.draw(hop_limits())
    points, _ = search(case, limit, goal, num)
    everything = Everything(*case)
    cost = everything.with_hops(hop_costs, 0)
    found = best_points(goal, case, points, hop_costs, 0, num)
    best = best_values(goal, cost, everything.time, 1)
    assert bool(found) == bool(best)
    assert all(map(close, found[:1], best))
    # The orders of what is required differ from those that the skip rule keeps.
    unskipped = np.flatnonzero(~np.array(everything.equivalent, dtype=bool))
    schemes = [everything.schemes[index] for index in unskipped.tolist()]
    expected = best_schemes(goal, cost[unskipped], everything.time[unskipped], schemes, num)
    assert len(found) >= len(expected)
    assert all(
        one <= other or close(one, other) for one, other in zip(found, expected, strict=False)
    )


@given(searches(), hop_limits(), st.sampled_from(GOALS), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_points_are_what_the_model_says(case, hops, goal, num):
    """Figures of the schemes kept, by energy, time and candidate order; none is skipped."""
    nld, resource, options, cost, _ = case
    points, _ = search(case, hops[0], goal, num)
    model = BlockingModel(nld, resource, options)
    evaluation = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters)
    assert evaluation.valid.all()
    assert points.cost == pytest.approx(evaluation.access_cost(cost), rel=1e-9, abs=1e-9)
    assert np.array_equal(points.time, evaluation.time)
    if ref.is_conv(nld):
        assert np.array_equal(points.fetch, evaluation.fetch[:, 0])
    total = points.cost + cost.idl_unit * points.time
    assert (np.diff(total) >= -1e-9 * np.abs(total[:-1])).all()
    ways = set()
    for bl_ts, bl_ords, keep in zip(
        points.bl_ts.tolist(), points.bl_ords.tolist(), points.keep_filters.tolist(), strict=True
    ):
        assert not (ref.is_conv(nld) and ref.skip_conv(bl_ts, tuple(map(tuple, bl_ords))))
        ways.add((str(bl_ts), str(bl_ords), keep))
    assert len(ways) == len(points.time)


@given(searches(tops=True), hop_limits(), st.sampled_from(GOALS), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_effort_adds_up(case, hops, goal, num):
    nld, _, options, _, tops = case
    _, effort = search(case, hops[0], goal, num)
    counts = effort.as_dict()
    assert min(counts.values()) >= 0
    kinds = ("equivalent", "capacity", "bound", "evaluated")
    assert counts["candidates"] == sum(counts[kind] for kind in kinds)
    # Orders that are not allowed count as excluded by what is equivalent.
    constraint = TopConstraint(tops.factors, ())
    stated = ref.gen_candidates(nld, constraint, partial=options.sw_imperfect)
    assert counts["candidates"] == sum(1 for _ in stated)


@given(searches(tops=True), hop_limits(), st.sampled_from(GOALS), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_block_size_does_not_matter(case, hops, goal, num):
    limit, within = hops
    whole, _ = search(case, limit, goal, num)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking_search, "MAX_BLOCK", 7)
        blocks, effort = search(case, limit, goal, num)
    kinds = ("equivalent", "capacity", "bound", "evaluated")
    assert effort.candidates == sum(effort.as_dict()[kind] for kind in kinds)
    for hop_costs in within:
        keys = [best_points(goal, case, points, hop_costs, 0, num) for points in (whole, blocks)]
        assert len(keys[0]) == len(keys[1])
        assert all(map(close, *keys))


@given(searches(), st.sampled_from(GOALS), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_bounds_are_admissible(case, goal, num):
    """No scheme kept is below the bounds of the space; its cycles are those of the model."""
    nld, resource, options, cost, tops = case
    model = BlockingModel(nld, resource, options)
    space = BlockingSpace(PriceList(model, cost), tops)
    points = frontier(space, NO_HOPS, goal, num, SearchEffort())
    evaluation = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters)
    for own, wanted in zip(
        (points.time, points.dram, points.node),
        (evaluation.time, evaluation.dram_time, evaluation.node_time),
        strict=True,
    ):
        assert own.tolist() == wanted.tolist()
    assert (points.cost >= space.bound * (1 - 1e-9)).all()
    assert (points.time >= space.min_time).all()


@pytest.mark.parametrize("goal", GOALS)
@given(searches(conv=True, partial=True))
@settings(max_examples=15, deadline=None)
def test_partial_blocks_are_never_worse(goal, case):
    """The best is that of all candidates, those that others stand for included.

    It is at most the best with full blocks only.
    """
    nld, resource, options, cost, _ = case
    cost = cost._replace(idl_unit=0)

    def least(options):
        free = SchedulingConstraint()
        found = list(gen_loopblocking(nld, resource, None, free, cost, options))
        return [ref.goal_key(goal, one.get_access_cost(cost), one.time) for one in found]

    options = options._replace(opt_goal=goal)
    best = least(options)
    every = ref.best(nld, resource, options, cost)
    assert len(best) == len(every)
    assert all(close(one, key) for one, (key, *_) in zip(best, every, strict=True))
    full = least(options._replace(sw_imperfect=False))
    assert len(full) <= len(best)
    assert all(one <= other or close(one, other) for one, other in zip(best, full, strict=False))


# Nodes that forward data or share their buffers.


@st.composite
def group_searches(draw, *, share):
    """(nld, resource, options, cost, bufshr) of a space whose nodes use the same data."""
    partial = draw(st.booleans())
    most = 36 * (60 if partial else 200)
    nld = draw(own_st.nested_loop_descs(conv=True, max_candidates=most))
    region, part = draw(own_st.groupings(max_nodes=16))
    bufshr = BufShrScheme(region, part)
    sizes = tuple(bufshr.size(dce) for dce in range(3))
    grouping = region, sizes if share else (1, 1, 1)
    resource = draw(own_st.sharing_machines(nld, grouping, partial=partial))
    options = draw(own_st.blocking_options(partial=partial))
    options = options._replace(hw_gbuf_sharing=share, hw_access_forwarding=not share)
    return nld, resource, options, draw(own_st.costs()), bufshr


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("share", [False, True])
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_best_are_kept_with_moves_between_nodes(goal, share, data):
    """Every scheme is charged for what moves between nodes that share buffers."""
    num = data.draw(st.integers(1, 3))
    nld, resource, options, cost, bufshr = data.draw(group_searches(share=share))
    share_cost = data.draw(st.sampled_from((0, 0.01, 1, 10, 1000)))
    limit, within = data.draw(hop_limits())
    space = BlockingSpace(PriceList(BlockingModel(nld, resource, options, bufshr), cost))
    points = frontier(space, limit, goal, num, SearchEffort(), share_cost)
    groups = sharing.groups_of(bufshr)
    rows = []
    partial = options.sw_imperfect
    for bl_ts, bl_ords in ref.gen_candidates(nld, partial=partial):
        if ref.skip_conv(bl_ts, bl_ords):
            continue
        sizes = tuple(group.size for group in groups)
        for result in ref.variants(nld, bl_ts, bl_ords, resource, options, groups=sizes):
            energy = ref.access_cost(result, cost) + cost.idl_unit * result["time"]
            if share and share_cost:
                args = nld, bl_ts, bl_ords, resource, result, groups
                energy += share_cost * sharing.noc_access(*args, partial=partial)
            rows.append((energy, result["time"], result["top_level_fetch"], (bl_ts, bl_ords)))
    energies, times, fetches, schemes = zip(*rows, strict=True) if rows else [()] * 4
    kept = zip(points.bl_ts.tolist(), points.bl_ords.tolist(), strict=True)
    kept_schemes = list(map(str, kept))
    for hop_costs in within:
        total = np.array(energies) + np.array(fetches).reshape(-1, 3) @ np.array(hop_costs)
        expected = best_schemes(goal, total, times, schemes, num)
        total = points.cost + cost.idl_unit * points.time + points.fetch @ np.array(hop_costs)
        found = best_schemes(goal, total, points.time, kept_schemes, num)
        assert len(found) == len(expected)
        assert all(map(close, found, expected))


# The published interface.


def ranked(everything, goal):
    """Indices from best to worst: goal, energy, time, candidate order (S6); each scheme once."""
    products = (everything.cost * everything.time).tolist()
    merged = ref._merge_close(everything.cost.tolist())
    merged_products = ref._merge_close(products)

    def key(index):
        energy, time = merged[everything.cost[index]], everything.time[index]
        leading = {"e": (), "d": (time,), "ed": (merged_products[products[index]],)}[goal]
        return (*leading, energy, time, index)

    first = {}
    for index in sorted(range(len(products)), key=key):
        first.setdefault(everything.schemes[index], index)
    return list(first.values())


@pytest.mark.parametrize("goal", GOALS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_gen_loopblocking_is_the_enumeration_ranked(goal, data):
    """By energy of accesses and time, without static energy; at most `ntops`, ties in order."""
    num = data.draw(st.integers(1, 4))
    nld, resource, options, cost, _ = data.draw(searches())
    options = options._replace(opt_goal=goal, ntops=num)
    free = SchedulingConstraint()
    found = list(gen_loopblocking(nld, resource, None, free, cost, options))
    everything = Everything(nld, resource, options, cost._replace(idl_unit=0))
    expected = ranked(everything, goal)[:num]
    assert [outline(s.bl_ts, s.bl_ords) for s in found] == [
        outline(*everything.schemes[index]) for index in expected
    ]
    for scheme, index in zip(found, expected, strict=True):
        assert scheme.is_valid()
        assert scheme.get_access_cost(cost) == pytest.approx(everything.cost[index], rel=1e-9)
        assert scheme.time == everything.time[index]
        assert list(scheme.get_top_level_fetch())[1:] == everything.fetch[index].tolist()[1:]


@given(searches(conv=True, tops=True), st.sampled_from(GOALS))
@settings(max_examples=40, deadline=None)
def test_gen_loopblocking_under_a_constraint(case, goal):
    nld, resource, options, cost, tops = case
    constraint = constraint_of(tops)
    assert constraint.top_loops() == tops
    options = options._replace(opt_goal=goal)
    found = list(gen_loopblocking(nld, resource, None, constraint, cost, options))
    expected = ref.best(nld, resource, options, cost, constraint=independent(tops))
    assert len(found) == len(expected)
    for scheme, (key, *_) in zip(found, expected, strict=True):
        assert independent(tops).is_valid_top_bl(scheme.bl_ts[0], scheme.bl_ords[0])
        assert close(ref.goal_key(goal, scheme.get_access_cost(cost), scheme.time), key)


@pytest.mark.parametrize("options", [ALL_BYPASS, NO_BYPASS], ids=["bypass", "no_bypass"])
@pytest.mark.parametrize("goal", GOALS)
def test_ntops_are_a_prefix(options, goal):
    """Fewer wanted are the first of more wanted."""
    options = options._replace(opt_goal=goal)
    args = conv2_desc((12, 8, 4)), machine(size_gbuf=20000, size_regf=40), None
    args += (SchedulingConstraint(), COST)

    def schemes(ntops):
        found = gen_loopblocking(*args, options._replace(ntops=ntops))
        return [(scheme.bl_ts, scheme.bl_ords) for scheme in found]

    most = schemes(12)
    assert len(most) == 12
    for ntops in range(1, 12):
        assert schemes(ntops) == most[:ntops]


def test_a_scheme_is_listed_once():
    """Filters that can be pinned or streamed are two ways to run one scheme (correction M6).

    The better one stays, and does not take the place of another scheme.
    """
    nld, resource = conv2_desc((2, 2, 1)), machine(no_time_mux=True)
    options = ALL_BYPASS._replace(ntops=6)
    found = list(gen_loopblocking(nld, resource, None, SchedulingConstraint(), COST, options))
    expected = {}
    for bl_ts, bl_ords in ref.gen_candidates(nld):
        if not ref.skip_conv(bl_ts, bl_ords):
            results = ref.variants(nld, bl_ts, bl_ords, resource, options)
            costs = [ref.access_cost(result, COST) for result in results]
            expected[bl_ts, bl_ords] = min(costs, default=math.inf)
    assert len({(scheme.bl_ts, scheme.bl_ords) for scheme in found}) == 6
    assert [scheme.get_access_cost(COST) for scheme in found] == sorted(expected.values())[:6]


@pytest.mark.parametrize(
    ("mem_hier", "pinned"), [((200, 6, 2, 1), True), ((6, 200, 2, 1), False)], ids=str
)
def test_filters_are_pinned_if_that_is_better(mem_hier, pinned):
    """Where GBUF is dearer than DRAM they are streamed past it."""
    cost = Cost(mac_op=1, mem_hier=mem_hier, noc_hop=10, idl_unit=0)
    nld, resource = conv2_desc((2, 2, 1)), machine(no_time_mux=True)
    (best,) = gen_loopblocking(nld, resource, None, SchedulingConstraint(), cost, ALL_BYPASS)
    assert best.filter_pinned == pinned
    everything = Everything(nld, resource, ALL_BYPASS, cost)
    assert best.get_access_cost(cost) == everything.cost.min()


def test_nothing_fits():
    for options in (ALL_BYPASS, NO_BYPASS):
        for resource in (machine(size_regf=10), machine(size_gbuf=0)):
            found = gen_loopblocking(
                conv2_desc(), resource, None, SchedulingConstraint(), COST, options
            )
            tiny = resource.size_regf == 10 or options == NO_BYPASS
            assert bool(list(found)) != tiny


@pytest.mark.parametrize(
    ("size_gbuf", "size_regf", "constraint", "access_cost"),
    [
        pytest.param(2000, 12, SchedulingConstraint(topifm=2), 78897120, id="topifm"),
        pytest.param(4000, 24, SchedulingConstraint(topbat=2), 29615360, id="topbat"),
    ],
)
def test_schemes_that_the_skip_rule_would_lose(size_gbuf, size_regf, constraint, access_cost):
    """Section 12 item 2 (correction S2): as good as the published numbers, or better."""
    (best,) = gen_loopblocking(
        conv_12_10_desc(4), machine(size_gbuf, size_regf), None, constraint, COST, ALL_BYPASS
    )
    assert best.get_access_cost(COST) <= access_cost
    assert constraint.is_valid_top_bl(best.bl_ts[0], best.bl_ords[0])


@pytest.mark.parametrize(
    ("size_gbuf", "size_regf", "tops", "access_cost"),
    [
        pytest.param(2000, 12, {"topifm": 2}, 78897120, id="topifm"),
        pytest.param(4000, 24, {"topbat": 2}, 29615360, id="topbat"),
        pytest.param(4000, 24, {"topbat": 2, "topifm": 2}, None, id="nothing valid"),
    ],
)
def test_order_that_a_pipeline_needs(size_gbuf, size_regf, tops, access_cost):
    """Section 12 item 2: the constraint of a pipeline is about the order of top loops too."""
    constraint = SchedulingConstraintLayerPipeline(**tops)
    found = gen_loopblocking(
        conv_12_10_desc(4), machine(size_gbuf, size_regf), None, constraint, COST, ALL_BYPASS
    )
    costs = []
    for scheme in found:
        assert constraint.is_valid_top_bl(scheme.bl_ts[0], scheme.bl_ords[0])
        costs.append(scheme.get_access_cost(COST))
    assert costs == ([] if access_cost is None else [access_cost])


def test_worked_example_c():
    args = machine(), None, SchedulingConstraint(), COST
    (best,) = gen_loopblocking(conv2_desc(), *args, ALL_BYPASS)
    assert (best.bl_ts, best.bl_ords) == SCHEME_C
    (stored,) = gen_loopblocking(conv2_desc(), *args, NO_BYPASS)
    assert stored.bl_ts == ((8, 4, 2), (6, 1, 1), (1, 32, 2))
    assert stored.get_access_cost(COST) == 2110550016


def test_goal_delay_ranks_by_computed_time():
    """Section 12 item 1 (correction S1): the least energy at the least time."""
    delay = ALL_BYPASS._replace(opt_goal="d")
    (best,) = gen_loopblocking(conv2_desc(), machine(), None, SchedulingConstraint(), COST, delay)
    assert (best.time, best.get_access_cost(COST)) == (3317760, 2073162240)


def test_local_region_keeps_the_first_that_fit():
    """All valid schemes are equal, so candidate order decides."""
    nld, resource = local_desc((1, 4, 2)), machine(size_gbuf=200, size_regf=20)
    options = NO_BYPASS._replace(ntops=5)
    found = gen_loopblocking(nld, resource, None, SchedulingConstraint(), COST, options)
    valid = [
        outline(bl_ts, bl_ords)
        for bl_ts, bl_ords in ref.gen_candidates(nld)
        if bl_ords == FIRST_ORDERS and ref.variants(nld, bl_ts, bl_ords, resource, options)
    ]
    assert [outline(s.bl_ts, s.bl_ords) for s in found] == valid[:5]


@given(searches(conv=True, tops=True, max_candidates=36 * 2000, partial=False))
@settings(max_examples=60, deadline=None)
def test_solver_takes_the_place_of_the_search(case):
    """Its valid schemes, each once, in its order, without ranking or cut."""
    nld, resource, options, cost, tops = case
    options = options._replace(sw_solve_loopblocking=True)
    found = list(gen_loopblocking(nld, resource, None, constraint_of(tops), cost, options))
    expected = [
        (bl_ts, bl_ords)
        for bl_ts, bl_ords in gen_loopblocking_gbuf_reside(nld, resource, options)
        if independent(tops).is_valid_top_bl(bl_ts[0], bl_ords[0])
        and ref.evaluate(nld, bl_ts, bl_ords, resource, options)["valid"]
    ]
    assert [(s.bl_ts, s.bl_ords) for s in found] == list(dict.fromkeys(expected))


def test_local_region_is_searched_although_the_solver_is_asked_for():
    options = NO_BYPASS._replace(sw_solve_loopblocking=True)
    args = local_desc(), machine(), None, SchedulingConstraint(), COST
    (solved,), (searched,) = (
        list(gen_loopblocking(*args, chosen)) for chosen in (options, NO_BYPASS)
    )
    assert solved.bl_ts == searched.bl_ts


def test_skip_conv_needs_no_array():
    assert skip_conv(((2, 1, 1), (2, 1, 1), (1, 2, 2)), FIRST_ORDERS) is False
    assert skip_conv(((2, 1, 1), (2, 2, 1), (2, 1, 1)), FIRST_ORDERS) is True
