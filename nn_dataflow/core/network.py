# SPDX-License-Identifier: BSD-3-Clause
"""Networks: named acyclic graphs of named layers.

Decides which layers may feed which, and keeps a network as it was when it refuses an edit
(docs/model/workload.md section 5).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .layer import InputLayer, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Network:
    """A directed acyclic graph of layers with one input layer and optional external data sources.

    Layers keep the order in which they were added, which is a topological order since the
    predecessors of a layer must be there first. Any refused edit leaves the network as it was.

    The length, the iteration (over names) count ordinary layers only; ``in`` and indexing by name
    also know the external layers and the input layer (by `INPUT_LAYER_KEY`).

    Parameters
    ----------
    net_name : str
        Display name.

    Examples
    --------
    >>> from nn_dataflow.core.layer import ConvLayer, FCLayer
    >>> net = Network("tiny")
    >>> net.set_input_layer(InputLayer(3, 8))
    >>> net.add("conv", ConvLayer(3, 16, 8, 3))
    >>> net.add("fc", FCLayer(16, 10, 8))
    >>> list(net), net.prevs("conv"), net.nexts("conv")
    (['conv', 'fc'], (None,), ('fc',))
    """

    INPUT_LAYER_KEY = "__INPUT__"

    def __init__(self, net_name: str) -> None:
        self.net_name = net_name
        self._input: InputLayer | None = None
        self._layers: dict[str, Layer] = {}
        self._exts: dict[str, InputLayer] = {}
        self._prevs: dict[str, tuple[str, ...]] = {}
        self._nexts: dict[str, tuple[str, ...]] = {}

    def set_input_layer(self, input_layer: InputLayer) -> None:
        """Set the input layer.

        Raises
        ------
        KeyError
            When it is set already.
        TypeError
            When it is not an `InputLayer`.
        """
        if self._input is not None:
            raise KeyError(f"{self._title()}: the input layer is set already")
        if not isinstance(input_layer, InputLayer):
            raise TypeError(
                f"{self._title()}: input_layer must be an InputLayer, got {input_layer!r}"
            )
        self._input = input_layer
        self._nexts[self.INPUT_LAYER_KEY] = ()

    def input_layer(self) -> InputLayer:
        """Return the input layer (KeyError when it is not set)."""
        if self._input is None:
            raise KeyError(f"{self._title()}: the input layer is not set")
        return self._input

    def add(self, layer_name: str, layer: Layer, prevs: str | Sequence[str] | None = None) -> None:
        """Add a layer that reads the concatenated outputs of its predecessors.

        Parameters
        ----------
        layer_name : str
            New name.
        layer : Layer
            The layer; its C input channels must be the sum of the predecessors' output channels,
            and the size of each predecessor's output must be a valid padding of its input.
        prevs : str or sequence of str, optional
            Names of the predecessors, in the order of concatenation; repetitions count. The most
            recently added layer, or the input layer if there is none, when not given or empty.

        Raises
        ------
        RuntimeError
            When the input layer is not set.
        KeyError
            When the name is in use or reserved, or a predecessor is unknown.
        TypeError
            When the name is not a string, or ``layer`` not a `Layer`.
        ValueError
            When the shape of a predecessor's output, or the sum of their channels, does not fit.
        AttributeError, NotImplementedError
            When ``layer`` has no input side: an `InputLayer` or a base `Layer`.
        """
        if self._input is None:
            raise RuntimeError(f"{self._title()}: set the input layer before adding layers")
        self._check_new_name(layer_name)
        if not isinstance(layer, Layer):
            raise TypeError(f"{self._title()}: layer {layer_name} must be a Layer, got {layer!r}")
        prev_names = self._prev_names(layer_name, prevs)
        self._check_shape(layer_name, layer, prev_names)

        self._layers[layer_name] = layer
        self._prevs[layer_name] = prev_names
        self._nexts[layer_name] = ()
        for prev_name in dict.fromkeys(prev_names):
            self._nexts[prev_name] += (layer_name,)

    def add_ext(self, layer_name: str, layer: InputLayer) -> None:
        """Add an external data source; the input layer need not be set.

        Raises
        ------
        KeyError
            When the name is in use or reserved.
        TypeError
            When the name is not a string, or ``layer`` not an `InputLayer`.
        """
        self._check_new_name(layer_name)
        if not isinstance(layer, InputLayer):
            raise TypeError(
                f"{self._title()}: external layer {layer_name} must be an InputLayer, got {layer!r}"
            )
        self._exts[layer_name] = layer
        self._nexts[layer_name] = ()

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Undo all edits made inside a ``with`` block when the block raises an exception."""
        saved = {
            name: value.copy() for name, value in vars(self).items() if isinstance(value, dict)
        }
        saved_input = self._input
        try:
            yield
        except BaseException:
            vars(self).update(saved)
            self._input = saved_input
            raise

    def ext_layers(self) -> tuple[str, ...]:
        """Return the names of the external layers, in the order added."""
        return tuple(self._exts)

    def prevs(self, layer_name: str) -> tuple[str | None, ...]:
        """Return the predecessors of a layer in the order given; the input layer shows as None.

        Raises
        ------
        ValueError
            For the input layer and for an external layer.
        KeyError
            For an unknown name.
        """
        if layer_name == self.INPUT_LAYER_KEY or layer_name in self._exts:
            raise ValueError(f"{self._title()}: {layer_name} is a data source without predecessors")
        if layer_name not in self._prevs:
            raise self._unknown(layer_name)
        return tuple(
            None if name == self.INPUT_LAYER_KEY else name for name in self._prevs[layer_name]
        )

    def nexts(self, layer_name: str) -> tuple[str | None, ...]:
        """Return the consumers of a layer (or data source) in the order added, or (None,) if none.

        Raises
        ------
        KeyError
            For an unknown name.
        """
        if layer_name not in self._nexts:
            raise self._unknown(layer_name)
        return self._nexts[layer_name] or (None,)

    def firsts(self) -> tuple[str, ...]:
        """Return the layers that read only input and external layers, in the order added."""
        return tuple(
            name
            for name, prevs in self._prevs.items()
            if not any(prev in self._layers for prev in prevs)
        )

    def lasts(self) -> tuple[str, ...]:
        """Return the layers without consumers, in the order added."""
        return tuple(name for name in self._layers if not self._nexts[name])

    def _prev_names(self, layer_name: str, prevs: str | Sequence[str] | None) -> tuple[str, ...]:
        try:
            names = () if prevs is None else (prevs,) if isinstance(prevs, str) else tuple(prevs)
        except TypeError:
            raise TypeError(
                f"{self._title()}: predecessors of layer {layer_name} must be names, got {prevs!r}"
            ) from None
        if names in ((), ("",)):
            return (next(reversed(self._layers), self.INPUT_LAYER_KEY),)
        for name in names:
            if name not in self:
                raise KeyError(
                    f"{self._title()}: predecessor {name!r} of layer {layer_name} is unknown"
                )
        return names

    def _check_new_name(self, layer_name: str) -> None:
        if not isinstance(layer_name, str):
            raise TypeError(f"{self._title()}: a layer name must be a string, got {layer_name!r}")
        if layer_name == self.INPUT_LAYER_KEY or layer_name in self:
            raise KeyError(f"{self._title()}: the layer name {layer_name} is in use already")

    def _check_shape(self, layer_name: str, layer: Layer, prev_names: Sequence[str]) -> None:
        try:
            nifm, hifm, wifm = layer.nifm, layer.hifm, layer.wifm
        except (AttributeError, NotImplementedError) as exc:
            raise type(exc)(f"{self._title()}: layer {layer_name} cannot be fed: {exc}") from exc
        for name in prev_names:
            prev = self[name]
            if not layer.is_valid_padding_sifm((prev.hofm, prev.wofm)):
                raise ValueError(
                    f"{self._title()}: layer {layer_name} needs fmaps of {hifm} x {wifm} with"
                    f" padding, and its predecessor {name} gives {prev.hofm} x {prev.wofm}"
                )
        channels = sum(self[name].nofm for name in prev_names)
        if channels != nifm:
            raise ValueError(
                f"{self._title()}: layer {layer_name} needs {nifm} input channels, and its"
                f" predecessors {', '.join(prev_names)} give {channels}"
            )

    def _title(self) -> str:
        return f"Network {self.net_name}"

    def _unknown(self, layer_name: str) -> KeyError:
        return KeyError(f"{self._title()}: no layer {layer_name!r}")

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __contains__(self, layer_name: object) -> bool:
        return layer_name in self._nexts

    def __getitem__(self, layer_name: str) -> Layer:
        if layer_name in self._layers:
            return self._layers[layer_name]
        if layer_name in self._exts:
            return self._exts[layer_name]
        if layer_name == self.INPUT_LAYER_KEY:
            return self.input_layer()
        raise self._unknown(layer_name)

    def __repr__(self) -> str:
        lines = [
            f"  {name}: {layer!r} <- {' | '.join(map(str, self.prevs(name)))}"
            for name, layer in self._layers.items()
        ]
        return "\n".join([self._title(), *lines])
