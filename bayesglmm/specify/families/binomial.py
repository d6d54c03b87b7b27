"""Successes among trials: μ is the probability of one success, V = n μ(1 − μ)."""

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import LARGE, Array, Family, Rule, whole
from bayesglmm.specify.families.bernoulli import BERNOULLI, binary_rows
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.merging import Merge, sum_rows
from bayesglmm.specify.families.special import stirlings

__all__ = ["BINOMIAL"]


def _constant(y: Array, trials: Array) -> Array:
    """Return log (n over y); where `binary_rows` is relative to the maximum over μ, the log density at the maximum."""
    failures = trials - y
    inner_y, n = np.maximum(y * (failures > 0), 1.0), np.maximum(trials, 1.0)
    inner_failures = np.maximum(failures * (y > 0), 1.0)
    maximum = (
        0.5 * (np.log(n / inner_y) - np.log(2 * np.pi * inner_failures))
        + stirlings(n)
        - stirlings(inner_y)
        - stirlings(inner_failures)
    )
    small_n = np.minimum(trials, LARGE)
    small_y = np.minimum(y, small_n)
    coefficient = special.gammaln(small_n + 1) - special.gammaln(small_y + 1) - special.gammaln(small_n - small_y + 1)
    at_maximum = (trials > LARGE) & (y > 0) & (failures > 0)
    return np.where(at_maximum, maximum, np.where((y > 0) & (failures > 0), coefficient, 0.0))


def _cdf(y: Array, mu: Array, trials: Array) -> Array:
    """Return P(Y ≤ y), the upper tail of a beta distribution of μ."""
    inner = np.clip(y, 0.0, trials - 1)
    return np.where(y < 0, 0.0, np.where(y >= trials, 1.0, special.betaincc(inner + 1, trials - inner, mu)))


BINOMIAL = Family(
    name="binomial",
    link=get_link("logit"),
    links=BERNOULLI.links,
    outcome_type="trials",
    parameters=(),
    rules=(
        Rule(
            lambda y, trials: ~whole(y) | ~whole(trials),
            "successes and trials are whole numbers up to 2^53; give counts, not proportions",
        ),
        Rule(lambda y, trials: trials < 1, "every row has at least one trial; drop the rows without"),
        Rule(lambda y, trials: y < 0, "successes are not negative; correct or drop these rows"),
        Rule(
            lambda y, trials: y > trials,
            "there are more successes than trials; the form is p(successes, trials)",
        ),
    ),
    variance=lambda mu, parameters, trials: trials * mu * (1 - mu),
    draw=lambda rng, mu, parameters, trials: rng.binomial(trials.astype(int), mu).astype(float),
    cdf=lambda y, mu, parameters, trials: _cdf(np.floor(y), mu, trials),
    distribution=lambda eta, link, parameters, trials: {"logit_p": link.tensor_log_odds(eta), "n": trials},
    pymc="Binomial",
    notation="Binomial(n, {mu})",
    rows=binary_rows,
    constant=_constant,
    merge=Merge(sum_rows),
    effect={"logit": "odds ratio", "cloglog": "hazard ratio"},
)
