# SPDX-License-Identifier: BSD-3-Clause
"""Find how a neural network should run on a tiled accelerator, and how good that answer is.

`search` finds a schedule, `load` reads a stored one (docs/python.md). They are imported when first
used, so that importing the package, as every tool does, loads nothing else.
"""

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (not needed by the tools)

    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
