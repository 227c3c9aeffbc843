# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve of a network on a machine.

Decides which schedules are best when a cycle is worth some energy, for every such worth: the
corners of the lower left hull of (energy, time) over all schedules (docs/model/search.md section
6.4). A worth of w is a machine that takes w more static energy per cycle, so the searches are those
for the least energy.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .certificate import Certificate
from .nn_dataflow import NNDataflow
from .ranking import TIE
from .scheduling import with_static_cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from .nn_dataflow_scheme import NNDataflowScheme
    from .option import Option

    Search = Callable[[str, float], "tuple[NNDataflowScheme, Certificate] | None"]


class Corner(NamedTuple):
    """A schedule that no mixture of others beats in both energy and time."""

    scheme: NNDataflowScheme
    cost: float
    time: float

    def value(self, worth: float) -> float:
        """Energy, plus time if a cycle is worth some energy."""
        return self.cost + worth * self.time


class Edge(NamedTuple):
    """What is proven between two neighbouring corners.

    Attributes
    ----------
    worth
        Energy per cycle by which the one takes more energy and the other more time.
    certificate
        Energy plus worth times time, of both corners, and the least of any schedule.
    """

    worth: float
    certificate: Certificate


class EnergyDelayCurve(NamedTuple):
    """The corners from the one of least energy to the one of least time, and the edges between.

    Attributes
    ----------
    corners
        The schedules.
    edges
        One less than corners.
    ends
        The energy of the first corner and the time of the last one, and the least of any schedule.
    """

    corners: tuple[Corner, ...]
    edges: tuple[Edge, ...]
    ends: tuple[Certificate, Certificate]

    @property
    def is_complete(self) -> bool:
        """Whether no schedule of the stated space is below the curve, or beyond its ends."""
        proven = (*(edge.certificate for edge in self.edges), *self.ends)
        return all(certificate.is_optimal for certificate in proven)


