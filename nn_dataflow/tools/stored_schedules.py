# SPDX-License-Identifier: BSD-3-Clause
"""The schedules of a stored result beside the best one, evaluated: the next ones, and its curve.

Decides what becomes of them on another machine (docs/evaluate.md section 4): what is none for it,
or does not fit, is left out, and the curve is that of the schedules which are left, with nothing
proven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.energy_delay import Corner, EnergyDelayCurve, EnergyDelaySearch
from nn_dataflow.core.schedule_plan import CapacityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
    from nn_dataflow.core.schedule_plan import ScheduleEvaluator

    from .stored_result import StoredCurve, StoredResult, StoredSchedule

UNKNOWN = 0.0
"""Lower bound of energy, time and their sums of which nothing is proven."""


class Others(NamedTuple):
    """Schedules beside the best one, the curve, and of each that was left out, where and why."""

    schemes: list[NNDataflowScheme]
    curve: EnergyDelayCurve | None
    left_out: list[str]


def evaluate_others(
    stored: StoredResult,
    best: NNDataflowScheme,
    evaluator: ScheduleEvaluator,
    *,
    same_machine: bool,
) -> Others:
    """Evaluate what a stored result has beside its best schedule.

    Parameters
    ----------
    stored
        The result.
    best
        Its best schedule, evaluated.
    evaluator
        Evaluates schedules on the machine that is asked for.
    same_machine
        Whether that is the stored one, for which proofs hold if the figures are the stored ones.
    """
    left_out: list[str] = []
    schemes = [*_evaluated(stored.others, evaluator, left_out)]
    curve = None
    if stored.curve is not None:
        corners = [*_evaluated(stored.curve.corners, evaluator, left_out)]
        is_same = [(one.total_cost, one.total_time) for one in corners] == [
            (one.cost, one.time) for one in stored.curve.corners
        ]
        curve = (
            _as_stored(stored.curve, corners)
            if same_machine and is_same
            else curve_among([best, *schemes, *corners])
        )
    return Others(schemes, curve, left_out)


def _evaluated(
    several: Iterable[StoredSchedule], evaluator: ScheduleEvaluator, left_out: list[str]
) -> Iterable[NNDataflowScheme]:
    """Return those that can be evaluated, and note the others."""

    def attempt(one: StoredSchedule) -> NNDataflowScheme | None:
        try:
            return evaluator.evaluate(one.plan)
        except (CapacityError, ValueError) as error:
            left_out.append(f"{one.where}: {error}")
            return None

    return (scheme for scheme in map(attempt, several) if scheme is not None)


def _as_stored(curve: StoredCurve, schemes: Sequence[NNDataflowScheme]) -> EnergyDelayCurve:
    """Return the curve with all that is proven; of its ends only whether they are is stored."""
    corners = tuple(Corner(one, one.total_cost, one.total_time) for one in schemes)
    cost, time = corners[0].cost, corners[-1].time
    ends = [Certificate(end, end if curve.is_complete else UNKNOWN) for end in (cost, time)]
    return EnergyDelayCurve(corners, curve.edges, (ends[0], ends[1]))


def curve_among(schemes: Sequence[NNDataflowScheme]) -> EnergyDelayCurve | None:
    """Return the energy-delay curve of some schedules, which proves nothing of others."""

    def search(goal: str, worth: float) -> tuple[NNDataflowScheme, Certificate]:
        def value(one: NNDataflowScheme) -> tuple[float, float]:
            if goal == "d":
                return one.total_time, one.total_cost
            return one.total_cost + worth * one.total_time, one.total_time

        best = min(schemes, key=value)
        return best, Certificate(value(best)[0], UNKNOWN)

    return EnergyDelaySearch(search).run()
