# SPDX-License-Identifier: BSD-3-Clause
r"""How far greedy searches are from the proven optimum, for all networks of the library.

On three machines (one node; 4x4 such nodes; 16x16 small nodes) and for three goals:

* exact: the search of this program, with what it proves;
* beam 1, beam 16: layer by layer, extending the best one or 16 schedules of the layers so far,
  which is what other tools do; each layer's schedules are those of the exact search;
* 2.1: the published nn_dataflow 2.1, where it finishes within ``--limit`` seconds; only with
  ``--original``. Its schedules are evaluated by this program, so that all are of one model.

Every search is a process of its own, one after another. With ``--results`` what was found is kept
in a file, and a later run does only what is missing there::

    python benchmarks/optimality.py --nets alex_net mlp_l --machines one
    python benchmarks/optimality.py --results optimality.json
    python benchmarks/optimality.py --results optimality.json --original --limit 60 --machines one
    python benchmarks/optimality.py --results optimality.json --no-search --write docs/optimality.md

Nothing is asserted. The exit status is 1 if a search failed, or if a schedule is known that is
below a bound that this program proved.
"""

import argparse
import dataclasses
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compare_nn_dataflow import (  # noqa: E402
    LARGE_NODES,
    SMALL_NODES,
    Machine,
    install,
    measure,
    progress,
)
from publication import (  # noqa: E402
    OutcomeFile,
    Table,
    add_inputs,
    add_limit,
    add_page,
    add_results,
    check_page,
    check_results,
    show,
    two_digits,
)

from nn_dataflow.core import data_category_enum as de  # noqa: E402
from nn_dataflow.core.layer import EltwiseLayer  # noqa: E402
from nn_dataflow.core.map_strategy import MapStrategyEyeriss  # noqa: E402
from nn_dataflow.core.nn_dataflow import NNDataflow  # noqa: E402
from nn_dataflow.nns import all_networks, import_network  # noqa: E402
from nn_dataflow.tools.nn_dataflow_search import describe  # noqa: E402
from nn_dataflow.tools.search_arguments import parse_arguments  # noqa: E402

SPLIT = ("--hybrid-partition", "--batch-partition", "--ifmaps-partition")
MACHINES: dict[str, tuple[tuple[int, int], Machine, tuple[str, ...]]] = {
    "one": ((1, 1), LARGE_NODES, ()),
    "4x4": ((4, 4), LARGE_NODES, SPLIT),
    "16x16": ((16, 16), SMALL_NODES, SPLIT),
}
GOALS = ("e", "d", "ed")
EXACT, BEAM, BEAMS, ORIGINAL = "exact", "beam 1", "beam 16", "2.1"
BEAM_SIZES = {BEAM: 1, BEAMS: 16}
PROGRAMS = (EXACT, BEAM, BEAMS, ORIGINAL)
# The release counts accesses of the array interconnect differently, so they cost nothing here.
ITCN_COST = 0.0
TIE = 1e-9


@dataclasses.dataclass(frozen=True)
class Case:
    """One search."""

    machine: str
    batch: int
    goal: str
    net: str
    program: str

    @property
    def name(self) -> str:
        """Key in the file of results."""
        return "/".join(str(value) for value in dataclasses.astuple(self))

    def arguments(self) -> list[str]:
        """Of this program and of the release."""
        nodes, machine, options = MACHINES[self.machine]
        return [
            *(self.net, "--batch", str(self.batch), "--nodes", *map(str, nodes)),
            *(*machine.arguments(ITCN_COST), *options, "--goal", self.goal),
        ]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a search found and took; value and bound are of the goal."""

    seconds: float  # CPU
    value: float | None = None
    bound: float | None = None
    finished: bool = True
    error: str | None = None


def value_of(goal: str, cost: float, cycles: float) -> float:
    """Value under a goal."""
    return {"e": cost, "d": cycles, "ed": cost * cycles}[goal]


def run(case: Case) -> Outcome:
    """Search with this program, in this process."""
    problem = describe(parse_arguments([*case.arguments(), "--processes", "1"]))
    machine = problem.machine
    begin = time.process_time()
    dataflow = NNDataflow(
        problem.network, problem.batch, machine.resource, machine.cost, MapStrategyEyeriss
    )
    bound = None
    if case.program == EXACT:
        found, _ = dataflow.schedule_search(problem.options)
        bound = dataflow.certificate and dataflow.certificate.lower_bound
    else:
        found = dataflow.beam_search(problem.options._replace(ntops=BEAM_SIZES[case.program]))
    seconds = time.process_time() - begin
    if not found:
        return Outcome(seconds, error=dataflow.failure or "no valid dataflow")
    return Outcome(seconds, value_of(case.goal, found[0].total_cost, found[0].total_time), bound)


def run_apart(case: Case) -> Outcome:
    """Search in a fresh process, which knows nothing of searches before."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(run, case).result()


def run_original(case: Case, program: Path, limit: float) -> Outcome:
    """Search with the release, and evaluate its schedule with this program."""
    made, output = measure([str(program), *case.arguments(), "-p", "1"], limit)
    if made.error or not made.finished:
        return Outcome(made.cpu, finished=made.finished, error=made.error)
    return evaluate(case, output, made.cpu)


