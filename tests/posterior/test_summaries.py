"""Tables of parameters and of the covariance are those of the draws."""

import numpy as np
import pytest
from handmade import hand_made, seizure_like

import bayesglmm as bg
from bayesglmm.errors import OptionError

MOMENTS = ["mean", "median", "sd", "lower", "upper"]


def test_summary_is_of_every_parameter_but_the_random_effects(seizure_fit):
    table = seizure_fit.summary()
    assert list(table.columns) == [*MOMENTS, "r_hat", "ess_bulk", "ess_tail"]
    assert table.index.name == "parameter"
    assert list(table.index) == [
        *(f"beta[{name}]" for name in seizure_fit.model.design.coef),
        "sd_id[Intercept]",
        "sd_id[time]",
        "corr_id[Intercept,time]",
    ]
    assert "b = 0" in table.attrs["frame"]


def test_summary_interval_is_the_quantiles(seizure_fit):
    values = seizure_fit.posterior["beta"].sel(coef="trt:time").values
    row = seizure_fit.summary(ci_prob=0.8).loc["beta[trt:time]"]
    np.testing.assert_allclose([row["lower"], row["upper"]], np.quantile(values, [0.1, 0.9]))
    moments = [values.mean(), np.median(values), values.std(ddof=1)]
    np.testing.assert_allclose(row[["mean", "median", "sd"]].to_list(), moments)


@pytest.mark.parametrize("ci_prob", [0, 1, 95, "wide"])
def test_an_impossible_interval_is_refused(seizure_fit, ci_prob):
    with pytest.raises(OptionError, match="ci_prob"):
        seizure_fit.summary(ci_prob=ci_prob)


def test_varcorr_is_sd_correlation_and_their_product(seizure_fit):
    table = seizure_fit.varcorr()
    posterior = seizure_fit.posterior
    sd = posterior["sd_id"].values
    product = sd[..., 0] * sd[..., 1] * posterior["corr_id"].values[..., 0]
    row = table.loc[("id", "covariance", "time", "Intercept")]
    np.testing.assert_allclose([row["mean"], row["median"]], [product.mean(), np.median(product)])
    assert table.loc[("id", "covariance", "time", "time"), "mean"] == pytest.approx((sd[..., 1] ** 2).mean())
    assert table.loc[("id", "sd", "time", "time"), "mean"] == pytest.approx(sd[..., 1].mean())
    assert list(table.columns) == MOMENTS
    assert len(table) == 2 + 1 + 3


def test_varcorr_without_groups_is_empty_and_of_a_diagonal_block_has_no_correlations():
    plain = hand_made(bg.glmm("count ~ trt", seizure_like(), "poisson"), draws=20).varcorr()
    assert (list(plain.columns), len(plain)) == (MOMENTS, 0)
    diagonal = hand_made(bg.glmm("count ~ trt + (1 + time || id)", seizure_like(), "poisson"), draws=20).varcorr()
    assert list(diagonal.index.get_level_values("kind")) == ["sd", "sd", "covariance", "covariance"]
    assert diagonal.attrs["ci_prob"] == 0.95
