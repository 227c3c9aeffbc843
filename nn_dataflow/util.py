# SPDX-License-Identifier: BSD-3-Clause
"""Arithmetic and container helpers that every other module shares.

Decides how counts are rounded, divided into parts and split into factors, so that all parts of the
model round alike (docs/model/hardware.md section 2), and gives two small value containers. Nothing
here knows about networks or hardware.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index
from typing import Any, NoReturn, TypeVar

from nn_dataflow.caching import lru_cache

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


def idivc(x: Any, y: Any) -> Any:
    """Divide and round up: ⌊(x + y − 1) / y⌋.

    Parameters
    ----------
    x
        Dividend, may be negative. Exact for integers.
    y
        Divisor, positive, or infinite.

    Returns
    -------
    int
        ⌈x / y⌉. For an infinite `y` it is 0, or NaN when `x` is infinite too.

    Raises
    ------
    ZeroDivisionError
        If `y` is 0.

    Notes
    -----
    A fractional `x` is not rounded up to the next whole number: the formula holds for integers.

    Examples
    --------
    >>> idivc(8, 3), idivc(9, 3), idivc(-8, 3), idivc(8, float("inf"))
    (3, 3, -2, 0)
    """
    if y == math.inf:
        return math.nan if math.isinf(x) else 0
    return (x + y - 1) // y


def prod(seq: Iterable[Any]) -> Any:
    """Multiply all items; the product of none is 1.

    Examples
    --------
    >>> prod([2, 3, 4]), prod([])
    (24, 1)
    """
    return math.prod(seq)


def approx_dividable(
    total: float, num: float, rel_overhead: float = 0.1, abs_overhead: float = 1
) -> bool:
    """Tell whether `total` items can be padded to a multiple of `num` at little extra cost.

    With the padded count P = ⌈total / num⌉ · num, the padding P − total is little when it is at
    most `abs_overhead`, or at most `rel_overhead` · P. Fewer than `num` items are never dividable.

    Examples
    --------
    >>> approx_dividable(11, 2), approx_dividable(19, 5), approx_dividable(13, 5)
    (True, True, False)
    """
    if total < num:
        return False
    return isclose(idivc(total, num) * num, total, rel_overhead, abs_overhead)


def factorize(
    value: int, num: int, limits: Sequence[float] | None = None
) -> Iterator[tuple[int, ...]]:
    """Iterate over all ordered ways to write `value` as a product of `num` positive integers.

    Parameters
    ----------
    value
        The product. A value below 1 has no factorization.
    num
        Number of factors, at least 1.
    limits
        Upper limits of the first `num` − 1 factors; further entries are ignored.

    Returns
    -------
    iterator of tuple of int
        In ascending lexicographic order, without repetition.

    Raises
    ------
    TypeError
        If `value` or `num` is not an integer.
    ValueError
        If `num` is below 1, or there are fewer than `num` − 1 limits.

    Examples
    --------
    >>> list(factorize(12, 2))
    [(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)]
    >>> list(factorize(12, 3, limits=(1, 3)))
    [(1, 1, 12), (1, 2, 6), (1, 3, 4)]
    """
    value, num = index(value), index(num)
    if num < 1:
        raise ValueError(f"factorize: num must be at least 1, got {num}")
    if limits is None:
        limits = (math.inf,) * (num - 1)
    if len(limits) < num - 1:
        raise ValueError(f"factorize: limits must have at least {num - 1} entries, got {limits!r}")
    if value < 1:
        return iter(())
    return _factorize(value, tuple(limits[: num - 1]))


def _factorize(value: int, limits: tuple[float, ...]) -> Iterator[tuple[int, ...]]:
    if not limits:
        yield (value,)
        return
    divisors = divisors_of(value)
    for first in divisors[: bisect_right(divisors, limits[0])]:
        for rest in _factorize(value // first, limits[1:]):
            yield (first, *rest)


@lru_cache(maxsize=4096)
def divisors_of(value: int) -> tuple[int, ...]:
    """All divisors of a positive integer, ascending."""
    small = [d for d in range(1, math.isqrt(value) + 1) if value % d == 0]
    large = [value // d for d in reversed(small)]
    return tuple(small + large[large[0] == small[-1] :])


def closest_factor(value: int, factor: float) -> tuple[int, ...]:
    """Find the divisors of `value` that enclose `factor`.

    Parameters
    ----------
    value
        A non-negative integer.
    factor
        A non-negative number, may be fractional.

    Returns
    -------
    tuple of int
        The largest divisor ≤ `factor` if `factor` ≥ 1, followed by the smallest divisor ≥ `factor`
        if `factor` ≤ `value`; so 0, 1 or 2 entries, twice `factor` itself when it is a divisor.

    Raises
    ------
    TypeError
        If `value` is not an integer.
    ValueError
        If `value` or `factor` is negative or NaN.

    Examples
    --------
    >>> closest_factor(24, 5), closest_factor(24, 6), closest_factor(24, 30), closest_factor(24, 0)
    ((4, 6), (6, 6), (24,), (1,))
    """
    value = index(value)
    if value < 0 or not factor >= 0:
        raise ValueError(
            f"closest_factor: value and factor must not be negative, got {value}, {factor}"
        )
    if value == 0:  # every positive integer divides 0
        return (math.floor(factor),) if factor >= 1 else (1,) if factor == 0 else ()
    divisors = divisors_of(value)
    below = divisors[: bisect_right(divisors, factor)]
    above = divisors[bisect_left(divisors, factor) :]
    return below[-1:] + above[:1]


def get_ith_range(rng: tuple[int, int], idx: int, num: int) -> tuple[int, int]:
    """Cut a range into `num` parts and take part `idx`.

    Parameters
    ----------
    rng
        The range [beg, end).
    idx
        Which part, 0 ≤ `idx` < `num`.
    num
        Number of parts. Their lengths differ by at most one; with more parts than items some are
        empty.

    Returns
    -------
    tuple of int
        [beg + ⌊idx · L / num⌋, beg + ⌊(idx + 1) · L / num⌋) with the length L = end − beg.

    Examples
    --------
    >>> [get_ith_range((0, 10), i, 4) for i in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    beg, end = rng
    length = end - beg
    return beg + idx * length // num, beg + (idx + 1) * length // num


def gcd(*values: int) -> int:
    """Greatest common divisor of one or more positive integers.

    Raises
    ------
    TypeError
        If a value is not an integer.
    ValueError
        If there is no value, or one is not positive.

    Examples
    --------
    >>> gcd(12, 18, 30)
    6
    """
    return math.gcd(*_positive_integers("gcd", values))


def lcm(*values: int) -> int:
    """Least common multiple of one or more positive integers.

    Raises
    ------
    TypeError
        If a value is not an integer.
    ValueError
        If there is no value, or one is not positive.

    Examples
    --------
    >>> lcm(4, 6, 10)
    60
    """
    return math.lcm(*_positive_integers("lcm", values))


def _positive_integers(name: str, values: tuple[int, ...]) -> tuple[int, ...]:
    if not values:
        raise ValueError(f"{name}: at least one value is needed")
    for value in values:
        if not hasattr(value, "__index__"):
            raise TypeError(f"{name}: values must be integers, got {value!r}")
        if value <= 0:
            raise ValueError(f"{name}: values must be positive, got {value!r}")
    return values


def isclose(a: float, b: float, rel_tol: float = 1e-9, abs_tol: float = 0.0) -> bool:
    """Tell whether `a` and `b` differ little.

    They do when their distance is at most `abs_tol`, or at most `rel_tol` times the larger of
    their magnitudes.

    An infinite value is close only to itself, NaN to nothing.

    Examples
    --------
    >>> isclose(100, 101), isclose(100, 101, rel_tol=0.01), isclose(0, 1, abs_tol=1)
    (False, True, True)
    """
    return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)


