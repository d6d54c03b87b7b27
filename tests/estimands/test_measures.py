"""Ratios and odds ratios are of averages or averages within rows, by name and by frame, and say which."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like
from scipy import special

from bayesglmm import Fit, glmm
from bayesglmm.estimands.frames import Frame
from bayesglmm.estimands.measures import COMPARISONS

FRAMES: tuple[Frame, ...] = ("typical", "population", "group", "new_group")


def scaled() -> pd.DataFrame:
    return seizure_like().assign(age=lambda data: data["age"] / 10 - 4)


@pytest.fixture(scope="module", params=["logit", "probit", "cloglog"])
def binary(request: pytest.FixtureRequest) -> Fit:
    model = glmm("event ~ age*trt + severity + (1 + age | id)", scaled(), "bernoulli", link=request.param)
    return hand_made(model, chains=2, draws=30)


LOGS = {
    "logit": lambda eta: (special.log_expit(eta), special.log_expit(-eta)),
    "probit": lambda eta: (special.log_ndtr(eta), special.log_ndtr(-eta)),
    "cloglog": lambda eta: (np.log(-np.expm1(-np.exp(eta))), -np.exp(eta)),
}
"""log p and log(1 − p) by the linear predictor, with their digits in both tails."""


def rows_at(fit: Fit, trt: int, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of log p and log(1 − p) of rows with the arm set, in one new group where groups are new."""
    data = scaled().assign(trt=trt)
    data = data.drop(columns="id") if frame == "new_group" else data
    if frame == "population":
        mean = fit.epred(data, frame=frame).values.reshape(-1, len(data))
        return np.log(mean), np.log1p(-mean)
    return LOGS[fit.model.family.link.name](fit.linpred(data, frame=frame, seed=5).values.reshape(-1, len(data)))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("ratio", ["ratio", "odds_ratio"])
def test_each_way_is_what_its_name_says(binary: Fit, ratio: str, frame: Frame) -> None:
    (low, not_low), (high, not_high) = (rows_at(binary, trt, frame) for trt in (0, 1))
    odds = ratio == "odds_ratio"
    within_rows = (high - low - odds * (not_high - not_low)).mean(axis=1)
    averages = [np.exp(each).mean(axis=1) for each in (low, not_low, high, not_high)]
    log_low, log_not_low, log_high, log_not_high = np.log(averages)
    of_means = log_high - log_low - odds * (log_not_high - log_not_low)
    ways = {
        "_of_means": of_means,
        "_within_rows": within_rows,
        "": within_rows if frame == "typical" else of_means,
    }
    for ending, expected in ways.items():
        for prefix, values in (("log_", expected), ("", np.exp(expected))):
            name: Any = f"{prefix}{ratio}{ending}"
            found = binary.comparisons("trt", comparison=name, frame=frame, seed=5)
            np.testing.assert_allclose(found.flat[:, 0], values, rtol=1e-9, atol=1e-11)
            assert found.shown.null == (0.0 if prefix else 1.0)
            is_within = expected is within_rows
            assert ("contrasted within each row" in found.estimand) == is_within
            assert ("of averages, not an average of" in found.estimand) == (not is_within)
    assert np.abs(of_means - within_rows).max() > 1e-3


def test_the_conditional_odds_ratio_is_exp_of_the_average_difference_of_linear_predictors() -> None:
    fit = hand_made(glmm("event ~ age*trt + severity + (1 | id)", scaled(), "bernoulli"), chains=2, draws=30)
    names = [str(name) for name in fit.posterior["coef"].values]
    beta = fit.posterior["beta"].values.reshape(60, -1)
    conditional = beta[:, names.index("trt")] + beta[:, names.index("age:trt")] * scaled()["age"].mean()
    found = fit.comparisons("trt", comparison="odds_ratio", frame="typical")
    np.testing.assert_allclose(found.flat[:, 0], np.exp(conditional), rtol=1e-12)
    link = fit.comparisons("trt", frame="typical", scale="link")
    np.testing.assert_allclose(np.log(found.flat), link.flat, rtol=1e-10, atol=1e-12)


def test_the_conditional_rate_ratio_is_too_and_keeps_its_digits_where_means_do_not() -> None:
    fit = hand_made(glmm("count ~ age*trt + (1 | id)", scaled(), "poisson"), chains=2, draws=30)
    beta = fit.posterior["beta"].values.reshape(60, -1)
    found = fit.comparisons("trt", comparison="ratio", frame="typical")
    expected = np.exp(beta[:, 2] + beta[:, 3] * scaled()["age"].mean())
    np.testing.assert_allclose(found.flat[:, 0], expected, rtol=1e-12)
    far = hand_made(glmm("event ~ age + trt + (1 | id)", scaled(), "bernoulli"), chains=2, draws=30)
    values = far.posterior["beta"].values.reshape(60, -1)
    at_one = far.comparisons("trt", comparison="odds_ratio", frame="typical", at={"age": 1e4})
    np.testing.assert_allclose(at_one.flat[:, 0], np.exp(values[:, 2]), rtol=1e-9)


def test_frames_of_one_table_each_have_their_way_and_the_sentence_says_which() -> None:
    fit = hand_made(glmm("event ~ age*trt + (1 | id)", scaled(), "bernoulli"), chains=2, draws=30)
    both = fit.comparisons("trt", comparison="odds_ratio", frame=("typical", "population"))
    for j, frame in enumerate(("typical", "population")):
        alone = fit.comparisons("trt", comparison="odds_ratio", frame=frame)
        np.testing.assert_array_equal(both.flat[:, j], alone.flat[:, 0])
    assert "in frame typical contrasted within each row" in both.estimand
    assert "in frame population averaged over the rows, then contrasted" in both.estimand
    assert "of averages, not an average of" not in fit.comparisons("trt", frame="typical").estimand


def test_a_frame_by_factor_is_typical_where_all_factors_are() -> None:
    data = scaled().assign(site=lambda frame: frame["id"] % 4)
    fit = hand_made(glmm("event ~ age*trt + (1 | id) + (1 | site)", data, "bernoulli"), chains=1, draws=30)
    options: dict[str, Any] = {"comparison": "odds_ratio"}
    typical = fit.comparisons("trt", frame={"id": "typical", "site": "typical"}, **options)
    np.testing.assert_array_equal(typical.flat, fit.comparisons("trt", frame="typical", **options).flat)
    mixed: dict[str, Frame] = {"id": "typical", "site": "population"}
    of_means = fit.comparisons("trt", frame=mixed, comparison="odds_ratio_of_means")
    np.testing.assert_array_equal(fit.comparisons("trt", frame=mixed, **options).flat, of_means.flat)


def test_without_groups_the_default_frame_standardises_and_typical_conditions() -> None:
    fit = hand_made(glmm("event ~ age*trt", scaled(), "bernoulli"), chains=1, draws=30)
    options: dict[str, Any] = {"comparison": "odds_ratio"}
    for frame, way in (("population", "odds_ratio_of_means"), ("typical", "odds_ratio_within_rows")):
        found = fit.comparisons("trt", frame=frame, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.flat, fit.comparisons("trt", comparison=way).flat)  # type: ignore[arg-type]


def test_differences_have_one_way() -> None:
    assert [name for name in COMPARISONS if name.startswith("difference")] == ["difference"]
    assert len(COMPARISONS) == 1 + 4 * 3
