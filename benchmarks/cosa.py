# SPDX-License-Identifier: BSD-3-Clause
"""How good the schedules of one layer are, and how long they take: programs, search, baselines.

For each of the published layers on the 16-element machine, prints what the original's programs H
and P give (recorded, with the best of their ties, and as solved here), what other searches gave
(recorded: the evaluator's own mapper, annealing), and what the exact search finds for each goal,
with its proven bound, gap and time; then geometric means, and the same for the exact search on the
64-element machine. Run::

    python benchmarks/cosa.py                        # about a minute
    python benchmarks/cosa.py --layers resnet50      # layers whose name contains this
    python benchmarks/cosa.py --chart docs/cosa_layers.svg   # draws the chart, needs matplotlib
"""

import argparse
import gzip
import json
import math
import statistics
import sys
import time
from pathlib import Path

from nn_dataflow.cosa import Architecture, Mapping, Problem, evaluate
from nn_dataflow.cosa.search import search

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "nn_dataflow" / "tests" / "data" / "cosa"
GOALS = {"ed": "edp", "e": "energy", "d": "delay"}
GOOD = 1e-3  # within which a value counts as reached, and a gap as closed


def recorded(name):
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))["items"]


def problem_of(item):
    return Problem(item["dims"], item.get("stride", (1, 1)), item.get("dilation", (1, 1)))


def mapping_of(levels):
    return Mapping([(row["level"], row["spatial"], row["temporal"]) for row in levels])


def value_of(goal, cycles, energy_pj):
    return {"ed": cycles * energy_pj, "e": energy_pj, "d": cycles}[goal]


def geometric_mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else math.nan


def row(columns, widths):
    print("".join(f"{text:>{width}}" for text, width in zip(columns, widths, strict=True)))


def solved_programs(problem, machine):
    """Values of H and P as this package solves them; None without the solver or if not valid."""
    try:
        from nn_dataflow.cosa.formulation import solve  # noqa: PLC0415 (an extra)
    except ImportError:
        return {}
    found = {}
    for revision in "HP":
        start = time.perf_counter()
        solution = solve(problem, machine, revision)
        wall_s = time.perf_counter() - start
        found[revision] = evaluate(problem, machine, solution.mapping), wall_s
    return found


def baselines(layers, machine):
    """Cycles and energy (pJ) per method and layer."""
    found = {}
    for revision in "HP":
        for item in recorded(f"results_{revision.lower()}"):
            problem = layers[item["id"]]
            result = evaluate(problem, machine, mapping_of(item["mapping"]))
            if result.valid:
                points = [(result.cycles, result.energy_pj)]
                found.setdefault(f"recorded {revision}", {})[item["id"]] = points
                ties = item.get("ties", {"cycles": [], "energy_uj": []})
                points = points + [
                    (cycles, energy * 1e6)
                    for cycles, energy in zip(ties["cycles"], ties["energy_uj"], strict=True)
                ]
                if revision == "H":
                    found.setdefault("recorded H, best tie", {})[item["id"]] = points
    for item in recorded("search_baselines"):
        method = item["method"].split(",")[0] + item["method"].partition(",")[2].partition(",")[0]
        found.setdefault(method, {})[item["id"]] = [(item["cycles"], item["energy_uj"] * 1e6)]
    return found


def layer_table(layers, machine, known):
    """Print and return what the exact search finds; also times."""
    widths = (32, 5, 14, 14, 16, 16, 10, 9, 8)
    head = ("layer", "goal", "cycles", "energy uJ", "value", "bound", "gap", "/known", "s")
    row(head, widths)
    found = {}
    for name, problem in layers.items():
        for goal in GOALS:
            result = search(problem, machine, goal)
            cost = evaluate(problem, machine, result.mapping)
            best = known.get((name, goal))
            ratio = f"{result.value / best:.6f}" if best else "-"
            found[name, goal] = result, cost
            row(
                (
                    name,
                    goal,
                    cost.cycles,
                    f"{cost.energy_pj / 1e6:.6f}",
                    f"{result.value:.8g}",
                    f"{result.bound:.8g}",
                    f"{result.gap:.1e}",
                    ratio,
                    f"{result.wall_s:.3f}",
                ),
                widths,
            )
            sys.stdout.flush()
    return found


def summary(found, known):
    """Print how many values are reached and proved, and times, per goal."""
    print()
    widths = (6, 8, 14, 16, 14, 16, 10, 10, 10)
    head = (
        "goal", "layers", "known reached", "gap <= 0.1 %", "largest gap", "bound > known",
        "median s", "95 % s", "max s",
    )  # fmt: skip
    row(head, widths)
    for goal in GOALS:
        rows = {name: result for (name, g), (result, _) in found.items() if g == goal}
        best = {name: known[name, goal] for name in rows if (name, goal) in known}
        times = sorted(result.wall_s for result in rows.values())
        reached = sum(rows[name].value <= value * (1 + GOOD) for name, value in best.items())
        above = sum(rows[name].bound > value * (1 + 1e-9) for name, value in best.items())
        row(
            (
                goal,
                len(rows),
                f"{reached} of {len(best)}",
                sum(result.gap <= GOOD for result in rows.values()),
                f"{max(result.gap for result in rows.values()):.1e}",
                above,
                f"{statistics.median(times):.2f}",
                f"{times[math.ceil(0.95 * len(times)) - 1]:.2f}",
                f"{times[-1]:.2f}",
            ),
            widths,
        )


