# SPDX-License-Identifier: BSD-3-Clause
"""Partitioning by brute force, word by word and node by node, to compare the arrays with.

Nothing here shares code with the package beyond its value types; docs/model/partition.md is
followed literally, with sets of words instead of ranges.
"""

import itertools

from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, LocalRegionLayer

OUTP, OFMP, BATP, INPP = range(4)


def cut(extent, index, count):
    """Positions of part `index` of `count` of a range."""
    beg, end = extent
    length = end - beg
    return range(beg + index * length // count, beg + (index + 1) * length // count)


def size(part, kind):
    return part.pdims[kind][0] * part.pdims[kind][1]


def indices(part):
    """All partition indices in enumeration order."""
    kinds = [list(itertools.product(range(h), range(w))) for h, w in part.pdims]
    return list(itertools.product(*kinds))


def row_major(part, pidx, kind):
    return pidx[kind][0] * part.pdims[kind][1] + pidx[kind][1]


def node(part, region, pidx):
    """Absolute coordinate of a partition index."""
    rel = [0, 0]
    for kind in part.order:
        for axis in range(2):
            rel[axis] = rel[axis] * part.pdims[kind][axis] + pidx[kind][axis]
    nodes = [tuple(coord) for coord in region.iter_node()]
    return nodes[rel[0] * region.dim.w + rel[1]]


def fmap_axes(part, frng, pidx):
    """Positions in b, n, h, w of the fmap part of an index."""
    extents = list(zip(*frng, strict=True))
    return (
        cut(extents[0], row_major(part, pidx, BATP), size(part, BATP)),
        cut(extents[1], row_major(part, pidx, OUTP), size(part, OUTP)),
        cut(extents[2], pidx[OFMP][0], part.pdims[OFMP][0]),
        cut(extents[3], pidx[OFMP][1], part.pdims[OFMP][1]),
    )


def ifmap_axes(layer, part, pidx, ofmap):
    """Positions in b, n, h, w that an index reads to produce its ofmap part."""
    batch, chans, rows, cols = ofmap
    if isinstance(layer, ConvLayer):
        read = set(cut((0, layer.nifm), row_major(part, pidx, INPP), size(part, INPP)))
        window = layer.hfil, layer.wfil
    elif isinstance(layer, EltwiseLayer):
        read = {k * layer.nofm + n for n in chans for k in range(layer.nreg)}
        window = 1, 1
    else:
        assert isinstance(layer, LocalRegionLayer)
        first = layer.nreg // 2
        read = {n - first + k for n in chans for k in range(layer.nreg)} & set(range(layer.nifm))
        window = layer.hreg, layer.wreg
    height = [range(y * layer.htrd, y * layer.htrd + window[0]) for y in rows]
    width = [range(x * layer.wtrd, x * layer.wtrd + window[1]) for x in cols]
    return (
        batch,
        sorted(read),
        range(height[0].start, height[-1].stop) if height else (),
        range(width[0].start, width[-1].stop) if width else (),
    )


def words(axes):
    return frozenset(itertools.product(*axes))


def hop(one, other):
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def holders(layout):
    """Map from every word of a layout to the node that holds it."""
    return {
        word: node(part, region, pidx)
        for frng, region, part in zip(*layout, strict=True)
        for pidx in indices(part)
        for word in words(fmap_axes(part, frng, pidx))
    }


def transfer(held, wanted, dest):
    return sum(hop(held[word], dest) for word in wanted if word in held)


def spread(have, lack):
    """Hops to give one word to all nodes, always to the closest from those that have it."""
    have, lack = set(have), set(lack)
    lack -= have
    total = 0
    while lack:
        far, nearest = min((min(hop(a, b) for a in have), b) for b in lack)
        total += far
        have.add(nearest)
        lack.remove(nearest)
    return total


def nhops_to(held, wanted, dests, forwarding):
    each = [transfer(held, wanted, dest) for dest in dests]
    if not forwarding:
        return sum(each)
    return min(each) + len(wanted & held.keys()) * spread(dests[:1], dests)


def groups(layer, batch, region, part):
    """Nodes that use the same filters, ifmap words and ofmap words."""
    full = ((0, 0, 0, 0), (batch, layer.nofm, layer.hofm, layer.wofm))
    fil, ifm, ofm = {}, {}, {}
    for pidx in indices(part):
        out_axes = fmap_axes(part, full, pidx)
        in_axes = ifmap_axes(layer, part, pidx, out_axes)
        out_words, in_words = words(out_axes), words(in_axes)
        if not out_words or not in_words:
            continue
        place = node(part, region, pidx)
        ifm.setdefault(in_words, []).append(place)
        ofm.setdefault(out_words, []).append(place)
        if isinstance(layer, ConvLayer):
            fil.setdefault((tuple(in_axes[1]), tuple(out_axes[1])), []).append(place)
    return fil, ifm, ofm


def unit_nhops(layer, batch, *, region, part, filter_nodes, ifmaps, ofmaps, forwarding):
    """Word-hops of FIL, IFM, OFM."""
    fil, ifm, ofm = groups(layer, batch, region, part)
    hops = [0, 0, 0]
    for (chan_in, chan_out), nodes in fil.items():
        count = len(chan_in) * len(chan_out) * layer.hfil * layer.wfil
        if forwarding:
            hops[0] += count * spread(filter_nodes, nodes)
        else:
            hops[0] += count * sum(min(hop(a, b) for a in filter_nodes) for b in nodes)
    held = holders(ifmaps)
    for wanted, nodes in ifm.items():
        hops[1] += nhops_to(held, wanted, nodes, forwarding)
    held = holders(ofmaps)
    for wanted, nodes in ofm.items():
        if forwarding:
            nearest = min(transfer(held, wanted, place) for place in nodes)
            hops[2] += -(-(nearest + nhops_to(held, wanted, nodes, forwarding)) // 2)
            continue
        middle = nodes[len(nodes) // 2]
        hops[2] += transfer(held, wanted, middle)
        hops[2] += sum(-(-len(wanted) * hop(place, middle) // 2) for place in nodes)
    return hops


def factorizations(value, count):
    if count == 1:
        return [(value,)]
    return [
        (first, *rest)
        for first in range(1, value + 1)
        if value % first == 0
        for rest in factorizations(value // first, count - 1)
    ]


def dividable(total, num):
    padded = -(-total // num) * num
    return total >= num and padded - total <= max(0.1 * padded, 1)


def partitions(layer, batch, dim_nodes, *, hybrid, batp, ifmaps, transpose_skip):
    """All schemes as (order, pdims), in generation order; optionally with the original's skip."""
    found = []
    for tall in factorizations(dim_nodes[0], 4):
        for wide in factorizations(dim_nodes[1], 4):
            pdims = tuple(zip(tall, wide, strict=True))
            area = [h * w for h, w in pdims]
            if (area[BATP] > 1 and not batp) or batch % area[BATP]:
                continue
            if any(
                1 < pdims[kind][0] < dim_nodes[0] and 1 < pdims[kind][1] < dim_nodes[1]
                for kind in (OUTP, BATP, INPP)
            ):
                continue
            if hybrid:
                tests = [
                    dividable(layer.nofm, area[OUTP]),
                    dividable(layer.hofm, pdims[OFMP][0]),
                    dividable(layer.wofm, pdims[OFMP][1]),
                    ifmaps or area[INPP] == 1,
                ]
                if isinstance(layer, ConvLayer):
                    tests.append(dividable(layer.nifm, area[INPP]))
                if isinstance(layer, LocalRegionLayer):
                    tests.append(area[INPP] == 1)
                if not all(tests):
                    continue
            elif area[INPP] != 1:
                continue
            elif layer.hofm == layer.wofm == 1:
                if area[OFMP] != 1:
                    continue
            elif area[OUTP] != 1:
                continue
            if (
                transpose_skip
                and area[OFMP] == 1
                and all(1 in dim for dim in pdims)
                and tall > wide
            ):
                continue
            found += [(order, pdims) for order in orders(pdims)]
    return found


def orders(pdims):
    trivial = [kind for kind in range(4) if pdims[kind] == (1, 1)]
    rest = [kind for kind in range(4) if pdims[kind] != (1, 1)]
    found = []
    for nested in itertools.permutations(rest):
        if BATP in rest and nested[0] != BATP:
            continue
        if any(
            pdims[above][1] == 1 and pdims[below][0] == 1 and above != BATP
            for above, below in itertools.pairwise(nested)
        ):
            continue
        found.append((*trivial, *nested))
    return found
