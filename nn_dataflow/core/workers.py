# SPDX-License-Identifier: BSD-3-Clause
"""Searches of many array mappings at once, on an executor where that pays.

Decides what leaves the process (docs/model/search.md section 6): searches of single array
mappings, which depend on values only, so that the result is the same wherever they run. Few of
them are done here; many go to an executor in chunks. Processes of our own end quietly when the
search is interrupted.
"""

from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from typing_extensions import Self

    from .blocking_search import Points
    from .mapping_space import MappingJob, MappingSpace
    from .search_effort import SearchEffort

    Job = tuple[MappingSpace, tuple[float, ...], SearchEffort]

# Searches, in all, for which processes of our own are started: some tenths of a second of work.
MIN_JOBS = 256

# Searches that go to another process together: some milliseconds of work. Fewer where those behind
# may turn out not to be needed.
CHUNK = 16
SMALL_CHUNK = 2


class Workers:
    """Where searches run; a context manager that ends the processes that it started.

    Parameters
    ----------
    num_processes
        Processes to start where there is enough work.
    executor
        An executor to use for all searches instead.
    """

    def __init__(self, num_processes: int = 1, executor: Executor | None = None) -> None:
        self.num_processes = num_processes
        self.executor = executor
        self._own: Executor | None = None
        self._num_asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)
            self._own = None

    @property
    def num_ahead(self) -> int:
        """Searches worth doing before it is known whether they are needed; 0 without processes."""
        alone = self.executor is None and self.num_processes < 2
        return 0 if alone else 2 * SMALL_CHUNK * max(2, self.num_processes)

    def search(self, jobs: Iterable[Job], chunk: int | None = None) -> int:
        """Search array mappings, given with hop costs and the effort that they count for.

        So many of them as are a `chunk` (by default `CHUNK`) go to a process together. Returns how
        many there were, equal ones counted once.
        """
        chunk = chunk or CHUNK
        jobs = list({job[:2]: job for job in jobs}.values())
        self._num_asked += len(jobs)
        executor = self._executor()
        if executor is None or len(jobs) <= chunk:
            for mapping, hop_costs, effort in jobs:
                mapping.points(hop_costs, effort)
            return len(jobs)
        tasks = [mapping.job(hop_costs) for mapping, hop_costs, _ in jobs]
        chunks = [tasks[i : i + chunk] for i in range(0, len(tasks), chunk)]
        with warnings.catch_warnings():
            # Threads of linear algebra libraries, which take no part, make fork warn.
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            with _interrupts_held():
                results = executor.map(_run, chunks)
        found = (result for chunk in results for result in chunk)
        for (mapping, hop_costs, effort), (points, spent) in zip(jobs, found, strict=True):
            mapping.put(hop_costs, points)
            effort.add(spent)
        return len(jobs)

    def _executor(self) -> Executor | None:
        few = self._own is None and self._num_asked < MIN_JOBS
        if self.executor is not None or few or self.num_processes < 2:
            return self.executor
        if self._own is None:
            from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 (slow to import)
            from multiprocessing import get_all_start_methods, get_context  # noqa: PLC0415

            # Where there is fork, scripts need no guard against being run again in the children.
            method = "fork" if "fork" in get_all_start_methods() else "spawn"
            self._own = ProcessPoolExecutor(
                self.num_processes, get_context(method), initializer=_ignore_interrupts
            )
        return self._own


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back while processes begin, which have them held back from their start."""
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C, which goes to all processes, to the one that asks: it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(jobs: Sequence[MappingJob]) -> list[tuple[Points, SearchEffort]]:
    return [job.run() for job in jobs]
