# SPDX-License-Identifier: BSD-3-Clause
"""Where the energy and the time of a layer, of a segment or of a whole schedule go.

Decides what limits a layer, how busy its PEs are, and how a cost divides into its components
(docs/model/search.md sections 7 and 7.1), the same way for all that show it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nn_dataflow.core.cost import Cost

LIMITS = ("PEs", "bus", "DRAM")
"""What the time of a layer can come from: its PEs, the bus to the PEs, or DRAM."""

LEVELS = ("DRAM", "GBUF", "PE array", "register files")


class Figures(Protocol):
    """What a cost divides into: a layer, or a whole schedule, found or read."""

    @property
    def total_ops(self) -> float:
        """Operations."""

    @property
    def total_accesses(self) -> Sequence[float]:
        """Words at DRAM, GBUF, PE array and register files."""

    @property
    def total_noc_hops(self) -> float:
        """Word-hops."""


class Component(NamedTuple):
    """A part of a cost: how many events of a kind, and their cost."""

    name: str
    unit: str
    amount: float
    cost: float


def limit_times(scheme: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the cycles of a layer in its PEs, on the bus to them, and in DRAM."""
    return scheme["proc_time"], scheme["bus_time"], scheme["dram_time"]


def limit_of(scheme: Mapping[str, Any]) -> str:
    """Name what the time of a layer comes from, one of `LIMITS`; the first of several.

    Examples
    --------
    >>> limit_of({"proc_time": 4, "bus_time": 7, "dram_time": 7})
    'bus'
    """
    times = limit_times(scheme)
    return LIMITS[times.index(max(times))]


def busy_share(ops: float, time: float, num_pes: int) -> float:
    """Return the share of the time of `num_pes` PEs in which they work.

    Examples
    --------
    >>> busy_share(ops=300, time=100, num_pes=4)
    0.75
    """
    return ops / (time * num_pes)


def components(figures: Figures, cost: Cost, time: float) -> list[Component]:
    """Return the parts of a cost: operations, four memories, hops, static.

    Parameters
    ----------
    figures
        A layer, or a schedule.
    cost
        The unit costs.
    time
        Cycles for which static energy is paid.
    """
    ops, hops = figures.total_ops, figures.total_noc_hops
    return [
        Component("operations", "ops", ops, ops * cost.mac_op),
        *(
            Component(level, "words", words, words * unit)
            for level, words, unit in zip(
                LEVELS, figures.total_accesses, cost.mem_hier, strict=True
            )
        ),
        Component("hops between nodes", "word-hops", hops, hops * cost.noc_hop),
        Component("static", "cycles", time, time * cost.idl_unit),
    ]


def summed(several: Iterable[Sequence[Component]], cost: Cost, time: float) -> list[Component]:
    """Return the components of layers together, with static energy for another time."""
    parts = [
        Component(
            same[0].name,
            same[0].unit,
            math.fsum(part.amount for part in same),
            math.fsum(part.cost for part in same),
        )
        for same in zip(*several, strict=True)
    ]
    return [*parts[:-1], parts[-1]._replace(amount=time, cost=time * cost.idl_unit)]
