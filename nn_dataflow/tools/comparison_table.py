# SPDX-License-Identifier: BSD-3-Clause
"""The readable tables of results compared with a base.

Decides in which order and with which digits differences are shown (docs/compare.md): each with its
sign and in percent of the base, a layer's in cost and time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .table_text import Column, join, scale, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .comparison import Comparison, Difference, LayerDifference

_NOTE = (
    "change: what the result has more (+) or less (-) than the base, and in percent of the base; "
    "limit: what the layer's time comes from; changed: what of its schedule differs"
)
_INDENT = 8
_OVERLAP_NOTE = "time: of the layer by itself; layers of a segment overlap"


def render(comparison: Comparison, width: int) -> str:
    """Return the tables of a comparison, every line ending with a newline.

    Parameters
    ----------
    comparison : Comparison
        What differs.
    width : int
        Columns of the terminal.
    """
    blocks = [
        _heading(comparison, width),
        _totals(comparison.totals),
        _layers(comparison, width),
        _segments(comparison, width),
    ]
    texts = ["".join(line.rstrip() + "\n" for line in block) for block in blocks if block]
    return "\n".join(texts)


def _heading(comparison: Comparison, width: int) -> list[str]:
    base, other = comparison.base, comparison.other
    lines = [f"{other.path}, compared with the base {base.path}"]
    if not comparison.same_network:
        lines.append(f"other network: {other.net}, not {base.net}; only totals are compared")
    if not comparison.changes:
        return [*lines, "the same was searched"]
    changes = [
        f"{one.field} {shown_value(one.base)} -> {shown_value(one.other)}"
        for one in comparison.changes
    ]
    first, *more = wrap("; ".join(changes).split(), width - _INDENT)
    return [*lines, f"{'changes':<{_INDENT}}{first}", *(" " * _INDENT + line for line in more)]


def shown_value(value: Any) -> str:
    """Write a value; a text without quotes, what is not there as a dash."""
    if value is None or value == "":
        return "-"
    return value if isinstance(value, str) else json.dumps(value)


def _totals(totals: Sequence[Difference]) -> list[str]:
    numbers: dict[str, list[float]] = {}
    for one in totals:
        numbers.setdefault(one.unit, []).extend(map(abs, (one.base, one.other)))
    scales = {unit: scale(several) for unit, several in numbers.items()}
    by = [scales[one.unit] for one in totals]
    columns = [
        Column("total", "", [one.name for one in totals], left=True),
        Column("base", "", [s.text(one.base) for s, one in zip(by, totals, strict=True)]),
        Column("here", "", [s.text(one.other) for s, one in zip(by, totals, strict=True)]),
        Column(
            "unit", "", [s.unit(one.unit) for s, one in zip(by, totals, strict=True)], left=True
        ),
        Column(
            "change",
            "",
            [signed(one.change, s.text) for s, one in zip(by, totals, strict=True)],
        ),
        Column("change", "%", [percent_text(one) for one in totals]),
    ]
    return join(columns)


def _layers(comparison: Comparison, width: int) -> list[str]:
    layers = comparison.layers
    lines = []
    if layers:
        names = Column("layer", "", [shorten(layer.name) for layer in layers], left=True)
        cost, time = (
            _columns([getattr(layer, what) for layer in layers]) for what in ("cost", "time")
        )
        about = [
            Column("limit", "", [limits_text(layer) for layer in layers], left=True),
            Column("changed", "", [", ".join(layer.changed) or "-" for layer in layers], left=True),
        ]
        lines = join([names, *cost, *time, *about])
        if max(map(len, lines)) > width:
            lines = [*join([names, *cost, *about[1:]]), "", *join([names, *time, *about[:1]])]
        notes = [_NOTE]
        if any(one.has_segments for one in (comparison.base, comparison.other)):
            notes.append(_OVERLAP_NOTE)
        lines += [line for note in notes for line in wrap(note.split(), width)]
    for name, only in (
        (comparison.base.path, comparison.only_in_base),
        (comparison.other.path, comparison.only_in_other),
    ):
        if only:
            lines += wrap(
                [f"only in {name}:", *(f"{layer}," for layer in only[:-1]), only[-1]], width
            )
    return lines


def _columns(several: Sequence[Difference]) -> list[Column]:
    """Return base, change and percent of a quantity of all layers, in one unit."""
    by = scale([abs(number) for one in several for number in (one.base, one.other)])
    name, unit = several[0].name, by.unit(several[0].unit)
    return [
        Column(name, unit, [by.text(one.base) for one in several]),
        Column("change", unit, [signed(one.change, by.text) for one in several]),
        Column("", "%", [percent_text(one) for one in several]),
    ]


def _segments(comparison: Comparison, width: int) -> list[str]:
    texts = {
        "segments in both, and their time": [
            f"{groups_text(one.groups)}; {one.time.base:g} cycles, "
            f"{signed(one.time.change, lambda number: f'{number:g}')} ({percent_text(one.time)} %)"
            for one in comparison.segments
        ]
    }
    for name, several in (
        (comparison.base.path, comparison.base_segments),
        (comparison.other.path, comparison.other_segments),
    ):
        texts[f"segments of several layers only in {name}"] = [
            f"{number}: {groups_text(one.groups)}; {one.time:g} cycles" for number, one in several
        ]
    lines = []
    for title, items in texts.items():
        lines += [f"{title}:"] if items else []
        for item in items:
            first, *more = wrap(item.split(), width - 4)
            lines += [f"  {first}", *(f"    {line}" for line in more)]
    return lines


def groups_text(groups: Sequence[Sequence[str]]) -> str:
    """Write the layers of a segment by group."""
    return " | ".join(map(", ".join, groups))


def limits_text(layer: LayerDifference) -> str:
    """Write what limits the time of a layer in both results."""
    base, other = layer.limits
    return base if base == other else f"{base} -> {other}"


def percent_text(one: Difference) -> str:
    """Write how much more there is in percent, with its sign; a dash for percents of nothing."""
    percent = one.percent
    if percent is None:
        return "-"
    size = abs(percent)
    decimals = 2 if size < 100 else 1 if size < 1e4 else 0
    return signed(percent, lambda number: f"{number:.{decimals}f}")


def signed(number: float, text: Callable[[float], str]) -> str:
    """Write a number with its sign; nothing is 0."""
    if not number:
        return "0"
    return f"{'+' if number > 0 else '-'}{text(abs(number))}"
