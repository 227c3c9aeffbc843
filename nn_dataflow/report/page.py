# SPDX-License-Identifier: BSD-3-Clause
"""The report of a result: one HTML file that needs nothing else.

Decides what fills the template (docs/report.md section 6). The same result and the same command
make the same file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nn_dataflow.tools.effort_text import proof
from nn_dataflow.tools.loop_nest import explain
from nn_dataflow.tools.problem_text import GOALS, problem_facts

from . import curve, page_tables
from .contents import contents_of
from .layer_rows import KINDS, PARTS
from .page_charts import map_drawings, roofline
from .palette import GROUP_FILLS, KIND_COLOURS, PART_FILLS, named
from .template import filled

if TYPE_CHECKING:
    from nn_dataflow.tools.search_result import SearchResult

    from .contents import Contents


def render(result: SearchResult, version: str, command: str = "") -> str:
    """Return the report.

    Parameters
    ----------
    result
        The search, or the evaluation.
    version
        Version of the program.
    command
        The command line that reproduces the report, if there is one.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    return filled("report.html", _values(contents_of(result)), version, command)


def _values(contents: Contents) -> dict[str, Any]:
    """Return what the template fills in."""
    result, rows = contents.result, contents.rows
    kinds = {row.kind for row in rows}
    return {
        "title": contents.title,
        "goal": GOALS[result.options.opt_goal],
        "proof": "; ".join(proof(result)),
        "facts": problem_facts(result),
        "summary": page_tables.summary(contents),
        "parts": page_tables.parts(contents),
        "layers": page_tables.layers(contents),
        "energy": page_tables.energy(contents),
        "part_names": [name for name, _ in PARTS],
        "time": page_tables.time(contents),
        "roofline": roofline(contents),
        "roofs": contents.roofs,
        "kinds": [(number, kind) for number, kind in enumerate(KINDS) if kind in kinds],
        "kind_colours": [*KIND_COLOURS.values()],
        "num_points": len(contents.points),
        "pipeline": page_tables.pipeline(contents),
        "segments": page_tables.segments(contents),
        "moves": page_tables.moves(contents),
        "maps": map_drawings(contents),
        "curve": curve.table(contents),
        "nests": [explain(result.best, row.name) for row in rows],
        "contents": contents,
        "infinity": math.inf,
        "fills": {**named("p", PART_FILLS), **named("g", GROUP_FILLS)},
        "group_fills": GROUP_FILLS,
    }
