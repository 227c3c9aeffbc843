# SPDX-License-Identifier: BSD-3-Clause
"""The network search as published (docs/model/search.md section 6).

What it refuses and reports, and that a result depends on the question only: not on what was
searched before, the number of processes, or the hash seed. That it finds the best is tested in
test_network_search.
"""

import concurrent.futures
import itertools
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from nn_dataflow.core import workers
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.layer_order import schedule_order
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.network import Network
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition import unit_nhops_to_proc_region
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.tests import reference_search as rs

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=50)
PROC = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
MEMORY = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
RESOURCE = Resource(PROC, MEMORY, MEMORY, MEMORY, PhyDim2(4, 4), 800, 30, 4, 4.0, False)
OPTIONS = Option(partition_hybrid=True, sw_gbuf_bypass=(True, True, True), ntops=3)
GOALS = ("e", "d", "ed")


def small_network():
    network = Network("small")
    network.set_input_layer(InputLayer(3, 8))
    network.add("conv", ConvLayer(3, 4, 8, 3))
    network.add("left", ConvLayer(4, 4, 8, 1), prevs="conv")
    network.add("right", ConvLayer(4, 4, 8, 1), prevs="conv")  # equal to left
    network.add("pool", PoolingLayer(8, 4, 2), prevs=("left", "right"))
    network.add("fc", FCLayer(8, 5, 4))
    return network


def dataflow_of(network=None, resource=RESOURCE, cost=COST, batch=2, strategy=MapStrategyEyeriss):
    network = small_network() if network is None else network
    return NNDataflow(network, batch, resource, cost, strategy)


def outline(schemes):
    """Everything that schedules say, comparable."""
    return [(scheme.input_layout, list(scheme.items())) for scheme in schemes]


# What is refused.


@pytest.mark.parametrize(
    ("position", "wrong", "name"),
    [
        (0, "alex_net", "network"),
        (2, PROC, "resource"),
        (3, 200, "cost"),
        (4, "eyeriss", "map_strategy"),
        (4, Network, "map_strategy"),
    ],
)
def test_wrong_types(position, wrong, name):
    args = [small_network(), 2, RESOURCE, COST, MapStrategyEyeriss]
    args[position] = wrong
    with pytest.raises(TypeError, match=f"NNDataflow: {name} must be"):
        NNDataflow(*args)


@pytest.mark.parametrize("batch", [1.5, "2", True, None])
def test_batch_sizes_that_are_no_whole_numbers(batch):
    with pytest.raises(TypeError, match="NNDataflow: batch_size must be a whole number, got"):
        dataflow_of(batch=batch)


@pytest.mark.parametrize("batch", [0, -1])
def test_batch_sizes_below_one(batch):
    with pytest.raises(ValueError, match="NNDataflow: batch_size must be at least 1, got"):
        dataflow_of(batch=batch)


def test_batch_size_of_numpy():
    assert dataflow_of(batch=np.int64(2)).batch_size == 2


def test_layers_that_cannot_be_counted():
    network = Network("huge")
    network.set_input_layer(InputLayer(10**9, 10**6))
    network.add("c", ConvLayer(10**9, 10**9, 10**6, 1))
    with pytest.raises(ValueError, match=r"NNDataflow: layer c: .* are too many"):
        dataflow_of(network)


def test_times_that_cannot_be_counted():
    slow = RESOURCE._replace(dram_bandwidth=1e-18)
    with pytest.raises(ValueError, match=r"NNDataflow: layer .* are too many"):
        dataflow_of(resource=slow)


def test_strategy_that_fails(capsys):
    class Failing(MapStrategyEyeriss):
        def gen_nested_loop_desc(self):
            raise ArithmeticError("no such mapping")

    nnd = dataflow_of(strategy=Failing)
    first = schedule_order(nnd.network)[0][0]
    with pytest.raises(ArithmeticError, match="no such mapping"):
        nnd.schedule_search(Option())
    assert capsys.readouterr().err == f"Failed when scheduling layer {first}.\n"


def test_strategy_that_yields_nothing():
    class Nothing(MapStrategyEyeriss):
        def gen_nested_loop_desc(self):
            return iter(())

    nnd = dataflow_of(strategy=Nothing)
    schemes, _ = nnd.schedule_search(Option())
    assert not schemes
    assert nnd.failure.endswith("no array mapping of this strategy suits it")


# What a search reports.


def test_result():
    dataflow = dataflow_of()
    found, (reused, searches) = dataflow.schedule_search(OPTIONS)
    assert len(found) == OPTIONS.ntops
    assert reused > 0
    assert searches > 0
    assert dataflow.failure is None
    order = list(itertools.chain(*schedule_order(dataflow.network)))
    for scheme in found:
        assert scheme.network is dataflow.network
        assert list(scheme) == order
        assert [result.sched_seq for result in scheme.values()] == [(n, 0, 0) for n in range(5)]
        assert scheme.input_layout.regions == (MEMORY,)
    keys = [(scheme.total_cost, scheme.total_time) for scheme in found]
    assert keys == sorted(keys)
    assert len({str(one) for one in outline(found)}) == len(found)


