# SPDX-License-Identifier: BSD-3-Clause
"""All partition schemes on an array of nodes, and which of them a layer may use.

Decides the dimensions and hierarchy orders that are combined, and the rules that drop some of them
for a layer and options (docs/model/partition.md section 6); those on an array are found once.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nn_dataflow.caching import lru_cache
from nn_dataflow.util import approx_dividable, factorize

from . import parallel_enum as pe
from .layer import ConvLayer, LocalRegionLayer
from .partition_array import PartitionArray
from .partition_scheme import PartitionScheme

if TYPE_CHECKING:
    from .layer import Layer
    from .option import Option
    from .partition_array import Bools, Ints
    from .phy_dim2 import PhyDim2


class SchemeSpace(NamedTuple):
    """All schemes on an array of nodes, before the rules that depend on layer and options.

    Scheme i has the hierarchy order ``order[i]`` and the dimensions ``pdims[row[i]]``.
    """

    pdims: Ints
    size: Ints
    order: Ints
    row: Ints
    made: dict[int, PartitionScheme]

    def scheme(self, number: int) -> PartitionScheme:
        """Return a scheme as an object, made when first asked for."""
        if number not in self.made:
            self.made[number] = PartitionScheme(
                self.order[number].tolist(), self.pdims[self.row[number]].tolist()
            )
        return self.made[number]


@lru_cache(maxsize=32)
def scheme_space(height: int, width: int) -> SchemeSpace:
    """Combine all dimensions that obey rule 2 of `partition_array` with their orders; read-only."""
    tall = np.array(list(factorize(height, pe.NUM)), dtype=np.int64)
    wide = np.array(list(factorize(width, pe.NUM)), dtype=np.int64)
    pdims = np.stack([np.repeat(tall, len(wide), axis=0), np.tile(wide, (len(tall), 1))], axis=2)
    partial = (pdims > 1) & (pdims < (height, width))
    both: Bools = partial[:, :, 0] & partial[:, :, 1]
    both[:, pe.OFMP] = False
    pdims = pdims[~both.any(axis=1)]
    shapes = (pdims > 1) @ np.array([2, 1])
    orders = [_orders(tuple(shape)) for shape in shapes.tolist()]
    row = np.repeat(np.arange(len(pdims)), [len(own) for own in orders])
    order = np.array(list(itertools.chain.from_iterable(orders)), dtype=np.int64)
    size = pdims[:, :, 0] * pdims[:, :, 1]
    for array in (pdims, size, order, row):
        array.flags.writeable = False
    return SchemeSpace(pdims, size, order, row, {})


@lru_cache(maxsize=256)
def _orders(shapes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the hierarchy orders, given which axes each kind splits: 2 · (h > 1) + (w > 1)."""
    trivial = tuple(pae for pae in range(pe.NUM) if not shapes[pae])
    others = [pae for pae in range(pe.NUM) if shapes[pae]]
    return tuple(
        trivial + nested
        for nested in itertools.permutations(others)
        if pe.BATP not in nested[1:]
        and not any(
            shapes[above] == 2 and shapes[below] == 1 and above != pe.BATP
            for above, below in itertools.pairwise(nested)
        )
    )


def allowed_dims(layer: Layer, batch_size: int, space: SchemeSpace, options: Option) -> Bools:
    """Apply rules 1 and 3 of `partition_array` to the dimensions of a space."""
    outp, ofmp, batp, inpp = space.size.T
    if not options.partition_hybrid and options.partition_ifmaps:
        raise ValueError("gen_partition: partition_ifmaps needs partition_hybrid")
    allowed: Bools = batch_size % batp == 0
    if not options.partition_batch:
        allowed &= batp == 1
    if not options.partition_hybrid:
        point = layer.hofm == layer.wofm == 1
        allowed &= (inpp == 1) & ((ofmp if point else outp) == 1)
        return allowed
    allowed &= _dividable(layer.nofm, outp)
    allowed &= _dividable(layer.hofm, space.pdims[:, pe.OFMP, 0])
    allowed &= _dividable(layer.wofm, space.pdims[:, pe.OFMP, 1])
    if not options.partition_ifmaps or isinstance(layer, LocalRegionLayer):
        allowed &= inpp == 1
    elif isinstance(layer, ConvLayer):
        allowed &= _dividable(layer.nifm, inpp)
    return allowed


def _dividable(total: int, counts: Ints) -> Bools:
    table: Bools = np.zeros(int(counts.max()) + 1, dtype=np.bool_)
    for count in set(counts.tolist()):
        table[count] = approx_dividable(total, count)
    return table[counts]


def fallback(layer: Layer, dim_nodes: PhyDim2) -> PartitionArray:
    """Split by ofmap, or by output channels where the ofmap is a single point."""
    pdims = np.ones((1, pe.NUM, 2), dtype=np.int64)
    pdims[0, pe.OUTP if layer.hofm == layer.wofm == 1 else pe.OFMP] = dim_nodes
    return PartitionArray([range(pe.NUM)], pdims)
