# SPDX-License-Identifier: BSD-3-Clause
"""The largest machines that the tools accept.

Decides how large a machine may be, on the command line and in files (docs/model/search.md section
7): so that the model's numbers do not lose precision, and a search can end.
"""

MAX_NODES = 65536
MAX_PES = 2**20
MAX_BYTES = 2**40
MAX_WORD_BITS = 1024
MAX_COST = 1e15
MAX_BYTES_PER_CYCLE = 1e15
MIN_BYTES_PER_CYCLE = 1e-9
