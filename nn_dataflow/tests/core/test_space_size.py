# SPDX-License-Identifier: BSD-3-Clause
"""The number of schedules against counting them (docs/model/search.md section 6.3)."""

import itertools
import math

import pytest

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import input_layout_partitions, search_partitions
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.space_size import log10_schedules
from nn_dataflow.tests.core.test_network_search import machine, residual
from nn_dataflow.util import factorize

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)


def schedules_of_layer(layer, batch, resource, options):
    """Partitions, array mappings, factors and orders, counted one by one."""
    parts = search_partitions(layer, batch, resource.proc_region.dim, options)
    count = 0
    for row in range(len(parts)):
        node = PartitionScheme.of_row(parts, row).part_layer(layer, batch)
        for nld in MapStrategyEyeriss(*node, resource.dim_array).gen_nested_loop_desc():
            factors = math.prod(len(list(factorize(total, 3))) for total in nld.loopcnt)
            orders = math.factorial(3) ** 2
            count += factors * orders
    return count


@pytest.mark.parametrize("hybrid", [False, True])
def test_layers_one_by_one(hybrid):
    options = Option(partition_hybrid=hybrid)
    network, resource = residual(), machine()
    counts = [schedules_of_layer(network[name], 2, resource, options) for name in network]
    starts = input_layout_partitions([network.input_layer()], 2, resource.src_data_region, options)
    dataflow = NNDataflow(network, 2, resource, COST, MapStrategyEyeriss)
    dataflow.schedule_search(options)
    expected = math.log10(len(starts)) + sum(map(math.log10, counts))
    assert dataflow.log10_space == pytest.approx(expected)


def test_segments_add_ways():
    network, resource = residual(), machine((2, 4), size_gbuf=4000)
    dataflow = NNDataflow(network, 2, resource, COST, MapStrategyEyeriss)
    sizes = []
    for options in (
        Option(),
        Option(partition_interlayer=True),
        Option(hw_gbuf_save_writeback=True),
    ):
        dataflow.schedule_search(options)
        sizes.append(dataflow.log10_space)
    assert sizes[0] < min(sizes[1:])


def test_paths():
    """Every path over the edges, with the product of what is on it."""
    edges = [(0, 1, 3), (1, 2, 5), (2, 3, 7), (0, 2, 11), (1, 3, 13)]
    count = 0
    for number in range(1, len(edges) + 1):
        for path in itertools.permutations(edges, number):
            ends = [0, *(end for _, end, _ in path)]
            if [begin for begin, _, _ in path] == ends[:-1] and ends[-1] == 3:
                count += math.prod(size for _, _, size in path)
    logs = [(begin, end, math.log10(size)) for begin, end, size in edges]
    assert log10_schedules(4, logs, 3) == pytest.approx(math.log10(4 * count))
    assert log10_schedules(4, logs[:2], 3) == -math.inf
