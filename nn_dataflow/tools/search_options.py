# SPDX-License-Identifier: BSD-3-Clause
"""The options of the network search: names, other spellings, defaults, and texts of the help.

Decides what the command line of docs/model/search.md section 7 consists of, and the largest sizes
that it accepts beside those of machines. `search_arguments` reads and checks it.
"""

import os
from typing import NamedTuple

MAX_TOP = 100  # the search time grows with it
MAX_PROCESSES = 1024

GOALS = ("e", "d", "ed")
MEMORY_TYPES = ("2D", "3D")
BYPASS = "--disable-bypass"
BYPASS_LETTERS = "iof"
CONSTRAINTS = "--constraints"
IMPERFECT = "--imperfect"
SHARING = "--enable-gbuf-sharing"
INTERLAYER = "--interlayer-partition"
SAVE_WRITEBACK = "--enable-save-writeback"
TIME_OVERHEAD = "--layer-pipeline-time-overhead"
MAX_DEGREE = "--layer-pipeline-max-degree"
PLOT_HELP = "draw energy, time, roofline, nodes and pipeline as SVG and PNG into this folder"
REPORT_HELP = "write a report with all of these, one HTML file"


class Spec(NamedTuple):
    """An option: its last name is the main one; without a metavar it is a flag."""

    names: str
    help: str
    metavar: str = ""
    default: str = ""
    aliases: str = ""
    default_text: str = "{}"
    action: str = "store"


MACHINE = (
    Spec(
        "--arch",
        "a machine: a preset, or a file (.yaml, .json); the options below override it; "
        "nn_dataflow arch list shows the presets",
        "NAME|FILE",
        default_text="none, the machine of the options below",
    ),
    Spec("--nodes", "rows and columns of nodes", "H W", "1 1"),
    Spec("--array", "rows and columns of PEs in a node", "H W", "16 16"),
    Spec("--regf", "register file of a PE, in bytes", "BYTES", "512"),
    Spec("--gbuf", "global buffer of a node, in bytes", "BYTES", "131072"),
    Spec("--word", "word size, in bits", "BITS", "16"),
    Spec(
        "--bus-width",
        "width of the bus from global buffer to PE array, in bits; 0 is unlimited",
        "BITS",
        "0",
    ),
    Spec("--dram-bw", "total memory bandwidth, in bytes per cycle, or inf", "X", "inf"),
    Spec("--mem-type", "memory at the four corners (2D) or at every node (3D)", "TYPE", "2D"),
)
COSTS = (
    Spec("--op-cost", "of an operation", "X", "1"),
    Spec(
        "--hier-cost",
        "per word accessed in memory, global buffer, array interconnect and register file",
        "DRAM GBUF ITCN REGF",
        "200 6 2 1",
    ),
    Spec("--hop-cost", "per word and hop between nodes", "X", "10"),
    Spec("--unit-idle-cost", "static, per cycle, of the whole machine", "X", "0"),
)
OPTIONS = {
    "workload": (Spec("--batch", "batch size", "N", "16"),),
    "machine": MACHINE,
    "costs, in one unit; the defaults are in energies of a MAC operation": COSTS,
    "what is searched": (
        Spec(
            BYPASS,
            "what must not bypass the global buffer: i ifmaps, o ofmaps, f filters, one or several",
            "iof",
            default_text="all may",
            action="append",
        ),
        Spec(
            "--solve-loopblocking",
            "solve loop blocking by formula where possible, instead of searching exhaustively",
        ),
        Spec(
            IMPERFECT,
            "loops may be cut in blocks that do not divide them, the last one partial; not with "
            "--solve-loopblocking",
        ),
        Spec(
            "--hybrid-partition",
            "split each layer over the nodes in all ways, not in one way fixed by its kind",
            aliases="--hybrid-partition2d --hybrid-partitioning",
        ),
        Spec(
            "--batch-partition",
            "the batch, too, may be split over the nodes",
            aliases="--batch-partitioning",
        ),
        Spec(
            "--ifmaps-partition",
            "input channels, too, may be split over the nodes; needs --hybrid-partition",
            aliases="--ifmap-partition --ifmaps-partitioning --ifmap-partitioning",
        ),
        Spec(
            "--enable-access-forwarding",
            "nodes that use the same data fetch a part each from memory, and forward it",
        ),
        Spec(
            SHARING,
            "nodes that use the same data spread them over their global buffers; forwards as well",
        ),
        Spec(
            CONSTRAINTS,
            "what is fixed or forbidden in schedules of layers and in segments (.yaml, .json); the "
            "result is the best of what is left",
            "FILE",
            default_text="none",
        ),
    ),
    "pipelines of layers, which share a segment of time and hand over fmaps on chip": (
        Spec(
            INTERLAYER,
            "groups of layers may run side by side, each on nodes of its own",
            aliases="--inter-layer-partition",
        ),
        Spec(
            SAVE_WRITEBACK,
            "fmaps may stay in the global buffers between layers that run one after another on "
            "the same nodes; not with --solve-loopblocking",
        ),
        Spec(
            "--disable-interlayer-opt",
            "basic pipelines only: one chain of layers, each handing over whole fmaps",
            aliases="--basic-interlayer-partition",
        ),
        Spec(
            TIME_OVERHEAD,
            "longest time of a segment beyond that of its layers one by one on all its nodes, as a "
            "share of the latter (0.1 is a tenth), or inf",
            "X",
            "inf",
        ),
        Spec(
            MAX_DEGREE,
            "most units of layers in a segment, or inf; a unit is a convolution or FC layer with "
            "the pooling and the like behind it",
            "X",
            "inf",
        ),
    ),
    "search": (
        Spec(
            "-g --goal",
            "what is to be least: e energy (the cost), d delay (the time), ed their product",
            "GOAL",
            "e",
        ),
        Spec(
            "--pareto",
            "find the energy-delay curve, too: all schedules of which no mixture of others beats "
            "any in both energy and time; takes a search or two for each, long ones with pipelines",
        ),
        Spec(
            "-t --top",
            f"how many best schedules to keep, at most {MAX_TOP}; many may tie, and the search "
            "time grows with N; the table gives the totals of all, JSON the schedules",
            "N",
            "1",
        ),
        Spec(
            "-p --processes",
            "number of processes",
            "N",
            str(max(1, (os.cpu_count() or 1) // 2)),
            default_text="half of the CPUs, here {}",
        ),
    ),
    "output": (
        Spec("--json", "print JSON, on a terminal as well"),
        Spec("-o --output", "write JSON to this file; a terminal still gets the table", "FILE"),
        Spec(
            "--explain",
            "print how a layer is scheduled as a loop nest, what comes next and where that loses; "
            "for several layers several times; it takes the place of JSON on standard output",
            "LAYER",
            default_text="none",
            action="append",
        ),
        Spec("--plot", PLOT_HELP, "DIR", default_text="none"),
        Spec("--report", REPORT_HELP, "FILE", default_text="none"),
        Spec("-v --verbose", "say on standard error what is being searched"),
        Spec("--debug", "show where in the program an error arose"),
    ),
}
