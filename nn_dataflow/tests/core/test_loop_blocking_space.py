# SPDX-License-Identifier: BSD-3-Clause
"""The tables of the loop blocking space (docs/model/loop_blocking.md sections 8 and 11).

The cases have to hold exactly the candidates that the skip rule of section 8.1 keeps, each once,
and every table entry has to say how often its category is fetched in all schemes it is part of.
"""

import collections
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import loop_blocking_space as lb_space
from nn_dataflow.core.loop_blocking import skip_conv
from nn_dataflow.core.loop_blocking_space import (
    CATEGORY_OF_LOOP,
    CONV_RELATED,
    LOCAL_REGION_CASES,
    LOOP_OF_CATEGORY,
    NORMAL,
    NUM_ORDERS,
    PINNED,
    STREAMED,
    canonical_order,
    conv_cases,
    conv_table,
    divisors,
    factor_triples,
    local_region_table,
    roles_of,
)
from nn_dataflow.core.loop_blocks import are_blocks, block_triples, num_blocks
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests.core.test_loop_blocking_simulator import TopConstraint, conv2_desc

BAT = 2
ORDERS = list(itertools.permutations(range(3)))

SMALL = st.sampled_from((1, 2, 3, 4, 6, 8))
COUNTS = st.tuples(SMALL, SMALL, SMALL).filter(lambda c: math.prod(c) <= 48)
UNEVEN = st.tuples(*[st.integers(1, 9)] * 3).filter(lambda c: math.prod(c) <= 60)


def counts_and_kind(*, tops=False):
    """Trip counts (with required top factors), and whether blocks may be partial."""
    both = [
        st.tuples(counts.flatmap(with_tops) if tops else counts, st.just(partial))
        for counts, partial in ((COUNTS, False), (UNEVEN, True))
    ]
    return st.one_of(both)


def with_tops(counts):
    """Trip counts with required top factors, some of them free."""
    tops = st.tuples(*(st.sampled_from((0, *divisors(count).tolist())) for count in counts))
    return st.tuples(st.just(counts), tops)


def tables_of(counts, tops, may_pin, outer=(), *, partial=False):
    return [
        conv_table(count, lpe, tops[lpe], may_pin, outer, partial=partial)
        for lpe, count in enumerate(counts)
    ]


def built(counts, tops=(0, 0, 0), may_pin=False, outer=(), *, partial=False):
    """All schemes of all cases: (case, entries of the tables, bl_ts, bl_ords)."""
    cases = conv_cases(may_pin, outer)
    tables = tables_of(counts, tops, may_pin, outer, partial=partial)
    for case in cases:
        spans = []
        for lpe, table in enumerate(tables):
            roles, _ = roles_of(cases, lpe)
            role = roles.index(case.roles[lpe])
            spans.append(range(table.start[role], table.stop[role]))
        for entries in itertools.product(*spans):
            triples = [
                table.ts[entry].tolist() for table, entry in zip(tables, entries, strict=True)
            ]
            bl_ts = tuple(zip(*triples, strict=True))
            top, gbuf = case.inner
            bl_ords = canonical_order(bl_ts[0], top, outer), canonical_order(bl_ts[1], gbuf)
            yield case, entries, bl_ts, bl_ords


def candidates(counts, tops=(0, 0, 0), outer=(), *, partial=False):
    constraint = TopConstraint(tops, outer)
    yield from ref.gen_candidates(conv2_desc(counts), constraint, partial=partial)


def fetches_and_blocks(counts, bl_ts, bl_ords):
    """Fetches and unit counts of a scheme: its accesses, and the space that it needs."""
    nld = conv2_desc(counts)
    fetch = ref.fetch_counts(nld, bl_ts, bl_ords, partial=True)
    units = ref.unit_counts(nld, bl_ts, partial=True)
    return [*fetch[0], *fetch[1]], [*units[0], *units[1]]


def assert_nothing_is_lost(counts, found, allowed, *, partial):
    """For every candidate some scheme has no more fetches, and blocks no larger.

    The same categories have reuse in GBUF, which decides what is stored there. Full blocks have
    equal fetches even.
    """
    reuse_of = collections.defaultdict(set)
    for scheme in found:
        fetch, blocks = fetches_and_blocks(counts, *scheme)
        reuse = [top < gbuf for top, gbuf in zip(fetch[:3], fetch[3:], strict=True)]
        reuse_of[tuple(reuse)].add((*fetch, *blocks))
    for scheme in allowed:
        fetch, blocks = fetches_and_blocks(counts, *scheme)
        own = (*fetch, *blocks)
        reuse = [top < gbuf for top, gbuf in zip(fetch[:3], fetch[3:], strict=True)]
        assert any(
            all(x <= y for x, y in zip(other, own, strict=True))
            and (partial or other[: len(fetch)] == tuple(fetch))
            for other in reuse_of[tuple(reuse)]
        ), scheme


