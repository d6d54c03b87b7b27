"""`raw_means`: means of the outcome by values of a predictor, drawn behind conditional effects; no model in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.offsets import unit
from bayesglmm.estimands.reference_grid import FEW, Setting
from bayesglmm.estimands.reference_values import is_factor, levels
from bayesglmm.specify.design import Column, Columns
from bayesglmm.specify.formula import column_names, render
from bayesglmm.specify.model import Model

__all__ = ["BINS", "Raw", "raw_means"]

BINS = 10
"""Bins of a numeric predictor that has more distinct values; with fewer, each value has its own mean."""


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
    name
        What a mean is: a raw mean, proportion or rate.
    """

    table: pd.DataFrame
    note: str
    count: str = "n"
    name: str = "raw mean"


def raw_means(model: Model, grid: Setting, rate: bool) -> Raw:
    """Average the outcome by the values, or bins of about equal size, of the focal column of a grid.

    Only rows count that have the values of the curves, and the values given of factors, grouping factors and
    predictors of at most 5 values; other predictors vary as in the data. With `rate` they are per unit of exposure.

    Raises
    ------
    OptionError
        If no row has these values, or means are at an offset that is no exposure or is given: raw means are at the
        offset of each row.
    """
    design = model.design
    columns, outcome = design.columns, design.outcome
    assert outcome is not None
    if model.formula.all_offsets and not rate:
        raise OptionError(
            "these means are at one offset and the outcomes each at its own, so there are no raw means beside them; "
            "under the log link leave the columns of the offset out of at, and both are rates"
        )
    fixed = {held.name: held.value for held in grid.held if held.how == "at" and _is_discrete(model, held.name)}
    keep = _all_equal(columns, fixed, design.n)
    trials = outcome.trials_or_ones
    base = np.exp(design.offset) if rate else trials
    points = grid.points()
    names = [str(name) for name in points if name != grid.focal]
    count = "outcomes" if "n" in (*names, grid.focal) else "n"
    curves: list[dict[Any, Any]] = points[names].drop_duplicates().to_dict("records") if names else [{}]
    parts = []
    for labels in curves:
        cells = _cells(columns[grid.focal], keep & _all_equal(columns, labels, design.n), grid)
        means = [(x, outcome.y[i].sum() / base[i].sum(), trials[i].sum()) for x, i in cells if len(i)]
        parts.append(pd.DataFrame(means, columns=[grid.focal, "mean", count]).assign(**labels))
    table = pd.concat(parts, ignore_index=True)[[*names, grid.focal, "mean", count]]
    if table.empty:
        raise OptionError("no row of the data has the values that these means are at, so there are no raw means")
    restricted = "".join(f" with {name} = {value}" for name, value in fixed.items())
    name = _name(model, rate)
    note = f"{name}: of {table[count].sum():,.0f} outcomes{restricted}, over the groups and other predictors they have"
    return Raw(table, f"{note}, not adjusted", count, name)


def _name(model: Model, rate: bool) -> str:
    """Name what is averaged: a rate with its two sums, a proportion, or a mean."""
    if rate:
        return f"raw rate Σ {render(model.formula.response.outcome)} / Σ {unit(model)}"
    return "raw proportion" if model.family.outcome_type in ("binary", "trials") else "raw mean"


def _is_discrete(model: Model, name: str) -> bool:
    """Whether a column is a factor, a grouping factor, or a number of few values."""
    design = model.design
    groups = column_names(*(factor for block in design.formula.blocks for factor in block.group.factors))
    return name in groups or is_factor(design, name) or len(levels(design, name)) <= FEW


def _all_equal(columns: Columns, values: Mapping[Any, Any], n: int) -> NDArray[np.bool_]:
    """Return which of n rows have all of the values, by column."""
    equal = [np.asarray(np.asarray(columns[name]) == value) for name, value in values.items()]
    return np.asarray(np.all([np.ones(n, dtype=bool), *equal], axis=0))


def _cells(column: Column, keep: NDArray[np.bool_], grid: Setting) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """Yield the position and the rows of each mean: a value of the focal column, or a bin where it is continuous."""
    if grid.shape != "curve":
        yield from ((value, np.flatnonzero(keep & (np.asarray(column) == value))) for value in grid.values.tolist())
        return
    x = np.asarray(column, dtype=float)
    inside = keep & (x >= grid.values.min()) & (x <= grid.values.max())
    distinct = np.unique(x[inside])
    edges = distinct if len(distinct) <= BINS else np.unique(np.quantile(x[inside], np.arange(1, BINS) / BINS))
    bins = np.searchsorted(edges, x, side="right")
    for number in np.unique(bins[inside]):
        rows = np.flatnonzero(inside & (bins == number))
        yield float(x[rows].mean()), rows
