"""The log likelihood of the groups of a fit: its labels, its factors, crossed effects at their draws."""

import numpy as np
import pytest
from handmade import hand_made
from scipy import special, stats

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.marginalize.row_likelihood import row_log_likelihood
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Thinned


def crossed():
    rng = np.random.default_rng(6)
    n = 60
    return {
        "x": rng.normal(size=n),
        "id": np.arange(n) % 12,
        "item": [f"item {i}" for i in rng.permutation(n) % 5],
        "site": np.arange(n) % 3,
        "yes": rng.integers(0, 2, n),
    }


def test_the_likelihood_of_a_fit_has_the_labels_and_the_crossed_effects_at_their_draws() -> None:
    fit = hand_made(bg.glmm("yes ~ x + (1 | id) + (1 | item)", crossed(), "bernoulli"), chains=2, draws=5)
    found = group_log_likelihood(fit, "item")
    assert found.dims == ("chain", "draw", "item")
    np.testing.assert_array_equal(fit.group_log_likelihood("item", thin=2), found.isel(draw=[0, 2, 4]))
    assert list(found["item"].values) == [f"item {i}" for i in range(5)]
    design, draws = fit.model.design, Draws(fit.posterior, fit.model.design)
    subject, item = design.blocks
    eta = draws.beta @ design.x.T + draws.b(subject)[:, subject.index, 0]
    sd = draws.covariance(item)[:, 0, 0] ** 0.5
    points, weight = np.polynomial.hermite_e.hermegauss(80)
    sign = 2 * design.outcome.y - 1
    for level in range(5):
        rows = item.index == level
        log = special.log_expit(
            sign[rows] * (eta[:, rows, None].swapaxes(1, 2) + np.multiply.outer(sd, points)[..., None])
        )
        expected = np.log(np.exp(log.sum(axis=2)) @ (weight / weight.sum()))
        np.testing.assert_allclose(found.values.reshape(10, 5)[:, level], expected, atol=1e-8)


def test_blocks_of_one_factor_are_integrated_out_together() -> None:
    apart = hand_made(bg.glmm("yes ~ x + (1 | id) + (0 + x | id)", crossed(), "bernoulli"), chains=1, draws=6)
    joint = hand_made(bg.glmm("yes ~ x + (1 + x || id)", crossed(), "bernoulli"), chains=1, draws=6)
    sds = np.concatenate([apart.posterior["sd_id"].values, apart.posterior["sd_id_2"].values], axis=2)
    joint.draws["posterior"]["sd_id"].values[:] = sds
    joint.draws["posterior"]["beta"].values[:] = apart.posterior["beta"].values
    np.testing.assert_allclose(group_log_likelihood(apart), group_log_likelihood(joint), atol=1e-12)


def test_chunks_of_draws_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = hand_made(bg.glmm("yes ~ x + (1 | id)", crossed(), "bernoulli"), chains=2, draws=11)
    whole = group_log_likelihood(fit)
    monkeypatch.setattr("bayesglmm.posterior.draws.CELLS", 4 * 60)
    np.testing.assert_array_equal(group_log_likelihood(fit), whole)


def test_factors_that_cannot_be_left_out_alone_are_refused() -> None:
    nested = hand_made(bg.glmm("yes ~ x + (1 | site/id)", crossed(), "bernoulli"), chains=1, draws=3)
    assert group_log_likelihood(nested, "site:id").sizes["site:id"] == 12
    with pytest.raises(OptionError, match="2 grouping factors; give one of site, site:id as factor="):
        group_log_likelihood(nested)
    with pytest.raises(OptionError, match="'sit' is not a grouping factor of the model; did you mean 'site'"):
        group_log_likelihood(nested, "sit")
    with pytest.raises(OptionError, match="the model has no random effects"):
        group_log_likelihood(hand_made(bg.glmm("yes ~ x", crossed(), "bernoulli")))
    with pytest.raises(OptionError, match="thin=0 is not a whole number of 1 or more"):
        nested.group_log_likelihood("site:id", thin=0)


def test_a_row_given_the_others_of_its_group_is_normal_with_the_regression_of_the_normal_distribution() -> None:
    """y_j ~ N(Xβ, Z G Zᵀ + σ² I) for normal outcomes, so y_i given the others is normal; the other factor is given."""
    data = {**crossed(), "w": np.array([1.0, 0.0, *np.ones(58)])}
    data["id"] = np.array([*np.arange(59) % 12, 99])  # a group of a single row
    data["y"] = np.random.default_rng(8).normal(size=60)
    fit = hand_made(bg.glmm("y | weights(w) ~ x + (1 + x | id) + (1 | item)", data, "gaussian"), chains=2, draws=4)
    rows = np.array([13, 2, 14, 59])  # row 1, of the group of row 13, has no weight
    found = row_log_likelihood(Thinned(fit.model, fit.draws, 2), rows, "id")
    assert found.dims == ("chain", "draw", "row")
    assert found["row"].values.tolist() == rows.tolist()
    design = fit.model.design
    draws, (of_id, of_item) = Draws(fit.posterior.isel(draw=[0, 2]), design), design.blocks
    means = draws.beta @ design.x.T + draws.b(of_item)[:, of_item.index, 0]
    sigma, g = draws.parameters(fit.model.family)["sigma"][:, 0], draws.covariance(of_id)
    for position, row in enumerate(rows):
        others = [i for i in np.flatnonzero(of_id.index == of_id.index[row]) if i not in (row, 1)]
        for draw, mean in enumerate(means):
            z = of_id.z[[row, *others]]
            v = z @ g[draw] @ z.T + sigma[draw] ** 2 * np.eye(len(z))
            slope = v[0, 1:] @ np.linalg.inv(v[1:, 1:])
            centre = mean[row] + slope @ (data["y"][others] - mean[others])
            expected = stats.norm.logpdf(data["y"][row], centre, np.sqrt(v[0, 0] - slope @ v[1:, 0]))
            np.testing.assert_allclose(found.values.reshape(4, -1)[draw, position], expected, atol=1e-8)
