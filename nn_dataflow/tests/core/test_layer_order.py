# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the order in which layers are scheduled (docs/model/pipeline.md section 3).

Decides that the vertices and their order are those of the reference data and of the rules read
literally, and that deep networks work.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow import nns
from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer, PoolingLayer
from nn_dataflow.core.layer_order import schedule_order
from nn_dataflow.core.network import Network

DATA = Path(__file__).parents[1] / "data"
NETWORKS = json.loads((DATA / "networks.json").read_text())
SEARCHES = json.loads((DATA / "search.json").read_text())


def layer_order(network):
    return [name for vertex in schedule_order(network) for name in vertex]


@pytest.mark.parametrize("record", NETWORKS, ids=lambda record: record["net"])
def test_order_of_the_library(record):
    assert layer_order(nns.import_network(record["net"])) == record["schedule_order"]


@pytest.mark.parametrize("record", SEARCHES, ids=lambda record: record["args"])
def test_order_of_the_reference_searches(record):
    schedules = record["schedules"]
    order = layer_order(nns.import_network(record["args"].split()[0]))
    assert order == sorted(schedules, key=lambda name: schedules[name]["sched_seq"])


def network_of(*layers, exts=()):
    """A network of 1x1 layers given as (kind, name, producers); kinds C, P and E."""
    network = Network("test")
    network.set_input_layer(InputLayer(8, 8))
    for ext in exts:
        network.add_ext(ext, InputLayer(8, 8))
    for kind, name, prevs in layers:
        channels = 8 * len(prevs)
        layer = {
            "C": ConvLayer(channels, 8, 8, 1),
            "P": PoolingLayer(8, 8, 1),
            "E": EltwiseLayer(8, 8, len(prevs)),
        }[kind]
        network.add(name, layer, prevs=prevs)
    return network


IN = Network.INPUT_LAYER_KEY


def test_fork_of_the_document():
    """Section 9.3."""
    network = network_of(
        ("C", "1", [IN]),
        ("C", "2a", ["1"]),
        ("C", "2b", ["1"]),
        ("C", "3a", ["2a"]),
        ("C", "3b", ["2b"]),
        ("C", "4", ["3a", "3b"]),
    )
    assert schedule_order(network) == [("1",), ("2a",), ("3a",), ("2b",), ("3b",), ("4",)]


def test_local_region_layer_joins_the_latest_vertex_that_ends_in_a_sole_producer():
    network = network_of(
        ("C", "a", [IN]), ("C", "b", [IN]), ("E", "join", ["b", "a"]), ("P", "pool", ["join"])
    )
    assert schedule_order(network) == [("a",), ("b", "join", "pool")]


def test_local_region_layer_does_not_join_a_producer_with_other_consumers():
    network = network_of(("C", "a", [IN]), ("P", "p", ["a"]), ("P", "q", ["a"]))
    assert schedule_order(network) == [("a",), ("p",), ("q",)]


def test_local_region_layer_without_producers_in_the_network_opens_a_vertex():
    network = network_of(("E", "e", ["x", IN]), ("P", "p", ["e"]), ("C", "c", ["p"]), exts=["x"])
    assert schedule_order(network) == [("e", "p"), ("c",)]


def test_convolution_opens_a_vertex():
    assert schedule_order(network_of(("C", "a", [IN]), ("C", "b", ["a"]))) == [("a",), ("b",)]


def test_producer_that_is_read_twice():
    network = network_of(("C", "a", [IN]), ("E", "e", ["a", "a"]))
    assert schedule_order(network) == [("a", "e")]


def test_network_without_layers():
    assert schedule_order(network_of()) == []


def test_deep_network():
    depth = 3000
    names = [f"c{i}" for i in range(depth)]
    network = network_of(*(("C", n, [p]) for n, p in zip(names, [IN, *names[:-1]], strict=True)))
    assert layer_order(network) == names


def literal_order(network):
    """The rules of the document, step by step, by recursion."""
    vertices = []
    for name in network:
        prevs = network.prevs(name)
        joined = None
        if not isinstance(network[name], ConvLayer):
            for vertex in vertices:
                if (
                    vertex[-1] in prevs
                    and not set(vertex[:-1]) & set(prevs)
                    and len(network.nexts(vertex[-1])) == 1
                ):
                    joined = vertex
        if joined is None:
            vertices.append([name])
        else:
            joined.append(name)

    def vertex_of(name):
        return next(i for i, names in enumerate(vertices) if name in names)

    seen, finished = set(), []

    def visit(vertex):
        if vertex in finished:
            return
        seen.add(vertex)
        successors = []
        for name in vertices[vertex]:
            for consumer in network.nexts(name):
                if consumer not in (None, *vertices[vertex], *successors):
                    successors.append(consumer)
        for unseen in [v for v in map(vertex_of, reversed(successors)) if v not in seen]:
            visit(unseen)
        finished.append(vertex)

    for name in reversed(network.firsts()):
        visit(vertex_of(name))
    return [tuple(vertices[v]) for v in reversed(finished)]


@st.composite
def networks(draw):
    names = []
    layers = []
    for number in range(draw(st.integers(1, 12))):
        near = [IN, "x", *names][-5:] if number else [IN, "x"]
        prevs = draw(st.lists(st.sampled_from(near), min_size=1, max_size=3))
        kind = draw(st.sampled_from("CCE")) if len(prevs) > 1 else draw(st.sampled_from("CCP"))
        names.append(f"l{number}")
        layers.append((kind, names[-1], prevs))
    return network_of(*layers, exts=["x"])


@given(networks())
def test_order_follows_the_rules(network):
    assert schedule_order(network) == literal_order(network)


@given(networks())
def test_order_is_topological(network):
    order = layer_order(network)
    assert sorted(order) == sorted(network)
    for name in network:
        for prev in network.prevs(name):
            assert prev in (None, "x") or order.index(prev) < order.index(name)
