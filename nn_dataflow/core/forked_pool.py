# SPDX-License-Identifier: BSD-3-Clause
"""Processes that share many short pieces of work with the one that they were forked from.

Decides how searches of single array mappings, of a millisecond and less, are spread over processes
(docs/model/search.md section 6). Every process gets all pieces in one message, takes the next one
by its number from a pipe that all of them read, this process as well, and answers when none is
left: so there is no wait between two pieces, and no process rests while there are some.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle
from contextlib import contextmanager
from types import NoneType
from typing import TYPE_CHECKING, Any

from nn_dataflow.caching import lru_cache

from .forked import answer, ask, asked, end_children, received, start_child, starting_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

# Pieces of work shared at once: their numbers are written at once, without waiting for readers.
TOGETHER = 512

NUMBER_BYTES = 2


class ForkedPool:
    """Processes that are forked when there is work first, and stay until they are closed.

    Parameters
    ----------
    function
        What they do with a piece of work; pieces, results and exceptions are pickled.
    num_processes
        How many to fork.
    common
        Type of values that many pieces have in common: each is pickled once, though sent along with
        every piece, and what the processes make of it is kept.
    """

    def __init__(
        self, function: Callable[[Any], Any], num_processes: int, common: type = NoneType
    ) -> None:
        self._function = function
        self._num_processes = num_processes
        self._known: dict[int, tuple[Any, bytes]] = {}
        self._reducers = {**copyreg.dispatch_table, common: self._reduce_common}
        self._children: dict[Connection, BaseProcess] = {}
        self._at_work: list[Connection] = []
        self._pipe: tuple[int, ...] = ()
        self._under_way: Sequence[Any] | None = None

    def begin(self, items: Sequence[Any]) -> None:
        """Let the other processes do some pieces of work, until `finish` is asked for the rest.

        Raises
        ------
        RuntimeError
            As `finish` does.
        """
        if self._under_way is not None:
            self.close()  # an exception came between
        with self._closing_on_error():
            if not self._children:
                self._start()
            self._under_way = items
            self._ask(items[:TOGETHER])

    def finish(self, items: Sequence[Any], do_here: Callable[[int], None]) -> dict[int, Any]:
        """Do what is left of the work that was begun, here and in the other processes.

        Parameters
        ----------
        items
            The pieces of work, the same object as when they were begun.
        do_here
            Does, in this process, the piece of a number.

        Returns
        -------
        dict
            What the other processes found, by number; which ones they take depends on the time.

        Raises
        ------
        RuntimeError
            If a process ends by itself, as one does that the system ends for lack of memory. The
            others are ended then, as after all exceptions, which may leave work behind. Also if
            other work was begun since.
        """
        if items is not self._under_way:
            raise RuntimeError("other work was begun before this was finished")
        found: dict[int, Any] = {}
        with self._closing_on_error():
            for first in range(0, len(items), TOGETHER):
                if first:
                    self._ask(items[first : first + TOGETHER])
                found.update(self._taken_together(first, do_here))
        self._under_way = None
        return found

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes, whatever they are at."""
        end_children(self._children)
        for end in self._pipe:
            os.close(end)
        self._pipe = ()
        self._under_way = None

    def _pickled(self, item: Any) -> bytes:
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        pickler.dispatch_table = self._reducers
        pickler.dump(item)
        return file.getvalue()

    def _reduce_common(self, value: Any) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        if id(value) not in self._known:
            self._known[id(value)] = value, pickle.dumps(value)
        return _common, (self._known[id(value)][1],)

    def _start(self) -> None:
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[0], False)
        with starting_processes():
            for _ in range(self._num_processes):
                start_child(self._children, _serve, self._function, self._pipe[0])

    def _ask(self, items: Sequence[Any]) -> None:
        """Give so many pieces of work as are shared at once to the other processes."""
        # Each by itself, for most processes need only some.
        question = pickle.dumps([self._pickled(item) for item in items])
        # First, for who finds none waits until it is asked again.
        numbers = b"".join(n.to_bytes(NUMBER_BYTES, "little") for n in range(len(items)))
        os.write(self._pipe[1], numbers)
        self._at_work = list(self._children)[: len(items)]
        for child in self._at_work:
            ask(child, question)

    def _taken_together(
        self, first: int, do_here: Callable[[int], None]
    ) -> Iterator[tuple[int, Any]]:
        """Do what is left of pieces of work that were given, numbered from `first`."""
        for number in _taken(self._pipe[0]):
            do_here(first + number)
        for child in self._at_work:
            yield from ((first + number, result) for number, result in received(child))


def _taken(numbers: int) -> Iterator[int]:
    """Take numbers that no other process takes, as long as there are any."""
    while True:
        try:
            number = os.read(numbers, NUMBER_BYTES)
        except BlockingIOError:
            return
        yield int.from_bytes(number, "little")


@lru_cache(maxsize=64)
def _common(pickled: bytes) -> Any:
    """A value that was pickled by itself, the same object each time."""
    return pickle.loads(pickled)  # noqa: S301 (of our own)


def _serve(parent: Connection, function: Callable[[Any], Any], numbers: int) -> None:
    """Work on what others do not take, until the other end is gone."""

    def work(items: Sequence[bytes]) -> list[tuple[int, Any]]:
        return [
            (number, function(pickle.loads(items[number])))  # noqa: S301 (of our own)
            for number in _taken(numbers)
        ]

    while (items := asked(parent)) is not None:
        parent.send_bytes(answer(work, items))
