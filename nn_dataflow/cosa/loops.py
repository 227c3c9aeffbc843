# SPDX-License-Identifier: BSD-3-Clause
"""Many mappings of one problem as arrays of loops.

Decides the array form of mappings that searches and the evaluator share: padded lists of loops per
memory (docs/model/cosa.md section 8.1), converted from and to single mappings and factor tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .mapping import Mapping
from .problem import DIMENSIONS, TENSORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .architecture import Architecture
    from .mapping import Loops

    Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Batch:
    """N mappings on a machine of M memories.

    Each memory has the same number of places for spatial and for temporal loops, innermost first.
    A place that is not used has bound 1, and any dimension; such places may be anywhere.

    Parameters
    ----------
    spatial_dims, spatial_bounds : numpy.ndarray of int, (N, M, A)
        Index of the dimension in R, S, P, Q, C, K, N, and bound, of spatial loops.
    temporal_dims, temporal_bounds : numpy.ndarray of int, (N, M, B)
        The same of temporal loops.
    residency : numpy.ndarray of int or None, (N, M, 3)
        Uneven mapping: how many places of temporal loops of a memory, from the innermost and with
        those not used, are inside its tile of each tensor. None: all.

    Examples
    --------
    >>> from nn_dataflow.cosa.architecture import Architecture
    >>> spatial = temporal = np.ones((10, 6, 7), dtype=np.int64)
    >>> len(Batch.of_factors(spatial, temporal))
    10
    """

    spatial_dims: Ints
    spatial_bounds: Ints
    temporal_dims: Ints
    temporal_bounds: Ints
    residency: Ints | None = None

    def __len__(self) -> int:
        return len(self.spatial_bounds)

    def __getitem__(self, which: slice | Ints) -> Batch:
        """Return some of the mappings."""
        return Batch(
            self.spatial_dims[which],
            self.spatial_bounds[which],
            self.temporal_dims[which],
            self.temporal_bounds[which],
            None if self.residency is None else self.residency[which],
        )

    @classmethod
    def of_factors(
        cls,
        spatial: Ints,
        temporal: Ints,
        temporal_order: Ints | None = None,
        spatial_order: Ints | None = None,
        residency: Ints | None = None,
    ) -> Batch:
        """Make a batch of tables of factors.

        Parameters
        ----------
        spatial, temporal : numpy.ndarray of int, (N, M, 7)
            Bounds per memory and dimension.
        temporal_order, spatial_order : numpy.ndarray of int, (N, M, 7), optional
            Dimensions from the innermost loop on; R, S, P, Q, C, K, N by default.
        residency : numpy.ndarray of int, (N, M, 3), optional
            See `Batch`.
        """
        fixed = np.broadcast_to(np.arange(len(DIMENSIONS)), np.shape(spatial))
        space = fixed if spatial_order is None else spatial_order
        time = fixed if temporal_order is None else temporal_order
        return cls(
            space,
            np.take_along_axis(spatial, space, 2),
            time,
            np.take_along_axis(temporal, time, 2),
            residency,
        )

    @classmethod
    def of_mappings(cls, mappings: Sequence[Mapping]) -> Batch:
        """Make a batch of mappings on one machine."""
        spatial = _padded([[loops for _, loops, _ in mapping.levels] for mapping in mappings])
        temporal = _padded([[loops for _, _, loops in mapping.levels] for mapping in mappings])
        residency = None
        if any(mapping.residency is not None for mapping in mappings):
            _, num_memories, width = temporal[0].shape
            full = ((width,) * len(TENSORS),) * num_memories
            residency = np.array([mapping.residency or full for mapping in mappings])
        return cls(*spatial, *temporal, residency)

    def mapping(self, architecture: Architecture, index: int) -> Mapping:
        """Return one of the mappings, without loops of bound 1."""
        levels = []
        residency = []
        for m, level in enumerate(architecture.levels):
            spatial = _listed(self.spatial_dims[index, m], self.spatial_bounds[index, m])
            temporal = _listed(self.temporal_dims[index, m], self.temporal_bounds[index, m])
            levels.append((level.name, spatial, temporal))
            if self.residency is not None:
                used = self.temporal_bounds[index, m] > 1
                residency.append([int(used[:count].sum()) for count in self.residency[index, m]])
        keeps = [level.keeps for level in architecture.levels]
        return Mapping(levels, residency or None, keeps)


def check_names(mapping: Mapping, architecture: Architecture) -> None:
    """Refuse a mapping for another machine.

    Raises
    ------
    InputError
        If the memories are not those of the machine, in the same order.
    """
    names = tuple(name for name, _, _ in mapping.levels)
    if names != architecture.names:
        raise InputError(
            f"Mapping: memories are {', '.join(names)}, but those of {architecture.name} are"
            f" {', '.join(architecture.names)}"
        )


def _padded(mappings: Sequence[Sequence[Loops]]) -> tuple[Ints, Ints]:
    """Dimensions and bounds of loops of N mappings and M memories, (N, M, most loops)."""
    width = max(len(loops) for memories in mappings for loops in memories)
    shape = (len(mappings), len(mappings[0]), width)
    dims, bounds = np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.int64)
    for n, memories in enumerate(mappings):
        for m, loops in enumerate(memories):
            for place, (dimension, bound) in enumerate(loops):
                dims[n, m, place] = DIMENSIONS.index(dimension)
                bounds[n, m, place] = bound
    return dims, bounds


def _listed(dims: Ints, bounds: Ints) -> list[tuple[str, int]]:
    return [(DIMENSIONS[d], int(b)) for d, b in zip(dims, bounds, strict=True)]
