# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool: prints the sizes, operations and smallest useful buffer of a network's layers.

Decides nothing but the report's form (docs/model/search.md section 8); a bad argument is one line
on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from nn_dataflow.core.layer import ConvLayer, FCLayer, Layer
from nn_dataflow.nns import import_network

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from nn_dataflow.core.network import Network

KILO = 1024
MEGA = 1024 * 1024
MAX_BATCH = 1_000_000
MAX_WORD_BITS = 1024

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


class _OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _whole_number(limit: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = 0
        if not 0 < value <= limit:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from 1 to {limit}, got {text!r}"
            )
        return value

    return convert


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status: 0, or 2 for a bad argument.
    """
    parser = _OneLineParser(
        prog="nn_layer_stats", description="Print the sizes of a network's layers."
    )
    parser.add_argument("net", help="network name, or a Python file that defines NN")
    parser.add_argument(
        "-b", "--batch", type=_whole_number(MAX_BATCH), default=1, help="batch size (default 1)"
    )
    parser.add_argument(
        "-w",
        "--word",
        type=_whole_number(MAX_WORD_BITS),
        default=16,
        help="word size in bits, rounded up to whole bytes (default 16)",
    )
    try:
        args = parser.parse_args(argv)
        network = import_network(args.net)
    except (ValueError, ImportError) as exc:
        print(f"{parser.prog}: error: {exc}", file=sys.stderr)
        return 2
    print(report(network, args.batch, (args.word + 7) // 8))
    return 0


if __name__ == "__main__":
    sys.exit(main())
