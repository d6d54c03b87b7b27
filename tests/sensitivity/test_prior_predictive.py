"""Draws from the priors are those of the PyMC graph and of their own formulas; outcomes are those of predictions."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats

import bayesglmm as bg
from bayesglmm.errors import OptionError, PriorError
from bayesglmm.estimands.posterior_draws import epred

CORRELATED = "p(hits, n) ~ x + w + (1 + x + w | id) + (1 | site)"
LEAST_P = 1e-4
"""A fixed seed either passes or not; a wrong distribution of 4,000 draws has a p-value far below."""


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"x": rng.normal(3, 1, 40), "w": rng.normal(size=40), "n": rng.integers(3, 9, 40)})
    table["id"], table["site"] = np.arange(40) % 8, np.arange(40) % 3
    return table.assign(hits=rng.binomial(table["n"], 0.4), level=rng.normal(5, 2, 40), count=rng.poisson(3, 40))


@pytest.fixture(scope="module")
def drawn(data) -> tuple[bg.Model, dict]:
    model = bg.glmm(CORRELATED, data, "binomial")
    return model, model.prior_predictive(draws=4000, seed=5)


def same(one, other) -> bool:
    return stats.ks_2samp(np.ravel(one), np.ravel(other)).pvalue > LEAST_P


def test_parameters_and_outcomes_are_distributed_as_in_the_graph(drawn) -> None:
    model, ours = drawn
    with model.to_pymc():
        theirs = pm.sample_prior_predictive(draws=4000, random_seed=6, compile_kwargs={"mode": "FAST_COMPILE"})
    for name in ("beta", "sd_id", "corr_id", "sd_site"):
        found, expected = ours["prior"][name].values[0], theirs["prior"][name].values[0]
        assert found.shape == expected.shape
        assert all(same(a, b) for a, b in zip(found.T, expected.T, strict=True)), name
        if found.shape[1] > 1:  # jointly as well: the largest and the sum know of dependence
            assert same(found.max(axis=1), expected.max(axis=1))
            assert same(found.sum(axis=1), expected.sum(axis=1))
    for name in ("b_id", "b_site"):
        found, expected = ours["prior"][name].values[0], theirs["prior"][name].values[0]
        assert same(found[:, 2, 0], expected[:, 2, 0])
        assert same(found.std(axis=1)[:, 0], expected.std(axis=1)[:, 0])
    found, expected = ours["prior_predictive"]["y"].values[0], theirs["prior_predictive"]["y"].values[0]
    assert same(found.mean(axis=1), expected.mean(axis=1))
    assert same(found[:, 7], expected[:, 7])


def test_each_correlation_of_lkj_is_a_beta_on_minus_one_to_one(drawn) -> None:
    """Joe (2006), Journal of Multivariate Analysis 97, 2177-2189: with both shapes eta + (k − 2)/2, for every pair."""
    for values in drawn[1]["prior"]["corr_id"].values[0].T:
        assert stats.kstest(values, stats.beta(2.5, 2.5, loc=-1, scale=2).cdf).pvalue > LEAST_P


def test_the_prior_of_the_intercept_is_of_the_centred_design_unless_named(data) -> None:
    for priors, at in ((None, data[["x"]].mean().to_numpy()), ({"Intercept": "normal(0, 2.5)"}, np.zeros(1))):
        model = bg.glmm("p(hits, n) ~ x + (1 | id)", data, "binomial", priors=priors)
        beta = model.prior_predictive(draws=4000, seed=7)["prior"]["beta"].values[0]
        assert stats.kstest(beta[:, 0] + beta[:, 1] * at[0], stats.norm(0, 2.5).cdf).pvalue > LEAST_P


@pytest.mark.parametrize(
    ("formula", "family", "link"),
    [
        (CORRELATED, "binomial", "cloglog"),
        ("count ~ x + offset(log(n)) + (1 | id)", "negative_binomial", None),
        ("level ~ x + (1 + x || id)", "student", None),
        ("level ~ 0 + x + w", "gaussian", None),
    ],
)
def test_means_are_the_predictions_in_the_groups_of_the_same_draws(data, formula, family, link) -> None:
    model = bg.glmm(formula, data, family, link=link)
    tree = model.prior_predictive(draws=50, seed=3)
    expected = epred(model, tree["prior"].to_dataset(), frame="group")
    np.testing.assert_allclose(tree["prior_predictive"]["mean"], expected, rtol=1e-12)
    np.testing.assert_array_equal(tree["observed_data"]["y"], model.design.outcome.y)


def test_outcomes_stay_in_the_support_however_wide_the_priors(data) -> None:
    model = bg.glmm("count ~ x + (1 | id)", data, "poisson", priors={"slopes": "normal(0, 500)"})
    y = model.prior_predictive(draws=200, seed=1)["prior_predictive"]["y"].values
    assert (y >= 0).all()
    assert not np.isnan(y).any()
    assert (y[y < 1e15] == np.floor(y[y < 1e15])).all()


def test_one_seed_is_one_set_of_draws(data) -> None:
    model = bg.glmm(CORRELATED, data, "binomial")
    one, same_seed, other = (model.prior_predictive(draws=20, seed=seed) for seed in (1, 1, 2))
    assert one["prior_predictive"].to_dataset().identical(same_seed["prior_predictive"].to_dataset())
    assert not np.array_equal(one["prior"]["beta"], other["prior"]["beta"])


def test_what_has_no_distribution_is_refused_by_name(data) -> None:
    model = bg.glmm("count ~ x + w + (1 | id)", data, "poisson", priors="brms")
    with pytest.raises(PriorError, match="x, w has the improper prior"):
        model.prior_predictive()
    with pytest.raises(OptionError, match="draws=0 is not"):
        bg.glmm("count ~ x", data, "poisson").prior_predictive(draws=0)
