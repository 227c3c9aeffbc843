# SPDX-License-Identifier: BSD-3-Clause
"""`nn_dataflow compare`: says how results of searches differ.

Decides what is compared with what (docs/compare.md): every result with the first one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nn_dataflow.version import get_version

from .argument_checks import OneLineParser, Refused
from .comparison import as_values, compare
from .comparison_table import render
from .drawings import COMPARISON, PLOT, REPORT, Drawings
from .output_file import refuse_overwriting
from .result_json import to_plain, to_text
from .result_record import read_record
from .terminal import columns, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .comparison import Comparison

PROG = "nn_dataflow compare"

MOST = 26
"""Results that pictures and a report tell apart, by letters."""


def run(argv: Sequence[str]) -> None:
    """Compare results, and say how they differ.

    Raises
    ------
    Refused
        If there is only one, or one cannot be read or is no result, or nothing can be drawn.
    OutputError
        If the differences or their pictures cannot be written.
    """
    parser = OneLineParser(
        prog=PROG, description="Say how results of nn_dataflow_search differ from the first one."
    )
    parser.add_argument(
        "results",
        metavar="RESULT.json",
        nargs="+",
        help="JSON of nn_dataflow_search or nn_dataflow evaluate; the first is the base",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--plot", metavar="DIR", help="draw totals and layers as SVG and PNG into this folder"
    )
    parser.add_argument(
        "--report", metavar="FILE", help="write a report of the comparison, one HTML file"
    )
    parser.add_argument("--debug", action="store_true", help="show where in the program it failed")
    given = parser.parse_args(argv)
    if len(given.results) < 2:
        raise Refused(f"{given.results[0]}: must be followed by results to compare it with")
    drawings = _drawings(given.results, given.plot, given.report, [*PROG.split(), *argv])
    base, *others = map(read_record, given.results)
    comparisons = [compare(base, other) for other in others]
    if drawings:
        drawings.save(comparisons, COMPARISON)
    if given.json:
        write(to_text(to_plain(values(comparisons))))
    else:
        width = columns(sys.stdout)
        write("\n".join(render(comparison, width) for comparison in comparisons))


def _drawings(
    results: Sequence[str], plot: str | None, report: str | None, command: Sequence[str]
) -> Drawings | None:
    """Return what is to be drawn, which is refused before any file is read."""
    if plot is None and report is None:
        return None
    if len(results) > MOST:
        option = REPORT if plot is None else PLOT
        raise Refused(f"{option}: shows at most {MOST} results, got {len(results)}")
    inputs = {f"result {number}": path for number, path in enumerate(results, start=1)}
    refuse_overwriting({REPORT: report}, inputs)
    return Drawings(plot, report, command)


def values(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return comparisons with one base as values for JSON."""
    return {
        "version": get_version(with_local=True),
        "base": comparisons[0].base.path,
        "results": [as_values(comparison) for comparison in comparisons],
    }
