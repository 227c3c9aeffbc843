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
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests.core.test_loop_blocking_simulator import TopConstraint, conv2_desc

BAT = 2
ORDERS = list(itertools.permutations(range(3)))

SMALL = st.sampled_from((1, 2, 3, 4, 6, 8))
COUNTS = st.tuples(SMALL, SMALL, SMALL).filter(lambda c: math.prod(c) <= 48)


def with_tops(counts):
    """Trip counts with required top factors, some of them free."""
    tops = st.tuples(*(st.sampled_from((0, *divisors(count).tolist())) for count in counts))
    return st.tuples(st.just(counts), tops)


def tables_of(counts, tops, may_pin, outer=()):
    return [conv_table(count, lpe, tops[lpe], may_pin, outer) for lpe, count in enumerate(counts)]


def built(counts, tops=(0, 0, 0), may_pin=False, outer=()):
    """All schemes of all cases: (case, entries of the tables, bl_ts, bl_ords)."""
    cases = conv_cases(may_pin, outer)
    tables = tables_of(counts, tops, may_pin, outer)
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


def candidates(counts, tops=(0, 0, 0)):
    for bl_ts, bl_ords in ref.gen_candidates(conv2_desc(counts)):
        if all(top in (0, t) for top, t in zip(tops, bl_ts[0], strict=True)):
            yield bl_ts, bl_ords


def fetches_and_blocks(bl_ts, bl_ords):
    """Fetches and unit counts of a scheme: its accesses, and the space that it needs."""
    nld = conv2_desc(tuple(map(math.prod, zip(*bl_ts, strict=True))))
    fetch, units = ref.fetch_counts(nld, bl_ts, bl_ords), ref.unit_counts(nld, bl_ts)
    return [*fetch[0], *fetch[1]], [*units[0], *units[1]]


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


@given(COUNTS)
@settings(max_examples=25, deadline=None)
def test_cases_hold_what_the_skip_rule_keeps(counts):
    """All of it, nothing else, and each candidate once."""
    found = [(bl_ts, bl_ords) for _, _, bl_ts, bl_ords in built(counts)]
    kept = {scheme for scheme in candidates(counts) if not ref.skip_conv(*scheme)}
    assert len(found) == len(set(found))
    assert set(found) == kept


@given(COUNTS)
@settings(max_examples=15, deadline=None)
def test_pinned_and_streamed_filters(counts):
    """Splitting by where filters are changes no candidate: those that could be pinned are twice.

    Once pinned, once streamed past GBUF where GBUF would give filters no reuse.
    """
    found = collections.defaultdict(list)
    for case, _, bl_ts, bl_ords in built(counts, may_pin=True):
        found[bl_ts, bl_ords].append(case.roles[BAT].filters)
    kept = {scheme for scheme in candidates(counts) if not ref.skip_conv(*scheme)}
    assert set(found) == kept
    nld = conv2_desc(counts)
    for (bl_ts, bl_ords), ways in found.items():
        fetch = ref.fetch_counts(nld, bl_ts, bl_ords)
        if bl_ts[0][0] > 1 or bl_ts[0][1] > 1:
            assert ways == [NORMAL]
        elif fetch[0][0] < fetch[1][0]:
            assert ways == [PINNED]
        else:
            assert sorted(ways) == [PINNED, STREAMED]


@given(COUNTS.flatmap(with_tops), st.booleans())
@settings(max_examples=40, deadline=None)
def test_required_top_factors_lose_nothing(case, may_pin):
    """Correction S2: where the merged scheme has other top factors, the scheme itself stays.

    For every candidate some scheme has the same fetches, and blocks no larger; none is built twice
    or has other top factors than required.
    """
    counts, tops = case
    found = [
        (bl_ts, bl_ords)
        for one, _, bl_ts, bl_ords in built(counts, tops, may_pin)
        if one.roles[BAT].filters != STREAMED
    ]
    allowed = set(candidates(counts, tops))
    assert len(found) == len(set(found))
    assert set(found) <= allowed
    assert set(found) >= {scheme for scheme in allowed if not ref.skip_conv(*scheme)}
    blocks_of = collections.defaultdict(list)
    for scheme in found:
        fetch, blocks = fetches_and_blocks(*scheme)
        blocks_of[tuple(fetch)].append(blocks)
    for scheme in allowed:
        fetch, blocks = fetches_and_blocks(*scheme)
        assert any(
            all(x <= y for x, y in zip(other, blocks, strict=True))
            for other in blocks_of[tuple(fetch)]
        ), scheme


@given(COUNTS.flatmap(with_tops), st.permutations(range(3)), st.booleans())
@settings(max_examples=40, deadline=None)
def test_required_outer_loops_lose_nothing(case, loops, may_pin):
    """A pipeline needs some loops outermost at the top, those of required factors above 1."""
    counts, tops = case
    outer = tuple(lpe for lpe in loops if tops[lpe] > 1)
    found = [
        (bl_ts, bl_ords)
        for one, _, bl_ts, bl_ords in built(counts, tops, may_pin, outer)
        if one.roles[BAT].filters != STREAMED
    ]
    constraint = TopConstraint(tops, outer)
    allowed = list(ref.gen_candidates(conv2_desc(counts), constraint))
    assert len(found) == len(set(found))
    assert set(found) <= set(allowed)
    blocks_of = collections.defaultdict(list)
    for scheme in found:
        fetch, blocks = fetches_and_blocks(*scheme)
        blocks_of[tuple(fetch)].append(blocks)
    for scheme in allowed:
        fetch, blocks = fetches_and_blocks(*scheme)
        assert any(
            all(x <= y for x, y in zip(other, blocks, strict=True))
            for other in blocks_of[tuple(fetch)]
        ), scheme


@given(COUNTS.flatmap(with_tops), st.booleans())
@settings(max_examples=40, deadline=None)
def test_tables_say_the_fetches(case, may_pin):
    """The column of a loop is the fetches of its category in all schemes of the case."""
    counts, tops = case
    tables = tables_of(counts, tops, may_pin)
    nld = conv2_desc(counts)
    for one, entries, bl_ts, bl_ords in built(counts, tops, may_pin):
        fetch = ref.fetch_counts(nld, bl_ts, bl_ords)
        if one.roles[BAT].filters == PINNED:
            fetch[0][0] = 0
        for lpe, (table, entry) in enumerate(zip(tables, entries, strict=True)):
            dce = CATEGORY_OF_LOOP[lpe]
            assert table.fetch[entry].tolist() == [fetch[0][dce], fetch[1][dce]]


@given(SMALL.flatmap(lambda c: with_tops((c, 1, 1))), st.sampled_from((0, 1, 2)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_tables_are_consistent(case, lpe, may_pin):
    """Columns belong together, and the roles lie behind each other without a gap."""
    (count, *_), (top, *_) = case
    table = conv_table(count, lpe, top, may_pin)
    triples = factor_triples(count, top)
    assert table.num_triples == len(triples)
    assert np.array_equal(table.ts, triples[table.triple])
    assert np.array_equal(table.block, table.ts[:, 1] * table.ts[:, 2])
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
