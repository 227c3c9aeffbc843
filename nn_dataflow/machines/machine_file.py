# SPDX-License-Identifier: BSD-3-Clause
"""Machines in files, and presets that come with the package.

Decides the fields of a machine file, their defaults, and what is refused (docs/machines.md
section 1); a refusal names file, line, field and what is allowed.
"""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.errors import InputError
from nn_dataflow.files.reader import read

from . import limits, units
from .spec import CORNERS, EVERY_NODE, MachineSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from nn_dataflow.files.table import Document, Table

    Value = TypeVar("Value")

EXTRA = "arch"
PRESETS = {path.stem: path for path in sorted((Path(__file__).parent / "data").glob("*.json"))}

LEVELS = ("DRAM", "GBUF", "ITCN", "REGF")
MEMORIES = {"corners": CORNERS, "every node": EVERY_NODE}
AT_MEMORY = "memory"

TOP = ("name", "description", "source", "word", "clock", "resource", "cost")
RESOURCE = (
    *("proc_region", "dram_region", "src_data_region", "dst_data_region", "dim_array"),
    *("size_gbuf", "size_regf", "array_bus_width", "dram_bandwidth", "no_time_mux"),
)
COST = ("unit", "mac_op", "mem_hier", "noc_hop", "idl_unit")
REGION = ("dim", "origin", "dist", "wtot", "wbeg")

_PAIR = "rows and columns such as 4x4 or [4, 4]"
_COORDINATE = "row and column such as [0, 0]"


def load(name: str) -> MachineSpec:
    """Return a preset, or the machine of a file.

    Parameters
    ----------
    name : str
        Name of a preset, or of a file, YAML or (ending in ``.json``) JSON.

    Raises
    ------
    InputError
        If there is no such preset or file, or something in the file is refused: with file, line,
        field, and what is allowed.
    MissingExtraError
        For a YAML file without PyYAML.

    Examples
    --------
    >>> spec = load("eyeriss-chip")
    >>> spec.array, spec.machine().resource.size_regf, spec.cost.idl_unit
    (PhyDim2(h=12, w=14), 261, 150.0)
    """
    if name in PRESETS:
        return machine_spec(read(PRESETS[name], EXTRA))
    if not Path(name).exists() and Path(name).suffix not in (".yaml", ".yml", ".json"):
        near = get_close_matches(name, PRESETS, 1)
        meant = f"{near[0]} was meant? " if near else ""
        raise InputError(
            f"{name!r} is no preset and no file: {meant}must be one of {', '.join(PRESETS)}, or a "
            "file (.yaml, .json)"
        )
    return machine_spec(read(name, EXTRA))


def machine_spec(document: Document) -> MachineSpec:
    """Return the machine that a file describes.

    Raises
    ------
    InputError
        If something in it is refused.
    """
    document.check_all_keys(TOP)
    word = _quantity(document, "word", units.word_size)
    if word > limits.MAX_WORD_BITS:
        document.refuse("word", f"must be at most {limits.MAX_WORD_BITS} bits, got {word}")
    frequency = _quantity(document, "clock", units.clock) if "clock" in document else None
    resource = document.table("resource")
    resource.check_all_keys(RESOURCE)
    nodes = _nodes(resource)
    cost = document.table("cost")
    cost.check_all_keys(COST)
    unit = cost.text("unit", "MAC")
    return MachineSpec(
        nodes=nodes,
        memory=_memory(resource),
        ifmaps=_data_region(resource, "src_data_region"),
        ofmaps=_data_region(resource, "dst_data_region"),
        array=_array(resource),
        word=word,
        gbuf=_capacity(resource, "size_gbuf", word),
        regf=_capacity(resource, "size_regf", word),
        bus=_bus(resource, word),
        dram_bandwidth=_bandwidth(resource, word, frequency),
        no_time_mux=resource.flag("no_time_mux", default=False),
        cost=_costs(cost, unit, frequency),
        cost_unit=unit,
        name=document.text("name", document.stem),
        description=document.text("description", " ").strip(),
        source=document.text("source", " ").strip(),
    )


