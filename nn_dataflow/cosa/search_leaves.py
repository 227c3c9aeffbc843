# SPDX-License-Identifier: BSD-3-Clause
"""Complete mappings: what the evaluator says of them, and whether that proves their class.

Decides which of many mappings is best, and what bound holds where the evaluator counts more than
the search can rule out for all orders of the same loops (docs/model/cosa_search.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .evaluation import evaluate_batch
from .loops import Batch
from .search_passing import MOST_ORDERS, all_orders, count_orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .evaluation import BatchEvaluation
    from .mapping import Mapping
    from .search_bounds import Bounds
    from .search_model import Model
    from .search_nodes import Nodes
    from .search_spatial import Choices
    from .search_tree import Tree

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# Mappings evaluated at once.
_CHUNK = 256

# Orders that are tried in all, of mappings in which neighbours may pass words.
_ORDERS = 5000

# Relative difference that rounding of sums may make.
_ROUNDING = 1e-8


class Leaves:
    """The best of the mappings evaluated so far.

    Parameters
    ----------
    model, bounds, tree
        The problem on the machine, the goal, and what made the nodes.

    Attributes
    ----------
    value : float
        Value of the best one.
    mapping : Mapping or None
        The best one.
    unproved : float
        Bound on mappings that are not evaluated one by one.
    count : int
        Mappings evaluated.
    """

    def __init__(self, model: Model, bounds: Bounds, tree: Tree) -> None:
        self._model = model
        self._bounds = bounds
        self._tree = tree
        self.value = self._energy = np.inf
        self.mapping: Mapping | None = None
        self.unproved = np.inf
        self.count = 0
        self._orders_left = _ORDERS

    def evaluate(self, nodes: Nodes, threshold: Callable[[], float]) -> None:
        """Evaluate nodes with bounds below a threshold, which falls with each better value."""
        nodes = nodes.ranked()
        for begin in range(0, len(nodes), _CHUNK):
            part = nodes[begin : begin + _CHUNK]
            part = part[self._tree.below(part, threshold())]
            if len(part):
                self._evaluate(part)

    def _evaluate(self, nodes: Nodes) -> None:
        temporal = nodes.temporal.copy()
        temporal[:, 0] = nodes.rest
        spatial = self._tree.space.factors[nodes.space]
        tree = self._tree
        orders = tree.orders[nodes.order], tree.orders[nodes.spread]
        found = self._take(Batch.of_factors(spatial, temporal, *orders))
        # Where neighbours may pass words, orders may trade one count for another, and be rounded
        # to blocks in other ways.
        room = tree.space.costs.room[nodes.space]
        is_exact = self.unrounded(found) <= nodes.energy * (1 + _ROUNDING) + room
        is_exact &= ~nodes.may_pass
        self.unproved = min(self.unproved, float(nodes.value[~is_exact].min(initial=np.inf)))
        self._try_orders(spatial, temporal, np.flatnonzero(nodes.may_pass))

    def _try_orders(self, spatial: Ints, temporal: Ints, some: Ints) -> None:
        """Evaluate mappings in all orders of their loops, a limited number of them in all."""
        if not len(some) or not self._orders_left:
            return
        spatial, temporal = spatial[some], temporal[some]
        places = range(self._model.num_memories), range(1, self._model.num_memories)
        counts = count_orders(spatial, temporal, *places)
        few = np.flatnonzero((counts <= MOST_ORDERS) & (counts.cumsum() <= self._orders_left))
        if len(few):
            self._orders_left -= int(counts[few].sum())
            spatial, temporal = spatial[few], temporal[few]
            ways = all_orders(spatial, temporal, *places)
            factors = spatial[ways.node], temporal[ways.node]
            self._take(Batch.of_factors(*factors, ways.temporal, ways.spatial))

    def evaluate_outermost(self, choices: Choices) -> None:
        """Evaluate the best spatial choices with all temporal loops at the outermost memory.

        And none at all, of which one word per tensor is a tile: that fits if any mapping does.
        """
        space = choices.space(0, _CHUNK)
        none = np.ones((1, *space.factors.shape[1:]), dtype=np.int64)
        spatial = np.concatenate((space.factors, none))
        temporal = np.ones_like(spatial)
        temporal[:, -1] = self._model.bounds // spatial.prod(axis=1)
        self._take(Batch.of_factors(spatial, temporal))

    def _take(self, batch: Batch) -> BatchEvaluation:
        """Evaluate mappings and keep the best; of equal ones, that of least energy."""
        model = self._model
        found = evaluate_batch(model.problem, model.architecture, batch)
        self.count += len(batch)
        value = self._bounds.value(found.energy_pj, found.cycles)
        value = np.where(found.valid, value, np.inf)
        best = int(np.lexsort((found.energy_pj, value))[0])
        if (value[best], found.energy_pj[best]) < (self.value, self._energy):
            self.value, self._energy = float(value[best]), float(found.energy_pj[best])
            self.mapping = batch.mapping(model.architecture, best)
        return found

    def unrounded(self, found: BatchEvaluation) -> Floats:
        """Energy without rounding to blocks."""
        machine, counts = self._model.architecture, found.counts
        energy = np.full(len(found.cycles), self._model.problem.macs * machine.mac_energy)
        for m, level in enumerate(machine.levels):
            words = (counts.reads[:, m] + counts.updates[:, m] + counts.fills[:, m]).sum(axis=0)
            clusters = np.minimum(found.instances[m + 1], level.instances / level.cluster_size)
            energy += words * clusters * (level.access_energy / level.block_size)
        return energy
