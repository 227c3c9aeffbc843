# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of a result in a folder, as SVG and PNG (docs/report.md section 1).

Decides which pictures there are, and that the same result makes the same files.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeVar

from nn_dataflow.errors import require

from . import curve, row_pictures, space_pictures
from .contents import contents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nn_dataflow.tools.search_result import SearchResult

Contents = TypeVar("Contents")

PICTURES = {
    "energy": row_pictures.energy,
    "time": row_pictures.time,
    "roofline": space_pictures.roofline,
    "nodes": space_pictures.nodes,
    "pipeline": row_pictures.pipeline,
}
CURVE = "curve"  # where the result has one
SUFFIXES = ("svg", "png")

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 7.5,
    "hatch.linewidth": 0.5,
    "axes.linewidth": 0.6,
    "text.parse_math": False,  # names are names
    "svg.hashsalt": "nn_dataflow",  # names of parts would be drawn by chance
}
_DPI = 150
_NO_XML = bytes(code for code in range(32) if code not in b"\t\n\r")


def figures(result: SearchResult) -> Iterator[tuple[str, Any]]:
    """Return the name of each picture and its figure of matplotlib, one after another."""
    pictures = {**PICTURES, **({CURVE: curve.draw} if result.curve else {})}
    return drawn(pictures, contents_of(result))


def files(result: SearchResult) -> Iterator[tuple[str, bytes]]:
    """Return the name and the contents of each file, one after another."""
    return written(figures(result))


def drawn(
    pictures: Mapping[str, Callable[[Contents], Any]], contents: Contents
) -> Iterator[tuple[str, Any]]:
    """Yield the name of each of some pictures and its figure, in the style of all pictures."""
    style = require("matplotlib.style", "matplotlib", "drawing", "plot")
    for name, draw in pictures.items():
        # Defaults of matplotlib, whatever the user's settings are, which come back.
        with style.context(["default", _STYLE]):
            yield name, draw(contents)


def written(figures: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the contents of the files of some figures."""
    for name, figure in figures:
        for suffix in SUFFIXES:
            file = io.BytesIO()
            # The date of writing would change the file at every run.
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(file, format=suffix, dpi=_DPI, metadata=metadata)
            # No name may have the control characters that XML does not allow.
            yield f"{name}.{suffix}", file.getvalue().translate(None, _NO_XML if metadata else b"")
