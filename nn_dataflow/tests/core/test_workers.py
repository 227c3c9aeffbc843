# SPDX-License-Identifier: BSD-3-Clause
"""What is done in several processes, and when."""

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from nn_dataflow.core import workers
from nn_dataflow.core.forked import start_method
from nn_dataflow.core.mapping_space import FoundSchemes
from nn_dataflow.core.search_effort import SearchEffort
from nn_dataflow.core.workers import Workers

needs_fork = pytest.mark.skipif(start_method() != "fork", reason="there is no fork here")


class Mapping:
    """What workers need of an array mapping."""

    def __init__(self):
        self.found = None

    def job(self, _):
        return self

    def run(self):
        return FoundSchemes("elsewhere", SearchEffort())

    def points(self, *_):
        self.found = self.found or "here"

    def put(self, _, found):
        self.found = found.points


class SlowMapping(Mapping):
    """One that takes some time, so that all processes have some of several."""

    def run(self):
        time.sleep(0.01)
        effort = SearchEffort()
        effort.evaluated = 1
        return FoundSchemes("elsewhere", effort)

    def points(self, _, effort):
        time.sleep(0.01)
        effort.evaluated += 1
        self.found = "here"


def jobs_of(mappings):
    return [(mapping, (0.0,), SearchEffort()) for mapping in mappings]


