# SPDX-License-Identifier: BSD-3-Clause
"""Constraints on the loop blocking of a layer, imposed by the segment that the layer is in.

Decides which factors and orders of the top-level loops (DRAM to GBUF) a layer may use so that it
can exchange fmaps with the other layers of its segment without going through memory
(docs/model/pipeline.md section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nn_dataflow.util import HashableDict

from . import loop_enum as le
from .loop_blocking_space import TopLoops
from .record import is_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from .scheduling_result import SchedulingResult

    Rule = Callable[[Any, SchedulingResult], object]
    Factors = Sequence[int]


class SchedulingConstraint:
    """Required blocking factors T0 of the top-level loops.

    Constraints are equal, and hash alike, when they are of the same class and all their attributes
    are equal. `update_by_prev` changes a constraint in place, so one that still has rules in
    `update_dict` should be copied first (`copy.copy`) where it is shared or used as a key.

    Parameters
    ----------
    topbat, topifm, topofm : int
        Required T0 of the loops B, I and O; 0 leaves the loop free.
    update_dict : mapping of str to callable, optional
        Rules that fill in what depends on layers scheduled before: layer name to a function of this
        constraint and that layer's `SchedulingResult`, which sets attributes of the constraint.

    Raises
    ------
    ValueError
        If a factor is not an integer, or negative.
    TypeError
        If `update_dict` is not a mapping, or a rule not callable.

    Examples
    --------
    >>> constraint = SchedulingConstraint(topbat=2)
    >>> constraint.is_valid_top_bl((4, 1, 2), (0, 1, 2))
    True
    >>> constraint.is_valid_top_bl((4, 1, 1), (0, 1, 2))
    False
    """

    def __init__(
        self,
        topbat: int = 0,
        topifm: int = 0,
        topofm: int = 0,
        update_dict: Mapping[str, Rule] | None = None,
    ) -> None:
        self.topbat = self._checked_factor("topbat", topbat)
        self.topifm = self._checked_factor("topifm", topifm)
        self.topofm = self._checked_factor("topofm", topofm)
        self.update_dict: HashableDict[str, Rule] = self._checked_rules(update_dict)

    def is_valid_top_bl(self, top_bl_t: Factors, top_bl_ord: Factors) -> bool:
        """Tell whether top-level loops satisfy the constraint.

        Parameters
        ----------
        top_bl_t : sequence of 3 int
            Blocking factors T0 of the loops I, O, B.
        top_bl_ord : sequence of 3 int
            Position of each loop in the order, 0 is the innermost.

        Raises
        ------
        ValueError
            While `update_dict` is not empty: the constraint is not known yet.
        """
        return bool(self.top_loops().allow(np.array([top_bl_t]), np.array([top_bl_ord]))[0])

    def is_valid_part(self, part: object) -> bool:  # noqa: ARG002  # no constraint looks at it
        """Tell whether a partition scheme satisfies the constraint: every one does.

        Raises
        ------
        ValueError
            While `update_dict` is not empty: the constraint is not known yet.
        """
        self._check_updated()
        return True

    def filter_gen_ts(
        self,
        gen_tifm: Iterable[Factors],
        gen_tofm: Iterable[Factors],
        gen_tbat: Iterable[Factors],
    ) -> tuple[Iterator[Factors], Iterator[Factors], Iterator[Factors]]:
        """Keep the candidate factors of each loop whose top-level factor satisfies the constraint.

        Parameters
        ----------
        gen_tifm, gen_tofm, gen_tbat : iterable of sequence of int
            Candidates for the loops I, O and B, each with the factors from the top level inwards.

        Returns
        -------
        tuple of 3 iterators
            In the same order, lazily. Rules in `update_dict` are not looked at.

        Examples
        --------
        >>> halves = [(1, 2), (2, 1)]
        >>> [list(gen) for gen in SchedulingConstraint(topofm=2).filter_gen_ts(halves, halves, [])]
        [[(1, 2), (2, 1)], [(2, 1)], []]
        """
        return (
            _with_top(gen_tifm, self.topifm),
            _with_top(gen_tofm, self.topofm),
            _with_top(gen_tbat, self.topbat),
        )

    def update_by_prev(self, prev_results: Mapping[str, SchedulingResult]) -> None:
        """Apply all rules to this constraint, in place, and clear them.

        Parameters
        ----------
        prev_results : mapping of str to SchedulingResult
            Results of the layers scheduled before, such as an `NNDataflowScheme`.

        Raises
        ------
        KeyError
            If the layer of a rule has no result; the constraint is not changed then.
        """
        updates = [(rule, prev_results[name]) for name, rule in self.update_dict.items()]
        for rule, result in updates:
            rule(self, result)
        self.update_dict = HashableDict()

    @property
    def outer_loops(self) -> tuple[int, ...]:
        """Loops that must be the outermost non-trivial ones of the top level, outermost first."""
        return ()

    def top_loops(self) -> TopLoops:
        """Return what the constraint says of the top level.

        Raises
        ------
        ValueError
            While `update_dict` is not empty: the constraint is not known yet.
        """
        self._check_updated()
        return TopLoops((self.topifm, self.topofm, self.topbat), self.outer_loops)

    def _check_updated(self) -> None:
        if self.update_dict:
            raise ValueError(
                f"{type(self).__name__}: update_dict still has rules for "
                f"{', '.join(map(str, self.update_dict))}; call update_by_prev first"
            )

    def _checked_factor(self, field: str, value: int) -> int:
        if not is_integer(value) or value < 0:
            raise ValueError(
                f"{type(self).__name__}: {field} must be a factor, or 0 for free, got {value!r}"
            )
        return int(value)

    def _checked_rules(self, rules: Mapping[str, Rule] | None) -> HashableDict[str, Rule]:
        if rules is None:
            return HashableDict()
        if not isinstance(rules, Mapping):
            raise TypeError(f"{type(self).__name__}: update_dict must be a mapping, got {rules!r}")
        for name, rule in rules.items():
            if not callable(rule):
                raise TypeError(
                    f"{type(self).__name__}: update_dict must hold callable rules, "
                    f"got {rule!r} for {name}"
                )
        return HashableDict(rules)

    def _key(self) -> tuple[object, ...]:
        return type(self), self.topbat, self.topifm, self.topofm, self.update_dict

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SchedulingConstraint):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(topbat={self.topbat}, topifm={self.topifm}, "
            f"topofm={self.topofm}, update_dict={dict(self.update_dict)})"
        )


class SchedulingConstraintLayerPipeline(SchedulingConstraint):
    """Constraint of a layer in a pipeline: top-level factors, and the order of the top-level loops.

    The layers of a segment hand over their fmaps one group at a time: groups of samples first, then
    groups of channels. So a non-trivial B required by `topbat` must be the outermost non-trivial
    loop, and a non-trivial I or O required by `topifm` or `topofm` the outermost of the others.

    Parameters
    ----------
    topbat, topifm, topofm : int
        Required T0 of the loops B, I and O; 0 leaves the loop free.
    fbifm, fbofm : bool
        Whether all ifmaps, or all ofmaps, of a group of samples are buffered on chip, which is to
        require a factor of 1 in `topifm`, or in `topofm`. Read back, they tell whether it is
        required, however that was said.
    update_dict : mapping of str to callable, optional
        See `SchedulingConstraint`.

    Raises
    ------
    ValueError
        If a factor is not an integer, or negative; if a fully buffered category has a factor above
        1; if both `topifm` and `topofm` are above 1.
    TypeError
        If `update_dict` is not a mapping, or a rule not callable.

    Examples
    --------
    >>> constraint = SchedulingConstraintLayerPipeline(topbat=2, topofm=4, fbifm=True)
    >>> constraint.is_valid_top_bl((1, 4, 2), (0, 1, 2))
    True
    >>> constraint.is_valid_top_bl((1, 4, 2), (0, 2, 1))
    False
    """

    def __init__(  # published interface
        self,
        topbat: int = 0,
        topifm: int = 0,
        topofm: int = 0,
        fbifm: bool = False,
        fbofm: bool = False,
        update_dict: Mapping[str, Rule] | None = None,
    ) -> None:
        super().__init__(topbat, topifm, topofm, update_dict)
        if fbifm:
            self._fully_buffer("topifm", "fbifm")
        if fbofm:
            self._fully_buffer("topofm", "fbofm")
        if self.topifm > 1 and self.topofm > 1:
            raise ValueError(
                f"{type(self).__name__}: topifm and topofm must not both be above 1, "
                f"got {self.topifm} and {self.topofm}"
            )

    @property
    def fbifm(self) -> bool:
        """Whether the ifmaps are fully buffered on chip."""
        return self.topifm == 1

    @property
    def fbofm(self) -> bool:
        """Whether the ofmaps are fully buffered on chip."""
        return self.topofm == 1

    def _fully_buffer(self, field: str, flag: str) -> None:
        factor = getattr(self, field)
        if factor > 1:
            raise ValueError(
                f"{type(self).__name__}: {field} must be 0 or 1 with {flag}, got {factor}"
            )
        setattr(self, field, 1)

    @property
    def outer_loops(self) -> tuple[int, ...]:
        """Loops that must be the outermost non-trivial ones of the top level, outermost first."""
        needed = ((le.BAT, self.topbat), (le.IFM, self.topifm), (le.OFM, self.topofm))
        return tuple(lpe for lpe, factor in needed if factor > 1)


def _with_top(candidates: Iterable[Factors], top: int) -> Iterator[Factors]:
    return (factors for factors in candidates if not top or factors[0] == top)
