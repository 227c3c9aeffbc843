# SPDX-License-Identifier: BSD-3-Clause
"""When the layers of a segment start and end, on arrays of schedules.

Decides into how many groups a layer's outermost loops split the batch and the fmaps, when a layer
can start after its producers, and how long the segment takes (docs/model/pipeline.md section 8).
`PipelineSegmentTiming` is the view of one schedule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import loop_enum as le

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class GroupCounts(NamedTuple):
    """Into how many groups layers split the batch, their ifmaps and their ofmaps."""

    bat: Any
    ifm: Any
    ofm: Any


class Handover(NamedTuple):
    """What a layer waits for: a producer in the segment.

    Attributes
    ----------
    same_group
        Whether it runs on the same nodes, before the layer.
    grouped
        Whether the layer can start after the producer's first group of fmaps.
    first, end
        When the producer has finished its first group, and all of them, in cycles.
    """

    same_group: bool
    grouped: Any
    first: Any
    end: Any


def group_counts(factors: NDArray[Any], orders: NDArray[Any], trips: NDArray[Any]) -> GroupCounts:
    """Group counts by the outermost loops: B if it is the first, then one kind of fmaps.

    A loop whose last block is partial makes no groups, which are handed over at one pace.

    Parameters
    ----------
    factors, orders
        Top-level factors and order positions (0 innermost) of the loops, (n, 3).
    trips
        Iterations of the loops, (n, 3) or (3,).

    Examples
    --------
    >>> counts = group_counts(np.array([[1, 4, 2]]), np.array([[0, 1, 2]]), np.array([8, 8, 8]))
    >>> [column.tolist() for column in counts]
    [[2], [1], [4]]
    """
    alike = trips % factors == 0
    outer = np.where(factors > 1, orders, -1).argmax(axis=1)
    by_batch = (outer == le.BAT) & alike[:, le.BAT]
    bat = np.where(by_batch, factors[:, le.BAT], 1)
    rest = factors.copy()
    rest[:, le.BAT] = np.where(by_batch, 1, rest[:, le.BAT])
    outer = np.where(rest > 1, orders, -1).argmax(axis=1)
    ifm, ofm = (
        np.where((outer == lpe) & alike[:, lpe], rest[:, lpe], 1) for lpe in (le.IFM, le.OFM)
    )
    return GroupCounts(bat, ifm, ofm)


def joint_batch_groups(so_far: Any, bat: Any) -> Any:
    """Groups of samples that flow through the layers so far: 1 unless all split the batch alike."""
    return np.where(so_far == bat, bat, 1)


def start_and_end(time: Any, producers: Sequence[Handover]) -> tuple[Any, Any]:
    """Start and end of a layer, in cycles, if the whole batch is one group of samples.

    A layer starts when each producer has finished its first group, or all of them; one on the same
    nodes runs for as long as the layer itself after the end of the producer.
    """
    start = np.zeros_like(time)
    end = np.zeros_like(time)
    for producer in producers:
        start = np.maximum(start, np.where(producer.grouped, producer.first, producer.end))
        if producer.same_group:
            end = np.maximum(end, producer.end + time)
    return start, np.maximum(end, start + time)


def node_time(end: Any, critical_time: Any, bat: Any) -> Any:
    """Cycles inside the nodes: groups of samples follow each other at the pace of the busiest.

    (td + critical_time · (bat - 1)) // bat, with the latest end td of a spatial group.
    """
    return (end + critical_time * (bat - 1)) // bat
