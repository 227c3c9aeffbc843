# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of one layer of a segment under one constraint, looked at as far as needed.

Decides which array mappings of the layer are searched (docs/model/search.md section 6.2): rows of
partition and array mapping begin with bounds that hold under any constraint, get those of their
own constraint together when one is looked at, and are searched when they still may be the best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import join, take
from .loop_blocking_space import FREE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .layer_space import Choices
    from .loop_blocking_space import TopLoops
    from .network_step import Step
    from .workers import Job

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

COST, TIME, DRAM = range(3)
"""First columns of a metric: energy without static energy, cycles, cycles of the memory."""


def weighted(cost: Floats, weight: float, time: Any) -> Floats:
    """Energy plus weighted time, either of which may be infinite."""
    return cost + weight * time if weight else cost


class Schedules(NamedTuple):
    """Schedules of a layer in a segment; axis 0 is the schedule.

    The energy is without static energy and ifmap hops; `scale` passes over the ifmaps add theirs.
    """

    cost: Floats  # (n,)
    time: Ints  # (n,) cycles
    dram: Ints  # (n,) cycles of the memory
    node: Ints  # (n,) cycles inside the nodes
    scale: Ints  # (n,)
    row: Ints  # (n,) which partition and array mapping
    scheme: Ints  # (n,) number of the loop blocking scheme
    bat: Ints  # (n,) groups of samples
    ifm: Ints  # (n,) groups of ifmaps
    ofm: Ints  # (n,) groups of ofmaps
    value: Ints  # (n,) number of the values of the symbols that the constraint has


_NONE = np.zeros(0, dtype=np.int64)
NO_SCHEDULES = Schedules(np.zeros(0), *(_NONE,) * 10)


class LayerBounds:
    """Bounds on the rows of a layer that hold under any constraint.

    Parameters
    ----------
    step
        The layer, with the hops from its producers.
    min_hops
        Least word-hops of a pass over the ifmaps, per partition.
    weights
        Weights of the time in sums with the energy that are bounded as well.
    share
        Share of the time of a segment that the layer's own time counts for in such a sum.

    Attributes
    ----------
    lower
        Metric of every row, (rows, k); infinite where nothing fits.
    """

    def __init__(
        self, step: Step, min_hops: Floats, weights: Sequence[float], share: float
    ) -> None:
        self.step = step
        self.min_hops = min_hops
        self.weights = weights
        self.share = share
        self.lower = self.under(FREE)

    def under(self, tops: TopLoops) -> Floats:
        """Metric of every row under requirements on the top level of loops, as `lower`."""
        space = self.step.space
        lower = np.full((len(space.row_part), 3 + 2 * len(self.weights)), np.inf)
        bounds = space.bounds(np.arange(len(lower)), None if tops == FREE else tops)
        lower[bounds.row] = self.metric(self.from_best(bounds), bounds.time, np.zeros(1))
        return lower

    def metric(self, cost: Floats, time: Any, dram: Any) -> Floats:
        """Columns that are bounded: energy, times, and sums of energy and weighted times."""
        columns = np.empty((len(cost), 3 + 2 * len(self.weights)))
        columns[:, COST], columns[:, TIME], columns[:, DRAM] = cost, time, dram
        for number, weight in enumerate(self.weights):
            columns[:, 3 + 2 * number] = weighted(cost, weight * self.share, time)
            columns[:, 4 + 2 * number] = weighted(cost, weight, dram)
        return columns

    def from_best(self, choices: Choices | Schedules) -> Floats:
        """Energy of schedules if the ifmaps are where it is best for them."""
        space = self.step.space
        base = choices.cost if isinstance(choices, Schedules) else choices.base
        hops: Floats = choices.scale * self.min_hops[space.row_part[choices.row]]
        return base + space.setting.cost.noc_hop * hops


