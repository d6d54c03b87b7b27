"""The log prior of every class of parameters against scipy, up to constants."""

import numpy as np
from handmade import hand_made, seizure_like
from scipy import stats

import bayesglmm as bg
from bayesglmm.posterior.log_prior import log_prior


def constant(difference) -> None:
    """Assert that log densities differ by a constant alone."""
    assert np.ptp(difference) < 1e-9 * (1 + np.abs(difference).max())


def test_the_log_prior_is_that_of_every_class() -> None:
    priors = {
        "intercept": "student_t(4, 1, 2)",
        "slopes": "normal(0, 2)",
        "age": "laplace(0, 0.5)",
        "sd": "exponential(2)",
        "correlation": "lkj(3)",
        "phi": "gamma(2, 1)",
    }
    model = bg.glmm("count ~ age + time + (1 + time + age | id)", seizure_like(), "negative_binomial", priors=priors)
    posterior = hand_made(model, draws=30).posterior
    found = log_prior(model, posterior)
    beta, sd, corr = (posterior[name].values for name in ("beta", "sd_id", "corr_id"))
    centred = beta @ model.design.x.mean(axis=0)
    constant(found["intercept"].values - stats.t(4, 1, 2).logpdf(centred))
    constant(
        found["slopes"].values - stats.laplace(0, 0.5).logpdf(beta[..., 1]) - stats.norm(0, 2).logpdf(beta[..., 2])
    )
    constant(found["sd_id"].values - stats.expon(scale=0.5).logpdf(sd).sum(axis=-1))
    constant(found["phi"].values - stats.gamma(2).logpdf(posterior["phi"].values))
    a, b, c = np.moveaxis(corr, -1, 0)
    constant(found["corr_id"].values - 2 * np.log(1 + 2 * a * b * c - a**2 - b**2 - c**2))
    assert set(found) == {"intercept", "slopes", "sd_id", "corr_id", "phi"}
