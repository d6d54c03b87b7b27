"""The log likelihood of the groups of a fit: its labels, its factors, crossed effects at their draws."""

import numpy as np
import pytest
from handmade import hand_made
from scipy import special

import bayesglmm as bg
from bayesglmm.errors import OptionError
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.posterior.draws import Draws


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
    with pytest.raises(OptionError, match="several grouping factors; give one of site, site:id as factor="):
        group_log_likelihood(nested)
    with pytest.raises(OptionError, match="'sit' is not a grouping factor; did you mean 'site'"):
        group_log_likelihood(nested, "sit")
    with pytest.raises(OptionError, match="the model has no groups"):
        group_log_likelihood(hand_made(bg.glmm("yes ~ x", crossed(), "bernoulli")))
    with pytest.raises(OptionError, match="thin=0 is not a whole number of 1 or more"):
        nested.group_log_likelihood("site:id", thin=0)
