# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the layers (docs/model/workload.md section 3)."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import layer as layer_module
from nn_dataflow.core import loop_enum as le
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    Layer,
    LocalRegionLayer,
    PoolingLayer,
    divide_layer,
)

sizes = st.integers(1, 12)
pairs = st.tuples(sizes, sizes)
conv_layers = st.builds(ConvLayer, sizes, sizes, pairs, pairs, pairs)
local_region_layers = st.one_of(
    st.builds(LocalRegionLayer, sizes, pairs, st.just(1), pairs, sizes, pairs),
    st.builds(LocalRegionLayer, sizes, pairs, sizes, st.just(1), sizes, pairs),
    st.builds(PoolingLayer, sizes, pairs, pairs),
    st.builds(EltwiseLayer, sizes, pairs, sizes),
)
fed_layers = st.one_of(conv_layers, st.builds(FCLayer, sizes, sizes, pairs), local_region_layers)
EXAMPLES = [
    Layer(3, (20, 30), 2),
    InputLayer(3, 224),
    ConvLayer(3, 64, (28, 14), (3, 1), (2, 4)),
    FCLayer(100, 300, (7, 3)),
    LocalRegionLayer(64, 7, 5, 1, ntrd=3),
    PoolingLayer(64, (7, 8), (2, 3)),
    EltwiseLayer(256, 56, 2),
]


@pytest.mark.parametrize(
    ("layer", "source", "ofmaps", "ifmaps", "filters", "ops"),
    [
        (ConvLayer(3, 96, 55, 11, 4), (3, 227, 227), 1161600, 618348, 34848, 421660800),
        (ConvLayer(3, 64, (28, 14), (3, 1), (2, 4)), (3, 57, 53), 100352, 36252, 576, 903168),
        (FCLayer(256, 4096, 6), (256, 6, 6), 16384, 36864, 37748736, 150994944),
        (FCLayer(100, 300, (7, 3)), (100, 7, 3), 1200, 8400, 630000, 2520000),
        (LocalRegionLayer(64, 7, 5, 1), (64, 7, 7), 12544, 12544, None, 62720),
        (LocalRegionLayer(64, 7, 5, 1, 3), (192, 7, 7), 12544, 37632, None, 62720),
        (PoolingLayer(48, 27, 3, 2), (48, 55, 55), 139968, 580800, None, 1259712),
        (PoolingLayer(64, (7, 8), (2, 3)), (64, 14, 24), 14336, 86016, None, 86016),
        (EltwiseLayer(256, 56, 2), (512, 56, 56), 3211264, 6422528, None, 6422528),
    ],
)
def test_worked_values_at_batch_4(layer, source, ofmaps, ifmaps, filters, ops):
    assert (layer.nifm, layer.hifm, layer.wifm) == source
    assert layer.input_layer() == Layer(source[0], source[1:])
    assert layer.total_ofmap_size(4) == ofmaps
    assert layer.total_ifmap_size(4) == ifmaps
    assert layer.total_ops(4) == ops
    if filters is None:
        assert not hasattr(layer, "total_filter_size")
        assert not hasattr(layer, "filter_size")
    else:
        assert layer.total_filter_size() == filters
        assert not hasattr(layer, "region_size")


@given(fed_layers, sizes, sizes)
def test_sizes_scale_with_batch_and_word(layer, batch, word):
    assert layer.ofmap_size(batch, word) == layer.hofm * layer.wofm * batch * word
    assert layer.ifmap_size(batch, word) == layer.hifm * layer.wifm * batch * word
    assert layer.total_ofmap_size(batch, word) == layer.nofm * layer.ofmap_size(batch, word)
    assert layer.total_ifmap_size(batch, word) == layer.nifm * layer.ifmap_size(batch, word)
    assert layer.total_ops(batch) == batch * layer.total_ops()


@given(conv_layers, sizes)
def test_filter_sizes(conv, word):
    assert conv.filter_size(word) == conv.hfil * conv.wfil * word
    assert conv.total_filter_size(word) == conv.nifm * conv.nofm * conv.filter_size(word)
    assert conv.ops_per_neuron() * conv.nofm == conv.total_filter_size()


