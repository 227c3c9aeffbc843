# SPDX-License-Identifier: BSD-3-Clause
"""The pages in docs/ and the README: what they show is what the program does.

Runs every command and compares every printed block, runs the ``>>>`` examples, and looks for every
section that is cited. The pages stand beside the package in a checkout only, so that `conftest`
leaves this module out elsewhere. How a page is written is in docs/writing.md.
"""

import difflib
import doctest
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.rst", *sorted(DOCS.rglob("*.md"))]

COLUMNS = 100
PROGRAMS = {
    "cosa_schedule": "nn_dataflow.tools.cosa_schedule",
    "nn_dataflow": "nn_dataflow",
    "nn_dataflow_search": "nn_dataflow.tools.nn_dataflow_search",
    "nn_layer_stats": "nn_dataflow.tools.nn_layer_stats",
    "python": "",
}

NOT_RUN = {
    "python benchmarks/": "takes minutes to hours, and some install other programs",
    "python3 -m venv": "makes an environment and installs from the network; .ci/run does it",
    ". .venv/bin/activate": "needs that environment",
    ".venv/bin/pip install": "installs from the network; .ci/run does it",
    "pip install": "installs from the network; .ci/run installs the package in many ways",
    "sphinx-build": "takes as long as all that is run; .ci/run builds the documentation",
    "python -m pytest": "is the test itself, or takes minutes; .ci/run runs the tests",
}
_MARK = "  # not run"

_FENCE = re.compile(r"^(```+)(.*)$")
_DIRECTIVE = re.compile(r"^(\.\. )code-block:: *(\S*) *$")
_NOTE = re.compile(r"^(?:<!--|\.\.) (exit status|file:) (\S+)(?: -->)?$")
_COMMAND = re.compile(rf"^ *(?:\$ )?(?:{'|'.join(map(re.escape, [*PROGRAMS, *NOT_RUN]))})(?: |$)")


class Block(NamedTuple):
    """A code block: its language, and what a comment before it says."""

    line: int
    language: str
    text: str
    file: str = ""
    status: int = 0


class Command(NamedTuple):
    """A command of a console block, and what is shown below it."""

    line: int
    text: str
    output: str
    status: int


def blocks(page):
    """Code blocks of a page, Markdown or reST; those that are only indented have no language."""
    markdown = page.suffix == ".md"
    note, block, indent, fence = {}, None, None, ""
    for number, line in enumerate([*page.read_text("utf-8").splitlines(), ""], start=1):
        if block is not None:
            if markdown:
                ended = line == fence
            else:
                indent = indent or (re.match(" *", line)[0] if line else None)
                ended = bool(line) and not (indent and line.startswith(indent))
            if not ended:
                block[2].append(line.removeprefix(indent or ""))
                continue
            first, language, lines = block
            yield Block(first, language, "\n".join(lines).strip("\n") + "\n", **note)
            note, block, indent = {}, None, None
            if markdown:
                continue
        if found := _NOTE.match(line):
            key, value = found.groups()
            note = {"file": value} if key == "file:" else {"status": int(value)}
        elif found := (_FENCE if markdown else _DIRECTIVE).match(line):
            fence, block = found[1], (number, found[2], [])
        elif line.startswith("    ") and markdown:
            yield Block(number, "", line + "\n")
        elif line:
            note = {}


def commands(block):
    """Commands of a console block, which go on behind a ``\\``; only the last one may fail."""
    found = []
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if line.startswith("$ "):
            found.append([number, line[2:], ""])
        elif found and found[-1][1].endswith("\\"):
            found[-1][1] += "\n" + line.removeprefix("> ")
        else:
            assert found, f"line {number}: output without a command"
            found[-1][2] += line.rstrip() + "\n"
    for item in found:
        status = block.status if item is found[-1] else 0
        yield Command(*item, status)


def prepare(bin_folder):
    """The programs of this checkout, under the names that they have when they are installed."""
    bin_folder.mkdir()
    for name, module in PROGRAMS.items():
        run = [sys.executable, *(["-m", module] if module else [])]
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(run)} "$@"\n')
        (bin_folder / name).chmod(0o755)


def run(text, folder, bin_folder):
    """Exit status and output of a command on a terminal; errors stand below the output."""
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    environment |= {
        "PATH": f"{bin_folder}:{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
    }
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, COLUMNS, 0, 0))
    printed = b""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            ["bash", "-c", text],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=errors,
        )
        os.close(theirs)
        while piece := _read(ours):
            printed += piece
        os.close(ours)
        status = process.wait()
        errors.seek(0)
        printed += errors.read()
    lines = printed.decode().replace("\r\n", "\n").splitlines()
    return status, "".join(line.rstrip() + "\n" for line in lines)


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has it open any more
        return b""


