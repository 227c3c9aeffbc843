# SPDX-License-Identifier: BSD-3-Clause
"""Slow and clear search over the segments of a network: everything is enumerated.

The oracle for the search over segments (docs/model/search.md section 6 and pipeline.md): all
sequences of the segments of `InterLayerPipeline`, for each all combinations of constraints of
`PipelineSegment.gen_constraint`, for each layer all partition schemes, array mappings and loop
blocking schemes that its constraint allows, none left out for an equivalent one. Loop blocking is
that of `reference_blocking`, word-hops are those of `unit_nhops_to_proc_region` for the layouts of
the producers, and the rules of segment timing are written out once more, one schedule at a time.

Schedules are merged only where they are equal in all that is ever looked at again: times, groups
of fmaps, and places of fmaps that are still needed. Of these the least energies are kept.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import ConvLayer, LocalRegionLayer
from nn_dataflow.core.loop_blocking_solver import gen_loopblocking_gbuf_reside
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition import unit_nhops_to_proc_region
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests import reference_sharing as sharing

I, O, B = ref.LOOPS
REL_TOL = 1e-9

Costs = tuple[float, ...]  # the least, ascending


class Blocked(NamedTuple):
    """What matters of a loop blocking scheme; hops and static energy are not in the energy."""

    top: tuple[int, ...]  # factors of the top level
    nest: tuple[int, ...]  # its non-trivial loops, outermost first
    fetch: tuple[int, ...]
    moved: float  # word-hops between nodes that share buffers
    cost: float
    time: int
    dram: int
    node: int

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of the loops of the top level."""
        loops = [*self.nest, *(loop for loop in ref.LOOPS if loop not in self.nest)]
        return tuple(len(loops) - 1 - loops.index(loop) for loop in ref.LOOPS)


class Timed(NamedTuple):
    """What of a layer's schedule the time of its segment depends on."""

    time: int
    dram: int
    node: int
    bat: int  # groups of samples, of ifmaps, and of ofmaps
    ifm: int
    ofm: int


class Scheme(NamedTuple):
    """A loop blocking scheme of an array mapping of a partition, as far as the segment sees it."""

    mapping: int
    trips: tuple[int, ...]
    top: tuple[int, ...]
    order: tuple[int, ...]
    timed: Timed


class Running(NamedTuple):
    """A segment up to a layer."""

    bat: int = 1
    dram: int = 0
    alone: float = 0.0
    begin: int = 0  # of the current spatial group
    end: int = 0  # latest end of a spatial group
    critical: int = 0  # most cycles that one is busy
    layers: tuple[tuple[int, int, int], ...] = ()  # end of the first group and of all, groups


class Outcome(NamedTuple):
    """A segment that is done: its time alone on the chip or else, and its results in memory."""

    time: int
    endless: int  # time if the network is nothing else, batch after batch
    layouts: tuple[tuple[str, DataLayout], ...]


@functools.lru_cache(maxsize=4096)
def blocked(
    nld: Any,
    resource: Any,
    cost: Any,
    options: Any,
    near_ifmaps: float,
    groups: Any,
    allows: Any = None,
    *,
    distinct: bool,
) -> tuple[Blocked, ...]:
    """All loop blocking schemes of an array mapping that differ."""
    if options.sw_solve_loopblocking and ref.is_conv(nld):
        candidates: Any = gen_loopblocking_gbuf_reside(nld, resource, options)
    else:
        candidates = _candidates(nld, distinct=distinct, partial=options.sw_imperfect)
    sizes = tuple(group.size for group in groups) if groups else ref.ONE_GROUP
    found: dict[Blocked, None] = {}
    for bl_ts, bl_ords in candidates:
        results = ref.variants(
            nld, bl_ts, bl_ords, resource, options, groups=sizes, near_ifmaps=near_ifmaps
        )
        for result in results[:1] if distinct else results:
            if allows is not None and not allows.scheme(nld, bl_ts, bl_ords, result["stored"]):
                continue
            moved = 0.0
            if groups and options.hw_gbuf_sharing:
                moved = sharing.noc_access(
                    nld, bl_ts, bl_ords, resource, result, groups, partial=options.sw_imperfect
                )
            scheme = Blocked(
                tuple(bl_ts[0]),
                _nest(bl_ts[0], bl_ords[0]),
                tuple(result["top_level_fetch"]),
                float(moved),
                cost.mac_op * result["ops"] + ref.access_cost(result, cost),
                result["time"],
                result["dram_time"],
                max(result["proc_time"], result["bus_time"]),
            )
            found[scheme] = None
    return tuple(found)


