# SPDX-License-Identifier: BSD-3-Clause
"""Constraints of all layers of a segment in terms of symbols.

Decides how values of few symbols become one constraint per layer, and in which order they are
enumerated (docs/model/pipeline.md sections 7.5 and 7.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.caching import lru_cache

from . import loop_enum as le
from .loop_blocking_space import divisors
from .pipeline_rules import TOPBAT
from .scheduling_constraint import SchedulingConstraintLayerPipeline

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .pipeline_rules import Term
    from .scheduling_result import SchedulingResult

    Constraint = SchedulingConstraintLayerPipeline
    Combination = tuple[tuple[tuple[Constraint, ...], ...], tuple[int, ...]]
    TopFactors = Sequence[Sequence[Sequence[Collection[int]]]]


class _AnyOrderConstraint(SchedulingConstraintLayerPipeline):
    """A pipeline constraint whose factor of O may be inside other loops.

    For ofmaps that go to memory as well: partial sums may be written and read back there.
    """

    @property
    def outer_loops(self) -> tuple[int, ...]:
        return tuple(lpe for lpe in super().outer_loops if lpe != le.OFM)


def take_top_ofm(constraint: Constraint, result: SchedulingResult) -> None:
    """Require the number of ofmap groups, T0[O], that another layer's schedule has."""
    constraint.topofm = int(result.scheme["to"][0])


class LayerTerms(NamedTuple):
    """Constraint of a layer in terms of symbols.

    Attributes
    ----------
    topbat, topifm, topofm : int or str
        Required top-level factor of the loop B, I or O: a number, 0 where free, or a symbol.
    tied_to : str or None
        Name of the layer whose T0[O] this layer's must be, whatever it is (original rules only).
    any_order : bool
        Whether O need not be the outermost loop but B.
    """

    topbat: Term
    topifm: Term
    topofm: Term
    tied_to: str | None = None
    any_order: bool = False

    def symbols(self) -> set[str]:
        """Symbols that the constraint depends on."""
        return {term for term in self[:3] if isinstance(term, str)}

    def constraint(self, values: Mapping[str, int]) -> Constraint:
        """Return the constraint for values of (at least) its symbols."""
        topbat, topifm, topofm = (
            values[term] if isinstance(term, str) else term for term in self[:3]
        )
        if self.any_order and topofm > 1:
            return _AnyOrderConstraint(topbat, topifm, topofm)
        rules = {self.tied_to: take_top_ofm} if self.tied_to is not None else None
        return SchedulingConstraintLayerPipeline(topbat, topifm, topofm, update_dict=rules)


@dataclass(frozen=True)
class ConstraintSystem:
    """Constraints of all layers of a segment in terms of symbols, and the values of these.

    Attributes
    ----------
    terms : tuple of tuple of LayerTerms
        By spatial and temporal index.
    symbols : dict
        Name of each symbol to its values, ascending; names in ASCII order.
    num_fb : int
        Number of groups on the longest chain of groups that buffer their ofmaps.
    """

    terms: tuple[tuple[LayerTerms, ...], ...]
    symbols: dict[str, tuple[int, ...]]
    num_fb: int

    def combinations(self) -> Iterator[Combination]:
        """Enumerate the constraints for all values of the symbols, the last varies fastest.

        Yields
        ------
        constraint : tuple of tuple of SchedulingConstraintLayerPipeline
        hints : tuple of int
            Values of the symbols, in order; (1,) if there are none.
        """
        names = tuple(self.symbols)
        for hints in product(*self.symbols.values()):
            values = dict(zip(names, hints, strict=True))
            constraint = tuple(
                tuple(terms.constraint(values) for terms in group) for group in self.terms
            )
            yield constraint, hints or (1,)

    def within_overhead(self, max_time_overhead: float) -> ConstraintSystem:
        """Leave out few groups of samples: each buffered hop delays by at least one group.

        This is a rule of nn_dataflow 2.1 and no valid bound (docs/model/pipeline.md section 7.6).
        """
        if TOPBAT not in self.symbols or not self.num_fb:
            return self
        least = self.num_fb / max_time_overhead if max_time_overhead else math.inf
        kept = tuple(value for value in self.symbols[TOPBAT] if value >= least)
        return replace(self, symbols={**self.symbols, TOPBAT: kept})

    def reduced(self, top_factors: TopFactors) -> ConstraintSystem:
        """Leave out values that no schedule can have.

        Parameters
        ----------
        top_factors : sequence of sequence of 3 collections of int
            By spatial and temporal index, the factors T0 of the loops I, O and B that occur in any
            schedule of the layer, such as the divisors of its loop counts over all partitions and
            mappings.
        """
        possible = {name: set(values) for name, values in self.symbols.items()}
        for group, group_factors in zip(self.terms, top_factors, strict=True):
            for terms, factors in zip(group, group_factors, strict=True):
                loops = ((terms.topifm, le.IFM), (terms.topofm, le.OFM), (terms.topbat, le.BAT))
                for term, lpe in loops:
                    if isinstance(term, str):
                        possible[term].intersection_update(factors[lpe])
        symbols = {name: tuple(sorted(values)) for name, values in possible.items()}
        return replace(self, symbols=symbols)

    def covers(self, other: ConstraintSystem) -> bool:
        """Whether each combination of another system of the segment is one of this one.

        A factor that is free here may be anything there.
        """
        meaning: dict[str, Term] = {}
        for group, other_group in zip(self.terms, other.terms, strict=True):
            for terms, others in zip(group, other_group, strict=True):
                if terms[3:] != others[3:]:
                    return False
                for term, other_term in zip(terms[:3], others[:3], strict=True):
                    meant = meaning.setdefault(term, other_term) if isinstance(term, str) else term
                    if meant not in (0, other_term):
                        return False
        return all(
            set(other.symbols.get(str(term), (term,))) <= set(self.symbols[name])
            for name, term in meaning.items()
        )


@lru_cache(maxsize=1024)
def reachable_factors(count: int, max_parts: int) -> tuple[int, ...]:
    """Factors of a loop over channels that are divided among nodes and replicas.

    Parameters
    ----------
    count : int
        Number of channels.
    max_parts : int
        Largest number of parts into which they are divided.

    Returns
    -------
    tuple of int
        Divisors of ⌈count / x⌉ for all x up to `max_parts`, ascending.

    Examples
    --------
    >>> reachable_factors(10, 4)
    (1, 2, 3, 4, 5, 10)
    """
    loop_counts = {-(-count // parts) for parts in range(1, max_parts + 1)}
    return tuple(sorted({factor for n in loop_counts for factor in divisors(n).tolist()}))
