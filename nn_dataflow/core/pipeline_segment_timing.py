# SPDX-License-Identifier: BSD-3-Clause
"""Time of a segment of layers that are on chip together.

Decides when each layer of a segment starts and ends, given how the layers split their fmaps into
groups, and so how long the segment takes (docs/model/pipeline.md section 8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .layer import ConvLayer, LocalRegionLayer
from .network import Network
from .segment_times import (
    GroupCounts,
    Handover,
    group_counts,
    joint_batch_groups,
    node_time,
    start_and_end,
)

if TYPE_CHECKING:
    from .scheduling_result import SchedulingResult


class SchedIndex(NamedTuple):
    """Position of a layer in a segment: spatial index ``sp_idx``, temporal index ``tm_idx``."""

    sp_idx: int
    tm_idx: int


class PipelineSegmentTiming:
    """Timing of the layers of one segment, added in schedule order.

    Layers of one spatial group run one after another on the same nodes, and a local-region layer
    may be fused with the layer before it. Spatial groups run at the same time, and a consumer
    starts when its producer has finished the first group of fmaps, if both use the same groups.

    Parameters
    ----------
    network : Network
        The network of the layers.
    seg_idx : int
        Number of the segment in the schedule.

    Attributes
    ----------
    timing_list : list of list of LayerTiming
        By spatial, then by temporal index.
    layer2idx : dict
        Layer name to its `SchedIndex`.
    bat_ngrp : int
        Number of groups of samples that flow through the segment one after another; 1 unless all
        layers split the batch alike in their outermost loop.

    Raises
    ------
    TypeError
        If `network` is not a `Network`.
    """

    class LayerTiming(NamedTuple):
        """Timing of a layer in a segment.

        The times are in cycles and for the whole batch; ``node_time`` is that inside the nodes,
        ``dram_time`` that of the DRAM accesses, and ``time`` the longer of both. `ngrp` is the
        number of groups into which the ofmaps are split. `ts_xb` and `td_xb` are start and end in
        the segment when the whole batch is one group of samples.
        """

        time: float
        node_time: float
        dram_time: float
        num_nodes: int
        ngrp: int
        ts_xb: float
        td_xb: float

    def __init__(self, network: Network, seg_idx: int) -> None:
        if not isinstance(network, Network):
            raise TypeError(
                f"PipelineSegmentTiming: network must be of type Network, got {network!r}"
            )
        self.network = network
        self.seg_idx = seg_idx
        self.timing_list: list[list[PipelineSegmentTiming.LayerTiming]] = []
        self.layer2idx: dict[str, SchedIndex] = {}
        self.bat_ngrp = 1

    def add(self, layer_name: str, sched_result: SchedulingResult) -> None:
        """Add the next layer of the segment.

        Parameters
        ----------
        layer_name : str
            Name of the layer.
        sched_result : SchedulingResult
            Its schedule. The first layer has the place (`seg_idx`, 0, 0), every other one either
            the next temporal index of the same group, or the first of the next group.

        Raises
        ------
        ValueError
            If the layer is there already, or its place is not the next one of this segment. The
            timing is not changed then.
        KeyError
            If the network has no such layer. The timing is not changed then.
        """
        index = self._checked_index(layer_name, sched_result.sched_seq)
        counts = _group_counts(sched_result)
        timing = self._layer_timing(layer_name, index, counts, sched_result)

        if not self.layer2idx:
            self.bat_ngrp = counts.bat
        else:
            self.bat_ngrp = int(joint_batch_groups(self.bat_ngrp, counts.bat))
        if index.tm_idx == 0:
            self.timing_list.append([])
        self.timing_list[-1].append(timing)
        self.layer2idx[layer_name] = index

    def copy(self) -> PipelineSegmentTiming:
        """Return an independent copy."""
        other = PipelineSegmentTiming(self.network, self.seg_idx)
        other.timing_list = [*self.timing_list[:-1], *(group[:] for group in self.timing_list[-1:])]
        other.layer2idx = self.layer2idx.copy()
        other.bat_ngrp = self.bat_ngrp
        return other

    @property
    def time(self) -> float:
        """Time of the segment, in cycles, the longer of `node_time` and `dram_time`."""
        return max(self.node_time, self.dram_time)

    @property
    def node_time(self) -> float:
        """Time inside the nodes, in cycles.

        All groups of samples follow each other at the pace of the busiest spatial group, and the
        last of them goes through the whole segment: (td + critical_time · (bat − 1)) // bat.
        """
        end = max((group[-1].td_xb for group in self.timing_list), default=0)
        return node_time(end, self.critical_time, self.bat_ngrp)  # type: ignore[no-any-return]

    @property
    def dram_time(self) -> float:
        """Time of the DRAM accesses of all layers, in cycles."""
        return sum(timing.dram_time for group in self.timing_list for timing in group)

    @property
    def critical_time(self) -> float:
        """Time for which the busiest spatial group is occupied, in cycles."""
        return max((group[-1].td_xb - group[0].ts_xb for group in self.timing_list), default=0)

    @property
    def time_overhead(self) -> float:
        """Relative time lost by running the layers as a segment.

        It is compared with running each layer alone on all nodes of the segment, at the same
        utilisation. Negative where the segment is faster.
        """
        total_nodes = sum(group[0].num_nodes for group in self.timing_list)
        alone = sum(
            max(timing.node_time * timing.num_nodes / total_nodes, timing.dram_time)
            for group in self.timing_list
            for timing in group
        )
        return (self.time - alone) / alone if alone else 0.0

    def _checked_index(self, layer_name: str, sched_seq: tuple[int, int, int]) -> SchedIndex:
        if layer_name in self.layer2idx:
            raise ValueError(f"PipelineSegmentTiming: layer {layer_name} is in the segment already")
        groups = len(self.timing_list)
        allowed = [(self.seg_idx, groups, 0)]
        if groups:
            allowed.insert(0, (self.seg_idx, groups - 1, len(self.timing_list[-1])))
        if sched_seq not in allowed:
            raise ValueError(
                f"PipelineSegmentTiming: sched_seq of layer {layer_name} must be "
                f"{' or '.join(map(str, allowed))}, got {sched_seq}"
            )
        return SchedIndex(*sched_seq[1:])

    def _layer_timing(
        self,
        layer_name: str,
        index: SchedIndex,
        counts: GroupCounts,
        sched_result: SchedulingResult,
    ) -> LayerTiming:
        layer = self.network[layer_name]
        input_groups = counts.ifm if isinstance(layer, ConvLayer) else counts.ofm
        time = sched_result.total_time
        producers = []
        for prev_name in self.network.prevs(layer_name):
            prev_index = self.layer2idx.get(prev_name) if prev_name is not None else None
            if prev_index is None:
                continue
            prev = self.timing_list[prev_index.sp_idx][prev_index.tm_idx]
            if prev_index.sp_idx == index.sp_idx:
                grouped = isinstance(layer, LocalRegionLayer) and prev.ngrp == counts.ofm
            else:
                grouped = prev.ngrp == input_groups
            first = prev.ts_xb + prev.time // prev.ngrp
            same_group = prev_index.sp_idx == index.sp_idx
            producers.append(Handover(same_group, grouped, first, prev.td_xb))
        start, end = (value.item() for value in start_and_end(np.asarray(time), producers))
        return self.LayerTiming(
            time=time,
            node_time=sched_result.total_node_time,
            dram_time=sched_result.total_dram_time,
            num_nodes=sched_result.num_nodes,
            ngrp=counts.ofm,
            ts_xb=start,
            td_xb=end,
        )


def _group_counts(sched_result: SchedulingResult) -> GroupCounts:
    """Group counts of one layer; a result that does not tell the trips has full blocks."""
    scheme = sched_result.scheme
    factors = np.array([[scheme[key][0] for key in ("ti", "to", "tb")]])
    trips = np.array([scheme.get("trips", factors[0])])
    counts = group_counts(factors, np.array([scheme["orders"][0]]), trips)
    return GroupCounts(*(int(column[0]) for column in counts))
