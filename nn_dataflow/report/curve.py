# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve of a search: its picture, and its table in the report.

Decides what is shown of the corners and of the lines between them (docs/report.md section 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn_dataflow.errors import require
from nn_dataflow.tools.curve_table import above_least, gap_text

from .page_tables import Cell, Column
from .palette import INK, MUTED
from .point_names import DOT, name_points
from .titles import set_title
from .units import cost_unit, counted

if TYPE_CHECKING:
    from nn_dataflow.core.energy_delay import EnergyDelayCurve

    from .contents import Contents

_SIZE = (6.4, 4.4)  # inches
_ROOM = 0.08  # of the axes, around the corners


def curve_of(contents: Contents) -> EnergyDelayCurve:
    """Return the curve of a result that has one."""
    curve = contents.result.curve
    assert curve is not None
    return curve


def draw(contents: Contents) -> Any:
    """Draw the corners, numbered as in the table, and the lines between them.

    A line that is proven to have no schedule below it is drawn through, another one is dashed.
    """
    figure_module = require("matplotlib.figure", "matplotlib", "drawing", "plot")
    figure = figure_module.Figure(figsize=_SIZE, layout="constrained")
    axis = figure.subplots()
    curve = curve_of(contents)
    cost = cost_unit(contents.result, [corner.cost for corner in curve.corners])
    time = counted("time", "cycles", [corner.time for corner in curve.corners])
    xs = [corner.time / time.factor for corner in curve.corners]
    ys = [corner.cost / cost.factor for corner in curve.corners]
    for number, edge in enumerate(curve.edges):
        line = "-" if edge.certificate.is_optimal else "--"
        axis.plot(xs[number : number + 2], ys[number : number + 2], line, color=MUTED, linewidth=1)
    axis.plot(xs, ys, "o", color="#0072b2", markeredgecolor=INK, markersize=DOT, linewidth=0)
    axis.margins(_ROOM)
    axis.set_xlabel(time.label)
    axis.set_ylabel(cost.label)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.ticklabel_format(useOffset=False, style="plain")
    set_title(figure, contents, "schedules that no mixture of others beats in energy and delay")
    corners = list(zip(xs, ys, strict=True))
    named = [(str(number), x, y) for number, (x, y) in enumerate(corners, start=1)]
    name_points(figure, axis, [named[-1], *named[:-1]], corners)  # both ends first
    return figure


def table(contents: Contents) -> list[Column]:
    """Return the columns of the table of corners; none without a curve."""
    curve = contents.result.curve
    if curve is None:
        return []
    costs = [corner.cost for corner in curve.corners]
    times = [corner.time for corner in curve.corners]
    cost, time = cost_unit(contents.result, costs), counted("time", "cycles", times)
    numbers = range(1, len(costs) + 1)
    return [
        Column("schedule", "", True, [Cell(str(number), number) for number in numbers]),
        Column(cost.quantity, cost.name, True, [Cell(cost.text(c), c) for c in costs]),
        Column(time.quantity, time.name, True, [Cell(time.text(t), t) for t in times]),
        Column(
            f"{cost.quantity} above least",
            "%",
            True,
            [Cell(above_least(c, costs[0]), c / costs[0] - 1 if costs[0] else 0) for c in costs],
        ),
        Column(
            "time above least",
            "%",
            True,
            [Cell(above_least(t, times[-1]), t / times[-1] - 1) for t in times],
        ),
        Column(
            "worth of a cycle",
            "cost",
            True,
            [Cell("", 0), *(Cell(f"{edge.worth:.4g}", edge.worth) for edge in curve.edges)],
        ),
        Column(
            "gap",
            "",
            True,
            [Cell("", 0), *(Cell(gap_text(e.certificate), e.certificate.gap) for e in curve.edges)],
        ),
    ]
