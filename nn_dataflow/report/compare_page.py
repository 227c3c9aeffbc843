# SPDX-License-Identifier: BSD-3-Clause
"""The report of a comparison: one HTML file that needs nothing else.

Decides what fills the template (docs/compare.md section 4). The same results and the same command
make the same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import compare_tables
from .compared import BASE, compared
from .layer_rows import PARTS
from .palette import LESS, MORE, PART_FILLS, named
from .template import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.tools.comparison import Comparison


def render(comparisons: Sequence[Comparison], version: str, command: str = "") -> str:
    """Return the report.

    Parameters
    ----------
    comparisons
        Of results with one base.
    version
        Version of the program.
    command
        The command line that reproduces the report, if there is one.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    shown = compared(comparisons)
    values = {
        "title": f"Comparison: {shown.title}",
        "fills": {**named("p", PART_FILLS), "more": MORE, "less": LESS},
        "compared": shown,
        "base": BASE,
        "part_names": [name for name, _ in PARTS],
        "results": compare_tables.results(shown),
        "changes": compare_tables.changes(shown),
        "common": compare_tables.common(shown),
        "total_rows": compare_tables.total_rows(shown),
        "totals": compare_tables.totals(shown),
        "pairs": compare_tables.pairs(shown),
        "zeros": compare_tables.zeros(shown),
        "others": [
            (letter, one)
            for letter, one in zip(shown.letters[1:], shown.comparisons, strict=True)
            if not one.same_network
        ],
    }
    return filled("compare.html", values, version, command)
