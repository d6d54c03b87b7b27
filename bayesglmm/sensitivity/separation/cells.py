"""`merge`: equal rows become cells, with the columns of their groups; `null_directions`: what the groups absorb.

A null direction d of the coefficients, given the groups, has x·d in the column space of Z: effects of the groups offset
it in every row, and the likelihood does not change along it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.specify.design import BlockDesign

__all__ = ["Cells", "Factor", "Mask", "Sparse", "merge", "null_directions"]

type Array = NDArray[np.float64]
type Mask = NDArray[np.bool_]
type Sparse = Any

_NULL = 1e-8
"""The largest root mean square of the residual of x·d on Z that counts as 0; x has entries of at most 1."""

_DEPENDENT = 1e-12
"""Relative eigenvalue of the cross products of columns within a group, up to which columns are linearly dependent."""

_CLOSE, _MOST_STEPS = 1e-12, 2000
"""Tolerance and largest number of iterations of the projection on several factors."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A grouping factor with the columns of all of its blocks.

    Parameters
    ----------
    index
        (n,) the level of each row.
    z
        (n, k) the columns.
    levels
        The number of levels, m.
    """

    index: NDArray[np.int64]
    z: Array
    levels: int

    def rows(self, which: Any) -> "Factor":
        """Return the factor on some of the rows, with all its levels."""
        return Factor(self.index[which], self.z[which], self.levels)

    @property
    def columns(self) -> Sparse:
        """The columns of every group, sparse (n, m k)."""
        n, k = self.z.shape
        places = self.index[:, None] * k + np.arange(k)
        return sp.csr_matrix((self.z.ravel(), places.ravel(), np.arange(0, n * k + 1, k)), shape=(n, k * self.levels))

    def orthonormal(self) -> "Factor":
        """Return the factor with columns of the same span that are orthonormal within each group, or 0."""
        k = self.z.shape[1]
        z = self.z / np.sqrt(np.maximum(self._sums(self.z**2), np.finfo(float).tiny))[self.index]
        products = np.stack([self._sums(z[:, [i]] * z) for i in range(k)], axis=1)
        values, vectors = np.linalg.eigh(products)
        kept = values > _DEPENDENT * np.maximum(values[:, -1:], _DEPENDENT)
        root = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
        return Factor(self.index, np.einsum("ni,nij->nj", z, (vectors * root[:, None, :])[self.index]), self.levels)

    def _sums(self, values: Array) -> Array:
        """Return the sums (m, k) of columns (n, k) within groups."""
        return np.column_stack([np.bincount(self.index, column, self.levels) for column in values.T])


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows that share every column and group, as one.

    Parameters
    ----------
    x
        (c, p) the population-level columns.
    factors
        The grouping factors.
    up, down
        (c,) whether the likelihood of no row of the cell falls as η increases, or decreases.
    cell
        (n,) the cell of each row.
    """

    x: Array
    factors: tuple[Factor, ...]
    up: Mask
    down: Mask
    cell: NDArray[np.int64]

    @property
    def cluster(self) -> NDArray[np.int64]:
        """(c,) the level of the factor with the most levels; positions without factors."""
        if not self.factors:
            return np.arange(len(self.x), dtype=np.int64)
        return max(self.factors, key=lambda factor: factor.levels).index


def merge(x: Array, blocks: Sequence[BlockDesign], up: Mask, down: Mask) -> Cells:
    """Merge rows (n,) that share every column and group; a cell is `up`, or `down`, if all of its rows are."""
    names = dict.fromkeys(block.factor for block in blocks)
    by_factor = [[block for block in blocks if block.factor == name] for name in names]
    factors = [
        Factor(same[0].index, np.column_stack([block.z for block in same]), len(same[0].levels)) for same in by_factor
    ]
    keys = [*x.T, *(part for factor in factors for part in (factor.index, *factor.z.T))]
    table = pd.DataFrame(dict(enumerate(keys)), index=range(len(up)))
    cell = np.zeros(len(up), dtype=np.int64)
    if keys:
        cell = table.groupby(list(table.columns), sort=False).ngroup().to_numpy().astype(np.int64)
    count = int(cell.max()) + 1
    all_up, all_down = np.bincount(cell, ~up, count) == 0, np.bincount(cell, ~down, count) == 0
    any_row = np.empty(count, dtype=np.int64)
    any_row[cell] = np.arange(len(cell))
    return Cells(x[any_row], tuple(factor.rows(any_row) for factor in factors), all_up, all_down, cell)


def null_directions(x: Array, factors: Sequence[Factor]) -> Array:
    """Return a basis (p, r) of the directions d for which x·d is in the column space of all groups.

    Parameters
    ----------
    x
        (n, p) columns of at most 1 in size.
    factors
        The grouping factors on the same rows.
    """
    n, p = x.shape
    if n == 0 or p == 0:
        return np.eye(p)
    residual = x - _projection(x, factors)
    _, values, directions = np.linalg.svd(np.linalg.qr(residual / np.sqrt(n), mode="r"))
    values = np.pad(values, (0, p - len(values)))
    return np.asarray(directions[values < _NULL].T)


def _projection(x: Array, factors: Sequence[Factor]) -> Array:
    """Return the projection of x (n, p) on the columns of all groups."""
    if not factors:
        return np.zeros_like(x)
    columns = sp.hstack([factor.orthonormal().columns for factor in factors], format="csr")
    if len(factors) == 1:
        return np.asarray(columns @ (columns.T @ x))
    from scipy.sparse.linalg import lsmr

    tolerances = {"atol": _CLOSE, "btol": _CLOSE, "conlim": 0.0, "maxiter": _MOST_STEPS}
    return np.column_stack([columns @ lsmr(columns, column, **tolerances)[0] for column in x.T])
