# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the row-stationary mapping against reference data, tables and invariants.

Decides that the model of docs/model/mapping.md sections 3 to 6 is what the code computes: the
reference numbers, the worked examples of section 10, the chip's published mapping, and, for random
layers and arrays, the invariants of section 8.
"""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    Layer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.pe_set_geometry import fold_and_replicate
from nn_dataflow.core.phy_dim2 import PhyDim2

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "data" / "mapping.json").read_text(encoding="utf-8")
)
REFUSED = [case for case in REFERENCE if "assertion" in case]
MAPPED = [case for case in REFERENCE if "assertion" not in case]

LAYERS = {
    "CONV1": ConvLayer(3, 96, 55, 11, 4),
    "CONV2": ConvLayer(48, 256, 27, 5),
    "CONV3": ConvLayer(256, 384, 13, 3),
    "CONV4": ConvLayer(192, 384, 13, 3),
    "CONV5": ConvLayer(192, 256, 13, 3),
    "FC1": FCLayer(256, 4096, 6),
    "FC2": FCLayer(4096, 4096),
    "FC3": FCLayer(4096, 1000),
    "VGG1_2": ConvLayer(64, 64, 224, 3),
    "TALL": ConvLayer(64, 64, 13, 22),
    "SMALL": ConvLayer(5, 3, 13, 3),
    "IRR": ConvLayer(255, 383, 13, 3),
    "PW": ConvLayer(10, 100, 13, 1),
    "TINY": ConvLayer(6, 7, 3, 1),
    "POOL1": PoolingLayer(48, 27, 3, 2),
    "POOL5": PoolingLayer(1024, 1, 7),
    "TALLPOOL": PoolingLayer(10, 5, 27, 1),
    "LRN": LocalRegionLayer(32, 7, 5, 1),
    "ELT": LocalRegionLayer(256, 56, 2, 1),
    "ELT1": EltwiseLayer(1000, 1, 1),
}
ARRAYS = {"16x16": PhyDim2(16, 16), "12x14": PhyDim2(12, 14)}

# Section 10.2 and 10.4: layer, p, L, fold, repl, Q, ppeset, u.
GEOMETRY = {
    "16x16": """
CONV1 605 11,55 1,4 1,1 11,14 11,14 0.590820
CONV2 135 5,27 1,1 1,1 5,27 10,14 0.527344
CONV3 39 3,13 1,1 5,1 3,13 15,13 0.761719
CONV4 39 3,13 1,1 5,1 3,13 15,13 0.761719
CONV5 39 3,13 1,1 5,1 3,13 15,13 0.761719
FC1 6 6,1 1,1 2,16 6,1 12,16 0.750000
FC2 1 1,1 1,1 16,16 1,1 16,16 1.000000
FC3 1 1,1 1,1 16,16 1,1 16,16 1.000000
VGG1_2 672 3,224 1,3 1,1 3,75 15,15 0.875000
TALL 286 22,13 2,1 1,1 11,13 11,13 0.558594
SMALL 39 3,13 1,1 5,1 3,13 15,13 0.761719
IRR 39 3,13 1,1 5,1 3,13 15,13 0.761719
PW 13 1,13 1,1 16,1 1,13 16,13 0.812500
TINY 3 1,3 1,1 16,5 1,3 16,15 0.937500
POOL1 81 3,27 1,1 2,1 3,27 12,14 0.632812
POOL5 7 7,1 1,1 2,16 7,1 14,16 0.875000
TALLPOOL 135 27,5 2,1 1,3 14,5 14,15 0.791016
LRN 35 1,7 1,1 16,2 1,7 16,14 0.875000
ELT 112 1,56 1,1 4,1 1,56 16,14 0.875000
ELT1 1 1,1 1,1 16,16 1,1 16,16 1.000000
""",
    "12x14": """
