# SPDX-License-Identifier: BSD-3-Clause
"""Search for the best schedules of a network over all its segments.

Decides which segments, combinations of constraints and partial schedules are looked at
(docs/model/search.md section 6.2). A schedule is a path over positions in the scheduling order, each
segment an edge. The shortest path by lower bounds is looked at more closely until its bounds are
those of schedules; the best schedules along it give a limit, and whatever may still be within the
limit, together with the least that the rest of the network costs, is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import join, take
from .network_search import MAX_PREFIXES, groups_of_equal, unbeaten
from .search_limit import LowerBounds, SearchLimit, best_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .search_effort import SearchEffort
    from .segment_builder import Placed
    from .segment_space import SegmentGoal, SegmentPoints, SegmentSpace
    from .workers import Workers

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

# Combinations of constraints that are looked at together.
MAX_TOGETHER = 64

# Searches of array mappings in segments, at most; combinations that need more are given up.
MAX_SEARCHED = 1 << 16

# Prefixes kept per position by passes that look for a better limit.
GUIDED_PREFIXES = 16


class Prefixes(NamedTuple):
    """Schedules of the layers up to a position; axis 0 is the schedule."""

    cost: Floats  # (m,)
    time: Floats  # (m,)
    places: Ints  # (m, columns) place of every column, -1 where no longer needed
    edge: Ints  # (m,) last segment
    points: Ints  # (m,) which of its tables of schedules
    point: Ints  # (m,) which schedule of the table
    prev: Ints  # (m,) prefix that it extends


class Chosen(NamedTuple):
    """A segment of a schedule, and what its layers do."""

    placed: Placed
    row: tuple[int, ...]
    scheme: tuple[int, ...]


class PipelineSearch:
    """Search over the segments of a network.

    Parameters
    ----------
    edges
        All segments.
    num_layers, num_starts
        Layers of the network, and places of its input.
    live
        Per position, the columns whose places later layers need.
    goal
        What is searched.
    known
        Energies and times of schedules known to be possible.
    workers
        Where array mappings are searched.

    Attributes
    ----------
    num_dropped
        Prefixes and partial schedules of segments given up for their number.
    """

    def __init__(
        self,
        edges: Sequence[Placed],
        num_layers: int,
        num_starts: int,
        live: Sequence[Sequence[int]],
        goal: SegmentGoal,
        known: Sequence[tuple[float, float]],
        workers: Workers,
    ) -> None:
        self.edges = edges
        self.num_layers = num_layers
        self.num_starts = num_starts
        self.live = live
        self.goal = goal
        self.workers = workers
        self.num_searched = 0
        self.limit = SearchLimit(goal.goal, goal.num)
        if known:
            cost, time = np.array(known, dtype=float).T
            self.limit.lower(cost, time)
        self.weight = self.limit.weight
        self.spaces = list({id(edge.space): edge.space for edge in edges}.values())
        for space in self.spaces:
            space.set_weight(self.weight)
        self.tables: list[SegmentPoints] = []
        self._numbers: dict[int, int] = {}
        self._dropped = 0
        self._combinations: dict[int, Ints] = {}

    @property
    def num_dropped(self) -> int:
        """Prefixes and partial schedules given up, without a proof that they are of no use."""
        return self._dropped + sum(space.num_dropped for space in self.spaces)

    def run(self, progress: Callable[[int, int, str], None]) -> list[tuple[int, list[Chosen]]]:
        """Find the best schedules: place of the input and segments in order, best first.

        `progress` is told of each position in the scheduling order that is reached.
        """
        self._progress = progress
        path = self._settled_path()
        if not path:
            return []
        guided = self._pass(self._along(path), GUIDED_PREFIXES)
        self._lower_limit(guided)
        for space in self.spaces:
            space.forget_points()
        # What the next pass finds holds for the last one too: its limit is only lower.
        alive = self._settled_alive()
        better = self._pass(alive, GUIDED_PREFIXES)
        self._lower_limit(better)
        exact = self._pass(self._alive(), MAX_PREFIXES)
        return self._best([guided, better, exact])

    def count(self, effort: SearchEffort) -> None:
        """Add what was looked at."""
        effort.segments += sum(len(edge.space.layers) > 1 for edge in self.edges)
        several = [space for space in self.spaces if len(space.layers) > 1]
        effort.combinations += sum(len(space.lower().cost) for space in several)
        effort.combinations_searched += sum(
            len(self._combinations.get(id(space), ())) for space in several
        )
        effort.prefixes_dropped += self.num_dropped

    # Bounds along paths

    def _edge_bounds(self) -> LowerBounds:
        """Least energy, time and weighted sum of every segment."""
        lower = {id(space): space.lower() for space in self.spaces}
        least = {
            key: [column.min(initial=np.inf) for column in bounds] for key, bounds in lower.items()
        }
        table = np.array([least[id(edge.space)] for edge in self.edges])
        return LowerBounds(*table.T)

    def _reach(self, edge_bounds: LowerBounds) -> tuple[LowerBounds, LowerBounds]:
        """Least that leads to every position, and that leads from it to the end."""
        shape = (3, self.num_layers + 1)
        to, onward = np.full(shape, np.inf), np.full(shape, np.inf)
        to[:, 0] = onward[:, -1] = 0
        costs = np.array(edge_bounds)
        for number in sorted(range(len(self.edges)), key=lambda n: self.edges[n].end):
            edge = self.edges[number]
            to[:, edge.end] = np.minimum(to[:, edge.end], to[:, edge.begin] + costs[:, number])
        for number in sorted(range(len(self.edges)), key=lambda n: -self.edges[n].begin):
            edge = self.edges[number]
            onward[:, edge.begin] = np.minimum(
                onward[:, edge.begin], onward[:, edge.end] + costs[:, number]
            )
        return LowerBounds(*to), LowerBounds(*onward)

    @property
    def _guiding(self) -> int:
        """The bound that paths are compared by: energy, time or their weighted sum."""
        return {"e": 0, "d": 1}.get(self.goal.goal, 2)

    def _settled_path(self) -> list[tuple[int, int]]:
        """Shortest path by lower bounds, looked at until they are those of schedules.

        Returns
        -------
        list of (segment, combination), empty if nothing is valid
        """
        while True:
            bounds = self._edge_bounds()[self._guiding]
            path = self._shortest(bounds)
            if not self._refined([(self.edges[n].space, best) for n, best in path]):
                return path

    def _refined(self, combinations: Sequence[tuple[SegmentSpace, int]]) -> bool:
        """Look closer at combinations; say whether there was anything to look at.

        What they can do without a search comes first; then they search together.
        """
        if any([space.refine(number) for space, number in combinations]):
            return True
        jobs = [job for space, number in combinations for job in space.wanted(number)]
        self.workers.search(list({job[:2]: job for job in jobs}.values()))
        self.num_searched += len(jobs)
        return bool(jobs)

    def _shortest(self, bounds: Floats) -> list[tuple[int, int]]:
        """Shortest path, each segment with its best combination."""
        least = [0.0] + [np.inf] * self.num_layers
        last = [-1] * (self.num_layers + 1)
        for number in sorted(range(len(self.edges)), key=lambda n: self.edges[n].end):
            edge = self.edges[number]
            total = least[edge.begin] + float(bounds[number])
            if total < least[edge.end]:
                least[edge.end], last[edge.end] = total, number
        path: list[tuple[int, int]] = []
        position = self.num_layers
        while position and last[position] >= 0:
            edge = self.edges[last[position]]
            best = int(edge.space.lower()[self._guiding].argmin())
            path.append((last[position], best))
            position = edge.begin
        return path[::-1] if position == 0 else []

    def _along(self, path: Sequence[tuple[int, int]]) -> list[Ints]:
        """Combinations to look at along a path: those as good as the best by their bounds."""
        kept = [np.zeros(0, dtype=np.int64) for _ in self.edges]
        for number, best in path:
            lower = self.edges[number].space.lower()[self._guiding]
            most = lower[best] * (1 + 1e-9)
            kept[number] = np.flatnonzero(lower <= most)[:GUIDED_PREFIXES]
        return kept

    def _alive(self) -> list[Ints]:
        """Combinations of every segment that may be within the limit."""
        edge_bounds = self._edge_bounds()
        to, onward = self._reach(edge_bounds)
        self._rest = [
            LowerBounds(*(a[edge.begin] + b[edge.end] for a, b in zip(to, onward, strict=True)))
            for edge in self.edges
        ]
        self._onward = onward
        kept = []
        for edge, rest in zip(self.edges, self._rest, strict=True):
            whole = LowerBounds(
                *(own + other for own, other in zip(edge.space.lower(), rest, strict=True))
            )
            finite = np.isfinite(whole.cost)
            kept.append(np.flatnonzero(finite & self.limit.within(whole, self.weight)))
        return kept

    def _settled_alive(self) -> list[Ints]:
        """Look at combinations within the limit until their bounds are those of schedules.

        Those of the best bounds come first. Beyond a number of searches, the others are given up.
        """
        settled: set[tuple[int, int]] = set()
        while True:
            alive = self._alive()
            best = self._best_open(alive, settled)
            if not best:
                return alive
            if self.num_searched > MAX_SEARCHED:
                return self._given_up(alive, settled)
            if not self._refined(best):
                settled.update((id(space), number) for space, number in best)

    def _best_open(
        self, alive: Sequence[Ints], settled: set[tuple[int, int]]
    ) -> list[tuple[SegmentSpace, int]]:
        """Combinations that are not settled, of the best bounds of whole schedules."""
        whole: dict[tuple[int, int], float] = {}
        spaces = {id(space): space for space in self.spaces}
        for edge, rest, combinations in zip(self.edges, self._rest, alive, strict=True):
            values = edge.space.lower()[self._guiding][combinations] + rest[self._guiding]
            for number, value in zip(combinations.tolist(), values.tolist(), strict=True):
                key = (id(edge.space), number)
                if key not in settled:
                    whole[key] = min(value, whole.get(key, value))
        best = sorted(whole, key=lambda key: (whole[key], key[1]))[:MAX_TOGETHER]
        return [(spaces[space], number) for space, number in best]

    def _given_up(self, alive: Sequence[Ints], settled: set[tuple[int, int]]) -> list[Ints]:
        """Only the combinations that are settled; count the others."""
        kept = []
        for edge, combinations in zip(self.edges, alive, strict=True):
            known = [n for n in combinations.tolist() if (id(edge.space), n) in settled]
            self._dropped += len(combinations) - len(known)
            kept.append(np.array(known, dtype=np.int64))
        return kept

    # Schedules along positions

    def _pass(self, alive: Sequence[Ints], most: int) -> list[Prefixes]:
        """Extend prefixes by segments, position by position; give those at every position."""
        self._alive()
        rests = self._rests_of_spaces(alive)
        self._combinations = self._of_spaces(alive)
        num_columns = self.num_layers + 1
        starts = np.arange(self.num_starts)
        places = np.full((self.num_starts, num_columns), -1, dtype=np.int64)
        places[:, 0] = starts
        none = np.zeros_like(starts)
        history = [Prefixes(none * 1.0, none * 1.0, places, none - 1, none, none, starts)]
        by_end: list[list[int]] = [[] for _ in range(num_columns)]
        for number, edge in enumerate(self.edges):
            if len(alive[number]):
                by_end[edge.end].append(number)
        for end in range(1, num_columns):
            self._progress(end, self.num_layers, "pipelines")
            found = [
                extended
                for number in by_end[end]
                for extended in self._extended(history, number, rests)
            ]
            history.append(self._kept(end, join(found), most) if found else _no_prefixes(num_columns))
        return history

    def _of_spaces(self, alive: Sequence[Ints]) -> dict[int, Ints]:
        """Combinations to look at of every space: those of any segment that has it."""
        by_space: dict[int, list[Ints]] = {}
        for edge, combinations in zip(self.edges, alive, strict=True):
            by_space.setdefault(id(edge.space), []).append(combinations)
        return {key: np.unique(np.concatenate(several)) for key, several in by_space.items()}

    def _rests_of_spaces(self, alive: Sequence[Ints]) -> dict[int, LowerBounds]:
        """What the rest of the network costs at least, at all places of equal segments."""
        by_space: dict[int, list[LowerBounds]] = {}
        for edge, rest, combinations in zip(self.edges, self._rest, alive, strict=True):
            if len(combinations):
                by_space.setdefault(id(edge.space), []).append(rest)
        return {key: LowerBounds(*np.array(rests).T) for key, rests in by_space.items()}

    def _extended(
        self,
        history: Sequence[Prefixes],
        number: int,
        rests: dict[int, LowerBounds],
    ) -> list[Prefixes]:
        """Extensions of prefixes by a segment."""
        edge = self.edges[number]
        before = history[edge.begin]
        found = []
        if not len(before.cost):
            return []
        seen = before.places[:, edge.sources]
        for group in groups_of_equal(seen):
            places = tuple(seen[group[0]].tolist())
            key = id(edge.space)
            points = edge.space.points(self._combinations[key], places, rests[key], self.limit)
            extended = self._joined(before, group, number, points)
            kept = self._may_matter(extended, edge.end)
            if kept.any():
                found.append(take(extended, kept))
        return found

    def _joined(
        self, before: Prefixes, group: Ints, number: int, points: SegmentPoints
    ) -> Prefixes:
        edge = self.edges[number]
        num = len(points.cost)
        prev = np.repeat(group, num)
        point = np.tile(np.arange(num), len(group))
        places = before.places[prev]
        for layer, column in edge.outputs:
            places[:, column] = points.memory[point, layer]
        dead = [c for c in range(places.shape[1]) if c not in self.live[edge.end]]
        places[:, dead] = -1
        table = self._numbers.setdefault(id(points), len(self.tables))
        if table == len(self.tables):
            self.tables.append(points)
        return Prefixes(
            before.cost[prev] + points.cost[point],
            before.time[prev] + points.time[point],
            places,
            np.full(len(prev), number),
            np.full(len(prev), table),
            point,
            prev,
        )

    def _whole_bounds(self, found: Prefixes, end: int) -> LowerBounds:
        """Least of whole schedules that begin with prefixes."""
        cost = found.cost + self._onward.cost[end]
        time = found.time + self._onward.time[end]
        mixed = None
        if self._onward.mixed is not None:
            mixed = found.cost + self.weight * found.time + self._onward.mixed[end]
        return LowerBounds(cost, time, mixed)

    def _may_matter(self, found: Prefixes, end: int) -> Bools:
        return self.limit.within(self._whole_bounds(found, end), self.weight)

    def _kept(self, end: int, found: Prefixes, most: int) -> Prefixes:
        """Prefixes that not enough others of equal places beat, at most so many."""
        kept = [
            group[unbeaten(found.cost[group], found.time[group], self.goal.goal, self.goal.num)]
            for group in groups_of_equal(found.places[:, self.live[end]])
        ]
        found = take(found, np.sort(np.concatenate(kept)))
        if len(found.cost) <= most:
            return found
        if most == MAX_PREFIXES:
            self._dropped += len(found.cost) - most
        one, two = self.limit.values(self._whole_bounds(found, end), self.weight)
        return take(found, np.sort(np.lexsort((two, one))[:most]))

    def _lower_limit(self, history: Sequence[Prefixes]) -> None:
        self.limit.lower(history[-1].cost, history[-1].time)

    def _best(self, passes: Sequence[Sequence[Prefixes]]) -> list[tuple[int, list[Chosen]]]:
        """The best whole schedules of some passes, each once."""
        found: dict[tuple[Any, ...], tuple[float, float]] = {}
        for history in passes:
            last = history[-1]
            for index in range(len(last.cost)):
                cost_time = float(last.cost[index]), float(last.time[index])
                found.setdefault(self._trace(history, index), cost_time)
        if not found:
            return []
        return [
            (trace[0], [Chosen(self.edges[edge], row, scheme) for edge, row, scheme in trace[1]])
            for trace in best_of(found, self.goal.goal, self.goal.num)
        ]

    def _trace(self, history: Sequence[Prefixes], index: int) -> tuple[Any, ...]:
        """Start, and the segments with the schedules of their layers, of a whole schedule."""
        chosen = []
        position = self.num_layers
        while position:
            prefixes = history[position]
            edge = int(prefixes.edge[index])
            table = self.tables[int(prefixes.points[index])]
            point = int(prefixes.point[index])
            chosen.append(
                (edge, tuple(table.row[point].tolist()), tuple(table.scheme[point].tolist()))
            )
            position, index = self.edges[edge].begin, int(prefixes.prev[index])
        return index, tuple(chosen[::-1])


def _no_prefixes(num_columns: int) -> Prefixes:
    none = np.zeros(0, dtype=np.int64)
    return Prefixes(
        np.zeros(0), np.zeros(0), np.zeros((0, num_columns), dtype=np.int64), none, none, none, none
    )


