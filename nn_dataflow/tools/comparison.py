# SPDX-License-Identifier: BSD-3-Clause
"""How a result differs from another one.

Decides what is compared (docs/compare.md): what was searched, the totals, the layers of the same
name, and the segments. Results of other networks have only the first two in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .layer_figures import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .result_record import RecordedLayer, RecordedSegment, ResultRecord

NOT_COMPARED = ("nprocesses", "verbose")
"""Options that no result depends on."""

_UNLIMITED = (
    *("array_bus_width", "dram_bandwidth"),
    *("layer_pipeline_time_ovhd", "layer_pipeline_max_degree"),
)
_SCHEDULE = (
    ("partition", ("part",)),
    ("mapping", ("unit_size",)),
    ("blocking", ("ti", "to", "tb", "orders")),
)


class Difference(NamedTuple):
    """A quantity of the base, and of the other result.

    Examples
    --------
    >>> difference = Difference("cost", "units", 200.0, 150.0)
    >>> difference.change, difference.percent
    (-50.0, -25.0)
    >>> print(Difference("hops", "word-hops", 0, 3).percent)
    None
    """

    name: str
    unit: str
    base: float
    other: float

    @property
    def change(self) -> float:
        """How much more the other has."""
        return self.other - self.base

    @property
    def percent(self) -> float | None:
        """How much more it has, in percent of the base; None where that has nothing."""
        if not self.change:
            return 0.0
        return 100 * self.change / self.base if self.base else None


class Change(NamedTuple):
    """A field of what was searched that differs; None where a result does not have it."""

    field: str
    base: Any
    other: Any


class LayerDifference(NamedTuple):
    """A layer in both results: energy, time, what limits it in both, and what was changed of it.

    ``changed`` has of "partition", "mapping", "blocking" and "segment" what differs.
    """

    name: str
    cost: Difference
    time: Difference
    limits: tuple[str, str]
    changed: tuple[str, ...]


class SegmentDifference(NamedTuple):
    """A segment of several layers in both results: names by group, and its time."""

    groups: tuple[tuple[str, ...], ...]
    time: Difference


class Comparison(NamedTuple):
    """How a result differs from a base.

    Attributes
    ----------
    base, other
        The results.
    changes
        What was searched otherwise.
    totals
        Energy, time, their product, and what the energy consists of.
    same_network
        Whether layers can be compared.
    layers
        Layers in both, in the order of the base.
    only_in_base, only_in_other
        Names of the other layers.
    segments
        Segments of several layers in both whose times differ.
    base_segments, other_segments
        Segments, with their numbers from 1, whose layers or groups the other result has not put
        together.
    """

    base: ResultRecord
    other: ResultRecord
    changes: list[Change]
    totals: list[Difference]
    same_network: bool
    layers: list[LayerDifference]
    only_in_base: list[str]
    only_in_other: list[str]
    segments: list[SegmentDifference]
    base_segments: list[tuple[int, RecordedSegment]]
    other_segments: list[tuple[int, RecordedSegment]]


def compare(base: ResultRecord, other: ResultRecord) -> Comparison:
    """Compare a result with a base."""
    same = base.net == other.net
    layers, absent, more = [], [], []
    if same:
        layers = [_layer(base, other, name) for name in base.layers if name in other.layers]
        absent = [name for name in base.layers if name not in other.layers]
        more = [name for name in other.layers if name not in base.layers]
    return Comparison(
        base,
        other,
        [*_changes(base, other)],
        _totals(base, other),
        same,
        layers,
        absent,
        more,
        _same_segments(base, other) if same else [],
        _segments_beside(base, other) if same else [],
        _segments_beside(other, base) if same else [],
    )


def searched(result: ResultRecord) -> dict[str, Any]:
    """Return what was searched: the fields that are compared, with values as people say them."""
    tables: dict[str, Mapping[str, Any]] = {
        "machine": result.machine,
        "resource": result.resource,
        "cost": result.cost._asdict(),
        "options": result.options,
        "constraints": result.constraints,
    }
    return {
        "net": result.net,
        "batch": result.batch,
        "version": result.version,
        **{
            f"{table}.{key}": _told(key, values)
            for table, values in tables.items()
            for key in values
            if key not in NOT_COMPARED
        },
    }


def _changes(base: ResultRecord, other: ResultRecord) -> Iterator[Change]:
    here, there = searched(base), searched(other)
    for field in dict.fromkeys([*here, *there]):
        change = Change(field, here.get(field), there.get(field))
        values = (change.base, change.other)
        # A field that is not there says as much as one with an empty text.
        if change.base != change.other and values not in ((None, ""), ("", None)):
            yield change


def _told(key: str, values: Mapping[str, Any]) -> Any:
    """Return a value of a record as people say it."""
    value = values[key]
    if value is None and key in _UNLIMITED:
        return "unlimited"
    if key.endswith("_region") and isinstance(value, list) and len(value) == 6:
        (height, width), (row, column), (down, right), *_ = value
        if (down, right) == (0, 0):
            return f"{height}x{width}, all at ({row},{column})"
        spread = "" if (down, right) == (1, 1) else f", each {down}x{right} apart"
        return f"{height}x{width} at ({row},{column}){spread}"
    if key == "dim_array" and isinstance(value, list):
        return "x".join(map(str, value))
    if isinstance(value, tuple):
        return [*value]
    return value


def _totals(base: ResultRecord, other: ResultRecord) -> list[Difference]:
    unit = _unit(base, other)
    here, there = base.components(), other.components()
    return [
        Difference("cost", unit, base.total_cost, other.total_cost),
        Difference("time", "cycles", base.total_time, other.total_time),
        Difference(
            "cost x time",
            f"{unit.removesuffix('s')}-cycles",
            base.total_cost * base.total_time,
            other.total_cost * other.total_time,
        ),
        *(
            Difference(
                f"cost of {one.name.removesuffix(' between nodes')}", unit, one.cost, two.cost
            )
            for one, two in zip(here, there, strict=True)
        ),
        Difference("operations", "ops", base.total_ops, other.total_ops),
        *(
            Difference(f"{level} accesses", "words", one, two)
            for level, one, two in zip(
                LEVELS, base.total_accesses, other.total_accesses, strict=True
            )
        ),
        Difference("hops", "word-hops", base.total_noc_hops, other.total_noc_hops),
        Difference("PEs busy", "% of time", 100 * base.busy_pes(), 100 * other.busy_pes()),
    ]


def _unit(base: ResultRecord, other: ResultRecord) -> str:
    return base.unit if base.unit == other.unit else f"{base.unit} and {other.unit}"


def _layer(base: ResultRecord, other: ResultRecord, name: str) -> LayerDifference:
    here, there = base.layers[name], other.layers[name]
    unit = _unit(base, other)
    changed = [what for what, keys in _SCHEDULE if _values(here, keys) != _values(there, keys)]
    if _company(base, here) != _company(other, there):
        changed.append("segment")
    return LayerDifference(
        name,
        Difference("cost", unit, here.total_cost, there.total_cost),
        Difference("time", "cycles", here.total_time, there.total_time),
        (here.limit, there.limit),
        tuple(changed),
    )


def _values(layer: RecordedLayer, keys: tuple[str, ...]) -> list[Any]:
    return [layer.scheme.get(key) for key in keys]


def _company(result: ResultRecord, layer: RecordedLayer) -> tuple[tuple[str, ...], ...]:
    """Return the layers that share a layer's segment, itself among them, by group."""
    numbers = sorted({one.place[0] for one in result.layers.values()})
    return result.segments[numbers.index(layer.place[0])].groups


