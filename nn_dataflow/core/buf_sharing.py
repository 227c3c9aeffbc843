# SPDX-License-Identifier: BSD-3-Clause
"""How the nodes of a sharing group pass the data of one scheme around.

Decides, for one loop blocking scheme whose data are spread over the buffers of several nodes,
over how many nodes each category is spread, how the loops between GBUF and register file are
split and ordered so that few words move between nodes, and how many do
(docs/model/loop_blocking.md section 6.4).
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nn_dataflow.caching import lru_cache
from nn_dataflow.util import idivc

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .columns import take
from .loop_blocking_space import divisors
from .loop_blocks import ceil_div, num_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .blocking_model import BlockingModel
    from .buf_shr_scheme import BufShrScheme

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


class Sharing(NamedTuple):
    """What moves between the nodes of sharing groups under one scheme, per data category.

    Attributes
    ----------
    subgrp_size
        Nodes over which the data of one GBUF block are spread.
    order
        Order positions of level 1, rewritten.
    bs_t, bs_ord
        Factors (I, O, B) of the loops outside level 1, and their order positions.
    rot_fetch, rot_round_cnt, rot_unit_cnt
        Hops per word of all rotation rounds; rounds; units that a round moves in.
    wide_fetch, wide_fetch_width
        Hops per word of all wide fetches; their width in node buffers.
    rotation_access, wide_fetch_access
        Word-hops over all nodes.
    """

    subgrp_size: tuple[int, ...] = (1,) * de.NUM
    order: tuple[int, ...] = ()
    bs_t: tuple[int, ...] = (1,) * le.NUM
    bs_ord: tuple[int, ...] = tuple(range(le.NUM))
    rot_fetch: tuple[float, ...] = (0.0,) * de.NUM
    rot_round_cnt: tuple[int, ...] = (0,) * de.NUM
    rot_unit_cnt: tuple[int, ...] = (1,) * de.NUM
    wide_fetch: tuple[float, ...] = (0.0,) * de.NUM
    wide_fetch_width: tuple[float, ...] = (0.0,) * de.NUM
    rotation_access: tuple[float, ...] = (0.0,) * de.NUM
    wide_fetch_access: tuple[float, ...] = (0.0,) * de.NUM

    def noc_access(self) -> tuple[float, ...]:
        """Word-hops between nodes over all nodes, per category."""
        pairs = zip(self.rotation_access, self.wide_fetch_access, strict=True)
        return tuple(rotation + wide for rotation, wide in pairs)


class _Nest(NamedTuple):
    """The loops of level 1 that can be split and ordered, and those that stay, outer to inner."""

    flexible: tuple[int, ...]
    fixed: tuple[int, ...]


class _Orders(NamedTuple):
    """Orders of the flexible loops, outer to inner: outside of level 1, and inside."""

    outside: tuple[int, ...]
    inside: tuple[int, ...]


class _Loops(NamedTuple):
    """What can be done with the loops of level 1.

    Factors (I, O, B) outside of level 1, lexicographic, 1 where nothing is flexible; and orders of
    the flexible loops outside of and inside level 1, lexicographic.
    """

    nest: _Nest
    splits: Ints
    orders: tuple[_Orders, ...]


class _Parts(NamedTuple):
    """How the loops of level 1 step through a category, on the axes of `_Passes`."""

    parts: Ints  # (loops, ...) of a GBUF block, in each of which all its data pass by
    units: Ints
    begun: NDArray[np.bool_]


class _Passes(NamedTuple):
    """Passes over one category; axis 0 is the order of the loops, axis 1 their split."""

    rounds: Ints
    units: Ints
    begun: NDArray[np.bool_]


class _Moves(NamedTuple):
    """Rotation and wide fetches of one category, on the same axes."""

    rot: Floats
    rounds: Ints
    units: Ints
    wide: Floats
    width: Floats


class BestSharing(NamedTuple):
    """The way to share with the fewest word-hops, and what it was found among."""

    word_hops: float
    subgrp: tuple[int, ...]
    split: int
    order: int
    loops: _Loops
    ways: _Ways


class _Ways:
    """Moves of every category for all orders of the loops and all splits, made when asked for."""

    def __init__(
        self,
        model: BlockingModel,
        bufshr: BufShrScheme,
        fetch: Sequence[Sequence[int]],
        make_passes: Callable[[int], _Passes],
    ) -> None:
        self.weights = [
            model.total[me.GBUF][d] * (model.num_nodes // model.groups[d]) for d in range(de.NUM)
        ]
        self._bufshr = bufshr
        self._fetch = fetch
        self._make_passes = make_passes
        self._passes: dict[int, _Passes] = {}
        self._moves: dict[tuple[int, int], _Moves] = {}

    def moves(self, dce: int, size: int) -> _Moves:
        """Moves of a category that is spread over `size` nodes."""
        if (dce, size) not in self._moves:
            if dce not in self._passes:
                self._passes[dce] = self._make_passes(dce)
            self._moves[dce, size] = _moves(self._bufshr, dce, size, self._fetch, self._passes[dce])
        return self._moves[dce, size]

    def word_hops(self, dce: int, size: int) -> Floats:
        """Word-hops of a category over all nodes."""
        moves = self.moves(dce, size)
        return self.weights[dce] * (moves.rot + moves.wide)


def share(
    model: BlockingModel,
    bl_ts: Sequence[Sequence[int]],
    bl_ords: Sequence[Sequence[int]],
    fetch: Sequence[Sequence[int]],
    unit_cnt: Sequence[int],
    stored: Sequence[bool],
) -> Sharing:
    """Find how the nodes share buffers with the fewest word-hops.

    Parameters
    ----------
    model
        The access model, with sharing groups.
    bl_ts, bl_ords
        A valid scheme.
    fetch
        Passes over each category at both levels, before filters are pinned.
    unit_cnt
        Units of each category in GBUF.
    stored
        Which categories live in GBUF.
    """
    best = best_sharing(model, bl_ts, bl_ords, fetch, unit_cnt, stored)
    if best is None:
        return Sharing(order=tuple(bl_ords[1]))
    at = best.order, best.split
    chosen = [take(best.ways.moves(d, best.subgrp[d]), at) for d in range(de.NUM)]
    split = best.loops.splits[best.split].tolist()
    order = best.loops.orders[best.order]
    return _result(best.loops.nest, split, order, best.subgrp, chosen, best.ways.weights)


def best_sharing(
    model: BlockingModel,
    bl_ts: Sequence[Sequence[int]],
    bl_ords: Sequence[Sequence[int]],
    fetch: Sequence[Sequence[int]],
    unit_cnt: Sequence[int],
    stored: Sequence[bool],
) -> BestSharing | None:
    """The best way to share, the first among equals; None if nothing is shared."""
    bufshr = model.bufshr
    words = [model.nld.usize_gbuf[d] * unit_cnt[d] * stored[d] for d in range(de.NUM)]
    whole = tuple(size if word else 1 for size, word in zip(model.groups, words, strict=True))
    if bufshr is None or all(size == 1 for size in whole):
        return None
    loops = _loops(tuple(bl_ts[1]), _nest(model, bl_ts[1], bl_ords[1]))
    ways = _Ways(model, bufshr, fetch, lambda dce: _passes(model, dce, bl_ts, loops))
    shape = len(loops.orders), len(loops.splits)
    best: tuple[tuple[float, int, int, int], tuple[int, ...]] | None = None
    for number, subgrp in enumerate(_subgroups(model, words, whole)):
        total = np.zeros(shape)
        for dce in range(de.NUM):
            if subgrp[dce] > 1:  # otherwise nothing moves
                total = total + ways.word_hops(dce, subgrp[dce])
        least = total.min()
        split, order = np.argwhere(least == total.T)[0].tolist()
        key = (float(least), number, split, order)
        if best is None or key < best[0]:
            best = key, subgrp
    assert best is not None
    (word_hops, _, split, order), subgrp = best
    return BestSharing(word_hops, subgrp, split, order, loops, ways)


def _nest(model: BlockingModel, factors: Sequence[int], order: Sequence[int]) -> _Nest:
    """Tell the loops of level 1 that are inside the innermost related loop of some category."""
    loops = sorted((lpe for lpe in range(le.NUM) if factors[lpe] > 1), key=order.__getitem__)
    innermost = [
        min((order[lpe] for lpe in loops if lpe in related), default=-1)
        for related in model.related
    ]
    last = max(innermost)
    fixed = tuple(lpe for lpe in reversed(loops) if order[lpe] < last)
    return _Nest(tuple(sorted(lpe for lpe in loops if lpe not in fixed)), fixed)


@lru_cache(maxsize=1 << 12)
def _loops(factors: tuple[int, ...], nest: _Nest) -> _Loops:
    """All splits of the loops of level 1, and orders of the flexible ones."""
    choices = [
        divisors(factors[lpe]) if lpe in nest.flexible else np.ones(1, dtype=np.int64)
        for lpe in range(le.NUM)
    ]
    grid = np.meshgrid(*choices, indexing="ij")
    splits = np.stack([axis.ravel() for axis in grid], axis=1)
    splits.flags.writeable = False
    orders = tuple(
        _Orders(outside, inside)
        for outside in permutations(nest.flexible)
        for inside in permutations(nest.flexible)
    )
    return _Loops(nest, splits, orders)


def _subgroups(
    model: BlockingModel, words: Sequence[int], whole: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Spread over all nodes of a group, or over fewer, category by category, while it fits."""
    held = [idivc(word, size) for word, size in zip(words, whole, strict=True)]
    found = {whole: None}
    for categories in permutations(range(de.NUM)):
        sizes = list(whole)
        free = model.resource.size_gbuf - sum(held)
        for dce in categories:
            total = held[dce] * whole[dce]
            for size in range(whole[dce], 0, -1):
                if model.groups[dce] % size:
                    continue
                if idivc(total, size) > free + held[dce]:
                    break
                sizes[dce] = size
            free -= idivc(total, sizes[dce]) - held[dce]
        found[tuple(sizes)] = None
    return list(found)


