"""A model built up step by step: what changed, what each model has, which share of each variance is gone."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from handmade import at, hand_made, seizure_like

import bayesglmm as bg
from bayesglmm.errors import DataError, OptionError


def made(formula: str, family: str = "gaussian", **values) -> bg.Fit:
    fit = hand_made(bg.glmm(formula, seizure_like(), family), chains=2, draws=10)
    return at(fit, **values) if values else fit


def steps() -> dict[str, bg.Fit]:
    return {
        "null": made("age ~ 1 + (1 | id)", sd_id=[2.0], sigma=4.0),
        "time": made("age ~ time + (1 | id)", sd_id=[2.2], sigma=3.0),
        "slope": made("age ~ time + trt + (1 + time | id)", sd_id=[1.0, 0.5], sigma=3.0),
    }


def test_a_row_a_model_with_what_it_has() -> None:
    fits = steps()
    found = bg.model_steps(fits)
    table = found.table
    assert list(table.index) == ["null", "time", "slope"]
    assert list(table["change"]) == ["age ~ 1 + (1 | id)", "+ time", "+ trt, + (1 + time | id), − (1 | id)"]
    draws = fits["slope"].posterior["beta"].sel(coef="trt").values
    assert table.loc["slope", "beta[trt]"] == pytest.approx(draws.mean())
    assert found.estimates.loc[("slope", "beta[trt]"), "sd"] == pytest.approx(draws.std(ddof=1))
    assert np.isnan(table.loc["null", "beta[trt]"])
    np.testing.assert_allclose(table.loc["slope", ["sd_id[Intercept]", "sd_id[time]"]].astype(float), [1.0, 0.5])
    shares = fits["time"].r_squared().table["mean"]
    np.testing.assert_allclose(
        table.loc["time", ["r_squared[population]", "r_squared[group]"]].astype(float),
        shares.loc[["population", "group"]],
    )


def test_variances_are_compared_with_those_of_the_first_model() -> None:
    table = bg.model_steps(steps()).table
    np.testing.assert_allclose(table["explained[id]"].astype(float), [np.nan, 1 - 2.2**2 / 4, 0.75])
    np.testing.assert_allclose(table["explained[residual]"].astype(float), [np.nan, 1 - 9 / 16, 1 - 9 / 16])
    counts = {"a": made("count ~ 1 + (1 | id)", "poisson"), "b": made("count ~ trt + (1 | id)", "poisson")}
    assert "explained[residual]" not in bg.model_steps(counts).table


def test_elpd_is_taken_as_a_number_or_a_result() -> None:
    found = bg.model_steps(steps(), elpd={"null": -210.0, "slope": SimpleNamespace(elpd=-201.5, se=8.25)})
    np.testing.assert_allclose(found.table["elpd"].astype(float), [-210.0, np.nan, -201.5])
    text = found.to_text()
    assert "-210.0" in text
    assert "-201.5 (8.2)" in text
    with pytest.raises(OptionError, match="elpd has 'nul', which is none of the fits; did you mean 'null'"):
        bg.model_steps(steps(), elpd={"nul": 1.0})


def test_changes_of_family_link_priors_and_offsets_are_told() -> None:
    data = seizure_like()
    models = {
        "a": bg.glmm("count ~ trt*time + offset(log(weeks)) + (1 | id)", data, "poisson"),
        "b": bg.glmm("count ~ time + trt + (1 | id)", data, "negative_binomial"),
        "c": bg.glmm("count ~ trt + time + (1 | id)", data, "negative_binomial", priors={"slopes": "normal(0, 1)"}),
    }
    found = bg.model_steps({name: hand_made(model, draws=10) for name, model in models.items()})
    assert found.table["change"].iloc[1] == (
        "− trt:time, − offset(log(weeks)), negative_binomial (log link) instead of poisson (log link)"
    )
    assert found.table["change"].iloc[2] == "other priors"
    assert "different families or links" in found.to_text()


def test_the_text_has_a_column_a_model_and_its_scale() -> None:
    binary = {"null": made("event ~ 1 + (1 | id)", "bernoulli"), "age": made("event ~ age + (1 | id)", "bernoulli")}
    found = bg.model_steps(binary)
    assert "age: + age" in found.to_text()
    assert "(logit link)" in found.to_text()
    assert "coefficients and sds grow as predictors" in " ".join(found.to_text().split())
    assert "<td>" in found._repr_html_()


def test_an_update_reads_further_columns_of_the_table() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(3, 60), "g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    null = bg.fit("y ~ 1 + (1 | g)", data, "poisson", seed=1, draws=100, progress=False)
    more = null.update("~ . + x", progress=False)
    assert str(more.model.formula) == "y ~ 1 + x + (1 | g)"
    assert list(bg.model_steps({"null": null, "x": more}).table["change"])[1] == "+ x"


def test_after_load_the_missing_column_is_named(tmp_path) -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(3, 60), "g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    null = bg.fit("y ~ 1 + (1 | g)", data, "poisson", seed=1, draws=100, progress=False)
    null.save(tmp_path / "null")
    with pytest.raises(DataError, match=r"columns x were not part of the model.*pass data= with the table"):
        bg.load(tmp_path / "null").update("~ . + x", progress=False)
    more = bg.load(tmp_path / "null").update("~ . + x", data, progress=False)
    assert more.model.design.coef == ("Intercept", "x")
