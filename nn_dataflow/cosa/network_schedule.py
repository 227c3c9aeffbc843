# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of all layers of a network.

Decides that each distinct layer is scheduled once, where, and in which order results come
(docs/cosa.md section 5).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from nn_dataflow.core.forked import quiet_fork, start_method
from nn_dataflow.core.layer import InputLayer

from .problem import Problem
from .scheduler import schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from nn_dataflow.core.network import Network

    from .architecture import Architecture
    from .scheduler import Schedule

    Progress = Callable[[int, int, str], None]


def network_problems(network: Network, batch_size: int) -> dict[str, Problem]:
    """Return all layers of a network that compute something, by name.

    Examples
    --------
    >>> from nn_dataflow.nns import import_network
    >>> sorted(network_problems(import_network("mlp_s"), 1))
    ['fc1', 'fc2', 'fc3']
    """
    return {
        name: Problem.from_layer(network[name], batch_size, name)
        for name in network
        if not isinstance(network[name], InputLayer)
    }


def schedule_all(
    problems: Sequence[Problem],
    architecture: Architecture,
    *,
    formulation: str = "exact",
    goal: str = "ed",
    time_limit: float | None = None,
    seed: int = 0,
    residency: str | None = None,
    processes: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Schedule]:
    """Schedule many layers, each distinct one once.

    Parameters
    ----------
    problems : sequence of Problem
        The layers; equal ones may have several names.
    architecture, formulation, goal, time_limit, seed, residency
        As of `schedule`; the limit is per layer.
    processes : int, optional
        Processes to start where there are several distinct layers.
    executor : concurrent.futures.Executor, optional
        Where to run instead.
    progress : callable, optional
        Told the number of layers done, that of all distinct layers, and the name of the last one.

    Returns
    -------
    list of Schedule
        One for each layer, in their order.

    Raises
    ------
    InputError, NoMappingError, MissingExtraError
        As of `schedule`, from the first layer that fails.
    """
    distinct = list(dict.fromkeys(problems))
    arguments = (architecture, None, formulation, goal, time_limit, seed)
    found: dict[Problem, Schedule] = {}

    def done(problem: Problem, result: Schedule) -> None:
        found[problem] = result
        if progress is not None:
            progress(len(found), len(distinct), problem.name or "")

    with ExitStack() as stack:
        if executor is None and processes > 1 and len(distinct) > 1:
            executor = stack.enter_context(_own_processes(min(processes, len(distinct))))
        if executor is None:
            for problem in distinct:
                done(problem, schedule(problem, *arguments, residency=residency))
        else:
            from concurrent.futures import as_completed  # noqa: PLC0415 (slow to import)

            with quiet_fork():
                waiting = {
                    executor.submit(schedule, problem, *arguments, residency=residency): problem
                    for problem in distinct
                }
            try:
                for future in as_completed(waiting):
                    done(waiting[future], future.result())
            finally:
                for future in waiting:
                    future.cancel()
    return [_renamed(found[problem], problem) for problem in problems]


def _own_processes(number: int) -> Executor:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 (slow to import)
    from multiprocessing import get_context  # noqa: PLC0415

    return ProcessPoolExecutor(number, mp_context=get_context(start_method()))


def _renamed(result: Schedule, problem: Problem) -> Schedule:
    return result if result.problem.name == problem.name else replace(result, problem=problem)
