# SPDX-License-Identifier: BSD-3-Clause
"""Access forwarding, and how the nodes of a group share buffers under a scheme.

The worked examples F and G of docs/model/loop_blocking.md section 10; the choice of section 6.4
against a brute force in exact fractions; and what moves between nodes against a walk over all
loop bodies that counts it.
"""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import loop_enum as le
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.loop_blocking import skip_conv
from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_sharing as sharing
from nn_dataflow.tests import strategies as own_st
from nn_dataflow.tests.core.test_loop_blocking_simulator import conv2_desc, machine
from nn_dataflow.tests.simulator import (
    nest_of,
    ring_of,
    rotation_hops,
    simulate,
    simulate_sharing,
    walk,
    wide_fetch_hops,
)

CATEGORIES = (de.FIL, de.IFM, de.OFM)
ONE = (1, 1)
FORWARDING = Option(hw_access_forwarding=True)
SHARING = Option(hw_gbuf_sharing=True)

EXAMPLE_F = ((4, 4, 2), (12, 1, 1), (1, 16, 1)), ((2, 0, 1), (0, 1, 2))
EXAMPLE_G = ((3, 16, 2), (4, 2, 2), (4, 1, 1)), ((1, 0, 2), (1, 2, 0))


def scheme_of(nld, scheme, resource, part, options):
    bufshr = BufShrScheme(resource.proc_region, part, nld.data_loops)
    return LoopBlockingScheme(nld, *scheme, resource, bufshr, options)


def group_sizes(groups):
    return tuple(group.size for group in groups)


@st.composite
def shared_cases(draw, *, conv=True, max_bodies=600):
    """(nld, scheme, resource, part, options, groups) of schemes whose buffers may be shared.

    The last blocks of some are partial.
    """
    partial = draw(st.booleans())
    nld = draw(own_st.nested_loop_descs(conv=conv, max_bodies=max_bodies))
    bl_ts, bl_ords = (
        draw(own_st.blocking_factors(nld, partial=partial)),
        draw(own_st.blocking_orders()),
    )
    if conv and draw(st.booleans()):  # only three loops in level 1 give something to choose
        loopcnt = tuple(draw(st.lists(st.sampled_from((4, 6, 8)), min_size=3, max_size=3)))
        nld = draw(own_st.synthetic_descs(conv=True))._replace(loopcnt=loopcnt)
        if partial:
            loopcnt = tuple(draw(st.lists(st.integers(4, 9), min_size=3, max_size=3)))
            nld = nld._replace(loopcnt=loopcnt)
        triples_of = ref.block_triples if partial else ref.factor_triples
        triples = [[t for t in triples_of(n) if t[1] > 1] for n in loopcnt]
        per_loop = [draw(st.sampled_from(one)) for one in triples]
        bl_ts = tuple(zip(*per_loop, strict=True))
    region, part = draw(own_st.groupings())
    if not conv:  # no sums over input channels to divide
        part = PartitionScheme(part.order, (*part.pdims[: pe.INPP], PhyDim2(1, 1)))
    groups = sharing.groups_of(BufShrScheme(region, part, nld.data_loops))
    grouping = region, group_sizes(groups)
    resource = draw(own_st.sharing_machines(nld, grouping, bl_ts, partial=partial))
    options = draw(own_st.blocking_options(partial=partial))._replace(hw_gbuf_sharing=True)
    return nld, (bl_ts, bl_ords), resource, part, options, groups


# Worked examples.


def test_example_f_access_forwarding():
    nld, resource = conv2_desc((48, 64, 2)), machine(nodes=(2, 2))
    part = PartitionScheme((3, 2, 0, 1), (PhyDim2(1, 2), ONE, PhyDim2(2, 1), ONE))
    apart = scheme_of(nld, EXAMPLE_F, resource, part, Option())
    together = scheme_of(nld, EXAMPLE_F, resource, part, FORWARDING)
    assert apart.fetch[0] == together.fetch[0] == (2, 1, 7)
    assert apart.access[me.DRAM] == (614400, 369024, 2612736)
    assert apart.dram_time == 1798080
    assert together.accfwd_reduction == (2, 2, 1)
    assert together.access[me.DRAM] == (307200, 184512, 2612736)
    assert together.dram_time == 1552224
    for one in (apart, together):
        assert one.access[me.GBUF] == (614400, 1476096, 2612736)
        assert one.bus_time == 81648
        assert one.bufshr_grp_size == (1, 1, 1)
        assert one.get_noc_access() == (0, 0, 0)


