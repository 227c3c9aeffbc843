# SPDX-License-Identifier: BSD-3-Clause
"""Reproduction of published figures by searches of whole networks.

Decides that what the search finds agrees with the papers, as far as the model means the same
(docs/model/search.md sections 3 and 4):

* Y.-H. Chen, J. Emer, V. Sze, "Eyeriss: a spatial architecture for energy-efficient dataflow for
  convolutional neural networks", ISCA 2016, figure 10;
* Y.-H. Chen, T. Krishna, J. Emer, V. Sze, "Eyeriss: an energy-efficient reconfigurable accelerator
  for deep convolutional neural networks", ISSCC 2016 and JSSC 52(1) 2017, tables III, V and VI;
* M. Gao, J. Pu, X. Yang, M. Horowitz, C. Kozyrakis, "TETRIS: scalable and efficient neural network
  acceleration with 3D memory", ASPLOS 2017, figure 8.

AlexNet's convolutions 1 to 5 are two groups in the papers and two layers, a and b, here; their
figures are summed. MACs and parameters of the networks are in `nns/test_nns.py`, the chip's
mapping of AlexNet in `core/test_map_strategy_eyeriss.py`.
"""

import functools
import math

import pytest

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.nns import import_network

NO_BYPASS = (False, False, False)
ALL_BYPASS = (True, True, True)
ALEX_LAYERS = {f"CONV{k}": (f"conv{k}_a", f"conv{k}_b") for k in range(1, 6)}
ALEX_LAYERS |= {f"FC{k}": (f"fc{k}",) for k in range(1, 4)}
CONVS = [name for name in ALEX_LAYERS if name.startswith("CONV")]


def machine(nodes, array, size_gbuf, size_regf):
    """Nodes with memory next to each, and unlimited bandwidth; sizes in words."""
    origin = PhyDim2(0, 0)
    dim = PhyDim2(*nodes)
    memory = NodeRegion(dim=dim, origin=origin, type=NodeRegion.DRAM)
    return Resource(
        proc_region=NodeRegion(dim=dim, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*array),
        size_gbuf=size_gbuf,
        size_regf=size_regf,
        array_bus_width=math.inf,
        dram_bandwidth=math.inf,
        no_time_mux=False,
    )


def search(name, batch_size, resource, cost, options):
    network = import_network(name)
    searcher = NNDataflow(network, batch_size, resource, cost, MapStrategyEyeriss)
    (best, *_), _ = searcher.schedule_search(options)
    return best


def within(value, reference, rel=0.0, absolute=0.0):
    return abs(value - reference) <= rel * abs(reference) + absolute


def share_of_convs(energy):
    return sum(energy[layer] for layer in CONVS) / sum(energy.values())


# ISCA 2016, figure 10: 256 PEs, 512-byte register files, 128-kB buffer, AlexNet, batch 16.

# Energies of one MAC: layer, ALU, DRAM, register file, all; DRAM and register file that the
# program reproduced here tests itself; range of d of the register file law.
FIG10_READING = 0.005
FIG10 = {
    "CONV1": (1.686, 2.191, 6.440, 10.843, 2.456, 6.747, (11, 11)),
    "CONV2": (3.583, 2.223, 14.124, 20.805, 2.270, 14.333, (34, 35)),
    "CONV3": (2.393, 1.836, 9.339, 14.335, 2.021, 9.569, (21, 21)),
    "CONV4": (1.794, 1.568, 7.027, 10.928, 1.568, 7.177, (24, 24)),
    "CONV5": (1.196, 1.046, 4.684, 7.296, 1.045, 4.785, (24, 24)),
    "FC1": (0.604, 7.622, 2.314, 10.824, 7.799, 2.416, (12, 12)),
    "FC2": (0.269, 3.394, 1.040, 4.826, 3.395, 1.074, (16, 16)),
    "FC3": (0.066, 0.836, 0.253, 1.184, 0.836, 0.262, (12, 16)),
}
FIG10_DRAM_TOLERANCE = {
    "CONV1": 0.12,
    "CONV2": 0.03,
    "CONV3": 0.12,
    "CONV4": 0.01,
    "CONV5": 0.01,
    "FC1": 0.03,
    "FC2": 0.01,
    "FC3": 0.01,
}


