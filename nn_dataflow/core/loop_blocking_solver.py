# SPDX-License-Identifier: BSD-3-Clause
"""Analytical loop blocking of CONV layers with a single category in the global buffer.

Decides blocking factors and orders in closed form where the other two categories bypass GBUF
(TETRIS, ASPLOS'17; docs/model/loop_blocking.md section 9). It looks at sizes and traffic only,
not at energies; a check on the enumeration rather than a replacement of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from .loop_blocking_space import CONV_RELATED, divisors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource

    Scheme = tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]

# Per resident category: loops x, y, z; categories of (x, y), (y, z), (x, z); words moved per
# fetch of each, 2 for partial sums that are read and written.
_ROLES = {
    de.FIL: ((le.IFM, le.OFM, le.BAT), (de.FIL, de.OFM, de.IFM), (1, 2, 1)),
    de.IFM: ((le.IFM, le.BAT, le.OFM), (de.IFM, de.OFM, de.FIL), (1, 2, 1)),
    de.OFM: ((le.OFM, le.BAT, le.IFM), (de.OFM, de.IFM, de.FIL), (2, 1, 1)),
}


def gen_loopblocking_gbuf_reside(
    nested_loop_desc: NestedLoopDesc, resource: Resource, options: Option
) -> Iterator[Scheme]:
    """Yield (bl_ts, bl_ords) with one category in GBUF, for each category that may be alone.

    Parameters
    ----------
    nested_loop_desc
        What one processing pass of a CONV layer needs.
    resource
        Capacities of GBUF and the register files.
    options
        A category is tried if all others may bypass (`sw_gbuf_bypass`).

    Raises
    ------
    ValueError
        If the data loops are not those of a CONV layer.
    """
    if tuple(loops.loops() for loops in nested_loop_desc.data_loops) != CONV_RELATED:
        raise ValueError(
            "loop_blocking_solver: nested_loop_desc must have the data loops of a CONV layer, "
            f"not {nested_loop_desc.data_loops}"
        )
    for dce, roles in _ROLES.items():
        if all(options.sw_gbuf_bypass[other] for other in range(de.NUM) if other != dce):
            scheme = _solve(nested_loop_desc, resource, *roles)
            if scheme is not None:
                yield scheme


def _solve(
    nld: NestedLoopDesc,
    resource: Resource,
    loops: tuple[int, int, int],
    categories: tuple[int, int, int],
    weights: tuple[int, int, int],
) -> Scheme | None:
    """Solve for one resident category (x, y); None if the capacities allow nothing."""
    nx, ny, nz = (nld.loopcnt[lpe] for lpe in loops)
    gxy, gyz, gxz = (nld.usize_gbuf[dce] for dce in categories)
    qxy, qyz, qxz = (nld.usize_regf[dce] for dce in categories)
    axy, ayz, axz = weights

    # Stage 1: top factors of x and y.
    x0, y0 = divisors(nx)[:, None], divisors(ny)[None, :]
    feasible = (nx // x0) * (ny // y0) * gxy <= resource.size_gbuf
    feasible &= (
        np.minimum((nx // x0) * (qxy + qxz) + qyz, (ny // y0) * (qxy + qyz) + qxz)
        <= resource.size_regf
    )
    if not feasible.any():
        return None
    traffic = nx * ny * gxy * axy + ny * nz * gyz * ayz * x0 + nx * nz * gxz * axz * y0
    best = np.unravel_index(np.where(feasible, traffic, np.inf).argmin(), feasible.shape)
    tx0, ty0 = int(x0[best[0], 0]), int(y0[0, best[1]])

    # Stage 2: register file factors.
    def most_z(x2: int, y2: int) -> int:
        room = (resource.size_regf - x2 * y2 * qxy) // (y2 * qyz + x2 * qxz)
        return int(divisors(nz)[divisors(nz) <= room].max(initial=0))

    tries = [(nx // tx0, ny // ty0)]
    if not most_z(*tries[0]):
        tries = [(1, ny // ty0), (nx // tx0, 1)]
    tx2, ty2 = max(tries, key=lambda xy: most_z(*xy))
    tz2 = most_z(tx2, ty2)
    if not tz2:
        return None
    return _scheme(loops, (nx, ny, nz), (tx0, ty0, nz // tz2), (tx2, ty2, tz2))


def _scheme(
    loops: tuple[int, int, int],
    counts: tuple[int, int, int],
    top: tuple[int, int, int],
    regf: tuple[int, int, int],
) -> Scheme:
    """Fill in the middle factors and the orders, z innermost at the top."""
    gbuf = tuple(n // (t * r) for n, t, r in zip(counts, top, regf, strict=True))
    top_ord, gbuf_ord = (2, 1, 0), (0, 1, 2) if gbuf[0] > 1 else (1, 0, 2)
    if top[2] == 1:
        top = (top[0] * gbuf[0], top[1] * gbuf[1], 1)
        gbuf = (1, 1, 1)
        top_ord = gbuf_ord
    place = [loops.index(lpe) for lpe in range(le.NUM)]
    return (
        tuple(tuple(level[p] for p in place) for level in (top, gbuf, regf)),
        tuple(tuple(ord_[p] for p in place) for ord_ in (top_ord, gbuf_ord)),
    )
