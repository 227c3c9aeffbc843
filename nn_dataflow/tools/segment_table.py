# SPDX-License-Identifier: BSD-3-Clause
"""What the readable table tells about layers that share a segment.

Decides how segments are marked among the layers, and how their nodes, times and moves of fmaps are
written (docs/model/search.md section 7). Segments of one layer need no word: they are the layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .segments import rectangles
from .table_text import Column, join, scale, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.node_region import NodeRegion
    from nn_dataflow.core.pipeline_segment_timing import PipelineSegmentTiming

    from .search_result import SearchResult
    from .segments import Segment

_SIGNS = _NONE, _MIDDLE, _FIRST, _LAST = " ", "│", "┌", "└"
_INDENT = 2  # and two more between columns
_TIME_NOTE = (
    "limit: the longer of the time in the nodes and that of all DRAM accesses of the segment; "
    "overhead: time beyond that of its layers one by one on all its nodes; sample groups: parts "
    "of the batch that follow each other through the layers"
)
_MOVE_NOTE = (
    "start, end: in the segment, without waiting for DRAM that other layers use at the same time; "
    "from, to: DRAM, own (buffers of the layer's own nodes), or the group on other nodes"
)
_NODES_NOTE = "nodes: how many, and where: rows x columns at (row, column)"
_ONE_SEGMENT_NOTE = (
    "The whole network is one segment: batch follows batch without a break, so that the total is "
    "the time of its busiest group, or of DRAM."
)


class Marks:
    """The column before the layers that shows which of them share a segment, and a group.

    Parameters
    ----------
    segments : sequence of (int, Segment)
        Segments with their numbers. If each has one layer, there is no such column.
    """

    def __init__(self, segments: Sequence[tuple[int, Segment]]) -> None:
        self.any = any(segment.num_layers > 1 for _, segment in segments)
        self._labels: list[str] = []
        self._signs: list[tuple[str, str]] = []  # where a row begins, and where it ends
        for number, segment in segments:
            for sp, group in enumerate(segment.groups):
                self._labels += [group_label(number, segment, sp)] * len(group.layers)
            if segment.num_layers == 1:
                self._signs.append((_NONE, _NONE))
            else:
                middle = [(_MIDDLE, _MIDDLE)] * (segment.num_layers - 2)
                self._signs += [(_FIRST, _MIDDLE), *middle, (_MIDDLE, _LAST)]

    def single(self) -> list[Column]:
        """Return the column for layers of one line each, or none."""
        return self._column([max(pair, key=_SIGNS.index) for pair in self._signs])

    def double(self) -> tuple[list[Column], list[Column]]:
        """Return the columns for layers of two lines each, the second of which is indented."""
        upper = self._column([begin for begin, _ in self._signs])
        lower = [end.ljust(_INDENT) for _, end in self._signs]
        for column in upper:
            width = len(column.lines()[0])
            lower = [cell.ljust(width) for cell in lower]
        return upper, [Column("", "", lower, left=True)]

    def _column(self, signs: Sequence[str]) -> list[Column]:
        if not self.any:
            return []
        cells = [f"{sign} {label}" for sign, label in zip(signs, self._labels, strict=True)]
        return [Column("seg.", "", cells, left=True)]


def segment_tables(
    result: SearchResult, segments: Sequence[tuple[int, Segment]], width: int
) -> list[str]:
    """Return the tables of the segments of several layers, and of the layers in them.

    Parameters
    ----------
    result : SearchResult
        The search.
    segments : sequence of (int, Segment)
        Segments of its best schedule, with their numbers.
    width : int
        Columns of the terminal.
    """
    shared = [(number, segment) for number, segment in segments if segment.num_layers > 1]
    if not shared:
        return []
    notes = [_MOVE_NOTE, _NODES_NOTE]
    if len(segments) == 1 and len(result.best) == len(result.best.network):
        notes.append(_ONE_SEGMENT_NOTE)
    return [
        *_times(shared),
        *_wrapped([_TIME_NOTE], width),
        "",
        *_moves(shared, width),
        *_wrapped(notes, width),
    ]


def _wrapped(notes: Sequence[str], width: int) -> list[str]:
    return [line for note in notes for line in wrap(note.split(), width)]


def _times(shared: Sequence[tuple[int, Segment]]) -> list[str]:
    """Write the times of segments, one line each."""
    timings = [segment.timing for _, segment in shared]
    by = scale([timing.time for timing in timings])
    unit = by.unit("cycles")
    return join(
        [
            Column("segment", "", [str(number) for number, _ in shared], left=True),
            Column("layers", "", [str(segment.num_layers) for _, segment in shared]),
            Column("groups", "of nodes", [str(len(segment.groups)) for _, segment in shared]),
            Column("time", unit, [by.text(timing.time) for timing in timings]),
            Column("limit", "", [_limit(timing) for timing in timings], left=True),
            Column("in nodes", unit, [by.text(timing.node_time) for timing in timings]),
            Column("in DRAM", unit, [by.text(timing.dram_time) for timing in timings]),
            Column("overhead", "%", [f"{100 * timing.time_overhead:.1f}" for timing in timings]),
            Column("sample", "groups", [str(timing.bat_ngrp) for timing in timings]),
        ]
    )


def _moves(shared: Sequence[tuple[int, Segment]], width: int) -> list[str]:
    """Write when the layers of segments run, where, and where their fmaps come from and go."""
    rows = [
        (number, segment, group, layer)
        for number, segment in shared
        for group in segment.groups
        for layer in group.layers
    ]
    by = scale([layer.end for *_, layer in rows])
    unit = by.unit("cycles")
    columns = [
        Column("layer", "", [shorten(layer.name) for *_, layer in rows], left=True),
        Column("start", unit, [by.text(layer.start) for *_, layer in rows]),
        Column("end", unit, [by.text(layer.end) for *_, layer in rows]),
        Column(
            "ifmaps",
            "from",
            [ends_text(number, segment, layer.ifmaps_from) for number, segment, _, layer in rows],
            left=True,
        ),
        Column(
            "ofmaps",
            "to",
            [ends_text(number, segment, layer.ofmaps_to) for number, segment, _, layer in rows],
            left=True,
        ),
    ]
    nodes = [
        nodes_text(group.region) if layer is group.layers[0] else "" for _, _, group, layer in rows
    ]
    marks = Marks(shared)
    wide = join([*marks.single(), *columns, Column("nodes", "", nodes, left=True)])
    if max(map(len, wide)) <= width:
        return wide
    # The nodes of a group have a line of their own before its layers.
    upper, lower = marks.double()
    before = join([*upper, Column("", "", [f"nodes {text}" for text in nodes], left=True)])
    after = join([*(column._replace(title="seg.") for column in lower), *columns])
    lines = after[:2]
    for text, first, second in zip(nodes, before[2:], after[2:], strict=True):
        lines += [first, second] if text else [second]
    return lines


def _limit(timing: PipelineSegmentTiming) -> str:
    return "nodes" if timing.node_time >= timing.dram_time else "DRAM"


def group_label(number: int, segment: Segment, sp: int) -> str:
    """Name a group: by its segment alone, where this has no other."""
    return f"{number}.{sp + 1}" if len(segment.groups) > 1 else f"{number}"


def ends_text(number: int, segment: Segment, places: Sequence[str | int]) -> str:
    """Write where fmaps come from, or where they go."""
    return " + ".join(
        place if isinstance(place, str) else group_label(number, segment, place) for place in places
    )


def nodes_text(region: NodeRegion) -> str:
    """Write the nodes of a region, which may be folded, as rectangles.

    >>> from nn_dataflow.core import NodeRegion, PhyDim2
    >>> chip = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> [nodes_text(region) for region in chip.allocate([5, 11])]
    ['5: 1x4 at (0,0) + 1x1 at (1,3)', '11: 1x3 at (1,0) + 2x4 at (2,0)']
    """
    parts = (f"{high}x{wide} at ({row},{column})" for high, wide, row, column in rectangles(region))
    return f"{region.dim.size()}: {' + '.join(parts)}"
