# SPDX-License-Identifier: BSD-3-Clause
"""The cost of a mapping as a sum over what is delivered to each memory.

Decides, for arrays of spatial choices on any chain of memories, the coefficients of energy and of
every limited bandwidth, and the least that any mapping delivers (docs/model/cosa_search.md sections
1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .nest import WINDOWS, lengths, scale, size
from .problem import DIMENSIONS, INPUTS, MOVES, OUTPUTS, TENSORS
from .search_costs import Access, Blocks, Costs, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .architecture import Architecture
    from .problem import Problem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

NUM_DIMS = len(DIMENSIONS)
_R, _S, _P, _Q, _C, _K, _N = range(NUM_DIMS)

# Dimensions that move along a window: they may lead several children to equal inputs.
_BATCHED = (_C, _N)


class Term(NamedTuple):
    """Deliveries of a tensor to a memory on the chip.

    Attributes
    ----------
    tensor, memory : int
        What is delivered to which memory.
    parent : int
        Memory that it is read from: the next outer one that stores the tensor.
    delivered : int
        Variable that counts the words delivered to an instance.
    filled : int
        Variable that counts the words written into an instance.
    read : int
        Variable that counts the words that an instance of the parent reads for it.
    passed : int
        Variable that counts the words that an instance reads for neighbours. Only those of inputs
        are four variables: children may share and pass on words in ways that depend on the loops.
    """

    tensor: int
    memory: int
    parent: int
    delivered: int
    filled: int
    read: int
    passed: int


@dataclass(frozen=True)
class Spaces:
    """What bounds need to know of N spatial choices, per memory, each (N, M).

    Attributes
    ----------
    fans
        Used fan-out.
    moving
        Part of it that moves a tensor, per tensor.
    groups
        Number of groups of children with equal inputs, at least, whichever children are counted:
        the fan-out over the largest group that there can be.
    offsets
        Number of children with different inputs, at least.
    batched
        Fan-out along channels and batch.
    """

    fans: Floats
    moving: tuple[Floats, Floats, Floats]
    groups: Floats
    offsets: Floats
    batched: Floats

    @classmethod
    def of_factors(cls, factors: Ints) -> Spaces:
        """Take spatial bounds, (N, M, 7)."""
        values = factors.astype(float)
        moving = tuple(values[:, :, MOVES[t]].prod(axis=2) for t in range(len(TENSORS)))
        batched = values[:, :, _BATCHED].prod(axis=2)
        groups, offsets = batched.copy(), batched.copy()
        for r, p in WINDOWS:
            groups *= np.maximum(values[:, :, r], values[:, :, p])
            offsets *= values[:, :, r] + values[:, :, p] - 1
        fans = values.prod(axis=2)
        return cls(fans, (moving[0], moving[1], moving[2]), groups, offsets, batched)

    def __getitem__(self, which: Ints) -> Spaces:
        return Spaces(
            self.fans[which],
            (self.moving[0][which], self.moving[1][which], self.moving[2][which]),
            self.groups[which],
            self.offsets[which],
            self.batched[which],
        )


class Model:
    """A problem on a machine, for the search.

    Parameters
    ----------
    problem : Problem
        The layer.
    architecture : Architecture
        The machine.
    """

    def __init__(self, problem: Problem, architecture: Architecture) -> None:
        self.problem = problem
        self.architecture = architecture
        self.stores = architecture.stores
        self.num_memories = len(architecture.levels)
        self.bounds = np.array(problem.bounds, dtype=np.int64)
        self.capacities = np.array(
            [np.inf if level.entries is None else level.entries for level in architecture.levels]
        )
        # (filter dimension, plane dimension) of windows that overlap.
        self.windows = tuple(w for w in WINDOWS if (self.bounds[list(w)] > 1).all())

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Deliveries to memories on the chip, innermost memory first."""
        found: list[Term] = []
        free = 0
        for m in range(self.num_memories - 1):
            for tensor in np.flatnonzero(self.stores[:, m]):
                above = np.flatnonzero(self.stores[tensor, m + 1 :])
                parent = m + 1 + int(above[0])
                others = (1, 2, 3) if tensor == INPUTS else (0, 0, 0)
                found.append(Term(int(tensor), m, parent, free, *(free + o for o in others)))
                free = found[-1].passed + 1
        return tuple(found)

    @cached_property
    def num_variables(self) -> int:
        """Number of variables V."""
        return self.terms[-1].passed + 1 if self.terms else 0

    @cached_property
    def innermost(self) -> tuple[int, ...]:
        """Memory that serves the operations, per tensor."""
        return tuple(int(row.argmax()) for row in self.stores)

    @cached_property
    def touched(self) -> tuple[float, float, float]:
        """Words of each tensor that any operation uses."""
        words = [float(prod(int(b) for b in self.bounds[MOVES[t]])) for t in range(len(TENSORS))]
        inputs = float(self.bounds[_C] * self.bounds[_N])
        per_step = scale(self.problem, INPUTS)
        for r, p in WINDOWS:
            windows = per_step[p] * np.arange(self.bounds[p])[:, None]
            inputs *= len(np.unique(windows + per_step[r] * np.arange(self.bounds[r])))
        return words[0], inputs, words[2]

    @cached_property
    def bandwidths(self) -> tuple[tuple[int, bool, float], ...]:
        """Limited bandwidths: memory, whether of writing, words per cycle."""
        return tuple(
            (m, is_write, float(limit))
            for m, level in enumerate(self.architecture.levels)
            for is_write, limit in ((False, level.read_bandwidth), (True, level.write_bandwidth))
            if limit is not None
        )

    def tile(self, tensor: int, extents: Floats) -> Floats:
        """Words of a tile of these extents, (7, N)."""
        return size(tensor, lengths(self.problem, tensor, extents))

    def floor(self) -> tuple[float, float]:
        """Energy and cycles that every mapping needs, whatever its spatial loops.

        Each operation is done, each operand read with the most sharing that fan-outs allow, and
        each word passes each memory that stores its tensor once.
        """
        machine, macs = self.architecture, self.problem.macs
        word = [e.access_energy / e.block_size / e.cluster_size for e in machine.levels]
        energy = macs * machine.mac_energy
        for tensor, memory in enumerate(self.innermost):
            words = macs / prod(machine.fanouts[: memory + 1])
            energy += (words - 1 if tensor == INPUTS else words) * word[memory]
        for term in self.terms:
            if term.tensor != INPUTS:
                energy += self.touched[term.tensor] * (word[term.memory] + word[term.parent])
        return energy, float(ceil(macs / prod(machine.fanouts)))

    def held(self, tensors: Iterable[int], extents: Floats) -> Floats:
        """Words of the tiles of some tensors together, (N,)."""
        words = np.zeros(extents.shape[1])
        for tensor in tensors:
            words += self.tile(tensor, extents)
        return words

    def costs(self, spaces: Spaces) -> tuple[Costs, Blocks]:
        """Write the cost of spatial choices as a sum, and in whole blocks."""
        num = len(spaces.fans)
        sums = Sums(self.architecture, self.bandwidths, num, self.num_variables)
        used = _outer_products(spaces.fans)
        compute = self.problem.macs / spaces.fans.prod(axis=1)
        least = np.empty((num, self.num_variables))
        sums.constants[:, 0] = self.problem.macs * self.architecture.mac_energy
        for tensor, memory in enumerate(self.innermost):
            words = compute * self._shared(spaces, tensor, 0, memory)
            before = sums.constants.copy()
            sums.add_reads(tensor, memory, used[:, memory], words)
            if tensor == INPUTS:
                operands = sums.constants - before
        for term in self.terms:
            tensor, m, parent = term.tensor, term.memory, term.parent
            moving = _outer_products(spaces.moving[tensor])
            least[:, term.delivered] = self.touched[tensor] / moving[:, m]
            along = self._shared(spaces, tensor, m + 1, parent)
            if tensor == INPUTS:
                along = np.ones(num)
                between = self._shared(spaces, tensor, m + 2, parent)
                least[:, term.read] = between * (self.touched[tensor] / moving[:, m + 1])
                least[:, term.passed] = 0
                sums.add_energy(m, used[:, m], np.ones(num), term.passed)
                served, may_pass = spaces.batched[:, m + 1] / 2, np.ones(num, dtype=bool)
                delivered = least[:, term.delivered]
                least[:, term.filled] = self.filled(spaces, term, delivered, served, may_pass)
            sums.add(Access(tensor, m, "fill"), used[:, m], np.ones(num), term.filled)
            sums.add_reads(tensor, parent, used[:, parent], along, term.read)
        moving = _outer_products(spaces.moving[OUTPUTS])
        for m in map(int, np.flatnonzero(self.stores[OUTPUTS])):
            # The first read of a partial sum is left out.
            words = -self.touched[OUTPUTS] / moving[:, m]
            sums.add(Access(OUTPUTS, m, "read"), used[:, m], words)
        before = sums.constants[:, 0].copy()
        self._allow_fractions(spaces, sums, used)
        room = before - sums.constants[:, 0]
        costs = Costs(sums.constants, sums.weights, least, compute, operands, room)
        return costs, Blocks(self.problem.macs * self.architecture.mac_energy, sums.words)

    def _allow_fractions(self, spaces: Spaces, sums: Sums, used: Floats) -> None:
        """Take off what may be lost where counts of inputs are no whole numbers.

        They are cut off to whole numbers. Only children that share words of a window unequally, or
        pass words on, have such counts.
        """
        along = (spaces.fans > spaces.batched).any(axis=1)
        if not self.windows or not along.any():
            return
        lost = -along.astype(float)
        for m in map(int, np.flatnonzero(self.stores[INPUTS])):
            is_last = m == self.num_memories - 1
            if not is_last or not self.stores[INPUTS, m - 1]:
                sums.add(Access(INPUTS, m, "read"), used[:, m], lost)
            if not is_last:
                sums.add(Access(INPUTS, m, "fill"), used[:, m], lost)

    def filled(
        self, spaces: Spaces, term: Term, delivered: Floats, served: Floats, may_pass: Bools
    ) -> Floats:
        """Words written into an instance for the inputs delivered to it, at least.

        They are the same, but where neighbours pass words and the memory above is not the only one:
        words that neighbours pass are averaged over all instances of the machine.

        Parameters
        ----------
        spaces, term
            N spatial choices; the delivery.
        delivered, served : numpy.ndarray, (N,)
            Words delivered; groups of children that the parent serves, at least.
        may_pass : numpy.ndarray of bool, (N,)
            Whether neighbours may pass words.
        """
        above = term.memory + 1
        if prod(self.architecture.fanouts[above + 1 :]) == 1:
            return delivered
        found: Floats = delivered * np.where(may_pass, served / spaces.fans[:, above], 1.0)
        return found

    @staticmethod
    def _shared(spaces: Spaces, tensor: int, first: int, last: int) -> Floats:
        """Least number of different words per word of a child, over some boundaries, (N,)."""
        each = spaces.groups if tensor == INPUTS else spaces.moving[tensor]
        found: Floats = each[:, first : last + 1].prod(axis=1)
        return found


def _outer_products(values: Floats) -> Floats:
    """Product over all outer memories, (N, M)."""
    products = np.ones_like(values)
    for m in reversed(range(values.shape[1] - 1)):
        products[:, m] = products[:, m + 1] * values[:, m + 1]
    return products
