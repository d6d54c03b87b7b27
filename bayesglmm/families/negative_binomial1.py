"""Overdispersed counts, linear variance: V = μ(1 + φ) (glmmTMB's nbinom1)."""

import math

from scipy import special

from bayesglmm.families.base import Family, Parameter, Pointer
from bayesglmm.families.poisson import COUNT_RULES, draw_counts
from bayesglmm.links import get_link
from bayesglmm.special import digamma

__all__ = ["NEGATIVE_BINOMIAL1"]


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
    phi = parameters[0]
    log1p_phi, log_odds = math.log1p(phi), math.log(phi) - math.log1p(phi)
    total, d_phi = 0.0, 0.0
    for i in range(n):
        size = a[i] / phi
        d_size = digamma(y[i] + size) - digamma(size) - log1p_phi
        total += math.lgamma(y[i] + size) - math.lgamma(size) - size * log1p_phi + y[i] * log_odds
        d_eta[i] = d_size * da[i] / phi
        d_phi += y[i] / (phi * (1.0 + phi)) - size / (1.0 + phi) - d_size * size / phi
    d_parameters[0] += d_phi
    return total


NEGATIVE_BINOMIAL1 = Family(
    name="negative_binomial1",
    link=get_link("log"),
    links=("log", "sqrt"),
    kind="count",
    parameters=(
        Parameter("phi", "overdispersion; V = μ(1 + φ), Poisson as φ falls to 0", "half_student_t(3, 0, 2.5)"),
    ),
    rules=COUNT_RULES,
    variance=lambda mu, parameters, trials: mu * (1 + parameters["phi"]),
    draw=lambda rng, mu, parameters, trials: draw_counts(
        rng, parameters["phi"] * rng.gamma(mu / parameters["phi"], 1.0, mu.shape)
    ),
    distribution=lambda eta, link, parameters, trials: {
        "mu": link.tensor(eta),
        "alpha": link.tensor(eta) / parameters["phi"],
    },
    pymc="NegativeBinomial",
    notation="NegativeBinomial1({mu}, φ)",
    rows=_rows,
    constant=lambda y, trials: -special.gammaln(y + 1),
    effect={"log": "rate ratio"},
)
