"""The mode and the posterior do not depend on how sharp the likelihood is, nor on units; few groups have a mode."""

import numpy as np
import pandas as pd
import pytest

import bayesglmm as bg
from bayesglmm.logdensity.compile import find_coordinates
from bayesglmm.logdensity.evaluator import Evaluator
from bayesglmm.logdensity.header import Bound, Coordinates
from bayesglmm.sample.starts import coefficient_starts
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors.numeric import log_density

RNG = np.random.default_rng(1)
G = np.repeat(np.arange(24), 10)
Z = RNG.normal(size=240)
U, V = 0.3 * RNG.normal(size=24), 0.2 * RNG.normal(size=24)
ETA = 0.1 * Z + U[G]
NOISE = RNG.normal(size=240)


def share(eta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-eta))


def beta(precision: float) -> np.ndarray:
    return RNG.beta(share(ETA) * precision, (1 - share(ETA)) * precision)


SHARP = {
    "counts of 5e6": ("y ~ z + (1 | g)", "poisson", RNG.poisson(5e6 * np.exp(ETA))),
    "counts of 1e9": ("y ~ z + (1 | g)", "poisson", RNG.poisson(1e9 * np.exp(ETA))),
    "counts of 1e12": ("y ~ z + (1 | g)", "poisson", RNG.poisson(1e12 * np.exp(ETA))),
    "counts of 1e9, slopes": ("y ~ z + (1 + z | g)", "poisson", RNG.poisson(1e9 * np.exp(ETA + V[G] * Z))),
    "1e9 trials": ("p(y, n) ~ z + (1 | g)", "binomial", RNG.binomial(10**9, share(ETA))),
    "residual sd 1e-4": ("y ~ z + (1 | g)", "gaussian", ETA + 1e-4 * NOISE),
    "residual sd 1e-6": ("y ~ z + (1 | g)", "gaussian", ETA + 1e-6 * NOISE),
    "a far mean": ("y ~ z + (1 | g)", "gaussian", 3e5 + ETA + 1e-4 * NOISE),
    "an offset": ("y ~ z + (1 | g) + offset(30 + 0 * z)", "gaussian", ETA + 1e-4 * NOISE),
    "heavy tails": ("y ~ z + (1 | g)", "student", ETA + 1e-4 * RNG.standard_t(4, size=240)),
    "shape 1e7": ("y ~ z + (1 | g)", "gamma", RNG.gamma(1e7, np.exp(ETA) / 1e7)),
    "precision 1e8": ("y ~ z + (1 | g)", "beta", beta(1e8)),
    "overdispersed": (
        "y ~ z + (1 | g)",
        "negative_binomial",
        RNG.poisson(1e8 * np.exp(ETA) * RNG.gamma(1e7, 1e-7, 240)),
    ),
    "units of 1e-12": ("y ~ z + (1 | g)", "gaussian", 1e-12 * (ETA + 1e-3 * NOISE)),
    "units of 1e12": ("y ~ z + (1 | g)", "gaussian", 1e12 * (ETA + 1e-3 * NOISE)),
}
"""Formula, family, response; the groups' intercepts are as good as known."""

SAMPLED = ("counts of 5e6", "1e9 trials", "residual sd 1e-4", "units of 1e12")


def sharp(name: str) -> Model:
    formula, family, y = SHARP[name]
    return glmm(formula, pd.DataFrame({"y": y, "z": Z, "g": G, "n": 10**9}), family)


@pytest.fixture
def evaluations(monkeypatch) -> list[int]:
    """How often the density was evaluated."""
    count, call = [0], Evaluator.__call__

    def counted(self, x):
        count[0] += 1
        return call(self, x)

    monkeypatch.setattr(Evaluator, "__call__", counted)
    return count