def _same_segments(base: ResultRecord, other: ResultRecord) -> list[SegmentDifference]:
    """Segments that both results have, if they take longer in one of them."""
    times = {segment.groups: segment.time for segment in other.segments}
    return [
        SegmentDifference(groups, Difference("time", "cycles", time, times[groups]))
        for groups, time in base.segments
        if sum(map(len, groups)) > 1 and times.get(groups, time) != time
    ]


def _segments_beside(
    result: ResultRecord, other: ResultRecord
) -> list[tuple[int, RecordedSegment]]:
    """Segments of several layers that are no segments of another result."""
    known = {segment.groups for segment in other.segments}
    return [
        (number, segment)
        for number, segment in enumerate(result.segments, start=1)
        if segment.groups not in known and sum(map(len, segment.groups)) > 1
    ]


def as_values(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as values for JSON; what does not exist is None."""
    return {
        "file": comparison.other.path,
        "changes": [change._asdict() for change in comparison.changes],
        "totals": {one.name: _difference(one) for one in comparison.totals},
        "same_network": comparison.same_network,
        "layers": {
            layer.name: {
                "cost": _difference(layer.cost),
                "time": _difference(layer.time),
                "limits": [*layer.limits],
                "changed": [*layer.changed],
            }
            for layer in comparison.layers
        },
        "only_in_base": comparison.only_in_base,
        "only_in_other": comparison.only_in_other,
        "segments": [
            {"groups": [[*group] for group in one.groups], "time": _difference(one.time)}
            for one in comparison.segments
        ],
        "segments_only_in_base": _segments(comparison.base_segments),
        "segments_only_in_other": _segments(comparison.other_segments),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "unit": one.unit,
        "base": one.base,
        "other": one.other,
        "change": one.change,
        "percent": one.percent,
    }


def _segments(segments: list[tuple[int, RecordedSegment]]) -> list[dict[str, Any]]:
    return [
        {"number": number, "groups": [[*group] for group in one.groups], "time": one.time}
        for number, one in segments
    ]
