# SPDX-License-Identifier: BSD-3-Clause
"""The loops of many mappings in one order, and the tiles that they span.

Decides steps, extents, sizes of tiles and how far a loop moves the tile of each tensor
(docs/model/cosa.md section 8.1). Arrays have one column per mapping; all numbers are whole and
below 2^53, so that double precision is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .problem import DIMENSIONS, INPUTS, MOVES, OUTPUTS, TENSORS, WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .loops import Batch
    from .problem import Problem

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_R, _S, _P, _Q, _C, _K, _N = range(len(DIMENSIONS))

# The dimension that names each axis of a tensor's box; a window lies along P and Q.
AXES = {WEIGHTS: (_R, _S, _C, _K), INPUTS: (_P, _Q, _C, _N), OUTPUTS: (_P, _Q, _K, _N)}

# (filter dimension, plane dimension) of the windows: along the width, along the height.
WINDOWS = ((_R, _P), (_S, _Q))


@dataclass(frozen=True)
class Nest:
    """Loops of N mappings of one problem, S places, innermost first.

    Per memory, spatial loops come before temporal ones. Places that no mapping uses are left out;
    a place that only some use has bound 1 elsewhere.

    Attributes
    ----------
    memory : numpy.ndarray of int, (S,)
        Memory that the places belong to.
    is_spatial : numpy.ndarray of bool, (S,)
        Kind of the places.
    dims, bounds, steps : numpy.ndarray, (S, N)
        Dimension; bound; product of the bounds of all more inner loops of the dimension.
    extents, fans : numpy.ndarray, (M, 7, N)
        Product of the bounds of all loops at a memory and below it, and of its spatial loops.
    escapes : numpy.ndarray of bool, (3, S, N), or None
        Uneven mapping: temporal loops that are outside the tile of their own memory.
    """

    problem: Problem
    memory: NDArray[np.intp]
    is_spatial: Bools
    dims: NDArray[np.intp]
    bounds: Floats
    steps: Floats
    extents: Floats
    fans: Floats
    escapes: Bools | None

    @classmethod
    def of_batch(cls, problem: Problem, batch: Batch) -> Nest:
        """Order the loops of a batch."""
        num, num_memories, _ = batch.spatial_bounds.shape
        places, dims, bounds, escapes = [], [], [], []
        for m in range(num_memories):
            for is_spatial, kind_dims, kind_bounds in (
                (True, batch.spatial_dims, batch.spatial_bounds),
                (False, batch.temporal_dims, batch.temporal_bounds),
            ):
                used = (kind_bounds[:, m] > 1).any(axis=0)
                for place in np.flatnonzero(used).tolist():
                    places.append((m, is_spatial))
                    dims.append(kind_dims[:, m, place])
                    bounds.append(kind_bounds[:, m, place])
                    if batch.residency is not None:
                        outside = place >= batch.residency[:, m].T
                        escapes.append(outside & (not is_spatial))
        extents = np.ones((num_memories, len(DIMENSIONS), num))
        fans = np.ones_like(extents)
        steps = np.ones((len(places), num))
        columns = np.arange(num)
        extent = np.ones((len(DIMENSIONS), num))
        done = 0
        for place, (m, is_spatial) in enumerate(places):
            extents[done:m] = extent
            done = m
            steps[place] = extent[dims[place], columns]
            extent[dims[place], columns] *= bounds[place]
            if is_spatial:
                fans[m, dims[place], columns] *= bounds[place]
        extents[done:] = extent
        return cls(
            problem,
            np.array([m for m, _ in places], dtype=np.intp),
            np.array([kind for _, kind in places], dtype=bool),
            np.array(dims, dtype=np.intp).reshape(-1, num),
            np.array(bounds, dtype=np.float64).reshape(-1, num),
            steps,
            extents,
            fans,
            np.stack(escapes, 1) if escapes else None,
        )

    @property
    def num_memories(self) -> int:
        """Number of memories M."""
        return len(self.extents)

    @cached_property
    def compute_cycles(self) -> Floats:
        """Product of all temporal bounds, (N,)."""
        cycles: Floats = self.bounds[~self.is_spatial].prod(axis=0)
        return cycles

    @cached_property
    def fanout(self) -> Floats:
        """Instances that are used below one instance of each memory, (M, N)."""
        used: Floats = self.fans.prod(axis=1)
        return used

    @cached_property
    def instances(self) -> Floats:
        """Used instances of the units and of each memory, (1 + M, N)."""
        used: Floats = np.ones((self.num_memories + 1, self.bounds.shape[1]))
        for m in reversed(range(self.num_memories)):
            used[m] = used[m + 1] * self.fanout[m]
        return used

    def tile_extents(self, tensor: int, memory: int) -> Floats:
        """Extents of the loops inside the tile of a tensor at a memory, (7, N)."""
        extents: Floats = self.extents[memory]
        if self.escapes is None:
            return extents
        extents = extents.copy()
        columns = np.arange(extents.shape[1])
        for place in np.flatnonzero(self.memory == memory):
            outside = self.escapes[tensor, place]
            extents[self.dims[place], columns] /= np.where(outside, self.bounds[place], 1)
        return extents

    @cached_property
    def _tiles(self) -> dict[tuple[int, int], tuple[Floats, Floats]]:
        return {}

    def tile(self, tensor: int, memory: int) -> tuple[Floats, Floats]:
        """Lengths of axes, (7, N), and size, (N,), of the tile of a tensor at a memory."""
        key = tensor, memory
        if key not in self._tiles:
            axes = lengths(self.problem, tensor, self.tile_extents(tensor, memory))
            self._tiles[key] = axes, size(tensor, axes)
        return self._tiles[key]

    @cached_property
    def motions(self) -> list[Floats]:
        """How far each loop moves each tensor, (S, N), as numbers.

        The four axes of a tensor become the digits of one number. A digit is so large that sums
        and differences of motions are equal only if they are equal along each axis.
        """
        is_loop = self.bounds > 1
        per_step = [motion_per_step(self.problem, t) for t in range(len(TENSORS))]
        return [np.where(is_loop, self.steps * each[self.dims], 0.0) for each in per_step]


def lengths(problem: Problem, tensor: int, extents: Floats) -> Floats:
    """Length of the axis that each dimension moves along, 1 where it moves none.

    Parameters
    ----------
    problem : Problem
        The layer.
    tensor : int
        The tensor.
    extents : numpy.ndarray, (7, N)
        Extents of a tile.

    Returns
    -------
    numpy.ndarray, (7, N)
    """
    if tensor != INPUTS:
        return np.where(MOVES[tensor][:, None], extents, 1.0)
    found: Floats = extents.copy()
    found[_K] = 1
    for (r, p), stride, dilation in zip(WINDOWS, problem.stride, problem.dilation, strict=True):
        found[p] = stride * (extents[p] - 1) + dilation * (extents[r] - 1) + 1
        found[r] = found[p]
    return found


def size(tensor: int, axes: Floats) -> Floats:
    """Words of a box, (N,), of its lengths of axes, (7, N)."""
    first, second, third, fourth = AXES[tensor]
    words: Floats = axes[first] * axes[second] * axes[third] * axes[fourth]
    return words


def scale(problem: Problem, tensor: int) -> Floats:
    """Words by which one step of each dimension moves a tensor along its axis, (7,)."""
    scales: Floats = MOVES[tensor].astype(float)
    if tensor == INPUTS:
        for (r, p), stride, dilation in zip(WINDOWS, problem.stride, problem.dilation, strict=True):
            scales[p], scales[r] = stride, dilation
    return scales


def motion_per_step(problem: Problem, tensor: int) -> Floats:
    """By how much one step of each dimension moves a tensor, (7,), in motion numbers."""
    return scale(problem, tensor) * _digits(problem, tensor)


def _digits(problem: Problem, tensor: int) -> Floats:
    """Value of one word along the axis of each dimension, in the numbers of `Nest.motions`."""
    whole = lengths(problem, tensor, np.array(problem.bounds, dtype=float)[:, None])[:, 0]
    digits = np.zeros(len(DIMENSIONS))
    value = 1.0
    for dimension in AXES[tensor]:
        digits[dimension] = value
        value *= 4 * whole[dimension] + 1
    if tensor == INPUTS:
        for r, p in WINDOWS:
            digits[r] = digits[p]
    return digits
