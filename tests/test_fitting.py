import dataclasses

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm.errors import OptionError, PriorError


def test_summary_is_of_every_parameter_but_the_random_effects(seizure_fit):
    table = seizure_fit.summary()
    assert list(table.columns) == ["mean", "sd", "lower", "upper", "ess_bulk", "ess_tail", "r_hat"]
    assert table.index.name == "parameter"
    assert list(table.index) == [
        *(f"beta[{name}]" for name in seizure_fit.model.design.coef),
        "sd_id[Intercept]",
        "sd_id[time]",
        "corr_id[Intercept,time]",
    ]
    assert "b = 0" in table.attrs["frame"]


def test_summary_interval_is_the_quantiles(seizure_fit):
    values = seizure_fit.posterior["beta"].sel(coef="trt:time").values
    row = seizure_fit.summary(ci_prob=0.8).loc["beta[trt:time]"]
    np.testing.assert_allclose([row["lower"], row["upper"]], np.quantile(values, [0.1, 0.9]))
    np.testing.assert_allclose([row["mean"], row["sd"]], [values.mean(), values.std(ddof=1)])


@pytest.mark.parametrize("ci_prob", [0, 1, 95, "wide"])
def test_an_impossible_interval_is_refused(seizure_fit, ci_prob):
    with pytest.raises(OptionError, match="ci_prob"):
        seizure_fit.summary(ci_prob=ci_prob)


def test_covariance_is_sd_correlation_and_their_product(seizure_fit):
    table = seizure_fit.covariance()
    posterior = seizure_fit.posterior
    sd = posterior["sd_id"].values
    product = sd[..., 0] * sd[..., 1] * posterior["corr_id"].values[..., 0]
    row = table.loc[("id", "covariance", "time", "Intercept")]
    np.testing.assert_allclose([row["mean"], row["median"]], [product.mean(), np.median(product)])
    assert table.loc[("id", "covariance", "time", "time"), "mean"] == pytest.approx((sd[..., 1] ** 2).mean())
    assert table.loc[("id", "sd", "time", "time"), "mean"] == pytest.approx(sd[..., 1].mean())
    assert list(table.columns) == ["mean", "sd", "median", "lower", "upper"]
    assert len(table) == 2 + 1 + 3


def test_a_fit_is_frozen(seizure_fit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        seizure_fit.model = None


def test_text_begins_with_the_verdict_and_says_whose_numbers(seizure_fit):
    text = str(seizure_fit)
    assert text.splitlines()[0] == seizure_fit.check().verdict
    assert "conditional (typical subject, b = 0)" in text
    assert "295 rows, 59 levels of id" in text
    assert repr(seizure_fit) == text
    assert seizure_fit.check().verdict in seizure_fit._repr_html_().replace("&lt;", "<").replace("&#x27;", "'")


def test_a_failed_sampler_is_impossible_to_miss(seizure_fit):
    short = seizure_fit.draws.isel(draw=slice(0, 20))
    failed = bg.Fit(seizure_fit.model, short)
    assert str(failed).startswith("SAMPLING FAILED")
    assert "background:#b00020" in failed._repr_html_()


def test_update_changes_what_is_given_and_keeps_the_rest(seizure_fit):
    short = {"draws": 50, "tune": 50, "progress": False}
    same = seizure_fit.update(**short)
    assert same.model.priors == seizure_fit.model.priors
    assert same.draws.attrs["seed"] == seizure_fit.draws.attrs["seed"]
    assert same.draws.attrs["draws"] == 50
    again = seizure_fit.update(**short)
    assert same.posterior.equals(again.posterior)
    fewer = seizure_fit.update("count ~ time + offset(log(weeks)) + (1 | id)", family="negative_binomial", **short)
    assert list(fewer.posterior.data_vars) == ["beta", "sd_id", "phi", "b_id"]
    assert fewer.model.design.n == seizure_fit.model.design.n
    narrow = seizure_fit.update(priors={"slopes": "normal(0, 0.001)"}, **short)
    assert abs(narrow.summary().loc["beta[trt:time]", "mean"]) < 0.01
    half = bg.datasets.load("seizure").query("id <= 30")
    assert seizure_fit.update(data=half, **short).model.design.n == 150


def test_update_refuses_what_is_no_setting(seizure_fit):
    with pytest.raises(OptionError, match="draws"):
        seizure_fit.update(drows=10)


def test_update_says_that_a_prior_was_carried_over_and_has_lost_its_coefficient():
    data = bg.datasets.load("cbpp")
    settings = {"seed": 1, "draws": 20, "tune": 20, "progress": False}
    fit = bg.fit("incidence ~ period + (1 | herd)", data, "poisson", priors={"period": "normal(0, 1)"}, **settings)
    with pytest.raises(PriorError, match=r'carried over from the earlier fit.*"period".* no parameter.*priors=\{\}'):
        fit.update("incidence ~ 1 + (1 | herd)", progress=False)
    assert fit.update("incidence ~ 1 + (1 | herd)", priors={}, progress=False).model.priors.specified == {}
    with pytest.raises(PriorError, match=r"^perod is no parameter"):
        fit.update(priors={"perod": "normal(0, 1)"}, progress=False)
