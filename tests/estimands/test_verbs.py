"""Estimates are the averages, contrasts and derivatives that their sentences say, draw by draw, in every frame."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_fit, seizure_like
from scipy import special

import bayesglmm as bg
from bayesglmm import Estimates, Fit, glmm
from bayesglmm.errors import DataError, OptionError

FRAMES = ("typical", "population", "group", "new_group")
TWO = ("typical", "population")
BINARY = 'event ~ age*trt + C(severity, Treatment("Moderate")) + (1 + age | id)'


def scaled(groups: int = 12) -> pd.DataFrame:
    """Return made data with an age in decades from 40, so that means are moderate."""
    return seizure_like(groups).assign(age=lambda data: data["age"] / 10 - 4)


@pytest.fixture(scope="module")
def counts() -> Fit:
    return seizure_fit(chains=2, draws=60)


@pytest.fixture(scope="module")
def binary() -> Fit:
    return hand_made(glmm(BINARY, scaled(), "bernoulli"), chains=2, draws=60)


def flat(fit: Fit, name: str) -> np.ndarray:
    values = fit.posterior[name].values
    return values.reshape(-1, *values.shape[2:])


def predicted(fit: Fit, data: pd.DataFrame, frame: Any) -> np.ndarray:
    """Return draws of the mean of each row, (s, n)."""
    return fit.epred(data, frame=frame, seed=5).values.reshape(-1, len(data))


def averaged(fit: Fit, data: pd.DataFrame, frame: Any) -> np.ndarray:
    """Return draws of the mean of each row, (s, n), all of them in the same new group where groups are new."""
    return predicted(fit, data.drop(columns="id") if frame == "new_group" else data, frame)


def draws_of(found: Estimates, **labels: Any) -> np.ndarray:
    """Return the draws (s,) of the one row with these labels."""
    keep = np.all([found.table[name] == value for name, value in labels.items()], axis=0)
    (row,) = np.flatnonzero(keep)
    return found.flat[:, row]


def without_variance(fit: Fit) -> Fit:
    """Return the fit with G = 0."""
    posterior = fit.posterior
    zero = {name: posterior[name] * 0 for name in posterior if str(name).startswith("sd_")}
    tree = fit.draws.copy()
    tree["posterior"] = posterior.assign(zero)
    return replace(fit, draws=tree)


@pytest.mark.parametrize("by", ["trt", ["severity", "trt"], [], "id"])
@pytest.mark.parametrize("frame", FRAMES)
def test_predictions_by_group_are_averages_of_the_rows_predicted(binary: Fit, frame: str, by: Any) -> None:
    found = binary.predictions(by=by, frame=frame, seed=5)
    data = binary.model.design.columns.to_pandas()
    rows = averaged(binary, data, frame)
    names = [by] if isinstance(by, str) else by
    cells = data.groupby(names, observed=True).indices if names else {(): np.arange(len(data))}
    assert len(found.table) == len(cells)
    for key, index in cells.items():
        labels = dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
        np.testing.assert_allclose(draws_of(found, **labels), rows[:, index].mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("frame", FRAMES)
def test_predictions_without_by_are_those_of_epred_and_linpred(counts: Fit, frame: str) -> None:
    found = counts.predictions(frame=frame, seed=5)
    np.testing.assert_allclose(found.flat, predicted(counts, seizure_like(), frame), rtol=1e-12)
    new = seizure_like().iloc[[7, 3]]
    np.testing.assert_allclose(
        counts.predictions(new, frame=frame, seed=5).flat, predicted(counts, new, frame), rtol=1e-12
    )
    link = counts.predictions(new, frame=frame, scale="link", seed=5)
    np.testing.assert_allclose(link.flat, counts.linpred(new, frame=frame, seed=5).values.reshape(-1, 2))
    assert link.draws.attrs["scale"] == "link"


@pytest.mark.parametrize("frame", [*FRAMES, {"id": "group"}])
def test_comparisons_contrast_averages_with_the_variable_set(binary: Fit, frame: Any) -> None:
    data = scaled()
    low, high = (averaged(binary, data.assign(trt=value), frame) for value in (0, 1))
    for severity, index in data.groupby("severity").indices.items():
        p, q = low[:, index].mean(axis=1), high[:, index].mean(axis=1)
        odds = q / (1 - q) / (p / (1 - p))
        ending = "_of_means" if frame == "typical" else ""
        expected = {
            "difference": q - p,
            "ratio": q / p,
            "log_ratio": np.log(q / p),
            "odds_ratio": odds,
            "log_odds_ratio": np.log(odds),
        }
        for comparison, values in expected.items():
            name = comparison if comparison == "difference" else f"{comparison}{ending}"
            found = binary.comparisons("trt", by="severity", comparison=name, frame=frame, seed=5)
            np.testing.assert_allclose(draws_of(found, severity=severity), values, rtol=1e-9, atol=1e-12)
        rows = (high - low)[:, index].mean(axis=1)
        np.testing.assert_allclose(q - p, rows, atol=1e-12)


def test_a_variable_can_be_compared_among_those_who_had_each_of_its_values(binary: Fit) -> None:
    data = scaled()
    treated = data["trt"] == 1
    low, high = (predicted(binary, data.assign(trt=value), "population")[:, treated] for value in (0, 1))
    found = binary.comparisons("trt", by="trt")
    np.testing.assert_allclose(draws_of(found, trt=1), (high - low).mean(axis=1), atol=1e-12)


def test_odds_ratio_of_averages_is_not_the_average_of_odds_ratios(binary: Fit) -> None:
    data = scaled()
    low, high = (special.logit(predicted(binary, data.assign(trt=value), "typical")) for value in (0, 1))
    found = binary.comparisons("trt", comparison="odds_ratio_of_means", frame="typical")
    assert np.abs(found.flat[:, 0] - np.exp(high - low).mean(axis=1)).max() > 0.001
    assert "an odds ratio of averages, not an average of odds ratios" in found.estimand


def test_comparisons_on_the_link_scale_are_differences_of_the_linear_predictor(counts: Fit) -> None:
    found = counts.comparisons("trt", frame="typical", scale="link", at={"time": 0})
    np.testing.assert_allclose(found.flat[:, 0], flat(counts, "beta")[:, 1], rtol=1e-10)
    assert found.shown.null == 0


def test_factors_are_compared_with_their_reference_level(binary: Fit) -> None:
    found = binary.comparisons("severity", frame="typical", comparison="difference", scale="link")
    assert found.table["contrast"].tolist() == ["Mild - Moderate", "Severe - Moderate"]
    names = list(binary.model.design.coef)
    for level in ("Mild", "Severe"):
        (at,) = (j for j, name in enumerate(names) if name.endswith(f"[T.{level}]"))
        expected = flat(binary, "beta")[:, at]
        np.testing.assert_allclose(draws_of(found, contrast=f"{level} - Moderate"), expected, atol=1e-12)


def test_pairwise_sequential_and_weighted_contrasts_combine_the_same_averages(binary: Fit) -> None:
    values = {"severity": ["Mild", "Moderate", "Severe"]}
    mild, moderate, severe = (
        predicted(binary, scaled().assign(severity=level), "population").mean(axis=1) for level in values["severity"]
    )
    pairs = binary.comparisons(values, contrasts="pairwise")
    assert pairs.table["contrast"].tolist() == ["Moderate - Mild", "Severe - Mild", "Severe - Moderate"]
    expected = np.stack([moderate - mild, severe - mild, severe - moderate], axis=1)
    np.testing.assert_allclose(pairs.flat, expected, atol=1e-12)
    steps = binary.comparisons(values, contrasts="sequential")
    np.testing.assert_allclose(steps.flat, expected[:, [0, 2]], atol=1e-12)
    weights = {"worse": [-1, 0.5, 0.5], "last": [0, -1, 1]}
    named = binary.comparisons(values, contrasts=weights)
    assert named.table["contrast"].tolist() == ["worse", "last"]
    np.testing.assert_allclose(named.flat[:, 0], (moderate + severe) / 2 - mild, atol=1e-12)
    matrix = binary.comparisons(values, contrasts=[[-1, 0.5, 0.5]], comparison="ratio")
    assert matrix.table["contrast"].tolist() == ["- 1·Mild + 0.5·Moderate + 0.5·Severe"]
    np.testing.assert_allclose(matrix.flat[:, 0], np.sqrt(moderate * severe) / mild, rtol=1e-9)


def test_numbers_are_compared_by_a_step_from_each_row_or_between_values(binary: Fit) -> None:
    data = scaled()
    base = predicted(binary, data, "group").mean(axis=1)
    for step, option in ((1, "age"), (-0.5, {"age": -0.5})):
        moved = predicted(binary, data.assign(age=data["age"] + step), "group").mean(axis=1)
        found = binary.comparisons(option, frame="group")
        np.testing.assert_allclose(found.flat[:, 0], moved - base, atol=1e-12)
        assert found.table["contrast"].tolist() == [f"{step:+g}"]
    low, high = (predicted(binary, data.assign(age=age), "group").mean(axis=1) for age in (-1.5, 2.0))
    found = binary.comparisons({"age": (-1.5, 2.0)}, frame="group")
    np.testing.assert_allclose(found.flat[:, 0], high - low, atol=1e-12)
    assert found.table["contrast"].tolist() == ["2 - -1.5"]


def test_several_variables_are_compared_each_by_itself(binary: Fit) -> None:
    both = binary.comparisons(["trt", "severity"], frame=TWO)
    assert both.table["variable"].tolist() == ["trt"] * 2 + ["severity"] * 4
    alone = binary.comparisons("severity", frame=TWO)
    np.testing.assert_array_equal(both.flat[:, 2:], alone.flat)
    assert list(both.table)[:3] == ["variable", "contrast", "frame"]


def test_at_sets_the_other_columns_and_several_values_give_rows(binary: Fit) -> None:
    found = binary.comparisons("trt", at={"age": [-1, 1.5], "severity": "Severe"}, frame="typical", scale="link")
    assert found.table["age"].tolist() == [-1, 1.5]
    beta = flat(binary, "beta")
    slope = list(binary.model.design.coef).index("age:trt")
    treated = list(binary.model.design.coef).index("trt")
    for age in (-1, 1.5):
        np.testing.assert_allclose(draws_of(found, age=age), beta[:, treated] + age * beta[:, slope], rtol=1e-9)
    assert "age at each of -1, 1.5 and severity at Severe" in found.estimand


def test_a_new_groups_effect_is_the_same_at_every_value() -> None:
    fit = hand_made(glmm("count ~ trt + time + (1 | id)", seizure_like(), "poisson"), chains=1, draws=30)
    for frame in FRAMES:
        found = fit.comparisons("trt", comparison="ratio", frame=frame)
        np.testing.assert_allclose(found.flat[:, 0], np.exp(flat(fit, "beta")[:, 1]), rtol=1e-12)


def new_and_population(link: str, family: str, outcome: str) -> tuple[Fit, Estimates, Estimates]:
    """Return a fit with a random slope in 12 groups, and averages by arm in a new group and in the population."""
    model = glmm(f"{outcome} ~ age*trt + (1 + age | id)", scaled(), family, link=link)
    fit = hand_made(model, chains=2, draws=20_000)
    return fit, *(fit.predictions(by="trt", frame=frame, seed=3) for frame in ("new_group", "population"))


def test_an_average_in_a_new_group_has_the_spread_of_one_group() -> None:
    """Var = var of the fixed part + mean of z̄ᵀGz̄, z̄ the mean of the rows' (1, age): not divided by 12 groups.

    The standard error of a variance of n normal draws is sqrt(2/n) of it, 0.7 %; the draws are nearly normal.
    """
    fit, new, population = new_and_population("identity", "gaussian", "count")
    for trt, rows in scaled().groupby("trt"):
        variance, _ = variance_and_derivative(fit, np.array([rows["age"].mean()]))
        expected = draws_of(population, trt=trt).var() + variance.mean()
        assert draws_of(new, trt=trt).var() == pytest.approx(expected, rel=4 * np.sqrt(2 / 40_000))
    step = fit.slopes("age", frame="new_group", seed=3).flat[:, 0]
    assert step.var() == pytest.approx(
        fit.slopes("age").flat[:, 0].var() + np.square(flat(fit, "sd_id")[:, 1]).mean(), rel=4 * np.sqrt(2 / 40_000)
    )
    difference = fit.comparisons("age", frame="new_group", seed=3).flat[:, 0]
    np.testing.assert_allclose(difference, step, rtol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_a_new_group_is_the_population_on_average_over_draws(link: str) -> None:
    _, new, population = new_and_population(link, "bernoulli", "event")
    away = new.flat - population.flat
    error = away.std(axis=0) / np.sqrt(len(away))
    np.testing.assert_array_less(np.abs(away.mean(axis=0)), 4 * error)
    np.testing.assert_array_less(0.05, away.std(axis=0))


def test_the_new_group_is_one_throughout_a_table_and_the_sentence_says_so(binary: Fit) -> None:
    """In one new group the rows of a table differ as its own rows do, so that the user may subtract them."""
    options: dict[str, Any] = {"frame": "new_group", "seed": 5}
    found = binary.predictions(by="trt", at={"severity": ["Mild", "Severe"]}, **options)
    data = scaled().drop(columns="id")
    for severity in ("Mild", "Severe"):
        rows = predicted(binary, data.assign(severity=severity), "new_group")
        for trt in (0, 1):
            expected = rows[:, data["trt"] == trt].mean(axis=1)
            np.testing.assert_allclose(draws_of(found, trt=trt, severity=severity), expected, rtol=1e-12)
    assert "in one level of id not yet seen, the same for all rows and throughout the table" in found.estimand
    alone = binary.predictions(**options).estimand
    assert "each row in a level of id not yet seen, one for each level among the rows" in alone
    grid = binary.conditional_effects("age", at={"id": [3, 4], "age": 0}, **options)
    np.testing.assert_array_equal(grid.flat[:, 0], grid.flat[:, 1])
    assert "in one level of id not yet seen, the same at all points" in grid.estimand
    observed = binary.comparisons("trt", frame="group").estimand
    assert "averaged over the levels observed and not over their population" in observed


def test_the_linear_predictor_is_at_b_0_only_where_it_is_averaged_over_b(binary: Fit) -> None:
    for frame in FRAMES:
        text = binary.predictions(by="trt", scale="link", frame=frame).estimand
        assert ("is its value at b = 0" in text) == (frame == "population")


def test_population_is_typical_where_nothing_varies_or_the_link_is_the_identity(binary: Fit) -> None:
    gaussian = hand_made(glmm("count ~ age*trt + (1 + age | id)", scaled(), "gaussian"), draws=50)
    for fit in (without_variance(binary), gaussian):
        for found in (
            fit.predictions(by="trt", frame=TWO),
            fit.comparisons("trt", frame=TWO),
            fit.conditional_effects("age", by="trt", frame=TWO),
        ):
            np.testing.assert_array_equal(found.flat[:, ::2], found.flat[:, 1::2])
        slopes = fit.slopes("age", frame=TWO)
        np.testing.assert_allclose(slopes.flat[:, 0], slopes.flat[:, 1], rtol=1e-7)
    assert np.abs(np.diff(binary.comparisons("trt", frame=TWO).flat, axis=1)).max() > 0.001


def test_rows_that_come_twice_change_no_average(binary: Fit) -> None:
    data = scaled()
    twice = pd.concat([data, data.iloc[::-1]])
    for once, doubled in (
        (binary.predictions(data, by="trt"), binary.predictions(twice, by="trt")),
        (binary.slopes("age", new_data=data), binary.slopes("age", new_data=twice)),
    ):
        np.testing.assert_allclose(once.flat, doubled.flat, rtol=1e-12)
    uneven = pd.concat([data, data[data["trt"] == 1]])
    assert np.abs(binary.predictions(uneven, by=[]).flat - binary.predictions(data, by=[]).flat).max() > 1e-3


@pytest.mark.parametrize("frame", FRAMES)
def test_rows_that_differ_in_offset_group_or_effects_alone_are_not_taken_for_one(frame: str) -> None:
    fit = hand_made(glmm("count ~ trt + offset(log(weeks)) + (1 + age | id)", scaled(), "poisson"), draws=20)
    new = pd.DataFrame({"trt": 1, "weeks": [1, 2, 1, 1], "age": [0.0, 0.0, 0.5, 0.0], "id": [3, 3, 3, 5]})
    found = fit.predictions(new, frame=frame, seed=5)
    np.testing.assert_allclose(found.flat, predicted(fit, new, frame), rtol=1e-12)
    assert len(np.unique(found.flat[0].round(10))) == {"typical": 2, "population": 3}.get(frame, 4)


def test_new_data_may_lack_what_is_set(binary: Fit) -> None:
    new = scaled().drop(columns=["trt", "event", "id"])
    found = binary.comparisons("trt", new_data=new, at={"severity": "Mild"})
    full = binary.comparisons("trt", new_data=scaled(), at={"severity": "Mild"})
    np.testing.assert_array_equal(found.flat, full.flat)
    with pytest.raises(DataError, match="no column 'age'"):
        binary.comparisons("trt", new_data=new.drop(columns="age"))


def test_by_may_be_a_column_outside_the_formula_in_new_data(binary: Fit) -> None:
    new = scaled().assign(site=lambda data: np.where(data["id"] < 5, "north", "south"))
    found = binary.predictions(new, by="site")
    rows = predicted(binary, new, "population")
    np.testing.assert_allclose(draws_of(found, site="north"), rows[:, new["site"] == "north"].mean(axis=1))


def normal_average(values: Any) -> np.ndarray:
    """Average a function of a standard normal by Gauss-Hermite with 80 nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return sum(w * values(z) for z, w in zip(nodes, weights / weights.sum(), strict=True))


