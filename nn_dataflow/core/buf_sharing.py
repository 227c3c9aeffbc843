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
from .loop_blocks import ceil_div, num_blocks
from .sharing_loops import Loops, sharing_loops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocking_model import BlockingModel
    from .buf_shr_scheme import BufShrScheme, Ring

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


class _Passes(NamedTuple):
    """Passes over one category, all ways."""

    rounds: Floats
    rest: Floats  # passes of the register files that no round brings the data for


class _Hops(NamedTuple):
    """Hops per word of one category in a round, and in a wide fetch, all ways."""

    rotation: Floats
    wide: Floats


_UNMOVED = _Passes(np.zeros(()), np.zeros(()))


class BestSharing(NamedTuple):
    """The subgroups and the way with the fewest word-hops, and the loops that it is a way of."""

    word_hops: float
    subgrp: tuple[int, ...]
    way: int
    loops: Loops


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
    if best is None or model.bufshr is None:
        return Sharing(order=tuple(bl_ords[1]))
    return _result(model, model.bufshr, bl_ts, fetch, best)


def best_sharing(
    model: BlockingModel,
    bl_ts: Sequence[Sequence[int]],
    bl_ords: Sequence[Sequence[int]],
    fetch: Sequence[Sequence[int]],
    unit_cnt: Sequence[int],
    stored: Sequence[bool],
) -> BestSharing | None:
    """The best way to share, the first among equals; None if nothing is shared."""
    words = tuple(model.nld.usize_gbuf[d] * unit_cnt[d] * stored[d] for d in range(de.NUM))
    whole = tuple(size if word else 1 for size, word in zip(model.groups, words, strict=True))
    bufshr = model.bufshr
    if bufshr is None or all(size == 1 for size in whole):
        return None
    loops = sharing_loops(model.related, tuple(bl_ts[1]), tuple(bl_ords[1]))
    subgroups = _subgroups(words, whole, model.groups, model.resource.size_gbuf)
    word_hops = _word_hops(model, bufshr, bl_ts, fetch, loops, subgroups)
    best: BestSharing | None = None
    for subgrp in subgroups:
        total = np.zeros(len(loops.splits) * len(loops.orders))
        for moved in zip(range(de.NUM), subgrp, strict=True):
            if moved in word_hops:
                total += word_hops[moved]
        way = int(total.argmin())
        least = float(total[way])
        if best is None or least < best.word_hops:
            best = BestSharing(least, subgrp, way, loops)
    return best


def _word_hops(
    model: BlockingModel,
    bufshr: BufShrScheme,
    bl_ts: Sequence[Sequence[int]],
    fetch: Sequence[Sequence[int]],
    loops: Loops,
    subgroups: Sequence[tuple[int, ...]],
) -> dict[tuple[int, int], Floats]:
    """Word-hops over all nodes, all ways, by category and the nodes that it is spread over.

    Without those of single nodes, between which nothing moves.
    """
    found = {}
    trips = model.trips(np.array(bl_ts)).tolist()
    for dce, sizes in enumerate(zip(*subgroups, strict=True)):
        several = {size for size in sizes if size > 1}
        if not several:
            continue
        passes = _passes_of(bl_ts, trips, fetch, loops, dce)
        words = _words(model, dce)
        for size in several:
            rot, wide = _moved(_hops(loops, dce, bufshr.ring(dce, size)), passes)
            found[dce, size] = words * (rot + wide)
    return found


