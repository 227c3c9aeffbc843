# SPDX-License-Identifier: BSD-3-Clause
"""Words that cross the boundary between a memory and the one below it.

Decides how often tiles are delivered, to how many distinct children, and which children take their
words from a neighbour (docs/model/cosa.md sections 8.2 to 8.4). Arrays have one column per mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .nest import WINDOWS, scale
from .problem import INPUTS, MOVES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .nest import Nest

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class Boundary(NamedTuple):
    """Counts of one tensor per instance of the parent, each (N,).

    Attributes
    ----------
    accesses
        Words that the parent reads (or updates, for outputs): each once per group of children
        that receive equal words.
    words
        Words that all children receive from it.
    transfers
        Words that children receive from neighbours.
    """

    accesses: Floats
    words: Floats
    transfers: Floats


class Visits(NamedTuple):
    """Deliveries to one child: J kinds of visits after the first one.

    Attributes
    ----------
    weights, jumps, sizes : numpy.ndarray, (J, N)
        How often a visit occurs, by how far the tile has moved since the one before it, and how
        many words are delivered. Places without a loop have weight 0.
    first : numpy.ndarray of int, (N,)
        The innermost kind.
    total : numpy.ndarray, (N,)
        Words of all visits.
    is_same : numpy.ndarray of bool, (J, N)
        Whether the jump is that of the innermost kind.
    is_fresh : numpy.ndarray of bool, (N,)
        Whether the innermost kind has nothing in common with the tile before it.
    following : numpy.ndarray, (N,)
        Innermost visits per round of the innermost loop, its bound less 1.
    """

    weights: Floats
    jumps: Floats
    sizes: Floats
    first: NDArray[np.intp]
    total: Floats
    is_same: Bools
    is_fresh: Bools
    following: Floats


def arithmetic(nest: Nest, tensor: int) -> Boundary:
    """Accesses of the innermost memory: each operation has its operands and its result."""
    cycles = nest.compute_cycles
    shared = cycles * distinct_children(nest, tensor, 0)
    return Boundary(shared, cycles * nest.fanout[0], np.zeros_like(cycles))


def boundary(nest: Nest, tensor: int, parent: int) -> Boundary:
    """Words that pass from a memory to the one below it."""
    _, size = nest.tile(tensor, parent - 1)
    visits = visits_of_child(nest, tensor, parent - 1)
    fanout = nest.fanout[parent]
    if visits is None:
        total, transfers = size, np.zeros_like(size)
    else:
        total, transfers = visits.total, np.zeros_like(size)
    groups = distinct_children(nest, tensor, parent)
    accesses, words = total * groups, total * fanout
    # Weights and outputs move by whole tiles, beyond all children: no neighbour has what is next.
    if visits is not None and tensor == INPUTS:
        spared = _neighbours(nest, parent, visits, groups)
        if spared is not None:
            columns, fewer, transfers[columns] = spared
            accesses[columns] -= fewer
            words -= transfers
    return Boundary(accesses, words, transfers)


def distinct_children(nest: Nest, tensor: int, parent: int) -> Floats:
    """Number of different tiles among the children of one instance, (N,).

    Along a window, plane indices a·x and filter indices b·y may coincide: with a and b divided by
    their common divisor, (x, y) and (x + b, y − a) do, so that X·Y − (X − b)⁺·(Y − a)⁺ of the sums
    are distinct.
    """
    fans = nest.fans[parent]
    count: Floats = fans[MOVES[tensor]].prod(axis=0)
    if tensor != INPUTS or (parent == 0 and (nest.fanout[0] == 1).all()):
        return count
    below = np.ones_like(fans) if parent == 0 else nest.extents[parent - 1]
    per_step = scale(nest.problem, tensor)
    for r, p in WINDOWS:
        both = (fans[r] > 1) & (fans[p] > 1)
        if both.any():
            a = (per_step[p] * below[p]).astype(np.int64)
            b = (per_step[r] * below[r]).astype(np.int64)
            common = np.gcd(a, b)
            repeated = np.maximum(0, fans[p] - b // common) * np.maximum(0, fans[r] - a // common)
            pairs = fans[p] * fans[r]
            count = count / pairs * (pairs - repeated)
    return count


def visits_of_child(nest: Nest, tensor: int, child: int) -> Visits | None:
    """Deliveries to an instance of a memory; None where no loop is outside its tile."""
    outermost_inside = child if nest.escapes is None else child - 1
    places = np.flatnonzero((nest.memory > outermost_inside) & ~nest.is_spatial)
    if not len(places):
        return None
    bounds, motions = nest.bounds[places], nest.motions[tensor][places]
    if nest.escapes is not None:
        is_inside = (nest.memory[places] == child)[:, None] & ~nest.escapes[tensor][places]
        bounds, motions = np.where(is_inside, 1.0, bounds), np.where(is_inside, 0.0, motions)
    columns = np.arange(bounds.shape[1])
    rounds = _running(np.multiply, bounds[::-1])[::-1]
    weights = rounds.copy()
    weights[:-1] -= rounds[1:]
    weights[-1] -= 1
    first = (bounds > 1).argmax(axis=0)
    jumps = motions + motions
    jumps -= _running(np.add, motions)
    is_same = jumps == jumps[first, columns]
    lengths, size = nest.tile(tensor, child)
    dims = nest.dims[places][first, columns]
    moved = scale(nest.problem, tensor)[dims] * nest.steps[places][first, columns]
    length = lengths[dims, columns]
    overlap = size / length * np.maximum(0, length - moved)
    total = size * rounds[0] - overlap * (weights * is_same).sum(axis=0)
    return Visits(
        weights,
        jumps,
        size - overlap * is_same,
        first,
        total,
        is_same,
        overlap == 0,
        bounds[first, columns] - 1,
    )


def _neighbours(
    nest: Nest, parent: int, visits: Visits, groups: Floats
) -> tuple[NDArray[np.intp], Floats, Floats] | None:
    """Find which children take inputs from a neighbour, and what that spares.

    A child takes its words from the one before or after it in the row if that received the same
    words at the visit before; only if the parent then has fewer groups to serve.

    Returns
    -------
    tuple or None
        Mappings in which it occurs; accesses spared; words transferred.
    """
    places = np.flatnonzero((nest.memory == parent) & nest.is_spatial)
    if not len(places):
        return None
    bounds, motions = nest.bounds[places], nest.motions[INPUTS][places]
    # From the last child of one round of the more inner loops to the first of the next.
    rounds = (bounds - 1) * motions
    returns = _running(np.add, rounds) - rounds
    carries = np.where(bounds > 1, motions - returns, np.nan)
    counts = _pair_counts(visits)
    jumps = np.where(counts > 0, np.abs(visits.jumps), np.inf)
    may = np.zeros(bounds.shape[1], dtype=bool)
    for carry in np.abs(carries):
        may |= (jumps == carry).any(axis=0)
    columns = np.flatnonzero(may)
    if not len(columns):
        return None
    offsets = _child_offsets(bounds[:, columns], motions[:, columns])
    fewer, transfers = np.zeros(len(columns)), np.zeros(len(columns))
    for number in range(len(jumps)):
        weight = (counts[number] * visits.sizes[number])[columns]
        if not weight.any():
            continue
        takers, remaining = _takers(offsets, visits.jumps[number, columns])
        spared = groups[columns] - remaining
        is_better = spared > 0
        fewer += weight * spared * is_better
        transfers += weight * takers * is_better
    return columns, fewer, transfers


def _pair_counts(visits: Visits) -> Floats:
    """How often a visit follows one that delivered a set of the same shape, (J, N).

    The shapes of the two sets are equal if both are whole tiles, or both are tiles less the
    overlap of the innermost jump. An innermost visit follows the first visit, which is whole, once
    per innermost round, and others as often as these occur; others follow an innermost one.
    """
    columns = np.arange(visits.first.size)
    counts: Floats = visits.weights * (visits.is_fresh | visits.is_same)
    counts[visits.first, columns] = 0
    innermost = visits.following * (visits.is_fresh + counts.sum(axis=0))
    counts[visits.first, columns] = innermost
    # Without motion nothing is delivered that a neighbour could have.
    counts *= visits.jumps[visits.first, columns] != 0
    return counts


def _child_offsets(bounds: Floats, motions: Floats) -> Floats:
    """Offsets of the children of one instance in their row, (N, largest fan-out); NaN beyond."""
    fanout: Floats = bounds.prod(axis=0)
    child = np.arange(fanout.max())[None, :]
    offsets: Floats = np.zeros((len(fanout), child.size))
    stride = np.ones(len(fanout))
    for bound, motion in zip(bounds, motions, strict=True):
        offsets += (child // stride[:, None]) % bound[:, None] * motion[:, None]
        stride = stride * bound
    offsets[child >= fanout[:, None]] = np.nan
    return offsets


def _running(operation: np.ufunc, rows: Floats) -> Floats:
    """Combine each row with all before it; row by row, which is much faster than accumulate."""
    found = np.empty_like(rows)
    found[0] = rows[0]
    for number in range(1, len(rows)):
        operation(found[number - 1], rows[number], out=found[number])
    return found


def _takers(offsets: Floats, jump: Floats) -> tuple[Floats, Floats]:
    """Count children with a neighbour that was where they are now, and other children's offsets."""
    ahead = (offsets[:, 1:] - offsets[:, :-1]) - jump[:, None] == 0
    behind = (offsets[:, :-1] - offsets[:, 1:]) - jump[:, None] == 0
    takes = np.zeros(offsets.shape, dtype=bool)
    takes[:, :-1] |= ahead
    takes[:, 1:] |= behind
    left = np.sort(np.where(takes | np.isnan(offsets), np.inf, offsets), axis=1)
    is_new = np.isfinite(left)
    is_new[:, 1:] &= left[:, 1:] != left[:, :-1]
    return takes.sum(axis=1).astype(float), is_new.sum(axis=1).astype(float)
