# SPDX-License-Identifier: BSD-3-Clause
"""Slow and clear search of layers and networks: everything is enumerated, nothing is pruned.

The oracle for the layer search and the network search (docs/model/search.md sections 2 to 6 with
the corrections S1 to S6): every partition scheme, every array mapping, every loop blocking scheme
that no other one stands for, and of these every combination along a network. One plain number at a
time; partition schemes, array mappings, groups of nodes and word-hops come from the package, which
has tests of its own for them, loop blocking from `reference_blocking`, and what moves between nodes
that share buffers from `reference_sharing`.

Keep the layers and machines tiny: the combinations of a network multiply.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.layer_order import schedule_order
from nn_dataflow.core.partition import gen_partition, unit_nhops_to_proc_region
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_sharing as sharing

REL_TOL = 1e-9


class Schedule(NamedTuple):
    """One schedule of a layer."""

    cost: float
    time: int
    layout: DataLayout  # of the ofmaps
    part: Any
    nld: Any
    scheme: tuple[Any, Any]  # blocking factors and orders
    result: Any


def goal_key(goal: str, cost: float, time: float) -> tuple[float, ...]:
    """What is minimised under a goal (docs/model/search.md section 5)."""
    return ref.goal_key(goal, cost, time)


def fmap_layout(layer: Any, batch_size: int, region: Any, part: Any) -> DataLayout:
    """Layout of the ofmaps of a layer on a region, split by a scheme."""
    frng = FmapRange((0, 0, 0, 0), (batch_size, layer.nofm, layer.hofm, layer.wofm))
    return DataLayout((frng,), (region,), (part.projection(region, appl2frng=True),))


def partitions(layer: Any, batch_size: int, region: Any, options: Any) -> list[Any]:
    """All partition schemes that a search tries: of the options, then of any fewer of them."""
    found = []
    names = ("partition_hybrid", "partition_ifmaps", "partition_batch")
    allowed = [(True, False) if getattr(options, name) else (False,) for name in names]
    for hybrid, ifmaps, batch in itertools.product(*allowed):
        if hybrid or not ifmaps:
            fewer = options._replace(
                partition_hybrid=hybrid, partition_ifmaps=ifmaps, partition_batch=batch
            )
            found += gen_partition(layer, batch_size, region.dim, fewer, guaranteed=True)
    return list(dict.fromkeys(found))


@functools.lru_cache(maxsize=1024)
def blocking_schemes(
    nld: Any,
    resource: Any,
    options: Any,
    constraint: Any = None,
    groups: Any = None,
    allows: Any = None,
) -> list[tuple[Any, Any, Any, float]]:
    """All valid (bl_ts, bl_ords, result, noc) that no equivalent scheme stands for.

    The last is the word-hops between nodes that share buffers, for the groups given.

    The orders of local-region layers make no difference (S6), so the first stands for all. Under a
    constraint those of CONV may (S2). Where filters could be pinned but also bypass, both ways to
    run a scheme are listed. With `allows`, only what it allows, but no scheme stands for another.
    """
    found = []
    partial = options.sw_imperfect
    for bl_ts, bl_ords in ref.gen_candidates(nld, constraint, partial=partial):
        if allows is not None:
            skipped = not is_plain(bl_ts, bl_ords)
        elif ref.is_conv(nld):
            skipped = constraint is None and ref.skip_conv(bl_ts, bl_ords)
        else:
            skipped = bl_ords != ((0, 1, 2), (0, 1, 2))
        if not skipped:
            sizes = tuple(group.size for group in groups) if groups else ref.ONE_GROUP
            for result in ref.variants(nld, bl_ts, bl_ords, resource, options, groups=sizes):
                if allows is not None and not allows.scheme(nld, bl_ts, bl_ords, result["stored"]):
                    continue
                moved = 0.0
                if groups and options.hw_gbuf_sharing:
                    moved = sharing.noc_access(
                        nld, bl_ts, bl_ords, resource, result, groups, partial=partial
                    )
                found.append((bl_ts, bl_ords, result, moved))
    return found


def is_plain(bl_ts: Any, bl_ords: Any) -> bool:
    """Whether loops of one trip are innermost, by index, as holds for one of equal nests."""
    return all(
        [*loops] == sorted(loops, key=lambda lpe, o=order: o[lpe])
        and all(order[lpe] == place for place, lpe in enumerate(loops))
        for factors, order in zip(bl_ts, bl_ords, strict=False)
        for loops in [[lpe for lpe in ref.LOOPS if factors[lpe] == 1]]
    )


def layer_schedules(
    layer: Any,
    batch_size: int,
    resource: Any,
    cost: Any,
    options: Any,
    strategy: Any,
    ifmap_layout: DataLayout,
    constraint: Any = None,
    allows: Any = None,
) -> list[Schedule]:
    """All schedules of a layer for given places of its ifmaps, in candidate order."""
    region = resource.proc_region
    filter_nodes = frozenset(resource.dram_region.iter_node())
    in_groups = options.hw_access_forwarding or options.hw_gbuf_sharing
    groups = None
    found = []
    for part in partitions(layer, batch_size, region, options):
        if allows is not None and not allows.part(part):
            continue
        node_layer, node_batch, occupancy = part.part_layer(layer, batch_size)
        layout = fmap_layout(layer, batch_size, resource.dst_data_region, part)
        hops = unit_nhops_to_proc_region(
            layer, batch_size, region, part, filter_nodes, ifmap_layout, layout, options
        )
        if in_groups:
            bufshr = BufShrScheme(region, part, layer.data_loops())
            groups = tuple(sharing.groups_of(bufshr))
        mapping = strategy(node_layer, node_batch, occupancy, resource.dim_array)
        for nld in mapping.gen_nested_loop_desc():
            for bl_ts, bl_ords, result, moved in blocking_schemes(
                nld, resource, options, constraint, groups, allows
            ):
                total = (
                    cost.mac_op * result["ops"]
                    + ref.access_cost(result, cost)
                    + cost.noc_hop
                    * sum(h * f for h, f in zip(hops, result["top_level_fetch"], strict=True))
                    + cost.noc_hop * moved
                    + cost.idl_unit * result["time"]
                )
                scheme = (bl_ts, bl_ords)
                time = result["time"]
                found.append(Schedule(total, time, layout, part, nld, scheme, result))
    return distinct(options.opt_goal, found)


def distinct(goal: str, schedules: list[Schedule]) -> list[Schedule]:
    """Keep the better way to run each scheme, where filters may be pinned or not (M6)."""
    best: dict[Any, Schedule] = {}
    for one in schedules:
        key = (one.part, one.nld, one.scheme)
        rank = goal_key(goal, one.cost, one.time)
        if key not in best or rank < goal_key(goal, best[key].cost, best[key].time):
            best[key] = one
    return list(best.values())


def best_values(goal: str, cost: Any, time: Any, num: int) -> list[tuple[float, ...]]:
    """The `num` least keys of costs and times; costs that differ by rounding are equal."""
    cost, time = np.asarray(cost, dtype=float), np.asarray(time)
    leading = {"e": cost, "d": time, "ed": cost * time}[goal]
    if len(leading) > num:
        limit = np.partition(leading, num - 1)[num - 1]
        some = leading <= limit * (1 + 1e-6)
        cost, time = cost[some], time[some]
    pairs = list(zip(cost.tolist(), time.tolist(), strict=True))
    merged = ref._merge_close([value for value, _ in pairs])
    return sorted(goal_key(goal, merged[value], cycles) for value, cycles in pairs)[:num]


def start_layouts(network: Any, batch_size: int, resource: Any, options: Any) -> list[Any]:
    """Layouts of the network's input and of its external layers, by name; the input is None."""
    region = resource.src_data_region
    inputs = {None: network.input_layer()}
    inputs |= {name: network[name] for name in network.ext_layers()}
    seen = set()
    starts = []
    for part in partitions(inputs[None], batch_size, region, options):
        layouts = {
            name: fmap_layout(layer, batch_size, region, part) for name, layer in inputs.items()
        }
        key = tuple(placement(layout) for layout in layouts.values())
        if key not in seen:
            seen.add(key)
            starts.append(layouts)
    return starts


