"""Curves of groups beside the typical group's and the population's."""

import numpy as np
import pytest

import bayesglmm as bg


@pytest.fixture(scope="module")
def fit() -> bg.MLFit:
    data = bg.datasets.load("toenail")
    return bg.maximum_likelihood("outcome ~ month*treatment + (1 | id)", data, "bernoulli", nodes=9, draws=100)


def test_curves_are_those_of_the_frames(fit: bg.MLFit) -> None:
    found = fit.subject_curves("month", at={"treatment": 1}, most=5)
    averages = fit.conditional_effects("month", frame=("typical", "population"), at={"treatment": 1})
    np.testing.assert_array_equal(found.averages.table["median"], averages.table["median"])
    assert found.groups.table["id"].nunique() == 5
    one = found.groups.table["id"].iloc[0]
    alone = fit.conditional_effects("month", frame="group", at={"treatment": 1, "id": one})
    ours = found.groups.table[found.groups.table["id"] == one]
    np.testing.assert_allclose(ours["median"], alone.table["median"])
    assert set(found.table["frame"]) == {"group", "typical", "population"}
    assert "5 levels of id" in found.plot().get_label()
    assert "Frame typical" in " ".join(str(found).split())


def test_the_attenuation_stands_below_the_coefficients(fit: bg.MLFit) -> None:
    found = fit.coefficients()
    assert list(found.attenuation.index) == ["month", "treatment", "month:treatment"]
    assert 0.3 < found.attenuation["month"] < 0.6
    assert "marginal / conditional" in str(found)
    assert f"month {found.attenuation['month']:.2f}" in str(found)
    linear = bg.maximum_likelihood(
        "Reaction ~ Days + (1 | Subject)", bg.datasets.load("sleepstudy"), "gaussian", draws=50
    )
    assert "marginal / conditional" not in str(linear.coefficients())


def test_several_factors_are_refused() -> None:
    data = {
        "y": [0.0, 1.0, 2.0, 1.5, 0.7, 0.1, 0.3, 1.2],
        "x": np.arange(8.0),
        "a": list("aabbccdd"),
        "b": list("xyxyxyxy"),
    }
    fit = bg.maximum_likelihood("y ~ x + (1 | a) + (1 | b)", data, "gaussian", method="laplace", draws=20)
    with pytest.raises(bg.errors.OptionError, match="levels of b"):
        fit.subject_curves("x", "a")
