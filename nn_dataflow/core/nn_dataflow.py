# SPDX-License-Identifier: BSD-3-Clause
"""Search for the best schedules of a network: the published interface.

Decides how a network becomes the steps of a `NetworkSearch` and its traces become schedules
(docs/model/search.md section 6).
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .blame import blame
from .certificate import Certificate
from .constraints import NO_CONSTRAINTS, Constraints
from .cost import Cost
from .data_layout import DataLayout
from .found_schedules import FoundSoFar, best_schemes, value_of
from .inter_layer_pipeline import InterLayerPipeline
from .layer import ConvLayer
from .layer_order import schedule_order
from .map_strategy import MapStrategy
from .network import Network
from .network_search import NetworkSearch
from .nn_dataflow_scheme import NNDataflowScheme
from .partition import input_layout_partitions
from .partition_scheme import PartitionScheme
from .pipeline_search import PipelineSearch
from .places import fmap_range
from .record import is_integer
from .resource import Resource
from .scheduling import Scheduling, make_result
from .search_effort import SearchEffort
from .segment_bounds import SegmentGoal
from .segment_builder import SegmentBuilder
from .space_size import log10_count, log10_schedules
from .step_builder import StepBuilder, layer_resource
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from .layer import Layer
    from .layer_space import LayerSpace
    from .network_step import Step
    from .option import Option
    from .partition_array import PartitionArray
    from .pipeline_search import Chosen
    from .segment_builder import Placed

# Counts beyond this are refused: some bits below what 64 hold.
MAX_COUNT = 1 << 62


class NNDataflow:
    """The best schedules of a network on a machine.

    Parameters
    ----------
    network : Network
    batch_size : int
    resource : Resource
    cost : Cost
    map_strategy : type
        Subclass of `MapStrategy`.
    constraints : Constraints, optional
        What is fixed or forbidden in the schedules; nothing by default.

    Attributes
    ----------
    layer_sched_dict : dict
        Layer search of every layer by name; layers that are equal share one.
    effort : SearchEffort
        What the last search looked at.
    failure : str or None
        Why the last search found nothing.
    certificate : Certificate or None
        What the last search proves of the best schedule that it found, if it found any.
    log10_space : float
        Base-10 logarithm of the number of schedules that the last search chose from, before
        equivalent ones and those that do not fit or break constraints of segments are taken out.
    seconds : dict
        How long each stage of the last search took: "layers" (their spaces and hops), "network"
        (the best schedule of layers one by one), "segments" and "pipelines" (those of layers that
        share a segment).

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If the batch size is not positive, or a layer so large that counts of its words, hops or
        cycles may exceed 64 bits.
    """

    def __init__(
        self,
        network: Network,
        batch_size: int,
        resource: Resource,
        cost: Cost,
        map_strategy: type[MapStrategy],
        constraints: Constraints = NO_CONSTRAINTS,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"NNDataflow: network must be a Network, got {network!r}")
        if not isinstance(resource, Resource):
            raise TypeError(f"NNDataflow: resource must be a Resource, got {resource!r}")
        if not isinstance(cost, Cost):
            raise TypeError(f"NNDataflow: cost must be a Cost, got {cost!r}")
        if not (isinstance(map_strategy, type) and issubclass(map_strategy, MapStrategy)):
            raise TypeError(
                f"NNDataflow: map_strategy must be a subclass of MapStrategy, got {map_strategy!r}"
            )
        if not is_integer(batch_size):
            raise TypeError(f"NNDataflow: batch_size must be a whole number, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"NNDataflow: batch_size must be at least 1, got {batch_size!r}")
        if not isinstance(constraints, Constraints):
            raise TypeError(f"NNDataflow: constraints must be Constraints, got {constraints!r}")
        _check_counts(network, int(batch_size), resource)
        self.network = network
        self.batch_size = int(batch_size)
        self.resource = resource
        self.cost = cost
        self.map_strategy = map_strategy
        self.constraints = constraints
        self.effort = SearchEffort()
        self.failure: str | None = None
        self.certificate: Certificate | None = None
        self.log10_space = -math.inf
        self.seconds: dict[str, float] = {}
        self._so_far = FoundSoFar()
        self.layer_sched_dict: dict[str, Scheduling] = {}
        by_layer: dict[Layer, Scheduling] = {}
        for name in network:
            layer = network[name]
            if layer not in by_layer:
                by_layer[layer] = Scheduling(layer, batch_size, cost, map_strategy)
            self.layer_sched_dict[name] = by_layer[layer]

    def schedule_search(
        self,
        options: Option,
        progress: Callable[[int, int, str], None] | None = None,
        executor: Executor | None = None,
    ) -> tuple[list[NNDataflowScheme], tuple[int, int]]:
        """Find the best schedules, best first, at most `options.ntops`.

        Parameters
        ----------
        options : Option
        progress : callable, optional
            Told (number done, number in all, name) of layers, then, with pipelines, of segments and
            of positions in the scheduling order.
        executor : concurrent.futures.Executor, optional
            Where array mappings are searched; by default processes on this machine if
            `options.nprocesses` is above 1. The result does not depend on it.

        Returns
        -------
        schemes : list of NNDataflowScheme
            Empty if nothing fits; `failure` then says why.
        cache_stats : (int, int)
            How often the search of an array mapping was reused, and how often it was done.

        Raises
        ------
        ValueError
            If the options ask for what this version does not explore.
        """
        schemes = self._search(options, progress or _no_progress, executor)
        if schemes:  # whatever fits no segment of its own
            self.failure = None
        else:
            if self.constraints.rules:
                self.failure = self._blame(options)
            sys.stderr.write(f"No valid schedule found for {self.network.net_name}.\n")
        return schemes, self.cache_stats()

    def _search(
        self,
        options: Option,
        progress: Callable[[int, int, str], None],
        executor: Executor | None,
    ) -> list[NNDataflowScheme]:
        """Find the best schedules, as `schedule_search` does."""
        self.failure = self.certificate = None
        self.seconds = {}
        self.effort = SearchEffort()
        self._so_far = FoundSoFar(options)
        order = [name for vertex in schedule_order(self.network) for name in vertex]
        starts = self._input_parts(options)
        pipelined = options.shares_segments
        workers = Workers(options.nprocesses, executor)
        with self._timed("layers"):
            steps = self._make_steps(order, starts, options, progress, workers)
        schemes = []
        if self._may_be_alone(steps):
            schemes = self._one_by_one(steps, starts, options, workers)
        if pipelined:
            with workers:
                schemes = self._with_segments(order, starts, options, schemes, progress, workers)
        return schemes

    def _may_be_alone(self, steps: list[Step]) -> bool:
        """Tell whether every layer may have a segment of its own and can be split as it must."""
        return len(steps) == len(self.network) and all(
            self.constraints.allow(((name,),)) for name in self.network
        )

    def _one_by_one(
        self, steps: list[Step], starts: PartitionArray, options: Option, workers: Workers
    ) -> list[NNDataflowScheme]:
        """Find the best schedules whose segments all have one layer."""
        pipelined = options.shares_segments
        with workers, self._timed("network"):
            search = NetworkSearch(steps, len(starts), options.opt_goal, options.ntops, workers)
            self._so_far.add(
                lambda: [self._scheme(steps, starts, *trace) for trace in search.found()],
                lambda: 0 if pipelined else search.least_known,
            )
            traces = search.run()
        if search.failed is not None:
            step = steps[search.failed]
            self.failure = f"layer {step.name}: {step.space.too_small()}"
        schemes = [self._scheme(steps, starts, start, chosen) for start, chosen in traces]
        for space in {id(step.space): step.space for step in steps}.values():
            self.effort.add(space.total_effort())
        self.effort.prefixes_dropped = search.num_dropped
        self._certify(search, schemes, options)
        sizes = [log10_count([step.space.num_schedules()]) for step in steps]
        alone = [(number, number + 1, size) for number, size in enumerate(sizes)]
        self.log10_space = log10_schedules(len(starts), alone, len(steps))
        return schemes

    def _blame(self, options: Option) -> str:
        """Say which constraints leave no schedule."""
        options = options._replace(ntops=1, nprocesses=1, verbose=False)
        resource = layer_resource(self.network, self.resource)

        def space(name: str, constraints: Constraints) -> LayerSpace:
            limits = constraints.limits(name)
            return self.layer_sched_dict[name].space(resource, options, limits=limits)

        def search(constraints: Constraints) -> bool:
            given = (self.network, self.batch_size, self.resource, self.cost, self.map_strategy)
            other = NNDataflow(*given, constraints)
            return bool(other._search(options, _no_progress, None))

        pipelined = options.shares_segments
        return blame(self.constraints, self.network, space, search if pipelined else None)

    def cache_stats(self) -> tuple[int, int]:
        """How often the search of an array mapping was reused, and how often it was done."""
        stats = [scheduling.cache_stats() for scheduling in set(self.layer_sched_dict.values())]
        return sum(s[0] for s in stats), sum(s[1] for s in stats)

    def found_so_far(self) -> list[NNDataflowScheme]:
        """Return the best schedules that an interrupted search had found, best first.

        `certificate` tells what was proven of the best by then; None if nothing was. `effort` and
        the statistics of the last search do not count what was not finished.
        """
        schemes, self.certificate = self._so_far.best()
        return schemes

    def beam_search(self, options: Option) -> list[NNDataflowScheme]:
        """Find schedules layer by layer, extending the `options.ntops` best of the layers so far.

        This is what tools without an exact search do; for comparison with `schedule_search`. Layers
        do not share segments, and nothing is proven.

        Returns
        -------
        list of NNDataflowScheme
            Best first, at most `options.ntops`; empty if nothing fits.
        """
        order = [name for vertex in schedule_order(self.network) for name in vertex]
        starts = self._input_parts(options)
        workers = Workers()
        steps = self._make_steps(order, starts, options, _no_progress, workers)
        if not self._may_be_alone(steps):
            return []
        with workers:
            search = NetworkSearch(steps, len(starts), options.opt_goal, options.ntops, workers)
            traces = search.beam()
        return [self._scheme(steps, starts, start, chosen) for start, chosen in traces]

    def _inputs(self) -> list[Layer]:
        ext = [self.network[name] for name in self.network.ext_layers()]
        return [self.network.input_layer(), *ext]

    def _input_parts(self, options: Option) -> PartitionArray:
        region = self.resource.src_data_region
        return input_layout_partitions(self._inputs(), self.batch_size, region, options)

    def _make_steps(
        self,
        order: list[str],
        starts: PartitionArray,
        options: Option,
        progress: Callable[[int, int, str], None],
        workers: Workers,
    ) -> list[Step]:
        builder = StepBuilder(
            self.network, self.resource, self.layer_sched_dict, self.constraints, options, progress
        )
        return builder.build(order, starts, workers)

    def _with_segments(
        self,
        order: list[str],
        starts: PartitionArray,
        options: Option,
        known: list[NNDataflowScheme],
        progress: Callable[[int, int, str], None],
        workers: Workers,
    ) -> list[NNDataflowScheme]:
        """Find the best schedules with layers that share a segment; `known` are without."""
        goal = SegmentGoal(
            options.opt_goal, options.ntops, self.cost.idl_unit, options.layer_pipeline_time_ovhd
        )
        pipeline = InterLayerPipeline(self.network, self.batch_size, self.resource)
        builder = SegmentBuilder(
            self.network,
            self.batch_size,
            self.resource,
            self.cost,
            options,
            self.map_strategy,
            starts,
            goal,
            self.constraints,
        )
        with self._timed("segments"):
            edges = builder.place(pipeline.gen_segment(options), order, progress)
            self.log10_space = _log10_segments(edges, len(starts), len(order))
        if not edges:
            return []
        search = PipelineSearch(
            edges,
            len(order),
            len(starts),
            self._live(order),
            goal,
            [(scheme.total_cost, scheme.total_time) for scheme in known],
            workers,
        )
        self._so_far.add(
            lambda: [self._segment_scheme(builder, starts, *trace) for trace in search.found()],
            lambda: search.least_known,
        )
        with self._timed("pipelines"):
            found = search.run(progress)
        for space in builder.layer_spaces:
            self.effort.add(space.effort)
        search.count(self.effort)
        schemes = [self._segment_scheme(builder, starts, start, chosen) for start, chosen in found]
        best = best_schemes(schemes, known, options)
        self._certify(search, best, options)
        return best

    def _certify(
        self,
        search: NetworkSearch | PipelineSearch,
        schemes: list[NNDataflowScheme],
        options: Option,
    ) -> None:
        """Note what a search proves of the best of the schedules."""
        if schemes:
            value = value_of(schemes[0], options.opt_goal)
            self.certificate = Certificate.of_search(
                value, search.least_value(), search.num_dropped
            )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Note how long a stage of the search takes."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    def _live(self, order: list[str]) -> list[list[int]]:
        """Columns that are needed from each position in the scheduling order on."""
        position = {name: number for number, name in enumerate(order)}
        last_use: dict[int, int] = {}
        for number, name in enumerate(order):
            for prev in self.network.prevs(name):
                last_use[position[prev] + 1 if prev in position else 0] = number
        return [
            [column for column, last in sorted(last_use.items()) if column <= begin <= last]
            for begin in range(len(order) + 1)
        ]

    def _segment_scheme(
        self,
        builder: SegmentBuilder,
        starts: PartitionArray,
        start: int,
        chosen: list[Chosen],
    ) -> NNDataflowScheme:
        """Put a schedule together from segments and what their layers do."""
        scheme = self._empty_scheme(starts, start)
        places = {0: start}
        for seg_idx, (placed, rows, schemes) in enumerate(chosen):
            names = [
                (name, (seg_idx, sp, tm))
                for sp, group in enumerate(placed.segment.seg)
                for tm, name in enumerate(group)
            ]
            seen = [places[column] for column in placed.sources]
            for (name, seq), layer, row, number in zip(
                names, placed.space.layers, rows, schemes, strict=True
            ):
                step = layer.step
                part = int(step.space.row_part[row])
                hops = step.ifmap_hops([seen[column] for column in step.sources])
                seen.append(-1 if layer.chip is None else int(layer.chip[part]))
                points = builder.pool.schemes[number]
                scheme[name] = make_result(step.space, row, points, hops, seq, self.cost)
            for number, column in placed.outputs:
                layer = placed.space.layers[number]
                part = int(layer.step.space.row_part[rows[number]])
                if layer.memory is not None:
                    places[column] = int(layer.memory[part])
        return scheme

    def _empty_scheme(self, starts: PartitionArray, start: int) -> NNDataflowScheme:
        """A schedule without layers, with the input at one of its places."""
        region = self.resource.src_data_region
        part = PartitionScheme.of_row(starts, start)
        layouts = [
            DataLayout(
                frngs=(fmap_range(layer, self.batch_size),), regions=(region,), parts=(part,)
            )
            for layer in self._inputs()
        ]
        ext = dict(zip(self.network.ext_layers(), layouts[1:], strict=True))
        return NNDataflowScheme(self.network, layouts[0], ext or None)

    def _scheme(
        self,
        steps: list[Step],
        starts: PartitionArray,
        start: int,
        chosen: list[tuple[int, int]],
    ) -> NNDataflowScheme:
        """Put a schedule together from the rows and points chosen."""
        scheme = self._empty_scheme(starts, start)
        places = {0: start}
        for number, (step, (row, point)) in enumerate(zip(steps, chosen, strict=True)):
            hops = step.ifmap_hops([places[column] for column in step.sources])
            places[number + 1] = int(step.place[step.space.row_part[row]])
            points = step.space.scheme(row, point, step.hop_costs)
            scheme[step.name] = make_result(
                step.space, row, points, hops, (number, 0, 0), self.cost
            )
        return scheme


def _log10_segments(edges: Sequence[Placed], num_starts: int, num_layers: int) -> float:
    """Base-10 logarithm of the number of schedules with segments."""
    sizes: dict[int, float] = {}
    for edge in edges:
        if id(edge.space) not in sizes:
            layers = [layer.step.space.num_schedules() for layer in edge.space.layers]
            sizes[id(edge.space)] = log10_count(layers)
    every = [(edge.begin, edge.end, sizes[id(edge.space)]) for edge in edges]
    return log10_schedules(num_starts, every, num_layers)


def _check_counts(network: Network, batch_size: int, resource: Resource) -> None:
    """Refuse layers whose counts may exceed 64 bits.

    An operation moves at most 4 words per level, each over at most the diameter of the machine,
    or at the bandwidth of the memory; a division rounded up makes at most one part per node.
    """
    regions = (resource.proc_region, resource.dram_region)
    corners = [tuple(c) for region in regions for c in region.coordinates().tolist()]
    diameter = sum(max(axis) - min(axis) for axis in zip(*corners, strict=True))
    factor = 8 * resource.proc_region.dim.size()
    factor *= max(1, diameter, int(1 / min(1, resource.dram_bandwidth)))
    for name in network:
        layer = network[name]
        counts = [layer.total_ops(batch_size), layer.total_ofmap_size(batch_size)]
        counts.append(layer.total_ifmap_size(batch_size))
        if isinstance(layer, ConvLayer):
            counts.append(layer.total_filter_size())
        if max(counts) * factor > MAX_COUNT:
            raise ValueError(
                f"NNDataflow: layer {name}: {max(counts)} operations or words are too many: on "
                f"this machine at most {MAX_COUNT // factor} can be counted"
            )


def _no_progress(_done: int, _total: int, _name: str) -> None:
    pass