@functools.lru_cache(maxsize=1 << 14)
def placement(layout: DataLayout) -> frozenset[Any]:
    """Which ranges are on which nodes: what a layout is to those who read it."""
    return frozenset(layout.fmap_range_map().items())


class NetworkOracle:
    """All schedules of a network, by walking all prefixes.

    Schedules of a layer are found once for each set of places of its producers. `allows` tells of
    some layers by name what of their schedules counts.
    """

    def __init__(
        self,
        network: Any,
        batch_size: int,
        resource: Any,
        cost: Any,
        options: Any,
        strategy: Any,
        allows: Any = None,
    ) -> None:
        self.network = network
        self.args = (batch_size, resource._replace(no_time_mux=len(network) == 1), cost, options)
        self.strategy = strategy
        self.allows = allows or {}
        self.starts = start_layouts(network, *self.args[:2], options)
        self.names = list(itertools.chain.from_iterable(schedule_order(network)))
        self._known: dict[Any, Any] = {}

    def schedules(self, name: str, layouts: dict[Any, DataLayout]) -> Any:
        """Schedules of a layer after some others, as (layout, costs, times) by place."""
        producers = [layouts[prev] for prev in self.network.prevs(name)]
        key = (name, *map(placement, producers))
        if key not in self._known:
            batch_size, resource, cost, options = self.args
            by_place: dict[Any, Any] = {}
            for found in layer_schedules(
                self.network[name],
                batch_size,
                resource,
                cost,
                options,
                self.strategy,
                DataLayout.concat(*producers),
                allows=self.allows.get(name),
            ):
                place = by_place.setdefault(placement(found.layout), (found.layout, []))
                place[1].append((found.cost, found.time))
            self._known[key] = [
                (layout, *map(np.array, zip(*values, strict=True)))
                for layout, values in by_place.values()
            ]
        return self._known[key]

    def num_schedules(self) -> int:
        """About how many schedules there are: as from the first layouts."""
        layouts = dict(self.starts[0])
        total = len(self.starts)
        for name in self.names:
            places = self.schedules(name, layouts)
            if not places:
                return 0
            total *= sum(len(costs) for _, costs, _ in places)
            layouts[name] = places[0][0]
        return total

    def values(self) -> tuple[Any, Any]:
        """Costs and times of all schedules."""
        found = [
            part
            for layouts in self.starts
            for part in self._walk(0, dict(layouts), np.zeros(1), np.zeros(1))
        ]
        return tuple(map(np.concatenate, zip(*found, strict=True))) if found else ([], [])

    def _walk(self, number: int, layouts: dict[Any, DataLayout], cost: Any, time: Any) -> Any:
        if number == len(self.names):
            yield cost, time
            return
        name = self.names[number]
        for layout, costs, times in self.schedules(name, layouts):
            yield from self._walk(
                number + 1,
                {**layouts, name: layout},
                np.add.outer(cost, costs).ravel(),
                np.add.outer(time, times).ravel(),
            )


def close(one: Any, other: Any) -> bool:
    """Whether keys are equal up to rounding."""
    return all(
        math.isclose(x, y, rel_tol=2 * REL_TOL, abs_tol=1e-9)
        for x, y in zip(one, other, strict=True)
    )
