# SPDX-License-Identifier: BSD-3-Clause
"""What the factor triples of every loop cost in their roles.

Decides the share of a loop in the cost of a loop blocking scheme: that of the data category that
is unrelated to it, so that a scheme's energy is a sum of three table entries, and what a scheme
costs at least (docs/model/loop_blocking.md section 11). The formulas are those of `BlockingModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .blocking_model import REGF_ACCESS_WEIGHT
from .layer_limits import NO_LIMITS
from .loop_blocking_space import (
    CATEGORY_OF_LOOP,
    CONV_RELATED,
    LOCAL_REGION_CASES,
    STREAMED,
    conv_cases,
    conv_table,
    local_region_table,
    roles_of,
)
from .loop_orders import allowed_nests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocking_model import BlockingModel
    from .cost import Cost
    from .layer_limits import LayerLimits
    from .loop_blocking_space import Case, LoopTable, Role, TopLoops

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# A sum of three words counts in another order differs by less than this, relatively.
ROUNDING = 1e-14


class LoopPrices(NamedTuple):
    """Costs of one loop, for the category that is unrelated to it; axis 0 is the table's entry."""

    table: LoopTable
    cost: Floats  # (n,) energy of its accesses, infinite where no scheme is useful
    stored: Bools  # (n,) whether it lives in GBUF
    dram: Floats  # (n,) words from DRAM
    bus: Floats  # (n,) words from GBUF
    least: Floats  # (roles,) least energy
    least_dram: Floats  # (roles,) least words from DRAM


class Pricing:
    """How the loops of one nested loop description on one machine are priced, or of stacked ones.

    Parameters
    ----------
    model
        The access model.
    cost
        Energy per access and cycle.
    limits
        What is fixed or forbidden in the schedule of the layer.

    Raises
    ------
    ValueError
        If the data loops are neither those of CONV nor of local-region layers.
    """

    def __init__(self, model: BlockingModel, cost: Cost, limits: LayerLimits = NO_LIMITS) -> None:
        self.model = model
        self.cost = cost
        self.limits = limits
        self._is_conv = model.related == CONV_RELATED
        if not self._is_conv:
            _check_local_region(model)

    def cases(self, outer: tuple[int, ...]) -> tuple[Case, ...]:
        """Cases of the space, with loops that must be the `outer` ones at the top."""
        return conv_cases(self.model.may_pin, outer) if self._is_conv else LOCAL_REGION_CASES

    def table(self, lpe: int, count: int, top: int, outer: tuple[int, ...]) -> LoopTable:
        """Factor triples of a loop with a required top factor (0: any) and outer loops."""
        model, limits = self.model, self.limits.loops[lpe]
        if self._is_conv:
            return conv_table(count, lpe, top, model.may_pin, outer, limits, partial=model.partial)
        return local_region_table(count, top, limits)

    def price(
        self, model: BlockingModel, lpe: int, table: LoopTable, outer: tuple[int, ...]
    ) -> LoopPrices:
        """Costs of a table; the model is that of all its entries, or of each of them."""
        dce = CATEGORY_OF_LOOP[lpe]
        outermost, gbuf = table.fetch[:, 0], table.fetch[:, 1]
        stored = model.stored(dce, outermost, gbuf)
        words = model.moved(dce, outermost, gbuf, stored)
        useless = self._useless(model, lpe, table, stored, outer)
        cost = np.where(useless, np.inf, self._energy(dce, words))
        near = model.on_chip[dce]
        dram = words[0] - words[0] * near
        return LoopPrices(
            table,
            cost,
            stored,
            dram,
            words[1],
            least_of_roles(cost, table),
            least_of_roles(dram, table),
        )

    def _energy(self, dce: int, words: tuple[Any, Any, Any]) -> Floats:
        """Energy of words of a category moved at (DRAM, GBUF, ITCN)."""
        price = self.cost.mem_hier
        near = self.model.on_chip[dce]
        outer = near * price[me.GBUF] + (1 - near) * price[me.DRAM]
        energy: Floats = outer * words[0] + price[me.GBUF] * words[1] + price[me.ITCN] * words[2]
        return energy

    def _useless(
        self,
        model: BlockingModel,
        lpe: int,
        table: LoopTable,
        stored: Bools,
        outer: tuple[int, ...],
    ) -> Bools:
        """Entries that no scheme can or may have, or that a variant is as good as."""
        dce = CATEGORY_OF_LOOP[lpe]
        useless = _alone_too_large(model, lpe, table)
        if model.on_chip[dce]:
            useless |= table.fetch[:, 0] > 1
        if model.may_pin and dce == de.FIL:
            roles, _ = roles_of(self.cases(outer), lpe)
            filters = np.array([role.filters for role in roles])[table.role]
            useless |= (filters == STREAMED) & stored
        if self._holds_data(dce):
            for own, wanted in self.limits.stored:
                useless |= (own == dce) & (stored != wanted)
        return useless

    def _holds_data(self, dce: int) -> bool:
        """Whether there is anything to store: layers of local regions have no filters."""
        return dce != de.FIL or self._is_conv

    def bound(
        self, tops: TopLoops, least: Sequence[Floats], least_dram: Sequence[Floats]
    ) -> CaseBounds:
        """Bounds on the schemes of every case, from the least energy and words of the loops.

        Parameters
        ----------
        tops
            What is required of the top level.
        least, least_dram
            Of each loop in each of its roles, (..., roles), see `LoopPrices`.
        """
        model = self.model
        cases = self.cases(tops.outer)
        roles = [roles_of(cases, lpe) for lpe in range(le.NUM)]
        costs = over_cases(roles, least) + np.asarray(self.fixed_cost())[..., None]
        nests = allowed_nests(cases, tops.outer, self.limits.nests)
        if nests is not None:
            costs[..., ~nests.any(axis=(1, 2))] = np.inf
        drams = np.zeros(costs.shape, dtype=np.int64)
        if not model.flat_time:
            words = over_cases(roles, least_dram)
            words = np.where(np.isfinite(words), words * (1 - ROUNDING), 0.0)
            drams = model.dram_cycles(words)
        proc_time = np.asarray(self.proc_time(), dtype=np.int64)
        return CaseBounds(costs, drams, np.maximum(drams, proc_time[..., None]))

    def fixed_cost(self) -> Any:
        """Energy of accesses that all schemes have."""
        nld = self.model.nld
        bodies = nld.loopcnt[0] * nld.loopcnt[1] * nld.loopcnt[2] * self.model.num_nodes
        regf = zip(nld.unit_access[me.REGF], REGF_ACCESS_WEIGHT, strict=True)
        return self.cost.mem_hier[me.REGF] * sum(u * w for u, w in regf) * bodies

    def proc_time(self) -> Any:
        """Cycles of the array, which all schemes take."""
        nld = self.model.nld
        return nld.unit_time * nld.loopcnt[0] * nld.loopcnt[1] * nld.loopcnt[2]