def test_example_g_buffer_sharing():
    nld = conv2_desc((48, 32, 4))
    resource = machine(size_gbuf=12288, size_regf=64, nodes=(2, 2))
    part = PartitionScheme((1, 2, 3, 0), (PhyDim2(2, 2), ONE, ONE, ONE))
    assert not scheme_of(nld, EXAMPLE_G, resource, part, Option()).is_valid()
    one = scheme_of(nld, EXAMPLE_G, resource, part, SHARING)
    assert one.is_valid()
    assert one.fetch == ((2, 1, 5), (2, 32, 23))
    assert [one.data_size(one.BL.GBUF, dce) for dce in CATEGORIES] == [800, 7688, 2916]
    assert one.bufshr_grp_size == one.bufshr_subgrp_size == one.accfwd_reduction == (1, 4, 1)
    assert one.bufshr_bs_t == (2, 1, 1)
    assert one.bufshr_rot_round_cnt[de.IFM] == 16
    assert one.bufshr_rot_unit_cnt[de.IFM] == 2
    assert one.bufshr_wide_fetch_width[de.IFM] == 2
    assert one.bufshr_rot_fetch == (0, 32, 0)
    assert one.bufshr_wide_fetch == (0, 12, 0)
    assert one.get_noc_access() == (0, 8118528, 0)
    assert one.bufshr_rotation_access == (0, 184512 * 32, 0)
    assert one.bufshr_wide_fetch_access == (0, 184512 * 12, 0)
    nest = nest_of(one.bl_ts, one.bl_ords, (one.bufshr_bs_t, one.bufshr_bs_ord))
    assert [(lpe, factor) for lpe, factor, _ in nest[3:9] if factor > 1] == [
        (le.IFM, 2),
        (le.OFM, 2),
        (le.IFM, 2),
        (le.BAT, 2),
    ]
    assert one.access[me.DRAM] == (307200, 184512, 1866240)
    assert one.time == 1178976


def test_example_g_with_more_room():
    """A subgroup of two nodes holds what fits two buffers, and rotates less far."""
    nld = conv2_desc((48, 32, 4))
    part = PartitionScheme((1, 2, 3, 0), (PhyDim2(2, 2), ONE, ONE, ONE))
    words = 800 + 30752 // 2 + 2916
    for size_gbuf, nodes in ((words - 1, 4), (words, 2)):
        resource = machine(size_gbuf=size_gbuf, size_regf=64, nodes=(2, 2))
        one = scheme_of(nld, EXAMPLE_G, resource, part, SHARING)
        assert one.bufshr_subgrp_size == (1, nodes, 1)
        assert one.data_size(one.BL.GBUF, de.IFM) == 30752 // nodes
        assert one.data_size(one.BL.GBUF) <= size_gbuf
        assert (one.get_noc_access()[de.IFM] < 8118528) == (nodes == 2)


def test_partial_sums_that_are_only_written_in_the_first_round():
    """Of 2 writes and 1 read 3 go with the 2 rounds, for the half that the nodes do not hold."""
    nld = conv2_desc((4, 3, 8))._replace(usize_gbuf=(9, 24, 37))
    part = PartitionScheme((0, 1, 2, 3), (ONE, ONE, ONE, PhyDim2(3, 1)))
    scheme = ((2, 1, 1), (1, 1, 2), (2, 3, 4)), ((1, 0, 2), (0, 1, 2))
    options = Option(sw_gbuf_bypass=(True, True, False), hw_gbuf_sharing=True)
    one = scheme_of(nld, scheme, machine(size_gbuf=400, nodes=(3, 1)), part, options)
    assert one.bufshr_subgrp_size == (1, 1, 3)
    assert [passes[de.OFM] for passes in one.fetch] == [1, 3]
    assert one.bufshr_rot_round_cnt[de.OFM] == one.bufshr_rot_unit_cnt[de.OFM] == 2
    assert one.bufshr_wide_fetch_width[de.OFM] == 1.5
    assert one.bufshr_rot_fetch[de.OFM] == pytest.approx(4)  # 2 rounds of a ring of 4, half each
    assert one.bufshr_wide_fetch[de.OFM] == pytest.approx(4 / 9 * (3 - 3 / 2))


# The choice, against brute force.


