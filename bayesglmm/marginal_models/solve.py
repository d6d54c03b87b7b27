"""All contact with statsmodels: generalized linear models and generalized estimating equations, solved.

Columns are divided by their root mean squares, so that one tolerance holds for all. Weights and trials divide the
working variance of a row, V_i = A^½ W^-½ R W^-½ A^½, as in geepack; the weights of `statsmodels.GEE` itself are not
used, since its working correlations read them by group where they are given by row.

References
----------
Liang & Zeger (1986), Biometrika 73, 13-22.
Mancl & DeRouen (2001), Biometrics 57, 126-134.
Seabold & Perktold (2010), Proceedings of the 9th Python in Science Conference, 92-96 (statsmodels).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.genmod import families as sm_families
from statsmodels.genmod.cov_struct import CovStruct
from statsmodels.genmod.families import links as sm_links
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.genmod.generalized_linear_model import GLM

from bayesglmm.errors import BayesGLMMError, DataError
from bayesglmm.marginal_models.data import MarginalData
from bayesglmm.marginal_models.working import Correlation

__all__ = ["SolvedGEE", "SolvedGLM", "solve_gee", "solve_glm"]

type Array = NDArray[np.float64]

_FAMILIES = {
    "gaussian": sm_families.Gaussian,
    "bernoulli": sm_families.Binomial,
    "binomial": sm_families.Binomial,
    "poisson": sm_families.Poisson,
    "gamma": sm_families.Gamma,
    "inverse_gaussian": sm_families.InverseGaussian,
    "quasi_poisson": sm_families.Poisson,
    "quasi_binomial": sm_families.Binomial,
}

_LINKS = {
    "identity": sm_links.Identity,
    "log": sm_links.Log,
    "logit": sm_links.Logit,
    "probit": sm_links.Probit,
    "cloglog": sm_links.CLogLog,
    "loglog": sm_links.LogLog,
    "cauchit": sm_links.Cauchy,
    "sqrt": sm_links.Sqrt,
    "inverse": sm_links.InversePower,
    "inverse_squared": sm_links.InverseSquared,
}

_STEPS = 200

_ALONE = 1 - 1e-6
"""The share of the information from which a group is taken to determine a coefficient alone."""

_SCORE = 1e-9
"""The largest norm of the score at the solution, in standard deviations of the score."""


@dataclass(frozen=True, eq=False)
class SolvedGLM:
    """The solution of independent estimating equations.

    Parameters
    ----------
    beta
        (p,) coefficients.
    covariance
        (p, p) of these, model-based, with the dispersion.
    dispersion
        φ = X²/(Σw − p), X² the sum of squares of Pearson residuals.
    pearson, deviance
        X², and the deviance at dispersion 1.
    """

    beta: Array
    covariance: Array
    dispersion: float
    pearson: float
    deviance: float


@dataclass(frozen=True, eq=False)
class SolvedGEE:
    """The solution of generalized estimating equations.

    Parameters
    ----------
    beta
        (p,) coefficients.
    robust, naive
        (p, p) their covariance by the sandwich, and by the working model.
    bias_reduced
        (p, p) by the sandwich with corrected residuals; None where a group alone determines a coefficient.
    dispersion
        φ = Σ e²/(Σw − p) of the Pearson residuals e.
    value
        The parameter of the working correlation.
    """

    beta: Array
    robust: Array
    naive: Array
    bias_reduced: Array | None
    dispersion: float
    value: Any


class _Working(CovStruct):  # type: ignore[misc]
    """A working correlation as statsmodels asks for one, with the weights of rows."""

    def __init__(self, correlation: Correlation, data: MarginalData) -> None:
        super().__init__()
        self._correlation, self._data = correlation, data
        self._root = np.sqrt(data.trials * data.weight)
        self._roots = [self._root[rows] for rows in correlation.groups.rows]

    def residuals(self) -> tuple[Array, float]:
        """Return the weighted Pearson residuals (n,) at the present means, and their dispersion."""
        mean = np.empty(len(self._data.y))
        for rows, (expected, _) in zip(self._correlation.groups.rows, self.model.cached_means, strict=True):
            mean[rows] = expected
        e = self._root * (self._data.y - mean) / np.sqrt(self._data.family.variance(mean))
        return e, float(e @ e) / (self._data.total - self._data.x.shape[1])

    def update(self, params: Array) -> None:
        """Estimate the parameter anew; `params` are the present coefficients."""
        e, phi = self.residuals()
        if not (np.isfinite(phi) and phi > 0):
            raise DataError(_no_solution(self._data))
        self.dep_params = self._correlation.estimate(e, phi)

    def covariance_matrix_solve(self, expval: Array, index: int, stdev: Array, rhs: Sequence[Array]) -> list[Array]:
        """Return V⁻¹ of a group times each of the right-hand sides."""
        sd = (stdev / self._roots[index])[:, None]
        columns = [side.reshape(len(stdev), -1) for side in rhs]
        solved = self._correlation.solve(self.dep_params, index, np.concatenate(columns, axis=1) / sd) / sd
        result, start = [], 0
        for side, part in zip(rhs, columns, strict=True):
            end = start + part.shape[1]
            result.append(solved[:, start:end].reshape(side.shape))
            start = end
        return result


def solve_glm(data: MarginalData) -> SolvedGLM:
    """Solve the estimating equations of independent rows.

    Raises
    ------
    DataError
        If there is no solution.
    """
    size = _sizes(data.x)
    with _quietly(data):
        model = GLM(
            data.y, data.x / size, _family(data), offset=data.offset, freq_weights=data.weight, var_weights=data.trials
        )
        result = model.fit(maxiter=_STEPS, tol=1e-11, tol_criterion="params")
        converged, covariance = result.converged, np.asarray(result.normalized_cov_params)
        pearson, deviance = float(result.pearson_chi2), float(result.deviance)
    phi = pearson / (data.total - data.x.shape[1])
    _check(data, converged, np.asarray(result.fittedvalues), phi)
    return SolvedGLM(result.params / size, phi * covariance / np.outer(size, size), phi, pearson, deviance)


def solve_gee(data: MarginalData, correlation: Correlation) -> SolvedGEE:
    """Solve generalized estimating equations.

    Raises
    ------
    DataError
        If there is no solution.
    OptionError
        If the estimated working correlation is none.
    """
    size, start = _sizes(data.x), solve_glm(data)
    working = _Working(correlation, data)
    tolerance = _SCORE * float(np.sqrt(start.dispersion * np.median(_information(data, start, size))))
    with _quietly(data):
        model = GEE(data.y, data.x / size, data.group, family=_family(data), cov_struct=working, offset=data.offset)
        settings = {"maxiter": _STEPS, "ctol": tolerance, "start_params": start.beta * size}
        try:
            result, reduced = model.fit(cov_type="bias_reduced", **settings), True
        except np.linalg.LinAlgError:  # I − H of a group is singular
            result, reduced = model.fit(**settings), False
        converged = bool(result.converged)
        fitted = np.concatenate([expected for expected, _ in model.cached_means])
        _, phi = working.residuals()
    _check(data, converged, fitted, phi)
    beta, scale = np.asarray(result.params) / size, np.outer(size, size)
    defined = reduced and _largest_share(data, correlation, working.dep_params, beta) < _ALONE
    return SolvedGEE(
        beta,
        np.asarray(result.cov_robust) / scale,
        np.asarray(result.cov_naive) / result.scale * phi / scale,
        np.asarray(result.cov_robust_bc) / scale if defined else None,
        phi,
        working.dep_params,
    )


def _largest_share(data: MarginalData, correlation: Correlation, value: Any, beta: Array) -> float:
    """Return the largest share of the information on a combination of coefficients that one group has.

    These are the eigenvalues of H_i, the leverage of a group; at 1 the group alone determines the combination, its
    residual is 0 and what it would be without the group is not known.
    """
    eta = data.offset + data.x @ beta
    w = data.trials * data.weight / data.family.variance(data.link.inverse(eta))
    x = np.linalg.qr((np.sqrt(w) * data.link.slope(eta))[:, None] * data.x)[0]
    parts = [x[rows].T @ correlation.solve(value, i, x[rows]) for i, rows in enumerate(correlation.groups.rows)]
    total = np.linalg.cholesky(np.sum(parts, axis=0))
    whitened = np.linalg.solve(total, np.linalg.solve(total, np.array(parts)).transpose(0, 2, 1))
    return float(np.linalg.eigvalsh(whitened)[:, -1].max())


def _sizes(x: Array) -> Array:
    return np.asarray(np.sqrt(np.mean(np.square(x), axis=0)))


def _information(data: MarginalData, start: SolvedGLM, size: Array) -> Array:
    """Return the diagonal of XᵀWX (p,) of the scaled columns under independence, without the dispersion."""
    eta = data.offset + data.x @ start.beta
    mean = data.link.inverse(eta)
    w = data.trials * data.weight * np.square(data.link.slope(eta)) / data.family.variance(mean)
    return np.asarray(w @ np.square(data.x / size))


def _family(data: MarginalData) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of links that leave the range of the mean, which is checked at the solution
        return _FAMILIES[data.family.name](_LINKS[data.link.name]())


@contextmanager
def _quietly(data: MarginalData) -> Iterator[None]:
    """Ignore warnings and overflow on the way, which are judged at the solution; a failure is one of the data."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        except BayesGLMMError:
            raise
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise DataError(_no_solution(data)) from error


def _check(data: MarginalData, converged: bool, mean: Array, phi: float) -> None:
    """Refuse what is no solution, means outside the range of the family, and a fit without error."""
    family = data.family.name
    inside = {"gaussian": np.isfinite(mean)}.get(family, mean > 0)
    if family in ("bernoulli", "binomial", "quasi_binomial"):
        inside &= mean < 1
    if not converged or not inside.all():
        raise DataError(_no_solution(data))
    if phi <= 1e-20 * float(np.square(data.y).mean()):
        raise DataError("the model fits every row without error, which leaves no dispersion; use fewer terms")


def _no_solution(data: MarginalData) -> str:
    another = [name for name in data.family.links if name != data.link.name]
    return (
        f"the estimating equations of the {data.family.name} family with the {data.link.name} link have no solution "
        f"that Fisher's scoring finds; look at the predictors, or use another link ({', '.join(another)})"
    )
