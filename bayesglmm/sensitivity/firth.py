"""`firth(x, y, …)`: logistic regression by Firth's penalized likelihood, finite under separation.

The penalty is Jeffreys' prior: ½ log |XᵀWX| is added to the log likelihood, which removes the first-order bias of the
estimates. There are no random effects.

References
----------
Firth (1993), Biometrika 80, 27-38.
Heinze & Schemper (2002), Statistics in Medicine 21, 2409-2419.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.common.newton import Point, maximise
from bayesglmm.errors import DataError

__all__ = ["FirthFit", "firth"]

type Array = NDArray[np.float64]

_STEPS = 200

_LONGEST_STEP = 5.0
"""The longest step of a coefficient, of a column scaled to a mean square of 1."""

_LEAST_GAIN = 1e-20
"""The gain to first order at which the search ends: some 1e-10 standard errors from the maximum."""


@dataclass(frozen=True, eq=False)
class FirthFit:
    """The maximum of the penalized likelihood.

    Parameters
    ----------
    beta
        (p,) coefficients, log odds ratios.
    se
        (p,) standard errors from the information XᵀWX there.
    penalized
        The penalized log likelihood, without binomial coefficients.
    """

    beta: Array
    se: Array
    penalized: float


def firth(x: Array, y: Array, trials: Array | None = None, offset: Array | None = None) -> FirthFit:
    """Fit a logistic regression by Firth's penalized likelihood.

    Parameters
    ----------
    x
        (n, p) columns, the intercept among them, of full rank.
    y
        (n,) successes.
    trials
        (n,) trials; None for one each.
    offset
        (n,) on the scale of the log odds; None for none.

    Returns
    -------
    FirthFit

    Raises
    ------
    DataError
        If the columns are not of full rank or no maximum is found.

    References
    ----------
    Firth (1993); Heinze & Schemper (2002).
    """
    trials = np.ones(len(y)) if trials is None else trials
    offset = np.zeros(len(y)) if offset is None else offset
    scale = np.sqrt(np.mean(np.square(x), axis=0))
    if np.linalg.matrix_rank(x / scale) < x.shape[1]:
        raise DataError("the columns of the regression are not of full rank; drop those that others determine")
    z = x / scale

    def objective(beta: Array) -> tuple[float, Array]:
        return _penalized(z, y, trials, offset, beta)

    def scoring(point: Point) -> Array:
        step = np.linalg.solve(_information(z, trials, offset, point.x), point.gradient)
        return np.asarray(step / max(1.0, np.abs(step).max(initial=0.0) / _LONGEST_STEP))

    start = np.zeros(x.shape[1])
    point = maximise(objective, scoring, start, steps=_STEPS, least_gain=_LEAST_GAIN, halvings=30, rounding=1e-12)
    if not np.isfinite(point.value) or float(scoring(point) @ point.gradient) > 100 * _LEAST_GAIN:
        raise DataError("the penalized likelihood has no maximum that Newton's method finds; look at the predictors")
    se = np.sqrt(np.diag(np.linalg.inv(_information(z, trials, offset, point.x))))
    return FirthFit(point.x / scale, se / scale, point.value - float(np.log(1 / scale).sum()))


def _information(x: Array, trials: Array, offset: Array, beta: Array) -> Array:
    """Return XᵀWX, (p, p)."""
    mu = special.expit(offset + x @ beta)
    result: Array = x.T @ ((trials * mu * (1 - mu))[:, None] * x)
    return result


def _penalized(x: Array, y: Array, trials: Array, offset: Array, beta: Array) -> tuple[float, Array]:
    """Return the penalized log likelihood and its gradient, the modified score (p,)."""
    eta = offset + x @ beta
    mu = special.expit(eta)
    information = _information(x, trials, offset, beta)
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return -np.inf, np.zeros_like(beta)
    leverage = trials * mu * (1 - mu) * np.einsum("np,np->n", x, np.linalg.solve(information, x.T).T)
    score = x.T @ (y - trials * mu + leverage * (0.5 - mu))
    return float((y * eta - trials * np.logaddexp(0, eta)).sum() + 0.5 * log_determinant), score
