# SPDX-License-Identifier: BSD-3-Clause
"""Layers of a neural network: what each kind reads, holds, computes, and how nodes share it.

Decides the sizes and operation counts of every layer kind, and the layer that is left for one node
after division (docs/model/workload.md section 3). Symbols: C input channels (``nifm``), M output
channels (``nofm``), E×F ofmap (``hofm``, ``wofm``), H×W fully padded ifmap (``hifm``, ``wifm``),
R×S filter or region (``hfil``, ``wfil`` or ``hreg``, ``wreg``), U stride (``htrd``, ``wtrd``), N
batch size. Sizes are in words unless a word size is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn_dataflow.util import idivc

from . import loop_enum as le
from .base_layer import FedLayer, Layer
from .data_dim_loops import DataDimLoops
from .local_region_layer import EltwiseLayer, LocalRegionLayer, PoolingLayer

if TYPE_CHECKING:
    from .base_layer import DataLoops, Size

__all__ = [
    "ConvLayer",
    "EltwiseLayer",
    "FCLayer",
    "InputLayer",
    "Layer",
    "LocalRegionLayer",
    "PoolingLayer",
    "divide_layer",
]

_INPUT_LOOPS: DataLoops = (DataDimLoops(), DataDimLoops(), DataDimLoops(le.OFM, le.BAT))
_CONV_LOOPS: DataLoops = (
    DataDimLoops(le.IFM, le.OFM),
    DataDimLoops(le.IFM, le.BAT),
    DataDimLoops(le.OFM, le.BAT),
)


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


class ConvLayer(FedLayer):
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
