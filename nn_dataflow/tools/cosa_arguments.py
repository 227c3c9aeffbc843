# SPDX-License-Identifier: BSD-3-Clause
"""Command line of the layer scheduler: its options and their defaults.

Decides what is refused before any work starts (docs/cosa.md section 5). The first four options and
their defaults are those of the original.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from .argument_checks import MAX_BATCH, OneLineParser, Refused, choice, refuse, whole
from .terminal import write

if TYPE_CHECKING:
    from collections.abc import Sequence

PROG = "cosa_schedule"

FORMULATIONS = ("exact", "H", "P")
GOALS = ("e", "d", "ed")
MAX_PROCESSES = 1024
MAX_SECONDS = 1e9

_DESCRIPTION = "Schedule a layer, or all layers of a network, on a spatial accelerator."

_EPILOG = """\
Standard output gets one line of JSON per layer, or a table and a loop nest if it is a terminal; the
output folder gets the mapping files.

exit status:
  0    each layer has a schedule
  1    this program failed
  2    an argument or a file was refused
  3    no mapping is valid, or none was found in time
  130  interrupted

example:
  cosa_schedule --arch simba64 --net resnet50 --goal e
"""


class Arguments(NamedTuple):
    """Checked arguments."""

    output_dir: str
    arch_path: str | None
    arch: str | None
    mapspace_path: str | None
    prob_path: str | None
    net: str | None
    layer: str | None
    batch: int
    formulation: str
    goal: str
    time_limit: float | None
    seed: int
    uneven: bool
    processes: int
    json: bool
    debug: bool


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read and check a command line.

    Parameters
    ----------
    argv : sequence of str
        Arguments without the program's name.

    Raises
    ------
    Refused
        If an option is unknown or incomplete, a value is not allowed, or options contradict.
    SystemExit
        With status 0, after ``--help`` and ``--version``.

    Examples
    --------
    >>> parse_arguments(["--net", "vgg_net", "-g", "E"]).goal
    'e'
    """
    given = _parser().parse_args(argv)
    for first, second in (("arch", "arch_path"), ("net", "prob_path")):
        if getattr(given, first) is not None and getattr(given, second) is not None:
            raise Refused(f"--{first}: must not be given with --{second}")
    for needing in ("layer", "batch"):
        if getattr(given, needing) is not None and given.net is None:
            raise Refused(f"--{needing}: needs --net")
    formulation = choice("--formulation", given.formulation, FORMULATIONS)
    if given.uneven and formulation == "exact":
        raise Refused("--uneven: needs --formulation H or P")
    if not given.output_dir:
        refuse("--output_dir", given.output_dir, "the name of a folder")
    return Arguments(
        output_dir=given.output_dir,
        arch_path=given.arch_path,
        arch=given.arch,
        mapspace_path=given.mapspace_path,
        prob_path=given.prob_path,
        net=given.net,
        layer=given.layer,
        batch=1 if given.batch is None else whole("--batch", given.batch, MAX_BATCH),
        formulation=formulation,
        goal=choice("--goal", given.goal, (*GOALS, *map(str.upper, GOALS))).lower(),
        time_limit=None if given.time_limit is None else _seconds(given.time_limit),
        seed=whole("--seed", given.seed, 2**31 - 1, lowest=0),
        uneven=given.uneven,
        processes=whole("--processes", given.processes, MAX_PROCESSES),
        json=given.json,
        debug=given.debug,
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_SECONDS:
        refuse("--time-limit", text, f"a positive number of seconds, at most {MAX_SECONDS:g}")
    return value


class _Version(argparse.Action):
    """Print the version, looked up only then, and stop."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from nn_dataflow.version import get_version  # noqa: PLC0415

        write(f"{PROG} {get_version(with_local=True)}\n")
        parser.exit()


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=PROG,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    processes = max(1, os.cpu_count() or 1)
    for names, metavar, default, text in (
        ("-o --output_dir", "DIR", "output_dir", "folder of the results (output_dir)"),
        ("-ap --arch_path", "FILE", None, "architecture file (the bundled 16-element machine)"),
        ("-mp --mapspace_path", "FILE", None, "mapspace file (what the architecture says)"),
        ("-pp --prob_path", "FILE", None, "problem file (the first layer of ResNet-50)"),
        ("--arch", "PRESET", None, "a bundled machine instead: simba16 or simba64"),
        ("--net", "NAME", None, "a network of nn_dataflow.nns, or a .py file, instead"),
        ("--layer", "NAME", None, "only this layer of the network"),
        ("--batch", "N", None, "batch size of the network (1)"),
        ("--formulation", "F", "exact", "exact (the proven optimum), H or P (exact)"),
        ("-g --goal", "GOAL", "ed", "what exact makes least: e, d or ed (ed)"),
        ("--time-limit", "S", None, "seconds per layer, then the best found is taken"),
        ("--seed", "N", "0", "seed of the solver of H and P (0)"),
        ("-p --processes", "N", str(processes), f"number of processes (here {processes})"),
    ):
        parser.add_argument(*names.split(), metavar=metavar, default=default, help=text)
    for name, text in (
        ("--uneven", "H and P may draw the boundaries of tiles per tensor"),
        ("--json", "print JSON, on a terminal as well"),
        ("--debug", "show where in the program an error arose"),
    ):
        parser.add_argument(name, action="store_true", help=text)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version, and stop")
    return parser
