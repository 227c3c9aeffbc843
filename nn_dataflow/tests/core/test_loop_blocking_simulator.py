# SPDX-License-Identifier: BSD-3-Clause
"""The scalar reference model of loop blocking against the loop-nest simulator and the document.

What the array model and its pruned search are compared with must itself be right: the closed forms
have to agree with a body-by-body walk on random cases, and the worked examples of
docs/model/loop_blocking.md section 10 (and the numbers of its sections 8 and 12) have to come out.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.core.blocking_model import BlockingModel
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.nested_loop_desc import NestedLoopDesc
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import strategies as own_st
from nn_dataflow.tests.simulator import simulate, walk

ALL_STORED = (True, True, True)
NO_BYPASS = Option()
ALL_BYPASS = Option(sw_gbuf_bypass=(True, True, True))
COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)


def conv2_desc(loopcnt=(48, 128, 4)):
    """One node's share of AlexNet CONV2 on a 16x16 PE array."""
    return NestedLoopDesc(
        loopcnt=loopcnt,
        usize_gbuf=(25, 961, 729),
        usize_regf=(5, 5, 1),
        unit_access=(
            (25, 961, 729),
            (25, 961, 729),
            (675, 4185, 3645),
            (18225, 18225, 18225),
        ),
        unit_ops=18225,
        unit_time=135,
        data_loops=own_st.CONV_LOOPS,
    )


def conv_12_10_desc(batch):
    """CONV 12 -> 10, ofmap 28x28, filter 3x3: its first mapping on a 16x16 PE array."""
    return NestedLoopDesc(
        loopcnt=(12, 5, batch),
        usize_gbuf=(18, 900, 1568),
        usize_regf=(3, 3, 1),
        unit_access=(
            (18, 900, 1568),
            (18, 900, 1568),
            (504, 5040, 4704),
            (14112, 14112, 14112),
        ),
        unit_ops=14112,
        unit_time=84,
        data_loops=own_st.CONV_LOOPS,
    )


def local_desc(loopcnt=(1, 4, 2)):
    """A local-region nest."""
    return NestedLoopDesc(
        loopcnt=loopcnt,
        usize_gbuf=(0, 30, 20),
        usize_regf=(0, 3, 1),
        unit_access=((0, 30, 20), (0, 30, 20), (0, 60, 40), (0, 180, 180)),
        unit_ops=180,
        unit_time=9,
        data_loops=own_st.LOCAL_LOOPS,
    )


def machine(size_gbuf=65536, size_regf=256, nodes=(1, 1), **kwargs):
    """Machine of the worked examples; ``src_data_region`` and others by name."""
    memory = NodeRegion(dim=PhyDim2(1, 1), origin=PhyDim2(0, 0), type=NodeRegion.DRAM)
    fields = {
        "proc_region": NodeRegion(dim=PhyDim2(*nodes), origin=PhyDim2(0, 0), type=NodeRegion.PROC),
        "dram_region": memory,
        "src_data_region": memory,
        "dst_data_region": memory,
        "dim_array": PhyDim2(16, 16),
        "size_gbuf": size_gbuf,
        "size_regf": size_regf,
        "array_bus_width": 8,
        "dram_bandwidth": 2,
        "no_time_mux": False,
    }
    return Resource(**(fields | kwargs))


class TopConstraint:
    """Fixed top factors; a constrained loop is outermost, after the batch (pipeline.md 2)."""

    def __init__(self, top_bl_t, first):
        self.top_bl_t = top_bl_t  # 0: free
        self.first = first  # loops that have to be outermost, in this order

    def is_valid_top_bl(self, top_bl_t, top_bl_ord):
        if any(want not in (0, have) for want, have in zip(self.top_bl_t, top_bl_t, strict=True)):
            return False
        outermost = sorted(range(3), key=lambda l: -top_bl_ord[l])
        nontrivial = tuple(l for l in outermost if top_bl_t[l] > 1)
        return nontrivial[: len(self.first)] == self.first


def rows(matrix):
    """Rows as lists of floats, comparable with a tolerance."""
    return [pytest.approx(list(row), rel=1e-9) for row in matrix]


# The simulator and the closed forms.


