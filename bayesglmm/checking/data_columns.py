"""Columns of the data by name, those that the formula did not use included."""

from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.errors import OptionError, listing
from bayesglmm.specify.model import Model

__all__ = ["read_column"]


def read_column(model: Model, name: str) -> Any:
    """Return a column of the model's data, numbers (n,) or a `pandas.Categorical`.

    Raises
    ------
    DataError
        If the data have no such column, or it has missing values.
    OptionError
        If the formula does not use it and the table is not at hand, as after `load`.
    """
    columns = model.design.columns
    if name not in columns:
        if model.data is None:
            raise OptionError(
                f"column {name!r} is not in the formula ({listing(columns)}), and the table that the model was made "
                "from is not at hand, as after load"
            )
        columns = columns.widened(model.data, [name])
    return columns[name] if isinstance(columns[name], pd.Categorical) else np.asarray(columns[name], dtype=np.float64)
