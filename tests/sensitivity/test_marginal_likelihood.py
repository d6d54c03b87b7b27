"""Marginal likelihoods: what is integrated against the model without the effect, the integral against quadrature."""

import numpy as np
import pandas as pd
import pytest
from handmade import hand_made, seizure_like
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.log_prior import log_prior
from bayesglmm.sensitivity.marginal_likelihood import Evidence, Target, _log_lkj
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


@pytest.mark.parametrize(("eta", "k"), [(1.0, 2), (2.5, 2), (0.7, 3), (2.0, 3)])
def test_lkj_integrates_to_one_on_the_whole_line(eta, k) -> None:
    z = np.linspace(-25, 25, 4001)
    each = np.zeros((len(z), k * (k - 1) // 2))
    zero = _log_lkj(each[:1], eta, k)[0]
    total = zero
    for pair in range(each.shape[1]):  # partial correlations are independent
        moved = each.copy()
        moved[:, pair] = z
        total += np.log(np.trapezoid(np.exp(_log_lkj(moved, eta, k) - zero), z))
    assert total == pytest.approx(0, abs=1e-6)


GROUPS, SIZE = 12, 20


def bayes_factor(y: np.ndarray) -> float:
    """log p(y | σ = 0) − log p(y) of a binomial model with an intercept and an sd, by quadrature of three integrals."""
    x, weight = np.polynomial.legendre.leggauss(160)
    beta, w_beta = 5 * x, 5 * weight
    sd, w_sd = 4 * (x + 1), 4 * weight
    u, w_u = np.polynomial.hermite_e.hermegauss(120)
    prior = stats.norm(0, 2).logpdf(beta)

    def of_p(eta):
        return stats.binom(SIZE, special.expit(eta)).logpmf(y[:, None, None, None])

    without = special.logsumexp(of_p(beta[:, None, None]).sum(axis=0)[:, 0, 0] + prior, b=w_beta)
    rows = []
    for b, one in zip(beta, prior, strict=True):
        groups = special.logsumexp(of_p(b + sd[None, :, None] * u), b=w_u / np.sqrt(2 * np.pi), axis=-1)
        rows.append(groups.sum(axis=0)[0] + one + stats.halfnorm(scale=1).logpdf(sd))
    return float(without - special.logsumexp(np.array(rows), b=w_beta[:, None] * w_sd))


@pytest.mark.parametrize(("effect", "about"), [(0.1, 0.8), (0.9, -3.3), (1.2, -10.0)])
def test_the_ratio_is_that_of_quadrature_for_a_binary_outcome(effect, about) -> None:
    rng = np.random.default_rng(4)
    y = rng.binomial(SIZE, special.expit(0.5 + effect * rng.normal(size=GROUPS)))
    data = pd.DataFrame({"y": y, "n": SIZE, "id": np.arange(GROUPS)})
    priors = {"Intercept": "normal(0, 2)", "sd": "half_normal(1)"}
    fit = bg.fit("p(y, n) ~ 1 + (1 | id)", data, "binomial", priors=priors, seed=1, progress=False)
    found, expected = Evidence.of(fit).without(0, 0), bayes_factor(y)
    assert expected == pytest.approx(about, abs=0.1)
    assert found.error < 0.05
    assert abs(found.log - expected) < 4 * found.error


def test_what_cannot_be_integrated_out_or_takes_long_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    crossed = hand_made(bg.glmm("event ~ age + (1 | id) + (1 | severity)", seizure_like(), "bernoulli"), draws=20)
    assert Evidence.of(crossed) is None
    many = hand_made(bg.glmm("age ~ 1 + (1 + u + v + w | id)", data(), "gaussian"), draws=20)
    assert Evidence.of(many) is None
    plain = hand_made(bg.glmm("event ~ age + (1 | id)", seizure_like(), "bernoulli"), draws=100)
    assert Evidence.of(plain).draws.size == 400
    monkeypatch.setattr("bayesglmm.sensitivity.marginal_likelihood._WORK", 1e4)
    assert Evidence.of(plain) is None
    assert Evidence.of(plain, draws=200).draws.size == 200
