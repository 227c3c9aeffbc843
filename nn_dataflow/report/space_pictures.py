# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of the roofline and of the node array.

Decides how points, roofs, nodes and arrows look (docs/report.md sections 4 and 5).
"""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from nn_dataflow.errors import require
from nn_dataflow.tools.table_text import shorten

from .layer_rows import KINDS
from .node_maps import MOST_SHOWN, PASS, READ, WRITE, numbers_text
from .palette import INK, KIND_COLOURS, group_fill
from .point_names import DOT, SMALL, name_points
from .roofline import frame_of, log_ticks, roof_line
from .titles import set_title

if TYPE_CHECKING:
    from .contents import Contents
    from .layer_rows import Roofs
    from .node_maps import Arrow, Board, NodeMap
    from .roofline import Frame

_MARKERS = dict(zip(KINDS, "os^Dv", strict=True))
_LEGEND_WIDTH = 2.0  # inches of an entry
_MAPS_ACROSS = 4
_MAP_SIZE = 2.5  # inches
_LINE = 0.14
_CAPTION_WIDTH = 40  # letters
_MOST_LINES = 7
_CLEAR = 0.34
# Dashes, colour and width.
_ARROWS = {READ: ("-", INK, 1.4), WRITE: ("--", INK, 1.4), PASS: ("-", "#7a0177", 2.2)}


def roofline(contents: Contents) -> Any:
    """Draw all layers under the roofs of the machine; return a figure of matplotlib."""
    figure_module = require("matplotlib.figure", "matplotlib", "drawing", "plot")
    figure = figure_module.Figure(figsize=(8, 5.4), layout="constrained")
    axis = figure.subplots()
    points, roofs = contents.points, contents.roofs
    frame = frame_of(points, roofs)
    axis.set(xscale="log", yscale="log", xlim=frame[:2], ylim=frame[2:4])
    word = contents.result.problem.machine.word
    axis.set_xlabel(f"operations per word from and to memory (words of {word} bits)")
    axis.set_ylabel("operations per cycle")
    for way, low, high in ((axis.xaxis, *frame[:2]), (axis.yaxis, *frame[2:4])):
        way.set_ticks(log_ticks(low, high))
        way.set_major_formatter("{x:g}")
        way.set_minor_formatter("")
    axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    _draw_roofs(axis, frame, roofs)
    for kind, marker in _MARKERS.items():
        some = [point for point in points if point.kind == kind]
        if some:
            axis.plot(
                [min(point.words, frame.beyond) for point in some],
                [point.cycles for point in some],
                marker,
                color=KIND_COLOURS[kind],
                markeredgecolor=INK,
                markeredgewidth=0.5,
                markersize=DOT,
                label=kind,
            )
    if any(len(point.names) > 1 for point in points):
        axis.plot([], [], " ", label="name +n: n more at its place")
    figure.legend(loc="outside right upper", frameon=False)
    set_title(figure, contents, "what memory and PEs allow, and what layers reach")
    # Those of the longest time first.
    named = [
        (shorten(point.label), min(point.words, frame.beyond), point.cycles) for point in points
    ]
    name_points(figure, axis, named, roof_line(frame, roofs))
    return figure


def _draw_roofs(axis: Any, frame: Frame, roofs: Roofs) -> None:
    corners = roof_line(frame, roofs)
    memory, label = corners[:2], f"memory: {roofs.bandwidth:g} words/cycle"
    if math.isinf(roofs.bandwidth):
        memory, label = [], "memory: unlimited, no roof"
    for line, style, text in (
        (memory, "--", label),
        (corners[-2:], "-", f"all PEs busy: {roofs.pes:g} operations/cycle"),
    ):
        xs, ys = [x for x, _ in line], [y for _, y in line]
        axis.plot(xs, ys, style if line else " ", color=INK, linewidth=1.3, label=text)


def nodes(contents: Contents) -> Any:
    """Draw where the layers of segments run, and between whom fmaps go."""
    figure_module = require("matplotlib.figure", "matplotlib", "drawing", "plot")
    maps, board = contents.maps, contents.board
    across = min(_MAPS_ACROSS, len(maps))
    down = math.ceil(len(maps) / across)
    captions = [_caption(one) for one in maps]
    text_height = _LINE * max(len(lines) for lines in captions)
    left, top, right, bottom = board.extent
    map_height = min(_MAP_SIZE * (bottom - top) / (right - left), 2 * _MAP_SIZE)
    figure = figure_module.Figure(
        figsize=(max(across * _MAP_SIZE, 5.5), down * (0.9 * map_height + text_height) + 0.7),
        layout="constrained",
    )
    axes = figure.subplots(down, across, squeeze=False)
    for number, axis in enumerate(axes.flat):
        if number >= len(maps):
            axis.set_axis_off()
            continue
        _draw_map(axis, board, maps[number])
        axis.set_title("\n".join(captions[number]), fontsize=SMALL, loc="left")
    _map_legend(figure, contents)
    set_title(figure, contents, "nodes of each segment, and where fmaps come from and go to")
    return figure


def _draw_map(axis: Any, board: Board, one: NodeMap) -> None:
    patches = require("matplotlib.patches", "matplotlib", "drawing", "plot")
    collections = require("matplotlib.collections", "matplotlib", "drawing", "plot")
    left, top, right, bottom = board.extent
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axis.set_axis_off()
    for group, parts in enumerate(one.groups):
        fill = group_fill(group)
        for high, wide, row, column in parts:
            axis.add_patch(
                patches.Rectangle(
                    (column - 0.5, row - 0.5),
                    wide,
                    high,
                    facecolor=fill.colour,
                    hatch=fill.hatch,
                    edgecolor="#777777",
                    linewidth=0,
                )
            )
    for high, wide, row, column in board.nodes:
        if max(high, wide) <= MOST_SHOWN:
            _grid(axis, row - 0.5, column - 0.5, high, wide)
    size = right - left
    clear = max(_CLEAR, 0.05 * size)
    half = board.memory_side / 2
    squares = [
        [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
        for x, y in board.shown_memory
    ]
    style = {"facecolor": "#333333", "edgecolor": "white", "linewidth": 0.4}
    axis.add_collection(collections.PolyCollection(squares, **style), autolim=False)
    for arrow in board.arrows(one, clear):
        _draw_arrow(axis, arrow, size)
    for group in range(len(one.groups)):
        axis.text(
            *one.anchor(group),
            str(group + 1),
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": INK, "lw": 0.6},
        )


def _grid(axis: Any, top: float, left: float, high: int, wide: int) -> None:
    """Draw the borders of nodes."""
    style = {"colors": "white", "linewidth": 1.2}
    axis.hlines([top + n for n in range(high + 1)], left, left + wide, **style)
    axis.vlines([left + n for n in range(wide + 1)], top, top + high, **style)


def _draw_arrow(axis: Any, arrow: Arrow, size: float) -> None:
    patches = require("matplotlib.patches", "matplotlib", "drawing", "plot")
    path = require("matplotlib.path", "matplotlib", "drawing", "plot").Path
    dashes, colour, width = _ARROWS[arrow.kind]
    head = arrow.head(0.05 * size)
    middle = tuple((head[1][axis] + head[2][axis]) / 2 for axis in (0, 1))
    curve = path([arrow.start, arrow.control, middle], [path.MOVETO, path.CURVE3, path.CURVE3])
    for style in (
        {"edgecolor": "white", "linewidth": width + 1.6},
        {"edgecolor": colour, "linewidth": width, "linestyle": dashes},
    ):
        axis.add_patch(patches.PathPatch(curve, facecolor="none", **style))
    axis.add_patch(patches.Polygon(head, facecolor=colour, edgecolor="white", linewidth=0.6))


def _map_legend(figure: Any, contents: Contents) -> None:
    lines = require("matplotlib.lines", "matplotlib", "drawing", "plot")
    kinds = dict.fromkeys(
        arrow.kind for one in contents.maps for arrow in contents.board.arrows(one, 0)
    )
    handles = []
    for kind in kinds:
        dashes, colour, width = _ARROWS[kind]
        style = {"linestyle": dashes, "color": colour, "linewidth": width}
        handles.append(lines.Line2D([], [], label=f"fmaps {kind}", **style))
    place = "memory, at every dark square" if contents.board.inside else "memory"
    handles.append(lines.Line2D([], [], color="#333333", marker="s", linestyle="", label=place))
    across = min(len(handles), int(figure.get_size_inches()[0] / _LEGEND_WIDTH))
    figure.legend(handles=handles, loc="outside lower left", ncols=across, frameon=False)


def _caption(one: NodeMap) -> list[str]:
    """Say which segments these are, and for a single one what its groups compute."""
    several = len(one.segments) > 1
    lines = wrap(f"segment{'s' if several else ''} {numbers_text(one.segments)}", _CAPTION_WIDTH)
    for group, (size, layers) in enumerate(zip(one.sizes, one.layers, strict=True), start=1):
        names = "" if several else f": {', '.join(layers)}"
        lines += wrap(f"{group}: {size} node{'s' if size > 1 else ''}{names}", _CAPTION_WIDTH)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], "…"]
    return lines
