# SPDX-License-Identifier: BSD-3-Clause
"""Titles of pictures: at the left, in as many lines as they need."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = 9.0  # points
_LETTER = 0.076  # inches, of a letter of this size and wide ones


class Titled(Protocol):
    """What a picture is of."""

    @property
    def title(self) -> str:
        """Network and batch."""


def set_title(figure: Any, contents: Titled, text: str, below: Sequence[str] = ()) -> None:
    """Give a figure of matplotlib the title of a picture, and lines below it."""
    letters = int(figure.get_size_inches()[0] / _LETTER)
    lines = wrap(f"{contents.title}: {text}", letters)
    for line in below:
        lines += wrap(line, letters, subsequent_indent="    ")
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=_SIZE)
