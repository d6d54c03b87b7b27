"""The balanced reference grid: every combination of levels of the factors once, numeric predictors at their means.

It is the reference grid of the R package emmeans, which treats a number of two values as a factor too.

References
----------
Searle, Speed & Milliken (1980), The American Statistician 34, 216-221: population marginal means.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_grid import product
from bayesglmm.estimands.reference_values import Held, as_column, hold, levels, predictors
from bayesglmm.specify.design import Columns
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["MOST_CELLS", "BalancedGrid", "balanced_grid"]

MOST_CELLS = 100_000
"""The most cells of a grid."""


@dataclass(frozen=True, eq=False)
class BalancedGrid:
    """The cells of a balanced grid.

    Parameters
    ----------
    columns
        A row a cell.
    crossed
        The columns whose values are combined.
    held
        The numeric predictors and columns of offsets, at their means.
    """

    columns: Columns
    crossed: tuple[str, ...]
    held: tuple[Held, ...]

    def __str__(self) -> str:
        """Say which cells these are."""
        count = self.columns.n
        crossed = f"all {count:,} combinations of {listing(self.crossed)}" if self.crossed else "one point"
        held = f", with {listing(self.held, 8)}" if self.held else ""
        return f"{crossed}{held}"


def balanced_grid(model: Model, by: Sequence[str], set_columns: Collection[str]) -> BalancedGrid:
    """Return every combination of the levels of factors and of the values of `by`, whether or not the data have it.

    Parameters
    ----------
    model
        The model.
    by
        Predictors or grouping factors whose values vary too.
    set_columns
        Columns that are set to values of their own, and so are not in the grid unless in `by`.

    Raises
    ------
    OptionError
        If `by` is not a column of the model, or the grid has more than 100,000 cells.
    """
    design = model.design
    groups = column_names(*(factor for block in model.formula.blocks for factor in block.group.factors))
    known = tuple(dict.fromkeys((*predictors(design), *groups)))
    for name in by:
        if name not in known:
            raise OptionError(
                f"by={name!r} is not in the reference grid of weights='equal', which has the predictors and grouping "
                f"factors of the model; {suggest(name, known)}"
            )
    free = [hold(design, name) for name in predictors(design) if name not in by and name not in set_columns]
    crossed = [*by, *(each.name for each in free if each.how != "mean")]
    values = {name: levels(design, name) for name in crossed}
    count = prod(map(len, values.values()))
    if count > MOST_CELLS:
        raise OptionError(
            f"the reference grid of weights='equal' would have {count:,} cells, from {listing(crossed)}; set some of "
            "them in at, or average over rows"
        )
    cells = product(values)
    columns = {name: as_column(design.columns[name], [cell[name] for cell in cells]) for name in crossed}
    held = [each for each in free if each.how == "mean"]
    present = {*columns, *(each.name for each in held), *set_columns}
    for name in offset_columns(model):
        if name not in present:
            held.append(Held(name, float(np.mean(np.asarray(design.columns[name], dtype=float))), "mean"))
    columns |= {each.name: np.full(count, float(each.value)) for each in held}
    return BalancedGrid(Columns(columns, np.arange(count)), tuple(crossed), tuple(held))
