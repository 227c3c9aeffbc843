# SPDX-License-Identifier: BSD-3-Clause
"""Slow and literal evaluator of one mapping: sets of coordinates, visits and children one by one.

The oracle of the array evaluator, written from docs/model/cosa.md section 8 and independent of the
modules under test but for the classes that hold a problem, a machine and a mapping. A tile is the
set of the coordinates that its loops reach, a delivery is a difference of two sets, and children
are grouped by equal sets. Only for tiny problems.
"""

import itertools
import math
from collections import Counter
from fractions import Fraction

DIMS = "RSPQCKN"
WEIGHTS, INPUTS, OUTPUTS = TENSORS = ("Weights", "Inputs", "Outputs")


class Loop:
    """A loop of bound 2 or more, and its place among the loops of its memory and kind."""

    def __init__(self, memory, is_spatial, number, dim, bound, step):
        self.memory, self.is_spatial, self.number = memory, is_spatial, number
        self.dim, self.bound, self.step = dim, bound, step


def all_loops(mapping):
    """Loops, innermost first, each with the product of the inner bounds of its dimension."""
    steps = dict.fromkeys(DIMS, 1)
    found = []
    for memory, (_, *kinds) in enumerate(mapping.levels):
        for is_spatial, loops in zip((True, False), kinds, strict=True):
            for number, (dim, bound) in enumerate(loops):
                found.append(Loop(memory, is_spatial, number, dim, bound, steps[dim]))
                steps[dim] *= bound
    return found


