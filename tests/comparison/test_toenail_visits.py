"""A group left out whole is predicted row by row: the conditional densities multiply to that of the group."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

import bayesglmm as bg
from bayesglmm.marginalize.group_likelihood import group_log_likelihood

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from toenail_visits import by_visits_known, gains


@pytest.fixture(scope="module")
def fit() -> bg.Fit:
    """Return a fit to patients of whom every third was seen once."""
    data = bg.datasets.load("crossover")
    data = data[(data["period"] == 0) | (data["id"] % 3 > 0)]
    return bg.fit("outcome ~ trt + period + (1 | id)", data, "bernoulli", seed=1, progress=False)


def test_densities_visit_by_visit_multiply_to_that_of_the_patient_left_out(fit: bg.Fit) -> None:
    steps = by_visits_known(fit, thin=1)
    whole = group_log_likelihood(fit)
    log_weights, _ = whole.azstats.psislw(dim=["chain", "draw"])
    expected = special.logsumexp((log_weights + whole).transpose("id", ...).values, axis=(1, 2))
    np.testing.assert_allclose(np.nansum(steps, axis=1), expected, atol=1e-9)
    once = fit.model.data.groupby("id").size().to_numpy() == 1
    np.testing.assert_array_equal(np.isnan(steps), np.column_stack([np.zeros_like(once), once]))


def test_a_first_visit_is_predicted_by_the_population_mean_of_fits_without_the_patient(fit: bg.Fit) -> None:
    """Of a patient seen once the first visit is all: its density is the mean of p(y | θ) over the weighted draws."""
    steps = by_visits_known(fit, thin=1)
    alone = np.flatnonzero(np.isnan(steps[:, 1]))[0]
    row = np.flatnonzero(fit.model.design.blocks[0].index == alone)[0]
    probability = fit.epred(frame="population").isel(row=row).values.ravel()
    density = probability if fit.model.design.outcome.y[row] else 1 - probability
    assert steps[alone, 0] == pytest.approx(-np.log(np.mean(1 / density)), abs=2e-3)  # smoothing of the weights


def test_gains_are_sums_over_patients_who_came(fit: bg.Fit) -> None:
    steps = by_visits_known(fit, thin=8)
    lines = gains({"intercepts": steps, "slopes": steps + 0.5})
    assert lines["patients"].tolist() == [67, np.isfinite(steps[:, 1]).sum()]
    np.testing.assert_allclose(lines["gain"], 0.5 * lines["patients"])
    np.testing.assert_allclose(lines["se"], 0, atol=1e-12)
