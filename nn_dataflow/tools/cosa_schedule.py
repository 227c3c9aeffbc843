# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool: schedules a layer, or all layers of a network, on a spatial accelerator.

Decides where results go and how failures end (docs/cosa.md sections 5 and 6). The modules that are
only needed after the arguments are found good are loaded then.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

# The arrays are small: threads cost more at start than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if not __package__:
    # Without pathlib, which is slow to import.
    sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])  # noqa: PTH100

from nn_dataflow.tools.argument_checks import Refused, refuse_layer
from nn_dataflow.tools.cosa_arguments import PROG, parse_arguments
from nn_dataflow.tools.exit_status import NoDataflow, run_tool
from nn_dataflow.tools.terminal import OutputError, complain, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.cosa import Architecture, Problem, Schedule
    from nn_dataflow.tools.cosa_arguments import Arguments


_FOLDER = "--output_dir"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status: 0 with a schedule for each layer, 2 for bad input, 3 without a valid mapping,
        1 if the program failed, 130 when interrupted, 141 if the reader of the output went away.
        Except with 0 and 141, there is one line on standard error.
    """
    return run_tool(PROG, argv, parse_arguments, run)


def run(arguments: Arguments) -> None:
    """Schedule, and put the results where the arguments say.

    Raises
    ------
    Refused
        For bad input or a missing extra, or if a file that is read would be overwritten.
    NoDataflow
        If a layer has no valid mapping, or none was found in time; a record of the status and the
        bound is printed before.
    OutputError
        If a result cannot be written.
    """
    from nn_dataflow.cosa.errors import (  # noqa: PLC0415
        InputError,
        MissingExtraError,
        NoMappingError,
    )
    from nn_dataflow.cosa.output import FILES, folder_of  # noqa: PLC0415
    from nn_dataflow.tools.output_file import refuse_overwriting  # noqa: PLC0415

    read = _files_read(arguments)
    refuse_overwriting({_FOLDER: arguments.output_dir}, read)
    with warnings.catch_warnings():
        warnings.showwarning = _tell  # type: ignore[assignment]
        warnings.simplefilter("default")
        try:
            architecture = describe_machine(arguments)
            schedules = search(arguments, architecture, describe_problems(arguments))
        except (InputError, MissingExtraError) as error:
            raise Refused(str(error)) from error
        except NoMappingError as error:
            _print_failure(error)
            raise NoDataflow(str(error)) from error
    for schedule in schedules:
        folder = folder_of(schedule, arguments.output_dir)
        for name in FILES:
            refuse_overwriting({_FOLDER: str(folder / name)}, read)
    _print(arguments, schedules)


def _files_read(arguments: Arguments) -> dict[str, str | None]:
    """Return the files that the arguments name, none of which is to be overwritten."""
    from nn_dataflow.tools.output_file import files_of  # noqa: PLC0415

    return {
        "--arch_path": arguments.arch_path,
        "--mapspace_path": arguments.mapspace_path,
        "--prob_path": arguments.prob_path,
        "--net": files_of(arguments.net, None)["NET"],
    }


def describe_machine(arguments: Arguments) -> Architecture:
    """Return the machine that the arguments ask for, with what its memories keep."""
    from nn_dataflow.cosa import Architecture, Mapspace  # noqa: PLC0415
    from nn_dataflow.cosa.bundled import ARCHITECTURE  # noqa: PLC0415

    if arguments.arch is not None:
        architecture = Architecture.preset(arguments.arch)
    else:
        architecture = Architecture.from_yaml(arguments.arch_path or ARCHITECTURE)
    if arguments.mapspace_path is None:
        return architecture
    return Mapspace.from_yaml(arguments.mapspace_path).apply(architecture)


def describe_problems(arguments: Arguments) -> list[Problem]:
    """Return the layers that the arguments ask for.

    Raises
    ------
    Refused
        If there is no such network or layer.
    """
    from nn_dataflow.cosa import Problem  # noqa: PLC0415
    from nn_dataflow.cosa.bundled import PROBLEM  # noqa: PLC0415

    if arguments.net is None:
        return [Problem.from_yaml(arguments.prob_path or PROBLEM)]
    from nn_dataflow.cosa.network_schedule import network_problems  # noqa: PLC0415
    from nn_dataflow.nns import import_network  # noqa: PLC0415

    try:
        # What the program of a network prints is no part of the result.
        with contextlib.redirect_stdout(sys.stderr):
            network = import_network(arguments.net)
    except ImportError as error:
        raise Refused(error) from error
    problems = network_problems(network, arguments.batch)
    if arguments.layer is None:
        return list(problems.values())
    if arguments.layer not in problems:
        refuse_layer("--layer", arguments.layer, arguments.net, list(problems))
    return [problems[arguments.layer]]


def search(
    arguments: Arguments, architecture: Architecture, problems: Sequence[Problem]
) -> list[Schedule]:
    """Schedule all layers, with a progress line where someone waits for it."""
    from nn_dataflow.cosa.network_schedule import schedule_all  # noqa: PLC0415
    from nn_dataflow.tools.progress import ProgressLine  # noqa: PLC0415

    progress = ProgressLine(arguments.net or problems[0].name or PROG)
    progress.start()
    try:
        return schedule_all(
            problems,
            architecture,
            formulation=arguments.formulation,
            goal=arguments.goal,
            time_limit=arguments.time_limit,
            seed=arguments.seed,
            residency="uneven" if arguments.uneven else None,
            processes=arguments.processes,
            progress=progress,
        )
    finally:
        progress.stop()


def _print(arguments: Arguments, schedules: Sequence[Schedule]) -> None:
    from nn_dataflow.cosa.output import record, to_line, write_folder  # noqa: PLC0415
    from nn_dataflow.cosa.report import level_table, summary  # noqa: PLC0415

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    for schedule in schedules:
        try:
            folder = write_folder(schedule, arguments.output_dir)
        except OSError as error:
            raise OutputError(
                f"{_FOLDER} {arguments.output_dir}: cannot be written: {error.strerror}"
            ) from error
        if not schedule.evaluation.valid:
            complain(f"{PROG}: {schedule.problem.name}: rejected: {schedule.evaluation.reason}")
        if arguments.json or not is_terminal:
            write(to_line({**record(schedule), "output_dir": str(folder)}))
        else:
            parts = (summary(schedule), level_table(schedule.evaluation), schedule.mapping, folder)
            write("\n\n".join(map(str, parts)) + "\n\n")


def _print_failure(error: Any) -> None:
    from nn_dataflow.cosa.output import to_line  # noqa: PLC0415

    write(to_line({"error": str(error), "status": error.status, "best_bound": error.bound}))


def _tell(message: Warning | str, *_: Any) -> None:
    complain(f"{PROG}: warning: {message}")


if __name__ == "__main__":
    sys.exit(main())