class Reference:
    """One mapping; results are in `counts`, `cycles`, `energy`, `valid`, `transfers`."""

    def __init__(self, problem, machine, mapping):
        self.problem, self.machine, self.mapping = problem, machine, mapping
        self.loops = all_loops(mapping)
        self.num = len(mapping.levels)
        self.fanout = [
            self.product(lambda l, m=m: l.is_spatial and l.memory == m) for m in range(self.num)
        ]
        self.used = [math.prod(self.fanout[m:]) for m in range(self.num + 1)]
        self.compute = self.product(lambda l: not l.is_spatial)
        self.transfers = {}
        self.counts = {}
        for tensor in TENSORS:
            self.count(tensor)
        self.valid = self.check()
        self.cycles = self.slowed()
        self.energy = self.spent()

    def product(self, wanted):
        return math.prod(l.bound for l in self.loops if wanted(l))

    # Tiles.

    def is_inside(self, loop, tensor, memory):
        """Whether a loop is part of the tile of a tensor at a memory."""
        if loop.memory != memory or loop.is_spatial or self.mapping.residency is None:
            return loop.memory <= memory
        return loop.number < self.mapping.residency[memory][TENSORS.index(tensor)]

    def coordinate(self, tensor, point):
        """Coordinate of the word that a point of the seven loops uses."""
        r, s, p, q, c, k, n = (point[dim] for dim in DIMS)
        (sw, sh), (dw, dh) = self.problem.stride, self.problem.dilation
        if tensor == WEIGHTS:
            return (c, k, r, s)
        if tensor == OUTPUTS:
            return (n, k, p, q)
        return (n, c, p * sw + r * dw, q * sh + s * dh)

    def box(self, tensor, loops):
        """Smallest box around all words that the loops reach."""
        points = []
        for index in itertools.product(*(range(l.bound) for l in loops)):
            point = dict.fromkeys(DIMS, 0)
            for loop, i in zip(loops, index, strict=True):
                point[loop.dim] += i * loop.step
            points.append(self.coordinate(tensor, point))
        axes = zip(*points, strict=True)
        return set(itertools.product(*(range(min(axis), max(axis) + 1) for axis in axes)))

    def tile(self, tensor, memory):
        return self.box(tensor, [l for l in self.loops if self.is_inside(l, tensor, memory)])

    def motion(self, tensor, loop):
        point = dict.fromkeys(DIMS, 0)
        point[loop.dim] = loop.step
        return self.coordinate(tensor, point)

    # One boundary.

    def deliveries(self, tensor, parent):
        """Counter of (set, previous set, motion since then) over all visits of a child.

        The iterations 0 and 1 of every loop stand for all: when a loop advances, the inner ones
        return by one step. The set is that of a child at the origin.
        """
        child = parent - 1
        tile = self.tile(tensor, child)
        outer = [l for l in self.loops if not l.is_spatial and not self.is_inside(l, tensor, child)]
        motions = [self.motion(tensor, l) for l in outer]
        jumps = []
        for number, motion in enumerate(motions):
            back = [sum(axis) for axis in zip(*motions[:number], strict=True)] or [0] * 4
            jumps.append(tuple(a - b for a, b in zip(motion, back, strict=True)))

        def delivered(number):
            if number is None or jumps[number] != jumps[0]:
                return frozenset(tile)
            return frozenset(tile - shifted(tile, [-a for a in jumps[0]]))

        visits = Counter()
        before = None  # kind of the visit before: None is the first one
        walk = itertools.product(*(range(l.bound) for l in reversed(outer)))
        for index in walk:
            if not any(index):
                visits[delivered(None), None, None] += 1
                before = None
                continue
            # The innermost loop that is not back at its start has advanced.
            kind = next(j for j, i in enumerate(reversed(index)) if i)
            # Innermost visits of one round all follow what began the round.
            if kind == 0:
                previous = delivered(before)
            else:
                previous = delivered(0)
                before = kind
            visits[delivered(kind), previous, jumps[kind]] += 1
        return visits

    def children(self, tensor, parent):
        """Offsets of the children of one instance, in their row."""
        spatial = [l for l in self.loops if l.is_spatial and l.memory == parent]
        motions = [self.motion(tensor, l) for l in spatial]
        offsets = []
        for index in itertools.product(*(range(l.bound) for l in reversed(spatial))):
            steps = zip(reversed(index), motions, strict=True)
            parts = [[i * axis for axis in motion] for i, motion in steps]
            offsets.append(tuple(map(sum, zip([0] * 4, *parts, strict=True))))
        return offsets

    def boundary(self, tensor, parent):
        """Accesses of the parent, words that children receive, words from neighbours."""
        accesses = words = passed = 0
        offsets = self.children(tensor, parent)
        for (now, before, jump), times in self.deliveries(tensor, parent).items():
            if not now:
                continue
            sets = [shifted(now, offset) for offset in offsets]
            groups = {frozenset(each) for each in sets}
            served = len(sets)
            if before:
                behind = [
                    shifted(before, [a - b for a, b in zip(o, jump, strict=True)]) for o in offsets
                ]
                left = [
                    each
                    for i, each in enumerate(sets)
                    if not any(0 <= j < len(sets) and behind[j] == each for j in (i - 1, i + 1))
                ]
                fewer = {frozenset(each) for each in left}
                if len(fewer) < len(groups):
                    passed += times * len(now) * (served - len(left))
                    groups, served = fewer, len(left)
            accesses += times * len(now) * len(groups)
            words += times * len(now) * served
        return accesses, words, passed

    # All boundaries.

    def count(self, tensor):
        last = self.num - 1
        at_units = {frozenset(shifted(self.box(tensor, []), o)) for o in self.children(tensor, 0)}
        a = [self.compute * len(at_units)]
        w, passed = [self.compute * self.fanout[0]], [0]
        for parent in range(1, self.num):
            accesses, words, neighbours = self.boundary(tensor, parent)
            a.append(Fraction(accesses))
            w.append(Fraction(words))
            passed.append(neighbours)
        share = [w[m + 1] / self.fanout[m + 1] for m in range(last)] + [0]
        part = [0] * self.num
        part[last] = len(self.tile(tensor, last))
        for m in reversed(range(last)):
            inside = [l for l in self.loops if self.is_inside(l, tensor, m)]
            fans = [l for l in self.loops if l.is_spatial and l.memory == m + 1]
            part[m] = part[m + 1] * len(self.tile(tensor, m)) // self.span(tensor, inside + fans)
        for m in range(self.num):
            keeps = (
                self.machine.levels[m].keeps
                if self.mapping.keeps is None
                else self.mapping.keeps[m]
            )
            if tensor not in keeps:
                ratio = a[m] * self.fanout[m + 1] / w[m + 1]
                a[m + 1] *= ratio
                w[m + 1] *= ratio
                passed[m + 1] = 0
                continue
            above = passed[m + 1] if m < last else 0
            if above:
                self.transfers[self.machine.names[m], tensor] = above
            peer = Fraction(above, self.used[m + 1])
            is_output = tensor == OUTPUTS
            self.counts[self.machine.names[m], tensor] = {
                "tile_size": len(self.tile(tensor, m)),
                "partition_size": part[m],
                "instances": self.used[m + 1],
                "reads": int(a[m] + peer - (part[m] if is_output else 0)),
                "updates": int(a[m]) if is_output else 0,
                "fills": int(share[m] + peer) if m < last else 0,
            }

    def span(self, tensor, loops):
        """Size of the box of as many steps of each dimension as the loops have together."""
        extent = dict.fromkeys(DIMS, 1)
        for loop in loops:
            extent[loop.dim] *= loop.bound
        far = self.coordinate(tensor, {dim: extent[dim] - 1 for dim in DIMS})
        return math.prod(axis + 1 for axis in far)

    # What it costs.

    def check(self):
        for m, level in enumerate(self.machine.levels):
            if self.fanout[m] > self.machine.fanouts[m]:
                return False
            held = sum(c["tile_size"] for (name, _), c in self.counts.items() if name == level.name)
            if level.entries is not None and held > level.entries:
                return False
        return all(
            self.product(lambda l, dim=dim: l.dim == dim) == bound
            for dim, bound in self.problem.dims.items()
        )

    def slowed(self):
        """Cycles; their rounding shows, so each tensor is divided first, as the model says."""
        speed = 1.0
        for level in self.machine.levels:
            rows = [self.counts[level.name, t] for t in TENSORS if (level.name, t) in self.counts]
            read = sum(c["reads"] / self.compute for c in rows)
            written = sum((c["updates"] + c["fills"]) / self.compute for c in rows)
            if level.read_bandwidth and read:
                speed = min(speed, level.read_bandwidth / read)
            if level.write_bandwidth and written:
                speed = min(speed, level.write_bandwidth / written)
        return math.ceil(self.compute / speed)

    def spent(self):
        energy = self.problem.macs * (self.machine.mac_bits / 16) ** 2
        for level in self.machine.levels:
            row = level.word_bits * level.block_size * level.cluster_size
            access = 200 * row / 16
            if level.entries is not None and not level.is_dram:
                depth = -(-level.entries // level.block_size)
                access = (5 / 99.5 * (row * depth / 8192 - 0.5) + 1) * row / 16 / level.cluster_size
            for (name, _), c in self.counts.items():
                if name == level.name:
                    blocks = sum(
                        -(-c[k] // level.block_size) for k in ("reads", "updates", "fills")
                    )
                    clusters = min(c["instances"], level.instances / level.cluster_size)
                    energy += blocks * access * clusters
        return energy


def shifted(points, by):
    return {tuple(a + b for a, b in zip(point, by, strict=True)) for point in points}
