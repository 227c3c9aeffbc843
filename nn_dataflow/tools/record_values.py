# SPDX-License-Identifier: BSD-3-Clause
"""Values of a JSON record, checked when they are looked at.

Decides how a record that is none is refused (docs/evaluate.md section 2): in one line with the
file, the key, and what is allowed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from nn_dataflow.core import mem_hier_enum as me
from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.cost import Cost
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.machines.limits import MAX_NODES

from .argument_checks import Refused, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

Made = TypeVar("Made")

_LARGEST = 1e100
_LARGEST_WHOLE = 2**53


_OWN_KEYS = ("net", "schedules", "total_cost")
_NO_RESULT = "is no result of nn_dataflow_search"
_EXPECTED = "must be JSON that it, or nn_dataflow evaluate, wrote (-o FILE)"


def read_json(path: str) -> dict[str, Any]:
    """Return the content of a JSON file with a result, the keys of which are to be checked.

    Raises
    ------
    Refused
        If it cannot be read, is no JSON, or is that of something else: with the file, and the line.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise Refused(f"{where}: {_NO_RESULT}: is no JSON: {error.msg}; {_EXPECTED}") from None
    except (ValueError, RecursionError):
        raise Refused(f"{path}: {_NO_RESULT}: is no JSON; {_EXPECTED}") from None
    # A machine and the results of other tools have some keys in common with a result.
    if not isinstance(values, dict) or not any(key in values for key in _OWN_KEYS):
        raise Refused(f"{path}: {_NO_RESULT}; {_EXPECTED}")
    return values


class RecordValues:
    """A mapping of the record; `where` is its place, such as ``schedules.fc1``."""

    def __init__(self, path: str, where: str, values: Any) -> None:
        self.path, self.where = path, where
        if not isinstance(values, dict):
            raise Refused(f"{path}: {where or 'the top'} must be a mapping")
        self._values: dict[str, Any] = values

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Any:
        return iter(self._values)

    def refuse(self, key: str, wrong: str) -> NoReturn:
        """Raise the refusal of a value."""
        where = f"{self.where}.{key}" if self.where else key
        raise Refused(f"{self.path}: {where}: {wrong}")

    def get(self, key: str) -> Any:
        """Return a value that must be there."""
        if key not in self._values:
            self.refuse(key, "is missing")
        return self._values[key]

    def table(self, key: str) -> Self:
        """Return a mapping."""
        value = self.get(key)
        if not isinstance(value, dict):
            self.refuse(key, "must be a mapping")
        return type(self)(self.path, f"{self.where}.{key}" if self.where else key, value)

    def tables(self, key: str) -> list[Self]:
        """Return several mappings."""
        values = self.get(key)
        if not isinstance(values, list):
            self.refuse(key, "must be a list")
        where = f"{self.where}.{key}" if self.where else key
        return [
            type(self)(self.path, f"{where}.{number}", value) for number, value in enumerate(values)
        ]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        value = self.get(key) if default is None else self._values.get(key, default)
        if not isinstance(value, str):
            self.refuse(key, f"must be a text, got {short(value)}")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        value: float = self.get(key)
        if not is_number(value):
            self.refuse(key, f"must be a number, got {short(value)}")
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.get(key) if default is None else self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"must be a whole number, got {short(value)}")
        return value

    def wholes(self, key: str, shape: Sequence[int], lowest: int = 0) -> Any:
        """Return nested tuples of whole numbers of at least ``lowest``."""
        value = self.get(key)
        if not has_shape(value, shape, lowest):
            size = " x ".join(map(str, shape))
            self.refuse(
                key, f"must be {size} whole numbers of at least {lowest}, got {short(value)}"
            )
        return tuples(value)

    def numbers(self, key: str, shape: Sequence[int]) -> Any:
        """Return nested lists of finite numbers."""
        value = self.get(key)
        if not _are_numbers(value, shape):
            self.refuse(key, f"must be {' x '.join(map(str, shape))} numbers, got {short(value)}")
        return value

    def made(self, key: str, make: Callable[[Any], Any]) -> Any:
        """Return a value of the model, whose own refusal is told."""
        value = self.get(key)
        try:
            return make(value)
        except (TypeError, ValueError) as error:
            self.refuse(key, f"{error}")

    def built(self, make: Callable[..., Made], values: Mapping[str, Any]) -> Made:
        """Return a record of the model with these fields, whose own refusal is told."""
        try:
            return make(**values)
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            said = error.args[0] if error.args else error
            raise Refused(f"{self.path}: {self.where}: {said}") from None

    def check_finite(self) -> None:
        """Refuse numbers that JSON does not have, wherever they are."""
        for key, value in self._values.items():
            if not _is_finite(value):
                self.refuse(key, "must have no NaN and no infinite number")


