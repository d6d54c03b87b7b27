"""`find_modes`: the modes of the effects of independent groups given the outcomes, all groups at once by Newton."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.rows import Curvatures, RowLikelihood

__all__ = ["Modes", "find_modes"]

type Array = NDArray[np.float64]
type Integers = NDArray[np.int64]

_STEPS = 200
_LAST_GAIN = 1e-10
"""Newton's method takes a last step where none of the groups is to gain more than half of this."""

_ARMIJO = 1e-4
_LEAST_CURVATURE = 1e-8
"""The least eigenvalue of the curvature by u, of which the prior has 1, at which it counts as positive definite."""


@dataclass(frozen=True, eq=False)
class Modes:
    """The modes û of the log integrand h of groups (`group_integrals`).

    Parameters
    ----------
    u
        (m, q) û.
    value
        (m,) h(û).
    eta, slope
        (n,) the linear predictor there, and the derivative of log f by it.
    by_parameters
        (r,) the sums over the rows of derivatives of log f by the family parameters.
    curvatures
        The rows' further derivatives there.
    counted
        (n,) 1 for rows whose second derivative is in R, 0 for those left out.
    spread
        (m, q, q) R, lower triangular, RRᵀ = −∂²h/∂u².
    clipped
        The number of groups of which rows are left out, since −∂²h/∂u² is not positive definite.
    """

    u: Array
    value: Array
    eta: Array
    slope: Array
    by_parameters: Array
    curvatures: Curvatures
    counted: Array
    spread: Array
    clipped: int


def find_modes(
    rows: RowLikelihood,
    base: Array,
    columns: Array,
    index: Integers,
    starts: Integers,
    parameters: Array,
    start: Array,
) -> Modes | None:
    """Find the modes; None where the likelihood is not defined at them.

    Parameters
    ----------
    rows
        The likelihood of the rows, group by group.
    base, columns
        (n,) o and (n, q) a of η = o + aᵀu.
    index, starts
        (n,) the group of each row and (m,) the first row of each group.
    parameters
        (r,) family parameters.
    start
        (m, q) where to begin.
    """
    tried, u, length = start, start, np.ones(len(start))
    value, gain, step = np.full(len(start), -np.inf), np.full(len(start), np.inf), np.zeros_like(start)
    for number in range(_STEPS):
        eta = base + (columns * tried[index]).sum(axis=1)
        of_rows, slope, weight = rows.with_weight(eta, parameters)
        found = np.add.reduceat(of_rows, starts) - np.square(tried).sum(axis=1) / 2
        found = np.where(np.isnan(found), -np.inf, found)
        if number == 0 and not np.isfinite(found).all():
            if not start.any():
                return None
            return find_modes(rows, base, columns, index, starts, parameters, np.zeros_like(start))
        expected = np.where(number == 0, 0.0, _ARMIJO * length * gain) - 1e-12 * (1 + np.abs(found))
        better = found > value + expected
        gradient = np.add.reduceat(columns * slope[:, None], starts, axis=0) - tried
        hessian, _, _ = _definite(columns, weight, index, starts)
        fresh = _solve(hessian, gradient)
        u, value = np.where(better[:, None], tried, u), np.where(better, found, value)
        step = np.where(better[:, None], fresh, step)
        gain = np.where(better, (fresh * gradient).sum(axis=1), gain)
        length = np.where(better, 1.0, length / 2)
        if not np.isfinite(gain).all():
            return None
        tried = u + length[:, None] * step
        if (gain < _LAST_GAIN).all():
            break
        tried = np.where((gain < _LAST_GAIN)[:, None], u + step, tried)
    return _at_mode(rows, base, columns, index, starts, parameters, u + step)


def _at_mode(
    rows: RowLikelihood,
    base: Array,
    columns: Array,
    index: Integers,
    starts: Integers,
    parameters: Array,
    u: Array,
) -> Modes | None:
    eta = base + (columns * u[index]).sum(axis=1)
    of_rows, slope, by_parameters, curvatures = rows.curvatures(eta, parameters)
    value = np.add.reduceat(of_rows, starts) - np.square(u).sum(axis=1) / 2
    if not np.isfinite(value).all():
        return None
    hessian, counted, clipped = _definite(columns, curvatures.weight, index, starts)
    try:
        spread = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return None
    return Modes(u, value, eta, slope, by_parameters, curvatures, counted, spread, clipped)


def _definite(columns: Array, weight: Array, index: Integers, starts: Integers) -> tuple[Array, Array, int]:
    """Return I + AᵀWA of each group (m, q, q), 1 for each row in it (n,), and the number of groups with rows left out.

    Rows of negative weight are left out where it is not positive definite.
    """
    hessian = _curvature(columns, weight, starts)
    if not (weight < 0).any():
        return hessian, np.ones(len(weight)), 0
    indefinite = np.linalg.eigvalsh(hessian)[:, 0] < _LEAST_CURVATURE
    counted = np.where(indefinite[index] & (weight < 0), 0.0, 1.0)
    return _curvature(columns, weight * counted, starts), counted, int(indefinite.sum())


def _curvature(columns: Array, weight: Array, starts: Integers) -> Array:
    """Return I + AᵀWA of each group, (m, q, q)."""
    q = columns.shape[1]
    products = columns[:, :, None] * (weight[:, None] * columns)[:, None, :]
    return np.asarray(np.eye(q) + np.add.reduceat(products, starts, axis=0))


def _solve(matrices: Array, right: Array) -> Array:
    if matrices.shape[1] == 1:
        return right / matrices[:, :, 0]
    try:
        return np.asarray(np.linalg.solve(matrices, right[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:
        return np.full_like(right, np.nan)
