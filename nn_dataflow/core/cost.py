# SPDX-License-Identifier: BSD-3-Clause
"""Unit costs of operations, memory accesses, network hops and time.

Decides which cost tables are meaningful (docs/model/hardware.md section 6). Units are arbitrary but
common, normally the energy of one multiply-accumulate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from . import mem_hier_enum as me
from .record import Record, is_integer, is_real

if TYPE_CHECKING:
    from typing_extensions import Self


class _CostFields(NamedTuple):
    mac_op: float
    mem_hier: tuple[float, ...]
    noc_hop: float
    idl_unit: float


class Cost(Record, _CostFields):
    """Unit costs, from which a schedule's total cost is the weighted sum of its counts.

    Parameters
    ----------
    mac_op : int or float
        Cost per operation.
    mem_hier : tuple of int or float
        Cost per word accessed, for each level of the memory hierarchy from DRAM to REGF.
    noc_hop : int or float
        Cost per word moved by one hop between nodes.
    idl_unit : int or float
        Cost per cycle, of the whole system.

    Raises
    ------
    TypeError
        If a field is missing, `mem_hier` is not a tuple, or a cost is not a number.
    ValueError
        If `mem_hier` does not have one cost for each level, or a cost is negative, infinite or NaN.

    Examples
    --------
    >>> Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
    Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
    """

    __slots__ = ()

    def __new__(  # noqa: D102  # the class describes it
        cls, mac_op: float, mem_hier: tuple[float, ...], noc_hop: float, idl_unit: float
    ) -> Self:
        _check_cost("mac_op", mac_op)
        if not isinstance(mem_hier, tuple):
            raise TypeError(f"Cost: mem_hier must be a tuple, got {mem_hier!r}")
        if len(mem_hier) != me.NUM:
            raise ValueError(f"Cost: mem_hier must have {me.NUM} costs, got {mem_hier!r}")
        for mhe, cost in enumerate(mem_hier):
            _check_cost(f"mem_hier[{mhe}]", cost)
        _check_cost("noc_hop", noc_hop)
        _check_cost("idl_unit", idl_unit)
        return super().__new__(cls, mac_op, mem_hier, noc_hop, idl_unit)

    def mem_hier_at(self, mhe: int) -> float | None:
        """Cost per word accessed at a level of the memory hierarchy.

        Parameters
        ----------
        mhe
            One of `MemHierEnum`.

        Returns
        -------
        int, float or None
            None if there is no such level.

        Examples
        --------
        >>> cost = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
        >>> cost.mem_hier_at(me.GBUF), cost.mem_hier_at(me.NUM)
        (6, None)
        """
        if not is_integer(mhe) or not 0 <= mhe < me.NUM:
            return None
        return self.mem_hier[mhe]


def _check_cost(name: str, cost: float) -> None:
    allowed = f"Cost: {name} must be a scalar, finite and not negative"
    if not is_real(cost):
        raise TypeError(f"{allowed}, got {cost!r}")
    if not 0 <= cost < math.inf:
        raise ValueError(f"{allowed}, got {cost!r}")
