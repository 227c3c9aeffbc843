# SPDX-License-Identifier: BSD-3-Clause
"""What the comparisons with publications share: tables in a documentation page, and bar charts.

A page of ``docs/`` is written by hand but for its tables. Each of them stands between the lines
``<!-- table NAME -->`` and ``<!-- end of table -->``, and a script puts its results there, so the
page never shows other numbers than the program computes.
"""

import dataclasses
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compare_nn_dataflow import geometric_mean, table

TABLE_END = "<!-- end of table -->"
MEAN = "geometric mean"
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
    """Numbers of a table, one per network, and how they are shown."""

    title: str
    values: tuple[float, ...]
    show: Callable[[float], str]
    mean: bool  # whether their geometric mean is shown as well

    def cells(self) -> list[str]:
        """The values and, below them, their mean or nothing."""
        cells = [self.show(value) for value in self.values]
        return [*cells, self.show(geometric_mean(self.values)) if self.mean else ""]


def amounts(title: str, values: Sequence[float]) -> Column:
    """Column of energies or times."""
    return Column(title, tuple(values), two_digits, mean=False)


def relative(
    title: str, values: Sequence[float], show: Callable[[float], str] = three_digits
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


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart: a bar per series and network, and a line per figure to compare with.

    At most as many series as there are `FILLS`, and lines as there are `LINES`.
    """

    title: str
    unit: str
    series: tuple[tuple[str, tuple[float, ...]], ...]
    lines: tuple[tuple[str, float], ...]


def chart_problem() -> str | None:
    """Why no chart can be drawn here, in one line; none if it can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "a chart needs matplotlib: pip install '.[plot]'"
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
    count = len(panel.series)
    width = 0.84 / count
    for i, (label, values) in enumerate(panel.series):
        colour, hatch = FILLS[i]
        heights = [*values, geometric_mean(values)]
        places = [group + (i - (count - 1) / 2) * width for group in range(len(heights))]
        style = {"color": colour, "hatch": hatch, "edgecolor": "black", "linewidth": 0.5}
        axis.bar(places, heights, width, label=label, **style)
        for place, height in zip(places, heights, strict=True):
            # At the foot of the bar, where no neighbour and no line is.
            axis.annotate(
                two_digits(height),
                (place, 0),
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
    axis.set_xticks(range(len(networks) + 1), [*networks, MEAN.replace(" ", "\n")])
    axis.set_ylabel(panel.unit)
    axis.set_title(panel.title, loc="left", fontsize=10)
    # Beside the bars, where nothing can be covered.
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
