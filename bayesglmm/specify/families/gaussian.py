"""Gaussian outcomes: V = σ²."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors, Residual
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.merging import Cells, Merge

__all__ = ["GAUSSIAN"]


def _pairs(cell: Cells, y: Array, trials: Array, weight: Array) -> tuple[Cells, Array, Array, Array]:
    """Return two rows a cell, at mean ± standard deviation with half its weight each; one where its y are equal.

    About any μ their weighted sum of squares is Σ (y − μ)² = n ((ȳ − μ)² + s²).
    """
    total = np.bincount(cell, weight)
    mean = np.bincount(cell, weight * y) / total
    mean += (
        np.bincount(cell, weight * (y - mean[cell])) / total
    )  # a second pass corrects the rounding of means far from 0
    spread = np.sqrt(np.bincount(cell, weight * (y - mean[cell]) ** 2) / total)
    two = np.flatnonzero(spread > 0)
    share = np.where(spread > 0, total / 2, total)
    cells = np.concatenate([np.arange(len(total)), two])
    return cells, np.concatenate([mean - spread, (mean + spread)[two]]), np.ones(len(cells)), share[cells]


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, _, d_mu, _), (sigma, log_sigma, d_sigma, _) = at
    d_eta, by_sigma = d
    for i in range(n):
        residual = (y[i] - mu[i]) / sigma[i]
        ll[i] = -0.5 * residual * residual - log_sigma[i]
        d_eta[i] = residual / sigma[i] * d_mu[i]
        by_sigma[i] = (residual * residual - 1.0) / sigma[i] * d_sigma[i]


GAUSSIAN = Family(
    name="gaussian",
    link=get_link("identity"),
    links=("identity", "log"),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "sigma",
            "residual standard deviation, in units of the response; V = σ²",
            "half_student_t(3, 0, {scale})",
            {"brms": "half_student_t(3, 0, {brms})", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=(),
    variance=lambda mu, parameters, trials: parameters["sigma"] ** 2 + 0 * mu,
    draw=lambda rng, mu, parameters, trials: rng.normal(mu, parameters["sigma"]),
    cdf=lambda y, mu, parameters, trials: special.ndtr((y - mu) / parameters["sigma"]),
    distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta), "sigma": parameters["sigma"]},
    pymc="Normal",
    notation="Normal({mu}, σ²)",
    rows=_rows,
    constant=lambda y, trials: -0.5 * math.log(2 * math.pi) + 0.0 * y,
    merge=Merge(_pairs),
    effect={"log": "ratio of means"},
    residual=Residual(lambda parameters: np.square(parameters["sigma"]), "σ²", under=lambda link: link.additive),
)
