"""What priors imply on the scale of the response: identities draw by draw with predictions and with closed forms."""

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg
from bayesglmm.errors import OptionError, PriorError
from bayesglmm.estimands.posterior_draws import epred
from bayesglmm.estimands.reference_values import steps
from bayesglmm.sensitivity.prior_predictive import hyperparameters


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"x": rng.normal(3, 2, 60), "trt": np.arange(60) % 2, "id": np.arange(60) // 5})
    table["arm"] = np.array(["b", "a", "c"])[np.arange(60) % 3]
    return table.assign(
        yes=rng.integers(0, 2, 60), count=rng.poisson(3, 60), level=rng.normal(5, 2, 60), weeks=rng.uniform(1, 4, 60)
    )


RICH = "yes ~ x * trt + C(arm, Treatment('b')) + (1 + x | id)"


def test_means_are_the_predictions_from_draws_of_the_priors(data) -> None:
    model = bg.glmm(RICH, data, "bernoulli")
    implied = model.implied_priors(draws=300, seed=8)
    prior = hyperparameters(model, 300, np.random.default_rng(8))
    rows = steps(model.design).rows
    for frame in ("typical", "population"):
        expected = epred(model, prior, rows, frame=frame).values[0].T
        np.testing.assert_allclose(implied.draws["mean"].sel(frame=frame), expected, rtol=1e-12)


def test_the_points_are_the_baseline_and_one_step_of_each_predictor(data) -> None:
    chosen = steps(bg.glmm(RICH, data, "bernoulli").design)
    sd = data["x"].std()
    assert chosen.labels == ("baseline", f"x: + {sd:.3g} (1 sd)", "trt: 0 → 1", "arm: b → a", "arm: b → c")
    np.testing.assert_allclose(chosen.rows["x"], data["x"].mean() + np.array([0, sd, 0, 0, 0]))
    assert chosen.rows["trt"].tolist() == [0, 0, 1, 0, 0]
    assert list(chosen.rows["arm"]) == ["b", "b", "b", "a", "c"]
    unit = steps(bg.glmm(RICH, data, "bernoulli").design, "unit")
    np.testing.assert_allclose(np.diff(unit.rows["x"])[0], 1.0)


def test_the_odds_ratio_of_the_typical_subject_is_exp_beta(data) -> None:
    model = bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors={"slopes": "normal(0, 1)"})
    implied = model.implied_priors(draws=500, seed=3)
    beta = hyperparameters(model, 500, np.random.default_rng(3))["beta"].values[0]
    ratio = implied.draws["ratio"].sel(frame="typical").values[0]
    np.testing.assert_allclose(ratio, np.exp(beta[:, 1]), rtol=1e-6)
    row = implied.table.query("quantity == 'odds ratio' and frame == 'typical'").iloc[0]
    np.testing.assert_allclose(row["upper"], np.quantile(np.exp(beta[:, 1]), 0.975, method="inverted_cdf"), rtol=1e-6)


def test_under_the_log_link_the_population_has_half_the_variance_more(data) -> None:
    model = bg.glmm("count ~ trt + offset(log(weeks)) + (1 | id)", data, "poisson")
    implied = model.implied_priors(draws=200, seed=3)
    prior = hyperparameters(model, 200, np.random.default_rng(3))
    v = np.square(prior["sd_id"].values[0, :, 0])
    mean = implied.draws["mean"].sel(point="baseline")
    np.testing.assert_allclose(mean.sel(frame="typical"), np.exp(prior["beta"].values[0, :, 0]) * data["weeks"].mean())
    np.testing.assert_allclose(mean.sel(frame="population"), mean.sel(frame="typical") * np.exp(v / 2))
    np.testing.assert_allclose(implied.draws["spread"].values[0], np.exp(2 * 1.96 * np.sqrt(v)))
    assert "icc" not in implied.draws