class HashableDict(dict[K, V]):
    """A dict that cannot be changed after it is made, and so can be a key.

    Equality, order of iteration and printing of the items are those of a dict; the hash depends on
    the items alone, which therefore must be hashable. ``dict(d)`` gives a copy that can be changed.

    Examples
    --------
    >>> cache = {HashableDict(a=1, b=2): "found"}
    >>> cache[HashableDict(b=2, a=1)]
    'found'
    """

    __slots__ = ("_hash",)

    _hash: int

    @classmethod
    def fromdict(
        cls,
        other: Mapping[Any, Any],
        keyfunc: Callable[[Any], Any] | None = None,
        valfunc: Callable[[Any], Any] | None = None,
    ) -> "HashableDict[Any, Any]":
        """Make one from a mapping, passing its keys and values through functions.

        Parameters
        ----------
        other
            The mapping to copy.
        keyfunc, valfunc
            Functions of one key and of one value; left out, they change nothing.

        Raises
        ------
        TypeError
            If `other` is not a mapping.

        Examples
        --------
        >>> HashableDict.fromdict({"a": [1, 2]}, keyfunc=str.upper, valfunc=tuple)
        HashableDict({'A': (1, 2)})
        """
        if not isinstance(other, Mapping):
            raise TypeError(f"{cls.__name__}: other must be a mapping, got {other!r}")
        keyfunc = keyfunc or _identity
        valfunc = valfunc or _identity
        return cls((keyfunc(key), valfunc(val)) for key, val in other.items())

    def __hash__(self) -> int:  # type: ignore[override]  # a plain dict has none
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(frozenset(self.items()))
            return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def copy(self) -> "HashableDict[K, V]":
        """Return another one of the same type and content."""
        return type(self)(self)

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__}: an immutable dict cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def _identity(obj: T) -> T:
    return obj


class ContentHashClass:
    """Mix-in: instances are equal, and hash alike, when their attributes are.

    Only instances of one class, or of a class and its subclass, can be equal. All attributes must
    be hashable, and must not change while an instance is used as a key.
    """

    def __eq__(self, other: object) -> bool:
        if not (isinstance(other, type(self)) or isinstance(self, type(other))):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(frozenset(vars(self).items()))
