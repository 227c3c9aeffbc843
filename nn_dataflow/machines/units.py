# SPDX-License-Identifier: BSD-3-Clause
"""Quantities with units, as people write them in machine files.

Decides which units there are and what they are worth (docs/machines.md section 2). Capacities are
in powers of 1024, as memories are built; rates, frequencies, energies and powers in powers of 1000.
Numbers are exact fractions until the end, so that 6.4 GB/s at 500 MHz is 102.4 bits per cycle.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

UNLIMITED = "unlimited"

_PREFIXES = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_BINARY_PREFIXES = {**_PREFIXES, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}
_BITS = {"bit": 1, "bits": 1, "b": 1, "B": 8, "byte": 8, "bytes": 8}
_FREQUENCIES = {"Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9}
_ENERGIES = {"fJ": -15, "pJ": -12, "nJ": -9, "uJ": -6, "mJ": -3, "J": 0}
_POWERS = {"nW": -9, "uW": -6, "mW": -3, "W": 0}
_QUANTITY = re.compile(
    r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]{1,3})?)\s*([A-Za-z]+)?\s*(?:(/|per)\s*(\w+))?"
)

ENERGY_UNITS = tuple(_ENERGIES)

SIZE = 'a size such as "128 kB", "512 B", "4096 bit" or "261 words"'
WORD = 'a number of bits such as "16 bit" or "2 B"'
BUS = '"unlimited", or bits or words per cycle such as "64 bit" or "4 words"'
BANDWIDTH = (
    '"unlimited", or such as "51.2 B/cycle", "25.6 words/cycle" or "6.4 GB/s at 500 MHz" '
    "(or with clock in the file)"
)
CLOCK = 'a frequency such as "500 MHz"'
ENERGY = 'a number of at least 0, or such as "2 pJ" where unit is a unit of energy'
STATIC = f'{ENERGY}, or a power such as "30 mW at 200 MHz" (or with clock in the file)'


class UnitError(ValueError):
    """A text that is no such quantity; the message says what would be."""


class _Quantity(NamedTuple):
    number: Fraction
    unit: str
    per: str


def _split(text: str, allowed: str) -> _Quantity:
    """Take a quantity apart: number, unit, and what follows a stroke."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise UnitError(allowed)
    digits, unit, _, per = match.groups(default="")
    try:
        number = Fraction(digits)
    except ValueError:
        raise UnitError(allowed) from None
    return _Quantity(number, unit, per)


def _bits(unit: str, step: int, word: int, allowed: str) -> int:
    """Bits of a unit of data, whose prefixes are powers of `step`."""
    if unit in ("word", "words"):
        return word
    prefixes = _BINARY_PREFIXES if step == 1024 else _PREFIXES
    for name, bits in _BITS.items():
        if unit.endswith(name) and unit.removesuffix(name) in prefixes:
            scale: int = step ** prefixes[unit.removesuffix(name)]
            return bits * scale
    raise UnitError(allowed)


def size(text: str, word: int, allowed: str = SIZE) -> int:
    """Return a capacity in bits, for words of a number of bits.

    Raises
    ------
    UnitError
        If it is no capacity of a whole number of bits, at least 1.

    Examples
    --------
    >>> size("128 kB", 16), size("261 words", 16), size("0.5KiB", 16)
    (1048576, 4176, 4096)
    """
    number, unit, per = _split(text, allowed)
    bits = number * _bits(unit, 1024, word, allowed)
    if per or bits < 1 or bits.denominator != 1:
        raise UnitError(allowed)
    return int(bits)


def word_size(text: str) -> int:
    """Return the size of a word in bits.

    Examples
    --------
    >>> word_size("16 bit"), word_size("2 B")
    (16, 16)
    """
    number, unit, per = _split(text, WORD)
    if unit not in _BITS or per:
        raise UnitError(WORD)
    bits = number * _BITS[unit]
    if bits < 1 or bits.denominator != 1:
        raise UnitError(WORD)
    return int(bits)


def bus(text: str, word: int) -> int:
    """Return the width of a bus in bits, 0 for an unlimited one.

    Examples
    --------
    >>> bus("64 bit", 16), bus("4 words/cycle", 16), bus("unlimited", 16)
    (64, 64, 0)
    """
    if text.strip() == UNLIMITED:
        return 0
    _, _, per = _split(text, BUS)
    if per not in ("", "cycle"):
        raise UnitError(BUS)
    return size(text.partition("/")[0].partition(" per ")[0], word, BUS)


