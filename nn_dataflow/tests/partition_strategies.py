# SPDX-License-Identifier: BSD-3-Clause
"""Hypothesis strategies for the inputs of partitioning, small enough to be walked word by word."""

import itertools
import math

from hypothesis import strategies as st

from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2

SMALL = st.integers(1, 5)
SIDE = st.integers(1, 4)

LAYERS = st.one_of(
    st.builds(
        ConvLayer, SMALL, SMALL, st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE)
    ),
    st.builds(FCLayer, SMALL, SMALL, st.tuples(SIDE, SIDE)),
    st.builds(PoolingLayer, SMALL, st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE)),
    st.builds(LocalRegionLayer, st.integers(1, 8), SIDE, st.integers(1, 6), st.just(1)),
    st.builds(EltwiseLayer, SMALL, SIDE, st.integers(1, 3)),
)

AXIS_DIMS = [dims for dims in itertools.product((1, 2, 3), repeat=4) if math.prod(dims) <= 6]


@st.composite
def schemes(draw, *, height=6, width=6, inpp=True):
    """Schemes that fit a region of these dimensions."""
    axes = []
    for limit in (height, width):
        fits = [dims for dims in AXIS_DIMS if math.prod(dims) <= limit and (inpp or dims[3] == 1)]
        axes.append(draw(st.sampled_from(fits)))
    return PartitionScheme(draw(st.permutations(range(4))), tuple(zip(*axes, strict=True)))


@st.composite
def regions(draw, *, kind=NodeRegion.PROC):
    """Regions anywhere, with any spacing and fold."""
    dim = PhyDim2(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    origin = PhyDim2(draw(st.integers(-2, 3)), draw(st.integers(-2, 3)))
    least = 0 if kind == NodeRegion.DRAM else 1  # memory nodes may coincide
    dist = PhyDim2(draw(st.integers(least, 3)), draw(st.integers(least, 3)))
    wtot = draw(st.integers(1, 5))
    wbeg = draw(st.integers(1, wtot)) * draw(st.sampled_from((1, -1)))
    return NodeRegion(dim, origin, dist, kind, wtot, wbeg)


@st.composite
def data_layouts(draw, *, size=None):
    """Layouts of one to three pieces; of a given size, or a little more or less."""
    batch, chans, height, width = size or [draw(st.integers(1, 5)) for _ in range(4)]
    slack = st.sampled_from((0, 0, 0, -1, 1))
    height, width = max(0, height + draw(slack)), max(0, width + draw(slack))
    cuts = sorted(draw(st.lists(st.integers(0, chans), max_size=2)))
    frngs, areas, parts = [], [], []
    for beg, end in itertools.pairwise([0, *cuts, chans]):
        frngs.append(FmapRange((0, beg, 0, 0), (batch, end, height, width)))
        areas.append(draw(regions(kind=draw(st.sampled_from((NodeRegion.DRAM, NodeRegion.PROC))))))
        parts.append(draw(schemes(height=areas[-1].dim.h, width=areas[-1].dim.w, inpp=False)))
    return DataLayout(tuple(frngs), tuple(areas), tuple(parts))
