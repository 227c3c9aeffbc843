# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the enumeration of segments (docs/model/pipeline.md section 4).

Decides that the runs of vertices are those of the rules read literally, that the segments are those
of the reference data, and that deep networks work.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import InterLayerPipeline, PipelineSegment
from nn_dataflow.core.inter_layer_pipeline import neighbour_vertices, vertex_segments
from nn_dataflow.core.layer import ConvLayer, InputLayer, PoolingLayer
from nn_dataflow.core.layer_order import schedule_order
from nn_dataflow.core.option import Option
from nn_dataflow.tests.pipeline_cases import (
    IN,
    REFERENCE,
    fork_network,
    groups_of,
    linear_network,
    machine,
    network_of,
    pipeline_machines,
    pipeline_networks,
    reference_id,
    reference_segments,
)

SPATIAL = Option(partition_interlayer=True)
TEMPORAL = Option(hw_gbuf_save_writeback=True)
BOTH = Option(partition_interlayer=True, hw_gbuf_save_writeback=True)


def segments_of(network, options, *, resource=None, batch_size=4, **kwargs):
    pipeline = InterLayerPipeline(network, batch_size, resource or machine(), **kwargs)
    return [segment.seg for segment in pipeline.gen_segment(options)]


def runs_of(network):
    vertices = schedule_order(network)
    return [tuple(run) for run in vertex_segments(*neighbour_vertices(network, vertices))]


@pytest.mark.parametrize("number", range(len(REFERENCE)), ids=reference_id)
def test_segments_of_the_reference(number):
    case = REFERENCE[number]
    ours = reference_segments(number)
    # Those that are valid by the rules of the reference as well.
    found = [
        seg for seg, one in ours.items() if next(one.gen_constraint(original_rules=True), None)
    ]
    theirs = [groups_of(seg) for seg in case["all_segments"]]
    if case["num_segments"] == ">=400":
        assert len(found) > len(theirs) == 400
        found = found[:400]
        # The last one may be one of two variants in either order.
        assert set(theirs[:-1]) <= set(ours)
    else:
        assert len(theirs) == case["num_segments"]
        assert set(found) == set(theirs)
    # Either variant of a run of vertices may come first.
    assert list(map(joined, found)) == list(map(joined, theirs))


def joined(seg):
    return tuple(itertools.chain.from_iterable(seg))


def test_layer_order():
    pipeline = InterLayerPipeline(fork_network(), 4, machine())
    assert pipeline.ordered_layer_list() == ["1", "2a", "3a", "2b", "3b", "4"]


def test_runs_of_the_fork():
    """Section 9.3."""
    runs = [(0,), (1,), (2,), (3,), (4,), (5,)]
    runs += [(4, 5), (3, 4), (3, 4, 5), (1, 2), (1, 2, 3), (1, 2, 3, 4)]
    runs += [(0, 1), (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4)]
    assert runs_of(fork_network()) == runs


def test_segments_of_the_fork():
    """Section 9.3."""
    found = segments_of(fork_network(), SPATIAL, batch_size=16)
    assert [seg for seg in found if len(seg) > 1] == [
        (("2b",), ("3b",)),
        (("2a",), ("3a",)),
        (("2a",), ("3a",), ("2b",), ("3b",)),
        (("1",), ("2a",)),
        (("1",), ("2a",), ("3a",), ("2b",)),
    ]


def test_spatial_and_temporal_segments():
    network = linear_network()
    alone = [(("a",),), (("b",),), (("c",),)]
    resource = machine(size_gbuf=100000)
    assert segments_of(network, Option(), resource=resource) == alone
    spatial = [(("b",), ("c",)), (("a",), ("b",)), (("a",), ("b",), ("c",))]
    loose = {"resource": resource, "max_util_drop": 1}
    assert segments_of(network, SPATIAL, **loose) == alone + spatial
    temporal = [(("b", "c"),), (("a", "b"),), (("a", "b", "c"),)]
    assert segments_of(network, TEMPORAL, **loose) == alone + temporal
    mixed = [seg for pair in zip(spatial, temporal, strict=True) for seg in pair]
    assert segments_of(network, BOTH, **loose) == alone + mixed


@pytest.mark.parametrize("options", [SPATIAL, TEMPORAL, BOTH])
def test_vertex_of_several_layers_is_one_segment_more(options):
    network = network_of(
        InputLayer(8, 8), ("a", ConvLayer(8, 8, 8, 1), [IN]), ("p", PoolingLayer(8, 8, 1), ["a"])
    )
    assert segments_of(network, options) == [(("a",),), (("p",),), (("a", "p"),)]
    assert segments_of(network, Option()) == [(("a",),), (("p",),)]


@pytest.mark.parametrize("degree", [0, 1, 1.5, 2, 3])
def test_degree_limits_the_vertices(degree):
    options = TEMPORAL._replace(layer_pipeline_max_degree=degree)
    found = segments_of(linear_network(), options, resource=machine(size_gbuf=100000))
    assert max(len(joined(seg)) for seg in found) == max(1, int(degree))


def test_degree_counts_vertices_not_layers():
    network = network_of(
        InputLayer(8, 8), ("a", ConvLayer(8, 8, 8, 1), [IN]), ("p", PoolingLayer(8, 8, 1), ["a"])
    )
    options = SPATIAL._replace(layer_pipeline_max_degree=1)
    assert (("a", "p"),) in segments_of(network, options)


