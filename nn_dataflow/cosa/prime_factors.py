# SPDX-License-Identifier: BSD-3-Clause
"""Bounds of loops as products of primes, the unit in which the program splits a layer.

Decides which factors the program places (docs/model/cosa_program.md section 1). Equal primes of
one dimension are interchangeable, so they form one group of which only the number at each place
counts. A dimension of one has a single unit factor: it takes no room, but the program sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class FactorGroups(NamedTuple):
    """Equal primes of one dimension, by dimension and then ascending; one axis of (G,).

    Attributes
    ----------
    dim
        Number of the dimension in the order R, S, P, Q, C, K, N.
    prime
        The prime, or 1 of a dimension of one.
    number
        How many such factors the dimension has.
    """

    dim: NDArray[np.int64]
    prime: NDArray[np.int64]
    number: NDArray[np.int64]

    @property
    def bits(self) -> NDArray[np.float64]:
        """Binary logarithm of the primes."""
        logs: NDArray[np.float64] = np.log2(self.prime)
        return logs

    @property
    def unit(self) -> NDArray[np.bool_]:
        """Which groups are the unit factor of a dimension of one."""
        units: NDArray[np.bool_] = self.prime == 1
        return units


def prime_factors(value: int) -> list[int]:
    """Primes of a positive number in ascending order, [1] for 1."""
    factors = []
    prime = 2
    while prime * prime <= value:
        while value % prime == 0:
            factors.append(prime)
            value //= prime
        prime += 1
    if value > 1 or not factors:
        factors.append(value)
    return factors


def factor_groups(bounds: Sequence[int]) -> FactorGroups:
    """Groups of equal primes of every dimension."""
    rows = []
    for dim, bound in enumerate(bounds):
        factors = prime_factors(bound)
        rows += [(dim, prime, factors.count(prime)) for prime in sorted(set(factors))]
    return FactorGroups(*np.array(rows, dtype=np.int64).T)
