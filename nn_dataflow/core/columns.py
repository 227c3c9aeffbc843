# SPDX-License-Identifier: BSD-3-Clause
"""Records of arrays that share their first axis: selected and joined as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    R = TypeVar("R", bound=tuple[Any, ...])


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
