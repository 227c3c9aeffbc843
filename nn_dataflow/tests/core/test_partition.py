# SPDX-License-Identifier: BSD-3-Clause
"""Partition generation, node ranges, reference data: docs/model/partition.md sections 6 and 7."""

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core import partition
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.int_range import IntRange
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_array import PartitionArray
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.placement import Placement
from nn_dataflow.tests import reference_partition as ref

ONE = (1, 1)
MODES = {
    "naive": {},
    "naive+b": {"partition_batch": True},
    "hyb": {"partition_hybrid": True},
    "hyb+b": {"partition_hybrid": True, "partition_batch": True},
    "hyb+i": {"partition_hybrid": True, "partition_ifmaps": True},
    "hyb+b+i": {"partition_hybrid": True, "partition_batch": True, "partition_ifmaps": True},
}
ALL = Option(**MODES["hyb+b+i"])
CONV64 = ConvLayer(64, 64, 28, 3)


def generated(layer, batch, nodes, options, **guaranteed):
    parts = partition.gen_partition(layer, batch, PhyDim2(*nodes), options, **guaranteed)
    return [(part.order, part.pdims) for part in parts]


def reference(layer, batch, nodes, options, *, transpose_skip):
    return ref.partitions(
        layer,
        batch,
        nodes,
        hybrid=options.partition_hybrid,
        batp=options.partition_batch,
        ifmaps=options.partition_ifmaps,
        transpose_skip=transpose_skip,
    )


def contains_in_order(ours, theirs):
    rest = iter(ours)
    return all(part in rest for part in theirs)


# Generation.

COUNTS = [
    (CONV64, (2, 2), (1, 4, 4, 8, 8, 13)),
    (CONV64, (4, 4), (1, 7, 12, 35, 52, 108)),
    (CONV64, (4, 1), (1, 2, 3, 4, 5, 6)),
    (CONV64, (1, 4), (1, 3, 4, 7, 9, 13)),
    (CONV64, (4, 2), (1, 6, 8, 20, 26, 46)),
    (CONV64, (2, 4), (1, 6, 8, 20, 26, 48)),
    (FCLayer(4096, 4096), (2, 2), (1, 3, 1, 3, 3, 6)),
    (FCLayer(4096, 4096), (4, 4), (1, 6, 1, 6, 11, 25)),
    (FCLayer(4096, 4096), (4, 1), (0, 0, 0, 0, 0, 0)),
    (FCLayer(4096, 4096), (1, 4), (1, 3, 1, 3, 4, 7)),
    (PoolingLayer(32, 7, 3, 2), (4, 4), (1, 7, 12, 35, 12, 35)),
    (InputLayer(3, 224), (2, 2), (1, 4, 3, 7, 7, 12)),
    (ConvLayer(5, 3, 13, 3), (4, 4), (1, 7, 0, 12, 8, 44)),
    (ConvLayer(1, 1, 2, 3), (4, 4), (1, 7, 0, 2, 0, 2)),
]


@pytest.mark.parametrize(
    ("layer", "nodes", "mode", "count"),
    [
        (layer, nodes, mode, count)
        for layer, nodes, counts in COUNTS
        for mode, count in zip(MODES, counts, strict=True)
    ],
)
def test_schemes_are_the_originals_and_their_transposes(layer, nodes, mode, count):
    """Correction M4: without the transpose skip, the list contains the original's, in its order."""
    options = Option(**MODES[mode])
    theirs = reference(layer, 8, nodes, options, transpose_skip=True)
    assert len(theirs) == count
    ours = generated(layer, 8, nodes, options)
    assert contains_in_order(ours, theirs)
    assert ours == reference(layer, 8, nodes, options, transpose_skip=False)


def test_transpose_of_every_scheme_on_square_nodes_is_generated():
    """Correction M4, on a layer that is square too."""
    ours = generated(CONV64, 8, (4, 4), ALL)
    dims = {pdims for _, pdims in ours}
    assert {tuple((w, h) for h, w in pdims) for pdims in dims} == dims
    assert len(reference(CONV64, 8, (4, 4), ALL, transpose_skip=True)) < len(ours)


def test_fully_connected_layer_on_a_column_of_nodes():
    """Correction M4: the original has no scheme at all and falls back."""
    options = Option(**MODES["hyb+b"])
    ours = generated(FCLayer(4096, 4096), 8, (4, 1), options)
    assert [pdims[pe.BATP] for _, pdims in ours] == [(4, 1), (2, 1), (1, 1)]


