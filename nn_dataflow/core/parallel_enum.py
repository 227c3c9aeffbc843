# SPDX-License-Identifier: BSD-3-Clause
"""Kinds of parallelism over nodes: output channels, output fmap, batch, input channels.

Decides the order in which partition dimensions are indexed and ties are broken
(docs/model/hardware.md section 1).
"""

OUTP = 0
"""Output channels are split."""
OFMP = 1
"""The two-dimensional output fmap is split, height and width separately."""
BATP = 2
"""The batch is split."""
INPP = 3
"""Input channels are split; partial sums must be merged."""
NUM = 4
"""Number of parallelism kinds."""
