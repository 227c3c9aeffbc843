# SPDX-License-Identifier: BSD-3-Clause
"""Where the PE sets of a row-stationary mapping go on the PE array.

Decides how often a logical PE set is folded or replicated in each dimension, and which area of the
array it takes (docs/model/mapping.md section 4).
"""

from __future__ import annotations

from typing import NamedTuple

from nn_dataflow.util import idivc

from .phy_dim2 import PhyDim2


class PESetGeometry(NamedTuple):
    """Where the PE sets of a layer go on the array: attributes of `MapStrategyEyeriss`, and k.

    The folded logical PE set is as wide as `strips` (k) horizontal strips, stacked vertically.
    """

    fold: PhyDim2
    repl: PhyDim2
    strips: int
    dim_flpeset: PhyDim2
    dim_ppeset: PhyDim2


def fold_and_replicate(dim_lpeset: PhyDim2, dim_array: PhyDim2) -> PESetGeometry:
    """Fold a logical PE set that exceeds the array, replicate one that leaves room.

    Each dimension is folded φ = ⌈L/A⌉ times if L > A, else replicated ρ = ⌊A/L⌋ times. Vertical
    replicas serve the width fold first: with k = min(ρ_h, φ_w) strips, φ_w becomes ⌈φ_w/k⌉ and ρ_h
    becomes ⌊ρ_h/k⌋. Then Q = (⌈L_h/φ_h⌉, ⌈L_w/φ_w⌉), and the physical PE set
    (Q_h·ρ_h·k, ⌈Q_w·ρ_w/k⌉) is always within the array.

    Parameters
    ----------
    dim_lpeset : PhyDim2
        Logical PE set L (logical PEs).
    dim_array : PhyDim2
        PE array A (PEs).

    Returns
    -------
    PESetGeometry

    Examples
    --------
    A 3×3 filter on a 224×224 ofmap and 16×16 PEs: a third of the ofmap rows at a time, in 5 strips
    of 15.

    >>> fold_and_replicate(PhyDim2(3, 224), PhyDim2(16, 16)).dim_ppeset
    PhyDim2(h=15, w=15)

    References
    ----------
    docs/model/mapping.md section 4.
    """
    fold_h, repl_h = _fold_or_replicate(dim_lpeset.h, dim_array.h)
    fold_w, repl_w = _fold_or_replicate(dim_lpeset.w, dim_array.w)
    strips = min(repl_h, fold_w)
    fold = PhyDim2(fold_h, idivc(fold_w, strips))
    repl = PhyDim2(repl_h // strips, repl_w)
    dim_flpeset = PhyDim2(idivc(dim_lpeset.h, fold.h), idivc(dim_lpeset.w, fold.w))
    dim_ppeset = PhyDim2(dim_flpeset.h * repl.h * strips, idivc(dim_flpeset.w * repl.w, strips))
    return PESetGeometry(fold, repl, strips, dim_flpeset, dim_ppeset)


def _fold_or_replicate(need: int, have: int) -> tuple[int, int]:
    """Return (fold, replication) of `need` logical PEs over `have` PEs in one dimension."""
    if need > have:
        return idivc(need, have), 1
    return 1, have // need
