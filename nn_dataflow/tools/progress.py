# SPDX-License-Identifier: BSD-3-Clause
"""The progress line of a search, on standard error.

Decides when there is one: only on a terminal, only once the work has taken a second, and never
after it has ended (docs/model/search.md section 7).
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from .terminal import columns, harmless

if TYPE_CHECKING:
    from typing import TextIO

PATIENCE = 1.0  # seconds before the line appears
INTERVAL = 0.5  # seconds between two changes of it
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """One line that is rewritten in place, from `start` to `stop`.

    It is called with the number of layers done, the number of all layers, and the last layer done.
    What follows the last layer is the search of the network, of which only the time is known. A
    count that does not go on from the one before begins another stage: it is of other things, and
    their name takes the place of the last layer. A thread rewrites the line, so that it tells the
    time even while nothing else happens.

    Parameters
    ----------
    title : str
        Start of the line.
    stream : text file, optional
        Where it goes, standard error by default; nothing goes there unless it is a terminal.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._news = ""
        self._count = (-1, 0)  # done, and in all
        self._later_stage = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """Tell how far the work has come."""
        last_done, last_total = self._count
        if done <= last_done or total != last_total > 0:
            self._later_stage = True
        self._count = done, total
        news = f"{done} of {total} {what if self._later_stage else 'layers'}"
        if done >= total:
            news += ", searching the network"
        elif not self._later_stage:
            news += f", last {what}"
        self._news = f", {news}"

    def start(self) -> None:
        """Begin to count the time."""
        if self._stream is not None and self._stream.isatty():
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Remove the line for good."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _show(self) -> None:
        begin = time.monotonic()
        if self._stopped.wait(PATIENCE):
            return
        while True:
            line = f"{self._title}: {time.monotonic() - begin:.0f} s{self._news}"
            self._stream.write(_CLEAR + harmless(line)[: columns(self._stream) - 1])
            self._stream.flush()
            if self._stopped.wait(INTERVAL):
                break
        self._stream.write(_CLEAR)
        self._stream.flush()
