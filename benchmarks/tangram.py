# SPDX-License-Identifier: BSD-3-Clause
r"""Make the comparison of the TANGRAM publication (ASPLOS 2019) with this program.

Four schemes on one machine of many small nodes, the best schedule of each for every network:

* alone: each layer by itself on all nodes, without shared buffers, forwarding or pipelines;
* shared: each layer by itself, with shared buffers;
* basic: as alone, and basic pipelines of layers, which hand over whole fmaps;
* optimised: shared buffers, and optimised pipelines, on different nodes and on the same ones.

Every search is a process of its own, one after another, the cheap schemes first. With
``--results`` what was found is kept in a file, and a later run does only the searches that are
missing there, or that a longer ``--limit`` lets go further::

    python benchmarks/tangram.py --nets mlp_s mlp_l lstm_gnmt       # seconds
    python benchmarks/tangram.py --results tangram.json --goal e ed
    python benchmarks/tangram.py --results tangram.json --goal e ed --no-search \
        --write docs/tangram.md --chart docs/tangram.svg

The tables are printed; with ``--write`` they also go into the page that explains them, and with
``--chart`` the ratios of energy and time are drawn, of the first goal. Nothing is asserted: figures
that miss the publication's are printed as they are. The exit status is 1 if a search failed.
"""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compare_nn_dataflow import (  # noqa: E402
    SCRIPT,
    SMALL_COSTS,
    SMALL_NODE,
    SMALL_NODES,
    Machine,
    geometric_mean,
    measure,
    number_above,
    progress,
)
from publication import (  # noqa: E402
    UNKNOWN,
    OutcomeFile,
    Panel,
    Table,
    add_inputs,
    add_limit,
    add_outputs,
    add_results,
    amounts,
    check_outputs,
    check_results,
    draw,
    four_significant,
    known_values,
    network_table,
    relative,
    show,
    three_digits,
    two_digits,
)

from nn_dataflow.core import ConvLayer, FCLayer  # noqa: E402
from nn_dataflow.nns import import_network  # noqa: E402

# Those whose searches take longest are last.
NETWORKS = (
    *("mlp_s", "mlp_m", "mlp_l", "lstm_phoneme", "lstm_showtell", "lstm_gnmt"),
    *("alex_net", "vgg_net", "resnet50", "googlenet", "resnet152"),
)
PJ_PER_MJ = 1e9
ITCN_COST = 1.6416  # pJ per word, as published with the other costs

CLAIM_ENERGY = 0.55  # abstract: 45 % less energy
CLAIM_SPEED = 2.0  # abstract: twice the performance

MACHINES: dict[str, tuple[tuple[int, int], Machine]] = {
    "multi": ((16, 16), SMALL_NODES),
    "small": ((4, 4), Machine((*SMALL_NODE, "--gbuf", "65536"), SMALL_COSTS)),
}

# Nothing bypasses the buffers.
SPLIT = (
    *("--disable-bypass", "i", "o", "f"),
    *("--hybrid-partition", "--batch-partition", "--ifmaps-partition"),
)
PIPELINED = (*SPLIT, "--interlayer-partition", "--layer-pipeline-max-degree", "5")
SHARING = "--enable-gbuf-sharing"
ALONE, SHARED, BASIC, OPTIMISED = "alone", "shared", "basic", "optimised"
SCHEMES = {
    ALONE: SPLIT,
    SHARED: (*SPLIT, SHARING),
    BASIC: (*PIPELINED, "--disable-interlayer-opt"),
    OPTIMISED: (*PIPELINED, SHARING, "--enable-save-writeback"),
}
BASELINES = (ALONE, SHARED, BASIC)
# What is shown relative to what: the optimised scheme, and what its parts are worth.
PAIRS = (*((OPTIMISED, base) for base in BASELINES), (SHARED, ALONE), (BASIC, ALONE))


