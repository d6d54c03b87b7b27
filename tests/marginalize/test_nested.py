"""Groups with a factor nested in them, all effects integrated out: closed form, dense grids, Monte Carlo, limits."""

import numpy as np
import pandas as pd
import pytest
from handmade import at, hand_made
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import BayesGLMMWarning, OptionError
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.marginalize.nested import NestedGroups, over_nested_effects
from bayesglmm.posterior.draws import Draws
from bayesglmm.specify.families import get_family

GROUP, LEVEL = np.repeat(np.arange(3), 6), np.repeat(np.arange(9), 2)


def covariances(rng: np.random.Generator, s: int, q: int) -> np.ndarray:
    """Covariances from next to none to large ones."""
    factor = rng.normal(size=(s, q, q)) * np.resize([0.01, 1.0, 4.0], s)[:, None, None]
    return factor @ factor.swapaxes(1, 2)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_gaussian_groups_have_the_density_of_a_multivariate_normal(q: int) -> None:
    rng, n, s = np.random.default_rng(q), 18, 6
    z, w = (np.column_stack([np.ones(n), rng.normal(size=(n, 2))]) for _ in range(2))
    z, w = z[:, :q], w[:, :2]
    g, of_level = covariances(rng, s, q), covariances(rng, s, 2)[::-1]
    sigma, eta, y = rng.choice([0.1, 1.0, 3.0], (s, 1)), rng.normal(size=(s, n)), 2 * rng.normal(size=n)
    inner = Groups(get_family("gaussian"), y, np.ones(n), np.ones(n), w, LEVEL, eta, of_level, {"sigma": sigma})
    groups = NestedGroups(inner, z, GROUP, g)
    if q < 3:
        found = over_nested_effects(groups)
    else:
        with pytest.warns(BayesGLMMWarning, match="3 random effects; more than 2"):
            found = over_nested_effects(groups)
    for draw in range(s):
        for group in range(3):
            rows = group == GROUP
            same = LEVEL[rows][:, None] == LEVEL[rows]
            v = z[rows] @ g[draw] @ z[rows].T + same * (w[rows] @ of_level[draw] @ w[rows].T)
            expected = stats.multivariate_normal.logpdf(y[rows], eta[draw, rows], v + sigma[draw] ** 2 * np.eye(6))
            assert found[draw, group] == pytest.approx(expected, abs=1e-6)


OUTCOMES = {
    "0 and 1": ("bernoulli", 1.0, 1.0, 0.0),
    "0 alone, sds 15 and 2": ("bernoulli", 15.0, 2.0, 0.0),
    "0 and 1, sds 2 and 15": ("bernoulli", 2.0, 15.0, 0.0),
    "counts": ("poisson", 1.0, 0.4, 1.0),
    "counts of 0, sds 6 and 3": ("poisson", 6.0, 3.0, 0.0),
    "counts of hundreds": ("poisson", 2.0, 0.5, 5.5),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_integrals_are_sums_over_a_dense_grid(name: str) -> None:
    family, sd, sd_of_level, eta = OUTCOMES[name]
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 18) if family == "bernoulli" else rng.poisson(np.exp(eta), 18)
    y = 0.0 * y if " 0" in name or "0 alone" in name else y.astype(float)
    eta = eta + 0.5 * rng.normal(size=18)
    one = np.ones(18)
    inner = Groups(
        get_family(family), y, one, one, one[:, None], LEVEL, eta[None], np.full((1, 1, 1), sd_of_level**2), {}
    )
    found = over_nested_effects(NestedGroups(inner, one[:, None], GROUP, np.full((1, 1, 1), sd**2)))[0]
    u, c = np.linspace(-10, 10, 801), np.linspace(-10, 10, 2001)
    weight_u, weight_c = (np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum() for x in (u, c))
    for group in range(3):
        total = np.log(weight_u)
        for level in np.unique(LEVEL[group == GROUP]):
            log = np.zeros((len(u), len(c)))
            for row in np.flatnonzero(level == LEVEL):
                at = eta[row] + sd * u[:, None] + sd_of_level * c
                log += (
                    stats.poisson.logpmf(y[row], np.exp(at))
                    if family == "poisson"
                    else special.log_expit((2 * y[row] - 1) * at)
                )
            total = total + special.logsumexp(log + np.log(weight_c), axis=1)
        assert found[group] == pytest.approx(special.logsumexp(total), abs=1e-5)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"id": np.repeat(np.arange(6), 4), "x": rng.normal(size=24), "visit": np.arange(24)})
    rate = np.exp(0.5 + 0.7 * rng.normal(size=6)[data["id"]] + 0.5 * rng.normal(size=24))
    return data.assign(y=rng.poisson(rate), item=np.arange(24) % 3, w=np.resize([1, 2, 0, 3], 24))


