# SPDX-License-Identifier: BSD-3-Clause
"""Search for the best schedules of a network, layer by layer in scheduling order.

Decides which partial schedules are kept (docs/model/search.md section 6). A prefix matters only
through its energy, its time and where the fmaps lie that later layers still need, so of the
prefixes with equal places only those that no other beats are kept. A first pass keeps just the
best few, whatever their places; what it finds limits what is looked at after that: a schedule of
a layer, or a prefix, is dropped if with the least that all other layers can cost it exceeds the
limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import join, keys_of, take
from .network_bounds import Factor, NetworkBounds
from .ranking import TIE, goal_order
from .search_limit import BoundLines, SearchLimit, best_of, least_product
from .unbeaten import groups_of_equal, unbeaten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .layer_space import Choices
    from .network_bounds import Messages
    from .network_step import Step
    from .workers import Workers

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Trace = tuple[int, list[tuple[int, int]]]

# Most prefixes kept after a layer. Beyond, the worst by their bounds are given up and counted.
MAX_PREFIXES = 1 << 12

# Extensions of prefixes that are laid out together, at most, before bounds thin them out.
MAX_BLOCK = 1 << 16

# Weights of the time in sums with the energy that are bounded for goal 'ed'.
MAX_WEIGHTS = 16

# Prefixes kept by the pass that looks for a better limit.
GUIDED_PREFIXES = 16

# Array mappings of a layer that are searched before all bounds are found again: so many, or this
# share of those that may matter, and twice the share of the time before: where the first ones did
# not exclude the others, these will hardly do.
SEARCHED_TOGETHER = 64
SHARE_TOGETHER = 1 / 8


class Prefixes(NamedTuple):
    """Partial schedules in candidate order; axis 0 is the prefix."""

    cost: Floats  # (m,)
    time: Ints  # (m,)
    places: Ints  # (m, columns) where fmaps lie that later layers need
    prev: Ints  # (m,) prefix that it extends
    row: Ints  # (m,) row of the layer's space
    point: Ints  # (m,) scheme of the row


class NetworkSearch:
    """Search over the steps of a network.

    Parameters
    ----------
    steps
        Layers in scheduling order.
    num_starts
        Places of the network's input, which is column 0; the layers follow.
    goal, num
        What to find: the `num` best under a goal.
    workers
        Where array mappings are searched.

    Attributes
    ----------
    num_dropped
        Prefixes given up for their number, without a proof that they are of no use.
    failed
        Number of the first layer without a valid schedule, or None.
    least_known
        Lower bound on the value of all schedules, of the last time when all bounds were found.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        num_starts: int,
        goal: str,
        num: int,
        workers: Workers,
    ) -> None:
        self.steps = steps
        self.num_starts = num_starts
        self.goal = goal
        self.num = num
        self.workers = workers
        self.num_dropped = 0
        self.failed: int | None = None
        self.limit = SearchLimit(goal, num)
        self.bounds: list[NetworkBounds] = []
        self.least_known = 0.0
        self._passes: list[list[Prefixes]] = []
        last_use: dict[int, int] = {}
        for number, step in enumerate(steps):
            last_use.update(dict.fromkeys(step.sources, number))
        self.live = [
            [column for column in range(number + 2) if last_use.get(column, -1) > number]
            for number in range(len(steps))
        ]

    def beam(self) -> list[Trace]:
        """Find schedules as a beam search does: of the prefixes the `num` best are extended."""
        return self._best_traces([self._first_pass()])

    def _first_pass(self) -> list[Prefixes]:
        first = self._pass(self._best_choices, self._keep_best)
        if len(first) <= len(self.steps):
            self.failed = len(first) - 1
        return first

    def run(self) -> list[Trace]:
        """Find the best schedules: (start, (row, point) of each step), best first."""
        first = self._first_pass()
        if self.failed is not None:
            return []
        self._passes.append(first)
        self._lower_limit(first)
        self._find_bounds()
        guided = self._pass(self._kept_choices, self._keep_promising)
        self._passes.append(guided)
        self._lower_limit(guided)
        self._prune()
        self._close_gap()
        self._passes.append(self._pass(self._kept_choices, self._keep_unbeaten))
        return self.found()

    def found(self) -> list[Trace]:
        """Return the best schedules of the passes that are finished, as `run` does of all."""
        return self._best_traces(self._passes)

    def least_value(self) -> float:
        """Lower bound on the value of all schedules under the goal, from the last bounds."""
        one, _ = self.limit.values_above(self._whole_lines())
        return float(one[0])

    def _whole_lines(self) -> BoundLines:
        """Lower bounds on all schedules."""
        sums = [np.array([bounds.bound()]) for bounds in self.bounds]
        return self._lines(sums, np.array([sum(self.least_times)]))

    def _lower_limit(self, history: Sequence[Prefixes]) -> None:
        """Lower the limit to the worst of the `num` best whole schedules."""
        if len(history) > len(self.steps):
            self.limit.lower(history[-1].cost, history[-1].time)

    def _find_bounds(self) -> None:
        """Bound what the schedules cost at least, and search the array mappings that matter.

        Array mappings not searched yet take part with their own bounds. Those that may stay
        within the limit are searched, the most promising ones first, which changes the bounds,
        until all are.
        """
        every = {n: np.arange(len(step.space.row_part)) for n, step in enumerate(self.steps)}
        self.tables = list(self._choices(every, search=False).values())
        messages: list[Messages] = [{}, {}]
        share = SHARE_TOGETHER
        while True:
            self._bound(messages)
            self.least_known = self.least_value()
            self._prune()
            messages = [bounds.message for bounds in self.bounds]
            if not self._search_kept(share):
                return
            share = min(1, 2 * share)
            if any((table.point < 0).any() for table in self.tables):
                self._lower_limit(self._pass(self._kept_choices, self._keep_promising))

    def _close_gap(self) -> None:
        """For goal 'ed', bound sums with other weights until none brings the bound to the limit.

        The least product is that of a corner of the hull of all energies and times, on which more
        and more lines lie.
        """
        while sum(self.weights) > 0 and len(self.weights) < MAX_WEIGHTS:
            least, time = least_product(self._whole_lines())
            weight = float(least[0] / time[0] ** 2)
            is_new = all(abs(weight - known) > TIE * weight for known in self.weights)
            if least[0] >= self.limit.keys[0] * (1 - TIE) or not is_new:
                return
            near = min(self.weights, key=lambda known: abs(known - weight))
            message = self.bounds[self.weights.index(near)].message
            target = self.limit.cost + weight * self.limit.time
            self.bounds.append(NetworkBounds(self._factors(weight), target, message))
            self.weights.append(weight)
            self._prune()
            self.least_known = max(self.least_known, self.least_value())

    def _bound(self, messages: Sequence[Messages]) -> None:
        """Bound the energy and, for goal 'ed', the sum of energy and weighted time."""
        cost, time, weight = self.limit.cost, self.limit.time, self.limit.weight
        self.weights = [0.0, weight] if weight else [0.0]
        self.bounds = [
            NetworkBounds(self._factors(weight), cost + weight * time if weight else cost, message)
            for weight, message in zip(self.weights, messages, strict=False)
        ]
        self.least_times = [float(table.time.min()) for table in self.tables]

    def _factors(self, weight: float) -> list[Factor]:
        starts = np.arange(self.num_starts)
        zeros = np.zeros(self.num_starts)
        factors = [Factor(zeros, starts, starts, starts, self.num_starts, (), ())]
        for step, table in zip(self.steps, self.tables, strict=True):
            part = step.space.row_part[table.row]
            hop_cost = step.space.setting.cost.noc_hop
            factors.append(
                Factor(
                    base=table.base + weight * table.time,
                    scale=table.scale,
                    part=part,
                    place=step.place[part],
                    num_places=step.num_places,
                    sources=step.sources,
                    tables=[hop_cost * np.asarray(hops) for hops in step.hops],
                )
            )
        return factors

    def _prune(self) -> None:
        """Drop schedules of layers that exceed the limit with all that others cost at least."""
        for number, table in enumerate(self.tables):
            keep = self.limit.within_above(self._whole_bounds(number))
            self.tables[number] = take(table, keep)
            for bounds in self.bounds:
                bounds.restrict(number + 1, keep)

    def _whole_bounds(self, number: int) -> BoundLines:
        """Least energy (plus weighted time) and time of networks with each schedule of a layer."""
        mixed = [
            bounds.bound() - bounds.least[number + 1] + bounds.reduced(number + 1)
            for bounds in self.bounds
        ]
        time = sum(self.least_times) - self.least_times[number] + self.tables[number].time
        return self._lines(mixed, time)

    def _search_kept(self, share: float) -> bool:
        """Search the most promising array mappings kept; say whether there were any to search."""
        rows = {
            n: self._next_rows(n, share)
            for n, table in enumerate(self.tables)
            if (table.point < 0).any()
        }
        jobs = [
            (
                self.steps[n].space.mappings[mapping],
                self.steps[n].hop_costs[mapping],
                self.steps[n].space.effort,
            )
            for n, own in rows.items()
            for mapping in self.steps[n].space.unknown(own, self.steps[n].hop_costs)
        ]
        self.workers.search(jobs)
        for n, found in self._choices(rows, search=True).items():
            others = take(self.tables[n], ~np.isin(self.tables[n].row, rows[n]))
            table = join([others, found])
            self.tables[n] = take(table, np.lexsort((table.point, table.row)))
        return bool(rows)

    def _choices(self, rows: dict[int, Ints], *, search: bool) -> dict[int, Choices]:
        """Schedules of some rows of each of several layers, the same for equal layers."""
        found: dict[tuple[object, ...], Choices] = {}
        chosen = {}
        for n, own in rows.items():
            step = self.steps[n]
            key = id(step.space), tuple(step.hop_costs), own.tobytes()
            if key not in found:
                found[key] = step.space.choices(own, step.hop_costs, search)
            chosen[n] = found[key]
        return chosen

    def _next_rows(self, number: int, share: float) -> Ints:
        """Rows of a layer whose array mappings, a share, are to be searched next, ascending."""
        table, mapping_of = self.tables[number], self.steps[number].space.row_mapping
        bounded = np.flatnonzero(table.point < 0)
        one, two = self.limit.values_above(self._whole_bounds(number))
        order = bounded[np.lexsort((two[bounded], one[bounded]))]
        mappings = list(dict.fromkeys(mapping_of[table.row[order]].tolist()))
        most = max(SEARCHED_TOGETHER, int(len(mappings) * share))
        chosen = np.isin(mapping_of[table.row[bounded]], mappings[:most])
        return np.unique(table.row[bounded[chosen]])

    def _lines(self, sums: Sequence[Floats], time: Floats) -> BoundLines:
        """Bounds from those on energy plus time of all weights, of which the first is 0."""
        several = list(zip(self.weights, sums, strict=True))
        return BoundLines(sums[0], time, several[1:])

    def _prefix_bounds(self, number: int, found: Prefixes) -> BoundLines:
        """Least energy (plus weighted time) and time of whole schedules that begin so."""
        mixed = []
        for weight, bounds in zip(self.weights, self.bounds, strict=True):
            charged = bounds.charged(found.places, self.live[number], number + 1)
            rest = sum(bounds.least[number + 2 :])
            mixed.append(found.cost + weight * found.time + charged + rest)
        return self._lines(mixed, found.time + sum(self.least_times[number + 1 :]))

    def _pass(
        self,
        choose: Callable[[int, Ints], tuple[Choices, Floats]],
        keep: Callable[[int, Prefixes], Prefixes],
    ) -> list[Prefixes]:
        """Extend prefixes layer by layer; give those after every layer that has any."""
        starts = np.arange(self.num_starts)
        none = np.zeros_like(starts)
        history = [Prefixes(none.astype(float), none, starts[:, None], starts, none, none)]
        for number in range(len(self.steps)):
            found = keep(number, self._extended(number, history[-1], choose))
            if not len(found.cost):
                break
            history.append(found)
        return history

    def _extended(
        self, number: int, current: Prefixes, choose: Callable[[int, Ints], tuple[Choices, Floats]]
    ) -> Prefixes:
        """All extensions of prefixes by a layer, prefixes of equal places together."""
        step = self.steps[number]
        column = {c: place for place, c in enumerate(self.live[number - 1] if number else [0])}
        seen = current.places[:, [column[source] for source in step.sources]]
        still = current.places[:, [column[c] for c in self.live[number] if c in column]]
        is_read = number + 1 in self.live[number]
        groups = groups_of_equal(seen)
        step.find_hops(tuple(seen[group[0]].tolist()) for group in groups)
        chosen = [choose(number, seen[group[0]]) for group in groups]
        choices = join([own for own, _ in chosen])
        energy = np.concatenate([own for _, own in chosen])
        found: list[Prefixes] = []
        for prev, which in _pairs(groups, [len(own) for _, own in chosen]):
            row = choices.row[which]
            places = still[prev]
            if is_read:
                place = step.place[step.space.row_part[row]]
                places = np.concatenate([places, place[:, None]], axis=1)
            extended = Prefixes(
                current.cost[prev] + energy[which],
                current.time[prev] + choices.time[which],
                places,
                prev,
                row,
                choices.point[which],
            )
            found.append(self._promising(number, extended))
        whole = join(found)
        return take(whole, np.lexsort((whole.point, whole.row, whole.prev)))

    def _promising(self, number: int, found: Prefixes) -> Prefixes:
        """Prefixes that may be within the limit; all of them before there are bounds."""
        if not self.bounds:
            return found
        return take(found, self.limit.within_above(self._prefix_bounds(number, found)))

    def _best_choices(self, number: int, state: Ints) -> tuple[Choices, Floats]:
        """The best schedules of a layer by itself, from given places of its producers."""
        step = self.steps[number]
        hops = step.ifmap_hops(state.tolist())
        return step.space.best(hops, step.hop_costs, self.goal, self.num, self.workers)

    def _kept_choices(self, number: int, state: Ints) -> tuple[Choices, Floats]:
        """All schedules of a layer that may be within the limit, as far as they are known."""
        step, table = self.steps[number], self.tables[number]
        table = take(table, table.point >= 0)
        energy = step.space.energy(table, step.ifmap_hops(state.tolist()))
        distinct = step.space.distinct(table, energy, step.hop_costs, self.goal)
        return take(table, distinct), energy[distinct]

    def _keep_best(self, _number: int, found: Prefixes) -> Prefixes:
        """The best prefixes under the goal, in candidate order."""
        order = goal_order(found.cost, found.time, self.goal)[: self.num]
        return take(found, np.sort(order))

    def _keep_promising(self, number: int, found: Prefixes) -> Prefixes:
        """The prefixes of the best bounds."""
        found = self._unbeaten(found)
        return self._cut(number, found, max(GUIDED_PREFIXES, self.num))

    def _keep_unbeaten(self, number: int, found: Prefixes) -> Prefixes:
        """All prefixes that may lead to one of the best schedules."""
        found = self._unbeaten(found)
        self.num_dropped += max(0, len(found.cost) - MAX_PREFIXES)
        return self._cut(number, found, MAX_PREFIXES)

    def _unbeaten(self, found: Prefixes) -> Prefixes:
        """Prefixes that not enough others of equal places beat."""
        group = keys_of(found.places)
        return take(found, unbeaten(group, found.cost, found.time, self.goal, self.num))

    def _cut(self, number: int, found: Prefixes, most: int) -> Prefixes:
        """The `most` prefixes of the best bounds, in candidate order."""
        if len(found.cost) <= most:
            return found
        one, two = self.limit.values_above(self._prefix_bounds(number, found))
        return take(found, np.sort(np.lexsort((two, one))[:most]))

    def _best_traces(self, passes: Sequence[Sequence[Prefixes]]) -> list[Trace]:
        """The best whole schedules of some passes, each once, equal ones in candidate order."""
        found: dict[tuple[Any, ...], tuple[float, float]] = {}
        for history in passes:
            if len(history) > len(self.steps):
                last = history[-1]
                for index in range(len(last.cost)):
                    cost_time = float(last.cost[index]), float(last.time[index])
                    found.setdefault(_trace(history, index), cost_time)
        if not found:
            return []
        best = best_of(found, self.goal, self.num)
        return [(trace[0], list(trace[1:])) for trace in best]


