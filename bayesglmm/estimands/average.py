"""Averages over rows of the mean or the linear predictor, draw by draw: the one kernel of every verb.

Rows that are equal in all that is read are computed once, so that an average over discrete covariates costs
as much as it has distinct rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bayesglmm.estimands.frames import NamedFrame, RandomPart, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.request import Request
from bayesglmm.posterior.draws import chunks
from bayesglmm.specify.design import Columns, Design

__all__ = ["FramedDesign", "average", "framed", "means"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]


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


def means(request: Request, rows: FramedDesign, cell: Index, cells: int) -> Array:
    """Average the mean, or the linear predictor, over the rows of each cell.

    Parameters
    ----------
    request
        The draws and the scale.
    rows
        n rows, in a frame.
    cell
        (n,) the cell of each row; every cell has one.
    cells
        The number of cells, k.

    Returns
    -------
    Array
        Shape (s, k).
    """
    link = request.model.family.link

    def value(part: Index) -> Array:
        eta, v = rows.eta_and_variance(request, part)
        return eta if request.scale == "link" else mean_response(link, eta, v)

    return average(request, [rows], cell, cells, value)


def average(
    request: Request, designs: Sequence[FramedDesign], cell: Index, cells: int, value: Callable[[Index], Array]
) -> Array:
    """Average a function of rows over the rows of each cell, shape (s, cells).

    Parameters
    ----------
    request
        The draws, s in all.
    designs
        What the function reads, each of the same n rows: rows that are equal in all of them are computed once.
    cell
        (n,) the cell of each row.
    cells
        The number of cells.
    value
        From r rows, by their positions, the values (s, r).
    """
    key = np.hstack([design.key for design in designs])
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    share = 1 / np.bincount(cell, minlength=cells)[cell]
    weights = sparse.csr_array(sparse.coo_array((share, (which.reshape(-1), cell)), shape=(len(first), cells)))
    total = np.zeros((request.draws.size, cells))
    for part in chunks(request.draws.size, len(first)):
        chunk = weights[part]
        used = np.unique(chunk.indices)
        total[:, used] += value(first[part]) @ chunk[:, used]
    return total
