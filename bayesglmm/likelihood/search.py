"""`ascend(objective, start)`: the maximum of a log likelihood, and minus its Hessian there.

A trust region with SR1 updates (`trust_region`) in coordinates in which the Hessian at the start is about the identity,
then the Hessian by differences of the gradient, until Newton's step gains nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.trust_region import descend

__all__ = ["Ascent", "Function", "approach", "ascend", "climb", "information", "natural_units"]

type Array = NDArray[np.float64]
type Function = Callable[[Array], tuple[float, Array]]

_ROUNDS, _EVALUATIONS = 6, 200
_PATIENCE = 2
"""Bad predictions in a row through which the updated Hessian is kept: a new one takes an evaluation a variable."""

_DECREMENT = 1e-10
"""The gain still expected at which the trust region stops."""

_NEAR, _LEAST_NEAR = 0.05, 0.01
"""Of `approach`: the gain at which it stops, and the least curvature that units are taken from."""

_LAST_GAIN = 1e-8
"""The gain still expected, by the Hessian, at which the search has converged: 1e-4 standard errors from the maximum,
before a last step by Newton."""

_ROUGH_STEP, _STEP = 1e-4, 3e-3
"""Steps of differences of the gradient, in standard errors: of the search, and of the Hessian at its end."""

_LEAST_CURVATURE = 1e-4
"""The least curvature that the units of the next steps are taken from."""

_FLAT = 1e-6
"""Slope and curvature in natural units below which the function is flat along a direction: it rises without end, by
little."""


@dataclass(frozen=True, eq=False)
class Ascent:
    """Where a search ended.

    Parameters
    ----------
    x
        (d,) the last point.
    value, gradient
        The function there.
    information
        (d, d) minus its Hessian there.
    units
        (d, d) columns of about standard errors.
    flat
        (d, f) directions along which the function is flat, in natural units.
    gain
        What the function could still gain by its second-order expansion, along directions in which it is concave.
    evaluations
        The number of evaluations.
    converged
        Whether the gain is negligible.
    """

    x: Array
    value: float
    gradient: Array
    information: Array
    units: Array
    flat: Array
    gain: float
    evaluations: int
    converged: bool


@dataclass(frozen=True, eq=False)
class _Place:
    t: Array
    value: float
    slope: Array
    noise: float


class _Scaled:
    """Minus a function of x = middle + scale t, with its gradient by t."""

    def __init__(self, function: Function, middle: Array, scale: Array) -> None:
        self.function, self.middle, self.scale, self.evaluations = function, middle, scale, 0

    def place(self, t: Array) -> _Place:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            value, gradient = self.function(self.middle + self.scale @ t)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return _Place(t, np.inf, np.zeros(len(t)), 0.0)
        return _Place(t, -value, -(self.scale.T @ gradient), 1e-13 * abs(value))

    def moved(self, place: _Place, step: Array) -> _Place:
        return self.place(place.t + step)

    def rough_hessian(self, place: _Place) -> Array:
        """Return the Hessian by t by one-sided differences."""
        steps = _ROUGH_STEP * np.eye(len(place.t))
        slopes = np.array([self.place(place.t + step).slope for step in steps]).reshape(steps.shape)
        hessian: Array = (slopes - place.slope) / _ROUGH_STEP
        return np.nan_to_num((hessian + hessian.T) / 2)


def ascend(function: Function, start: Array, scale: Array) -> Ascent:
    """Maximise a smooth function.

    Parameters
    ----------
    function
        From x (d,) the value, −inf where it is not defined, and the gradient (d,).
    start
        (d,) where to begin; the function is finite there.
    scale
        (d, d) columns of natural units: about a root of the inverse of minus the Hessian.
    """
    x, evaluations = start, 0
    for _ in range(_ROUNDS):
        scaled = _Scaled(function, x, scale)
        place = scaled.place(np.zeros(len(x)))
        hessian = scaled.rough_hessian(place)
        place, hessian = descend(
            scaled.moved,
            scaled.rough_hessian,
            place,
            hessian,
            decrement=_DECREMENT,
            most=_EVALUATIONS,
            patience=_PATIENCE,
        )
        x, units = x + scale @ place.t, scale @ _root(hessian)
        matrix = information(function, x, units)
        evaluations += scaled.evaluations + 2 * len(x)
        values, vectors = np.linalg.eigh(scale.T @ matrix @ scale)
        along = vectors.T @ place.slope
        flat = (np.abs(values) < _FLAT) & (np.abs(along) < _FLAT)
        steep = ~flat & (values > 0)
        gain = float((np.square(along[steep]) / values[steep]).sum()) / 2
        converged = bool((flat | steep).all()) and gain < _LAST_GAIN
        if converged:
            break
        scale = scale @ _root(scale.T @ matrix @ scale)
    value, gradient = function(x)
    if converged:
        further = x - scale @ (vectors[:, steep] @ (along[steep] / values[steep]))
        further_value, further_gradient = function(further)
        if further_value >= value - place.noise:
            x, value, gradient = further, further_value, further_gradient
    return Ascent(x, value, gradient, matrix, units, scale @ vectors[:, flat], gain, evaluations, converged)


def _root(hessian: Array) -> Array:
    """Return S (d, d) with SᵀHS near the identity, of a Hessian that need not be positive definite."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return np.asarray(vectors / np.sqrt(np.maximum(np.abs(values), _LEAST_CURVATURE)))


