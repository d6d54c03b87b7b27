"""Local linear regression on one variable, as a matrix: the same smoother for observed and replicated values.

References
----------
Cleveland (1979), Journal of the American Statistical Association 74, 829-836.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Smoother"]

type Array = NDArray[np.float64]

_FEW = 12
"""The largest number of distinct values of x at which means by value stand for a curve."""

_POINTS = 50
"""The number of points of a curve."""

_SPAN = 2 / 3
"""The share of the rows in the neighbourhood of a point."""


@dataclass(frozen=True, eq=False)
class Smoother:
    """Values of a curve at points x as weighted sums of the values of n rows.

    Parameters
    ----------
    x
        (g,) points.
    weights
        (g, n) weights.
    curve
        Whether the points are of a curve; else they are means of rows with equal x.
    """

    x: Array
    weights: Array
    curve: bool

    @classmethod
    def of(cls, x: Array) -> "Smoother":
        """Return the smoother for rows at x (n,): local linear with tricube weights, means where x has few values."""
        values, index = np.unique(x, return_inverse=True)
        if len(values) <= _FEW:
            indicator = (index == np.arange(len(values))[:, None]).astype(float)
            return cls(values, indicator / indicator.sum(axis=1, keepdims=True), False)
        points = np.unique(np.quantile(x, np.linspace(0, 1, _POINTS)))
        return cls(points, np.stack([_local(x, point) for point in points]), True)

    def __call__(self, values: Array) -> Array:
        """Smooth values (n,) or (s, n); shape (g,) or (s, g)."""
        return np.asarray(values @ self.weights.T)


def _local(x: Array, point: float) -> Array:
    """Return the weights of a local linear fit at a point, (n,)."""
    distance = np.abs(x - point)
    nearest = int(np.ceil(_SPAN * len(x))) - 1
    reach = np.partition(distance, nearest)[nearest] * 1.0001
    if reach == 0:  # so many rows at this very point
        return np.asarray((distance == 0) / (distance == 0).sum())
    weight = (1 - np.minimum(distance / reach, 1) ** 3) ** 3
    weight = weight / weight.sum()
    centre = weight @ x
    spread = weight @ (x - centre) ** 2
    if spread <= 1e-12 * np.ptp(x) ** 2:
        return np.asarray(weight)
    return np.asarray(weight * (1 + (point - centre) * (x - centre) / spread))
