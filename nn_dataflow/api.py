# SPDX-License-Identifier: BSD-3-Clause
"""The Python interface: a search with keyword options, and stored results.

Decides how keywords become the options of the command line (docs/python.md), which checks them and
runs the search: what is refused there is refused here in the same words.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from .core.constraints import Constraints
from .core.cost import Cost
from .core.network import Network
from .core.resource import Resource
from .errors import InputError, NoDataflowError, SearchInterrupted
from .machines.spec import Machine
from .result import Result
from .tools import nn_dataflow_search as tool
from .tools.argument_checks import Refused
from .tools.exit_status import NoDataflow
from .tools.result_json import record
from .tools.result_record import ResultRecord, read_record
from .tools.search_arguments import parse_arguments
from .tools.search_options import COSTS, MACHINE, OPTIONS
from .version import get_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Name = str | os.PathLike[str]

_SPECS = {spec.names.split()[-1]: spec for specs in OPTIONS.values() for spec in specs}
_OF_MACHINE = [spec.names.split()[-1] for spec in (*MACHINE[1:], *COSTS) if spec.names != "--word"]


def search(
    net: Name | Network,
    *,
    batch: int = 16,
    arch: Name | Machine | tuple[Resource, Cost] | None = None,
    nodes: Sequence[int] | None = None,
    array: Sequence[int] | None = None,
    regf: int | None = None,
    gbuf: int | None = None,
    word: int | None = None,
    bus_width: int | None = None,
    dram_bw: float | None = None,
    mem_type: str | None = None,
    op_cost: float | None = None,
    hier_cost: Sequence[float] | None = None,
    hop_cost: float | None = None,
    unit_idle_cost: float | None = None,
    disable_bypass: str | Iterable[str] = "",
    constraints: Name | Mapping[str, Any] | Constraints | None = None,
    solve_loopblocking: bool = False,
    imperfect: bool = False,
    hybrid_partition: bool = False,
    batch_partition: bool = False,
    ifmaps_partition: bool = False,
    enable_access_forwarding: bool = False,
    enable_gbuf_sharing: bool = False,
    interlayer_partition: bool = False,
    enable_save_writeback: bool = False,
    disable_interlayer_opt: bool = False,
    layer_pipeline_time_overhead: float | None = None,
    layer_pipeline_max_degree: float | None = None,
    goal: str = "e",
    pareto: bool = False,
    top: int = 1,
    processes: int | None = None,
    verbose: bool = False,
) -> Result:
    """Find the best dataflow of a network on a machine.

    Parameters
    ----------
    net : str, path or Network
        A network of the library, the path of a ``.py`` file that defines one, or a network.
    arch : str, path, Machine or (Resource, Cost), optional
        A preset or a file, which the options of the machine override, or a machine of the model, on
        which only the size of a word can be told besides (16 bits by default).
    constraints : path, mapping or Constraints, optional
        A file of constraints, or what it would say (docs/constraints.md).
    **options
        As of ``nn_dataflow_search``, with underscores (docs/model/search.md section 7); what is
        None has the default of the command line. Sizes are in bytes, widths in bits.

    Returns
    -------
    Result
        The best schedule: energy, time, layers, segments, and what is proven of it.

    Raises
    ------
    InputError
        If something is refused: in one line, what was given, where, and what is allowed.
    NoDataflowError
        If no dataflow is valid: in one line, the first layer without one, and the capacity.
    SearchInterrupted
        After Ctrl-C, with the best schedule found until then as `result`. It is a
        KeyboardInterrupt; that is raised alone if none was found.

    Examples
    --------
    >>> result = search("mlp_s", nodes=(2, 2), hybrid_partition=True)
    >>> result.energy, result.time, result.certificate.is_optimal
    (175861840.0, 18272.0, True)
    >>> search("mlp_s", nodes=(0, 2))
    Traceback (most recent call last):
        ...
    nn_dataflow.errors.InputError: --nodes 0 2: must be two whole numbers of at least 1
    """
    options = dict(locals())
    net = options.pop("net")
    arch = options.pop("arch")
    wanted = options.pop("constraints")
    if isinstance(wanted, (str, os.PathLike)):
        options["constraints"], wanted = _path(wanted), None
    elif not (wanted is None or isinstance(wanted, (Mapping, Constraints))):
        raise InputError(f"--constraints: must be a file or a mapping, got {wanted!r}")
    try:
        network, name = (net, net.net_name) if isinstance(net, Network) else (None, _path(net))
        machine = None if arch is None else _machine(arch, options)
        words = _words(options)
        if arch is not None and machine is None:
            words.append(f"--arch={_path(arch)}")
        arguments = parse_arguments([*words, "--", name])
        problem = tool.describe(arguments, network, machine, wanted)
        found = tool.search(arguments, problem)
    except Refused as error:
        raise InputError(str(error)) from error
    except NoDataflow as error:
        raise NoDataflowError(str(error)) from error
    values = record(found, get_version(with_local=True))
    result = Result(ResultRecord(name, values), found.tops)
    if found.interrupted:
        raise SearchInterrupted(result)
    return result


def load(path: Name) -> Result:
    """Read a stored result: JSON of `Result.save`, of ``nn_dataflow_search`` or of ``evaluate``.

    Raises
    ------
    InputError
        If it cannot be read, or is no result: in one line with the file and the key.
    """
    try:
        return Result(read_record(_path(path)))
    except Refused as error:
        raise InputError(str(error)) from error


def _path(name: Any) -> str:
    """Return the text of a name or a path."""
    try:
        text = os.fspath(name)
    except TypeError:
        text = name
    if not isinstance(text, str):
        raise Refused(f"{name!r}: must be a name or a path")
    return text


def _machine(arch: Any, options: dict[str, Any]) -> Machine | None:
    """Return a machine that is given as one, and take the size of a word out of the options."""
    if isinstance(arch, (str, os.PathLike)):
        return None
    if not isinstance(arch, Machine):
        pair = arch if isinstance(arch, tuple) and len(arch) == 2 else (None, None)
        if not (isinstance(pair[0], Resource) and isinstance(pair[1], Cost)):
            raise Refused(f"--arch: must be a name, a file or (Resource, Cost), got {arch!r}")
        arch = Machine(pair[0], pair[1], word=16)
    machine: Machine = arch
    for option in _OF_MACHINE:
        if options[_keyword(option)] is not None:
            raise Refused(f"{option}: must not be given with a Resource and a Cost")
    if options["word"] is not None:
        words = _words({"word": options["word"]})
        machine = machine._replace(word=parse_arguments([*words, "--", "any"]).word)
    return machine


def _words(options: dict[str, Any]) -> list[str]:
    """Return keywords as words of the command line.

    Examples
    --------
    >>> _words({"nodes": (2, 4), "goal": "ed", "verbose": False, "gbuf": None})
    ['--nodes', '2', '4', '--goal=ed']
    >>> _words({"disable_bypass": ("i", "o"), "hybrid_partition": True})
    ['--disable-bypass=io', '--hybrid-partition']
    """
    words: list[str] = []
    for keyword, value in options.items():
        option = f"--{keyword.replace('_', '-')}"
        spec = _SPECS[option]
        if not spec.metavar:
            if not isinstance(value, bool):
                _refuse(option, "True or False", value)
            words += [option] if value else []
        elif option == "--disable-bypass":
            if not hasattr(value, "__iter__"):
                _refuse(option, "letters of i, o, f", value)
            letters = "".join(map(str, value))
            words += [f"{option}={letters}"] if letters else []
        elif value is not None and " " in spec.metavar:
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                _refuse(option, f"{len(spec.metavar.split())} numbers", value)
            words += [option, *map(str, value)]
        elif value is not None:
            words.append(f"{option}={value}")
    return words


def _keyword(option: str) -> str:
    return option[2:].replace("-", "_")


def _refuse(option: str, allowed: str, value: Any) -> NoReturn:
    raise Refused(f"{option}: must be {allowed}, got {value!r}")
