# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the data dimension loops (docs/model/workload.md section 2)."""

import itertools
import pickle

import pytest

from nn_dataflow.core import loop_enum as le
from nn_dataflow.core.data_dim_loops import DataDimLoops

SUBSETS = [
    subset for count in range(le.NUM + 1) for subset in itertools.combinations(range(le.NUM), count)
]


@pytest.mark.parametrize("subset", SUBSETS)
def test_order_and_repetition_do_not_count(subset):
    dims = DataDimLoops(*subset)
    for order in itertools.permutations(subset):
        twin = DataDimLoops(*order, *order)
        assert twin.loops() == subset
        assert twin == dims
        assert hash(twin) == hash(dims)


def test_sets_differ_by_content():
    assert len({DataDimLoops(*subset) for subset in SUBSETS}) == len(SUBSETS) == 8
    assert DataDimLoops(0) != (0,)


@pytest.mark.parametrize("subset", SUBSETS)
def test_take_and_drop_split_a_sequence(subset):
    dims = DataDimLoops(*subset)
    assert dims.take("abc") == ["abc"[lpe] for lpe in subset]
    assert dims.drop("abc") == ["abc"[lpe] for lpe in range(le.NUM) if lpe not in subset]


@pytest.mark.parametrize("lpe", [-1, le.NUM, 1.5, 1.0, None, "IFM"])
def test_refuses_what_is_no_loop(lpe):
    with pytest.raises(ValueError, match=r"^DataDimLoops: loops must be .* got "):
        DataDimLoops(le.IFM, lpe)


def test_immutable_printable_and_picklable():
    dims = DataDimLoops(le.BAT, le.IFM)
    with pytest.raises(AttributeError):
        dims._loops = (1,)
    assert repr(dims) == "DataDimLoops(0, 2)"
    assert pickle.loads(pickle.dumps(dims)) == dims
