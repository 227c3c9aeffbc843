# SPDX-License-Identifier: BSD-3-Clause
"""The readable table of where energy and time of every layer and segment go.

Decides which shares are shown (docs/model/search.md section 7): of each layer in cost and time of
all, of PEs, bus and DRAM in its time, and of the components in its cost. A column without a share
is left out; a narrow terminal gets the shares of time and of cost one below the other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .layer_figures import LIMITS, busy_share, limit_times, summed
from .segment_table import Marks
from .table_text import Column, join, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .search_result import SearchResult
    from .segments import Segment

_PARTS = ("ops", "DRAM", "GBUF", "array", "regf", "hops", "static")
_NOTE = (
    "% all: of the total; % time: of the layer's time (100 is what limits it); % cost: of its "
    "cost, for operations (ops), accesses at DRAM, GBUF, PE array and register files (regf), hops "
    "between nodes, and static"
)


class _Row(NamedTuple):
    """A layer, a segment or the total: cost, time if it does not overlap, and what they are of."""

    name: str
    busy: float
    cost: float
    time: float | None
    times: tuple[float, ...] | None
    parts: tuple[float, ...]


def share_table(
    result: SearchResult, segments: Sequence[tuple[int, Segment]], width: int
) -> list[str]:
    """Return the lines of the table.

    Parameters
    ----------
    result : SearchResult
        The search.
    segments : sequence of (int, Segment)
        Segments of its best schedule, with their numbers.
    width : int
        Columns of the terminal.
    """
    best = result.best
    pes = result.resource.dim_array.size()
    all_pes = pes * result.resource.proc_region.dim.size()
    shared = {
        layer.name
        for _, segment in segments
        if segment.num_layers > 1
        for group in segment.groups
        for layer in group.layers
    }
    layers = [
        _Row(
            shorten(name),
            100 * result.busy_pes(layer),
            layer.total_cost,
            None if name in shared else layer.total_time,
            limit_times(layer.scheme),
            tuple(part.cost for part in result.components(layer)),
        )
        for name, layer in best.items()
    ]
    several = [
        _segment_row(result, number, segment, all_pes)
        for number, segment in segments
        if 1 < segment.num_layers < len(best)
    ]
    total = _Row(
        "total",
        100 * result.busy_pes(),
        best.total_cost,
        best.total_time,
        None,
        tuple(part.cost for part in result.components()),
    )
    rows = [*layers, *several, total]
    marks = Marks(segments).single()
    before = [
        column._replace(cells=[*column.cells, *[""] * (1 + len(several))]) for column in marks
    ]
    before.append(Column("layer", "", [row.name for row in rows], left=True))
    of_time, of_cost = _time_columns(rows), _cost_columns(rows)
    texts = [join([*before, *of_time, *of_cost])]
    if max(map(len, texts[0])) > width:
        texts = [join([*before, *columns]) for columns in (of_time, of_cost)]
    lines = []
    for text in texts:
        rule = "-" * min(width, max(len(line.rstrip()) for line in text))
        end = 2 + len(layers)
        lines += [*text[:end], rule, *text[end:]]
    return [*lines, *wrap(_NOTE.split(), width)]


def _segment_row(result: SearchResult, number: int, segment: Segment, all_pes: int) -> _Row:
    """A segment of several layers, with all nodes, and static energy for its own time."""
    layers = [result.best[layer.name] for group in segment.groups for layer in group.layers]
    time = segment.timing.time
    each = [result.components(layer) for layer in layers]
    parts = tuple(part.cost for part in summed(each, result.cost, time))
    busy = 100 * busy_share(sum(layer.total_ops for layer in layers), time, all_pes)
    return _Row(f"segment {number}", busy, math.fsum(parts), time, None, parts)


def _time_columns(rows: Sequence[_Row]) -> list[Column]:
    total = rows[-1]
    assert total.time is not None
    columns = [
        _column("cost", "% all", [_share(row.cost, total.cost) for row in rows]),
        _column(
            "time",
            "% all",
            [None if row.time is None else _share(row.time, total.time) for row in rows],
        ),
    ]
    for number, limit in enumerate(LIMITS):
        shares = [
            None if row.times is None else _share(row.times[number], max(row.times)) for row in rows
        ]
        if any(shares):
            columns.append(_column(limit, "% time", shares))
    if len(rows) > 1 + sum(row.times is not None for row in rows):
        columns.insert(2, _column("PEs", "% busy", [row.busy for row in rows]))
    return columns


def _cost_columns(rows: Sequence[_Row]) -> list[Column]:
    columns = []
    for number, part in enumerate(_PARTS):
        shares = [_share(row.parts[number], row.cost) for row in rows]
        if any(shares):
            columns.append(_column(part, "% cost", shares))
    return columns


def _column(title: str, unit: str, shares: Sequence[float | None]) -> Column:
    return Column(title, unit, ["" if share is None else f"{share:.1f}" for share in shares])


def _share(part: float, whole: float) -> float:
    """Return a share in percent; nothing has no shares."""
    return 100 * part / whole if whole else 0
