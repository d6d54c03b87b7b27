"""Averages over rows of the mean or the linear predictor, draw by draw: the one kernel of every verb.

Rows that are equal in all that is read are computed once, so that an average over discrete covariates costs
as much as it has distinct rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from bayesglmm.estimands.frames import NamedFrame, RandomPart, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.request import Request
from bayesglmm.marginalize.mean import link_of_mean
from bayesglmm.posterior.draws import chunks
from bayesglmm.specify.design import Columns, Design
from bayesglmm.specify.families.links import Link

__all__ = ["Cells", "FramedDesign", "RowScale", "average", "framed", "means"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]
type RowScale = Literal["response", "link", "log", "logit"]
"""What of a row is averaged: its mean, its linear predictor, the logarithm or the log odds of its mean."""

_NEAR_0, _NEAR_1 = 1e-300, 1 - 1e-6
"""Beyond these the logarithm or the log odds of a rounded probability have an error above 1e-10."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells that rows are averaged in.

    Parameters
    ----------
    of_row
        (n,) the cell of each row; every cell has one.
    count
        The number of cells, k.
    weights
        (n,) what each row counts, not all 0 in a cell; None for 1 each.
    """

    of_row: Index
    count: int
    weights: Array | None = None

    @property
    def shares(self) -> Array:
        """The share of each row in the average of its cell, (n,); they sum to 1 in each cell."""
        weights = np.ones(len(self.of_row)) if self.weights is None else self.weights
        return np.asarray(weights / np.bincount(self.of_row, weights, self.count)[self.of_row])


@dataclass(frozen=True, eq=False)
class FramedDesign:
    """The design of n rows and their random effects in a frame."""

    design: Design
    random: RandomPart

    def eta_and_variance(self, request: Request, rows: Index) -> tuple[Array, Array | None]:
        """Return η and the variance of what is integrated over, each (s, rows); link scale."""
        return eta_and_variance(request.draws.beta, self.design, self.random, rows)

    @property
    def key(self) -> Array:
        """The columns in which rows may differ, (n, …): x, offset, z and the group."""
        parts = [self.design.x, self.design.offset[:, None]]
        for _, z, group in self.random.at_b:
            parts += [z, group[:, None].astype(float)]
        parts += [z for _, z in self.random.over_b]
        return np.hstack(parts)


def framed(
    request: Request,
    frame: NamedFrame,
    columns: Columns,
    *,
    zero_offset: bool = False,
    one_group: bool = True,
    groups_of: FramedDesign | None = None,
) -> FramedDesign:
    """Return the design of rows in a frame.

    Parameters
    ----------
    request, frame
        The draws, and the frame.
    columns
        The rows.
    zero_offset
        Whether the offset is 0 for all rows, which is one unit of exposure under the log link.
    one_group
        Whether in the frame `"new_group"` all rows lie in one new group, so that their average has the spread of one
        group, and not one for each label as in `bayesglmm.estimands.posterior_draws`.
    groups_of
        A design of the same rows in the same frame, whose groups are used; None to read the groups from the columns.

    Raises
    ------
    DataError
        As `Design.on`, and for a group that was not fitted in the frame `"group"`.
    """
    factors = request.factors if groups_of is None else ()
    design = request.model.design.on(columns, outcome=False, factors=factors)
    if groups_of is not None:
        pairs = zip(design.blocks, groups_of.design.blocks, strict=True)
        design = replace(design, blocks=tuple(replace(block, index=other.index) for block, other in pairs))
    if zero_offset:
        design = replace(design, offset=np.zeros(design.n))
    rng = np.random.default_rng(request.seed)
    return FramedDesign(design, resolve(request.draws, design, frame.by_block, rng, one_group=one_group))


def means(request: Request, rows: FramedDesign, cells: Cells, scale: RowScale | None = None) -> Array:
    """Average the mean, or a function of it, over the rows of each cell.

    Parameters
    ----------
    request
        The draws and the scale.
    rows
        n rows, in a frame.
    cells
        The k cells of these rows.
    scale
        What of each row is averaged; None for the scale of the request.

    Returns
    -------
    Array
        Shape (s, k).
    """
    link, of = request.model.family.link, scale or request.scale

    def value(part: Index) -> Array:
        return _on_scale(link, of, *rows.eta_and_variance(request, part))

    return average(request, [rows], cells, value)


def _on_scale(link: Link, scale: RowScale, eta: Array, v: Array | None) -> Array:
    """Return means (s, r) on a scale, from η and the variance of what is integrated over.

    Logarithms under the log link and log odds under the logit link are the linear predictor of the mean. Probabilities
    near 0 and 1, whose rounded values have too few digits, go through their linear predictor too.
    """
    if scale == "link":
        return eta
    if scale == "response":
        return mean_response(link, eta, v)
    if (scale == "log" and link.multiplicative) or (scale == "logit" and link.log_odds):
        return eta if v is None else link_of_mean(link, eta, v)
    mean = mean_response(link, eta, v)
    with np.errstate(divide="ignore"):
        values = np.asarray(np.log(mean) if scale == "log" else special.logit(mean))
    far = (mean < _NEAR_0) | (mean > _NEAR_1)
    if link.range == "unit" and far.any():
        at = eta[far] if v is None else link_of_mean(link, eta[far], v[far])
        log_p, log_q, *slopes = np.empty((4, len(at)))
        with np.errstate(over="ignore", under="ignore"):
            link.rows(len(at), at, log_p, log_q, *slopes)
        values[far] = log_p if scale == "log" else log_p - log_q
    return values


def average(request: Request, designs: Sequence[FramedDesign], cells: Cells, value: Callable[[Index], Array]) -> Array:
    """Average a function of rows over the rows of each cell, by their weights; shape (s, k).

    Parameters
    ----------
    request
        The draws, s in all.
    designs
        What the function reads, each of the same n rows: rows that are equal in all of them are computed once.
    cells
        The k cells of the rows.
    value
        From r rows, by their positions, the values (s, r).
    """
    key = np.hstack([design.key for design in designs])
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    entries = (cells.shares, (which.reshape(-1), cells.of_row))
    weights = sparse.csr_array(sparse.coo_array(entries, shape=(len(first), cells.count)))
    total = np.zeros((request.draws.size, cells.count))
    for part in chunks(request.draws.size, len(first)):
        chunk = weights[part]
        used = np.unique(chunk.indices)
        total[:, used] += value(first[part]) @ chunk[:, used]
    return total
