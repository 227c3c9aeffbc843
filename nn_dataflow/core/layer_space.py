# SPDX-License-Identifier: BSD-3-Clause
"""All schedules of one layer: its partitions, array mappings and loop blocking schemes.

Decides how a layer search looks at the whole space without evaluating most of it
(docs/model/search.md section 2): partitions of equal node layers share their array mappings, an
array mapping is searched only if its bound does not exceed what others cost, and then once for
all data layouts. A layer depends on its neighbours only through the hops of its ifmaps.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import parallel_enum as pe
from .buf_shr_scheme import BufShrScheme
from .columns import join, take
from .loop_blocking_space import FREE, divisors
from .mapping_space import MappingKind, MappingPool
from .partition import PartitionHops, search_partitions
from .partition_scheme import PartitionScheme
from .places import distinct_places, fmap_range, is_single_place
from .ranking import exceeds, goal_keys, goal_order
from .search_effort import SearchEffort
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocking_search import Points
    from .layer import Layer
    from .loop_blocking_space import TopLoops
    from .map_strategy import MapStrategy
    from .mapping_space import MappingSpace, Setting
    from .partition_array import PartitionArray
    from .placement import Placement

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]
    HopCosts = Sequence[tuple[float, ...]]


class Choices(NamedTuple):
    """Schedules of a layer, all but the hops of its ifmaps; axis 0 is the schedule.

    In the order of partitions, array mappings and, within these, energy, time and candidates.
    An array mapping that was not searched stands as a single choice that bounds its schedules.
    """

    base: Floats  # (n,) energy without ifmap hops
    time: Ints  # (n,) cycles
    scale: Ints  # (n,) passes over the ifmaps
    row: Ints  # (n,) which partition and array mapping
    point: Ints  # (n,) which scheme of it, -1 for a bound on all of them


class Others(NamedTuple):
    """What all else of a schedule costs while one layer is scheduled anew."""

    rows: Ints  # which partitions and array mappings of the layer are looked at
    cost: Floats  # (partitions,) energy of all else if the layer is split so
    time: float  # cycles of all else


class LayerSpace:
    """All schedules of one layer on one machine.

    Parameters
    ----------
    layer, batch_size
        The layer.
    setting
        Machine, costs and options.
    map_strategy
        The array mapping strategy class.
    tops
        What is required of the top level of loops.
    pool
        Array mappings that several spaces have in common.

    Attributes
    ----------
    parts
        Partition schemes (a PartitionArray of n schemes).
    hops
        Word-hops of the layer's categories per pass; ifmaps by layout.
    fixed_hops
        Word-hops of one pass over filters, ifmaps (0) and ofmaps, shape (n, 3).
    mappings
        The distinct array mappings.
    least
        Bounds on the schemes of the array mappings.
    row_part, row_mapping
        Partition and array mapping of each row, in candidate order.
    effort
        What was looked at so far.
    pool
        Where the array mappings are from.
    """

    def __init__(
        self,
        layer: Layer,
        batch_size: int,
        setting: Setting,
        map_strategy: type[MapStrategy],
        tops: TopLoops = FREE,
        pool: MappingPool | None = None,
    ) -> None:
        resource, options = setting.resource, setting.options
        self.layer = layer
        self.batch_size = batch_size
        self.setting = setting
        region = resource.proc_region
        self.parts = setting.limits.split(search_partitions(layer, batch_size, region.dim, options))
        self.forwards = bool(options.hw_access_forwarding or options.hw_gbuf_sharing)
        self.hops = PartitionHops(layer, batch_size, region, self.parts, self.forwards)
        self.no_hops = is_single_place(resource)
        num = len(self.parts)
        self.fixed_hops = np.zeros((num, de.NUM))
        if not self.no_hops:
            self.fixed_hops[:, de.FIL] = self.hops.filters(set(resource.dram_region.iter_node()))
            self.fixed_hops[:, de.OFM] = self.hops.ofmaps(resource.dst_data_region)
        self.effort = SearchEffort()
        self._places: tuple[Ints, PartitionArray] | None = None
        none = np.zeros(0, dtype=np.int64)
        self._no_choices = Choices(np.zeros(0), none, none, none, none)
        self.pool = MappingPool() if pool is None else pool
        self._possible: dict[TopLoops, Bools] = {}
        self._find_mappings(map_strategy, tops)
        self.effort.partitions = num
        self.effort.mappings = len(self.row_part)
        self.least = self._bounds.under(tops)
        fetch = np.array([m.min_fetch for m in self.mappings]).reshape(-1, de.NUM)
        self.row_fetch = fetch[self.row_mapping]

    def _find_mappings(self, map_strategy: type[MapStrategy], tops: TopLoops) -> None:
        """Find the array mappings of every partition, those of equal node layers once."""
        sizes = self.parts.pdims.reshape(-1, 2 * pe.NUM)
        node_mappings: dict[object, list[int]] = {}
        numbers: dict[object, int] = {}
        kinds: list[MappingKind] = []
        rows: list[tuple[int, int]] = []
        for number, dims in enumerate(map(tuple, sizes.tolist())):
            bufshr = self._bufshr(number)
            groups = None if bufshr is None else self._groups_key(bufshr)
            key = (_node_key(dims), groups)
            if key not in node_mappings:
                part = PartitionScheme.of_row(self.parts, number)
                node_layer, node_batch, occupancy = part.part_layer(self.layer, self.batch_size)
                strategy = map_strategy(
                    node_layer, node_batch, occupancy, self.setting.resource.dim_array
                )
                node_mappings[key] = []
                for nld in strategy.gen_nested_loop_desc():
                    if (nld, groups) not in numbers:
                        numbers[nld, groups] = len(kinds)
                        kinds.append(MappingKind(nld, bufshr, groups))
                    node_mappings[key].append(numbers[nld, groups])
            rows += [(number, mapping) for mapping in node_mappings[key]]
        table = np.array(rows, dtype=np.int64).reshape(-1, 2)
        self.row_part, self.row_mapping = table[:, 0], table[:, 1]
        self._free = self.pool.get(kinds, self.setting)
        self._bounds = self.pool.bounds(self._free)
        self.mappings = [self.under(n, tops) for n in range(len(kinds))]

    def _bufshr(self, number: int) -> BufShrScheme | None:
        """Nodes that use the same data under a partition, where they forward or share them."""
        if not self.forwards:
            return None
        part = PartitionScheme.of_row(self.parts, number)
        region = self.setting.resource.proc_region
        return BufShrScheme(region, part, self.layer.data_loops())

    def _groups_key(self, bufshr: BufShrScheme) -> tuple[object, ...]:
        """What of the groups the loop blocking depends on: forwarding counts nodes, no more."""
        if self.setting.options.hw_gbuf_sharing:
            return bufshr.geometry()
        return tuple(bufshr.size(dce) for dce in range(de.NUM))

    def hop_costs(self, most_ifmap_hops: Floats) -> HopCosts:
        """Largest energy of the hops of a pass per array mapping, for hops up to those given."""
        hops = self.fixed_hops.copy()
        hops[:, de.IFM] = most_ifmap_hops
        most = np.zeros((len(self.mappings), de.NUM))
        hops *= self.setting.cost.noc_hop
        np.maximum.at(most, self.row_mapping, hops[self.row_part])
        return [tuple(row) for row in most.tolist()]

    def top_factors(self) -> list[set[int]]:
        """Divisors of the trip counts of each loop over all array mappings."""
        return [
            {int(n) for count in set(column.tolist()) for n in divisors(count)}
            for column in self._bounds.loop_counts.T
        ]

    def possible(self, tops: TopLoops) -> Bools:
        """Array mappings that may have a scheme as required."""
        if tops not in self._possible:
            self._possible[tops] = self._bounds.possible(tops)
        return self._possible[tops]

    def under(self, mapping: int, tops: TopLoops) -> MappingSpace:
        """An array mapping under other requirements on the top level of loops."""
        free = self._free[mapping]
        return free if tops == FREE else self.pool.under(free, tops)

    def choices(self, rows: Ints, hop_costs: HopCosts, search: bool) -> Choices:
        """Schedules of some rows; array mappings not searched yet are, or are bounded."""
        bounded = np.zeros(len(rows), dtype=bool)
        columns = [self._no_choices]
        mapping_of = self.row_mapping[rows]
        for mapping in dict.fromkeys(mapping_of.tolist()):
            own = mapping_of == mapping
            if search or self.mappings[mapping].knows(hop_costs[mapping]):
                points = self._points(mapping, hop_costs)
                columns.append(self.searched(rows[own], self.mappings[mapping], points))
            else:
                bounded |= own
        columns.append(self.bounds(rows[bounded]))
        found = join(columns)
        return take(found, np.lexsort((found.point, found.row)))

    def _points(self, mapping: int, hop_costs: HopCosts) -> Points:
        return self.mappings[mapping].points(hop_costs[mapping], self.effort)

    def scheme(self, row: int, point: int, hop_costs: HopCosts) -> Points:
        """A loop blocking scheme of a row, as points of one row."""
        points = self._points(int(self.row_mapping[row]), hop_costs)
        return take(points, slice(point, point + 1))

    def searched(self, rows: Ints, mapping: MappingSpace, points: Points) -> Choices:
        """Schedules of rows that have an array mapping, of which some schemes are known."""
        cost = self.setting.cost
        num = len(points.time)
        hops = self.fixed_hops[self.row_part[rows]] @ points.fetch.T
        fixed = points.cost + mapping.op_cost + cost.idl_unit * points.time
        return Choices(
            (fixed + cost.noc_hop * hops).ravel(),
            np.tile(points.time, len(rows)),
            np.tile(points.fetch[:, de.IFM], len(rows)),
            np.repeat(rows, num),
            np.tile(np.arange(num), len(rows)),
        )

    def bounds(self, rows: Ints, tops: TopLoops | None = None) -> Choices:
        """Bounds on the schedules of rows, maybe under other requirements on the top level."""
        least = self.least if tops is None else self._bounds.under(tops)
        cost, mapping = self.setting.cost, self.row_mapping[rows]
        fetch, time = self.row_fetch[rows], least.time[mapping]
        hops = (self.fixed_hops[self.row_part[rows]] * fetch).sum(axis=1)
        base = least.cost[mapping] + cost.noc_hop * hops + cost.idl_unit * time
        fits = np.isfinite(base)
        point = np.full(len(rows), -1)
        return take(Choices(base, time, fetch[:, de.IFM], rows, point), fits)

    def unknown(self, rows: Ints, hop_costs: HopCosts) -> list[int]:
        """Array mappings of some rows that were not searched for given hop costs."""
        mappings = dict.fromkeys(self.row_mapping[rows].tolist())
        return [m for m in mappings if not self.mappings[m].knows(hop_costs[m])]

    def energy(self, choices: Choices, ifmap_hops: Floats) -> Floats:
        """Whole energy of schedules for the ifmap hops of one pass, (n,)."""
        hops = choices.scale * ifmap_hops[self.row_part[choices.row]]
        return choices.base + self.setting.cost.noc_hop * hops

    def distinct(self, choices: Choices, energy: Floats, hop_costs: HopCosts, goal: str) -> Ints:
        """Schedules without those of which a better variant treats the filters differently."""
        if not self.setting.resource.no_time_mux:
            return np.arange(len(energy))
        order = goal_order(energy, choices.time, goal)
        return np.sort(self._distinct(choices, order, hop_costs))

    def _distinct(self, choices: Choices, order: Ints, hop_costs: HopCosts) -> Ints:
        """Of schedules in an order, the first of each scheme (see Points.scheme)."""
        if not self.setting.resource.no_time_mux:
            return order
        first: dict[tuple[int, int], int] = {}
        for index in order.tolist():
            row = int(choices.row[index])
            mapping = int(self.row_mapping[row])
            points = self.mappings[mapping].points(hop_costs[mapping], self.effort)
            first.setdefault((row, int(points.scheme[choices.point[index]])), index)
        return np.array(list(first.values()), dtype=np.int64)

    def best(
        self,
        ifmap_hops: Floats,
        hop_costs: HopCosts,
        goal: str,
        num: int,
        workers: Workers | None = None,
        others: Others | None = None,
    ) -> tuple[Choices, Floats]:
        """The `num` best schedules under a goal, best first, and their energies.

        Array mappings are searched in the order of their bounds, until the next bound exceeds
        what was found; `workers` of several processes search some of them ahead. With `others`,
        energies and times are those of all together.
        """
        if others is None:
            every = np.arange(len(self.row_part))
            others = Others(every, np.zeros(len(self.parts)), 0)
        bounds = self.bounds(others.rows)
        keys = goal_keys(*self._together(bounds, ifmap_hops, others), goal)
        found = self._no_choices
        energy = time = found.base
        order = np.lexsort(keys[::-1])
        mappings, first = np.unique(self.row_mapping[bounds.row[order]], return_index=True)
        in_order = np.argsort(first)
        jobs = (
            (self.mappings[number], hop_costs[number], self.effort)
            for number in mappings[in_order].tolist()
            if not self.mappings[number].knows(hop_costs[number])
        )
        with closing((workers or Workers()).search_in_order(jobs)) as searches:
            for number in in_order.tolist():
                mapping, index = int(mappings[number]), int(order[first[number]])
                if len(energy) >= num:
                    worst = goal_keys(energy[-1:], time[-1:], goal)
                    if exceeds([key[index] for key in keys], [float(key[0]) for key in worst]):
                        break
                while not self.mappings[mapping].knows(hop_costs[mapping]):
                    next(searches)
                rows = others.rows[self.row_mapping[others.rows] == mapping]
                more = self.searched(rows, self.mappings[mapping], self._points(mapping, hop_costs))
                both = join([found, more])
                both = take(both, np.lexsort((both.point, both.row)))
                energy, time = self._together(both, ifmap_hops, others)
                best = self._distinct(both, goal_order(energy, time, goal), hop_costs)[:num]
                found, energy, time = take(both, best), energy[best], time[best]
        return found, energy

    def _together(
        self, choices: Choices, ifmap_hops: Floats, others: Others
    ) -> tuple[Floats, NDArray[Any]]:
        """Energy and time of schedules and of all else."""
        energy = self.energy(choices, ifmap_hops) + others.cost[self.row_part[choices.row]]
        return energy, choices.time + others.time

    def ofmap_places(self) -> tuple[Ints, PartitionArray]:
        """Where the ofmaps can lie: the number of the place per partition, and a scheme of each.

        Places are told apart by which range is on which node, and numbered by first partition.
        """
        if self._places is None:
            region = self.setting.resource.dst_data_region
            projected = self.parts.projection(region.dim, appl2frng=True)
            frng = fmap_range(self.layer, self.batch_size)
            self._places = distinct_places(frng, region, projected, self.no_hops)
        return self._places

    def ifmap_hops(self, placement: Placement | None, num: int) -> Floats:
        """Word-hops of one pass over ifmaps from each of `num` places to each partition."""
        if self.no_hops or placement is None:
            return np.zeros((num, len(self.parts)))
        return self.hops.ifmaps(placement).astype(float)

    def total_effort(self) -> SearchEffort:
        """What was looked at, with the array mappings that bounds excluded as a whole."""
        total = SearchEffort()
        total.add(self.effort)
        numbers = self.least.num_candidates.tolist()
        for mapping, num_candidates in zip(self.mappings, numbers, strict=True):
            if mapping.searched:
                total.mappings_searched += 1
            else:
                total.candidates += num_candidates
                total.bound += num_candidates
        return total

    def has_schedule(self) -> bool:
        """Tell whether there is any schedule, wherever the ifmaps are."""
        no_hops = np.zeros(len(self.parts))
        best, _ = self.best(no_hops, self.hop_costs(no_hops), self.setting.options.opt_goal, 1)
        return len(best.row) > 0

    def num_schedules(self) -> int:
        """How many partitions, array mappings and loop blocking schemes there are together."""
        return int(self.least.num_candidates[self.row_mapping].sum())

    def too_small(self) -> str:
        """Say which capacity no schedule of the layer keeps to."""
        if not self.mappings:
            return "no array mapping of this strategy suits it"
        resource = self.setting.resource
        regf = min(sum(m.nld.usize_regf) for m in self.mappings)
        gbuf = min(
            sum(
                m.model.gbuf_words(dce, 1)
                for dce in range(de.NUM)
                if not m.model.may_bypass[dce] or m.model.forced[dce]
            )
            for m in self.mappings
        )
        if regf > resource.size_regf:
            return (
                f"needs at least {regf} words of register file per PE, "
                f"size_regf is {resource.size_regf}"
            )
        if gbuf > resource.size_gbuf:
            return (
                f"needs at least {gbuf} words of global buffer per node, "
                f"size_gbuf is {resource.size_gbuf}"
            )
        return (
            f"no loop blocking fits size_regf {resource.size_regf} and size_gbuf "
            f"{resource.size_gbuf} words under the options given"
        )


def _node_key(dims: Sequence[int]) -> tuple[int, ...]:
    """What of the flattened dimensions (OUTP, OFMP, BATP, INPP) the node layer depends on."""
    return dims[0] * dims[1], dims[2], dims[3], dims[4] * dims[5], dims[6] * dims[7]
