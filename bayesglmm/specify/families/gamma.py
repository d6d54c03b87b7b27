"""Positive outcomes of constant coefficient of variation: V = μ²/shape."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors, Rule
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.special import changes, log_ratio_less, stirling

__all__ = ["GAMMA"]


def _draw(rng: np.random.Generator, mu: Array, shape: Array) -> Array:
    """Draw gamma outcomes; those that underflow become the smallest normal double."""
    return np.maximum(rng.gamma(shape, mu / shape, mu.shape), np.finfo(float).tiny)


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, log_mu, _, d_log_mu), (shape, log_shape, d_shape, _) = at
    d_eta, by_shape = d
    remainder, slope = stirling(shape[0])
    for i in range(n):
        if changes(shape, i):
            remainder, slope = stirling(shape[i])
        relative = (y[i] - mu[i]) / mu[i]
        distance = log_ratio_less(relative, math.log(y[i]) - log_mu[i])
        ll[i] = 0.5 * log_shape[i] - remainder + shape[i] * distance
        d_eta[i] = shape[i] * relative * d_log_mu[i]
        by_shape[i] = (0.5 / shape[i] - slope + distance) * d_shape[i]


GAMMA = Family(
    name="gamma",
    link=get_link("log"),
    links=("log", "inverse"),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "shape",
            "shape; V = μ²/shape",
            "lognormal(1, 1.5)",
            {"brms": "gamma(0.01, 0.01)", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=(
        Rule(lambda y, trials: y <= 0, "outcomes are above zero; drop or recode these rows, or choose another family"),
    ),
    variance=lambda mu, parameters, trials: mu**2 / parameters["shape"],
    draw=lambda rng, mu, parameters, trials: _draw(rng, mu, parameters["shape"]),
    cdf=lambda y, mu, parameters, trials: special.gammainc(
        parameters["shape"], parameters["shape"] * (np.maximum(y, 0.0) / mu)
    ),
    distribution=lambda eta, link, parameters, trials: {
        "alpha": parameters["shape"],
        "beta": parameters["shape"] / link.tensor(eta),
    },
    pymc="Gamma",
    notation="Gamma(shape, mean {mu})",
    rows=_rows,
    constant=lambda y, trials: -np.log(y) - 0.5 * math.log(2 * math.pi),
    effect={"log": "ratio of means"},
)