def _words(model: BlockingModel, dce: int) -> float:
    """Words of a category in one node of every group."""
    words: float = model.total[me.GBUF][dce] * (model.num_nodes // model.groups[dce])
    return words


def _moved(hops: _Hops, passes: _Passes) -> tuple[Floats, Floats]:
    """Hops per word of all rounds, and of all wide fetches."""
    return hops.rotation * passes.rounds, hops.wide * passes.rest


@lru_cache(maxsize=1 << 12)
def _subgroups(
    words: tuple[int, ...], whole: tuple[int, ...], groups: tuple[int, ...], size_gbuf: int
) -> tuple[tuple[int, ...], ...]:
    """Spread over all nodes of a group, or over fewer, category by category, while it fits."""
    held = [idivc(word, size) for word, size in zip(words, whole, strict=True)]
    found = {whole: None}
    for categories in permutations(range(de.NUM)):
        sizes = list(whole)
        free = size_gbuf - sum(held)
        for dce in categories:
            total = held[dce] * whole[dce]
            for size in range(whole[dce], 0, -1):
                if groups[dce] % size:
                    continue
                if idivc(total, size) > free + held[dce]:
                    break
                sizes[dce] = size
            free -= idivc(total, sizes[dce]) - held[dce]
        found[tuple(sizes)] = None
    return tuple(found)


def _width(loops: Loops, dce: int, ring: Ring) -> Floats:
    """Node buffers that hold a unit of a category, all ways."""
    return ring.nodes / loops.steps[dce].units


@lru_cache(maxsize=1 << 13)
def _hops(loops: Loops, dce: int, ring: Ring) -> _Hops:
    """Hops of a category that is spread over the nodes of a ring."""
    width = _width(loops, dce, ring)
    return _Hops(ring.rotation(width), ring.wide_fetch(width))


def _passes_of(
    bl_ts: Sequence[Sequence[int]],
    trips: Sequence[int],
    fetch: Sequence[Sequence[int]],
    loops: Loops,
    dce: int,
) -> _Passes:
    """How often the data of a category pass by, all ways."""
    top, _, inner = bl_ts
    unrelated = tuple([(trips[lpe], top[lpe], inner[lpe]) for lpe in loops.steps[dce].unrelated])
    return _passes(loops, dce, unrelated, fetch[0][dce], fetch[1][dce])


@lru_cache(maxsize=1 << 13)
def _passes(
    loops: Loops, dce: int, unrelated: tuple[tuple[int, int, int], ...], mem: int, buf: int
) -> _Passes:
    """Find passes for (iterations, GBUF blocks, REGF block size) of the unrelated loops."""
    steps = loops.steps[dce]
    rounds = np.ones_like(steps.units)
    for (trips, top, inner), blocks in zip(unrelated, steps.blocks, strict=True):
        rounds *= num_blocks(trips, ceil_div(trips, top), blocks * inner)
    loads = (mem + 1) // 2 if dce == de.OFM else mem
    rounds = np.where(steps.begun & (rounds != loads), rounds, 0)
    combined = rounds
    if dce == de.OFM:
        combined = np.where(buf > 2 * rounds - 1, 2 * rounds, 2 * rounds - 1)
    rest = buf - combined * (steps.units - 1) / steps.units
    return _Passes(rounds.astype(float), rest)


def _result(
    model: BlockingModel,
    bufshr: BufShrScheme,
    bl_ts: Sequence[Sequence[int]],
    fetch: Sequence[Sequence[int]],
    best: BestSharing,
) -> Sharing:
    """Everything about the best way."""
    loops = best.loops
    trips = model.trips(np.array(bl_ts)).tolist()
    rings = [bufshr.ring(dce, size) for dce, size in enumerate(best.subgrp)]
    hops = [take(_hops(loops, dce, ring), best.way) for dce, ring in enumerate(rings)]
    passes = [
        take(_passes_of(bl_ts, trips, fetch, loops, dce), best.way) if size > 1 else _UNMOVED
        for dce, size in enumerate(best.subgrp)
    ]
    rot, wide = zip(*map(_moved, hops, passes), strict=True)
    words = [_words(model, dce) for dce in range(de.NUM)]
    split = loops.splits[best.way // len(loops.orders)].tolist()
    order = loops.orders[best.way % len(loops.orders)]
    return Sharing(
        subgrp_size=best.subgrp,
        order=_positions([*order.inside, *loops.nest.fixed]),
        bs_t=tuple(split),
        bs_ord=_positions([lpe for lpe in order.outside if split[lpe] > 1]),
        rot_fetch=tuple(map(float, rot)),
        rot_round_cnt=tuple(int(own.rounds) for own in passes),
        rot_unit_cnt=tuple(int(steps.units[best.way]) for steps in loops.steps),
        wide_fetch=tuple(map(float, wide)),
        wide_fetch_width=tuple(
            float(_width(loops, dce, ring)[best.way]) for dce, ring in enumerate(rings)
        ),
        rotation_access=tuple(float(w * hop) for w, hop in zip(words, rot, strict=True)),
        wide_fetch_access=tuple(float(w * hop) for w, hop in zip(words, wide, strict=True)),
    )


def _positions(loops: Sequence[int]) -> tuple[int, ...]:
    """Order positions of loops given outermost first; the others outside of them, by index."""
    inner_first = [*reversed(loops), *(lpe for lpe in range(le.NUM) if lpe not in loops)]
    return tuple(inner_first.index(lpe) for lpe in range(le.NUM))
