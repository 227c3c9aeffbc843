# SPDX-License-Identifier: BSD-3-Clause
"""Search for the best schedules of a network over all its segments.

Decides which partial schedules are kept (docs/model/search.md section 6.2). A schedule is a path
over positions in the scheduling order, each segment an edge. The best schedules along the likely
path give a limit, and whatever may still be within the limit, together with the least that the rest
of the network costs, is searched.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import join, keys_of, take
from .network_search import MAX_PREFIXES
from .search_limit import LowerBounds, NearLimit, SearchLimit, best_of
from .segment_paths import MAX_SEARCHED, SegmentPaths
from .segment_query import SegmentQuery
from .unbeaten import groups_of_equal, unbeaten
from .workers import MIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .search_effort import SearchEffort
    from .segment_bounds import SegmentGoal
    from .segment_builder import Placed
    from .segment_space import FoundPoints, SegmentPoints, SegmentSpace
    from .workers import Workers

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Places = tuple[int, ...]


class Find(NamedTuple):
    """How schedules of segments are found.

    Attributes
    ----------
    query
        What is asked for.
    points
        Finds the schedules for each of several places of the fmaps that a segment reads.
    """

    query: Callable[[SegmentSpace], SegmentQuery]
    points: Callable[[Placed, Sequence[Places]], list[SegmentPoints]]


# Prefixes kept per position by passes that look for a better limit.
GUIDED_PREFIXES = 16

# Prefixes kept per position by the first pass, and partial schedules in a segment.
FIRST_PREFIXES = 4
FIRST_STATES = 1 << 8

# How far above the lower bound of a segment the first pass looks at first, relatively.
FIRST_SHARE = 1 / 32

# Combinations of constraints of segments that such a pass looks at, and the last one, at most.
GUIDED_COMBINATIONS = 1 << 10
MAX_COMBINATIONS = 1 << 12


# What the rest of a network costs that is nothing but the segment.
NOTHING = LowerBounds(*np.zeros((3, 1)))


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
        Combinations, partial schedules of segments and prefixes given up for their number, though
        they may be as good as what was found.
    least_known
        Lower bound on the value of all schedules, of the last time when it was looked for.
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
        self.limit = SearchLimit(goal.goal, goal.num)
        if known:
            cost, time = np.array(known, dtype=float).T
            self.limit.lower(cost, time)
        self.paths = SegmentPaths(edges, num_layers, self.limit, workers)
        self.tables: list[SegmentPoints] = []
        self._numbers: dict[int, int] = {}
        self._dropped = self._num_given_up = 0
        self.least_known = 0.0
        self._passes: list[list[Prefixes]] = []
        self._combinations: dict[int, Ints] = {}
        self._rests: dict[int, LowerBounds] = {}
        self._shares: dict[int, float] = {}
        self._seconds = [0.0] * (num_layers + 1)
        self._within = Find(self._query, self._points)

    @property
    def num_dropped(self) -> int:
        """Prefixes and partial schedules given up, without a proof that they are of no use."""
        inside = sum(space.num_dropped for space in self.paths.spaces)
        return self._dropped + self._num_given_up + inside

    def least_value(self) -> float:
        """Lower bound on the value of all schedules under the goal."""
        return self.paths.least_keys()[0]

    def run(self, progress: Callable[[int, int, str], None]) -> list[tuple[int, list[Chosen]]]:
        """Find the best schedules: place of the input and segments in order, best first.

        `progress` is told of each position in the scheduling order that is reached.
        """
        self._progress = progress
        self._bound()
        likely = self.paths.likely()
        self._bound()
        if not any(map(len, likely)):
            return []
        near = Find(self._near_query, self._near_points)
        first = self._pass(likely, FIRST_PREFIXES, near)
        self._lower_limit(first)
        self._passes.append(first)
        searched = [np.zeros(0, dtype=np.int64)] * len(self.edges)
        if self.paths.num_searched <= MAX_SEARCHED or not len(first[-1].cost):
            self._passes.append(self._pass(likely, GUIDED_PREFIXES, self._within))
            self._lower_limit(self._passes[-1])
            searched = self._closer_passes()
        still = zip(self.paths.alive(), searched, strict=True)
        self._num_given_up = _count([np.setdiff1d(*both) for both in still])
        return self.found()

    def _bound(self) -> None:
        """Note a lower bound, for a search that is interrupted later."""
        self.least_known = max(self.least_known, self.least_value())

    def found(self) -> list[tuple[int, list[Chosen]]]:
        """Return the best schedules of the passes that are finished, as `run` does of all."""
        return self._best(self._passes)

    def _closer_passes(self) -> list[Ints]:
        """Search all that may be within the limit; say which combinations those were."""
        settled = self.paths.settled()
        self._bound()
        few = self.paths.best(settled, GUIDED_COMBINATIONS)
        guided = self._pass(few, GUIDED_PREFIXES, self._within)
        self._passes.append(guided)
        self._lower_limit(guided)
        many = few
        if _count(few) < _count(settled):
            both = zip(settled, self.paths.alive(), strict=True)
            many = self.paths.best([np.intersect1d(*pair) for pair in both], MAX_COMBINATIONS)
        exact = self._pass(many, MAX_PREFIXES, self._within)
        self._passes.append(exact)
        self._lower_limit(exact)
        return many

    def count(self, effort: SearchEffort) -> None:
        """Add what was looked at."""
        effort.segments += sum(len(edge.space.layers) > 1 for edge in self.edges)
        several = [space for space in self.paths.spaces if len(space.layers) > 1]
        effort.combinations += sum(len(space.bounds.lower().cost) for space in several)
        effort.combinations_searched += sum(
            len(self._combinations.get(id(space), ())) for space in several
        )
        effort.prefixes_dropped += self.num_dropped

    def _pass(self, alive: Sequence[Ints], most: int, find: Find) -> list[Prefixes]:
        """Extend prefixes by segments, position by position; give those at every position.

        Parameters
        ----------
        alive
            Combinations to look at, per segment.
        most
            Prefixes kept per position.
        find
            How schedules of segments are found.
        """
        before, self._combinations = self._combinations, self._of_spaces(alive)
        self._rests = self._rests_of_spaces(alive)
        for space in self.paths.spaces:
            key = id(space)
            # With fewer or as many combinations, and a lower limit, what was found holds still.
            if not np.isin(self._combinations[key], before.get(key, ())).all() or self._shares:
                space.forget_points()
        self._shares.clear()
        num_columns = self.num_layers + 1
        starts = np.arange(self.num_starts)
        places = np.full((self.num_starts, num_columns), -1, dtype=np.int64)
        places[:, 0] = starts
        none = np.zeros_like(starts)
        history = [Prefixes(none * 1.0, none * 1.0, places, none - 1, none, none, starts)]
        several = [number for number, combinations in enumerate(alive) if len(combinations)]
        for end in range(1, num_columns):
            self._progress(end, self.num_layers, "pipelines")
            self._search_ahead(history[-1], end - 1, several, find)
            found = [
                extended
                for number in several
                if self.edges[number].end == end
                for extended in self._extended(history, number, find)
            ]
            history.append(
                self._kept(end, join(found), most) if found else _no_prefixes(num_columns)
            )
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
        for edge, rest, combinations in zip(self.edges, self.paths.rest, alive, strict=True):
            if len(combinations):
                by_space.setdefault(id(edge.space), []).append(rest)
        return {key: LowerBounds(*np.array(rests).T) for key, rests in by_space.items()}

    def _extended(
        self,
        history: Sequence[Prefixes],
        number: int,
        find: Find,
    ) -> list[Prefixes]:
        """Extensions of prefixes by a segment."""
        edge = self.edges[number]
        before = history[edge.begin]
        groups, places = _places_read(edge, before)
        found = []
        for group, points in zip(groups, find.points(edge, places), strict=True):
            extended = self._joined(before, group, number, points)
            kept = self.limit.within(self._whole_bounds(extended, edge.end), self.paths.weight)
            if kept.any():
                found.append(take(extended, kept))
        return found

    def _search_ahead(
        self, before: Prefixes, begin: int, numbers: Sequence[int], find: Find
    ) -> None:
        """Find the schedules of segments that begin at a position in several processes, if any."""
        workers = self.paths.workers
        if not workers.may_fork:
            return
        start = time.perf_counter()
        wanted: dict[SegmentSpace, dict[Places, None]] = {}
        queries = {}
        for edge in (self.edges[number] for number in numbers):
            _, places = _places_read(edge, before) if edge.begin == begin else ([], [])
            if places:
                wanted.setdefault(edge.space, {}).update(dict.fromkeys(places))
                queries[edge.space] = find.query(edge.space)
        items: list[tuple[SegmentSpace, Sequence[Places]]] = []
        for space, own in wanted.items():
            unknown = space.unknown(own)
            # The first one tells how long the others take, so it is a small one.
            ends = [0, 1] if unknown and not items else [0]
            ends += range(ends[-1], len(unknown), workers.share_of(space.together))[1:]
            items += [(space, unknown[i:j]) for i, j in pairwise([*ends, len(unknown)]) if i < j]

        def prepare(items: Sequence[tuple[SegmentSpace, Sequence[Places]]]) -> None:
            for space in {space: None for space, _ in items}:
                space.prepare(queries[space], workers)

        def search(item: tuple[SegmentSpace, Sequence[Places]]) -> FoundPoints:
            space, places = item
            return space.find(places, queries[space], workers)

        # What took long in the pass before will again.
        is_long = self._seconds[begin] > MIN_SECONDS
        several = workers.each(search, items, prepare, is_long=is_long)
        for (space, _), found in zip(items, several, strict=True):
            space.keep(found)
        self._seconds[begin] = time.perf_counter() - start

    def _query(self, space: SegmentSpace) -> SegmentQuery:
        """Ask for the schedules of a segment that may be within the limit."""
        key = id(space)
        return SegmentQuery(self._combinations[key], self._rests[key], self.limit)

    def _near_query(self, space: SegmentSpace) -> SegmentQuery:
        """Ask for the schedules of a segment that are close to its lower bound."""
        column, combinations = self.paths.guiding, self._combinations[id(space)]
        least = float(space.bounds.lower()[column][combinations].min())
        share = self._shares.setdefault(id(space), FIRST_SHARE)
        limit = NearLimit(column, least * (1 + share))
        return SegmentQuery(combinations, NOTHING, limit, FIRST_STATES)

    def _points(self, edge: Placed, places: Sequence[Places]) -> list[SegmentPoints]:
        """Schedules of a segment that may be within the limit, for each of several places."""
        return edge.space.points(places, self._query(edge.space), self.paths.workers)

    def _near_points(self, edge: Placed, places: Sequence[Places]) -> list[SegmentPoints]:
        """Schedules of a segment that are close to its lower bound.

        The closer, the fewer there are to look at; so how close is doubled until there are any.
        """
        space = edge.space
        while True:
            points = space.points(places, self._near_query(space), self.paths.workers)
            share = self._shares[id(space)]
            if all(len(own.cost) for own in points) or share > 1:
                return points
            self._shares[id(space)] = 2 * share
            space.forget_points()

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
        onward = self.paths.onward
        return LowerBounds(
            found.cost + onward.cost[end],
            found.time + onward.time[end],
            found.cost + self.paths.weight * found.time + onward.mixed[end],
        )

    def _kept(self, end: int, found: Prefixes, most: int) -> Prefixes:
        """Prefixes that not enough others of equal places beat, at most so many."""
        group, goal = keys_of(found.places[:, self.live[end]]), self.goal
        found = take(found, unbeaten(group, found.cost, found.time, goal.goal, goal.num))
        if len(found.cost) <= most:
            return found
        if most == MAX_PREFIXES:
            self._dropped += len(found.cost) - most
        one, two = self.limit.values(self._whole_bounds(found, end), self.paths.weight)
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


def _places_read(edge: Placed, before: Prefixes) -> tuple[list[Ints], list[Places]]:
    """Prefixes with the fmaps that a segment reads at the same places, and these places."""
    if not len(before.cost):
        return [], []
    seen = before.places[:, edge.sources]
    groups = groups_of_equal(seen)
    return groups, [tuple(seen[group[0]].tolist()) for group in groups]


def _count(combinations: Sequence[Ints]) -> int:
    return sum(map(len, combinations))


def _no_prefixes(num_columns: int) -> Prefixes:
    none = np.zeros(0, dtype=np.int64)
    return Prefixes(
        np.zeros(0), np.zeros(0), np.zeros((0, num_columns), dtype=np.int64), none, none, none, none
    )
