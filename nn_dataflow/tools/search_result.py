# SPDX-License-Identifier: BSD-3-Clause
"""A finished network search, as the table and the JSON record show it.

Decides how the total cost divides into its components, and checks that they sum to it
(docs/model/search.md section 7.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.core.constraints import NO_CONSTRAINTS

from .layer_figures import Component, busy_share, components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.certificate import Certificate
    from nn_dataflow.core.constraints import Constraints
    from nn_dataflow.core.cost import Cost
    from nn_dataflow.core.energy_delay import EnergyDelayCurve
    from nn_dataflow.core.network import Network
    from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
    from nn_dataflow.core.option import Option
    from nn_dataflow.core.resource import Resource
    from nn_dataflow.core.scheduling_result import SchedulingResult
    from nn_dataflow.machines.spec import Machine

LARGEST_DIFFERENCE = 1e-6


class Problem(NamedTuple):
    """What is searched, in the model's terms.

    ``net`` is the network as it was asked for, ``given`` the capacities so, where they were;
    ``constraints`` are what is fixed or forbidden.
    """

    net: str
    batch: int
    network: Network
    machine: Machine
    options: Option
    given: str = ""
    constraints: Constraints = NO_CONSTRAINTS


class SearchResult(NamedTuple):
    """The schedules found, best first, and what they were found for and how.

    ``elapsed`` is the time of the search, in seconds; ``cache_stats`` counts the layer searches
    reused and computed; ``effort`` counts the candidates met, by what became of them;
    ``certificate`` is what is proven of the best schedule, None if nothing is;
    ``seconds`` are those of each stage; ``interrupted`` tells that these are the best found so far;
    ``log10_space`` is the logarithm of the number of schedules that the search chose from;
    ``curve`` is the energy-delay curve, if it was asked for.
    """

    problem: Problem
    tops: Sequence[NNDataflowScheme]
    cache_stats: tuple[int, int]
    elapsed: float
    effort: dict[str, int]
    certificate: Certificate | None
    seconds: dict[str, float]
    interrupted: bool = False
    log10_space: float = -math.inf
    curve: EnergyDelayCurve | None = None

    @property
    def resource(self) -> Resource:
        """The machine."""
        return self.problem.machine.resource

    @property
    def cost(self) -> Cost:
        """Its unit costs."""
        return self.problem.machine.cost

    @property
    def cost_name(self) -> str:
        """What costs are in: a unit of energy or another, where the machine tells it."""
        return self.problem.machine.cost_unit or "units"

    @property
    def options(self) -> Option:
        """What was searched for."""
        return self.problem.options

    @property
    def best(self) -> NNDataflowScheme:
        """The best schedule."""
        return self.tops[0]

    def sharing_hops(self) -> Component:
        """Return what of the hops is between nodes of sharing groups, not to and from memory."""
        hops = math.fsum(sum(layer.scheme["node_nhops"]) for layer in self.best.values())
        return Component("in sharing groups", "word-hops", hops, hops * self.cost.noc_hop)

    def busy_pes(self, layer: SchedulingResult | None = None) -> float:
        """Share of the PEs' time in which they operate: of a layer's nodes in its own time.

        Without a layer, of all nodes in the time of the best schedule.
        """
        pes = self.resource.dim_array.size()
        if layer is not None:
            return busy_share(layer.total_ops, layer.total_time, layer.num_nodes * pes)
        all_pes = pes * self.resource.proc_region.dim.size()
        return busy_share(self.best.total_ops, self.best.total_time, all_pes)

    def components(self, layer: SchedulingResult | None = None) -> list[Component]:
        """Return the parts of a cost: operations, four memories, hops, static.

        Parameters
        ----------
        layer
            Whose cost it is, with static cost for its own time; that of the best schedule
            otherwise.

        Raises
        ------
        ArithmeticError
            If they do not sum to the total cost, which is an error of the program.
        """
        best = self.best if layer is None else layer
        parts = components(best, self.cost, best.total_time)
        total = math.fsum(part.cost for part in parts)
        if not math.isclose(total, best.total_cost, rel_tol=LARGEST_DIFFERENCE):
            raise ArithmeticError(
                f"the components of the cost sum to {total:.12g}, not to {best.total_cost:.12g}"
            )
        return parts
