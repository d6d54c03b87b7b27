"""Maximum likelihood by adaptive Gauss-Hermite quadrature, against references and by differences."""

import numpy as np
import pytest
from conftest import reference

import bayesglmm as bg
from bayesglmm.likelihood.maximise import maximise
from bayesglmm.likelihood.objective import Objective

TOENAIL = "outcome ~ month*treatment + (1 | id)"


@pytest.fixture(scope="module")
def toenail():
    return bg.glmm(TOENAIL, bg.datasets.load("toenail"), "bernoulli")


@pytest.mark.parametrize("nodes", [1, 3, 10])
def test_the_gradient_is_that_of_the_sum_over_the_nodes(toenail, nodes):
    objective, theta = Objective(toenail, nodes), np.array([-1.6, -0.39, -0.16, -0.13, 2.5])
    differences = []
    for step in 1e-4 * np.eye(5):
        up, down, up2, down2 = (objective.value(theta + times * step) for times in (1, -1, 2, -2))
        differences.append((8 * (up - down) - (up2 - down2)) / 12e-4)
    np.testing.assert_allclose(objective.gradient(theta), differences, rtol=1e-8, atol=1e-7)


PUBLISHED = {3: -2.03, 5: -1.46, 10: -1.64, 20: -1.62, 25: -1.61}
"""The intercept by the number of points, as a published lecture on the toenail data prints it; glmer of lme4 1.1.31
gives the same. For one point both print −2.51, where glmer stops before the maximum: log likelihood −627.8154, with
tolPwrss=1e-12 and bobyqa −627.8089 at −2.52335."""


@pytest.mark.parametrize("nodes", PUBLISHED)
def test_toenail_by_few_points(toenail, nodes):
    assert maximise(toenail, nodes=nodes).beta[0] == pytest.approx(PUBLISHED[nodes], abs=0.005)


def test_toenail_by_laplace_is_what_glmer_finds_with_a_close_tolerance(toenail):
    fit = maximise(toenail, method="laplace")
    np.testing.assert_allclose(fit.beta, [-2.52335, -0.4000919, -0.3070195, -0.1372597], atol=1e-4)
    assert fit.loglik == pytest.approx(-627.8089, abs=1e-4)


def test_toenail_by_many_points(toenail):
    fit, expected = maximise(toenail, nodes=100), reference("toenail_ml")
    se = np.sqrt(np.diag(np.linalg.inv(fit.hessian)))
    estimates = np.array([*expected["fixef"].values(), *expected["re_sd"]])
    expected_se = np.array([*expected["se"].values(), *expected["chol_se"]])
    assert (np.abs(fit.theta - estimates) < 1e-3 * expected_se).all()
    np.testing.assert_allclose(se, expected_se, rtol=1e-3)
    assert fit.loglik == pytest.approx(expected["logLik"], abs=1e-5)
