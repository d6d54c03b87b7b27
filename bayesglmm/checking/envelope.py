"""A simultaneous envelope of replicated curves, and the probability of one as extreme as the observed.

The curve is compared at each point with the distance of the pointwise quantiles from the median, so that skew counts;
the envelope is as many times these distances wide as holds the given share of whole replicated curves.

References
----------
Myllymäki, Mrkvička, Grabarnik, Seijo & Hahn (2017), Journal of the Royal Statistical Society B 79, 381-404: the
directional quantile envelope.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Envelope", "envelope"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Envelope:
    """An observed curve beside replicated ones.

    Parameters
    ----------
    observed, predicted, lower, upper
        (g,) the observed curve, the mean of the replicated ones, and the envelope.
    p_value
        The probability of a replicated curve as far from the others as the observed one, anywhere.
    """

    observed: Array
    predicted: Array
    lower: Array
    upper: Array
    p_value: float

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Where the observed curve leaves the envelope, (g,)."""
        return np.asarray((self.observed < self.lower) | (self.observed > self.upper))


def envelope(observed: Array, replicated: Array, probability: float = 0.95) -> Envelope:
    """Return the envelope that holds a share of replicated curves (s, g) as a whole, and the observed one (g,)."""
    low, middle, high = np.quantile(replicated, (0.025, 0.5, 0.975), axis=0)
    spread = replicated.std(axis=0)
    up, down = (np.where(step > 0, step, 2 * spread) for step in (high - middle, middle - low))

    def distance(curves: Array) -> Array:
        away = curves - middle
        unit = np.where(away > 0, up, down)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.where(np.abs(away) <= 1e-12 * (1 + np.abs(middle)), 0.0, np.abs(away) / unit)
        return np.asarray(scaled.max(axis=-1))

    by_replicate, own = distance(replicated), float(distance(observed))
    width = float(np.quantile(by_replicate, probability))
    p_value = (1 + int((by_replicate >= own).sum())) / (1 + len(replicated))
    return Envelope(observed, replicated.mean(axis=0), middle - width * down, middle + width * up, p_value)
