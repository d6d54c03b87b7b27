"""The likelihood of whole groups, draw by draw, their random effects integrated out.

This is the unit of leave-one-group-out: the effects of a group that is left out are not known, so the likelihood
of its rows at their draws says nothing of how a new group would be predicted.

References
----------
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84, 802-829: conditional against integrated likelihoods.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, linear_predictor, random_part
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import BlockDesign, Design

__all__ = ["group_log_likelihood", "integral_points", "integrated_in_full"]

_POINTS = {1: 25, 2: 600, 3: 12_000}
"""About how many points the integral over so many effects of a group takes."""


def integrated_in_full(design: Design) -> bool:
    """Return whether one factor has all the effects, so that the groups are independent given the coefficients."""
    if not design.blocks:
        return False
    first = design.blocks[0]
    return all(_inside(b.index, first.index) and _inside(first.index, b.index) for b in design.blocks[1:])


def integral_points(design: Design) -> int | None:
    """Return about how many points the integral over a group's effects takes; None if it cannot be had to the digit."""
    return _POINTS.get(sum(block.size for block in design.blocks)) if integrated_in_full(design) else None


def group_log_likelihood(fit: Fitted, factor: str | None = None, *, thin: int = 1) -> xr.DataArray:
    """Return log p(y_j | θ) of every observed group j with its random effects integrated out, a value a draw.

    Parameters
    ----------
    fit
        The model and its draws.
    factor
        The grouping factor, as written; it may be left out where there is one only. All its blocks are
        integrated out together. The effects of a factor crossed with it, or around it, stay at their draws.
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
    model, posterior = fit.model, fit.posterior.isel(draw=slice(None, None, thin))
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    own = _own(design, factor)
    draws, first = Draws(posterior, design), own[0]
    z = np.concatenate([block.z for block in own], axis=1)
    trials = np.ones(design.n) if outcome.trials is None else outcome.trials
    beta, parameters = draws.beta, draws.parameters(model.family)
    g = block_diagonal([draws.covariance(block) for block in own])
    others = [(draws.b(block), block) for block in design.blocks if block not in own]
    values = np.empty((draws.size, len(first.levels)))
    for part in chunks(design.n, draws.size):
        eta = linear_predictor(beta[part], design.x, design.offset)
        for b, block in others:
            eta += random_part(b[part], block.z, block.index)
        some = {name: column[part] for name, column in parameters.items()}
        groups = Groups(model.family, outcome.y, trials, z, first.index, eta, g[part], some)
        values[part] = over_effects(groups).log
    lead = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = (*(len(values) for values in lead.values()), -1)
    attrs = {
        "estimand": f"log likelihood of each {first.factor}, its random effects integrated out over N(0, G)",
        "about": f"the likelihood with the random effects of {first.factor} integrated out",
        "others": listing(f"{block.factor} at its draws" for _, block in others),
    }
    coords = {**lead, first.name: list(first.levels)}
    return xr.DataArray(values.reshape(shape), coords, (*lead, first.name), "group_log_likelihood", attrs)


def _own(design: Design, factor: str | None) -> list[BlockDesign]:
    """Return the blocks whose groups are those of the factor."""
    known = dict.fromkeys(block.factor for block in design.blocks)
    if not known:
        raise OptionError("the model has no groups; its rows are independent given the coefficients")
    if factor is None:
        if len(known) > 1:
            raise OptionError(f"factor= says which groups; give one of {listing(known)}")
        (factor,) = known
    found = find(str(factor), known)
    if found is None:
        raise OptionError(f"factor={factor!r} is not a grouping factor; {suggest(str(factor), known)}")
    factor = found
    first = next(block for block in design.blocks if block.factor == factor)
    inside = [block for block in design.blocks if _inside(block.index, first.index)]
    own = [first, *(block for block in inside if block is not first and _inside(first.index, block.index))]
    for block in inside:
        if block not in own:
            raise OptionError(
                f"'{block.factor}' lies inside '{factor}': the outcomes of a level of '{factor}' depend on effects of "
                f"several levels of '{block.factor}', which are not integrated out together; ask for "
                f"factor='{block.factor}', or fit with the block on '{factor}' alone"
            )
    return own


def _inside(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> bool:
    """Return whether each level of one index lies in a single level of another."""
    pairs = np.unique(np.column_stack([inner, outer]), axis=0)
    return len(pairs) == len(np.unique(inner))
