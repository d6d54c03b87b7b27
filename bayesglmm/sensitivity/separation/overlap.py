"""`overlaps(turned, free)`: a proof that nothing is separated, by Newton's method and without a linear programme.

Where the likelihood of a logistic regression on the turned rows has a maximum, its score equations give every row a
weight above 0, and the weighted rows sum to 0. By Stiemke's theorem of the alternative no direction then makes a row
rise and none fall. Most data are like that, and importing the linear programming solver takes longer than the proof.
"""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.newton import Point, maximise
from bayesglmm.sensitivity.separation.cells import Sparse

__all__ = ["overlaps"]

type Array = NDArray[np.float64]

_MOST = 1e8
"""The most rows times squared columns for which this is tried."""

_STEPS = 25
_SETTLED = 1e-9
"""The largest entry of the score per row, at the maximum."""

_LEAST = 1e-4
"""The least weight of a row: data nearer to separation than this are left to the linear programme."""

_ZERO = 1e-10
"""What counts as 0: singular values per column, of rows with entries of at most 1, and the weighted sum of rows."""


def overlaps(turned: Sparse, free: Sparse) -> bool:
    """Return whether it is proved that no direction makes a row rise.

    Parameters
    ----------
    turned
        (D, n) rows with entries of at most 1, transposed and turned so that their likelihood does not fall as w·d
        goes up.
    free
        (D, m) rows along which w·d stays 0.

    Returns
    -------
    bool
        False where there is such a direction, and where nothing was proved.
    """
    columns, rows_up = turned.shape
    if (rows_up + free.shape[1]) * columns**2 > _MOST:
        return False
    rows = turned.T.toarray() @ _null(free.T.toarray())
    if not rows.size or not np.abs(rows).max() > _ZERO:
        return True
    inner = rows @ _range(rows)  # directions that no row depends on do not matter
    weights = _weights(inner)
    if weights is None:
        return False
    weights = weights - inner @ np.linalg.lstsq(inner, weights)[0]  # the least change after which they balance
    balance = np.abs(inner.T @ weights).max()
    return bool(weights.min() >= _LEAST and balance <= _ZERO * weights.sum())


def _weights(rows: Array) -> Array | None:
    """Return 1 / (1 + exp(w·d)) of every row at the maximum likelihood, None if none was reached."""

    def weights(d: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(np.clip(rows @ d, -40, 40))))

    def likelihood(d: Array) -> tuple[float, Array]:
        return -float(np.logaddexp(0.0, -(rows @ d)).sum()), rows.T @ weights(d)

    def newton(point: Point) -> Array:
        w = weights(point.x)
        return np.asarray(np.linalg.solve((rows.T * (w * (1 - w))) @ rows, point.gradient))

    try:
        point = maximise(likelihood, newton, np.zeros(rows.shape[1]), steps=_STEPS, least_gain=1e-18, rounding=1e-15)
    except np.linalg.LinAlgError:
        return None
    return weights(point.x) if np.abs(point.gradient).max() <= _SETTLED * len(rows) else None


def _null(rows: Array) -> Array:
    """Return an orthonormal basis of the directions that every row is 0 along, (D, r)."""
    if not len(rows):
        return np.eye(rows.shape[1])
    _, values, directions = np.linalg.svd(rows, full_matrices=True)
    result: Array = directions[int((values > _ZERO * max(rows.shape)).sum()) :].T
    return result


def _range(rows: Array) -> Array:
    """Return an orthonormal basis of the directions that rows depend on, (D, r)."""
    _, values, directions = np.linalg.svd(rows, full_matrices=False)
    result: Array = directions[values > _ZERO * max(rows.shape)].T
    return result
