# SPDX-License-Identifier: BSD-3-Clause
"""Records are checked however they are made (docs/differences.md, E10)."""

import copy
import math
import pickle
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest

from nn_dataflow.core.record import Record, is_integer, is_real


class _SpanFields(NamedTuple):
    beg: int
    end: int


class Span(Record, _SpanFields):
    __slots__ = ()

    def __new__(cls, beg, end=10):
        if beg > end:
            raise ValueError(f"Span: end must not be below {beg}, got {end}")
        return super().__new__(cls, beg, end)


def test_every_way_to_make_one_is_checked():
    span = Span(1)
    for make in (
        lambda: Span(3, 2),
        lambda: span._replace(beg=11),
        lambda: Span._make((3, 2)),
    ):
        with pytest.raises(ValueError, match=r"^Span: end must not be below"):
            make()


def test_value_semantics():
    span = Span(1, end=3)
    assert span == Span(beg=1, end=3) != Span(1)
    assert repr(span) == "Span(beg=1, end=3)"
    assert span._asdict() == {"beg": 1, "end": 3}
    assert span._replace(end=4) == Span(1, 4)
    assert not hasattr(span, "__dict__")
    for other in (pickle.loads(pickle.dumps(span)), copy.deepcopy(span), Span._make([1, 3])):
        assert type(other) is Span
        assert other == span
        assert hash(other) == hash(span)


@pytest.mark.parametrize("value", [0, -3, 10**30, np.int8(3), np.uint64(3)])
def test_integers(value):
    assert is_integer(value)
    assert is_real(value)


@pytest.mark.parametrize("value", [0.0, 2.5, math.inf, math.nan, np.float32(2)])
def test_real_numbers(value):
    assert is_real(value)
    assert not is_integer(value)


@pytest.mark.parametrize(
    "value", [True, np.True_, None, "3", 3j, Decimal(3), (3,), [3], np.array([3]), np.array(3)]
)
def test_no_numbers(value):
    assert not is_real(value)
    assert not is_integer(value)
