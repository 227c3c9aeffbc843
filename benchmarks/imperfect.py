# SPDX-License-Identifier: BSD-3-Clause
"""Measure what blocks that do not divide their loops gain: `--imperfect` against without.

Every network of the library on the default machine of `nn_dataflow_search`, as one node and as 4x4
nodes, for least energy and for least time under a memory bandwidth that matters. Each search is
the one of the command line that its table names, in this process; the seconds are those of the
search alone. The tables are printed; with ``--write`` they also go into the page that explains
them::

    python benchmarks/imperfect.py                              # about half a minute
    python benchmarks/imperfect.py --only energy-1 --nets vgg_net alex_net
    python benchmarks/imperfect.py --write docs/imperfect.md

Nothing is asserted but that partial blocks are never worse: then the exit status is 1.
"""

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# The matrix products of a search are small: threads cost more at start than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from publication import (  # noqa: E402
    Table,
    add_inputs,
    add_page,
    amounts,
    check_page,
    four_significant,
    network_table,
    per_cent_above,
    relative,
    show,
    three_digits,
)

from nn_dataflow.core import MapStrategyEyeriss, NNDataflow  # noqa: E402
from nn_dataflow.nns import all_networks  # noqa: E402
from nn_dataflow.tools.nn_dataflow_search import describe  # noqa: E402
from nn_dataflow.tools.search_arguments import parse_arguments  # noqa: E402

NODES = ("--nodes", "4", "4", "--hybrid-partition")
EQUAL = 1e-9


@dataclasses.dataclass(frozen=True)
class Case:
    """Options of the command line, the goal among them."""

    options: tuple[str, ...]
    quantity: str  # what is least, with the unit that it is shown in
    scale: float

    def command(self) -> str:
        """As one would type it."""
        return f"nn_dataflow_search NET {' '.join(self.options)} [--imperfect]"


CASES = {
    "energy-1": Case(("-g", "e"), "G units", 1e-9),
    "energy-16": Case((*NODES, "-g", "e"), "G units", 1e-9),
    "time-1": Case(("--dram-bw", "1", "-g", "d"), "Mcycles", 1e-6),
    "time-16": Case((*NODES, "--dram-bw", "8", "-g", "d"), "Mcycles", 1e-6),
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The value of the goal of the best schedule, whether it is proven, and the search's time."""

    value: float
    optimal: bool
    seconds: float


def search(net: str, batch: int, options: Sequence[str]) -> Outcome:
    """Search as the command line does, with one process."""
    arguments = parse_arguments([net, "--batch", str(batch), "-p", "1", *options])
    problem = describe(arguments)
    machine = problem.machine
    begin = time.process_time()
    dataflow = NNDataflow(
        problem.network, problem.batch, machine.resource, machine.cost, MapStrategyEyeriss
    )
    schemes, _ = dataflow.schedule_search(problem.options)
    seconds = time.process_time() - begin
    if not schemes or dataflow.certificate is None:
        raise RuntimeError(f"{net}: no valid dataflow; {dataflow.failure}")
    best = schemes[0]
    value = best.total_time if problem.options.opt_goal == "d" else best.total_cost
    return Outcome(value, dataflow.certificate.is_optimal, seconds)


def compared(name: str, nets: Sequence[str], batch: int) -> tuple[Table, bool]:
    """Make the table of a case; say whether partial blocks were never worse."""
    case = CASES[name]
    full = [search(net, batch, case.options) for net in nets]
    partial = [search(net, batch, (*case.options, "--imperfect")) for net in nets]
    pairs = list(zip(full, partial, strict=True))
    gains = [one.value / other.value for one, other in pairs]
    proven = [float(one.optimal and other.optimal) for one, other in pairs]
    columns = (
        amounts(
            f"full blocks, {case.quantity}", [o.value * case.scale for o in full], four_significant
        ),
        amounts(
            f"partial, {case.quantity}", [o.value * case.scale for o in partial], four_significant
        ),
        relative("full, % above partial", gains, per_cent_above),
        amounts("both proven least", proven, lambda value: "yes" if value else "no"),
        amounts("search, s", [o.seconds for o in full], three_digits),
        amounts("search of partial, s", [o.seconds for o in partial], three_digits),
    )
    return network_table(name, nets, columns), all(gain >= 1 - EQUAL for gain in gains)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    add_inputs(parser, all_networks(), 16)
    parser.add_argument(
        "--only",
        metavar="CASE",
        nargs="+",
        choices=CASES,
        default=tuple(CASES),
        help=f"which tables (default: {' '.join(CASES)})",
    )
    add_page(parser)
    args = parser.parse_args(argv)
    check_page(parser, args)
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    for name in args.only:
        print(f"{name}: {CASES[name].command()} --batch {args.batch}")
    print()
    made = [compared(name, args.nets, args.batch) for name in args.only]
    if not show([table for table, _ in made], args.write):
        return 2
    return 0 if all(never_worse for _, never_worse in made) else 1


if __name__ == "__main__":
    sys.exit(main())
