# SPDX-License-Identifier: BSD-3-Clause
"""Layers of a neural network: what each kind reads, holds, computes, and how nodes share it.

Decides the sizes and operation counts of every layer kind, and the layer that is left for one node
after division (docs/model/workload.md section 3). Symbols: C input channels (``nifm``), M output
channels (``nofm``), E×F ofmap (``hofm``, ``wofm``), H×W fully padded ifmap (``hifm``, ``wifm``),
R×S filter or region (``hfil``, ``wfil`` or ``hreg``, ``wreg``), U stride (``htrd``, ``wtrd``), N
batch size. Sizes are in words unless a word size is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from nn_dataflow.util import idivc

from . import loop_enum as le
from .data_dim_loops import DataDimLoops
from .record import is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Sequence

Size: TypeAlias = "int | Sequence[int]"
DataLoops: TypeAlias = tuple[DataDimLoops, DataDimLoops, DataDimLoops]

_INPUT_LOOPS: DataLoops = (DataDimLoops(), DataDimLoops(), DataDimLoops(le.OFM, le.BAT))
_CONV_LOOPS: DataLoops = (
    DataDimLoops(le.IFM, le.OFM),
    DataDimLoops(le.IFM, le.BAT),
    DataDimLoops(le.OFM, le.BAT),
)
_LOCAL_REGION_LOOPS: DataLoops = (
    DataDimLoops(),
    DataDimLoops(le.OFM, le.BAT),
    DataDimLoops(le.OFM, le.BAT),
)


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


class InputLayer(Layer):
    """The input of a network, or an external data source: no ifmaps and no operations.

    Parameters are those of `Layer`. Asking for an ifmap quantity is an AttributeError.

    Examples
    --------
    >>> InputLayer(3, 224).total_ofmap_size(batch_size=4)
    602112
    """

    @staticmethod
    def data_loops() -> DataLoops:
        """Return the loops that index each data category: only ofmaps, by channel and batch."""
        return _INPUT_LOOPS

    def input_layer(self) -> None:
        """Return None: nothing comes before."""
        return

    def ops_per_neuron(self) -> int:
        """Return 0."""
        return 0


class _FedLayer(Layer):
    """A layer with an input of height H = R + (E - 1)·U, and so along the width."""

    _input: Layer

    def _padded_input(self, nifm: int, hwin: int, wwin: int) -> Layer:
        hifm = hwin + (self.hofm - 1) * self.htrd
        wifm = wwin + (self.wofm - 1) * self.wtrd
        return Layer(nifm, (hifm, wifm))

    def input_layer(self) -> Layer:
        """Return the layer of C channels of H×W whose output is this layer's padded input."""
        return self._input


class ConvLayer(_FedLayer):
    """A convolution: every output point adds R·S·C products.

    Parameters
    ----------
    nifm : int
        Number of input channels C.
    nofm, sofm, strd
        As for `Layer`.
    sfil : int or (int, int)
        Height and width of a filter, R×S.

    Raises
    ------
    ValueError, TypeError
        As for `Layer`.

    Examples
    --------
    >>> conv = ConvLayer(3, 96, 55, 11, 4)
    >>> conv.nifm, conv.hifm, conv.wifm, conv.total_filter_size()
    (3, 227, 227, 34848)
    >>> conv.total_ops(batch_size=4)
    421660800
    """

    hfil: int
    wfil: int

    def __init__(self, nifm: int, nofm: int, sofm: Size, sfil: Size, strd: Size = 1) -> None:
        super().__init__(nofm, sofm, strd)
        nifm = self._positive("nifm", nifm)
        hfil, wfil = self._pair("sfil", sfil)
        self._store(hfil=hfil, wfil=wfil, _input=self._padded_input(nifm, hfil, wfil))

    @staticmethod
    def data_loops() -> DataLoops:
        """Return the loops that index each data category, in the order FIL, IFM, OFM."""
        return _CONV_LOOPS

    def ops_per_neuron(self) -> int:
        """Return R·S·C."""
        return self.hfil * self.wfil * self.nifm

    def filter_size(self, word_size: int = 1) -> int:
        """Return the size of one two-dimensional filter, R·S words times the word size."""
        return self.hfil * self.wfil * word_size

    def total_filter_size(self, word_size: int = 1) -> int:
        """Return the size of all filters, C·M·R·S words times the word size."""
        return self.nifm * self.nofm * self.filter_size(word_size)

    def _arguments(self) -> dict[str, Any]:
        return {
            "nifm": self.nifm,
            "nofm": self.nofm,
            "sofm": (self.hofm, self.wofm),
            "sfil": (self.hfil, self.wfil),
            "strd": (self.htrd, self.wtrd),
        }


