# SPDX-License-Identifier: BSD-3-Clause
"""Shared helpers against the definitions and examples of docs/model/hardware.md section 2."""

import copy
import math
import pickle
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow import util

small = st.integers(1, 60)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(8, 3, 3), (9, 3, 3), (0, 3, 0), (1, 3, 1), (-8, 3, -2), (-9, 3, -3), (8, math.inf, 0)],
)
def test_idivc(x, y, expected):
    assert util.idivc(x, y) == expected


@given(st.integers(-1000, 1000), small)
def test_idivc_is_the_ceiling(x, y):
    result = util.idivc(x, y)
    assert isinstance(result, int)
    assert result - 1 < x / y <= result


def test_idivc_of_infinities_and_zero():
    assert math.isnan(util.idivc(math.inf, math.inf))
    assert math.isnan(util.idivc(math.inf, 3))
    with pytest.raises(ZeroDivisionError):
        util.idivc(8, 0)


def test_prod():
    assert util.prod([2, 3, 4]) == 24
    assert util.prod(x for x in (2, 0.5)) == 1
    assert util.prod([]) == 1


@pytest.mark.parametrize(
    ("total", "num"), [(11, 2), (19, 5), (3, 2), (28, 3), (55, 4), (27, 4), (20, 11)]
)
def test_approx_dividable(total, num):
    assert util.approx_dividable(total, num) is True


@pytest.mark.parametrize(
    ("total", "num"), [(8, 5), (2, 3), (5, 4), (9, 4), (10, 4), (13, 4), (13, 5), (7, 3)]
)
def test_not_approx_dividable(total, num):
    assert util.approx_dividable(total, num) is False


def test_approx_dividable_with_other_overheads():
    assert util.approx_dividable(8, 5, rel_overhead=0.2)
    assert util.approx_dividable(8, 5, abs_overhead=2)
    assert not util.approx_dividable(11, 2, rel_overhead=0, abs_overhead=0)
    assert not util.approx_dividable(2, 3, abs_overhead=100)


@pytest.mark.parametrize(
    ("rng", "num", "parts"),
    [
        ((0, 10), 4, [(0, 2), (2, 5), (5, 7), (7, 10)]),
        ((0, 3), 8, [(0, 0), (0, 0), (0, 1), (1, 1), (1, 1), (1, 2), (2, 2), (2, 3)]),
        ((5, 9), 2, [(5, 7), (7, 9)]),
    ],
)
def test_get_ith_range(rng, num, parts):
    assert [util.get_ith_range(rng, idx, num) for idx in range(num)] == parts


@given(st.integers(-50, 50), st.integers(0, 100), small)
def test_get_ith_range_covers_evenly(beg, length, num):
    parts = [util.get_ith_range((beg, beg + length), idx, num) for idx in range(num)]
    assert [i for part in parts for i in range(*part)] == list(range(beg, beg + length))
    lengths = [end - beg for beg, end in parts]
    assert max(lengths) - min(lengths) <= 1


def test_factorize_examples():
    assert list(util.factorize(12, 2)) == [(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)]
    tuples = list(util.factorize(4, 4))
    assert len(tuples) == 10
    assert tuples[0] == (1, 1, 1, 4)
    assert tuples[-1] == (4, 1, 1, 1)
    assert list(util.factorize(7, 1)) == [(7,)]
    assert list(util.factorize(0, 2)) == []


@given(st.integers(1, 40), st.integers(1, 3))
def test_factorize_is_every_tuple_in_order(value, num):
    brute = [t for t in product(range(1, value + 1), repeat=num) if math.prod(t) == value]
    assert list(util.factorize(value, num)) == brute


@given(st.integers(1, 200), st.lists(st.integers(0, 20), min_size=2, max_size=2))
def test_factorize_limits_drop_tuples(value, limits):
    kept = [t for t in util.factorize(value, 3) if t[0] <= limits[0] and t[1] <= limits[1]]
    assert list(util.factorize(value, 3, limits=limits)) == kept
    assert list(util.factorize(value, 3, limits=[*limits, 0])) == kept


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((4.0, 2), TypeError),
        ((4, "2"), TypeError),
        ((4, 0), ValueError),
        ((4, 3, (1,)), ValueError),
    ],
)
def test_factorize_refuses_at_once(args, error):
    with pytest.raises(error):
        util.factorize(*args)


@pytest.mark.parametrize(
    ("value", "factor", "expected"),
    [
        (24, 5, (4, 6)),
        (24, 6, (6, 6)),
        (24, 30, (24,)),
        (24, 0, (1,)),
        (24, 0.5, (1,)),
        (24, 5.5, (4, 6)),
        (24, math.inf, (24,)),
        (0, 3, (3,)),
        (0, 3.5, (3,)),
        (0, 0.5, ()),
        (0, 0, (1,)),
        (36, 6, (6, 6)),
        (1, 1, (1, 1)),
    ],
)
def test_closest_factor(value, factor, expected):
    assert util.closest_factor(value, factor) == expected


