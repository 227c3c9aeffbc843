# SPDX-License-Identifier: BSD-3-Clause
"""Constraints on the layers of a segment, in terms of few symbols.

Decides which top-level factors the layers of a segment may have: demands are simplified, undecided
buffering is decided, fmaps that are read from memory by several layers are shared, and what is left
is a system of symbols with values (docs/model/pipeline.md sections 7.2 to 7.5).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .loop_blocking_space import divisors
from .pipeline_rules import (
    TOPBAT,
    Demand,
    group_ofm_symbol,
    ofm_symbol,
    segment_demands,
)
from .pipeline_system import ConstraintSystem, LayerTerms, reachable_factors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .pipeline_rules import SegmentLayers, Term
    from .pipeline_segment_timing import SchedIndex

_FACTORS = ("topbat", "topifm", "topofm")
_FIELDS = (*_FACTORS, "fbifm", "fbofm")

# fmaps are split into parts of no less than this share of a node's buffer.
_MIN_PART = 0.05


def constraint_systems(
    segment: SegmentLayers, *, original_rules: bool = False
) -> tuple[ConstraintSystem, ...]:
    """Solve the constraints of a segment.

    Parameters
    ----------
    segment : SegmentLayers
    original_rules : bool
        Whether to follow nn_dataflow 2.1: it takes one answer to whether the first CONV layer
        buffers its ofmaps, passes on stale answers from one chain to the next, and ties
        local-region layers to what the CONV layer before them prefers. Otherwise there are systems
        for all answers, and stale ones add only what they allow and the others do not.

    Returns
    -------
    tuple of ConstraintSystem
        The one with least buffering first, without those that an earlier one contains. Empty if
        what must be buffered never fits.
    """
    if original_rules:
        return tuple(_solve(segment, keep_stale=True, original_rules=True))[:1]
    systems: list[ConstraintSystem] = []
    for keep_stale in (False, True):
        for system in _solve(segment, keep_stale=keep_stale):
            if not any(known.covers(system) for known in systems):
                systems.append(system)
    return tuple(systems)


def _solve(
    segment: SegmentLayers, *, keep_stale: bool, original_rules: bool = False
) -> Iterator[ConstraintSystem]:
    """Systems for all answers that are possible, the one with least buffering first."""
    undecided = _Unsolved(
        [
            segment_demands(segment, first_buffers=answer, keep_stale=keep_stale)
            for answer in (False, True)
        ],
        _symbol_values(segment),
    )
    undecided.simplify()
    for num_fb, unsolved in _decided(undecided, segment):
        unsolved.simplify()
        _share_sources(unsolved, segment)
        unsolved.simplify()
        yield from _systems(unsolved, segment, num_fb, original_rules=original_rules)


@dataclass
class _Unsolved:
    """Demands for each open answer to whether the first CONV layer buffers its ofmaps."""

    branches: list[dict[SchedIndex, Demand]]
    symbols: dict[str, tuple[int, ...]]

    def simplify(self) -> None:
        """Free whatever concerns one layer only, until nothing changes."""
        while True:
            self._free_buffered()
            counts, num_open = self._occurrences()
            found: dict[Term, int] = {}
            for name, values in self.symbols.items():
                if counts[name] <= 1:
                    found[name] = 0
                elif len(values) == 1:
                    found[name] = values[0]
            is_settled = len(self.branches) > 1 and num_open <= 1
            if not found and not is_settled:
                return
            if is_settled:
                del self.branches[1:]
            for demand in (demand for branch in self.branches for demand in branch.values()):
                for field in _FACTORS:
                    term = getattr(demand, field)
                    setattr(demand, field, found.get(term, term))
            self.symbols = {
                name: values for name, values in self.symbols.items() if name not in found
            }

    def _free_buffered(self) -> None:
        for index in self.branches[0]:
            demands = [branch[index] for branch in self.branches]
            if all(demand.fbifm for demand in demands):
                for demand in demands:
                    demand.topifm = 0
            if all(demand.fbofm for demand in demands):
                for demand in demands:
                    demand.topofm = 0

    def _occurrences(self) -> tuple[Counter[Term], int]:
        """In how many fields each symbol occurs, and how many depend on the open answer."""
        counts: Counter[Term] = Counter()
        num_open = 0
        for index in self.branches[0]:
            for field in _FIELDS:
                found = {getattr(branch[index], field) for branch in self.branches}
                num_open += len(found) > 1
                counts.update(term for term in found if isinstance(term, str))
        return counts, num_open


def _symbol_values(segment: SegmentLayers) -> dict[str, tuple[int, ...]]:
    batch_size = segment.batch_size
    symbols = {TOPBAT: tuple(divisors(batch_size).tolist())}
    for index in segment.indices():
        layer = segment.layers[index.sp_idx][index.tm_idx]
        size_gbuf = segment.resources[index.sp_idx][index.tm_idx].size_gbuf
        values = _split_values(layer.nofm, layer.total_ofmap_size(batch_size), size_gbuf)
        if index.tm_idx == 0:
            symbols[group_ofm_symbol(index.sp_idx)] = values
        if segment.is_conv(index):
            symbols[ofm_symbol(index)] = values
    return symbols


def _split_values(channels: int, size: int, size_gbuf: float) -> tuple[int, ...]:
    """Into how many parts fmaps of a total size are split; not into tiny ones."""
    least = _MIN_PART * size_gbuf
    most = size / least if least else math.inf
    return tuple(n for n in divisors(channels).tolist() if n == 1 or n <= most)


def _decided(undecided: _Unsolved, segment: SegmentLayers) -> list[tuple[int, _Unsolved]]:
    """Answers for which what is buffered fits, with the number of buffering groups on the path."""
    path = _longest_chain(segment)
    ends = {index.sp_idx: index for index in undecided.branches[0]}
    found = []
    for demands in undecided.branches:
        needed = _buffered_words(demands, segment)
        rooms = [
            group[0].proc_region.dim.size() * group[0].size_gbuf for group in segment.resources
        ]
        if all(need <= room for need, room in zip(needed, rooms, strict=True)):
            num_fb = sum(demands[ends[sp]].fbofm for sp in path)
            found.append(((num_fb, max(needed)), demands))
    found.sort(key=lambda item: item[0])
    return [
        (
            num_fb,
            _Unsolved(
                [{index: replace(demand) for index, demand in demands.items()}],
                dict(undecided.symbols),
            ),
        )
        for (num_fb, _), demands in found
    ]


def _longest_chain(segment: SegmentLayers) -> list[int]:
    """Longest chain of groups from the first one on, each a neighbour source of the next."""
    chains = {0: [0]}
    for sp, group in enumerate(segment.links):
        sources = [link.neighbour_source for link in group if link.neighbour_source is not None]
        if sources and sources[0].sp_idx in chains:
            chains[sp] = [*chains[sources[0].sp_idx], sp]
    return max(chains.values(), key=len)


def _buffered_words(demands: dict[SchedIndex, Demand], segment: SegmentLayers) -> list[int]:
    """Most words per sample that a layer of each group must buffer."""
    words = [0] * len(segment.layers)
    for index, demand in demands.items():
        layer = segment.layers[index.sp_idx][index.tm_idx]
        ofmaps = layer.total_ofmap_size() if demand.fbofm else 0
        ifmaps = layer.total_ifmap_size() if demand.fbifm else 0
        words[index.sp_idx] = max(words[index.sp_idx], ofmaps + ifmaps)
    return words


def _share_sources(unsolved: _Unsolved, segment: SegmentLayers) -> None:
    """Make layers that read the same fmaps from memory read them in the same parts."""
    (demands,) = unsolved.branches
    for indices in segment.shared:
        members = [demands[index] for index in indices]
        if any(member.fbofm or member.topofm != 0 for member in members):
            for member in members:
                member.fbifm = True
            continue
        sp, tm = indices[0]
        layer = segment.layers[sp][tm]
        size = layer.total_ifmap_size(segment.batch_size)
        symbol = f"topifm_{sp}"
        unsolved.symbols[symbol] = _split_values(
            layer.nifm, size, segment.resources[sp][tm].size_gbuf
        )
        for member in members:
            member.topifm = symbol


def _systems(
    unsolved: _Unsolved, segment: SegmentLayers, num_fb: int, *, original_rules: bool
) -> Iterator[ConstraintSystem]:
    (demands,) = unsolved.branches
    terms = {
        index: LayerTerms(
            demand.topbat,
            1 if demand.fbifm else demand.topifm,
            1 if demand.fbofm else demand.topofm,
        )
        for index, demand in demands.items()
    }
    symbols = dict(unsolved.symbols)
    units = dict(_units(terms, symbols, segment))
    if original_rules:
        for symbol, (conv, behind) in units.items():
            name = segment.links[conv.sp_idx][conv.tm_idx].layer
            terms[conv] = terms[conv]._replace(topofm=0)
            for index in behind:
                terms[index] = terms[index]._replace(topofm=0, tied_to=name)
            del symbols[symbol]
        yield _system(terms, symbols, num_fb)
        return
    for symbol, (conv, _) in units.items():
        layer = segment.layers[conv.sp_idx][conv.tm_idx]
        resource = segment.resources[conv.sp_idx][conv.tm_idx]
        num_parts = resource.proc_region.dim.size() * resource.dim_array.size()
        symbols[symbol] = reachable_factors(layer.nofm, min(num_parts, layer.nofm))
    yield _system(terms, symbols, num_fb)
    to_memory = [
        conv
        for conv, _ in units.values()
        if segment.links[conv.sp_idx][conv.tm_idx].memory_destination
    ]
    if to_memory:
        for conv in to_memory:
            terms[conv] = terms[conv]._replace(any_order=True)
        yield _system(terms, symbols, num_fb)


def _system(
    terms: dict[SchedIndex, LayerTerms], symbols: dict[str, tuple[int, ...]], num_fb: int
) -> ConstraintSystem:
    groups: dict[int, list[LayerTerms]] = {}
    for index, layer_terms in terms.items():
        groups.setdefault(index.sp_idx, []).append(layer_terms)
    return ConstraintSystem(
        terms=tuple(map(tuple, groups.values())),
        symbols={name: symbols[name] for name in sorted(symbols)},
        num_fb=num_fb,
    )


def _units(
    terms: dict[SchedIndex, LayerTerms], symbols: dict[str, tuple[int, ...]], segment: SegmentLayers
) -> Iterator[tuple[str, tuple[SchedIndex, list[SchedIndex]]]]:
    """CONV layers that share a symbol with nothing but local-region layers behind them."""
    for symbol in symbols:
        users = [index for index, own in terms.items() if symbol in (own.topofm, own.topifm)]
        convs = [index for index in users if segment.is_conv(index)]
        if (
            len(convs) == 1
            and users[0] == convs[0]
            and terms[convs[0]].topofm == symbol
            and all(terms[index].topofm == symbol for index in users)
        ):
            yield symbol, (convs[0], users[1:])
