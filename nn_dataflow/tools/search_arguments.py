# SPDX-License-Identifier: BSD-3-Clause
"""Command line of the network search: how its words are read and checked.

Decides what is refused before any work starts (docs/model/search.md section 7), which spellings of
an option are understood (docs/differences.md E15), and where the words after ``--disable-bypass``
end (E13).
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from nn_dataflow.machines.limits import MAX_BYTES, MAX_NODES, MAX_PES, MAX_WORD_BITS

from .argument_checks import (
    MAX_BATCH,
    OneLineParser,
    Refused,
    area,
    bandwidth,
    bus_width,
    choice,
    cost,
    costs,
    limit,
    refuse,
    shown,
    whole,
)
from .search_options import (
    BYPASS,
    BYPASS_LETTERS,
    COSTS,
    GOALS,
    IMPERFECT,
    MACHINE,
    MAX_DEGREE,
    MAX_PROCESSES,
    MAX_TOP,
    MEMORY_TYPES,
    OPTIONS,
    SAVE_WRITEBACK,
    SHARING,
    TIME_OVERHEAD,
    Spec,
)
from .terminal import write

PROG = "nn_dataflow_search"

_DESCRIPTION = "Find the best dataflow of a neural network on a tiled accelerator."

_EPILOG = """\
The result is a table if standard output is a terminal, and JSON otherwise.
Long options may be shortened as long as they stay unambiguous.

exit status:
  0    a schedule was found
  1    this program failed
  2    an argument or the network was refused
  3    no dataflow is valid; a line says which layer exceeds which capacity
  130  interrupted; the best schedule found so far is printed, and written with -o

example:
  nn_dataflow_search vgg_net --goal ED --nodes 4 4 --hybrid-partition
"""


class Arguments(NamedTuple):
    """Checked arguments, in the units of the command line.

    Options of the machine that were not given have their defaults; `given` names the others, such
    as ``gbuf``, which override the machine of `arch`.
    """

    net: str
    batch: int
    arch: str | None
    given: frozenset[str]
    word: int  # bits
    nodes: tuple[int, int]
    array: tuple[int, int]
    regf: int  # bytes
    gbuf: int  # bytes
    bus_width: int  # bits, 0 is unlimited
    dram_bw: float  # bytes per cycle
    op_cost: float
    hier_cost: tuple[float, ...]
    hop_cost: float
    unit_idle_cost: float
    mem_type: str
    disable_bypass: frozenset[str]
    constraints: str | None
    solve_loopblocking: bool
    imperfect: bool
    hybrid_partition: bool
    batch_partition: bool
    ifmaps_partition: bool
    enable_access_forwarding: bool
    enable_gbuf_sharing: bool
    interlayer_partition: bool
    enable_save_writeback: bool
    disable_interlayer_opt: bool
    layer_pipeline_time_overhead: float
    layer_pipeline_max_degree: float
    goal: str
    pareto: bool
    top: int
    processes: int
    verbose: bool
    json: bool
    output: str | None
    explain: tuple[str, ...]
    plot: str | None
    report: str | None
    words: tuple[str, ...]  # as given
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
        If an option is unknown, ambiguous or incomplete, or a value is not allowed.
    NoReaderError, OutputError
        If the text of ``--help`` or ``--version`` cannot be written.
    SystemExit
        With status 0, after ``--help`` and ``--version``.

    Examples
    --------
    >>> arguments = parse_arguments(["vgg_net", "--goal", "ED", "--disable-bypass", "i", "o"])
    >>> arguments.goal, arguments.batch, sorted(arguments.disable_bypass)
    ('ed', 16, ['i', 'o'])
    """
    parser = _Parser()
    given = parser.parse_args(_join_bypass(parser.complete(argv)))
    of_machine = _of_machine(given)
    if given.ifmaps_partition and not given.hybrid_partition:
        raise Refused("--ifmaps-partition: needs --hybrid-partition")
    _refuse_contradictions(given)
    word = whole("--word", given.word, MAX_WORD_BITS, unit="bits")
    return Arguments(
        net=given.net,
        batch=whole("--batch", given.batch, MAX_BATCH),
        arch=given.arch,
        given=of_machine,
        word=word,
        nodes=area("--nodes", given.nodes, MAX_NODES, "nodes"),
        array=area("--array", given.array, MAX_PES, "PEs"),
        regf=whole("--regf", given.regf, MAX_BYTES, unit="bytes"),
        gbuf=whole("--gbuf", given.gbuf, MAX_BYTES, unit="bytes"),
        bus_width=bus_width("--bus-width", given.bus_width, MAX_BYTES, word),
        dram_bw=bandwidth("--dram-bw", given.dram_bw),
        op_cost=cost("--op-cost", given.op_cost),
        hier_cost=costs("--hier-cost", given.hier_cost),
        hop_cost=cost("--hop-cost", given.hop_cost),
        unit_idle_cost=cost("--unit-idle-cost", given.unit_idle_cost),
        mem_type=choice("--mem-type", given.mem_type, MEMORY_TYPES),
        disable_bypass=_bypass_letters(given.disable_bypass or ()),
        constraints=given.constraints,
        solve_loopblocking=given.solve_loopblocking,
        imperfect=given.imperfect,
        hybrid_partition=given.hybrid_partition,
        batch_partition=given.batch_partition,
        ifmaps_partition=given.ifmaps_partition,
        enable_access_forwarding=given.enable_access_forwarding,
        enable_gbuf_sharing=given.enable_gbuf_sharing,
        interlayer_partition=given.interlayer_partition,
        enable_save_writeback=given.enable_save_writeback,
        disable_interlayer_opt=given.disable_interlayer_opt,
        layer_pipeline_time_overhead=limit(TIME_OVERHEAD, given.layer_pipeline_time_overhead, 0),
        layer_pipeline_max_degree=limit(MAX_DEGREE, given.layer_pipeline_max_degree, 1),
        goal=choice("--goal", given.goal, (*GOALS, *map(str.upper, GOALS))).lower(),
        pareto=given.pareto,
        top=whole("--top", given.top, MAX_TOP),
        processes=whole("--processes", given.processes, MAX_PROCESSES),
        verbose=given.verbose,
        json=given.json,
        output=given.output,
        explain=tuple(given.explain or ()),
        plot=given.plot,
        report=given.report,
        words=tuple(argv),
        debug=given.debug,
    )


