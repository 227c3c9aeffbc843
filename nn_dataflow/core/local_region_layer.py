# SPDX-License-Identifier: BSD-3-Clause
"""Layers whose output points each read a region of the input: pooling, normalisation, element-wise.

Decides how the region fixes the input of these kinds, and their operations (docs/model/workload.md
section 3). Symbols are those of `layer`; sizes are in words unless a word size is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import loop_enum as le
from .base_layer import FedLayer
from .data_dim_loops import DataDimLoops

if TYPE_CHECKING:
    from .base_layer import DataLoops, Size

_LOCAL_REGION_LOOPS: DataLoops = (
    DataDimLoops(),
    DataDimLoops(le.OFM, le.BAT),
    DataDimLoops(le.OFM, le.BAT),
)


class LocalRegionLayer(FedLayer):
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
