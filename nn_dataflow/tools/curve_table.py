# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve of a search, as the terminal shows it.

Decides which figures tell about the corners and edges (docs/model/search.md section 6.4).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .table_text import Column, join, scale, wrap

if TYPE_CHECKING:
    from nn_dataflow.core.certificate import Certificate
    from nn_dataflow.core.energy_delay import EnergyDelayCurve

_NOTE = (
    "worth: of a cycle, in units of cost, where this schedule gives way to the one above it; more "
    "is better for this one. gap: of cost + worth x time, by which a schedule may be below the "
    "line between the two at most"
)


def curve_table(curve: EnergyDelayCurve | None, unit: str, width: int) -> list[str]:
    """Return the lines of the table of a curve with costs in a unit; none without a curve."""
    if curve is None:
        return []
    corners = curve.corners
    cost = scale([corner.cost for corner in corners])
    time = scale([corner.time for corner in corners])
    cheapest, fastest = corners[0].cost, corners[-1].time
    columns = [
        Column("", "", [str(number) for number in range(1, len(corners) + 1)]),
        Column("cost", cost.unit(unit), [cost.text(c.cost) for c in corners]),
        Column("time", time.unit("cycles"), [time.text(c.time) for c in corners]),
        Column("cost", "% above least", [above_least(c.cost, cheapest) for c in corners]),
        Column("time", "% above least", [above_least(c.time, fastest) for c in corners]),
        Column("worth", f"{unit}/cycle", ["", *(f"{edge.worth:.4g}" for edge in curve.edges)]),
        Column("gap", "", ["", *(gap_text(edge.certificate) for edge in curve.edges)]),
    ]
    return [
        *wrap(f"energy-delay curve: {_summary(curve)}".split(), width),
        "",
        *join(columns),
        "",
        *wrap(_NOTE.split(), width),
    ]


def _summary(curve: EnergyDelayCurve) -> str:
    if len(curve.corners) == 1:
        if curve.is_complete:
            return "one schedule has the least cost and the least time"
        return "one schedule is known; others may have less cost or take less time"
    what = f"{len(curve.corners)} schedules, of which no mixture of others beats any"
    if curve.is_complete:
        return f"{what}; none is below the lines between them"
    return f"{what}; others may be below the lines between them, or beyond the ends"


def above_least(value: float, least: float) -> str:
    """Say how far a value is above the least one, in per cent, without end above nothing."""
    if value <= least:
        return "0"
    return f"{100 * (value / least - 1):.3g}" if least else "inf"


def gap_text(certificate: Certificate) -> str:
    """Say what is proven: that nothing is better, or how much better it can be at most."""
    if certificate.is_optimal:
        return "proven"
    if certificate.lower_bound <= 0:  # which holds of every schedule
        return "unknown"
    return f"{math.ceil(1e4 * certificate.gap) / 100:g} %"
