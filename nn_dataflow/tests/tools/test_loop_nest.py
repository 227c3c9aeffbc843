# SPDX-License-Identifier: BSD-3-Clause
"""Tests of layers explained as loop nests (docs/model/search.md section 7.2)."""

import json
import math
import re

import pytest

from nn_dataflow.tests.tools.pipelined_result import found
from nn_dataflow.tools import main, nn_dataflow_search
from nn_dataflow.tools.loop_nest import explain

WORDS = "mlp_s --nodes 2 2 --hybrid-partition"
FC1 = """\
fc1: segment 1, group 1; 4 nodes, split OUTP 2x2
cost 1.24543e+08; 6272 cycles, the most of 6272 of the PEs, 0 of the array bus, 0 of DRAM
DRAM moves filters 392000 in 1 pass, ifmaps 50176 in 1 pass, ofmaps 8000 in 1 pass
GBUF holds nothing; filters, ifmaps, ofmaps bypass it
for I in 0..48
  register files hold filters 8, ifmaps 16, ofmaps 128 (words per PE)
  PE array moves filters 392000, ifmaps 802816, ofmaps 128000
  register files move filters 6272000, ifmaps 6272000, ofmaps 12544000
  for B in 0..15
    for O in 0..7
      PEs of a node: 250 operations in 1 cycles
loops over input channels (I), output channels (O) and batch (B), outermost first; moves are in
words of all nodes; of n passes over ofmaps, (n + 1) / 2 write them, and the others read them back
"""
SHARED = "mlp_l --arch tangram --hybrid-partition --enable-gbuf-sharing --disable-bypass iof -p 1"
PARTIAL = "zfnet --imperfect -p 1"
PIPELINED = (
    "alex_net --batch 4 --nodes 4 4 --hybrid-partition --interlayer-partition "
    "--enable-save-writeback -p 1"
)


def run(capsys, *argv):
    status = nn_dataflow_search.main([word for text in argv for word in text.split()])
    return (status, *capsys.readouterr())


def test_on_standard_output(capsys, tmp_path):
    """In the place of JSON, which may go to a file."""
    path = tmp_path / "result.json"
    status, out, err = run(capsys, WORDS, f"--explain fc1 -o {path}")
    assert (status, out[: len(FC1) + 1], err) == (0, f"{FC1}\n", "")
    assert json.loads(path.read_text())["net"] == "mlp_s"
    status = main.main(["evaluate", str(path), "--explain", "fc1"])
    assert (status, *capsys.readouterr()) == (0, out, "")


def test_several_layers(capsys):
    status, out, _ = run(capsys, WORDS, "--explain fc1 --explain fc3")
    assert status == 0
    assert out.startswith(f"{FC1}\nwhat comes next for fc1, ")
    assert "\n\nfc3: segment 3, group 1; 4 nodes" in out
    assert "\n\nwhat comes next for fc3, " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--explain fc9", "--explain fc9: mlp_s has no layer of this name, the closest is fc3"),
        (
            "--explain x",
            "--explain x: mlp_s has no layer of this name, must be one of fc1, fc2, fc3",
        ),
        (
            "--explain fc1 --json",
            "--explain: must not be given with --json; use --output FILE for JSON",
        ),
    ],
)
def test_refusals(capsys, words, message):
    assert run(capsys, WORDS, words) == (2, "", f"nn_dataflow_search: error: {message}\n")


@pytest.mark.parametrize("words", [WORDS, SHARED, PIPELINED])
def test_the_loops_are_all_trips(words):
    """Loops are nested one by one, and make as many passes as the blocking factors."""
    best = found(words).best
    for name, result in best.items():
        lines = explain(best, name).splitlines()
        loops = [re.fullmatch(r"( *)for ([IOB]) in 0\.\.(\d+)", line) for line in lines]
        loops = [loop for loop in loops if loop]
        assert [len(loop[1]) for loop in loops] == [2 * depth for depth in range(len(loops))]
        for number, letter in enumerate("IOB"):
            trips = math.prod(int(loop[3]) + 1 for loop in loops if loop[2] == letter)
            assert trips == math.prod(level[number] for level in result.scheme["tvals"])


def test_partial_blocks():
    """A loop that does not divide what it cuts says so, and so does the legend."""
    best = found(PARTIAL).best
    text = explain(best, "conv3")
    assert best["conv3"].scheme["trips"] == (256, 103, 16)
    assert "\n  for O in 0..4 (103 in blocks of 21, last 19)\n" in text
    seen = 0
    for name, result in best.items():
        text = explain(best, name)
        uneven = re.findall(r"0\.\.(\d+) \((\d+) in blocks of (\d+), last (\d+)\)\n", text)
        for trips, count, block, last in (map(int, groups) for groups in uneven):
            assert trips * block + last == count
            assert 0 < last < block
        factors = zip(*result.scheme["tvals"], strict=True)
        is_partial = tuple(map(math.prod, factors)) != result.scheme["trips"]
        assert bool(uneven) == is_partial == ("smaller last block" in text)
        seen += is_partial
    assert 0 < seen < len(best)


def test_buffers_that_are_shared():
    best = found(SHARED).best
    text = explain(best, "fc2")
    scheme = best["fc2"].scheme
    words, nodes = scheme["size"][0][1], scheme["bufshr_subgrp_size"][1]
    assert nodes > 1
    assert f"ifmaps {words} (spread over {nodes} nodes)" in text
    assert "filters" not in text.partition("GBUF holds")[2].partition("bypass")[2].split("\n")[0]


def test_words_between_nodes_that_share():
    """Those that rotate or are fetched from afar are word-hops."""
    words = "alex_net --nodes 4 4 --gbuf 24000 --enable-gbuf-sharing --hop-cost 0"
    best = found(f"{words} --disable-bypass iof -p 1").best
    moving = {name: layer.scheme["node_nhops"] for name, layer in best.items()}
    assert any(map(any, moving.values()))
    assert "nodes that share GBUF pass on filters 10368000 word-hops\n" in explain(best, "conv2_a")
    for name, hops in moving.items():
        assert ("nodes that share GBUF pass on" in explain(best, name)) == any(hops)


def test_fmaps_on_other_nodes():
    """A pool between groups reads and writes no memory, and has no filters."""
    best = found(PIPELINED).best
    text = explain(best, "pool1_a")
    assert text.startswith("pool1_a: segment 1, group 1; 5 nodes, split OFMP 1x5\n")
    assert "\nDRAM moves nothing\n" in text
    assert "\nGBUF of nodes that have fmaps moves ifmaps 686400, ofmaps 155520\n" in text
    assert "filters" not in text
