# SPDX-License-Identifier: BSD-3-Clause
"""Where the fmaps of a layer can lie.

Decides which partition schemes put the same data on the same nodes, and whether anything takes a
hop at all (docs/model/search.md section 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .columns import distinct_rows
from .fmap_range import FmapRange
from .partition_array import PartitionArray
from .placement import Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .layer import Layer
    from .node_region import NodeRegion
    from .resource import Resource

    Ints = NDArray[np.int64]


def fmap_range(layer: Layer, batch_size: int, first_channel: int = 0) -> FmapRange:
    """Range of a layer's ofmaps, as channels from `first_channel` on."""
    last = first_channel + layer.nofm
    return FmapRange((0, first_channel, 0, 0), (batch_size, last, layer.hofm, layer.wofm))


def distinct_places(
    frng: FmapRange, region: NodeRegion, parts: PartitionArray, no_hops: bool
) -> tuple[Ints, PartitionArray]:
    """Number places by which range is on which node: that of each scheme, and a scheme of each.

    Where nothing takes a hop there is a single place.
    """
    if no_hops:
        return np.zeros(len(parts), dtype=np.int64), parts.take([0])
    numbers: dict[bytes, int] = {}
    keys = Placement.of_schemes(frng, region, parts).keys()
    place = [numbers.setdefault(key, len(numbers)) for key in keys]
    _, first = np.unique(place, return_index=True)
    return np.array(place), parts.take(first)


def is_single_place(resource: Resource) -> bool:
    """Whether all nodes of all regions are at one coordinate, so that nothing takes a hop."""
    regions = (
        resource.proc_region,
        resource.dram_region,
        resource.src_data_region,
        resource.dst_data_region,
    )
    return len({tuple(c) for region in regions for c in region.coordinates().tolist()}) == 1


class MemoryPlaces:
    """Where the ofmaps of a layer can lie in memory, whichever nodes wrote them.

    Parameters
    ----------
    layer, batch_size
        Whose ofmaps they are.
    region
        Nodes of the memory.
    no_hops
        Whether nothing takes a hop, so that there is a single place.
    """

    def __init__(self, layer: Layer, batch_size: int, region: NodeRegion, no_hops: bool) -> None:
        self.layer = layer
        self.batch_size = batch_size
        self.region = region
        self.no_hops = no_hops
        self._added: list[PartitionArray] = []
        self._slices: dict[int, slice] = {}
        self._known: tuple[Ints, PartitionArray] | None = None

    def add(self, parts: PartitionArray) -> None:
        """Take up the places that the partitions of a layer write."""
        if id(parts) not in self._slices:
            begin = sum(map(len, self._added))
            self._added.append(parts.projection(self.region.dim, appl2frng=True))
            self._slices[id(parts)] = slice(begin, begin + len(parts))

    def _places(self) -> tuple[Ints, PartitionArray]:
        """Place of every scheme added, and a scheme of each place; none is added any more."""
        if self._known is None:
            order = np.concatenate([parts.order for parts in self._added])
            pdims = np.concatenate([parts.pdims for parts in self._added])
            rows = np.concatenate([order, pdims.reshape(len(pdims), -1)], axis=1)
            first, which = distinct_rows(rows)
            # In the order in which they were added, which does not depend on their factors.
            rank = np.argsort(np.argsort(first))
            first = np.sort(first)
            distinct = PartitionArray(order[first], pdims[first])
            frng = fmap_range(self.layer, self.batch_size)
            place, parts = distinct_places(frng, self.region, distinct, self.no_hops)
            self._known = place[rank[which]], parts
        return self._known

    @property
    def parts(self) -> PartitionArray:
        """A scheme of each place."""
        return self._places()[1]

    def place(self, parts: PartitionArray) -> Ints:
        """Place per partition of an array that was added."""
        return self._places()[0][self._slices[id(parts)]]
