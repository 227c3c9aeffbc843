# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the constraints on the layers of a segment (docs/model/pipeline.md section 7).

Decides that the combinations of the reference data come out under the original rules, that ours
contain them, and what the worked examples and the corrected rules give.
"""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import PipelineSegment
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapPosition, FmapRange
from nn_dataflow.core.layer import ConvLayer, InputLayer, PoolingLayer
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import gen_partition
from nn_dataflow.core.pipeline_rules import SegmentLayers, segment_demands
from nn_dataflow.core.pipeline_segment_timing import PipelineSegmentTiming
from nn_dataflow.core.pipeline_system import LayerTerms, reachable_factors
from nn_dataflow.core.scheduling import Scheduling
from nn_dataflow.core.scheduling_result import SchedulingCondition
from nn_dataflow.tests.core.test_pipeline_segment import segment_of
from nn_dataflow.tests.pipeline_cases import (
    IN,
    REFERENCE,
    arrangements,
    fork_around_pooling,
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


def flat(nested):
    return [item for group in nested for item in group]


def factors_of(constraint):
    return constraint.topbat, constraint.topifm, constraint.topofm


def combinations_of(segment, **kwargs):
    """Hints to the factors (B, I, O) of all layers."""
    return {
        hints: [factors_of(one) for one in flat(constraint)]
        for constraint, hints in segment.gen_constraint(**kwargs)
    }


@pytest.mark.parametrize("number", range(len(REFERENCE)), ids=reference_id)
def test_combinations_of_the_reference(number):
    for record in REFERENCE[number]["segments"]:
        segment = reference_segments(number)[groups_of(record["seg"])]
        for expected in record["constraints"]:
            found = [
                {
                    "hints": list(hints),
                    "layers": [[layer_fields(one) for one in group] for group in constraint],
                }
                for constraint, hints in segment.gen_constraint(
                    float(expected["max_time_overhead"]), original_rules=True
                )
            ]
            assert len(found) == expected["count"]
            assert found[:40] == expected["first_40"]


def layer_fields(constraint):
    return {
        "topbat": constraint.topbat,
        "topifm": constraint.topifm,
        "topofm": constraint.topofm,
        "fbifm": None,
        "fbofm": None,
        "updated_by": list(constraint.update_dict),
    }


# Ours contain those of the original rules.


def assert_contains_the_original(segment):
    """Whatever a combination of the original rules allows, one of ours allows as well."""
    names = flat(segment.seg)
    index = {name: place for place, name in enumerate(names)}
    systems = segment.constraint_systems()
    for constraint, _ in segment.gen_constraint(original_rules=True):
        layers = flat(constraint)
        tied = sorted({name for one in layers for name in one.update_dict})
        for chosen in itertools.product(*(chosen_factors(segment, name) for name in tied)):
            choice = dict(zip(tied, chosen, strict=True))
            wanted = [list(factors_of(one)) for one in layers]
            for one, factors in zip(layers, wanted, strict=True):
                for name in one.update_dict:
                    factors[2] = wanted[index[name]][2] = choice[name]
            any_order = {
                index[name]
                for name in tied
                if choice[name] > 1 and any(n not in names for n in segment.network.nexts(name))
            }
            assert any(allows(system, wanted, any_order) for system in systems), (layers, choice)


def chosen_factors(segment, name):
    """What T0[O] of a layer may be."""
    nofm = segment.network[name].nofm
    return reachable_factors(nofm, min(nofm, segment.resource.proc_region.dim.size()))


def allows(system, wanted, any_order):
    values = {}
    for place, (terms, factors) in enumerate(zip(flat(system.terms), wanted, strict=True)):
        if place in any_order and not terms.any_order:
            return False
        for term, factor in zip(terms[:3], factors, strict=True):
            if isinstance(term, str):
                if values.setdefault(term, factor) != factor or factor not in system.symbols[term]:
                    return False
            elif term not in (0, factor):
                return False
    return True


@pytest.mark.parametrize("number", range(len(REFERENCE)), ids=reference_id)
def test_ours_contain_the_reference(number):
    for segment in reference_segments(number).values():
        assert_contains_the_original(segment)


@given(
    st.data(),
    pipeline_networks(),
    pipeline_machines(),
    st.sampled_from((1, 2, 4)),
    st.sampled_from((True, True, False)),
)
def test_ours_contain_the_original(data, network, resource, batch_size, with_opt):
    seg = data.draw(arrangements(network))
    segment = segment_of(seg, network, resource=resource, batch_size=batch_size, with_opt=with_opt)
    original = list(segment.gen_constraint(original_rules=True))
    assert segment.valid or not original
    assert_contains_the_original(segment)


def two_chains_network():
    """c → d → p → q, and e: with stale answers d and q buffer their ofmaps, and p does not."""
    conv = ConvLayer(8, 8, 4, 1)
    return network_of(
        InputLayer(8, 4),
        ("c", conv, [IN]),
        ("d", conv, ["c"]),
        ("p", PoolingLayer(8, 4, 1), ["d"]),
        ("q", PoolingLayer(8, 4, 1), ["p"]),
        ("e", conv, [IN]),
    )


def test_stale_answers_add_only_what_they_allow_more():
    seg = (("c",), ("d", "p", "q"), ("e",))
    segment = segment_of(seg, two_chains_network(), size_gbuf=1000)
    (original,) = segment.constraint_systems(original_rules=True)
    assert original.num_fb == 1
    d, p, q = original.terms[1]
    assert (d.topofm, p.topofm, q.topofm) == (1, 0, 1)
    found = {
        tuple(terms.topofm for terms in system.terms[1]) for system in segment.constraint_systems()
    }
    assert found == {
        (1, "topofm_1_0", "topofm_1_0"),
        ("topofm_1_0", "topofm_1_0", "topofm_1_0"),
        (1, 0, 1),
    }
    assert_contains_the_original(segment)


# Worked examples.


def test_two_layers():
    """Section 9.2."""
    segment = PipelineSegment((("a",), ("b",)), linear_network(), 4, machine())
    expected = {(bat, k): [(bat, 0, k), (bat, k, 0)] for bat in (1, 2, 4) for k in (1, 2, 4, 8, 16)}
    assert combinations_of(segment, original_rules=True) == expected
    assert combinations_of(segment) == expected
    assert list(combinations_of(segment)) == sorted(expected)


@pytest.fixture(name="schedules", scope="module")
def fixture_schedules():
    """Best schedules of both layers of section 9.2, and the segment's timing, by hints."""
    resource = machine()._replace(dram_bandwidth=8)
    segment = PipelineSegment((("a",), ("b",)), linear_network(), 4, resource)
    cost = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
    options = Option(sw_gbuf_bypass=(True, True, True), partition_hybrid=True)
    memory = resource.src_data_region
    whole = FmapRange(FmapPosition(0, 0, 0, 0), FmapPosition(4, 8, 16, 16))
    part = next(gen_partition(InputLayer(8, 16), 4, memory.dim, options, guaranteed=True))
    given_layout = DataLayout((whole,), (memory,), (part.projection(memory, appl2frng=True),))
    found = {}
    for constraint, hints in segment.gen_constraint():
        layout, timing = given_layout, PipelineSegmentTiming(segment.network, 0)
        results = []
        for sp, (name,) in enumerate(segment):
            condition = SchedulingCondition(
                segment.allocation()[sp][0], constraint[sp][0], layout, (0, sp, 0)
            )
            search = Scheduling(segment.network[name], 4, cost, MapStrategyEyeriss)
            results += search.schedule_search(condition, options)[:1]
            if len(results) > sp:
                layout = results[sp].ofmap_layout
                timing.add(name, results[sp])
            else:
                break
        found[hints] = results, timing
    return found


