# SPDX-License-Identifier: BSD-3-Clause
"""Best loop blocking schemes of one nested loop description: the published interface.

Decides how schemes are ranked when nothing is known of data layouts: by the energy of accesses
and by time (docs/model/loop_blocking.md section 8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from .blocking_model import BlockingModel
from .blocking_search import Points, frontier
from .blocking_space import BlockingSpace
from .buf_shr_scheme import BufShrScheme
from .columns import take
from .loop_blocking_scheme import LoopBlockingScheme
from .loop_blocking_solver import gen_loopblocking_gbuf_reside
from .loop_blocking_space import CONV_RELATED, canonical_order
from .loop_prices import PriceList
from .ranking import goal_order
from .search_effort import SearchEffort

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .cost import Cost
    from .loop_blocking_space import TopLoops
    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .partition_scheme import PartitionScheme
    from .resource import Resource
    from .scheduling_constraint import SchedulingConstraint


def skip_conv(bl_ts: Sequence[Sequence[int]], bl_ords: Sequence[Sequence[int]]) -> bool:
    """Whether a CONV scheme is skipped because an equivalent one is tried (section 8.1).

    Examples
    --------
    >>> skip_conv(((1, 1, 1), (2, 1, 1), (2, 1, 1)), ((0, 1, 2), (0, 1, 2)))
    True
    >>> skip_conv(((1, 1, 1), (4, 1, 1), (1, 1, 1)), ((0, 1, 2), (0, 1, 2)))
    False
    """
    outer = None
    for level, factors in enumerate(bl_ts):
        loops = [lpe for lpe in range(le.NUM) if factors[lpe] > 1]
        inner = None
        if level < len(bl_ords):
            inner = min(loops, key=bl_ords[level].__getitem__, default=None)
            if tuple(bl_ords[level]) != canonical_order(factors, inner):
                return True
        if outer is not None and outer in loops and outer != inner:
            return True
        outer = outer if inner is None else inner
    return False


def solves(model: BlockingModel, options: Option) -> bool:
    """Whether the analytical solver takes the place of the enumeration."""
    return bool(options.sw_solve_loopblocking) and model.related == CONV_RELATED


def allowed_schemes(points: Points, tops: TopLoops) -> NDArray[np.bool_]:
    """Which schemes are as required at the top level of loops, (n,)."""
    tables = zip(points.bl_ts[:, 0].tolist(), points.bl_ords[:, 0].tolist(), strict=True)
    return np.array([tops.allow(ts, ords) for ts, ords in tables], dtype=bool)


def solved_points(model: BlockingModel, cost: Cost, options: Option) -> Points:
    """The schemes of the analytical solver that fit, in its order."""
    schemes = list(gen_loopblocking_gbuf_reside(model.nld, model.resource, options))
    bl_ts = np.array([ts for ts, _ in schemes], dtype=np.int64).reshape(-1, 3, le.NUM)
    bl_ords = np.array([ords for _, ords in schemes], dtype=np.int64).reshape(-1, 2, le.NUM)
    keep = np.ones(len(schemes), dtype=bool)
    number = np.arange(len(schemes))
    if model.may_pin:  # the solver does not say whether filters that could stay on chip do
        bl_ts, bl_ords = bl_ts.repeat(2, axis=0), bl_ords.repeat(2, axis=0)
        keep = np.tile([True, False], len(schemes))
        number = number.repeat(2)
    evaluation = model.evaluate(bl_ts, bl_ords, keep)
    useful = evaluation.valid & (keep | ~evaluation.pinned)
    points = Points(
        cost=evaluation.access_cost(cost),
        time=evaluation.time,
        fetch=evaluation.fetch[:, 0],
        bl_ts=bl_ts,
        bl_ords=bl_ords,
        keep_filters=keep,
        scheme=number,
    )
    return take(points, useful)


def gen_loopblocking(
    nested_loop_desc: NestedLoopDesc,
    resource: Resource,
    part: PartitionScheme,
    constraint: SchedulingConstraint,
    cost: Cost,
    options: Option,
) -> Iterator[LoopBlockingScheme]:
    """Yield the best loop blocking schemes, best first, by energy of accesses and time.

    Parameters
    ----------
    nested_loop_desc, resource, part
        What one processing pass needs, the machine, and how the layer is split over its nodes.
    constraint
        What is required of the top level of loops.
    cost
        Energy per access; hops and static energy do not enter (the layer search knows them).
    options
        `opt_goal` and `ntops` rank and cut the list. With `sw_solve_loopblocking`, CONV layers
        yield the up to three schemes of the analytical solver instead, unranked.
    """
    bufshr = None
    if options.hw_access_forwarding or options.hw_gbuf_sharing:
        bufshr = BufShrScheme(resource.proc_region, part, nested_loop_desc.data_loops)
    model = BlockingModel(nested_loop_desc, resource, options, bufshr)
    cost = cost._replace(idl_unit=0)
    tops = constraint.top_loops()
    solved = solves(model, options)
    if solved:
        points = solved_points(model, cost, options)
        points = take(points, allowed_schemes(points, tops))
    else:
        space = BlockingSpace(PriceList(model, cost), tops)
        no_hops = (0.0,) * de.NUM
        points = frontier(space, no_hops, options.opt_goal, options.ntops, SearchEffort())
    evaluation = model.evaluate(points.bl_ts, points.bl_ords, points.keep_filters)
    order = goal_order(evaluation.access_cost(cost), evaluation.time, options.opt_goal).tolist()
    # Of the variants of a scheme that keep and that stream the filters the better one stays.
    best: dict[tuple[int, ...], int] = {}
    for index in order:
        scheme = (*points.bl_ts[index].ravel().tolist(), *points.bl_ords[index].ravel().tolist())
        best.setdefault(scheme, index)
    chosen = sorted(best.values()) if solved else list(best.values())[: options.ntops]
    for index in chosen:
        yield LoopBlockingScheme.of(model, evaluation, index, points.bl_ts, points.bl_ords)
