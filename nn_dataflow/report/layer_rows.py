# SPDX-License-Identifier: BSD-3-Clause
"""What pictures and reports tell of each layer, apart from how it is drawn.

Decides when a layer runs in the time of the network, how its cost divides, and where it is under
the roofs of the machine (docs/report.md sections 2 to 4). The model's figures are put together.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, FCLayer, PoolingLayer
from nn_dataflow.tools.layer_figures import limit_of
from nn_dataflow.tools.segment_table import group_label
from nn_dataflow.tools.segments import segments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.layer import Layer
    from nn_dataflow.tools.layer_figures import Component
    from nn_dataflow.tools.search_result import SearchResult
    from nn_dataflow.tools.segments import Segment, SegmentLayer

# Short names of the parts of `SearchResult.components`, in the order of the drawings: from the
# PEs outwards. The numbers are places in that list.
PARTS = (
    ("operations", 0),
    ("register files", 4),
    ("PE array", 3),
    ("buffer", 2),
    ("NoC", 5),
    ("memory", 1),
    ("static", 6),
)
KINDS = ("convolution", "fully connected", "element-wise", "pooling", "local region")
# A layer is of the first kind whose class it has.
_CLASSES = (
    (FCLayer, KINDS[1]),
    (ConvLayer, KINDS[0]),
    (EltwiseLayer, KINDS[2]),
    (PoolingLayer, KINDS[3]),
)


class LayerRow(NamedTuple):
    """A layer of a schedule.

    Attributes
    ----------
    name
        Name of the layer.
    kind
        One of `KINDS`.
    place
        Numbers of segment and group, from 1, such as "3.2"; the segment alone where it has one
        group.
    segment, group
        Index of the segment, and of the group in it, from 0.
    shares_segment
        Whether its segment has other layers.
    num_nodes
        Nodes that it runs on.
    cost, time
        Of the layer by itself, in cost units and cycles.
    costs : tuple of 7 float
        What the cost consists of, in the order of `PARTS`.
    busy
        Share of its time for which the PEs of its nodes are busy.
    limit
        What its time comes from.
    ops, accesses, noc_hops
        Operations; words at DRAM, GBUF, array and register files; word-hops.
    start, end
        Cycles from the start of the network, without waiting for DRAM.
    in_segment
        Where its fmaps come from and go to.
    """

    name: str
    kind: str
    place: str
    segment: int
    group: int
    shares_segment: bool
    num_nodes: int
    cost: float
    time: float
    costs: tuple[float, ...]
    busy: float
    limit: str
    ops: float
    accesses: tuple[float, ...]
    noc_hops: float
    start: float
    end: float
    in_segment: SegmentLayer

    @property
    def ops_per_cycle(self) -> float:
        """Operations per cycle of its time, on all its nodes."""
        return self.ops / self.time

    @property
    def ops_per_word(self) -> float:
        """Operations per word from and to memory; infinite if it moves none."""
        words = self.accesses[0]
        return self.ops / words if words else math.inf


class Span(NamedTuple):
    """A segment in the time of the network: cycles from the start of the network, and place."""

    start: float
    end: float
    segment: Segment


class Roofs(NamedTuple):
    """What bounds the operations per cycle: busy PEs, and words per cycle of memory."""

    pes: float
    bandwidth: float

    def at(self, ops_per_word: float) -> float:
        """Return the most operations per cycle at so many operations per word.

        >>> Roofs(256, 2).at(100), Roofs(256, 2).at(200), Roofs(256, math.inf).at(0.5)
        (200, 256, 256)
        """
        return min(self.pes, self.bandwidth * ops_per_word)


def spans_of(result: SearchResult) -> list[Span]:
    """Return the segments of the best schedule in the time of the network, in order."""
    segments = segments_of(result)
    ends = accumulate(segment.timing.time for segment in segments)
    return [
        Span(end - segment.timing.time, end, segment)
        for segment, end in zip(segments, ends, strict=True)
    ]


def layer_rows(result: SearchResult, spans: Sequence[Span]) -> list[LayerRow]:
    """Return what is told of the layers, in schedule order.

    Parameters
    ----------
    result
        The search, or the evaluation.
    spans
        Its segments, of `spans_of`.
    """
    return [
        _row(result, number, sp, span, layer)
        for number, span in enumerate(spans)
        for sp, group in enumerate(span.segment.groups)
        for layer in group.layers
    ]


def _row(
    result: SearchResult, number: int, sp: int, span: Span, in_segment: SegmentLayer
) -> LayerRow:
    layer = result.best[in_segment.name]
    return LayerRow(
        name=in_segment.name,
        kind=kind_of(result.best.network[in_segment.name]),
        place=group_label(number + 1, span.segment, sp),
        segment=number,
        group=sp,
        shares_segment=span.segment.num_layers > 1,
        num_nodes=layer.num_nodes,
        cost=layer.total_cost,
        time=layer.total_time,
        costs=in_order(result.components(layer)),
        busy=result.busy_pes(layer),
        limit=limit_of(layer.scheme),
        ops=layer.total_ops,
        accesses=tuple(layer.total_accesses),
        noc_hops=layer.total_noc_hops,
        start=span.start + in_segment.start,
        end=span.start + in_segment.end,
        in_segment=in_segment,
    )


def kind_of(layer: Layer) -> str:
    """Return what a layer is, one of `KINDS`."""
    for kind, name in _CLASSES:
        if isinstance(layer, kind):
            return name
    return KINDS[-1]


def in_order(parts: Sequence[Component]) -> tuple[float, ...]:
    """Return the costs of components in the order of `PARTS`."""
    return tuple(parts[place].cost for _, place in PARTS)


def roofs_of(result: SearchResult) -> Roofs:
    """Return the roofs of the whole machine."""
    resource = result.resource
    nodes = resource.proc_region.dim.size()
    return Roofs(nodes * resource.dim_array.size(), resource.dram_bandwidth)
