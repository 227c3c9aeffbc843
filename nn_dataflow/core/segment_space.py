# SPDX-License-Identifier: BSD-3-Clause
"""All schedules of a segment: its layers under every combination of constraints.

Decides what a segment costs at least under each combination, and finds the schedules that can be
best for given places of the fmaps that it reads from memory (docs/model/search.md section 6.2).
Segments of equal layers on equal nodes share a space.
"""

from __future__ import annotations

from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import distinct_rows, join, take
from .layer_table import NO_SCHEDULES, weighted
from .segment_bounds import SegmentBounds
from .segment_query import MAX_STATES
from .segment_states import States, extend, unbeaten_rows, unbeaten_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from .constraint_grid import ConstraintGrid
    from .layer_table import LayerTable, Schedules
    from .segment_bounds import SegmentGoal, SegmentLayer
    from .segment_query import SegmentQuery
    from .workers import Workers

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]
    Places = tuple[int, ...]

# Places of the fmaps that a segment reads, for which it is searched together.
PLACES_TOGETHER = 16

# Extensions of partial schedules for which places are searched together; beyond, by halves.
MAX_TOGETHER = 1 << 16


class SegmentPoints(NamedTuple):
    """Schedules of a segment; axis 0 is the schedule."""

    origin: Ints  # (n,) number of the places of the fmaps that it reads
    cost: Floats  # (n,) energy with static energy
    time: Ints  # (n,) cycles
    memory: Ints  # (n, k) place of the ofmaps of every layer in memory, or -1
    row: Ints  # (n, k)
    scheme: Ints  # (n, k)


class FoundPoints(NamedTuple):
    """Schedules of a segment for several places.

    Attributes
    ----------
    points
        The schedules for each of the places.
    num_dropped
        Partial schedules given up for their number.
    hops
        Hops of its layers' ifmaps that were found on the way.
    """

    points: list[tuple[Places, SegmentPoints]]
    num_dropped: int
    hops: list[dict[Any, Floats]]


class _System(NamedTuple):
    """A system of constraints as far as it is asked for.

    Attributes
    ----------
    grid, is_alive
        The system, and which of its combinations are looked at.
    query, workers
        What is asked for, and where array mappings are searched.
    """

    grid: ConstraintGrid
    is_alive: Bools
    query: SegmentQuery
    workers: Workers