@given(shared_cases())
@settings(max_examples=120, deadline=None)
def test_the_best_way_to_share_is_found(case):
    """The fewest word-hops and, of equal ways, the first one."""
    nld, scheme, resource, part, options, groups = case
    one = scheme_of(nld, scheme, resource, part, options)
    result = ref.evaluate(nld, *scheme, resource, options, groups=group_sizes(groups))
    assert one.is_valid() == result["valid"]
    if not one.is_valid():
        return
    stored = one.stored_in_gbuf
    best = sharing.share(nld, *scheme, resource, stored, groups, partial=options.sw_imperfect)
    if best is None:
        assert one.bufshr_subgrp_size == (1, 1, 1)
        assert one.get_noc_access() == (0, 0, 0)
        return
    assert_shared(one, best, scheme)


def assert_shared(one, best, scheme):
    assert list(one.get_noc_access()) == approx(best.noc_access)
    assert one.bufshr_subgrp_size == best.subgrp_size
    assert one.bl_ords == (scheme[1][0], best.order)
    assert (one.bufshr_bs_t, one.bufshr_bs_ord) == (best.bs_t, best.bs_ord)
    assert list(one.bufshr_rot_fetch) == approx(best.rot_fetch)
    assert list(one.bufshr_rot_round_cnt) == best.rounds
    assert list(one.bufshr_rot_unit_cnt) == best.units
    assert list(one.bufshr_wide_fetch) == approx(best.wide_fetch)
    assert list(one.bufshr_wide_fetch_width) == approx(best.width)


SIMILAR = {
    "G": {},
    "other GBUF blocks": {"bl_ts": ((3, 8, 2), (4, 2, 2), (4, 1, 1))},
    "other REGF blocks": {"bl_ts": ((3, 16, 2), (4, 2, 2), (4, 2, 2))},
    "other loops of level 1": {"bl_ts": ((3, 16, 2), (8, 2, 2), (4, 1, 1))},
    "partial blocks": {"bl_ts": ((3, 8, 2), (4, 2, 2), (4, 2, 1)), "loopcnt": (48, 29, 4)},
    "larger last blocks": {"bl_ts": ((3, 8, 2), (4, 2, 2), (4, 2, 1)), "loopcnt": (47, 31, 4)},
    "smaller GBUF blocks": {"bl_ts": ((3, 10, 2), (4, 2, 2), (4, 2, 1)), "loopcnt": (48, 29, 4)},
    "other order of level 0": {"bl_ords": ((2, 1, 0), (1, 2, 0))},
    "other order of level 1": {"bl_ords": ((1, 0, 2), (0, 1, 2))},
    "smaller buffers": {"size_gbuf": 12288},
    "groups of several categories": {"pdims": (PhyDim2(2, 1), PhyDim2(1, 2), ONE, ONE)},
    "groups of partial sums": {"pdims": (ONE, ONE, ONE, PhyDim2(2, 2))},
    "groups in a row": {"pdims": (PhyDim2(4, 1), ONE, ONE, ONE)},
    "groups in a row apart": {"pdims": (PhyDim2(4, 1), PhyDim2(2, 1), ONE, ONE)},
}


def similar(bl_ts=EXAMPLE_G[0], bl_ords=EXAMPLE_G[1], loopcnt=None, size_gbuf=70000, pdims=None):
    """Give example G with changes: what is the same in several is worked out once."""
    part = PartitionScheme((1, 2, 3, 0), pdims or (PhyDim2(2, 2), ONE, ONE, ONE))
    full = tuple(math.prod(factors) for factors in zip(*bl_ts, strict=True))
    nld = conv2_desc(loopcnt or full)
    resource = machine(size_gbuf=size_gbuf, size_regf=512, nodes=part.dim())
    options = SHARING._replace(sw_imperfect=loopcnt is not None)
    return nld, (bl_ts, bl_ords), resource, part, options


def test_similar_schemes_share_as_each_by_itself():
    """Whichever was asked for before."""
    for change in SIMILAR.values():
        nld, scheme, resource, part, options = similar(**change)
        one = scheme_of(nld, scheme, resource, part, options)
        assert one.is_valid()
        groups = sharing.groups_of(BufShrScheme(resource.proc_region, part, nld.data_loops))
        stored, partial = one.stored_in_gbuf, options.sw_imperfect
        best = sharing.share(nld, *scheme, resource, stored, groups, partial=partial)
        assert_shared(one, best, scheme)


def approx(values):
    return pytest.approx([float(value) for value in values], rel=1e-9, abs=1e-9)


