# SPDX-License-Identifier: BSD-3-Clause
"""How many schedules of a network there are.

Decides what the size of the stated space is (docs/model/search.md section 6.3): that of what is
searched, of which a search looks at a very small part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def log10_count(counts: Sequence[int]) -> float:
    """Base-10 logarithm of how many ways there are to choose one for each of several layers.

    Examples
    --------
    >>> log10_count([10, 1000])
    4.0
    >>> log10_count([10, 0])
    -inf
    """
    return sum(math.log10(count) if count else -math.inf for count in counts)


def log10_schedules(num_starts: int, edges: Iterable[tuple[int, int, float]], end: int) -> float:
    """Base-10 logarithm of the number of paths over segments, each counted with its schedules.

    Parameters
    ----------
    num_starts
        Places of the input of the network.
    edges
        Positions of the first layer of a segment, and of the first one behind it; base-10 logarithm
        of the number of its schedules.
    end
        Position behind the last layer.

    Examples
    --------
    Two layers with 10 and 20 schedules, or both together with 100:

    >>> round(10 ** log10_schedules(2, [(0, 1, 1), (1, 2, math.log10(20)), (0, 2, 2)], 2))
    600
    """
    reached = np.full(end + 1, -np.inf)
    reached[0] = math.log(num_starts)
    for begin, behind, size in sorted(edges):
        reached[behind] = np.logaddexp(reached[behind], reached[begin] + size * math.log(10))
    return float(reached[end] / math.log(10))
