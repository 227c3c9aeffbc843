# SPDX-License-Identifier: BSD-3-Clause
"""What a configuration of the program says: a mapping, and the tables of the original.

Decides which loops run where and in which order (docs/model/cosa_program.md section 7), and reads
a mapping back. All memories have the fixed order of dimensions but the buffer, whose order the
program decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import InputError
from .mapping import Mapping
from .prime_factors import prime_factors
from .problem import DIMENSIONS, TENSORS
from .program import SPATIAL, TEMPORAL, Configuration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .mapping import Loops
    from .program import Program

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


class FactorTables(NamedTuple):
    """The tables that the original prints; each by dimension.

    Attributes
    ----------
    prime_factors
        Primes in ascending order, [1] for a dimension of one.
    level_of_factor, spatial_flag
        Memory of each of them, and 1 where it is unrolled. Unit factors are at the last memory.
    gb_order_index
        Position of the dimension in the loop order of the buffer, 0 innermost.
    """

    prime_factors: dict[str, list[int]]
    level_of_factor: dict[str, list[int]]
    spatial_flag: dict[str, list[int]]
    gb_order_index: dict[str, int]


def factor_tables(program: Program, configuration: Configuration) -> FactorTables:
    """Tables of one configuration; equal primes are listed from the innermost memory outwards."""
    groups, dram = program.groups, program.architecture.roles.dram
    primes: dict[str, list[int]] = {dim: [] for dim in DIMENSIONS}
    level: dict[str, list[int]] = {dim: [] for dim in DIMENSIONS}
    spatial: dict[str, list[int]] = {dim: [] for dim in DIMENSIONS}
    for group, counts in enumerate(configuration.counts[0]):
        dim = DIMENSIONS[groups.dim[group]]
        primes[dim] += [int(groups.prime[group])] * int(groups.number[group])
        for memory, kind in np.argwhere(counts):
            number = int(counts[memory, kind])
            level[dim] += [dram if groups.unit[group] else int(memory)] * number
            spatial[dim] += [int(kind == SPATIAL)] * number
    index = np.argsort(configuration.order[0]).tolist()
    return FactorTables(primes, level, spatial, dict(zip(DIMENSIONS, index, strict=True)))


def to_mapping(
    program: Program,
    configuration: Configuration,
    spans: Bools | None = None,
    keeps: tuple[tuple[str, ...], ...] | None = None,
) -> Mapping:
    """Mapping of one configuration.

    Parameters
    ----------
    program
        Of the configuration.
    configuration
        One case.
    spans
        Whether the tile of a tensor at a memory spans the temporal loops of that memory, (L, 3);
        all of them do by default.
    keeps
        What the mapping is to say about what the memories keep.
    """
    bounds = _bounds(program, configuration.counts[0])
    levels: list[tuple[str, Loops, Loops]] = []
    residency = []
    for memory, name in enumerate(program.architecture.names):
        at_buffer = memory == program.buffer
        order = configuration.order[0] if at_buffer else np.arange(len(DIMENSIONS))
        spatial, temporal = (
            tuple((DIMENSIONS[dim], bounds[dim][memory][kind]) for dim in order)
            for kind in (SPATIAL, TEMPORAL)
        )
        levels.append((name, spatial, temporal))
        inside = configuration.inside[0] if at_buffer else np.full(len(TENSORS), len(DIMENSIONS))
        if spans is not None:
            inside = np.where(spans[memory], inside, 0)
        residency.append([sum(bound > 1 for _, bound in temporal[:count]) for count in inside])
    return Mapping(levels, residency, keeps)


def from_mapping(program: Program, mapping: Mapping) -> Configuration:
    """Configuration of a mapping on the program's machine, one case.

    Unit factors are at the last memory. A dimension with several loops at the buffer counts as
    one, at the innermost of their places.

    Raises
    ------
    InputError
        If the mapping has other memories, or its bounds are not those of the layer.
    """
    groups, names = program.groups, program.architecture.names
    given = tuple(name for name, _, _ in mapping.levels)
    if given != names:
        raise InputError(f"mapping: memories must be {', '.join(names)}, got {', '.join(given)}")
    counts = np.zeros((len(groups.dim), len(names), 2), dtype=np.int64)
    counts[groups.unit, -1, TEMPORAL] = 1
    of_factor = {(int(d), int(p)): g for g, (d, p) in enumerate(zip(*groups[:2], strict=True))}
    for memory, (_, *kinds) in enumerate(mapping.levels):
        for kind, loops in enumerate(kinds):
            for dim, bound in loops:
                for prime in prime_factors(bound):
                    group = of_factor.get((DIMENSIONS.index(dim), prime))
                    if group is None:
                        raise InputError(f"mapping: {dim} of the layer has no factor {prime}")
                    counts[group, memory, kind] += 1
    for wrong in np.flatnonzero(counts.sum(axis=(1, 2)) != groups.number):
        dim = DIMENSIONS[groups.dim[wrong]]
        raise InputError(f"mapping: the bounds of {dim} do not multiply to that of the layer")
    _, _, loops = mapping.levels[program.buffer]
    dims = [DIMENSIONS.index(dim) for dim, _ in loops]
    order = list(dict.fromkeys([*dims, *range(len(DIMENSIONS))]))
    inside = np.full(len(TENSORS), len(DIMENSIONS))
    if mapping.residency is not None:
        for tensor, number in enumerate(mapping.residency[program.buffer]):
            inside[tensor] = len(set(dims[:number]))
    return Configuration(counts[None], np.array(order)[None], inside[None])


def _bounds(program: Program, counts: Ints) -> list[list[list[int]]]:
    """Bound of the loop of each dimension, memory and kind, as exact integers."""
    bounds = [[[1, 1] for _ in program.architecture.names] for _ in DIMENSIONS]
    for group, memory, kind in np.argwhere(counts):
        prime, number = int(program.groups.prime[group]), int(counts[group, memory, kind])
        bounds[program.groups.dim[group]][memory][kind] *= prime**number
    return bounds
