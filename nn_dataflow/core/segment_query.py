# SPDX-License-Identifier: BSD-3-Clause
"""What the schedules of a segment may cost, given what is outside of it.

Decides which schedules of a layer and which partial schedules of a segment are looked at
(docs/model/search.md section 6.2): those whose bounds, with those of the rest of the network, are
within a limit at one of the segment's places in the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .layer_table import COST, DRAM, TIME, weighted
from .search_limit import LowerBounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .search_limit import NearLimit, SearchLimit
    from .segment_bounds import SegmentBounds
    from .segment_states import States

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]
    Bools = NDArray[np.bool_]

# Partial schedules of a segment, at most; by default, more are given up and counted.
MAX_STATES = 1 << 14


class SegmentQuery(NamedTuple):
    """Which schedules of a segment are asked for.

    Attributes
    ----------
    alive
        Combinations to look at, ascending.
    rest, limit
        What layers outside of the segment cost at least, (r,) for several positions in the
        network; schedules beyond the limit at all of them are left out.
    most
        Partial schedules kept per layer and places, those of the best metric.
    """

    alive: Ints
    rest: LowerBounds
    limit: SearchLimit | NearLimit
    most: int = MAX_STATES

    def of_layer(self, bounds: SegmentBounds, own: Floats, others: Floats, longest: float) -> Bools:
        """Which schedules of a layer may matter.

        Parameters
        ----------
        bounds
            Those of the segment.
        own
            Metrics of the schedules, (n, k).
        others, longest
            Least sum of the metrics of other layers, and most cycles of a spatial group.
        """
        totals = own + others, np.maximum(own[:, TIME], longest)
        return self._any_within(bounds, bounds.together(totals))

    def of_states(self, bounds: SegmentBounds, states: States, later: Floats) -> Bools:
        """Which partial schedules may matter, with the least metric of the layers to come."""
        cost = states.cost + later[..., COST]
        time = np.maximum(states.busy_time(), states.dram + later[..., DRAM])
        one, two = (weighted(cost, w, time) for w in (bounds.weights[0], bounds.weights[-1]))
        return self._any_within(bounds, LowerBounds(one, time, two))

    def _any_within(self, bounds: SegmentBounds, own: LowerBounds) -> Bools:
        whole = (column[:, None] + other for column, other in zip(own, self.rest, strict=True))
        within = self.limit.within(LowerBounds(*whole), bounds.weight)
        return np.asarray(within.any(axis=1))
