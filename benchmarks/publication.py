# SPDX-License-Identifier: BSD-3-Clause
"""What the comparisons with publications share: options, tables in a page, and bar charts.

A page of ``docs/`` is written by hand but for its tables. Each of them stands between the lines
``<!-- table NAME -->`` and ``<!-- end of table -->``, and a script puts its results there, so the
page never shows other numbers than the program computes.
"""

import argparse
import dataclasses
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from compare_nn_dataflow import geometric_mean, number_above, table

from nn_dataflow.nns import all_networks

TABLE_END = "<!-- end of table -->"
MEAN = "geometric mean"
UNKNOWN = "-"
# Letters of the names below a chart, if they all were as long as the longest.
MOST_LETTERS = 84
# Distinct to colour-blind readers and in grey: the brightness rises from one to the next.
FILLS = (("#3f74b3", ""), ("#e8954a", "///"), ("#f8ecc0", ""))
LINES = ("--", ":", "-.")


@dataclasses.dataclass(frozen=True)
class Table:
    """Named rows of text; columns are aligned right but for the first one."""

    name: str
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """For a terminal."""
        return f"{self.name}\n{table(self.titles, self.rows)}"

    def markdown(self) -> str:
        """For a page."""
        rule = ["---", *["---:"] * (len(self.titles) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.titles, rule, *self.rows))


def two_digits(value: float) -> str:
    """As energies and times are shown.

    >>> two_digits(1.005e3)
    '1005.00'
    """
    return f"{value:.2f}"


def four_significant(value: float) -> str:
    """As amounts of very different size are shown.

    >>> [four_significant(value) for value in (0.0123456, 12.3, 98765.4)]
    ['0.01235', '12.30', '98765']
    """
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{decimals}f}"


def three_digits(value: float) -> str:
    """As ratios are shown.

    >>> three_digits(2 / 3)
    '0.667'
    """
    return f"{value:.3f}"


def per_cent_above(ratio: float) -> str:
    """A ratio as the distance from 1.

    >>> per_cent_above(1.0123)
    '1.23'
    """
    return f"{100 * (ratio - 1):.2f}"


@dataclasses.dataclass(frozen=True)
class Column:
    """Numbers of a table, one per network, and how they are shown; None is one not known."""

    title: str
    values: tuple[float | None, ...]
    show: Callable[[float], str]
    mean: bool  # whether the geometric mean of those known is shown as well

    def cells(self) -> list[str]:
        """The values and, below them, their mean or nothing."""
        cells = [UNKNOWN if value is None else self.show(value) for value in self.values]
        known = known_values(self.values) if self.mean else []
        return [*cells, self.show(geometric_mean(known)) if known else ""]


def known_values(values: Sequence[float | None]) -> list[float]:
    """Values that are known.

    >>> known_values([1.0, None, 3.0])
    [1.0, 3.0]
    """
    return [value for value in values if value is not None]


def amounts(
    title: str, values: Sequence[float | None], show: Callable[[float], str] = two_digits
) -> Column:
    """Column of energies or times."""
    return Column(title, tuple(values), show, mean=False)


def relative(
    title: str, values: Sequence[float | None], show: Callable[[float], str] = three_digits
) -> Column:
    """Column of ratios, with their geometric mean."""
    return Column(title, tuple(values), show, mean=True)


def network_table(name: str, networks: Sequence[str], columns: Sequence[Column]) -> Table:
    """One row per network, and one for the geometric means."""
    cells = [[*networks, MEAN], *(column.cells() for column in columns)]
    titles = ("network", *(column.title for column in columns))
    return Table(name, titles, tuple(zip(*cells, strict=True)))


