# SPDX-License-Identifier: BSD-3-Clause
"""Tests, in the shape of the package."""
