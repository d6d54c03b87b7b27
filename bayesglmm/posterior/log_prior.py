"""`log_prior(model, posterior)`: the log prior density of every draw, class by class, random effects left out."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.posterior.draws import Draws, covariance
from bayesglmm.specify.priors import Assigned
from bayesglmm.specify.priors.numeric import log_density
from bayesglmm.specify.variables import Parts

__all__ = ["log_prior"]

type Array = NDArray[np.float64]


def log_prior(model: Parts, posterior: xr.Dataset) -> xr.Dataset:
    """Return the log prior density of each draw, up to constants that no draw changes.

    Parameters
    ----------
    model
        Design, family and priors.
    posterior
        Draws of `beta`, `sd_<g>`, `corr_<g>` and the family parameters.

    Returns
    -------
    xarray.Dataset
        Dims `chain`, `draw`; a variable a class that the model has: `intercept` (on the design its prior is on),
        `slopes`, `sd_<g>`, `corr_<g>`, the family parameters. b's own N(0, G) is part of the model, not a prior
        to choose, and stands in none of them.
    """
    draws, design, priors = Draws(posterior, model.design), model.design, model.priors
    beta = draws.beta
    slopes = beta[:, 1:] if design.has_intercept else beta
    found: dict[str, Array] = {}
    if priors.intercept is not None:
        intercept = beta[:, 0]
        if priors.centred:
            intercept = intercept + slopes @ design.x[:, 1:].mean(axis=0)
        found["intercept"] = log_density(priors.intercept.prior, intercept)
    if priors.slopes:
        found["slopes"] = _sum(priors.slopes, slopes)
    for block in design.blocks:
        sd = draws.sd(block)
        found[f"sd_{block.name}"] = _sum(priors.sd[block.name], sd)
        if block.correlated:
            (eta,) = priors.correlation[block.name].prior.numbers()
            omega = covariance(np.ones_like(sd), draws.correlations(block))
            found[f"corr_{block.name}"] = (eta - 1) * np.linalg.slogdet(omega)[1]
    for parameter in model.family.parameters:
        values = draws.parameters(model.family)[parameter.name][:, 0]
        found[parameter.name] = log_density(priors.parameters[parameter.name].prior, values)
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = tuple(len(values) for values in coords.values())
    return xr.Dataset({name: (("chain", "draw"), values.reshape(shape)) for name, values in found.items()}, coords)


def _sum(assigned: Sequence[Assigned], values: Array) -> Array:
    """Add the log densities of the columns of values (s, k), each under its own prior."""
    return np.sum([log_density(one.prior, column) for one, column in zip(assigned, values.T, strict=True)], axis=0)
