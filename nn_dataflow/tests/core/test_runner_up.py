# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what comes next after the schedule of a layer (docs/model/search.md section 7.2)."""

from itertools import pairwise

import numpy as np
import pytest

from nn_dataflow.core.layer_space import LayerSpace
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.mapping_space import Setting
from nn_dataflow.core.network_step import Source, hops_of_ifmaps, make_step
from nn_dataflow.core.partition import input_layout_partitions
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.ranking import TIE
from nn_dataflow.core.runner_up import distinct, runners_up
from nn_dataflow.core.schedule_plan import ScheduleEvaluator, SchedulePlan
from nn_dataflow.tests.tools.pipelined_result import found

ALONE = "alex_net --batch 4 --nodes 2 2 --hybrid-partition --dram-bw 16 --disable-bypass iof -p 1"
PIPELINED = (
    "alex_net --batch 4 --nodes 2 4 --hybrid-partition --interlayer-partition "
    "--enable-save-writeback --dram-bw 12 --unit-idle-cost 20 -p 1"
)
FORWARDING = "lstm_phoneme --batch 4 --nodes 2 2 --hybrid-partition --enable-access-forwarding -p 1"


def value(scheme, goal):
    return {"e": scheme.total_cost, "d": scheme.total_time}.get(
        goal, scheme.total_cost * scheme.total_time
    )


def search_of(result):
    problem = result.problem
    return (problem.network, problem.batch, result.resource, result.cost, result.options)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (f"{ALONE} -g e", ["conv2_a"]),
        (f"{ALONE} -g ed", ["pool2_b", "conv3_b"]),
        (f"{ALONE} -g d", ["conv4_a"]),
        (f"{ALONE.replace(' --disable-bypass iof', '')} --solve-loopblocking", ["conv2_a", "fc1"]),
        (f"{PIPELINED} -g e", ["conv2_a", "pool3_a", "fc1"]),
        (f"{PIPELINED} -g d --disable-interlayer-opt", ["conv4_b"]),
        ("alex_net --batch 3 --nodes 2 2 --hybrid-partition --imperfect -p 1", ["conv2_a"]),
        (FORWARDING, None),
    ],
)
def test_networks_with_another_schedule_of_a_layer(words, names):
    """Each is a valid schedule of the network that costs what is said, and none is better."""
    result = found(words)
    search, goal = search_of(result), result.options.opt_goal
    evaluator = ScheduleEvaluator(*search, MapStrategyEyeriss)
    kinds = set()
    for name in names or list(result.best)[:3]:
        nexts = runners_up(*search, MapStrategyEyeriss, result.best, name)
        for kind, several in enumerate(nexts[:3]):
            for one in distinct(several, 3):
                kinds.add(kind)
                # All hand-overs of fmaps are checked, and every figure is found anew.
                again = evaluator.evaluate(SchedulePlan.of(one.network, result.resource))
                assert (again.total_cost, again.total_time) == pytest.approx(
                    (one.network.total_cost, one.network.total_time), rel=1e-12
                )
                assert one.network[name] is one.result
                others = [other for other in result.best if other != name]
                assert all(
                    again[other].scheme[key] == result.best[other].scheme[key]
                    for other in others
                    for key in ("part", "tvals", "orders")
                )
            values = [value(one.network, goal) for one in several]
            slack = 1 - 2 * TIE
            assert all(later >= slack * first for first, later in pairwise(values))
            if result.certificate.is_optimal:
                assert min(values, default=np.inf) >= slack * value(result.best, goal)
        own = result.best[name].scheme
        assert all(one.result.scheme["part"] == own["part"] for one in nexts.blockings)
        assert all(one.result.scheme["tvals"] != own["tvals"] for one in nexts.mappings)
        assert all(one.result.scheme["part"] != own["part"] for one in nexts.partitions)
    assert len(kinds) >= 2


def test_next_partition_is_the_best_of_all_others():
    """Every schedule of every other partition is put in the layer's place here."""
    result = found("mlp_s --batch 4 --nodes 2 2 --hybrid-partition --batch-partition -p 1 -g ed")
    network, batch, resource, cost, options = search_of(result)
    name = "fc2"
    starts = input_layout_partitions(
        [network.input_layer()], batch, resource.src_data_region, options
    )
    steps, source = {}, Source(network.input_layer(), resource.src_data_region, starts, 0)
    for number, layer in enumerate(network):
        setting = Setting(resource, cost, options)
        space = LayerSpace(network[layer], batch, setting, MapStrategyEyeriss)
        steps[layer] = make_step(layer, space, [source], hops_of_ifmaps(space, [source]))
        source = Source(
            network[layer], resource.dst_data_region, space.ofmap_places()[1], number + 1
        )
    own = {one: result.best[one].scheme for one in network}

    def place(layer, part):
        parts = steps[layer].space.parts
        rows = [PartitionScheme.of_row(parts, n) for n in range(len(parts))]
        return int(steps[layer].place[rows.index(part)]), rows

    before, _ = place("fc1", own["fc1"]["part"])
    _, rows = place(name, own[name]["part"])
    _, last_rows = place("fc3", own["fc3"]["part"])
    step, last = steps[name], steps["fc3"]
    every = step.space.choices(
        np.arange(len(step.space.row_part)), step.space.hop_costs(step.hops[0][before]), search=True
    )
    energy = step.space.energy(every, step.ifmap_hops([before]))
    last_row = last_rows.index(own["fc3"]["part"])
    values = []
    for index, cycles in enumerate(every.time.tolist()):
        number = int(step.space.row_part[every.row[index]])
        if rows[number] == own[name]["part"]:
            continue
        hops = last.hops[0][int(step.place[number])][last_row]
        moved = own["fc3"]["fetch"][0][1] * (hops - own["fc3"]["unit_nhops"][1])
        extra = energy[index] - own[name]["cost"] + cost.noc_hop * moved
        time = result.best.total_time - own[name]["time"] + cycles
        values.append((result.best.total_cost + extra) * time)
    nexts = runners_up(*search_of(result), MapStrategyEyeriss, result.best, name)
    least = value(nexts.partitions[0].network, "ed")
    assert least == pytest.approx(min(values), rel=1e-12)


def test_schemes_of_the_analytical_solver():
    """Where the search looks at them only, what comes next is from them, too."""
    words = "alex_net --batch 4 --nodes 2 2 --hybrid-partition -p 1"
    solved, free = found(f"{words} --solve-loopblocking"), found(words)
    one, other = (
        runners_up(*search_of(result), MapStrategyEyeriss, result.best, "conv2_a")
        for result in (solved, free)
    )
    assert len(one.blockings) < len(other.blockings)


def test_alternatives_that_differ():
    result = found("mlp_s --nodes 2 2 --hybrid-partition -p 1")
    nexts = runners_up(*search_of(result), MapStrategyEyeriss, result.best, "fc1")
    several = [nexts.blockings[0], nexts.blockings[0], *nexts.blockings]
    shown = distinct(several, 3)
    assert shown[0] is nexts.blockings[0]
    assert len({one.network.total_cost for one in shown}) == 3
