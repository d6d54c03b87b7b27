"""`differences`: with one intercept a group, what the groups leave of the data are differences between their rows.

An intercept e can be chosen in a group if every row that goes up lies above every row that goes down: the
constraints are one a pair, on the coefficients alone, as in conditional logistic regression.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Cells, Mask

__all__ = ["Differences", "differences"]

type Rows = NDArray[np.int64]

_MOST = 2_000_000
"""The largest number of pairs that is made."""


@dataclass(frozen=True, eq=False)
class Differences:
    """Pairs of cells of the same group, without groups of their own.

    Parameters
    ----------
    cells
        The difference of each pair in its columns.
    first, second
        (pairs,) which cells they are.
    """

    cells: Cells
    first: Rows
    second: Rows

    def strict(self, pairs: Mask, cells: Cells) -> Mask:
        """Return which cells are strict, (c,), from which pairs are: those with a side whose every pair is."""
        held = np.zeros(len(cells.x), dtype=np.bool_)
        held[self.first[~pairs]] = held[self.second[~pairs]] = True
        return self.informative(cells) & ~held & (cells.up | cells.down)

    def informative(self, cells: Cells) -> Mask:
        """Return which cells, (c,), are of a group that its intercept alone does not predict."""
        paired = np.zeros(len(cells.x), dtype=np.bool_)
        paired[self.first] = paired[self.second] = True
        return paired


def differences(cells: Cells) -> Differences | None:
    """Return the pairs of cells if one factor's intercept is all there is and they are not too many, None otherwise."""
    if len(cells.factors) != 1 or cells.factors[0].z.shape[1] != 1 or (cells.factors[0].z != 1).any():
        return None
    index, levels = cells.factors[0].index, cells.factors[0].levels
    neither = ~(cells.up | cells.down)
    pivot = np.full(levels, -1, dtype=np.int64)
    pivot[index[neither]] = np.flatnonzero(neither)
    pivoted = pivot[index] >= 0
    ups, downs = np.flatnonzero(cells.up & ~pivoted), np.flatnonzero(cells.down & ~pivoted)
    number = np.bincount(index[downs], minlength=levels)
    if (number[index[ups]]).sum() > _MOST:
        return None
    above, below = _pairs(index, ups, downs, number)
    rest = np.flatnonzero(pivoted & (pivot[index] != np.arange(len(index))))
    first, second = np.concatenate([above, rest]), np.concatenate([below, pivot[index[rest]]])
    up = np.concatenate([np.ones(len(above), dtype=np.bool_), cells.up[rest]])
    down = np.concatenate([np.zeros(len(above), dtype=np.bool_), cells.down[rest]])
    x = cells.x[first] - cells.x[second]
    return Differences(Cells(x, (), up, down, np.arange(len(x), dtype=np.int64)), first, second)


def _pairs(index: Rows, ups: Rows, downs: Rows, number: Rows) -> tuple[Rows, Rows]:
    """Pair every cell that goes up with every one of its group that goes down, of which each level has a number."""
    downs = downs[np.argsort(index[downs], kind="stable")]
    each = number[index[ups]]
    start = (np.cumsum(number) - number)[index[ups]]
    within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    return np.repeat(ups, each), downs[np.repeat(start, each) + within]
