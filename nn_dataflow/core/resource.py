# SPDX-License-Identifier: BSD-3-Clause
"""The accelerator: nodes, PE array, buffers, bandwidths.

Decides which hardware descriptions are meaningful (docs/model/hardware.md section 5), and how sizes
given in bits become the whole words that the model counts (section 8).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .node_region import NodeRegion
from .phy_dim2 import PhyDim2
from .record import Record, is_integer, is_real

if TYPE_CHECKING:
    from typing_extensions import Self


class _ResourceFields(NamedTuple):
    proc_region: NodeRegion
    dram_region: NodeRegion
    src_data_region: NodeRegion
    dst_data_region: NodeRegion
    dim_array: PhyDim2
    size_gbuf: float
    size_regf: float
    array_bus_width: float
    dram_bandwidth: float
    no_time_mux: bool


class Resource(Record, _ResourceFields):
    """Hardware that a layer may use.

    Parameters
    ----------
    proc_region : NodeRegion
        Compute nodes, type `NodeRegion.PROC`, at least one.
    dram_region : NodeRegion
        All memory nodes, type `NodeRegion.DRAM`, at least one; filters may come from any of them.
    src_data_region, dst_data_region : NodeRegion
        Where the ifmaps come from and the ofmaps go to: memory, or the buffers of compute nodes;
        at least one node each.
    dim_array : PhyDim2
        Height and width of the PE array of each node, in PEs.
    size_gbuf : int or float
        Capacity of the global buffer, in words per node; with 0 nothing fits.
    size_regf : int or float
        Capacity of the register file, in words per PE; with 0 nothing fits.
    array_bus_width : int or infinity
        Width of the bus from the buffer to the array of each node, in words per cycle; every data
        category has its own bus.
    dram_bandwidth : int or float
        Bandwidth of all memory together, in words per cycle, may be infinite.
    no_time_mux : bool
        Whether no other layer ever uses the nodes, so that filters can stay on chip.

    Raises
    ------
    TypeError
        If a field is missing, or of another type.
    ValueError
        If a region has the wrong type or no nodes, a size is negative or NaN, or
        `dim_array`, the bus width or the bandwidth is not positive.

    Examples
    --------
    >>> proc = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.PROC)
    >>> dram = NodeRegion(PhyDim2(2, 2), PhyDim2(0, 0), type=NodeRegion.DRAM)
    >>> resource = Resource(
    ...     proc, dram, dram, dram, PhyDim2(16, 16), 65536, 256, 4, 64.0, no_time_mux=False
    ... )
    >>> resource._replace(size_gbuf=-1)
    Traceback (most recent call last):
        ...
    ValueError: Resource: size_gbuf must be a scalar of at least 0 words, got -1
    """

    __slots__ = ()

    def __new__(  # noqa: D102  # the class describes it; published positions
        cls,
        proc_region: NodeRegion,
        dram_region: NodeRegion,
        src_data_region: NodeRegion,
        dst_data_region: NodeRegion,
        dim_array: PhyDim2,
        size_gbuf: float,
        size_regf: float,
        array_bus_width: float,
        dram_bandwidth: float,
        no_time_mux: bool,
    ) -> Self:
        _check_region("proc_region", proc_region, NodeRegion.PROC)
        _check_region("dram_region", dram_region, NodeRegion.DRAM)
        _check_region("src_data_region", src_data_region)
        _check_region("dst_data_region", dst_data_region)
        _check_dim_array(dim_array)
        _check_size("size_gbuf", size_gbuf)
        _check_size("size_regf", size_regf)
        _check_bus_width(array_bus_width)
        _check_bandwidth(dram_bandwidth)
        if not isinstance(no_time_mux, bool):
            raise TypeError(f"Resource: no_time_mux must be a boolean, got {no_time_mux!r}")
        return super().__new__(
            cls,
            proc_region,
            dram_region,
            src_data_region,
            dst_data_region,
            dim_array,
            size_gbuf,
            size_regf,
            array_bus_width,
            dram_bandwidth,
            no_time_mux,
        )


def _check_region(name: str, region: object, region_type: int | None = None) -> None:
    if not isinstance(region, NodeRegion):
        raise TypeError(f"Resource: {name} must be a NodeRegion, got {region!r}")
    if region_type is not None and region.type != region_type:
        allowed = "PROC" if region_type == NodeRegion.PROC else "DRAM"
        raise ValueError(f"Resource: {name} must have type {allowed}, got {region}")
    if region.dim.size() <= 0:
        raise ValueError(f"Resource: {name} must have at least one node, got {region.dim}")


def _check_dim_array(dim_array: object) -> None:
    if not isinstance(dim_array, PhyDim2):
        raise TypeError(f"Resource: dim_array must be a PhyDim2, got {dim_array!r}")
    if not (is_integer(dim_array.h) and is_integer(dim_array.w)):
        raise TypeError(f"Resource: dim_array must have integer components, got {dim_array}")
    if not (dim_array.h > 0 and dim_array.w > 0):
        raise ValueError(f"Resource: dim_array must be positive, got {dim_array}")


def _check_size(name: str, size: Any) -> None:
    allowed = f"Resource: {name} must be a scalar of at least 0 words"
    if not is_real(size):
        raise TypeError(f"{allowed}, got {size!r}")
    if not size >= 0:
        raise ValueError(f"{allowed}, got {size!r}")


def _check_bus_width(width: Any) -> None:
    allowed = "Resource: array_bus_width must be a positive integer or infinity, in words"
    if not is_integer(width) and not (is_real(width) and math.isinf(width)):
        raise TypeError(f"{allowed}, got {width!r}")
    if not width > 0:
        raise ValueError(f"{allowed}, got {width!r}")


def _check_bandwidth(bandwidth: Any) -> None:
    allowed = "Resource: dram_bandwidth must be a positive number of words per cycle"
    if not is_real(bandwidth):
        raise TypeError(f"{allowed}, got {bandwidth!r}")
    if not bandwidth > 0:
        raise ValueError(f"{allowed}, got {bandwidth!r}")


def words_from_bits(num_bits: int, word_bits: int) -> int:
    """Whole words that fit in a number of bits.

    Parameters
    ----------
    num_bits
        Capacity of a buffer or register file, in bits, not negative.
    word_bits
        Size of a word, in bits, positive.

    Raises
    ------
    ValueError
        If one of them is out of its range.

    Examples
    --------
    >>> words_from_bits(131072 * 8, 16), words_from_bits(100, 12)
    (65536, 8)
    """
    if not word_bits > 0:
        raise ValueError(f"words_from_bits: word_bits must be positive, got {word_bits}")
    if not num_bits >= 0:
        raise ValueError(f"words_from_bits: num_bits must not be negative, got {num_bits}")
    return num_bits // word_bits


def bus_width_from_bits(bus_bits: int, word_bits: int) -> float:
    """Whole words per cycle that a bus of a number of bits carries.

    Parameters
    ----------
    bus_bits
        Width of the bus, in bits; 0 stands for a bus of unlimited width.
    word_bits
        Size of a word, in bits, positive.

    Returns
    -------
    int or infinity
        A legal `Resource.array_bus_width`.

    Raises
    ------
    ValueError
        If the bus is narrower than a word, or one of them is out of its range.

    Examples
    --------
    >>> bus_width_from_bits(64, 16), bus_width_from_bits(0, 16)
    (4, inf)
    """
    if bus_bits == 0:
        return math.inf
    width = words_from_bits(bus_bits, word_bits)
    if width == 0:
        raise ValueError(
            f"bus_width_from_bits: a bus of {bus_bits} bits is narrower than a word of {word_bits}"
            " bits; allowed are 0 (unlimited) and at least one word"
        )
    return width
