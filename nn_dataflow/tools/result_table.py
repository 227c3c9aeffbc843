# SPDX-License-Identifier: BSD-3-Clause
"""The readable table of a finished network search.

Decides what a terminal shows of the JSON record (docs/model/search.md section 7.1), in which units,
and how it fits the width: a narrow terminal gets two lines per layer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .search_result import SearchResult

_GOALS = {"e": "energy (cost)", "d": "delay (time)", "ed": "energy x delay (cost x time)"}
_PARTS = ("OUTP", "OFMP", "BATP", "INPP")

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_LARGEST = 1e6  # a number gets a prefix if its column holds one as large as this
_LONGEST_NAME = 28
_INDENT = "    "

_BUSY_NOTE = "PEs busy: operations / (time x nodes x PEs per node)"
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
_EFFORT = {
    "equivalent": "pruned by equivalence",
    "capacity": "pruned by capacity",
    "bound": "pruned by bound",
}


class Scale(NamedTuple):
    """How the numbers of a column are written: the same prefix and decimals in all of them."""

    prefix: str
    factor: float
    decimals: int

    def unit(self, name: str) -> str:
        """Return a unit with the prefix.

        >>> scale([2.5e9]).unit("words"), scale([250]).unit("words")
        ('M words', 'words')
        """
        return f"{self.prefix} {name}".lstrip()

    def text(self, number: float) -> str:
        """Return a number in the unit; one that is too small to be seen is not written as zero.

        >>> scale([2.5e9, 40]).text(1.5e6), scale([2.5e9, 40]).text(40)
        ('1.5', '<0.1')
        """
        value = number / self.factor
        if 0 < value < 0.5 * 10**-self.decimals:
            return f"<{10**-self.decimals:.{self.decimals}f}"
        return f"{value:.{self.decimals}f}"


def scale(numbers: Iterable[float]) -> Scale:
    """Return the scale of a column: up to six digits before the point.

    Examples
    --------
    >>> [scale([number]).text(number) for number in (1.25, 12, 3.21e6, 987654321)]
    ['1.2', '12', '3210.0', '987654.3']
    """
    values = [number for number in numbers if math.isfinite(number)]
    largest = max(values, default=0)
    power = 0
    while largest / 1000**power >= _LARGEST and power < len(_PREFIXES) - 1:
        power += 1
    whole = power == 0 and all(value == int(value) for value in values)
    return Scale(_PREFIXES[power], 1000.0**power, 0 if whole else 1)


class Column(NamedTuple):
    """A column of the table: two lines of heading, and a text for each row."""

    title: str
    unit: str
    cells: list[str]
    left: bool = False

    def lines(self) -> list[str]:
        """Return heading and cells, padded to the same width."""
        texts = [self.title, self.unit, *self.cells]
        width = max(map(len, texts))
        return [text.ljust(width) if self.left else text.rjust(width) for text in texts]


def _join(columns: Iterable[Column]) -> list[str]:
    return [*map("  ".join, zip(*(column.lines() for column in columns), strict=True))]


def render(result: SearchResult, width: int) -> str:
    """Return the table, every line of which ends with a newline.

    Parameters
    ----------
    result : SearchResult
        The search.
    width : int
        Columns of the terminal. Below about 70, lines can be longer.
    """
    blocks = [
        _heading(result, width),
        _layers(result, width),
        _totals(result, width),
        _breakdown(result),
        _effort(result, width),
    ]
    texts = ["".join(line.rstrip() + "\n" for line in block) for block in blocks if block]
    return "\n".join(texts)


def _heading(result: SearchResult, width: int) -> list[str]:
    given = result.arguments
    resource = result.resource
    gbuf, regf = resource.size_gbuf, resource.size_regf
    corners = "at the 4 corners" if given.mem_type == "2D" else "at every node"
    bus, dram = resource.array_bus_width, resource.dram_bandwidth
    machine = [
        f"{_by(given.nodes)} nodes of {_by(given.array)} PEs",
        f"{given.word}-bit words",
        f"register file {_kilobytes(given.regf)} ({regf} words) per PE",
        f"global buffer (GBUF) {_kilobytes(given.gbuf)} ({gbuf} words) per node",
        f"bus from GBUF to PEs {_rate(bus)} per data category",
        f"{given.mem_type} memory (DRAM) {corners}",
        f"DRAM bandwidth {_rate(dram)}",
    ]
    dram_cost, gbuf_cost, itcn_cost, regf_cost = (f"{cost:g}" for cost in result.cost.mem_hier)
    costs = [
        f"operation {result.cost.mac_op:g}",
        f"DRAM word {dram_cost}",
        f"GBUF word {gbuf_cost}",
        f"array word {itcn_cost}",
        f"register file word {regf_cost}",
        f"word-hop {result.cost.noc_hop:g}",
        f"cycle {result.cost.idl_unit:g} (static)",
    ]
    if result.cost.mac_op == 1:
        costs.append("one unit is the energy of a MAC operation")
    may_bypass = [
        name
        for letter, name in (("f", "filters"), ("i", "ifmaps"), ("o", "ofmaps"))
        if letter not in given.disable_bypass
    ]
    kinds = [
        name
        for name, wanted in (
            ("hybrid", given.hybrid_partition),
            ("batch", given.batch_partition),
            ("ifmaps", given.ifmaps_partition),
        )
        if wanted
    ]
    options = [
        f"may bypass GBUF: {', '.join(may_bypass) or 'nothing'}",
        f"partition {', '.join(kinds) or 'in one fixed way'}",
        f"loop blocking {'by formula' if given.solve_loopblocking else 'exhaustive'}",
    ]
    if given.enable_access_forwarding:
        options.append("nodes forward data")
    if given.enable_gbuf_sharing:
        options.append("nodes share GBUF and forward data")
    return [
        f"{given.net}, batch {given.batch}, goal: least {_GOALS[given.goal]}",
        *_flow("machine", machine, width),
        *_flow("costs", costs, width),
        *_flow("options", options, width),
    ]


def _layers(result: SearchResult, width: int) -> list[str]:
    numbers = _number_columns(result)
    texts = _text_columns(result)
    notes = [_BUSY_NOTE, _PARTITION_NOTE, _BLOCKING_NOTE]
    if math.prod(result.arguments.nodes) == 1:
        notes.remove(_PARTITION_NOTE)
    if result.sharing_hops().amount:
        notes.append(_SHARING_NOTE)
    wide = _join([*numbers, *texts])
    if max(map(len, wide)) <= width:
        lines = wide
    else:
        upper = _join(numbers)
        lower = [_INDENT + line for line in _join(texts)]
        lines = [*upper[:2], *lower[:2]]
        for pair in zip(upper[2:-1], lower[2:-1], strict=True):
            lines += pair
        lines.append(upper[-1])  # the total has no second line
    rule = "-" * min(width, max(len(line.rstrip()) for line in lines))
    wrapped = [line for note in notes for line in _wrap(note.split(), width)]
    return [*lines[:-1], rule, lines[-1], *wrapped]


def _number_columns(result: SearchResult) -> list[Column]:
    best, resource = result.best, result.resource
    layers = list(best.items())
    num_pes = resource.dim_array.size() * resource.proc_region.dim.size()
    busy_pes = [100 * layer.total_ops / (layer.total_time * num_pes) for _, layer in layers]
    busy_pes.append(100 * best.total_ops / (best.total_time * num_pes))
    columns = [
        Column("layer", "", [*(_shorten(name) for name, _ in layers), "total"], left=True),
        _scaled("cost", "units", [layer.total_cost for _, layer in layers], best.total_cost),
        _scaled("time", "cycles", [layer.total_time for _, layer in layers], best.total_time),
        Column("PEs busy", "% of time", [f"{percent:.1f}" for percent in busy_pes]),
    ]
    for level, title in ((0, "DRAM"), (1, "GBUF")):
        accesses = [layer.total_accesses[level] for _, layer in layers]
        columns.append(_scaled(title, "words", accesses, best.total_accesses[level]))
    limits = [_limit(layer.scheme) for _, layer in layers]
    if set(limits) != {"PEs"}:
        columns.insert(4, Column("time", "limit", [*limits, ""], left=True))
    return columns


def _text_columns(result: SearchResult) -> list[Column]:
    schemes = [layer.scheme for _, layer in result.best.items()]
    parts = [_partition(scheme["part"]) for scheme in schemes]
    columns = [Column("partition", "nodes", [*parts, ""], left=True)]
    for title, key in (("I", "ti"), ("O", "to"), ("B", "tb")):
        cells = ["·".join(map(str, scheme[key])) for scheme in schemes]
        columns.append(Column(title, "trips", [*cells, ""], left=True))
    columns.append(Column("order", "", [*map(_order, schemes), ""], left=True))
    if result.sharing_hops().amount:
        columns.append(Column("sharing", "nodes", [*map(_sharing, schemes), ""], left=True))
    return columns


def _totals(result: SearchResult, width: int) -> list[str]:
    lines = []
    for rank, scheme in enumerate(result.tops, start=1):
        cost, time = scheme.total_cost, scheme.total_time
        items = (
            f"cost {_alone(cost, 'units')}",
            f"time {_alone(time, 'cycles')}",
            f"cost x time {cost * time:.6g} unit-cycles",
        )
        lines += _flow("total" if rank == 1 else f"no. {rank}", items, width)
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
        Column("cost", costs.unit("units"), money),
        Column("share", "%", [f"{share:.1f}" for share in (*shares, total_share)]),
    )
    return _join(columns)


def _effort(result: SearchResult, width: int) -> list[str]:
    reused, computed = result.cache_stats
    processes = result.options.nprocesses
    search = (
        f"{result.elapsed:.3f} s",
        f"{processes} process{'es' if processes > 1 else ''}",
        f"layer searches {computed:,} computed, {reused:,} reused",
    )
    effort = [
        f"{_EFFORT.get(name, name.replace('_', ' '))} {count:,}"
        for name, count in result.effort.items()
    ]
    return [*_flow("search", search, width), *_flow("effort", effort, width)]


def _scaled(title: str, unit: str, numbers: Sequence[float], total: float) -> Column:
    by = scale([*numbers, total])
    return Column(title, by.unit(unit), [by.text(number) for number in (*numbers, total)])


def _alone(number: float, unit: str) -> str:
    by = scale([number])
    return f"{by.text(number)} {by.unit(unit)}"


def _by(dims: Sequence[int]) -> str:
    return f"{dims[0]}x{dims[1]}"


def _kilobytes(num_bytes: int) -> str:
    return f"{num_bytes / 1024:g} kB"


def _rate(words: float) -> str:
    return "unlimited" if words == math.inf else f"{words:g} words/cycle"


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _limit(scheme: Any) -> str:
    """Name what the time of a layer comes from: its PEs, the bus to the PEs, or DRAM."""
    times = (scheme["proc_time"], scheme["bus_time"], scheme["dram_time"])
    return ("PEs", "bus", "DRAM")[times.index(max(times))]


def _partition(part: Any) -> str:
    split = [f"{_PARTS[kind]} {_by(part.pdims[kind])}" for kind in part.order]
    return ", ".join(text for text in split if not text.endswith(" 1x1")) or "-"


def _order(scheme: Any) -> str:
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


def _flow(label: str, items: Sequence[str], width: int) -> list[str]:
    """Write a list of items behind a label; an item is not broken."""
    if not items:
        return []
    ends = [";"] * (len(items) - 1) + [""]
    lines = _wrap([item + end for item, end in zip(items, ends, strict=True)], width - 8)
    return [f"{label if not n else '':<8}{line}" for n, line in enumerate(lines)]


def _wrap(words: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