CONV1 605 11,55 1,4 1,1 11,14 11,14 0.900298
CONV2 135 5,27 1,1 1,1 5,27 10,14 0.803571
CONV3 39 3,13 1,1 4,1 3,13 12,13 0.928571
CONV4 39 3,13 1,1 4,1 3,13 12,13 0.928571
CONV5 39 3,13 1,1 4,1 3,13 12,13 0.928571
FC1 6 6,1 1,1 2,14 6,1 12,14 1.000000
FC2 1 1,1 1,1 12,14 1,1 12,14 1.000000
FC3 1 1,1 1,1 12,14 1,1 12,14 1.000000
VGG1_2 672 3,224 1,4 1,1 3,56 12,14 1.000000
TALL 286 22,13 2,1 1,1 11,13 11,13 0.851190
SMALL 39 3,13 1,1 4,1 3,13 12,13 0.928571
IRR 39 3,13 1,1 4,1 3,13 12,13 0.928571
PW 13 1,13 1,1 12,1 1,13 12,13 0.928571
TINY 3 1,3 1,1 12,4 1,3 12,12 0.857143
POOL1 81 3,27 1,1 2,1 3,27 12,14 0.964286
POOL5 7 7,1 1,1 1,14 7,1 7,14 0.583333
TALLPOOL 135 27,5 3,1 1,2 9,5 9,10 0.535714
LRN 35 1,7 1,1 12,2 1,7 12,14 1.000000
ELT 112 1,56 1,1 3,1 1,56 12,14 1.000000
ELT1 1 1,1 1,1 12,14 1,1 12,14 1.000000
""",
}

# Section 10.3 and 10.4: layer, loopcnt, usize_gbuf, usize_regf, time, ops, accesses at DRAM, GBUF
# ("=" if as at DRAM) and ITCN; 4 decimals, in yield order.
DESCRIPTORS = {
    "16x16": """
CONV1 3,96,16 121,14301,770 11,11,1 605 91506.25 121,14074,756.25 = 1694,34958,8470
CONV2 48,256,4 25,961,729 5,5,1 135 18225 25,961,729 = 675,4185,3645
CONV3 256,77,4 45,225,845 3,3,1 39 7585.2468 44.8831,225,842.8052 = 583.4805,2925,2528.4156
CONV4 192,77,4 45,225,845 3,3,1 39 7585.2468 44.8831,225,842.8052 = 583.4805,2925,2528.4156
CONV5 192,52,4 45,225,845 3,3,1 39 7488 44.3077,225,832 = 576,2925,2496
CONV5 39,256,4 45,1125,169 3,3,1 39 7488 44.3077,1107.6923,169 = 576,2880,2535
FC1 256,128,4 1152,36,32 6,6,1 6 1152 1152,36,32 = 1152,1152,192
FC1 128,256,4 1152,72,16 6,6,1 6 1152 1152,72,16 = 1152,1152,192
FC2 4096,16,4 256,1,256 1,1,1 1 256 256,1,256 = 256,256,256
FC2 2048,32,4 256,2,128 1,1,1 1 256 256,2,128 = 256,256,256
FC2 1024,64,4 256,4,64 1,1,1 1 256 256,4,64 = 256,256,256
FC2 512,128,4 256,8,32 1,1,1 1 256 256,8,32 = 256,256,256
FC2 256,256,4 256,16,16 1,1,1 1 256 256,16,16 = 256,256,256
FC3 4096,4,4 256,1,256 1,1,1 1 250 250,1,250 = 250,256,250
FC3 2048,8,4 256,2,128 1,1,1 1 250 250,2,125 = 250,256,250
FC3 1024,16,4 256,4,64 1,1,1 1 250 250,4,62.5 = 250,256,250
FC3 512,32,4 256,8,32 1,1,1 1 250 250,8,31.25 = 250,256,250
FC3 256,63,4 256,16,16 1,1,1 1 253.9683 253.9683,16,15.873 = 253.9683,256,253.9683
VGG1_2 64,64,12 9,17402,16800 3,3,1 672 150528 9,17326.6667,16725.3333 = 675,50850,50400
TALL 64,64,4 484,1156,169 22,22,1 572 81796 484,1156,169 484,2312,338 6292,9724,3718
SMALL 5,1,4 27,225,507 3,3,1 39 4563 27,225,507 = 351,1755,1521
SMALL 1,3,4 45,1125,169 3,3,1 39 7605 45,1125,169 = 585,2925,2535
IRR 255,77,4 45,225,845 3,3,1 39 7565.4935 44.7662,225,840.6104 = 581.961,2925,2521.8312
IRR 51,383,4 45,1125,169 3,3,1 39 7605 45,1125,169 = 585,2925,2535
PW 10,7,4 16,169,2704 1,1,1 13 2414.2857 14.2857,169,2414.2857 = 185.7143,2704,2414.2857
PW 5,13,4 16,338,1352 1,1,1 13 2600 15.3846,338,1300 = 200,2704,2600
TINY 6,1,4 7,9,63 1,1,1 3 63 7,9,63 = 21,63,63
TINY 3,1,4 14,18,63 1,1,1 3 126 14,18,63 = 42,126,126
TINY 2,1,4 28,36,63 1,1,1 3 189 21,27,63 = 63,189,252
TINY 1,1,4 42,54,63 1,1,1 3 378 42,54,63 = 126,378,378
POOL1 1,24,4 0,6050,1458 0,3,1 81 13122 0,6050,1458 = 0,8910,4374
POOL5 1,32,4 0,1568,32 0,7,1 7 1568 0,1568,32 = 0,1568,224
TALLPOOL 1,4,4 0,2883,75 0,27,1 270 45562.5 0,2402.5,62.5 0,2402.5,125 0,5425,1750
LRN 1,1,4 0,1568,1568 0,1,1 35 7840 0,1568,1568 = 0,1568,1568
ELT 1,64,4 0,12544,12544 0,1,1 112 25088 0,12544,12544 = 0,12544,12544
ELT1 1,4,4 0,256,256 0,1,1 1 250 0,250,250 = 0,250,250
""",
    "12x14": """
