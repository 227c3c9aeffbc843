# SPDX-License-Identifier: BSD-3-Clause
"""All loop blocking schemes of one nested loop description on one machine, with their costs.

Decides what every factor triple of every loop costs in its role, so that a scheme's energy is a
sum of three table entries, and which schemes of a box of triples the buffers hold
(docs/model/loop_blocking.md section 11). The formulas are those of `BlockingModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .blocking_model import REGF_ACCESS_WEIGHT
from .loop_blocking_space import (
    CATEGORY_OF_LOOP,
    CONV_RELATED,
    FREE,
    LOCAL_REGION_CASES,
    LOOP_OF_CATEGORY,
    NUM_ORDERS,
    STREAMED,
    conv_cases,
    conv_table,
    local_region_table,
    roles_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocking_model import BlockingModel
    from .cost import Cost
    from .loop_blocking_space import LoopTable, TopLoops

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


# A sum of three words counts in another order differs by less than this, relatively.
ROUNDING = 1e-14


class BlockingSpace:
    """All schemes of one nested loop description on one machine.

    Parameters
    ----------
    model
        The access model.
    cost
        Energy per access and cycle.
    tops
        What is required of the top level.

    Attributes
    ----------
    costs, stored, drams, buses
        Per loop and entry of its table, for the category that is unrelated to the loop: energy
        of its accesses, whether it lives in GBUF, words from DRAM, words from GBUF.
    fixed_cost
        Energy of accesses that all schemes have.
    case_costs, case_times
        Admissible lower bounds on energy and cycles of every case.
    bound, min_time
        The same for the whole space; `bound` is infinite if nothing fits.
    """

    def __init__(self, model: BlockingModel, cost: Cost, tops: TopLoops = FREE) -> None:
        nld, resource = model.nld, model.resource
        self.model = model
        self.idle = cost.idl_unit
        self.outer = tops.outer
        counts = nld.loopcnt
        if model.related == CONV_RELATED:
            self.cases = conv_cases(model.may_pin, tops.outer)
            self.tables = [
                conv_table(counts[lpe], lpe, tops.factors[lpe], model.may_pin, tops.outer)
                for lpe in range(le.NUM)
            ]
        else:
            _check_local_region(model)
            self.cases = LOCAL_REGION_CASES
            self.tables = [
                local_region_table(counts[lpe], tops.factors[lpe]) for lpe in range(le.NUM)
            ]
        self.roles = [roles_of(self.cases, lpe) for lpe in range(le.NUM)]
        self.costs: list[Floats] = []
        self.stored: list[Bools] = []
        self.drams: list[Floats] = []
        self.buses: list[Floats] = []
        for lpe, table in enumerate(self.tables):
            self._price(lpe, table, cost)
        bodies = counts[0] * counts[1] * counts[2] * model.num_nodes
        regf = zip(nld.unit_access[me.REGF], REGF_ACCESS_WEIGHT, strict=True)
        self.fixed_cost: float = cost.mem_hier[me.REGF] * sum(u * w for u, w in regf) * bodies
        self.proc_time = int(nld.unit_time * counts[0] * counts[1] * counts[2])
        self.flat_time = resource.array_bus_width == resource.dram_bandwidth == float("inf")
        self.least = [least_of_roles(c, t) for c, t in zip(self.costs, self.tables, strict=True)]
        self.case_costs = self.over_cases(self.least) + self.fixed_cost
        self.bound = float(self.case_costs.min())
        self.case_drams = self._case_drams()
        self.case_times = np.maximum(self.case_drams, self.proc_time)
        self.min_time = int(self.case_times.min())

    def _price(self, lpe: int, table: LoopTable, cost: Cost) -> None:
        """Cost, residence and traffic of the loop's category for every entry of its table."""
        model = self.model
        dce = CATEGORY_OF_LOOP[lpe]
        top, gbuf = table.fetch[:, 0], table.fetch[:, 1]
        stored = model.stored(dce, top, gbuf)
        dram_access, gbuf_access, itcn_access = model.moved(dce, top, gbuf, stored)
        near = model.on_chip[dce]
        outer = near * cost.mem_hier[me.GBUF] + (1 - near) * cost.mem_hier[me.DRAM]
        total = (
            outer * dram_access
            + cost.mem_hier[me.GBUF] * gbuf_access
            + cost.mem_hier[me.ITCN] * itcn_access
        )
        useless = self._alone_too_large(lpe, table)
        if near:
            useless |= top > 1
        if model.may_pin and dce == de.FIL:
            filters = np.array([role.filters for role in self.roles[lpe][0]])[table.role]
            useless |= (filters == STREAMED) & stored
        self.costs.append(np.where(useless, np.inf, total))
        self.stored.append(stored)
        self.drams.append(dram_access - dram_access * near)
        self.buses.append(gbuf_access)

    def _alone_too_large(self, lpe: int, table: LoopTable) -> Bools:
        """Entries that fit no buffer even where the other loops are trivial."""
        model = self.model
        gbuf: Any = 0
        regf: Any = 0
        for dce, related in enumerate(model.related):
            units, inner = (table.block, table.ts[:, 2]) if lpe in related else (1, 1)
            if not model.may_bypass[dce] or model.forced[dce]:
                gbuf = gbuf + model.gbuf_words(dce, units)
            regf = regf + model.nld.usize_regf[dce] * inner
        resource = model.resource
        too_large: Bools = (regf > resource.size_regf) | (gbuf > resource.size_gbuf)
        return too_large | np.zeros(len(table.role), dtype=bool)

    def over_cases(self, least: Sequence[Floats]) -> Floats:
        """Sum over loops of a value of the loop's role, for every case."""
        total = least[0][self.roles[0][1]]
        for lpe in range(1, le.NUM):
            total = total + least[lpe][self.roles[lpe][1]]
        return total

    def _case_drams(self) -> Ints:
        """Least cycles of the memory per case."""
        if self.flat_time:
            return np.zeros(len(self.cases), dtype=np.int64)
        drams = self.over_cases(
            [least_of_roles(c, t) for c, t in zip(self.drams, self.tables, strict=True)]
        )
        drams = np.where(np.isfinite(drams), drams * (1 - ROUNDING), 0.0)
        cycles: Ints = self.model.dram_cycles(drams)
        return cycles

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

    def fits(self, box: Sequence[Ints]) -> Bools:
        """Which schemes of a box (entries of the three tables) the buffers hold."""
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
        return np.broadcast_to(fits, [len(entries) for entries in box])

    def _stored_of(self, dce: int, box: Sequence[Ints]) -> Bools:
        lpe = LOOP_OF_CATEGORY[dce]
        return self.stored[lpe][box[lpe]]

    def times(self, box: Sequence[Ints]) -> tuple[Ints, Ints]:
        """Cycles of the schemes of a box: in all, and of the memory."""
        shape = [len(entries) for entries in box]
        if self.flat_time:
            zero = np.broadcast_to(np.int64(0), shape)
            return zero + self.proc_time, zero
        dram: Any = 0
        bus: Any = 0
        for lpe in LOOP_OF_CATEGORY:  # summed as the model does, to the last digit
            dram = dram + along(lpe, self.drams[lpe][box[lpe]])
            bus = np.maximum(bus, along(lpe, self.buses[lpe][box[lpe]]))
        cycles = np.broadcast_to(self.model.dram_cycles(dram), shape)
        time = np.maximum(cycles, self.model.bus_cycles(bus))
        return np.maximum(time, self.proc_time), cycles


def along(lpe: int, column: NDArray[Any]) -> NDArray[Any]:
    """Lay a column of one loop along its axis of the box of three loops."""
    return column.reshape([-1 if axis == lpe else 1 for axis in range(le.NUM)])


def least_of_roles(column: Floats, table: LoopTable) -> Floats:
    """Least entry per role, infinite for a role without entries."""
    least = np.full(len(table.start), np.inf)
    least[table.filled] = np.minimum.reduceat(column, table.start[table.filled])
    return least


def _check_local_region(model: BlockingModel) -> None:
    """Refuse data loops that are neither those of CONV nor of local-region layers."""
    if model.nld.loopcnt[le.IFM] != 1 or not set(model.related) <= {(), (le.OFM, le.BAT)}:
        raise ValueError(
            f"NestedLoopDesc: data_loops {model.nld.data_loops} must be those of a CONV layer, "
            "or of a local-region layer with a single trip of the input channel loop"
        )