def test_full_list_of_two_by_two_nodes():
    listed = """
        0123 11 11 11 22;  0123 11 11 12 21;  0213 11 12 11 21;  1203 12 11 11 21
        0132 11 11 22 11;  0321 11 12 21 11;  1320 12 11 21 11;  0231 11 21 11 12
        0321 11 21 12 11;  0231 11 22 11 11;  2301 12 21 11 11;  2310 21 12 11 11
        1230 22 11 11 11"""
    rows = [row.split() for line in listed.splitlines() for row in line.split(";") if row.split()]
    theirs = [
        (tuple(map(int, order)), tuple(tuple(map(int, dim)) for dim in dims))
        for order, *dims in rows
    ]
    assert len(theirs) == 13
    ours = generated(CONV64, 8, (2, 2), ALL)
    assert contains_in_order(ours, theirs)
    hybrid = generated(CONV64, 8, (2, 2), Option(**MODES["hyb"]))
    assert contains_in_order(hybrid, [theirs[number - 1] for number in (10, 11, 12, 13)])
    full = generated(FCLayer(4096, 4096), 8, (2, 2), ALL)
    assert contains_in_order(full, [theirs[number - 1] for number in (1, 2, 4, 5, 7, 13)])


@pytest.mark.parametrize(
    ("layer", "kind"), [(ConvLayer(1, 1, 2, 3), pe.OFMP), (FCLayer(2, 2), pe.OUTP)]
)
def test_guaranteed_fallback(layer, kind):
    options = Option(partition_hybrid=True)
    assert generated(layer, 16, (4, 4), options) == []
    ((order, pdims),) = generated(layer, 16, (4, 4), options, guaranteed=True)
    assert order == (0, 1, 2, 3)
    assert pdims == tuple((4, 4) if pae == kind else ONE for pae in range(4))


def test_fallback_only_where_there_is_nothing_else():
    assert generated(CONV64, 8, (4, 4), ALL) == generated(CONV64, 8, (4, 4), ALL, guaranteed=True)


def test_naive_partitioning_takes_any_nodes():
    ((_, pdims),) = generated(ConvLayer(64, 64, 7, 3), 1, (16, 16), Option())
    assert pdims[pe.OFMP] == (16, 16)


def test_input_channels_need_hybrid_partitioning():
    with pytest.raises(ValueError, match="partition_ifmaps"):
        Option(partition_ifmaps=True)

    class Unchecked:
        partition_hybrid, partition_batch, partition_ifmaps = False, False, True

    with pytest.raises(ValueError, match="partition_ifmaps"):
        partition.gen_partition(CONV64, 8, PhyDim2(2, 2), Unchecked)


LAYERS = st.one_of(
    st.builds(
        ConvLayer,
        st.integers(1, 20),
        st.integers(1, 20),
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        st.integers(1, 3),
        st.integers(1, 2),
    ),
    st.builds(FCLayer, st.integers(1, 20), st.integers(1, 20)),
    st.builds(PoolingLayer, st.integers(1, 20), st.integers(1, 12), st.integers(1, 3)),
    st.builds(EltwiseLayer, st.integers(1, 20), st.integers(1, 12), st.integers(1, 3)),
    st.builds(InputLayer, st.integers(1, 20), st.integers(1, 12)),
)


@given(
    LAYERS,
    st.integers(1, 12),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.sampled_from(list(MODES)),
)
def test_generation_by_the_rules(layer, batch, nodes, mode):
    options = Option(**MODES[mode])
    ours = generated(layer, batch, nodes, options)
    assert ours == reference(layer, batch, nodes, options, transpose_skip=False)
    arrays = partition.partition_array(layer, batch, PhyDim2(*nodes), options)
    assert [tuple(order) for order in arrays.order.tolist()] == [order for order, _ in ours]
    assert arrays.dim().tolist() == [list(nodes)] * len(ours)


# Node ranges.


def index(*pairs):
    return tuple(PhyDim2(*pair) for pair in pairs)


def rows_of(layer, pdims):
    part = PartitionScheme((0, 1, 2, 3), pdims)
    found = []
    for pidx in part.gen_pidx():
        _, ifmap, ofmap = partition.proc_data_range(layer, 1, part, pidx)
        found.append((tuple(ofmap.beg_end("h")), tuple(ifmap.beg_end("h"))))
    return found


