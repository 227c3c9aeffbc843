# SPDX-License-Identifier: BSD-3-Clause
"""Constraints on the schedules of a network, from a file or from a mapping.

Decides the fields, their names and what is refused (docs/constraints.md sections 1 to 4): names are
those of the result table and of docs/model; a refusal says file, line, field, what was given and
what is allowed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import loop_enum as le
from nn_dataflow.core import parallel_enum as pe
from nn_dataflow.core.constraints import (
    ALONE,
    APART,
    EXACTLY,
    NO_CONSTRAINTS,
    TOGETHER,
    Constraints,
    LayerRule,
    SegmentRule,
)
from nn_dataflow.core.layer_limits import LayerLimits
from nn_dataflow.files.plain_nodes import document_of
from nn_dataflow.files.reader import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.layer_limits import FactorPattern, OrderPattern, PartitionPattern
    from nn_dataflow.core.network import Network
    from nn_dataflow.core.option import Option
    from nn_dataflow.core.pipeline_dependency import Groups
    from nn_dataflow.files.table import Document, Table

EXTRA = "arch"

KINDS = {"OUTP": pe.OUTP, "OFMP": pe.OFMP, "BATP": pe.BATP, "INPP": pe.INPP}
LOOPS = {"I": le.IFM, "O": le.OFM, "B": le.BAT}
LEVELS = {"dram": 0, "gbuf": 1, "regf": 2}
ORDERED = {"dram": 0, "gbuf": 1}
CATEGORIES = {"filters": de.FIL, "ifmaps": de.IFM, "ofmaps": de.OFM}

TOP = ("layers", "segments")
LAYER = ("partition", "blocking", "order", "stored", "forbid")
FORBID = ("partition", "blocking", "order")
SEGMENTS = (TOGETHER, EXACTLY, ALONE, APART)

_PAIR = "rows and columns of nodes such as 2x2 or [2, 2]"


def constraints(
    given: str | os.PathLike[str] | Mapping[str, Any] | Constraints | None,
    network: Network,
    options: Option,
) -> Constraints:
    """Return the constraints of a file or a mapping for a network.

    Parameters
    ----------
    given
        The file, or what it would say; None for no constraints. Constraints are taken as they are.
    network
        Whose layers they name.
    options
        What is searched: some constraints mean nothing without an option.

    Raises
    ------
    InputError
        If something is refused: with file, line, field, what was given, and what is allowed.
    MissingExtraError
        For a YAML file without PyYAML.

    Examples
    --------
    >>> from nn_dataflow.core.option import Option
    >>> from nn_dataflow.nns import import_network
    >>> given = {"layers": {"fc1": {"blocking": {"dram": {"O": [1, 2]}}}}}
    >>> found = constraints(given, import_network("mlp_s"), Option())
    >>> [rule.name for rule in found.rules], found.limits("fc1").factors
    (['layers.fc1.blocking'], ((0, 1, (1, 2)),))
    """
    if given is None:
        return NO_CONSTRAINTS
    if isinstance(given, Constraints):
        return given
    named = (
        document_of(given, "constraints")
        if isinstance(given, Mapping)
        else read(os.fspath(given), EXTRA)
    )
    return of_document(named, network, options)


def of_document(document: Document, network: Network, options: Option) -> Constraints:
    """Return the constraints of a document; see `constraints`."""
    document.check_all_keys(TOP)
    layers: list[LayerRule] = []
    if "layers" in document:
        table = document.table("layers")
        for pattern in table:
            _names(table, pattern, [pattern], network)
            layers += _layer_rules(pattern, table.table(pattern), options)
    segments: list[SegmentRule] = []
    if "segments" in document:
        segments = _segment_rules(document.table("segments"), network, options)
    return Constraints(tuple(layers), tuple(segments), document.values())


def _layer_rules(pattern: str, table: Table, options: Option) -> list[LayerRule]:
    """Return what is said about a layer, or about layers of a pattern of names."""
    table.check_all_keys(LAYER)
    found = {}
    if "partition" in table:
        patterns = [_partition(inner) for inner in table.one_or_more_tables("partition")]
        if not patterns:
            table.refuse("partition", "must be a mapping, or a list of mappings, one at least")
        found["partition"] = LayerLimits(partitions=(tuple(patterns),))
    if "blocking" in table:
        found["blocking"] = LayerLimits(factors=_factors(table.table("blocking")))
    if "order" in table:
        found["order"] = LayerLimits(orders=_orders(table.table("order"), options))
    if "stored" in table:
        inner = table.table("stored")
        inner.check_all_keys(tuple(CATEGORIES))
        stored = ((CATEGORIES[key], inner.flag(key, default=True)) for key in inner)
        found["stored"] = LayerLimits(stored=tuple(stored))
    if "forbid" in table:
        found |= _forbidden(table.table("forbid"), options)
    if not found:
        table.refuse(None, f"{pattern}: says nothing, must have some of {', '.join(LAYER)}")
    return [
        LayerRule(f"layers.{pattern}.{name}", pattern, limits) for name, limits in found.items()
    ]


def _forbidden(table: Table, options: Option) -> dict[str, LayerLimits]:
    table.check_all_keys(FORBID)
    found = {}
    if "partition" in table:
        inner = table.one_or_more_tables("partition")
        found["forbid.partition"] = LayerLimits(not_partitions=tuple(map(_partition, inner)))
    if "blocking" in table:
        inner = table.one_or_more_tables("blocking")
        found["forbid.blocking"] = LayerLimits(not_factors=tuple(map(_factors, inner)))
    if "order" in table:
        inner = table.one_or_more_tables("order")
        patterns = tuple(_orders(one, options) for one in inner)
        found["forbid.order"] = LayerLimits(not_orders=patterns)
    return found


def _partition(table: Table) -> PartitionPattern:
    table.check_all_keys(tuple(KINDS))
    _refuse_empty(table, "kinds of parallelism, of", KINDS)
    found = []
    for name in table:
        dims = table.pair(name, _PAIR)
        if min(dims) < 1:
            table.refuse(name, f"must be {_PAIR}, at least 1x1, got {dims[0]}x{dims[1]}")
        found.append((KINDS[name], dims))
    return tuple(found)


def _factors(table: Table) -> FactorPattern:
    table.check_all_keys(tuple(LEVELS))
    _refuse_empty(table, "levels, of", LEVELS)
    found = []
    for level in table:
        inner = table.table(level)
        inner.check_all_keys(tuple(LOOPS))
        _refuse_empty(inner, "loops, of", LOOPS)
        found += [(LEVELS[level], LOOPS[key], inner.one_or_more_wholes(key)) for key in inner]
    return tuple(found)


def _orders(table: Table, options: Option) -> OrderPattern:
    table.check_all_keys(tuple(ORDERED))
    _refuse_empty(table, "levels, of", ORDERED)
    found = []
    for level in table:
        names = table.names(level, tuple(LOOPS))
        if len(names) < 2:
            table.refuse(level, "must be two or three of the loops I, O, B, outermost first")
        if level == "gbuf" and options.hw_gbuf_sharing:
            table.refuse(level, "nodes that share buffers order these loops themselves")
        found.append((ORDERED[level], tuple(LOOPS[name] for name in names)))
    return tuple(found)


def _refuse_empty(table: Table, what: str, known: Mapping[str, int]) -> None:
    if not [*table]:
        table.refuse(None, f"{table.what}: names nothing, must name {what} {', '.join(known)}")


def _segment_rules(table: Table, network: Network, options: Option) -> list[SegmentRule]:
    table.check_all_keys(SEGMENTS)
    shares = options.shares_segments
    found = []
    for kind in table:
        for item in table.lists(kind):
            groups = _groups(table, kind, item, network)
            names = [name for group in groups for name in group]
            if len(set(names)) < len(names):
                table.refuse(kind, f"names a layer twice, got {_shown(item)}")
            if kind in (TOGETHER, APART) and len(names) < 2:
                table.refuse(kind, f"must be lists of several layers, got {_shown(item)}")
            if kind in (TOGETHER, EXACTLY) and len(names) > 1 and not shares:
                table.refuse(
                    kind,
                    "needs --interlayer-partition or --enable-save-writeback to share segments",
                )
            found.append(SegmentRule(f"segments.{kind} {_shown(item)}", kind, groups))
    return found


def _groups(table: Table, kind: str, item: Any, network: Network) -> Groups:
    """Return the layers that an item of a list of segments names, by groups."""
    depth = {ALONE: 0, EXACTLY: 2}.get(kind, 1)
    if _depth(item) != depth:
        allowed = {
            ALONE: "a list of layers, such as [fc6]",
            EXACTLY: "a list of segments, each a list of groups of layers, such as "
            "[[[conv1], [conv2, pool2]]]",
        }.get(kind, "a list of lists of layers, such as [[conv1, pool1]]")
        table.refuse(kind, f"must be {allowed}, got {_shown(item)}")
    groups = item if kind == EXACTLY else [item if kind != ALONE else [item]]
    return tuple(_names(table, kind, group, network) for group in groups)


def _depth(item: Any) -> int | None:
    """Return how deeply texts are in lists; None if that differs, or a list is empty."""
    if isinstance(item, str):
        return 0
    depths = {_depth(inner) for inner in item}
    depth = depths.pop() if len(depths) == 1 else None
    return None if depth is None else depth + 1


def _names(table: Table, key: str, patterns: Sequence[str], network: Network) -> tuple[str, ...]:
    """Return the layers that names or patterns of names are of."""
    found: list[str] = []
    for pattern in patterns:
        matching = [name for name in network if fnmatchcase(name, pattern)]
        if not matching:
            _refuse_name(table, key, pattern, network)
        found += matching
    return tuple(found)


def _refuse_name(table: Table, key: str, pattern: str, network: Network) -> NoReturn:
    near = get_close_matches(pattern, list(network), 1)
    meant = f", {near[0]!r} was meant" if near else ""
    table.refuse(key, f"network {network.net_name} has no layer {pattern!r}{meant}")


def _shown(item: Any) -> str:
    """Write names and lists of them as in a file."""
    return item if isinstance(item, str) else f"[{', '.join(map(_shown, item))}]"
