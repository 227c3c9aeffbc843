# SPDX-License-Identifier: BSD-3-Clause
r"""Time and memory of searches as their size grows, and what a second process gains.

Sweeps, each over one size while the others stay (ResNet-50, unless the depth is what grows):

* batch: on 4x4 nodes;
* nodes: from one to 16x16 small ones;
* PEs: of the array of one node;
* depth: ResNets with more and more blocks, on 4x4 nodes;
* pipelines: the same, with layers that share segments (bypass solver, degree at most 4);
* processes: searches of more than ten seconds with one process and with two.

Every search is a process of its own, one after another; time is CPU time of the whole process, but
for the sweep over processes, where it is wall time. Peak memory is that of the largest process::

    python benchmarks/scale.py --sweeps depth
    python benchmarks/scale.py --write docs/scale.md --chart docs/scale.svg

Nothing is asserted. The exit status is 1 if a search failed.
"""

import argparse
import dataclasses
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compare_nn_dataflow import (  # noqa: E402
    LARGE_NODES,
    SCRIPT,
    SMALL_NODES,
    Machine,
    progress,
    search,
)
from publication import (  # noqa: E402
    Table,
    add_limit,
    add_outputs,
    check_outputs,
    show,
    two_digits,
)

SPLIT = ("--hybrid-partition", "--batch-partition", "--ifmaps-partition")
PIPELINED = (
    *("--hybrid-partition", "--solve-loopblocking"),
    *("--interlayer-partition", "--layer-pipeline-max-degree", "4"),
)
ITCN_COST = 1.0
RESNET = """\
from importlib import import_module

NN = import_module("nn_dataflow.nns.__builders").resnet("ResNet", (3, 8, {blocks}, 3))
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """One search; blocks are those of the third stage of a ResNet, none for ResNet-50."""

    size: int
    batch: int = 16
    nodes: tuple[int, int] = (4, 4)
    machine: Machine = LARGE_NODES
    options: tuple[str, ...] = SPLIT
    net: str = "resnet50"
    blocks: int | None = None
    processes: int = 1

    def arguments(self, folder: Path) -> list[str]:
        """Of the program; a network that is not in the library is written into a folder."""
        net = self.net
        if self.blocks is not None:
            path = folder / f"resnet_{self.blocks}.py"
            path.write_text(RESNET.format(blocks=self.blocks), encoding="utf-8")
            net = str(path)
        return [
            *(net, "--batch", str(self.batch), "--nodes", *map(str, self.nodes)),
            *(*self.machine.arguments(ITCN_COST), *self.options),
            *("--processes", str(self.processes), "--json"),
        ]


def array(side: int) -> Machine:
    """A node of another number of PEs."""
    sizes = ("--array", str(side), str(side), *LARGE_NODES.node[3:])
    return dataclasses.replace(LARGE_NODES, node=sizes)


def num_layers(blocks: int) -> int:
    """Layers of a ResNet with so many blocks in the third stage: 4 each, and 4 projections."""
    return 4 * (3 + 8 + blocks + 3) + 4 + 4


PIPELINES = ("--enable-save-writeback", "--interlayer-partition")
SHARED = (*SPLIT, "--disable-bypass", "i", "o", "f", "--enable-gbuf-sharing")
DEPTHS = (6, 18, 36, 72, 144, 288)
SWEEPS: dict[str, tuple[str, tuple[Case, ...]]] = {
    "batch": ("samples", tuple(Case(n, batch=n) for n in (1, 4, 16, 64, 256))),
    "nodes": (
        "nodes",
        tuple(
            Case(n * n, batch=64, nodes=(n, n), machine=SMALL_NODES, options=SPLIT if n > 1 else ())
            for n in (1, 2, 4, 8, 16)
        ),
    ),
    "PEs": (
        "PEs",
        tuple(Case(n * n, nodes=(1, 1), machine=array(n), options=()) for n in (8, 16, 32, 64)),
    ),
    "depth": ("layers", tuple(Case(num_layers(n), blocks=n) for n in DEPTHS)),
    "pipelines": (
        "layers",
        tuple(Case(num_layers(n), blocks=n, options=PIPELINED) for n in DEPTHS[:4]),
    ),
}
WIDE = {"batch": 64, "nodes": (16, 16), "machine": SMALL_NODES, "options": SHARED}
LONG: dict[str, dict[str, Any]] = {
    "vgg_net, shared buffers": {"net": "vgg_net", **WIDE},
    "resnet152, least product": {"net": "resnet152", **WIDE, "options": (*SPLIT, "--goal", "ed")},
    "alex_net, pipelines, 8x8": {
        "net": "alex_net",
        **WIDE,
        "nodes": (8, 8),
        "options": (*SHARED, *PIPELINES, "--layer-pipeline-max-degree", "5"),
    },
}
PROCESSES = {
    name: tuple(Case(n, processes=n, **case) for n in (1, 2)) for name, case in LONG.items()
}


@dataclasses.dataclass(frozen=True)
class Point:
    """What a search took."""

    case: Case
    seconds: float  # CPU
    wall: float
    peak: float  # MiB
    error: str | None


def run(case: Case, limit: float) -> Point:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(SCRIPT), *case.arguments(Path(name))]
        made = search(command, limit)
    error = made.error if made.finished else f"more than {limit:g} s"
    return Point(case, made.cpu, made.wall, made.peak, error)


def sweep(name: str, cases: Sequence[Case], limit: float) -> list[Point]:
    """Run the cases of a sweep, the smallest first, and stop at the first that fails."""
    points: list[Point] = []
    for case in cases:
        progress(f"{name}: {case.size}")
        points.append(run(case, limit))
        if points[-1].error:
            progress(f"{name}: {case.size}: {points[-1].error}")
            break
    return points


def growth(points: Sequence[Point], name: str) -> float | None:
    """Exponent of the power of the size that a value grows with, from the middle to the end."""
    one, two = points[len(points) // 2 - (len(points) > 2)], points[-1]
    if two.case.size <= one.case.size:
        return None
    ratio = getattr(two, name) / getattr(one, name)
    return math.log(ratio) / math.log(two.case.size / one.case.size)


def sweep_table(name: str, unit: str, points: Sequence[Point]) -> Table:
    rows = [(f"{p.case.size:,}", p.error or two_digits(p.seconds), f"{p.peak:.0f}") for p in points]
    good = [p for p in points if not p.error]
    exponents = [growth(good, field) if len(good) > 1 else None for field in ("seconds", "peak")]
    rows.append(("grows with the power", *("-" if e is None else f"{e:.2f}" for e in exponents)))
    return Table(name, (unit, "CPU s", "MiB"), tuple(rows))


def processes_table(points: dict[str, Sequence[Point]]) -> Table:
    rows = []
    for net, (one, two) in points.items():
        bad = one.error or two.error
        rows.append(
            (
                net,
                *(f"{p.wall:.1f}" for p in (one, two)),
                bad or f"{one.wall / two.wall:.2f}",
                f"{two.peak:.0f}",
            )
        )
    titles = ("search", "1 process, wall s", "2 processes, wall s", "ratio", "MiB")
    return Table("processes", titles, tuple(rows))


def draw(path: Path, found: dict[str, list[Point]]) -> None:
    """Draw time and memory of every sweep, on logarithmic axes; same numbers, same file."""
    import matplotlib as mpl  # noqa: PLC0415  # optional, and slow to import

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = path.stem
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(
        2, len(found), figsize=(2.6 * len(found), 5), layout="constrained", squeeze=False
    )
    for column, (name, points) in enumerate(found.items()):
        good = [p for p in points if not p.error]
        sizes = [p.case.size for p in good]
        for row, (field, label) in enumerate((("seconds", "CPU time, s"), ("peak", "memory, MiB"))):
            draw_sweep(axes[row, column], sizes, [getattr(p, field) for p in good])
            if not column:
                axes[row, column].set_ylabel(label)
        axes[0, column].set_title(name, loc="left", fontsize=10)
        axes[1, column].set_xlabel(SWEEPS[name][0])
    for row in axes:
        low = min(axis.get_ylim()[0] for axis in row)
        high = max(axis.get_ylim()[1] for axis in row)
        for axis in row:
            axis.set_ylim(low, high)
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def draw_sweep(axis: Any, sizes: Sequence[int], values: Sequence[float]) -> None:
    """Draw measured values, and what is linear from the first one."""
    from matplotlib.ticker import NullFormatter  # noqa: PLC0415  # as in `draw`

    axis.loglog(sizes, values, marker="o", color="#3f74b3", label="measured")
    linear = [values[0] * size / sizes[0] for size in sizes]
    axis.loglog(sizes, linear, linestyle=":", color="grey", label="linear")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45, fontsize=8)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=7, frameon=False)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = (*SWEEPS, "processes")
    parser.add_argument("--sweeps", nargs="+", default=names, choices=names)
    add_limit(parser, "each search", 600)
    add_outputs(parser)
    args = parser.parse_args(argv)
    check_outputs(parser, args)
    found = {
        name: sweep(name, cases, args.limit)
        for name, (_, cases) in SWEEPS.items()
        if name in args.sweeps
    }
    tables = [sweep_table(name, SWEEPS[name][0], points) for name, points in found.items()]
    failed = any(point.error for points in found.values() for point in points)
    if "processes" in args.sweeps:
        both = {
            net: sweep(f"{net}, processes", cases, args.limit) for net, cases in PROCESSES.items()
        }
        whole = {net: points for net, points in both.items() if len(points) == 2}
        failed |= len(whole) < len(both)
        tables.append(processes_table(whole))
    written = show(tables, args.write)
    if args.chart and found:
        draw(args.chart, found)
    return int(failed or not written)


if __name__ == "__main__":
    sys.exit(main())
