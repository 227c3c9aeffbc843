# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of one layer of a segment under one constraint, looked at as far as needed.

Decides which array mappings of the layer are searched (docs/model/search.md section 7): rows of
partition and array mapping begin with bounds that hold under any constraint, get those of their
own constraint when they may be the best, and are searched when they still may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import join, take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .layer_space import Choices
    from .loop_blocking_space import TopLoops
    from .network_step import Step

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


class LayerTable:
    """Schedules of a layer under a constraint.

    Parameters
    ----------
    step
        The layer, with the hops from its producers.
    tops
        What is required of the top level of loops.
    min_hops
        Least word-hops of a pass over the ifmaps, per partition.
    weights
        Weights of the time in sums with the energy that are bounded as well.
    share
        Share of the time of a segment that the layer's own time counts for in such a sum.
    """

    def __init__(
        self,
        step: Step,
        tops: TopLoops,
        min_hops: Floats,
        weights: Sequence[float],
        share: float,
    ) -> None:
        self.step = step
        self.tops = tops
        self.min_hops = min_hops
        self.weights = weights
        self.share = share
        space = step.space
        self._bound, self._time = space.row_bound, space.row_time
        self._open = self._divisible() & np.isfinite(self._bound)
        self._under: set[int] = set()
        self._found: dict[int, Schedules] = {}
        self._refresh()

    def _divisible(self) -> Bools:
        """Rows whose loop counts the required factors divide."""
        space = self.step.space
        factors = np.maximum(self.tops.factors, 1)
        divides: Bools = (space.loop_counts() % factors == 0).all(axis=1)
        return divides[space.row_mapping]

    def metric(self, cost: Floats, time: Any, dram: Any) -> Floats:
        """Columns that are bounded: energy, times, and sums of energy and weighted times, (n, k)."""
        columns = [cost, time, dram]
        for weight in self.weights:
            columns.append(weighted(cost, weight * self.share, time))
            columns.append(weighted(cost, weight, dram))
        return np.stack(np.broadcast_arrays(*columns), axis=1).astype(float)

    def _refresh(self) -> None:
        """Find the least of all columns, over bounds and over schedules."""
        bounds = self.step.space.bounds(np.flatnonzero(self._open), self._bound, self._time)
        self._bounded = bounds
        self._lower = self.metric(self._from_best(bounds), bounds.time, np.zeros(1))
        self._least_found = np.full(self._lower.shape[1], np.inf)
        for found in self._found.values():
            whole = self.metric(self._from_best(found), found.time, found.dram)
            self._least_found = np.minimum(self._least_found, whole.min(axis=0, initial=np.inf))
        self.least: Floats = np.minimum(self._least_found, self._lower.min(axis=0, initial=np.inf))

    def _from_best(self, choices: Choices | Schedules) -> Floats:
        """Energy of schedules if the ifmaps are where it is best for them."""
        space = self.step.space
        base = choices.cost if isinstance(choices, Schedules) else choices.base
        hops: Floats = choices.scale * self.min_hops[space.row_part[choices.row]]
        return base + space.setting.cost.noc_hop * hops

    def refine(self, column: int, *, search: bool) -> bool:
        """Look at rows until the least of a column is that of a schedule; say whether any was.

        Without `search`, only until it is a bound under the constraint.
        """
        changed = False
        while len(self._lower):
            index = int(self._lower[:, column].argmin())
            mapping = int(self.step.space.row_mapping[self._bounded.row[index]])
            if self._lower[index, column] >= self._least_found[column]:
                break
            if not search and mapping in self._under:
                break
            self._look_at(mapping)
            changed = True
        return changed

    def search(self, may_matter: Callable[[Floats], Bools]) -> Schedules:
        """Search all array mappings of which bounds may matter; give the schedules that may.

        Parameters
        ----------
        may_matter
            Tells it of rows of bounded columns, (n, k) to (n,).
        """
        while len(self._lower):
            rows = self._bounded.row[may_matter(self._lower)]
            mappings = np.unique(self.step.space.row_mapping[rows]).tolist()
            if not mappings:
                break
            for mapping in mappings:
                self._look_at(mapping, refresh=False)
            self._refresh()
        kept = [NO_SCHEDULES]
        for found in self._found.values():
            whole = self.metric(self._from_best(found), found.time, found.dram)
            kept.append(take(found, may_matter(whole)))
        schedules = join(kept)
        return take(schedules, np.lexsort((schedules.scheme, schedules.row)))

    def _look_at(self, number: int, *, refresh: bool = True) -> None:
        """Bound an array mapping under the constraint, or search it if that was done."""
        space = self.step.space
        rows = np.flatnonzero(space.row_mapping == number)
        mapping = space.under(number, self.tops)
        if number not in self._under:
            self._under.add(number)
            self._bound, self._time = self._bound.copy(), self._time.copy()
            self._bound[rows], self._time[rows] = mapping.bound, mapping.min_time
            self._open[rows] &= np.isfinite(mapping.bound)
        else:
            self._open[rows] = False
            points = mapping.points(self.step.hop_costs[number], space.effort)
            timed = space.pool.timed(mapping, points)
            found = space.searched(rows, mapping, points)
            self._found[number] = Schedules(
                cost=found.base,
                time=found.time,
                dram=timed.dram[found.point],
                node=timed.node[found.point],
                scale=found.scale,
                row=found.row,
                scheme=timed.scheme[found.point],
                bat=timed.groups.bat[found.point],
                ifm=timed.groups.ifm[found.point],
                ofm=timed.groups.ofm[found.point],
                value=np.zeros_like(found.row),
            )
        if refresh:
            self._refresh()


_NONE = np.zeros(0, dtype=np.int64)
NO_SCHEDULES = Schedules(np.zeros(0), *(_NONE,) * 10)
