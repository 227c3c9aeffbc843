# SPDX-License-Identifier: BSD-3-Clause
"""The search over segments against all schedules (docs/model/search.md and pipeline.md).

All sequences of segments, combinations of constraints, partition schemes, array mappings and loop
blocking schemes, by `reference_pipeline`. What comes out is also put together once more from its
parts, layer by layer, and compared with the search without pipelines.
"""

import concurrent.futures
import contextlib
import io
import itertools
import math
import os
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nn_dataflow.core import pipeline_search, segment_paths, segment_space, workers
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    InputLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import unit_nhops_to_proc_region
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.pipeline_segment import PipelineSegment
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import reference_pipeline as rp
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.core import test_nn_dataflow as own

IN = Network.INPUT_LAYER_KEY
GOALS = ("e", "d", "ed")
USUAL = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
BOTH = {"partition_interlayer": True, "hw_gbuf_save_writeback": True}
ALL_BYPASS = (True, True, True)
HYBRID = Option(sw_gbuf_bypass=ALL_BYPASS, partition_hybrid=True, **BOTH)

# Partial schedules that a test walks over at most.
MAX_WALK = 1500


def network_of(kind, given, *layers, ext=None):
    network = Network(kind)
    network.set_input_layer(given)
    if ext is not None:
        network.add_ext("x", ext)
    for name, layer, prevs in layers:
        network.add(name, layer, prevs=prevs)
    return network


# Layers do about the same, so that nodes can be divided among them.
KINDS = {
    "single": lambda n: [("a", n.first, IN)],
    "chain": lambda n: [("a", n.first, IN), ("b", n.back, "a")],
    "three": lambda n: [("a", n.first, IN), ("b", n.back, "a"), ("c", n.first, "b")],
    "four": lambda n: [
        ("a", n.equal, IN),
        ("b", n.equal, "a"),
        ("c", n.equal, "b"),
        ("d", n.equal, "c"),
    ],
    "pool": lambda n: [("a", n.first, IN), ("p", n.local, "a"), ("b", n.back, "p")],
    "pools": lambda n: [("a", n.first, IN), ("p", n.local, "a"), ("q", n.pool, "p")],
    "fork": lambda n: [("a", n.first, IN), ("b", n.back, "a"), ("c", n.back, "a")],
    "shared": lambda n: [("a", n.first, IN), ("b", n.first, IN)],
    "join": lambda n: [("a", n.first, IN), ("b", n.first, IN), ("c", n.joined, ("a", "b"))],
    "skip": lambda n: [("a", n.equal, IN), ("b", n.equal, "a"), ("c", n.joined, ("a", "b"))],
    "residual": lambda n: [
        ("a", n.equal, IN),
        ("b", n.equal, "a"),
        ("e", n.sum, ("a", "b")),
    ],
    "sum": lambda n: [("a", n.equal, IN), ("e", n.sum, (IN, "a")), ("b", n.equal, "e")],
    "external": lambda n: [("a", n.equal, IN), ("b", n.joined, ("x", "a"))],
    "external_sum": lambda n: [("a", n.equal, IN), ("e", n.sum, ("a", "x"))],
}


class Layers:
    """Layers of a tiny network with fmaps of one size."""

    def __init__(self, given, channels, size, window):
        channels = {True: given, False: channels}
        few, many = channels[True], channels[False]
        self.first = ConvLayer(few, many, size, window)
        self.back = ConvLayer(many, few, size, window)
        self.equal = ConvLayer(few, few, size, window)
        self.joined = ConvLayer(2 * few, few, size, window)
        self.pool = PoolingLayer(many, size, 1)
        self.local = self.pool if size % 2 else LocalRegionLayer(many, size, 2, 1)
        self.sum = EltwiseLayer(few, size, 2)


def tiny_network(kind, given, channels, size, window):
    layers = Layers(given, channels, size, window)
    if kind == "join":  # both producers have the channels of `first`
        layers.joined = ConvLayer(2 * channels, given, size, window)
    ext = InputLayer(given, size) if kind.startswith("external") else None
    return network_of(kind, InputLayer(given, size), *KINDS[kind](layers), ext=ext)


