# SPDX-License-Identifier: BSD-3-Clause
"""Tests of ``--plot`` and ``--report`` (docs/report.md section 1)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nn_dataflow.tests.tools.recorded_search import RecordedSearch
from nn_dataflow.tests.tools.report_page import parsed
from nn_dataflow.tools import main, nn_dataflow_search

PICTURES = {
    f"{name}.{suffix}"
    for name in ("energy", "time", "roofline", "nodes", "pipeline")
    for suffix in ("svg", "png")
}
MLP = "mlp_s --batch 16 --nodes 1 1 -g e"


def run(capsys, *words):
    status = nn_dataflow_search.main([*words, "-p", "1"])
    return (status, *capsys.readouterr())


@pytest.fixture
def search(monkeypatch):
    """A search that is at once, for what is refused or shown without loop nests."""
    return RecordedSearch(MLP).install(monkeypatch)


def refusal(capsys, search, *words):
    """The refusal, before the search."""
    status, out, err = run(capsys, "mlp_s", *words)
    assert (status, out, search.calls) == (2, "", [])
    assert err.count("\n") == 1
    return err.removeprefix("nn_dataflow_search: error: ").rstrip("\n")


def test_search_and_evaluation_draw_the_same(capsys, tmp_path):
    stored, folder, report = (tmp_path / name for name in ("r.json", "pictures", "report.html"))
    words = ["mlp_s", "-o", str(stored), "--plot", str(folder), "--report", str(report)]
    assert run(capsys, *words) == (0, "", "")
    assert {file.name for file in folder.iterdir()} == PICTURES
    assert {file.name for file in tmp_path.iterdir()} == {"r.json", "pictures", "report.html"}
    page = parsed(report.read_text(encoding="utf-8"))
    command = page.id("command").text
    assert command == f"nn_dataflow_search {' '.join(words)} -p 1"
    assert page.id("certificate").text.startswith("Optimal")

    other, again = tmp_path / "other", tmp_path / "again.html"
    words = ["evaluate", str(stored), "--plot", str(other), "--report", str(again)]
    assert main.main(words) == 0
    assert json.loads(capsys.readouterr().out)["evaluated"]
    for name in PICTURES:
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    page = parsed(again.read_text(encoding="utf-8"))
    assert page.id("command").text == f"nn_dataflow {' '.join(words)}"
    assert page.id("certificate").text == (
        "Optimal: no schedule of the stated space has less cost; so the stored result says."
    )
    assert float(page.id("total_cost")["value"]) == json.loads(stored.read_text())["total_cost"]


def test_commands_are_quoted_for_a_shell(capsys, tmp_path):
    report = tmp_path / "a report.html"
    assert run(capsys, "mlp_s", f"--report={report}")[0] == 0
    command = parsed(report.read_text(encoding="utf-8")).id("command").text
    assert command == f"nn_dataflow_search mlp_s '--report={report}' -p 1"


def test_they_add_to_what_is_printed(capsys, tmp_path):
    status, out, err = run(capsys, "mlp_s", "--report", str(tmp_path / "r.html"))
    assert (status, err) == (0, "")
    assert json.loads(out)["net"] == "mlp_s"
    status, out, _ = run(capsys, "mlp_s", "--explain", "fc1", "--report", str(tmp_path / "r.html"))
    assert out.startswith("fc1: ")


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_places_that_cannot_be_written_are_refused_before_the_search(
    capsys, search, tmp_path, option
):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    what = {"--plot": "a folder, or a new name in an existing one"}
    nowhere = what.get(option, "a file in an existing folder")
    place = tmp_path / "no" / "x"
    assert refusal(capsys, search, option, str(place)).endswith(f": must be {nowhere}")
    taken = tmp_path / {"--plot": "file", "--report": "folder"}[option]
    allowed = what.get(option, "a new name or an ordinary file")
    assert refusal(capsys, search, option, str(taken)).endswith(f": must be {allowed}")
    empty = {"--plot": "the name of a folder", "--report": "the name of a file"}[option]
    assert refusal(capsys, search, option, "") == f"{option} '': must be {empty}"


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_folders_that_refuse_files(capsys, search, tmp_path, option, monkeypatch):
    def touch(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", touch)
    message = refusal(capsys, search, option, str(tmp_path / "x"))
    assert message.endswith(": cannot be written: Permission denied")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("search")
def test_a_picture_that_fails_takes_no_result_with_it(capsys, tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError("too large")

    monkeypatch.setattr("nn_dataflow.tools.drawings.Drawings.save", fail)
    status, out, err = run(capsys, "mlp_s", "--plot", str(tmp_path / "x"))
    assert status == 1
    assert json.loads(out)["net"] == "mlp_s"
    assert (
        err == "nn_dataflow_search: internal error: MemoryError: too large (--debug shows where)\n"
    )


def test_a_reader_that_stops_reading_takes_no_picture_with_it(tmp_path):
    read, write = os.pipe()
    os.close(read)
    words = ["mlp_s", "--report", str(tmp_path / "r.html"), "-p", "1"]
    done = subprocess.run(
        [sys.executable, nn_dataflow_search.__file__, *words],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.parametrize(
    ("option", "module", "package", "extra"),
    [("--plot", "matplotlib", "matplotlib", "plot"), ("--report", "jinja2", "Jinja2", "report")],
)
def test_missing_extras_are_named(
    capsys, search, tmp_path, monkeypatch, option, module, package, extra
):
    for name in [*sys.modules]:
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    message = refusal(capsys, search, option, str(tmp_path / "x"))
    assert message == f'{option} needs {package}: pip install "nn_dataflow[{extra}]"'


def test_nothing_optional_is_loaded_without_need(capsys, monkeypatch):
    for name in ("matplotlib", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(capsys, "mlp_s")[0] == 0


@pytest.mark.parametrize("option", ["--plot", "--report"])
def test_files_are_as_they_were_when_writing_fails(capsys, tmp_path, monkeypatch, option):
    place = tmp_path / "x"
    file = place
    if option == "--plot":
        place.mkdir()
        file = place / "energy.svg"
    file.write_text("old")

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    status, out, err = run(capsys, "mlp_s", option, str(place))
    assert (status, json.loads(out)["net"]) == (1, "mlp_s")
    assert err.startswith(f"nn_dataflow_search: error: {option} ")
    assert err.endswith(": cannot be written: No space left on device\n")
    assert file.read_text() == "old"
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_folder_that_goes_away_during_the_search(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    RecordedSearch(MLP, during=lambda _: folder.rmdir() or tmp_path.rmdir()).install(monkeypatch)
    status, _, err = run(capsys, "mlp_s", "--plot", str(folder / "pictures"))
    assert status == 1
    assert err.endswith(": cannot be written: No such file or directory\n")


def test_any_name_of_a_layer_can_be_drawn(capsys, tmp_path):
    names = ["ctrl\\x1b[31m\\x00", "\\u5c42", "two\\nlines", "]]>", "<b>", "x" * 300]
    path = tmp_path / "net.py"
    path.write_text(
        "from nn_dataflow.core import FCLayer, InputLayer, Network\n"
        "NN = Network('odd')\n"
        "NN.set_input_layer(InputLayer(4, 1))\n"
        + "".join(f"NN.add('{name}', FCLayer(4, 4))\n" for name in names)
    )
    status, _, err = run(capsys, str(path), "--plot", str(tmp_path / "p"))
    assert (status, err) == (0, "")
    for file in (tmp_path / "p").glob("*.svg"):
        ET.parse(file)
