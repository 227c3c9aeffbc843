# SPDX-License-Identifier: BSD-3-Clause
"""What is written of a schedule: a record as strict JSON, and a folder as the original's.

Decides the keys of the record and the names and contents of files (docs/cosa.md section 5;
docs/model/cosa.md section 7).
"""

from __future__ import annotations

import json
import math
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from .mapping_file import order_of
from .problem import DIMENSIONS
from .report import level_table, summary

if TYPE_CHECKING:
    from .mapping import Loops
    from .problem import Problem
    from .scheduler import Schedule

STEM = "map_16"
FILES = (
    *(f"{STEM}.{end}" for end in ("yaml", "map.txt", "stats.txt", "map+stats.xml")),
    "tc.dict.json",
)
"""What there is in the folder of a schedule."""

_LONGEST_NAME = 200  # file systems allow 255 bytes

# Run status: the first stage is the evaluator, others are not used.
_REJECTED, _EVALUATED = 0, 1
_UNUSED = -1


def record(schedule: Schedule) -> dict[str, Any]:
    """Return everything about a schedule in values that JSON can express.

    Examples
    --------
    >>> from nn_dataflow.cosa import Architecture, Level, Problem, schedule
    >>> machine = Architecture((Level("Buffer", 64), Level("DRAM", None)))
    >>> found = record(schedule(Problem({"C": 8}), machine))
    >>> found["cycles"], found["mapping"][0]["level"]
    (8, 'Buffer')
    """
    problem, machine = schedule.problem, schedule.architecture
    evaluation, mapping = schedule.evaluation, schedule.mapping
    levels = {
        memory: {tensor: row._asdict() for tensor, row in tensors.items()}
        for memory, tensors in evaluation.levels.items()
    }
    objective = schedule.objective
    return {
        "layer": problem.name,
        "problem": {
            "dims": problem.dims,
            "stride": list(problem.stride),
            "dilation": list(problem.dilation),
            "macs": problem.macs,
        },
        "architecture": machine.name,
        "formulation": schedule.formulation,
        "goal": schedule.goal,
        "status": schedule.status,
        "objective": None if objective is None else objective._asdict(),
        "value": _finite(schedule.value),
        "best_bound": _finite(schedule.best_bound),
        "gap": _finite(schedule.gap),
        "wall_s": schedule.wall_s,
        "valid": evaluation.valid,
        "reason": evaluation.reason,
        "cycles": evaluation.cycles,
        "compute_cycles": evaluation.compute_cycles,
        "energy_pj": evaluation.energy_pj,
        "mac_energy_pj": evaluation.mac_energy_pj,
        "utilization": evaluation.utilization,
        "levels": levels,
        "transfers": evaluation.transfers,
        "mapping": [
            {"level": name, "spatial": _pairs(spatial), "temporal": _pairs(temporal)}
            for name, spatial, temporal in mapping.levels
        ],
        "residency": None if mapping.residency is None else [list(r) for r in mapping.residency],
        "keeps": {level.name: list(level.keeps) for level in machine.levels},
    }


def to_line(values: dict[str, Any]) -> str:
    """Return a record as one line of strict JSON."""
    return json.dumps(values, allow_nan=False) + "\n"


def keys(schedule: Schedule) -> tuple[str, str, str, str]:
    """Return what names the folder of a schedule: machine, problem, spatial and temporal loops."""
    mapping = schedule.mapping
    spatial = [loops for _, loops, _ in mapping.levels]
    temporal = [loops for _, _, loops in mapping.levels]
    machine = schedule.architecture.name
    return machine, _problem_key(schedule.problem), _loops_key(spatial), _loops_key(temporal)


def folder_of(schedule: Schedule, output_dir: str | Path) -> Path:
    """Return the folder for the files of a schedule."""
    return Path(output_dir).joinpath(*map(_short, keys(schedule)))


def write_folder(schedule: Schedule, output_dir: str | Path) -> Path:
    """Write the files of a schedule below a folder, and return where.

    There are the mapping in the evaluator's format and as a loop nest, the statistics as a table
    and as XML, and the record of the original.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    folder = folder_of(schedule, output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    mapping, nest, table, statistics, original = (folder / name for name in FILES)
    schedule.mapping.to_yaml(mapping, schedule.architecture)
    nest.write_text(f"{schedule.mapping}\n", encoding="utf-8")
    stats = f"{summary(schedule)}\n\n{level_table(schedule.evaluation)}\n"
    table.write_text(stats, encoding="utf-8")
    ET.ElementTree(_xml(schedule)).write(statistics, encoding="unicode", xml_declaration=True)
    key = "+".join(keys(schedule))
    text = json.dumps({key: _original_record(schedule, folder)}, allow_nan=False)
    original.write_text(text + "\n", encoding="utf-8")
    return folder


def _original_record(schedule: Schedule, folder: Path) -> dict[str, Any]:
    """Record with the keys of the original; a rejected mapping has its reason besides."""
    evaluation = schedule.evaluation
    capacity = [
        sum(row.tile_size for row in tensors.values()) for tensors in evaluation.levels.values()
    ]
    values: dict[str, Any] = {
        "run_status": [_EVALUATED if evaluation.valid else _REJECTED, _UNUSED, _UNUSED],
        "cycle_results": [_UNUSED] * 6,
        "utilized_capacity": capacity,
        "output_dir": str(folder),
    }
    if not evaluation.valid:
        return values | {"reason": evaluation.reason}
    return values | {
        "pe_cycle": evaluation.compute_cycles,
        "pe_energy": evaluation.mac_energy_pj,
        "energy": evaluation.energy_pj / 1e6,
        "cycle": evaluation.cycles,
    }


def _xml(schedule: Schedule) -> ET.Element:
    evaluation = schedule.evaluation
    top = ET.Element("schedule", valid=str(evaluation.valid).lower())
    for name in ("cycles", "compute_cycles", "energy_pj", "utilization", "reason"):
        value = getattr(evaluation, name)
        if value is not None:
            ET.SubElement(top, name).text = str(value)
    for (memory, spatial, temporal), tensors in zip(
        schedule.mapping.levels, evaluation.levels.values(), strict=True
    ):
        level = ET.SubElement(top, "memory", name=memory)
        for kind, loops in (("spatial", spatial), ("temporal", temporal)):
            for dimension, bound in loops:
                ET.SubElement(level, kind, dimension=dimension, bound=str(bound))
        for tensor, row in tensors.items():
            values = {field: str(value) for field, value in row._asdict().items()}
            ET.SubElement(level, "tensor", {"name": tensor, **values})
    return top


def _problem_key(problem: Problem) -> str:
    return "_".join(map(str, (*problem.bounds, *problem.stride, *problem.dilation)))


def _loops_key(memories: list[Loops]) -> str:
    """Factors of all memories, and the place of each dimension in their orders."""
    factors = []
    orders = []
    for loops in memories:
        bounds = dict.fromkeys(DIMENSIONS, 1)
        for dimension, bound in loops:
            bounds[dimension] *= bound
        factors.append("_".join(map(str, bounds.values())))
        order = order_of(loops)
        orders.append("".join(str(order.index(dimension)) for dimension in DIMENSIONS))
    return "-".join(factors) + "+" + "-".join(orders)


def _short(name: str) -> str:
    """Name of a folder; the end of a long one is replaced by a hash of all of it."""
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(name.encode()).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}~{digest}"


def _pairs(loops: Loops) -> list[list[Any]]:
    return [list(loop) for loop in loops]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
