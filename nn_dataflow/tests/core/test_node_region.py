# SPDX-License-Identifier: BSD-3-Clause
"""Node regions against the rules and tables of docs/model/hardware.md section 4."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2


def _region(dim, origin=(0, 0), *, wtot=None, wbeg=None, dist=(1, 1), node_type=NodeRegion.PROC):
    widths = {"wtot": wtot, "wbeg": wbeg}
    return NodeRegion(
        dim=PhyDim2(*dim),
        origin=PhyDim2(*origin),
        dist=PhyDim2(*dist),
        type=node_type,
        **{name: width for name, width in widths.items() if width is not None},
    )


@st.composite
def _regions(draw, folded=None):
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    if folded is False:
        wtot = draw(st.integers(width, width + 3))
        wbeg = draw(st.integers(width, wtot))
    else:
        wtot = draw(st.integers(1, width + 3))
        wbeg = draw(st.integers(1, wtot))
    return _region(
        (height, width),
        origin=draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9))),
        dist=draw(st.tuples(st.sampled_from([1, 2, 5]), st.sampled_from([1, 3]))),
        wtot=wtot,
        wbeg=wbeg * draw(st.sampled_from([1, -1])),
    )


def _split(draw, total, unit=1):
    """Numbers of which each is a multiple of a unit, with a sum of at most the total."""
    requests = []
    while total >= unit and draw(st.integers(0, 9)):
        requests.append(unit * draw(st.integers(1, total // unit)))
        total -= requests[-1]
    return requests


def _nodes(region):
    return [tuple(node) for node in region.iter_node()]


class TestFields:
    def test_defaults_and_positions(self):
        dim, origin = PhyDim2(2, 3), PhyDim2(4, 5)
        region = NodeRegion(dim, origin, type=NodeRegion.DRAM)
        assert region == NodeRegion(dim, origin, PhyDim2(1, 1), NodeRegion.DRAM, 3, 3)
        assert region._fields == ("dim", "origin", "dist", "type", "wtot", "wbeg")
        assert _region((2, 3), wtot=2).wbeg == 2
        assert (NodeRegion.PROC, NodeRegion.DRAM, NodeRegion.NUM) == (0, 1, 2)

    def test_value_semantics(self):
        region = _region((2, 3), wtot=2, wbeg=-1)
        same = pickle.loads(pickle.dumps(region))
        assert type(same) is NodeRegion
        assert same == region
        assert hash(same) == hash(region)
        assert repr(region) == (
            "NodeRegion(dim=PhyDim2(h=2, w=3), origin=PhyDim2(h=0, w=0),"
            " dist=PhyDim2(h=1, w=1), type=0, wtot=2, wbeg=-1)"
        )

    def test_equality_is_by_fields_not_by_nodes(self):
        one, other = _region((4, 2), wtot=4, wbeg=2), _region((4, 2), wtot=2, wbeg=2)
        assert _nodes(one) == _nodes(other)
        assert one != other

    @pytest.mark.parametrize("missing", ["dim", "origin", "type"])
    def test_missing_field(self, missing):
        fields = {"dim": PhyDim2(2, 2), "origin": PhyDim2(0, 0), "type": NodeRegion.PROC}
        del fields[missing]
        with pytest.raises(TypeError, match=f"^NodeRegion.*{missing}"):
            NodeRegion(**fields)

    @pytest.mark.parametrize(
        ("field", "value", "error"),
        [
            ("dim", (2, 2), TypeError),
            ("dim", PhyDim2(2.0, 2), TypeError),
            ("dim", PhyDim2(2, None), TypeError),
            ("dim", PhyDim2(-1, 4), ValueError),
            ("dim", PhyDim2(-1, -4), ValueError),
            ("origin", (0, 0), TypeError),
            ("origin", PhyDim2("0", 0), TypeError),
            ("dist", (1, 1), TypeError),
            ("dist", 1, TypeError),
            ("dist", PhyDim2(1, math.nan), TypeError),
            ("dist", PhyDim2(0, 1), ValueError),
            ("dist", PhyDim2(1, 0), ValueError),
            ("type", 2, ValueError),
            ("type", -1, ValueError),
            ("type", "PROC", ValueError),
            ("type", None, ValueError),
            ("type", True, ValueError),
            ("wtot", 1.5, TypeError),
            ("wtot", None, TypeError),
            ("wtot", True, TypeError),
            ("wtot", 3, ValueError),
            ("wtot", -4, ValueError),
            ("wbeg", 1.5, TypeError),
            ("wbeg", "1", TypeError),
            ("wbeg", True, TypeError),
            ("wbeg", 0, ValueError),
            ("wbeg", 5, ValueError),
            ("wbeg", -5, ValueError),
        ],
    )
    def test_bad_value_is_refused(self, field, value, error):
        region = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
        named = "wbeg" if field == "wtot" and error is ValueError else field
        with pytest.raises(error, match=f"^NodeRegion: {named} must .*got"):
            region._replace(**{field: value})
        with pytest.raises(error, match=f"^NodeRegion: {named} must .*got"):
            NodeRegion(**{**region._asdict(), field: value})

    def test_numpy_integers_are_integers(self):
        region = _region((np.int64(2), np.int32(3)), wtot=np.int64(2))
        assert _nodes(region) == _nodes(_region((2, 3), wtot=2))

    @pytest.mark.parametrize("dim", [(0, 0), (0, 3), (3, 0)])
    def test_empty_region(self, dim):
        region = _region(dim, wbeg=0)
        assert _nodes(region) == []
        assert region.coordinates().shape == (0, 2)
        assert not region.contains_node(PhyDim2(0, 0))
        assert region.allocate([1]) == []
        with pytest.raises(ValueError, match=r"^NodeRegion: rel_coordinate"):
            region.rel2abs(PhyDim2(0, 0))

    def test_memory_nodes_may_coincide(self):
        region = _region((2, 2), dist=(0, 3), node_type=NodeRegion.DRAM)
        assert _nodes(region) == [(0, 0), (0, 3), (0, 0), (0, 3)]


TABLE_OF_SINGLE_NODES = [
    ((4, 4), (5, 3), 4, 4, {(0, 3): (1, 12), (2, 1): (11, 6)}),
    ((4, 8), (1, 1), 3, 3, {(1, 2): (2, 5), (2, 3): (7, 5), (0, 5): (5, 3), (3, 7): (12, 4)}),
    (
        (4, 8),
        (1, 1),
        3,
        1,
        {(2, 0): (3, 3), (1, 2): (6, 2), (2, 3): (7, 1), (0, 5): (9, 2), (3, 7): (16, 3)},
    ),
    ((4, 8), (1, 1), 4, -2, {(1, 1): (2, 2), (2, 3): (7, 3), (0, 5): (5, 5), (3, 7): (12, 4)}),
]

TABLE_OF_ORDERS = [
    (
        _region((1, 8), wtot=4, wbeg=-2),
        [(0, 0), (0, -1), (1, -1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 1)],
    ),
    (
        _region((2, 5), origin=(10, 20), dist=(3, 2), wtot=4, wbeg=1),
        [
            *[(10, 20), (16, 20), (16, 18), (16, 16), (16, 14)],
            *[(13, 20), (19, 20), (19, 18), (19, 16), (19, 14)],
        ],
    ),
    (_region((1, 3), wtot=20, wbeg=1), [(0, 0), (1, 0), (1, -1)]),
    (_region((1, 3), origin=(0, 5), wtot=20, wbeg=-20), [(0, 5), (0, 4), (0, 3)]),
]


class TestFold:
    @pytest.mark.parametrize(("dim", "dist", "wtot", "wbeg", "places"), TABLE_OF_SINGLE_NODES)
    def test_table_of_single_nodes(self, dim, dist, wtot, wbeg, places):
        region = _region(dim, origin=(1, 3), dist=dist, wtot=wtot, wbeg=wbeg)
        assert {rel: region.rel2abs(PhyDim2(*rel)) for rel in places} == places

    @pytest.mark.parametrize(("region", "nodes"), TABLE_OF_ORDERS)
    def test_table_of_orders(self, region, nodes):
        assert _nodes(region) == nodes

    @given(_regions())
    def test_three_ways_to_say_one_thing(self, region):
        by_rel2abs = [
            region.rel2abs(PhyDim2(h, w)) for h in range(region.dim.h) for w in range(region.dim.w)
        ]
        assert list(region.iter_node()) == by_rel2abs
        assert region.coordinates().tolist() == [list(node) for node in by_rel2abs]
        assert all(type(node) is PhyDim2 for node in region.iter_node())

    @given(_regions())
    def test_walk_turns_where_it_should(self, region):
        """Follow the strip step by step: ahead, or at a turn up one band and back."""
        side = 1 if region.wbeg > 0 else -1
        left = abs(region.wbeg)
        at = region.origin
        for rel_w in range(region.dim.w):
            assert region.rel2abs(PhyDim2(0, rel_w)) == at
            top = region.rel2abs(PhyDim2(region.dim.h - 1, rel_w))
            assert top == at + PhyDim2((region.dim.h - 1) * region.dist.h, 0)
            left -= 1
            if left:
                at += PhyDim2(0, side * region.dist.w)
            else:
                at += PhyDim2(region.dim.h * region.dist.h, 0)
                side, left = -side, region.wtot

    @given(_regions())
    def test_contains_node(self, region):
        nodes = set(region.iter_node())
        assert len(nodes) == region.dim.size()
        rows, cols = zip(*nodes, strict=True)
        for h in range(min(rows) - 1, max(rows) + 2):
            for w in range(min(cols) - 1, max(cols) + 2):
                assert region.contains_node(PhyDim2(h, w)) == (PhyDim2(h, w) in nodes)

    @given(_regions(folded=False))
    def test_unfolded_region_is_a_grid(self, region):
        mirror = PhyDim2(1, 1 if region.wbeg > 0 else -1)
        for h in range(region.dim.h):
            for w in range(region.dim.w):
                expected = region.origin + PhyDim2(h, w) * mirror * region.dist
                assert region.rel2abs(PhyDim2(h, w)) == expected

    def test_array_is_shared_and_read_only(self):
        region = _region((3, 3))
        assert region.coordinates() is _region((3, 3)).coordinates()
        with pytest.raises(ValueError, match="read-only"):
            region.coordinates()[0, 0] = 1

    def test_rel2abs_refuses(self):
        region = _region((4, 8), wtot=3)
        with pytest.raises(TypeError, match=r"^NodeRegion: rel_coordinate"):
            region.rel2abs((0, 0))
        for rel in ((4, 0), (0, 8), (-1, 0), (0, -1)):
            with pytest.raises(ValueError, match=r"^NodeRegion: rel_coordinate"):
                region.rel2abs(PhyDim2(*rel))


# Region, requests, and (dim, origin, wbeg) of each result.
TABLE_OF_ALLOCATIONS = [
    (
        _region((4, 4), (1, 3)),
        [2, 3, 3, 2, 4, 2],
        [
            ((1, 2), (1, 3), 2),
            ((1, 3), (1, 5), 2),
            ((1, 3), (2, 5), -3),
            ((1, 2), (3, 3), 2),
            ((1, 4), (3, 5), 2),
            ((1, 2), (4, 4), -2),
        ],
    ),
    (_region((4, 4), (1, 3)), [5, 11], [((1, 5), (1, 3), 4), ((1, 11), (2, 5), -3)]),
    (
        _region((4, 4), (1, 3)),
        [2, 4, 4, 2, 4],
        [
            ((2, 1), (1, 3), 1),
            ((2, 2), (1, 4), 2),
            ((2, 2), (1, 6), 1),
            ((2, 1), (3, 5), -1),
            ((2, 2), (3, 4), -2),
        ],
    ),
    (
        _region((4, 4), (1, 3), dist=(2, 1)),
        [10, 6],
        [((2, 5), (1, 3), 4), ((2, 3), (5, 5), -3)],
    ),
    (_region((4, 4)), [6, 10], [((2, 3), (0, 0), 3), ((2, 5), (0, 3), 1)]),
    (_region((4, 4)), [12, 4], [((4, 3), (0, 0), 3), ((4, 1), (0, 3), 1)]),
    (_region((4, 4)), [7], [((1, 7), (0, 0), 4)]),
    (_region((4, 4), (1, 3)), [16], [((4, 4), (1, 3), 4)]),
    (_region((4, 4), (1, 3)), [4, 4, 4, 4, 4], []),
    (_region((4, 4)), [], []),
    (_region((3, 8)), [6, 18], [((3, 2), (0, 0), 2), ((3, 6), (0, 2), 6)]),
    (_region((16, 16)), [100, 156], [((4, 25), (0, 0), 16), ((4, 39), (4, 6), -7)]),
]


def _fits(region, requests, allocation):
    """Regions of the requested sizes that are disjoint and lie inside."""
    assert [sub.dim.size() for sub in allocation] == requests
    nodes = [node for sub in allocation for node in sub.iter_node()]
    assert len(set(nodes)) == sum(requests)
    assert all(map(region.contains_node, nodes))
    assert all(sub.type == region.type for sub in allocation)


class TestAllocate:
    @pytest.mark.parametrize(("region", "requests", "expected"), TABLE_OF_ALLOCATIONS)
    def test_table(self, region, requests, expected):
        allocation = region.allocate(requests)
        assert [(sub.dim, sub.origin, sub.wbeg) for sub in allocation] == expected
        assert all(
            (sub.wtot, sub.type, sub.dist) == (region.dim.w, region.type, region.dist)
            for sub in allocation
        )

    def test_whole_region_is_itself(self):
        region = _region((4, 4), (1, 3))
        assert region.allocate([16]) == [region]

    def test_order_inside_a_folded_allocation(self):
        _, folded = _region((4, 4)).allocate([6, 10])
        assert _nodes(folded) == [
            *[(0, 3), (2, 3), (2, 2), (2, 1), (2, 0)],
            *[(1, 3), (3, 3), (3, 2), (3, 1), (3, 0)],
        ]

    @pytest.mark.parametrize(
        ("requests", "error"), [([4, 0], ValueError), ([4, -1], ValueError), ([4.0], TypeError)]
    )
    def test_bad_request_is_refused(self, requests, error):
        with pytest.raises(error):
            _region((4, 4)).allocate(requests)

    @given(st.data(), _regions(folded=False))
    def test_unfolded_region_is_covered_disjointly(self, data, region):
        requests = _split(data.draw, region.dim.size())
        allocation = region.allocate(requests)
        assert len(allocation) == len(requests)
        _fits(region, requests, allocation)

    @given(st.data(), _regions())
    def test_mirrored_region_gives_mirrored_allocations(self, data, region):
        requests = _split(data.draw, region.dim.size())
        mirrored = region._replace(wbeg=-region.wbeg)
        for sub, other in zip(region.allocate(requests), mirrored.allocate(requests), strict=True):
            assert other.wbeg == -sub.wbeg
            assert other.origin.w - region.origin.w == region.origin.w - sub.origin.w
            assert other._replace(wbeg=sub.wbeg, origin=sub.origin) == sub


class TestAllocateOnFoldedRegion:
    """Correction E8: allocations lie inside a folded region."""

    def test_strip_of_one_row(self):
        region = _region((1, 8), wtot=4, wbeg=2)
        nodes = [(0, 0), (0, 1), (1, 1), (1, 0), (1, -1), (1, -2), (2, -2), (2, -1)]
        assert _nodes(region) == nodes
        first, second = region.allocate([4, 4])
        assert _nodes(first) == nodes[:4]
        assert _nodes(second) == nodes[4:]

    @given(st.data(), _regions())
    def test_multiples_of_the_height_follow_the_fold(self, data, region):
        requests = _split(data.draw, region.dim.size(), unit=region.dim.h)
        allocation = region.allocate(requests)
        assert len(allocation) == len(requests)
        columns = [sub.rel2abs(PhyDim2(0, w)) for sub in allocation for w in range(sub.dim.w)]
        assert columns == list(region.iter_node())[: len(columns)]
        _fits(region, requests, allocation)

    @given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(2, 4))
    def test_full_bands_are_covered_disjointly(self, data, height, width, bands):
        sign = data.draw(st.sampled_from([1, -1]))
        region = _region((height, width * bands), wtot=width, wbeg=sign * width)
        requests = _split(data.draw, region.dim.size())
        allocation = region.allocate(requests)
        assert len(allocation) == len(requests)
        _fits(region, requests, allocation)

    @given(st.data(), _regions())
    def test_result_is_right_or_empty(self, data, region):
        requests = _split(data.draw, region.dim.size())
        allocation = region.allocate(requests)
        if allocation:
            _fits(region, requests, allocation)

    def test_single_row_across_a_turn_of_a_higher_region(self):
        """The next row of the strip is a band's height away, which becomes the spacing."""
        region = _region((2, 5), wtot=4, wbeg=2)
        first, second = region.allocate([5, 5])
        assert _nodes(first) == [(0, 0), (0, 1), (2, 1), (2, 0), (2, -1)]
        assert _nodes(second) == [(3, -1), (3, 0), (3, 1), (1, 1), (1, 0)]

    def test_uneven_fold_has_no_allocation(self):
        """Three columns, one, one: no region turns after three columns and then after one."""
        assert _region((2, 4), wtot=3, wbeg=1).allocate([3, 3]) != []
        assert _region((2, 4), wtot=3, wbeg=1).allocate([1, 7]) == []

    @given(st.data(), _regions())
    def test_allocation_of_an_allocation(self, data, region):
        allocation = region.allocate([region.dim.h * max(1, region.dim.w // 2)])
        (sub,) = allocation
        requests = _split(data.draw, sub.dim.size(), unit=sub.dim.h)
        _fits(sub, requests, sub.allocate(requests))
