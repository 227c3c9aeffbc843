# SPDX-License-Identifier: BSD-3-Clause
"""Scheduling of one layer on any spatial accelerator: public names, imported when first used.

Decides the public interface (docs/cosa.md). Nothing but NumPy is needed to describe a problem, a
machine and a mapping in Python and to evaluate it; files need PyYAML and the formulations "H" and
"P" need HiGHS, and where one of them is missing, one line names the extra ``[cosa]``.
"""

from typing import TYPE_CHECKING

from nn_dataflow.lazy import imported_when_used

if TYPE_CHECKING:
    from .architecture import Architecture, Level
    from .errors import InputError, MissingExtraError, NoMappingError
    from .evaluation import BatchEvaluation, Evaluation, evaluate, evaluate_batch
    from .loops import Batch
    from .mapping import Mapping
    from .mapspace import Mapspace
    from .network_schedule import network_problems, schedule_all
    from .problem import Problem
    from .scheduler import Schedule, schedule

__all__ = [
    "Architecture",
    "Batch",
    "BatchEvaluation",
    "Evaluation",
    "InputError",
    "Level",
    "Mapping",
    "Mapspace",
    "MissingExtraError",
    "NoMappingError",
    "Problem",
    "Schedule",
    "evaluate",
    "evaluate_batch",
    "network_problems",
    "schedule",
    "schedule_all",
]

_MODULE_OF = {
    "Architecture": "architecture",
    "Batch": "loops",
    "BatchEvaluation": "evaluation",
    "Evaluation": "evaluation",
    "InputError": "errors",
    "Level": "architecture",
    "Mapping": "mapping",
    "Mapspace": "mapspace",
    "MissingExtraError": "errors",
    "NoMappingError": "errors",
    "Problem": "problem",
    "Schedule": "scheduler",
    "evaluate": "evaluation",
    "evaluate_batch": "evaluation",
    "network_problems": "network_schedule",
    "schedule": "scheduler",
    "schedule_all": "network_schedule",
}

__getattr__, __dir__ = imported_when_used(__name__, _MODULE_OF)
