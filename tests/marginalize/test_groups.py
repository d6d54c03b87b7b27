"""The likelihood of a group with its effects integrated out: published maxima, mpmath, closed forms, brute force."""

import mpmath as mp
import numpy as np
import pytest
from conftest import reference
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import BayesGLMMWarning
from bayesglmm.marginalize.groups import Groups, draw_effects, over_effects
from bayesglmm.specify.families import get_family

STUDIES = {
    "crossover": ("crossover", "outcome ~ trt*period + (1 | id)", "bernoulli"),
    "toenail": ("toenail", "outcome ~ month*treatment + (1 | id)", "bernoulli"),
    "seizure": ("seizure", "count ~ trt*time + offset(log(weeks)) + (1 + time | id)", "poisson"),
    "seizure_intercept_only": ("seizure", "count ~ trt*time + offset(log(weeks)) + (1 | id)", "poisson"),
    "cbpp": ("cbpp", "p(incidence, size) ~ C(period) + (1 | herd)", "binomial"),
    "culcita": ("culcita", "predation ~ C(ttt) + (1 | block)", "bernoulli"),
}


def one_group(family, y, eta, z, g, trials=None, **parameters) -> Groups:
    """One group under one draw, or under the draws of g (s, q, q)."""
    y, g = np.asarray(y, dtype=float), np.asarray(g, dtype=float)
    g = g if g.ndim == 3 else g[None]
    columns = {name: np.full((len(g), 1), value) for name, value in parameters.items()}
    eta = np.broadcast_to(np.asarray(eta, dtype=float), (len(g), len(y)))
    z = np.asarray(z, dtype=float).reshape(len(y), -1)
    counted = np.ones(len(y)) if trials is None else np.asarray(trials, dtype=float)
    return Groups(family, y, counted, np.ones(len(y)), z, np.zeros(len(y), dtype=int), eta, g, columns)


@pytest.mark.parametrize("name", STUDIES)
def test_sum_over_groups_is_the_published_maximum(name: str) -> None:
    """Adaptive Gauss–Hermite with 41 to 221 points; the least converged, toenail, to 6e-9."""
    dataset, formula, family = STUDIES[name]
    stored = reference(f"{name}_ml")
    model = bg.glmm(formula, bg.datasets.load(dataset), family)
    design, outcome, (block,) = model.design, model.design.outcome, model.design.blocks
    assert list(design.coef) == list(stored["fixef"])
    eta = design.x @ list(stored["fixef"].values()) + design.offset
    trials = np.ones(design.n) if outcome.trials is None else outcome.trials
    g = np.array([stored["re_cov"]])
    found = over_effects(
        Groups(model.family, outcome.y, trials, np.ones(design.n), block.z, block.index, eta[None], g, {})
    )
    assert found.log.sum() == pytest.approx(stored["logLik"], abs=1e-8, rel=0)


def log_integral(log_density, s: float, inner: tuple[float, ...]) -> float:
    """Integrate over b ~ N(0, s²) to 40 digits, split where the integrand turns, at points b given."""
    with mp.workdps(40):
        points = sorted({mp.mpf(k) for k in (-12, -6, -3, -1, 0, 1, 3, 6, 12)} | {mp.mpf(b) / s for b in inner})
        value, error = mp.quad(lambda u: mp.npdf(u) * mp.exp(log_density(s * u)), points, error=True, maxdegree=10)
        assert error < 1e-12 * value
        return float(mp.log(value))


CASES = {
    "20 zeros, sd 10": ("bernoulli", "logit", np.zeros(20), 0.7, 10.0),
    "20 zeros, sd 30": ("bernoulli", "logit", np.zeros(20), -2.0, 30.0),
    "20 ones among 40, sd 20": ("bernoulli", "logit", np.repeat([0.0, 1.0], 20), 5.0, 20.0),
    "1 zero, sd 50": ("bernoulli", "logit", np.zeros(1), 3.0, 50.0),
    "zeros under probit, sd 10": ("bernoulli", "probit", np.zeros(8), 1.0, 10.0),
    "zeros under cloglog, sd 10": ("bernoulli", "cloglog", np.zeros(8), 1.0, 10.0),
    "ones under cauchit, sd 10": ("bernoulli", "cauchit", np.ones(6), -1.0, 10.0),
    "counts of a thousand": ("poisson", "log", np.array([1210.0, 988.0, 1102.0]), 2.0, 1.5),
    "counts of zero, sd 5": ("poisson", "log", np.zeros(5), 3.0, 5.0),
    "one count of a million": ("poisson", "log", np.array([1e6]), 0.0, 3.0),
}
LOGS = {
    "logit": lambda x: (-mp.log1p(mp.exp(-x)), -mp.log1p(mp.exp(x))),
    "probit": lambda x: (mp.log(mp.ncdf(x)), mp.log(mp.ncdf(-x))),
    "cloglog": lambda x: (mp.log(-mp.expm1(-mp.exp(x))), -mp.exp(x)),
    "cauchit": lambda x: (mp.log(mp.atan2(1, -x) / mp.pi), mp.log(mp.atan2(1, x) / mp.pi)),
}