class FCLayer(ConvLayer):
    """A fully-connected layer: a convolution with one output point, so H×W equals R×S.

    Parameters
    ----------
    nifm, nofm, sfil
        As for `ConvLayer`.

    Examples
    --------
    >>> FCLayer(100, 300, (7, 3)).total_ifmap_size()
    2100
    """

    def __init__(self, nifm: int, nofm: int, sfil: Size = 1) -> None:
        super().__init__(nifm, nofm, 1, sfil)

    def _arguments(self) -> dict[str, Any]:
        return {"nifm": self.nifm, "nofm": self.nofm, "sfil": (self.hfil, self.wfil)}


class LocalRegionLayer(_FedLayer):
    """A layer whose output points each read a region around the same place of the input.

    The region is either along channels (``nreg`` above 1) or along height and width, never both.
    Input and output channels advance together: C = M·ntrd.

    Parameters
    ----------
    nofm, sofm, strd
        As for `Layer`.
    nreg : int
        Number of channels of the region.
    sreg : int or (int, int)
        Height and width of the region, R×S.
    ntrd : int
        Stride along channels: input channels per output channel.

    Raises
    ------
    ValueError
        When the region is along channels and along height or width; and as for `Layer`.
    TypeError
        As for `Layer`.

    Examples
    --------
    >>> norm = LocalRegionLayer(64, 7, nreg=5, sreg=1)
    >>> norm.nifm, norm.region_size(), norm.total_ops()
    (64, 5, 15680)
    """

    nreg: int
    hreg: int
    wreg: int
    ntrd: int

    def __init__(  # published interface
        self, nofm: int, sofm: Size, nreg: int, sreg: Size, ntrd: int = 1, strd: Size = 1
    ) -> None:
        super().__init__(nofm, sofm, strd)
        nreg, ntrd = self._positive("nreg", nreg), self._positive("ntrd", ntrd)
        hreg, wreg = self._pair("sreg", sreg)
        if nreg > 1 and hreg * wreg > 1:
            raise ValueError(
                f"{type(self).__name__}: a region along channels (nreg {nreg}) must have sreg 1,"
                f" got sreg {(hreg, wreg)}"
            )
        padded_input = self._padded_input(self.nofm * ntrd, hreg, wreg)
        self._store(nreg=nreg, hreg=hreg, wreg=wreg, ntrd=ntrd, _input=padded_input)

    @staticmethod
    def data_loops() -> DataLoops:
        """Return the loops that index each data category: ifmaps follow the output channels."""
        return _LOCAL_REGION_LOOPS

    def ops_per_neuron(self) -> int:
        """Return the region size."""
        return self.region_size()

    def region_size(self) -> int:
        """Return the number of input points per output point, nreg·R·S."""
        return self.nreg * self.hreg * self.wreg

    @property
    def num_operands(self) -> int:
        """Number of operands that are combined point by point, 1 unless element-wise."""
        whole = (self.hreg, self.wreg, self.htrd, self.wtrd) == (1, 1, 1, 1)
        return self.nreg if whole and self.ntrd == self.nreg else 1

    def _arguments(self) -> dict[str, Any]:
        return {
            "nofm": self.nofm,
            "sofm": (self.hofm, self.wofm),
            "nreg": self.nreg,
            "sreg": (self.hreg, self.wreg),
            "ntrd": self.ntrd,
            "strd": (self.htrd, self.wtrd),
        }


class PoolingLayer(LocalRegionLayer):
    """A pooling layer: a region along height and width of one channel.

    Parameters
    ----------
    nofm, sofm, sreg
        As for `LocalRegionLayer`.
    strd : int or (int, int), optional
        Stride; the region's size by default.

    Examples
    --------
    >>> pool = PoolingLayer(64, (7, 8), (2, 3))
    >>> pool.htrd, pool.wtrd, pool.hifm, pool.wifm
    (2, 3, 14, 24)
    """

    def __init__(self, nofm: int, sofm: Size, sreg: Size, strd: Size | None = None) -> None:
        super().__init__(nofm, sofm, 1, sreg, strd=sreg if strd is None else strd)

    def _arguments(self) -> dict[str, Any]:
        return {
            "nofm": self.nofm,
            "sofm": (self.hofm, self.wofm),
            "sreg": (self.hreg, self.wreg),
            "strd": (self.htrd, self.wtrd),
        }


