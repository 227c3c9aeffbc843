# SPDX-License-Identifier: BSD-3-Clause
"""VGG with 16 weighted layers (docs/model/workload.md section 6.6)."""

from .__builders import vgg

NN = vgg("VGG", (2, 2, 3, 3, 3))
