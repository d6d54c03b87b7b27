"""Each estimate is that of a fit under its priors; a separated coefficient grows with the scale of its prior."""

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.sensitivity.prior_ladder import PriorLadder, prior_ladder

SETTINGS = {"seed": 3, "progress": False, "chains": 2, "draws": 500}
FORMULA = "HG ~ NV + PI + EH"


@pytest.fixture(scope="module")
def fit() -> bg.Fit:
    return bg.fit(FORMULA, bg.datasets.load("endometrial"), "bernoulli", **SETTINGS)


@pytest.fixture(scope="module")
def ladder(fit) -> PriorLadder[bg.Fit]:
    return bg.prior_ladder(fit, scales=(10, 1, 2.5))


@pytest.fixture(scope="module")
def grouped() -> bg.Fit:
    return bg.fit("outcome ~ trt*period + (1 | id)", bg.datasets.load("crossover"), "bernoulli", **SETTINGS)


def test_the_rung_of_the_default_is_the_fit_itself(fit, ladder, grouped) -> None:
    np.testing.assert_array_equal(ladder.draws["beta"].sel(scale=2.5), fit.posterior["beta"])
    sds = prior_ladder(grouped, (2.5,), parameters="sd")
    np.testing.assert_array_equal(sds.draws["sd_id"].sel(scale=2.5), grouped.posterior["sd_id"])
    assert set(sds.draws) == {"beta", "sd_id"}
    risks = sds.fits[2.5].comparisons("trt").draws
    np.testing.assert_array_equal(risks, grouped.comparisons("trt").draws)


def test_a_rung_is_a_fit_under_its_prior_and_keeps_the_others(grouped) -> None:
    given = grouped.update(priors={"intercept": "normal(1, 2)", "slopes": "normal(0, 0.1)"}, progress=False)
    rung = prior_ladder(given, (5,)).draws
    sd = {name: np.std(grouped.model.design.x[:, j], ddof=1) for j, name in enumerate(grouped.model.design.coef) if j}
    priors = {name: f"normal(0, {5 / s:.4g})" for name, s in sd.items()}
    by_hand = grouped.update(priors={"intercept": "normal(1, 2)", **priors}, progress=False)
    np.testing.assert_array_equal(rung["beta"].sel(scale=5), by_hand.posterior["beta"])


def test_the_separated_coefficient_grows_and_the_others_are_stable(ladder) -> None:
    assert list(ladder.table.loc["beta[NV]"].index) == [1.0, 2.5, 10.0]
    medians = ladder.table["median"].unstack("scale")
    assert medians.loc["beta[NV]", 10.0] > 2.5 * medians.loc["beta[NV]", 1.0]
    assert medians.loc["beta[EH]", 10.0] / medians.loc["beta[EH]", 1.0] < 1.5
    draws = ladder.draws["beta"].sel(scale=1, coef="NV").values
    expected = [draws.mean(), np.median(draws), draws.std(ddof=1), *np.quantile(draws, (0.025, 0.975))]
    np.testing.assert_allclose(ladder.table.loc[("beta[NV]", 1.0)], expected)
    assert list(ladder.table) == ["mean", "median", "sd", "lower", "upper"]


def test_references_are_firths_for_logistic_models_alone(ladder, seizure_fit) -> None:
    assert ladder.references["beta[NV]"] == pytest.approx(2.92927, abs=1e-5)  # brglm2, see tests/test_firth.py
    assert "Firth" in str(ladder)
    counts = PriorLadder(ladder.table, ladder.draws, "", {}, {}, {}, "")
    assert "Firth" not in str(counts)
    probit = bg.fit(FORMULA, bg.datasets.load("endometrial"), "bernoulli", link="probit", **SETTINGS)
    assert prior_ladder(probit, (1,)).references == {}


def test_a_rung_that_failed_its_checks_is_named(ladder) -> None:
    verdicts = {1.0: "SAMPLING FAILED its checks", 10.0: "sampling: no problems found"}
    failed = str(PriorLadder(ladder.table, ladder.draws, "", {}, {}, verdicts, ""))
    assert "scale 1: SAMPLING FAILED" in failed
    assert "scale 10" not in failed


def test_the_figure_holds_medians_intervals_and_the_reference(ladder) -> None:
    figure = ladder.plot(["beta[NV]", "beta[EH]"])
    axes = figure.axes[0]
    found = {artist.get_gid(): artist for artist in axes.get_children() if artist.get_gid()}
    part = ladder.table.loc["beta[NV]"]
    np.testing.assert_allclose(found["median"].get_ydata(), part["median"])
    np.testing.assert_allclose([s[:, 1] for s in found["interval"].get_segments()], part[["lower", "upper"]])
    assert found["firth"].get_ydata()[0] == ladder.references["beta[NV]"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2.5", "10"]
    assert "logit scale" in figure.get_supylabel()
    with pytest.raises(OptionError, match=r"parameters='beta\[nv\]' is not an option"):
        ladder.plot(["beta[nv]"])


def test_what_cannot_widen_is_refused(fit, grouped) -> None:
    with pytest.raises(OptionError, match="the model has no random effects whose prior"):
        prior_ladder(fit, parameters="sd")
    for scales in ((), (1, 1), (0, 1), (np.inf,)):
        with pytest.raises(OptionError, match="distinct numbers above zero"):
            prior_ladder(fit, scales)
    with pytest.raises(OptionError, match="parameters='b' is not an option"):
        prior_ladder(fit, parameters="b")
    with pytest.raises(OptionError, match="ci_prob=2"):
        prior_ladder(fit, ci_prob=2)
