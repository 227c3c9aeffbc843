# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong from outside, each told in one line.

Decides the kinds of failure (docs/cosa.md, section 6): bad input, a machine that holds no mapping
of a layer, a package that is not installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class InputError(ValueError):
    """Bad input; the message is one line: where, what was given, what is allowed."""


class NoMappingError(Exception):
    """No valid mapping exists or none was found; the message names the memory or the limit.

    Parameters
    ----------
    message : str
        One line.
    status : str, optional
        Status of the search, such as ``"infeasible"`` or ``"time limit"``.
    bound : float, optional
        Proven lower bound on the objective, if there is one.
    """

    def __init__(
        self, message: str, status: str = "infeasible", bound: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.bound = bound


class MissingExtraError(ImportError):
    """A package that an optional feature needs is not installed."""


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import an optional module.

    Parameters
    ----------
    module, package : str
        Name to import, and name to install.
    purpose : str
        What needs it.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> require("no_such_module", "NoSuch", "reading of files")
    Traceback (most recent call last):
        ...
    nn_dataflow.cosa.errors.MissingExtraError: reading of files needs NoSuch: \
pip install "nn_dataflow[cosa]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        hint = 'pip install "nn_dataflow[cosa]"'
        raise MissingExtraError(f"{purpose} needs {package}: {hint}") from None
