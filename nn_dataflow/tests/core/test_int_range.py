# SPDX-License-Identifier: BSD-3-Clause
"""Tests of integer ranges (docs/model/workload.md section 4.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.int_range import IntRange

int_ranges = st.tuples(st.integers(-9, 9), st.integers(0, 9)).map(
    lambda ends: IntRange(ends[0], ends[0] + ends[1])
)


@given(int_ranges, st.integers(-5, 5))
def test_is_the_set_of_its_integers(rng, val):
    members = list(range(rng.beg, rng.end))
    assert list(rng.range()) == members
    assert rng.size() == len(members)
    assert rng.empty() == (not members)
    assert list(rng.offset(val).range()) == [at + val for at in members]


@given(int_ranges, int_ranges)
def test_overlap_is_the_intersection(one, other):
    common = one.overlap(other)
    assert set(common.range()) == set(one.range()) & set(other.range())
    assert common == other.overlap(one)


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [((1, 3), (3, 5), (3, 3)), ((1, 3), (4, 5), (0, 0)), ((1, 7), (-2, 5), (1, 5))],
)
def test_overlap_of_touching_and_distant_ranges(one, other, common):
    assert IntRange(*one).overlap(IntRange(*other)) == IntRange(*common)


@pytest.mark.parametrize(("beg", "end"), [(1.0, 2), (1, 2.5), ("1", 2), (1, None)])
def test_refuses_ends_that_are_no_integers(beg, end):
    with pytest.raises(TypeError, match=r"^IntRange: (beg|end) must be an integer"):
        IntRange(beg, end)


def test_refuses_reversed_ends():
    with pytest.raises(ValueError, match=r"^IntRange: beg .* got beg 3, end 2"):
        IntRange(3, 2)
    with pytest.raises(ValueError, match=r"^IntRange: beg"):
        IntRange(1, 2)._replace(end=0)


def test_overlap_refuses_other_types():
    with pytest.raises(TypeError, match=r"^IntRange: other must be an IntRange"):
        IntRange(1, 2).overlap((1, 2))


def test_fields():
    rng = IntRange(beg=1, end=5)
    assert rng[0] == rng.beg == 1
    assert rng._asdict() == {"beg": 1, "end": 5}
    assert repr(rng) == "IntRange(beg=1, end=5)"
