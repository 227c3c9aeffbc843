# SPDX-License-Identifier: BSD-3-Clause
"""Compare this program with the published nn_dataflow 2.1, side by side on the same cases.

The published release is installed once into an environment of its own; then both programs are run
alternately, one process each, and every run is measured as a whole process: CPU time (user and
system), wall time and peak memory of exactly that process. The script prints one table of time and
memory, one table of the schedules found, and the geometric mean of each group beside its target::

    python benchmarks/compare_nn_dataflow.py --only short          # about a minute
    python benchmarks/compare_nn_dataflow.py --only sharing pipeline
    python benchmarks/compare_nn_dataflow.py --json results.json   # all groups but "large"

The group ``large`` is a case that the release does not finish in any reasonable time; its time is
recorded as a lower bound. It takes the whole time limit, and so runs only if ``--only`` names it.

Nothing is asserted: a figure that misses its target is printed as it is. The exit status is 1 if
this program failed on a case, and 0 otherwise.

The release counts accesses of the array interconnect (ITCN) differently, so both programs run with
an ITCN cost of 0 unless ``--itcn-cost`` says otherwise, and the schedules found are comparable.
What else differs in the numbers is in ``docs/differences.md``; a note beside a case says which
difference it meets.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "nn_dataflow" / "tools" / "nn_dataflow_search.py"
PACKAGES = ("nn-dataflow==2.1", "sympy<1.5")

EQUAL = 1e-9  # relative difference of two goal values that counts as equal
MAX_START_RATIO = 2.0

NOTE_ELTWISE = "M1: the release reads one operand of an element-wise layer"
NOTE_HOPS = "M3: the release's hop counts can be too low or too high"
NOTE_PIPELINE = "S4, S7: the release drops pipelines without a valid bound"


@dataclasses.dataclass(frozen=True)
class Machine:
    """Nodes of one kind, and their costs but that of an ITCN access (see ``--itcn-cost``)."""

    node: tuple[str, ...]  # options that describe a node, its memory bandwidth and its unit costs
    costs: tuple[float, float, float]  # of a word accessed in DRAM, GBUF and REGF

    def arguments(self, itcn_cost: float) -> list[str]:
        """Options of both programs that describe this machine but for the number of nodes."""
        dram, gbuf, regf = (f"{cost:g}" for cost in self.costs)
        return [*self.node, "--hier-cost", dram, gbuf, f"{itcn_cost:g}", regf]


# Costs in energies of a MAC operation.
LARGE_NODES = Machine(("--array", "16", "16", "--regf", "512", "--gbuf", "131072"), (200, 6, 1))
# Many small nodes, as published with later work of TANGRAM's authors (KAPLA); costs in pJ. The
# source gives no unit of the bandwidth: taken as bytes per cycle.
SMALL_NODE = (
    *("--array", "8", "8", "--regf", "64", "--bus-width", "128", "--dram-bw", "51.2"),
    *("--op-cost", "0.9984", "--hop-cost", "9.76", "--unit-idle-cost", "1272.9"),
)
SMALL_COSTS = (401.89, 2.8325, 0.09409)
SMALL_NODES = Machine((*SMALL_NODE, "--gbuf", "32768"), SMALL_COSTS)


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases that share targets: the geometric mean of original time over ours, and the memory."""

    name: str
    title: str
    target: float | None
    max_memory: float | None = None  # largest ratio of our peak memory over the original's
    checks_start: bool = False
    by_default: bool = True  # false: runs only if asked for by name


GROUPS = {
    group.name: group
    for group in (
        Group("one-node", "one node, exhaustive, batch 16", 400, max_memory=2),
        Group("batches", "one node, exhaustive, other batches", None, max_memory=2),
        Group("hybrid", "hybrid partitioning, exhaustive", 300),
        Group("solver", "hybrid partitioning, bypass solver, batch 16", 25),
        Group("short", "short: process start dominates", None, checks_start=True),
        Group("sharing", "shared buffers, exhaustive", None, max_memory=1),
        Group("pipeline", "pipelines of layers", None, max_memory=1),
        Group("large", "everything, 16x16 nodes", None, max_memory=1, by_default=False),
    )
}
# What TANGRAM adds has one target, over all of its cases that are run.
TANGRAM_GROUPS = ("sharing", "pipeline", "large")
TANGRAM_TARGET = 60


