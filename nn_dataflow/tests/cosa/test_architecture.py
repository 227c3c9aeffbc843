# SPDX-License-Identifier: BSD-3-Clause
"""Machines: presets, files of both forms, derived tables (docs/model/cosa.md sections 2, 3.2)."""

import pickle

import numpy as np
import pytest

from nn_dataflow.cosa import Architecture, InputError, Level, Mapspace
from nn_dataflow.cosa.bundled import MAPSPACE

from . import cases

FLAT = """\
arch:
  arithmetic: {instances: 32, word-bits: 8, meshX: 32}
  storage:
  - {name: Latch,  entries: 1,    instances: 32, word-bits: 8}
  - {name: PartialSums, entries: 16,   instances: 8,  word-bits: 24}
  - {name: FilterStore, entries: 512,  instances: 8,  word-bits: 8, block-size: 4}
  - {name: PixelStore,  entries: 256,  instances: 4,  word-bits: 8, block-size: 4}
  - {name: Shared, entries: 8192, instances: 1,  word-bits: 8, block-size: 8}
  - {name: Offchip, technology: DRAM, instances: 1, word-bits: 8, block-size: 32, bandwidth: 8.0}
"""

MAPSPACE_TEXT = """\
mapspace:
  constraints:
  - {target: Latch,       type: datatype, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: PartialSums, type: datatype, keep: [Outputs], bypass: [Weights, Inputs]}
  - {target: FilterStore, type: datatype, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: PixelStore,  type: datatype, keep: [Inputs],  bypass: [Weights, Outputs]}
  - {target: Shared,      type: datatype, keep: [Inputs, Outputs], bypass: [Weights]}
  - {target: Shared,      type: temporal, permutation: RSPQCKN}
"""

TREE = """\
architecture:
  version: 0.3
  subtree:
  - name: System
    local:
    - {name: DRAM, class: DRAM, attributes: {instances: 1, word-bits: 8, block-size: 64}}
    subtree:
    - name: Chip
      local:
      - name: GlobalBuffer
        class: smartbuffer
        attributes: {entries: 65536, instances: 1, word-bits: 8, block-size: 8}
      - {name: Link, class: network}
      subtree:
      - name: PE[0..15]
        local:
        - {name: InputBuffer, class: SRAM,
           attributes: {entries: 4096, instances: 16, word-bits: 8, block-size: 8}}
        - {name: WeightBuffer, class: SRAM,
           attributes: {entries: 16384, instances: 128, word-bits: 8, block-size: 8}}
        - {name: AccumulationBuffer, class: SRAM,
           attributes: {entries: 64, instances: 128, word-bits: 24, cluster-size: 8}}
        - {name: "Registers[0..1023]", class: regfile,
           attributes: {entries: 1, instances: 1024, word-bits: 8, cluster-size: 64}}
        - {name: MACC, class: intmac, attributes: {instances: 1024, datawidth: 8}}
"""


@pytest.fixture
def flat(tmp_path):
    path = tmp_path / "machine.yaml"
    path.write_text(FLAT)
    return path


@pytest.mark.parametrize("item", cases.recorded("architectures"), ids=lambda item: item["name"])
def test_presets(item):
    machine = Architecture.preset(item["name"])
    assert machine.name == item["name"]
    mac = item["mac"]
    assert (machine.mac_instances, machine.mac_bits) == (mac["instances"], mac["word_bits"])
    assert machine.mac_energy == mac["energy_pj"]
    rows = zip(machine.levels, machine.fanouts, item["levels_inner_to_outer"], strict=True)
    for level, fanout, wanted in rows:
        got = (level.name, level.entries, level.instances, level.word_bits, level.block_size)
        assert got == (
            wanted["name"],
            wanted["capacity_words"],
            wanted["instances"],
            wanted["word_bits"],
            wanted["block_words"],
        )
        assert level.cluster_size == wanted["cluster_instances"]
        assert level.access_energy == pytest.approx(wanted["access_energy_pj_per_block"], rel=1e-8)
        assert level.keeps == tuple(wanted["keeps"])
        assert level.read_bandwidth == wanted["read_words_per_cycle"]
        assert level.write_bandwidth == wanted["write_words_per_cycle"]
        assert fanout == wanted["fanout_to_inner"]


