# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool `nn_dataflow`: looks at machines, and at results of searches.

Decides which commands there are (docs/machines.md section 6, docs/compare.md, docs/evaluate.md);
each is in a module of its own, loaded when it is called.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

# As in the search, whose code evaluates results.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from nn_dataflow.tools.argument_checks import OneLineParser, Refused, shown
from nn_dataflow.tools.exit_status import OK, give_up
from nn_dataflow.tools.terminal import write

if TYPE_CHECKING:
    from collections.abc import Sequence

PROG = "nn_dataflow"

COMMANDS = {
    "arch": "machines: list the presets, show one, check files",
    "compare": "say how results differ from the first one: totals, layers, segments",
    "evaluate": "evaluate the schedules of a stored result, on its machine or another",
}

_EPILOG = """\
nn_dataflow COMMAND --help tells more of each. nn_dataflow_search searches.

exit status:
  0    done
  1    this program failed
  2    an argument or a file was refused
  3    the schedule does not fit; a line says which layer exceeds which capacity
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status, as of `nn_dataflow_search`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    prog = PROG
    try:
        command = _command(words)
        prog = f"{PROG} {command}"
        import_module(f"nn_dataflow.tools.{command}_command").run(words[1:])
    except BaseException as error:  # noqa: BLE001  # each has its status and its line
        if isinstance(error, SystemExit):  # --help or --version
            return OK
        return give_up(prog, error, debug="--debug" in words)
    return OK


def _command(words: list[str]) -> str:
    """Return the command, or tell of the program.

    Raises
    ------
    Refused
        If there is no such command.
    """
    known = ", ".join(COMMANDS)
    if not words:
        raise Refused(f"a command is missing: must be one of {known}")
    if words[0] in COMMANDS:
        return words[0]
    if words[0] == "--version":
        from nn_dataflow.version import get_version  # noqa: PLC0415

        write(f"{PROG} {get_version(with_local=True)}\n")
        raise SystemExit
    if words[0] in ("-h", "--help"):
        commands = "".join(f"  {name:<10} {text}\n" for name, text in COMMANDS.items())
        parser = OneLineParser(
            prog=PROG,
            usage=f"{PROG} COMMAND ...",
            description=f"Machines, and results of searches.\n\ncommands:\n{commands}",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.print_help()
        raise SystemExit
    raise Refused(f"{shown(words[0])}: must be one of {known}")


if __name__ == "__main__":
    sys.exit(main())
