"""A fit of the prior alone reproduces its priors' quantiles, LKJ's marginals included; defaults bear hard data."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesglmm as bg

PROBABILITIES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


def data(k: int) -> pd.DataFrame:
    rng = np.random.default_rng(k)
    columns = {f"x{j}": rng.normal(size=40) for j in range(1, k)}
    return pd.DataFrame({"y": rng.normal(size=40), "g": np.arange(40) % 4, **columns})


def matches(values, distribution) -> None:
    """Within five Monte Carlo standard errors, of the probability below each quantile of the prior."""
    for probability in PROBABILITIES:
        below = (values <= distribution.ppf(probability)).astype(float)
        ess = float(az.ess(below.values[..., None], method="mean").item()) if np.ptp(below.values) else 1.0
        assert abs(float(below.mean()) - probability) < 5 * np.sqrt(probability * (1 - probability) / ess)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_prior_only_fit_reproduces_its_priors(k):
    terms = " + ".join(f"x{j}" for j in range(1, k))
    priors = {
        "intercept": "student_t(3, 1, 2)",
        "slopes": "normal(0.5, 2)",
        "x1": "laplace(0, 1)",
        "sd": "exponential(2)",
        'sd["g"]["x1"]': "half_student_t(3, 0, 2.5)",
        "correlation": f"lkj({k})",
        "sigma": "gamma(2, 3)",
    }
    fit = bg.fit(
        f"y ~ {terms} + (1 + {terms} | g)", data(k), priors=priors, prior_only=True, seed=5, draws=2000, progress=False
    )
    posterior = fit.posterior
    assert "the prior alone" in str(fit)
    matches(posterior["beta"].sel(coef="x1"), stats.laplace(0, 1))
    if k > 2:
        matches(posterior["beta"].sel(coef="x2"), stats.norm(0.5, 2))
    matches(posterior["sd_g"].sel(g_coef="Intercept"), stats.expon(scale=1 / 2))
    matches(posterior["sd_g"].sel(g_coef="x1"), HalfT(3, 2.5))
    matches(posterior["sigma"], stats.gamma(2, scale=1 / 3))
    shape = k + (k - 2) / 2
    for pair in posterior["g_pair"].values:
        matches((posterior["corr_g"].sel(g_pair=pair) + 1) / 2, stats.beta(shape, shape))
    centred = posterior["beta"].sel(coef="Intercept") + sum(
        posterior["beta"].sel(coef=name) * fit.model.design.x[:, j].mean()
        for j, name in enumerate(fit.model.design.coef)
        if name != "Intercept"
    )
    matches(centred, stats.t(3, loc=1, scale=2))


class HalfT:
    def __init__(self, nu: float, scale: float) -> None:
        self.whole = stats.t(nu, scale=scale)

    def ppf(self, probability: float) -> float:
        return self.whole.ppf(0.5 + probability / 2)


def counts(level: float, phi: float, seed: int) -> pd.DataFrame:
    """Make counts about exp(level) in 12 groups of six; without bound, φ makes them Poisson."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(12), 6), np.tile(np.linspace(0, 1, 6), 12)
    mu = np.exp(level + 0.4 * x + rng.normal(0, 0.5, 12)[g])
    rates = mu if np.isinf(phi) else mu * rng.gamma(phi, 1 / phi, len(mu))
    return pd.DataFrame({"y": rng.poisson(rates), "x": x, "g": g})


@pytest.mark.parametrize("level", [1.5, 5.0])
def test_poisson_counts_do_not_let_phi_run_away(level):
    """At level 5 a tail as heavy as φ^-0.4 gives draws of φ about 1e15, an R-hat of 1.6 and 473 divergences."""
    data = counts(level, np.inf, seed=1)
    fit = bg.fit("y ~ x + (1 | g)", data, "negative_binomial", seed=1, draws=2000, progress=False)
    assert fit.check().ok, fit.check()
    assert fit.summary().loc["phi", "upper"] < 1e5
    poisson = fit.update(family="poisson", progress=False)
    theirs, ours = poisson.summary().loc["beta[x]"], fit.summary().loc["beta[x]"]
    assert abs(ours["mean"] - theirs["mean"]) < 0.25 * theirs["sd"]
    assert ours["sd"] / theirs["sd"] < 1.25


@pytest.mark.parametrize("phi", [0.15, 3.0])
def test_overdispersed_counts_give_their_phi(phi):
    fit = bg.fit("y ~ x + (1 | g)", counts(1.5, phi, seed=0), "negative_binomial", seed=2, draws=2000, progress=False)
    assert fit.check().ok, fit.check()
    found = fit.summary().loc["phi"]
    assert found["lower"] < phi < found["upper"]