def test_input_layer_has_no_ifmaps():
    layer = InputLayer(3, 224)
    assert layer.total_ofmap_size(4) == 602112
    assert layer.total_ops(4) == layer.ops_per_neuron() == 0
    assert layer.input_layer() is None
    for ask in (
        lambda: layer.nifm,
        lambda: layer.hifm,
        lambda: layer.wifm,
        layer.ifmap_size,
        layer.total_ifmap_size,
        lambda: layer.is_valid_padding_sifm(224),
    ):
        with pytest.raises(AttributeError, match=r"^InputLayer: an input layer has no ifmaps"):
            ask()


def test_base_layer_has_no_input_side():
    layer = Layer(3, 4)
    for ask in (
        layer.data_loops,
        layer.input_layer,
        layer.ops_per_neuron,
        layer.total_ops,
        lambda: layer.nifm,
    ):
        with pytest.raises(NotImplementedError, match=r"^Layer: "):
            ask()


def test_kinds():
    assert issubclass(FCLayer, ConvLayer)
    assert issubclass(PoolingLayer, LocalRegionLayer)
    assert issubclass(EltwiseLayer, LocalRegionLayer)
    for one in (InputLayer, ConvLayer, LocalRegionLayer):
        assert issubclass(one, Layer)
        assert not any(
            issubclass(one, other)
            for other in (InputLayer, ConvLayer, LocalRegionLayer)
            if other is not one
        )


@pytest.mark.parametrize(
    ("kinds", "fil", "ifm"),
    [
        ((InputLayer,), (), ()),
        ((ConvLayer, FCLayer), (le.IFM, le.OFM), (le.IFM, le.BAT)),
        ((LocalRegionLayer, PoolingLayer, EltwiseLayer), (), (le.OFM, le.BAT)),
    ],
)
def test_data_loops_belong_to_the_kind(kinds, fil, ifm):
    for kind in kinds:
        loops = kind.data_loops()
        assert len(loops) == de.NUM
        assert loops[de.FIL].loops() == fil
        assert loops[de.IFM].loops() == ifm
        assert loops[de.OFM].loops() == (le.OFM, le.BAT)


@pytest.mark.parametrize(
    ("layer", "heights", "widths"),
    [
        (ConvLayer(3, 96, 55, 11, 4), range(220, 228), range(220, 228)),
        (PoolingLayer(48, 27, 3, 2), (54, 55), (54, 55)),
        (ConvLayer(3, 8, 28, 1, 2), (55, 56), (55, 56)),
        (FCLayer(256, 4096, 7), range(1, 8), range(1, 8)),
        (EltwiseLayer(256, 28, 2), (28,), (28,)),
        (PoolingLayer(4, 28, (2, 3), (3, 2)), (83, 84), (56, 57)),
    ],
)
def test_valid_padding(layer, heights, widths):
    accepted = [
        (h, w) for h in range(240) for w in range(240) if layer.is_valid_padding_sifm((h, w))
    ]
    assert accepted == [(h, w) for h in heights for w in widths]
    assert layer.is_valid_padding_sifm(heights[0]) == (heights[0] in widths)


def test_valid_padding_takes_a_scalar_or_a_pair():
    with pytest.raises(ValueError, match=r"^PoolingLayer: sifm"):
        PoolingLayer(4, 28, 2).is_valid_padding_sifm((56, 56, 1))
    with pytest.raises(TypeError, match=r"^PoolingLayer: sifm"):
        PoolingLayer(4, 28, 2).is_valid_padding_sifm(56.0)


