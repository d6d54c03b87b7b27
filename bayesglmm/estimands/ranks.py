"""Ranks of groups: their expectation, their spread and the probability of each.

References
----------
Laird & Louis (1989), Journal of Educational Statistics 14, 29-46: expected ranks.
Goldstein & Spiegelhalter (1996), Journal of the Royal Statistical Society A 159, 385-443: ranks and their spread.
"""

from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.posterior.moments import summarise

__all__ = ["BEST", "Best", "rank_probabilities", "rank_table"]

type Array = NDArray[np.float64]
type Best = Literal["largest", "smallest"]

BEST: tuple[Best, ...] = get_args(Best.__value__)
"""Which end of the ranks is rank 1."""


def rank_table(values: Array, best: Best, ci_prob: float) -> pd.DataFrame:
    """Summarise the ranks of groups from draws (s, m); equal values in a draw share their ranks.

    Returns
    -------
    pandas.DataFrame
        One row a group: `mean median sd lower upper` of its rank, the mean being the expected rank of Laird & Louis,
        and `probability_best`, that of rank 1.
    """
    ranked, (first, last) = _ranked(values, best, "average"), _ends(values, best)
    table = summarise(ranked, ci_prob)
    table["probability_best"] = np.where(first == 1, 1 / (last - first + 1), 0.0).mean(axis=0)
    return table


def rank_probabilities(values: Array, best: Best) -> Array:
    """Return the probability of each rank of each group, shape (m, m), from draws (s, m).

    It is counted by differences: a group adds its share at the first rank it may have and takes it away after the
    last. Rows and columns sum to 1.
    """
    s, m = values.shape
    first, last = _ends(values, best)
    share, row = (1 / (last - first + 1)).reshape(-1), np.tile(np.arange(m) * (m + 1), s)
    steps = np.bincount(row + first.reshape(-1) - 1, share, m * (m + 1))
    steps -= np.bincount(row + last.reshape(-1), share, m * (m + 1))
    return np.asarray(steps.reshape(m, m + 1)[:, :m].cumsum(axis=1) / s)


def _ends(values: Array, best: Best) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last rank of each group in each draw, (s, m); they differ where values are equal."""
    return _ranked(values, best, "min").astype(np.int64), _ranked(values, best, "max").astype(np.int64)


def _ranked(values: Array, best: Best, ties: Literal["min", "max", "average"]) -> Array:
    from scipy.stats import rankdata  # a second of import, which a fit does not wait for

    return np.asarray(rankdata(-values if best == "largest" else values, ties, axis=1), dtype=np.float64)
