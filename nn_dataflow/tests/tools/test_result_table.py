# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the readable table of a search: what is printed, beside what was found."""

import math
import re
from collections import OrderedDict

import pytest

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.tests.tools.recorded_search import RecordedSearch, recorded
from nn_dataflow.tools import nn_dataflow_search
from nn_dataflow.tools.result_table import render
from nn_dataflow.tools.search_arguments import parse_arguments
from nn_dataflow.tools.table_text import scale

MLP_M = "mlp_m --batch 16 --nodes 2 2 --hybrid-partition -g ed"
MLP_S = "mlp_s --batch 16 --nodes 1 1 -g e"
VGG = "vgg_net --batch 16 --nodes 4 4 --solve-loopblocking --hybrid-partition -g ED"
RESNET = "resnet152 --batch 4 --nodes 8 8 --solve-loopblocking --hybrid-partition -g e"


def search(monkeypatch, args, *more, change=None):
    """The result of a recorded search, with other arguments or other layers."""
    recording = RecordedSearch(args).install(monkeypatch)
    if change:
        layers = recording.case["schedules"]
        changed = {name: {**layer, **change(layer)} for name, layer in layers.items()}
        recording.case = {**recording.case, "schedules": changed}
    arguments = parse_arguments([*args.split(), "-p", "1", *more])
    result = nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))
    return result._replace(elapsed=0.25)


WIDE = """\
mlp_m, batch 16, goal: least energy x delay (cost x time)
machine 2x2 nodes of 16x16 PEs; 16-bit words; register file 0.5 kB (256 words) per PE;
        global buffer (GBUF) 128 kB (65536 words) per node;
        bus from GBUF to PEs unlimited per data category; 2D memory (DRAM) at the 4 corners;
        DRAM bandwidth unlimited
costs   operation 1; DRAM word 200; GBUF word 6; array word 2; register file word 1; word-hop 10;
        cycle 0 (static); one unit is the energy of a MAC operation
options may bypass GBUF: filters, ifmaps, ofmaps; partition hybrid; loop blocking exhaustive

layer      cost    time   PEs busy  time      DRAM   GBUF  partition  I        O      B       order
        k units  cycles  % of time  limit  k words  words  nodes      trips    trips  trips
fc1    238292.2   12544       97.7  PEs      850.2      0  OUTP 2x2   1·98·1   1·1·8  1·1·16  -/I
fc2    160264.0    8000       97.7  PEs      572.0      0  OUTP 2x2   1·125·1  1·1·4  1·1·16  -/I
fc3     47042.7    2000       97.7  PEs      162.0      0  OUTP 2x2   1·1·125  1·1·1  1·16·1  -/B
fc4      4306.5     256       15.3  PEs       19.2      0  OUTP 2x2   1·1·16   1·1·1  1·16·1  -/B
---------------------------------------------------------------------------------------------------
total  449905.4   22800       96.7          1603.4      0
PEs busy: operations / (time x nodes x PEs per node); time limit: the longest of the times in PEs,
on the bus to them and in DRAM
partition: rows x columns of nodes over which output channels (OUTP), ofmap rows and columns (OFMP),
batch (BATP) or input channels (INPP) are split
blocking: trips of the loops over input channels (I), output channels (O) and batch (B) in
DRAM·GBUF·register file, outer to inner; order: loops of several trips in DRAM/GBUF, outer to inner

layer   cost   time     PEs     ops    DRAM   array    regf    hops
       % all  % all  % time  % cost  % cost  % cost  % cost  % cost
fc1     53.0   55.0   100.0     5.3    71.4     2.1    21.1     0.2
fc2     35.6   35.1   100.0     5.0    71.4     3.3    20.0     0.4
fc3     10.5    8.8   100.0     4.3    68.9     9.2    17.0     0.7
fc4      1.0    1.1   100.0     0.9    89.1     2.5     3.7     3.7
-------------------------------------------------------------------
total  100.0  100.0             5.0    71.3     3.3    20.1     0.4
% all: of the total; % time: of the layer's time (100 is what limits it); % cost: of its cost, for
operations (ops), accesses at DRAM, GBUF, PE array and register files (regf), hops between nodes,
and static

total   cost 449905.4 k units; time 22800 cycles; cost x time 1.02578e+13 unit-cycles

cost of              amount                 cost  share
                                         k units      %
operations          22584.0  k ops       22584.0    5.0
DRAM                 1603.4  k words    320680.0   71.3
GBUF                    0.0  k words         0.0    0.0
PE array             7341.8  k words     14683.7    3.3
register files      90336.0  k words     90336.0   20.1
hops between nodes   162176  word-hops    1621.8    0.4
static                22800  cycles          0.0    0.0
total                                   449905.4  100.0

proof   no schedule of the stated space has less cost x time
search  0.250 s; layers 0.125 s; network 0.062 s; 1 process; layer searches 5 computed, 2 reused
effort  10^12 schedules; candidates 1,234,567; pruned by capacity 890; evaluated 12
"""