def test_rows_of_a_strided_layer():
    layer = ConvLayer(4, 8, 5, 3, 2)
    assert rows_of(layer, (ONE, (3, 1), ONE, ONE)) == [
        ((0, 1), (0, 3)),
        ((1, 3), (2, 7)),
        ((3, 5), (6, 11)),
    ]
    assert rows_of(layer, (ONE, (8, 1), ONE, ONE)) == [
        ((0, 0), (0, 1)),
        ((0, 1), (0, 3)),
        ((1, 1), (2, 3)),
        ((1, 2), (2, 5)),
        ((2, 3), (4, 7)),
        ((3, 3), (6, 7)),
        ((3, 4), (6, 9)),
        ((4, 5), (8, 11)),
    ]
    # A window smaller than the stride.
    assert rows_of(ConvLayer(1, 1, 2, 1, 3), (ONE, (4, 1), ONE, ONE)) == [
        ((0, 0), (0, 0)),
        ((0, 1), (0, 1)),
        ((1, 1), (3, 3)),
        ((1, 2), (3, 4)),
    ]
    pool = PoolingLayer(32, 7, 3, 2)
    assert rows_of(pool, (ONE, (2, 1), ONE, ONE)) == [((0, 3), (0, 7)), ((3, 7), (6, 15))]


def channels_of(layer, count):
    part = PartitionScheme((0, 1, 2, 3), ((1, count), ONE, ONE, ONE))
    ranges = [partition.proc_data_range(layer, 1, part, pidx) for pidx in part.gen_pidx()]
    assert all(filters == ((0, 0), (0, 0)) for filters, _, _ in ranges)
    assert all(one.empty() for filters, _, _ in ranges for one in filters)
    return [tuple(ifmap.beg_end("n")) for _, ifmap, _ in ranges]


def test_channels_of_local_region_layers():
    """Correction M2: the original reads [0, 17) for the first half of a pooling layer."""
    assert channels_of(PoolingLayer(32, 7, 3, 2), 2) == [(0, 16), (16, 32)]
    norm = LocalRegionLayer(8, 4, nreg=5, sreg=1)
    assert channels_of(norm, 2) == [(0, 6), (2, 8)]
    assert channels_of(norm, 8)[4] == (2, 7)
    assert channels_of(LocalRegionLayer(8, 4, nreg=4, sreg=1), 8)[4] == (2, 6)


def test_channels_of_eltwise_operands():
    """Correction M1: the original reads [0, 5) and [3, 9) instead of a block of each operand."""
    assert channels_of(EltwiseLayer(8, 4, 2), 2) == [(0, 4), (4, 8)]


def test_filters_of_a_node():
    part = PartitionScheme((0, 1, 2, 3), ((1, 2), ONE, ONE, (3, 1)))
    filters, ifmap, ofmap = partition.proc_data_range(
        ConvLayer(7, 9, 4, 3), 2, part, index((0, 1), (0, 0), (0, 0), (2, 0))
    )
    assert filters == ((4, 7), (4, 9))
    assert all(type(one) is IntRange for one in filters)
    assert [one.size() for one in filters] == [3, 5]
    assert ifmap == FmapRange((0, 4, 0, 0), (2, 7, 6, 6))
    assert ofmap == FmapRange((0, 4, 0, 0), (2, 9, 4, 4))


def test_node_ranges_of_other_layers():
    part = PartitionScheme((0, 1, 2, 3), (ONE,) * 4)
    with pytest.raises(TypeError, match="layer"):
        partition.proc_data_range(InputLayer(3, 8), 1, part, index(*[(0, 0)] * 4))


# Layouts of network inputs.


def placements(layer, batch, memory, parts):
    frng = FmapRange((0, 0, 0, 0), (batch, layer.nofm, layer.hofm, layer.wofm))
    return [
        tuple(DataLayout((frng,), (memory,), (part,)).fmap_range_map().items()) for part in parts
    ]


