# SPDX-License-Identifier: BSD-3-Clause
"""Paths of segments through a network, and what they cost at least.

Decides which combinations of constraints are looked at more closely, in which order, and which may
still be part of one of the best schedules (docs/model/search.md section 6.2).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from .search_limit import LowerBounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .search_limit import SearchLimit
    from .segment_builder import Placed
    from .segment_space import SegmentSpace
    from .workers import Job, Workers

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]
    Combination = tuple[SegmentSpace, int]

# Combinations of constraints that are looked at together.
MAX_TOGETHER = 16

# Groups of them that are looked at before what the rest of the network costs is found again.
ROUNDS_APART = 16

# Searches of array mappings in segments, at most; combinations that need more are given up.
MAX_SEARCHED = 5 << 12

# Combinations of a segment on the likely path that are as good as its best one, at most.
MAX_EQUAL = 16


class SegmentPaths:
    """Paths over positions in the scheduling order, each segment an edge.

    Parameters
    ----------
    edges
        All segments.
    num_layers
        Layers of the network, which is the last position.
    limit
        What was found so far.
    workers
        Where array mappings are searched.

    Attributes
    ----------
    spaces
        The distinct spaces of the segments.
    weight
        Weight of the time in sums with the energy.
    rest
        Per segment: what the rest of the network costs at least.
    onward
        Per position: what leads from it to the end costs at least.
    num_searched
        Searches of array mappings asked for.
    """

    def __init__(
        self, edges: Sequence[Placed], num_layers: int, limit: SearchLimit, workers: Workers
    ) -> None:
        self.edges = edges
        self.num_layers = num_layers
        self.limit = limit
        self.workers = workers
        self.weight = limit.weight
        self.spaces = list({id(edge.space): edge.space for edge in edges}.values())
        for space in self.spaces:
            space.bounds.set_weight(self.weight)
        self.num_searched = 0
        self._known_within: dict[int, tuple[LowerBounds, Ints]] = {}
        self._by_end = sorted(range(len(edges)), key=lambda n: edges[n].end)
        self._by_begin = sorted(range(len(edges)), key=lambda n: -edges[n].begin)
        self.rest: list[LowerBounds] = []
        self.onward: LowerBounds
        self._reach(self._edge_bounds())

    @property
    def guiding(self) -> int:
        """The bound that paths are compared by: energy, time or their weighted sum."""
        return {"e": 0, "d": 1}.get(self.limit.goal, 2)

    def _edge_bounds(self) -> Floats:
        """Least energy, time and weighted sum of every segment, (3, edges)."""
        least = {id(space): space.bounds.least_of_all() for space in self.spaces}
        bounds: Floats = np.array([least[id(edge.space)] for edge in self.edges]).T
        return bounds

    def _reach(self, costs: Floats) -> None:
        """Find what leads to every position, and from it to the end, costs at least."""
        to = np.full((3, self.num_layers + 1), np.inf)
        to[:, 0] = 0
        for number in self._by_end:
            begin, end = self.edges[number].begin, self.edges[number].end
            to[:, end] = np.minimum(to[:, end], to[:, begin] + costs[:, number])
        self.onward = self._onward(costs)
        onward = np.array(self.onward)
        self.rest = [LowerBounds(*(to[:, e.begin] + onward[:, e.end])) for e in self.edges]

    def _onward(self, costs: Floats) -> LowerBounds:
        """What leads from every position to the end costs at least."""
        onward = np.full((3, self.num_layers + 1), np.inf)
        onward[:, -1] = 0
        for number in self._by_begin:
            begin, end = self.edges[number].begin, self.edges[number].end
            onward[:, begin] = np.minimum(onward[:, begin], onward[:, end] + costs[:, number])
        return LowerBounds(*onward)

    def likely(self) -> list[Ints]:
        """Combinations of the segments on the shortest path by lower bounds.

        They are looked at until the bounds are those of schedules.

        Returns
        -------
        list of int arrays
            Per segment, empty beside the path; all empty if nothing is valid.
        """
        while True:
            path = self._shortest(self._edge_bounds()[self.guiding])
            if not self._refined([(self.edges[n].space, best) for n, best in path]):
                break
        kept = [np.zeros(0, dtype=np.int64) for _ in self.edges]
        for number, best in path:
            lower = self.edges[number].space.bounds.lower()[self.guiding]
            kept[number] = np.flatnonzero(lower <= lower[best] * (1 + 1e-9))[:MAX_EQUAL]
        return kept

    def _shortest(self, bounds: Floats) -> list[tuple[int, int]]:
        """Shortest path, each segment with its best combination; empty if there is none."""
        least = [0.0] + [np.inf] * self.num_layers
        last = [-1] * (self.num_layers + 1)
        for number in self._by_end:
            edge = self.edges[number]
            total = least[edge.begin] + float(bounds[number])
            if total < least[edge.end]:
                least[edge.end], last[edge.end] = total, number
        path: list[tuple[int, int]] = []
        position = self.num_layers
        while position and last[position] >= 0:
            edge = self.edges[last[position]]
            best = int(edge.space.bounds.lower()[self.guiding].argmin())
            path.append((last[position], best))
            position = edge.begin
        return path if position == 0 else []

    def _refined(self, combinations: Sequence[Combination]) -> bool:
        """Look closer at combinations; say whether there was anything to look at.

        What they can do without a search comes first; then they search together.
        """
        if self._looked_at(combinations):
            return True
        jobs = self._wanted(combinations)
        self.num_searched += self.workers.search(jobs)
        return bool(jobs)

    def _looked_at(self, combinations: Sequence[Combination]) -> bool:
        """Look closer at combinations without a search; say whether there was anything new."""
        changed = [space.bounds.refine(number) for space, number in combinations]
        return any(changed)

    def _wanted(self, combinations: Sequence[Combination]) -> list[Job]:
        """Searches that combinations need before there is more to look at."""
        return [job for space, number in combinations for job in space.bounds.wanted(number)]

    def least_keys(self) -> tuple[float, float]:
        """Lower bounds on the ranking keys of all schedules."""
        least = LowerBounds(*(column[:1] for column in self._onward(self._edge_bounds())))
        one, two = self.limit.values(least, self.weight)
        return float(one[0]), float(two[0])

    def alive(self) -> list[Ints]:
        """Combinations of every segment that may be within the limit."""
        self._reach(self._edge_bounds())
        self._known_within.clear()
        return self._within()

    def _within(self) -> list[Ints]:
        """Combinations as `alive`, with what the rest of the network was last found to cost."""
        kept = []
        for number, (edge, rest) in enumerate(zip(self.edges, self.rest, strict=True)):
            lower = edge.space.bounds.lower()
            if number not in self._known_within or self._known_within[number][0] is not lower:
                whole = LowerBounds(*(own + other for own, other in zip(lower, rest, strict=True)))
                within = np.isfinite(whole.cost) & self.limit.within(whole, self.weight)
                self._known_within[number] = lower, np.flatnonzero(within)
            kept.append(self._known_within[number][1])
        return kept

    def settled(self) -> list[Ints]:
        """Combinations within the limit, looked at until their bounds are those of schedules.

        Those of the best bounds come first. While some are searched, the next ones are looked at.
        Beyond a number of searches, the others are given up.
        """
        settled = [np.zeros(len(space.bounds.lower().cost), dtype=bool) for space in self.spaces]
        under_way: list[tuple[int, int]] = []
        jobs: list[Job] = []
        finish = self.workers.begin(jobs).finish
        for round_ in itertools.count():
            best = self._next(settled, under_way, afresh=round_ % ROUNDS_APART == 0)
            combinations = [(self.spaces[space], number) for space, number in best]
            if best and self.num_searched <= MAX_SEARCHED:
                if self._looked_at(combinations):
                    continue
                jobs = self._wanted(combinations)
                if not jobs:
                    _mark(settled, best)
                    continue
            finish()
            if best and self.num_searched > MAX_SEARCHED:
                return self._only(self.alive(), settled)
            if not best and not under_way:
                break
            begun = self.workers.begin(job for job in jobs if not job[0].knows(job[1]))
            self.num_searched += begun.num
            under_way, finish, jobs = best if begun.num else [], begun.finish, []
        return self.alive()

    def _next(
        self, settled: Sequence[Bools], under_way: Sequence[tuple[int, int]], *, afresh: bool
    ) -> list[tuple[int, int]]:
        """Space and number of the combinations of the best bounds that are not settled.

        Nor under way. What the rest of the network costs is found `afresh`, or was before.
        """
        alive = self.alive() if afresh else self._within()
        known = [own.copy() for own in settled]
        _mark(known, under_way)
        whole = zip(known, self._whole(alive), strict=True)
        return self._best([np.where(own, np.inf, values) for own, values in whole], MAX_TOGETHER)

    def best(self, alive: Sequence[Ints], most: int) -> list[Ints]:
        """Of some combinations per segment those `most` of the best bounds of whole schedules."""
        whole = self._whole(alive)
        if sum(np.isfinite(values).sum() for values in whole) <= most:
            return list(alive)
        kept = [np.zeros(len(values), dtype=bool) for values in whole]
        for space, number in self._best(whole, most):
            kept[space][number] = True
        return self._only(alive, kept)

    def _whole(self, alive: Sequence[Ints]) -> list[Floats]:
        """Least bound of whole schedules with each combination of every space, or infinity."""
        values = {id(space): space.bounds.lower()[self.guiding] for space in self.spaces}
        whole = {key: np.full(len(own), np.inf) for key, own in values.items()}
        for edge, rest, combinations in zip(self.edges, self.rest, alive, strict=True):
            key = id(edge.space)
            least = values[key][combinations] + rest[self.guiding]
            whole[key][combinations] = np.minimum(whole[key][combinations], least)
        return list(whole.values())

    @staticmethod
    def _best(whole: Sequence[Floats], most: int) -> list[tuple[int, int]]:
        """Space and number of the `most` combinations of the least finite values."""
        space = np.repeat(np.arange(len(whole)), [len(values) for values in whole])
        number = np.concatenate([np.arange(len(values)) for values in whole])
        every = np.concatenate(whole)
        best = np.argsort(every, kind="stable")[:most]
        best = best[np.isfinite(every[best])]
        return list(zip(space[best].tolist(), number[best].tolist(), strict=True))

    def _only(self, alive: Sequence[Ints], kept: Sequence[Bools]) -> list[Ints]:
        """Only the combinations that are `kept`, per space, and all of segments of one layer."""
        by_space = {id(space): own for space, own in zip(self.spaces, kept, strict=True)}
        chosen = []
        for edge, combinations in zip(self.edges, alive, strict=True):
            several = len(edge.space.layers) > 1
            own = combinations[by_space[id(edge.space)][combinations]] if several else combinations
            chosen.append(own)
        return chosen


def _mark(marked: Sequence[Bools], combinations: Sequence[tuple[int, int]]) -> None:
    for space, number in combinations:
        marked[space][number] = True
