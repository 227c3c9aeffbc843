# SPDX-License-Identifier: BSD-3-Clause
"""Which layers of a network may be on chip together.

Decides which runs of the schedule order are looked at, and how their layers are arranged: as groups
side by side, or one after the other on all nodes (docs/model/pipeline.md section 4).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .layer_order import schedule_order
from .option import Option
from .pipeline_allocation import MAX_UTIL_DROP
from .pipeline_segment import PipelineSegment, check_chip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from .network import Network
    from .pipeline_dependency import Groups
    from .resource import Resource

_OUTSIDE = -1
"""Vertex of the input and external layers."""


class InterLayerPipeline:
    """All segments of a network on a machine.

    Parameters
    ----------
    network : Network
    batch_size : int
    resource : Resource
        The whole chip.
    max_util_drop : float
        Largest share of the nodes' time, from 0 to 1, that a segment may lose because its groups
        are not balanced.

    Raises
    ------
    TypeError
        If the network or the resource is of the wrong type.
    ValueError
        If the batch size is not a positive whole number, or the drop not from 0 to 1.

    Examples
    --------
    >>> from nn_dataflow.core import NodeRegion, PhyDim2, Resource
    >>> from nn_dataflow.nns import import_network
    >>> proc = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> dram = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.DRAM)
    >>> resource = Resource(
    ...     proc, dram, dram, dram, PhyDim2(16, 16), 65536, 256, 4, 8.0, no_time_mux=False
    ... )
    >>> pipeline = InterLayerPipeline(import_network("mlp_s"), 4, resource)
    >>> pipeline.ordered_layer_list()
    ['fc1', 'fc2', 'fc3']
    >>> for segment in pipeline.gen_segment(Option(partition_interlayer=True)):
    ...     print(segment.seg)
    (('fc1',),)
    (('fc2',),)
    (('fc3',),)
    (('fc1',), ('fc2',))
    """

    def __init__(
        self,
        network: Network,
        batch_size: int,
        resource: Resource,
        max_util_drop: float = MAX_UTIL_DROP,
    ) -> None:
        check_chip("InterLayerPipeline", network, batch_size, resource, max_util_drop)
        self.network = network
        self.batch_size = batch_size
        self.resource = resource
        self.max_util_drop = max_util_drop
        self._vertices = schedule_order(network)
        self._prevs, self._nexts = neighbour_vertices(network, self._vertices)

    def ordered_layer_list(self) -> list[str]:
        """Return all layers in the order in which they are scheduled."""
        return [name for names in self._vertices for name in names]

    def gen_segment(self, options: Option) -> Iterator[PipelineSegment]:
        """Enumerate the segments that are valid.

        Parameters
        ----------
        options : Option
            `partition_interlayer` allows groups side by side, `hw_gbuf_save_writeback` one group of
            several layers; `layer_pipeline_opt` and `layer_pipeline_max_degree` limit them.

        Yields
        ------
        PipelineSegment
            First each layer of the network alone, then longer ones; no two are equal.

        Raises
        ------
        TypeError
            If the options are not an `Option`.
        """
        if not isinstance(options, Option):
            raise TypeError(f"InterLayerPipeline: options must be an Option, got {options!r}")
        return self._gen_segment(options)

    def _gen_segment(self, options: Option) -> Iterator[PipelineSegment]:
        with_opt = options.layer_pipeline_opt
        for name in self.network:
            yield self._segment(((name,),), with_opt=with_opt)
        if not options.partition_interlayer and not options.hw_gbuf_save_writeback:
            return
        max_degree = options.layer_pipeline_max_degree
        if not options.hw_gbuf_save_writeback:  # every vertex needs nodes of its own
            max_degree = min(max_degree, self.resource.proc_region.dim.size())
        for run in vertex_segments(self._prevs, self._nexts, max_degree):
            groups = tuple(self._vertices[vertex] for vertex in run)
            for seg in _arrangements(groups, options):
                segment = self._segment(seg, with_opt=with_opt)
                if segment.valid:
                    yield segment

    def _segment(self, seg: Groups, *, with_opt: bool) -> PipelineSegment:
        return PipelineSegment(
            seg, self.network, self.batch_size, self.resource, self.max_util_drop, with_opt
        )


def _arrangements(groups: Groups, options: Option) -> Iterator[Groups]:
    names = tuple(name for group in groups for name in group)
    if len(names) == 1:
        return
    if options.partition_interlayer:
        yield groups
    if options.hw_gbuf_save_writeback and (len(groups) > 1 or not options.partition_interlayer):
        yield (names,)


def neighbour_vertices(
    network: Network, vertices: Sequence[Sequence[str]]
) -> tuple[list[set[int]], list[set[int]]]:
    """Find the producers and consumers of each vertex, as vertex numbers.

    Parameters
    ----------
    network : Network
    vertices : sequence of sequence of str
        Layer names of each vertex.

    Returns
    -------
    prevs, nexts : list of set of int
        By vertex. The input and external layers are vertex −1; the network output has none.
    """
    vertex_of = {name: number for number, names in enumerate(vertices) for name in names}
    prevs: list[set[int]] = [set() for _ in vertices]
    nexts: list[set[int]] = [set() for _ in vertices]
    for name, number in vertex_of.items():
        for prev in network.prevs(name):
            source = _OUTSIDE if prev is None else vertex_of.get(prev, _OUTSIDE)
            if source != number:
                prevs[number].add(source)
            if source not in (number, _OUTSIDE):
                nexts[source].add(number)
    return prevs, nexts


def vertex_segments(
    prevs: Sequence[AbstractSet[int]],
    nexts: Sequence[AbstractSet[int]],
    max_degree: float = float("inf"),
) -> Iterator[range]:
    """Enumerate runs of vertices that may form a segment.

    A run grows by vertices that share data with it and have at most one producer in it. It may form
    a segment if every vertex with consumers in the run has at most one outside.

    Parameters
    ----------
    prevs, nexts : sequence of set of int
        Producers and consumers of each vertex, see `neighbour_vertices`.
    max_degree : float
        Largest number of vertices in a run.

    Yields
    ------
    range of int
        First every vertex alone, then longer runs from the last start to the first, growing.

    Examples
    --------
    >>> [list(run) for run in vertex_segments([{-1}, {0}, {1}], [{1}, {2}, set()])]
    [[0], [1], [2], [1, 2], [0, 1], [0, 1, 2]]
    """
    if max_degree < 1:
        return
    for start in range(len(prevs)):
        yield range(start, start + 1)
    for start in reversed(range(len(prevs))):
        data = {start} | prevs[start]
        inside: Counter[int] = Counter()
        split: set[int] = set()
        for vertex in range(start + 1, len(prevs)):
            producers = {prev for prev in prevs[vertex] if prev >= start}
            if vertex + 1 - start > max_degree or len(producers) > 1 or not prevs[vertex] & data:
                break
            data |= {vertex} | prevs[vertex]
            for producer in producers:
                inside[producer] += 1
                if len(nexts[producer]) - inside[producer] > 1:
                    split.add(producer)
                else:
                    split.discard(producer)
            if not split:
                yield range(start, vertex + 1)
