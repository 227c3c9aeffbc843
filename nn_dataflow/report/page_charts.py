# SPDX-License-Identifier: BSD-3-Clause
"""Drawings of the report: where bars, points, nodes and arrows are in inline SVG.

Decides sizes and places (docs/report.md sections 2 to 5); the template writes the elements. Bars
are in percent of the width that they have, so that text beside them keeps its size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.tools.table_text import shorten

from .layer_rows import KINDS
from .node_maps import MOST_SHOWN, PASS, READ, WRITE, numbers_text
from .palette import GROUP_FILLS
from .roofline import along, frame_of, label_places, log_ticks, roof_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nn_dataflow.tools.segments import Rectangle

    from .contents import Contents
    from .node_maps import Arrow, Board, NodeMap
    from .roofline import Point

# Roofline, in units of the drawing: about one per pixel of a phone.
_WIDTH, _HEIGHT = 380.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 16.0, 8.0, 40.0
_LETTER, _LINE = 5.2, 9.0  # width of a letter and height of a line, at most
_DOT = 3.6
_STEP = 2.5  # along lines that names must not cover

_CLASSES = {READ: "read", WRITE: "write", PASS: "pass"}
_CLEAR = 0.34
_MAP_SIZE = 220.0


class Bar(NamedTuple):
    """A part of a bar: what it is drawn with, where it begins and how long it is, in percent."""

    fill: str
    begin: str
    length: str


class Dot(NamedTuple):
    """Layers of the roofline: kind, place, and what is said of them."""

    kind: int
    x: str
    y: str
    title: str


class Text(NamedTuple):
    """A text and where it begins, or where its middle is."""

    x: str
    y: str
    text: str


class Roofline(NamedTuple):
    """The drawing of a roofline; ``roof`` are the points of a line."""

    width: str
    height: str
    frame: tuple[str, str, str, str]  # left, top, right, bottom
    ticks_x: list[Text]
    ticks_y: list[Text]
    roof: str
    dots: list[Dot]
    names: list[Text]
    num_named: int


class GroupArea(NamedTuple):
    """Nodes of a group: fill, number, and the outline of all its rectangles."""

    fill: str
    number: int
    path: str
    x: str
    y: str


class ArrowLine(NamedTuple):
    """A flow: its class, the curve, and the corners of the head."""

    kind: str
    path: str
    head: str


class MapDrawing(NamedTuple):
    """The drawing of a map of nodes, with what it shows in words."""

    box: str
    title: str
    groups: list[GroupArea]
    captions: list[str]
    grid: str
    memory: list[tuple[str, str]]
    memory_side: str
    arrows: list[ArrowLine]
    radius: str
    letter: str


def stacked(values: Iterable[float], whole: float, fills: Sequence[str]) -> list[Bar]:
    """Return the parts of a bar one after another.

    >>> stacked([1, 0, 3], 8, ["a", "b", "c"])
    [Bar(fill='a', begin='0', length='12.5'), Bar(fill='c', begin='12.5', length='37.5')]
    """
    bars = []
    begin = 0.0
    for value, fill in zip(values, fills, strict=True):
        length = 100 * value / whole if whole else 0.0
        if length:
            bars.append(Bar(fill, short(begin), short(length)))
        begin += length
    return bars


def between(fill: str, begin: float, end: float, first: float, last: float) -> Bar:
    """Return the bar from one time to another, in the time from the first to the last."""
    whole = last - first
    return Bar(fill, short(100 * (begin - first) / whole), short(100 * (end - begin) / whole))


def roofline(contents: Contents) -> Roofline:
    """Return the drawing of all layers under the roofs."""
    points, roofs = contents.points, contents.roofs
    frame = frame_of(points, roofs)
    left, right, bottom, top = map(math.log10, frame[:4])

    def place(words: float, cycles: float) -> tuple[float, float]:
        x = (math.log10(min(words, frame.beyond)) - left) / (right - left)
        y = (math.log10(cycles) - bottom) / (top - bottom)
        return (
            _LEFT + x * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM),
        )

    middles = [place(point.words, point.cycles) for point in points]
    corners = [place(*corner) for corner in roof_line(frame, roofs)]
    labels = [shorten(point.label) for point in points]
    names = label_places(
        middles,
        [(len(label) * _LETTER, _LINE) for label in labels],
        (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM),
        _DOT,
        along(corners, _STEP),
    )
    return Roofline(
        short(_WIDTH),
        short(_HEIGHT),
        (short(_LEFT), short(_TOP), short(_WIDTH - _RIGHT), short(_HEIGHT - _BOTTOM)),
        [
            Text(short(place(tick, frame.bottom)[0]), "", f"{tick:g}")
            for tick in log_ticks(*frame[:2])
        ],
        [
            Text("", short(place(frame.left, tick)[1]), f"{tick:g}")
            for tick in log_ticks(*frame[2:4])
        ],
        " ".join(f"{short(x)},{short(y)}" for x, y in corners),
        [
            Dot(KINDS.index(point.kind), short(x), short(y), _told(point))
            for point, (x, y) in zip(points, middles, strict=True)
        ],
        [
            Text(short(name[0]), short(name[1] + _LINE - 2), label)
            for name, label in zip(names, labels, strict=True)
            if name is not None
        ],
        sum(name is not None for name in names),
    )


def _told(point: Point) -> str:
    """Say what a point is."""
    words = f"{point.words:.4g} operations per word"
    if math.isinf(point.words):
        words = "no memory traffic"
    return f"{', '.join(point.names)}: {words}, {point.cycles:.4g} operations per cycle"


def map_drawings(contents: Contents) -> list[MapDrawing]:
    """Return the drawings of the node array, one per way in which segments use it."""
    return [_map_drawing(contents.board, one) for one in contents.maps]


def _map_drawing(board: Board, one: NodeMap) -> MapDrawing:
    left, top, right, bottom = board.extent
    size = max(right - left, bottom - top)
    pen = _Pen(_MAP_SIZE / size)
    clear = max(_CLEAR, 0.05 * size)
    side = board.memory_side
    several = len(one.segments) > 1
    groups = [
        GroupArea(
            f"g{group % len(GROUP_FILLS)}", group + 1, pen.areas(parts), *pen.at(one.anchor(group))
        )
        for group, parts in enumerate(one.groups)
    ]
    captions = [
        f"{size} node{'s' if size > 1 else ''}{'' if several else ': ' + ', '.join(layers)}"
        for size, layers in zip(one.sizes, one.layers, strict=True)
    ]
    return MapDrawing(
        " ".join((*pen.at((left, top)), *pen.at((right - left, bottom - top)))),
        f"segment{'s' if several else ''} {numbers_text(one.segments)}",
        groups,
        captions,
        pen.grid([part for part in board.nodes if max(part.rows, part.columns) <= MOST_SHOWN]),
        [pen.at((x - side / 2, y - side / 2)) for x, y in board.shown_memory],
        pen.of(side),
        [pen.arrow(arrow, 0.05 * size) for arrow in board.arrows(one, clear)],
        pen.of(0.8 * clear),
        pen.of(clear),
    )


class _Pen(NamedTuple):
    """Writes lengths in the unit of a map as those of the drawing."""

    scale: float

    def of(self, length: float) -> str:
        """Return a length."""
        return short(self.scale * length)

    def at(self, point: tuple[float, float]) -> tuple[str, str]:
        """Return a point."""
        return self.of(point[0]), self.of(point[1])

    def areas(self, parts: Iterable[Rectangle]) -> str:
        """Return the path around all nodes of rectangles."""
        return "".join(
            f"M{self.of(column - 0.5)} {self.of(row - 0.5)}"
            f"h{self.of(wide)}v{self.of(high)}h{self.of(-wide)}z"
            for high, wide, row, column in parts
        )

    def grid(self, parts: Iterable[Rectangle]) -> str:
        """Return the path of the borders of nodes."""
        lines = []
        for high, wide, row, column in parts:
            left, top = self.at((column - 0.5, row - 0.5))
            lines += [f"M{left} {self.of(row - 0.5 + n)}h{self.of(wide)}" for n in range(high + 1)]
            lines += [
                f"M{self.of(column - 0.5 + n)} {top}v{self.of(high)}" for n in range(wide + 1)
            ]
        return "".join(lines)

    def arrow(self, arrow: Arrow, size: float) -> ArrowLine:
        """Return a flow, whose head has a size."""
        head = arrow.head(size)
        middle = ((head[1][0] + head[2][0]) / 2, (head[1][1] + head[2][1]) / 2)
        start, control, end = (
            " ".join(self.at(point)) for point in (arrow.start, arrow.control, middle)
        )
        corners = " ".join(",".join(self.at(point)) for point in head)
        return ArrowLine(_CLASSES[arrow.kind], f"M{start}Q{control} {end}", corners)


def short(number: float) -> str:
    """Return a coordinate with as many digits as can be seen.

    >>> short(12.34567), short(2.0), short(-0.00001)
    ('12.346', '2', '0')
    """
    # Adding 0 makes a negative zero positive.
    return f"{round(number, 3) + 0.0:.3f}".rstrip("0").rstrip(".")