@st.composite
def networks(draw):
    given = draw(st.sampled_from((1, 2, 2, 3, 4)))
    channels = draw(st.sampled_from((given, given, 2 * given)))
    kind = draw(st.sampled_from(sorted(KINDS)))
    return tiny_network(
        kind, given, channels, draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from((1, 1, 2)))
    )


@st.composite
def machines(draw):
    """Up to 4 nodes with memory at the corners or on every node."""
    dims = ((1, 1), (1, 2), (2, 1), (1, 3), (1, 4), (2, 2), (2, 2))
    dim, origin = PhyDim2(*draw(st.sampled_from(dims))), PhyDim2(0, 0)
    corners = NodeRegion(PhyDim2(2, 2), origin, dist=dim - PhyDim2(1, 1), type=NodeRegion.DRAM)
    everywhere = NodeRegion(dim, origin, type=NodeRegion.DRAM)
    memory = draw(st.sampled_from((corners, everywhere)))
    return Resource(
        proc_region=NodeRegion(dim, origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*draw(st.sampled_from(((2, 2), (4, 4), (3, 5))))),
        size_gbuf=draw(st.sampled_from((20, 40, 80, 150, 400))),
        size_regf=draw(st.sampled_from((3, 5, 8, 12, 20))),
        array_bus_width=draw(st.sampled_from((math.inf, 1, 2, 8))),
        dram_bandwidth=draw(st.sampled_from((math.inf, 0.5, 1, 4, 30))),
        no_time_mux=False,
    )


@st.composite
def costs(draw):
    price = st.sampled_from((0, 1, 2, 6, 50, 200))
    odd = st.builds(
        Cost, mac_op=price, mem_hier=st.tuples(*[price] * 4), noc_hop=price, idl_unit=price
    )
    usual = (USUAL, USUAL._replace(idl_unit=50), USUAL._replace(noc_hop=100))
    return draw(st.one_of(*map(st.just, usual), odd))


@st.composite
def options(draw):
    """Options of pipelines, under which no segment may be too slow."""
    spatial, temporal = draw(st.sampled_from(((True, False), (False, True), (True, True))))
    hybrid = draw(st.booleans())
    found = Option(
        sw_gbuf_bypass=draw(st.tuples(*[st.booleans()] * 3)),
        partition_hybrid=hybrid,
        partition_batch=draw(st.booleans()),
        partition_ifmaps=hybrid and draw(st.booleans()),
        partition_interlayer=spatial,
        hw_gbuf_save_writeback=temporal,
        layer_pipeline_opt=draw(st.sampled_from((True, True, True, False))),
        layer_pipeline_max_degree=draw(st.sampled_from((math.inf, math.inf, 2))),
    )
    more = draw(st.sampled_from((None,) * 5 + ("forward", "share", "solve")))
    if more != "solve":
        found = found._replace(sw_imperfect=draw(st.booleans()))
    if more == "forward":
        return found._replace(hw_access_forwarding=True)
    if more == "share":
        return found._replace(hw_gbuf_sharing=True)
    if more == "solve" and not temporal:
        return found._replace(sw_solve_loopblocking=True, sw_gbuf_bypass=ALL_BYPASS)
    return found


@st.composite
def searches(draw):
    """(network, batch, resource, cost, options, strategy)."""
    return (
        draw(networks()),
        draw(st.sampled_from((1, 2, 2, 4))),
        draw(machines()),
        draw(costs()),
        draw(options()),
        MapStrategyEyeriss,
    )


def with_options(case, **changes):
    return *case[:4], case[4]._replace(**changes), case[5]


def searched(case):
    dataflow = NNDataflow(*case[:4], case[5])
    with contextlib.redirect_stderr(io.StringIO()):
        return dataflow.schedule_search(case[4])[0]


def keys_of(goal, schemes):
    return [rs.goal_key(goal, scheme.total_cost, scheme.total_time) for scheme in schemes]


def all_values(case, **kwargs):
    """Energies and times of all schedules; the example is left out if there are too many."""
    try:
        return rp.PipelineOracle(*case, max_states=MAX_WALK, **kwargs).values()
    except rp.TooManyError:
        assume(False)


def is_at_most(one, other):
    return one <= other or rs.close(one, other)


# Against the walk over everything.


