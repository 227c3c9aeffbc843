# SPDX-License-Identifier: BSD-3-Clause
"""Networks, machines and Hypothesis strategies for the tests of segments.

Networks are of the kinds that pipelines care about: chains, forks, joins, pooling behind
convolutions; layers are small, so that limits of buffers and nodes are met often.
"""

import functools
import gzip
import itertools
import json
import math
from pathlib import Path

from hypothesis import strategies as st

from nn_dataflow import nns
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.layer_order import schedule_order
from nn_dataflow.core.network import Network
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource

IN = Network.INPUT_LAYER_KEY

_DATA = Path(__file__).parent / "data" / "segments.json.gz"
REFERENCE = json.loads(gzip.decompress(_DATA.read_bytes()))


def reference_id(number):
    """Name of a reference case."""
    case = REFERENCE[number]
    return f"{number}-{case['net']}"


@functools.cache
def reference_segments(number):
    """All segments that we find for a reference case, by layer names, in order."""
    case = REFERENCE[number]
    resource = machine(
        case["nodes"], size_gbuf=case["size_gbuf"], array=(16, 16), corners=case["mem_type"] == "2D"
    )._replace(dram_bandwidth=math.inf)
    pipeline = InterLayerPipeline(nns.import_network(case["net"]), case["batch"], resource)
    return {segment.seg: segment for segment in pipeline.gen_segment(Option(**case["options"]))}


def groups_of(names):
    """A segment given as nested lists."""
    return tuple(map(tuple, names))


def machine(nodes=(4, 4), *, size_gbuf=4096, array=(8, 8), corners=False):
    """A chip with memory next to every node, or at the four corners."""
    dim, origin = PhyDim2(*nodes), PhyDim2(0, 0)
    memory = NodeRegion(dim=dim, origin=origin, type=NodeRegion.DRAM)
    if corners:
        memory = NodeRegion(
            dim=PhyDim2(2, 2), origin=origin, dist=dim - PhyDim2(1, 1), type=NodeRegion.DRAM
        )
    return Resource(
        proc_region=NodeRegion(dim=dim, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*array),
        size_gbuf=size_gbuf,
        size_regf=64,
        array_bus_width=float("inf"),
        dram_bandwidth=8.0,
        no_time_mux=False,
    )


def network_of(given, *layers):
    """A network from (name, layer, producers); ``given`` is the input layer."""
    network = Network("test")
    network.set_input_layer(given)
    for name, layer, prevs in layers:
        network.add(name, layer, prevs=prevs)
    return network


def linear_network():
    """Section 9.2: three convolutions in a row."""
    return network_of(
        InputLayer(8, 16),
        ("a", ConvLayer(8, 16, 16, 3), [IN]),
        ("b", ConvLayer(16, 24, 16, 3), ["a"]),
        ("c", ConvLayer(24, 8, 16, 1), ["b"]),
    )


def fork_network():
    """Section 9.3: two branches of two convolutions, joined in a fifth."""
    conv = ConvLayer(8, 8, 8, 1)
    return network_of(
        InputLayer(8, 8),
        ("1", conv, [IN]),
        ("2a", conv, ["1"]),
        ("3a", conv, ["2a"]),
        ("2b", conv, ["1"]),
        ("3b", conv, ["2b"]),
        ("4", ConvLayer(16, 8, 8, 1), ["3a", "3b"]),
    )


def fully_connected_network():
    """Section 9.1: layers of 200, 600 + 30, 1200 and 2000 operations."""
    return network_of(
        InputLayer(10, 1),
        ("0", FCLayer(10, 20), [IN]),
        ("1", FCLayer(20, 30), ["0"]),
        ("1p", PoolingLayer(30, 1, 1), ["1"]),
        ("2", FCLayer(30, 40), ["1p"]),
        ("3", FCLayer(40, 50), ["2"]),
    )


def fork_around_pooling():
    """A pooling layer and two convolutions, where a sum comes before the user of its symbol."""
    return network_of(
        InputLayer(8, 32),
        ("a", ConvLayer(8, 16, 32, 1), [IN]),
        ("p", PoolingLayer(16, 16, 2), ["a"]),
        ("c", ConvLayer(16, 16, 16, 1, 2), ["a"]),
        ("e", EltwiseLayer(16, 16, 2), ["c", "p"]),
        ("f", ConvLayer(16, 8, 16, 1), ["e"]),
    )


@st.composite
def pipeline_networks(draw, max_layers=9):
    """Networks of layers of one fmap size, most of which read what comes shortly before."""
    size = draw(st.sampled_from((1, 4, 8)))
    channels = draw(st.sampled_from(((4, 8), (6, 8, 12), (1, 16), (10,))))
    width = {IN: draw(st.sampled_from(channels)), "x": draw(st.sampled_from(channels))}
    network = Network("drawn")
    network.set_input_layer(InputLayer(width[IN], size))
    network.add_ext("x", InputLayer(width["x"], size))
    names = [IN]
    for number in range(draw(st.integers(2, max_layers))):
        name = f"l{number}"
        near = [names[-1], names[-1], *names[-3:], "x"]
        prevs = draw(st.lists(st.sampled_from(near), min_size=1, max_size=2))
        nifm = sum(width[prev] for prev in prevs)
        sums = len(prevs) == 2 and width[prevs[0]] == width[prevs[1]]
        if sums and draw(st.booleans()):
            width[name], layer = nifm // 2, EltwiseLayer(nifm // 2, size, 2)
        elif draw(st.integers(0, 2)):
            width[name] = draw(st.sampled_from(channels))
            layer = ConvLayer(nifm, width[name], size, draw(st.sampled_from((1, 3))))
        else:
            width[name], layer = nifm, PoolingLayer(nifm, size, 1)
        network.add(name, layer, prevs=prevs)
        names.append(name)
    return network


@st.composite
def arrangements(draw, network, max_layers=7):
    """Runs of the schedule order, cut into groups, mostly where vertices end."""
    vertices = schedule_order(network)
    order = [name for names in vertices for name in names]
    ends = {names[-1] for names in vertices}
    start = draw(st.integers(0, len(order) - 1))
    run = order[start : start + draw(st.integers(1, max_layers))]
    groups = [[run[0]]]
    for before, name in itertools.pairwise(run):
        if draw(st.integers(0, 9)) < (8 if before in ends else 1):
            groups.append([])
        groups[-1].append(name)
    return tuple(map(tuple, groups))


@st.composite
def pipeline_machines(draw):
    """Chips of few nodes with small buffers."""
    nodes = draw(st.sampled_from(((1, 4), (2, 2), (4, 4), (3, 2), (8, 2), (6, 6))))
    size_gbuf = draw(st.sampled_from((16, 64, 200, 1000, 20000)))
    return machine(nodes, size_gbuf=size_gbuf, corners=draw(st.booleans()))
