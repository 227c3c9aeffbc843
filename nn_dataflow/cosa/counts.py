# SPDX-License-Identifier: BSD-3-Clause
"""Accesses of every memory, with tensors that bypass some of them.

Decides reads, updates and fills per instance, and the words that an instance ever holds
(docs/model/cosa.md section 8.5). Arrays have one column per mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .deliveries import arithmetic, boundary
from .nest import lengths, size
from .problem import OUTPUTS, TENSORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .nest import Nest

    Floats = NDArray[np.float64]


class Counts(NamedTuple):
    """Counts per instance of each memory, (3, M, N); 0 where a tensor is not stored.

    Attributes
    ----------
    tile_sizes
        Words held at a time.
    partition_sizes
        Distinct words ever held.
    reads, updates, fills
        Words read for memories below or neighbours; written from below; written from above.
    transfers
        Words that children take from neighbours, per instance of the memory above them.
    """

    tile_sizes: Floats
    partition_sizes: Floats
    reads: Floats
    updates: Floats
    fills: Floats
    transfers: Floats


def count(nest: Nest, stores: NDArray[np.bool_]) -> Counts:
    """Count accesses.

    Parameters
    ----------
    nest : Nest
        Loops of N mappings.
    stores : numpy.ndarray of bool, (3, M)
        Whether a memory stores a tensor.
    """
    shape = (len(TENSORS), *nest.fanout.shape)
    counts = Counts(*(np.zeros(shape) for _ in Counts._fields))
    for tensor in range(len(TENSORS)):
        _count_tensor(nest, tensor, stores[tensor], counts)
    return counts


def _count_tensor(nest: Nest, tensor: int, stores: NDArray[np.bool_], counts: Counts) -> None:
    last = nest.num_memories - 1
    partitions = _partition_sizes(nest, tensor)
    below = arithmetic(nest, tensor)
    for m in range(nest.num_memories):
        above = boundary(nest, tensor, m + 1) if m < last else None
        if not stores[m]:
            assert above is not None  # DRAM stores everything
            # The parent serves what the memory below asks for; groups of children stay.
            fanout = nest.fanout[m + 1]
            groups = above.accesses * fanout / above.words
            nothing = np.zeros_like(groups)
            below = above._replace(
                accesses=below.accesses * groups, words=below.accesses * fanout, transfers=nothing
            )
            continue
        peer = fills = np.zeros_like(below.accesses)
        if above is not None:
            peer = above.transfers / nest.instances[m + 1]
            fills = above.words / nest.fanout[m + 1] + peer
            counts.transfers[tensor, m] = above.transfers
        reads = below.accesses + peer
        if tensor == OUTPUTS:
            # The first read of a partial sum is left out.
            reads = reads - partitions[m]
            counts.updates[tensor, m] = np.floor(below.accesses)
        counts.tile_sizes[tensor, m] = nest.tile(tensor, m)[1]
        counts.partition_sizes[tensor, m] = partitions[m]
        counts.reads[tensor, m] = np.floor(reads)
        counts.fills[tensor, m] = np.floor(fills)
        if above is not None:
            below = above


def _partition_sizes(nest: Nest, tensor: int) -> Floats:
    """Distinct words that an instance of each memory ever holds, (M, N)."""
    last = nest.num_memories - 1
    partitions = np.empty(nest.fanout.shape)
    partitions[last] = nest.tile(tensor, last)[1]
    for m in reversed(range(last)):
        _, tile = nest.tile(tensor, m)
        spread = nest.tile_extents(tensor, m) * nest.fans[m + 1]
        union = size(tensor, lengths(nest.problem, tensor, spread))
        partitions[m] = _scaled_down(partitions[m + 1], tile, union)
    return partitions


def _scaled_down(whole: Floats, part: Floats, of: Floats) -> Floats:
    """Return ⌊whole·part/of⌋ of whole numbers, where the product has no exact float."""
    quotient, rest = np.divmod(whole, of)
    if (rest * part < 2.0**53).all():
        return quotient * part + np.floor(rest * part / of)
    # The estimate is off by little; what is left over is right modulo 2^64, and small.
    ints = [values.astype(np.int64) for values in (rest, part, of)]
    estimate = np.floor(rest * part / of).astype(np.int64)
    left = ints[0] * ints[1] - estimate * ints[2]
    found: Floats = quotient * part + (estimate + left // ints[2])
    return found
