# SPDX-License-Identifier: BSD-3-Clause
"""Schedule of a whole network, or of a part of it that is scheduled so far.

Decides which layer may be added next, what the schedule costs and how long it takes
(docs/model/search.md section 4). Layers of a segment overlap, so the time is that of the segments,
and static energy is paid for that time only.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, NoReturn

from nn_dataflow.util import HashableDict

from . import mem_hier_enum as me
from .data_layout import DataLayout
from .network import Network
from .pipeline_segment_timing import PipelineSegmentTiming
from .scheduling_result import SchedulingResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class NNDataflowScheme(MutableMapping[str, SchedulingResult]):
    """Schedules of the layers of a network, by layer name in schedule order.

    Layers are added one by one, each after its producers, segment after segment; they cannot be
    replaced or deleted. Any refusal leaves the schedule as it was.

    Parameters
    ----------
    network : Network
        The network.
    input_layout : DataLayout
        Where the input of the network is.
    ext_layout_dict : mapping of str to DataLayout, optional
        Where the data of the external layers are, by their names.

    Attributes
    ----------
    res_dict : dict
        The layer schedules. To be read only.
    segment_timing_list : list of PipelineSegmentTiming
        Timing of each segment. To be read only.

    Raises
    ------
    TypeError
        If the network or a layout is of the wrong type.
    ValueError
        If the names of the external layers are not those of the network.
    """

    def __init__(
        self,
        network: Network,
        input_layout: DataLayout,
        ext_layout_dict: Mapping[str, DataLayout] | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"NNDataflowScheme: network must be of type Network, got {network!r}")
        if not isinstance(input_layout, DataLayout):
            raise TypeError(
                f"NNDataflowScheme: input_layout must be of type DataLayout, got {input_layout!r}"
            )
        self.network = network
        self.input_layout = input_layout
        self.ext_layout_dict = _checked_ext_layouts(network, ext_layout_dict)
        self.res_dict: dict[str, SchedulingResult] = {}
        self.segment_timing_list: list[PipelineSegmentTiming] = []
        # Running totals: sums over all layers, and the time of all segments but the last.
        self._sum_cost: float = 0
        self._sum_static: float = 0
        self._sum_time: float = 0
        self._time_before_last: float = 0

    def __getitem__(self, layer_name: str) -> SchedulingResult:
        return self.res_dict[layer_name]

    def __setitem__(self, layer_name: str, sched_result: SchedulingResult) -> None:
        """Add the schedule of the next layer.

        Raises
        ------
        KeyError
            If the network has no such layer, if the layer is scheduled already, or if one of its
            producers is not scheduled yet.
        TypeError
            If the schedule is not a `SchedulingResult`.
        ValueError
            If its segment is neither the last one nor the next one, or its place in the segment is
            not the next one.
        """
        self._check_next_layer(layer_name)
        if not isinstance(sched_result, SchedulingResult):
            raise TypeError(
                f"NNDataflowScheme: the schedule of layer {layer_name} must be of type "
                f"SchedulingResult, got {sched_result!r}"
            )
        last = self.last_seg_idx
        seg_idx = sched_result.sched_seq[0]
        if seg_idx not in (last, last + 1) or seg_idx < 0:
            raise ValueError(
                f"NNDataflowScheme: the segment number of layer {layer_name} must be "
                f"{f'{last} or ' if last >= 0 else ''}{last + 1}, got {seg_idx}"
            )

        # Copies of this schedule share its timing objects, so the one that grows is replaced.
        is_new = seg_idx > last
        timing = (
            PipelineSegmentTiming(self.network, seg_idx)
            if is_new
            else self.segment_timing_list[last].copy()
        )
        timing.add(layer_name, sched_result)
        cost, time = sched_result.total_cost, sched_result.total_time
        static = sched_result.scheme["cost_static"]

        if is_new:
            self._time_before_last += self.segment_timing_list[last].time if last >= 0 else 0
            self.segment_timing_list.append(timing)
        else:
            self.segment_timing_list[last] = timing
        self.res_dict[layer_name] = sched_result
        self._sum_cost += cost
        self._sum_static += static
        self._sum_time += time

    def __delitem__(self, layer_name: str) -> NoReturn:
        raise KeyError(f"NNDataflowScheme: layer {layer_name} cannot be deleted")

    def clear(self) -> NoReturn:
        """Refuse: layers cannot be deleted (KeyError)."""
        raise KeyError("NNDataflowScheme: layers cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self.res_dict)

    def __len__(self) -> int:
        return len(self.res_dict)

    def __repr__(self) -> str:
        places = ", ".join(f"{name}: {res.sched_seq}" for name, res in self.res_dict.items())
        return f"NNDataflowScheme({self.network.net_name}: {{{places}}})"

    def copy(self) -> NNDataflowScheme:
        """Return an independent copy, which shares the layer schedules and layouts."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.res_dict = self.res_dict.copy()
        other.segment_timing_list = self.segment_timing_list.copy()
        return other

    __copy__ = copy

    def fmap_layout(self, layers: Iterable[str | None]) -> DataLayout:
        """Layout of the ofmaps of some layers, concatenated along channels in the order given.

        Parameters
        ----------
        layers : iterable of str
            Names of scheduled or external layers, or None for the input of the network, as
            `Network.prevs` gives them.

        Raises
        ------
        KeyError
            If a layer is not scheduled.
        ValueError
            If there is no layer, or the layers differ in batch, height or width.
        """
        return DataLayout.concat(*map(self._ofmap_layout, layers))

    @property
    def last_seg_idx(self) -> int:
        """Number of the last segment, −1 if there is none."""
        return len(self.segment_timing_list) - 1

    @property
    def total_cost(self) -> float:
        """Cost of all layers, with static energy for `total_time`, in units of the cost table.

        Notes
        -----
        The formula is Σ cost − Σ cost_static · (1 − total_time / Σ time), with sums over layers:
        each layer has paid static energy for its own time, while layers of a segment overlap.
        """
        if self._sum_time == 0:
            return self._sum_cost
        return self._sum_cost - self._sum_static * (1 - self.total_time / self._sum_time)

    @property
    def total_time(self) -> float:
        """Time of all segments, in cycles.

        A whole network in one segment is processed batch after batch without a break, so that
        filling and draining the pipeline takes no time: the longer of `critical_time` and
        `dram_time` of the segment counts.
        """
        if not self.segment_timing_list:
            return 0
        last = self.segment_timing_list[-1]
        if self.last_seg_idx == 0 and len(self.res_dict) == len(self.network):
            return max(last.critical_time, last.dram_time)
        return self._time_before_last + last.time

    @property
    def total_ops(self) -> float:
        """Operations of all layers."""
        return sum(result.total_ops for result in self.res_dict.values())

    @property
    def total_accesses(self) -> list[float]:
        """Accesses of all layers at DRAM, GBUF (with remote ones), ITCN and REGF, in words."""
        accesses = [result.total_accesses for result in self.res_dict.values()]
        return [sum(words[mhe] for words in accesses) for mhe in range(me.NUM)]

    @property
    def total_noc_hops(self) -> float:
        """Transfers of all layers over the NoC, in word-hops."""
        return sum(result.total_noc_hops for result in self.res_dict.values())

    def segment_time_list(self) -> list[float]:
        """Time of each segment, in cycles."""
        return [timing.time for timing in self.segment_timing_list]

    def segment_dram_time_list(self) -> list[float]:
        """Time of the DRAM accesses of each segment, in cycles."""
        return [timing.dram_time for timing in self.segment_timing_list]

    def perlayer_stats(self, stats_name: str) -> dict[str, float]:
        """Statistic of every layer, by layer name.

        Parameters
        ----------
        stats_name : str
            ``active_node_pes`` or ``dram_bandwidth``.

        Raises
        ------
        AttributeError
            If there is no such statistic.
        """
        if stats_name not in ("active_node_pes", "dram_bandwidth"):
            raise AttributeError(
                f"NNDataflowScheme: stats_name must be active_node_pes or dram_bandwidth, "
                f"got {stats_name!r}"
            )
        statistic = getattr(self, stats_name)
        return {name: statistic(result) for name, result in self.res_dict.items()}

    @staticmethod
    def active_node_pes(sched_result: SchedulingResult) -> float:
        """Average number of busy PEs per node: ops / (proc_time · num_nodes)."""
        return sched_result.total_ops / (sched_result.total_proc_time * sched_result.num_nodes)

    @staticmethod
    def dram_bandwidth(sched_result: SchedulingResult) -> float:
        """DRAM bandwidth used, in words per cycle: DRAM accesses / time."""
        return sched_result.total_accesses[me.DRAM] / sched_result.total_time

    def _check_next_layer(self, layer_name: str) -> None:
        is_source = layer_name == Network.INPUT_LAYER_KEY or layer_name in self.ext_layout_dict
        if is_source or layer_name not in self.network:
            raise KeyError(
                f"NNDataflowScheme: network {self.network.net_name} has no layer {layer_name!r}"
            )
        if layer_name in self.res_dict:
            raise KeyError(f"NNDataflowScheme: layer {layer_name} is scheduled already")
        for prev in self.network.prevs(layer_name):
            if prev is not None and prev not in self.ext_layout_dict and prev not in self.res_dict:
                raise KeyError(
                    f"NNDataflowScheme: producer {prev} of layer {layer_name} is not scheduled yet"
                )

    def _ofmap_layout(self, layer_name: str | None) -> DataLayout:
        if layer_name is None:
            return self.input_layout
        if layer_name in self.ext_layout_dict:
            return self.ext_layout_dict[layer_name]
        if layer_name not in self.res_dict:
            raise KeyError(f"NNDataflowScheme: layer {layer_name} is not scheduled")
        return self.res_dict[layer_name].ofmap_layout


def _checked_ext_layouts(
    network: Network, layouts: Mapping[str, DataLayout] | None
) -> HashableDict[str, DataLayout]:
    layouts = {} if layouts is None else layouts
    if not isinstance(layouts, Mapping):
        raise TypeError(f"NNDataflowScheme: ext_layout_dict must be a mapping, got {layouts!r}")
    for name, layout in layouts.items():
        if not isinstance(layout, DataLayout):
            raise TypeError(
                f"NNDataflowScheme: ext_layout_dict must hold DataLayout values, "
                f"got {layout!r} for {name}"
            )
    if set(layouts) != set(network.ext_layers()):
        raise ValueError(
            f"NNDataflowScheme: ext_layout_dict must have the external layers "
            f"{network.ext_layers()}, got {tuple(layouts)}"
        )
    return HashableDict(layouts)
