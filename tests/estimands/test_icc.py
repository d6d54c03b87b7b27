"""Shares of variance: latent ones by hand, response ones against long simulation and published closed forms."""

import numpy as np
import pandas as pd
import pytest
from handmade import SEIZURE, at, hand_made, seizure_like
from scipy import special

from bayesglmm import Fit, glmm
from bayesglmm.errors import OptionError


def few(formula: str, family: str, link: str | None = None, data: pd.DataFrame | None = None) -> Fit:
    made = seizure_like() if data is None else data
    return hand_made(glmm(formula, made, family, link=link), chains=2, draws=20)


@pytest.mark.parametrize(("link", "residual"), [("logit", np.pi**2 / 3), ("probit", 1.0), ("cloglog", np.pi**2 / 6)])
def test_latent_shares_of_binary_outcomes(link: str, residual: float) -> None:
    fit = at(few("event ~ trt + (1 | id) + (1 | age)", "bernoulli", link), sd_id=[1.5], sd_age=[0.8])
    table = fit.icc()
    total = 1.5**2 + 0.8**2 + residual
    np.testing.assert_allclose(
        table["median"], [1.5**2 / total, 0.8**2 / total, 1 - residual / total, residual / total]
    )
    assert list(table.index) == ["id", "age", "all factors", "residual"]
    assert link in table.attrs["residual"]


def test_latent_shares_with_a_slope_average_over_the_rows_or_take_the_row_given() -> None:
    fit = at(few("age ~ time + (1 + time | trt)", "gaussian"), sd_trt=[2.0, 1.0], corr_trt=[0.5], sigma=1.5)
    v = np.array([4.0, 4 + 2 * 0.5 * 2 + 1])
    mean = v @ [0.2, 0.8]  # one row in five is at time 0
    assert fit.icc().loc["trt", "upper"] == pytest.approx(mean / (mean + 2.25))
    for time in (0, 1):
        table = fit.icc(pd.DataFrame({"time": [time]}))
        assert table.loc["trt", "median"] == pytest.approx(v[time] / (v[time] + 2.25))
        assert table.attrs["rows"] == "the rows given"


def test_under_the_identity_link_both_scales_agree() -> None:
    fit = few("age ~ time + (1 + time | trt) + (1 | severity)", "gaussian")
    np.testing.assert_allclose(fit.icc(scale="response"), fit.icc(scale="latent"), rtol=1e-9)


def test_two_blocks_on_a_factor_are_one_source() -> None:
    fit = at(few("age ~ time + (1 | trt) + (0 + time | trt)", "gaussian"), sd_trt=[2.0], sd_trt_2=[1.0], sigma=1.5)
    table = fit.icc(pd.DataFrame({"time": [1]}))
    assert list(table.index) == ["trt", "residual"]
    assert table.loc["trt", "median"] == pytest.approx(5 / 7.25)