MAKERS = {
    "Layer": (Layer, {"nofm": 3, "sofm": 4, "strd": 1}),
    "InputLayer": (InputLayer, {"nofm": 3, "sofm": 4, "strd": 1}),
    "ConvLayer": (ConvLayer, {"nifm": 2, "nofm": 3, "sofm": 4, "sfil": 3, "strd": 1}),
    "FCLayer": (FCLayer, {"nifm": 2, "nofm": 3, "sfil": 3}),
    "LocalRegionLayer": (
        LocalRegionLayer,
        {"nofm": 3, "sofm": 4, "nreg": 1, "sreg": 1, "ntrd": 1, "strd": 1},
    ),
    "PoolingLayer": (PoolingLayer, {"nofm": 3, "sofm": 4, "sreg": 2, "strd": 2}),
    "EltwiseLayer": (EltwiseLayer, {"nofm": 3, "sofm": 4, "nreg": 2}),
}
CASES = [(kind, field) for kind, (_, arguments) in MAKERS.items() for field in arguments]
PAIR_CASES = [(kind, field) for kind, field in CASES if field in ("sofm", "sfil", "sreg", "strd")]


class TestRefusals:
    def refused(self, error, kind, field, value):
        make, arguments = MAKERS[kind]
        make(**arguments)
        with pytest.raises(error, match=rf"^{kind}: {field} must be .*, got "):
            make(**{**arguments, field: value})

    @pytest.mark.parametrize(("kind", "field"), CASES)
    def test_sizes_are_positive_integers(self, kind, field):
        for value in (0, -3):
            self.refused(ValueError, kind, field, value)
        for value in ("4x", object(), True, 4j):
            self.refused((TypeError, ValueError), kind, field, value)

    @pytest.mark.parametrize(("kind", "field"), PAIR_CASES)
    def test_pairs_are_two_positive_integers(self, kind, field):
        for value in ((1,), (1, 1, 1), (0, 1), (1, -1), (1, 1.5), (float("nan"), 1)):
            self.refused(ValueError, kind, field, value)
        for value in (("1", 1), "11", (None, 1), 2.0):
            self.refused(TypeError, kind, field, value)

    @pytest.mark.parametrize("value", [1.5, 2.0, float("inf"), float("nan")])
    def test_channels_are_whole(self, value):
        self.refused(ValueError, "ConvLayer", "nifm", value)

    def test_channels_are_numbers(self):
        self.refused(TypeError, "ConvLayer", "nofm", "3")
        self.refused(TypeError, "EltwiseLayer", "nreg", None)

    @pytest.mark.parametrize("sreg", [2, (1, 2), (2, 1)])
    def test_region_along_one_direction(self, sreg):
        with pytest.raises(ValueError, match=r"^LocalRegionLayer: a region along channels"):
            LocalRegionLayer(3, 4, 2, sreg)


def test_sizes_may_be_any_integers_and_sequences():
    plain = ConvLayer(3, 4, (5, 6), (2, 2))
    assert ConvLayer(np.int64(3), 4, np.array([5, 6]), np.int32(2)) == plain
    assert ConvLayer(3, 4, [5, 6], 2, strd=[1, 1]) == plain


@pytest.mark.parametrize("layer", EXAMPLES)
def test_printed_form_makes_an_equal_layer(layer):
    twin = eval(repr(layer), vars(layer_module))
    assert type(twin) is type(layer)
    assert twin == layer


@pytest.mark.parametrize("layer", EXAMPLES)
def test_copies_are_equal(layer):
    for twin in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), copy.copy(layer)):
        assert type(twin) is type(layer)
        assert twin == layer
        assert hash(twin) == hash(layer)


@pytest.mark.parametrize("layer", EXAMPLES)
def test_immutable(layer):
    before = repr(layer)
    with pytest.raises(AttributeError, match="immutable"):
        layer.nofm = 7
    with pytest.raises(AttributeError, match="immutable"):
        layer.extra = 7
    with pytest.raises(AttributeError, match="immutable"):
        del layer.nofm
    assert repr(layer) == before