def _quantity(table: Table, key: str, convert: Callable[[str], Value]) -> Value:
    """Return a value with a unit."""
    text = table.text(key) if key in table else ""
    try:
        return convert(text)
    except units.UnitError as error:
        if key not in table:
            table.refuse(None, f"{table.what}: {key} is missing, must be {error}")
        table.refuse(key, f"must be {error}, got {text!r}")


def _nodes(table: Table) -> NodeRegion:
    region = _region(table, "proc_region", NodeRegion.PROC)
    if region.dim.size() > limits.MAX_NODES:
        table.refuse("proc_region", f"must be at most {limits.MAX_NODES} nodes in all")
    return region


def _memory(table: Table) -> str | NodeRegion:
    if table.is_table("dram_region"):
        return _region(table, "dram_region", NodeRegion.DRAM)
    text = table.text("dram_region", "corners")
    if text not in MEMORIES:
        table.refuse(
            "dram_region",
            f"must be corners, every node, or a mapping of {', '.join(REGION)}, got {text!r}",
        )
    return MEMORIES[text]


def _data_region(table: Table, key: str) -> NodeRegion | None:
    """Return where fmaps are, None where the memory is."""
    if not table.is_table(key):
        text = table.text(key, AT_MEMORY)
        if text != AT_MEMORY:
            table.refuse(
                key, f"must be memory, or a mapping of type, {', '.join(REGION)}, got {text!r}"
            )
        return None
    kinds = {"DRAM": NodeRegion.DRAM, "PROC": NodeRegion.PROC}
    return _region(table, key, kinds[table.table(key).choice("type", tuple(kinds))])


def _region(table: Table, key: str, kind: int) -> NodeRegion:
    """Return nodes, given as rows and columns or by all fields of `NodeRegion`."""
    if not table.is_table(key):
        dim = table.pair(key, f"{_PAIR}, or a mapping of {', '.join(REGION)}")
        inner, at = None, key
        values = {}
    else:
        inner, at = table.table(key), "dim"
        inner.check_all_keys(REGION if key in ("proc_region", "dram_region") else ("type", *REGION))
        dim = inner.pair("dim", _PAIR)
        values = {name: _whole(inner, name) for name in ("wtot", "wbeg") if name in inner}
    if min(dim) < 1:
        (inner or table).refuse(at, f"must be at least 1x1, got {dim[0]}x{dim[1]}")
    pairs = {"origin": (0, 0), "dist": (1, 1)}
    if inner is not None:
        pairs = {name: inner.pair(name, _COORDINATE, default) for name, default in pairs.items()}
    try:
        return NodeRegion(
            dim=PhyDim2(*dim),
            origin=PhyDim2(*pairs["origin"]),
            dist=PhyDim2(*pairs["dist"]),
            type=kind,
            **values,
        )
    except ValueError as error:
        table.refuse(key, str(error).removeprefix("NodeRegion: "))


def _whole(table: Table, key: str) -> int:
    text = table.text(key)
    try:
        return int(text)
    except ValueError:
        table.refuse(key, f"must be a whole number, got {text!r}")


def _array(table: Table) -> PhyDim2:
    dim = table.pair("dim_array", _PAIR)
    if min(dim) < 1 or dim[0] * dim[1] > limits.MAX_PES:
        allowed = f"must be at least 1x1, and at most {limits.MAX_PES} PEs in all"
        table.refuse("dim_array", f"{allowed}, got {dim[0]}x{dim[1]}")
    return PhyDim2(*dim)


def _capacity(table: Table, key: str, word: int) -> int:
    bits = _quantity(table, key, partial(units.size, word=word))
    if bits > limits.MAX_BYTES * 8:
        table.refuse(key, f"must be at most {units.shown_size(limits.MAX_BYTES * 8)}")
    return bits


def _bus(table: Table, word: int) -> int:
    key = "array_bus_width"
    if key not in table:
        return 0
    bits = _quantity(table, key, partial(units.bus, word=word))
    if not (bits == 0 or word <= bits <= limits.MAX_BYTES):
        allowed = f"unlimited, or from one word of {word} bits to {limits.MAX_BYTES} bits"
        table.refuse(key, f"must be {allowed}, got {table.text(key)!r}")
    return bits