@dataclasses.dataclass(frozen=True)
class Case:
    """One search that both programs run: its group, network, batch size, nodes and options."""

    group: str
    net: str
    batch: int
    nodes: tuple[int, int] = (1, 1)
    options: tuple[str, ...] = ()
    slow: bool = True  # the original takes more than about five seconds
    machine: Machine = LARGE_NODES

    @property
    def name(self) -> str:
        """For ``--case`` and the tables, such as ``hybrid/vgg_net-b4-2x2``."""
        height, width = self.nodes
        return f"{self.group}/{self.net}-b{self.batch}-{height}x{width}"

    @property
    def note(self) -> str:
        """Differences between the two models that this case meets."""
        notes = []
        if self.net.startswith(("resnet", "lstm")):
            notes.append(NOTE_ELTWISE)
        if "--hybrid-partition" in self.options:
            notes.append(NOTE_HOPS)
        if "--interlayer-partition" in self.options:
            notes.append(NOTE_PIPELINE)
        return "; ".join(notes)

    def arguments(self, itcn_cost: float) -> list[str]:
        """Command line of both programs, without the program itself."""
        height, width = self.nodes
        return [
            *(self.net, "--batch", str(self.batch), "--nodes", str(height), str(width)),
            *self.machine.arguments(itcn_cost),
            *self.options,
            *("-p", "1"),
        ]


HYBRID = ("--hybrid-partition",)
SOLVER = ("--hybrid-partition", "--solve-loopblocking")
SHARING = ("--hybrid-partition", "--enable-gbuf-sharing")
# Spatial and temporal: layers side by side on the nodes, and one after another on the same nodes.
PIPELINE = ("--hybrid-partition", "--interlayer-partition", "--enable-save-writeback")
# The solver cannot keep data on chip from one layer to the next, so its pipelines are spatial.
SOLVER_PIPELINE = (*SOLVER, "--interlayer-partition", "--layer-pipeline-max-degree", "4")
EVERYTHING = (
    *("--disable-bypass", "i", "o", "f"),
    *("--hybrid-partition", "--batch-partition", "--ifmaps-partition"),
    *("--enable-gbuf-sharing", "--enable-save-writeback"),
    *("--interlayer-partition", "--layer-pipeline-max-degree", "5"),
)
CASES = (
    *(Case("one-node", net, 16) for net in ("alex_net", "vgg_net", "resnet50", "googlenet")),
    *(Case("batches", "alex_net", batch, slow=batch > 1) for batch in (1, 4, 64)),
    *(
        Case("hybrid", net, 4, nodes, HYBRID)
        for nodes in ((2, 2), (4, 4))
        for net in ("alex_net", "vgg_net")
    ),
    Case("hybrid", "vgg_net", 16, (4, 4), HYBRID),
    *(Case("solver", net, 16, (4, 4), SOLVER) for net in ("vgg_net", "resnet50", "googlenet")),
    *(Case("short", net, 16, slow=False) for net in ("mlp_s", "lstm_phoneme")),
    *(Case("short", net, 16) for net in ("mlp_m", "mlp_l")),
    *(Case("sharing", net, 16, (2, 2), SHARING) for net in ("alex_net", "mlp_l")),
    Case("pipeline", "alex_net", 4, (4, 4), PIPELINE),
    Case("pipeline", "alex_net", 16, (4, 4), PIPELINE),
    Case("pipeline", "vgg_net", 4, (4, 4), PIPELINE),
    *(Case("pipeline", net, 16, (4, 4), SOLVER_PIPELINE) for net in ("googlenet", "resnet50")),
    Case("large", "alex_net", 64, (16, 16), EVERYTHING, machine=SMALL_NODES),
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What one process took, and the goal values it printed (none if it printed no result)."""

    cpu: float  # seconds, user and system
    wall: float  # seconds
    peak: float  # MiB
    finished: bool  # false: stopped at the time limit
    error: str | None = None
    cost: float | None = None
    cycles: float | None = None
    version: str | None = None


@dataclasses.dataclass(frozen=True)
class Summary:
    """Medians over the runs of one program on one case."""

    runs: int
    cpu: float
    wall: float
    peak: float
    finished: bool
    error: str | None
    cost: float | None
    cycles: float | None
    version: str | None


@dataclasses.dataclass(frozen=True)
class Result:
    """Both programs on one case."""

    case: Case
    original: Summary
    ours: Summary

    @property
    def speedup(self) -> float | None:
        """CPU time of the original over ours; a lower bound if the original did not finish."""
        if self.original.error or self.ours.error or not self.ours.finished:
            return None
        return self.original.cpu / self.ours.cpu

    @property
    def goal_ratio(self) -> float | None:
        """Cost of our schedule over the cost of the original's (the goal is energy)."""
        if self.original.cost is None or self.ours.cost is None:
            return None
        return self.ours.cost / self.original.cost if self.original.cost else math.nan

    @property
    def verdict(self) -> str:
        """Whether our schedule is better or worse under the goal."""
        ratio = self.goal_ratio
        if ratio is None:
            return "-"
        if abs(ratio - 1) <= EQUAL:
            return "equal"
        return "better" if ratio < 1 else "worse"

    def record(self) -> dict[str, Any]:
        """One entry of the JSON file."""
        return {
            "case": self.case.name,
            **dataclasses.asdict(self.case),
            "note": self.case.note or None,
            "original": dataclasses.asdict(self.original),
            "ours": dataclasses.asdict(self.ours),
            "speedup": self.speedup,
            "speedup_is_lower_bound": not self.original.finished,
            "goal_ratio": self.goal_ratio,
            "verdict": self.verdict,
        }


def measure(command: Sequence[str], timeout: float) -> tuple[Run, str]:
    """Run a command to its end or to the time limit; its resources and its standard output.

    ``wait4`` reports the resources of exactly this child. Linux counts the memory of the parent at
    the fork into the peak of the child, so this script imports nothing large (it needs about 20 MB,
    less than any program it measures).
    """
    unwanted = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}  # both run compiled, as users have them
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    environment["PYTHONHASHSEED"] = "0"  # the original breaks some ties by hash order
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=folder, env=environment, start_new_session=True
        )
        stopped = threading.Event()

        def kill() -> None:
            """End the process and those that it started."""
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        def stop() -> None:
            stopped.set()
            kill()

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            kill()
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output = out.read().decode()
        messages = err.read().decode().strip().splitlines()
    finished = not (stopped.is_set() and process.returncode < 0)
    error = None
    if finished and process.returncode:
        error = f"exit status {process.returncode}: {messages[-1] if messages else 'no message'}"
    run = Run(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=wall,
        peak=usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        finished=finished,
        error=error,
    )
    return run, output