def test_names_of_presets():
    assert Architecture.presets() == ("simba16", "simba64")
    with pytest.raises(InputError, match="no preset 'simba', must be one of simba16, simba64"):
        Architecture.preset("simba")


def test_constants_of_the_original_are_derived():
    machine = Architecture.preset("simba16")
    assert machine.stores.astype(int).tolist() == [
        [1, 0, 1, 0, 0, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 1, 0, 0, 1, 1],
    ]
    shares = [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert machine.capacity_shares("H")[:5].tolist() == [*shares, [0, 0.5, 0.5]]
    assert machine.capacity_shares("P")[:5].tolist() == [*shares, [0, 0.25, 0.75]]
    assert machine.roles == ((0, 1, 2, 3), 4, 5, 3, 2)


def test_roles_of_a_short_chain():
    machine = Architecture((Level("Buffer", 64, 4), Level("DRAM", None)))
    assert machine.roles == ((), 0, 1, None, None)
    assert np.allclose(machine.capacity_shares("P")[0], [0.2, 0.2, 0.6])
    assert np.allclose(machine.capacity_shares("H"), 1 / 3)
    assert machine.fanouts == (1, 4)


def test_flat_form(flat, tmp_path):
    machine = Architecture.from_yaml(flat)
    assert machine.name == "machine"
    assert machine.fanouts == (1, 4, 1, 2, 4, 1)
    assert all(level.keeps == cases.TENSORS for level in machine.levels)
    dram = machine.levels[-1]
    assert (dram.read_bandwidth, dram.write_bandwidth, dram.is_dram) == (4, 4, True)
    path = tmp_path / "mapspace.yaml"
    path.write_text(MAPSPACE_TEXT)
    kept = Mapspace.from_yaml(path).apply(machine)
    assert (kept.stores == Architecture.preset("simba16").stores).all()
    assert pickle.loads(pickle.dumps(kept)) == kept != machine


def test_own_keys(flat):
    text = FLAT.replace(
        "entries: 512,", "entries: 512, keep: [Weights, Inputs], read-bandwidth: 3,"
    )
    flat.write_text(text)
    level = Architecture.from_yaml(flat).levels[2]
    assert level.keeps == ("Weights", "Inputs")
    assert (level.read_bandwidth, level.write_bandwidth) == (3, None)


def test_tree_form(tmp_path):
    path = tmp_path / "simba_v3.yaml"
    path.write_text(TREE)
    machine, preset = Architecture.from_yaml(path), Architecture.preset("simba16")
    assert machine.name == "simba"
    assert machine.levels[:-1] == preset.levels[:-1]
    assert (machine.mac_instances, machine.mac_bits) == (1024, 8)
    assert machine.levels[-1].access_energy == preset.levels[-1].access_energy


def test_bundled_mapspace_says_what_the_presets_say():
    for name in Architecture.presets():
        machine = Architecture.preset(name)
        assert Mapspace.from_yaml(MAPSPACE).apply(machine) == machine


def test_memories_of_the_original_keep_its_tensors_where_no_file_says_it(tmp_path):
    path = tmp_path / "simba.yaml"
    text = FLAT
    names = ("Latch", "PartialSums", "FilterStore", "PixelStore", "Shared")
    machine = Architecture.preset("simba16")
    for name, original in zip(names, machine.names, strict=False):
        text = text.replace(name, original)
    path.write_text(text)
    assert (Architecture.from_yaml(path).stores == machine.stores).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("instances: 4,", "instances: 3,", "yaml:2: .* PixelStore has 3 instances, which must div"),
        ("arch:", "arc:", "yaml:1: neither arch .flat form. nor architecture"),
        ("entries: 512,", "", "yaml:2: .* FilterStore needs entries"),
        ("entries: 512", "entires: 512", "yaml:6: entires: unknown key, 'entries' was meant"),
        ("block-size: 8}", "block_size: 8}", "yaml:8: block_size: unknown key, 'block-size' was"),
        ("entries: 512", "entries: -1", "yaml:6: entries: must be a positive integer, got '-1'"),
        ("word-bits: 24", "word-bits: x", "yaml:5: word-bits: must be a positive integer"),
        ("bandwidth: 8.0", "bandwidth: 0", "yaml:9: bandwidth: must be a positive number, got '0'"),
        ("name: Latch", "name: [Latch]", "yaml:4: name: must be a text"),
        ("name: Latch, ", "", "yaml:4: storage: name is missing"),
        ("name: Latch", "name: Shared", "yaml:2: .* memory 'Shared' is given twice"),
        ("  arithmetic", "  arithmetik", "yaml:2: arithmetik: unknown key, 'arithmetic' was meant"),
        ("{instances: 32, word-bits: 8, meshX: 32}", "32", "yaml:2: arithmetic: must be a mapping"),
        ("entries: 256", "entries: 256, keep: [Pixels]", "yaml:7: keep: must be of Weights, Inp"),
        ("entries: 256", "entries: 256, keep: Inputs", "yaml:7: keep: must be a list of names"),
        (
            "bandwidth: 8.0",
            "keep: [Inputs]",
            "yaml:2: .* Offchip, the last memory, must keep every",
        ),
    ],
)
def test_bad_files(flat, old, new, message):
    assert old in FLAT
    flat.write_text(FLAT.replace(old, new))
    with pytest.raises(InputError, match=message):
        Architecture.from_yaml(flat)


