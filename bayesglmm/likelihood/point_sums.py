"""`Sums` over the points of a quadrature rule, and the `Means` that the gradient of their logarithm needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.modes import Modes
from bayesglmm.likelihood.rows import Slopes

__all__ = ["Means", "Sums"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Means:
    """The sum over the points of each group, and means over them, each point with its share of the sum.

    Parameters
    ----------
    log
        (m,) the logarithm of the sum, relative to the integrand at the mode.
    slope, slope_v
        (n,) and (n, q) the means of ∂ log f/∂η and of its product with v.
    v, vv
        (m, q) and (m, q, q) the means of v and vvᵀ.
    parameters
        (r,) the sums over the rows of the means of derivatives by the family parameters.
    """

    log: Array
    slope: Array
    slope_v: Array
    v: Array
    vv: Array
    parameters: Array

    @classmethod
    def at_mode(cls, modes: Modes) -> "Means":
        """Return them for the one point v = 0."""
        (n,), (m, q) = modes.eta.shape, modes.u.shape
        zeros = np.zeros((n, q)), np.zeros((m, q)), np.zeros((m, q, q))
        return cls(np.zeros(m), modes.slope, *zeros, modes.by_parameters)


class Sums:
    """Sums over the points, to which terms are added: see `Means`."""

    def __init__(self, m: int, n: int, q: int, r: int) -> None:
        self._total, self._slope, self._slope_v = np.zeros(m), np.zeros(n), np.zeros((n, q))
        self._v, self._vv, self._by_row = np.zeros((m, q)), np.zeros((m, q * q)), np.zeros((r, n))

    def add(self, terms: Array, of_rows: Array, v: Array, at: Slopes) -> None:
        """Add terms (k, m), each repeated for the rows of its group (k, n), at points v (k, q)."""
        weighted = of_rows * at.eta
        self._total += terms.sum(axis=0)
        self._slope += weighted.sum(axis=0)
        self._slope_v += weighted.T @ v
        self._v += terms.T @ v
        self._vv += terms.T @ (v[:, :, None] * v[:, None, :]).reshape(len(v), -1)
        self._by_row += (of_rows * at.parameters).sum(axis=1)

    def means(self, index: NDArray[np.int64]) -> Means | None:
        """Return the means, of the group of each row (n,); None where a sum is not a positive number."""
        total, (m, q) = self._total, self._v.shape
        if not ((total > 0) & np.isfinite(total)).all():
            return None
        of_rows = total[index]
        return Means(
            np.log(total),
            self._slope / of_rows,
            self._slope_v / of_rows[:, None],
            self._v / total[:, None],
            (self._vv / total[:, None]).reshape(m, q, q),
            (self._by_row / of_rows).sum(axis=1),
        )
