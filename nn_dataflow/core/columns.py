# SPDX-License-Identifier: BSD-3-Clause
"""Records of arrays that share their first axis: selected, joined and compared as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    R = TypeVar("R", bound=tuple[Any, ...])

MAX_KEY = 2**62


def take(record: R, rows: Any) -> R:
    """Select some rows (indices, a mask, a slice or one index) of all arrays of a record."""
    make: Any = type(record)
    selected: R = make(*(column[rows] for column in record))
    return selected


def join(records: Sequence[R]) -> R:
    """Put the rows of several records behind each other."""
    make: Any = type(records[0])
    joined: R = make(*map(np.concatenate, zip(*records, strict=True)))
    return joined


def row_keys(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Number rows so that equal rows have equal numbers, in their lexicographic order.

    Parameters
    ----------
    columns
        Integers of all rows, (m,) each, first the one that counts most.

    Examples
    --------
    >>> row_keys([np.array([2, 1, 2]), np.array([7, 9, 7])]).tolist()
    [3, 2, 3]
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    count = 1
    for column in columns:
        low, high = int(column.min(initial=MAX_KEY)), int(column.max(initial=-MAX_KEY))
        if low >= high:
            continue
        offset, num = column - low, high - low + 1
        if num > MAX_KEY // count:
            offset, num = _ranks(offset)
        if num > MAX_KEY // count:
            key, count = _ranks(key)
        key = key * num + offset
        count *= num
    return key


def keys_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows (m, columns) of one array as `row_keys` does; without columns all alike."""
    return row_keys(list(rows.T)) if rows.shape[1] else np.zeros(len(rows), dtype=np.int64)


def distinct_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find distinct rows (m, columns), in lexicographic order.

    As `numpy.unique` does along an axis, but on numbers: it compares records, where numpy turns an
    interrupt into a type error.

    Returns
    -------
    first
        Index of the first row of each kind, (n,).
    which
        Kind of every row, (m,).

    Examples
    --------
    >>> first, which = distinct_rows(np.array([[2, 7], [1, 9], [2, 7]]))
    >>> first.tolist(), which.tolist()
    ([1, 0], [1, 0, 1])
    """
    _, first, which = np.unique(keys_of(rows), return_index=True, return_inverse=True)
    return first, which.reshape(-1)


def _ranks(column: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Number distinct values in ascending order, and count them."""
    values, ranks = np.unique(column, return_inverse=True)
    return ranks.reshape(-1), len(values)