class LayerTable:
    """Schedules of a layer under a constraint.

    Parameters
    ----------
    bounds
        The layer, and bounds under any constraint.
    tops
        What is required of the top level of loops.

    Attributes
    ----------
    least
        Least of every column of the metric, over bounds and schedules.
    """

    def __init__(self, bounds: LayerBounds, tops: TopLoops) -> None:
        self.bounds = bounds
        self.tops = tops
        self._space = bounds.step.space
        possible = self._space.possible(tops)
        self._possible = possible[self._space.row_mapping]
        self._lower: Floats | None = None
        self._found: list[Schedules] = []
        self._metrics: list[Floats] = []
        self._least_found = np.full(bounds.lower.shape[1], np.inf)
        self.least: Floats
        self._find_least()

    @property
    def lower(self) -> Floats:
        """Metric of every row that was not searched; found when rows are looked at first."""
        if self._lower is None:
            self._lower = self.bounds.under(self.tops)
            self._lower[~self._possible] = np.inf
        return self._lower

    def _find_least(self) -> None:
        lower = self.bounds.lower[self._possible] if self._lower is None else self._lower
        self.least = np.minimum(self._least_found, lower.min(axis=0, initial=np.inf))

    def refine(self, column: int) -> bool:
        """Look at rows until the least of a column is that of a schedule, or needs a search.

        Says whether any was looked at. To bound all under the constraint comes first; then array
        mappings that were searched already are looked at, and others are `wanted`.
        """
        changed = self._lower is None
        while (mapping := self._next(column)) is not None and self._job(mapping) is None:
            self._look_at(mapping)
            changed = True
        if changed:
            self._find_least()
        return changed

    def _next(self, column: int) -> int | None:
        """The array mapping that may have less than the least schedule, if there is any."""
        if not len(self.lower):
            return None
        row = int(self.lower[:, column].argmin())
        if self.lower[row, column] >= self._least_found[column]:
            return None
        return int(self._space.row_mapping[row])

    def wanted(self, column: int) -> Job | None:
        """The search without which `refine` cannot go on, if there is any."""
        number = self._next(column)
        return None if number is None else self._job(number)

    def _job(self, number: int) -> Job | None:
        """The search of an array mapping under the constraint, unless that was done."""
        mapping = self._space.under(number, self.tops)
        hop_costs = self.bounds.step.hop_costs[number]
        return None if mapping.knows(hop_costs) else (mapping, hop_costs, self._space.effort)

    def jobs(self, may_matter: Callable[[Floats], Bools]) -> list[Job]:
        """Searches of all array mappings of which bounds may matter that were not done yet."""
        jobs = map(self._job, self._may_matter(may_matter))
        return [job for job in jobs if job is not None]

    def _may_matter(self, may_matter: Callable[[Floats], Bools]) -> list[int]:
        """Array mappings that were not looked at under the constraint and may matter."""
        rows = np.flatnonzero(np.isfinite(self.lower[:, COST]))
        rows = rows[may_matter(self.lower[rows])]
        numbers: list[int] = np.unique(self._space.row_mapping[rows]).tolist()
        return numbers

    def search(self, may_matter: Callable[[Floats], Bools]) -> Schedules:
        """Search all array mappings of which bounds may matter; give the schedules that may.

        Parameters
        ----------
        may_matter
            Tells it of metrics, (n, k) to (n,).
        """
        for number in self._may_matter(may_matter):
            self._look_at(number)
        self._find_least()
        kept = [
            take(found, may_matter(metric))
            for found, metric in zip(self._found, self._metrics, strict=True)
        ]
        schedules = join([NO_SCHEDULES, *kept])
        return take(schedules, np.lexsort((schedules.scheme, schedules.row)))

    def _look_at(self, number: int) -> None:
        """Take the schedules of an array mapping in place of its bounds; search it if needed."""
        space = self._space
        rows = np.flatnonzero(space.row_mapping == number)
        mapping = space.under(number, self.tops)
        self.lower[rows] = np.inf
        points = mapping.points(self.bounds.step.hop_costs[number], space.effort)
        numbered = space.pool.numbered(mapping, points)
        choices = space.searched(rows, mapping, points)
        found = Schedules(
            cost=choices.base,
            time=choices.time,
            dram=points.dram[choices.point],
            node=points.node[choices.point],
            scale=choices.scale,
            row=choices.row,
            scheme=numbered.scheme[choices.point],
            bat=numbered.groups.bat[choices.point],
            ifm=numbered.groups.ifm[choices.point],
            ofm=numbered.groups.ofm[choices.point],
            value=np.zeros_like(choices.row),
        )
        metric = self.bounds.metric(self.bounds.from_best(found), found.time, found.dram)
        self._found.append(found)
        self._metrics.append(metric)
        self._least_found = np.minimum(self._least_found, metric.min(axis=0, initial=np.inf))
