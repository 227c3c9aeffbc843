# SPDX-License-Identifier: BSD-3-Clause
"""The array access model and its view of one scheme (docs/model/loop_blocking.md sections 1 to 4).

Arrays of schemes have to say what the scalar reference says of each scheme by itself, and what the
loop-nest simulator counts body by body.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.core import blocking_model
from nn_dataflow.core.blocking_model import BlockingModel
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.loop_blocking import gen_loopblocking
from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.scheduling_constraint import SchedulingConstraint
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import strategies as own_st
from nn_dataflow.tests.core.test_loop_blocking_simulator import (
    ALL_BYPASS,
    COST,
    SCHEME_A,
    SCHEME_C,
    conv2_desc,
    machine,
)
from nn_dataflow.tests.simulator import simulate, walk


def scheme_of(nld, bl_ts, bl_ords, resource, options):
    """The published view of one scheme; groups of nodes do not matter without sharing."""
    return LoopBlockingScheme(nld, bl_ts, bl_ords, resource, None, options)


def evaluate(nld, schemes, resource, options, keep_filters=True):
    """Evaluate (bl_ts, bl_ords) pairs together."""
    bl_ts = np.array([ts for ts, _ in schemes], dtype=np.int64)
    bl_ords = np.array([ords for _, ords in schemes], dtype=np.int64)
    return BlockingModel(nld, resource, options).evaluate(bl_ts, bl_ords, keep_filters)


def approx(values):
    return pytest.approx(np.array(values, dtype=float), rel=1e-9, abs=1e-12)


def assert_is(evaluation, index, result):
    """One element of an evaluation is what the reference says of the scheme."""
    assert evaluation.valid[index]
    assert evaluation.fetch[index].tolist() == result["fetch"]
    assert tuple(evaluation.stored[index].tolist()) == result["stored"]
    assert bool(evaluation.pinned[index]) == result["filter_pinned"]
    assert evaluation.size[index].tolist() == result["size"]
    assert evaluation.access[index] == approx(result["access"])
    assert evaluation.remote_gbuf_access[index] == approx(result["remote_gbuf_access"])
    assert evaluation.ops[index] == pytest.approx(result["ops"], rel=1e-9)
    for name in ("proc_time", "bus_time", "dram_time", "time"):
        assert getattr(evaluation, name)[index] == result[name]


# Arrays against the scalar reference and the simulator.


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_one_scheme_is_as_the_reference_says(partial, data):
    """Every way to run it, also where factors cover more than the trip counts."""
    case = data.draw(own_st.cases(max_bodies=3000, exact=partial, partial=partial))
    nld, bl_ts, bl_ords, resource, options = case
    found = ref.variants(nld, bl_ts, bl_ords, resource, options)
    kept = evaluate(nld, [(bl_ts, bl_ords)], resource, options)
    assert bool(kept.valid[0]) == bool(found)
    assert kept.unit_cnt[0].tolist() == ref.unit_counts(nld, bl_ts, partial=partial)
    if found:
        assert_is(kept, 0, found[0])
        streamed = evaluate(nld, [(bl_ts, bl_ords)], resource, options, keep_filters=False)
        assert_is(streamed, 0, found[-1])
        assert kept.access_cost(COST)[0] == pytest.approx(ref.access_cost(found[0], COST))
    else:
        assert kept.access_cost(COST)[0] == math.inf


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_accesses_are_what_the_walk_counts(partial, data):
    case = data.draw(own_st.cases(max_bodies=600, partial=partial))
    nld, bl_ts, bl_ords, resource, options = case
    scheme = scheme_of(nld, bl_ts, bl_ords, resource, options)
    assume(scheme.is_valid())
    counts = simulate(
        nld,
        bl_ts,
        bl_ords,
        scheme.stored_in_gbuf,
        num_nodes=resource.proc_region.dim.size(),
        no_time_mux=resource.no_time_mux,
        src_dram=resource.src_data_region.type == NodeRegion.DRAM,
        dst_dram=resource.dst_data_region.type == NodeRegion.DRAM,
        trips=nld.loopcnt,
    )
    assert np.array(scheme.access) == approx(counts.access)
    assert np.array(scheme.remote_gbuf_access) == approx(counts.remote_gbuf_access)
    for level, sizes in enumerate(scheme.unit_size):
        for dce, (units, size) in enumerate(zip(counts.peak_units[level], sizes, strict=True)):
            in_level = level == 1 or scheme.stored_in_gbuf[dce]
            assert scheme.data_size(level, dce) == units * size * in_level


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_arrays_are_as_one_by_one(data):
    nld = data.draw(own_st.nested_loop_descs())
    pair = st.tuples(own_st.blocking_factors(nld), own_st.blocking_orders())
    schemes = data.draw(st.lists(pair, min_size=1, max_size=30))
    resource, options = data.draw(own_st.resources(nld)), data.draw(own_st.blocking_options())
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(schemes))))[: len(schemes)]
    cost = data.draw(own_st.costs())
    together = evaluate(nld, schemes, resource, options, keep)
    model = BlockingModel(nld, resource, options)
    bl_ts, bl_ords = (np.array(column) for column in zip(*schemes, strict=True))
    for index, (scheme, keep_filters) in enumerate(zip(schemes, keep.tolist(), strict=True)):
        alone = evaluate(nld, [scheme], resource, options, keep_filters)
        for name, column in together._asdict().items():
            assert np.array_equal(column[index], getattr(alone, name)[0]), name
        assert together.access_cost(cost)[index] == alone.access_cost(cost)[0]
        view = LoopBlockingScheme.of(model, together, index, bl_ts, bl_ords)
        assert (view.bl_ts, view.bl_ords) == scheme
        assert view.get_access_cost(cost) == alone.access_cost(cost)[0]


def test_no_schemes_at_all():
    model = BlockingModel(conv2_desc(), machine(), ALL_BYPASS)
    none = model.evaluate(np.zeros((0, 3, 3), dtype=np.int64), np.zeros((0, 2, 3), dtype=np.int64))
    assert none.access_cost(COST).shape == (0,)
    assert none.fetch.shape == (0, 2, 3)


# The published view.


@given(own_st.cases(max_bodies=1000))
@settings(max_examples=200, deadline=None)
def test_view_of_a_scheme(case):
    nld, bl_ts, bl_ords, resource, options = case
    result = ref.evaluate(nld, bl_ts, bl_ords, resource, options)
    scheme = scheme_of(nld, bl_ts, bl_ords, resource, options)
    assert scheme.is_valid() == result["valid"]
    assert (scheme.bl_ts, scheme.bl_ords) == (bl_ts, bl_ords)
    assert scheme.num_nodes == resource.proc_region.dim.size()
    assert scheme.src_is_dram == (resource.src_data_region.type == NodeRegion.DRAM)
    assert scheme.dst_is_dram == (resource.dst_data_region.type == NodeRegion.DRAM)
    assert np.array(scheme.get_access()) == approx(result["access"])
    assert np.array(scheme.remote_gbuf_access) == approx(result["remote_gbuf_access"])
    for name in ("time", "proc_time", "bus_time", "dram_time"):
        assert getattr(scheme, name) == result[name]
    if not result["valid"]:
        assert scheme.get_top_level_fetch() is None
        assert scheme.get_noc_access() is None
        return
    assert list(scheme.get_top_level_fetch()) == result["top_level_fetch"]
    assert list(map(list, scheme.fetch)) == result["fetch"]
    assert scheme.stored_in_gbuf == result["stored"]
    assert scheme.filter_pinned == result["filter_pinned"]
    assert scheme.get_noc_access() == (0, 0, 0)
    assert scheme.ops == pytest.approx(result["ops"])
    for level in range(scheme.BL.NUM):
        sizes = [scheme.data_size(level, dce) for dce in range(3)]
        assert sizes == result["size"][level]
        assert scheme.data_size(level) == sum(sizes)


def test_plain_numbers():
    """What is reported is made of tuples and Python numbers, not of arrays."""
    scheme = scheme_of(conv2_desc(), *SCHEME_A, machine(), Option())

    def leaves(value):
        if isinstance(value, tuple):
            return itertools.chain.from_iterable(map(leaves, value))
        return [value]

    for name in ("bl_ts", "bl_ords", "unit_cnt", "unit_size", "fetch", "stored_in_gbuf", "ops"):
        assert {type(leaf) for leaf in leaves(getattr(scheme, name))} <= {int, float, bool}
    for name in ("access", "remote_gbuf_access", "time", "proc_time", "bus_time", "dram_time"):
        assert {type(leaf) for leaf in leaves(getattr(scheme, name))} <= {int, float}
    assert type(scheme.data_size(0)) is int
    assert type(scheme.get_access_cost(COST)) is float


def test_worked_example_a():
    scheme = scheme_of(conv2_desc(), *SCHEME_A, machine(), Option())
    assert scheme.unit_cnt == ((384, 12, 32), (32, 1, 32))
    assert scheme.fetch == ((4, 1, 7), (4, 4, 7))
    assert scheme.access[0] == (614400, 184512, 2612736)
    assert (scheme.data_size(scheme.BL.GBUF), scheme.data_size(scheme.BL.REGF)) == (44460, 197)
    assert scheme.time == scheme.proc_time == 3317760
    assert (scheme.bus_time, scheme.dram_time) == (326592, 1705824)
    assert scheme.get_access_cost(COST) == 2563444224


def test_worked_example_c():
    scheme = scheme_of(conv2_desc(), *SCHEME_C, machine(), ALL_BYPASS)
    assert scheme.stored_in_gbuf == (True, False, False)
    assert scheme.data_size(scheme.BL.GBUF) == 38400
    assert scheme.get_access_cost(COST) == 2073162240


def test_worked_example_e():
    """The source in the node itself: ifmaps are stored, and fetched once or not at all."""
    bl_ts = ((1, 4, 4), (48, 1, 1), (1, 32, 1))
    local = machine(src_data_region=machine().proc_region)
    scheme = scheme_of(conv2_desc(), bl_ts, ((0, 1, 2), (0, 1, 2)), local, ALL_BYPASS)
    assert scheme.stored_in_gbuf[1]
    assert scheme.remote_gbuf_access == (0, 184512, 0)
    assert scheme.get_access_cost(COST) == 2037993600
    refetching = scheme_of(conv2_desc(), bl_ts, ((0, 2, 1), (0, 1, 2)), local, ALL_BYPASS)
    assert not refetching.is_valid()
    assert refetching.time == refetching.get_access_cost(COST) == math.inf
    assert set(itertools.chain(*refetching.access)) == {math.inf}


@given(own_st.cases(max_bodies=1000), own_st.costs())
@settings(max_examples=100, deadline=None)
def test_access_cost_is_the_sum_over_levels(case, cost):
    scheme = scheme_of(*case)
    if not scheme.is_valid():
        assert scheme.get_access_cost(cost) == math.inf
        return
    per_level = [sum(words) for words in scheme.access]
    per_level[1] += sum(scheme.remote_gbuf_access)
    total = sum(price * words for price, words in zip(cost.mem_hier, per_level, strict=True))
    assert scheme.get_access_cost(cost) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_gen_index_is_the_walk(partial, data):
    case = data.draw(own_st.cases(max_bodies=400, exact=partial, partial=partial))
    nld, bl_ts, bl_ords, *_ = case
    assume(math.prod(map(math.prod, bl_ts)) <= 2000)
    trips = nld.loopcnt if partial else None
    assert list(scheme_of(*case).gen_index()) == list(walk(bl_ts, bl_ords, trips=trips))


@given(st.tuples(*[st.integers(1, 3)] * 3), st.permutations((0, 1, 2)))
def test_ordered_loops(bl_t, bl_ord):
    outermost_first = [
        lpe for pos in (2, 1, 0) for lpe in range(3) if bl_ord[lpe] == pos and bl_t[lpe] > 1
    ]
    loops = LoopBlockingScheme.ordered_loops
    assert loops(bl_t, bl_ord, lpe_only=True) == outermost_first
    assert loops(bl_t, bl_ord, lpe_only=True, reverse=True) == outermost_first[::-1]
    assert loops(bl_t, bl_ord) == [(lpe, bl_t[lpe]) for lpe in outermost_first]
    assert loops(bl_t, bl_ord, reverse=True) == loops(bl_t, bl_ord)[::-1]


@pytest.mark.parametrize(("level", "category"), [(2, None), (2, 0), (0, 3), (1, 3)], ids=str)
def test_data_size_of_what_is_not_there(level, category):
    scheme = scheme_of(conv2_desc(), *SCHEME_A, machine(), Option())
    with pytest.raises(IndexError):
        scheme.data_size(level, category)


IN_ORDER = ((0, 1, 2), (0, 1, 2))
PARTIAL = Option(sw_imperfect=True)


@pytest.mark.parametrize(
    ("bl_ts", "bl_ords", "message"),
    [
        pytest.param(SCHEME_A[0][:2], IN_ORDER, "3x3", id="two levels of factors"),
        pytest.param(((4, 4), (12, 1), (1, 32)), IN_ORDER, "3x3", id="two loops"),
        pytest.param(SCHEME_A[0], (*IN_ORDER, (0, 1, 2)), "2x3", id="three orders"),
        pytest.param(SCHEME_A[0], ((0, 1), (0, 1)), "2x3", id="two positions"),
        pytest.param(SCHEME_A[0], ((0, 1, 1), (0, 1, 2)), "permutations", id="repeated position"),
        pytest.param(SCHEME_A[0], ((0, 1, 2), (1, 2, 3)), "permutations", id="positions from 1"),
        pytest.param(
            ((4, 4, 4), (11, 1, 1), (1, 32, 1)), IN_ORDER, "do not cover", id="too few trips"
        ),
        pytest.param(
            ((4, 4, 4), (12, 1, 0), (1, 32, 1)), IN_ORDER, "do not cover", id="factor of 0"
        ),
        pytest.param(
            ((-4, 4, 4), (-12, 1, 1), (1, 32, 1)), IN_ORDER, "do not cover", id="negative factors"
        ),
    ],
)
def test_refusals(bl_ts, bl_ords, message):
    with pytest.raises(ValueError, match=f"LoopBlockingScheme: .*{message}"):
        scheme_of(conv2_desc(), bl_ts, bl_ords, machine(), Option())


@pytest.mark.parametrize(
    "bl_ts",
    [
        pytest.param(((5, 4, 4), (10, 1, 1), (2, 32, 1)), id="last GBUF block too full"),
        pytest.param(((7, 4, 4), (7, 1, 1), (2, 32, 1)), id="empty REGF blocks"),
        pytest.param(((13, 4, 4), (4, 1, 1), (1, 32, 1)), id="empty GBUF block"),
        pytest.param(((5, 4, 4), (3, 1, 1), (3, 32, 1)), id="do not cover"),
        pytest.param(((5, 4, 4), (0, 1, 1), (1, 32, 1)), id="factor of 0"),
        pytest.param(((-5, 4, 4), (-5, 1, 1), (2, 32, 1)), id="negative factors"),
    ],
)
def test_refusals_of_blocks_that_are_not_equal(bl_ts):
    """They would be fewer, or empty."""
    with pytest.raises(ValueError, match=r"LoopBlockingScheme: .*(do not cover|do not cut loops)"):
        scheme_of(conv2_desc(), bl_ts, IN_ORDER, machine(), PARTIAL)


def test_worked_example_of_partial_blocks():
    """Section 10, H: 48 channels in blocks of 10, 10, 10, 10 and 8, each in steps of 4."""
    bl_ts, bl_ords = ((5, 4, 4), (3, 1, 1), (4, 32, 1)), ((2, 0, 1), (0, 1, 2))
    scheme = scheme_of(conv2_desc(), bl_ts, bl_ords, machine(size_regf=4096), PARTIAL)
    assert scheme.trips == (48, 128, 4)
    assert scheme.unit_cnt == ((320, 10, 32), (128, 4, 32))
    assert scheme.fetch == ((4, 1, 9), (4, 4, 9))
    assert scheme.proc_time == 3317760
    inside = ((5, 4, 4), (3, 1, 1), (4, 32, 1)), ((2, 0, 1), (2, 1, 0))
    assert scheme_of(conv2_desc(), *inside, machine(size_regf=4096), PARTIAL).fetch[1][2] == 9
    outside = ((5, 4, 2), (3, 1, 2), (4, 32, 1)), ((2, 0, 1), (2, 1, 0))
    one = scheme_of(conv2_desc(), *outside, machine(size_regf=4096), PARTIAL)
    assert one.fetch[1][2] == 2 * (4 * 3 + 2) - 1  # the last block has two steps only


# Filters that stay on chip (section 3.8 with correction M6).

ONCE = (((1, 1, 1), (2, 2, 2), (1, 1, 1)), ((0, 1, 2), (2, 1, 0)))  # no reuse of filters


def test_filters_without_reuse_are_pinned_or_streamed():
    nld, resource = conv2_desc((2, 2, 2)), machine(no_time_mux=True)
    pinned = evaluate(nld, [ONCE], resource, ALL_BYPASS)
    assert (pinned.pinned[0], pinned.stored[0, 0], pinned.fetch[0, 0, 0]) == (True, True, 0)
    assert pinned.access[0, :2, 0].tolist() == [0, 100]
    streamed = evaluate(nld, [ONCE], resource, ALL_BYPASS, keep_filters=False)
    assert (streamed.pinned[0], streamed.stored[0, 0], streamed.fetch[0, 0, 0]) == (False, False, 1)
    assert streamed.access[0, :2, 0].tolist() == [100, 0]


def test_filters_stay_only_where_they_fit():
    nld = conv2_desc((2, 2, 2))
    need = int(evaluate(nld, [ONCE], machine(no_time_mux=True), ALL_BYPASS).size[0, 0].sum())
    for size_gbuf, fits in ((need, True), (need - 1, False)):
        resource = machine(size_gbuf, no_time_mux=True)
        one = evaluate(nld, [ONCE], resource, ALL_BYPASS)
        assert one.valid[0]
        assert bool(one.pinned[0]) == fits


# Laws.


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_larger_buffers_cost_no_more(data):
    """Every scheme of the smaller machine is one of the larger machine."""
    nld = data.draw(own_st.nested_loop_descs(max_candidates=36 * 200))
    small = data.draw(own_st.resources(nld))
    grown = st.sampled_from((0, 1, 10, 1000))
    large = small._replace(
        size_gbuf=small.size_gbuf + data.draw(grown), size_regf=small.size_regf + data.draw(grown)
    )
    options = data.draw(own_st.blocking_options(goals=("e",)))
    cost = data.draw(own_st.costs())

    def least(resource):
        best = gen_loopblocking(nld, resource, None, SchedulingConstraint(), cost, options)
        return next((scheme.get_access_cost(cost) for scheme in best), math.inf)

    # Pinned filters push nothing out, but they must be stored, and so may be worse (M6).
    assert least(large) <= least(small) * (1 + 1e-9)


@given(own_st.cases(max_bodies=3000))
@settings(max_examples=100, deadline=None)
def test_every_category_is_touched_at_least_once(case):
    """No scheme moves less than all words once, but for pinned filters."""
    nld, bl_ts, bl_ords, resource, options = case
    result = evaluate(nld, [(bl_ts, bl_ords)], resource, options)
    model = BlockingModel(nld, resource, options)
    once = np.array(model.total) * model.num_nodes
    for dce in range(3):
        assert result.fetch[0, 1, dce] >= result.fetch[0, 0, dce] >= (0 if dce == 0 else 1)
        assert result.access[0, 2, dce] >= once[2][dce] * (1 - 1e-12)
    assert result.time[0] >= result.proc_time[0] == nld.unit_time * math.prod(nld.loopcnt)


def test_unreached_is_beyond_every_position():
    """No order position of a loop is taken for the lack of one."""
    factors = np.array([[1, 1, 1], [2, 1, 1]])
    order = np.array([[2, 1, 0], [2, 1, 0]])
    positions = blocking_model.order_position_of_innermost(factors, order, (0, 1))
    assert positions.tolist() == [blocking_model.UNREACHED, 2]


def test_cost_of_free_levels_is_zero():
    scheme = scheme_of(conv2_desc(), *SCHEME_A, machine(), Option())
    free = Cost(mac_op=0, mem_hier=(0, 0, 0, 0), noc_hop=0, idl_unit=0)
    assert scheme.get_access_cost(free) == 0