def _pairs(groups: Sequence[Ints], sizes: Sequence[int]) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of the prefixes of each group with the schedules found for it, in blocks.

    The schedules of the groups, of given numbers, lie one after another. A block has at most
    `MAX_BLOCK` pairs, or all those of one prefix; there is at least one block.
    """
    prev: list[Ints] = []
    which: list[Ints] = []
    num = end = 0
    for group, size in zip(groups, sizes, strict=True):
        begin, end = end, end + size
        most = max(1, MAX_BLOCK // max(1, size))
        for some in (group[i : i + most] for i in range(0, len(group), most)):
            if num + len(some) * size > MAX_BLOCK and num:
                yield np.concatenate(prev), np.concatenate(which)
                prev, which, num = [], [], 0
            prev.append(np.repeat(some, size))
            which.append(np.tile(np.arange(begin, end), len(some)))
            num += len(some) * size
    yield np.concatenate(prev), np.concatenate(which)


def _trace(history: Sequence[Prefixes], index: int) -> tuple[Any, ...]:
    """Start, and (row, point) of every layer, of one of the last prefixes."""
    chosen = []
    for prefixes in reversed(history[1:]):
        chosen.append((int(prefixes.row[index]), int(prefixes.point[index])))
        index = int(prefixes.prev[index])
    return (index, *reversed(chosen))
