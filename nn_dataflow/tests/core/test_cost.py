# SPDX-License-Identifier: BSD-3-Clause
"""Cost tables against docs/model/hardware.md section 6, and corrections E5 and E10."""

import math
import pickle

import numpy as np
import pytest

from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.cost import Cost

FIELDS = {"mac_op": 1, "mem_hier": (200, 6, 2, 1), "noc_hop": 10, "idl_unit": 0}


def test_fields():
    cost = Cost(**FIELDS)
    assert cost._asdict() == FIELDS
    assert cost == Cost(1, (200, 6, 2, 1), 10, 0)
    assert hash(cost) == hash(Cost(*FIELDS.values()))
    assert repr(cost) == "Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)"
    same = pickle.loads(pickle.dumps(cost))
    assert type(same) is Cost
    assert same == cost


@pytest.mark.parametrize("missing", FIELDS)
def test_every_field_is_required(missing):
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    with pytest.raises(TypeError, match=f"^Cost.*{missing}"):
        Cost(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mac_op", 0),
        ("noc_hop", 2.5),
        ("idl_unit", np.float64(320)),
        ("mem_hier", (0, 0, 0, 0)),
        ("mem_hier", (np.int64(200), 6.5, 2, 1)),
    ],
)
def test_legal_value(field, value):
    assert getattr(Cost(**{**FIELDS, field: value}), field) == value


@pytest.mark.parametrize("field", ["mac_op", "noc_hop", "idl_unit", "mem_hier[2]"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ((1,), TypeError),
        ([1], TypeError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (-1, ValueError),
        (-0.5, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
    ],
)
def test_bad_cost_is_refused(field, value, error):
    changed = {"mem_hier": (200, 6, value, 1)} if "mem_hier" in field else {field: value}
    message = rf"^Cost: {field.replace('[', '.').replace(']', '.')} must be a scalar.*, got "
    with pytest.raises(error, match=message):
        Cost(**{**FIELDS, **changed})
    with pytest.raises(error, match=message):
        Cost(**FIELDS)._replace(**changed)


@pytest.mark.parametrize(
    ("mem_hier", "error"),
    [
        ([200, 6, 2, 1], TypeError),
        (200, TypeError),
        (None, TypeError),
        ((200, 6, 2), ValueError),
        ((200, 6, 2, 1, 1), ValueError),
        ((), ValueError),
    ],
)
def test_bad_mem_hier_is_refused(mem_hier, error):
    with pytest.raises(error, match=r"^Cost: mem_hier must .*, got "):
        Cost(**{**FIELDS, "mem_hier": mem_hier})


def test_mem_hier_at():
    cost = Cost(**FIELDS)
    levels = (me.DRAM, me.GBUF, me.ITCN, me.REGF)
    assert tuple(cost.mem_hier_at(mhe) for mhe in levels) == cost.mem_hier
    assert cost.mem_hier_at(np.int64(1)) == 6


@pytest.mark.parametrize("mhe", [me.NUM, 100, -1, slice(0, 2), None, "1", 1.0])
def test_mem_hier_at_no_level(mhe):
    assert Cost(**FIELDS).mem_hier_at(mhe) is None
