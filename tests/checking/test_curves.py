"""The smoother is a linear regression where it must be; the envelope holds as many whole curves as it says."""

import numpy as np
import pytest

from bayesglmm.checking.envelope import envelope
from bayesglmm.checking.smoother import Smoother
from bayesglmm.plots.effect_quantiles import sorted_effects


def test_a_smoother_reproduces_lines_and_averages_few_values() -> None:
    rng = np.random.default_rng(1)
    x = rng.gamma(2.0, size=300)
    smoother = Smoother.of(x)
    np.testing.assert_allclose(smoother(3 - 2 * x), 3 - 2 * smoother.x, atol=1e-10)
    np.testing.assert_allclose(smoother(np.stack([x, 2 * x])), np.stack([smoother.x, 2 * smoother.x]), atol=1e-10)
    few = rng.integers(0, 4, 50).astype(float)
    y = rng.normal(size=50)
    np.testing.assert_allclose(Smoother.of(few)(y), [y[few == value].mean() for value in range(4)])
    assert not Smoother.of(few).curve
    heaped = np.where(rng.random(300) < 0.8, 0.0, rng.normal(size=300))
    assert np.isfinite(Smoother.of(heaped).weights).all()


def test_the_envelope_holds_95_of_100_curves() -> None:
    rng = np.random.default_rng(2)
    curves = np.exp(np.cumsum(rng.normal(size=(2000, 20)), axis=1) / 4)
    found = [envelope(one, curves[1000:]) for one in curves[:1000]]
    p_values = np.array([one.p_value for one in found])
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=5 * (0.05 * 0.95 / 1000) ** 0.5)
    assert p_values.mean() == pytest.approx(0.5, abs=0.05)
    outside = np.array([one.outside.any() for one in found])
    np.testing.assert_array_equal(outside, p_values <= 0.05)


def test_a_value_that_never_varies_is_no_fault_unless_the_data_have_another() -> None:
    replicated = np.random.default_rng(3).normal(size=(200, 3))
    replicated[:, 1] = 7.0
    assert envelope(np.array([0.1, 7.0, 0.0]), replicated).p_value > 0.5
    found = envelope(np.array([0.1, 7.5, 0.0]), replicated)
    assert found.p_value < 0.01
    assert found.outside.tolist() == [False, True, False]


def test_the_band_of_sorted_effects_is_that_of_normal_order_statistics() -> None:
    rng = np.random.default_rng(4)
    _, lower, upper = sorted_effects(np.ones((2, 15)), np.ones(2))
    samples = np.sort(rng.normal(size=(20_000, 15)), axis=1)
    low, high = np.quantile(samples, (0.025, 0.975), axis=0)
    np.testing.assert_allclose(lower, low, atol=0.06)
    np.testing.assert_allclose(upper, high, atol=0.06)
