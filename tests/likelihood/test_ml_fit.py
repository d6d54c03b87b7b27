"""`MLFit`: the rows of a posterior's tables, what flows through everything downstream, and what it says of itself."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesglmm as bg

TOENAIL = "outcome ~ month*treatment + (1 | id)"
SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"
CROSSOVER = "outcome ~ trt*period + (1 | id)"


@pytest.fixture(scope="module")
def seizure() -> bg.MLFit:
    return bg.maximum_likelihood(SEIZURE, bg.datasets.load("seizure"), "poisson", draws=400)


@pytest.fixture(scope="module")
def sleep() -> bg.MLFit:
    data = bg.datasets.load("sleepstudy")
    return bg.maximum_likelihood("Reaction ~ Days + (1 + Days | Subject)", data, "gaussian")


def test_the_table_has_the_rows_of_a_posterior(seizure: bg.MLFit) -> None:
    table = seizure.summary()
    posterior = seizure.model.fit(draws=50, tune=50, chains=1, seed=1, progress=False, mend=False)
    assert list(table.index) == list(posterior.summary().index)
    assert list(table) == ["estimate", "std_error", "statistic", "p_value", "lower", "upper"]
    coefficients = table.index.str.startswith("beta[")
    assert table.loc[coefficients].notna().all(axis=None)
    assert table.loc[~coefficients, ["statistic", "p_value"]].isna().all(axis=None)


def test_the_criteria_follow_from_the_log_likelihood(seizure: bg.MLFit) -> None:
    assert seizure.df == 7
    assert seizure.n == 295
    assert seizure.aic == pytest.approx(-2 * seizure.loglik + 14)
    assert seizure.bic == pytest.approx(-2 * seizure.loglik + 7 * np.log(295))
    assert seizure.deviance == pytest.approx(-2 * seizure.loglik)


def test_without_groups_it_is_a_glm() -> None:
    """By R 4.2.2's glm, as the module on the crossover trial prints it."""
    fit = bg.maximum_likelihood("outcome ~ trt*period", bg.datasets.load("crossover"), "bernoulli")
    np.testing.assert_allclose(fit.summary()["estimate"], [-1.5404, 1.1097, 0.8473, -1.0227], atol=5e-5)
    assert fit.deviance == pytest.approx(162.10, abs=0.005)
    assert fit.aic == pytest.approx(170.10, abs=0.005)
    assert fit.method == "glm"


@pytest.mark.parametrize("frame", ["typical", "population", "group", "new_group"])
def test_every_verb_says_where_its_draws_are_from(seizure: bg.MLFit, frame: str) -> None:
    said = "maximum likelihood (adaptive quadrature, 13 points), intervals from its asymptotic normal"
    for found in (
        seizure.predictions(by="trt", frame=frame),
        seizure.comparisons("trt", frame=frame),
        seizure.slopes("time", frame=frame),
    ):
        assert said in found.estimand
        assert "probability_positive" not in found.table
    assert said in seizure.epred(frame=frame).attrs["estimand"]


def test_tables_of_parameters_say_it_too(seizure: bg.MLFit) -> None:
    said = "intervals from its asymptotic normal"
    shown = (seizure.coefficients(), seizure.random_effects(), seizure.group_means(), seizure.dispersion(max_draws=50))
    for found in shown:
        assert said in " ".join(str(found).split())
    assert said in seizure.icc(scale="response").attrs["estimand"]
    assert said in seizure.random_effects().plot().get_label()
    assert said in seizure.coefficients().plot().get_label()


def test_draws_are_of_the_asymptotic_normal(sleep: bg.MLFit) -> None:
    beta = sleep.posterior["beta"].values.reshape(-1, 2)
    table = sleep.summary()
    error = table["std_error"].to_numpy()[:2]
    np.testing.assert_allclose(beta.mean(axis=0), table["estimate"].to_numpy()[:2], atol=(4 * error / 2000**0.5).max())
    np.testing.assert_allclose(beta.std(axis=0), error, rtol=0.08)
    log_sd = np.log(sleep.posterior["sd_Subject"].values.reshape(-1, 2)[:, 0])
    row = table.loc["sd_Subject[Intercept]"]
    assert log_sd.std() == pytest.approx(row["std_error"] / row["estimate"], rel=0.08)


def test_effects_are_drawn_given_the_outcomes(sleep: bg.MLFit) -> None:
    """For Gaussian outcomes their means are near the best linear unbiased predictions, up to what θ̂'s error adds."""
    modes = sleep.modes()
    drawn = sleep.random_effects().table
    assert np.abs((drawn["mean"] - modes["mode"]) / modes["sd"]).max() < 0.3
    assert (drawn["sd"] > 0.95 * modes["sd"]).all()


def test_effects_of_crossed_factors_are_drawn_about_their_modes() -> None:
    rng = np.random.default_rng(1)
    a, b, x = np.repeat(np.arange(8), 6), np.tile(np.arange(6), 8), rng.normal(size=48)
    mean = np.exp(0.5 + 0.3 * x + 0.5 * rng.normal(size=8)[a] + 0.4 * rng.normal(size=6)[b])
    data = {"y": rng.poisson(mean), "x": x, "a": a, "b": b}
    fit = bg.maximum_likelihood("y ~ x + (1 | a) + (1 | b)", data, "poisson", method="laplace", draws=100)
    drawn, modes = fit.random_effects("a").table, fit.modes("a")
    assert np.abs((drawn["mean"] - modes["mode"]) / modes["sd"]).max() < 0.6
    assert (drawn["sd"] / modes["sd"]).between(0.7, 2.0).all()


