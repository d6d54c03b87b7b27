"""Each coefficient's maximum likelihood estimate given X, or given the groups: finite, infinite or not identified.

Given the groups, their effects e are fixed columns Z like any other and maximised over. Rows that Z alone predicts
without error (a group all zero or all one) say nothing about the coefficients. On the rows that remain, a
direction d of the coefficients for which some e gives x·d + z·e = 0 in every row changes nothing: a coefficient
that it moves is not identified. A direction along which no row falls and some row rises goes to infinity.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.separation.programme import Cone, Mask, Sparse, peel, reaches, strict_rows
from bayesglmm.separation.result import Estimate

__all__ = ["Cells", "Recession", "TooLarge", "merge", "recession"]

type Array = NDArray[np.float64]
_FIRST = 2_000
"""How many cells are looked at first: where they leave no direction, all cells leave none."""

_MOST = 400_000
"""The largest number of cells the linear programme is given."""

_NULL = 1e-8
"""The largest root mean square of x·d, beyond what the groups explain, that counts as 0, with columns of at most 1."""

_SMALL = 1e-6
"""The largest entry of a direction of length 1 that counts as 0."""

_RIDGE, _ROUNDS = 1e-8, 4
"""The ridge beside columns of length 1, and how often the rest is regressed again."""


class TooLarge(Exception):
    """More cells than the linear programme is given."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Rows that share every column and group, as one.

    Parameters
    ----------
    x
        (c, p) the population-level columns.
    z
        (c, q) the columns of every group of every block, sparse.
    up, down
        (c,) whether no row of the cell falls as η goes up, or down.
    cluster
        (c,) the level of the factor with the most levels; positions without blocks.
    cell
        (n,) the cell of each row.
    """

    x: Array
    z: Sparse
    up: Mask
    down: Mask
    cluster: NDArray[np.int64]
    cell: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Recession:
    """Where the likelihood goes to infinity.

    Parameters
    ----------
    estimates
        One a coefficient.
    strict
        (c,) the cells predicted without error along a direction of the coefficients.
    informative
        (c,) the cells that the effects of the groups alone do not predict without error; given X all.
    """

    estimates: tuple[Estimate, ...]
    strict: Mask
    informative: Mask


def merge(x: Array, blocks: Any, up: Mask, down: Mask) -> Cells:
    """Merge rows (n,) that share every column and group; a cell goes up only if all of its rows do."""
    keys = [*x.T, *(part for block in blocks for part in (block.index, *block.z.T))]
    frame = pd.DataFrame(dict(enumerate(keys)))
    cell: NDArray[np.int64] = (
        frame.groupby(list(frame.columns), sort=False).ngroup().to_numpy(dtype=np.int64)
        if keys
        else np.zeros(len(up), dtype=np.int64)
    )
    count = int(cell.max()) + 1
    rises, falls = np.bincount(cell, ~up, count) == 0, np.bincount(cell, ~down, count) == 0
    first = np.empty(count, dtype=np.int64)
    first[cell[::-1]] = np.arange(len(cell))[::-1]
    z = sp.hstack([_columns(block, first) for block in blocks], format="csr") if blocks else sp.csr_matrix((count, 0))
    largest = max(blocks, key=lambda block: len(block.levels)) if blocks else None
    cluster = np.arange(count, dtype=np.int64) if largest is None else largest.index[first]
    return Cells(x[first], z, rises, falls, cluster, cell)


def recession(cells: Cells, *, given_groups: bool) -> Recession:
    """Return each coefficient's estimate given X, or given the groups.

    Raises
    ------
    TooLarge
        If more cells must be looked at together than the linear programme is given.
    """
    z = cells.z if given_groups else sp.csr_matrix((len(cells.x), 0))
    x = cells.x / np.maximum(np.abs(cells.x).max(axis=0), np.finfo(float).tiny)
    alone, joint = Cone.of(z, cells.up, cells.down), Cone.of(sp.hstack([sp.csr_matrix(x), z]), cells.up, cells.down)
    left = ~peel(alone)
    idle = _idle(x, z, left)
    strict = np.zeros(len(x), dtype=np.bool_)
    if not _settled(joint, x, z, left, cells.cluster, idle.shape[1]):
        if left.sum() > _MOST:
            raise TooLarge
        strict[left] = strict_rows(joint.rows(left))
        if strict.any():
            only = Cone(alone.w, alone.up & strict, alone.down & strict)
            left[left] = ~strict_rows(only.rows(left))
            strict &= left
            idle = _idle(x, z, left)
    moved = _idle(x, z, left & ~strict) if strict.any() else idle
    cone = joint.rows(left)
    estimates = tuple(_estimate(cone, k, idle[k], moved[k]) for k in range(x.shape[1]))
    return Recession(estimates, strict, left)


def _estimate(cone: Cone, k: int, idle: Array, moved: Array) -> Estimate:
    """Return the estimate of a coefficient from its entries in the directions that change nothing, or no strict row.

    Along some direction every strict row rises, so those that keep the other rows are an open set of the second.
    """
    if _nonzero(idle):
        return "not identified"
    if not _nonzero(moved):
        return "finite"
    up, down = reaches(cone, k, 1), reaches(cone, k, -1)
    return "±inf" if up == down else "+inf" if up else "-inf"


def _settled(cone: Cone, x: Array, z: Sparse, left: Mask, cluster: NDArray[np.int64], free: int) -> bool:
    """Return whether some of the cells, whole groups of them, already leave no direction but those of no effect."""
    found, place = np.unique(cluster[left], return_inverse=True)
    order = np.random.default_rng(0).permutation(len(found))[place]
    size, count = _FIRST, int(left.sum())
    while 2 * size < count and size <= _MOST:
        part = np.zeros(len(left), dtype=np.bool_)
        part[np.flatnonzero(left)[order < max(len(found) * size // count, 1)]] = True
        if _idle(x, z, part).shape[1] == free and not strict_rows(cone.rows(part)).any():
            return True
        size *= 8
    return False


def _idle(x: Array, z: Sparse, rows: Mask) -> Array:
    """Return a basis (p, r) of the directions of the coefficients that the groups can take back in every one of rows.

    These are the d with x·d in the span of z. What z explains of x is taken out by a ridge so small that a few
    rounds leave nothing of it.
    """
    x, z = x[rows], z[rows]
    p = x.shape[1]
    if not rows.any() or p == 0:
        return np.eye(p)
    residual = x - _explained(x, z)
    triangle = np.linalg.qr(residual / np.sqrt(len(x)), mode="r")
    _, values, directions = np.linalg.svd(triangle, full_matrices=True)
    values = np.pad(values, (0, p - len(values)))
    return np.asarray(directions[values < _NULL].T)


def _explained(x: Array, z: Sparse) -> Array:
    """Return the projection of x (n, p) on the columns of z (n, q)."""
    from scipy.sparse.linalg import splu

    norms = np.sqrt(np.asarray(z.multiply(z).sum(axis=0)).ravel())
    if not norms.any():
        return np.zeros_like(x)
    z = z[:, norms > 0] @ sp.diags(1 / norms[norms > 0])
    solver = splu(sp.csc_matrix(z.T @ z + _RIDGE * sp.eye(z.shape[1])))
    residual = x
    for _ in range(_ROUNDS):
        residual = residual - z @ solver.solve(np.ascontiguousarray(z.T @ residual))
    return np.asarray(x - residual)


def _nonzero(entries: Array) -> bool:
    return bool((np.abs(entries) > _SMALL).any())


def _columns(block: Any, rows: NDArray[np.int64]) -> Sparse:
    """Return the columns of every group of a block, sparse (c, m k), for some of the rows."""
    k, count = block.size, len(rows)
    columns = block.index[rows, None] * k + np.arange(k)
    starts = np.arange(0, count * k + 1, k)
    return sp.csr_matrix((block.z[rows].ravel(), columns.ravel(), starts), shape=(count, k * len(block.levels)))
