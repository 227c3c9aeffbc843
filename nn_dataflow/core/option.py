# SPDX-License-Identifier: BSD-3-Clause
"""Options of a search: what hardware and software may do, what is searched, what is best.

Decides the defaults, and which options exclude each other (docs/model/hardware.md section 7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import data_category_enum as de
from .record import Record, is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

_GOALS = ("e", "d", "ed")
_BOOLEANS = (
    "sw_solve_loopblocking",
    "hw_access_forwarding",
    "hw_gbuf_sharing",
    "hw_gbuf_save_writeback",
    "partition_hybrid",
    "partition_batch",
    "partition_ifmaps",
    "partition_interlayer",
    "layer_pipeline_opt",
    "verbose",
    "sw_imperfect",
)
# Options after those published are given by name only.
_NUM_BY_POSITION = 16


class _OptionFields(NamedTuple):
    sw_gbuf_bypass: tuple[bool, ...] = (False,) * de.NUM
    sw_solve_loopblocking: bool = False
    hw_access_forwarding: bool = False
    hw_gbuf_sharing: bool = False
    hw_gbuf_save_writeback: bool = False
    partition_hybrid: bool = False
    partition_batch: bool = False
    partition_ifmaps: bool = False
    partition_interlayer: bool = False
    layer_pipeline_time_ovhd: float = math.inf
    layer_pipeline_max_degree: float = math.inf
    layer_pipeline_opt: bool = True
    opt_goal: str = "e"
    ntops: int = 1
    nprocesses: int = 1
    verbose: bool = False
    sw_imperfect: bool = False


class Option(Record, _OptionFields):
    """Options of a search, given by name, or all but the last by position; all have defaults.

    Parameters
    ----------
    sw_gbuf_bypass : tuple of bool
        For each data category, whether it may skip the global buffer; never, unless given.
    sw_solve_loopblocking : bool
        Solve loop blocking by formula, for layers with the data loops of a convolution, instead of
        searching exhaustively.
    hw_access_forwarding : bool
        Nodes forward data that they fetched to each other.
    hw_gbuf_sharing : bool
        Nodes share buffer capacity; implies forwarding.
    hw_gbuf_save_writeback : bool
        Intermediate fmaps may stay on chip from one layer to the next.
    partition_hybrid : bool
        Mix kinds of parallelism; otherwise each kind of layer has a fixed one.
    partition_batch : bool
        The batch may be split over nodes.
    partition_ifmaps : bool
        Input channels may be split over nodes; needs `partition_hybrid`.
    partition_interlayer : bool
        Layers may run at once on different nodes, as a pipeline.
    layer_pipeline_time_ovhd : int or float
        Largest time overhead of a pipeline segment, relative to its layers' own time; unlimited
        unless given.
    layer_pipeline_max_degree : int or float
        Most layer groups in a pipeline segment; unlimited unless given.
    layer_pipeline_opt : bool
        Use the optimisations of pipelining (the default), not its basic form.
    opt_goal : str
        What is least in the best schedule: cost ('e', the default), time ('d') or their product
        ('ed').
    ntops : int
        How many best schedules are kept, 1 unless given.
    nprocesses : int
        Number of processes that search, 1 unless given.
    verbose : bool
        Print progress.
    sw_imperfect : bool
        The last block of a loop may be partial: blocking factors need not divide the loop count.

    Raises
    ------
    TypeError
        If an option is unknown or given twice, there are too many, `sw_gbuf_bypass` is not a tuple,
        an entry of it or a boolean option is neither a boolean nor 0 or 1, or `ntops` or
        `nprocesses` is not an integer.
    ValueError
        If options exclude each other or a value is out of its range.
    KeyError
        If a limit of layer pipelining is not a number.

    Examples
    --------
    >>> options = Option(opt_goal="ed", ntops=4)
    >>> options.opt_goal, options.ntops, options.partition_hybrid
    ('ed', 4, False)
    >>> Option(partition_ifmaps=True)
    Traceback (most recent call last):
        ...
    ValueError: Option: partition_ifmaps needs partition_hybrid, got False
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102  # the class describes it
        _check_names(cls._fields[:_NUM_BY_POSITION], cls._fields, args, kwargs)
        self = super().__new__(cls, *args, **kwargs)
        _check_bypass(self.sw_gbuf_bypass)
        _check_booleans(self)
        _check_combination(self)
        _check_limit("layer_pipeline_time_ovhd", self.layer_pipeline_time_ovhd)
        _check_limit("layer_pipeline_max_degree", self.layer_pipeline_max_degree)
        if self.opt_goal not in _GOALS:
            raise ValueError(f"Option: opt_goal must be 'e', 'd' or 'ed', got {self.opt_goal!r}")
        _check_count("ntops", self.ntops)
        _check_count("nprocesses", self.nprocesses)
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Pickle all options by name."""
        return (), self._asdict()

    if not TYPE_CHECKING:  # to a type checker it is that of the named tuple

        @classmethod
        def _make(cls, iterable: Iterable[Any]) -> Self:
            return cls(**dict(zip(cls._fields, iterable, strict=True)))

    @property
    def shares_segments(self) -> bool:
        """Whether layers may share a segment, next to each other or one after another."""
        return bool(self.partition_interlayer or self.hw_gbuf_save_writeback)

    @staticmethod
    def option_list() -> list[str]:
        """Names of all options; those that are given by position come first, in this order.

        Examples
        --------
        >>> Option.option_list()[:2]
        ['sw_gbuf_bypass', 'sw_solve_loopblocking']
        """
        return list(Option._fields)


def _check_names(
    by_position: tuple[str, ...],
    fields: tuple[str, ...],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    if len(args) > len(by_position):
        raise TypeError(f"Option: at most {len(by_position)} values are allowed, got {len(args)}")
    for name in kwargs:
        if name not in fields:
            raise TypeError(f"Option: {name} is unknown, allowed are {', '.join(fields)}")
        if name in by_position[: len(args)]:
            raise TypeError(f"Option: {name} is given by position and by name")


def _check_bypass(bypass: object) -> None:
    if not isinstance(bypass, tuple):
        raise TypeError(f"Option: sw_gbuf_bypass must be a tuple, got {bypass!r}")
    if len(bypass) != de.NUM:
        raise ValueError(f"Option: sw_gbuf_bypass must have {de.NUM} entries, got {bypass!r}")


def _check_combination(option: Option) -> None:
    for one, other in (
        ("sw_solve_loopblocking", "hw_gbuf_sharing"),
        ("hw_access_forwarding", "hw_gbuf_sharing"),
        ("sw_solve_loopblocking", "hw_gbuf_save_writeback"),
        ("sw_solve_loopblocking", "sw_imperfect"),
    ):
        if getattr(option, one) and getattr(option, other):
            raise ValueError(
                f"Option: {one} and {other} exclude each other, got"
                f" {getattr(option, one)!r} and {getattr(option, other)!r}"
            )
    if option.partition_ifmaps and not option.partition_hybrid:
        raise ValueError(
            f"Option: partition_ifmaps needs partition_hybrid, got {option.partition_hybrid!r}"
        )


def _check_booleans(option: Option) -> None:
    if not all(map(_is_boolean, option.sw_gbuf_bypass)):
        raise TypeError(
            "Option: sw_gbuf_bypass must have booleans (or 0 and 1) as entries,"
            f" got {option.sw_gbuf_bypass!r}"
        )
    for name in _BOOLEANS:
        value = getattr(option, name)
        if not _is_boolean(value):
            raise TypeError(f"Option: {name} must be a boolean (or 0 or 1), got {value!r}")


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool | np.bool_) or (is_integer(value) and value in (0, 1))


def _check_limit(name: str, limit: float) -> None:
    allowed = f"Option: {name} must be a number of at least 0"
    if not is_real(limit):
        raise KeyError(f"{allowed}, got {limit!r}")
    if not limit >= 0:
        raise ValueError(f"{allowed}, got {limit!r}")


def _check_count(name: str, count: int) -> None:
    allowed = f"Option: {name} must be an integer of at least 1"
    if not is_integer(count):
        raise TypeError(f"{allowed}, got {count!r}")
    if count < 1:
        raise ValueError(f"{allowed}, got {count!r}")