@pytest.mark.parametrize("name", CASES)
def test_hard_groups_agree_with_mpmath(name: str) -> None:
    family, link, y, eta, s = CASES[name]
    found = over_effects(one_group(get_family(family, link), y, eta, np.ones(len(y)), [[s * s]])).log[0, 0]

    def log_density(b):
        if family == "poisson":
            return y.sum() * (eta + b) - len(y) * mp.exp(eta + b) - sum(mp.loggamma(count + 1) for count in y)
        success, failure = LOGS[link](eta + b)
        return (y.sum() * success if y.any() else 0) + ((1 - y).sum() * failure if (y == 0).any() else 0)

    peak = np.log(y.mean()) - eta if family == "poisson" and y.any() else -eta
    spread = 1 / np.sqrt(y.sum()) if family == "poisson" and y.any() else 1.0
    inner = tuple(peak + spread * k for k in (-30, -10, -3, 0, 3, 10, 30))
    assert found == pytest.approx(log_integral(log_density, s, inner), abs=1e-8, rel=0)


G = {
    1: [[0.8]],
    2: [[1.5, -0.9], [-0.9, 0.7]],
    3: [[1.0, 0.4, 0.1], [0.4, 0.5, -0.2], [0.1, -0.2, 2.0]],
    4: np.diag([1.0, 0.5, 0.2, 3.0]),
}


@pytest.mark.filterwarnings("ignore:groups have 4 random effects")
@pytest.mark.parametrize("q", G)
def test_gaussian_groups_are_multivariate_normal(q: int) -> None:
    rng = np.random.default_rng(q)
    z, y, eta = rng.normal(size=(7, q)), rng.normal(size=7), rng.normal(size=7)
    found = over_effects(one_group(get_family("gaussian"), y, eta, z, G[q], sigma=0.6)).log[0, 0]
    expected = stats.multivariate_normal(eta, z @ np.array(G[q]) @ z.T + 0.36 * np.eye(7)).logpdf(y)
    assert found == pytest.approx(expected, abs=1e-9)


def test_more_than_three_effects_are_said_to_be_approximate() -> None:
    with pytest.warns(BayesGLMMWarning, match="4 random effects; more than 3 are integrated out by Laplace's"):
        over_effects(one_group(get_family("bernoulli"), [0, 1], 0.0, np.ones((2, 4)), G[4]))


@pytest.mark.parametrize(
    ("y", "sd", "corr"),
    [
        ([0, 0, 0, 0, 0, 0], (8.0, 5.0), 0.6),
        ([0, 0, 0, 1, 1, 1], (6.0, 6.0), -0.9),
        ([1, 0, 1, 0, 0, 1], (1.0, 0.4), 0.0),
        ([0, 0, 0, 1, 0, 0], (3.0, 0.0), 0.0),
    ],
)
def test_two_effects_agree_with_a_dense_grid(y, sd, corr: float) -> None:
    z = np.column_stack([np.ones(6), np.linspace(-1, 1, 6)])
    factor = np.diag(sd) @ np.linalg.cholesky([[1, corr], [corr, 1]])
    found = over_effects(one_group(get_family("bernoulli"), y, 0.3, z, factor @ factor.T))
    u = np.linspace(-9, 9, 1_801)
    step, total = u[1] - u[0], 0.0
    for first in u:  # a line at a time: 1,801 × 1,801 points
        eta = 0.3 + (z @ factor)[:, 0] * first + np.outer(u, (z @ factor)[:, 1])
        log = np.where(np.array(y) == 1, special.log_expit(eta), special.log_expit(-eta)).sum(axis=1)
        total += np.exp(log - (first**2 + u**2) / 2).sum()
    expected = np.log(total * step**2 / (2 * np.pi))
    assert found.log[0, 0] == pytest.approx(expected, abs=1e-8)


