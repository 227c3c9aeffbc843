# SPDX-License-Identifier: BSD-3-Clause
"""Spatial choices, those with the least bounds first.

Decides which unrollings are searched (docs/model/cosa_search.md section 4): bounds depend on few
products of the spatial bounds, so that all combinations of these are bounded first, and only those
that may be good are spelled out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .nest import WINDOWS
from .search_bounds import stationary
from .search_model import NUM_DIMS, Model, Spaces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .search_bounds import Bounds

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_R, _S, _P, _Q, _C, _K, _N = range(NUM_DIMS)

# Loops that move the same tensors: weights and inputs, weights and outputs, inputs and outputs.
_GROUPS = ((_R, _S, _C), (_K,), (_P, _Q, _N))
_REDUCED, _KERNELS, _PIXELS = range(3)

# Combinations that are bounded in all, and at once.
_MOST_COMBINATIONS = 2_000_000
_CHUNK = 100_000


class _Signatures(NamedTuple):
    """Spatial bounds of one memory, by the products that bounds depend on.

    Attributes
    ----------
    memory : int
        The memory.
    vectors : numpy.ndarray of int, (N, 7)
        Spatial bounds, those of one signature together.
    rows : numpy.ndarray of int, (G, 5)
        Products of each group of dimensions, of what may coincide, of channels and batch.
    begins, counts : numpy.ndarray of int, (G,)
        Where the vectors of each are.
    """

    memory: int
    vectors: Ints
    rows: Ints
    begins: Ints
    counts: Ints


class Choices:
    """All spatial choices of a problem on a machine.

    Parameters
    ----------
    model : Model
        The problem on the machine.
    bounds : Bounds
        Bounds for the goal.

    Attributes
    ----------
    least : float
        Bound on every mapping.
    is_complete : bool
        Whether all choices are listed; only on machines with very many, some are left out.
    floor : float
        Bound on every mapping, whether its spatial choice is listed or not.
    """

    def __init__(self, model: Model, bounds: Bounds) -> None:
        self._model = model
        self._bounds = bounds
        fanouts = model.architecture.fanouts
        self._parts = [
            _signatures(m, _vectors(model.bounds, fanout))
            for m, fanout in enumerate(fanouts)
            if fanout > 1
        ]
        self._trim()
        self._picks = self._combinations()
        parts = [
            self._evaluate(self._picks[begin : begin + _CHUNK])
            for begin in range(0, len(self._picks), _CHUNK)
        ]
        energy, words, compute, value = (np.concatenate(each) for each in zip(*parts, strict=True))
        self._ranked = np.lexsort((energy, value))
        self._values = value[self._ranked]
        words[:, 0] = energy
        self._words = np.minimum.accumulate(words[self._ranked], axis=0)
        self._compute = np.minimum.accumulate(compute[self._ranked])
        energy_floor, cycles_floor = model.floor()
        self.floor = float(bounds.value(np.array(energy_floor), np.array(cycles_floor)))
        self.least = float(self._values[0])

    def _trim(self) -> None:
        """Keep the number of combinations in bounds: unrollings that use the least lanes go.

        All but none at all: where memories are small, those of many lanes may not fit together.
        """
        self.is_complete = True
        while self._has_too_many():
            self.is_complete = False
            largest = max(range(len(self._parts)), key=lambda i: len(self._parts[i].rows))
            part = self._parts[largest]
            lanes = part.rows[:, : len(_GROUPS)].prod(axis=1)
            ranked = np.argsort(-lanes, kind="stable")
            keep = np.sort(np.append(ranked[: len(lanes) * 3 // 4 - 1], ranked[-1]))
            self._parts[largest] = part._replace(
                rows=part.rows[keep], begins=part.begins[keep], counts=part.counts[keep]
            )

    def _has_too_many(self) -> bool:
        """Whether there are too many combinations whose products divide those of the problem."""
        if np.prod([float(len(part.rows)) for part in self._parts]) <= _MOST_COMBINATIONS:
            return False
        left = self._totals()
        numbers: Floats = np.ones(1)
        for part in self._parts:
            which, row = _dividing(left, part)
            left, group = np.unique(
                left[which] // part.rows[row, : len(_GROUPS)], axis=0, return_inverse=True
            )
            numbers = np.bincount(group.ravel(), numbers[which]).astype(float)
            if numbers.sum() > _MOST_COMBINATIONS:
                return True
        return False

    def _totals(self) -> Ints:
        return np.array([[self._model.bounds[list(group)].prod() for group in _GROUPS]])

    def _combinations(self) -> Ints:
        """Indices of the signatures of each memory, whose products divide those of the problem."""
        picks = np.zeros((1, 0), dtype=np.int64)
        left = self._totals()
        for part in self._parts:
            which, row = _dividing(left, part)
            picks = np.column_stack((picks[which], row))
            left = left[which] // part.rows[row, : len(_GROUPS)]
        return picks

    def _evaluate(self, picks: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        model = self._model
        rows = np.ones((len(picks), model.num_memories, 5))
        for column, part in enumerate(self._parts):
            rows[:, part.memory] = part.rows[picks[:, column]]
        reduced, kernels, pixels, coincident, batched = np.moveaxis(rows, 2, 0)
        inputs = reduced * pixels
        moving = (reduced * kernels, inputs, kernels * pixels)
        groups = inputs / coincident
        spaces = Spaces(inputs * kernels, moving, groups, groups, batched)
        totals = [model.bounds[list(group)].prod() for group in _GROUPS]
        left = [
            total / used.prod(axis=1)
            for total, used in zip(totals, (reduced, kernels, pixels), strict=True)
        ]
        idle = np.stack((left[_PIXELS], left[_KERNELS], left[_REDUCED]), axis=1)
        costs, blocks = model.costs(spaces)
        energy, cycles = self._bounds.spatial(spaces, costs, idle)
        in_blocks = blocks.energy(slice(None), costs.least, np.ones(len(picks)))
        value = self._bounds.value(np.maximum(energy, in_blocks), cycles)
        return energy, costs.words(), costs.compute, value

    def rank(self, threshold: float) -> int:
        """Return how many combinations have a bound below a threshold."""
        return int(np.searchsorted(self._values, threshold))

    def least_words(self, threshold: float) -> tuple[Floats, Floats]:
        """Bounds that hold for each combination below a threshold.

        Energy and cycles at each bandwidth, (1, 1 + B), and cycles of operations, (1,).
        """
        last = max(0, self.rank(threshold) - 1)
        return self._words[last : last + 1], self._compute[last : last + 1]

    def bound_after(self, rank: int) -> float:
        """Bound on all combinations from some rank on."""
        return float(self._values[rank]) if rank < len(self._values) else np.inf

    def space(self, begin: int, end: int) -> Space:
        """Spell out the spatial choices of combinations of some ranks."""
        model = self._model
        picks = self._picks[self._ranked[begin:end]]
        factors = np.ones((len(picks), model.num_memories, NUM_DIMS), dtype=np.int64)
        left = np.broadcast_to(model.bounds, (len(picks), NUM_DIMS))
        for column, part in enumerate(self._parts):
            which, row = ragged(part.begins[picks[:, column]], part.counts[picks[:, column]])
            vectors = part.vectors[row]
            fit = (left[which] % vectors == 0).all(axis=1)
            which, vectors = which[fit], vectors[fit]
            picks, factors, left = picks[which], factors[which], left[which] // vectors
            factors[:, part.memory] = vectors
        return Space(model, factors[self._fits(factors) & self._is_canonical(factors)])

    def _fits(self, factors: Ints) -> NDArray[np.bool_]:
        """Whether the tiles of the spatial loops alone fit."""
        model = self._model
        extents = factors.cumprod(axis=1).astype(float)
        fits = np.ones(len(factors), dtype=bool)
        for m in range(model.num_memories - 1):
            held = np.flatnonzero(model.stores[:, m])
            fits &= model.held(held, extents[:, m].T) <= model.capacities[m]
        return fits

    def _is_canonical(self, factors: Ints) -> NDArray[np.bool_]:
        """Drop one of two choices that differ only in width and height, if these are alike."""
        problem = self._model.problem
        (r, p), (s, q) = WINDOWS
        alike = problem.bounds[r] == problem.bounds[s] and problem.bounds[p] == problem.bounds[q]
        for width, height in (problem.stride, problem.dilation):
            alike = alike and width == height
        sign = np.zeros(len(factors), dtype=np.int64)
        if alike:
            for part in self._parts:
                for one, other in ((p, q), (r, s)):
                    here = factors[:, part.memory]
                    sign = np.where(sign == 0, np.sign(here[:, one] - here[:, other]), sign)
        return sign >= 0


class Space:
    """N spatial choices.

    Attributes
    ----------
    factors : numpy.ndarray of int, (N, M, 7)
        Spatial bounds.
    inside : numpy.ndarray, (N, M, 7)
        Their products over a memory and all below it.
    rest : numpy.ndarray of int, (N, 7)
        Bounds of all temporal loops.
    idle : numpy.ndarray, (N, 3)
        Products of those that do not move each tensor.
    spaces, costs, blocks
        What bounds need.
    """

    def __init__(self, model: Model, factors: Ints) -> None:
        self.factors = factors
        products = factors.cumprod(axis=1)
        self.inside = products.astype(float)
        self.rest = model.bounds // products[:, -1]
        self.idle = stationary(self.rest)
        self.spaces = Spaces.of_factors(factors)
        self.costs, self.blocks = model.costs(self.spaces)

    def __len__(self) -> int:
        return len(self.factors)


def ragged(begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Spell out ranges: the index of the range, and its elements.

    Examples
    --------
    >>> index, element = ragged(np.array([5, 0]), np.array([2, 1]))
    >>> index.tolist(), element.tolist()
    ([0, 0, 1], [5, 6, 0])
    """
    index = np.repeat(np.arange(len(counts)), counts)
    ends = counts.cumsum()
    return index, np.arange(len(index)) - (ends - counts)[index] + begins[index]


