# SPDX-License-Identifier: BSD-3-Clause
"""Analytical loop blocking of CONV layers with a single category in the global buffer.

Decides blocking factors and orders in closed form where the other two categories bypass GBUF
(TETRIS, ASPLOS'17; docs/model/loop_blocking.md section 9). It looks at sizes and traffic only,
not at energies; a check on the enumeration rather than a replacement of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from .loop_blocking_space import CONV_RELATED, divisor_table
from .nested_loop_desc import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Scheme = tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]

# Per resident category: loops x, y, z; categories of (x, y), (y, z), (x, z); words moved per
# fetch of each, 2 for partial sums that are read and written.
_ROLES = {
    de.FIL: ((le.IFM, le.OFM, le.BAT), (de.FIL, de.OFM, de.IFM), (1, 2, 1)),
    de.IFM: ((le.IFM, le.BAT, le.OFM), (de.IFM, de.OFM, de.FIL), (1, 2, 1)),
    de.OFM: ((le.OFM, le.BAT, le.IFM), (de.OFM, de.IFM, de.FIL), (2, 1, 1)),
}


class Solutions(NamedTuple):
    """Schemes with one category in GBUF, of many array mappings; axis 0 is the array mapping."""

    fits: Bools  # (n,) whether the capacities allow any
    bl_ts: Ints  # (n, 3, 3) all ones where they do not
    bl_ords: Ints  # (n, 2, 3)


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
    for solved in solve_gbuf_reside(stack([nested_loop_desc]), resource, options):
        if solved.fits[0]:
            ts, ords = solved.bl_ts[0].tolist(), solved.bl_ords[0].tolist()
            yield tuple(map(tuple, ts)), tuple(map(tuple, ords))


def solve_gbuf_reside(
    nested_loop_descs: NestedLoopDesc, resource: Resource, options: Option
) -> list[Solutions]:
    """Solve for many array mappings (see `stack`), once per category that may be alone in GBUF.

    Parameters and errors are those of `gen_loopblocking_gbuf_reside`.
    """
    if tuple(loops.loops() for loops in nested_loop_descs.data_loops) != CONV_RELATED:
        raise ValueError(
            "loop_blocking_solver: nested_loop_desc must have the data loops of a CONV layer, "
            f"not {nested_loop_descs.data_loops}"
        )
    return [
        _solve(nested_loop_descs, resource, *roles)
        for dce, roles in _ROLES.items()
        if all(options.sw_gbuf_bypass[other] for other in range(de.NUM) if other != dce)
    ]


def _solve(
    nld: NestedLoopDesc,
    resource: Resource,
    loops: tuple[int, int, int],
    categories: tuple[int, int, int],
    weights: tuple[int, int, int],
) -> Solutions:
    """Solve for one resident category (x, y)."""
    nx, ny, nz = counts = np.stack([nld.loopcnt[lpe] for lpe in loops])
    gxy, gyz, gxz = (nld.usize_gbuf[dce] for dce in categories)
    qxy, qyz, qxz = (nld.usize_regf[dce] for dce in categories)
    axy, ayz, axz = weights

    # Stage 1: top factors of x and y, axes 1 and 2.
    x0, y0 = divisor_table(nx), divisor_table(ny)
    x1, y1 = (nx[:, None] // x0)[:, :, None], (ny[:, None] // y0)[:, None, :]
    feasible = x1 * y1 * _wide(gxy) <= resource.size_gbuf
    fewest_words = np.minimum(
        x1 * _wide(qxy + qxz) + _wide(qyz), y1 * _wide(qxy + qyz) + _wide(qxz)
    )
    feasible &= fewest_words <= resource.size_regf
    traffic = _wide(nx * ny * gxy * axy) + _wide(ny * nz * gyz * ayz) * x0[:, :, None]
    traffic = np.where(feasible, traffic + _wide(nx * nz * gxz * axz) * y0[:, None, :], np.inf)
    best_x, best_y = np.unravel_index(
        traffic.reshape(len(nx), -1).argmin(axis=1), traffic.shape[1:]
    )
    row = np.arange(len(nx))
    top_x, top_y = x0[row, best_x], y0[row, best_y]
    fits = feasible[row, best_x, best_y]

    # Stage 2: register file factors.
    z_factors = divisor_table(nz)

    def most_z(x2: Ints, y2: Ints) -> Ints:
        room = (resource.size_regf - x2 * y2 * qxy) // (y2 * qyz + x2 * qxz)
        most: Ints = np.where(z_factors <= room[:, None], z_factors, 0).max(axis=1)
        return most

    x2, y2 = nx // top_x, ny // top_y
    tries = np.array([most_z(x2, y2), most_z(np.ones_like(x2), y2), most_z(x2, np.ones_like(y2))])
    whole = tries[0] > 0
    first = tries[1] >= tries[2]
    tz2 = np.where(whole, tries[0], np.maximum(tries[1], tries[2]))
    fits &= tz2 > 0
    regf = np.stack([np.where(whole | ~first, x2, 1), np.where(whole | first, y2, 1), tz2])
    regf = np.where(fits, regf, 1)
    return _schemes(loops, fits, counts, np.stack([top_x, top_y, nz // regf[2]]), regf)


def _wide(column: Any) -> Any:
    return column[:, None, None]


def _schemes(
    loops: tuple[int, int, int], fits: Bools, counts: Ints, top: Ints, regf: Ints
) -> Solutions:
    """Fill in the middle factors and the orders, z innermost at the top.

    `counts` and factors have shape (3, n), by loops x, y, z.
    """
    gbuf = counts // (top * regf)
    gbuf_ord = np.where(gbuf[0] > 1, [[0], [1], [2]], [[1], [0], [2]])
    merged = top[2] == 1
    top = np.where(merged, top * gbuf, top)
    gbuf = np.where(merged, 1, gbuf)
    top_ord = np.where(merged, gbuf_ord, [[2], [1], [0]])
    place = [loops.index(lpe) for lpe in range(le.NUM)]
    bl_ts = np.stack([level[place].T for level in (top, gbuf, regf)], axis=1)
    bl_ords = np.stack([level[place].T for level in (top_ord, gbuf_ord)], axis=1)
    return Solutions(fits, np.where(fits[:, None, None], bl_ts, 1), bl_ords)
