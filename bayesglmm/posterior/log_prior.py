"""`log_prior(model, posterior)`: the log prior density of every draw, class by class, random effects left out.

`of_values` is the log prior of a model in numpy; the PyMC graph and the compiled kernel state it independently, and
tests compare the three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.posterior.draws import Draws, covariance
from bayesglmm.specify.design import Design
from bayesglmm.specify.priors import Assigned, Priors
from bayesglmm.specify.priors.numeric import log_density
from bayesglmm.specify.variables import Parts

__all__ = ["Values", "log_prior", "of_values", "terms"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Values:
    """Values of a model's parameters, s of each.

    Parameters
    ----------
    beta
        (s, p) coefficients on the original scale.
    sd
        (s, k) the standard deviations of each block, by its name.
    log_det
        (s,) log |Ω| of each correlated block, by its name.
    parameters
        (s,) each family parameter, by its name.
    """

    beta: Array
    sd: Mapping[str, Array]
    log_det: Mapping[str, Array]
    parameters: Mapping[str, Array]


def of_values(design: Design, priors: Priors, values: Values) -> dict[str, Array]:
    """Return the log prior density class by class, each (s,).

    Parameters
    ----------
    design
        The design, on which the prior of a centred intercept rests.
    priors
        The priors; `sd` and `correlation` may be those of fewer random effects than the design has.
    values
        The values.

    Returns
    -------
    dict
        `intercept`, `slopes`, `sd_<g>`, `corr_<g>` and the family parameters, as far as there are priors; flat ones
        add 0. That of a correlation matrix is (η − 1) log |Ω|, without its constant.
    """
    slopes = values.beta[:, 1:] if design.has_intercept else values.beta
    terms: dict[str, Array] = {}
    if priors.intercept is not None:
        intercept = values.beta[:, 0]
        if priors.centred:
            intercept = intercept + slopes @ design.x[:, 1:].mean(axis=0)
        terms["intercept"] = log_density(priors.intercept.prior, intercept)
    if priors.slopes:
        terms["slopes"] = _sum(priors.slopes, slopes)
    for block in design.blocks:
        terms[f"sd_{block.name}"] = _sum(priors.sd[block.name], values.sd[block.name])
        if block.name in priors.correlation:
            (eta,) = priors.correlation[block.name].prior.numbers()
            terms[f"corr_{block.name}"] = (eta - 1) * values.log_det[block.name]
    for name, assigned in priors.parameters.items():
        terms[name] = log_density(assigned.prior, values.parameters[name])
    return terms


def terms(model: Parts) -> list[str]:
    """Return the names of the terms of the log prior of a model, in the order of `log_prior`."""
    priors = model.priors
    names = ["intercept"] if priors.intercept is not None else []
    names += ["slopes"] if priors.slopes else []
    for block in model.design.blocks:
        names += [f"sd_{block.name}"] + ([f"corr_{block.name}"] if block.name in priors.correlation else [])
    return [*names, *priors.parameters]


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
    draws = Draws(posterior, model.design)
    sd = {block.name: draws.sd(block) for block in model.design.blocks}
    log_det = {
        block.name: np.linalg.slogdet(covariance(np.ones_like(sd[block.name]), draws.correlations(block)))[1]
        for block in model.design.blocks
        if block.correlated
    }
    parameters = {name: column[:, 0] for name, column in draws.parameters(model.family).items()}
    found = of_values(model.design, model.priors, Values(draws.beta, sd, log_det, parameters))
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = tuple(len(labels) for labels in coords.values())
    return xr.Dataset({name: (("chain", "draw"), term.reshape(shape)) for name, term in found.items()}, coords)


def _sum(assigned: Sequence[Assigned], values: Array) -> Array:
    """Add the log densities of the columns of values (s, k), each under its own prior."""
    total = np.zeros(len(values))
    for entry, column in zip(assigned, values.T, strict=True):
        total += log_density(entry.prior, column)
    return total
