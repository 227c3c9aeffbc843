# SPDX-License-Identifier: BSD-3-Clause
"""Where a result goes: a table on a terminal, JSON anywhere else, JSON in a file.

Decides which of them is wanted (docs/model/search.md section 7), before any work is done.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .argument_checks import Refused
from .terminal import columns, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class ResultOutput:
    """What is wanted of a result.

    Parameters
    ----------
    output : str or None
        File that gets JSON.
    json : bool
        Whether standard output gets JSON, also on a terminal.

    Raises
    ------
    Refused
        If there is nowhere to put the result.
    """

    def __init__(self, output: str | None, *, json: bool) -> None:
        self._file = None
        if output is not None:
            from .output_file import OutputFile  # noqa: PLC0415

            self._file = OutputFile(output)
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self._table_wanted = is_terminal and not json
        self._json_wanted = json or not (is_terminal or self._file)
        if self._json_wanted and sys.stdout is None:
            raise Refused("standard output is closed: use --output FILE")

    def put(self, record: Callable[[], Mapping[str, Any]], table: Callable[[int], str]) -> None:
        """Write what is wanted.

        Parameters
        ----------
        record, table
            Make the values of the JSON record, and the text of the table for a width.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self._file or self._json_wanted:
            from .result_json import to_text  # noqa: PLC0415

            text = to_text(record())
            if self._file:
                self._file.save(text)
            if self._json_wanted:
                write(text)
        if self._table_wanted:
            write(table(columns(sys.stdout)))
