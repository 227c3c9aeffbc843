# SPDX-License-Identifier: BSD-3-Clause
"""Which constraints are to blame where they leave no schedule.

Decides what is said then (docs/constraints.md section 5): a set of rules that together leave none,
though any fewer of them leave one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .constraints import NO_CONSTRAINTS, LayerRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .constraints import Constraints, SegmentRule
    from .layer_space import LayerSpace

    Rules = list[LayerRule | SegmentRule]


def blame(
    constraints: Constraints,
    layers: Iterable[str],
    space: Callable[[str, Constraints], LayerSpace],
    search: Callable[[Constraints], bool] | None,
) -> str:
    """Say why there is no schedule: which rules leave none, or which layer fits in no case.

    Parameters
    ----------
    constraints
        Rules that leave no schedule.
    layers
        Names of the layers, in the order in which they are scheduled.
    space
        Gives the schedules of a layer alone on all nodes, within constraints.
    search
        Tells whether there is a schedule of the network with segments of several layers; None
        where there are no such segments.
    """
    names = list(layers)

    def fits(name: str, some: Constraints) -> bool:
        return space(name, some).has_schedule()

    def possible(some: Constraints) -> bool:
        alone = all(some.allow(((name,),)) and fits(name, some) for name in names)
        return alone or (search is not None and search(some))

    if not possible(NO_CONSTRAINTS):
        name = next(name for name in names if not fits(name, NO_CONSTRAINTS))
        return f"layer {name}: {space(name, NO_CONSTRAINTS).too_small()}"
    rules = least_impossible(constraints, possible)
    own = constraints.only(rules)
    if all(isinstance(rule, LayerRule) for rule in rules):
        left_out = [name for name in names if not fits(name, own)]
        return blame_text(rules, left_out[0] if left_out else None)
    return blame_text(rules)


def least_impossible(constraints: Constraints, possible: Callable[[Constraints], bool]) -> Rules:
    """Leave out rules as long as the others leave no schedule; `possible` tells whether they do."""
    kept = list(constraints.rules)
    for rule in constraints.rules:
        fewer = [other for other in kept if other is not rule]
        if not possible(constraints.only(fewer)):
            kept = fewer
    return kept


def blame_text(rules: Sequence[LayerRule | SegmentRule], layer: str | None = None) -> str:
    """Say which rules leave no schedule, and of which layer if it is known.

    Examples
    --------
    >>> from nn_dataflow.core.constraints import ALONE, LayerRule, SegmentRule
    >>> from nn_dataflow.core.layer_limits import NO_LIMITS
    >>> rules = [LayerRule(f"layers.conv*.{name}", "conv*", NO_LIMITS) for name in "ab"]
    >>> blame_text(rules[:1], "conv1")
    'layer conv1: constraint layers.conv*.a leaves no schedule'
    >>> blame_text([*rules, SegmentRule("segments.alone [fc1]", ALONE, ())])
    'constraints layers.conv*.a, layers.conv*.b and segments.alone [fc1] together leave no schedule'
    """
    where = "" if layer is None else f"layer {layer}: "
    *others, last = [rule.name for rule in rules]
    if not others:
        return f"{where}constraint {last} leaves no schedule"
    return f"{where}constraints {', '.join(others)} and {last} together leave no schedule"
