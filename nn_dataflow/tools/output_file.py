# SPDX-License-Identifier: BSD-3-Clause
"""Files that appear whole or not at all.

Decides what ``--output``, ``--report`` and ``--plot`` accept (docs/model/search.md section 7, docs/
report.md section 1): a new name or an ordinary file, or a folder, in a folder that can be written,
found out before the search starts. None of them may be a file that is read.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from .argument_checks import Refused, refuse, shown
from .terminal import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refuse_overwriting(outputs: Mapping[str, str | None], inputs: Mapping[str, str | None]) -> None:
    """Refuse to write over a file that is read, and to write two things into one file.

    Parameters
    ----------
    outputs, inputs
        Names of files by what they were given with; None for what was not given.

    Raises
    ------
    Refused
        If an output is an input, or one of the outputs before it.

    Examples
    --------
    >>> refuse_overwriting({"--output": "./mine.json"}, {"--arch": "mine.json"})
    Traceback (most recent call last):
        ...
    nn_dataflow.tools.argument_checks.Refused: --output ./mine.json: must be another file than \
--arch mine.json, which it would overwrite
    """
    written = {option: path for option, path in outputs.items() if path}
    read = {what: path for what, path in inputs.items() if path}
    for (option, path), (what, other) in product(written.items(), {**read, **written}.items()):
        if what != option and _is_same(path, other):
            refuse(
                option, path, f"another file than {what} {shown(other)}, which it would overwrite"
            )


def files_of(net: str | None, arch: str | None) -> dict[str, str | None]:
    """Return those of a network and a machine that are files, not names of what the package brings.

    Examples
    --------
    >>> files_of("vgg_net", "mine.yaml"), files_of("nets/mine.py", "eyeriss-chip")
    ({'NET': None, '--arch': 'mine.yaml'}, {'NET': 'nets/mine.py', '--arch': None})
    """
    is_preset = False
    if arch is not None:
        from nn_dataflow.machines.machine_file import PRESETS  # noqa: PLC0415 (slow to import)

        is_preset = arch in PRESETS
    is_named = net is not None and Path(net).name == net and Path(net).suffix != ".py"
    return {"NET": None if is_named else net, "--arch": None if is_preset else arch}


def _is_same(path: str, other: str) -> bool:
    """Whether two names are of the same file, be it there or not."""
    try:
        return os.path.realpath(path) == os.path.realpath(other) or Path(path).samefile(other)
    except (OSError, ValueError):
        return False


def _resolved(path: str, option: str) -> Path:
    """Return the place that a name stands for, behind symbolic links.

    Raises
    ------
    Refused
        If the links go round in a circle, or no file can have such a name.
    """
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(f"{option} {shown(path)}: cannot be written: {error}") from None


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
        self._place = _resolved(path, option)
        self._part = self._place.parent / f".nn_dataflow-{os.getpid()}.part"
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
        self._place = _resolved(path, option)
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
