"""Factors: labels and levels of a column of any type."""

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

    Values match if they are equal or have the same text: 1 and "1" are one level, since a column of labels may be
    text in one file and numbers in another.
    """
    position = {level: code for code, level in enumerate(levels)}
    texts = {label(level): code for code, level in enumerate(levels)}
    positions = [position.get(level, texts.get(label(level), -1)) for level in column.categories]
    codes: NDArray[np.int64] = np.array(positions, dtype=np.int64)[column.codes]
    return codes


def label(level: Any) -> str:
    """Return a level as text."""
    return str(level)


def _moment(value: Any) -> str:
    """Write a date, a time or a duration independently of the unit it is stored in."""
    if isinstance(value, np.timedelta64):
        return str(pd.Timedelta(value))
    return str(np.datetime_as_string(value, unit="auto"))
