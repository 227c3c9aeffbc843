# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the nested loop descriptor (docs/model/mapping.md section 7).

Decides what it refuses, that it is a value, and how totals follow from one processing pass.
"""

import pickle

import pytest

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.data_dim_loops import DataDimLoops
from nn_dataflow.core.nested_loop_desc import NestedLoopDesc

FIELDS = {
    "loopcnt": (3, 8, 4),
    "usize_gbuf": (20, 30, 9),
    "usize_regf": (3, 3, 1),
    "unit_access": ((19, 29, 9), (18, 28, 8), (35, 45, 15), (1, 1, 2.5)),
    "unit_ops": 7.5,
    "unit_time": 6,
    "data_loops": (DataDimLoops(0, 1), DataDimLoops(0, 2), DataDimLoops(1, 2)),
}


def desc(**changes):
    return NestedLoopDesc(**(FIELDS | changes))


def access_with(level, value):
    access = list(FIELDS["unit_access"])
    access[level] = value
    return tuple(access)


class TestValidation:
    def test_positional_and_keyword_construction(self):
        assert NestedLoopDesc(*FIELDS.values()) == desc()
        assert desc()._asdict() == FIELDS

    @pytest.mark.parametrize("field", FIELDS)
    def test_every_field_is_required(self, field):
        with pytest.raises(TypeError, match=field):
            NestedLoopDesc(**{name: val for name, val in FIELDS.items() if name != field})

    @pytest.mark.parametrize(
        "field", ["loopcnt", "usize_gbuf", "usize_regf", "unit_access", "data_loops"]
    )
    def test_tuples(self, field):
        with pytest.raises(TypeError, match=f"^NestedLoopDesc: {field} must be a tuple"):
            desc(**{field: list(FIELDS[field])})
        length = len(FIELDS[field])
        for wrong in (FIELDS[field][:-1], FIELDS[field] + FIELDS[field][:1], ()):
            with pytest.raises(
                ValueError, match=f"^NestedLoopDesc: {field} must have {length} entries"
            ):
                desc(**{field: wrong})

    @pytest.mark.parametrize("level", range(me.NUM))
    def test_access_of_each_level(self, level):
        with pytest.raises(TypeError, match=rf"^NestedLoopDesc: unit_access\[{level}\] must be a"):
            desc(unit_access=access_with(level, [1, 1, 1]))
        with pytest.raises(ValueError, match=rf"^NestedLoopDesc: unit_access\[{level}\] must have"):
            desc(unit_access=access_with(level, (1, 1)))

    @pytest.mark.parametrize("dce", range(de.NUM))
    def test_data_loops_entries(self, dce):
        loops = list(FIELDS["data_loops"])
        loops[dce] = (0, 1)
        with pytest.raises(
            TypeError, match=rf"^NestedLoopDesc: data_loops\[{dce}\] must be a Data"
        ):
            desc(data_loops=tuple(loops))

    def test_order_of_checks(self):
        order = ["loopcnt", "usize_gbuf", "usize_regf", "unit_access", "data_loops"]
        for idx, field in enumerate(order):
            with pytest.raises(TypeError, match=f": {field} "):
                desc(**dict.fromkeys(order[idx:]))

    def test_replace_is_checked(self):
        with pytest.raises(ValueError, match="loopcnt"):
            desc()._replace(loopcnt=(1, 2))


class TestValue:
    def test_equal_and_hashable_by_content(self):
        assert desc() == desc()
        assert hash(desc()) == hash(desc())
        other = desc()._replace(loopcnt=(1, 8, 4))
        assert other != desc()
        assert len({desc(), desc(), other}) == 2

    def test_immutable(self):
        with pytest.raises(AttributeError):
            desc().unit_ops = 1
        with pytest.raises(AttributeError):
            desc().more = 1

    def test_printable_and_picklable(self):
        assert repr(desc()).startswith("NestedLoopDesc(loopcnt=(3, 8, 4), usize_gbuf=(20, 30, 9)")
        assert pickle.loads(pickle.dumps(desc())) == desc()


class TestQuantities:
    def test_sizes(self):
        assert [desc().usize_gbuf_of(dce) for dce in range(de.NUM)] == [20, 30, 9]
        assert [desc().usize_regf_of(dce) for dce in range(de.NUM)] == [3, 3, 1]

    def test_unit_access(self):
        assert desc().unit_access_at_of(me.GBUF, de.IFM) == 28
        assert desc().unit_access_at_of(me.REGF, de.OFM) == 2.5
        assert desc().unit_access_at_of(me.DRAM) == 57
        assert desc().unit_access_at_of(me.REGF) == 4.5

    def test_totals(self):
        assert desc().total_ops() == 7.5 * 3 * 8 * 4
        assert desc().total_access_at_of(me.DRAM, de.FIL) == 19 * 3 * 8
        assert desc().total_access_at_of(me.ITCN, de.IFM) == 45 * 3 * 4
        assert desc().total_access_at_of(me.REGF, de.OFM) == 2.5 * 8 * 4
        assert desc().total_access_at_of(me.DRAM) == 19 * 24 + 29 * 12 + 9 * 32

    def test_data_that_no_loop_indexes_is_touched_once(self):
        local = desc(data_loops=(DataDimLoops(), DataDimLoops(1, 2), DataDimLoops(1, 2)))
        assert local.total_access_at_of(me.DRAM, de.FIL) == 19
        assert local.total_access_at_of(me.DRAM, de.IFM) == 29 * 8 * 4
