"""Successes among trials: μ is the probability of one success, V = n μ(1 − μ)."""

from scipy import special

from bayesglmm.families.base import Family, Merge, Rule, sum_rows, whole
from bayesglmm.families.bernoulli import binary_rows
from bayesglmm.links import get_link

__all__ = ["BINOMIAL"]

BINOMIAL = Family(
    name="binomial",
    link=get_link("logit"),
    links=("logit", "probit", "cloglog", "cauchit"),
    kind="trials",
    parameters=(),
    rules=(
        Rule(
            lambda y, trials: ~whole(y) | ~whole(trials),
            "successes and trials are whole numbers below 2^31; give counts, not proportions",
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
    distribution=lambda eta, link, parameters, trials: {"logit_p": link.tensor_log_odds(eta), "n": trials},
    pymc="Binomial",
    notation="Binomial(n, {mu})",
    rows=binary_rows,
    constant=lambda y, trials: special.gammaln(trials + 1) - special.gammaln(y + 1) - special.gammaln(trials - y + 1),
    merge=Merge(sum_rows),
    effect={"logit": "odds ratio", "cloglog": "hazard ratio"},
)
