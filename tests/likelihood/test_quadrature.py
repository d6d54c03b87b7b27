"""Maximum likelihood by adaptive Gauss-Hermite quadrature, against references."""

import numpy as np
import pytest
from conftest import SEIZURE, reference

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.likelihood.hermite import product_rule
from bayesglmm.likelihood.maximise import maximise

TOENAIL = "outcome ~ month*treatment + (1 | id)"
CROSSOVER = "outcome ~ trt*period + (1 | id)"

CASES = {
    "cbpp_ml": ("p(incidence, size) ~ C(period) + (1 | herd)", "cbpp", "binomial"),
    "crossover_ml": (CROSSOVER, "crossover", "bernoulli"),
    "culcita_ml": ("predation ~ C(ttt) + (1 | block)", "culcita", "bernoulli"),
    "seizure_intercept_only_ml": ("count ~ trt*time + offset(log(weeks)) + (1 | id)", "seizure", "poisson"),
    "seizure_ml": (SEIZURE, "seizure", "poisson"),
    "toenail_ml": (TOENAIL, "toenail", "bernoulli"),
}


@pytest.fixture(scope="module")
def toenail():
    return bg.glmm(TOENAIL, bg.datasets.load("toenail"), "bernoulli")


@pytest.fixture(scope="module")
def crossover():
    return bg.glmm(CROSSOVER, bg.datasets.load("crossover"), "bernoulli")


@pytest.mark.parametrize("name", CASES)
def test_with_enough_points_it_is_the_reference(name):
    """To a thousandth of a standard error; the log likelihood to 1e-5, standard errors to a thousandth."""
    formula, data, family = CASES[name]
    expected = reference(name)
    fit = maximise(bg.glmm(formula, bg.datasets.load(data), family))
    assert fit.method == "quadrature"
    assert fit.converged
    assert not fit.findings
    assert abs(fit.change_with_more_nodes) < 1e-6
    beta, se = np.array([*expected["fixef"].values()]), np.array([*expected["se"].values()])
    assert (np.abs(fit.beta - beta) < 1e-3 * se).all()
    covariance = fit.covariance_factors[0] @ fit.covariance_factors[0].T
    factor, factor_se = np.linalg.cholesky(expected["re_cov"]), np.array(expected["chol_se"])
    entries = np.tril_indices(len(factor))
    assert (np.abs(np.linalg.cholesky(covariance) - factor)[entries] < 1e-3 * factor_se).all()
    assert fit.loglik == pytest.approx(expected["logLik"], abs=1e-5)
    errors = np.sqrt(np.diag(np.linalg.inv(fit.hessian)))
    np.testing.assert_allclose(errors, [*se, *factor_se], rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.beta_covariance)), se, rtol=1e-3)


PUBLISHED = {3: -2.03, 5: -1.46, 10: -1.64, 20: -1.62, 25: -1.61}
"""The intercept by the number of points, as a published lecture on the toenail data prints it; glmer of lme4 1.1.31
gives the same. For one point both print −2.51, where glmer stops before the maximum: `test_joint_laplace`."""


@pytest.mark.parametrize("nodes", PUBLISHED)
def test_toenail_by_few_points(toenail, nodes):
    fit = maximise(toenail, nodes=nodes)
    assert fit.beta[0] == pytest.approx(PUBLISHED[nodes], abs=0.005)
    assert [finding.kind for finding in fit.findings] == ["nodes"]


def test_crossover_by_few_points(crossover):
    """glmer of lme4 1.1.31 with nAGQ = 25 and 50, in `glmer.json`, at its default tolerances."""
    for nodes, beta, sd in ((25, [-5.003844, 3.595106, 2.785844, -3.338243], 4.939719), (50, [-4.980757], 4.914445)):
        fit = maximise(crossover, nodes=nodes)
        np.testing.assert_allclose(fit.beta[: len(beta)], beta, atol=2e-4)
        assert fit.covariance_factors[0][0, 0] == pytest.approx(sd, abs=2e-4)


def test_one_point_is_laplace(crossover):
    one, laplace = maximise(crossover, nodes=1), maximise(crossover, method="laplace")
    assert one.loglik == laplace.loglik
    assert (one.nodes, laplace.nodes) == (1, None)


def test_a_rule_integrates_polynomials_exactly():
    points, log_weights = product_rule(4, 2)
    x, y = points.T
    assert np.exp(log_weights).sum() == pytest.approx(1)
    assert (np.exp(log_weights) * x**6 * y**2).sum() == pytest.approx(15)  # 5 · 3 · 1, times 1


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("outcome ~ 1 + (1 | id) + (1 | period)", {}, "independent"),
        ("outcome ~ trt + (1 | id)", {"restricted": True}, "Laplace"),
        ("outcome ~ trt + (1 | id)", {"nodes": 0}, "whole number"),
        ("outcome ~ trt + (1 | id)", {"nodes": 7.0}, "whole number"),
        ("outcome ~ trt + (1 | id)", {"method": "laplace", "nodes": 7}, "quadrature"),
        ("outcome ~ trt + (1 | id)", {"method": "aghq"}, "method"),
    ],
)
def test_what_cannot_be_is_refused(formula, options, message):
    model = bg.glmm(formula, bg.datasets.load("crossover"), "bernoulli")
    with pytest.raises(OptionError, match=message):
        maximise(model, **options)


def test_four_effects_are_too_many_for_quadrature():
    model = bg.glmm("count ~ time + (1 + C(period) | id)", bg.datasets.load("seizure"), "poisson")
    with pytest.raises(OptionError, match="product rule"):
        maximise(model)
