"""Marginal likelihoods against quadrature over every parameter, and their stated error against their spread."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.sensitivity.bridge import MultivariateT, bridge


def nodes(upper: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre on (0, upper), its points crowded near 0: x = upper u²."""
    u, weight = np.polynomial.legendre.leggauss(n)
    u, weight = (u + 1) / 2, weight / 2
    return upper * u**2, 2 * upper * u * weight


def fit(formula: str, data: pd.DataFrame, family: str, priors: dict, **settings) -> bg.Fit:
    return bg.fit(formula, data, family, priors=priors, **{"seed": 1, "progress": False, **settings})


def agrees(found: bg.MarginalLikelihood, expected: float, most: float = 0.05) -> None:
    assert found.error < most
    assert abs(found.log - expected) < 4 * found.error


PLATES, SAMPLES = 10, 5


def test_crossed_factors_of_a_gaussian_outcome() -> None:
    """y is normal given the three sds; its covariance has four eigenspaces: mean, plates, samples, residual."""
    rng = np.random.default_rng(3)
    effects = 0.8 * rng.normal(size=(PLATES, 1)) + 1.5 * rng.normal(size=SAMPLES)
    y = 2 + effects + 0.6 * rng.normal(size=(PLATES, SAMPLES))
    plate, sample = np.indices(y.shape)
    data = pd.DataFrame({"y": y.ravel(), "plate": plate.ravel(), "sample": sample.ravel()})
    priors = {"Intercept": "normal(0, 5)", "sd": "half_normal(2)", "sigma": "exponential(1)"}
    found = fit("y ~ 1 + (1 | plate) + (1 | sample)", data, "gaussian", priors).marginal_likelihood()

    (a, w_a), (b, w_b), (c, w_c) = nodes(14, 60), nodes(14, 60), nodes(6, 60)
    a, b, c = a[:, None, None], b[None, :, None], c[None, None, :]
    of_plates = SAMPLES * np.square(y.mean(axis=1) - y.mean()).sum()
    of_samples = PLATES * np.square(y.mean(axis=0) - y.mean()).sum()
    residual = np.square(y - y.mean()).sum() - of_plates - of_samples
    spaces = (
        (1, y.size * y.mean() ** 2, c**2 + SAMPLES * a**2 + PLATES * b**2 + y.size * 25),
        (PLATES - 1, of_plates, c**2 + SAMPLES * a**2),
        (SAMPLES - 1, of_samples, c**2 + PLATES * b**2),
        ((PLATES - 1) * (SAMPLES - 1), residual, c**2),
    )
    log = sum(-(size * np.log(2 * np.pi * value) + square / value) / 2 for size, square, value in spaces)
    log = log + stats.halfnorm(scale=2).logpdf(a) + stats.halfnorm(scale=2).logpdf(b) - c
    expected = special.logsumexp(log, b=w_a[:, None, None] * w_b[:, None] * w_c)
    agrees(found, expected)
    assert "the effects of plate integrated out exactly; those of sample among the coordinates" in found.method


