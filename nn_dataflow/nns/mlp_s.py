# SPDX-License-Identifier: BSD-3-Clause
"""The small multi-layer perceptron for digits (docs/model/workload.md section 6.9)."""

from .__builders import mlp

NN = mlp("MLP-S", (784, 500, 250, 10))
