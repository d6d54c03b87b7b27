import numpy as np
from scipy import optimize

from bayesglmm.density.quasi_newton import minimize


def test_the_minimum_of_a_curved_valley_is_that_of_scipy():
    start = np.array([-1.2, 1.0, 0.8])
    found, value, gradient = minimize(lambda x: (optimize.rosen(x), optimize.rosen_der(x)), start, np.eye(3), 1e-8)
    np.testing.assert_allclose(found, optimize.minimize(optimize.rosen, start, jac=optimize.rosen_der, tol=1e-8).x)
    assert value == optimize.rosen(found)
    assert np.abs(gradient).max() <= 1e-8


def test_a_quadratic_with_its_own_curvature_takes_one_step():
    hessian, calls = np.array([[4.0, 1.0], [1.0, 3.0]]), []

    def objective(x):
        calls.append(x)
        return 0.5 * float(x @ hessian @ x), hessian @ x

    found, _, _ = minimize(objective, np.array([5.0, -7.0]), np.linalg.inv(hessian), 1e-9)
    np.testing.assert_allclose(found, 0, atol=1e-12)
    assert len(calls) == 2


def test_walls_are_walked_around():
    """Beyond x = 1 there is no value: steps that end there are shortened."""

    def objective(x):
        if x[0] >= 1:
            return 1e100, np.zeros(1)
        return float(x[0] ** 2 - np.log(1 - x[0])), 2 * x + 1 / (1 - x)

    found, _, gradient = minimize(objective, np.array([-4.0]), 10 * np.eye(1), 1e-9)
    assert np.abs(gradient).max() <= 1e-9
    assert -4 < found[0] < 1