class TestEyerissISCA16:
    """Energy per layer and level, in 1e9 MAC energies; no bypass of the buffer."""

    COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=0, idl_unit=0)

    @classmethod
    @functools.cache
    def energies(cls):
        """Energy of every layer of the figure: (ALU, DRAM, buffer, array, register file)."""
        resource = machine((1, 1), (16, 16), 128 * 1024 // 2, 512 // 2)
        best = search("alex_net", 16, resource, cls.COST, Option(sw_gbuf_bypass=NO_BYPASS))
        table = {}
        for layer, names in ALEX_LAYERS.items():
            results = [best[name] for name in names]
            columns = [sum(result.total_ops for result in results) * cls.COST.mac_op]
            for level, energy in enumerate(cls.COST.mem_hier):
                columns.append(energy * sum(result.total_accesses[level] for result in results))
            assert math.isclose(sum(columns), sum(result.total_cost for result in results))
            table[layer] = [column / 1e9 for column in columns]
        return table

    @pytest.mark.parametrize("layer", FIG10)
    def test_alu(self, layer):
        assert within(self.energies()[layer][0], FIG10[layer][0], absolute=FIG10_READING)

    @pytest.mark.parametrize("layer", FIG10)
    def test_dram(self, layer):
        """The figure's own error of reading is added to the tolerance."""
        ours, figure = self.energies()[layer][1], FIG10[layer][1]
        assert within(ours, figure, FIG10_DRAM_TOLERANCE[layer], FIG10_READING)

    @pytest.mark.parametrize("layer", FIG10)
    def test_register_file(self, layer):
        """4 accesses per MAC here; 4 − 2/d in the figure, where the first of d sums is not read.

        So the column here, corrected by that law, is the figure's.
        """
        macs, _, _, _, ours = self.energies()[layer]
        figure, (low, high) = FIG10[layer][2], FIG10[layer][6]
        assert math.isclose(ours, 4 * macs, rel_tol=1e-9)
        assert figure < ours
        assert figure >= ours * (1 - 0.5 / low) * (1 - 0.005)
        assert figure <= ours * (1 - 0.5 / high) * (1 + 0.005)

    @pytest.mark.parametrize("layer", CONVS)
    def test_register_file_accesses_per_mac_of_the_figure(self, layer):
        """The figure's accesses on the MACs found here, within its error of reading."""
        macs = self.energies()[layer][0]
        per_mac, error = FIG10[layer][2] / macs, FIG10_READING / macs
        assert 3.82 - error <= per_mac <= 3.945 + error

    def test_share_of_convolutions(self):
        """79 to 80 % if buffer and array, which the paper accounts otherwise, are the figure's."""
        energy = {}
        for layer, (alu, dram, _, _, regf) in self.energies().items():
            figure_alu, figure_dram, figure_regf, figure_all, *_ = FIG10[layer]
            buffer_and_array = figure_all - figure_alu - figure_dram - figure_regf
            energy[layer] = alu + dram + regf + buffer_and_array
        assert 0.79 <= share_of_convs(energy) <= 0.80
        whole = {layer: sum(columns) for layer, columns in self.energies().items()}
        figure = {layer: row[3] for layer, row in FIG10.items()}
        assert share_of_convs(whole) == pytest.approx(share_of_convs(figure), abs=0.01)

    @pytest.mark.parametrize("layer", FIG10)
    def test_values_of_the_reproduced_program(self, layer):
        _, dram, _, _, regf = self.energies()[layer]
        assert within(dram, FIG10[layer][4], absolute=0.1)
        assert within(regf, FIG10[layer][5], absolute=0.1)

    def test_bypass_saves_dram_energy(self):
        """A schedule below the figure is a better one: with bypass there is one in all."""
        resource = machine((1, 1), (16, 16), 128 * 1024 // 2, 512 // 2)
        best = search("alex_net", 16, resource, self.COST, Option(sw_gbuf_bypass=ALL_BYPASS))
        dram = 200e-9 * sum(
            best[n].total_accesses[0] for names in ALEX_LAYERS.values() for n in names
        )
        assert dram < sum(row[1] for row in FIG10.values())
        assert dram < sum(columns[1] for columns in self.energies().values())


# ISSCC 2016 figure 14.5.6 and JSSC 2017: the chip at 200 MHz, 12 × 14 PEs, 108-kB buffer, 261
# words per PE.

CLOCK_MHZ = 200
CHIP = machine((1, 1), (12, 14), 108 * 1024 // 2, 261)
# Energies in pJ per operation, per 16-bit word and per cycle (30 mW).
CHIP_COST = Cost(mac_op=2, mem_hier=(460, 15, 4, 1), noc_hop=0, idl_unit=30e3 / CLOCK_MHZ)

# AlexNet, batch 4: power (mW), processing latency (ms), MACs (M), busy PEs, filter words (k),
# DRAM traffic not compressed (MB). Of the 154 PEs occupied in CONV1, the last strip leaves 2.75.
CHIP_ALEX = {
    "CONV1": (332, 16.5, 421.6, 151.25, 34.8, 6.05),
    "CONV2": (288, 39.2, 895.7, 135, 307.2, 5.45),
    "CONV3": (266, 21.8, 598.1, 156, 884.7, 5.1),
    "CONV4": (235, 16.0, 448.6, 156, 663.6, 3.95),
    "CONV5": (236, 10.0, 299.0, 156, 442.4, 2.6),
}
# VGG-16, batch 3: processing latency (ms) of layers 4-1 to 5-3; the chip is far slower before them.
CHIP_VGG_MS = {
    "conv8": 105.1,
    "conv9": 210.0,
    "conv10": 210.0,
    "conv11": 48.3,
    "conv12": 48.5,
    "conv13": 48.5,
}


@pytest.mark.parametrize("layer", CHIP_ALEX)
class TestEyerissChip:
    """AlexNet on the chip's model, without bypass."""

    @staticmethod
    @functools.cache
    def best():
        return search("alex_net", 4, CHIP, CHIP_COST, Option(sw_gbuf_bypass=NO_BYPASS))

    def results(self, layer):
        return [self.best()[name] for name in ALEX_LAYERS[layer]]

    def cycles(self, layer):
        return sum(result.total_proc_time for result in self.results(layer))

    def test_macs(self, layer):
        macs = sum(result.total_ops for result in self.results(layer))
        assert within(macs / 1e6, CHIP_ALEX[layer][2], absolute=0.1)

    def test_filter_words(self, layer):
        network = import_network("alex_net")
        words = sum(network[name].total_filter_size() for name in ALEX_LAYERS[layer])
        assert within(words / 1e3, CHIP_ALEX[layer][4], absolute=0.1)

    def test_busy_pes(self, layer):
        for name in ALEX_LAYERS[layer]:
            assert self.best().active_node_pes(self.best()[name]) == pytest.approx(
                CHIP_ALEX[layer][3], rel=1e-9
            )

    def test_processing_latency(self, layer):
        ratio = self.cycles(layer) / CLOCK_MHZ / 1e3 / CHIP_ALEX[layer][1]
        assert 0.80 <= ratio <= 1.00

    def test_power_without_dram(self, layer):
        energy = sum(
            result.total_cost - CHIP_COST.mem_hier[0] * result.total_accesses[0]
            for result in self.results(layer)
        )
        milliwatts = energy / self.cycles(layer) * CLOCK_MHZ / 1e3
        assert 0.6 <= milliwatts / CHIP_ALEX[layer][0] <= 1.0

    def test_dram_traffic(self, layer):
        megabytes = 2e-6 * sum(result.total_accesses[0] for result in self.results(layer))
        assert within(megabytes, CHIP_ALEX[layer][5], rel=0.05)


def test_vgg_on_the_chip():
    best = search("vgg_net", 3, CHIP, CHIP_COST, Option(sw_gbuf_bypass=NO_BYPASS))
    convs = [name for name in best if name.startswith("conv")]
    assert sum(best[name].total_ops for name in convs) == pytest.approx(3 * 15_346_630_656)
    for name, published in CHIP_VGG_MS.items():
        milliseconds = best[name].total_proc_time / CLOCK_MHZ / 1e3
        assert 0.75 <= milliseconds / published <= 1.0, name


# ASPLOS 2017, figure 8: 3D memory with 16 small engines against one engine with ordinary DRAM.

L_1 = machine((1, 1), (16, 16), 576056 // 2, 1024 // 2)
T_16 = machine((4, 4), (14, 14), 133032 // 2, 512 // 2)
L_1_COST = Cost(mac_op=2, mem_hier=(240, 28, 4, 1), noc_hop=0, idl_unit=320)
T_16_COST = Cost(mac_op=2, mem_hier=(80, 14, 4, 0.6), noc_hop=40, idl_unit=200)
T_16_OPTIONS = Option(sw_gbuf_bypass=ALL_BYPASS, sw_solve_loopblocking=True, partition_hybrid=True)


class TestTetris:
    # 200 pJ per cycle of all nodes, as the authors' test has it, and of every node.
    @pytest.mark.parametrize("nodes_idle", [1, 16])
    def test_small_engines_with_3d_memory(self, nodes_idle):
        l_1 = search("alex_net", 16, L_1, L_1_COST, Option(sw_gbuf_bypass=NO_BYPASS))
        cost = T_16_COST._replace(idl_unit=T_16_COST.idl_unit * nodes_idle)
        t_16 = search("alex_net", 16, T_16, cost, T_16_OPTIONS)
        assert t_16.total_ops == pytest.approx(l_1.total_ops)
        assert t_16.total_time <= 1.2 * l_1.total_time * (16 * 16) / (16 * 14 * 14)
        assert t_16.total_cost <= 0.72 * l_1.total_cost

    def test_solver_is_near_the_optimum(self):
        """The order of bypass in closed form is as good as the exhaustive search, within 1 %."""
        options = Option(sw_gbuf_bypass=ALL_BYPASS)
        best = search("alex_net", 16, L_1, L_1_COST, options)
        solved = search("alex_net", 16, L_1, L_1_COST, options._replace(sw_solve_loopblocking=True))
        assert best.total_cost <= solved.total_cost <= 1.01 * best.total_cost

    @pytest.mark.parametrize("name", ["alex_net", "vgg_net", "googlenet", "resnet50"])
    @pytest.mark.parametrize("solve", [True, False], ids=["solver", "exhaustive"])
    def test_hybrid_partitioning_never_costs_more_than_none(self, name, solve):
        options = T_16_OPTIONS._replace(opt_goal="e", sw_solve_loopblocking=solve)
        hybrid = search(name, 16, T_16, T_16_COST, options)
        naive = search(name, 16, T_16, T_16_COST, options._replace(partition_hybrid=False))
        assert hybrid.total_cost <= naive.total_cost * (1 + 1e-9)
