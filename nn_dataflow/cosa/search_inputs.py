# SPDX-License-Identifier: BSD-3-Clause
"""Exact deliveries of inputs for loops that are placed already.

Decides what the evaluator will count for inputs at one boundary (docs/model/cosa_search.md section
2.3), and where it may count less because neighbours pass words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .deliveries import distinct_children, visits_of_child
from .loops import Batch
from .nest import WINDOWS, Nest, lengths, motion_per_step, scale, size
from .problem import DIMENSIONS, INPUTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import Problem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


_K = DIMENSIONS.index("K")


class Arrival(NamedTuple):
    """Inputs at the boundary below one memory, each (N,).

    Attributes
    ----------
    words
        Words delivered to a child.
    children
        Number of children with different inputs.
    may_pass
        Whether a neighbour may have what a child needs next, in some order of the spatial loops.
    may_stay
        Whether it may have it because all tiles stay where they are.
    """

    words: Floats
    children: Floats
    may_pass: Bools
    may_stay: Bools


def arrivals(
    problem: Problem, memory: int, spatial: Ints, temporal: Ints, inside: Ints, order: Ints
) -> Arrival:
    """Count what children of one memory receive.

    Parameters
    ----------
    problem : Problem
        The layer.
    memory : int
        The parent.
    spatial, temporal : numpy.ndarray of int, (N, M, 7)
        Bounds; temporal ones below the parent are not looked at.
    inside : numpy.ndarray of int, (N, 7)
        Temporal bounds inside the children.
    order : numpy.ndarray of int, (N, M, 7)
        Dimensions of the temporal loops, innermost first.
    """
    bounds = temporal.copy()
    bounds[:, : memory - 1] = 1
    bounds[:, memory - 1] = inside
    nest = Nest.of_batch(problem, Batch.of_factors(spatial, bounds, order))
    visits = visits_of_child(nest, INPUTS, memory - 1)
    children = distinct_children(nest, INPUTS, memory)
    if visits is None:
        never = np.zeros(len(bounds), dtype=bool)
        return Arrival(nest.tile(INPUTS, memory - 1)[1], children, never, never)
    jumps = np.where(visits.weights > 0, np.abs(visits.jumps), -1)
    fans, below = nest.fans[memory], nest.extents[memory - 1]
    may_pass = _crosses(fans, bounds[:, memory:])
    may_stay = fans[_K] > 1
    words = motion_per_step(problem, INPUTS)
    for r, p in WINDOWS:
        has_r, has_p = fans[r] > 1, fans[p] > 1
        to_r, to_p = words[r] * below[r], words[p] * below[p]
        # From one child to the next in the row, or at the end of the more inner spatial loop.
        for step, occurs in (
            (to_p, has_p),
            (to_r, has_r),
            (np.abs(to_r - (fans[p] - 1) * to_p), has_p & has_r),
            (np.abs(to_p - (fans[r] - 1) * to_r), has_p & has_r),
        ):
            may_pass |= occurs & (step > 0) & (jumps == step).any(axis=0)
            may_stay |= occurs & (step == 0)
    # The innermost jump tells what is delivered; if it is none, nothing is passed.
    moves = jumps[visits.first, np.arange(len(bounds))] > 0
    may_stay &= moves & (jumps == 0).any(axis=0)
    return Arrival(visits.total, children, moves & may_pass | may_stay, may_stay)


def least_served(batched: Floats, arrival: Arrival) -> Floats:
    """Groups of children that the parent itself serves, at least, on average over the words.

    Of children that differ only along windows, the foremost in the direction of a jump has no
    neighbour ahead. If the tiles stay where they are, all may have what they need from neighbours,
    but the innermost loop, which moves them, makes at least every other delivery.
    """
    return np.where(arrival.may_stay, batched / 2, batched)


def least_words(
    problem: Problem, windows: tuple[tuple[int, int], ...], extents: Floats, bounds: Ints
) -> Floats:
    """Words delivered to a child in the best order of the loops above it, at least, (N,).

    Only the innermost loops, as far as they are along one window, deliver less than whole tiles
    (docs/model/cosa_search.md section 2.3).

    Parameters
    ----------
    problem : Problem
        The layer.
    windows : tuple of (int, int)
        (filter dimension, plane dimension) of windows that overlap.
    extents : numpy.ndarray, (7, N)
        Extents of the tile of the child.
    bounds : numpy.ndarray of int, (N, L, 7)
        Temporal bounds of the memories above it.
    """
    axes = lengths(problem, INPUTS, extents)
    whole = size(INPUTS, axes)
    per_step = scale(problem, INPUTS)
    loops = bounds.prod(axis=1).T.astype(float)
    visits = loops.prod(axis=0)
    fewest = np.where((loops > 1).any(axis=0), visits * whole, whole)
    fewest = np.where(loops[_K] > 1, visits / loops[_K] * whole, fewest)
    for window in windows:
        moved = [np.minimum(1, per_step[d] * extents[d] / axes[d]) for d in window]
        moved = [np.where(loops[d] > 1, m, 1) for d, m in zip(window, moved, strict=True)]
        along = loops[list(window)].prod(axis=0)
        new = np.minimum(*moved)
        # Several loops may go on by equal steps, or not at all beside K.
        is_one = (bounds[:, :, window] > 1).sum(axis=(1, 2)) <= 1
        fewest_along = visits / along * (1 + (along - 1) * new)
        still = np.where(is_one | (loops[_K] == 1), fewest_along, visits / (along * loops[_K]))
        fewest = np.minimum(fewest, np.where(along > 1, still * whole, np.inf))
    return fewest


def _crosses(fans: Floats, loops: Ints) -> Bools:
    """Whether steps in both directions of the plane might match at once.

    Only a filter loop can move by as much as a spatial loop along the plane, and the reverse.
    """
    crosses = np.ones(len(loops), dtype=bool)
    for r, p in WINDOWS:
        moves = {d: (loops[:, :, d] > 1).any(axis=1) for d in (r, p)}
        crosses &= (fans[p] > 1) & moves[r] | (fans[r] > 1) & moves[p]
    return crosses
