# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong from outside, in all parts of the package, each told in one line.

Decides what bad input is, and what is said where a feature needs a package that is not installed
(docs/machines.md section 3; docs/cosa.md section 6).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from .result import Result


class InputError(ValueError):
    """Bad input; the message is one line: where, what was given, what is allowed."""


class NoDataflowError(Exception):
    """Nothing is valid; the message is one line: which layer exceeds which capacity."""


class SearchInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a search.

    Attributes
    ----------
    result : Result
        The best schedule found until then, with what is proven of it.
    """

    def __init__(self, result: Result) -> None:
        super().__init__("the best schedule found so far is the attribute `result`")
        self.result = result


class MissingExtraError(ImportError):
    """A package that an optional feature needs is not installed."""


def require(module: str, package: str, purpose: str, extra: str) -> ModuleType:
    """Import an optional module.

    Parameters
    ----------
    module, package : str
        Name to import, and name to install.
    purpose : str
        What needs it.
    extra : str
        The extra of this package that brings it.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> require("no_such_module", "NoSuch", "reading of files", "cosa")
    Traceback (most recent call last):
        ...
    nn_dataflow.errors.MissingExtraError: reading of files needs NoSuch: \
pip install "nn_dataflow[cosa]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        hint = f'pip install "nn_dataflow[{extra}]"'
        raise MissingExtraError(f"{purpose} needs {package}: {hint}") from None
