# SPDX-License-Identifier: BSD-3-Clause
"""The schedule of a layer as a loop nest that people read.

Decides what ``--explain`` tells (docs/model/search.md section 7.2): the loops from the outermost
one inwards, and where a buffer's tiles begin, what it holds and what moves. All numbers are those
of the layer's result; none is computed anew.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.util import idivc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
    from nn_dataflow.core.scheduling_result import SchedulingResult

_LOOPS = "IOB"
_CATEGORIES = ("filters", "ifmaps", "ofmaps")
_PARTS = ("OUTP", "OFMP", "BATP", "INPP")
_LEGEND = """\
loops over input channels (I), output channels (O) and batch (B), outermost first; moves are in
words of all nodes; of n passes over ofmaps, (n + 1) / 2 write them, and the others read them back
"""
_PARTIAL_LEGEND = """\
loops inside of a smaller last block make as few trips as it needs; sizes are those of full blocks
"""


def explain(schedule: NNDataflowScheme, name: str) -> str:
    """Return the loop nest of a layer, every line of which ends with a newline.

    Parameters
    ----------
    schedule
        The schedule of the network.
    name
        The layer, which is in it.
    """
    scheme = schedule[name].scheme
    lines = [*_heading(name, schedule[name]), *_nest(scheme)]
    legend = _LEGEND + (_PARTIAL_LEGEND if _has_partial_blocks(scheme) else "")
    return "".join(f"{line}\n" for line in lines) + legend


def _heading(name: str, result: SchedulingResult) -> list[str]:
    scheme = result.scheme
    split = [
        f"{kind} {dim.h}x{dim.w}"
        for kind, dim in zip(_PARTS, scheme["part"].pdims, strict=True)
        if dim.size() > 1
    ]
    segment, spatial, _ = result.sched_seq
    times = ", ".join(
        f"{scheme[f'{what}_time']:g} of {of}"
        for what, of in (("proc", "the PEs"), ("bus", "the array bus"), ("dram", "DRAM"))
    )
    nodes = f"{scheme['num_nodes']} node{'s' if scheme['num_nodes'] > 1 else ''}"
    place = f"segment {segment + 1}, group {spatial + 1}"
    return [
        f"{name}: {place}; {nodes}, split {', '.join(split) or 'in no way'}",
        f"cost {scheme['cost']:g}; {scheme['time']:g} cycles, the most of {times}",
    ]


def _has_partial_blocks(scheme: Any) -> bool:
    padded = (math.prod(factors) for factors in zip(*scheme["tvals"], strict=True))
    return tuple(padded) != tuple(scheme["trips"])


def _nest(scheme: Any) -> list[str]:
    top, middle, inner = scheme["tvals"]
    outside = scheme["bufshr_bs_t"]
    inside = tuple(total // split for total, split in zip(middle, outside, strict=True))
    blocks = tuple(map(idivc, scheme["trips"], top))
    parts = tuple(map(operator.mul, inside, inner))
    loops_of = LoopBlockingScheme.ordered_loops
    lines = [f"DRAM moves {_moved(scheme['access'][0], scheme['fetch'][0])}"]
    if any(scheme["remote_gbuf_access"]):
        lines.append(f"GBUF of nodes that have fmaps moves {_listed(scheme['remote_gbuf_access'])}")
    if any(scheme["node_nhops"]):
        lines.append(f"nodes that share GBUF pass on {_listed(scheme['node_nhops'])} word-hops")
    depth = _add(lines, loops_of(top, scheme["orders"][0]), 0, scheme["trips"], blocks)
    indent = "  " * depth
    lines.append(f"{indent}GBUF holds {_held(scheme)}")
    if any(scheme["access"][1]):
        lines.append(f"{indent}GBUF moves {_moved(scheme['access'][1], scheme['fetch'][1])}")
    depth = _add(lines, loops_of(outside, scheme["bufshr_bs_ord"]), depth, blocks, parts)
    within = tuple(map(min, blocks, parts))
    depth = _add(lines, loops_of(inside, scheme["orders"][1]), depth, within, inner)
    indent = "  " * depth
    lines += [
        f"{indent}register files hold {_listed(scheme['size'][1])} (words per PE)",
        f"{indent}PE array moves {_listed(scheme['access'][2])}",
        f"{indent}register files move {_listed(scheme['access'][3])}",
    ]
    depth = _add(lines, loops_of(inner, (0, 1, 2)), depth, inner, (1, 1, 1))
    passes = math.prod(scheme["trips"])
    operations = _plain(scheme["ops"] / passes / scheme["num_nodes"])
    cycles = _plain(scheme["proc_time"] / passes)
    lines.append(f"{'  ' * depth}PEs of a node: {operations} operations in {cycles} cycles")
    return lines


def _add(
    lines: list[str],
    loops: Sequence[tuple[int, int]],
    depth: int,
    counts: Sequence[int],
    blocks: Sequence[int],
) -> int:
    """Add loops, each inside of the one before, and return how deep the next line is.

    `counts` are the iterations (I, O, B) that the loops cut in blocks of `blocks` of them.
    """
    for lpe, trips in loops:
        line = f"{'  ' * depth}for {_LOOPS[lpe]} in 0..{trips - 1}"
        last = counts[lpe] % blocks[lpe]
        if last:
            line += f" ({counts[lpe]} in blocks of {blocks[lpe]}, last {last})"
        lines.append(line)
        depth += 1
    return depth


def _held(scheme: Any) -> str:
    """Say what is in the global buffer, and over how many nodes it is spread."""
    sizes, nodes = scheme["size"][0], scheme["bufshr_subgrp_size"]
    held = [
        f"{kind} {_plain(size)}{f' (spread over {num} nodes)' if num > 1 else ''}"
        for kind, size, num in zip(_CATEGORIES, sizes, nodes, strict=True)
        if size
    ]
    passing = [
        kind
        for kind, size, used in zip(_CATEGORIES, sizes, scheme["access"][3], strict=True)
        if used and not size
    ]
    told = f"{', '.join(held)} (words per node)" if held else "nothing"
    return f"{told}; {', '.join(passing)} bypass it" if passing else told


def _moved(words: Sequence[float], passes: Sequence[int]) -> str:
    texts = [
        f"{kind} {_plain(number)} in {count} pass{'es' if count != 1 else ''}"
        for kind, number, count in zip(_CATEGORIES, words, passes, strict=True)
        if number
    ]
    return ", ".join(texts) or "nothing"


def _listed(numbers: Sequence[float]) -> str:
    pairs = zip(_CATEGORIES, numbers, strict=True)
    return ", ".join(f"{kind} {_plain(number)}" for kind, number in pairs if number) or "nothing"


def _plain(number: float) -> str:
    """Return a count without an exponent; averages have a fraction."""
    return f"{number:.1f}".removesuffix(".0")