def variance_and_derivative(fit: Fit, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (1, x) G (1, x)ᵀ and its derivative by x, each (s, n)."""
    sd, corr = flat(fit, "sd_id"), flat(fit, "corr_id")[:, 0]
    cross, square = corr * sd[:, 0] * sd[:, 1], sd[:, 1] ** 2
    v = sd[:, [0]] ** 2 + 2 * np.outer(cross, x) + np.outer(square, x**2)
    return v, 2 * cross[:, None] + 2 * np.outer(square, x)


@pytest.mark.parametrize(
    ("family", "link", "outcome"),
    [
        ("poisson", "log", "count"),
        ("poisson", "sqrt", "count"),
        ("gaussian", "identity", "count"),
        ("bernoulli", "probit", "event"),
        ("bernoulli", "logit", "event"),
        ("bernoulli", "cloglog", "event"),
    ],
)
def test_slopes_are_the_analytic_derivatives(family: str, link: str, outcome: str) -> None:
    data = scaled()
    fit = hand_made(glmm(f"{outcome} ~ age*trt + (1 + age | id)", data, family, link=link), chains=1, draws=20)
    beta, x = flat(fit, "beta"), data["age"].to_numpy()
    d_eta = beta[:, [1]] + np.outer(beta[:, 3], data["trt"])
    eta = fit.linpred(frame="typical").values.reshape(20, -1)
    slope = fit.model.family.link.slope
    v, d_v = variance_and_derivative(fit, x)
    own = flat(fit, "b_id")[:, fit.model.design.blocks[0].index]
    eta_own, d_own = eta + own[..., 0] + own[..., 1] * x, d_eta + own[..., 1]
    expected = {
        "typical": slope(eta) * d_eta,
        "group": slope(eta_own) * d_own,
        "population": normal_average(lambda z: slope(eta + np.sqrt(v) * z) * (d_eta + z * d_v / (2 * np.sqrt(v)))),
    }
    for frame, rows in expected.items():
        found = fit.slopes("age", by="trt", frame=frame)
        for trt in (0, 1):
            by_hand = rows[:, data["trt"] == trt].mean(axis=1)
            np.testing.assert_allclose(draws_of(found, trt=trt), by_hand, rtol=1e-6, atol=1e-9)


def test_slopes_on_the_link_scale_are_coefficients(counts: Fit) -> None:
    beta = flat(counts, "beta")
    for frame in TWO:
        found = counts.slopes("time", at={"trt": [0, 1]}, scale="link", frame=frame)
        np.testing.assert_allclose(found.flat, np.stack([beta[:, 2], beta[:, 2] + beta[:, 3]], axis=1), rtol=1e-9)
    assert "its value at b = 0" in found.estimand


def test_slopes_go_through_functions_of_the_predictor_and_stay_inside_its_splines() -> None:
    data = seizure_like(30).assign(dose=lambda frame: np.exp(np.linspace(-1, 2, len(frame))))
    model = glmm("age ~ log(dose) + I(dose**2) + (1 | id)", data, "gaussian")
    fit = hand_made(model, chains=1, draws=20)
    beta = flat(fit, "beta")
    found = fit.slopes("dose", at={"dose": [0.5, 3.0]})
    expected = beta[:, [1]] / np.array([0.5, 3.0]) + 2 * beta[:, [2]] * np.array([0.5, 3.0])
    error = (1e-4 * data["dose"].std()) ** 2 / 3 / np.array([0.5, 3.0]) ** 3  # h²/6 times the third derivative of log
    np.testing.assert_array_less(np.abs(found.flat - expected), 1.01 * error * np.abs(beta[:, [1]]) + 1e-9)
    spline = hand_made(glmm("age ~ bs(dose, df=5) + (1 | id)", data, "gaussian"), chains=1, draws=20)
    ends = [float(data["dose"].min()), float(data["dose"].max())]
    at_ends = spline.slopes("dose", at={"dose": ends})
    inside = [ends[0] + 1e-3, ends[1] - 1e-3]
    by_hand = spline.predictions(pd.DataFrame({"dose": [ends[0], inside[0], inside[1], ends[1]]})).flat
    secants = (by_hand[:, [1, 3]] - by_hand[:, [0, 2]]) / 1e-3
    np.testing.assert_allclose(at_ends.flat, secants, rtol=0.02, atol=0.01)


def test_conditional_effects_hold_what_does_not_vary(binary: Fit) -> None:
    found = binary.conditional_effects("age", by="trt", frame=TWO)
    assert list(found.table)[:3] == ["age", "trt", "frame"]
    assert len(found.table) == 61 * 2 * 2
    row = found.table.index[(found.table["trt"] == 1) & (found.table["frame"] == "population")][7]
    new = pd.DataFrame({"age": [found.table["age"][row]], "trt": 1, "severity": "Moderate"})
    np.testing.assert_allclose(found.flat[:, row], predicted(binary, new, "population")[:, 0], rtol=1e-12)
    assert "severity = Moderate (its reference)" in found.estimand
    fixed = binary.conditional_effects("age", at={"age": [-1, 0], "severity": ["Mild", "Severe"], "trt": 1})
    assert fixed.table[["age", "severity"]].to_numpy().tolist() == [
        [-1, "Mild"],
        [0, "Mild"],
        [-1, "Severe"],
        [0, "Severe"],
    ]
    new = fixed.table[["age", "severity"]].assign(trt=1)
    np.testing.assert_allclose(fixed.flat, predicted(binary, new, "population"), rtol=1e-12)
    assert "trt = 1" in fixed.estimand
    both = binary.conditional_effects("age", by=["trt", "severity"])
    assert list(both.table)[:4] == ["age", "trt", "severity", "frame"]
    assert len(both.table) == 61 * 2 * 3
    np.testing.assert_array_equal(
        both.flat, binary.conditional_effects("age", by="trt", at={"severity": ["Mild", "Moderate", "Severe"]}).flat
    )


def test_conditional_effects_with_an_exposure_are_rates_unless_it_is_given(counts: Fit) -> None:
    rate = counts.conditional_effects("time", by="trt")
    assert "per unit of weeks" in rate.estimand
    eight = counts.conditional_effects("time", by="trt", at={"weeks": 8})
    np.testing.assert_allclose(eight.flat, 8 * rate.flat, rtol=1e-12)
    assert "per unit" not in eight.estimand
    assert "at offset log(weeks)" in eight.estimand
    assert "weeks = 8" in eight.estimand
    new = pd.DataFrame({"time": [0, 1, 0, 1], "trt": [0, 0, 1, 1], "weeks": 8})
    np.testing.assert_allclose(eight.flat, predicted(counts, new, "population"), rtol=1e-12)


def test_an_offset_that_is_no_exposure_is_at_its_mean_and_said() -> None:
    data = seizure_like()
    fit = hand_made(glmm("age ~ time + offset(weeks) + (1 | id)", data, "gaussian"), draws=20)
    found = fit.conditional_effects("time")
    np.testing.assert_allclose(draws_of(found, time=0), flat(fit, "beta")[:, 0] + data["weeks"].mean())
    assert "weeks = 3.2 (its mean)" in found.estimand


def test_an_offset_is_given_whole_or_not_at_all() -> None:
    data = seizure_like().assign(beds=2.0)
    fit = hand_made(glmm("count ~ time + offset(log(weeks)) + offset(log(beds)) + (1 | id)", data, "poisson"))
    with pytest.raises(OptionError, match="not beds"):
        fit.conditional_effects("time", at={"weeks": 8})


def test_conditional_effects_of_an_observed_group_need_the_group(counts: Fit) -> None:
    found = counts.conditional_effects("time", frame="group", at={"id": [3, 4], "trt": 0, "weeks": 1.5})
    assert found.table["id"].tolist() == [3, 3, 4, 4]
    new = pd.DataFrame({"time": [0, 1, 0, 1], "id": [3, 3, 4, 4], "trt": 0, "weeks": 1.5})
    np.testing.assert_allclose(found.flat, predicted(counts, new, "group"), rtol=1e-12)
    with pytest.raises(DataError, match="no column 'id'"):
        counts.conditional_effects("time", frame="group")


def test_frames_stand_below_each_other_and_mix_by_factor() -> None:
    data = seizure_like().assign(site=lambda frame: frame["id"] % 4)
    fit = hand_made(glmm("count ~ trt + (1 | id) + (1 | site)", data, "poisson"), draws=30)
    mixed = {"site": "group", "id": "population"}
    found = fit.predictions(by="trt", frame=("typical", mixed))
    assert found.table["frame"].tolist() == ["typical", "site: group; id: population"] * 2
    np.testing.assert_array_equal(found.flat[:, 1::2], fit.predictions(by="trt", frame=mixed).flat)
    assert "each row in its own observed site" in found.estimand
    assert "averaged over the random effects of id" in found.estimand
    with pytest.raises(OptionError, match="more than once"):
        fit.predictions(frame=("typical", "typical"))
    with pytest.raises(OptionError, match="frame is empty"):
        fit.predictions(frame=())


def test_a_model_without_groups_says_so() -> None:
    fit = hand_made(glmm("count ~ age + trt", scaled(), "poisson"), draws=30)
    assert "no random effects" in fit.comparisons("trt").estimand
    assert fit.conditional_effects("age").plot().axes[0].get_title(loc="left") == "no random effects"


def test_the_table_is_of_the_draws_and_the_sentence_is_shown(binary: Fit) -> None:
    found = binary.comparisons("trt", comparison="ratio", by="severity", ci_prob=0.8)
    assert found.draws.dims == ("chain", "draw", "row")
    assert found.draws.coords["severity"].values.tolist() == ["Mild", "Moderate", "Severe"]
    table, values = found.table, found.flat
    np.testing.assert_allclose(table[["lower", "median", "upper"]].T, np.quantile(values, (0.1, 0.5, 0.9), axis=0))
    np.testing.assert_allclose(table["mean"], values.mean(axis=0))
    found.table.insert(0, "note", "mine")
    assert "note" not in found.table
    np.testing.assert_allclose(table["sd"], values.std(axis=0, ddof=1))
    np.testing.assert_array_equal(table["probability_positive"], (values > 1).mean(axis=0))
    opposite = binary.comparisons({"trt": [1, 0]}, by="severity").table["probability_positive"]
    np.testing.assert_allclose(opposite, (values < 1).mean(axis=0))
    assert (opposite < 0.5).all()
    statistics = ["mean", "median", "sd", "lower", "upper", "probability_positive"]
    assert list(table) == ["variable", "contrast", "severity", "frame", *statistics]
    assert table.attrs["ci_prob"] == 0.8
    flat_text = " ".join(str(found).split())
    assert " ".join(found.estimand.split()) in flat_text
    assert "80 % equal-tailed" in flat_text
    assert found.estimand.split(";")[0] in found._repr_html_()
    assert table.attrs["estimand"] == found.draws.attrs["estimand"] == found.estimand
    assert "probability_positive" not in binary.predictions(by="trt").table


def test_text_has_as_many_digits_as_asked_and_cuts_no_whole_ones(binary: Fit) -> None:
    found = binary.comparisons("trt", comparison="ratio", at={"age": [-1.2345, 0]})
    assert found.to_text() == str(found)
    for digits in (2, 6):
        first = found.to_text(digits=digits).splitlines()[-2].split()
        assert first[:5] == ["trt", "1", "/", "0", "-1.234"]
        expected = found.table[["mean", "median", "sd", "lower", "upper", "probability_positive"]].iloc[0]
        assert first[6:] == [f"{value:.{digits}g}" for value in expected]
    large = replace(found, draws=found.draws * 0 + 54321.5)
    assert large.to_text(digits=2).splitlines()[-1].split()[6:11] == ["54322", "54322", "0", "54322", "54322"]
    for digits in (0, 2.5, True):
        with pytest.raises(OptionError, match="significant digits"):
            found.to_text(digits=digits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("comparisons", {"variables": "trtt"}, "did you mean 'trt'"),
        ("comparisons", {"variables": ["trt", "trt"]}, "more than once"),
        ("comparisons", {"variables": []}, "variables is empty"),
        ("comparisons", {"variables": {"severity": ["Mild", "Sever"]}}, "did you mean 'Severe'"),
        ("comparisons", {"variables": {"severity": ["Mild"]}}, "give two or more"),
        ("comparisons", {"variables": {"severity": ["Mild", "Mild"]}}, "more than once"),
        ("comparisons", {"variables": {"severity": 1}}, "is a factor; give levels"),
        ("comparisons", {"variables": {"severity": "pairwise"}}, "is not values to compare"),
        ("comparisons", {"variables": {"age": [0, "1"]}}, "give finite numbers"),
        ("comparisons", {"variables": {"age": [0, True]}}, "give finite numbers"),
        ("comparisons", {"variables": {"age": 0}}, "compares each row with itself"),
        ("comparisons", {"variables": {"age": np.nan}}, "give finite numbers"),
        ("comparisons", {"variables": "age", "contrasts": "pairwise"}, "needs values of 'age'"),
        ("comparisons", {"variables": "severity", "contrasts": [[1, -1]]}, r"shape \(1, 2\); 'severity' takes 3"),
        ("comparisons", {"variables": "severity", "contrasts": [[1, 1, -1]]}, "sums to 1"),
        ("comparisons", {"variables": "severity", "contrasts": [[0, 0, 0]]}, "not all be 0"),
        ("comparisons", {"variables": "severity", "contrasts": [["a", 0, 0]]}, "not a matrix of numbers"),
        ("comparisons", {"variables": "severity", "contrasts": "pairs"}, "did you mean 'pairwise'"),
        ("comparisons", {"variables": "trt", "comparison": "odds-ratio"}, "did you mean 'odds_ratio'"),
        ("comparisons", {"variables": "trt", "comparison": "ratio", "scale": "link"}, "use comparison='difference'"),
        ("comparisons", {"variables": "trt", "at": {"trt": 1}}, "compared and fixed in at"),
        ("comparisons", {"variables": "trt", "at": {"event": 1}}, "the model does not use"),
        ("comparisons", {"variables": "trt", "at": {"severity": "Grave"}}, "not a level of 'severity'"),
        ("comparisons", {"variables": "trt", "at": {"age": []}}, "is empty"),
        ("comparisons", {"variables": "trt", "at": ["age"]}, "not a mapping"),
        ("comparisons", {"variables": "trt", "frame": "populaton"}, "did you mean 'population'"),
        ("comparisons", {"variables": "trt", "frame": {"site": "group"}}, "not a grouping factor"),
        ("comparisons", {"variables": "trt", "by": "sevrity"}, "did you mean 'severity'"),
        ("comparisons", {"variables": "trt", "by": ["severity", "severity"]}, "more than once"),
        ("comparisons", {"variables": "trt", "ci_prob": 95}, "not a probability"),
        ("predictions", {"by": "trt", "at": {"trt": 1}}, "stands in by and in at"),
        ("predictions", {"scale": "log"}, "is not an option"),
        ("slopes", {"variables": "severity"}, "is a factor .* which has no slope"),
        ("slopes", {"variables": "aeg"}, "did you mean 'age'"),
        ("conditional_effects", {"focal": "aeg"}, "did you mean 'age'"),
        ("conditional_effects", {"focal": "age", "by": "age"}, "both 'age'"),
    ],
)
def test_what_cannot_be_meant_is_refused(binary: Fit, verb: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        getattr(binary, verb)(**options)


def test_ratios_need_means_that_can_have_them(counts: Fit) -> None:
    with pytest.raises(OptionError, match="between 0 and 1"):
        counts.comparisons("trt", comparison="odds_ratio")
    gaussian = hand_made(glmm("count ~ trt + (1 | id)", seizure_like(), "gaussian"), draws=20)
    with pytest.raises(OptionError, match="positive means"):
        gaussian.comparisons("trt", comparison="ratio")


def test_columns_named_as_the_tables_own_are_refused() -> None:
    data = seizure_like().rename(columns={"severity": "frame"})
    fit = hand_made(glmm("count ~ frame + (1 | id)", data, "poisson"), draws=20)
    with pytest.raises(OptionError, match="column 'frame' of its own"):
        fit.predictions(by="frame")


def test_numeric_factors_keep_their_levels() -> None:
    fit = hand_made(glmm("count ~ C(trt)*time + (1 | id)", seizure_like(), "poisson"), draws=20)
    found = fit.comparisons({"trt": [0.0, 1.0]}, comparison="ratio", at={"time": 0})
    assert found.table["contrast"].tolist() == ["1 / 0"]
    np.testing.assert_allclose(found.flat[:, 0], np.exp(flat(fit, "beta")[:, 1]))
    with pytest.raises(OptionError, match="not a level of 'trt'"):
        fit.comparisons({"trt": [0, 2]})
    with pytest.raises(OptionError, match="not a level of 'trt'"):
        fit.comparisons({"trt": [0, True]})


def test_seizure_counts_fall_by_a_quarter_in_the_typical_patient_on_progabide(seizure_fit: Fit) -> None:
    """Fitzmaurice, Laird & Ware (2011), section 14.7: exp(β₂ + β₄) = 0.74 for a patient on progabide.

    The posterior sd is 0.08 and its Monte Carlo error below 0.002. Averaged over patients, whose slopes vary, the
    ratio is nearer to 1.
    """
    found = seizure_fit.comparisons("time", by="trt", comparison="ratio", frame=TWO)
    beta = flat(seizure_fit, "beta")
    np.testing.assert_allclose(draws_of(found, trt=1, frame="typical"), np.exp(beta[:, 2] + beta[:, 3]), rtol=1e-10)
    assert np.median(draws_of(found, trt=1, frame="typical")) == pytest.approx(0.737, abs=0.01)
    assert np.median(draws_of(found, trt=1, frame="population")) > 0.8


@pytest.fixture(scope="module")
def asthma_fit() -> Fit:
    formula = 'control ~ C(treat, Treatment("Usual"))*weeks + severity + (1 | id)'
    return bg.fit(formula, bg.datasets.load("asthma"), "bernoulli", seed=667, progress=False)


def test_asthma_odds_ratios_of_the_typical_child_are_those_of_emmeans(asthma_fit: Fit) -> None:
    """emmeans at b = 0 on glmer's Laplace fit: odds ratios usual / steroid 0.366 at week 0, 0.446 at week 48.

    That is exp(−1.004) and exp(−1.004 + 48 × 0.0041); the posterior sd of their logarithms is 0.36 and 0.27.
    """
    found = asthma_fit.comparisons(
        {"treat": ["Steroid", "Usual"]}, comparison="odds_ratio", frame=TWO, at={"weeks": [0, 48]}
    )
    mild = asthma_fit.comparisons(
        {"treat": ["Steroid", "Usual"]},
        comparison="odds_ratio",
        frame="typical",
        at={"weeks": [0, 48], "severity": "Mild"},
    )
    for week, published in ((0, 0.366), (48, 0.446)):
        typical = draws_of(found, weeks=week, frame="typical")
        np.testing.assert_allclose(typical, draws_of(mild, weeks=week), rtol=1e-10)
        assert np.log(np.median(typical)) == pytest.approx(np.log(published), abs=0.04)
        population = draws_of(found, weeks=week, frame="population")
        assert (np.abs(np.log(population)) < np.abs(np.log(typical))).all()


@pytest.fixture(scope="module")
def toenail_fit() -> Fit:
    data = bg.datasets.load("toenail")
    return bg.fit("outcome ~ month*treatment + (1 | id)", data, "bernoulli", seed=1998, draws=500, progress=False)


def test_the_population_starts_where_the_data_do_and_the_typical_patient_does_not(toenail_fit: Fit) -> None:
    data = bg.datasets.load("toenail")
    start = data[data["month"] == 0].groupby("treatment")["outcome"].mean()
    assert start.to_numpy() == pytest.approx([0.37, 0.37], abs=0.01)
    table = toenail_fit.conditional_effects("month", by="treatment", frame=TWO, at={"month": 0}).table
    for row in table.to_dict("records"):
        covered = row["lower"] < start[row["treatment"]] < row["upper"]
        assert covered == (row["frame"] == "population")


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("predictions", {"by": "trt"}),
        ("predictions", {}),
        ("comparisons", {"variables": "trt", "comparison": "log_ratio"}),
        ("slopes", {"variables": "age", "scale": "link"}),
        ("conditional_effects", {"focal": "severity", "by": "trt"}),
    ],
)
def test_transforms_are_of_each_draw_after_averaging(binary: Fit, verb: str, options: dict[str, Any]) -> None:
    plain = getattr(binary, verb)(**options)
    functions: dict[str, Any] = {"exp": np.exp, "percent": lambda values: 100 * values}
    for name, function in functions.items():
        for option in (name, function):
            found = getattr(binary, verb)(**options, transform=option)
            np.testing.assert_allclose(found.flat, function(plain.flat), rtol=1e-12)
            assert list(found.labels) == list(plain.labels)
        null = plain.shown.null
        assert getattr(binary, verb)(**options, transform=name).shown.null == (None if null is None else function(null))
    assert "percent" in getattr(binary, verb)(**options, transform="percent").estimand
    with pytest.raises(OptionError, match="is not a transform"):
        getattr(binary, verb)(**options, transform="exponent")
