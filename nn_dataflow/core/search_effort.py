# SPDX-License-Identifier: BSD-3-Clause
"""What a search has looked at, pruned and evaluated.

Decides how the size of the stated space is accounted for: every candidate is equivalent to
another one, too large for a buffer, excluded by a bound, or evaluated.
"""

from __future__ import annotations

NAMES = (
    "partitions",
    "mappings",
    "mappings_searched",
    "candidates",
    "built",
    "equivalent",
    "capacity",
    "bound",
    "evaluated",
    "segments",
    "combinations",
    "combinations_searched",
    "prefixes_dropped",
)


class SearchEffort:
    """Counters of a search; two add up.

    Attributes
    ----------
    candidates
        Loop blocking schemes in the stated space of all array mappings looked at: all factor
        triples of the three loops with all orders of both levels.
    built
        Schemes that were laid out in arrays, to be checked against the capacities.
    equivalent
        Not built, since a scheme of equal accesses and smaller blocks is.
    capacity
        Too large for the register file or the global buffer, or against a constraint.
    bound
        Excluded by an admissible bound, or by the bound of its whole array mapping.
    evaluated
        Evaluated; with the three before adds up to `candidates`.
    partitions, mappings
        Partition schemes and array mappings of them in the stated space.
    mappings_searched
        Array mappings of distinct node layers that no bound excluded as a whole.
    segments, combinations
        Segments of several layers, and combinations of constraints on their layers, in the stated
        space; segments of equal layers on equal nodes count once in `combinations`.
    combinations_searched
        Combinations that no bound excluded.
    prefixes_dropped
        Partial schedules and combinations given up for their number, without a proof that they
        are of no use. If it is 0, the result is the best of the stated space.

    Examples
    --------
    >>> effort = SearchEffort()
    >>> effort.candidates += 3
    >>> effort.add(effort)
    >>> effort.as_dict()["candidates"]
    6
    """

    __slots__ = NAMES

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    candidates: int
    built: int
    equivalent: int
    capacity: int
    bound: int
    evaluated: int
    partitions: int
    mappings: int
    mappings_searched: int
    segments: int
    combinations: int
    combinations_searched: int
    prefixes_dropped: int

    def add(self, other: SearchEffort) -> None:
        """Add the counts of another search."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        """Counts by name."""
        return {name: getattr(self, name) for name in NAMES}
