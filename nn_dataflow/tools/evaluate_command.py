# SPDX-License-Identifier: BSD-3-Clause
"""`nn_dataflow evaluate`: evaluates the schedules of a stored result, without searching.

Decides on what it is evaluated and what is told (docs/evaluate.md): on the machine that it was
found for, or on another; as the search tells its results, and how far it is from what is stored.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from nn_dataflow.constraints.constraint_file import constraints
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.schedule_plan import CapacityError, ScheduleEvaluator
from nn_dataflow.errors import InputError, MissingExtraError
from nn_dataflow.nns import import_network
from nn_dataflow.version import get_version

from .argument_checks import OneLineParser, Refused
from .exit_status import NoDataflow
from .result_json import record
from .result_output import ResultOutput
from .result_table import render
from .search_options import PLOT_HELP, REPORT_HELP
from .search_result import Problem, SearchResult
from .stored_result import read_result
from .stored_schedules import evaluate_others
from .terminal import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.machines.spec import Machine

    from .stored_result import StoredResult

PROG = "nn_dataflow evaluate"


def run(argv: Sequence[str]) -> None:
    """Evaluate stored schedules, and put the result where the arguments say.

    Raises
    ------
    Refused
        If the file or the machine is refused, or the schedule means nothing for it.
    NoDataflow
        If the schedule does not fit.
    OutputError
        If the result cannot be written.
    """
    parser = OneLineParser(
        prog=PROG,
        description="Evaluate the schedules of a result of nn_dataflow_search, without searching.",
    )
    parser.add_argument("result", metavar="RESULT.json", help="JSON that nn_dataflow_search wrote")
    parser.add_argument(
        "--arch", metavar="NAME|FILE", help="another machine: a preset, or a file (.yaml, .json)"
    )
    parser.add_argument(
        "--net", metavar="NAME|FILE", help="where the network is now (default: as stored)"
    )
    parser.add_argument(
        "--explain", metavar="LAYER", action="append", default=[], help="print a layer's loop nest"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, on a terminal as well")
    parser.add_argument("-o", "--output", metavar="FILE", help="write JSON to this file")
    parser.add_argument("--plot", metavar="DIR", help=PLOT_HELP)
    parser.add_argument("--report", metavar="FILE", help=REPORT_HELP)
    parser.add_argument("--debug", action="store_true", help="show where in the program it failed")
    given = parser.parse_args(argv)
    output = ResultOutput(
        given.output,
        json=given.json,
        layers=given.explain,
        plot=given.plot,
        report=given.report,
        command=[*PROG.split(), *argv],
        net=given.net,
        arch=given.arch,
        inputs={"RESULT.json": given.result},
    )
    stored = read_result(given.result)
    result, left_out = evaluated(given.result, stored, given.arch, given.net)
    output.check_layers(result.problem.net, result.problem.network)

    def table(width: int) -> str:
        return f"{render(result, width)}\n{_difference(given.result, stored, result)}\n"

    def values() -> dict[str, Any]:
        told = {
            "file": given.result,
            "stored_cost": stored.cost,
            "stored_time": stored.time,
            "left_out": left_out,
        }
        return {**record(result, get_version(with_local=True)), "evaluated": told}

    if left_out:
        more = f", and {len(left_out) - 1} more" if left_out[1:] else ""
        complain(f"{PROG}: {given.result}: left out: {left_out[0]}{more}")
    output.put(result, values, table)


def evaluated(
    path: str, stored: StoredResult, arch: str | None, net: str | None
) -> tuple[SearchResult, list[str]]:
    """Evaluate stored schedules.

    Parameters
    ----------
    path
        The file that it is from, for messages.
    stored
        What the file says.
    arch, net
        Another machine, and another place of the network, if given.

    Returns
    -------
    SearchResult
        The best schedule, those after it, and the curve, as far as they were stored.
    list of str
        Of each schedule beside the best one that is left out, where it is stored, and why.

    Raises
    ------
    Refused
        If the best schedule means nothing for the network or the machine.
    NoDataflow
        If it does not fit.
    """
    machine = stored.machine if arch is None else _machine(arch)
    try:
        # What the program of a network prints is no part of the result.
        with contextlib.redirect_stdout(sys.stderr):
            network = import_network(net or stored.net)
    except ImportError as error:
        raise Refused(str(error)) from error
    begin = time.perf_counter()
    evaluator = ScheduleEvaluator(
        network, stored.batch, machine.resource, machine.cost, stored.options, MapStrategyEyeriss
    )
    try:
        scheme = evaluator.evaluate(stored.plan)
    except CapacityError as error:
        raise NoDataflow(f"{path} does not fit {arch or 'its machine'}: {error}") from error
    except ValueError as error:
        raise Refused(f"{path}: {error}") from error
    try:
        wanted = constraints(stored.constraints, network, stored.options)
    except InputError as error:
        raise Refused(f"{path}: {error}") from error
    problem = Problem(
        net or stored.net, stored.batch, network, machine, stored.options, constraints=wanted
    )
    others = evaluate_others(stored, scheme, evaluator, same_machine=arch is None)
    # What was proven holds for the same figures of the same problem only.
    is_same = arch is None and (scheme.total_cost, scheme.total_time) == (stored.cost, stored.time)
    proven = stored.certificate if is_same else None
    seconds = time.perf_counter() - begin
    result = SearchResult(
        problem,
        [scheme, *others.schemes],
        (0, 0),
        seconds,
        effort={},
        certificate=proven,
        seconds={},
        curve=others.curve,
    )
    return result, others.left_out


def _machine(arch: str) -> Machine:
    from nn_dataflow.machines.machine_file import load  # noqa: PLC0415

    try:
        return load(arch).machine()
    except (InputError, MissingExtraError) as error:
        raise Refused(f"--arch: {error}") from error


def _difference(path: str, stored: StoredResult, result: SearchResult) -> str:
    """Say how the figures compare with those stored."""
    best = result.best
    if (best.total_cost, best.total_time) == (stored.cost, stored.time):
        return f"evaluated without a search; cost and time are those stored in {path}"
    pairs = (("cost", best.total_cost, stored.cost), ("time", best.total_time, stored.time))
    texts = [
        f"{name} {here:g} ({here / there:.6g} times the {there:g} stored)"
        if there
        else f"{name} {here:g} (0 stored)"
        for name, here, there in pairs
    ]
    return f"evaluated without a search: {'; '.join(texts)} in {path}"
