# SPDX-License-Identifier: BSD-3-Clause
"""Nodes and data places of the layers of a segment.

Decides how many nodes each spatial group gets, so that all groups take about the same time, and
where each layer reads and writes its fmaps (docs/model/pipeline.md section 6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layer import ConvLayer
from .loop_blocking_space import divisors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .network import Network
    from .node_region import NodeRegion
    from .phy_dim2 import PhyDim2
    from .pipeline_dependency import Links
    from .pipeline_segment_timing import SchedIndex
    from .resource import Resource

    Allocation = tuple[tuple[Resource, ...], ...]

# Node time that a segment may lose to an uneven division among its groups, unless said otherwise.
MAX_UTIL_DROP = 0.05


def balance_nodes(
    ops: Sequence[int], dim_nodes: PhyDim2, max_util_drop: float
) -> tuple[int, ...] | None:
    """Divide nodes among spatial groups in proportion to their operations.

    Every number of nodes is a multiple of a divisor of the height, the largest one for which the
    groups are busy enough, so that their regions are as high as possible.

    Parameters
    ----------
    ops : sequence of int
        Operations of each group, for the same number of samples.
    dim_nodes : PhyDim2
        Height and width of all nodes.
    max_util_drop : float
        Largest share of the nodes' time that may be lost to waiting for the slowest group.

    Returns
    -------
    tuple of int, or None
        Number of nodes of each group, all nodes together; None if no division is good enough.

    Examples
    --------
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> balance_nodes([630, 1200, 2000], PhyDim2(8, 8), 0.05)
    (12, 20, 32)
    >>> balance_nodes([200, 630, 1200, 2000], PhyDim2(8, 8), 0.05) is None
    True
    """
    total_ops = sum(ops)
    total_nodes = dim_nodes.size()
    wanted = [group_ops / total_ops * total_nodes for group_ops in ops]
    for unit in divisors(dim_nodes.h)[::-1].tolist():
        nodes = _rounded(wanted, unit, total_nodes)
        if 0 in nodes:
            continue
        slowest = max(group_ops / num for group_ops, num in zip(ops, nodes, strict=True))
        if total_ops / slowest / total_nodes >= 1 - max_util_drop:
            return tuple(nodes)
    return None


def _rounded(wanted: list[float], unit: int, total: int) -> list[int]:
    """Round to multiples of a unit with a given sum; some may become 0."""
    nodes = [max(1, round(want / unit)) * unit for want in wanted]
    groups = range(len(nodes))
    while sum(nodes) != total:
        if sum(nodes) > total:
            nodes[max(groups, key=lambda i: nodes[i] - wanted[i])] -= unit
        else:
            nodes[min(groups, key=lambda i: nodes[i] - wanted[i])] += unit
    return nodes


def allocate_segment(
    links: Links,
    shared: dict[tuple[str | None, ...], tuple[SchedIndex, ...]],
    network: Network,
    resource: Resource,
    max_util_drop: float,
) -> Allocation | None:
    """Give nodes and data places to all layers of a segment.

    Parameters
    ----------
    links : tuple of tuple of LayerLinks
        Sources and destinations of the layers.
    shared : dict
        Layers that share a source in memory, see `shared_sources`.
    network : Network
    resource : Resource
        The whole chip.
    max_util_drop : float
        See `balance_nodes`.

    Returns
    -------
    tuple of tuple of Resource, or None
        By spatial and temporal index; None if the nodes cannot be divided well enough.
    """
    regions = _group_regions(links, network, resource.proc_region, max_util_drop)
    if regions is None:
        return None
    first_reader: dict[tuple[int, int], int] = {
        index: indices[0].sp_idx for indices in shared.values() for index in indices[1:]
    }
    alone = sum(map(len, links)) == len(network) and all(
        sum(isinstance(network[link.layer], ConvLayer) for link in group) <= 1 for group in links
    )
    allocation = []
    for sp, group in enumerate(links):
        resources = []
        for tm, link in enumerate(group):
            if link.memory_source and (sp, tm) not in first_reader:
                source = resource.src_data_region
            elif link.memory_source:
                source = regions[first_reader[sp, tm]]
            elif link.neighbour_source is not None:
                source = regions[link.neighbour_source.sp_idx]
            else:
                source = regions[sp]
            resources.append(
                resource._replace(
                    proc_region=regions[sp],
                    src_data_region=source,
                    dst_data_region=(
                        resource.dst_data_region if link.memory_destination else regions[sp]
                    ),
                    no_time_mux=alone,
                )
            )
        allocation.append(tuple(resources))
    return tuple(allocation)


def _group_regions(
    links: Links, network: Network, region: NodeRegion, max_util_drop: float
) -> list[NodeRegion] | None:
    if len(links) == 1:
        return [region]
    ops = [sum(network[link.layer].total_ops() for link in group) for group in links]
    nodes = balance_nodes(ops, region.dim, max_util_drop)
    return None if nodes is None else region.allocate(nodes) or None
