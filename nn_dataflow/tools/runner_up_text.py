# SPDX-License-Identifier: BSD-3-Clause
"""Why a layer is scheduled as it is: the schedules that come next, and where they lose.

Decides what ``--explain`` tells of them (docs/model/search.md section 7.2): a few of each kind that
differ in their figures, with the differences of the whole network in energy, by component, and in
time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.runner_up import distinct, runners_up

from .layer_figures import components
from .result_table import order_text, partition_text
from .table_text import wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nn_dataflow.core.loop_blocking_space import TopLoops
    from nn_dataflow.core.runner_up import Alternative

    from .search_result import SearchResult

NUM_SHOWN = 3
_WIDTH = 100
_NOTHING = 1e-12  # of the whole cost: a difference from the order of summation
_LOOPS = "IOB"


def why(result: SearchResult, name: str) -> str:
    """Return what comes next after the schedule of a layer, every line ending with a newline.

    Parameters
    ----------
    result
        The search.
    name
        The layer.
    """
    problem = result.problem
    found = runners_up(
        problem.network,
        problem.batch,
        result.resource,
        result.cost,
        result.options,
        MapStrategyEyeriss,
        result.best,
        name,
        problem.constraints.limits(name),
    )
    own = result.best[name].scheme
    heading = (
        f"what comes next for {name}, all other layers staying as they are, and what cost and "
        "time of the network then are more (+) or less (-); it has"
    )
    lines = [
        *wrap(heading.split(), _WIDTH),
        *_indented(2, _partition(own, own["trips"])),
        *_required(found.tops),
    ]
    kinds = (
        ("other loop blocking of the same array mapping", found.blockings, _blocking),
        ("another array mapping of the same partition", found.mappings, _mapping),
        ("another partition", found.partitions, _partition),
    )
    for title, several, told in kinds:
        lines.append(f"{title}{':' if several else ': none is valid'}")
        for one in distinct(several, NUM_SHOWN):
            lines += _indented(2, told(one.result.scheme, one.trips))
            lines += _indented(4, _difference(result, name, one))
    return "".join(f"{line}\n" for line in lines)


def _indented(depth: int, items: Sequence[str]) -> list[str]:
    """Write a list, no item of which is broken."""
    ends = [","] * (len(items) - 1) + [""]
    texts = [item + end for item, end in zip(items, ends, strict=True)]
    return [" " * depth + line for line in wrap(texts, _WIDTH - depth)]


def _required(tops: Sequence[TopLoops]) -> list[str]:
    """Say what the segment requires of the loops in DRAM."""
    texts = []
    for one in tops:
        factors = [f"{_LOOPS[lpe]} {factor}" for lpe, factor in enumerate(one.factors) if factor]
        outer = "".join(_LOOPS[lpe] for lpe in one.outer)
        if factors:
            texts.append(f"{', '.join(factors)}{f' with {outer} outermost' if outer else ''}")
    if not texts:
        return []
    more = f", or {len(texts) - 1} other ways" if len(texts) > 1 else ""
    return [f"its segment requires of the trips of the loops in DRAM: {texts[0]}{more}"]


def _blocking(scheme: Mapping[str, Any], _trips: Sequence[int]) -> list[str]:
    factors = [
        f"{letter} {'·'.join(map(str, scheme[key]))}"
        for letter, key in zip(_LOOPS, ("ti", "to", "tb"), strict=True)
    ]
    return [*factors, f"order {order_text(scheme)}"]


def _mapping(scheme: Mapping[str, Any], trips: Sequence[int]) -> list[str]:
    words = " + ".join(str(size) for size in scheme["unit_size"][1])
    passes = " x ".join(map(str, trips))
    first, *others = _blocking(scheme, trips)
    told = f"{passes} passes (I x O x B) of {words} words per PE, blocking {first}"
    return [told, *others]


def _partition(scheme: Mapping[str, Any], trips: Sequence[int]) -> list[str]:
    return [partition_text(scheme["part"]), *_mapping(scheme, trips)]


def _difference(result: SearchResult, name: str, one: Alternative) -> list[str]:
    """Say what the network costs and takes more or less, and by which components."""
    best, other = result.best, one.network
    parts = [
        (there.name, there.cost - here.cost)
        for here, there in zip(
            components(best, result.cost, best.total_time),
            components(other, result.cost, other.total_time),
            strict=True,
        )
    ]
    own = result.cost.noc_hop * (one.result.total_noc_hops - best[name].total_noc_hops)
    at = next(n for n, (part, _) in enumerate(parts) if part.startswith("hops"))
    parts[at : at + 1] = [("own hops", own), ("hops of its readers", parts[at][1] - own)]
    large = _NOTHING * best.total_cost
    told = [f"{part} {cost:+.6g}" for part, cost in parts if abs(cost) > large]
    totals = [
        f"{what} {_signed(there - here, here)}"
        for what, here, there in (
            ("cost", best.total_cost, other.total_cost),
            ("time", best.total_time, other.total_time),
        )
    ]
    return [*totals, *told]


def _signed(difference: float, whole: float) -> str:
    """Return a difference with its sign, and in percent."""
    if abs(difference) <= _NOTHING * whole:
        return "+0"
    return f"{difference:+.6g} ({100 * difference / whole:+.3g} %)"
