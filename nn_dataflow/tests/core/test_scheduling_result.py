# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the condition and the result of a layer search (docs/model/search.md sections 2 and 3).

Decides what is refused, that both are values, and which totals are read off a result.
"""

import pickle
from collections import OrderedDict

import pytest

from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapRange
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource
from nn_dataflow.core.scheduling_constraint import (
    SchedulingConstraint,
    SchedulingConstraintLayerPipeline,
)
from nn_dataflow.core.scheduling_result import SchedulingCondition, SchedulingResult

PROC = NodeRegion(dim=PhyDim2(1, 1), origin=PhyDim2(0, 0), type=NodeRegion.PROC)
DRAM = NodeRegion(dim=PhyDim2(1, 1), origin=PhyDim2(0, 0), type=NodeRegion.DRAM)
UNDIVIDED = PartitionScheme(order=range(4), pdims=((1, 1),) * 4)


def layout_of(channels, *, size=8, region=DRAM):
    """Layout of fmaps with these channels, of 4 samples, on one node."""
    frng = FmapRange((0, 0, 0, 0), (4, channels, size, size))
    return DataLayout(frngs=(frng,), regions=(region,), parts=(UNDIVIDED,))


LAYOUT = layout_of(8)

SCHEME = OrderedDict(
    cost=100.5,
    time=90,
    ops=640.0,
    num_nodes=4,
    proc_time=50,
    bus_time=60,
    dram_time=90,
    access=((1.0, 2.0, 4.0), (10.0, 20.0, 40.0), (100.0, 200.0, 400.0), (0.5, 0.25, 0.0)),
    remote_gbuf_access=(3.0, 0.0, 2.0),
    total_nhops=(5.0, 6.0, 7.0),
)

CONDITION = {
    "resource": Resource(
        proc_region=PROC,
        dram_region=DRAM,
        src_data_region=DRAM,
        dst_data_region=DRAM,
        dim_array=PhyDim2(16, 16),
        size_gbuf=65536,
        size_regf=256,
        array_bus_width=8,
        dram_bandwidth=128,
        no_time_mux=False,
    ),
    "constraint": SchedulingConstraint(topbat=2),
    "ifmap_layout": LAYOUT,
    "sched_seq": (1, 0, 2),
}
RESULT = {"scheme": SCHEME, "ofmap_layout": LAYOUT, "sched_seq": (1, 0, 2)}

BOTH = pytest.mark.parametrize(
    ("cls", "fields"), [(SchedulingCondition, CONDITION), (SchedulingResult, RESULT)]
)


@BOTH
class TestBoth:
    def test_construction(self, cls, fields):
        value = cls(**fields)
        assert value == cls(*fields.values())
        assert value._asdict() == fields

    def test_value(self, cls, fields):
        value = cls(**fields)
        other = cls(**fields | {"sched_seq": (2, 0, 0)})
        assert value != other
        assert value._replace(sched_seq=(2, 0, 0)) == other
        assert len({value, cls(**fields), other}) == 2
        assert pickle.loads(pickle.dumps(value)) == value

    def test_bad_types(self, cls, fields):
        for field in fields:
            with pytest.raises(TypeError, match=f"^{cls.__name__}: {field} must be"):
                cls(**fields | {field: [1, 2, 3]})
            with pytest.raises(TypeError, match=f"^{cls.__name__}: {field} must be"):
                cls(**fields)._replace(**{field: [1, 2, 3]})

    @pytest.mark.parametrize("sched_seq", [(), (0,), (0, 0), (0, 0, 0, 0)])
    def test_bad_sched_seq(self, cls, fields, sched_seq):
        with pytest.raises(ValueError, match=f"^{cls.__name__}: sched_seq must be"):
            cls(**fields | {"sched_seq": sched_seq})

    def test_missing_field(self, cls, fields):
        with pytest.raises(TypeError):
            cls(**{field: value for field, value in fields.items() if field != "sched_seq"})


class TestCondition:
    def test_constraint_class_counts(self):
        base = SchedulingCondition(**CONDITION)
        pipeline = base._replace(constraint=SchedulingConstraintLayerPipeline(topbat=2))
        assert len({base, pipeline}) == 2


class TestResult:
    def test_scheme_must_be_ordered(self):
        with pytest.raises(TypeError, match=r"^SchedulingResult: scheme must be"):
            SchedulingResult(**RESULT | {"scheme": dict(SCHEME)})

    def test_different_schemes(self):
        result = SchedulingResult(**RESULT)
        other = result._replace(scheme=OrderedDict(SCHEME, cost=100.0))
        assert result != other
        assert len({result, other}) == 2

    def test_totals(self):
        result = SchedulingResult(**RESULT)
        assert result.total_cost == 100.5
        assert result.total_time == 90
        assert result.total_node_time == 60
        assert result.total_dram_time == 90
        assert result.total_proc_time == 50
        assert result.total_ops == 640
        assert result.total_accesses == [7, 75, 700, 0.75]
        assert result.total_noc_hops == 18
        assert result.num_nodes == 4

    def test_node_time_is_the_longer_of_processing_and_bus(self):
        scheme = OrderedDict(SCHEME, proc_time=70)
        assert SchedulingResult(**RESULT | {"scheme": scheme}).total_node_time == 70

    def test_totals_leave_the_scheme_unchanged(self):
        scheme = OrderedDict(SCHEME, access=[list(words) for words in SCHEME["access"]])
        result = SchedulingResult(**RESULT | {"scheme": scheme})
        assert result.total_accesses == result.total_accesses
        assert tuple(map(tuple, scheme["access"])) == SCHEME["access"]