def _of_machine(given: argparse.Namespace) -> frozenset[str]:
    """Name the options of the machine that were given, and give the others their defaults."""
    named = set()
    for spec in (*MACHINE[1:], *COSTS):
        name = spec.names[2:].replace("-", "_")
        if getattr(given, name) is None:
            several = " " in spec.metavar
            setattr(given, name, spec.default.split() if several else spec.default)
        else:
            named.add(name)
    return frozenset(named)


def _refuse_contradictions(given: argparse.Namespace) -> None:
    """Refuse what excludes an option.

    Sharing forwards as it is; the formula knows neither shared buffers, nor fmaps that stay, nor
    partial blocks.
    """
    for option, other in (
        ("--enable-access-forwarding", SHARING),
        ("--solve-loopblocking", SHARING),
        ("--solve-loopblocking", SAVE_WRITEBACK),
        ("--solve-loopblocking", IMPERFECT),
    ):
        if all(getattr(given, name[2:].replace("-", "_")) for name in (option, other)):
            raise Refused(f"{option}: must not be given with {other}")


class _Version(argparse.Action):
    """Print the version, looked up only then, and stop."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from nn_dataflow.version import get_version  # noqa: PLC0415

        write(f"{PROG} {get_version(with_local=True)}\n")
        parser.exit()


class _Parser(OneLineParser):
    """The options, with values still as given."""

    def __init__(self) -> None:
        super().__init__(
            prog=PROG,
            usage=f"{PROG} [options] net",
            description=_DESCRIPTION,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._spellings = {"--help": "--help", "--version": "--version"}
        # All in groups: argparse formats help, which is slow, for what is added to the parser.
        group = self.add_argument_group("network")
        group.add_argument(
            "net", help="a network of nn_dataflow.nns, or the path of a .py file that defines NN"
        )
        for title, specs in OPTIONS.items():
            group = self.add_argument_group(title)
            for spec in specs:
                self._add_option(group, spec)
        group = self.add_argument_group("about")
        group.add_argument("-h", "--help", action="help", help="show this text, and stop")
        group.add_argument("--version", action=_Version, nargs=0, help="show the version, and stop")

    def _add_option(self, group: "argparse._ArgumentGroup", spec: Spec) -> None:
        names = spec.names.split()
        for spelling in (names[-1], *spec.aliases.split()):
            self._spellings[spelling] = names[-1]
        if not spec.metavar:
            group.add_argument(*names, action="store_true", help=spec.help)
            return
        metavars = tuple(spec.metavar.split())
        several: dict[str, Any] = {}
        default: Any = spec.default or None
        if len(metavars) > 1:
            several = {"nargs": len(metavars)}
            default = spec.default.split()
        default_text = spec.default_text.format(spec.default)
        if spec in MACHINE or spec in COSTS:
            default = None  # so that it is known what was given
        group.add_argument(
            *names,
            action=spec.action,
            metavar=metavars if several else spec.metavar,
            default=default,
            help=f"{spec.help} (default: {default_text})" if default_text else spec.help,
            **several,
        )

    def complete(self, argv: Sequence[str]) -> list[str]:
        """Replace aliases and prefixes of long options by the options' names.

        Several spellings of one option make a prefix no more ambiguous.
        """
        end = list(argv).index("--") if "--" in argv else len(argv)
        return [*map(self._complete, argv[:end]), *argv[end:]]

    def _complete(self, word: str) -> str:
        if not word.startswith("--"):
            return word
        start, equals, value = word.partition("=")
        if start in self._spellings:
            return self._spellings[start] + equals + value
        # Of each option, the first spelling that begins like this.
        options: dict[str, str] = {}
        for spelling, name in self._spellings.items():
            if spelling.startswith(start):
                options.setdefault(name, spelling)
        if len(options) > 1:
            could = " or ".join(sorted(options.values()))
            raise Refused(f"{shown(start)}: could be {could}")
        return next(iter(options), start) + equals + value


def _join_bypass(argv: Sequence[str]) -> list[str]:
    """Join ``--disable-bypass i o f`` to one word, so that the option takes no word too many.

    >>> _join_bypass(["--disable-bypass", "i", "of", "vgg_net", "-v"])
    ['--disable-bypass=iof', 'vgg_net', '-v']
    """
    joined = []
    words = list(argv)
    while words and words[0] != "--":
        word = words.pop(0)
        if word == BYPASS:
            word += "="
            while words and words[0] and set(words[0]) <= set(BYPASS_LETTERS):
                word += words.pop(0)
            if word.endswith("="):
                given = f" {shown(words[0])}" if words else ""
                raise Refused(f"{BYPASS}{given}: must be followed by i, o, f or some of them")
        joined.append(word)
    return joined + words


def _bypass_letters(texts: Sequence[str]) -> frozenset[str]:
    for text in texts:
        if not text or not set(text) <= set(BYPASS_LETTERS):
            refuse(BYPASS, text, "one or more of i (ifmaps), o (ofmaps) and f (filters)")
    return frozenset("".join(texts))
