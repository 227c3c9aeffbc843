# SPDX-License-Identifier: BSD-3-Clause
"""Command line tools: argument parsing and printing, around one call into the packages."""
