# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a comparison: the totals of all results, and what layers have more or less.

Decides what stands side by side (docs/compare.md section 4): results are rows of the totals, and
columns of axes beside the layers, all of which have the same scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn_dataflow.tools.comparison_table import percent_text
from nn_dataflow.tools.table_text import shorten

from .compared import BASE, change_text, with_minus
from .layer_rows import PARTS, in_order
from .palette import INK, LESS, MORE, MUTED, PART_FILLS, PLAIN, Fill
from .row_axes import ROWS, SMALL, bars, columns_of, legend, quantity, row_axes, ticks, values
from .titles import set_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.tools.comparison import Difference

    from .compared import Compared
    from .units import Unit

_RESULT_HEIGHT = 0.3  # inches
_TOTAL_WIDTHS = (3.6, 2.4)
_TOTAL_ROOM = 1.15  # of an axis, for the numbers behind the longest bar
_MANY = 2  # axes beside each other, with which columns are wide
_TALL_ROWS = 80  # layers below each other in wide columns
_LETTER = 0.06  # inches, of the numbers
_CHANGE_WIDTHS = {1: 3.4, 2: 2.2}
_LEAST_WIDTH = 1.75
_CHANGE_TICKS = 3


def totals(compared: Compared) -> Any:
    """Draw cost by component and time of each result; return a figure of matplotlib."""
    results, cost, time = compared.results, compared.whole_cost, compared.total_time
    figure, (column,) = row_axes([compared.letters], str, _TOTAL_WIDTHS, _RESULT_HEIGHT)
    left, right = column.axes
    parts = [in_order(one.components()) for one in results]
    ends = [0.0] * len(results)
    for number, fill in enumerate(PART_FILLS):
        lengths = [costs[number] / cost.factor for costs in parts]
        bars(left, ends, lengths, fill)
        ends = [sum(pair) for pair in zip(ends, lengths, strict=True)]
    times = [one.total_time / time.factor for one in results]
    bars(right, [0.0] * len(times), times, Fill(PLAIN, ""))
    for axis, longest, unit, number, width in (
        (left, ends, cost, 0, _TOTAL_WIDTHS[0]),
        (right, times, time, 1, _TOTAL_WIDTHS[1]),
    ):
        both = [one.totals[number] for one in compared.comparisons]
        values(axis, longest, [unit.text(both[0].base), *(_total(one, unit) for one in both)])
        quantity(axis, unit.label, (max(longest) or 1.0) * width / (width - _TOTAL_ROOM))
    legend(
        figure,
        [
            (name, PART_FILLS[number])
            for number, (name, _) in enumerate(PARTS)
            if any(costs[number] for costs in parts)
        ],
    )
    set_title(figure, compared, f"{cost.quantity} and time of each result", compared.files)
    return figure


def _total(one: Difference, unit: Unit) -> str:
    return f"{unit.text(one.other)} ({with_minus(percent_text(one))} %)"


def layer_energy(compared: Compared) -> Any:
    """Draw how much more or less each layer costs than in the base."""
    unit = compared.cost_change
    return _changes(compared, unit, [row.cost for row in compared.rows])


def layer_time(compared: Compared) -> Any:
    """Draw how much longer or shorter each layer takes than in the base."""
    unit = compared.time_change
    return _changes(compared, unit, [row.time for row in compared.rows])


def _changes(
    compared: Compared, unit: Unit, differences: Sequence[Sequence[Difference | None]]
) -> Any:
    """Draw bars to both sides of zero: axes for each result, a row for each layer."""
    count = len(compared.layered)
    width = _CHANGE_WIDTHS.get(count, _LEAST_WIDTH)
    figure, columns = row_axes(
        columns_of(compared.rows, ROWS if count <= _MANY else _TALL_ROWS),
        lambda row: shorten(row.name),
        [width] * count,
    )
    by_name = dict(zip((row.name for row in compared.rows), differences, strict=True))
    texts = {
        row.name: [
            missing if one is None else change_text(one.change, unit) if one.change else ""
            for one, missing in zip(by_name[row.name], row.missing, strict=True)
        ]
        for row in compared.rows
    }
    changes = {
        name: [0.0 if one is None else one.change / unit.factor for one in several]
        for name, several in by_name.items()
    }
    limits = _limits(changes, texts, width)
    for column in columns:
        for number, ((letter, _), axis) in enumerate(
            zip(compared.layered, column.axes, strict=True)
        ):
            names = [row.name for row in column.rows]
            _guide(axis, len(names), limits)
            _diverging(
                axis,
                [changes[name][number] for name in names],
                [texts[name][number] for name in names],
            )
            axis.set_xlim(*limits)
            ticks(axis, _CHANGE_TICKS)
            axis.set_xlabel(f"change of {unit.label}")
            axis.set_title(f"{letter} against {BASE}", fontsize="medium")
    legend(figure, [(f"more than {BASE}", MORE), (f"less than {BASE}", LESS)])
    set_title(
        figure,
        compared,
        f"{unit.quantity} of each layer by itself, compared with {BASE}; "
        "layers without a bar and a number do not differ",
        compared.files,
    )
    return figure


def _limits(
    changes: dict[str, list[float]], texts: dict[str, list[str]], width: float
) -> tuple[float, float]:
    """Return the ends of axes of a width in inches that have room for bars and their numbers."""
    pairs = [pair for name in changes for pair in zip(changes[name], texts[name], strict=True)]
    least, most = min(0.0, *(change for change, _ in pairs)), max(0.0, *(c for c, _ in pairs))
    left = _LETTER * max((len(text) + 1 for change, text in pairs if change < 0), default=0)
    right = _LETTER * max((len(text) + 1 for change, text in pairs if change >= 0), default=0)
    per_inch = (most - least or 1.0) / (width - left - right)
    return least - left * per_inch, most + right * per_inch


def _guide(axis: Any, count: int, limits: tuple[float, float]) -> None:
    """Shade every second row, so that it can be followed from its name."""
    places = range(1, count, 2)
    first, last = limits
    bars(axis, [first] * len(places), [last - first] * len(places), None, 1.0, places)


def _diverging(axis: Any, changes: Sequence[float], texts: Sequence[str]) -> None:
    """Draw bars from zero to the right and to the left, each with its number at its end."""
    for fill, sign in ((MORE, 1), (LESS, -1)):
        own = [(place, change) for place, change in enumerate(changes) if change * sign > 0]
        bars(
            axis,
            [min(0.0, change) for _, change in own],
            [abs(change) for _, change in own],
            fill,
            places=[place for place, _ in own],
        )
    axis.axvline(0, color=INK, linewidth=0.6)
    for place, (change, text) in enumerate(zip(changes, texts, strict=True)):
        if not text:
            continue
        axis.annotate(
            text,
            (change, place),
            xytext=(-2 if change < 0 else 2, 0),
            textcoords="offset points",
            ha="right" if change < 0 else "left",
            va="center",
            fontsize=SMALL,
            color=INK if change else MUTED,
            in_layout=False,  # the axes have room for it, and the layout is found much sooner
        )
