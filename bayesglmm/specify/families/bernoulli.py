"""Binary outcomes: V = μ(1 − μ)."""

from bayesglmm.specify.families.base import LARGE, Family, Pointer, Pointers, Predictors, Rule
from bayesglmm.specify.families.links import get_link
from bayesglmm.specify.families.merging import Merge, sum_rows
from bayesglmm.specify.families.special import exp, log, log_proportions

__all__ = ["BERNOULLI", "binary_rows"]


def binary_rows(n: int, y: Pointer, trials: Pointer, at: Predictors, ll: Pointer, d: Pointers) -> None:
    """Write the log likelihood of successes among trials: see `Family.rows`."""
    (log_p, log_q, d_log_p, d_log_q), (d_eta,) = at[0], d
    large = 0.0
    for i in range(n):
        large += 1.0 if trials[i] > LARGE else 0.0
        failures = trials[i] - y[i]
        ll[i] = (y[i] * log_p[i] if y[i] > 0.0 else 0.0) + (failures * log_q[i] if failures > 0.0 else 0.0)
        d_eta[i] = y[i] * d_log_p[i] + failures * d_log_q[i]
    if large == 0.0:
        return
    for i in range(n):  # relative to the maximum over μ where trials are many, to avoid cancellation
        failures = trials[i] - y[i]
        if trials[i] > LARGE and y[i] > 0.0 and failures > 0.0:
            p, q = y[i] / trials[i], failures / trials[i]
            delta = exp(log_p[i]) - p if p <= 0.5 else q - exp(log_q[i])
            ll[i] = trials[i] * log_proportions(p, q, delta, log_p[i] - log(p), log_q[i] - log(q))


BERNOULLI = Family(
    name="bernoulli",
    link=get_link("logit"),
    links=("logit", "probit", "cloglog", "loglog", "cauchit"),
    outcome_type="binary",
    parameters=(),
    rules=(
        Rule(
            lambda y, trials: (y != 0) & (y != 1),
            'outcomes are 0 or 1; recode them, or use family="poisson" for counts',
        ),
    ),
    variance=lambda mu, parameters, trials: mu * (1 - mu),
    draw=lambda rng, mu, parameters, trials: (rng.random(mu.shape) < mu).astype(float),
    cdf=lambda y, mu, parameters, trials: (y >= 0) * (1 - (y < 1) * mu),
    distribution=lambda eta, link, parameters, trials: {"logit_p": link.tensor_log_odds(eta)},
    pymc="Bernoulli",
    notation="Bernoulli({mu})",
    rows=binary_rows,
    constant=lambda y, trials: 0.0 * y,
    merge=Merge(sum_rows),
    effect={"logit": "odds ratio", "cloglog": "hazard ratio"},
)
