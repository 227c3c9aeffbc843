# SPDX-License-Identifier: BSD-3-Clause
"""The space of loop blocking schemes without equivalent candidates, as tables per loop.

Decides which schemes are built at all (docs/model/loop_blocking.md sections 8 and 11). With the
innermost non-trivial loop of both buffered levels fixed, a data category depends only on the
factors of the one loop it is unrelated to, so a case of the space is a product of three lists
of factor triples, one per loop, and the fetches of a category are a column of its loop's list.
What a loop is in a case (innermost, another non-trivial one, ...) is its role; the lists of all
roles of a loop stand behind each other in one table.
"""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn_dataflow.caching import lru_cache
from nn_dataflow.util import divisors_of

from . import data_category_enum as de
from . import loop_enum as le
from .blocking_model import fetch_counts
from .layer_limits import FREE_LOOP, LoopLimits
from .loop_blocks import block_triples, ceil_div, num_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

# The category that a loop is unrelated to in CONV layers; its fetches follow from that loop.
CATEGORY_OF_LOOP = (de.OFM, de.IFM, de.FIL)
LOOP_OF_CATEGORY = (le.BAT, le.OFM, le.IFM)
CONV_RELATED = ((le.IFM, le.OFM), (le.IFM, le.BAT), (le.OFM, le.BAT))

NUM_ORDERS = len(list(permutations(range(le.NUM)))) ** 2

# What a loop is at a level: every loop trivial; it is the innermost non-trivial one; another is.
NONE, INNER, OTHER = range(3)
# Which factors of a loop at a level belong to a case.
ANY, ONE, MORE = range(3)
# Filters that may stay on chip for good: not in this case; stay; are streamed instead.
NORMAL, PINNED, STREAMED = range(3)


class TopLoops(NamedTuple):
    """What a constraint requires of the loops of the top level.

    Attributes
    ----------
    factors
        Required factors of loops (I, O, B), 0 where free.
    outer
        Loops of required factors above 1 that must be the outermost non-trivial ones, outermost
        first.
    """

    factors: tuple[int, int, int] = (0, 0, 0)
    outer: tuple[int, ...] = ()

    def allow(self, factors: Ints, order: Ints) -> Bools:
        """Whether factors and order positions (0 innermost) of the top level are as required.

        Both (n, 3), for (n,); the non-trivial loops of a row have positions of their own.
        """
        required = np.array(self.factors)
        allowed: Bools = ((required == 0) | (required == factors)).all(axis=1)
        place = np.where(factors > 1, order, -1)
        outside = np.full(len(factors), le.NUM)
        for lpe in self.outer:
            others = np.where(place < outside[:, None], place, -1)
            outside = others.max(axis=1)
            allowed &= (place[:, lpe] == outside) & (outside >= 0)
        return allowed


FREE = TopLoops()


class Role(NamedTuple):
    """What one loop is in a case."""

    top: int = OTHER
    gbuf: int = OTHER
    alone: bool = False  # innermost at both levels, and the others trivial at level 1
    top_is: int = ANY
    gbuf_is: int = ANY
    filters: int = NORMAL


class Case(NamedTuple):
    """One part of the space: the innermost loops and the role of every loop."""

    inner: tuple[int | None, int | None]
    roles: tuple[Role, ...]


class LoopTable(NamedTuple):
    """Factor triples of one loop for all its roles, one role after the other."""

    triple: Ints  # (m,) index among all triples of the loop, in candidate order
    ts: Ints  # (m, 3) factors, outer to inner
    block: Ints  # (m,) iterations of the loop in a (full) GBUF block
    fetch: Ints  # (m, 2) of the category that is unrelated to the loop
    role: Ints  # (m,) index of the role
    start: Ints  # (roles,) first entry of each role
    stop: Ints  # (roles,)
    filled: Ints  # roles that have entries
    num_triples: int  # of the loop, under its constraint


