# SPDX-License-Identifier: BSD-3-Clause
"""Scheduling of one layer: which program or search runs, and what is told of its result.

Decides what a schedule is made of (docs/cosa.md section 3) and refuses machines that hold no
mapping before anything is searched. The programs "H" and "P" are in `formulation`, the search for
the proven optimum in `search`.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.core.record import is_real

from .errors import InputError, NoMappingError
from .evaluation import Evaluation, evaluate
from .mapping import Mapping
from .problem import TENSORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .architecture import Architecture
    from .mapspace import Mapspace
    from .problem import Problem
    from .program import Objective

EXACT = "exact"
FORMULATIONS = (EXACT, "H", "P")
GOALS = ("e", "d", "ed")

# What the memories of the original's programs store, innermost first, whatever its files say.
ORIGINAL_STORES = (
    ("Weights",),
    ("Outputs",),
    ("Weights",),
    ("Inputs",),
    ("Inputs", "Outputs"),
    TENSORS,
)


class _Answer(NamedTuple):
    """What either kind of search gives."""

    mapping: Mapping
    objective: Objective | None
    best_bound: float
    status: str


@dataclass(frozen=True)
class Schedule:
    """A mapping of a layer, what it costs, and what is proved about it.

    Attributes
    ----------
    problem, architecture
        The layer, and the machine with what its memories keep.
    formulation, goal
        What was searched for.
    mapping
        The mapping.
    evaluation
        What it costs. That of "exact" is valid; "H" and "P" may give a mapping that is not, since
        their programs know the capacities only approximately.
    objective
        Terms of the program of "H" or "P": total, utilisation, compute, traffic. None for "exact".
    best_bound
        Of "exact": no valid mapping has a lower value of the goal, in pJ, cycles, or pJ times
        cycles. Of "H" and "P": no solution of the program has a lower total.
    gap
        How far the value (or total) may be above the least one, relative to the bound.
    status
        "optimal"; "time limit" if that ended the search; "gap" if "exact" ended with the gap that
        it tells, which its bound cannot close.
    wall_s
        Seconds for everything.
    """

    problem: Problem
    architecture: Architecture
    formulation: str
    goal: str
    mapping: Mapping
    evaluation: Evaluation
    objective: Objective | None
    best_bound: float
    gap: float
    status: str
    wall_s: float

    @property
    def value(self) -> float:
        """Value of the goal."""
        return goal_value(self.goal, self.evaluation)


def goal_value(goal: str, evaluation: Evaluation) -> float:
    """Return energy in pJ ("e"), cycles ("d") or their product ("ed")."""
    energy = evaluation.energy_pj if "e" in goal else 1.0
    return energy * evaluation.cycles if "d" in goal else energy


def schedule(
    problem: Problem,
    architecture: Architecture,
    mapspace: Mapspace | None = None,
    formulation: str = EXACT,
    goal: str = "ed",
    time_limit: float | None = None,
    seed: int = 0,
    *,
    residency: str | Sequence[Sequence[int]] | None = None,
) -> Schedule:
    """Schedule a layer on a machine.

    Parameters
    ----------
    problem : Problem
        The layer.
    architecture : Architecture
        The machine.
    mapspace : Mapspace, optional
        What the memories keep, where it is not as the architecture says.
    formulation : str, optional
        "exact" is the mapping with the least value of the goal, with proof; "H" and "P" are the
        two revisions of the original's mixed-integer program, which has an objective of its own.
    goal : str, optional
        "e" energy, "d" delay, "ed" their product; for "exact".
    time_limit : float, optional
        Seconds after which the best that was found is returned, with what is proved by then.
    seed : int, optional
        Seed of the solver of "H" and "P".
    residency : str or table, optional
        Uneven mapping in "H" and "P", see `formulation.solve`.

    Raises
    ------
    InputError
        For an unknown formulation or goal, or a bad limit.
    NoMappingError
        If the machine holds no mapping, or none was found in time; with status and bound.
    MissingExtraError
        For "H" and "P" without HiGHS.

    Examples
    --------
    >>> from nn_dataflow.cosa import Architecture, Level, Problem
    >>> machine = Architecture((Level("Buffer", 64, 4), Level("DRAM", None)))
    >>> found = schedule(Problem({"C": 8, "K": 4}), machine, goal="d")
    >>> found.status, found.evaluation.cycles, round(found.best_bound, 2)
    ('optimal', 8, 8.0)
    """
    start = time.perf_counter()
    if formulation not in FORMULATIONS:
        raise InputError(
            f"formulation must be one of {', '.join(FORMULATIONS)}, got {formulation!r}"
        )
    if goal not in GOALS:
        raise InputError(f"goal must be one of {', '.join(GOALS)}, got {goal!r}")
    if time_limit is not None and not (is_real(time_limit) and time_limit > 0):
        raise InputError(f"time_limit must be a positive number of seconds, got {time_limit!r}")
    if formulation == EXACT and residency not in (None, "even"):
        raise InputError("residency: uneven mapping needs the formulation H or P")
    machine = architecture if mapspace is None else mapspace.apply(architecture)
    _check_capacities(machine)
    if formulation == EXACT:
        answer = _search(problem, machine, goal, time_limit)
    else:
        _warn_of_other_stores(machine)
        answer = _solve(problem, machine, formulation, time_limit, seed, residency)
    keeps = [level.keeps for level in machine.levels]
    mapping = Mapping(answer.mapping.levels, answer.mapping.residency, keeps)
    evaluation = evaluate(problem, machine, mapping)
    value = goal_value(goal, evaluation) if answer.objective is None else answer.objective.total
    gap = max(0.0, (value - answer.best_bound) / max(abs(answer.best_bound), 1e-300))
    wall_s = time.perf_counter() - start
    return Schedule(
        problem, machine, formulation, goal, mapping, evaluation, *answer[1:3], gap,
        answer.status, wall_s,
    )  # fmt: skip


def _search(
    problem: Problem, machine: Architecture, goal: str, time_limit: float | None
) -> _Answer:
    from .search import search  # noqa: PLC0415 (takes long to import)

    found = search(problem, machine, goal, time_limit=time_limit)
    if found.mapping is None:
        raise NoMappingError(
            f"{problem.name or 'the layer'}: no valid mapping found: {found.status}, no mapping"
            f" is below {found.bound:g}",
            found.status,
            found.bound,
        )
    return _Answer(found.mapping, None, float(found.bound), found.status)


def _solve(
    problem: Problem,
    machine: Architecture,
    formulation: str,
    time_limit: float | None,
    seed: int,
    residency: str | Sequence[Sequence[int]] | None,
) -> _Answer:
    from .formulation import solve  # noqa: PLC0415 (needs an extra)

    found = solve(
        problem, machine, formulation, residency=residency, time_limit=time_limit, seed=seed
    )
    return _Answer(found.mapping, found.objective, found.best_bound, found.status)


def _check_capacities(machine: Architecture) -> None:
    """Refuse a machine with a memory that cannot hold one word of each tensor that it keeps."""
    for level in machine.levels:
        if level.entries is not None and level.entries < len(level.keeps):
            raise NoMappingError(
                f"no valid mapping: {level.name} has {level.entries} entries, fewer than one for"
                f" each of {', '.join(level.keeps)}"
            )


def _warn_of_other_stores(machine: Architecture) -> None:
    stores = tuple(level.keeps for level in machine.levels)
    if len(stores) == len(ORIGINAL_STORES) and stores != ORIGINAL_STORES:
        warnings.warn(
            f"{machine.name}: memories keep other tensors than the program of the original takes"
            " for granted; they are kept as described",
            stacklevel=3,
        )