@given(shared_cases())
@settings(max_examples=60, deadline=None)
def test_subgroups_fit_the_buffers(case):
    """Whole subgroups make up a group, and each node holds its part of a block."""
    nld, scheme, resource, part, options, groups = case
    one = scheme_of(nld, scheme, resource, part, options)
    assert one.bufshr_grp_size == one.accfwd_reduction == group_sizes(groups)
    if not one.is_valid():
        assert one.get_noc_access() is None
        return
    held = 0
    for dce in CATEGORIES:
        nodes = one.bufshr_subgrp_size[dce]
        assert groups[dce].size % nodes == 0
        words = one.unit_cnt[0][dce] * nld.usize_gbuf[dce] * one.stored_in_gbuf[dce]
        assert words or nodes == 1
        assert one.data_size(one.BL.GBUF, dce) == -(-words // nodes)
        held += one.data_size(one.BL.GBUF, dce)
    assert held == one.data_size(one.BL.GBUF) <= resource.size_gbuf


@given(shared_cases(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_nothing_is_shared_by_default(case, forwards):
    """Forwarding divides what memory is asked for, and changes nothing else."""
    nld, scheme, resource, part, options, groups = case
    options = options._replace(hw_gbuf_sharing=False, hw_access_forwarding=forwards)
    one = scheme_of(nld, scheme, resource, part, options)
    assert one.bufshr_grp_size == one.bufshr_subgrp_size == (1, 1, 1)
    assert one.accfwd_reduction == (group_sizes(groups) if forwards else (1, 1, 1))
    assert (one.bl_ts, one.bl_ords) == scheme
    assert (one.bufshr_bs_t, one.bufshr_bs_ord) == ((1, 1, 1), (0, 1, 2))
    assert one.bufshr_rot_round_cnt == (0, 0, 0)
    assert one.bufshr_rot_unit_cnt == (1, 1, 1)
    nothing = (one.bufshr_rot_fetch, one.bufshr_wide_fetch, one.bufshr_wide_fetch_width)
    assert set(itertools.chain(*nothing)) == {0}
    assert one.noc_access == one.bufshr_rotation_access == one.bufshr_wide_fetch_access == (0, 0, 0)
    if one.is_valid():
        alone_options = options._replace(hw_access_forwarding=False)
        alone = scheme_of(nld, scheme, resource, part, alone_options)
        divided = [w / n for w, n in zip(alone.access[0], one.accfwd_reduction, strict=True)]
        assert list(one.access[me.DRAM]) == pytest.approx(divided)
        assert one.access[1:] == alone.access[1:]


@given(shared_cases(conv=False))
@settings(max_examples=20, deadline=None)
def test_local_region_layers_share_nothing(case):
    nld, scheme, resource, part, options, _ = case
    one = scheme_of(nld, scheme, resource, part, options)
    assert one.bufshr_grp_size == one.accfwd_reduction == (1, 1, 1)
    assert one.noc_access == (0, 0, 0)


# What moves, by walking.


@given(shared_cases())
@settings(max_examples=120, deadline=None)
def test_moves_between_nodes_are_what_the_walk_counts(case):
    """Rounds, units, and hops per word of rotations and wide fetches."""
    nld, scheme, resource, part, options, groups = case
    one = scheme_of(nld, scheme, resource, part, options)
    if not one.is_valid() or one.bufshr_subgrp_size == (1, 1, 1):
        return
    for dce in CATEGORIES:
        counted = simulate_sharing(
            nld.data_loops[dce].loops(),
            one.bl_ts,
            one.bl_ords,
            (one.bufshr_bs_t, one.bufshr_bs_ord),
            accumulates=dce == de.OFM,
            dim=groups[dce].dim,
            dist=groups[dce].dist,
            subgroup=one.bufshr_subgrp_size[dce],
            trips=one.trips,
        )
        assert one.bufshr_rot_round_cnt[dce] == counted.rounds
        assert one.bufshr_rot_unit_cnt[dce] == counted.units
        assert one.bufshr_rot_fetch[dce] == pytest.approx(float(counted.rotation))
        assert one.bufshr_wide_fetch[dce] == pytest.approx(float(counted.wide_fetch))
        num_groups = resource.proc_region.dim.size() // groups[dce].size
        words = ref.total(nld, me.GBUF, dce) * num_groups
        moved = words * float(counted.rotation + counted.wide_fetch)
        assert one.noc_access[dce] == pytest.approx(moved)


@given(shared_cases(), st.sampled_from((FORWARDING, SHARING)), st.booleans(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_accesses_are_what_the_walk_counts(case, options, src_dram, dst_dram):
    """Of memory, or of the buffers of other nodes, in groups that fetch parts of the data."""
    nld, scheme, resource, part, own_options, groups = case
    options = options._replace(
        sw_gbuf_bypass=own_options.sw_gbuf_bypass, sw_imperfect=own_options.sw_imperfect
    )
    other = resource.proc_region._replace(origin=PhyDim2(100, 100))
    resource = resource._replace(
        src_data_region=resource.src_data_region if src_dram else other,
        dst_data_region=resource.dst_data_region if dst_dram else other,
    )
    one = scheme_of(nld, scheme, resource, part, options)
    if not one.is_valid() or one.filter_pinned:
        return
    counted = simulate(
        nld,
        *scheme,
        one.stored_in_gbuf,
        num_nodes=resource.proc_region.dim.size(),
        src_dram=src_dram,
        dst_dram=dst_dram,
        groups=group_sizes(groups),
        trips=one.trips,
    )
    for level in range(me.NUM):
        assert list(one.access[level]) == approx(counted.access[level])
    assert list(one.remote_gbuf_access) == approx(counted.remote_gbuf_access)


@given(shared_cases(max_bodies=300))
@settings(max_examples=60, deadline=None)
def test_every_body_is_visited_once_in_order(case):
    nld, scheme, resource, part, options, _ = case
    one = scheme_of(nld, scheme, resource, part, options)
    visited = list(one.gen_index())
    bs = one.bufshr_bs_t, one.bufshr_bs_ord
    assert visited == list(walk(one.bl_ts, one.bl_ords, bs, one.trips))
    assert len(visited) == len(set(visited)) == math.prod(nld.loopcnt)
    assert set(visited) == set(itertools.product(*map(range, nld.loopcnt)))


def test_rotation_and_wide_fetch_vectors_by_walking():
    """The numbers of section 6.3: a group of 4 x 2 nodes, 3 and 5 hops apart."""
    group = sharing.Group((4, 2), (3, 5))
    rotations = [12, 20, 27, 29.6, 28.3333, 26.5714, 24.5]
    for nodes, hops in enumerate(rotations, start=2):
        assert float(sharing.rotate(group, nodes, nodes)) == pytest.approx(hops, abs=1e-4)
    assert sharing.wide(group, 3, Fraction(2)) == 5
    for nodes, units in ((2, 2), (4, 4), (8, 8), (4, 2), (8, 5)):  # subgroups that make up a group
        ring = ring_of(*group, nodes)
        assert sum(ring) == sharing.ring(group, nodes)
        counted = rotation_hops(ring, units) * (8 // nodes)
        assert counted == sharing.rotate(group, nodes, units)
    for nodes, width, hops in ((4, "2", "4.5"), (4, "1.5", "3"), (8, "3.5", "4.5")):
        counted = wide_fetch_hops(ring_of(*group, nodes), Fraction(width)) * (8 // nodes)
        assert counted == Fraction(hops) == sharing.wide(group, nodes, Fraction(width))
    assert sharing.rotate(group, 4, 2) == 18
    assert sharing.rotate(group, 8, 5) == Fraction("22.4")


def test_a_skipped_scheme_may_move_fewer_words():
    """A limit (section 12 item 7): the scheme that stands for it has equal accesses only."""
    sizes = (9, 100, 64)
    nld = conv2_desc((4, 3, 1))._replace(
        usize_gbuf=sizes, usize_regf=(1, 1, 1), unit_access=(sizes, sizes, (100,) * 3, (1000,) * 3)
    )
    part = PartitionScheme((0, 1, 2, 3), (PhyDim2(2, 2), ONE, ONE, ONE))
    orders = (0, 1, 2), (1, 0, 2)
    skipped = ((2, 1, 1), (2, 3, 1), (1, 1, 1)), orders
    kept = ((4, 1, 1), (1, 3, 1), (1, 1, 1)), orders
    assert (skip_conv(*skipped), skip_conv(*kept)) == (True, False)
    resource = machine(size_gbuf=300, size_regf=3, nodes=(2, 2))
    one, other = (scheme_of(nld, scheme, resource, part, SHARING) for scheme in (skipped, kept))
    assert one.access == other.access
    assert (one.get_noc_access(), other.get_noc_access()) == ((0, 200, 0), (0, 400, 0))