@pytest.mark.parametrize(
    ("layers", "batch", "nodes"),
    [
        ([InputLayer(3, 224)], 8, (2, 2)),
        ([InputLayer(3, 224)], 8, (4, 2)),
        ([InputLayer(3, 5), InputLayer(7, 1)], 8, (2, 2)),
        ([InputLayer(3, 2)], 8, (4, 4)),
        ([InputLayer(3, 4)], 1, (4, 4)),  # parts beyond the batch are empty
        ([InputLayer(3, 4), InputLayer(4, 1)], 3, (3, 2)),
    ],
)
def test_input_layouts_are_tried_once(layers, batch, nodes):
    """Correction M4: the first of the schemes that put the same ranges on the same nodes."""
    memory = NodeRegion(PhyDim2(*nodes), PhyDim2(0, 0), type=NodeRegion.DRAM)
    parts = [
        part.projection(memory, appl2frng=True)
        for part in searched(layers[0], batch, memory.dim, ALL)
    ]
    seen = {}
    for key, part in zip(
        zip(*(placements(layer, batch, memory, parts) for layer in layers), strict=True),
        parts,
        strict=True,
    ):
        seen.setdefault(key, part)
    ours = partition.input_layout_partitions(layers, batch, memory, ALL)
    assert [PartitionScheme.of_row(ours, row) for row in range(len(ours))] == list(seen.values())
    assert len(ours) < len(parts)


def searched(layer, batch, nodes, options):
    """Schemes of the options, then those of fewer options that are not among them."""
    fewer = [
        options._replace(partition_hybrid=hybrid, partition_ifmaps=ifmaps, partition_batch=batches)
        for hybrid in (True, False)
        for ifmaps in (True, False)
        for batches in (True, False)
        if hybrid <= options.partition_hybrid
        and ifmaps <= (options.partition_ifmaps and hybrid)
        and batches <= options.partition_batch
    ]
    return list(
        dict.fromkeys(
            part
            for some in fewer
            for part in partition.gen_partition(layer, batch, nodes, some, guaranteed=True)
        )
    )


@pytest.mark.parametrize(
    "layer",
    [
        ConvLayer(512, 24, 14, 1),  # hybrid schemes do not cut 14 rows in 4
        FCLayer(2, 2),  # only the fallback while the batch stays whole
        ConvLayer(64, 64, 28, 3),
        PoolingLayer(32, 7, 3, 2),
    ],
)
def test_more_options_never_lose_a_scheme(layer):
    nodes = PhyDim2(4, 4)
    tried = {
        options: partition.search_partitions(layer, 8, nodes, options)
        for options in (
            Option(partition_batch=batch, partition_hybrid=hybrid, partition_ifmaps=ifmaps)
            for batch in (False, True)
            for hybrid in (False, True)
            for ifmaps in (False, hybrid)
        )
    }
    for options, parts in tried.items():
        schemes = [PartitionScheme.of_row(parts, row) for row in range(len(parts))]
        assert schemes == searched(layer, 8, nodes, options)
        for fewer, others in tried.items():
            flags = zip(fewer[5:8], options[5:8], strict=True)
            if all(one <= other for one, other in flags):
                assert {PartitionScheme.of_row(others, row) for row in range(len(others))} <= set(
                    schemes
                )


def test_layouts_that_differ_only_in_empty_parts():
    """Whether batch or channels are cut, only the last node gets anything."""
    memory = NodeRegion(PhyDim2(1, 4), PhyDim2(0, 0), type=NodeRegion.DRAM)
    pdims = [((1, 4), ONE, ONE, ONE), (ONE, ONE, (1, 4), ONE), (ONE, (1, 4), ONE, ONE)]
    parts = PartitionArray([(0, 1, 2, 3)] * 3, pdims)
    placement = Placement.of_schemes(FmapRange((0, 0, 0, 0), (1, 1, 4, 4)), memory, parts)
    by_channel, by_batch, by_column = placement.keys()
    assert by_channel == by_batch != by_column


def test_input_layouts_where_memory_nodes_coincide():
    corners = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), dist=PhyDim2(0, 3), type=NodeRegion.DRAM)
    apart = corners._replace(dist=PhyDim2(1, 3))
    count = [
        len(partition.input_layout_partitions([InputLayer(3, 224)], 8, memory, ALL))
        for memory in (corners, apart)
    ]
    assert count[0] <= count[1]


# Reference data.

CASES = json.loads((pathlib.Path(__file__).parents[1] / "data" / "partition.json").read_text())


