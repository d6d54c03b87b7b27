"""Likelihood-ratio tests: the statistic, the mixture that belongs to what was left out, and what is refused."""

import numpy as np
import pytest
from scipy import stats

import bayesglmm as bg
from bayesglmm.comparison.likelihood_ratio import mixture_of, tail
from bayesglmm.comparison.nested import dropped

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"


@pytest.fixture(scope="module")
def large() -> bg.MLFit:
    return bg.maximum_likelihood(SEIZURE, bg.datasets.load("seizure"), "poisson", nodes=9)


def model(formula: str, family: str = "poisson") -> bg.Model:
    data = bg.datasets.load("seizure")
    return bg.glmm(formula, data.assign(site=data["id"] % 7, z=np.arange(len(data)) % 3.0), family)


@pytest.mark.parametrize(
    ("small", "large", "mixture"),
    [
        ("count ~ trt + (1 | id)", "count ~ trt + time + (1 | id)", ((1.0, 1),)),
        ("count ~ trt", "count ~ trt + (1 | id)", ((0.5, 0), (0.5, 1))),
        ("count ~ trt + (1 | id)", "count ~ trt + (1 + time | id)", ((0.5, 1), (0.5, 2))),
        ("count ~ trt + (1 + time | id)", "count ~ trt + (1 + time + z | id)", ((0.5, 2), (0.5, 3))),
        ("count ~ trt + (1 | id)", "count ~ trt + (1 + time || id)", ((0.5, 0), (0.5, 1))),
        ("count ~ trt + (1 + time || id)", "count ~ trt + (1 + time | id)", ((1.0, 1),)),
        ("count ~ 1 + (1 | id)", "count ~ trt + (1 + time | id)", ((0.5, 2), (0.5, 3))),
        ("count ~ trt + (1 | id)", "count ~ trt + (1 | id) + (1 | site)", ((0.5, 0), (0.5, 1))),
        ("count ~ trt", "count ~ trt + (1 + time | id)", None),
        ("count ~ trt", "count ~ trt + (1 | id) + (1 | site)", None),
    ],
)
def test_the_mixture_belongs_to_what_is_left_out(small: str, large: str, mixture: object) -> None:
    assert mixture_of(dropped(model(small), model(large))) == mixture


def test_the_naive_degrees_of_freedom_count_every_parameter() -> None:
    gone = dropped(model("count ~ trt"), model("count ~ trt + (1 + time | id)"))
    assert gone.parameters == 3
    family = dropped(model("count ~ trt"), model("count ~ trt", "negative_binomial"))
    assert mixture_of(family) == ((0.5, 0), (0.5, 1))


@pytest.mark.parametrize(
    ("small", "large", "what"),
    [
        ("count ~ trt + (1 | id)", "count ~ time + (1 | id)", "coefficients trt"),
        ("count ~ trt + (1 + time | id)", "count ~ trt + (1 | id)", "time of id"),
        ("count ~ trt + (1 + time | id)", "count ~ trt + (1 + time || id)", "covariance of"),
        ("count ~ trt + (1 | id)", "count ~ trt + offset(log(weeks)) + (1 | id)", "another offset"),
    ],
)
def test_models_that_are_not_nested_are_refused(small: str, large: str, what: str) -> None:
    with pytest.raises(bg.errors.OptionError, match=what):
        dropped(model(small), model(large))


def test_coefficients_are_compared_by_the_space_of_their_columns() -> None:
    assert dropped(model("count ~ trt + (1 | id)"), model("count ~ 0 + factor(trt) + (1 | id)")).coefficients == 0


def test_the_random_slope_of_the_seizure_study(large: bg.MLFit) -> None:
    """glmer's Laplace fits give 171.87."""
    small = large.update("~ . - (1 + time | id) + (1 | id)")
    found = bg.likelihood_ratio(small, large)
    assert found.statistic == pytest.approx(2 * (large.loglik - small.loglik))
    laplace = [each.update(nodes=1) for each in (small, large)]
    assert bg.likelihood_ratio(*laplace).statistic == pytest.approx(171.87, abs=0.05)
    assert "½χ²(1) + ½χ²(2)" in str(found)
    assert found.p_value < found.p_naive
    assert "χ²" in found.plot().get_label() or "statistic" in found.plot().get_label()


def test_the_tail_of_a_mixture_is_that_of_its_simulation() -> None:
    rng = np.random.default_rng(1)
    draws = np.where(rng.random(200_000) < 0.5, rng.chisquare(1, 200_000), rng.chisquare(2, 200_000))
    for value in (0.5, 3.0, 6.0):
        error = (tail(((0.5, 1), (0.5, 2)), value) / 200_000) ** 0.5
        assert tail(((0.5, 1), (0.5, 2)), value) == pytest.approx((draws >= value).mean(), abs=4 * error)
    assert tail(((0.5, 0), (0.5, 1)), 0.0) == pytest.approx(1.0)
    assert tail(((0.5, 0), (0.5, 1)), 2.71) == pytest.approx(0.5 * stats.chi2.sf(2.71, 1))


