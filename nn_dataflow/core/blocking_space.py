# SPDX-License-Identifier: BSD-3-Clause
"""All loop blocking schemes of one nested loop description on one machine, with their costs.

Decides which cases there are and what they cost at least, and which schemes of a box of factor
triples the buffers hold (docs/model/loop_blocking.md section 11). The formulas are those of
`BlockingModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import loop_enum as le
from .loop_blocking_space import FREE, LOOP_OF_CATEGORY, NUM_ORDERS, roles_of
from .loop_orders import allowed_nests, first_orders, inner_loops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .loop_blocking_space import LoopTable, TopLoops
    from .loop_orders import Orders
    from .loop_prices import PriceList

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class BlockingSpace:
    """All schemes of one nested loop description on one machine.

    Parameters
    ----------
    prices
        Costs of its loops.
    tops
        What is required of the top level.

    Attributes
    ----------
    tables, costs, stored, drams, buses
        Columns of the loops' prices (see `LoopPrices`), one per loop.
    fixed_cost
        Energy of accesses that all schemes have.
    case_costs, case_drams, case_times
        Admissible lower bounds on energy, cycles of the memory and cycles of every case.
    bound, min_time
        The same for the whole space; `bound` is infinite if nothing fits.
    """

    def __init__(self, prices: PriceList, tops: TopLoops = FREE) -> None:
        model = prices.model
        self.model = model
        self.idle = prices.cost.idl_unit
        self.limits = prices.limits
        self.outer = tops.outer
        self.cases = prices.cases(tops.outer)
        self._nests = allowed_nests(self.cases, tops.outer, self.limits.nests)
        self.roles = [roles_of(self.cases, lpe) for lpe in range(le.NUM)]
        columns = zip(
            *(prices.of(lpe, tops.factors[lpe], tops.outer) for lpe in range(le.NUM)), strict=True
        )
        self.tables: Sequence[LoopTable]
        self.costs: Sequence[Floats]
        self.stored: Sequence[Bools]
        self.drams: Sequence[Floats]
        self.buses: Sequence[Floats]
        self.least: Sequence[Floats]
        self.tables, self.costs, self.stored, self.drams, self.buses, self.least, drams = columns
        self.fixed_cost: float = prices.fixed_cost()
        self.proc_time = int(prices.proc_time())
        self.flat_time = model.flat_time
        self.case_costs, self.case_drams, self.case_times = prices.bound(tops, self.least, drams)
        self.bound = float(self.case_costs.min())
        self.min_time = int(self.case_times.min())

    def num_candidates(self) -> int:
        """Schemes of the stated space: all factor triples with all orders."""
        one, two, three = (table.num_triples for table in self.tables)
        return one * two * three * NUM_ORDERS

    def case_sizes(self, fitting: bool) -> Ints:
        """Schemes per case that are not equivalent to others, or of these the `fitting` ones.

        A scheme is not fitting here if one of its triples fits no buffer by itself.
        """
        sizes: Any = 1
        for table, costs, (_, role_of_case) in zip(
            self.tables, self.costs, self.roles, strict=True
        ):
            column = np.isfinite(costs) if fitting else np.ones(len(costs), dtype=bool)
            sums = np.zeros(len(table.start), dtype=np.int64)
            sums[table.filled] = np.add.reduceat(column, table.start[table.filled], dtype=np.int64)
            sizes = sizes * sums[role_of_case]
        return np.asarray(sizes)

    def fits(self, case: int, box: Sequence[Ints]) -> Bools:
        """Which schemes of a box (entries of three tables) of a case fit and are allowed."""
        gbuf: Any = 0
        regf: Any = 0
        for dce, related in enumerate(self.model.related):
            units: Any = 1
            inner: Any = 1
            for lpe in related:
                units = units * along(lpe, self.tables[lpe].block[box[lpe]])
                inner = inner * along(lpe, self.tables[lpe].ts[box[lpe], 2])
            stored = along(LOOP_OF_CATEGORY[dce], self._stored_of(dce, box))
            gbuf = gbuf + self.model.gbuf_words(dce, units) * stored
            regf = regf + inner * self.model.nld.usize_regf[dce]
        resource = self.model.resource
        fits = (gbuf <= resource.size_gbuf) & (regf <= resource.size_regf)
        if self._nests is not None:
            fits = fits & self._nests[case][self._several(box, 0), self._several(box, 1)]
        for pattern in self.limits.of_several_loops:
            match: Any = True
            for level, lpe, values in pattern:
                trips = self.tables[lpe].ts[box[lpe], level]
                match = match & along(lpe, np.isin(trips, values))
            fits = fits & ~match
        return np.broadcast_to(fits, [len(entries) for entries in box])

    def _several(self, box: Sequence[Ints], level: int) -> Any:
        """Which loops make more than one trip at a level, as bits: 4 is I, 2 is O, 1 is B."""
        bits: Any = 0
        for lpe, entries in enumerate(box):
            trips = self.tables[lpe].ts[entries, level]
            bits = 2 * bits + along(lpe, (trips > 1).astype(np.int64))
        return bits

    def orders(self, case: int, bl_ts: Sequence[Sequence[int]]) -> Orders:
        """Order positions at both levels of a scheme of a case that is allowed."""
        several = tuple(tuple(trips > 1 for trips in level) for level in bl_ts[:2])
        inner = inner_loops(self.cases, case)
        found = first_orders(several, inner, self.outer, self.limits.nests)
        assert found is not None
        return found

    def _stored_of(self, dce: int, box: Sequence[Ints]) -> Bools:
        lpe = LOOP_OF_CATEGORY[dce]
        return self.stored[lpe][box[lpe]]

    def times(self, box: Sequence[Ints]) -> tuple[Ints, Ints, Ints]:
        """Cycles of the schemes of a box: in all, of the memory and inside the nodes."""
        shape = [len(entries) for entries in box]
        if self.flat_time:
            zero = np.broadcast_to(np.int64(0), shape)
            return zero + self.proc_time, zero, zero + self.proc_time
        dram: Any = 0
        bus: Any = 0
        for lpe in LOOP_OF_CATEGORY:  # summed as the model does, to the last digit
            dram = dram + along(lpe, self.drams[lpe][box[lpe]])
            bus = np.maximum(bus, along(lpe, self.buses[lpe][box[lpe]]))
        cycles = np.broadcast_to(self.model.dram_cycles(dram), shape)
        node = np.maximum(self.model.bus_cycles(bus), self.proc_time)
        return np.maximum(cycles, node), cycles, np.broadcast_to(node, shape)


def along(lpe: int, column: NDArray[Any]) -> NDArray[Any]:
    """Lay a column of one loop along its axis of the box of three loops."""
    return column.reshape([-1 if axis == lpe else 1 for axis in range(le.NUM)])
