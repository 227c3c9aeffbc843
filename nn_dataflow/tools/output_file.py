# SPDX-License-Identifier: BSD-3-Clause
"""Files that appear whole or not at all.

Decides what ``--output``, ``--report`` and ``--plot`` accept (docs/model/search.md section 7, docs/
report.md section 1): a new name or an ordinary file, or a folder, in a folder that can be written,
found out before the search starts.
"""

import os
from pathlib import Path

from .argument_checks import Refused, refuse, shown
from .terminal import OutputError


class OutputFile:
    """The file to be written at the end; it is written beside its place and then moved there.

    A symbolic link is kept, and the file behind it replaced.

    Parameters
    ----------
    path : str
        Name as given.
    option : str
        What it was given with, for messages.

    Raises
    ------
    Refused
        If the file could not be written.
    """

    def __init__(self, path: str, option: str = "--output") -> None:
        if not path:
            refuse(option, path, "the name of a file")
        self._option = option
        self._place = Path(path).resolve()
        self._part = self._place.with_name(f".nn_dataflow-{os.getpid()}.part")
        try:
            if not self._place.parent.is_dir():
                refuse(option, path, "a file in an existing folder")
            if self._place.exists() and not self._place.is_file():
                refuse(option, path, "a new name or an ordinary file")
            if self._place.exists() and not os.access(self._place, os.W_OK):
                refuse(option, path, "a file that may be written")
            self._part.touch()
            self._part.unlink()
        except OSError as error:
            raise Refused(f"{option} {shown(path)}: cannot be written: {error.strerror}") from None

    def save(self, contents: str | bytes) -> None:
        """Write the file, text as UTF-8.

        Raises
        ------
        OutputError
            If that failed; the file is then as it was.
        """
        try:
            self._part.write_bytes(
                contents if isinstance(contents, bytes) else contents.encode("utf-8")
            )
            if self._place.exists():
                self._part.chmod(self._place.stat().st_mode)
            self._part.replace(self._place)
        except OSError as error:
            raise OutputError(
                f"{self._option} {shown(str(self._place))}: cannot be written: {error.strerror}"
            ) from error
        finally:
            self._part.unlink(missing_ok=True)


class OutputFolder:
    """A folder for files, which is made when the first one is written.

    Parameters
    ----------
    path : str
        Name as given, of a folder or a new name.
    option : str
        What it was given with, for messages.

    Raises
    ------
    Refused
        If no file could be written into it.
    """

    def __init__(self, path: str, option: str) -> None:
        if not path:
            refuse(option, path, "the name of a folder")
        self._option = option
        self._place = Path(path).resolve()
        # A file beside the folder, or in it, tells whether it could be made or written.
        where = self._place if self._place.exists() else self._place.parent
        part = where / f".nn_dataflow-{os.getpid()}.part"
        try:
            if not where.is_dir():
                refuse(option, path, "a folder, or a new name in an existing one")
            part.touch()
            part.unlink()
        except OSError as error:
            raise Refused(f"{option} {shown(path)}: cannot be written: {error.strerror}") from None

    def save(self, name: str, contents: bytes) -> None:
        """Write a file.

        Raises
        ------
        OutputError
            If that failed; the file is then as it was.
        """
        try:
            self._place.mkdir(exist_ok=True)
            file = OutputFile(str(self._place / name), self._option)
        except (OSError, Refused) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{self._option} {shown(name)}: cannot be written: {reason}"
            ) from error
        file.save(contents)
