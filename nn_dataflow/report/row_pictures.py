# SPDX-License-Identifier: BSD-3-Clause
"""Pictures with a row per layer: energy, time, and the pipeline.

Decides how many layers stand below each other, and what is beside them (docs/report.md sections 2
and 3). Names are at the left of their rows, so that they never lie on each other; networks of many
layers go on in further columns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nn_dataflow.errors import require
from nn_dataflow.tools.table_text import shorten

from .layer_rows import PARTS
from .palette import BAND, INK, MUTED, PART_FILLS, PLAIN, Fill, group_fill
from .titles import set_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contents import Contents
    from .layer_rows import LayerRow, Span

_ROWS = 52  # per column
_ROW_HEIGHT = 0.155  # inches
_FRAME_HEIGHT = 1.5
_LEAST_HEIGHT = 3.0
_SMALL = 6.5  # points
_BAR = 0.78  # height, in rows
_VALUE_ROOM = 1.22  # of the longest bar, for the number behind it
_TICKS = 4


class _Column(NamedTuple):
    """Layers below each other, and their axes."""

    rows: list[LayerRow]
    axes: list[Any]


def energy(contents: Contents) -> Any:
    """Draw what the cost of each layer consists of; return a figure of matplotlib."""
    rows, unit = contents.rows, contents.layer_cost
    figure, columns = _columns_of(rows, [3.4])
    longest = contents.most_cost / unit.factor or 1.0
    for column in columns:
        (axis,) = column.axes
        before = [0.0] * len(column.rows)
        for number, fill in enumerate(PART_FILLS):
            widths = [row.costs[number] / unit.factor for row in column.rows]
            _bars(axis, before, widths, fill)
            before = [sum(pair) for pair in zip(before, widths, strict=True)]
        _values(axis, before, [unit.text(row.cost) for row in column.rows])
        _quantity(axis, unit.label, longest * _VALUE_ROOM)
    _legend(
        figure,
        [
            (name, PART_FILLS[number])
            for number, (name, _) in enumerate(PARTS)
            if any(row.costs[number] for row in rows)
        ],
    )
    set_title(figure, contents, f"{unit.quantity} of each layer")
    return figure


def time(contents: Contents) -> Any:
    """Draw how long each layer takes by itself, and how busy its PEs are."""
    rows, unit = contents.rows, contents.layer_time
    figure, columns = _columns_of(rows, [2.0, 1.3])
    longest = max(row.time for row in rows) / unit.factor
    for column in columns:
        left, right = column.axes
        times = [row.time / unit.factor for row in column.rows]
        busy = [100 * row.busy for row in column.rows]
        for axis, widths in ((left, times), (right, busy)):
            _bands(axis, column.rows)
            _bars(axis, [0.0] * len(widths), widths, Fill(PLAIN, ""))
        _values(left, times, [unit.text(row.time) for row in column.rows])
        _values(right, busy, [f"{share:.0f}" for share in busy])
        _quantity(left, unit.label, longest * _VALUE_ROOM)
        _quantity(right, "PEs busy (% of time)", 100 * _VALUE_ROOM, [0, 50, 100])
    set_title(
        figure, contents, "time of each layer by itself, and how busy the PEs of its nodes are"
    )
    if contents.is_pipelined:
        _legend(figure, [("layers between two lines share a segment", Fill(BAND, ""))])
    return figure


def pipeline(contents: Contents) -> Any:
    """Draw when each layer runs, in its segment and group."""
    rows, spans = contents.rows, contents.spans
    figure, columns = _columns_of(rows, [3.4])
    unit = contents.whole_time
    for column in columns:
        (axis,) = column.axes
        _draw_times(axis, column.rows, spans, unit.factor)
        _separate_segments(axis, column.rows)
        first, last = (spans[column.rows[at].segment] for at in (0, -1))
        axis.set_xlim(first.start / unit.factor, last.end / unit.factor)
        _ticks(axis)
        axis.set_xlabel(unit.label)
    entries = [(f"group {number + 1}", group_fill(number)) for number in range(contents.num_groups)]
    if contents.num_groups == 1:
        entries = [("layer", group_fill(0))]
    if contents.has_waits:
        entries.append(("time of the segment", Fill(BAND, "")))
    _legend(figure, entries)
    set_title(figure, contents, "when each layer runs")
    return figure


def _draw_times(axis: Any, rows: Sequence[LayerRow], spans: Sequence[Span], factor: float) -> None:
    """Draw the time of each layer, one colour per group, before that of its segment."""
    segments = [spans[row.segment] for row in rows]
    begins = [span.start / factor for span in segments]
    lengths = [(span.end - span.start) / factor for span in segments]
    _bars(axis, begins, lengths, None, 1.0)
    for group in sorted({row.group for row in rows}):
        own = [(number, row) for number, row in enumerate(rows) if row.group == group]
        _bars(
            axis,
            [row.start / factor for _, row in own],
            [(row.end - row.start) / factor for _, row in own],
            group_fill(group),
            places=[number for number, _ in own],
        )


def columns_of(rows: Sequence[LayerRow], most: int = _ROWS) -> list[list[LayerRow]]:
    """Divide layers into columns of about the same length, between segments where that suits."""
    count = math.ceil(len(rows) / most)
    length = math.ceil(len(rows) / count)
    columns: list[list[LayerRow]] = [[]]
    for place, row in enumerate(rows):
        begins = place > 0 and rows[place - 1].segment != row.segment
        rest = sum(other.segment == row.segment for other in rows[place:])
        column = columns[-1]
        full = len(column) >= length or (begins and len(column) + rest > length + length // 8)
        if column and full and (begins or len(column) >= length + length // 8):
            columns.append([])
        columns[-1].append(row)
    return columns


def _columns_of(rows: Sequence[LayerRow], widths: Sequence[float]) -> tuple[Any, list[_Column]]:
    """Return a figure, and for each column of layers axes of some widths, in inches."""
    figure_module = require("matplotlib.figure", "matplotlib", "drawing", "plot")
    parts = columns_of(rows)
    tall = max(map(len, parts))
    names = max(len(_name(row, rows)) for row in rows) * 0.055
    width = len(parts) * (sum(widths) + names + 0.35)
    height = max(_LEAST_HEIGHT, tall * _ROW_HEIGHT + _FRAME_HEIGHT)
    figure = figure_module.Figure(figsize=(max(width, 6.4), height), layout="constrained")
    axes = figure.subplots(
        1,
        len(parts) * len(widths),
        squeeze=False,
        gridspec_kw={"width_ratios": [*widths] * len(parts)},
    )[0]
    columns = []
    for number, part in enumerate(parts):
        own = [*axes[number * len(widths) : (number + 1) * len(widths)]]
        for axis in own:
            axis.set_ylim(tall - 0.4, -0.6)
            axis.set_yticks([])
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=_SMALL)
        own[0].set_yticks(range(len(part)), [_name(row, rows) for row in part])
        own[0].tick_params(axis="y", length=0)
        columns.append(_Column(part, own))
    return figure, columns


def _name(row: LayerRow, rows: Sequence[LayerRow]) -> str:
    """Return the name of a layer, with its place where layers share segments."""
    name = shorten(row.name)
    return name if rows[-1].segment + 1 == len(rows) else f"{name}  {row.place}"


def _style(fill: Fill) -> dict[str, Any]:
    return {"facecolor": fill.colour, "hatch": fill.hatch, "edgecolor": INK, "linewidth": 0.3}


def _bars(
    axis: Any,
    begins: Sequence[float],
    lengths: Sequence[float],
    fill: Fill | None,
    height: float = _BAR,
    places: Sequence[int] | None = None,
) -> None:
    """Draw a bar in each row, or in those of some places; without a fill they are background.

    They are one object of matplotlib, since it takes a long time over many.
    """
    collections = require("matplotlib.collections", "matplotlib", "drawing", "plot")
    rows = range(len(begins)) if places is None else places
    corners = []
    for row, begin, length in zip(rows, begins, lengths, strict=True):
        low, high, end = row - height / 2, row + height / 2, begin + length
        if length:
            corners.append([(begin, low), (end, low), (end, high), (begin, high)])
    style = {"facecolor": BAND, "linewidth": 0, "zorder": 0} if fill is None else _style(fill)
    axis.add_collection(collections.PolyCollection(corners, **style), autolim=False)


def _values(axis: Any, ends: Sequence[float], texts: Sequence[str]) -> None:
    """Write numbers behind the bars."""
    for number, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axis.annotate(
            text,
            (end, number),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=_SMALL,
            color=INK,
        )


def _quantity(axis: Any, label: str, highest: float, ticks: Sequence[float] | None = None) -> None:
    axis.set_xlim(0, highest)
    axis.set_xlabel(label)
    if ticks is None:
        _ticks(axis)
    else:
        axis.set_xticks(ticks)


def _ticks(axis: Any) -> None:
    ticker = require("matplotlib.ticker", "matplotlib", "drawing", "plot")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(_TICKS))
    axis.xaxis.set_major_formatter("{x:.9g}")


def _bands(axis: Any, rows: Sequence[LayerRow]) -> None:
    """Shade the layers that share a segment with others."""
    for number, row in enumerate(rows):
        if row.shares_segment:
            axis.axhspan(number - 0.5, number + 0.5, color=BAND, linewidth=0, zorder=0)
    _separate_segments(axis, rows)


def _separate_segments(axis: Any, rows: Sequence[LayerRow]) -> None:
    for number in range(1, len(rows)):
        shared = rows[number].shares_segment or rows[number - 1].shares_segment
        if rows[number].segment != rows[number - 1].segment and shared:
            axis.axhline(number - 0.5, color=MUTED, linewidth=0.4)


def _legend(figure: Any, entries: Sequence[tuple[str, Fill]]) -> None:
    patches = require("matplotlib.patches", "matplotlib", "drawing", "plot")
    handles = [patches.Patch(label=name, **_style(fill)) for name, fill in entries]
    width = figure.get_size_inches()[0]
    columns = min(len(handles), max(1, int(width / 1.25)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
