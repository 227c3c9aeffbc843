# SPDX-License-Identifier: BSD-3-Clause
"""What a schedule says, without what it costs; its evaluation needs no search.

Decides how the figures of a whole schedule follow from partitions, loop blocking and places of the
layers (docs/evaluate.md): every figure is that of the model which the search uses. A schedule that
does not fit says by how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import mem_hier_enum as me
from .blocking_model import BlockingModel
from .buf_shr_scheme import BufShrScheme
from .data_layout import DataLayout
from .loop_blocking_scheme import LoopBlockingScheme
from .loop_blocks import are_blocks
from .nn_dataflow_scheme import NNDataflowScheme
from .partition_hops import unit_nhops
from .places import fmap_range
from .scheduling import layer_result
from .segment_plan import PlanError, SegmentPlan, TopLevel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .blocking_model import Evaluation
    from .cost import Cost
    from .layer import Layer
    from .map_strategy import MapStrategy
    from .nested_loop_desc import NestedLoopDesc
    from .network import Network
    from .option import Option
    from .partition_scheme import PartitionScheme
    from .pipeline_dependency import Groups
    from .resource import Resource
    from .scheduling_result import SchedulingResult

_CATEGORIES = ("filters", "ifmaps", "ofmaps")


class CapacityError(Exception):
    """A schedule that does not fit; the message names layer and capacity, and by how much."""


class LayerPlan(NamedTuple):
    """What the schedule of a layer says.

    Attributes
    ----------
    sched_seq
        Segment, spatial and temporal index.
    part
        How it is split over its nodes.
    bl_ts, bl_ords
        Blocking factors (3 levels of I, O, B) and order positions (2 levels), 0 innermost.
    trips
        Iterations of the loops (I, O, B), if blocks may be partial; otherwise the factors say them.
    keep_filters
        Whether filters that can stay on chip for good do (see `BlockingModel.evaluate`).
    unit_size
        Words of a processing pass in the buffer and in the register file, 2 x 3.
    figures
        Figures by the keys of a layer result, which tell array mappings of equal sizes apart; they
        may be those of another machine.
    """

    sched_seq: tuple[int, int, int]
    part: PartitionScheme
    bl_ts: tuple[tuple[int, ...], ...]
    bl_ords: tuple[tuple[int, ...], ...]
    trips: tuple[int, ...]
    keep_filters: bool
    unit_size: tuple[tuple[int, ...], ...]
    figures: Mapping[str, Any]


class SchedulePlan(NamedTuple):
    """What the schedule of a network says.

    Attributes
    ----------
    resource
        The machine that it was made for.
    input_part, ext_parts
        How the input and the external layers are split over the nodes that hold them.
    layers
        Layers by name, in schedule order.
    """

    resource: Resource
    input_part: PartitionScheme
    ext_parts: Mapping[str, PartitionScheme]
    layers: Mapping[str, LayerPlan]

    @classmethod
    def of(cls, schedule: NNDataflowScheme, resource: Resource) -> SchedulePlan:
        """Return what a schedule that was made for a machine says."""
        layers = {
            name: LayerPlan(
                sched_seq=result.sched_seq,
                part=result.scheme["part"],
                bl_ts=result.scheme["tvals"],
                bl_ords=result.scheme["orders"],
                trips=result.scheme["trips"],
                keep_filters=result.scheme["fetch"][0][de.FIL] == 0,
                unit_size=result.scheme["unit_size"],
                figures={**result.scheme, "regf": result.scheme["access"][me.REGF]},
            )
            for name, result in schedule.items()
        }
        ext = {name: layout.parts[0] for name, layout in schedule.ext_layout_dict.items()}
        return cls(resource, schedule.input_layout.parts[0], ext, layers)


class ScheduleEvaluator:
    """Evaluates schedules of a network on a machine.

    Parameters
    ----------
    network, batch_size, resource, cost, options, map_strategy
        As for `NNDataflow`.
    """

    def __init__(
        self,
        network: Network,
        batch_size: int,
        resource: Resource,
        cost: Cost,
        options: Option,
        map_strategy: type[MapStrategy],
    ) -> None:
        self.network = network
        self.batch_size = batch_size
        self.resource = resource
        self.cost = cost
        self.options = options
        self.map_strategy = map_strategy

    def evaluate(self, plan: SchedulePlan) -> NNDataflowScheme:
        """Return the schedule with its figures.

        Raises
        ------
        PlanError
            If it is no schedule of the network, or not for nodes and arrays like these.
        CapacityError
            If a layer does not fit.
        """
        self._check_layers(plan)
        scheme = self._inputs(plan)
        for number, names in enumerate(segments_of_plan(plan)):
            segment = self.segment(number, names)
            layers = [name for group in names for name in group]
            tops = {name: self.top_level(plan.layers[name]) for name in layers}
            segment.check_handover(tops, plan.resource)
            for name in layers:
                scheme[name] = self._layer(name, plan, segment, scheme)
        return scheme

    def with_layer(
        self, plan: SchedulePlan, schedule: NNDataflowScheme, name: str, result: SchedulingResult
    ) -> NNDataflowScheme:
        """Return a schedule in which one layer is scheduled otherwise, and no other.

        Layers that read its ofmaps find them elsewhere, if it is split otherwise.

        Parameters
        ----------
        plan, schedule
            What a schedule says, and what it costs.
        name, result
            The layer, and its schedule at the same place.
        """
        own = plan.layers[name]._replace(part=result.scheme["part"])
        plan = plan._replace(layers={**plan.layers, name: own})
        readers = self.network.nexts(name)
        found = self._inputs(plan)
        for number, names in enumerate(segments_of_plan(plan)):
            layers = [one for group in names for one in group]
            segment = None
            for one in layers:
                if one in readers:
                    segment = segment or self.segment(number, names)
                    found[one] = self._layer(one, plan, segment, found)
                else:
                    found[one] = result if one == name else schedule[one]
        return found

    def segment(self, number: int, names: Groups) -> SegmentPlan:
        """Return a segment, given its layers by group."""
        return SegmentPlan(
            number, names, self.network, self.batch_size, self.resource, self.options
        )

    def _inputs(self, plan: SchedulePlan) -> NNDataflowScheme:
        """A schedule without layers; inputs are laid out anew where their region is smaller."""
        region = self.resource.src_data_region

        def layout(layer: Layer, part: PartitionScheme) -> DataLayout:
            dim = part.dim()
            if dim.h > region.dim.h or dim.w > region.dim.w:
                part = part.projection(region, appl2frng=True)
            return DataLayout((fmap_range(layer, self.batch_size),), (region,), (part,))

        ext = {name: layout(self.network[name], part) for name, part in plan.ext_parts.items()}
        inputs = layout(self.network.input_layer(), plan.input_part)
        return NNDataflowScheme(self.network, inputs, ext or None)

    def _check_layers(self, plan: SchedulePlan) -> None:
        missing = [name for name in self.network if name not in plan.layers]
        if missing:
            raise PlanError(f"layer {missing[0]} is not scheduled")
        done: set[str | None] = {None, *self.network.ext_layers()}
        for name in plan.layers:
            if name not in self.network:
                raise PlanError(f"network {self.network.net_name} has no layer {name}")
            for prev in self.network.prevs(name):
                if prev not in done:
                    raise PlanError(f"layer {name} comes before {prev}, whose ofmaps it reads")
            done.add(name)
        if set(plan.ext_parts) != set(self.network.ext_layers()):
            known = ", ".join(self.network.ext_layers()) or "none"
            raise PlanError(f"external layers must be {known}, got {', '.join(plan.ext_parts)}")

    def _layer(
        self, name: str, plan: SchedulePlan, segment: SegmentPlan, scheme: NNDataflowScheme
    ) -> SchedulingResult:
        """Evaluate a layer whose producers are in the schedule already."""
        layer, own = self.network[name], plan.layers[name]
        resource = segment.resource(name)
        region = resource.proc_region
        if own.part.dim() != region.dim:
            raise PlanError(
                f"layer {name}: its partition is for {_by(own.part.dim())} nodes, "
                f"here it has {_by(region.dim)}"
            )
        bufshr = None
        if self.options.hw_access_forwarding or self.options.hw_gbuf_sharing:
            bufshr = BufShrScheme(region, own.part, layer.data_loops())
        blocked = [
            self._blocked(nld, own, resource, bufshr, segment.near_ifmaps(name))
            for nld in self._mappings(name, own, resource)
        ]
        chosen = _alike(blocked, own.figures)
        if not chosen.lbs.is_valid():
            raise CapacityError(f"layer {name}: {chosen.excess(resource)}")
        hops = unit_nhops(
            layer,
            self.batch_size,
            region,
            [own.part],
            set(resource.dram_region.iter_node()),
            self.ifmap_layout(name, plan, segment, scheme),
            resource.dst_data_region,
            self.options,
        )
        split = (layer, self.batch_size, own.part)
        return layer_result(split, chosen.lbs, resource, hops[0].tolist(), own.sched_seq, self.cost)

    def trips(self, own: LayerPlan) -> tuple[int, ...]:
        """Iterations of the loops: where all blocks are full, the factors say them."""
        if self.options.sw_imperfect:
            return own.trips
        return tuple(np.prod(own.bl_ts, axis=0).tolist())

    def top_level(self, own: LayerPlan) -> TopLevel:
        """Return the loops of a layer in memory."""
        return TopLevel(own.bl_ts[0], own.bl_ords[0], self.trips(own))

    def _mappings(self, name: str, own: LayerPlan, resource: Resource) -> list[NestedLoopDesc]:
        """Array mappings with the trips and the sizes that the schedule is for."""
        node_layer, node_batch, occupancy = own.part.part_layer(self.network[name], self.batch_size)
        strategy = self.map_strategy(node_layer, node_batch, occupancy, resource.dim_array)
        every = list(strategy.gen_nested_loop_desc())
        trips = self.trips(own)
        if (
            self.options.sw_imperfect
            and not are_blocks(np.array(trips), np.array(own.bl_ts).T).all()
        ):
            raise PlanError(
                f"layer {name}: the blocking factors {own.bl_ts} of loops (I, O, B) do not cut "
                f"{trips} trips in blocks as equal as possible"
            )
        fitting = [nld for nld in every if tuple(nld.loopcnt) == trips]
        if not fitting:
            allowed = " or ".join(sorted({str(tuple(nld.loopcnt)) for nld in every}))
            raise PlanError(
                f"layer {name}: the blocking factors of loops (I, O, B) make {trips} trips; on "
                f"arrays of {_by(resource.dim_array)} PEs it must be {allowed or 'another layer'}"
            )
        of_size = [nld for nld in fitting if (nld.usize_gbuf, nld.usize_regf) == own.unit_size]
        if not of_size:
            raise PlanError(
                f"layer {name}: no array mapping on {_by(resource.dim_array)} PEs has passes of "
                f"{own.unit_size} words, as unit_size says"
            )
        return of_size

    def _blocked(
        self,
        nld: NestedLoopDesc,
        own: LayerPlan,
        resource: Resource,
        bufshr: BufShrScheme | None,
        near_ifmaps: float,
    ) -> Blocked:
        model = BlockingModel(nld, resource, self.options, bufshr, near_ifmaps)
        bl_ts = np.array([own.bl_ts], dtype=np.int64)
        bl_ords = np.array([own.bl_ords], dtype=np.int64)
        evaluation = model.evaluate(bl_ts, bl_ords, own.keep_filters)
        return Blocked(evaluation, LoopBlockingScheme.of(model, evaluation, 0, bl_ts, bl_ords))

    def ifmap_layout(
        self, name: str, plan: SchedulePlan, segment: SegmentPlan, scheme: NNDataflowScheme
    ) -> DataLayout:
        """Where the ifmaps of a layer are: each producer's in memory or on nodes."""
        layouts = [
            segment.on_chip(prev, plan.layers[prev].part)
            if prev is not None and prev in segment
            else segment.from_memory(name, scheme.fmap_layout((prev,)))
            for prev in self.network.prevs(name)
        ]
        return DataLayout.concat(*layouts)


