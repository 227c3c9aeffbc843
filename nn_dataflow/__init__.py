# SPDX-License-Identifier: BSD-3-Clause
"""Find how a neural network should run on a tiled accelerator, and how good that answer is."""
