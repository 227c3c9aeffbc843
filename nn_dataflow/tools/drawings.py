# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and a report of a result, where they are asked for.

Decides what ``--plot`` and ``--report`` accept and need (docs/report.md section 1), found out
before any work is done.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nn_dataflow.errors import MissingExtraError, require

from .argument_checks import Refused
from .output_file import OutputFile, OutputFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .search_result import SearchResult

PLOT, REPORT = "--plot", "--report"


class Drawings:
    """Pictures and the report that are wanted.

    Parameters
    ----------
    plot : str or None
        Folder of the pictures.
    report : str or None
        File of the report.
    command : sequence of str
        The words of the command line that makes them, for the report.

    Raises
    ------
    Refused
        If a package is missing, or they could not be written.
    """

    def __init__(self, plot: str | None, report: str | None, command: Sequence[str]) -> None:
        self._command = shlex.join(command)
        self._folder = self._file = None
        try:
            if plot is not None:
                require("matplotlib", "matplotlib", PLOT, "plot")
                self._folder = OutputFolder(plot, PLOT)
            if report is not None:
                require("jinja2", "Jinja2", REPORT, "report")
                self._file = OutputFile(report, REPORT)
        except MissingExtraError as error:
            raise Refused(str(error)) from error

    def save(self, result: SearchResult) -> None:
        """Write what is wanted.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self._folder:
            from nn_dataflow.report.plot import files  # noqa: PLC0415

            for name, contents in files(result):
                self._folder.save(name, contents)
        if self._file:
            from nn_dataflow.report.page import render  # noqa: PLC0415
            from nn_dataflow.version import get_version  # noqa: PLC0415

            version = get_version(with_local=True)
            self._file.save(render(result, version, self._command))
