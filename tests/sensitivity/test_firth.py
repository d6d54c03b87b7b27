"""Firth's estimates are the published ones, and the maximum of the penalized likelihood by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayesglmm as bg
from bayesglmm.errors import DataError
from bayesglmm.sensitivity.firth import firth

SEX2 = Path(__file__).parents[3] / "shared" / "data" / "sex2.csv"


def columns(data: pd.DataFrame, names: list[str]) -> np.ndarray:
    return np.column_stack([np.ones(len(data)), data[names]])


@pytest.mark.skipif(not SEX2.exists(), reason="the data are not shipped")
def test_urinary_tract_infections_are_as_published():
    """logistf 1.26, `logistf(case ~ age + oc + vic + vicl + vis + dia, data = sex2)`; Heinze & Schemper (2002)."""
    data = pd.read_csv(SEX2)
    found = firth(columns(data, ["age", "oc", "vic", "vicl", "vis", "dia"]), data["case"].to_numpy(float))
    beta = [0.12025404, -1.10598130, -0.06881673, 2.26887464, -2.11140816, -0.78831694, 3.09601166]
    se = [0.4855415, 0.4236601, 0.4437934, 0.5484159, 0.5430824, 0.4173676, 1.6750220]
    np.testing.assert_allclose(found.beta, beta, atol=5e-7)
    np.testing.assert_allclose(found.se, se, rtol=2e-5)


def test_endometrial_cancer_is_as_published():
    """brglm2 0.9, `glm(HG ~ NV + PI + EH, binomial, endometrial, method = "brglmFit")`; Heinze & Schemper (2002)."""
    data = bg.datasets.load("endometrial")
    found = firth(columns(data, ["NV", "PI", "EH"]), data["HG"].to_numpy(float))
    np.testing.assert_allclose(found.beta, [3.77456, 2.92927, -0.03475, -2.60416], atol=6e-6)
    np.testing.assert_allclose(found.se, [1.48869, 1.55076, 0.03958, 0.77602], atol=6e-6)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(8)
    x = np.column_stack([np.ones(30), rng.normal(size=30), 100 * rng.normal(size=30)])
    trials = rng.integers(1, 6, 30).astype(float)
    return x, rng.binomial(trials.astype(int), 0.4).astype(float), trials, rng.normal(size=30)


def penalized(x, y, trials, offset, beta):
    p = special.expit(offset + x @ beta)
    information = x.T @ np.diag(trials * p * (1 - p)) @ x
    return np.sum(y * np.log(p) + (trials - y) * np.log(1 - p)) + 0.5 * np.log(np.linalg.det(information))


def test_the_penalized_likelihood_is_largest_there(table):
    x, y, trials, offset = table
    found = firth(x, y, trials, offset)
    assert found.penalized == pytest.approx(penalized(x, y, trials, offset, found.beta), rel=1e-12)
    for j, step in enumerate((1e-4, 1e-4, 1e-6)):
        move = step * np.eye(3)[j]
        up, down = (penalized(x, y, trials, offset, found.beta + sign * move) for sign in (1, -1))
        assert max(up, down) < found.penalized
        assert abs(up - down) < 0.02 * abs(up + down - 2 * found.penalized)


def test_trials_are_rows_put_together(table):
    x, y, trials, offset = table
    each = np.repeat(np.arange(30), trials.astype(int))
    apart = np.concatenate([np.arange(n) < s for n, s in zip(trials, y, strict=True)]).astype(float)
    one, other = firth(x, y, trials, offset), firth(x[each], apart, None, offset[each])
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-8)
    np.testing.assert_allclose(one.se, other.se, rtol=1e-8)


def test_columns_that_determine_each_other_are_refused(table):
    x, y, *_ = table
    with pytest.raises(DataError, match="not of full rank"):
        firth(np.column_stack([x, x[:, 1]]), y)
