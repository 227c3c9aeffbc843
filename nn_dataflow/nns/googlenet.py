# SPDX-License-Identifier: BSD-3-Clause
"""GoogLeNet, without the pooling of its inception branches (docs/model/workload.md section 6.7)."""

from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.network import Network

NN = Network("GoogLeNet")


def _inception(module_id: str, sofm: int, widths: tuple[int, ...], prevs: list[str]) -> list[str]:
    """Add one inception module, and return the names of its four outputs.

    The widths are those of 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5 and pool_proj.
    """
    prefix = f"inception_{module_id}_"
    nifm = sum(NN[prev].nofm for prev in prevs)
    one, three_reduce, three, five_reduce, five, proj = widths
    NN.add(prefix + "1x1", ConvLayer(nifm, one, sofm, 1), prevs=prevs)
    NN.add(prefix + "3x3_reduce", ConvLayer(nifm, three_reduce, sofm, 1), prevs=prevs)
    NN.add(prefix + "3x3", ConvLayer(three_reduce, three, sofm, 3))
    NN.add(prefix + "5x5_reduce", ConvLayer(nifm, five_reduce, sofm, 1), prevs=prevs)
    NN.add(prefix + "5x5", ConvLayer(five_reduce, five, sofm, 5))
    NN.add(prefix + "pool_proj", ConvLayer(nifm, proj, sofm, 1), prevs=prevs)
    return [prefix + suffix for suffix in ("1x1", "3x3", "5x5", "pool_proj")]


NN.set_input_layer(InputLayer(3, 224))
NN.add("conv1", ConvLayer(3, 64, 112, 7, 2))
NN.add("pool1", PoolingLayer(64, 56, 3, 2))
NN.add("conv2_3x3_reduce", ConvLayer(64, 64, 56, 1))
NN.add("conv2_3x3", ConvLayer(64, 192, 56, 3))
NN.add("pool2", PoolingLayer(192, 28, 3, 2))

_outs = _inception("3a", 28, (64, 96, 128, 16, 32, 32), ["pool2"])
_outs = _inception("3b", 28, (128, 128, 192, 32, 96, 64), _outs)
NN.add("pool3", PoolingLayer(480, 14, 3, 2), prevs=_outs)

_outs = _inception("4a", 14, (192, 96, 208, 16, 48, 64), ["pool3"])
_outs = _inception("4b", 14, (160, 112, 224, 24, 64, 64), _outs)
_outs = _inception("4c", 14, (128, 128, 256, 24, 64, 64), _outs)
_outs = _inception("4d", 14, (112, 144, 288, 32, 64, 64), _outs)
_outs = _inception("4e", 14, (256, 160, 320, 32, 128, 128), _outs)
NN.add("pool4", PoolingLayer(832, 7, 3, 2), prevs=_outs)

_outs = _inception("5a", 7, (256, 160, 320, 32, 128, 128), ["pool4"])
_outs = _inception("5b", 7, (384, 192, 384, 48, 128, 128), _outs)
NN.add("pool5", PoolingLayer(1024, 1, 7), prevs=_outs)
NN.add("fc", FCLayer(1024, 1000))
