# SPDX-License-Identifier: BSD-3-Clause
"""Which prefixes of equal places are kept, against a loop over them one by one.

What is added to all of them later changes nothing (docs/model/search.md section 6).
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import ranking
from nn_dataflow.core.ranking import TIE, goal_order, levels
from nn_dataflow.core.unbeaten import groups_of_equal, unbeaten
from nn_dataflow.tests import reference_search as rs

GOALS = ("e", "d", "ed")
VALUES = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=20)


@given(VALUES, VALUES, st.sampled_from(GOALS), st.integers(1, 4))
@settings(max_examples=200)
def test_unbeaten_loses_no_sum(values, others, goal, num):
    """With anything added to all, the `num` best remain, equal ones counted."""
    cost, time = (np.array(column) for column in zip(*values, strict=True))
    kept = unbeaten(np.zeros_like(time), cost.astype(float), time, goal, num)
    assert len(set(kept.tolist())) == len(kept)
    for more_cost, more_time in others:
        keys = sorted(rs.goal_key(goal, c + more_cost, t + more_time) for c, t in values)
        left = sorted(
            rs.goal_key(goal, cost[index] + more_cost, time[index] + more_time)
            for index in kept.tolist()
        )
        assert left[:num] == keys[:num]


def unbeaten_one_by_one(cost, time, goal, num):
    """Indices of schedules of one group that fewer than `num` of those before them beat."""
    if goal != "ed":
        return goal_order(cost, time, goal)[:num].tolist()
    kept = []
    for index in np.lexsort((time, levels(cost))).tolist():
        if sum(time[other] <= time[index] for other in kept) < num:
            kept.append(index)
    return kept


# Energies that are equal, or close enough to be, also as neighbours in a chain that is not.
COSTS = st.builds(
    lambda value, steps: value * (1 + 0.4 * TIE * steps), st.integers(1, 4), st.integers(0, 6)
)
TIMES = st.one_of(st.integers(1, 6), st.integers(1, 2**60))
SCHEDULES = st.lists(
    st.tuples(st.sampled_from((0, 1, 3, 2**61)), COSTS, TIMES), min_size=1, max_size=40
)


@given(SCHEDULES, st.sampled_from(GOALS), st.integers(1, 4), st.sampled_from((0, ranking.FEW)))
@settings(max_examples=400)
def test_unbeaten_of_each_group(schedules, goal, num, few):
    """The same ones as if each group were looked at by itself, one after another."""
    group, cost, time = (np.array(column) for column in zip(*schedules, strict=True))
    expected = []
    for own in set(group.tolist()):
        rows = np.flatnonzero(group == own)
        expected += rows[unbeaten_one_by_one(cost[rows], time[rows], goal, num)].tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "FEW", few)
        assert unbeaten(group, cost, time, goal, num).tolist() == sorted(expected)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("num", [1, 3])
def test_unbeaten_of_many(goal, num):
    """Some thousand schedules of some dozen groups, many of them equal."""
    rng = np.random.default_rng(7)
    group = rng.integers(0, 40, 5000)
    cost, time = rng.integers(1, 200, 5000) * 1.5, rng.integers(1, 200, 5000)
    cost *= 1 + 0.7 * TIE * rng.integers(0, 3, 5000)
    expected = []
    for own in range(40):
        rows = np.flatnonzero(group == own)
        expected += rows[unbeaten_one_by_one(cost[rows], time[rows], goal, num)].tolist()
    assert unbeaten(group, cost, time, goal, num).tolist() == sorted(expected)


@pytest.mark.parametrize("goal", GOALS)
def test_unbeaten_of_none(goal):
    none = np.zeros(0, dtype=np.int64)
    assert unbeaten(none, np.zeros(0), none, goal, 1).tolist() == []


@given(st.integers(0, 3), st.lists(st.tuples(*[st.integers(-1, 2)] * 3), min_size=1, max_size=20))
def test_groups_of_equal(num_columns, rows):
    places = np.array(rows)[:, :num_columns]
    groups = [group.tolist() for group in groups_of_equal(places)]
    assert sorted(itertools.chain(*groups)) == list(range(len(rows)))
    of_groups = [{tuple(places[index].tolist()) for index in group} for group in groups]
    assert all(len(own) == 1 for own in of_groups)
    assert len(set.union(*of_groups)) == len(groups)
    assert all(group == sorted(group) for group in groups)