class TestEach:
    def test_alone(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_SECONDS", 0)
        assert set(Workers().each(lambda _: os.getpid(), range(5))) == {os.getpid()}

    @needs_fork
    def test_little_work_is_done_here(self):
        assert set(Workers(2).each(lambda _: os.getpid(), range(5))) == {os.getpid()}

    @needs_fork
    def test_much_work_is_done_elsewhere(self, monkeypatch):
        """All that is left is prepared here at once."""
        monkeypatch.setattr(workers, "MIN_SECONDS", -1)
        prepared = []

        def work(item):
            return item, list(prepared), os.getpid()

        done = list(Workers(2).each(work, [5, 6, 7], prepared.append))
        assert [item for item, _, _ in done] == [5, 6, 7]
        assert [seen for _, seen, _ in done] == [[[5, 6, 7]]] * 3
        assert os.getpid() not in {process for _, _, process in done}

    @needs_fork
    def test_work_that_is_long_is_done_elsewhere_at_once(self):
        done = set(Workers(2).each(lambda _: os.getpid(), range(5), is_long=True))
        assert os.getpid() not in done

    @needs_fork
    def test_one_that_is_left_is_done_here(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_SECONDS", -1)
        assert list(Workers(2).each(lambda _: os.getpid(), [0])) == [os.getpid()]

    def test_with_an_executor_all_is_done_here(self, monkeypatch):
        """It may be on other machines, which do not know what this process does."""
        monkeypatch.setattr(workers, "MIN_SECONDS", -1)
        with ThreadPoolExecutor(2) as executor:
            done = set(Workers(2, executor).each(lambda _: os.getpid(), range(5)))
        assert done == {os.getpid()}

    @needs_fork
    def test_shares(self):
        """Every process gets some of what would be done together."""
        assert Workers().share_of(16) == 16
        assert Workers(2).share_of(16) == 4
        assert Workers(100).share_of(16) == 1


class TestSearchInOrder:
    def test_alone_none_is_searched_ahead(self):
        mappings = [Mapping() for _ in range(5)]
        with closing(Workers().search_in_order(jobs_of(mappings))) as searches:
            for number in range(3):
                next(searches)
                assert [own.found for own in mappings[: number + 1]] == ["here"] * (number + 1)
                assert not any(own.found for own in mappings[number + 1 :])

    def test_with_others_some_are(self):
        """Those that are under way at the end are not lost, and the others not begun."""
        mappings = [Mapping() for _ in range(50)]
        with ThreadPoolExecutor(1) as executor:
            both = Workers(2, executor)
            with closing(both.search_in_order(jobs_of(mappings))) as searches:
                next(searches)
                assert [own.found for own in mappings[:2]] == ["elsewhere"] * 2
        num = workers.SMALL_CHUNK * workers.AHEAD * 2
        assert all(own.found for own in mappings[:num])
        assert not any(own.found for own in mappings[num:])

    def test_all(self):
        mappings = [Mapping() for _ in range(7)]
        with ThreadPoolExecutor(2) as executor:
            assert list(Workers(2, executor).search_in_order(jobs_of(mappings))) == [None] * 4
        assert {own.found for own in mappings} == {"elsewhere"}

    @needs_fork
    def test_with_processes_of_our_own_more_and_more_are_done_together(self, monkeypatch):
        """How many are known does not depend on the time that any takes."""
        monkeypatch.setattr(workers, "MIN_JOBS", 0)
        mappings = [Mapping() for _ in range(50)]
        with Workers(2) as both, closing(both.search_in_order(jobs_of(mappings))) as searches:
            known = []
            for _ in range(5):
                next(searches)
                known.append(sum(own.found is not None for own in mappings))
                assert all(own.found for own in mappings[: known[-1]])
        assert known == [2, 6, 14, 30, 46]
        assert sum(own.found is not None for own in mappings) == 46


@needs_fork
class TestSearch:
    def test_processes_of_our_own_share_with_this_one(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_JOBS", 8)
        mappings = [SlowMapping() for _ in range(20)]
        with Workers(2) as both:
            assert both.search(jobs_of(mappings[:7])) == 7
            assert not multiprocessing.active_children()
            assert {own.found for own in mappings[:7]} == {"here"}
            assert both.search(jobs_of(mappings[7:])) == 13
            assert len(multiprocessing.active_children()) == 1
        assert {own.found for own in mappings[7:]} == {"here", "elsewhere"}
        assert not multiprocessing.active_children()

    def test_effort_is_counted_wherever_it_was(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_JOBS", 0)
        jobs = [(SlowMapping(), (0.0,), SearchEffort()) for _ in range(9)]
        with Workers(3) as several:
            several.search([*jobs, *jobs])  # equal ones once
        assert [effort.evaluated for _, _, effort in jobs] == [1] * 9

    def test_without_fork_processes_get_chunks(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_JOBS", 0)
        monkeypatch.setattr(workers, "start_method", lambda: "spawn")
        mappings = [Mapping() for _ in range(workers.CHUNK + 1)]
        with Workers(2) as both:
            both.search(jobs_of(mappings[1:]))
            assert {own.found for own in mappings[1:]} == {"here"}
            both.search(jobs_of(mappings))
        assert {own.found for own in mappings} == {"elsewhere"}
        assert not multiprocessing.active_children()


@needs_fork
def test_a_forked_process_starts_none_of_its_own(monkeypatch):
    """It searches array mappings itself: it has not what its parent talks to others with."""
    monkeypatch.setattr(workers, "MIN_SECONDS", -1)
    monkeypatch.setattr(workers, "MIN_JOBS", 0)

    def work(_):
        mappings = [Mapping() for _ in range(workers.CHUNK + 1)]
        both.search(jobs_of(mappings))
        return {own.found for own in mappings}

    with Workers(2) as both:
        both.search(jobs_of([Mapping() for _ in range(workers.CHUNK + 1)]))
        assert list(both.each(work, range(3))) == [{"here"}] * 3


class TestBegin:
    """Searches that are finished later."""

    @pytest.mark.parametrize("num", [0, 1, 9])
    @pytest.mark.parametrize("kind", ["alone", "forked", "executor"])
    def test_nothing_is_known_before_they_are_finished(self, kind, num, monkeypatch):
        monkeypatch.setattr(workers, "MIN_JOBS", 0)
        monkeypatch.setattr(workers, "CHUNK", 2)
        mappings = [SlowMapping() for _ in range(num)]
        with ThreadPoolExecutor(2) as executor:
            given = {
                "alone": {},
                "forked": {"num_processes": 2},
                "executor": {"executor": executor},
            }
            with Workers(**given[kind]) as several:
                jobs = jobs_of(mappings)
                begun = several.begin([*jobs, *jobs])
                time.sleep(0.1)
                assert begun.num == num
                assert {mapping.found for mapping in mappings} <= {None}
                begun.finish()
                assert all(mapping.found for mapping in mappings)
                assert [effort.evaluated for _, _, effort in jobs] == [1] * num

    @needs_fork
    def test_other_processes_do_them_meanwhile(self, monkeypatch):
        monkeypatch.setattr(workers, "MIN_JOBS", 0)
        done = multiprocessing.get_context("fork").Semaphore(0)

        def run(task):
            done.release()
            return task.run()

        monkeypatch.setattr(workers, "_run_one", run)
        mappings = [SlowMapping() for _ in range(9)]
        with Workers(2) as several:
            begun = several.begin(jobs_of(mappings))
            assert all(done.acquire(timeout=60) for _ in mappings)
            begun.finish()
        assert {mapping.found for mapping in mappings} == {"elsewhere"}