# Factors and orders.


@given(st.integers(1, 3000))
@settings(max_examples=100)
def test_divisors(count):
    assert divisors(count).tolist() == [n for n in range(1, count + 1) if count % n == 0]


@given(st.integers(1, 400), st.integers(0, 12))
@settings(max_examples=100)
def test_factor_triples(count, top):
    expected = [triple for triple in ref.factor_triples(count) if top in (0, triple[0])]
    assert list(map(tuple, factor_triples(count, top).tolist())) == expected


@given(st.integers(1, 60), st.integers(0, 12))
@settings(max_examples=100)
def test_block_triples(count, top):
    """All factorisations are among them; where a top factor is required, it divides the loop."""
    expected = [
        triple
        for triple in ref.block_triples(count)
        if top in (0, triple[0]) and (not top or count % top == 0)
    ]
    triples = block_triples(count, top)
    assert list(map(tuple, triples.tolist())) == expected
    assert set(map(tuple, factor_triples(count, top).tolist())) <= set(expected)
    assert are_blocks(np.full(len(triples), count), triples).all()


@given(st.integers(1, 30), st.tuples(*[st.integers(0, 30)] * 3))
@settings(max_examples=200)
def test_what_are_blocks(count, triple):
    """Those that are listed, and no others."""
    assert bool(are_blocks(np.array(count), np.array(triple))) == (
        triple in ref.block_triples(count)
    )


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_number_of_blocks(count, outer, size):
    """By cutting."""
    blocks = [range(count)[x : x + outer] for x in range(0, count, outer)]
    pieces = sum(len(range(0, len(block), size)) for block in blocks)
    assert num_blocks(count, outer, size) == pieces


def test_number_of_orders():
    assert len(ORDERS) ** 2 == NUM_ORDERS


@pytest.mark.parametrize("factors", list(itertools.product((1, 2), repeat=3)))
def test_canonical_order(factors):
    """From inner to outer: the innermost loop, other non-trivial ones, trivial ones, by index."""
    loops = [lpe for lpe in range(3) if factors[lpe] > 1]
    for inner in loops or [None]:
        others = [lpe for lpe in loops if lpe != inner]
        trivial = [lpe for lpe in range(3) if factors[lpe] == 1]
        inside_out = [inner, *others, *trivial] if loops else trivial
        position = canonical_order(factors, inner)
        assert sorted(range(3), key=position.__getitem__) == inside_out


def test_loops_and_their_categories():
    """A category has one unrelated loop in CONV layers, and these are all different."""
    for dce, lpe in enumerate(LOOP_OF_CATEGORY):
        assert CATEGORY_OF_LOOP[lpe] == dce
        assert lpe not in CONV_RELATED[dce]


# The cases.


@given(counts_and_kind())
@settings(max_examples=40, deadline=None)
def test_cases_hold_what_the_skip_rule_keeps(case):
    """All of it, nothing else, and each candidate once."""
    counts, partial = case
    found = [(bl_ts, bl_ords) for _, _, bl_ts, bl_ords in built(counts, partial=partial)]
    allowed = candidates(counts, partial=partial)
    kept = {scheme for scheme in allowed if not ref.skip_conv(*scheme)}
    assert len(found) == len(set(found))
    assert set(found) == kept


@given(counts_and_kind())
@settings(max_examples=25, deadline=None)
def test_pinned_and_streamed_filters(case):
    """Splitting by where filters are changes no candidate: those that could be pinned are twice.

    Once pinned, once streamed past GBUF where GBUF would give filters no reuse.
    """
    counts, partial = case
    found = collections.defaultdict(list)
    for one, _, bl_ts, bl_ords in built(counts, may_pin=True, partial=partial):
        found[bl_ts, bl_ords].append(one.roles[BAT].filters)
    allowed = candidates(counts, partial=partial)
    kept = {scheme for scheme in allowed if not ref.skip_conv(*scheme)}
    assert set(found) == kept
    nld = conv2_desc(counts)
    for (bl_ts, bl_ords), ways in found.items():
        fetch = ref.fetch_counts(nld, bl_ts, bl_ords, partial=True)
        if bl_ts[0][0] > 1 or bl_ts[0][1] > 1:
            assert ways == [NORMAL]
        elif fetch[0][0] < fetch[1][0]:
            assert ways == [PINNED]
        else:
            assert sorted(ways) == [PINNED, STREAMED]


