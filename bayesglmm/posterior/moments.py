"""`summarise`: the columns that every table of draws has, `mean median sd lower upper`."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.posterior.summaries import interval

__all__ = ["summarise"]


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
