# SPDX-License-Identifier: BSD-3-Clause
"""The cost of spatial choices as a sum of variables, and in whole blocks.

Decides what a word costs at each access of each memory, in energy and in cycles of every limited
bandwidth, and what accesses cost when whole blocks are moved (docs/model/cosa_search.md section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .problem import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from .architecture import Architecture

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# Rounding of sums must not lift a bound, nor add a block.
_EXACTLY = 1 - 1e-11
_LESS_THAN_A_BLOCK = 1e-9


class Access(NamedTuple):
    """A way in which a memory is accessed for a tensor: "read", "update" or "fill"."""

    tensor: int
    memory: int
    kind: str


@dataclass
class Words:
    """Words per instance of one access, of N spatial choices.

    Attributes
    ----------
    access : Access
        The access.
    block_size : int
        Words of a block.
    energy : numpy.ndarray, (N,)
        Energy of a block at all instances, in pJ.
    always : numpy.ndarray, (N,)
        Words that no loop order changes.
    each : numpy.ndarray, (N,)
        Words per unit of the variable.
    variable : int or None
        The variable.
    """

    access: Access
    block_size: int
    energy: Floats
    always: Floats
    each: Floats
    variable: int | None = None


@dataclass(frozen=True)
class Blocks:
    """Energy of N spatial choices in whole blocks.

    Attributes
    ----------
    operations : float
        Energy of the operations, in pJ.
    words : list of Words
        What each access moves, at least. What is read for neighbours is left out.
    """

    operations: float
    words: list[Words]

    def energy(self, which: Ints | slice, least: Floats, ratio: Floats) -> Floats:
        """Energy of the deliveries of some spatial choices, (K,), in pJ.

        Parameters
        ----------
        which : numpy.ndarray of int, (K,), or slice
            The spatial choices.
        least : numpy.ndarray, (K, V)
            Bounds on deliveries.
        ratio : numpy.ndarray, (K,)
            Inputs that operations read, relative to the least.
        """
        found = np.full(len(least), self.operations)
        for part in self.words:
            words = part.always[which]
            if part.variable is not None:
                words = words + part.each[which] * least[:, part.variable]
            elif part.access.tensor == INPUTS:
                words = words * ratio
            blocks = words / part.block_size
            blocks = np.ceil(blocks - _LESS_THAN_A_BLOCK * (1 + blocks))
            found += part.energy[which] * np.maximum(blocks, 0)
        return found * _EXACTLY


@dataclass(frozen=True)
class Costs:
    """Cost of N spatial choices as a sum of variables, the deliveries.

    Attributes
    ----------
    constants : numpy.ndarray, (N, 1 + B)
        Energy in pJ, then words at each limited bandwidth in cycles, that no loop order changes.
    weights : numpy.ndarray, (N, 1 + B, V)
        What each delivered word adds.
    least : numpy.ndarray, (N, V)
        Least that any mapping with this spatial choice delivers.
    compute : numpy.ndarray, (N,)
        Cycles of the operations.
    operands : numpy.ndarray, (N, 1 + B)
        Part of the constants: inputs that operations read, if no more children share words than
        can.
    room : numpy.ndarray, (N,)
        Energy that the constants leave for counts that are no whole numbers.
    """

    constants: Floats
    weights: Floats
    least: Floats
    compute: Floats
    operands: Floats
    room: Floats

    def words(self) -> Floats:
        """Energy, and cycles at each bandwidth, of the least deliveries, (N, 1 + B)."""
        found: Floats = self.constants + np.einsum("nrv,nv->nr", self.weights, self.least)
        return found

    def __getitem__(self, which: Ints) -> Costs:
        return Costs(
            self.constants[which],
            self.weights[which],
            self.least[which],
            self.compute[which],
            self.operands[which],
            self.room[which],
        )


class Sums:
    """Sums of energy and of words at each bandwidth, and the words that they are made of.

    Parameters
    ----------
    architecture : Architecture
        The machine.
    bandwidths : iterable of (int, bool, float)
        Limited bandwidths: memory, whether of writing, words per cycle.
    num, num_variables : int
        Number of spatial choices and of variables.
    """

    def __init__(
        self,
        architecture: Architecture,
        bandwidths: Iterable[tuple[int, bool, float]],
        num: int,
        num_variables: int,
    ) -> None:
        self._levels = architecture.levels
        self._rows = {
            (m, is_write): (1 + row, limit) for row, (m, is_write, limit) in enumerate(bandwidths)
        }
        self._words: dict[Access, Words] = {}
        self.constants = np.zeros((num, 1 + len(self._rows)))
        self.weights = np.zeros((num, 1 + len(self._rows), num_variables))

    @property
    def words(self) -> list[Words]:
        """What each access moves."""
        return list(self._words.values())

    def add(self, access: Access, used: Floats, words: Floats, variable: int | None = None) -> None:
        """Add words per instance, times a variable if one is given."""
        _, memory, kind = access
        self.add_energy(memory, used, words, variable)
        key = memory, kind != "read"
        if key in self._rows:
            row, limit = self._rows[key]
            self._target(variable)[:, row] += words / limit
        if access not in self._words:
            level, nothing = self._levels[memory], np.zeros_like(words)
            energy = level.access_energy * self._clusters(memory, used)
            self._words[access] = Words(access, level.block_size, energy, nothing, nothing)
        part = self._words[access]
        if variable is None:
            part.always = part.always + words
        else:
            part.each, part.variable = words, variable

    def add_energy(
        self, memory: int, used: Floats, words: Floats, variable: int | None = None
    ) -> None:
        """Add the energy of words per instance, times a variable if one is given."""
        level = self._levels[memory]
        word = level.access_energy / level.block_size
        self._target(variable)[:, 0] += words * self._clusters(memory, used) * word

    def add_reads(
        self, tensor: int, memory: int, used: Floats, words: Floats, variable: int | None = None
    ) -> None:
        """Add what a memory does for those below: reads, and updates of outputs."""
        self.add(Access(tensor, memory, "read"), used, words, variable)
        if tensor == OUTPUTS:
            self.add(Access(tensor, memory, "update"), used, words, variable)

    def _clusters(self, memory: int, used: Floats) -> Floats:
        level = self._levels[memory]
        return np.minimum(used, level.instances / level.cluster_size)

    def _target(self, variable: int | None) -> Floats:
        return self.constants if variable is None else self.weights[:, :, variable]
