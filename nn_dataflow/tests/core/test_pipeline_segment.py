# SPDX-License-Identifier: BSD-3-Clause
"""Tests of segments (docs/model/pipeline.md sections 5 and 6).

Decides which arrangements of layers are legal, which layers forward data, and what hardware each
layer gets; compares with the reference data and the worked examples.
"""

import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nn_dataflow import nns
from nn_dataflow.core import PipelineSegment
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer, PoolingLayer
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.pipeline_allocation import balance_nodes
from nn_dataflow.core.pipeline_segment_timing import SchedIndex
from nn_dataflow.tests.pipeline_cases import (
    IN,
    REFERENCE,
    arrangements,
    fork_network,
    fully_connected_network,
    groups_of,
    linear_network,
    machine,
    network_of,
    pipeline_machines,
    pipeline_networks,
    reference_id,
    reference_segments,
)


def segment_of(seg, network, *, nodes=(4, 4), size_gbuf=100000, **kwargs):
    resource = machine(nodes, size_gbuf=size_gbuf)
    arguments = {"batch_size": 4, "resource": resource, "max_util_drop": 1}
    return PipelineSegment(seg, network, **(arguments | kwargs))


def region_fields(region):
    return {
        "dim": list(region.dim),
        "origin": list(region.origin),
        "dist": list(region.dist),
        "type": {NodeRegion.PROC: "PROC", NodeRegion.DRAM: "DRAM"}[region.type],
        "wtot": region.wtot,
        "wbeg": region.wbeg,
    }


def resource_fields(resource):
    return {
        "proc": region_fields(resource.proc_region),
        "src": region_fields(resource.src_data_region),
        "dst": region_fields(resource.dst_data_region),
        "dram": region_fields(resource.dram_region),
        "dram_bandwidth": str(resource.dram_bandwidth),
        "no_time_mux": resource.no_time_mux,
    }


@pytest.mark.parametrize("number", range(len(REFERENCE)), ids=reference_id)
def test_allocation_of_the_reference(number):
    for record in REFERENCE[number]["segments"]:
        segment = reference_segments(number)[groups_of(record["seg"])]
        assert [[resource_fields(one) for one in group] for group in segment.allocation()] == (
            record["alloc"]
        )


@pytest.mark.parametrize("number", range(len(REFERENCE)), ids=reference_id)
def test_forwarding_of_the_reference(number):
    for record in REFERENCE[number]["segments"]:
        segment = reference_segments(number)[groups_of(record["seg"])]
        ifm_fwd = [
            [[str(name) for name in prevs], [list(index) for index in indices]]
            for prevs, indices in segment.ifm_fwd_dict.items()
        ]
        ofm_fwd = [
            [list(index), [list(after) for after in indices]]
            for index, indices in segment.ofm_fwd_dict.items()
        ]
        assert ifm_fwd == record["ifm_fwd"]
        assert ofm_fwd == record["ofm_fwd"]


# Section 9.1.


@pytest.mark.parametrize(
    ("seg", "nodes"),
    [
        ((("0",), ("1", "1p")), (16, 48)),
        ((("1", "1p"), ("2",)), (24, 40)),
        ((("1", "1p"), ("2",), ("3",)), (12, 20, 32)),
    ],
)
def test_nodes_of_the_worked_example(seg, nodes):
    segment = segment_of(seg, fully_connected_network(), nodes=(8, 8), max_util_drop=0.05)
    assert tuple(group[0].proc_region.dim.size() for group in segment.allocation()) == nodes


def test_groups_that_cannot_be_balanced():
    seg = (("0",), ("1", "1p"), ("2",), ("3",))
    segment = segment_of(seg, fully_connected_network(), nodes=(8, 8), max_util_drop=0.05)
    assert not segment.valid
    assert segment.allocation() is None
    assert list(segment.gen_constraint()) == []
    assert list(segment.gen_constraint(original_rules=True)) == []
    assert segment_of(seg, fully_connected_network(), nodes=(8, 8), max_util_drop=0.5).valid


