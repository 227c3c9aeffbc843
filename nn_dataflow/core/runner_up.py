# SPDX-License-Identifier: BSD-3-Clause
"""The schedules of one layer that come next after the one that a network has.

Decides what could stand in the place of a layer's schedule (docs/model/search.md section 7.2):
other loop blocking of its array mapping, another array mapping, another partition. They are from
the space that the search looks at, under what the layer's segment requires of it; all other layers
stay as they are, and those that read its ofmaps fetch them from where they are then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import data_category_enum as de
from .columns import take
from .layer_limits import NO_LIMITS
from .layer_space import LayerSpace, Others
from .mapping_space import MappingPool, MappingSpace, Setting
from .partition_array import PartitionArray
from .partition_hops import PartitionHops
from .partition_scheme import PartitionScheme
from .placement import Placement
from .places import is_single_place
from .ranking import goal_order
from .schedule_plan import ScheduleEvaluator, SchedulePlan, segments_of_plan
from .scheduling import make_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from .blocking_search import Points
    from .cost import Cost
    from .layer_limits import LayerLimits
    from .loop_blocking_space import TopLoops
    from .map_strategy import MapStrategy
    from .network import Network
    from .nn_dataflow_scheme import NNDataflowScheme
    from .option import Option
    from .resource import Resource
    from .scheduling_result import SchedulingResult
    from .segment_plan import SegmentPlan

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

# Loop blocking schemes of the array mapping that are looked at; many are equally good.
MAX_BLOCKINGS = 64

# Array mappings, and partitions, that are looked at.
MAX_OTHERS = 12


class Alternative(NamedTuple):
    """Another schedule of a layer, and the schedule of the network with it.

    Attributes
    ----------
    result
        The layer at its place.
    trips
        Trips of the loops I, O and B of its array mapping.
    network
        The whole network, with all other layers as they were.
    """

    result: SchedulingResult
    trips: tuple[int, ...]
    network: NNDataflowScheme


class RunnersUp(NamedTuple):
    """What comes next after the schedule of a layer, best of the network first.

    Attributes
    ----------
    blockings
        Other loop blocking of the same array mapping.
    mappings
        Other array mappings of the same partition, each with its best loop blocking.
    partitions
        Other partitions, each with its best array mapping.
    tops
        What the segment requires of the top level of loops, one requirement or several.
    """

    blockings: list[Alternative]
    mappings: list[Alternative]
    partitions: list[Alternative]
    tops: list[TopLoops]


def runners_up(
    network: Network,
    batch_size: int,
    resource: Resource,
    cost: Cost,
    options: Option,
    map_strategy: type[MapStrategy],
    schedule: NNDataflowScheme,
    name: str,
    limits: LayerLimits = NO_LIMITS,
) -> RunnersUp:
    """Find what comes next after the schedule of a layer in a network's schedule.

    Parameters
    ----------
    network, batch_size, resource, cost, options, map_strategy
        As for `NNDataflow`.
    schedule
        The schedule of the network, made for this machine.
    name
        The layer.
    limits
        What is fixed or forbidden in its schedule.
    """
    evaluator = ScheduleEvaluator(network, batch_size, resource, cost, options, map_strategy)
    return _Search(evaluator, schedule, name, limits).run()


class _Search:
    """The search for what comes next after the schedule of a layer."""

    def __init__(
        self,
        evaluator: ScheduleEvaluator,
        schedule: NNDataflowScheme,
        name: str,
        limits: LayerLimits,
    ) -> None:
        self.limits = limits
        self.evaluator = evaluator
        self.schedule = schedule
        self.name = name
        self.own = schedule[name]
        self.plan = SchedulePlan.of(schedule, evaluator.resource)
        number = self.own.sched_seq[0]
        self.groups = segments_of_plan(self.plan)[number]
        self.segment = evaluator.segment(number, self.groups)
        self.is_alone = sum(map(len, self.groups)) == 1
        layout = evaluator.ifmap_layout(name, self.plan, self.segment, schedule)
        self.placement = Placement.of_layouts([layout])
        tops = {
            other: evaluator.top_level(self.plan.layers[other])
            for group in self.groups
            for other in group
        }
        self.tops = self.segment.tops_allowed(name, tops, evaluator.resource)

    def run(self) -> RunnersUp:
        """Look at all three kinds."""
        pool = MappingPool()
        spaces = [_Space(self, tops, pool) for tops in self.tops]
        return RunnersUp(
            self._ranked([one for space in spaces for one in space.blockings()]),
            self._ranked([one for space in spaces for one in space.mappings()]),
            self._ranked([one for space in spaces for one in space.partitions()]),
            self.tops,
        )

    def setting(self) -> Setting:
        """What the search of the network asks of the layer's space.

        Inside a segment the time of a layer and that of its memory accesses matter by themselves,
        and static energy is paid for the time of the segment.
        """
        evaluator, options = self.evaluator, self.evaluator.options
        resource = self.segment.resource(self.name)
        options = options._replace(ntops=1)
        if self.is_alone:
            return Setting(resource, evaluator.cost, options, limits=self.limits)
        near = self.segment.near_ifmaps(self.name)
        cost = evaluator.cost._replace(idl_unit=0)
        options = options._replace(opt_goal="ed")
        return Setting(resource, cost, options, near, split_times=True, limits=self.limits)

    def others(self, space: LayerSpace) -> tuple[Floats, float]:
        """Energy of all other layers for each partition of the layer, and their time."""
        energy = self.schedule.total_cost - self.own.total_cost
        extra = np.zeros(len(space.parts))
        if not is_single_place(self.evaluator.resource):
            for reader in self.evaluator.network.nexts(self.name):
                if reader is not None:
                    extra = extra + self._reader_energy(reader, space.parts)
        return energy + extra, self.schedule.total_time - self.own.total_time

    def _reader_energy(self, reader: str, parts: PartitionArray) -> Floats:
        """Energy of the ifmap hops of a layer for each partition of this one, less that now."""
        evaluator, schedule = self.evaluator, self.schedule
        segment = self._segment_of(reader)
        layouts = []
        for number in range(len(parts)):
            part = PartitionScheme.of_row(parts, number)
            plan = self._with_part(part)
            before = self._with_ofmaps(part)
            layouts.append(evaluator.ifmap_layout(reader, plan, segment, before))
        scheme = schedule[reader].scheme
        hops = PartitionHops(
            evaluator.network[reader],
            evaluator.batch_size,
            segment.resource(reader).proc_region,
            PartitionArray.of([scheme["part"]]),
            bool(evaluator.options.hw_access_forwarding or evaluator.options.hw_gbuf_sharing),
        ).ifmaps(Placement.of_layouts(layouts))[:, 0]
        passes = scheme["fetch"][0][de.IFM]
        energy: Floats = evaluator.cost.noc_hop * passes * (hops - scheme["unit_nhops"][de.IFM])
        return energy

    def _segment_of(self, name: str) -> SegmentPlan:
        number = self.schedule[name].sched_seq[0]
        if number == self.own.sched_seq[0]:
            return self.segment
        return self.evaluator.segment(number, segments_of_plan(self.plan)[number])

    def _with_part(self, part: PartitionScheme) -> SchedulePlan:
        own = self.plan.layers[self.name]._replace(part=part)
        return self.plan._replace(layers={**self.plan.layers, self.name: own})

    def _with_ofmaps(self, part: PartitionScheme) -> NNDataflowScheme:
        """The schedule with the layer's ofmaps in memory as a partition leaves them."""
        layout = self.own.ofmap_layout
        split = part.projection(layout.regions[0], appl2frng=True)
        scheme = self.schedule.copy()
        scheme.res_dict[self.name] = self.own._replace(ofmap_layout=layout._replace(parts=(split,)))
        return scheme

    def alternative(self, result: SchedulingResult, trips: tuple[int, ...]) -> Alternative | None:
        """Put a schedule in the layer's place; None if its segment then takes too long."""
        found = self.evaluator.with_layer(self.plan, self.schedule, self.name, result)
        timing = found.segment_timing_list[self.own.sched_seq[0]]
        if timing.time_overhead > self.evaluator.options.layer_pipeline_time_ovhd:
            return None
        return Alternative(result, trips, found)

    def _ranked(self, found: list[Alternative]) -> list[Alternative]:
        cost = np.array([one.network.total_cost for one in found])
        time = np.array([one.network.total_time for one in found])
        order = goal_order(cost, time, self.evaluator.options.opt_goal)
        return [found[number] for number in order.tolist()]


