# SPDX-License-Identifier: BSD-3-Clause
"""In which orders the loops of a scheme may stand, of those that are equivalent.

Decides which orders a scheme has whose innermost loops are known (docs/model/loop_blocking.md
section 8.1): the other loops of several trips may be permuted without a change of the fetches, so
the canonical order stands for all, unless it is not allowed and another one is.
"""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from nn_dataflow.caching import lru_cache

from . import loop_enum as le
from .loop_blocking_space import LOCAL_REGION_CASES, TopLoops, canonical_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .layer_limits import OrderLimits
    from .loop_blocking_space import Case

    Bools = NDArray[np.bool_]

Orders = tuple[tuple[int, ...], ...]
Several = tuple[tuple[bool, ...], ...]
"""Per level (DRAM, GBUF) which loops (I, O, B) make more than one trip."""

_PERMUTATIONS = list(permutations(range(le.NUM)))
_PAIRS = list(product(_PERMUTATIONS, repeat=2))
_SETS = list(product((False, True), repeat=le.NUM))


@lru_cache(maxsize=1 << 14)
def first_orders(
    several: Several,
    inner: tuple[int | None, ...] | None,
    outer: tuple[int, ...],
    limits: OrderLimits,
) -> Orders | None:
    """Return the orders of both levels that a scheme stands for, None if none is allowed.

    The canonical ones if they are allowed, otherwise the first in candidate order.

    Parameters
    ----------
    several
        Which loops make more than one trip.
    inner
        Which of these is the innermost one of each level; None where every order is equivalent.
    outer
        Loops that must be the outermost ones at the top.
    limits
        What is fixed or forbidden besides.

    Examples
    --------
    >>> from nn_dataflow.core.layer_limits import OrderLimits
    >>> trips = ((True, True, True), (False, False, False))
    >>> first_orders(trips, (1, None), (), OrderLimits())
    ((1, 0, 2), (0, 1, 2))
    >>> first_orders(trips, (1, None), (), OrderLimits(pinned=((0, (0, 2)),)))
    ((2, 0, 1), (0, 1, 2))
    >>> first_orders(trips, (1, None), (), OrderLimits(pinned=((0, (1, 2)),))) is None
    True
    """
    factors = 1 + np.array(several, dtype=np.int64)
    candidates = _PAIRS
    if inner is not None:
        canonical = tuple(
            canonical_order(factors[level].tolist(), inner[level], () if level else outer)
            for level in range(2)
        )
        candidates = [canonical, *(pair for pair in _PAIRS if _has_inner(pair, several, inner))]
    orders = np.array(candidates, dtype=np.int64)
    bl_ts = np.broadcast_to(factors, orders.shape)
    allowed = limits.allow(bl_ts, orders) & TopLoops(outer=outer).allow(bl_ts[:, 0], orders[:, 0])
    return candidates[int(allowed.argmax())] if allowed.any() else None


def _has_inner(orders: Orders, several: Several, inner: tuple[int | None, ...]) -> bool:
    """Tell whether loops are the innermost ones of several trips."""
    return all(
        min((lpe for lpe in range(le.NUM) if trips[lpe]), key=order.__getitem__, default=None)
        == wanted
        for order, trips, wanted in zip(orders, several, inner, strict=True)
    )


def inner_loops(cases: tuple[Case, ...], case: int) -> tuple[int | None, ...] | None:
    """Innermost loops of a case, None if every order is equivalent."""
    return None if cases is LOCAL_REGION_CASES else cases[case].inner


@lru_cache(maxsize=256)
def allowed_nests(
    cases: tuple[Case, ...], outer: tuple[int, ...], limits: OrderLimits
) -> Bools | None:
    """Tell which loops of several trips can stand in an order that is allowed; None if all can.

    Returns
    -------
    Array (cases, 8, 8), by the sets of loops of several trips at DRAM and GBUF, where bit 4 is I, 2
    is O and 1 is B. Sets without the innermost loop of a case are not allowed.
    """
    if not limits.pinned and not limits.forbidden:
        return None
    allowed = np.zeros((len(cases), len(_SETS), len(_SETS)), dtype=bool)
    for case in range(len(cases)):
        inner = inner_loops(cases, case)
        for (one, top), (two, gbuf) in product(enumerate(_SETS), repeat=2):
            if inner is None or all(map(_suits, (top, gbuf), inner)):
                found = first_orders((top, gbuf), inner, outer, limits)
                allowed[case, one, two] = found is not None
    return allowed


def _suits(trips: tuple[bool, ...], inner: int | None) -> bool:
    """Tell whether a loop can be the innermost one of several trips, or none can if it is None."""
    return not any(trips) if inner is None else trips[inner]
