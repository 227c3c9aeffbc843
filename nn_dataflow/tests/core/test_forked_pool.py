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
    return pool.finish(do_here)


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

    with closing(ForkedPool(fail, 1)) as pool:
        with pytest.raises(KeyError, match="this one"):
            share(pool, ["this one"] * 2, lambda _: time.sleep(0.5))
        assert not multiprocessing.active_children()
        found = share(pool, ["another"] * 2, lambda _: time.sleep(0.5))
        assert set(found.values()) == {None}


def test_work_is_done_while_this_process_does_something_else():
    with closing(ForkedPool(slowly, 2)) as pool:
        pool.begin(range(20))
        time.sleep(0.5)
        here = []
        found = pool.finish(here.append)
        assert (sorted(found), here) == (list(range(20)), [])


def test_what_an_exception_left_behind_is_forgotten():
    with closing(ForkedPool(slowly, 1)) as pool:
        pool.begin(["old"] * 9)
        found = share(pool, ["new"] * 9, lambda _: time.sleep(0.05))
        assert {item for item, _ in found.values()} == {"new"}


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
    def lock(_):
        return threading.Lock()

    with (
        closing(ForkedPool(lock, 1)) as pool,
        pytest.raises((TypeError, AttributeError, RuntimeError), match="pickle"),
    ):
        share(pool, range(2), lambda _: time.sleep(0.5))


def test_a_process_that_ends_is_told():
    """As one that the system ends for lack of memory, at work and before it is asked."""

    def end(_):
        os.kill(os.getpid(), signal.SIGKILL)

    with closing(ForkedPool(end, 1)) as pool:
        with pytest.raises(RuntimeError, match="ended by itself"):
            share(pool, range(2), lambda _: time.sleep(0.5))
        assert not multiprocessing.active_children()
    with closing(ForkedPool(abs, 1)) as pool:
        share(pool, range(2), lambda _: None)
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with pytest.raises(RuntimeError, match="ended by itself"):
            share(pool, range(2), lambda _: None)
