# SPDX-License-Identifier: BSD-3-Clause
"""Loops of a layer that are blocked and ordered: input channels, output channels, batch.

Decides the order in which every per-loop tuple is indexed and ties are broken
(docs/model/hardware.md section 1).
"""

IFM = 0
"""Loop over input channels."""
OFM = 1
"""Loop over output channels."""
BAT = 2
"""Loop over the batch."""
NUM = 3
"""Number of loops."""
