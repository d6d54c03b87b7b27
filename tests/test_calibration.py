"""The ranks of true parameters among posterior draws are uniform, and the test of it can fail.

Simulation, refits and test are those of benchmarks/, on few data sets here.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import calibration
import simulation
import uniformity
from calibration import L, Refit

LEVEL = 1e-4
"""Of each test: some ten quantities a setting, at a fixed seed."""


def p_values(setting: str, refits: list[Refit]) -> dict[str, float]:
    assert all(one.draws is not None for one in refits)
    table = calibration.tests(setting, refits)
    return dict(zip(table["quantity"], table[["p_ecdf", "p_chi_square"]].min(axis=1), strict=True))


def uniform(setting: str, refits: list[Refit]) -> None:
    failed = {name: p for name, p in p_values(setting, refits).items() if p < LEVEL}
    assert not failed, failed


def scaled(refits: list[Refit], column: int, factor: float) -> list[Refit]:
    """A posterior that is wrong in one quantity."""
    factors = np.ones(refits[0].truth.size)
    factors[column] = factor
    return [replace(one, draws=one.draws * factors) for one in refits]


def from_prior(setting: str, datasets: int, seed: int) -> list[Refit]:
    """What a sampler returns that does not look at the data."""
    refits = []
    for index in range(datasets):
        model, true, own = simulation.forward(setting, seed, index)
        rng = np.random.default_rng(own)
        draws = [simulation.quantities(model, simulation.truth(model, rng)) for _ in range(L)]
        refits.append(Refit(simulation.quantities(model, true), np.array(draws)))
    return refits


@pytest.fixture(scope="module")
def refits() -> list[Refit]:
    return calibration.run("poisson_2", datasets=60, seed=11, processes=1, attempts=(1,))


def test_ranks_are_uniform(refits):
    uniform("poisson_2", refits)


def test_a_wrong_sd_is_found(refits):
    names = simulation.names(simulation.SETTINGS["poisson_2"].model())
    for name in ("sd[Intercept]", "sd[time]"):
        wrong = p_values("poisson_2", scaled(refits, names.index(name), 1.5))
        assert wrong[name] < LEVEL
        assert min(p for other, p in wrong.items() if other != name) >= LEVEL


def test_a_posterior_that_ignores_the_data_is_found_by_its_likelihood_alone():
    """For the parameters the prior is calibrated: why the likelihood is ranked beside them."""
    p = p_values("bernoulli_2", from_prior("bernoulli_2", datasets=60, seed=12))
    assert p.pop("log likelihood") < LEVEL
    assert min(p.values()) >= LEVEL


def test_one_seed_gives_one_data_set():
    (model, true, seed), (again, _, same) = (simulation.forward("poisson_2", 3, 5) for _ in range(2))
    other, _, another = simulation.forward("poisson_2", 3, 6)
    assert np.array_equal(model.design.outcome.y, again.design.outcome.y)
    assert seed == same != another
    assert not np.array_equal(model.design.outcome.y, other.design.outcome.y)
    assert list(true) == ["beta", "sd_id", "corr_id", "b_id"]


def test_onion_is_the_lkj_distribution():
    """Every correlation of LKJ(eta) is 2 Beta(a, a) − 1 with a = eta + (k − 2)/2."""
    rng = np.random.default_rng(4)
    for eta, k in ((2.0, 2), (1.0, 3), (2.0, 4)):
        factors = np.array([simulation.onion(eta, k, rng) for _ in range(2000)])
        omega = factors @ factors.transpose(0, 2, 1)
        a = eta + (k - 2) / 2
        for i, j in zip(*np.tril_indices(k, -1), strict=True):
            assert stats.kstest((omega[:, i, j] + 1) / 2, stats.beta(a, a).cdf).pvalue > 1e-3


def test_band_and_p_value_are_exact():
    """Of uniform ranks 5 % leave the band, and 5 % have p < 0.05: within four standard errors."""
    rng, n = np.random.default_rng(5), 60
    low, high = uniformity.band(n, L)
    some = rng.integers(0, L + 1, (2000, n))
    counts = np.array([uniformity.counts_below(one, L) for one in some])
    outside = ((counts < low) | (counts > high)).any(axis=1)
    rejected = np.array([uniformity.p_value(one, L) < 0.05 for one in some])
    for share in (outside.mean(), rejected.mean()):
        assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2000)


def test_a_shifted_distribution_of_ranks_is_found():
    rng = np.random.default_rng(6)
    low_half = np.minimum(*rng.integers(0, L + 1, (2, 500)))
    assert uniformity.p_value(low_half, L) < 1e-10
    assert uniformity.chi_square(low_half, L) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("setting", list(simulation.SETTINGS))
def test_ranks_are_uniform_over_many_data_sets(setting):
    uniform(setting, calibration.run(setting, datasets=500, seed=13, processes=2))


@pytest.mark.slow
def test_another_prior_than_the_truths_is_found():
    """The whole way: data from sd ~ half_normal(1), refitted under half_normal(0.2)."""
    wrong = replace(
        simulation.SETTINGS["poisson_2"], priors={**simulation.SETTINGS["poisson_2"].priors, "sd": "half_normal(0.2)"}
    ).model()
    refits = []
    for index in range(100):
        model, true, seed = simulation.forward("poisson_2", 14, index)
        refits.append(calibration.refit(replace(model, priors=wrong.priors), true, seed))
    assert p_values("poisson_2", refits)["sd[Intercept]"] < LEVEL
