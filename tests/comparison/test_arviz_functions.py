"""Every function of the installed ArviZ that reads likelihoods, priors or replicates works on `fit.draws` as it is."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pytest
import xarray as xr

import bayesglmm as bg
from bayesglmm.fitted import Fit
from bayesglmm.posterior.for_arviz import LAZY_GROUPS


@pytest.fixture(scope="module")
def fit() -> Fit:
    data = bg.datasets.load("seizure")
    some = data[data["id"].isin(data["id"].unique()[::6])]
    formula = "count ~ trt * time + offset(log(weeks)) + (1 | id)"
    return bg.fit(formula, some, family="poisson", seed=1, draws=300, chains=2, progress=False)


@pytest.fixture(scope="module")
def pointwise(fit: Fit) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return az.loo(fit.draws, pointwise=True)


@pytest.fixture(autouse=True)
def without_warnings_of_arviz() -> Iterator[None]:
    """Pareto k above its threshold, counts drawn as densities."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        yield


type Call = Callable[[Fit, Any], Any]

STATISTICS: dict[str, Call] = {
    "loo": lambda fit, _: az.loo(fit.draws),
    "loo_approximate_posterior": lambda fit, _: az.loo_approximate_posterior(fit.draws, *[xr.zeros_like(lp(fit))] * 2),
    "loo_expectations": lambda fit, _: az.loo_expectations(fit.draws)[0],
    "loo_i": lambda fit, _: az.loo_i(3, fit.draws),
    "loo_influence": lambda fit, _: az.loo_influence(fit.draws)[0],
    "loo_kfold": lambda fit, _: az.loo_kfold(fit.draws, fit.arviz_wrapper(), k=2),
    "loo_metrics": lambda fit, _: az.loo_metrics(fit.draws),
    "loo_moment_match": lambda fit, loo: az.loo_moment_match(fit.draws, loo, **fit.arviz_wrapper().moment_matching()),
    "loo_pit": lambda fit, _: az.loo_pit(fit.draws),
    "loo_r2": lambda fit, _: az.loo_r2(fit.draws, var_name="y"),
    "loo_score": lambda fit, _: az.loo_score(fit.draws),
    "loo_subsample": lambda fit, _: az.loo_subsample(fit.draws, 20),
    "reloo": lambda fit, loo: az.reloo(fit.arviz_wrapper(), loo_orig=loo),
    "compare": lambda fit, _: az.compare({"one": fit.draws, "same": fit.draws}),
    "metrics": lambda fit, _: az.metrics(fit.draws),
    "residual_r2": lambda fit, _: az.residual_r2(fit.draws, "y", "y", group="posterior_predictive"),
    "psense": lambda fit, _: az.psense(fit.draws),
    "psense_summary": lambda fit, _: az.psense_summary(fit.draws),
    "summary": lambda fit, _: az.summary(fit.draws),
}

PICTURES: dict[str, Call] = {
    name: lambda fit, _, name=name: getattr(az, name)(fit.draws, backend="none")
    for name in dir(az)
    if name.startswith(("plot_ppc", "plot_loo", "plot_psense"))
} | {
    "plot_khat": lambda fit, loo: az.plot_khat(loo, backend="none"),
    "plot_compare": lambda fit, _: az.plot_compare(STATISTICS["compare"](fit, _), backend="none"),
    "plot_ppc_pava_residuals": lambda fit, _: az.plot_ppc_pava_residuals(
        with_predictor(fit), x_var="weeks", backend="none"
    ),
}

OTHERS = {
    "bayesian_r2": "wants the mean and the sd of the outcome among the posterior's variables; `fit.r_squared` has both",
}
"""Functions of ArviZ that read something else."""


def lp(fit: Fit) -> xr.DataArray:
    return fit.draws["log_prior"]["intercept"]


def with_predictor(fit: Fit) -> xr.DataTree:
    draws = fit.draws.copy()
    weeks = fit.model.design.columns.rows * 0.0 + np.exp(fit.model.design.offset)
    draws["constant_data"] = xr.DataTree(fit.draws["constant_data"].to_dataset().assign(weeks=("row", weeks)))
    return draws


@pytest.mark.parametrize("name", [*STATISTICS, *PICTURES])
def test_arviz_reads_the_draws(name: str, fit: Fit, pointwise: Any) -> None:
    found = {**STATISTICS, **PICTURES}[name](fit, pointwise)
    assert found is not None
    assert np.isfinite(np.asarray(getattr(found, "elpd", 0.0), dtype=float)).all()


def test_no_function_of_arviz_is_left_out() -> None:
    prefixes = ("loo", "plot_loo", "plot_ppc", "plot_psense", "psense", "reloo", "bayesian_r2", "residual_r2")
    theirs = {name for name in dir(az) if name.startswith(prefixes)}
    assert theirs <= {*STATISTICS, *PICTURES, *OTHERS}


def test_moment_matching_and_refits_of_arviz_agree_with_exact_refits(fit: Fit, pointwise: Any) -> None:
    refitted = az.reloo(fit.arviz_wrapper(), loo_orig=pointwise, pointwise=True)
    matched = az.loo_moment_match(fit.draws, pointwise, pointwise=True, **fit.arviz_wrapper().moment_matching())
    ours = fit.loo()
    bad = pointwise.pareto_k.values > 0.7
    assert bad.sum() >= 4
    apart = np.abs(refitted.elpd_i.values - ours.pointwise.values)[bad]
    assert np.median(apart) < 0.3  # a row's error by a refit of 600 draws; the most influential rows have more
    before = np.abs(pointwise.elpd_i.values - refitted.elpd_i.values)
    after = np.abs(matched.elpd_i.values - refitted.elpd_i.values)
    worst = before > 1
    assert worst.any()
    assert after[worst].mean() < before[worst].mean()


def test_counts_are_integers_and_groups_wait_until_they_are_read(fit: Fit, tmp_path: Path) -> None:
    fresh = Fit(fit.model, fit.draws)
    for group in LAZY_GROUPS:
        for variable in fresh.draws[group].data_vars.values():
            assert not variable.variable._in_memory
    assert fresh.draws["posterior_predictive"]["y"].dtype.kind == "i"
    assert fresh.draws["observed_data"]["y"].dtype.kind == "i"
    copied = fresh.draws.copy(deep=True)
    part = copied["log_likelihood"]["y"].isel(row=[3, 1], draw=slice(0, 5))
    np.testing.assert_array_equal(part, fresh.draws["log_likelihood"]["y"].values[:, :5, [3, 1]])
    fresh.save(tmp_path / "fit")
    assert bg.load(tmp_path / "fit").draws["log_likelihood"]["y"].identical(fresh.draws["log_likelihood"]["y"])
    assert sum(file.stat().st_size for file in (tmp_path / "fit").iterdir()) < fresh.draws["log_likelihood"].nbytes
    fresh.draws.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "all.nc", engine="h5netcdf") as stored:
        np.testing.assert_allclose(stored["log_likelihood"]["y"], fresh.draws["log_likelihood"]["y"])
