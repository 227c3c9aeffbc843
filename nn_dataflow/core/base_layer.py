# SPDX-License-Identifier: BSD-3-Clause
"""What all kinds of layers share: checked, immutable sizes of the output and of the padded input.

Decides what the size of a layer may be and when layers are equal (docs/model/workload.md section
3). Symbols are those of `layer`; sizes are in words unless a word size is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from .data_dim_loops import DataDimLoops
from .record import is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Sequence

Size: TypeAlias = "int | Sequence[int]"
DataLoops: TypeAlias = tuple[DataDimLoops, DataDimLoops, DataDimLoops]


class Layer:
    """The output side of a layer; the kinds below add the input side.

    A layer is immutable. Two layers are equal when their fields are equal and the kind of one is,
    or is derived from, the kind of the other; so `FCLayer(3, 4, 2)` equals
    `ConvLayer(3, 4, 1, 2)`. The hash follows from the fields alone.

    Parameters
    ----------
    nofm : int
        Number of output channels M.
    sofm : int or (int, int)
        Height and width of an output channel, E×F; a single number stands for both.
    strd : int or (int, int)
        Stride along height and width, U.

    Raises
    ------
    ValueError
        When a size is not positive, not a whole number, or a pair has not two entries.
    TypeError
        When a size is no number, or a single size is not an integer.

    Examples
    --------
    >>> layer = Layer(3, (20, 30))
    >>> layer.hofm, layer.wofm, layer.total_ofmap_size(batch_size=2)
    (20, 30, 3600)
    """

    nofm: int
    hofm: int
    wofm: int
    htrd: int
    wtrd: int
    _content: tuple[int | Layer, ...] = ()
    _hash: int

    def __init__(self, nofm: int, sofm: Size, strd: Size = 1) -> None:
        hofm, wofm = self._pair("sofm", sofm)
        htrd, wtrd = self._pair("strd", strd)
        self._store(nofm=self._positive("nofm", nofm), hofm=hofm, wofm=wofm, htrd=htrd, wtrd=wtrd)

    @staticmethod
    def data_loops() -> DataLoops:
        """Return the loops that index each data category, in the order FIL, IFM, OFM."""
        raise NotImplementedError("Layer: a base layer has no data loops")

    def input_layer(self) -> Layer | None:
        """Return the layer whose output is this layer's fully padded input (None for the input)."""
        raise NotImplementedError(f"{type(self).__name__}: a base layer has no input layer")

    def ops_per_neuron(self) -> int:
        """Return the number of operations per output point."""
        raise NotImplementedError(f"{type(self).__name__}: a base layer has no operations")

    @property
    def nifm(self) -> int:
        """Number of input channels C."""
        return self._source().nofm

    @property
    def hifm(self) -> int:
        """Height H of an input channel, fully padded."""
        return self._source().hofm

    @property
    def wifm(self) -> int:
        """Width W of an input channel, fully padded."""
        return self._source().wofm

    def ofmap_size(self, batch_size: int = 1, word_size: int = 1) -> int:
        """Return the size of one output channel, E·F·N words times the word size."""
        return self.hofm * self.wofm * batch_size * word_size

    def total_ofmap_size(self, batch_size: int = 1, word_size: int = 1) -> int:
        """Return the size of all output channels, M·E·F·N words times the word size."""
        return self.nofm * self.ofmap_size(batch_size, word_size)

    def ifmap_size(self, batch_size: int = 1, word_size: int = 1) -> int:
        """Return the size of one padded input channel, H·W·N words times the word size."""
        return self._source().ofmap_size(batch_size, word_size)

    def total_ifmap_size(self, batch_size: int = 1, word_size: int = 1) -> int:
        """Return the size of all padded input channels, C·H·W·N words times the word size."""
        return self._source().total_ofmap_size(batch_size, word_size)

    def total_ops(self, batch_size: int = 1) -> int:
        """Return the number of operations, M·E·F·N times the operations per output point."""
        return self.total_ofmap_size(batch_size) * self.ops_per_neuron()

    def is_valid_padding_sifm(self, sifm: Size) -> bool:
        """Return whether an fmap of size ``sifm`` may feed the layer.

        Both dimensions must lie between the strided size E·U (same padding) and the fully padded
        size H, both included, whichever is the larger.

        Raises
        ------
        ValueError
            When ``sifm`` is a sequence of another length than two.
        TypeError
            When it is neither an integer nor a sequence.

        Examples
        --------
        >>> from nn_dataflow.core.layer import ConvLayer
        >>> conv = ConvLayer(3, 96, 55, 11, 4)
        >>> [conv.is_valid_padding_sifm(size) for size in (219, 220, 227, 228)]
        [False, True, True, False]
        """
        height, width = self._entries("sifm", sifm)
        return _between(height, self.hofm * self.htrd, self.hifm) and _between(
            width, self.wofm * self.wtrd, self.wifm
        )

    def _source(self) -> Layer:
        source = self.input_layer()
        if source is None:
            raise AttributeError(f"{type(self).__name__}: an input layer has no ifmaps")
        return source

    def _store(self, **fields: int | Layer) -> None:
        content = (*self._content, *fields.values())
        self.__dict__.update(fields, _content=content, _hash=hash(content))

    def _positive(self, field: str, value: Any) -> int:
        if not is_real(value):
            raise TypeError(f"{type(self).__name__}: {field} must be an integer, got {value!r}")
        if not is_integer(value) or value <= 0:
            raise ValueError(
                f"{type(self).__name__}: {field} must be a positive integer, got {value!r}"
            )
        return int(value)

    def _pair(self, field: str, value: Any) -> tuple[int, int]:
        height, width = self._entries(field, value)
        return self._positive(field, height), self._positive(field, width)

    def _entries(self, field: str, value: Any) -> tuple[Any, Any]:
        if is_integer(value):
            return value, value
        wanted = f"{type(self).__name__}: {field} must be an integer or a pair (height, width)"
        try:
            entries = tuple(value)
        except TypeError:
            raise TypeError(f"{wanted}, got {value!r}") from None
        if len(entries) != 2:
            raise ValueError(f"{wanted}, got {value!r}")
        return entries

    def _arguments(self) -> dict[str, Any]:
        return {
            "nofm": self.nofm,
            "sofm": (self.hofm, self.wofm),
            "strd": (self.htrd, self.wtrd),
        }

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}: cannot set {name}, layers are immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}: cannot delete {name}, layers are immutable")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)) or (
            isinstance(other, Layer) and isinstance(self, type(other))
        ):
            return self._content == other._content
        return NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments().items())
        return f"{type(self).__name__}({arguments})"


class FedLayer(Layer):
    """A layer with an input of height H = R + (E - 1)·U, and so along the width."""

    _input: Layer

    def _padded_input(self, nifm: int, hwin: int, wwin: int) -> Layer:
        hifm = hwin + (self.hofm - 1) * self.htrd
        wifm = wwin + (self.wofm - 1) * self.wtrd
        return Layer(nifm, (hifm, wifm))

    def input_layer(self) -> Layer:
        """Return the layer of C channels of H×W whose output is this layer's padded input."""
        return self._input


def _between(value: float, one: int, other: int) -> bool:
    return min(one, other) <= value <= max(one, other)