def test_more_groups_than_nodes():
    seg = (("a",), ("b",), ("c",))
    assert not segment_of(seg, mixed_network(), nodes=(1, 2)).valid
    assert segment_of(seg, mixed_network(), nodes=(1, 3)).valid


@pytest.mark.parametrize(
    ("ops", "nodes"),
    [
        ((1, 3), (4, 12)),
        ((3, 5), (6, 10)),
        ((1,) * 16, (1,) * 16),
        ((100, 1, 1), None),
        ((1, 1, 1), None),
        ((1,) * 17, None),
    ],
)
def test_balance(ops, nodes):
    assert balance_nodes(ops, PhyDim2(4, 4), 0.05) == nodes


def test_balance_rounds_half_to_even():
    """2.5 and 13.5 nodes."""
    assert balance_nodes((5, 27), PhyDim2(1, 16), 1) == (2, 14)


def literal_nodes(ops, dim, drop):
    """The rules of section 6.1 as they stand."""
    total = dim[0] * dim[1]
    raw = [group / sum(ops) * total for group in ops]
    for unit in range(dim[0], 0, -1):
        if dim[0] % unit:
            continue
        nodes = [max(1, round(want / unit)) * unit for want in raw]
        while sum(nodes) != total:
            excess = [num - want for num, want in zip(nodes, raw, strict=True)]
            if sum(nodes) > total:
                nodes[excess.index(max(excess))] -= unit
            else:
                nodes[excess.index(min(excess))] += unit
        if 0 in nodes:
            continue
        slowest = max(group / num for group, num in zip(ops, nodes, strict=True))
        if sum(ops) / slowest / total >= 1 - drop:
            return tuple(nodes)
    return None


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=8),
    st.sampled_from(((1, 8), (4, 4), (6, 4), (8, 8))),
    st.sampled_from((0.0, 0.05, 0.3, 1.0)),
)
def test_balance_follows_the_rules(ops, dim, drop):
    nodes = balance_nodes(ops, PhyDim2(*dim), drop)
    assert nodes == literal_nodes(ops, dim, drop)
    if nodes is not None:
        assert sum(nodes) == dim[0] * dim[1]
        assert min(nodes) > 0


# Section 9.2.


def test_regions_of_the_worked_example():
    resource = machine()
    segment = PipelineSegment((("a",), ("b",)), linear_network(), 4, resource)
    ((one,), (two,)) = segment.allocation()
    assert (one.proc_region.dim, one.proc_region.origin) == ((4, 1), (0, 0))
    assert (two.proc_region.dim, two.proc_region.origin) == ((4, 3), (0, 1))
    assert one.src_data_region == resource.src_data_region
    assert one.dst_data_region == one.proc_region
    assert two.src_data_region == one.proc_region
    assert two.dst_data_region == resource.dst_data_region
    same = {"proc_region", "src_data_region", "dst_data_region", "no_time_mux"}
    for given_field, field, name in zip(resource, one, resource._fields, strict=True):
        assert name in same or given_field == field


def test_layers_of_one_group_use_all_nodes():
    resource = machine(size_gbuf=100000)
    segment = PipelineSegment((("a", "b", "c"),), linear_network(), 4, resource)
    ((a, b, c),) = segment.allocation()
    region = resource.proc_region
    assert {one.proc_region for one in (a, b, c)} == {region}
    assert (a.src_data_region, a.dst_data_region) == (resource.src_data_region, region)
    assert (b.src_data_region, b.dst_data_region) == (region, region)
    assert (c.src_data_region, c.dst_data_region) == (region, resource.dst_data_region)


