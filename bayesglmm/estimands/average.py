"""Averages of the mean over rows, draw by draw: the one kernel of every verb.

Rows that share everything that matters are computed once, so that an average over discrete covariates costs
as much as it has distinct rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bayesglmm.estimands.frames import Effects, eta_and_variance, mean_response, resolve
from bayesglmm.estimands.request import Asked, View
from bayesglmm.posterior.draws import chunks
from bayesglmm.specify.design import Columns, Design

__all__ = ["Place", "average", "means", "place"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Place:
    """A design with the random effects it has in a frame.

    Parameters
    ----------
    design
        n rows.
    effects
        Their random effects.
    """

    design: Design
    effects: Effects

    def eta_and_variance(self, asked: Asked, rows: Index) -> tuple[Array, Array | None]:
        """Return η and the variance of what is averaged over, each (s, rows); link scale."""
        return eta_and_variance(asked.draws.beta, self.design, self.effects, rows)

    @property
    def key(self) -> Array:
        """All that rows differ in, (n, …)."""
        parts = [self.design.x, self.design.offset[:, None]]
        for _, z, index in self.effects.known:
            parts += [z, index[:, None].astype(float)]
        parts += [z for _, z in self.effects.integrated]
        return np.hstack(parts)


def place(
    asked: Asked,
    view: View,
    columns: Columns,
    *,
    rate: bool = False,
    apart: bool = False,
    like: Place | None = None,
) -> Place:
    """Put rows into a frame.

    Parameters
    ----------
    asked, view
        The draws, and the frame.
    columns
        The rows.
    rate
        Whether they are at one unit of exposure.
    apart
        Whether each label of a factor in the frame `"new_group"` is a new group of its own, as in
        `bayesglmm.estimands.predict`. Else all rows lie in one: the average over many new groups would have the
        spread neither of one group nor of the population.
    like
        The same rows in the same frame, whose groups these rows are in, whatever their columns say; None to read them.

    Raises
    ------
    DataError
        As `Design.on`, and for a group that the frame `"group"` does not know.
    """
    design = asked.model.design.on(columns, outcome=False, factors=asked.factors if like is None else ())
    if like is not None:
        pairs = zip(design.blocks, like.design.blocks, strict=True)
        design = replace(design, blocks=tuple(replace(block, index=known.index) for block, known in pairs))
    if rate:
        design = replace(design, offset=np.zeros(design.n))
    rng = np.random.default_rng(asked.seed)
    return Place(design, resolve(asked.draws, design, view.blocks, rng, one=not apart))


def means(asked: Asked, where: Place, cell: Index, cells: int) -> Array:
    """Average the mean, or the linear predictor, over the rows of each cell.

    Parameters
    ----------
    asked
        The draws and the scale.
    where
        The rows, in a frame.
    cell
        (n,) the cell of each row; every cell has one.
    cells
        How many there are, k.

    Returns
    -------
    Array
        Shape (s, k).
    """
    link = asked.model.family.link

    def value(rows: Index) -> Array:
        eta, v = where.eta_and_variance(asked, rows)
        return eta if asked.scale == "link" else mean_response(link, eta, v)

    return average(asked, [where], cell, cells, value)


def average(asked: Asked, places: Sequence[Place], cell: Index, cells: int, value: Callable[[Index], Array]) -> Array:
    """Average a function of rows over the rows of each cell, shape (s, cells).

    Parameters
    ----------
    asked
        The draws, s in all.
    places
        What the function reads: rows that are equal in all of them are computed once.
    cell
        (n,) the cell of each row.
    cells
        How many there are.
    value
        From r rows, by their positions, the values (s, r).
    """
    key = np.hstack([where.key for where in places])
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    share = 1 / np.bincount(cell, minlength=cells)[cell]
    weights = sparse.csr_array(sparse.coo_array((share, (which.reshape(-1), cell)), shape=(len(first), cells)))
    total = np.zeros((asked.draws.size, cells))
    for part in chunks(asked.draws.size, len(first)):
        here = weights[part]
        used = np.unique(here.indices)
        total[:, used] += value(first[part]) @ here[:, used]
    return total
