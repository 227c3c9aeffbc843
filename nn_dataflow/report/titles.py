# SPDX-License-Identifier: BSD-3-Clause
"""Titles of pictures: at the left, in as many lines as they need."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = 9.0  # points
_LETTER = 0.076  # inches, of a letter of this size and wide ones
_LINE = 0.15


class Titled(Protocol):
    """What a picture is of."""

    @property
    def title(self) -> str:
        """Network and batch."""


def set_title(figure: Any, contents: Titled, text: str, below: Sequence[str] = ()) -> None:
    """Give a figure of matplotlib the title of a picture, and lines below it.

    The figure grows by these lines.
    """
    width, height = figure.get_size_inches()
    letters = int(width / _LETTER)
    lines = wrap(f"{contents.title}: {text}", letters)
    more = [part for line in below for part in wrap(line, letters, subsequent_indent="    ")]
    figure.set_figheight(height + len(more) * _LINE)
    figure.suptitle("\n".join([*lines, *more]), x=0.01, ha="left", fontsize=_SIZE)
