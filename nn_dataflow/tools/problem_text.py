# SPDX-License-Identifier: BSD-3-Clause
"""What was searched, in words: goal, machine, costs, options and limits.

Decides which of them a table and a report tell, and in which units (docs/model/search.md section
7.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nn_dataflow.machines.spec import CORNERS, EVERY_NODE
from nn_dataflow.machines.units import ENERGY_UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.option import Option
    from nn_dataflow.machines.spec import Machine

    from .search_result import SearchResult

GOALS = {"e": "energy (cost)", "d": "delay (time)", "ed": "energy x delay (cost x time)"}
_MEMORIES = {CORNERS: "at the 4 corners", EVERY_NODE: "at every node"}


def problem_title(result: SearchResult) -> str:
    """Say what was searched for, in one line."""
    problem = result.problem
    goal = GOALS[result.options.opt_goal]
    return f"{problem.net}, batch {problem.batch}, goal: least {goal}"


def problem_facts(result: SearchResult) -> dict[str, list[str]]:
    """Return what is told of machine, costs, options and limits, by these names."""
    problem, resource, options = result.problem, result.resource, result.options
    word = problem.machine.word
    gbuf, regf = resource.size_gbuf, resource.size_regf
    bus, dram = resource.array_bus_width, resource.dram_bandwidth
    machine = [
        *([problem.machine.name] if problem.machine.name else []),
        f"{_by(resource.proc_region.dim)} nodes of {_by(resource.dim_array)} PEs",
        f"{word}-bit words",
        f"register file {_kilobytes(regf * word)} ({regf} words) per PE",
        f"global buffer (GBUF) {_kilobytes(gbuf * word)} ({gbuf} words) per node",
        f"bus from GBUF to PEs {_rate(bus)} per data category",
        _memory(problem.machine),
        f"DRAM bandwidth {_rate(dram)}",
    ]
    dram_cost, gbuf_cost, itcn_cost, regf_cost = (f"{cost:g}" for cost in result.cost.mem_hier)
    costs = [
        f"operation {result.cost.mac_op:g}",
        f"DRAM word {dram_cost}",
        f"GBUF word {gbuf_cost}",
        f"array word {itcn_cost}",
        f"register file word {regf_cost}",
        f"word-hop {result.cost.noc_hop:g}",
        f"cycle {result.cost.idl_unit:g} (static)",
    ]
    if problem.machine.cost_unit in ENERGY_UNITS:
        costs.append(f"one unit is 1 {problem.machine.cost_unit}")
    elif result.cost.mac_op == 1:
        costs.append("one unit is the energy of a MAC operation")
    names = ("filters", "ifmaps", "ofmaps")
    may_bypass = [name for name, may in zip(names, options.sw_gbuf_bypass, strict=True) if may]
    kinds = [
        name
        for name, wanted in (
            ("hybrid", options.partition_hybrid),
            ("batch", options.partition_batch),
            ("ifmaps", options.partition_ifmaps),
        )
        if wanted
    ]
    told = [
        f"may bypass GBUF: {', '.join(may_bypass) or 'nothing'}",
        f"partition {', '.join(kinds) or 'in one fixed way'}",
        f"loop blocking {'by formula' if options.sw_solve_loopblocking else 'exhaustive'}",
    ]
    if options.sw_imperfect:
        told.append("loops may end in partial blocks")
    if options.hw_access_forwarding:
        told.append("nodes forward data")
    if options.hw_gbuf_sharing:
        told.append("nodes share GBUF and forward data")
    told += _pipelines(options)
    rules = [rule.name for rule in problem.constraints.rules]
    wanted = (
        {"limits": [f"{len(rules)} constraint{'s' if len(rules) > 1 else ''} in force", *rules]}
        if rules
        else {}
    )
    return {"machine": machine, "costs": costs, "options": told, **wanted}


def _memory(machine: Machine) -> str:
    """Say where the memory is."""
    if machine.memory in _MEMORIES:
        return f"{machine.memory} memory (DRAM) {_MEMORIES[machine.memory]}"
    places = ", ".join(f"({h},{w})" for h, w in machine.resource.dram_region.iter_node())
    return f"memory (DRAM) at {places}"


def _pipelines(given: Option) -> list[str]:
    """Return what layers may do together."""
    kinds = [
        text
        for text, wanted in (
            ("groups of layers run side by side", given.partition_interlayer),
            ("fmaps stay in GBUF between layers", given.hw_gbuf_save_writeback),
        )
        if wanted
    ]
    if not kinds:
        return []
    if not given.layer_pipeline_opt:
        kinds.append("basic pipelines only")
    if given.layer_pipeline_time_ovhd < math.inf:
        kinds.append(f"time overhead of a segment at most {given.layer_pipeline_time_ovhd:g}")
    if given.layer_pipeline_max_degree < math.inf:
        kinds.append(f"at most {given.layer_pipeline_max_degree:g} units in a segment")
    return kinds


def _by(dims: Sequence[int]) -> str:
    return f"{dims[0]}x{dims[1]}"


def _kilobytes(bits: float) -> str:
    return f"{bits / 8 / 1024:g} kB"


def _rate(words: float) -> str:
    return "unlimited" if words == math.inf else f"{words:g} words/cycle"
