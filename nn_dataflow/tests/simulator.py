# SPDX-License-Identifier: BSD-3-Clause
"""Brute-force loop-nest simulator: walks every loop body of a scheme and counts what moves.

Implements docs/model/loop_blocking.md section 7 without sharing and forwarding. It knows no fetch
formula: a category moves when the block that its buffer holds is not the one that the next loop
body needs. What the closed forms of sections 3 and 4 predict must come out of the walk.

Arguments named ``bl_ts`` are the three levels of blocking factors, each (I, O, B); ``bl_ords`` are
the positions of (I, O, B) in levels 0 and 1, with 0 innermost.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

FIL, IFM, OFM = range(3)
DRAM, GBUF, ITCN, REGF = range(4)
NUM_LOOPS = 3

INNERMOST_ORD = (0, 1, 2)  # level 2 has no order of its own: I innermost, B outermost

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


def walk(bl_ts: Factors, bl_ords: Orders) -> Iterator[tuple[int, int, int]]:
    """Yield the unit indices (i, o, b) of the loop bodies in the order of execution.

    Examples
    --------
    >>> list(walk(((1, 2, 1), (2, 1, 1), (1, 1, 1)), ((0, 2, 1), (0, 1, 2))))
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]

    """
    loops = []  # (loop, factor, stride), outermost first
    for level, order in enumerate((*bl_ords, INNERMOST_ORD)):
        for lpe in sorted(range(NUM_LOOPS), key=lambda l, order=order: -order[l]):
            stride = math.prod(bl_t[lpe] for bl_t in bl_ts[level + 1 :])
            loops.append((lpe, bl_ts[level][lpe], stride))
    for counters in itertools.product(*(range(factor) for _, factor, _ in loops)):
        index = [0] * NUM_LOOPS
        for counter, (lpe, _, stride) in zip(counters, loops, strict=True):
            index[lpe] += counter * stride
        yield tuple(index)


class _Category:
    """Buffer contents and counters of one data category."""

    def __init__(self, loops: tuple[int, ...], bl_ts: Factors, *, accumulates: bool) -> None:
        self.loops = loops
        self.accumulates = accumulates
        self.regf_div = [bl_ts[2][l] for l in loops]
        self.gbuf_div = [bl_ts[1][l] * bl_ts[2][l] for l in loops]
        self.regf_units = math.prod(self.regf_div)
        self.gbuf_units = math.prod(self.gbuf_div)
        self.all_units = math.prod(bl_t[l] for bl_t in bl_ts for l in loops)
        self.regf_block: tuple[int, ...] | None = None
        self.gbuf_block: tuple[int, ...] | None = None
        self.visited: set[tuple[int, ...]] = set()
        self.touched: list[set[tuple[int, ...]]] = [set(), set()]  # in the current GBUF, REGF block
        self.peak = [0, 0]
        self.from_dram = 0  # units, if the category has a place in GBUF
        self.from_gbuf = 0  # units that enter or leave the array

    def visit(self, index: tuple[int, int, int]) -> None:
        """Execute the loop body of this index."""
        unit = tuple(index[l] for l in self.loops)
        regf_block = tuple(x // y for x, y in zip(unit, self.regf_div, strict=True))
        if regf_block != self.regf_block:
            self.regf_block = regf_block
            self.touched[1] = set()
            # Partial sums that exist already are read back besides being written.
            passes = 2 if self.accumulates and unit in self.visited else 1
            self.from_gbuf += self.regf_units * passes
            gbuf_block = tuple(x // y for x, y in zip(unit, self.gbuf_div, strict=True))
            if gbuf_block != self.gbuf_block:
                self.gbuf_block = gbuf_block
                self.touched[0] = set()
                self.from_dram += self.gbuf_units * passes
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
) -> Counts:
    """Walk the loop nest of docs/model/loop_blocking.md section 7 and count accesses.

    Parameters
    ----------
    nld : NestedLoopDesc
        Units of the loop nest. The trip counts are not looked at: the walk covers the products of
        the factors, which are the trip counts when the factorisation is exact.
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

    """
    categories = [
        _Category(nld.data_loops[dce].loops(), bl_ts, accumulates=dce == OFM)
        for dce in (FIL, IFM, OFM)
    ]
    if no_time_mux:
        *_, last = walk(bl_ts, bl_ords)
        categories[FIL].visit(last)
        left_behind = categories[FIL].gbuf_block
        categories[FIL] = _Category(categories[FIL].loops, bl_ts, accumulates=False)
        categories[FIL].gbuf_block = left_behind

    bodies = 0
    regf_units = [0, 0, 0]
    for index in walk(bl_ts, bl_ords):
        bodies += 1
        for dce, cat in enumerate(categories):
            cat.visit(index)
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

    remote = [0.0] * 3
    for dce, in_dram in ((IFM, src_dram), (OFM, dst_dram)):
        if not in_dram:
            remote[dce], access[DRAM][dce] = access[DRAM][dce], 0.0

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
