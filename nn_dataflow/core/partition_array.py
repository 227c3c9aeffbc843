# SPDX-License-Identifier: BSD-3-Clause
"""Arrays of partition schemes.

Decides which part and which node a partition index means, and how a scheme is fitted to another
region, for many schemes at once (docs/model/partition.md sections 2.2-2.5 and 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nn_dataflow.util import get_ith_range

from . import parallel_enum as pe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from .partition_scheme import PartitionScheme

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]


def range_parts(extent: tuple[int, int], index: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return beginnings and ends of parts of a range, as `util.get_ith_range` for arrays."""
    return get_ith_range(extent, index, count)  # type: ignore[arg-type,return-value]


class PartitionIndices(NamedTuple):
    """All partition indices of n schemes in enumeration order, P of them in each.

    Attributes
    ----------
    kind : int array (4, n, P)
        Index within each parallelism kind, row-major: ``h · d_X.w + w``.
    pair : int array (4, 2, n, P)
        The same as (h, w).
    valid : bool array (n, P) or None
        False beyond the last index of a scheme with fewer than P; None when all have P.
    """

    kind: Ints
    pair: Ints
    valid: Bools | None

    def fmap(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Return the numbers of the range-parts in b, n, h and w that indices take, (n, P) each."""
        return (
            self.kind[pe.BATP],
            self.kind[pe.OUTP],
            self.pair[pe.OFMP, 0],
            self.pair[pe.OFMP, 1],
        )


class PartitionArray:
    """n partition schemes as arrays.

    Parameters
    ----------
    order : int array (n, 4)
        Hierarchy orders, coarsest kind first; each row is a permutation of 0..3.
    pdims : int array (n, 4, 2)
        Dimensions (h, w) of each parallelism kind.

    Examples
    --------
    >>> parts = PartitionArray([[2, 0, 1, 3]], [[[1, 2], [2, 1], [2, 1], [1, 2]]])
    >>> len(parts), parts.dim().tolist(), parts.size().tolist()
    (1, [[4, 4]], [[2, 2, 2, 2]])
    """

    __slots__ = ("order", "pdims")

    order: Ints
    pdims: Ints

    def __init__(self, order: npt.ArrayLike, pdims: npt.ArrayLike) -> None:
        self.order = np.asarray(order, dtype=np.int64).reshape(-1, pe.NUM)
        self.pdims = np.asarray(pdims, dtype=np.int64).reshape(-1, pe.NUM, 2)

    @classmethod
    def of(cls, parts: PartitionArray | Iterable[PartitionScheme]) -> PartitionArray:
        """Return the schemes as arrays; a `PartitionArray` is returned as it is."""
        if isinstance(parts, PartitionArray):
            return parts
        schemes = list(parts)
        return cls([part.order for part in schemes], [part.pdims for part in schemes])

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: slice | Ints | Bools | Sequence[int]) -> PartitionArray:
        """Return the schemes of the given rows (a slice, indices or a mask)."""
        return PartitionArray(self.order[rows], self.pdims[rows])

    def size(self) -> Ints:
        """Return s_X = d_X.h · d_X.w of every kind, (n, 4)."""
        return self.pdims[:, :, 0] * self.pdims[:, :, 1]

    def dim(self) -> Ints:
        """Return the element-wise product of the dimensions of all kinds, (n, 2)."""
        return self.pdims[:, 0] * self.pdims[:, 1] * self.pdims[:, 2] * self.pdims[:, 3]

    def fmap_counts(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Return into how many range-parts b, n, h and w of an fmap are cut, (n,) each.

        Batch is cut by BATP, channels by OUTP, rows and columns by OFMP; INPP does not enter.
        """
        size, fmap = self.size(), self.pdims[:, pe.OFMP]
        return size[:, pe.BATP], size[:, pe.OUTP], fmap[:, 0], fmap[:, 1]

    def indices(self) -> PartitionIndices:
        """Return all partition indices: kinds nested in enum order, INPP fastest, each row-major.

        Index number p is written in mixed radix over the sizes of the kinds:
        kind X has ``⌊p / Π_{Y > X} s_Y⌋ mod s_X``.

        Examples
        --------
        >>> parts = PartitionArray([[2, 0, 1, 3]], [[[1, 2], [2, 1], [2, 1], [1, 2]]])
        >>> parts.indices().kind[:, 0, 5].tolist()
        [0, 1, 0, 1]
        """
        size = self.size().T
        total = size[0] * size[1] * size[2] * size[3]
        most = int(total.max(initial=0))
        index = np.arange(most, dtype=np.int64)
        kind = np.zeros((pe.NUM, len(self), most), dtype=np.int64)
        rest: Ints = np.broadcast_to(index, (len(self), most))
        for pae in (pe.INPP, pe.BATP, pe.OFMP, pe.OUTP):
            if (size[pae] > 1).any():
                rest, kind[pae] = np.divmod(rest, size[pae, :, None])
        pair = np.empty((pe.NUM, 2, len(self), most), dtype=np.int64)
        np.divmod(kind, self.pdims[:, :, 1].T[:, :, None], out=(pair[:, 0], pair[:, 1]))
        valid = None if (total == most).all() else index < total[:, None]
        return PartitionIndices(kind, pair, valid)

    def coordinates(self, pair: Ints) -> Ints:
        """Return the relative coordinates of partition indices.

        Per axis, mixed radix over the hierarchy order, top first: ``c = c · d_X + index_X``; that
        is the sum of ``index_X`` times the product of the dimensions of the kinds below X.

        Parameters
        ----------
        pair : int array (4, 2, n, P)
            Indices (h, w) in every kind.

        Returns
        -------
        int array (2, n, P)

        Examples
        --------
        >>> parts = PartitionArray([[2, 0, 1, 3]], [[[1, 2], [2, 1], [2, 1], [1, 2]]])
        >>> parts.coordinates(parts.indices().pair)[:, 0, 11].tolist()
        [2, 3]
        """
        rows = np.arange(len(self))[:, None]
        nested = self.pdims[rows, self.order]
        below = np.ones_like(nested)
        for level in (2, 1, 0):
            below[:, level] = below[:, level + 1] * nested[:, level + 1]
        stride = np.empty_like(below)
        stride[rows, self.order] = below
        coord: Ints = (pair * np.moveaxis(stride, 0, 2)[..., None]).sum(axis=0)
        return coord

    def projection(self, dim: Sequence[int], appl2frng: bool = False) -> PartitionArray:
        """Fit the schemes to a region of dimension `dim`, keeping their order.

        Let r be the length of the region on an axis and D that of the scheme. If r > D, d_BATP is
        multiplied by ⌊r / D⌋. Otherwise, from the bottom of the order to the top, d_X becomes
        ``min(r, d_X)`` and r becomes ⌊r / d_X⌋, at least 1.

        Parameters
        ----------
        dim : pair of int
            Height and width of the region in nodes.
        appl2frng : bool
            Make d_INPP (1, 1) first, so that the result applies to fmaps.

        Raises
        ------
        ValueError
            When the region is empty.

        Examples
        --------
        >>> part = PartitionArray([[2, 3, 0, 1]], [[[2, 3], [1, 5], [4, 4], [4, 4]]])
        >>> part.projection((4, 30)).pdims.tolist()
        [[[2, 3], [1, 5], [1, 1], [2, 2]]]
        >>> part.projection((4, 30), appl2frng=True).pdims.tolist()
        [[[2, 3], [1, 5], [2, 2], [1, 1]]]
        """
        if dim[0] * dim[1] <= 0:
            raise ValueError(f"PartitionScheme: region must not be empty, got dim {tuple(dim)}")
        pdims = self.pdims.copy()
        if appl2frng:
            pdims[:, pe.INPP] = 1
        region = np.asarray(dim, dtype=np.int64)
        total = pdims[:, 0] * pdims[:, 1] * pdims[:, 2] * pdims[:, 3]
        extend = region > total
        growth = np.where(extend, region // total, 1)
        if not extend.all():
            rows = np.arange(len(self))
            rest = np.broadcast_to(region, total.shape).copy()
            for level in (3, 2, 1, 0):
                pae = self.order[:, level]
                given = pdims[rows, pae]
                kept = np.where(extend, given, np.minimum(rest, given))
                rest = np.maximum(rest // given, 1)
                pdims[rows, pae] = kept
        pdims[:, pe.BATP] *= growth
        return PartitionArray(self.order, pdims)
