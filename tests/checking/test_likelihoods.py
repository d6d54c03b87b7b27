"""Deviance residuals are the textbook's; rows are left out as refits without them say."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from handmade import hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm import glmm
from bayesglmm.checking.likelihoods import left_out_weights
from bayesglmm.checking.predictive import Predictive
from bayesglmm.checking.quantile import pit_bounds
from bayesglmm.errors import OptionError
from bayesglmm.specify.families import FAMILIES

type Array = np.ndarray


def _binomial(y: Array, mu: Array, n: float) -> Array:
    return 2 * (special.xlogy(y, y / (n * mu)) + special.xlogy(n - y, (n - y) / (n * (1 - mu))))


DEVIANCE: Mapping[str, Callable[..., Array]] = {
    "gaussian": lambda y, mu, sigma: ((y - mu) / sigma) ** 2,
    "student": lambda y, mu, sigma, nu: (nu + 1) * np.log1p(((y - mu) / sigma) ** 2 / nu),
    "bernoulli": lambda y, mu: _binomial(y, mu, 1),
    "binomial": lambda y, mu: _binomial(y, mu, 20),
    "poisson": lambda y, mu: 2 * (special.xlogy(y, y / mu) - (y - mu)),
    "negative_binomial": lambda y, mu, phi: 2 * (special.xlogy(y, y / mu) - (y + phi) * np.log((y + phi) / (mu + phi))),
    "gamma": lambda y, mu, shape: 2 * shape * ((y - mu) / mu - np.log(y / mu)),
    "inverse_gaussian": lambda y, mu, shape: shape * (y - mu) ** 2 / (mu**2 * y),
}
"""McCullagh & Nelder (1989), section 2.3, over the dispersion; Student-t and negative binomial from the densities."""


def made(family: str) -> bg.Fit:
    """Return a fit by hand with outcomes of a family, zeros and all successes among those that may have them."""
    data = seizure_like()
    continuous = FAMILIES[family].outcome_type == "continuous"
    data["y"] = data["age"] / 10 if continuous else data["event"] if family == "bernoulli" else data["count"]
    if family == "beta":
        data["y"] = data["age"] / 100
    if not continuous:
        data.loc[:2, "y"] = [0, 1, 0]
    if family == "binomial":
        data.loc[3:5, "y"] = [20, 0, 20]
    response = "p(y, size)" if family == "binomial" else "y"
    return hand_made(glmm(f"{response} ~ trt + (1 | id)", data, family), chains=2, draws=40)


@pytest.mark.parametrize("family", DEVIANCE)
def test_deviance_residuals_are_those_of_the_textbook(family: str) -> None:
    fit = made(family)
    shown = fit.residuals("deviance", max_draws=1000)
    mu, y = fit.epred(frame="group").values, fit.model.design.outcome.y
    named = {one.name: fit.posterior[one.name].values[..., None] for one in fit.model.family.parameters}
    size = 20 if family == "binomial" else 1
    expected = np.sign(y - size * mu) * np.sqrt(np.maximum(DEVIANCE[family](y, mu, **named), 0))
    np.testing.assert_allclose(shown.draws.values, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(shown.table["residual"], expected.mean(axis=(0, 1)), atol=1e-6)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(DEVIANCE)))
def test_a_family_without_a_deviance_is_refused(family: str) -> None:
    with pytest.raises(OptionError, match=r"has no deviance.*quantile"):
        made(family).residuals("deviance")


def test_a_deviance_averaged_over_random_effects_is_refused() -> None:
    with pytest.raises(OptionError, match='use frame="group"'):
        made("poisson").residuals("deviance", frame="population")


def test_the_distribution_given_the_other_rows_is_that_of_refits_without_the_row() -> None:
    data = seizure_like(20, seed=4)
    data.loc[[7, 31], "count"] = [13, 12]
    formula, settings = "count ~ trt + time + (1 | id)", {"progress": False, "seed": 3}
    fit = bg.fit(formula, data, "poisson", draws=1000, **settings)
    predictive, rng = Predictive.of(fit, "group", np.random.default_rng(1), 4000), np.random.default_rng(1)
    log_weights, pareto_k = left_out_weights(predictive)
    left_out, plain = pit_bounds(predictive, rng, log_weights), pit_bounds(predictive, rng)
    for row in (7, 31):
        assert pareto_k[row] < 0.7
        without = bg.fit(formula, data.drop(row), "poisson", draws=1000, **settings)
        rate = without.epred(data.loc[[row]], frame="group").values.reshape(-1)
        expected = [stats.poisson.cdf(data.loc[row, "count"] - less, rate).mean() for less in (1, 0)]
        np.testing.assert_allclose([bound[row] for bound in left_out], expected, atol=0.005)
        assert plain[0][row] < expected[0] - 0.01


def test_residuals_given_the_other_rows_are_larger_and_say_so(seizure_fit: bg.Fit) -> None:
    plain, left_out = (seizure_fit.residuals(loo=loo, seed=1) for loo in (False, True))
    assert left_out.table["residual"].std() > plain.table["residual"].std()
    assert "given all other rows" in left_out.estimand
    assert 0 < (left_out.table["pareto_k"] > 0.7).sum() < len(left_out.table)
    with pytest.raises(OptionError, match='frame="group"'):
        seizure_fit.residuals(loo=True, frame="population")
