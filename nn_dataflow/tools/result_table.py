# SPDX-License-Identifier: BSD-3-Clause
"""The readable table of a finished network search.

Decides what a terminal shows of the JSON record (docs/model/search.md section 7.1), in which units,
and how it fits the width: a narrow terminal gets two lines per layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .curve_table import curve_table
from .effort_text import effort_lines
from .layer_figures import limit_of
from .problem_text import problem_facts, problem_title
from .segment_table import Marks, segment_tables
from .segments import segments_of
from .share_table import share_table
from .table_text import Column, alone, flow, join, scale, scaled, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .search_result import SearchResult
    from .segments import Segment

_PARTS = ("OUTP", "OFMP", "BATP", "INPP")

_BUSY_NOTE = (
    "PEs busy: operations / (time x nodes x PEs per node); time limit: the longest of the times in "
    "PEs, on the bus to them and in DRAM"
)
_OWN_NODES_NOTE = (
    f"{_BUSY_NOTE}; both of a layer with its own time and nodes, in total with the time of the "
    "segments and all nodes"
)
_SEGMENT_NOTE = (
    "seg.: segment.group; the groups of a segment run side by side on nodes of their own, the "
    "layers of a group one after another"
)
_OVERLAP_NOTE = (
    "time, and what limits it: of the layer by itself; layers of a segment overlap, and the total "
    "is the time of the segments"
)
_STATIC_NOTE = (
    "cost: with the static cost of the layer's own time, in total with that of the time of the "
    "segments"
)
_PARTITION_NOTE = (
    "partition: rows x columns of nodes over which output channels (OUTP), ofmap rows and columns "
    "(OFMP), batch (BATP) or input channels (INPP) are split"
)
_BLOCKING_NOTE = (
    "blocking: trips of the loops over input channels (I), output channels (O) and batch (B) in "
    "DRAM·GBUF·register file, outer to inner; order: loops of several trips in DRAM/GBUF, outer to "
    "inner"
)
_SHARING_NOTE = (
    "sharing: nodes over whose buffers one block of filters (F), ifmaps (I) or ofmaps (O) is spread"
)


def render(result: SearchResult, width: int) -> str:
    """Return the table, every line of which ends with a newline.

    Parameters
    ----------
    result : SearchResult
        The search.
    width : int
        Columns of the terminal. Below about 70, lines can be longer.
    """
    segments = [*enumerate(segments_of(result), start=1)]
    blocks = [
        _heading(result, width),
        _layers(result, segments, width),
        share_table(result, segments, width),
        segment_tables(result, segments, width),
        _totals(result, width),
        _breakdown(result),
        curve_table(result.curve, result.cost_name, width),
        effort_lines(result, width),
    ]
    texts = ["".join(line.rstrip() + "\n" for line in block) for block in blocks if block]
    return "\n".join(texts)


def _heading(result: SearchResult, width: int) -> list[str]:
    facts = problem_facts(result)
    interrupted = ["interrupted: this is the best that was found so far"]
    return [
        problem_title(result),
        *(interrupted if result.interrupted else []),
        *(line for key in facts for line in flow(key, facts[key], width)),
    ]


def _layers(result: SearchResult, segments: Sequence[tuple[int, Segment]], width: int) -> list[str]:
    numbers = _number_columns(result)
    texts = _text_columns(result)
    marks = Marks(segments)
    lines = join([*map(_with_total, marks.single()), *numbers, *texts])
    num_total = 1
    if max(map(len, lines)) > width:
        lines, num_total = _two_lines(marks, numbers, texts, width)
    rule = "-" * min(width, max(len(line.rstrip()) for line in lines))
    wrapped = [line for note in _notes(result, marks) for line in wrap(note.split(), width)]
    return [*lines[:-num_total], rule, *lines[-num_total:], *wrapped]


def _two_lines(
    marks: Marks, numbers: Sequence[Column], texts: Sequence[Column], width: int
) -> tuple[list[str], int]:
    """Write two lines per layer, the numbers first as far as they fit; the total may have one.

    Returns
    -------
    lines : list of str
    num_total : int
        How many of them are the total.
    """
    above, below = ([*map(_with_total, columns)] for columns in marks.double())
    num = len(numbers)
    while num > 1 and max(map(len, join([*above, *numbers[:num]]))) > width:
        num -= 1
    upper = join([*above, *numbers[:num]])
    lower = join([*below, *numbers[num:], *texts])
    lines = [*upper[:2], *lower[:2]]
    for pair in zip(upper[2:], lower[2:], strict=True):
        lines += pair
    if lower[-1].strip():
        return lines, 2
    return lines[:-1], 1


def _with_total(column: Column) -> Column:
    """Return a column of layers with an empty row for the total."""
    return column._replace(cells=[*column.cells, ""])


def _notes(result: SearchResult, marks: Marks) -> list[str]:
    notes = [_BUSY_NOTE]
    if marks.any:
        notes = [_OWN_NODES_NOTE, _SEGMENT_NOTE, _OVERLAP_NOTE]
        if result.cost.idl_unit:
            notes.append(_STATIC_NOTE)
    if result.resource.proc_region.dim.size() > 1:
        notes.append(_PARTITION_NOTE)
    notes.append(_BLOCKING_NOTE)
    if result.sharing_hops().amount:
        notes.append(_SHARING_NOTE)
    return notes


def _number_columns(result: SearchResult) -> list[Column]:
    best = result.best
    layers = list(best.items())
    busy_pes = [result.busy_pes(layer) for layer in (*best.values(), None)]
    limits = [limit_of(layer.scheme) for _, layer in layers]
    columns = [
        Column("layer", "", [*(shorten(name) for name, _ in layers), "total"], left=True),
        scaled(
            "cost", result.cost_name, [layer.total_cost for _, layer in layers], best.total_cost
        ),
        scaled("time", "cycles", [layer.total_time for _, layer in layers], best.total_time),
        Column("PEs busy", "% of time", [f"{100 * share:.1f}" for share in busy_pes]),
        Column("time", "limit", [*limits, ""], left=True),
    ]
    for level, title in ((0, "DRAM"), (1, "GBUF")):
        accesses = [layer.total_accesses[level] for _, layer in layers]
        columns.append(scaled(title, "words", accesses, best.total_accesses[level]))
    return columns


def _text_columns(result: SearchResult) -> list[Column]:
    schemes = [layer.scheme for _, layer in result.best.items()]
    parts = [partition_text(scheme["part"]) for scheme in schemes]
    columns = [Column("partition", "nodes", [*parts, ""], left=True)]
    for title, key in (("I", "ti"), ("O", "to"), ("B", "tb")):
        cells = ["·".join(map(str, scheme[key])) for scheme in schemes]
        columns.append(Column(title, "trips", [*cells, ""], left=True))
    columns.append(Column("order", "", [*map(order_text, schemes), ""], left=True))
    if result.sharing_hops().amount:
        columns.append(Column("sharing", "nodes", [*map(_sharing, schemes), ""], left=True))
    return columns


def _totals(result: SearchResult, width: int) -> list[str]:
    lines = []
    for rank, scheme in enumerate(result.tops, start=1):
        cost, time = scheme.total_cost, scheme.total_time
        items = (
            f"cost {alone(cost, result.cost_name)}",
            f"time {alone(time, 'cycles')}",
            f"cost x time {cost * time:.6g} {result.cost_name.removesuffix('s')}-cycles",
        )
        lines += flow("total" if rank == 1 else f"no. {rank}", items, width)
    return lines


def _breakdown(result: SearchResult) -> list[str]:
    parts = result.components()
    within = result.sharing_hops()
    if within.amount:
        at = next(n for n, part in enumerate(parts) if part.unit == within.unit)
        parts.insert(at + 1, within._replace(name=f"  {within.name}"))
    total = result.best.total_cost
    costs = scale([total])
    total_share = 100 if total else 0
    shares = [total_share * part.cost / (total or 1) for part in parts]
    units = {part.unit: scale(p.amount for p in parts if p.unit == part.unit) for part in parts}
    amounts = [units[part.unit].text(part.amount) for part in parts]
    amount_units = [units[part.unit].unit(part.unit) for part in parts]
    money = [costs.text(cost) for cost in (*(part.cost for part in parts), total)]
    columns = (
        Column("cost of", "", [*(part.name for part in parts), "total"], left=True),
        Column("amount", "", [*amounts, ""]),
        Column("", "", [*amount_units, ""], left=True),
        Column("cost", costs.unit(result.cost_name), money),
        Column("share", "%", [f"{share:.1f}" for share in (*shares, total_share)]),
    )
    return join(columns)


def partition_text(part: Any) -> str:
    """Write which dimensions are split how, outermost first."""
    dims = [(_PARTS[kind], *part.pdims[kind]) for kind in part.order]
    split = [f"{name} {rows}x{columns}" for name, rows, columns in dims]
    return ", ".join(text for text in split if not text.endswith(" 1x1")) or "-"


def order_text(scheme: Any) -> str:
    """Write the loops of more than one trip of the two outer levels, outermost first."""
    trips = (scheme["ti"], scheme["to"], scheme["tb"])
    levels = []
    for level, positions in enumerate(scheme["orders"]):
        loops = [loop for loop in range(3) if trips[loop][level] > 1]
        loops.sort(key=list(positions).__getitem__, reverse=True)
        levels.append("".join("IOB"[loop] for loop in loops) or "-")
    return "/".join(levels)


def _sharing(scheme: Any) -> str:
    """Write the nodes over which a block of each category is spread, where these are several."""
    spread = zip("FIO", scheme["bufshr_subgrp_size"], strict=True)
    return " ".join(f"{letter}{nodes}" for letter, nodes in spread if nodes > 1) or "-"
