# SPDX-License-Identifier: BSD-3-Clause
"""Work that is done in several processes where that pays.

Decides what leaves the process (docs/model/search.md section 6): searches of single array
mappings, which depend on values only, so that the result is the same wherever they run. Where
there is fork, processes of our own and this one take them one by one; else many go to an executor
in chunks, and few are done here. Larger pieces of work, which need much and give little, go to
processes that are forked for them.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .forked import forked, ignore_interrupts, start_method, starting_processes
from .forked_pool import ForkedPool
from .mapping_space import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from typing_extensions import Self

    from .mapping_space import FoundSchemes, MappingJob, MappingSpace
    from .search_effort import SearchEffort

    Job = tuple[MappingSpace, tuple[float, ...], SearchEffort]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Searches, in all, for which processes of our own are started: some tenths of a second of work.
MIN_JOBS = 256

# Seconds of larger pieces of work after which processes are forked for the others.
MIN_SECONDS = 0.1

# Searches that go to another process together: some milliseconds of work. Fewer where those behind
# may turn out not to be needed.
CHUNK = 16
SMALL_CHUNK = 2

# How many of the latter are under way for every process.
AHEAD = 2

# Searches done together, for every process of our own, where those behind may turn out not to be
# needed.
MOST_AHEAD = 8


class Workers:
    """Where searches run; a context manager that ends the processes that it started.

    Parameters
    ----------
    num_processes
        Processes to use where there is enough work; with fork this one is among them.
    executor
        An executor to use for all searches of array mappings instead.
    """

    def __init__(self, num_processes: int = 1, executor: Executor | None = None) -> None:
        self.num_processes = num_processes
        self.executor = executor
        self._own: Executor | None = None
        self._pool: ForkedPool | None = None
        self._num_asked = 0
        self._process = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)
            self._own = None

    def share_of(self, number: int) -> int:
        """How many of a number of things to do together, so that all processes have some."""
        return max(1, number // (2 * self.num_processes)) if self.may_fork else number

    def each(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        prepare: Callable[[Sequence[Item]], None] | None = None,
        *,
        is_long: bool = False,
    ) -> Iterator[Result]:
        """Give the function's result for each of some items, in their order.

        What it notes elsewhere is lost if it runs in another process, which it does after
        `MIN_SECONDS` if there are to be several, or at once if it `is_long`. What is needed for all
        items left can be prepared before.
        """
        number = 0
        until = 0 if is_long else time.perf_counter() + MIN_SECONDS
        while number < len(items) and not (time.perf_counter() > until and self.may_fork):
            yield function(items[number])
            number += 1
        left = items[number:]
        if len(left) > 1:
            if prepare is not None:
                prepare(left)
            yield from forked(function, left, self.num_processes)
        else:
            yield from map(function, left)

    @property
    def may_fork(self) -> bool:
        """Whether larger pieces of work may go to processes that are forked for them."""
        return self.executor is None and self.num_processes > 1 and start_method() == "fork"

    def search(self, jobs: Iterable[Job]) -> int:
        """Search array mappings, given with hop costs and the effort that they count for.

        With an executor, so many of them as are a `CHUNK` go to a process together. Returns how
        many there were, equal ones counted once.
        """
        begun = self.begin(jobs)
        begun.finish()
        return begun.num

    def begin(self, jobs: Iterable[Job]) -> Begun:
        """Begin to search array mappings in other processes, as `search` does.

        Nothing is known of them before they are finished, which no other searches may come before.
        """
        jobs = list({job[:2]: job for job in jobs}.values())
        self._num_asked += len(jobs)
        executor = self._executor()
        if executor is None or len(jobs) <= CHUNK:
            return Begun(len(jobs), self._begin_together(jobs))
        return Begun(len(jobs), _begin_in(executor, jobs))

    def _begin_together(self, jobs: Sequence[Job]) -> Callable[[], None]:
        """Begin to search array mappings here, and in processes of our own if there are any."""
        pool = self._forked_pool()
        if pool is None or len(jobs) < 2:
            return partial(_search_here, jobs)
        tasks = _tasks(jobs)
        pool.begin(tasks)

        def finish() -> None:
            elsewhere = pool.finish(tasks, lambda number: _search_here([jobs[number]]))
            _take_over([jobs[number] for number in elsewhere], list(elsewhere.values()))

        return finish

    def search_in_order(self, jobs: Iterable[Job]) -> Generator[None]:
        """Search array mappings one after another, as far as the iterator is asked to go on.

        With several processes some are searched ahead, for it takes longer to know whether they
        are needed. All are different.
        """
        jobs = iter(jobs)
        most = 1
        while (executor := self._executor()) is None:
            own = self._forked_pool() is not None
            most = max(1, min(2 * most, MOST_AHEAD * self.num_processes)) if own else 1
            if not (some := list(itertools.islice(jobs, most))):
                return
            self._num_asked += len(some)
            self._begin_together(some)()
            yield
        yield from self._submit_ahead(jobs, executor)

    def _submit_ahead(self, jobs: Iterator[Job], executor: Executor) -> Generator[None]:
        """Search array mappings one after another, some of them under way in an executor."""
        ahead: deque[tuple[list[Job], Future[list[FoundSchemes]]]] = deque()
        most = AHEAD * max(2, self.num_processes)
        try:
            while True:
                while len(ahead) < most and (chunk := list(itertools.islice(jobs, SMALL_CHUNK))):
                    self._num_asked += len(chunk)
                    with starting_processes():
                        ahead.append((chunk, executor.submit(_run, _tasks(chunk))))
                if not ahead:
                    return
                _take_over(ahead[0][0], ahead[0][1].result())
                ahead.popleft()
                yield
        except GeneratorExit:
            # Those under way are kept, so that what is known does not depend on the time they take.
            for chunk, future in ahead:
                _take_over(chunk, future.result())
            raise

    def _forked_pool(self) -> ForkedPool | None:
        """Processes of our own that are forked, if there are to be any."""
        if not self._may_start or not self.may_fork:
            return None
        if self._pool is None:
            self._pool = ForkedPool(_run_one, self.num_processes - 1, common=Setting)
        return self._pool

    @property
    def _may_start(self) -> bool:
        """Whether there is enough work for processes of our own, which no other starts."""
        return os.getpid() == self._process and self._num_asked >= MIN_JOBS

    def _executor(self) -> Executor | None:
        """What was given, or processes of our own that cannot be forked."""
        if os.getpid() != self._process:
            return None  # forked for a part of the work
        if self.executor is not None:
            return self.executor
        if self._own is None and self.num_processes > 1 and self._may_start and not self.may_fork:
            from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 (slow to import)
            from multiprocessing import get_context  # noqa: PLC0415 (slow to import)

            self._own = ProcessPoolExecutor(
                self.num_processes, get_context(start_method()), initializer=ignore_interrupts
            )
        return self._own


class Begun(NamedTuple):
    """Searches under way: how many there are, and what waits for them or does them here."""

    num: int
    finish: Callable[[], None]


def _search_here(jobs: Sequence[Job]) -> None:
    for mapping, hop_costs, effort in jobs:
        mapping.points(hop_costs, effort)


def _begin_in(executor: Executor, jobs: Sequence[Job]) -> Callable[[], None]:
    """Begin to search array mappings in an executor."""
    chunks = [jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)]
    with starting_processes():
        results = executor.map(_run, map(_tasks, chunks))

    def finish() -> None:
        for chunk, found in zip(chunks, results, strict=True):
            _take_over(chunk, found)

    return finish


def _tasks(jobs: Sequence[Job]) -> list[MappingJob]:
    return [mapping.job(hop_costs) for mapping, hop_costs, _ in jobs]


def _run(tasks: Sequence[MappingJob]) -> list[FoundSchemes]:
    return [_run_one(task) for task in tasks]


def _run_one(task: MappingJob) -> FoundSchemes:
    return task.run()


def _take_over(jobs: Sequence[Job], found: Sequence[FoundSchemes]) -> None:
    """Give array mappings what another process found of them."""
    for (mapping, hop_costs, effort), own in zip(jobs, found, strict=True):
        mapping.put(hop_costs, own)
        effort.add(own.effort)
