"""A trust-region quasi-Newton search for the lowest point of a smooth function of a few variables.

Near its end a step is judged by how far it still is to go in the function's own units (the Newton decrement), so
neither the size of the function nor that of its slope matters.

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
    at
        (g,) where it is.
    value
        The function there, infinite where it is not defined.
    slope
        (g,) its gradient there.
    noise
        By how much rounding may change the value.
    """

    @property
    def at(self) -> Array: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def slope(self) -> Array: ...  # noqa: D102
    @property
    def noise(self) -> float: ...  # noqa: D102


def descend[P: Place](
    step_to: Callable[[P, Array], P],
    anew: Callable[[P], Array],
    place: P,
    bend: Array,
    *,
    decrement: float,
    most: int,
) -> tuple[P, Array]:
    """Go down from a place until less than the decrement is left to gain, or steps run out.

    Parameters
    ----------
    step_to
        From a place and a step (g,) the place there.
    anew
        From a place the Hessian there, roughly: asked for where the one at hand foretold badly.
    place
        Where to begin; its value is finite.
    bend
        (g, g) the Hessian there, roughly.
    decrement
        The gain at which to stop.
    most
        The most evaluations.

    Returns
    -------
    place, bend
        The last place, and the Hessian as corrected on the way.
    """
    radius = 1.0
    for _ in range(most):
        step = region_step(place.slope, bend, radius)
        gain = -float(place.slope @ step + step @ bend @ step / 2)
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
        if ratio < 0.1 or (ratio > 2 and not inside):
            bend = anew(place)
        else:
            bend = _corrected(bend, step, tried.slope - before.slope)
    return place, bend


def _corrected(bend: Array, step: Array, change: Array) -> Array:
    """Return the Hessian that explains the change of the slope along a step, by a matrix of rank one."""
    missed = change - bend @ step
    along = float(missed @ step)
    if abs(along) <= 1e-8 * float(np.linalg.norm(missed) * np.linalg.norm(step)):
        return bend
    result: Array = bend + np.outer(missed, missed) / along
    return result


def region_step(slope: Array, bend: Array, radius: float) -> Array:
    """Return the step to the least of a quadratic within a radius; `bend` need not be positive definite."""
    values, vectors = np.linalg.eigh((bend + bend.T) / 2)
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
            long = not np.linalg.norm(along / (values + shift)) <= radius
        low, high = (shift, high) if long else (low, shift)
    inside = -along / np.maximum(values + high, 1e-300)
    short = radius**2 - float(inside @ inside)
    if values[0] < 0 and short > 1e-6 * radius**2:  # a slope that does not feel the descent: either way is down
        inside[0] += np.copysign(np.sqrt(short + inside[0] ** 2) - abs(inside[0]), inside[0] or 1.0)
    result: Array = vectors @ inside
    return result
