# SPDX-License-Identifier: BSD-3-Clause
"""Problems: dims, files, and layers of networks (docs/model/cosa.md sections 1 and 2.4)."""

import math
import pickle

import pytest

from nn_dataflow.core import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    Layer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.cosa import InputError, Problem, network_problems
from nn_dataflow.nns import all_networks, import_network

from . import cases

TEXT = """\
problem: {R: 3, S: 2, P: 8, Q: 4,
  C: 16, K: 32, N: 1, Wstride: 2, Hstride: 1,
  Wdilation: 1, Hdilation: 3, shape: cnn-layer}
"""


def test_recorded_problems():
    for item in cases.recorded("problems"):
        problem = cases.recorded_problem(item)
        assert (problem.macs, problem.dims) == (item["macs"], item["dims"])


def test_values():
    problem = Problem({"P": 4, "K": 2}, (2, 1), name="layer")
    assert problem == Problem({"K": 2, "P": 4, "R": 1}, (2, 1))
    assert problem != Problem({"K": 2, "P": 4})
    assert hash(problem) == hash(Problem({"K": 2, "P": 4}, (2, 1)))
    assert pickle.loads(pickle.dumps(problem)).name == "layer"
    assert problem.tensor_sizes == (2, 7, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"X": 3},), "unknown dimension 'X', must be one of R S P Q C K N"),
        (({"RS": 3},), "unknown dimension 'RS'"),
        (({"P": 0},), "P must be a positive integer, got 0"),
        (({"P": 2.5},), "P must be a positive integer, got 2.5"),
        (({"P": True},), "P must be a positive integer, got True"),
        (([3, 3],), "dims must be a mapping"),
        (({}, (1, 0)), "stride must be a positive integer, got 0"),
        (({}, 2), r"stride must be \(width, height\), got 2"),
        (({}, (1, 1), (1, 1, 1)), r"dilation must be \(width, height\)"),
        (({"P": 2**30, "C": 2**30},), r"at most 2\^53 operations"),
        (({"P": 2**20, "Q": 2**20}, (2, 2)), r"at most 2\^40 words of a tensor, got \(1, 4398"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(InputError, match=message):
        Problem(*arguments)


def test_files(tmp_path):
    path = tmp_path / "conv.yaml"
    path.write_text(TEXT)
    problem = Problem.from_yaml(path)
    dims = {"R": 3, "S": 2, "P": 8, "Q": 4, "C": 16, "K": 32, "N": 1}
    assert problem == Problem(dims, (2, 1), (1, 3))
    assert problem.name == "conv"
    problem.to_yaml(tmp_path / "again.yaml")
    assert Problem.from_yaml(tmp_path / "again.yaml") == problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("C: 16", "C: 16, X: 2", "conv.yaml:2: X: unknown dimension, must be one of R S P"),
        ("C: 16", "c: 16", "conv.yaml:2: c: unknown dimension"),
        ("C: 16, ", "", "conv.yaml:1: problem: dimension C is missing"),
        ("C: 16", "C: sixteen", "conv.yaml:2: C: must be a positive integer, got 'sixteen'"),
        ("C: 16", "C: 0", "conv.yaml:2: C: must be a positive integer, got '0'"),
        ("C: 16", "C: 1.5", "conv.yaml:2: C: must be a positive integer, got '1.5'"),
        ("C: 16", "C: [16]", "conv.yaml:2: C: must be a positive integer"),
        ("C: 16", "C: 16, C: 8", "conv.yaml:2: C is given twice"),
        ("Wstride", "Xstride", "conv.yaml:2: Xstride: must be one of Wstride, Hstride"),
        ("cnn-layer", "gemm", "conv.yaml:3: shape: must be cnn-layer or cnn_layer, got 'gemm'"),
        ("cnn-layer}", "cnn-layer", "conv.yaml:4: is no YAML"),
        ("problem: ", "layer: ", "conv.yaml:1: file: problem is missing"),
        ("C: 16", "C: 9007199254740993", r"conv.yaml:1: Problem: at most 2\^53 operations"),
    ],
)
def test_bad_files(tmp_path, old, new, message):
    path = tmp_path / "conv.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=message):
        Problem.from_yaml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "none.yaml: cannot be read: No such file"),
        (b"\xff\xfe\xff", "none.yaml: cannot be read: is no UTF-8 text"),
        (b"- 1\n- 2\n", "none.yaml:1: must be a mapping"),
        (b"", "none.yaml:1: must be a mapping"),
        (b"problem: 3\n", "none.yaml:1: problem: must be a mapping"),
        (b"a: \x00", "none.yaml: is no YAML"),
    ],
)
def test_no_problem_file(tmp_path, content, message):
    path = tmp_path / "none.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        Problem.from_yaml(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layer",
    [
        ConvLayer(3, 96, (55, 54), (11, 9), (4, 3)),
        FCLayer(256, 4096, (6, 5)),
        FCLayer(4096, 1000),
        EltwiseLayer(64, (7, 8), 3),
    ],
)
def test_sizes_of_layers_are_kept(layer):
    problem = Problem.from_layer(layer, 4)
    weights, inputs, outputs = problem.tensor_sizes
    assert problem.macs == layer.total_ops(4)
    assert outputs == layer.total_ofmap_size(4)
    assert inputs == layer.total_ifmap_size(4)
    if isinstance(layer, ConvLayer):
        assert weights == layer.total_filter_size()


def test_width_and_height():
    problem = Problem.from_layer(ConvLayer(3, 96, (55, 54), (11, 9), (4, 3)), 2, "conv")
    dims = {"R": 9, "S": 11, "P": 54, "Q": 55, "C": 3, "K": 96, "N": 2}
    assert problem == Problem(dims, (3, 4))
    assert problem.name == "conv"


def test_pooling_has_channels_in_the_batch():
    layer = PoolingLayer(64, (7, 8), (2, 3))
    problem = Problem.from_layer(layer, 2)
    assert problem == Problem({"R": 3, "S": 2, "P": 8, "Q": 7, "N": 128}, (3, 2))
    assert problem.tensor_sizes[1] == layer.total_ifmap_size(2)


def test_operands_are_input_channels():
    assert Problem.from_layer(EltwiseLayer(64, (7, 8), 3), 2) == Problem({"C": 3, "N": 7168})


def test_normalisation_slides_along_channels():
    problem = Problem.from_layer(LocalRegionLayer(64, 7, nreg=5, sreg=1), 2)
    assert problem == Problem({"R": 5, "P": 64, "N": 98})


def test_layers_that_cannot_be_scheduled():
    with pytest.raises(InputError, match="input3 is an input and computes nothing"):
        Problem.from_layer(InputLayer(3, 224), 1, "input3")
    with pytest.raises(InputError, match="cannot schedule a Layer"):
        Problem.from_layer(Layer(3, 4), 1)
    with pytest.raises(InputError, match="batch_size must be a positive integer, got 0"):
        Problem.from_layer(ConvLayer(3, 4, 5, 3), 0)


def test_all_networks_become_problems():
    for name in all_networks():
        network = import_network(name)
        problems = network_problems(network, 2)
        assert len(problems) == len(network)
        assert math.fsum(p.macs for p in problems.values()) == sum(
            network[layer].total_ops(2) for layer in network
        )
        assert all(problem.name == layer for layer, problem in problems.items())
