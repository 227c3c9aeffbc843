# SPDX-License-Identifier: BSD-3-Clause
"""Work in forked processes: nothing is lost, nothing stays behind."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from nn_dataflow.core.forked import forked, start_method

pytestmark = pytest.mark.skipif(start_method() != "fork", reason="there is no fork here")


class OddError(Exception):
    """Cannot be made from what pickle keeps of it."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_results_are_in_the_order_of_the_items():
    """Later items may be done first; neither items nor function need be picklable."""
    lock = threading.Lock()  # which cannot be pickled

    def work(item):
        number, _ = item
        time.sleep(0.02 * (number % 3))
        return number, os.getpid()

    done = list(forked(work, [(number, lock) for number in range(9)], 2))
    assert [number for number, _ in done] == list(range(9))
    processes = {process for _, process in done}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_no_more_processes_than_items():
    assert list(forked(lambda item: item + 1, [1], 5)) == [2]
    assert list(forked(lambda item: item + 1, [], 5)) == []


def test_exceptions_arrive():
    def fail(item):
        if item == 1:
            raise KeyError("this one")
        return item

    with pytest.raises(KeyError, match="this one"):
        list(forked(fail, [0, 1, 2], 2))
    assert not multiprocessing.active_children()


def test_exceptions_that_cannot_be_carried_over_say_the_same():
    def fail(_):
        raise OddError("this", "that")

    with pytest.raises(RuntimeError, match=r"^OddError: this and that$"):
        list(forked(fail, [0, 1], 2))


def test_results_that_cannot_be_carried_over_are_failures():
    with pytest.raises((TypeError, AttributeError, RuntimeError), match="pickle"):
        list(forked(lambda _: threading.Lock(), [0, 1], 2))


def test_a_process_that_ends_is_told():
    """As one that the system ends for lack of memory."""
    with pytest.raises(RuntimeError, match="ended by itself"):
        list(forked(lambda _: os.kill(os.getpid(), signal.SIGKILL), [0, 1], 2))
    assert not multiprocessing.active_children()


def test_processes_end_with_the_generator():
    """Whatever they are at."""
    begin = time.perf_counter()
    found = forked(time.sleep, [0, 60, 60], 2)
    assert next(found) is None
    assert len(multiprocessing.active_children()) == 2
    found.close()
    assert not multiprocessing.active_children()
    assert time.perf_counter() - begin < 30