def segments_of_plan(plan: SchedulePlan) -> list[Groups]:
    """Names of layers by segment, spatial and temporal index, which must follow each other."""
    segments: list[list[list[str]]] = []
    for name, layer in plan.layers.items():
        seg, sp, tm = layer.sched_seq
        if (seg, sp, tm) == (len(segments), 0, 0):
            segments.append([[name]])
        elif segments and (seg, sp, tm) == (len(segments) - 1, len(segments[-1]), 0):
            segments[-1].append([name])
        elif segments and (seg, sp, tm) == (
            len(segments) - 1,
            len(segments[-1]) - 1,
            len(segments[-1][-1]),
        ):
            segments[-1][-1].append(name)
        else:
            raise PlanError(
                f"layer {name}: its place (segment, spatial, temporal index) {(seg, sp, tm)} does "
                "not follow that of the layer before"
            )
    return [tuple(map(tuple, groups)) for groups in segments]


def _alike(blocked: Sequence[Blocked], figures: Mapping[str, Any]) -> Blocked:
    """Of several array mappings of equal sizes, the one that the figures are of.

    First what does not depend on loop blocking is compared, which may be edited.
    """
    for names in (("ops", "proc_time", "regf"), ("access",)):
        found = [
            one for one in blocked if all(one.figures()[name] == figures[name] for name in names)
        ]
        blocked = found or blocked
    return blocked[0]


