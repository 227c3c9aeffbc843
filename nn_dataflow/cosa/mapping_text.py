# SPDX-License-Identifier: BSD-3-Clause
"""A mapping as a loop nest that people read.

Decides the form of the printed nest (docs/cosa.md section 4): outermost loop first, memories where
their tiles begin, and, with uneven mapping, which tensors a loop exchanges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problem import TENSORS

if TYPE_CHECKING:
    from .mapping import Mapping


def loop_nest(mapping: Mapping) -> str:
    """Return the nest, one loop per line, each more inner memory indented."""
    lines = []
    for m in reversed(range(len(mapping.levels))):
        name, spatial, temporal = mapping.levels[m]
        indent = "  " * (len(mapping.levels) - 1 - m)
        kept = f" ({', '.join(mapping.keeps[m])})" if mapping.keeps else ""
        lines.append(f"{indent}{name}{kept}:")
        inside = mapping.residency[m] if mapping.residency else (len(temporal),) * len(TENSORS)
        for number in reversed(range(len(temporal))):
            dimension, bound = temporal[number]
            moved = [
                tensor
                for tensor, count in zip(TENSORS, inside, strict=True)
                if count <= number and (mapping.keeps is None or tensor in mapping.keeps[m])
            ]
            note = f"  # exchanges {', '.join(moved)}" if moved else ""
            lines.append(f"{indent}for {dimension} in 0..{bound - 1}{note}")
        lines += [
            f"{indent}parallel for {dimension} in 0..{bound - 1}"
            for dimension, bound in reversed(spatial)
        ]
    return "\n".join(lines)
