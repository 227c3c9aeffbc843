# SPDX-License-Identifier: BSD-3-Clause
"""Bounds of many array mappings at once against those of each by itself.

Each array mapping's own space (`BlockingSpace`), whose bounds other tests compare with all schemes,
and, for the analytical solver, its schemes.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core.blocking_space import BlockingSpace
from nn_dataflow.core.columns import take
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import ConvLayer
from nn_dataflow.core.layer_limits import LayerLimits
from nn_dataflow.core.layer_space import LayerSpace
from nn_dataflow.core.loop_blocking import allowed_schemes
from nn_dataflow.core.loop_blocking_space import FREE, TopLoops
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_bounds import NEVER, MappingBounds
from nn_dataflow.core.mapping_space import MappingKind, Setting, make_mappings
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests.strategies import (
    costs,
    search_layers,
    search_options,
    search_resources,
    synthetic_descs,
)

LIMITS = (
    LayerLimits(),
    LayerLimits(factors=((0, 1, (1, 2)),), stored=((0, True),)),
    LayerLimits(orders=((0, (2, 1)),), not_factors=(((0, 0, (1,)),),)),
)
FACTORS = st.sampled_from((0, 0, 1, 2, 3))


@st.composite
def layer_settings(draw):
    """(layer, batch, setting), with forwarding, sharing, fmaps on chip, limits or the solver."""
    ways = (
        {},
        {"hw_access_forwarding": True},
        {"hw_gbuf_sharing": True},
        {"sw_solve_loopblocking": True, "sw_imperfect": False},
    )
    options = draw(search_options(max_ntops=1))._replace(**draw(st.sampled_from(ways)))
    resource = draw(search_resources())
    in_memory = resource.src_data_region.type == NodeRegion.DRAM
    near = draw(st.sampled_from((0, 0.25))) if in_memory else 0
    limits = draw(st.sampled_from(LIMITS))
    setting = Setting(resource, draw(costs()), options, near, limits=limits)
    return draw(search_layers()), draw(st.sampled_from((1, 2, 4))), setting


@st.composite
def requirements(draw):
    """What may be required of the top level, nothing among it."""
    factors = draw(st.tuples(FACTORS, FACTORS, FACTORS))
    several = [lpe for lpe, factor in enumerate(factors) if factor > 1]
    return TopLoops(factors, tuple(draw(st.permutations(several)))[: draw(st.integers(0, 3))])


def bounds_of_each(mappings, tops):
    """Energy, time and number of schemes of each array mapping."""
    for mapping in mappings:
        if mapping.solved:
            points = take(mapping.solutions, allowed_schemes(mapping.solutions, tops))
            least = float(points.cost.min(initial=np.inf)), int(points.time.min(initial=NEVER))
            yield least[0] + mapping.op_cost, least[1], len(points.time)
        else:
            space = BlockingSpace(mapping.prices, tops)
            yield space.bound + mapping.op_cost, space.min_time, space.num_candidates()


@given(layer_settings(), requirements())
@settings(max_examples=150, deadline=None)
def test_all_array_mappings_of_a_layer(case, tops):
    layer, batch, setting = case
    space = LayerSpace(layer, batch, setting, MapStrategyEyeriss)
    bounds = MappingBounds(space.mappings)
    for required in (tops, FREE, tops):
        found = [column.tolist() for column in bounds.under(required)]
        assert list(zip(*found, strict=True)) == list(bounds_of_each(space.mappings, required))
    possible = bounds.possible(tops)
    assert possible[np.isfinite(bounds.under(tops).cost)].all()
    under = LayerSpace(layer, batch, setting, MapStrategyEyeriss, tops)
    for one, other in zip(under.least, bounds.under(tops), strict=True):
        assert one.tolist() == other.tolist()


@given(
    st.lists(synthetic_descs(), min_size=1, max_size=5),
    st.lists(synthetic_descs(conv=False), max_size=3),
    costs(),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_array_mappings_of_any_kind(conv, local, cost, data):
    """Of any sizes, CONV layers among those of local regions, as a strategy of a user may have."""
    setting = Setting(data.draw(search_resources()), cost, data.draw(search_options()))
    descs = data.draw(st.permutations(conv + local))
    mappings = make_mappings([MappingKind(nld) for nld in descs], setting)
    tops = data.draw(requirements())
    found = [column.tolist() for column in MappingBounds(mappings).under(tops)]
    assert list(zip(*found, strict=True)) == list(bounds_of_each(mappings, tops))


def test_no_array_mapping_at_all():
    assert [len(column) for column in MappingBounds([]).under(FREE)] == [0, 0, 0]
    assert MappingBounds([]).possible(TopLoops((2, 0, 0))).tolist() == []


def test_requirements_that_nothing_meets():
    memory = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.DRAM)
    proc = NodeRegion(PhyDim2(1, 1), PhyDim2(0, 0), type=NodeRegion.PROC)
    resource = Resource(proc, memory, memory, memory, PhyDim2(8, 8), 1000, 100, 4, 4.0, False)
    setting = Setting(resource, Cost(1, (200, 6, 2, 1), 10, 0), Option())
    space = LayerSpace(ConvLayer(4, 4, 4, 3), 2, setting, MapStrategyEyeriss)
    tops = TopLoops((97, 0, 0))
    assert not space.possible(tops).any()
    assert np.isinf(MappingBounds(space.mappings).under(tops).cost).all()
