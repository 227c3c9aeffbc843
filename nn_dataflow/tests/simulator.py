# SPDX-License-Identifier: BSD-3-Clause
"""Brute-force loop-nest simulator: walks every loop body of a scheme and counts what moves.

Implements docs/model/loop_blocking.md section 7. It knows no fetch formula: a category moves when
the block that its buffer holds is not the one that the next loop body needs. What the closed forms
of sections 3 and 4 predict must come out of the walk. Nodes that use the same data fetch each of
its words once, by the node of the group whose turn it is (section 5).

What moves between the nodes that share their buffers (section 6) is counted too, by
`simulate_sharing`: rotation units pass along a ring of nodes, and what a node needs at once but
does not hold is fetched along the ring.

The last blocks of a loop may be partial: an iteration that has nothing to do is skipped, and a
block has the words that are really there. The control of the nest is static, however: a buffer
does not notice that a loop which steps through blocks in general has only one of them in a partial
block, and fetches it again in each iteration of a loop outside. In the walk, a block that is not
there takes the place of the one in the buffer, but moves nothing.

Arguments named ``bl_ts`` are the three levels of blocking factors, each (I, O, B); ``bl_ords`` are
the positions of (I, O, B) in levels 0 and 1, with 0 innermost. Where loops of level 1 are split,
``bs`` is (factors, positions) of their outer parts. ``trips`` are the iterations (I, O, B) of the
loops if blocks may be partial; otherwise all are full, and the loops make the products of the
factors.
"""

import itertools
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

FIL, IFM, OFM = range(3)
DRAM, GBUF, ITCN, REGF = range(4)
NUM_LOOPS = 3

INNERMOST_ORD = (0, 1, 2)  # level 2 has no order of its own: I innermost, B outermost
UNSPLIT = ((1, 1, 1), (0, 1, 2))

Triple = tuple[int, int, int]
Factors = tuple[tuple[int, int, int], ...]
Orders = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Counts:
    """What one walk counted.

    Attributes
    ----------
    access : list of 4 lists of 3 floats
        Words accessed at [DRAM, GBUF, ITCN, REGF] of [FIL, IFM, OFM], over all nodes.
    remote_gbuf_access : list of 3 floats
        Words exchanged with the buffers of other nodes instead of DRAM, over all nodes.
    fetch : 2 lists of 3 Fractions
        How often each category is brought into [GBUF, REGF] (or written back from it), in multiples
        of all its units. Row 0 is counted at DRAM.
    peak_units : 2 lists of 3 ints
        Largest number of distinct units of a category touched while one block stays in
        [GBUF, REGF]: the space (in units) that the block needs.
    bodies : int
        Number of loop bodies walked in one node.

    """

    access: list[list[float]]
    remote_gbuf_access: list[float]
    fetch: list[list[Fraction]]
    peak_units: list[list[int]]
    bodies: int


def trips_of(bl_ts: Factors, trips: Triple | None) -> Triple:
    """Return the iterations of the loops."""
    return tuple(map(math.prod, zip(*bl_ts, strict=True))) if trips is None else trips


