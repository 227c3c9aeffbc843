# SPDX-License-Identifier: BSD-3-Clause
"""The machine that the command line asks for.

Decides what ``--arch`` and single options of the machine mean together (docs/model/search.md
section 7, docs/machines.md section 4): an option that is given overrides the preset or the file.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.errors import InputError, MissingExtraError
from nn_dataflow.machines.spec import MachineSpec

from .argument_checks import Refused

if TYPE_CHECKING:
    from .search_arguments import Arguments


def machine_spec(arguments: Arguments) -> MachineSpec:
    """Return the machine that the arguments ask for, in bits.

    Raises
    ------
    Refused
        If there is no such preset or file, something in it is refused, or options do not suit it.
    """
    spec = MachineSpec()
    if arguments.arch is not None:
        from nn_dataflow.machines.machine_file import load  # noqa: PLC0415

        try:
            spec = load(arguments.arch)
        except (InputError, MissingExtraError) as error:
            raise Refused(f"--arch: {error}") from error
    given = arguments.given
    if "nodes" in given and "mem_type" not in given and isinstance(spec.memory, NodeRegion):
        raise Refused(
            f"--nodes: {arguments.arch} has its memory at coordinates: must be given with "
            "--mem-type, or not at all"
        )
    spec = dataclasses.replace(spec, **_sizes(arguments))
    cost: dict[str, Any] = {
        "mac_op": arguments.op_cost,
        "mem_hier": arguments.hier_cost,
        "noc_hop": arguments.hop_cost,
        "idl_unit": arguments.unit_idle_cost,
    }
    options = ("op_cost", "hier_cost", "hop_cost", "unit_idle_cost")
    wanted = {
        field: value
        for (field, value), option in zip(cost.items(), options, strict=True)
        if arguments.arch is None or option in given
    }
    return dataclasses.replace(spec, cost=spec.cost._replace(**wanted))


def _sizes(arguments: Arguments) -> dict[str, Any]:
    """Return the fields of the machine that the options say."""
    bandwidth = arguments.dram_bw * 8
    nodes = NodeRegion(PhyDim2(*arguments.nodes), PhyDim2(0, 0), type=NodeRegion.PROC)
    fields: dict[str, tuple[str, Any]] = {
        "word": ("word", arguments.word),
        "nodes": ("nodes", nodes),
        "array": ("array", PhyDim2(*arguments.array)),
        "regf": ("regf", arguments.regf * 8),
        "gbuf": ("gbuf", arguments.gbuf * 8),
        "bus_width": ("bus", arguments.bus_width),
        "dram_bw": ("dram_bandwidth", bandwidth),
        "mem_type": ("memory", arguments.mem_type),
    }
    return {
        field: value
        for option, (field, value) in fields.items()
        if arguments.arch is None or option in arguments.given
    }


def capacities(arguments: Arguments) -> str:
    """Return word size and capacities as they were given, for a message."""
    spec = machine_spec(arguments)
    regf, gbuf = _bytes(spec.regf), _bytes(spec.gbuf)
    arch = "" if arguments.arch is None else f"--arch {arguments.arch}, "
    return f"{arch}--regf {regf}, --gbuf {gbuf}, {spec.word}-bit words"


def _bytes(bits: int) -> str:
    if bits % 8:
        return f"{bits} bits"
    return f"{bits // 8} byte{'s' if bits > 8 else ''}"
