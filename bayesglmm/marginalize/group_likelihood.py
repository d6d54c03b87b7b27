"""The log likelihood of whole groups, and of rows given the others of their group, the random effects integrated out.

`group_log_likelihood` is for leave-one-group-out cross-validation: the likelihood of the rows given the effects of a
group says nothing of the prediction of a new group. `row_log_likelihood` is for leaving out rows that say much of their
group's effects.

References
----------
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84, 802-829: conditional against integrated likelihoods.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, linear_predictor, random_part
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.specify.design import BlockDesign, Design

__all__ = ["POINTS", "group_log_likelihood", "integral_points", "integrated_in_full", "row_log_likelihood"]

type Array = NDArray[np.float64]

POINTS = {1: 25, 2: 600, 3: 12_000}
"""Approximate number of points of the integral by the number of effects of a group."""


def integrated_in_full(design: Design) -> bool:
    """Whether all blocks are on one factor, so that groups are independent given the parameters."""
    if not design.blocks:
        return False
    first = design.blocks[0]
    return all(_nested(b.index, first.index) and _nested(first.index, b.index) for b in design.blocks[1:])


def integral_points(design: Design) -> int | None:
    """Return the approximate number of points of the integral over a group's effects; None if it is not exact."""
    return POINTS.get(sum(block.size for block in design.blocks)) if integrated_in_full(design) else None


def group_log_likelihood(fit: Fitted, factor: str | None = None, *, thin: int = 1) -> xr.DataArray:
    """Return log p(y_j | θ) of every observed group j with its random effects integrated out, a value a draw.

    Parameters
    ----------
    fit
        The model and its draws.
    factor
        The grouping factor; None where there is only one. All its blocks are integrated out jointly. The effects of a
        factor crossed with it, or in which it is nested, stay at their draws.
    thin
        Take every k-th draw of each chain, from the first; 1 for all.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw` and the block of the factor; natural logarithm of a probability, or of a density
        in units of the response. Up to three effects a group the error is near 1e-9; with more it is Laplace's
        approximation, and a warning says so.

    Raises
    ------
    OptionError
        For a factor that is none of the model's, or that has another nested in it: its groups share the
        effects of the inner factor, which would have to be integrated out with theirs; or if `thin` is below 1.
    """
    if thin < 1:
        raise OptionError(f"thin={thin!r} is not a whole number of 1 or more: it keeps every k-th draw of each chain")
    blocks = _blocks_of(fit.model.design, factor)
    design, outcome, first = fit.model.design, fit.model.design.outcome, blocks[0]
    assert outcome is not None
    thinned = Thinned(fit.model, fit.draws, thin)
    rows = np.flatnonzero(outcome.weights_or_ones)  # a group of which no row counts has the likelihood 1
    levels, index = np.unique(first.index[rows], return_inverse=True)
    values = np.zeros((Draws(thinned.posterior, design).size, len(first.levels)))
    values[:, levels] = _log_integrals(thinned, blocks, rows, index)
    others = (block for block in design.blocks if block not in blocks)
    attrs = {
        "estimand": f"log likelihood of each {first.factor}, its random effects integrated out over N(0, G)",
        "about": f"the likelihood with the random effects of {first.factor} integrated out",
        "others": listing(f"{block.factor} at its draws" for block in others),
    }
    return _labelled(thinned, values, first.name, list(first.levels)).assign_attrs(attrs).rename("group_log_likelihood")


