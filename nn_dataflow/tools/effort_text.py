# SPDX-License-Identifier: BSD-3-Clause
"""What a search has proven, and what it took to find its result, in words.

Decides what of the certificate and of the counts of a search is told (docs/model/search.md sections
6.3 and 7.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .table_text import flow

if TYPE_CHECKING:
    from .search_result import SearchResult

_EFFORT = {
    "equivalent": "pruned by equivalence",
    "capacity": "pruned by capacity",
    "bound": "pruned by bound",
}


def effort_lines(result: SearchResult, width: int) -> list[str]:
    """Return the lines of a table that tell of proof, time and effort; none if there was none."""
    if result.interrupted:
        return [
            *flow("proof", proof(result), width),
            *flow("search", [f"interrupted after {result.elapsed:.3f} s"], width),
        ]
    if not result.effort:  # nothing was searched
        return flow("proof", proof(result), width) if result.certificate else []
    reused, computed = result.cache_stats
    processes = result.options.nprocesses
    search = (
        f"{result.elapsed:.3f} s",
        *(f"{stage} {seconds:.3f} s" for stage, seconds in result.seconds.items()),
        f"{processes} process{'es' if processes > 1 else ''}",
        f"layer searches {computed:,} computed, {reused:,} reused",
    )
    space = [f"10^{result.log10_space:.0f} schedules"] if result.log10_space > 0 else []
    effort = space + [
        f"{_EFFORT.get(name, name.replace('_', ' '))} {count:,}"
        for name, count in result.effort.items()
        if count or not name.startswith(("segments", "combinations"))
    ]
    return [
        *flow("proof", proof(result), width),
        *flow("search", search, width),
        *flow("effort", effort, width),
    ]


def proof(result: SearchResult) -> tuple[str, ...]:
    """Say how good the result is proven to be."""
    proven = result.certificate
    if proven is None:
        if result.interrupted:
            return ("nothing is proven yet",)
        return ("a stored schedule was evaluated, nothing was searched",)
    what = {"e": "cost", "d": "time"}.get(result.options.opt_goal, "cost x time")
    source = () if result.effort or result.interrupted else ("so the stored result says",)
    if proven.is_optimal:
        return (f"no schedule of the stated space has less {what}", *source)
    percent = math.ceil(1000 * proven.gap) / 10
    return (
        f"no schedule of the stated space has over {percent:g} % less {what}",
        f"lower bound {proven.lower_bound:.6g}",
        *source,
    )
