"""Log densities of rows: `log_density` at any linear predictor, `log_likelihood(fit)` at every draw of a fit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.posterior.draws import CELLS, Draws
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.posterior.log_likelihood import Likelihood

__all__ = ["log_density", "log_likelihood"]

type Array = NDArray[np.float64]


def log_density(model: Model, eta: Array, parameters: Mapping[str, Array]) -> Array:
    """Return the log density of the outcome of each row, times its weight, up to a constant of the row.

    Parameters
    ----------
    model
        The model.
    eta
        (s, n) linear predictors, rows in the order of the data.
    parameters
        Family parameters by name, each of s values.

    Returns
    -------
    numpy.ndarray
        (s, n).
    """
    likelihood = _in_order(model)
    return likelihood.of_rows(eta, likelihood.parameters(parameters, len(eta)))


def log_likelihood(fit: Fitted) -> xr.DataArray:
    """Return the log density of the outcome of each row, times its weight, with all constants.

    Returns
    -------
    xarray.DataArray
        Dims `chain`, `draw`, `row`, rows in the order of the data; given the random effects b of each draw.
    """
    model, posterior = fit.model, fit.posterior
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    draws, likelihood = Draws(posterior, design), _in_order(model)
    beta, b = draws.beta, [draws.b(block) for block in design.blocks]
    parameters = draws.parameters(model.family)
    values = np.empty((len(beta), design.n))
    step = max(1, CELLS // design.n)
    for start in range(0, len(beta), step):
        part = slice(start, start + step)
        eta = likelihood.eta(beta[part], [each[part] for each in b])
        values[part] = log_density(model, eta, {name: each[part] for name, each in parameters.items()})
    values += outcome.weights_or_ones * model.family.constant(outcome.y, design.units)
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = tuple(len(labels) for labels in coords.values())
    attrs = {"about": "log likelihood of each row given the random effects of its groups"}
    return xr.DataArray(
        values.reshape(*shape, design.n), {**coords, "row": design.columns.rows}, ("chain", "draw", "row"), "y", attrs
    )


def _in_order(model: Model) -> "Likelihood":
    """Return the likelihood of all rows in the order of the data."""
    from bayesglmm.logdensity.data_rows import Rows
    from bayesglmm.posterior.log_likelihood import Likelihood  # numba, which a fit does not wait for

    return Likelihood.of(model, Rows.in_order(model))
