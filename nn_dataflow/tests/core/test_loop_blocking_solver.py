# SPDX-License-Identifier: BSD-3-Clause
"""The analytical bypass solver, against a literal reading of docs/model/loop_blocking.md section 9.

Stages 1 and 2 by trying everything, on random loop nests.
"""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.layer import ConvLayer
from nn_dataflow.core.loop_blocking import gen_loopblocking
from nn_dataflow.core.loop_blocking_solver import gen_loopblocking_gbuf_reside
from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.option import Option
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.scheduling_constraint import SchedulingConstraint
from nn_dataflow.tests import reference_blocking as ref
from nn_dataflow.tests import strategies as own_st
from nn_dataflow.tests.core.test_loop_blocking_simulator import (
    ALL_BYPASS,
    COST,
    SCHEME_C,
    conv2_desc,
    local_desc,
    machine,
)

FIL, IFM, OFM = I, O, B = range(3)

# Loops x, y, z and categories of (x, y), (y, z), (x, z) with their weights, per resident category.
TABLE = {
    FIL: (I, O, B, (FIL, OFM, IFM), (1, 2, 1)),
    IFM: (I, B, O, (IFM, OFM, FIL), (1, 2, 1)),
    OFM: (O, B, I, (OFM, IFM, FIL), (2, 1, 1)),
}


def divisors(count):
    return [n for n in range(1, count + 1) if count % n == 0]


