"""Maximum likelihood by Laplace's approximation, and by REML, against lme4 and glmmTMB."""

import numpy as np
import pytest
from conftest import reference

import bayesglmm as bg
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.group_integrals import GroupIntegrals
from bayesglmm.likelihood.joint_integral import JointIntegral
from bayesglmm.likelihood.maximise import maximise
from bayesglmm.likelihood.objective import Objective
from bayesglmm.likelihood.rows import RowLikelihood

CBPP = "p(incidence, size) ~ C(period) + (1 | herd)"
SLEEP = "Reaction ~ Days + (1 + Days | Subject)"
COUNTS = "count ~ trt*time + offset(log(weeks)) + (1 | id)"

OURS = (
    ("death ~ sex + offset(log(pop)) + (1 | county) + (1 | year)", "ohio", "poisson", None),
    ("control ~ treat*weeks + severity + (1 | id)", "asthma", "bernoulli", None),
    ("count ~ trt*time + offset(log(weeks)) + (1 + time | id)", "seizure", "poisson", None),
    ("outcome ~ trt*period + (1 | id)", "crossover", "bernoulli", None),
    (CBPP, "cbpp", "binomial", None),
    (SLEEP, "sleepstudy", "gaussian", None),
    (SLEEP, "sleepstudy", "gaussian", None),
    ("Reaction ~ 1 + (1 | Subject) + (1 | Days)", "sleepstudy", "gaussian", None),
    (COUNTS, "seizure", "negative_binomial", None),
    (COUNTS, "seizure", "negative_binomial1", None),
    (CBPP, "cbpp", "binomial", "cloglog"),
    (CBPP, "cbpp", "binomial", "probit"),
    (SLEEP, "sleepstudy", "gamma", None),
    ("Reaction ~ Days + (1 | Subject)", "sleepstudy", "gaussian", "log"),
)
"""The models of `laplace.json`, in its order."""

LOOSE = {"crossover": 2e-3}
"""Tolerances of standard errors, relative: lme4's are of a Hessian by differences of the deviance."""

PAIRS = [
    pytest.param(*pair, id=f"{pair[1]['study']}-{i}")
    for i, pair in enumerate(zip(OURS, reference("laplace")["fits"], strict=True))
]


@pytest.mark.parametrize(("ours", "expected"), PAIRS)
def test_the_maximum_is_that_of_lme4_and_glmmtmb(ours, expected):
    formula, data, family, link = ours
    assert data == expected["study"]
    reference_level = {"treat": "Usual"} if data == "asthma" else None
    model = bg.glmm(formula, bg.datasets.load(data), family, link=link, reference=reference_level)
    fit = maximise(model, method="laplace", restricted="REML=TRUE" in expected["call"])
    assert fit.converged
    assert not fit.findings
    assert fit.loglik == pytest.approx(expected["log_likelihood"], abs=1e-5)
    beta, se = np.array(expected["beta"]), np.array(expected["se"])
    assert (np.abs(fit.beta - beta) < 1e-3 * se).all()
    np.testing.assert_allclose(np.sqrt(np.diag(fit.beta_covariance)), se, rtol=LOOSE.get(data, 1e-3))
    for block, factor in zip(model.design.blocks, fit.covariance_factors, strict=True):
        np.testing.assert_allclose(factor @ factor.T, expected["covariances"][block.factor], rtol=2e-4)
    if "sigma" in fit.parameters:
        assert fit.parameters["sigma"] == pytest.approx(expected["sigma"], rel=1e-5)
    elif "phi" in fit.parameters and family.startswith("negative"):
        assert fit.parameters["phi"] == pytest.approx(expected["sigma"], rel=1e-4)


def test_toenail_is_what_glmer_finds_with_a_close_tolerance():
    """glmer of lme4 1.1.31 with bobyqa and tolPwrss=1e-12; its default stops at −627.8154, the intercept −2.50987."""
    model = bg.glmm("outcome ~ month*treatment + (1 | id)", bg.datasets.load("toenail"), "bernoulli")
    fit = maximise(model, method="laplace")
    np.testing.assert_allclose(fit.beta, [-2.52335, -0.4000919, -0.3070195, -0.1372597], atol=1e-4)
    assert fit.covariance_factors[0][0, 0] == pytest.approx(4.570916, abs=1e-4)
    assert fit.loglik == pytest.approx(-627.8089, abs=1e-4)


