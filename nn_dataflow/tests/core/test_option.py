# SPDX-License-Identifier: BSD-3-Clause
"""Options against docs/model/hardware.md section 7, and corrections E3, E5 and E10."""

import math
import pickle

import numpy as np
import pytest

from nn_dataflow.core.option import Option

DEFAULTS = {
    "sw_gbuf_bypass": (False, False, False),
    "sw_solve_loopblocking": False,
    "hw_access_forwarding": False,
    "hw_gbuf_sharing": False,
    "hw_gbuf_save_writeback": False,
    "partition_hybrid": False,
    "partition_batch": False,
    "partition_ifmaps": False,
    "partition_interlayer": False,
    "layer_pipeline_time_ovhd": math.inf,
    "layer_pipeline_max_degree": math.inf,
    "layer_pipeline_opt": True,
    "opt_goal": "e",
    "ntops": 1,
    "nprocesses": 1,
    "verbose": False,
}
BY_NAME = {"sw_imperfect": False}


def test_defaults():
    options = Option()
    assert options._asdict() == DEFAULTS | BY_NAME
    assert list(options._fields) == [*DEFAULTS, *BY_NAME]
    assert Option.option_list() == [*DEFAULTS, *BY_NAME]


def test_by_position_and_by_name():
    assert Option(*DEFAULTS.values()) == Option(**DEFAULTS) == Option()
    options = Option((False, True, False), True, opt_goal="d", ntops=3)
    assert options.sw_gbuf_bypass == (False, True, False)
    assert options.sw_solve_loopblocking is True
    assert (options.opt_goal, options.ntops) == ("d", 3)
    options = Option(*DEFAULTS.values(), sw_imperfect=True)
    assert options == Option(**DEFAULTS, sw_imperfect=True) != Option()


def test_value_semantics():
    options = Option(ntops=2, sw_imperfect=True)
    assert options == Option()._replace(ntops=2, sw_imperfect=True) != Option()
    assert options == Option._make(options)
    assert hash(options) == hash(Option(ntops=2, sw_imperfect=True))
    assert repr(options).startswith("Option(sw_gbuf_bypass=(False, False, False), sw_solve")
    same = pickle.loads(pickle.dumps(options))
    assert type(same) is Option
    assert same == options


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((*DEFAULTS.values(), 1), {}, "at most 16 values are allowed, got 17"),
        ((), {"ntop": 1}, "ntop is unknown"),
        (((False,) * 3,), {"sw_gbuf_bypass": (True,) * 3}, "sw_gbuf_bypass is given by position"),
    ],
)
def test_wrong_arguments(args, kwargs, message):
    with pytest.raises(TypeError, match=f"^Option: {message}"):
        Option(*args, **kwargs)


