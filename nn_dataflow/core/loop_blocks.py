# SPDX-License-Identifier: BSD-3-Clause
"""How one loop is cut into blocks: their sizes and numbers, where the last one may be partial.

Decides what blocking factors mean that do not divide the loop count, and which ones there are
(docs/model/loop_blocking.md section 1.4). Blocks are as equal as possible: a loop of n iterations
in t0 GBUF blocks has blocks of ceil(n / t0), and these in t1 REGF blocks, blocks of ceil of that.
Factors that divide the count are the case in which all blocks are full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nn_dataflow.caching import lru_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def ceil_div(count: Any, parts: Any) -> Any:
    """Quotient of integers, or of arrays of them, rounded up."""
    return -(-count // parts)


def num_blocks(count: Any, outer: Any, size: Any) -> Any:
    """Blocks of `size` iterations in a loop of `count` that is cut into blocks of `outer` first.

    All but the last outer block are full; each begins a new inner block.

    Examples
    --------
    >>> num_blocks(12, 4, 2), num_blocks(13, 4, 3), num_blocks(13, 4, 4)
    (6, 7, 4)
    """
    full = ceil_div(count, outer) - 1
    return full * ceil_div(outer, size) + ceil_div(count - full * outer, size)


def are_blocks(counts: Ints, ts: Ints) -> Bools:
    """Whether factors (..., 3) cut loops of `counts` (...) as equally as possible, none empty.

    Examples
    --------
    >>> are_blocks(np.array([13, 13, 5]), np.array([[4, 2, 2], [6, 3, 1], [4, 1, 2]])).tolist()
    [True, False, False]
    """
    top, middle, inner = (np.maximum(ts[..., level], 1) for level in range(3))
    block = ceil_div(counts, top)
    equal: Bools = (ceil_div(counts, block) == top) & (ceil_div(block, middle) == inner)
    equal &= (ceil_div(block, inner) == middle) & (ts >= 1).all(axis=-1)
    return equal


@lru_cache(maxsize=4096)
def block_counts(count: int) -> Ints:
    """Numbers of blocks, as equal as possible, into which a loop can be cut, ascending.

    Examples
    --------
    >>> block_counts(12).tolist(), block_counts(7).tolist()
    ([1, 2, 3, 4, 6, 12], [1, 2, 3, 4, 7])
    """
    sizes = np.arange(count, 0, -1, dtype=np.int64)
    counts: Ints = ceil_div(count, sizes)
    return counts[np.concatenate(([True], counts[1:] > counts[:-1]))]


@lru_cache(maxsize=512)
def block_triples(count: int, top: int = 0) -> Ints:
    """All ways to cut a loop in blocks of blocks, lexicographically ascending.

    Parameters
    ----------
    count
        The loop count.
    top
        Required number of outer blocks, which then are all full, or 0.

    Returns
    -------
    Array (n, 3) of outer blocks, inner blocks in a full outer block, iterations in an inner block.

    Examples
    --------
    >>> block_triples(3).tolist(), block_triples(5, top=5).tolist()
    ([[1, 1, 3], [1, 2, 2], [1, 3, 1], [2, 1, 2], [2, 2, 1], [3, 1, 1]], [[5, 1, 1]])
    >>> block_triples(5, top=2).tolist()
    []
    """
    outer = block_counts(count).tolist()
    if top:
        outer = [top] if count % top == 0 else []
    found = [np.empty((0, 3), dtype=np.int64)]
    for number in outer:
        block = ceil_div(count, number)
        inner = block_counts(block)
        found.append(np.stack([np.full(len(inner), number), inner, ceil_div(block, inner)], axis=1))
    return np.concatenate(found)
