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
    assert after == ("nn_dataflow_search: interrupted\n" if error else "")


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
