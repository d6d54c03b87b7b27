"""`group_log_likelihood(fit, factor)`: the log likelihood of whole groups, their random effects integrated out.

It is the likelihood for leave-one-group-out cross-validation: that of the rows given the effects of a group says
nothing of the prediction of a new group.

References
----------
Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84, 802-829: conditional against integrated likelihoods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, listing
from bayesglmm.marginalize.groups import Groups, over_effects
from bayesglmm.marginalize.nested import NestedGroups, over_nested_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, chunks, linear_predictor, random_part
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import BlockDesign, Design, factor_named

__all__ = [
    "POINTS",
    "blocks_integrated",
    "group_log_likelihood",
    "integral_points",
    "integrated_in_full",
    "integrated_with",
]

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
        The grouping factor; None where there is only one. All its blocks are integrated out jointly, and with them the
        effects of a factor nested in it, such as an effect of each row: the levels of a group are its own. The effects
        of a factor crossed with it, or in which it is nested, stay at their draws.
    thin
        Take every k-th draw of each chain, from the first; 1 for all.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw` and the block of the factor; natural logarithm of a probability, or of a density
        in units of the response. Up to three effects a group the error is near 1e-9; with more it is Laplace's
        approximation, and a warning says so. With a nested factor the error is below 1e-5 up to two effects a group,
        and the time some twenty times that of its levels for one effect, two hundred times for two.

    Raises
    ------
    OptionError
        For a factor that is none of the model's, or that has two others nested in it, whose effects would have to be
        integrated out together; or if `thin` is below 1.
    """
    if thin < 1:
        raise OptionError(f"thin={thin!r} is not a whole number of 1 or more: it keeps every k-th draw of each chain")
    model, posterior = fit.model, fit.posterior.isel(draw=slice(None, None, thin))
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    own, nested = _blocks_of(design, factor)
    draws, first = Draws(posterior, design), own[0]
    rows = np.flatnonzero(outcome.weights_or_ones)  # a group of which no row counts has the likelihood 1
    levels, index = np.unique(first.index[rows], return_inverse=True)
    others = [(draws.b(block), block) for block in design.blocks if block not in (*own, *nested)]
    beta, parameters = draws.beta, draws.parameters(model.family)
    columns = (outcome.y[rows], design.units[rows], outcome.weights_or_ones[rows])
    innermost = _Effects.of(draws, nested or own, rows)
    outer = _Effects.of(draws, own, rows)
    values = np.zeros((draws.size, len(first.levels)))
    for part in chunks(len(rows), draws.size):
        eta = linear_predictor(beta[part], design.x[rows], design.offset[rows])
        for b, block in others:
            eta += random_part(b[part], block.z[rows], block.index[rows])
        in_part = {name: column[part] for name, column in parameters.items()}
        groups = Groups(model.family, *columns, innermost.z, innermost.index, eta, innermost.g[part], in_part)
        if nested:
            values[part, levels] = over_nested_effects(NestedGroups(groups, outer.z, index, outer.g[part]))
        else:
            values[part, levels] = over_effects(groups).log
    lead = {dim: posterior[dim].values for dim in ("chain", "draw")}
    shape = (*(len(labels) for labels in lead.values()), -1)
    integrated = integrated_with(design, first.factor)
    attrs = {
        "estimand": f"log likelihood of each {first.factor}, {_its_effects(integrated)} integrated out over N(0, G)",
        "about": f"the likelihood with the random effects of {listing(integrated)} integrated out",
        "others": listing(f"{block.factor} at its draws" for _, block in others),
    }
    coords = {**lead, first.name: list(first.levels)}
    return xr.DataArray(values.reshape(shape), coords, (*lead, first.name), "group_log_likelihood", attrs)


def blocks_integrated(design: Design, factor: str | None) -> list[BlockDesign]:
    """Return the blocks of a factor, whose effects are integrated together."""
    return _blocks_of(design, factor)[0]


def integrated_with(design: Design, factor: str) -> tuple[str, ...]:
    """Return the factors whose effects are integrated out with those of a factor, itself the first."""
    own, nested = _blocks_of(design, factor)
    return tuple(dict.fromkeys(block.factor for block in (*own, *nested)))


def _its_effects(integrated: tuple[str, ...]) -> str:
    return (
        "its random effects" if len(integrated) == 1 else f"its random effects and those of {listing(integrated[1:])}"
    )


@dataclass(frozen=True, eq=False)
class _Effects:
    """The effects of blocks with the same groups, on some rows: columns (n, q), group (n,), covariance (s, q, q)."""

    z: Array
    index: NDArray[np.int64]
    g: Array

    @classmethod
    def of(cls, draws: Draws, blocks: Sequence[BlockDesign], rows: NDArray[np.int64]) -> Self:
        """Gather them."""
        z = np.concatenate([block.z[rows] for block in blocks], axis=1)
        index = np.unique(blocks[0].index[rows], return_inverse=True)[1]
        return cls(z, index, block_diagonal([draws.covariance(block) for block in blocks]))


def _blocks_of(design: Design, factor: str | None) -> tuple[list[BlockDesign], list[BlockDesign]]:
    """Return the blocks whose groups are those of the factor, and those of the factor nested in it."""
    name = factor_named(design.blocks, factor)
    first = next(block for block in design.blocks if block.factor == name)
    inside = [block for block in design.blocks if block is not first and _nested(block.index, first.index)]
    own = [first, *(block for block in inside if _nested(first.index, block.index))]
    nested = [block for block in inside if block not in own]
    for block in nested[1:]:
        if not (_nested(block.index, nested[0].index) and _nested(nested[0].index, block.index)):
            both = nested[0].factor, block.factor
            raise OptionError(
                f"'{both[0]}' and '{both[1]}' are both nested in '{name}': the outcomes of a level of '{name}' depend "
                f"on the effects of both, which are not integrated out together; give {_or(both)} instead, whose "
                f"levels can be left out whole, or fit with one of the two blocks"
            )
    return own, nested


def _or(factors: tuple[str, str]) -> str:
    return " or ".join(f"'{factor}'" for factor in factors)


def _nested(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> bool:
    """Whether each level of one index lies in a single level of another."""
    pairs = np.unique(np.column_stack([inner, outer]), axis=0)
    return len(pairs) == len(np.unique(inner))
