# SPDX-License-Identifier: BSD-3-Clause
"""Cycles, energy and validity of mappings.

Decides which mappings a machine can run and what they cost (docs/model/cosa.md sections 8.6 to
8.8), for one mapping and for many at once by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .counts import Counts, count
from .loops import Batch, check_names
from .nest import Nest
from .problem import DIMENSIONS, TENSORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .architecture import Architecture
    from .mapping import Mapping
    from .problem import Problem

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_ARRAYS = (
    "valid",
    "cycles",
    "compute_cycles",
    "energy_pj",
    "utilization",
    "level_energy",
    "instances",
    "loops_fit",
    "fanout",
)

# Mappings evaluated together: their arrays stay in the cache of a core.
CHUNK = 1024


class TensorCounts(NamedTuple):
    """What one memory does with one tensor; counts are of words per instance.

    Attributes
    ----------
    tile_size
        Words held at a time.
    partition_size
        Distinct words ever held.
    instances
        Instances used.
    reads, updates, fills
        Words read; written from below; written from above.
    energy_pj
        Of all instances.
    """

    tile_size: int
    partition_size: int
    instances: int
    reads: int
    updates: int
    fills: int
    energy_pj: float


@dataclass(frozen=True)
class Evaluation:
    """What a mapping costs.

    Attributes
    ----------
    valid : bool
        Whether the machine can run it.
    reason : str or None
        One line that says why not.
    cycles, compute_cycles : int
        With and without the limits of bandwidth.
    energy_pj : float
        Energy in all.
    utilization : float
        Operations per unit and cycle.
    mac_energy_pj : float
        Energy of the operations.
    mac_lanes : int
        Units used.
    levels : dict of dict of TensorCounts
        By memory and tensor that it stores, innermost first.
    transfers : dict of dict of int
        Words that instances of a memory take from their neighbours, per instance of the memory
        above them; by memory and tensor, without zeros.
    """

    valid: bool
    reason: str | None
    cycles: int
    compute_cycles: int
    energy_pj: float
    utilization: float
    mac_energy_pj: float
    mac_lanes: int
    levels: dict[str, dict[str, TensorCounts]]
    transfers: dict[str, dict[str, int]]


@dataclass(frozen=True)
class BatchEvaluation:
    """What N mappings cost.

    Attributes
    ----------
    valid : numpy.ndarray of bool, (N,)
        Whether the machine can run them; numbers of others mean nothing.
    cycles, compute_cycles, energy_pj, utilization : numpy.ndarray, (N,)
        As of `Evaluation`.
    counts : Counts
        Per tensor, memory and mapping, (3, M, N).
    level_energy : numpy.ndarray, (3, M, N)
        Energy of all instances in pJ.
    instances : numpy.ndarray, (1 + M, N)
        Used units and instances of each memory.
    loops_fit : numpy.ndarray of bool, (7, N)
        Whether the bounds of each dimension multiply to the problem's.
    fanout : numpy.ndarray, (M, N)
        Used fan-out of each memory.
    """

    problem: Problem
    architecture: Architecture
    stores: Bools
    valid: Bools
    cycles: Floats
    compute_cycles: Floats
    energy_pj: Floats
    utilization: Floats
    counts: Counts
    level_energy: Floats
    instances: Floats
    loops_fit: Bools
    fanout: Floats

    def reason(self, index: int) -> str | None:
        """Say in one line why a mapping is not valid, None if it is."""
        if not self.loops_fit[:, index].all():
            d = int(self.loops_fit[:, index].argmin())
            return (
                f"the loops of {DIMENSIONS[d]} do not multiply to its bound"
                f" {self.problem.bounds[d]}"
            )
        for m, level in enumerate(self.architecture.levels):
            used, most = int(self.fanout[m, index]), self.architecture.fanouts[m]
            if used > most:
                below = self.architecture.names[m - 1] if m else "arithmetic"
                return f"{level.name}: spatial loops use {used} of {most} instances of {below}"
            words = int(self.counts.tile_sizes[:, m, index].sum())
            if level.entries is not None and words > level.entries:
                return f"{level.name}: tiles of {words} words exceed its {level.entries} entries"
        return None

    def at(self, index: int) -> Evaluation:
        """Return what one mapping costs."""
        levels: dict[str, dict[str, TensorCounts]] = {}
        transfers: dict[str, dict[str, int]] = {}
        for m, name in enumerate(self.architecture.names):
            levels[name] = {}
            for t, tensor in enumerate(TENSORS):
                if self.stores[t, m]:
                    tile, partition, reads, updates, fills, passed = (
                        int(array[t, m, index]) for array in self.counts
                    )
                    levels[name][tensor] = TensorCounts(
                        tile,
                        partition,
                        int(self.instances[m + 1, index]),
                        reads,
                        updates,
                        fills,
                        float(self.level_energy[t, m, index]),
                    )
                    if passed:
                        transfers.setdefault(name, {})[tensor] = passed
        return Evaluation(
            bool(self.valid[index]),
            self.reason(index),
            int(self.cycles[index]),
            int(self.compute_cycles[index]),
            float(self.energy_pj[index]),
            float(self.utilization[index]),
            self.problem.macs * self.architecture.mac_energy,
            int(self.instances[0, index]),
            levels,
            transfers,
        )


def evaluate(problem: Problem, architecture: Architecture, mapping: Mapping) -> Evaluation:
    """Tell what a mapping costs.

    Parameters
    ----------
    problem : Problem
        The layer.
    architecture : Architecture
        The machine.
    mapping : Mapping
        The mapping; what it keeps, if it says so, takes the place of what the machine keeps.

    Raises
    ------
    InputError
        If the mapping is for other memories.

    Examples
    --------
    >>> from nn_dataflow.cosa import Level, Architecture, Mapping, Problem
    >>> machine = Architecture((Level("Buffer", 64, 4), Level("DRAM", None)))
    >>> mapping = Mapping([("Buffer", [], [("C", 8)]), ("DRAM", [("K", 4)], [])])
    >>> found = evaluate(Problem({"C": 8, "K": 4}), machine, mapping)
    >>> found.valid, found.cycles, found.levels["Buffer"]["Weights"].fills
    (True, 8, 8)
    """
    check_names(mapping, architecture)
    if mapping.keeps is not None:
        architecture = architecture.with_keeps(mapping.keeps)
    return evaluate_batch(problem, architecture, Batch.of_mappings([mapping])).at(0)


def evaluate_batch(problem: Problem, architecture: Architecture, batch: Batch) -> BatchEvaluation:
    """Tell what many mappings cost.

    Parameters
    ----------
    problem : Problem
        The layer.
    architecture : Architecture
        The machine of M memories.
    batch : Batch
        N mappings, at least one.
    """
    parts = [
        _evaluate(problem, architecture, batch[begin : begin + CHUNK])
        for begin in range(0, max(1, len(batch)), CHUNK)
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _evaluate(problem: Problem, architecture: Architecture, batch: Batch) -> BatchEvaluation:
    nest = Nest.of_batch(problem, batch)
    counts = count(nest, architecture.stores)
    level_energy = _energy(architecture, nest, counts)
    energy = np.full(len(batch), problem.macs * architecture.mac_energy)
    for part in level_energy.reshape(-1, len(batch)):
        energy += part  # in one order, so that the number of mappings has no influence
    cycles = _cycles(architecture, nest, counts)
    fit = nest.extents[-1] == np.array(problem.bounds, dtype=float)[:, None]
    valid = fit.all(axis=0)
    for m, level in enumerate(architecture.levels):
        valid &= nest.fanout[m] <= architecture.fanouts[m]
        if level.entries is not None:
            valid &= counts.tile_sizes[:, m].sum(axis=0) <= level.entries
    return BatchEvaluation(
        problem,
        architecture,
        architecture.stores,
        valid,
        cycles,
        nest.compute_cycles,
        energy,
        problem.macs / (architecture.mac_instances * cycles),
        counts,
        level_energy,
        nest.instances,
        fit,
        nest.fanout,
    )


def _energy(architecture: Architecture, nest: Nest, counts: Counts) -> Floats:
    """Energy of the accesses of all instances in pJ, (3, M, N).

    Instances of a cluster share a row: their accesses count once.
    """
    energy = np.empty_like(counts.reads)
    for m, level in enumerate(architecture.levels):
        blocks = sum(
            np.ceil(words[:, m] / level.block_size)
            for words in (counts.reads, counts.updates, counts.fills)
        )
        clusters = np.minimum(nest.instances[m + 1], level.instances / level.cluster_size)
        energy[:, m] = blocks * (level.access_energy * clusters)
    return energy


def _cycles(architecture: Architecture, nest: Nest, counts: Counts) -> Floats:
    """Cycles with the slowest bandwidth, (N,).

    The order of the operations matters, since their rounding shows: per tensor first.
    """
    compute = nest.compute_cycles
    speed = np.ones_like(compute)
    written = counts.updates + counts.fills
    for m, level in enumerate(architecture.levels):
        for words, bandwidth in (
            (counts.reads, level.read_bandwidth),
            (written, level.write_bandwidth),
        ):
            if bandwidth is not None:
                rate = sum(words[t, m] / compute for t in range(len(TENSORS)))
                with np.errstate(divide="ignore"):
                    speed = np.minimum(speed, bandwidth / rate)
    found: Floats = np.ceil(compute / speed)
    return found


def _joined(parts: Sequence[BatchEvaluation]) -> BatchEvaluation:
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in _ARRAYS
    }
    counts = Counts(*np.concatenate([np.stack(part.counts) for part in parts], axis=-1))
    return replace(parts[0], counts=counts, **arrays)
