"""What is integrated is prior × likelihood × Jacobian, and without an effect that of the smaller model."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like
from scipy import stats

import bayesglmm as bg
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.log_prior import log_prior
from bayesglmm.sensitivity.integrated_posterior import (
    Target,
    _correlations,
    _log_constant,
    _log_jacobian,
    _log_rest,
    _partial,
)
from bayesglmm.sensitivity.power_scaling import integrated_log_likelihood


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return seizure_like().assign(u=rng.normal(size=60), v=rng.normal(size=60), w=rng.normal(size=60))


def glmm(formula: str, family: str, **priors: str) -> bg.Model:
    given = {"slopes": "normal(0, 2)"} | ({"sd": "half_normal(1.5)"} if "|" in formula else {})
    return bg.glmm(formula, data(), family, priors=given | priors)


def target(formula, family, without=None) -> tuple[Target, np.ndarray, bg.Fit]:
    fit = hand_made(glmm(formula, family), chains=2, draws=15)
    found = Target(fit.model, without)
    return found, found.coordinates(Draws(fit.posterior, fit.model.design)), fit


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("count ~ trt + time + (1 + time | id)", "poisson"),
        ("count ~ trt + (1 | id)", "negative_binomial"),
        ("age ~ trt + (1 + u + v | id)", "gaussian"),
        ("event ~ trt + (1 | id) + (0 + time | id)", "bernoulli"),
    ],
)
def test_the_target_is_prior_times_likelihood_times_jacobian(formula, family) -> None:
    """The Jacobians: σ of log σ; (1 − r²) of the inverse hyperbolic tangent and det-weighted of r from partial r."""
    found, at, fit = target(formula, family)
    draws, design = Draws(fit.posterior, fit.model.design), fit.model.design
    expected = integrated_log_likelihood(fit) + log_prior(fit.model, fit.posterior).to_array().sum("variable")
    jacobian = np.zeros(draws.size)
    for block in design.blocks:
        jacobian += np.log(draws.sd(block)).sum(axis=1)
        if block.correlated:
            r = draws.correlations(block).T
            partial = r[2:] if len(r) < 3 else [(r[2] - r[0] * r[1]) / np.sqrt((1 - r[0] ** 2) * (1 - r[1] ** 2))]
            jacobian += np.log1p(-np.square(r[: max(1, len(r) - 1)])).sum(axis=0)
            if len(r) == 3:
                jacobian += np.log1p(-np.square(partial[0]))
                jacobian += np.log((1 - r[0] ** 2) * (1 - r[1] ** 2)) / 2
    jacobian += sum(np.log(values[:, 0]) for values in draws.parameters(fit.model.family).values())
    difference = found(at) - expected.values.ravel() - jacobian
    assert np.ptp(difference) < 1e-7 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("formula", "without", "smaller", "priors"),
    [
        ("count ~ trt + time + (1 + time | id)", (0, 1), "count ~ trt + time + (1 | id)", {}),
        ("count ~ trt + (1 | id)", (0, 0), "count ~ trt", {}),
        ("count ~ trt + (1 | id) + (0 + time | id)", (1, 0), "count ~ trt + (1 | id)", {}),
        (
            "count ~ trt + (1 + u + v | id)",
            (0, 1),
            "count ~ trt + (1 + v | id)",
            {"correlation": "lkj(2.5)"},
        ),
    ],
)
def test_without_an_effect_the_target_is_that_of_the_smaller_model(formula, without, smaller, priors) -> None:
    """LKJ(η) of three columns leaves LKJ(η + 1/2) of two."""
    found, at, _ = target(formula, "poisson", without)
    model = glmm(smaller, "poisson", **priors)
    if "|" in smaller:
        np.testing.assert_allclose(found(at), Target(model)(at), rtol=1e-9)
        return
    posterior = hand_made(model, chains=2, draws=15).posterior
    posterior["beta"] = posterior["beta"].copy(data=at.reshape(2, 15, -1))
    prior = log_prior(model, posterior).to_array().sum("variable").values.ravel()
    rows = stats.poisson(np.exp(at @ model.design.x.T)).logpmf(model.design.outcome.y).sum(axis=1)
    np.testing.assert_allclose(found(at), rows + prior, rtol=1e-9)


def lkj(z: np.ndarray, eta: float, k: int) -> np.ndarray:
    """The log density of LKJ(η) at z (s, pairs), tanh z the partial correlations."""
    log_rest = _log_rest(z)
    return (eta - 1) * log_rest.sum(axis=1) + _log_jacobian(log_rest) - _log_constant(eta, k)


@pytest.mark.parametrize(("eta", "k"), [(1.0, 2), (2.5, 2), (0.7, 3), (2.0, 3), (1.5, 4)])
def test_lkj_integrates_to_one_on_the_whole_line(eta, k) -> None:
    z = np.linspace(-25, 25, 4001)
    each = np.zeros((len(z), k * (k - 1) // 2))
    zero = lkj(each[:1], eta, k)[0]
    total = zero
    for pair in range(each.shape[1]):  # partial correlations are independent
        moved = each.copy()
        moved[:, pair] = z
        total += np.log(np.trapezoid(np.exp(lkj(moved, eta, k) - zero), z))
    assert total == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_partial_correlations_are_those_of_the_matrix_with_their_jacobian(k) -> None:
    z = np.random.default_rng(k).normal(size=(5, k * (k - 1) // 2))
    lower = _correlations(np.tanh(z))
    omega = np.tile(np.eye(k), (5, 1, 1))
    rows, columns = np.tril_indices(k, -1)
    omega[:, rows, columns] = omega[:, columns, rows] = lower
    np.testing.assert_allclose(np.arctanh(_partial(omega)), z, rtol=1e-8)
    np.testing.assert_allclose(np.linalg.slogdet(omega)[1], _log_rest(z).sum(axis=1), rtol=1e-9)
    step = 1e-5 * np.eye(z.shape[1])
    ahead, behind = (np.stack([_correlations(np.tanh(z + sign * one)) for one in step]) for sign in (1, -1))
    derivatives = np.moveaxis(ahead - behind, 1, 0) / 2e-5
    np.testing.assert_allclose(np.linalg.slogdet(derivatives)[1], _log_jacobian(_log_rest(z)), rtol=1e-6)
