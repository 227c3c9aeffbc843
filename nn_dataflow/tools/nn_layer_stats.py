# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool: prints the sizes, operations and smallest useful buffer of a network's layers.

Decides nothing but the report's form (docs/model/search.md section 8); it ends like the network
search, with the same exit statuses.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if not __package__:
    # Without pathlib, which is slow to import.
    sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])  # noqa: PTH100

from nn_dataflow.core.layer import ConvLayer, FCLayer, Layer
from nn_dataflow.machines.limits import MAX_WORD_BITS
from nn_dataflow.nns import import_network
from nn_dataflow.tools.argument_checks import (
    MAX_BATCH,
    OneLineParser,
    Refused,
    whole,
)
from nn_dataflow.tools.exit_status import run_tool
from nn_dataflow.tools.terminal import write

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from nn_dataflow.core.network import Network

PROG = "nn_layer_stats"

KILO = 1024
MEGA = 1024 * 1024

HEADER = ("Layer", "Ifmap/kB", "Ofmap/kB", "Weight/kB", "MACs/M", "MinOptBuf/kB")
RULE = "-" * 30


class LayerStats(NamedTuple):
    """Numbers of one layer: sizes in kB (1024 bytes), operations in units of 1 048 576."""

    ifmap: float
    ofmap: float
    weight: float
    macs: float
    min_opt_buf: float


def layer_stats(layer: Layer, batch_size: int, word_size: int) -> LayerStats:
    """Return the numbers of one layer.

    The smallest buffer with which every word comes from memory only once holds one data category
    in full and, of the two others, what one step along a loop needs: with the sizes I, O, W of
    ifmaps, ofmaps and filters, C and M their channels and N the batch, it is the least of
    W + (I + O/M)/N, W + (I/C + O)/N, I + (O + W/C)/M, I + (O/N + W)/M, O + (I + W/M)/C and
    O + (I/N + W)/C.

    Parameters
    ----------
    layer : Layer
        The layer, not an input layer.
    batch_size : int
        Batch size N.
    word_size : int
        Bytes per word.

    Examples
    --------
    >>> stats = layer_stats(ConvLayer(48, 128, 27, 5), batch_size=16, word_size=2)
    >>> [round(value, 2) for value in stats]
    [1441.5, 2916.0, 300.0, 1708.59, 391.52]
    """
    ifmap = layer.total_ifmap_size(batch_size, word_size) / KILO
    ofmap = layer.total_ofmap_size(batch_size, word_size) / KILO
    weight = layer.total_filter_size(word_size) / KILO if isinstance(layer, ConvLayer) else 0.0
    nifm, nofm = layer.nifm, layer.nofm
    min_opt_buf = min(
        weight + (ifmap + ofmap / nofm) / batch_size,
        weight + (ifmap / nifm + ofmap) / batch_size,
        ifmap + (ofmap + weight / nifm) / nofm,
        ifmap + (ofmap / batch_size + weight) / nofm,
        ofmap + (ifmap + weight / nofm) / nifm,
        ofmap + (ifmap / batch_size + weight) / nifm,
    )
    return LayerStats(ifmap, ofmap, weight, layer.total_ops(batch_size) / MEGA, min_opt_buf)


def report(network: Network, batch_size: int, word_size: int) -> str:
    """Return the table of all layers with their maxima, sums and numbers of layers.

    Parameters
    ----------
    network : Network
        The network.
    batch_size : int
        Batch size.
    word_size : int
        Bytes per word.
    """
    rows = {name: layer_stats(network[name], batch_size, word_size) for name in network}
    fcs = sum(isinstance(network[name], FCLayer) for name in network)
    convs = sum(isinstance(network[name], ConvLayer) for name in network) - fcs
    return "\n".join(
        [
            f"{HEADER[0]:<30}, " + ", ".join(f"{title:>12}" for title in HEADER[1:]),
            *(_line(name, stats) for name, stats in rows.items()),
            RULE,
            _line("MAX", _total(max, rows.values())),
            _line("SUM", _total(sum, rows.values())),
            RULE,
            f"# CONV layers = {convs}, # FC layers = {fcs}",
        ]
    )


def _line(name: str, stats: LayerStats) -> str:
    return f"{name:<30}, " + ", ".join(f"{value:>12.2f}" for value in stats)


def _total(combine: Callable[[Sequence[float]], float], rows: Collection[LayerStats]) -> LayerStats:
    """Combine the columns whose total has a meaning; the others are not a number."""
    _, ofmap, weight, macs, _ = ([*column] for column in zip(*rows, strict=True))
    return LayerStats(math.nan, combine(ofmap), combine(weight), combine(macs), math.nan)


class Arguments(NamedTuple):
    """Checked arguments: the network, the batch size, and the bits of a word."""

    net: str
    batch: int
    word: int


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read and check a command line.

    Raises
    ------
    Refused
        For a bad argument.
    SystemExit
        With status 0, after ``--help``.
    """
    parser = OneLineParser(prog=PROG, description="Print the sizes of a network's layers.")
    parser.add_argument("net", help="network name, or a Python file that defines NN")
    parser.add_argument("-b", "--batch", metavar="N", default="1", help="batch size (default: 1)")
    parser.add_argument(
        "-w",
        "--word",
        metavar="BITS",
        default="16",
        help="word size in bits, rounded up to whole bytes (default: 16)",
    )
    given = parser.parse_args(argv)
    batch = whole("--batch", given.batch, MAX_BATCH)
    return Arguments(given.net, batch, whole("--word", given.word, MAX_WORD_BITS, unit="bits"))


def run(arguments: Arguments) -> None:
    """Print the report that is asked for.

    Raises
    ------
    Refused
        For a bad network.
    NoReaderError, OutputError
        If the report cannot be written.
    """
    if sys.stdout is None:
        raise Refused("standard output is closed")
    try:
        # What the program of a network prints is no part of the result.
        with contextlib.redirect_stdout(sys.stderr):
            network = import_network(arguments.net)
    except (ImportError, ValueError) as error:
        raise Refused(error) from error
    write(report(network, arguments.batch, (arguments.word + 7) // 8) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status: 0, 2 for bad input, 1 if the program failed, 130 when interrupted, 141 if the
        reader of the output went away. Except with 0 and 141, there is one line on standard error.
    """
    return run_tool(PROG, argv, parse_arguments, run)


if __name__ == "__main__":
    sys.exit(main())
