# SPDX-License-Identifier: BSD-3-Clause
"""Builders shared by the networks of one family: ResNet, VGG, and perceptrons.

Decides the layers of each family from the few numbers in which its members differ
(docs/model/workload.md sections 6.6, 6.8 and 6.9).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.network import Network

if TYPE_CHECKING:
    from collections.abc import Sequence


def mlp(net_name: str, widths: Sequence[int]) -> Network:
    """Return a chain of fully-connected layers.

    Parameters
    ----------
    net_name : str
        Display name.
    widths : sequence of int
        Number of inputs, then of outputs of each layer.
    """
    network = Network(net_name)
    network.set_input_layer(InputLayer(widths[0], 1))
    for index, (nifm, nofm) in enumerate(pairwise(widths), start=1):
        network.add(f"fc{index}", FCLayer(nifm, nofm))
    return network


def vgg(net_name: str, stage_convs: Sequence[int]) -> Network:
    """Return a VGG: five stages of 3×3 convolutions and a pooling, then three FC layers.

    Parameters
    ----------
    net_name : str
        Display name.
    stage_convs : sequence of int
        Number of convolutions of each stage.
    """
    network = Network(net_name)
    network.set_input_layer(InputLayer(3, 224))
    nifm, sofm, index = 3, 224, 1
    for stage, (nofm, convs) in enumerate(
        zip((64, 128, 256, 512, 512), stage_convs, strict=True), start=1
    ):
        for _ in range(convs):
            network.add(f"conv{index}", ConvLayer(nifm, nofm, sofm, 3))
            nifm, index = nofm, index + 1
        sofm //= 2
        network.add(f"pool{stage}", PoolingLayer(nofm, sofm, 2))
    network.add("fc1", FCLayer(512, 4096, 7))
    network.add("fc2", FCLayer(4096, 4096))
    network.add("fc3", FCLayer(4096, 1000))
    return network


def resnet(net_name: str, stage_blocks: Sequence[int]) -> Network:
    """Return a residual network of bottleneck blocks, strided in their first 1×1 convolution.

    Parameters
    ----------
    net_name : str
        Display name.
    stage_blocks : sequence of int
        Number of blocks of each of the four stages.
    """
    network = Network(net_name)
    network.set_input_layer(InputLayer(3, 224))
    network.add("conv1", ConvLayer(3, 64, 112, 7, 2))
    network.add("pool1", PoolingLayer(64, 56, 3, 2))
    entry = "pool1"
    for stage, blocks in enumerate(stage_blocks, start=2):
        entry = _resnet_stage(network, stage, blocks, entry)
    network.add("pool5", PoolingLayer(2048, 1, 7))
    network.add("fc", FCLayer(2048, 1000))
    return network


def _resnet_stage(network: Network, stage: int, blocks: int, entry: str) -> str:
    """Add one stage fed by the layer ``entry``, and return the name of its last layer."""
    sofm = 224 >> stage
    inner, outer = 16 << stage, 64 << stage
    strd = 1 if stage == 2 else 2  # the pooling before stage 2 has halved the fmaps already
    shortcut = entry
    for block in range(blocks):
        name = f"conv{stage}_{block}"
        nifm, block_strd = (outer, 1) if block else (network[entry].nofm, strd)
        network.add(f"{name}_a", ConvLayer(nifm, inner, sofm, 1, block_strd))
        network.add(f"{name}_b", ConvLayer(inner, inner, sofm, 3))
        network.add(f"{name}_c", ConvLayer(inner, outer, sofm, 1))
        if not block:
            shortcut = f"conv{stage}_br"
            network.add(shortcut, ConvLayer(nifm, outer, sofm, 1, strd), prevs=entry)
        network.add(f"{name}_res", EltwiseLayer(outer, sofm, 2), prevs=(shortcut, f"{name}_c"))
        shortcut = f"{name}_res"
    return shortcut
