"""Linear dependence among columns, named."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing

__all__ = ["check_rank"]

type Array = NDArray[np.float64]

_TOLERANCE = 1e-9
_CERTAIN = 1e-10  # of eigenvalues of the Gram matrix (singular values of 1e-5), far above its rounding error
_HUGE = 1e100
_EPS = float(np.finfo(np.float64).eps)
_SAMPLE = 20_000


def check_rank(matrix: Array, names: Sequence[str], where: str) -> None:
    """Refuse a matrix (n, k) of less than full column rank.

    With a constant column, the others are centred, which leaves the span unchanged: a year or a time in seconds is
    otherwise nearly collinear with the intercept.

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
    centre = np.where(low == high, low, matrix.mean(axis=0)) if (low == high).any() else np.zeros(k)
    constant = int(np.argmax(low == high)) if (low == high).any() else None
    if constant is not None:
        centre[constant] = 0.0
    if not _certain(matrix, centre, np.maximum(high - centre, centre - low) * np.sqrt(n)):
        _check_exactly(matrix, centre, constant, names, where)


def _check_sizes(largest: Array, names: Sequence[str], where: str) -> None:
    """Refuse columns of zeros alone, and columns whose squares overflow or underflow."""
    empty = [name for name, size in zip(names, largest, strict=True) if size == 0]
    if empty:
        raise DataError(
            f"in {where} nothing but zeros stands in the column {listing(empty)}: a combination of levels never "
            "observed, a condition never met, or a spline finer than its data; drop the term, or merge levels"
        )
    extreme = [name for name, size in zip(names, largest, strict=True) if not 1 / _HUGE < size < _HUGE]
    if extreme:
        raise DataError(
            f"in {where} the column {listing(extreme)} lies beyond 1e±100, too far for arithmetic; rescale it"
        )


def _certain(matrix: Array, centre: Array, bound: Array) -> bool:
    """Whether a sample of the rows has full rank, which is sufficient.

    With the centres fixed, further rows can only raise the least eigenvalue of the Gram matrix. Columns are divided by
    `bound`, an upper bound of their norms, so that eigenvalues are at most k.
    """
    n, k = matrix.shape
    part = (_some_rows(matrix) - centre) / np.where(bound > 0, bound, 1.0)
    gram = part.T @ part
    spread = np.sqrt(np.diag(gram))
    if (spread == 0).any():
        return False
    noise = _EPS * np.max(np.abs(centre) * np.sqrt(n) / bound / spread)
    return bool(np.linalg.eigvalsh(gram)[0] > k * max(_CERTAIN, (4 * noise) ** 2))


def _some_rows(matrix: Array) -> Array:
    """Return equally spaced rows, all if they are few, and the extremes of columns constant in these."""
    n = len(matrix)
    if n <= 2 * _SAMPLE:
        return matrix
    rows = np.arange(0, n, n // _SAMPLE)
    still = np.flatnonzero(np.ptp(matrix[rows], axis=0) == 0)
    extremes = [end for j in still for end in (matrix[:, j].argmax(), matrix[:, j].argmin())]
    return matrix[np.union1d(rows, np.array(extremes, dtype=np.int64))]


def _check_exactly(matrix: Array, centre: Array, constant: int | None, names: Sequence[str], where: str) -> None:
    """Refuse linear combinations of columns that are 0 up to rounding error.

    `constant` is the position of the constant column, None without one.
    """
    columns = matrix - centre
    if constant is not None:  # a second pass: the mean of many numbers far from 0 is inexact
        remainder = np.where(np.arange(len(names)) == constant, 0.0, columns.mean(axis=0))
        columns, centre = columns - remainder, centre + remainder
    spread, size = np.linalg.norm(columns, axis=0), np.linalg.norm(matrix, axis=0)
    vanishing = spread <= 4 * _EPS * size
    columns[:, vanishing] = 0.0
    scale = np.where(vanishing, size, spread)
    _, values, directions = np.linalg.svd(np.linalg.qr(columns / scale, mode="r"))
    null = directions[values < max(_TOLERANCE, 4 * _EPS * np.max(size / scale)) * values[0]]
    if not len(null):
        return
    dependent = np.abs(null).max(axis=0) > 1e-6
    if constant is not None:
        means = null / scale * centre * np.sqrt(len(matrix))  # the coefficient of the constant in each combination
        dependent[constant] |= bool((np.abs(means.sum(axis=1)) > 1e-6 * np.maximum(1, np.abs(means).sum(axis=1))).any())
    involved = [name for name, depends in zip(names, dependent, strict=True) if depends]
    raise DataError(
        f"in {where} the columns {listing(involved)} are linearly dependent: their effects cannot be told apart; "
        "drop a term (a combination of levels never observed, or a variable that is the sum of others, does this)"
    )
