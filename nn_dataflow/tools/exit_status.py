# SPDX-License-Identifier: BSD-3-Clause
"""How the tools end: the exit status, and the line on standard error that tells why.

Decides what each way of not succeeding looks like from outside, the same in all tools
(docs/model/search.md section 7).
"""

from .argument_checks import Refused
from .terminal import NoReaderError, OutputError, complain

OK = 0
FAILED = 1
REFUSED = 2
NO_DATAFLOW = 3
INTERRUPTED = 130  # as shells tell SIGINT
NO_READER = 141  # as shells tell SIGPIPE


class NoDataflow(Exception):  # noqa: N818  # an answer
    """Nothing is valid; the message says which layer exceeds which capacity."""


def give_up(prog: str, error: BaseException, hint: str = "") -> int:
    """Tell of an exception in one line, and return the exit status.

    Parameters
    ----------
    prog : str
        Name of the tool.
    error : exception
        What ended the tool.
    hint : str, optional
        Follows the line where the tool itself is at fault.
    """
    if isinstance(error, NoReaderError):
        return NO_READER
    status, line = _explain(error)
    complain(f"{prog}: {line}{hint if line.startswith('internal') else ''}")
    return status


def _explain(error: BaseException) -> tuple[int, str]:
    if isinstance(error, Refused):
        return REFUSED, f"error: {error}"
    if isinstance(error, NoDataflow):
        return NO_DATAFLOW, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, OutputError):
        return FAILED, f"error: {error}"
    return FAILED, f"internal error: {type(error).__name__}: {error}"
