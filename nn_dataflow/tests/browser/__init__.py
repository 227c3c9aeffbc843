# SPDX-License-Identifier: BSD-3-Clause
"""Tests that need a browser; run with ``-m browser``."""
