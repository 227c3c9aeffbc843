# SPDX-License-Identifier: BSD-3-Clause
"""Comparison of network searches with reference searches, through the Python interface.

Decides, for every search of `data/search.json`, that the result is never worse under its goal, and
that it is the same schedule with the same figures wherever no correction of docs/differences.md
touches the case:

* on one node nothing but the operands of element-wise layers (M1) differs;
* on several nodes, the hops of pooling layers that split channels (M2) do too, and ranking by
  the goal's full cost (S3) finds cheaper schedules;
* with pipelines, more of them are compared (S4, S5, S7), and residual operands may stay on chip.
"""

import argparse
import functools
import json
import math
from pathlib import Path

import pytest

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import EltwiseLayer, LocalRegionLayer
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.nns import import_network

RECORDS = json.loads((Path(__file__).parent / "data" / "search.json").read_text(encoding="utf-8"))
BY_ARGS = {record["args"]: record for record in RECORDS}
PIPELINED = [args for args in BY_ARGS if "--interlayer-partition" in args]
ALONE = [args for args in BY_ARGS if args not in PIPELINED]

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)  # the tool's defaults
HOPS = {"cost", "cost_noc", "total_nhops", "unit_nhops"}
CLOSE = {"rel": 1e-9, "abs": 0}


def arguments_of(args):
    parser = argparse.ArgumentParser()
    parser.add_argument("net")
    for name in ("--batch", "--regf", "--gbuf"):
        parser.add_argument(name, type=int)
    for name in ("--nodes", "--array"):
        parser.add_argument(name, type=int, nargs=2)
    for name in ("--hybrid-partition", "--batch-partition", "--ifmaps-partition"):
        parser.add_argument(name, action="store_true")
    for name in ("--solve-loopblocking", "--enable-access-forwarding", "--enable-gbuf-sharing"):
        parser.add_argument(name, action="store_true")
    for name in ("--interlayer-partition", "--enable-save-writeback"):
        parser.add_argument(name, action="store_true")
    for name in ("--layer-pipeline-max-degree", "--layer-pipeline-time-overhead"):
        parser.add_argument(name, type=float, default=math.inf)
    parser.add_argument("-g", dest="goal", type=str.lower)
    parser.add_argument("-t", dest="top", type=int, default=1)
    return parser.parse_args(args.split())


@functools.cache
def searched(args):
    """The schedules found, best first."""
    arguments = arguments_of(args)
    origin, nodes, corners = PhyDim2(0, 0), PhyDim2(*arguments.nodes), PhyDim2(2, 2)
    memory = NodeRegion(dim=corners, origin=origin, dist=nodes - 1, type=NodeRegion.DRAM)
    resource = Resource(
        proc_region=NodeRegion(dim=nodes, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*arguments.array),
        size_gbuf=arguments.gbuf // 2,
        size_regf=arguments.regf // 2,
        array_bus_width=math.inf,
        dram_bandwidth=math.inf,
        no_time_mux=False,
    )
    options = Option(
        sw_gbuf_bypass=(True, True, True),
        sw_solve_loopblocking=arguments.solve_loopblocking,
        hw_access_forwarding=arguments.enable_access_forwarding,
        hw_gbuf_sharing=arguments.enable_gbuf_sharing,
        partition_hybrid=arguments.hybrid_partition,
        partition_batch=arguments.batch_partition,
        partition_ifmaps=arguments.ifmaps_partition,
        partition_interlayer=arguments.interlayer_partition,
        hw_gbuf_save_writeback=arguments.enable_save_writeback,
        layer_pipeline_max_degree=arguments.layer_pipeline_max_degree,
        layer_pipeline_time_ovhd=arguments.layer_pipeline_time_overhead,
        opt_goal=arguments.goal,
        ntops=arguments.top,
    )
    network = import_network(arguments.net)
    search = NNDataflow(network, arguments.batch, resource, COST, MapStrategyEyeriss)
    return search.schedule_search(options)[0]


def has_eltwise(args):
    network = import_network(arguments_of(args).net)
    return any(isinstance(network[name], EltwiseLayer) for name in network)


# No correction touches these: one node, or no local-region layer and no cheaper schedule.
SAME = [
    args
    for args in ALONE
    if not has_eltwise(args) and ("--nodes 1 1 " in args or args.startswith("mlp_"))
]
# The schedule is the same, and only hops of its pooling layers are fewer.
SAME_BUT_POOLING = [args for args in ALONE if args.startswith("alex_net") and "-g e" in args]
SAME_BUT_POOLING = [a for a in SAME_BUT_POOLING if "--nodes 2 2" in a and "--batch-part" not in a]
ELTWISE = [args for args in ALONE if has_eltwise(args)]
# Pipelines of which the best known is found again: one layer after the other, or fully connected.
SAME_TOTALS = [args for args in PIPELINED if "max-degree" in args or args.startswith("mlp_m")]


