# SPDX-License-Identifier: BSD-3-Clause
"""The node array as a map: who computes where, and between whom data flow.

Decides which segments share a map, and where nodes, memory and arrows are on it (docs/report.md
section 5). The unit of length is the distance of neighbouring nodes; x goes right, y goes down,
and a node is the square around its coordinate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.tools.segments import MEMORY, OWN, rectangles, runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nn_dataflow.tools.search_result import SearchResult
    from nn_dataflow.tools.segments import Rectangle, Segment

    from .layer_rows import Span

Point = tuple[float, float]  # x, y

AT_MEMORY = -1  # in the place of a group
READ, WRITE, PASS = "from memory", "to memory", "between groups"

MOST_SHOWN = 64  # nodes in a row, for them to be told apart
_MEMORY_SIDE = 0.6  # of the square that is a memory node
_OUTSIDE = 1.0  # how far memory at the border is from the node that it is at
_MOST_OUTSIDE = 8  # memory nodes that are drawn outside of the array
# How far the control point is from the line, of its length; around the groups between two others.
_BEND, _BEND_AROUND = 0.16, 0.34
_HEAD_WIDTH = 0.42  # half of it, of its length
_LONG_ENOUGH = 0.9  # for an arrow that is seen
_HALF = 0.5


class Flow(NamedTuple):
    """Fmaps that go from one group to another, from 0; `AT_MEMORY` is the memory."""

    source: int
    target: int


class Arrow(NamedTuple):
    """A flow on the map, a curve with one control point."""

    kind: str
    start: Point
    control: Point
    end: Point

    def head(self, size: float) -> tuple[Point, Point, Point]:
        """Return the tip of the arrow, and the other corners of its head."""
        back = _towards(self.end, self.control, size)
        across = ((self.end[1] - back[1]) * _HEAD_WIDTH, (back[0] - self.end[0]) * _HEAD_WIDTH)
        return (
            self.end,
            (back[0] + across[0], back[1] + across[1]),
            (back[0] - across[0], back[1] - across[1]),
        )


class NodeMap(NamedTuple):
    """Segments that use the nodes in the same way.

    Attributes
    ----------
    segments
        Their numbers, from 1.
    layers
        Names of the layers per group, of the first of these segments.
    groups
        Nodes of each group, as rectangles.
    sizes
        Number of nodes of each group.
    flows
        Who hands fmaps to whom.
    """

    segments: tuple[int, ...]
    layers: tuple[tuple[str, ...], ...]
    groups: tuple[tuple[Rectangle, ...], ...]
    sizes: tuple[int, ...]
    flows: tuple[Flow, ...]

    def anchor(self, group: int) -> Point:
        """Return the middle of the largest rectangle of a group."""
        largest = max(self.groups[group], key=lambda one: one.rows * one.columns)
        return (
            largest.column + (largest.columns - 1) / 2,
            largest.row + (largest.rows - 1) / 2,
        )


class Board(NamedTuple):
    """What all maps of a machine share.

    Attributes
    ----------
    nodes
        All nodes, as rectangles.
    memory
        Where memory nodes are drawn.
    inside
        Whether they are drawn in the nodes that they are at.
    """

    nodes: tuple[Rectangle, ...]
    memory: tuple[Point, ...]
    inside: bool

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Smallest x and y, and largest x and y, of all that is drawn."""
        xs, ys = zip(*self.memory, strict=True)
        for high, wide, row, column in self.nodes:
            xs += (column, column + wide - 1)
            ys += (row, row + high - 1)
        return min(xs) - _HALF, min(ys) - _HALF, max(xs) + _HALF, max(ys) + _HALF

    @property
    def memory_side(self) -> float:
        """Side of the square that is a memory node."""
        return _MEMORY_SIDE / 2 if self.inside else _MEMORY_SIDE

    @property
    def shown_memory(self) -> tuple[Point, ...]:
        """Memory nodes that are large enough to be seen."""
        return self.memory if len(self.memory) <= MOST_SHOWN**2 else ()

    def arrows(self, one: NodeMap, clear: float) -> list[Arrow]:
        """Return the flows of a map as arrows.

        Parameters
        ----------
        one
            The map.
        clear
            What is left free around the middle of a group, for its number.
        """
        edge = self.memory_side / 2
        arrows = []
        for flow in one.flows:
            if flow.source == AT_MEMORY:
                memory, end = self._memory_of(one, flow.target, -1), one.anchor(flow.target)
                arrows.append(_arrow(READ, memory, end, edge, clear))
            elif flow.target == AT_MEMORY:
                start, memory = one.anchor(flow.source), self._memory_of(one, flow.source, 1)
                arrows.append(_arrow(WRITE, start, memory, clear, edge))
            else:
                start, end = one.anchor(flow.source), one.anchor(flow.target)
                arrows.append(_arrow(PASS, start, end, clear, clear))
        return arrows

    def _memory_of(self, one: NodeMap, group: int, side: int) -> Point:
        """Return the memory that an arrow of a group begins or ends at.

        It is the closest one; in the group, where every node has memory, and then to one side of
        the group's number. A group of one such node has the corner of its square.
        """
        x, y = one.anchor(group)
        if not self.inside:
            return min(self.memory, key=lambda place: _squared(place, (x, y)))
        own = [
            place
            for place in self.memory
            if _squared(place, (x, y)) >= _LONG_ENOUGH**2
            and any(_is_in(place, part) for part in one.groups[group])
        ]
        beside = (x + side, y + side)
        return min(
            own, key=lambda place: _squared(place, beside), default=(x + side / 2, y - _HALF)
        )