def test_layers_that_are_equal_share_a_search():
    searches = dataflow_of().layer_sched_dict
    assert list(searches) == list(small_network())
    assert searches["left"] is searches["right"]
    assert len(set(searches.values())) == 4


def test_progress():
    """Layers are told one by one, in scheduling order."""
    told = []
    dataflow = dataflow_of()
    dataflow.schedule_search(OPTIONS, progress=lambda *args: told.append(args))
    order = list(itertools.chain(*schedule_order(dataflow.network)))
    assert told == [(number + 1, 5, name) for number, name in enumerate(order)]


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("size_regf", 3, "7 words of register file per PE"),
        ("size_gbuf", 1, "[0-9]+ words of global buffer per node"),
    ],
)
def test_nothing_fits(name, value, needed, capsys):
    """The layer, the quantity, what is needed and what there is (correction E11)."""
    options = OPTIONS._replace(sw_gbuf_bypass=(True, False, True))
    dataflow = dataflow_of(resource=RESOURCE._replace(**{name: value}))
    found, _ = dataflow.schedule_search(options)
    assert found == []
    assert capsys.readouterr().err == "No valid schedule found for small.\n"
    message = f"layer conv: needs at least {needed}, {name} is {value}"
    assert re.fullmatch(message, dataflow.failure)


def test_failure_is_of_the_last_search():
    """A machine-independent question: the same object may be asked again."""
    dataflow = dataflow_of(resource=RESOURCE._replace(size_gbuf=250))
    found, _ = dataflow.schedule_search(OPTIONS._replace(sw_gbuf_bypass=(False, False, False)))
    assert bool(found) == (dataflow.failure is None)
    found, _ = dataflow.schedule_search(OPTIONS)
    assert bool(found) == (dataflow.failure is None)


def test_one_layer_may_keep_its_filters():
    """Filters stay on chip only where no other layer uses the nodes."""
    pinned = {}
    for number in (1, 2):
        network = Network("convs")
        network.set_input_layer(InputLayer(4, 8))
        for name in "ab"[:number]:
            network.add(name, ConvLayer(4, 4, 8, 1))
        for time_mux in (False, True):
            resource = RESOURCE._replace(no_time_mux=not time_mux, size_gbuf=10000)
            (scheme,), _ = dataflow_of(network, resource).schedule_search(OPTIONS._replace(ntops=1))
            pinned[number, time_mux] = scheme["a"].scheme["fetch"][0][0] == 0
    assert pinned == {(1, False): True, (1, True): True, (2, False): False, (2, True): False}


def test_free_of_charge():
    """All costs zero is a question like others (correction E4)."""
    free = Cost(mac_op=0, mem_hier=(0, 0, 0, 0), noc_hop=0, idl_unit=0)
    for goal in GOALS:
        found, _ = dataflow_of(cost=free).schedule_search(OPTIONS._replace(opt_goal=goal))
        assert [scheme.total_cost for scheme in found] == [0] * len(found)
        assert len(found) == OPTIONS.ntops


def test_external_layers_lie_as_the_input_does():
    network = Network("external")
    network.set_input_layer(InputLayer(2, 4))
    network.add_ext("state", InputLayer(4, 4))
    network.add("a", ConvLayer(2, 4, 4, 1))
    network.add("b", ConvLayer(8, 4, 4, 1), prevs=("state", "a"))
    for scheme in dataflow_of(network).schedule_search(OPTIONS)[0]:
        assert scheme.ext_layout_dict["state"].parts == scheme.input_layout.parts
        assert scheme.ext_layout_dict["state"].regions == (MEMORY,)
        producers = scheme.fmap_layout(("state", "a"))
        hops = unit_nhops_to_proc_region(
            network["b"],
            2,
            PROC,
            scheme["b"].scheme["part"],
            set(MEMORY.iter_node()),
            producers,
            scheme["b"].ofmap_layout,
            OPTIONS,
        )
        assert list(scheme["b"].scheme["unit_nhops"]) == hops


def test_ofmaps_elsewhere_than_ifmaps():
    """Where a layer's ofmaps cannot be the next one's ifmaps, no schedule says so.

    Either this is refused, or the hops are those from where the fmaps are.
    """
    network = Network("two")
    network.set_input_layer(InputLayer(2, 4))
    network.add("a", ConvLayer(2, 4, 4, 1))
    network.add("b", ConvLayer(4, 2, 4, 1))
    far = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 5), type=NodeRegion.DRAM)
    resource = RESOURCE._replace(dst_data_region=far)
    try:
        found, _ = dataflow_of(network, resource).schedule_search(OPTIONS)
    except ValueError as error:
        assert "data_region" in str(error)  # noqa: PT017 (either is right)
        return
    for scheme in found:
        result = scheme["b"]
        hops = unit_nhops_to_proc_region(
            network["b"],
            2,
            PROC,
            result.scheme["part"],
            set(MEMORY.iter_node()),
            scheme["a"].ofmap_layout,
            result.ofmap_layout,
            OPTIONS,
        )
        assert list(result.scheme["unit_nhops"]) == hops