@pytest.mark.parametrize(
    ("seg", "alone"),
    [
        ((("a",), ("b",), ("c",)), True),
        ((("a",), ("b",)), False),
        ((("a",), ("b", "c")), False),
        ((("a", "b", "c"),), False),
    ],
)
def test_nodes_that_are_never_shared(seg, alone):
    allocation = segment_of(seg, linear_network()).allocation()
    assert {one.no_time_mux for group in allocation for one in group} == {alone}


def test_network_of_one_layer_has_all_nodes_for_itself():
    network = network_of(InputLayer(8, 8), ("a", ConvLayer(8, 8, 8, 1), [IN]))
    assert segment_of((("a",),), network).allocation()[0][0].no_time_mux


def test_folded_region_is_divided():
    folded = NodeRegion(PhyDim2(1, 16), PhyDim2(0, 0), type=NodeRegion.PROC, wtot=4)
    resource = machine()._replace(proc_region=folded)
    segment = segment_of((("a",), ("b",)), linear_network(), resource=resource)
    (one,), (two,) = segment.allocation()
    nodes = [*one.proc_region.iter_node(), *two.proc_region.iter_node()]
    assert sorted(nodes) == sorted(folded.iter_node())


@given(st.data(), pipeline_networks(), pipeline_machines())
def test_regions_are_disjoint_and_cover_the_chip(data, network, resource):
    seg = data.draw(arrangements(network))
    segment = segment_of(seg, network, resource=resource)
    assume(segment.valid)
    nodes = []
    for group, names in zip(segment.allocation(), seg, strict=True):
        assert len(group) == len(names)
        assert len({one.proc_region for one in group}) == 1
        nodes += group[0].proc_region.iter_node()
    assert sorted(nodes) == sorted(resource.proc_region.iter_node())


@given(st.data(), pipeline_networks(), pipeline_machines())
def test_data_are_where_their_producer_puts_them(data, network, resource):
    seg = data.draw(arrangements(network))
    segment = segment_of(seg, network, resource=resource)
    assume(segment.valid)
    place = {
        name: one
        for names, group in zip(seg, segment.allocation(), strict=True)
        for name, one in zip(names, group, strict=True)
    }
    index = {name: (sp, tm) for sp, names in enumerate(seg) for tm, name in enumerate(names)}
    for name, one in place.items():
        outside = [prev for prev in network.prevs(name) if prev not in place]
        inside = [prev for prev in network.prevs(name) if prev in place]
        if not outside:
            assert {place[prev].proc_region for prev in inside} >= {one.src_data_region}
            for prev in inside:
                forwarded = segment.ofm_fwd_dict.get(index[prev], ())
                assert place[prev].dst_data_region == place[prev].proc_region or (
                    index[name] in forwarded
                )
        readers = segment.ifm_fwd_dict.get(network.prevs(name), ())
        if outside and index[name] in readers[1:]:
            first = seg[readers[0].sp_idx][readers[0].tm_idx]
            assert one.src_data_region == place[first].proc_region
        elif outside:
            assert one.src_data_region == resource.src_data_region
        leaves = any(after not in place for after in network.nexts(name))
        assert one.dst_data_region == (resource.dst_data_region if leaves else one.proc_region)


# Section 5.


def mixed_network():
    """a → b → c; d reads a and the input; e = a + b; p and q pool a."""
    conv = ConvLayer(8, 8, 8, 1)
    return network_of(
        InputLayer(8, 8),
        ("a", conv, [IN]),
        ("b", conv, ["a"]),
        ("c", conv, ["b"]),
        ("d", ConvLayer(16, 8, 8, 1), ["a", IN]),
        ("e", EltwiseLayer(8, 8, 2), ["a", "b"]),
        ("p", PoolingLayer(8, 8, 1), ["a"]),
        ("q", PoolingLayer(8, 8, 1), ["a"]),
        ("f", ConvLayer(8, 16, 8, 1), ["p"]),
    )