@pytest.mark.parametrize(
    ("hints", "dram_times", "segment_time", "overhead"),
    [
        ((1, 1), (2304, 4800), 12288, 0.7297),
        ((1, 2), (2304, 4800), 9216, 0.2973),
        ((1, 4), (2304, 4800), 7680, 0.0811),
        ((1, 8), (2304, 4800), 7104, 0),
        ((2, 2), (2880, 4800), 7680, 0),
        ((4, 1), (2304, 4800), 7680, 0.0811),
    ],
)
def test_layers_scheduled_under_constraints(schedules, hints, dram_times, segment_time, overhead):
    """Section 9.2."""
    results, timing = schedules[hints]
    assert [one.total_time for one in results] == [6144, 6144]
    assert tuple(one.total_dram_time for one in results) == dram_times
    assert [timing.timing_list[0][0].ngrp, timing.bat_ngrp] == [hints[1], hints[0]]
    assert timing.time == segment_time
    assert timing.time_overhead == pytest.approx(overhead, abs=5e-5)


def test_parts_that_no_mapping_has(schedules):
    """Section 9.2: channel replication in the array makes the loop count of a's O 8."""
    assert {hints for hints, (results, _) in schedules.items() if not results} == {
        (1, 16),
        (2, 16),
        (4, 16),
    }


