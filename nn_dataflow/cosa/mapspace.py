# SPDX-License-Identifier: BSD-3-Clause
"""Which tensors each memory keeps, apart from the machine's description.

Decides how a mapspace file overrides the storage table of a machine (docs/model/cosa.md section
2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import InputError
from .problem import TENSORS

if TYPE_CHECKING:
    from pathlib import Path

    from .architecture import Architecture


@dataclass(frozen=True)
class Mapspace:
    """Tensors kept, for each memory that is named.

    Parameters
    ----------
    keeps : tuple of (str, tuple of str)
        Memory, and the tensors that it keeps.
    source : str, optional
        Where it comes from, for messages.

    Examples
    --------
    >>> from nn_dataflow.cosa.architecture import Architecture, Level
    >>> machine = Architecture((Level("Buffer", 64), Level("DRAM", None)))
    >>> Mapspace((("Buffer", ("Inputs",)),)).apply(machine).levels[0].keeps
    ('Inputs',)
    """

    keeps: tuple[tuple[str, tuple[str, ...]], ...]
    source: str = "Mapspace"

    def apply(self, architecture: Architecture) -> Architecture:
        """Return the machine with this storage table; memories not named keep all tensors.

        Raises
        ------
        InputError
            If a memory is unknown, or the last one does not keep every tensor.
        """
        table = dict(self.keeps)
        for name in table:
            if name not in architecture.names:
                raise InputError(
                    f"{self.source}: unknown memory {name!r}, must be one of"
                    f" {', '.join(architecture.names)}"
                )
        last = architecture.names[-1]
        if len(table.get(last, TENSORS)) < len(TENSORS):
            raise InputError(
                f"{self.source}: {last}, the last memory, must keep every tensor, got"
                f" {', '.join(table[last]) or 'none'}"
            )
        return architecture.with_keeps([table.get(name, TENSORS) for name in architecture.names])

    @classmethod
    def from_yaml(cls, path: str | Path) -> Mapspace:
        """Read the datatype constraints of a mapspace file; other constraints are ignored.

        Raises
        ------
        InputError
            With file and line, for a file that cannot be read, a constraint without target, a
            memory named twice, an unknown tensor, or one that is both kept and bypassed.
        MissingExtraError
            Without PyYAML.
        """
        from nn_dataflow.files.reader import read  # noqa: PLC0415 (needs an extra)

        document = read(path, "cosa")
        found: dict[str, tuple[str, ...]] = {}
        for row in document.table("mapspace").tables("constraints"):
            row.check_keys(("target", "type", "keep", "bypass"))
            if row.text("type") not in ("datatype", "bypass"):
                continue
            target = row.text("target")
            if target in found:
                row.refuse("target", f"{target} is given twice")
            keep, bypass = row.names("keep", TENSORS), row.names("bypass", TENSORS)
            for tensor in keep:
                if tensor in bypass:
                    row.refuse("bypass", f"{tensor} is kept as well")
            found[target] = keep
        return cls(tuple(found.items()), str(path))