def comparison(found, others):
    """Print other methods relative to the proven optimum; return the ratios of each."""
    print("\nrelative to the optimum of the goal: geometric mean (worst) over the layers recorded")
    widths = (72, 8, 18, 18, 18)
    row(("method", "layers", "energy x delay", "energy", "delay"), widths)
    ratios = {}
    for method, rows in others.items():
        of_goal = {}
        for goal in GOALS:
            of_goal[goal] = {
                name: min(value_of(goal, *point) for point in points) / found[name, goal][0].value
                for name, points in rows.items()
                if (name, goal) in found
            }
        if not of_goal["ed"]:
            continue
        ratios[method] = of_goal["ed"]
        texts = [
            f"{geometric_mean(each.values()):.3f} ({max(each.values()):.2f})"
            for each in of_goal.values()
        ]
        row((method[:70], len(of_goal["ed"]), *texts), widths)
    return ratios


def chart(path, names, ratios):
    """Draw energy x delay of the programs relative to the optimum, per layer."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 (optional)
    except ImportError:
        print("the chart needs matplotlib: pip install matplotlib", file=sys.stderr)
        return
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "cosa"
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot as plt  # noqa: PLC0415 (optional)

    figure, axes = plt.subplots(figsize=(11, 4.5))
    styles = {"recorded H": "o", "recorded H, best tie": "^", "recorded P": "s"}
    for method, marker in styles.items():
        rows = ratios.get(method, {})
        some = [(x, rows[name]) for x, name in enumerate(names) if name in rows]
        axes.plot(*zip(*some, strict=True), marker, label=method, markersize=5, alpha=0.8)
    axes.axhline(1, color="black", linewidth=1, label="proven optimum (exact)")
    axes.set_yscale("log")
    axes.set_ylabel("energy x delay, relative to the optimum")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.legend(fontsize=8)
    axes.grid(axis="y", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    print(f"chart: {path}")


def large_machine(filters):
    """Print the exact search on the 64-element machine beside the recorded solutions of H."""
    machine = Architecture.preset("simba64")
    print("\n64 processing elements: energy x delay of recorded H (best tie) over the optimum")
    widths = (32, 12, 10, 8)
    row(("layer", "H/optimum", "gap", "s"), widths)
    ratios, gaps, times = [], [], []
    for item in recorded("results_h_64pe"):
        if filters not in item["id"]:
            continue
        problem = problem_of(item)
        known = evaluate(problem, machine, mapping_of(item["mapping"]))
        ties = item.get("ties", {"cycles": [], "energy_uj": []})
        best = min(
            [known.cycles * known.energy_pj]
            + [c * e * 1e6 for c, e in zip(ties["cycles"], ties["energy_uj"], strict=True)]
        )
        result = search(problem, machine, "ed")
        ratios.append(best / result.value)
        gaps.append(result.gap)
        times.append(result.wall_s)
        row((item["id"], f"{ratios[-1]:.3f}", f"{gaps[-1]:.1e}", f"{times[-1]:.3f}"), widths)
    if ratios:
        print(
            f"geometric mean {geometric_mean(ratios):.3f}, least {min(ratios):.3f}, largest gap"
            f" {max(gaps):.1e}, median {statistics.median(times):.2f} s, max {max(times):.2f} s"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", default="", help="only layers whose name contains this")
    parser.add_argument("--chart", type=Path, help="SVG file to write")
    args = parser.parse_args()
    machine = Architecture.preset("simba16")
    layers = {
        item["id"]: problem_of(item)
        for item in recorded("problems")
        if item["id"] in {known["id"] for known in recorded("best_known")}
        and args.layers in item["id"]
    }
    if not layers:
        parser.error(f"no layer's name contains {args.layers!r}")
    known = {}
    for item in recorded("best_known"):
        if item["id"] in layers:
            goal = next(goal for goal, name in GOALS.items() if name == item["goal"])
            cost = evaluate(layers[item["id"]], machine, mapping_of(item["mapping"]))
            known[item["id"], goal] = value_of(goal, cost.cycles, cost.energy_pj)
    found = layer_table(layers, machine, known)
    summary(found, known)
    others = baselines(layers=_all_layers(), machine=machine)
    for name, problem in layers.items():
        for revision, (cost, _) in solved_programs(problem, machine).items():
            if cost.valid:
                points = [(cost.cycles, cost.energy_pj)]
                others.setdefault(f"{revision} as solved here", {})[name] = points
    ratios = comparison(found, others)
    large_machine(args.layers)
    if args.chart:
        chart(args.chart, list(layers), ratios)


def _all_layers():
    return {item["id"]: problem_of(item) for item in recorded("problems")}


if __name__ == "__main__":
    main()