@pytest.mark.parametrize(
    "seg",
    [
        (("a",), ("b",)),
        (("a",), ("b",), ("c",)),
        (("a", "b"),),
        (("a", "b"), ("c",)),
        (("b",), ("d",)),
        (("a",), ("p",), ("q",)),
        (("a",), ("p", "f"), ("q",)),
        (("a", "d"),),
    ],
)
def test_legal_arrangements(seg):
    assert segment_of(seg, mixed_network()).valid


@pytest.mark.parametrize(
    "seg",
    [
        (("a",), ("d",)),  # d reads another group and memory
        (("a",), ("p", "q")),  # p is not followed by its consumer
        (("a", "c"),),  # a is not followed by its consumer
        (("a", "p", "f", "q"),),  # f is not the only consumer of ... in its group
        (("a", "b", "d"),),  # nor is b
        (("a", "p", "q"),),  # a has two consumers in its group
        (("a",), ("b",), ("e",)),  # e reads two other groups
        (("a", "p"), ("q",)),  # a feeds another group, but is not the last of its own
        (("b",), ("a",)),  # a consumer before its producer
        (("b", "a"),),
    ],
)
def test_illegal_arrangements(seg):
    segment = segment_of(seg, mixed_network())
    assert not segment.valid
    assert segment.links is None
    assert segment.allocation() is None
    assert segment.constraint_systems() == ()
    assert (segment.ifm_fwd_dict, segment.ofm_fwd_dict) == ({}, {})


def test_two_layers_of_a_group_that_read_one_neighbour():
    network = network_of(
        InputLayer(8, 8),
        ("a", ConvLayer(8, 8, 8, 1), [IN]),
        ("b", ConvLayer(8, 8, 8, 1), ["a"]),
        ("e", EltwiseLayer(8, 8, 2), ["b", "a"]),
    )
    assert not segment_of((("a",), ("b", "e")), network).valid
    assert segment_of((("b", "e"),), network).valid


@pytest.mark.parametrize(
    ("seg", "basic"),
    [
        ((("a",),), True),
        ((("a",), ("b",), ("c",)), True),
        ((("b",), ("d",)), False),  # two chains
        ((("a",), ("p",), ("q",)), False),  # two consumers on chip
    ],
)
def test_basic_mode(seg, basic):
    assert segment_of(seg, mixed_network()).valid
    assert segment_of(seg, mixed_network(), with_opt=False).valid == basic


def test_links():
    segment = segment_of((("a",), ("p", "f"), ("q",)), mixed_network())
    (a,), (p, f), (q,) = segment.links
    assert (a.memory_source, a.memory_destination, a.neighbour_source) == (True, True, None)
    assert a.neighbour_destinations == ((1, 0), (2, 0))
    assert (p.neighbour_source, p.local_source, p.local_destination) == ((0, 0), False, True)
    assert (f.neighbour_source, f.local_source, f.memory_source) == (None, True, False)
    assert (q.memory_source, q.memory_destination) == (False, True)
    assert [link.layer for link in (a, p, f, q)] == ["a", "p", "f", "q"]


def test_layers_that_share_their_source():
    segment = segment_of((("2a",), ("3a",), ("2b",), ("3b",)), fork_network())
    assert segment.ifm_fwd_dict == {("1",): (SchedIndex(0, 0), SchedIndex(2, 0))}
    assert segment.ofm_fwd_dict == {}
    (first,), _, (other,), _ = segment.allocation()
    assert first.src_data_region == segment.resource.src_data_region
    assert other.src_data_region == first.proc_region


def test_layer_that_feeds_memory_and_another_group():
    segment = segment_of((("1",), ("2a",)), fork_network())
    assert segment.ofm_fwd_dict == {SchedIndex(0, 0): (SchedIndex(1, 0),)}
    (first,), (second,) = segment.allocation()
    assert first.dst_data_region == segment.resource.dst_data_region
    assert second.src_data_region == first.proc_region


def test_layer_that_feeds_memory_and_the_next_of_its_group():
    segment = segment_of((("1", "2a"),), fork_network())
    assert segment.ofm_fwd_dict == {(0, 0): ((0, 1),)}


