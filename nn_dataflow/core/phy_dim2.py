# SPDX-License-Identifier: BSD-3-Clause
"""Two-dimensional sizes, coordinates and distances.

Decides what arithmetic on (h, w) pairs means (docs/model/hardware.md section 3): it works on each
component by itself, and a pair of any other type is refused rather than taken for a scalar.
"""

from typing import Any, NamedTuple, NoReturn


class _PhyDim2Fields(NamedTuple):
    h: int
    w: int


class PhyDim2(_PhyDim2Fields):
    """A size, coordinate or distance in two dimensions, height first.

    Sums, differences and products take another `PhyDim2` or a scalar, which counts for both
    components; sums and products also take the scalar on the left. Values are ordered by `h`, then
    `w`. Components are not checked.

    Raises
    ------
    TypeError
        By an operator whose other operand is a tuple, list or array instead of a `PhyDim2`.

    Examples
    --------
    >>> PhyDim2(2, 3) + PhyDim2(10, 20)
    PhyDim2(h=12, w=23)
    >>> 2 * PhyDim2(2, 3) - 1
    PhyDim2(h=3, w=5)
    """

    __slots__ = ()

    # Between that of a numpy scalar and that of an array: a numpy scalar on the left leaves the
    # operation to this class.
    __array_priority__ = -1.0

    def size(self) -> int:
        """Area h · w, truncated to an integer.

        Examples
        --------
        >>> PhyDim2(2, 3).size()
        6
        """
        return int(self[0] * self[1])

    def hop_dist(self, other: "PhyDim2") -> int:
        """Manhattan distance to another coordinate, in hops.

        Raises
        ------
        TypeError
            If `other` is not a `PhyDim2`.

        Examples
        --------
        >>> PhyDim2(2, 3).hop_dist(PhyDim2(5, 1))
        5
        """
        if not isinstance(other, PhyDim2):
            raise TypeError(f"PhyDim2: hop_dist needs another PhyDim2, got {other!r}")
        return abs(self[0] - other[0]) + abs(self[1] - other[1])

    def __add__(self, other: Any) -> "PhyDim2":
        if isinstance(other, PhyDim2):
            return PhyDim2(self[0] + other[0], self[1] + other[1])
        if hasattr(other, "__len__"):
            _refuse("+", other)
        return PhyDim2(self[0] + other, self[1] + other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "PhyDim2":
        if isinstance(other, PhyDim2):
            return PhyDim2(self[0] - other[0], self[1] - other[1])
        if hasattr(other, "__len__"):
            _refuse("-", other)
        return PhyDim2(self[0] - other, self[1] - other)

    def __mul__(self, other: Any) -> "PhyDim2":
        if isinstance(other, PhyDim2):
            return PhyDim2(self[0] * other[0], self[1] * other[1])
        if hasattr(other, "__len__"):
            _refuse("*", other)
        return PhyDim2(self[0] * other, self[1] * other)

    __rmul__ = __mul__

    def __neg__(self) -> "PhyDim2":
        return PhyDim2(-self[0], -self[1])


def _refuse(operator: str, other: object) -> NoReturn:
    raise TypeError(
        f"PhyDim2: the operand of {operator} must be a PhyDim2 or a scalar, got {other!r}"
    )