# What a result does not depend on.


def test_earlier_searches_leave_no_trace():
    """Other goals and numbers on the same object before (correction S5)."""
    used = dataflow_of()
    asked = [OPTIONS._replace(opt_goal=goal, ntops=ntops) for ntops in (1, 3, 2) for goal in GOALS]
    for options in asked:
        used.schedule_search(options)
    for options in asked:
        fresh, _ = dataflow_of().schedule_search(options)
        assert outline(used.schedule_search(options)[0]) == outline(fresh)


def test_equal_networks_give_equal_results():
    one, other = (dataflow_of().schedule_search(OPTIONS)[0] for _ in range(2))
    assert outline(one) == outline(other)


def assert_as_much_or_more(effort, least):
    """The same space, of which at least as much was searched."""
    ours, theirs = effort.as_dict(), least.as_dict()
    for name in ("partitions", "mappings", "candidates", "segments", "combinations"):
        assert ours[name] == theirs[name]
    for name in ("mappings_searched", "built", "evaluated"):
        assert ours[name] >= theirs[name]


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("sharing", [False, True])
def test_executor_does_not_matter(goal, sharing):
    """Schedules do not change when searches run elsewhere; some that are not needed are done."""
    options = OPTIONS._replace(opt_goal=goal, hw_gbuf_sharing=sharing)
    alone = dataflow_of()
    expected, _ = alone.schedule_search(options)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        helped = dataflow_of()
        found, _ = helped.schedule_search(options, executor=executor)
    assert outline(found) == outline(expected)
    assert_as_much_or_more(helped.effort, alone.effort)


SCRIPT = """
from nn_dataflow.core import workers
from nn_dataflow.tests.core import test_nn_dataflow as own

workers.MIN_JOBS = 1
workers.MIN_SECONDS = -1
dataflow = own.dataflow_of()
found, _ = dataflow.schedule_search(own.OPTIONS._replace(nprocesses={nprocesses}))
print(own.digest(found))
"""


def digest(schemes):
    """A text that is the same exactly for the same schedules."""
    return [
        (
            name,
            repr(result.total_cost),
            result.total_time,
            tuple(result.scheme["part"].order),
            [tuple(dim) for dim in result.scheme["part"].pdims],
            result.scheme["tvals"],
            result.scheme["orders"],
        )
        for scheme in schemes
        for name, result in scheme.items()
    ]


@pytest.mark.parametrize(("nprocesses", "hash_seed"), [(2, "0"), (1, "1"), (1, "12345")])
def test_processes_and_hash_seed_do_not_matter(nprocesses, hash_seed, tmp_path):
    """The script has no guard against being run again by child processes."""
    script = tmp_path / "search.py"
    script.write_text(SCRIPT.format(nprocesses=nprocesses))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    found = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True
    )
    expected, _ = dataflow_of().schedule_search(OPTIONS)
    assert found.stdout.strip() == str(digest(expected))


def test_processes_are_not_started_for_little_work():
    """They cost more than they give there."""
    with workers.Workers(2) as own:
        own.search([])
        assert own._own is None
        assert own._pool is None


def test_effort_adds_up():
    dataflow = dataflow_of()
    for goal in GOALS:
        dataflow.schedule_search(OPTIONS._replace(opt_goal=goal))
        counts = dataflow.effort.as_dict()
        assert min(counts.values()) >= 0
        kinds = ("equivalent", "capacity", "bound", "evaluated")
        assert counts["candidates"] == sum(counts[kind] for kind in kinds) > 0
        assert counts["mappings"] >= counts["partitions"] > 0
        assert counts["prefixes_dropped"] == 0


def test_ranked_by_the_goal():
    """Each goal's best is no worse under it than the best under other goals."""
    best = {}
    for goal in GOALS:
        (scheme,), _ = dataflow_of().schedule_search(OPTIONS._replace(opt_goal=goal, ntops=1))
        best[goal] = scheme
    for goal, other in itertools.product(GOALS, repeat=2):
        own, theirs = (
            rs.goal_key(goal, best[which].total_cost, best[which].total_time)
            for which in (goal, other)
        )
        assert own <= theirs or rs.close(own, theirs)


def test_searching_ahead_changes_nothing(monkeypatch):
    """Array mappings are searched before it is known whether they are needed."""
    monkeypatch.setattr(workers, "MIN_JOBS", 1)
    for goal in GOALS:
        options = OPTIONS._replace(opt_goal=goal)
        one, both = dataflow_of(), dataflow_of()
        alone, _ = one.schedule_search(options)
        together, _ = both.schedule_search(options._replace(nprocesses=2))
        assert digest(alone) == digest(together)
        assert_as_much_or_more(both.effort, one.effort)
