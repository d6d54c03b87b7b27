"""Newton's method finds a maximum from afar, halves steps that overshoot, and ends where nothing is gained."""

import numpy as np
import pytest
from scipy import optimize

from bayesglmm.common.newton import Point, maximise

RNG = np.random.default_rng(3)
X = np.column_stack([np.ones(60), RNG.normal(size=(60, 2))])
Y = RNG.poisson(np.exp(X @ [1.0, 0.5, -0.3]))


def poisson(beta: np.ndarray) -> tuple[float, np.ndarray]:
    mu = np.exp(X @ beta)
    return float(Y @ (X @ beta) - mu.sum()), X.T @ (Y - mu)


def newton(point: Point) -> np.ndarray:
    return np.linalg.solve((X.T * np.exp(X @ point.x)) @ X, point.gradient)


@pytest.mark.parametrize("start", [np.zeros(3), np.array([-6.0, 3.0, 3.0])])
def test_it_finds_the_maximum_of_a_poisson_likelihood(start):
    point = maximise(poisson, newton, start, steps=100, least_gain=1e-16)
    expected = optimize.minimize(lambda beta: -poisson(beta)[0], np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(point.x, expected, atol=1e-5)
    assert np.abs(point.gradient).max() < 1e-6


def test_steps_never_lose_and_end_when_they_gain_less():
    values = [maximise(poisson, newton, np.array([-6.0, 3.0, 3.0]), steps=n, least_gain=0.0).value for n in range(12)]
    assert (np.diff(values) >= 0).all()
    early = maximise(poisson, newton, np.zeros(3), steps=100, least_gain=1.0)
    assert 1e-6 < float(newton(early) @ early.gradient) < 1.0


def test_a_start_without_a_value_is_returned():
    def nowhere(x: np.ndarray) -> tuple[float, np.ndarray]:
        return -np.inf, np.zeros(1)

    point = maximise(nowhere, lambda point: point.gradient, np.zeros(1), steps=5, least_gain=1e-9)
    assert (point.x == 0).all()
    assert point.value == -np.inf
