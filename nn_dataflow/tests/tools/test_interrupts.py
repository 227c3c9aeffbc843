# SPDX-License-Identifier: BSD-3-Clause
"""Tests of Ctrl-C during a search: SIGINT to the tool's processes (docs/model/search.md 7)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow.tests.tools.test_nn_dataflow_search import terminal
from nn_dataflow.tools import main, nn_dataflow_search

ROOT = Path(nn_dataflow_search.__file__).parents[2]
OPTIONS = "--batch 2 --nodes 2 2 --interlayer-partition --enable-save-writeback --dram-bw 12"
WORDS = ["alex_net", *OPTIONS.split()]

# At some moment, the tool says that it is there, and waits.
WAITING = """
import os, signal, sys, time
from nn_dataflow.core import {module}
from nn_dataflow.tools.nn_dataflow_search import main

# Where the tests run in the background, a shell may have let Ctrl-C be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
work = {module}.{name}

def wait(*args, **kwargs):
    if {when}:
        os.write(2, b"here\\n")
        time.sleep({seconds})
    return work(*args, **kwargs)

{module}.{name} = wait
{more}
sys.exit(main(sys.argv[1:]))
"""


def interrupted(*argv, stdout=subprocess.PIPE, more="", seconds=20, **where):
    """Status, output and complaints of a tool whose processes get SIGINT while it waits."""
    code = WAITING.format(more=more, seconds=seconds, **where)
    tool = subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    while (line := tool.stderr.readline()) != "here\n":
        assert line.startswith("-> ")
    os.killpg(tool.pid, signal.SIGINT)
    out, err = tool.communicate(timeout=30)
    return tool.returncode, out, err.replace("here\n", "")


LAYERS = {
    "module": "step_builder",
    "name": "make_step",
    "when": "True",
}
# While the network of single layers has been searched, and pipelines have not.
NETWORK = {
    "module": "nn_dataflow",
    "name": "SegmentBuilder",
    "when": "True",
}
PIPELINES = {
    "module": "pipeline_search",
    "name": "unbeaten",
    "when": "True",
}


def test_before_anything_was_found(tmp_path):
    path = tmp_path / "result.json"
    told = "nn_dataflow_search: interrupted before a schedule was found\n"
    assert interrupted(*WORDS, "-o", str(path), **LAYERS) == (130, "", told)
    assert not list(tmp_path.iterdir())


def test_the_best_so_far_is_written(tmp_path, capsys):
    path = tmp_path / "result.json"
    status, out, err = interrupted(*WORDS, "--json", "-o", str(path), **NETWORK)
    assert status == 130
    assert err == (
        "nn_dataflow_search: interrupted with the best found so far; nothing is proven yet\n"
    )
    assert path.read_text() == out
    values = json.loads(out)
    assert values["interrupted"] is True
    assert values["certificate"] is None
    assert len(values["schedules"]) == 19
    # It is a result as any other.
    assert main.main(["evaluate", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["total_cost"] == values["total_cost"]


def test_the_gap_is_told_on_a_terminal():
    with terminal() as (slave, shown):
        status, _, err = interrupted(*WORDS, stdout=slave, **PIPELINES)
    assert status == 130
    (line,) = err.splitlines()
    start = "nn_dataflow_search: interrupted with the best found so far; no schedule of the stated "
    assert line.startswith(f"{start}space has over ")
    assert line.endswith(" % less cost")
    text = "".join(shown).replace("\r", "")
    assert text.splitlines()[1] == "interrupted: this is the best that was found so far"
    assert f"proof   {line.partition('; ')[2]}" in text
    assert "search  interrupted after " in text
    assert "\ntotal   cost " in text


# While other processes work, and while they wait for work.
BUSY = {"module": "workers", "name": "_run_one", "when": "True", "seconds": 0.3}
IDLE = {
    "module": "pipeline_search",
    "name": "unbeaten",
    "when": "__import__('multiprocessing').active_children()",
}


@pytest.mark.parametrize("moment", [BUSY, IDLE])
def test_other_processes_end_quietly(moment):
    """They get the signal as well, in the middle of their work or when there is none."""
    few = "from nn_dataflow.core import workers; workers.MIN_JOBS = workers.CHUNK = 1"
    few += "; workers.MOST_AHEAD = 0"  # not before something was found
    # What processes print is caught otherwise.
    status, out, err = interrupted(*WORDS, "-v", "-p", "2", more=few, **moment)
    assert status == 130
    (line,) = (line for line in err.splitlines() if not line.startswith("-> "))
    assert line.startswith("nn_dataflow_search: interrupted with the best found so far; ")
    assert json.loads(out)["interrupted"] is True


def test_python_raises(monkeypatch):
    import nn_dataflow  # noqa: PLC0415
    from nn_dataflow.core.nn_dataflow import NNDataflow  # noqa: PLC0415

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(NNDataflow, "_with_segments", stop)
    with pytest.raises(KeyboardInterrupt):
        nn_dataflow.search("mlp_s", interlayer_partition=True)
    monkeypatch.setattr(NNDataflow, "_make_steps", stop)
    with pytest.raises(KeyboardInterrupt):
        nn_dataflow.search("mlp_s")
