"""Counts: V = μ."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import LARGE, Array, Family, Pointer, Pointers, Predictors, Rule, whole
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.merging import Cells, Merge, sum_rows
from bayesglmm.specify.families.special import log_ratio_less, stirlings

__all__ = ["COUNT_RULES", "POISSON", "draw_counts", "overdispersed_cdf", "poisson_cdf", "saturated"]

COUNT_RULES = (
    Rule(
        lambda y, trials: ~whole(y),
        "counts are whole numbers up to 2^53; give a rate as its count, y | rate(exposure)",
    ),
    Rule(lambda y, trials: y < 0, "counts are not negative; correct or drop these rows"),
)

_LARGE = 1e15
"""The rate above which numpy's Poisson draws have too small a variance."""


def draw_counts(rng: np.random.Generator, rate: Array) -> Array:
    """Draw Poisson counts, from the normal approximation above a rate of 10^15, where it holds to eight figures."""
    drawn = rng.poisson(np.minimum(rate, _LARGE)).astype(float)
    large = rate > _LARGE
    if large.any():
        mean, noise = rate[large], rng.standard_normal(int(large.sum()))
        drawn[large] = np.rint(mean + np.sqrt(mean) * np.where(np.isfinite(mean), noise, 1.0))
    return drawn


def _sum_exposures(cell: Cells, offset: Array, weight: Array) -> Array:
    """Return log Σ weight · exp(offset) over the rows of each cell, exact to the bit for one row of weight 1."""
    largest = np.full(cell.max() + 1, -np.inf)
    np.maximum.at(largest, cell, offset)
    return largest + np.log(np.bincount(cell, weight * np.exp(offset - largest[cell])))


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, log_mu, d_mu, d_log_mu), (d_eta,) = at[0], d
    large = 0.0
    for i in range(n):
        large += 1.0 if y[i] > LARGE else 0.0
        ll[i] = (y[i] * log_mu[i] if y[i] > 0.0 else 0.0) - mu[i]
        d_eta[i] = y[i] * d_log_mu[i] - d_mu[i]
    if large == 0.0:
        return
    for i in range(n):  # relative to the maximum over μ where counts are large, to avoid cancellation
        if y[i] > LARGE:
            ll[i] = y[i] * log_ratio_less((mu[i] - y[i]) / y[i], log_mu[i] - math.log(y[i]))


def saturated(y: Array) -> Array:
    """Return the log density of counts at a mean equal to them, y log y − y − log y!."""
    positive = np.maximum(y, 1.0)
    return np.where(y > 0, -0.5 * np.log(2 * np.pi * positive) - stirlings(positive), 0.0)


def poisson_cdf(y: Array, rate: Array) -> Array:
    """Return P(Y ≤ y) of Poisson counts, the upper tail of a gamma distribution of the rate."""
    return np.where(y < 0, 0.0, special.gammaincc(np.maximum(np.floor(y), 0.0) + 1, rate))


def overdispersed_cdf(y: Array, mu: Array, size: Array, odds: Array) -> Array:
    """Return P(Y ≤ y) of negative binomial counts of mean μ and a size, with odds μ/size; Poisson for huge sizes."""
    counts, poisson = np.maximum(np.floor(y), 0.0), size > 1e14 * np.maximum(mu, 1.0)
    finite = np.maximum(np.where(poisson, 1.0, size), 1e-307)  # a beta distribution has no parameter of 0
    size, counts, odds = np.broadcast_arrays(finite, counts, odds)
    tail, many = np.empty(odds.shape), odds > 1  # from the smaller argument, which has not been rounded from 1
    tail[many] = special.betainc(size[many], counts[many] + 1, 1 / (1 + odds[many]))
    tail[~many] = special.betaincc(counts[~many] + 1, size[~many], odds[~many] / (1 + odds[~many]))
    return np.where(y < 0, 0.0, np.where(poisson, poisson_cdf(counts, mu), tail))


def _constant(y: Array, trials: Array) -> Array:
    return np.where(y > LARGE, saturated(y), -special.gammaln(np.minimum(y, LARGE) + 1))


POISSON = Family(
    name="poisson",
    link=get_link("log"),
    links=("log", "sqrt"),
    outcome_type="count",
    parameters=(),
    rules=COUNT_RULES,
    variance=lambda mu, parameters, trials: mu,
    draw=lambda rng, mu, parameters, trials: draw_counts(rng, mu),
    cdf=lambda y, mu, parameters, trials: poisson_cdf(y, mu),
    distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta)},
    pymc="Poisson",
    notation="Poisson({mu})",
    rows=_rows,
    constant=_constant,
    merge=Merge(sum_rows, under=lambda link: link.multiplicative, offset=_sum_exposures),
    effect={"log": "rate ratio"},
    exposure=True,
)
