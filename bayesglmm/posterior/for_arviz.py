"""`for_arviz(fit)`: draws with the groups that ArviZ's functions on likelihoods and predictions read."""

import numpy as np
import xarray as xr

from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted

__all__ = ["for_arviz"]


def for_arviz(fit: Fitted, replicates: xr.DataArray) -> xr.DataTree:
    """Return the draws of a fit with the groups `log_likelihood` and `posterior_predictive`.

    Parameters
    ----------
    fit
        The fit.
    replicates
        Replicated outcomes, dims `chain`, `draw`, `row`, given the random effects of each draw.

    Returns
    -------
    xarray.DataTree
        All groups of `fit.draws`, and both of these; the outcome is `y` in each of them, counts are integers.
    """
    counts = fit.model.family.outcome_type != "continuous"

    def typed(values: xr.DataArray) -> xr.DataArray:
        return values.astype(np.int64) if counts else values

    groups = {name: node.to_dataset() for name, node in fit.draws.children.items()}
    groups["observed_data"] = groups["observed_data"].assign(y=typed(groups["observed_data"]["y"]))
    groups["log_likelihood"] = xr.Dataset({"y": log_likelihood(fit)})
    groups["posterior_predictive"] = xr.Dataset({"y": typed(replicates.rename("y"))})
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(fit.draws.attrs)
    return tree
