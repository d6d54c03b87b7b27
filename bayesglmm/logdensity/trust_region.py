"""`descend(…)`: a trust-region quasi-Newton minimiser (SR1 updates) of a smooth function of a few variables.

The search ends by the Newton decrement, the gain still expected, so that neither the units of the variables nor the
size of the function matters.

References
----------
Nocedal & Wright (2006), Numerical Optimization, 2nd ed., algorithms 4.1 and 6.2 (SR1 with a trust region).
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Place", "descend", "region_step"]

type Array = NDArray[np.float64]

_FARTHEST = 4.0
"""The largest radius, in units of the variables."""

_LEAST_RADIUS = 1e-10

_BISECTIONS = 60


class Place(Protocol):
    """A point of the search.

    Attributes
    ----------
    value
        The function there, infinite where it is not defined.
    slope
        (g,) its gradient there.
    noise
        The rounding error of the value.
    """

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def slope(self) -> Array: ...  # noqa: D102
    @property
    def noise(self) -> float: ...  # noqa: D102


def descend[P: Place](
    step_to: Callable[[P, Array], P],
    hessian_at: Callable[[P], Array],
    place: P,
    hessian: Array,
    *,
    decrement: float,
    most: int,
    patience: int = 0,
) -> tuple[P, Array]:
    """Minimise from a place until less than the decrement is left to gain, or evaluations run out.

    Parameters
    ----------
    step_to
        From a place and a step (g,) the place there.
    hessian_at
        From a place an approximate Hessian there, used where the updated one predicted badly.
    place
        Where to begin; its value is finite.
    hessian
        (g, g) an approximate Hessian there.
    decrement
        The gain at which to stop.
    most
        The most evaluations.
    patience
        How many bad predictions in a row the updated Hessian is kept through.

    Returns
    -------
    place, hessian
        The last place, and the updated Hessian.
    """
    radius, bad = 1.0, 0
    for _ in range(most):
        step = region_step(place.slope, hessian, radius)
        gain = -float(place.slope @ step + step @ hessian @ step / 2)
        inside = float(np.linalg.norm(step)) < 0.99 * radius
        if radius < _LEAST_RADIUS or (inside and gain < decrement):
            break
        tried = step_to(place, step)
        noise = place.noise
        ratio = (place.value - tried.value + noise) / (gain + noise) if np.isfinite(tried.value) else -np.inf
        if ratio < 0.1:
            radius = 0.25 * float(np.linalg.norm(step))
        elif ratio > 0.7 and not inside:
            radius = min(2 * radius, _FARTHEST)
        before, place = place, tried if ratio > 1e-3 else place
        bad = bad + 1 if ratio < 0.1 or (ratio > 2 and not inside) else 0
        if bad > patience:
            hessian, bad = hessian_at(place), 0
        else:
            hessian = _updated(hessian, step, tried.slope - before.slope)
    return place, hessian


def _updated(hessian: Array, step: Array, change: Array) -> Array:
    """Return the SR1 update of a Hessian, which explains the change of the slope along a step."""
    residual = change - hessian @ step
    along = float(residual @ step)
    if abs(along) <= 1e-8 * float(np.linalg.norm(residual) * np.linalg.norm(step)):
        return hessian
    result: Array = hessian + np.outer(residual, residual) / along
    return result


def region_step(slope: Array, hessian: Array, radius: float) -> Array:
    """Return the minimiser of a quadratic within a radius; the Hessian need not be positive definite."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    along = vectors.T @ slope
    if values.min(initial=np.inf) > 0:
        newton: Array = -vectors @ (along / values)
        if np.linalg.norm(newton) <= radius:
            return newton
    low = max(0.0, -float(values[0]))
    high = low + float(np.linalg.norm(slope)) / radius + 1e-300
    for _ in range(_BISECTIONS):  # the shift at which the step is as long as the radius
        shift = (low + high) / 2
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            too_long = not np.linalg.norm(along / (values + shift)) <= radius
        low, high = (shift, high) if too_long else (low, shift)
    step = -along / np.maximum(values + high, 1e-300)
    shortfall = radius**2 - float(step @ step)
    if values[0] < 0 and shortfall > 1e-6 * radius**2:  # the hard case: no slope along the direction of descent
        step[0] += np.copysign(np.sqrt(shortfall + step[0] ** 2) - abs(step[0]), step[0] or 1.0)
    result: Array = vectors @ step
    return result
