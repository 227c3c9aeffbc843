# SPDX-License-Identifier: BSD-3-Clause
"""One layer as a seven-deep loop nest: bounds, strides, dilations.

Decides which loops index which tensor, how windows slide over the inputs, and how each layer kind
of the networks is written as such a nest (docs/model/cosa.md sections 1 and 2.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer, LocalRegionLayer
from nn_dataflow.core.record import is_integer

from .errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from nn_dataflow.core.layer import Layer

DIMENSIONS = "RSPQCKN"
TENSORS = ("Weights", "Inputs", "Outputs")
WEIGHTS, INPUTS, OUTPUTS = range(3)

# Whether a tensor moves when a loop advances, [tensor, dimension].
MOVES = np.array(
    [
        [1, 1, 0, 0, 1, 1, 0],
        [1, 1, 1, 1, 1, 0, 1],
        [0, 0, 1, 1, 0, 1, 1],
    ],
    dtype=bool,
)

# Counts stay exact in double precision.
MAX_MACS = 2**53
MAX_WORDS = 2**40

_COEFFICIENTS = ("Wstride", "Hstride", "Wdilation", "Hdilation")
_SHAPES = ("cnn-layer", "cnn_layer")


@dataclass(frozen=True, init=False)
class Problem:
    """A layer ``O[n,k,p,q] += W[k,c,r,s] * I[n,c, p*sw + r*dw, q*sh + s*dh]``.

    Parameters
    ----------
    dims : mapping
        Loop bounds by name: R, S (filter), P, Q (output plane), C (input channels), K (output
        channels), N (batch); a missing one is 1. P and R go along the width, Q and S along the
        height.
    stride, dilation : (int, int), optional
        Along width and height.
    name : str, optional
        What to call the layer; problems are equal whatever their names.

    Attributes
    ----------
    bounds : tuple of int
        Loop bounds in the order R, S, P, Q, C, K, N.

    Raises
    ------
    InputError
        For an unknown dimension, for what is no positive integer, and for a layer so large that
        counts would not be exact.

    Examples
    --------
    >>> conv = Problem({"R": 3, "S": 3, "P": 56, "Q": 56, "C": 64, "K": 64})
    >>> conv.macs, conv.tensor_sizes
    (115605504, (36864, 215296, 200704))
    """

    bounds: tuple[int, ...]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    name: str | None = field(compare=False)

    def __init__(
        self,
        dims: Mapping[str, int],
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        name: str | None = None,
    ) -> None:
        if not isinstance(dims, Mapping):
            raise InputError(f"Problem: dims must be a mapping, got {dims!r}")
        for key in dims:
            if not isinstance(key, str) or len(key) != 1 or key not in DIMENSIONS:
                raise InputError(
                    f"Problem: unknown dimension {key!r}, must be one of {' '.join(DIMENSIONS)}"
                )
        bounds = tuple(_positive(key, dims.get(key, 1)) for key in DIMENSIONS)
        object.__setattr__(self, "bounds", bounds)
        object.__setattr__(self, "stride", _pair("stride", stride))
        object.__setattr__(self, "dilation", _pair("dilation", dilation))
        object.__setattr__(self, "name", name)
        if self.macs * prod(self.stride) * prod(self.dilation) > MAX_MACS:
            raise InputError(f"Problem: at most 2^53 operations, got {self.macs}")
        if max(self.tensor_sizes) > MAX_WORDS:
            raise InputError(f"Problem: at most 2^40 words of a tensor, got {self.tensor_sizes}")

    @property
    def dims(self) -> dict[str, int]:
        """Loop bounds by name."""
        return dict(zip(DIMENSIONS, self.bounds, strict=True))

    @property
    def macs(self) -> int:
        """Number of multiply-accumulate operations."""
        return prod(self.bounds)

    @property
    def tensor_sizes(self) -> tuple[int, int, int]:
        """Words of weights, inputs (with pixels that strides skip) and outputs."""
        r, s, p, q, c, k, n = self.bounds
        (sw, sh), (dw, dh) = self.stride, self.dilation
        width = sw * (p - 1) + dw * (r - 1) + 1
        height = sh * (q - 1) + dh * (s - 1) + 1
        return r * s * c * k, n * c * width * height, n * k * p * q

    @classmethod
    def from_layer(cls, layer: Layer, batch_size: int, name: str | None = None) -> Problem:
        """Write a layer of a network as a loop nest.

        A convolution is one as it stands; its input is fully padded. A fully-connected layer is a
        matrix product: all its inputs are channels C. A pooling or another region along the plane
        has one filter for all channels, so channels count as batch N. Element-wise layers add up
        operands C at points N. Another region along channels (normalisation) slides along them: P
        is the output channels, R the region, and batch and plane are N (docs/model/cosa.md
        section 2.4).

        Parameters
        ----------
        layer : Layer
            Any kind but an input layer.
        batch_size : int
            Batch size.
        name : str, optional
            Name of the problem.

        Raises
        ------
        InputError
            For an input layer, which computes nothing, or an unknown kind.

        Examples
        --------
        >>> from nn_dataflow.core import FCLayer, EltwiseLayer
        >>> Problem.from_layer(FCLayer(256, 4096, 6), 4).dims
        {'R': 1, 'S': 1, 'P': 1, 'Q': 1, 'C': 9216, 'K': 4096, 'N': 4}
        >>> Problem.from_layer(EltwiseLayer(64, 56, 2), 1).tensor_sizes
        (2, 401408, 200704)
        """
        batch = _positive("batch_size", batch_size)
        stride = (layer.wtrd, layer.htrd)
        plane = {"P": layer.wofm, "Q": layer.hofm}
        if isinstance(layer, FCLayer):
            inputs = layer.nifm * layer.hfil * layer.wfil
            return cls({"C": inputs, "K": layer.nofm, "N": batch}, name=name)
        if isinstance(layer, ConvLayer):
            dims = {"R": layer.wfil, "S": layer.hfil, "C": layer.nifm, "K": layer.nofm, "N": batch}
            return cls(plane | dims, stride, name=name)
        if isinstance(layer, InputLayer):
            raise InputError(f"Problem: {name or layer} is an input and computes nothing")
        if not isinstance(layer, LocalRegionLayer):
            raise InputError(f"Problem: cannot schedule a {type(layer).__name__}")
        if layer.nreg == 1:
            dims = {"R": layer.wreg, "S": layer.hreg, "N": batch * layer.nofm}
            return cls(plane | dims, stride, name=name)
        points = batch * layer.hofm * layer.wofm
        if layer.num_operands > 1:
            return cls({"C": layer.nreg, "N": points * layer.nofm}, name=name)
        dims = {"R": layer.nreg, "P": layer.nofm, "N": points}
        return cls(dims, (layer.ntrd, 1), name=name)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Problem:
        """Read a problem file.

        The name of the problem is that of the file.

        Raises
        ------
        InputError
            With file and line, for a file that cannot be read, a missing or unknown dimension, or
            a bad value.
        MissingExtraError
            Without PyYAML.
        """
        from nn_dataflow.files.reader import read  # noqa: PLC0415 (needs an extra)

        document = read(path, "cosa")
        table = document.table("problem")
        dims, coefficients = {}, dict.fromkeys(_COEFFICIENTS, 1)
        for key in table.keys():  # noqa: SIM118  # no dict
            if key == "shape":
                table.choice(key, _SHAPES)
            elif key in _COEFFICIENTS:
                coefficients[key] = table.whole(key)
            elif key in DIMENSIONS:
                dims[key] = table.whole(key)
            elif "stride" not in key and "dilation" not in key:
                table.refuse(key, f"unknown dimension, must be one of {' '.join(DIMENSIONS)}")
            else:
                table.refuse(key, f"must be one of {', '.join(_COEFFICIENTS)}")
        for key in DIMENSIONS:
            if key not in dims:
                table.refuse(None, f"problem: dimension {key} is missing")
        wstride, hstride, wdilation, hdilation = coefficients.values()
        try:
            return cls(dims, (wstride, hstride), (wdilation, hdilation), document.stem)
        except InputError as error:
            table.refuse(None, str(error))

    def to_yaml(self, path: str | Path) -> None:
        """Write a problem file."""
        from nn_dataflow.files.reader import write_yaml  # noqa: PLC0415 (needs an extra)

        coefficients = zip(_COEFFICIENTS, self.stride + self.dilation, strict=True)
        values = self.dims | dict(coefficients) | {"shape": _SHAPES[0]}
        write_yaml(path, {"problem": values}, "cosa")


def _positive(what: str, value: Any) -> int:
    if not is_integer(value) or value < 1:
        raise InputError(f"Problem: {what} must be a positive integer, got {value!r}")
    return int(value)


def _pair(what: str, value: Any) -> tuple[int, int]:
    try:
        width, height = value
    except (TypeError, ValueError):
        raise InputError(f"Problem: {what} must be (width, height), got {value!r}") from None
    return _positive(what, width), _positive(what, height)
