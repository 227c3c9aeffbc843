# SPDX-License-Identifier: BSD-3-Clause
"""Axes with a row per layer, or per result, and what is drawn in the rows.

Decides how many rows stand below each other, and how bars and the numbers behind them look (docs/
report.md section 2). Names are at the left of their rows, so that they never lie on each other;
many rows go on in further columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from nn_dataflow.errors import require

from .palette import BAND, INK, Fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class InSegment(Protocol):
    """A layer, by the index of its segment."""

    @property
    def segment(self) -> int:
        """Index of the segment."""


Row = TypeVar("Row")
Layer = TypeVar("Layer", bound=InSegment)

ROWS = 52
"""Layers below each other."""

SMALL = 6.5
"""Size of the numbers in a picture, in points."""

_ROW_HEIGHT = 0.155  # inches
_FRAME_HEIGHT = 1.5
_LEAST_HEIGHT = 3.0
_LEAST_WIDTH = 6.4
_LETTER = 0.055
_BAR = 0.78  # height, in rows
_TICKS = 4


@dataclass(frozen=True)
class RowColumn(Generic[Row]):
    """Rows below each other, and their axes."""

    rows: Sequence[Row]
    axes: list[Any]


def columns_of(rows: Sequence[Layer], most: int = ROWS) -> list[list[Layer]]:
    """Divide layers into columns of about the same length, between segments where that suits."""
    count = math.ceil(len(rows) / most)
    length = math.ceil(len(rows) / count)
    columns: list[list[Layer]] = [[]]
    for place, row in enumerate(rows):
        begins = place > 0 and rows[place - 1].segment != row.segment
        rest = sum(other.segment == row.segment for other in rows[place:])
        column = columns[-1]
        full = len(column) >= length or (begins and len(column) + rest > length + length // 8)
        if column and full and (begins or len(column) >= length + length // 8):
            columns.append([])
        columns[-1].append(row)
    return columns


def row_axes(
    parts: Sequence[Sequence[Row]],
    name: Callable[[Row], str],
    widths: Sequence[float],
    row_height: float = _ROW_HEIGHT,
) -> tuple[Any, list[RowColumn[Row]]]:
    """Return a figure of matplotlib, and its columns.

    Parameters
    ----------
    parts
        The rows of each column.
    name
        What is written at the left of a row.
    widths
        Of the axes of each column, in inches.
    row_height
        Of a row, in inches.
    """
    figure_module = require("matplotlib.figure", "matplotlib", "drawing", "plot")
    tall = max(map(len, parts))
    names = max(len(name(row)) for part in parts for row in part) * _LETTER
    width = len(parts) * (sum(widths) + names + 0.35)
    height = max(_LEAST_HEIGHT, tall * row_height + _FRAME_HEIGHT)
    figure = figure_module.Figure(figsize=(max(width, _LEAST_WIDTH), height), layout="constrained")
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
            axis.tick_params(labelsize=SMALL)
        own[0].set_yticks(range(len(part)), [name(row) for row in part])
        own[0].tick_params(axis="y", length=0)
        columns.append(RowColumn(part, own))
    return figure, columns


def _style(fill: Fill) -> dict[str, Any]:
    return {"facecolor": fill.colour, "hatch": fill.hatch, "edgecolor": INK, "linewidth": 0.3}


def bars(
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


def values(axis: Any, ends: Sequence[float], texts: Sequence[str]) -> None:
    """Write numbers behind the bars."""
    for number, (end, text) in enumerate(zip(ends, texts, strict=True)):
        axis.annotate(
            text,
            (end, number),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
        )


def quantity(axis: Any, label: str, highest: float, at: Sequence[float] | None = None) -> None:
    """Let an axis show a quantity, from 0, with ticks at some places."""
    axis.set_xlim(0, highest)
    axis.set_xlabel(label)
    if at is None:
        ticks(axis)
    else:
        axis.set_xticks(at)


def ticks(axis: Any, most: int = _TICKS) -> None:
    """Write so many numbers below an axis at most."""
    ticker = require("matplotlib.ticker", "matplotlib", "drawing", "plot")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(most))
    axis.xaxis.set_major_formatter("{x:.9g}")


def legend(figure: Any, entries: Sequence[tuple[str, Fill]]) -> None:
    """Tell below a figure what fills mean."""
    patches = require("matplotlib.patches", "matplotlib", "drawing", "plot")
    handles = [patches.Patch(label=name, **_style(fill)) for name, fill in entries]
    width = figure.get_size_inches()[0]
    columns = min(len(handles), max(1, int(width / 1.25)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