@dataclasses.dataclass(frozen=True)
class Case:
    """One search."""

    machine: str
    batch: int
    goal: str
    scheme: str
    net: str

    @property
    def name(self) -> str:
        """Key in the file of results."""
        return "/".join(str(value) for value in dataclasses.astuple(self))

    def command(self, processes: int) -> list[str]:
        """The program that searches."""
        nodes, machine = MACHINES[self.machine]
        return [
            *(sys.executable, str(SCRIPT), self.net, "--batch", str(self.batch)),
            *("--nodes", *map(str, nodes), *machine.arguments(ITCN_COST)),
            *SCHEMES[self.scheme],
            *("--goal", self.goal, "--processes", str(processes), "--json"),
        ]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a search took and found; one that did not finish or failed found nothing."""

    cpu: float  # seconds, user and system, of all processes
    wall: float  # seconds
    peak: float  # MiB, of the largest process
    limit: float  # seconds of wall time that it had
    finished: bool
    error: str | None = None
    version: str | None = None
    energy: float | None = None  # mJ
    time: float | None = None  # million cycles
    num_layers: int | None = None
    num_segments: int | None = None
    effort: dict[str, int] = dataclasses.field(default_factory=dict)

    def settles(self, limit: float) -> bool:
        """Whether the search need not be done again with a time limit."""
        return self.error is None and (self.finished or self.limit >= limit)


def search(case: Case, limit: float, processes: int) -> Outcome:
    """Run one search."""
    run, output = measure(case.command(processes), limit)
    outcome = Outcome(run.cpu, run.wall, run.peak, limit, run.finished, run.error)
    if run.error or not run.finished:
        return outcome
    try:
        values = json.loads(output)
        return dataclasses.replace(
            outcome,
            version=values["version"],
            energy=values["total_cost"] / PJ_PER_MJ,
            time=values["total_time"] / 1e6,
            num_layers=len(values["schedules"]),
            num_segments=len(values["segments"]),
            effort=values["search_effort"],
        )
    except (ValueError, KeyError, TypeError) as error:
        return dataclasses.replace(outcome, error=f"no result in the output: {error!r}")


class Results(OutcomeFile[Outcome]):
    """Outcomes by case, kept in a file if there is one."""

    def find(self, cases: Sequence[Case], limit: float, processes: int) -> None:
        """Do the searches that are missing, and save after each of them."""
        missing = [
            case
            for case in cases
            if case.name not in self.outcomes or not self.outcomes[case.name].settles(limit)
        ]
        for number, case in enumerate(missing, 1):
            progress(f"[{number}/{len(missing)}] {case.name}")
            self.put(case.name, search(case, limit, processes))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Outcomes of all networks on a machine for one goal."""

    results: Results
    machine: str
    batch: int
    goal: str
    networks: tuple[str, ...]

    def of(self, networks: Sequence[str]) -> "Comparison":
        """The same with other networks."""
        return dataclasses.replace(self, networks=tuple(networks))

    def has_gain(self, net: str) -> bool:
        """Whether the optimised scheme and a baseline of a network are known."""
        only = self.of([net])
        return any(known_values(only.ratio("energy", OPTIMISED, base)) for base in BASELINES)

    def cases(self) -> list[Case]:
        """All searches, those of the larger spaces last."""
        return [
            Case(self.machine, self.batch, self.goal, scheme, net)
            for scheme in SCHEMES
            for net in self.networks
        ]

    def outcomes(self, scheme: str) -> list[Outcome | None]:
        """Of each network; none where no search was done."""
        return [
            self.results.outcomes.get(Case(self.machine, self.batch, self.goal, scheme, net).name)
            for net in self.networks
        ]

    def values(self, scheme: str, name: str) -> tuple[Any, ...]:
        """A field of the outcome of each network; none where it is not known."""
        return tuple(one and getattr(one, name) for one in self.outcomes(scheme))

    def ratio(self, name: str, scheme: str, base: str) -> tuple[float | None, ...]:
        """A field relative to that of another scheme."""
        pairs = zip(self.values(scheme, name), self.values(base, name), strict=True)
        return tuple(x / y if x is not None and y is not None else None for x, y in pairs)


def quantity_table(made: Comparison, name: str, unit: str) -> Table:
    """Energy or time of the best schedules, and ratios with their geometric means."""
    columns = [
        *(amounts(f"{one}, {unit}", made.values(one, name), four_significant) for one in SCHEMES),
        *(relative(f"{one} / {base}", made.ratio(name, one, base)) for one, base in PAIRS),
    ]
    return network_table(f"{name} {made.goal}", made.networks, columns)


def seconds(outcome: Outcome | None) -> str:
    """CPU time as shown, or what the search came to instead."""
    if outcome is None:
        return "not run"
    if outcome.error:
        return "failed"
    return two_digits(outcome.cpu) if outcome.finished else f"> {outcome.limit:g} (wall)"


EFFORT_TITLES = (
    *("search", "CPU s", "MiB", "segments / layers of the best"),
    *("segments", "combinations", "searched", "dropped"),
)
COUNTS = ("segments", "combinations", "combinations_searched", "prefixes_dropped")


def effort_table(made: Comparison) -> Table:
    """What every search took, what it looked at, and what it gave up."""
    rows = [
        (f"{net}, {scheme}", seconds(outcome), *effort_cells(outcome))
        for scheme in SCHEMES
        for net, outcome in zip(made.networks, made.outcomes(scheme), strict=True)
    ]
    return Table(f"effort {made.goal}", EFFORT_TITLES, tuple(rows))


def effort_cells(outcome: Outcome | None) -> list[str]:
    """All columns of a search after the first two."""
    if outcome is None:
        return [UNKNOWN] * (len(EFFORT_TITLES) - 2)
    peak = f"{outcome.peak:.0f}"
    if outcome.energy is None:
        return [peak, *[UNKNOWN] * (len(EFFORT_TITLES) - 3)]
    segments = f"{outcome.num_segments} / {outcome.num_layers}"
    return [peak, segments, *(f"{outcome.effort[name]:,}" for name in COUNTS)]