def _passes(
    model: BlockingModel,
    dce: int,
    bl_ts: Sequence[Sequence[int]],
    loops: _Loops,
) -> _Passes:
    """How often the data of a category pass by, for all orders of the loops and all splits."""
    top, middle, inner = bl_ts
    related = model.related[dce]
    parts, units, begun = _parts_of_level(related, tuple(middle), loops.nest)
    trips = model.trips(np.array(bl_ts)).tolist()
    rounds = np.ones_like(units)
    for lpe in (lpe for lpe in range(le.NUM) if lpe not in related):
        block = ceil_div(trips[lpe], top[lpe])
        rounds *= num_blocks(trips[lpe], block, middle[lpe] // parts[lpe] * inner[lpe])
    return _Passes(rounds, units, begun)


@lru_cache(maxsize=1 << 12)
def _parts_of_level(related: tuple[int, ...], factors: tuple[int, ...], nest: _Nest) -> _Parts:
    """Into how many parts the loops before the data of a category cut a GBUF block."""
    is_related = np.array([lpe in related for lpe in range(le.NUM)])
    _, splits, orders = _loops(factors, nest)
    column = np.array(factors)[:, None]
    slots = [
        (np.array([one[half][place] for one in orders]), table)
        for half, table in enumerate((splits.T, column // splits.T))
        for place in range(len(nest.flexible))
    ]
    fixed = np.broadcast_to(column, (le.NUM, len(splits)))
    slots += [(np.full(len(orders), lpe), fixed) for lpe in nest.fixed]
    shape = len(orders), len(splits)
    parts = np.ones((le.NUM, *shape), dtype=np.int64)
    units = np.ones(shape, dtype=np.int64)
    begun = np.zeros(shape, dtype=bool)
    ended = np.zeros(shape, dtype=bool)
    for loops, table in slots:
        factor, of_category = table[loops], is_related[loops][:, None]
        units = units * np.where(of_category & ~ended, factor, 1)
        for lpe in range(le.NUM):
            parts[lpe] *= np.where((loops == lpe)[:, None] & ~begun, factor, 1)
        many = factor > 1
        ended |= ~of_category & begun & many
        begun |= of_category & many
    for array in (parts, units, begun):
        array.flags.writeable = False
    return _Parts(parts, units, begun)


def _moves(
    bufshr: BufShrScheme, dce: int, subgrp: int, fetch: Sequence[Sequence[int]], passes: _Passes
) -> _Moves:
    """Rotation and wide fetches of a category for all orders of the loops and all splits."""
    mem, buf = fetch[0][dce], fetch[1][dce]
    loads = (mem + 1) // 2 if dce == de.OFM else mem
    rounds, units, begun = passes
    rounds = np.where(begun & (rounds != loads), rounds, 0) if subgrp > 1 else 0 * rounds
    width = subgrp / units
    combined = rounds
    if dce == de.OFM:
        combined = np.where(buf > 2 * rounds - 1, 2 * rounds, 2 * rounds - 1)
    fetched = combined * (units - 1) / units
    wide = bufshr.nhops_wide_fetch_once(dce, subgrp, width) * (buf - fetched)
    rot = bufshr.nhops_rotate_all(dce, subgrp, units.astype(float)) * rounds
    return _Moves(rot, rounds, units, wide, width)


def _result(
    nest: _Nest,
    split: list[int],
    order: _Orders,
    subgrp: tuple[int, ...],
    moves: Sequence[_Moves],
    weights: Sequence[float],
) -> Sharing:
    outer = [lpe for lpe in order.outside if split[lpe] > 1]
    return Sharing(
        subgrp_size=subgrp,
        order=_positions([*order.inside, *nest.fixed]),
        bs_t=tuple(split),
        bs_ord=_positions(outer),
        rot_fetch=tuple(float(m.rot) for m in moves),
        rot_round_cnt=tuple(int(m.rounds) for m in moves),
        rot_unit_cnt=tuple(int(m.units) for m in moves),
        wide_fetch=tuple(float(m.wide) for m in moves),
        wide_fetch_width=tuple(float(m.width) for m in moves),
        rotation_access=tuple(float(w * m.rot) for w, m in zip(weights, moves, strict=True)),
        wide_fetch_access=tuple(float(w * m.wide) for w, m in zip(weights, moves, strict=True)),
    )


def _positions(loops: Sequence[int]) -> tuple[int, ...]:
    """Order positions of loops given outermost first; the others outside of them, by index."""
    inner_first = [*reversed(loops), *(lpe for lpe in range(le.NUM) if lpe not in loops)]
    return tuple(inner_first.index(lpe) for lpe in range(le.NUM))