def test_three_effects_agree_with_a_rotation_to_one() -> None:
    """η depends on zᵀb alone if all rows have the same z: one dimension with variance zᵀGz."""
    z, y = np.tile([1.0, -0.5, 2.0], (5, 1)), [3, 0, 2, 5, 1]
    v = z[0] @ np.array(G[3]) @ z[0]
    three = over_effects(one_group(get_family("poisson"), y, 0.4, z, G[3])).log
    one = over_effects(one_group(get_family("poisson"), y, 0.4, np.ones(5), [[v]])).log
    np.testing.assert_allclose(three, one, atol=1e-9)


def test_a_group_of_more_rows_than_a_chunk_agrees_with_a_dense_grid() -> None:
    rng = np.random.default_rng(7)
    y, eta, z = rng.poisson(2.0, 1_300).astype(float), rng.normal(0, 0.3, 1_300), rng.normal(size=1_300)
    found = over_effects(one_group(get_family("poisson"), y, eta, z, [[0.4]])).log[0, 0]
    b = np.linspace(-0.6, 0.6, 4_001)
    log = stats.poisson.logpmf(y, np.exp(eta + np.outer(b, z))).sum(axis=1) + stats.norm.logpdf(b, 0, np.sqrt(0.4))
    assert found == pytest.approx(special.logsumexp(log) + np.log(b[1] - b[0]), abs=1e-8)


def test_order_of_rows_and_of_groups_and_other_draws_change_nothing() -> None:
    rng = np.random.default_rng(2)
    index = np.array([2, 0, 1, 1, 0, 2, 2, 0])
    y, eta, z = rng.poisson(3, 8).astype(float), rng.normal(size=(5, 8)), rng.normal(size=(8, 2))
    g = np.array([np.array(G[2]) * scale for scale in (0.1, 1, 2, 0.5, 3)])
    family = get_family("poisson")
    found = over_effects(Groups(family, y, np.ones(8), np.ones(8), z, index, eta, g, {})).log
    for group in range(3):
        rows = np.flatnonzero(index == group)
        for draw in range(5):
            alone = over_effects(one_group(family, y[rows], eta[draw, rows], z[rows], g[draw])).log
            assert found[draw, group] == pytest.approx(alone[0, 0], abs=1e-12)


def test_effects_without_variance_leave_the_likelihood_of_the_rows() -> None:
    y, eta = np.array([0.0, 4.0, 2.0]), np.array([0.1, 1.0, 0.5])
    found = over_effects(one_group(get_family("poisson"), y, eta, np.ones(3), [[0.0]])).log[0, 0]
    assert found == pytest.approx(stats.poisson(np.exp(eta)).logpmf(y).sum(), abs=1e-12)


@pytest.mark.parametrize(("y", "sd"), [([0] * 20, 10.0), ([0, 1, 0, 1, 1], 2.0), ([1], 30.0)])
def test_effects_drawn_given_outcomes_have_their_exact_distribution(y, sd: float) -> None:
    """Kolmogorov's distance of 8,000 draws from the quadrature: above 1.95/√n one time in a thousand."""
    n = 8_000
    groups = one_group(get_family("bernoulli"), y, 0.5, np.ones(len(y)), np.full((n, 1, 1), sd * sd))
    drawn = np.sort(draw_effects(np.random.default_rng(4), groups, over_effects(groups))[:, 0, 0])
    b = np.linspace(-10 * sd, 10 * sd, 400_001)
    log = np.sum(y) * special.log_expit(0.5 + b) + (len(y) - np.sum(y)) * special.log_expit(-0.5 - b)
    density = np.exp(log - np.square(b / sd) / 2)
    cdf = np.interp(drawn, b, np.cumsum(density) / density.sum())
    assert np.abs(cdf - (np.arange(n) + 0.5) / n).max() < 1.95 / np.sqrt(n)


def test_gaussian_effects_given_outcomes_have_the_closed_form() -> None:
    rng, n = np.random.default_rng(5), 10_000
    z, y, g = rng.normal(size=(4, 2)), rng.normal(size=4), np.array(G[2])
    groups = one_group(get_family("gaussian"), y, 0.0, z, np.tile(g, (n, 1, 1)), sigma=0.8)
    drawn = draw_effects(rng, groups, over_effects(groups))[:, 0]
    v = np.linalg.inv(np.linalg.inv(g) + z.T @ z / 0.64)
    mean = v @ z.T @ y / 0.64
    error = np.sqrt(np.diag(v) / n)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4.5 * error).all()
    np.testing.assert_allclose(np.cov(drawn.T), v, atol=4.5 * np.sqrt(2 / n) * np.diag(v).max())
