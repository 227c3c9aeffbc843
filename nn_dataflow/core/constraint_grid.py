# SPDX-License-Identifier: BSD-3-Clause
"""Combinations of constraints of a segment, as a grid over the values of their symbols.

Decides which requirements the layers of a segment have under each combination, and how what is
known per layer is put together over all of them (docs/model/pipeline.md section 7.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .loop_blocking_space import TopLoops
    from .pipeline_system import ConstraintSystem

    Ints = NDArray[np.int64]
    Floats = NDArray[np.floating[Any]]

UNKNOWN = -1
"""Index of the value of a symbol that no layer so far depends on, or no later one."""


class ConstraintGrid:
    """The combinations of constraints of one system, one axis per symbol.

    Parameters
    ----------
    system
        Constraints in terms of symbols.

    Attributes
    ----------
    shape
        Number of values per symbol.
    axes
        By layer: the symbols that it depends on.
    tops
        By layer: distinct requirements on its top level of loops.
    which
        By layer: the requirement in each combination, an array that broadcasts over the grid.
    """

    def __init__(self, system: ConstraintSystem) -> None:
        names = list(system.symbols)
        self.shape = tuple(len(values) for values in system.symbols.values())
        self.axes: list[list[int]] = []
        self.tops: list[list[TopLoops]] = []
        self.which: list[Ints] = []
        for terms in (terms for group in system.terms for terms in group):
            own = terms.symbols()
            self.axes.append([axis for axis, name in enumerate(names) if name in own])
            shape = [n if name in own else 1 for name, n in zip(names, self.shape, strict=True)]
            tops = []
            for index in np.ndindex(*shape):
                picked = zip(names, index, strict=True)
                values = {name: system.symbols[name][n] for name, n in picked}
                tops.append(terms.constraint(values).top_loops())
            distinct = list(dict.fromkeys(tops))
            self.tops.append(distinct)
            self.which.append(np.array([distinct.index(t) for t in tops], int).reshape(shape))
        self._last_use = [
            max((n for n, axes in enumerate(self.axes) if axis in axes), default=-1)
            for axis in range(len(self.shape))
        ]

    @property
    def num(self) -> int:
        """Number of combinations."""
        return int(np.prod(self.shape, dtype=np.int64))

    def tops_of(self, combination: int) -> list[TopLoops]:
        """What is required of each layer in a combination."""
        index = np.unravel_index(combination, self.shape)
        tops = []
        for distinct, which in zip(self.tops, self.which, strict=True):
            own = (n if size > 1 else 0 for n, size in zip(index, which.shape, strict=True))
            tops.append(distinct[int(which[tuple(own)])])
        return tops

    def values_of(self, layer: int) -> Iterator[tuple[int, TopLoops]]:
        """Yield each combination of values of a layer's symbols, by number, and what it means."""
        for number, tops in enumerate(self.which[layer].ravel().tolist()):
            yield number, self.tops[layer][tops]

    def symbols_of(self, layer: int, values: Ints) -> Ints:
        """Index of the value of every symbol, (n, symbols), for numbers as from `values_of`."""
        if not self.shape:
            return np.zeros((len(values), 0), dtype=np.int64)
        symbols = np.stack(np.unravel_index(values, self.which[layer].shape), axis=1)
        others = [axis for axis in range(len(self.shape)) if axis not in self.axes[layer]]
        symbols[:, others] = UNKNOWN
        return symbols

    def least_of(self, layer: int, table: Floats) -> Floats:
        """Least over the combinations of each combination of values of a layer's symbols.

        `table` has the axes of the grid and any behind; the result has the numbers of `values_of`
        as its first axis.
        """
        others = tuple(axis for axis in range(len(self.shape)) if axis not in self.axes[layer])
        behind = table.shape[len(self.shape) :]
        least: Floats = table.min(axis=others).reshape(-1, *behind)
        return least

    def pick(self, table: Floats, symbols: Ints) -> Floats:
        """Least over the combinations that states may still have.

        Parameters
        ----------
        table
            Over the grid (axes of size 1 where it does not depend on a symbol), with one axis
            behind.
        symbols
            Index of the value of each symbol, or `UNKNOWN`, (m, symbols); where one is unknown in
            one state it is in all.
        """
        if not len(symbols):
            return np.zeros((0, table.shape[-1]))
        known = symbols[0] != UNKNOWN
        open_axes = tuple(axis for axis in range(len(self.shape)) if not known[axis])
        table = table.min(axis=open_axes, keepdims=True)
        index = [
            symbols[:, axis] if size > 1 else np.zeros(len(symbols), dtype=np.int64)
            for axis, size in enumerate(table.shape[:-1])
        ]
        picked: Floats = table[tuple(index)]
        return np.broadcast_to(picked, (len(symbols), table.shape[-1]))

    def still_needed(self, layer: int, symbols: Ints) -> Ints:
        """Forget the values of symbols that no layer behind one depends on."""
        needed = np.array([last > layer for last in self._last_use], dtype=bool)
        return np.where(needed, symbols, UNKNOWN)
