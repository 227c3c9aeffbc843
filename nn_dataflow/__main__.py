# SPDX-License-Identifier: BSD-3-Clause
"""`python -m nn_dataflow`: the program `nn_dataflow`, from a checkout or installed."""

import sys

from nn_dataflow.tools.main import main

if __name__ == "__main__":
    sys.exit(main())
