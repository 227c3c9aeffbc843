# SPDX-License-Identifier: BSD-3-Clause
"""The program with one integer column per group of factors and place, instead of binaries.

Decides columns and rows that have the optimum of the original's program in a fifteenth of its
size (docs/model/cosa_program.md section 5): equal primes of a dimension are counted, and only the
innermost loops of the buffer, which leave a tensor where it is, distinguish orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .highs_model import LinearProgram
from .problem import DIMENSIONS, INPUTS, TENSORS
from .program import (
    COMPUTE_WEIGHT,
    INDEXES,
    PLANE_OF,
    SPATIAL,
    TEMPORAL,
    TRAFFIC_WEIGHT,
    UTILISATION_WEIGHT,
    Configuration,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

NUM_DIMS = len(DIMENSIONS)

# Innermost dimensions of the orders that may be best. Each leaves the tensors in place that
# neither it nor one before indexes.
ORDERS = tuple(np.array([DIMENSIONS.index(dim) for dim in dims]) for dims in ("PQN", "RSK", "RSC"))


def placeable(program: Program) -> Bools:
    """Where the factors of a group may be, (G, L, 2).

    Leaves out what changes nothing or is forbidden: unrolling where there is no fan-out, unit
    factors on the chip unless windows or strides see them, and filters on the chip where a
    memory has no room for the halo.
    """
    groups, buffer = program.groups, program.buffer
    fan_out = np.array(program.architecture.fanouts)
    allowed = np.ones((len(groups.dim), len(fan_out), 2), dtype=bool)
    allowed[:, :, SPATIAL] = fan_out > 1
    allowed[groups.unit, :, SPATIAL] = False
    allowed[:, -1, SPATIAL] = False
    filters = np.isin(groups.dim, list(PLANE_OF))
    planes = np.isin(groups.dim, list(PLANE_OF.values()))
    allowed[groups.unit, buffer] = False
    allowed[groups.unit & filters, 1:buffer] = False
    allowed[groups.unit & ~filters & ~planes, :buffer] = False
    if not program.has_halo:
        allowed[groups.unit & filters, :buffer] = False
    elif (program.words[program.halo_memories, INPUTS] == 1).any():
        allowed[filters, : buffer + 1] = False
    return allowed


class CompactModel:
    """Columns and rows of a program.

    Parameters
    ----------
    program
        What it charges and forbids.

    Attributes
    ----------
    rows
        The program to solve.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.rows = LinearProgram()
        self._allowed = placeable(program)
        # Group, memory and kind of the columns that count factors, which are the first ones.
        self._group, self._memory, self._kind = np.nonzero(self._allowed)
        self._most = program.groups.number
        self._places = self.rows.add_columns(self._cost(), self._most[self._group])
        self._inner = self._memory < program.buffer
        self._on_chip = self._memory <= program.buffer
        self._iterated = (self._memory == program.buffer) & (self._kind == TEMPORAL)
        self._add_assignment()
        self._add_fan_out()
        halo = self._add_halo() if program.has_halo else ([], [])
        # Columns and weights by which the buffer's tile of a tensor is smaller, by tensor.
        self.freed: dict[int, tuple[list[int], list[float]]] = {}
        self._add_order()
        self._add_capacity(halo)

    def configuration(self, values: Floats) -> Configuration:
        """Configuration that values of the columns stand for, one case."""
        counts = np.zeros(self._allowed.shape, dtype=np.int64)
        counts[self._group, self._memory, self._kind] = np.rint(values[self._places])
        order, inside = self._order(values, counts)
        return Configuration(counts[None], order[None], inside[None])

    def _cost(self) -> Floats:
        """Cost of a factor at its place."""
        program = self.program
        traffic = program.traffic.copy()
        traffic[:, program.buffer, TEMPORAL] = self._buffer_charge() * program.groups.bits
        cost = COMPUTE_WEIGHT * program.compute + TRAFFIC_WEIGHT * traffic
        cost[:, :-1] += UTILISATION_WEIGHT * program.utilisation
        costs: Floats = cost[self._group, self._memory, self._kind]
        return costs

    def _add_assignment(self) -> None:
        """Every factor is somewhere."""
        for group, count in enumerate(self._most):
            self.rows.add_row(self._places[self._group == group], 1, lower=count, upper=count)

    def _add_fan_out(self) -> None:
        """What is unrolled at a memory fits its fan-out.

        Products are whole numbers, so the limit lies halfway to the next one.
        """
        bits = self.program.groups.bits
        for memory, fan_out in enumerate(self.program.architecture.fanouts):
            unrolled = (self._memory == memory) & (self._kind == SPATIAL)
            if unrolled.any():
                self.rows.add_row(
                    self._places[unrolled],
                    bits[self._group[unrolled]],
                    upper=float(np.log2(fan_out + 0.5)),
                )

    def _add_halo(self) -> tuple[list[int], list[float]]:
        """Columns whose weighted sum is the halo in bits, and their weights.

        A factor of a filter counts fully, or as a doubling where its plane dimension is inside
        the buffer: u counts those of the second kind, the product of a binary and a number.
        """
        columns: list[int] = []
        weights: list[float] = []
        cost = UTILISATION_WEIGHT * self.program.halo_utilisation
        for dim, plane in PLANE_OF.items():
            slides = self._add_slides(plane)
            for group in np.flatnonzero(self.program.groups.dim == dim):
                on_chip = self._places[self._on_chip & (self._group == group)]
                bits, most = self.program.groups.bits[group], int(self._most[group])
                if not len(on_chip):
                    continue
                doubling = self.rows.add_columns(cost * (1 - bits), most)
                self.rows.add_cost(on_chip, cost * bits)
                ones = np.ones(len(on_chip))
                self.rows.add_row([*doubling, slides], [1, -most], upper=0)
                self.rows.add_row([*doubling, *on_chip], [1, *-ones], upper=0)
                self.rows.add_row([*doubling, slides, *on_chip], [1, -most, *-ones], lower=-most)
                columns += [*on_chip, *doubling]
                weights += [*bits * ones, 1 - bits]
        return columns, weights

    def _add_slides(self, plane: int) -> int:
        """Binary: some factor of a plane dimension is in a memory inside the buffer."""
        slides = int(self.rows.add_columns(0, 1)[0])
        of_plane = self._inner & (self.program.groups.dim[self._group] == plane)
        for group in np.unique(self._group[of_plane]):
            places = self._places[of_plane & (self._group == group)]
            coefficients = [*np.ones(len(places)), -self._most[group]]
            self.rows.add_row([*places, slides], coefficients, upper=0)
        places = self._places[of_plane]
        self.rows.add_row([slides, *places], [1, *-np.ones(len(places))], upper=0)
        return slides

    def _add_capacity(self, halo: tuple[list[int], list[float]]) -> None:
        """The tile of every tensor fits its share of every memory; `halo` widens the inputs'."""
        program, chip = self.program, self._on_chip
        limits = program.capacity
        placed = program.footprint[:, :, self._group[chip], self._memory[chip], self._kind[chip]]
        for memory in range(len(limits)):
            for tensor in range(len(TENSORS)):
                bits = placed[memory, tensor]
                columns = list(self._places[chip][bits > 0])
                weights = list(bits[bits > 0])
                if tensor == INPUTS and memory in program.halo_memories:
                    columns += halo[0]
                    weights += halo[1]
                if memory == program.buffer and tensor in self.freed:
                    columns += self.freed[tensor][0]
                    weights += self.freed[tensor][1]
                if columns:
                    self.rows.add_row(columns, weights, upper=limits[memory, tensor])

    def _buffer_charge(self) -> Ints | int:
        """How many tensors a loop of the buffer is charged for, by group, the order apart."""
        return len(TENSORS)

    def _add_order(self) -> None:
        """Select the innermost loops of the buffer; the largest saving is taken off the cost."""
        groups = self.program.groups
        self._selected = self.rows.add_columns(np.zeros(len(ORDERS)), 1)
        self.rows.add_row(self._selected, 1, lower=1, upper=1)
        for dims, selected in zip(ORDERS, self._selected, strict=True):
            saved = np.zeros(NUM_DIMS)
            saved[dims] = (~np.logical_or.accumulate(INDEXES[dims])).sum(-1)
            of_group = saved[groups.dim] * groups.bits
            loops = self._iterated & (of_group[self._group] > 0)
            if loops.any():
                weights = of_group[self._group[loops]]
                most = float(weights @ self._most[self._group[loops]])
                saving = self.rows.add_columns(-TRAFFIC_WEIGHT, most, integer=False)
                self.rows.add_row([*saving, *self._places[loops]], [1, *-weights], upper=0)
                self.rows.add_row([*saving, selected], [1, -most], upper=0)

    def _order(self, values: Floats, counts: Ints) -> tuple[Ints, Ints]:
        """Order of the buffer's dimensions, and how many are inside its tiles."""
        first = ORDERS[int(np.argmax(values[self._selected]))]
        rank = np.full(NUM_DIMS, NUM_DIMS)
        rank[first] = np.arange(len(first))
        return order_dimensions(self.program, counts, rank), np.full(len(TENSORS), NUM_DIMS)


def order_dimensions(program: Program, counts: Ints, rank: Ints) -> Ints:
    """Dimensions that have loops at the buffer by rank, then the others; else the fixed order.

    Parameters
    ----------
    program
        Whose groups.
    counts
        Factors of a group at a memory, (G, L, 2).
    rank
        Of every dimension, least innermost; at most 7.
    """
    at_buffer = counts[:, program.buffer, TEMPORAL] > 0
    iterated = np.zeros(NUM_DIMS, dtype=bool)
    iterated[program.groups.dim[at_buffer]] = True
    order: Ints = np.argsort(np.where(iterated, rank, 2 * NUM_DIMS), kind="stable")
    return order
