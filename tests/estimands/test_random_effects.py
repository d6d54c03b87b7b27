"""Effects and coefficients of groups agree with predictions; rank probabilities are doubly stochastic."""

import numpy as np
import pandas as pd
import pytest
from handmade import at, hand_made, seizure_fit, seizure_like
from scipy import special
from scipy.stats import rankdata

from bayesglmm import Fit, glmm
from bayesglmm.errors import OptionError


@pytest.fixture(scope="module")
def fit() -> Fit:
    return seizure_fit()


def flat(fit: Fit, name: str) -> np.ndarray:
    values = fit.posterior[name].values
    return values.reshape(-1, *values.shape[2:])


def test_coefficients_of_groups_are_predictions_less_the_offset(fit: Fit) -> None:
    """At trt = 0, where the interaction adds nothing, η − offset is (β + b)₀ + time (β + b)₁."""
    rows = pd.DataFrame({"id": np.repeat(np.arange(1, 13), 2), "time": np.tile([0, 1], 12), "trt": 0, "weeks": 5})
    eta = fit.linpred(rows, frame="group") - np.log(5)
    own = fit.random_effects("id", quantity="coefficients").draws.transpose("chain", "draw", "level", "column").values
    np.testing.assert_allclose(eta.values[..., 0::2], own[..., 0])
    np.testing.assert_allclose(eta.values[..., 1::2], own.sum(axis=-1))


def test_effects_are_the_draws_and_the_table_is_of_them(fit: Fit) -> None:
    effects = fit.random_effects(ci_prob=0.8)
    np.testing.assert_array_equal(effects.draws.values, fit.posterior["b_id"].values)
    table = effects.table
    lower, middle, upper = np.quantile(flat(fit, "b_id"), (0.1, 0.5, 0.9), axis=0)
    np.testing.assert_allclose(table["lower"].unstack(), lower[:, [0, 1]])
    np.testing.assert_allclose(table["median"].unstack(), middle)
    np.testing.assert_allclose(table["upper"].unstack(), upper)
    np.testing.assert_allclose(table["probability_positive"].unstack(), (flat(fit, "b_id") > 0).mean(axis=0))
    assert table.attrs["frame"] == "group"
    assert table.index[1] == (1, "time")


def test_the_response_scale_of_counts_holds_rates_and_rate_ratios(fit: Fit) -> None:
    link = fit.random_effects(quantity="coefficients")
    response = fit.random_effects(quantity="coefficients", scale="response")
    np.testing.assert_allclose(response.draws, np.exp(link.draws))
    assert "time: group's own rate ratio" in response.draws.attrs["meaning"]
    assert "response scale" in repr(response)
    np.testing.assert_allclose(response.table["probability_positive"], link.table["probability_positive"])
    np.testing.assert_allclose(response.new_group.iloc[:, :3], np.exp(link.new_group.iloc[:, :3]))


def test_the_response_scale_of_outcomes_holds_probabilities() -> None:
    fit = hand_made(glmm("event ~ trt + (1 | id)", seizure_like(), "bernoulli", link="probit"))
    own = fit.random_effects(quantity="coefficients", scale="response")
    expected = special.ndtr(fit.posterior["beta"].values[..., :1, None] + fit.posterior["b_id"].values)
    np.testing.assert_allclose(own.draws.values, expected)
    with pytest.raises(OptionError, match="'Intercept' has no meaning of its own on the response scale"):
        fit.random_effects(scale="response")


def test_two_blocks_on_a_factor_are_one_table() -> None:
    fit = hand_made(glmm("count ~ time + (1 | id) + (0 + time | id)", seizure_like(), "poisson"))
    effects = fit.random_effects("id")
    assert effects.columns == ("Intercept", "time")
    np.testing.assert_array_equal(effects.draws.values[..., 1], fit.posterior["b_id_2"].values[..., 0])
    np.testing.assert_allclose(effects.sd[:, 1], flat(fit, "sd_id_2")[:, 0])