def test_basic_mode_has_chains_only():
    basic = SPATIAL._replace(layer_pipeline_opt=False)
    found = segments_of(fork_network(), basic, batch_size=16)
    assert [seg for seg in found if len(seg) > 1] == [
        (("2b",), ("3b",)),
        (("2a",), ("3a",)),
        (("1",), ("2a",)),
    ]


def test_segments_get_all_arguments():
    pipeline = InterLayerPipeline(linear_network(), 4, machine(), max_util_drop=0.5)
    options = BOTH._replace(layer_pipeline_opt=False)
    for segment in pipeline.gen_segment(options):
        assert segment == PipelineSegment(
            segment.seg, pipeline.network, 4, machine(), max_util_drop=0.5, with_opt=False
        )


def test_deep_network():
    depth = 2000
    names = [f"c{i}" for i in range(depth)]
    layer = ConvLayer(1, 1, 1, 1)
    network = network_of(
        InputLayer(1, 1),
        *((name, layer, [prev]) for name, prev in zip(names, [IN, *names], strict=False)),
    )
    resource = machine((1, 2))
    found = segments_of(network, SPATIAL, resource=resource)
    assert len(found) == depth + depth - 1
    assert found[-1] == (("c0",), ("c1",))


def literal_runs(prevs, nexts):
    """The rules of section 4 as they stand, by recursion."""

    def grow(seg, vertex):
        if vertex == len(prevs):
            return
        if seg:
            shared = set(seg).union(*(prevs[v] for v in seg))
            if not prevs[vertex] & shared or len(prevs[vertex] & set(seg)) > 1:
                return
        seg = (*seg, vertex)
        if all(not nexts[v] & set(seg) or len(nexts[v] - set(seg)) <= 1 for v in seg):
            yield seg
        yield from grow(seg, vertex + 1)

    for start in range(len(prevs)):
        yield (start,)
    for start in reversed(range(len(prevs))):
        yield from (seg for seg in grow((), start) if len(seg) > 1)


@given(pipeline_networks())
def test_runs_follow_the_rules(network):
    prevs, nexts = neighbour_vertices(network, schedule_order(network))
    assert runs_of(network) == list(literal_runs(prevs, nexts))


@given(pipeline_networks(), st.integers(1, 4))
def test_limited_runs_are_the_short_ones(network, degree):
    prevs, nexts = neighbour_vertices(network, schedule_order(network))
    found = [tuple(run) for run in vertex_segments(prevs, nexts, degree)]
    assert found == [run for run in runs_of(network) if len(run) <= degree]


@given(pipeline_networks())
def test_neighbours_are_those_of_the_layers(network):
    vertices = schedule_order(network)
    prevs, nexts = neighbour_vertices(network, vertices)
    for number, names in enumerate(vertices):
        producers = {prev for name in names for prev in network.prevs(name)} - set(names)
        consumers = {after for name in names for after in network.nexts(name)} - {*names, None}
        assert (-1 in prevs[number]) == any(prev in {None, "x"} for prev in producers)
        assert {name for v in prevs[number] - {-1} for name in vertices[v]} >= producers - {
            None,
            "x",
        }
        assert all(consumers & set(vertices[v]) for v in nexts[number])
        assert {v for v, others in enumerate(vertices) if consumers & set(others)} == nexts[number]


@given(pipeline_networks(), pipeline_machines(), st.sampled_from((1, 2, 4)))
def test_segments_are_valid_distinct_and_cover_the_layers(network, resource, batch_size):
    pipeline = InterLayerPipeline(network, batch_size, resource, max_util_drop=0.5)
    order = pipeline.ordered_layer_list()
    segments = list(pipeline.gen_segment(BOTH))
    assert len(set(segments)) == len(segments)
    assert [segment.seg for segment in segments[: len(network)]] == [((n,),) for n in network]
    for segment in segments:
        assert segment.valid
        names = joined(segment.seg)
        start = order.index(names[0])
        assert tuple(order[start : start + len(names)]) == names
        assert len(segment) == 1 or all(group in schedule_order(network) for group in segment)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"network": "net"}, TypeError, "InterLayerPipeline: network must be a Network"),
        ({"resource": None}, TypeError, "InterLayerPipeline: resource must be a Resource"),
        ({"batch_size": 0}, ValueError, "batch_size must be a positive whole number, got 0"),
        ({"batch_size": 1.5}, ValueError, "batch_size must be a positive whole number"),
        ({"batch_size": True}, ValueError, "batch_size must be a positive whole number"),
        ({"max_util_drop": -0.1}, ValueError, "max_util_drop must be from 0 to 1, got -0.1"),
        ({"max_util_drop": 1.1}, ValueError, "max_util_drop must be from 0 to 1, got 1.1"),
        ({"max_util_drop": float("nan")}, ValueError, "max_util_drop must be from 0 to 1"),
        ({"max_util_drop": "x"}, ValueError, "max_util_drop must be from 0 to 1"),
    ],
)
def test_refused(changes, error, match):
    arguments = {"network": linear_network(), "batch_size": 4, "resource": machine()}
    with pytest.raises(error, match=match):
        InterLayerPipeline(**(arguments | changes))


def test_options_of_another_type_are_refused():
    pipeline = InterLayerPipeline(linear_network(), 4, machine())
    with pytest.raises(TypeError, match="options must be an Option"):
        pipeline.gen_segment({"partition_interlayer": True})
