# SPDX-License-Identifier: BSD-3-Clause
"""Tests of fmap positions, ranges and range maps (docs/model/workload.md sections 4.2 and 4.3)."""

import itertools
import operator
import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nn_dataflow.core.fmap_range import FmapPosition, FmapRange, FmapRangeMap
from nn_dataflow.core.int_range import IntRange

ORIGIN = (0, 0, 0, 0)
extents = st.tuples(st.integers(0, 3), st.integers(0, 2)).map(lambda e: (e[0], e[0] + e[1]))
fmap_ranges = st.tuples(extents, extents, extents, extents).map(
    lambda dims: FmapRange([beg for beg, _ in dims], [end for _, end in dims])
)


def positions(frng):
    return set(frng.range())


def grid(counts, unit=2):
    """Return the ranges of a grid of cells of ``unit`` positions along each dimension."""
    return [
        FmapRange([unit * i for i in index], [unit * (i + 1) for i in index])
        for index in itertools.product(*map(range, counts))
    ]


def filled_map(ranges):
    frmap = FmapRangeMap()
    for index, frng in enumerate(ranges):
        frmap.add(frng, index)
    return frmap


class TestFmapRange:
    @given(fmap_ranges, fmap_ranges)
    def test_is_the_set_of_its_positions(self, one, other):
        common = positions(one) & positions(other)
        assert one.size() == len(positions(one))
        assert one.overlap_size(other) == len(common)
        assert positions(one.overlap(other)) == common
        assert one.overlap(other) == other.overlap(one)
        assert all((pos in one) == (pos in positions(one)) for pos in positions(other))

    def test_overlap_without_common_positions_is_at_the_origin(self):
        one = FmapRange((1, 1, 1, 1), (2, 2, 2, 2))
        common = one.overlap(FmapRange((1, 1, 1, 2), (2, 2, 2, 3)))
        assert tuple(common) == (ORIGIN, ORIGIN)

    def test_named_dimensions(self):
        frng = FmapRange((1, 2, 3, 4), FmapPosition(2, 4, 6, 8))
        assert frng.beg_end() == [IntRange(1, 2), IntRange(2, 4), IntRange(3, 6), IntRange(4, 8)]
        assert frng.beg_end("w", "n") == [IntRange(4, 8), IntRange(2, 4)]
        assert frng.beg_end("h") == IntRange(3, 6)
        assert list(frng.range("w")) == [(4,), (5,), (6,), (7,)]
        assert list(frng.range("n", "b")) == [(2, 1), (3, 1)]
        assert list(frng.range())[:2] == [(1, 2, 3, 4), (1, 2, 3, 5)]
        assert frng.size("h", "w") == 12

    @pytest.mark.parametrize("method", ["beg_end", "range", "size"])
    @pytest.mark.parametrize("dim", ["x", "count", "fp_beg"])
    def test_refuses_unknown_dimensions(self, method, dim):
        with pytest.raises(AttributeError, match="no dimension"):
            getattr(FmapRange(ORIGIN, (1, 1, 1, 1)), method)("b", dim)

    def test_fractional_ends_have_a_size_but_no_integers(self):
        frng = FmapRange(ORIGIN, (1, 1, 2.5, 2))
        assert frng.size() == 5
        assert frng.beg_end("w") == IntRange(0, 2)
        with pytest.raises(TypeError):
            frng.beg_end("h")

    @pytest.mark.parametrize("ends", [((0, 0, 0), (1, 1, 1, 1)), (ORIGIN, (1,) * 5), (ORIGIN, 3)])
    def test_refuses_ends_that_are_no_positions(self, ends):
        with pytest.raises(TypeError, match=r"^FmapRange: fp_(beg|end) must be four numbers"):
            FmapRange(*ends)

    @pytest.mark.parametrize("dim", range(4))
    def test_refuses_reversed_ends(self, dim):
        beg = [0] * 4
        beg[dim] = 2
        with pytest.raises(ValueError, match=r"^FmapRange: fp_beg must not be above fp_end"):
            FmapRange(beg, (1, 1, 1, 1))
        frng = FmapRange(ORIGIN, (1, 1, 1, 1))
        with pytest.raises(ValueError, match=r"^FmapRange: fp_beg"):
            frng._replace(fp_beg=beg)

    @pytest.mark.parametrize("method", ["overlap", "overlap_size"])
    def test_overlap_refuses_other_types(self, method):
        frng = FmapRange(ORIGIN, (1, 1, 1, 1))
        with pytest.raises(TypeError, match=r"^FmapRange: other must be an FmapRange"):
            getattr(frng, method)((ORIGIN, (1, 1, 1, 1)))

    def test_fields(self):
        frng = FmapRange(fp_beg=ORIGIN, fp_end=(1, 2, 3, 4))
        assert frng[1] == frng.fp_end == FmapPosition(b=1, n=2, h=3, w=4)
        assert pickle.loads(pickle.dumps(frng)) == frng
        assert repr(frng).startswith("FmapRange(fp_beg=FmapPosition(b=0, n=0, h=0, w=0), fp_end=")


