# SPDX-License-Identifier: BSD-3-Clause
"""Text of tables: columns of numbers in fitting units, and lists that are broken into lines.

Decides how many digits a number gets, and that all numbers of a column have the same unit
(docs/model/search.md section 7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.machines.units import ENERGY_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_LARGEST = 1e6  # a number gets a prefix if its column holds one as large as this
_LONGEST_NAME = 28


class Scale(NamedTuple):
    """How the numbers of a column are written: the same prefix and decimals in all of them."""

    prefix: str
    factor: float
    decimals: int

    def unit(self, name: str) -> str:
        """Return a unit with the prefix; a unit of energy takes it up.

        >>> scale([2.5e9]).unit("words"), scale([250]).unit("words"), scale([2.5e9]).unit("pJ")
        ('M words', 'words', 'µJ')
        """
        if name in ENERGY_UNITS:
            place = ENERGY_UNITS.index(name) + _PREFIXES.index(self.prefix)
            if place < len(ENERGY_UNITS):
                return ENERGY_UNITS[place].replace("u", "µ")
        return f"{self.prefix} {name}".lstrip()

    def text(self, number: float) -> str:
        """Return a number in the unit; one that is too small to be seen is not written as zero.

        >>> scale([2.5e9, 40]).text(1.5e6), scale([2.5e9, 40]).text(40)
        ('1.5', '<0.1')
        """
        value = number / self.factor
        if 0 < value < 0.5 * 10**-self.decimals:
            return f"<{10**-self.decimals:.{self.decimals}f}"
        return f"{value:.{self.decimals}f}"


def scale(numbers: Iterable[float]) -> Scale:
    """Return the scale of a column: up to six digits before the point.

    Examples
    --------
    >>> [scale([number]).text(number) for number in (1.25, 12, 3.21e6, 987654321)]
    ['1.2', '12', '3210.0', '987654.3']
    """
    values = [number for number in numbers if math.isfinite(number)]
    largest = max(values, default=0)
    power = 0
    while largest / 1000**power >= _LARGEST and power < len(_PREFIXES) - 1:
        power += 1
    whole = power == 0 and all(value == int(value) for value in values)
    return Scale(_PREFIXES[power], 1000.0**power, 0 if whole else 1)


class Column(NamedTuple):
    """A column of the table: two lines of heading, and a text for each row."""

    title: str
    unit: str
    cells: list[str]
    left: bool = False

    def lines(self) -> list[str]:
        """Return heading and cells, padded to the same width."""
        texts = [self.title, self.unit, *self.cells]
        width = max(map(len, texts))
        return [text.ljust(width) if self.left else text.rjust(width) for text in texts]


def join(columns: Iterable[Column]) -> list[str]:
    """Return the lines of a table: two of heading, and one per row."""
    return [*map("  ".join, zip(*(column.lines() for column in columns), strict=True))]


def scaled(title: str, unit: str, numbers: Sequence[float], total: float) -> Column:
    """Return a column of numbers in one unit, with the total as its last row."""
    by = scale([*numbers, total])
    return Column(title, by.unit(unit), [by.text(number) for number in (*numbers, total)])


def alone(number: float, unit: str) -> str:
    """Return a number with its unit."""
    by = scale([number])
    return f"{by.text(number)} {by.unit(unit)}"


def shorten(name: str) -> str:
    r"""Return the name of a layer, cut where it is too long, without what cannot be shown.

    >>> shorten("conv1"), shorten("two\nlines")
    ('conv1', 'two?lines')
    """
    if not name.isprintable():
        name = "".join(letter if letter.isprintable() else "?" for letter in name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def flow(label: str, items: Sequence[str], width: int) -> list[str]:
    """Write a list of items behind a label; an item is not broken."""
    if not items:
        return []
    ends = [";"] * (len(items) - 1) + [""]
    lines = wrap([item + end for item, end in zip(items, ends, strict=True)], width - 8)
    return [f"{label if not n else '':<8}{line}" for n, line in enumerate(lines)]


def wrap(words: Sequence[str], width: int) -> list[str]:
    """Break words into lines; a word is not broken."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