@pytest.mark.parametrize(
    "changes",
    [
        {"sw_gbuf_bypass": (1, np.False_, True)},
        {"sw_gbuf_bypass": (0, np.int64(1), False)},
        {"partition_batch": np.True_},
        {"partition_interlayer": np.int64(0)},
        {"sw_solve_loopblocking": True, "hw_access_forwarding": True},
        {"sw_imperfect": True, "hw_gbuf_sharing": True},
        {"hw_gbuf_sharing": True, "hw_gbuf_save_writeback": True},
        {"partition_hybrid": True, "partition_ifmaps": True},
        {"layer_pipeline_time_ovhd": 0},
        {"layer_pipeline_time_ovhd": 0.1},
        {"layer_pipeline_max_degree": 0},
        {"layer_pipeline_max_degree": np.int64(3)},
        {"opt_goal": "d"},
        {"opt_goal": "ed"},
        {"ntops": np.int64(10)},
        {"nprocesses": 8},
        {"verbose": 1},
    ],
)
def test_legal_values(changes):
    options = Option(**changes)
    assert {name: getattr(options, name) for name in changes} == changes


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("sw_gbuf_bypass", [False] * 3, TypeError),
        ("sw_gbuf_bypass", False, TypeError),
        ("sw_gbuf_bypass", (False,) * 2, ValueError),
        ("sw_gbuf_bypass", (False,) * 4, ValueError),
        ("sw_gbuf_bypass", (1, "yes", None), TypeError),
        ("sw_gbuf_bypass", (False, 2, False), TypeError),
        ("sw_gbuf_bypass", (False, False, 1.0), TypeError),
        *[(name, "no", TypeError) for name, value in DEFAULTS.items() if isinstance(value, bool)],
        ("sw_imperfect", "no", TypeError),
        ("verbose", None, TypeError),
        ("verbose", 2, TypeError),
        ("verbose", 1.0, TypeError),
        ("partition_batch", [True], TypeError),
        ("partition_batch", np.array([True]), TypeError),
        ("layer_pipeline_time_ovhd", None, KeyError),
        ("layer_pipeline_time_ovhd", "0.1", KeyError),
        ("layer_pipeline_time_ovhd", True, KeyError),
        ("layer_pipeline_time_ovhd", -0.1, ValueError),
        ("layer_pipeline_time_ovhd", math.nan, ValueError),
        ("layer_pipeline_max_degree", None, KeyError),
        ("layer_pipeline_max_degree", (1,), KeyError),
        ("layer_pipeline_max_degree", -1, ValueError),
        ("layer_pipeline_max_degree", math.nan, ValueError),
        ("opt_goal", "E", ValueError),
        ("opt_goal", "de", ValueError),
        ("opt_goal", "", ValueError),
        ("opt_goal", None, ValueError),
        ("opt_goal", ["e"], ValueError),
        ("ntops", 0, ValueError),
        ("ntops", -1, ValueError),
        ("ntops", 1.0, TypeError),
        ("ntops", None, TypeError),
        ("ntops", True, TypeError),
        ("nprocesses", 0, ValueError),
        ("nprocesses", 1.5, TypeError),
        ("nprocesses", "2", TypeError),
    ],
)
def test_bad_value_is_refused(field, value, error):
    message = f"Option: {field} must .*, got "
    for make in (lambda: Option(**{field: value}), lambda: Option()._replace(**{field: value})):
        with pytest.raises(error) as caught:
            make()
        assert caught.match(message)
        assert caught.value.args[0].startswith("Option: ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sw_solve_loopblocking", "hw_gbuf_sharing"),
        ("hw_access_forwarding", "hw_gbuf_sharing"),
        ("sw_solve_loopblocking", "hw_gbuf_save_writeback"),
        ("sw_solve_loopblocking", "sw_imperfect"),
    ],
)
def test_options_that_exclude_each_other(first, second):
    with pytest.raises(ValueError, match=f"^Option: {first} and {second} exclude each other"):
        Option(**{first: True, second: True})
    with pytest.raises(ValueError, match=f"^Option: {first} and {second} exclude each other"):
        Option(**{first: True})._replace(**{second: True})


def test_partition_ifmaps_needs_partition_hybrid():
    with pytest.raises(ValueError, match=r"^Option: partition_ifmaps needs partition_hybrid"):
        Option(partition_ifmaps=True)


@pytest.mark.parametrize(
    ("options", "error", "field"),
    [
        ({"sw_gbuf_bypass": ("no",) * 2}, ValueError, "sw_gbuf_bypass"),
        ({"hw_gbuf_sharing": "no", "hw_access_forwarding": True}, TypeError, "hw_gbuf_sharing"),
        ({"layer_pipeline_time_ovhd": None, "opt_goal": "E"}, KeyError, "layer_pipeline_time_ovhd"),
        ({"opt_goal": "E", "ntops": 0}, ValueError, "opt_goal"),
        ({"verbose": "no", "sw_gbuf_bypass": ("no",) * 3}, TypeError, "sw_gbuf_bypass"),
        ({"verbose": "no", "ntops": 0}, TypeError, "verbose"),
    ],
)
def test_order_of_checks(options, error, field):
    """That of section 7; types of booleans before what excludes each other."""
    with pytest.raises(error) as caught:
        Option(**options)
    assert caught.match(f"Option: {field} must")