def test_small_parts_of_fmaps_are_not_handed_over():
    """16384 words of ofmaps, parts of at least 5 % of the buffer: at most 80, 8, 1, 0.8 parts."""
    for size_gbuf, most in ((4096, 16), (40960, 8), (327680, 1), (409600, 1)):
        segment = segment_of((("a",), ("b",)), linear_network(), size_gbuf=size_gbuf)
        assert max(one[0][2] for one in combinations_of(segment).values()) == most


def test_convolution_and_pooling():
    """Section 9.3: the pooling layer splits its ofmaps as the convolution does."""
    network = network_of(
        InputLayer(4, 8), ("c", ConvLayer(4, 10, 8, 3), [IN]), ("p", PoolingLayer(10, 4, 2), ["c"])
    )
    segment = segment_of((("c", "p"),), network, nodes=(2, 2), size_gbuf=4096)
    assert combinations_of(segment, original_rules=True) == {
        (bat,): [(bat, 0, 0), (bat, 0, 0)] for bat in (1, 2, 4)
    }
    for ((conv, pool),), _ in segment.gen_constraint(original_rules=True):
        assert dict(conv.update_dict) == {}
        assert list(pool.update_dict) == ["c"]
        pool.update_by_prev({"c": SimpleNamespace(scheme={"to": (5, 2, 1)})})
        assert (pool.topofm, pool.update_dict) == (5, {})
    # ⌈10/x⌉ is 10, 5, 4, 3, 2, 1.
    assert combinations_of(segment) == {
        (bat, k): [(bat, 0, k), (bat, 0, k)] for bat in (1, 2, 4) for k in (1, 2, 3, 4, 5, 10)
    }
    assert not any(
        one.update_dict for constraint, _ in segment.gen_constraint() for one in flat(constraint)
    )


def test_few_nodes_and_processing_elements_allow_few_factors():
    """10 channels in one part; or two, of 5; or three, of 4."""
    network = network_of(
        InputLayer(4, 8), ("c", ConvLayer(4, 10, 8, 3), [IN]), ("p", PoolingLayer(10, 4, 2), ["c"])
    )
    found = []
    for nodes, array in (((1, 1), (1, 1)), ((1, 2), (1, 1)), ((1, 1), (1, 3))):
        resource = machine(nodes, array=array)
        segment = segment_of((("c", "p"),), network, resource=resource)
        (system,) = segment.constraint_systems()
        found.append(system.symbols["topofm_0_0"])
    assert found == [(1, 2, 5, 10), (1, 2, 5, 10), (1, 2, 4, 5, 10)]


def test_rules_are_not_shared_by_combinations():
    network = network_of(
        InputLayer(4, 8), ("c", ConvLayer(4, 10, 8, 3), [IN]), ("p", PoolingLayer(10, 4, 2), ["c"])
    )
    segment = segment_of((("c", "p"),), network, size_gbuf=4096)
    found = [flat(constraint)[1] for constraint, _ in segment.gen_constraint(original_rules=True)]
    found[0].update_by_prev({"c": SimpleNamespace(scheme={"to": (5, 2, 1)})})
    assert all(one.update_dict for one in found[1:])


def test_three_layers_in_a_row():
    """Section 9.3. Either one layer buffers its ofmaps; the original rules take the smaller."""
    segment = segment_of((("a",), ("b",), ("c",)), linear_network(), size_gbuf=8192)
    (original,) = segment.constraint_systems(original_rules=True)
    first, second = segment.constraint_systems()
    assert first == original
    assert (first.num_fb, second.num_fb) == (1, 1)
    bat = "topbat_shr"
    assert flat(first.terms) == [
        LayerTerms(bat, 0, 1),
        LayerTerms(bat, 1, "topofm_1_0"),
        LayerTerms(bat, "topofm_1_0", 0),
    ]
    assert flat(second.terms) == [
        LayerTerms(bat, 0, "topofm_0_0"),
        LayerTerms(bat, "topofm_0_0", 1),
        LayerTerms(bat, 1, 0),
    ]
    # With k = 1 both answers are the same.
    constraints = [constraint for constraint, _ in segment.gen_constraint()]
    assert len(constraints) == len(set(constraints)) == 3 * (8 + 5 - 1)


