# SPDX-License-Identifier: BSD-3-Clause
"""Word-hops from several producers to a layer, with and without forwarding.

Without forwarding those of a concatenation are the sum over its producers. With forwarding they are
not, as one node receives the data of all producers and passes them on; the sum is then a lower
bound, and twice the sum an upper one (docs/model/search.md section 6).
"""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer, LocalRegionLayer
from nn_dataflow.core.layer_space import LayerSpace
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_space import Setting
from nn_dataflow.core.network_step import PlaceHops, Source, hops_of_ifmaps, make_step
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import search_partitions, unit_nhops_to_proc_region
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests import reference_partition as rp

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=3, idl_unit=0)


@st.composite
def steps(draw, *, forwards=True):
    """(layer, batch, step, sources): a layer of several producers, on up to 8 nodes."""
    size, batch = draw(st.integers(1, 4)), draw(st.sampled_from((1, 2)))
    channels = draw(st.lists(st.sampled_from((1, 2, 3, 4)), min_size=2, max_size=3))
    kind = draw(st.sampled_from(("conv", "conv", "eltwise", "region")))
    if kind == "eltwise":
        channels = [channels[0]] * len(channels)
        layer = EltwiseLayer(channels[0], size, len(channels))
    elif kind == "region":
        layer = LocalRegionLayer(sum(channels), size, 3, 1)
    else:
        layer = ConvLayer(sum(channels), draw(st.sampled_from((2, 4, 6))), size, 1)
    dim = PhyDim2(*draw(st.sampled_from(((1, 2), (2, 2), (1, 4), (2, 4), (3, 2)))))
    proc = NodeRegion(dim, PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = draw(
        st.sampled_from(
            (
                NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), dist=dim - 1, type=NodeRegion.DRAM),
                NodeRegion(dim, PhyDim2(0, 0), type=NodeRegion.DRAM),
                NodeRegion(PhyDim2(1, 2), PhyDim2(0, -1), PhyDim2(1, 6), NodeRegion.DRAM),
            )
        )
    )
    resource = Resource(
        proc, memory, memory, memory, PhyDim2(4, 4), 10**6, 10**6, 4, 4.0, no_time_mux=False
    )
    options = Option(
        partition_hybrid=True,
        partition_batch=draw(st.booleans()),
        partition_ifmaps=draw(st.booleans()),
        hw_access_forwarding=forwards,
    )
    space = LayerSpace(layer, batch, Setting(resource, COST, options), MapStrategyEyeriss)
    numbers = draw(st.lists(st.integers(0, 3), min_size=len(channels), max_size=len(channels)))
    producers = []
    for number, count in zip(numbers, channels, strict=True):
        source = InputLayer(count, size)
        twin = next((p for p in producers if p.number == number), None)
        if twin is None:
            parts = search_partitions(source, batch, memory.dim, options)
            parts = parts.projection(memory.dim, appl2frng=True)
        else:  # layers in the same column lie alike, as the input and the externals do
            parts = twin.parts
        producers.append(Source(source, memory, parts, number))
    step = make_step("x", space, producers, hops_of_ifmaps(space, producers))
    return layer, batch, step, producers


def some_places(draw, step):
    """One place for each column."""
    return tuple(draw(st.integers(0, len(table) - 1)) for table in step.hops)


def layout_of(step, producers, batch, places):
    columns = list(step.sources)
    layouts = [p.layout(places[columns.index(p.number)], batch) for p in producers]
    return DataLayout.concat(*layouts)


@given(steps(), st.data())
@settings(max_examples=80, deadline=None)
def test_hops_of_a_concatenation_between_its_bounds(case, data):
    """The sum over producers, and twice as much; the largest hop costs are at least the true."""
    layer, batch, step, producers = case
    places = some_places(data.draw, step)
    joint = step.ifmap_hops(places)
    added = sum(table[place] for table, place in zip(step.hops, places, strict=True))
    assert (added <= joint).all()
    assert (joint <= 2 * added).all()
    for row, (part, mapping) in enumerate(
        zip(step.space.row_part, step.space.row_mapping, strict=True)
    ):
        assert joint[part] * COST.noc_hop <= step.hop_costs[mapping][de.IFM], row
    number = data.draw(st.integers(0, len(joint) - 1))
    ifmaps = layout_of(step, producers, batch, places)
    region = step.space.setting.resource.proc_region
    part = PartitionScheme.of_row(step.space.parts, number)
    held = rp.holders(ifmaps)
    _, groups, _ = rp.groups(layer, batch, region, part)
    if not isinstance(layer, EltwiseLayer):  # its blocks are brought one by one
        hops = sum(rp.nhops_to(held, words, nodes, True) for words, nodes in groups.items())
        assert joint[number] == hops
    nodes = set(step.space.setting.resource.dram_region.iter_node())
    args = part, nodes, ifmaps, ifmaps, step.space.setting.options
    assert joint[number] == unit_nhops_to_proc_region(layer, batch, region, *args)[de.IFM]


