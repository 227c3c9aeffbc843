# SPDX-License-Identifier: BSD-3-Clause
"""Tables and rows of bars of the report of a comparison.

Decides which numbers it tells (docs/compare.md section 4), each as a text in a unit that suits the
column, and with the value itself, by which tables are sorted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.tools.comparison import searched
from nn_dataflow.tools.comparison_table import (
    groups_text,
    limits_text,
    percent_text,
    shown_value,
)
from nn_dataflow.tools.curve_table import gap_text
from nn_dataflow.tools.problem_text import GOALS

from .compared import BASE, NEITHER, change_text, with_minus
from .layer_rows import PARTS, in_order
from .page_charts import Bar, between, short, stacked
from .page_tables import Cell, Column, numbers, texts
from .units import Unit, counted, product_unit, unit_of_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.tools.comparison import Comparison, Difference
    from nn_dataflow.tools.result_record import ResultRecord

    from .compared import Compared

_PART_KEYS = [f"p{number}" for number in range(len(PARTS))]
_NOTHING = Cell("–", math.inf)


class TotalRow(NamedTuple):
    """A result: bars of cost and time, and what is written behind them."""

    letter: str
    bars: tuple[list[Bar], list[Bar]]
    cells: tuple[Cell, Cell, Cell, Cell]  # cost and its percent, time and its percent


class ChangeRow(NamedTuple):
    """A layer: a bar to one side of zero, if there is a change, and what is written behind it."""

    name: str
    bars: list[Bar]
    cell: Cell


class Zeros(NamedTuple):
    """Where zero is in the bars of cost and time, in percent of their widths."""

    cost: str
    time: str


class Pair(NamedTuple):
    """A result against the base.

    Attributes
    ----------
    letter, comparison
        Which one it is.
    cost, time
        Layers of either result, with bars; none if no layer differs.
    layers
        Columns of the table of layers in both.
    segments
        Columns of the table of segments of several layers that differ; none if none does.
    """

    letter: str
    comparison: Comparison
    cost: list[ChangeRow]
    time: list[ChangeRow]
    layers: list[Column]
    segments: list[Column]


def results(compared: Compared) -> list[Column]:
    """Return the columns of the table of results."""
    several = compared.results
    names = [f"{letter}{' (base)' if letter == BASE else ''}" for letter in compared.letters]
    return [
        texts("result", names),
        texts("file", [one.path for one in several]),
        texts("network", [one.net for one in several]),
        Column("batch", "", True, [Cell(str(one.batch), one.batch) for one in several]),
        texts("machine", [one.machine.get("name") or "–" for one in several]),
        texts("goal", [f"least {GOALS[one.goal]}" for one in several]),
        Column("gap", "at most", True, [_proof(one) for one in several]),
    ]


def _proof(result: ResultRecord) -> Cell:
    """Say by how much another schedule of the stated space can be better."""
    if result.certificate is None:
        return Cell("no proof", math.inf)
    text = "0 %" if result.certificate.is_optimal else gap_text(result.certificate)
    return Cell(text, result.certificate.gap)


def changes(compared: Compared) -> list[Column]:
    """Return the columns of the table of what was searched otherwise; none if nothing was."""
    base = searched(compared.comparisons[0].base)
    changed = [{one.field: one.other for one in two.changes} for two in compared.comparisons]
    fields = [*dict.fromkeys(field for one in changed for field in one)]
    if not fields:
        return []
    columns = [
        texts("field", fields),
        texts(BASE, [shown_value(base.get(field)) for field in fields]),
    ]
    for letter, own in zip(compared.letters[1:], changed, strict=True):
        values = [shown_value(own.get(field, base.get(field))) for field in fields]
        cells = [
            Cell(value, value, stands_out=field in own)
            for field, value in zip(fields, values, strict=True)
        ]
        columns.append(Column(letter, "", False, cells))
    return columns


def common(compared: Compared) -> list[tuple[str, str]]:
    """Return what was searched the same way in all results: fields and values."""
    changed = {one.field for two in compared.comparisons for one in two.changes}
    base = searched(compared.comparisons[0].base)
    return [(field, shown_value(value)) for field, value in base.items() if field not in changed]


def total_rows(compared: Compared) -> list[TotalRow]:
    """Return the bars of all results; the longest is as long as there is room."""
    several, cost, time = compared.results, compared.whole_cost, compared.total_time
    parts = [in_order(one.components()) for one in several]
    most = max(map(sum, parts))
    longest = max(one.total_time for one in several)
    same = Cell("", 0.0)
    shares = [(same, same), *(tuple(map(_percent, one.totals[:2])) for one in compared.comparisons)]
    return [
        TotalRow(
            letter,
            (
                stacked(costs, most, _PART_KEYS),
                stacked([one.total_time], longest, ["plain"]),
            ),
            (
                Cell(cost.text(one.total_cost), one.total_cost),
                share[0],
                Cell(time.text(one.total_time), one.total_time),
                share[1],
            ),
        )
        for letter, one, costs, share in zip(compared.letters, several, parts, shares, strict=True)
    ]


def totals(compared: Compared) -> list[Column]:
    """Return the columns of the table of totals: the results, with changes below the numbers."""
    first = compared.comparisons[0].totals
    units = [
        _unit_of_total(compared, several)
        for several in zip(*(one.totals for one in compared.comparisons), strict=True)
    ]
    by_result = [one.totals for one in compared.comparisons]
    return [
        Column(
            "total",
            "and unit",
            False,
            [Cell(one.quantity, one.quantity, one.name) for one in units],
        ),
        Column(
            BASE,
            "",
            True,
            [Cell(unit.text(one.base), one.base) for unit, one in zip(units, first, strict=True)],
        ),
        *(
            Column(
                letter,
                "",
                True,
                [
                    Cell(unit.text(one.other), one.other, _change_and_percent(one, unit))
                    for unit, one in zip(units, own, strict=True)
                ],
            )
            for letter, own in zip(compared.letters[1:], by_result, strict=True)
        ),
    ]


def _change_and_percent(one: Difference, unit: Unit) -> str:
    if not one.change:
        return "0"
    percent = "" if one.percent is None else f", {with_minus(percent_text(one))} %"
    return f"{change_text(one.change, unit)}{percent}"


def _unit_of_total(compared: Compared, several: Sequence[Difference]) -> Unit:
    """Return the unit of a total, with the name that it has in the bars."""
    numbers = _values(several)
    name = _name_of_total(compared, several[0].name)
    if " x " in name:
        return product_unit(compared.whole_cost, compared.total_time, name, numbers)
    if several[0].name.startswith("cost"):
        return unit_of_cost(compared.cost_name, numbers)._replace(quantity=name)
    return counted(name, several[0].unit, numbers)


def _name_of_total(compared: Compared, name: str) -> str:
    """Return the name of a total, with the names that bars have for costs and their parts."""
    components = compared.comparisons[0].base.components()
    parts = {components[place].name.removesuffix(" between nodes"): part for part, place in PARTS}
    of_part = name.removeprefix("cost of ").removesuffix(" accesses")
    called = name.replace(of_part, parts.get(of_part, of_part))
    return called.replace("cost", compared.whole_cost.quantity, 1)


def _percent(one: Difference) -> Cell:
    """Return percents of the base; where that has nothing, the change is beyond all others."""
    beyond = "Infinity" if one.change > 0 else "-Infinity"
    percent = one.percent
    return Cell(with_minus(percent_text(one)), beyond if percent is None else percent)


def pairs(compared: Compared) -> list[Pair]:
    """Return what is told of every result that has layers to compare."""
    return [
        Pair(
            letter,
            comparison,
            _change_rows(compared, number, "cost", compared.cost_change),
            _change_rows(compared, number, "time", compared.time_change),
            _layers(compared, letter, comparison),
            _segments(letter, comparison),
        )
        for number, (letter, comparison) in enumerate(compared.layered)
    ]


def zeros(compared: Compared) -> Zeros:
    """Return where zero is in the bars of layers."""
    return Zeros(
        *(
            short(100 * -least / (most - least))
            for least, most in (_ends(compared, "cost"), _ends(compared, "time"))
        )
    )


def _ends(compared: Compared, what: str) -> tuple[float, float]:
    """Return the least and the most change of any layer, which bars of all results reach to."""
    changes = [one.change for row in compared.rows for one in getattr(row, what) if one is not None]
    least, most = min(0.0, *changes, 0.0), max(0.0, *changes, 0.0)
    return (least, most) if most > least else (-1.0, 1.0)


def _change_rows(compared: Compared, number: int, what: str, unit: Unit) -> list[ChangeRow]:
    """Return the layers that a result or the base has; none if no layer of both differs."""
    least, most = _ends(compared, what)
    rows = []
    for row in compared.rows:
        one = getattr(row, what)[number]
        if one is not None:
            cell = Cell(change_text(one.change, unit), one.change)
            rows.append(ChangeRow(row.name, _diverging(one.change, least, most), cell))
        elif row.missing[number] != NEITHER:
            rows.append(ChangeRow(row.name, [], Cell(row.missing[number], math.inf)))
    return rows if any(row.bars for row in rows) else []


def _diverging(change: float, least: float, most: float) -> list[Bar]:
    fill = "more" if change > 0 else "less"
    return [between(fill, min(0.0, change), max(0.0, change), least, most)] if change else []


def _layers(compared: Compared, letter: str, comparison: Comparison) -> list[Column]:
    layers = comparison.layers
    costs, times = [one.cost for one in layers], [one.time for one in layers]
    cost = unit_of_cost(compared.cost_name, _values(costs))
    time = counted("time", "cycles", _values(times))
    return [
        texts("layer", [one.name for one in layers]),
        Column("no.", "", True, [Cell(str(n), n) for n in range(1, len(layers) + 1)]),
        *_columns(letter, cost, compared.cost_change, costs),
        *_columns(letter, time, compared.time_change, times),
        texts("limit", [limits_text(one).replace("->", "→") for one in layers]),
        texts("changed", [", ".join(one.changed) or "–" for one in layers]),
    ]


def _values(several: Sequence[Difference]) -> list[float]:
    return [number for one in several for number in (one.base, one.other)]


def _columns(
    letter: str, unit: Unit, change_unit: Unit, several: Sequence[Difference]
) -> list[Column]:
    """Return the columns of a quantity: in both, the change in a unit of its own, and percents."""
    name = unit.quantity
    changes = [Cell(change_text(one.change, change_unit), one.change) for one in several]
    return [
        numbers(unit._replace(quantity=f"{name} {BASE}"), [one.base for one in several]),
        numbers(unit._replace(quantity=f"{name} {letter}"), [one.other for one in several]),
        Column("change", change_unit.name, True, changes),
        Column("change", "%", True, [_percent(one) for one in several]),
    ]


def _segments(letter: str, comparison: Comparison) -> list[Column]:
    """Return the columns of the table of segments that differ."""
    told = [
        *(
            ("in both", "–", one.groups, one.time.base, one.time.other)
            for one in comparison.segments
        ),
        *(
            (f"only in {BASE}", str(number), one.groups, one.time, None)
            for number, one in comparison.base_segments
        ),
        *(
            (f"only in {letter}", str(number), one.groups, None, one.time)
            for number, one in comparison.other_segments
        ),
    ]
    if not told:
        return []
    where, places, groups, *times = (list(column) for column in zip(*told, strict=True))
    unit = counted("time", "cycles", [time for one in times for time in one if time is not None])
    return [
        texts("segment", where),
        texts("number", places),
        texts("layers", [groups_text(one) for one in groups], "| between groups of nodes"),
        *(
            Column(
                f"time {name}",
                unit.name,
                True,
                [_NOTHING if time is None else Cell(unit.text(time), time) for time in own],
            )
            for name, own in zip((BASE, letter), times, strict=True)
        ),
    ]
