# SPDX-License-Identifier: BSD-3-Clause
"""What can go wrong from outside, each told in one line.

Decides the kinds of failure (docs/cosa.md, section 6): bad input, a machine that holds no mapping
of a layer, a package that is not installed.
"""

from nn_dataflow.errors import InputError, MissingExtraError

__all__ = ["InputError", "MissingExtraError", "NoMappingError"]


class NoMappingError(Exception):
    """No valid mapping exists or none was found; the message names the memory or the limit.

    Parameters
    ----------
    message : str
        One line.
    status : str, optional
        Status of the search, such as ``"infeasible"`` or ``"time limit"``.
    bound : float, optional
        Proven lower bound on the objective, if there is one.
    """

    def __init__(
        self, message: str, status: str = "infeasible", bound: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.bound = bound