def test_the_likelihood_of_groups_with_an_effect_of_each_row_is_that_of_monte_carlo() -> None:
    """200,000 draws of b and of the rows' effects; the error is below 5 standard errors."""
    model = bg.glmm("y ~ x + (1 + x | id) + (1 | visit) + (1 | item)", table(), "poisson")
    fit = at(hand_made(model, chains=1, draws=2), b_item=[[0.2], [-0.1], [0.3]])
    found = group_log_likelihood(fit, "id")
    assert found.attrs["others"] == "item at its draws"
    assert "its random effects and those of visit integrated out" in found.attrs["estimand"]
    design, draws, rng = fit.model.design, Draws(fit.posterior, fit.model.design), np.random.default_rng(1)
    subject, row, item = design.blocks
    for draw in range(2):
        eta = design.x @ draws.beta[draw] + draws.b(item)[draw, item.index, 0]
        for level in range(6):
            rows = np.flatnonzero(subject.index == level)
            b = rng.multivariate_normal(np.zeros(2), draws.covariance(subject)[draw], 200_000)
            noise = rng.normal(size=(200_000, len(rows))) * draws.sd(row)[draw, 0]
            log = stats.poisson.logpmf(design.outcome.y[rows], np.exp(eta[rows] + b @ subject.z[rows].T + noise))
            likelihood = np.exp(log.sum(axis=1))
            error = likelihood.std() / likelihood.mean() / np.sqrt(len(likelihood))
            assert float(found[0, draw, level]) == pytest.approx(np.log(likelihood.mean()), abs=5 * error)
            assert error < 0.05


def test_weighted_rows_count_by_their_weight() -> None:
    """A level of weight 2 has its outcome twice under one effect; rows of weight 0 do not count."""
    data = table()
    long = data.loc[data.index.repeat(data["w"])].reset_index(drop=True)
    weighted = hand_made(bg.glmm("y | weights(w) ~ x + (1 | id) + (1 | visit)", data, "poisson"), chains=1, draws=4)
    repeated = hand_made(bg.glmm("y ~ x + (1 | id) + (1 | visit)", long, "poisson"), chains=1, draws=4)
    for name in ("beta", "sd_id", "sd_visit"):
        repeated.draws["posterior"][name].values[:] = weighted.posterior[name].values
    np.testing.assert_allclose(group_log_likelihood(weighted, "id"), group_log_likelihood(repeated, "id"), rtol=1e-9)


def test_without_variance_of_the_nested_factor_it_is_the_integral_over_the_groups() -> None:
    rng, one = np.random.default_rng(2), np.ones(18)
    y, eta = rng.poisson(2.0, 18).astype(float), 0.4 * rng.normal(size=(3, 18))
    g, none = np.array([0.0, 0.5, 3.0]).reshape(3, 1, 1), np.zeros((3, 1, 1))
    data = (get_family("poisson"), y, one, one, one[:, None])
    found = over_nested_effects(NestedGroups(Groups(*data, LEVEL, eta, none, {}), one[:, None], GROUP, g))
    np.testing.assert_allclose(found, over_effects(Groups(*data, GROUP, eta, g, {})).log, atol=1e-5)
    swapped = over_nested_effects(NestedGroups(Groups(*data, LEVEL, eta, g, {}), one[:, None], GROUP, none))
    by_level = over_effects(Groups(*data, LEVEL, eta, g, {})).log
    np.testing.assert_allclose(swapped, by_level.reshape(3, 3, 3).sum(axis=2), atol=1e-5)


def test_groups_are_left_out_with_the_effects_of_their_rows() -> None:
    fit = hand_made(bg.glmm("y ~ x + (1 | id) + (1 | visit)", table(), "poisson"), chains=2, draws=600)
    with np.errstate(all="raise"):
        elpd = fit.loo("id", exact=False)
    assert "its random effects and those of visit integrated out over N(0, G)." in " ".join(str(elpd).split())
    values = group_log_likelihood(fit, "id", thin=2).values.reshape(-1, 6)
    lppd = special.logsumexp(values, axis=0) - np.log(len(values))
    assert elpd.p_loo == pytest.approx(lppd.sum() - elpd.elpd)


def test_two_factors_nested_in_one_are_refused() -> None:
    data = table().assign(half=lambda d: d["id"] * 2 + d.index % 2)
    fit = hand_made(bg.glmm("y ~ x + (1 | id) + (1 | half) + (1 | visit)", data, "poisson"), chains=1, draws=3)
    with pytest.raises(OptionError, match=r"both nested in 'id'.*give 'half' or 'visit' instead"):
        fit.loo("id")
    assert group_log_likelihood(fit, "half").sizes == {"chain": 1, "draw": 3, "half": 12}
