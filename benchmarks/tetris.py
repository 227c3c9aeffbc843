# SPDX-License-Identifier: BSD-3-Clause
"""Make the comparisons of the TETRIS publication (ASPLOS 2017) with this program.

Three questions of the publication, each answered by a table with one row per network:

* memory: one large node with ordinary 2-D memory against sixteen small ones under 3-D memory;
* bypass: the bypass ordering in closed form against the exhaustive search of loop blockings;
* partition: hybrid partitioning of layers over the nodes against one fixed (naive) way.

The tables are printed; with ``--write`` they also go into the page that explains them, and with
``--chart`` energy and speed-up are drawn::

    python benchmarks/tetris.py                                   # about 15 seconds
    python benchmarks/tetris.py --write docs/tetris.md --chart docs/tetris.svg

Nothing is asserted: figures that miss the publication's are printed as they are.
"""

import argparse
import dataclasses
import functools
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# The matrix products of a search are small: threads cost more at start than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compare_nn_dataflow import geometric_mean  # noqa: E402
from publication import (  # noqa: E402
    Panel,
    Table,
    add_inputs,
    add_outputs,
    amounts,
    check_outputs,
    draw,
    network_table,
    per_cent_above,
    relative,
    show,
    three_digits,
    two_digits,
)

from nn_dataflow.core import (  # noqa: E402
    Cost,
    MapStrategyEyeriss,
    NNDataflow,
    NodeRegion,
    Option,
    PhyDim2,
    Resource,
)
from nn_dataflow.nns import import_network  # noqa: E402

ALEX_NET = "alex_net"
NETWORKS = (ALEX_NET, "zfnet", "vgg_net", "vgg19_net", "resnet152")
WORD_BYTES = 2
PJ_PER_MJ = 1e9

CLAIM_ENERGY = 1 / 1.5  # abstract: 1.5 times less energy
CLAIM_SPEED = 4.1  # abstract: 4.1 times the performance
CLAIM_ALEX_ENERGY = 0.7  # the authors' test on figure 8: more than 30 % less energy


@dataclasses.dataclass(frozen=True)
class Machine:
    """Nodes, buffers in bytes, energies in pJ per operation, 16-bit word, word-hop and cycle."""

    nodes: tuple[int, int]
    array: tuple[int, int]
    gbuf: int
    regf: int
    cost: Cost
    memory_3d: bool  # at every node; otherwise at the four corners

    @property
    def num_pes(self) -> int:
        """PEs of all nodes."""
        return math.prod(self.nodes) * math.prod(self.array)

    def resource(self) -> Resource:
        """In the terms of the model; the bandwidth is unlimited, as in the authors' test."""
        origin, dim = PhyDim2(0, 0), PhyDim2(*self.nodes)
        if self.memory_3d:
            memory = NodeRegion(dim=dim, origin=origin, type=NodeRegion.DRAM)
        else:
            corners, dist = PhyDim2(2, 2), dim - PhyDim2(1, 1)
            memory = NodeRegion(dim=corners, origin=origin, dist=dist, type=NodeRegion.DRAM)
        return Resource(
            proc_region=NodeRegion(dim=dim, origin=origin, type=NodeRegion.PROC),
            dram_region=memory,
            src_data_region=memory,
            dst_data_region=memory,
            dim_array=PhyDim2(*self.array),
            size_gbuf=self.gbuf // WORD_BYTES,
            size_regf=self.regf // WORD_BYTES,
            array_bus_width=math.inf,
            dram_bandwidth=math.inf,
            no_time_mux=False,
        )


# One node has its memory beside it either way.
L_1 = Machine(
    nodes=(1, 1),
    array=(16, 16),
    gbuf=576056,
    regf=1024,
    cost=Cost(mac_op=2, mem_hier=(240, 28, 4, 1), noc_hop=0, idl_unit=320),
    memory_3d=True,
)
T_16 = Machine(
    nodes=(4, 4),
    array=(14, 14),
    gbuf=133032,
    regf=512,
    cost=Cost(mac_op=2, mem_hier=(80, 14, 4, 0.6), noc_hop=40, idl_unit=200),
    memory_3d=True,
)
# Not in the publication: only the memory differs from T-16, so it tells what the memory is worth.
FLAT_16 = dataclasses.replace(
    T_16, cost=T_16.cost._replace(mem_hier=(240, 14, 4, 0.6)), memory_3d=False
)
# The static energy of the authors' test as that of every node instead of all nodes.
T_16_STATIC = dataclasses.replace(T_16, cost=T_16.cost._replace(idl_unit=16 * 200))
PE_RATIO = T_16.num_pes / L_1.num_pes

