# SPDX-License-Identifier: BSD-3-Clause
"""Best loop blocking schemes of one nested loop description: the published interface.

Decides how schemes are ranked when nothing is known of data layouts: by the energy of accesses
and by time (docs/model/loop_blocking.md section 8).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from .blocking_model import BlockingModel
from .blocking_search import NO_POINTS, Points, frontier
from .blocking_space import BlockingSpace
from .buf_shr_scheme import BufShrScheme
from .columns import join, take
from .layer_limits import NO_LIMITS
from .loop_blocking_scheme import LoopBlockingScheme
from .loop_blocking_solver import solve_gbuf_reside
from .loop_blocking_space import CONV_RELATED, canonical_order
from .loop_prices import PriceList
from .nested_loop_desc import stack
from .ranking import goal_order
from .search_effort import SearchEffort

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .cost import Cost
    from .layer_limits import LayerLimits
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


def solves(nld: NestedLoopDesc, options: Option) -> bool:
    """Whether the analytical solver takes the place of the enumeration."""
    related = tuple(loops.loops() for loops in nld.data_loops)
    return bool(options.sw_solve_loopblocking) and related == CONV_RELATED


def allowed_schemes(points: Points, tops: TopLoops) -> NDArray[np.bool_]:
    """Which schemes are as required at the top level of loops, (n,)."""
    return tops.allow(points.bl_ts[:, 0], points.bl_ords[:, 0])


def solved_points(
    model: BlockingModel, cost: Cost, options: Option, limits: LayerLimits = NO_LIMITS
) -> list[Points]:
    """The schemes of the analytical solver that fit, in its order, for several array mappings.

    Parameters
    ----------
    model
        The model of the array mappings, stacked (see `stack`).
    cost, options
        Energy per access; which categories may bypass the buffer.
    limits
        What is fixed or forbidden; schemes that it does not allow are left out.
    """
    # Whether filters that could stay on chip do is not for the solver to say: both are tried.
    num = np.size(model.nld.loopcnt[0])
    keeps = (True, False) if model.may_pin else (True,)
    desc, found = [NO_POINTS.scheme], [NO_POINTS]
    for number, solved in enumerate(solve_gbuf_reside(model.nld, model.resource, options)):
        for keep in keeps:
            evaluation = model.evaluate(solved.bl_ts, solved.bl_ords, keep)
            points = Points(
                cost=evaluation.access_cost(cost),
                time=evaluation.time,
                dram=evaluation.dram_time,
                node=evaluation.node_time,
                fetch=evaluation.fetch[:, 0],
                bl_ts=solved.bl_ts,
                bl_ords=solved.bl_ords,
                keep_filters=np.full(num, keep),
                scheme=np.full(num, number),
            )
            useful = solved.fits & evaluation.valid & (keep | ~evaluation.pinned)
            useful &= limits.allow(solved.bl_ts, solved.bl_ords, evaluation.stored)
            desc.append(np.flatnonzero(useful))
            found.append(take(points, useful))
    desc_of = np.concatenate(desc)
    order = np.argsort(desc_of, kind="stable")
    every = take(join(found), order)
    bounds = np.searchsorted(desc_of[order], np.arange(num + 1)).tolist()
    return [take(every, slice(*ends)) for ends in itertools.pairwise(bounds)]


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
    solved = solves(nested_loop_desc, options)
    if solved:
        stacked = BlockingModel(stack([nested_loop_desc]), resource, options, bufshr)
        (own,) = solved_points(stacked, cost, options)
        points = take(own, allowed_schemes(own, tops))
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
