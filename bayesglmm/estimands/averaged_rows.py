"""The rows that are averaged over: those of the data or new ones, in cells, with columns set to other values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_values import as_column, predictors
from bayesglmm.estimands.request import Asked
from bayesglmm.specify.design import Column, Columns
from bayesglmm.specify.formula import column_names

__all__ = ["Rows", "read_rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows and the cell that each is averaged in.

    Parameters
    ----------
    columns
        n rows.
    cell
        (n,) the cell of each.
    labels
        The cells, k rows: their values of the columns of `by`.
    new
        Whether they are new data rather than those of the model.
    """

    columns: Columns
    cell: NDArray[np.int64]
    labels: pd.DataFrame
    new: bool

    def where(self, like: Mapping[str, Column], values: Mapping[str, Any]) -> Columns:
        """Return all rows with columns set to a value each, or to one value a row, typed as those of `like`."""
        n = self.columns.n
        changed = {
            name: value if isinstance(value, np.ndarray) else as_column(like[name], [value] * n)
            for name, value in values.items()
        }
        return Columns({**self.columns, **changed}, self.columns.rows)

    def __str__(self) -> str:
        """Say which rows these are."""
        by = f", by {listing(map(named, self.labels.columns))}" if len(self.labels.columns) else ""
        return f"the {self.columns.n:,} {'rows given' if self.new else 'observed rows'}{by}, each row counting once"


def read_rows(
    asked: Asked,
    new_data: Any,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any],
    *,
    compared: Sequence[str] = (),
    every: bool = False,
) -> Rows:
    """Read the rows to average over.

    Parameters
    ----------
    asked
        The model and the frames, which say what the rows must hold.
    new_data
        A table; None for the data of the model.
    by
        Columns whose values make the cells; None for one cell.
    at
        Columns that are set to values of their own.
    compared
        Columns that are set in turn. Like those of `at` they may be absent from new data.
    every
        Whether each row is a cell where there is no `by`.

    Raises
    ------
    OptionError
        If a column of `by` is not there, stands twice, or stands in `at` too.
    DataError
        If a predictor, or a grouping factor that matters, is not there.
    """
    model = asked.model
    names = [] if by is None else [by] if isinstance(by, str) else list(by)
    if len(set(names)) < len(names):
        raise OptionError(f"by has a column more than once: {listing(names)}")
    for name in names:
        if name in at:
            raise OptionError(f"'{name}' stands in by and in at; average by its observed values, or set it")
    if new_data is None:
        columns = model.design.columns
        for name in names:
            if name not in columns:
                raise OptionError(f"by={name!r} is not a column of the model's data; {suggest(name, columns)}")
    else:
        needed = [*predictors(model.design), *offset_columns(model), *names]
        blocks = [block for block in model.formula.blocks if str(block.group) in asked.factors]
        groups = column_names(*(factor for block in blocks for factor in block.group.factors))
        free = {*at, *compared}
        required = dict.fromkeys(name for name in needed if name not in free or name in names)
        columns = Columns.read(new_data, required, optional=[*groups, *free])
    if names:
        table = columns.take(names).to_pandas()
        cell = table.groupby(names, observed=True, sort=True).ngroup().to_numpy().astype(np.int64)
        _, first = np.unique(cell, return_index=True)
        labels = table.iloc[first].astype(dict.fromkeys(names, object)).infer_objects().reset_index(drop=True)
        return Rows(columns, cell, labels, new_data is not None)
    if every:
        labels = pd.DataFrame({"row": columns.rows})
        return Rows(columns, np.arange(columns.n), labels, new_data is not None)
    return Rows(columns, np.zeros(columns.n, dtype=np.int64), pd.DataFrame(index=range(1)), new_data is not None)