def solve(nld, resource, resident):
    """(bl_ts, bl_ords) of one resident category as section 9 says, None without a solution."""
    x, y, z, (xy, yz, xz), (axy, ayz, axz) = TABLE[resident]
    nx, ny, nz = (nld.loopcnt[loop] for loop in (x, y, z))
    g, q = nld.usize_gbuf, nld.usize_regf
    regf = resource.size_regf

    stage1 = []
    for x0, y0 in itertools.product(divisors(nx), divisors(ny)):
        bx, by = nx // x0, ny // y0
        least = min(bx * (q[xy] + q[xz]) + q[yz], by * (q[xy] + q[yz]) + q[xz])
        if bx * by * g[xy] <= resource.size_gbuf and least <= regf:
            words = nx * ny * g[xy] * axy
            words += ny * nz * g[yz] * ayz * x0 + nx * nz * g[xz] * axz * y0
            stage1.append((words, x0, y0))
    if not stage1:
        return None
    _, x0, y0 = min(stage1)  # the first of equal ones is the least in x0, then in y0

    def largest_z2(x2, y2):
        most = (regf - x2 * y2 * q[xy]) / (y2 * q[yz] + x2 * q[xz])
        return max((n for n in divisors(nz) if n <= most), default=-math.inf)

    x2, y2 = nx // x0, ny // y0
    if largest_z2(x2, y2) == -math.inf:
        (x2, y2) = (1, y2) if largest_z2(1, y2) >= largest_z2(x2, 1) else (x2, 1)
    z2 = largest_z2(x2, y2)
    top = {x: x0, y: y0, z: nz // z2}
    gbuf = {x: nx // (x0 * x2), y: ny // (y0 * y2), z: 1}
    inner = {x: x2, y: y2, z: z2}
    top_order = {z: 0, y: 1, x: 2}
    gbuf_order = {z: 2, x: 0, y: 1} if gbuf[x] > 1 else {z: 2, x: 1, y: 0}
    if top[z] == 1:
        top[x], top[y] = top[x] * gbuf[x], top[y] * gbuf[y]
        gbuf = {x: 1, y: 1, z: 1}
        top_order = gbuf_order

    def rows(*levels):
        return tuple(tuple(level[loop] for loop in (I, O, B)) for level in levels)

    return rows(top, gbuf, inner), rows(top_order, gbuf_order)


@st.composite
def solver_cases(draw):
    nld = draw(own_st.nested_loop_descs(conv=True, max_bodies=5000))
    return nld, draw(own_st.resources(nld)), draw(own_st.blocking_options())


@given(solver_cases())
@settings(max_examples=300, deadline=None)
def test_solver_is_section_9(case):
    """For each category such that all others may bypass; nothing where there is no solution."""
    nld, resource, options = case
    expected = [
        solve(nld, resource, resident)
        for resident in (FIL, IFM, OFM)
        if all(options.sw_gbuf_bypass[other] for other in range(3) if other != resident)
    ]
    found = list(gen_loopblocking_gbuf_reside(nld, resource, options))
    assert found == [scheme for scheme in expected if scheme is not None]


@given(solver_cases())
@settings(max_examples=200, deadline=None)
def test_solutions_are_schemes(case):
    """Exact factors and permutations, within the register files."""
    nld, resource, _ = case
    for bl_ts, bl_ords in gen_loopblocking_gbuf_reside(nld, resource, ALL_BYPASS):
        assert tuple(map(math.prod, zip(*bl_ts, strict=True))) == nld.loopcnt
        assert [sorted(order) for order in bl_ords] == [[0, 1, 2]] * 2
        blocks = ref.block_sizes(nld, bl_ts, (True, True, True))
        assert sum(blocks[1]) <= resource.size_regf


@given(solver_cases())
@settings(max_examples=40, deadline=None)
def test_solutions_are_no_better_than_the_best(case):
    nld, resource, options = case
    options = options._replace(opt_goal="e")
    free = SchedulingConstraint()

    def costs(chosen):
        schemes = gen_loopblocking(nld, resource, None, free, COST, chosen)
        return [scheme.get_access_cost(COST) for scheme in schemes]

    best = costs(options)
    for cost in costs(options._replace(sw_solve_loopblocking=True)):
        assert cost >= best[0] * (1 - 1e-9)


def test_worked_example_d():
    found = list(gen_loopblocking_gbuf_reside(conv2_desc(), machine(), ALL_BYPASS))
    assert found == [
        SCHEME_C,
        (((1, 4, 4), (48, 1, 1), (1, 32, 1)), ((2, 0, 1), (0, 2, 1))),
        (((2, 2, 4), (1, 64, 1), (24, 1, 1)), ((0, 2, 1), (2, 0, 1))),
    ]
    options = ALL_BYPASS._replace(sw_solve_loopblocking=True)
    args = conv2_desc(), machine(), None, SchedulingConstraint(), COST, options
    costs = [scheme.get_access_cost(COST) for scheme in gen_loopblocking(*args)]
    assert costs == [2073162240, 2073788928, 2117232384]


@pytest.mark.parametrize(
    ("bypass", "residents"),
    [
        ((True, True, True), (FIL, IFM, OFM)),
        ((False, True, True), (FIL,)),
        ((True, False, True), (IFM,)),
        ((True, True, False), (OFM,)),
        ((False, False, True), ()),
        ((False, False, False), ()),
    ],
)
def test_which_category_is_resident(bypass, residents):
    """The one that may not bypass, if only one, else each in turn."""
    options = Option(sw_gbuf_bypass=bypass)
    found = list(gen_loopblocking_gbuf_reside(conv2_desc(), machine(), options))
    assert found == [solve(conv2_desc(), machine(), resident) for resident in residents]


def test_costs_and_goal_do_not_matter():
    """It looks at sizes and traffic only, and neither ranks nor cuts."""
    free = SchedulingConstraint()
    schemes = []
    for goal, mem_hier in (("e", (200, 6, 2, 1)), ("d", (1, 200, 6, 2)), ("ed", (0, 0, 0, 0))):
        cost = Cost(mac_op=1, mem_hier=mem_hier, noc_hop=0, idl_unit=0)
        options = ALL_BYPASS._replace(sw_solve_loopblocking=True, opt_goal=goal, ntops=1)
        found = gen_loopblocking(conv2_desc(), machine(), None, free, cost, options)
        schemes.append([(scheme.bl_ts, scheme.bl_ords) for scheme in found])
    assert len(schemes[0]) == 3
    assert schemes[0] == schemes[1] == schemes[2]


def test_nothing_feasible_yields_nothing():
    """Correction E1, on the layer of section 12 item 9."""
    resource = machine(size_gbuf=64, size_regf=8)
    mapping = MapStrategyEyeriss(ConvLayer(64, 64, 8, 3), 1, 1, PhyDim2(16, 16))
    options = ALL_BYPASS._replace(sw_solve_loopblocking=True)
    for nld in mapping.gen_nested_loop_desc():
        assert not list(gen_loopblocking_gbuf_reside(nld, resource, options))
        free = SchedulingConstraint()
        assert not list(gen_loopblocking(nld, resource, None, free, COST, options))


def test_other_layers_are_refused():
    with pytest.raises(ValueError, match=r"loop_blocking_solver: .* CONV layer"):
        list(gen_loopblocking_gbuf_reside(local_desc(), machine(), ALL_BYPASS))
