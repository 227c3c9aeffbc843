# SPDX-License-Identifier: BSD-3-Clause
"""Loop blocking of one array mapping of a layer, searched when asked for.

Decides how an array mapping is searched (docs/model/search.md section 2): its schemes are found at
most once for given largest hop costs, here or in another process.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .blocking_model import BlockingModel, StackedGroups
from .blocking_search import frontier
from .blocking_space import BlockingSpace
from .columns import take
from .layer_limits import NO_LIMITS
from .loop_blocking import allowed_schemes, solved_points, solves
from .loop_blocking_space import FREE
from .loop_prices import PriceList
from .mapping_bounds import MappingBounds
from .nested_loop_desc import stack
from .search_effort import SearchEffort
from .segment_times import group_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocking_search import Points
    from .buf_shr_scheme import BufShrScheme
    from .cost import Cost
    from .layer_limits import LayerLimits
    from .loop_blocking_space import TopLoops
    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource
    from .segment_times import GroupCounts

    Ints = NDArray[np.int64]


class Setting(NamedTuple):
    """What a layer is searched for.

    Attributes
    ----------
    resource, cost, options
        Machine, costs and options.
    near_ifmaps
        Share of the ifmaps in the buffers of the nodes themselves while the rest comes from the
        source region; 0 where all come from there.
    split_times
        Whether the cycles of the memory count besides those in all.
    limits
        What is fixed or forbidden in the schedule of the layer.
    """

    resource: Resource
    cost: Cost
    options: Option
    near_ifmaps: float = 0
    split_times: bool = False
    limits: LayerLimits = NO_LIMITS

    def model(
        self, nld: NestedLoopDesc, bufshr: BufShrScheme | StackedGroups | None
    ) -> BlockingModel:
        """Make the access model of an array mapping, or of several stacked ones."""
        return BlockingModel(nld, self.resource, self.options, bufshr, self.near_ifmaps)

    def stacked(self, kinds: Sequence[MappingKind | MappingSpace]) -> BlockingModel:
        """Make the access model of several array mappings of equal data loops."""
        groups = [kind.bufshr for kind in kinds if kind.bufshr is not None]
        return self.model(
            stack([kind.nld for kind in kinds]), StackedGroups(groups) if groups else None
        )

    def prices(self, nld: NestedLoopDesc, bufshr: BufShrScheme | None) -> PriceList:
        """Make the costs of the loops of an array mapping."""
        return PriceList(self.model(nld, bufshr), self.cost, self.limits)

    def search(
        self,
        prices: PriceList,
        tops: TopLoops,
        hop_costs: tuple[float, ...],
        effort: SearchEffort,
    ) -> Points:
        """Schemes of an array mapping that can be best for hop costs up to `hop_costs`."""
        return frontier(
            BlockingSpace(prices, tops),
            hop_costs,
            self.options.opt_goal,
            self.options.ntops,
            effort,
            self.cost.noc_hop,
            split_times=self.split_times,
        )


class MappingSpace:
    """Loop blocking of one array mapping, searched when asked for.

    There may be hundreds of thousands, of which few are looked at more than once.

    Attributes
    ----------
    op_cost
        Energy of the operations of all nodes.
    min_fetch
        Least passes between memory and GBUF per category.
    solutions, allowed
        The schemes of the analytical solver where no others are looked at; those that are as
        required.
    """

    __slots__ = (
        "_found",
        "_known_prices",
        "allowed",
        "bufshr",
        "min_fetch",
        "nld",
        "num_reused",
        "num_searched",
        "op_cost",
        "setting",
        "solutions",
        "tops",
    )

    def __init__(
        self,
        nld: NestedLoopDesc,
        setting: Setting,
        bufshr: BufShrScheme | None = None,
        solutions: Points | None = None,
    ) -> None:
        self.nld = nld
        self.bufshr = bufshr
        self.setting = setting
        self.solutions = solutions
        self._known_prices: PriceList | None = None
        num_nodes = setting.resource.proc_region.dim.size()
        self.op_cost: float = setting.cost.mac_op * nld.total_ops() * num_nodes
        self.min_fetch = (0 if setting.resource.no_time_mux else 1, 1, 1)
        self._require(FREE)

    @property
    def solved(self) -> bool:
        """Whether its schemes are those of the analytical solver."""
        return self.solutions is not None

    @property
    def prices(self) -> PriceList:
        """Costs of its loops, found when they are asked for first."""
        if self._known_prices is None:
            self._known_prices = self.setting.prices(self.nld, self.bufshr)
        return self._known_prices

    @property
    def model(self) -> BlockingModel:
        """The access model."""
        return self.prices.model

    def under(self, tops: TopLoops) -> MappingSpace:
        """The same array mapping under other requirements on the top level of loops."""
        if not self.solved:
            self.prices  # noqa: B018 (both have them)
        other = copy.copy(self)
        other._require(tops)  # noqa: SLF001 (one of this class)
        return other

    def _require(self, tops: TopLoops) -> None:
        self.tops = tops
        self._found: dict[tuple[float, ...], Points] = {}
        self.num_reused = 0
        self.num_searched = 0
        if self.solutions is not None:
            self.allowed = self.solutions
            if tops != FREE:
                self.allowed = take(self.solutions, allowed_schemes(self.solutions, tops))

    def points(self, hop_costs: tuple[float, ...], effort: SearchEffort) -> Points:
        """Schemes that can be best for hop costs up to `hop_costs`, searched at most once."""
        if self.solved:
            return self.allowed
        if hop_costs in self._found:
            self.num_reused += 1
        else:
            self.num_searched += 1
            self._found[hop_costs] = self.setting.search(self.prices, self.tops, hop_costs, effort)
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

    def put(self, hop_costs: tuple[float, ...], found: FoundSchemes) -> None:
        """Take over schemes that another process found."""
        self.num_searched += 1
        self._found[hop_costs] = found.points


class FoundSchemes(NamedTuple):
    """What a search in another process found.

    Attributes
    ----------
    points
        The schemes.
    effort
        What was looked at.
    """

    points: Points
    effort: SearchEffort


class MappingKind(NamedTuple):
    """An array mapping: the pass, the groups of nodes with equal data, what of them matters."""

    nld: NestedLoopDesc
    bufshr: BufShrScheme | None = None
    groups: object = None


def make_mappings(kinds: Sequence[MappingKind], setting: Setting) -> list[MappingSpace]:
    """Make the spaces of array mappings; the analytical solver looks at many at once."""
    solutions: list[Points | None] = [None] * len(kinds)
    alike: dict[object, list[int]] = {}
    for number, kind in enumerate(kinds):
        if solves(kind.nld, setting.options):
            alike.setdefault(kind.nld.data_loops, []).append(number)
    for numbers in alike.values():
        model = setting.stacked([kinds[number] for number in numbers])
        found = solved_points(model, setting.cost, setting.options, setting.limits)
        for number, own in zip(numbers, found, strict=True):
            solutions[number] = own
    return [
        MappingSpace(kind.nld, setting, kind.bufshr, own)
        for kind, own in zip(kinds, solutions, strict=True)
    ]


class NumberedPoints(NamedTuple):
    """Schemes of a layer in a segment, by number; axis 0 of the arrays is the scheme."""

    points: Points
    groups: GroupCounts  # (n,) each
    scheme: Ints  # (n,) number among all schemes of the pool


class MappingPool:
    """Array mappings that spaces have in common, each looked at once.

    Loop blocking depends on how many nodes there are and on whether data come from memory or from
    nodes, but not on where on the machine the nodes are.

    Attributes
    ----------
    schemes
        Loop blocking schemes by number, each as points of one row.
    """

    def __init__(self) -> None:
        self._mappings: dict[object, MappingSpace] = {}
        self._under: dict[tuple[MappingSpace, TopLoops], MappingSpace] = {}
        self._bounds: dict[tuple[MappingSpace, ...], MappingBounds] = {}
        self._numbered: dict[int, NumberedPoints] = {}
        self._numbers: dict[object, int] = {}
        self.schemes: list[Points] = []

    def get(self, kinds: Sequence[MappingKind], setting: Setting) -> list[MappingSpace]:
        """Give the array mappings of a setting."""
        resource = setting.resource
        common = (
            setting.limits,
            setting.near_ifmaps,
            resource.no_time_mux,
            resource.proc_region.dim.size(),
            resource.src_data_region.type,
            resource.src_data_region == resource.proc_region,
            resource.dst_data_region.type,
            resource.dst_data_region == resource.proc_region,
        )
        keys = [(kind.nld, kind.groups, common) for kind in kinds]
        unknown = {
            key: kind for key, kind in zip(keys, kinds, strict=True) if key not in self._mappings
        }
        if unknown:
            made = make_mappings(list(unknown.values()), setting)
            self._mappings.update(zip(unknown, made, strict=True))
        return [self._mappings[key] for key in keys]

    def under(self, mapping: MappingSpace, tops: TopLoops) -> MappingSpace:
        """Give one of its array mappings under requirements on the top level of loops."""
        key = mapping, tops
        if key not in self._under:
            self._under[key] = mapping.under(tops)
        return self._under[key]

    def bounds(self, mappings: Sequence[MappingSpace]) -> MappingBounds:
        """Bounds on some of its array mappings without requirements."""
        key = tuple(mappings)
        if key not in self._bounds:
            self._bounds[key] = MappingBounds(mappings)
        return self._bounds[key]

    def numbered(self, mapping: MappingSpace, points: Points) -> NumberedPoints:
        """Groups and numbers of schemes that `mapping` has found, kept as long as it is."""
        key = id(points)
        if key not in self._numbered:
            self._numbered[key] = NumberedPoints(
                points=points,
                groups=group_counts(
                    points.bl_ts[:, 0], points.bl_ords[:, 0], np.array(mapping.nld.loopcnt)
                ),
                scheme=np.array([self._number(points, n) for n in range(len(points.time))], int),
            )
        return self._numbered[key]

    def _number(self, points: Points, index: int) -> int:
        """Number of a scheme, the same for equal factors, orders and treatment of filters."""
        one = take(points, slice(index, index + 1))
        key = one.bl_ts.tobytes(), one.bl_ords.tobytes(), bool(one.keep_filters[0])
        if key not in self._numbers:
            self._numbers[key] = len(self.schemes)
            self.schemes.append(one)
        return self._numbers[key]


class MappingJob(NamedTuple):
    """The search of one array mapping, as values that any process can work with."""

    nld: NestedLoopDesc
    setting: Setting
    tops: TopLoops
    bufshr: BufShrScheme | None
    hop_costs: tuple[float, ...]

    def run(self) -> FoundSchemes:
        """Search, and count the effort."""
        effort = SearchEffort()
        prices = self.setting.prices(self.nld, self.bufshr)
        points = self.setting.search(prices, self.tops, self.hop_costs, effort)
        return FoundSchemes(points, effort)
