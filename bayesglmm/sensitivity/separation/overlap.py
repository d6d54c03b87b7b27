"""`overlaps(signed, equality)`: a proof of no separation by a few Newton steps, without a linear programme.

If the likelihood of a logistic regression on the signed rows has a maximum, the score equations there give every row a
positive weight under which the rows sum to 0. By Stiemke's theorem of the alternative no recession direction then has
w·d > 0 in a row. Most data overlap in this sense, and importing the solver takes longer than this proof.
"""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.newton import Point, maximise
from bayesglmm.sensitivity.separation.cells import Sparse

__all__ = ["overlaps"]

type Array = NDArray[np.float64]

_MOST = 1e8
"""Largest rows × columns², the cost of a Newton step."""

_STEPS = 25
_SETTLED = 1e-9
"""Convergence: largest entry of the score, divided by the number of rows."""

_LEAST = 1e-4
"""Smallest weight of a row in a proof; data nearer to separation are left to the linear programme."""

_ZERO = 1e-10
"""Relative tolerance for singular values and for the weighted sum of rows."""


def overlaps(signed: Sparse, equality: Sparse) -> bool:
    """Return whether it is proved that no recession direction has a row with w·d > 0.

    Parameters
    ----------
    signed
        (D, n) rows with entries of at most 1, transposed and signed so that their likelihood does not fall as w·d
        increases.
    equality
        (D, m) rows along which w·d = 0.

    Returns
    -------
    bool
        False where there is such a direction, and where nothing was proved.
    """
    columns, n_signed = signed.shape
    if (n_signed + equality.shape[1]) * columns**2 > _MOST:
        return False
    rows = signed.T.toarray() @ _null_space(equality.T.toarray())
    if not rows.size or not np.abs(rows).max() > _ZERO:
        return True
    full_rank = rows @ _row_space(rows)  # directions that no row depends on do not matter
    weights = _weights(full_rank)
    if weights is None:
        return False
    weights = weights - full_rank @ np.linalg.lstsq(full_rank, weights)[0]  # projected so that they balance exactly
    imbalance = np.abs(full_rank.T @ weights).max()
    return bool(weights.min() >= _LEAST and imbalance <= _ZERO * weights.sum())


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


def _null_space(rows: Array) -> Array:
    """Return an orthonormal basis (D, r) of the null space of rows."""
    if not len(rows):
        return np.eye(rows.shape[1])
    _, values, directions = np.linalg.svd(rows, full_matrices=True)
    result: Array = directions[int((values > _ZERO * max(rows.shape)).sum()) :].T
    return result


def _row_space(rows: Array) -> Array:
    """Return an orthonormal basis (D, r) of the row space of rows."""
    _, values, directions = np.linalg.svd(rows, full_matrices=False)
    result: Array = directions[values > _ZERO * max(rows.shape)].T
    return result
