# SPDX-License-Identifier: BSD-3-Clause
"""Mapping strategies: how one (divided) layer is processed on the PE array of one node.

Decides what one processing pass over the array is, i.e. which piece of the layer is folded on or
replicated over the PEs, and describes it by a ``NestedLoopDesc`` (docs/model/mapping.md sections 1
to 6). ``MapStrategy`` holds what every strategy shares, ``MapStrategyEyeriss`` is row stationary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from nn_dataflow.util import factorize, idivc

from . import data_category_enum as de
from . import loop_enum as le
from .layer import ConvLayer, Layer, LocalRegionLayer
from .nested_loop_desc import NestedLoopDesc, UnitPass
from .pe_set_geometry import fold_and_replicate
from .phy_dim2 import PhyDim2
from .record import is_integer, is_real

if TYPE_CHECKING:
    from collections.abc import Iterator

_Rows = TypeVar("_Rows", int, float)


class MapStrategy:
    """How a layer is mapped on a PE array; base of all strategies.

    To add a strategy, derive from this class and provide

    * ``__init__`` (optional): call this one first, which checks the arguments; refuse the layer
      kinds that cannot be mapped; compute the geometry once, because a search builds hundreds of
      strategies;
    * ``utilization``: the share of PEs doing work;
    * ``gen_nested_loop_desc``: for every way to put unit passes side by side, describe one
      ``UnitPass`` and let ``processing_pass`` scale it to the whole array. Yield no descriptor
      twice; earlier ones win ties in the search.

    Then pass the class (not an instance) to the search as its map strategy. Every descriptor must
    conserve work: ``total_ops()`` is the operations of the layer for the batch times the
    occupancy, and the DRAM accesses cover every word of each data category.

    Parameters
    ----------
    layer : Layer
        The layer on this node, i.e. after division over nodes.
    batch_size : int
        Batch size N on this node.
    occupancy : float
        Share κ of the divided layer's operations that is real work, 0 < κ ≤ 1. It scales only
        operations and register file accesses.
    dim_array : PhyDim2
        Height A_h and width A_w of the PE array (PEs).

    Attributes
    ----------
    layer, batch_size, occupancy, dim_array
        As given.

    Raises
    ------
    TypeError
        If ``layer`` is no layer or ``dim_array`` no ``PhyDim2``.
    ValueError
        If the batch size or an array dimension is not a positive whole number, or the occupancy is
        not in (0, 1].

    Examples
    --------
    A strategy that uses one PE, keeps one filter in it, and streams whole fmaps past it:

    >>> class OnePE(MapStrategy):
    ...     def utilization(self):
    ...         return 1 / self.dim_array.size()
    ...
    ...     def gen_nested_loop_desc(self):
    ...         lyr = self.layer
    ...         words = (lyr.filter_size(), lyr.ifmap_size(), lyr.ofmap_size())
    ...         ops = lyr.filter_size() * lyr.ofmap_size()
    ...         access = (words, words, words, (ops, ops, ops))
    ...         yield self.processing_pass(UnitPass(words, (words[0], 1, 1), access, ops, ops))
    >>> strategy = OnePE(ConvLayer(3, 8, 4, 3), 2, 1, PhyDim2(4, 4))
    >>> [desc.loopcnt for desc in strategy.gen_nested_loop_desc()]
    [(3, 8, 2)]

    References
    ----------
    docs/model/mapping.md sections 1, 6 and 8.
    """

    def __init__(self, layer: Layer, batch_size: int, occupancy: float, dim_array: PhyDim2) -> None:
        name = type(self).__name__
        if not isinstance(layer, Layer):
            raise TypeError(f"{name}: layer must be a Layer, not {layer!r}")
        if not (is_integer(batch_size) and batch_size > 0):
            raise ValueError(
                f"{name}: batch_size must be a positive whole number, not {batch_size!r}"
            )
        if not (is_real(occupancy) and 0 < occupancy <= 1):
            raise ValueError(f"{name}: occupancy must be in (0, 1], not {occupancy!r}")
        if not isinstance(dim_array, PhyDim2):
            raise TypeError(f"{name}: dim_array must be a PhyDim2, not {dim_array!r}")
        if not all(is_integer(dim) and dim > 0 for dim in dim_array):
            raise ValueError(
                f"{name}: dim_array must have a positive height and width, not {dim_array}"
            )

        self.layer = layer
        self.batch_size = int(batch_size)
        self.occupancy = float(occupancy)
        self.dim_array = dim_array

    def utilization(self) -> float:
        """Return the PE array utilization u, 0 < u ≤ 1."""
        raise NotImplementedError(f"{type(self).__name__}: utilization is not implemented")

    def gen_nested_loop_desc(self) -> Iterator[NestedLoopDesc]:
        """Generate the descriptors of the possible processing passes, without duplicates."""
        raise NotImplementedError(f"{type(self).__name__}: gen_nested_loop_desc is not implemented")

    def processing_pass(
        self, unit_pass: UnitPass, ifm_repl: int = 1, ofm_repl: int = 1, ofmap_parts: int = 1
    ) -> NestedLoopDesc:
        """Describe the processing pass made of i·o unit passes side by side.

        Trip counts are T_I = ⌈C/i⌉, T_O = ⌈M/o⌉, T_B = N·φ_w. The last trip over channels is
        partly filled, so on average a pass has the shares ω_I = C/(i·T_I), ω_O = M/(o·T_O) of
        its replicas busy. With n and α the products of (i, o) and (ω_I, ω_O) over the data loops
        of a category, and r = i·o replicas in all, the quantities of a unit pass scale by

        * n: space in the buffer, which the replicas share;
        * 1: space in the register files, and time;
        * n·α: accesses at DRAM and GBUF;
        * r·α: accesses at ITCN, as every replica's PEs are served separately;
        * r·κ·ω_I·ω_O: operations and accesses at REGF.

        Layer kinds without a loop over input channels have C = 1 here and take i = 1.

        Parameters
        ----------
        unit_pass : UnitPass
            What one replica does.
        ifm_repl, ofm_repl : int
            Replicas i over input channels and o over output channels; not more than there are.
        ofmap_parts : int
            Unit passes φ_w that one 2-D ofmap takes, counted as extra batch.

        Returns
        -------
        NestedLoopDesc
            One processing pass, and how often it is run.

        References
        ----------
        docs/model/mapping.md section 6.
        """
        nifm, nofm = self._loop_channels()
        trips_ifm: int = idivc(nifm, ifm_repl)
        trips_ofm: int = idivc(nofm, ofm_repl)
        occ_ifm = (nifm / ifm_repl) / trips_ifm
        occ_ofm = (nofm / ofm_repl) / trips_ofm

        data_loops = self.layer.data_loops()
        repl = ifm_repl * ofm_repl
        repl_of = [math.prod(dls.take((ifm_repl, ofm_repl, 1))) for dls in data_loops]
        occ_of = [math.prod(dls.take((occ_ifm, occ_ofm, 1))) for dls in data_loops]

        def words(unit: tuple[float, ...], repl_of: list[int]) -> tuple[float, ...]:
            return tuple(x * n * a for x, n, a in zip(unit, repl_of, occ_of, strict=True))

        def real_work(unit: float) -> float:
            return unit * repl * self.occupancy * (occ_ifm * occ_ofm)

        dram, gbuf, itcn, regf = unit_pass.access
        return NestedLoopDesc(
            loopcnt=(trips_ifm, trips_ofm, self.batch_size * ofmap_parts),
            usize_gbuf=tuple(x * n for x, n in zip(unit_pass.size_gbuf, repl_of, strict=True)),
            usize_regf=unit_pass.size_regf,
            unit_access=(
                words(dram, repl_of),
                words(gbuf, repl_of),
                words(itcn, [repl] * de.NUM),
                tuple(map(real_work, regf)),
            ),
            unit_ops=real_work(unit_pass.ops),
            unit_time=unit_pass.time,
            data_loops=data_loops,
        )

    def _loop_channels(self) -> tuple[int, int]:
        """Return the extents (C, M) of the channel loops; C is 1 if no data is indexed by it."""
        has_ifm_loop = any(le.IFM in dls.loops() for dls in self.layer.data_loops())
        return (self.layer.nifm if has_ifm_loop else 1), self.layer.nofm


class MapStrategyEyeriss(MapStrategy):
    """Row-stationary mapping of the Eyeriss accelerator.

    A logical PE set has one row per filter row and one column per ofmap row, and each logical PE
    does one row convolution. It is folded on, or replicated over, the array, see `pe_set_geometry`.
    Vertical replicas are split between input and output channels, horizontal ones serve output
    channels. The width fold divides ofmap rows and counts as extra batch; a height fold re-reads
    the fmaps from the buffer.

    Takes convolutional (and fully connected) and local-region (and pooling, element-wise) layers.
    A utilization of half or less is legal.

    Parameters
    ----------
    layer, batch_size, occupancy, dim_array
        See `MapStrategy`.

    Attributes
    ----------
    dim_lpeset : PhyDim2
        Logical PE set L = (R, E) (logical PEs).
    ops_lpe : int
        Operations p of one logical PE: S·F, for local regions g·S·F.
    fold, repl : PhyDim2
        Folding (φ_h, φ_w) and replication (ρ_h, ρ_w) factors.
    dim_flpeset : PhyDim2
        Folded logical PE set Q (logical PEs).
    dim_ppeset : PhyDim2
        Array area occupied in one pass (PEs), with PEs left over in the last strip.
    num_active_pes : int
        PEs given a row convolution in one pass, Q_h·Q_w·ρ_h·ρ_w.

    Raises
    ------
    TypeError
        Also if the layer is of another kind.
    ValueError
        See `MapStrategy`.

    Examples
    --------
    AlexNet's third layer on the 12×14 PEs of the Eyeriss chip: 4 replicas of 3×13 PEs, used for
    1, 2 or 4 input channels.

    >>> strategy = MapStrategyEyeriss(ConvLayer(256, 384, 13, 3), 4, 1, PhyDim2(12, 14))
    >>> strategy.repl, strategy.dim_flpeset, strategy.num_active_pes
    (PhyDim2(h=4, w=1), PhyDim2(h=3, w=13), 156)
    >>> [desc.loopcnt for desc in strategy.gen_nested_loop_desc()]
    [(256, 96, 4), (128, 192, 4), (64, 384, 4)]

    References
    ----------
    docs/model/mapping.md sections 2 to 6; Chen, Emer and Sze, "Eyeriss: a spatial architecture for
    energy-efficient dataflow for convolutional neural networks", ISCA 2016.
    """

    def __init__(self, layer: Layer, batch_size: int, occupancy: float, dim_array: PhyDim2) -> None:
        super().__init__(layer, batch_size, occupancy, dim_array)
        if isinstance(layer, ConvLayer):
            self.dim_lpeset = PhyDim2(layer.hfil, layer.hofm)
            self.ops_lpe = layer.wfil * layer.wofm
        elif isinstance(layer, LocalRegionLayer):
            self.dim_lpeset = PhyDim2(layer.hreg, layer.hofm)
            self.ops_lpe = layer.nreg * layer.wreg * layer.wofm
        else:
            raise TypeError(
                f"{type(self).__name__}: layer has type {type(layer).__name__}, which cannot be"
                " mapped; only ConvLayer and LocalRegionLayer kinds can"
            )
        geometry = fold_and_replicate(self.dim_lpeset, dim_array)
        self.fold = geometry.fold
        self.repl = geometry.repl
        self.dim_flpeset = geometry.dim_flpeset
        self.dim_ppeset = geometry.dim_ppeset
        self.num_active_pes = self.dim_flpeset.size() * self.repl.size()

    def utilization(self) -> float:
        """Return the PE array utilization u = (L_h·L_w·ρ_h·ρ_w)/(A_h·A_w·φ_h·φ_w), 0 < u ≤ 1.

        The idle PEs of the last fold count as idle; replicas idle for lack of channels do not.

        Examples
        --------
        >>> MapStrategyEyeriss(ConvLayer(64, 64, 224, 3), 4, 1, PhyDim2(16, 16)).utilization()
        0.875

        References
        ----------
        docs/model/mapping.md section 4.
        """
        busy = self.dim_lpeset.size() * self.repl.size()
        return busy / (self.dim_array.size() * self.fold.size())

    def gen_nested_loop_desc(self) -> Iterator[NestedLoopDesc]:
        """Generate one descriptor per way to split the replicas between channels.

        Yields
        ------
        NestedLoopDesc
            With ever more input channels in parallel; none is yielded twice, nor one with more
            processing passes than any before it.

        References
        ----------
        docs/model/mapping.md sections 5 to 7.
        """
        unit_pass = self._unit_pass()
        for ifm_repl, ofm_repl in self._gen_channel_replication():
            yield self.processing_pass(unit_pass, ifm_repl, ofm_repl, self.fold.w)

    def _unit_pass(self) -> UnitPass:
        """Describe the unit pass: one 2-D ofmap channel, on average e = E/φ_w of its rows."""
        if isinstance(self.layer, ConvLayer):
            return self._unit_pass_conv(self.layer)
        assert isinstance(self.layer, LocalRegionLayer)
        return self._unit_pass_local_region(self.layer)

    def _unit_pass_conv(self, layer: ConvLayer) -> UnitPass:
        """One filter: its folded pieces take turns in the register files and re-read the fmaps."""
        fil = layer.filter_size()
        ifm, ofm = self._fmap_words(layer.hofm / self.fold.w)
        ifm_max, ofm_max = self._fmap_words(idivc(layer.hofm, self.fold.w))
        ops = ofm * fil
        fold = self.fold.h
        pes = fold * self.dim_flpeset.size()
        return UnitPass(
            size_gbuf=(fil, ifm_max, ofm_max),
            size_regf=(layer.wfil, layer.wfil, 1),
            access=(
                (fil, ifm, ofm),
                (fil, ifm * fold, ofm * fold),
                (pes * layer.wfil, pes * layer.wifm, pes * layer.wofm),
                (ops, ops, ops),
            ),
            ops=ops,
            time=fold * self.ops_lpe,
        )

    def _unit_pass_local_region(self, layer: LocalRegionLayer) -> UnitPass:
        """One ofmap channel: folded pieces read different ifmap rows, and update the same ofmap.

        All `ntrd` input channels that go with an output channel are read: one of each operand of an
        element-wise layer, just one for pooling and normalisation.
        """
        operands = layer.ntrd
        ifm, ofm = self._fmap_words(layer.hofm / self.fold.w)
        ifm_max, ofm_max = self._fmap_words(idivc(layer.hofm, self.fold.w))
        ops = ofm * layer.region_size()
        fold = self.fold.h
        pes = self.dim_flpeset.size()
        return UnitPass(
            size_gbuf=(0, ifm_max * operands, ofm_max),
            size_regf=(0, layer.wreg * operands, 1),
            access=(
                (0, ifm * operands, ofm),
                (0, ifm * operands, ofm * fold),
                (0, pes * layer.wifm * operands, fold * pes * layer.wofm),
                (0, ops, ops),
            ),
            ops=ops,
            time=fold * self.ops_lpe,
        )

    def _fmap_words(self, rows: _Rows) -> tuple[_Rows, _Rows]:
        """Return the words h·W of the ifmap and e·F of the ofmap for e = `rows` ofmap rows."""
        layer = self.layer
        ifm_rows = self.dim_lpeset.h + (rows - 1) * layer.htrd
        return ifm_rows * layer.wifm, rows * layer.wofm

    def _gen_channel_replication(self) -> Iterator[tuple[int, int]]:
        """Yield (i, o), the input and output channels side by side; i ascending, no duplicates.

        For every divisor a of ρ_h, i = min(a, C) and o = min(ρ_h/a·ρ_w, M). A candidate is left
        out if it needs more passes T_I·T_O than any before it. This is a running filter: earlier,
        worse ones stay, and ties too (docs/model/mapping.md section 6). For C = 1, as local
        regions have here, it leaves the one with all replicas over output channels.
        """
        nifm, nofm = self._loop_channels()
        candidates = dict.fromkeys(
            (min(over_ifm, nifm), min(over_ofm * self.repl.w, nofm))
            for over_ifm, over_ofm in factorize(self.repl.h, 2)
        )
        fewest = math.inf
        for ifm_repl, ofm_repl in candidates:
            passes = idivc(nifm, ifm_repl) * idivc(nofm, ofm_repl)
            if passes <= fewest:
                fewest = passes
                yield ifm_repl, ofm_repl
