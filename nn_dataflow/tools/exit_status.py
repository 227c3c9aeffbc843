# SPDX-License-Identifier: BSD-3-Clause
"""How the tools end: the exit status, and the line on standard error that tells why.

Decides what each way of not succeeding looks like from outside, the same in all tools
(docs/model/search.md section 7).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .argument_checks import Refused
from .terminal import NoReaderError, OutputError, complain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OK = 0
FAILED = 1
REFUSED = 2
NO_DATAFLOW = 3
INTERRUPTED = 130  # as shells tell SIGINT
NO_READER = 141  # as shells tell SIGPIPE


class NoDataflow(Exception):  # noqa: N818  # an answer
    """Nothing is valid; the message says which layer exceeds which capacity."""


class Interrupted(KeyboardInterrupt):
    """A search was interrupted; the message says what was found until then."""


def run_tool(
    prog: str,
    argv: Sequence[str] | None,
    parse: Callable[[Sequence[str]], Any],
    run: Callable[[Any], None],
) -> int:
    """Read the command line of a tool, run it, and return the exit status.

    Parameters
    ----------
    prog : str
        Name of the tool.
    argv : sequence of str or None
        Arguments; None for those of the process.
    parse : callable
        Returns checked arguments, with ``debug`` if the tool has that option, or stops with
        SystemExit after ``--help``.
    run : callable
        Does what they ask for.
    """
    arguments = None
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        run(arguments)
    except BaseException as error:  # noqa: BLE001  # each has its status and its line
        if arguments is None and isinstance(error, SystemExit):  # --help or --version
            return OK
        return give_up(prog, error, debug=getattr(arguments, "debug", None))
    return OK


def give_up(prog: str, error: BaseException, *, debug: bool | None = None) -> int:
    """Tell of an exception in one line, and return the exit status.

    Parameters
    ----------
    prog : str
        Name of the tool.
    error : exception
        What ended the tool.
    debug : bool, optional
        Whether a traceback is wanted as well. If not, the line says how to get one where the tool
        itself is at fault; None is for a tool that has none.
    """
    if debug:
        import traceback  # noqa: PLC0415 (slow to import)

        traceback.print_exception(error)
    if isinstance(error, NoReaderError):
        return NO_READER
    status, line = _explain(error)
    hint = " (--debug shows where)" if debug is not None and line.startswith("internal") else ""
    complain(f"{prog}: {line}{hint}")
    return status


def _explain(error: BaseException) -> tuple[int, str]:
    if isinstance(error, Refused):
        return REFUSED, f"error: {error}"
    if isinstance(error, NoDataflow):
        return NO_DATAFLOW, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"interrupted{'' if str(error) == '' else f' {error}'}"
    if isinstance(error, OutputError):
        return FAILED, f"error: {error}"
    return FAILED, f"internal error: {type(error).__name__}: {error}"
