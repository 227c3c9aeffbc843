# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what is told about segments (docs/model/search.md section 7.1)."""

import json

import pytest

from nn_dataflow.tests.tools.pipelined_result import (
    STATIC,
    alike,
    fork,
    found,
    residual,
    three_layers,
    two_groups,
    written,
)
from nn_dataflow.tools import result_json
from nn_dataflow.tools.segments import MEMORY, OWN, segments_of

PIPELINES = (
    "alex_net --batch 4 --nodes 4 4 --hybrid-partition --interlayer-partition "
    f"--enable-save-writeback --dram-bw 16 --unit-idle-cost {STATIC} -p 1"
)


@pytest.fixture(scope="module")
def searched():
    return found(PIPELINES)


def refuse_constant(text):
    raise AssertionError(f"{text} is no JSON")


def read(result):
    text = result_json.to_text(result_json.record(result, ""))
    return json.loads(text, parse_constant=refuse_constant)


def test_worked_example():
    """Hints (2, 2) of docs/model/pipeline.md section 9.2, and a layer by itself."""
    assert read(two_groups())["segments"] == [
        {
            "time": 7680,
            "node_time": 7680,
            "dram_time": 7680,
            "critical_time": 6144,
            "time_overhead": 0,
            "bat_ngrp": 2,
            "groups": [
                {
                    "region": [[4, 1], [0, 0], [1, 1], 0, 4, 1],
                    "layers": {
                        "a": {
                            "start": 0,
                            "end": 6144,  # half of the batch in each half of the time
                            "ts_xb": 0,
                            "td_xb": 6144,
                            "ngrp": 2,
                            "ifmaps_from": ["DRAM"],
                            "ofmaps_to": [1],
                        }
                    },
                },
                {
                    "region": [[4, 3], [0, 1], [1, 1], 0, 4, 3],
                    "layers": {
                        "b": {
                            "start": 1536,
                            "end": 7680,
                            "ts_xb": 3072,
                            "td_xb": 9216,
                            "ngrp": 1,
                            "ifmaps_from": [0],
                            "ofmaps_to": ["DRAM"],
                        }
                    },
                },
            ],
        },
        {
            "time": 4480,
            "node_time": 4480,
            "dram_time": 4480,
            "critical_time": 4480,
            "time_overhead": 0,
            "bat_ngrp": 1,
            "groups": [
                {
                    "region": [[4, 4], [0, 0], [1, 1], 0, 4, 4],
                    "layers": {
                        "c": {
                            "start": 0,
                            "end": 4480,
                            "ts_xb": 0,
                            "td_xb": 4480,
                            "ngrp": 1,
                            "ifmaps_from": ["DRAM"],
                            "ofmaps_to": ["DRAM"],
                        }
                    },
                }
            ],
        },
    ]


@pytest.mark.parametrize(
    ("network", "groups", "num_nodes", "before", "moves"),
    [
        (
            residual,
            (("a", "add"), ("next",)),
            (9, 7),
            ("before",),
            {
                "a": ((MEMORY,), (OWN,)),
                "add": ((MEMORY, OWN), (MEMORY, 1)),
                "next": ((0,), (MEMORY,)),
            },
        ),
        (
            residual,
            (("a", "add", "next"),),
            (16,),
            ("before",),
            {
                "a": ((MEMORY,), (OWN,)),
                "add": ((MEMORY, OWN), (MEMORY, OWN)),
                "next": ((OWN,), (MEMORY,)),
            },
        ),
        # The first reads memory, and the second gets the same data from it.
        (
            fork,
            (("left",), ("right",)),
            (8, 8),
            (),
            {"left": ((MEMORY,),) * 2, "right": ((0,), (MEMORY,))},
        ),
    ],
)
def test_where_fmaps_come_from_and_go(network, groups, num_nodes, before, moves):
    options = "--interlayer-partition --enable-save-writeback"
    layers = alike(groups, num_nodes, before)
    *_, segment = segments_of(written(network(), layers, options=options))
    assert {
        layer.name: (layer.ifmaps_from, layer.ofmaps_to)
        for group in segment.groups
        for layer in group.layers
    } == moves
    assert [tuple(layer.name for layer in group.layers) for group in segment.groups] == [*groups]
    assert tuple(group.region.dim.size() for group in segment.groups) == num_nodes


def test_segments_of_a_search_are_those_of_its_schedules(searched):
    values = read(searched)
    segments = values["segments"]
    assert [segment["time"] for segment in segments] == values["segment_time"]
    assert [segment["dram_time"] for segment in segments] == values["segment_dram_time"]
    assert len(segments) < len(values["schedules"])
    places = {
        name: [number, sp, tm]
        for number, segment in enumerate(segments)
        for sp, group in enumerate(segment["groups"])
        for tm, name in enumerate(group["layers"])
    }
    assert places == {name: seq for name, (_, _, seq) in values["schedules"].items()}
    assert [*places] == [*values["schedules"]]


def test_layers_of_a_search_fit_in_their_segments(searched):
    for segment in segments_of(searched):
        layers = [layer for group in segment.groups for layer in group.layers]
        assert min(layer.start for layer in layers) == 0
        assert all(layer.start < layer.end for layer in layers)
        assert max(layer.end for layer in layers) == segment.timing.node_time
        nodes = [node for group in segment.groups for node in group.region.iter_node()]
        assert len(nodes) == len(set(nodes)) == 16
        for group in segment.groups:
            for layer in group.layers:
                scheme = searched.best[layer.name].scheme
                assert scheme["num_nodes"] == group.region.dim.size()
                # The model's own words for the same: whether memory is involved.
                assert scheme["is_dram"] == (MEMORY in layer.ifmaps_from, MEMORY in layer.ofmaps_to)


def test_who_sends_on_chip_and_who_receives_agree(searched):
    sent, received = set(), set()
    for number, segment in enumerate(segments_of(searched)):
        for sp, group in enumerate(segment.groups):
            for layer in group.layers:
                # Ofmaps only: what another layer fetched from memory is not sent by a name.
                inside = {
                    prev
                    for prev in searched.best.network.prevs(layer.name)
                    if prev and searched.best[prev].sched_seq[0] == number
                }
                received |= {
                    (number, source, sp)
                    for source in layer.ifmaps_from
                    if isinstance(source, int) and inside
                }
                sent |= {(number, sp, to) for to in layer.ofmaps_to if isinstance(to, int)}
    assert sent
    assert sent == received


def test_static_cost_is_for_the_overlapped_time(searched):
    values = read(searched)
    assert values["total_time"] == pytest.approx(sum(values["segment_time"]))
    assert values["total_static_cost"] == pytest.approx(values["total_time"] * STATIC)
    parts = [values[f"total_{part}_cost"] for part in ("op", "access", "noc", "static")]
    assert sum(parts) == pytest.approx(values["total_cost"], rel=1e-9)
    own = sum(scheme["cost_static"] for scheme, _, _ in values["schedules"].values())
    assert own > values["total_static_cost"]


def test_options_are_in_the_record():
    options = (
        "--interlayer-partition --disable-interlayer-opt --layer-pipeline-time-overhead 0.5 "
        "--layer-pipeline-max-degree 3"
    )
    layers = alike((("a",), ("b",)), (4, 12))
    values = read(written(three_layers(), layers, options=options))["options"]
    assert values["partition_interlayer"] is True
    assert values["hw_gbuf_save_writeback"] is False
    assert values["layer_pipeline_opt"] is False
    assert values["layer_pipeline_time_ovhd"] == 0.5
    assert values["layer_pipeline_max_degree"] == 3