def natural_units(hessian: Array) -> Array:
    """Return columns (d, d) of about standard errors, of an observed information (d, d) in any units."""
    lengths = np.sqrt(np.maximum(np.abs(np.diag(hessian)), np.finfo(float).tiny))
    return np.asarray(_root(hessian / np.outer(lengths, lengths)) / lengths[:, None])


def approach(function: Function, start: Array, scale: Array) -> tuple[Array, Array]:
    """Return a point (d,) near the maximum, to a fraction of a standard error, and natural units (d, d) there.

    The arguments are those of `ascend`. Where the function rises without end, the point is where it gains little.
    """
    scaled = _Scaled(function, start, scale)
    place = scaled.place(np.zeros(len(start)))
    hessian = scaled.rough_hessian(place)
    place, _ = descend(
        scaled.moved, scaled.rough_hessian, place, hessian, decrement=_NEAR, most=_EVALUATIONS, patience=_PATIENCE
    )
    values, vectors = np.linalg.eigh(scaled.rough_hessian(place))
    return start + scale @ place.t, scale @ (vectors / np.sqrt(np.maximum(np.abs(values), _LEAST_NEAR)))


def climb(function: Function, x: Array, scale: Array) -> tuple[Array, Array]:
    """Return a maximum (d,) near a point, and natural units (d, d) there; the arguments are those of `ascend`."""
    scaled = _Scaled(function, x, scale)
    place = scaled.place(np.zeros(len(x)))
    place, hessian = descend(
        scaled.moved,
        scaled.rough_hessian,
        place,
        np.eye(len(x)),
        decrement=_DECREMENT,
        most=_EVALUATIONS,
        patience=_PATIENCE,
    )
    return x + scale @ place.t, scale @ _root(hessian)


def information(function: Function, x: Array, scale: Array) -> Array:
    """Return minus the Hessian (d, d) by central differences of the gradient, to about 1e-5 of its size.

    Parameters
    ----------
    function
        As in `ascend`.
    x
        (d,) the point.
    scale
        (d, d) along whose columns the differences are taken: about standard errors.
    """
    columns = [(function(x - step)[1] - function(x + step)[1]) / (2 * _STEP) for step in _STEP * scale.T]
    matrix = np.array(columns).reshape(scale.shape).T @ np.linalg.inv(scale)
    return np.asarray((matrix + matrix.T) / 2)
