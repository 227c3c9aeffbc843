# SPDX-License-Identifier: BSD-3-Clause
"""The original's mixed-integer program as arrays: capacities in bits, three objective terms.

Decides what the program of either revision charges and forbids, for a chain of any number of
memories (docs/model/cosa_program.md sections 2 to 4). Costs and footprints are coefficients per
factor, memory and kind; the rows and columns that are solved are made of the same coefficients
that evaluate a given configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import InputError, NoMappingError
from .prime_factors import factor_groups
from .problem import DIMENSIONS, INPUTS, TENSORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .architecture import Architecture, Roles
    from .prime_factors import FactorGroups
    from .problem import Problem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

SPATIAL, TEMPORAL = range(2)
REVISIONS = ("H", "P")

# Which dimensions index which tensor, [dimension, tensor]. Filter dimensions do not move the
# inputs here: the halo stands for them.
INDEXES = np.array(
    [[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool
)
# Plane dimension whose windows a filter dimension widens.
PLANE_OF = {DIMENSIONS.index(r): DIMENSIONS.index(p) for r, p in ("RP", "SQ")}

UTILISATION_WEIGHT, COMPUTE_WEIGHT, TRAFFIC_WEIGHT = -0.1, 10.0, 1.0
WEIGHT_BUFFER_WEIGHT = 1.01  # prefers to fill the weight buffer
SIZE_WEIGHT, INNERMOST_WEIGHT, WEIGHT_STEP = 0.99, 0.80, 0.04  # prefers the inner memories
FAN_OUT_WEIGHT = 0.99
DRAM_WEIGHTS = np.array([1.01, 1.0, 1.0])


class Configuration(NamedTuple):
    """Where the factors are; any number n of cases.

    Attributes
    ----------
    counts
        Factors of a group at a memory, spatial and temporal, (n, G, L, 2).
    order
        Dimensions of the buffer's loops, innermost first, (n, 7).
    inside
        How many dimensions of this order the buffer's tile of a tensor spans, (n, 3): 7 is all,
        fewer are an uneven mapping.
    """

    counts: Ints
    order: Ints
    inside: Ints


class Objective(NamedTuple):
    """The terms of the objective and their weighted sum, in bits.

    Attributes
    ----------
    total
        What is minimised.
    utilisation
        Footprints in the memories inside the buffer.
    compute
        Logarithm of the cycles of the arithmetic units.
    traffic
        Logarithm of the product of all tensors' transfers.
    """

    total: Any
    utilisation: Any
    compute: Any
    traffic: Any


class Program(NamedTuple):
    """Coefficients of the program of one layer on one machine.

    Attributes
    ----------
    architecture, revision
        What it is for.
    groups
        Its factors; G groups.
    words
        Capacity of a memory for a tensor, (L-1, 3).
    footprint
        Bits that a factor at a memory adds to a tensor's tile at a memory, (L-1 that hold it, 3
        tensors, G, L-1 where it is, 2).
    halo_memories
        Memories whose tile of the inputs has a halo.
    level_weight
        Weight of a memory's footprints in the utilisation, (L-1,), 0 for the buffer.
    compute, traffic
        Terms per factor at a memory, (G, L, 2). Traffic leaves out the temporal loops of the
        buffer, whose order decides.
    """

    architecture: Architecture
    revision: str
    groups: FactorGroups
    words: Ints
    footprint: Floats
    halo_memories: Ints
    level_weight: Floats
    compute: Floats
    traffic: Floats

    @property
    def buffer(self) -> int:
        """The memory whose loop order the program decides."""
        return self.architecture.roles.global_buffer

    @property
    def utilisation(self) -> Floats:
        """Utilisation per factor at a memory on the chip without the halo, (G, L-1, 2)."""
        total: Floats = np.einsum("m,mvgjk->gjk", self.level_weight, self.footprint)
        return total

    @property
    def has_halo(self) -> bool:
        """Whether filters widen any tile."""
        return bool(len(self.halo_memories))

    @property
    def halo_utilisation(self) -> float:
        """Utilisation per bit of the halo."""
        return float(self.level_weight[self.halo_memories].sum())

    @property
    def capacity(self) -> Floats:
        """Largest footprints in bits, (L-1, 3).

        Footprints are logarithms of whole numbers of words, so the limit may lie halfway to the
        next number of words, where no rounding decides what fits.
        """
        limits: Floats = np.log2(self.words + 0.5)
        return limits

    def footprints(self, configuration: Configuration) -> Floats:
        """Bits of the tile of each tensor at each memory on the chip, (n, L-1, 3)."""
        counts, buffer = configuration.counts, self.buffer
        bits: Floats = np.einsum("mvgjk,ngjk->nmv", self.footprint, counts[:, :, :-1])
        position = np.argsort(configuration.order)[:, self.groups.dim]
        outside = position[:, :, None] >= configuration.inside[:, None, :]
        evicting = counts[:, :, buffer, TEMPORAL, None] * outside
        own_loops = self.footprint[buffer, :, :, buffer, TEMPORAL]
        bits[:, buffer] -= np.einsum("vg,ngv->nv", own_loops, evicting)
        bits[:, self.halo_memories, INPUTS] += self.halo(counts)[:, None]
        return bits

    def halo(self, counts: Ints) -> Floats:
        """Bits by which filters widen the inputs' tile, (n,).

        A filter factor on the chip counts fully, but as a doubling where a factor of its plane
        dimension is in a memory inside the buffer.
        """
        groups, inner = self.groups, self.buffer
        bits = np.zeros(len(counts))
        for dim, plane in PLANE_OF.items():
            slides: Bools = np.any(counts[:, groups.dim == plane, :inner] > 0, axis=(1, 2, 3))
            on_chip = counts[:, groups.dim == dim, :-1].sum(axis=(2, 3))
            factor_bits = groups.bits[groups.dim == dim]
            bits += (on_chip * np.where(slides[:, None], 1.0, factor_bits)).sum(-1)
        return bits

    def buffer_traffic(self, configuration: Configuration) -> Floats:
        """Bits of the temporal loops at the buffer that move each tensor, (n, 3).

        A tensor moves out of the buffer from the innermost loop that indexes it on. Loops outside
        its tile also move it into the buffer, as loops of the last memory do.
        """
        counts, order, inside = configuration
        at_buffer = counts[:, :, self.buffer, TEMPORAL]
        of_dim = (self.groups.dim[:, None] == np.arange(len(DIMENSIONS))).astype(float)
        loops = np.take_along_axis(at_buffer @ of_dim, order, 1)
        bits = np.take_along_axis((at_buffer * self.groups.bits) @ of_dim, order, 1)
        moves = INDEXES[order] & np.asarray(loops > 0)[..., None]
        outside = np.arange(len(DIMENSIONS))[None, :, None] >= inside[:, None, :]
        weight = np.logical_or.accumulate(moves, axis=1) + DRAM_WEIGHTS * outside
        charged: Floats = (bits[..., None] * weight).sum(axis=1)
        return charged

    def objective(self, configuration: Configuration) -> Objective:
        """Terms of the objective of given configurations, each (n,)."""
        counts = configuration.counts
        weighted = self.footprints(configuration).sum(-1) @ self.level_weight
        compute = np.einsum("gjk,ngjk->n", self.compute, counts)
        traffic = np.einsum("gjk,ngjk->n", self.traffic, counts)
        traffic = traffic + self.buffer_traffic(configuration).sum(-1)
        total = UTILISATION_WEIGHT * weighted + COMPUTE_WEIGHT * compute + TRAFFIC_WEIGHT * traffic
        return Objective(total, weighted, compute, traffic)

    def overflowing(self, configuration: Configuration) -> Bools:
        """Whether the tile of a tensor exceeds its share of a memory, (n, L-1, 3)."""
        over: Bools = self.footprints(configuration) > self.capacity
        return over


def make_program(
    problem: Problem, architecture: Architecture, revision: str, spans: Bools | None = None
) -> Program:
    """Find the coefficients of the program.

    Parameters
    ----------
    problem
        The layer; its dilation does not matter.
    architecture
        The machine, with what its memories keep.
    revision
        "H" or "P".
    spans
        Whether the tile of a tensor at a memory spans the temporal loops of that memory, (L, 3);
        all of them do by default (even mapping).

    Raises
    ------
    InputError
        For an unknown revision.
    NoMappingError
        If the share of a tensor is less than a word.
    """
    if revision not in REVISIONS:
        raise InputError(f"formulation: must be one of {', '.join(REVISIONS)}, got {revision!r}")
    groups = factor_groups(problem.bounds)
    return Program(
        architecture=architecture,
        revision=revision,
        groups=groups,
        words=_words(architecture, revision),
        footprint=_footprint(groups, problem.stride, architecture, spans),
        halo_memories=_halo_memories(architecture.roles, revision),
        level_weight=_level_weight(architecture.roles),
        compute=_compute(groups, len(architecture.levels)),
        traffic=_traffic(groups, architecture.roles),
    )


def _words(architecture: Architecture, revision: str) -> Ints:
    """Whole words of a memory for each tensor; one, that which passes, where it is not kept."""
    stored = architecture.stores.T[:-1]
    shares = architecture.capacity_shares(revision)[:-1]
    entries = np.array([level.entries for level in architecture.levels[:-1]], dtype=float)
    # The smallest addition outweighs that thirds of a multiple of three are rounded.
    words = np.floor(entries[:, None] * shares * (1 + 1e-12)).astype(np.int64)
    for memory, tensor in np.argwhere(stored & (words < 1)):
        raise NoMappingError(
            f"{architecture.names[memory]}: {entries[memory]:.0f} entries leave "
            f"{entries[memory] * shares[memory, tensor]:.3g} of a word for {TENSORS[tensor]} "
            f"in formulation {revision}, which needs one"
        )
    return np.where(stored, words, 1)


def _footprint(
    groups: FactorGroups, stride: Sequence[int], architecture: Architecture, spans: Bools | None
) -> Floats:
    """Bits per factor: every factor of a plane dimension is charged the stride."""
    size = len(architecture.levels) - 1
    memory = np.arange(size)
    words = np.ones((len(TENSORS), len(DIMENSIONS)))
    words[INPUTS, list(PLANE_OF.values())] = stride
    bits = np.log2(words[:, groups.dim] * groups.prime) * INDEXES[groups.dim].T
    resident = np.repeat((memory <= memory[:, None])[:, None, :, None], len(TENSORS), 1)
    resident = np.repeat(resident, 2, -1)
    if spans is not None:
        resident[memory, :, memory, TEMPORAL] = spans[:-1]
    resident &= architecture.stores.T[:-1, :, None, None]
    footprint: Floats = bits[None, :, :, None, None] * resident[:, :, None]
    return footprint


def _halo_memories(roles: Roles, revision: str) -> Ints:
    """P widens the inputs' tile at the input buffer, H at all other memories inside the buffer."""
    inner = np.array(roles.inner, dtype=np.int64)
    at_inputs = inner == (-1 if roles.input_buffer is None else roles.input_buffer)
    memories: Ints = inner[at_inputs if revision == "P" else ~at_inputs]
    return memories


