# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and a report of a result, or of a comparison, where they are asked for.

Decides what ``--plot`` and ``--report`` accept and need (docs/report.md section 1), found out
before any work is done.
"""

from __future__ import annotations

import shlex
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from nn_dataflow.errors import MissingExtraError, require

from .argument_checks import Refused
from .output_file import OutputFile, OutputFolder

if TYPE_CHECKING:
    from collections.abc import Sequence


PLOT, REPORT = "--plot", "--report"


class Kind(NamedTuple):
    """What draws something: the modules whose `files` are its pictures, and `render` its report."""

    pictures: str
    report: str


RESULT = Kind("plot", "page")
"""Draws a `SearchResult`."""

COMPARISON = Kind("compare_plot", "compare_page")
"""Draws comparisons with one base."""


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

    def save(self, shown: Any, kind: Kind = RESULT) -> None:
        """Write what is wanted.

        Parameters
        ----------
        shown
            What is drawn.
        kind
            What draws it.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self._folder:
            with warnings.catch_warnings():
                # Letters that the font does not have are boxes, which everybody sees.
                warnings.filterwarnings("ignore", "Glyph")
                for name, contents in _module(kind.pictures).files(shown):
                    self._folder.save(name, contents)
        if self._file:
            from nn_dataflow.version import get_version  # noqa: PLC0415

            version = get_version(with_local=True)
            self._file.save(_module(kind.report).render(shown, version, self._command))


def _module(name: str) -> Any:
    """Return a module that draws, which is loaded only where it is needed."""
    return import_module(f"nn_dataflow.report.{name}")
