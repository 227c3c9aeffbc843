# SPDX-License-Identifier: BSD-3-Clause
"""The medium multi-layer perceptron for digits (docs/model/workload.md section 6.9)."""

from .__builders import mlp

NN = mlp("MLP-M", (784, 1000, 500, 250, 10))