def goal_key(goal, cost, time):
    return {"e": (cost, time), "d": (time, cost), "ed": (cost * time,)}[goal]


def is_no_worse(ours, reference):
    """Whether goal keys are at most others, up to rounding, one after the other."""
    for one, other in zip(ours, reference, strict=True):
        if not math.isclose(one, other, rel_tol=1e-9):
            return one < other
    return True


def plain(value):
    """Lists in place of tuples, as in JSON."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def is_close(ours, reference):
    if isinstance(reference, list):
        return len(ours) == len(reference) and all(map(is_close, ours, reference))
    return math.isclose(ours, reference, rel_tol=1e-9)


def nontrivial_loops(layer, factors, orders):
    """Loops from outer to inner that are more than one iteration; no matter in local regions."""
    if isinstance(layer, LocalRegionLayer):
        return []
    return [
        [loop for loop in sorted(range(3), key=lambda lpe, o=order: -o[lpe]) if level[loop] > 1]
        for level, order in zip(factors, orders, strict=False)
    ]


def differing_fields(layer, result, reference):
    """Fields of a layer's reference record that differ from the result."""
    ours = {
        **result.scheme,
        "sched_seq": result.sched_seq,
        "part": (result.scheme["part"].order, result.scheme["part"].pdims),
    }
    different = {
        field: f"{ours[field]}, reference {value}"
        for field, value in reference.items()
        if field != "orders" and not is_close(plain(ours[field]), value)
    }
    reference_factors = zip(*(reference[field] for field in ("ti", "to", "tb")), strict=True)
    reference_loops = nontrivial_loops(layer, list(reference_factors), reference["orders"])
    if nontrivial_loops(layer, ours["tvals"], ours["orders"]) != reference_loops:
        different["orders"] = f"{ours['orders']}, reference {reference['orders']}"
    return different


def extra_operands_cost(network, record):
    """Energy that the record leaves out: accesses of all operands but one (M1)."""
    extra = 0
    for name, layer in record["schedules"].items():
        if isinstance(network[name], EltwiseLayer):
            words = [layer["access"][level][de.IFM] for level in range(me.REGF)]
            words[me.GBUF] += layer["remote_gbuf_access"][de.IFM]
            one = sum(cost * num for cost, num in zip(COST.mem_hier, words, strict=False))
            extra += (network[name].nreg - 1) * one
    return extra


def test_what_is_compared():
    assert (len(RECORDS), len(BY_ARGS), len(ALONE)) == (19, 19, 14)
    assert len(SAME_TOTALS) == 2
    assert [args.split()[0] for args in SAME] == ["alex_net", "mlp_s", "zfnet", "mlp_l", "mlp_m"]
    assert len(SAME_BUT_POOLING) == 3
    assert [args.split()[0] for args in ELTWISE] == [
        "lstm_phoneme",
        "lstm_showtell",
        "resnet50",
        "resnet152",
    ]


@pytest.mark.parametrize("args", BY_ARGS)
def test_never_worse(args):
    """The energy of operands that the reference leaves out is added to its own."""
    arguments, record, best = arguments_of(args), BY_ARGS[args], searched(args)[0]
    cost = record["total_cost"] + extra_operands_cost(import_network(arguments.net), record)
    ours = goal_key(arguments.goal, best.total_cost, best.total_time)
    assert is_no_worse(ours, goal_key(arguments.goal, cost, record["total_time"]))


@pytest.mark.parametrize("args", BY_ARGS)
def test_same_operations_of_every_layer(args):
    best, record = searched(args)[0], BY_ARGS[args]
    assert list(best) == list(record["schedules"])
    assert best.total_ops == pytest.approx(record["total_ops"], **CLOSE)
    for name, layer in record["schedules"].items():
        assert best[name].total_ops == pytest.approx(layer["ops"], **CLOSE)


@pytest.mark.parametrize("args", [*ALONE, *SAME_TOTALS])
def test_same_places_in_the_schedule(args):
    best, record = searched(args)[0], BY_ARGS[args]
    for name, layer in record["schedules"].items():
        assert best[name].num_nodes == layer["num_nodes"]
        assert plain(best[name].sched_seq) == layer["sched_seq"]


