# SPDX-License-Identifier: BSD-3-Clause
"""Costs as sums and bounds of partial mappings against the evaluator."""

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_dataflow.cosa import Architecture, Batch, Problem, evaluate_batch
from nn_dataflow.cosa.problem import INPUTS, MOVES, OUTPUTS, WEIGHTS
from nn_dataflow.cosa.search_bounds import Bounds, divisors, stationary
from nn_dataflow.cosa.search_inputs import arrivals, least_words
from nn_dataflow.cosa.search_leaves import Leaves
from nn_dataflow.cosa.search_model import Model, Spaces
from nn_dataflow.cosa.search_nodes import Nodes
from nn_dataflow.cosa.search_orders import orders
from nn_dataflow.cosa.search_spatial import Choices, Space, ragged
from nn_dataflow.cosa.search_tree import Tree

from . import cases
from .all_mappings import random_mappings

SEEDS = st.integers(0, 2**32)
ROUNDING = 1 + 1e-9


def random_case(seed, *, entries=(8, 64, 10**6)):
    rng = random.Random(seed)
    return cases.random_problem(rng, 5000), cases.random_machine(rng, entries=entries)


def tables(batch):
    """Spatial and temporal bounds per memory and dimension, (N, M, 7)."""
    found = []
    for dims, bounds in (
        (batch.spatial_dims, batch.spatial_bounds),
        (batch.temporal_dims, batch.temporal_bounds),
    ):
        table = np.ones_like(bounds)
        np.put_along_axis(table, dims, bounds, 2)
        found.append(table)
    return found


def has_window_along_children(problem, spatial):
    """Whether words of a window may be shared or passed on by children."""
    return np.any(
        [
            (spatial[:, :, [r, p]] > 1).any(axis=(1, 2))
            & (problem.bounds[r] * problem.bounds[p] > 1)
            for r, p in ((0, 2), (1, 3))
        ],
        axis=0,
    )


class ModelOfWholeCounts(Model):
    """Without the room for counts that are cut off."""

    def _allow_fractions(self, *_):
        pass


@given(SEEDS)
def test_cost_is_a_sum_of_deliveries(seed):
    problem, machine = random_case(seed)
    model = ModelOfWholeCounts(problem, machine)
    bounds = Bounds(model, "e")
    batch = random_mappings(np.random.default_rng(seed), problem, machine, 50)
    found = evaluate_batch(problem, machine, batch)
    spatial, _ = tables(batch)
    spaces = Spaces.of_factors(spatial)
    costs, blocks = model.costs(spaces)
    deliveries = np.zeros_like(costs.least)
    for term in model.terms:
        fills = found.counts.fills[term.tensor, term.memory]
        deliveries[:, [term.delivered, term.filled]] = fills[:, None]
        deliveries[:, term.read] = fills
        if term.tensor == INPUTS:
            moving = spaces.moving[INPUTS][:, term.memory + 1 : term.parent + 1]
            deliveries[:, term.read] *= moving.prod(axis=1)
    # Where no words of a window are shared, each child's inputs are read apart.
    plain = ~has_window_along_children(problem, spatial)
    plain &= (found.counts.transfers == 0).all(axis=(0, 1))
    ratio = np.ones(len(batch))
    energy = bounds.energy(costs, deliveries, ratio)
    unrounded = Leaves(model, bounds, Tree(model, bounds)).unrounded(found)
    assert energy[plain] == pytest.approx(unrounded[plain], rel=1e-9)
    in_blocks = blocks.energy(slice(None), deliveries, ratio)
    assert in_blocks[plain] == pytest.approx(found.energy_pj[plain], rel=1e-9)
    cycles = bounds.cycles(costs, deliveries, ratio)
    assert (np.abs(cycles - found.cycles)[plain] <= 1).all()


