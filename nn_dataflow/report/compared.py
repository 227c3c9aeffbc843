# SPDX-License-Identifier: BSD-3-Clause
"""Everything that pictures and the report of a comparison show, put together once.

Decides what results are called and which units their numbers have (docs/compare.md section 4): the
base is A, the others are B, C and so on; how things are drawn is decided by the modules that draw.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.tools.comparison_table import signed

from .units import cost_name, counted, unit_of_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nn_dataflow.tools.comparison import Comparison, Difference
    from nn_dataflow.tools.result_record import ResultRecord

    from .units import Unit

BASE = ascii_uppercase[0]
"""What the base is called."""

NEITHER = "in neither"

MINUS = "\N{MINUS SIGN}"


class LayerChange(NamedTuple):
    """A layer of any of the results.

    Attributes
    ----------
    name
        Name of the layer.
    segment
        Index of its segment in the base; behind the last one if it is not there.
    cost, time : tuple of Difference or None
        For each result that has layers to compare; None where one of the two has not this one.
    missing : tuple of str
        For each of them, which of the two has it, or `NEITHER`; "" where both have.
    """

    name: str
    segment: int
    cost: tuple[Difference | None, ...]
    time: tuple[Difference | None, ...]
    missing: tuple[str, ...]


class Compared(NamedTuple):
    """What is shown.

    Attributes
    ----------
    title
        Networks and batches.
    letters
        Of all results, the base first.
    comparisons
        Of the others with the base.
    layered
        Letters and comparisons of those that have layers to compare.
    rows
        Layers: those of the base in its order, then others.
    cost_names
        What costs are in, in the order of the results.
    whole_cost, total_time
        Units of the totals.
    cost_change, time_change
        Units of the changes of layers.
    """

    title: str
    letters: str
    comparisons: Sequence[Comparison]
    layered: list[tuple[str, Comparison]]
    rows: list[LayerChange]
    cost_names: list[str]
    whole_cost: Unit
    total_time: Unit
    cost_change: Unit
    time_change: Unit

    @property
    def results(self) -> list[ResultRecord]:
        """All results, the base first."""
        return [self.comparisons[0].base, *(one.other for one in self.comparisons)]

    @property
    def cost_name(self) -> str:
        """What costs are in."""
        return " and ".join(dict.fromkeys(self.cost_names))

    @property
    def files(self) -> list[str]:
        """Which file each letter is."""
        base, *others = [
            f"{letter}: {one.path}" for letter, one in zip(self.letters, self.results, strict=True)
        ]
        return [f"{base} (base)", *others]


def compared(comparisons: Sequence[Comparison]) -> Compared:
    """Put together what is shown of comparisons with one base, at most 25 of them."""
    results = [comparisons[0].base, *(one.other for one in comparisons)]
    letters = ascii_uppercase[: len(results)]
    layered = [
        (letter, one)
        for letter, one in zip(letters[1:], comparisons, strict=True)
        if one.same_network
    ]
    rows = _rows(comparisons[0].base, layered)
    names = [cost_name(one.cost_unit, one.cost) for one in results]
    unit = " and ".join(dict.fromkeys(names))
    return Compared(
        _title(results),
        letters,
        comparisons,
        layered,
        rows,
        names,
        unit_of_cost(unit, [one.total_cost for one in results]),
        counted("time", "cycles", [one.total_time for one in results]),
        unit_of_cost(unit, _sizes(one for row in rows for one in row.cost)),
        counted("time", "cycles", _sizes(one for row in rows for one in row.time)),
    )


def _title(results: Iterable[ResultRecord]) -> str:
    batches: dict[str, list[str]] = {}
    for one in results:
        batches.setdefault(one.net, []).append(str(one.batch))
    return "; ".join(
        f"{net}, batch {' and '.join(dict.fromkeys(several))}" for net, several in batches.items()
    )


def _rows(base: ResultRecord, layered: Sequence[tuple[str, Comparison]]) -> list[LayerChange]:
    if not layered:
        return []
    by_name = [{layer.name: layer for layer in one.layers} for _, one in layered]
    names = dict.fromkeys(
        [*base.layers, *(name for _, one in layered for name in one.only_in_other)]
    )
    last = max(layer.place[0] for layer in base.layers.values()) + 1
    return [
        LayerChange(
            name,
            base.layers[name].place[0] if name in base.layers else last,
            tuple(layers[name].cost if name in layers else None for layers in by_name),
            tuple(layers[name].time if name in layers else None for layers in by_name),
            tuple(_missing(name, letter, one) for letter, one in layered),
        )
        for name in names
    ]


def _missing(name: str, letter: str, one: Comparison) -> str:
    """Say which of two results has a layer, if not both."""
    if name in one.base.layers:
        return "" if name in one.other.layers else f"only in {BASE}"
    return f"only in {letter}" if name in one.other.layers else NEITHER


def _sizes(several: Iterable[Difference | None]) -> list[float]:
    return [abs(one.change) for one in several if one is not None]


def change_text(change: float, unit: Unit) -> str:
    """Return a change in a unit, with its sign; nothing is 0.

    >>> from nn_dataflow.report.units import counted
    >>> unit = counted("time", "cycles", [2500, 40])
    >>> change_text(-2500, unit), change_text(40, unit), change_text(0, unit)
    ('−2.500', '+0.040', '0')
    """
    return with_minus(signed(change, unit.text))


def with_minus(text: str) -> str:
    """Return a signed number with a minus sign, which screen readers read, for its hyphen."""
    return MINUS + text[1:] if text.startswith("-") and len(text) > 1 else text
