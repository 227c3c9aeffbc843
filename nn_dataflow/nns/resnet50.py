# SPDX-License-Identifier: BSD-3-Clause
"""ResNet-50, strided in the 1×1 convolutions (docs/model/workload.md section 6.8)."""

from .__builders import resnet

NN = resnet("ResNet", (3, 4, 6, 3))
