# SPDX-License-Identifier: BSD-3-Clause
"""How long formulations H and P take on the published layers, and how large their programs are.

Prints a table of whole solves (building, solving, decoding) in milliseconds, and the largest gap.
Run `python benchmarks/cosa_program.py` with the extra `[cosa]` installed.
"""

import gzip
import json
import time
from pathlib import Path

import numpy as np

from nn_dataflow.cosa import Architecture, Problem
from nn_dataflow.cosa.formulation import solve

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ROOT / "nn_dataflow" / "tests" / "data" / "cosa" / "problems.json.gz"


def main():
    items = json.loads(gzip.decompress(LAYERS.read_bytes()))["items"]
    layers = [Problem(row["dims"], row["stride"], row["dilation"], row["id"]) for row in items]
    solve(layers[0], Architecture.preset("simba16"), "H")  # imports the solver
    print("| machine, formulation | median | largest | columns | rows | gap |")
    print("|---|---|---|---|---|---|")
    for residency in ("even", "uneven"):
        for name in ("simba16", "simba64"):
            machine = Architecture.preset(name)
            for revision in "HP":
                times, sizes, gaps = [], [], []
                for layer in layers:
                    start = time.perf_counter()
                    solution = solve(layer, machine, revision, residency=residency)
                    times.append(1e3 * (time.perf_counter() - start))
                    sizes.append((solution.columns, solution.rows))
                    gaps.append(solution.gap)
                columns, rows = np.max(sizes, axis=0)
                what = f"{name}, {revision}" + ", uneven" * (residency == "uneven")
                print(
                    f"| {what} | {np.median(times):.0f} ms | {max(times):.0f} ms "
                    f"| {columns} | {rows} | {max(gaps):.0e} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
