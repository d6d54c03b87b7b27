"""R² by frame: identities, simulation of outcomes, published values of the formula of Nakagawa and Schielzeth."""

import numpy as np
import pandas as pd
import pytest
from handmade import SEIZURE, at, hand_made, seizure_like

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.posterior.draws import Draws


def few(formula: str, family: str, data: pd.DataFrame | None = None, link: str | None = None) -> bg.Fit:
    table = seizure_like() if data is None else data
    return hand_made(bg.glmm(formula, table, family, link=link), chains=2, draws=20)


def test_under_the_identity_link_both_scales_agree_for_the_population() -> None:
    fit = few("age ~ trt + time + (1 + time | id)", "gaussian")
    response, link = (fit.r_squared(frame="population", scale=scale).draws.values for scale in ("response", "link"))
    np.testing.assert_allclose(response, link, rtol=1e-12)


def test_the_formula_of_nakagawa_has_its_published_values() -> None:
    """sleepstudy at the REML estimates of lme4 1.1 (Reaction ~ Days + (Days | Subject)): `r2_nakagawa` of the R package
    performance gives 0.279 and 0.799, as `r.squaredGLMM` of MuMIn does; there variances have the denominator n − 1."""
    data = bg.datasets.load("sleepstudy")
    names = {name.lower(): name for name in data}
    formula = f"{names['reaction']} ~ {names['days']} + (1 + {names['days']} | {names['subject']})"
    subject, values = names["subject"], {"beta": [251.405, 10.467], "sigma": 25.592}
    values |= {f"sd_{subject}": [24.741, 5.922], f"corr_{subject}": [0.066]}
    table = at(few(formula, "gaussian", data), **values).r_squared(scale="link").table
    assert list(table.index) == ["population", "group"]
    more = table.loc["population", "median"] / (len(data) - 1)  # of the variance of xβ, with that denominator
    np.testing.assert_allclose((table["median"] + more) / (1 + more), [0.279, 0.799], atol=5e-4)


@pytest.mark.parametrize(("family", "link"), [("bernoulli", "logit"), ("bernoulli", "probit")])
def test_the_latent_residual_of_binary_outcomes(family, link) -> None:
    fit = at(few("event ~ trt + (1 | id) + (1 | age)", family, link=link), beta=[0.2, 1.5], sd_id=[1.5], sd_age=[0.8])
    of_x = np.var(1.5 * fit.model.design.x[:, 1])
    total = of_x + 1.5**2 + 0.8**2 + {"logit": np.pi**2 / 3, "probit": 1.0}[link]
    found = fit.r_squared(scale="link", frame=["population", "group", {"id": "group", "age": "population"}]).table
    np.testing.assert_allclose(found["mean"] * total, [of_x, of_x + 1.5**2 + 0.8**2, of_x + 1.5**2])


def test_for_observed_groups_it_is_that_of_gelman_and_others() -> None:
    fit = few(SEIZURE, "poisson")
    mean = fit.epred(frame="group").values
    explained = mean.var(axis=-1)
    expected = explained / (explained + mean.mean(axis=-1))
    np.testing.assert_allclose(fit.r_squared(frame="group").draws.values[..., 0], expected, rtol=1e-10)
    assert "its offset among the predictors" in fit.r_squared().draws.attrs["estimand"]


@pytest.mark.parametrize(
    ("formula", "family", "values"),
    [
        ("count ~ trt + time + (1 | id)", "poisson", {"beta": [1.0, 0.8, 0.3], "sd_id": [0.5]}),
        ("count ~ time + (1 | id)", "negative_binomial", {"beta": [1.0, 0.9], "sd_id": [0.3], "phi": 4.0}),
        ("event ~ trt + (1 | id)", "bernoulli", {"beta": [-0.5, 1.8], "sd_id": [1.2]}),
    ],
)
def test_for_the_population_it_is_that_of_simulated_outcomes(formula, family, values) -> None:
    """The share that the means of the rows have in the variance of all outcomes, each with effects of its own."""
    fit = at(few(formula, family), **values)
    one = bg.Fit(fit.model, fit.draws)
    posterior = one.posterior.isel(chain=[0], draw=[0])
    rng, model = np.random.default_rng(5), one.model
    draws = Draws(posterior, model.design)
    b = draws.sd(model.design.blocks[0])[0, 0] * rng.normal(size=(40_000, model.design.n))
    mean = model.family.link.inverse(model.design.x @ draws.beta[0] + b)
    parameters = {name: column[0] for name, column in draws.parameters(model.family).items()}
    y = model.family.draw(rng, mean, parameters, np.ones(mean.shape))
    expected = y.mean(axis=0).var() / y.var()
    assert one.r_squared(frame="population").table["mean"].item() == pytest.approx(expected, rel=0.03)


def test_successes_among_trials_are_single_trials() -> None:
    short = pd.DataFrame({"k": [1, 4, 2, 0], "n": [3, 5, 2, 4], "x": [0.0, 1.0, 2.0, 3.0], "id": [0, 0, 1, 1]})
    repeats = short.loc[short.index.repeat(short["n"])]
    y = np.concatenate([np.arange(n) < k for k, n in zip(short["k"], short["n"], strict=True)]).astype(int)
    of_counts = few("p(k, n) ~ x + (1 | id)", "binomial", short).r_squared()
    of_trials = few("y ~ x + (1 | id)", "bernoulli", repeats.assign(y=y)).r_squared()
    np.testing.assert_allclose(of_counts.draws.values, of_trials.draws.values, rtol=1e-10)
    assert "one trial of" in of_counts.to_text()


def test_the_rows_are_put_together_from_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = few(SEIZURE, "poisson")
    whole = fit.r_squared().draws.values
    monkeypatch.setattr("bayesglmm.posterior.draws.CELLS", 280)  # 7 of the 60 rows at a time
    np.testing.assert_allclose(fit.r_squared().draws.values, whole, rtol=1e-12)


def test_what_has_no_share_is_refused() -> None:
    fit = few(SEIZURE, "poisson")
    for frame, why in (("typical", "means at b = 0 are those of no outcome"), ("new_group", "explain nothing")):
        with pytest.raises(OptionError, match=why):
            fit.r_squared(frame=frame)
    with pytest.raises(OptionError, match="has no residual on the latent scale"):
        fit.r_squared(scale="link")
    steep = few("age ~ trt + (1 | id)", "inverse_gaussian", link="log")
    with pytest.raises(OptionError, match="not quadratic in the mean; use frame='group'"):
        steep.r_squared()
    assert steep.r_squared(frame="group").draws.sizes["frame"] == 1


def test_without_groups_there_is_one_row() -> None:
    found = few("age ~ trt", "gaussian").r_squared()
    assert list(found.table.index) == ["no random effects in the model"]
    assert "frame" not in found.draws.attrs["estimand"]


def test_the_picture_has_a_row_a_frame() -> None:
    found = few(SEIZURE, "poisson").r_squared()
    (axes,) = found.plot().axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "population: predictors",
        "group: predictors and groups",
    ]
    assert axes.get_xlim() == (0, 1)
    (medians,) = (line for line in axes.lines if line.get_gid() == "median")
    np.testing.assert_allclose(medians.get_xdata(), found.table["median"])