def test_a_correlated_block_has_the_constant_of_lkj(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a group are normal given sds, correlation and σ, with the coefficients integrated out.

    The effects are integrated out, then coordinates as they are (known well) and in units of their covariance."""
    rng = np.random.default_rng(8)
    x = np.column_stack([np.ones(4), np.arange(4.0) - 1.5])
    y = 1 + rng.normal(size=(12, 1)) + (0.5 + 0.4 * rng.normal(size=(12, 1))) * x[:, 1] + 0.5 * rng.normal(size=(12, 4))
    data = pd.DataFrame({"y": y.ravel(), "t": np.tile(x[:, 1], 12), "id": np.repeat(np.arange(12), 4)})
    priors = {"Intercept": "normal(0, 3)", "slopes": "normal(0, 1)", "sd": "half_normal(1)", "sigma": "exponential(2)"}
    fitted = fit("y ~ t + (1 + t | id)", data, "gaussian", priors | {"correlation": "lkj(2)"})
    found = [fitted.marginal_likelihood()]
    monkeypatch.setattr("bayesglmm.comparison.marginal_likelihood.POINTS", {})
    for share in (np.inf, 0.0):
        monkeypatch.setattr("bayesglmm.comparison.marginal_likelihood._CENTRED", share)
        found.append(fitted.marginal_likelihood())

    (a, w_a), (b, w_b), (c, w_c) = nodes(5, 26), nodes(4, 26), nodes(3, 26)
    r, w_r = np.polynomial.legendre.leggauss(20)
    a, b, r, c = (values.ravel() for values in np.meshgrid(a, b, r, c, indexing="ij"))
    weight = np.einsum("i,j,k,l->ijkl", w_a, w_b, w_r, w_c).ravel()
    g = np.stack([np.stack([a**2, r * a * b], -1), np.stack([r * a * b, b**2], -1)], -2)
    v = x @ g @ x.T + c[:, None, None] ** 2 * np.eye(4)
    precision = np.linalg.inv(v)
    of_beta = 12 * x.T @ precision @ x + np.diag([1 / 9, 1])
    right = np.einsum("gi,sij,jp->sp", y, precision, x)
    square = np.einsum("gi,sij,gj->s", y, precision, y)
    square -= np.einsum("sp,spq,sq->s", right, np.linalg.inv(of_beta), right)
    determinant = 12 * np.linalg.slogdet(v)[1] + np.linalg.slogdet(of_beta)[1] + np.log(9)
    log = -(square + determinant + y.size * np.log(2 * np.pi)) / 2
    log += stats.halfnorm.logpdf(a) + stats.halfnorm.logpdf(b) + np.log(2) - 2 * c
    log += np.log(0.75 * (1 - r**2))  # LKJ(2) of two columns
    expected = special.logsumexp(log, b=weight)
    for one, most in zip(found, (0.03, 0.1, 0.2), strict=True):
        agrees(one, expected, most)


def counts() -> np.ndarray:
    rng = np.random.default_rng(6)
    return rng.poisson(np.exp(0.5 + 0.6 * rng.normal(size=(12, 1))), size=(12, 3))


def poisson_quadrature(y: np.ndarray) -> float:
    x, w_x = np.polynomial.legendre.leggauss(120)
    beta, w_beta, (sd, w_sd) = 4 * x, 4 * w_x, nodes(6, 80)
    u, w_u = np.polynomial.hermite_e.hermegauss(100)
    eta = beta[:, None, None] + sd[:, None] * u
    prior = stats.norm(0, 2).logpdf(beta)[:, None] + stats.halfnorm(scale=1).logpdf(sd)
    total = np.zeros(prior.shape)
    for group in y:
        of_group = group.sum() * eta - len(group) * np.exp(eta) - special.gammaln(group + 1).sum()
        total += special.logsumexp(of_group, b=w_u / np.sqrt(2 * np.pi), axis=-1)
    return float(special.logsumexp(total + prior, b=w_beta[:, None] * w_sd))


POISSON_PRIORS = {"Intercept": "normal(0, 2)", "sd": "half_normal(1)"}


def test_counts_in_groups() -> None:
    y = counts()
    data = pd.DataFrame({"y": y.ravel(), "id": np.repeat(np.arange(12), 3)})
    agrees(fit("y ~ 1 + (1 | id)", data, "poisson", POISSON_PRIORS).marginal_likelihood(), poisson_quadrature(y), 0.02)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_families_without_groups_have_all_their_constants(family) -> None:
    y = counts().ravel()
    priors = {"Intercept": "normal(0, 2)"} | ({"phi": "gamma(2, 1)"} if family != "poisson" else {})
    found = fit("y ~ 1", pd.DataFrame({"y": y}), family, priors).marginal_likelihood()
    x, w_x = np.polynomial.legendre.leggauss(200)
    beta, w_beta, (phi, w_phi) = 4 * x, 4 * w_x, nodes(40, 200)
    prior, mu = stats.norm(0, 2).logpdf(beta), np.exp(beta)
    if family == "poisson":
        log = stats.poisson(mu[:, None]).logpmf(y).sum(axis=1) + prior
        expected = special.logsumexp(log, b=w_beta)
    else:
        mu, shape = mu[:, None, None], phi[:, None]
        log = stats.nbinom(shape, shape / (shape + mu)).logpmf(y).sum(axis=2)
        log += prior[:, None] + stats.gamma(2, scale=1).logpdf(phi)
        expected = special.logsumexp(log, b=w_beta[:, None] * w_phi)
    agrees(found, expected, 0.02)


def test_effects_that_are_all_coordinates_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    y = counts()
    data = pd.DataFrame({"y": y.ravel(), "id": np.repeat(np.arange(12), 3)})
    monkeypatch.setattr("bayesglmm.comparison.marginal_likelihood.POINTS", {})
    found = fit("y ~ 1 + (1 | id)", data, "poisson", POISSON_PRIORS).marginal_likelihood()
    assert "14 coordinates" in found.method
    agrees(found, poisson_quadrature(y))


def test_the_stated_error_is_the_spread_over_repetitions() -> None:
    """Dependent draws of three log-gamma variables, of which the integral is Γ(a)³."""
    shape, rng, scores = 1.5, np.random.default_rng(2), []
    for _ in range(100):
        z = np.empty((4, 300, 3))
        z[:, 0] = rng.normal(size=(4, 3))
        for i in range(1, 300):
            z[:, i] = 0.6 * z[:, i - 1] + 0.8 * rng.normal(size=(4, 3))
        drawn = np.log(stats.gamma(shape).ppf(special.ndtr(z))).reshape(-1, 3)
        found = bridge(lambda x: (shape * x - np.exp(x)).sum(axis=1), drawn, 4, rng)
        scores.append((found.log - 3 * special.gammaln(shape)) / found.error)
    assert abs(np.mean(scores)) < 0.3
    assert 0.75 < np.std(scores) < 1.15


@pytest.mark.slow
def test_the_stated_error_is_the_spread_over_fits() -> None:
    y = counts()
    data = pd.DataFrame({"y": y.ravel(), "id": np.repeat(np.arange(12), 3)})
    found = [
        fit("y ~ 1 + (1 | id)", data, "poisson", POISSON_PRIORS, seed=seed).marginal_likelihood(seed=seed)
        for seed in range(40)
    ]
    scores = [(one.log - poisson_quadrature(y)) / one.error for one in found]
    assert abs(np.mean(scores)) < 0.5
    assert 0.7 < np.std(scores) < 1.3


def test_a_t_with_many_degrees_of_freedom_is_normal() -> None:
    x = np.random.default_rng(1).normal(size=(5, 2))
    one = MultivariateT(np.array([0.3, -1.0]), np.array([[2.0, 0.0], [0.5, 1.0]]), 1e9)
    expected = stats.multivariate_normal(one.mean, one.root @ one.root.T).logpdf(x)
    np.testing.assert_allclose(one.log_density(x), expected, rtol=1e-6)


def test_half_and_double_priors_are_those_of_fits_under_them() -> None:
    y = counts()
    data = pd.DataFrame({"y": y.ravel(), "id": np.repeat(np.arange(12), 3)})
    before = fit("y ~ 1 + (1 | id)", data, "poisson", POISSON_PRIORS).marginal_likelihood()
    for label, sd in (("half", "half_normal(0.5)"), ("double", "half_normal(2)")):
        after = fit("y ~ 1 + (1 | id)", data, "poisson", POISSON_PRIORS | {"sd": sd}).marginal_likelihood()
        assert abs(before.table.loc["sd_id[Intercept]", label] - (after.log - before.log)) < 0.05
    assert "half_normal(1)" in before.to_text()
    assert "standard error" in before.to_text()


def test_what_cannot_be_computed_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seizure_like()
    flat = hand_made(bg.glmm("count ~ trt + (1 | id)", data, "poisson", priors={"slopes": "flat()"}), draws=200)
    with pytest.raises(OptionError, match=r"trt has the improper prior flat\(\)"):
        flat.marginal_likelihood()
    few = hand_made(bg.glmm("event ~ age + (1 | id) + (1 | severity)", data, "bernoulli"), draws=5)
    with pytest.raises(OptionError, match="fit again with more draws="):
        few.marginal_likelihood()
    with pytest.raises(OptionError, match="max_draws=100 is too few"):
        few.marginal_likelihood(max_draws=100)
    y = counts().ravel()
    monkeypatch.setattr("bayesglmm.comparison.marginal_likelihood._LARGEST_ERROR", 1e-9)
    with pytest.raises(OptionError, match=r"a Monte Carlo error of 0\.0 on the log scale with 400 draws"):
        fit("y ~ 1", pd.DataFrame({"y": y}), "poisson", {}, draws=100).marginal_likelihood()


def test_draws_that_failed_their_checks_are_named() -> None:
    stuck = hand_made(bg.glmm("count ~ trt + (1 | id)", seizure_like(), "poisson"), draws=200, broken=True)
    assert "are not of the posterior" in stuck.marginal_likelihood().method
