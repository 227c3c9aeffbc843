# SPDX-License-Identifier: BSD-3-Clause
"""Two-dimensional sizes against docs/model/hardware.md section 3."""

import operator
import pickle

import numpy as np
import pytest

from nn_dataflow.core.phy_dim2 import PhyDim2


def test_fields():
    dim = PhyDim2(w=3, h=2)
    assert (dim.h, dim.w) == (dim[0], dim[1]) == (2, 3)
    assert repr(dim) == "PhyDim2(h=2, w=3)"
    assert dim._replace(w=5) == PhyDim2(2, 5)
    assert dim._asdict() == {"h": 2, "w": 3}
    assert {dim: 1}[PhyDim2(2, 3)] == 1
    assert type(pickle.loads(pickle.dumps(dim))) is PhyDim2
    assert not hasattr(dim, "__dict__")


def test_order_is_lexicographic():
    assert PhyDim2(1, 9) < PhyDim2(2, 0) < PhyDim2(2, 1)


@pytest.mark.parametrize(("dim", "size"), [((2, 3), 6), ((0, 3), 0), ((2.5, 3), 7), ((-1, 4), -4)])
def test_size(dim, size):
    result = PhyDim2(*dim).size()
    assert result == size
    assert isinstance(result, int)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (PhyDim2(1, 2) + PhyDim2(3, 5), (4, 7)),
        (PhyDim2(1, 2) + 3, (4, 5)),
        (3 + PhyDim2(1, 2), (4, 5)),
        (PhyDim2(1, 2) - PhyDim2(3, 5), (-2, -3)),
        (PhyDim2(1, 2) - 3, (-2, -1)),
        (PhyDim2(1, 2) * PhyDim2(3, 5), (3, 10)),
        (PhyDim2(1, 2) * 3, (3, 6)),
        (3 * PhyDim2(1, 2), (3, 6)),
        (PhyDim2(1, 2) * 0.5, (0.5, 1)),
        (-PhyDim2(1, -2), (-1, 2)),
        (np.int64(3) * PhyDim2(1, 2), (3, 6)),
        (np.float64(3) + PhyDim2(1, 2), (4, 5)),
        (PhyDim2(1, 2) * np.int32(3), (3, 6)),
    ],
)
def test_arithmetic(result, expected):
    assert type(result) is PhyDim2
    assert result == expected


@pytest.mark.parametrize("other", [(3, 4), [3, 4], "ab", np.array([3, 4]), {}])
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul])
def test_pair_of_other_type_is_refused(operation, other):
    with pytest.raises(TypeError, match=r"^PhyDim2: "):
        operation(PhyDim2(1, 2), other)


@pytest.mark.parametrize("other", [(3, 4), [3, 4]])
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul])
def test_pair_of_other_type_on_the_left_is_refused(operation, other):
    with pytest.raises(TypeError):
        operation(other, PhyDim2(1, 2))


def test_no_number_is_refused():
    with pytest.raises(TypeError):
        PhyDim2(1, 2) + None


def test_hop_dist():
    assert PhyDim2(2, 3).hop_dist(PhyDim2(5, 1)) == 5
    assert PhyDim2(5, 1).hop_dist(PhyDim2(2, 3)) == 5
    assert PhyDim2(-1, 0).hop_dist(PhyDim2(-1, 0)) == 0
    with pytest.raises(TypeError, match=r"^PhyDim2: hop_dist"):
        PhyDim2(2, 3).hop_dist((5, 1))
