# SPDX-License-Identifier: BSD-3-Clause
"""Short pieces of work that processes share: all are done once, nothing stays behind."""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import closing
from typing import NamedTuple

import pytest

from nn_dataflow.core import forked_pool
from nn_dataflow.core.forked import start_method
from nn_dataflow.core.forked_pool import ForkedPool

pytestmark = pytest.mark.skipif(start_method() != "fork", reason="there is no fork here")


class Table(NamedTuple):
    """What many pieces of work have in common."""

    words: tuple


def share(pool, items, do_here):
    pool.begin(items)
    return pool.finish(items, do_here)


def signalling(function):
    """What a process does, telling of it first; and what this one does, waiting to be told."""
    told = multiprocessing.get_context("fork").Event()

    def tell(item):
        told.set()
        return function(item)

    def wait(_):
        assert told.wait(60)

    return tell, wait


def slowly(item):
    time.sleep(0.01)
    return item, os.getpid()


@pytest.mark.parametrize("num_items", [0, 1, 2, 30])
def test_each_item_is_done_once(num_items):
    """Whoever does it; as often as is asked, by the same processes."""
    with closing(ForkedPool(slowly, 2)) as pool:
        processes = set()
        for _ in range(3):
            here = []
            found = share(pool, [f"item {n}" for n in range(num_items)], here.append)
            assert sorted([*here, *found]) == list(range(num_items))
            assert all(item == f"item {n}" for n, (item, _) in found.items())
            processes |= {process for _, process in found.values()}
        assert len(processes) <= 2
        assert os.getpid() not in processes
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()


def test_all_processes_take_part():
    """None rests while there are pieces left: the others do nine times as much as this one."""
    with closing(ForkedPool(slowly, 2)) as pool:
        found = share(pool, range(20), lambda _: time.sleep(0.1))
    assert len({process for _, process in found.values()}) == 2
    assert len(found) > 10


def test_more_items_than_are_shared_at_once(monkeypatch):
    monkeypatch.setattr(forked_pool, "TOGETHER", 4)
    here = []
    with closing(ForkedPool(abs, 1)) as pool:
        found = share(pool, [-n for n in range(19)], here.append)
    assert all(result == number for number, result in found.items())
    assert sorted([*here, *found]) == list(range(19))


def test_common_values_are_carried_over_once():
    """Each process makes one object of each."""
    tables = [Table((number, "word")) for number in range(2)]

    def find(item):
        time.sleep(0.005)
        return item[0], id(item[1]), item[1]

    with closing(ForkedPool(find, 1, common=Table)) as pool:
        for _ in range(2):
            found = share(pool, [(n, tables[n % 2]) for n in range(20)], lambda _: time.sleep(0.02))
            seen = list(found.values())
            assert all(table == tables[number % 2] for number, _, table in seen)
            assert len({number for number, _, _ in seen}) > len({place for _, place, _ in seen})
            assert len({place for _, place, _ in seen}) <= 2


def test_exceptions_arrive():
    """From elsewhere and from here; the pool can be used again."""

    def fail(item):
        if item == "this one":
            raise KeyError(item)

    tell, wait = signalling(fail)
    with closing(ForkedPool(tell, 1)) as pool:
        with pytest.raises(KeyError, match="this one"):
            share(pool, ["this one"] * 2, wait)
        assert not multiprocessing.active_children()
        here = []
        found = share(pool, ["another"] * 2, here.append)
        assert sorted([*here, *found]) == [0, 1]
        assert set(found.values()) <= {None}


def test_work_is_done_while_this_process_does_something_else():
    done = multiprocessing.get_context("fork").Semaphore(0)
    with closing(ForkedPool(lambda _: done.release(), 2)) as pool:
        items = range(20)
        pool.begin(items)
        assert all(done.acquire(timeout=60) for _ in items)
        here = []
        found = pool.finish(items, here.append)
        assert (sorted(found), here) == (list(items), [])


def test_what_an_exception_left_behind_is_forgotten():
    with closing(ForkedPool(slowly, 1)) as pool:
        pool.begin(["old"] * 9)
        found = share(pool, ["new"] * 9, lambda _: time.sleep(0.05))
        assert {item for item, _ in found.values()} <= {"new"}


def test_only_what_was_begun_last_is_finished():
    with closing(ForkedPool(abs, 1)) as pool:
        one, other = [1, 2], [3, 4]
        pool.begin(one)
        pool.begin(other)
        with pytest.raises(RuntimeError, match="other work was begun"):
            pool.finish(one, lambda _: None)
        found = pool.finish(other, lambda _: None)
        assert all(other[number] == result for number, result in found.items())


def test_an_interrupt_ends_all():
    """Whatever they are at, and at once."""

    def interrupt(_):
        raise KeyboardInterrupt

    begin = time.perf_counter()
    pool = ForkedPool(time.sleep, 2)
    with pytest.raises(KeyboardInterrupt):
        share(pool, [60] * 9, interrupt)
    assert not multiprocessing.active_children()
    assert time.perf_counter() - begin < 30


def test_results_that_cannot_be_carried_over_are_failures():
    tell, wait = signalling(lambda _: threading.Lock())
    with (
        closing(ForkedPool(tell, 1)) as pool,
        pytest.raises((TypeError, AttributeError, RuntimeError), match="pickle"),
    ):
        share(pool, range(2), wait)


def test_a_process_that_ends_is_told():
    """As one that the system ends for lack of memory, at work and before it is asked."""

    def end(_):
        os.kill(os.getpid(), signal.SIGKILL)

    tell, wait = signalling(end)
    with closing(ForkedPool(tell, 1)) as pool:
        with pytest.raises(RuntimeError, match="ended by itself"):
            share(pool, range(2), wait)
        assert not multiprocessing.active_children()
    with closing(ForkedPool(abs, 1)) as pool:
        share(pool, range(2), lambda _: None)
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with pytest.raises(RuntimeError, match="ended by itself"):
            share(pool, range(2), lambda _: None)
