# SPDX-License-Identifier: BSD-3-Clause
"""Tests of constraint files, from reading to the result (docs/constraints.md)."""

import json

import pytest

import nn_dataflow
from nn_dataflow.constraints.constraint_file import constraints
from nn_dataflow.core.constraints import Constraints, SegmentRule
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.energy_delay import EnergyDelaySearch
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.option import Option
from nn_dataflow.errors import InputError, MissingExtraError, NoDataflowError
from nn_dataflow.files import yaml_nodes
from nn_dataflow.nns import import_network
from nn_dataflow.tests.core.test_pipeline_search import tiny_network
from nn_dataflow.tests.pipeline_cases import linear_network, machine
from nn_dataflow.tools import main as program
from nn_dataflow.tools import nn_dataflow_search

COST = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)
NODES = ["mlp_s", "--nodes", "2", "2", "--hybrid-partition"]
PIPELINED = Option(partition_interlayer=True, sw_gbuf_bypass=(True,) * 3)

REFUSED = [
    # what is given, the line of the file, what is said of it
    ("[1]", 1, "must be a mapping of names to values"),
    ("layer: {}", 1, "layer: unknown key, 'layers' was meant, must be of layers, segments"),
    (
        "layers:\n  fc9: {stored: {filters: true}}",
        2,
        "fc9: network MLP-S has no layer 'fc9', 'fc3' was meant",
    ),
    ("layers:\n  conv*: {stored: {}}", 2, "conv*: network MLP-S has no layer 'conv*'"),
    ("layers:\n  fc1:", 2, "fc1: must be a mapping"),
    (
        "layers:\n  fc1: {}",
        2,
        "fc1: says nothing, must have some of partition, blocking, order, stored, forbid",
    ),
    (
        "layers:\n  fc1:\n    orders: {dram: [B, O]}",
        3,
        (
            "orders: unknown key, 'order' was meant, must be of partition, blocking, order, "
            "stored, forbid"
        ),
    ),
    (
        "layers:\n  fc1:\n    partition: {OUT: 2x2}",
        3,
        "OUT: unknown key, must be of OUTP, OFMP, BATP, INPP",
    ),
    (
        "layers:\n  fc1:\n    partition: {OUTP: 2}",
        3,
        "OUTP: must be rows and columns of nodes such as 2x2 or [2, 2], got '2'",
    ),
    (
        "layers:\n  fc1:\n    partition:\n    - {OUTP: [0, 2]}",
        4,
        "OUTP: must be rows and columns of nodes such as 2x2 or [2, 2], at least 1x1, got 0x2",
    ),
    (
        "layers:\n  fc1:\n    partition: []",
        3,
        "partition: must be a mapping, or a list of mappings, one at least",
    ),
    ("layers:\n  fc1:\n    partition: 2x2", 3, "partition: must be a list of mappings"),
    (
        "layers:\n  fc1:\n    partition: {}",
        3,
        "partition: names nothing, must name kinds of parallelism, of OUTP, OFMP, BATP, INPP",
    ),
    (
        "layers:\n  fc1:\n    blocking: {DRAM: {I: 2}}",
        3,
        "DRAM: unknown key, 'dram' was meant, must be of dram, gbuf, regf",
    ),
    (
        "layers:\n  fc1:\n    blocking:\n      dram: {I: 2, N: 1}",
        4,
        "N: unknown key, must be of I, O, B",
    ),
    (
        "layers:\n  fc1:\n    blocking: {dram: {}}",
        3,
        "dram: names nothing, must name loops, of I, O, B",
    ),
    (
        "layers:\n  fc1:\n    blocking: {}",
        3,
        "blocking: names nothing, must name levels, of dram, gbuf, regf",
    ),
    (
        "layers:\n  fc1:\n    blocking: {dram: {I: 0}}",
        3,
        "I: must be a positive integer, or a list of them, got '0'",
    ),
    (
        "layers:\n  fc1:\n    blocking: {dram: {I: [1, two]}}",
        3,
        "I: must be a positive integer, or a list of them, got 'two'",
    ),
    (
        "layers:\n  fc1:\n    blocking: {dram: {I: []}}",
        3,
        "I: must be a positive integer, or a list of them",
    ),
    (
        "layers:\n  fc1:\n    order: {dram: [B, N]}",
        3,
        "dram: must be of I, O, B, got 'N'",
    ),
    ("layers:\n  fc1:\n    order: {dram: [B, B]}", 3, "dram: names something twice"),
    (
        "layers:\n  fc1:\n    order: {dram: [B]}",
        3,
        "dram: must be two or three of the loops I, O, B, outermost first",
    ),
    (
        "layers:\n  fc1:\n    order: {regf: [B, O]}",
        3,
        "regf: unknown key, must be of dram, gbuf",
    ),
    (
        "layers:\n  fc1:\n    stored: {filters: yes please}",
        3,
        "filters: must be true or false, got 'yes please'",
    ),
    (
        "layers:\n  fc1:\n    stored: {weights: true}",
        3,
        "weights: unknown key, must be of filters, ifmaps, ofmaps",
    ),
    (
        "layers:\n  fc1:\n    forbid: {stored: {filters: true}}",
        3,
        "stored: unknown key, must be of partition, blocking, order",
    ),
    ("layers: {fc1: {stored: {filters: true}}}\nlayers: {}", 2, "layers is given twice"),
    (
        "segments:\n  apart: [fc1, fc2]",
        2,
        "apart: must be a list of lists of layers, such as [[conv1, pool1]], got fc1",
    ),
    (
        "segments:\n  alone: [[fc1]]",
        2,
        "alone: must be a list of layers, such as [fc6], got [fc1]",
    ),
    (
        "segments:\n  exactly: [[fc1, fc2]]",
        2,
        (
            "exactly: must be a list of segments, each a list of groups of layers, such as "
            "[[[conv1], [conv2, pool2]]], got [fc1, fc2]"
        ),
    ),
    ("segments:\n  apart: fc1", 2, "apart: must be a list"),
    ("segments:\n  apart: [{fc1: fc2}]", 2, "apart: must be lists of names"),
    ("segments:\n  apart: [[fc1]]", 2, "apart: must be lists of several layers, got [fc1]"),
    ("segments:\n  apart: [[fc1, fc1]]", 2, "apart: names a layer twice, got [fc1, fc1]"),
    (
        "segments:\n  apart: [[fc1, fc7]]",
        2,
        "apart: network MLP-S has no layer 'fc7', 'fc3' was meant",
    ),
    (
        "segments:\n  together: [[fc1, fc2]]",
        2,
        "together: needs --interlayer-partition or --enable-save-writeback to share segments",
    ),
    (
        "segments:\n  beside: [[fc1, fc2]]",
        2,
        "beside: unknown key, must be of together, exactly, alone, apart",
    ),
]