def test_laplace_where_one_point_is_too_few_is_said() -> None:
    """The published run-away, sd 23.47 by glmer, beside the sentence that says why not to believe it."""
    data = bg.datasets.load("crossover")
    fit = bg.maximum_likelihood(CROSSOVER, data, "bernoulli", nodes=1)
    assert fit.summary().loc["sd_id[Intercept]", "estimate"] == pytest.approx(23.47, abs=0.02)
    assert [finding.kind for finding in fit.check().failures] == ["integral"]
    assert "would move" in str(fit)
    assert fit.update(nodes=81).check().ok


def test_separation_has_no_maximum() -> None:
    fit = bg.maximum_likelihood("HG ~ NV + PI + EH", bg.datasets.load("endometrial"), "bernoulli")
    assert [finding.kind for finding in fit.check().failures] == ["no_maximum"]
    assert "bg.fit" in str(fit)


@pytest.fixture(scope="module")
def without_variance() -> bg.MLFit:
    """Outcomes that vary less between groups than chance makes them."""
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 1.1, 2.1, 2.9, 0.9, 2.0, 3.1], "g": list("aaabbbccc")})
    return bg.maximum_likelihood("y ~ 1 + (1 | g)", data, "gaussian")


def test_an_sd_of_zero_has_no_standard_error(without_variance: bg.MLFit) -> None:
    fit = without_variance
    row = fit.summary().loc["sd_g[Intercept]"]
    assert row["estimate"] == pytest.approx(0.0, abs=1e-4)
    assert np.isnan(row["std_error"])
    assert np.isnan(row["lower"])
    assert [finding.kind for finding in fit.check().warnings] == ["sd_zero"]
    sd = fit.posterior["sd_g"].values.reshape(-1)
    assert (sd >= 0).all()
    assert sd.std() > 0
    with pytest.raises(bg.errors.OptionError, match="end of its range"):
        fit.hypothesis("sd_g[Intercept] = 1")


def test_profile_intervals_are_those_of_lme4(sleep: bg.MLFit) -> None:
    """`confint(fm1)` of Bates, Mächler, Bolker & Walker (2015), Journal of Statistical Software 67 (1), section 5.1."""
    published = {
        "sd_Subject[Intercept]": (14.3814990, 37.715996),
        "corr_Subject[Intercept,Days]": (-0.4815007, 0.684986),
        "sd_Subject[Days]": (3.8011641, 8.753383),
        "sigma": (22.8982669, 28.857997),
        "Intercept": (237.6806955, 265.129515),
        "Days": (7.3586533, 13.575919),
    }
    for name, (lower, upper) in published.items():
        found = sleep.profile(name)
        assert found.lower == pytest.approx(lower, rel=2e-3, abs=2e-3)
        assert found.upper == pytest.approx(upper, rel=2e-3, abs=2e-3)
    caption = sleep.profile("sigma").plot().get_label()
    assert "Profile likelihood of sigma" in caption


def test_the_profile_of_a_poisson_mean_is_known() -> None:
    y = np.array([2.0, 0.0, 3.0, 1.0, 4.0])
    fit = bg.maximum_likelihood("y ~ 1", {"y": y}, "poisson")
    found = fit.profile("Intercept")
    for end in (found.lower, found.upper):
        height = stats.poisson.logpmf(y, np.exp(end)).sum()
        assert 2 * (fit.loglik - height) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-5)


def test_a_profile_may_end_at_the_end_of_the_range(without_variance: bg.MLFit) -> None:
    found = without_variance.profile("sigma")
    assert found.lower < found.estimate < found.upper


def test_simulated_outcomes_have_the_populations_mean(seizure: bg.MLFit) -> None:
    simulated = seizure.simulate(400, seed=1)
    assert simulated.shape == (295, 400)
    mean = seizure.epred(frame="population").mean(("chain", "draw")).values
    per_set = simulated.mean(axis=0)
    error = per_set.std() / 400**0.5
    assert abs(per_set.mean() - mean.mean()) < 4 * error + 0.05 * mean.mean()  # the draws' spread of the mean itself
    pd.testing.assert_frame_equal(simulated, seizure.simulate(400, seed=1))


def test_pql_has_no_likelihood() -> None:
    """The slides' estimates of the toenail study: −0.745, −0.296, −0.036, −0.101."""
    fit = bg.maximum_likelihood(TOENAIL, bg.datasets.load("toenail"), "bernoulli", method="pql")
    np.testing.assert_allclose(fit.summary()["estimate"].to_numpy()[:4], [-0.745, -0.296, -0.036, -0.101], atol=6e-4)
    for name in ("loglik", "aic", "bic", "deviance"):
        with pytest.raises(bg.errors.OptionError, match="no likelihood"):
            getattr(fit, name)
    assert "PQL has no log likelihood" in str(fit)
    assert "penalised quasi-likelihood" in fit._repr_html_()


def test_options_are_checked(seizure: bg.MLFit) -> None:
    with pytest.raises(bg.errors.OptionError, match="nodes"):
        seizure.update(nodes=0)
    with pytest.raises(bg.errors.OptionError, match="method"):
        seizure.update(method="bootstrap")  # type: ignore[arg-type]
    with pytest.raises(bg.errors.OptionError, match="not one grouping factor"):
        seizure.modes("site")
    with pytest.raises(bg.errors.OptionError, match="not one parameter"):
        seizure.profile("trt + time")
