# SPDX-License-Identifier: BSD-3-Clause
"""Data categories of a layer: filters, input fmaps, output fmaps.

Decides the order in which every per-category tuple is indexed and ties are broken
(docs/model/hardware.md section 1).
"""

FIL = 0
"""Filters (weights)."""
IFM = 1
"""Input feature maps."""
OFM = 2
"""Output feature maps."""
NUM = 3
"""Number of data categories."""
