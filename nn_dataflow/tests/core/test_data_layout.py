# SPDX-License-Identifier: BSD-3-Clause
"""DataLayout: docs/model/partition.md section 8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests import reference_partition as ref
from nn_dataflow.tests.partition_strategies import data_layouts

ONE = (1, 1)
SINGLE = PartitionScheme((0, 1, 2, 3), (ONE,) * 4)
QUARTERS = PartitionScheme((0, 1, 2, 3), (ONE, (2, 1), (1, 2), ONE))


def memory(height, width, origin=(0, 0), kind=NodeRegion.DRAM):
    return NodeRegion(PhyDim2(height, width), PhyDim2(*origin), type=kind)


def box(*size, beg=(0, 0, 0, 0)):
    return FmapRange(beg, size)


LAYOUT = DataLayout((box(4, 4, 16, 16),), (memory(2, 2, (1, 1)),), (QUARTERS,))
TWO = DataLayout(
    (box(4, 4, 16, 16), box(4, 7, 16, 16, beg=(0, 4, 0, 0))),
    (memory(2, 2, (1, 1)), memory(1, 1, kind=NodeRegion.PROC)),
    (QUARTERS, SINGLE),
)


def test_fields():
    frngs, regions, parts = TWO
    assert DataLayout(frngs=frngs, regions=regions, parts=parts) == TWO
    assert hash(DataLayout(*TWO)) == hash(TWO)
    assert TWO._replace(parts=(SINGLE, SINGLE)) != TWO
    assert TWO.complete_fmap_range() == box(4, 7, 16, 16)


@pytest.mark.parametrize("field", ["frngs", "regions", "parts"])
@pytest.mark.parametrize("wrong", [list, lambda value: value[0], lambda _: (1,)])
def test_wrong_types(field, wrong):
    with pytest.raises(TypeError, match=f"DataLayout: {field}"):
        LAYOUT._replace(**{field: wrong(getattr(LAYOUT, field))})


@pytest.mark.parametrize(
    "frngs",
    [
        (),
        (box(4, 4, 16, 16, beg=(0, 1, 0, 0)),),
        (box(4, 4, 16, 16), box(4, 8, 16, 16, beg=(0, 5, 0, 0))),
        (box(4, 4, 16, 16), box(4, 8, 16, 16, beg=(0, 3, 0, 0))),
        (box(4, 4, 16, 16), box(4, 8, 16, 15, beg=(0, 4, 0, 0))),
        (box(4, 4, 16, 16), box(4, 8, 16, 16, beg=(1, 4, 0, 0))),
        (box(4, 4, 16, 16), box(3, 8, 16, 16, beg=(0, 4, 0, 0))),
    ],
)
def test_ranges_that_do_not_follow_each_other(frngs):
    count = len(frngs)
    with pytest.raises(ValueError, match="DataLayout: frngs"):
        DataLayout(frngs, (memory(1, 1),) * count, (SINGLE,) * count)


def test_schemes_that_cannot_be_laid_out():
    inpp = SINGLE._replace(pdims=(ONE, ONE, ONE, (2, 1)))
    with pytest.raises(ValueError, match=r"DataLayout: parts .*INPP"):
        LAYOUT._replace(parts=(inpp,))
    with pytest.raises(ValueError, match="DataLayout: parts must fit"):
        LAYOUT._replace(regions=(memory(4, 1),))


def test_different_lengths():
    with pytest.raises(ValueError, match=r"DataLayout: .*length"):
        LAYOUT._replace(parts=(QUARTERS, SINGLE))


def test_range_map():
    frmap = TWO.fmap_range_map()
    assert frmap.complete_fmap_range() == TWO.complete_fmap_range()
    assert dict(frmap.items()) == {
        box(2, 4, 8, 16): (1, 1),
        box(4, 4, 8, 16, beg=(2, 0, 0, 0)): (1, 2),
        box(2, 4, 16, 16, beg=(0, 0, 8, 0)): (2, 1),
        box(4, 4, 16, 16, beg=(2, 0, 8, 0)): (2, 2),
        box(4, 7, 16, 16, beg=(0, 4, 0, 0)): (0, 0),
    }
    few = DataLayout((box(1, 1, 1, 1),), (memory(2, 2),), (QUARTERS,))
    assert few.fmap_range_map().items() == [(box(1, 1, 1, 1), PhyDim2(1, 1))]


@given(data_layouts())
def test_range_map_by_brute_force(layout):
    held = {word: node for frng, node in layout.fmap_range_map().items() for word in frng.range()}
    assert held == ref.holders(layout)


def test_is_in():
    inner, outer = memory(2, 2, (1, 1)), memory(4, 4)
    assert LAYOUT.is_in(inner)
    assert LAYOUT.is_in(outer)
    assert not LAYOUT.is_in()
    assert not LAYOUT.is_in(memory(2, 2))
    assert not LAYOUT.is_in(memory(4, 4, kind=NodeRegion.PROC))
    assert LAYOUT.is_in(memory(4, 2), memory(2, 1, (1, 2)))
    assert not TWO.is_in(outer)
    assert TWO.is_in(outer, memory(1, 1, kind=NodeRegion.PROC))


def test_unused_nodes_count():
    layout = LAYOUT._replace(regions=(memory(4, 4),))
    assert not layout.is_in(memory(2, 2))


def test_concat():
    one = DataLayout((box(4, 3, 16, 16),), (memory(1, 1, kind=NodeRegion.PROC),), (SINGLE,))
    assert DataLayout.concat(LAYOUT, one) == TWO
    assert DataLayout.concat(LAYOUT) == LAYOUT


def test_concat_of_several_pieces():
    """Correction E8: the original adds the offset of a piece twice and refuses the result."""
    layout = DataLayout.concat(TWO, TWO, LAYOUT)
    ends = [(frng.fp_beg.n, frng.fp_end.n) for frng in layout.frngs]
    assert ends == [(0, 4), (4, 7), (7, 11), (11, 14), (14, 18)]
    assert layout.regions == TWO.regions * 2 + LAYOUT.regions
    assert layout.parts == TWO.parts * 2 + LAYOUT.parts
    assert layout == DataLayout.concat(DataLayout.concat(TWO, TWO), LAYOUT)


def test_concat_refuses():
    with pytest.raises(ValueError, match=r"DataLayout: .*concat"):
        DataLayout.concat()
    with pytest.raises(TypeError, match=r"DataLayout: .*concat"):
        DataLayout.concat(LAYOUT, LAYOUT.frngs[0])
    for size in ((3, 4, 16, 16), (4, 4, 15, 16), (4, 4, 16, 15)):
        with pytest.raises(ValueError, match=r"DataLayout: .*concat"):
            DataLayout.concat(LAYOUT, LAYOUT._replace(frngs=(box(*size),)))


# Transfer hops.

FULL = LAYOUT.complete_fmap_range()


def nodes(*pairs):
    return tuple(PhyDim2(*pair) for pair in pairs)


def test_hops_of_examples():
    far = nodes((-1, -2))
    assert LAYOUT.nhops_to(FULL, *far) == 2 * 4 * 8 * 16 * (5 + 6 + 6 + 7) == 24576
    three = nodes((-1, -2), (-2, -3), (2, 2))
    assert LAYOUT.nhops_to(FULL, *three, forwarding=True) == 40960
    origin = nodes((0, 0), (0, 0))
    assert LAYOUT.nhops_to(FULL, *origin) == 24576
    assert LAYOUT.nhops_to(FULL, *origin, forwarding=True) == 12288


def test_hops_outside_of_the_layout():
    outside = box(9, 9, 20, 20, beg=(4, 0, 0, 0))
    assert LAYOUT.nhops_to(outside, *nodes((9, 9))) == 0
    assert LAYOUT.nhops_to(outside, *nodes((9, 9), (0, 0)), forwarding=True) == 0
    larger = box(9, 9, 20, 20)
    assert LAYOUT.nhops_to(larger, *nodes((-1, -2))) == 24576


def test_hops_refuse():
    assert LAYOUT.nhops_to(FULL) == 0
    with pytest.raises(ValueError, match=r"DataLayout: .*destination"):
        LAYOUT.nhops_to(FULL, forwarding=True)
    with pytest.raises(ValueError, match=r"DataLayout: .*foward"):
        LAYOUT.nhops_to(FULL, *nodes((0, 0)), foward=True)


positions = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
coordinates = st.tuples(st.integers(-2, 4), st.integers(-2, 4))


@given(
    data_layouts(),
    positions,
    positions,
    st.lists(coordinates, min_size=1, max_size=4),
    st.booleans(),
)
def test_hops_by_brute_force(layout, one, other, dests, forwarding):
    frng = FmapRange(list(map(min, one, other)), list(map(max, one, other)))
    held = ref.holders(layout)
    expected = ref.nhops_to(held, frozenset(frng.range()), dests, forwarding)
    assert layout.nhops_to(frng, *nodes(*dests), forwarding=forwarding) == expected
