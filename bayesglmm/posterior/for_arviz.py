"""`with_lazy_groups(fit, …)`: draws with the groups that ArviZ's functions on likelihoods and predictions read."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import xarray as xr

from bayesglmm.posterior.log_prior import log_prior, terms
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.when_read import when_read

__all__ = ["LAZY_GROUPS", "with_lazy_groups", "without_lazy_groups"]

LAZY_GROUPS = ("log_likelihood", "log_prior", "posterior_predictive")
"""The groups that are computed when they are first read, and not saved."""


def with_lazy_groups(fit: Fitted, replicates: Callable[[], xr.DataArray]) -> xr.DataTree:
    """Return draws with `log_likelihood`, `posterior_predictive` and `log_prior`, each computed when first read.

    The first two are of rows, given the random effects of each draw. They take no time and no memory until something
    reads their values, and then 8 bytes a draw and row; `.to_netcdf()` writes them, `fit.save` does not.

    Parameters
    ----------
    fit
        The fit.
    replicates
        Returns replicated outcomes, dims `chain`, `draw`, `row`, given the random effects of each draw.

    Returns
    -------
    xarray.DataTree
        All groups of `fit.draws`, and these. The outcome is `y` in those of rows, counts are integers; `log_prior`
        has a variable for each class of priors.
    """
    counts = np.int64 if fit.model.family.outcome_type != "continuous" else np.float64
    groups = _kept(fit.draws)
    if "observed_data" in groups and "y" in groups["observed_data"]:
        groups["observed_data"] = groups["observed_data"].assign(y=groups["observed_data"]["y"].astype(counts))
    if "posterior" in groups:
        of_draws = {dim: groups["posterior"][dim].values for dim in ("chain", "draw")}
        of_rows = {**of_draws, "row": fit.model.design.columns.rows}
        given = "given the random effects of the row's groups"
        density = {"y": partial(log_likelihood, fit)}
        groups["log_likelihood"] = when_read(density, of_rows, np.float64, f"log likelihood, {given}")
        groups["posterior_predictive"] = when_read({"y": replicates}, of_rows, counts, f"replicated outcomes, {given}")
        of_terms = {name: partial(_log_prior, fit, name) for name in terms(fit.model)}
        groups["log_prior"] = when_read(of_terms, of_draws, np.float64, "log prior density of a class of parameters")
    return _tree(groups, fit.draws)


def without_lazy_groups(draws: xr.DataTree) -> xr.DataTree:
    """Return draws without the groups that are computed from the others."""
    return _tree(_kept(draws), draws)


def _kept(draws: xr.DataTree) -> dict[str, xr.Dataset]:
    return {name: node.to_dataset() for name, node in draws.children.items() if name not in LAZY_GROUPS}


def _tree(groups: Mapping[str, xr.Dataset], draws: xr.DataTree) -> xr.DataTree:
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(draws.attrs)
    return tree


def _log_prior(fit: Fitted, name: str) -> xr.DataArray:
    return log_prior(fit.model, fit.posterior)[name]