def region_of(value: Any) -> NodeRegion:
    """Return a region of nodes as the record has it, with one node at least.

    Raises
    ------
    TypeError, ValueError
        If it is none.

    Examples
    --------
    >>> region_of([[2, 2], [0, 0], [1, 1], 0, 2, 2]).dim
    PhyDim2(h=2, w=2)
    """
    form = [(2,), (2,), (2,), (), (), ()]
    if not (
        isinstance(value, list)
        and len(value) == len(form)
        and all(
            has_shape(part, shape, -_LARGEST_WHOLE) for part, shape in zip(value, form, strict=True)
        )
    ):
        raise ValueError(f"must be [dim, origin, dist, type, wtot, wbeg], got {short(value)}")
    dim, origin, dist, kind, wtot, wbeg = value
    if min(dim) < 1 or dim[0] * dim[1] > MAX_NODES:
        raise ValueError(f"must have from 1 to {MAX_NODES} nodes, got {short(dim)}")
    return NodeRegion(
        PhyDim2(*dim), PhyDim2(*origin), PhyDim2(*dist), type=kind, wtot=wtot, wbeg=wbeg
    )


def cost_of(prices: RecordValues) -> Cost:
    """Return unit costs."""
    return prices.built(
        Cost,
        {
            "mac_op": prices.number("mac_op"),
            "mem_hier": tuple(prices.numbers("mem_hier", (me.NUM,))),
            "noc_hop": prices.number("noc_hop"),
            "idl_unit": prices.number("idl_unit"),
        },
    )


def certificate_of(top: RecordValues, cost: float, time: float) -> Certificate | None:
    """Return what is proven of a record, if anything is: of cost, time, or their product."""
    if "certificate" not in top or top.get("certificate") is None:
        return None
    told = top.table("certificate")
    least = told.number("lower_bound")
    value = {"e": cost, "d": time}.get(top.table("options").text("opt_goal"), cost * time)
    return Certificate(value, value if told.get("optimal") is True else least)


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list) or all(map(_is_finite, value))


def is_number(value: Any) -> bool:
    """Whether a value is a number with which one can go on calculating."""
    is_bool = isinstance(value, bool)
    return isinstance(value, (int, float)) and not is_bool and abs(value) <= _LARGEST


def _are_numbers(value: Any, shape: Sequence[int]) -> bool:
    if not shape:
        return is_number(value)
    return (
        isinstance(value, list)
        and len(value) == shape[0]
        and all(_are_numbers(item, shape[1:]) for item in value)
    )


def has_shape(value: Any, shape: Sequence[int], lowest: int) -> bool:
    """Whether a value is nested lists of whole numbers of at least ``lowest``, not absurdly large.

    >>> has_shape([[1, 2]], (1, 2), 1), has_shape([10**30], (1,), 1)
    (True, False)
    """
    if not shape:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and lowest <= value <= _LARGEST_WHOLE
    return (
        isinstance(value, list)
        and len(value) == shape[0]
        and all(has_shape(item, shape[1:], lowest) for item in value)
    )


def tuples(value: Any) -> Any:
    """Return nested lists as tuples."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def short(value: Any) -> str:
    """Return a value as part of a one-line message."""
    return shown(json.dumps(value))
