# SPDX-License-Identifier: BSD-3-Clause
"""Units of what pictures and reports show.

Decides what a cost is called and how it is scaled (docs/report.md section 1): an energy where the
machine tells its unit, with the prefix that suits; otherwise units of cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nn_dataflow.machines.units import ENERGY_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nn_dataflow.core.cost import Cost
    from nn_dataflow.tools.search_result import SearchResult

_THOUSAND = 1000.0
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_NAMES = {"uJ": "µJ"}


class Unit(NamedTuple):
    """How numbers of one quantity are written: all with the same unit and decimals.

    Attributes
    ----------
    quantity
        What they are, such as "energy".
    name
        The unit with its prefix.
    factor
        What a number is divided by.
    decimals
        Digits behind the point.
    """

    quantity: str
    name: str
    factor: float
    decimals: int

    @property
    def label(self) -> str:
        """Quantity and unit, as an axis or a column is called."""
        return f"{self.quantity} ({self.name})" if self.name else self.quantity

    def text(self, number: float) -> str:
        """Return a number in the unit; one too small to be seen is not written as zero.

        >>> unit = Unit("energy", "µJ", 1e6, 1)
        >>> unit.text(2_500_000), unit.text(3), unit.text(0)
        ('2.5', '<0.1', '0.0')
        """
        value = number / self.factor
        if 0 < value < 0.5 * 10**-self.decimals:
            return f"<{10**-self.decimals:.{self.decimals}f}"
        return f"{value:.{self.decimals}f}"

    def told(self, number: float) -> str:
        """Return a number with its unit."""
        return f"{self.text(number)} {self.name}"


def counted(quantity: str, name: str, numbers: Iterable[float]) -> Unit:
    """Return the unit of a count, such as cycles or words, with a prefix.

    >>> counted("time", "cycles", [2.5e9]).told(1e8), counted("time", "cycles", [250]).told(250)
    ('0.100 G cycles', '250 cycles')
    """
    values = [*numbers]
    power, factor = _power(values, len(_PREFIXES) - 1)
    whole = power == 0 and all(value == int(value) for value in values)
    unit = f"{_PREFIXES[power]} {name}".lstrip()
    return Unit(quantity, unit, factor, 0 if whole else _decimals(values, factor))


def cost_unit(result: SearchResult, numbers: Iterable[float]) -> Unit:
    """Return the unit of costs of a result."""
    return unit_of_cost(cost_name(result.problem.machine.cost_unit, result.cost), numbers)


def cost_name(given: str, cost: Cost) -> str:
    """Return what costs are in: as the machine tells, or energies of a MAC operation."""
    return given or ("MAC" if cost.mac_op == 1 else "units")


def unit_of_cost(name: str, numbers: Iterable[float]) -> Unit:
    """Return the unit of costs that are in some unit: of energy, or another."""
    if name not in ENERGY_UNITS:
        return counted("cost", name, numbers)
    values = [*numbers]
    place = ENERGY_UNITS.index(name)
    power, factor = _power(values, len(ENERGY_UNITS) - 1 - place)
    scaled = ENERGY_UNITS[place + power]
    return Unit("energy", _NAMES.get(scaled, scaled), factor, _decimals(values, factor))


def product_unit(cost: Unit, time: Unit, quantity: str, numbers: Iterable[float]) -> Unit:
    """Return the unit of products of cost and time: of both as they are shown.

    >>> energy, time = unit_of_cost("pJ", [1.5e11]), counted("time", "cycles", [6e7])
    >>> product_unit(energy, time, "energy x time", [9e18]).told(9e18)
    '9000.0 mJ x M cycles'
    """
    factor = cost.factor * time.factor
    return Unit(quantity, f"{cost.name} x {time.name}", factor, _decimals([*numbers], factor))


def _power(values: Sequence[float], most: int) -> tuple[int, float]:
    """Return how many thousands the largest value is divided by, and the divisor."""
    power = 0
    while power < most and max(values, default=0) >= _THOUSAND ** (power + 1):
        power += 1
    return power, _THOUSAND**power


def _decimals(values: Sequence[float], factor: float) -> int:
    """Return the digits behind the point with which the largest value has four."""
    largest = max(values, default=0) / factor
    return 3 if largest < 10 else 2 if largest < 100 else 1
