# SPDX-License-Identifier: BSD-3-Clause
"""The energy-delay curve of a network on a machine.

Decides which schedules are best when a cycle is worth some energy, for every such worth: the
corners of the lower left hull of (energy, time) over all schedules (docs/model/search.md section
6.4). A worth of w is a machine that takes w more static energy per cycle, so the searches are those
for the least energy.
"""

from __future__ import annotations

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
    """

    corners: tuple[Corner, ...]
    edges: tuple[Edge, ...]

    @property
    def is_complete(self) -> bool:
        """Whether no schedule of the stated space is below the curve."""
        return all(edge.certificate.is_optimal for edge in self.edges)


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
        self.edges: list[Edge | None] = []  # None: not looked below yet
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
        slow = self._searched("e", 0)
        if slow is None:
            return None
        self.corners = [slow]
        fast = self._searched("d", 0)
        if fast and fast.time < slow.time and fast.cost > slow.cost * (1 + TIE):
            self.corners.append(fast)
            self.edges.append(None)
        while (number := self._widest()) is not None:
            self._look_below(number)
        return self.curve()

    def curve(self) -> EnergyDelayCurve | None:
        """Give what is known of the curve, also while or after `run` was interrupted."""
        edges = [self._edge(n) if edge is None else edge for n, edge in enumerate(self.edges)]
        return EnergyDelayCurve(tuple(self.corners), tuple(edges)) if self.corners else None

    def _searched(self, goal: str, worth: float) -> Corner | None:
        """Search for a goal, and note what that proves."""
        what = {"e": "least energy", "d": "least time"}[goal]
        if worth:
            what = f"a cycle worth {worth:.4g} of energy"
        self.progress(len(self.corners), self.edges.count(None), what)
        found = self.search(goal, worth)
        if found is None:
            return None
        scheme, certificate = found
        if goal == "d":
            self.least_time = certificate.lower_bound
        else:
            self.bounds[worth] = certificate.lower_bound
        return Corner(scheme, scheme.total_cost, scheme.total_time)

    def _widest(self) -> int | None:
        """The edge to look below next: the one of the largest triangle, in relative terms."""
        open_edges = [number for number, edge in enumerate(self.edges) if edge is None]
        return max(open_edges, key=self._width, default=None)

    def _width(self, number: int) -> float:
        one, two = self.corners[number : number + 2]
        return (two.cost / one.cost - 1) * (one.time / two.time - 1)

    def _look_below(self, number: int) -> None:
        """Find the schedule that is furthest below an edge; where there is none, it is proven."""
        edge = self._edge(number)
        if self.max_corners is None or len(self.corners) < self.max_corners:
            corner = self._searched("e", edge.worth)
            if corner and corner.value(edge.worth) < edge.certificate.value * (1 - TIE):
                self.corners.insert(number + 1, corner)
                self.edges[number : number + 1] = [None, None]
                return
            edge = self._edge(number)
        self.edges[number] = edge

    def _edge(self, number: int) -> Edge:
        """An edge with what follows for it from the searches done."""
        one, two = self.corners[number : number + 2]
        worth = (two.cost - one.cost) / (one.time - two.time)
        value, least = one.value(worth), self._least(worth)
        return Edge(worth, Certificate(value, value if least >= value * (1 - TIE) else least))

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


def _no_progress(_known: int, _open: int, _what: str) -> None:
    pass


def _with_static_cost(scheme: NNDataflowScheme, idl_unit: float) -> NNDataflowScheme:
    """The same schedule on a machine with another static energy per cycle."""
    other = type(scheme)(scheme.network, scheme.input_layout, scheme.ext_layout_dict)
    for name, result in scheme.items():
        other[name] = with_static_cost(result, idl_unit)
    return other