NO_BYPASS = Option()
EXHAUSTIVE = Option(sw_gbuf_bypass=(True, True, True))
CLOSED_FORM = EXHAUSTIVE._replace(sw_solve_loopblocking=True)
HYBRID_EXHAUSTIVE = EXHAUSTIVE._replace(partition_hybrid=True)
HYBRID = CLOSED_FORM._replace(partition_hybrid=True)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The best schedule of a network: energy in mJ, time in million cycles."""

    energy: float
    time: float


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, ...]:
    """Of the values of each network.

    >>> ratios([1.0, 6.0], [2.0, 3.0])
    (0.5, 2.0)
    """
    return tuple(x / y for x, y in zip(numerators, denominators, strict=True))


@dataclasses.dataclass(frozen=True)
class Setup:
    """A machine and the software on it."""

    machine: Machine
    options: Option


# As in the authors' test: L-1 does not bypass its buffer, T-16 has all of the publication's
# software.
BASE = Setup(L_1, NO_BYPASS)
TETRIS = Setup(T_16, HYBRID)
NAIVE = Setup(T_16, CLOSED_FORM)
FLAT = Setup(FLAT_16, HYBRID)


class Comparison:
    """Energies and times of all networks on several setups; every search is done once.

    Parameters
    ----------
    networks : sequence of str
        Names in the network library.
    batch_size : int
        Batch size of all.
    """

    def __init__(self, networks: Sequence[str], batch_size: int) -> None:
        self.networks = tuple(networks)
        self.batch_size = batch_size
        self._best = functools.cache(self._search)

    def _search(self, name: str, setup: Setup) -> Outcome:
        machine = setup.machine
        search = NNDataflow(
            import_network(name),
            self.batch_size,
            machine.resource(),
            machine.cost,
            MapStrategyEyeriss,
        )
        schemes, _ = search.schedule_search(setup.options)
        if not schemes:
            raise RuntimeError(f"{name}: no valid dataflow; {search.failure}")
        return Outcome(schemes[0].total_cost / PJ_PER_MJ, schemes[0].total_time / 1e6)

    def energies(self, setup: Setup) -> tuple[float, ...]:
        """Energy of the best schedule of each network, in mJ."""
        return tuple(self._best(name, setup).energy for name in self.networks)

    def times(self, setup: Setup) -> tuple[float, ...]:
        """Time of the same schedules, in million cycles."""
        return tuple(self._best(name, setup).time for name in self.networks)

    def energy(self, setup: Setup, base: Setup) -> tuple[float, ...]:
        """Energy relative to that of another setup."""
        return ratios(self.energies(setup), self.energies(base))

    def time(self, setup: Setup, base: Setup) -> tuple[float, ...]:
        """Time relative to that of another setup."""
        return ratios(self.times(setup), self.times(base))

    def speedup(self, setup: Setup, base: Setup) -> tuple[float, ...]:
        """How many times faster than another setup."""
        return self.time(base, setup)


def memory_table(made: Comparison) -> Table:
    """One large node with 2-D memory against sixteen small ones, with 2-D and with 3-D memory."""
    speedup = made.speedup(TETRIS, BASE)
    per_pe = [value * L_1.num_pes / T_16.num_pes for value in speedup]
    columns = (
        amounts("L-1, mJ", made.energies(BASE)),
        amounts("2-D-16, mJ", made.energies(FLAT)),
        amounts("T-16, mJ", made.energies(TETRIS)),
        relative("2-D-16 / L-1", made.energy(FLAT, BASE)),
        relative("T-16 / L-1", made.energy(TETRIS, BASE)),
        relative("T-16 / 2-D-16", made.energy(TETRIS, FLAT)),
        relative("T-16 / L-1, static x16", made.energy(Setup(T_16_STATIC, HYBRID), BASE)),
        amounts("L-1, Mcycles", made.times(BASE)),
        amounts("T-16, Mcycles", made.times(TETRIS)),
        relative("speed-up", speedup, two_digits),
        relative("speed-up per PE", per_pe),
    )
    return network_table("memory", made.networks, columns)


def bypass_table(made: Comparison) -> Table:
    """Closed form against exhaustive search on both machines, and no bypass on L-1."""
    columns = [
        amounts("L-1 no bypass, mJ", made.energies(BASE)),
        relative(
            "no bypass, % above exhaustive",
            made.energy(BASE, Setup(L_1, EXHAUSTIVE)),
            per_cent_above,
        ),
    ]
    for name, solved, exhaustive in (
        ("L-1", Setup(L_1, CLOSED_FORM), Setup(L_1, EXHAUSTIVE)),
        ("T-16", TETRIS, Setup(T_16, HYBRID_EXHAUSTIVE)),
    ):
        distance = made.energy(solved, exhaustive)
        columns += [
            amounts(f"{name} exhaustive, mJ", made.energies(exhaustive)),
            amounts(f"{name} closed form, mJ", made.energies(solved)),
            relative(f"{name} closed form, % above", distance, per_cent_above),
        ]
    return network_table("bypass", made.networks, columns)


def partition_table(made: Comparison) -> Table:
    """Hybrid against naive partitioning on T-16, for least energy and for least energy x time."""
    hybrid, naive = (
        Setup(T_16, setup.options._replace(opt_goal="ed")) for setup in (TETRIS, NAIVE)
    )
    columns = (
        amounts("naive, mJ", made.energies(NAIVE)),
        amounts("hybrid, mJ", made.energies(TETRIS)),
        relative("energy, hybrid / naive", made.energy(TETRIS, NAIVE)),
        amounts("naive, Mcycles", made.times(NAIVE)),
        amounts("hybrid, Mcycles", made.times(TETRIS)),
        relative("time, hybrid / naive", made.time(TETRIS, NAIVE)),
        relative("energy, goal ed", made.energy(hybrid, naive)),
        relative("time, goal ed", made.time(hybrid, naive)),
    )
    return network_table("partition", made.networks, columns)


def claims_table(made: Comparison) -> Table:
    """What the publication claims, beside geometric means of the other tables."""
    energy, speedup = made.energy(TETRIS, BASE), made.speedup(TETRIS, BASE)
    distance = made.energy(Setup(L_1, CLOSED_FORM), Setup(L_1, EXHAUSTIVE))
    no_number = "better, no number"
    rows = [
        ("energy, T-16 / L-1", three_digits(CLAIM_ENERGY), three_digits(geometric_mean(energy))),
        ("speed-up, T-16 over L-1", two_digits(CLAIM_SPEED), two_digits(geometric_mean(speedup))),
    ]
    if ALEX_NET in made.networks:
        place = made.networks.index(ALEX_NET)
        rows += [
            (
                "alex_net: energy, T-16 / L-1",
                f"< {CLAIM_ALEX_ENERGY:g}",
                three_digits(energy[place]),
            ),
            ("alex_net: speed-up", f"about {PE_RATIO:g}", two_digits(speedup[place])),
        ]
    rows += [
        (
            "closed form, % above exhaustive (L-1)",
            "equal, no number",
            per_cent_above(geometric_mean(distance)),
        ),
        (
            "energy, hybrid / naive",
            no_number,
            three_digits(geometric_mean(made.energy(TETRIS, NAIVE))),
        ),
        ("time, hybrid / naive", no_number, three_digits(geometric_mean(made.time(TETRIS, NAIVE)))),
    ]
    return Table("claims", ("geometric mean unless said", "publication", "here"), tuple(rows))


TABLES: tuple[Callable[[Comparison], Table], ...] = (
    claims_table,
    memory_table,
    bypass_table,
    partition_table,
)


def panels(made: Comparison) -> tuple[Panel, Panel]:
    """Energy relative to L-1, and speed-up over it."""
    setups = (
        ("2-D-16, hybrid partitioning", FLAT),
        ("T-16, naive partitioning", NAIVE),
        ("T-16, hybrid partitioning", TETRIS),
    )
    return (
        Panel(
            "Energy relative to L-1",
            "energy / energy of L-1",
            tuple((label, made.energy(setup, BASE)) for label, setup in setups),
            (("publication: 1 / 1.5", CLAIM_ENERGY),),
        ),
        Panel(
            "Speed-up over L-1",
            "time of L-1 / time",
            tuple((label, made.speedup(setup, BASE)) for label, setup in setups),
            (("publication: 4.1", CLAIM_SPEED), (f"PEs: {PE_RATIO:g}", PE_RATIO)),
        ),
    )


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    add_inputs(parser, NETWORKS, 16)
    add_outputs(parser)
    args = parser.parse_args(argv)
    check_outputs(parser, args)
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    made = Comparison(args.nets, args.batch)
    if not show([make(made) for make in TABLES], args.write):
        return 2
    if args.chart:
        draw(args.chart, made.networks, panels(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
