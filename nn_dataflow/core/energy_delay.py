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

    from .cost import Cost
    from .map_strategy import MapStrategy
    from .network import Network
    from .nn_dataflow_scheme import NNDataflowScheme
    from .option import Option
    from .resource import Resource

    Search = Callable[[str, float], "tuple[NNDataflowScheme, Certificate] | None"]


class Corner(NamedTuple):
    """A schedule that no mixture of others beats in both energy and time."""

    scheme: NNDataflowScheme
    cost: float
    time: float


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


def energy_delay_curve(
    network: Network,
    batch_size: int,
    resource: Resource,
    cost: Cost,
    map_strategy: type[MapStrategy],
    options: Option,
    *,
    max_corners: int | None = None,
    progress: Callable[[int, str], None] | None = None,
    executor: Executor | None = None,
) -> EnergyDelayCurve | None:
    """Find the energy-delay curve.

    Parameters
    ----------
    network, batch_size, resource, cost, map_strategy
        What is searched, as for `NNDataflow`.
    options
        Options of the search; `opt_goal` and `ntops` do not matter.
    max_corners
        Corners after which the search stops; the widest gaps between corners are filled first.
    progress
        Told the number of corners known and what is searched, before each search.
    executor
        As for `NNDataflow.schedule_search`.

    Returns
    -------
    EnergyDelayCurve
        None if no schedule is valid.
    """

    def search(goal: str, worth: float) -> tuple[NNDataflowScheme, Certificate] | None:
        dearer = cost._replace(idl_unit=cost.idl_unit + worth)
        nnd = NNDataflow(network, batch_size, resource, dearer, map_strategy)
        schemes, _ = nnd.schedule_search(
            options._replace(opt_goal=goal, ntops=1), executor=executor
        )
        if not schemes or nnd.certificate is None:
            return None
        return _with_static_cost(schemes[0], cost.idl_unit), nnd.certificate

    return _Curve(search, max_corners, progress or _no_progress).run()


def _with_static_cost(scheme: NNDataflowScheme, idl_unit: float) -> NNDataflowScheme:
    """The same schedule on a machine with another static energy per cycle."""
    other = type(scheme)(scheme.network, scheme.input_layout, scheme.ext_layout_dict)
    for name, result in scheme.items():
        other[name] = with_static_cost(result, idl_unit)
    return other


class _Curve:
    """The corners found so far, the edges between them, and what is proven of all schedules."""

    def __init__(
        self, search: Search, max_corners: int | None, progress: Callable[[int, str], None]
    ) -> None:
        self.search = search
        self.max_corners = max_corners
        self.progress = progress
        self.corners: list[Corner] = []
        self.edges: list[Edge | None] = []  # None: not looked below yet
        self.least_time = 0.0
        self.bounds: dict[float, float] = {}  # least energy plus worth times time, by worth

    def run(self) -> EnergyDelayCurve | None:
        """Find all corners."""
        slow, fast = self._searched("e", 0), self._searched("d", 0)
        if slow is None or fast is None:
            return None
        self.corners = [slow]
        if fast.time < slow.time and fast.cost > slow.cost * (1 + TIE):
            self.corners.append(fast)
            self.edges.append(None)
        while (number := self._widest()) is not None:
            self._look_below(number)
        return EnergyDelayCurve(tuple(self.corners), tuple(e for e in self.edges if e is not None))

    def _searched(self, goal: str, worth: float) -> Corner | None:
        """Search for a goal, and note what that proves."""
        what = {"e": "least energy", "d": "least time"}[goal]
        if worth:
            what = f"a cycle worth {worth:.4g} of energy"
        self.progress(len(self.corners), what)
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
        one, two = self.corners[number : number + 2]
        worth = (two.cost - one.cost) / (one.time - two.time)
        value = one.cost + worth * one.time
        if self.max_corners is None or len(self.corners) < self.max_corners:
            corner = self._searched("e", worth)
            if corner is not None and corner.cost + worth * corner.time < value * (1 - TIE):
                self.corners.insert(number + 1, corner)
                self.edges[number : number + 1] = [None, None]
                return
        least = self._least(worth)
        is_optimal = least >= value * (1 - TIE)
        self.edges[number] = Edge(worth, Certificate(value, value if is_optimal else least))

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


def _no_progress(_known: int, _what: str) -> None:
    pass
