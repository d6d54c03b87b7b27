"""Penalised quasi-likelihood against published figures, MASS and nlme, and dense matrices."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

import bayesglmm as bg
from bayesglmm.errors import FamilyError
from bayesglmm.likelihood.maximise import maximise

TOENAIL = "outcome ~ month*treatment + (1 | id)"


@pytest.fixture(scope="module")
def toenail():
    return bg.glmm(TOENAIL, bg.datasets.load("toenail"), "bernoulli")


def test_toenail_is_the_published_fit(toenail):
    """A published lecture prints −0.745, −0.296, −0.036, −0.101; glmmPQL of MASS 7.3-58.2 gives −0.74521, −0.29601,
    −0.03557, −0.10052, variance 5.388 and dispersion 0.862 at its tolerance."""
    fit = maximise(toenail, method="pql")
    np.testing.assert_allclose(fit.beta, [-0.745, -0.296, -0.036, -0.101], atol=0.0006)
    np.testing.assert_allclose(fit.beta, [-0.74521, -0.29601, -0.03557, -0.10052], atol=2e-4)
    assert fit.covariance_factors[0][0, 0] ** 2 == pytest.approx(5.388, abs=0.003)
    assert fit.parameters["dispersion"] == pytest.approx(0.862, abs=0.002)
    assert np.isnan(fit.loglik)
    assert fit.log_likelihood is None
    assert fit.converged


@pytest.mark.parametrize("restricted", [False, True])
def test_with_a_dispersion_of_one_it_is_a_fixed_point_of_linear_mixed_models(restricted):
    """Breslow & Clayton (1993), with the variance by a search along the profile likelihood of dense matrices."""
    data = bg.datasets.load("cbpp")
    model = bg.glmm("p(incidence, size) ~ C(period) + (1 | herd)", data, "binomial")
    fit = maximise(model, method="pql", restricted=restricted, dispersion=False)
    x, trials, y = model.design.x, model.design.outcome.trials, model.design.outcome.y
    z = (model.design.blocks[0].index[:, None] == np.arange(15)).astype(float)
    eta = x @ fit.beta + z @ fit.b_modes["herd"][:, 0]
    mu = expit(eta)
    weight = trials * mu * (1 - mu)
    working = eta + (y - trials * mu) / weight

    def solution(variance):
        v = variance * z @ z.T + np.diag(1 / weight)
        information = x.T @ np.linalg.solve(v, x)
        beta = np.linalg.solve(information, x.T @ np.linalg.solve(v, working))
        residual = working - x @ beta
        solved = np.linalg.solve(v, residual)
        criterion = np.linalg.slogdet(v)[1] + residual @ solved
        return criterion + restricted * np.linalg.slogdet(information)[1], beta, variance * z.T @ solved, information

    variance = minimize_scalar(
        lambda variance: solution(variance)[0], bounds=(0.01, 2), method="bounded", options={"xatol": 1e-9}
    ).x
    _, beta, b, information = solution(variance)
    assert fit.parameters == {"dispersion": 1.0}
    assert fit.covariance_factors[0][0, 0] ** 2 == pytest.approx(variance, rel=1e-4)
    np.testing.assert_allclose(fit.beta, beta, atol=1e-6)
    np.testing.assert_allclose(fit.b_modes["herd"][:, 0], b, atol=1e-5)
    if restricted:
        np.testing.assert_allclose(fit.beta_covariance, np.linalg.inv(information), rtol=1e-4)


def test_of_gaussian_outcomes_it_is_maximum_likelihood():
    model = bg.glmm("Reaction ~ Days + (1 + Days | Subject)", bg.datasets.load("sleepstudy"), "gaussian")
    for restricted in (False, True):
        ours = maximise(model, method="pql", restricted=restricted)
        theirs = maximise(model, method="laplace", restricted=restricted)
        np.testing.assert_allclose(ours.beta, theirs.beta, rtol=1e-6)
        np.testing.assert_allclose(ours.covariance_factors[0], theirs.covariance_factors[0], rtol=1e-4, atol=1e-3)
        assert ours.parameters["dispersion"] == pytest.approx(theirs.parameters["sigma"] ** 2, rel=1e-5)
        np.testing.assert_allclose(ours.b_modes["Subject"], theirs.b_modes["Subject"], rtol=1e-3, atol=1e-3)


def test_a_variance_that_is_no_product_is_refused():
    model = bg.glmm("count ~ trt + (1 | id)", bg.datasets.load("seizure"), "negative_binomial")
    with pytest.raises(FamilyError, match="negative_binomial"):
        maximise(model, method="pql")
