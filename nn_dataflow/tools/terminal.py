# SPDX-License-Identifier: BSD-3-Clause
"""What the tools write: results on standard output, one line of failure on standard error.

Decides what happens where a stream is closed, is full, or cannot show a sign of the table; and that
names which others have given cannot command a terminal.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

DEFAULT_COLUMNS = 80
_PLAINER = str.maketrans({"·": ".", "…": "~", "┌": "/", "│": "|", "└": "\\", "µ": "u"})
_COMMANDS = {code: "?" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class OutputError(Exception):
    """A result could not be written; the message is one line."""


class NoReaderError(Exception):
    """Whoever read standard output has stopped reading, as ``head`` does."""


def harmless(text: str) -> str:
    r"""Return a text without the control characters that terminals obey; lines and tabs stay.

    >>> harmless("fc\x1b[2J1\n")
    'fc?[2J1\n'
    """
    return text.translate(_COMMANDS)


def columns(stream: TextIO) -> int:
    """Return the width of a terminal; ``COLUMNS`` in the environment overrides it."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


def write(text: str) -> None:
    """Write to standard output, at once.

    Raises
    ------
    NoReaderError
        If nobody reads it any more.
    OutputError
        If it cannot be written.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    encoding = sys.stdout.encoding or "ascii"
    text = harmless(text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _abandon_stdout()
        if isinstance(error, BrokenPipeError):
            raise NoReaderError from error
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from error


def complain(line: str) -> None:
    """Write one line to standard error, if there is any."""
    if sys.stderr is not None:
        print(harmless(" ".join(line.split())), file=sys.stderr)


def _abandon_stdout() -> None:
    """Let the interpreter not fail once more when it empties standard output at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
