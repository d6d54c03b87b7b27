"""`marginal_mode`: the mode of the globals' Laplace-approximated marginal posterior, and the curvature there.

It only chooses coordinates and starting points: the posterior stays exact whatever its quality, so that finite
differences suffice, and curvatures may be made positive definite.

Differences by the globals are taken along the path on which the effects follow their conditional mode, with steps in
marginal sds. With the effects held fixed, the information on the globals would be a small difference of two large
curvatures, and lost to rounding.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.newton import Point, maximise
from bayesglmm.logdensity.arrow_matrix import Arrow, clip_eigenvalues
from bayesglmm.logdensity.evaluator import FLOOR, STEP, Evaluator
from bayesglmm.logdensity.trust_region import descend, region_step

__all__ = ["marginal_mode"]

type Array = NDArray[np.float64]

_NEWTON_STEPS = 60

_LEAST_CURVATURE = 0.01
"""The least curvature by the globals in natural units: no posterior sd is taken to be above ten of them."""

_DECREMENT = 1e-4
"""The search ends where the log marginal can gain no more than this: a hundredth of a posterior sd from the mode."""

_NEAR = 0.05
"""The search has converged if the gain still expected, by the Hessian taken at its end, is below this."""

_ROUNDS, _EVALUATIONS = 8, 60
"""The most Hessians by differences, and evaluations of the objective with each."""

_LARGEST_STEP, _STEP_IN_SDS = 1e-4, 0.02
"""Steps of differences with effects that follow: at most, in natural units; in posterior sds."""

_ROUNDING = 1e-9
"""The error of a curvature by differences, relative to the curvature with the effects held fixed."""

_MANY_ROWS = 20_000
"""The number of rows from which several threads are faster than one."""


def marginal_mode(density: Evaluator, start: Array, scales: Array) -> tuple[Array, Array] | str:
    """Maximise the Laplace approximation of the marginal posterior over the globals.

    Parameters
    ----------
    density
        The density, every level non-centred.
    start
        (dim,) where to begin.
    scales
        (g,) a natural unit of each global.

    Returns
    -------
    mode, curvature
        (dim,) the mode of the globals and the conditional mode of the rest; (g, g) minus the Hessian of the log
        marginal there, made positive definite. Or, as a text, why there is none.
    """
    try:
        with np.errstate(all="ignore"):
            return _maximise(_Search(density, scales), start)
    except np.linalg.LinAlgError:
        return "no mode was found: the curvature is beyond the range of doubles"


def _maximise(search: "_Search", start: Array) -> tuple[Array, Array] | str:
    scales = search.scales
    place = search.place(start)
    if not np.isfinite(place.value):
        return "no mode was found: the density is not finite where the search begins"
    hessian = search.rough_hessian(place)
    for _ in range(_ROUNDS):
        place, hessian = descend(
            search.moved, search.rough_hessian, place, hessian, decrement=_DECREMENT, most=_EVALUATIONS
        )
        hessian = search.hessian(place, hessian)
        step = region_step(place.slope, hessian, 1.0)
        gain = -float(place.slope @ step + step @ hessian @ step / 2)
        if gain < _NEAR:
            return place.x, clip_eigenvalues(hessian, _LEAST_CURVATURE) / np.outer(scales, scales)
    return "no mode was found: the marginal posterior still rises where the search ends"


@dataclass(frozen=True, eq=False)
class _Place:
    """Globals with the effects at their mode.

    Parameters
    ----------
    x
        (dim,) the coordinates.
    value, slope
        Minus the Laplace-approximated log marginal density, and its gradient (g,) in natural units.
    noise
        The rounding error of the value.
    arrow
        The curvature by the effects.
    along
        (g, dim) the change of the coordinates per natural unit of each global, the effects following their mode.
    steps
        (g,) the step of a difference along each of these.
    """

    x: Array
    value: float
    slope: Array
    noise: float
    arrow: Arrow
    along: Array
    steps: Array


@dataclass(frozen=True, eq=False)
class _Search:
    """The Laplace-approximated log marginal density of the globals, in natural units of each (g,)."""

    density: Evaluator
    scales: Array

    def inner(self, x: Array) -> Point:
        """Return the point with these globals and the effects at their mode."""

        def newton(point: Point) -> Array:
            return self.density.solve(self.density.effects(point.x, concave=True), point.gradient)

        return maximise(self.density, newton, x, steps=_NEWTON_STEPS, least_gain=1e-10, last_gain=1e-5)

    def _each[T, R](self, function: Callable[[T], R], arguments: Iterable[T]) -> list[R]:
        """Return a function of each argument, on several threads where there are many rows."""
        if self.density.rows.n < _MANY_ROWS:
            return [function(argument) for argument in arguments]

        def quiet(argument: T) -> R:
            with np.errstate(all="ignore"):  # numpy's error state is per thread
                return function(argument)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(quiet, arguments))

    def _slopes(self, x: Array, along: Array, steps: Array) -> Array:
        """Return minus the Hessian times each of several directions, (g, dim)."""

        def slope(i: int) -> Array:
            product: Array = self.density.slopes(x, along[i : i + 1], steps[i : i + 1])[0]
            return product

        return np.array(self._each(slope, range(len(along)))).reshape(along.shape)

    def place(self, x: Array) -> _Place:
        """Return the place of the globals of a point, whose effects are where the search for their mode begins."""
        g, point = self.density.shape.globals, self.inner(x)
        x = point.x
        if not np.isfinite(point.value):
            empty = np.zeros((g, len(x)))
            arrow = Arrow(self.density.shape, *(np.zeros(0),) * 3)
            return _Place(x, np.inf, np.zeros(g), 0.0, arrow, empty, np.ones(g))
        arrow = self.density.effects(x)
        along, steps = self._following(x, arrow)
        log_det = arrow.log_determinant(FLOOR)

        def change(i: int) -> float:
            moved = self.density.effects(x + steps[i] * along[i])
            return (moved.log_determinant(FLOOR) - log_det) / float(steps[i])

        slope = 0.5 * np.array(self._each(change, range(g))) - along @ point.gradient
        return _Place(x, 0.5 * log_det - point.value, slope, 1e-14 * abs(point.value), arrow, along, steps)

    def _following(self, x: Array, arrow: Arrow) -> tuple[Array, Array]:
        """Return the directions (g, dim) of the globals, the effects following, and steps (g,) along them."""
        g = self.density.shape.globals
        along = np.zeros((g, len(x)))
        along[:, :g] = np.diag(self.scales)
        slopes = self._slopes(x, along, np.full(g, STEP))
        curvature_held = np.abs(np.einsum("gi,gi->g", along, slopes))
        along = along - np.array([self.density.solve(arrow, slope) for slope in slopes]).reshape(along.shape)
        curvature = np.abs(np.einsum("gi,gi->g", along, slopes)) + _ROUNDING * curvature_held
        return along, np.minimum(_LARGEST_STEP, _STEP_IN_SDS / np.sqrt(curvature))

    def moved(self, place: _Place, step: Array) -> _Place:
        """Return the place a step in natural units away; effects start from their mode to first order."""
        return self.place(place.x + step @ place.along)

    def rough_hessian(self, place: _Place) -> Array:
        """Return the Hessian by the globals with the effects following their mode, (g, g) in natural units.

        The second derivatives of the log determinant are left out.
        """
        g = self.density.shape.globals
        slopes = self._slopes(place.x, place.along, place.steps)
        effect_steps = np.array([self.density.solve(place.arrow, slope) for slope in slopes]).reshape(slopes.shape)
        effect_steps[:, :g] = 0.0
        hessian = slopes @ place.along.T - effect_steps @ slopes.T  # the second corrects for effects off their mode
        if not np.isfinite(hessian).all():
            hessian = np.diag(np.nan_to_num(np.diag(hessian), nan=1.0, posinf=1.0, neginf=1.0))
        return clip_eigenvalues((hessian + hessian.T) / 2, _LEAST_CURVATURE)

    def hessian(self, place: _Place, rough: Array) -> Array:
        """Return the Hessian (g, g) in natural units, by differences of the gradient along eigenvectors of a rough one.

        The steps are in the posterior sds that the rough one implies.
        """
        values, vectors = np.linalg.eigh(clip_eigenvalues(rough, _LEAST_CURVATURE))
        units = vectors * (_STEP_IN_SDS / np.sqrt(values))
        changes = np.array([self.moved(place, unit).slope - place.slope for unit in units.T]).reshape(rough.shape)
        hessian = np.linalg.inv(units).T @ changes
        symmetric: Array = (hessian + hessian.T) / 2
        return symmetric
