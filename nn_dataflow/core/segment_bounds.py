# SPDX-License-Identifier: BSD-3-Clause
"""What a segment costs at least under each combination of constraints.

Decides how bounds on the layers of a segment become bounds on the segment, and which layers are
looked at more closely (docs/model/search.md section 6.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .layer_table import COST, DRAM, TIME, LayerBounds, LayerTable, weighted
from .search_limit import LowerBounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .constraint_grid import ConstraintGrid
    from .loop_blocking_space import TopLoops
    from .network_step import Step
    from .segment_states import Role
    from .workers import Job

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]


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


class SegmentBounds:
    """Bounds on the combinations of constraints of a segment.

    Parameters
    ----------
    layers
        Its layers in scheduling order.
    grids
        Constraints on them; their combinations together are the space.
    goal
        What is searched.

    Attributes
    ----------
    weights
        Weights of the time in sums with the energy: static energy, and static energy and `weight`.
    """

    def __init__(
        self, layers: Sequence[SegmentLayer], grids: Sequence[ConstraintGrid], goal: SegmentGoal
    ) -> None:
        self.layers = layers
        self.grids = grids
        self.goal = goal
        self.num_groups = sum(layer.role.begins_group for layer in layers)
        self.set_weight(0)

    def set_weight(self, weight: float) -> None:
        """Bound also the energy plus the time with a weight; forget all that is known."""
        self.weight = weight
        self.weights = tuple(dict.fromkeys([self.goal.idle, self.goal.idle + weight]))
        self._any_tops: dict[int, LayerBounds] = {}
        self._tables: dict[tuple[int, TopLoops], LayerTable] = {}
        self._tables_of: dict[int, list[LayerTable]] = {}
        self._lower: LowerBounds | None = None
        self._least: tuple[float, ...] = ()

    @property
    def num_columns(self) -> int:
        """Number of columns of the layers' metrics."""
        return 3 + 2 * len(self.weights)

    def table(self, layer: int, tops: TopLoops) -> LayerTable:
        """Schedules of a layer under a requirement."""
        key = (layer, tops)
        if key not in self._tables:
            self._tables[key] = LayerTable(self._layer_bounds(layer), tops)
        return self._tables[key]

    def _layer_bounds(self, layer: int) -> LayerBounds:
        if layer not in self._any_tops:
            one = self.layers[layer]
            self._any_tops[layer] = LayerBounds(
                one.step, one.min_hops, self.weights, 1 / self.num_groups
            )
        return self._any_tops[layer]

    def lower(self) -> LowerBounds:
        """Lower bounds of all combinations, those of all systems behind each other."""
        if self._lower is None:
            parts = [self.together(self.totals(grid)) for grid in self.grids]
            columns = zip(*parts, strict=True)
            self._lower = LowerBounds(
                *(np.concatenate([c.ravel() for c in col]) for col in columns)
            )
            self._least = tuple(float(col.min(initial=np.inf)) for col in self._lower)
        return self._lower

    def least_of_all(self) -> tuple[float, ...]:
        """Least of each lower bound over all combinations."""
        self.lower()
        return self._least

    def least(self, grid: ConstraintGrid, layer: int) -> Floats:
        """Least metric of a layer, over the values of its symbols."""
        least = [self.table(layer, tops).least for tops in grid.tops[layer]]
        return np.array(least)[grid.which[layer]]

    def totals(self, grid: ConstraintGrid) -> tuple[Floats, Floats]:
        """Over the grid: sum of the layers' least metrics, and most cycles of a spatial group."""
        total: Any = np.zeros((*grid.shape, 1))
        group_time: Any = 0
        longest: Any = 0
        for number, layer in enumerate(self.layers):
            least = self.least(grid, number)
            total = total + least
            group_time = least[..., TIME] + (0 if layer.role.begins_group else group_time)
            longest = np.maximum(longest, group_time)
        return total, np.broadcast_to(longest, grid.shape)

    def together(self, totals: tuple[Floats, Floats]) -> LowerBounds:
        """Bounds on energy, time and weighted sum from sums of metrics and times of groups."""
        total, longest = totals
        time = np.maximum(longest, total[..., DRAM])
        sums = []
        for number, weight in enumerate(self.weights):
            mixed = weighted(total[..., COST], weight, time)
            for column in _columns(number):
                mixed = np.maximum(mixed, total[..., column])
            sums.append(mixed)
        return LowerBounds(sums[0], time, sums[-1])

    def guiding(self) -> int:
        """Column of the layers' metric by which combinations are looked at first."""
        return TIME if self.goal.goal == "d" else _columns(len(self.weights) - 1)[0]

    def combination(self, number: int) -> tuple[int, int]:
        """System, and combination of it, of a combination of the whole space."""
        for system, grid in enumerate(self.grids):
            if number < grid.num:
                return system, number
            number -= grid.num
        raise IndexError(number)

    def tables_of(self, number: int) -> list[LayerTable]:
        """Schedules of every layer under a combination."""
        if number not in self._tables_of:
            system, combination = self.combination(number)
            tops_of = self.grids[system].tops_of(combination)
            self._tables_of[number] = [self.table(*both) for both in enumerate(tops_of)]
        return self._tables_of[number]

    def refine(self, number: int) -> bool:
        """Look closer at the layers of a combination; say whether its bounds may have risen."""
        changed = [table.refine(self.guiding()) for table in self.tables_of(number)]
        if any(changed):
            self._lower = None
        return any(changed)

    def wanted(self, number: int) -> list[Job]:
        """Searches without which `refine` cannot go on."""
        jobs = (table.wanted(self.guiding()) for table in self.tables_of(number))
        return [job for job in jobs if job is not None]


def _columns(number: int) -> tuple[int, int]:
    """Columns of a metric with the sums of energy and time of weight `number`."""
    return 3 + 2 * number, 4 + 2 * number
