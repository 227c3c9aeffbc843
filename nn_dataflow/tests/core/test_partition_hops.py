# SPDX-License-Identifier: BSD-3-Clause
"""Word-hops: docs/model/partition.md section 9, and brute force over words and nodes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core import partition, placement
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
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
from nn_dataflow.tests.partition_strategies import LAYERS, data_layouts, regions, schemes

ONE = (1, 1)
BASE = Option()
FORWARDING = Option(hw_access_forwarding=True)
SHARING = Option(hw_gbuf_sharing=True)
ALL = Option(partition_hybrid=True, partition_batch=True, partition_ifmaps=True)


def region(height, width, kind=NodeRegion.PROC, origin=(0, 0), dist=ONE):
    return NodeRegion(PhyDim2(height, width), PhyDim2(*origin), PhyDim2(*dist), kind)


def scheme(order, **dims):
    pdims = [dims.get(kind, ONE) for kind in ("outp", "ofmp", "batp", "inpp")]
    return PartitionScheme(order, pdims)


def lay_out(size, where, part):
    return DataLayout((FmapRange((0, 0, 0, 0), size),), (where,), (part,))


def ofmaps_of(layer, batch, where, part):
    size = (batch, layer.nofm, layer.hofm, layer.wofm)
    return lay_out(size, where, part.projection(where, appl2frng=True))


def hops_of(*args, options=BASE):
    return partition.unit_nhops_to_proc_region(*args, options)


def test_example_by_hand():
    layer, where = ConvLayer(8, 16, 8, 3), region(2, 2)
    part = scheme((1, 2, 0, 3), outp=(1, 2), inpp=(2, 1))
    near = region(2, 1, NodeRegion.DRAM, (0, -1))
    rows = scheme((0, 1, 2, 3), ofmp=(2, 1))
    ifmaps = lay_out((2, 8, 10, 10), near, rows)
    filters = frozenset(near.iter_node())
    single = ofmaps_of(layer, 2, region(1, 1, NodeRegion.DRAM, (0, -1)), part)
    assert hops_of(layer, 2, where, part, filters, ifmaps, single) == [1728, 6400, 6144]
    for options in (FORWARDING, SHARING):
        hops = hops_of(layer, 2, where, part, filters, ifmaps, single, options=options)
        assert hops == [1728, 4000, 4096]
    double = ofmaps_of(layer, 2, near, part)
    assert double.parts[0].pdims[pe.BATP] == (2, 1)
    small = lay_out((2, 8, 8, 8), near, rows)
    assert hops_of(layer, 2, where, part, filters, small, double) == [1728, 4096, 5120]
    hops = hops_of(layer, 2, where, part, filters, small, double, options=FORWARDING)
    assert hops == [1728, 2560, 5120]


CORNERS = region(2, 2, NodeRegion.DRAM, dist=(3, 3))
CORNER_NODES = frozenset(CORNERS.iter_node())


@pytest.mark.parametrize(
    ("layer", "size", "part", "base", "forwarding"),
    [
        (
            ConvLayer(3, 48, 55, 11, 4),
            (16, 3, 224, 224),
            {"ofmp": (4, 4)},
            [278784, 3128160, 2365440],
            [209088, 3128160, 2365440],
        ),
        (
            FCLayer(4096, 1000),
            (16, 4096, 1, 1),
            {"outp": (4, 4)},
            [4096000, 3145728, 32000],
            [4096000, 1179648, 32000],
        ),
    ],
)
def test_corner_memory(layer, size, part, base, forwarding):
    part = scheme((0, 1, 2, 3), **part)
    source = part.projection(CORNERS, appl2frng=True)
    given_layouts = lay_out(size, CORNERS, source), ofmaps_of(layer, 16, CORNERS, part)
    nodes = region(4, 4)
    assert hops_of(layer, 16, nodes, part, CORNER_NODES, *given_layouts) == base
    forwarded = hops_of(layer, 16, nodes, part, CORNER_NODES, *given_layouts, options=FORWARDING)
    assert forwarded == forwarding


def test_eltwise_reads_every_operand():
    """Correction M1: the original has 96 for the ifmaps, about half of the volume."""
    layer, memory = EltwiseLayer(8, 4, 2), region(1, 1, NodeRegion.DRAM)
    part = scheme((0, 1, 2, 3), outp=(1, 2))
    ifmaps = lay_out((1, 16, 4, 4), memory, scheme((0, 1, 2, 3)))
    ofmaps = ofmaps_of(layer, 1, memory, part)
    for options in (BASE, FORWARDING):
        hops = hops_of(layer, 1, region(1, 2), part, [], ifmaps, ofmaps, options=options)
        assert hops == [0, 128, 64]


def test_eltwise_operands_come_from_where_each_is():
    """Correction M1: node 1 reads channels [4, 8) of the second operand from the second piece."""
    layer = EltwiseLayer(8, 1, 2)
    part = scheme((0, 1, 2, 3), outp=(1, 2))
    operand = FmapRange((0, 0, 0, 0), (1, 8, 1, 1))
    far = DataLayout((operand,), (region(1, 1, origin=(0, 10)),), (scheme((0, 1, 2, 3)),))
    near = DataLayout((operand,), (region(1, 1),), (scheme((0, 1, 2, 3)),))
    ifmaps = DataLayout.concat(near, far)
    ofmaps = ofmaps_of(layer, 1, region(1, 1), part)
    hops = hops_of(layer, 1, region(1, 2), part, [], ifmaps, ofmaps)
    assert hops[de.IFM] == 4 * (0 + 1) + 4 * (10 + 9)


def test_pooling_reads_its_own_channels():
    """Correction M2: the original charges [0, 17) for channels [0, 16)."""
    layer, memory = PoolingLayer(32, 7, 3, 2), region(1, 1, NodeRegion.DRAM, (0, -1))
    part = scheme((0, 1, 2, 3), outp=(1, 2))
    ifmaps = lay_out((1, 32, 15, 15), memory, scheme((0, 1, 2, 3)))
    ofmaps = ofmaps_of(layer, 1, memory, part)
    hops = hops_of(layer, 1, region(1, 2), part, [], ifmaps, ofmaps)
    assert hops == [0, 16 * 15 * 15 * (1 + 2), 16 * 7 * 7 * (1 + 2)]


def test_normalisation_with_groups_of_different_sizes():
    """Correction M2: the original aborts, since its clipped windows form groups of 3 and 1."""
    layer, memory = LocalRegionLayer(4, 7, nreg=5, sreg=1), region(1, 1, NodeRegion.DRAM)
    part = scheme((0, 1, 2, 3), outp=(2, 2))
    ifmaps = lay_out((1, 4, 7, 7), memory, scheme((0, 1, 2, 3)))
    ofmaps = ofmaps_of(layer, 1, memory, part)
    hops = hops_of(layer, 1, region(2, 2), part, [], ifmaps, ofmaps)
    assert hops == [0, 49 * (3 * 0 + 4 * 1 + 4 * 1 + 3 * 2), 49 * (0 + 1 + 1 + 2)]
    # Channels 1 and 2 both read all channels: one of the two nodes gets them and forwards them.
    forwarded = hops_of(layer, 1, region(2, 2), part, [], ifmaps, ofmaps, options=FORWARDING)
    assert forwarded[de.IFM] == 49 * (3 * 0 + 4 * 1 + 4 * 2 + 3 * 2)


def test_local_ofmaps_do_not_move():
    layer, where = ConvLayer(8, 16, 8, 3), region(2, 2)
    part = scheme((0, 1, 2, 3), outp=(1, 2), ofmp=(2, 1))
    ifmaps = lay_out((2, 8, 10, 10), CORNERS, scheme((0, 1, 2, 3)))
    for options in (BASE, FORWARDING):
        for ofmaps in (ofmaps_of(layer, 2, where, part), ofmaps_of(layer, 1, where, part)):
            hops = hops_of(layer, 2, where, part, CORNER_NODES, ifmaps, ofmaps, options=options)
            assert hops[de.OFM] == 0


def test_values_do_not_depend_on_evaluation_order():
    """Correction M3: the original gives 400 for the ifmaps of the second scheme."""
    layer, where = ConvLayer(4, 4, 8, 3), region(4, 1)
    memory = region(2, 1, NodeRegion.DRAM, dist=(3, 1))
    ifmaps = lay_out((1, 4, 10, 10), memory, scheme((0, 1, 2, 3), ofmp=(2, 1)))
    dims = {"ofmp": (2, 1), "inpp": (2, 1)}
    parts = [scheme((0, 2, 1, 3), **dims), scheme((0, 2, 3, 1), **dims)]
    nodes = frozenset(memory.iter_node())
    hops = partition.unit_nhops(layer, 1, where, parts, nodes, ifmaps, memory, BASE)
    assert hops.tolist() == [[144, 400, 256], [144, 560, 512]]
    hops = partition.unit_nhops(layer, 1, where, parts[::-1], nodes, ifmaps, memory, BASE)
    assert hops.tolist() == [[144, 560, 512], [144, 400, 256]]


def test_ofmap_values_of_different_dimensions():
    """Correction M3: the original gives 3072 for the second scheme."""
    layer = ConvLayer(8, 8, 8, 3)
    parts = [
        scheme((1, 3, 2, 0), outp=(2, 4), batp=(2, 1)),
        scheme((1, 3, 2, 0), outp=(4, 2), batp=(1, 2)),
    ]
    table = partition.PartitionHops(layer, 4, region(4, 4), parts)
    assert table.ofmaps(CORNERS).tolist() == [3072, 4096]


def test_refusals():
    layer, where = ConvLayer(8, 16, 8, 3), region(2, 2)
    part = scheme((0, 1, 2, 3), outp=(2, 2))
    ifmaps = lay_out((2, 8, 10, 10), CORNERS, scheme((0, 1, 2, 3)))
    with pytest.raises(ValueError, match="filter_nodes"):
        partition.unit_nhops(layer, 2, where, [part], [], ifmaps, CORNERS, BASE)
    with pytest.raises(ValueError, match="region"):
        partition.unit_nhops(layer, 2, region(2, 1), [part], CORNER_NODES, ifmaps, CORNERS, BASE)
    with pytest.raises(TypeError, match="layer"):
        partition.unit_nhops(
            InputLayer(8, 4), 2, where, [part], CORNER_NODES, ifmaps, CORNERS, BASE
        )


def test_halves_of_ofmaps_are_rounded_up():
    layer, where, memory = ConvLayer(2, 1, 1, 1), region(1, 2), region(1, 1)
    parts = [scheme((0, 1, 2, 3), inpp=(1, 2))]
    # Node 1 is the middle: a word to memory, and half of a partial sum from node 0.
    assert partition.PartitionHops(layer, 1, where, parts).ofmaps(memory).tolist() == [1 + 1]
    # Node 0 is at the memory: half of a word forwarded to node 1.
    assert partition.PartitionHops(layer, 1, where, parts, True).ofmaps(memory).tolist() == [1]


def test_schemes_of_different_sizes():
    """Groups of three indices do not fill the indices of the larger scheme."""
    layer, where, memory = ConvLayer(9, 8, 4, 3), region(2, 3), region(1, 1, origin=(0, 5))
    parts = [scheme((0, 1, 2, 3), outp=(2, 2)), scheme((0, 1, 2, 3), inpp=(1, 3))]
    together = partition.PartitionHops(layer, 2, where, parts).ofmaps(memory)
    alone = [partition.PartitionHops(layer, 2, where, [part]).ofmaps(memory)[0] for part in parts]
    assert together.tolist() == alone
    # The middle node is 4 hops from memory, the two others 1 hop from it.
    assert alone[1] == 2 * 8 * 4 * 4 * (4 + 1 / 2 + 1 / 2)


def test_no_schemes():
    ifmaps = lay_out((2, 8, 10, 10), CORNERS, scheme((0, 1, 2, 3)))
    layer = ConvLayer(8, 16, 8, 3)
    hops = partition.unit_nhops(layer, 2, region(2, 2), [], CORNER_NODES, ifmaps, CORNERS, BASE)
    assert hops.shape == (0, de.NUM)


@pytest.mark.parametrize("options", [BASE, FORWARDING])
def test_large_totals_are_exact(options):
    """Doubles would round: the product of these odd numbers needs 55 bits."""
    layer = ConvLayer(1, 1, (1023, 1025), 1)
    batch, far = 2**20 + 1, 2**15 + 1
    memory = region(1, 1, NodeRegion.DRAM, (0, far))
    ifmaps = lay_out((batch, 1, 1023, 1025), memory, scheme((0, 1, 2, 3)))
    part = scheme((0, 1, 2, 3))
    hops = hops_of(
        layer,
        batch,
        region(1, 1),
        part,
        [PhyDim2(0, 0)],
        ifmaps,
        ofmaps_of(layer, batch, memory, part),
        options=options,
    )
    exact = batch * 1023 * 1025 * far
    assert int(float(exact)) != exact
    assert hops == [0, exact, exact]


# Many schemes at once.


def table_inputs(nodes, memory):
    layer = ConvLayer(6, 12, 7, 3, 2)
    parts = partition.partition_array(layer, 4, PhyDim2(*nodes), ALL)
    inputs = partition.input_layout_partitions([InputLayer(6, 15)], 4, memory, ALL)
    layouts = [
        lay_out((4, 6, 15, 15), memory, PartitionScheme.of_row(inputs, row))
        for row in range(len(inputs))
    ]
    return layer, parts, layouts


@pytest.mark.parametrize("options", [BASE, FORWARDING])
@pytest.mark.parametrize("memory", [CORNERS, region(4, 4, NodeRegion.DRAM)])
def test_all_schemes_at_once_equal_one_by_one(memory, options):
    layer, parts, layouts = table_inputs((4, 4), memory)
    where, filters = region(4, 4), frozenset(memory.iter_node())
    together = partition.unit_nhops(layer, 4, where, parts, filters, layouts[-1], memory, options)
    assert len(together) > 50
    for row, hops in enumerate(together.tolist()):
        part = PartitionScheme.of_row(parts, row)
        ofmaps = ofmaps_of(layer, 4, memory, part)
        assert hops_of(layer, 4, where, part, filters, layouts[-1], ofmaps, options=options) == hops


@pytest.mark.parametrize("forwarding", [False, True])
def test_blocks_do_not_change_results(monkeypatch, forwarding):
    memory = region(4, 4, NodeRegion.DRAM)
    layer, parts, layouts = table_inputs((4, 4), memory)
    filters = frozenset(memory.iter_node())

    def evaluate():
        table = partition.PartitionHops(layer, 4, region(4, 4), parts, forwarding)
        ifmaps = table.ifmaps(layouts)
        return table.filters(filters).tolist(), ifmaps.tolist(), table.ofmaps(memory).tolist()

    whole = evaluate()
    for limit in (1, 700, 5000):
        monkeypatch.setattr(placement, "MAX_ELEMENTS", limit)
        assert evaluate() == whole


@pytest.mark.parametrize("forwarding", [False, True])
def test_layouts_as_arrays(forwarding):
    memory = region(4, 4, NodeRegion.DRAM)
    layer, parts, layouts = table_inputs((4, 4), memory)
    inputs = partition.input_layout_partitions([InputLayer(6, 15)], 4, memory, ALL)
    table = partition.PartitionHops(layer, 4, region(4, 4), parts, forwarding)
    placed = Placement.of_schemes(FmapRange((0, 0, 0, 0), (4, 6, 15, 15)), memory, inputs)
    ifmaps = table.ifmaps(placed)
    assert ifmaps.shape == (len(layouts), len(parts))
    assert ifmaps.tolist() == [table.ifmaps([layout])[0].tolist() for layout in layouts]


def test_ifmap_hops_of_a_concatenation_are_a_sum_without_forwarding():
    """Each producer's piece may be placed by itself, at its channels, for all of its schemes."""
    memory = region(4, 4, NodeRegion.DRAM)
    _, parts, layouts = table_inputs((4, 4), memory)
    inputs = partition.input_layout_partitions([InputLayer(6, 15)], 4, memory, ALL)
    table = partition.PartitionHops(ConvLayer(12, 12, 7, 3, 2), 4, region(4, 4), parts)
    first, second = (
        table.ifmaps(Placement.of_schemes(FmapRange(beg, end), memory, inputs))
        for beg, end in (((0, 0, 0, 0), (4, 6, 15, 15)), ((0, 6, 0, 0), (4, 12, 15, 15)))
    )
    for one, other in ((0, 0), (0, len(inputs) - 1), (len(inputs) // 2, 1)):
        both = table.ifmaps([DataLayout.concat(layouts[one], layouts[other])])[0]
        assert both.tolist() == (first[one] + second[other]).tolist()


@st.composite
def cases(draw):
    """A layer, several schemes on one region, and layouts, which the region may share."""
    layer, batch = draw(LAYERS), draw(st.integers(1, 4))
    where = draw(regions())
    fitting = schemes(height=where.dim.h, width=where.dim.w)
    parts = draw(st.lists(fitting, min_size=1, max_size=3))
    ifmaps = draw(data_layouts(size=(batch, layer.nifm, layer.hifm, layer.wifm)))
    dest = draw(st.one_of(regions(kind=NodeRegion.DRAM), st.just(where)))
    filters = draw(
        st.lists(st.tuples(st.integers(-3, 5), st.integers(-3, 5)), min_size=1, max_size=3)
    )
    return layer, batch, where, parts, [PhyDim2(*node) for node in filters], ifmaps, dest


@settings(max_examples=150, deadline=None)
@given(cases(), st.booleans())
def test_hops_by_brute_force(case, forwarding):
    layer, batch, where, parts, filters, ifmaps, dest = case
    options = FORWARDING if forwarding else BASE
    ofmaps = [ofmaps_of(layer, batch, dest, part) for part in parts]
    expected = [
        ref.unit_nhops(
            layer,
            batch,
            region=where,
            part=part,
            filter_nodes=filters,
            ifmaps=ifmaps,
            ofmaps=layout,
            forwarding=forwarding,
        )
        for part, layout in zip(parts, ofmaps, strict=True)
    ]
    for given_ofmaps in (dest, ofmaps):
        hops = partition.unit_nhops(
            layer, batch, where, parts, filters, ifmaps, given_ofmaps, options
        )
        assert hops.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(cases(), st.data(), st.booleans())
def test_hops_to_any_ofmap_layout(case, data, forwarding):
    layer, batch, where, parts, filters, ifmaps, _ = case
    size = (batch, layer.nofm, layer.hofm, layer.wofm)
    ofmaps = data.draw(data_layouts(size=size))
    table = partition.PartitionHops(layer, batch, where, parts, forwarding)
    expected = [
        ref.unit_nhops(
            layer,
            batch,
            region=where,
            part=part,
            filter_nodes=filters,
            ifmaps=ifmaps,
            ofmaps=ofmaps,
            forwarding=forwarding,
        )[de.OFM]
        for part in parts
    ]
    assert table.ofmaps([ofmaps] * len(parts)).tolist() == expected


def test_arrays_are_taken_as_schemes():
    _, parts, _ = table_inputs((2, 2), CORNERS)
    listed = [PartitionScheme.of_row(parts, row) for row in range(len(parts))]
    again = PartitionArray.of(listed)
    assert again.order.tolist() == parts.order.tolist()
    assert again.pdims.tolist() == parts.pdims.tolist()
    assert PartitionArray.of(parts) is parts
