"""The rows that are averaged over: those of the data or new ones, in cells, with columns set to other values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_grid import column_list
from bayesglmm.estimands.reference_values import as_column, predictors
from bayesglmm.estimands.request import Request
from bayesglmm.specify.design import Column, Columns
from bayesglmm.specify.formula import column_names

__all__ = ["AveragedRows", "read_rows"]


@dataclass(frozen=True, eq=False)
class AveragedRows:
    """Rows, and the cell in which each of them is averaged.

    Parameters
    ----------
    columns
        n rows.
    cell
        (n,) the cell of each.
    labels
        The cells, k rows: their values of the columns of `by`.
    is_new
        Whether they are new data rather than those of the model.
    """

    columns: Columns
    cell: NDArray[np.int64]
    labels: pd.DataFrame
    is_new: bool

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
        """Say which rows these are."""
        by = f", by {listing(map(named, self.labels.columns))}" if len(self.labels.columns) else ""
        return f"the {self.columns.n:,} {'rows given' if self.is_new else 'observed rows'}{by}, each row counting once"


def read_rows(
    request: Request,
    new_data: Any,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any],
    *,
    compared: Sequence[str] = (),
    each_row: bool = False,
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

    Raises
    ------
    OptionError
        If a column of `by` is absent, stands twice, or stands in `at` too.
    DataError
        If a predictor, or a grouping factor whose levels are read, is absent.
    """
    model, names, is_new = request.model, column_list(by), new_data is not None
    for name in names:
        if name in at:
            raise OptionError(f"'{name}' stands in by and in at; average by its observed values, or set it")
    if is_new:
        needed = [*predictors(model.design), *offset_columns(model), *names]
        blocks = [block for block in model.formula.blocks if str(block.group) in request.factors]
        groups = column_names(*(factor for block in blocks for factor in block.group.factors))
        may_lack = {*at, *compared}
        required = dict.fromkeys(name for name in needed if name not in may_lack or name in names)
        columns = Columns.read(new_data, required, optional=[*groups, *may_lack])
    else:
        columns = model.design.columns
        for name in names:
            if name not in columns:
                raise OptionError(f"by={name!r} is not a column of the model's data; {suggest(name, columns)}")
    if names:
        table = columns.take(names).to_pandas()
        cell = table.groupby(names, observed=True, sort=True).ngroup().to_numpy().astype(np.int64)
        _, first = np.unique(cell, return_index=True)
        labels = table.iloc[first].astype(dict.fromkeys(names, object)).infer_objects().reset_index(drop=True)
        return AveragedRows(columns, cell, labels, is_new)
    if each_row:
        return AveragedRows(columns, np.arange(columns.n), pd.DataFrame({"row": columns.rows}), is_new)
    return AveragedRows(columns, np.zeros(columns.n, dtype=np.int64), pd.DataFrame(index=range(1)), is_new)