@pytest.mark.parametrize("goal", GOALS)
@given(searches())
@settings(max_examples=14)
def test_best_of_all_schedules(goal, case):
    case = with_options(case, opt_goal=goal)
    expected = rp.best_values(goal, all_values(case), 1)
    keys = keys_of(goal, searched(case))
    assert len(keys) == len(expected)
    assert all(map(rs.close, keys, expected))


@given(searches(), st.sampled_from(GOALS), st.sampled_from((2, 3)))
@settings(max_examples=12)
def test_several_best_schedules(case, goal, num):
    """The first is the best of all; none is worse than if only different values counted.

    Of schemes that do the same, the search looks at one; the walk leaves such schemes out.
    """
    case = with_options(case, opt_goal=goal, ntops=num)
    best = rp.best_values(goal, all_values(case), 1)
    most = rp.best_values(goal, all_values(case, distinct=True), num)
    keys = keys_of(goal, searched(case))
    assert len(most) <= len(keys) <= num
    assert all(map(rs.close, keys[:1], best))
    assert all(map(is_at_most, keys, most))
    assert all(is_at_most(one, other) for one, other in itertools.pairwise(keys))


@given(searches(), st.sampled_from(GOALS), st.sampled_from((0, 0.1, 0.5)))
@settings(max_examples=12)
def test_limited_overhead(case, goal, overhead):
    """Within the limit, and as good as the best of what is looked at.

    A scheme of a layer is not looked at if it only makes the layer slower by itself, in comparison
    with which the segment then has less overhead; so the best of all may be missed.
    """
    case = with_options(case, opt_goal=goal, layer_pipeline_time_ovhd=overhead)
    best = rp.best_values(goal, all_values(case), 1)
    looked_at = rp.best_values(goal, all_values(case, unbeaten=True), 1)
    found = searched(case)
    keys = keys_of(goal, found)
    assert len(keys) == len(best)
    assert all(map(is_at_most, best, keys))
    assert all(map(is_at_most, keys, looked_at))
    for timing in (timing for scheme in found for timing in scheme.segment_timing_list):
        assert len(timing.layer2idx) == 1 or timing.time_overhead <= overhead + 1e-8


# What is found holds together.


def segments_of(scheme):
    """Layer names of each segment by spatial and temporal index."""
    found = []
    for name, result in scheme.items():
        seg, sp, tm = result.sched_seq
        if seg == len(found):
            found.append([])
        if sp == len(found[seg]):
            found[seg].append([])
        assert tm == len(found[seg][sp])
        found[seg][sp].append(name)
    return [tuple(map(tuple, groups)) for groups in found]


def check_layer(oracle, segment, sp, tm, scheme):
    """The figures of a layer are those of its scheme, from where its producers put their fmaps."""
    name = segment.seg[sp][tm]
    result = scheme[name]
    layer, resource = oracle.network[name], segment.allocation()[sp][tm]
    sources = [
        oracle._seen_by(segment, sp, tm, prev, scheme.fmap_layout((prev,)))
        for prev in oracle.network.prevs(name)
    ]
    part = result.scheme["part"]
    layout = rs.fmap_layout(layer, oracle.batch_size, resource.dst_data_region, part)
    assert rs.placement(result.ofmap_layout) == rs.placement(layout)
    assert result.scheme["num_nodes"] == resource.proc_region.dim.size()
    hops = unit_nhops_to_proc_region(
        layer,
        oracle.batch_size,
        resource.proc_region,
        part,
        frozenset(resource.dram_region.iter_node()),
        rp.DataLayout.concat(*sources),
        layout,
        oracle.options,
    )
    assert list(result.scheme["unit_nhops"]) == hops
    node_layer, node_batch, occupancy = part.part_layer(layer, oracle.batch_size)
    mapping = oracle.strategy(node_layer, node_batch, occupancy, resource.dim_array)
    orders = result.scheme["orders"]
    ways = [
        one
        for nld in mapping.gen_nested_loop_desc()
        if nld.loopcnt == result.scheme["trips"]
        for one in ref.variants(
            nld,
            result.scheme["tvals"],
            orders,
            resource,
            oracle.options,
            near_ifmaps=oracle._near_ifmaps(segment, sp, tm),
        )
    ]
    assert any(
        one["time"] == result.total_time
        and one["dram_time"] == result.total_dram_time
        and all(
            list(have) == pytest.approx(want)
            for have, want in zip(result.scheme["access"], one["access"], strict=True)
        )
        and list(result.scheme["remote_gbuf_access"]) == pytest.approx(one["remote_gbuf_access"])
        and list(result.scheme["fetch"][0]) == list(one["top_level_fetch"])
        for one in ways
    )


