# SPDX-License-Identifier: BSD-3-Clause
"""The compact program that also chooses how much of the buffer's loops each tensor's tile spans.

Decides the loop order of the buffer in full, and for every tensor that it keeps a boundary in
this order (docs/model/cosa_program.md section 6). Loops outside the boundary of a tensor exchange
its tile, which costs and takes no room; other tensors may stay.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

from .formulation_compact import NUM_DIMS, CompactModel, order_dimensions
from .problem import TENSORS
from .program import DRAM_WEIGHTS, INDEXES, TEMPORAL, TRAFFIC_WEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class UnevenModel(CompactModel):
    """Columns and rows of a program with a residency boundary per tensor at the buffer.

    Dimensions of one are in no order; the others are all in one, whether they have loops at the
    buffer or not.

    Parameters
    ----------
    program
        What it charges and forbids.
    """

    def __init__(self, program: Program) -> None:
        groups = program.groups
        self._ordered = np.unique(groups.dim[~groups.unit]).tolist()
        self._outside: dict[int, dict[int, int]] = {}
        super().__init__(program)

    def _buffer_charge(self) -> Ints:
        """A loop is charged for the tensors it indexes; order adds what it moves by its place."""
        charge: Ints = INDEXES[self.program.groups.dim].sum(-1)
        return charge

    def _add_order(self) -> None:
        """Order the dimensions, charge what is moved on the way, and set the boundaries."""
        self._add_precedence()
        self._add_loops()
        for tensor in range(len(TENSORS)):
            self._add_moves(tensor)
        kept = self.program.architecture.stores[:, self.program.buffer]
        for tensor in np.flatnonzero(kept).tolist():
            self._add_boundary(tensor)

    def _add_precedence(self) -> None:
        """A binary for every pair of dimensions, which make one order."""
        pairs = list(combinations(self._ordered, 2))
        self._pair = dict(zip(pairs, self.rows.add_columns(np.zeros(len(pairs)), 1), strict=True))
        for one, two, three in combinations(self._ordered, 3):
            cycle = [self._pair[one, two], self._pair[two, three], self._pair[one, three]]
            self.rows.add_row(cycle, [1, 1, -1], lower=0, upper=1)

    def _before(self, first: int, second: int) -> tuple[int, int, int]:
        """(column, weight, constant) of whether a dimension is more inner than another."""
        if first < second:
            return int(self._pair[first, second]), 1, 0
        return int(self._pair[second, first]), -1, 1

    def _add_loops(self) -> None:
        """Binaries: which dimensions have loops at the buffer."""
        self._loops = {dim: self._binary() for dim in self._ordered}
        for dim in self._ordered:
            for group in self._groups_of(dim):
                row = [self._column_of(group), self._loops[dim]]
                self.rows.add_row(row, [1, -self._most[group]], upper=0)

    def _add_moves(self, tensor: int) -> None:
        """Charge loops that do not index a tensor where one that does is more inner."""
        groups = self.program.groups
        indexing = [dim for dim in self._ordered if INDEXES[dim, tensor]]
        for dim in self._ordered:
            if INDEXES[dim, tensor]:
                continue
            moved = self._binary()
            for inner in indexing:
                column, weight, constant = self._before(inner, dim)
                row = [moved, column, self._loops[inner]]
                self.rows.add_row(row, [1, -weight, -1], lower=constant - 1)
            for group in self._groups_of(dim):
                self._add_product(group, moved, TRAFFIC_WEIGHT * groups.bits[group])

    def _add_boundary(self, tensor: int) -> None:
        """Let an outer part of the order be outside a tensor's tile, at the cost of exchanges."""
        outside = {dim: self._binary() for dim in self._ordered}
        self._outside[tensor] = outside
        for first, second in permutations(self._ordered, 2):
            column, weight, constant = self._before(first, second)
            row = [outside[second], outside[first], column]
            self.rows.add_row(row, [1, -1, -weight], lower=constant - 1)
        program, buffer = self.program, self.program.buffer
        taken = program.footprint[buffer, tensor, :, buffer, TEMPORAL]
        columns: list[int] = []
        weights: list[float] = []
        for dim in self._ordered:
            for group in self._groups_of(dim):
                cost = TRAFFIC_WEIGHT * DRAM_WEIGHTS[tensor] * program.groups.bits[group]
                columns.append(self._add_product(group, outside[dim], cost))
                weights.append(-taken[group])
        self.freed[tensor] = columns, weights

    def _add_product(self, group: int, binary: int, cost: float) -> int:
        """Column: the temporal factors of a group at the buffer where a binary is 1, else 0."""
        most, number = int(self._most[group]), self._column_of(group)
        product = int(self.rows.add_columns(cost, most, integer=False)[0])
        self.rows.add_row([product, number], [1, -1], upper=0)
        self.rows.add_row([product, binary], [1, -most], upper=0)
        self.rows.add_row([product, number, binary], [1, -1, -most], lower=-most)
        return product

    def _binary(self) -> int:
        return int(self.rows.add_columns(0, 1)[0])

    def _groups_of(self, dim: int) -> list[int]:
        """Groups of a dimension that may have loops at the buffer."""
        of_dim = self._iterated & (self.program.groups.dim[self._group] == dim)
        groups: list[int] = self._group[of_dim].tolist()
        return groups

    def _column_of(self, group: int) -> int:
        """Column of a group's temporal factors at the buffer."""
        return int(self._places[self._iterated & (self._group == group)][0])

    def _order(self, values: Floats, counts: Ints) -> tuple[Ints, Ints]:
        """Order of the buffer's dimensions, and how many are inside its tiles.

        Boundaries are moved outwards over dimensions that do not index their tensor.
        """
        rank = np.full(NUM_DIMS, NUM_DIMS)
        rank[self._ordered] = 0
        for (first, second), column in self._pair.items():
            rank[second if values[column] > 0.5 else first] += 1
        order = order_dimensions(self.program, counts, rank)
        at_buffer = counts[:, self.program.buffer, TEMPORAL] > 0
        iterated = set(self.program.groups.dim[at_buffer].tolist())
        inside = np.full(len(TENSORS), NUM_DIMS)
        for tensor, outside in self._outside.items():
            for position, dim in reversed(list(enumerate(order.tolist()))):
                if dim in iterated and INDEXES[dim, tensor] and values[outside[dim]] > 0.5:
                    inside[tensor] = position
        return order, inside