def has_convolutions(net: str) -> bool:
    """Whether a network has convolutions beside fully-connected layers."""
    network = import_network(net)
    layers = (network[name] for name in network)
    return any(isinstance(one, ConvLayer) and not isinstance(one, FCLayer) for one in layers)


def claims_table(comparisons: Sequence[Comparison]) -> Table:
    """What the publication claims, beside geometric means over the networks that are known."""
    with_convolutions = [net for net in comparisons[0].networks if has_convolutions(net)]
    others = [net for net in comparisons[0].networks if net not in with_convolutions]
    rows = []
    for made in comparisons:
        groups = [made.of(nets) for nets in (made.networks, with_convolutions, others)]
        for base in BASELINES:
            energy = [mean_of(one.ratio("energy", OPTIMISED, base), three_digits) for one in groups]
            speed = [mean_of(one.ratio("time", base, OPTIMISED), two_digits) for one in groups]
            goal = f"goal {made.goal}"
            rows += [
                (f"{goal}: energy, {OPTIMISED} / {base}", three_digits(CLAIM_ENERGY), *energy),
                (f"{goal}: performance, {OPTIMISED} / {base}", two_digits(CLAIM_SPEED), *speed),
            ]
    titles = ("geometric mean", "publication", "all", "convolutional", "MLPs and LSTMs")
    return Table("claims", titles, tuple(rows))


def mean_of(values: Sequence[float | None], show: Callable[[float], str]) -> str:
    """Geometric mean of the values that are known, and of how many it is if some are not.

    >>> mean_of([2.0, None, 8.0], two_digits)
    '4.00 (2 of 3)'
    """
    known = known_values(values)
    if not known:
        return UNKNOWN
    mean = show(geometric_mean(known))
    return mean if len(known) == len(values) else f"{mean} ({len(known)} of {len(values)})"


def tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """All tables; those of what the searches took are last."""
    found = [claims_table(comparisons)]
    for made in comparisons:
        found += [quantity_table(made, "energy", "mJ"), quantity_table(made, "time", "Mcycles")]
    return [*found, *map(effort_table, comparisons)]


def panels(made: Comparison) -> tuple[Panel, Panel]:
    """Energy and performance of the optimised scheme relative to each baseline."""
    labels = [(f"relative to {base}", base) for base in BASELINES]
    goal = {"e": "least energy", "d": "least time", "ed": "least energy x time"}[made.goal]
    return (
        Panel(
            f"Energy of the optimised scheme ({goal})",
            "energy / energy of the baseline",
            tuple((label, made.ratio("energy", OPTIMISED, base)) for label, base in labels),
            ((f"publication: {CLAIM_ENERGY:g}", CLAIM_ENERGY),),
        ),
        Panel(
            f"Performance of the optimised scheme ({goal})",
            "time of the baseline / time",
            tuple((label, made.ratio("time", base, OPTIMISED)) for label, base in labels),
            ((f"publication: {CLAIM_SPEED:g}", CLAIM_SPEED),),
            logarithmic=True,
        ),
    )


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    add_inputs(parser, NETWORKS, 64)
    parser.add_argument(
        "--machine",
        choices=MACHINES,
        default="multi",
        help="16x16 nodes of 32 kB (multi, the default) or 4x4 nodes of 64 kB (small)",
    )
    parser.add_argument(
        "--goal",
        nargs="+",
        choices=("e", "d", "ed"),
        default=["e"],
        help="least energy (e, the default), time (d) or energy x time (ed); one or several",
    )
    parser.add_argument(
        "--schemes",
        nargs="+",
        choices=SCHEMES,
        default=list(SCHEMES),
        help="search only these (default: all); the others are shown if they are in the results",
    )
    add_limit(parser, "each search", 600)
    parser.add_argument(
        "--processes",
        metavar="N",
        type=number_above(1, int),
        default=1,
        help="processes of one search (default 1)",
    )
    add_results(parser)
    add_outputs(parser)
    args = parser.parse_args(argv)
    check_results(parser, args)
    check_outputs(parser, args)
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    try:
        results = Results(args.results, Outcome)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    comparisons = [
        Comparison(results, args.machine, args.batch, goal, tuple(args.nets))
        for goal in dict.fromkeys(args.goal)
    ]
    cases = [case for made in comparisons for case in made.cases()]
    if not args.no_search:
        with contextlib.suppress(KeyboardInterrupt):  # what was found so far is still shown
            wanted = [case for case in cases if case.scheme in args.schemes]
            results.find(wanted, args.limit, args.processes)
    if not show(tables(comparisons), args.write):
        return 2
    if args.chart:
        shown = comparisons[0].of([net for net in args.nets if comparisons[0].has_gain(net)])
        if not shown.networks:
            print(f"--chart: no {OPTIMISED} search beside a baseline has finished", file=sys.stderr)
            return 1
        draw(args.chart, shown.networks, panels(shown))
    failed = False
    for case in cases:
        outcome = results.outcomes.get(case.name)
        if outcome and outcome.error:
            failed = True
            print(f"{case.name}: {outcome.error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
