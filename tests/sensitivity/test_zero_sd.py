"""The density of an sd at zero against marginal likelihoods by quadrature; its curve against the draws."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.sensitivity.bridge import Measured
from bayesglmm.sensitivity.zero_sd import ZeroSd, _bound, _extremal_index, _near_zero, zero_sd
from bayesglmm.specify.priors import parse_prior

GROUPS, EACH = 8, 6
INDEX = np.repeat(np.arange(GROUPS), EACH)
PRIORS = {"Intercept": "normal(5, 5)", "sd": "half_normal(1.5)", "sigma": "exponential(1)"}


def outcome(effect: float, seed: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 5 + effect * rng.normal(size=GROUPS)[INDEX] + 1.5 * rng.normal(size=len(INDEX))


def fitted(y: np.ndarray) -> bg.Fit:
    data = pd.DataFrame({"y": y, "id": INDEX})
    return bg.fit("y ~ 1 + (1 | id)", data, priors=PRIORS, seed=1, draws=2000, progress=False)


def bayes_factor(y: np.ndarray, scale: float) -> float:
    """p(y | σ_b = 0) / p(y), the mean integrated in closed form, σ_b and σ by Gauss–Legendre quadrature."""
    means = y.reshape(GROUPS, EACH).mean(axis=1)
    within = np.square(y - means[INDEX]).sum()
    x, weight = np.polynomial.legendre.leggauss(200)
    sigma, w_sigma = 1e-3 + 3 * (x + 1), 3 * weight
    sd, w_sd = 5 * scale * (x + 1), 5 * scale * weight

    def log_likelihood(sd, sigma):
        v, d = sd**2 + sigma**2 / EACH, means - 5
        square = np.square(d).sum() / v - 25 * d.sum() ** 2 / (v * (v + 25 * GROUPS))
        determinant = (GROUPS - 1) * np.log(v) + np.log(v + 25 * GROUPS)
        return -(square + determinant + within / sigma**2) / 2 - (len(y) - GROUPS) * np.log(sigma)

    without = special.logsumexp(log_likelihood(0.0, sigma) - sigma, b=w_sigma)
    joint = log_likelihood(sd[:, None], sigma) - sigma + stats.halfnorm(scale=scale).logpdf(sd)[:, None]
    return float(np.exp(without - special.logsumexp(joint, b=w_sd[:, None] * w_sigma)))


@pytest.fixture(scope="module")
def unlike() -> ZeroSd:
    return zero_sd(fitted(outcome(0.5)))


RATIOS = {0.0: 2.4, 0.5: 0.6, 0.9: 0.05, 1.6: 1e-4, 6.0: 7e-19}
"""About what the ratio is, by the effect that the outcome is made with."""


@pytest.mark.parametrize("effect", RATIOS)
def test_the_ratio_at_zero_is_the_bayes_factor_under_each_prior(effect, unlike) -> None:
    y = outcome(effect)
    row = (unlike if effect == 0.5 else zero_sd(fitted(y))).table.loc["sd_id[Intercept]"]
    error = row["mcse"] / row["ratio"]
    assert error < 0.05
    assert row["source"] == ("density at 0" if effect == 0 else "marginal likelihoods")
    assert np.isnan(row["at_most"])
    for column, scale in (("ratio", 1.5), ("ratio_half_prior", 0.75), ("ratio_double_prior", 3.0)):
        assert abs(np.log(row[column] / bayes_factor(y, scale))) < 4 * error, column
    assert abs(np.log10(row["ratio"] / RATIOS[effect])) < 0.5


def test_the_reading_is_what_all_three_priors_say(unlike) -> None:
    assert unlike.table.loc["sd_id[Intercept]", "reading"] == "the data do not decide"
    assert "It depends on the prior" in str(unlike)


def test_the_densities_are_those_of_prior_and_draws(seizure_fit) -> None:
    found = zero_sd(seizure_fit)
    assert list(found.densities) == ["sd_id[Intercept]", "sd_id[time]"]
    for j, density in enumerate(found.densities.values()):
        draws = seizure_fit.posterior["sd_id"].values[..., j].ravel()
        np.testing.assert_allclose(density["prior"], 2 * stats.t(3, 0, 2.5).pdf(density["sd"]), rtol=1e-9)
        assert np.trapezoid(density["posterior"], density["sd"]) == pytest.approx(1, abs=0.01)
        mean = np.trapezoid(density["posterior"] * density["sd"], density["sd"])
        assert abs(mean - draws.mean()) < 0.1 * draws.std()
        middle = density["sd"] <= np.median(draws)
        below = np.trapezoid(density["posterior"][middle], density["sd"][middle])
        assert below == pytest.approx(0.5, abs=0.05)


def test_where_the_draws_cannot_tell_a_ratio_there_is_a_bound(seizure_fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayesglmm.sensitivity.zero_sd.Evidence.of", lambda fit, draws: None)
    found = zero_sd(seizure_fit, max_draws=200)
    table = found.table
    assert table[["ratio", "mcse", "ratio_half_prior", "ratio_double_prior"]].isna().all(axis=None)
    assert (table["source"] == "bound").all()
    assert (table["reading"] == "the data favour such effects").all()
    assert (table["at_most"] < 0.02).all()
    assert "at_most: upper bound (95 %), as no draw is near sd = 0" in str(found)


@pytest.mark.parametrize("effect", [0.9, 1.6])
def test_a_bound_is_above_the_ratio(effect, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 95 % confidence: of 60 runs 57 are expected, and fewer than 52 once in a hundred such tests."""
    y = outcome(effect)
    fit, truth = fitted(y), bayes_factor(y, 1.5)
    monkeypatch.setattr("bayesglmm.sensitivity.zero_sd.Evidence.of", lambda fit, draws: None)
    monkeypatch.setattr("bayesglmm.sensitivity.zero_sd._INACCURATE", 0.0)
    row = zero_sd(fit).table.loc["sd_id[Intercept]"]
    assert row["reading"] in ("the data favour such effects", "undecided with these draws; more draws may decide")
    runs = [fit.update(seed=seed, progress=False).posterior["sd_id"].values for seed in range(60)]
    bounds = np.array([_bound(sd.ravel(), parse_prior(PRIORS["sd"]), len(sd)) for sd in runs])
    assert (bounds > truth).sum() >= 52
    assert row["at_most"] == _bound(fit.posterior["sd_id"].values.ravel(), parse_prior(PRIORS["sd"]), 4)


