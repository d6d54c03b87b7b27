"""Proportions strictly between 0 and 1: V = μ(1 − μ)/(1 + φ)."""

import math
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors, Rule
from bayesglmm.specify.families.links import Link, get_link
from bayesglmm.specify.families.special import beyond, changes, exp, log, log1p, log_proportions, log_ratio, stirling

__all__ = ["BETA"]

_LEAST = np.finfo(float).tiny
_MOST = 1 - np.finfo(float).epsneg


def _draw(rng: np.random.Generator, mu: Array, phi: Array) -> Array:
    """Draw proportions; those that round to 0 or 1 become the nearest double inside."""
    drawn = rng.beta(np.maximum(mu * phi, _LEAST), np.maximum((1 - mu) * phi, _LEAST))
    return np.clip(drawn, _LEAST, _MOST)


def _complement(eta: Any, link: Link) -> Any:
    """Return 1 − μ as a tensor, accurate where μ is near 1."""
    import pytensor.tensor as pt

    return pt.sigmoid(-link.tensor_log_odds(eta))


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (log_p, log_q, d_log_p, _), (phi, log_phi, d_phi, _) = at
    d_eta, by_phi = d
    remainder, slope = stirling(phi[0])
    for i in range(n):
        if changes(phi, i):
            remainder, slope = stirling(phi[i])
        p, q = exp(log_p[i]), exp(log_q[i])
        log_ratio_p, log_ratio_q = log(y[i]) - log_p[i], log1p(-y[i]) - log_q[i]
        delta = beyond(y[i], p, q)
        distance = log_proportions(p, q, delta, log_ratio_p, log_ratio_q)
        (remainder_p, slope_p), (remainder_q, slope_q) = stirling(p * phi[i]), stirling(q * phi[i])
        ll[i] = (
            0.5 * log_phi[i] + remainder + 0.5 * (log_p[i] + log_q[i]) + phi[i] * distance - remainder_p - remainder_q
        )
        log_odds = log_ratio(delta / p, log_ratio_p) - log_ratio(-delta / q, log_ratio_q)
        d_eta[i] = (phi[i] * (log_odds - slope_p + slope_q) + 0.5 / p - 0.5 / q) * p * d_log_p[i]
        by_phi[i] = (0.5 / phi[i] + slope + distance - p * slope_p - q * slope_q) * d_phi[i]


BETA = Family(
    name="beta",
    link=get_link("logit"),
    links=("logit",),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "phi",
            "precision; V = μ(1 − μ)/(1 + φ)",
            "lognormal(2, 1.5)",
            {"brms": "gamma(0.01, 0.01)", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=(
        Rule(
            lambda y, trials: (y <= 0) | (y >= 1),
            "outcomes lie strictly between 0 and 1; counts of successes are binomial: p(successes, trials)",
        ),
    ),
    variance=lambda mu, parameters, trials: mu * (1 - mu) / (1 + parameters["phi"]),
    draw=lambda rng, mu, parameters, trials: _draw(rng, mu, parameters["phi"]),
    cdf=lambda y, mu, parameters, trials: special.betainc(
        mu * parameters["phi"], (1 - mu) * parameters["phi"], np.clip(y, 0.0, 1.0)
    ),
    distribution=lambda eta, link, parameters, trials: {
        "alpha": link.tensor(eta) * parameters["phi"],
        "beta": _complement(eta, link) * parameters["phi"],
    },
    pymc="Beta",
    notation="Beta(mean {mu}, precision φ)",
    rows=_rows,
    constant=lambda y, trials: -np.log(y) - np.log1p(-y) - 0.5 * math.log(2 * math.pi),
    effect={"logit": "odds ratio of means"},
)
