# SPDX-License-Identifier: BSD-3-Clause
"""What the search of one layer is asked, and what it answers.

Decides on what the schedule of a layer depends besides the layer itself (docs/model/search.md
section 2), and which totals are read off a schedule (docs/model/search.md section 3).
"""

# The figures are values of a mapping whose value types differ by key.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from . import mem_hier_enum as me
from .data_layout import DataLayout
from .record import Record
from .resource import Resource
from .scheduling_constraint import SchedulingConstraint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Self


class _ConditionFields(NamedTuple):
    resource: Resource
    constraint: SchedulingConstraint
    ifmap_layout: DataLayout
    sched_seq: tuple[int, int, int]


class SchedulingCondition(Record, _ConditionFields):
    """The surroundings of a layer to be scheduled.

    Parameters
    ----------
    resource : Resource
        Hardware given to the layer, and the places of its data.
    constraint : SchedulingConstraint
        What its loop blocking must satisfy.
    ifmap_layout : DataLayout
        Where its ifmaps are.
    sched_seq : tuple of 3 int
        Place in the schedule of the network: segment, spatial index, temporal index.

    Raises
    ------
    TypeError
        If a field is of the wrong type.
    ValueError
        If `sched_seq` has not three entries.
    """

    __slots__ = ()

    def __new__(  # noqa: D102  # the class describes it
        cls,
        resource: Resource,
        constraint: SchedulingConstraint,
        ifmap_layout: DataLayout,
        sched_seq: tuple[int, int, int],
    ) -> Self:
        _check_type("SchedulingCondition", "resource", resource, Resource)
        _check_type("SchedulingCondition", "constraint", constraint, SchedulingConstraint)
        _check_type("SchedulingCondition", "ifmap_layout", ifmap_layout, DataLayout)
        _check_sched_seq("SchedulingCondition", sched_seq)
        return super().__new__(cls, resource, constraint, ifmap_layout, sched_seq)


class _ResultFields(NamedTuple):
    scheme: OrderedDict[str, Any]
    ofmap_layout: DataLayout
    sched_seq: tuple[int, int, int]


class SchedulingResult(Record, _ResultFields):
    """A schedule of one layer.

    Parameters
    ----------
    scheme : OrderedDict
        The schedule and its figures, by the keys of docs/model/search.md section 3, in that order.
        It must not be changed any more.
    ofmap_layout : DataLayout
        Where the layer puts its ofmaps.
    sched_seq : tuple of 3 int
        Place in the schedule of the network: segment, spatial index, temporal index.

    Raises
    ------
    TypeError
        If a field is of the wrong type.
    ValueError
        If `sched_seq` has not three entries.

    Notes
    -----
    Two results are equal when their schemes have equal values in the same order, and their other
    fields are equal. The hash needs hashable values in the scheme.
    """

    __slots__ = ()

    def __new__(  # noqa: D102  # the class describes it
        cls,
        scheme: OrderedDict[str, Any],
        ofmap_layout: DataLayout,
        sched_seq: tuple[int, int, int],
    ) -> Self:
        _check_type("SchedulingResult", "scheme", scheme, OrderedDict)
        _check_type("SchedulingResult", "ofmap_layout", ofmap_layout, DataLayout)
        _check_sched_seq("SchedulingResult", sched_seq)
        return super().__new__(cls, scheme, ofmap_layout, sched_seq)

    @property
    def total_cost(self) -> float:
        """Cost of operations, accesses, NoC hops and static energy, in units of the cost table."""
        return self.scheme["cost"]

    @property
    def total_time(self) -> float:
        """Time of the layer, in cycles, the longest of processing, array bus and DRAM."""
        return self.scheme["time"]

    @property
    def total_node_time(self) -> float:
        """Time inside the nodes, in cycles, the longer of processing and array bus."""
        return max(self.scheme["proc_time"], self.scheme["bus_time"])

    @property
    def total_dram_time(self) -> float:
        """Time of the DRAM accesses, in cycles."""
        return self.scheme["dram_time"]

    @property
    def total_proc_time(self) -> float:
        """Time of the processing, in cycles."""
        return self.scheme["proc_time"]

    @property
    def total_ops(self) -> float:
        """Operations on all nodes."""
        return self.scheme["ops"]

    @property
    def total_accesses(self) -> list[float]:
        """Accesses of all data at DRAM, GBUF, ITCN and REGF, in words, all nodes.

        Those at GBUF include the accesses to the buffers of other nodes.
        """
        return level_accesses(self.scheme)

    @property
    def total_noc_hops(self) -> float:
        """Transfers over the NoC of all data, in word-hops."""
        return sum(self.scheme["total_nhops"])

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the layer's processing region."""
        return self.scheme["num_nodes"]

    def __hash__(self) -> int:
        return hash((tuple(self.scheme.items()), self.ofmap_layout, self.sched_seq))


def level_accesses(scheme: Mapping[str, Any]) -> list[float]:
    """Accesses of all data at DRAM, GBUF (with those at other nodes), ITCN and REGF, in words."""
    accesses = [sum(words) for words in scheme["access"]]
    accesses[me.GBUF] += sum(scheme["remote_gbuf_access"])
    return accesses


def _check_type(owner: str, field: str, value: object, wanted: type) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{owner}: {field} must be of type {wanted.__name__}, got {value!r}")


def _check_sched_seq(owner: str, sched_seq: object) -> None:
    if not isinstance(sched_seq, tuple):
        raise TypeError(f"{owner}: sched_seq must be a tuple, got {sched_seq!r}")
    if len(sched_seq) != 3:
        raise ValueError(
            f"{owner}: sched_seq must be (segment, spatial index, temporal index), got {sched_seq}"
        )
