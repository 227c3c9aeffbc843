# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a comparison in a folder, as SVG and PNG (docs/compare.md section 4).

Decides which pictures there are: those of layers only where results have layers to compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import compare_pictures
from .compared import compared
from .plot import drawn, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nn_dataflow.tools.comparison import Comparison

TOTALS = {"totals": compare_pictures.totals}
LAYERS = {
    "layer_energy": compare_pictures.layer_energy,
    "layer_time": compare_pictures.layer_time,
}


def figures(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Any]]:
    """Return the name of each picture and its figure of matplotlib, one after another."""
    shown = compared(comparisons)
    return drawn({**TOTALS, **(LAYERS if shown.layered else {})}, shown)


def files(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, bytes]]:
    """Return the name and the contents of each file, one after another."""
    return written(figures(comparisons))
