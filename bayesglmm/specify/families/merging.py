"""How rows with equal predictors and groups become one row, with the same likelihood up to a constant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.families.links import Link

if TYPE_CHECKING:
    from bayesglmm.specify.families.base import Family

__all__ = ["EQUAL", "Cells", "Merge", "merge_equal", "sum_rows"]

type Array = NDArray[np.float64]
type Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Merge:
    """How rows of a cell (equal predictors and groups) are merged, with the same likelihood up to a constant.

    Parameters
    ----------
    rows
        (cell, y, trials, weight) of the n rows → those of the merged rows, at least one a cell; cells are numbered
        from 0 without a gap. A weight multiplies the log likelihood of its row.
    equal_outcomes
        Whether rows of a cell are equal in y and trials too.
    under
        link → whether rows may be merged under it; None for every link.
    offset
        (cell, offset, weight) of the n rows → the offset of each cell (m,); None where rows of different offsets are
        not merged.
    """

    rows: Callable[[Cells, Array, Array, Array], tuple[Cells, Array, Array, Array]]
    equal_outcomes: bool = False
    under: Callable[[Link], bool] | None = None
    offset: Callable[[Cells, Array, Array], Array] | None = None

    @classmethod
    def of(cls, family: "Family") -> "Merge":
        """Return how the rows of a family are merged under its link."""
        merge = family.merge
        return EQUAL if merge is None or (merge.under is not None and not merge.under(family.link)) else merge


def merge_equal(cell: Cells, y: Array, trials: Array, weight: Array) -> tuple[Cells, Array, Array, Array]:
    """Return one row a cell, of the sum of the weights, where the rows of a cell are equal: see `Merge.rows`."""
    _, first = np.unique(cell, return_index=True)
    return np.arange(len(first)), y[first], trials[first], np.bincount(cell, weight)


EQUAL = Merge(merge_equal, equal_outcomes=True)
"""Rows equal in all, the outcome among it, are one row of the sum of their weights: right for every family."""


def sum_rows(cell: Cells, y: Array, trials: Array, weight: Array) -> tuple[Cells, Array, Array, Array]:
    """Return one row a cell, with the weighted sums of y and trials, which are sufficient: see `Merge.rows`."""
    total = np.bincount(cell, weight * y)
    return np.arange(len(total)), total, np.bincount(cell, weight * trials), np.ones(len(total))
