# SPDX-License-Identifier: BSD-3-Clause
"""Rows of columns are compared as tuples are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.columns import distinct_rows, row_keys

NUMBERS = st.one_of(
    st.integers(-2, 2), st.integers(-(2**61), 2**61), st.sampled_from((2**40, 2**40 + 1))
)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[NUMBERS] * n), min_size=1)))
def test_row_keys(rows):
    """Equal rows have equal keys, and keys are in the order of the rows, however large."""
    keys = row_keys([np.array(column) for column in zip(*rows, strict=True)]).tolist()
    ordered = sorted(set(zip(rows, keys, strict=True)))
    assert len(ordered) == len(set(rows)) == len(set(keys))
    assert sorted(keys) == sorted(key for _, key in sorted(zip(rows, keys, strict=True)))
    assert [key for _, key in ordered] == sorted(set(keys))


def test_no_rows():
    assert row_keys([np.zeros(0, dtype=np.int64)] * 2).tolist() == []


@given(st.integers(0, 4).flatmap(lambda n: st.lists(st.tuples(*[NUMBERS] * n), min_size=1)))
def test_distinct_rows(rows):
    first, which = distinct_rows(np.array(rows, dtype=np.int64).reshape(len(rows), -1))
    kinds = [rows[number] for number in first.tolist()]
    assert kinds == sorted(set(rows))
    assert [kinds[kind] for kind in which.tolist()] == rows
    assert [rows.index(kind) for kind in kinds] == first.tolist()
