"""Labels and levels: what a factor is, whatever type its column has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.specify.design.convert import Column

__all__ = ["factorize", "label", "relabel"]


def factorize(column: Column) -> pd.Categorical:
    """Return a column as a Categorical of its observed values, sorted unless it has an order of its own."""
    if isinstance(column, pd.Categorical):
        return column.remove_unused_categories()
    if column.dtype.kind == "f" and (column == np.floor(column)).all() and (np.abs(column) < 2**53).all():
        column = column.astype(np.int64)
    codes, levels = pd.factorize(column, sort=True)
    values = np.asarray(levels)
    categories = pd.Index([_moment(value) for value in values] if values.dtype.kind in "Mm" else values)
    return pd.Categorical.from_codes(codes, categories=categories)


def relabel(column: pd.Categorical, levels: Sequence[Any]) -> NDArray[np.int64]:
    """Return the position of each value among known levels, −1 where it is not one of them.

    Values are one level if they are equal or read the same: 1, 1.0, True and "1" are matched whichever was
    learned, since a column of labels comes back from one file as text and from another as numbers.
    """
    position = {level: code for code, level in enumerate(levels)}
    texts = {label(level): code for code, level in enumerate(levels)}
    found = [position.get(level, texts.get(label(level), -1)) for level in column.categories]
    codes: NDArray[np.int64] = np.array(found, dtype=np.int64)[column.codes]
    return codes


def label(level: Any) -> str:
    """Return a level as text."""
    return str(level)


def _moment(value: Any) -> str:
    """Write a date, a time or a duration the same way whatever unit it is stored in."""
    if isinstance(value, np.timedelta64):
        return str(pd.Timedelta(value))
    return str(np.datetime_as_string(value, unit="auto"))
