# SPDX-License-Identifier: BSD-3-Clause
"""The order of schedules under a goal (docs/model/search.md section 5)."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import ranking
from nn_dataflow.core.ranking import TIE, exceeds, goal_keys, goal_order, levels

GOALS = ("e", "d", "ed")
VALUES = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), max_size=20)


def columns(values):
    cost = np.array([float(cost) for cost, _ in values])
    return cost, np.array([time for _, time in values], dtype=np.int64)


def key(goal, cost, time):
    return {"e": (cost, time), "d": (time, cost), "ed": (cost * time, cost, time)}[goal]


@given(VALUES, st.sampled_from(GOALS))
def test_order_is_a_stable_sort(values, goal):
    expected = sorted(range(len(values)), key=lambda index: key(goal, *values[index]))
    assert goal_order(*columns(values), goal).tolist() == expected


@given(VALUES.filter(bool), st.sampled_from(GOALS), st.data())
def test_rounding_does_not_matter(values, goal, data):
    """Sums in another order differ by less than the tie, and give the same ranking."""
    cost, time = columns(values)
    noise = st.floats(-0.2 * TIE, 0.2 * TIE)
    factor = np.array(data.draw(st.lists(noise, min_size=len(values), max_size=len(values))))
    assert np.array_equal(goal_order(cost * (1 + factor), time, goal), goal_order(cost, time, goal))


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("count", [0, 1])
def test_few(goal, count):
    assert goal_order(np.ones(count), np.ones(count), goal).tolist() == list(range(count))


@pytest.mark.parametrize("goal", GOALS)
def test_order_of_appearance_does_not_matter(goal):
    """Any permutation of different schedules is sorted alike."""
    values = [(3.0, 2), (2.0, 3), (6.0, 1), (2.0, 4), (3.0, 1)]
    expected = sorted(values, key=lambda value: key(goal, *value))
    for shuffled in itertools.permutations(values):
        order = goal_order(*columns(shuffled), goal)
        assert [shuffled[index] for index in order.tolist()] == expected


def test_invalid_ones_are_last():
    order = goal_order(np.array([np.inf, 1.0, np.inf, 0.5]), np.array([1, 1, 1, 1]), "e")
    assert order.tolist() == [3, 1, 0, 2]


@given(st.lists(st.floats(0, 1e12, allow_nan=False), max_size=30))
def test_levels(values):
    """Levels rise with the values; equal ones are close to the least of their level."""
    values = np.array(values)
    found = levels(values)
    for one, other in itertools.product(range(len(values)), repeat=2):
        if found[one] < found[other]:
            assert values[one] < values[other]
    for level in set(found.tolist()):
        own = values[found == level]
        assert own.max() <= own.min() + TIE * abs(own.min())
    assert set(found.tolist()) == set(range(len(set(found.tolist()))))


def test_levels_tell_apart_what_is_not_rounding():
    values = np.array([1.0, 1 + 0.5 * TIE, 1 + 3 * TIE, 2.0])
    assert levels(values).tolist() == [0, 0, 1, 2]


@given(
    st.lists(st.tuples(st.sampled_from((0, 2, 2**40)), st.integers(0, 20)), max_size=40),
    st.sampled_from((0, ranking.FEW)),
)
def test_levels_of_groups(values, few):
    """Each group has the levels that it has by itself, above those of the groups before."""
    group, steps = np.array(values, dtype=np.int64).reshape(-1, 2).T
    values = 1 + 0.4 * TIE * steps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "FEW", few)
        found = levels(values, group)
    num = 0
    for own in sorted(set(group.tolist())):
        expected = num + levels(values[group == own])
        assert found[group == own].tolist() == expected.tolist()
        num = expected.max() + 1


def test_goal_keys():
    cost, time = np.array([4.0, 2.0]), np.array([3, 5])
    assert [list(key) for key in goal_keys(cost, time, "e")] == [[4, 2], [3, 5]]
    assert [list(key) for key in goal_keys(cost, time, "d")] == [[3, 5], [4, 2]]
    assert [list(key) for key in goal_keys(cost, time, "ed")] == [[12, 10], [0, 0]]


@pytest.mark.parametrize(
    ("bound", "value", "worse"),
    [
        ((2, 1), (1, 9), True),
        ((1, 9), (2, 1), False),
        ((1, 2), (1, 1), True),
        ((1, 1), (1, 1), False),
        ((1 + 1e-12, 0), (1, 1), False),
        ((1 - 1e-12, 2), (1, 1), False),
        ((math.inf, 1), (1, 1), True),
    ],
)
def test_exceeds(bound, value, worse):
    """Certainly worse: beyond what rounding explains."""
    assert exceeds(bound, value) == worse


@given(
    st.lists(st.integers(-3, 60), max_size=30),
    st.sampled_from((0.3, 0.9, 40)),
    st.sampled_from((0, ranking.FEW)),
)
def test_levels_begin_at_values_beyond_the_first_of_the_last(steps, share, few):
    """Also where neighbours are close and the ends of a chain are not."""
    values = np.array([(1 + share * TIE * step) * (-1 if step < 0 else 1) for step in steps])
    expected = {}
    rank, limit = -1, None
    for value in sorted(values.tolist()):
        if limit is None or value > limit:
            rank, limit = rank + 1, value + TIE * abs(value)
        expected[value] = rank
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "FEW", few)
        found = levels(values)
    assert found.tolist() == [expected[value] for value in values.tolist()]
