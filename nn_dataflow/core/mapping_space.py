# SPDX-License-Identifier: BSD-3-Clause
"""Loop blocking of one array mapping of a layer, searched when asked for.

Decides when an array mapping is searched (docs/model/search.md section 2): its bound is known at
once; its schemes are found at most once for given largest hop costs, here or in another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .blocking_model import BlockingModel
from .blocking_search import frontier
from .blocking_space import BlockingSpace
from .loop_blocking import solved_points, solves
from .search_effort import SearchEffort

if TYPE_CHECKING:
    from .blocking_search import Points
    from .buf_shr_scheme import BufShrScheme
    from .cost import Cost
    from .loop_blocking_space import TopLoops
    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource


class Setting(NamedTuple):
    """What all layers of a search have in common."""

    resource: Resource
    cost: Cost
    options: Option


class MappingSpace:
    """Loop blocking of one array mapping, searched when asked for.

    Attributes
    ----------
    op_cost
        Energy of the operations of all nodes.
    bound, min_time
        Admissible lower bounds on the energy of accesses and operations, and on the time;
        `bound` is infinite if no scheme is valid.
    min_fetch
        Least passes between memory and GBUF per category.
    """

    def __init__(
        self,
        nld: NestedLoopDesc,
        setting: Setting,
        tops: TopLoops,
        bufshr: BufShrScheme | None = None,
    ) -> None:
        self.nld = nld
        self.bufshr = bufshr
        self.setting = setting
        self.tops = tops
        resource, cost, options = setting
        self.model = BlockingModel(nld, resource, options, bufshr)
        self.solved = solves(self.model, options)
        self.op_cost: float = cost.mac_op * nld.total_ops() * self.model.num_nodes
        self._found: dict[tuple[float, ...], Points] = {}
        self.num_reused = 0
        self.num_searched = 0
        if self.solved:
            points = solved_points(self.model, tops, cost, options)
            self.bound = float(points.cost.min(initial=np.inf)) + self.op_cost
            self.min_time = int(points.time.min(initial=2**62))
            self._solved_points = points
        else:
            self.space = BlockingSpace(self.model, cost, tops)
            self.bound = self.space.bound + self.op_cost
            self.min_time = self.space.min_time
        self.min_fetch = (0 if self.model.may_pin else 1, 1, 1)

    def points(self, hop_costs: tuple[float, ...], effort: SearchEffort) -> Points:
        """Schemes that can be best for hop costs up to `hop_costs`, searched at most once."""
        if self.solved:
            return self._solved_points
        if hop_costs in self._found:
            self.num_reused += 1
        else:
            self.num_searched += 1
            goal, num = self.setting.options.opt_goal, self.setting.options.ntops
            share_cost = self.setting.cost.noc_hop
            self._found[hop_costs] = frontier(self.space, hop_costs, goal, num, effort, share_cost)
        return self._found[hop_costs]

    def job(self, hop_costs: tuple[float, ...]) -> MappingJob:
        """What `points` would search, for another process."""
        return MappingJob(self.nld, self.setting, self.tops, self.bufshr, hop_costs)

    def knows(self, hop_costs: tuple[float, ...]) -> bool:
        """Whether the schemes for these hop costs are known."""
        return self.solved or hop_costs in self._found

    @property
    def searched(self) -> bool:
        """Whether some schemes are known."""
        return self.solved or bool(self._found)

    def put(self, hop_costs: tuple[float, ...], points: Points) -> None:
        """Take over schemes that another process found."""
        self.num_searched += 1
        self._found[hop_costs] = points

    def num_candidates(self) -> int:
        """Schemes of the stated space."""
        return len(self._solved_points.time) if self.solved else self.space.num_candidates()


class MappingJob(NamedTuple):
    """The search of one array mapping, as values that any process can work with."""

    nld: NestedLoopDesc
    setting: Setting
    tops: TopLoops
    bufshr: BufShrScheme | None
    hop_costs: tuple[float, ...]

    def run(self) -> tuple[Points, SearchEffort]:
        """Search, and count the effort."""
        effort = SearchEffort()
        space = MappingSpace(self.nld, self.setting, self.tops, self.bufshr)
        return space.points(self.hop_costs, effort), effort
