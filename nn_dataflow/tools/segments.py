# SPDX-License-Identifier: BSD-3-Clause
"""The segments of a schedule, as the table and the JSON record show them.

Decides what is told about layers that share a segment (docs/model/search.md section 7.1): the nodes
of each group, when each layer starts and ends, and where its fmaps come from and go. The model's
own answers are put together; nothing is computed anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.core.segment_plan import SegmentPlan
from nn_dataflow.core.segment_times import node_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nn_dataflow.core.node_region import NodeRegion
    from nn_dataflow.core.pipeline_dependency import LayerLinks
    from nn_dataflow.core.pipeline_segment_timing import PipelineSegmentTiming, SchedIndex

    from .search_result import SearchResult

MEMORY = "DRAM"
OWN = "own"  # the buffers of the layer's own nodes


class Rectangle(NamedTuple):
    """Neighbouring nodes: rows x columns, the first of them at a row and a column."""

    rows: int
    columns: int
    row: int
    column: int


class SegmentLayer(NamedTuple):
    """A layer of a segment.

    ``timing`` is what the model says; ``start`` and ``end`` are cycles from the start of the
    segment, from the first of its groups of samples to the last. ``ifmaps_from`` and ``ofmaps_to``
    have `MEMORY`, `OWN`, and numbers of other groups whose nodes' buffers hold the fmaps, or that
    read them.
    """

    name: str
    timing: PipelineSegmentTiming.LayerTiming
    start: float
    end: float
    ifmaps_from: tuple[str | int, ...]
    ofmaps_to: tuple[str | int, ...]


class SegmentGroup(NamedTuple):
    """Layers that run one after another on the same nodes, beside the other groups."""

    region: NodeRegion
    layers: tuple[SegmentLayer, ...]


class Segment(NamedTuple):
    """Layers that are on chip together; with a single one, a layer by itself."""

    timing: PipelineSegmentTiming
    groups: tuple[SegmentGroup, ...]

    @property
    def num_layers(self) -> int:
        """Number of layers in all groups."""
        return sum(len(group.layers) for group in self.groups)


def segments_of(result: SearchResult) -> list[Segment]:
    """Return the segments of the best schedule, in order."""
    return [_segment(result, timing) for timing in result.best.segment_timing_list]


def _segment(result: SearchResult, timing: PipelineSegmentTiming) -> Segment:
    names: list[list[str]] = [[] for _ in timing.timing_list]
    for name, index in timing.layer2idx.items():
        names[index.sp_idx].append(name)
    segment = SegmentPlan(
        timing.seg_idx,
        tuple(map(tuple, names)),
        timing.network,
        result.problem.batch,
        result.resource,
        result.options,
    )
    groups = [
        SegmentGroup(
            segment.resource(links[0].layer).proc_region,
            tuple(_layer(timing, link, segment.first_reader(link.layer)) for link in links),
        )
        for links in segment.links
    ]
    return Segment(timing, tuple(groups))


def _layer(
    timing: PipelineSegmentTiming, link: LayerLinks, first_reader: SchedIndex | None
) -> SegmentLayer:
    index = timing.layer2idx[link.layer]
    layer = timing.timing_list[index.sp_idx][index.tm_idx]
    sources: list[str | int] = []
    if link.memory_source:
        # Another group that reads from memory what this one gets from it.
        sources.append(MEMORY if first_reader is None else first_reader.sp_idx)
    if link.neighbour_source is not None:
        sources.append(link.neighbour_source.sp_idx)
    if link.local_source:
        sources.append(OWN)
    destinations: list[str | int] = [MEMORY] if link.memory_destination else []
    destinations += dict.fromkeys(other.sp_idx for other in link.neighbour_destinations)
    if link.local_destination:
        destinations.append(OWN)
    return SegmentLayer(
        link.layer,
        layer,
        # The first group of samples starts after its share of the wait, and the last one ends as
        # the model's time inside the nodes says of the whole segment.
        start=layer.ts_xb // timing.bat_ngrp,
        end=node_time(layer.td_xb, timing.critical_time, timing.bat_ngrp),
        ifmaps_from=tuple(sources),
        ofmaps_to=tuple(destinations),
    )


def rectangles(region: NodeRegion) -> list[Rectangle]:
    """Return the nodes of a region, which may be folded, as rectangles.

    >>> from nn_dataflow.core import NodeRegion, PhyDim2
    >>> chip = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> [[tuple(part) for part in rectangles(region)] for region in chip.allocate([5, 11])]
    [[(1, 4, 0, 0), (1, 1, 1, 3)], [(1, 3, 1, 0), (2, 4, 2, 0)]]
    """
    columns: dict[int, list[int]] = {}
    for row, column in sorted(map(tuple, region.coordinates().tolist())):
        columns.setdefault(row, []).append(column)
    return [
        Rectangle(len(alike), len(run), alike[0], run[0])
        for alike in runs([*columns], lambda row: columns[row])
        for run in runs(columns[alike[0]])
    ]


def runs(numbers: Sequence[int], kind: Callable[[int], object] = type) -> list[list[int]]:
    """Divide ascending numbers into runs of consecutive ones of the same kind.

    >>> runs([1, 2, 3, 5, 7, 8])
    [[1, 2, 3], [5], [7, 8]]
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1 and kind(number) == kind(found[-1][-1]):
            found[-1].append(number)
        else:
            found.append([number])
    return found
