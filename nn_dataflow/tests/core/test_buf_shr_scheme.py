# SPDX-License-Identifier: BSD-3-Clause
"""BufShrScheme: docs/model/loop_blocking.md sections 6.1 to 6.3."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.data_dim_loops import DataDimLoops
from nn_dataflow.core.layer import PoolingLayer
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2

ONE = (1, 1)


def region(height, width, dist=ONE):
    return NodeRegion(PhyDim2(height, width), PhyDim2(0, 0), PhyDim2(*dist), NodeRegion.PROC)


def scheme(order, **dims):
    pdims = [dims.get(kind, ONE) for kind in ("outp", "ofmp", "batp", "inpp")]
    return PartitionScheme(order, pdims)


def example():
    """Groups of ifmaps of 4 × 2 nodes, 3 and 5 hops apart."""
    return BufShrScheme(region(4, 2, (3, 5)), scheme((1, 2, 3, 0), outp=(4, 2)))


def test_repr_shows_the_groups():
    assert repr(example()) == (
        "BufShrScheme(FIL=PhyDim2(h=1, w=1), IFM=PhyDim2(h=4, w=2), OFM=PhyDim2(h=1, w=1))"
    )


def test_groups_of_ifmaps_and_ofmaps():
    part = scheme((2, 0, 1, 3), outp=(1, 2), ofmp=(2, 1), batp=(2, 1), inpp=(1, 2))
    bufshr = BufShrScheme(region(4, 4), part)
    assert (bufshr.dim(de.IFM), bufshr.size(de.IFM)) == (PhyDim2(1, 2), 2)
    assert bufshr.nbr_dist(de.IFM) == (math.inf, 2)
    assert (bufshr.dim(de.OFM), bufshr.size(de.OFM)) == (PhyDim2(1, 2), 2)
    assert bufshr.nbr_dist(de.OFM) == (math.inf, 1)


@pytest.mark.parametrize(
    ("order", "dims", "group", "dist"),
    [
        ((0, 1, 2, 3), {"batp": (2, 1), "outp": (2, 1)}, (2, 1), (1, math.inf)),
        ((0, 1, 2, 3), {"ofmp": (2, 2), "inpp": (2, 1)}, (2, 2), (2, 1)),
        ((0, 3, 1, 2), {"ofmp": (2, 1), "batp": (2, 2)}, (4, 2), (1, 1)),
        ((0, 3, 2, 1), {"ofmp": (2, 1), "batp": (1, 2)}, (2, 2), (1, 1)),
        # Not adjacent: the lower one alone.
        ((1, 0, 2, 3), {"ofmp": (2, 1), "batp": (2, 1), "outp": (2, 1)}, (2, 1), (1, math.inf)),
        ((2, 0, 1, 3), {"ofmp": (1, 2), "batp": (2, 1), "outp": (1, 2)}, (1, 2), (math.inf, 1)),
        ((0, 1, 2, 3), {"outp": (2, 2)}, (1, 1), (math.inf, math.inf)),
    ],
)
def test_groups_of_filters(order, dims, group, dist):
    part = scheme(order, **dims)
    bufshr = BufShrScheme(region(*part.dim()), part)
    assert bufshr.dim(de.FIL) == group
    assert bufshr.size(de.FIL) == group[0] * group[1]
    assert bufshr.nbr_dist(de.FIL) == dist


def test_local_region_layers_share_nothing():
    part = scheme((0, 1, 2, 3), outp=(2, 1), ofmp=(1, 2), batp=(2, 1))
    bufshr = BufShrScheme(region(4, 2), part, PoolingLayer.data_loops())
    assert [bufshr.size(dce) for dce in range(de.NUM)] == [1, 1, 1]


def test_first_unrelated_loop_counts():
    part = scheme((0, 1, 2, 3), outp=(2, 1), ofmp=(1, 2), inpp=(1, 3))
    loops = (DataDimLoops(0, 1, 2), DataDimLoops(0), DataDimLoops(2))
    bufshr = BufShrScheme(region(2, 6), part, loops)
    assert [bufshr.dim(dce) for dce in range(de.NUM)] == [(1, 1), (2, 1), (1, 3)]


@pytest.mark.parametrize("dim", [(3, 2), (4, 1)])
def test_part_larger_than_region(dim):
    with pytest.raises(ValueError, match=r"BufShrScheme: part"):
        BufShrScheme(region(*dim), scheme((0, 1, 2, 3), outp=(4, 2)))


def test_vectors_of_rotation():
    bufshr = example()
    hops = [bufshr.nhops_rotate_all(de.IFM, size) for size in range(1, 9)]
    assert hops == pytest.approx([0, 12, 20, 27, 29.6, 28.3333, 26.5714, 24.5], abs=1e-4)
    assert bufshr.nhops_rotate_all(de.IFM, 4, 2) == pytest.approx(18)
    assert bufshr.nhops_rotate_all(de.IFM, 8, 5) == pytest.approx(22.4)
    assert bufshr.nhops_rotate_all(de.IFM, 4, rotation_unit_cnt=8) == pytest.approx(27)


def test_vectors_of_wide_fetch():
    bufshr = example()
    assert bufshr.nhops_wide_fetch_once(de.IFM, 4, 2) == pytest.approx(4.5)
    assert bufshr.nhops_wide_fetch_once(de.IFM, 4, 1.5) == pytest.approx(3)
    assert bufshr.nhops_wide_fetch_once(de.IFM, 3, 2) == pytest.approx(5)
    assert bufshr.nhops_wide_fetch_once(de.IFM, 8, 3.5) == pytest.approx(4.5)


def test_narrow_fetch_needs_no_hops():
    bufshr = example()
    assert bufshr.nhops_wide_fetch_once(de.IFM, 4, 1) == 0
    assert bufshr.nhops_wide_fetch_once(de.IFM, 4, 0.3) == 0
    assert bufshr.nhops_wide_fetch_once(de.IFM, 1, 1) == 0


def test_height_goes_first_where_distances_are_equal():
    bufshr = BufShrScheme(region(2, 4), scheme((1, 2, 3, 0), outp=(2, 4)))
    assert bufshr.nhops_rotate_all(de.IFM, 4) == 4 * 3 / 4 * 2


def test_group_of_a_single_node():
    bufshr = example()
    assert bufshr.nhops_rotate_all(de.OFM, 1) == 0
    assert bufshr.nhops_wide_fetch_once(de.OFM, 1, 1) == 0


def test_rings():
    """Of 4 × 2 nodes; three are passed along a row of four."""
    bufshr = example()
    assert bufshr.ring(de.IFM, 2) == (6, 2, 4)
    assert bufshr.ring(de.IFM, 3) == (bufshr.ring_hops(de.IFM, 3), 3, 2) == (15, 3, 2)
    assert bufshr.ring(de.OFM, 1) == (0, 1, 1)
    with pytest.raises(ValueError, match=r"BufShrScheme: subgrp_size must be 1 to 8, got 9"):
        bufshr.ring(de.IFM, 9)


@given(st.integers(1, 8), st.lists(st.integers(1, 24), min_size=1, max_size=5))
def test_rings_over_arrays_of_widths(subgroup, units):
    """What a unit of at most one buffer moves goes node by node, and needs no wide fetch."""
    bufshr = example()
    ring = bufshr.ring(de.IFM, subgroup)
    width = subgroup / np.array(units)
    rotations = [bufshr.nhops_rotate_all(de.IFM, subgroup, own) for own in units]
    fetches = [bufshr.nhops_wide_fetch_once(de.IFM, subgroup, own) for own in width.tolist()]
    assert ring.rotation(width).tolist() == rotations
    assert ring.wide_fetch(width).tolist() == fetches
    narrow = width <= 1
    assert set(ring.rotation(width)[narrow]) <= {bufshr.nhops_rotate_all(de.IFM, subgroup)}
    assert not ring.wide_fetch(width)[narrow].any()


def test_refusals():
    bufshr = example()
    for size in (0, 9):
        with pytest.raises(ValueError, match="BufShrScheme: subgrp_size"):
            bufshr.nhops_rotate_all(de.IFM, size)
        with pytest.raises(ValueError, match="BufShrScheme: subgrp_size"):
            bufshr.nhops_wide_fetch_once(de.IFM, size, 1)
    with pytest.raises(ValueError, match="BufShrScheme: fetch_width"):
        bufshr.nhops_wide_fetch_once(de.IFM, 4, 4.5)
    with pytest.raises(ValueError, match="BufShrScheme: rotation_unit_cnt"):
        bufshr.nhops_rotate_all(de.IFM, 4, 0)


groups = st.tuples(st.integers(1, 4), st.integers(1, 4))


def snake(dim, dist, subgroup):
    """Coordinates in hops of the nodes of a subgroup, walked along the snake."""
    size = dim[0] * dim[1]
    rounded = min(num for num in range(subgroup, size + 1) if size % num == 0)
    along = 0 if dist[0] <= dist[1] else 1
    length = math.gcd(dim[along], rounded)
    step = [0 if math.isinf(hops) else hops for hops in dist]
    walk = []
    for number in range(rounded):
        row, place = divmod(number, length)
        if row % 2:
            place = length - 1 - place
        walk.append((place * step[along], row * step[1 - along]))
    return walk


@given(groups, groups, st.sampled_from([pe.OUTP, pe.INPP]), st.data())
def test_rotation_by_walking(dim, spacing, pae, data):
    dce = {pe.OUTP: de.IFM, pe.INPP: de.OFM}[pae]
    part = PartitionScheme((0, 1, 2, 3), [dim if kind == pae else ONE for kind in range(4)])
    bufshr = BufShrScheme(region(*dim, spacing), part)
    size = dim[0] * dim[1]
    subgroup = data.draw(st.integers(1, size))
    walk = snake(dim, bufshr.nbr_dist(dce), subgroup)

    def hops(one, other):
        return abs(one[0] - other[0]) + abs(one[1] - other[1])

    # All steps of the snake, and from the last node of the subgroup back to the first.
    ring = sum(hops(one, other) for one, other in itertools.pairwise(walk))
    ring += hops(walk[subgroup - 1], walk[0])
    expected = ring * (subgroup - 1) / subgroup * (size // subgroup)
    assert bufshr.nhops_rotate_all(dce, subgroup) == pytest.approx(expected)


@given(st.integers(2, 8), st.integers(2, 8))
def test_whole_widths_by_counting(subgroup, width):
    """A width of W buffers steps 0 to W − 1 along the ring, for 1/W of the accesses."""
    bufshr = example()
    width = min(width, subgroup)
    step = bufshr.nhops_rotate_all(de.IFM, subgroup) / (subgroup - 1)
    expected = step * sum(range(width)) / width
    assert bufshr.nhops_wide_fetch_once(de.IFM, subgroup, width) == pytest.approx(expected)
    nearly = bufshr.nhops_wide_fetch_once(de.IFM, subgroup, width - 1e-9)
    assert nearly == pytest.approx(expected)


@given(st.integers(1, 8), st.lists(st.floats(0.1, 9), min_size=1, max_size=5))
def test_arrays_equal_one_by_one(subgroup, values):
    bufshr = example()
    together = bufshr.nhops_rotate_all(de.IFM, subgroup, np.array(values))
    alone = [bufshr.nhops_rotate_all(de.IFM, subgroup, value) for value in values]
    assert together.tolist() == alone
    widths = [min(value, subgroup) for value in values]
    together = bufshr.nhops_wide_fetch_once(de.IFM, subgroup, np.array(widths))
    alone = [bufshr.nhops_wide_fetch_once(de.IFM, subgroup, width) for width in widths]
    assert together.tolist() == alone
