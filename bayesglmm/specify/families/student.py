"""Student-t outcomes: V = σ² ν / (ν − 2) where ν > 2."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.special import changes, gamma_ratio, log1p, log_ratio_less

__all__ = ["STUDENT"]


def _variance(nu: Array, sigma: Array) -> Array:
    return np.where(nu > 2, sigma**2 * nu / np.where(nu > 2, nu - 2, 1.0), np.inf)


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, _, d_mu, _), (sigma, log_sigma, d_sigma, _), (nu, _, d_nu, _) = at
    d_eta, by_sigma, by_nu = d
    constant, slope = gamma_ratio(nu[0])
    for i in range(n):
        if changes(nu, i):
            constant, slope = gamma_ratio(nu[i])
        residual = (y[i] - mu[i]) / sigma[i]
        distance = residual * residual / nu[i]
        log1p_distance = log1p(distance)
        share = distance / (1.0 + distance)
        ll[i] = constant - log_sigma[i] - 0.5 * (nu[i] + 1.0) * log1p_distance
        d_eta[i] = (nu[i] + 1.0) / (nu[i] * (1.0 + distance)) * residual / sigma[i] * d_mu[i]
        by_sigma[i] = (residual * residual - 1.0) / (1.0 + distance) / sigma[i] * d_sigma[i]
        by_nu[i] = 0.5 * (slope + log_ratio_less(-share, -log1p_distance) + share / nu[i]) * d_nu[i]


STUDENT = Family(
    name="student",
    link=get_link("identity"),
    links=("identity",),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "sigma",
            "scale, in units of the response; V = σ² ν / (ν − 2)",
            "half_student_t(3, 0, {scale})",
            {"brms": "half_student_t(3, 0, {brms})", "rstanarm": "exponential({rate})"},
        ),
        Parameter(
            "nu",
            "degrees of freedom; the smaller, the heavier the tails",
            "gamma(2, 0.1)",
            {"brms": "truncated_gamma(2, 0.1, 1)"},
        ),
    ),
    rules=(),
    variance=lambda mu, parameters, trials: _variance(parameters["nu"], parameters["sigma"]) + 0 * mu,
    draw=lambda rng, mu, parameters, trials: mu + parameters["sigma"] * rng.standard_t(parameters["nu"], mu.shape),
    cdf=lambda y, mu, parameters, trials: special.stdtr(parameters["nu"], (y - mu) / parameters["sigma"]),
    distribution=lambda eta, link, parameters, trials: {
        "mu": link.tensor(eta),
        "sigma": parameters["sigma"],
        "nu": parameters["nu"],
    },
    pymc="StudentT",
    notation="Student-t(ν, {mu}, σ)",
    rows=_rows,
    constant=lambda y, trials: -0.5 * math.log(2 * math.pi) + 0.0 * y,
)
