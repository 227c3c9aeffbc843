# SPDX-License-Identifier: BSD-3-Clause
"""One time step of GNMT: four LSTM cells of width 1000 (docs/model/workload.md section 6.11)."""

from nn_dataflow.core.layer import EltwiseLayer, InputLayer
from nn_dataflow.core.network import Network

from . import add_lstm_cell

NN = Network("GNMT")
NN.set_input_layer(InputLayer(1000, 1))

_out = NN.INPUT_LAYER_KEY
for _level in range(4):
    _, _out = add_lstm_cell(NN, f"cell_l{_level}", 1000, _out)

NN.add("Wd", EltwiseLayer(1000, 1, 1), prevs=_out)
