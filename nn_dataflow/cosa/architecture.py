# SPDX-License-Identifier: BSD-3-Clause
"""A spatial accelerator: a chain of memories above the arithmetic units.

Decides what a machine is made of and what follows from it for any number of memories: fan-outs,
which tensors each memory stores, the roles of memories and the shares of their capacity in the
mixed-integer programs, and the energy of an access (docs/model/cosa.md sections 2.1, 3.2, 8.7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn_dataflow.core.record import is_integer, is_real

from .errors import InputError
from .problem import INPUTS, OUTPUTS, TENSORS, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_DRAM_PJ_PER_16_BITS = 200.0
_ROW_BITS = 8192  # of the SRAM that costs the energy of a 16-bit multiplication
_GROWTH = 5 / 99.5  # of that energy with each further row


@dataclass(frozen=True)
class Level:
    """One memory of the chain, of which there are identical instances.

    Parameters
    ----------
    name : str
        Unique name.
    entries : int or None
        Capacity of an instance in words of whatever width; None, unlimited, for DRAM.
    instances : int
        Number of instances.
    word_bits, block_size, cluster_size : int, optional
        Bits of a word, words moved by an access, instances that share a physical row.
    read_bandwidth, write_bandwidth : float or None, optional
        Words per cycle and instance; None is unlimited.
    keeps : tuple of str, optional
        Tensors that it stores; others pass by.
    is_dram : bool, optional
        Whether the energy rule of DRAM applies.
    """

    name: str
    entries: int | None
    instances: int = 1
    word_bits: int = 16
    block_size: int = 1
    cluster_size: int = 1
    read_bandwidth: float | None = None
    write_bandwidth: float | None = None
    keeps: tuple[str, ...] = TENSORS
    is_dram: bool = False

    def __post_init__(self) -> None:
        for what in ("instances", "word_bits", "block_size", "cluster_size"):
            _check_count(f"{self.name}: {what}", getattr(self, what))
        if self.entries is not None:
            _check_count(f"{self.name}: entries", self.entries)
        for what in ("read_bandwidth", "write_bandwidth"):
            value = getattr(self, what)
            if value is not None and not (is_real(value) and value > 0):
                raise InputError(
                    f"Architecture: {self.name}: {what} must be a positive number, got {value!r}"
                )
        unknown = [name for name in self.keeps if name not in TENSORS]
        if unknown:
            raise InputError(
                f"Architecture: {self.name}: keeps must be of {', '.join(TENSORS)},"
                f" got {unknown[0]!r}"
            )
        # One order, so that equal machines are equal.
        object.__setattr__(self, "keeps", tuple(t for t in TENSORS if t in self.keeps))

    @property
    def access_energy(self) -> float:
        """Energy of an access to a block, in pJ, of the public table.

        With w bits in a row of the cluster and h rows, a small memory takes the energy of w/16
        multiplications of 16 bits, and 5/99.5 more for every 8192 bits; DRAM takes 200 pJ for 16
        bits (docs/model/cosa.md section 8.7).

        Examples
        --------
        >>> round(Level("Buffer", 65536, word_bits=8, block_size=8).access_energy, 6)
        16.763819
        """
        row = self.word_bits * self.block_size * self.cluster_size
        if self.is_dram or self.entries is None:
            return _DRAM_PJ_PER_16_BITS * row / 16
        rows = ceil(self.entries / self.block_size)
        factor = _GROWTH * (row * rows / _ROW_BITS - 0.5) + 1
        return factor * (row / 16) / self.cluster_size


class Roles(NamedTuple):
    """What the memories are to the mixed-integer programs, as indices.

    Attributes
    ----------
    inner
        Those below the global buffer, innermost first.
    global_buffer
        Outermost memory on the chip; the order of its loops is searched.
    dram
        Last memory.
    input_buffer
        Innermost inner memory that stores inputs, None if there is none.
    weight_buffer
        Outermost inner memory that stores weights, None if there is none.
    """

    inner: tuple[int, ...]
    global_buffer: int
    dram: int
    input_buffer: int | None
    weight_buffer: int | None


@dataclass(frozen=True)
class Architecture:
    """A machine.

    Parameters
    ----------
    levels : sequence of Level
        Memories, innermost first, DRAM last; at least two.
    mac_instances : int, optional
        Multiply-accumulate units, those of the innermost memory by default.
    mac_bits : int, optional
        Bits of an operand.
    name : str, optional
        Name of the machine, which names output folders.

    Attributes
    ----------
    fanouts : tuple of int
        Instances of the memory below (of the units, for the innermost) per instance.
    stores : numpy.ndarray of bool, (3, number of memories)
        Whether a memory stores weights, inputs, outputs.

    Raises
    ------
    InputError
        If names repeat, numbers of instances do not divide, a memory on the chip has no capacity,
        or the last one does not store every tensor.
    """

    levels: tuple[Level, ...]
    mac_instances: int = 0
    mac_bits: int = 16
    name: str = "machine"

    def __post_init__(self) -> None:
        levels = tuple(self.levels)
        object.__setattr__(self, "levels", levels)
        if len(levels) < 2:
            raise InputError(f"Architecture: at least two memories needed, got {len(levels)}")
        object.__setattr__(self, "mac_instances", self.mac_instances or levels[0].instances)
        _check_count("arithmetic: instances", self.mac_instances)
        _check_count("arithmetic: word-bits", self.mac_bits)
        names = [level.name for level in levels]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"Architecture: memory {name!r} is given twice")
        counts = [self.mac_instances, *(level.instances for level in levels)]
        for (below, count), name in zip(pairwise(counts), names, strict=True):
            if below % count:
                raise InputError(
                    f"Architecture: {name} has {count} instances, which must divide"
                    f" the {below} below it"
                )
        for level in levels[:-1]:
            if level.entries is None:
                raise InputError(f"Architecture: {level.name} needs entries, its capacity in words")
        if levels[-1].keeps != TENSORS:
            raise InputError(f"Architecture: {names[-1]}, the last memory, must keep every tensor")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the memories."""
        return tuple(level.name for level in self.levels)

    @cached_property
    def fanouts(self) -> tuple[int, ...]:
        """Instances of the memory below, or of the units, per instance of each memory."""
        counts = [self.mac_instances, *(level.instances for level in self.levels)]
        return tuple(below // count for below, count in pairwise(counts))

    @cached_property
    def stores(self) -> NDArray[np.bool_]:
        """Whether a tensor is stored at a memory, (3, M)."""
        table = np.array([[t in level.keeps for level in self.levels] for t in TENSORS])
        table.setflags(write=False)
        return table

    @cached_property
    def mac_energy(self) -> float:
        """Energy of an operation in pJ, (bits/16)² of that of 16 bits."""
        return (self.mac_bits / 16) ** 2

    @cached_property
    def roles(self) -> Roles:
        """What the memories are to the mixed-integer programs."""
        inner = tuple(range(len(self.levels) - 2))
        of_inputs = [m for m in inner if self.stores[INPUTS, m]]
        of_weights = [m for m in inner if self.stores[WEIGHTS, m]]
        return Roles(
            inner,
            len(self.levels) - 2,
            len(self.levels) - 1,
            of_inputs[0] if of_inputs else None,
            of_weights[-1] if of_weights else None,
        )

    def capacity_shares(self, revision: str) -> NDArray[np.float64]:
        """Fraction of each memory that a program grants to each tensor.

        Tensors that a memory stores share it evenly, except that in revision "P" outputs get three
        times the share of another tensor in the global buffer. That gives the constants of the
        original machine (docs/model/cosa.md section 3.2).

        Parameters
        ----------
        revision : str
            "H" or "P".

        Returns
        -------
        numpy.ndarray of float, (M, 3)
            0 where a tensor is not stored; the row of DRAM has no meaning.
        """
        weights: NDArray[np.float64] = self.stores.T.astype(float)
        if revision == "P":
            weights[self.roles.global_buffer, OUTPUTS] *= 3
        total = weights.sum(axis=1, keepdims=True)
        weights /= np.maximum(total, 1)
        return weights

    def with_keeps(self, keeps: Sequence[Sequence[str]]) -> Architecture:
        """Return the same machine with other tensors kept, given per memory."""
        levels = [
            replace(level, keeps=tuple(k)) for level, k in zip(self.levels, keeps, strict=True)
        ]
        return replace(self, levels=tuple(levels))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Architecture:
        """Read a machine in the flat or the tree form.

        Raises
        ------
        InputError
            With file and line, for a file that cannot be read or describes no machine.
        MissingExtraError
            Without PyYAML.
        """
        from .architecture_file import read_architecture  # noqa: PLC0415 (needs an extra)

        return read_architecture(path)

    @classmethod
    def preset(cls, name: str) -> Architecture:
        """Return a bundled machine.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        from .bundled import ARCHITECTURES  # noqa: PLC0415

        if name not in ARCHITECTURES:
            raise InputError(
                f"Architecture: no preset {name!r}, must be one of {', '.join(ARCHITECTURES)}"
            )
        return cls.from_yaml(ARCHITECTURES[name])

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the bundled machines."""
        from .bundled import ARCHITECTURES  # noqa: PLC0415

        return tuple(ARCHITECTURES)


def _check_count(what: str, value: Any) -> None:
    if not is_integer(value) or value < 1:
        raise InputError(f"Architecture: {what} must be a positive integer, got {value!r}")