def search(command: Sequence[str], timeout: float) -> Run:
    """Run one search and read the goal values from the JSON on its standard output."""
    run, output = measure(command, timeout)
    if run.error or not run.finished:
        return run
    try:
        values = json.loads(output)
        return dataclasses.replace(
            run,
            cost=values["total_cost"],
            cycles=values["total_time"],
            version=values.get("version"),
        )
    except (ValueError, KeyError, TypeError) as error:
        return dataclasses.replace(run, error=f"no result in the output: {error!r}")


def summarise(runs: Sequence[Run]) -> Summary:
    """Medians; a run that failed or was stopped stands for all of them."""
    bad = [run for run in runs if run.error or not run.finished]
    shown = bad[-1:] or list(runs)
    return Summary(
        runs=len(runs),
        cpu=statistics.median(run.cpu for run in shown),
        wall=statistics.median(run.wall for run in shown),
        peak=statistics.median(run.peak for run in shown),
        finished=shown[-1].finished,
        error=shown[-1].error,
        cost=shown[-1].cost,
        cycles=shown[-1].cycles,
        version=shown[-1].version,
    )


def interleave(first: int, second: int) -> Iterator[int]:
    """Order of ``first`` runs of program 0 and ``second`` runs of program 1, spread evenly.

    A machine that gets slower or faster meanwhile then treats both alike.

    >>> list(interleave(3, 3))
    [0, 1, 0, 1, 0, 1]
    >>> list(interleave(1, 5))
    [1, 1, 0, 1, 1, 1]
    """
    places = [((i + 0.5) / first, 0) for i in range(first)]
    places += [((i + 0.5) / second, 1) for i in range(second)]
    for _, program in sorted(places):
        yield program


def compare(case: Case, commands: tuple[list[str], list[str]], args: argparse.Namespace) -> Result:
    """Run both programs alternately on one case."""
    arguments = case.arguments(args.itcn_cost)
    counts = (args.runs or (1 if case.slow else 3), args.runs or 5)
    runs: tuple[list[Run], list[Run]] = ([], [])
    for program in interleave(*counts):
        if any(run.error or not run.finished for run in runs[program]):
            continue  # it would fail, or reach the limit, again
        runs[program].append(search([*commands[program], *arguments], args.timeout))
    return Result(case, summarise(runs[0]), summarise(runs[1]))


