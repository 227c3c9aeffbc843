# SPDX-License-Identifier: BSD-3-Clause
"""Segments: layers that are on chip together.

Decides whether a two-level arrangement of layers is a legal segment on a machine, and what each of
its layers gets: hardware, and constraints on loop blocking (docs/model/pipeline.md sections 5 to
7). The rules are in `pipeline_dependency`, `pipeline_allocation` and `pipeline_constraint`;
a segment has their answers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .network import Network
from .pipeline_allocation import MAX_UTIL_DROP, allocate_segment
from .pipeline_constraint import constraint_systems
from .pipeline_dependency import forwarded_ofmaps, segment_links, shared_sources
from .pipeline_rules import SegmentLayers
from .pipeline_segment_timing import SchedIndex
from .record import is_integer, is_real
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .pipeline_allocation import Allocation
    from .pipeline_dependency import Groups
    from .pipeline_system import Combination, ConstraintSystem


class PipelineSegment:
    """Layers that are on chip together: groups side by side, and in each one layer after another.

    Its length, iteration and indexing are those of `seg`. Segments are equal when they have the
    same layers, network, batch size, resource, utilisation drop and mode.

    Parameters
    ----------
    seg : tuple of tuple of str
        Layer names by spatial, then by temporal index.
    network : Network
    batch_size : int
    resource : Resource
        The whole chip.
    max_util_drop : float
        Largest share of the nodes' time, from 0 to 1, that may be lost because the groups are not
        balanced.
    with_opt : bool
        Whether all kinds of pipelining are used; if not, only chains of layers that buffer all
        fmaps between groups.

    Attributes
    ----------
    valid : bool
        Whether the segment can be scheduled: the layers can hand over their fmaps, the nodes can be
        divided, and the fmaps that must be buffered fit.
    ifm_fwd_dict : dict
        Producers that several layers read from memory, to the `SchedIndex` of these layers. Only
        the first of them reads from memory, the others get the fmaps from it.
    ofm_fwd_dict : dict
        `SchedIndex` of a layer whose ofmaps go to memory and stay on chip as well, to those of the
        layers that get them on chip.
    links : tuple of tuple of LayerLinks, or None
        Sources and destinations of each layer; None if the layers cannot hand over their fmaps.

    Raises
    ------
    TypeError
        If `seg` is not a tuple of tuples, or `network` or `resource` of the wrong type.
    ValueError
        If a group is empty, a layer occurs twice, or the batch size or the drop is out of range.
    KeyError
        If the network has no such layer.

    Examples
    --------
    >>> from nn_dataflow.core import ConvLayer, InputLayer, Network, NodeRegion, PhyDim2, Resource
    >>> network = Network("two")
    >>> network.set_input_layer(InputLayer(8, 16))
    >>> network.add("a", ConvLayer(8, 16, 16, 3))
    >>> network.add("b", ConvLayer(16, 24, 16, 3))
    >>> proc = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> dram = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.DRAM)
    >>> resource = Resource(
    ...     proc, dram, dram, dram, PhyDim2(8, 8), 4096, 64, 4, 8.0, no_time_mux=False
    ... )
    >>> segment = PipelineSegment((("a",), ("b",)), network, 4, resource)
    >>> segment.valid
    True
    >>> [[layer.proc_region.dim for layer in group] for group in segment.allocation()]
    [[PhyDim2(h=4, w=1)], [PhyDim2(h=4, w=3)]]
    >>> constraint, hints = next(segment.gen_constraint())
    >>> hints
    (1, 1)
    """

    SchedIndex = SchedIndex

    def __init__(  # published interface
        self,
        seg: Groups,
        network: Network,
        batch_size: int,
        resource: Resource,
        max_util_drop: float = MAX_UTIL_DROP,
        with_opt: bool = True,
    ) -> None:
        _check_segment(seg)
        check_chip("PipelineSegment", network, batch_size, resource, max_util_drop)
        self.seg = seg
        self.network = network
        self.batch_size = batch_size
        self.resource = resource
        self.max_util_drop = max_util_drop
        self.with_opt = with_opt

        self.valid = False
        self.ifm_fwd_dict: dict[tuple[str | None, ...], tuple[SchedIndex, ...]] = {}
        self.ofm_fwd_dict: dict[SchedIndex, tuple[SchedIndex, ...]] = {}
        self._allocation: Allocation | None = None
        self._systems: tuple[ConstraintSystem, ...] = ()

        self.links = segment_links(seg, network, with_opt=with_opt)
        if self.links is None:
            return
        self.ifm_fwd_dict = shared_sources(self.links, network)
        self.ofm_fwd_dict = forwarded_ofmaps(self.links)
        self._allocation = allocate_segment(
            self.links, self.ifm_fwd_dict, network, resource, max_util_drop
        )
        self._systems = self._solve(original_rules=False)
        self.valid = bool(self._systems)

    def allocation(self) -> Allocation | None:
        """Hardware of each layer.

        Returns
        -------
        tuple of tuple of Resource, or None
            By spatial and temporal index; None if the segment is not valid.
        """
        return self._allocation if self.valid else None

    def constraint_systems(self, *, original_rules: bool = False) -> tuple[ConstraintSystem, ...]:
        """Constraints of all layers in terms of symbols, which `gen_constraint` enumerates.

        Parameters
        ----------
        original_rules : bool
            Whether to follow nn_dataflow 2.1; see `gen_constraint`.

        Returns
        -------
        tuple of ConstraintSystem
            What the layers may be constrained to is the union of the systems' combinations; empty
            if the segment is not valid.
        """
        return self._solve(original_rules=True) if original_rules else self._systems

    def gen_constraint(
        self, max_time_overhead: float = math.inf, *, original_rules: bool = False
    ) -> Iterator[Combination]:
        """Enumerate what the loop blocking of all layers may be constrained to.

        Parameters
        ----------
        max_time_overhead : float
            Largest time overhead of the segment that is accepted. Only the original rules look at
            it: they drop combinations of few groups of samples that take longer in most cases, but
            not in all.
        original_rules : bool
            Whether to follow nn_dataflow 2.1, which enumerates a part of the combinations, and ties
            local-region layers to whatever the layer before them prefers by rules in
            `update_dict`. Otherwise no constraint has such rules.

        Yields
        ------
        constraint : tuple of tuple of SchedulingConstraintLayerPipeline
            By spatial and temporal index.
        hints : tuple of int
            Values of the symbols, ascending in lexicographic order within a system; (1,) if there
            are none.

        Raises
        ------
        ValueError
            If the overhead is negative or not a number.
        """
        if not is_real(max_time_overhead) or not max_time_overhead >= 0:
            raise ValueError(
                "PipelineSegment: max_time_overhead must be a number of at least 0, "
                f"got {max_time_overhead!r}"
            )
        if original_rules:
            return self._gen_original(max_time_overhead)
        return self._gen_distinct()

    def _gen_distinct(self) -> Iterator[Combination]:
        seen: set[object] = set()
        for number, system in enumerate(self._systems):
            for combination in system.combinations():
                if combination[0] in seen:
                    continue
                if number < len(self._systems) - 1:
                    seen.add(combination[0])
                yield combination

    def _gen_original(self, max_time_overhead: float) -> Iterator[Combination]:
        for system in self.constraint_systems(original_rules=True):
            yield from system.within_overhead(max_time_overhead).combinations()

    def _solve(self, *, original_rules: bool) -> tuple[ConstraintSystem, ...]:
        if self.links is None or self._allocation is None:
            return ()
        layers = SegmentLayers(
            links=self.links,
            layers=tuple(tuple(self.network[name] for name in group) for group in self.seg),
            resources=self._allocation,
            shared=tuple(self.ifm_fwd_dict.values()),
            batch_size=self.batch_size,
            with_opt=self.with_opt,
        )
        return constraint_systems(layers, original_rules=original_rules)

    def __getitem__(self, index: Any) -> Any:
        return self.seg[index]

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self.seg)

    def __len__(self) -> int:
        return len(self.seg)

    def _key(self) -> tuple[object, ...]:
        return (
            self.seg,
            self.network,
            self.batch_size,
            self.resource,
            self.max_util_drop,
            self.with_opt,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PipelineSegment):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"PipelineSegment(seg={self.seg}, network={self.network.net_name}, "
            f"batch_size={self.batch_size}, max_util_drop={self.max_util_drop}, "
            f"with_opt={self.with_opt})"
        )


def check_chip(
    title: str, network: Network, batch_size: int, resource: Resource, max_util_drop: float
) -> None:
    """Check what segments are made for; `title` is the class that was asked for.

    Raises
    ------
    TypeError
        If the network or the resource is of the wrong type.
    ValueError
        If the batch size is not a positive whole number, or the drop not from 0 to 1.
    """
    if not isinstance(network, Network):
        raise TypeError(f"{title}: network must be a Network, got {network!r}")
    if not isinstance(resource, Resource):
        raise TypeError(f"{title}: resource must be a Resource, got {resource!r}")
    if not is_integer(batch_size) or batch_size < 1:
        raise ValueError(f"{title}: batch_size must be a positive whole number, got {batch_size!r}")
    if not is_real(max_util_drop) or not 0 <= max_util_drop <= 1:
        raise ValueError(f"{title}: max_util_drop must be from 0 to 1, got {max_util_drop!r}")


def _check_segment(seg: object) -> None:
    if not isinstance(seg, tuple) or not all(isinstance(group, tuple) for group in seg):
        raise TypeError(f"PipelineSegment: seg must be a tuple of tuples, got {seg!r}")
    if not seg or not all(seg):
        raise ValueError(f"PipelineSegment: seg must have a layer in every group, got {seg}")
    names = [name for group in seg for name in group]
    if len(set(names)) < len(names):
        raise ValueError(f"PipelineSegment: seg must not have a layer twice, got {seg}")