@lru_cache(maxsize=512)
def divisors(count: int) -> Ints:
    """Divisors of a loop count, ascending.

    Examples
    --------
    >>> divisors(12).tolist()
    [1, 2, 3, 4, 6, 12]
    """
    return np.array(divisors_of(count), dtype=np.int64)


def divisor_table(counts: Ints) -> Ints:
    """Divisors of loop counts (n,), ascending; (n, m), a row of fewer repeats the count itself.

    Examples
    --------
    >>> divisor_table(np.array([4, 3])).tolist()
    [[1, 2, 4], [1, 3, 3]]
    """
    distinct, which = np.unique(counts, return_inverse=True)
    rows = [divisors(count) for count in distinct.tolist()]
    table = np.repeat(distinct[:, None], max(map(len, rows)), axis=1)
    for row, own in zip(table, rows, strict=True):
        row[: len(own)] = own
    return table[which]


@lru_cache(maxsize=512)
def factor_triples(count: int, top: int = 0) -> Ints:
    """All ordered factorisations of a loop count in three, lexicographically ascending.

    Parameters
    ----------
    count
        The loop count.
    top
        Required outermost factor, or 0.

    Examples
    --------
    >>> factor_triples(4).tolist()
    [[1, 1, 4], [1, 2, 2], [1, 4, 1], [2, 1, 2], [2, 2, 1], [4, 1, 1]]
    >>> factor_triples(4, top=2).tolist()
    [[2, 1, 2], [2, 2, 1]]
    """
    factors = divisors(count)
    outer = factors[factors == top] if top else factors
    pairs = outer[:, None] * factors
    first, second = np.nonzero(count % pairs == 0)
    return np.stack([outer[first], factors[second], count // pairs[first, second]], axis=1)


@lru_cache(maxsize=64)
def conv_cases(may_pin: bool, outer: tuple[int, ...] = ()) -> tuple[Case, ...]:
    """Cases that partition the space of a CONV layer.

    One per pair of innermost loops; where one loop is innermost at both levels, split by which
    others are trivial at level 1, since a level with no other loop gives no extra fetches. If
    filters may stay on chip for good (`may_pin`), further split by whether the filters of a node
    are resident, that is, both their loops are trivial at the top. With loops that must be the
    `outer` ones at the top, only cases in which another loop is innermost there, or the last of
    them while the others are trivial.
    """
    cases: list[Case] = []
    for inner in product((None, *range(le.NUM)), repeat=2):
        roles = tuple(
            Role(top=_place(lpe, inner[0]), gbuf=_place(lpe, inner[1])) for lpe in range(le.NUM)
        )
        cases += (Case(inner, r) for r in _split_alone(inner, roles))
    if may_pin:
        cases = [Case(c.inner, r) for c in cases for r in _split_resident(c)]
    return tuple(case for c in cases for case in _under_order(c, outer))


def _place(lpe: int, inner: int | None) -> int:
    """What a loop is at a level with a given innermost loop."""
    return NONE if inner is None else INNER if inner == lpe else OTHER


def _replace(roles: Sequence[Role], changes: dict[int, dict[str, Any]]) -> tuple[Role, ...]:
    return tuple(role._replace(**changes.get(lpe, {})) for lpe, role in enumerate(roles))


def _split_alone(
    inner: tuple[int | None, int | None], roles: tuple[Role, ...]
) -> list[tuple[Role, ...]]:
    if inner[0] is None or inner[0] != inner[1]:
        return [roles]
    one, two = (lpe for lpe in range(le.NUM) if lpe != inner[0])
    return [
        _replace(roles, {inner[0]: {"alone": True}, one: {"gbuf_is": ONE}, two: {"gbuf_is": ONE}}),
        _replace(roles, {one: {"gbuf_is": MORE}}),
        _replace(roles, {one: {"gbuf_is": ONE}, two: {"gbuf_is": MORE}}),
    ]


def _split_resident(case: Case) -> list[tuple[Role, ...]]:
    if case.inner[0] in (le.IFM, le.OFM):
        return [case.roles]
    resident = {le.IFM: {"top_is": ONE}, le.OFM: {"top_is": ONE}}
    split = [
        _replace(case.roles, {**resident, le.BAT: {"filters": PINNED}}),
        _replace(case.roles, {**resident, le.BAT: {"filters": STREAMED}}),
    ]
    if case.inner[0] is not None:
        split += [
            _replace(case.roles, {le.IFM: {"top_is": MORE}}),
            _replace(case.roles, {le.IFM: {"top_is": ONE}, le.OFM: {"top_is": MORE}}),
        ]
    return split


def _under_order(case: Case, outer: tuple[int, ...]) -> list[Case]:
    """The part of a case in which some loops can be the outermost ones at the top."""
    inner = case.inner[0]
    if not outer or (inner is not None and inner not in outer):
        return [case]
    others = [lpe for lpe in range(le.NUM) if lpe not in outer]
    if inner != outer[-1] or any(case.roles[lpe].top_is == MORE for lpe in others):
        return []
    return [Case(case.inner, _replace(case.roles, {lpe: {"top_is": ONE} for lpe in others}))]


LOCAL_REGION_CASES = (Case((None, None), (Role(), Role(), Role())),)


@lru_cache(maxsize=64)
def roles_of(cases: tuple[Case, ...], lpe: int) -> tuple[tuple[Role, ...], Ints]:
    """Distinct roles of a loop, and which of them it has in every case."""
    roles = tuple(dict.fromkeys(case.roles[lpe] for case in cases))
    return roles, np.array([roles.index(case.roles[lpe]) for case in cases])


@lru_cache(maxsize=256)
def conv_table(
    count: int,
    lpe: int,
    top: int,
    may_pin: bool,
    outer: tuple[int, ...] = (),
    limits: LoopLimits = FREE_LOOP,
    *,
    partial: bool = False,
) -> LoopTable:
    """Factor triples of one loop of a CONV layer for all its roles.

    Equivalent triples are left out (section 8.1): a loop that is innermost at the top but not
    below can be merged upward, and so can what is left inside the register file of a loop that
    is innermost above it; but not where merging would change a required top factor, nor in a loop
    that has limits of its own.

    Parameters
    ----------
    count, lpe
        The loop count and the loop.
    top
        Required top factor, or 0.
    may_pin
        Whether filters may stay on chip for good.
    outer
        Loops that must be the outermost ones at the top.
    limits
        What is fixed or forbidden in the factors of the loop.
    partial
        Whether the last blocks may be partial.
    """
    triples = limits.kept(block_triples(count, top) if partial else factor_triples(count, top))
    roles, _ = roles_of(conv_cases(may_pin, outer), lpe)
    kept = [_triples_of_role(triples, role, not top, limits.merges) for role in roles]
    sizes = np.array([len(k) for k in kept])
    index = np.concatenate(kept)
    role_of = np.repeat(np.arange(len(roles)), sizes)
    ts = triples[index]
    block = ceil_div(count, ts[:, 0])
    blocks = np.ones((len(ts), 2, le.NUM), dtype=np.int64)
    blocks[:, 0, lpe], blocks[:, 1, lpe] = ts[:, 0], num_blocks(count, block, ts[:, 2])
    dce = CATEGORY_OF_LOOP[lpe]
    schemes = _representatives(ts, lpe, roles, role_of)
    fetch = fetch_counts(*schemes, blocks, CONV_RELATED[dce], dce)
    filters = np.array([role.filters for role in roles])[role_of]
    if may_pin:
        streamed = (filters == STREAMED) & (fetch[:, 0] < fetch[:, 1])
        index, role_of, ts, block, fetch, filters = (
            array[~streamed] for array in (index, role_of, ts, block, fetch, filters)
        )
        sizes = np.bincount(role_of, minlength=len(roles))
        fetch[filters == PINNED, 0] = 0
    stop = np.cumsum(sizes)
    return LoopTable(
        triple=index,
        ts=ts,
        block=block,
        fetch=fetch,
        role=role_of,
        start=stop - sizes,
        stop=stop,
        filled=np.flatnonzero(sizes),
        num_triples=len(triples),
    )


def _triples_of_role(triples: Ints, role: Role, free_top: bool, merges: bool) -> Ints:
    """Indices of the triples that a loop can have in a role."""
    keep = np.ones(len(triples), dtype=bool)
    for level, place, which in ((0, role.top, role.top_is), (1, role.gbuf, role.gbuf_is)):
        if place == NONE or which == ONE:
            keep &= triples[:, level] == 1
        if place == INNER or which == MORE:
            keep &= triples[:, level] > 1
    if not merges:
        return np.nonzero(keep)[0]
    if role.top == INNER and role.gbuf != INNER and free_top:
        keep &= triples[:, 1] == 1
    if role.gbuf == INNER or (role.gbuf == NONE and role.top == INNER and free_top):
        keep &= triples[:, 2] == 1
    return np.nonzero(keep)[0]


def _representatives(ts: Ints, lpe: int, roles: Sequence[Role], role_of: Ints) -> tuple[Ints, Ints]:
    """Schemes that have the loop in its role, for the fetches of its category.

    The factors of the other loops do not enter the fetches, only whether one of them is the
    innermost non-trivial loop or is there at all.
    """
    other = (lpe + 1) % le.NUM
    bl_ts = np.ones((len(ts), 3, le.NUM), dtype=np.int64)
    bl_ts[:, :, lpe] = ts
    bl_ords = np.empty((len(ts), 2, le.NUM), dtype=np.int64)
    for level, name in ((0, "top"), (1, "gbuf")):
        place = np.array([getattr(role, name) for role in roles])[role_of]
        alone = np.array([role.alone for role in roles])[role_of]
        there = (place == OTHER) | ((place == INNER) & ~alone & (level == 1))
        bl_ts[:, level, other] = np.where(there, 2, 1)
        bl_ords[:, level, lpe] = np.where(place == OTHER, 1, 0)
        bl_ords[:, level, other] = np.where(place == OTHER, 0, 1)
        bl_ords[:, level, 3 - lpe - other] = 2
    return bl_ts, bl_ords


@lru_cache(maxsize=256)
def local_region_table(count: int, top: int, limits: LoopLimits = FREE_LOOP) -> LoopTable:
    """Factor triples of one loop of a local-region layer, whose fetches are all 1."""
    triples = limits.kept(factor_triples(count, top))
    num = len(triples)
    return LoopTable(
        triple=np.arange(num),
        ts=triples,
        block=count // triples[:, 0],
        fetch=np.ones((num, 2), dtype=np.int64),
        role=np.zeros(num, dtype=np.int64),
        start=np.array([0]),
        stop=np.array([num]),
        filled=np.arange(min(num, 1)),
        num_triples=num,
    )


def canonical_order(
    factors: Sequence[int], inner: int | None, outer: tuple[int, ...] = ()
) -> tuple[int, int, int]:
    """Order positions of a level: `inner`, other non-trivial loops, trivial loops, by index.

    Of the non-trivial loops, those of `outer` come last, in reverse.

    Examples
    --------
    >>> canonical_order((2, 1, 3), 2)
    (1, 2, 0)
    >>> canonical_order((2, 3, 4), 1, outer=(2, 0))
    (1, 0, 2)
    """
    ahead = {lpe: len(outer) - place for place, lpe in enumerate(outer)}
    loops = sorted(
        range(le.NUM),
        key=lambda lpe: (lpe != inner, factors[lpe] == 1, ahead.get(lpe, 0), lpe),
    )
    return loops.index(le.IFM), loops.index(le.OFM), loops.index(le.BAT)
