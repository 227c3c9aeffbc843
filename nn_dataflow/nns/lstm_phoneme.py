# SPDX-License-Identifier: BSD-3-Clause
"""One time step of phoneme recognition: an LSTM cell of width 140 between two projections.

See docs/model/workload.md section 6.11.
"""

from nn_dataflow.core.layer import FCLayer, InputLayer
from nn_dataflow.core.network import Network

from . import add_lstm_cell

NN = Network("PHONEME")
NN.set_input_layer(InputLayer(26, 1))
NN.add("We", FCLayer(26, 140))
add_lstm_cell(NN, "cell", 140, "We")
NN.add("Wd", FCLayer(140, 61), prevs="cell_hout")