@pytest.mark.parametrize(
    ("size_gbuf", "first_ofmaps"),
    [(1023, []), (1024, [1]), (6143, [1]), (6144, [1, "topofm_0_0"])],
)
def test_answer_whose_fmaps_do_not_fit_is_left_out(size_gbuf, first_ofmaps):
    """4, 11 and 1 nodes. Either a buffers 16 x 16 x 16 words, or c buffers 24 x 16 x 16."""
    segment = segment_of((("a",), ("b",), ("c",)), linear_network(), size_gbuf=size_gbuf)
    assert [system.terms[0][0].topofm for system in segment.constraint_systems()] == first_ofmaps
    assert segment.valid == bool(first_ofmaps)
    original = segment.constraint_systems(original_rules=True)
    assert [system.terms[0][0].topofm for system in original] == first_ofmaps[:1]


def test_chain_with_small_fmaps():
    """Section 9.3: a symbol of one value stays where the other layer loses it."""
    resource = machine((8, 8), size_gbuf=2000)
    seg = (("0",), ("1", "1p"))
    segment = segment_of(seg, fully_connected_network(), resource=resource)
    for original_rules in (True, False):
        for layers in combinations_of(segment, original_rules=original_rules).values():
            assert layers[2][2] == 1
    resource = machine((8, 8), size_gbuf=100)
    segment = segment_of(seg, fully_connected_network(), resource=resource)
    (original,) = segment.constraint_systems(original_rules=True)
    assert [terms.topofm for terms in flat(original.terms)] == ["topofm_0_0", 1, 0]


def test_layers_that_share_their_source_read_it_in_the_same_parts():
    """Section 9.3: 2a, 2b of the fork; 2a has a demand on its ofmaps, so both take whole fmaps."""
    segment = segment_of((("2a",), ("3a",), ("2b",), ("3b",)), fork_network())
    for layers in combinations_of(segment).values():
        assert layers[0][1] == layers[2][1] == 1
    network = network_of(
        InputLayer(8, 8),
        ("1", ConvLayer(8, 12, 8, 1), [IN]),
        ("2a", ConvLayer(12, 8, 8, 1), ["1"]),
        ("2b", ConvLayer(12, 8, 8, 1), ["1"]),
    )
    segment = PipelineSegment((("2a",), ("2b",)), network, 2, machine(size_gbuf=5000))
    # 1536 words in parts of at least 250: at most 6.144 of them.
    assert combinations_of(segment) == {
        (bat, k): [(bat, k, 0), (bat, k, 0)] for bat in (1, 2) for k in (1, 2, 3, 4, 6)
    }


def test_layers_of_one_group_exchange_whole_fmaps():
    segment = segment_of((("a", "b", "c"),), linear_network())
    assert combinations_of(segment) == {
        (bat,): [(bat, 0, 1), (bat, 1, 1), (bat, 1, 0)] for bat in (1, 2, 4)
    }


def test_basic_mode_buffers_between_groups():
    segment = segment_of((("a",), ("b",), ("c",)), linear_network(), with_opt=False)
    for original_rules in (True, False):
        assert combinations_of(segment, original_rules=original_rules) == {
            (bat,): [(bat, 0, 1), (bat, 1, 1), (bat, 1, 0)] for bat in (1, 2, 4)
        }
        (system,) = segment.constraint_systems(original_rules=original_rules)
        assert system.num_fb == 2


# Corrections.


def test_flag_of_a_chain_that_ended_is_cleared():
    """S5: 3a is read by memory only."""
    segment = segment_of((("2a",), ("3a",), ("2b",), ("3b",)), fork_network(), batch_size=16)
    (original,) = segment.constraint_systems(original_rules=True)
    assert (original.num_fb, original.terms[1][0].topofm) == (1, 1)
    (ours,) = segment.constraint_systems()
    assert (ours.num_fb, ours.terms[1][0].topofm) == (0, 0)


def demands_of(segment, **kwargs):
    layers = SegmentLayers(
        links=segment.links,
        layers=tuple(tuple(segment.network[name] for name in group) for group in segment),
        resources=segment.allocation(),
        shared=(),
        batch_size=segment.batch_size,
        with_opt=segment.with_opt,
    )
    return segment_demands(layers, **kwargs)


@pytest.mark.parametrize("first_buffers", [False, True])
def test_chain_goes_on_behind_a_group_of_local_region_layers(first_buffers):
    """q reads p, and nobody on chip reads q; b reads p all the same."""
    conv, pool = ConvLayer(8, 8, 8, 1), PoolingLayer(8, 8, 1)
    network = network_of(
        InputLayer(8, 8),
        ("a", conv, [IN]),
        ("p", pool, ["a"]),
        ("q", pool, ["p"]),
        ("b", conv, ["p"]),
    )
    segment = segment_of((("a", "p"), ("q",), ("b",)), network)
    demands = demands_of(segment, first_buffers=first_buffers)
    assert demands[0, 0].fbofm == demands[0, 1].fbofm == demands[2, 0].fbifm == first_buffers
    assert demands == demands_of(segment, first_buffers=first_buffers, keep_stale=True)


