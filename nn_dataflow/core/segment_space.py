# SPDX-License-Identifier: BSD-3-Clause
"""All schedules of a segment: its layers under every combination of constraints.

Decides what a segment costs at least under each combination, and finds the schedules that can be
best for given places of the fmaps that it reads from memory (docs/model/search.md section 7).
Segments of equal layers on equal nodes share a space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import take
from .layer_table import COST, DRAM, TIME, LayerTable, weighted
from .search_limit import LowerBounds
from .segment_states import States, extend, unbeaten_rows, unbeaten_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .layer_table import Schedules
    from .loop_blocking_space import TopLoops
    from .network_step import Step
    from .pipeline_system import ConstraintSystem
    from .search_limit import SearchLimit
    from .segment_states import Role

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

# Partial schedules of a segment under one combination, at most; more are given up and counted.
MAX_STATES = 1 << 12


class SegmentLayer(NamedTuple):
    """One layer of a segment.

    Attributes
    ----------
    step
        Its schedules and the hops from its producers; columns are first the places of what the
        segment reads from memory, then those of its layers' ofmaps on chip.
    role
        What it is in the segment.
    min_hops
        Least word-hops of a pass over the ifmaps, per partition.
    chip, memory
        Place of the ofmaps on chip and in memory per partition; None where they are not needed.
    """

    step: Step
    role: Role
    min_hops: Floats
    chip: Ints | None
    memory: Ints | None


class SegmentGoal(NamedTuple):
    """What the search of segments needs to know of the goal.

    Attributes
    ----------
    goal, num
        What is searched: the `num` best under a goal.
    idle
        Static energy per cycle.
    max_overhead
        Largest time overhead of a segment.
    """

    goal: str
    num: int
    idle: float
    max_overhead: float

    @property
    def cost_first(self) -> bool:
        """Whether less energy of a layer is better, however long it takes."""
        return self.goal == "e" and not self.idle and self.max_overhead == float("inf")


class SegmentPoints(NamedTuple):
    """Schedules of a segment; axis 0 is the schedule."""

    cost: Floats  # (n,) energy with static energy
    time: Ints  # (n,) cycles
    memory: Ints  # (n, k) place of the ofmaps of every layer in memory, or -1
    row: Ints  # (n, k)
    scheme: Ints  # (n, k)


class Combinations:
    """The combinations of constraints of one system, laid out as a grid of symbol values.

    Parameters
    ----------
    system
        Constraints in terms of symbols.

    Attributes
    ----------
    shape
        Number of values per symbol.
    tops
        By layer: distinct requirements on its top level of loops.
    which
        By layer: the requirement in each combination, an array that broadcasts over the grid.
    """

    def __init__(self, system: ConstraintSystem) -> None:
        names = list(system.symbols)
        self.shape = tuple(len(values) for values in system.symbols.values())
        self.tops: list[list[TopLoops]] = []
        self.which: list[Ints] = []
        for terms in (terms for group in system.terms for terms in group):
            own = terms.symbols()
            shape = [n if name in own else 1 for name, n in zip(names, self.shape, strict=True)]
            tops = []
            for index in np.ndindex(*shape):
                picked = zip(names, index, strict=True)
                values = {name: system.symbols[name][n] for name, n in picked}
                tops.append(terms.constraint(values).top_loops())
            distinct = list(dict.fromkeys(tops))
            self.tops.append(distinct)
            self.which.append(np.array([distinct.index(t) for t in tops], int).reshape(shape))

    @property
    def num(self) -> int:
        """Number of combinations."""
        return int(np.prod(self.shape, dtype=np.int64))

    def tops_of(self, combination: int) -> list[TopLoops]:
        """What is required of each layer in a combination."""
        return [
            tops[int(np.broadcast_to(which, self.shape).flat[combination])]
            for tops, which in zip(self.tops, self.which, strict=True)
        ]


class SegmentSpace:
    """All schedules of a segment, or of several that are equal but for names.

    Parameters
    ----------
    layers
        Its layers in scheduling order.
    systems
        Constraints on them; their combinations together are the space.
    num_sources
        Places of fmaps in memory that it reads.
    goal
        What is searched.
    whole_network
        Whether it is all that is on chip, again and again.

    Attributes
    ----------
    grids
        Combinations per system.
    num_dropped
        Partial schedules given up for their number.
    """

    def __init__(
        self,
        layers: Sequence[SegmentLayer],
        systems: Sequence[ConstraintSystem],
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
        self.grids = [Combinations(system) for system in systems]
        self.num_combinations = sum(grid.num for grid in self.grids)
        self.num_dropped = 0
        self.num_groups = sum(role.begins_group for role in self.roles)
        self.weights: tuple[float, ...] = ()
        self._tables: dict[tuple[int, TopLoops], LayerTable] = {}
        self._lower: LowerBounds | None = None
        self._points: dict[object, SegmentPoints] = {}

    def set_weight(self, weight: float) -> None:
        """Bound also the energy plus the time with a weight; forget all bounds so far."""
        self.weight = weight
        self.weights = tuple(dict.fromkeys([self.goal.idle, self.goal.idle + weight]))
        self._tables.clear()
        self._points.clear()
        self._lower = None

    def forget_points(self) -> None:
        """Forget the schedules found, for another limit or other places in the network."""
        self._points.clear()

    def table(self, layer: int, tops: TopLoops) -> LayerTable:
        """Schedules of a layer under a requirement."""
        key = (layer, tops)
        if key not in self._tables:
            one = self.layers[layer]
            self._tables[key] = LayerTable(
                one.step, tops, one.min_hops, self.weights, 1 / self.num_groups
            )
        return self._tables[key]

    def lower(self) -> LowerBounds:
        """Lower bounds of all combinations, those of all systems behind each other."""
        if self._lower is None:
            parts = [self._grid_lower(grid) for grid in self.grids]
            self._lower = LowerBounds(*(np.concatenate(column) for column in zip(*parts)))
        return self._lower

    def _grid_lower(self, grid: Combinations) -> tuple[Floats, Floats, Floats]:
        """Lower bounds of the combinations of a system (energy, time, and weighted sum)."""
        total: Any = 0
        group_time: Any = 0
        longest: Any = 0
        for number, (tops, which) in enumerate(zip(grid.tops, grid.which, strict=True)):
            least = np.array([self.table(number, t).least for t in tops])[which]
            total = total + least
            if self.roles[number].begins_group:
                group_time = 0
            group_time = group_time + least[..., TIME]
            longest = np.maximum(longest, group_time)
        time = np.maximum(longest, total[..., DRAM])
        sums = []
        for number, weight in enumerate(self.weights):
            mixed = weighted(total[..., COST], weight, time)
            for column in self._columns(number):
                mixed = np.maximum(mixed, total[..., column])
            sums.append(np.broadcast_to(mixed, grid.shape).ravel())
        return sums[0], np.broadcast_to(time, grid.shape).ravel(), sums[-1]

    @staticmethod
    def _columns(number: int) -> tuple[int, int]:
        """Columns of a metric with the sum of energy and time of weight `number`."""
        return 3 + 2 * number, 4 + 2 * number

    def _guiding(self) -> int:
        """Column of the layers' metric by which combinations are looked at first."""
        return TIME if self.goal.goal == "d" else self._columns(len(self.weights) - 1)[0]

    def combination(self, number: int) -> tuple[int, int]:
        """System, and combination of it, of a combination of the whole space."""
        for system, grid in enumerate(self.grids):
            if number < grid.num:
                return system, number
            number -= grid.num
        raise IndexError(number)

    def refine(self, number: int) -> bool:
        """Look closer at the layers of a combination; say whether its bounds may have risen."""
        system, combination = self.combination(number)
        tops_of = self.grids[system].tops_of(combination)
        tables = [self.table(layer, tops) for layer, tops in enumerate(tops_of)]
        changed = any([table.refine(self._guiding(), search=False) for table in tables])
        changed = changed or any(table.refine(self._guiding(), search=True) for table in tables)
        if changed:
            self._lower = None
        return changed

    def points(
        self, number: int, places: tuple[int, ...], rest: LowerBounds, limit: SearchLimit
    ) -> SegmentPoints:
        """Schedules of a combination that can be best.

        Parameters
        ----------
        number
            The combination.
        places
            Where the fmaps lie that the segment reads from memory.
        rest, limit
            What layers outside of the segment cost at least, (r,) for several positions in the
            network; schedules beyond the limit at all of them are left out.
        """
        key = (number, places)
        if key not in self._points:
            self._points[key] = self._find_points(number, places, _Allowance(self, rest, limit))
        return self._points[key]

    def _find_points(
        self, number: int, places: tuple[int, ...], allowance: _Allowance
    ) -> SegmentPoints:
        system, combination = self.combination(number)
        tables = [
            self.table(layer, tops)
            for layer, tops in enumerate(self.grids[system].tops_of(combination))
        ]
        least = np.array([table.least for table in tables])
        states = States.start(len(self.layers))
        for position, table in enumerate(tables):
            others = np.delete(least, position, axis=0)
            schedules = table.search(lambda own: allowance.metric(own, others))
            later = least[position + 1 :].sum(axis=0)
            states = self._extended(states, position, schedules, places)
            states = take(states, allowance.partial(states, later))
            states = self._unbeaten(states, position)
            if not len(states.cost):
                break
        return self._finished(states)

    def _extended(
        self, states: States, position: int, schedules: Schedules, places: tuple[int, ...]
    ) -> States:
        """Extend all states by all schedules of a layer that can be best for their places."""
        layer = self.layers[position]
        space = layer.step.space
        part = space.row_part[schedules.row]
        at = [
            np.full(len(states.cost), places[column])
            if column < self.num_sources
            else states.chip[:, column - self.num_sources]
            for column in layer.step.sources
        ]
        seen, which = _distinct(np.stack(at, axis=1) if at else np.zeros((len(states.cost), 0)))
        found: list[tuple[Ints, Ints, Floats]] = []
        for number, sources in enumerate(seen.tolist()):
            hops = layer.step.ifmap_hops([int(place) for place in sources])
            energy = schedules.cost + space.setting.cost.noc_hop * schedules.scale * hops[part]
            kept = self._unbeaten_schedules(position, schedules, part, energy)
            own = np.flatnonzero(which == number)
            found.append(
                (np.repeat(own, len(kept)), np.tile(kept, len(own)), np.tile(energy[kept], len(own)))
            )
        old, new, energy = (np.concatenate(column) for column in zip(*found, strict=True))
        return extend(
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

    def _unbeaten_schedules(
        self, position: int, schedules: Schedules, part: Ints, energy: Floats
    ) -> Ints:
        """Schedules of a layer that can be best from given places, whatever the other layers do."""
        layer = self.layers[position]
        equal = [np.zeros_like(schedules.bat)]
        if len(self.layers) > 1:
            equal.append(schedules.bat)
        if layer.role.producers:
            equal.append(schedules.ifm if layer.role.is_conv else schedules.ofm)
        if layer.role.last_use >= 0:
            equal.append(schedules.ofm)
        equal += [place[part] for place in (layer.chip, layer.memory) if place is not None]
        less = [schedules.time, schedules.dram]
        if self._has_limit:
            less.append(-np.maximum(schedules.node, schedules.dram))
        return unbeaten_rows(
            np.stack(equal, axis=1),
            energy,
            np.stack(less, axis=1),
            cost_first=self.goal.cost_first,
            num=self.goal.num,
        )

    @property
    def _has_limit(self) -> bool:
        return self.goal.max_overhead < float("inf")

    def _unbeaten(self, states: States, position: int) -> States:
        states = unbeaten_states(
            states,
            position,
            self.roles,
            cost_first=self.goal.cost_first,
            slack=self._has_limit,
            num=self.goal.num,
        )
        if len(states.cost) > MAX_STATES:
            self.num_dropped += len(states.cost) - MAX_STATES
            best = np.argsort(states.cost, kind="stable")[:MAX_STATES]
            states = take(states, np.sort(best))
        return states

    def _finished(self, states: States) -> SegmentPoints:
        """Charge static energy for the time of the segment; drop what has too much overhead."""
        time = states.time(whole_network=self.whole_network)
        if self._has_limit and len(self.layers) > 1:
            segment_time = states.time(whole_network=False)
            most = (1 + self.goal.max_overhead) * states.alone
            kept = segment_time <= most * (1 + 1e-9)
            states, time = take(states, kept), time[kept]
        cost = states.cost + self.goal.idle * time
        kept_rows = unbeaten_rows(
            states.memory,
            cost,
            time[:, None],
            cost_first=self.goal.goal == "e",
            num=self.goal.num,
        )
        states = take(states, kept_rows)
        return SegmentPoints(
            cost[kept_rows], time[kept_rows], states.memory, states.row, states.scheme
        )


class _Allowance:
    """What schedules of a segment may cost, given what is outside of it."""

    def __init__(self, space: SegmentSpace, rest: LowerBounds, limit: SearchLimit) -> None:
        self.space = space
        self.rest = rest
        self.limit = limit

    def metric(self, own: Floats, others: Floats) -> Bools:
        """Which schedules of a layer may matter, from metrics (n, k) and those of other layers."""
        total = own + others.sum(axis=0)
        time = np.maximum(np.maximum(own[:, TIME], others[:, TIME].max(initial=0)), total[:, DRAM])
        sums = []
        for number, weight in enumerate(self.space.weights):
            mixed = weighted(total[:, COST], weight, time)
            for column in self.space._columns(number):  # noqa: SLF001 (of this module)
                mixed = np.maximum(mixed, total[:, column])
            sums.append(mixed)
        return self._any_within(sums[0], time, sums[-1])

    def partial(self, states: States, later: Floats) -> Bools:
        """Which partial schedules may matter, with the least metric of the layers to come."""
        cost = states.cost + later[COST]
        time = np.maximum(states.busy_time(), states.dram + later[DRAM])
        ends = self.space.weights[0], self.space.weights[-1]
        one, two = (weighted(cost, weight, time) for weight in ends)
        return self._any_within(one, time, two)

    def _any_within(self, cost: Floats, time: Any, mixed: Floats) -> Bools:
        weight = self.space.weight
        rest = self.rest
        whole = LowerBounds(
            cost[:, None] + rest.cost,
            time[:, None] + rest.time,
            None if rest.mixed is None else mixed[:, None] + rest.mixed,
        )
        within: Bools = self.limit.within(whole, weight).any(axis=1)
        return within


def _distinct(columns: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """Distinct rows, and which of them every row is."""
    if not columns.shape[1]:
        return columns[:1], np.zeros(len(columns), dtype=np.int64)
    rows, which = np.unique(columns, axis=0, return_inverse=True)
    return rows, which.reshape(-1)


