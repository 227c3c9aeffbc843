# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis strategies: loop nests, schemes, machines; layers and networks to be searched.

Everything is small enough to be walked body by body and enumerated completely. Capacities are
drawn around the block sizes of some scheme of the nest, often exactly at them, so that they bind.
"""

import functools
import itertools
import math

from hypothesis import strategies as st

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_dim_loops import DataDimLoops
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nested_loop_desc import NestedLoopDesc
from nn_dataflow.core.network import Network
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests.reference_blocking import block_sizes, block_triples, factor_triples

I, O, B = range(3)
CONV_LOOPS = (DataDimLoops(I, O), DataDimLoops(I, B), DataDimLoops(O, B))
LOCAL_LOOPS = (DataDimLoops(), DataDimLoops(O, B), DataDimLoops(O, B))

MEMORY = NodeRegion(dim=PhyDim2(1, 1), origin=PhyDim2(0, 0), type=NodeRegion.DRAM)
DATA_LOCATIONS = ("dram", "local", "other")

# Sets of categories with a place in GBUF; mostly all, as without bypass.
SOME_STORED = [(True, True, True)] * 6
SOME_STORED += [s for s in itertools.product((True, False), repeat=3) if any(s)]

# Trip counts with many and with few factorisations.
TRIPS = (1, 2, 3, 4, 5, 6, 8, 9, 12)


def num_candidates(loopcnt):
    """Number of candidates of docs/model/loop_blocking.md section 8 for these trip counts."""
    return 36 * math.prod(len(factor_triples(cnt)) for cnt in loopcnt)


@functools.cache
def triples_of(count, *, partial=False):
    """Ways to cut a loop in blocks of blocks, all of them full unless some may be partial."""
    return block_triples(count) if partial else factor_triples(count)


# Loop nests.


@st.composite
def loop_counts(draw, *, conv=True, max_bodies=600, max_candidates=None):
    """Trip counts (I, O, B) with at most this many loop bodies (and candidates)."""
    counts = [1, 1, 1]
    for lpe in draw(st.permutations((I, O, B) if conv else (O, B))):
        legal = []
        for trip in TRIPS:
            counts[lpe] = trip
            if math.prod(counts) <= max_bodies and (
                max_candidates is None or num_candidates(counts) <= max_candidates
            ):
                legal.append(trip)
        counts[lpe] = draw(st.sampled_from(legal + legal[2:]))  # rather the larger ones
    return tuple(counts)


@st.composite
def synthetic_descs(draw, *, conv=True, max_bodies=600, max_candidates=None):
    """Loop nests of any unit sizes and accesses, including fractional and equal ones."""
    sizes = st.integers(1, 40)
    accesses = st.one_of(st.integers(1, 50).map(float), st.integers(1, 200).map(lambda x: x / 3))

    def triple(element):
        rest = (draw(element), draw(element))
        return (draw(element), *rest) if conv else (0, *rest)

    return NestedLoopDesc(
        loopcnt=draw(loop_counts(conv=conv, max_bodies=max_bodies, max_candidates=max_candidates)),
        usize_gbuf=triple(sizes),
        usize_regf=triple(st.integers(1, 6)),
        unit_access=tuple(triple(accesses) for _ in range(4)),
        unit_ops=draw(accesses),
        unit_time=draw(st.integers(1, 300)),
        data_loops=CONV_LOOPS if conv else LOCAL_LOOPS,
    )


@st.composite
def small_layers(draw, *, conv=True):
    """Small layers of every kind that can be mapped undivided."""
    nofm, sofm = draw(st.integers(1, 12)), draw(st.integers(1, 14))
    window = draw(st.integers(1, 5))
    if conv:
        nifm, strd = draw(st.integers(1, 12)), draw(st.integers(1, 2))
        layers = [ConvLayer(nifm, nofm, sofm, window, strd), FCLayer(nifm, nofm, window)]
    else:
        layers = [
            PoolingLayer(nofm, sofm, window),  # a region in the plane
            LocalRegionLayer(nofm, sofm, window, 1),  # a region along channels
        ]
    return draw(st.sampled_from(layers))


@st.composite
def mapped_descs(draw, *, conv=True, max_bodies=600, max_candidates=None):
    """Loop nests of small layers mapped on small PE arrays."""

    def small_enough(nld):
        bodies = math.prod(nld.loopcnt)
        return bodies <= max_bodies and (
            max_candidates is None or num_candidates(nld.loopcnt) <= max_candidates
        )

    array = PhyDim2(draw(st.sampled_from((4, 8, 16))), draw(st.sampled_from((4, 8, 16))))
    strategy = MapStrategyEyeriss(
        draw(small_layers(conv=conv)),
        draw(st.sampled_from((1, 2, 3, 4, 8))),
        draw(st.sampled_from((1.0, 0.75, 0.3))),
        array,
    )
    descs = [nld for nld in strategy.gen_nested_loop_desc() if small_enough(nld)]
    return (
        draw(st.sampled_from(descs))
        if descs
        else draw(synthetic_descs(conv=conv, max_bodies=max_bodies, max_candidates=max_candidates))
    )


def nested_loop_descs(*, conv=None, max_bodies=600, max_candidates=None):
    """Small loop nests: CONV if ``conv``, local-region if it is false, both if it is None."""
    limits = {"max_bodies": max_bodies, "max_candidates": max_candidates}
    kinds = (True, True, True, False) if conv is None else (conv,)
    return st.one_of(
        [make(conv=kind, **limits) for kind in kinds for make in (synthetic_descs, mapped_descs)]
    )


# Schemes.


@st.composite
def blocking_factors(draw, nld, *, exact=True, partial=False):
    """Blocking factors (3 levels of I, O, B); exact ones have the trip counts as products.

    With `partial`, last blocks may be partial; otherwise inexact factors pad the loops.
    """
    filters_once = draw(st.sampled_from([False] * 5 + [True]))  # as pinned ones are
    per_loop = []
    for lpe, cnt in enumerate(nld.loopcnt):
        triples = triples_of(cnt, partial=partial)
        if filters_once and lpe != B:
            triples = [triple for triple in triples if triple[0] == 1]
        triple = draw(st.sampled_from(triples))
        if not exact and draw(st.booleans()):
            level = draw(st.integers(0, 2))
            triple = tuple(fac + (lvl == level) for lvl, fac in enumerate(triple))
        per_loop.append(triple)
    return tuple(zip(*per_loop, strict=True))


def blocking_orders():
    """Loop orders of levels 0 and 1."""
    order = st.permutations((0, 1, 2)).map(tuple)
    return st.tuples(order, order)


# Machines and options.


@st.composite
def capacities(draw, nld, bl_ts=None, *, partial=False):
    """(size_gbuf, size_regf) around the block sizes of a scheme, by default of a random one."""
    anchor = draw(blocking_factors(nld, partial=partial)) if bl_ts is None else bl_ts
    stored = draw(st.sampled_from(SOME_STORED))
    slack = st.sampled_from((0, 0, 0, -1, 1, 10, 1000))
    return tuple(
        max(1, sum(row) + draw(slack)) for row in block_sizes(nld, anchor, stored, partial=partial)
    )


@st.composite
def resources(draw, nld, bl_ts=None, *, locations=DATA_LOCATIONS, max_nodes=6, partial=False):
    """Machines for a loop nest; give ``bl_ts`` to have capacities around those of a scheme."""
    size_gbuf, size_regf = draw(capacities(nld, bl_ts, partial=partial))
    dim = draw(
        st.sampled_from([PhyDim2(h, w) for h in (1, 2, 3) for w in (1, 2, 3) if h * w <= max_nodes])
    )
    proc_region = NodeRegion(dim=dim, origin=PhyDim2(0, 0), type=NodeRegion.PROC)
    regions = {
        "dram": MEMORY,
        "local": proc_region,
        "other": NodeRegion(dim=dim, origin=PhyDim2(dim.h, dim.w), type=NodeRegion.PROC),
    }
    # Mostly in memory: nothing else is legal for schemes that fetch more than once.
    place = st.sampled_from(("dram", "dram", "dram", "dram", *locations))
    return Resource(
        proc_region=proc_region,
        dram_region=MEMORY,
        src_data_region=regions[draw(place)],
        dst_data_region=regions[draw(place)],
        dim_array=PhyDim2(16, 16),
        size_gbuf=size_gbuf,
        size_regf=size_regf,
        array_bus_width=draw(st.sampled_from((math.inf, 1, 2, 3, 8, 16))),
        dram_bandwidth=draw(st.sampled_from((math.inf, 0.5, 1, 2.5, 8, 100))),
        no_time_mux=draw(st.booleans()),
    )


@st.composite
def blocking_options(draw, *, goals=("e", "d", "ed"), max_ntops=1, partial=False):
    """Options that matter to the blocking of one layer without forwarding and sharing."""
    return Option(
        sw_gbuf_bypass=draw(st.tuples(*[st.booleans()] * 3)),
        opt_goal=draw(st.sampled_from(goals)),
        ntops=draw(st.integers(1, max_ntops)),
        sw_imperfect=partial,
    )


@st.composite
def costs(draw):
    """Cost tables: the published one, and unusual ones (GBUF dearer than DRAM, free levels)."""
    usual = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
    price = st.sampled_from((0, 1, 2, 6, 50, 200))
    unusual = st.builds(
        Cost, mac_op=price, mem_hier=st.tuples(*[price] * 4), noc_hop=price, idl_unit=price
    )
    return draw(st.one_of(st.just(usual), unusual))


@st.composite
def cases(draw, *, conv=None, max_bodies=600, exact=True, partial=False):
    """(nld, bl_ts, bl_ords, resource, options): a scheme on a machine that it often just fits."""
    nld = draw(nested_loop_descs(conv=conv, max_bodies=max_bodies))
    bl_ts = draw(blocking_factors(nld, exact=exact, partial=partial))
    bl_ords = draw(blocking_orders())
    anchor = draw(st.sampled_from((bl_ts, bl_ts, None)))
    resource = draw(resources(nld, anchor, partial=partial))
    return nld, bl_ts, bl_ords, resource, draw(blocking_options(partial=partial))


# Nodes that forward data to each other, or share their buffers.


@st.composite
def groupings(draw, *, max_nodes=32):
    """(processing region, partition scheme) with groups of several nodes."""
    sides = st.sampled_from((1, 1, 2, 2, 3, 4))
    dims, area = [], PhyDim2(1, 1)
    for _ in range(4):
        dim = PhyDim2(draw(sides), draw(sides))
        if (area * dim).size() > max_nodes:
            dim = PhyDim2(1, 1)
        dims.append(dim)
        area *= dim
    part = PartitionScheme(tuple(draw(st.permutations(range(4)))), draw(st.permutations(dims)))
    dist = PhyDim2(draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from((1, 1, 3))))
    return NodeRegion(area, PhyDim2(0, 0), dist, NodeRegion.PROC), part


@st.composite
def sharing_machines(draw, nld, groups, bl_ts=None, *, partial=False):
    """Machines whose buffers a scheme just fits, its data spread over groups of nodes.

    Some have room for smaller subgroups.
    """
    region, sizes = groups
    resource = draw(resources(nld, bl_ts, locations=("dram",), partial=partial))
    anchor = draw(blocking_factors(nld, partial=partial)) if bl_ts is None else bl_ts
    room = draw(st.sampled_from((0, 0, 0, -1, 5, 50, 500)))
    stored = (True, True, True)
    words = sum(block_sizes(nld, anchor, stored, sizes, partial=partial)[0]) + room
    regf = sum(block_sizes(nld, anchor, stored, partial=partial)[1])
    return resource._replace(proc_region=region, size_gbuf=max(1, words), size_regf=regf)


# Searches of whole layers and networks.


@st.composite
def search_layers(draw):
    """Tiny layers of every kind, with few loop blocking schemes."""
    nifm, nofm = draw(st.sampled_from((1, 2, 3, 4))), draw(st.sampled_from((1, 2, 3, 4, 6)))
    sofm, window = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    conv = ConvLayer(nifm, nofm, sofm, window, draw(st.sampled_from((1, 1, 2))))
    others = (
        FCLayer(nifm, nofm, sofm),
        PoolingLayer(nofm, sofm, window),
        LocalRegionLayer(nofm, sofm, window, 1),
        EltwiseLayer(nofm, sofm, draw(st.sampled_from((2, 3)))),
    )
    return draw(st.sampled_from((conv, conv, conv, *others)))


@st.composite
def search_resources(draw, *, locations=("memory", "memory", "memory", "local"), tight=False):
    """Machines of 1 to 4 nodes with memory at the corners, on every node, or at the sides."""
    dim = draw(st.sampled_from([PhyDim2(*d) for d in ((1, 1), (1, 2), (2, 1), (2, 2))]))
    proc = NodeRegion(dim=dim, origin=PhyDim2(0, 0), type=NodeRegion.PROC)
    corners = PhyDim2(max(0, dim.h - 1), max(0, dim.w - 1))
    memory = draw(
        st.sampled_from(
            (
                NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), dist=corners, type=NodeRegion.DRAM),
                NodeRegion(dim, PhyDim2(0, 0), type=NodeRegion.DRAM),
                NodeRegion(
                    PhyDim2(1, 2),
                    PhyDim2(0, -1),
                    dist=PhyDim2(1, dim.w + 1),
                    type=NodeRegion.DRAM,
                ),
            )
        )
    )
    place = {"memory": memory, "local": proc}
    sizes = (20, 40, 80, 150, 400) if tight else (40, 100, 200, 400, 1000, 10000)
    return Resource(
        proc_region=proc,
        dram_region=memory,
        src_data_region=place[draw(st.sampled_from(locations))],
        dst_data_region=place[draw(st.sampled_from(locations))],
        dim_array=draw(st.sampled_from([PhyDim2(*d) for d in ((2, 2), (4, 4), (3, 5), (8, 8))])),
        size_gbuf=draw(st.sampled_from(sizes)),
        size_regf=draw(st.sampled_from((2, 5, 8, 12, 20) if tight else (5, 8, 12, 20, 50, 200))),
        array_bus_width=draw(st.sampled_from((math.inf, 1, 2, 8))),
        dram_bandwidth=draw(st.sampled_from((math.inf, 0.5, 1, 4, 30))),
        no_time_mux=draw(st.booleans()),
    )


@st.composite
def search_options(draw, *, max_ntops=3):
    """Options of the layer and network search."""
    hybrid = draw(st.sampled_from((True, True, False)))
    return Option(
        sw_gbuf_bypass=draw(st.tuples(*[st.booleans()] * 3)),
        partition_hybrid=hybrid,
        partition_batch=draw(st.booleans()),
        partition_ifmaps=hybrid and draw(st.booleans()),
        opt_goal=draw(st.sampled_from(("e", "d", "ed"))),
        ntops=draw(st.integers(1, max_ntops)),
        sw_imperfect=draw(st.booleans()),
    )


@st.composite
def networks(draw, *, only=()):
    """Tiny networks: chains, forks, concatenations, element-wise joins, external layers.

    Of the kinds given, if any are.
    """
    size, channels = draw(st.integers(1, 3)), st.sampled_from((1, 2, 2, 3, 4))
    nin, one, two, three, four = (draw(channels) for _ in range(5))
    window = draw(st.integers(1, 2))
    given = Network.INPUT_LAYER_KEY
    conv = functools.partial(ConvLayer, sofm=size, sfil=window)
    pool = draw(st.sampled_from((PoolingLayer(one, size, 1), LocalRegionLayer(one, size, 2, 1))))
    kinds = {
        "single": [("a", conv(nin, one), None)],
        "chain": [("a", conv(nin, one), None), ("b", conv(one, two), "a")],
        "pool": [("a", conv(nin, one), None), ("p", pool, "a"), ("b", conv(one, two), "p")],
        "long": [
            ("a", conv(nin, one), None),
            ("b", conv(one, two), "a"),
            ("c", conv(two, three), "b"),
            ("d", conv(three, four), "c"),
        ],
        "fork": [
            ("a", conv(nin, one), None),
            ("b", conv(one, two), "a"),
            ("c", conv(one, three), "a"),
        ],
        "join": [
            ("a", conv(nin, one), None),
            ("b", conv(nin, two), given),
            ("c", conv(one + two, three), ("a", "b")),
        ],
        "diamond": [
            ("a", conv(nin, one), None),
            ("b", conv(one, two), "a"),
            ("c", conv(one, three), "a"),
            ("d", conv(two + three, four), ("b", "c")),
        ],
        "skip": [
            ("a", conv(nin, one), None),
            ("b", conv(one, two), "a"),
            ("c", conv(one + two, three), ("a", "b")),
        ],
        "residual": [
            ("a", conv(nin, one), None),
            ("b", conv(one, one), "a"),
            ("e", EltwiseLayer(one, size, 2), ("a", "b")),
        ],
        "twice": [
            ("a", conv(nin, one), None),
            ("e", EltwiseLayer(one, size, 2), ("a", "a")),
        ],
        "external": [
            ("a", conv(nin, one), None),
            ("b", conv(one + four, two), draw(st.sampled_from((("a", "x"), ("x", "a"))))),
            ("c", conv(two + four, three), ("b", "x")),
        ],
        "external_sum": [
            ("a", conv(nin, four), None),
            ("e", EltwiseLayer(four, size, 2), ("x", "a")),
        ],
    }
    kind = draw(st.sampled_from(sorted(only or kinds)))
    network = Network(kind)
    network.set_input_layer(InputLayer(nin, size))
    if kind.startswith("external"):
        network.add_ext("x", InputLayer(four, size))
    for name, layer, prevs in kinds[kind]:
        network.add(name, layer, prevs=prevs)
    return network
