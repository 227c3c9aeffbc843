# SPDX-License-Identifier: BSD-3-Clause
"""Layers under the roofs of the machine.

Decides where the points of a roofline are, which of them are one, and which get a name (docs/
report.md section 4): names that would lie on each other, or on a point, are left out.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layer_rows import LayerRow, Roofs

# Directions from a point in which its name can be, those that read best first.
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))
_GAP = 0.4  # of the height of a name, between it and its point
_LEAST_HEIGHT = 8.0  # factor between the roof of the PEs and the lower end of the axis
_FEW_POWERS = 1000.0
_MARGIN = 1.6  # factor between the outermost points and the frame


class Point(NamedTuple):
    """Layers of one place.

    Attributes
    ----------
    words, cycles
        Operations per word of memory traffic, infinite without any, and per cycle.
    kind
        Of the layers, such as "convolution".
    names
        Of the layers.
    time
        Of all of them, in cycles.
    """

    words: float
    cycles: float
    kind: str
    names: tuple[str, ...]
    time: float

    @property
    def label(self) -> str:
        """Name of the point."""
        others = len(self.names) - 1
        return f"{self.names[0]} +{others}" if others else self.names[0]


class Frame(NamedTuple):
    """Ends of the axes; `beyond` is where points without memory traffic are."""

    left: float
    right: float
    bottom: float
    top: float
    beyond: float


def points_of(rows: Sequence[LayerRow]) -> list[Point]:
    """Return the points, those of the longest time first."""
    found: dict[tuple[float, float, str], list[LayerRow]] = {}
    for row in rows:
        found.setdefault((row.ops_per_word, row.ops_per_cycle, row.kind), []).append(row)
    points = [
        Point(*place, tuple(row.name for row in same), math.fsum(row.time for row in same))
        for place, same in found.items()
    ]
    return sorted(points, key=lambda point: -point.time)


def frame_of(points: Sequence[Point], roofs: Roofs) -> Frame:
    """Return ends of logarithmic axes that have room for points and roofs."""
    words = [point.words for point in points if math.isfinite(point.words)] or [1.0]
    if math.isfinite(roofs.bandwidth):
        words.append(roofs.pes / roofs.bandwidth)  # where the roofs meet
    cycles = [point.cycles for point in points]
    left, right = min(words) / _MARGIN, max(words) * _MARGIN
    beyond = right
    if any(math.isinf(point.words) for point in points):
        beyond, right = right * _MARGIN, right * _MARGIN**2
    bottom = min(min(cycles) / _MARGIN, roofs.pes / _LEAST_HEIGHT)
    return Frame(left, right, bottom, roofs.pes * _MARGIN, beyond)


def log_ticks(low: float, high: float) -> list[float]:
    """Return the numbers at a logarithmic axis: powers of ten, and more where these are few.

    >>> log_ticks(0.5, 2000), log_ticks(9, 300)
    ([1.0, 10.0, 100.0, 1000.0], [10.0, 20.0, 50.0, 100.0, 200.0])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < _FEW_POWERS else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def roof_line(frame: Frame, roofs: Roofs) -> list[tuple[float, float]]:
    """Return the corners of the roof, from left to right: of memory, where it is finite, and PEs.

    >>> from .layer_rows import Roofs
    >>> roof_line(Frame(1, 100, 1, 400, 100), Roofs(256, 8))
    [(1, 8), (32.0, 256), (100, 256)]
    """
    ridge = roofs.pes / roofs.bandwidth
    corners = [(ridge, roofs.pes)] if frame.left < ridge < frame.right else []
    return [
        (frame.left, roofs.at(frame.left)),
        *corners,
        (frame.right, roofs.at(frame.right)),
    ]


def along(corners: Sequence[tuple[float, float]], step: float) -> list[tuple[float, float]]:
    """Return places on a line through corners, at most a step apart.

    >>> along([(0, 0), (0, 3)], 1.5)
    [(0.0, 0.0), (0.0, 1.5), (0.0, 3.0)]
    """
    places: list[tuple[float, float]] = []
    for (x, y), (to_x, to_y) in pairwise(corners):
        count = max(1, math.ceil(math.hypot(to_x - x, to_y - y) / step)) + 1
        xs, ys = np.linspace(x, to_x, count), np.linspace(y, to_y, count)
        places += zip(xs.tolist(), ys.tolist(), strict=True)
    return places


def label_places(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    bounds: tuple[float, float, float, float],
    radius: float,
    lines: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float] | None]:
    """Return where names can be, the first ones having the choice.

    Parameters
    ----------
    points
        Middles of the points, in any unit of length.
    sizes
        Width and height of each name.
    bounds
        Smallest x and y, and largest x and y, of the frame.
    radius
        Of a point.
    lines
        Places that names must not cover either.

    Returns
    -------
    list of (float, float) or None
        Smallest x and y of each name; None where it has no room.

    Examples
    --------
    >>> label_places([(5, 5), (5.5, 5), (90, 5)], [(20, 2)] * 3, (0, 0, 100, 10), 1)
    [(6.8, 4.0), (7.3, 6.8), (68.2, 4.0)]
    """
    middles = np.array(points, dtype=float).reshape(-1, 2)
    taken = np.column_stack([middles - radius, middles + radius])
    if lines:
        covered = np.array(lines, dtype=float)
        taken = np.vstack([taken, np.column_stack([covered, covered])])
    found: list[tuple[float, float] | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        away = radius + _GAP * height
        place = None
        for right, up in _SIDES:
            left = x + right * away + (right - 1) * width / 2
            low = y + up * away + (up - 1) * height / 2
            box = np.array([left, low, left + width, low + height])
            if _inside(box, bounds) and not _touches(box, taken):
                place = (left, low)
                taken = np.vstack([taken, box])
                break
        found.append(place)
    return found


def _inside(box: np.ndarray, bounds: tuple[float, float, float, float]) -> bool:
    return bool((box[:2] >= bounds[:2]).all() and (box[2:] <= bounds[2:]).all())


def _touches(box: np.ndarray, others: np.ndarray) -> bool:
    apart = (others[:, 2:] <= box[:2]) | (box[2:] <= others[:, :2])
    return bool((~apart.any(axis=1)).any())
