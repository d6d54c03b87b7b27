"""Student-t outcomes: V = σ² ν / (ν − 2) where ν > 2."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.special import log1p, log_ratio_less, stirling

__all__ = ["STUDENT"]


def _variance(nu: Array, sigma: Array) -> Array:
    return np.where(nu > 2, sigma**2 * nu / np.where(nu > 2, nu - 2, 1.0), np.inf)


def _rows(
    n: int,
    y: Pointer,
    trials: Pointer,
    a: Pointer,
    b: Pointer,
    da: Pointer,
    db: Pointer,
    parameters: Pointer,
    d_eta: Pointer,
    d_parameters: Pointer,
) -> float:
    sigma, nu = parameters[0], parameters[1]
    x, t = 0.5 * nu, 1.0 / nu  # log Γ(x + ½) − log Γ(x) − ½ log x, and its derivative, both near −1/(8x)
    (remainder, slope), (remainder_half, slope_half) = stirling(x), stirling(x + 0.5)
    constant = x * log_ratio_less(t, math.log1p(t)) + remainder_half - remainder - math.log(sigma)
    slope = slope_half - slope - log_ratio_less(-1.0 / (nu + 1.0), -math.log1p(t))
    total, d_sigma, d_nu = 0.0, 0.0, 0.0
    for i in range(n):
        residual = (y[i] - a[i]) / sigma
        distance = residual * residual / nu
        log1p_distance = log1p(distance)
        weight = (nu + 1.0) / (nu * (1.0 + distance))
        total += constant - 0.5 * (nu + 1.0) * log1p_distance
        d_eta[i] = weight * residual / sigma * da[i]
        d_sigma += (residual * residual - 1.0) / (1.0 + distance) / sigma
        share = distance / (1.0 + distance)
        d_nu += 0.5 * (slope + log_ratio_less(-share, -log1p_distance) + share / nu)
    d_parameters[0] += d_sigma
    d_parameters[1] += d_nu
    return total


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
