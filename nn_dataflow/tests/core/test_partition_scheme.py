# SPDX-License-Identifier: BSD-3-Clause
"""PartitionScheme: tables and examples of docs/model/partition.md sections 2 to 5."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    Layer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition_array import PartitionArray
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests import reference_partition as ref

ONE = (1, 1)
A = PartitionScheme(order=(2, 0, 1, 3), pdims=((1, 2), (2, 1), (2, 1), (1, 2)))


def region(height, width, **fold):
    return NodeRegion(PhyDim2(height, width), PhyDim2(0, 0), type=NodeRegion.PROC, **fold)


def test_fields():
    assert A.order == (2, 0, 1, 3)
    assert A.pdims[pe.OUTP] == PhyDim2(1, 2)
    assert isinstance(A.pdims[0], PhyDim2)
    same = PartitionScheme(order=[2, 0, 1, 3], pdims=[[1, 2], [2, 1], [2, 1], [1, 2]])
    assert same == A
    assert hash(same) == hash(A)
    assert A._replace(order=(0, 2, 1, 3)) != A
    assert str(A).startswith("PartitionScheme(order=(2, 0, 1, 3), pdims=(PhyDim2(")


def test_order_matters_where_nothing_is_split():
    ones = (ONE,) * 4
    assert PartitionScheme((0, 1, 2, 3), ones) != PartitionScheme((1, 0, 2, 3), ones)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 2), (0, 1, 2, 4), (0, 1, 2, 3, 3), ()])
def test_bad_order(order):
    with pytest.raises(ValueError, match=r"PartitionScheme: order .*permutation"):
        PartitionScheme(order=order, pdims=(ONE,) * 4)
    with pytest.raises(ValueError, match="order"):
        A._replace(order=order)


@pytest.mark.parametrize(
    "pdims", [(ONE,) * 3, (ONE,) * 5, (ONE, ONE, ONE, (1, 1, 1)), (1, 1, 1, 1)]
)
def test_bad_pdims(pdims):
    with pytest.raises(ValueError, match=r"PartitionScheme: pdims .*pairs"):
        PartitionScheme(order=(0, 1, 2, 3), pdims=pdims)
    with pytest.raises(ValueError, match="pdims"):
        A._replace(pdims=pdims)


def test_dim_and_size():
    assert A.dim() == PhyDim2(4, 4)
    assert A.size() == 16
    assert A.dim(pe.OUTP, pe.INPP) == PhyDim2(1, 4)
    assert A.size(pe.OFMP) == 2
    for named in (A.dim, A.size):
        with pytest.raises(IndexError):
            named(4)


def test_applicable_to_fmap_range():
    assert not A.is_applicable_to_fmap_range()
    assert A._replace(pdims=((1, 2), (2, 1), (2, 1), ONE)).is_applicable_to_fmap_range()


def test_example_of_indices_nodes_and_parts():
    frng = FmapRange((0, 0, 0, 0), (4, 10, 7, 7))
    indices = list(A.gen_pidx())
    assert len(indices) == 16
    expected = {
        0: ((0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 2), (0, 5), (0, 3), (0, 7)),
        1: ((0, 0), (0, 0), (0, 0), (0, 1), (0, 1), (0, 2), (0, 5), (0, 3), (0, 7)),
        2: ((0, 0), (0, 0), (1, 0), (0, 0), (2, 0), (2, 4), (0, 5), (0, 3), (0, 7)),
        5: ((0, 0), (1, 0), (0, 0), (0, 1), (1, 1), (0, 2), (0, 5), (3, 7), (0, 7)),
        8: ((0, 1), (0, 0), (0, 0), (0, 0), (0, 2), (0, 2), (5, 10), (0, 3), (0, 7)),
        11: ((0, 1), (0, 0), (1, 0), (0, 1), (2, 3), (2, 4), (5, 10), (0, 3), (0, 7)),
        15: ((0, 1), (1, 0), (1, 0), (0, 1), (3, 3), (2, 4), (5, 10), (3, 7), (0, 7)),
    }
    for number, row in expected.items():
        pidx = indices[number]
        assert pidx == row[:4]
        assert A.coordinate(region(4, 4), pidx) == row[4]
        part = A.fmap_range(frng, pidx)
        assert tuple(tuple(extent) for extent in part.beg_end()) == row[5:]


def test_coordinate_outside_of_region():
    last = list(A.gen_pidx())[-1]
    with pytest.raises(ValueError, match="rel_coordinate"):
        A.coordinate(region(4, 3), last)


def test_coordinate_on_folded_region():
    part = PartitionScheme((0, 1, 2, 3), ((1, 2), (1, 4), ONE, ONE))
    folded = region(1, 8, wtot=4, wbeg=-2)
    nodes = [part.coordinate(folded, pidx) for pidx in part.gen_pidx()]
    assert nodes == [(0, 0), (0, -1), (1, -1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 1)]


dims = st.tuples(st.integers(1, 3), st.integers(1, 3))
schemes = st.builds(
    PartitionScheme, st.permutations(range(4)), st.tuples(dims, dims, dims, dims)
).filter(lambda part: part.size() <= 48)


@given(schemes, st.tuples(*[st.integers(0, 9)] * 4))
def test_parts_are_disjoint_and_cover(part, size):
    frng = FmapRange((0, 0, 0, 0), size)
    walked = list(itertools.product(*map(range, size)))
    parts = [part.fmap_range(frng, pidx) for pidx in part.gen_pidx()]
    held = [word for piece in parts for word in piece.range()]
    copies = part.size(pe.INPP)
    assert sorted(held) == sorted(walked * copies)


@given(schemes, st.integers(0, 2), st.integers(0, 2))
def test_nodes_and_parts_by_brute_force(part, more_h, more_w):
    where = region(part.dim().h + more_h, part.dim().w + more_w)
    frng = FmapRange((0, 0, 0, 0), (5, 6, 7, 8))
    assert list(part.gen_pidx()) == ref.indices(part)
    for pidx in part.gen_pidx():
        assert part.coordinate(where, pidx) == ref.node(part, where, pidx)
        axes = ref.fmap_axes(part, frng, pidx)
        assert [extent.range() for extent in part.fmap_range(frng, pidx).beg_end()] == list(axes)


@given(st.lists(schemes, min_size=1, max_size=4))
def test_indices_of_an_array_are_those_of_its_schemes(parts):
    indices = PartitionArray.of(parts).indices()
    for row, part in enumerate(parts):
        count = part.size()
        assert indices.pair[:, :, row, :count].transpose(2, 0, 1).tolist() == [
            [list(pair) for pair in pidx] for pidx in part.gen_pidx()
        ]
        if indices.valid is not None:
            assert indices.valid[row].sum() == indices.valid[row, :count].sum() == count


# Neighbour distance.


@pytest.mark.parametrize(
    ("pae", "expected"),
    [
        (pe.OUTP, (math.inf, 2)),
        (pe.OFMP, (1, math.inf)),
        (pe.BATP, (2, math.inf)),
        (pe.INPP, (math.inf, 1)),
    ],
)
def test_neighbor_dist_of_example(pae, expected):
    assert A.part_neighbor_dist(region(4, 4), pae) == expected


def test_neighbor_dist_scales_with_node_distance():
    where = NodeRegion(PhyDim2(4, 4), PhyDim2(5, 5), dist=PhyDim2(3, 7), type=NodeRegion.PROC)
    assert A.part_neighbor_dist(where, pe.OUTP) == (math.inf, 14)
    assert A.part_neighbor_dist(where, pe.BATP) == (6, math.inf)


def test_neighbor_dist_on_folded_region():
    part = PartitionScheme((0, 1, 2, 3), ((1, 2), (1, 4), ONE, ONE))
    folded = region(1, 8, wtot=3)
    assert part.part_neighbor_dist(folded, pe.OUTP) == (math.inf, 2.5)
    assert part.part_neighbor_dist(folded, pe.OFMP) == (math.inf, 1)


@pytest.mark.parametrize("pae", [-1, 4])
def test_neighbor_dist_of_unknown_kind(pae):
    assert all(math.isnan(dist) for dist in A.part_neighbor_dist(region(4, 4), pae))


def test_neighbor_dist_on_small_region():
    with pytest.raises(ValueError, match="region"):
        A.part_neighbor_dist(region(3, 4), pe.OUTP)


@given(schemes, st.sampled_from(range(4)))
def test_neighbor_dist_by_brute_force(part, pae):
    where = region(*part.dim(), wtot=max(1, part.dim().w - 1))
    for axis, dist in enumerate(part.part_neighbor_dist(where, pae)):
        hops = []
        for pidx in ref.indices(part):
            if pidx[pae][axis] > 0:
                before = list(pidx)
                before[pae] = (pidx[pae][0] - (axis == 0), pidx[pae][1] - (axis == 1))
                hops.append(ref.hop(ref.node(part, where, pidx), ref.node(part, where, before)))
        assert dist == (sum(hops) / len(hops) if hops else math.inf)


# Divided layer and occupancy.

CONV1 = ConvLayer(3, 96, 55, 11, 4)
FC = FCLayer(4096, 1000)


@pytest.mark.parametrize(
    ("layer", "pdims", "batch", "expected"),
    [
        (CONV1, (ONE, (2, 2), ONE, ONE), 16, (ConvLayer(3, 96, 28, 11, 4), 16, 55**2 / 56**2)),
        (CONV1, (ONE, (4, 4), ONE, ONE), 16, (ConvLayer(3, 96, 14, 11, 4), 16, 0.9646045918)),
        (CONV1, ((2, 1), ONE, (1, 4), ONE), 16, (ConvLayer(3, 48, 55, 11, 4), 4, 1)),
        (FC, ((4, 4), ONE, ONE, ONE), 16, (ConvLayer(4096, 63, 1, 1), 16, 0.9920634921)),
        (FC, (ONE, (4, 4), ONE, ONE), 16, (ConvLayer(4096, 1000, 1, 1), 16, 0.0625)),
        (
            PoolingLayer(48, 27, 3, 2),
            (ONE, (2, 2), ONE, ONE),
            16,
            (LocalRegionLayer(48, 14, 1, 3, strd=2), 16, 0.9298469388),
        ),
        (
            ConvLayer(30, 64, 28, 3),
            ((2, 1), ONE, ONE, (1, 4)),
            16,
            (ConvLayer(8, 32, 28, 3), 16, 0.9375),
        ),
        (ConvLayer(12, 10, 7, 3), A.pdims, 4, (ConvLayer(6, 5, (4, 7), 3), 2, 0.875)),
        (
            ConvLayer(4, 4, 4, 3),
            (ONE, ONE, (3, 1), ONE),
            8,
            (ConvLayer(4, 4, 4, 3), 3, 0.8888888889),
        ),
        (ConvLayer(1, 1, 2, 3), (ONE, (4, 4), ONE, ONE), 16, (ConvLayer(1, 1, 1, 3), 16, 0.25)),
        (FCLayer(2, 2), ((4, 4), ONE, ONE, ONE), 16, (ConvLayer(2, 1, 1, 1), 16, 0.125)),
        (
            ConvLayer(64, 64, 7, 3),
            (ONE, (16, 16), ONE, ONE),
            16,
            (ConvLayer(64, 64, 1, 3), 16, 49 / 256),
        ),
    ],
)
def test_part_layer(layer, pdims, batch, expected):
    divided, divided_batch, occupancy = PartitionScheme((0, 1, 2, 3), pdims).part_layer(
        layer, batch
    )
    assert (divided, divided_batch) == expected[:2]
    assert occupancy == pytest.approx(expected[2], rel=1e-9)


def test_divided_eltwise_keeps_all_operands():
    """Correction M1: the original leaves one operand, LocalRegion(128, 56, 2, 1)."""
    part = PartitionScheme((0, 1, 2, 3), ((2, 1), ONE, ONE, ONE))
    layer, batch, occupancy = part.part_layer(EltwiseLayer(256, 56, 2), 16)
    assert layer == EltwiseLayer(128, 56, 2)
    assert layer.nifm == 256
    assert (batch, occupancy) == (16, 1)


def test_part_layer_refuses():
    inpp = PartitionScheme((0, 1, 2, 3), (ONE, ONE, ONE, (1, 2)))
    with pytest.raises(ValueError, match="input channels"):
        inpp.part_layer(PoolingLayer(8, 4, 2), 1)
    with pytest.raises(AttributeError):
        A.part_layer(InputLayer(8, 4), 1)
    with pytest.raises(TypeError):
        A.part_layer(Layer(8, 4), 1)


layers = st.builds(ConvLayer, *[st.integers(1, 9)] * 3, st.integers(1, 3))


@given(schemes, layers, st.integers(1, 9))
def test_occupancy_conserves_operations(part, layer, batch):
    divided, divided_batch, occupancy = part.part_layer(layer, batch)
    assert 0 < occupancy <= 1
    total = divided.total_ops(divided_batch) * part.size() * occupancy
    assert total == pytest.approx(layer.total_ops(batch), rel=1e-9)


# Projection.

B1 = PartitionScheme((2, 3, 0, 1), ((2, 3), (1, 5), (4, 4), ONE))
B2 = PartitionScheme((2, 3, 0, 1), ((2, 3), (1, 5), (4, 4), (4, 4)))
B3 = PartitionScheme((2, 3, 0, 1), (ONE, (2, 2), ONE, (2, 2)))


@pytest.mark.parametrize(
    ("part", "dim", "appl2frng", "pdims"),
    [
        (B1, (4, 30), False, ((2, 3), (1, 5), (2, 2), ONE)),
        (B1, (2, 2), False, ((2, 1), (1, 2), ONE, ONE)),
        (B1, (3, 54), False, ((2, 3), (1, 5), (1, 3), ONE)),
        (B1, (16, 16), False, ((2, 3), (1, 5), (8, 1), ONE)),
        (B2, (4, 30), True, ((2, 3), (1, 5), (2, 2), ONE)),
        (B2, (4, 30), False, ((2, 3), (1, 5), ONE, (2, 2))),
        (
            PartitionScheme((2, 3, 0, 1), ((2, 3), (1, 5), ONE, ONE)),
            (5, 40),
            False,
            ((2, 3), (1, 5), (2, 2), ONE),
        ),
        (B3, (2, 2), True, (ONE, (2, 2), ONE, ONE)),
        (B3, (4, 4), True, (ONE, (2, 2), (2, 2), ONE)),
        (
            PartitionScheme((2, 3, 0, 1), ((4, 1), (1, 4), ONE, ONE)),
            (2, 2),
            True,
            ((2, 1), (1, 2), ONE, ONE),
        ),
        (
            PartitionScheme((2, 3, 0, 1), ((3, 1), (2, 1), ONE, ONE)),
            (4, 1),
            False,
            ((2, 1), (2, 1), ONE, ONE),
        ),
    ],
)
def test_projection(part, dim, appl2frng, pdims):
    projected = part.projection(region(*dim), appl2frng=appl2frng)
    assert projected == PartitionScheme(part.order, pdims)


def test_projection_on_empty_region():
    with pytest.raises(ValueError, match=r"PartitionScheme: .*region"):
        A.projection(region(0, 0))


@given(
    st.lists(schemes, min_size=1, max_size=4), st.integers(1, 20), st.integers(1, 20), st.booleans()
)
def test_projection_by_the_rules(parts, height, width, appl2frng):
    dim = (height, width)
    projected = PartitionArray.of(parts).projection(dim, appl2frng)
    for row, part in enumerate(parts):
        pdims = [list(pair) for pair in part.pdims]
        if appl2frng:
            pdims[pe.INPP] = [1, 1]
        for axis in range(2):
            rest = dim[axis]
            total = math.prod(pair[axis] for pair in pdims)
            if rest > total:
                pdims[pe.BATP][axis] *= rest // total
                continue
            for kind in reversed(part.order):
                if rest >= pdims[kind][axis]:
                    rest //= pdims[kind][axis]
                else:
                    pdims[kind][axis], rest = rest, 1
        assert projected.pdims[row].tolist() == pdims
        assert tuple(projected.order[row].tolist()) == part.order
        assert math.prod(pair[0] for pair in pdims) <= height
        assert math.prod(pair[1] for pair in pdims) <= width
        assert PartitionScheme.of_row(projected, row) == part.projection(region(*dim), appl2frng)
