# SPDX-License-Identifier: BSD-3-Clause
"""How good a schedule is proven to be.

Decides what a search says of its result (docs/model/search.md section 6.3): that it is the best of
the stated space, or how far from the best it can be at most.
"""

from __future__ import annotations

from typing import NamedTuple


class Certificate(NamedTuple):
    """What is proven of the best schedule of a search.

    Attributes
    ----------
    value
        Its value under the goal: energy, cycles, or energy times cycles.
    lower_bound
        No schedule of the stated space has a lower value.

    Examples
    --------
    >>> Certificate(200.0, 190.0).gap
    0.05
    >>> Certificate(200.0, 190.0).is_optimal
    False
    """

    value: float
    lower_bound: float

    @classmethod
    def of_search(cls, value: float, lower_bound: float, num_dropped: int) -> Certificate:
        """Give what a search proves that dropped `num_dropped` candidates without a reason."""
        return cls(value, min(value, lower_bound) if num_dropped else value)

    @property
    def gap(self) -> float:
        """How much of the value another schedule could save at most, relatively."""
        return (self.value - self.lower_bound) / self.value if self.value else 0.0

    @property
    def is_optimal(self) -> bool:
        """Whether it is the best of the stated space."""
        return self.value == self.lower_bound
