"""Dispersion and zeros: the values by other software, faults that are found, true models that are not accused."""

import sys
from pathlib import Path

import numpy as np
import pytest
from handmade import at, hand_made, seizure_like
from scipy import stats

from bayesglmm import Fit, glmm
from bayesglmm.errors import OptionError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from planted_faults import fitted, nothing, overdispersion, zero_inflation


@pytest.fixture(scope="module")
def true() -> Fit:
    return fitted(nothing(1))


def test_dispersion_of_the_seizure_study_is_that_of_lme4(seizure_fit: Fit) -> None:
    """R 4.2.2, lme4 1.1.31: X² = 384.6656 over df.residual = 288, for glmer(count ~ trt*time + offset(log(weeks)) +
    (1 + time | id), family = poisson) and sum(residuals(f, type = "pearson")^2). Modes differ from posterior means.
    """
    found = seizure_fit.dispersion(seed=1)
    assert "288 degrees of freedom" in found.estimand
    assert found.value == pytest.approx(384.6656 / 288, abs=0.02)
    assert found.p_value == 0
    assert found.reading.startswith("Overdispersion")
    assert 'family="negative_binomial"' in found.advice[0]
    assert "(1 | row)" in found.advice[0]


def test_dispersion_by_draw_is_pearsons_statistic() -> None:
    fit = hand_made(glmm("count ~ trt*time + offset(log(weeks)) + (1 + time | id)", seizure_like(), "poisson"))
    found = fit.dispersion(max_draws=10_000, seed=1)
    mean, y = fit.epred(frame="group"), fit.model.design.outcome.y
    np.testing.assert_allclose(found.draws["observed"], ((y - mean) ** 2 / mean).sum("row") / (60 - 7))
    middle = mean.mean(("chain", "draw"))
    assert found.value == pytest.approx(float(((y - middle) ** 2 / middle).sum()) / 53)
    assert float(found.draws["predicted"].mean()) == pytest.approx(60 / 53, rel=0.05)


def test_a_true_model_has_a_dispersion_of_1_and_its_number_of_zeros(true: Fit) -> None:
    for found in (true.dispersion(seed=1), true.zeros(seed=1), true.zeros(frame="population", seed=1)):
        assert 0.025 < found.p_value < 0.975
        assert found.advice == ()
    assert true.dispersion(seed=1).table.loc["observed", "mean"] == pytest.approx(1, abs=0.15)


def test_overdispersion_is_found_and_gone_under_the_negative_binomial() -> None:
    fit = fitted(overdispersion(1))
    assert fit.dispersion(seed=1).p_value < 0.01
    again = fit.update(family="negative_binomial", progress=False).dispersion(seed=1)
    assert 0.025 < again.p_value < 0.975
    by_row = fit.update("~ . + (1 | row)", data=overdispersion(1).assign(row=range(400)), progress=False)
    assert by_row.dispersion(seed=1).p_value > 0.025


def test_zero_inflation_is_found_as_zeros() -> None:
    found = fitted(zero_inflation(1)).zeros(seed=1)
    assert found.p_value < 0.001
    assert found.reading.startswith("More zeros than the model predicts")
    assert found.value > found.table.loc["predicted", "upper"]


def test_expected_zeros_are_exact() -> None:
    fit = hand_made(glmm("count ~ trt + (1 | id)", seizure_like(), "poisson"))
    found = fit.zeros(max_draws=10_000, seed=1)
    expected = stats.poisson.pmf(0, fit.epred(frame="group")).sum(axis=-1).mean()
    assert found.expected == pytest.approx(expected)
    assert found.table.loc["predicted", "mean"] == pytest.approx(expected, rel=0.05)
    assert found.value == (fit.model.design.outcome.y == 0).sum()


def test_binary_outcomes_are_refused_and_trials_are_not() -> None:
    binary = hand_made(glmm("event ~ trt + (1 | id)", seizure_like(), "bernoulli"))
    with pytest.raises(OptionError, match="overdispersion cannot be seen in single trials"):
        binary.dispersion()
    with pytest.raises(OptionError, match="zeros are counted among counts"):
        binary.zeros()
    trials = hand_made(glmm("p(event, size) ~ trt + (1 | id)", seizure_like(), "binomial"))
    assert "(1 | row)" in trials.dispersion(seed=1).advice[0]
    assert trials.zeros(seed=1).kind == "zeros"


def test_underdispersion_is_said() -> None:
    data = seizure_like(40)
    data["count"] = 9
    fit = at(
        hand_made(glmm("count ~ trt + (1 | id)", data, "poisson")), beta=[np.log(9.0), 0.0], b_id=np.zeros((40, 1))
    )
    found = fit.dispersion(seed=1)
    assert found.p_value == 1
    assert found.reading.startswith("Underdispersion")


def test_pictures_show_data_and_replicates(true: Fit) -> None:
    for found in (true.dispersion(seed=1), true.zeros(seed=1)):
        figure = found.plot()
        gids = {artist.get_gid() for artist in figure.axes[0].get_children()}
        assert "observed" in gids
        assert "held at their posterior draws" in str(figure.get_label())
        assert found.reading in str(figure.get_label())
        assert "<table" in found._repr_html_()
