"""Marginal coefficients: closed forms, textbook numbers, long Monte Carlo, and equality where nothing is averaged."""

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCES
from handmade import SEIZURE, at, hand_made, seizure_like
from scipy import special

from bayesglmm import Fit, datasets, glmm
from bayesglmm.errors import OptionError
from bayesglmm.estimands.coefficients import marginal_draws
from bayesglmm.posterior.draws import Draws


def few(formula: str, data: pd.DataFrame, family: str, link: str | None = None) -> Fit:
    return hand_made(glmm(formula, data, family, link=link), chains=2, draws=30)


def marginal(fit: Fit, method: str = "exact") -> np.ndarray:
    return marginal_draws(Draws(fit.posterior, fit.model.design), fit.model.family, method)


def beta(fit: Fit) -> np.ndarray:
    return fit.posterior["beta"].values.reshape(-1, fit.posterior.sizes["coef"])


def test_the_log_link_adds_half_the_variance_and_the_offset_does_not_leak() -> None:
    fit = few(SEIZURE, seizure_like(), "poisson")
    g = Draws(fit.posterior, fit.model.design).covariance(fit.model.design.blocks[0])
    expected = beta(fit).copy()
    expected[:, 0] += g[:, 0, 0] / 2
    expected[:, 2] += g[:, 0, 1] + g[:, 1, 1] / 2  # time is 0 or 1, so its square is itself
    np.testing.assert_allclose(marginal(fit), expected, rtol=1e-10, atol=1e-12)


def test_a_slope_of_groups_alone_is_projected_from_every_row() -> None:
    """With no population-level time, rows at times 0 and 1 differ only in their variance."""
    fit = at(few("count ~ trt + (1 + time || id)", seizure_like(), "poisson"), sd_id=[0.5, 1.2])
    expected = beta(fit).copy()
    expected[:, 0] += (0.25 + 0.8 * 1.44) / 2  # four rows in five are at time 1
    np.testing.assert_allclose(marginal(fit), expected, rtol=1e-10)


def test_the_probit_link_divides_by_the_root_of_one_plus_the_variance() -> None:
    fit = few("event ~ trt + time + offset(weeks) + (1 | id)", seizure_like(), "bernoulli", "probit")
    without = few("event ~ trt + time + (1 | id)", seizure_like(), "bernoulli", "probit")
    v = np.square(without.posterior["sd_id"].values.reshape(-1, 1))
    np.testing.assert_allclose(marginal(without), beta(without) / np.sqrt(1 + v), rtol=1e-10)
    weeks = fit.model.design.offset
    eta = (beta(fit) @ fit.model.design.x.T + weeks) / np.sqrt(
        1 + np.square(fit.posterior["sd_id"].values).reshape(-1, 1)
    )
    expected = np.linalg.lstsq(fit.model.design.x, (eta - weeks).T)[0].T
    np.testing.assert_allclose(marginal(fit), expected, rtol=1e-9)


@pytest.mark.parametrize("intercept", [-3.0, -0.55, 1.0])
def test_the_textbook_attenuation_of_a_log_odds_ratio(intercept: float) -> None:
    """log OR 1.1 at σ² = 2 becomes 0.85, an odds ratio of 2.33, by Zeger et al.; the exact one depends on where."""
    data = pd.DataFrame({"y": [0, 1, 0, 1, 1, 0, 1, 1], "x": [0, 0, 1, 1, 0, 0, 1, 1], "g": [1, 1, 1, 1, 2, 2, 2, 2]})
    fit = at(few("y ~ x + (1 | g)", data, "bernoulli"), beta=[intercept, 1.1], sd_g=[np.sqrt(2)])
    assert fit.coefficients(method="zeger").table.loc[("x", "marginal"), "median"] == pytest.approx(0.85, abs=0.005)
    ratio = fit.coefficients(method="zeger", exponentiate=True).table.loc[("x", "marginal"), "median"]
    assert ratio == pytest.approx(2.34, abs=0.015)
    z = np.linspace(-10, 10, 20_001)
    weight = np.exp(-np.square(z) / 2) / np.exp(-np.square(z) / 2).sum()
    low, high = (special.logit(special.expit(eta + np.sqrt(2) * z) @ weight) for eta in (intercept, intercept + 1.1))
    assert fit.coefficients().table.loc[("x", "marginal"), "median"] == pytest.approx(high - low, rel=1e-10)


def test_the_textbook_ratio_of_the_toenail_trial() -> None:
    """Molenberghs & Verbeke (2005), Models for Discrete Longitudinal Data, chapter 16: √(c²σ² + 1) = 2.56, σ = 4.01."""
    toenail = datasets.load("toenail")
    estimates = [-1.618, -0.161, -0.391, -0.137]
    fit = at(few("outcome ~ treatment*month + (1 | id)", toenail, "bernoulli"), beta=estimates, sd_id=[4.01])
    np.testing.assert_allclose(np.divide(estimates, marginal(fit, "zeger")[0]), 2.56, atol=0.005)


