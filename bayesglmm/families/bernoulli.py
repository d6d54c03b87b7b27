"""Binary outcomes: V = μ(1 − μ)."""

from bayesglmm.families.base import Family, Merge, Pointer, Rule, sum_rows
from bayesglmm.links import get_link

__all__ = ["BERNOULLI", "binary_rows"]


def binary_rows(
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
    """Return the log likelihood of successes among trials: see `Family.rows`."""
    total = 0.0
    for i in range(n):
        failures = trials[i] - y[i]
        total += (y[i] * a[i] if y[i] > 0.0 else 0.0) + (failures * b[i] if failures > 0.0 else 0.0)
        d_eta[i] = y[i] * da[i] + failures * db[i]
    return total


BERNOULLI = Family(
    name="bernoulli",
    link=get_link("logit"),
    links=("logit", "probit", "cloglog", "cauchit"),
    kind="binary",
    parameters=(),
    rules=(
        Rule(
            lambda y, trials: (y != 0) & (y != 1),
            'outcomes are 0 or 1; recode them, or use family="poisson" for counts',
        ),
    ),
    variance=lambda mu, parameters, trials: mu * (1 - mu),
    draw=lambda rng, mu, parameters, trials: (rng.random(mu.shape) < mu).astype(float),
    distribution=lambda eta, link, parameters, trials: {"logit_p": link.tensor_log_odds(eta)},
    pymc="Bernoulli",
    notation="Bernoulli({mu})",
    rows=binary_rows,
    constant=lambda y, trials: 0.0 * y,
    merge=Merge(sum_rows),
    effect={"logit": "odds ratio", "cloglog": "hazard ratio"},
)
