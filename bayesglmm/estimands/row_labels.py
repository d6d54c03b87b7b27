"""The columns beside the estimates of single rows: their groups, predictors, offsets and observed response."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.errors import DataError
from bayesglmm.estimands.estimates import RESERVED
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.estimands.reference_values import predictors
from bayesglmm.estimands.request import Request
from bayesglmm.specify.design import Column, Columns
from bayesglmm.specify.formula import column_names

__all__ = ["RowLabels", "row_labels"]


@dataclass(frozen=True, eq=False)
class RowLabels:
    """What stands beside the estimate of a row.

    Parameters
    ----------
    names
        The labels, by column of the data.
    response
        The observed response, by column; empty where there is none.
    varying
        The columns that take several values in turn.
    """

    names: Mapping[str, str]
    response: Mapping[str, Column]
    varying: tuple[str, ...]

    @property
    def described(self) -> tuple[str, ...]:
        """The labels without which the rows of a table are still told apart by their number."""
        return tuple(label for name, label in self.names.items() if name not in self.varying)

    def table(self, columns: Columns) -> pd.DataFrame:
        """Return the labels of rows, n rows: `row`, their position in the data as given, then their columns."""
        values = {**columns, **self.response}
        labels = {label: np.asarray(values[name]) for name, label in self.names.items()}
        return pd.DataFrame({"row": columns.rows, **labels})


def row_labels(
    request: Request, columns: Columns, new_data: Any, set_columns: Mapping[str, Collection[Any]]
) -> RowLabels:
    """Choose what stands beside the estimates of rows.

    Parameters
    ----------
    request
        The model, and the frames, which decide whether groups are read.
    columns
        The rows.
    new_data
        The table that they are from; None for the data of the model.
    set_columns
        The values that columns are set to for all rows: the response was not observed at these, and is left out.
    """
    model = request.model
    blocks = [block for block in model.design.blocks if block.factor in request.factors]
    groups = column_names(*(factor for block in blocks for factor in block.grouping.group.factors))
    used = (*groups, *predictors(model.design), *offset_columns(model), *set_columns)
    shown = [name for name in dict.fromkeys(used) if name in columns or name in set_columns]
    response = {} if set_columns else _response(request, columns, new_data)
    response = {name: column for name, column in response.items() if name not in shown}
    varying = tuple(name for name, values in set_columns.items() if len(values) > 1)
    return RowLabels(_labels([*shown, *response]), response, varying)


def _response(request: Request, columns: Columns, new_data: Any) -> Mapping[str, Column]:
    """Return the columns of the response; none where new data do not have them in every row."""
    names = column_names(*request.model.formula.response.trees)
    if new_data is None:
        return columns.take(names)
    try:
        return Columns.read(new_data, names)
    except DataError:
        return {}


def _labels(names: Collection[str]) -> dict[str, str]:
    """Return labels of columns, "(data)" in those that the table has of its own."""
    labels: dict[str, str] = {}
    for name in names:
        label = name
        while label in RESERVED or label in labels.values() or (label != name and label in names):
            label = f"{label} (data)"
        labels[name] = label
    return labels
