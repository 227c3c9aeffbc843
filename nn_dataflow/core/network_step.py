# SPDX-License-Identifier: BSD-3-Clause
"""One layer as a step of a network search: its schedules, and the hops from its producers.

Decides what a layer needs to know of its neighbours (docs/model/search.md section 6): for each of
its producers, the word-hops of a pass over the ifmaps from every place where these can lie.
Without forwarding the hops of a concatenation are the sum over its producers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .data_layout import DataLayout
from .partition_scheme import PartitionScheme
from .placement import Placement
from .places import fmap_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    def hops_to(self, space: LayerSpace, channel: int) -> Floats:
        """Word-hops of a pass from each place to each partition of a layer, (K, partitions).

        `channel` is the first of the layer's channels that the fmaps are.
        """
        placement = None
        if not space.no_hops:
            frng = fmap_range(self.layer, space.batch_size, channel)
            placement = Placement.of_schemes(frng, self.region, self.parts)
        return space.ifmap_hops(placement, len(self.parts))

    def layout(self, place: int, batch_size: int) -> DataLayout:
        """Layout of the fmaps at one of their places."""
        return DataLayout(
            frngs=(fmap_range(self.layer, batch_size),),
            regions=(self.region,),
            parts=(PartitionScheme.of_row(self.parts, place),),
        )


class PlaceHops:
    """Word-hops of a pass over some ifmaps, from places that are looked at when asked for.

    Indexed by the place, it gives the hops to each partition, like a table (places, partitions).

    Parameters
    ----------
    space
        The layer that reads the fmaps.
    pieces
        Where they come from, with the first of the layer's channels that they are.

    Attributes
    ----------
    found
        The hops from places that were asked for.
    """

    def __init__(self, space: LayerSpace, pieces: Sequence[tuple[Source, int]]) -> None:
        self.space = space
        self.pieces = pieces
        self.found: dict[int, Floats] = {}

    def find(self, places: Iterable[int]) -> None:
        """Look at several places at once, which takes less time than one after another."""
        unknown = [place for place in dict.fromkeys(places) if place not in self.found]
        if unknown:
            hops = np.zeros((len(unknown), len(self.space.parts)))
            for source, channel in self.pieces:
                only = source._replace(parts=source.parts.take(unknown))
                hops = hops + only.hops_to(self.space, channel)
            self.found.update(zip(unknown, hops, strict=True))

    def __getitem__(self, place: int) -> Floats:
        self.find([place])
        return self.found[place]


class Step(NamedTuple):
    """One layer of the search.

    Attributes
    ----------
    name, space
        The layer and all its schedules.
    sources, hops
        Columns of its producers, and for each the word-hops of a pass from every place to every
        partition, (places, partitions). With forwarding, their sum is a lower bound for several
        producers, since each may have another node closest to it.
    place, num_places
        Place of the ofmaps per partition.
    hop_costs
        Largest hop costs per array mapping.
    producers
        Its producers, in the order of their channels.
    joint
        Word-hops found so far for combinations of places, where they do not add up.
    """

    name: str
    space: LayerSpace
    sources: tuple[int, ...]
    hops: tuple[Floats | PlaceHops, ...]
    place: Ints
    num_places: int
    hop_costs: HopCosts
    producers: tuple[Source, ...]
    joint: dict[tuple[int, ...], Floats]

    @property
    def is_joint(self) -> bool:
        """Whether the hops of several producers do not add up, since nodes forward data."""
        return self.space.forwards and len(self.producers) > 1

    def find_hops(self, places: Iterable[tuple[int, ...]]) -> None:
        """Find what `ifmap_hops` gives for several places of the sources, all at once."""
        if self.space.no_hops:
            return
        if self.is_joint:
            self._find_joint(places)
            return
        for table, column in zip(self.hops, zip(*places, strict=True), strict=False):
            if isinstance(table, PlaceHops):
                table.find(column)

    def ifmap_hops(self, places: Sequence[int]) -> Floats:
        """Word-hops of a pass over the ifmaps per partition, from one place of each source."""
        if self.is_joint and not self.space.no_hops:
            self._find_joint([tuple(places)])
            return self.joint[tuple(places)]
        hops = np.zeros(len(self.place))
        for table, place in zip(self.hops, places, strict=True):
            hops = hops + table[place]
        return hops

    def hops_found(self) -> list[dict[Any, Floats]]:
        """Word-hops that were found when they were asked for, of all kinds, by place or places."""
        return [self.joint, *(hops.found for hops in self.hops if isinstance(hops, PlaceHops))]

    def _find_joint(self, places: Iterable[tuple[int, ...]]) -> None:
        """Find word-hops from concatenated layouts of all producers, once per combination."""
        unknown = [own for own in dict.fromkeys(places) if own not in self.joint]
        if unknown:
            column = [self.sources.index(source.number) for source in self.producers]
            layouts = [
                DataLayout.concat(
                    *(
                        source.layout(own[number], self.space.batch_size)
                        for source, number in zip(self.producers, column, strict=True)
                    )
                )
                for own in unknown
            ]
            hops = self.space.ifmap_hops(Placement.of_layouts(layouts), len(layouts))
            self.joint.update(zip(unknown, hops, strict=True))


def hops_of_ifmaps(space: LayerSpace, producers: Sequence[Source]) -> dict[int, Floats]:
    """Word-hops of a layer's ifmaps from all places of its producers, by their columns."""
    hops: dict[int, Floats] = {}
    channel = 0
    for source in producers:
        hops[source.number] = hops.get(source.number, 0) + source.hops_to(space, channel)
        channel += source.layer.nofm
    return hops


def make_step(
    name: str, space: LayerSpace, producers: Sequence[Source], hops: dict[int, Floats]
) -> Step:
    """Make the step of a layer from the hops of its ifmaps."""
    most = np.zeros(len(space.parts))
    for table in hops.values():
        most = most + table.max(axis=0)
    if space.forwards and len(producers) > 1:
        # The node closest to all producers is at most as far from that closest to one of them
        # as the tree is long that connects the nodes, which counts in each table.
        most = 2 * most
    place, parts = space.ofmap_places()
    return Step(
        name,
        space,
        tuple(hops),
        tuple(hops.values()),
        place,
        len(parts),
        space.hop_costs(most),
        tuple(producers),
        {},
    )
