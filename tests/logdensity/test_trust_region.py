"""The trust-region search stops by the gain that is left, and leaves saddle points."""

import numpy as np
import pytest

from bayesglmm.logdensity.trust_region import descend, region_step


class Quadratic:
    """A place of ½ Σ c (x − 1)²."""

    def __init__(self, at: np.ndarray, curvature: np.ndarray) -> None:
        self.at, self.curvature, self.noise = at, curvature, 0.0
        self.value = 0.5 * float(curvature @ (at - 1) ** 2)
        self.slope = curvature * (at - 1)


def test_descent_stops_by_what_is_left_in_units_of_the_function():
    curvature = np.array([1e14, 1.0, 1e-2])
    start, rough = Quadratic(np.zeros(3), curvature), np.diag(0.3 * curvature)

    def step_to(place: Quadratic, step: np.ndarray) -> Quadratic:
        return Quadratic(place.at + step, curvature)

    found, _ = descend(step_to, lambda _: rough, start, rough, decrement=1e-6, most=60)
    assert found.value < 1e-5


def test_a_step_leaves_a_saddle_even_where_the_slope_does_not_feel_it():
    step = region_step(np.array([0.0, 0.5]), np.diag([-1.0, 2.0]), 1.0)
    assert np.linalg.norm(step) == pytest.approx(1.0)
    assert abs(step[0]) > 0.9
    np.testing.assert_allclose(region_step(np.array([1.0, 1.0]), np.eye(2) * 10, 1.0), [-0.1, -0.1])
