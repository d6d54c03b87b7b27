"""Ratios of marginal likelihoods against quadrature."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.sensitivity.marginal_likelihood import Evidence
from bayesglmm.sensitivity.thinning import Budget


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return seizure_like().assign(u=rng.normal(size=60), v=rng.normal(size=60), w=rng.normal(size=60))


GROUPS, SIZE = 12, 20


def bayes_factor(y: np.ndarray) -> float:
    """log p(y | σ = 0) − log p(y) of a binomial model with an intercept and an sd, by quadrature of three integrals."""
    x, weight = np.polynomial.legendre.leggauss(160)
    beta, w_beta = 5 * x, 5 * weight
    sd, w_sd = 4 * (x + 1), 4 * weight
    u, w_u = np.polynomial.hermite_e.hermegauss(120)
    prior = stats.norm(0, 2).logpdf(beta)

    def of_p(eta):
        return stats.binom(SIZE, special.expit(eta)).logpmf(y[:, None, None, None])

    without = special.logsumexp(of_p(beta[:, None, None]).sum(axis=0)[:, 0, 0] + prior, b=w_beta)
    rows = []
    for b, one in zip(beta, prior, strict=True):
        groups = special.logsumexp(of_p(b + sd[None, :, None] * u), b=w_u / np.sqrt(2 * np.pi), axis=-1)
        rows.append(groups.sum(axis=0)[0] + one + stats.halfnorm(scale=1).logpdf(sd))
    return float(without - special.logsumexp(np.array(rows), b=w_beta[:, None] * w_sd))


@pytest.mark.parametrize(("effect", "about"), [(0.1, 0.8), (0.9, -3.3), (1.2, -10.0)])
def test_the_ratio_is_that_of_quadrature_for_a_binary_outcome(effect, about) -> None:
    rng = np.random.default_rng(4)
    y = rng.binomial(SIZE, special.expit(0.5 + effect * rng.normal(size=GROUPS)))
    data = pd.DataFrame({"y": y, "n": SIZE, "id": np.arange(GROUPS)})
    priors = {"Intercept": "normal(0, 2)", "sd": "half_normal(1)"}
    fit = bg.fit("p(y, n) ~ 1 + (1 | id)", data, "binomial", priors=priors, seed=1, progress=False)
    found, expected = Evidence.of(fit).without(0, 0), bayes_factor(y)
    assert expected == pytest.approx(about, abs=0.1)
    assert found.error < 0.05
    assert abs(found.log - expected) < 4 * found.error


def test_what_cannot_be_integrated_out_or_takes_long_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    crossed = hand_made(bg.glmm("event ~ age + (1 | id) + (1 | severity)", seizure_like(), "bernoulli"), draws=20)
    assert Evidence.of(crossed) is None
    many = hand_made(bg.glmm("age ~ 1 + (1 + u + v + w | id)", data(), "gaussian"), draws=20)
    assert Evidence.of(many) is None
    plain = hand_made(bg.glmm("event ~ age + (1 | id)", seizure_like(), "bernoulli"), draws=100)
    assert Evidence.of(plain).draws.size == 400
    monkeypatch.setattr("bayesglmm.sensitivity.marginal_likelihood.MARGINAL_LIKELIHOOD", Budget(1e4, 200, 500))
    assert Evidence.of(plain) is None
    assert Evidence.of(plain, draws=200).draws.size == 200
