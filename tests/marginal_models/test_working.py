"""Working correlations: their inverses are those of their matrices, and their estimates minimise what they say."""

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg
from bayesglmm.errors import DataError, OptionError
from bayesglmm.marginal_models.working import Autoregressive, Groups, Unstructured

FORMULA = "y ~ 1 + (1 | g)"


def groups(index, time, weight=None, name="time") -> Groups:
    return Groups(np.array(index), np.ones(len(index)) if weight is None else weight, np.array(time), name, 1)


@pytest.mark.parametrize("alpha", [0.7, -0.4])
def test_autoregressive_solves_as_its_matrix_does_in_any_order_of_rows(alpha):
    time = np.array([3, 1, 7, 2, 10, 4])
    working = Autoregressive(groups([0, 0, 0, 0, 0, 1], time))
    matrix = alpha ** np.abs(time[:5, None] - time[:5]).astype(float)
    right = np.random.default_rng(2).normal(size=(5, 3))
    np.testing.assert_allclose(working.solve(alpha, 0, right), np.linalg.solve(matrix, right))
    np.testing.assert_array_equal(working.solve(alpha, 1, right[:1]), right[:1])


def test_autoregressive_at_unequal_distances_minimises_the_squares_of_products_less_powers():
    rng = np.random.default_rng(5)
    index, time = np.repeat(np.arange(60), 6), np.cumsum(rng.choice([1.0, 2.5, 4.0], size=360))
    weight = rng.integers(1, 4, size=360).astype(float)
    e = np.zeros(360)
    for row in range(360):
        first = row % 6 == 0
        rho = 0.0 if first else 0.8 ** (time[row] - time[row - 1])
        e[row] = rho * e[row - 1] + np.sqrt(1 - rho**2) * rng.normal()
    working = Autoregressive(groups(index, time, weight))
    e *= np.sqrt(weight)
    alpha = working.estimate(e, 1.0)
    later = np.flatnonzero(np.arange(360) % 6 > 0)
    steps = (time[later] - time[later - 1]) / working.step
    pair = np.sqrt(weight[later] * weight[later - 1])
    products = e[later] * e[later - 1] / (e @ e / weight.sum()) / pair

    def loss(value):
        return (pair * (products - value**steps) ** 2).sum()

    assert working.step == 1
    assert 0.6 < alpha < 0.95
    assert loss(alpha) < min(loss(alpha - 1e-5), loss(alpha + 1e-5))


def test_the_unit_of_time_does_not_matter_and_the_step_is_said():
    table = bg.datasets.load("asthma")
    formula = "control ~ treat*weeks + (1 | id)"
    by_visit, by_week = (bg.gee(formula, table, "bernoulli", "autoregressive", time=t) for t in ("visit", "weeks"))
    np.testing.assert_allclose(by_week.beta, by_visit.beta, rtol=1e-12)
    assert by_week.correlation == pytest.approx(by_visit.correlation)
    assert "at a distance of 12 in weeks" in str(by_week)
    assert "between neighbours" in str(bg.gee(formula, table, "bernoulli", "autoregressive"))


def test_a_missing_visit_is_a_longer_distance_and_not_the_next_row():
    table = bg.datasets.load("asthma").query("visit not in (2, 3) or id % 2 == 0")
    formula = "control ~ treat*weeks + (1 | id)"
    by_visit = bg.gee(formula, table, "bernoulli", "autoregressive", time="visit")
    by_row = bg.gee(formula, table, "bernoulli", "autoregressive")
    assert abs(by_visit.correlation - by_row.correlation) > 1e-3


def test_negative_correlations_at_fractional_distances_end_at_zero():
    index, time = np.repeat(np.arange(40), 3), np.tile([0.0, 1.0, 2.6], 40)
    e = np.tile([1.0, -0.9, 0.8], 40) * np.random.default_rng(1).uniform(0.5, 1.5, 120)
    assert Autoregressive(groups(index, time)).estimate(e, 1.0) == 0.0
    assert Autoregressive(groups(index, np.tile([0.0, 1.0, 2.0], 40))).estimate(e, 1.0) < -0.5


def test_unstructured_uses_the_visits_of_each_group():
    rng = np.random.default_rng(4)
    index, visit = np.repeat(np.arange(30), 3), np.tile([1, 2, 3], 30)
    present = rng.random(90) > 0.2
    index, visit = np.unique(index[present], return_inverse=True)[1], visit[present]
    e = rng.normal(size=len(index))
    working = Unstructured(groups(index, visit, name="visit"))
    alpha = working.estimate(e, 1.0)
    wide = pd.DataFrame({"g": index, "v": visit, "e": e}).pivot(index="g", columns="v", values="e")
    expected = (wide[1] * wide[3]).mean() / (e @ e / len(e))
    np.testing.assert_allclose(alpha[0, 2], expected)
    table = working.shown(alpha)
    assert list(table.index) == [1, 2, 3]
    assert table.index.name == "visit"
    group = int(np.flatnonzero(wide[2].isna() & wide[1].notna() & wide[3].notna())[0])
    right = rng.normal(size=(2, 2))
    matrix = alpha[np.ix_([0, 2], [0, 2])]
    np.testing.assert_allclose(working.solve(alpha, group, right), np.linalg.solve(matrix, right))


def table(**columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"g": np.repeat(range(20), 4), "y": rng.normal(size=80), **columns})


def test_unstructured_refuses_groups_whose_rows_are_not_visits():
    with pytest.raises(OptionError, match=r"groups have 2 to 4 rows.*pass time="):
        bg.gee(FORMULA, table()[2:], "gaussian", "unstructured")
    irregular = table(when=np.arange(80.0))
    with pytest.raises(OptionError, match="unstructured correlation of 80 visits has 3160 parameters"):
        bg.gee(FORMULA, irregular, "gaussian", "unstructured", time="when")


def test_estimates_that_are_no_correlation_are_refused_with_a_remedy():
    seizure = bg.datasets.load("seizure")
    with pytest.raises(OptionError, match=r"no correlation matrix.*autoregressive"):
        bg.gee("count ~ trt*time + offset(log(weeks)) + (1 | id)", seizure, "poisson", "unstructured")
    opposed = table(y=np.tile([1.0, -1.0], 40), g=np.repeat(range(40), 2))
    with pytest.raises(OptionError, match=r"of up to 2 rows a correlation lies between -1 and 1.*independence"):
        bg.gee(FORMULA, opposed, "gaussian", "exchangeable")


def test_times_are_told_apart_and_are_numbers_where_distances_count():
    with pytest.raises(DataError, match=r"group 0 has two rows with when = 1"):
        bg.gee(FORMULA, table(when=np.tile([0, 1, 1, 2], 20)), "gaussian", "autoregressive", time="when")
    labels = table(when=np.tile(["a", "b", "c", "d"], 20))
    with pytest.raises(DataError, match="labels or dates"):
        bg.gee(FORMULA, labels, "gaussian", "autoregressive", time="when")
    assert list(bg.gee(FORMULA, labels, "gaussian", "unstructured", time="when").correlation.index) == list("abcd")
    with pytest.raises(DataError, match="no column 'wenn'"):
        bg.gee(FORMULA, labels, "gaussian", "unstructured", time="wenn")
    with pytest.raises(OptionError, match="name of a column"):
        bg.gee(FORMULA, labels, "gaussian", "unstructured", time=labels["when"])
    holes = table(when=np.tile([0, 1, np.nan, 2], 20))
    for missing in ("error", "drop"):
        with pytest.raises(DataError, match="missing values"):
            bg.gee(FORMULA, holes, "gaussian", "autoregressive", time="when", missing=missing)
