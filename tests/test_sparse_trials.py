"""The intervals of simulated sparse trials are finite and hold their truth; stored results can be told from wrong ones.

Simulation, fits and table are those of benchmarks/, on few trials here.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import sparse_trials
from sparse_trials import BOUNDS, CELLS, covered, fitted, population_risk, simulate, summarise

from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.specify.families.links import get_link

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
STORED = BENCHMARKS / "sparse_trials"


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return pd.read_csv(STORED / "trials.csv")


def test_six_trials_give_finite_estimates():
    results = pd.DataFrame([asdict(one) for one in sparse_trials.run(6, seed=7, processes=1)])
    assert (results["failure"] == "").all()
    assert results["finite"].all()
    assert ((results["lower"] > -1) & (results["lower"] < results["upper"]) & (results["upper"] < 1)).all()
    assert results["largest"].max() < 20
    assert covered(results).sum() >= 4  # under 95 % coverage, fewer has probability 0.002


def test_a_trial_without_any_event_is_fitted_and_found_separated():
    trial = simulate(7, 0)
    result = fitted(0, replace(trial, data=trial.data.assign(y=0)))
    assert (result.failure, result.finite, result.separated_x) == ("", True, True)
    assert result.lower < 0 < result.upper


def test_an_error_is_counted_as_a_failure_and_a_miss():
    trial = simulate(7, 0)
    broken = fitted(0, replace(trial, data=trial.data.assign(y=2)))
    assert broken.failure.startswith("ResponseError")
    whole = summarise(pd.DataFrame([asdict(broken)])).iloc[0]
    assert (whole["failures"], whole["coverage"]) == (1, 0)


def test_the_truth_is_the_integral_over_the_random_effects():
    """The package's integral, which the benchmark leaves alone, is the same; so is an average over many patients."""
    for index in range(len(CELLS)):
        trial = simulate(3, index)
        eta, v = trial.intercept + np.array([0.0, trial.log_odds_ratio]), trial.true_sd**2
        assert_allclose(trial.truth, np.diff(mean_over_b(get_link("logit"), eta, v))[0], atol=1e-10)
    b = np.random.default_rng(1).normal(size=400_000)
    assert_allclose(population_risk(-3.0, 2.0), (1 / (1 + np.exp(3 - 2 * b))).mean(), atol=1e-3)


def test_trials_are_of_the_kind_described():
    for index in range(16):
        trial, again = simulate(5, index), simulate(5, index)
        pd.testing.assert_frame_equal(trial.data, again.data)
        rows, arms = trial.data.groupby("id").size(), trial.data.groupby("id")["trt"].nunique()
        assert 20 <= trial.patients <= 80
        assert rows.between(2, 4).all()
        assert (arms == (1 if trial.design == "parallel" else 2)).all()
        low, high = sparse_trials.RISKS[trial.risk]
        assert low <= population_risk(trial.intercept, trial.true_sd) <= high


def test_stored_coverage_is_what_is_said(stored):
    summary = summarise(stored)
    pd.testing.assert_frame_equal(summary, pd.read_csv(STORED / "summary.csv"), check_dtype=False, rtol=1e-3)
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert sparse_trials.report(summary, sparse_trials.SEED) in page
    whole = summary.iloc[0]
    assert BOUNDS[0] <= whole["coverage"] <= BOUNDS[1]
    assert whole["failures"] == whole["infinite"] == 0


def test_wrong_intervals_have_wrong_coverage(stored):
    """Half as wide or of the arms exchanged, they leave the bounds; at b = 0 they miss what the right ones hold."""
    middle, quarter = (stored["lower"] + stored["upper"]) / 2, (stored["upper"] - stored["lower"]) / 4
    wrong = {
        "narrow": stored.assign(lower=middle - quarter, upper=middle + quarter),
        "exchanged": stored.assign(lower=-stored["upper"], upper=-stored["lower"]),
    }
    for name, results in wrong.items():
        assert covered(results).mean() < BOUNDS[0], name
    right, typical = covered(stored), covered(stored, "typical_lower", "typical_upper")
    only = int((right & ~typical).sum()), int((~right & typical).sum())
    assert binomtest(only[0], sum(only), alternative="greater").pvalue < 1e-4
