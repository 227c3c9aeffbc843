# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the base of all mapping strategies (docs/model/mapping.md sections 1 and 6).

Decides what a strategy refuses to be built from, and how a unit pass scales to a processing pass.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, PoolingLayer
from nn_dataflow.core.map_strategy import MapStrategy
from nn_dataflow.core.nested_loop_desc import UnitPass
from nn_dataflow.core.phy_dim2 import PhyDim2

CONV = ConvLayer(3, 8, 4, 3)
ARRAY = PhyDim2(4, 4)
UNIT = UnitPass(
    size_gbuf=(9, 36, 16),
    size_regf=(3, 3, 1),
    access=((9, 36, 16), (9, 36, 16), (36, 72, 48), (144, 144, 144)),
    ops=144,
    time=12,
)


class Chosen(MapStrategy):
    """A strategy derived outside the package."""

    def utilization(self):
        return 0.75


class TestConstruction:
    def test_arguments_are_readable(self):
        strategy = MapStrategy(CONV, 2, 0.5, ARRAY)
        assert strategy.layer == CONV
        assert strategy.batch_size == 2
        assert strategy.occupancy == 0.5
        assert strategy.dim_array == ARRAY

    @pytest.mark.parametrize("batch_size", [1, 10**6, np.int64(4)])
    def test_batch_sizes(self, batch_size):
        ours = MapStrategy(CONV, batch_size, 1, ARRAY).batch_size
        assert ours == batch_size
        assert type(ours) is int

    @pytest.mark.parametrize("occupancy", [1, 1e-9, np.float64(0.3)])
    def test_occupancies(self, occupancy):
        ours = MapStrategy(CONV, 1, occupancy, ARRAY).occupancy
        assert ours == occupancy
        assert type(ours) is float

    def test_any_layer_kind_passes_the_base(self):
        layer = InputLayer(3, 224)
        assert MapStrategy(layer, 1, 1, ARRAY).layer is layer

    @pytest.mark.parametrize("layer", [None, "conv", (3, 8, 4, 3), ConvLayer])
    def test_layer_type(self, layer):
        with pytest.raises(TypeError, match=r"^MapStrategy: layer must be a Layer"):
            MapStrategy(layer, 1, 1, ARRAY)

    @pytest.mark.parametrize("batch_size", [0, -2, 2.5, 4.0, math.nan, math.inf, None, "4", True])
    def test_batch_size_value(self, batch_size):
        with pytest.raises(ValueError, match=r"^MapStrategy: batch_size must be a positive whole"):
            MapStrategy(CONV, batch_size, 1, ARRAY)

    @pytest.mark.parametrize("occupancy", [0, -0.1, 1.0001, math.nan, math.inf, None, "1"])
    def test_occupancy_value(self, occupancy):
        with pytest.raises(ValueError, match=r"^MapStrategy: occupancy must be in \(0, 1\]"):
            MapStrategy(CONV, 1, occupancy, ARRAY)

    @pytest.mark.parametrize("dim_array", [None, 16, (16, 16), [16, 16]])
    def test_dim_array_type(self, dim_array):
        with pytest.raises(TypeError, match=r"^MapStrategy: dim_array must be a PhyDim2"):
            MapStrategy(CONV, 1, 1, dim_array)

    @pytest.mark.parametrize("dims", [(0, 4), (4, 0), (-1, 4), (4, -1), (2.5, 4), (4, math.inf)])
    def test_dim_array_value(self, dims):
        with pytest.raises(ValueError, match=r"^MapStrategy: dim_array must have a positive"):
            MapStrategy(CONV, 1, 1, PhyDim2(*dims))

    def test_messages_name_the_derived_class(self):
        with pytest.raises(ValueError, match=r"^Chosen: batch_size "):
            Chosen(CONV, 0, 1, ARRAY)


class TestDeriving:
    def test_base_has_no_mapping(self):
        strategy = MapStrategy(CONV, 1, 1, ARRAY)
        with pytest.raises(NotImplementedError, match=r"^MapStrategy: utilization"):
            strategy.utilization()
        with pytest.raises(NotImplementedError, match=r"^MapStrategy: gen_nested_loop_desc"):
            strategy.gen_nested_loop_desc()

    def test_derived_class_provides_it(self):
        strategy = Chosen(CONV, 1, 1, ARRAY)
        assert strategy.utilization() == 0.75
        with pytest.raises(NotImplementedError, match=r"^Chosen: gen_nested_loop_desc"):
            strategy.gen_nested_loop_desc()


class TestProcessingPass:
    def test_one_replica_is_the_unit_pass(self):
        desc = MapStrategy(CONV, 2, 1, ARRAY).processing_pass(UNIT)
        assert desc.loopcnt == (3, 8, 2)
        assert desc.usize_gbuf == UNIT.size_gbuf
        assert desc.usize_regf == UNIT.size_regf
        assert desc.unit_access == UNIT.access
        assert desc.unit_ops == UNIT.ops
        assert desc.unit_time == UNIT.time
        assert desc.data_loops == CONV.data_loops()

    def test_conv_replicas(self):
        """Shares: 3 of 2·2 input channels, 8 of 4·2 output channels, half the work is real."""
        desc = MapStrategy(CONV, 2, 0.5, ARRAY).processing_pass(UNIT, 2, 4, ofmap_parts=3)
        assert desc.loopcnt == (2, 2, 6)
        assert desc.usize_gbuf == (9 * 8, 36 * 2, 16 * 4)
        assert desc.usize_regf == (3, 3, 1)
        words = (9 * 8 * 0.75, 36 * 2 * 0.75, 16 * 4)
        work = 144 * 8 * 0.5 * 0.75
        assert desc.unit_access == (
            words,
            words,
            (36 * 8 * 0.75, 72 * 8 * 0.75, 48 * 8),
            (work, work, work),
        )
        assert desc.unit_ops == work
        assert desc.unit_time == 12

    def test_local_region_replicas_share_channels(self):
        """Every output channel has its own input channel: 8 of 5·2 channels are busy."""
        unit = UNIT._replace(
            size_gbuf=(0, 36, 16),
            access=((0, 36, 16), (0, 36, 16), (0, 72, 48), (0, 144, 144)),
        )
        desc = MapStrategy(PoolingLayer(8, 4, 3), 2, 1, ARRAY).processing_pass(unit, 1, 5)
        assert desc.loopcnt == (1, 2, 2)
        assert desc.usize_gbuf == (0, 36 * 5, 16 * 5)
        assert desc.unit_access[0] == (0, 36 * 5 * 0.8, 16 * 5 * 0.8)
        assert desc.unit_access[2] == (0, 72 * 5 * 0.8, 48 * 5 * 0.8)
        assert desc.unit_ops == 144 * 5 * 0.8

    @given(st.integers(1, 50), st.integers(1, 50), st.data())
    def test_replicas_do_not_change_the_totals(self, nifm, nofm, data):
        strategy = MapStrategy(FCLayer(nifm, nofm, (4, 9)), 3, 0.7, ARRAY)
        one = strategy.processing_pass(UNIT)
        ifm_repl = data.draw(st.integers(1, nifm))
        ofm_repl = data.draw(st.integers(1, nofm))
        desc = strategy.processing_pass(UNIT, ifm_repl, ofm_repl)
        assert desc.total_ops() == pytest.approx(one.total_ops(), rel=1e-9)
        for mhe in (0, 1):
            for dce in (0, 1, 2):
                total = one.total_access_at_of(mhe, dce)
                assert desc.total_access_at_of(mhe, dce) == pytest.approx(total, rel=1e-9)
