# SPDX-License-Identifier: BSD-3-Clause
"""Mapping files in the evaluator's format.

Decides how loops are written as factors with a permutation, and how a file reads back to an equal
mapping (docs/model/cosa.md section 6; docs/cosa.md section 4). Where a dimension returns in a
memory, a further entry of the same memory and kind holds the outer loops; uneven mapping adds
entries of the type ``residency``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nn_dataflow.files.reader import read, write_yaml

from .errors import InputError
from .mapping import Mapping
from .problem import DIMENSIONS, TENSORS

if TYPE_CHECKING:
    from pathlib import Path

    from nn_dataflow.files.table import Table

    from .architecture import Architecture
    from .mapping import Loops

_FACTOR = re.compile(r"([A-Z])\s*=?\s*(\d+)$")
_KINDS = ("spatial", "temporal")
_BYPASS = ("bypass", "datatype")
_RESIDENCY = "residency"


def write_mapping(mapping: Mapping, path: str | Path, architecture: Architecture | None) -> None:
    """Write a mapping; see `Mapping.to_yaml`."""
    write_yaml(path, {"mapping": entries(mapping, architecture)}, "cosa")


def entries(mapping: Mapping, architecture: Architecture | None = None) -> list[dict[str, Any]]:
    """List the entries of a mapping file, innermost memory first."""
    fans_out = [architecture is None] * len(mapping.levels)
    keeps = mapping.keeps
    if architecture is not None:
        fans_out = [fanout > 1 for fanout in architecture.fanouts]
        keeps = keeps or tuple(level.keeps for level in architecture.levels)
    rows: list[dict[str, Any]] = []
    for (name, *kinds), fans in zip(mapping.levels, fans_out, strict=True):
        for kind, loops in zip(_KINDS, kinds, strict=True):
            parts = _without_repetition(loops)
            if kind == "spatial" and not (fans or loops):
                parts = []
            rows += [{"target": name, "type": kind, **_factors(part)} for part in parts]
    for (name, _, temporal), inside in zip(mapping.levels, mapping.residency or (), strict=False):
        if any(count < len(temporal) for count in inside):
            counts = dict(zip(TENSORS, inside, strict=True))
            rows.append({"target": name, "type": _RESIDENCY, **counts})
    for (name, *_), kept in zip(mapping.levels, keeps or (), strict=False):
        bypass = [tensor for tensor in TENSORS if tensor not in kept]
        rows.append({"target": name, "type": "bypass", "keep": list(kept), "bypass": bypass})
    return rows


def order_of(loops: Loops) -> str:
    """Return all dimensions, innermost first: those of the loops, and others where they fit.

    Examples
    --------
    >>> order_of((("P", 2), ("K", 4))), order_of((("K", 4), ("P", 2)))
    ('RSPQCKN', 'KPRSQCN')
    """
    used = "".join(dict.fromkeys(dimension for dimension, _ in loops))
    if list(used) == sorted(used, key=DIMENSIONS.index):
        return DIMENSIONS
    return used + "".join(dimension for dimension in DIMENSIONS if dimension not in used)


def read_mapping(path: str | Path) -> Mapping:
    """Read a mapping; see `Mapping.from_yaml`."""
    document = read(path, "cosa")
    found: dict[str, tuple[list[Any], list[Any]]] = {}
    keeps: dict[str, tuple[str, ...]] = {}
    residency: dict[str, Table] = {}
    for row in document.tables("mapping"):
        row.check_keys(("target", "type", "factors", "permutation", "keep", "bypass", *TENSORS))
        kind, name = row.text("type"), row.text("target")
        if kind in _KINDS:
            loops = found.setdefault(name, ([], []))
            loops[_KINDS.index(kind)].extend(_read_loops(row))
        elif kind in _BYPASS:
            if name in keeps:
                row.refuse("target", f"{name} is given twice")
            bypass = row.names("bypass", TENSORS)
            rest = tuple(tensor for tensor in TENSORS if tensor not in bypass)
            keeps[name] = row.names("keep", TENSORS) if "keep" in row else rest
        elif kind == _RESIDENCY:
            residency[name] = row
        else:
            allowed = ", ".join((*_KINDS, "bypass", _RESIDENCY))
            row.refuse("type", f"must be one of {allowed}, got {kind!r}")
    for name in (*keeps, *residency):
        if name not in found:
            document.refuse("mapping", f"{name} has neither spatial nor temporal loops")
    kept = [keeps.get(name, TENSORS) for name in found] if keeps else None
    try:
        inside = _read_residency(found, residency) if residency else None
        return Mapping([(n, s, t) for n, (s, t) in found.items()], inside, kept)
    except InputError as error:
        document.refuse("mapping", str(error))


def _without_repetition(loops: Loops) -> list[Loops]:
    """Cut loops, innermost first, so that in no part a dimension returns; at least one part."""
    parts: list[list[tuple[str, int]]] = [[]]
    for dimension, bound in loops:
        if any(dimension == other for other, _ in parts[-1]):
            parts.append([])
        parts[-1].append((dimension, bound))
    return [tuple(part) for part in parts]


def _factors(loops: Loops) -> dict[str, str]:
    bounds = dict(loops)
    factors = " ".join(f"{dimension}={bounds.get(dimension, 1)}" for dimension in DIMENSIONS)
    return {"factors": factors, "permutation": order_of(loops)}


def _read_loops(row: Table) -> list[tuple[str, int]]:
    bounds: dict[str, int] = {}
    for part in row.text("factors").replace(",", " ").split():
        match = _FACTOR.match(part)
        if match is None or match[1] not in DIMENSIONS or int(match[2]) < 1:
            row.refuse("factors", f"must be like R=1 S=1 P=7, got {part!r}")
        if match[1] in bounds:
            row.refuse("factors", f"{match[1]} is given twice")
        bounds[match[1]] = int(match[2])
    order = row.text("permutation", DIMENSIONS).replace(",", "").replace(" ", "")
    if len(set(order)) < len(order) or not set(order) <= set(DIMENSIONS):
        row.refuse("permutation", f"must name dimensions of {DIMENSIONS} once, got {order!r}")
    rest = [dimension for dimension in DIMENSIONS if dimension not in order]
    return [(dimension, bounds.get(dimension, 1)) for dimension in (*order, *rest)]


def _read_residency(
    found: dict[str, tuple[list[Any], list[Any]]], rows: dict[str, Table]
) -> list[list[int]]:
    residency = []
    for name, (_, temporal) in found.items():
        most = sum(bound > 1 for _, bound in temporal)
        residency.append([most] * len(TENSORS))
        for t, tensor in enumerate(TENSORS if name in rows else ()):
            residency[-1][t] = rows[name].count(tensor, most)
    return residency