def allowed_by(segment, scheme):
    """Whether some combination of constraints allows what all layers of a segment do."""
    tops = [
        [(scheme[name].scheme["tvals"][0], scheme[name].scheme["orders"][0]) for name in group]
        for group in segment.seg
    ]
    return any(
        all(
            one.is_valid_top_bl(*top)
            for group, group_tops in zip(constraint, tops, strict=True)
            for one, top in zip(group, group_tops, strict=True)
        )
        for constraint, _ in segment.gen_constraint()
    )


@given(searches(), st.sampled_from(GOALS))
@settings(max_examples=24)
def test_schedules_hold_together(case, goal):
    """Segments are legal, layers keep to their constraints, and all figures follow from these."""
    case = with_options(case, opt_goal=goal, hw_access_forwarding=False, hw_gbuf_sharing=False)
    network, batch, resource, cost, used, _ = case
    oracle = rp.PipelineOracle(*case)
    legal = {segment.seg: segment for segment in oracle.segments}
    for scheme in searched(case):
        assert set(scheme) == set(network)
        for seg in segments_of(scheme):
            segment = legal[seg]
            assert segment == PipelineSegment(
                seg, network, batch, resource, with_opt=used.layer_pipeline_opt
            )
            assert allowed_by(segment, scheme)
            for sp, group in enumerate(seg):
                for tm in range(len(group)):
                    check_layer(oracle, segment, sp, tm, scheme)
        moving = sum(one.total_cost - one.scheme["cost_static"] for one in scheme.values())
        assert scheme.total_cost == pytest.approx(moving + cost.idl_unit * scheme.total_time)
        assert len(scheme.segment_time_list()) == len(segments_of(scheme))
        if len(segments_of(scheme)) > 1:
            assert scheme.total_time == sum(scheme.segment_time_list())


@given(searches(), st.sampled_from(GOALS))
@settings(max_examples=12)
def test_never_worse_than_without_pipelines(case, goal):
    case = with_options(case, opt_goal=goal)
    each = [
        keys_of(goal, searched(with_options(case, **changes)))
        for changes in (
            BOTH,
            {"partition_interlayer": False},
            {"hw_gbuf_save_writeback": False},
            dict.fromkeys(BOTH, False),
        )
        if not (case[4].sw_solve_loopblocking and changes == BOTH)
    ]
    *pipelined, plain = each
    assert {len(keys) for keys in each} <= {len(plain)}
    if plain:
        assert all(is_at_most(keys[0], plain[0]) for keys in pipelined)
        if len(pipelined) == 3:  # the first has both, which the solver excludes
            assert all(is_at_most(pipelined[0][0], keys[0]) for keys in pipelined)


@given(searches(), st.sampled_from(GOALS))
@settings(max_examples=25)
def test_several_are_never_worse_than_without_pipelines(case, goal):
    """The schedules without pipelines are among those with, so each place is at least as good."""
    case = with_options(case, opt_goal=goal, ntops=4)
    keys = keys_of(goal, searched(case))
    plain = keys_of(goal, searched(with_options(case, **dict.fromkeys(BOTH, False))))
    assert len(keys) >= len(plain)
    assert all(map(is_at_most, keys, plain))


# Cases for what pipelines are about, each with the walk over everything.


