# SPDX-License-Identifier: BSD-3-Clause
"""One time step of Show and Tell: one LSTM cell (docs/model/workload.md section 6.11)."""

from nn_dataflow.core.layer import EltwiseLayer, InputLayer
from nn_dataflow.core.network import Network

from . import add_lstm_cell

NN = Network("ShowTell")
NN.set_input_layer(InputLayer(512, 1))
add_lstm_cell(NN, "cell", 512, NN.INPUT_LAYER_KEY)
NN.add("Wd", EltwiseLayer(512, 1, 1), prevs="cell_hout")