class SegmentSpace:
    """All schedules of a segment, or of several that are equal but for names.

    Parameters
    ----------
    layers
        Its layers in scheduling order.
    grids
        Constraints on them; their combinations together are the space.
    num_sources
        Places of fmaps in memory that it reads.
    goal
        What is searched.
    whole_network
        Whether it is all that is on chip, again and again.

    Attributes
    ----------
    bounds
        Least costs of all combinations.
    num_dropped
        Partial schedules given up for their number.
    together
        Places for which it is best searched together.
    """

    def __init__(
        self,
        layers: Sequence[SegmentLayer],
        grids: Sequence[ConstraintGrid],
        num_sources: int,
        goal: SegmentGoal,
        *,
        whole_network: bool,
    ) -> None:
        self.layers = layers
        self.roles = [layer.role for layer in layers]
        self.num_sources = num_sources
        self.goal = goal
        self.whole_network = whole_network
        self.grids = grids
        self.num_dropped = 0
        self.together = PLACES_TOGETHER
        self.bounds = SegmentBounds(layers, grids, goal)
        self._points: dict[tuple[int, ...], SegmentPoints] = {}
        self._within: dict[tuple[int, int], Schedules] = {}

    def forget_points(self) -> None:
        """Forget the schedules found, for other places of the segment in the network."""
        self._points.clear()
        self._within.clear()

    # Schedules

    def points(
        self, places: Sequence[Places], query: SegmentQuery, workers: Workers
    ) -> list[SegmentPoints]:
        """Schedules that can be best, for each of several places.

        Parameters
        ----------
        places
            Where the fmaps lie that the segment reads from memory.
        query
            What is asked for.
        workers
            Where array mappings are searched.
        """
        unknown = self.unknown(places)
        while unknown:
            together, unknown = unknown[: self.together], unknown[self.together :]
            self.keep(self.find(together, query, workers))
        return [self._points[own] for own in places]

    def unknown(self, places: Iterable[Places]) -> list[Places]:
        """Places for which schedules were not found yet."""
        return [own for own in dict.fromkeys(places) if own not in self._points]

    def prepare(self, query: SegmentQuery, workers: Workers) -> None:
        """Find all schedules of layers that `find` needs."""
        for system in self._systems(query, workers):
            for position in range(len(self.layers)):
                self._schedules(system, position)

    def find(self, places: Sequence[Places], query: SegmentQuery, workers: Workers) -> FoundPoints:
        """Find the schedules for several places, which `keep` then makes known."""
        num_known = [len(hops) for hops in self._hops_found()]
        columns = np.array(places, dtype=np.int64)
        several = [self._find_points(system, columns) for system in self._systems(query, workers)]
        points = self._best_points(join([points for points, _ in several]))
        points = take(points, np.argsort(points.origin, kind="stable"))
        ends = np.searchsorted(points.origin, np.arange(len(places) + 1)).tolist()
        return FoundPoints(
            [
                (own, take(points, slice(begin, end)))
                for own, (begin, end) in zip(places, pairwise(ends), strict=True)
            ],
            sum(num_dropped for _, num_dropped in several),
            [
                dict(islice(hops.items(), num, None))
                for hops, num in zip(self._hops_found(), num_known, strict=True)
            ],
        )

    def keep(self, found: FoundPoints) -> None:
        """Make known what was found, here or in another process."""
        self._points.update(found.points)
        self.num_dropped += found.num_dropped
        for known, hops in zip(self._hops_found(), found.hops, strict=True):
            known.update(hops)

    def _hops_found(self) -> list[dict[Any, Floats]]:
        """What is noted of the hops of all layers' ifmaps."""
        return [hops for layer in self.layers for hops in layer.step.hops_found()]

    def _systems(self, query: SegmentQuery, workers: Workers) -> Iterator[_System]:
        """Systems with combinations to look at."""
        begin = 0
        for grid in self.grids:
            is_alive = np.isin(np.arange(begin, begin + grid.num), query.alive)
            begin += grid.num
            if is_alive.any():
                yield _System(grid, is_alive.reshape(grid.shape), query, workers)

    def _find_points(self, system: _System, places: Ints) -> tuple[SegmentPoints, int]:
        """Schedules under the combinations of one system, and how many were given up.

        Where there are several places, and too many extensions of partial schedules, by halves.
        """
        try:
            return self._points_together(system, places)
        except _TooManyError:
            half = len(places) // 2
            self.together = min(self.together, half)
            one, num_one = self._find_points(system, places[:half])
            two, num_two = self._find_points(system, places[half:])
            return join([one, two._replace(origin=two.origin + half)]), num_one + num_two

    def _points_together(self, system: _System, places: Ints) -> tuple[SegmentPoints, int]:
        """Schedules under the combinations of one system, and how many were given up.

        Raises
        ------
        _TooManyError
            If there are several places, and too many extensions of partial schedules.
        """
        grid, query = system.grid, system.query
        num_dropped = 0
        states = States.start(len(self.layers), len(grid.shape), len(places))
        for position in range(len(self.layers)):
            schedules = self._schedules(system, position)
            states = self._extended(states, position, schedules, grid, places)
            later = self._later(grid, position, states)
            states = take(states, query.of_states(self.bounds, states, later))
            states = self._unbeaten(states, position, grid)
            kept = self._best_states(states, query.most)
            num_dropped += (len(states.cost) - len(kept)) * (query.most == MAX_STATES)
            states = take(states, kept)
            if not len(states.cost):
                break
        return self._finished(states), num_dropped

    def _schedules(self, system: _System, position: int) -> Schedules:
        """Schedules of a layer, under all values of its symbols, that may be within the limit.

        They do not depend on where the fmaps lie, so they are found once.
        """
        key = (self.grids.index(system.grid), position)
        if key not in self._within:
            self._within[key] = self._find_schedules(system, position)
        return self._within[key]

    def _find_schedules(self, system: _System, position: int) -> Schedules:
        grid, is_alive = system.grid, system.is_alive
        total, longest = self.bounds.totals(grid)
        with np.errstate(invalid="ignore"):  # what is not alive may be infinite
            rest = total - self.bounds.least(grid, position)
        others = grid.least_of(position, np.where(is_alive[..., None], rest, np.inf))
        times = grid.least_of(position, np.where(is_alive, longest, np.inf))
        wanted: list[tuple[int, LayerTable, Callable[[Floats], Bools]]] = []
        for value, tops in grid.values_of(position):
            if np.isfinite(times[value]):
                may_matter = partial(
                    system.query.of_layer,
                    self.bounds,
                    others=others[value],
                    longest=float(times[value]),
                )
                wanted.append((value, self.bounds.table(position, tops), may_matter))
        system.workers.search([job for _, table, within in wanted for job in table.jobs(within)])
        found = [NO_SCHEDULES]
        for value, table, within in wanted:
            own = table.search(within)
            found.append(own._replace(value=np.full(len(own.cost), value)))
        return join(found)

    def _later(self, grid: ConstraintGrid, position: int, states: States) -> Floats:
        """Least metric of all layers behind a position, for the symbol values of states."""
        total: Any = np.zeros((*(1,) * len(grid.shape), self.bounds.num_columns))
        for number in range(position + 1, len(self.layers)):
            total = total + self.bounds.least(grid, number)
        return grid.pick(total, states.symbols)

    def _extended(
        self,
        states: States,
        position: int,
        schedules: Schedules,
        grid: ConstraintGrid,
        places: Ints,
    ) -> States:
        """Extend all states by all schedules of a layer that can be best for their places."""
        layer = self.layers[position]
        space = layer.step.space
        part = space.row_part[schedules.row]
        sources = layer.step.sources
        at = [
            places[states.origin, column]
            if column < self.num_sources
            else states.chip[:, column - self.num_sources]
            for column in sources
        ]
        axes = grid.axes[position]
        columns = np.stack([*at, *states.symbols[:, axes].T, np.zeros(len(states.cost), int)], 1)
        values = grid.symbols_of(position, schedules.value)
        first, which = distinct_rows(columns)
        seen = columns[first]
        seen_by = [_NO_CHOICES]
        layer.step.find_hops(map(tuple, seen[:, : len(sources)].tolist()))
        for number, row in enumerate(seen.tolist()):
            hops = layer.step.ifmap_hops(row[: len(sources)])
            known = np.array(row[len(sources) : -1], dtype=np.int64)
            fits = np.flatnonzero(((known < 0) | (values[:, axes] == known)).all(axis=1))
            moves = schedules.scale[fits] * hops[part[fits]]
            cost = schedules.cost[fits] + space.setting.cost.noc_hop * moves
            seen_by.append(_Choices(np.full(len(fits), number), fits, cost))
        choices = join(seen_by)
        choices = take(choices, self._unbeaten_schedules(position, schedules, part, choices))
        old, chosen = _pairs(which, choices.seen, len(seen))
        if len(old) > MAX_TOGETHER and len(places) > 1:
            raise _TooManyError
        new, energy = choices.schedule[chosen], choices.energy[chosen]
        extended = extend(
            states,
            position,
            self.roles,
            schedules,
            energy,
            (
                None if layer.chip is None else layer.chip[part],
                None if layer.memory is None else layer.memory[part],
            ),
            (old, new),
        )
        symbols = np.where(extended.symbols < 0, values[new], extended.symbols)
        return extended._replace(symbols=symbols)

    def _unbeaten_schedules(
        self, position: int, schedules: Schedules, part: Ints, choices: _Choices
    ) -> Ints:
        """Choices that can be best from their places, whatever the other layers do."""
        layer = self.layers[position]
        own, part = take(schedules, choices.schedule), part[choices.schedule]
        equal = [choices.seen, own.value]
        if len(self.layers) > 1:
            equal.append(own.bat)
        if layer.role.producers:
            equal.append(own.ifm if layer.role.is_conv else own.ofm)
        if layer.role.last_use >= 0:
            equal.append(own.ofm)
        equal += [place[part] for place in (layer.chip, layer.memory) if place is not None]
        less = [own.time, own.dram]
        if self._has_limit:
            less.append(-np.maximum(own.node, own.dram))
        return unbeaten_rows(
            np.stack(equal, axis=1),
            choices.energy,
            np.stack(less, axis=1),
            cost_first=self.goal.cost_first,
            num=self.goal.num,
        )

    @property
    def _has_limit(self) -> bool:
        return bool(self.goal.max_overhead < float("inf"))

    def _unbeaten(self, states: States, position: int, grid: ConstraintGrid) -> States:
        states = states._replace(symbols=grid.still_needed(position, states.symbols))
        return unbeaten_states(
            states,
            position,
            self.roles,
            cost_first=self.goal.cost_first,
            slack=self._has_limit,
            num=self.goal.num,
        )

    def _best_states(self, states: States, most: int) -> Ints:
        """The `most` partial schedules of the best metric for each of the places."""
        if len(states.cost) <= most:
            return np.arange(len(states.cost))
        order = np.lexsort((self._metric(states), states.origin))
        origin = states.origin[order]
        rank = np.arange(len(order)) - np.searchsorted(origin, origin)
        return np.sort(order[rank < most])

    def _metric(self, states: States) -> Floats:
        """Energy, time or their weighted sum of partial schedules, by the goal."""
        time = states.busy_time().astype(float)
        if self.goal.goal == "d":
            return time
        return weighted(states.cost, self.bounds.weights[-1], time)

    def _finished(self, states: States) -> SegmentPoints:
        """Charge static energy for the time of the segment; drop what has too much overhead."""
        time = states.time(whole_network=self.whole_network)
        if self._has_limit and len(self.layers) > 1:
            segment_time = states.time(whole_network=False)
            most = (1 + self.goal.max_overhead) * states.alone
            kept = segment_time <= most * (1 + 1e-9)
            states, time = take(states, kept), time[kept]
        cost = states.cost + self.goal.idle * time
        return SegmentPoints(states.origin, cost, time, states.memory, states.row, states.scheme)

    def _best_points(self, points: SegmentPoints) -> SegmentPoints:
        """Schedules that not enough others with equal places beat, equal ones once."""
        first, _ = distinct_rows(
            np.concatenate([points.origin[:, None], points.row, points.scheme], 1)
        )
        points = take(points, np.sort(first))
        kept = unbeaten_rows(
            np.concatenate([points.origin[:, None], points.memory], 1),
            points.cost,
            points.time[:, None],
            cost_first=self.goal.goal == "e",
            num=self.goal.num,
        )
        return take(points, kept)


class _TooManyError(Exception):
    """Too many partial schedules to extend those of several places together."""


class _Choices(NamedTuple):
    """Schedules of a layer for states that are alike in what it sees; axis 0 is the choice."""

    seen: Ints  # (c,) number of the places and symbols that it sees
    schedule: Ints  # (c,)
    energy: Floats  # (c,) including the hops of the ifmaps


_NO_CHOICES = _Choices(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _pairs(which: Ints, seen: Ints, num: int) -> tuple[Ints, Ints]:
    """All pairs of states that see `which` (m,) and choices for what is `seen` (c,), of `num`.

    Returns
    -------
    int arrays (pairs,)
        States, and choices, ordered by what is seen, then by state.
    """
    states = np.argsort(which, kind="stable")
    begin = np.searchsorted(seen, np.arange(num + 1))
    count = np.diff(begin)[which[states]]
    first = begin[which[states]]
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(states, count), np.repeat(first, count) + offset
