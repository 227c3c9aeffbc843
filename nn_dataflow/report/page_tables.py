# SPDX-License-Identifier: BSD-3-Clause
"""Tables and rows of bars of the report.

Decides which numbers the report tells (docs/report.md section 6), each as a text in a unit that
suits the column, and with the value itself, by which tables are sorted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nn_dataflow.tools.segment_table import ends_text, nodes_text

from .layer_rows import PARTS, in_order
from .page_charts import Bar, between, stacked
from .palette import GROUP_FILLS
from .units import counted, product_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .contents import Contents
    from .layer_rows import LayerRow
    from .units import Unit

_PART_KEYS = [f"p{number}" for number in range(len(PARTS))]
_PLAIN = "plain"


class Cell(NamedTuple):
    """A text, and the value that it is of; what is said below it, and whether it stands out."""

    text: str
    value: Any
    note: str = ""
    stands_out: bool = False


class Column(NamedTuple):
    """A column of a table; one of numbers is aligned right."""

    title: str
    unit: str
    is_number: bool
    cells: list[Cell]


class Fact(NamedTuple):
    """A figure of the summary, with its unit, and the key of the JSON record that has it."""

    name: str
    cell: Cell
    unit: str
    key: str = ""


class BarRow(NamedTuple):
    """A row of bars: one or several, each with what is written beside it."""

    row: LayerRow
    bars: list[list[Bar]]
    cells: list[Cell]
    begins: bool = False  # whether it is the first of a segment


class PartRow(NamedTuple):
    """A part of the total cost: how many events, and their cost."""

    name: str
    key: str
    amount: Cell
    unit: str
    cost: Cell
    share: Cell
    bars: list[Bar]


def summary(contents: Contents) -> list[Fact]:
    """Return the figures of the whole network."""
    result, best = contents.result, contents.result.best
    cost, time = contents.whole_cost, contents.total_time
    product = best.total_cost * best.total_time
    both = product_unit(cost, time, f"{cost.quantity} x time", [product])
    ops = counted("operations", "", [best.total_ops])
    words = counted("memory", "words", [best.total_accesses[0]])
    return [
        Fact(cost.quantity, _cell(cost, best.total_cost), cost.name, "total_cost"),
        Fact("time", _cell(time, best.total_time), time.name, "total_time"),
        Fact(both.quantity, _cell(both, product), both.name),
        Fact("operations", _cell(ops, best.total_ops), ops.name, "total_ops"),
        Fact("PEs busy", _percent(result.busy_pes()), "% of time"),
        Fact("words from and to memory", _cell(words, best.total_accesses[0]), words.name),
        Fact("layers", Cell(str(len(contents.rows)), len(contents.rows)), ""),
        Fact("segments", Cell(str(len(contents.spans)), len(contents.spans)), ""),
    ]


def parts(contents: Contents) -> list[PartRow]:
    """Return what the total cost consists of."""
    found = contents.result.components()
    costs = in_order(found)
    total = contents.result.best.total_cost
    rows = []
    for key, (name, place), cost in zip(_PART_KEYS, PARTS, costs, strict=True):
        part = found[place]
        unit = counted(name, part.unit, [part.amount])
        share = cost / total if total else 0.0
        rows.append(
            PartRow(
                name,
                key,
                _cell(unit, part.amount),
                unit.name,
                _cell(contents.whole_cost, cost),
                _percent(share),
                stacked([share], 1.0, [key]),
            )
        )
    return rows


def layers(contents: Contents) -> list[Column]:
    """Return the columns of the table of layers; the first one has their names."""
    rows = contents.rows
    total = contents.result.best.total_cost
    columns = [
        texts("layer", [row.name for row in rows]),
        texts("kind", [row.kind for row in rows]),
        numbers(contents.layer_cost, [row.cost for row in rows]),
        Column(
            "share of " + contents.layer_cost.quantity,
            "%",
            True,
            [_percent(row.cost / total if total else 0.0) for row in rows],
        ),
        numbers(contents.layer_time, [row.time for row in rows]),
        texts("time limit", [row.limit for row in rows]),
        Column("PEs busy", "% of time", True, [_percent(row.busy) for row in rows]),
        _counted("operations", "", [row.ops for row in rows]),
        _counted("memory", "words", [row.accesses[0] for row in rows]),
        _counted("buffers", "words", [row.accesses[1] for row in rows]),
        _counted("NoC", "word-hops", [row.noc_hops for row in rows]),
        Column(
            "operations per word",
            "of memory",
            True,
            [
                Cell("no traffic", "Infinity")
                if math.isinf(row.ops_per_word)
                else Cell(f"{row.ops_per_word:.4g}", row.ops_per_word)
                for row in rows
            ],
        ),
    ]
    if contents.result.resource.proc_region.dim.size() > 1:
        nodes = [Cell(str(row.num_nodes), row.num_nodes) for row in rows]
        columns.insert(2, Column("nodes", "", True, nodes))
    if contents.is_pipelined:
        # Sorted as the schedule is, not as texts.
        places = [Cell(row.place, number) for number, row in enumerate(rows)]
        columns.insert(1, Column("segment", "and group", True, places))
    return columns


def energy(contents: Contents) -> list[BarRow]:
    """Return the bars of the costs of layers; the longest is as long as there is room."""
    unit = contents.layer_cost
    return [
        BarRow(
            row,
            [stacked(row.costs, contents.most_cost, _PART_KEYS)],
            [_cell(unit, row.cost), *(_cell(unit, cost) for cost in row.costs)],
        )
        for row in contents.rows
    ]


def time(contents: Contents) -> list[BarRow]:
    """Return the bars of time, and of how busy PEs are."""
    longest = max(row.time for row in contents.rows)
    return [
        BarRow(
            row,
            [stacked([row.time], longest, [_PLAIN]), stacked([row.busy], 1.0, [_PLAIN])],
            [_cell(contents.layer_time, row.time), _percent(row.busy)],
        )
        for row in contents.rows
    ]


def pipeline(contents: Contents) -> list[BarRow]:
    """Return when layers run, each with the time of its segment behind it."""
    unit = contents.whole_time
    first, last = contents.spans[0].start, contents.spans[-1].end
    rows: list[BarRow] = []
    for row in contents.rows:
        span = contents.spans[row.segment]
        fill = f"g{row.group % len(GROUP_FILLS)}"
        bars = [
            between("band", span.start, span.end, first, last),
            between(fill, row.start, row.end, first, last),
        ]
        cells = [_cell(unit, row.start), _cell(unit, row.end)]
        begins = bool(rows) and row.segment != rows[-1].row.segment and contents.is_pipelined
        rows.append(BarRow(row, [bars], cells, begins))
    return rows


def segments(contents: Contents) -> list[Column]:
    """Return the columns of the table of segments of several layers."""
    shared = [
        (number, span.segment)
        for number, span in enumerate(contents.spans, start=1)
        if span.segment.num_layers > 1
    ]
    timings = [segment.timing for _, segment in shared]
    unit = counted("time", "cycles", [timing.time for timing in timings])
    overheads = [timing.time_overhead for timing in timings]
    return [
        texts("segment", [str(number) for number, _ in shared]),
        whole("layers", [segment.num_layers for _, segment in shared]),
        whole("groups of nodes", [len(segment.groups) for _, segment in shared]),
        numbers(unit, [timing.time for timing in timings]),
        numbers(
            unit._replace(quantity="in nodes"),
            [timing.node_time for timing in timings],
        ),
        numbers(
            unit._replace(quantity="in memory"),
            [timing.dram_time for timing in timings],
        ),
        Column("overhead", "%", True, [_percent(share) for share in overheads]),
        whole("groups of samples", [timing.bat_ngrp for timing in timings]),
    ]


def moves(contents: Contents) -> list[Column]:
    """Return the columns of the table of where fmaps of these segments come from and go to."""
    told = [
        (row, span.segment)
        for row in contents.rows
        if row.shares_segment
        for span in (contents.spans[row.segment],)
    ]
    return [
        texts("layer", [row.name for row, _ in told]),
        texts("segment and group", [row.place for row, _ in told]),
        *(
            texts(
                title,
                [
                    ends_text(row.segment + 1, segment, getattr(row.in_segment, field))
                    for row, segment in told
                ],
            )
            for title, field in (("ifmaps from", "ifmaps_from"), ("ofmaps to", "ofmaps_to"))
        ),
        texts("nodes", [nodes_text(segment.groups[row.group].region) for row, segment in told]),
    ]


def _cell(unit: Unit, number: float) -> Cell:
    return Cell(unit.text(number), number)


def _percent(share: float) -> Cell:
    return Cell(f"{100 * share:.1f}", share)


def texts(title: str, several: Iterable[str], unit: str = "") -> Column:
    """Return a column of texts."""
    return Column(title, unit, False, [Cell(text, text) for text in several])


def whole(title: str, several: Iterable[int]) -> Column:
    """Return a column of whole numbers."""
    return Column(title, "", True, [Cell(str(number), number) for number in several])


def numbers(unit: Unit, several: Iterable[float]) -> Column:
    """Return a column of numbers in a unit."""
    return Column(unit.quantity, unit.name, True, [_cell(unit, number) for number in several])


def _counted(title: str, unit: str, several: Sequence[float]) -> Column:
    return numbers(counted(title, unit, several), several)
