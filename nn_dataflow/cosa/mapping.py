# SPDX-License-Identifier: BSD-3-Clause
"""A mapping: where every loop of a problem runs, and in which order.

Decides what a mapping is made of, its form in files and as a printed loop nest
(docs/model/cosa.md sections 1, 3.2 and 6; docs/cosa.md section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nn_dataflow.core.record import is_integer

from .errors import InputError
from .problem import DIMENSIONS, TENSORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from .architecture import Architecture

Loop = tuple[str, int]
Loops = tuple[Loop, ...]


@dataclass(frozen=True)
class Mapping:
    """A split of all loops over the memories.

    Parameters
    ----------
    levels : sequence of (str, sequence of (str, int), sequence of (str, int))
        Per memory, innermost first: its name, its spatial loops, its temporal loops. Loops are
        (dimension, bound), innermost first; the same dimension may return. Loops with bound 1 are
        left out.
    residency : sequence of (int, int, int) or None, optional
        Uneven mapping: per memory and tensor (weights, inputs, outputs), how many of the memory's
        temporal loops, counted from the innermost, are inside the tile that it holds of the
        tensor. Through the others the tile is exchanged. None: all are inside. Loops with bound 1
        do not count.
    keeps : sequence of sequence of str or None, optional
        Tensors that each memory keeps, where it is not as the machine says. Two mappings are equal
        whatever they keep.

    Raises
    ------
    InputError
        For an unknown dimension or a bad bound, a memory that is named twice, or a residency that
        does not fit.

    Examples
    --------
    >>> mapping = Mapping([("Buffer", [("K", 4)], [("P", 7), ("C", 1)]), ("DRAM", [], [("K", 2)])])
    >>> print(mapping)
    DRAM:
    for K in 0..1
      Buffer:
      for P in 0..6
      parallel for K in 0..3
    """

    levels: tuple[tuple[str, Loops, Loops], ...]
    residency: tuple[tuple[int, int, int], ...] | None = None
    keeps: tuple[tuple[str, ...], ...] | None = field(default=None, compare=False)

    def __init__(
        self,
        levels: Iterable[tuple[str, Iterable[Loop], Iterable[Loop]]],
        residency: Sequence[Sequence[int]] | None = None,
        keeps: Sequence[Sequence[str]] | None = None,
    ) -> None:
        try:
            checked = tuple((str(n), _loops(n, s), _loops(n, t)) for n, s, t in levels)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "Mapping: levels must be (memory, spatial loops, temporal loops) each"
            ) from None
        names = [name for name, _, _ in checked]
        if len(set(names)) < len(names):
            raise InputError(f"Mapping: a memory is named twice in {', '.join(names)}")
        object.__setattr__(self, "levels", checked)
        object.__setattr__(self, "residency", _residency(checked, residency))
        kept = None if keeps is None else tuple(tuple(tensors) for tensors in keeps)
        if kept is not None and len(kept) != len(checked):
            raise InputError(
                f"Mapping: keeps must name tensors for each of {len(checked)} memories"
            )
        object.__setattr__(self, "keeps", kept)

    def __str__(self) -> str:
        from .mapping_text import loop_nest  # noqa: PLC0415 (rarely needed)

        return loop_nest(self)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Mapping:
        """Read a mapping file.

        Raises
        ------
        InputError
            With file and line, for a file that cannot be read or is no mapping.
        MissingExtraError
            Without PyYAML.
        """
        from .mapping_file import read_mapping  # noqa: PLC0415 (needs an extra)

        return read_mapping(path)

    def to_yaml(self, path: str | Path, architecture: Architecture | None = None) -> None:
        """Write a mapping file, from which `from_yaml` reads an equal mapping.

        Parameters
        ----------
        path : str or Path
            The file.
        architecture : Architecture, optional
            The machine; with it, there is an entry for every memory that fans out, and one that
            tells what each memory keeps.
        """
        from .mapping_file import write_mapping  # noqa: PLC0415 (needs an extra)

        write_mapping(self, path, architecture)


def _loops(name: Any, loops: Iterable[Loop]) -> Loops:
    checked = []
    for dimension, bound in loops:
        if not isinstance(dimension, str) or len(dimension) != 1 or dimension not in DIMENSIONS:
            raise InputError(
                f"Mapping: {name}: unknown dimension {dimension!r}, must be one of"
                f" {' '.join(DIMENSIONS)}"
            )
        if not is_integer(bound) or bound < 1:
            raise InputError(
                f"Mapping: {name}: the bound of {dimension} must be a positive integer,"
                f" got {bound!r}"
            )
        if bound > 1:
            checked.append((dimension, int(bound)))
    return tuple(checked)


def _residency(
    levels: tuple[tuple[str, Loops, Loops], ...], residency: Sequence[Sequence[int]] | None
) -> tuple[tuple[int, ...], ...] | None:
    """Check a residency; one that has all loops inside is none."""
    if residency is None:
        return None
    rows = tuple(tuple(row) for row in residency)
    if len(rows) != len(levels) or any(len(row) != len(TENSORS) for row in rows):
        raise InputError(
            f"Mapping: residency must be three counts for each of {len(levels)} levels"
        )
    for row, (name, _, temporal) in zip(rows, levels, strict=True):
        for tensor, count in zip(TENSORS, row, strict=True):
            if not is_integer(count) or not 0 <= count <= len(temporal):
                raise InputError(
                    f"Mapping: {name}: residency of {tensor} must be from 0 to"
                    f" {len(temporal)}, its temporal loops, got {count!r}"
                )
    if any(count < len(temporal) for count in rows[-1] for _, _, temporal in levels[-1:]):
        raise InputError(f"Mapping: {levels[-1][0]}, the last memory, holds whole tensors")
    if all(count == len(t) for row, (_, _, t) in zip(rows, levels, strict=True) for count in row):
        return None
    return tuple(tuple(int(count) for count in row) for row in rows)