class _Space:
    """The layer's schedules under a requirement of its segment."""

    def __init__(self, search: _Search, tops: TopLoops, pool: MappingPool) -> None:
        evaluator = search.evaluator
        self.search = search
        self.space = LayerSpace(
            evaluator.network[search.name],
            evaluator.batch_size,
            search.setting(),
            evaluator.map_strategy,
            tops,
            pool,
        )
        self.hops = self.space.ifmap_hops(search.placement, 1)[0]
        self.hop_costs = self.space.hop_costs(self.hops)
        self.cost, self.time = search.others(self.space)
        parts = [PartitionScheme.of_row(self.space.parts, n) for n in range(len(self.space.parts))]
        same = [part == search.own.scheme["part"] for part in parts]
        self.is_own_part = np.array(same, dtype=bool)[self.space.row_part]
        self.is_own = np.array(
            [
                own and self._is_own_mapping(int(mapping))
                for own, mapping in zip(self.is_own_part, self.space.row_mapping, strict=True)
            ],
            dtype=bool,
        )

    def _is_own_mapping(self, number: int) -> bool:
        """Whether an array mapping is the layer's: its passes and what they need and do."""
        own = self.search.own.scheme
        model = self.space.mappings[number].model
        nld = model.nld
        if (nld.usize_gbuf, nld.usize_regf) != own["unit_size"]:
            return False
        plan = self.search.plan.layers[self.search.name]
        if tuple(nld.loopcnt) != self.search.evaluator.trips(plan):
            return False
        found = model.evaluate(
            np.array([plan.bl_ts], dtype=np.int64),
            np.array([plan.bl_ords], dtype=np.int64),
            plan.keep_filters,
        )
        access = found.access[0].tolist()
        return (found.proc_time[0], access) == (own["proc_time"], [*map(list, own["access"])])

    def blockings(self) -> Iterator[Alternative]:
        """Other loop blocking of the layer's array mapping."""
        space, own = self.space, self.search.own.scheme
        mine = (own["tvals"], own["fetch"], own["size"])
        goal = self.search.evaluator.options.opt_goal
        for row in np.flatnonzero(self.is_own).tolist():
            number = int(space.row_mapping[row])
            points = self._many(number)
            every = space.searched(np.array([row]), space.mappings[number], points)
            energy = space.energy(every, self.hops) + self.cost[space.row_part[row]]
            order = goal_order(energy, every.time + self.time, goal)[: MAX_BLOCKINGS + 1]
            each = (take(points, slice(n, n + 1)) for n in order.tolist())
            known = set()
            for result in self._results(row, each):
                scheme = result.scheme
                figures = (scheme["cost"], scheme["time"], scheme["dram_time"], scheme["tvals"][0])
                if (scheme["tvals"], scheme["fetch"], scheme["size"]) != mine:
                    if figures not in known:
                        yield from self._placed(row, result)
                    known.add(figures)

    def _many(self, number: int) -> Points:
        """Many loop blocking schemes of an array mapping."""
        mapping = self.space.mappings[number]
        if mapping.solved:
            return mapping.points(self.hop_costs[number], self.space.effort)
        setting = mapping.setting
        options = setting.options._replace(ntops=MAX_BLOCKINGS + 1)
        many = MappingSpace(mapping.nld, setting._replace(options=options), mapping.bufshr)
        return many.under(mapping.tops).points(self.hop_costs[number], self.space.effort)

    def mappings(self) -> Iterator[Alternative]:
        """Other array mappings of the layer's partition."""
        rows = np.flatnonzero(self.is_own_part & ~self.is_own)
        return self._one_of_each(rows, self.space.row_mapping)

    def partitions(self) -> Iterator[Alternative]:
        """Other partitions."""
        rows = np.flatnonzero(~self.is_own_part)
        return self._one_of_each(rows, self.space.row_part)

    def _one_of_each(self, rows: Ints, kind: Ints) -> Iterator[Alternative]:
        """The best schedule of each of the best kinds of rows."""
        goal = self.search.evaluator.options.opt_goal
        for _ in range(MAX_OTHERS):
            others = Others(rows, self.cost, self.time)
            best, _ = self.space.best(self.hops, self.hop_costs, goal, 1, others=others)
            if not len(best.row):
                return
            row = int(best.row[0])
            points = self.space.scheme(row, int(best.point[0]), self.hop_costs)
            for result in self._results(row, [points]):
                yield from self._placed(row, result)
            rows = rows[kind[rows] != kind[row]]

    def _results(self, row: int, several: Iterable[Points]) -> Iterator[SchedulingResult]:
        """Schedules of a row, with their figures."""
        place = self.search.own.sched_seq
        for points in several:
            cost = self.search.evaluator.cost
            yield make_result(self.space, row, points, self.hops, place, cost)

    def _placed(self, row: int, result: SchedulingResult) -> Iterator[Alternative]:
        """Put a schedule in the layer's place, if its segment allows that."""
        trips = self.space.mappings[int(self.space.row_mapping[row])].nld.loopcnt
        found = self.search.alternative(result, tuple(trips))
        if found is not None:
            yield found


def distinct(found: Iterable[Alternative], num: int) -> list[Alternative]:
    """Return the first alternatives that differ in energy, time or the components of the energy."""
    known: dict[tuple[float, ...], Alternative] = {}
    for one in found:
        network = one.network
        hops, time = network.total_noc_hops, network.total_time
        key = (round(network.total_cost, 3), time, *network.total_accesses, hops)
        known.setdefault(key, one)
    return [*known.values()][:num]
