# SPDX-License-Identifier: BSD-3-Clause
"""Buffer sharing by brute force, in exact fractions.

Everything here follows docs/model/loop_blocking.md sections 6.2 to 6.4 to the letter, one plain
number at a time: all subgroups, all splits of the loops and all their orders. The groups (their
dimensions and the distances of neighbours) are given, since `BufShrScheme` has tests of its own
for them; nothing else is shared with the modules under test.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from nn_dataflow.tests import reference_blocking as ref

FIL, IFM, OFM = CATEGORIES = range(3)
GBUF = 1
I, O, B = LOOPS = range(3)

Loops = list[tuple[int, int]]  # (loop, factor), outer to inner


class Group(NamedTuple):
    """Nodes that use the same data: how many along both dimensions, and how far apart."""

    dim: tuple[int, int]
    dist: tuple[float, float]

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.dim[0] * self.dim[1]


class Shared(NamedTuple):
    """How a scheme shares buffers; rows of 3 are categories or loops."""

    noc_access: list[Fraction]
    subgrp_size: tuple[int, ...]
    order: tuple[int, ...]
    bs_t: tuple[int, ...]
    bs_ord: tuple[int, ...]
    rot_fetch: list[Fraction]
    rounds: list[int]
    units: list[int]
    wide_fetch: list[Fraction]
    width: list[Fraction]


def groups_of(bufshr: Any) -> list[Group]:
    """Groups of a BufShrScheme."""
    return [Group(tuple(bufshr.dim(d)), tuple(bufshr.nbr_dist(d))) for d in CATEGORIES]


def times(count: int, dist: float) -> Fraction:
    """Hops of some steps; no steps take none, however far."""
    return count * Fraction(dist) if count else Fraction(0)


@functools.cache
def ring(group: Group, subgroup: int) -> Fraction:
    """Return nbr + lp of section 6.3."""
    rounded = next(n for n in range(subgroup, group.size + 1) if group.size % n == 0)
    along, across = (0, 1) if group.dist[0] <= group.dist[1] else (1, 0)
    length = math.gcd(group.dim[along], rounded)
    rows = rounded // length
    row, place = divmod(subgroup - 1, length)
    if row % 2:
        place = length - 1 - place
    neighbours = times((length - 1) * rows, group.dist[along])
    neighbours += times(rows - 1, group.dist[across])
    back = times(place, group.dist[along]) + times(row, group.dist[across])
    return neighbours + back


def rotate(group: Group, subgroup: int, units: int) -> Fraction:
    """Hops of a rotation round."""
    skip = max(Fraction(1), Fraction(subgroup, units))
    steps = (subgroup - skip) / subgroup
    return ring(group, subgroup) * steps * (group.size // subgroup)


def wide(group: Group, subgroup: int, width: Fraction) -> Fraction:
    """Hops of a wide fetch."""
    if width <= 1:
        return Fraction(0)
    assert width <= subgroup
    count = math.ceil(width - Fraction(1, 10**6))
    fetched = Fraction((count - 1) * count, 2) - (count - 1) * (count - width)
    return rotate(group, subgroup, subgroup) / (subgroup - 1) * fetched / width


def flexible_and_fixed(
    related: Sequence[Sequence[int]], factors: Sequence[int], order: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Step 2: loops that can be split and permuted, ascending; the others, outer to inner."""
    nontrivial = [lpe for lpe in LOOPS if factors[lpe] > 1]
    innermost = [
        min((order[lpe] for lpe in nontrivial if lpe in loops), default=-1) for loops in related
    ]
    last = max(innermost)
    fixed = sorted((lpe for lpe in nontrivial if order[lpe] < last), key=lambda lpe: -order[lpe])
    return [lpe for lpe in nontrivial if lpe not in fixed], fixed


def subgroups(
    held: Sequence[int], whole: Sequence[int], groups: Sequence[Group], size_gbuf: int
) -> list[tuple[int, ...]]:
    """Step 3: whole groups, and smaller ones for every order of the categories; each once."""
    found = [tuple(whole)]
    for permutation in itertools.permutations(CATEGORIES):
        free = size_gbuf - sum(held)
        sizes = list(whole)
        for d in permutation:
            if whole[d] == 1:
                continue
            total = held[d] * whole[d]
            size = whole[d]
            while size > 1:
                size -= 1
                if groups[d].size % size:
                    continue
                if ref.ceil_div(total, size) > free + held[d]:
                    break
                sizes[d] = size
            free -= ref.ceil_div(total, sizes[d]) - held[d]
        found.append(tuple(sizes))
    return list(dict.fromkeys(found))


