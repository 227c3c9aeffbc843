# SPDX-License-Identifier: BSD-3-Clause
"""Search results with layers that share segments: written down, and found."""

from collections import OrderedDict

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapPosition, FmapRange
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.scheduling_result import SchedulingResult
from nn_dataflow.tools import nn_dataflow_search
from nn_dataflow.tools.search_arguments import parse_arguments
from nn_dataflow.tools.search_result import SearchResult

WHOLE = PartitionScheme(range(4), [(1, 1)] * 4)
STATIC = 100  # cost of a cycle


def found(words):
    """What the search finds for a command line."""
    arguments = parse_arguments(words.split())
    return nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))


def three_layers():
    """The layers of docs/model/pipeline.md section 9.2."""
    network = Network("three")
    network.set_input_layer(InputLayer(8, 16))
    network.add("a", ConvLayer(8, 16, 16, 3))
    network.add("b", ConvLayer(16, 24, 16, 3))
    network.add("c", ConvLayer(24, 8, 16, 1))
    return network


def layer(layout, place, ops, nodes, times, tops, order):
    """A schedule of a layer, with its ofmaps in a layout.

    ``times`` are those of the nodes and of DRAM, ``tops`` the factors of I, O and B at the top,
    ``order`` their positions, 0 innermost.
    """
    node_time, dram_time = times
    time = max(times)
    static = STATIC * time
    return SchedulingResult(
        OrderedDict(
            cost=ops + static,
            time=time,
            ops=ops,
            num_nodes=nodes,
            cost_static=static,
            proc_time=node_time,
            bus_time=0,
            dram_time=dram_time,
            access=[[0.0] * 3] * 4,
            remote_gbuf_access=[0.0] * 3,
            total_nhops=[0.0] * 3,
            node_nhops=[0.0] * 3,
            ti=(tops[0], 1, 1),
            to=(tops[1], 1, 1),
            tb=(tops[2], 1, 1),
            orders=(order, (0, 1, 2)),
            part=WHOLE,
            bufshr_subgrp_size=[1, 1, 1],
        ),
        layout,
        place,
    )


def written(network, layers, nodes="4 4", options="--interlayer-partition"):
    """The result that consists of layers as written, of name to the arguments of `layer`."""
    words = f"mlp_s --batch 4 --nodes {nodes} --array 8 8 --gbuf 8192 --regf 128 --mem-type 3D -p 1"
    costs = f"--hier-cost 0 0 0 0 --hop-cost 0 --unit-idle-cost {STATIC}"
    arguments = parse_arguments(f"{words} {costs} {options}".split())
    problem = nn_dataflow_search.describe(arguments)._replace(network=network)
    resource = problem.machine.resource

    def layout(one):
        frng = FmapRange(FmapPosition(0, 0, 0, 0), FmapPosition(4, one.nofm, one.hofm, one.wofm))
        return DataLayout((frng,), (resource.dst_data_region,), (WHOLE,))

    scheme = NNDataflowScheme(network, layout(network.input_layer()))
    for name, values in layers.items():
        scheme[name] = layer(layout(network[name]), *values)
    return SearchResult(
        problem,
        [scheme],
        (1, 2),
        0.25,
        {"evaluated": 3},
        Certificate(scheme.total_cost, 0.75 * scheme.total_cost),
        {"layers": 0.125},
    )


B_OUTER_O, B_OUTER_I = (0, 1, 2), (1, 0, 2)


def two_groups():
    """Hints (2, 2) of the worked example: b starts when a has half of half of the batch."""
    return written(
        three_layers(),
        {
            "a": ((0, 0, 0), 294912, 4, (6144, 2880), (1, 2, 2), B_OUTER_O),
            "b": ((0, 1, 0), 884736, 12, (6144, 4800), (2, 1, 2), B_OUTER_I),
            "c": ((1, 0, 0), 196608, 16, (1000, 4480), (1, 1, 1), B_OUTER_O),
        },
    )


def residual():
    """A network whose layers read and write in several places at once."""
    network = Network("residual")
    network.set_input_layer(InputLayer(8, 16))
    network.add("before", ConvLayer(8, 8, 16, 1))
    network.add("a", ConvLayer(8, 8, 16, 1), prevs=("before",))
    network.add("add", EltwiseLayer(8, 16, 2), prevs=("a", "before"))
    network.add("next", ConvLayer(8, 8, 16, 1), prevs=("add",))
    network.add("beside", ConvLayer(8, 8, 16, 1), prevs=("add",))
    network.add("last", EltwiseLayer(8, 16, 3), prevs=("next", "beside", "add"))
    return network


def fork():
    """A network of two layers that read the same, and one that reads both."""
    network = Network("fork")
    network.set_input_layer(InputLayer(8, 16))
    network.add("left", ConvLayer(8, 8, 16, 1))
    network.add("right", ConvLayer(8, 8, 16, 1), prevs=(Network.INPUT_LAYER_KEY,))
    network.add("join", ConvLayer(16, 8, 16, 1), prevs=("left", "right"))
    return network


def alike(groups, num_nodes, before=()):
    """Layers of the same figures, each of ``before`` in a segment of its own, then a segment."""
    figures = ((1000, 500), (1, 1, 1), B_OUTER_O)
    layers = {name: ((n, 0, 0), 65536, 16, *figures) for n, name in enumerate(before)}
    for sp, (group, nodes) in enumerate(zip(groups, num_nodes, strict=True)):
        for tm, name in enumerate(group):
            layers[name] = ((len(before), sp, tm), 65536, nodes, *figures)
    return layers
