# SPDX-License-Identifier: BSD-3-Clause
"""Work in processes that are forked from this one, and so know all that it knows.

Decides how pieces of work that need much and give little leave the process (docs/model/search.md
section 6): nothing is carried over but the results. What a piece of work notes in passing is lost
with its process, so that it must be part of its result.
"""

from __future__ import annotations

import gc
import pickle
import signal
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

ENDED = "a process of the search ended by itself, maybe for lack of memory"


def start_method() -> str:
    """How processes of our own start: by fork where there is fork.

    Scripts then need no guard against being run again in the children.
    """
    from multiprocessing import get_all_start_methods  # noqa: PLC0415 (slow to import)

    return "fork" if "fork" in get_all_start_methods() else "spawn"


def forked(
    function: Callable[[Item], Result], items: Sequence[Item], num_processes: int
) -> Iterator[Result]:
    """Give the function's result for each of some items, in their order.

    Parameters
    ----------
    function
        What to do; results and exceptions are pickled, function and items are not.
    items
        What to do it with; each process takes the next one when it is done with one.
    num_processes
        How many to fork. They end with this generator, whatever they are at.

    Raises
    ------
    RuntimeError
        If a process ends by itself, as one does that the system ends for lack of memory.
    """
    from multiprocessing.connection import wait  # noqa: PLC0415 (slow to import)

    children: dict[Connection, BaseProcess] = {}
    numbers = iter(range(len(items)))
    found: dict[int, Result] = {}
    try:
        with starting_processes():
            for _ in range(min(num_processes, len(items))):
                start_child(children, _serve, function, items)
        at_work = [child for child in children if _send_next(child, numbers)]
        for number in range(len(items)):
            while number not in found:
                ready = wait(at_work)
                for child in [child for child in at_work if child in ready]:
                    done, result = received(child)
                    found[done] = result
                    if not _send_next(child, numbers):
                        at_work.remove(child)
            yield found.pop(number)
    finally:
        end_children(children)


@contextmanager
def quiet_fork() -> Iterator[None]:
    """Let processes begin without a warning of threads which take no part.

    Linear algebra libraries have such threads, and so has a progress line.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
        yield


@contextmanager
def starting_processes() -> Iterator[None]:
    """Hold interrupts back while processes begin, which have them held back from their start."""
    with quiet_fork():
        if not hasattr(signal, "pthread_sigmask"):  # as on Windows
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Leave Ctrl-C, which goes to all processes, to the one that asks: it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start_child(
    children: dict[Connection, BaseProcess], serve: Callable[..., None], *args: Any
) -> None:
    """Fork a process that serves the other end of a pipe, and note it by this end.

    It ends when `serve`, which gets its end of the pipe and the arguments, returns.
    """
    from multiprocessing import get_context  # noqa: PLC0415 (slow to import)

    context = get_context("fork")
    ours, theirs = context.Pipe()
    target = (theirs, [*children, ours], serve, args)
    process = context.Process(target=_run_child, args=target, daemon=True)
    process.start()
    theirs.close()
    children[ours] = process


def end_children(children: dict[Connection, BaseProcess]) -> None:
    """End processes, whatever they are at, and forget them."""
    for child, process in children.items():
        process.terminate()
        process.join()
        child.close()
    children.clear()


def _run_child(
    parent: Connection,
    others: Sequence[Connection],
    serve: Callable[..., None],
    args: Sequence[Any],
) -> None:
    gc.freeze()  # to look through what both processes have would copy it all
    ignore_interrupts()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in others:  # as long as one is open, nobody sees that the other end is gone
        connection.close()
    with suppress(ConnectionError):  # nobody is left to be told
        serve(parent, *args)


def _serve(parent: Connection, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
    """Work on items by number until the other end is gone."""

    def work(number: int) -> tuple[int, Result]:
        return number, function(items[number])

    while (number := asked(parent)) is not None:
        parent.send_bytes(answer(work, number))


def _send_next(child: Connection, numbers: Iterator[int]) -> bool:
    """Tell a process what to do next; say whether there is anything."""
    number = next(numbers, None)
    if number is not None:
        ask(child, pickle.dumps(number))
    return number is not None


def ask(child: Connection, question: bytes) -> None:
    """Send something pickled to a process, which may have ended by itself."""
    try:
        child.send_bytes(question)
    except ConnectionError:
        raise RuntimeError(ENDED) from None


def asked(parent: Connection) -> Any:
    """What a process is asked, by its end of the pipe; None if the other end is gone."""
    try:
        return parent.recv()
    except EOFError:
        return None


def answer(function: Callable[..., Any], *args: Any) -> bytes:
    """What a function returns or raises, for `received`."""
    try:
        return pickle.dumps((function(*args), None))
    except Exception as error:  # noqa: BLE001 (raised by the process that asked)
        return pickle.dumps((None, _portable(error)))


def received(child: Connection) -> Any:
    """What a process answers; raises what it raised, or that it ended by itself."""
    try:
        result, error = pickle.loads(child.recv_bytes())  # noqa: S301 (of our own)
    except (EOFError, ConnectionError):
        raise RuntimeError(ENDED) from None
    if error is not None:
        raise error
    return result


def _portable(error: Exception) -> Exception:
    """The exception, or one that says the same if it cannot be carried over."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (of our own)
    except Exception:  # noqa: BLE001 (whatever its class does wrong)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
