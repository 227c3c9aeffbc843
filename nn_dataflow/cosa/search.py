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
    from .search_nodes import Nodes

# How far above the bound of the best spatial choice mappings are looked for, in rounds.
_STEPS = (0.003, 0.01, 0.03, 0.08, 0.2, 0.5, 1.0, 3.0, 10.0, 100.0, np.inf)

# Relative distance of value and bound at which the search ends.
TOLERANCE = 1e-5

# Rounding may leave a little more than the tolerance.
_MARGIN = 1.01

# Combinations of spatial signatures, and nodes, that are extended at once, at first and at most.
_COMBINATIONS = (64, 4096)
_NODES = (16, 1024)

# Candidates that may be listed at once, to bound the memory that arrays take.
_CANDIDATES = 300_000


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
    for level in architecture.levels:
        if level.entries is not None and level.entries < len(level.keeps):
            return SearchResult(None, np.inf, np.inf, 0.0, "infeasible", {}, 0.0)
    return _Search(Model(problem, architecture), goal, time_limit, tolerance).run()


class _TimeOverError(Exception):
    """The time limit is reached."""


class _Search:
    def __init__(self, model: Model, goal: str, time_limit: float | None, tolerance: float) -> None:
        self._start = time.perf_counter()
        self._deadline = np.inf if time_limit is None else self._start + time_limit
        self._model = model
        self._tolerance = tolerance
        self._limit = np.inf
        self._spatial = 0
        bounds = Bounds(model, goal)
        self._tree = Tree(model, bounds)
        self._leaves = Leaves(model, bounds, self._tree)
        self._first = FirstStep(model, self._tree)
        self._choices = Choices(model, bounds)

    def run(self) -> SearchResult:
        """Search, and say what is proved."""
        status = "optimal"
        try:
            bound = self._rounds()
        except _TimeOverError:
            status = "time limit"
            bound = self._proved
        if self._leaves.mapping is None:
            self._leaves.evaluate_outermost(self._choices)
        if not self._choices.is_complete:
            bound = min(bound, self._choices.floor)
        value = self._leaves.value
        gap = value / bound - 1
        if status == "optimal" and gap > self._tolerance * _MARGIN:
            status = "gap"
        nodes = {"spatial": self._spatial}
        levels = self._model.architecture.levels[1:]
        nodes |= {level.name: n for level, n in zip(levels, self._tree.visited[1:], strict=True)}
        nodes["evaluated"] = self._leaves.count
        wall_s = time.perf_counter() - self._start
        return SearchResult(self._leaves.mapping, value, bound, gap, status, nodes, wall_s)

    def _threshold(self) -> float:
        return min(self._limit, self._leaves.value / (1 + self._tolerance))

    def _rounds(self) -> float:
        """Search with higher and higher limits; return the bound that is proved."""
        choices, leaves, tree = self._choices, self._leaves, self._tree
        self._proved = choices.least
        for step in _STEPS:
            self._limit = choices.least * (1 + step)
            # What earlier rounds left out is no better than this.
            if self._limit <= self._proved:
                continue
            tree.dropped = leaves.unproved = np.inf
            self._round()
            found = min(tree.dropped, leaves.unproved, leaves.value)
            self._proved = max(self._proved, found)
            if leaves.value <= self._limit:
                break
        return self._proved

    def _round(self) -> None:
        """Search all mappings with a bound below the limit, in the order of spatial choices."""
        choices, tree = self._choices, self._tree
        self._first.start(*choices.least_words(self._threshold()), self._threshold())
        begin, size = 0, _COMBINATIONS[0]
        while begin < choices.rank(self._threshold()):
            end = min(begin + size, choices.rank(self._threshold()))
            space = choices.space(begin, end)
            self._spatial += len(space)
            try:
                for nodes in self._first.nodes(space, self._threshold):
                    self._descend(nodes, self._model.num_memories - 2)
            except _TimeOverError:
                left = min(tree.dropped, self._leaves.unproved, choices.bound_after(begin))
                self._proved = max(self._proved, min(left, self._leaves.value))
                raise
            begin, size = end, min(2 * size, _COMBINATIONS[1])
        tree.dropped = min(tree.dropped, choices.bound_after(begin))

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
            if time.perf_counter() > self._deadline:
                raise _TimeOverError
            if not len(part):
                return
            before = self._tree.visited[memory]
            self._descend(self._tree.expand(part, memory, self._threshold()), memory - 1)
            each = (self._tree.visited[memory] - before) / len(part)
            size = max(1, min(size, int(_CANDIDATES / max(each, 1))))
