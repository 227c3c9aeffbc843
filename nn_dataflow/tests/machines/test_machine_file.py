# SPDX-License-Identifier: BSD-3-Clause
"""Tests of machine files: what they say, and the text of every refusal (docs/machines.md)."""

import copy
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.errors import InputError
from nn_dataflow.machines import limits
from nn_dataflow.machines.machine_file import PRESETS, load, values_of
from nn_dataflow.machines.spec import CORNERS, EVERY_NODE, MachineSpec
from nn_dataflow.tests import test_published_figures as published

YAML = """\
# A comment is allowed.
word: 16 bit
clock: 500 MHz
resource:
  proc_region: 4x8
  dim_array: [12, 14]
  size_gbuf: 128 kB
  size_regf: 261 words
  array_bus_width: 64 bit
  dram_bandwidth: 6.4 GB/s
cost:
  unit: pJ
  mac_op: 2
  mem_hier: {DRAM: 460, GBUF: 15, ITCN: 4, REGF: 0.5}
  noc_hop: 0.01 nJ
  idl_unit: 30 mW
"""
VALUES = {
    "word": "16 bit",
    "resource": {
        "proc_region": "4x8",
        "dim_array": "12x14",
        "size_gbuf": "128 kB",
        "size_regf": "512 B",
    },
    "cost": {
        "mac_op": 1,
        "mem_hier": {"DRAM": 200, "GBUF": 6, "ITCN": 2, "REGF": 1},
        "noc_hop": 10,
        "idl_unit": 0,
    },
}


def region(dim, origin=(0, 0), kind=NodeRegion.PROC, **more):
    return NodeRegion(PhyDim2(*dim), PhyDim2(*origin), type=kind, **more)


def changed(field, value):
    """The values of a file with one more or other value; a value of None takes it away."""
    values = copy.deepcopy(VALUES)
    *tables, last = field.split(".")
    table = values
    for name in tables:
        table = table[name]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return values


def read(tmp_path, text, name="mine.json"):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
    return load(str(path))


def refusal(tmp_path, text, name="mine.json"):
    """What is said of a file, without its folder."""
    with pytest.raises(InputError) as raised:
        read(tmp_path, text, name)
    message = str(raised.value)
    assert "\n" not in message
    return message.replace(str(tmp_path) + "/", "")


def test_a_yaml_file(tmp_path):
    spec = read(tmp_path, YAML, "mine.yaml")
    assert spec == MachineSpec(
        nodes=region((4, 8)),
        memory=CORNERS,
        array=PhyDim2(12, 14),
        word=16,
        gbuf=128 * 1024 * 8,
        regf=261 * 16,
        bus=64,
        dram_bandwidth=102.4,
        cost=Cost(mac_op=2, mem_hier=(460, 15, 4, 0.5), noc_hop=10, idl_unit=60),
        cost_unit="pJ",
        name="mine",
    )
    resource = spec.machine().resource
    assert (resource.size_gbuf, resource.size_regf) == (65536, 261)
    assert (resource.array_bus_width, resource.dram_bandwidth) == (4, 6.4)


def test_the_least_that_a_file_says(tmp_path):
    spec = read(tmp_path, VALUES)
    assert spec == MachineSpec(
        nodes=region((4, 8)), array=PhyDim2(12, 14), cost_unit="MAC", name="mine"
    )
    assert spec.memory_region() == region((2, 2), kind=NodeRegion.DRAM, dist=PhyDim2(3, 7))


def test_regions_by_all_their_fields(tmp_path):
    folded = {"dim": [2, 6], "origin": [1, 2], "wtot": 4, "wbeg": -2}
    values = copy.deepcopy(VALUES)
    values["resource"] |= {
        "proc_region": folded,
        "dram_region": {"dim": "1x2", "dist": [0, 5]},
        "src_data_region": {"type": "PROC", "dim": "2x2", "origin": [0, 1]},
        "dst_data_region": {"type": "DRAM", "dim": "1x1"},
        "no_time_mux": True,
    }
    resource = read(tmp_path, values).machine().resource
    assert resource.proc_region == region((2, 6), (1, 2), wtot=4, wbeg=-2)
    assert resource.dram_region == region((1, 2), kind=NodeRegion.DRAM, dist=PhyDim2(0, 5))
    assert resource.src_data_region == region((2, 2), (0, 1))
    assert resource.dst_data_region == region((1, 1), kind=NodeRegion.DRAM)
    assert resource.no_time_mux is True