def _candidates(nld: Any, *, distinct: bool, partial: bool) -> Iterator[tuple[Any, Any]]:
    """All schemes; of orders that differ in loops of one iteration only the first."""
    seen = set()
    for bl_ts, bl_ords in ref.gen_candidates(nld, partial=partial):
        if distinct and ref.is_conv(nld) and ref.skip_conv(bl_ts, bl_ords):
            continue
        key = bl_ts, _nest(bl_ts[0], bl_ords[0]), _nest(bl_ts[1], bl_ords[1])
        if key not in seen:
            seen.add(key)
            yield bl_ts, bl_ords


def _nest(factors: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Loops of more than one iteration, outermost first."""
    loops = [loop for loop in ref.LOOPS if factors[loop] > 1]
    return tuple(sorted(loops, key=lambda loop: -order[loop]))


def group_counts(
    top: Sequence[int], nest: Sequence[int], trips: Sequence[int]
) -> tuple[int, int, int]:
    """Groups of samples, of ifmaps, and of ofmaps (docs/model/pipeline.md section 8).

    A loop that ends in a partial block makes no groups.
    """
    rest = list(nest)
    groups = [1, 1, 1]
    if rest and rest[0] == B and trips[B] % top[B] == 0:
        groups[B] = top[rest.pop(0)]
    if rest and rest[0] != B and trips[rest[0]] % top[rest[0]] == 0:
        groups[rest[0]] = top[rest[0]]
    return groups[B], groups[I], groups[O]


def ready(
    layer: Any, own: Timed, producers: Sequence[tuple[bool, tuple[int, int, int]]]
) -> tuple[int, int]:
    """Start and end of a layer: of each producer, whether it is in the same spatial group."""
    start = end = 0
    for same_group, (first, last, groups) in producers:
        if same_group:
            fused = isinstance(layer, LocalRegionLayer) and groups == own.ofm
            end = max(end, last + own.time)
        else:
            fused = groups == (own.ifm if isinstance(layer, ConvLayer) else own.ofm)
        start = max(start, first if fused else last)
    return start, max(end, start + own.time)


class PipelineOracle:
    """All schedules of a network over all segments.

    Parameters
    ----------
    network, batch_size, resource, cost, options, strategy
        As of `NNDataflow`.
    distinct
        Whether to leave out schemes for which equivalent ones stand, and the second way to run a
        scheme where filters may be pinned or not, so that all schedules differ.
    unbeaten
        Whether to leave out schemes if another one of the same array mapping and constraint is as
        good in energy, time and time of the memory: those that only help to keep to a limit of the
        overhead, since the layer would take longer by itself.
    allows, allows_segment
        Tell of some layers by name what of their schedules counts, and which segments do.
    max_states
        How many partial schedules may be looked at before `TooManyError`.
    """

    def __init__(
        self,
        network: Any,
        batch_size: int,
        resource: Any,
        cost: Any,
        options: Any,
        strategy: Any,
        *,
        distinct: bool = False,
        unbeaten: bool = False,
        max_states: float = math.inf,
        allows: Any = None,
        allows_segment: Any = None,
    ) -> None:
        self.network = network
        self.batch_size = batch_size
        self.resource = resource
        self.cost = cost
        self.options = options
        self.strategy = strategy
        self.distinct = distinct
        self.unbeaten = unbeaten
        self.max_states = max_states
        self.num_states = 0
        pipeline = InterLayerPipeline(network, batch_size, resource)
        self.names = pipeline.ordered_layer_list()
        self.allows = allows or {}
        self.segments = [
            segment
            for segment in pipeline.gen_segment(options)
            if allows_segment is None or allows_segment(segment.seg)
        ]
        self._schedules: dict[Any, Any] = {}
        self._of_parts: dict[Any, Any] = {}
        self._outcomes: dict[Any, Any] = {}

    def values(self, *, without_pipelines: bool = False) -> list[tuple[float, int]]:
        """Energy and time of all schedules, without those of equal time and more energy."""
        found: dict[int, Costs] = {}
        for start in rs.start_layouts(self.network, self.batch_size, self.resource, self.options):
            for (time, _), costs in self._paths(start, without_pipelines).items():
                paid = tuple(cost + self.cost.idl_unit * time for cost in costs)
                found[time] = self._least(found.get(time, ()), paid)
        return [(cost, time) for time, costs in found.items() for cost in costs]

    def _paths(self, start: Any, without_pipelines: bool) -> dict[Any, Costs]:
        """Time to energies of all paths over segments, beginning with given layouts."""
        by_begin: dict[str, list[Any]] = {}
        for segment in self.segments:
            if not without_pipelines or sum(map(len, segment.seg)) == 1:
                by_begin.setdefault(segment.seg[0][0], []).append(segment)
        prefixes: list[dict[Any, Costs]] = [{} for _ in range(len(self.names) + 1)]
        layouts: dict[Any, dict[Any, Any]] = {}
        key = self._key(start, 0)
        prefixes[0][0, key] = (0.0,)
        layouts[0, key] = start
        for position, name in enumerate(self.names):
            for segment in by_begin.get(name, ()):
                end = position + sum(map(len, segment.seg))
                whole = end - position == len(self.names)
                for (time, key), costs in prefixes[position].items():
                    before = layouts[position, key]
                    for outcome, own in self.outcomes(segment, before).items():
                        after = {**before, **dict(outcome.layouts)}
                        spent = time + (outcome.endless if whole else outcome.time)
                        places = self._key(after, end)
                        layouts[end, places] = after
                        self._count()
                        prefixes[end][spent, places] = self._least(
                            prefixes[end].get((spent, places), ()), _sums(costs, own)
                        )
        return prefixes[-1]

    def _count(self) -> None:
        self.num_states += 1
        if self.num_states > self.max_states:
            raise TooManyError

    def _key(self, layouts: Any, position: int) -> Any:
        """Places of all fmaps that layers from a position on read."""
        needed = {prev for name in self.names[position:] for prev in self.network.prevs(name)}
        return frozenset(
            (name, rs.placement(layout)) for name, layout in layouts.items() if name in needed
        )

    def _least(self, *costs: Costs) -> Costs:
        """The least different energies, as many as are asked for."""
        kept: list[float] = []
        for cost in sorted(itertools.chain.from_iterable(costs)):
            if not kept or not math.isclose(cost, kept[-1], rel_tol=REL_TOL):
                kept.append(cost)
            if len(kept) == self.options.ntops:
                break
        return tuple(kept)

    # One segment.

    def outcomes(self, segment: Any, before: dict[Any, DataLayout]) -> dict[Outcome, Costs]:
        """All that a segment may lead to, from given layouts."""
        inside = [name for group in segment.seg for name in group]
        read = {prev for name in inside for prev in self.network.prevs(name)} - set(inside)
        layouts = {name: before[name] for name in read}
        key = segment, frozenset((name, rs.placement(lay)) for name, lay in layouts.items())
        if key not in self._outcomes:
            found: dict[Outcome, Costs] = {}
            for constraints in dict.fromkeys(c for c, _ in segment.gen_constraint()):
                for outcome, costs in self._under(segment, constraints, layouts):
                    found[outcome] = self._least(found.get(outcome, ()), costs)
            self._outcomes[key] = found
        return self._outcomes[key]

    def _under(
        self, segment: Any, constraints: Any, before: dict[Any, DataLayout]
    ) -> Iterator[tuple[Outcome, Costs]]:
        """All that it may lead to under one combination of constraints."""
        states: dict[Any, tuple[dict[Any, DataLayout], Costs]] = {(Running(), ()): (before, (0.0,))}
        done: list[str] = []
        for sp, group in enumerate(segment.seg):
            for tm, name in enumerate(group):
                done.append(name)
                grown: dict[Any, tuple[dict[Any, DataLayout], Costs]] = {}
                for (running, _), (layouts, costs) in states.items():
                    for timed, layout, own in self._choices(
                        segment, sp, tm, constraints[sp][tm], layouts
                    ):
                        after = {**layouts, name: layout}
                        key = (
                            self._run(segment, sp, tm, running, timed),
                            tuple(rs.placement(after[other]) for other in done),
                        )
                        self._count()
                        known = grown[key][1] if key in grown else ()
                        grown[key] = after, self._least(known, _sums(costs, own))
                states = grown
        for (running, _), (layouts, costs) in states.items():
            outcome = self._outcome(segment, running, layouts)
            if outcome is not None:
                yield outcome, costs

    def _outcome(
        self, segment: Any, running: Running, layouts: dict[Any, DataLayout]
    ) -> Outcome | None:
        bat = running.bat
        inside = (running.end + running.critical * (bat - 1)) // bat
        time = max(inside, running.dram)
        omega = self.options.layer_pipeline_time_ovhd
        if not math.isinf(omega) and len(running.layers) > 1 and running.alone:
            overhead = (time - running.alone) / running.alone
            if overhead > omega + REL_TOL * max(1, omega):
                return None
        names = [name for group in segment.seg for name in group]
        return Outcome(
            time,
            max(running.critical, running.dram),
            tuple(
                (name, layouts[name])
                for name in names
                if any(later not in names for later in self.network.nexts(name))
            ),
        )

    def _run(self, segment: Any, sp: int, tm: int, running: Running, timed: Timed) -> Running:
        """Add a layer to a segment."""
        name = segment.seg[sp][tm]
        names = [other for group in segment.seg for other in group]
        producers = [
            (prev in segment.seg[sp], running.layers[names.index(prev)])
            for prev in self.network.prevs(name)
            if prev in names
        ]
        start, end = ready(self.network[name], timed, producers)
        allocation = segment.allocation()
        total = sum(group[0].proc_region.dim.size() for group in allocation)
        share = allocation[sp][tm].proc_region.dim.size() / total
        begin = running.begin if tm else start
        is_last = tm == len(segment.seg[sp]) - 1
        bat = timed.bat if not running.layers or timed.bat == running.bat else 1
        alone = running.alone
        if not math.isinf(self.options.layer_pipeline_time_ovhd):
            alone += max(timed.node * share, timed.dram)
        return Running(
            bat=bat,
            dram=running.dram + timed.dram,
            alone=alone,
            begin=begin,
            end=max(running.end, end) if is_last else running.end,
            critical=max(running.critical, end - begin) if is_last else running.critical,
            layers=(*running.layers, (start + timed.time // timed.ofm, end, timed.ofm)),
        )

    # One layer.

    def _choices(
        self, segment: Any, sp: int, tm: int, constraint: Any, layouts: dict[Any, DataLayout]
    ) -> list[tuple[Timed, DataLayout, Costs]]:
        """All schedules of a layer that a constraint allows, from given layouts."""
        name = segment.seg[sp][tm]
        resource = segment.allocation()[sp][tm]
        sources = [
            self._seen_by(segment, sp, tm, prev, layouts[prev]) for prev in self.network.prevs(name)
        ]
        near = self._near_ifmaps(segment, sp, tm)
        key = (name, resource, near, constraint, tuple(map(rs.placement, sources)))
        if key not in self._schedules:
            found: dict[Any, tuple[DataLayout, Costs]] = {}
            layer, allows = self.network[name], self.allows.get(name)
            region = resource.dst_data_region
            for part in rs.partitions(layer, self.batch_size, resource.proc_region, self.options):
                if allows is not None and not allows.part(part):
                    continue
                layout = rs.fmap_layout(layer, self.batch_size, region, part)
                for one, cost in self._allowed(
                    constraint,
                    self._of_part(
                        (layer, allows), resource, near, part, DataLayout.concat(*sources), layout
                    ),
                ):
                    merged = one.timed, rs.placement(layout)
                    known = found[merged][1] if merged in found else ()
                    found[merged] = layout, self._least(known, cost)
            self._schedules[key] = [
                (timed, layout, costs) for (timed, _), (layout, costs) in found.items()
            ]
        return self._schedules[key]

    def _allowed(
        self, constraint: Any, schemes: dict[Scheme, Costs]
    ) -> Iterator[tuple[Scheme, Costs]]:
        """Schemes of a partition that a constraint allows."""
        required = constraint.topifm, constraint.topofm, constraint.topbat
        found = [
            (one, costs)
            for one, costs in schemes.items()
            if constraint.is_valid_top_bl(one.top, one.order)
            and not any(top and n % top for top, n in zip(required, one.trips, strict=True))
        ]
        for one, costs in found:
            if not self.unbeaten or not any(
                other.mapping == one.mapping
                and other is not one
                and other_costs[0] <= costs[0] * (1 + REL_TOL)
                and other.timed.time <= one.timed.time
                and other.timed.dram <= one.timed.dram
                for other, other_costs in found
            ):
                yield one, costs

    def _of_part(
        self, of: Any, resource: Any, near: float, part: Any, source: Any, layout: Any
    ) -> dict[Scheme, Costs]:
        """Schemes of a partition of a layer, and what of them counts, with their energies."""
        layer, allows = of
        key = (of, resource, near, part, rs.placement(source), rs.placement(layout))
        if key in self._of_parts:
            return self._of_parts[key]
        region = resource.proc_region
        hops = unit_nhops_to_proc_region(
            layer,
            self.batch_size,
            region,
            part,
            frozenset(resource.dram_region.iter_node()),
            source,
            layout,
            self.options,
        )
        groups = None
        if self.options.hw_access_forwarding or self.options.hw_gbuf_sharing:
            bufshr = BufShrScheme(region, part, layer.data_loops())
            groups = tuple(sharing.groups_of(bufshr))
        node_layer, node_batch, occupancy = part.part_layer(layer, self.batch_size)
        mapping = self.strategy(node_layer, node_batch, occupancy, resource.dim_array)
        found: dict[Scheme, Costs] = {}
        for number, nld in enumerate(mapping.gen_nested_loop_desc()):
            for one in blocked(
                nld, resource, self.cost, self.options, near, groups, allows, distinct=self.distinct
            ):
                moved = sum(h * f for h, f in zip(hops, one.fetch, strict=True)) + one.moved
                groups_of = group_counts(one.top, one.nest, nld.loopcnt)
                timed = Timed(one.time, one.dram, one.node, *groups_of)
                place = Scheme(number, nld.loopcnt, one.top, one.order, timed)
                cost = one.cost + self.cost.noc_hop * moved
                found[place] = self._least(found.get(place, ()), (cost,))
        self._of_parts[key] = found
        return found

    def _seen_by(
        self, segment: Any, sp: int, tm: int, producer: Any, layout: DataLayout
    ) -> DataLayout:
        """Where a layer finds the ofmaps of a producer: on nodes that have them, if any."""
        allocation = segment.allocation()
        for other_sp, group in enumerate(segment.seg):
            for other_tm, name in enumerate(group):
                if name == producer:
                    return moved_to(layout, allocation[other_sp][other_tm].proc_region)
        for members in segment.ifm_fwd_dict.values():
            if (sp, tm) in members[1:]:
                first = members[0]
                return moved_to(layout, allocation[first.sp_idx][first.tm_idx].proc_region)
        return layout

    def _near_ifmaps(self, segment: Any, sp: int, tm: int) -> float:
        """Share of the ifmaps on the layer's own nodes, if the rest comes from memory."""
        link = segment.links[sp][tm]
        if not (link.local_source and link.memory_source):
            return 0
        near = far = 0
        for prev in self.network.prevs(link.layer):
            layer = self.network.input_layer() if prev is None else self.network[prev]
            if prev is not None and prev in segment.seg[sp]:
                near += layer.nofm
            else:
                far += layer.nofm
        return near / (near + far)


class TooManyError(Exception):
    """There are too many schedules to walk over them."""


@functools.lru_cache(maxsize=1 << 12)
def moved_to(layout: DataLayout, region: NodeRegion) -> DataLayout:
    """The same fmaps on other nodes, split as far as these allow."""
    return DataLayout(
        layout.frngs,
        (region,) * len(layout.regions),
        tuple(part.projection(region, appl2frng=True) for part in layout.parts),
    )


def _sums(one: Costs, other: Costs) -> Costs:
    return tuple(x + y for x in one for y in other)


def best_values(goal: str, values: Sequence[tuple[float, int]], num: int) -> list[Any]:
    """The `num` least keys that differ."""
    keys: list[tuple[float, ...]] = []
    for key in sorted(rs.goal_key(goal, cost, time) for cost, time in values):
        if not keys or not rs.close(key, keys[-1]):
            keys.append(key)
        if len(keys) == num:
            break
    return keys