def nests(
    factors: Sequence[int], flexible: Sequence[int], fixed: Sequence[int]
) -> Iterator[tuple[dict[int, int], tuple[int, ...], tuple[int, ...], Loops]]:
    """Step 4: (bs factors, bs loops, flexible loops, all loops), in the order of ties."""
    divisors = [[n for n in range(1, factors[lpe] + 1) if factors[lpe] % n == 0] for lpe in LOOPS]
    choices = [divisors[lpe] if lpe in flexible else [1] for lpe in LOOPS]
    for split in itertools.product(*choices):
        outer = [lpe for lpe in flexible if split[lpe] > 1]
        for bs_loops in itertools.permutations(outer):
            for rest in itertools.permutations(flexible):
                loops = [(lpe, split[lpe]) for lpe in bs_loops]
                loops += [(lpe, factors[lpe] // split[lpe]) for lpe in rest]
                loops += [(lpe, factors[lpe]) for lpe in fixed]
                nest = [(lpe, factor) for lpe, factor in loops if factor > 1]
                yield dict(enumerate(split)), bs_loops, rest, nest


def moves(
    dce: int,
    group: Group,
    subgroup: int,
    related: Sequence[int],
    blocks: Sequence[list[list[int]]],
    mem: int,
    buf: int,
    loops: Loops,
) -> tuple[Fraction, int, int, Fraction, Fraction]:
    """Step 5: rotation hops, rounds, units, wide fetch hops, width."""
    loads = (mem + 1) // 2 if dce == OFM else mem
    first = next((n for n, (lpe, _) in enumerate(loops) if lpe in related), None)
    rounds, units = 0, 1
    if first is not None:
        for lpe, factor in loops[first:]:
            if lpe not in related:
                break
            units *= factor
        if subgroup > 1:
            rounds = 1
            for lpe in LOOPS:
                if lpe not in related:  # blocks that the loops before make of all its blocks
                    parts = math.prod(factor for loop, factor in loops[:first] if loop == lpe)
                    together = len(blocks[lpe][0]) // parts
                    rounds *= sum(ref.ceil_div(len(block), together) for block in blocks[lpe])
            if rounds == loads:
                rounds = 0
    width = Fraction(subgroup, units)
    combined = Fraction(rounds)
    if dce == OFM:
        combined = Fraction(2 * rounds if buf > 2 * rounds - 1 else 2 * rounds - 1)
    combined *= Fraction(units - 1, units)
    rot = rotate(group, subgroup, units) * rounds
    return rot, rounds, units, wide(group, subgroup, width) * (buf - combined), width


def share(
    nld: Any,
    bl_ts: Any,
    bl_ords: Any,
    resource: Any,
    stored: Sequence[bool],
    groups: Sequence[Group],
    *,
    partial: bool = False,
) -> Shared | None:
    """Find the best way to share buffers; None where nothing is shared (section 6.4)."""
    related = ref.related_loops(nld)
    fetch = ref.fetch_counts(nld, bl_ts, bl_ords, partial=partial)  # before pinning
    blocks = ref.cuts(nld, bl_ts, partial=partial)
    sizes = tuple(group.size for group in groups)
    held = ref.block_sizes(nld, bl_ts, stored, sizes, partial=partial)[0]
    whole = [size if words else 1 for size, words in zip(sizes, held, strict=True)]
    if whole == [1, 1, 1]:
        return None
    nodes = resource.proc_region.dim.size()
    weights = [Fraction(ref.total(nld, GBUF, d)) * (nodes // sizes[d]) for d in CATEGORIES]
    flexible, fixed = flexible_and_fixed(related, bl_ts[1], bl_ords[1])
    best = None
    least = None
    for subgroup in subgroups(held, whole, groups, resource.size_gbuf):
        for split, bs_loops, rest, loops in nests(bl_ts[1], flexible, fixed):
            moved = [
                moves(
                    d,
                    groups[d],
                    subgroup[d],
                    related[d],
                    blocks,
                    fetch[0][d],
                    fetch[1][d],
                    loops,
                )
                for d in CATEGORIES
            ]
            words = [w * (m[0] + m[3]) for w, m in zip(weights, moved, strict=True)]
            if least is None or sum(words) < least:
                least = sum(words)
                best = words, subgroup, split, bs_loops, rest, moved
    assert best is not None
    words, subgroup, split, bs_loops, rest, moved = best
    columns = [list(column) for column in zip(*moved, strict=True)]
    rot, rounds, units, wide_fetch, width = columns
    return Shared(
        words,
        subgroup,
        positions([*rest, *fixed]),
        tuple(split[lpe] for lpe in LOOPS),
        positions(bs_loops),
        rot,
        rounds,
        units,
        wide_fetch,
        width,
    )


def positions(loops: Sequence[int]) -> tuple[int, ...]:
    """Step 7: positions of loops from the inner end; the others follow outside, by index."""
    inner_first = [*reversed(loops), *(lpe for lpe in LOOPS if lpe not in loops)]
    return tuple(inner_first.index(lpe) for lpe in LOOPS)


def noc_access(
    nld: Any,
    bl_ts: Any,
    bl_ords: Any,
    resource: Any,
    result: Any,
    groups: Sequence[Group],
    *,
    partial: bool = False,
) -> float:
    """Word-hops between nodes of a scheme that `reference_blocking` evaluated."""
    shared = share(nld, bl_ts, bl_ords, resource, result["stored"], groups, partial=partial)
    return 0.0 if shared is None else float(sum(shared.noc_access))
