# SPDX-License-Identifier: BSD-3-Clause
"""Partial mappings as arrays, extended by the temporal loops of one memory after the other.

Decides which loops each memory may get, in a normal form that loses no value, and which partial
mappings cannot be better than a threshold (docs/model/cosa_search.md sections 3 and 4). Memories
are decided from the outermost one inwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .nest import WINDOWS
from .problem import DIMENSIONS, INPUTS, MOVES, TENSORS
from .search_bounds import divisors, stationary
from .search_inputs import Arrival, arrivals, least_served, least_words
from .search_model import NUM_DIMS
from .search_nodes import Nodes, Placed
from .search_orders import OrderTable, advance, normal_form
from .search_passing import MOST_ORDERS, all_orders, count_orders, received
from .search_spatial import ragged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .search_bounds import Bounds
    from .search_model import Model, Term
    from .search_spatial import Space

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

_K = DIMENSIONS.index("K")
_BIT = 1 << np.arange(NUM_DIMS)
_WINDOWS = sum(1 << d for window in WINDOWS for d in window)


class Tree:
    """Extends partial mappings of one problem.

    Parameters
    ----------
    model, bounds
        The problem on the machine; bounds for the goal.

    Attributes
    ----------
    dropped : float
        Least bound of what was left out.
    visited : list of int
        Candidates per memory.
    """

    def __init__(self, model: Model, bounds: Bounds) -> None:
        self.model = model
        self.bounds = bounds
        num = model.num_memories
        self.dropped = np.inf
        self.visited = [0] * num
        stores = model.stores
        self.live = [np.flatnonzero(stores[:, :m].any(axis=1)) for m in range(num)]
        self.direct = [np.flatnonzero(stores[:, max(0, m - 1)]) for m in range(num)]
        self.orders = OrderTable(model.windows)
        self._divisors: dict[int, list[int]] = {}
        self._vectors: dict[tuple[int, ...], Ints] = {}

    def use(self, space: Space) -> None:
        """Extend nodes of these spatial choices from now on."""
        self.space = space
        self._room = self.bounds.room(space.spaces)
        # Neighbours may pass words where a loop that is not spatial may move as a spatial one.
        factors, rest = space.factors, space.rest[:, None]
        passes = np.zeros(factors.shape[:2], dtype=bool)
        stays = np.zeros((len(space), 1), dtype=bool)
        # Where filter and plane move a window alike, its tile may stay where it is, and a neighbour
        # that has equal inputs may pass them.
        equal = factors[:, :, _K] > 1
        for r, p in WINDOWS:
            passes |= (factors[:, :, p] > 1) & (rest[:, :, r] > 1)
            passes |= (factors[:, :, r] > 1) & (rest[:, :, p] > 1)
            equal |= (factors[:, :, p] > 1) & (factors[:, :, r] > 1)
            stays |= (rest[:, :, p] > 1) & (rest[:, :, r] > 1)
        self._may_stay = equal & stays
        self._may_pass = passes | self._may_stay

    def below(self, nodes: Nodes, threshold: float) -> Bools:
        """Whether bounds are below a threshold; the others are left out.

        Bounds that are get the energy of whole blocks.
        """
        keep: Bools = nodes.value < threshold
        some = np.flatnonzero(keep)
        if len(some):
            energy = self.space.blocks.energy(
                nodes.space[some], nodes.least[some], nodes.ratio[some]
            )
            energy = np.maximum(energy, nodes.energy[some])
            nodes.value[some] = self.bounds.value(energy, nodes.cycles[some])
            keep[some] = nodes.value[some] < threshold
        if not keep.all():
            self.dropped = min(self.dropped, float(nodes.value[~keep].min()))
        return keep

    def expand(self, nodes: Nodes, memory: int, threshold: float) -> Nodes:
        """Place the temporal loops of a memory in all ways that may be below a threshold."""
        placed = self.place(nodes, memory)
        self.visited[memory] += len(placed.node)
        trial = self.trial(nodes, placed, memory)
        keep = self.below(trial, threshold)
        placed = Placed(*(each[keep] for each in placed))
        return self.arrange(nodes, placed, memory, lambda found: self.below(found, threshold))

    def place(self, nodes: Nodes, memory: int) -> Placed:
        """List temporal bounds of a memory with which the tiles of the memory below fit."""
        idle, barred = normal_form(
            self.space.factors[nodes.space, memory],
            self.direct[memory],
            self.live[memory],
            bool(self.model.windows),
        )
        # Two loops along a window are not one where neighbours pass words: their jumps differ.
        passes = self._may_pass[nodes.space, 1:memory].any(axis=1)
        if memory == self.model.num_memories - 1:  # of all spatial choices of the memories inside
            fanouts = self.model.architecture.fanouts[1:memory]
            passes |= bool(self.model.windows) and max(fanouts, default=1) > 1
        for bits in (idle, barred):
            bits[passes] &= ~_WINDOWS
        code = idle.copy()
        for d in range(NUM_DIMS):
            code = code * int(self.model.bounds[d]) + nodes.rest[:, d] - 1
        _, first, which = np.unique(code, return_index=True, return_inverse=True)
        lists = [self._list_vectors(nodes.rest[n], int(idle[n])) for n in first]
        counts = np.array([len(each) for each in lists])
        index, row = ragged((counts.cumsum() - counts)[which], counts[which])
        bounds = np.concatenate(lists)[row]
        words = self.model.held(self.direct[memory], self._extents(nodes, index, bounds, memory).T)
        fits = words <= self.model.capacities[memory - 1]
        index, bounds = index[fits], bounds[fits]
        return Placed(index, bounds, barred[index])

    def _extents(self, nodes: Nodes, index: Ints, bounds: Ints, memory: int) -> Floats:
        """Extents of the tiles below a memory, (N, 7)."""
        inside = self.space.inside[nodes.space[index], memory - 1]
        found: Floats = nodes.rest[index] // bounds * inside
        return found

    def trial(self, nodes: Nodes, placed: Placed, memory: int) -> Nodes:
        """Bounds of candidates whatever the order of their loops."""
        index, bounds, _ = placed
        moves = np.stack([(bounds[:, MOVES[t]] > 1).any(axis=1) for t in range(len(TENSORS))], 1)
        counted, pending = nodes.counted[index], nodes.pending[index]
        empty = np.empty((len(index), 0), dtype=np.int64)
        none = np.empty(len(index))
        trial = Nodes(
            nodes.space[index],
            nodes.rest[index] // bounds,
            empty,
            empty,
            empty,
            nodes.least[index],
            np.where(moves, counted * pending, counted),
            np.ones_like(pending),
            nodes.ratio[index],
            nodes.may_pass[index],
            none,
            none,
            none,
        )
        term = self._inputs_below(memory)
        if term is not None:
            loops = nodes.temporal[index, memory:]
            loops[:, 0] = bounds
            extents = self._extents(nodes, index, bounds, memory)
            words = least_words(self.model.problem, self.model.windows, extents.T, loops)
            self._raise(trial.least, term, words, trial.space)
        self.refresh(trial, memory)
        return trial

    def arrange(
        self, nodes: Nodes, placed: Placed, memory: int, keep: Callable[[Nodes], Bools]
    ) -> Nodes:
        """Order the loops of candidates in all ways that are to be kept."""
        index, bounds, barred = placed
        mask = ((bounds > 1) * _BIT).sum(axis=1)
        barred = barred & mask
        codes, which = np.unique(mask << NUM_DIMS | barred, return_inverse=True)
        live = sum(1 << int(t) for t in self.live[memory])
        lists = [
            self.orders.tried(int(code) >> NUM_DIMS, live, int(code) % (1 << NUM_DIMS))
            for code in codes
        ]
        counts = np.array([len(each) for each in lists], dtype=np.int64)
        choice, row = ragged((counts.cumsum() - counts)[which], counts[which])
        numbers = np.array([number for each in lists for number in each], dtype=np.int64)[row]
        index, bounds = index[choice], bounds[choice]
        found = self._ordered(nodes, index, bounds, memory, numbers)
        self.refresh(found, memory)
        found = found[keep(found)]
        may_pass = self._count_inputs(found, memory)
        if may_pass is not None:
            self.refresh(found, memory)
            kept = keep(found)
            found, may_pass = found[kept], may_pass[kept]
            if may_pass.any():
                self._pass_inputs(found, np.flatnonzero(may_pass), memory)
                self.refresh(found, memory)
                found = found[keep(found)]
        return found[~self._is_useless(found, memory)]

    def _ordered(
        self, nodes: Nodes, index: Ints, bounds: Ints, memory: int, numbers: Ints
    ) -> Nodes:
        """Children of nodes with given loops in given orders, without bounds."""
        counted, pending = nodes.counted[index], nodes.pending[index]
        advance(counted, pending, bounds, self.orders[numbers])
        temporal = nodes.temporal[index]
        temporal[:, memory] = bounds
        chosen = nodes.order[index]
        chosen[:, memory] = numbers
        return Nodes(
            nodes.space[index],
            nodes.rest[index] // bounds,
            temporal,
            chosen,
            nodes.spread[index],
            nodes.least[index],
            counted,
            pending,
            nodes.ratio[index],
            nodes.may_pass[index],
            *np.empty((3, len(index))),
        )

    def refresh(self, nodes: Nodes, memory: int) -> None:
        """Bound nodes whose loops are placed down to a memory."""
        space, which = self.space, nodes.space
        costs = space.costs[which]
        must = self._must_move(nodes, memory)
        for term in self.model.terms:
            if term.memory >= memory:
                continue
            times = nodes.counted[:, term.tensor]
            if term in must:
                times = np.where(must[term], times * nodes.pending[:, term.tensor], times)
            self._raise(nodes.least, term, costs.least[:, term.delivered] * times, which)
        nodes.energy = self.bounds.energy(costs, nodes.least, nodes.ratio)
        if memory > 1 and self.bounds.pairs:
            nodes.energy = nodes.energy + self.bounds.pair_energy(
                costs,
                self._room[which],
                nodes.least,
                space.idle[which],
                stationary(nodes.rest),
                must,
                memory - 1,
            )
        nodes.cycles = self.bounds.cycles(costs, nodes.least, nodes.ratio)
        nodes.value = self.bounds.value(nodes.energy, nodes.cycles)

    def _must_move(self, nodes: Nodes, memory: int) -> dict[Term, Bools]:
        """Which deliveries have a loop that moves them among those not placed.

        Without one, the tile of the memory above, less its spatial spread, would have to fit.
        """
        found = {}
        for term in self.model.terms:
            if term.memory < memory - 1:
                inside = nodes.rest * self.space.inside[nodes.space, term.memory]
                tile = self.model.tile(term.tensor, inside.T)
                found[term] = tile > self.model.capacities[term.memory]
        return found

    def _raise(self, least: Floats, term: Term, delivered: Floats, which: Ints) -> None:
        """Raise the bounds of a term to a number of words delivered."""
        delivered = np.maximum(delivered, least[:, term.delivered])
        least[:, term.delivered] = delivered
        if term.tensor != INPUTS:
            return
        place = which, term.memory + 1
        children = self.space.spaces.offsets[place]
        arrival = Arrival(delivered, children, self._may_pass[place], self._may_stay[place])
        self._raise_inputs(least, term, arrival, which)

    def _raise_inputs(self, least: Floats, term: Term, arrival: Arrival, which: Ints) -> None:
        """Raise what is written and read for a number of words delivered."""
        spaces = self.space.spaces[which]
        above = term.memory + 1
        served = np.where(
            arrival.may_pass, least_served(spaces.batched[:, above], arrival), arrival.children
        )
        filled = self.model.filled(spaces, term, arrival.words, served, arrival.may_pass)
        along = spaces.groups[:, above + 1 : term.parent + 1].prod(axis=1)
        for variable, words in ((term.filled, filled), (term.read, arrival.words * served * along)):
            least[:, variable] = np.maximum(least[:, variable], words)

    def _count_inputs(self, nodes: Nodes, memory: int) -> Bools | None:
        """Make the counts of inputs at the boundary below a memory exact.

        Returns
        -------
        numpy.ndarray of bool, (N,), or None
            Where they are not, because neighbours may pass words; None if no count changed.
        """
        term = self._inputs_below(memory)
        factors = self.space.factors[nodes.space, memory]
        # Operations read less where plane and filter are spread over the same children.
        both = np.zeros(len(nodes), dtype=bool)
        for r, p in WINDOWS:
            both |= (factors[:, r] > 1) & (factors[:, p] > 1)
        both &= memory <= self.model.innermost[INPUTS]
        may_pass = self._may_pass[nodes.space, memory]
        some = np.flatnonzero(both | may_pass | (term is not None))
        if not len(some):
            return None
        part = nodes[some]
        found = arrivals(
            self.model.problem,
            memory,
            self.space.factors[part.space],
            part.temporal,
            part.rest,
            self.orders[part.order],
        )
        nodes.may_pass[some] |= found.may_pass
        if term is None:
            groups = self.space.spaces.groups[part.space, memory]
            is_shared = both[some] & ~found.may_pass
            nodes.ratio[some] *= np.where(is_shared, found.children / groups, 1.0)
            return np.zeros(len(nodes), dtype=bool)
        nodes.least[:, term.delivered] = found.words
        self._raise_inputs(nodes.least, term, found, part.space)
        return found.may_pass

    def _pass_inputs(self, nodes: Nodes, some: Ints, memory: int) -> None:
        """Count what neighbours pass on, in every order, and put the best orders into nodes."""
        term = self._inputs_below(memory)
        assert term is not None
        temporal = nodes.temporal[some]
        spatial = self.space.factors[nodes.space[some]]
        places = [memory], range(memory, self.model.num_memories)
        few = count_orders(spatial, temporal, *places) <= MOST_ORDERS
        some, temporal, spatial = some[few], temporal[few], spatial[few]
        if not len(some):
            return
        ways = all_orders(spatial, temporal, *places)
        words, reads, fills, passed = received(
            self.model.problem, memory, spatial, temporal, nodes.rest[some], ways
        )
        which = nodes.space[some]
        along = self.space.spaces.groups[which, memory + 1 : term.parent + 1].prod(axis=1)
        begins = np.searchsorted(ways.node, np.arange(len(some)))
        weights = self.space.costs.weights[which, 0]
        energy = passed * weights[ways.node, term.passed]
        left = np.zeros(len(some))
        for variable, each in ((term.read, reads * along[ways.node]), (term.filled, fills)):
            energy += each * weights[ways.node, variable]
            least = np.minimum.reduceat(each, begins)
            nodes.least[some, variable] = np.maximum(least, nodes.least[some, variable])
            left -= nodes.least[some, variable] * weights[:, variable]
        # What the best order costs beyond the least of each is charged to what neighbours read.
        left += np.minimum.reduceat(energy, begins)
        nodes.least[some, term.passed] = np.maximum(0, left / weights[:, term.passed])
        # A node keeps what it is: only its innermost order may change, and cost other tensors and
        # what is inside no more.
        kept = memory if INPUTS in self.live[memory - 1] else memory + 1
        same = ways.temporal[:, kept:] == self.orders[nodes.order[some][:, kept:]][ways.node]
        is_like = same.all(axis=(1, 2)) & (words == nodes.least[some, term.delivered][ways.node])
        counted, pending = np.ones((2, len(reads), len(TENSORS)))
        for m in reversed(range(memory, self.model.num_memories)):
            advance(counted, pending, temporal[ways.node, m], ways.temporal[:, m])
        is_like &= (counted == nodes.counted[some][ways.node]).all(axis=1)
        is_like &= (pending == nodes.pending[some][ways.node]).all(axis=1)
        ranked = np.lexsort((energy, ~is_like, ways.node))[begins]
        for row, way in zip(some[is_like[ranked]], ranked[is_like[ranked]], strict=True):
            nodes.spread[row, memory] = self.orders.number(ways.spatial[way, memory])
            nodes.order[row, memory] = self.orders.number(ways.temporal[way, memory])

    def _is_useless(self, nodes: Nodes, memory: int) -> Bools:
        """Whether K is innermost for nothing: the memory below could have the loop.

        The motion that a loop ends is forgotten, so that loops outside of K gain only where the
        evaluator takes their first step for none.
        """
        term = self._inputs_below(memory)
        useless = np.zeros(len(nodes), dtype=bool)
        if term is None or MOVES[self.direct[memory], _K].any():
            return useless
        bound = nodes.temporal[:, memory, _K]
        useless |= (bound > 1) & (self.orders[nodes.order][:, memory, 0] == _K)
        if useless.any():
            loops = nodes.temporal[:, memory:].reshape(len(nodes), -1).prod(axis=1)
            extents = nodes.rest * self.space.inside[nodes.space, memory - 1]
            whole = loops / bound * self.model.tile(INPUTS, extents.T)
            useless &= nodes.least[:, term.delivered] >= whole
        return useless

    def _inputs_below(self, memory: int) -> Term | None:
        """Deliveries of inputs to the memory below, if it stores them."""
        for term in self.model.terms:
            if (term.tensor, term.memory) == (INPUTS, memory - 1):
                return term
        return None

    def _list_vectors(self, rest: Ints, idle: int) -> Ints:
        """All temporal bounds that divide what is left, (N, 7)."""
        key = (*(int(r) for r in rest), idle)
        if key not in self._vectors:
            factors = []
            for d, bound in enumerate(key[:NUM_DIMS]):
                if bound not in self._divisors:
                    self._divisors[bound] = divisors(bound)
                factors.append([1] if idle >> d & 1 else self._divisors[bound])
            grid = np.meshgrid(*factors, indexing="ij", copy=False)
            self._vectors[key] = np.stack([each.ravel() for each in grid], axis=1)
        return self._vectors[key]
