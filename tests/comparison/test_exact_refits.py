"""Rows and groups left out, and folds, are predicted as by fits to data from which they were really removed.

Fits and comparison are those of benchmarks/left_out.py. What is compared are estimates from different draws: a unit's
difference has the Monte Carlo error of both, from fits of several seeds, or the ESS of a refit where that is large.
Differences by that error alone exceed 4 standard deviations once in 16,000 comparisons, and are once in 400 above three
times their expected root mean square even where a single unit dominates it; errors from few fits make both likelier.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from left_out import FILE, beside_folds, beside_loo, removed
from left_out_cases import CASES, fitted

from bayesglmm.comparison.left_out import log_predictive
from bayesglmm.posterior.pointwise import log_likelihood

SUM, RMS = 4, 3
UNITS = [(name, unit) for name, case in CASES.items() for unit in ("row", case.factor)]

# What fits say of themselves (some refits of 2,000 draws have an R-hat just above 1.01) is in their errors already.
pytestmark = pytest.mark.filterwarnings("ignore::bayesglmm.errors.BayesGLMMWarning")


def agrees(line: Any) -> None:
    assert abs(line["elpd_of_these"] - line["elpd_exact"]) < SUM * line["error"]
    assert line["rms"] < RMS * line["rms_monte_carlo"]
    assert line["rms_inside"] > RMS * line["rms_monte_carlo"]  # units that were not left out would be found


def test_a_row_and_a_herd_of_weight_0_are_predicted_as_if_they_were_removed() -> None:
    case = CASES["cbpp"]
    data = case.load()
    fit = fitted(case, data, 1)
    index = fit.model.design.blocks[0].index
    for gone, factor in ((np.arange(len(data)) == 2, None), (index == 0, "herd")):
        exact = removed(case, fit, data, gone, factor or "row", 7)
        ours = log_predictive(fit, fit._refit, gone, factor)
        assert abs(ours[0] - exact.values[0]) < SUM * np.sqrt(2) * exact.errors[0]  # two refits of as many draws
    of_row = removed(case, fit, data, np.arange(len(data)) == 2, "row", 7)
    inside = np.log(np.exp(log_likelihood(fit).values[..., 2]).mean())
    assert inside - of_row.values[0] > 2 * SUM * np.sqrt(2) * of_row.errors[0]  # a row that was not left out is found


def test_the_only_row_of_a_group_is_predicted_as_that_of_a_new_group() -> None:
    case = CASES["cbpp"]
    data = case.load()
    first = data.index[data["herd"] == data["herd"].iloc[0]]
    data = data.drop(first[1:]).reset_index(drop=True)
    fit = fitted(case, data, 1)
    gone = np.arange(len(data)) == 0
    drawn, integrated = (removed(case, fit, data, gone, unit, 7) for unit in ("row", "herd"))
    error = np.hypot(drawn.errors[0], integrated.errors[0])
    assert abs(drawn.values[0] - integrated.values[0]) < SUM * error
    by_weight = log_predictive(fit, fit._refit, gone, None)
    assert abs(by_weight[0] - drawn.values[0]) < SUM * np.sqrt(2) * drawn.errors[0]


FOLDS = [(name, f"5 folds of {unit}") for name in ("cbpp", "sleepstudy") for unit in ("row", CASES[name].factor)]
STORED = pd.read_csv(FILE)


@pytest.mark.parametrize("place", range(len(STORED)))
def test_stored_comparisons_agree(place: int) -> None:
    line = STORED.iloc[place]
    assert (line["study"], line["unit"]) in UNITS + FOLDS
    agrees(line)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_units_left_out_are_predicted_as_by_fits_without_them(name: str, unit: str) -> None:
    agrees(beside_loo(name, unit, 6, seed=11))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cbpp", "sleepstudy"])
@pytest.mark.parametrize("rows", [True, False])
def test_folds_are_predicted_as_by_fits_without_them(name: str, rows: bool) -> None:
    agrees(beside_folds(name, None if rows else CASES[name].factor, seed=11, draws=1000))
