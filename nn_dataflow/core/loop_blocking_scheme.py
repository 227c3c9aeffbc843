# SPDX-License-Identifier: BSD-3-Clause
"""One loop blocking scheme: the published interface.

Decides what can be asked of a scheme (docs/model/loop_blocking.md sections 1 to 4). The model is
`BlockingModel`, which evaluates arrays of schemes; this is a view of an array of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nn_dataflow.util import idivc

from . import data_category_enum as de
from . import loop_enum as le
from .blocking_model import BlockingModel
from .buf_sharing import Sharing, share
from .columns import take
from .loop_blocks import are_blocks, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .blocking_model import Evaluation, Ints
    from .buf_shr_scheme import BufShrScheme
    from .cost import Cost
    from .nested_loop_desc import NestedLoopDesc
    from .option import Option
    from .resource import Resource


class LoopBlockingScheme:
    """One blocking and ordering of the loops, evaluated: a view of one element.

    Parameters
    ----------
    nested_loop_desc
        What one processing pass needs.
    bl_ts
        Blocking factors, 3 levels outer to inner of (I, O, B).
    bl_ords
        Order positions of the two outer levels, each a permutation of (0, 1, 2) over (I, O, B);
        0 is innermost. Factors may cover more than the loops, which pads them; with
        `sw_imperfect` they make as equal blocks as possible instead, the last one partial.
    resource, bufshr, options
        The machine, the groups of nodes that use the same data, and what the hardware can do.

    Attributes
    ----------
    trips
        Iterations of the loops (I, O, B).
    fetch, unit_cnt
        Passes over the data, and units held, at 2 levels of 3 categories.
    stored_in_gbuf, filter_pinned
        Which categories live in GBUF; whether filters stay there for good.
    ops, time, proc_time, bus_time, dram_time
        Operations over all nodes; cycles.
    access, remote_gbuf_access, noc_access
        Words over all nodes (4 levels of 3 categories; 3 categories), word-hops (3).
    accfwd_reduction, bufshr_*
        What forwarding and sharing among nodes do per category.

    Raises
    ------
    ValueError
        If `bl_ts` or `bl_ords` have another shape, do not cover the loop counts or, with
        `sw_imperfect`, are not blocks as equal as possible, or an order is no permutation.
    """

    class BL:
        """Blocking levels with a buffer."""

        GBUF = 0
        REGF = 1
        NUM = 2

    def __init__(
        self,
        nested_loop_desc: NestedLoopDesc,
        bl_ts: Sequence[Sequence[int]],
        bl_ords: Sequence[Sequence[int]],
        resource: Resource,
        bufshr: BufShrScheme,
        options: Option,
    ) -> None:
        ts = np.array(bl_ts, dtype=np.int64)
        ords = np.array(bl_ords, dtype=np.int64)
        if ts.shape != (3, 3) or ords.shape != (2, 3):
            raise ValueError("LoopBlockingScheme: bl_ts must be 3x3 factors and bl_ords 2x3")
        if any(sorted(ord_) != [0, 1, 2] for ord_ in ords.tolist()):
            raise ValueError(
                f"LoopBlockingScheme: bl_ords {bl_ords} must be two permutations of (0, 1, 2)"
            )
        if (ts < 1).any() or (ts.prod(axis=0) < nested_loop_desc.loopcnt).any():
            raise ValueError(
                f"LoopBlockingScheme: bl_ts {bl_ts} do not cover the loop counts "
                f"{nested_loop_desc.loopcnt}"
            )
        model = BlockingModel(nested_loop_desc, resource, options, bufshr)
        if model.partial and not are_blocks(np.array(nested_loop_desc.loopcnt), ts.T).all():
            raise ValueError(
                f"LoopBlockingScheme: bl_ts {bl_ts} do not cut loops of "
                f"{nested_loop_desc.loopcnt} in blocks as equal as possible"
            )
        self._view(model, model.evaluate(ts[None], ords[None]), 0, ts, ords)

    @classmethod
    def of(
        cls,
        model: BlockingModel,
        evaluation: Evaluation,
        index: int,
        bl_ts: Ints,
        bl_ords: Ints,
    ) -> LoopBlockingScheme:
        """View element `index` of the schemes `bl_ts`, `bl_ords` evaluated together."""
        self = cls.__new__(cls)
        self._view(model, evaluation, index, bl_ts[index], bl_ords[index])
        return self

    def _view(
        self, model: BlockingModel, evaluation: Evaluation, index: int, bl_ts: Ints, bl_ords: Ints
    ) -> None:
        one = take(evaluation, index)
        self._valid = bool(one.valid)
        self._evaluation = one
        self.nld = model.nld
        self.num_nodes = model.num_nodes
        self.bl_ts = _tuples(bl_ts)
        self.bl_ords = _tuples(bl_ords)
        self.trips = _tuples(model.trips(bl_ts))
        self.src_is_dram = model.on_chip[de.IFM] < 1
        self.dst_is_dram = model.on_chip[de.OFM] < 1
        self.unit_size = (self.nld.usize_gbuf, self.nld.usize_regf)
        self.unit_cnt = _tuples(one.unit_cnt)
        self.fetch = _tuples(one.fetch)
        self.stored_in_gbuf = _tuples(one.stored)
        self.filter_pinned = bool(one.pinned)
        self.ops = one.ops.item()
        self.proc_time = self._if_valid(one.proc_time)
        self.bus_time = self._if_valid(one.bus_time)
        self.dram_time = self._if_valid(one.dram_time)
        self.time = self._if_valid(one.time)
        self.access = self._if_valid(one.access)
        self.remote_gbuf_access = self._if_valid(one.remote_gbuf_access)
        self.accfwd_reduction = model.reduction
        self._set_sharing(model)

    def _set_sharing(self, model: BlockingModel) -> None:
        """Find how nodes share buffers, and rewrite the order of level 1 accordingly."""
        self.bufshr_grp_size = model.groups
        sharing = Sharing(order=self.bl_ords[1])
        if self._valid:
            top = tuple(max(1, passes) for passes in self.fetch[0])  # pinned filters come once
            sharing = share(
                model,
                self.bl_ts,
                self.bl_ords,
                (top, self.fetch[1]),
                self.unit_cnt[0],
                self.stored_in_gbuf,
            )
        self.bl_ords = (self.bl_ords[0], sharing.order)
        self.bufshr_subgrp_size = sharing.subgrp_size
        self.bufshr_bs_t, self.bufshr_bs_ord = sharing.bs_t, sharing.bs_ord
        self.bufshr_rot_fetch = sharing.rot_fetch
        self.bufshr_rot_round_cnt = sharing.rot_round_cnt
        self.bufshr_rot_unit_cnt = sharing.rot_unit_cnt
        self.bufshr_wide_fetch = sharing.wide_fetch
        self.bufshr_wide_fetch_width = sharing.wide_fetch_width
        self.bufshr_rotation_access = sharing.rotation_access
        self.bufshr_wide_fetch_access = sharing.wide_fetch_access
        self.noc_access = sharing.noc_access()
        words = zip(self.unit_cnt[0], self.nld.usize_gbuf, self.stored_in_gbuf, strict=True)
        sizes = zip(words, sharing.subgrp_size, strict=True)
        held = [idivc(count * unit * stored, nodes) for (count, unit, stored), nodes in sizes]
        self._sizes = (tuple(held), _tuples(self._evaluation.size[1]))

    def _if_valid(self, values: NDArray[Any]) -> Any:
        """Plain numbers of a valid scheme, infinity in their place for an invalid one."""
        return _tuples(values if self._valid else np.full(values.shape, np.inf))

    def is_valid(self) -> bool:
        """Whether the buffers hold the scheme and it suits where source and destination are."""
        return self._valid

    def data_size(self, blvl: int, dce: int | None = None) -> int:
        """Words held at level `blvl`, of one category or of all.

        Raises
        ------
        IndexError
            For an unknown level or category.
        """
        sizes: tuple[int, ...] = self._sizes[blvl]
        return sum(sizes) if dce is None else sizes[dce]

    def get_access(self) -> Any:
        """Words accessed over all nodes, a list of 4 levels of 3 categories."""
        return [list(level) for level in self.access]

    def get_top_level_fetch(self) -> tuple[int, ...] | None:
        """Passes over each category between memory and GBUF; None for an invalid scheme."""
        return self.fetch[self.BL.GBUF] if self._valid else None

    def get_noc_access(self) -> tuple[float, ...] | None:
        """Word-hops between nodes per category; None for an invalid scheme."""
        return self.noc_access if self._valid else None

    def get_access_cost(self, cost: Cost) -> float:
        """Energy of all accesses, infinite for an invalid scheme."""
        return float(take(self._evaluation, None).access_cost(cost)[0])

    def gen_index(self) -> Iterator[tuple[int, int, int]]:
        """Yield the (I, O, B) index of every processing pass, in execution order (section 7)."""
        blocks = tuple(map(ceil_div, self.trips, self.bl_ts[0]))
        inside = tuple(t // bs for t, bs in zip(self.bl_ts[1], self.bufshr_bs_t, strict=True))
        levels = [  # innermost first: factors, order positions
            (self.bl_ts[2], (0, 1, 2)),
            (inside, self.bl_ords[1]),
            (self.bufshr_bs_t, self.bufshr_bs_ord),
            (self.bl_ts[0], self.bl_ords[0]),
        ]
        strides = [1] * le.NUM
        loops: list[tuple[int, int, int]] = []  # innermost first: loop, factor, stride
        for factors, order in levels:
            inner_first = sorted(range(le.NUM), key=order.__getitem__)
            loops += [(lpe, factors[lpe], strides[lpe]) for lpe in inner_first]
            strides = [s * t for s, t in zip(strides, factors, strict=True)]
        loops[-le.NUM :] = [(lpe, factor, blocks[lpe]) for lpe, factor, _ in loops[-le.NUM :]]
        loops.reverse()
        for counters in np.ndindex(*(factor for _, factor, _ in loops)):
            begin, inside_block = [0] * le.NUM, [0] * le.NUM
            for number, ((lpe, _, stride), counter) in enumerate(zip(loops, counters, strict=True)):
                part = begin if number < le.NUM else inside_block
                part[lpe] += counter * stride
            ends = map(min, blocks, (n - beg for n, beg in zip(self.trips, begin, strict=True)))
            if all(offset < end for offset, end in zip(inside_block, ends, strict=True)):
                yield (
                    begin[le.IFM] + inside_block[le.IFM],
                    begin[le.OFM] + inside_block[le.OFM],
                    begin[le.BAT] + inside_block[le.BAT],
                )

    @classmethod
    def ordered_loops(
        cls,
        bl_t: Sequence[int],
        bl_ord: Sequence[int],
        lpe_only: bool = False,
        reverse: bool = False,
    ) -> list[Any]:
        """Non-trivial loops of one level, outermost first, as (loop, factor) or loops only.

        Examples
        --------
        >>> LoopBlockingScheme.ordered_loops((2, 3, 1), (0, 2, 1))
        [(1, 3), (0, 2)]
        >>> LoopBlockingScheme.ordered_loops((2, 3, 1), (0, 2, 1), lpe_only=True, reverse=True)
        [0, 1]
        """
        loops = sorted(
            (lpe for lpe in range(le.NUM) if bl_t[lpe] > 1),
            key=lambda lpe: bl_ord[lpe],
            reverse=not reverse,
        )
        return list(loops) if lpe_only else [(lpe, bl_t[lpe]) for lpe in loops]


def _tuples(values: Any) -> Any:
    """Nested tuples of plain numbers from an array."""
    return _nest(np.asarray(values).tolist())


def _nest(values: Any) -> Any:
    return tuple(map(_nest, values)) if isinstance(values, list) else values
