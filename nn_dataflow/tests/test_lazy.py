# SPDX-License-Identifier: BSD-3-Clause
"""Names of a package that are imported when they are first used."""

import importlib
import sys

import pytest

PACKAGE = """
from nn_dataflow.lazy import imported_when_used
other = 3
__getattr__, __dir__ = imported_when_used(__name__, {"Late": "late", "Wrong": "late"})
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "late.py").write_text("class Late:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("lazy_package")
    for name in ("lazy_package", "lazy_package.late"):
        sys.modules.pop(name, None)


def test_a_name_is_imported_once_when_it_is_used(package):
    assert "lazy_package.late" not in sys.modules
    assert {"other", "Late"} <= set(dir(package))
    assert package.Late is sys.modules["lazy_package.late"].Late
    assert vars(package)["Late"] is package.Late


@pytest.mark.parametrize(
    ("name", "module"), [("nothing", "lazy_package"), ("Wrong", "lazy_package.late")]
)
def test_names_that_are_not_there(package, name, module):
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute '{name}'"):
        getattr(package, name)