def test_memory_at_every_node_of_a_folded_region(tmp_path):
    values = changed("resource.proc_region", {"dim": [2, 6], "wtot": 4, "wbeg": -2})
    values["resource"]["dram_region"] = "every node"
    resource = read(tmp_path, values).machine().resource
    assert [*resource.dram_region.iter_node()] == [*resource.proc_region.iter_node()]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "wrod",
            "16 bit",
            (
                "unknown key, 'word' was meant, must be of name, description, source, "
                "word, clock, resource, cost"
            ),
        ),
        ("resource.size_buf", "1 kB", "unknown key, 'size_gbuf' was meant, must be of "),
        ("resource.colour", "red", "unknown key, must be of proc_region, dram_region, "),
        ("cost.price", 1, "unknown key, must be of unit, mac_op, mem_hier, noc_hop, idl_unit"),
        ("cost.mem_hier.L2", 1, "unknown key, must be of DRAM, GBUF, ITCN, REGF"),
        ("word", "16", 'must be a number of bits such as "16 bit" or "2 B", got \'16\''),
        ("word", "2000 bit", "must be at most 1024 bits, got 2000"),
        ("clock", "fast", "must be a frequency such as \"500 MHz\", got 'fast'"),
        ("resource", "big", "must be a mapping"),
        ("cost", [1, 2], "must be a mapping"),
        (
            "resource.proc_region",
            "4by4",
            (
                "must be rows and columns such as 4x4 or [4, 4], or a "
                "mapping of dim, origin, dist, wtot, wbeg, got '4by4'"
            ),
        ),
        ("resource.proc_region", "0x4", "must be at least 1x1, got 0x4"),
        ("resource.proc_region", "256x257", "must be at most 65536 nodes in all"),
        (
            "resource.proc_region",
            {"dim": "2x2", "dist": [0, 1]},
            "dist must not be 0 between compute nodes, got PhyDim2(h=0, w=1)",
        ),
        (
            "resource.proc_region",
            {"dim": "2x2", "wbeg": 0},
            "wbeg must not be 0 nor beyond wtot = 2 in magnitude, got 0",
        ),
        (
            "resource.dram_region",
            "edges",
            (
                "must be corners, every node, or a mapping of dim, "
                "origin, dist, wtot, wbeg, got 'edges'"
            ),
        ),
        (
            "resource.src_data_region",
            "disk",
            "must be memory, or a mapping of type, dim, origin, dist, wtot, wbeg, got 'disk'",
        ),
        ("resource.dim_array", "16", "must be rows and columns such as 4x4 or [4, 4], got '16'"),
        ("resource.dim_array", {"h": 1}, "must be rows and columns such as 4x4 or [4, 4]"),
        (
            "resource.dim_array",
            "0x16",
            "must be at least 1x1, and at most 1048576 PEs in all, got 0x16",
        ),
        (
            "resource.dim_array",
            "2048x1024",
            "must be at least 1x1, and at most 1048576 PEs in all, got 2048x1024",
        ),
        (
            "resource.size_gbuf",
            "128",
            'must be a size such as "128 kB", "512 B", "4096 bit" or "261 words", got \'128\'',
        ),
        ("resource.size_gbuf", ["128 kB"], "must be a text"),
        ("resource.size_regf", "2 TB", "must be at most 1 TB"),
        (
            "resource.array_bus_width",
            "8 bit",
            "must be unlimited, or from one word of 16 bits to 1099511627776 bits, got '8 bit'",
        ),
        (
            "resource.array_bus_width",
            "64",
            (
                'must be "unlimited", or bits or words per cycle such '
                'as "64 bit" or "4 words", got \'64\''
            ),
        ),
        (
            "resource.dram_bandwidth",
            "6.4 GB/s",
            (
                'must be "unlimited", or such as "51.2 B/cycle", '
                '"25.6 words/cycle" or "6.4 GB/s at 500 MHz" (or with clock in the file), got '
                "'6.4 GB/s'"
            ),
        ),
        (
            "resource.dram_bandwidth",
            "1e-20 B/cycle",
            "must be from 1e-09 to 1e+15 bytes per cycle, got '1e-20 B/cycle'",
        ),
        ("resource.no_time_mux", "maybe", "must be true or false, got 'maybe'"),
        (
            "cost.mac_op",
            "-1",
            (
                'must be a number of at least 0, or such as "2 pJ" where unit is a '
                "unit of energy, got '-1'"
            ),
        ),
        (
            "cost.mac_op",
            "2 pJ",
            (
                'must be a number of at least 0, or such as "2 pJ" where unit is '
                "a unit of energy, got '2 pJ'"
            ),
        ),
        ("cost.mac_op", 1e16, "must be at most 1e+15, got '1e+16'"),
        (
            "cost.idl_unit",
            "30 mW",
            (
                'must be a number of at least 0, or such as "2 pJ" where unit '
                'is a unit of energy, or a power such as "30 mW at 200 MHz" (or with clock in the '
                "file), got '30 mW'"
            ),
        ),
        ("cost.mem_hier", 200, "must be a mapping"),
    ],
)
def test_refusals_name_file_line_field_and_what_is_allowed(tmp_path, field, value, message):
    values = changed(field, value)
    name = field.rpartition(".")[2]
    lines = json.dumps(values, indent=1).splitlines()
    line = 1 + next(n for n, text in enumerate(lines) if text.lstrip().startswith(f'"{name}"'))
    assert refusal(tmp_path, values).startswith(f"mine.json:{line}: {name}: {message}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"dim": "2x0"}, "dim: must be at least 1x1, got 2x0"),
        (
            {"dim": "2x2", "origin": "here"},
            "origin: must be row and column such as [0, 0], got 'here'",
        ),
        ({"dim": "2x2", "wtot": "wide"}, "wtot: must be a whole number, got 'wide'"),
        (
            {"dim": "2x2", "dst": [1, 1]},
            "dst: unknown key, 'dist' was meant, must be of dim, origin, dist, wtot, wbeg",
        ),
        (
            {"origin": [0, 0]},
            "proc_region: dim is missing, must be rows and columns such as 4x4 or [4, 4]",
        ),
    ],
)
def test_refusals_inside_a_region(tmp_path, value, message):
    said = refusal(tmp_path, changed("resource.proc_region", value))
    assert said.partition(": ")[2] == message


