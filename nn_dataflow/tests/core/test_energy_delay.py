# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve against the hull of all schedules (docs/model/search.md section 6.4)."""

import contextlib
import io
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.energy_delay import EnergyDelayCurve, EnergyDelaySearch
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests import reference_search as rs
from nn_dataflow.tests.core import test_pipeline_search as pipelined
from nn_dataflow.tests.core.test_network_search import MAX_WALK, machine, network_searches


def lower_hull(cost, time):
    """Corners (energy, time) that no mixture of others beats, from least energy to least time."""
    corners = []
    for point in sorted(set(zip(cost, time, strict=True))):
        if corners and point[1] >= corners[-1][1]:
            continue
        while len(corners) > 1 and not is_below(*corners[-2:], point):
            corners.pop()
        corners.append(point)
    return corners


def is_below(one, middle, two):
    """Whether the middle one is below the line between the others, rounding aside."""
    worth = (two[0] - one[0]) / (one[1] - two[1])
    value, line = middle[0] + worth * middle[1], one[0] + worth * one[1]
    return value < line * (1 - 1e-9)


def curve_of(network, batch, resource, cost, options, strategy):
    dataflow = NNDataflow(network, batch, resource, cost, strategy)
    with contextlib.redirect_stderr(io.StringIO()):
        return EnergyDelaySearch.of(dataflow, options).run()


@given(network_searches())
@settings(max_examples=20, deadline=None)
def test_curve_is_the_hull_of_everything(case):
    values = []
    for goal in ("e", "d"):  # of the two ways to treat filters the walk takes the better one
        oracle = rs.NetworkOracle(*case[:4], case[4]._replace(opt_goal=goal), case[5])
        assume(oracle.num_schedules() <= MAX_WALK)
        values.append(oracle.values())
    assert_is_hull(curve_of(*case), *map(np.concatenate, zip(*values, strict=True)))


@given(pipelined.searches())
@settings(max_examples=12, deadline=None)
def test_curve_of_pipelines_is_the_hull_of_everything(case):
    values = pipelined.all_values(case)
    assert_is_hull(curve_of(*case), *zip(*values, strict=True) if values else ((), ()))


def assert_is_hull(found, cost, time):
    """The corners are schedules, and no schedule is below the lines between them."""
    cost, time = np.asarray(cost, dtype=float), np.asarray(time, dtype=float)
    if not len(cost):
        assert found is None
        return
    ours = [(corner.cost, corner.time) for corner in found.corners]
    assert found.is_complete
    assert len(found.edges) == len(ours) - 1
    for corner in found.corners:
        assert corner.cost == corner.scheme.total_cost
        assert corner.time == corner.scheme.total_time
    for energy, delay in ours:
        assert any(rs.close((energy, delay), one) for one in zip(cost, time, strict=True))
    assert math.isclose(ours[0][0], cost.min(), rel_tol=1e-9)
    assert ours[-1][1] == pytest.approx(time.min()) or len(ours) == 1
    for edge, (one, two) in zip(found.edges, itertools.pairwise(ours), strict=True):
        assert edge.worth == pytest.approx((two[0] - one[0]) / (one[1] - two[1]))
        assert (cost + edge.worth * time).min() >= edge.certificate.value * (1 - 1e-8)
    assert all(one[0] < two[0] and one[1] > two[1] for one, two in itertools.pairwise(ours))


@pytest.mark.parametrize("idle", [0, 3])
def test_static_energy_is_that_of_the_machine(idle):
    """Whatever a cycle was worth in the search that found a corner."""
    network = pipelined.tiny_network("four", 3, 3, 2, 2)
    resource = machine((1, 1), size_gbuf=400, size_regf=5)
    resource = resource._replace(dim_array=PhyDim2(2, 2), array_bus_width=2)
    cost = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=100, idl_unit=idle)
    options = Option(sw_gbuf_bypass=(True, False, True), hw_gbuf_save_writeback=True)
    case = network, 2, resource, cost
    found = curve_of(*case, options, MapStrategyEyeriss)
    assert len(found.corners) > 1
    for corner in found.corners:
        parts = [result.scheme for result in corner.scheme.values()]
        assert all(part["cost_static"] == idle * part["time"] for part in parts)
        others = sum(part["cost"] - part["cost_static"] for part in parts)
        assert corner.cost == pytest.approx(others + idle * corner.time)
    best = {
        goal: NNDataflow(*case, MapStrategyEyeriss).schedule_search(
            options._replace(opt_goal=goal)
        )[0][0]
        for goal in ("e", "d", "ed")
    }
    for goal, corner in (("e", found.corners[0]), ("d", found.corners[-1])):
        values = best[goal].total_cost, best[goal].total_time
        assert rs.close(values, (corner.cost, corner.time))
    # The least product is at a corner.
    products = [corner.cost * corner.time for corner in found.corners]
    assert best["ed"].total_cost * best["ed"].total_time == pytest.approx(min(products))


class Fake:
    """A scheme with nothing but totals."""

    def __init__(self, cost, time):
        self.total_cost, self.total_time = cost, time


POINTS = [(10, 100), (11, 60), (14, 30), (20, 14), (33, 8), (60, 6), (100, 5), (90, 90), (22, 13)]


