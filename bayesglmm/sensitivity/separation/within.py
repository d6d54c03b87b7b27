"""`differences`: with one intercept a group, the intercepts are eliminated by differences between rows of a group.

The intercept of a group satisfies its constraints if and only if x·d is at least as large in every `up` row as in every
`down` row: one constraint a pair, on the coefficients alone, as in conditional logistic regression.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Cells, Mask

__all__ = ["Differences", "differences"]

type Rows = NDArray[np.int64]

_MOST = 2_000_000
"""The largest number of pairs."""


@dataclass(frozen=True, eq=False)
class Differences:
    """Pairs of cells of the same group, as cells without groups.

    Parameters
    ----------
    cells
        The differences of the columns, a cell a pair.
    first, second
        (pairs,) the cells of each pair.
    """

    cells: Cells
    first: Rows
    second: Rows

    def strict(self, pairs: Mask, cells: Cells) -> Mask:
        """Return which cells are strict, (c,), from which pairs are: `up` or `down` cells all of whose pairs are."""
        in_other_pair = np.zeros(len(cells.x), dtype=np.bool_)
        in_other_pair[self.first[~pairs]] = in_other_pair[self.second[~pairs]] = True
        return self.informative(cells) & ~in_other_pair & (cells.up | cells.down)

    def informative(self, cells: Cells) -> Mask:
        """Return which cells, (c,), are of a group that its intercept alone does not predict."""
        paired = np.zeros(len(cells.x), dtype=np.bool_)
        paired[self.first] = paired[self.second] = True
        return paired


def differences(cells: Cells) -> Differences | None:
    """Return the pairs of cells; None unless one factor's intercept is the only random effect and pairs are few."""
    if len(cells.factors) != 1 or cells.factors[0].z.shape[1] != 1 or (cells.factors[0].z != 1).any():
        return None
    index, levels = cells.factors[0].index, cells.factors[0].levels
    neither = ~(cells.up | cells.down)
    # A cell with outcomes of both kinds, w·d = 0, determines the intercept: the group's other cells are paired with it.
    pivot = np.full(levels, -1, dtype=np.int64)
    pivot[index[neither]] = np.flatnonzero(neither)
    pivoted = pivot[index] >= 0
    ups, downs = np.flatnonzero(cells.up & ~pivoted), np.flatnonzero(cells.down & ~pivoted)
    number = np.bincount(index[downs], minlength=levels)
    if (number[index[ups]]).sum() > _MOST:
        return None
    above, below = _pairs(index, ups, downs, number)
    with_pivot = np.flatnonzero(pivoted & (pivot[index] != np.arange(len(index))))
    first, second = np.concatenate([above, with_pivot]), np.concatenate([below, pivot[index[with_pivot]]])
    up = np.concatenate([np.ones(len(above), dtype=np.bool_), cells.up[with_pivot]])
    down = np.concatenate([np.zeros(len(above), dtype=np.bool_), cells.down[with_pivot]])
    x = cells.x[first] - cells.x[second]
    return Differences(Cells(x, (), up, down, np.arange(len(x), dtype=np.int64)), first, second)


def _pairs(index: Rows, ups: Rows, downs: Rows, number: Rows) -> tuple[Rows, Rows]:
    """Pair every `up` cell with every `down` cell of its group; `number` counts the `down` cells of each level."""
    downs = downs[np.argsort(index[downs], kind="stable")]
    partners = number[index[ups]]
    start = (np.cumsum(number) - number)[index[ups]]
    offset = np.arange(partners.sum()) - np.repeat(np.cumsum(partners) - partners, partners)
    return np.repeat(ups, partners), downs[np.repeat(start, partners) + offset]
