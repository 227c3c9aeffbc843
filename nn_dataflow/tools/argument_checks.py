# SPDX-License-Identifier: BSD-3-Clause
"""Checks of what is given on the command line, each refusal being one line.

Decides which numbers are allowed (docs/model/search.md section 7; docs/differences.md E5): sizes
and counts are whole and positive, and nothing is so large that the model's numbers lose precision
or a search could not end.
"""

import argparse
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from nn_dataflow.machines.limits import MAX_BYTES_PER_CYCLE, MAX_COST, MIN_BYTES_PER_CYCLE

from .terminal import write

MAX_BATCH = 1_000_000

_LONGEST_SHOWN = 60
_NEGATIVE = re.compile(r"-(\.?\d.*|inf(inity)?|nan)$", re.IGNORECASE)


class Refused(Exception):  # noqa: N818  # no error of this program
    """Bad input; the message is one line that says what was given, where, and what is allowed."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that raises its refusals, and fails like any output where help cannot be written.

    Whatever looks like a negative number is a value, so that the refusal can show it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = _NEGATIVE

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise Refused(message.removeprefix("argument "))

    def print_help(self, file: Any = None) -> None:
        """Write the help, to standard output by default."""
        if file is None:
            write(self.format_help())
        else:
            super().print_help(file)


def refuse(option: str, given: str | Sequence[str], allowed: str) -> NoReturn:
    """Raise the refusal of a value.

    Examples
    --------
    >>> refuse("--nodes", ["0", "4"], "positive")
    Traceback (most recent call last):
        ...
    nn_dataflow.tools.argument_checks.Refused: --nodes 0 4: must be positive
    """
    raise Refused(f"{option} {shown(given)}: must be {allowed}")


def refuse_layer(option: str, layer: str, net: str, names: Sequence[str]) -> NoReturn:
    """Raise the refusal of a layer that a network does not have; `names` are those it has.

    Examples
    --------
    >>> refuse_layer("--layer", "fc9", "mlp_s", ["fc1", "conv"])
    Traceback (most recent call last):
        ...
    nn_dataflow.tools.argument_checks.Refused: --layer fc9: mlp_s has no layer of this name, \
the closest is fc1
    """
    import difflib  # noqa: PLC0415 (only for this message)

    closest = difflib.get_close_matches(layer, names, n=1)
    known = f"the closest is {closest[0]}" if closest else f"must be one of {', '.join(names)}"
    raise Refused(f"{option} {layer}: {net} has no layer of this name, {known}")


def shown(given: str | Sequence[str]) -> str:
    r"""Return a given value, or several, as part of a one-line message.

    Examples
    --------
    >>> print(shown("12"), shown(["0", "4"]), shown("a\nb"), shown(""))
    12 0 4 'a\nb' ''
    """
    text = given if isinstance(given, str) else " ".join(map(shown, given))
    if not text or not text.isprintable():
        text = repr(text)
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 3] + "..."
    return text


def whole(option: str, text: str, highest: int, *, lowest: int = 1, unit: str = "") -> int:
    """Return a whole number from ``lowest`` to ``highest``, or refuse."""
    value = _int(text)
    if value is None or value < lowest:
        of_unit = f"of {unit}, at least" if unit else "of at least"
        refuse(option, text, f"a whole number {of_unit} {lowest}")
    if value > highest:
        refuse(option, text, f"at most {highest} {unit}".rstrip())
    return value


def area(option: str, texts: Sequence[str], highest: int, unit: str) -> tuple[int, int]:
    """Return a height and a width whose product is at most ``highest``, or refuse."""
    height, width = map(_int, texts)
    if height is None or width is None or height < 1 or width < 1:
        refuse(option, texts, "two whole numbers of at least 1")
    if height * width > highest:
        refuse(option, texts, f"at most {highest} {unit} in all")
    return height, width


def bus_width(option: str, text: str, highest: int, word_bits: int) -> int:
    """Return a bus width in bits: 0, which is unlimited, or at least one word; or refuse."""
    bits = whole(option, text, highest, lowest=0, unit="bits")
    if 0 < bits < word_bits:
        refuse(option, text, f"0 (unlimited), or at least one word of {word_bits} bits")
    return bits


def bandwidth(option: str, text: str) -> float:
    """Return a bandwidth in bytes per cycle, maybe infinite, or refuse."""
    value = _float(text)
    if value != math.inf and not MIN_BYTES_PER_CYCLE <= value <= MAX_BYTES_PER_CYCLE:
        lowest, highest = MIN_BYTES_PER_CYCLE, MAX_BYTES_PER_CYCLE
        allowed = f"a number of bytes per cycle from {lowest:g} to {highest:g}, or inf"
        refuse(option, text, allowed)
    return value


def cost(option: str, text: str) -> float:
    """Return a unit cost, or refuse."""
    value = _float(text)
    if not 0 <= value <= MAX_COST:
        refuse(option, text, f"a number from 0 to {MAX_COST:g}")
    return value


def costs(option: str, texts: Sequence[str]) -> tuple[float, ...]:
    """Return unit costs, or refuse them together."""
    values = tuple(map(_float, texts))
    if not all(0 <= value <= MAX_COST for value in values):
        refuse(option, texts, f"{len(texts)} numbers from 0 to {MAX_COST:g}")
    return values


def limit(option: str, text: str, lowest: int) -> float:
    """Return a limit of at least ``lowest``, maybe infinite, or refuse."""
    value = _float(text)
    if not value >= lowest:
        refuse(option, text, f"a number of at least {lowest}, or inf")
    return value


def choice(option: str, text: str, choices: Sequence[str]) -> str:
    """Return one of the choices, or refuse."""
    if text not in choices:
        refuse(option, text, f"one of {', '.join(choices)}")
    return text


def _int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _float(text: str) -> float:
    """Return a number, or for other text NaN, which is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan
