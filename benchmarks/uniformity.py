"""Are ranks uniform? An exact test of their empirical distribution, and the simultaneous band that belongs to it.

Of n ranks on 0 … L the number below each of the L inner limits is binomial; the test looks at the limit where that
number is most extreme. As the cells are alike, the numbers are a random walk with Poisson steps given where it ends,
so the distribution of the test is computed, not simulated.

References
----------
Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32, 32.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["band", "chi_square", "counts_below", "p_value"]

type Counts = NDArray[np.int64]
type Array = NDArray[np.float64]


def counts_below(ranks: Counts, largest: int) -> Counts:
    """Return how many ranks lie below each limit 1 … L, shape (L,).

    Parameters
    ----------
    ranks
        (n,) whole numbers from 0 to L.
    largest
        L, the number of draws that each rank was taken among.
    """
    if not 0 <= ranks.min() <= ranks.max() <= largest:
        raise ValueError(f"ranks from {ranks.min()} to {ranks.max()} are not within 0 and {largest}")
    return np.cumsum(np.bincount(ranks, minlength=largest + 1))[:-1]


def p_value(ranks: Counts, largest: int) -> float:
    """Return the probability, under uniformity, of ranks as extreme as these anywhere.

    Exact but for rounding: what is below 1e-12 is not told from 0.
    """
    depth = _depth(len(ranks), largest)
    lowest = depth[np.arange(largest), counts_below(ranks, largest)].min()
    return float(np.clip(1.0 - _probability(depth > lowest * (1 + 1e-9)), 0.0, 1.0))


@cache
def band(n: int, largest: int, probability: float = 0.95) -> tuple[Counts, Counts]:
    """Return the least and the most ranks below each limit, (L,) each, that uniform ranks keep to together.

    Parameters
    ----------
    n, largest
        The number of ranks, and the largest rank possible.
    probability
        That all numbers lie in the band: at least this, as near as whole numbers allow.
    """
    depth = _depth(n, largest)
    low, high = 0.0, 1.0 - probability
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(depth > middle) >= probability else (low, middle)
    inside = depth > low
    return np.argmax(inside, axis=1), n - np.argmax(inside[:, ::-1], axis=1)


def chi_square(ranks: Counts, largest: int, bins: int = 20) -> float:
    """Return the p-value of Pearson's test on bins of equal width; they must divide the L + 1 ranks."""
    if (largest + 1) % bins:
        raise ValueError(f"{bins} bins do not divide {largest + 1} ranks evenly")
    return float(stats.chisquare(np.bincount(ranks * bins // (largest + 1), minlength=bins)).pvalue)


@cache
def _depth(n: int, largest: int) -> Array:
    """Return how extreme each number is at each limit, shape (L, n + 1): the two-sided binomial probability."""
    limits = np.arange(1, largest + 1)[:, None] / (largest + 1)
    numbers = np.arange(n + 1)
    below, above = stats.binom.cdf(numbers, n, limits), stats.binom.sf(numbers - 1, n, limits)
    return np.asarray(2 * np.minimum(below, above))


def _probability(inside: NDArray[np.bool_]) -> float:
    """Return the probability that uniform ranks have numbers inside at every limit; `inside` as (L, n + 1)."""
    largest, n = inside.shape[0], inside.shape[1] - 1
    step = stats.poisson.pmf(np.arange(n + 1), n / (largest + 1))
    walk = np.eye(1, n + 1)[0]
    for allowed in inside:
        walk = np.convolve(walk, step)[: n + 1] * allowed
    return float(walk @ step[::-1] / stats.poisson.pmf(n, n))