def layer_of(case):
    size, strd = tuple(case["sofm"]), tuple(case["strd"])
    if case["type"] == "FCLayer":
        return FCLayer(case["nifm"], case["nofm"], tuple(case["sfil"]))
    if case["type"] == "ConvLayer":
        return ConvLayer(case["nifm"], case["nofm"], size, tuple(case["sfil"]), strd)
    if case["type"] == "EltwiseLayer":
        return EltwiseLayer(case["nofm"], size, case["nreg"])
    return LocalRegionLayer(
        case["nofm"], size, case["nreg"], tuple(case["sreg"]), case["ntrd"], strd
    )


def scheme_of(case):
    return PartitionScheme(case["order"], case["pdims"])


def region_of(case):
    kind = {"PROC": NodeRegion.PROC, "DRAM": NodeRegion.DRAM}[case["type"]]
    dim, origin, dist = (PhyDim2(*case[name]) for name in ("dim", "origin", "dist"))
    return NodeRegion(dim, origin, dist, kind, case["wtot"], case["wbeg"])


@pytest.mark.parametrize("case", CASES)
def test_reference_partitions(case):
    """Correction M4: the reference list, in its order, and its transposes."""
    layer, options = layer_of(case["layer"]), Option(**case["options"])
    ours = generated(layer, case["batch"], case["nodes"], options, guaranteed=True)
    theirs = [
        (tuple(part["order"]), tuple(map(tuple, part["pdims"]))) for part in case["partitions"]
    ]
    assert contains_in_order(ours, theirs)


DETAILS = [(case, detail) for case in CASES for detail in case["details"]]


@pytest.mark.parametrize(("case", "detail"), DETAILS)
def test_reference_schemes(case, detail):
    layer, part = layer_of(case["layer"]), scheme_of(detail["part"])
    memory = region_of(case["dram_region"])
    nodes = NodeRegion(PhyDim2(*case["nodes"]), PhyDim2(0, 0), type=NodeRegion.PROC)
    pidx = index(*detail["pidx"])
    _, batch, occupancy = part.part_layer(layer, case["batch"])
    assert batch == detail["part_batch"]
    assert occupancy == pytest.approx(detail["occupancy"], rel=1e-9)
    assert list(part.coordinate(nodes, pidx)) == detail["coordinate"]
    source = scheme_of(detail["src_part"]).projection(memory, appl2frng=True)
    assert source == scheme_of(detail["src_projection"])
    assert part.projection(memory, appl2frng=True) == scheme_of(detail["dst_projection"])
    _, _, ofmap = partition.proc_data_range(layer, case["batch"], part, pidx)
    assert [list(ends) for ends in ofmap] == detail["ofmap_range"]


@pytest.mark.parametrize(
    ("case", "detail"),
    [
        (case, detail)
        for case, detail in DETAILS
        # Corrections M1 and M2: other numbers for element-wise layers, and for local regions where
        # channels are split.
        if case["layer"]["type"] in ("ConvLayer", "FCLayer")
        or (case["layer"]["type"] != "EltwiseLayer" and detail["part"]["pdims"][0] == [1, 1])
    ],
)
def test_reference_ranges_and_hops(case, detail):
    layer, part = layer_of(case["layer"]), scheme_of(detail["part"])
    batch, memory = case["batch"], region_of(case["dram_region"])
    nodes = NodeRegion(PhyDim2(*case["nodes"]), PhyDim2(0, 0), type=NodeRegion.PROC)
    divided, _, _ = part.part_layer(layer, batch)
    assert divided == layer_of(detail["part_layer"])
    filters, ifmap, _ = partition.proc_data_range(layer, batch, part, index(*detail["pidx"]))
    assert [list(ends) for ends in filters] == detail["filter_range"]
    assert [list(ends) for ends in ifmap] == detail["ifmap_range"]
    ifmaps = FmapRange((0, 0, 0, 0), (batch, layer.nifm, layer.hifm, layer.wifm))
    ofmaps = FmapRange((0, 0, 0, 0), (batch, layer.nofm, layer.hofm, layer.wofm))
    source, dest = scheme_of(detail["src_projection"]), scheme_of(detail["dst_projection"])
    hops = partition.unit_nhops_to_proc_region(
        layer,
        batch,
        nodes,
        part,
        frozenset(memory.iter_node()),
        DataLayout((ifmaps,), (memory,), (source,)),
        DataLayout((ofmaps,), (memory,), (dest,)),
        Option(**case["options"]),
    )
    assert hops == detail["unit_nhops"]