def evaluate(case: Case, output: str, cpu: float) -> Outcome:
    """Evaluate what the release has printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        try:
            path.write_text(json.dumps(with_all_operands(json.loads(output), case.net)))
        except (ValueError, KeyError, TypeError) as error:
            return Outcome(cpu, error=f"no result in the output: {error!r}")
        command = [sys.executable, "-m", "nn_dataflow", "evaluate", str(path), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return Outcome(cpu, error=done.stderr.strip())
    ours = json.loads(done.stdout)
    return Outcome(cpu, value_of(case.goal, ours["total_cost"], ours["total_time"]))


def with_all_operands(result: dict[str, Any], net: str) -> dict[str, Any]:
    """Let element-wise layers read all operands; the release reads one (docs/differences.md M1)."""
    network = import_network(net)
    for name, (scheme, *_) in result["schedules"].items():
        layer = network[name]
        if isinstance(layer, EltwiseLayer):
            for sizes in scheme["unit_size"]:
                sizes[de.IFM] *= layer.nreg
    return result


class Results(OutcomeFile[Outcome]):
    """Outcomes by case, kept in a file if there is one."""

    def find(self, cases: Sequence[Case], program: Path | None, limit: float) -> None:
        """Do the searches that are missing, and save after each of them."""
        missing = [case for case in cases if case.name not in self.outcomes]
        for number, case in enumerate(missing, 1):
            progress(f"[{number}/{len(missing)}] {case.name}")
            if case.program != ORIGINAL:
                self.put(case.name, run_apart(case))
            elif program is not None:
                self.put(case.name, run_original(case, program, limit))


@dataclasses.dataclass(frozen=True)
class Row:
    """All programs on one network, machine and goal."""

    machine: str
    goal: str
    net: str
    outcomes: dict[str, Outcome]

    def above(self, program: str) -> str:
        """How far a program's schedule is above ours, in per cent."""
        one, exact = self.outcomes.get(program), self.outcomes.get(EXACT)
        if one is None or one.value is None or exact is None or not exact.value:
            return "-"
        ratio = one.value / exact.value
        return "0" if abs(ratio - 1) <= TIE else f"{100 * (ratio - 1):.3g}"

    def gap(self) -> str:
        """What is proven of ours: that it is the optimum, or how far above it at most."""
        exact = self.outcomes.get(EXACT)
        if exact is None or exact.value is None or exact.bound is None:
            return "-"
        gap = 1 - exact.bound / exact.value
        return "proven" if gap <= 0 else f"{100 * gap:.2g}"

    def seconds(self, program: str) -> str:
        """CPU time, or what the search came to instead."""
        one = self.outcomes.get(program)
        if one is None:
            return "-"
        if one.error:
            return "failed"
        return two_digits(one.seconds) if one.finished else f"> {one.seconds:.0f}"

    def wrong(self) -> list[str]:
        """Programs that found a schedule below the bound that is proven."""
        exact = self.outcomes.get(EXACT)
        bound = exact and exact.bound
        return [
            program
            for program, one in self.outcomes.items()
            if bound and one.value is not None and one.value < bound * (1 - TIE)
        ]

    def problems(self) -> list[str]:
        """What must not be: a bound that is wrong, or a search of this program that failed."""
        where = f"{self.machine}, {self.goal}, {self.net}"
        return [
            *(f"{where}: {program} is below the proven bound" for program in self.wrong()),
            *(
                f"{where}: {program} failed, {one.error}"
                for program, one in self.outcomes.items()
                if one.error and program != ORIGINAL
            ),
        ]


TITLES = (
    *("network", "gap, %", "beam 1, % above", "beam 16, % above", "2.1, % above"),
    *("exact, s", "beam 1, s", "beam 16, s", "2.1, s"),
)


def row_cells(row: Row) -> tuple[str, ...]:
    """All columns of a table."""
    return (
        *(row.net, row.gap(), *(row.above(program) for program in PROGRAMS[1:])),
        *(row.seconds(program) for program in PROGRAMS),
    )


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_inputs(parser, all_networks(), 16)
    parser.add_argument("--machines", nargs="+", default=[*MACHINES], choices=MACHINES)
    parser.add_argument("--goals", nargs="+", default=GOALS, choices=GOALS)
    add_results(parser)
    parser.add_argument("--original", action="store_true", help="run nn_dataflow 2.1, too")
    parser.add_argument(
        "--venv",
        metavar="DIR",
        type=Path,
        default=Path("nn_dataflow_2.1"),
        help="environment for 2.1, made if it is not there (default nn_dataflow_2.1)",
    )
    add_limit(parser, "each search of 2.1", 60)
    add_page(parser)
    args = parser.parse_args(argv)
    check_results(parser, args)
    check_page(parser, args)
    return args


def search_missing(results: Results, args: argparse.Namespace) -> None:
    """Do all searches that the arguments ask for and that have no result yet."""
    programs = (EXACT, *BEAM_SIZES, *((ORIGINAL,) if args.original else ()))
    cases = [
        Case(machine, args.batch, goal, net, program)
        for machine in args.machines
        for goal in args.goals
        for net in args.nets
        for program in programs
    ]
    original = install(args.venv, sys.executable) if args.original else None
    results.find(cases, original, args.limit)


def known_row(results: Results, machine: str, batch: int, goal: str, net: str) -> Row:
    """Row of those programs that have a result."""
    cases = [Case(machine, batch, goal, net, program) for program in PROGRAMS]
    known = {c.program: results.outcomes[c.name] for c in cases if c.name in results.outcomes}
    return Row(machine, goal, net, known)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    try:
        results = Results(args.results, Outcome)
    except ValueError as error:
        progress(f"--results: {error}")
        return 2
    if not args.no_search:
        search_missing(results, args)
    compared = {
        f"{machine} {goal}": [
            known_row(results, machine, args.batch, goal, net) for net in args.nets
        ]
        for machine in args.machines
        for goal in args.goals
    }
    problems = [text for rows in compared.values() for row in rows for text in row.problems()]
    for text in problems:
        progress(text)
    tables = [Table(name, TITLES, tuple(map(row_cells, rows))) for name, rows in compared.items()]
    written = show(tables, args.write)
    return int(bool(problems) or not written)


if __name__ == "__main__":
    sys.exit(main())
