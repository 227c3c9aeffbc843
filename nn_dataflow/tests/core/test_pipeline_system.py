# SPDX-License-Identifier: BSD-3-Clause
"""Tests of constraint systems and their enumeration (docs/model/pipeline.md sections 7.5 and 7.6).

Decides that combinations are distinct, in order and consistent from layer to layer, and that
systems can be reduced and compared.
"""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nn_dataflow.core import PipelineSegment
from nn_dataflow.core.layer import ConvLayer, InputLayer
from nn_dataflow.core.pipeline_system import ConstraintSystem, LayerTerms, reachable_factors
from nn_dataflow.tests.core.test_pipeline_constraint import flat
from nn_dataflow.tests.core.test_pipeline_segment import segment_of
from nn_dataflow.tests.pipeline_cases import (
    IN,
    arrangements,
    linear_network,
    machine,
    network_of,
    pipeline_machines,
    pipeline_networks,
)


@given(st.data(), pipeline_networks(), pipeline_machines(), st.sampled_from((1, 2, 4, 6)))
def test_combinations_are_distinct_and_consistent(data, network, resource, batch_size):
    seg = data.draw(arrangements(network))
    segment = segment_of(seg, network, resource=resource, batch_size=batch_size)
    assume(segment.valid)
    found = list(segment.gen_constraint())
    constraints = [constraint for constraint, _ in found]
    assert found
    assert len(set(constraints)) == len(constraints)
    # A layer may be asked for the parts of a wider one of its group, which it then cannot have.
    most_channels = max(network[link.layer].nofm for link in flat(segment.links))
    for constraint, hints in found:
        assert [len(group) for group in constraint] == [len(group) for group in seg]
        assert all(isinstance(value, int) and value > 0 for value in hints)
        layers = flat(constraint)
        (groups_of_samples,) = {one.topbat for one in layers}
        assert groups_of_samples in (0, *divisors_of(batch_size))
        assert (groups_of_samples == 0) == (len(layers) == 1 and batch_size > 1) or batch_size == 1
        for one, link in zip(layers, flat(segment.links), strict=True):
            assert one.topifm <= network[link.layer].nifm
            assert one.topofm <= most_channels
            assert not one.update_dict
            if link.neighbour_source is None or not isinstance(network[link.layer], ConvLayer):
                continue
            source = constraint[link.neighbour_source.sp_idx][link.neighbour_source.tm_idx]
            # Whole fmaps, or in the parts in which they are made.
            assert one.topifm in (0, 1, source.topofm)


def divisors_of(number):
    return [n for n in range(1, number + 1) if number % n == 0]


@given(st.data(), pipeline_networks(), pipeline_machines())
def test_hints_ascend_within_a_system(data, network, resource):
    seg = data.draw(arrangements(network))
    segment = segment_of(seg, network, resource=resource)
    for system in segment.constraint_systems():
        hints = [hints for _, hints in system.combinations()]
        assert hints == sorted(set(hints))
        assert len(hints) == math.prod(map(len, system.symbols.values()))
        assert list(system.symbols) == sorted(system.symbols)


def test_symbols_are_in_ascii_order():
    names = [f"c{i}" for i in range(11)]
    network = network_of(
        InputLayer(4, 4),
        *(
            (name, ConvLayer(4, 4, 4, 1), [prev])
            for name, prev in zip(names, [IN, *names], strict=False)
        ),
    )
    seg = tuple((name,) for name in names)
    segment = segment_of(seg, network, nodes=(1, 11), size_gbuf=200)
    (original,) = segment.constraint_systems(original_rules=True)
    assert list(original.symbols) == [
        "topbat_shr",
        "topofm_0_0",
        "topofm_2_0",
        "topofm_4_0",
        "topofm_6_0",
        "topofm_8_0",
    ]


def test_system_reduced_to_possible_factors():
    segment = PipelineSegment((("a",), ("b",)), linear_network(), 4, machine())
    (system,) = segment.constraint_systems()
    a = ({1, 2, 4, 8}, {1, 2, 4, 8, 16}, {1, 2, 4})
    b = ({1, 2, 8, 16}, {1, 3}, {1, 2})
    reduced = system.reduced(((a,), (b,)))
    assert reduced.symbols == {"topbat_shr": (1, 2), "topofm_0_0": (1, 2, 8, 16)}
    assert reduced.terms == system.terms
    nothing = (((), (), ()),)
    assert list(system.reduced((nothing, nothing)).combinations()) == []


def make_system(*layers, **symbols):
    return ConstraintSystem((tuple(LayerTerms(*terms) for terms in layers),), symbols, 0)


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        (make_system((0, 0, 1)), make_system((0, 0, 1)), True),
        (make_system((0, 0, 0)), make_system((0, 0, 1)), True),
        (make_system((0, 0, 1)), make_system((0, 0, 0)), False),
        (make_system((0, 0, "x"), x=(1, 2)), make_system((0, 0, 2)), True),
        (make_system((0, 0, "x"), x=(1, 2)), make_system((0, 0, 3)), False),
        (make_system((0, 0, "x"), x=(1, 2)), make_system((0, 0, 0)), False),
        (make_system((0, 0, 0)), make_system((0, 0, "x"), x=(1, 2)), True),
        (make_system((0, 0, 1)), make_system((0, 0, "x"), x=(1, 2)), False),
        (make_system((0, 0, "x"), x=(1, 2)), make_system((0, 0, "y"), y=(2,)), True),
        (make_system((0, 0, "x"), x=(1, 2)), make_system((0, 0, "y"), y=(2, 3)), False),
        (make_system((0, "x", "x"), x=(1, 2)), make_system((0, 1, 2)), False),
        (make_system((0, "x", "y"), x=(1, 2), y=(1, 2)), make_system((0, 1, 2)), True),
        (make_system((0, 0, 1, "a")), make_system((0, 0, 1)), False),
        (make_system((0, 0, 1, None, True)), make_system((0, 0, 1)), False),
    ],
)
def test_system_covers(one, other, covers):
    assert one.covers(other) == covers


@given(st.integers(1, 60), st.integers(1, 60))
def test_reachable_factors(count, max_parts):
    literal = {
        factor
        for parts in range(1, max_parts + 1)
        for factor in divisors_of(math.ceil(count / parts))
    }
    assert reachable_factors(count, max_parts) == tuple(sorted(literal))