@given(steps(forwards=False), st.data())
@settings(max_examples=30, deadline=None)
def test_hops_add_up_without_forwarding(case, data):
    layer, batch, step, producers = case
    assert not step.is_joint
    places = some_places(data.draw, step)
    hops = step.ifmap_hops(places)
    number = data.draw(st.integers(0, len(hops) - 1))
    part = PartitionScheme.of_row(step.space.parts, number)
    resource, options = step.space.setting.resource, step.space.setting.options
    ifmaps = layout_of(step, producers, batch, places)
    nodes = set(resource.dram_region.iter_node())
    args = part, nodes, ifmaps, ifmaps, options
    expected = unit_nhops_to_proc_region(layer, batch, resource.proc_region, *args)
    assert hops[number] == expected[de.IFM]


def far_apart():
    """Two producers at both ends of a row of nodes, which all need all channels."""
    proc = NodeRegion(PhyDim2(1, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
    memory = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), PhyDim2(1, 3), NodeRegion.DRAM)
    resource = Resource(
        proc, memory, memory, memory, PhyDim2(4, 4), 10**6, 10**6, 4, 4.0, no_time_mux=False
    )
    options = Option(partition_hybrid=True, hw_access_forwarding=True)
    layer = ConvLayer(4, 4, 1, 1)
    space = LayerSpace(layer, 1, Setting(resource, COST, options), MapStrategyEyeriss)
    ends = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
    producers = []
    for number, place in enumerate(((0, 0), (0, 3))):
        region = ends._replace(origin=PhyDim2(*place))
        parts = search_partitions(InputLayer(2, 1), 1, region.dim, options)
        producers.append(Source(InputLayer(2, 1), region, parts, number))
    return make_step("x", space, producers, hops_of_ifmaps(space, producers))


def test_the_sum_over_producers_is_exceeded():
    """Two words from either end to 4 nodes: 6 + 12 hops, not the 6 + 6 that each takes alone."""
    step = far_apart()
    places = (0, 0)
    added = sum(table[place] for table, place in zip(step.hops, places, strict=True))
    joint = step.ifmap_hops(places)
    assert (added.tolist(), joint.tolist()) == ([12], [18])
    assert {costs[de.IFM] for costs in step.hop_costs} == {2 * 12 * COST.noc_hop}


@given(steps())
@settings(max_examples=10, deadline=None)
def test_hops_of_a_combination_are_found_once(case):
    _, _, step, _ = case
    places = tuple(0 for _ in step.hops)
    for _ in range(2):
        step.ifmap_hops(list(places))
    if not step.space.no_hops:
        assert list(step.joint) == [places]
        assert step.ifmap_hops(places) is step.joint[places]


@given(steps(), st.data())
@settings(max_examples=20, deadline=None)
def test_hops_from_several_places_are_found_at_once(case, data):
    """As they are one after another, whether all is on memory or on nodes."""
    _, _, step, producers = case
    sizes = {source.number: len(source.parts) for source in producers}
    place = st.tuples(*(st.integers(0, sizes[number] - 1) for number in step.sources))
    places = data.draw(st.lists(place, min_size=1, max_size=4))
    on_nodes = step._replace(
        hops=tuple(PlaceHops(step.space, pieces_of(producers, number)) for number in step.sources),
        joint={},
    )
    on_nodes.find_hops(iter(places))
    found = [dict(hops) for hops in on_nodes.hops_found()]
    for own in places:
        assert on_nodes.ifmap_hops(own).tolist() == step.ifmap_hops(own).tolist()
    assert [list(hops) for hops in on_nodes.hops_found()] == [list(hops) for hops in found]
    assert any(found) == (not step.space.no_hops)


def pieces_of(producers, number):
    """What a column of producers gives, with the first channel of each piece."""
    channels = itertools.accumulate((source.layer.nofm for source in producers), initial=0)
    both = zip(producers, channels, strict=False)
    return [(source, channel) for source, channel in both if source.number == number]


def test_a_single_producer_needs_no_joint_hops():
    step = far_apart()
    one = step.producers[:1]
    alone = make_step("x", step.space, one, hops_of_ifmaps(step.space, one))
    assert step.is_joint
    assert not alone.is_joint
    alone.ifmap_hops((0,))
    assert not alone.joint
