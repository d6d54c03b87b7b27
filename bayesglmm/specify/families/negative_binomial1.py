"""Overdispersed counts, linear variance: V = μ(1 + φ) (glmmTMB's nbinom1).

Sums of independent counts of the same φ are of the same family and φ, so an exposure multiplies the mean alone.
"""

from bayesglmm.specify.families.base import Family, Parameter, Pointer, Pointers, Predictors
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.poisson import COUNT_RULES, draw_counts, overdispersed_cdf, saturated
from bayesglmm.specify.families.special import overdispersed, stirling

__all__ = ["NEGATIVE_BINOMIAL1"]


_POISSON, _LEAST = 1e-30, 1e-307
"""The φ below which a count is Poisson to the last digit, and the smallest μ/φ."""


def _rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    (mu, log_mu, _, d_log_mu), (phi, _, d_phi, _) = at
    d_eta, by_phi = d
    for i in range(n):
        size = max(mu[i] / max(phi[i], _POISSON), _LEAST)
        remainder, slope = stirling(size) if y[i] > 0.0 else (0.0, 0.0)
        ll[i], _, by_size, by_both = overdispersed(y[i], mu[i], log_mu[i], size, remainder, slope)
        d_eta[i] = by_both * d_log_mu[i]
        by_phi[i] = -by_size * (size / mu[i]) * d_phi[i] if mu[i] > 0.0 else 0.0


NEGATIVE_BINOMIAL1 = Family(
    name="negative_binomial1",
    link=get_link("log"),
    links=("log", "sqrt"),
    outcome_type="count",
    parameters=(
        Parameter("phi", "overdispersion; V = μ(1 + φ), Poisson as φ falls to 0", "half_student_t(3, 0, 2.5)"),
    ),
    rules=COUNT_RULES,
    variance=lambda mu, parameters, trials: mu * (1 + parameters["phi"]),
    draw=lambda rng, mu, parameters, trials: draw_counts(
        rng, parameters["phi"] * rng.gamma(mu / parameters["phi"], 1.0, mu.shape)
    ),
    cdf=lambda y, mu, parameters, trials: overdispersed_cdf(y, mu, mu / parameters["phi"], parameters["phi"]),
    distribution=lambda eta, link, parameters, trials: {
        "mu": link.tensor(eta),
        "alpha": link.tensor(eta) / parameters["phi"],
    },
    pymc="NegativeBinomial",
    notation="NegativeBinomial1({mu}, φ)",
    rows=_rows,
    constant=lambda y, trials: saturated(y),
    effect={"log": "rate ratio"},
    exposure=True,
)