def _level_weight(roles: Roles) -> Floats:
    """Weights of the memories in the utilisation."""
    weight = np.ones(roles.dram)
    weight[roles.global_buffer] = 0
    if roles.weight_buffer is not None:
        weight[roles.weight_buffer] = WEIGHT_BUFFER_WEIGHT
    return weight


def _compute(groups: FactorGroups, size: int) -> Floats:
    """Logarithm of cycles: temporal factors wherever they are."""
    compute = np.zeros((len(groups.dim), size, 2))
    compute[:, :, TEMPORAL] = groups.bits[:, None]
    return compute


def _traffic(groups: FactorGroups, roles: Roles) -> Floats:
    """Data size inside the buffer, fan-out of the buffer and iterations of the last memory."""
    tensor_bits = groups.bits * INDEXES[groups.dim].sum(-1)
    weight = SIZE_WEIGHT * (INNERMOST_WEIGHT + WEIGHT_STEP * np.array(roles.inner))
    traffic = np.zeros((len(groups.dim), roles.dram + 1, 2))
    traffic[:, list(roles.inner)] = (tensor_bits[:, None] * weight)[..., None]
    traffic[:, roles.global_buffer, SPATIAL] = FAN_OUT_WEIGHT * len(TENSORS) * groups.bits
    traffic[:, roles.dram, TEMPORAL] = DRAM_WEIGHTS.sum() * groups.bits
    return traffic