def test_storage_must_be_a_list(flat):
    flat.write_text("arch:\n  arithmetic: {instances: 1}\n  storage: {name: A}\n")
    with pytest.raises(InputError, match="yaml:3: storage: must be a list of mappings"):
        Architecture.from_yaml(flat)


@pytest.mark.parametrize(
    ("levels", "macs", "message"),
    [
        ([Level("DRAM", None)], 1, "at least two memories"),
        ([Level("A", 4, 4), Level("DRAM", None)], 6, "A has 4 instances, which must divide the 6"),
    ],
)
def test_bad_chains(levels, macs, message):
    with pytest.raises(InputError, match=message):
        Architecture(tuple(levels), macs)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"entries": 0}, "A: entries must be a positive integer, got 0"),
        ({"instances": 1.5}, "A: instances must be a positive integer, got 1.5"),
        ({"read_bandwidth": -1}, "A: read_bandwidth must be a positive number, got -1"),
        ({"keeps": ("Pixels",)}, "A: keeps must be of Weights, Inputs, Outputs, got 'Pixels'"),
    ],
)
def test_bad_levels(fields, message):
    with pytest.raises(InputError, match=message):
        Level("A", **{"entries": 4, **fields})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "bypass: [Inputs, Outputs]}\n  - {target: P",
            "bypass: [Weights]}\n  - {target: P",
            "yaml:3: bypass: Weights is kept",
        ),
        ("target: Latch", "target: Shared", "yaml:7: target: Shared is given twice"),
        (
            "[Inputs],  ",
            "[Input],  ",
            "yaml:6: keep: must be of Weights, Inputs, Outputs, got 'Input'",
        ),
        ("target: PixelStore,", "", "yaml:6: constraints: target is missing"),
        ("keep: [Inputs],", "keeps: [Inputs],", "yaml:6: keeps: unknown key, 'keep' was meant"),
        ("constraints:", "constraint:", "yaml:2: mapspace: constraints is missing"),
        ("[Inputs],  ", "[Inputs, Inputs],", "yaml:6: keep: names something twice"),
    ],
)
def test_bad_mapspaces(tmp_path, old, new, message):
    path = tmp_path / "mapspace.yaml"
    assert old in MAPSPACE_TEXT
    path.write_text(MAPSPACE_TEXT.replace(old, new))
    with pytest.raises(InputError, match=message):
        Mapspace.from_yaml(path)


def test_mapspace_of_another_machine(flat):
    mapspace = Mapspace((("Buffer", ("Inputs",)),), "mapspace.yaml")
    with pytest.raises(InputError, match=r"mapspace\.yaml: unknown memory 'Buffer', must be one"):
        mapspace.apply(Architecture.from_yaml(flat))


def test_empty_lists_of_a_mapspace(tmp_path):
    path = tmp_path / "mapspace.yaml"
    path.write_text(
        "mapspace: {constraints: [{target: A, type: datatype, keep: [Inputs], bypass: },"
        " {target: B, type: datatype, keep: [], bypass: [Weights, Inputs, Outputs]}]}"
    )
    assert Mapspace.from_yaml(path).keeps == (("A", ("Inputs",)), ("B", ()))