def test_the_extremal_index_is_one_over_the_size_of_clusters() -> None:
    """Independent draws come alone; moving minima of m draws come m at a time."""
    raw = np.random.default_rng(3).random((4, 20_000))
    assert _extremal_index(raw) > 0.9
    moving = np.lib.stride_tricks.sliding_window_view(raw, 5, axis=1).min(axis=2)
    assert _extremal_index(moving) == pytest.approx(1 / 5, abs=0.05)


def test_a_ratio_that_no_double_holds_is_bounded_by_the_smallest() -> None:
    row = _near_zero(
        np.ones(400), 0.1, parse_prior("half_normal(1)"), Measured(-2000.0, 0.1), "marginal likelihoods", 4
    )
    assert np.isnan(row["ratio"])
    assert 0 < row["at_most"] < 1e-299
    assert row["source"] == "marginal likelihoods"
    assert row["reading"] == "the data favour such effects"


def test_each_sd_of_a_block_has_its_ratio_however_small(seizure_fit) -> None:
    """The model without random slopes keeps the intercepts' sd: its ratio is far from that of the intercepts."""
    found = zero_sd(seizure_fit, max_draws=200)
    table = found.table
    assert (table["source"] == "marginal likelihoods").all()
    assert (table["mcse"] < 0.25 * table["ratio"]).all()
    assert table.loc["sd_id[Intercept]", "ratio"] < 1e-100 < table.loc["sd_id[time]", "ratio"] < 1e-20
    assert "at_most:" not in str(found)


def test_without_group_effects_nothing_diverges_and_zero_is_favoured() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.integers(0, 2, 200), "x": rng.normal(size=200), "id": np.arange(200) // 10})
    fit = bg.fit("y ~ x + (1 | id)", data, "bernoulli", seed=1, progress=False)
    assert int(fit.draws["sample_stats"]["diverging"].sum()) == 0
    assert fit.check().ok
    row = fit.zero_sd().table.loc["sd_id[Intercept]"]
    assert row["ratio"] > 3
    assert row["reading"] == "the data favour no such effects"
    assert row["epsilon"] == 0.1
    np.testing.assert_allclose(row["prior_probability_below"], 2 * (stats.t(3, 0, 2.5).cdf(0.1) - 0.5), rtol=1e-5)
    sd = fit.posterior["sd_id"].values
    assert row["probability_below"] == np.mean(sd < 0.1) > 5 * row["prior_probability_below"]
    assert fit.zero_sd(epsilon=0.3).table["probability_below"].item() == np.mean(sd < 0.3)


def test_the_figure_shows_both_densities_and_far_references(unlike) -> None:
    figure = unlike.plot(references={"glmer": 23.1, "ML": 0.4})
    (axes,) = figure.axes
    lines = {line.get_gid(): line for line in axes.get_lines()}
    density = unlike.densities["sd_id[Intercept]"]
    np.testing.assert_array_equal(lines["posterior"].get_ydata(), density["posterior"])
    np.testing.assert_array_equal(lines["prior"].get_ydata(), density["prior"])
    assert lines["reference glmer"].get_xdata()[0] == 23.1
    assert axes.get_xlim()[1] > 23.1
    assert "identity scale" in axes.get_xlabel()
    with pytest.raises(OptionError, match="sd='id' is not an option"):
        unlike.plot("id")


def test_what_has_no_sd_is_refused(seizure_fit) -> None:
    plain = bg.Fit(bg.glmm("count ~ trt", bg.datasets.load("seizure"), "poisson"), seizure_fit.draws)
    with pytest.raises(OptionError, match="no random effects"):
        zero_sd(plain)
    with pytest.raises(OptionError, match="epsilon=0 is not above zero"):
        zero_sd(seizure_fit, epsilon=0)
    with pytest.raises(OptionError, match="max_draws=10 is too few"):
        zero_sd(seizure_fit, max_draws=10)
    prior_only = seizure_fit.draws.copy()
    prior_only.attrs = {**prior_only.attrs, "prior_only": 1}
    with pytest.raises(OptionError, match="the prior alone"):
        zero_sd(bg.Fit(seizure_fit.model, prior_only))
