"""`log_likelihood(fit)`: the log density of every row's outcome at every draw, given its random effects."""

import numpy as np
import xarray as xr

from bayesglmm.posterior.draws import CELLS, Draws
from bayesglmm.posterior.protocol import Fitted

__all__ = ["log_likelihood"]


def log_likelihood(fit: Fitted) -> xr.DataArray:
    """Return the log density of the outcome of each row, times its weight, with all constants.

    Returns
    -------
    xarray.DataArray
        Dims `chain`, `draw`, `row`, rows in the order of the data; given the random effects b of each draw.
    """
    from bayesglmm.logdensity.data_rows import Rows
    from bayesglmm.posterior.log_likelihood import Likelihood

    model, posterior = fit.model, fit.posterior
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    draws, likelihood = Draws(posterior, design), Likelihood.of(model, Rows.in_order(model))
    beta, b = draws.beta, [draws.b(block) for block in design.blocks]
    parameters = likelihood.parameters(draws.parameters(model.family), len(beta))
    values = np.empty((len(beta), design.n))
    step = max(1, CELLS // design.n)
    for start in range(0, len(beta), step):
        part = slice(start, start + step)
        values[part] = likelihood.of_rows(likelihood.eta(beta[part], [each[part] for each in b]), parameters[part])
    values += outcome.weights_or_ones * model.family.constant(outcome.y, design.units)
    coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = tuple(len(labels) for labels in coords.values())
    attrs = {"about": "log likelihood of each row given the random effects of its groups"}
    return xr.DataArray(
        values.reshape(*shape, design.n), {**coords, "row": design.columns.rows}, ("chain", "draw", "row"), "y", attrs
    )
