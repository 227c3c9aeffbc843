# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the JSON record of a search (docs/model/search.md section 7.1)."""

import json
import math

import numpy as np
import pytest

from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.tests.tools.recorded_search import EFFORT, RecordedSearch, recorded
from nn_dataflow.tools import nn_dataflow_search, result_json
from nn_dataflow.tools.search_arguments import parse_arguments

KEYS = (
    "version net batch resource cost options constraints cache_stats elapsed search_effort "
    "certificate "
    "log10_schedules stage_seconds total_cost "
    "total_time total_ops total_accesses total_noc_hops total_op_cost total_access_cost "
    "total_noc_cost total_static_cost active_node_pes dram_bandwidth limits segment_time "
    "segment_dram_time segments input_layout ext_layout_dict schedules machine interrupted curve "
    "others"
)
LSTM = "lstm_showtell --batch 4 --nodes 2 2 --hybrid-partition -g e"
CASES = (
    "mlp_s --batch 16 --nodes 1 1 -g e",
    "alex_net --batch 4 --nodes 2 2 --hybrid-partition -g e",
    LSTM,
)


def search(monkeypatch, args, **changes):
    """The result of a recorded search."""
    RecordedSearch(args).install(monkeypatch)
    arguments = parse_arguments(args.split())._replace(**changes)
    return nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))


def refuse_constant(text):
    raise AssertionError(f"{text} is no JSON")


def read(monkeypatch, args, **changes):
    text = result_json.to_text(
        result_json.record(search(monkeypatch, args, **changes), "1.2+local")
    )
    return json.loads(text, parse_constant=refuse_constant)


def test_keys_are_in_order(monkeypatch):
    values = read(monkeypatch, CASES[0])
    assert list(values) == KEYS.split()
    assert values["version"] == "1.2+local"
    assert (values["net"], values["batch"]) == ("mlp_s", 16)
    assert list(values["resource"]) == [
        "proc_region",
        "dram_region",
        "src_data_region",
        "dst_data_region",
        "dim_array",
        "size_gbuf",
        "size_regf",
        "array_bus_width",
        "dram_bandwidth",
        "no_time_mux",
    ]
    assert list(values["cost"]) == ["mac_op", "mem_hier", "noc_hop", "idl_unit"]
    assert list(values["options"]) == [
        "sw_gbuf_bypass",
        "sw_solve_loopblocking",
        "hw_access_forwarding",
        "hw_gbuf_sharing",
        "hw_gbuf_save_writeback",
        "partition_hybrid",
        "partition_batch",
        "partition_ifmaps",
        "partition_interlayer",
        "layer_pipeline_time_ovhd",
        "layer_pipeline_max_degree",
        "layer_pipeline_opt",
        "opt_goal",
        "ntops",
        "nprocesses",
        "verbose",
        "sw_imperfect",
    ]
    assert values["cache_stats"] == [2, 5]
    assert values["search_effort"] == EFFORT
    assert values["certificate"] == {"lower_bound": 100.0, "gap": 0.0, "optimal": True}
    assert values["stage_seconds"] == {"layers": 0.125, "network": 0.0625}
    assert values["elapsed"] >= 0


@pytest.mark.parametrize("args", CASES)
def test_totals_and_schedules_are_those_of_the_search(monkeypatch, args):
    values, case = read(monkeypatch, args), recorded()[args]
    for key in [
        "total_cost",
        "total_time",
        "total_ops",
        "total_accesses",
        "total_noc_hops",
        "total_op_cost",
        "total_access_cost",
        "total_noc_cost",
        "total_static_cost",
        "segment_time",
        "segment_dram_time",
    ]:
        assert values[key] == pytest.approx(case[key], rel=1e-12)
    assert list(values["schedules"]) == list(case["schedules"])
    for name, (scheme, layout, sched_seq) in values["schedules"].items():
        wanted = dict(case["schedules"][name])
        assert sched_seq == wanted.pop("sched_seq")
        assert scheme == wanted
        assert list(scheme) == list(wanted)
        assert len(layout) == 3


def test_statistics_by_layer(monkeypatch):
    values = read(monkeypatch, CASES[0])
    layer = values["schedules"]["fc1"][0]
    assert values["active_node_pes"]["fc1"] == layer["ops"] / layer["proc_time"]
    assert values["dram_bandwidth"]["fc1"] == sum(layer["access"][0]) / layer["time"]
    assert list(values["dram_bandwidth"]) == list(values["schedules"])


def test_layouts_of_input_and_external_layers(monkeypatch):
    values = read(monkeypatch, LSTM)
    region = [[2, 2], [0, 0], [1, 1], NodeRegion.DRAM, 2, 2]
    frngs, regions, parts = values["input_layout"]
    assert frngs == [[[0, 0, 0, 0], [4, 512, 1, 1]]]
    assert regions == [region]
    assert parts == [[[0, 1, 2, 3], [[1, 1]] * 4]]
    assert set(values["ext_layout_dict"]) == {"cell_cinit", "cell_hinit"}
    assert all(layout[1] == [region] for layout in values["ext_layout_dict"].values())


def test_unlimited_quantities_are_null(monkeypatch):
    """The original writes ``Infinity``, which is no JSON (docs/differences.md E12)."""
    values = read(monkeypatch, CASES[0])
    assert values["resource"]["array_bus_width"] is None
    assert values["resource"]["dram_bandwidth"] is None
    assert values["options"]["layer_pipeline_time_ovhd"] is None
    assert values["options"]["layer_pipeline_max_degree"] is None
    limited = read(monkeypatch, CASES[0], bus_width=64, dram_bw=8.0)
    assert limited["resource"]["array_bus_width"] == 4
    assert limited["resource"]["dram_bandwidth"] == 4


def free(case):
    """A recorded search in which nothing costs anything."""
    nothing = dict.fromkeys(("cost", "cost_op", "cost_access", "cost_noc", "cost_static"), 0)
    layers = {name: {**layer, **nothing} for name, layer in case["schedules"].items()}
    return {**case, "schedules": layers}


def test_all_costs_zero(monkeypatch):
    """The original divides by zero (docs/differences.md E4)."""
    recording = RecordedSearch(CASES[0]).install(monkeypatch)
    recording.case = free(recording.case)
    arguments = parse_arguments(
        [
            "mlp_s",
            "--op-cost",
            "0",
            "--hier-cost",
            "0",
            "0",
            "0",
            "0",
            "--hop-cost",
            "0",
            "--unit-idle-cost",
            "0",
        ]
    )
    result = nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))
    values = result_json.record(result, "")
    assert values["total_cost"] == 0
    assert values["total_access_cost"] == 0
    assert values["total_ops"] > 0


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (3, 3),
        (2.5, 2.5),
        (math.inf, None),
        (math.nan, None),
        (np.int64(3), 3),
        (np.float64(2.5), 2.5),
        (np.float64(math.inf), None),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.5, math.nan]), [1.5, None]),
        ((1, (2.0, "x")), [1, [2.0, "x"]]),
        (PhyDim2(2, 3), [2, 3]),
        ({"a": (1,), 2: {"b": math.inf}}, {"a": [1], "2": {"b": None}}),
        (object(), None),
    ],
)
def test_values_become_plain(value, plain):
    result = result_json.to_plain(value)
    assert result == plain
    assert type(result) is type(plain)


def test_text_is_strict_and_indented():
    assert result_json.to_text({"a": [1, None]}) == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        result_json.to_text({"a": math.inf})
