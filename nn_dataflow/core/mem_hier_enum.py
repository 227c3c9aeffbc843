# SPDX-License-Identifier: BSD-3-Clause
"""Levels of the memory hierarchy, outermost first: DRAM, GBUF, ITCN, REGF.

Decides the order in which every per-level tuple is indexed, such as the access costs and the
access counts (docs/model/hardware.md section 1).
"""

DRAM = 0
"""Off-chip memory, reached over the NoC; an access moves one word to or from a node."""
GBUF = 1
"""Global buffer of a node; an access moves one word to or from the PE array."""
ITCN = 2
"""PE-array interconnect of a node; an access delivers one word to, or takes it from, one PE."""
REGF = 3
"""Register file of a PE; an access reads or writes one word for an operation."""
NUM = 4
"""Number of levels."""
