"""`prior_predictive(model)`: parameters and outcomes drawn from the priors alone, directly and without a sampler.

All priors are independent, those of correlations in their partial correlations, so that draws from each are
independent draws from the joint prior.

References
----------
Gabry, Simpson, Vehtari, Betancourt & Gelman (2019), Journal of the Royal Statistical Society A 182, 389-402.
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
"""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.frames import eta_and_variance, mean_response, new_effects, resolve
from bayesglmm.posterior.draws import Draws
from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors.distributions.lkj import partial_shape
from bayesglmm.specify.priors.numeric import draw
from bayesglmm.specify.variables import posterior_coords, posterior_dims

__all__ = ["check_draws", "hyperparameters", "prior_predictive"]

type Array = NDArray[np.float64]

_SAMPLE_DIMS = ("chain", "draw")


def prior_predictive(model: Model, *, draws: int = 1000, seed: int | np.random.Generator | None = None) -> xr.DataTree:
    """Draw parameters from the priors, and outcomes for the rows of the data given them.

    Parameters
    ----------
    model
        Design, family and priors.
    draws
        The number of draws.
    seed
        The seed, or the generator itself.

    Returns
    -------
    xarray.DataTree
        Groups of ArviZ's schema: `prior` with the variables of a posterior (`beta`, `sd_<g>`, `corr_<g>`, the
        family parameters, `b_<g>`), `prior_predictive` with `mean` and the outcome `y` of each row given its
        group's b, `observed_data` with the `y` observed. One chain: the draws are independent.

    Raises
    ------
    PriorError
        If a prior is improper, naming the parameters.
    OptionError
        If `draws` is not a whole number above zero.
    DataError
        If a mean is negative that cannot be, under the inverse link.
    """
    rng = np.random.default_rng(seed)
    prior = hyperparameters(model, draws, rng)
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    arrays = Draws(prior, design)
    for block in design.blocks:
        b = new_effects(rng, arrays.covariance(block), len(block.levels))[None]
        coords, dims = {block.name: list(block.levels)}, (*_SAMPLE_DIMS, block.name, f"{block.name}_coef")
        prior = prior.assign({f"b_{block.name}": xr.DataArray(b, coords, dims)})
    arrays = Draws(prior, design)
    effects = resolve(arrays, design, {block.name: "group" for block in design.blocks}, rng)
    eta, _ = eta_and_variance(arrays.beta, design, effects, slice(None))
    mean = mean_response(model.family.link, eta, None)
    trials = design.units
    y = np.asarray(model.family.draw(rng, mean, arrays.parameters(model.family), trials), dtype=np.float64)
    labels, by_row = {"chain": [0], "draw": np.arange(draws), "row": design.columns.rows}, (*_SAMPLE_DIMS, "row")
    predictive = xr.Dataset({"mean": (by_row, mean[None]), "y": (by_row, y[None])}, labels)
    observed = xr.Dataset({"y": ("row", outcome.y)}, {"row": design.columns.rows})
    return xr.DataTree.from_dict({"prior": prior, "prior_predictive": predictive, "observed_data": observed})


def check_draws(draws: Any) -> None:
    """Check a number of draws.

    Raises
    ------
    OptionError
        If it is not a whole number above zero.
    """
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise OptionError(f"draws={draws!r} is not a whole number from 1 on")


def hyperparameters(model: Model, draws: int, rng: np.random.Generator) -> xr.Dataset:
    """Draw everything but the random effects, as variables of a posterior with one chain.

    Raises
    ------
    PriorError
        If a prior is improper.
    OptionError
        If `draws` is not a whole number above zero.
    """
    check_draws(draws)
    model.require_proper()
    design, priors = model.design, model.priors
    values = {"beta": _beta(model, draws, rng)}
    for block in design.blocks:
        name = block.name
        values[f"sd_{name}"] = np.column_stack([draw(assigned.prior, rng, draws) for assigned in priors.sd[name]])
        if block.correlated:
            eta = priors.correlation[name].prior.numbers()[0]
            values[f"corr_{name}"] = _correlations(block, eta, draws, rng)
    values |= {name: draw(assigned.prior, rng, draws) for name, assigned in priors.parameters.items()}
    dims, labels = posterior_dims(model), posterior_coords(model)
    coords = {dim: labels[dim] for name in values for dim in dims[name]}
    variables = {name: ((*_SAMPLE_DIMS, *dims[name]), array[None]) for name, array in values.items()}
    return xr.Dataset(variables, {"chain": [0], "draw": np.arange(draws), **coords})


def _beta(model: Model, draws: int, rng: np.random.Generator) -> Array:
    """Draw the coefficients on the original scale, (draws, p); the intercept's prior is that of centred columns."""
    design, priors = model.design, model.priors
    slopes = [draw(assigned.prior, rng, draws) for assigned in priors.slopes]
    if priors.intercept is None:
        return np.column_stack(slopes) if slopes else np.zeros((draws, 0))
    intercept = draw(priors.intercept.prior, rng, draws)
    if priors.centred:
        for slope, column in zip(slopes, design.x[:, 1:].T, strict=True):
            intercept = intercept - slope * column.mean()
    return np.column_stack([intercept, *slopes])


def _correlations(block: BlockDesign, eta: float, draws: int, rng: np.random.Generator) -> Array:
    """Draw the lower triangle of Ω row by row, shape (draws, pairs): independent partial correlations, Beta on (−1, 1).

    Column j's have both shapes eta + (k − 2 − j)/2.
    """
    k = block.size
    root = np.zeros((draws, k, k))
    for i in range(k):
        remainder = np.ones(draws)  # √(1 − Σ of the squares of the row so far)
        for j in range(i):
            shape = partial_shape(eta, k, j)
            partial = 2 * rng.beta(shape, shape, draws) - 1
            root[:, i, j] = partial * remainder
            remainder = remainder * np.sqrt(1 - np.square(partial))
        root[:, i, i] = remainder
    lower = np.tril_indices(k, -1)
    return np.asarray((root @ np.swapaxes(root, 1, 2))[:, lower[0], lower[1]])
