# SPDX-License-Identifier: BSD-3-Clause
"""AlexNet in its two-group form, one branch per group (docs/model/workload.md section 6.4)."""

from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, Layer, PoolingLayer
from nn_dataflow.core.network import Network

GROUPS = ("a", "b")

NN = Network("AlexNet")
NN.set_input_layer(InputLayer(3, 224))


def _add_own(name: str, layer: Layer, prev: str) -> None:
    """Add a layer to both groups, each reading the layer ``prev`` of its own group."""
    for group in GROUPS:
        NN.add(f"{name}_{group}", layer, prevs=f"{prev}_{group}")


def _add_shared(name: str, layer: Layer, prevs: tuple[str, ...]) -> None:
    """Add a layer to both groups, each reading the same layers."""
    for group in GROUPS:
        NN.add(f"{name}_{group}", layer, prevs=prevs)


_add_shared("conv1", ConvLayer(3, 48, 55, 11, 4), (NN.INPUT_LAYER_KEY,))
_add_own("pool1", PoolingLayer(48, 27, 3, 2), "conv1")
_add_own("conv2", ConvLayer(48, 128, 27, 5), "pool1")
_add_own("pool2", PoolingLayer(128, 13, 3, 2), "conv2")
_add_shared("conv3", ConvLayer(256, 192, 13, 3), ("pool2_a", "pool2_b"))
_add_own("conv4", ConvLayer(192, 192, 13, 3), "conv3")
_add_own("conv5", ConvLayer(192, 128, 13, 3), "conv4")
_add_own("pool3", PoolingLayer(128, 6, 3, 2), "conv5")
NN.add("fc1", FCLayer(256, 4096, 6), prevs=("pool3_a", "pool3_b"))
NN.add("fc2", FCLayer(4096, 4096))
NN.add("fc3", FCLayer(4096, 1000))
