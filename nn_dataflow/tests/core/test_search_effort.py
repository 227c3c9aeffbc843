# SPDX-License-Identifier: BSD-3-Clause
"""The counters of a search."""

import pytest

from nn_dataflow.core.search_effort import SearchEffort

NAMES = list(SearchEffort().as_dict())


def test_begins_at_zero():
    assert set(SearchEffort().as_dict().values()) == {0}
    assert {"candidates", "equivalent", "capacity", "bound", "evaluated"} < set(NAMES)


def test_two_add_up():
    one, other = SearchEffort(), SearchEffort()
    for number, name in enumerate(NAMES):
        setattr(one, name, number)
        setattr(other, name, 100)
    one.add(other)
    assert one.as_dict() == {name: 100 + number for number, name in enumerate(NAMES)}
    assert set(other.as_dict().values()) == {100}


def test_misspelt_counters_are_refused():
    with pytest.raises(AttributeError):
        SearchEffort().evaluted = 1
