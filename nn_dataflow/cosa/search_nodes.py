# SPDX-License-Identifier: BSD-3-Clause
"""Partial mappings as arrays.

Decides what is kept of a mapping of which only the outer memories are decided
(docs/model/cosa_search.md section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .problem import TENSORS
from .search_model import NUM_DIMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .search_spatial import Space

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass
class Nodes:
    """N partial mappings: the loops of memories from some one outwards are placed.

    Attributes
    ----------
    space : numpy.ndarray of int, (N,)
        Index of the spatial choice.
    rest : numpy.ndarray of int, (N, 7)
        Temporal bounds not placed yet.
    temporal : numpy.ndarray of int, (N, M, 7)
        Temporal bounds that are placed, 1 elsewhere.
    order, spread : numpy.ndarray of int, (N, M)
        Number of the order of the temporal and of the spatial loops.
    least : numpy.ndarray, (N, V)
        Bounds on the deliveries, exact for memories below those that are placed.
    counted, pending : numpy.ndarray, (N, 3)
        Product of the loops that do not move a tensor, outside of a placed one that does, and
        inside of all that do.
    ratio : numpy.ndarray, (N,)
        Inputs that operations read, relative to `Costs.operands`.
    may_pass : numpy.ndarray of bool, (N,)
        Whether neighbours may pass inputs at a boundary below memories that are placed.
    value, energy, cycles : numpy.ndarray, (N,)
        Bounds on the goal, on energy and on cycles.
    """

    space: Ints
    rest: Ints
    temporal: Ints
    order: Ints
    spread: Ints
    least: Floats
    counted: Floats
    pending: Floats
    ratio: Floats
    may_pass: Bools
    value: Floats
    energy: Floats
    cycles: Floats

    def __len__(self) -> int:
        return len(self.space)

    def __getitem__(self, which: Ints | Bools | slice) -> Nodes:
        return Nodes(*(each[which] for each in self.arrays()))

    @classmethod
    def roots(cls, space: Space, num_memories: int) -> Nodes:
        """Spatial choices without any temporal loop."""
        num = len(space)
        return cls(
            np.arange(num),
            space.rest.copy(),
            np.ones((num, num_memories, NUM_DIMS), dtype=np.int64),
            np.zeros((num, num_memories), dtype=np.int64),
            np.zeros((num, num_memories), dtype=np.int64),
            space.costs.least.copy(),
            np.ones((num, len(TENSORS))),
            np.ones((num, len(TENSORS))),
            np.ones(num),
            np.zeros(num, dtype=bool),
            *np.zeros((3, num)),
        )

    def arrays(self) -> list[NDArray[Any]]:
        """All fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def ranked(self) -> Nodes:
        """Sort by bound, then by energy."""
        return self[np.lexsort((self.energy, self.value))]


class Placed(NamedTuple):
    """Candidates: a node and the temporal bounds of its next memory.

    Attributes
    ----------
    node : numpy.ndarray of int, (N,)
        Index of the node.
    bounds : numpy.ndarray of int, (N, 7)
        Temporal bounds.
    barred : numpy.ndarray of int, (N,)
        Bits of dimensions that must not be innermost.
    """

    node: Ints
    bounds: Ints
    barred: Ints