def _bandwidth(table: Table, word: int, frequency: Fraction | None) -> float:
    key = "dram_bandwidth"
    if key not in table:
        return float("inf")
    bits = _quantity(table, key, partial(units.bandwidth, word=word, frequency=frequency))
    if bits is None:
        return float("inf")
    lowest, highest = limits.MIN_BYTES_PER_CYCLE, limits.MAX_BYTES_PER_CYCLE
    if not Fraction(lowest) <= bits / 8 <= Fraction(highest):
        allowed = f"from {lowest:g} to {highest:g} bytes per cycle"
        table.refuse(key, f"must be {allowed}, got {table.text(key)!r}")
    return float(bits)


def _costs(table: Table, unit: str, frequency: Fraction | None) -> Cost:
    levels = table.table("mem_hier")
    levels.check_all_keys(LEVELS)
    energy = partial(units.energy, unit=unit)
    static = partial(units.static_energy, unit=unit, frequency=frequency)
    return Cost(
        mac_op=_cost(table, "mac_op", energy),
        mem_hier=tuple(_cost(levels, level, energy) for level in LEVELS),
        noc_hop=_cost(table, "noc_hop", energy),
        idl_unit=_cost(table, "idl_unit", static),
    )


def _cost(table: Table, key: str, convert: Callable[[str], Fraction]) -> float:
    value = _quantity(table, key, convert)
    if value > Fraction(limits.MAX_COST):
        table.refuse(key, f"must be at most {limits.MAX_COST:g}, got {table.text(key)!r}")
    return float(value)


def values_of(spec: MachineSpec) -> dict[str, Any]:
    """Return a machine as the values of a file, which reads back as the same machine.

    Examples
    --------
    >>> values_of(load("eyeriss-chip"))["resource"]["size_gbuf"]
    '108 kB'
    """
    memory = spec.memory
    memories = {value: text for text, value in MEMORIES.items()}
    bus, bandwidth = spec.bus, spec.dram_bandwidth
    mac_op, mem_hier, noc_hop, idl_unit = spec.cost
    texts = {"name": spec.name, "description": spec.description, "source": spec.source}
    return {
        **{key: text for key, text in texts.items() if text},
        "word": f"{spec.word} bit",
        "resource": {
            "proc_region": _region_value(spec.nodes),
            "dram_region": memories[memory] if isinstance(memory, str) else _region_value(memory),
            "src_data_region": _data_region_value(spec.ifmaps),
            "dst_data_region": _data_region_value(spec.ofmaps),
            "dim_array": f"{spec.array.h}x{spec.array.w}",
            "size_gbuf": units.shown_size(spec.gbuf),
            "size_regf": units.shown_size(spec.regf),
            "array_bus_width": f"{bus} bit" if bus else units.UNLIMITED,
            "dram_bandwidth": (
                units.UNLIMITED
                if bandwidth == float("inf")
                else f"{_number(bandwidth / 8)} B/cycle"
            ),
            "no_time_mux": spec.no_time_mux,
        },
        "cost": {
            **({"unit": spec.cost_unit} if spec.cost_unit else {}),
            "mac_op": _number(mac_op),
            "mem_hier": dict(zip(LEVELS, map(_number, mem_hier), strict=True)),
            "noc_hop": _number(noc_hop),
            "idl_unit": _number(idl_unit),
        },
    }


def _region_value(region: NodeRegion) -> Any:
    dim = region.dim
    if region == NodeRegion(dim, PhyDim2(0, 0), type=region.type):
        return f"{dim.h}x{dim.w}"
    pairs = {"dim": dim, "origin": region.origin, "dist": region.dist}
    return {**{k: list(v) for k, v in pairs.items()}, "wtot": region.wtot, "wbeg": region.wbeg}


def _data_region_value(region: NodeRegion | None) -> Any:
    if region is None:
        return AT_MEMORY
    kind = "DRAM" if region.type == NodeRegion.DRAM else "PROC"
    value = _region_value(region)
    return {"type": kind, **(value if isinstance(value, dict) else {"dim": value})}


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
