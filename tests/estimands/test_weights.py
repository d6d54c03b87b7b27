"""A row counts what it stands for: its trials, a column, once; or the cells of a reference grid count once each."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCES
from handmade import at, hand_made, seizure_fit, seizure_like
from scipy import special

from bayesglmm import Estimates, Fit, datasets, glmm
from bayesglmm.errors import DataError, OptionError
from bayesglmm.estimands.frames import Frame
from bayesglmm.estimands.request import read_request
from bayesglmm.estimands.weights import row_weights

FRAMES: tuple[Frame, ...] = ("typical", "population", "group", "new_group")
EMMEANS = json.loads((REFERENCES / "emmeans.json").read_text(encoding="utf-8"))


def counted() -> pd.DataFrame:
    """Return made data in which a row stands for 0 to 6 persons, and has successes among trials."""
    data = seizure_like().assign(age=lambda frame: frame["age"] / 10 - 4)
    data["persons"] = (np.arange(len(data)) * data["id"]) % 7
    data["n"] = 1 + np.arange(len(data)) % 6
    data["k"] = np.minimum(data["n"], data["count"] % 4)
    return data


@pytest.fixture(scope="module")
def binary() -> Fit:
    return hand_made(glmm("event ~ age*trt + severity + (1 + age | id)", counted(), "bernoulli"), chains=2, draws=30)


@pytest.fixture(scope="module")
def trials() -> Fit:
    return hand_made(glmm("p(k, n) ~ age*trt + severity + (1 + age | id)", counted(), "binomial"), chains=2, draws=30)


def long_form(data: pd.DataFrame) -> pd.DataFrame:
    """Return one row a trial, with the outcome of each."""
    rows = data.loc[data.index.repeat(data["n"])].reset_index(drop=True)
    number = np.concatenate([np.arange(n) for n in data["n"]])
    return rows.assign(won=(number < rows["k"]).astype(int))


def estimated(fit: Fit, verb: str, frame: Frame, **options: Any) -> Estimates:
    arguments = {"predictions": {}, "comparisons": {"variables": "trt"}, "slopes": {"variables": "age"}}[verb]
    by = {"by": "severity"}
    return getattr(fit, verb)(**arguments, **by, frame=frame, seed=5, **options)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("verb", ["predictions", "comparisons", "slopes"])
def test_a_row_of_weight_w_is_w_rows(binary: Fit, verb: str, frame: Frame) -> None:
    data = counted()
    expanded = data.loc[data.index.repeat(data["persons"])]
    weighted = estimated(binary, verb, frame, new_data=data, weights="persons")
    np.testing.assert_allclose(
        weighted.flat, estimated(binary, verb, frame, new_data=expanded).flat, rtol=1e-12, atol=1e-14
    )
    assert "each row counting by its persons" in weighted.estimand
    once = estimated(binary, verb, frame, new_data=data)
    assert "each row counting once" in once.estimand
    assert np.abs(weighted.flat - once.flat).max() > 1e-3


@pytest.mark.parametrize("comparison", ["odds_ratio", "ratio_within_rows", "log_odds_ratio_of_means"])
def test_ratios_of_weighted_rows_are_those_of_the_expanded_rows(binary: Fit, comparison: Any) -> None:
    data = counted()
    expanded = data.loc[data.index.repeat(data["persons"])]
    options: dict[str, Any] = {"comparison": comparison, "frame": ("typical", "population")}
    weighted = binary.comparisons("trt", new_data=data, weights="persons", **options)
    np.testing.assert_allclose(
        weighted.flat, binary.comparisons("trt", new_data=expanded, **options).flat, rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("verb", ["predictions", "comparisons", "slopes"])
def test_successes_among_trials_are_averaged_as_the_single_trials_are(trials: Fit, verb: str) -> None:
    rows = long_form(counted())
    single = hand_made(glmm("won ~ age*trt + severity + (1 + age | id)", rows, "bernoulli"), chains=2, draws=30)
    np.testing.assert_array_equal(single.posterior["beta"], trials.posterior["beta"])
    arguments = {"predictions": {}, "comparisons": {"variables": "trt"}, "slopes": {"variables": "age"}}[verb]
    for frame in FRAMES:
        options: dict[str, Any] = {"by": "severity", "frame": frame, "seed": 5}
        found = getattr(trials, verb)(**arguments, **options)
        expected = getattr(single, verb)(**arguments, **options).flat
        tolerance = 1e-8 if verb == "slopes" else 1e-12  # slopes are differences over a step of 1e-4 sd of the rows
        np.testing.assert_allclose(found.flat, expected, rtol=tolerance, atol=1e-14)
        assert "each row counting by its trials" in found.estimand
        by_name = getattr(trials, verb)(**arguments, **options, weights="trials", new_data=counted())
        np.testing.assert_array_equal(by_name.flat, found.flat)
    once = getattr(trials, verb)(**arguments, by="severity", weights="rows")
    assert "each row counting once" in once.estimand
    assert np.abs(once.flat - getattr(trials, verb)(**arguments, by="severity").flat).max() > 1e-4


def test_the_average_over_trials_is_that_of_the_marginal_coefficients(trials: Fit) -> None:
    """Least squares with an intercept keeps the weighted mean of g(E(Y | x)): the average on the link scale."""
    marginal = trials.coefficients().link_draws.sel(frame="marginal").values.reshape(60, -1)
    x, n = trials.model.design.x, counted()["n"].to_numpy()
    means = special.logit(trials.predictions(frame="population").flat)
    np.testing.assert_allclose(marginal @ (x.T @ n) / n.sum(), means @ n / n.sum(), rtol=1e-10)


def test_groups_are_averaged_by_the_same_weights(trials: Fit, binary: Fit) -> None:
    for fit, counts in ((trials, counted()["n"].to_numpy()), (binary, np.ones(60))):
        found, rows = fit.group_means(), fit.predictions(frame="group").flat
        by_group = fit.predictions(by="id", frame=("group", "population")).flat
        np.testing.assert_allclose(found.draws.values.reshape(60, -1), by_group[:, ::2], rtol=1e-12)
        np.testing.assert_allclose(found.population.values.reshape(60, -1), by_group[:, 1::2], rtol=1e-12)
        for j, (_, index) in enumerate(counted().groupby("id").indices.items()):
            expected = np.average(rows[:, index], axis=1, weights=counts[index])
            np.testing.assert_allclose(by_group[:, 2 * j], expected, rtol=1e-12)
    assert "each row counting by its trials" in str(trials.group_means()).replace("\n", " ")
    np.testing.assert_allclose(trials.group_means().raw, counted().groupby("id")[["k", "n"]].sum().eval("k / n"))
    once = trials.group_means(weights="rows").raw
    np.testing.assert_allclose(once, counted().assign(p=lambda data: data["k"] / data["n"]).groupby("id")["p"].mean())
    with pytest.raises(DataError, match="all rows with id = 2 are 0"):
        binary.group_means(weights="trt")


def test_new_data_without_trials_count_once_and_say_so(trials: Fit) -> None:
    new = counted().drop(columns=["k", "n"])
    found = trials.predictions(new, by="trt")
    assert "each row counting once, for lack of the trials of p(k, n)" in found.estimand
    np.testing.assert_array_equal(found.flat, trials.predictions(by="trt", weights="rows").flat)
    with pytest.raises(DataError, match="needs 'n', which new_data does not have"):
        trials.predictions(new, by="trt", weights="trials")


def asthma() -> Fit:
    """Return the asthma model at b = 0 with the coefficients that emmeans was given."""
    formula = 'control ~ C(treat, Treatment("Usual"))*weeks + severity + (1 | id)'
    fit = hand_made(glmm(formula, datasets.load("asthma"), "bernoulli"), chains=1, draws=2)
    values = EMMEANS["asthma"]["beta"]
    names = [name.split("T.")[-1].replace("]", "") for name in map(str, fit.posterior["coef"].values)]
    return at(fit, beta=[values[name] for name in names])


def test_equal_weights_are_the_reference_grid_of_emmeans() -> None:
    reference, fit = EMMEANS["asthma"], asthma()
    options: dict[str, Any] = {"weights": "equal", "frame": "typical"}
    for by in ("treat", "severity"):
        for scale in ("link", "response"):
            table = fit.predictions(by=by, scale=scale, **options).table.set_index(by)["mean"]
            expected = reference[f"{by}, {scale}"]
            np.testing.assert_allclose(table[list(expected)], list(expected.values()), rtol=1e-8)
    for weeks in (0, 48):
        table = fit.predictions(by="treat", scale="link", at={"weeks": weeks}, **options).table.set_index("treat")
        expected = reference[f"treat at weeks {weeks}, link"]
        np.testing.assert_allclose(table["mean"][list(expected)], list(expected.values()), rtol=1e-8)
    slopes = fit.slopes("weeks", by="treat", scale="link", **options).table.set_index("treat")["mean"]
    expected = reference["slope of weeks by treat, link"]
    np.testing.assert_allclose(slopes[list(expected)], list(expected.values()), rtol=1e-6)


def test_odds_ratios_of_the_typical_child_are_those_of_emmeans() -> None:
    """Whatever the weights, since the model has no interaction of treatment and severity."""
    fit = asthma()
    for weights in ("equal", "rows"):
        found = fit.comparisons(
            {"treat": ["Steroid", "Usual"]},
            comparison="odds_ratio",
            frame="typical",
            at={"weeks": [0, 48]},
            weights=weights,
        )
        expected = EMMEANS["asthma"]["odds ratio Usual / Steroid at weeks"]
        np.testing.assert_allclose(found.table["mean"], list(expected.values()), rtol=1e-8)


def test_a_number_of_two_values_is_a_factor_of_the_grid_as_in_emmeans() -> None:
    reference = EMMEANS["seizure"]
    fit = hand_made(glmm("count ~ trt*time + age", datasets.load("seizure"), "poisson"), chains=1, draws=2)
    names = map(str, fit.posterior["coef"].values)
    fit = at(fit, beta=[reference["beta"][name] for name in names])
    for scale in ("link", "response"):
        found = fit.predictions(by="trt", scale=scale, weights="equal")
        np.testing.assert_allclose(found.table["mean"], list(reference[f"trt, {scale}"].values()), rtol=1e-8)
    assert "all 4 combinations of trt, time, with age = 28.8 (its mean)" in found.estimand
    assert "averaged on the response scale and not on that of the link" in found.estimand
    assert "each cell of the reference grid counting once" in found.estimand
    ratio = fit.comparisons("trt", comparison="ratio", frame="typical", weights="equal")
    np.testing.assert_allclose(ratio.table["mean"], reference["ratio trt 1 / 0"], rtol=1e-8)


def test_the_grid_holds_offsets_at_their_mean_unless_they_are_set() -> None:
    fit = seizure_fit(chains=1, draws=20)
    found = fit.predictions(by="trt", weights="equal")
    grid = pd.DataFrame({"trt": [0, 0, 1, 1], "time": [0, 1, 0, 1], "weeks": seizure_like()["weeks"].mean()})
    np.testing.assert_allclose(found.flat, fit.predictions(grid, by="trt").flat, rtol=1e-12)
    assert "weeks = 3.2 (its mean), at offset log(weeks)" in found.estimand
    rates = fit.predictions(by="trt", weights="equal", at={"weeks": 1})
    np.testing.assert_allclose(rates.flat, found.flat / 3.2, rtol=1e-12)


@pytest.mark.parametrize("frame", ["typical", "population", "group"])
def test_curves_averaged_over_rows_are_averages_with_the_focal_column_set(trials: Fit, frame: Frame) -> None:
    for weights in ("trials", "rows"):
        found = trials.conditional_effects("age", by="trt", at={"age": [-1, 0.5]}, weights=weights, frame=frame)
        expected = trials.predictions(by=[], at={"trt": [0, 1], "age": [-1, 0.5]}, weights=weights, frame=frame)
        assert found.table[["age", "trt"]].to_numpy().tolist() == expected.table[["age", "trt"]].to_numpy().tolist()
        np.testing.assert_allclose(found.flat, expected.flat, rtol=1e-12)
    assert "over age, by trt; averaged over the 60 observed rows, each row counting once" in found.estimand


def test_curves_averaged_over_the_grid_are_rates_where_means_held_are() -> None:
    data = counted()
    fit = hand_made(glmm("count ~ trt*severity + offset(log(weeks)) + (1 | id)", data, "poisson"), chains=1, draws=20)
    found = fit.conditional_effects("trt", weights="equal")
    expected = fit.predictions(by="trt", at={"weeks": 1}, weights="equal")
    np.testing.assert_allclose(found.flat, expected.flat, rtol=1e-12)
    assert "per unit of weeks" in found.estimand
    assert "weeks = " not in found.estimand
    assert "all 3 combinations of severity" in found.estimand


def test_the_grid_takes_observed_groups_where_they_are_given(binary: Fit) -> None:
    found = binary.predictions(by="id", weights="equal", frame="group")
    grid = pd.DataFrame(
        [
            {"id": i, "trt": trt, "severity": severity, "age": counted()["age"].mean()}
            for i in range(1, 13)
            for trt in (0, 1)
            for severity in ("Mild", "Moderate", "Severe")
        ]
    )
    np.testing.assert_allclose(found.flat, binary.predictions(grid, by="id", frame="group").flat, rtol=1e-12)
    with pytest.raises(OptionError, match="needs an observed level of 'id'"):
        binary.predictions(by="trt", weights="equal", frame="group")


def test_row_weights_are_numbers_of_rows(trials: Fit) -> None:
    request = read_request(trials, "population", "response", 0.95, None)
    columns = trials.model.design.columns
    np.testing.assert_array_equal(row_weights(request, columns, None), counted()["n"])
    np.testing.assert_array_equal(row_weights(request, columns, "rows"), np.ones(60))
    np.testing.assert_array_equal(row_weights(request, columns, "trt"), counted()["trt"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "persns"}, OptionError, "'persns' is not a column of the model's data or of new_data"),
        ({"weights": "trails"}, OptionError, "did you mean 'trials'"),
        ({"weights": 3}, OptionError, "weights=3 is not text"),
        ({"weights": "trials"}, OptionError, "is not of successes among trials"),
        ({"weights": "severity"}, DataError, "holds labels"),
        ({"weights": "less"}, DataError, "has -1 in row 2"),
        ({"weights": "absent"}, DataError, "missing"),
        ({"weights": "trt"}, DataError, "all rows with trt = 0 are 0"),
        ({"weights": "persons", "by": None}, OptionError, "weights= is of averages"),
        ({"weights": "equal"}, OptionError, "not over new_data"),
    ],
)
def test_what_no_row_can_count_is_refused(
    binary: Fit, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    data = counted()
    data["less"] = np.where(data.index == 2, -1, 1)
    data["absent"] = np.where(data.index == 2, np.nan, 1)
    with pytest.raises(error, match=message):
        binary.predictions(data, **{"by": "trt", **options})


def test_the_grid_refuses_what_it_does_not_have(binary: Fit, trials: Fit) -> None:
    with pytest.raises(OptionError, match="by='event' is not in the reference grid"):
        binary.predictions(by="event", weights="equal")
    with pytest.raises(OptionError, match="give by=\\[\\] for one average"):
        binary.predictions(weights="equal")
    with pytest.raises(OptionError, match="over its own rows"):
        trials.group_means(weights="equal")
    named = counted().rename(columns={"severity": "equal"})
    fit = hand_made(glmm("event ~ age + equal + (1 | id)", named, "bernoulli"), chains=1, draws=4)
    with pytest.raises(OptionError, match="a keyword and a column of the data has that name"):
        fit.predictions(by="equal", weights="equal")
