"""The words that verbs share, for sentences and axes, and the labels of rows."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.effects.asked import Asked
from bayesglmm.errors import listing

__all__ = ["TAKEN", "beside", "bounds", "column_labels", "number", "set_to"]

TAKEN = frozenset({"frame", "chain", "draw", "mean", "median", "lower", "upper", "p_direction", "variable", "contrast"})
"""What tables of estimates call their own columns."""


def set_to(given: Mapping[str, tuple[Any, ...]]) -> str:
    """Say what columns are set to."""
    if not given:
        return ""
    return ", with " + " and ".join(
        f"{name} at {number(values[0]) if len(values) == 1 else f'each of {listing(map(number, values), 6)}'}"
        for name, values in given.items()
    )


def beside(labels: pd.DataFrame, point: Mapping[str, Any], given: Mapping[str, tuple[Any, ...]]) -> pd.DataFrame:
    """Return labels with a column for each that takes several values, none called what tables have themselves."""
    several = {name: [point[name]] * len(labels) for name, values in given.items() if len(values) > 1}
    table = pd.concat([labels, pd.DataFrame(several, index=labels.index)], axis=1)
    return table.rename(columns=column_labels(map(str, table)))


def column_labels(names: Iterable[str]) -> dict[str, str]:
    """Return what a table calls columns of the data: `mean_` for one called `mean`, which it has itself."""
    columns, called = list(names), {}
    for name in columns:
        label = name
        while label in TAKEN or (label != name and label in columns):
            label = f"{label}_"
        called[name] = label
    return called


def number(value: Any) -> str:
    """Return a value as labels show it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def bounds(asked: Asked) -> tuple[float, float]:
    """Return the range of what is estimated of one row."""
    if asked.scale == "link":
        return -np.inf, np.inf
    ranges = {"real": (-np.inf, np.inf), "positive": (0.0, np.inf), "unit": (0.0, 1.0)}
    return ranges[asked.model.family.link.range]
