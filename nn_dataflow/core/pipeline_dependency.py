# SPDX-License-Identifier: BSD-3-Clause
"""Where the layers of a segment get their ifmaps from, and where their ofmaps go.

Decides which places a segment's layers may have so that data can be handed over on chip, and which
layers forward data to others (docs/model/pipeline.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .pipeline_segment_timing import SchedIndex

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from .network import Network

    Groups = tuple[tuple[str, ...], ...]


class LayerLinks(NamedTuple):
    """Sources and destinations of one layer of a segment.

    Attributes
    ----------
    layer : str
        Name of the layer.
    memory_source : bool
        Whether it reads fmaps from outside the segment.
    local_source : bool
        Whether it reads the ofmaps of the layer before it in its group.
    neighbour_source : SchedIndex or None
        The layer of another group whose ofmaps it reads.
    memory_destination : bool
        Whether its ofmaps are read outside the segment, or are outputs of the network.
    local_destination : bool
        Whether the next layer of its group reads its ofmaps.
    neighbour_destinations : tuple of SchedIndex
        The layers of other groups that read its ofmaps.
    """

    layer: str
    memory_source: bool
    local_source: bool
    neighbour_source: SchedIndex | None
    memory_destination: bool
    local_destination: bool
    neighbour_destinations: tuple[SchedIndex, ...]


Links = tuple[tuple[LayerLinks, ...], ...]


def segment_links(groups: Groups, network: Network, *, with_opt: bool = True) -> Links | None:
    """Find the sources and destinations of all layers of a segment.

    Parameters
    ----------
    groups : tuple of tuple of str
        Layer names by spatial, then by temporal index.
    network : Network
    with_opt : bool
        Whether layers may have several consumers on chip, and independent chains may run side by
        side; if not, the segment must be one chain.

    Returns
    -------
    tuple of tuple of LayerLinks, or None
        None if the layers cannot hand over their fmaps in these places.

    Raises
    ------
    KeyError
        If the network has no such layer.

    Examples
    --------
    >>> from nn_dataflow.core.layer import ConvLayer, InputLayer
    >>> from nn_dataflow.core.network import Network
    >>> network = Network("two")
    >>> network.set_input_layer(InputLayer(3, 8))
    >>> network.add("a", ConvLayer(3, 16, 8, 3))
    >>> network.add("b", ConvLayer(16, 16, 8, 1))
    >>> (a,), (b,) = segment_links((("a",), ("b",)), network)
    >>> a.neighbour_destinations, b.neighbour_source
    ((SchedIndex(sp_idx=1, tm_idx=0),), SchedIndex(sp_idx=0, tm_idx=0))
    >>> segment_links((("b",), ("a",)), network) is None
    True
    """
    index_of: dict[str | None, SchedIndex] = {
        name: SchedIndex(sp, tm) for sp, group in enumerate(groups) for tm, name in enumerate(group)
    }
    links: list[tuple[LayerLinks, ...]] = []
    for sp, group in enumerate(groups):
        found: list[LayerLinks] = []
        for tm, name in enumerate(group):
            index = SchedIndex(sp, tm)
            producers = [index_of.get(prev) for prev in network.prevs(name)]
            consumers = [index_of.get(following) for following in network.nexts(name)]
            if not _is_legal(index, producers, consumers, groups, with_opt=with_opt):
                return None
            neighbours = [i for i in producers if i is not None and i.sp_idx != sp]
            found.append(
                LayerLinks(
                    layer=name,
                    memory_source=None in producers,
                    local_source=any(i.sp_idx == sp for i in producers if i is not None),
                    neighbour_source=neighbours[0] if neighbours else None,
                    memory_destination=None in consumers,
                    local_destination=any(i.sp_idx == sp for i in consumers if i is not None),
                    neighbour_destinations=tuple(
                        i for i in consumers if i is not None and i.sp_idx != sp
                    ),
                )
            )
        if sum(link.neighbour_source is not None for link in found) > 1:
            return None
        links.append(tuple(found))
    return tuple(links)


def _is_legal(
    index: SchedIndex,
    producers: list[SchedIndex | None],
    consumers: list[SchedIndex | None],
    groups: Groups,
    *,
    with_opt: bool,
) -> bool:
    """Whether one layer can exchange its fmaps with these places; None is memory."""
    sources = {i for i in producers if i is not None}
    destinations = {i for i in consumers if i is not None}
    neighbours = {i for i in sources if i.sp_idx != index.sp_idx}
    following = {i for i in destinations if i.sp_idx == index.sp_idx}
    is_last = index.tm_idx == len(groups[index.sp_idx]) - 1

    if any(i > index for i in sources):
        return False
    if neighbours and (None in producers or len(neighbours) > 1):
        return False
    if any(i.tm_idx != len(groups[i.sp_idx]) - 1 for i in neighbours):
        return False
    if following != (set() if is_last else {SchedIndex(index.sp_idx, index.tm_idx + 1)}):
        return False
    if with_opt:
        return True
    is_first = index == (0, 0)
    return len(sources) <= 1 and len(destinations) <= 1 and (is_first or bool(sources))


def _indexed(links: Links) -> Iterator[tuple[SchedIndex, LayerLinks]]:
    for sp, group in enumerate(links):
        for tm, link in enumerate(group):
            yield SchedIndex(sp, tm), link


def shared_sources(
    links: Links, network: Network
) -> dict[tuple[str | None, ...], tuple[SchedIndex, ...]]:
    """Find the layers that read the same fmaps from memory, which only the first of them does.

    Returns
    -------
    dict
        Names of the producers, None for the network input, to the indices of their consumers in
        the order of their places, two or more. The others get the data from the first.
    """
    readers: dict[tuple[str | None, ...], list[SchedIndex]] = {}
    for index, link in _indexed(links):
        if link.memory_source and not link.local_source:
            readers.setdefault(network.prevs(link.layer), []).append(index)
    return {prevs: tuple(indices) for prevs, indices in readers.items() if len(indices) > 1}


def near_ifmaps(link: LayerLinks, inside: Container[str | None], network: Network) -> float:
    """Share of ifmap channels from the layer before, if others come from memory.

    Parameters
    ----------
    link : LayerLinks
        The layer.
    inside : container of str
        Names of the layers of its segment.
    network : Network

    Returns
    -------
    float
        0 if all come from the same kind of place.
    """
    if not (link.local_source and link.memory_source):
        return 0
    channels = [
        ((network.input_layer() if prev is None else network[prev]).nofm, prev in inside)
        for prev in network.prevs(link.layer)
    ]
    return sum(n for n, is_near in channels if is_near) / sum(n for n, _ in channels)


def forwarded_ofmaps(links: Links) -> dict[SchedIndex, tuple[SchedIndex, ...]]:
    """Find the layers whose ofmaps go to memory and to other layers of the segment as well.

    Returns
    -------
    dict
        Index of such a layer to those of the layers that get its ofmaps on chip: in other groups,
        or else the next one of its group.
    """
    forwarded = {}
    for index, link in _indexed(links):
        if link.memory_destination and link.neighbour_destinations:
            forwarded[index] = link.neighbour_destinations
        elif link.memory_destination and link.local_destination:
            forwarded[index] = (SchedIndex(index.sp_idx, index.tm_idx + 1),)
    return forwarded
