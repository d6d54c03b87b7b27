"""A fit of the prior alone reproduces its priors' quantiles, the LKJ marginals included."""

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