def test_marginal_coefficients_are_those_of_glmmadaptive() -> None:
    """The vignette's logistic model with random intercepts and slopes, at its estimates (GLMMadaptive, March 2025).

    `marginal_coefs` draws 3,000 random effects for each subject: done 30 times, that has these standard deviations.
    """
    data = pd.read_csv(REFERENCES / "glmmadaptive_design.csv").assign(y=lambda frame: frame.index % 2)
    fit = at(
        few("y ~ female*time + (1 + time | id)", data, "bernoulli"),
        beta=[-2.059256329, -1.167646870, 0.261720034, 0.001924039],
        sd_id=[0.6866, 0.2516],
        corr_id=[0.6421],
    )
    published, noise = [-1.6023, -1.0956, 0.1765, 0.0508], np.array([0.0026, 0.0032, 0.00035, 0.00047])
    assert (np.abs(marginal(fit)[0] - published) < 4 * noise).all()


@pytest.mark.parametrize("link", ["logit", "cloglog", "cauchit"])
def test_marginal_coefficients_agree_with_long_monte_carlo(link: str) -> None:
    data = seizure_like(20)
    formula = "p(event, size) ~ trt*time + offset(weeks / 8) + (1 + time | id) + (1 | age)"
    fit = at(
        few(formula, data, "binomial", link),
        beta=[-0.6, 0.8, 0.5, -0.4], sd_id=[1.5, 0.8], corr_id=[0.4], sd_age=[0.7],
    )  # fmt: skip
    design, z = fit.model.design, np.random.default_rng(5).standard_normal((400_000, 3))
    first, second = 1.5 * z[:, 0], 0.8 * (0.4 * z[:, 0] + np.sqrt(1 - 0.16) * z[:, 1])
    eta = design.x @ [-0.6, 0.8, 0.5, -0.4] + design.offset
    parts = [first + time * second + 0.7 * z[:, 2] for time in (0, 1)]
    inverse, forward = fit.model.family.link.inverse, fit.model.family.link.link
    mean = np.array([inverse(e + parts[int(t)]).mean() for e, t in zip(eta, data["time"], strict=True)])
    expected = np.linalg.lstsq(design.x, forward(mean) - design.offset)[0]
    np.testing.assert_allclose(marginal(fit)[0], expected, atol=0.02)


@pytest.mark.parametrize(
    ("family", "link"),
    [("bernoulli", "logit"), ("bernoulli", "cloglog"), ("bernoulli", "cauchit"), ("bernoulli", "probit")],
)
def test_without_variance_both_are_the_same(family: str, link: str) -> None:
    fit = at(few("event ~ trt*time + (1 + time | id)", seizure_like(), family, link), sd_id=[0.0, 0.0])
    np.testing.assert_allclose(marginal(fit), beta(fit), rtol=1e-9, atol=1e-12)


def test_without_variance_far_tails_keep_their_digits() -> None:
    data = seizure_like()
    for link in ("logit", "cloglog"):
        fit = at(few("event ~ trt + (1 | id)", data, "bernoulli", link), beta=[-50.0, 90.0], sd_id=[0.0])
        np.testing.assert_allclose(marginal(fit), beta(fit), rtol=1e-9)


def test_identity_link_and_no_groups_return_the_conditional_ones() -> None:
    for fit in (
        few("age ~ trt + (1 + trt | id)", seizure_like(), "gaussian"),
        few("event ~ trt", seizure_like(), "bernoulli"),
    ):
        np.testing.assert_array_equal(marginal(fit), beta(fit))
        table = fit.coefficients().wide
        np.testing.assert_array_equal(table["marginal"], table["conditional"])
        assert "the same" in table.attrs["marginal"]


def test_trials_count_as_rows_of_single_outcomes() -> None:
    counts = pd.DataFrame({"y": [1, 3, 2, 4], "n": [4, 9, 2, 5], "x": [0.0, 1.0, 2.0, 5.0], "g": [1, 1, 2, 2]})
    single = counts.loc[counts.index.repeat(counts["n"])].reset_index(drop=True)
    single["y"] = np.arange(len(single)) % 2
    binomial = few("p(y, n) ~ x + (1 | g)", counts, "binomial")
    bernoulli = few("y ~ x + (1 | g)", single, "bernoulli")
    np.testing.assert_allclose(marginal(binomial), marginal(bernoulli), rtol=1e-10)


