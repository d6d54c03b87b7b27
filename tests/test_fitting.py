import dataclasses

import pytest

import bayesglmm as bg
from bayesglmm.errors import OptionError, PriorError


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