class EnergyDelaySearch:
    """The search for the corners of an energy-delay curve.

    Parameters
    ----------
    search
        Finds the best schedule for a goal, with a cycle worth some energy besides the static
        energy, and what is proven of it; None if no schedule is valid.
    max_corners
        Corners after which no more are looked for; the widest gaps between corners are filled
        first.
    progress
        Told the number of corners known, that of the edges not looked below yet, and what is
        searched, before each search.
    """

    def __init__(
        self,
        search: Search,
        max_corners: int | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> None:
        self.search = search
        self.max_corners = max_corners
        self.progress = progress or _no_progress
        self.corners: list[Corner] = []
        self.known_edges: dict[object, Edge] = {}  # those looked below, by energies and times
        self.least_time = 0.0
        self.bounds: dict[float, float] = {}  # least energy plus worth times time, by worth

    @classmethod
    def of(
        cls,
        dataflow: NNDataflow,
        options: Option,
        max_corners: int | None = None,
        progress: Callable[[int, int, str], None] | None = None,
        executor: Executor | None = None,
    ) -> EnergyDelaySearch:
        """The search for the curve of a network on a machine.

        Parameters
        ----------
        dataflow
            The network, batch size, machine, costs, mapping strategy and constraints.
        options
            Options of the search; `opt_goal` and `ntops` do not matter.
        max_corners, progress
            As above.
        executor
            As for `NNDataflow.schedule_search`.
        """
        cost = dataflow.cost

        def search(goal: str, worth: float) -> tuple[NNDataflowScheme, Certificate] | None:
            dearer = NNDataflow(
                dataflow.network,
                dataflow.batch_size,
                dataflow.resource,
                cost._replace(idl_unit=cost.idl_unit + worth),
                dataflow.map_strategy,
                dataflow.constraints,
            )
            schemes, _ = dearer.schedule_search(
                options._replace(opt_goal=goal, ntops=1), executor=executor
            )
            if not schemes or dearer.certificate is None:
                return None
            return _with_static_cost(schemes[0], cost.idl_unit), dearer.certificate

        return cls(search, max_corners, progress)

    def run(self) -> EnergyDelayCurve | None:
        """Find all corners; None if no schedule is valid."""
        for goal in ("e", "d"):
            corner = self._searched(goal, 0)
            if corner is None:
                return self.curve()
            self._add(corner)
        while (edge := self._widest()) is not None:
            self._look_below(*edge)
        return self.curve()

    def curve(self) -> EnergyDelayCurve | None:
        """Give what is known of the curve, also while or after `run` was interrupted."""
        corners = self.corners
        if not corners:
            return None
        edges = (
            self.known_edges.get(_key(*ends)) or self._edge(*ends) for ends in pairwise(corners)
        )
        ends = (
            _proven(corners[0].cost, self.bounds[0]),
            _proven(corners[-1].time, self.least_time),
        )
        return EnergyDelayCurve(tuple(corners), tuple(edges), ends)

    def _add(self, corner: Corner) -> None:
        """Take up a schedule, and drop the corners that it beats.

        Where the searches prove nothing it may be anywhere, also beyond the ends.
        """
        kept: list[Corner] = []
        for one in sorted([*self.corners, corner], key=lambda one: (one.cost, one.time)):
            if kept and one.time >= kept[-1].time:
                continue
            if kept and one.cost <= kept[-1].cost * (1 + TIE):
                kept.pop()
            while len(kept) > 1 and not _is_below(kept[-2], kept[-1], one):
                kept.pop()
            kept.append(one)
        self.corners = kept

    def _searched(self, goal: str, worth: float) -> Corner | None:
        """Search for a goal, and note what that proves."""
        what = {"e": "least energy", "d": "least time"}[goal]
        if worth:
            what = f"a cycle worth {worth:.4g} of energy"
        self.progress(len(self.corners), len(self._open_edges()), what)
        found = self.search(goal, worth)
        if found is None:
            return None
        scheme, certificate = found
        if goal == "d":
            self.least_time = certificate.lower_bound
        else:
            self.bounds[worth] = certificate.lower_bound
        return Corner(scheme, scheme.total_cost, scheme.total_time)

    def _open_edges(self) -> list[tuple[Corner, Corner]]:
        """Edges that were not looked below yet."""
        return [ends for ends in pairwise(self.corners) if _key(*ends) not in self.known_edges]

    def _widest(self) -> tuple[Corner, Corner] | None:
        """The edge to look below next: the one of the largest triangle, in relative terms."""
        return max(self._open_edges(), key=lambda ends: _width(*ends), default=None)

    def _look_below(self, one: Corner, two: Corner) -> None:
        """Find the schedule that is furthest below an edge; where there is none, it is proven."""
        edge = self._edge(one, two)
        if self.max_corners is None or len(self.corners) < self.max_corners:
            corner = self._searched("e", edge.worth)
            if corner and corner.value(edge.worth) < edge.certificate.value * (1 - TIE):
                self._add(corner)
            edge = self._edge(one, two)
        self.known_edges[_key(one, two)] = edge

    def _edge(self, one: Corner, two: Corner) -> Edge:
        """An edge with what follows for it from the searches done."""
        worth = _worth(one, two)
        return Edge(worth, _proven(one.value(worth), self._least(worth)))

    def _least(self, worth: float) -> float:
        """Lower bound on energy plus worth times time of all schedules.

        It is the least where two lines meet of those that no schedule is below.
        """
        if worth in self.bounds:
            return self.bounds[worth]
        below = max(other for other in self.bounds if other < worth)
        above = min((other for other in self.bounds if other > worth), default=None)
        time = self.least_time
        if above is not None:
            time = (self.bounds[above] - self.bounds[below]) / (above - below)
        return self.bounds[below] + (worth - below) * time


def _key(one: Corner, two: Corner) -> tuple[float, ...]:
    """What an edge is known by."""
    return one.cost, one.time, two.cost, two.time


def _worth(one: Corner, two: Corner) -> float:
    """Energy per cycle by which two corners are worth the same."""
    return (two.cost - one.cost) / (one.time - two.time)


def _width(one: Corner, two: Corner) -> float:
    """Size of the triangle that schedules below an edge may be in, relative to its corner."""
    return (1 - one.cost / two.cost) * (1 - two.time / one.time)


def _is_below(one: Corner, middle: Corner, two: Corner) -> bool:
    """Whether the middle one is below the line between the others."""
    worth = _worth(one, two)
    return middle.value(worth) < one.value(worth)


def _proven(value: float, least: float) -> Certificate:
    """What a lower bound proves of a value, which is optimal if the bound is within a tie of it."""
    return Certificate(value, value if least >= value * (1 - TIE) else least)


def _no_progress(_known: int, _open: int, _what: str) -> None:
    pass


def _with_static_cost(scheme: NNDataflowScheme, idl_unit: float) -> NNDataflowScheme:
    """The same schedule on a machine with another static energy per cycle."""
    other = type(scheme)(scheme.network, scheme.input_layout, scheme.ext_layout_dict)
    for name, result in scheme.items():
        other[name] = with_static_cost(result, idl_unit)
    return other