def test_walk_order():
    """Level by level from the outside, each in its order; I is innermost inside the array."""
    bl_ts = ((1, 2, 2), (2, 1, 1), (1, 1, 2))
    outer_first = [
        (i, 1 * o0, 2 * b0 + b2)
        for b0, o0 in itertools.product(range(2), range(2))
        for i in range(2)
        for b2 in range(2)
    ]
    assert list(walk(bl_ts, ((0, 1, 2), (0, 1, 2)))) == outer_first
    swapped = sorted(outer_first, key=lambda x: (x[1], x[2] // 2))
    assert list(walk(bl_ts, ((0, 2, 1), (2, 1, 0)))) == swapped


@given(data=st.data(), partial=st.booleans())
@settings(max_examples=100, deadline=None)
def test_walk_visits_every_body_once(data, partial):
    nld = data.draw(own_st.nested_loop_descs(max_bodies=300))
    bl_ts = data.draw(own_st.blocking_factors(nld, partial=partial))
    trips = nld.loopcnt if partial else None
    bodies = list(walk(bl_ts, data.draw(own_st.blocking_orders()), trips=trips))
    assert sorted(bodies) == list(itertools.product(*map(range, nld.loopcnt)))


@given(own_st.cases(max_bodies=1000, exact=False))
@settings(max_examples=200, deadline=None)
def test_fetches_and_blocks_are_what_the_walk_sees(case):
    """Sections 3.2 and 3.4, also for factors that cover more than the trip counts."""
    nld, bl_ts, bl_ords, *_ = case
    counts = simulate(nld, bl_ts, bl_ords, ALL_STORED)
    assert counts.bodies == math.prod(map(math.prod, bl_ts))
    assert counts.fetch == ref.fetch_counts(nld, bl_ts, bl_ords)
    assert counts.peak_units == ref.unit_counts(nld, bl_ts)
    assert [
        [units * size for units, size in zip(counts.peak_units[0], nld.usize_gbuf, strict=True)],
        [units * size for units, size in zip(counts.peak_units[1], nld.usize_regf, strict=True)],
    ] == ref.block_sizes(nld, bl_ts, ALL_STORED)


@given(own_st.cases(max_bodies=1000, partial=True))
@settings(max_examples=300, deadline=None)
def test_fetches_of_partial_blocks_are_what_the_walk_sees(case):
    """Section 1.4: the largest block, and every word that is there."""
    nld, bl_ts, bl_ords, *_ = case
    counts = simulate(nld, bl_ts, bl_ords, ALL_STORED, trips=nld.loopcnt)
    assert counts.bodies == math.prod(nld.loopcnt)
    assert counts.fetch == ref.fetch_counts(nld, bl_ts, bl_ords, partial=True)
    assert counts.peak_units == ref.unit_counts(nld, bl_ts, partial=True)


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_accesses_are_what_the_walk_counts(partial, data):
    """Section 4 for every valid way to run a scheme, with any place of the data."""
    case = data.draw(own_st.cases(max_bodies=1000, partial=partial))
    nld, bl_ts, bl_ords, resource, options = case
    found = ref.variants(nld, bl_ts, bl_ords, resource, options)
    assume(found)
    for result in found:
        counts = simulate(
            nld,
            bl_ts,
            bl_ords,
            result["stored"],
            num_nodes=resource.proc_region.dim.size(),
            no_time_mux=resource.no_time_mux,
            src_dram=resource.src_data_region.type == NodeRegion.DRAM,
            dst_dram=resource.dst_data_region.type == NodeRegion.DRAM,
            trips=nld.loopcnt,
        )
        assert result["access"] == rows(counts.access)
        assert result["remote_gbuf_access"] == pytest.approx(counts.remote_gbuf_access)
        assert result["ops"] == pytest.approx(
            nld.unit_ops * counts.bodies * resource.proc_region.dim.size()
        )
        assert result["proc_time"] == nld.unit_time * counts.bodies
        assert result["time"] >= sum(map(sum, counts.access[:1])) / resource.dram_bandwidth


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_ifmaps_that_are_partly_near_are_what_the_walk_counts(partial, data):
    """A part of the ifmaps is in the nodes, the rest comes from memory: read once, and stored."""
    case = data.draw(own_st.cases(max_bodies=600, partial=partial))
    nld, bl_ts, bl_ords, resource, options = case
    resource = resource._replace(src_data_region=own_st.MEMORY)
    first = nld.data_loops[ref.IFM].loops()[0]
    assume(nld.loopcnt[first] > 1)
    near = data.draw(st.integers(1, nld.loopcnt[first] - 1))
    share = near / nld.loopcnt[first]
    found = ref.variants(nld, bl_ts, bl_ords, resource, options, near_ifmaps=share)
    model = BlockingModel(nld, resource, options, near_ifmaps=share)
    evaluation = model.evaluate(np.array([bl_ts]), np.array([bl_ords]), keep_filters=True)
    passes = ref.fetch_counts(nld, bl_ts, bl_ords, partial=partial)[0][ref.IFM]
    assert bool(evaluation.valid[0]) == bool(found)
    assert not found or passes == 1
    for result in found:
        assert result["stored"][ref.IFM]
        counts = simulate(
            nld,
            bl_ts,
            bl_ords,
            result["stored"],
            num_nodes=resource.proc_region.dim.size(),
            no_time_mux=resource.no_time_mux,
            dst_dram=resource.dst_data_region.type == NodeRegion.DRAM,
            near_ifmaps=near,
            trips=nld.loopcnt,
        )
        assert result["access"] == rows(counts.access)
        assert result["remote_gbuf_access"] == pytest.approx(counts.remote_gbuf_access)
        assert counts.remote_gbuf_access[ref.IFM] > 0
        keep = result["stored"][ref.FIL]
        evaluation = model.evaluate(np.array([bl_ts]), np.array([bl_ords]), keep_filters=keep)
        assert evaluation.access[0] == pytest.approx(np.array(result["access"]))
        assert evaluation.remote_gbuf_access[0] == pytest.approx(result["remote_gbuf_access"])
        assert evaluation.dram_time[0] == result["dram_time"]
        assert evaluation.time[0] == result["time"]


@pytest.mark.parametrize("partial", [False, True])
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_validity_follows_from_what_the_walk_sees(partial, data):
    """Sections 3.3 and 3.5 to 3.7 with blocks and fetches taken from the walk."""
    case = data.draw(own_st.cases(max_bodies=600, partial=partial))
    nld, bl_ts, bl_ords, resource, options = case
    counts = simulate(nld, bl_ts, bl_ords, ALL_STORED, trips=nld.loopcnt)
    stored = []
    legal = True
    regions = (None, resource.src_data_region, resource.dst_data_region)
    for dce, region in enumerate(regions):
        reuse = counts.fetch[0][dce] < counts.fetch[1][dce]
        on_chip = region is not None and region.type == NodeRegion.PROC
        legal = legal and not (on_chip and counts.fetch[0][dce] > 1)
        here = region == resource.proc_region
        stored.append(here or reuse or not options.sw_gbuf_bypass[dce])
    in_gbuf = sum(counts.peak_units[0][d] * nld.usize_gbuf[d] for d in range(3) if stored[d])
    in_regf = sum(counts.peak_units[1][d] * nld.usize_regf[d] for d in range(3))
    fit = in_gbuf <= resource.size_gbuf and in_regf <= resource.size_regf
    result = ref.evaluate(nld, bl_ts, bl_ords, resource, options)
    assert result["valid"] == (legal and fit)
    if result["valid"] and not result["filter_pinned"]:
        assert list(result["stored"]) == stored


# Worked examples of section 10.

SCHEME_A = (((4, 4, 4), (12, 1, 1), (1, 32, 1)), ((2, 0, 1), (0, 1, 2)))
SCHEME_C = (((1, 4, 2), (48, 1, 1), (1, 32, 2)), ((2, 1, 0), (0, 1, 2)))


def test_example_a_full_scheme():
    result = ref.evaluate(conv2_desc(), *SCHEME_A, machine(), NO_BYPASS)
    assert result["stored"] == ALL_STORED
    assert ref.unit_counts(conv2_desc(), SCHEME_A[0]) == [[384, 12, 32], [32, 1, 32]]
    assert result["size"] == [[9600, 11532, 23328], [160, 5, 32]]
    assert result["fetch"] == [[4, 1, 7], [4, 4, 7]]
    assert result["top_level_fetch"] == [4, 1, 7]
    assert result["access"] == [
        [614400, 184512, 2612736],
        [614400, 738048, 2612736],
        [16588800, 3214080, 13063680],
        [447897600, 447897600, 895795200],
    ]
    assert result["remote_gbuf_access"] == [0, 0, 0]
    assert result["ops"] == 447897600
    assert result["proc_time"] == result["time"] == 3317760
    assert result["bus_time"] == 326592
    assert result["dram_time"] == 1705824
    assert ref.access_cost(result, COST) == 2563444224


def test_example_a_capacity_is_exact():
    fits = {
        (gbuf, regf): ref.evaluate(
            conv2_desc(), *SCHEME_A, machine(size_gbuf=gbuf, size_regf=regf), NO_BYPASS
        )["valid"]
        for gbuf in (44459, 44460)
        for regf in (196, 197)
    }
    assert [key for key, valid in fits.items() if valid] == [(44460, 197)]


def test_example_b_bypass():
    result = ref.evaluate(conv2_desc(), *SCHEME_A, machine(), ALL_BYPASS)
    assert result["stored"] == (False, True, False)
    assert result["size"][0] == [0, 11532, 0]
    assert result["access"][0] == [614400, 184512, 2612736]
    assert result["access"][1] == [0, 738048, 0]
    assert result["bus_time"] == 92256
    assert ref.access_cost(result, COST) == 2544081408


def test_example_c_best_scheme():
    result = ref.evaluate(conv2_desc(), *SCHEME_C, machine(), ALL_BYPASS)
    assert result["fetch"] == [[1, 4, 1], [2, 4, 1]]
    assert result["stored"] == (True, False, False)
    assert result["size"][0] == [38400, 0, 0]
    assert result["access"][0] == [153600, 738048, 373248]
    assert result["access"][1] == [307200, 0, 0]
    assert result["dram_time"] == 632448
    assert result["bus_time"] == 38400
    assert ref.access_cost(result, COST) == 2073162240


@pytest.mark.parametrize(
    ("options", "scheme", "access_cost"),
    [
        pytest.param(ALL_BYPASS, SCHEME_C, 2073162240, id="bypass"),
        pytest.param(
            NO_BYPASS,
            (((8, 4, 2), (6, 1, 1), (1, 32, 2)), ((0, 1, 2), (0, 1, 2))),
            2110550016,
            id="no_bypass",
        ),
    ],
)
def test_example_c_is_the_best_of_all(options, scheme, access_cost):
    ((key, *found),) = ref.best(conv2_desc(), machine(), options, COST, skip=ref.skip_conv)
    assert key[0] == access_cost
    assert tuple(found) == scheme


@pytest.mark.parametrize(
    ("bl_ts", "bl_ords", "access_cost"),
    [
        (((1, 4, 4), (48, 1, 1), (1, 32, 1)), ((2, 0, 1), (0, 2, 1)), 2073788928),
        (((2, 2, 4), (1, 64, 1), (24, 1, 1)), ((0, 2, 1), (2, 0, 1)), 2117232384),
    ],
)
def test_example_d_solver_schemes(bl_ts, bl_ords, access_cost):
    result = ref.evaluate(conv2_desc(), bl_ts, bl_ords, machine(), ALL_BYPASS)
    assert ref.access_cost(result, COST) == access_cost


def test_example_e_source_in_the_node():
    bl_ts = ((1, 4, 4), (48, 1, 1), (1, 32, 1))
    in_order = (0, 1, 2)
    local = machine(src_data_region=machine().proc_region)
    result = ref.evaluate(conv2_desc(), bl_ts, (in_order, in_order), local, ALL_BYPASS)
    assert result["fetch"][0] == [4, 1, 1]
    assert result["stored"][1]
    assert result["size"][0][1] == 46128
    assert result["access"][0] == [614400, 0, 373248]
    assert result["remote_gbuf_access"] == [0, 184512, 0]
    assert result["dram_time"] == 493824
    assert ref.access_cost(result, COST) == 2037993600

    refetching = ref.evaluate(conv2_desc(), bl_ts, ((0, 2, 1), in_order), local, ALL_BYPASS)
    assert not refetching["valid"]
    assert refetching["time"] == ref.access_cost(refetching, COST) == math.inf


def test_example_f_access_forwarding():
    scheme = (((4, 4, 2), (12, 1, 1), (1, 16, 1)), ((2, 0, 1), (0, 1, 2)))
    nld, resource = conv2_desc((48, 64, 2)), machine(nodes=(2, 2))
    groups = (2, 2, 1)
    apart = ref.evaluate(nld, *scheme, resource, NO_BYPASS, groups=groups)
    together = ref.evaluate(
        nld, *scheme, resource, Option(hw_access_forwarding=True), groups=groups
    )
    assert apart["access"][0] == [614400, 369024, 2612736]
    assert apart["dram_time"] == 1798080
    assert together["access"][0] == [307200, 184512, 2612736]
    assert together["dram_time"] == 1552224
    for result in (apart, together):
        assert result["access"][1] == [614400, 1476096, 2612736]
        assert result["bus_time"] == 81648


def test_example_g_buffer_sharing():
    scheme = (((3, 16, 2), (4, 2, 2), (4, 1, 1)), ((1, 0, 2), (1, 2, 0)))
    nld = conv2_desc((48, 32, 4))
    resource = machine(size_gbuf=12288, size_regf=64, nodes=(2, 2))
    groups = (1, 4, 1)
    assert ref.block_sizes(nld, scheme[0], ALL_STORED)[0] == [800, 30752, 2916]
    assert not ref.evaluate(nld, *scheme, resource, NO_BYPASS, groups=groups)["valid"]
    result = ref.evaluate(nld, *scheme, resource, Option(hw_gbuf_sharing=True), groups=groups)
    assert result["size"][0] == [800, 7688, 2916]
    assert result["fetch"] == [[2, 1, 5], [2, 32, 23]]
    assert result["access"][0] == [307200, 184512, 1866240]
    assert result["time"] == 1178976


# The enumeration.


def test_candidates_in_order():
    """All factor triples per loop, I slowest, then both orders; nothing is skipped."""
    candidates = list(ref.gen_candidates(conv2_desc((2, 3, 1))))
    assert len(candidates) == 3 * 3 * 1 * 36
    assert candidates[0] == (((1, 1, 1), (1, 1, 1), (2, 3, 1)), ((0, 1, 2), (0, 1, 2)))
    assert candidates[1][1] == ((0, 1, 2), (0, 2, 1))
    assert candidates[6][1] == ((0, 2, 1), (0, 1, 2))
    assert candidates[36][0] == ((1, 1, 1), (1, 3, 1), (2, 1, 1))
    assert candidates[-1] == (((2, 3, 1), (1, 1, 1), (1, 1, 1)), ((2, 1, 0), (2, 1, 0)))
    by_loop = [(tuple(zip(*bl_ts, strict=True)), bl_ords) for bl_ts, bl_ords in candidates]
    assert by_loop == sorted(by_loop)
    assert len(set(by_loop)) == len(by_loop)


def test_skip_rule_count():
    """The example of section 8.1."""
    candidates = list(ref.gen_candidates(conv2_desc((12, 10, 4))))
    assert len(candidates) == 34992
    assert sum(not ref.skip_conv(*candidate) for candidate in candidates) == 1279


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_skip_rule_loses_no_value(data):
    """Every value of any goal with any extra cost has a scheme that is not skipped."""
    nld = data.draw(own_st.nested_loop_descs(conv=True, max_candidates=36 * 90))
    resource = data.draw(own_st.resources(nld))
    options = data.draw(own_st.blocking_options())
    price = st.integers(0, 50)
    extras = {
        "op_cost": data.draw(price),
        "hop_cost": data.draw(price),
        "unit_nhops": data.draw(st.tuples(*[st.integers(0, 5000)] * 3)),
        "static_cost": data.draw(price),
    }
    cost = data.draw(own_st.costs())
    everything = ref.best(nld, resource, options, cost, 10**6, **extras)
    unskipped = ref.best(nld, resource, options, cost, 10**6, skip=ref.skip_conv, **extras)
    assert [entry[0] for entry in unskipped] == [pytest.approx(entry[0]) for entry in everything]


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_best_is_the_least_of_all(data):
    """The n best values are distinct, ascending, first in candidate order, and none is missed."""
    nld = data.draw(own_st.nested_loop_descs(max_candidates=36 * 40))
    resource = data.draw(own_st.resources(nld))
    options = data.draw(own_st.blocking_options())

    def rank(result):
        return ref.goal_key(options.opt_goal, ref.access_cost(result, COST), result["time"])

    valid = [
        (rank(result), bl_ts, bl_ords)
        for bl_ts, bl_ords, result in ref.enumerate_all(nld, resource, options, rank=rank)
        if result["valid"]
    ]
    found = ref.best(nld, resource, options, COST, n=4)
    assert bool(found) == bool(valid)
    for (key, *_), (worse, *_) in itertools.pairwise(found):
        assert key < worse
        assert key != pytest.approx(worse, rel=1e-9)
    for key, *scheme in found:
        first = next(entry for entry in valid if entry[0] == pytest.approx(key, rel=1e-9))
        assert scheme == list(first[1:])
    if found:
        assert found[0][0] == pytest.approx(min(entry[0] for entry in valid), rel=1e-9)
        assert ref.best(nld, resource, options, COST, n=2) == found[:2]


def test_hop_cost_changes_the_choice():
    """Dear ifmap hops favour fewer ifmap fetches, at the price of refetching partial sums."""
    nld, resource = conv2_desc((4, 4, 2)), machine(size_gbuf=2500, size_regf=12)
    (plain,) = ref.best(nld, resource, ALL_BYPASS, COST)
    (dear,) = ref.best(nld, resource, ALL_BYPASS, COST, hop_cost=10, unit_nhops=(0, 1e6, 0))
    plain_result, dear_result = (
        ref.evaluate(nld, *entry[1:], resource, ALL_BYPASS) for entry in (plain, dear)
    )
    assert plain_result["top_level_fetch"] == [1, 2, 1]
    assert dear_result["top_level_fetch"] == [1, 1, 3]
    assert dear[0][0] == ref.access_cost(dear_result, COST) + 10 * 1e6


def test_static_and_operation_cost():
    """They enter the cost of every goal, besides the time itself."""
    nld, resource = conv2_desc((4, 4, 2)), machine(size_gbuf=2500, size_regf=12)
    extras = {"op_cost": 3, "static_cost": 7}
    (energy,) = ref.best(nld, resource, ALL_BYPASS, COST, **extras)
    result = ref.evaluate(nld, *energy[1:], resource, ALL_BYPASS)
    full = ref.access_cost(result, COST) + 3 * result["ops"] + 7 * result["time"]
    assert energy[0] == (full, result["time"])
    product = ALL_BYPASS._replace(opt_goal="ed")
    ((key, *_),) = ref.best(nld, resource, product, COST, **extras)
    assert key[0] <= full * result["time"]


@pytest.mark.parametrize(
    ("size_gbuf", "size_regf", "constraint", "access_cost"),
    [
        pytest.param(2000, 12, TopConstraint((2, 0, 0), (0,)), 78897120, id="topifm"),
        pytest.param(4000, 24, TopConstraint((0, 0, 2), (2,)), 29615360, id="topbat"),
    ],
)
def test_constrained_optimum_needs_skipped_schemes(size_gbuf, size_regf, constraint, access_cost):
    """Section 12 item 2: under a constraint the optimum is among the schemes of the skip rule."""
    nld, resource = conv_12_10_desc(4), machine(size_gbuf, size_regf)
    (found,) = ref.best(nld, resource, ALL_BYPASS, COST, constraint=constraint)
    assert found[0][0] == access_cost
    skipping = ref.best(nld, resource, ALL_BYPASS, COST, constraint=constraint, skip=ref.skip_conv)
    assert not skipping or skipping[0][0] > found[0]


def test_goal_delay_ranks_by_computed_time():
    """Section 12 item 1: the least cost at the least time, not the first candidate."""
    delay = ALL_BYPASS._replace(opt_goal="d")
    (found,) = ref.best(conv2_desc(), machine(), delay, COST, skip=ref.skip_conv)
    assert found[0] == (3317760, 2073162240)


# Filter pinning (section 3.8 with correction M6).

ONCE = (((1, 1, 1), (2, 2, 2), (1, 1, 1)), ((0, 1, 2), (2, 1, 0)))  # f[1][FIL] = 1: no reuse


def once(size_gbuf):
    """Arguments of a scheme that could pin its filters but has no reuse for them."""
    return conv2_desc((2, 2, 2)), *ONCE, machine(size_gbuf, no_time_mux=True), ALL_BYPASS


def test_pinned_filters_are_not_fetched():
    scheme = (((1, 1, 2), (2, 2, 1), (1, 1, 1)), ((0, 1, 2), (0, 1, 2)))
    nld = conv2_desc((2, 2, 2))
    fetched = ref.evaluate(nld, *scheme, machine(), NO_BYPASS)
    pinned = ref.evaluate(nld, *scheme, machine(no_time_mux=True), NO_BYPASS)
    assert (fetched["filter_pinned"], pinned["filter_pinned"]) == (False, True)
    assert fetched["fetch"][0][0] == 1
    assert pinned["fetch"][0][0] == pinned["top_level_fetch"][0] == pinned["access"][0][0] == 0
    assert pinned["access"][1:] == fetched["access"][1:]


def test_pinning_needs_a_single_filter_block():
    scheme = (((2, 1, 2), (1, 2, 1), (1, 1, 1)), ((0, 1, 2), (0, 1, 2)))
    result = ref.evaluate(conv2_desc((2, 2, 2)), *scheme, machine(no_time_mux=True), NO_BYPASS)
    assert not result["filter_pinned"]
    assert result["fetch"][0][0] == 2


def test_filters_without_reuse_are_pinned_or_bypassed():
    """Both are evaluated, and the better one under the caller's key stays."""
    pinned, bypassed = ref.variants(*once(65536))
    assert pinned["filter_pinned"]
    assert not bypassed["filter_pinned"]
    assert (pinned["stored"][0], bypassed["stored"][0]) == (True, False)
    assert (pinned["fetch"][0][0], bypassed["fetch"][0][0]) == (0, 1)
    assert (pinned["access"][0][0], pinned["access"][1][0]) == (0, 100)
    assert (bypassed["access"][0][0], bypassed["access"][1][0]) == (100, 0)
    assert ref.evaluate(*once(65536)) == pinned

    dear_gbuf = Cost(mac_op=1, mem_hier=(6, 200, 2, 1), noc_hop=10, idl_unit=0)
    for cost, better in ((COST, pinned), (dear_gbuf, bypassed)):

        def rank(result, cost=cost):
            return (ref.access_cost(result, cost), result["time"])

        assert ref.evaluate(*once(65536), rank=rank) == better


def test_pinned_filters_need_room():
    """They are bypassed where the other blocks leave no space for them."""
    (pinned, _) = ref.variants(*once(65536))
    need = sum(pinned["size"][0])
    assert ref.evaluate(*once(need)) == pinned
    (bypassed,) = ref.variants(*once(need - 1))
    assert not bypassed["filter_pinned"]
    assert bypassed["access"][0][0] == 100


@pytest.mark.parametrize("may_bypass", [False, True])
def test_local_region_has_nothing_to_pin(may_bypass):
    """FIL fetch 0 if filters had to be stored, 1 if they bypass; accesses are 0 either way."""
    scheme = (((1, 2, 1), (1, 2, 2), (1, 1, 1)), ((0, 1, 2), (0, 1, 2)))
    options = Option(sw_gbuf_bypass=(may_bypass, False, False))
    (result,) = ref.variants(local_desc(), *scheme, machine(no_time_mux=True), options)
    assert result["filter_pinned"] is not may_bypass
    assert result["top_level_fetch"] == [int(may_bypass), 1, 1]
    assert [row[0] for row in result["access"]] == [0, 0, 0, 0]