def machine(dim=(2, 2), size_gbuf=150, size_regf=20, bandwidth=2.0):
    proc = NodeRegion(PhyDim2(*dim), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = proc._replace(type=NodeRegion.DRAM)
    return Resource(
        proc, memory, memory, memory, PhyDim2(4, 4), size_gbuf, size_regf, 8, bandwidth, False
    )


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_network(kind, goal):
    """Two nodes with scarce memory bandwidth; static energy counts."""
    case = (
        tiny_network(kind, 2, 2, 1, 1),
        2,
        machine((1, 2)),
        USUAL._replace(idl_unit=50),
        HYBRID._replace(opt_goal=goal),
        MapStrategyEyeriss,
    )
    (best,) = rp.best_values(goal, rp.PipelineOracle(*case).values(), 1)
    (found,) = searched(case)
    assert rs.close(keys_of(goal, [found])[0], best)


@pytest.mark.parametrize(
    ("kind", "segments"),
    [
        ("chain", [(("a",), ("b",))]),
        ("pools", [(("a", "p", "q"),)]),
        ("shared", [(("a",), ("b",))]),
        ("residual", [(("a",),), (("b", "e"),)]),
        ("sum", [(("a", "e"),), (("b",),)]),  # as much work as 2 to 1
        ("external_sum", [(("a", "e"),)]),
    ],
)
def test_segments_that_are_found(kind, segments):
    """Memory is dear, so layers run together wherever they can."""
    network = tiny_network(kind, 2, 2, 2, 1)
    case = network, 2, machine((1, 2)), USUAL, HYBRID, MapStrategyEyeriss
    options_ = HYBRID._replace(hw_gbuf_save_writeback=False)
    (found,) = searched((*case[:4], options_, case[5]))
    assert segments_of(found) == segments


def test_memory_time_of_layers_adds_up():
    """Layers that are as fast with less memory traffic, but take more energy by themselves."""
    proc = NodeRegion(PhyDim2(1, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), dist=PhyDim2(0, 3), type=NodeRegion.DRAM)
    sizes = PhyDim2(2, 2), 40, 20, 2, 4
    case = (
        tiny_network("shared", 3, 3, 2, 1),
        2,
        Resource(proc, memory, memory, memory, *sizes, no_time_mux=False),
        Cost(mac_op=6, mem_hier=(1, 6, 1, 2), noc_hop=2, idl_unit=200),
        Option(sw_gbuf_bypass=(True, False, True), opt_goal="d", **BOTH),
        MapStrategyEyeriss,
    )
    (found,) = searched(case)
    assert segments_of(found) == [(("a",), ("b",))]
    assert [found[name].total_time for name in found] == [12, 12]
    assert [found[name].total_dram_time for name in found] == [12, 6]
    (best,) = rp.best_values("d", rp.PipelineOracle(*case).values(), 1)
    assert rs.close(keys_of("d", [found])[0], best)


def test_residual_operand_on_chip_takes_no_memory():
    """Of the two operands of the sum, one stays in the buffers and one comes from memory."""
    network = tiny_network("residual", 2, 2, 2, 1)
    (found,) = searched((network, 2, machine((1, 2)), USUAL, HYBRID, MapStrategyEyeriss))
    scheme = found["e"].scheme
    words = network["e"].total_ifmap_size(2)
    assert scheme["access"][0][1] == scheme["remote_gbuf_access"][1] == words / 2
    assert scheme["is_dram"] == (True, True)


# What a result does not depend on.

PIPELINED = own.OPTIONS._replace(opt_goal="ed", **BOTH)


def test_executor_does_not_matter(monkeypatch):
    """Schedules do not change when searches run elsewhere; some that are not needed are done."""
    alone = own.dataflow_of()
    expected, _ = alone.schedule_search(PIPELINED)
    monkeypatch.setattr(workers, "CHUNK", 1)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        helped = own.dataflow_of()
        found, _ = helped.schedule_search(PIPELINED, executor=executor)
    assert own.digest(found) == own.digest(expected)
    assert [one[name].sched_seq for one in found for name in one] == [
        one[name].sched_seq for one in expected for name in one
    ]
    own.assert_as_much_or_more(helped.effort, alone.effort)


SCRIPT = """
from nn_dataflow.core import workers
from nn_dataflow.tests.core import test_nn_dataflow as own
from nn_dataflow.tests.core import test_pipeline_search as pipelines

workers.MIN_JOBS = workers.CHUNK = 1
workers.MIN_SECONDS = -1
found, _ = own.dataflow_of().schedule_search(pipelines.PIPELINED._replace(nprocesses={nprocesses}))
print(own.digest(found))
"""


@pytest.mark.parametrize(("nprocesses", "hash_seed"), [(2, "0"), (1, "12345")])
def test_processes_and_hash_seed_do_not_matter(nprocesses, hash_seed, tmp_path):
    script = tmp_path / "search.py"
    script.write_text(SCRIPT.format(nprocesses=nprocesses))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    found = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    expected, _ = own.dataflow_of().schedule_search(PIPELINED)
    assert found.stdout.strip() == str(own.digest(expected))


def test_what_was_searched_before_does_not_matter():
    used = own.dataflow_of()
    for goal in ("d", "e", "d"):
        changed = PIPELINED._replace(opt_goal=goal)
        found, _ = used.schedule_search(changed)
        fresh, _ = own.dataflow_of().schedule_search(changed)
        assert own.digest(found) == own.digest(fresh)


def test_few_guided_prefixes_do_not_matter(monkeypatch):
    """How many prefixes the passes keep that look for a better limit changes the effort only."""
    expected, _ = own.dataflow_of().schedule_search(PIPELINED)
    monkeypatch.setattr(pipeline_search, "GUIDED_PREFIXES", 1)
    found, _ = own.dataflow_of().schedule_search(PIPELINED)
    assert all(map(rs.close, keys_of("ed", found), keys_of("ed", expected)))
    assert len(found) == len(expected) == PIPELINED.ntops


@given(searches(), st.sampled_from(GOALS), st.integers(0, 3), st.booleans(), st.booleans())
@settings(max_examples=20)
def test_certificate(case, goal, most, few_prefixes, only_first):
    """Nothing is better than the lower bound, also when much is given up."""
    case = with_options(case, opt_goal=goal)
    dataflow = NNDataflow(*case[:4], case[5])
    with contextlib.redirect_stderr(io.StringIO()):
        best, _ = dataflow.schedule_search(case[4])
        assume(best)
        proven = dataflow.certificate
        assert dataflow.effort.prefixes_dropped == 0
        assert proven.is_optimal
        assert proven.value == keys_of(goal, best)[0][0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segment_paths, "MAX_SEARCHED", 0)
            if only_first:
                patch.setattr(pipeline_search, "MAX_SEARCHED", -1)
            patch.setattr(pipeline_search, "GUIDED_COMBINATIONS", most)
            patch.setattr(pipeline_search, "MAX_COMBINATIONS", most)
            if few_prefixes:
                patch.setattr(pipeline_search, "MAX_PREFIXES", 1)
            dataflow.schedule_search(case[4])
    weaker = dataflow.certificate
    assert weaker.lower_bound <= proven.value * (1 + 1e-9)
    assert weaker.value >= proven.value * (1 - 1e-9)
    assert weaker.is_optimal == (weaker.gap == 0)
    if not dataflow.effort.prefixes_dropped:
        assert rs.close((weaker.value,), (proven.value,))


@given(searches(), st.sampled_from(GOALS), st.integers(1, 4))
@settings(max_examples=25)
def test_what_is_settled_needs_no_more_searches(case, goal, together):
    """The bounds of all combinations that are left are those of schedules."""
    settle = segment_paths.SegmentPaths.settled

    def settled(paths):
        found = settle(paths)
        for edge, numbers in zip(paths.edges, found, strict=True):
            for number in numbers.tolist():
                assert not edge.space.bounds.wanted(number)
                assert not edge.space.bounds.refine(number)
        return found

    case = with_options(case, opt_goal=goal)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()):
        patch.setattr(segment_paths, "MAX_TOGETHER", together)
        patch.setattr(segment_paths.SegmentPaths, "settled", settled)
        NNDataflow(*case[:4], case[5]).schedule_search(case[4])


@pytest.mark.parametrize("most", [1, 3, 50])
def test_places_are_searched_by_halves_where_there_is_too_much(monkeypatch, most):
    """How many places are searched together changes nothing, nor what is counted."""
    options = own.OPTIONS._replace(**BOTH, ntops=2)
    together = own.dataflow_of()
    expected, _ = together.schedule_search(options)
    monkeypatch.setattr(segment_space, "MAX_TOGETHER", most)
    apart = own.dataflow_of()
    found, _ = apart.schedule_search(options)
    assert own.digest(found) == own.digest(expected)
    assert apart.effort.as_dict() == together.effort.as_dict()
