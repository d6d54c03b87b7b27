"""The words that verbs share, for sentences and axes, and the labels of rows."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.request import Asked

__all__ = ["beside", "bounds", "number", "set_to"]


def set_to(given: Mapping[str, tuple[Any, ...]]) -> str:
    """Say what columns are set to."""
    if not given:
        return ""
    return ", with " + " and ".join(
        f"{named(name)} at {number(values[0]) if len(values) == 1 else f'each of {listing(map(number, values), 6)}'}"
        for name, values in given.items()
    )


def beside(
    labels: pd.DataFrame,
    point: Mapping[str, Any],
    given: Mapping[str, tuple[Any, ...]],
    taken: Collection[str] = (),
) -> pd.DataFrame:
    """Return labels with a column for each that takes several values.

    Raises
    ------
    OptionError
        For a column called as one of `taken`, which the table will have itself.
    """
    several = {name: [point[name]] * len(labels) for name, values in given.items() if len(values) > 1}
    table = pd.concat([labels, pd.DataFrame(several, index=labels.index)], axis=1)
    for name in taken:
        if name in table:
            raise OptionError(f"the table has a column {name!r} of its own; rename that of the data before the fit")
    return table


def number(value: Any) -> str:
    """Return a value as labels show it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def bounds(asked: Asked) -> tuple[float, float]:
    """Return the range of what is estimated of one row."""
    if asked.scale == "link":
        return -np.inf, np.inf
    ranges = {"real": (-np.inf, np.inf), "positive": (0.0, np.inf), "unit": (0.0, 1.0)}
    return ranges[asked.model.family.link.range]
