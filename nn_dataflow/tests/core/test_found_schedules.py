# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what a search had found when it was interrupted (docs/model/search.md section 7)."""

import pytest

from nn_dataflow.core.map_strategy import MapStrategyEyeriss
from nn_dataflow.core.nn_dataflow import NNDataflow
from nn_dataflow.core.ranking import TIE
from nn_dataflow.core.workers import Workers
from nn_dataflow.tools import nn_dataflow_search
from nn_dataflow.tools.search_arguments import parse_arguments

ALONE = "alex_net --batch 4 --nodes 2 2 --hybrid-partition --dram-bw 16 -p 1"
PIPELINED = (
    "mlp_l --batch 4 --nodes 2 2 --interlayer-partition --enable-save-writeback --dram-bw 12 -p 1"
)


def search_of(words):
    problem = nn_dataflow_search.describe(parse_arguments(words.split()))
    machine = problem.machine
    search = NNDataflow(
        problem.network, problem.batch, machine.resource, machine.cost, MapStrategyEyeriss
    )
    return search, problem.options


def value_of(scheme, goal):
    cost, time = scheme.total_cost, scheme.total_time
    return {"e": cost, "d": time}.get(goal, cost * time)


def interrupted(words, monkeypatch, at):
    """Interrupt a search in one of its searches of array mappings; say whether it was."""
    search, options = search_of(words)
    work = Workers.search
    calls = []

    def stop(self, jobs):
        calls.append(None)
        if len(calls) > at:
            raise KeyboardInterrupt
        return work(self, jobs)

    monkeypatch.setattr(Workers, "search", stop)
    try:
        search.schedule_search(options)
    except KeyboardInterrupt:
        return search, True
    finally:
        monkeypatch.undo()
    return search, False


def test_nothing_is_found_before_a_search():
    search, _ = search_of("mlp_s -p 1")
    assert search.found_so_far() == []
    assert search.certificate is None


def test_nothing_is_found_while_layers_are_looked_at():
    search, options = search_of("mlp_s -p 1")

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search.schedule_search(options, progress=stop)
    assert search.found_so_far() == []
    assert search.certificate is None


@pytest.mark.parametrize("goal", ["e", "d", "ed"])
@pytest.mark.parametrize("words", [ALONE, PIPELINED])
def test_what_was_found_and_proven(words, goal, monkeypatch):
    """At every moment, the optimum is between what was found and what was proven."""
    words = f"{words} -g {goal}"
    search, options = search_of(words)
    schemes, _ = search.schedule_search(options)
    assert search.certificate.is_optimal
    best = value_of(schemes[0], goal)
    found, gaps = [], []
    at = 0
    while True:
        other, was_interrupted = interrupted(words, monkeypatch, at)
        if not was_interrupted:
            break
        at = max(at + 1, at * 3)
        so_far = other.found_so_far()
        assert len(so_far) == 1
        value = value_of(so_far[0], goal)
        found.append(value)
        assert set(so_far[0]) == set(schemes[0])
        assert value >= best * (1 - TIE)
        if other.certificate is not None:
            assert other.certificate.value == value
            assert other.certificate.lower_bound <= best * (1 + TIE)
            gaps.append(other.certificate.gap)
    assert len(found) >= 2
    assert gaps
    # Once all is done, what was found so far is the result.
    assert value_of(search.found_so_far()[0], goal) == best


def test_a_later_stage_adds_to_what_was_found():
    """Of pipelines, the last stage knows the schedules of layers one by one as well."""
    search, options = search_of(PIPELINED)
    schemes, _ = search.schedule_search(options)
    (best,) = search.found_so_far()
    assert (best.total_cost, best.total_time) == (schemes[0].total_cost, schemes[0].total_time)
    alone = options._replace(partition_interlayer=False, hw_gbuf_save_writeback=False)
    search.schedule_search(alone)
    assert search.found_so_far()[0].total_cost > best.total_cost
