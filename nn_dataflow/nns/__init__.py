# SPDX-License-Identifier: BSD-3-Clause
"""The network library: finds networks by name or by file, and gives parts to build them from.

Decides what a network name means and how a bad one is refused (docs/model/workload.md sections 6.1
and 6.10). Every other file of this folder defines one network as ``NN``; none is loaded before it
is asked for.
"""

from __future__ import annotations

import importlib
import os
import types
from typing import TYPE_CHECKING, NoReturn

from nn_dataflow.core.layer import EltwiseLayer, FCLayer, InputLayer
from nn_dataflow.core.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = os.path.dirname(os.path.realpath(__file__))
_LEAST_LIKENESS = 0.5  # of a name that is suggested
_loaded: dict[str, Network] = {}


def all_networks() -> list[str]:
    """Return the names of the bundled networks, sorted.

    Examples
    --------
    >>> all_networks()[:3]
    ['alex_net', 'googlenet', 'lstm_gnmt']
    """
    stems = (os.path.splitext(file) for file in os.listdir(_FOLDER))
    return sorted(stem for stem, suffix in stems if suffix == ".py" and not stem.startswith("__"))


def import_network(name: str | os.PathLike[str]) -> Network:
    """Return a network by its name in the library, or by the path of a file that defines it.

    The file is a Python program that leaves a `Network` in the variable ``NN``. The same name, or
    file, gives the same object every time, so a change to it is seen by everyone.

    Parameters
    ----------
    name : str or path
        A name out of `all_networks`, or the path of a ``.py`` file.

    Raises
    ------
    ImportError
        When the name is unknown, or the file cannot be read, fails when run, or defines no
        network. The message is one line with the file, the place in it, and the reason.

    Examples
    --------
    >>> import_network("mlp_s").net_name
    'MLP-S'
    >>> import_network("alexnet")
    Traceback (most recent call last):
        ...
    ImportError: unknown network 'alexnet', the closest known name is 'alex_net'
    """
    name = os.fspath(name)
    if os.path.splitext(name)[1] == ".py" or os.path.basename(name) != name:
        path = os.path.realpath(name)
        if os.path.dirname(path) != _FOLDER:
            return _load(path, name, lambda: _run_file(path))
        name = _stem(path)
    if name in all_networks():
        path = os.path.join(_FOLDER, f"{name}.py")
        return _load(path, path, lambda: importlib.import_module(f"{__name__}.{name}"))
    import difflib  # noqa: PLC0415  # only for this message

    known = all_networks()
    closest = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_LEAST_LIKENESS)
    if closest:
        raise ImportError(f"unknown network {name!r}, the closest known name is {closest[0]!r}")
    raise ImportError(f"unknown network {name!r}, the known names are {', '.join(known)}")


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _load(path: str, shown: str, run: Callable[[], types.ModuleType]) -> Network:
    if path not in _loaded:
        try:
            variables = vars(run())
        except (Exception, SystemExit) as exc:  # noqa: BLE001  # a program may fail in any way
            _refuse(path, shown, exc)
        if "NN" not in variables:
            raise ImportError(_one_line(f"network file {shown}: defines no NN"))
        network = variables["NN"]
        if not isinstance(network, Network):
            reason = f"NN must be a Network, got {network!r}"
            raise ImportError(_one_line(f"network file {shown}: {reason}"))
        if not len(network):
            raise ImportError(_one_line(f"network file {shown}: the network NN has no layers"))
        _loaded[path] = network
    return _loaded[path]


def _run_file(path: str) -> types.ModuleType:
    module = types.ModuleType(_stem(path))
    module.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)  # noqa: S102  # a network file is a program by design
    return module


def _refuse(path: str, shown: str, exc: BaseException) -> NoReturn:
    """Raise the ImportError that tells where in the file an exception came from, and why."""
    import traceback  # noqa: PLC0415  # only for this message

    place = f"network file {shown}"
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if f.filename == path]
    if frames:
        place += f", line {frames[-1].lineno}, in `{frames[-1].line}`"
    reason = str(exc)
    if isinstance(exc, SyntaxError) and exc.filename == path:
        place, reason = f"{place}, line {exc.lineno}", exc.msg
    elif isinstance(exc, OSError) and exc.strerror:
        reason = exc.strerror
    elif isinstance(exc, KeyError) and exc.args:
        reason = str(exc.args[0])
    raise ImportError(_one_line(f"{place}: {type(exc).__name__}: {reason}")) from exc


def _one_line(text: str) -> str:
    return " ".join(text.split())


def add_lstm_cell(  # published interface
    network: Network,
    name: str,
    size: int,
    xin: str,
    cin: str | None = None,
    hin: str | None = None,
) -> tuple[str, str]:
    """Append one LSTM cell to a network; all of it, or nothing when it is refused.

    With the gates i, f, o and the candidate g, each a fully-connected layer over (h, x), the cell
    state is c' = g ⊙ i + c ⊙ f and the output h' = c' ⊙ o (docs/model/workload.md section 6.10).

    Parameters
    ----------
    network : Network
        The network to extend.
    name : str
        Prefix of the names of the cell's layers.
    size : int
        Width n of the cell.
    xin : str
        Name of the layer that gives the cell's input x, of n channels.
    cin, hin : str, optional
        Names of the layers that give the previous state c and output h; new external layers
        ``<name>_cinit`` and ``<name>_hinit`` by default.

    Returns
    -------
    (str, str)
        Names of the layers that give the new state and output.

    Raises
    ------
    TypeError
        When ``network`` is not a `Network`.
    ValueError
        When ``xin``, ``cin`` or ``hin`` is not in the network, or does not fit.
    KeyError
        When a name of the cell is in use.

    Examples
    --------
    >>> net = Network("cell")
    >>> net.set_input_layer(InputLayer(8, 1))
    >>> add_lstm_cell(net, "lstm", 8, net.INPUT_LAYER_KEY)
    ('lstm_cout', 'lstm_hout')
    >>> net.ext_layers()
    ('lstm_cinit', 'lstm_hinit')
    """
    if not isinstance(network, Network):
        raise TypeError(f"add_lstm_cell: network must be a Network, got {network!r}")
    with network.all_or_nothing():
        if cin is None:
            cin = f"{name}_cinit"
            network.add_ext(cin, InputLayer(size, 1))
        if hin is None:
            hin = f"{name}_hinit"
            network.add_ext(hin, InputLayer(size, 1))
        for field, source in (("cin", cin), ("hin", hin), ("xin", xin)):
            if source not in network:
                raise ValueError(f"add_lstm_cell: {field} {source!r} is not in the network")

        for gate in ("cand", "igate", "fgate", "ogate"):
            network.add(f"{name}_{gate}", FCLayer(2 * size, size), prevs=(hin, xin))
        join = EltwiseLayer(size, 1, 2)
        network.add(f"{name}_cout_f", join, prevs=(cin, f"{name}_fgate"))
        network.add(f"{name}_cout_i", join, prevs=(f"{name}_cand", f"{name}_igate"))
        network.add(f"{name}_cout", join, prevs=(f"{name}_cout_i", f"{name}_cout_f"))
        network.add(f"{name}_hout", join, prevs=(f"{name}_cout", f"{name}_ogate"))
    return f"{name}_cout", f"{name}_hout"