def gbuf_blocks(bl_ts: Factors, trips: Triple | None) -> Triple:
    """Return the iterations of each loop in a full GBUF block."""
    return tuple(-(-n // top) for n, top in zip(trips_of(bl_ts, trips), bl_ts[0], strict=True))


def nest_of(
    bl_ts: Factors, bl_ords: Orders, bs: Orders = UNSPLIT, trips: Triple | None = None
) -> list[tuple[int, int, int]]:
    """Return (loop, factor, stride) of all loops, outermost first: 3 each of 4 levels."""
    blocks = gbuf_blocks(bl_ts, trips)
    inside = tuple(t // split for t, split in zip(bl_ts[1], bs[0], strict=True))
    factors = (bl_ts[0], bs[0], inside, bl_ts[2])
    orders = (bl_ords[0], bs[1], bl_ords[1], INNERMOST_ORD)
    loops = []
    for level, order in enumerate(orders):
        for lpe in sorted(range(NUM_LOOPS), key=lambda l, order=order: -order[l]):
            stride = math.prod(row[lpe] for row in factors[level + 1 :]) if level else blocks[lpe]
            loops.append((lpe, factors[level][lpe], stride))
    return loops


class Step(NamedTuple):
    """A step of the static nest: counters, GBUF block and place in it per loop, what is there."""

    counters: tuple[int, ...]
    block: Triple
    place: Triple
    there: tuple[bool, bool, bool]
    index: Triple


def steps(
    bl_ts: Factors, bl_ords: Orders, bs: Orders = UNSPLIT, trips: Triple | None = None
) -> Iterator[Step]:
    """Yield all steps of the nest in order, as if all blocks were full."""
    loops = nest_of(bl_ts, bl_ords, bs, trips)
    blocks, counts = gbuf_blocks(bl_ts, trips), trips_of(bl_ts, trips)
    for counters in itertools.product(*(range(factor) for _, factor, _ in loops)):
        block, place = [0] * NUM_LOOPS, [0] * NUM_LOOPS
        for number, (counter, (lpe, _, stride)) in enumerate(zip(counters, loops, strict=True)):
            if number < NUM_LOOPS:
                block[lpe] = counter
            else:
                place[lpe] += counter * stride
        index = tuple(b * n + at for b, n, at in zip(block, blocks, place, strict=True))
        there = tuple(
            at < size and x < count
            for at, size, x, count in zip(place, blocks, index, counts, strict=True)
        )
        yield Step(counters, tuple(block), tuple(place), there, index)


def walk(
    bl_ts: Factors, bl_ords: Orders, bs: Orders = UNSPLIT, trips: Triple | None = None
) -> Iterator[Triple]:
    """Yield the unit indices (i, o, b) of the loop bodies in the order of execution.

    Examples
    --------
    >>> list(walk(((1, 2, 1), (2, 1, 1), (1, 1, 1)), ((0, 2, 1), (0, 1, 2))))
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]
    >>> [i for i, *_ in walk(((3, 1, 1), (2, 1, 1), (1, 1, 1)), ((0, 1, 2),) * 2, trips=(5, 1, 1))]
    [0, 1, 2, 3, 4]

    """
    return (step.index for step in steps(bl_ts, bl_ords, bs, trips) if all(step.there))


class _Category:
    """Buffer contents and counters of one data category."""

    def __init__(
        self,
        loops: tuple[int, ...],
        bl_ts: Factors,
        trips: Triple | None,
        *,
        accumulates: bool,
        near: int = 0,
    ) -> None:
        self.loops = loops
        self.accumulates = accumulates
        counts, blocks = trips_of(bl_ts, trips), gbuf_blocks(bl_ts, trips)
        self.regf_size = [bl_ts[2][l] for l in loops]
        self.gbuf_size = [blocks[l] for l in loops]
        self.counts = [counts[l] for l in loops]
        self.all_units = math.prod(self.counts)
        self.regf_block: tuple[int, ...] | None = None
        self.gbuf_block: tuple[int, ...] | None = None
        self.visited: set[tuple[int, ...]] = set()
        self.touched: list[set[tuple[int, ...]]] = [set(), set()]  # in the current GBUF, REGF block
        self.peak = [0, 0]
        self.near = near  # units along the first loop that are in the nodes' own buffers
        self.from_near = 0  # of those below
        self.from_dram = 0  # units, if the category has a place in GBUF
        self.from_gbuf = 0  # units that enter or leave the array

    def visit(self, step: Step) -> None:
        """Execute a step of the nest, as far as the category takes part in it."""
        if not all(step.there[l] for l in range(NUM_LOOPS) if l not in self.loops):
            return
        gbuf_block = tuple(step.block[l] for l in self.loops)
        first = [step.place[l] // n * n for l, n in zip(self.loops, self.regf_size, strict=True)]
        regf_block = (*gbuf_block, *first)
        there = all(step.there[l] for l in self.loops)
        unit = tuple(step.index[l] for l in self.loops)
        if regf_block != self.regf_block:
            self.regf_block = regf_block
            self.touched[1] = set()
            # Partial sums that exist already are read back besides being written.
            passes = 2 if self.accumulates and unit in self.visited else 1
            begins = [b * n for b, n in zip(gbuf_block, self.gbuf_size, strict=True)]
            ends = list(map(min, map(operator.add, begins, self.gbuf_size), self.counts))
            inner = [beg + at for beg, at in zip(begins, first, strict=True)]
            inner_ends = list(map(min, map(operator.add, inner, self.regf_size), ends))
            if there:
                self.from_gbuf += math.prod(map(operator.sub, inner_ends, inner)) * passes
            if gbuf_block != self.gbuf_block:
                assert there  # every block has a first iteration
                self.gbuf_block = gbuf_block
                self.touched[0] = set()
                lengths = list(map(operator.sub, ends, begins))
                self.from_dram += math.prod(lengths) * passes
                if self.near:
                    inside = max(0, min(self.near, ends[0]) - begins[0])
                    self.from_near += inside * math.prod(lengths[1:]) * passes
        if not all(step.there):
            return
        self.visited.add(unit)
        for level, touched in enumerate(self.touched):
            touched.add(unit)
            self.peak[level] = max(self.peak[level], len(touched))


def simulate(
    nld: Any,
    bl_ts: Factors,
    bl_ords: Orders,
    stored: tuple[bool, bool, bool],
    *,
    num_nodes: int = 1,
    no_time_mux: bool = False,
    src_dram: bool = True,
    dst_dram: bool = True,
    groups: tuple[int, int, int] = (1, 1, 1),
    near_ifmaps: int = 0,
    trips: Triple | None = None,
) -> Counts:
    """Walk the loop nest of docs/model/loop_blocking.md section 7 and count accesses.

    Parameters
    ----------
    nld : NestedLoopDesc
        Units of the loop nest. The trip counts are not looked at: the walk covers `trips`, or the
        products of the factors, which are the trip counts when the factorisation is exact.
    bl_ts, bl_ords : tuples
        Blocking factors and orders.
    stored : 3 bools
        Which categories have a place in GBUF; the others stream between DRAM and the array.
    num_nodes : int
        Nodes that do the same at the same time; all counts but ``fetch``, ``peak_units`` and
        ``bodies`` are multiplied with it.
    no_time_mux : bool
        The nodes run nothing else, so filters in GBUF stay there from one run of the nest to the
        next. Counted is a run of the steady state: its first loop body finds in GBUF the filter
        block that the last loop body of the run before has left.
    src_dram, dst_dram : bool
        Whether ifmaps come from, and ofmaps go to, DRAM; otherwise what would be a DRAM access is
        an access of a remote GBUF.
    groups : 3 ints
        How many nodes use the same data of a category, and forward to each other what they fetch:
        each of them fetches a part.
    near_ifmaps : int
        Number of units of the ifmaps, along their first loop, that are in the buffers of the nodes
        themselves while the others come from DRAM, as those of an operand from the layer before.
    trips : 3 ints, optional
        Iterations of the loops, if blocks may be partial.

    """
    near = (0, near_ifmaps, 0)
    categories = [
        _Category(nld.data_loops[dce].loops(), bl_ts, trips, accumulates=dce == OFM, near=near[dce])
        for dce in (FIL, IFM, OFM)
    ]
    if no_time_mux:
        loops = categories[FIL].loops
        *_, last = (step for step in steps(bl_ts, bl_ords, trips=trips) if all(step.there))
        categories[FIL].gbuf_block = tuple(last.block[l] for l in loops)

    bodies = 0
    regf_units = [0, 0, 0]
    for step in steps(bl_ts, bl_ords, trips=trips):
        bodies += all(step.there)
        for dce, cat in enumerate(categories):
            cat.visit(step)
            if all(step.there):
                regf_units[dce] += 2 if dce == OFM else 1  # an accumulation reads and writes

    access = [[0.0] * 3 for _ in range(4)]
    for dce, cat in enumerate(categories):
        access[REGF][dce] = nld.unit_access[REGF][dce] * regf_units[dce] * num_nodes
        access[ITCN][dce] = nld.unit_access[ITCN][dce] * cat.from_gbuf * num_nodes
        if stored[dce]:
            access[GBUF][dce] = nld.unit_access[GBUF][dce] * cat.from_gbuf * num_nodes
            access[DRAM][dce] = nld.unit_access[DRAM][dce] * cat.from_dram * num_nodes
        else:
            # What streams past GBUF is what the array would have read from it.
            access[DRAM][dce] = nld.unit_access[GBUF][dce] * cat.from_gbuf * num_nodes
        parts = [node % groups[dce] == 0 for node in range(num_nodes)]  # whole data, per group
        access[DRAM][dce] *= Fraction(sum(parts), num_nodes)

    remote = [0.0] * 3
    for dce, in_dram in ((IFM, src_dram), (OFM, dst_dram)):
        if not in_dram:
            remote[dce], access[DRAM][dce] = access[DRAM][dce], 0.0
    if near_ifmaps:
        ifmaps = categories[IFM]
        remote[IFM] = access[DRAM][IFM] * Fraction(ifmaps.from_near, ifmaps.from_dram)
        access[DRAM][IFM] -= remote[IFM]

    return Counts(
        access=access,
        remote_gbuf_access=remote,
        fetch=[
            [
                Fraction(c.from_dram if stored[d] else c.from_gbuf, c.all_units)
                for d, c in enumerate(categories)
            ],
            [Fraction(c.from_gbuf, c.all_units) for c in categories],
        ],
        peak_units=[[c.peak[level] for c in categories] for level in range(2)],
        bodies=bodies,
    )


@dataclass(frozen=True)
class SharedMoves:
    """What moves between the nodes that share a category, counted per word of their data.

    Attributes
    ----------
    rounds : int
        How often all of a block is passed around all nodes.
    units : int
        Parts in which it is.
    rotation, wide_fetch : Fraction
        Hops.

    """

    rounds: int
    units: int
    rotation: Fraction
    wide_fetch: Fraction


def ring_of(dim: tuple[int, int], dist: tuple[float, float], nodes: int) -> list[Fraction]:
    """Return the hops from each node of a subgroup to the next, and from the last to the first.

    The nodes lie in rows along the dimension of the shorter distance, and the ring turns at the
    end of each row.
    """
    size = dim[0] * dim[1]
    rounded = next(n for n in range(nodes, size + 1) if size % n == 0)
    near, far = (0, 1) if dist[0] <= dist[1] else (1, 0)
    length = math.gcd(dim[near], rounded)
    step = [Fraction(0) if math.isinf(hops) else Fraction(hops) for hops in dist]
    places = []
    for row in range(rounded // length):
        columns = range(length) if row % 2 == 0 else reversed(range(length))
        places += [(column * step[near], row * step[far]) for column in columns]
    places = places[:nodes]
    return [
        abs(here[0] - there[0]) + abs(here[1] - there[1])
        for here, there in zip(places, places[1:] + places[:1], strict=True)
    ]


def rotation_hops(ring: list[Fraction], units: int) -> Fraction:
    """Pass the part that each node holds along the ring until all nodes have seen all, in hops.

    Where a node sees several parts at a time (fewer units than nodes), there are fewer steps; the
    last step may be of a fraction of the parts.
    """
    nodes = len(ring)
    left = nodes - max(Fraction(1), Fraction(nodes, units))
    hops = Fraction(0)
    at = list(range(nodes))  # where the part of each node is
    while left > 0:
        moving = min(Fraction(1), left)
        hops += moving * sum((ring[node] for node in at), Fraction(0)) / nodes
        at = [(node + 1) % nodes for node in at]
        left -= moving
    return hops


def wide_fetch_hops(ring: list[Fraction], width: Fraction) -> Fraction:
    """Fetch, for every node in turn, from its own buffer and those that follow on the ring."""
    nodes = len(ring)
    hops = Fraction(0)
    for first in range(nodes):
        left, node, distance = width, first, Fraction(0)
        while left > 0:
            part = min(Fraction(1), left)
            hops += part * distance
            left -= part
            distance += ring[node]
            node = (node + 1) % nodes
    return hops / nodes / width if width > 1 else Fraction(0)


def simulate_sharing(
    loops_of: tuple[int, ...],
    bl_ts: Factors,
    bl_ords: Orders,
    bs: Orders,
    *,
    accumulates: bool,
    dim: tuple[int, int],
    dist: tuple[float, float],
    subgroup: int,
    trips: Triple | None = None,
) -> SharedMoves:
    """Walk the loop nest and count what moves between the nodes that share one category.

    The loops of level 1 over the category, as far as no other loop is between them, step through
    the rotation units of a block. A block that is stepped through more often than it is loaded is
    passed around the nodes; otherwise it is not, and each unit is fetched where it is. What enters
    or leaves the array as a unit arrives needs no fetch of its own, but for the first unit of each
    round, which the nodes hold; all else is fetched as wide as a unit is. A block that is partial
    is passed around like a full one, in as many units, which are smaller.

    Parameters
    ----------
    loops_of
        The loops of the category.
    bl_ts, bl_ords, bs
        The scheme, as it is with shared buffers.
    accumulates
        Whether words that exist already are read back besides being written.
    dim, dist
        Nodes of the group, and hops between neighbours.
    subgroup
        Nodes over which a block is spread.
    trips
        Iterations of the loops, if blocks may be partial.

    """
    nest = nest_of(bl_ts, bl_ords, bs, trips)
    stepping: list[int] = []  # which loops of the nest step through the units
    for number in range(NUM_LOOPS, 3 * NUM_LOOPS):
        lpe, factor, _ = nest[number]
        if factor > 1 and (lpe in loops_of or stepping):
            if lpe not in loops_of:
                break
            stepping.append(number)
    units = math.prod(nest[number][1] for number in stepping)
    inner = [bl_ts[2][lpe] for lpe in loops_of]

    loads: dict[Any, int] = {}  # per block
    arrivals: dict[Any, int] = {}  # of a unit, per block
    fetches = 0  # of blocks of the register file, once in, once out
    arrived = 0  # of these, as the unit arrives, and not the first of a round
    seen: set[Any] = set()
    fresh: dict[Any, int] = {}  # accesses of a register file block since its unit has arrived
    block = unit = regf = None
    for step in steps(bl_ts, bl_ords, bs, trips):
        if not all(step.there[lpe] for lpe in range(NUM_LOOPS) if lpe not in loops_of):
            continue
        new_block = tuple(step.block[lpe] for lpe in loops_of)
        new_unit = tuple(step.counters[number] for number in stepping)
        places = (step.place[lpe] // n for lpe, n in zip(loops_of, inner, strict=True))
        new_regf = (*new_block, *places)
        if new_block != block:
            loads[new_block] = loads.get(new_block, 0) + 1
        if (new_block, new_unit) != (block, unit):
            arrivals[new_block] = arrivals.get(new_block, 0) + 1
            fresh = {}
        if new_regf != regf:
            passes = 2 if accumulates and new_regf in seen else 1
            seen.add(new_regf)
            together = 2 if accumulates else 1
            before = fresh.get(new_regf, 0)
            fresh[new_regf] = before + passes
            fetches += passes
            if any(new_unit):
                arrived += min(together, before + passes) - min(together, before)
        block, unit, regf = new_block, new_unit, new_regf

    (per_block,) = set(arrivals.values())
    (loaded,) = set(loads.values())
    rounds = per_block // units if stepping and subgroup > 1 else 0
    if rounds == loaded:
        rounds = 0
    num_regf = len(seen)
    apart = Fraction(fetches - (arrived if rounds else 0), num_regf)
    ring = ring_of(dim, dist, subgroup)
    parallel = dim[0] * dim[1] // subgroup  # each word is in every subgroup
    return SharedMoves(
        rounds=rounds,
        units=units,
        rotation=rounds * parallel * rotation_hops(ring, units),
        wide_fetch=apart * parallel * wide_fetch_hops(ring, Fraction(subgroup, units)),
    )
