# SPDX-License-Identifier: BSD-3-Clause
"""Comparison of blocked schemes with reference data, and of the one correction that touches them.

Decides that the access model of docs/model/loop_blocking.md sections 3 to 6 counts what the
reference does, for every scheme of `data/blocking.json` and every figure recorded. Filters that the
reference pins without a place in the buffer are not compared as such; the correction of section 3.8
says what holds for them instead.
"""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from nn_dataflow.core import data_category_enum as de
from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.buf_shr_scheme import BufShrScheme
from nn_dataflow.core.data_dim_loops import DataDimLoops
from nn_dataflow.core.loop_blocking_scheme import LoopBlockingScheme
from nn_dataflow.core.loop_enum import BAT, IFM, OFM
from nn_dataflow.core.nested_loop_desc import NestedLoopDesc
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.option import Option
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource

RECORDS = json.loads(
    (Path(__file__).parents[1] / "data" / "blocking.json").read_text(encoding="utf-8")
)
CONV_LOOPS = (DataDimLoops(IFM, OFM), DataDimLoops(IFM, BAT), DataDimLoops(OFM, BAT))
LOCAL_REGION_LOOPS = (DataDimLoops(), DataDimLoops(OFM, BAT), DataDimLoops(OFM, BAT))
CATEGORIES = (de.FIL, de.IFM, de.OFM)


def is_conv(record):
    return record["layer"]["type"] in ("ConvLayer", "FCLayer")


def shares_or_forwards(record):
    options = record["options"]
    return options.get("hw_gbuf_sharing", False) or options.get("hw_access_forwarding", False)


def pins_what_is_not_stored(record):
    if not record["valid"]:
        return False
    result = record["result"]
    return result["filter_pinned"] and not result["stored_in_gbuf"][de.FIL]


NUMBERED = list(enumerate(RECORDS))
ALONE = [(number, rec) for number, rec in NUMBERED if not shares_or_forwards(rec)]
COMPARED = [(number, rec) for number, rec in NUMBERED if not pins_what_is_not_stored(rec)]
PINNED_NOWHERE = [(number, rec) for number, rec in NUMBERED if pins_what_is_not_stored(rec)]


def describe(numbered):
    number, record = numbered
    return f"{number}-{record['layer']['type']}-{record['data_location']}"


def tuples(values):
    return tuple(map(tuples, values)) if isinstance(values, list) else values


def number_or_inf(value):
    return math.inf if value == "inf" else value


def resource_of(record):
    """The machine of a record; the data region it names is where the record says."""
    spec = record["resource"]
    dim = PhyDim2(*record["nodes"])
    origin = PhyDim2(0, 0)
    proc = NodeRegion(dim=dim, origin=origin, type=NodeRegion.PROC)
    other = proc._replace(origin=PhyDim2(dim.h, 0))
    if spec["mem_type"] == "2D":
        corners = PhyDim2(2, 2)
        memory = NodeRegion(dim=corners, origin=origin, dist=dim - 1, type=NodeRegion.DRAM)
    else:
        memory = NodeRegion(dim=dim, origin=origin, type=NodeRegion.DRAM)
    side, _, place = record["data_location"].partition("_")
    on_chip = {"local": proc, "other": other}.get(place, memory)
    return Resource(
        proc_region=proc,
        dram_region=memory,
        src_data_region=on_chip if side == "src" else memory,
        dst_data_region=on_chip if side == "dst" else memory,
        dim_array=PhyDim2(*spec["dim_array"]),
        size_gbuf=spec["size_gbuf"],
        size_regf=spec["size_regf"],
        array_bus_width=number_or_inf(spec["array_bus_width"]),
        dram_bandwidth=number_or_inf(spec["dram_bandwidth"]),
        no_time_mux=spec["no_time_mux"],
    )


def scheme_of(record):
    nld = NestedLoopDesc(
        **{field: tuples(value) for field, value in record["nld"].items()},
        data_loops=CONV_LOOPS if is_conv(record) else LOCAL_REGION_LOOPS,
    )
    options = {**record["options"], "sw_gbuf_bypass": tuple(record["options"]["sw_gbuf_bypass"])}
    part = PartitionScheme(
        order=tuple(record["part"]["order"]),
        pdims=tuple(PhyDim2(*dim) for dim in record["part"]["pdims"]),
    )
    resource = resource_of(record)
    return LoopBlockingScheme(
        nld,
        tuples(record["bl_ts"]),
        tuples(record["bl_ords"]),
        resource,
        BufShrScheme(resource.proc_region, part, nld.data_loops),
        Option(**options),
    )


