"""Power scaling against normal posteriors in closed form; what is scaled against scipy, term by term."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from handmade import hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.estimands.posterior_draws import epred
from bayesglmm.sensitivity.power_scaling import (
    THRESHOLD,
    PriorSensitivity,
    conditional_log_likelihood,
    effects,
    integrated_log_likelihood,
    prior_sensitivity,
)
from bayesglmm.sensitivity.thinning import Budget

CHAINS, DRAWS = 4, 1000


def constant(difference) -> None:
    """Assert that log densities differ by a constant alone."""
    assert np.ptp(difference) < 1e-9 * (1 + np.abs(difference).max())


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("count ~ trt*time + offset(log(weeks)) + (1 + time | id)", "poisson"),
        ("count ~ trt + (1 | id) + (1 | severity)", "negative_binomial"),
        ("event ~ age + (1 | id)", "bernoulli"),
        ("p(event, size) ~ 0 + time + (1 | id)", "binomial"),
        ("age ~ trt + time", "gaussian"),
    ],
)
def test_the_likelihood_given_b_is_the_sum_over_rows(formula, family) -> None:
    data = seizure_like()
    fit = hand_made(bg.glmm(formula, data, family), draws=20)
    mean = epred(fit.model, fit.posterior, frame="group").values
    y = fit.model.design.outcome.y
    own = {name: fit.posterior[name].values[..., None] for name in ("phi", "sigma") if name in fit.posterior}
    rows = {
        "poisson": lambda: stats.poisson(mean).logpmf(y),
        "negative_binomial": lambda: stats.nbinom(own["phi"], own["phi"] / (own["phi"] + mean)).logpmf(y),
        "bernoulli": lambda: stats.bernoulli(mean).logpmf(y),
        "binomial": lambda: stats.binom(data["size"].to_numpy(), mean).logpmf(y),
        "gaussian": lambda: stats.norm(mean, own["sigma"]).logpdf(y),
    }[family]()
    constant(conditional_log_likelihood(fit).values - rows.sum(axis=-1))


def normal_fit(prior: tuple[float, float], data: tuple[float, float]) -> tuple[bg.Fit, xr.DataArray, np.ndarray]:
    """Make a fit whose posterior is normal in closed form, its draws the quantiles, with the log likelihood."""
    precision = 1 / prior[1] ** 2 + 1 / data[1] ** 2
    mean = (prior[0] / prior[1] ** 2 + data[0] / data[1] ** 2) / precision
    points = (np.arange(CHAINS * DRAWS) + 0.5) / (CHAINS * DRAWS)
    beta = np.random.default_rng(1).permutation(stats.norm(mean, precision**-0.5).ppf(points))
    model = bg.glmm("event ~ 1", seizure_like(), "bernoulli", priors={"Intercept": f"normal({prior[0]}, {prior[1]})"})
    values = beta.reshape(CHAINS, DRAWS)
    coords = {"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}
    posterior = xr.Dataset({"beta": (("chain", "draw", "coef"), values[..., None])}, {**coords, "coef": ["Intercept"]})
    log_likelihood = xr.DataArray(stats.norm(*data).logpdf(values), coords, attrs={"about": "a normal likelihood"})
    return bg.Fit(model, xr.DataTree.from_dict({"posterior": posterior})), log_likelihood, beta


def distance(one, other, x) -> float:
    """Cumulative Jensen–Shannon distance of two distribution functions on a grid (Kallioinen et al. 2024, eq. 10)."""

    def half(p, q) -> float:
        return float(np.trapezoid(special.rel_entr(p, (p + q) / 2) / np.log(2) + (q - p) / (2 * np.log(2)), x))

    return float(np.sqrt((half(one, other) + half(other, one)) / np.trapezoid(one + other, x)))


def moved(prior: tuple[float, float], data: tuple[float, float], ends, *, prior_scaled: bool) -> float:
    def cdf(alpha: float, x, sign: int):
        first, second = (alpha, 1.0) if prior_scaled else (1.0, alpha)
        one, two = first / prior[1] ** 2, second / data[1] ** 2
        mean = (one * prior[0] + two * data[0]) / (one + two)
        return stats.norm(sign * mean, (one + two) ** -0.5).cdf(x)

    slopes = []
    for alpha in (0.99, 1.01):
        grids = {1: np.linspace(*ends, 20001), -1: np.linspace(-ends[1], -ends[0], 20001)}
        far = max(distance(cdf(1.0, x, sign), cdf(alpha, x, sign), x) for sign, x in grids.items())
        slopes.append(far / abs(np.log2(alpha)))
    return float(np.mean(slopes))


@pytest.mark.parametrize(
    ("prior", "data", "diagnosis"),
    [
        ((0.0, 10.0), (1.0, 0.3), "rests on the data"),
        (
            (0.0, 0.5),
            (3.0, 0.5),
            "prior and data both move it",
        ),
        ((1.0, 0.1), (1.0, 20.0), "rests on the prior"),
    ],
)
def test_power_scaling_of_a_normal_posterior_is_its_closed_form(prior, data, diagnosis) -> None:
    fit, log_likelihood, beta = normal_fit(prior, data)
    found = prior_sensitivity(fit, quantities={}, log_likelihood=log_likelihood)
    row = found.table.loc["beta[Intercept]"]
    ends = (beta.min(), beta.max())
    assert row["prior"] == pytest.approx(moved(prior, data, ends, prior_scaled=True), rel=0.03, abs=1e-3)
    assert row["likelihood"] == pytest.approx(moved(prior, data, ends, prior_scaled=False), rel=0.03, abs=1e-3)
    assert row["diagnosis"] == diagnosis
    assert row["strongest"] == "intercept"
    assert "a normal likelihood" in found.sentence


@pytest.fixture(scope="module")
def crossover() -> bg.Fit:
    data = bg.datasets.load("crossover")
    return bg.fit("outcome ~ trt*period + (1 | id)", data, "bernoulli", seed=1, progress=False)


@pytest.fixture(scope="module")
def found(crossover) -> PriorSensitivity:
    return crossover.prior_sensitivity()


def test_in_the_crossover_trial_coefficients_lean_on_the_prior(found) -> None:
    prior = found.table["prior"]
    assert (prior[["beta[trt]", "beta[period]", "sd_id[Intercept]"]] > 0.1).all()
    assert found.table.loc["sd_id[Intercept]", "strongest"] == "sd_id"
    assert found.table.loc["beta[trt]", "strongest"] == "slopes"
    assert "the random effects of id integrated out, " in found.sentence
    assert found.table.loc["beta[trt]", "diagnosis"] == "prior and data both move it"


def test_priors_that_pull_in_opposite_directions_are_seen_alone(crossover) -> None:
    """Wider slopes double the effect in the first period, a wider sd takes from it: together they hardly show."""
    whole, first = (crossover.comparisons("trt", by=by).draws.isel(row=0, drop=True) for by in (None, "period"))
    table = crossover.prior_sensitivity(quantities={"both periods": whole, "first period": first}).table
    assert table.loc["first period", "strongest"] == "slopes"
    assert table.loc["first period", "alone"] > 1.5 * table.loc["first period", "prior"]
    assert table.loc["both periods", "alone"] < 0.03
    assert table.loc["both periods", "diagnosis"] == "rests on the data"
    ladder = crossover.prior_ladder((1, 10)).fits
    medians = {
        scale: [rung.comparisons("trt", by=by).table["median"][0] for by in (None, "period")]
        for scale, rung in ladder.items()
    }
    assert abs(medians[10][0] - medians[1][0]) < 0.03
    assert medians[10][1] > 1.5 * medians[1][1]


def test_what_one_class_of_priors_moves_is_not_said_to_rest_on_the_data() -> None:
    figures = {"prior": [0.01], "likelihood": [0.2], "alone": [0.2], "strongest": ["slopes"]}
    sentence = PriorSensitivity(pd.DataFrame(figures, index=["effect"]), "the likelihood").sentence
    assert "effect is moved by prior and data alike" in sentence


def test_what_differs_between_groups_is_seen_only_with_b_integrated_out(seizure_fit) -> None:
    likelihood = seizure_fit.prior_sensitivity(quantities={}).table["likelihood"]
    given_b = conditional_log_likelihood(seizure_fit)
    conditional = seizure_fit.prior_sensitivity(quantities={}, log_likelihood=given_b).table["likelihood"]
    assert likelihood["beta[trt]"] > THRESHOLD
    assert conditional["beta[trt]"] < 0.7 * likelihood["beta[trt]"]  # 0.03 to 0.05 by seed, of 0.10 to 0.11


def test_integrated_out_is_the_sum_over_groups_of_a_multivariate_normal() -> None:
    fit = hand_made(bg.glmm("age ~ trt + (1 + time | id)", seizure_like(), "gaussian"), chains=2, draws=3)
    design, posterior = fit.model.design, fit.posterior.stack(s=("chain", "draw")).transpose("s", ...)
    (block,) = design.blocks
    expected = []
    for s in range(6):
        sd, corr = posterior["sd_id"].values[s], float(posterior["corr_id"].values[s, 0])
        g = np.outer(sd, sd) * [[1, corr], [corr, 1]]
        same = block.index[:, None] == block.index
        cov = same * (block.z @ g @ block.z.T) + posterior["sigma"].values[s] ** 2 * np.eye(design.n)
        expected.append(stats.multivariate_normal(design.x @ posterior["beta"].values[s], cov).logpdf(design.outcome.y))
    np.testing.assert_allclose(integrated_log_likelihood(fit).values.ravel(), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("formula", "about"),
    [
        ("event ~ age + (1 | id)", "the random effects of id integrated out, "),
        ("event ~ age + (1 | id) + (0 + age | id)", "the random effects of id integrated out, "),
        ("event ~ age + (1 | id) + (1 | severity)", "conditional on the random effects, "),
        ("event ~ 1 + (1 + age + time + trt | id)", "conditional on the random effects, "),
        ("event ~ age", "of the likelihood, "),
    ],
)
def test_the_sentence_says_which_likelihood_was_scaled(formula: str, about: str) -> None:
    fit = hand_made(bg.glmm(formula, seizure_like(), "bernoulli"), draws=20)
    assert about in fit.prior_sensitivity(quantities={}).sentence


def test_draws_are_left_out_where_integrals_are_many_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = hand_made(bg.glmm("event ~ age + (1 | id)", seizure_like(), "bernoulli"), chains=2, draws=60)
    every = prior_sensitivity(fit, quantities={})
    cost = fit.model.design.n * 25
    monkeypatch.setattr("bayesglmm.sensitivity.power_scaling.likelihoods.INTEGRALS", Budget(120 * cost / 5, 40))
    some = prior_sensitivity(fit, quantities={})
    assert "integrated out (at 40 of 120 draws), " in some.sentence
    pd.testing.assert_series_equal(some.table["prior"], every.table["prior"])
    taken = integrated_log_likelihood(fit).isel(draw=slice(None, None, 3))
    np.testing.assert_array_equal(integrated_log_likelihood(fit, 3), taken)
    np.testing.assert_array_equal(integrated_log_likelihood(fit, 3)["draw"], taken["draw"])
    monkeypatch.setattr("bayesglmm.sensitivity.power_scaling.likelihoods.INTEGRALS", Budget(120 * cost / 100, 40))
    assert "conditional on the random effects" in prior_sensitivity(fit, quantities={}).sentence


@pytest.mark.parametrize(
    ("formula", "family", "kinds"),
    [
        (
            "event ~ age*trt + severity + (1 + time | id)",
            "bernoulli",
            {"population risk difference": "difference", "marginal log odds ratio": "log_odds_ratio"},
        ),
        (
            "count ~ trt*time + offset(log(weeks)) + (1 | id) + (1 | weeks)",
            "poisson",
            {"population difference": "difference", "population log ratio": "log_ratio"},
        ),
        ("age ~ trt + C(time)", "gaussian", {"average difference": "difference"}),
    ],
)
def test_effects_are_those_of_comparisons_in_the_frame_population(formula, family, kinds) -> None:
    fit = hand_made(bg.glmm(formula, seizure_like(), family), draws=40)
    drawn = effects(fit)
    assert list(drawn) == list(kinds)
    names = list(dict.fromkeys(name for name in ("age", "trt", "severity", "time") if name in formula[5:]))
    for name, kind in kinds.items():
        expected = {v: fit.comparisons(v, comparison=kind, frame="population").draws for v in names}
        labels = [f"{v}: {c}" for v, draws in expected.items() for c in draws["contrast"].values]
        (dim,) = (dim for dim in drawn[name].dims if dim not in ("chain", "draw"))
        assert sorted(drawn[name][dim].values) == sorted(labels)
        for v, draws in expected.items():
            for row, contrast in enumerate(draws["contrast"].values):
                found = drawn[name].sel({dim: f"{v}: {contrast}"})
                np.testing.assert_allclose(found.values, draws.isel(row=row).values, rtol=1e-12)
    first, *others = (values.attrs["estimand"] for values in drawn.values())
    assert "averaged over the 60 observed rows, each row counting once" in first
    assert all("of the same averages" in other for other in others)
    np.testing.assert_array_equal(effects(fit, 4)[name], drawn[name].isel(draw=slice(None, None, 4)))


def test_every_quantity_says_whose_it_is(crossover, found) -> None:
    frames = found.table["frame"]
    assert (frames[frames.index.str.startswith("beta")] == "conditional").all()
    assert frames["sd_id[Intercept]"] == "parameter"
    labels = ["population risk difference[trt: 1 - 0]", "marginal log odds ratio[period: 1 / 0]"]
    assert (frames[labels] == "population").all()
    assert "they compare at the same random effects of id" in found.estimand
    assert "Frame population: averaged over the random effects of id, exactly in each draw" in found.estimand
    assert " ".join(str(found).split()).count(found.estimand) == 1
    typical = crossover.comparisons("trt", frame="typical").draws
    table = crossover.prior_sensitivity(quantities={"b = 0": typical, "half": crossover.posterior["beta"] / 2}).table
    assert table.loc["b = 0[trt: 1 - 0]", "frame"] == "typical"
    assert table.loc["half[trt]", "frame"] == "as given"


def test_on_few_draws_the_same_is_said_and_how_many_they_are(crossover, found) -> None:
    some = crossover.prior_sensitivity(max_draws=500)
    assert "integrated out (at 500 of 4,000 draws), " in some.sentence
    own = ~some.table["frame"].eq("population")
    pd.testing.assert_series_equal(some.table["prior"][own], found.table["prior"][own])
    assert (some.table[["prior", "likelihood"]] - found.table[["prior", "likelihood"]]).abs().max(axis=None) < 0.06
    assert list(some.table["diagnosis"]) == list(found.table["diagnosis"])


def test_where_a_step_leaves_the_spline_quartiles_are_compared() -> None:
    fit = hand_made(bg.glmm("event ~ bs(age, df=4) + (1 | id)", seizure_like(), "bernoulli"), draws=20)
    low, high = np.quantile(seizure_like()["age"], [0.25, 0.75])
    drawn = effects(fit)["population risk difference"]
    expected = fit.comparisons({"age": [low, high]}).draws
    np.testing.assert_allclose(drawn.values, expected.values, rtol=1e-12)
    assert drawn["of population risk difference"].item() == f"age: {expected['contrast'].item()}"


def test_effects_that_take_long_are_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = hand_made(bg.glmm("event ~ age + (1 | id)", seizure_like(), "bernoulli"), chains=2, draws=100)
    monkeypatch.setattr("bayesglmm.sensitivity.power_scaling.quantities.AVERAGES", Budget(100.0, 500))
    found = prior_sensitivity(fit)
    assert list(found.table["frame"]) == ["conditional", "conditional", "parameter"]
    assert "left out: to average them over 60 rows takes long" in found.estimand


def test_quantities_of_ones_own_stand_in_place_of_the_effects(crossover) -> None:
    given = {"odds": np.exp(crossover.posterior["beta"]), "total": crossover.posterior["beta"].sum("coef")}
    table = crossover.prior_sensitivity(quantities=given).table
    assert list(table.index)[-5:] == [f"odds[{name}]" for name in crossover.model.design.coef] + ["total"]
    assert not table.index.str.contains("population").any()


def test_a_likelihood_by_rows_is_that_of_their_sum(crossover) -> None:
    total = conditional_log_likelihood(crossover)
    rows = total.expand_dims(obs=3) * xr.DataArray([0.5, 0.3, 0.2], dims="obs")
    one, other = (prior_sensitivity(crossover, quantities={}, log_likelihood=given).table for given in (total, rows))
    pd.testing.assert_frame_equal(one, other)


def test_the_figure_holds_both_sensitivities(found) -> None:
    (axes,) = found.plot().axes
    lines = {line.get_gid(): line for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["prior"].get_xdata(), found.table["prior"])
    np.testing.assert_array_equal(lines["alone"].get_xdata(), found.table["alone"])
    np.testing.assert_array_equal(lines["likelihood"].get_xdata(), found.table["likelihood"])
    assert axes.get_yticklabels()[0].get_text() == "beta[Intercept]"


def test_a_flat_prior_moves_nothing_and_is_named() -> None:
    data = seizure_like()
    fit = hand_made(bg.glmm("event ~ age + (1 | id)", data, "bernoulli", priors={"slopes": "flat"}), draws=100)
    found = prior_sensitivity(fit)
    assert "Of slopes the prior is flat or uniform: scaling leaves it as it is." in found.estimand
    assert "slopes" not in set(found.table["strongest"])
    flat = bg.glmm("event ~ age", data, "bernoulli", priors={"slopes": "flat", "Intercept": "flat"})
    with pytest.raises(
        OptionError, match="the priors of intercept, slopes are flat or uniform, and there are no others"
    ):
        prior_sensitivity(hand_made(flat, draws=100))


def test_what_has_no_answer_is_refused(crossover) -> None:
    tree = crossover.draws.copy()
    tree.attrs = {**tree.attrs, "prior_only": 1}
    with pytest.raises(OptionError, match="the prior alone"):
        prior_sensitivity(bg.Fit(crossover.model, tree))
    with pytest.raises(OptionError, match=r"'half' is an xarray\.DataArray with dims and sizes"):
        prior_sensitivity(crossover, quantities={"half": crossover.posterior["beta"].isel(draw=slice(10))})
    with pytest.raises(OptionError, match="max_draws=20 is too few"):
        prior_sensitivity(crossover, max_draws=20)
    with pytest.raises(OptionError, match="give one beside chain and draw"):
        prior_sensitivity(crossover, quantities={"b": crossover.posterior["b_id"]})
