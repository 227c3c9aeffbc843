# SPDX-License-Identifier: BSD-3-Clause
"""Search of a space of loop blocking schemes for those that can be best.

Decides which schemes are kept (docs/model/loop_blocking.md section 11): what one pass of a data
category between memory and nodes costs in hops depends on where the data lie, which is not known
here, so a scheme stays if it is best for some hop costs up to a given maximum. The search goes
case by case, cheapest bound first; each case is a box of factor triples, pruned by the schemes
found so far and by the capacities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn_dataflow.util import prod

from . import data_category_enum as de
from . import loop_enum as le
from .blocking_space import along
from .buf_sharing import best_sharing
from .loop_blocking_space import (
    CATEGORY_OF_LOOP,
    LOOP_OF_CATEGORY,
    STREAMED,
)
from .loop_prices import least_of_roles, over_cases
from .ranking import TIE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .blocking_space import BlockingSpace
    from .loop_orders import Orders
    from .search_effort import SearchEffort

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Largest number of schemes evaluated together: the block size that bounds the memory.
MAX_BLOCK = 1 << 16

# Ways to treat the filters of a scheme: as usual, kept on chip, streamed.
NUM_VARIANTS = 3


class Points(NamedTuple):
    """Schemes that can be best, by energy, time and candidate order; axis 0 is the scheme."""

    cost: Floats  # (n,) energy of the accesses, and of sharing buffers between nodes
    time: Ints  # (n,) cycles, the larger of the next two
    dram: Ints  # (n,) cycles of the memory
    node: Ints  # (n,) cycles inside the nodes
    fetch: Ints  # (n, 3) passes between memory and GBUF
    bl_ts: Ints  # (n, 3, 3)
    bl_ords: Ints  # (n, 2, 3)
    keep_filters: Bools  # (n,) see BlockingModel.evaluate
    scheme: Ints  # (n,) equal for variants of a scheme that keep and that stream the filters


NO_POINTS = Points(
    cost=np.zeros(0),
    time=np.zeros(0, dtype=np.int64),
    dram=np.zeros(0, dtype=np.int64),
    node=np.zeros(0, dtype=np.int64),
    fetch=np.zeros((0, de.NUM), dtype=np.int64),
    bl_ts=np.zeros((0, 3, le.NUM), dtype=np.int64),
    bl_ords=np.zeros((0, 2, le.NUM), dtype=np.int64),
    keep_filters=np.zeros(0, dtype=bool),
    scheme=np.zeros(0, dtype=np.int64),
)


class _Found(NamedTuple):
    """A scheme found: energy (static, and moves between nodes), time, fetches, and its place."""

    cost: float
    time: int
    dram: int  # cycles of the memory
    node: int  # cycles inside the nodes
    own_dram: int  # cycles of the memory where they count by themselves, else 0
    fetch: tuple[int, ...]
    key: int
    case: int
    entry: tuple[int, ...]

    @property
    def scheme(self) -> int:
        """The same for the variants of a scheme that keep and that stream the filters."""
        return self.key // NUM_VARIANTS


class _Rival(NamedTuple):
    """A scheme found, and the bounds that others must beat."""

    found: _Found
    limit: float  # energy above which a scheme is worse than this one
    columns: list[Floats]  # energy less the most that a scheme can save in hops, per entry
    least: list[Floats]  # least of the columns per role
    cheaper: bool  # whether some scheme can save hops
    case_costs: Floats  # bound on the energy of a case less what it can save
    comparable: Bools  # cases in which no scheme is faster, or where that is no merit


def frontier(
    space: BlockingSpace,
    hop_costs: Sequence[float],
    goal: str,
    num: int,
    effort: SearchEffort,
    share_cost: float = 0,
    *,
    split_times: bool = False,
) -> Points:
    """Schemes that can be among the `num` best for some hop costs.

    A scheme is left out if `num` others are at least as good under the goal whatever one pass of
    a category between memory and nodes costs in hops, between 0 and `hop_costs`.

    Parameters
    ----------
    space
        The schemes.
    hop_costs
        Largest energy of the hops of one pass, per category.
    goal
        'e': energy, then time; 'd': time, then energy; 'ed': better in neither.
    num
        How many best schemes are wanted.
    effort
        Counts what is built, pruned and evaluated.
    share_cost
        Energy of moving a word a hop between nodes that share buffers. How they do is worked out
        for schemes that can still win without it.
    split_times
        Whether the cycles of the memory count besides those in all, as for layers that share the
        memory with others; for goal 'ed'.
    """
    # With a variant that keeps and one that streams the filters, a scheme counts once.
    variants = 2 if space.model.may_pin and num > 1 else 1
    archive = _Archive(space, hop_costs, goal, num * variants, share_cost, split_times)
    num_built = int(space.case_sizes(fitting=False).sum())
    sizes = space.case_sizes(fitting=True).tolist()
    effort.candidates += space.num_candidates()
    effort.equivalent += space.num_candidates() - num_built
    effort.capacity += num_built - sum(sizes)
    for case in np.argsort(space.case_costs, kind="stable").tolist():
        searched = 0
        if archive.beaten[case] < archive.num:
            for box in _blocks([archive.entries(lpe, case) for lpe in range(le.NUM)]):
                searched += archive.search(case, box, effort)
        effort.bound += sizes[case] - searched
    return archive.points(num)


def _blocks(boxes: Sequence[Ints]) -> Iterator[list[Ints]]:
    """Cut a box of entries in blocks of at most `MAX_BLOCK` schemes."""
    sizes = [len(entries) for entries in boxes]
    steps = [0] * le.NUM
    room = MAX_BLOCK
    for lpe in reversed(range(le.NUM)):
        steps[lpe] = max(1, min(sizes[lpe], room))
        room //= steps[lpe]
    for i in range(0, sizes[0], steps[0]):
        for o in range(0, sizes[1], steps[1]):
            for b in range(0, sizes[2], steps[2]):
                starts = (i, o, b)
                yield [boxes[lpe][n : n + steps[lpe]] for lpe, n in enumerate(starts)]


class _Archive:
    """The schemes found so far, and the search of boxes for more."""

    def __init__(
        self,
        space: BlockingSpace,
        hop_costs: Sequence[float],
        goal: str,
        num: int,
        share_cost: float,
        split_times: bool,
    ) -> None:
        self.space = space
        self.share_cost = share_cost if space.model.bufshr is not None else 0
        self.hop_costs = hop_costs
        self.goal = goal
        self.num = num
        self.split_times = split_times and goal == "ed" and not space.flat_time
        self.rivals: list[_Rival] = []
        self.beaten: Ints = np.where(np.isfinite(space.case_costs), 0, num)

    def add(self, found: _Found) -> _Rival:
        """Take up a scheme and note which cases it beats."""
        space = self.space
        columns, least = list(space.costs), list(space.least)
        cheaper = False
        for lpe, table in enumerate(space.tables):
            dce = CATEGORY_OF_LOOP[lpe]
            if self.hop_costs[dce] and found.fetch[dce] > 0:
                saved = np.maximum(found.fetch[dce] - table.fetch[:, 0], 0)
                if saved.any():
                    columns[lpe] = columns[lpe] - self.hop_costs[dce] * saved
                    least[lpe] = least_of_roles(columns[lpe], table)
                    cheaper = True
        case_costs = space.case_costs
        if cheaper:
            case_costs = over_cases(space.roles, least) + space.fixed_cost
        case_costs = case_costs + space.idle * space.case_times
        limit = found.cost + TIE * abs(found.cost)
        comparable = (space.case_times >= found.time) | (self.goal == "e")
        comparable &= space.case_drams >= found.own_dram
        self.beaten += (case_costs > limit) & comparable
        rival = _Rival(found, limit, columns, least, cheaper, case_costs, comparable)
        self.rivals.append(rival)
        return rival

    def entries(self, lpe: int, case: int) -> Ints:
        """Entries of a loop in a case of which some scheme may still matter."""
        space = self.space
        table = space.tables[lpe]
        role = space.roles[lpe][1][case]
        span = slice(table.start[role], table.stop[role])
        keep = np.isfinite(space.costs[lpe][span])
        if len(self.rivals) >= self.num:
            beaten = np.zeros(len(keep), dtype=np.int64)
            for rival in self.rivals:
                if rival.comparable[case]:
                    slack = rival.limit - rival.case_costs[case] + rival.least[lpe][role]
                    beaten += rival.columns[lpe][span] > slack
            keep &= beaten < self.num
        return np.arange(span.start, span.stop)[keep]

    def search(self, case: int, box: Sequence[Ints], effort: SearchEffort) -> int:
        """Take up the schemes of a box that none beats; give the number of schemes built."""
        space = self.space
        fits = space.fits(case, box)
        num_fitting = int(np.count_nonzero(fits))
        effort.built += fits.size
        effort.capacity += fits.size - num_fitting
        effort.evaluated += num_fitting
        if not num_fitting:
            return fits.size
        time, dram, node = space.times(box)
        total = self._total(space.costs, box, time)
        alive = fits.copy()
        beaten = np.zeros(alive.shape, dtype=np.int64)
        for rival in self.rivals:
            self._mark(rival, case, box, total, time, dram, alive, beaten)
        while alive.any():
            place = self._pick(case, box, total, time, alive)
            rival = self.add(self._found(case, box, place, total, time, dram, node))
            alive[place] = False
            self._mark(rival, case, box, total, time, dram, alive, beaten)
        return fits.size

    def _total(self, columns: Sequence[Floats], box: Sequence[Ints], time: Ints) -> Floats:
        total = np.array(self.space.fixed_cost)
        for lpe, entries in enumerate(box):
            total = total + along(lpe, columns[lpe][entries])
        return total + self.space.idle * time if self.space.idle else total

    def _mark(
        self,
        rival: _Rival,
        case: int,
        box: Sequence[Ints],
        total: Floats,
        time: Ints,
        dram: Ints,
        alive: Bools,
        beaten: Ints,
    ) -> None:
        """Count the rival for the schemes that it beats or equals and precedes.

        Schemes that enough rivals beat are no longer `alive`.
        """
        found = rival.found
        least = self._total(rival.columns, box, time) if rival.cheaper else total
        worse = least > rival.limit
        if not self.space.flat_time and self.goal != "e":
            worse &= time >= found.time
        if self.split_times:
            worse &= dram >= found.own_dram
        if self.goal == "d":
            worse |= time > found.time
        at = np.nonzero(alive & ~worse)
        if len(at[0]):
            equal = (least[at] == total[at]) & (total[at] <= rival.limit)
            equal &= total[at] >= found.cost - TIE * abs(found.cost)
            later = (time[at] == found.time) & (self._key(case, box, at) > found.key)
            worse[at] = equal & (later | (time[at] > found.time)) & (dram[at] >= found.own_dram)
        beaten += worse
        alive &= beaten < self.num

    def _key(self, case: int, box: Sequence[Ints], at: tuple[Ints, ...]) -> Ints:
        """Place of schemes of a box in candidate order."""
        key: Any = 0
        for table, entries, index in zip(self.space.tables, box, at, strict=True):
            key = key * table.num_triples + table.triple[entries[index]]
        place = self.space.cases[case]
        for inner in place.inner:
            key = key * le.NUM + (inner or 0)
        return np.asarray(key * NUM_VARIANTS + place.roles[le.BAT].filters)

    def _pick(
        self, case: int, box: Sequence[Ints], total: Floats, time: Ints, alive: Bools
    ) -> tuple[int, ...]:
        """Best scheme of a box: energy, time, candidate order; time first for goal 'd'."""
        at = np.nonzero(alive)
        if self.goal == "d" and not self.space.flat_time:
            fast = time[at] == time[at].min()
            at = tuple(index[fast] for index in at)
        costs = total[at]
        low = costs.min()
        close = costs <= low + TIE * abs(low)
        at = tuple(index[close] for index in at)
        best = np.lexsort((self._key(case, box, at), time[at]))[0] if len(at[0]) > 1 else 0
        return tuple(int(index[best]) for index in at)

    def _found(
        self,
        case: int,
        box: Sequence[Ints],
        place: tuple[int, ...],
        total: Floats,
        time: Ints,
        dram: Ints,
        node: Ints,
    ) -> _Found:
        entry = tuple(int(entries[index]) for entries, index in zip(box, place, strict=True))
        fetch = [int(self.space.tables[lpe].fetch[entry[lpe], 0]) for lpe in LOOP_OF_CATEGORY]
        key = self._key(case, box, tuple(np.array([index]) for index in place))
        cost = float(total[place]) + self._sharing_cost(case, entry)
        memory = int(dram[place])
        return _Found(
            cost,
            int(time[place]),
            memory,
            int(node[place]),
            memory if self.split_times else 0,
            tuple(fetch),
            int(key[0]),
            case,
            entry,
        )

    def _sharing_cost(self, case: int, entry: tuple[int, ...]) -> float:
        """Energy of the words that move between nodes that share buffers."""
        if not self.share_cost:
            return 0
        space = self.space
        bl_ts, bl_ords = self._factors_and_orders(case, entry)
        tables = [(space.tables[lpe], entry[lpe]) for lpe in LOOP_OF_CATEGORY]
        best = best_sharing(
            space.model,
            bl_ts,
            bl_ords,
            fetch=[[max(1, int(t.fetch[e, level])) for t, e in tables] for level in range(2)],
            unit_cnt=[
                prod(int(space.tables[lpe].block[entry[lpe]]) for lpe in related)
                for related in space.model.related
            ],
            stored=[bool(space.stored[lpe][entry[lpe]]) for lpe in LOOP_OF_CATEGORY],
        )
        return self.share_cost * best.word_hops if best else 0

    def _factors_and_orders(
        self, case: int, entry: tuple[int, ...]
    ) -> tuple[list[list[int]], Orders]:
        """Blocking factors and orders of a scheme."""
        space = self.space
        tables = [table.ts[e].tolist() for table, e in zip(space.tables, entry, strict=True)]
        bl_ts = [[factors[level] for factors in tables] for level in range(3)]
        return bl_ts, space.orders(case, bl_ts)

    def _beats(self, found: Sequence[_Found]) -> Bools:
        """Whether each scheme (axis 1) is at least as good as each (axis 0) whatever hops cost."""
        cost, time, dram, key = (
            np.array([getattr(one, name) for one in found])
            for name in ("cost", "time", "own_dram", "key")
        )
        fetch = np.array([one.fetch for one in found], dtype=np.int64).reshape(-1, de.NUM)
        saved = np.zeros((len(found), len(found)))
        for dce in range(de.NUM):
            more = fetch[:, dce] - fetch[:, dce, None]
            saved += self.hop_costs[dce] * np.maximum(more, 0)
        margin = TIE * np.abs(cost)
        cheaper = cost[:, None] - saved > cost + margin
        equal = ~cheaper & (saved == 0) & (cost[:, None] >= cost - margin)
        before = (time < time[:, None]) | ((time == time[:, None]) & (key < key[:, None]))
        if self.goal != "e":
            cheaper &= time <= time[:, None]
        beats: Bools = (cheaper | (equal & before)) & (dram <= dram[:, None])
        if self.goal == "d":
            beats = np.where(time == time[:, None], beats, time < time[:, None])
        return beats

    def _unbeaten(self, num: int) -> list[_Found]:
        """The schemes found, without those that `num` others or their own variant beat."""
        found = [rival.found for rival in self.rivals]
        if not found:
            return []
        beats = self._beats(found)
        schemes, of = np.unique([one.scheme for one in found], return_inverse=True)
        beaten_by = np.zeros((len(found), len(schemes)), dtype=bool)
        for number in range(len(found)):
            beaten_by[:, of[number]] |= beats[:, number]
        by_own = beaten_by[np.arange(len(found)), of]
        kept = np.flatnonzero((beaten_by.sum(axis=1) < num) & ~by_own)
        return [found[number] for number in kept.tolist()]

    def points(self, num: int) -> Points:
        """The schemes that can be among the `num` best."""
        kept = self._unbeaten(num)
        kept.sort(key=lambda f: (f.cost, f.time, f.key))
        shape = (len(kept),)
        cases = self.space.cases
        bl_ts = np.empty((*shape, 3, le.NUM), dtype=np.int64)
        bl_ords = np.empty((*shape, 2, le.NUM), dtype=np.int64)
        for index, f in enumerate(kept):
            bl_ts[index], bl_ords[index] = self._factors_and_orders(f.case, f.entry)
        filters = [cases[f.case].roles[le.BAT].filters for f in kept]
        time = np.array([f.time for f in kept], dtype=np.int64)
        return Points(
            cost=np.array([f.cost for f in kept]) - self.space.idle * time,
            time=time,
            dram=np.array([f.dram for f in kept], dtype=np.int64),
            node=np.array([f.node for f in kept], dtype=np.int64),
            fetch=np.array([f.fetch for f in kept], dtype=np.int64).reshape(*shape, de.NUM),
            bl_ts=bl_ts,
            bl_ords=bl_ords,
            keep_filters=np.array([f != STREAMED for f in filters], dtype=bool),
            scheme=np.array([f.scheme for f in kept], dtype=np.int64),
        )
