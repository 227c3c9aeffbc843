# SPDX-License-Identifier: BSD-3-Clause
"""Everything that pictures and reports show of a result, put together once.

Decides which units the numbers have (docs/report.md section 1); how things are drawn is decided by
the modules that draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .layer_rows import layer_rows, roofs_of, spans_of
from .node_maps import board_of, node_maps
from .roofline import points_of
from .units import cost_unit, counted

if TYPE_CHECKING:
    from nn_dataflow.tools.search_result import SearchResult

    from .layer_rows import LayerRow, Roofs, Span
    from .node_maps import Board, NodeMap
    from .roofline import Point
    from .units import Unit


class Contents(NamedTuple):
    """What is shown.

    Attributes
    ----------
    result
        The search, or the evaluation.
    title
        Network and batch.
    spans, rows
        Segments in the time of the network; layers.
    points, roofs
        Roofline.
    board, maps
        The node array.
    layer_cost, layer_time
        Units of cost and time of single layers.
    whole_cost, total_time, whole_time
        Units of cost and time of the network, and of the time line of all segments.
    """

    result: SearchResult
    title: str
    spans: list[Span]
    rows: list[LayerRow]
    points: list[Point]
    roofs: Roofs
    board: Board
    maps: list[NodeMap]
    layer_cost: Unit
    layer_time: Unit
    whole_cost: Unit
    total_time: Unit
    whole_time: Unit

    @property
    def is_pipelined(self) -> bool:
        """Whether layers share a segment."""
        return any(row.shares_segment for row in self.rows)

    @property
    def num_groups(self) -> int:
        """Most groups of a segment."""
        return max(row.group for row in self.rows) + 1

    @property
    def most_cost(self) -> float:
        """Cost of the layer that costs most."""
        return max(row.cost for row in self.rows)

    @property
    def has_waits(self) -> bool:
        """Whether a layer does not run for all of the time of its segment."""
        return any((row.start, row.end) != self.spans[row.segment][:2] for row in self.rows)


def contents_of(result: SearchResult) -> Contents:
    """Put together what is shown of the best schedule of a result."""
    spans = spans_of(result)
    rows = layer_rows(result, spans)
    problem, best = result.problem, result.best
    return Contents(
        result,
        f"{problem.net}, batch {problem.batch}",
        spans,
        rows,
        points_of(rows),
        roofs_of(result),
        board_of(result),
        node_maps(spans),
        cost_unit(result, [row.cost for row in rows]),
        counted("time", "cycles", [row.time for row in rows]),
        cost_unit(result, [best.total_cost]),
        counted("time", "cycles", [best.total_time]),
        counted("time", "cycles", [spans[-1].end]),
    )
