"""`minimize(objective, start, inverse)`: the BFGS method for a few variables whose curvature is known about.

SciPy's takes longer to import than a fit takes to sample, and a new process waits for it.

References
----------
Nocedal & Wright (2006), Numerical Optimization, 2nd ed., chapters 3 and 6.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["minimize"]

type Array = NDArray[np.float64]

_STEPS, _SHORTENINGS = 100, 20
_ENOUGH = 1e-4
"""The least share of the decrease that the slope promises."""


def minimize(
    objective: Callable[[Array], tuple[float, Array]], start: Array, inverse: Array, tolerance: float
) -> tuple[Array, float, Array]:
    """Go down until no component of the gradient is above the tolerance, or no step goes further down.

    Parameters
    ----------
    objective
        From a point (g,) the value, very large where there is none, and the gradient (g,).
    start
        (g,) where to begin.
    inverse
        (g, g) about the inverse of the Hessian there, positive definite.
    tolerance
        Of the components of the gradient.

    Returns
    -------
    point, value, gradient
        The last point and what is there.
    """
    x, (value, gradient) = start, objective(start)
    for _ in range(_STEPS):
        if np.abs(gradient).max(initial=0.0) <= tolerance:
            break
        step = -inverse @ gradient
        found = _shortened(objective, x, value, step, float(gradient @ step))
        if found is None:
            break
        tried, value, after = found
        inverse = _updated(inverse, tried - x, after - gradient)
        x, gradient = tried, after
    return x, value, gradient


def _shortened(
    objective: Callable[[Array], tuple[float, Array]], x: Array, value: float, step: Array, slope: float
) -> tuple[Array, float, Array] | None:
    """Return the first point along a step, ever shorter, that is enough further down."""
    length = 1.0
    for _ in range(_SHORTENINGS):
        tried = x + length * step
        there, gradient = objective(tried)
        if there <= value + _ENOUGH * length * slope:
            return tried, there, gradient
        bend = there - value - length * slope  # of the parabola through both values with the slope
        length *= min(max(-length * slope / (2 * bend), 0.1), 0.5)
    return None


def _updated(inverse: Array, step: Array, change: Array) -> Array:
    """Return the inverse Hessian that explains the change of the gradient; the same where the function bends down."""
    along = float(step @ change)
    if along <= 1e-10 * np.linalg.norm(step) * np.linalg.norm(change):
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / along
    result: Array = left @ inverse @ left.T + np.outer(step, step) / along
    return result
