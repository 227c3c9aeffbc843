# SPDX-License-Identifier: BSD-3-Clause
"""Public names of a package that are imported when they are first used.

Decides how a package that loads nothing by itself answers for its names (docs/python.md).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def imported_when_used(
    package: str, module_of: Mapping[str, str], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    module_of : mapping of str to str
        The module in the package of each public name.
    modules : mapping of str to str, optional
        Public names that are modules of the package themselves, and the names of these.
    """
    itself = modules or {}

    def getattr_(name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in module_of and name not in itself:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 (not needed by the tools)

        if name in itself:
            value: Any = import_module(f"{package}.{itself[name]}")
        else:
            value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *module_of, *itself})

    return getattr_, dir_
