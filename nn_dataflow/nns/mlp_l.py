# SPDX-License-Identifier: BSD-3-Clause
"""The large multi-layer perceptron for digits (docs/model/workload.md section 6.9)."""

from .__builders import mlp

NN = mlp("MLP-L", (784, 1500, 1000, 500, 10))