def test_effects_of_one_factor_are_integrated_alike_by_groups_and_jointly(seizure_model):
    data, objective = Data.of(seizure_model), Objective(seizure_model)
    at = objective.coordinates.split(np.array([1.0, 0.1, 0.0, -0.3, 0.7, 0.1, 0.5]))
    joint, groups = JointIntegral(data, RowLikelihood(data)), GroupIntegrals(data, 1)
    ours, theirs = joint.at(at, joint.start), groups.at(at, groups.start)
    assert ours.value == pytest.approx(theirs.value, abs=1e-9)
    np.testing.assert_allclose(ours.by_parts.beta, theirs.by_parts.beta, atol=1e-7)
    np.testing.assert_allclose(ours.by_parts.roots[0], theirs.by_parts.roots[0], atol=1e-7)
    of_joint, of_groups = joint.effects(at, joint.start), groups.effects(at, groups.start)
    np.testing.assert_allclose(of_joint.modes[0], of_groups.modes[0], atol=1e-9)
    np.testing.assert_allclose(of_joint.sds[0], of_groups.sds[0], rtol=1e-9)


def test_gaussian_likelihoods_are_those_of_the_marginal_normal():
    """log N(y; Xβ, ZGZᵀ + σ²I), and of REML the determinants of Patterson & Thompson (1971), by dense matrices."""
    data = bg.datasets.load("sleepstudy")
    model = bg.glmm("Reaction ~ Days + (1 + Days | Subject) + (1 | Days)", data, "gaussian")
    ml, reml = Objective(model), Objective(model, restricted=True)
    theta = np.array([250.0, 10.0, 20.0, 1.0, 5.0, 8.0, np.log(30.0)])
    at, (x, y) = ml.coordinates.split(theta), (model.design.x, model.design.outcome.y)
    v = at.parameters[0] ** 2 * np.eye(len(y))
    for block, root in zip(model.design.blocks, at.roots, strict=True):
        same = block.index[:, None] == block.index
        v += same * (block.z @ root @ root.T @ block.z.T)
    _, log_det = np.linalg.slogdet(v)
    residual = y - x @ at.beta
    expected = -(log_det + residual @ np.linalg.solve(v, residual) + len(y) * np.log(2 * np.pi)) / 2
    assert ml.value(theta) == pytest.approx(expected, abs=1e-8)
    information = x.T @ np.linalg.solve(v, x)
    residual = y - x @ np.linalg.solve(information, x.T @ np.linalg.solve(v, y))
    quadratic = log_det + np.linalg.slogdet(information)[1] + residual @ np.linalg.solve(v, residual)
    expected = -(quadratic + (len(y) - x.shape[1]) * np.log(2 * np.pi)) / 2
    assert reml.value(theta[2:]) == pytest.approx(expected, abs=1e-8)


def test_a_model_without_groups_is_a_generalized_linear_model():
    """glm in R 4.2.2: coefficients, log likelihood −162.10/2 of the crossover data."""
    fit = maximise(bg.glmm("outcome ~ trt*period", bg.datasets.load("crossover"), "bernoulli"))
    np.testing.assert_allclose(fit.beta, [-1.5404, 1.1097, 0.8473, -1.0227], atol=1e-4)
    assert (fit.method, fit.nodes) == ("glm", None)
    assert -2 * fit.loglik == pytest.approx(162.10, abs=0.005)


def test_weights_are_numbers_of_rows():
    rng = np.random.default_rng(3)
    data = {"g": np.repeat(np.arange(12), 6), "x": rng.normal(size=72), "w": rng.integers(0, 4, 72)}
    data["y"] = rng.normal(size=72) + 0.5 * rng.normal(size=12)[data["g"]]
    repeated = {name: np.repeat(column, data["w"]) for name, column in data.items()}
    weighted = maximise(bg.glmm("y | weights(w) ~ x + (1 | g)", data, "gaussian"), method="laplace")
    plain = maximise(bg.glmm("y ~ x + (1 | g)", repeated, "gaussian"), method="laplace")
    np.testing.assert_allclose(weighted.theta, plain.theta, rtol=1e-6)
    assert weighted.loglik == pytest.approx(plain.loglik, abs=1e-8)


def test_merged_rows_have_the_log_likelihood_of_all():
    rng = np.random.default_rng(4)
    data = {"g": np.repeat(np.arange(10), 60), "x": np.tile([0, 1], 300), "o": np.tile([0.0, 0.7, 0.2], 200)}
    data["y"] = rng.poisson(np.exp(0.4 * data["x"] + data["o"] + 0.5 * rng.normal(size=10)[data["g"]]))
    model = bg.glmm("y ~ x + offset(o) + (1 | g)", data, "poisson")
    merged = Objective(model)
    assert merged.data.n < len(data["y"]) / 10
    theta = np.array([0.1, 0.3, 1e-9])  # without effects it is a sum over rows
    mu = np.exp(0.1 + 0.3 * data["x"] + data["o"])
    expected = (data["y"] * np.log(mu) - mu).sum() - sum(np.log(np.arange(1, y + 1)).sum() for y in data["y"])
    assert merged.value(theta) == pytest.approx(expected, abs=1e-8)