def test_type_of_a_data_region(tmp_path):
    values = changed("resource.src_data_region", {"type": "CPU", "dim": "1x1"})
    assert refusal(tmp_path, values).endswith(": type: must be DRAM or PROC, got 'CPU'")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("word", "mine.json:1: file: word is missing, must be a number of bits such as"),
        ("resource", "mine.json:1: file: resource is missing, must be a mapping"),
        ("resource.dim_array", "mine.json:3: resource: dim_array is missing, must be rows and col"),
        ("resource.size_gbuf", "mine.json:3: resource: size_gbuf is missing, must be a size such"),
        ("cost.mem_hier", "mine.json:9: cost: mem_hier is missing, must be a mapping"),
        ("cost.mem_hier.ITCN", "mine.json:11: mem_hier: ITCN is missing, must be a number of at "),
        ("cost.idl_unit", "mine.json:9: cost: idl_unit is missing, must be a number of at least"),
    ],
)
def test_missing_fields(tmp_path, field, message):
    assert refusal(tmp_path, changed(field, None)).startswith(message)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "a.json:1: is no JSON: Expecting property name enclosed in double quotes"),
        ("a.json", '{"word":\nNaN}', "a.json:2: is no JSON: NaN is no JSON number"),
        ("a.json", "[1]", "a.json:1: must be a mapping of names to values"),
        ("a.json", '{"word": "1 B",\n "word": "1 B"}', "a.json:2: word is given twice"),
        ("a.json", "[" * 100_000, "a.json: is no JSON: is nested too deeply"),
        ("a.yaml", "a: [", "a.yaml:1: is no YAML: "),
        ("a.yaml", "", "a.yaml:1: must be a mapping of names to values"),
        ("a.yaml", "word: 1 B\nword: 1 B\n", "a.yaml:2: word is given twice"),
    ],
)
def test_files_of_another_kind(tmp_path, name, text, message):
    assert refusal(tmp_path, text, name).startswith(message)