class TestOrder:
    @given(fmap_ranges, fmap_ranges)
    def test_equal_ranges_hash_alike(self, one, other):
        same_set = positions(one) == positions(other)
        assert (one == other) == same_set
        assert (one != other) != same_set
        if same_set:
            assert hash(one) == hash(other)

    @given(st.lists(fmap_ranges, max_size=5))
    def test_disjoint_ranges_are_ordered_by_first_position(self, ranges):
        pairs = itertools.combinations(ranges, 2)
        assume(all(one == other or not one.overlap_size(other) for one, other in pairs))
        in_order = sorted(ranges)
        full = [frng for frng in in_order if frng.size()]
        assert in_order[: len(in_order) - len(full)] == [f for f in ranges if not f.size()]
        assert [frng.fp_beg for frng in full] == sorted(frng.fp_beg for frng in full)

    @given(fmap_ranges, fmap_ranges)
    def test_operators_agree(self, one, other):
        assume(one == other or not one.overlap_size(other))
        assert (one < other) + (one == other) + (one > other) == 1
        assert (one <= other) == (not one > other)
        assert (one >= other) == (not one < other)
        assert (one < other) == (other > one)

    @pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge])
    def test_no_order_with_overlapping_ranges_or_other_types(self, op):
        frng = FmapRange(ORIGIN, (2, 2, 2, 2))
        with pytest.raises(ValueError, match="overlapping ranges have no order"):
            op(frng, FmapRange((1, 1, 1, 1), (3, 3, 3, 3)))
        with pytest.raises(TypeError, match="no order"):
            op(frng, tuple(frng))

    def test_unequal_to_other_types(self):
        frng = FmapRange(ORIGIN, (2, 2, 2, 2))
        assert frng != tuple(frng)
        assert frng != "frng"


class TestFmapRangeMap:
    def test_items_are_sorted(self):
        ranges = grid((2, 2, 1, 3))
        frmap = filled_map(reversed(ranges))
        assert [frng for frng, _ in frmap.items()] == ranges
        frmap.add(FmapRange((0, 4, 0, 0), (1, 5, 1, 1)), "late")
        assert [val for _, val in frmap.items()][6] == "late"

    @given(st.lists(fmap_ranges, max_size=6), fmap_ranges)
    def test_agrees_with_a_map_of_positions(self, ranges, query):
        frmap, by_position, values = FmapRangeMap(), {}, set()
        for index, frng in enumerate(ranges):
            if positions(frng) & by_position.keys():
                with pytest.raises(ValueError, match="overlaps"):
                    frmap.add(frng, index % 3)
            else:
                frmap.add(frng, index % 3)
                by_position.update(dict.fromkeys(positions(frng), index % 3))
                values |= {index % 3} if frng.size() else set()
        found = [by_position[pos] for pos in positions(query) if pos in by_position]
        assert frmap.rget_counter(query) == {val: found.count(val) for val in values}
        for pos in positions(query):
            if pos in by_position:
                assert frmap.get(pos) == by_position[pos]
            else:
                with pytest.raises(KeyError):
                    frmap.get(pos)
        if query.size() and len(found) == query.size() and len(set(found)) == 1:
            assert frmap.rget_single(query) == found[0]
        else:
            with pytest.raises(ValueError, match="no single value"):
                frmap.rget_single(query)
        box = [1 + max((pos[dim] for pos in by_position), default=0) for dim in range(4)]
        full = set(itertools.product(*map(range, box)))
        assert frmap.is_complete() == (by_position.keys() == full)

    def test_counts_every_value_even_without_positions(self):
        frmap = filled_map(grid((1, 1, 1, 3)))
        assert dict(frmap.rget_counter(FmapRange((0, 0, 0, 1), (1, 1, 1, 3)))) == {0: 1, 1: 1, 2: 0}

    def test_single_value_over_several_ranges(self):
        frmap = FmapRangeMap()
        for frng in grid((1, 1, 1, 3)):
            frmap.add(frng, "one")
        assert frmap.rget_single(FmapRange((0, 0, 0, 1), (1, 1, 1, 6))) == "one"

    def test_complete_range(self):
        ranges = grid((2, 1, 3, 2))
        assert filled_map(ranges).complete_fmap_range() == FmapRange(ORIGIN, (4, 2, 6, 4))
        for missing in range(len(ranges)):
            holey = filled_map(ranges[:missing] + ranges[missing + 1 :])
            assert not holey.is_complete()
            with pytest.raises(ValueError, match="not complete"):
                holey.complete_fmap_range()

    @pytest.mark.parametrize("beg", [(-1, 0, 0, 0), (0, 0, 0, 1)])
    def test_a_box_elsewhere_is_not_complete(self, beg):
        assert not filled_map([FmapRange(beg, (2, 2, 2, 2))]).is_complete()

    def test_empty_map_and_empty_range(self):
        frmap = filled_map([FmapRange((1, 1, 1, 1), (1, 2, 2, 2))])
        assert list(frmap.items()) == []
        assert not frmap.is_complete()
        with pytest.raises(KeyError):
            frmap.get((1, 1, 1, 1))

    def test_copy_is_independent(self):
        one, two = grid((1, 1, 1, 2))
        frmap = filled_map([one])
        twin = frmap.copy()
        twin.add(two, 1)
        assert frmap.items() == [(one, 0)]
        frmap.add(two, "other")
        assert twin.items() == [(one, 0), (two, 1)]

    def test_repr_shows_the_content(self):
        one, two = grid((1, 1, 1, 2))
        frmap = FmapRangeMap()
        assert repr(frmap) == "FmapRangeMap({})"
        frmap.add(two, "right")
        frmap.add(one, "left")
        assert repr(frmap) == f"FmapRangeMap({{{one!r}: 'left', {two!r}: 'right'}})"

    def test_refuses_other_types(self):
        with pytest.raises(TypeError):
            FmapRangeMap().add((ORIGIN, (1, 1, 1, 1)), 0)
        with pytest.raises(TypeError):
            FmapRangeMap().rget_counter("b")