def test_a_new_group_is_the_typical_one_without_spread_and_its_steps_share_their_b(data) -> None:
    model = bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors={"sd": "half_normal(1e-9)"})
    mean = model.implied_priors(draws=100).draws["mean"]
    np.testing.assert_allclose(mean.sel(frame="new_group"), mean.sel(frame="typical"), rtol=1e-6)
    wide = bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors={"sd": "half_normal(2)", "slopes": "normal(0, 1)"})
    ratio = wide.implied_priors(draws=100).draws["ratio"]
    np.testing.assert_allclose(ratio.sel(frame="new_group"), ratio.sel(frame="typical"), rtol=1e-6)


def test_the_intraclass_correlation_is_the_share_of_the_latent_variance(data) -> None:
    model = bg.glmm("yes ~ trt + (1 | id) + (1 | arm)", data, "bernoulli")
    icc = model.implied_priors(draws=200, seed=2).draws["icc"]
    prior = hyperparameters(model, 200, np.random.default_rng(2))
    own, other = (np.square(prior[f"sd_{name}"].values[0, :, 0]) for name in ("id", "arm"))
    np.testing.assert_allclose(icc.sel(block="id"), own / (own + other + np.pi**2 / 3))
    model = bg.glmm("level ~ trt + (1 | id)", data)
    icc = model.implied_priors(draws=200, seed=2).draws["icc"]
    prior = hyperparameters(model, 200, np.random.default_rng(2))
    own, residual = np.square(prior["sd_id"].values[0, :, 0]), np.square(prior["sigma"].values[0])
    np.testing.assert_allclose(icc.values[0], own / (own + residual))


def test_mass_at_the_ends_is_found_and_only_there(data) -> None:
    wide = {"slopes": "normal(0, 100)", "intercept": "normal(0, 100)"}
    implied = bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors=wide).implied_priors(draws=1000)
    assert [finding.split(":")[0] for finding in implied.findings] == [
        "frame typical",
        "frame population",
        "frame new_group",
    ]
    assert all("baseline (9" in finding and "trt: 0 → 1 (9" in finding for finding in implied.findings)
    assert str(implied).count("below 0.01 or above 0.99") == 3
    narrow = {"slopes": "normal(0, 1)", "intercept": "normal(0, 1)", "sd": "half_normal(1)"}
    assert not bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors=narrow).implied_priors().findings
    far = bg.glmm("count ~ trt", data, "poisson", priors={"intercept": "normal(20, 1)"}).implied_priors(draws=100)
    assert far.findings[0].startswith("frame population: most of the prior lies a factor of 1,000 or more from")


def test_without_groups_there_is_one_frame_and_no_spread(data) -> None:
    implied = bg.glmm("level ~ x", data).implied_priors(draws=50)
    assert list(implied.table["frame"].unique()) == ["population"]
    assert set(implied.draws) == {"mean", "difference"}


def test_what_says_nothing_is_refused(data) -> None:
    with pytest.raises(PriorError, match="trt has the improper prior"):
        bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli", priors="brms").implied_priors()
    with pytest.raises(OptionError, match="step='two' is not an option"):
        bg.glmm("yes ~ trt", data, "bernoulli").implied_priors(step="two")


def test_the_figure_holds_the_share_of_the_prior_in_each_bin(data) -> None:
    implied = bg.glmm("yes ~ trt + (1 | id)", data, "bernoulli").implied_priors(draws=400)
    figure = implied.plot()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["baseline", "trt: 0 → 1", "middle 95 % of groups, id"]
    outlines = {artist.get_gid(): artist for artist in figure.axes[0].get_children() if artist.get_gid()}
    assert set(outlines) == {"typical", "population", "new_group"}
    share, edges, _ = outlines["population"].get_data()
    mean = implied.draws["mean"].sel(frame="population", point="baseline").values
    np.testing.assert_allclose(share, np.histogram(mean, edges)[0] / 400)
    assert (edges[0], edges[-1]) == (0, 1)
    counts = bg.glmm("count ~ trt + (1 | id)", data, "poisson").implied_priors(draws=400)
    assert counts.plot().axes[1].get_xlabel() == "ratio of means"