def clock(text: str) -> Fraction:
    """Return a frequency in Hz.

    Examples
    --------
    >>> clock("0.5 GHz")
    Fraction(500000000, 1)
    """
    number, unit, per = _split(text, CLOCK)
    if unit not in _FREQUENCIES or per or number <= 0:
        raise UnitError(CLOCK)
    return number * _FREQUENCIES[unit]


def _at(text: str, frequency: Fraction | None, allowed: str) -> tuple[str, Fraction]:
    """Split "... at 500 MHz" into what is before, and the frequency, by default that given."""
    before, at, behind = text.partition(" at ")
    if at:
        return before, clock(behind)
    if frequency is None:
        raise UnitError(allowed)
    return before, frequency


def bandwidth(text: str, word: int, frequency: Fraction | None) -> Fraction | None:
    """Return a bandwidth in bits per cycle, None for an unlimited one.

    Parameters
    ----------
    text : str
        Data per cycle, or per second with a frequency.
    word : int
        Size of a word, in bits.
    frequency : Fraction or None
        Cycles per second, where the text has none.

    Raises
    ------
    UnitError
        If it is no bandwidth above 0, or the frequency is missing.

    Examples
    --------
    >>> float(bandwidth("6.4 GB/s at 500 MHz", 16, None))
    102.4
    >>> float(bandwidth("3 words/cycle", 16, None))
    48.0
    """
    if text.strip() == UNLIMITED:
        return None
    number, unit, per = _split(text.partition(" at ")[0], BANDWIDTH)
    cycles = Fraction(1)
    if per == "s":
        cycles = _at(text, frequency, BANDWIDTH)[1]
    elif per != "cycle" or " at " in text:
        raise UnitError(BANDWIDTH)
    bits = number * _bits(unit, 1000, word, BANDWIDTH) / cycles
    if bits <= 0:
        raise UnitError(BANDWIDTH)
    return bits


def energy(text: str, unit: str, allowed: str = ENERGY) -> Fraction:
    """Return a cost in the unit of all costs.

    Parameters
    ----------
    text : str
        A number in that unit, or an energy with a unit of its own.
    unit : str
        What all costs are in: a unit of energy, or anything else.

    Raises
    ------
    UnitError
        If it is negative, has another unit, or has one while `unit` is none of energy.

    Examples
    --------
    >>> float(energy("1.2729 nJ", "pJ")), float(energy("6", "MAC"))
    (1272.9, 6.0)
    """
    number, own, per = _split(text, allowed)
    if number < 0 or per not in ("", "cycle"):
        raise UnitError(allowed)
    if not own:
        return number
    if own not in _ENERGIES or unit not in _ENERGIES:
        raise UnitError(allowed)
    return number * Fraction(10) ** (_ENERGIES[own] - _ENERGIES[unit])


def static_energy(text: str, unit: str, frequency: Fraction | None) -> Fraction:
    """Return the cost of a cycle in the unit of all costs, given as such or as a power.

    Examples
    --------
    >>> float(static_energy("30 mW at 200 MHz", "pJ", None))
    150.0
    """
    number, own, per = _split(text.partition(" at ")[0], STATIC)
    if own not in _POWERS:
        return energy(text, unit, STATIC)
    if number < 0 or per or unit not in _ENERGIES:
        raise UnitError(STATIC)
    _, cycles = _at(text, frequency, STATIC)
    return number * Fraction(10) ** (_POWERS[own] - _ENERGIES[unit]) / cycles


def shown_size(bits: int) -> str:
    """Return a capacity as a text that `size` reads back, in the largest unit that is short.

    Examples
    --------
    >>> [shown_size(bits) for bits in (1048576, 4176, 4096, 12, 1064256)]
    ['128 kB', '522 B', '512 B', '12 bit', '133032 B']
    """
    if bits % 8:
        return f"{bits} bit"
    num = bits // 8
    for unit in ("TB", "GB", "MB", "kB"):
        scale = 1024 ** _PREFIXES[unit[0]]
        if num % scale == 0:
            return f"{num // scale} {unit}"
    return f"{num} B"
