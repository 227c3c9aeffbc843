# SPDX-License-Identifier: BSD-3-Clause
"""Titles of pictures: at the left, in as many lines as they need."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contents import Contents

_SIZE = 9.0  # points
_LETTER = 0.076  # inches, of a letter of this size and wide ones


def set_title(figure: Any, contents: Contents, text: str) -> None:
    """Give a figure of matplotlib the title of a picture."""
    letters = int(figure.get_size_inches()[0] / _LETTER)
    lines = wrap(f"{contents.title}: {text}", letters)
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=_SIZE)
