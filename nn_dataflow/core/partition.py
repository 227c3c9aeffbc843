# SPDX-License-Identifier: BSD-3-Clause
"""Partitioning a layer over nodes.

Decides which schemes a layer may use on an array of nodes, what one node then processes, and which
layouts the inputs of a network may have (docs/model/partition.md sections 6, 7 and 8.4); the
word-hops of one scheme are those of `partition_hops` for an array of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import parallel_enum as pe
from .fmap_range import FmapRange
from .int_range import IntRange
from .layer import ConvLayer
from .node_work import Intervals, fmap_rows, region_channels, window
from .partition_array import PartitionArray
from .partition_hops import PartitionHops, unit_nhops
from .partition_scheme import PartitionScheme
from .partition_space import allowed_dims, fallback, scheme_space
from .placement import Placement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from .data_layout import DataLayout
    from .layer import Layer
    from .node_region import NodeRegion
    from .option import Option
    from .partition_scheme import PartitionIndex
    from .phy_dim2 import PhyDim2

__all__ = [
    "PartitionHops",
    "gen_partition",
    "input_layout_partitions",
    "partition_array",
    "proc_data_range",
    "search_partitions",
    "unit_nhops",
    "unit_nhops_to_proc_region",
]


def gen_partition(
    layer: Layer,
    batch_size: int,
    dim_nodes: PhyDim2,
    options: Option,
    guaranteed: bool = False,
) -> Iterator[PartitionScheme]:
    """Iterate over the partition schemes of a layer on an array of nodes.

    All schemes use all nodes exactly. Kinds that are split evenly enough, and that use up one axis
    before the other, are combined in every way and in every order that differs; see
    `partition_array`.

    Parameters
    ----------
    layer, batch_size
        Only the kind of the layer, its channel counts and its ofmap size matter.
    dim_nodes : PhyDim2
        Height and width of the node array.
    options : Option
        `partition_hybrid`, `partition_batch` and `partition_ifmaps` apply.
    guaranteed : bool
        Yield a fallback scheme when there is no other.

    Yields
    ------
    PartitionScheme

    Raises
    ------
    ValueError
        When input channels may be split but kinds must not be combined.

    Examples
    --------
    >>> from nn_dataflow.core.option import Option
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> options = Option(partition_hybrid=True)
    >>> for part in gen_partition(ConvLayer(64, 64, 28, 3), 8, PhyDim2(1, 2), options):
    ...     print(part.order, part.pdims[pe.OUTP], part.pdims[pe.OFMP])
    (0, 2, 3, 1) PhyDim2(h=1, w=1) PhyDim2(h=1, w=2)
    (1, 2, 3, 0) PhyDim2(h=1, w=2) PhyDim2(h=1, w=1)
    """
    space = scheme_space(*dim_nodes)
    chosen = np.flatnonzero(allowed_dims(layer, batch_size, space, options)[space.row])
    if chosen.size:
        return map(space.scheme, chosen.tolist())
    return iter([PartitionScheme.of_row(fallback(layer, dim_nodes), 0)] if guaranteed else [])


def partition_array(
    layer: Layer,
    batch_size: int,
    dim_nodes: PhyDim2,
    options: Option,
    guaranteed: bool = False,
) -> PartitionArray:
    """Return the schemes of `gen_partition` as arrays, in the same order.

    Dimensions come in lexicographic order of the factors of the height, then of the width. A
    combination is dropped if

    1. BATP is split without `partition_batch`, or into parts that do not divide the batch;
    2. a kind other than OFMP splits both axes and uses up neither;
    3. with `partition_hybrid`, OUTP, OFMP or (in a Conv layer) INPP does not divide its extent
       approximately, INPP is split without `partition_ifmaps` or in a LocalRegion layer; without
       it, INPP is split, or OFMP if the ofmap is a single point, otherwise OUTP.

    Kinds of size 1 are first in the hierarchy order, ascending; the others follow in every
    permutation that has BATP first of them, and no strip (h, 1) of another kind than BATP right
    above a strip (1, w), since these two commute.

    Parameters and errors are those of `gen_partition`.

    Returns
    -------
    PartitionArray

    Examples
    --------
    >>> from nn_dataflow.core.option import Option
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> options = Option(partition_hybrid=True, partition_batch=True, partition_ifmaps=True)
    >>> len(partition_array(ConvLayer(64, 64, 28, 3), 8, PhyDim2(1, 4), options))
    13
    """
    space = scheme_space(*dim_nodes)
    chosen = allowed_dims(layer, batch_size, space, options)[space.row]
    if guaranteed and not chosen.any():
        return fallback(layer, dim_nodes)
    return PartitionArray(space.order[chosen], space.pdims[space.row[chosen]])


def search_partitions(
    layer: Layer, batch_size: int, dim_nodes: PhyDim2, options: Option
) -> PartitionArray:
    """Return all schemes that a search tries: those of the options and of any fewer of them.

    Hybrid schemes must divide approximately, others need not; and a layer that nothing divides has
    its fallback scheme only while it has no other. So that more options never lose a schedule, the
    schemes of fewer options follow those of all, each once.

    Examples
    --------
    >>> from nn_dataflow.core.option import Option
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> layer, nodes = ConvLayer(512, 24, 14, 1), PhyDim2(4, 4)
    >>> options = Option(partition_hybrid=True)
    >>> [
    ...     len(find(layer, 4, nodes, options)) for find in (partition_array, search_partitions)
    ... ]
    [4, 5]
    """
    found: dict[tuple[object, ...], None] = {}
    for hybrid in sorted({options.partition_hybrid, False}, reverse=True):
        for ifmaps in sorted({hybrid and options.partition_ifmaps, False}, reverse=True):
            for batch in sorted({options.partition_batch, False}, reverse=True):
                fewer = options._replace(
                    partition_hybrid=hybrid, partition_ifmaps=ifmaps, partition_batch=batch
                )
                parts = partition_array(layer, batch_size, dim_nodes, fewer, guaranteed=True)
                rows = zip(parts.order.tolist(), parts.pdims.tolist(), strict=True)
                found.update(dict.fromkeys((tuple(o), tuple(map(tuple, dims))) for o, dims in rows))
    orders, pdims = zip(*found, strict=True)
    return PartitionArray(orders, pdims)


def input_layout_partitions(
    layers: Sequence[Layer],
    batch_size: int,
    region: NodeRegion,
    options: Option,
) -> PartitionArray:
    """Return the distinct ways to lay out the inputs of a network on a region.

    The schemes are those that a search tries for the input layer on the dimension of the region,
    projected on it for fmaps. Two are the same if they put the same ranges on the same nodes, for
    the input and all external layers; the first one is kept.

    Parameters
    ----------
    layers : sequence of Layer
        The input layer, followed by the external layers, which are laid out by the same scheme.
    batch_size : int
    region : NodeRegion
        Where the inputs are.
    options : Option

    Returns
    -------
    PartitionArray
        Projected schemes, in generation order.

    Examples
    --------
    >>> from nn_dataflow.core.layer import InputLayer
    >>> from nn_dataflow.core.node_region import NodeRegion
    >>> from nn_dataflow.core.option import Option
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> options = Option(partition_hybrid=True, partition_batch=True, partition_ifmaps=True)
    >>> memory = NodeRegion(PhyDim2(1, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    >>> parts = input_layout_partitions([InputLayer(8, 16)], 4, memory, options)
    >>> len(partition_array(InputLayer(8, 16), 4, memory.dim, options)), len(parts)
    (4, 3)
    """
    parts = search_partitions(layers[0], batch_size, region.dim, options)
    parts = parts.projection(region.dim, appl2frng=True)
    keys: list[tuple[bytes, ...]] = list(
        zip(
            *(
                Placement.of_schemes(
                    FmapRange((0, 0, 0, 0), (batch_size, layer.nofm, layer.hofm, layer.wofm)),
                    region,
                    parts,
                ).keys()
                for layer in layers
            ),
            strict=True,
        )
    )
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    return parts.take(sorted(first.values()))


def proc_data_range(
    layer: Layer, batch_size: int, part: PartitionScheme, pidx: PartitionIndex
) -> tuple[tuple[IntRange, IntRange], FmapRange, FmapRange]:
    """Return what the node of one partition index processes.

    The ofmap part is that of the scheme. The ifmap part has the same batch; the padded rows
    [h0 · U, max(h0 · U, (h1 − 1) · U + R)) of ofmap rows [h0, h1), and columns likewise; in a Conv
    layer, the INPP part of the input channels; in a LocalRegion layer, the channels
    [n0 − ⌊g/2⌋, n1 − 1 + ⌈g/2⌉), clipped, for ofmap channels [n0, n1) and regions of g channels.

    A node of an element-wise layer reads the same channels of every operand, which no single range
    can say: the ifmap range returned is that of the first operand, and operand k is k · M channels
    further (`node_work.operand_shifts`). Hop counts include all operands.

    Returns
    -------
    (IntRange, IntRange), FmapRange, FmapRange
        Ranges of ifmap and ofmap channels that select the filters, both empty in a LocalRegion
        layer; ifmap part; ofmap part.

    Raises
    ------
    TypeError
        When the layer is neither a Conv nor a LocalRegion kind.

    Examples
    --------
    >>> part = PartitionScheme((0, 1, 2, 3), ((1, 2), (2, 1), (1, 1), (1, 1)))
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> zero, one = PhyDim2(0, 0), PhyDim2(1, 0)
    >>> filters, ifmap, ofmap = proc_data_range(
    ...     ConvLayer(4, 8, 5, 3, 2), 1, part, (zero, one, zero, zero)
    ... )
    >>> filters
    (IntRange(beg=0, end=4), IntRange(beg=0, end=4))
    >>> ifmap.beg_end("h"), ofmap.beg_end("h")
    (IntRange(beg=4, end=11), IntRange(beg=2, end=5))
    """
    ofmap = part.fmap_range(
        FmapRange((0, 0, 0, 0), (batch_size, layer.nofm, layer.hofm, layer.wofm)), pidx
    )
    batch, chan_out, rows, cols = (Intervals.of_one(*ends) for ends in zip(*ofmap, strict=True))
    heights, widths = window(layer)
    if isinstance(layer, ConvLayer):
        index = pidx[pe.INPP]
        cut = Intervals.of_cuts(layer.nifm, np.array([part.size(pe.INPP)]))
        chan_in = cut.pick(index[0] * part.pdims[pe.INPP].w + index[1])
        filters = (IntRange(*chan_in.ends()), IntRange(*chan_out.ends()))
    else:
        chan_in = region_channels(layer, chan_out)
        filters = (IntRange(0, 0), IntRange(0, 0))
    extents = (
        batch.ends(),
        chan_in.ends(),
        fmap_rows(rows, layer.htrd, heights).ends(),
        fmap_rows(cols, layer.wtrd, widths).ends(),
    )
    ifmap = FmapRange([beg for beg, _ in extents], [end for _, end in extents])
    return filters, ifmap, ofmap


def unit_nhops_to_proc_region(  # published interface
    layer: Layer,
    batch_size: int,
    region: NodeRegion,
    part: PartitionScheme,
    filter_nodes: Collection[PhyDim2],
    ifmap_layout: DataLayout,
    ofmap_layout: DataLayout,
    options: Option,
) -> list[int]:
    """Return the word-hops of every data category for one scheme, given all layouts.

    The same as `unit_nhops` for a single scheme.

    Returns
    -------
    list of 3 int
        Word-hops of FIL, IFM and OFM.

    Examples
    --------
    A layer of 2 × 2 nodes that get filters and ifmaps from the left.

    >>> from types import SimpleNamespace
    >>> from nn_dataflow.core.data_layout import DataLayout
    >>> from nn_dataflow.core.node_region import NodeRegion
    >>> from nn_dataflow.core.phy_dim2 import PhyDim2
    >>> region = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> memory = NodeRegion(PhyDim2(2, 1), PhyDim2(0, -1), type=NodeRegion.DRAM)
    >>> part = PartitionScheme((1, 2, 0, 3), ((1, 2), (1, 1), (1, 1), (2, 1)))
    >>> layer = ConvLayer(8, 16, 8, 3)
    >>> rows = PartitionScheme((0, 1, 2, 3), ((1, 1), (2, 1), (1, 1), (1, 1)))
    >>> ifmap = DataLayout((FmapRange((0, 0, 0, 0), (2, 8, 10, 10)),), (memory,), (rows,))
    >>> ofmap = DataLayout(
    ...     (FmapRange((0, 0, 0, 0), (2, 16, 8, 8)),),
    ...     (memory,),
    ...     (part.projection(memory, appl2frng=True),),
    ... )
    >>> options = SimpleNamespace(hw_access_forwarding=False, hw_gbuf_sharing=False)
    >>> unit_nhops_to_proc_region(
    ...     layer, 2, region, part, list(memory.iter_node()), ifmap, ofmap, options
    ... )
    [1728, 6400, 5120]
    """
    hops = unit_nhops(
        layer, batch_size, region, [part], filter_nodes, ifmap_layout, [ofmap_layout], options
    )
    return [int(count) for count in hops[0]]
