# SPDX-License-Identifier: BSD-3-Clause
"""The mapping of least energy, delay or their product, with a proven lower bound.

Decides in which order the tree of partial mappings is searched, what is proved when the search
ends, and what happens when time is over (docs/model/cosa_search.md sections 4 and 5).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .search_bounds import Bounds
from .search_first import FirstStep
from .search_leaves import Leaves
from .search_model import Model
from .search_spatial import Choices
from .search_tree import Tree

if TYPE_CHECKING:
    from .architecture import Architecture
    from .mapping import Mapping
    from .mapspace import Mapspace
    from .problem import Problem
    from .search_tree import Nodes

# How far above the bound of the best spatial choice mappings are looked for, in rounds.
_STEPS = (0.003, 0.01, 0.03, 0.08, 0.2, 0.5, 1.0, 3.0, 10.0, 100.0, np.inf)

# Relative distance of value and bound at which the search ends.
TOLERANCE = 1e-5

# Combinations of spatial signatures, and nodes, that are extended at once, at first and at most.
_COMBINATIONS = (64, 4096)
_NODES = (16, 1024)


@dataclass(frozen=True)
class SearchResult:
    """What a search found and proved.

    Attributes
    ----------
    mapping : Mapping or None
        The best mapping; None if the machine holds none.
    value : float
        Its value of the goal: pJ, cycles, or pJ times cycles.
    bound : float
        No valid mapping has a lower value.
    gap : float
        Value over bound, less 1.
    status : str
        "optimal" within the tolerance; "gap" if the search ended with a larger gap, which
        neighbours that pass words leave open; "time limit"; "infeasible".
    nodes : dict of str to int
        Spatial choices, candidates per memory and mappings that were evaluated.
    wall_s : float
        Seconds.
    """

    mapping: Mapping | None
    value: float
    bound: float
    gap: float
    status: str
    nodes: dict[str, int]
    wall_s: float


def search(
    problem: Problem,
    architecture: Architecture,
    goal: str,
    *,
    mapspace: Mapspace | None = None,
    time_limit: float | None = None,
    tolerance: float = TOLERANCE,
) -> SearchResult:
    """Find the best mapping of a layer on a machine.

    Parameters
    ----------
    problem : Problem
        The layer.
    architecture : Architecture
        The machine.
    goal : str
        "e" energy, "d" delay, "ed" their product.
    mapspace : Mapspace, optional
        What the memories keep.
    time_limit : float, optional
        Seconds.
    tolerance : float, optional
        Relative distance of value and bound at which the search ends.
    """
    if mapspace is not None:
        architecture = mapspace.apply(architecture)
    return _Search(Model(problem, architecture), goal, time_limit, tolerance).run()


class _Search:
    def __init__(
        self, model: Model, goal: str, time_limit: float | None, tolerance: float
    ) -> None:
        self._start = time.perf_counter()
        self._deadline = np.inf if time_limit is None else self._start + time_limit
        self._model = model
        self._goal = goal
        self._tolerance = tolerance
        self._spatial = 0

    def run(self) -> SearchResult:
        bounds = Bounds(self._model, self._goal)
        self._tree = Tree(self._model, bounds)
        self._leaves = Leaves(self._model, bounds, self._tree)
        self._first = FirstStep(self._model, self._tree)
        self._choices = Choices(self._model, bounds)
        bound = self._rounds()
        value = self._leaves.value
        gap = value / bound - 1
        status = "optimal"
        nodes = {"spatial": self._spatial}
        for level, count in zip(
            self._model.architecture.levels[1:], self._tree.visited[1:], strict=True
        ):
            nodes[level.name] = count
        nodes["evaluated"] = self._leaves.count
        return SearchResult(
            self._leaves.mapping, value, bound, gap, status, nodes, time.perf_counter() - self._start
        )

    def _threshold(self) -> float:
        return min(self._limit, self._leaves.value / (1 + self._tolerance))

    def _rounds(self) -> float:
        choices, leaves = self._choices, self._leaves
        bound = choices.least
        for step in _STEPS:
            self._limit = choices.least * (1 + step)
            if self._limit <= bound:
                continue
            self._tree.dropped = np.inf
            leaves.unproved = np.inf
            self._round()
            bound = max(bound, min(self._tree.dropped, leaves.unproved, leaves.value))
            if leaves.value <= self._limit:
                break
        return bound

    def _round(self) -> None:
        """Search all mappings with a bound below the limit."""
        choices, tree = self._choices, self._tree
        self._first.start(*choices.least_words(self._threshold()), self._threshold())
        rank, size = 0, _COMBINATIONS[0]
        while rank < choices.rank(self._threshold()):
            space = choices.space(rank, min(rank + size, choices.rank(self._threshold())))
            rank, size = min(rank + size, choices.rank(self._threshold())), min(2 * size, _COMBINATIONS[1])
            self._spatial += len(space)
            if len(space):
                for nodes in self._first.nodes(space, self._threshold):
                    self._descend(nodes, self._model.num_memories - 2)
        tree.dropped = min(tree.dropped, choices.bound_after(rank))

    def _descend(self, nodes: Nodes, memory: int) -> None:
        """Place the loops of a memory and of those below it, best nodes first."""
        if memory == 0:
            self._leaves.evaluate(nodes, self._threshold)
            return
        nodes = nodes.ranked()
        begin, size = 0, _NODES[0]
        while begin < len(nodes):
            part = nodes[begin : begin + size]
            begin, size = begin + size, min(2 * size, _NODES[1])
            part = part[self._tree.below(part, self._threshold())]
            if len(part):
                self._descend(self._tree.expand(part, memory, self._threshold()), memory - 1)
