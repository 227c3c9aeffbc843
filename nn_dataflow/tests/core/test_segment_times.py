# SPDX-License-Identifier: BSD-3-Clause
"""Times of segments on arrays, and which partial schedules are kept, against one at a time.

The array formulas against the rules of docs/model/pipeline.md section 8 as `reference_pipeline` has
them, and against `PipelineSegmentTiming`; what is dropped on the way must never be missed.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.core.layer import ConvLayer, EltwiseLayer, InputLayer, PoolingLayer
from nn_dataflow.core.layer_table import Schedules
from nn_dataflow.core.network import Network
from nn_dataflow.core.pipeline_segment_timing import PipelineSegmentTiming
from nn_dataflow.core.segment_states import (
    Role,
    States,
    extend,
    unbeaten_rows,
    unbeaten_states,
)
from nn_dataflow.core.segment_times import (
    Handover,
    group_counts,
    joint_batch_groups,
    node_time,
    start_and_end,
)
from nn_dataflow.tests import reference_pipeline as rp
from nn_dataflow.tests.core.test_pipeline_segment_timing import made_up_result

CONV, POOL = ConvLayer(8, 8, 8, 1), PoolingLayer(8, 8, 1)
FACTORS = st.tuples(*[st.sampled_from((1, 1, 2, 3, 4))] * 3)
CYCLES = st.integers(0, 40)


TRIPS = st.tuples(*[st.integers(1, 24)] * 3)


@given(st.lists(st.tuples(FACTORS, st.permutations(range(3)), TRIPS), min_size=1, max_size=20))
def test_group_counts(tops):
    """B counts if it is outermost, then the first of I and O; if their blocks are alike."""
    factors, orders, trips = (np.array(column) for column in zip(*tops, strict=True))
    counts = group_counts(factors, orders, trips)
    expected = [rp.group_counts(top, rp._nest(top, order), n) for top, order, n in tops]
    assert list(zip(*(column.tolist() for column in counts), strict=True)) == expected


@given(st.lists(st.sampled_from((1, 2, 4)), min_size=1, max_size=5))
def test_batch_groups_of_unlike_layers(each):
    so_far = each[0]
    for bat in each[1:]:
        so_far = int(joint_batch_groups(so_far, bat))
    assert so_far == (each[0] if len(set(each)) == 1 else 1)


@given(st.sampled_from((CONV, POOL)), st.data())
def test_start_and_end(layer, data):
    """Of a layer that waits for any producers."""
    own = rp.Timed(data.draw(CYCLES), 0, 0, 1, *data.draw(FACTORS)[:2])
    producers = data.draw(
        st.lists(st.tuples(st.booleans(), st.tuples(CYCLES, CYCLES, st.sampled_from((1, 2, 4)))))
    )
    handed = []
    for same_group, (first, last, groups) in producers:
        wanted = own.ofm if same_group or layer is POOL else own.ifm
        grouped = groups == wanted and not (same_group and layer is CONV)
        handed.append(Handover(same_group, grouped, first, last))
    start, end = start_and_end(np.array([own.time]), handed)
    assert (start[0], end[0]) == rp.ready(layer, own, producers)


@pytest.mark.parametrize(
    ("groups", "bat", "expected"), [(1, 1, 12288), (4, 1, 7680), (2, 2, 7680), (1, 4, 7680)]
)
def test_worked_example(groups, bat, expected):
    """docs/model/pipeline.md section 9.2: two layers of 6144 cycles."""
    first = Handover(False, True, 6144 // groups, 6144)
    start, end = start_and_end(np.array([6144]), [first])
    assert start[0] == 6144 // groups
    assert node_time(end[0], 6144, bat) == expected


# Whole segments.


def network():
    """Two chains a → p → b → q and a → c, joined in d."""
    found = Network("test")
    found.set_input_layer(InputLayer(8, 8))
    found.add("a", CONV)
    found.add("p", POOL)
    found.add("b", CONV)
    found.add("q", POOL)
    found.add("c", CONV, prevs=["a"])
    found.add("d", EltwiseLayer(8, 8, 2), prevs=["q", "c"])
    return found


NETWORK = network()
SEGMENTS = (
    (("a",), ("c",)),
    (("a", "p"), ("b", "q")),
    (("a", "p", "b", "q"),),
    (("a",), ("p",), ("b", "q")),
    (("a", "p"), ("b", "q"), ("c",)),
    (("a", "p", "b"), ("q",)),
    (("a",), ("p", "b"), ("q",)),
    (("b", "q"), ("c", "d")),
    (("c", "d"),),
)


def roles_of(segment, nodes):
    names = [name for group in segment for name in group]
    group_of = {name: sp for sp, group in enumerate(segment) for name in group}
    roles = []
    for name in names:
        producers = [prev for prev in NETWORK.prevs(name) if prev in names]
        uses = [names.index(later) for later in NETWORK.nexts(name) if later in names]
        group = segment[group_of[name]]
        roles.append(
            Role(
                is_conv=isinstance(NETWORK[name], ConvLayer),
                producers=tuple(
                    (names.index(prev), group_of[prev] == group_of[name]) for prev in producers
                ),
                last_use=max(uses, default=-1),
                begins_group=group[0] == name,
                ends_group=group[-1] == name,
                num_nodes=nodes[group_of[name]],
            )
        )
    return roles


LOOPS = ("", "B2", "O2", "I2", "B2 O2", "B2 I2", "O4", "O2 B2", "B2 O3")
ALIKE = {
    "loops": ("", "O2", "O3", "I2", "I3"),
    "most": 9,
}  # often beaten, often handed over in groups


@st.composite
def schedules(draw, max_num=3, loops=LOOPS, most=40):
    """A few schedules of a layer: (energy, cycles inside, cycles of the memory, loops)."""
    cycles = st.integers(0, most)
    one = st.tuples(st.integers(1, 5), cycles, cycles, st.sampled_from(loops))
    return draw(st.lists(one, min_size=1, max_size=max_num))


def as_arrays(found):
    """The same as arrays; row and scheme are their numbers."""
    tops = []
    for *_, loops in found:
        factors = {"I": 1, "O": 1, "B": 1} | {loop[0]: int(loop[1:]) for loop in loops.split()}
        nesting = [loop[0] for loop in loops.split()]
        nesting += [lpe for lpe in "IOB" if lpe not in nesting]
        order = [2 - nesting.index(lpe) for lpe in "IOB"]
        tops.append(([factors[lpe] for lpe in "IOB"], order))
    factors_and_orders = (np.array(column) for column in zip(*tops, strict=True))
    counts = group_counts(*factors_and_orders, trips=np.array([24, 24, 24]))
    cost, node, dram = (np.array(column) for column in list(zip(*found, strict=True))[:3])
    number = np.arange(len(found))
    return Schedules(
        cost=cost.astype(float),
        time=np.maximum(node, dram),
        dram=dram,
        node=node,
        scale=np.zeros_like(number),
        row=number,
        scheme=number,
        bat=counts.bat,
        ifm=counts.ifm,
        ofm=counts.ofm,
        value=np.zeros_like(number),
    )


def all_pairs(states, choices):
    num, more = len(states.cost), len(choices.cost)
    return np.repeat(np.arange(num), more), np.tile(np.arange(more), num)


def grown(states, position, roles, choices):
    pairs = all_pairs(states, choices)
    return extend(states, position, roles, choices, choices.cost[pairs[1]], (None, None), pairs)


@given(st.sampled_from(SEGMENTS), st.data())
@settings(max_examples=100)
def test_states_are_segment_timings(segment, data):
    """All combinations of some schedules of the layers of a segment."""
    nodes = [data.draw(st.sampled_from((1, 2, 4))) for _ in segment]
    check_states(segment, nodes, [data.draw(schedules(max_num=2)) for g in segment for _ in g])


def test_convolution_is_never_fused_with_the_layer_before():
    """Nor does what waits for it start earlier."""
    found = [[(1, 8, 0, "O2")], [(1, 4, 0, "O2")], [(1, 8, 0, "I2")], [(1, 4, 0, "")]]
    check_states((("a", "p", "b"), ("q",)), [1, 1], found)


def check_states(segment, nodes, found):
    """Compare all combinations of schedules with the timing of each by itself."""
    roles = roles_of(segment, nodes)
    names = [name for group in segment for name in group]
    states = States.start(len(names), 0)
    for position, one in enumerate(found):
        states = grown(states, position, roles, as_arrays(one))
    assert len(states.cost) == np.prod([len(one) for one in found])
    times = {flag: states.time(whole_network=flag) for flag in (False, True)}
    for index, chosen in enumerate(states.row.tolist()):
        timing = PipelineSegmentTiming(NETWORK, 0)
        for sp, group in enumerate(segment):
            for tm, name in enumerate(group):
                position = names.index(name)
                _, node, dram, loops = found[position][chosen[position]]
                timing.add(
                    name,
                    made_up_result(
                        (0, sp, tm),
                        max(node, dram),
                        loops=loops,
                        dram_time=dram,
                        node_time=node,
                        num_nodes=nodes[sp],
                    ),
                )
        assert states.bat[index] == timing.bat_ngrp
        assert states.dram[index] == timing.dram_time
        assert states.critical[index] == timing.critical_time
        assert times[False][index] == timing.time
        assert times[True][index] == max(timing.critical_time, timing.dram_time)
        alone = states.alone[index]
        overhead = (timing.time - alone) / alone if alone else 0
        assert timing.time_overhead == pytest.approx(overhead)
        assert states.cost[index] == sum(
            one[number][0] for one, number in zip(found, chosen, strict=True)
        )


def best_of(states, num, goal):
    """The `num` least keys of finished states."""
    time = states.time(whole_network=False)
    pairs = zip(states.cost.tolist(), time.tolist(), strict=True)
    return sorted(rp.rs.goal_key(goal, cost, cycles) for cost, cycles in pairs)[:num]


@given(st.sampled_from(SEGMENTS), st.sampled_from(("e", "d", "ed")), st.integers(1, 3), st.data())
@settings(max_examples=250)
def test_dropped_states_are_of_no_use(segment, goal, num, data):
    """Whatever is dropped after each layer, the best segments remain, as many as are wanted."""
    roles = roles_of(segment, [1] * len(segment))
    names = [name for group in segment for name in group]
    every = few = States.start(len(names), 0)
    for position in range(len(names)):
        choices = as_arrays(data.draw(schedules(**ALIKE)))
        every = grown(every, position, roles, choices)
        few = unbeaten_states(
            grown(few, position, roles, choices),
            position,
            roles,
            cost_first=goal == "e",
            slack=False,
            num=num,
        )
    assert len(few.cost) <= len(every.cost)
    assert best_of(few, num, goal) == best_of(every, num, goal)


@pytest.mark.parametrize(
    ("segment", "found", "least"),
    [
        pytest.param(
            (("a",), ("c",)),
            [[(1, 6, 0, "O3"), (2, 6, 0, "O2")], [(1, 6, 0, "I2")]],
            9,
            id="groups that the consumer has, too",
        ),
        pytest.param(
            (("a",), ("p", "b"), ("q",)),
            [[(1, 8, 0, ""), (2, 9, 0, "O2")], [(1, 2, 0, "O2")], [(1, 9, 0, "")], [(1, 1, 0, "")]],
            16,
            id="a group that begins earlier",
        ),
    ],
)
def test_dearer_states_that_are_needed(segment, found, least):
    """A first layer of more energy, and no less time, lets the others begin earlier."""
    roles = roles_of(segment, [1] * len(segment))
    states = States.start(len(found), 0)
    for position, one in enumerate(found):
        states = grown(states, position, roles, as_arrays(one))
        states = unbeaten_states(states, position, roles, cost_first=False, slack=False, num=1)
    assert best_of(states, 1, "d")[0][0] == least


@given(st.sampled_from(SEGMENTS), st.sampled_from((0, 0.1, 0.5)), st.data())
@settings(max_examples=100)
def test_dropped_states_are_of_no_use_within_a_limit(segment, limit, data):
    """With a limit of the overhead those that take longer by themselves may be needed."""
    roles = roles_of(segment, [1] * len(segment))
    names = [name for group in segment for name in group]
    every = few = States.start(len(names), 0)
    for position in range(len(names)):
        choices = as_arrays(data.draw(schedules(**ALIKE)))
        every = grown(every, position, roles, choices)
        few = unbeaten_states(
            grown(few, position, roles, choices),
            position,
            roles,
            cost_first=False,
            slack=True,
            num=1,
        )

    def within(states):
        kept = states.time(whole_network=False) <= (1 + limit) * states.alone * (1 + 1e-9)
        return [column[kept] for column in (states.cost, states.time(whole_network=False))]

    for goal in ("e", "d", "ed"):
        best, left = (
            min((rp.rs.goal_key(goal, c, t) for c, t in zip(*within(s), strict=True)), default=None)
            for s in (every, few)
        )
        assert left == best


# Rows that others beat.

SMALL = st.integers(0, 3)


def is_beaten(row, others, *, cost_first, num):
    """Rows are (equal columns, energy, columns to be small), the first of equal ones beats."""
    equal, cost, less = row[1]
    beating = 0
    for number, (other_equal, other_cost, other_less) in others:
        if number == row[0] or other_equal != equal:
            continue
        smaller = all(x <= y for x, y in zip(other_less, less, strict=True))
        same = other_cost == cost and other_less == less
        is_equal_or_less = smaller and other_cost <= cost and (not same or number < row[0])
        beating += is_equal_or_less or (cost_first and other_cost < cost)
    return beating >= num


@given(
    st.lists(st.tuples(SMALL.map(lambda x: x // 2), SMALL, st.tuples(SMALL, SMALL)), max_size=25),
    st.booleans(),
    st.integers(1, 3),
)
@settings(max_examples=150)
def test_unbeaten_rows(rows, cost_first, num):
    equal = np.array([row[0] for row in rows], dtype=np.int64).reshape(-1, 1)
    cost = np.array([float(row[1]) for row in rows])
    less = np.array([row[2] for row in rows], dtype=np.int64).reshape(-1, 2)
    numbered = list(enumerate(rows))
    expected = [
        row[0] for row in numbered if not is_beaten(row, numbered, cost_first=cost_first, num=num)
    ]
    kept = unbeaten_rows(equal, cost, less, cost_first=cost_first, num=num)
    assert kept.tolist() == expected


@pytest.mark.parametrize("num", [1, 2])
def test_many_rows(num):
    random = np.random.default_rng(3)
    size = 1000
    cost, less = random.integers(0, 60, size).astype(float), random.integers(0, 60, (size, 3))
    same = random.integers(0, 2, (size, 2)) * 2**40
    kept = unbeaten_rows(same, cost, less, cost_first=False, num=num).tolist()
    numbered = [
        (number, (tuple(group), one, tuple(columns)))
        for number, (group, one, columns) in enumerate(
            zip(same.tolist(), cost.tolist(), less.tolist(), strict=True)
        )
    ]
    expected = [
        row[0] for row in numbered if not is_beaten(row, numbered, cost_first=False, num=num)
    ]
    assert 1 < len(kept) < size
    assert kept == expected


def test_close_energies_are_equal():
    """Within the tolerance of ties, time decides."""
    cost = np.array([1.0, 1.0 + 1e-12, 2.0])
    less = np.array([[5], [4], [1]])
    same = np.zeros((3, 1), dtype=np.int64)
    for cost_first, expected in ((True, [1]), (False, [1, 2])):
        kept = unbeaten_rows(same, cost, less, cost_first=cost_first, num=1)
        assert kept.tolist() == expected


def test_every_combination_of_rows_at_least_once():
    """With enough wanted nothing is dropped."""
    rows = np.array(list(itertools.product(range(2), repeat=3)))
    kept = unbeaten_rows(
        rows[:, :1], rows[:, 1].astype(float), rows[:, 2:], cost_first=False, num=len(rows)
    )
    assert kept.tolist() == list(range(len(rows)))