def test_rank_probabilities_sum_to_one_both_ways_and_are_counts_of_draws(fit: Fit) -> None:
    effects = fit.random_effects()
    for best, sign in (("largest", -1), ("smallest", 1)):
        probabilities = effects.rank_probabilities("time", best=best)
        np.testing.assert_allclose(probabilities.sum("rank"), 1)
        np.testing.assert_allclose(probabilities.sum("level"), 1)
        ranked = rankdata(sign * flat(fit, "b_id")[..., 1], axis=1)
        counted = (ranked[:, :, None] == np.arange(1, 13)).mean(axis=0)
        np.testing.assert_allclose(probabilities, counted, atol=1e-12)
        table = effects.ranks("time", best=best)
        assert table["mean"].is_monotonic_increasing
        np.testing.assert_allclose(table["probability_best"].sort_index(), probabilities.sel(rank=1))
        np.testing.assert_allclose(table["mean"].sort_index(), probabilities.values @ np.arange(1, 13), rtol=1e-12)


def test_equal_groups_share_their_ranks() -> None:
    effects = at(seizure_fit(draws=20), b_id=np.tile([0.0, 1.0], (12, 1)) * 0).random_effects()
    np.testing.assert_allclose(effects.rank_probabilities("time"), 1 / 12)
    np.testing.assert_allclose(effects.ranks("time")["mean"], 6.5)
    np.testing.assert_allclose(effects.ranks("time")["probability_best"], 1 / 12)


def test_a_new_group_is_the_mixture_of_normals_over_the_draws(fit: Fit) -> None:
    effects = fit.random_effects(quantity="coefficients", ci_prob=0.9)
    table = effects.new_group
    beta, sd = flat(fit, "beta")[:, [0, 2]], flat(fit, "sd_id")
    share = special.ndtr(beta / sd)
    np.testing.assert_allclose(table["probability_positive"], share.mean(axis=0))
    np.testing.assert_allclose(table[["share_lower", "share_upper"]].T, np.quantile(share, (0.05, 0.95), axis=0))
    for name, probability in (("lower", 0.05), ("median", 0.5), ("upper", 0.95)):
        under = special.ndtr((table[name].values - beta) / sd).mean(axis=0)
        np.testing.assert_allclose(under, probability, atol=1e-12)
    simulated = np.random.default_rng(2).normal(np.tile(beta, (200, 1)), np.tile(sd, (200, 1)))
    np.testing.assert_allclose(table[["median", "upper"]].T, np.quantile(simulated, (0.5, 0.95), axis=0), atol=0.01)
    assert table.attrs["frame"] == "new_group"


def test_a_new_group_without_variance_is_the_typical_one(fit: Fit) -> None:
    still = at(fit, sd_id=[0.0, 0.5])
    table = still.random_effects(quantity="coefficients").new_group
    beta = flat(still, "beta")[:, 0]
    assert table.loc["Intercept", "probability_positive"] == pytest.approx((beta > 0).mean())
    assert table.loc["Intercept", "median"] == pytest.approx(np.median(beta), abs=1e-3)
    deviation = still.random_effects().new_group.loc["Intercept"]
    assert deviation["upper"] == pytest.approx(0, abs=1e-12)
    assert deviation["probability_positive"] == 0.0


def test_a_column_coded_otherwise_is_not_added_to_a_coefficient() -> None:
    fit = hand_made(glmm("count ~ severity + (0 + severity | trt)", seizure_like(), "poisson"))
    with pytest.raises(OptionError, match=r"a combination of population-level columns.*quantity='effects'"):
        fit.random_effects(quantity="coefficients")
    assert len(fit.random_effects().columns) == 3


def test_a_column_without_a_coefficient_is_b_alone() -> None:
    fit = hand_made(glmm("count ~ trt + (1 + time | id)", seizure_like(), "poisson"))
    own = fit.random_effects(quantity="coefficients").draws
    np.testing.assert_array_equal(own.sel(column="time"), fit.posterior["b_id"].sel(id_coef="time"))


def test_what_is_not_there_is_refused(fit: Fit) -> None:
    with pytest.raises(OptionError, match="'idd' is not a grouping factor of the model; did you mean 'id'"):
        fit.random_effects("idd")
    with pytest.raises(OptionError, match="2 columns"):
        fit.random_effects().ranks()
    with pytest.raises(OptionError, match="did you mean 'time'"):
        fit.random_effects().ranks("tyme")
    with pytest.raises(OptionError, match="best='biggest'"):
        fit.random_effects().ranks("time", best="biggest")
    with pytest.raises(OptionError, match="no random effects"):
        hand_made(glmm("count ~ trt", seizure_like(), "poisson")).random_effects()
    crossed = hand_made(glmm("count ~ time + (1 | id) + (1 | age)", seizure_like(), "poisson"))
    with pytest.raises(OptionError, match=r"2 grouping factors; give one of"):
        crossed.random_effects()
