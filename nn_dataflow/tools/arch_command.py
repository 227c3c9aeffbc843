# SPDX-License-Identifier: BSD-3-Clause
"""`nn_dataflow arch`: lists the presets, shows a machine as a file, checks files.

Decides what is told of machines (docs/machines.md section 6). What is shown is a file that reads
back as the same machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nn_dataflow.errors import InputError, MissingExtraError
from nn_dataflow.machines.machine_file import PRESETS, load, values_of
from nn_dataflow.machines.units import shown_size
from nn_dataflow.tools.argument_checks import OneLineParser, Refused
from nn_dataflow.tools.terminal import complain, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nn_dataflow.machines.spec import MachineSpec

PROG = "nn_dataflow arch"


def run(argv: Sequence[str]) -> None:
    """List, show or check machines.

    Raises
    ------
    Refused
        If the command line, a preset or a file is refused.
    """
    parser = OneLineParser(prog=PROG, description="Machines: presets and files.")
    parser.add_argument("--debug", action="store_true", help="show where in the program it failed")
    commands = parser.add_subparsers(dest="what", required=True, metavar="list|show|check")
    commands.add_parser("list", help="name the presets")
    show = commands.add_parser("show", help="print a preset or a file in full, as a YAML file")
    show.add_argument("machine", metavar="NAME|FILE")
    show.add_argument("--json", action="store_true", help="print JSON, which is a file as well")
    check = commands.add_parser("check", help="say what is wrong with files")
    check.add_argument("machines", metavar="NAME|FILE", nargs="+")
    given = parser.parse_args(argv)
    if given.what == "list":
        write(_listed())
    elif given.what == "show":
        write(file_text(_load(given.machine), as_json=given.json))
    else:
        _check(given.machines)


def _load(name: str) -> MachineSpec:
    try:
        spec = load(name)
        spec.machine()
    except (InputError, MissingExtraError) as error:
        raise Refused(str(error)) from error
    return spec


def _listed() -> str:
    specs = [load(name) for name in PRESETS]
    width = max(map(len, PRESETS))
    lines = []
    for spec in specs:
        lines += [
            f"{spec.name:<{width}}  {spec.description}\n",
            f"{'':<{width}}  {_summary(spec)}\n",
        ]
    return "".join(lines)


def _summary(spec: MachineSpec) -> str:
    """Return the machine in one line."""
    nodes, array = spec.nodes.dim, spec.array
    return (
        f"{nodes.h}x{nodes.w} nodes of {array.h}x{array.w} PEs, {spec.word}-bit words, "
        f"{shown_size(spec.gbuf)} per node, {shown_size(spec.regf)} per PE"
    )


def _check(names: Sequence[str]) -> None:
    """Say of each file whether it is a machine; refuse at the end if one is not."""
    wrong = [refusal for name in names if (refusal := _checked(name))]
    for line in wrong[:-1]:
        complain(f"{PROG}: error: {line}")
    if wrong:
        raise Refused(wrong[-1])


def _checked(name: str) -> str:
    """Tell of a file that is a machine; otherwise return what is wrong with it."""
    try:
        spec = _load(name)
    except Refused as error:
        return str(error)
    write(f"{name}: {_summary(spec)}\n")
    return ""


def file_text(spec: MachineSpec, *, as_json: bool) -> str:
    """Return a machine as a file.

    Examples
    --------
    >>> print(file_text(load("tetris-t16"), as_json=False).partition("resource:")[2])
    <BLANKLINE>
      proc_region: "4x4"
      dram_region: "every node"
      src_data_region: "memory"
      dst_data_region: "memory"
      dim_array: "14x14"
      size_gbuf: "133032 B"  # 66516 words
      size_regf: "512 B"  # 256 words
      array_bus_width: "unlimited"
      dram_bandwidth: "unlimited"
      no_time_mux: false
    cost:
      unit: "pJ"
      mac_op: 2
      mem_hier: {"DRAM": 80, "GBUF": 14, "ITCN": 4, "REGF": 0.6}
      noc_hop: 40
      idl_unit: 200
    <BLANKLINE>
    """
    values = values_of(spec)
    if as_json:
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    resource = spec.machine().resource
    words = {"size_gbuf": resource.size_gbuf, "size_regf": resource.size_regf}
    notes = {name: f"  # {number} words" for name, number in words.items()}
    return "".join(_lines(values, notes, ""))


def _lines(values: Mapping[str, Any], notes: Mapping[str, str], indent: str) -> list[str]:
    """Return YAML, in which texts are in quotes and inner tables on one line, as in JSON."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict) and not indent:
            lines += [f"{key}:\n", *_lines(value, notes, "  ")]
        else:
            text = json.dumps(value, ensure_ascii=False)
            lines.append(f"{indent}{key}: {text}{notes.get(key, '')}\n")
    return lines
