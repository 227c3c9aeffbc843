# SPDX-License-Identifier: BSD-3-Clause
"""VGG with 19 weighted layers (docs/model/workload.md section 6.6)."""

from .__builders import vgg

NN = vgg("VGG19", (2, 2, 4, 4, 4))
