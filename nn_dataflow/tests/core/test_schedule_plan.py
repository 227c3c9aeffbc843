# SPDX-License-Identifier: BSD-3-Clause
"""Tests of schedules evaluated without a search (docs/evaluate.md)."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings

from nn_dataflow.core.blocking_model import BlockingModel
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.inter_layer_pipeline import InterLayerPipeline
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer
from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.pipeline_allocation import MAX_UTIL_DROP
from nn_dataflow.core.schedule_plan import (
    Blocked,
    CapacityError,
    LayerPlan,
    ScheduleEvaluator,
    SchedulePlan,
)
from nn_dataflow.core.segment_plan import PlanError, SegmentPlan, TopLevel
from nn_dataflow.tests.core import test_network_search as layers
from nn_dataflow.tests.core import test_pipeline_search as pipelines
from nn_dataflow.tests.pipeline_cases import IN, machine, network_of


def plan_of(scheme, resource):
    """What a schedule says, without its figures but those that tell array mappings apart."""
    plans = {}
    for name, result in scheme.items():
        values = result.scheme
        access = [list(level) for level in values["access"]]
        plans[name] = LayerPlan(
            sched_seq=result.sched_seq,
            part=values["part"],
            bl_ts=values["tvals"],
            bl_ords=values["orders"],
            trips=values["trips"],
            keep_filters=values["fetch"][0][0] == 0,
            unit_size=values["unit_size"],
            figures={
                "ops": values["ops"],
                "proc_time": values["proc_time"],
                "access": access,
                "regf": access[-1],
            },
        )
    ext = {name: layout.parts[0] for name, layout in scheme.ext_layout_dict.items()}
    return SchedulePlan(resource, scheme.input_layout.parts[0], ext, plans)


def evaluator(network, batch, resource, cost, options, strategy=MapStrategyEyeriss):
    return ScheduleEvaluator(network, batch, resource, cost, options, strategy)


def assert_same(case):
    """The evaluation of every schedule that is found has the same figures, to the last bit."""
    for scheme in pipelines.searched(case):
        again = evaluator(*case).evaluate(plan_of(scheme, resource=case[2]))
        assert dict(again) == dict(scheme)
        assert list(again) == list(scheme)
        assert (again.total_cost, again.total_time) == (scheme.total_cost, scheme.total_time)
        assert again.segment_time_list() == scheme.segment_time_list()
        assert again.input_layout == scheme.input_layout
        assert again.ext_layout_dict == scheme.ext_layout_dict


@settings(max_examples=60)
@given(pipelines.searches())
def test_schedules_with_segments_have_the_figures_of_the_search(case):
    assert_same(case)


@settings(max_examples=60)
@given(layers.network_searches())
def test_schedules_of_layers_have_the_figures_of_the_search(case):
    assert_same(case)


@settings(max_examples=30)
@given(layers.group_searches())
def test_schedules_with_groups_of_nodes_have_the_figures_of_the_search(case):
    assert_same(case)


NETWORK = network_of(
    InputLayer(4, 8),
    ("a", ConvLayer(4, 8, 8, 3), [IN]),
    ("b", ConvLayer(8, 4, 8, 1), ["a"]),
    ("c", ConvLayer(4, 4, 8, 1), ["b"]),
)
RESOURCE = machine((2, 2), size_gbuf=2048, array=(4, 4))
OPTIONS = Option(sw_gbuf_bypass=(True, True, True), partition_hybrid=True)
PIPELINED = OPTIONS._replace(
    partition_interlayer=True, hw_gbuf_save_writeback=True, sw_gbuf_bypass=(False,) * 3
)
COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=1)


@functools.cache
def found(options=OPTIONS, network=NETWORK):
    """The plan of the best schedule."""
    case = (network, 4, RESOURCE, COST, options, MapStrategyEyeriss)
    (scheme, *_) = pipelines.searched(case)
    return plan_of(scheme, RESOURCE)


def changed(plan, name, **fields):
    layer = plan.layers[name]._replace(**fields)
    return plan._replace(layers={**plan.layers, name: layer})


def refusal(plan, resource=RESOURCE, options=OPTIONS, error=PlanError, network=NETWORK):
    with pytest.raises(error) as raised:
        evaluator(network, 4, resource, COST, options).evaluate(plan)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_missing_layer():
    plan = found()
    layers = {name: layer for name, layer in plan.layers.items() if name != "b"}
    assert refusal(plan._replace(layers=layers)) == "layer b is not scheduled"


def test_an_unknown_layer():
    plan = found()
    layers = {**plan.layers, "d": plan.layers["a"]}
    assert refusal(plan._replace(layers=layers)) == "network test has no layer d"


def test_a_layer_before_its_producer():
    plan = found()
    layers = {name: plan.layers[name] for name in ("b", "a", "c")}
    assert refusal(plan._replace(layers=layers)) == (
        "layer b comes before a, whose ofmaps it reads"
    )


def test_other_external_layers():
    plan = found()._replace(ext_parts={"x": found().input_part})
    assert refusal(plan) == "external layers must be none, got x"


@pytest.mark.parametrize("place", [(0, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 0, 2)])
def test_a_place_that_does_not_follow(place):
    assert refusal(changed(found(), "b", sched_seq=place)) == (
        f"layer b: its place (segment, spatial, temporal index) {place} does not follow that of "
        "the layer before"
    )


def test_a_partition_for_other_nodes():
    part = PartitionScheme((0, 1, 2, 3), ((1, 1), (1, 2), (1, 1), (1, 1)))
    assert refusal(changed(found(), "b", part=part)) == (
        "layer b: its partition is for 1x2 nodes, here it has 2x2"
    )
    assert refusal(found(), machine((2, 4), array=(4, 4))) == (
        "layer a: its partition is for 2x2 nodes, here it has 2x4"
    )


def test_blocking_factors_for_other_trips():
    plan = found()
    trips = tuple(np.prod(plan.layers["b"].bl_ts, axis=0).tolist())
    (first, *others), *inner = plan.layers["b"].bl_ts
    message = refusal(changed(plan, "b", bl_ts=((7 * first, *others), *inner)))
    assert message.startswith(
        f"layer b: the blocking factors of loops (I, O, B) make {(7 * trips[0], *trips[1:])} "
        "trips; on arrays of 4x4 PEs it must be ("
    )
    assert str(trips) in message.partition("it must be ")[2].split(" or ")


def test_blocks_that_are_not_equal():
    """The trips and the factors say how long the last blocks are."""
    options = OPTIONS._replace(sw_imperfect=True)
    plan = found(options)
    one, *others = plan.layers["b"].trips
    factors = ((1, 1, 1), (1, *others), (one + 1, 1, 1))
    assert refusal(changed(plan, "b", bl_ts=factors), options=options) == (
        f"layer b: the blocking factors {factors} of loops (I, O, B) do not cut {(one, *others)} "
        "trips in blocks as equal as possible"
    )
    trips = (7 * one, *others)
    factors = ((1, 1, 1), (1, *others), (7 * one, 1, 1))
    message = refusal(changed(plan, "b", bl_ts=factors, trips=trips), options=options)
    assert message.startswith(
        f"layer b: the blocking factors of loops (I, O, B) make {trips} trips; on arrays of 4x4"
    )


def test_groups_that_are_not_alike():
    """What layers hand over in groups is divided evenly, though blocks may be partial."""
    segment = SegmentPlan(0, (("a", "b", "c"),), NETWORK, 6, RESOURCE, PIPELINED)
    for trips, alike in ((6, True), (5, False), (8, False), (9, True)):
        tops = dict.fromkeys(NETWORK, TopLevel((1, 1, 3), (0, 1, 2), (4, 4, trips)))
        if alike:
            segment.check_handover(tops, RESOURCE)
        else:
            with pytest.raises(PlanError, match="do not let them hand over"):
                segment.check_handover(tops, RESOURCE)


def test_other_sizes_of_a_pass():
    sizes = ((1, 1, 1), (999, 1, 1))
    assert refusal(changed(found(), "b", unit_size=sizes)) == (
        "layer b: no array mapping on 4x4 PEs has passes of ((1, 1, 1), (999, 1, 1)) words, as "
        "unit_size says"
    )


def test_a_buffer_that_is_too_small_by_one_word():
    """The message has the words of each category, and by how much they are too many."""
    options = OPTIONS._replace(sw_gbuf_bypass=(False,) * 3)
    plan = found(options)
    scheme = evaluator(NETWORK, 4, RESOURCE, COST, options).evaluate(plan)
    sizes = {name: sum(result.scheme["size"][0]) for name, result in scheme.items()}
    name = max(sizes, key=sizes.get)
    filters, ifmaps, ofmaps = scheme[name].scheme["size"][0]
    small = RESOURCE._replace(size_gbuf=sizes[name] - 1)
    assert evaluator(NETWORK, 4, small._replace(size_gbuf=sizes[name]), COST, options).evaluate(
        plan
    )
    assert refusal(plan, small, options, CapacityError) == (
        f"layer {name}: needs {sizes[name]} words of global buffer per node (filters {filters}, "
        f"ifmaps {ifmaps}, ofmaps {ofmaps}), 1 more than size_gbuf {sizes[name] - 1}"
    )


def test_a_register_file_that_is_too_small():
    scheme = evaluator(NETWORK, 4, RESOURCE, COST, OPTIONS).evaluate(found())
    need = sum(scheme["a"].scheme["size"][1])
    message = refusal(found(), RESOURCE._replace(size_regf=need - 2), error=CapacityError)
    assert message.startswith(f"layer a: needs {need} words of register file per PE (filters ")
    assert message.endswith(f", 2 more than size_regf {need - 2}")


def test_the_plan_of_a_pipeline():
    plan = found(PIPELINED)
    assert any(layer.sched_seq[1:] != (0, 0) for layer in plan.layers.values())


def in_one_segment(plan, *places):
    """The layers in one segment, at (spatial, temporal) indices."""
    layers = {
        name: layer._replace(sched_seq=(0, *place))
        for (name, layer), place in zip(plan.layers.items(), places, strict=True)
    }
    return plan._replace(layers=layers)


def test_groups_that_are_not_balanced():
    plan = in_one_segment(found(), (0, 0), (1, 0), (2, 0))
    assert refusal(plan) == (
        "segment 0 (a | b | c): 4 nodes cannot be divided among 3 groups so that at most 5% of "
        "their time is lost"
    )


def test_layers_that_cannot_hand_over():
    """In basic pipelining a segment is one chain."""
    network = network_of(
        InputLayer(4, 8),
        ("a", ConvLayer(4, 4, 8, 1), [IN]),
        ("b", ConvLayer(4, 4, 8, 1), [IN]),
    )
    plan = in_one_segment(found(network=network), (0, 0), (1, 0))
    basic = OPTIONS._replace(layer_pipeline_opt=False)
    assert refusal(plan, options=basic, network=network) == (
        "segment 0 (a | b): layers cannot hand over their fmaps in these places"
    )


def test_loops_that_do_not_suit_each_other():
    """The layers of a segment divide the batch alike, or not at all."""
    plan = in_one_segment(found(), (0, 0), (0, 1), (0, 2))
    for name, layer in plan.layers.items():
        trips = np.prod(layer.bl_ts, axis=0).tolist()
        batches = 2 if name == "b" else 4
        factors = ((1, 1, batches), (trips[0], trips[1], trips[2] // batches), (1, 1, 1))
        plan = changed(plan, name, bl_ts=factors, bl_ords=((0, 1, 2), (0, 1, 2)))
    assert refusal(plan, options=PIPELINED) == (
        "segment 0 (a, b, c): the loops of its layers in memory do not let them hand over fmaps "
        "(docs/model/pipeline.md section 7)"
    )


def test_fmaps_on_chip_that_are_moved_several_times():
    """Ifmaps are fetched anew for all output channels, since their loop is outermost."""
    resource = RESOURCE._replace(src_data_region=RESOURCE.proc_region)
    part = found().layers["b"].part
    layer, batch, occupancy = part.part_layer(NETWORK["b"], 4)
    strategy = MapStrategyEyeriss(layer, batch, occupancy, RESOURCE.dim_array)
    nld = next(one for one in strategy.gen_nested_loop_desc() if min(one.loopcnt[:2]) > 1)
    inputs, outputs, batches = nld.loopcnt
    bl_ts = np.array([[(inputs, outputs, 1), (1, 1, batches), (1, 1, 1)]])
    bl_ords = np.array([[(0, 2, 1), (0, 1, 2)]])
    model = BlockingModel(nld, resource, OPTIONS)
    evaluation = model.evaluate(bl_ts, bl_ords)
    lbs = LoopBlockingScheme.of(model, evaluation, 0, bl_ts, bl_ords)
    assert not lbs.is_valid()
    assert Blocked(evaluation, lbs).excess(resource) == (
        f"moves its ifmaps in {outputs} and its ofmaps in 1 passes; those that are on chip must be "
        "moved in 1"
    )


def test_shares_of_ifmaps():
    """One operand of the sum can be on chip, and the other one in memory."""
    network = network_of(
        InputLayer(8, 8),
        ("a", ConvLayer(8, 8, 8, 1), [IN]),
        ("b", ConvLayer(8, 8, 8, 1), ["a"]),
        ("sum", EltwiseLayer(8, 8, 2), ["b", "a"]),
    )
    shares = {
        (segment.seg, name): plan.near_ifmaps(name)
        for segment in InterLayerPipeline(network, 2, RESOURCE).gen_segment(PIPELINED)
        for plan in [SegmentPlan(0, segment.seg, network, 2, RESOURCE, PIPELINED)]
        for group in segment.seg
        for name in group
    }
    assert shares[(("b", "sum"),), "sum"] == 0.5
    assert {where for where, share in shares.items() if share} <= {
        (seg, "sum") for seg, _ in shares if "a" not in {name for group in seg for name in group}
    }


def test_nodes_are_divided_as_in_the_search():
    assert InterLayerPipeline(NETWORK, 2, RESOURCE).max_util_drop == MAX_UTIL_DROP
    for segment in InterLayerPipeline(NETWORK, 2, RESOURCE).gen_segment(PIPELINED):
        plan = SegmentPlan(0, segment.seg, NETWORK, 2, RESOURCE, PIPELINED)
        assert (
            tuple(tuple(plan.resource(name) for name in group) for group in segment.seg)
            == segment.allocation()
        )