class CaseBounds(NamedTuple):
    """Admissible lower bounds on the schemes of every case; the last axis is the case."""

    costs: Floats  # (..., cases) energy, infinite where nothing fits
    drams: Ints  # (..., cases) cycles of the memory
    times: Ints  # (..., cases) cycles


def over_cases(roles: Sequence[tuple[tuple[Role, ...], Ints]], least: Sequence[Floats]) -> Floats:
    """Sum over loops of a value of the loop's role, (..., roles), for every case.

    The `roles` are those of each loop, as `roles_of` gives them.
    """
    total = least[0][..., roles[0][1]]
    for lpe in range(1, le.NUM):
        total = total + least[lpe][..., roles[lpe][1]]
    return total


class PriceList(Pricing):
    """Costs of the loops of one nested loop description on one machine, found when asked for.

    Requirements on the top level that agree in a loop share its costs.
    """

    def __init__(self, model: BlockingModel, cost: Cost, limits: LayerLimits = NO_LIMITS) -> None:
        super().__init__(model, cost, limits)
        self._known: dict[tuple[int, int, tuple[int, ...]], LoopPrices] = {}

    def of(self, lpe: int, top: int, outer: tuple[int, ...]) -> LoopPrices:
        """Costs of a loop with a required top factor (0: any) and outer loops at the top."""
        key = lpe, top, outer
        if key not in self._known:
            table = self.table(lpe, self.model.nld.loopcnt[lpe], top, outer)
            self._known[key] = self.price(self.model, lpe, table, outer)
        return self._known[key]


def _alone_too_large(model: BlockingModel, lpe: int, table: LoopTable) -> Bools:
    """Entries that fit no buffer even where the other loops are trivial."""
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


def least_of_roles(column: Floats, table: LoopTable) -> Floats:
    """Least entry per role, infinite for a role without entries."""
    least = np.full(len(table.start), np.inf)
    least[table.filled] = np.minimum.reduceat(column, table.start[table.filled])
    return least


def _check_local_region(model: BlockingModel) -> None:
    """Refuse data loops that are neither those of CONV nor of local-region layers."""
    if np.any(np.asarray(model.nld.loopcnt[le.IFM]) != 1) or not set(model.related) <= {
        (),
        (le.OFM, le.BAT),
    }:
        raise ValueError(
            f"NestedLoopDesc: data_loops {model.nld.data_loops} must be those of a CONV layer, "
            "or of a local-region layer with a single trip of the input channel loop"
        )
