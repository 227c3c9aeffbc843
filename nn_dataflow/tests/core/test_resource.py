# SPDX-License-Identifier: BSD-3-Clause
"""Resources against docs/model/hardware.md sections 5 and 8, and corrections E5, E10 and M8."""

import math
import pickle

import numpy as np
import pytest

from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource, bus_width_from_bits, words_from_bits

PROC = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
DRAM = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)

FIELDS = {
    "proc_region": PROC,
    "dram_region": DRAM,
    "src_data_region": DRAM,
    "dst_data_region": DRAM,
    "dim_array": PhyDim2(16, 16),
    "size_gbuf": 65536,
    "size_regf": 256,
    "array_bus_width": 4,
    "dram_bandwidth": 64.0,
    "no_time_mux": False,
}


def test_fields():
    resource = Resource(**FIELDS)
    assert resource._asdict() == FIELDS
    assert list(resource._fields) == list(FIELDS)
    assert resource == Resource(*FIELDS.values())
    assert hash(resource) == hash(Resource(*FIELDS.values()))
    assert repr(resource).startswith("Resource(proc_region=NodeRegion(dim=PhyDim2(h=2, w=2)")
    same = pickle.loads(pickle.dumps(resource))
    assert type(same) is Resource
    assert same == resource


@pytest.mark.parametrize("missing", FIELDS)
def test_every_field_is_required(missing):
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    with pytest.raises(TypeError, match=f"^Resource.*{missing}"):
        Resource(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("src_data_region", PROC),
        ("dst_data_region", PROC),
        ("size_gbuf", 0),
        ("size_gbuf", 1.5),
        ("size_gbuf", math.inf),
        ("size_gbuf", np.int64(7)),
        ("size_regf", 0),
        ("size_regf", np.float32(7)),
        ("array_bus_width", math.inf),
        ("array_bus_width", np.int32(7)),
        ("dram_bandwidth", math.inf),
        ("dram_bandwidth", 1),
        ("dram_bandwidth", 0.25),
        ("no_time_mux", True),
    ],
)
def test_legal_value(field, value):
    assert getattr(Resource(**{**FIELDS, field: value}), field) == value


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("proc_region", PhyDim2(2, 2), TypeError),
        ("proc_region", None, TypeError),
        ("proc_region", DRAM, ValueError),
        ("proc_region", PROC._replace(dim=PhyDim2(0, 0)), ValueError),
        ("dram_region", PhyDim2(2, 2), TypeError),
        ("dram_region", PROC, ValueError),
        ("dram_region", DRAM._replace(dim=PhyDim2(0, 0)), ValueError),
        ("src_data_region", DRAM._replace(dim=PhyDim2(0, 0)), ValueError),
        ("dst_data_region", PROC._replace(dim=PhyDim2(0, 3)), ValueError),
        ("src_data_region", PhyDim2(2, 2), TypeError),
        ("dst_data_region", PhyDim2(2, 2), TypeError),
        ("dim_array", (16, 16), TypeError),
        ("dim_array", 16, TypeError),
        ("dim_array", PhyDim2(16, None), TypeError),
        ("dim_array", PhyDim2(16.0, 16), TypeError),
        ("dim_array", PhyDim2(0, 16), ValueError),
        ("dim_array", PhyDim2(0, -1), ValueError),
        ("dim_array", PhyDim2(-2, -2), ValueError),
        ("size_gbuf", (65536,), TypeError),
        ("size_gbuf", None, TypeError),
        ("size_gbuf", "65536", TypeError),
        ("size_gbuf", True, TypeError),
        ("size_gbuf", -1, ValueError),
        ("size_gbuf", math.nan, ValueError),
        ("size_regf", [256], TypeError),
        ("size_regf", None, TypeError),
        ("size_regf", -0.5, ValueError),
        ("size_regf", math.nan, ValueError),
        ("array_bus_width", 1.5, TypeError),
        ("array_bus_width", math.nan, TypeError),
        ("array_bus_width", None, TypeError),
        ("array_bus_width", True, TypeError),
        ("array_bus_width", (4,), TypeError),
        ("array_bus_width", 0, ValueError),
        ("array_bus_width", -4, ValueError),
        ("array_bus_width", -math.inf, ValueError),
        ("dram_bandwidth", None, TypeError),
        ("dram_bandwidth", "64", TypeError),
        ("dram_bandwidth", True, TypeError),
        ("dram_bandwidth", 0, ValueError),
        ("dram_bandwidth", -1.0, ValueError),
        ("dram_bandwidth", math.nan, ValueError),
        ("no_time_mux", 0, TypeError),
        ("no_time_mux", None, TypeError),
    ],
)
def test_bad_value_is_refused(field, value, error):
    message = f"^Resource: {field} must .*, got "
    with pytest.raises(error, match=message):
        Resource(**{**FIELDS, field: value})
    with pytest.raises(error, match=message):
        Resource(**FIELDS)._replace(**{field: value})


def test_published_message():
    with pytest.raises(TypeError, match=r"^Resource: size_gbuf must be a scalar"):
        Resource(**{**FIELDS, "size_gbuf": (1, 2)})


class TestWordsFromBits:
    """Example of section 8, and correction M8: sizes and widths round down to whole words."""

    def test_example(self):
        assert words_from_bits(131072 * 8, 16) == 65536
        assert words_from_bits(512 * 8, 16) == 256
        assert bus_width_from_bits(64, 16) == 4

    @pytest.mark.parametrize(
        ("num_bits", "word_bits", "words"),
        [(96, 12, 8), (100, 12, 8), (100, 7, 14), (15, 16, 0), (0, 16, 0)],
    )
    def test_whole_words(self, num_bits, word_bits, words):
        assert words_from_bits(num_bits, word_bits) == words

    def test_capacity_and_width_round_alike(self):
        assert words_from_bits(100, 12) == bus_width_from_bits(100, 12) == 8

    def test_unlimited_bus(self):
        assert bus_width_from_bits(0, 16) == math.inf

    @pytest.mark.parametrize("bus_bits", [1, 8, 15])
    def test_bus_narrower_than_a_word(self, bus_bits):
        with pytest.raises(
            ValueError, match=f"bus of {bus_bits} bits is narrower than a word of 16"
        ):
            bus_width_from_bits(bus_bits, 16)

    @pytest.mark.parametrize(("num_bits", "word_bits"), [(-1, 16), (16, 0), (16, -1)])
    def test_bad_value_is_refused(self, num_bits, word_bits):
        with pytest.raises(ValueError, match=r"^words_from_bits: .* must .*got"):
            words_from_bits(num_bits, word_bits)
        with pytest.raises(ValueError, match=r"^words_from_bits: .* must .*got"):
            bus_width_from_bits(num_bits, word_bits)
