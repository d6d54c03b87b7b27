"""Positive outcomes, skewed to the right: V = μ³/shape.

References
----------
Michael, Schucany & Haas (1976), The American Statistician 30, 88-90: draws.
"""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors, Rule
from bayesglmm.specify.families.links import get_link

__all__ = ["INVERSE_GAUSSIAN"]

_LEAST, _MOST = np.finfo(float).tiny, np.finfo(float).max


def _draw(rng: np.random.Generator, mu: Array, shape: Array) -> Array:
    """Draw the smaller root of λ(y − μ)² = μ² y χ², or μ² over it, without the cancellation of the textbook's form."""
    mu = np.clip(mu, _LEAST, _MOST)
    half = np.square(rng.standard_normal(mu.shape)) * (mu / shape) / 2
    root = 1 + half + np.sqrt(half) * np.sqrt(half + 2)
    smaller = rng.random(mu.shape) * (1 + 1 / root) <= 1
    with np.errstate(over="ignore"):
        drawn = np.where(smaller, mu / root, mu * root)
    return np.asarray(np.clip(drawn, _LEAST, _MOST))


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, _, _, d_log_mu), (shape, log_shape, d_shape, _) = at
    d_eta, by_shape = d
    for i in range(n):
        relative = (y[i] - mu[i]) / mu[i]
        distance = 0.5 * relative * relative / y[i]
        ll[i] = 0.5 * log_shape[i] - shape[i] * distance
        d_eta[i] = shape[i] * relative / mu[i] * d_log_mu[i]
        by_shape[i] = (0.5 / shape[i] - distance) * d_shape[i]


def _cdf(y: Array, mu: Array, shape: Array) -> Array:
    """Return P(Y ≤ y) = Φ(a) + exp(2λ/μ) Φ(−b), a, b = √(λ/y)(y/μ ∓ 1); 2λ/μ − b²/2 = −a²/2 without cancellation."""
    root = np.sqrt(shape / y)
    a, b = root * ((y - mu) / mu), root * (y / mu + 1)
    return np.asarray(special.ndtr(a) + 0.5 * np.exp(-0.5 * a * a) * special.erfcx(b / math.sqrt(2)))


INVERSE_GAUSSIAN = Family(
    name="inverse_gaussian",
    link=get_link("log"),
    links=("log", "inverse_squared", "inverse"),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "shape",
            "shape; V = μ³/shape",
            "lognormal(1, 2.5)",
            {"brms": "gamma(0.01, 0.01)", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=(
        Rule(lambda y, trials: y <= 0, "outcomes are above zero; drop or recode these rows, or choose another family"),
    ),
    variance=lambda mu, parameters, trials: mu**3 / parameters["shape"],
    draw=lambda rng, mu, parameters, trials: _draw(rng, mu, parameters["shape"]),
    cdf=lambda y, mu, parameters, trials: _cdf(np.maximum(y, _LEAST), mu, parameters["shape"]),
    distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta), "lam": parameters["shape"]},
    pymc="Wald",
    notation="InverseGaussian(mean {mu}, shape)",
    rows=_rows,
    constant=lambda y, trials: -1.5 * np.log(y) - 0.5 * math.log(2 * math.pi),
    effect={"log": "ratio of means"},
)