def _dividing(left: Ints, part: _Signatures) -> tuple[Ints, Ints]:
    """Pairs of what is left, (N, 3), and a signature whose products divide it, as indices."""
    rows = part.rows[:, : len(_GROUPS)]
    size = max(1, _CHUNK // len(rows))
    found = []
    for begin in range(0, len(left), size):
        divides = (left[begin : begin + size, None] % rows == 0).all(axis=2)
        which, row = np.nonzero(divides)
        found.append((which + begin, row))
    indices, signatures = zip(*found, strict=True)
    return np.concatenate(indices), np.concatenate(signatures)


def _vectors(bounds: Ints, fanout: int) -> Ints:
    """All spatial bounds of one memory, (N, 7)."""
    found = np.ones((1, NUM_DIMS), dtype=np.int64)
    for d in range(NUM_DIMS):
        factors = [f for f in range(1, fanout + 1) if bounds[d] % f == 0]
        found = np.repeat(found, len(factors), axis=0)
        found[:, d] = np.tile(factors, len(found) // len(factors))
        found = found[found.prod(axis=1) <= fanout]
    return found


def _signatures(memory: int, vectors: Ints) -> _Signatures:
    columns = [vectors[:, group].prod(axis=1) for group in _GROUPS]
    columns.append(np.prod([np.minimum(vectors[:, r], vectors[:, p]) for r, p in WINDOWS], axis=0))
    columns.append(vectors[:, (_C, _N)].prod(axis=1))
    rows, which, counts = np.unique(
        np.stack(columns, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    order = np.argsort(which.ravel(), kind="stable")
    return _Signatures(memory, vectors[order], rows, counts.cumsum() - counts, counts)
