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

from nn_dataflow.util import idivc, prod

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .columns import take
from .loop_blocking_space import divisors

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    bufshr = model.bufshr
    words = [model.nld.usize_gbuf[d] * unit_cnt[d] * stored[d] for d in range(de.NUM)]
    whole = tuple(size if word else 1 for size, word in zip(model.groups, words, strict=True))
    if bufshr is None or all(size == 1 for size in whole):
        return Sharing(order=tuple(bl_ords[1]))
    nest = _nest(model, bl_ts[1], bl_ords[1])
    splits = _splits(bl_ts[1], nest)
    orders = _loop_orders(nest)
    passes = [_passes(model, d, bl_ts, nest, splits, orders) for d in range(de.NUM)]
    weights = [
        model.total[me.GBUF][d] * (model.num_nodes // model.groups[d]) for d in range(de.NUM)
    ]
    known: dict[tuple[int, int], _Moves] = {}

    def moves_of(dce: int, size: int) -> _Moves:
        if (dce, size) not in known:
            known[dce, size] = _moves(bufshr, dce, size, fetch, passes[dce])
        return known[dce, size]

    best: tuple[tuple[float, int, int, int], tuple[int, ...]] | None = None
    for number, subgrp in enumerate(_subgroups(model, words, whole)):
        total = np.zeros((len(orders), len(splits)))
        for dce in range(de.NUM):
            if subgrp[dce] > 1:  # otherwise nothing moves
                move = moves_of(dce, subgrp[dce])
                total = total + weights[dce] * (move.rot + move.wide)
        least = total.min()
        split, order = np.argwhere(least == total.T)[0].tolist()
        key = (float(least), number, split, order)
        if best is None or key < best[0]:
            best = key, subgrp
    assert best is not None
    (_, _, split, order), subgrp = best
    chosen = [take(moves_of(d, subgrp[d]), (order, split)) for d in range(de.NUM)]
    return _result(nest, splits[split].tolist(), orders[order], subgrp, chosen, weights)


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


def _splits(factors: Sequence[int], nest: _Nest) -> Ints:
    """All factors (I, O, B) outside of level 1, lexicographic; 1 where nothing is flexible."""
    choices = [
        divisors(factors[lpe]) if lpe in nest.flexible else np.ones(1, dtype=np.int64)
        for lpe in range(le.NUM)
    ]
    grid = np.meshgrid(*choices, indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1)


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


def _loop_orders(nest: _Nest) -> list[_Orders]:
    """Orders of the flexible loops outside of and inside level 1, lexicographic."""
    return [
        _Orders(outside, inside)
        for outside in permutations(nest.flexible)
        for inside in permutations(nest.flexible)
    ]


def _passes(
    model: BlockingModel,
    dce: int,
    bl_ts: Sequence[Sequence[int]],
    nest: _Nest,
    splits: Ints,
    orders: Sequence[_Orders],
) -> _Passes:
    """How often the data of a category pass by, for all orders of the loops and all splits."""
    is_related = np.array([lpe in model.related[dce] for lpe in range(le.NUM)])
    factors = np.array(bl_ts[1])
    outside = prod(bl_ts[0][lpe] for lpe in range(le.NUM) if lpe not in model.related[dce])
    slots = [
        (np.array([one[half][place] for one in orders]), table)
        for half, table in enumerate((splits.T, factors[:, None] // splits.T))
        for place in range(len(nest.flexible))
    ]
    fixed = np.broadcast_to(factors[:, None], (le.NUM, len(splits)))
    slots += [(np.full(len(orders), lpe), fixed) for lpe in nest.fixed]
    shape = len(orders), len(splits)
    rounds = np.full(shape, outside)
    units = np.ones(shape, dtype=np.int64)
    begun = np.zeros(shape, dtype=bool)
    ended = np.zeros(shape, dtype=bool)
    for loops, table in slots:
        factor, related = table[loops], is_related[loops][:, None]
        units = units * np.where(related & ~ended, factor, 1)
        rounds = rounds * np.where(related | begun, 1, factor)
        many = factor > 1
        ended |= ~related & begun & many
        begun |= related & many
    return _Passes(rounds, units, begun)


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
