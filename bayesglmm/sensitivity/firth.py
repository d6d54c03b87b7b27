"""`firth(x, y, …)`: logistic regression by Firth's penalized likelihood, finite under separation.

The penalty is Jeffreys' prior: ½ log |XᵀWX| is added to the log likelihood, which takes away the first-order bias.
It knows no groups.

References
----------
Firth (1993), Biometrika 80, 27-38.
Heinze & Schemper (2002), Statistics in Medicine 21, 2409-2419.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import DataError

__all__ = ["FirthFit", "firth"]

type Array = NDArray[np.float64]

_STEPS = 200
_FINE = 1e-10


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
    z, beta = x / scale, np.zeros(x.shape[1])
    value, step, information = _at(z, y, trials, offset, beta)
    for _ in range(_STEPS):
        if np.abs(step).max(initial=0.0) < _FINE:
            se = np.sqrt(np.diag(np.linalg.inv(information)))
            return FirthFit(beta / scale, se / scale, value - float(np.log(1 / scale).sum()))
        step = step / max(1.0, np.abs(step).max() / 5)
        for halving in range(30):
            tried = beta + 0.5**halving * step
            found = _at(z, y, trials, offset, tried)
            if found[0] > value - 1e-12 * (1 + abs(value)):
                break
        beta, (value, step, information) = tried, found
    raise DataError("the penalized likelihood has no maximum that Newton's method finds; look at the predictors")


def _at(x: Array, y: Array, trials: Array, offset: Array, beta: Array) -> tuple[float, Array, Array]:
    """Return the penalized log likelihood, the modified scoring step (p,) and the information (p, p)."""
    eta = offset + x @ beta
    mu = special.expit(eta)
    weight = trials * mu * (1 - mu)
    information = x.T @ (weight[:, None] * x)
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return -np.inf, np.zeros_like(beta), information
    leverage = weight * np.einsum("np,np->n", x, np.linalg.solve(information, x.T).T)
    score = x.T @ (y - trials * mu + leverage * (0.5 - mu))
    value = float((y * eta - trials * np.logaddexp(0, eta)).sum() + 0.5 * log_determinant)
    return value, np.linalg.solve(information, score), information
