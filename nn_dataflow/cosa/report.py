# SPDX-License-Identifier: BSD-3-Clause
"""A schedule as text for people: a summary and a table of the memories.

Decides what is shown and in which units (docs/cosa.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .evaluation import Evaluation
    from .scheduler import Schedule

_UNITS = {"e": "pJ", "d": "cycles", "ed": "pJ x cycles"}
_HEADER = (
    "memory", "tensor", "words", "instances", "reads", "updates", "fills", "energy/uJ", "share/%",
)  # fmt: skip


def summary(schedule: Schedule) -> str:
    """Return some lines: the layer, what its mapping costs, and what is proved."""
    problem, evaluation = schedule.problem, schedule.evaluation
    shape = " ".join(f"{name}={bound}" for name, bound in problem.dims.items())
    slides = f"stride {_by(problem.stride)}, dilation {_by(problem.dilation)}"
    effort = f"{schedule.status} after {schedule.wall_s:.3g} s"
    lines = [
        f"{problem.name or 'layer'}: {shape}, {slides}",
        f"{schedule.architecture.name}, formulation {schedule.formulation}: {effort}",
    ]
    if not evaluation.valid:
        lines.append(f"rejected: {evaluation.reason}")
    lines.append(
        f"{evaluation.cycles} cycles ({evaluation.compute_cycles} of computing),"
        f" {evaluation.energy_pj / 1e6:.6g} uJ, utilization {evaluation.utilization:.3f}"
    )
    if schedule.objective is None:
        unit = _UNITS[schedule.goal]
        lines.append(
            f"{schedule.value:.6g} {unit}; no mapping is below {schedule.best_bound:.6g}"
            f" (gap {100 * schedule.gap:.3g} %)"
        )
    else:
        terms = ", ".join(
            f"{name} {term:.6g}" for name, term in schedule.objective._asdict().items()
        )
        lines.append(f"objective: {terms}; bound {schedule.best_bound:.6g}")
    return "\n".join(lines)


def level_table(evaluation: Evaluation) -> str:
    """Return a table with a row for each tensor of each memory, outermost first.

    Counts are of words per instance, energies of all instances; the last rows are the arithmetic
    units and the sum.
    """
    total = evaluation.energy_pj
    rows: list[tuple[object, ...]] = [_HEADER]
    for memory, tensors in reversed(evaluation.levels.items()):
        for tensor, row in tensors.items():
            counts = (row.tile_size, row.instances, row.reads, row.updates, row.fills)
            rows.append((memory, tensor, *counts, *_energy(row.energy_pj, total)))
    macs = ("arithmetic", "", "", evaluation.mac_lanes, "", "", "")
    rows.append((*macs, *_energy(evaluation.mac_energy_pj, total)))
    rows.append(("all", "", "", "", "", "", "", *_energy(total, total)))
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for line in texts:
        cells = [
            cell.ljust(width) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _energy(energy: float, total: float) -> tuple[str, str]:
    return f"{energy / 1e6:.4g}", f"{100 * energy / total:.1f}"


def _by(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"
