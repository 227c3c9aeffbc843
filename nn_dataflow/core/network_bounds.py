# SPDX-License-Identifier: BSD-3-Clause
"""Lower bounds on what a network costs, whatever the data layouts.

Decides how much of a layer's cost is charged to where its producers put their fmaps. The cost of
a network is a sum over layers, each of which depends on its own schedule and on the places of its
producers' fmaps. Messages move cost between a producer's places and its consumers without
changing the sum, so that the sum of the layers' least costs, each by itself, becomes a good lower
bound (docs/model/search.md section 6). No message ever lowers the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Messages = dict[tuple[int, int], Floats]
    _Moved = tuple[list[Floats], list[Floats], Floats]

# Sweeps over the network in both directions, at most; they end when the bound stops rising.
MAX_SWEEPS = 30
RISE = 1e-7


class Factor(NamedTuple):
    """What one layer costs: `base` plus, per producer, `scale` times the table of its place.

    Attributes
    ----------
    base
        Cost of each of n schedules without its ifmap hops, (n,).
    scale
        Passes over the ifmaps, (n,).
    part
        Column of the tables per schedule, (n,).
    place
        Place of the ofmaps per schedule, (n,).
    num_places
        Places of the ofmaps.
    sources
        Factors that produce the ifmaps.
    tables
        For each source the cost of one pass from each of its places, (places, parts).
    """

    base: Floats
    scale: Ints
    part: Ints
    place: Ints
    num_places: int
    sources: Sequence[int]
    tables: Sequence[Floats]


class NetworkBounds:
    """Messages of a network, and the bounds that follow.

    Parameters
    ----------
    factors
        One per layer, producers first.
    target
        A cost that some schedule has; the sweeps end when the bound comes close to it.
    message
        Messages to begin with, where known.

    Attributes
    ----------
    message
        By (source, consumer): what is charged to each place of the source's fmaps.
    least
        Least cost of every factor after messages; their sum is the bound.
    num_sweeps
        Sweeps done.
    """

    def __init__(self, factors: Sequence[Factor], target: float, message: Messages) -> None:
        self._consumers: list[list[int]] = [[] for _ in factors]
        self.message: Messages = {}
        for number, factor in enumerate(factors):
            for source in factor.sources:
                self._consumers[source].append(number)
                known = message.get((source, number))
                fresh = np.zeros(factors[source].num_places)
                self.message[source, number] = fresh if known is None else known.copy()
        moves = list(map(_moves, factors))
        needed = list(map(_needed, factors, moves))
        self.num_sweeps = 0
        bound, risen = -np.inf, self._sweep(needed)
        while self.num_sweeps < MAX_SWEEPS and risen - bound > RISE * abs(risen):
            if risen >= target * (1 - RISE):
                break
            bound, risen = risen, self._sweep(needed)
        self._reduced = [
            self._cost(number, factors[number], own) for number, own in enumerate(moves)
        ]
        self.least = [float(reduced.min()) for reduced in self._reduced]

    def _cost(self, number: int, factor: Factor, moves: Sequence[Floats]) -> Floats:
        """Cost of each schedule of a factor after messages, from the best places for it, (n,)."""
        total = factor.base
        for consumer in self._consumers[number]:
            total = total + self.message[number, consumer][factor.place]
        for index in range(len(moves)):
            total = total + self._charged(number, factor, moves, index).min(axis=0)
        return total

    def _charged(self, number: int, factor: Factor, moves: Sequence[Floats], index: int) -> Floats:
        """Moves of the fmaps of a source less what is charged to its places, (places, n)."""
        return moves[index] - self.message[factor.sources[index], number][:, None]

    def _sweep(self, needed: Sequence[_Needed]) -> float:
        """Move cost forward and backward once; give the bound."""
        moved = [self._sweep_forward(number, own) for number, own in enumerate(needed)]
        self.num_sweeps += 1
        numbers = reversed(range(len(needed)))
        return sum(
            self._sweep_backward(number, needed[number], moved[number]) for number in numbers
        )

    def bound(self) -> float:
        """Lower bound on the cost of the network."""
        return sum(self.least)

    def reduced(self, number: int) -> Floats:
        """Cost of each schedule of a factor after messages, from the best places for it, (n,)."""
        return self._reduced[number]

    def restrict(self, number: int, keep: NDArray[np.bool_]) -> None:
        """Leave only some schedules of a layer; its least cost may rise."""
        self._reduced[number] = self._reduced[number][keep]
        self.least[number] = float(self._reduced[number].min(initial=np.inf))

    def charged(self, places: Ints, factors: Sequence[int], last: int) -> Floats:
        """What later layers cost, by messages, for where the factors up to `last` put fmaps.

        Parameters
        ----------
        places
            Place of the fmaps of some factors, (m, factors).
        factors
            Which these are: at least those that later ones read.
        last
            The last factor that is decided.
        """
        total = np.zeros(len(places))
        column = {factor: places[:, number] for number, factor in enumerate(factors)}
        for (source, consumer), message in self.message.items():
            if source <= last < consumer:
                total += message[column[source]]
        return total

    def _sweep_forward(self, number: int, needed: _Needed) -> _Moved:
        """Charge what places cost their producer to the consumers; give the moves it is left with.

        Places that nothing can take are charged as much as the worst of the others.
        """
        factor, moves = needed.factor, needed.moves
        charged = [self._charged(number, factor, moves, index) for index in range(len(moves))]
        least = [np.minimum.reduce(own, axis=0) for own in charged]
        total = sum(least, start=factor.base)
        consumers = self._consumers[number]
        if consumers:
            own = needed.own_places
            found = np.minimum.reduceat(total, needed.first)
            for consumer in consumers:
                found += self.message[number, consumer][own]
            by_place = np.full(factor.num_places, np.maximum.reduce(found))
            by_place[own] = found
            for index, consumer in enumerate(consumers):
                shift = (by_place - np.minimum.reduce(by_place)) / (len(consumers) - index)
                self.message[number, consumer] -= shift
                by_place -= shift
        return charged, least, total

    def _sweep_backward(self, number: int, needed: _Needed, moved: _Moved) -> float:
        """Charge what a layer costs to the places of its producers; give its least cost."""
        factor = needed.factor
        charged, least, total = moved
        for consumer in self._consumers[number]:
            total = total + self.message[number, consumer][factor.place]
        for index, source in enumerate(factor.sources):
            rest = total - least[index]
            by_place = np.minimum.reduce(charged[index] + rest, axis=1)
            shift = (by_place - np.minimum.reduce(by_place)) / (len(factor.sources) - index)
            self.message[source, number] += shift
            total = rest + np.minimum.reduce(charged[index] - shift[:, None], axis=0)
        return float(np.minimum.reduce(total))


class _Needed(NamedTuple):
    """Schedules of a factor that can be the best ones, whatever the messages, by their places."""

    factor: Factor
    moves: list[Floats]
    own_places: Ints  # those that there are, (k,)
    first: Ints  # the first schedule of each, (k,)


def _moves(factor: Factor) -> list[Floats]:
    """Cost of the ifmap hops of every schedule from every place, (places, n) per source."""
    return [factor.scale * table[:, factor.part] for table in factor.tables]


def _needed(factor: Factor, moves: Sequence[Floats]) -> _Needed:
    """Leave schedules that cost least of those of their place, from some place of the source.

    Of several sources all combinations of places would count, which takes longer than it saves.
    """
    rows = np.argsort(factor.place, kind="stable")
    first = _begins(factor.place[rows])
    if len(moves) < 2:
        cost = sum((own[:, rows] for own in moves), start=factor.base[None, rows])
        least = np.minimum.reduceat(cost, first, axis=1)
        sizes = np.diff(first, append=len(rows))
        rows = rows[(cost == least.repeat(sizes, axis=1)).any(axis=0)]
        first = _begins(factor.place[rows])
    left = factor._replace(
        base=factor.base[rows],
        scale=factor.scale[rows],
        part=factor.part[rows],
        place=factor.place[rows],
    )
    return _Needed(left, [own[:, rows] for own in moves], left.place[first], first)


def _begins(ordered: Ints) -> Ints:
    """Indices of the first ones of equal values."""
    return np.flatnonzero(np.diff(ordered, prepend=-1))
