# SPDX-License-Identifier: BSD-3-Clause
"""One layer as a step of a network search: its schedules, and the hops from its producers.

Decides what a layer needs to know of its neighbours (docs/model/search.md section 6): for each of
its producers, the word-hops of a pass over the ifmaps from every place where these can lie.
Without forwarding the hops of a concatenation are the sum over its producers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .layer_space import fmap_range
from .placement import Placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .layer import Layer
    from .layer_space import HopCosts, LayerSpace
    from .node_region import NodeRegion
    from .partition_array import PartitionArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]


class Source(NamedTuple):
    """Where fmaps can come from: a scheduled layer, or the network's input and externals.

    Attributes
    ----------
    layer
        Whose ofmaps they are.
    region
        Nodes that hold the fmaps.
    parts
        One scheme per place of the fmaps (a PartitionArray of K schemes).
    number
        Which column of the places of a prefix says where they lie.
    """

    layer: Layer
    region: NodeRegion
    parts: PartitionArray
    number: int


class Step(NamedTuple):
    """One layer of the search.

    Attributes
    ----------
    name, space
        The layer and all its schedules.
    sources, hops
        Columns of its producers, and for each the word-hops of a pass from every place to every
        partition, (places, partitions).
    place, num_places
        Place of the ofmaps per partition.
    hop_costs
        Largest hop costs per array mapping.
    """

    name: str
    space: LayerSpace
    sources: tuple[int, ...]
    hops: tuple[Floats, ...]
    place: Ints
    num_places: int
    hop_costs: HopCosts

    def ifmap_hops(self, places: Sequence[int]) -> Floats:
        """Word-hops of a pass over the ifmaps per partition, from one place of each source."""
        hops = np.zeros(len(self.place))
        for table, place in zip(self.hops, places, strict=True):
            hops = hops + table[place]
        return hops


def make_step(name: str, space: LayerSpace, producers: Sequence[Source]) -> Step:
    """Find the hops of a layer's ifmaps from all places of its producers."""
    hops: dict[int, Floats] = {}
    channel = 0
    for source in producers:
        placement = None
        if not space.no_hops:
            frng = fmap_range(source.layer, space.batch_size, channel)
            placement = Placement.of_schemes(frng, source.region, source.parts)
        table = space.ifmap_hops(placement, len(source.parts))
        hops[source.number] = hops.get(source.number, 0) + table
        channel += source.layer.nofm
    most = np.zeros(len(space.parts))
    for table in hops.values():
        most = most + table.max(axis=0)
    place, parts = space.ofmap_places()
    return Step(
        name,
        space,
        tuple(hops),
        tuple(hops.values()),
        place,
        len(parts),
        space.hop_costs(most),
    )
