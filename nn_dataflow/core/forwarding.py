# SPDX-License-Identifier: BSD-3-Clause
"""Forwarding between nodes that use the same data.

Decides which nodes form a group, the hops that spread one word over a group, and what each data
category takes that way (docs/model/partition.md sections 8.3 and 9.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .columns import row_keys
from .node_work import N

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .node_work import NodeWork
    from .partition_array import Bools, Ints
    from .placement import Placement

_FAR = 2**62


def gen_groups(scheme: Ints, keys: Sequence[Ints]) -> Iterator[Ints]:
    """Group M items by scheme and keys, and yield the groups of equal size together.

    Parameters
    ----------
    scheme : int array (M,)
        Scheme of each item.
    keys : sequence of int arrays (M,)
        Items of a scheme with equal keys form a group.

    Yields
    ------
    int array (G, g)
        Item numbers of all groups of g items, ascending within each.
    """
    group = row_keys([scheme, *keys])
    order = np.argsort(group, kind="stable")
    in_order = group[order]
    first = np.flatnonzero(np.diff(in_order, prepend=in_order[:1] - 1))
    size = np.diff(first, append=order.size)
    for members in np.unique(size):
        yield order[first[size == members][:, None] + np.arange(members)]


def tree_hops(coord: Ints, start: Ints | None = None) -> Ints:
    """Return the length of the minimum spanning trees of sets of nodes under hop distance.

    The tree grows from what it has to the closest node that it lacks (Prim); ties do not change
    the length.

    Parameters
    ----------
    coord : int array (2, G, g)
        Coordinates (h, w) of the nodes of G sets. A node that occurs twice costs nothing.
    start : int array (G, g), optional
        Distance of each node to what the tree has at first. By default it has the first node.

    Returns
    -------
    int array (G,)

    Examples
    --------
    >>> tree_hops(np.array([[[0, 0, 2]], [[0, 3, 0]]])).tolist()
    [5]
    """
    if start is None:
        near: Ints = np.full(coord.shape[1:], _FAR)
        near[:, :1] = 0
    else:
        near = start.copy()
    if start is None and coord.shape[2] > 1:
        shapes, which = _distinct_shapes(coord)
        if shapes.shape[1] < coord.shape[1]:
            return tree_hops(shapes)[which]
    groups = np.arange(len(near))
    length = np.zeros(len(near), dtype=np.int64)
    lacking = np.ones(near.shape, dtype=bool)
    for _ in range(coord.shape[2]):
        node = np.where(lacking, near, _FAR).argmin(axis=1)
        length += near[groups, node]
        lacking[groups, node] = False
        reached = np.abs(coord - coord[:, groups, node][:, :, None]).sum(axis=0)
        np.minimum(near, reached, out=near)
    return length


def _distinct_shapes(coord: Ints) -> tuple[Ints, Ints]:
    """Sets of nodes (2, G, g) that are not others moved elsewhere, and which of them each is."""
    moved = coord - coord.min(axis=2, keepdims=True)
    width = int(moved[1].max()) + 1
    nodes = np.sort(moved[0] * width + moved[1], axis=1)
    rows = np.ascontiguousarray(nodes).view(np.dtype((np.void, nodes.itemsize * nodes.shape[1])))
    _, first, which = np.unique(rows.ravel(), return_index=True, return_inverse=True)
    return moved[:, first], which.reshape(-1)


def forward_filters(work: NodeWork, nearest: Ints) -> Ints:
    """Return the filter hops of n schemes in units of R · S, (n,), with forwarding within groups.

    Parameters
    ----------
    work : NodeWork
    nearest : int array (D,)
        Hops from each node of the region to the nearest filter node.
    """
    at = _indices_with_work(work)
    node, count = work.node[at], work.filter_count()[at]
    hops = np.zeros(work.node.shape[0], dtype=np.int64)
    for group in gen_groups(at[0], [work.ifm_id[N][at], work.ofm_id[N][at]]):
        members = node[group]
        length = tree_hops(work.coord[:, members], nearest[members])
        np.add.at(hops, at[0][group[:, 0]], count[group[:, 0]] * length)
    return hops


def forward_ifmaps(work: NodeWork, placement: Placement, own: slice, transfer: Ints) -> Ints:
    """Return the ifmap hops (K, n) from some layouts, with forwarding within groups.

    Parameters
    ----------
    work : NodeWork
    placement : Placement
    own : slice
        The K layouts of the placement.
    transfer : int array (K, n, P)
        Transfer hops from each to every index.
    """
    at = _indices_with_work(work)
    number, boxes = work.ifm_grid()
    part = number[at]
    beg, end = work.ifm_boxes(boxes)
    box = row_keys([*beg, *end])  # different parts may read the same
    node = work.node[at]
    given = transfer[:, at[0], at[1]]
    hops = np.zeros((transfer.shape[0], transfer.shape[1]), dtype=np.int64)
    for group in gen_groups(at[0], [box[part]]):
        first = group[:, 0]
        length = tree_hops(work.coord[:, node[group]])
        for row, layout in enumerate(range(own.start, own.stop)):
            words = np.zeros_like(length)
            for shift in work.ifm_shifts:
                offset = np.array([[0], [shift], [0], [0]])
                which = np.full(first.size, layout)
                some = part[first]
                words += placement.words_in(beg[:, some] + offset, end[:, some] + offset, which)
            nearest = given[row, group].min(axis=1)
            np.add.at(hops[row], at[0][first], nearest + words * length)
    return hops


def forward_ofmaps(work: NodeWork, placement: Placement, local: Bools, which: Ints) -> Ints:
    """Return the ofmap hops of n schemes, (n,), with forwarding within groups.

    Parameters
    ----------
    work : NodeWork
    placement : Placement
    local : bool array (n,)
        Schemes whose ofmaps stay where they are.
    which : int array (n,)
        The layout of each other scheme.
    """
    at = _indices_with_work(work)
    at = tuple(index[~local[at[0]]] for index in at)
    beg, end = work.ofm_boxes(at)
    node = work.node[at]
    transfer = placement.hops_to(beg, end, work.coord[:, node], which[at[0]])
    hops = np.zeros(work.node.shape[0], dtype=np.int64)
    for group in gen_groups(at[0], [index[at] for index in work.ofm_id]):
        first = group[:, 0]
        words = placement.words_in(beg[:, first], end[:, first], which[at[0][first]])
        nearest = transfer[group].min(axis=1)
        spread = words * tree_hops(work.coord[:, node[group]])
        np.add.at(hops, at[0][first], (2 * nearest + spread + 1) // 2)
    return hops


def _indices_with_work(work: NodeWork) -> tuple[Ints, ...]:
    """Schemes and positions of all indices that have anything to do."""
    valid = np.ones(work.node.shape, dtype=bool) if work.valid is None else work.valid
    return np.nonzero(valid)
