# SPDX-License-Identifier: BSD-3-Clause
"""The original's program slot by slot: by enumeration, and as a linear program of binaries.

Written from docs/model/cosa_program.md sections 1 to 4 and independent of the compact form: a
factor is in a slot, the buffer has one slot (rank) per factor, and ranks say what is touched.
"""

import itertools
import math

import numpy as np

from nn_dataflow.cosa.highs_model import LinearProgram

DIMS = "RSPQCKN"
NAMES = ("Weights", "Inputs", "Outputs")
INDEXED = ("RSCK", "PQCN", "PQKN")
EPSILON = 1e-9


def primes_of(bound):
    primes = [p for p in range(2, bound + 1) if all(p % q for q in range(2, p))]
    found = [p for p in primes for n in range(1, 20) if bound % p**n == 0]
    return found or [1]


class Reference:
    """Constants of a layer on a machine.

    `spans` is a table of residency: whether tiles span the temporal loops of their memory.
    """

    def __init__(self, problem, machine, revision, spans=None):
        self.factors = [(d, p) for d in DIMS for p in primes_of(problem.dims[d])]
        self.stride = {"P": problem.stride[0], "Q": problem.stride[1]}
        self.revision, self.spans = revision, spans
        self.fanout = machine.fanouts
        levels = machine.levels
        self.buffer = len(levels) - 2
        self.kept = [[name in level.keeps for name in NAMES] for level in levels]
        self.share = []
        for m, level in enumerate(levels[:-1]):
            parts = [1.0 * kept for kept in self.kept[m]]
            if m == self.buffer and revision == "P":
                parts[2] *= 3
            self.share.append([level.entries * p / max(sum(parts), 1) or 1 for p in parts])
        inner = range(self.buffer)
        self.weights = [0.8 + 0.04 * m for m in inner]
        inputs = [m for m in inner if self.kept[m][1]][:1]
        weights = [m for m in inner if self.kept[m][0]][-1:]
        self.fill = [1.01 if m in weights else 1 for m in inner] + [0]
        self.halo_at = inputs if revision == "P" else [m for m in inner if m not in inputs]

    def bits(self, f, v):
        dim, prime = self.factors[f]
        if dim not in INDEXED[v]:
            return 0.0
        return math.log2(prime * (self.stride.get(dim, 1) if v == 1 else 1))

    def resident(self, m, v, j, kind):
        if not self.kept[m][v] or j > m:
            return False
        return j < m or kind == 0 or self.spans is None or bool(self.spans[m][v])

    # Enumeration.

    def places(self, f, ranks):
        """(slot, kind) that may matter: units only where windows or strides see them."""
        dim, prime = self.factors[f]
        dram = (self.buffer + ranks, 1)
        if prime == 1:
            return [(m, 1) for m in range(self.buffer) if dim in "RSPQ"] + [dram]
        chip = [(m, 1) for m in range(self.buffer + ranks)]
        spatial = [(s, 0) for s, _ in chip if self.fanout[min(s, self.buffer)] >= prime]
        return [*chip, *spatial, dram]

    def size(self):
        ranks = sum(p > 1 for _, p in self.factors)
        return math.prod(len(self.places(f, ranks)) for f in range(len(self.factors)))

    def optimum(self, *, chooses=False):
        """Least total over all assignments; `chooses` residency boundaries as well."""
        ranks = sum(p > 1 for _, p in self.factors)
        choices = [self.places(f, ranks) for f in range(len(self.factors))]
        shape = [len(c) for c in choices]
        index = np.indices(shape).reshape(len(shape), -1)
        pairs = [np.array(c)[i] for c, i in zip(choices, index, strict=True)]
        slot, kind = (np.array([p[:, i] for p in pairs]) for i in (0, 1))
        total, _, _, _, fits = self.evaluate(slot, kind, ranks, chooses)
        return total[fits].min()

    def evaluate(self, slot, kind, ranks, chooses=False):
        """Terms and validity of assignments, given as (factors, n)."""
        primes = np.array([p for _, p in self.factors])[:, None]
        b = np.log2(primes)
        buf, dram = self.buffer, self.buffer + ranks
        memory = np.minimum(slot, buf) + (slot == dram)
        temporal, chip = kind == 1, slot < dram
        fits = np.ones(slot.shape[1], bool)
        for m in range(buf + 1):
            unrolled = np.where((memory == m) & ~temporal, primes, 1).prod(0)
            fits &= unrolled <= self.fanout[m]
        for s in range(buf, dram):
            fits &= (slot == s).sum(0) <= 1
        halo = self.halo(slot, chip)
        util = 0.0
        traffic = 0.0
        for v in range(3):
            rel = np.array([d in INDEXED[v] for d, _ in self.factors])[:, None]
            add = np.array([self.bits(f, v) for f in range(len(self.factors))])[:, None]
            below = memory < buf
            weight = np.array([*self.weights, 0, 0])[memory]
            traffic = traffic + 0.99 * (weight * rel * b * below).sum(0)
            traffic = traffic + 0.99 * (b * ((memory == buf) & ~temporal)).sum(0)
            traffic = traffic + (1.01 if v == 0 else 1) * (b * ((slot == dram) & temporal)).sum(0)
            for m in range(buf + 1):
                used = 0.0
                for j, k in itertools.product(range(m + 1), (0, 1)):
                    if self.resident(m, v, j, k):
                        used = used + (add * ((memory == j) & (kind == k))).sum(0)
                if v == 1 and m in self.halo_at:
                    used = used + halo
                util = util + self.fill[m] * used
                limit = math.log2(self.share[m][v]) + EPSILON
                if m < buf or not (chooses and self.kept[m][v]):
                    fits &= used <= limit
            at_rank = [(slot == s) & temporal for s in range(buf, dram)]
            moved, y = 0.0, np.zeros(slot.shape[1], bool)
            for here in at_rank:
                y = y | (here & rel).any(0)
                moved = moved + y * (b * here).sum(0)
            if chooses and self.kept[buf][v]:
                moved = moved + self.exchange(v, used, limit, at_rank, add, b)
            traffic = traffic + moved
        compute = (b * temporal).sum(0)
        total = -0.1 * util + 10 * compute + traffic
        return total, util, compute, traffic, fits & np.isfinite(total)

    def exchange(self, v, used, limit, at_rank, add, b):
        """Least cost of a boundary at which the tile fits; dimensions are on one side of it."""
        best = np.full(np.shape(used), np.inf)
        of_dim = [np.array([d == e for e, _ in self.factors])[:, None] for d in DIMS]
        for boundary in range(len(at_rank) + 1):
            out = np.zeros(at_rank[0].shape, bool) if at_rank else np.zeros(b.shape, bool)
            into = out.copy()
            for r, here in enumerate(at_rank):
                (out if r >= boundary else into)[:] |= here
            ok = used - (add * out).sum(0) <= limit
            for dim in of_dim:
                ok &= ~((dim & out).any(0) & (dim & into).any(0))
            cost = (1.01 if v == 0 else 1) * (b * out).sum(0)
            best = np.where(ok, np.minimum(best, cost), best)
        return best

    def halo(self, slot, chip):
        halo = 0.0
        for window, plane in ("RP", "SQ"):
            of_plane = np.array([d == plane for d, _ in self.factors])[:, None]
            z = (of_plane & (slot < self.buffer)).any(0)
            for f, (dim, prime) in enumerate(self.factors):
                if dim == window:
                    halo = halo + chip[f] * np.where(z, 1.0, math.log2(prime))
        return halo

    # Linear program of binaries, with all ranks, for machines whose halo memories hold a word.

    def direct(self):
        """Answer of the linear form, slot by slot."""
        num, buf = len(self.factors), self.buffer
        dram = buf + num
        lp = LinearProgram()
        b = [math.log2(p) for _, p in self.factors]
        x = lp.add_columns(np.zeros(num * (dram + 1) * 2), 1).reshape(num, dram + 1, 2)
        cost = {}
        for f, (dim, prime) in enumerate(self.factors):
            lp.add_row(x[f].ravel(), 1, lower=1, upper=1)
            lp.add_row(x[f, dram, 0], 1, upper=0)
            for s, k in itertools.product(range(dram + 1), (0, 1)):
                m = min(s, buf) + (s == dram)
                c = 10 * b[f] * k
                if m < buf:
                    tensors = sum(dim in names for names in INDEXED)
                    c += 0.99 * self.weights[m] * b[f] * tensors
                elif m == buf:
                    c += b[f] * (0.99 * 3 if k == 0 else sum(dim in names for names in INDEXED))
                else:
                    c += 3.01 * b[f]
                for at, v in itertools.product(range(buf + 1), range(3)):
                    if m <= buf and self.resident(at, v, m, k):
                        c -= 0.1 * self.fill[at] * self.bits(f, v)
                cost[f, s, k] = c
            if self.revision == "H" and dim in "RS" and prime > 1:
                lp.add_row(x[f, :dram].ravel(), 1, upper=0)
        for (f, s, k), c in cost.items():
            lp.add_cost(x[f, s, k], c)
        for m in range(buf + 1):
            slots = [m] if m < buf else range(buf, dram)
            columns = [x[f, s, 0] for s in slots for f in range(num)]
            lp.add_row(columns, b * len(slots), upper=math.log2(self.fanout[m]))
        for s in range(buf, dram):
            lp.add_row(x[:, s].ravel(), 1, upper=1)
        for v in range(3):
            self.add_touched(lp, x, b, v)
        self.add_room(lp, x, self.add_windows(lp, x, b))
        return lp.solve()

    def add_touched(self, lp, x, b, v):
        """y: touched at a rank or below it; t: what irrelevant loops pay once it is."""
        relevant = [f for f, (d, _) in enumerate(self.factors) if d in INDEXED[v]]
        others = [f for f in range(len(self.factors)) if f not in relevant]
        big = max([b[f] for f in others], default=0)
        before = None
        for s in range(self.buffer, self.buffer + len(self.factors)):
            y = lp.add_columns(0, 1)[0]
            lp.add_row([y, *x[relevant, s, 1]], [1, *[-1] * len(relevant)], lower=0)
            if before is not None:
                lp.add_row([y, before], [1, -1], lower=0)
            before = y
            t = lp.add_columns(1, math.inf, integer=False)[0]
            paid = [-b[f] for f in others]
            lp.add_row([t, y, *x[others, s, 1]], [1, -big, *paid], lower=-big)

    def add_windows(self, lp, x, b):
        """Columns and weights of the halo."""
        dram = self.buffer + len(self.factors)
        columns, weights = [], []
        reward = -0.1 * sum(self.fill[m] for m in self.halo_at)
        for window, plane in ("RP", "SQ"):
            z = lp.add_columns(0, 1)[0]
            planes = [f for f, (d, _) in enumerate(self.factors) if d == plane]
            inner = x[planes, : self.buffer].ravel()
            for column in inner:
                lp.add_row([z, column], [1, -1], lower=0)
            lp.add_row([z, *inner], [1, *[-1] * len(inner)], upper=0)
            for f in [f for f, (d, _) in enumerate(self.factors) if d == window]:
                chip = x[f, :dram].ravel()
                minus = [-1] * len(chip)
                if self.revision == "H":
                    lp.add_row([z, *chip], [1, *[1] * len(chip)], upper=1)
                    continue
                u = lp.add_columns(reward * (1 - b[f]), 1)[0]
                lp.add_row([u, z], [1, -1], upper=0)
                lp.add_row([u, *chip], [1, *minus], upper=0)
                lp.add_row([u, z, *chip], [1, -1, *minus], lower=-1)
                for column in chip:
                    lp.add_cost(column, reward * b[f])
                columns += [*chip, u]
                weights += [*[b[f]] * len(chip), 1 - b[f]]
        return columns, weights

    def add_room(self, lp, x, halo):
        """Capacities; columns may come twice, which the row adds up."""
        dram = self.buffer + len(self.factors)
        for m, v in itertools.product(range(self.buffer + 1), range(3)):
            total = {}
            for f in range(len(self.factors)):
                for s, k in itertools.product(range(dram), (0, 1)):
                    if self.resident(m, v, min(s, self.buffer), k):
                        total[x[f, s, k]] = total.get(x[f, s, k], 0) + self.bits(f, v)
            if v == 1 and m in self.halo_at and self.revision == "P":
                for column, weight in zip(*halo, strict=True):
                    total[column] = total.get(column, 0) + weight
            if total:
                upper = math.log2(self.share[m][v])
                lp.add_row(list(total), list(total.values()), upper=upper)