@given(SEEDS)
def test_no_mapping_is_below_the_bounds_of_its_spatial_choice(seed):
    problem, machine = random_case(seed)
    model = Model(problem, machine)
    bounds = Bounds(model, "ed")
    batch = random_mappings(np.random.default_rng(seed), problem, machine, 200)
    found = evaluate_batch(problem, machine, batch)
    batch = batch[found.valid]
    if not len(batch):
        return
    found = evaluate_batch(problem, machine, batch)
    space = Space(model, tables(batch)[0])
    energy, cycles = bounds.spatial(space.spaces, space.costs, space.idle)
    assert (energy <= found.energy_pj * ROUNDING).all()
    assert (cycles <= found.cycles).all()
    in_blocks = space.blocks.energy(slice(None), space.costs.least, np.ones(len(batch)))
    assert (in_blocks <= found.energy_pj * ROUNDING).all()
    energy, cycles = model.floor()
    assert (energy <= found.energy_pj * ROUNDING).all()
    assert (cycles <= found.cycles).all()
    for goal, value in (
        ("e", found.energy_pj),
        ("d", found.cycles),
        ("ed", found.energy_pj * found.cycles),
    ):
        choices = Choices(model, Bounds(model, goal))
        assert choices.least <= value.min() * ROUNDING


@pytest.mark.parametrize("item", cases.recorded("random_mappings"), ids=lambda item: item["id"])
def test_no_recorded_mapping_is_below_the_bounds(item):
    problem = cases.recorded_problem(item)
    machine = Architecture.preset("simba16")
    mappings = [cases.recorded_mapping(sample["mapping"]) for sample in item["samples"]]
    batch = Batch.of_mappings(mappings)
    num, memories, _ = batch.spatial_bounds.shape
    spatial = np.ones((num, memories, 7), dtype=np.int64)
    for place in range(batch.spatial_bounds.shape[2]):
        dims = batch.spatial_dims[:, :, place]
        rows, columns = np.indices(dims.shape)
        spatial[rows, columns, dims] *= batch.spatial_bounds[:, :, place]
    model = Model(problem, machine)
    space = Space(model, spatial)
    energy, cycles = Bounds(model, "ed").spatial(space.spaces, space.costs, space.idle)
    found = evaluate_batch(problem, machine, batch)
    assert (energy <= found.energy_pj).all()
    assert (cycles <= found.cycles).all()


@settings(max_examples=40)
@given(SEEDS)
def test_no_completion_is_below_the_bound_of_a_partial_mapping(seed):
    problem, machine = random_case(seed)
    model = Model(problem, machine)
    bounds = Bounds(model, "ed")
    tree = Tree(model, bounds)
    rng = np.random.default_rng(seed)
    choices = Choices(model, bounds)
    space = choices.space(0, choices.rank(np.inf))
    tree.use(space)
    some = rng.choice(len(space), min(len(space), 8), replace=False)
    energy, cycles = bounds.spatial(space.spaces, space.costs, space.idle)
    nodes = Nodes.roots(space, model.num_memories)[some]
    least_energy, least_cycles = energy[some], cycles[some]
    least_value = np.zeros(len(some))
    for memory in reversed(range(1, model.num_memories)):
        # Which node a child comes from shows in a count of the nodes.
        found = []
        for number in range(len(nodes)):
            children = tree.expand(nodes[number : number + 1], memory, np.inf)
            keep = rng.choice(len(children), min(len(children), 3), replace=False)
            found += [(number, children[k : k + 1]) for k in keep]
        if not found:
            return  # all of them have another form that costs no more
        rng.shuffle(found)
        found = found[:24]
        parents = [number for number, _ in found]
        nodes = _joined([child for _, child in found])
        # Bounds rise on the way down; the greatest so far must hold for every completion.
        least_energy = np.maximum(least_energy[parents], nodes.energy)
        least_cycles = np.maximum(least_cycles[parents], nodes.cycles)
        least_value = np.maximum(least_value[parents], nodes.value)
    temporal = nodes.temporal.copy()
    temporal[:, 0] = nodes.rest
    batch = Batch.of_factors(
        space.factors[nodes.space],
        temporal,
        tree.orders[nodes.order],
        tree.orders[nodes.spread],
    )
    result = evaluate_batch(problem, machine, batch)
    assert result.valid.all()
    assert (least_energy <= result.energy_pj * ROUNDING).all()
    assert (least_cycles <= result.cycles).all()
    assert (least_value <= result.energy_pj * result.cycles * ROUNDING).all()