@pytest.mark.parametrize("first_buffers", [False, True])
def test_demands_of_a_finished_chain(first_buffers):
    segment = segment_of((("2a",), ("3a",), ("2b",), ("3b",)), fork_network())
    demands = demands_of(segment, first_buffers=first_buffers)
    assert [demand.fbofm for demand in demands.values()] == [first_buffers, False, False, False]
    stale = demands_of(segment, first_buffers=first_buffers, keep_stale=True)
    assert [demand.fbofm for demand in stale.values()] == [
        first_buffers,
        not first_buffers,
        False,
        False,
    ]


def test_local_region_layer_before_the_user_of_its_symbol():
    """E2: the sum that follows the convolution passes its split back."""
    segment = segment_of((("p",), ("c", "e")), fork_around_pooling(), size_gbuf=4096)
    assert segment.valid
    for original_rules in (True, False):
        found = list(segment.gen_constraint(original_rules=original_rules))
        assert found
        for constraint, _ in found:
            (pool,), (conv, total) = constraint
            assert pool.topofm == conv.topofm == total.topofm
            assert not pool.update_dict
            assert not total.update_dict
    assert {constraint[0][0].topofm for constraint, _ in segment.gen_constraint()} == {
        1,
        2,
        4,
        8,
        16,
    }


@pytest.mark.parametrize("original_rules", [True, False])
def test_no_overhead_allowed(original_rules):
    """E3: no division by zero; the original rules leave nothing where something is buffered."""
    three = segment_of((("a",), ("b",), ("c",)), linear_network())
    found = list(three.gen_constraint(0, original_rules=original_rules))
    assert bool(found) != original_rules
    two = segment_of((("a",), ("b",)), linear_network())
    found = combinations_of(two, max_time_overhead=0, original_rules=original_rules)
    assert found == combinations_of(two)


def test_overhead_limits_the_original_rules_only():
    """S4: half of the batch groups of a hop over 2 or less."""
    segment = segment_of((("a",), ("b",), ("c",)), linear_network(), batch_size=8)
    everything = combinations_of(segment, original_rules=True)
    assert {hints[0] for hints in everything} == {1, 2, 4, 8}
    limited = combinations_of(segment, max_time_overhead=0.5, original_rules=True)
    assert limited == {hints: one for hints, one in everything.items() if hints[0] >= 2}
    assert combinations_of(segment, max_time_overhead=0.3, original_rules=True).keys() == {
        hints for hints in everything if hints[0] >= 4
    }
    assert list(segment.gen_constraint(0.3)) == list(segment.gen_constraint())


def test_ofmaps_that_go_to_memory_may_be_in_any_order():
    """A convolution that is read by a pooling layer behind it and by another segment."""
    network = network_of(
        InputLayer(8, 8),
        ("c", ConvLayer(8, 8, 8, 1), [IN]),
        ("p", PoolingLayer(8, 4, 2), ["c"]),
        ("d", ConvLayer(8, 8, 8, 1), ["c"]),
    )
    segment = segment_of((("c", "p"),), network, size_gbuf=1000)
    ifm_outermost = ((2, 4, 1), (2, 1, 0))
    allowed = [
        flat(constraint)
        for constraint, _ in segment.gen_constraint()
        if flat(constraint)[0].is_valid_top_bl(*ifm_outermost)
    ]
    assert [[one.topofm for one in layers] for layers in allowed] == [[4, 4]]
    ofm_outermost = ((2, 4, 1), (1, 2, 0))
    first, second = [
        flat(constraint)[0]
        for constraint, _ in segment.gen_constraint()
        if flat(constraint)[0].is_valid_top_bl(*ofm_outermost)
    ]
    assert first != second
    # Samples still come in groups.
    constraint = next(
        layers[0]
        for layers in (flat(constraint) for constraint, _ in segment.gen_constraint())
        if factors_of(layers[0]) == (2, 0, 4) and not layers[0].is_valid_top_bl(*ifm_outermost)
    )
    assert not constraint.is_valid_top_bl((2, 4, 2), (2, 1, 0))


@pytest.mark.parametrize("overhead", [-0.1, float("nan"), "x", None])
def test_refused_overhead(overhead):
    segment = PipelineSegment((("a",),), linear_network(), 4, machine())
    with pytest.raises(ValueError, match="max_time_overhead must be a number of at least 0"):
        segment.gen_constraint(overhead)
