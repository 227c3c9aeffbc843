# SPDX-License-Identifier: BSD-3-Clause
"""Orders of the temporal loops of one memory that may differ in cost.

Decides which of the permutations need to be tried (docs/model/cosa_search.md section 3): those that
differ in the loops that are free for weights or outputs, or in how the innermost loops move a
window.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from .nest import WINDOWS
from .problem import DIMENSIONS, INPUTS, MOVES, OUTPUTS, TENSORS, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

NUM_DIMS = len(DIMENSIONS)
_K = DIMENSIONS.index("K")

# Loops that matter: three of a group that does not move a tensor, or of one window and K.
_DEPTH = 3

Order = tuple[int, ...]


class OrderTable:
    """Orders by numbers, so that arrays can have them.

    Parameters
    ----------
    windows : tuple of (int, int)
        (filter dimension, plane dimension) of windows that overlap.
    """

    def __init__(self, windows: tuple[tuple[int, int], ...]) -> None:
        self._windows = windows
        self._orders: list[Order] = []
        self._numbers: dict[Order, int] = {}
        self._tried: dict[tuple[int, int, int], list[int]] = {}
        self.number(range(NUM_DIMS))

    def __getitem__(self, numbers: Ints) -> Ints:
        """Dimensions, innermost first, (..., 7)."""
        return self._table[numbers]

    def number(self, order: Iterable[int]) -> int:
        """Number of an order."""
        key = tuple(int(d) for d in order)
        if key not in self._numbers:
            self._numbers[key] = len(self._orders)
            self._orders.append(key)
            self._table = np.array(self._orders)
        return self._numbers[key]

    def tried(self, mask: int, live: int, barred: int) -> list[int]:
        """Numbers of the orders to try, see `orders`."""
        key = mask, live, barred
        if key not in self._tried:
            self._tried[key] = [
                self.number(order) for order in orders(mask, live, barred, self._windows)
            ]
        return self._tried[key]


def normal_form(factors: Ints, direct: Ints, live: Ints, has_windows: bool) -> tuple[Ints, Ints]:
    """Loops that a memory need not have, and that need not be innermost in it.

    A loop that moves no tensor of the memory below can be its outermost one instead. Where a
    window is spread over the children, the loop must stay outside: its steps would change.

    Parameters
    ----------
    factors : numpy.ndarray of int, (N, 7)
        Spatial bounds of the memory.
    direct, live : numpy.ndarray of int
        Tensors that the memory below stores, and that any memory inside stores.
    has_windows : bool
        Whether there are windows that overlap.

    Returns
    -------
    tuple of numpy.ndarray of int, (N,)
        Bits of the dimensions.
    """
    idle, barred = np.zeros((2, len(factors)), dtype=np.int64)
    for d in range(NUM_DIMS):
        if MOVES[direct, d].any():
            continue
        may = np.ones(len(factors), dtype=bool)
        for window in WINDOWS:
            if d in window:
                other = sum(window) - d
                may = factors[:, d] == 1
                if INPUTS not in live:
                    may |= factors[:, other] == 1
        # Beside loops that move windows it matters where K is.
        if not (d == _K and has_windows and INPUTS in direct):
            barred |= may * (1 << d)
        matters = d == _K and has_windows and INPUTS in live
        if not matters and not MOVES[live, d].any():
            idle |= may * (1 << d)
    return idle, barred


@lru_cache(maxsize=1 << 16)
def orders(
    mask: int, live: int, barred: int, windows: tuple[tuple[int, int], ...] = WINDOWS
) -> tuple[Order, ...]:
    """List orders of the loops of one memory, one for each outcome that may be best.

    Parameters
    ----------
    mask : int
        Bit d is set if there is a loop of dimension d.
    live : int
        Bit t is set if a memory further inside stores tensor t.
    barred : int
        Dimensions that must not be innermost: there, the memory below could have the loop.
    windows : tuple of (int, int), optional
        (filter dimension, plane dimension) of windows that overlap.

    Returns
    -------
    tuple of tuple of int
        Permutations of all seven dimensions, innermost first; none if a loop must be innermost
        that must not.
    """
    dims = [d for d in range(NUM_DIMS) if mask >> d & 1]
    rest_of = [d for d in range(NUM_DIMS) if not mask >> d & 1]
    if not dims:
        return (tuple(range(NUM_DIMS)),)
    best: dict[tuple[int, ...], dict[tuple[int, int], Order]] = {}
    for prefix in permutations(dims, min(_DEPTH, len(dims))):
        if barred >> prefix[0] & 1:
            continue
        free = tuple(
            _free(prefix, tensor) if live >> tensor & 1 else 0 for tensor in (WEIGHTS, OUTPUTS)
        )
        motion = _window_motion(prefix, mask, windows) if live >> INPUTS & 1 else ()
        order = prefix + tuple(d for d in dims if d not in prefix) + tuple(rest_of)
        best.setdefault(motion, {}).setdefault((free[0], free[1]), order)
    return tuple(
        order
        for found in best.values()
        for key, order in found.items()
        if not any(_covers(other, key) for other in found)
    )


def advance(counted: Floats, pending: Floats, bounds: Ints, order: Ints) -> None:
    """Place the loops of one memory inside of others; change the products of stationary loops.

    Parameters
    ----------
    counted, pending : numpy.ndarray, (N, 3)
        Loops that do not move a tensor, outside of one that does, and inside of all that do.
    bounds, order : numpy.ndarray of int, (N, 7)
        Bounds by dimension; dimensions, innermost first.
    """
    loops = np.take_along_axis(bounds, order, 1).astype(float)
    for t in range(len(TENSORS)):
        moves = MOVES[t][order]
        still = np.where(moves, 1.0, loops)
        has_moved = ((loops > 1) & moves).cumsum(axis=1) > 0
        free = np.where(has_moved, 1.0, still).prod(axis=1)
        outside = still.prod(axis=1) / free
        ends = has_moved[:, -1]
        counted[:, t] *= np.where(ends, pending[:, t] * outside, 1)
        pending[:, t] = np.where(ends, free, pending[:, t] * free)


def _free(prefix: Order, tensor: int) -> int:
    """Loops inside the first one that moves a tensor, as bits."""
    found = 0
    for d in prefix:
        if MOVES[tensor, d]:
            break
        found |= 1 << d
    return found


def _covers(other: tuple[int, int], key: tuple[int, int]) -> bool:
    """Whether an order leaves more loops free for both tensors."""
    return other != key and all(b & ~a == 0 for a, b in zip(other, key, strict=True))


def _window_motion(
    prefix: Order, mask: int, windows: tuple[tuple[int, int], ...]
) -> tuple[int, ...]:
    """Return the innermost loops as far as they can move a window by equal steps.

    All are along one window, or do not move inputs. Beyond, every delivery is a whole tile. If
    only loops of one window are here at all, loops of outer memories may continue the motion.
    """
    for r, p in windows:
        window = {r, p, _K}
        along = []
        for d in prefix:
            if d not in window:
                break
            along.append(d)
        if any(d != _K for d in along):
            is_all = all(d in window for d in range(NUM_DIMS) if mask >> d & 1)
            is_both = bool(mask >> r & mask >> p & 1)
            if is_all or is_both:
                return tuple(along)
            return tuple(along[: 1 + along.index(next(d for d in along if d != _K))])
    # Channels and batch move by whole tiles.
    return (prefix[0],) if prefix[0] == _K else ()