class Blocked(NamedTuple):
    """Loop blocking of an array mapping, evaluated."""

    evaluation: Evaluation
    lbs: LoopBlockingScheme

    def figures(self) -> dict[str, Any]:
        """Figures that tell array mappings apart, known whether or not it fits."""
        access = self.evaluation.access[0].tolist()
        return {
            "ops": self.evaluation.ops[0].item(),
            "proc_time": self.evaluation.proc_time[0].item(),
            "access": access,
            "regf": access[me.REGF],
        }

    def excess(self, resource: Resource) -> str:
        """Say which capacity is exceeded and by how much, or what else is wrong."""
        capacities = (
            ("words of global buffer per node", "size_gbuf", resource.size_gbuf),
            ("words of register file per PE", "size_regf", resource.size_regf),
        )
        for words, (what, name, capacity) in zip(
            self.evaluation.size[0].tolist(), capacities, strict=True
        ):
            if sum(words) > capacity:
                parts = ", ".join(
                    f"{kind} {number}"
                    for kind, number in zip(_CATEGORIES, words, strict=True)
                    if number
                )
                return (
                    f"needs {sum(words)} {what} ({parts}), {sum(words) - capacity} more than "
                    f"{name} {capacity}"
                )
        passes = self.evaluation.fetch[0, 0].tolist()
        return (
            f"moves its ifmaps in {passes[de.IFM]} and its ofmaps in {passes[de.OFM]} passes; "
            "those that are on chip must be moved in 1"
        )


def _by(dims: Sequence[int]) -> str:
    return f"{dims[0]}x{dims[1]}"
