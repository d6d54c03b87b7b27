"""Tables of coefficients with Wald statistics, and how they are shown."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from bayesglmm.posterior.moments import interval

__all__ = ["FORMATS", "coefficient_table"]

type Array = NDArray[np.float64]


def coefficient_table(coef: tuple[str, ...], beta: Array, covariance: Array, df: float, ci_prob: float) -> pd.DataFrame:
    """Return coefficients with standard errors, Wald statistics of β = 0, two-sided p-values and intervals.

    Parameters
    ----------
    coef
        The p names.
    beta, covariance
        (p,) and (p, p).
    df
        The degrees of freedom of the t distribution; infinity for the normal.
    ci_prob
        The confidence level.

    Raises
    ------
    OptionError
        If `ci_prob` is no probability.
    """
    upper = interval(ci_prob)[1]
    se = np.sqrt(np.diag(covariance))
    normal = bool(np.isinf(df))
    statistic = beta / se
    quantile = special.ndtri(upper) if normal else special.stdtrit(df, upper)
    tail = special.ndtr(-np.abs(statistic)) if normal else special.stdtr(df, -np.abs(statistic))
    columns = {
        "estimate": beta,
        "std_error": se,
        "statistic": statistic,
        "p_value": 2 * tail,
        "lower": beta - quantile * se,
        "upper": beta + quantile * se,
    }
    return pd.DataFrame(columns, index=pd.Index([f"beta[{name}]" for name in coef], name="parameter"))


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 0.01 <= abs(value) < 10_000 else f"{value:.4g}"


FORMATS: dict[str, Any] = {
    **dict.fromkeys(("estimate", "std_error", "lower", "upper"), _number),
    "statistic": "{:.3f}".format,
    "p_value": _p_value,
}
"""How the columns are printed."""