def name_of(page):
    return str(page.relative_to(ROOT))


def wrong_commands(page, folder):
    """What a page shows and is not so, as texts; its commands run in a folder of their own."""
    bin_folder, folder = folder / "bin", folder / "work"
    folder.mkdir()
    prepare(bin_folder)
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.text, "utf-8")
        for command in commands(block) if block.language == "console" else ():
            if _MARK in command.text:
                continue
            status, printed = run(command.text, folder, bin_folder)
            place = f"{page}, line {command.line}: $ {command.text}\n"
            if status != command.status:
                yield f"{place}exit status {status}\n{printed}"
            wanted = command.output.strip("\n") + "\n"
            checker = doctest.OutputChecker()
            if wanted != "\n" and not checker.check_output(wanted, printed, doctest.ELLIPSIS):
                yield place + _difference(wanted, printed)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands(page, tmp_path):
    wrong = [*wrong_commands(page, tmp_path)]
    assert not wrong, "\n".join(wrong)


def test_what_is_wrong_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: lines -->\n```text\none\n\ntwo\n```\n"
        "```console\n$ cat lines\none\n\ntwo\n$ cat \\\n> lines\n...two\n$ cat lines\n"
        "$ cat lines\none\n$ false\n```\n"
        "<!-- exit status 2 -->\n```console\n$ nn_dataflow\nnn_dataflow: error: ...\n"
        "$ exit 3\n```\n"
    )
    wrong = [text.splitlines()[:2] for text in wrong_commands(page, tmp_path)]
    assert [lines[0].partition(", ")[2] for lines in wrong] == [
        "line 16: $ cat lines",
        "line 18: $ false",
        "line 22: $ nn_dataflow",
        "line 24: $ exit 3",
    ]
    assert [lines[1] for lines in wrong[1:]] == [f"exit status {n}" for n in (1, 2, 3)]


def _difference(wanted, printed):
    texts = (wanted.splitlines(), printed.splitlines())
    return "\n".join(difflib.unified_diff(*texts, "shown", "printed", n=1, lineterm=""))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_in_console_blocks(page):
    # What .ci/run runs from the README, and help texts, are the only others.
    lines = page.read_text("utf-8").splitlines()
    for block in blocks(page):
        if block.language in {"console", "markdown", "python"} or block.language[:1] == "{":
            continue
        if any(line.startswith(".. ci: ") for line in lines[max(0, block.line - 2) : block.line]):
            continue
        loose = [line for line in block.text.splitlines() if _COMMAND.match(line)]
        assert not loose, f"{name_of(page)}, line {block.line}: not in a console block: {loose}"


def test_what_is_not_run_is_listed():
    marked = [
        (f"{name_of(page)}, line {command.line}", command.text)
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for command in commands(block)
        if _MARK in command.text
    ]
    for place, text in marked:
        assert any(text.startswith(listed) for listed in NOT_RUN), f"{place}: {text}"
    for listed in NOT_RUN:
        assert any(text.startswith(listed) for _, text in marked), f"never used: {listed}"


def test_links_of_the_readme_are_there():
    text = " ".join(PAGES[0].read_text("utf-8").split())
    links = re.findall(r" <([\w/.]+)>`_", text)
    assert links
    assert not [link for link in links if not (ROOT / link).is_file()]


def has_examples(page):
    return re.search(r"^ *>>> ", page.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", [*filter(has_examples, PAGES)], ids=name_of)
def test_examples(page, monkeypatch):
    monkeypatch.chdir(DOCS)
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried
    assert not failed


_NUMBERS = r"(\d+(?:\.\d+)*)(?:\s+(?:and|to)\s+(\d+(?:\.\d+)*))?"
_LINKED = re.compile(rf"\]\(([\w/.]+\.md)\)(?:,?\s+sections?)?\s+{_NUMBERS}")
_CITED = re.compile(rf"docs/([\w/]+\.md),?\s+sections?\s+{_NUMBERS}")


def sections(page):
    """Numbers of the sections of a page."""
    text = page.read_text("utf-8")
    return set(re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_sections_that_pages_cite_are_there(page):
    for found in _LINKED.finditer(page.read_text("utf-8")):
        other = (page.parent / found[1]).resolve()
        missing = {number for number in found.groups()[1:] if number} - sections(other)
        assert not missing, f"{name_of(page)}: {found[0]!r}"


def test_sections_that_code_cites_are_there():
    for path in sorted((ROOT / "nn_dataflow").rglob("*.py")):
        for found in _CITED.finditer(path.read_text("utf-8")):
            missing = {n for n in found.groups()[1:] if n} - sections(DOCS / found[1])
            assert not missing, f"{name_of(path)}: {found[0]!r}"