def test_layers_with_the_same_producers_in_another_order_share_nothing():
    conv = ConvLayer(16, 8, 8, 1)
    network = network_of(
        InputLayer(8, 8),
        ("a", ConvLayer(8, 8, 8, 1), [IN]),
        ("b", conv, ["a", IN]),
        ("c", conv, [IN, "a"]),
    )
    assert segment_of((("b",), ("c",)), network).ifm_fwd_dict == {}


# The class.


def test_sequence():
    seg = (("1",), ("2a", "3a"))
    segment = segment_of(seg, fork_network())
    assert segment.seg == seg
    assert len(segment) == 2
    assert list(segment) == list(seg)
    assert segment[1] == ("2a", "3a")
    assert segment[1][0] == "2a"
    assert PipelineSegment.SchedIndex(1, 0) == SchedIndex(sp_idx=1, tm_idx=0)
    assert "(('1',), ('2a', '3a'))" in repr(segment)


def test_equality():
    network = linear_network()
    resource = machine()
    arguments = {
        "seg": (("a",), ("b",)),
        "network": network,
        "batch_size": 4,
        "resource": resource,
        "max_util_drop": 0.05,
        "with_opt": True,
    }
    segment = PipelineSegment(**arguments)
    assert segment == PipelineSegment(**arguments)
    assert hash(segment) == hash(PipelineSegment(**arguments))
    others = {
        "seg": (("a", "b"),),
        "network": linear_network(),
        "batch_size": 8,
        "resource": machine(size_gbuf=8192),
        "max_util_drop": 0.1,
        "with_opt": False,
    }
    for name, value in others.items():
        assert segment != PipelineSegment(**(arguments | {name: value}))
    assert segment != (("a",), ("b",))


def test_pickled():
    segment = segment_of((("a",), ("b",)), linear_network())
    copy = pickle.loads(pickle.dumps(segment))
    assert copy.seg == segment.seg
    assert copy.allocation() == segment.allocation()
    assert list(copy.gen_constraint()) == list(segment.gen_constraint())


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"seg": [("a",)]}, TypeError, "seg must be a tuple of tuples"),
        ({"seg": ("a",)}, TypeError, "seg must be a tuple of tuples, got \\('a',\\)"),
        ({"seg": "a"}, TypeError, "seg must be a tuple of tuples"),
        ({"seg": (["a"],)}, TypeError, "seg must be a tuple of tuples"),
        ({"seg": ()}, ValueError, "seg must have a layer in every group"),
        ({"seg": (("a",), ())}, ValueError, "seg must have a layer in every group"),
        ({"seg": (("a",), ("a",))}, ValueError, "seg must not have a layer twice"),
        ({"seg": (("z",),)}, KeyError, "no layer 'z'"),
        ({"network": None}, TypeError, "PipelineSegment: network must be a Network"),
        ({"resource": 1}, TypeError, "PipelineSegment: resource must be a Resource"),
        ({"batch_size": -1}, ValueError, "batch_size must be a positive whole number"),
        ({"max_util_drop": 2}, ValueError, "max_util_drop must be from 0 to 1"),
    ],
)
def test_refused(changes, error, match):
    arguments = {
        "seg": (("a",),),
        "network": linear_network(),
        "batch_size": 4,
        "resource": machine(),
    }
    with pytest.raises(error, match=match):
        PipelineSegment(**(arguments | changes))


@pytest.mark.parametrize("name", nns.all_networks())
def test_single_layers_are_always_valid(name):
    network = nns.import_network(name)
    for layer_name in network:
        segment = PipelineSegment(((layer_name,),), network, 4, machine(size_gbuf=64))
        assert segment.valid
        ((constraint,),), hints = next(segment.gen_constraint())
        assert (constraint.topbat, constraint.topifm, constraint.topofm) == (0, 0, 0)
        assert hints == (1,)
