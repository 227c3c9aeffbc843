# SPDX-License-Identifier: BSD-3-Clause
"""The cache is fastcache's where it is installed, else the standard library's."""

import functools
import importlib
import sys
import types

import pytest

from nn_dataflow import caching
from nn_dataflow.core import loop_blocking_space


@pytest.fixture
def reload_caching():
    """Import the module again, and once more as it was in the end."""
    yield lambda: importlib.reload(caching)
    importlib.reload(caching)


def test_fastcache_where_installed(monkeypatch, reload_caching):
    module = types.ModuleType("fastcache")
    module.clru_cache = object()
    monkeypatch.setitem(sys.modules, "fastcache", module)
    assert reload_caching().lru_cache is module.clru_cache
    monkeypatch.undo()


def test_standard_library_otherwise(monkeypatch, reload_caching):
    monkeypatch.setitem(sys.modules, "fastcache", None)
    assert reload_caching().lru_cache is functools.lru_cache
    monkeypatch.undo()


def test_searches_use_it():
    assert loop_blocking_space.divisors(60) is loop_blocking_space.divisors(60)
