# SPDX-License-Identifier: BSD-3-Clause
"""Tests of networks (docs/model/workload.md section 5)."""

import copy
import pickle

import pytest

from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    Layer,
    PoolingLayer,
)
from nn_dataflow.core.network import Network

INPUT = Network.INPUT_LAYER_KEY


@pytest.fixture
def net():
    network = Network("test_net")
    network.set_input_layer(InputLayer(3, 224))
    network.add("c1", ConvLayer(3, 64, 224, 3))
    network.add("p1", PoolingLayer(64, 7, 32))
    network.add_ext("e0", InputLayer(64, 7))
    network.add("c2", ConvLayer(64, 64, 7, 3), prevs=("p1",))
    network.add("join", EltwiseLayer(64, 7, 3), prevs=("c2", "e0", "p1"))
    network.add("f1", FCLayer(64, 1000, 7))
    return network


def state(network):
    """Return everything that a network tells about itself."""
    names = [*network, *network.ext_layers(), *([INPUT] if INPUT in network else [])]
    return (
        [(name, repr(network[name]), network.nexts(name)) for name in names],
        [(name, network.prevs(name)) for name in network],
        network.firsts(),
        network.lasts(),
        len(network),
        repr(network),
    )


def test_graph(net):
    assert net.net_name == "test_net"
    assert net.input_layer() == InputLayer(3, 224)
    assert list(net) == ["c1", "p1", "c2", "join", "f1"]
    assert len(net) == 5
    assert net.ext_layers() == ("e0",)
    assert net.prevs("c1") == (None,)
    assert net.prevs("p1") == ("c1",)
    assert net.prevs("join") == ("c2", "e0", "p1")
    assert net.prevs("f1") == ("join",)
    assert net.nexts(INPUT) == ("c1",)
    assert net.nexts("e0") == ("join",)
    assert net.nexts("p1") == ("c2", "join")
    assert net.nexts("f1") == (None,)
    assert net.firsts() == ("c1",)
    assert net.lasts() == ("f1",)


def test_lookup_and_membership(net):
    assert net["c1"] == ConvLayer(3, 64, 224, 3)
    assert net["e0"] == InputLayer(64, 7)
    assert net[INPUT] is net.input_layer()
    assert all(name in net for name in ("c1", "f1", "e0", INPUT))
    assert "c9" not in net
    with pytest.raises(KeyError, match="no layer 'c9'"):
        net["c9"]


def test_a_network_without_input_is_empty():
    network = Network("empty")
    network.add_ext("e0", InputLayer(3, 4))
    assert len(network) == 0
    assert INPUT not in network
    assert network.firsts() == network.lasts() == ()
    with pytest.raises(KeyError, match="input layer is not set"):
        network.input_layer()
    with pytest.raises(KeyError):
        network[INPUT]
    with pytest.raises(RuntimeError, match="set the input layer before"):
        network.add("c1", ConvLayer(3, 4, 4, 1))
    assert len(network) == 0


@pytest.mark.parametrize("prevs", [None, "", (), []])
def test_the_default_predecessor_is_the_layer_added_last(prevs):
    network = Network("chain")
    network.set_input_layer(InputLayer(3, 4))
    network.add("a", ConvLayer(3, 4, 4, 1), prevs=prevs)
    network.add_ext("ext", InputLayer(9, 9))
    network.add("b", ConvLayer(4, 5, 4, 1), prevs=prevs)
    assert network.prevs("a") == (None,)
    assert network.prevs("b") == ("a",)


@pytest.mark.parametrize("prevs", ["c2", ["c2"], ("c2",), iter(["c2"])])
def test_predecessors_may_be_one_name_or_a_sequence(net, prevs):
    net.add("c3", ConvLayer(64, 8, 7, 1), prevs=prevs)
    assert net.prevs("c3") == ("c2",)


def test_repeated_predecessors_count_their_channels(net):
    net.add("twice", ConvLayer(192, 8, 7, 1), prevs=("c2", "p1", "c2"))
    assert net.prevs("twice") == ("c2", "p1", "c2")
    assert net.nexts("c2") == ("join", "twice")


def test_firsts_read_only_data_sources(net):
    net.add("from_ext", ConvLayer(64, 8, 7, 1), prevs="e0")
    net.add("mixed", ConvLayer(128, 8, 7, 1), prevs=("e0", "c2"))
    assert net.firsts() == ("c1", "from_ext")
    assert net.lasts() == ("f1", "from_ext", "mixed")


