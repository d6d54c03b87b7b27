"""Linear dependence among columns, named."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing

__all__ = ["check_rank"]

_TOLERANCE = 1e-9
_HUGE = 1e100


def check_rank(matrix: NDArray[np.float64], names: Sequence[str], where: str) -> None:
    """Refuse a matrix (n, k) of less than full column rank.

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
    largest = np.abs(matrix).max(axis=0)
    empty = [name for name, size in zip(names, largest, strict=True) if size == 0]
    if empty:
        raise DataError(
            f"in {where} nothing but zeros stands in the column {listing(empty)}: a combination of levels never "
            "observed, a condition never met, or a spline finer than its data; drop the term, or merge levels"
        )
    odd = [name for name, size in zip(names, largest, strict=True) if not 1 / _HUGE < size < _HUGE]
    if odd:
        raise DataError(f"in {where} the column {listing(odd)} lies beyond 1e±100, too far for arithmetic; rescale it")
    norms = np.linalg.norm(matrix, axis=0)
    triangle = np.linalg.qr(matrix / norms, mode="r")
    _, values, directions = np.linalg.svd(triangle)
    null = directions[values < _TOLERANCE * values[0]]
    if not len(null):
        return
    involved = [name for j, name in enumerate(names) if np.abs(null[:, j]).max() > 1e-6]
    raise DataError(
        f"in {where} the columns {listing(involved)} are linearly dependent: their effects cannot be told apart; "
        "drop a term (a combination of levels never observed, or a variable that is the sum of others, does this)"
    )
