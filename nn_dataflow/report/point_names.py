# SPDX-License-Identifier: BSD-3-Clause
"""Names of points in a picture.

Decides where in pixels they stand, so that none lies on another one, on a point or on a line, and
which are left out for that (docs/report.md sections 4 and 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .roofline import along, label_places

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = 6.5  # points
DOT = 5.0
_STEP = 3.0  # along lines that names must not cover


def name_points(
    figure: Any,
    axis: Any,
    points: Sequence[tuple[str, float, float]],
    line: Sequence[tuple[float, float]],
) -> None:
    """Name as many points as have room, the first ones having the choice.

    Parameters
    ----------
    figure, axis
        The picture, which keeps its layout from here on, and what the points are in.
    points
        Name, x and y of each, in the units of the axes.
    line
        Corners of a line that names must not cover.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # so that all stays where it was measured
    to_pixels = axis.transData.transform
    middles = [to_pixels((x, y)) for _, x, y in points]
    boxes = []
    for name, _, _ in points:
        note = axis.text(0.5, 0.5, name, fontsize=SMALL, transform=axis.transAxes)
        boxes.append(note.get_window_extent())
        note.remove()
    inside = axis.get_window_extent()
    pixels = figure.dpi / 72
    places = label_places(
        middles,
        [(box.width, box.height) for box in boxes],
        (inside.x0, inside.y0, inside.x1, inside.y1),
        DOT / 2 * pixels,
        along([to_pixels(corner) for corner in line], _STEP * pixels),
    )
    for (name, x, y), middle, place in zip(points, middles, places, strict=True):
        if place is not None:
            axis.annotate(
                name,
                (x, y),
                xytext=((place[0] - middle[0]) / pixels, (place[1] - middle[1]) / pixels),
                textcoords="offset points",
                fontsize=SMALL,
            )
