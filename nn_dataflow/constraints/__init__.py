# SPDX-License-Identifier: BSD-3-Clause
"""Constraints on the search, in files and from Python: what is fixed, and what is forbidden.

`constraint_file` reads them; what they mean for the search is in `nn_dataflow.core.constraints`.
"""