@given(st.integers(1, 300), st.floats(0, 400))
def test_closest_factor_encloses(value, factor):
    divisors = [d for d in range(1, value + 1) if value % d == 0]
    below = [d for d in divisors if d <= factor][-1:]
    above = [d for d in divisors if d >= factor][:1]
    assert util.closest_factor(value, factor) == tuple(below + above)


@pytest.mark.parametrize(
    ("value", "factor", "error"),
    [
        (24.0, 5, TypeError),
        (24, "5", TypeError),
        (-24, 5, ValueError),
        (24, -5, ValueError),
        (24, math.nan, ValueError),
    ],
)
def test_closest_factor_refuses(value, factor, error):
    with pytest.raises(error):
        util.closest_factor(value, factor)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=3))
def test_gcd_and_lcm(values):
    greatest, least = util.gcd(*values), util.lcm(*values)
    assert all(v % greatest == 0 and least % v == 0 for v in values)
    assert not any(all(v % d == 0 for v in values) for d in range(greatest + 1, min(values) + 1))
    assert not any(all(m % v == 0 for v in values) for m in range(max(values), least))


@pytest.mark.parametrize("func", [util.gcd, util.lcm])
@pytest.mark.parametrize(
    ("values", "error"),
    [
        ((), ValueError),
        ((3, 0), ValueError),
        ((3, -6), ValueError),
        ((3, 6.0), TypeError),
        (("3",), TypeError),
    ],
)
def test_gcd_and_lcm_refuse(func, values, error):
    with pytest.raises(error, match=f"^{func.__name__}: "):
        func(*values)


def test_gcd_takes_numpy_integers():
    assert util.gcd(np.int64(12), 18) == 6


def test_isclose():
    assert util.isclose(1, 1 + 1e-10)
    assert not util.isclose(1, 1 + 1e-8)
    assert util.isclose(-100, -101, rel_tol=0.01)
    assert not util.isclose(0, 1e-12)
    assert util.isclose(0, 1, abs_tol=1)
    assert util.isclose(math.inf, math.inf)
    assert not util.isclose(math.inf, 1)
    assert not util.isclose(math.nan, math.nan)


class TestHashableDict:
    def test_is_a_dict_that_can_be_a_key(self):
        one = util.HashableDict(a=1, b=2)
        two = util.HashableDict([("b", 2), ("a", 1)])
        assert one == two == {"a": 1, "b": 2}
        assert hash(one) == hash(two)
        assert {one: "x"}[two] == "x"
        assert list(two) == ["b", "a"]
        assert one != util.HashableDict(a=1)

    def test_fromdict(self):
        source = {"a": [1], "b": [2, 3]}
        made = util.HashableDict.fromdict(source, keyfunc=str.upper, valfunc=tuple)
        assert made == {"A": (1,), "B": (2, 3)}
        assert util.HashableDict.fromdict(source) == source
        with pytest.raises(TypeError, match=r"^HashableDict: "):
            util.HashableDict.fromdict([("a", 1)])

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.__setitem__("a", 2),
            lambda d: d.__delitem__("a"),
            lambda d: d.__ior__({"b": 1}),
            lambda d: d.update(b=1),
            lambda d: d.setdefault("b", 1),
            lambda d: d.pop("a"),
            lambda d: d.popitem(),
            lambda d: d.clear(),
        ],
    )
    def test_cannot_be_changed(self, change):
        made = util.HashableDict(a=1)
        with pytest.raises(TypeError, match=r"^HashableDict: "):
            change(made)
        assert made == {"a": 1}

    def test_copies_and_pickles(self):
        made = util.HashableDict(a=(1, 2))
        for other in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
            assert type(other) is util.HashableDict
            assert other == made
            assert hash(other) == hash(made)

    def test_copy_keeps_the_type(self):
        class Named(util.HashableDict):
            pass

        for made in (util.HashableDict(a=1), Named(a=1)):
            twin = made.copy()
            assert type(twin) is type(made)
            assert twin == made
            assert hash(twin) == hash(made)
            with pytest.raises(TypeError):
                twin["b"] = 2

    def test_unhashable_value(self):
        with pytest.raises(TypeError):
            hash(util.HashableDict(a=[]))


class _Base(util.ContentHashClass):
    def __init__(self, **fields):
        vars(self).update(fields)


class _Derived(_Base):
    pass


class _Sibling(_Base):
    pass


def test_content_hash_class():
    assert _Base(a=1, b=2) == _Base(b=2, a=1)
    assert hash(_Base(a=1, b=2)) == hash(_Base(b=2, a=1))
    assert _Base(a=1) != _Base(a=2)
    assert _Base(a=1) != _Base(b=1)
    assert _Base(a=1) != {"a": 1}


def test_content_hash_class_between_classes():
    assert _Base(a=1) == _Derived(a=1)
    assert _Derived(a=1) == _Base(a=1)
    assert _Derived(a=1) != _Sibling(a=1)
    assert len({_Base(a=1), _Derived(a=1)}) == 1