@pytest.mark.parametrize(("text", "line", "said"), REFUSED)
def test_refused(tmp_path, capsys, text, line, said):
    path = tmp_path / "wanted.yaml"
    path.write_text(text)
    assert nn_dataflow_search.main([*NODES, "--constraints", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"nn_dataflow_search: error: --constraints: {path}:{line}: {said}\n"


def test_orders_that_nodes_choose_are_refused(tmp_path, capsys):
    path = tmp_path / "wanted.json"
    path.write_text('{"layers": {"fc1": {"order":\n{"gbuf": ["I", "O"]}}}}')
    args = [*NODES, "--enable-gbuf-sharing", "--constraints", str(path)]
    assert nn_dataflow_search.main(args) == 2
    said = "gbuf: nodes that share buffers order these loops themselves"
    assert f"{path}:2: {said}\n" in capsys.readouterr().err


def test_no_file_and_no_yaml(tmp_path, capsys, monkeypatch):
    assert nn_dataflow_search.main([*NODES, "--constraints", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read: No such file or directory" in capsys.readouterr().err

    def missing(extra):
        raise MissingExtraError(f"needs {extra}")

    monkeypatch.setattr(yaml_nodes, "yaml_of", missing)
    (tmp_path / "wanted.yaml").write_text("layers: {}")
    assert nn_dataflow_search.main([*NODES, "--constraints", str(tmp_path / "wanted.yaml")]) == 2
    assert "--constraints: needs arch" in capsys.readouterr().err


def test_search_takes_only_constraints():
    network = linear_network()
    with pytest.raises(TypeError, match="constraints must be Constraints, got 5"):
        NNDataflow(network, 1, machine(), COST, MapStrategyEyeriss, 5)
    with pytest.raises(InputError, match="--constraints: must be a file or a mapping, got 5"):
        nn_dataflow.search("mlp_s", constraints=5)


# Why nothing is left.

BLAMED = [
    ({"fc1": {"partition": {"OUTP": [5, 4]}}}, "layer fc1: constraint layers.fc1.partition leaves"),
    (
        {"fc*": {"partition": {"INPP": [2, 2]}}, "fc2": {"stored": {"filters": False}}},
        "layer fc1: constraint layers.fc*.partition leaves",
    ),
]


@pytest.mark.parametrize(("layers", "said"), BLAMED)
def test_blamed_on_the_command_line(tmp_path, capsys, layers, said):
    path = tmp_path / "wanted.json"
    path.write_text(json.dumps({"layers": layers}))
    assert nn_dataflow_search.main([*NODES, "--constraints", str(path)]) == 3
    err = capsys.readouterr().err
    assert err.startswith(f"nn_dataflow_search: no valid dataflow for mlp_s: {said} no schedule (")
    assert err.count("\n") == 1


def test_constraints_are_blamed_together():
    """Filters are not used again where all of the batch is in one block, or in no order."""
    given = {
        "layers": {
            "fc1": {
                "blocking": {"dram": {"B": [1, 2]}},
                "forbid": {"blocking": [{"dram": {"B": 1}}, {"dram": {"I": 1}}]},
            },
            "fc*": {"forbid": {"blocking": {"dram": {"B": 2}}}},
        }
    }
    said = (
        "layer fc1: constraints layers.fc1.blocking, layers.fc1.forbid.blocking and "
        "layers.fc\\*.forbid.blocking together leave no schedule"
    )
    with pytest.raises(NoDataflowError, match=said):
        nn_dataflow.search("mlp_s", constraints=given)


def test_capacities_are_to_blame_whatever_is_fixed():
    given = {"layers": {"fc1": {"stored": {"filters": True}}}}
    with pytest.raises(NoDataflowError, match="layer fc1: needs at least 3 words of register file"):
        nn_dataflow.search("mlp_s", regf=2, constraints=given)


def failure(rules, network=None, options=PIPELINED):
    network = network or linear_network()
    wanted = constraints(rules, network, options)
    search = NNDataflow(network, 4, machine(), COST, MapStrategyEyeriss, wanted)
    found, _ = search.schedule_search(options)
    assert not found
    return search.failure


def test_segment_rules_are_blamed():
    assert failure({"segments": {"together": [["a", "c"]], "apart": [["b", "c"]]}}) == (
        "constraints segments.together [a, c] and segments.apart [b, c] together leave no schedule"
    )
    assert failure({"segments": {"exactly": [[["a", "b"], ["c"]]]}}) == (
        "constraint segments.exactly [[a, b], [c]] leaves no schedule"
    )
    rules = {
        "segments": {"together": [["a", "b"]]},
        "layers": {"c": {"stored": {"filters": True}}, "*": {"partition": {"OFMP": "4x4"}}},
    }
    assert failure(rules) == (
        "constraints layers.*.partition and segments.together [a, b] together leave no schedule"
    )


# What is left.


def test_example_of_the_documentation():
    wanted = {
        "layers": {
            "conv*": {"stored": {"filters": True}, "order": {"dram": ["B", "O", "I"]}},
            "conv3_?": {
                "partition": [{"OUTP": "4x4"}, {"OFMP": "4x4"}],
                "forbid": {"blocking": {"dram": {"I": 1, "O": 1}}},
            },
        }
    }
    machine = {"arch": "tetris-t16", "hybrid_partition": True}
    free = nn_dataflow.search("alex_net", **machine)
    found = nn_dataflow.search("alex_net", constraints=wanted, **machine)
    assert (free.energy, found.energy) == (70703708083.2, 72443112883.2)
    assert found.certificate.is_optimal
    scheme = found.to_dict()["schedules"]["conv3_a"][0]
    assert scheme["tvals"] == [[8, 2, 1], [16, 1, 2], [1, 16, 8]]
    assert scheme["orders"][0] == [0, 1, 2]


def test_layers_on_fewer_nodes_may_be_split_as_all_cannot():
    """A partition for a part of the nodes means that the layer shares a segment."""
    network = linear_network()
    wanted = constraints({"layers": {"a": {"partition": {"OFMP": [4, 1]}}}}, network, PIPELINED)
    search = NNDataflow(network, 4, machine(), COST, MapStrategyEyeriss, wanted)
    (found,), _ = search.schedule_search(PIPELINED)
    assert found["a"].scheme["num_nodes"] < 16
    assert found["a"].sched_seq[0] == found["b"].sched_seq[0]
    assert search.certificate.is_optimal
    assert not NNDataflow(network, 4, machine(), COST, MapStrategyEyeriss, wanted).beam_search(
        PIPELINED
    )


def test_what_the_best_does_is_the_best_of_what_does_it():
    """All of the free optimum fixed gives it again; it forbidden gives something worse."""
    free = nn_dataflow.search("mlp_s", nodes=(2, 2), hybrid_partition=True)
    layers = {}
    for name in ("fc1", "fc2", "fc3"):
        scheme = free.to_dict()["schedules"][name][0]
        loops = dict(zip(("dram", "gbuf", "regf"), scheme["tvals"], strict=True))
        orders = zip(("dram", "gbuf"), scheme["orders"], strict=True)
        kinds = zip(("OUTP", "OFMP", "BATP", "INPP"), scheme["part"][1], strict=True)
        sizes = zip(("filters", "ifmaps", "ofmaps"), scheme["size"][0], strict=True)
        layers[name] = {
            "partition": dict(kinds),
            "blocking": {at: dict(zip("IOB", trips, strict=True)) for at, trips in loops.items()},
            "order": {
                at: sorted("IOB", key=lambda loop, o=order: -o["IOB".index(loop)])
                for at, order in orders
            },
            "stored": {name: size > 0 for name, size in sizes},
        }
    fixed = nn_dataflow.search(
        "mlp_s", nodes=(2, 2), hybrid_partition=True, constraints={"layers": layers}
    )
    assert (fixed.energy, fixed.time) == (free.energy, free.time)
    assert fixed.to_dict()["schedules"] == free.to_dict()["schedules"]
    blocking = {name: {"forbid": {"blocking": own["blocking"]}} for name, own in layers.items()}
    other = nn_dataflow.search(
        "mlp_s", nodes=(2, 2), hybrid_partition=True, constraints={"layers": blocking}
    )
    assert other.energy >= free.energy
    assert other.certificate.is_optimal
    for name in layers:
        tvals = [one.to_dict()["schedules"][name][0]["tvals"] for one in (free, other)]
        assert tvals[0] != tvals[1]


def test_nodes_that_share_buffers_keep_to_constraints():
    """Ifmaps of a block are on four nodes; the loops over memory stand as an equal order has it."""
    machine = {"nodes": (2, 2), "hybrid_partition": True, "gbuf": 8192, "enable_gbuf_sharing": True}
    fields = {"stored": {"ifmaps": True}, "partition": {"OUTP": "2x2"}}
    found = []
    for more in ({}, {"order": {"dram": ["I", "B", "O"]}}):
        wanted = {"layers": {"conv2*": {**fields, **more}}}
        found.append(nn_dataflow.search("alex_net", batch=4, constraints=wanted, **machine))
    one, two = (result.to_dict()["schedules"]["conv2_a"][0] for result in found)
    assert one["tvals"] == two["tvals"] == [[3, 2, 4], [16, 1, 1], [1, 16, 1]]
    assert (one["orders"][0], two["orders"][0]) == ([1, 0, 2], [2, 0, 1])
    assert one["bufshr_subgrp_size"] == two["bufshr_subgrp_size"] == [1, 4, 1]
    assert (
        found[0].energy
        == found[1].energy
        > nn_dataflow.search("alex_net", batch=4, **machine).energy
    )


def test_equal_layers_share_a_search_unless_their_limits_differ():
    network = import_network("alex_net")
    given = {"layers": {"conv2_a": {"stored": {"filters": True}}}}
    wanted = constraints(given, network, Option())
    search = NNDataflow(network, 4, machine(), COST, MapStrategyEyeriss, wanted)
    search.schedule_search(Option(partition_hybrid=True, sw_gbuf_bypass=(True,) * 3))
    own = search.layer_sched_dict
    assert own["conv2_a"] is own["conv2_b"]
    assert len(own["conv2_a"]._spaces) == 2
    assert len(own["conv1_a"]._spaces) == 1


def test_equal_segments_share_a_search_unless_their_limits_differ():
    network = tiny_network("four", 4, 4, 2, 1)
    options = PIPELINED._replace(layer_pipeline_max_degree=1)
    given = {"layers": {"c": {"blocking": {"dram": {"O": 2, "B": 2}}}}}
    wanted = constraints(given, network, options)
    small = machine((1, 1), array=(2, 2))
    search = NNDataflow(network, 4, small, COST, MapStrategyEyeriss, wanted)
    (found,), _ = search.schedule_search(options)
    tops = {name: result.scheme["tvals"][0][1:] for name, result in found.items()}
    assert tops["c"] == (2, 2)
    assert tops["b"] == tops["d"] != tops["c"]


def test_curve_keeps_to_constraints():
    network = import_network("mlp_s")
    given = {"layers": {"fc1": {"partition": {"OUTP": [1, 1]}}}}
    wanted = constraints(given, network, Option())
    options = Option(partition_hybrid=True, partition_batch=True, sw_gbuf_bypass=(True,) * 3)
    search = NNDataflow(network, 16, machine(), COST, MapStrategyEyeriss, wanted)
    curve = EnergyDelaySearch.of(search, options).run()
    assert all(corner.scheme["fc1"].scheme["part"].pdims[0].size() == 1 for corner in curve.corners)


def test_record_reproduces_and_is_evaluated(tmp_path, capsys):
    given = {"layers": {"fc*": {"blocking": {"dram": {"B": [2, 4]}}}}}
    (tmp_path / "wanted.json").write_text(json.dumps(given))
    path = tmp_path / "result.json"
    args = [*NODES, "--constraints", str(tmp_path / "wanted.json"), "-o", str(path)]
    assert nn_dataflow_search.main(args) == 0
    record = json.loads(path.read_text())
    assert record["constraints"] == given
    again = nn_dataflow.search(
        "mlp_s", nodes=(2, 2), hybrid_partition=True, constraints=record["constraints"]
    )
    assert again.to_dict()["schedules"] == record["schedules"]
    capsys.readouterr()
    assert program.main(["evaluate", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["constraints"] == given
    free = tmp_path / "free.json"
    free.write_text(json.dumps({**record, "constraints": {}}))
    assert program.main(["compare", str(free), str(path), "--json"]) == 0
    assert '"constraints.layers.fc*"' in capsys.readouterr().out
    path.write_text(json.dumps({**record, "constraints": {"layers": {"fc4": {"stored": {}}}}}))
    assert program.main(["evaluate", str(path)]) == 2
    said = "constraints: fc4: network MLP-S has no layer 'fc4', 'fc3' was meant"
    assert capsys.readouterr().err == f"nn_dataflow evaluate: error: {path}: {said}\n"
    path.write_text(json.dumps({**record, "constraints": []}))
    assert program.main(["evaluate", str(path)]) == 2
    assert "constraints: must be a mapping" in capsys.readouterr().err


def test_what_comes_next_keeps_to_constraints(tmp_path, capsys):
    given = {"layers": {"fc1": {"partition": [{"OUTP": "2x2"}, {"OUTP": "1x2", "BATP": "2x1"}]}}}
    (tmp_path / "wanted.json").write_text(json.dumps(given))
    args = [*NODES, "--batch-partition", "--constraints", str(tmp_path / "wanted.json")]
    assert nn_dataflow_search.main([*args, "--explain", "fc1"]) == 0
    out = capsys.readouterr().out
    _, others = out.split("another partition:\n")
    assert "BATP 2x1" in others
    assert "OUTP 2x1" not in others


def test_rules_without_layers_leave_all():
    rule = SegmentRule("", "alone", (("a",),))
    assert rule.allows((("b",), ("c",)))
    assert not rule.allows((("a",), ("c",)))
    assert Constraints().allow((("a",), ("c",)))
