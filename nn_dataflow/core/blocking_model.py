# SPDX-License-Identifier: BSD-3-Clause
"""Access model of blocked and ordered loops, on arrays of schemes.

Decides, for blocking factors and orders of the loops over processing passes, what each buffer
holds, how often every data category is fetched at each level, whether that fits, and what it
costs in accesses and time (docs/model/loop_blocking.md sections 1 to 4). `BlockingModel` holds
the constants of one nested loop description on one machine and evaluates arrays of schemes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from . import loop_enum as le
from . import mem_hier_enum as me
from .loop_blocks import ceil_div, num_blocks
from .nested_loop_desc import rows_of
from .node_region import NodeRegion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .buf_shr_scheme import BufShrScheme
    from .cost import Cost
    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

# Words counted per unit and pass at the register file: partial sums are read and written.
REGF_ACCESS_WEIGHT = (1, 1, 2)

UNREACHED = 3  # an order position beyond the outermost loop


class Evaluation(NamedTuple):
    """Schemes evaluated together; the first axis of every array is the scheme.

    Levels are 0 (GBUF filled from DRAM) and 1 (REGF filled from GBUF); the last axis of most
    arrays is the data category. All counts are over all nodes except `unit_cnt`, `size` and
    `fetch`, which are per node; times are in cycles.
    """

    valid: Bools  # (n,)
    unit_cnt: Ints  # (n, 2, 3) units held at a level
    size: Ints  # (n, 2, 3) words held at a level
    fetch: Ints  # (n, 2, 3) passes over the data of a node, 0 at the top for pinned filters
    stored: Bools  # (n, 3) whether a category lives in GBUF
    pinned: Bools  # (n,) whether filters stay in GBUF for good
    access: Floats  # (n, 4, 3) words per memory level
    remote_gbuf_access: Floats  # (n, 3) words in the buffers of other layers' nodes
    ops: Floats  # (n,)
    proc_time: Ints  # (n,)
    bus_time: Ints  # (n,)
    dram_time: Ints  # (n,)
    time: Ints  # (n,)

    @property
    def node_time(self) -> Ints:
        """Cycles inside the nodes, (n,)."""
        longest: Ints = np.maximum(self.proc_time, self.bus_time)
        return longest

    def access_cost(self, cost: Cost) -> Floats:
        """Energy of all accesses, shape (n,); infinite for invalid schemes."""
        per_level = self.access.sum(axis=2)
        total: Floats = sum(cost.mem_hier[mhe] * per_level[:, mhe] for mhe in range(me.NUM))
        total = total + cost.mem_hier[me.GBUF] * self.remote_gbuf_access.sum(axis=1)
        return np.where(self.valid, total, np.inf)


def order_position_of_innermost(ts: Ints, ord_: Ints, loops: Sequence[int]) -> Ints:
    """Position of the innermost non-trivial loop among `loops`, `UNREACHED` if there is none.

    `ts` and `ord_` have shape (n, 3): factors and positions (0 innermost) at one level.
    """
    pos = np.full(len(ts), UNREACHED)
    for lpe in loops:
        pos = np.where(ts[:, lpe] > 1, np.minimum(pos, ord_[:, lpe]), pos)
    return pos


def fetch_counts(
    bl_ts: Ints, bl_ords: Ints, blocks: Ints, related: Sequence[int], dce: int
) -> Ints:
    """Passes over the data of one category at both levels (section 3.4).

    At level b, with k the innermost non-trivial related loop, g is the product over the unrelated
    loops of their blocks at level b if they are outside k, and of those of the level above
    otherwise. A level without k keeps what is there: one pass at the top, as many as above
    otherwise. Partial sums are written in every pass and read back in every pass but the first,
    2 g - 1.

    Parameters
    ----------
    bl_ts, bl_ords
        Factors (n, 3 levels, 3 loops) and order positions (n, 2 levels, 3 loops).
    blocks
        Blocks at both levels in each whole loop, (n, 2 levels, 3 loops).
    related
        Dimension loops of the category.
    dce
        The category.

    Returns
    -------
    Array (n, 2).
    """
    unrelated = [lpe for lpe in range(le.NUM) if lpe not in related]
    fetch = np.ones((len(bl_ts), 2), dtype=np.int64)
    above: Any = 1
    for bl in range(2):
        pos = order_position_of_innermost(bl_ts[:, bl], bl_ords[:, bl], related)
        passes: Any = 1
        for lpe in unrelated:
            outer = blocks[:, bl - 1, lpe] if bl else 1
            passes = passes * np.where(bl_ords[:, bl, lpe] > pos, blocks[:, bl, lpe], outer)
        if dce == de.OFM:
            passes = 2 * passes - 1
        above = np.where(pos == UNREACHED, above, passes)
        fetch[:, bl] = above
    return fetch


class StackedGroups:
    """Nodes that use the same data, for several stacked descriptions.

    Parameters
    ----------
    groups
        Those of each description.
    """

    def __init__(self, groups: Sequence[BufShrScheme]) -> None:
        sizes = [[own.size(dce) for own in groups] for dce in range(de.NUM)]
        self._sizes = np.array(sizes, dtype=np.int64)

    def size(self, dce: int) -> Ints:
        """Return the number of nodes of a group of a data category, (n,)."""
        own: Ints = self._sizes[dce]
        return own


class BlockingModel:
    """The access model of one nested loop description on one machine.

    Parameters
    ----------
    nld
        What one processing pass needs, per node; or several stacked, for one scheme each.
    resource
        The machine; its processing region gives the number of nodes.
    options
        Whether a category may bypass GBUF, and whether nodes forward data or share buffers.
    bufshr
        Nodes that use the same data; needed for forwarding and sharing. For stacked descriptions
        with `StackedGroups`, whose words are counted but not how nodes pass them around.
    near_ifmaps
        Share of the ifmaps, above 0 and below 1, that is in the buffers of the nodes themselves
        while the rest comes from the source region.

    Attributes
    ----------
    total
        Words (4 levels, 3 categories) of touching all data of one node once.
    may_bypass, forced
        Per category: may stay out of GBUF; lives in GBUF whatever its reuse, because source or
        destination are the node's own buffers.
    on_chip
        Per category: share of its words whose source or destination is not DRAM.
    reduction
        Per category: nodes that fetch disjoint parts of the same data and forward them.
    groups
        Per category: nodes over whose buffers the same data can be spread.
    bufshr
        The groups, if buffers are shared.
    partial
        Whether the last blocks of a loop may be partial; otherwise all blocks are full, and
        factors that cover more than the loop pad it.
    flat_time
        Whether neither the array bus nor the memory takes any time.
    """

    def __init__(
        self,
        nld: NestedLoopDesc,
        resource: Resource,
        options: Option,
        bufshr: BufShrScheme | StackedGroups | None = None,
        near_ifmaps: float = 0,
    ) -> None:
        self.nld = nld
        self.resource = resource
        self.num_nodes: int = resource.proc_region.dim.size()
        self.may_bypass: tuple[bool, ...] = tuple(bool(b) for b in options.sw_gbuf_bypass)
        self.related = tuple(nld.data_loops[dce].loops() for dce in range(de.NUM))
        self.total = tuple(
            tuple(nld.total_access_at_of(mhe, dce) for dce in range(de.NUM))
            for mhe in range(me.NUM)
        )
        region = {de.IFM: resource.src_data_region, de.OFM: resource.dst_data_region}
        on_chip: list[float] = [
            dce in region and region[dce].type != NodeRegion.DRAM for dce in range(de.NUM)
        ]
        forced = [on_chip[dce] and region[dce] == resource.proc_region for dce in range(de.NUM)]
        if near_ifmaps:
            on_chip[de.IFM], forced[de.IFM] = near_ifmaps, True
        self.on_chip = tuple(on_chip)
        self.forced = tuple(map(bool, forced))
        self.may_pin: bool = resource.no_time_mux
        alone = (1,) * de.NUM
        sizes: tuple[Any, ...] = alone
        if bufshr is not None:
            sizes = tuple(bufshr.size(dce) for dce in range(de.NUM))
        shares = bool(options.hw_gbuf_sharing)
        self.reduction = sizes if shares or options.hw_access_forwarding else alone
        self.groups = sizes if shares else alone
        self.bufshr: BufShrScheme | None = None
        if not isinstance(bufshr, StackedGroups) and shares and sizes != alone:
            self.bufshr = bufshr
        self.partial = bool(options.sw_imperfect)
        self.flat_time = resource.array_bus_width == resource.dram_bandwidth == float("inf")

    def at(self, rows: Ints) -> BlockingModel:
        """Give the model of stacked descriptions for arrays whose rows are some of them."""
        other = copy.copy(self)
        other.nld = rows_of(self.nld, rows)
        other.total = tuple(
            tuple(column[rows] for column in level)  # type: ignore[index]
            for level in self.total
        )
        other.reduction, other.groups = (
            tuple(own if isinstance(own, int) else own[rows] for own in sizes)
            for sizes in (self.reduction, self.groups)
        )
        return other

    def trips(self, bl_ts: Ints) -> Ints:
        """Iterations of every loop that factors (..., 3 levels, 3 loops) make, (..., 3 loops)."""
        made: Ints = bl_ts.prod(axis=-2)
        return np.broadcast_to(np.array(self.nld.loopcnt).T, made.shape) if self.partial else made

    def stored(self, dce: int, fetch_top: Ints, fetch_gbuf: Ints) -> Bools:
        """Whether a category lives in GBUF (section 3.6): it must, or GBUF gives it reuse."""
        return (fetch_top < fetch_gbuf) | (not self.may_bypass[dce] or self.forced[dce])

    def gbuf_words(self, dce: int, num_units: Any) -> Any:
        """Words of `num_units` units of a category in the GBUF of each node of its group."""
        words = num_units * self.nld.usize_gbuf[dce]
        group = self.groups[dce]
        return words if isinstance(group, int) and group == 1 else -(-words // group)

    def moved(self, dce: int, fetch_top: Any, fetch_gbuf: Any, stored: Any) -> tuple[Any, Any, Any]:
        """Words of a category moved at (DRAM, GBUF, ITCN), over all nodes (section 4).

        A bypassing category is streamed from DRAM as the array would read it from GBUF. Nodes
        that forward data to each other fetch each word once (section 5).
        """
        at = [self.total[mhe][dce] * self.num_nodes for mhe in range(me.NUM)]
        dram = np.where(stored, at[me.DRAM], at[me.GBUF]) * fetch_top / self.reduction[dce]
        gbuf = at[me.GBUF] * fetch_gbuf * stored
        itcn = at[me.ITCN] * fetch_gbuf
        return dram, gbuf, itcn

    def bus_cycles(self, gbuf_access: Any) -> Any:
        """Cycles of the array bus for the words (over all nodes) of the busiest category."""
        if np.isinf(self.resource.array_bus_width):
            return np.zeros(np.shape(gbuf_access), dtype=np.int64)
        per_node = np.ceil(gbuf_access / self.num_nodes).astype(np.int64)
        return -(-per_node // int(self.resource.array_bus_width))

    def dram_cycles(self, dram_access: Any) -> Any:
        """Cycles of the memory for the words of all nodes and categories."""
        return np.ceil(dram_access / self.resource.dram_bandwidth).astype(np.int64)

    def evaluate(self, bl_ts: Ints, bl_ords: Ints, keep_filters: Any = True) -> Evaluation:
        """Evaluate schemes.

        Parameters
        ----------
        bl_ts, bl_ords
            Factors (n, 3 levels, 3 loops) and order positions (n, 2 levels, 3 loops, 0 is
            innermost). What factors that do not divide the loops mean is in section 1.4.
        keep_filters
            Whether filters that could stay on chip for good but would bypass GBUF for lack of
            reuse are stored and pinned where they fit (a boolean or an array of shape (n,)).
        """
        num = len(bl_ts)
        nld = self.nld
        unit_cnt = np.ones((num, 2, de.NUM), dtype=np.int64)
        fetch = np.empty((num, 2, de.NUM), dtype=np.int64)
        stored = np.empty((num, de.NUM), dtype=bool)
        valid = np.ones(num, dtype=bool)
        trips = self.trips(bl_ts)
        block = ceil_div(trips, bl_ts[:, 0])
        blocks = np.stack([bl_ts[:, 0], num_blocks(trips, block, bl_ts[:, 2])], axis=1)
        for dce in range(de.NUM):
            for lpe in self.related[dce]:
                unit_cnt[:, 0, dce] *= block[:, lpe]
                unit_cnt[:, 1, dce] *= bl_ts[:, 2, lpe]
            fetch[:, :, dce] = fetch_counts(bl_ts, bl_ords, blocks, self.related[dce], dce)
            stored[:, dce] = self.stored(dce, fetch[:, 0, dce], fetch[:, 1, dce])
            if self.on_chip[dce]:
                valid &= fetch[:, 0, dce] == 1
        whole = np.stack([self.gbuf_words(d, unit_cnt[:, 0, d]) for d in range(de.NUM)], axis=1)
        pinned = np.zeros(num, dtype=bool)
        if self.may_pin:
            resident = np.all(bl_ts[:, 0, self.related[de.FIL]] == 1, axis=1)
            if self.related[de.FIL]:
                others = (whole * stored).sum(axis=1) - whole[:, de.FIL] * stored[:, de.FIL]
                fits = others + whole[:, de.FIL] <= self.resource.size_gbuf
                stored[:, de.FIL] |= resident & fits & keep_filters
            pinned = resident & stored[:, de.FIL]
            fetch[:, 0, de.FIL] = np.where(pinned, 0, fetch[:, 0, de.FIL])
        size = np.stack([whole * stored, unit_cnt[:, 1] * np.array(nld.usize_regf).T], axis=1)
        valid &= size[:, 0].sum(axis=1) <= self.resource.size_gbuf
        valid &= size[:, 1].sum(axis=1) <= self.resource.size_regf

        bodies = trips.prod(axis=1)
        access = np.empty((num, me.NUM, de.NUM))
        for dce in range(de.NUM):
            access[:, me.DRAM, dce], access[:, me.GBUF, dce], access[:, me.ITCN, dce] = self.moved(
                dce, fetch[:, 0, dce], fetch[:, 1, dce], stored[:, dce]
            )
            per_body = nld.unit_access[me.REGF][dce] * REGF_ACCESS_WEIGHT[dce]
            access[:, me.REGF, dce] = per_body * bodies * self.num_nodes
        remote = access[:, me.DRAM] * self.on_chip
        access[:, me.DRAM] -= remote
        proc_time = nld.unit_time * bodies
        bus_time = self.bus_cycles(access[:, me.GBUF].max(axis=1))
        dram_time = self.dram_cycles(access[:, me.DRAM].sum(axis=1))
        return Evaluation(
            valid=valid,
            unit_cnt=unit_cnt,
            size=size,
            fetch=fetch,
            stored=stored,
            pinned=pinned,
            access=access,
            remote_gbuf_access=remote,
            ops=nld.unit_ops * bodies * self.num_nodes,
            proc_time=proc_time,
            bus_time=bus_time,
            dram_time=dram_time,
            time=np.maximum(np.maximum(proc_time, bus_time), dram_time),
        )
