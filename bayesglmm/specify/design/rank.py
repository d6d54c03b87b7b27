"""Linear dependence among columns, named."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing

__all__ = ["check_rank"]

type Array = NDArray[np.float64]

_TOLERANCE = 1e-9
_CERTAIN = 1e-10  # of eigenvalues: singular values of 1e-5, far above what rounding does to a Gram matrix
_HUGE = 1e100
_EPS = float(np.finfo(np.float64).eps)
_SAMPLE = 20_000


def check_rank(matrix: Array, names: Sequence[str], where: str) -> None:
    """Refuse a matrix (n, k) of less than full column rank.

    Where a constant column is among them, the others are taken about their means: that spans the same,
    and a year or a time in seconds is then no near copy of the intercept.

    Raises
    ------
    DataError
        Naming the columns that depend on each other.
    """
    n, k = matrix.shape
    if k == 0:
        return
    if k > n:
        raise DataError(f"{where} has {k} columns for {n} rows ({listing(names)}); use fewer terms or more data")
    low, high = matrix.min(axis=0), matrix.max(axis=0)
    _check_sizes(np.maximum(high, -low), names, where)
    about = np.where(low == high, low, matrix.mean(axis=0)) if (low == high).any() else np.zeros(k)
    first = int(np.argmax(low == high)) if (low == high).any() else None
    if first is not None:
        about[first] = 0.0
    if not _certain(matrix, about, np.maximum(high - about, about - low) * np.sqrt(n)):
        _check_exactly(matrix, about, first, names, where)


def _check_sizes(largest: Array, names: Sequence[str], where: str) -> None:
    """Refuse columns of nothing but zeros, and of numbers that arithmetic cannot bear."""
    empty = [name for name, size in zip(names, largest, strict=True) if size == 0]
    if empty:
        raise DataError(
            f"in {where} nothing but zeros stands in the column {listing(empty)}: a combination of levels never "
            "observed, a condition never met, or a spline finer than its data; drop the term, or merge levels"
        )
    odd = [name for name, size in zip(names, largest, strict=True) if not 1 / _HUGE < size < _HUGE]
    if odd:
        raise DataError(f"in {where} the column {listing(odd)} lies beyond 1e±100, too far for arithmetic; rescale it")


def _certain(matrix: Array, about: Array, reach: Array) -> bool:
    """Whether some of the rows, or all, show full rank; more rows never take it away.

    Rows add to the least eigenvalue of the Gram matrix about fixed values, and columns divided by a bound
    of their norm, `reach`, have eigenvalues of k at most.
    """
    n, k = matrix.shape
    part = (_some_rows(matrix) - about) / np.where(reach > 0, reach, 1.0)
    gram = part.T @ part
    spread = np.sqrt(np.diag(gram))
    if (spread == 0).any():
        return False
    noise = _EPS * np.max(np.abs(about) * np.sqrt(n) / reach / spread)
    return bool(np.linalg.eigvalsh(gram)[0] > k * max(_CERTAIN, (4 * noise) ** 2))


def _some_rows(matrix: Array) -> Array:
    """Return rows at equal distances, all if they are few; with the extremes of columns that do not vary in them."""
    n = len(matrix)
    if n <= 2 * _SAMPLE:
        return matrix
    rows = np.arange(0, n, n // _SAMPLE)
    still = np.flatnonzero(np.ptp(matrix[rows], axis=0) == 0)
    extremes = [end for j in still for end in (matrix[:, j].argmax(), matrix[:, j].argmin())]
    return matrix[np.union1d(rows, np.array(extremes, dtype=np.int64))]


def _check_exactly(matrix: Array, about: Array, first: int | None, names: Sequence[str], where: str) -> None:
    """Refuse combinations of columns that vanish, to the digits that centring left.

    `first` is the position of the constant column that stands for the means, None without one.
    """
    columns = matrix - about
    if first is not None:  # once more: a mean of many numbers far from zero is not exact
        rest = np.where(np.arange(len(names)) == first, 0.0, columns.mean(axis=0))
        columns, about = columns - rest, about + rest
    spread, size = np.linalg.norm(columns, axis=0), np.linalg.norm(matrix, axis=0)
    vanishing = spread <= 4 * _EPS * size
    columns[:, vanishing] = 0.0
    scale = np.where(vanishing, size, spread)
    _, values, directions = np.linalg.svd(np.linalg.qr(columns / scale, mode="r"))
    null = directions[values < max(_TOLERANCE, 4 * _EPS * np.max(size / scale)) * values[0]]
    if not len(null):
        return
    dependent = np.abs(null).max(axis=0) > 1e-6
    if first is not None:
        means = null / scale * about * np.sqrt(len(matrix))  # what the combination leaves to the constant
        dependent[first] |= bool((np.abs(means.sum(axis=1)) > 1e-6 * np.maximum(1, np.abs(means).sum(axis=1))).any())
    involved = [name for name, one in zip(names, dependent, strict=True) if one]
    raise DataError(
        f"in {where} the columns {listing(involved)} are linearly dependent: their effects cannot be told apart; "
        "drop a term (a combination of levels never observed, or a variable that is the sum of others, does this)"
    )
