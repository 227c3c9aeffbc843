# SPDX-License-Identifier: BSD-3-Clause
"""Slow and clear scalar model of loop blocking, and the enumeration of all schemes unpruned.

The oracle for the array model and its pruned search: written from docs/model/loop_blocking.md
(sections 1 to 4 for one scheme, 8 for the enumeration) and correction M6, one plain number at a
time, and independent of the modules under test. It covers access forwarding and buffer sharing as
far as they change checks and accesses (the sizes of the sharing groups are given); the sub-scheme
of sharing (section 6.4) and its hops between nodes are in `reference_sharing`.

Nothing here is fast: a scheme takes about 30 microseconds and no candidate is skipped, so keep the
trip counts small (C = (12, 10, 4) has 34 992 candidates).

Shapes: ``bl_ts`` is 3 levels of (I, O, B) factors; ``bl_ords`` is the positions of (I, O, B) in
levels 0 and 1, with 0 innermost; rows of 3 are (FIL, IFM, OFM); 2 rows are (GBUF, REGF); 4 rows
are (DRAM, GBUF, ITCN, REGF).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

FIL, IFM, OFM = CATEGORIES = range(3)
DRAM, GBUF, ITCN, REGF = range(4)
I, O, B = LOOPS = range(3)

Triple = tuple[int, int, int]
Factors = tuple[Triple, Triple, Triple]
Orders = tuple[Triple, Triple]
Result = dict[str, Any]
Key = tuple[float, ...]

INF = math.inf
ONE_GROUP = (1, 1, 1)


# One scheme.


def ceil_div(num: float, den: float) -> int:
    """Quotient rounded up; 0 for an infinite divisor.

    >>> ceil_div(7, 2), ceil_div(7, math.inf)
    (4, 0)
    """
    return 0 if math.isinf(den) else int((num + den - 1) // den)


def related_loops(nld: Any) -> list[tuple[int, ...]]:
    """Return R(d): the dimension loops of each category."""
    return [tuple(nld.data_loops[dce].loops()) for dce in CATEGORIES]


def trip_counts(nld: Any, bl_ts: Factors, *, partial: bool = False) -> list[int]:
    """Return the iterations of every loop: those of the nest, or padded to full blocks (1.4)."""
    return [nld.loopcnt[l] if partial else math.prod(bl_t[l] for bl_t in bl_ts) for l in LOOPS]


def cut(count: int, factors: Sequence[int]) -> list[list[int]]:
    """Return the iterations of every REGF block, by GBUF block, of a loop cut in blocks (1.4).

    >>> cut(13, (4, 2, 2)), cut(7, (2, 1, 4))
    ([[2, 2], [2, 2], [2, 2], [1]], [[4], [3]])
    """
    top, _, inner = factors
    size = ceil_div(count, top)
    gbuf = [range(begin, min(begin + size, count)) for begin in range(0, count, size)]
    return [[len(block[x : x + inner]) for x in range(0, len(block), inner)] for block in gbuf]


def cuts(nld: Any, bl_ts: Factors, *, partial: bool = False) -> list[list[list[int]]]:
    """Cut every loop in the blocks of a scheme."""
    factors = zip(*bl_ts, strict=True)
    trips = trip_counts(nld, bl_ts, partial=partial)
    return [cut(count, triple) for count, triple in zip(trips, factors, strict=True)]


def unit_counts(nld: Any, bl_ts: Factors, *, partial: bool = False) -> list[list[int]]:
    """Return cnt[b][d]: the units in the largest block, in GBUF and in REGF (3.2)."""
    blocks = cuts(nld, bl_ts, partial=partial)
    return [
        [math.prod(max(map(sum, blocks[l])) for l in loops) for loops in related_loops(nld)],
        [math.prod(max(map(max, blocks[l])) for l in loops) for loops in related_loops(nld)],
    ]


def fetch_counts(
    nld: Any, bl_ts: Factors, bl_ords: Orders, *, partial: bool = False
) -> list[list[int]]:
    """Return f[b][d]: how often all of a category is brought into GBUF and into REGF (3.4)."""
    blocks = cuts(nld, bl_ts, partial=partial)
    made = [[1 for _ in LOOPS], [len(b) for b in blocks], [sum(map(len, b)) for b in blocks]]
    fetch = [[1, 1, 1], [1, 1, 1]]
    for dce, related in enumerate(related_loops(nld)):
        for lvl in range(2):
            order = bl_ords[lvl]
            moving = [l for l in related if bl_ts[lvl][l] > 1]
            if not moving:
                fetch[lvl][dce] = 1 if lvl == 0 else fetch[0][dce]
                continue
            innermost = min(order[l] for l in moving)
            passes = 1
            for lpe in LOOPS:
                if lpe in related:
                    continue
                passes *= made[lvl + 1 if order[lpe] > innermost else lvl][lpe]
            # Each pass writes the partial sums; each but the first reads them back.
            fetch[lvl][dce] = 2 * passes - 1 if dce == OFM else passes
    return fetch


def block_sizes(
    nld: Any,
    bl_ts: Factors,
    stored: Sequence[bool],
    groups: Triple = ONE_GROUP,
    *,
    partial: bool = False,
) -> list[list[int]]:
    """Return the words of each category in GBUF (spread over the sharing group) and REGF (3.2)."""
    counts = unit_counts(nld, bl_ts, partial=partial)
    return [
        [
            ceil_div(counts[0][d] * nld.usize_gbuf[d], groups[d]) if stored[d] else 0
            for d in CATEGORIES
        ],
        [counts[1][d] * nld.usize_regf[d] for d in CATEGORIES],
    ]


def fits(size: Sequence[Sequence[int]], resource: Any) -> bool:
    """Whether the blocks are within both capacities (3.3, 3.7)."""
    return sum(size[0]) <= resource.size_gbuf and sum(size[1]) <= resource.size_regf


def is_dram(region: Any) -> bool:
    """Whether a data region is memory."""
    return region.type == type(region).DRAM


def total(nld: Any, level: int, dce: int) -> float:
    """Return tot(h, d): accesses when every distinct unit of one node is touched once (1.1)."""
    return nld.unit_access[level][dce] * math.prod(nld.loopcnt[l] for l in related_loops(nld)[dce])


def variants(
    nld: Any,
    bl_ts: Factors,
    bl_ords: Orders,
    resource: Any,
    options: Any,
    *,
    part_nodes: int | None = None,
    groups: Triple = ONE_GROUP,
    near_ifmaps: float = 0,
) -> list[Result]:
    """Return the valid ways to run one scheme: none, one, or two.

    There are two where the filters would bypass GBUF because it gives them no reuse, but could also
    be pinned in it (correction M6): first stored and pinned, then bypassed and fetched.
    The parameters are those of `evaluate`; `near_ifmaps` is the share of the ifmaps in the buffers
    of the nodes themselves, while the rest comes from the source region.
    """
    assert len(bl_ts) == 3
    assert all(len(bl_t) == 3 for bl_t in bl_ts)
    assert [sorted(bl_ord) for bl_ord in bl_ords] == [[0, 1, 2]] * 2
    assert all(math.prod(bl_t[l] for bl_t in bl_ts) >= nld.loopcnt[l] for l in LOOPS)

    partial = options.sw_imperfect
    may_bypass = options.sw_gbuf_bypass
    shared = groups if options.hw_gbuf_sharing else ONE_GROUP

    # 3.3: what is too large even with every bypass.
    stored = [not byp for byp in may_bypass]
    if not fits(block_sizes(nld, bl_ts, stored, shared, partial=partial), resource):
        return []

    # 3.5: data that are not in DRAM move exactly once, and data of this very node are in its GBUF.
    fetch = fetch_counts(nld, bl_ts, bl_ords, partial=partial)
    for dce, region in ((IFM, resource.src_data_region), (OFM, resource.dst_data_region)):
        if is_dram(region):
            continue
        if fetch[0][dce] > 1:
            return []
        if region == resource.proc_region:
            stored[dce] = True
    if near_ifmaps:
        if fetch[0][IFM] > 1:
            return []
        stored[IFM] = True

    # 3.6: what may bypass is stored for reuse only.
    stored = [stored[d] or fetch[0][d] < fetch[1][d] for d in CATEGORIES]

    # 3.8 with M6: filters that never leave GBUF are not fetched in the steady state.
    filter_loops = related_loops(nld)[FIL]
    pinnable = resource.no_time_mux and all(bl_ts[0][l] == 1 for l in filter_loops)
    choices = [(stored, pinnable and stored[FIL])]
    if pinnable and not stored[FIL] and filter_loops:
        choices.insert(0, ([True, *stored[1:]], True))

    return [
        _account(
            nld,
            bl_ts,
            resource,
            options,
            fetch=fetch,
            stored=choice,
            pinned=pinned,
            nodes=resource.proc_region.dim.size() if part_nodes is None else part_nodes,
            groups=groups,
            near_ifmaps=near_ifmaps,
        )
        for choice, pinned in choices
        if fits(block_sizes(nld, bl_ts, choice, shared, partial=partial), resource)  # 3.7
    ]


def _account(
    nld: Any,
    bl_ts: Factors,
    resource: Any,
    options: Any,
    *,
    fetch: list[list[int]],
    stored: Sequence[bool],
    pinned: bool,
    nodes: int,
    groups: Triple,
    near_ifmaps: float,
) -> Result:
    """Return operations, accesses and times of a valid scheme (section 4)."""
    forwarded = options.hw_access_forwarding or options.hw_gbuf_sharing
    reduction = groups if forwarded else ONE_GROUP
    shared = groups if options.hw_gbuf_sharing else ONE_GROUP
    bodies = math.prod(trip_counts(nld, bl_ts, partial=options.sw_imperfect))

    fetch = [list(row) for row in fetch]
    if pinned:
        fetch[0][FIL] = 0

    access = [[0.0] * 3 for _ in range(4)]
    for d in CATEGORIES:
        at_array = 2 if d == OFM else 1  # an accumulation reads and writes
        access[REGF][d] = nld.unit_access[REGF][d] * bodies * at_array * nodes
        access[ITCN][d] = total(nld, ITCN, d) * fetch[1][d] * nodes
        if stored[d]:
            access[GBUF][d] = total(nld, GBUF, d) * fetch[1][d] * nodes
        # What streams past GBUF is what the array would have read from it.
        once = total(nld, DRAM if stored[d] else GBUF, d)
        access[DRAM][d] = once * fetch[0][d] * nodes / reduction[d]

    remote = [0.0] * 3
    for d, region in ((IFM, resource.src_data_region), (OFM, resource.dst_data_region)):
        if not is_dram(region):
            remote[d], access[DRAM][d] = access[DRAM][d], 0.0
    if near_ifmaps:
        remote[IFM] = access[DRAM][IFM] * near_ifmaps
        access[DRAM][IFM] -= remote[IFM]

    proc_time = nld.unit_time * bodies
    bus_time = ceil_div(math.ceil(max(access[GBUF]) / nodes), resource.array_bus_width)
    dram_time = math.ceil(sum(access[DRAM]) / resource.dram_bandwidth)
    return {
        "valid": True,
        "fetch": fetch,
        "stored": tuple(bool(s) for s in stored),
        "size": block_sizes(nld, bl_ts, stored, shared, partial=options.sw_imperfect),
        "access": access,
        "remote_gbuf_access": remote,
        "ops": nld.unit_ops * bodies * nodes,
        "time": max(proc_time, bus_time, dram_time),
        "proc_time": proc_time,
        "bus_time": bus_time,
        "dram_time": dram_time,
        "top_level_fetch": fetch[0],
        "filter_pinned": bool(pinned),
    }


def invalid_result() -> Result:
    """Return the result of a scheme that cannot run: infinite accesses and times, nothing else."""
    return {
        "valid": False,
        "fetch": None,
        "stored": None,
        "size": None,
        "access": [[INF] * 3 for _ in range(4)],
        "remote_gbuf_access": [INF] * 3,
        "ops": INF,
        "time": INF,
        "proc_time": INF,
        "bus_time": INF,
        "dram_time": INF,
        "top_level_fetch": None,
        "filter_pinned": False,
    }


def evaluate(
    nld: Any,
    bl_ts: Factors,
    bl_ords: Orders,
    resource: Any,
    options: Any,
    part_nodes: int | None = None,
    *,
    groups: Triple = ONE_GROUP,
    rank: Callable[[Result], Key] | None = None,
) -> Result:
    """Evaluate one scheme.

    Parameters
    ----------
    nld, bl_ts, bl_ords, resource, options
        As for ``LoopBlockingScheme``.
    part_nodes : int, optional
        Number of nodes that work; by default those of the processing region.
    groups : 3 ints
        Nodes in the sharing group of each category (section 6.1). Ignored without access forwarding
        and buffer sharing.
    rank : function of a result, optional
        Chooses between filters stored and pinned, and bypassed and fetched (see `variants`): the
        smaller rank stays, the former on a tie. By default the former stays where it fits.

    Returns
    -------
    dict
        valid; fetch (2x3, after pinning); stored (3 bools); size (2x3 words, per node and PE,
        before any sharing subgroup shrinks); access (4x3), remote_gbuf_access (3) and ops over all
        nodes; time, proc_time, bus_time, dram_time; top_level_fetch (3); filter_pinned.
        If not valid: see `invalid_result`.

    """
    found = variants(nld, bl_ts, bl_ords, resource, options, part_nodes=part_nodes, groups=groups)
    if not found:
        return invalid_result()
    return found[0] if rank is None else min(found, key=rank)


def access_cost(result: Result, cost: Any) -> float:
    """Return the cost of all memory accesses, infinite if the result is not valid (section 4)."""
    if not result["valid"]:
        return INF
    per_word = cost.mem_hier
    return sum(per_word[h] * sum(result["access"][h]) for h in range(4)) + per_word[GBUF] * sum(
        result["remote_gbuf_access"]
    )


def goal_key(goal: str, cost: float, time: float) -> Key:
    """Return what is minimised under a goal (section 8).

    >>> goal_key("e", 6, 2), goal_key("d", 6, 2), goal_key("ed", 6, 2)
    ((6, 2), (2, 6), (12,))
    """
    return {"e": (cost, time), "d": (time, cost), "ed": (cost * time,)}[goal]


# All schemes.


def factor_triples(value: int) -> list[Triple]:
    """Return all ordered exact factorisations into three, ascending.

    >>> factor_triples(3)
    [(1, 1, 3), (1, 3, 1), (3, 1, 1)]
    """
    return [
        (t0, t1, value // t0 // t1)
        for t0 in range(1, value + 1)
        if value % t0 == 0
        for t1 in range(1, value // t0 + 1)
        if (value // t0) % t1 == 0
    ]


def block_triples(value: int) -> list[Triple]:
    """Return all ways to cut a loop in blocks of blocks as equal as possible (1.4), ascending.

    >>> block_triples(3)
    [(1, 1, 3), (1, 2, 2), (1, 3, 1), (2, 1, 2), (2, 2, 1), (3, 1, 1)]
    """
    found = []
    for top in range(1, value + 1):
        block = ceil_div(value, top)
        for middle in range(1, block + 1):
            inner = ceil_div(block, middle)
            blocks = cut(value, (top, middle, inner))
            if (len(blocks), len(blocks[0])) == (top, middle):  # no empty ones
                found.append((top, middle, inner))
    return found


def gen_candidates(
    nld: Any, constraint: Any = None, *, partial: bool = False
) -> Iterator[tuple[Factors, Orders]]:
    """Yield (bl_ts, bl_ords) of every candidate in candidate order; no equivalence is skipped.

    Blocks are partial in CONV and FC layers only, and a required top factor divides its loop.
    """
    orders = list(itertools.permutations(range(3)))
    partial = partial and is_conv(nld)
    triples_of = block_triples if partial else factor_triples
    tops = getattr(constraint, "top_bl_t", (0, 0, 0))
    for per_loop in itertools.product(*(triples_of(nld.loopcnt[l]) for l in LOOPS)):
        bl_ts = tuple(zip(*per_loop, strict=True))
        if any(top and nld.loopcnt[l] % top for l, top in enumerate(tops)):
            continue
        for bl_ords in itertools.product(orders, orders):
            if constraint is None or constraint.is_valid_top_bl(bl_ts[0], bl_ords[0]):
                yield bl_ts, bl_ords


def enumerate_all(
    nld: Any,
    resource: Any,
    options: Any,
    constraint: Any = None,
    part_nodes: int | None = None,
    *,
    groups: Triple = ONE_GROUP,
    rank: Callable[[Result], Key] | None = None,
) -> Iterator[tuple[Factors, Orders, Result]]:
    """Yield (bl_ts, bl_ords, result) of every candidate in candidate order, invalid ones included.

    ``constraint`` is anything with ``is_valid_top_bl(top_bl_t, top_bl_ord)``; the other parameters
    are those of `evaluate`.
    """
    for bl_ts, bl_ords in gen_candidates(nld, constraint, partial=options.sw_imperfect):
        result = evaluate(
            nld, bl_ts, bl_ords, resource, options, part_nodes, groups=groups, rank=rank
        )
        yield bl_ts, bl_ords, result


def is_conv(nld: Any) -> bool:
    """Whether the related loops are those of CONV and FC layers."""
    return [set(loops) for loops in related_loops(nld)] == [{I, O}, {I, B}, {O, B}]


def skip_conv(bl_ts: Factors, bl_ords: Orders) -> bool:
    """Whether another scheme with the same fetches and blocks no larger stands for this one (8.1).

    Only for CONV and FC, and only where nothing constrains the top level.
    """
    outer = None  # innermost non-trivial loop of the closest level outside that has one
    for lvl, bl_t in enumerate(bl_ts):
        nontrivial = {l for l in LOOPS if bl_t[l] > 1}
        innermost = None
        if lvl < 2 and nontrivial:
            innermost = min(nontrivial, key=bl_ords[lvl].__getitem__)
        if outer in nontrivial and outer != innermost:
            return True  # this loop can be merged into the level outside
        if innermost is not None:
            outer = innermost
        if lvl < 2:
            trivial = [l for l in LOOPS if l not in nontrivial]
            canonical = sorted(nontrivial, key=lambda l, inn=innermost: (l != inn, l)) + trivial
            if sorted(LOOPS, key=bl_ords[lvl].__getitem__) != canonical:
                return True
    return False


def _merge_close(values: list[float]) -> dict[float, float]:
    """Map values that differ by rounding only to the smallest of them."""
    representative: dict[float, float] = {}
    current = None
    for value in sorted(set(values)):
        if current is None or not math.isclose(value, current, rel_tol=1e-9):
            current = value
        representative[value] = current
    return representative


def best(
    nld: Any,
    resource: Any,
    options: Any,
    cost: Any,
    n: int = 1,
    *,
    part_nodes: int | None = None,
    groups: Triple = ONE_GROUP,
    constraint: Any = None,
    op_cost: float = 0,
    hop_cost: float = 0,
    unit_nhops: Sequence[float] = (0, 0, 0),
    static_cost: float = 0,
    skip: Callable[[Factors, Orders], bool] | None = None,
) -> list[tuple[Key, Factors, Orders]]:
    """Return the n best distinct values of the goal over all valid candidates, best first.

    Parameters
    ----------
    nld, resource, options, part_nodes, groups, constraint
        As for `enumerate_all`; the goal is that of the options.
    cost : Cost
        Only its ``mem_hier`` is used. What else is paid is stated by the next four, so that the
        defaults give the ranking of ``gen_loopblocking`` (by access cost and time).
    n : int
        Number of values; fewer if there are not as many.
    op_cost : float
        Per operation.
    hop_cost, unit_nhops
        Per word and hop; hops to move each category once between memory and the nodes. Together
        they add hop_cost * sum of unit_nhops[d] * top_level_fetch[d].
    static_cost : float
        Per cycle of the scheme's time.
    skip : function of (bl_ts, bl_ords), optional
        Leaves candidates out before they are evaluated, for example `skip_conv`.

    Returns
    -------
    list of (key, bl_ts, bl_ords)
        The key is `goal_key` of cost and time. Keys that differ by less than 1e-9 relative are one
        value; it is represented by its first scheme in candidate order.

    """

    def rank(result: Result) -> Key:
        full = access_cost(result, cost) + op_cost * result["ops"]
        full += hop_cost * sum(
            hops * fetch for hops, fetch in zip(unit_nhops, result["top_level_fetch"], strict=True)
        )
        full += static_cost * result["time"]
        return goal_key(options.opt_goal, full, result["time"])

    found = []
    for bl_ts, bl_ords in gen_candidates(nld, constraint, partial=options.sw_imperfect):
        if skip is not None and skip(bl_ts, bl_ords):
            continue
        result = evaluate(
            nld, bl_ts, bl_ords, resource, options, part_nodes, groups=groups, rank=rank
        )
        if result["valid"]:
            found.append((rank(result), bl_ts, bl_ords))

    merged = [_merge_close(list(column)) for column in zip(*(f[0] for f in found), strict=True)]
    distinct: dict[Key, tuple[Key, Factors, Orders]] = {}
    for entry in found:
        value = tuple(column[x] for column, x in zip(merged, entry[0], strict=True))
        distinct.setdefault(value, entry)
    return [distinct[value] for value in sorted(distinct)[:n]]
