# SPDX-License-Identifier: BSD-3-Clause
"""Where a result goes: a table on a terminal, JSON anywhere else, JSON in a file, pictures.

Decides which of them is wanted (docs/model/search.md sections 7 and 7.2), before any work is done;
and where the loop nests of layers go, which take the place of JSON on standard output. Pictures
and a report are made beside all that (docs/report.md section 1).
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from .argument_checks import Refused, refuse_layer
from .terminal import NoReaderError, OutputError, columns, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nn_dataflow.core.network import Network

    from .search_result import SearchResult


class ResultOutput:
    """What is wanted of a result.

    Parameters
    ----------
    output : str or None
        File that gets JSON.
    json : bool
        Whether standard output gets JSON, also on a terminal.
    layers : sequence of str
        Layers whose loop nests are wanted.
    plot, report : str or None
        Folder that gets pictures, and file that gets a report.
    command : sequence of str
        The command line, for the report.
    net, arch : str or None
        Network and machine as they were given, names or files.
    inputs : mapping of str to str or None
        Other files that are read, by what they were given with.

    Raises
    ------
    Refused
        If there is nowhere to put the result, or two kinds of it in one place, or it would
        overwrite what is read.
    """

    def __init__(
        self,
        output: str | None,
        *,
        json: bool,
        layers: Sequence[str] = (),
        plot: str | None = None,
        report: str | None = None,
        command: Sequence[str] = (),
        net: str | None = None,
        arch: str | None = None,
        inputs: Mapping[str, str | None] | None = None,
    ) -> None:
        if json and layers:
            raise Refused("--explain: must not be given with --json; use --output FILE for JSON")
        self._layers = layers
        self._drawings = None
        self._file = None
        if output is not None or report is not None:
            from .output_file import files_of, refuse_overwriting  # noqa: PLC0415

            read = {**files_of(net, arch), **(inputs or {})}
            refuse_overwriting({"--output": output, "--report": report}, read)
        if output is not None:
            from .output_file import OutputFile  # noqa: PLC0415

            self._file = OutputFile(output)
        if plot is not None or report is not None:
            from .drawings import Drawings  # noqa: PLC0415

            self._drawings = Drawings(plot, report, command)
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self._table_wanted = is_terminal and not json
        self._json_wanted = json or not (is_terminal or self._file or layers)
        if self._json_wanted and sys.stdout is None:
            raise Refused("standard output is closed: use --output FILE")

    def check_layers(self, net: str, network: Network) -> None:
        """Refuse layers that the network does not have."""
        for name in self._layers:
            if name not in list(network):
                refuse_layer("--explain", name, net, list(network))

    def put(
        self,
        result: SearchResult,
        record: Callable[[], Mapping[str, Any]],
        table: Callable[[int], str],
    ) -> None:
        """Write what is wanted.

        Parameters
        ----------
        result
            The result, for the loop nests.
        record, table
            Make the values of the JSON record, and the text of the table for a width.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        # What fails must not take with it what can still be shown of a long search.
        failures = [
            failure
            for step in (
                partial(self._save, record),
                partial(self._print, result, record, table),
                partial(self._draw, result),
            )
            if (failure := _failure(step))
        ]
        if failures:
            raise min(failures, key=lambda error: isinstance(error, NoReaderError))

    def _save(self, record: Callable[[], Mapping[str, Any]]) -> None:
        """Write the file, and if that fails, have JSON on standard output."""
        if self._file is None:
            return
        try:
            self._file.save(_text(record))
        except OutputError as error:
            self._json_wanted = self._json_wanted or not self._table_wanted
            raise OutputError(f"{error}; the result is on standard output") from error

    def _print(
        self,
        result: SearchResult,
        record: Callable[[], Mapping[str, Any]],
        table: Callable[[int], str],
    ) -> None:
        if self._json_wanted:
            write(_text(record))
        if self._table_wanted:
            write(table(columns(sys.stdout)))
        for number, name in enumerate(self._layers):
            from .loop_nest import explain  # noqa: PLC0415
            from .runner_up_text import why  # noqa: PLC0415

            before = "\n" if number or self._table_wanted else ""
            write(f"{before}{explain(result.best, name)}\n{why(result, name)}")

    def _draw(self, result: SearchResult) -> None:
        if self._drawings:
            self._drawings.save(result)


def _failure(step: Callable[[], None]) -> Exception | None:
    """Take a step, and return what cannot be written."""
    try:
        step()
    except (OutputError, NoReaderError) as error:
        return error
    return None


def _text(record: Callable[[], Mapping[str, Any]]) -> str:
    from .result_json import to_text  # noqa: PLC0415

    return to_text(record())