class TestEquality:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (FCLayer(3, 4, 2), ConvLayer(3, 4, 1, 2)),
            (InputLayer(3, 4), Layer(3, (4, 4))),
            (PoolingLayer(3, 4, 2), LocalRegionLayer(3, 4, 1, 2, strd=2)),
            (EltwiseLayer(3, 4, 2), LocalRegionLayer(3, 4, 2, 1, ntrd=2)),
        ],
    )
    def test_a_kind_equals_the_kind_it_derives_from(self, one, other):
        assert one == other
        assert other == one
        assert hash(one) == hash(other)

    def test_siblings_are_unequal(self):
        assert PoolingLayer(3, 4, 1) != EltwiseLayer(3, 4, 1)

    @pytest.mark.parametrize(
        "other",
        [
            ConvLayer(3, 5, 6, 2, 1),
            ConvLayer(4, 4, 6, 2, 1),
            ConvLayer(3, 4, (6, 5), 2, 1),
            ConvLayer(3, 4, 6, 3, 1),
            ConvLayer(3, 4, 6, 2, (1, 2)),
            LocalRegionLayer(4, 6, 1, 2),
            "ConvLayer",
        ],
    )
    def test_every_field_counts(self, other):
        assert ConvLayer(3, 4, 6, 2, 1) != other


class TestDivision:
    @pytest.mark.parametrize(
        ("layer", "sizes", "part"),
        [
            (ConvLayer(3, 96, 55, 11, 4), (1, 1, 2, 2), ConvLayer(3, 96, 28, 11, 4)),
            (ConvLayer(3, 96, 55, 11, 4), (1, 1, 4, 4), ConvLayer(3, 96, 14, 11, 4)),
            (FCLayer(4096, 1000), (1, 16, 1, 1), ConvLayer(4096, 63, 1, 1)),
            (FCLayer(256, 64, 6), (2, 4, 1, 1), FCLayer(128, 16, 6)),
            (PoolingLayer(48, 27, 3, 2), (1, 1, 2, 2), LocalRegionLayer(48, 14, 1, 3, strd=2)),
            (LocalRegionLayer(64, 7, 5, 1, 3), (1, 2, 1, 7), LocalRegionLayer(32, (7, 1), 5, 1)),
            (ConvLayer(30, 64, 28, 3), (4, 2, 1, 1), ConvLayer(8, 32, 28, 3)),
            (ConvLayer(12, 10, 7, 3), (2, 2, 2, 1), ConvLayer(6, 5, (4, 7), 3)),
        ],
    )
    def test_examples(self, layer, sizes, part):
        assert divide_layer(layer, *sizes) == part
        assert type(divide_layer(layer, *sizes)) in (ConvLayer, LocalRegionLayer)

    def test_eltwise_keeps_all_operands(self):
        # The original reads 128 input channels here, one operand of two.
        part = divide_layer(EltwiseLayer(256, 56, 2), 1, 2, 1, 1)
        assert type(part) is EltwiseLayer
        assert part == EltwiseLayer(128, 56, 2)
        assert part.nifm == 256

    @given(fed_layers, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
    def test_parts_cover_the_layer(self, layer, size_outp, dim_h, dim_w):
        part = divide_layer(layer, 1, size_outp, dim_h, dim_w)
        assert part.total_ops() * size_outp * dim_h * dim_w >= layer.total_ops()
        assert part.total_ofmap_size() * size_outp * dim_h * dim_w >= layer.total_ofmap_size()
        assert part.ops_per_neuron() == layer.ops_per_neuron()
        assert part.data_loops() == layer.data_loops()

    @given(conv_layers)
    def test_one_part_is_the_whole(self, conv):
        assert divide_layer(conv, 1, 1, 1, 1) == conv

    @given(local_region_layers)
    def test_input_channels_of_local_regions_are_not_divided(self, layer):
        with pytest.raises(ValueError, match="cannot be divided, got 2 parts"):
            divide_layer(layer, 2, 1, 1, 1)

    def test_refuses_layers_without_input(self):
        with pytest.raises(AttributeError, match=r"^InputLayer: "):
            divide_layer(InputLayer(3, 4), 1, 1, 1, 1)
        with pytest.raises(TypeError, match=r"^Layer: cannot divide"):
            divide_layer(Layer(3, 4), 1, 1, 1, 1)
