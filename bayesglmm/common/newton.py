"""`maximise(…)`: damped Newton steps, halved until Armijo's condition holds.

`bayesglmm.marginalize.kernel` has the same compiled, since it runs inside the integral of every group and draw.

References
----------
Nocedal & Wright (2006), Numerical Optimization, 2nd ed., algorithm 3.1 (backtracking line search), section 3.4.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Point", "maximise"]

type Array = NDArray[np.float64]

_ARMIJO = 1e-4
"""The share of the gain to first order that a step must bring."""


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the search: x (d,), the function there, and its gradient (d,)."""

    x: Array
    value: float
    gradient: Array


def maximise(
    function: Callable[[Array], tuple[float, Array]],
    direction: Callable[[Point], Array],
    start: Array,
    *,
    steps: int,
    least_gain: float,
    last_gain: float = 0.0,
    halvings: int = 40,
    rounding: float = 0.0,
) -> Point:
    """Maximise a function from a start.

    Parameters
    ----------
    function
        From x (d,) its value, −inf where it is not defined, and its gradient (d,).
    direction
        From a point the step (d,) to try: a positive definite matrix, near the inverse of minus the Hessian, times
        the gradient.
    start
        (d,) where to begin.
    steps
        The most steps.
    least_gain
        The search ends where a step gains less to first order (the squared Newton decrement).
    last_gain
        It ends after a step that gains less than this: Newton's next step would gain about its square.
    halvings
        The most lengths of a step that are tried; the search ends where none gains.
    rounding
        The relative error of the function's values, which a step may lose.

    Returns
    -------
    Point
        The last point.
    """
    value, gradient = function(start)
    point = Point(start, value, gradient)
    for _ in range(steps):
        if not np.isfinite(point.value):
            break
        step = direction(point)
        gain = float(step @ point.gradient)
        if gain < least_gain:
            break
        further = _along(function, point, step, gain, halvings, rounding * (1 + abs(point.value)))
        if further is None:
            break
        point = further
        if gain < last_gain:
            break
    return point


def _along(
    function: Callable[[Array], tuple[float, Array]],
    point: Point,
    step: Array,
    gain: float,
    halvings: int,
    slack: float,
) -> Point | None:
    """Return the first point of a step, its half, its quarter … that gains enough; None if there is none."""
    for halving in range(halvings):
        length = 0.5**halving
        x = point.x + length * step
        value, gradient = function(x)
        if value > point.value + _ARMIJO * length * gain - slack:
            return Point(x, value, gradient)
    return None