NARROW = """\
mlp_s, batch 16, goal: least energy (cost)
machine 1x1 nodes of 16x16 PEs; 16-bit words;
        register file 0.5 kB (256 words) per PE;
        global buffer (GBUF) 128 kB (65536 words) per node;
        bus from GBUF to PEs unlimited per data category;
        2D memory (DRAM) at the 4 corners; DRAM bandwidth unlimited
costs   operation 1; DRAM word 200; GBUF word 6; array word 2;
        register file word 1; word-hop 10; cycle 0 (static);
        one unit is the energy of a MAC operation
options may bypass GBUF: filters, ifmaps, ofmaps;
        partition in one fixed way; loop blocking exhaustive

layer      cost    time   PEs busy  time     DRAM   GBUF
        k units  cycles  % of time  limit   words  words
    partition  I        O      B       order
    nodes      trips    trips  trips
fc1    116322.4   25088       97.7  PEs    412544      0
    -          1·196·1  1·1·8  1·1·16  -/I
fc2     38706.0    8000       97.7  PEs    137000      0
    -          1·125·1  1·1·4  1·1·16  -/I
fc3      1617.3    4000        3.9  PEs      6660      0
    -          1·250·1  1·1·1  1·1·16  -/I
--------------------------------------------------------
total  156645.8   37088       87.5         556204      0
PEs busy: operations / (time x nodes x PEs per node); time limit: the
longest of the times in PEs, on the bus to them and in DRAM
blocking: trips of the loops over input channels (I), output channels
(O) and batch (B) in DRAM·GBUF·register file, outer to inner; order:
loops of several trips in DRAM/GBUF, outer to inner

layer   cost   time     PEs     ops    DRAM   array    regf
       % all  % all  % time  % cost  % cost  % cost  % cost
fc1     74.3   67.6   100.0     5.4    70.9     2.1    21.6
fc2     24.7   21.6   100.0     5.2    70.8     3.4    20.7
fc3      1.0   10.8   100.0     2.5    82.4     5.3     9.9
-----------------------------------------------------------
total  100.0  100.0             5.3    71.0     2.5    21.2
% all: of the total; % time: of the layer's time (100 is what limits
it); % cost: of its cost, for operations (ops), accesses at DRAM, GBUF,
PE array and register files (regf), hops between nodes, and static

total   cost 156645.8 k units; time 37088 cycles;
        cost x time 5.80968e+12 unit-cycles

cost of              amount                 cost  share
                                         k units      %
operations           8312.0  k ops        8312.0    5.3
DRAM                  556.2  k words    111240.8   71.0
GBUF                    0.0  k words         0.0    0.0
PE array             1922.5  k words      3845.0    2.5
register files      33248.0  k words     33248.0   21.2
hops between nodes        0  word-hops       0.0    0.0
static                37088  cycles          0.0    0.0
total                                   156645.8  100.0

proof   no schedule of the stated space has less cost
search  0.250 s; layers 0.125 s; network 0.062 s; 1 process;
        layer searches 5 computed, 2 reused
effort  10^12 schedules; candidates 1,234,567; pruned by capacity 890;
        evaluated 12
"""


