# SPDX-License-Identifier: BSD-3-Clause
"""Scheduling of one layer on any spatial accelerator: public names, imported when first used.

Decides the public interface (docs/cosa.md). Nothing but NumPy is needed to describe a problem, a
machine and a mapping in Python and to evaluate it; files need PyYAML and the formulations "H" and
"P" need HiGHS, and where one of them is missing, one line names the extra ``[cosa]``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture import Architecture, Level
    from .errors import InputError, MissingExtraError, NoMappingError
    from .evaluation import Evaluation, evaluate, evaluate_batch
    from .loops import Batch
    from .mapping import Mapping
    from .mapspace import Mapspace
    from .problem import Problem
    from .scheduler import Schedule, schedule

_NAMES = {
    "architecture": ("Architecture", "Level"),
    "errors": ("InputError", "MissingExtraError", "NoMappingError"),
    "evaluation": ("Evaluation", "evaluate", "evaluate_batch"),
    "loops": ("Batch",),
    "mapping": ("Mapping",),
    "mapspace": ("Mapspace",),
    "problem": ("Problem",),
    "scheduler": ("Schedule", "schedule"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*_MODULE_OF]  # noqa: PLE0604 (the names of the table above)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