def computed(scheme):
    """Figures of a valid scheme under the names of the reference data."""
    return {
        "access": scheme.get_access(),
        "remote_gbuf_access": scheme.remote_gbuf_access,
        "ops": scheme.ops,
        "time": scheme.time,
        "proc_time": scheme.proc_time,
        "bus_time": scheme.bus_time,
        "dram_time": scheme.dram_time,
        "top_level_fetch": scheme.get_top_level_fetch(),
        "fetch": scheme.fetch,
        "stored_in_gbuf": scheme.stored_in_gbuf,
        "filter_pinned": scheme.filter_pinned,
        "data_size_gbuf": [scheme.data_size(scheme.BL.GBUF, dce) for dce in CATEGORIES],
        "data_size_regf": [scheme.data_size(scheme.BL.REGF, dce) for dce in CATEGORIES],
        "noc_access": scheme.get_noc_access(),
        "accfwd_reduction": scheme.accfwd_reduction,
        "bufshr_grp_size": scheme.bufshr_grp_size,
        "bufshr_subgrp_size": scheme.bufshr_subgrp_size,
        "bufshr_rotation_access": scheme.bufshr_rotation_access,
        "bufshr_wide_fetch_access": scheme.bufshr_wide_fetch_access,
        "final_bl_ords": scheme.bl_ords,
    }


def is_close(ours, reference):
    if isinstance(reference, list):
        return len(ours) == len(reference) and all(map(is_close, ours, reference))
    if isinstance(reference, bool):
        return ours is reference
    return math.isclose(ours, reference, rel_tol=1e-9)


def differences(scheme, reference, fields):
    ours = computed(scheme)
    return {
        field: f"{ours[field]}, reference {reference[field]}"
        for field in fields
        if not is_close(ours[field], reference[field])
    }


def test_what_is_compared():
    """Nothing is left out unseen: the reference has these kinds of schemes."""
    assert len(RECORDS) == 450
    assert len(ALONE) == 355
    assert Counter(is_conv(rec) for _, rec in PINNED_NOWHERE) == {True: 2, False: 24}
    assert {rec["data_location"] for _, rec in COMPARED} == {
        "dram",
        "src_local",
        "src_other",
        "dst_local",
        "dst_other",
    }
    assert any(rec["valid"] and rec["result"]["filter_pinned"] for _, rec in COMPARED)
    assert any(not rec["valid"] for _, rec in COMPARED)
    shared = [rec for _, rec in COMPARED if rec["options"].get("hw_gbuf_sharing")]
    forwarded = [rec for _, rec in COMPARED if rec["options"].get("hw_access_forwarding")]
    assert (len(shared), len(forwarded)) == (48, 39)
    assert sum(rec["valid"] and sum(rec["result"]["noc_access"]) > 0 for rec in shared) == 2


@pytest.mark.parametrize("numbered", COMPARED, ids=describe)
def test_scheme_equals_reference(numbered):
    _, record = numbered
    scheme = scheme_of(record)
    assert scheme.is_valid() == record["valid"]
    if record["valid"]:
        names = set(computed(scheme))
        assert names == set(record["result"])  # every figure recorded
        assert not differences(scheme, record["result"], names)
        return
    assert (scheme.time, scheme.get_top_level_fetch(), scheme.get_noc_access()) == (
        math.inf,
        None,
        None,
    )
    assert scheme.get_access() == [[math.inf] * 3] * 4


@pytest.mark.parametrize("numbered", PINNED_NOWHERE, ids=describe)
def test_filters_are_pinned_only_where_they_are_stored(numbered):
    """Correction M6 (docs/differences.md): what no buffer holds is not kept for good."""
    _, record = numbered
    scheme = scheme_of(record)
    assert scheme.is_valid()
    assert scheme.filter_pinned == scheme.stored_in_gbuf[de.FIL]
    touched = {"filter_pinned", "stored_in_gbuf", "fetch", "top_level_fetch"}
    touched |= {"access", "time", "dram_time"}
    assert not differences(scheme, record["result"], set(computed(scheme)) - touched)
    assert scheme.data_size(scheme.BL.GBUF) <= record["resource"]["size_gbuf"]
    for dce in (de.IFM, de.OFM):
        for level in range(me.NUM):
            assert is_close(scheme.access[level][dce], record["result"]["access"][level][dce])
    # There is room in no case: the filters are fetched, as nothing holds them.
    assert not scheme.filter_pinned
    assert scheme.get_top_level_fetch()[de.FIL] == 1
    if is_conv(record):
        filters = scheme.unit_cnt[scheme.BL.GBUF][de.FIL] * record["nld"]["usize_gbuf"][de.FIL]
        assert filters + scheme.data_size(scheme.BL.GBUF) > record["resource"]["size_gbuf"]
        assert scheme.access[me.DRAM][de.FIL] > 0
