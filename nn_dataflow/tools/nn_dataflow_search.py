# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool: finds the best dataflow of a network on an accelerator, and shows it.

Decides how the quantities of the command line become the model's (docs/model/search.md section 7,
docs/model/hardware.md section 8), where the result goes, and the exit status. The modules that
are only needed after the arguments are found good are loaded then.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if not __package__:
    # Without pathlib, which is slow to import.
    sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])  # noqa: PTH100

from nn_dataflow.tools.argument_checks import Refused
from nn_dataflow.tools.exit_status import Interrupted, NoDataflow, run_tool
from nn_dataflow.tools.search_arguments import PROG, parse_arguments
from nn_dataflow.tools.search_options import CONSTRAINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nn_dataflow.core.constraints import Constraints
    from nn_dataflow.core.energy_delay import EnergyDelayCurve
    from nn_dataflow.core.network import Network
    from nn_dataflow.core.nn_dataflow import NNDataflow
    from nn_dataflow.core.option import Option
    from nn_dataflow.machines.spec import Machine
    from nn_dataflow.tools.search_arguments import Arguments
    from nn_dataflow.tools.search_result import Problem, SearchResult


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status: 0 with a result, 2 for bad input, 3 if no dataflow is valid, 1 if the program
        failed, 130 when interrupted (with a result if one was found until then), 141 if the reader
        of the output went away. Except with 0 and 141, there is one line on standard error.
    """
    # The matrix products of a search are small: threads cost more at start than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return run_tool(PROG, argv, parse_arguments, run)


def run(arguments: Arguments) -> None:
    """Search, and put the result where the arguments say.

    Raises
    ------
    Refused
        For bad input, before the search starts.
    NoDataflow
        If no dataflow is valid.
    Interrupted
        After Ctrl-C, with what was found until then.
    OutputError
        If the result cannot be written.
    """
    from nn_dataflow.tools.result_output import ResultOutput  # noqa: PLC0415

    output = ResultOutput(
        arguments.output,
        json=arguments.json,
        layers=arguments.explain,
        plot=arguments.plot,
        report=arguments.report,
        command=[PROG, *arguments.words],
        net=arguments.net,
        arch=arguments.arch,
        inputs={CONSTRAINTS: arguments.constraints},
    )
    problem = describe(arguments)
    output.check_layers(problem.net, problem.network)
    result = search(arguments, problem)

    def table(width: int) -> str:
        from nn_dataflow.tools.result_table import render  # noqa: PLC0415

        return render(result, width)

    def record() -> dict[str, Any]:
        from nn_dataflow.tools import result_json  # noqa: PLC0415
        from nn_dataflow.version import get_version  # noqa: PLC0415

        return result_json.record(result, get_version(with_local=True))

    output.put(result, record, table)
    if result.interrupted:
        raise Interrupted(_gap(result))


def describe(
    arguments: Arguments,
    network: Network | None = None,
    machine: Machine | None = None,
    constraints: Mapping[str, Any] | Constraints | None = None,
) -> Problem:
    """Return the search that the arguments ask for, in words and cycles.

    Parameters
    ----------
    arguments
        What is asked for.
    network, machine, constraints
        In the place of those that the arguments name.

    Raises
    ------
    Refused
        If there is no such network, or the hardware, the options or the constraints make no sense
        together.
    """
    from nn_dataflow.core.option import Option  # noqa: PLC0415
    from nn_dataflow.nns import import_network  # noqa: PLC0415
    from nn_dataflow.tools.machine_arguments import capacities, machine_spec  # noqa: PLC0415
    from nn_dataflow.tools.search_result import Problem  # noqa: PLC0415

    try:
        if network is None:
            # What the program of a network prints is no part of the result.
            with contextlib.redirect_stdout(sys.stderr):
                network = import_network(arguments.net)
        given = ""
        if machine is None:
            machine = machine_spec(arguments).machine()
            given = capacities(arguments)
        options = Option(
            sw_gbuf_bypass=tuple(letter not in arguments.disable_bypass for letter in "fio"),
            sw_solve_loopblocking=arguments.solve_loopblocking,
            sw_imperfect=arguments.imperfect,
            hw_access_forwarding=arguments.enable_access_forwarding,
            hw_gbuf_sharing=arguments.enable_gbuf_sharing,
            hw_gbuf_save_writeback=arguments.enable_save_writeback,
            partition_hybrid=arguments.hybrid_partition,
            partition_batch=arguments.batch_partition,
            partition_ifmaps=arguments.ifmaps_partition,
            partition_interlayer=arguments.interlayer_partition,
            layer_pipeline_time_ovhd=arguments.layer_pipeline_time_overhead,
            layer_pipeline_max_degree=arguments.layer_pipeline_max_degree,
            layer_pipeline_opt=not arguments.disable_interlayer_opt,
            opt_goal=arguments.goal,
            ntops=arguments.top,
            nprocesses=arguments.processes,
            verbose=arguments.verbose,
        )
    except (ImportError, ValueError) as error:
        raise Refused(error) from error
    wanted = _constraints(constraints or arguments.constraints, network, options)
    return Problem(arguments.net, arguments.batch, network, machine, options, given, wanted)


def _constraints(
    given: str | Mapping[str, Any] | Constraints | None, network: Network, options: Option
) -> Constraints:
    """Return what is fixed or forbidden in the schedules of a network."""
    from nn_dataflow.constraints.constraint_file import constraints  # noqa: PLC0415
    from nn_dataflow.errors import InputError, MissingExtraError  # noqa: PLC0415

    try:
        return constraints(given, network, options)
    except (InputError, MissingExtraError) as error:
        raise Refused(f"{CONSTRAINTS}: {error}") from error


def search(arguments: Arguments, problem: Problem) -> SearchResult:
    """Run the search, with a progress line where someone waits for it.

    Raises
    ------
    Refused
        If a layer is too large to be searched.
    NoDataflow
        If no dataflow is valid.
    Interrupted
        After Ctrl-C, if nothing was found until then.
    """
    from nn_dataflow.core.map_strategy import MapStrategyEyeriss  # noqa: PLC0415
    from nn_dataflow.core.nn_dataflow import NNDataflow  # noqa: PLC0415
    from nn_dataflow.tools.progress import ProgressLine  # noqa: PLC0415
    from nn_dataflow.tools.search_result import SearchResult  # noqa: PLC0415

    options, machine = problem.options, problem.machine
    talks = options.verbose or arguments.debug
    progress = ProgressLine(arguments.net)
    try:
        nnd = NNDataflow(
            problem.network,
            problem.batch,
            machine.resource,
            machine.cost,
            MapStrategyEyeriss,
            problem.constraints,
        )
    except ValueError as error:
        reason = str(error).removeprefix("NNDataflow: ")
        raise Refused(f"{arguments.net}: {reason}") from error
    # What the search says of its own failure is said better, and in one line, by this program.
    said = io.StringIO()
    begin = time.perf_counter()
    interrupted = False
    try:
        try:
            if talks:
                tops, cache_stats = nnd.schedule_search(options)
            else:
                progress.start()
                with contextlib.redirect_stderr(said):
                    tops, cache_stats = nnd.schedule_search(options, progress=progress)
        finally:
            progress.stop()
    except KeyboardInterrupt:
        interrupted = True
        tops, cache_stats = nnd.found_so_far(), nnd.cache_stats()
        if not tops:
            raise Interrupted("before a schedule was found") from None
    curve = None
    if arguments.pareto and tops and not interrupted:
        curve, interrupted = find_curve(nnd, options, arguments.net)
    elapsed = time.perf_counter() - begin
    if not tops:
        given = f" ({problem.given})" if problem.given else ""
        raise NoDataflow(f"no valid dataflow for {arguments.net}: {nnd.failure}{given}")
    if sys.stderr is not None:
        sys.stderr.write(said.getvalue())
    return SearchResult(
        problem,
        tops,
        cache_stats,
        elapsed,
        nnd.effort.as_dict(),
        nnd.certificate,
        nnd.seconds,
        interrupted,
        nnd.log10_space,
        curve,
    )


def find_curve(
    dataflow: NNDataflow, options: Option, title: str
) -> tuple[EnergyDelayCurve | None, bool]:
    """Find the energy-delay curve, or what is known of it after Ctrl-C; and whether that came."""
    from nn_dataflow.core.energy_delay import EnergyDelaySearch  # noqa: PLC0415
    from nn_dataflow.tools.progress import ProgressLine  # noqa: PLC0415

    progress = ProgressLine(title)

    def tell(known: int, num_open: int, what: str) -> None:
        progress(known, known + num_open, what)

    search = EnergyDelaySearch.of(dataflow, options, progress=tell)
    progress.start()
    try:
        return search.run(), False
    except KeyboardInterrupt:
        return search.curve(), True
    finally:
        progress.stop()


def _gap(result: SearchResult) -> str:
    """Say what an interrupted search has found."""
    from nn_dataflow.tools.effort_text import proof  # noqa: PLC0415

    return f"with the best found so far; {proof(result)[0]}"


if __name__ == "__main__":
    sys.exit(main())