def test_lines_of_yaml(tmp_path):
    text = YAML.replace("size_gbuf: 128 kB", "size_gbuf: 128")
    assert refusal(tmp_path, text, "mine.yaml").startswith("mine.yaml:7: size_gbuf: must be a size")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "tangran",
            (
                "'tangran' is no preset and no file: tangram was meant? must be one of "
                "eyeriss-chip, eyeriss-isca16, tangram, tetris-l1, tetris-t16, or a file "
                "(.yaml, .json)"
            ),
        ),
        ("zzz", "'zzz' is no preset and no file: must be one of eyeriss-chip, "),
        ("none.yaml", "none.yaml: cannot be read: No such file or directory"),
        ("none.json", "none.json: cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_machine(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        load(name)
    assert str(raised.value).startswith(message)


def test_a_file_of_any_name_is_yaml(tmp_path):
    assert read(tmp_path, YAML, "machine").name == "machine"


def test_presets_are_the_machines_of_the_published_figures():
    """All of one node, and T-16, have their memory beside each node there."""
    specs = {name: load(name) for name in PRESETS}
    assert all(spec.name == name and spec.source for name, spec in specs.items())
    found = {name: spec.machine()[:2] for name, spec in specs.items()}
    isca16 = published.machine((1, 1), (16, 16), 65536, 256)
    tangram = found.pop("tangram")
    assert found == {
        "eyeriss-isca16": (isca16, published.TestEyerissISCA16.COST),
        "eyeriss-chip": (published.CHIP, published.CHIP_COST),
        "tetris-l1": (published.L_1, published.L_1_COST),
        "tetris-t16": (published.T_16, published.T_16_COST),
    }
    resource, cost = tangram
    memory = region((2, 2), kind=NodeRegion.DRAM, dist=PhyDim2(15, 15))
    assert resource[:4] == (region((16, 16)), memory, memory, memory)
    assert resource[4:] == ((8, 8), 16384, 32, 8, 25.6, False)
    assert cost == (0.9984, (401.89, 2.8325, 1.6416, 0.09409), 9.76, 1272.9)


REGIONS = st.builds(
    lambda dim, origin, dist, wtot, wbeg: {
        "dim": PhyDim2(*dim),
        "origin": PhyDim2(*origin),
        "dist": PhyDim2(*dist),
        "wtot": wtot,
        "wbeg": max(-wtot, min(wtot, wbeg)),
    },
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 12),
    st.sampled_from((-5, -1, 1, 2, 7)),
)
PROC = REGIONS.map(lambda fields: NodeRegion(type=NodeRegion.PROC, **fields))
MEMORY = REGIONS.map(lambda fields: NodeRegion(type=NodeRegion.DRAM, **fields))
PRICES = st.floats(0, limits.MAX_COST, allow_nan=False)
SPECS = st.builds(
    MachineSpec,
    nodes=PROC,
    memory=st.one_of(st.sampled_from((CORNERS, EVERY_NODE)), MEMORY),
    ifmaps=st.one_of(st.none(), PROC, MEMORY),
    ofmaps=st.one_of(st.none(), PROC, MEMORY),
    array=st.builds(PhyDim2, st.integers(1, 99), st.integers(1, 99)),
    word=st.integers(1, limits.MAX_WORD_BITS),
    gbuf=st.integers(1, 2**43),
    regf=st.integers(1, 2**43),
    bus=st.one_of(st.just(0), st.integers(limits.MAX_WORD_BITS, 2**40)),
    dram_bandwidth=st.one_of(st.just(math.inf), st.floats(1e-8, 1e15)),
    no_time_mux=st.booleans(),
    cost=st.builds(
        Cost,
        mac_op=PRICES,
        mem_hier=st.tuples(PRICES, PRICES, PRICES, PRICES),
        noc_hop=PRICES,
        idl_unit=PRICES,
    ),
    cost_unit=st.sampled_from(("MAC", "pJ", "cent")),
    name=st.text("abc: '\"#ü\\", min_size=1).filter(str.strip),
    description=st.just('with "quotes", # and: colons'),
)


@given(SPECS)
def test_what_is_written_reads_back(tmp_path_factory, spec):
    folder = tmp_path_factory.mktemp("machines")
    assert read(folder, values_of(spec)) == spec


WITHOUT_YAML = """
import sys
sys.modules["yaml"] = None
from nn_dataflow.machines.machine_file import load
print(load("eyeriss-chip").name)
print(load(sys.argv[1]).name)
try:
    load(sys.argv[2])
except ImportError as error:
    print(error)
"""


def test_presets_and_json_need_nothing_installed(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(VALUES))
    other = tmp_path / "mine.yaml"
    other.write_text(YAML)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_YAML, str(path), str(other)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "eyeriss-chip",
        "own",
        'reading and writing of YAML files needs PyYAML: pip install "nn_dataflow[arch]"',
    ]
