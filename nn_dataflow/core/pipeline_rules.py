# SPDX-License-Identifier: BSD-3-Clause
"""What each layer of a segment must do so that the next one can use its fmaps on chip.

Decides, for both answers to whether the first CONV layer buffers its ofmaps, which top-level
factors of the layers must be equal and which fmaps are fully buffered (docs/model/pipeline.md
section 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .layer import ConvLayer
from .pipeline_segment_timing import SchedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .layer import Layer
    from .pipeline_dependency import LayerLinks, Links
    from .resource import Resource

    Term = int | str

TOPBAT = "topbat_shr"
"""Symbol of the number of groups of samples, which is the same for all layers."""


class SegmentLayers(NamedTuple):
    """Layers of a segment and what they are given, by spatial and temporal index.

    Attributes
    ----------
    links : tuple of tuple of LayerLinks
    layers : tuple of tuple of Layer
    resources : tuple of tuple of Resource
    shared : tuple of tuple of SchedIndex
        Layers that read the same fmaps from memory.
    batch_size : int
    with_opt : bool
        Whether ofmaps may be forwarded to another group in parts.
    """

    links: Links
    layers: tuple[tuple[Layer, ...], ...]
    resources: tuple[tuple[Resource, ...], ...]
    shared: tuple[tuple[SchedIndex, ...], ...]
    batch_size: int
    with_opt: bool

    def indices(self) -> Iterator[SchedIndex]:
        """Iterate over the indices of all layers, in the order of their places."""
        for sp, group in enumerate(self.layers):
            for tm in range(len(group)):
                yield SchedIndex(sp, tm)

    def is_conv(self, index: SchedIndex) -> bool:
        """Whether a layer has filters."""
        return isinstance(self.layers[index.sp_idx][index.tm_idx], ConvLayer)


@dataclass
class Demand:
    """Required top-level factors of a layer (a symbol, a number, or 0 = free) and its buffering."""

    topbat: Term = TOPBAT
    topifm: Term = 0
    topofm: Term = 0
    fbifm: bool = False
    fbofm: bool = False


def ofm_symbol(index: SchedIndex) -> str:
    """Symbol of the number of ofmap groups of a CONV layer."""
    return f"topofm_{index.sp_idx}_{index.tm_idx}"


def group_ofm_symbol(sp_idx: int) -> str:
    """Symbol of the number of ofmap groups of the layers before the first CONV layer of a group."""
    return f"topofm_{sp_idx}_s"


def segment_demands(
    segment: SegmentLayers, *, first_buffers: bool, keep_stale: bool = False
) -> dict[SchedIndex, Demand]:
    """Derive the demands on all layers.

    A CONV layer and the local-region layers behind it split their ofmaps alike. Units of one group
    exchange whole fmaps. From group to group either the producer buffers whole ofmaps, or it
    forwards them in parts and the consumer buffers its own.

    Parameters
    ----------
    segment : SegmentLayers
    first_buffers : bool
        Whether the first CONV layer buffers all its ofmaps.
    keep_stale : bool
        Whether a CONV layer at the end of a chain passes on how its ofmaps would be used, as
        nn_dataflow 2.1 does, though nobody uses them.

    Returns
    -------
    dict
        `SchedIndex` to `Demand`, in the order of the places.
    """
    state = _Pass(segment, first_buffers=first_buffers, keep_stale=keep_stale)
    for sp, group in enumerate(segment.links):
        state.start_group(sp)
        for tm, link in enumerate(group):
            index = SchedIndex(sp, tm)
            if segment.is_conv(index):
                state.add_conv(index, link)
            else:
                state.add_local_region(index, link)
        state.end_group(sp)
    return state.demands


class _Pass:
    """State of one walk over the layers."""

    def __init__(self, segment: SegmentLayers, *, first_buffers: bool, keep_stale: bool) -> None:
        self.segment = segment
        self.first_buffers = first_buffers
        self.keep_stale = keep_stale
        self.demands = {index: Demand() for index in segment.indices()}
        self.last_conv: SchedIndex | None = None
        # How the last layer behind `last_conv` buffers its ofmaps, once another CONV follows.
        self.pending: bool | None = None
        self.split: Term = 0

    def start_group(self, sp: int) -> None:
        self.split = group_ofm_symbol(sp)

    def add_conv(self, index: SchedIndex, link: LayerLinks) -> None:
        own, last = self.demands[index], self.last_conv
        before = SchedIndex(index.sp_idx, index.tm_idx - 1)
        same_group = last is not None and last.sp_idx == index.sp_idx
        if self.pending is not None and last is not None:
            self.demands[before if same_group else self._end_of(last)].fbofm = self.pending
            self.pending = None
        own.topofm = self.split = ofm_symbol(index)
        if same_group and last is not None:
            own.fbifm = True
            self.demands[last].fbofm = True
            self.demands[before].fbofm = True
        elif link.neighbour_source is not None:
            source = self.demands[link.neighbour_source]
            source.fbofm |= not self.segment.with_opt
            own.fbifm = source.fbofm
            own.fbofm = self.pending = not source.fbofm
            if not source.fbofm:
                own.topifm = source.topofm
        elif last is None:
            own.fbofm = self.pending = self.first_buffers
        self.last_conv = index

    def add_local_region(self, index: SchedIndex, link: LayerLinks) -> None:
        if link.neighbour_source is not None:
            source = self.demands[link.neighbour_source]
            if not source.fbofm:
                self.split = source.topofm
            first = self.last_conv.tm_idx if self.last_conv is not None else 0
            for tm in range(first, index.tm_idx):
                self.demands[SchedIndex(index.sp_idx, tm)].topofm = self.split
        self.demands[index].topofm = self.split

    def end_group(self, sp: int) -> None:
        if self.segment.links[sp][-1].neighbour_destinations:
            return
        self.demands[SchedIndex(sp, len(self.segment.links[sp]) - 1)].fbofm = False
        if self.last_conv is not None and self.last_conv.sp_idx == sp and not self.keep_stale:
            self.pending = None

    def _end_of(self, index: SchedIndex) -> SchedIndex:
        """Index of the last layer of the group of a layer."""
        return SchedIndex(index.sp_idx, len(self.segment.links[index.sp_idx]) - 1)
