"""Raw means of the outcome over a predictor, to stand behind what the model says: of the data as they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.reference_grid import FEW, Setting
from bayesglmm.estimands.reference_values import is_factor, levels
from bayesglmm.specify.design import Column
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["BINS", "Raw", "raw_means"]

BINS = 10
"""A curve has raw means at each value of its predictor where there are at most so many, else in so many bins."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Means of the outcome, not adjusted for any predictor and not averaged over random effects by a model.

    Parameters
    ----------
    table
        A row a mean: the columns that tell curves apart, the focal column (in a bin its mean), `mean` (response
        scale; under an exposure the sum of counts per unit of it), `n` outcomes (of trials: their number).
    note
        Which outcomes these are.
    count
        The column of the numbers of outcomes, `n` unless the data have one of that name.
    """

    table: pd.DataFrame
    note: str
    count: str = "n"


def raw_means(model: Model, chosen: Setting, rate: bool) -> Raw:
    """Average the outcome by the values, or bins of about equal size, of the focal column of a grid.

    Rows count that have the values of the curves, and those of factors, grouping factors and predictors of at most 5
    values that are given; whatever else is held varies as in the data. With `rate` they are per unit of exposure.

    Raises
    ------
    OptionError
        If no row has these values, or means are at an offset that is no exposure or is given: raw means are at the
        offset of each row.
    """
    design = model.design
    columns, outcome = design.columns, design.outcome
    assert outcome is not None
    if model.formula.offsets and not rate:
        raise OptionError(
            "these means are at one offset and the outcomes each at its own, so there are no raw means beside them; "
            "under the log link leave the columns of the offset out of at, and both are rates"
        )
    given = {held.name: held.value for held in chosen.held if held.how == "at" and _labels(model, held.name)}
    keep = np.all([np.ones(design.n, dtype=bool), *(_equal(columns[name], each) for name, each in given.items())], 0)
    trials = np.ones(design.n) if outcome.trials is None else outcome.trials
    base = np.exp(design.offset) if rate else trials
    points = chosen.points()
    names = [str(name) for name in points if name != chosen.focal]
    count = "outcomes" if "n" in (*names, chosen.focal) else "n"
    combinations = points[names].drop_duplicates().to_dict("records") if names else [{}]
    parts = []
    for labels in combinations:
        rows = np.all([keep, *(_equal(columns[str(name)], value) for name, value in labels.items())], axis=0)
        cells = _cells(columns[chosen.focal], rows, chosen)
        found = [(x, outcome.y[at].sum() / base[at].sum(), trials[at].sum()) for x, at in cells if len(at)]
        part = pd.DataFrame(found, columns=[chosen.focal, "mean", count])
        parts.append(part.assign(**{str(name): value for name, value in labels.items()}))
    table = pd.concat(parts, ignore_index=True)[[*names, chosen.focal, "mean", count]]
    if table.empty:
        raise OptionError("no row of the data has the values that these means are at, so there are no raw means")
    having = "".join(f" with {name} = {value}" for name, value in given.items())
    which = f"of {table[count].sum():,.0f} outcomes{having}"
    return Raw(table, f"raw means: {which}, over the groups and other predictors they have, not adjusted", count)


def _labels(model: Model, name: str) -> bool:
    """Whether a column tells kinds of rows apart: a factor, a grouping factor, or a number of few values."""
    design = model.design
    groups = column_names(*(factor for block in design.formula.blocks for factor in block.group.factors))
    return name in groups or is_factor(design, name) or len(levels(design, name)) <= FEW


def _equal(column: Column, value: Any) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(column) == value)


def _cells(column: Column, rows: NDArray[np.bool_], chosen: Setting) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """Cut rows by the focal column: at each value that is drawn, or in bins of a curve; where each is, and its rows."""
    if chosen.shape != "curve":
        yield from ((value, np.flatnonzero(rows & _equal(column, value))) for value in chosen.values.tolist())
        return
    x = np.asarray(column, dtype=float)
    inside = rows & (x >= chosen.values.min()) & (x <= chosen.values.max())
    distinct = np.unique(x[inside])
    cuts = distinct if len(distinct) <= BINS else np.unique(np.quantile(x[inside], np.arange(1, BINS) / BINS))
    which = np.searchsorted(cuts, x, side="right")
    for cell in np.unique(which[inside]):
        at = np.flatnonzero(inside & (which == cell))
        yield float(x[at].mean()), at