CONV1 3,96,16 121,14301,770 11,11,1 605 91506.25 121,14074,756.25 = 1694,34958,8470
CONV2 48,256,4 25,961,729 5,5,1 135 18225 25,961,729 = 675,4185,3645
CONV3 256,96,4 36,225,676 3,3,1 39 6084 36,225,676 = 468,2340,2028
CONV3 128,192,4 36,450,338 3,3,1 39 6084 36,450,338 = 468,2340,2028
CONV3 64,384,4 36,900,169 3,3,1 39 6084 36,900,169 = 468,2340,2028
CONV4 192,96,4 36,225,676 3,3,1 39 6084 36,225,676 = 468,2340,2028
CONV4 96,192,4 36,450,338 3,3,1 39 6084 36,450,338 = 468,2340,2028
CONV4 48,384,4 36,900,169 3,3,1 39 6084 36,900,169 = 468,2340,2028
CONV5 192,64,4 36,225,676 3,3,1 39 6084 36,225,676 = 468,2340,2028
CONV5 96,128,4 36,450,338 3,3,1 39 6084 36,450,338 = 468,2340,2028
CONV5 48,256,4 36,900,169 3,3,1 39 6084 36,900,169 = 468,2340,2028
FC1 256,147,4 1008,36,28 6,6,1 6 1003.102 1003.102,36,27.8639 = 1003.102,1008,167.1837
FC1 128,293,4 1008,72,14 6,6,1 6 1006.5256 1006.5256,72,13.9795 = 1006.5256,1008,167.7543
FC2 4096,25,4 168,1,168 1,1,1 1 163.84 163.84,1,163.84 = 163.84,168,163.84
FC2 2048,49,4 168,2,84 1,1,1 1 167.1837 167.1837,2,83.5918 = 167.1837,168,167.1837
FC2 1024,98,4 168,4,42 1,1,1 1 167.1837 167.1837,4,41.7959 = 167.1837,168,167.1837
FC2 342,293,4 168,12,14 1,1,1 1 167.4273 167.4273,11.9766,13.9795 = 167.4273,167.6725,167.7543
FC3 4096,6,4 168,1,168 1,1,1 1 166.6667 166.6667,1,166.6667 = 166.6667,168,166.6667
FC3 2048,12,4 168,2,84 1,1,1 1 166.6667 166.6667,2,83.3333 = 166.6667,168,166.6667
FC3 1024,24,4 168,4,42 1,1,1 1 166.6667 166.6667,4,41.6667 = 166.6667,168,166.6667
VGG1_2 64,64,16 9,13108,12544 3,3,1 672 112896 9,13108,12544 = 504,37968,37632
TALL 64,64,4 484,1156,169 22,22,1 572 81796 484,1156,169 484,2312,338 6292,9724,3718
SMALL 5,1,4 27,225,507 3,3,1 39 4563 27,225,507 = 351,1755,1521
IRR 255,96,4 36,225,676 3,3,1 39 6068.1562 35.9062,225,674.2396 = 466.7812,2340,2022.7188
PW 10,9,4 12,169,2028 1,1,1 13 1877.7778 11.1111,169,1877.7778 = 144.4444,2028,1877.7778
PW 5,17,4 12,338,1014 1,1,1 13 1988.2353 11.7647,338,994.1176 = 152.9412,2028,1988.2353
TINY 6,1,4 7,9,63 1,1,1 3 63 7,9,63 = 21,63,63
TINY 3,1,4 14,18,63 1,1,1 3 126 14,18,63 = 42,126,126
TINY 2,1,4 21,27,63 1,1,1 3 189 21,27,63 = 63,189,189
TINY 2,1,4 28,36,63 1,1,1 3 189 21,27,63 = 63,189,252
TINY 1,1,4 42,54,63 1,1,1 3 378 42,54,63 = 126,378,378
POOL1 1,24,4 0,6050,1458 0,3,1 81 13122 0,6050,1458 = 0,8910,4374
POOL5 1,74,4 0,686,14 0,7,1 7 678.0541 0,678.0541,13.8378 = 0,678.0541,96.8649
TALLPOOL 1,5,4 0,1922,50 0,27,1 405 36450 0,1922,50 0,1922,150 0,2790,1350
LRN 1,2,4 0,1176,1176 0,1,1 35 3920 0,784,784 = 0,784,784
ELT 1,86,4 0,9408,9408 0,1,1 112 18670.1395 0,9335.0698,9335.0698 = 0,9335.0698,9335.0698
ELT1 1,6,4 0,168,168 0,1,1 1 166.6667 0,166.6667,166.6667 = 0,166.6667,166.6667
""",
}


def table_rows(tables):
    """The rows of the tables, each as (array name, layer name, the other columns)."""
    return [
        (array, *row.split(" ", maxsplit=1))
        for array, table in tables.items()
        for row in table.strip().splitlines()
    ]


def numbers(text):
    return [float(num) for num in text.split(",")]


def reference_layer(spec):
    sofm, strd = tuple(spec["sofm"]), tuple(spec["strd"])
    kind, nofm = spec["type"], spec["nofm"]
    if kind == "ConvLayer":
        return ConvLayer(spec["nifm"], nofm, sofm, tuple(spec["sfil"]), strd)
    if kind == "FCLayer":
        return FCLayer(spec["nifm"], nofm, tuple(spec["sfil"]))
    if kind == "PoolingLayer":
        return PoolingLayer(nofm, sofm, tuple(spec["sreg"]), strd)
    if kind == "EltwiseLayer":
        return EltwiseLayer(nofm, sofm, spec["nreg"])
    assert kind == "LocalRegionLayer"
    return LocalRegionLayer(nofm, sofm, spec["nreg"], tuple(spec["sreg"]), spec["ntrd"], strd)


def reference_strategy(case):
    layer = reference_layer(case["layer"])
    return MapStrategyEyeriss(layer, case["batch"], case["occupancy"], PhyDim2(*case["dim_array"]))


def eyeriss(layer, array=ARRAYS["16x16"], batch_size=4, occupancy=1):
    return MapStrategyEyeriss(layer, batch_size, occupancy, array)


def descriptors(*args, **kwargs):
    return list(eyeriss(*args, **kwargs).gen_nested_loop_desc())


def close(value):
    return pytest.approx(value, rel=1e-9, abs=0)


def check_invariants(strategy):
    """Check section 8, to rounding, for every descriptor of a strategy."""
    layer, fold = strategy.layer, strategy.fold
    is_conv = isinstance(layer, ConvLayer)
    rows = strategy.dim_lpeset.h + (layer.hofm / fold.w - 1) * layer.htrd
    amp = rows * fold.w / layer.hifm
    total = (
        layer.total_filter_size() if is_conv else 0,
        layer.total_ifmap_size(strategy.batch_size) * amp,
        layer.total_ofmap_size(strategy.batch_size),
    )
    ops = layer.total_ops(strategy.batch_size) * strategy.occupancy
    busy_pes = strategy.dim_array.size() * strategy.utilization()
    ops_unit = layer.ops_per_neuron() // (layer.nifm if is_conv else 1) * layer.wofm
    ops_unit *= layer.hofm / fold.w

    descs = list(strategy.gen_nested_loop_desc())
    assert descs
    assert len(set(descs)) == len(descs)
    for desc in descs:
        assert desc.unit_time * busy_pes == close(ops_unit * strategy.repl.size())
        assert desc.unit_time * busy_pes >= desc.unit_ops * (1 - 1e-9)
        assert desc.total_ops() == close(ops)
        passes = math.prod(desc.loopcnt)
        for dce in range(de.NUM):
            assert desc.total_access_at_of(me.DRAM, dce) == close(total[dce])
            expected = 0 if dce == de.FIL and not is_conv else ops
            assert desc.unit_access_at_of(me.REGF, dce) * passes == close(expected)
            size = desc.usize_gbuf_of(dce)
            assert isinstance(size, int)
            assert size >= desc.unit_access_at_of(me.DRAM, dce) * (1 - 1e-9)


# Random layers and arrays.

channels = st.integers(1, 40)
extents = st.integers(1, 12)
pairs = st.tuples(extents, extents)
tall_pairs = st.tuples(st.integers(1, 60), extents)

conv_layers = st.one_of(
    st.builds(ConvLayer, channels, channels, tall_pairs, pairs, pairs),
    st.builds(FCLayer, channels, channels, pairs),
)
local_region_layers = st.one_of(
    st.builds(
        LocalRegionLayer, channels, tall_pairs, st.integers(1, 6), st.just(1), st.integers(1, 4)
    ),
    st.builds(PoolingLayer, channels, tall_pairs, pairs, pairs),
    st.builds(EltwiseLayer, channels, tall_pairs, st.integers(1, 4)),
)
arrays = st.builds(PhyDim2, st.integers(1, 20), st.integers(1, 20))
occupancies = st.floats(0.01, 1)
strategies = st.builds(
    MapStrategyEyeriss,
    st.one_of(conv_layers, local_region_layers),
    st.integers(1, 16),
    occupancies,
    arrays,
)


class TestReference:
    """Equality with the reference data."""

    def test_which_cases_have_numbers(self):
        assert len(MAPPED) == 220
        assert sum(case["layer"]["type"] == "EltwiseLayer" for case in REFUSED) == 49
        assert len(REFUSED) == 53

    @pytest.mark.parametrize("case", MAPPED, ids=range(len(MAPPED)))
    def test_descriptors_equal_reference_in_order(self, case):
        strategy = reference_strategy(case)
        assert strategy.utilization() == close(case["utilization"])
        descs = list(strategy.gen_nested_loop_desc())
        assert len(descs) == len(case["nested_loop_descs"])
        for desc, ref in zip(descs, case["nested_loop_descs"], strict=True):
            assert desc.data_loops == strategy.layer.data_loops()
            for field, value in ref.items():
                ours = getattr(desc, field)
                if field == "unit_access":
                    assert [list(level) for level in ours] == [close(level) for level in value]
                elif isinstance(value, list):
                    assert list(ours) == value
                else:
                    assert ours == close(value)

    @pytest.mark.parametrize("case", REFUSED, ids=range(len(REFUSED)))
    def test_cases_refused_by_reference_are_legal(self, case):
        check_invariants(reference_strategy(case))


class TestWorkedExamples:
    """The tables of section 10: batch 4, occupancy 1."""

    @pytest.mark.parametrize(("array", "name", "columns"), table_rows(GEOMETRY))
    def test_geometry(self, array, name, columns):
        strategy = eyeriss(LAYERS[name], ARRAYS[array])
        ops_lpe, *dims, utilization = columns.split()
        assert strategy.ops_lpe == int(ops_lpe)
        assert [
            strategy.dim_lpeset,
            strategy.fold,
            strategy.repl,
            strategy.dim_flpeset,
            strategy.dim_ppeset,
        ] == [tuple(numbers(dim)) for dim in dims]
        assert f"{strategy.utilization():.6f}" == utilization

    def test_every_layer_has_a_table_row(self):
        for tables in (GEOMETRY, DESCRIPTORS):
            rows = {(array, name) for array, name, _ in table_rows(tables)}
            assert rows == {(array, name) for array in ARRAYS for name in LAYERS}

    @pytest.mark.parametrize("array", ARRAYS)
    @pytest.mark.parametrize("name", LAYERS)
    def test_descriptors(self, array, name):
        rows = [
            cols.split()
            for arr, nam, cols in table_rows(DESCRIPTORS)
            if (arr, nam) == (array, name)
        ]
        descs = descriptors(LAYERS[name], ARRAYS[array])
        assert len(descs) == len(rows)
        regf_has_filters = isinstance(LAYERS[name], ConvLayer)
        for desc, row in zip(descs, rows, strict=True):
            loopcnt, usize_gbuf, usize_regf, time, ops, dram, gbuf, itcn = row
            assert list(desc.loopcnt) == numbers(loopcnt)
            assert list(desc.usize_gbuf) == numbers(usize_gbuf)
            assert list(desc.usize_regf) == numbers(usize_regf)
            assert desc.unit_time == int(time)
            ops = float(ops)
            expected = (
                numbers(dram),
                numbers(dram if gbuf == "=" else gbuf),
                numbers(itcn),
                [ops if regf_has_filters else 0, ops, ops],
            )
            assert desc.unit_ops == pytest.approx(ops, abs=5.1e-5, rel=0)
            for ours, ref in zip(desc.unit_access, expected, strict=True):
                assert list(ours) == pytest.approx(ref, abs=5.1e-5, rel=0)

    def test_case_by_hand(self):
        (desc,) = descriptors(LAYERS["VGG1_2"])
        assert desc.loopcnt == (64, 64, 12)
        assert desc.unit_access_at_of(me.ITCN) == 675 + 50850 + 50400
        assert desc.unit_ops == close(150528)
        assert desc.total_ops() == close(7398752256)
        assert [desc.total_access_at_of(me.DRAM, dce) for dce in range(de.NUM)] == close(
            [36864, 13306880, 12845056]
        )

    def test_occupancy_scales_only_operations_and_register_file(self):
        (full,) = descriptors(LAYERS["CONV1"])
        (half,) = descriptors(LAYERS["CONV1"], occupancy=0.5)
        ops = 45753.125
        assert half == full._replace(
            unit_access=(*full.unit_access[: me.REGF], (ops, ops, ops)), unit_ops=ops
        )


class TestEyerissChip:
    """AlexNet on the 12×14 PEs of the chip (JSSC 2017, tables III and V; ISSCC 2016)."""

    # Layer, width of a PE set, replicas over input and output channels (r, t), active PEs. The
    # chip runs CONV1 as two sets of width 7 (t = 2) where the model has one of width 14.
    MAPPING = (
        ("CONV1", 14, (1, 1), 154),
        ("CONV2", 27, (1, 1), 135),
        ("CONV3", 13, (1, 4), 156),
        ("CONV4", 13, (2, 2), 156),
        ("CONV5", 13, (2, 2), 156),
    )

    @pytest.mark.parametrize(("name", "width", "repl", "active_pes"), MAPPING)
    def test_published_mapping(self, name, width, repl, active_pes):
        layer = LAYERS[name]
        strategy = eyeriss(layer, ARRAYS["12x14"])
        assert strategy.dim_flpeset == (layer.hfil, width)
        assert strategy.repl.size() == math.prod(repl)
        assert strategy.num_active_pes == active_pes
        filters = [desc.usize_gbuf_of(de.FIL) for desc in strategy.gen_nested_loop_desc()]
        assert set(filters) == {layer.filter_size() * math.prod(repl)}
        trips = [desc.loopcnt[:2] for desc in strategy.gen_nested_loop_desc()]
        assert (layer.nifm // repl[0], layer.nofm // repl[1]) in trips

    def test_busy_pes_of_conv1(self):
        """The last strip has 13 columns for 14, so 151.25 of the 154 PEs work on average."""
        strategy = eyeriss(LAYERS["CONV1"], ARRAYS["12x14"])
        assert strategy.utilization() * 168 == close(151.25)
        (desc,) = strategy.gen_nested_loop_desc()
        assert desc.unit_ops / desc.unit_time == close(151.25)


class TestCorrections:
    """Where the mapping differs on purpose from the program it reproduces."""

    @pytest.mark.parametrize(
        ("layer", "array", "utilization"),
        [
            (ConvLayer(1, 1, 9, 9), PhyDim2(16, 16), 81 / 256),
            (ConvLayer(16, 16, (8, 8), 5), PhyDim2(12, 14), 80 / 168),
            (ConvLayer(3, 96, (11, 55), 11, 4), PhyDim2(16, 16), 121 / 256),
        ],
    )
    def test_utilization_of_half_or_less_is_legal(self, layer, array, utilization):
        strategy = eyeriss(layer, array)
        assert strategy.utilization() == utilization
        check_invariants(strategy)

    def test_identical_descriptors_are_yielded_once(self):
        """Splits 1×5 and 5×1 of five replicas are both capped to one channel."""
        strategy = eyeriss(ConvLayer(1, 1, 4, 3))
        assert strategy.repl.h == 5
        assert [desc.loopcnt for desc in strategy.gen_nested_loop_desc()] == [(1, 1, 4)]

    def test_eltwise_reads_every_operand(self):
        (desc,) = descriptors(EltwiseLayer(256, 56, 2))
        assert desc.total_access_at_of(me.DRAM, de.IFM) == close(6422528)
        assert desc.usize_gbuf == (0, 2 * 12544, 12544)
        assert desc.usize_regf == (0, 2, 1)
        assert desc.unit_access == (
            (0, 2 * 12544, 12544),
            (0, 2 * 12544, 12544),
            (0, 2 * 12544, 12544),
            (0, 25088, 25088),
        )
        assert desc.total_ops() == close(256 * 56 * 56 * 2 * 4)

    @given(channels, tall_pairs, st.integers(1, 5), arrays, occupancies)
    def test_eltwise_differs_from_one_operand_in_ifmaps_only(self, nofm, sofm, nreg, array, occ):
        (one,) = descriptors(LocalRegionLayer(nofm, sofm, nreg, 1), array, occupancy=occ)
        (ours,) = descriptors(EltwiseLayer(nofm, sofm, nreg), array, occupancy=occ)

        def times_nreg(triple):
            return (triple[0], triple[1] * nreg, triple[2])

        access = tuple(close(times_nreg(level)) for level in one.unit_access[: me.REGF])
        assert ours.unit_access[: me.REGF] == access
        assert ours == one._replace(
            usize_gbuf=times_nreg(one.usize_gbuf),
            usize_regf=times_nreg(one.usize_regf),
            unit_access=(*ours.unit_access[: me.REGF], one.unit_access[me.REGF]),
        )

    def test_interconnect_serves_every_replica(self):
        """Four replicas of 3×13 PEs each take their own rows of 15 ifmap words."""
        first = descriptors(LAYERS["CONV3"], ARRAYS["12x14"])[0]
        assert first.unit_access_at_of(me.ITCN, de.IFM) == 4 * 3 * 13 * 15


class TestCandidates:
    """How vertical replicas are split between input and output channels."""

    @pytest.mark.parametrize(
        ("array", "passes"), [("16x16", [24, 12, 8, 4]), ("12x14", [24, 12, 8, 8, 4])]
    )
    def test_running_minimum_keeps_earlier_and_tied(self, array, passes):
        descs = descriptors(LAYERS["TINY"], ARRAYS[array])
        assert [math.prod(desc.loopcnt) for desc in descs] == passes

    @given(conv_layers, arrays)
    def test_conv_candidates_are_those_of_the_definition(self, layer, array):
        strategy = eyeriss(layer, array)
        repl = strategy.repl
        expected = []
        products = []
        for a in range(1, repl.h + 1):
            if repl.h % a:
                continue
            i = min(a, layer.nifm)
            o = min(repl.h // a * repl.w, layer.nofm)
            trips = math.ceil(layer.nifm / i), math.ceil(layer.nofm / o)
            sizes = i * o * layer.filter_size()
            products.append(math.prod(trips))
            if products[-1] == min(products) and (trips, sizes) not in expected:
                expected.append((trips, sizes))
        ours = [
            (desc.loopcnt[:2], desc.usize_gbuf_of(de.FIL))
            for desc in strategy.gen_nested_loop_desc()
        ]
        assert ours == expected

    @given(local_region_layers, arrays)
    def test_local_region_has_one_candidate_over_output_channels(self, layer, array):
        strategy = eyeriss(layer, array, batch_size=3)
        (desc,) = strategy.gen_nested_loop_desc()
        repl = min(strategy.repl.size(), layer.nofm)
        assert desc.loopcnt == (1, math.ceil(layer.nofm / repl), 3 * strategy.fold.w)


class TestInvariants:
    """Section 8, for any layer on any array."""

    @given(strategies)
    @settings(max_examples=300)
    def test_invariants(self, strategy):
        check_invariants(strategy)

    @given(strategies)
    def test_geometry_fits_and_covers(self, strategy):
        array, lpeset, flpeset = strategy.dim_array, strategy.dim_lpeset, strategy.dim_flpeset
        assert strategy.dim_ppeset.h <= array.h
        assert strategy.dim_ppeset.w <= array.w
        assert strategy.num_active_pes <= strategy.dim_ppeset.size()
        assert 0 < strategy.utilization() <= strategy.num_active_pes / array.size()
        for need, piece, fold in zip(lpeset, flpeset, strategy.fold, strict=True):
            assert piece * fold >= need > piece * fold - fold

    @given(arrays, arrays)
    def test_strips_hold_the_folded_set(self, lpeset, array):
        geometry = fold_and_replicate(lpeset, array)
        assert geometry.dim_flpeset.w <= geometry.strips * array.w
        assert geometry.dim_flpeset.h * geometry.repl.h * geometry.strips == geometry.dim_ppeset.h
        assert geometry.strips == 1 or geometry.repl.w == 1

    @given(strategies)
    def test_logical_pes_do_all_operations(self, strategy):
        layer, batch_size = strategy.layer, strategy.batch_size
        num_lpesets = batch_size * layer.nofm
        if isinstance(layer, ConvLayer):
            num_lpesets *= layer.nifm
        ops = strategy.ops_lpe * strategy.dim_lpeset.size() * num_lpesets
        assert ops == layer.total_ops(batch_size)

    @given(strategies)
    def test_batch_only_multiplies_passes(self, strategy):
        one = MapStrategyEyeriss(strategy.layer, 1, strategy.occupancy, strategy.dim_array)
        for desc, ref in zip(
            strategy.gen_nested_loop_desc(), one.gen_nested_loop_desc(), strict=True
        ):
            t_ifm, t_ofm, t_bat = ref.loopcnt
            assert desc == ref._replace(loopcnt=(t_ifm, t_ofm, t_bat * strategy.batch_size))

    @pytest.mark.parametrize(
        ("layer", "same"),
        [
            (FCLayer(6, 8, 3), ConvLayer(6, 8, 1, 3)),
            (PoolingLayer(6, 8, 3), LocalRegionLayer(6, 8, 1, 3, strd=3)),
            (EltwiseLayer(6, 8, 3), LocalRegionLayer(6, 8, 3, 1, ntrd=3)),
        ],
    )
    def test_equal_layers_have_equal_descriptors(self, layer, same):
        assert layer == same
        assert descriptors(layer) == descriptors(same)


class TestRefusals:
    """What cannot be mapped."""

    @pytest.mark.parametrize("layer", [InputLayer(3, 224), Layer(3, 224)])
    def test_layer_kind(self, layer):
        with pytest.raises(
            TypeError, match=rf"^MapStrategyEyeriss: layer .*{type(layer).__name__}"
        ):
            eyeriss(layer)

    def test_arguments_are_checked_first(self):
        with pytest.raises(ValueError, match=r"^MapStrategyEyeriss: batch_size "):
            eyeriss(InputLayer(3, 224), batch_size=0)