def fill_page(text: str, tables: Sequence[Table]) -> str:
    r"""Put tables into the text of a page, each between its marks.

    Raises
    ------
    ValueError
        If the page has no place for a table, or no end of it.

    Examples
    --------
    >>> page = "<!-- table a -->\nold\n<!-- end of table -->\n"
    >>> print(fill_page(page, [Table("a", ("net", "x"), (("n", "1"),))]), end="")
    <!-- table a -->
    | net | x |
    | --- | ---: |
    | n | 1 |
    <!-- end of table -->
    """
    for one in tables:
        begin = f"<!-- table {one.name} -->"
        before, found, rest = text.partition(begin)
        old, ended, after = rest.partition(TABLE_END)
        if not found or not ended or "<!--" in old:
            raise ValueError(f"no lines {begin!r} and {TABLE_END!r}")
        text = f"{before}{begin}\n{one.markdown()}\n{TABLE_END}{after}"
    return text


Outcome = TypeVar("Outcome")


class OutcomeFile(Generic[Outcome]):
    """What searches came to, by their names, kept in a file if there is one.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    kind
        Dataclass of an outcome.

    Raises
    ------
    ValueError
        If the file holds something else.
    """

    def __init__(self, path: Path | None, kind: type[Outcome]) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}
        if path is not None and path.is_file():
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                self.outcomes = {name: kind(**values) for name, values in record.items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise ValueError(f"{path} holds no results of this program: {error}") from error

    def put(self, name: str, outcome: Outcome) -> None:
        """Keep an outcome; the file is replaced whole."""
        self.outcomes[name] = outcome
        if self.path is not None:
            values: dict[str, Any] = {key: vars(one) for key, one in self.outcomes.items()}
            temporary = self.path.with_name(self.path.name + ".part")
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
            temporary.replace(self.path)


def add_inputs(parser: argparse.ArgumentParser, networks: Sequence[str], batch: int) -> None:
    """Add the options for what is searched, with their defaults."""
    parser.add_argument(
        "--nets",
        metavar="NET",
        nargs="+",
        default=networks,
        choices=all_networks(),
        help=f"networks of the library (default: {' '.join(networks)})",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        type=number_above(1, int),
        default=batch,
        help=f"batch size of all networks (default {batch})",
    )


def add_limit(parser: argparse.ArgumentParser, searches: str, default: float) -> None:
    """Add the option for how long each of some searches may take."""
    parser.add_argument(
        "--limit",
        metavar="S",
        type=number_above(0.001, float),
        default=default,
        help=f"wall seconds for {searches} (default {default:g})",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the options for a file of what was found; `check_results` checks them."""
    parser.add_argument(
        "--results", metavar="FILE", type=Path, help="keep results here, and continue from them"
    )
    parser.add_argument(
        "--no-search", action="store_true", help="only show what the file of results holds"
    )


def check_results(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a usage error if there are no results to show, or no folder to keep them in."""
    if args.no_search and not (args.results and args.results.is_file()):
        parser.error("--no-search: needs --results with a file that exists")
    if args.results and not args.results.absolute().parent.is_dir():
        parser.error(f"--results: no folder {args.results.parent}")


def add_page(parser: argparse.ArgumentParser) -> None:
    """Add the option for the page that tables go into; `check_page` checks it."""
    parser.add_argument(
        "--write", metavar="PAGE", type=Path, help="put the tables into this Markdown page, too"
    )


def check_page(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a usage error if the page is not there."""
    if args.write and not args.write.is_file():
        parser.error(f"--write: no page {args.write}")


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options for where tables and a chart go; `check_outputs` checks them."""
    add_page(parser)
    parser.add_argument(
        "--chart", metavar="FILE", type=Path, help="draw a chart: .svg, .png or .pdf"
    )


def check_outputs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End with a usage error if the page is not there, or no such chart can be drawn."""
    check_page(parser, args)
    if args.chart:
        problem = chart_problem(args.chart)
        if problem:
            parser.error(f"--chart: {problem}")


def show(tables: Sequence[Table], page: Path | None) -> bool:
    """Print tables, and put them into a page; say whether it had a place for each."""
    print("\n\n".join(one.text() for one in tables))
    if page:
        try:
            text = fill_page(page.read_text(encoding="utf-8"), tables)
        except ValueError as error:
            print(f"{page}: {error}", file=sys.stderr)
            return False
        page.write_text(text, encoding="utf-8")
    return True


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart: a bar per series and network, and a line per figure to compare with.

    At most as many series as there are `FILLS`, and lines as there are `LINES`.
    """

    title: str
    unit: str
    series: tuple[tuple[str, tuple[float | None, ...]], ...]  # None: no bar
    lines: tuple[tuple[str, float], ...]
    logarithmic: bool = False  # bars then begin at 1


def chart_problem(path: Path) -> str | None:
    """Why no chart can be drawn into a file, in one line; none if it can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "a chart needs matplotlib: pip install '.[plot]'"
    if path.suffix not in {".svg", ".png", ".pdf"}:
        return f"{path} must end with .svg, .png or .pdf"
    if not path.absolute().parent.is_dir():
        return f"no folder {path.parent}"
    return None


def draw(path: Path, networks: Sequence[str], panels: Sequence[Panel]) -> None:
    """Draw panels one below the other; the suffix of the path decides the format.

    The geometric mean of each series is a last group of bars. The same numbers give the same file.
    """
    import matplotlib as mpl  # noqa: PLC0415  # optional, and slow to import

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": path.stem, "hatch.linewidth": 0.5})
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(
        len(panels), 1, figsize=(9, 3.6 * len(panels)), layout="constrained", squeeze=False
    )
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        draw_panel(axis, networks, panel)
    # The date of writing would change the file at every run.
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def draw_panel(axis: Any, networks: Sequence[str], panel: Panel) -> None:
    """Draw one panel on matplotlib axes."""
    from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415  # as in `draw`

    count = len(panel.series)
    width = 0.84 / count
    foot = 1 if panel.logarithmic else 0
    for i, (label, values) in enumerate(panel.series):
        colour, hatch = FILLS[i]
        known = known_values(values)
        bars = [*values, geometric_mean(known) if known else None]
        heights = known_values(bars)
        groups = [group for group, height in enumerate(bars) if height is not None]
        places = [group + (i - (count - 1) / 2) * width for group in groups]
        style = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.5}
        tops = [height - foot for height in heights]
        axis.bar(places, tops, width, bottom=foot, label=label, **style)
        for place, height in zip(places, heights, strict=True):
            # At the foot of the bar, where no neighbour and no line is, unless it would hide it.
            axis.annotate(
                two_digits(height),
                (place, height if is_short(height, panel) else foot),
                xytext=(0, 4),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
            )
    for (label, value), dashes in zip(panel.lines, LINES[: len(panel.lines)], strict=True):
        axis.axhline(value, color="black", linestyle=dashes, linewidth=1.5, label=label)
    axis.axvline(len(networks) - 0.5, color="grey", linewidth=0.8)
    axis.set_xlim(-0.5, len(networks) + 0.5)
    if max(map(len, networks)) * (len(networks) + 1) <= MOST_LETTERS:
        axis.set_xticks(range(len(networks) + 1), [*networks, MEAN.replace(" ", "\n")])
    else:
        slanted = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axis.set_xticks(range(len(networks) + 1), [*networks, MEAN], **slanted)
    if panel.logarithmic:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
        axis.margins(y=0.12)
    axis.set_ylabel(panel.unit)
    axis.set_title(panel.title, loc="left", fontsize=10)
    # Beside the bars, where nothing can be covered.
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)


def is_short(height: float, panel: Panel) -> bool:
    """Whether a number at the foot of a bar would hide much of it."""
    heights = [value for _, values in panel.series for value in known_values(values)]
    if panel.logarithmic:
        return 0 <= math.log(height) < 0.3 * math.log(max(heights))
    return height < 0.3 * max(heights)
