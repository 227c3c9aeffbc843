# SPDX-License-Identifier: BSD-3-Clause
"""Order of the enumerations (docs/model/hardware.md section 1)."""

import pytest

from nn_dataflow.core import data_category_enum, loop_enum, mem_hier_enum, parallel_enum


@pytest.mark.parametrize(
    ("enum", "members"),
    [
        (data_category_enum, ["FIL", "IFM", "OFM"]),
        (loop_enum, ["IFM", "OFM", "BAT"]),
        (mem_hier_enum, ["DRAM", "GBUF", "ITCN", "REGF"]),
        (parallel_enum, ["OUTP", "OFMP", "BATP", "INPP"]),
    ],
)
def test_members_in_order(enum, members):
    assert [getattr(enum, member) for member in members] == list(range(len(members)))
    assert len(members) == enum.NUM
    assert {name for name in vars(enum) if name.isupper()} == {*members, "NUM"}
