# SPDX-License-Identifier: BSD-3-Clause
"""From the segments of a network to the spaces that are searched.

Decides which layers and segments share what they have in common (docs/model/search.md section 6.2):
a layer is looked at once per region and kind of source and destination, a segment once per
arrangement of equal layers. Fmaps in memory have the same places whoever wrote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .constraint_grid import ConstraintGrid
from .constraints import NO_CONSTRAINTS
from .layer import ConvLayer
from .layer_limits import NO_LIMITS
from .layer_space import LayerSpace
from .mapping_space import MappingPool, Setting
from .network_step import PlaceHops, Source, Step
from .pipeline_dependency import near_ifmaps
from .places import MemoryPlaces, distinct_places, fmap_range, is_single_place
from .segment_bounds import SegmentGoal, SegmentLayer
from .segment_space import SegmentSpace
from .segment_states import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from .constraints import Constraints
    from .cost import Cost
    from .layer import Layer
    from .layer_space import HopCosts
    from .map_strategy import MapStrategy
    from .network import Network
    from .option import Option
    from .partition_array import PartitionArray
    from .pipeline_dependency import LayerLinks
    from .pipeline_segment import PipelineSegment
    from .resource import Resource

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]


class Placed(NamedTuple):
    """A segment at its place in the schedule order.

    Attributes
    ----------
    segment, space
        The segment and its schedules.
    begin, end
        Positions of its first layer, and of the first one behind it.
    sources
        Columns of the places of fmaps that it reads from memory: 0 for the input of the network, n
        + 1 for the ofmaps of the layer at position n.
    outputs
        Columns of the fmaps that it writes to memory: (number of the layer in it, column).
    """

    segment: PipelineSegment
    space: SegmentSpace
    begin: int
    end: int
    sources: tuple[int, ...]
    outputs: tuple[tuple[int, int], ...]


class SegmentBuilder:
    """Makes the spaces of segments.

    Parameters
    ----------
    network, batch_size, resource, cost, options, map_strategy
        What is searched.
    starts
        Places of the input of the network.
    goal
        The goal as far as segments matter.
    constraints
        What is fixed or forbidden in schedules.
    """

    def __init__(
        self,
        network: Network,
        batch_size: int,
        resource: Resource,
        cost: Cost,
        options: Option,
        map_strategy: type[MapStrategy],
        starts: PartitionArray,
        goal: SegmentGoal,
        constraints: Constraints = NO_CONSTRAINTS,
    ) -> None:
        self.network = network
        self.batch_size = batch_size
        self.resource = resource
        # Static energy is paid for the time of the segment, not for that of its layers.
        self.cost = cost._replace(idl_unit=0)
        self.options = options._replace(opt_goal="e" if goal.cost_first else "ed")
        self.map_strategy = map_strategy
        self.starts = starts
        self.goal = goal
        self.constraints = constraints
        self.pool = MappingPool()
        self.no_hops = is_single_place(resource)
        self._spaces: dict[object, LayerSpace] = {}
        self._memory: dict[Layer, MemoryPlaces] = {}
        self._built: dict[object, SegmentSpace] = {}
        self._tables: dict[object, Floats] = {}
        self._projected: dict[object, PartitionArray] = {}

    def place(
        self,
        segments: Iterable[PipelineSegment],
        order: Sequence[str],
        progress: Callable[[int, int, str], None],
    ) -> list[Placed]:
        """Make the spaces of all segments; `progress` is told of each."""
        segments = self._allowed(segments)
        position = {name: number for number, name in enumerate(order)}
        for number, segment in enumerate(segments):
            progress(number, len(segments), "segments")
            for link, resource in _layers(segment):
                space = self._space(link, resource, segment)
                if link.memory_destination:
                    self._places_of(link.layer).add(space.parts)
        return [
            self._placed(segment, position) for segment in segments if self._has_sources(segment)
        ]

    def _allowed(self, segments: Iterable[PipelineSegment]) -> list[PipelineSegment]:
        """The segments that may be, and whose layers can be split over their nodes as they must."""
        return [
            segment
            for segment in segments
            if self.constraints.allow(segment.seg)
            and all(
                len(self._space(link, resource, segment).parts)
                for link, resource in _layers(segment)
                if self.constraints.limits(link.layer) != NO_LIMITS
            )
        ]

    def _has_sources(self, segment: PipelineSegment) -> bool:
        """Tell whether some segment writes to memory what this one reads from there."""
        inside = {name for group in segment.seg for name in group}
        outside = {None, *self.network.ext_layers()}
        return all(
            prev in inside or prev in outside or self._layer_of(prev) in self._memory
            for name in inside
            for prev in self.network.prevs(name)
        )

    @property
    def layer_spaces(self) -> list[LayerSpace]:
        """All spaces of layers."""
        return list(self._spaces.values())

    def _places_of(self, name: str) -> MemoryPlaces:
        layer = self.network[name]
        if layer not in self._memory:
            region = self.resource.dst_data_region
            self._memory[layer] = MemoryPlaces(layer, self.batch_size, region, self.no_hops)
        return self._memory[layer]

    def _space(self, link: LayerLinks, resource: Resource, segment: PipelineSegment) -> LayerSpace:
        """Space of a layer on its nodes, made once."""
        near = near_ifmaps(link, {name for group in segment.seg for name in group}, self.network)
        limits = self.constraints.limits(link.layer)
        key = (self.network[link.layer], resource, near, limits)
        if key not in self._spaces:
            setting = Setting(resource, self.cost, self.options, near, True, limits)
            self._spaces[key] = LayerSpace(
                key[0], self.batch_size, setting, self.map_strategy, pool=self.pool
            )
        return self._spaces[key]

    def _layer_of(self, name: str | None) -> Layer:
        return self.network.input_layer() if name is None else self.network[name]

    def _placed(self, segment: PipelineSegment, position: dict[str, int]) -> Placed:
        links = [link for link, _ in _layers(segment)]
        inside = {link.layer: number for number, link in enumerate(links)}
        columns: dict[int, int] = {}
        feeds = []
        for link in links:
            for prev in self.network.prevs(link.layer):
                if prev not in inside:
                    column = position[prev] + 1 if prev in position else 0
                    columns.setdefault(column, len(columns))
            feeds.append(
                tuple(
                    (self._layer_of(prev), prev in position, inside[prev])
                    if prev in inside
                    else (
                        self._layer_of(prev),
                        prev in position,
                        -1 - columns[position[prev] + 1 if prev in position else 0],
                    )
                    for prev in self.network.prevs(link.layer)
                )
            )
        key = (
            tuple(
                (
                    self.network[link.layer],
                    self.constraints.limits(link.layer),
                    resource,
                    link[1:],
                    feed,
                )
                for (link, resource), feed in zip(_layers(segment), feeds, strict=True)
            ),
            tuple(map(len, segment.seg)),
        )
        if key not in self._built:
            self._built[key] = self._build(segment, feeds, len(columns))
        first = position[links[0].layer]
        return Placed(
            segment,
            self._built[key],
            first,
            first + len(links),
            tuple(columns),
            tuple((n, first + n + 1) for n, link in enumerate(links) if link.memory_destination),
        )

    def _build(self, segment: PipelineSegment, feeds: Sequence[Any], num: int) -> SegmentSpace:
        forwarded = {
            index: members[0] for members in segment.ifm_fwd_dict.values() for index in members[1:]
        }
        allocation = segment.allocation()
        assert allocation is not None
        built: list[tuple[SegmentLayer, Source]] = []
        roles = _roles(segment, self.network)
        position = 0
        for sp, group in enumerate(segment.links or ()):
            for tm, link in enumerate(group):
                space = self._space(link, allocation[sp][tm], segment)
                first = forwarded.get(segment.SchedIndex(sp, tm))
                from_nodes = None if first is None else allocation[first.sp_idx][first.tm_idx]
                sources = [
                    built[inside][1]
                    if inside >= 0
                    else self._memory_source(layer, is_layer, -1 - inside, from_nodes)
                    for layer, is_layer, inside in feeds[position]
                ]
                step = self._step(link.layer, space, sources, num)
                built.append(self._layer(step, link, roles[position], num + position))
                position += 1
        layers = [layer for layer, _ in built]
        whole = sum(map(len, segment.seg)) == len(self.network)
        systems = [
            system.reduced(self._top_factors(segment, layers))
            for system in segment.constraint_systems()
        ]
        grids = [ConstraintGrid(system) for system in systems]
        return SegmentSpace(layers, grids, num, self.goal, whole_network=whole)

    def _step(
        self, name: str, space: LayerSpace, producers: Sequence[Source], num_memory: int
    ) -> Step:
        """Make a layer's step, with the hops from nodes found only when asked for.

        There are many places on nodes, of which few matter, and ifmaps from nodes are read once,
        so that hops do not decide about loop blocking.
        """
        channel = 0
        pieces: dict[int, list[tuple[Source, int]]] = {}
        for source in producers:
            pieces.setdefault(source.number, []).append((source, channel))
            channel += source.layer.nofm
        hops: list[Floats | PlaceHops] = []
        most = np.zeros(len(space.parts))
        for number, several in pieces.items():
            if number >= num_memory:
                hops.append(PlaceHops(space, several))
                continue
            table = self._table(space, *several[0])
            for piece in several[1:]:
                table = table + self._table(space, *piece)
            hops.append(table)
            most = most + table.max(axis=0)
        return Step(
            name=name,
            space=space,
            sources=tuple(pieces),
            hops=tuple(hops),
            place=np.zeros(len(space.parts), dtype=np.int64),
            num_places=0,
            hop_costs=_rounded(space.hop_costs(2 * most if len(producers) > 1 else most)),
            producers=tuple(producers),
            joint={},
        )

    def _table(self, space: LayerSpace, source: Source, channel: int) -> Floats:
        """Word-hops from all places in memory, found once for all segments."""
        key = (id(space), source.layer, source.region, id(source.parts), channel)
        if key not in self._tables:
            self._tables[key] = source.hops_to(space, channel)
        return self._tables[key]

    def _memory_source(
        self, layer: Layer, is_layer: bool, column: int, nodes: Resource | None
    ) -> Source:
        """Fmaps in memory, or, if other nodes have read them, on these as if laid out there."""
        if is_layer:
            region, parts = self.resource.dst_data_region, self._memory[layer].parts
        else:
            region, parts = self.resource.src_data_region, self.starts
        if nodes is not None:
            region = nodes.proc_region
            key = (id(parts), region.dim)
            if key not in self._projected:
                self._projected[key] = parts.projection(region.dim, appl2frng=True)
            parts = self._projected[key]
        return Source(layer, region, parts, column)

    def _layer(
        self, step: Step, link: LayerLinks, role: Role, column: int
    ) -> tuple[SegmentLayer, Source]:
        """A layer of a segment, and its ofmaps on chip as a source for others."""
        space = step.space
        memory = chip = None
        parts = space.parts
        region = space.setting.resource.proc_region
        if link.memory_destination:
            memory = self._places_of(link.layer).place(space.parts)
            parts = parts.projection(self.resource.dst_data_region.dim, appl2frng=True)
        places = parts.projection(region.dim, appl2frng=True)
        if role.last_use >= 0:
            frng = fmap_range(space.layer, self.batch_size)
            chip, places = distinct_places(frng, region, places, self.no_hops)
        min_hops = np.zeros(len(space.parts))
        for table in step.hops:
            if isinstance(table, np.ndarray):
                min_hops = min_hops + table.min(axis=0)
        layer = SegmentLayer(step, role, min_hops, chip, memory)
        return layer, Source(space.layer, region, places, column)

    @staticmethod
    def _top_factors(
        segment: PipelineSegment, layers: Sequence[SegmentLayer]
    ) -> list[list[list[set[int]]]]:
        """Factors that divide a loop count of some array mapping, per layer and loop."""
        factors = [layer.step.space.top_factors() for layer in layers]
        grouped, begin = [], 0
        for group in segment.seg:
            grouped.append(factors[begin : begin + len(group)])
            begin += len(group)
        return grouped


def _layers(segment: PipelineSegment) -> list[tuple[LayerLinks, Resource]]:
    allocation = segment.allocation()
    assert allocation is not None
    assert segment.links is not None
    return [
        pair
        for links, resources in zip(segment.links, allocation, strict=True)
        for pair in zip(links, resources, strict=True)
    ]


def _roles(segment: PipelineSegment, network: Network) -> list[Role]:
    names = [name for group in segment.seg for name in group]
    number = {name: n for n, name in enumerate(names)}
    group_of = [sp for sp, group in enumerate(segment.seg) for _ in group]
    resources = [resource for _, resource in _layers(segment)]
    roles = []
    for n, name in enumerate(names):
        producers = [number[prev] for prev in network.prevs(name) if prev in number]
        uses = [number[later] for later in network.nexts(name) if later in number]
        roles.append(
            Role(
                is_conv=isinstance(network[name], ConvLayer),
                producers=tuple((p, group_of[p] == group_of[n]) for p in dict.fromkeys(producers)),
                last_use=max(uses, default=-1),
                begins_group=n == 0 or group_of[n - 1] != group_of[n],
                ends_group=n == len(names) - 1 or group_of[n + 1] != group_of[n],
                num_nodes=resources[n].proc_region.dim.size(),
            )
        )
    return roles


def _rounded(hop_costs: HopCosts) -> HopCosts:
    """Round the largest hop costs up to powers of two, so that fewer searches differ by them."""
    return [
        tuple(2.0 ** np.ceil(np.log2(cost)) if cost > 0 else 0.0 for cost in costs)
        for costs in hop_costs
    ]