def _joined(parts):
    arrays = zip(*(part.arrays() for part in parts), strict=True)
    return Nodes(*(np.concatenate(each) for each in arrays))


@given(SEEDS)
def test_every_order_has_one_that_is_tried_and_no_worse(seed):
    rng = random.Random(seed)
    problem = cases.random_problem(rng, 3000)
    bounds = np.array(problem.bounds)
    inside = np.array(
        [rng.choice([f for f in divisors(int(b)) if f < b or b == 1]) for b in bounds]
    )
    loops = bounds // inside
    used = [d for d in range(7) if loops[d] > 1][:5]
    loops = np.array([loops[d] if d in used else 1 for d in range(7)])
    inside = bounds // loops
    windows = tuple(w for w in ((0, 2), (1, 3)) if (bounds[list(w)] > 1).all())
    tried = orders(sum(1 << d for d in used), 0b111, 0, windows)
    rest = [d for d in range(7) if d not in used]
    every = [(*order, *rest) for order in permutations(used)]
    costs_tried, costs_every = (refetches(problem, inside, loops, each) for each in (tried, every))
    for cost in costs_every:
        assert (costs_tried <= cost).all(axis=1).any()


def refetches(problem, inside, loops, of_orders):
    """Loops that make weights and outputs come again, and words of inputs; a row per order."""
    num = len(of_orders)
    spatial = np.ones((num, 2, 7), dtype=np.int64)
    temporal = np.stack([np.ones_like(loops), loops])[None].repeat(num, 0)
    order = np.array(of_orders)[:, None].repeat(2, 1)
    insides = inside[None].repeat(num, 0)
    found = arrivals(problem, 1, spatial, temporal, insides, order)
    extents = insides.T.astype(float)
    windows = tuple(w for w in ((0, 2), (1, 3)) if min(problem.bounds[d] for d in w) > 1)
    least = least_words(problem, windows, extents, temporal[:, 1:])
    assert (least <= found.words * ROUNDING).all()
    rows = []
    for number, dims in enumerate(of_orders):
        row = [found.words[number]]
        for tensor in (WEIGHTS, OUTPUTS):
            moved = [k for k, d in enumerate(dims) if loops[d] > 1 and MOVES[tensor, d]]
            outside = dims[moved[0] :] if moved else ()
            row.append(np.prod([loops[d] for d in outside if not MOVES[tensor, d]]))
        rows.append(row)
    return np.array(rows)


@given(SEEDS)
def test_every_touched_input_is_delivered(seed):
    rng = random.Random(seed)
    problem = cases.random_problem(rng, 5000)
    machine = cases.random_machine(rng, entries=10**6)
    model = Model(problem, machine)
    batch = random_mappings(np.random.default_rng(seed), problem, machine, 200)
    found = evaluate_batch(problem, machine, batch)
    least = model.costs(Spaces.of_factors(tables(batch)[0]))[0].least
    last = len(machine.levels) - 1
    for term in model.terms:
        fills = found.counts.fills[term.tensor, term.memory]
        # Words passed on by neighbours are averaged, and cut off.
        assert (least[:, term.filled] <= fills + (term.tensor == INPUTS)).all()
    assert (found.counts.reads[INPUTS, last] >= model.touched[INPUTS] - 1).all()


def test_touched_inputs_are_counted_one_by_one():
    problem = Problem({"P": 4, "R": 2, "Q": 3, "C": 2}, (3, 2), (1, 1))
    model = Model(problem, Architecture.preset("simba16"))
    columns = {3 * p + r for p in range(4) for r in range(2)}
    assert model.touched == (4, 2 * len(columns) * 3, 12)


def test_products_of_loops_that_move_nothing():
    assert stationary(np.array([[2, 3, 5, 7, 11, 13, 17]])).tolist() == [[5 * 7 * 17, 13, 66]]


def test_divisors_and_ranges():
    assert divisors(1) == [1]
    assert divisors(60) == [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60]
    assert divisors(2**31 - 1) == [1, 2**31 - 1]
    index, element = ragged(np.array([3, 9, 4]), np.array([1, 0, 2]))
    assert (index.tolist(), element.tolist()) == ([0, 2, 2], [3, 4, 5])
