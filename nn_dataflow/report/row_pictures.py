# SPDX-License-Identifier: BSD-3-Clause
"""Pictures with a row per layer: energy, time, and the pipeline.

Decides how many layers stand below each other, and what is beside them (docs/report.md sections 2
and 3). Names are at the left of their rows, so that they never lie on each other; networks of many
layers go on in further columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn_dataflow.tools.table_text import shorten

from .layer_rows import PARTS
from .palette import BAND, MUTED, PART_FILLS, PLAIN, Fill, group_fill
from .row_axes import bars, columns_of, legend, quantity, row_axes, ticks, values
from .titles import set_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contents import Contents
    from .layer_rows import LayerRow, Span
    from .row_axes import RowColumn

_VALUE_ROOM = 1.22  # of the longest bar, for the number behind it


def energy(contents: Contents) -> Any:
    """Draw what the cost of each layer consists of; return a figure of matplotlib."""
    rows, unit = contents.rows, contents.layer_cost
    figure, columns = _axes_of(rows, [3.4])
    longest = contents.most_cost / unit.factor or 1.0
    for column in columns:
        (axis,) = column.axes
        before = [0.0] * len(column.rows)
        for number, fill in enumerate(PART_FILLS):
            widths = [row.costs[number] / unit.factor for row in column.rows]
            bars(axis, before, widths, fill)
            before = [sum(pair) for pair in zip(before, widths, strict=True)]
        values(axis, before, [unit.text(row.cost) for row in column.rows])
        quantity(axis, unit.label, longest * _VALUE_ROOM)
    legend(
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
    figure, columns = _axes_of(rows, [2.0, 1.3])
    longest = max(row.time for row in rows) / unit.factor
    for column in columns:
        left, right = column.axes
        times = [row.time / unit.factor for row in column.rows]
        busy = [100 * row.busy for row in column.rows]
        for axis, widths in ((left, times), (right, busy)):
            _bands(axis, column.rows)
            bars(axis, [0.0] * len(widths), widths, Fill(PLAIN, ""))
        values(left, times, [unit.text(row.time) for row in column.rows])
        values(right, busy, [f"{share:.0f}" for share in busy])
        quantity(left, unit.label, longest * _VALUE_ROOM)
        quantity(right, "PEs busy (% of time)", 100 * _VALUE_ROOM, [0, 50, 100])
    set_title(
        figure, contents, "time of each layer by itself, and how busy the PEs of its nodes are"
    )
    if contents.is_pipelined:
        legend(figure, [("layers between two lines share a segment", Fill(BAND, ""))])
    return figure


def pipeline(contents: Contents) -> Any:
    """Draw when each layer runs, in its segment and group."""
    rows, spans = contents.rows, contents.spans
    figure, columns = _axes_of(rows, [3.4])
    unit = contents.whole_time
    for column in columns:
        (axis,) = column.axes
        _draw_times(axis, column.rows, spans, unit.factor)
        _separate_segments(axis, column.rows)
        first, last = (spans[column.rows[at].segment] for at in (0, -1))
        axis.set_xlim(first.start / unit.factor, last.end / unit.factor)
        ticks(axis)
        axis.set_xlabel(unit.label)
    entries = [(f"group {number + 1}", group_fill(number)) for number in range(contents.num_groups)]
    if contents.num_groups == 1:
        entries = [("layer", group_fill(0))]
    if contents.has_waits:
        entries.append(("time of the segment", Fill(BAND, "")))
    legend(figure, entries)
    set_title(figure, contents, "when each layer runs")
    return figure


def _draw_times(axis: Any, rows: Sequence[LayerRow], spans: Sequence[Span], factor: float) -> None:
    """Draw the time of each layer, one colour per group, before that of its segment."""
    segments = [spans[row.segment] for row in rows]
    begins = [span.start / factor for span in segments]
    lengths = [(span.end - span.start) / factor for span in segments]
    bars(axis, begins, lengths, None, 1.0)
    for group in sorted({row.group for row in rows}):
        own = [(number, row) for number, row in enumerate(rows) if row.group == group]
        bars(
            axis,
            [row.start / factor for _, row in own],
            [(row.end - row.start) / factor for _, row in own],
            group_fill(group),
            places=[number for number, _ in own],
        )


def _axes_of(
    rows: Sequence[LayerRow], widths: Sequence[float]
) -> tuple[Any, list[RowColumn[LayerRow]]]:
    """Return a figure, and for each column of layers axes of some widths, in inches."""
    return row_axes(columns_of(rows), lambda row: _name(row, rows), widths)


def _name(row: LayerRow, rows: Sequence[LayerRow]) -> str:
    """Return the name of a layer, with its place where layers share segments."""
    name = shorten(row.name)
    return name if rows[-1].segment + 1 == len(rows) else f"{name}  {row.place}"


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
