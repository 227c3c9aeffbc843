# SPDX-License-Identifier: BSD-3-Clause
"""Version with and without its local part (docs/model/search.md section 9)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow import version

REPORT = "import version; print(version.get_version()); print(version.get_version(with_local=True))"


def _git(folder, *args):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _reported(folder, **env):
    """Versions that a copy of the module in a folder reports, without and with the local part."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", REPORT],
        cwd=folder,
        env={"PATH": env.get("PATH", _path()), **env},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def _path():
    return str(Path(shutil.which("git")).parent)


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "checkout" / "package"
    folder.mkdir(parents=True)
    shutil.copy(version.__file__, folder)
    return folder


@pytest.fixture
def checkout(package):
    _git(package.parent, "init", "-q")
    _git(package.parent, "add", ".")
    _git(package.parent, "commit", "-q", "-m", "first")
    return package


def test_version_of_the_package():
    assert version.get_version() == version.__version__ == "3.0.0"
    assert version.get_version(with_local=True).split("+")[0] == "3.0.0"


def test_no_checkout(package):
    assert _reported(package) == ["3.0.0", "3.0.0"]


def test_checkout(checkout):
    head = _git(checkout, "describe", "--always")
    assert _reported(checkout) == ["3.0.0", f"3.0.0+{head}"]


def test_tag_and_changes(checkout):
    _git(checkout, "tag", "-a", "v3", "-m", "three")
    assert _reported(checkout)[1] == "3.0.0+v3"
    with (checkout / "version.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert _reported(checkout)[1] == "3.0.0+v3-dirty"


def test_checkout_without_commits(package):
    _git(package.parent, "init", "-q")
    _git(package.parent, "add", ".")
    assert _reported(package) == ["3.0.0", "3.0.0"]


def test_package_below_somebody_elses_checkout(checkout):
    installed = checkout.parent / "site-packages"
    installed.mkdir()
    shutil.copy(version.__file__, installed)
    assert _reported(installed) == ["3.0.0", "3.0.0"]


def test_git_variables_of_another_checkout_are_ignored(checkout, tmp_path):
    head = _git(checkout, "describe", "--always")
    assert _reported(checkout, GIT_DIR=str(tmp_path))[1] == f"3.0.0+{head}"


def test_no_git(checkout, tmp_path):
    assert _reported(checkout, PATH=str(tmp_path)) == ["3.0.0", "3.0.0"]


def test_git_is_not_looked_up_at_import():
    code = (
        "import sys; before = set(sys.modules); import version; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=Path(version.__file__).parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["version"]
