# SPDX-License-Identifier: BSD-3-Clause
"""Machines in files: the flat form and the tree form.

Decides how the entries of both forms become the chain of memories (docs/model/cosa.md sections 2.1
and 2.2; docs/cosa.md section 2).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from nn_dataflow.files.reader import read

from .architecture import Architecture, Level
from .errors import InputError
from .problem import TENSORS

if TYPE_CHECKING:
    from pathlib import Path

    from nn_dataflow.files.table import Document, Table

_STORAGE_KEYS = (
    "name",
    "technology",
    "entries",
    "instances",
    "word-bits",
    "block-size",
    "cluster-size",
    "bandwidth",
    "read-bandwidth",
    "write-bandwidth",
    "keep",
    # Accepted without effect.
    "meshX",
    "meshY",
    "num-ports",
    "num-banks",
    "network-word-bits",
)
_ARITHMETIC_KEYS = ("name", "instances", "word-bits", "meshX", "meshY")
_MEMORY_CLASSES = ("SRAM", "regfile")

# What the memories of the original's machine keep, for files that say nothing of it.
_ORIGINAL_KEEPS = {
    "Registers": ("Weights",),
    "AccumulationBuffer": ("Outputs",),
    "WeightBuffer": ("Weights",),
    "InputBuffer": ("Inputs",),
    "GlobalBuffer": ("Inputs", "Outputs"),
}


def read_architecture(path: str | Path) -> Architecture:
    """Read a machine; see `Architecture.from_yaml`."""
    document = read(path, "cosa")
    if "arch" in document:
        return _flat(document)
    if "architecture" not in document:
        document.refuse(None, "neither arch (flat form) nor architecture (tree form) is given")
    return _tree(document)


def _flat(document: Document) -> Architecture:
    table = document.table("arch")
    table.check_keys(("arithmetic", "storage"))
    arithmetic = table.table("arithmetic")
    arithmetic.check_keys(_ARITHMETIC_KEYS)
    rows = table.tables("storage")
    keeps = _default_keeps([row.text("name") for row in rows])
    levels = [_level(row, row.text("name"), keeps, is_last=row is rows[-1]) for row in rows]
    macs = arithmetic.whole("instances"), arithmetic.whole("word-bits", 16)
    return _architecture(table, levels, macs, document.stem)


def _tree(document: Document) -> Architecture:
    """Collect the memories of a tree from the outermost in.

    The first local entry of the two outermost subtrees is DRAM and the global buffer, whatever its
    class; further in, entries count by their class.
    """
    subtrees = document.table("architecture").tables("subtree")
    found: list[Table] = []
    macs = None
    depth = 0
    while subtrees:
        tree = subtrees[0]
        local = tree.tables("local") if "local" in tree else []
        for number, entry in enumerate(local):
            kind = entry.text("class", "")
            outer = depth < 2 and number == 0
            if outer or any(kind.endswith(name) for name in _MEMORY_CLASSES):
                found.append(entry)
            elif "mac" in kind.lower() or "compute" in kind.lower():
                macs = entry
        subtrees = tree.tables("subtree") if "subtree" in tree else []
        depth += 1
    found.reverse()
    names = [_bare(entry.text("name")) for entry in found]
    keeps = _default_keeps(names)
    levels = [
        _level(_attributes(entry), name, keeps, is_last=entry is found[-1])
        for name, entry in zip(names, found, strict=True)
    ]
    units = (levels[0].instances if levels else 1, 16)
    if macs is not None:
        attributes = _attributes(macs)
        units = attributes.whole("instances", units[0]), _word_bits(attributes)
    return _architecture(document, levels, units, document.stem)


def _architecture(
    table: Table, levels: list[Level], macs: tuple[int, int], name: str
) -> Architecture:
    try:
        return Architecture(tuple(levels), *macs, name.removesuffix("_v3"))
    except InputError as error:
        table.refuse(None, str(error))


def _attributes(entry: Table) -> Table:
    return entry.table("attributes") if "attributes" in entry else entry


def _bare(name: str) -> str:
    """Name without a range of instances, as in ``Buffer[0..15]``."""
    return name.partition("[")[0]


def _word_bits(row: Table) -> int:
    return row.whole("word-bits", row.whole("datawidth", 16))


def _level(row: Table, name: str, keeps: dict[str, tuple[str, ...]], *, is_last: bool) -> Level:
    row.check_keys((*_STORAGE_KEYS, "datawidth", "class", "attributes"))
    half = row.positive("bandwidth")
    shared = None if half is None else half / 2
    read_bandwidth = row.positive("read-bandwidth")
    write_bandwidth = row.positive("write-bandwidth")
    values: dict[str, Any] = {
        "entries": None if is_last or "entries" not in row else row.whole("entries"),
        "instances": row.whole("instances", 1),
        "word_bits": _word_bits(row),
        "block_size": row.whole("block-size", 1),
        "cluster_size": row.whole("cluster-size", 1),
        "read_bandwidth": shared if read_bandwidth is None else read_bandwidth,
        "write_bandwidth": shared if write_bandwidth is None else write_bandwidth,
        "keeps": row.names("keep", TENSORS) if "keep" in row else keeps[name],
        "is_dram": is_last or row.text("technology", "") == "DRAM",
    }
    return Level(name, **values)


def _default_keeps(names: list[str]) -> dict[str, tuple[str, ...]]:
    """Tensors that memories keep where neither file says it: the original's, or all."""
    known = set(_ORIGINAL_KEEPS) == set(names[:-1])
    return dict(chain(((n, TENSORS) for n in names), _ORIGINAL_KEEPS.items() if known else ()))
