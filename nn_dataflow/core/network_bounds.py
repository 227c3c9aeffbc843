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
        self.factors = list(factors)
        self.consumers: list[list[int]] = [[] for _ in factors]
        self.message: Messages = {}
        for number, factor in enumerate(factors):
            for source in factor.sources:
                self.consumers[source].append(number)
                known = message.get((source, number))
                fresh = np.zeros(factors[source].num_places)
                self.message[source, number] = fresh if known is None else known.copy()
        self._moves = [_moves(factor) for factor in factors]
        self.num_sweeps = 0
        bound, risen = -np.inf, self._sweep()
        while self.num_sweeps < MAX_SWEEPS and risen - bound > RISE * abs(risen):
            if risen >= target * (1 - RISE):
                break
            bound, risen = risen, self._sweep()

    def _sweep(self) -> float:
        """Move cost forward and backward once; give the bound."""
        self._sweep_forward()
        self._sweep_backward()
        self.least = [float(self.reduced(number).min()) for number in range(len(self.factors))]
        self.num_sweeps += 1
        return self.bound()

    def bound(self) -> float:
        """Lower bound on the cost of the network."""
        return sum(self.least)

    def reduced(self, number: int) -> Floats:
        """Cost of each schedule of a factor after messages, from the best places for it, (n,)."""
        factor = self.factors[number]
        total = factor.base
        for consumer in self.consumers[number]:
            total = total + self.message[number, consumer][factor.place]
        for index in range(len(factor.sources)):
            total = total + self._from_best_place(number, index)
        return total

    def restrict(self, number: int, keep: NDArray[np.bool_]) -> None:
        """Leave only some schedules of a layer; its least cost may rise."""
        factor = self.factors[number]
        self.factors[number] = factor._replace(
            base=factor.base[keep],
            scale=factor.scale[keep],
            part=factor.part[keep],
            place=factor.place[keep],
        )
        self._moves[number] = [moves[:, keep] for moves in self._moves[number]]
        self.least[number] = float(self.reduced(number).min(initial=np.inf))

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

    def _charged_moves(self, number: int, index: int) -> Floats:
        source = self.factors[number].sources[index]
        return self._moves[number][index] - self.message[source, number][:, None]

    def _from_best_place(self, number: int, index: int) -> Floats:
        least: Floats = self._charged_moves(number, index).min(axis=0)
        return least

    def _sweep_backward(self) -> None:
        """Charge what layers cost to the places of their producers, last layer first."""
        for number in reversed(range(len(self.factors))):
            factor = self.factors[number]
            count = len(factor.sources)
            total = self.reduced(number)
            for index, source in enumerate(factor.sources):
                moves = self._charged_moves(number, index)
                rest = total - moves.min(axis=0)
                by_place = (moves + rest).min(axis=1)
                shift = (by_place - by_place.min()) / (count - index)
                self.message[source, number] += _finite(shift)
                total = rest + self._from_best_place(number, index)

    def _sweep_forward(self) -> None:
        """Charge what places cost their producers to the consumers, first layer first."""
        for number, factor in enumerate(self.factors):
            consumers = self.consumers[number]
            for index, consumer in enumerate(consumers):
                by_place = np.full(factor.num_places, np.inf)
                np.minimum.at(by_place, factor.place, self.reduced(number))
                shift = (by_place - by_place.min()) / (len(consumers) - index)
                self.message[number, consumer] -= _finite(shift)


def _moves(factor: Factor) -> list[Floats]:
    """Cost of the ifmap hops of every schedule from every place, (places, n) per source."""
    return [factor.scale * table[:, factor.part] for table in factor.tables]


def _finite(shift: Floats) -> Floats:
    """Replace infinities, of places that nothing can take, by the largest finite shift."""
    finite = np.isfinite(shift)
    if finite.all():
        return shift
    return np.where(finite, shift, shift[finite].max(initial=0.0))
