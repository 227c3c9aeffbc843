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

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .evaluation import BatchEvaluation
    from .mapping import Mapping
    from .search_bounds import Bounds
    from .search_model import Model
    from .search_tree import Nodes, Tree

    Floats = NDArray[np.float64]

# Mappings evaluated at once.
_CHUNK = 256

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
        self.value = np.inf
        self.mapping: Mapping | None = None
        self.unproved = np.inf
        self.count = 0

    def evaluate(self, nodes: Nodes, threshold: Callable[[], float]) -> None:
        """Evaluate nodes with bounds below a threshold, which falls with each better value."""
        nodes = nodes.ranked()
        for begin in range(0, len(nodes), _CHUNK):
            part = nodes[begin : begin + _CHUNK]
            part = part[self._tree.below(part, threshold())]
            if len(part):
                self._evaluate(part)

    def _evaluate(self, nodes: Nodes) -> None:
        model = self._model
        temporal = nodes.temporal.copy()
        temporal[:, 0] = nodes.rest
        spatial = self._tree.space.factors[nodes.space]
        batch = Batch.of_factors(spatial, temporal, self._tree.order(nodes))
        found = evaluate_batch(model.problem, model.architecture, batch)
        self.count += len(nodes)
        value = self._bounds.value(found.energy_pj, found.cycles)
        value = np.where(found.valid, value, np.inf)
        best = int(value.argmin())
        if value[best] < self.value:
            self.value = float(value[best])
            self.mapping = batch.mapping(model.architecture, best)
        is_exact = self._unrounded(found) <= nodes.energy * (1 + _ROUNDING)
        self.unproved = min(self.unproved, float(nodes.value[~is_exact].min(initial=np.inf)))

    def _unrounded(self, found: BatchEvaluation) -> Floats:
        """Energy without rounding to blocks."""
        machine, counts = self._model.architecture, found.counts
        energy = np.full(len(found.cycles), self._model.problem.macs * machine.mac_energy)
        for m, level in enumerate(machine.levels):
            words = (counts.reads[:, m] + counts.updates[:, m] + counts.fills[:, m]).sum(axis=0)
            clusters = np.minimum(found.instances[m + 1], level.instances / level.cluster_size)
            energy += words * clusters * (level.access_energy / level.block_size)
        return energy
