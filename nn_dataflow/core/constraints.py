# SPDX-License-Identifier: BSD-3-Clause
"""What is fixed or forbidden in the schedules of a network.

Decides which rules a layer has, and which segments may be (docs/constraints.md sections 2 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import reduce
from typing import TYPE_CHECKING, Any

from .layer_limits import NO_LIMITS, LayerLimits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .pipeline_dependency import Groups

TOGETHER, EXACTLY, ALONE, APART = "together", "exactly", "alone", "apart"


@dataclass(frozen=True)
class LayerRule:
    """What is said in one field about some layers.

    Attributes
    ----------
    name
        The field, such as ``layers.conv1.partition``.
    pattern
        Name of a layer, or a pattern of names.
    limits
        What the field fixes or forbids.
    """

    name: str
    pattern: str
    limits: LayerLimits

    def concerns(self, layer: str) -> bool:
        """Tell whether the rule is about a layer.

        Examples
        --------
        >>> rule = LayerRule("layers.conv*.order", "conv*", LayerLimits())
        >>> rule.concerns("conv1"), rule.concerns("fc1")
        (True, False)
        """
        return fnmatchcase(layer, self.pattern)


@dataclass(frozen=True)
class SegmentRule:
    """What is said about the segments of some layers.

    Attributes
    ----------
    name
        The rule, such as ``segments.together [conv1, pool1]``.
    kind
        `TOGETHER`: share a segment, maybe with others; `EXACTLY`: are a segment, in these groups;
        `ALONE`: each has a segment of its own; `APART`: no two share a segment.
    groups
        The layers, of `EXACTLY` by groups of the segment, of others in one group.
    """

    name: str
    kind: str
    groups: Groups

    def allows(self, seg: Groups) -> bool:
        """Tell whether a segment may be.

        Examples
        --------
        >>> rule = SegmentRule("", TOGETHER, (("a", "b"),))
        >>> rule.allows((("a", "b"), ("c",))), rule.allows((("b",), ("c",))), rule.allows((("c",),))
        (True, False, True)
        """
        named = {name for group in self.groups for name in group}
        inside = [name for group in seg for name in group]
        num = len(named.intersection(inside))
        if num == 0:
            return True
        if self.kind == TOGETHER:
            return num == len(named)
        if self.kind == EXACTLY:
            return seg == self.groups
        return len(inside) == 1 if self.kind == ALONE else num == 1


@dataclass(frozen=True)
class Constraints:
    """What is fixed or forbidden in the schedules of a network; nothing by default.

    Attributes
    ----------
    layers, segments
        The rules.
    told
        The same as the values of a file, for records.
    """

    layers: tuple[LayerRule, ...] = ()
    segments: tuple[SegmentRule, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def rules(self) -> tuple[LayerRule | SegmentRule, ...]:
        """All rules."""
        return (*self.layers, *self.segments)

    def limits(self, layer: str) -> LayerLimits:
        """Return what all rules together say about a layer."""
        own = (rule.limits for rule in self.layers if rule.concerns(layer))
        return reduce(LayerLimits.both, own, NO_LIMITS)

    def allow(self, seg: Groups) -> bool:
        """Tell whether a segment may be."""
        return all(rule.allows(seg) for rule in self.segments)

    def only(self, rules: Sequence[LayerRule | SegmentRule]) -> Constraints:
        """Return those of some rules."""
        return Constraints(
            tuple(rule for rule in rules if isinstance(rule, LayerRule)),
            tuple(rule for rule in rules if isinstance(rule, SegmentRule)),
        )


NO_CONSTRAINTS = Constraints()