def board_of(result: SearchResult) -> Board:
    """Return nodes and memory of the machine."""
    region = result.resource.proc_region
    nodes = {(row, column) for row, column in region.coordinates().tolist()}
    places = {(row, column) for row, column in result.resource.dram_region.coordinates().tolist()}
    rows, columns = zip(*nodes, strict=True)
    borders = (min(rows), max(rows)), (min(columns), max(columns))

    def is_at_border(place: tuple[int, int]) -> bool:
        return any(
            not low < number < high for number, (low, high) in zip(place, borders, strict=True)
        )

    inside = len(places) > _MOST_OUTSIDE or not all(map(is_at_border, places))
    memory = [
        (column, row) if inside else (_moved_out(column, borders[1]), _moved_out(row, borders[0]))
        for row, column in sorted(places)
    ]
    return Board(tuple(rectangles(region)), tuple(memory), inside)


def _moved_out(number: int, border: tuple[int, int]) -> float:
    low, high = border
    if number <= low:
        return min(number, low) - _OUTSIDE
    return max(number, high) + _OUTSIDE if number >= high else number


def node_maps(spans: Sequence[Span]) -> list[NodeMap]:
    """Return one map for all segments that use the nodes alike, in the order of the first ones."""
    maps: dict[object, NodeMap] = {}
    for number, span in enumerate(spans, start=1):
        groups = tuple(tuple(rectangles(group.region)) for group in span.segment.groups)
        flows = tuple(sorted(set(_flows(span.segment))))
        known = maps.get((groups, flows))
        if known is not None:
            maps[groups, flows] = known._replace(segments=(*known.segments, number))
            continue
        maps[groups, flows] = NodeMap(
            (number,),
            tuple(tuple(layer.name for layer in group.layers) for group in span.segment.groups),
            groups,
            tuple(group.region.dim.size() for group in span.segment.groups),
            flows,
        )
    return [*maps.values()]


def _flows(segment: Segment) -> Iterator[Flow]:
    for number, group in enumerate(segment.groups):
        for layer in group.layers:
            for source in layer.ifmaps_from:
                if source != OWN:
                    yield Flow(_place(source), number)
            for target in layer.ofmaps_to:
                if target != OWN:
                    yield Flow(number, _place(target))


def _place(place: str | int) -> int:
    return AT_MEMORY if place == MEMORY else int(place)


def numbers_text(numbers: Sequence[int]) -> str:
    """Write numbers in ascending order, runs of them shortened.

    >>> numbers_text([1, 2, 3, 5, 7, 8])
    '1–3, 5, 7, 8'
    """
    texts = [
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs(numbers)
    ]
    return ", ".join(texts)


def _is_in(point: Point, part: Rectangle) -> bool:
    across, down = point[0] - part.column, point[1] - part.row
    return 0 <= across < part.columns and 0 <= down < part.rows


def _squared(one: Point, other: Point) -> float:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2


def _arrow(kind: str, start: Point, end: Point, clear_start: float, clear_end: float) -> Arrow:
    """Return a curve that bends to its left, so that there and back are apart."""
    across, down = end[0] - start[0], end[1] - start[1]
    bend = _BEND_AROUND if kind == PASS else _BEND
    control = (
        (start[0] + end[0]) / 2 + bend * down,
        (start[1] + end[1]) / 2 - bend * across,
    )
    return Arrow(
        kind, _towards(start, control, clear_start), control, _towards(end, control, clear_end)
    )


def _towards(start: Point, end: Point, length: float) -> Point:
    """Return the point at a distance from the start of a line, at most its middle."""
    whole = _squared(start, end) ** 0.5
    part = min(length / whole, _HALF) if whole else 0.0
    return start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])
