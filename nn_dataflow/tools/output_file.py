# SPDX-License-Identifier: BSD-3-Clause
"""A file that appears whole or not at all.

Decides what ``--output`` accepts (docs/model/search.md section 7): a new name or an ordinary file,
in a folder that can be written, found out before the search starts.
"""

import os
from pathlib import Path

from .argument_checks import Refused, refuse, shown
from .terminal import OutputError

OPTION = "--output"


class OutputFile:
    """The file to be written at the end; it is written beside its place and then moved there.

    A symbolic link is kept, and the file behind it replaced.

    Parameters
    ----------
    path : str
        Name as given.

    Raises
    ------
    Refused
        If the file could not be written.
    """

    def __init__(self, path: str) -> None:
        if not path:
            refuse(OPTION, path, "the name of a file")
        self._place = Path(path).resolve()
        self._part = self._place.with_name(f".nn_dataflow-{os.getpid()}.part")
        try:
            if not self._place.parent.is_dir():
                refuse(OPTION, path, "a file in an existing folder")
            if self._place.exists() and not self._place.is_file():
                refuse(OPTION, path, "a new name or an ordinary file")
            if self._place.exists() and not os.access(self._place, os.W_OK):
                refuse(OPTION, path, "a file that may be written")
            self._part.touch()
            self._part.unlink()
        except OSError as error:
            raise Refused(f"{OPTION} {shown(path)}: cannot be written: {error.strerror}") from None

    def save(self, text: str) -> None:
        """Write the file.

        Raises
        ------
        OutputError
            If that failed; the file is then as it was.
        """
        try:
            self._part.write_text(text, encoding="utf-8")
            if self._place.exists():
                self._part.chmod(self._place.stat().st_mode)
            self._part.replace(self._place)
        except OSError as error:
            raise OutputError(
                f"{OPTION} {shown(str(self._place))}: cannot be written: {error.strerror}"
            ) from error
        finally:
            self._part.unlink(missing_ok=True)
