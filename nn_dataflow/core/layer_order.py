# SPDX-License-Identifier: BSD-3-Clause
"""Order in which the layers of a network are scheduled.

Decides which layers form a vertex of the scheduling graph, and the order of the vertices
(docs/model/pipeline.md section 3). Segments are runs of this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layer import LocalRegionLayer

if TYPE_CHECKING:
    from .network import Network


def schedule_order(network: Network) -> list[tuple[str, ...]]:
    """Order the vertices of the scheduling graph of a network.

    A vertex is a chain of layers that are scheduled together: a convolution and the local-region
    layers behind it, each the only consumer of the one before; or local-region layers alone. The
    vertices are in depth-first order, so that a producer is close to its consumers.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    list of tuple of str
        The layer names of each vertex. Concatenated they give every layer of the network once,
        producers before consumers.

    Notes
    -----
    The time is linear in the number of layers and edges. Nothing is recursive, so deep networks are
    no problem.

    Examples
    --------
    >>> from nn_dataflow.core.layer import ConvLayer, InputLayer, PoolingLayer
    >>> from nn_dataflow.core.network import Network
    >>> network = Network("branches")
    >>> network.set_input_layer(InputLayer(3, 8))
    >>> network.add("conv", ConvLayer(3, 16, 8, 3))
    >>> network.add("left", ConvLayer(16, 16, 8, 1), prevs="conv")
    >>> network.add("right", ConvLayer(16, 16, 8, 1), prevs="conv")
    >>> network.add("pool", PoolingLayer(16, 4, 2), prevs="left")
    >>> schedule_order(network)
    [('conv',), ('left', 'pool'), ('right',)]
    """
    vertices = _vertices(network)
    vertex_of = {name: number for number, names in enumerate(vertices) for name in names}
    roots = [vertex_of[name] for name in reversed(network.firsts())]
    seen: set[int] = set()
    finished: list[int] = []
    # One entry per vertex on the current path: the vertex, and those to visit next. The bottom
    # entry is no vertex, it holds the roots.
    path = [(-1, iter(roots))]
    while path:
        vertex, pending = path[-1]
        following = next((v for v in pending if v not in seen), None)
        if following is not None:
            seen.add(following)
            successors = [vertex_of[name] for name in _consumers(network, vertices[following])]
            path.append((following, iter(successors[::-1])))
        else:
            finished.append(vertex)
            path.pop()
    return [tuple(vertices[vertex]) for vertex in reversed(finished[:-1])]


def _vertices(network: Network) -> list[list[str]]:
    """Chains of layers, in the order in which they are opened."""
    vertices: list[list[str]] = []
    vertex_of: dict[str, int] = {}
    for name in network:
        # Whoever has this layer as the only consumer is the last of its vertex.
        candidates = [
            vertex_of[prev]
            for prev in network.prevs(name)
            if prev in vertex_of and network.nexts(prev) == (name,)
        ]
        if candidates and isinstance(network[name], LocalRegionLayer):
            number = max(candidates)
            vertices[number].append(name)
        else:
            number = len(vertices)
            vertices.append([name])
        vertex_of[name] = number
    return vertices


def _consumers(network: Network, names: list[str]) -> list[str]:
    """Consumers outside a vertex: those of its last layer, as no other layer has any."""
    return [name for name in network.nexts(names[-1]) if name is not None]
