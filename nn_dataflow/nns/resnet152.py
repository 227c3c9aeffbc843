# SPDX-License-Identifier: BSD-3-Clause
"""ResNet-152, strided in the 1×1 convolutions (docs/model/workload.md section 6.8)."""

from .__builders import resnet

NN = resnet("ResNet", (3, 8, 36, 3))