def test_the_table_has_a_row_a_coefficient_and_frame() -> None:
    fit = few(SEIZURE, seizure_like(), "poisson")
    table = fit.coefficients(ci_prob=0.5).table
    assert list(table) == ["mean", "median", "sd", "lower", "upper", "probability_positive"]
    assert list(table.index) == [(c, f) for c in fit.model.design.coef for f in ("conditional", "marginal")]
    for frame, draws in (("conditional", beta(fit)), ("marginal", marginal(fit))):
        part = table.xs(frame, level="frame")
        np.testing.assert_array_equal(part["mean"], draws.mean(axis=0))
        np.testing.assert_array_equal(part["sd"], draws.std(axis=0, ddof=1))
        np.testing.assert_array_equal(
            part[["lower", "median", "upper"]].T, np.quantile(draws, (0.25, 0.5, 0.75), axis=0)
        )
        np.testing.assert_array_equal(part["probability_positive"], (draws > 0).mean(axis=0))


def test_ratios_are_exponentials_of_draws_medians_and_ends_of_intervals() -> None:
    fit = few(SEIZURE, seizure_like(), "poisson")
    table, ratios = fit.coefficients().table, fit.coefficients(exponentiate=True)
    np.testing.assert_array_equal(ratios.draws, np.exp(fit.coefficients().draws))
    for column in ("median", "lower", "upper"):
        np.testing.assert_array_equal(ratios.table[column], np.exp(table[column]))
    expected = np.exp(beta(fit)).mean(axis=0)
    np.testing.assert_array_equal(ratios.table.xs("conditional", level="frame")["mean"], expected)
    np.testing.assert_array_equal(ratios.table["probability_positive"], table["probability_positive"])


def test_frames_stand_side_by_side_in_print() -> None:
    found = few(SEIZURE, seizure_like(), "poisson").coefficients(exponentiate=True)
    pd.testing.assert_frame_equal(found.wide["marginal"], found.table.xs("marginal", level="frame"), check_names=False)
    text, page = str(found), found._repr_html_()
    assert text.startswith(
        "rate ratio; 95 % equal-tailed intervals\nconditional: typical (b = 0)\nmarginal: population"
    )
    assert all(each in page for each in ("rate ratio", "probability_positive", "averaged over id"))
    assert len(text.split("\n\n")[1].splitlines()) == 3 + 4
    alone = few("event ~ trt", seizure_like(), "bernoulli").coefficients()
    assert "conditional" not in str(alone)


def test_every_table_says_what_it_holds() -> None:
    fit = few(SEIZURE, seizure_like(), "poisson")
    attrs, ratios = fit.coefficients().table.attrs, fit.coefficients(exponentiate=True).table.attrs
    assert attrs["quantity"] == "log rate ratio"
    assert ratios["quantity"] == "rate ratio"
    assert "no ratio" in ratios["intercept"]
    assert attrs["conditional"] == "typical (b = 0)"
    assert attrs["ci_prob"] == 0.95
    assert "population (averaged over id, exactly" in attrs["marginal"]
    assert fit.coefficients(method="none").frames == ("conditional",)
    binary = few("event ~ trt + (1 | id)", seizure_like(), "bernoulli", "cloglog").coefficients(exponentiate=True)
    assert binary.table.attrs["quantity"] == "hazard ratio"
    assert "not proportional" in binary.table.attrs["note"]
    zeger = few("event ~ trt + (1 | id)", seizure_like(), "bernoulli").coefficients(method="zeger")
    assert "not exact" in zeger.table.attrs["marginal"]


def test_what_is_not_defined_is_refused() -> None:
    data = seizure_like()
    probit = few("event ~ trt + (1 | id)", data, "bernoulli", "probit")
    with pytest.raises(OptionError, match=r"no meaning of its own under the probit link.*under logit, cloglog"):
        probit.coefficients(exponentiate=True)
    with pytest.raises(OptionError, match="not defined for the probit link"):
        probit.coefficients(method="zeger")
    with pytest.raises(OptionError, match=r"method='zegr'.*did you mean 'zeger'"):
        probit.coefficients(method="zegr")
    inverse = few("age ~ trt + (1 | id)", data, "gamma", "inverse")
    with pytest.raises(OptionError, match="method='none' gives the conditional"):
        inverse.coefficients()
    assert list(inverse.coefficients(method="none").wide.index) == ["Intercept", "trt"]
    with pytest.raises(OptionError, match="no population-level coefficients"):
        few("count ~ 0 + (1 | id)", data, "poisson").coefficients()


def test_zeger_is_what_it_says() -> None:
    fit = few("event ~ trt*time + (1 | id)", seizure_like(), "bernoulli")
    v = np.square(fit.posterior["sd_id"].values.reshape(-1, 1))
    np.testing.assert_allclose(marginal(fit, "zeger"), beta(fit) / np.sqrt(1 + 0.3458 * v), rtol=1e-4)
    assert not np.allclose(marginal(fit), marginal(fit, "zeger"), rtol=1e-4)