def row_log_likelihood(fit: Fitted, rows: NDArray[np.int64], factor: str, *, thin: int = 1) -> xr.DataArray:
    """Return log p(y_i | y_j without i, θ) of rows i, each given the other rows of its group j, b_j integrated out.

    It is the log ratio of the likelihoods of the group with and without the row.

    Parameters
    ----------
    fit
        The model and its draws.
    rows
        (r,) numbers of rows whose weight is not 0.
    factor
        The grouping factor, as in `group_log_likelihood`.
    thin
        Take every k-th draw of each chain, from the first; 1 for all.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw` and `row`; natural logarithm of a probability, or of a density in units of the response.

    Raises
    ------
    OptionError
        As `group_log_likelihood`.
    """
    blocks = _blocks_of(fit.model.design, factor)
    design, outcome, index = fit.model.design, fit.model.design.outcome, blocks[0].index
    assert outcome is not None
    thinned = Thinned(fit.model, fit.draws, thin)
    counted = outcome.weights_or_ones != 0
    whole = [np.flatnonzero((index == level) & counted) for level in np.unique(index[rows])]
    without = [np.flatnonzero((index == index[row]) & counted & (np.arange(design.n) != row)) for row in rows]
    groups = [*whole, *(others for others in without if len(others))]
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    integrals = _log_integrals(thinned, blocks, np.concatenate(groups), numbers)
    values = integrals[:, np.unique(index[rows], return_inverse=True)[1]]
    values[:, [len(others) > 0 for others in without]] -= integrals[:, len(whole) :]
    return _labelled(thinned, values, "row", [design.columns.rows[row] for row in rows]).rename("row_log_likelihood")


def _log_integrals(
    fit: Fitted, blocks: Sequence[BlockDesign], rows: NDArray[np.int64], index: NDArray[np.int64]
) -> Array:
    """Return log ∫ Π f(y | b) dN(b; 0, G) over sets of rows, (s, m), each set of a single group.

    `rows` (r,) are the rows of the sets, which may share some, and `index` (r,) says of which set each is.
    """
    model, posterior = fit.model, fit.posterior
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    draws = Draws(posterior, design)
    z = np.concatenate([block.z for block in blocks], axis=1)[rows]
    y, trials, weights = outcome.y[rows], outcome.trials_or_ones[rows], outcome.weights_or_ones[rows]
    beta, parameters = draws.beta, draws.parameters(model.family)
    g = block_diagonal([draws.covariance(block) for block in blocks])
    others = [(draws.b(block), block) for block in design.blocks if block not in blocks]
    values = np.empty((draws.size, int(index.max()) + 1))
    for part in chunks(len(rows), draws.size):
        eta = linear_predictor(beta[part], design.x[rows], design.offset[rows])
        for b, block in others:
            eta += random_part(b[part], block.z[rows], block.index[rows])
        in_part = {name: column[part] for name, column in parameters.items()}
        groups = Groups(model.family, y, trials, weights, z, index, eta, g[part], in_part)
        values[part] = over_effects(groups).log
    return values


def _labelled(fit: Fitted, values: Array, dim: str, labels: list[Any]) -> xr.DataArray:
    """Return values (s, m) with the labels of the chains and draws."""
    lead = {name: fit.posterior[name].values for name in ("chain", "draw")}
    shape = (*(len(each) for each in lead.values()), -1)
    return xr.DataArray(values.reshape(shape), {**lead, dim: labels}, (*lead, dim))


def _blocks_of(design: Design, factor: str | None) -> list[BlockDesign]:
    """Return the blocks whose groups are those of the factor."""
    factors = dict.fromkeys(block.factor for block in design.blocks)
    if not factors:
        raise OptionError("the model has no groups; its rows are independent given the coefficients")
    if factor is None:
        if len(factors) > 1:
            raise OptionError(f"the model has several grouping factors; give one of {listing(factors)} as factor=")
        (factor,) = factors
    name = find(str(factor), factors)
    if name is None:
        raise OptionError(f"factor={factor!r} is not a grouping factor; {suggest(str(factor), factors)}")
    first = next(block for block in design.blocks if block.factor == name)
    nested = [block for block in design.blocks if _nested(block.index, first.index)]
    of_factor = [first, *(block for block in nested if block is not first and _nested(first.index, block.index))]
    for block in nested:
        if block not in of_factor:
            raise OptionError(
                f"'{block.factor}' is nested in '{name}': the outcomes of a level of '{name}' depend on effects of "
                f"several levels of '{block.factor}', which are not integrated out jointly; give "
                f"factor='{block.factor}', or fit with the block on '{name}' alone"
            )
    return of_factor


def _nested(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> bool:
    """Whether each level of one index lies in a single level of another."""
    pairs = np.unique(np.column_stack([inner, outer]), axis=0)
    return len(pairs) == len(np.unique(inner))
