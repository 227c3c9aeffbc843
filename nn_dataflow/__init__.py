# SPDX-License-Identifier: BSD-3-Clause
"""Find how a neural network should run on a tiled accelerator, and how good that answer is.

`search` finds a schedule, `load` reads a stored one (docs/python.md). They are imported when first
used, so that importing the package, as every tool does, loads nothing else.
"""

from typing import TYPE_CHECKING

from .lazy import imported_when_used

if TYPE_CHECKING:
    from .api import load, search
    from .errors import InputError, MissingExtraError, NoDataflowError, SearchInterrupted
    from .result import Result

_ERRORS = ("InputError", "MissingExtraError", "NoDataflowError", "SearchInterrupted")

__all__ = [
    "InputError",
    "MissingExtraError",
    "NoDataflowError",
    "Result",
    "SearchInterrupted",
    "load",
    "search",
]

_MODULE_OF = {
    "search": "api",
    "load": "api",
    "Result": "result",
    **dict.fromkeys(_ERRORS, "errors"),
}

__getattr__, __dir__ = imported_when_used(__name__, _MODULE_OF)
