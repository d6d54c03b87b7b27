"""Overdispersed counts, quadratic variance: V = μ + μ²/φ (glmmTMB's nbinom2, brms' negbinomial).

With an exposure e the shape is φ e, as in brms: a count is the sum of independent counts of e units of the shape φ.
"""

from collections.abc import Mapping

import numpy as np

from bayesglmm.specify.families.base import Array, Family, Parameter, Pointer, Pointers, Predictors
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.poisson import COUNT_RULES, draw_counts, overdispersed_cdf, saturated
from bayesglmm.specify.families.special import changes, overdispersed, stirling

__all__ = ["NEGATIVE_BINOMIAL"]


_POISSON = 1e100
"""A size from which a count is Poisson to the last digit."""


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, log_mu, _, d_log_mu), (phi, _, _, d_log_phi) = at
    d_eta, by_phi = d
    remainder, slope = stirling(min(phi[0] * trials[0], _POISSON))
    for i in range(n):
        size = min(phi[i] * trials[i], _POISSON)
        if changes(phi, i) or changes(trials, i):
            remainder, slope = stirling(size)
        ll[i], by_mean, by_size, _ = overdispersed(y[i], mu[i], log_mu[i], size, remainder, slope)
        d_eta[i] = by_mean * d_log_mu[i]
        by_phi[i] = by_size * d_log_phi[i]


_PHI = "lognormal(1.4, 2.5)"
"""Of 1/√φ, the coefficient of variation of the rates beyond Poisson, the median is 0.5 and 95 % lie in 0.04 to 5.8.

The likelihood of Poisson counts is flat in φ where φ is large, so the upper tail of the posterior is that of the prior.
Under a half-normal 1/√φ, which is inv_gamma(0.5, 0.5), or brms' inv_gamma(0.4, 0.3), log φ has an exponential tail:
draws reach 1e15, where rounding dominates the log likelihood. Gamma priors exclude the large φ that large counts can
identify. This prior is normal in log φ.

Simpson, Rue, Riebler, Martins & Sørbye (2017), Statistical Science 32, 1-28, for the scale on which to judge it.
"""


def _size(parameters: Mapping[str, Array], exposure: Array) -> Array:
    """Return φ e: counts of e units, each of the shape φ and of equal means, have a sum of the shape φ e."""
    return parameters["phi"] * exposure


def _draw(rng: np.random.Generator, mu: Array, size: Array) -> Array:
    return draw_counts(rng, mu * rng.gamma(size, 1 / size, mu.shape))


def _cdf(y: Array, mu: Array, size: Array) -> Array:
    return overdispersed_cdf(y, mu, size, mu / size)


NEGATIVE_BINOMIAL = Family(
    name="negative_binomial",
    link=get_link("log"),
    links=("log", "sqrt"),
    outcome_type="count",
    parameters=(
        Parameter(
            "phi",
            "shape; V = μ + μ²/φ, Poisson as φ grows",
            _PHI,
            {"brms": "inv_gamma(0.4, 0.3)", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=COUNT_RULES,
    variance=lambda mu, parameters, trials: mu + mu**2 / _size(parameters, trials),
    draw=lambda rng, mu, parameters, trials: _draw(rng, mu, _size(parameters, trials)),
    cdf=lambda y, mu, parameters, trials: _cdf(y, mu, _size(parameters, trials)),
    distribution=lambda eta, link, parameters, trials: {
        "mu": link.tensor(eta),
        "alpha": parameters["phi"] if trials is None else parameters["phi"] * trials,
    },
    pymc="NegativeBinomial",
    notation="NegativeBinomial({mu}, φ{times})",
    rows=_rows,
    constant=lambda y, trials: saturated(y),
    effect={"log": "rate ratio"},
    exposure=True,
)
