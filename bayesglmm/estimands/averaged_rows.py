"""The rows that are averaged over: those of the data or new ones, in cells, with columns set to other values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.average import Cells
from bayesglmm.estimands.balanced_grid import balanced_grid
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_grid import column_list
from bayesglmm.estimands.reference_values import as_column, predictors
from bayesglmm.estimands.request import Request
from bayesglmm.estimands.weights import check_cells, read_weighting, row_weights, weight_columns
from bayesglmm.estimands.wording import offset_clause
from bayesglmm.specify.design import Column, Columns
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["AveragedRows", "read_rows"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AveragedRows:
    """Rows, and the cell in which each of them is averaged.

    Parameters
    ----------
    columns
        n rows, or the cells of a reference grid.
    cells
        The k cells that they are averaged in, with the weights.
    labels
        The cells, k rows: their values of the columns of `by`.
    what
        Which rows these are.
    counting
        How they count.
    held
        The columns that a reference grid holds at one value.
    """

    columns: Columns
    cells: Cells
    labels: pd.DataFrame
    what: str
    counting: str
    held: tuple[str, ...] = ()

    def with_columns(self, like: Mapping[str, Column], values: Mapping[str, Any]) -> Columns:
        """Return all rows with columns set to a value each, or to one value a row, typed as those of `like`."""
        n = self.columns.n
        changed = {
            name: value if isinstance(value, np.ndarray) else as_column(like[name], [value] * n)
            for name, value in values.items()
        }
        return Columns({**self.columns, **changed}, self.columns.rows)

    def labels_at(
        self, point: Mapping[str, Any], at: Mapping[str, tuple[Any, ...]], reserved: Collection[str] = ()
    ) -> pd.DataFrame:
        """Return the labels of the cells with a column for each of `at` that takes several values.

        Raises
        ------
        OptionError
            For a column with one of the `reserved` names, which the table uses itself.
        """
        varying = {name: [point[name]] * len(self.labels) for name, values in at.items() if len(values) > 1}
        table = pd.concat([self.labels, pd.DataFrame(varying, index=self.labels.index)], axis=1)
        for name in reserved:
            if name in table:
                raise OptionError(f"the table has a column {name!r} of its own; rename that of the data before the fit")
        return table

    def __str__(self) -> str:
        """Say which rows these are, and how they count."""
        by = f", by {listing(map(named, self.labels.columns))}" if len(self.labels.columns) else ""
        return f"{self.what}{by}, {self.counting}"

    def offset_clause(self, model: Model, at: Collection[str]) -> str:
        """Say at which offset rows are: see `bayesglmm.estimands.wording.offset_clause`."""
        return offset_clause(model, (*at, *self.held))


def read_rows(
    request: Request,
    new_data: Any,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any],
    *,
    compared: Sequence[str] = (),
    each_row: bool = False,
    weights: str | None = None,
) -> AveragedRows:
    """Read the rows to average over.

    Parameters
    ----------
    request
        The model, and the frames, which decide which columns are needed.
    new_data
        A table; None for the data of the model.
    by
        Columns whose values make the cells; None for one cell.
    at
        Columns that are set to other values.
    compared
        Columns that are set in turn. Like those of `at` they may be absent from new data.
    each_row
        Whether each row is a cell where there is no `by`.
    weights
        What each row counts: see `bayesglmm.estimands.weights.read_weighting`.

    Raises
    ------
    OptionError
        If a column of `by` is absent, stands twice, or stands in `at` too, or for unknown weights.
    DataError
        If a predictor, or a grouping factor whose levels are read, is absent, or all weights of a cell are 0.
    """
    names = column_list(by)
    for name in names:
        if name in at:
            raise OptionError(f"'{name}' stands in by and in at; average by its observed values, or set it")
    if weights == "equal":
        return _grid(request, new_data, names, at, compared, each_row)
    is_single = each_row and not names
    counts = () if is_single else weight_columns(request.model, weights)
    columns = _read(request, new_data, names, {*at, *compared}, counts)
    if is_single and weights is not None:
        raise OptionError(
            "weights= is of averages, and without by each row is estimated by itself; give by=[] for one average over "
            "all rows, or columns to average by"
        )
    what = f"the {columns.n:,} {'observed rows' if new_data is None else 'rows given'}"
    if is_single:
        each = Cells(np.arange(columns.n), columns.n)
        return AveragedRows(columns, each, pd.DataFrame({"row": columns.rows}), what, "each by itself")
    counting = str(read_weighting(request.model, weights, columns))
    return _in_cells(columns, names, row_weights(request, columns, weights), what, counting)


def _read(
    request: Request, new_data: Any, names: Sequence[str], may_lack: Collection[str], weights: Collection[str]
) -> Columns:
    """Return the columns of new data that are used, or those of the model."""
    model = request.model
    if new_data is None:
        columns = model.design.columns
        for name in names:
            if name not in columns:
                raise OptionError(f"by={name!r} is not a column of the model's data; {suggest(name, columns)}")
        return columns
    needed = [*predictors(model.design), *offset_columns(model), *names]
    blocks = [block for block in model.formula.blocks if str(block.group) in request.factors]
    groups = column_names(*(factor for block in blocks for factor in block.group.factors))
    required = dict.fromkeys(name for name in needed if name not in may_lack or name in names)
    return Columns.read(new_data, required, optional=[*groups, *may_lack, *weights])


def _in_cells(columns: Columns, names: list[str], weights: Array, what: str, counting: str) -> AveragedRows:
    """Put rows into a cell for each combination of values of columns, in their order."""
    if not names:
        cell, labels = np.zeros(columns.n, dtype=np.int64), pd.DataFrame(index=range(1))
    else:
        table = columns.take(names).to_pandas()
        cell = table.groupby(names, observed=True, sort=True).ngroup().to_numpy().astype(np.int64)
        _, first = np.unique(cell, return_index=True)
        labels = table.iloc[first].astype(dict.fromkeys(names, object)).infer_objects().reset_index(drop=True)
    check_cells(weights, cell, labels)
    return AveragedRows(columns, Cells(cell, len(labels), weights), labels, what, counting)


def _grid(
    request: Request,
    new_data: Any,
    names: list[str],
    at: Collection[str],
    compared: Sequence[str],
    each_row: bool,
) -> AveragedRows:
    """Return the balanced reference grid of the model in place of rows."""
    model = request.model
    if "equal" in model.design.columns:
        read_weighting(model, "equal", model.design.columns)  # refuses what may be a keyword or a column
    if new_data is not None:
        raise OptionError(
            "weights='equal' averages over the reference grid of the model and not over new_data; leave one of them out"
        )
    if each_row and not names:
        raise OptionError(
            "weights='equal' is of averages over the reference grid; give by=[] for one average over it, or columns to "
            "average by"
        )
    absent = [name for name in request.group_columns if name not in (*names, *at, *predictors(model.design))]
    if absent:
        raise OptionError(
            f"frame 'group' needs an observed level of '{absent[0]}', which the reference grid of weights='equal' does "
            f"not have; average by it, by={absent[0]!r}, or set it in at"
        )
    grid = balanced_grid(model, names, {*at, *compared})
    counting = str(read_weighting(model, "equal", ()))
    held = tuple(each.name for each in grid.held)
    found = _in_cells(grid.columns, names, np.ones(grid.columns.n), "the reference grid", f"{counting}: {grid}")
    return replace(found, held=held)
