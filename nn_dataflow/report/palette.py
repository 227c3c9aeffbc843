# SPDX-License-Identifier: BSD-3-Clause
"""Colours and hatches of pictures and reports, the same in both (docs/report.md section 1).

Decides what is told apart by what: colours of Okabe and Ito, which colour-blind people tell apart,
in an order in which neighbours differ in brightness, so that they do in grey; and hatches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .layer_rows import KINDS, PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fill(NamedTuple):
    """A colour, and the hatch in it as matplotlib writes it."""

    colour: str
    hatch: str


_BLUE, _SKY, _YELLOW, _GREEN = "#0072b2", "#56b4e9", "#f0e442", "#009e73"
_ORANGE, _RED, _PURPLE, _GREY = "#e69f00", "#d55e00", "#cc79a7", "#bbbbbb"

PART_FILLS = (
    Fill(_BLUE, ""),
    Fill(_SKY, "////"),
    Fill(_YELLOW, ""),
    Fill(_GREEN, "xxxx"),
    Fill(_ORANGE, "...."),
    Fill(_RED, ""),
    Fill(_GREY, "----"),
)
assert len(PART_FILLS) == len(PARTS)

GROUP_FILLS = (
    Fill(_SKY, ""),
    Fill(_ORANGE, "////"),
    Fill(_GREEN, ""),
    Fill(_YELLOW, "...."),
    Fill(_PURPLE, "xxxx"),
    Fill(_RED, ""),
    Fill(_BLUE, "----"),
)

KIND_COLOURS = dict(zip(KINDS, (_BLUE, _ORANGE, _GREEN, _PURPLE, _YELLOW), strict=True))

PLAIN = _BLUE
BAND = "#ececec"  # behind the layers of every second segment
INK, MUTED = "#111111", "#5a5a5a"

MORE, LESS = Fill(_ORANGE, "////"), Fill(_BLUE, "")
"""What is more, and less, than what it is compared with."""


def named(letters: str, fills: Sequence[Fill]) -> dict[str, Fill]:
    """Return fills by the names that they have in a report: letters and a number, from 0."""
    return {f"{letters}{number}": fill for number, fill in enumerate(fills)}


def group_fill(group: int) -> Fill:
    """Return the fill of a group, from 0; they repeat, so groups have their numbers as well."""
    return GROUP_FILLS[group % len(GROUP_FILLS)]
