# SPDX-License-Identifier: BSD-3-Clause
"""ZFNet (docs/model/workload.md section 6.5)."""

from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.network import Network

NN = Network("ZFNet")
NN.set_input_layer(InputLayer(3, 224))
NN.add("conv1", ConvLayer(3, 96, 110, 7, 2))
NN.add("pool1", PoolingLayer(96, 55, 3, 2))
NN.add("conv2", ConvLayer(96, 256, 26, 5, 2))
NN.add("pool2", PoolingLayer(256, 13, 3, 2))
NN.add("conv3", ConvLayer(256, 512, 13, 3))
NN.add("conv4", ConvLayer(512, 1024, 13, 3))
NN.add("conv5", ConvLayer(1024, 512, 13, 3))
NN.add("pool3", PoolingLayer(512, 6, 3, 2))
NN.add("fc1", FCLayer(512, 4096, 6))
NN.add("fc2", FCLayer(4096, 4096))
NN.add("fc3", FCLayer(4096, 1000))