@pytest.mark.parametrize("name", [INPUT, "e0"])
def test_data_sources_have_no_predecessors(net, name):
    with pytest.raises(ValueError, match="data source without predecessors"):
        net.prevs(name)


@pytest.mark.parametrize("ask", [Network.prevs, Network.nexts])
def test_unknown_names_are_key_errors(net, ask):
    with pytest.raises(KeyError, match="no layer 'c9'"):
        ask(net, "c9")


@pytest.mark.parametrize(
    ("error", "match", "edit"),
    [
        (KeyError, "set already", lambda net: net.set_input_layer(InputLayer(3, 224))),
        (KeyError, "c1 is in use", lambda net: net.add("c1", FCLayer(1000, 10))),
        (KeyError, "e0 is in use", lambda net: net.add("e0", FCLayer(1000, 10))),
        (KeyError, f"{INPUT} is in use", lambda net: net.add(INPUT, FCLayer(1000, 10))),
        (KeyError, "e0 is in use", lambda net: net.add_ext("e0", InputLayer(1, 1))),
        (KeyError, "c1 is in use", lambda net: net.add_ext("c1", InputLayer(1, 1))),
        (KeyError, f"{INPUT} is in use", lambda net: net.add_ext(INPUT, InputLayer(1, 1))),
        (KeyError, "predecessor 'c9' of layer f2", lambda net: net.add("f2", FCLayer(9, 9), "c9")),
        (KeyError, "'f2' of layer f2", lambda net: net.add("f2", FCLayer(9, 9), ("f1", "f2"))),
        (TypeError, "f2 must be a Layer", lambda net: net.add("f2", "layer")),
        (TypeError, "e1 must be an InputLayer", lambda net: net.add_ext("e1", Layer(1, 1))),
        (TypeError, "must be a string", lambda net: net.add(7, FCLayer(1000, 10))),
        (TypeError, "f2 must be names", lambda net: net.add("f2", FCLayer(1000, 10), prevs=7)),
        (
            ValueError,
            "layer f2 needs 9 input .* f1 give 1000",
            lambda net: net.add("f2", FCLayer(9, 9)),
        ),
        (
            ValueError,
            "layer c3 needs fmaps of 9 x 9 .* predecessor f1 gives 1 x 1",
            lambda net: net.add("c3", ConvLayer(1064, 9, 7, 3), ("p1", "f1")),
        ),
        (
            AttributeError,
            "layer i2 cannot be fed: InputLayer",
            lambda net: net.add("i2", InputLayer(1000, 1)),
        ),
        (
            NotImplementedError,
            "layer b2 cannot be fed: Layer",
            lambda net: net.add("b2", Layer(1000, 1)),
        ),
    ],
)
def test_a_refused_edit_changes_nothing(net, error, match, edit):
    before = state(net)
    with pytest.raises(error, match=match):
        edit(net)
    assert state(net) == before


def test_input_layer_must_be_an_input_layer():
    network = Network("test")
    with pytest.raises(TypeError, match="input_layer must be an InputLayer"):
        network.set_input_layer(Layer(3, 4))
    network.set_input_layer(InputLayer(3, 4))
    assert network.input_layer() == InputLayer(3, 4)


def test_all_or_nothing(net):
    before = state(net)

    def edit_and_fail():
        with net.all_or_nothing():
            net.add_ext("e1", InputLayer(1, 1))
            net.add("f2", FCLayer(1000, 10))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        edit_and_fail()
    assert state(net) == before
    with net.all_or_nothing():
        net.add("f2", FCLayer(1000, 10))
    assert net.lasts() == ("f2",)


def test_all_or_nothing_covers_the_input_layer():
    network = Network("test")

    def edit_and_fail():
        with network.all_or_nothing():
            network.set_input_layer(InputLayer(3, 4))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        edit_and_fail()
    network.set_input_layer(InputLayer(5, 4))
    assert network.input_layer().nofm == 5


def test_printed_form(net):
    lines = repr(net).splitlines()
    assert "test_net" in lines[0]
    assert [line.split(":")[0].strip() for line in lines[1:]] == list(net)
    assert lines[1].endswith("None")
    assert lines[4].endswith("c2 | e0 | p1")
    assert str(net) == repr(net)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_independent(net, twin_of):
    twin = twin_of(net)
    assert state(twin) == state(net)
    twin.add("f2", FCLayer(1000, 10))
    assert len(net) == 5