def install(folder: Path, python: str) -> Path:
    """Path of the original's program, installed into ``folder`` unless it is there already.

    The path is absolute, as `measure` runs a program in a folder of its own.
    """
    program = folder.absolute() / "bin" / "nn_dataflow_search"
    if program.exists():
        return program
    progress(f"installing {' and '.join(PACKAGES)} into {folder}")
    if python == sys.executable:
        venv.create(folder, with_pip=True)
    else:
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES]
    subprocess.run(pip, check=True)
    return program


def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def seconds(summary: Summary, value: float) -> str:
    if summary.error:
        return "failed"
    return f"{'' if summary.finished else '> '}{value:.2f}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text: the first one aligned left, the others right."""
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    lines = []
    for row in [titles, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def speed_row(result: Result) -> list[str]:
    original, ours = result.original, result.ours
    speedup = result.speedup
    bound = "" if original.finished else "> "
    return [
        result.case.name,
        seconds(original, original.cpu),
        seconds(ours, ours.cpu),
        "-" if speedup is None else f"{bound}{speedup:.1f}",
        seconds(original, original.wall),
        seconds(ours, ours.wall),
        f"{original.peak:.0f}",
        f"{ours.peak:.0f}",
    ]


def goal_row(result: Result) -> list[str]:
    def number(value: float | None, style: str) -> str:
        return "-" if value is None else format(value, style)

    original, ours = result.original, result.ours
    return [
        result.case.name,
        number(original.cost, ".9e"),
        number(ours.cost, ".9e"),
        number(result.goal_ratio, ".9f"),
        result.verdict,
        number(original.cycles, ".0f"),
        number(ours.cycles, ".0f"),
    ]


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers.

    >>> round(geometric_mean([2, 8]), 12)
    4.0
    """
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def speed_line(what: str, results: Sequence[Result], target: float | None) -> Iterator[str]:
    """Geometric mean of the time ratio beside its target; nothing if there is no ratio."""
    speedups = [result.speedup for result in results if result.speedup is not None]
    if speedups:
        bound = "" if all(result.original.finished for result in results) else "> "
        aim = f"target {target:g}" if target else "no target"
        mean = f"{bound}{geometric_mean(speedups):.1f}"
        yield f"{what}: geometric mean of the time ratio {mean}, {aim}"


def group_lines(results: Sequence[Result], start: Run | None) -> Iterator[str]:
    """One line per group and target: the figure measured, and the target beside it."""

    def chosen(names: Collection[str]) -> tuple[list[Result], str]:
        members = [result for result in results if result.case.group in names]
        total = sum(case.group in names for case in CASES)
        return members, f"{len(members)} of {total} cases"

    for group in GROUPS.values():
        members, count = chosen([group.name])
        if not members:
            continue
        what = f"{group.title} ({count})"
        yield from speed_line(what, members, group.target)
        peaks = [r.ours.peak / r.original.peak for r in members if r.speedup is not None]
        if group.max_memory is not None and peaks:
            ratio = max(peaks)
            yield f"{what}: largest peak memory ratio {ratio:.2f}, target {group.max_memory:g}"
        if group.checks_start and start is not None:
            slowest = max(members, key=lambda result: result.ours.cpu)
            ours = slowest.ours
            yield (
                f"{what}: slowest {slowest.case.name}, {ours.cpu:.3f} s CPU ({ours.wall:.3f} s "
                f'wall); python -c "import numpy" {start.cpu:.3f} s ({start.wall:.3f} s wall); '
                f"ratio {ours.cpu / start.cpu:.2f} ({ours.wall / start.wall:.2f} wall), "
                f"target {MAX_START_RATIO:g}"
            )
    members, count = chosen(TANGRAM_GROUPS)
    yield from speed_line(f"{', '.join(TANGRAM_GROUPS)} ({count})", members, TANGRAM_TARGET)


def report(results: Sequence[Result], start: Run | None) -> str:
    """Return the two tables, the groups and the notes, as printed."""
    speed = ["case", "original CPU s", "ours CPU s", "ratio", "original wall s", "ours wall s"]
    speed += ["original MiB", "ours MiB"]
    goal = ["case", "original cost", "ours cost", "ours/original", "verdict"]
    goal += ["original cycles", "ours cycles"]
    parts = [table(speed, [speed_row(result) for result in results])]
    parts.append(table(goal, [goal_row(result) for result in results]))
    parts.append("\n".join(group_lines(results, start)))
    notes = [f"{r.case.name}: {r.case.note}" for r in results if r.case.note]
    for result in results:
        for program, summary in (("original", result.original), ("ours", result.ours)):
            if summary.error:
                notes.append(f"{result.case.name}: {program} failed, {summary.error}")
    parts.append("\n".join(notes))
    return "\n\n".join(part for part in parts if part)


def write_json(
    path: Path, results: Sequence[Result], start: Run | None, args: argparse.Namespace
) -> None:
    """Write all results so far; the file is replaced at once or not at all."""
    record = {
        "machine": {
            "platform": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cpu_count": os.cpu_count(),
            "python": platform.python_version(),
        },
        "options": {
            "itcn_cost": args.itcn_cost,
            "timeout": args.timeout,
            "runs": args.runs,
            "python": args.python,
        },
        "import_numpy": start and dataclasses.asdict(start),
        "cases": [result.record() for result in results],
        "groups": list(group_lines(results, start)),
    }
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(record, indent=2) + "\n")
    temporary.replace(path)


def number_above(limit: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Type of a command line option that must be a number above (or, for costs, at) a limit."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
        if not limit <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} must be a finite number from {limit:g} up")
        return value

    return convert


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument(
        "--only",
        metavar="GROUP",
        nargs="+",
        choices=GROUPS,
        help=f"only these groups, of {', '.join(GROUPS)} (default: all but large)",
    )
    parser.add_argument(
        "--case", metavar="REGEX", default="", help="only cases with a name like this"
    )
    parser.add_argument(
        "--runs",
        metavar="N",
        type=number_above(1, int),
        help="runs of both programs; default: 5 of ours, of the original 3 or, if slow, 1",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=number_above(0.001, float),
        default=600.0,
        help="wall time limit of one run (default 600)",
    )
    parser.add_argument(
        "--itcn-cost",
        metavar="X",
        type=number_above(0, float),
        default=0.0,
        help="cost of one ITCN access in both programs (default 0: see above)",
    )
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter of ours (default: the one running)"
    )
    parser.add_argument(
        "--venv",
        metavar="DIR",
        type=Path,
        default=ROOT / "benchmarks" / ".venv",
        help="environment of the original, made if missing (default benchmarks/.venv)",
    )
    parser.add_argument(
        "--venv-python",
        metavar="PYTHON",
        default=sys.executable,
        help="interpreter to make it with; known to work: 3.11 (default: the one running)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results here, too")
    args = parser.parse_args(argv)
    try:
        pattern = re.compile(args.case)
    except re.error as error:
        parser.error(f"--case: {args.case!r} is no regular expression: {error}")
    groups = args.only or [group.name for group in GROUPS.values() if group.by_default]
    args.cases = [case for case in CASES if case.group in groups and pattern.search(case.name)]
    if not args.cases:
        parser.error(
            f"--case: no case of the groups {', '.join(groups)} has a name like {args.case!r}; "
            "--list prints them"
        )
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"--json: no folder {args.json.parent}")
    return args


def warm_up(commands: tuple[list[str], list[str]], args: argparse.Namespace) -> str | None:
    """Run both programs once, so that compiled files exist; the reason if one does not work."""
    case = next(case for case in CASES if case.name.startswith("short/mlp_s"))
    for name, command in zip(("the original", "this program"), commands, strict=True):
        run = search([*command, *case.arguments(args.itcn_cost)], args.timeout)
        if run.error or not run.finished:
            return f"{name} does not run: {run.error or 'time limit'}\n  {' '.join(command)}"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    if args.list:
        for case in args.cases:
            print(f"{case.name:36}{' '.join(case.arguments(args.itcn_cost))}")
        return 0

    original = install(args.venv, args.venv_python)
    commands = ([str(original)], [args.python, str(SCRIPT)])
    failure = warm_up(commands, args)
    if failure:
        progress(failure)
        return 1

    start = None
    if any(GROUPS[case.group].checks_start for case in args.cases):
        runs = [measure([args.python, "-c", "import numpy"], args.timeout)[0] for _ in range(8)]
        start = dataclasses.replace(
            runs[-1],
            cpu=statistics.median(run.cpu for run in runs[1:]),
            wall=statistics.median(run.wall for run in runs[1:]),
        )

    results: list[Result] = []
    with contextlib.suppress(KeyboardInterrupt):  # what was measured so far is still reported
        for case in args.cases:
            progress(f"[{len(results) + 1}/{len(args.cases)}] {case.name}")
            results.append(compare(case, commands, args))
            if args.json:
                write_json(args.json, results, start, args)
    print(report(results, start))
    failed = any(result.ours.error or not result.ours.finished for result in results)
    return int(failed or len(results) < len(args.cases))


if __name__ == "__main__":
    sys.exit(main())
