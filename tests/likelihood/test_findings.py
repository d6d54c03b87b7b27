"""What limits a maximum: boundaries, flat directions, too few points, a search that ends early."""

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm.likelihood.maximise import maximise
from bayesglmm.likelihood.search import ascend


@pytest.fixture(scope="module")
def unrelated():
    """Outcomes that know nothing of their groups."""
    rng = np.random.default_rng(2)
    data = {"g": np.repeat(np.arange(30), 4), "x": rng.normal(size=120), "y": rng.integers(0, 2, 120)}
    return data | {"z": rng.normal(size=120), "k": rng.poisson(3, 120), "constant": np.repeat(np.arange(30) % 2, 4)}


def kinds(fit):
    return [finding.kind for finding in fit.findings]


def test_an_sd_of_zero_is_found_and_the_rest_is_the_model_without_it(unrelated):
    fit = maximise(bg.glmm("y ~ x + (1 | g)", unrelated, "bernoulli"))
    without = maximise(bg.glmm("y ~ x", unrelated, "bernoulli"))
    assert kinds(fit) == ["sd_zero"]
    assert fit.findings[0].names == ("sd_g[Intercept]",)
    assert fit.converged
    assert fit.loglik == pytest.approx(without.loglik, abs=1e-8)
    np.testing.assert_allclose(fit.beta, without.beta, atol=1e-6)
    np.testing.assert_allclose(fit.beta_covariance, without.beta_covariance, rtol=1e-3)


def test_two_sds_of_zero_have_a_factor_that_may_turn(unrelated):
    fit = maximise(bg.glmm("y ~ x + (1 + x | g)", unrelated, "bernoulli"))
    assert kinds(fit) == ["sd_zero"]
    assert fit.findings[0].names == ("sd_g[Intercept]", "sd_g[x]")
    assert fit.converged


def test_a_correlation_of_one_is_found(unrelated):
    """Intercepts and slopes that are equal in every group; of about half of all data the estimate is 1 then."""
    rng = np.random.default_rng(1)
    data = unrelated | {"z": rng.normal(size=30)[unrelated["g"]] * (1 + unrelated["x"]) + rng.normal(size=120)}
    fit = maximise(bg.glmm("z ~ x + (1 + x | g)", data, "gaussian"), method="laplace")
    assert kinds(fit) == ["singular"]
    assert fit.findings[0].names == ("corr_g",)
    covariance = fit.covariance_factors[0] @ fit.covariance_factors[0].T
    assert covariance[0, 1] == pytest.approx(np.sqrt(covariance[0, 0] * covariance[1, 1]), rel=1e-6)


def test_a_separated_coefficient_is_flat():
    """Heinze & Schemper (2002): NV of the endometrial study is quasi-separated; its estimate is infinite."""
    fit = maximise(bg.glmm("HG ~ NV + PI + EH", bg.datasets.load("endometrial"), "bernoulli"))
    assert kinds(fit) == ["flat"]
    assert fit.findings[0].names == ("NV",)
    assert fit.beta[1] > 15


def test_poisson_counts_have_no_finite_overdispersion(unrelated):
    fit = maximise(bg.glmm("k ~ x", unrelated, "negative_binomial"))
    poisson = maximise(bg.glmm("k ~ x", unrelated, "poisson"))
    assert ("flat", ("log_phi",)) in [(finding.kind, finding.names) for finding in fit.findings]
    assert fit.loglik == pytest.approx(poisson.loglik, abs=1e-6)


def test_where_no_number_of_points_is_enough_it_is_said(unrelated):
    """Every outcome of a group is the same, so that the sd is infinite."""
    fit = maximise(bg.glmm("constant ~ 1 + (1 | g)", unrelated, "bernoulli"))
    assert "nodes" in kinds(fit)


def test_a_quadratic_is_maximised_in_one_round_and_its_hessian_is_found():
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
    centre = np.array([4.0, -1.0])

    def function(x):
        return float(-(x - centre) @ matrix @ (x - centre) / 2), matrix @ (centre - x)

    found = ascend(function, np.zeros(2), np.eye(2))
    assert found.converged
    np.testing.assert_allclose(found.x, centre, atol=1e-8)
    np.testing.assert_allclose(found.information, matrix, rtol=1e-9)


def test_a_function_that_rises_without_end_has_not_converged():
    found = ascend(lambda x: (float(x[0]), np.ones(1)), np.zeros(1), np.eye(1))
    assert not found.converged