def known_groups(model: Model, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mode, mean and sd of the centred intercept and of log σ on a grid, the intercepts of the groups being known."""
    (prior,) = model.priors.sd["g"]
    spread = intercepts.std()
    log_sd = np.log(spread) + np.linspace(-1.5, 2, 400)
    centre = intercepts.mean() + spread * np.linspace(-2, 2, 401)[:, None]
    squares = np.square(intercepts[:, None, None] - centre).sum(axis=0)
    log = -len(intercepts) * log_sd - squares / (2 * np.exp(2 * log_sd)) + log_sd
    log = (
        log
        + log_density(prior.prior, np.exp(log_sd))
        + log_density(model.priors.intercept.prior, centre[:, 0])[:, None]
    )
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    own = (centre, log_sd)
    mean = np.array([(weight * values).sum() for values in own])
    sd = np.sqrt([(weight * (values - m) ** 2).sum() for values, m in zip(own, mean, strict=True)])
    row, column = np.unravel_index(np.argmax(log), log.shape)
    return np.array([centre[row, 0], log_sd[column]]), mean, sd


@pytest.mark.parametrize("name", SHARP)
def test_a_sharp_likelihood_has_coordinates_of_coefficients_and_effects_together(name, evaluations):
    model = sharp(name)
    found = find_coordinates(model, coefficient_starts(model), joint=True)
    assert isinstance(found, Coordinates), found
    assert found.joint is not None
    assert evaluations[0] < 2_000


@pytest.mark.parametrize("name", SHARP)
def test_a_sharp_likelihood_has_the_mode_that_known_groups_have(name, evaluations):
    model = sharp(name)
    found = find_coordinates(model, coefficient_starts(model), joint=False)
    assert isinstance(found, Coordinates), found
    assert evaluations[0] < (10_000 if SHARP[name][1] == "student" else 2_000)  # t rows are not concave
    if "slopes" in name:
        return
    middle = found.whitening.middle
    mode, _, sd = known_groups(model, middle[0] + _effects(model, found))
    np.testing.assert_array_less(np.abs(middle[[0, 2]] - mode), 0.1 * sd)


def _effects(model: Model, found: Coordinates) -> np.ndarray:
    """The effects of the groups at the mode."""
    from bayesglmm.logdensity.compile import variables

    bound = Bound.of(model, found)
    return variables(model, bound, np.zeros(bound.dim))["b_g"][:, 0]


@pytest.mark.parametrize("name", SAMPLED)
def test_a_sharp_likelihood_has_the_posterior_of_known_groups(name):
    formula, family, y = SHARP[name]
    data = pd.DataFrame({"y": y, "z": Z, "g": G, "n": 10**9})
    fit = bg.fit(formula, data, family, seed=1, progress=False)
    assert fit.draws.attrs["parameterization"] != "plain"
    assert fit.check().ok, fit.check()
    posterior = fit.posterior
    beta = posterior["beta"].values.reshape(-1, 2)
    centred = beta[:, 0] + beta[:, 1] * Z.mean()
    intercepts = centred.mean() + posterior["b_g"].values.reshape(len(beta), -1).mean(axis=0)
    _, mean, sd = known_groups(fit.model, intercepts)
    drawn = np.array([centred, np.log(posterior["sd_g"].values.ravel())])
    np.testing.assert_array_less(np.abs(drawn.mean(axis=1) - mean), 0.1 * sd)
    np.testing.assert_allclose(drawn.std(axis=1), sd, rtol=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_five_groups_with_slopes_have_a_mode(seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(5), rng.integers(10, 21, 5))
    x = rng.normal(size=g.size)
    sds = np.abs(rng.standard_t(3, 2)) * np.array([0.5, 0.3])
    b = rng.normal(size=(5, 2)) * sds
    eta = np.clip(rng.normal() + b[g, 0] + (rng.normal(0, 0.5) + b[g, 1]) * x, -20, 12)
    model = glmm("y ~ x + (1 + x | g)", {"y": rng.poisson(np.exp(eta)), "x": x, "g": g}, "poisson")
    assert isinstance(find_coordinates(model, coefficient_starts(model)), Coordinates)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "negative_binomial1", "bernoulli"])
@pytest.mark.parametrize("block", ["(1 | g)", "(1 + z | g)"])
def test_zeros_alone_have_a_mode(family, block):
    model = glmm(f"y ~ z + {block}", {"y": 0 * G, "z": Z, "g": G}, family)
    assert isinstance(find_coordinates(model, coefficient_starts(model)), Coordinates)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("family", ["gaussian", "student"])
def test_the_mode_goes_with_the_units_of_the_response(family, scale):
    y = ETA + 0.1 * NOISE
    modes = []
    for unit in (1.0, scale):
        model = glmm("y ~ z + (1 | g)", {"y": unit * y, "z": Z, "g": G}, family)
        mode = find_coordinates(model, coefficient_starts(model)).whitening.middle
        modes.append([*(mode[:2] / unit), *(mode[2:4] - np.log(unit))])
    np.testing.assert_allclose(modes[1], modes[0], atol=0.01)
