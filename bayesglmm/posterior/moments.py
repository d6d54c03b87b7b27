"""The columns that every table of draws has, `mean median sd lower upper`, and the interval they are of."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError

__all__ = ["interval", "summarise"]


def interval(ci_prob: Any) -> tuple[float, float]:
    """Return the two quantiles of an equal-tailed interval.

    Raises
    ------
    OptionError
        If the probability is not between 0 and 1.
    """
    if not isinstance(ci_prob, int | float) or not 0 < ci_prob < 1:
        raise OptionError(f"ci_prob={ci_prob!r} is not a probability between 0 and 1, such as 0.95")
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def summarise(draws: NDArray[np.float64], ci_prob: float) -> pd.DataFrame:
    """Summarise draws (s, k) as k rows: mean, median, sd (denominator s − 1) and equal-tailed interval.

    Raises
    ------
    OptionError
        If `ci_prob` is not between 0 and 1.
    """
    low, high = interval(ci_prob)
    with np.errstate(invalid="ignore", over="ignore"):
        lower, median, upper = np.quantile(draws, (low, 0.5, high), axis=0)
        columns = {
            "mean": draws.mean(axis=0),
            "median": median,
            "sd": draws.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
        }
    table = pd.DataFrame(columns)
    table.attrs["ci_prob"] = ci_prob
    return table