@given(counts_and_kind(tops=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_required_top_factors_lose_nothing(case, may_pin):
    """Correction S2: where the merged scheme has other top factors, the scheme itself stays.

    None is built twice or has other top factors than required.
    """
    (counts, tops), partial = case
    found = [
        (bl_ts, bl_ords)
        for one, _, bl_ts, bl_ords in built(counts, tops, may_pin, partial=partial)
        if one.roles[BAT].filters != STREAMED
    ]
    allowed = set(candidates(counts, tops, partial=partial))
    assert len(found) == len(set(found))
    assert set(found) <= allowed
    assert set(found) >= {scheme for scheme in allowed if not ref.skip_conv(*scheme)}
    assert_nothing_is_lost(counts, found, allowed, partial=partial)


@given(counts_and_kind(tops=True), st.permutations(range(3)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_required_outer_loops_lose_nothing(case, loops, may_pin):
    """A pipeline needs some loops outermost at the top, those of required factors above 1."""
    (counts, tops), partial = case
    outer = tuple(lpe for lpe in loops if tops[lpe] > 1)
    found = [
        (bl_ts, bl_ords)
        for one, _, bl_ts, bl_ords in built(counts, tops, may_pin, outer, partial=partial)
        if one.roles[BAT].filters != STREAMED
    ]
    allowed = list(candidates(counts, tops, outer, partial=partial))
    assert len(found) == len(set(found))
    assert set(found) <= set(allowed)
    assert_nothing_is_lost(counts, found, allowed, partial=partial)


@given(counts_and_kind(tops=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_tables_say_the_fetches(case, may_pin):
    """The column of a loop is the fetches of its category in all schemes of the case."""
    (counts, tops), partial = case
    tables = tables_of(counts, tops, may_pin, partial=partial)
    nld = conv2_desc(counts)
    for one, entries, bl_ts, bl_ords in built(counts, tops, may_pin, partial=partial):
        fetch = ref.fetch_counts(nld, bl_ts, bl_ords, partial=partial)
        if one.roles[BAT].filters == PINNED:
            fetch[0][0] = 0
        for lpe, (table, entry) in enumerate(zip(tables, entries, strict=True)):
            dce = CATEGORY_OF_LOOP[lpe]
            assert table.fetch[entry].tolist() == [fetch[0][dce], fetch[1][dce]]


@given(
    st.integers(1, 12).flatmap(lambda c: with_tops((c, 1, 1))),
    st.sampled_from((0, 1, 2)),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_tables_are_consistent(case, lpe, may_pin, partial):
    """Columns belong together, and the roles lie behind each other without a gap."""
    (count, *_), (top, *_) = case
    table = conv_table(count, lpe, top, may_pin, partial=partial)
    triples = (block_triples if partial else factor_triples)(count, top)
    assert table.num_triples == len(triples)
    assert np.array_equal(table.ts, triples[table.triple])
    cuts = [ref.cut(count, triple) for triple in table.ts.tolist()]
    assert table.block.tolist() == [sum(blocks[0]) for blocks in cuts]
    assert table.start.tolist() == [0, *table.stop[:-1].tolist()]
    assert table.stop[-1] == len(table.ts)
    roles, role_of_case = roles_of(conv_cases(may_pin), lpe)
    assert len(table.start) == len(roles)
    for number in range(len(roles)):
        own = slice(table.start[number], table.stop[number])
        assert (table.role[own] == number).all()
        assert (np.diff(table.triple[own]) > 0).all()
        assert (number in table.filled) == (table.stop[number] > table.start[number])
    for case_, number in zip(conv_cases(may_pin), role_of_case.tolist(), strict=True):
        assert roles[number] == case_.roles[lpe]


def test_number_of_schemes_in_the_document():
    """The example of section 8.1."""
    assert sum(1 for _ in built((12, 10, 4))) == 1279


@pytest.mark.parametrize("counts", [(2, 3, 4), (4, 4, 1), (6, 1, 2)])
def test_skip_rule_is_that_of_the_reference(counts):
    for bl_ts, bl_ords in candidates(counts):
        assert skip_conv(bl_ts, bl_ords) == ref.skip_conv(bl_ts, bl_ords)


# Local-region layers.


@given(SMALL.flatmap(lambda c: with_tops((c, 1, 1))))
def test_local_region_tables(case):
    """Every triple once, every fetch 1."""
    (count, *_), (top, *_) = case
    table = local_region_table(count, top)
    assert np.array_equal(table.ts, factor_triples(count, top))
    assert (table.fetch == 1).all()
    assert table.num_triples == len(table.ts) == int(table.stop[-1])
    assert table.filled.tolist() == ([0] if len(table.ts) else [])
    assert np.array_equal(table.block, table.ts[:, 1] * table.ts[:, 2])


def test_local_region_has_one_case():
    (case,) = LOCAL_REGION_CASES
    assert case.inner == (None, None)
    assert {lpe: len(roles_of(LOCAL_REGION_CASES, lpe)[0]) for lpe in range(3)} == dict.fromkeys(
        range(3), 1
    )


def test_cases_are_values():
    """They are made once, and nobody can change them."""
    assert conv_cases(True) is conv_cases(True)
    assert isinstance(conv_cases(False), tuple)
    assert len(set(conv_cases(True))) == len(conv_cases(True)) > len(conv_cases(False))
    assert lb_space.ANY != lb_space.ONE != lb_space.MORE