def test_what_is_not_on_one_scale_is_refused(large: bg.MLFit) -> None:
    with pytest.raises(bg.errors.OptionError, match="different ways"):
        bg.likelihood_ratio(large.update("~ . - trt:time", nodes=5), large)
    with pytest.raises(bg.errors.OptionError, match="PQL"):
        bg.likelihood_ratio(large.update("~ . - trt:time", method="pql"), large)
    with pytest.raises(bg.errors.OptionError, match="nested"):
        bg.likelihood_ratio(large, large.update("~ . - trt:time"))
    data = bg.datasets.load("seizure")
    with pytest.raises(bg.errors.DataError, match="rows"):
        bg.likelihood_ratio(large.update("~ . - trt:time", data=data.iloc[:-5]), large)


def test_restricted_likelihoods_of_other_coefficients_are_refused() -> None:
    data = bg.datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (1 | Subject)"
    fit = bg.maximum_likelihood(formula, data, "gaussian", method="laplace", restricted=True)
    with pytest.raises(bg.errors.OptionError, match="restricted"):
        bg.likelihood_ratio(fit.update("~ . - Days"), fit)
    with pytest.raises(bg.errors.OptionError, match="restricted"):
        bg.likelihood_ratio(fit.update(restricted=False), fit)
    slopes = fit.update("~ . - (1 | Subject) + (1 + Days | Subject)")
    assert bg.likelihood_ratio(fit, slopes).mixture == ((0.5, 1), (0.5, 2))


def test_wald_tests_are_quadratic_forms_of_the_estimates(large: bg.MLFit) -> None:
    found = large.hypothesis(["trt = 0", "trt:time = 0", "trt + time:trt = 0"])
    covariance = large.maximum.beta_covariance
    beta = large.maximum.beta
    rows = np.array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1]], dtype=float)
    np.testing.assert_allclose(found.table["estimate"], rows @ beta, rtol=1e-6)
    np.testing.assert_allclose(found.table["std_error"] ** 2, np.diag(rows @ covariance @ rows.T), rtol=1e-4)
    assert found.df == 2
    first = rows[:2]
    expected = (first @ beta) @ np.linalg.solve(first @ covariance @ first.T, first @ beta)
    assert found.statistic == pytest.approx(expected, rel=1e-4)
    assert "Wald" in found.plot().get_label()


def test_the_bootstrap_does_not_depend_on_the_cores() -> None:
    data = bg.datasets.load("cbpp")
    large = bg.maximum_likelihood("p(incidence, size) ~ period + (1 | herd)", data, "binomial", nodes=5)
    small = large.update("~ . - (1 | herd)")
    alone = bg.bootstrap_likelihood_ratio(small, large, 24, seed=3, cores=1, progress=False)
    together = bg.bootstrap_likelihood_ratio(small, large, 24, seed=3, cores=2, progress=False)
    np.testing.assert_array_equal(alone.statistics, together.statistics)
    assert alone.p_value == pytest.approx(
        (1 + (alone.statistics >= alone.statistic).sum()) / (1 + len(alone.statistics))
    )
    assert (alone.statistics < 1e-4).mean() > 0.2  # half of the time the variance is estimated as 0
    assert list(alone.table.index) == ["naive", "mixture", "bootstrap"]
    assert "simulated" in alone.plot().get_label()


def test_fits_stand_side_by_side_with_what_they_are_of(large: bg.MLFit) -> None:
    glm = large.update("~ . - (1 + time | id)")
    posterior = large.model.fit(draws=200, tune=200, chains=2, seed=1, progress=False, mend=False)
    found = bg.side_by_side({"GLM": glm, "quadrature": large, "posterior": posterior})
    assert list(found.table.index) == list(large.summary().index)
    assert found.table["GLM", "estimate"].notna().sum() == 4
    np.testing.assert_allclose(found.table["quadrature", "std_error"], large.summary()["std_error"])
    np.testing.assert_allclose(found.table["posterior", "estimate"], posterior.summary()["mean"])
    assert found.foot.loc["loglik", "quadrature"] == pytest.approx(large.loglik)
    assert np.isnan(found.foot.loc["aic", "posterior"])
    assert found.foot.loc["groups"].tolist()[1:] == [59.0, 59.0]
    assert "conditional" in str(found)
    ratios = bg.side_by_side({"GLM": glm, "quadrature": large}, exponentiate=True)
    np.testing.assert_allclose(ratios.table["GLM", "estimate"], np.exp(found.table["GLM", "estimate"]))
    assert "Coefficients of 2 fits" in ratios.plot().get_label()
    with pytest.raises(bg.errors.OptionError, match="two fits"):
        bg.side_by_side({"GLM": glm})
