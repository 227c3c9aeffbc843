# SPDX-License-Identifier: BSD-3-Clause
"""Nodes of the layers of a segment that is given, and where their fmaps are.

Decides, for layers whose segment, spatial and temporal indices are known, what the search of
segments decides for all segments (docs/model/pipeline.md sections 5 and 6, docs/model/search.md
section 6.1), whether or not the search would have looked at the segment.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from . import loop_enum as le
from .data_layout import DataLayout
from .loop_blocking_space import FREE
from .pipeline_allocation import MAX_UTIL_DROP, allocate_segment
from .pipeline_dependency import near_ifmaps, segment_links, shared_sources
from .pipeline_segment import PipelineSegment
from .pipeline_segment_timing import SchedIndex
from .places import fmap_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .loop_blocking_space import TopLoops
    from .network import Network
    from .option import Option
    from .partition_scheme import PartitionScheme
    from .pipeline_dependency import Groups, LayerLinks
    from .pipeline_system import ConstraintSystem, LayerTerms
    from .resource import Resource


class PlanError(ValueError):
    """A schedule that means nothing for its network or machine; the message says where."""


class TopLevel(NamedTuple):
    """Loops (I, O, B) of a layer in memory: blocking factors, order positions, iterations."""

    factors: tuple[int, ...]
    order: tuple[int, ...]
    trips: tuple[int, ...]


class SegmentPlan:
    """A segment of a given schedule.

    Parameters
    ----------
    number
        Its number, for messages.
    groups
        Names of its layers by spatial and temporal index.
    network, batch_size, resource, options
        As for `NNDataflow`.

    Raises
    ------
    PlanError
        If its layers cannot hand over their fmaps, or the nodes cannot be divided among them.
    """

    def __init__(
        self,
        number: int,
        groups: Groups,
        network: Network,
        batch_size: int,
        resource: Resource,
        options: Option,
    ) -> None:
        self.groups = groups
        self.network = network
        self.batch_size = batch_size
        self.with_opt = options.layer_pipeline_opt
        self._index = {
            name: SchedIndex(sp, tm)
            for sp, group in enumerate(groups)
            for tm, name in enumerate(group)
        }
        self._told = f"segment {number} ({' | '.join(', '.join(group) for group in groups)})"
        links = segment_links(groups, network, with_opt=self.with_opt)
        if links is None:
            raise PlanError(f"{self._told}: layers cannot hand over their fmaps in these places")
        shared = shared_sources(links, network)
        allocation = allocate_segment(links, shared, network, resource, MAX_UTIL_DROP)
        if allocation is None:
            raise PlanError(
                f"{self._told}: {resource.proc_region.dim.size()} nodes cannot be divided among "
                f"{len(groups)} groups so that at most {MAX_UTIL_DROP:.0%} of their time is lost"
            )
        self.links = links
        self._allocation = allocation
        self._first_reader = {
            index: indices[0] for indices in shared.values() for index in indices[1:]
        }

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def link(self, name: str) -> LayerLinks:
        """Return sources and destinations of a layer."""
        index = self._index[name]
        return self.links[index.sp_idx][index.tm_idx]

    def resource(self, name: str) -> Resource:
        """Return the nodes of a layer, and where its fmaps are."""
        index = self._index[name]
        return self._allocation[index.sp_idx][index.tm_idx]

    def first_reader(self, name: str) -> SchedIndex | None:
        """Return the layer that reads from memory what this one gets from it, if there is one."""
        return self._first_reader.get(self._index[name])

    def near_ifmaps(self, name: str) -> float:
        """Return the share of a layer's ifmaps on its own nodes while others are in memory."""
        return near_ifmaps(self.link(name), self._index, self.network)

    def on_chip(self, name: str, part: PartitionScheme) -> DataLayout:
        """Return where the ofmaps of a layer with a partition are for others of the segment.

        Ofmaps that go to memory as well are on the nodes as they are in memory.
        """
        resource = self.resource(name)
        if self.link(name).memory_destination:
            part = part.projection(resource.dst_data_region, appl2frng=True)
        return DataLayout(
            frngs=(fmap_range(self.network[name], self.batch_size),),
            regions=(resource.proc_region,),
            parts=(part.projection(resource.proc_region, appl2frng=True),),
        )

    def from_memory(self, name: str, layout: DataLayout) -> DataLayout:
        """Return where a layer gets fmaps that are in memory in a layout.

        If another group reads the same fmaps, its nodes have them, laid out alike.
        """
        first = self.first_reader(name)
        if first is None:
            return layout
        region = self._allocation[first.sp_idx][first.tm_idx].proc_region
        parts = tuple(part.projection(region, appl2frng=True) for part in layout.parts)
        return DataLayout(layout.frngs, (region,) * len(parts), parts)

    def check_handover(self, tops: Mapping[str, TopLevel], resource: Resource) -> None:
        """Check that layers hand over fmaps in groups that suit each other.

        Parameters
        ----------
        tops
            Loops in memory, by layer.
        resource
            The chip that the schedule was made for: how finely fmaps are split depends on its
            buffers (docs/model/pipeline.md section 7).

        Raises
        ------
        PlanError
            If they do not.
        """
        if len(tops) == 1:
            return
        if not any(map(partial(self._allows, tops), self._systems(resource))):
            raise PlanError(
                f"{self._told}: the loops of its layers in memory do not let them hand over fmaps "
                "(docs/model/pipeline.md section 7)"
            )

    def tops_allowed(
        self, name: str, tops: Mapping[str, TopLevel], resource: Resource
    ) -> list[TopLoops]:
        """Return what is required of the top loops of a layer while the others are as they are.

        Parameters
        ----------
        name
            The layer.
        tops, resource
            As in `check_handover`, which they pass.
        """
        if len(tops) == 1:
            return [FREE]
        others = {other: top for other, top in tops.items() if other != name}
        index = self._index[name]
        found: dict[TopLoops, None] = {}
        for system in self._systems(resource):
            values = self._values(others, system)
            if values is None:
                continue
            terms = system.terms[index.sp_idx][index.tm_idx]
            open_symbols = sorted(terms.symbols() - set(values))
            for chosen in product(*(system.symbols[symbol] for symbol in open_symbols)):
                every = {**values, **dict(zip(open_symbols, chosen, strict=True))}
                if self._keeps(others, system, every):
                    found[terms.constraint(every).top_loops()] = None
        return list(found)

    def _systems(self, resource: Resource) -> Iterable[ConstraintSystem]:
        """Constraints on the layers, on the chip that the schedule was made for."""
        return PipelineSegment(
            self.groups,
            self.network,
            self.batch_size,
            resource,
            max_util_drop=MAX_UTIL_DROP,
            with_opt=self.with_opt,
        ).constraint_systems()

    def _allows(self, tops: Mapping[str, TopLevel], system: ConstraintSystem) -> bool:
        values = self._values(tops, system)
        return values is not None and self._keeps(tops, system, values)

    def _terms(
        self, tops: Mapping[str, TopLevel], system: ConstraintSystem
    ) -> list[tuple[LayerTerms, TopLevel]]:
        """Constraints on some layers, and their top loops."""
        return [
            (terms, tops[name])
            for names, group in zip(self.groups, system.terms, strict=True)
            for name, terms in zip(names, group, strict=True)
            if name in tops
        ]

    def _values(
        self, tops: Mapping[str, TopLevel], system: ConstraintSystem
    ) -> dict[str, int] | None:
        """Values of the symbols that some layers have; None if these contradict each other."""
        values: dict[str, int] = {}
        for terms, top in self._terms(tops, system):
            for term, lpe in (
                (terms.topbat, le.BAT),
                (terms.topifm, le.IFM),
                (terms.topofm, le.OFM),
            ):
                factor = top.factors[lpe]
                if isinstance(term, str) and values.setdefault(term, factor) != factor:
                    return None
                if term and top.trips[lpe] % factor:  # groups are alike
                    return None
        return values

    def _keeps(
        self, tops: Mapping[str, TopLevel], system: ConstraintSystem, values: Mapping[str, int]
    ) -> bool:
        """Whether some layers are as values of the symbols require."""
        return all(
            terms.constraint(values).is_valid_top_bl(top.factors, top.order)
            for terms, top in self._terms(tops, system)
        )