@pytest.mark.parametrize("args", SAME_TOTALS)
def test_same_totals_with_pipelines(args):
    best, record = searched(args)[0], BY_ARGS[args]
    assert best.total_cost == pytest.approx(record["total_cost"], **CLOSE)
    assert best.total_time == record["total_time"]
    assert best.segment_time_list() == record["segment_time"]


def test_better_pipelines():
    """Where more combinations of constraints are compared, better schedules are found."""
    gains = {}
    for args in PIPELINED:
        goal, best, record = arguments_of(args).goal, searched(args)[0], BY_ARGS[args]
        ours = goal_key(goal, best.total_cost, best.total_time)
        other = goal_key(goal, record["total_cost"], record["total_time"])
        if args.startswith("alex_net") and args not in SAME_TOTALS:
            gains[goal] = [one / two for one, two in zip(ours, other, strict=True)]
    assert gains["d"] == [1, pytest.approx(0.99698, abs=1e-5)]
    assert gains["ed"] == [pytest.approx(0.98588, abs=1e-5)]


@pytest.mark.parametrize("args", SAME)
def test_equal_totals_where_no_correction_applies(args):
    best, record = searched(args)[0], BY_ARGS[args]
    ours = {
        "total_cost": best.total_cost,
        "total_time": best.total_time,
        "total_accesses": best.total_accesses,
        "total_noc_hops": best.total_noc_hops,
        "total_op_cost": COST.mac_op * best.total_ops,
        "total_access_cost": sum(
            cost * words for cost, words in zip(COST.mem_hier, best.total_accesses, strict=True)
        ),
        "total_noc_cost": COST.noc_hop * best.total_noc_hops,
        "segment_time": best.segment_time_list(),
        "segment_dram_time": best.segment_dram_time_list(),
    }
    assert not {name: ours[name] for name in ours if not is_close(ours[name], record[name])}


@pytest.mark.parametrize("args", SAME)
def test_same_schedule_where_no_correction_applies(args):
    best, record = searched(args)[0], BY_ARGS[args]
    for name, layer in record["schedules"].items():
        assert not differing_fields(best.network[name], best[name], layer), name


@pytest.mark.parametrize("args", SAME_BUT_POOLING)
def test_true_hops_of_pooling_layers(args):
    """Correction M2: a window of one channel reads no channel of its neighbours."""
    best, record = searched(args)[0], BY_ARGS[args]
    ours, reference = 29_706_680_672, 29_707_592_272
    if "--enable-access-forwarding" in args:
        ours, reference = 28_817_763_968, 28_818_658_528
    assert best.total_cost == pytest.approx(ours, **CLOSE)
    assert record["total_cost"] == reference
    assert best.total_noc_hops < record["total_noc_hops"]
    for name, layer in record["schedules"].items():
        different = differing_fields(best.network[name], best[name], layer)
        if isinstance(best.network[name], LocalRegionLayer):
            assert set(different) <= HOPS
            assert best[name].total_noc_hops <= sum(layer["total_nhops"])
        else:
            assert not different, name


@pytest.mark.parametrize("args", [args for args in ELTWISE if "lstm" in args])
def test_every_operand_is_read(args):
    """Correction M1: element-wise layers read more ifmaps, and all else is as it was."""
    best, record = searched(args)[0], BY_ARGS[args]
    one_node = "--nodes 1 1 " in args
    moves_hops = set() if one_node else HOPS
    for name, layer in record["schedules"].items():
        different = differing_fields(best.network[name], best[name], layer)
        if not isinstance(best.network[name], EltwiseLayer):
            assert set(different) <= moves_hops, name
            continue
        assert set(different) <= {"access", "cost_access", "cost"} | moves_hops
        expected = [list(row) for row in layer["access"]]
        for level in (me.DRAM, me.GBUF, me.ITCN):
            expected[level][de.IFM] *= best.network[name].nreg
        assert is_close(plain(best[name].scheme["access"]), expected)
    if one_node:
        cost = record["total_cost"] + extra_operands_cost(best.network, record)
        assert best.total_cost == pytest.approx(cost, **CLOSE)


@pytest.mark.parametrize("args", BY_ARGS)
def test_best_first(args):
    """As many schedules as asked for, the best first."""
    arguments, found = arguments_of(args), searched(args)
    assert len(found) == arguments.top
    keys = [goal_key(arguments.goal, one.total_cost, one.total_time) for one in found]
    assert all(map(is_no_worse, keys, keys[1:]))
