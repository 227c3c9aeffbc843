# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the progress line of a search."""

import io
import re
import time

import pytest

from nn_dataflow.tests.tools.recorded_search import RecordedSearch
from nn_dataflow.tools import nn_dataflow_search, progress
from nn_dataflow.tools.progress import ProgressLine
from nn_dataflow.tools.terminal import columns

MLP = "mlp_s --batch 16 --nodes 1 1 -g e"
CLEAR = "\r\x1b[K"


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def wait_for(self, text):
        for _ in range(500):
            if text in self.getvalue():
                return
            time.sleep(0.01)
        pytest.fail(f"{text!r} does not appear in {self.getvalue()!r}")


@pytest.fixture
def hurry(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "INTERVAL", 0.01)


def test_nothing_within_the_first_second():
    stream = Terminal()
    line = ProgressLine("vgg_net", stream)
    line.start()
    line(3, 16, "conv3")
    line.stop()
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("hurry")
def test_names_do_not_command_the_terminal():
    stream = Terminal()
    line = ProgressLine("net", stream)
    line.start()
    line(3, 16, "fc\x1b[2J")
    stream.wait_for(f"{CLEAR}net: 0 s, 3 of 16 layers, last fc?[2J")
    line.stop()


@pytest.mark.usefixtures("hurry")
def test_one_line_is_rewritten_and_removed():
    stream = Terminal()
    line = ProgressLine("vgg_net", stream)
    line.start()
    stream.wait_for(f"{CLEAR}vgg_net: 0 s")
    line(3, 16, "conv3")
    stream.wait_for(f"{CLEAR}vgg_net: 0 s, 3 of 16 layers, last conv3")
    line(16, 16, "fc3")
    stream.wait_for(f"{CLEAR}vgg_net: 0 s, 16 of 16 layers, searching the network")
    # It tells the time while the network is searched, of which no news come.
    written = len(stream.getvalue())
    for _ in range(500):
        if stream.getvalue().count("searching the network", written) >= 2:
            break
        time.sleep(0.01)
    assert stream.getvalue().count("searching the network", written) >= 2
    line.stop()
    assert stream.getvalue().endswith(CLEAR)
    assert "\n" not in stream.getvalue()


@pytest.mark.usefixtures("hurry")
def test_a_later_stage_counts_other_things():
    stream = Terminal()
    line = ProgressLine("vgg_net", stream)
    line.start()
    for done, total, name, news in (
        (21, 22, "fc2", "21 of 22 layers, last fc2"),
        (22, 22, "fc3", "22 of 22 layers, searching the network"),
        (0, 962, "segments", "0 of 962 segments"),
        (120, 962, "segments", "120 of 962 segments"),
        (962, 962, "segments", "962 of 962 segments, searching the network"),
        (1, 30, "segments", "1 of 30 segments"),
        (2, 40, "segments", "2 of 40 segments"),
    ):
        line(done, total, name)
        stream.wait_for(f"{CLEAR}vgg_net: 0 s, {news}{CLEAR}")
    line.stop()


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("first", [(0, 1), (1, 1), (0, 962), (1, 962)])
def test_a_later_stage_is_noticed_by_its_first_count(first):
    """After a network of one layer as well, and whether or not it begins with 0."""
    stream = Terminal()
    line = ProgressLine("one", stream)
    line.start()
    line(1, 1, "fc")
    line(*first, "segments")
    stream.wait_for(f"one: 0 s, {first[0]} of {first[1]} segments")
    line.stop()


@pytest.mark.usefixtures("hurry")
def test_line_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    stream = Terminal()
    line = ProgressLine("vgg_net", stream)
    line.start()
    stream.wait_for(CLEAR + "vgg_net: " + CLEAR)
    line.stop()


@pytest.mark.usefixtures("hurry")
def test_nothing_where_there_is_no_terminal():
    stream = io.StringIO()
    line = ProgressLine("vgg_net", stream)
    line.start()
    line(3, 16, "conv3")
    time.sleep(0.05)
    line.stop()
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_line_is_removed_however_the_search_ends(monkeypatch, error):
    def during(report):
        report(1, 3, "fc1")
        stream.wait_for("1 of 3 layers, last fc1")
        if error:
            raise error

    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    RecordedSearch(MLP, during=during).install(monkeypatch)
    status = nn_dataflow_search.main(["mlp_s"])
    assert status == (130 if error else 0)
    after = stream.getvalue().split(CLEAR)[-1]
    told = "nn_dataflow_search: interrupted before a schedule was found\n"
    assert after == (told if error else "")


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("words", [["-v"], ["--debug"]])
def test_no_line_among_messages(monkeypatch, words):
    def during(_):
        time.sleep(0.05)

    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    RecordedSearch(MLP, during=during).install(monkeypatch)
    assert nn_dataflow_search.main(["mlp_s", *words]) == 0
    assert not re.search("mlp_s: .* s", stream.getvalue())


@pytest.mark.parametrize(("text", "width"), [("132", 132), ("0", 80), ("wide", 80), ("", 80)])
def test_width_from_the_environment(monkeypatch, text, width):
    monkeypatch.setenv("COLUMNS", text)
    assert columns(io.StringIO()) == width
