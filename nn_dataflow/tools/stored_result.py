# SPDX-License-Identifier: BSD-3-Clause
"""The JSON record of a search, read back as schedules whose figures are not known.

Decides which keys of the record say what a schedule is (docs/evaluate.md section 2); all others are
figures that follow from them, or what is proven of them. Each refusal names the file and the key.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.energy_delay import Edge
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.schedule_plan import LayerPlan, SchedulePlan
from nn_dataflow.machines.spec import Machine

from .argument_checks import MAX_BATCH
from .record_values import (
    RecordValues,
    certificate_of,
    cost_of,
    has_shape,
    read_json,
    region_of,
    short,
    tuples,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_REGIONS = ("proc_region", "dram_region", "src_data_region", "dst_data_region")
_MAY_BE_UNLIMITED = (
    *("array_bus_width", "dram_bandwidth"),
    *("layer_pipeline_time_ovhd", "layer_pipeline_max_degree"),
)
_LOOPS = ("ti", "to", "tb")


class StoredSchedule(NamedTuple):
    """A schedule beside the best one: its place in the record, what it is, cost and time stored."""

    where: str
    plan: SchedulePlan
    cost: float
    time: float


class StoredCurve(NamedTuple):
    """An energy-delay curve: corners, edges, and whether nothing is below it or beyond its ends."""

    corners: tuple[StoredSchedule, ...]
    edges: tuple[Edge, ...]
    is_complete: bool


class StoredResult(NamedTuple):
    """What a record says.

    Attributes
    ----------
    net, batch, machine, options, constraints
        What was searched.
    plan
        The schedule found.
    cost, time
        Its total cost and time as stored.
    certificate
        What is proven of it as stored, or None.
    others
        The schedules after it, if several were asked for.
    curve
        The energy-delay curve, or None.
    """

    net: str
    batch: int
    machine: Machine
    options: Option
    constraints: Mapping[str, Any]
    plan: SchedulePlan
    cost: float
    time: float
    certificate: Certificate | None
    others: tuple[StoredSchedule, ...]
    curve: StoredCurve | None


def read_result(path: str) -> StoredResult:
    """Read a record.

    Raises
    ------
    Refused
        If it cannot be read, or is no record: with the file, the key, and what is allowed.
    """
    top = _Values(path, "", read_json(path))
    resource = _resource(top.table("resource"))
    told = top.table("machine") if "machine" in top else _Values(path, "machine", {})
    machine = Machine(
        resource,
        cost_of(top.table("cost")),
        told.whole("word", 16),
        *(told.text(key, "") for key in ("cost_unit", "name", "memory")),
    )
    plan = _plan(top, resource)
    batch = top.whole("batch")
    if not 1 <= batch <= MAX_BATCH:
        top.refuse("batch", f"must be from 1 to {MAX_BATCH}, got {batch}")
    cost, time = top.number("total_cost"), top.number("total_time")
    return StoredResult(
        top.text("net"),
        batch,
        machine,
        _options(top.table("options")),
        _constraints(top) if "constraints" in top else {},
        plan,
        cost,
        time,
        certificate_of(top, cost, time),
        _several(top, "others", resource) if "others" in top else (),
        _curve(top, resource) if "curve" in top and top.get("curve") is not None else None,
    )


class _Values(RecordValues):
    """A mapping of the record with what schedules are made of."""

    def partition(self, key: str) -> PartitionScheme:
        """Return a partition scheme, [order, 4 pairs]."""
        return self.made(key, _partition)  # type: ignore[no-any-return]

    def layout(self, key: str) -> PartitionScheme:
        """Return how a layout of one piece is split."""
        value = self.get(key)
        if not (isinstance(value, list) and len(value) == 3 and isinstance(value[2], list)):
            self.refuse(key, "must be a layout: [ranges, regions, partitions]")
        if len(value[2]) != 1:
            self.refuse(key, f"must have one partition, got {len(value[2])}")
        return self.made(key, lambda layout: _partition(layout[2][0]))  # type: ignore[no-any-return]


def _plan(values: _Values, resource: Resource) -> SchedulePlan:
    """Return a schedule that was made for a machine."""
    ext = values.table("ext_layout_dict")
    schedules = values.table("schedules")
    return SchedulePlan(
        resource,
        values.layout("input_layout"),
        {name: ext.layout(name) for name in ext},
        {name: _layer(schedules, name) for name in schedules},
    )


def _several(values: _Values, key: str, resource: Resource) -> tuple[StoredSchedule, ...]:
    return tuple(
        StoredSchedule(
            one.where, _plan(one, resource), one.number("total_cost"), one.number("total_time")
        )
        for one in values.tables(key)
    )


def _curve(top: _Values, resource: Resource) -> StoredCurve:
    values = top.table("curve")
    corners = _several(values, "corners", resource)
    edges = tuple(
        Edge(edge.number("worth"), Certificate(edge.number("value"), edge.number("lower_bound")))
        for edge in values.tables("edges")
    )
    if not corners or len(edges) != len(corners) - 1:
        values.refuse("edges", f"must be one less than corners ({len(corners)}), got {len(edges)}")
    return StoredCurve(corners, edges, values.get("complete") is True)


def _layer(schedules: _Values, name: str) -> LayerPlan:
    entry = schedules.get(name)
    if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], dict):
        schedules.refuse(name, "must be [scheme, ofmap layout, [segment, spatial, temporal]]")
    scheme = _Values(schedules.path, f"schedules.{name}", {**entry[0], "place": entry[2]})
    factors = scheme.wholes("tvals", (3, 3), 1)
    for number, loop in enumerate(_LOOPS):
        same = tuple(level[number] for level in factors)
        if loop in scheme and scheme.wholes(loop, (3,), 1) != same:
            scheme.refuse(loop, f"must be {[*same]}, as tvals says, got {scheme.get(loop)}")
    made = tuple(math.prod(loop) for loop in zip(*factors, strict=True))
    orders = scheme.wholes("orders", (2, 3))
    if any(sorted(order) != [0, 1, 2] for order in orders):
        scheme.refuse("orders", f"must be two permutations of 0, 1, 2, got {short(orders)}")
    access = scheme.get("access")
    return LayerPlan(
        sched_seq=scheme.wholes("place", (3,)),
        part=scheme.partition("part"),
        bl_ts=factors,
        bl_ords=orders,
        trips=scheme.wholes("trips", (3,), 1) if "trips" in scheme else made,
        keep_filters=scheme.wholes("fetch", (2, 3))[0][0] == 0,
        unit_size=tuples(scheme.get("unit_size")),
        figures={
            "ops": scheme.number("ops"),
            "proc_time": scheme.number("proc_time"),
            "access": access,
            "regf": access[-1] if isinstance(access, list) and access else None,
        },
    )


def _resource(table: _Values) -> Resource:
    regions = {key: table.made(key, region_of) for key in _REGIONS}
    values = {key: table.get(key) for key in Resource._fields if key not in _REGIONS}
    values["dim_array"] = PhyDim2(*table.wholes("dim_array", (2,), 1))
    return table.built(Resource, {**regions, **_unlimited(values)})


def _options(table: _Values) -> Option:
    values = _unlimited({key: table.get(key) for key in table})
    bypass = table.made("sw_gbuf_bypass", tuple)
    return table.built(Option, {**values, "sw_gbuf_bypass": bypass})


def _constraints(top: _Values) -> Mapping[str, Any]:
    """Return what was fixed or forbidden, as a constraint file says it."""
    top.table("constraints")
    return dict(top.get("constraints"))


def _unlimited(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which null is infinite where it may be."""
    return {
        key: math.inf if value is None and key in _MAY_BE_UNLIMITED else value
        for key, value in values.items()
    }


def _partition(value: Any) -> PartitionScheme:
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError(f"must be [order, 4 pairs], got {short(value)}")
    order, pdims = value
    if not has_shape(order, (4,), 0):
        raise ValueError(f"must have an order of four whole numbers, got {short(order)}")
    if not has_shape(pdims, (4, 2), 1):
        raise ValueError(f"must have four pairs of whole numbers of at least 1, got {pdims}")
    return PartitionScheme(order, pdims)
