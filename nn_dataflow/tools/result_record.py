# SPDX-License-Identifier: BSD-3-Clause
"""The JSON record of a search, read back as figures of a network, its segments and its layers.

Decides which keys of the record these are (docs/compare.md section 2); the schedule itself is not
made again. A record that is none is refused with its file and the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nn_dataflow.core.scheduling_result import level_accesses

from .layer_figures import busy_share, components, limit_of
from .record_values import RecordValues, certificate_of, cost_of, read_json, region_of
from .search_options import GOALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nn_dataflow.core.certificate import Certificate

    from .layer_figures import Component

_TIMES = ("proc_time", "bus_time", "dram_time")
_CATEGORIES = 3
_LEVELS = 4


class RecordedLayer(NamedTuple):
    """A layer of a record: its schedule, and its place (segment, spatial, temporal index)."""

    name: str
    scheme: Mapping[str, Any]
    place: tuple[int, int, int]

    @property
    def total_cost(self) -> float:
        """Energy, in units of cost."""
        return float(self.scheme["cost"])

    @property
    def total_time(self) -> float:
        """Cycles of the layer by itself."""
        return float(self.scheme["time"])

    @property
    def total_ops(self) -> float:
        """Operations."""
        return float(self.scheme["ops"])

    @property
    def total_accesses(self) -> list[float]:
        """Words at DRAM, GBUF, PE array and register files."""
        return level_accesses(self.scheme)

    @property
    def total_noc_hops(self) -> float:
        """Word-hops."""
        return float(sum(self.scheme["total_nhops"]))

    @property
    def limit(self) -> str:
        """What its time comes from."""
        return limit_of(self.scheme)


class RecordedSegment(NamedTuple):
    """A segment of a record: names of its layers by group, and its time in cycles."""

    groups: tuple[tuple[str, ...], ...]
    time: float


class ResultRecord:
    """A record, with figures that are checked.

    Parameters
    ----------
    path
        Where it is from, for messages.
    values
        The record.

    Attributes
    ----------
    net, batch, version
        What was searched, and by which version.
    cost
        Unit costs.
    cost_unit
        What the costs are in, or "".
    total_cost, total_time, total_ops, total_accesses, total_noc_hops
        Figures of the network.
    goal, certificate
        What was to be least, and what is proven of it, or None.
    layers
        By name, in schedule order.
    segments
        In order.

    Raises
    ------
    Refused
        If it is no record.
    """

    def __init__(self, path: str, values: Any) -> None:
        top = RecordValues(path, "", values)
        self.path = path
        self.values: dict[str, Any] = values
        self.version = top.text("version")
        self.net = top.text("net")
        self.batch = top.whole("batch")
        self.cost = cost_of(top.table("cost"))
        told = top.table("machine") if "machine" in top else RecordValues(path, "machine", {})
        self.machine: dict[str, Any] = {key: told.get(key) for key in told}
        self.cost_unit = told.text("cost_unit", "")
        resource = top.table("resource")
        self.resource: dict[str, Any] = {key: resource.get(key) for key in resource}
        options = top.table("options")
        self.options: dict[str, Any] = {key: options.get(key) for key in options}
        self.constraints = _constraints(top) if "constraints" in top else {}
        self.goal = options.text("opt_goal")
        if self.goal not in GOALS:
            options.refuse("opt_goal", f"must be one of {', '.join(GOALS)}, got {self.goal!r}")
        height, width = resource.wholes("dim_array", (2,), 1)
        self.pes_per_node: int = height * width
        regions = {
            key: resource.made(key, region_of)
            for key in dict.fromkeys(["proc_region", *resource])
            if key.endswith("_region")
        }
        self.num_nodes: int = regions["proc_region"].dim.size()
        self.total_cost = top.number("total_cost")
        self.total_time = top.number("total_time")
        if self.total_time <= 0:
            top.refuse("total_time", "must be above 0")
        self.total_ops = top.number("total_ops")
        self.total_accesses: list[float] = top.numbers("total_accesses", (_LEVELS,))
        self.total_noc_hops = top.number("total_noc_hops")
        schedules = top.table("schedules")
        self.layers = {name: _layer(schedules, name) for name in schedules}
        self.certificate: Certificate | None = certificate_of(top, self.total_cost, self.total_time)
        self.segments = _segments(top, [*self.layers.values()])
        top.check_finite()

    @property
    def unit(self) -> str:
        """Unit of the costs."""
        return self.cost_unit or "units"

    @property
    def has_segments(self) -> bool:
        """Whether layers share segments."""
        return len(self.segments) < len(self.layers)

    def components(self) -> list[Component]:
        """Return the parts of the network's cost."""
        return components(self, self.cost, self.total_time)

    def layer_components(self, name: str) -> list[Component]:
        """Return the parts of a layer's cost, with static energy for its own time."""
        layer = self.layers[name]
        return components(layer, self.cost, layer.total_time)

    def busy_pes(self, name: str | None = None) -> float:
        """Return the share of the time in which PEs work: of a layer's nodes, or of all."""
        if name is None:
            pes = self.num_nodes * self.pes_per_node
            return busy_share(self.total_ops, self.total_time, pes)
        layer = self.layers[name]
        pes = layer.scheme["num_nodes"] * self.pes_per_node
        return busy_share(layer.total_ops, layer.total_time, pes)


def read_record(path: str) -> ResultRecord:
    """Read a record.

    Raises
    ------
    Refused
        If it cannot be read, or is no record: with the file, the key, and what is allowed.
    """
    return ResultRecord(path, read_json(path))


def _constraints(top: RecordValues) -> dict[str, Any]:
    """Return what was fixed or forbidden, by the names of layers and of rules for segments."""
    parts = top.table("constraints")
    tables = {part: parts.table(part) for part in parts}
    return {f"{part}.{key}": inner.get(key) for part, inner in tables.items() for key in inner}


def _layer(schedules: RecordValues, name: str) -> RecordedLayer:
    entry = schedules.get(name)
    if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[0], dict)):
        schedules.refuse(name, "must be [scheme, ofmap layout, [segment, spatial, temporal]]")
    where = f"{schedules.where}.{name}"
    scheme = RecordValues(schedules.path, where, {**entry[0], "place": entry[2]})
    for key in ("cost", "ops", *_TIMES):
        scheme.number(key)
    for key in ("time", "num_nodes"):
        if scheme.number(key) <= 0:
            scheme.refuse(key, "must be above 0")
    for key in ("remote_gbuf_access", "total_nhops"):
        scheme.numbers(key, (_CATEGORIES,))
    scheme.numbers("access", (_LEVELS, _CATEGORIES))
    for key in ("ti", "to", "tb"):
        scheme.wholes(key, (3,), 1)
    scheme.wholes("orders", (2, 3))
    return RecordedLayer(name, entry[0], scheme.wholes("place", (3,)))


def _segments(top: RecordValues, layers: Sequence[RecordedLayer]) -> list[RecordedSegment]:
    by_place: dict[int, dict[int, list[str]]] = {}
    for layer in layers:
        segment, spatial, _ = layer.place
        by_place.setdefault(segment, {}).setdefault(spatial, []).append(layer.name)
    times = top.numbers("segment_time", (len(by_place),))
    return [
        RecordedSegment(tuple(map(tuple, groups.values())), time)
        for groups, time in zip(by_place.values(), times, strict=True)
    ]
