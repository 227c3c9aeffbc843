# SPDX-License-Identifier: BSD-3-Clause
"""Lower bounds on the cost of partial mappings.

Decides how little energy and time the memories need whose loops are not placed yet
(docs/model/cosa_search.md section 2): what is known of every delivery, and that one run of loops
cannot both leave a tensor in place and fit in the memory of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .problem import INPUTS, MOVES, TENSORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .search_costs import Costs
    from .search_model import Model, Spaces, Term

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

# Rounding of sums and products must not lift a bound.
_EXACTLY = 1 - 1e-11


def divisors(number: int) -> list[int]:
    """Divisors in ascending order."""
    found = [1]
    rest, prime = number, 2
    while rest > 1:
        if prime * prime > rest:
            prime = rest
        powers = [1]
        while rest % prime == 0:
            rest //= prime
            powers.append(powers[-1] * prime)
        found = [a * b for a in found for b in powers]
        prime += 1
    return sorted(found)


class Bounds:
    """Bounds for one goal.

    Parameters
    ----------
    model : Model
        The cost as a sum.
    goal : str
        "e", "d" or "ed".

    Attributes
    ----------
    pairs : list of (Term, Term)
        Deliveries that are bounded together, each in one pair at most.
    """

    def __init__(self, model: Model, goal: str) -> None:
        self.model = model
        self.goal = goal
        self.pairs: list[tuple[Term, Term]] = []
        # What the outermost memory on the chip receives is exact from the first step on.
        left = [term for term in model.terms if term.memory < model.num_memories - 2]
        while left:
            first = left.pop(0)
            for other in left:
                if other.tensor != first.tensor and other.memory > first.memory:
                    left.remove(other)
                    self.pairs.append((first, other))
                    break
        self._runs = {first.tensor: self._run_table(first.tensor) for first, _ in self.pairs}

    def value(self, energy: Floats, cycles: Floats) -> Floats:
        """Value of the goal."""
        if self.goal == "ed":
            return energy * cycles
        return cycles if self.goal == "d" else energy

    def words(self, costs: Costs, least: Floats, ratio: Floats) -> Floats:
        """Cycles that every bandwidth needs, (N, B)."""
        found: Floats = costs.constants[:, 1:] + np.einsum(
            "nrv,nv->nr", costs.weights[:, 1:], least
        )
        return found + costs.operands[:, 1:] * (ratio - 1)[:, None]

    def cycles(self, costs: Costs, least: Floats, ratio: Floats) -> Floats:
        """Cycles that operations and every bandwidth need, (N,)."""
        words = self.words(costs, least, ratio)
        slowest = np.maximum(costs.compute, words.max(axis=1, initial=0))
        found: Floats = np.ceil(slowest * _EXACTLY)
        return found

    def energy(self, costs: Costs, least: Floats, ratio: Floats) -> Floats:
        """Energy of deliveries, (N,)."""
        found: Floats = costs.constants[:, 0] + np.einsum("nv,nv->n", costs.weights[:, 0], least)
        return (found + costs.operands[:, 0] * (ratio - 1)) * _EXACTLY

    def pair_energy(
        self,
        costs: Costs,
        room: Floats,
        least: Floats,
        idle: Floats,
        free: Floats,
        must: dict[Term, Bools],
        below: int,
    ) -> Floats:
        """Energy beyond the separate bounds because one run of loops cannot serve two tensors.

        The run of loops that leave the first tensor of a pair in place either ends inside the
        memory of the other and is part of its tile, or no loop inside that memory moves the first
        tensor, and then all loops that do not move the other are outside one that does.

        Parameters
        ----------
        costs : Costs
            Of N spatial choices.
        room : numpy.ndarray, (N, pairs)
            See `room`.
        least : numpy.ndarray, (N, V)
            Separate bounds.
        idle, free : numpy.ndarray, (N, 3)
            Product of all temporal loops that do not move a tensor, and of those not placed yet.
        must : dict
            Terms that have a loop that moves them, outside their memory, among those not placed.
        below : int
            Only pairs of memories below this one.
        """
        extra = np.zeros(len(least))
        for number, (first, other) in enumerate(self.pairs):
            if other.memory >= below:
                continue
            divs, table = self._runs[first.tensor]
            total = np.searchsorted(divs, free[:, first.tensor])
            most = np.searchsorted(divs, np.maximum(room[:, number], 1), side="right") - 1
            run = table[total, most]
            growth = []
            for term, times in (
                (first, idle[:, first.tensor] / run),
                (other, idle[:, other.tensor]),
            ):
                known = least[:, term.filled]
                grown = costs.least[:, term.filled] * times
                growth.append(np.maximum(grown - known, 0) * costs.weights[:, 0, term.filled])
            extra += np.where(must[first], np.minimum(growth[0], growth[1]), 0)
        return extra

    def room(self, spaces: Spaces) -> Floats:
        """Loops of the first tensor's run that fit in the other's memory, (N, pairs)."""
        found = np.empty((len(spaces.fans), len(self.pairs)))
        for number, (first, other) in enumerate(self.pairs):
            if other.tensor == INPUTS:
                # A window is at least as long as its loops along the plane, or along the filter.
                fans = spaces.fans / spaces.moving[first.tensor]
            else:
                fans = spaces.moving[other.tensor]
            inside = fans[:, : other.memory + 1].prod(axis=1)
            found[:, number] = self.model.capacities[other.memory] / inside
        return found

    def spatial(self, spaces: Spaces, costs: Costs, idle: Floats) -> tuple[Floats, Floats]:
        """Bounds on energy and cycles of all mappings with a spatial choice.

        Parameters
        ----------
        spaces : Spaces
            N spatial choices.
        costs : Costs
            Their costs.
        idle : numpy.ndarray, (N, 3)
            Product of all temporal loops that do not move a tensor.
        """
        must = {
            first: costs.least[:, first.delivered] > self.model.capacities[first.memory]
            for first, _ in self.pairs
        }
        ratio = np.ones(len(idle))
        energy = self.energy(costs, costs.least, ratio)
        room = self.room(spaces)
        below = self.model.num_memories
        energy += self.pair_energy(costs, room, costs.least, idle, idle, must, below)
        return energy, self.cycles(costs, costs.least, ratio)

    def _run_table(self, tensor: int) -> tuple[Ints, Floats]:
        """Largest divisor of a number of stationary loops (row) up to a limit (column)."""
        still = np.array(self.model.bounds)[~MOVES[tensor]]
        divs = np.array(divisors(int(np.prod(still.astype(object)))), dtype=np.int64)
        table = np.empty((len(divs), len(divs)))
        for row, number in enumerate(divs):
            of_number = divs[number % divs == 0]
            table[row] = of_number[np.searchsorted(of_number, divs, side="right") - 1]
        return divs, table


def stationary(bounds: Ints) -> Floats:
    """Product of the bounds that do not move each tensor, (N, 3), of bounds (N, 7)."""
    found = [bounds[:, ~MOVES[t]].prod(axis=1) for t in range(len(TENSORS))]
    return np.stack(found, axis=1).astype(float)
