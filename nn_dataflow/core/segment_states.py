# SPDX-License-Identifier: BSD-3-Clause
"""Partial schedules of a segment, extended layer by layer.

Decides what of a segment's layers so far matters for those to come: energy, when each layer whose
ofmaps are still needed has finished its first group and all of them, for how long the spatial
groups are busy, and where fmaps lie (docs/model/search.md section 6.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .columns import row_keys, take
from .ranking import levels
from .segment_times import Handover, joint_batch_groups, node_time, start_and_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .layer_table import Schedules

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]


class Role(NamedTuple):
    """What a layer is in its segment.

    Attributes
    ----------
    is_conv
        Whether it has filters.
    producers
        Positions of the layers of the segment that it reads from, and whether they are in the same
        spatial group.
    last_use
        Position of the last layer of the segment that reads its ofmaps on chip, -1 if none does.
    ends_group
        Whether it is the last of its spatial group.
    begins_group
        Whether it is the first.
    num_nodes
        Nodes that it runs on.
    """

    is_conv: bool
    producers: tuple[tuple[int, bool], ...]
    last_use: int
    begins_group: bool
    ends_group: bool
    num_nodes: int


class States(NamedTuple):
    """Partial schedules of a segment; axis 0 is the schedule, axis 1 the layer."""

    origin: Ints  # (m,) number of the places of the fmaps that the segment reads from memory
    cost: Floats  # (m,) energy without static energy
    dram: Ints  # (m,) cycles of the memory
    alone: Floats  # (m,) cycles of the layers one by one on all nodes of the segment
    critical: Ints  # (m,) most cycles that a finished spatial group is busy
    end: Ints  # (m,) latest end of a finished spatial group
    begin: Ints  # (m,) begin of the current spatial group
    bat: Ints  # (m,) groups of samples
    first: Ints  # (m, k) end of the first group of fmaps
    last: Ints  # (m, k) end of all fmaps
    ofm: Ints  # (m, k) groups of ofmaps
    chip: Ints  # (m, k) place of the ofmaps on chip
    memory: Ints  # (m, k) place of the ofmaps in memory, -1 if they do not go there
    row: Ints  # (m, k) partition and array mapping
    scheme: Ints  # (m, k) loop blocking scheme
    symbols: Ints  # (m, symbols) index of the value of each symbol, -1 where it does not matter

    @classmethod
    def start(cls, num_layers: int, num_symbols: int, num_origins: int = 1) -> States:
        """The states before the first layer, one for each origin."""
        zero = np.zeros(num_origins, dtype=np.int64)
        each = np.zeros((num_origins, num_layers), dtype=np.int64)
        return cls(
            origin=np.arange(num_origins),
            cost=np.zeros(num_origins),
            dram=zero,
            alone=np.zeros(num_origins),
            critical=zero,
            end=zero,
            begin=zero,
            bat=zero,
            first=each,
            last=each,
            ofm=each + 1,
            chip=each,
            memory=each - 1,
            row=each,
            scheme=each,
            symbols=np.full((num_origins, num_symbols), -1),
        )

    def busy_time(self) -> Ints:
        """Cycles that the segment takes at least: those of the busiest group, or of the memory."""
        longest: Ints = np.maximum(self.critical, self.dram)
        return longest

    def time(self, *, whole_network: bool) -> Ints:
        """Cycles of finished segments; a whole network takes no time to fill and drain."""
        nodes = self.critical if whole_network else node_time(self.end, self.critical, self.bat)
        longest: Ints = np.maximum(nodes, self.dram)
        return longest


def extend(
    states: States,
    position: int,
    roles: Sequence[Role],
    choices: Schedules,
    energy: Floats,
    places: tuple[Ints | None, Ints | None],
    pairs: tuple[Ints, Ints],
) -> States:
    """Extend states by schedules of the next layer.

    Parameters
    ----------
    states
        States of which no layer from `position` on is decided.
    position, roles
        The layer, and what all layers of the segment are.
    choices, energy
        Its schedules, and per pair their energy including the hops of the ifmaps.
    places
        Place of its ofmaps on chip and in memory per schedule, None where they are not needed.
    pairs
        Which state (p,) is extended by which schedule (p,).
    """
    role = roles[position]
    old, new = take(states, pairs[0]), take(choices, pairs[1])
    grouping = new.ifm if role.is_conv else new.ofm
    producers = [
        Handover(
            same_group,
            # On the same nodes only a local-region layer is fused with the layer before it.
            (old.ofm[:, number] == grouping) & (not same_group or not role.is_conv),
            old.first[:, number],
            old.last[:, number],
        )
        for number, same_group in role.producers
    ]
    start, end = start_and_end(new.time, producers)
    begin = start if role.begins_group else old.begin
    busy = end - begin
    num_total = sum(other.num_nodes for other in roles if other.begins_group)
    chip, memory = places
    return old._replace(
        cost=old.cost + energy,
        dram=old.dram + new.dram,
        alone=old.alone + np.maximum(new.node * role.num_nodes / num_total, new.dram),
        critical=np.maximum(old.critical, busy) if role.ends_group else old.critical,
        end=np.maximum(old.end, end) if role.ends_group else old.end,
        begin=begin,
        bat=joint_batch_groups(old.bat, new.bat) if position else new.bat,
        first=_with(old.first, position, start + new.time // new.ofm),
        last=_with(old.last, position, end),
        ofm=_with(old.ofm, position, new.ofm),
        chip=old.chip if chip is None else _with(old.chip, position, chip[pairs[1]]),
        memory=old.memory if memory is None else _with(old.memory, position, memory[pairs[1]]),
        row=_with(old.row, position, new.row),
        scheme=_with(old.scheme, position, new.scheme),
    )


def _with(columns: Ints, position: int, column: Ints) -> Ints:
    columns[:, position] = column  # rows selected by index are a copy
    return columns


def unbeaten_states(
    states: States, position: int, roles: Sequence[Role], *, cost_first: bool, slack: bool, num: int
) -> States:
    """States that fewer than `num` others beat, whatever the layers after `position` are.

    Parameters
    ----------
    cost_first
        Whether energy counts before time; otherwise a state must be better in neither.
    slack
        Whether the time of the layers one by one matters, of which more allows more overhead.
    """
    alive = [n for n in range(position + 1) if roles[n].last_use > position]
    group = position if roles[position].ends_group else _first_of_group(position, roles)
    equal = [states.origin, *states.memory[:, : position + 1].T, *states.symbols.T]
    if len(roles) > 1:
        equal.append(states.bat)
    less: list[NDArray[Any]] = [states.dram, states.critical, states.end]
    if slack:
        less.append(-states.alone)
    if group < position or not roles[position].ends_group:
        less.append(states.begin)
    for n in alive:
        equal += [states.chip[:, n], states.ofm[:, n]]
        begin = states.begin if n >= group and not roles[position].ends_group else 0
        less += [states.first[:, n] - begin, states.last[:, n] - begin]
    kept = unbeaten_rows(
        np.stack(equal, axis=1), states.cost, np.stack(less, axis=1), cost_first=cost_first, num=num
    )
    return take(states, kept)


def _first_of_group(position: int, roles: Sequence[Role]) -> int:
    return max(n for n in range(position + 1) if roles[n].begins_group)


def unbeaten_rows(
    equal: Ints, cost: Floats, less: NDArray[Any], *, cost_first: bool, num: int
) -> Ints:
    """Indices of the rows that fewer than `num` others with equal columns beat, ascending.

    Parameters
    ----------
    equal
        Columns that must be equal, (m, c).
    cost
        Energy, (m,); values within the tolerance of ties are equal.
    less
        Columns that must not be larger, (m, k).
    cost_first
        Whether less energy alone beats.

    Examples
    --------
    >>> same, cost = np.zeros((3, 1), dtype=np.int64), np.array([1.0, 2.0, 2.0])
    >>> unbeaten_rows(same, cost, np.array([[5], [4], [6]]), cost_first=False, num=1).tolist()
    [0, 1]
    """
    if len(cost) < 2:
        return np.arange(len(cost))
    level, key = levels(cost), row_keys(list(equal.T))
    order = np.lexsort((less.sum(axis=1), level, key))
    key, level = key[order], level[order]
    columns = [column[order] for column in less.T]
    num_beating = np.zeros(len(order), dtype=np.int64)
    kept = []
    left = np.arange(len(order))
    while len(left):
        # The first row left of each group stays: only rows before it could beat it.
        is_first = np.diff(key[left], prepend=key[left[0]] - 1) > 0
        kept.append(left[is_first])
        first = left[is_first][np.cumsum(is_first) - 1]
        beaten = np.ones(len(left), dtype=bool)
        for column in columns:
            beaten &= column[first] <= column[left]
        if cost_first:
            beaten |= level[first] < level[left]
        num_beating[left] += beaten
        left = left[~is_first & (num_beating[left] < num)]
    return np.sort(order[np.concatenate(kept)])
