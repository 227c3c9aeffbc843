# SPDX-License-Identifier: BSD-3-Clause
"""Pictures and reports of search results (docs/report.md)."""
