"""`row_log_likelihood(fit, rows, factor)`: rows given the other rows of their group, its effects integrated out."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.marginalize.group_likelihood import blocks_integrated
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, linear_predictor, random_part
from bayesglmm.posterior.protocol import Fitted

__all__ = ["row_log_likelihood"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]


def row_log_likelihood(fit: Fitted, rows: Index, factor: str) -> xr.DataArray:
    """Return log p(y_i | y_j without i, θ) of rows i, each given the other rows of its group j, b_j integrated out.

    It is the log ratio of the likelihoods of the group with and without the row.

    Parameters
    ----------
    fit
        The model and its draws.
    rows
        (r,) numbers of rows whose weight is not 0.
    factor
        A grouping factor in which no other is nested.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw` and `row`; natural logarithm of a probability, or of a density in units of the response.

    Raises
    ------
    OptionError
        As `group_log_likelihood`.
    """
    design, outcome = fit.model.design, fit.model.design.outcome
    assert outcome is not None
    index = blocks_integrated(design, factor)[0].index
    counted = outcome.weights_or_ones != 0
    whole = [np.flatnonzero((index == level) & counted) for level in np.unique(index[rows])]
    without = [np.flatnonzero((index == index[row]) & counted & (np.arange(design.n) != row)) for row in rows]
    groups = [*whole, *(others for others in without if len(others))]
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    integrals = _log_integrals(fit, factor, np.concatenate(groups), numbers)
    values = integrals[:, np.unique(index[rows], return_inverse=True)[1]]
    values[:, [len(others) > 0 for others in without]] -= integrals[:, len(whole) :]
    lead = {name: fit.posterior[name].values for name in ("chain", "draw")}
    shape = (*(len(each) for each in lead.values()), -1)
    coords = {**lead, "row": design.columns.rows[rows]}
    return xr.DataArray(values.reshape(shape), coords, (*lead, "row"), "row_log_likelihood")


def _log_integrals(fit: Fitted, factor: str, rows: Index, index: Index) -> Array:
    """Return log ∫ Π f(y | b) dN(b; 0, G) over sets of rows, (s, m), each set of a single group.

    `rows` (r,) are the rows of the sets, which may share some, and `index` (r,) says of which set each is.
    """
    model, design, outcome = fit.model, fit.model.design, fit.model.design.outcome
    assert outcome is not None
    blocks, draws = blocks_integrated(design, factor), Draws(fit.posterior, design)
    z = np.concatenate([block.z for block in blocks], axis=1)[rows]
    y, units, weights = outcome.y[rows], design.units[rows], outcome.weights_or_ones[rows]
    beta, parameters = draws.beta, draws.parameters(model.family)
    g = block_diagonal([draws.covariance(block) for block in blocks])
    others = [(draws.b(block), block) for block in design.blocks if block not in blocks]
    values = np.empty((draws.size, int(index.max()) + 1))
    for part in chunks(len(rows), draws.size):
        eta = linear_predictor(beta[part], design.x[rows], design.offset[rows])
        for b, block in others:
            eta += random_part(b[part], block.z[rows], block.index[rows])
        in_part = {name: column[part] for name, column in parameters.items()}
        values[part] = over_effects(Groups(model.family, y, units, weights, z, index, eta, g[part], in_part)).log
    return values