class EltwiseLayer(LocalRegionLayer):
    """An element-wise layer over ``nreg`` operands of M channels each, concatenated: C = nreg·M.

    Parameters
    ----------
    nofm, sofm
        As for `Layer`.
    nreg : int
        Number of operands.

    Examples
    --------
    >>> add = EltwiseLayer(256, 56, 2)
    >>> add.nifm, add.hifm, add.ops_per_neuron()
    (512, 56, 2)
    """

    def __init__(self, nofm: int, sofm: Size, nreg: int) -> None:
        super().__init__(nofm, sofm, nreg, 1, ntrd=nreg)

    def _arguments(self) -> dict[str, Any]:
        return {"nofm": self.nofm, "sofm": (self.hofm, self.wofm), "nreg": self.nreg}


def divide_layer(
    layer: Layer, size_inpp: int, size_outp: int, dim_ofmp_h: int, dim_ofmp_w: int
) -> Layer:
    """Return the part of a layer that one of many nodes works on.

    C' = ⌈C/s_INPP⌉, M' = ⌈M/s_OUTP⌉, E' = ⌈E/d_OFMP.h⌉, F' = ⌈F/d_OFMP.w⌉; H' and W' follow from
    E' and F', so halo rows count in every part. The batch is divided apart from the layer
    (docs/model/workload.md section 3.6).

    A convolution (or fully-connected layer) becomes a `ConvLayer` with the same filter and stride.
    An `EltwiseLayer` stays one and keeps all its operands, so C' = nreg·M'. Every other
    local-region kind becomes a plain `LocalRegionLayer` with the same region and stride and
    ``ntrd`` 1, so C' = M'.

    Parameters
    ----------
    layer : Layer
        The layer; neither a base layer nor an input layer.
    size_inpp, size_outp : int
        Number of parts of the input channels, and of the output channels.
    dim_ofmp_h, dim_ofmp_w : int
        Number of parts of the output fmap along height and width.

    Raises
    ------
    AttributeError
        For an `InputLayer`.
    TypeError
        For a kind that is none of the above.
    ValueError
        When the input channels of a local-region layer are to be divided.

    Examples
    --------
    >>> divide_layer(ConvLayer(30, 64, 28, 3), 4, 2, 1, 2)
    ConvLayer(nifm=8, nofm=32, sofm=(28, 14), sfil=(3, 3), strd=(1, 1))
    >>> divide_layer(EltwiseLayer(256, 56, 2), 1, 2, 1, 1).nifm
    256
    """
    nofm = idivc(layer.nofm, size_outp)
    sofm = (idivc(layer.hofm, dim_ofmp_h), idivc(layer.wofm, dim_ofmp_w))
    if isinstance(layer, ConvLayer):
        sfil, strd = (layer.hfil, layer.wfil), (layer.htrd, layer.wtrd)
        return ConvLayer(idivc(layer.nifm, size_inpp), nofm, sofm, sfil, strd)
    if isinstance(layer, InputLayer):
        raise AttributeError(  # noqa: TRY004  # as for every use of an input layer's missing input
            "InputLayer: an input layer has no ifmaps and cannot be divided"
        )
    if not isinstance(layer, LocalRegionLayer):
        raise TypeError(f"{type(layer).__name__}: cannot divide a layer of this kind")
    if size_inpp > 1:
        raise ValueError(
            f"{type(layer).__name__}: input channels follow the output channels and cannot be"
            f" divided, got {size_inpp} parts"
        )
    if layer.num_operands > 1:
        return EltwiseLayer(nofm, sofm, layer.nreg)
    sreg, strd = (layer.hreg, layer.wreg), (layer.htrd, layer.wtrd)
    return LocalRegionLayer(nofm, sofm, layer.nreg, sreg, strd=strd)


def _between(value: float, one: int, other: int) -> bool:
    return min(one, other) <= value <= max(one, other)
