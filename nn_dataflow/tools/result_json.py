# SPDX-License-Identifier: BSD-3-Clause
"""The JSON record of a finished network search.

Decides the keys, their order, and how the model's values become strict JSON
(docs/model/search.md section 7.1; docs/differences.md E12): tuples and named tuples become arrays,
and numbers that are not finite become null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .layer_figures import limit_of
from .segments import segments_of

if TYPE_CHECKING:
    from nn_dataflow.core.certificate import Certificate
    from nn_dataflow.core.energy_delay import EnergyDelayCurve
    from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme

    from .search_result import SearchResult
    from .segments import Segment, SegmentLayer


def record(result: SearchResult, version: str) -> dict[str, Any]:
    """Return the record, in values that JSON can express.

    Parameters
    ----------
    result : SearchResult
        The search.
    version : str
        Version of the program.
    """
    best = result.best
    op_cost, *access_costs, noc_cost, static_cost = (part.cost for part in result.components())
    values: dict[str, Any] = {
        "version": version,
        "net": result.problem.net,
        "batch": result.problem.batch,
        "resource": result.resource._asdict(),
        "cost": result.cost._asdict(),
        "options": result.options._asdict(),
        "constraints": result.problem.constraints.told,
        "cache_stats": result.cache_stats,
        "elapsed": result.elapsed,
        "search_effort": result.effort,
        "certificate": result.certificate and _certificate(result.certificate),
        "log10_schedules": result.log10_space,
        "stage_seconds": result.seconds,
        "total_cost": best.total_cost,
        "total_time": best.total_time,
        "total_ops": best.total_ops,
        "total_accesses": best.total_accesses,
        "total_noc_hops": best.total_noc_hops,
        "total_op_cost": op_cost,
        "total_access_cost": math.fsum(access_costs),
        "total_noc_cost": noc_cost,
        "total_static_cost": static_cost,
        "active_node_pes": best.perlayer_stats("active_node_pes"),
        "dram_bandwidth": best.perlayer_stats("dram_bandwidth"),
        "limits": {name: limit_of(layer.scheme) for name, layer in best.items()},
        "segment_time": best.segment_time_list(),
        "segment_dram_time": best.segment_dram_time_list(),
        "segments": [*map(_segment, segments_of(result))],
        **_schedule(best),
        "machine": result.problem.machine.told(),
        "interrupted": result.interrupted,
        "curve": result.curve and _curve(result.curve),
        "others": [*map(_with_totals, result.tops[1:])],
    }
    return {key: to_plain(value) for key, value in values.items()}


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "lower_bound": certificate.lower_bound,
        "gap": certificate.gap,
        "optimal": certificate.is_optimal,
    }


def _curve(curve: EnergyDelayCurve) -> dict[str, Any]:
    """Return the record of a curve: corners with their schedules, and the edges between them."""
    return {
        "complete": curve.is_complete,
        "corners": [_with_totals(corner.scheme) for corner in curve.corners],
        "edges": [
            {
                "worth": edge.worth,
                "value": edge.certificate.value,
                **_certificate(edge.certificate),
            }
            for edge in curve.edges
        ],
    }


def _with_totals(scheme: NNDataflowScheme) -> dict[str, Any]:
    """Return the record of a schedule beside the best one."""
    return {
        "total_cost": scheme.total_cost,
        "total_time": scheme.total_time,
        "segment_time": scheme.segment_time_list(),
        **_schedule(scheme),
    }


def _schedule(scheme: NNDataflowScheme) -> dict[str, Any]:
    return {
        "input_layout": scheme.input_layout,
        "ext_layout_dict": scheme.ext_layout_dict or {},
        "schedules": {
            name: (layer.scheme, layer.ofmap_layout, layer.sched_seq)
            for name, layer in scheme.items()
        },
    }


def _segment(segment: Segment) -> dict[str, Any]:
    timing = segment.timing
    return {
        "time": timing.time,
        "node_time": timing.node_time,
        "dram_time": timing.dram_time,
        "critical_time": timing.critical_time,
        "time_overhead": timing.time_overhead,
        "bat_ngrp": timing.bat_ngrp,
        "groups": [
            {
                "region": group.region,
                "layers": {layer.name: _segment_layer(layer) for layer in group.layers},
            }
            for group in segment.groups
        ],
    }


def _segment_layer(layer: SegmentLayer) -> dict[str, Any]:
    return {
        "start": layer.start,
        "end": layer.end,
        "ts_xb": layer.timing.ts_xb,
        "td_xb": layer.timing.td_xb,
        "ngrp": layer.timing.ngrp,
        "ifmaps_from": layer.ifmaps_from,
        "ofmaps_to": layer.ofmaps_to,
    }


def to_text(values: Mapping[str, Any]) -> str:
    """Return a record as text that every JSON reader accepts."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def to_plain(value: Any) -> Any:
    """Return a value of the model as numbers, texts, lists and dicts; None where JSON has nothing.

    Numbers and arrays of numpy become those of Python.

    Examples
    --------
    >>> to_plain({"width": math.inf, "dims": ((1, 2), (3.5, True))})
    {'width': None, 'dims': [[1, 2], [3.5, True]]}
    """
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    return None