def test_counts_have_the_closed_form_of_the_log_normal() -> None:
    """Nakagawa, Johnson & Schielzeth (2017), exact version: μ = e^{η + v/2}, Var μ = μ²(e^v − 1), V = μ, μ + μ²/φ."""
    data = seizure_like()
    for family, extra in (("poisson", 0.0), ("negative_binomial", 1 / 1.7)):
        fit = at(few(SEIZURE, family), beta=[0.5, 0.1, 0.2, -0.3], sd_id=[0.7, 0.4], corr_id=[0.3])
        if extra:
            fit = at(fit, phi=1.7)
        time = data["time"].to_numpy()
        v = 0.49 + time * (2 * 0.3 * 0.7 * 0.4 + 0.16)
        mu = np.exp(fit.model.design.x @ [0.5, 0.1, 0.2, -0.3] + np.log(data["weeks"]) + v / 2)
        between = mu**2 * np.expm1(v)
        within = mu + extra * (between + mu**2)
        expected = between.mean() / (between.mean() + within.mean())
        assert fit.icc(scale="response").loc["id", "median"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
def test_response_shares_agree_with_long_simulation(link: str) -> None:
    fit = at(few("event ~ 1 + (1 | id) + (1 | age)", "bernoulli", link), beta=[-0.7], sd_id=[1.6], sd_age=[0.9])
    rng = np.random.default_rng(7)
    b = [rng.normal(0, sd, 1_000_000) for sd in (1.6, 0.9, 1.6, 0.9)]
    inverse = fit.model.family.link.inverse
    one, same_id, same_age = (inverse(-0.7 + i + a) for i, a in ((b[0], b[1]), (b[0], b[3]), (b[2], b[1])))
    p = one.mean()
    total = p * (1 - p)
    expected = [np.cov(one, other)[0, 1] / total for other in (same_id, same_age, one)]
    np.testing.assert_allclose(fit.icc(scale="response")["median"].iloc[:3], expected, atol=2e-3)


@pytest.mark.parametrize("sd", [0.3, 1.0, 4.0, 15.0])
def test_response_share_of_a_logit_against_a_dense_rule(sd: float) -> None:
    fit = at(few("event ~ 1 + (1 | id)", "bernoulli"), beta=[1.2], sd_id=[sd])
    z = np.linspace(-9, 9, 40_001)
    weight = np.exp(-np.square(z) / 2) / np.exp(-np.square(z) / 2).sum()
    mean = special.expit(1.2 + sd * z)
    p = mean @ weight
    expected = (np.square(mean) @ weight - p**2) / (p * (1 - p))
    assert fit.icc(scale="response").loc["id", "lower"] == pytest.approx(expected, rel=1e-8)


def test_binomial_outcomes_are_single_trials_and_merge_to_the_same() -> None:
    counts = pd.DataFrame({"y": [1, 3, 2, 4], "n": [4, 9, 2, 5], "x": [0.0, 1.0, 2.0, 5.0], "g": [1, 1, 2, 2]})
    single = counts.loc[counts.index.repeat(counts["n"])].reset_index(drop=True)
    single["y"] = np.arange(len(single)) % 2
    binomial = few("p(y, n) ~ x + (1 + x | g)", "binomial", data=counts)
    bernoulli = few("y ~ x + (1 + x | g)", "bernoulli", data=single)
    for scale in ("latent", "response"):
        np.testing.assert_allclose(binomial.icc(scale=scale), bernoulli.icc(scale=scale), rtol=1e-9)


def test_without_variance_all_is_residual() -> None:
    for family in ("bernoulli", "poisson"):
        fit = at(few("event ~ trt + (1 | id)", family), sd_id=[0.0])
        residual = fit.icc(scale="response").loc["residual"]
        np.testing.assert_allclose(residual[["mean", "median", "lower", "upper"]], 1)
        assert residual["sd"] == 0


def test_what_is_not_defined_is_refused() -> None:
    with pytest.raises(OptionError, match=r"poisson family with the log link has no residual.*scale='response'"):
        few(SEIZURE, "poisson").icc()
    with pytest.raises(OptionError, match="cauchit link has no variance"):
        few("event ~ trt + (1 | id)", "bernoulli", "cauchit").icc()
    with pytest.raises(OptionError, match="no residual on the latent scale"):
        few("age ~ trt + (1 | severity)", "gaussian", "log").icc()
    with pytest.raises(OptionError, match="infinite in some draws"):
        few("age ~ trt + (1 | severity)", "student").icc(scale="response")
    with pytest.raises(OptionError, match="inverse link has no average"):
        few("age ~ trt + (1 | severity)", "gamma", "inverse").icc(scale="response")
    with pytest.raises(OptionError, match="no random effects"):
        few("event ~ trt", "bernoulli").icc()
    with pytest.raises(OptionError, match="scale='latnt'"):
        few("event ~ trt + (1 | id)", "bernoulli").icc(scale="latnt")