def search_points(goal, worth):
    """The best of `POINTS`."""
    keys = [(t, e) if goal == "d" else (e + worth * t, t) for e, t in POINTS]
    value, best = min((key, number) for number, key in enumerate(keys))
    return Fake(*POINTS[best]), Certificate(value[0], value[0])


def known_curve(most=None, search=search_points):
    told = []
    curve = EnergyDelaySearch(search, most, lambda *news: told.append(news)).run()
    return [(c.cost, c.time) for c in curve.corners], curve, told


def test_all_corners():
    corners, curve, told = known_curve()
    assert corners == lower_hull(*zip(*POINTS, strict=True))
    assert curve.is_complete
    # A search for each corner, and one for each edge but those between.
    assert len(told) == 2 * len(corners) - 1
    assert told[:2] == [(0, 0, "least energy"), (1, 0, "least time")]
    assert told[2][:2] == (2, 1)


@pytest.mark.parametrize("most", range(2, 8))
def test_no_more_corners_than_wanted(most):
    """What is proven of the edges not looked below follows from the searches done."""
    every, _, _ = known_curve()
    corners, curve, _ = known_curve(most)
    assert len(corners) == min(most, len(every))
    assert set(corners) <= set(every)
    for edge, (one, two) in zip(curve.edges, itertools.pairwise(corners), strict=True):
        least = min(e + edge.worth * t for e, t in POINTS)
        assert edge.certificate.lower_bound <= least * (1 + 1e-12)
        assert edge.certificate.value == pytest.approx(one[0] + edge.worth * one[1])
        assert edge.certificate.value == pytest.approx(two[0] + edge.worth * two[1])
        assert edge.certificate.lower_bound > 0
    assert curve.is_complete == (len(corners) == len(every))


def test_bounds_of_searches_that_prove_less():
    """The gap is that of the search which found nothing better."""

    def search(goal, worth):
        scheme, certificate = search_points(goal, worth)
        return scheme, certificate._replace(lower_bound=0.9 * certificate.value)

    _, curve, _ = known_curve(search=search)
    assert not curve.is_complete
    assert [edge.certificate.gap for edge in curve.edges] == pytest.approx([0.1] * len(curve.edges))


@pytest.mark.parametrize(
    ("cheapest", "points", "corners"),
    [
        ((10, 10), [(9, 10), (20, 5)], [(9, 10), (20, 5)]),
        ((10, 10), [(9, 9.5), (20, 5)], [(9, 9.5), (20, 5)]),
        ((10, 10), [(9, 5)], [(9, 5)]),
        ((10, 10), [(9.5, 12), (9, 14), (11, 5)], [(9, 14), (11, 5)]),
    ],
)
def test_searches_that_miss_the_best(cheapest, points, corners):
    """What a later search finds takes the place of what is worse, and nothing is called proven."""

    def search(goal, worth):
        keys = [(t, e) if goal == "d" else (e + worth * t, t) for e, t in points]
        value, number = min((key, number) for number, key in enumerate(keys))
        best = points[number] if worth or goal == "d" else cheapest
        return Fake(*best), Certificate(value[0], value[0] / 2)

    found, curve, _ = known_curve(search=search)
    assert set(found) <= {*points, cheapest}
    assert all(one[0] < two[0] and one[1] > two[1] for one, two in itertools.pairwise(found))
    assert found[-1] == corners[-1]
    assert set(found) <= set(corners) | {cheapest}
    assert not curve.is_complete


def test_schedules_that_cost_nothing():
    points = [(0, 10), (1, 6), (5, 5)]

    def search(goal, worth):
        keys = [(t, e) if goal == "d" else (e + worth * t, t) for e, t in points]
        value, number = min((key, number) for number, key in enumerate(keys))
        return Fake(*points[number]), Certificate(value[0], value[0])

    found, curve, _ = known_curve(search=search)
    assert found == points
    assert curve.is_complete


def test_no_schedule():
    assert EnergyDelaySearch(lambda _goal, _worth: None).run() is None


def test_one_corner():
    """Where the cheapest schedule is the fastest one."""
    fake = Fake(5, 5), Certificate(5, 5)
    curve = EnergyDelaySearch(lambda _goal, _worth: fake).run()
    assert len(curve.corners) == 1
    proven = Certificate(5, 5)
    assert curve == EnergyDelayCurve(curve.corners, (), (proven, proven))
    assert curve.is_complete


@pytest.mark.parametrize("number", range(1, 9))
def test_what_is_known_when_it_is_interrupted(number):
    """The corners found so far, and what the searches done prove of the edges."""
    left = iter(range(number))

    def search(goal, worth):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return search_points(goal, worth)

    interrupted = EnergyDelaySearch(search)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run()
    curve = interrupted.curve()
    assert not curve.is_complete
    assert len(curve.edges) == len(curve.corners) - 1
    for edge in curve.edges:
        least = min(e + edge.worth * t for e, t in POINTS)
        assert edge.certificate.lower_bound <= least * (1 + 1e-12)


def test_nothing_is_known_before_the_first_search():
    assert EnergyDelaySearch(search_points).curve() is None
