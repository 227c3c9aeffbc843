# SPDX-License-Identifier: BSD-3-Clause
"""Search for the best schedules of one layer: the published interface.

Decides what a layer result says (docs/model/search.md sections 2 and 3). The space of a layer is
`LayerSpace`; here data layouts are checked, the best schedules are asked for, and their figures
put together.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from . import data_category_enum as de
from . import loop_enum as le
from .cost import Cost
from .data_layout import DataLayout
from .layer import Layer
from .layer_limits import NO_LIMITS, LayerLimits
from .layer_space import LayerSpace
from .loop_blocking import gen_loopblocking
from .loop_blocking_scheme import LoopBlockingScheme
from .loop_blocking_space import FREE, TopLoops
from .map_strategy import MapStrategy
from .mapping_space import Setting
from .partition_scheme import PartitionScheme
from .placement import Placement
from .places import fmap_range
from .scheduling_result import SchedulingCondition, SchedulingResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .blocking_search import Points
    from .option import Option
    from .resource import Resource
    from .scheduling_constraint import SchedulingConstraint


__all__ = ["Scheduling", "SchedulingCondition", "SchedulingResult"]


class Scheduling:
    """The best schedules of one layer on the machine.

    Parameters
    ----------
    layer : Layer
    batch_size : int
    cost : Cost
    map_strategy_class : type
        Subclass of `MapStrategy`.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    """

    def __init__(
        self, layer: Layer, batch_size: int, cost: Cost, map_strategy_class: type[MapStrategy]
    ) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"Scheduling: layer must be a Layer, got {layer!r}")
        if not isinstance(cost, Cost):
            raise TypeError(f"Scheduling: cost must be a Cost, got {cost!r}")
        if not (
            isinstance(map_strategy_class, type) and issubclass(map_strategy_class, MapStrategy)
        ):
            raise TypeError(
                "Scheduling: map_strategy_class must be a subclass of MapStrategy, "
                f"got {map_strategy_class!r}"
            )
        self.layer = layer
        self.batch_size = batch_size
        self.cost = cost
        self.map_strategy_class = map_strategy_class
        self._spaces: dict[tuple[Setting, TopLoops], LayerSpace] = {}

    def space(
        self,
        resource: Resource,
        options: Option,
        tops: TopLoops = FREE,
        limits: LayerLimits = NO_LIMITS,
    ) -> LayerSpace:
        """All schedules of the layer on a machine, within limits, looked at once and kept."""
        setting = Setting(resource, self.cost, options, limits=limits)
        key = (setting, tops)
        if key not in self._spaces:
            self._spaces[key] = LayerSpace(
                self.layer, self.batch_size, setting, self.map_strategy_class, tops
            )
        return self._spaces[key]

    def keep(self, space: LayerSpace) -> None:
        """Keep a space that another process has looked at, unless it is known."""
        self._spaces.setdefault((space.setting, FREE), space)

    def schedule_search(
        self, condition: SchedulingCondition, options: Option
    ) -> list[SchedulingResult]:
        """Find the best schedules of the layer, best first, at most `options.ntops`.

        Raises
        ------
        ValueError
            If the ifmap layout is not inside the source or the processing region, or does not
            match the layer.
        """
        self._check_layout(condition)
        resource = condition.resource
        space = self.space(resource, options, condition.constraint.top_loops())
        hops = space.ifmap_hops(Placement.of_layouts([condition.ifmap_layout]), 1)[0]
        hop_costs = space.hop_costs(hops)
        best, _ = space.best(hops, hop_costs, options.opt_goal, options.ntops)
        return [
            make_result(
                space,
                row,
                space.scheme(row, point, hop_costs),
                hops,
                condition.sched_seq,
                self.cost,
            )
            for row, point in zip(best.row.tolist(), best.point.tolist(), strict=True)
        ]

    def schedule_search_per_node(
        self,
        part: PartitionScheme,
        resource: Resource,
        constraint: SchedulingConstraint,
        options: Option,
    ) -> list[LoopBlockingScheme]:
        """Find the best loop blocking schemes of one partition, for every array mapping.

        Nothing is known of layouts here, so schemes are ranked by energy of accesses and time,
        at most `options.ntops` per array mapping.
        """
        node_layer, node_batch, occupancy = part.part_layer(self.layer, self.batch_size)
        strategy = self.map_strategy_class(node_layer, node_batch, occupancy, resource.dim_array)
        return [
            scheme
            for nld in strategy.gen_nested_loop_desc()
            for scheme in gen_loopblocking(nld, resource, part, constraint, self.cost, options)
        ]

    def cache_stats(self) -> tuple[int, int]:
        """How often the search of an array mapping was reused, and how often it was done."""
        mappings = [m for space in self._spaces.values() for m in space.mappings]
        return sum(m.num_reused for m in mappings), sum(m.num_searched for m in mappings)

    def _check_layout(self, condition: SchedulingCondition) -> None:
        """Refuse ifmaps that lie elsewhere or are not those of the layer."""
        resource, layout = condition.resource, condition.ifmap_layout
        if not layout.is_in(resource.src_data_region, resource.proc_region):
            raise ValueError(
                "Scheduling: ifmap_layout must be inside the source or the processing region"
            )
        frng = layout.complete_fmap_range()
        batch, channels = frng.size("b"), frng.size("n")
        size = (frng.size("h"), frng.size("w"))
        if batch != self.batch_size:
            raise ValueError(
                f"Scheduling: ifmap_layout has batch size {batch}, must be {self.batch_size}"
            )
        if channels != self.layer.nifm:
            raise ValueError(
                f"Scheduling: ifmap_layout has {channels} channels, must be {self.layer.nifm}"
            )
        if not self.layer.is_valid_padding_sifm(size):
            raise ValueError(
                f"Scheduling: ifmap_layout has fmaps of size {size}, which do not suit {self.layer}"
            )


def make_result(
    space: LayerSpace,
    row: int,
    points: Points,
    ifmap_hops: Any,
    sched_seq: tuple[int, int, int],
    cost: Cost,
) -> SchedulingResult:
    """Put the figures of one schedule of a layer together (section 3).

    Parameters
    ----------
    space, row
        Which partition and array mapping.
    points
        The loop blocking scheme, as points of one row.
    ifmap_hops
        Word-hops of a pass over the ifmaps to each partition.
    sched_seq, cost
        Place of the layer in the schedule, and costs.
    """
    number = int(space.row_part[row])
    unit_nhops = [int(h) for h in space.fixed_hops[number]]
    unit_nhops[de.IFM] = int(ifmap_hops[number])
    model = space.mappings[int(space.row_mapping[row])].model
    evaluation = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters)
    return layer_result(
        (space.layer, space.batch_size, PartitionScheme.of_row(space.parts, number)),
        LoopBlockingScheme.of(model, evaluation, 0, points.bl_ts, points.bl_ords),
        space.setting.resource,
        unit_nhops,
        sched_seq,
        cost,
    )


def layer_result(
    split: tuple[Layer, int, PartitionScheme],
    lbs: LoopBlockingScheme,
    resource: Resource,
    unit_nhops: Sequence[int],
    sched_seq: tuple[int, int, int],
    cost: Cost,
) -> SchedulingResult:
    """Put the figures of one schedule of a layer together (section 3).

    Parameters
    ----------
    split
        The layer, its batch size and how they are split over the nodes.
    lbs
        The loop blocking scheme of a node, evaluated.
    resource
        The nodes, and where the fmaps are.
    unit_nhops
        Word-hops of a pass over filters, ifmaps and ofmaps.
    sched_seq, cost
        Place of the layer in the schedule, and costs.
    """
    layer, batch_size, part = split
    top_fetch = lbs.fetch[lbs.BL.GBUF]
    mem_nhops = [float(u * f) for u, f in zip(unit_nhops, top_fetch, strict=True)]
    node_nhops = list(lbs.noc_access)
    total_nhops = [m + n for m, n in zip(mem_nhops, node_nhops, strict=True)]
    cost_op = cost.mac_op * lbs.ops
    cost_access = lbs.get_access_cost(cost)
    cost_noc = cost.noc_hop * sum(total_nhops)
    factors = {lpe: tuple(level[lpe] for level in lbs.bl_ts) for lpe in range(le.NUM)}

    scheme: OrderedDict[str, Any] = OrderedDict(
        cost=0,
        time=lbs.time,
        ops=lbs.ops,
        num_nodes=resource.proc_region.dim.size(),
        is_dram=(lbs.src_is_dram, lbs.dst_is_dram),
        cost_op=cost_op,
        cost_access=cost_access,
        cost_noc=cost_noc,
        cost_static=0,
        proc_time=lbs.proc_time,
        bus_time=lbs.bus_time,
        dram_time=lbs.dram_time,
        access=lbs.access,
        remote_gbuf_access=lbs.remote_gbuf_access,
        total_nhops=tuple(total_nhops),
        fetch=lbs.fetch,
        ti=factors[le.IFM],
        to=factors[le.OFM],
        tb=factors[le.BAT],
        tvals=lbs.bl_ts,
        orders=lbs.bl_ords,
        size=tuple(
            tuple(lbs.data_size(level, dce) for dce in range(de.NUM)) for level in range(lbs.BL.NUM)
        ),
        unit_size=lbs.unit_size,
        unit_cnt=lbs.unit_cnt,
        accfwd_reduction=lbs.accfwd_reduction,
        bufshr_grp_size=lbs.bufshr_grp_size,
        bufshr_subgrp_size=lbs.bufshr_subgrp_size,
        bufshr_bs_t=lbs.bufshr_bs_t,
        bufshr_bs_ord=lbs.bufshr_bs_ord,
        bufshr_rot_fetch=lbs.bufshr_rot_fetch,
        bufshr_rot_round_cnt=lbs.bufshr_rot_round_cnt,
        bufshr_rot_unit_cnt=lbs.bufshr_rot_unit_cnt,
        bufshr_wide_fetch=lbs.bufshr_wide_fetch,
        bufshr_wide_fetch_width=lbs.bufshr_wide_fetch_width,
        part=part,
        mem_nhops=tuple(mem_nhops),
        node_nhops=tuple(node_nhops),
        unit_nhops=tuple(unit_nhops),
        trips=lbs.trips,
    )
    # The ofmaps are split by the partition, as far as it suits their region.
    region = resource.dst_data_region
    layout = DataLayout(
        frngs=(fmap_range(layer, batch_size),),
        regions=(region,),
        parts=(part.projection(region, appl2frng=True),),
    )
    return with_static_cost(SchedulingResult(scheme, layout, sched_seq), cost.idl_unit)


def with_static_cost(result: SchedulingResult, idl_unit: float) -> SchedulingResult:
    """Charge static energy for the time of a layer; what was charged before is forgotten."""
    scheme = OrderedDict(result.scheme)
    scheme["cost_static"] = idl_unit * scheme["time"]
    scheme["cost"] = sum(scheme[f"cost_{part}"] for part in ("op", "access", "noc", "static"))
    return SchedulingResult(scheme, result.ofmap_layout, result.sched_seq)
