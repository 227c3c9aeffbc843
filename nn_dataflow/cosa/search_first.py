# SPDX-License-Identifier: BSD-3-Clause
"""The first step of the search: loops of the outermost memory, for many spatial choices at once.

Decides how these loops are joined with spatial choices (docs/model/cosa_search.md section 4). What
they cost depends on the spatial loops of the outermost memory only, so that they are listed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .search_model import NUM_DIMS
from .search_nodes import Nodes, Placed
from .search_spatial import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from .search_model import Model
    from .search_tree import Tree

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

# Pairs of spatial choice and loops that are bounded, and nodes that are extended, at once.
_PAIRS = 1_000_000
_NODES = 2048


class FirstStep:
    """Joins spatial choices with loops of the outermost memory.

    Parameters
    ----------
    model, tree
        The problem on the machine; what extends nodes.
    """

    def __init__(self, model: Model, tree: Tree) -> None:
        self._model = model
        self._tree = tree
        self._outer: dict[tuple[int, ...], _Outer] = {}
        self._least = (np.zeros((1, 1)), np.zeros(1), np.inf)

    def start(self, words: Floats, compute: Floats, threshold: float) -> None:
        """Begin with spatial choices whose bounds are at least these.

        Parameters
        ----------
        words : numpy.ndarray, (1, 1 + B)
            Energy and cycles at each bandwidth.
        compute : numpy.ndarray, (1,)
            Cycles of operations.
        threshold : float
            The highest threshold from now on.
        """
        self._least = words, compute, threshold
        for outer in self._outer.values():
            outer.start(*self._least)

    def nodes(self, space: Space, threshold: Callable[[], float]) -> Iterator[Nodes]:
        """Give nodes whose bounds are below a threshold, which may fall meanwhile.

        Parameters
        ----------
        space : Space
            Spatial choices; the tree uses them when nodes are given.
        threshold : callable
            The threshold at the time.
        """
        factors = space.factors[:, -1]
        rows, which = np.unique(factors, axis=0, return_inverse=True)
        bounds = self._tree.bounds
        energy, cycles = bounds.spatial(space.spaces, space.costs, space.idle)
        value = bounds.value(energy, cycles)
        for number, row in enumerate(rows):
            members = np.flatnonzero(which.ravel() == number)
            members = members[np.lexsort((energy[members], value[members]))]
            key = tuple(int(f) for f in row)
            if key not in self._outer:
                self._outer[key] = _Outer(self._model, self._tree, row)
                self._outer[key].start(*self._least)
            size = max(1, _PAIRS // max(1, len(self._outer[key])))
            for begin in range(0, len(members), size):
                some = members[begin : begin + size]
                yield from self._joined(space, some, energy[some], self._outer[key], threshold)

    def _joined(
        self,
        space: Space,
        which: Ints,
        energy: Floats,
        outer: _Outer,
        threshold: Callable[[], float],
    ) -> Iterator[Nodes]:
        tree, bounds = self._tree, self._tree.bounds
        costs = space.costs[which]
        words = costs.words()
        words[:, 0] = energy
        candidates, extra = outer.below(words, costs.compute, threshold())
        both = words[:, None] + extra[None]
        slowest = np.maximum(costs.compute[:, None], both[:, :, 1:].max(axis=2, initial=0))
        value = bounds.value(both[:, :, 0], slowest * (1 - 1e-11))
        keep = value < threshold()
        tree.dropped = min(tree.dropped, float(value[~keep].min(initial=np.inf)))
        of_space, of_outer = np.nonzero(keep)
        bound = candidates.temporal[of_outer, -1]
        fits = (space.rest[which[of_space]] % bound == 0).all(axis=1)
        of_space, of_outer = of_space[fits], of_outer[fits]
        ranked = np.lexsort((both[of_space, of_outer, 0], value[of_space, of_outer]))
        for begin in range(0, len(ranked), _NODES):
            some = ranked[begin : begin + _NODES]
            chosen, outside = which[of_space[some]], candidates[of_outer[some]]
            nodes = Nodes(
                chosen,
                space.rest[chosen] // outside.temporal[:, -1],
                outside.temporal,
                outside.order,
                outside.spread,
                outer.exact(space.costs.least[chosen], outside),
                outside.counted,
                outside.pending,
                outside.ratio,
                outside.may_pass,
                outside.value,
                outside.energy,
                outside.cycles,
            )
            tree.use(space)
            tree.refresh(nodes, self._model.num_memories - 1)
            yield nodes[tree.below(nodes, threshold())]


class _Outer:
    """Loops of the outermost memory, with one choice of its spatial loops."""

    def __init__(self, model: Model, tree: Tree, spatial: Ints) -> None:
        self._model = model
        self._tree = tree
        self._memory = model.num_memories - 1
        factors = np.ones((1, model.num_memories, NUM_DIMS), dtype=np.int64)
        factors[0, -1] = spatial
        self._space = Space(model, factors)
        tree.use(self._space)
        self._root = Nodes.roots(self._space, model.num_memories)
        self._placed = tree.place(self._root, self._memory)
        tree.visited[self._memory] += len(self._placed.node)
        self._variables = [
            variable
            for term in model.terms
            if term.memory == self._memory - 1
            for variable in range(term.delivered, term.passed + 1)
        ]
        trial = tree.trial(self._root, self._placed, self._memory)
        self._extra = self._beyond(trial)

    def __len__(self) -> int:
        return len(self._extra)

    def start(self, words: Floats, compute: Floats, threshold: float) -> None:
        """Order loops that are below a threshold with a spatial choice that has these bounds."""
        tree = self._tree
        tree.use(self._space)
        keep = self._below(words, compute, self._extra, threshold)
        placed = Placed(*(each[keep] for each in self._placed))
        self._nodes = tree.arrange(
            self._root,
            placed,
            self._memory,
            lambda nodes: self._below(words, compute, self._beyond(nodes), threshold),
        )

    def _beyond(self, nodes: Nodes) -> Floats:
        """Energy and words at bandwidths beyond those of the least deliveries, (N, 1 + B)."""
        costs = self._space.costs
        more = (nodes.least - costs.least)[:, self._variables]
        found: Floats = more @ costs.weights[0][:, self._variables].T
        return found

    def exact(self, least: Floats, nodes: Nodes) -> Floats:
        """Put what the outermost loops deliver into bounds on deliveries, (N, V)."""
        least[:, self._variables] = nodes.least[:, self._variables]
        return least

    def below(self, words: Floats, compute: Floats, threshold: float) -> tuple[Nodes, Floats]:
        """Give the loops that are below a threshold with some spatial choice.

        Parameters
        ----------
        words : numpy.ndarray, (S, 1 + B)
            Bounds on energy and on cycles at each bandwidth, of spatial choices.
        compute : numpy.ndarray, (S,)
            Cycles of their operations.
        threshold : float
            The threshold.

        Returns
        -------
        Nodes
            Of a space of their own.
        numpy.ndarray, (N, 1 + B)
            What they add to the bounds.
        """
        nodes = self._nodes
        extra = self._beyond(nodes)
        keep = self._below(words, compute, extra, threshold)
        return nodes[keep], extra[keep]

    def _below(self, words: Floats, compute: Floats, extra: Floats, threshold: float) -> Bools:
        least = words.min(axis=0)[None] + extra
        cycles = np.maximum(compute.min(), least[:, 1:].max(axis=1, initial=0))
        value = self._tree.bounds.value(least[:, 0], cycles * (1 - 1e-11))
        keep: Bools = value < threshold
        self._tree.dropped = min(self._tree.dropped, float(value[~keep].min(initial=np.inf)))
        return keep