def test_wide_table(monkeypatch):
    assert render(search(monkeypatch, MLP_M), 100) == WIDE


def test_narrow_table_has_two_lines_per_layer(monkeypatch):
    assert render(search(monkeypatch, MLP_S), 72) == NARROW


@pytest.mark.parametrize(("goal", "what"), [("e", "cost"), ("d", "time"), ("ed", "cost x time")])
def test_gap_is_told(monkeypatch, goal, what):
    result = search(monkeypatch, MLP_S)
    problem = result.problem._replace(options=result.options._replace(opt_goal=goal))
    result = result._replace(problem=problem, certificate=Certificate(2e9, 1.939e9))
    line = f"no schedule of the stated space has over 3.1 % less {what}; lower bound 1.939e+09"
    assert line in render(result, 110)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("args", [MLP_S, MLP_M, VGG, RESNET])
def test_every_line_fits(monkeypatch, args, width):
    lines = render(search(monkeypatch, args), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_every_layer_is_there_with_its_partition_and_blocking(monkeypatch, width):
    text = render(search(monkeypatch, VGG), width)
    lines = text.splitlines()
    for name, layer in recorded()[VGG]["schedules"].items():
        number = next(n for n, line in enumerate(lines) if line.startswith(f"{name} "))
        row = lines[number] + ("" if width == 120 else lines[number + 1])
        for key in ("ti", "to", "tb"):
            assert "·".join(map(str, layer[key])) in row
        order, dims = layer["part"]
        names = ("OUTP", "OFMP", "BATP", "INPP")
        split = [f"{names[kind]} {dims[kind][0]}x{dims[kind][1]}" for kind in order]
        assert ", ".join(text for text in split if not text.endswith(" 1x1")) in row


def row_of(text, name):
    """The row of a layer in the first table."""
    lines = text.splitlines()
    return next(line.split() for line in lines if line.startswith(f"{name} "))


def test_numbers_of_a_layer(monkeypatch):
    result = search(monkeypatch, VGG)
    layer = result.best["conv8"]
    row = row_of(render(result, 120), "conv8")
    dram, gbuf = layer.total_accesses[:2]
    busy = 100 * layer.total_ops / (layer.total_time * 16 * 256)
    assert row[1:7] == [
        f"{layer.total_cost / 1e9:.1f}",
        f"{layer.total_time / 1e3:.1f}",
        f"{busy:.1f}",
        "PEs",
        f"{dram / 1e6:.1f}",
        f"{gbuf / 1e3:.1f}",
    ]


def test_order_names_the_loops_of_several_trips_outermost_first(monkeypatch):
    def change(_):
        return {
            "ti": (1, 5, 1),
            "to": (2, 5, 1),
            "tb": (3, 5, 9),
            # Positions of I, O and B, 0 being innermost.
            "orders": ((2, 1, 0), (1, 2, 0)),
        }

    text = render(search(monkeypatch, MLP_S, change=change), 120)
    assert row_of(text, "fc1")[-4:] == ["1·5·1", "2·5·1", "3·5·9", "OB/OIB"]


def test_partition_is_in_hierarchy_order(monkeypatch):
    result = search(monkeypatch, MLP_S)
    part = PartitionScheme((2, 0, 3, 1), ((1, 4), (1, 1), (2, 2), (3, 1)))
    layer = result.best["fc1"]
    scheme = OrderedDict(layer.scheme, part=part)
    result.best.res_dict["fc1"] = layer._replace(scheme=scheme)
    assert "BATP 2x2, OUTP 1x4, INPP 3x1" in render(result, 120)


def test_what_limits_the_time_is_shown(monkeypatch):
    def slow_memory(layer):
        return {"time": 2 * layer["proc_time"], "dram_time": 2 * layer["proc_time"]}

    def slow_bus(layer):
        return {"time": 3 * layer["proc_time"], "bus_time": 3 * layer["proc_time"]}

    plain = render(search(monkeypatch, MLP_S), 120)
    assert row_of(plain, "fc1")[4] == "PEs"
    memory = render(search(monkeypatch, MLP_S, change=slow_memory), 120)
    assert row_of(memory, "fc1")[4] == "DRAM"
    bus = render(search(monkeypatch, MLP_S, change=slow_bus), 120)
    assert row_of(bus, "fc1")[4] == "bus"
    # In the table of shares, PEs and bus have a column each.
    shares = [line.split() for line in bus.splitlines() if line.startswith("fc1 ")][-1]
    assert shares[3:5] == ["33.3", "100.0"]


def busy_of(text, name):
    return row_of(text[: text.index("PEs busy: operations")], name)[3]


def test_pes_wait_for_the_bus_and_for_memory(monkeypatch):
    """Busy means the same in the layers and in the total: operations per cycle of all the time."""

    def halve(layer):
        return {"time": 2 * layer["proc_time"], "dram_time": 2 * layer["proc_time"]}

    plain = render(search(monkeypatch, MLP_S), 120)
    slow = render(search(monkeypatch, MLP_S, change=halve), 120)
    assert [busy_of(plain, name) for name in ("fc1", "fc2", "total")] == ["97.7", "97.7", "87.5"]
    assert [busy_of(slow, name) for name in ("fc1", "fc2", "total")] == ["48.8", "48.8", "43.8"]
    assert "% of time" in plain


def test_busy_shares_of_a_search_with_finite_bandwidth():
    arguments = parse_arguments([*MLP_M.split(), "--dram-bw", "4", "-p", "1"])
    result = nn_dataflow_search.search(arguments, nn_dataflow_search.describe(arguments))
    text = render(result, 120)
    best = result.best
    assert any(layer.total_time > layer.total_proc_time for layer in best.values())
    for name, part in (*best.items(), ("total", best)):
        busy = 100 * part.total_ops / (part.total_time * 4 * 256)
        assert busy_of(text, name) == f"{busy:.1f}"


def test_machine_and_options(monkeypatch):
    machine = "--bus-width 64 --dram-bw 12.8 --mem-type 3D --array 12 14 --gbuf 110592 --word 8"
    options = "--disable-bypass i o --batch-partition --ifmaps-partition"
    result = search(monkeypatch, MLP_M, *machine.split(), *options.split())
    text = " ".join(render(result, 120).split())
    for words in (
        "2x2 nodes of 12x14 PEs; 8-bit words; register file 0.5 kB (512 words) per PE;",
        "global buffer (GBUF) 108 kB (110592 words) per node;",
        "bus from GBUF to PEs 8 words/cycle per data category;",
        "3D memory (DRAM) at every node; DRAM bandwidth 12.8 words/cycle",
        "may bypass GBUF: filters; partition hybrid, batch, ifmaps; loop blocking exhaustive",
    ):
        assert words in text


def share(_):
    """As in a search in which nodes share buffers."""
    return {"bufshr_subgrp_size": (2, 4, 1), "node_nhops": (100.0, 20.0, 0.0)}


def test_what_nodes_do_for_each_other_is_among_the_options(monkeypatch):
    for words, text in (
        ("--enable-access-forwarding", "loop blocking exhaustive; nodes forward data"),
        ("--enable-gbuf-sharing", "loop blocking exhaustive; nodes share GBUF and forward data"),
    ):
        shown = " ".join(render(search(monkeypatch, MLP_M, words), 120).split())
        assert f"{text} layer" in shown
        assert "in sharing groups" not in shown
        assert "sharing" not in shown.split()


def test_partial_blocks_are_among_the_options(monkeypatch):
    for words, is_there in (((), False), (("--imperfect",), True)):
        shown = " ".join(render(search(monkeypatch, MLP_M, *words), 120).split())
        text = "loop blocking exhaustive; loops may end in partial blocks layer"
        assert (text in shown) == is_there


def test_what_moves_in_sharing_groups_is_shown(monkeypatch):
    """As a part of the hops, which is in the total once; and which data are spread how far."""
    result = search(monkeypatch, MLP_M, "--enable-gbuf-sharing", change=share)
    text = render(result, 120)
    assert row_of(text, "fc1")[-2:] == ["F2", "I4"]
    plain = render(search(monkeypatch, MLP_M, "--enable-gbuf-sharing"), 120).splitlines()
    more = [line for line in text.splitlines() if "in sharing groups" in line]
    assert [line.split()[3:] for line in more] == [["480", "word-hops", "4.8", "0.0"]]
    assert result.sharing_hops().amount == 4 * 120
    assert result.sharing_hops().cost == 4 * 1200
    words = [line.split() for line in text.splitlines()]
    parts = ("operations", "hops between nodes", "static", "total   ")
    lines = [line.split() for line in plain if line.startswith(parts) and "cost" not in line]
    assert len(lines) == 4
    assert all(line in words for line in lines)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_lines_with_sharing_fit(monkeypatch, width):
    result = search(monkeypatch, VGG, change=share)
    lines = render(result, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("sharing: nodes over whose buffers") for line in lines)


def test_several_schedules(monkeypatch):
    text = render(search(monkeypatch, MLP_S, "-t", "3"), 120)
    lines = [line for line in text.splitlines() if "unit-cycles" in line]
    assert [line[:8].strip() for line in lines] == ["total", "no. 2", "no. 3"]


def test_long_names_are_cut(monkeypatch):
    result = search(monkeypatch, MLP_S)
    name = "a_layer_with_a_name_of_more_than_28"
    result.best.res_dict[name] = result.best.res_dict.pop("fc3")
    text = render(result, 120)
    assert name not in text
    assert name[:27] + "…" in text


@pytest.mark.parametrize(
    ("numbers", "texts", "unit"),
    [
        ([0], ["0"], "words"),
        ([1, 999999], ["1", "999999"], "words"),
        ([1, 1000000], ["<0.1", "1000.0"], "k words"),
        ([49, 51, 2e6], ["<0.1", "0.1", "2000.0"], "k words"),
        ([0.5, 3], ["0.5", "3.0"], "words"),
        ([0.04, 3], ["<0.1", "3.0"], "words"),
        ([2e6, 3e9], ["2.0", "3000.0"], "M words"),
        ([1e15], ["1000.0"], "T words"),
        ([1e40], ["10000000000.0"], "Q words"),
        ([math.inf, 5], ["inf", "5"], "words"),
        ([], [], "words"),
    ],
)
def test_scales(numbers, texts, unit):
    by = scale(numbers)
    assert [by.text(number) for number in numbers] == texts
    assert by.unit("words") == unit


def test_costs_are_energies_where_the_machine_tells_their_unit():
    arguments = parse_arguments(["alex_net", "--batch=4", "--arch=eyeriss-chip", "-p1", "--pareto"])
    problem = nn_dataflow_search.describe(arguments)
    text = render(nn_dataflow_search.search(arguments, problem), 100)
    assert "units" not in text.replace("in units of cost", "")
    total = next(line for line in text.splitlines() if line.startswith("total   cost"))
    assert re.match(
        r"total   cost [0-9.]+ µJ; time [0-9.]+ k cycles; cost x time \S+ pJ-cycles", total
    )
    assert "pJ/cycle" in text
