"""Residuals: of the families at known parameters standard, their columns, frames and refusals; the picture."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import xarray as xr
from by_hand import FAMILY_ROWS
from handmade import at, hand_made, seizure_fit, seizure_like
from scipy import stats

from bayesglmm import Fit, glmm
from bayesglmm.checking.predictive import Predictive
from bayesglmm.checking.quantile import pit, pit_bounds, pit_by_draw
from bayesglmm.checking.residuals import RESIDUALS
from bayesglmm.errors import DataError, OptionError
from bayesglmm.specify.families import FAMILIES

FORMULA = "{} ~ age + (1 + time | id)"

PARAMETERS = {"real": (1.0, 0.3), "positive": (0.8, 0.01), "unit": (0.3, -0.02)}


def true_fit(family: str, groups: int = 300, seed: int = 5, **changes: Any) -> Fit:
    """Return a fit whose draws are all the parameters that made the data."""
    rng, data = np.random.default_rng(seed), seizure_like(groups)
    intercept, slope = PARAMETERS[FAMILIES[family].link.range]
    sd, b = np.array([0.5, 0.3]), rng.normal(size=(groups, 2)) * [0.5, 0.3]
    eta = intercept + slope * data["age"] + b[data["id"] - 1, 0] + b[data["id"] - 1, 1] * data["time"]
    own = dataclasses.replace(FAMILIES[family], **changes)
    named = {name: np.asarray(value) for name, value in FAMILY_ROWS[family].parameters.items()}
    trials = np.full(len(data), FAMILY_ROWS[family].trials or 1.0)
    data["y"], data["n"] = own.draw(rng, own.link.inverse(eta.to_numpy()), named, trials), trials
    model = glmm(FORMULA.format("p(y, n)" if family == "binomial" else "y"), data, own)
    fit = hand_made(model, chains=2, draws=50)
    values = {"beta": [intercept, slope], "b_id": b, "sd_id": sd, "corr_id": [0.0]}
    return at(fit, **values, **FAMILY_ROWS[family].parameters)


@pytest.mark.parametrize("family", FAMILY_ROWS)
def test_quantile_residuals_are_standard_normal_under_the_model(family: str) -> None:
    fit = true_fit(family)
    residual = fit.residuals(seed=3).table["residual"]
    assert stats.kstest(residual, "norm").pvalue > 1e-3
    assert residual.std() == pytest.approx(1, abs=5 / (2 * len(residual)) ** 0.5)


@pytest.mark.parametrize("family", sorted(set(FAMILY_ROWS) - {"student"}))
@pytest.mark.parametrize("frame", ["group", "population"])
def test_pearson_residuals_have_mean_0_and_variance_1_in_both_frames(family: str, frame: str) -> None:
    fit = true_fit(family, groups=400)
    residual = fit.residuals("pearson", frame=frame, max_draws=20).table["residual"].to_numpy()
    by_group = residual.reshape(-1, 5)  # rows of a group are dependent in the population
    for values, expected in ((by_group, 0), (by_group**2, 1)):
        mean = values.mean(axis=1)
        assert abs(mean.mean() - expected) < 4.5 * mean.std() / len(mean) ** 0.5


def test_response_residuals_are_what_epred_leaves() -> None:
    fit = seizure_fit()
    shown = fit.residuals("response", max_draws=10_000)
    assert shown.draws is not None
    expected = fit.model.design.outcome.y - fit.epred(frame="group")
    xr.testing.assert_allclose(shown.draws, expected.drop_attrs().rename(None))
    np.testing.assert_allclose(shown.table["fitted"], fit.epred(frame="group").mean(("chain", "draw")))
    marginal = fit.residuals("response", frame="population", max_draws=10_000).table["fitted"]
    np.testing.assert_allclose(marginal, fit.epred(frame="population").mean(("chain", "draw")))


def test_residuals_of_trials_are_of_proportions() -> None:
    fit = hand_made(glmm("p(event, size) ~ trt + (1 | id)", seizure_like(), "binomial"))
    table = fit.residuals("response").table
    np.testing.assert_allclose(table["observed"], fit.model.design.outcome.y / 20)
    np.testing.assert_allclose(table["fitted"], fit.epred(frame="group").mean(("chain", "draw")), atol=0.02)
    assert list(table.columns) == ["id", "observed", "fitted", "residual", "sd", "lower", "upper"]


def test_the_distribution_function_is_averaged_over_draws_before_it_is_inverted() -> None:
    fit = seizure_fit()
    predictive = Predictive.of(fit, "group", np.random.default_rng(1), 2000)
    below, upto = pit_bounds(predictive, np.random.default_rng(1))
    rate = fit.epred(frame="group").values.reshape(-1, 60)
    y = fit.model.design.outcome.y
    np.testing.assert_allclose(upto, stats.poisson.cdf(y, rate).mean(axis=0))
    np.testing.assert_allclose(below, stats.poisson.cdf(y - 1, rate).mean(axis=0), atol=1e-12)
    last = np.where(np.arange(2000)[:, None] == 7, 0.0, -np.inf) + np.zeros(60)
    np.testing.assert_allclose(pit_bounds(predictive, np.random.default_rng(1), last)[1], stats.poisson.cdf(y, rate[7]))


def test_a_family_without_distribution_function_is_ranked_among_simulated_outcomes() -> None:
    fit = true_fit("poisson", cdf=None)
    shown = fit.residuals(seed=3)
    assert "by rank among 100 simulated outcomes" in shown.estimand
    assert stats.kstest(shown.table["residual"], "norm").pvalue > 1e-3
    assert pit_by_draw(Predictive.of(fit, "group", np.random.default_rng(1)), np.random.default_rng(1)) is None


def test_redrawn_effects_are_shared_by_the_rows_of_a_group() -> None:
    fit = true_fit("poisson", groups=60)
    predictive = Predictive.of(fit, "population", np.random.default_rng(1))
    same, other = predictive.mean(slice(None))[:, [0, 1]], predictive.mean(slice(None))[:, [0, 5]]
    assert stats.spearmanr(*same.T).statistic > 0.6
    assert abs(stats.spearmanr(*other.T).statistic) < 0.4
    assert "redrawn from N(0, G)" in predictive.held
    held = Predictive.of(fit, "group", np.random.default_rng(1))
    assert held.mean(slice(0, 2)).std(axis=0) == pytest.approx(0, abs=1e-12)
    u = pit(predictive, np.random.default_rng(2)).reshape(-1, 5)
    assert stats.kstest(u[:, 0], "uniform").pvalue > 1e-3


def test_one_seed_gives_the_same_residuals() -> None:
    fit = seizure_fit()
    first, second, third = (fit.residuals(seed=seed).table["residual"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_refusals_say_what_to_do() -> None:
    fit = seizure_fit()
    with pytest.raises(OptionError, match="quantile, pearson, deviance, response"):
        fit.residuals("raw")
    with pytest.raises(OptionError, match="group, population"):
        fit.residuals(frame="typical")
    with pytest.raises(OptionError, match='use kind="quantile"'):
        fit.residuals("pearson", loo=True)
    with pytest.raises(OptionError, match="20 or more"):
        fit.residuals(max_draws=3)
    fit.draws.attrs["prior_only"] = 1
    with pytest.raises(OptionError, match="prior alone"):
        fit.residuals()
    student = at(hand_made(glmm("age ~ trt + (1 | id)", seizure_like(), "student")), nu=1.5)
    with pytest.raises(OptionError, match=r"infinite.*quantile"):
        student.residuals("pearson")


def test_what_is_shown_says_kind_and_frame() -> None:
    fit = seizure_fit()
    for kind in RESIDUALS:
        shown = fit.residuals(kind, seed=1)
        text = " ".join(shown.to_text().split())
        assert kind in text.lower()
        assert "frame group: random effects of id held at their posterior draws" in text
        assert "<table" in shown._repr_html_()


def test_the_picture_has_a_point_a_row_a_smoother_and_the_frame() -> None:
    fit = seizure_fit()
    shown = fit.residuals(seed=1)
    (axes,) = shown.plot().axes
    drawn = {artist.get_gid(): artist for artist in axes.get_children() if artist.get_gid()}
    np.testing.assert_array_equal(drawn["points"].get_ydata(), shown.table["residual"])
    assert {"points", "smoother", "zero"} <= set(drawn)
    assert axes.get_xlabel() == "fitted, frame group"
    for against in ("time", "severity"):  # the second was no part of the formula, and is of text
        (axes,) = shown.plot(against, join="id").axes
        assert axes.get_xlabel() == against
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Mild", "Moderate", "Severe"]
    with pytest.raises(DataError, match="no column 'sex'"):
        shown.plot("sex")
    with pytest.raises(OptionError, match="not a grouping factor"):
        shown.plot(join="trt")


def test_response_residuals_need_no_variance() -> None:
    student = at(hand_made(glmm("age ~ trt + (1 | id)", seizure_like(), "student")), nu=1.5)
    assert np.isfinite(student.residuals("response").table["residual"]).all()
