"""The Laplace fit: the mode of the marginal posterior of the globals, and the arrow-shaped curvature there.

It is used to choose coordinates and starting points only. The posterior stays exact whatever its quality,
so derivatives by differences are enough, and what is not positive definite is made so.

However sharp the likelihood, a sum over groups must not drown in one over rows. So globals are moved with the effects
following their mode, for then the rows hardly notice what they do not know of the globals; and how far is judged by
the curvature, not by an absolute step.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow, lifted
from bayesglmm.logdensity.evaluator import FLOOR, STEP, Evaluator
from bayesglmm.logdensity.trust_region import descend, region_step

__all__ = ["marginal_mode"]

type Array = NDArray[np.float64]

_NEWTON_STEPS = 60
_HALVINGS = 40
_FLAT = 0.01
"""The least curvature of the globals in natural units: none is thought wider than ten of them."""

_DECREMENT = 1e-4
"""What is left to gain, of the log marginal, at what is called a mode: a hundredth of a posterior sd away."""

_NEAR = 0.05
"""The same where curvature taken there says that more is left than was thought, but steps gain no more."""

_ROUNDS, _EVALUATIONS = 8, 60
"""How often curvature is taken anew, and points tried with it each time."""

_FOLLOWED, _APART = 1e-4, 0.02
"""How far globals are moved, with effects that follow, in natural units, and in posterior standard deviations."""

_BLUR = 1e-9
"""What differences leave unknown of a curvature, of that with the effects held."""

_MANY = 20_000
"""Rows from which several threads are faster than one."""


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
        (dim,) the mode of the globals and, given them, of the rest; (g, g) the negative Hessian of the
        marginal there, made positive definite. Or in words why there is none.
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
    bend = search.bend(place)
    for _ in range(_ROUNDS):
        place, bend = descend(search.moved, search.bend, place, bend, decrement=_DECREMENT, most=_EVALUATIONS)
        bend = search.hessian(place, bend)
        step = region_step(place.slope, bend, 1.0)
        left = -float(place.slope @ step + step @ bend @ step / 2)
        if left < _NEAR:
            return place.x, lifted(bend, _FLAT) / np.outer(scales, scales)
    return "no mode was found: the marginal posterior still rises where the search ends"


@dataclass(frozen=True, eq=False)
class _Place:
    """Globals with the effects at their mode.

    Parameters
    ----------
    at
        (g,) the globals in natural units.
    x
        (dim,) the coordinates.
    value, slope
        Minus the Laplace-approximated log marginal density, and its gradient (g,) in natural units.
    noise
        How far off rounding may leave the value.
    arrow
        The curvature of the effects.
    along
        (g, dim) how the coordinates move as each global moves by a natural unit and the effects follow.
    steps
        (g,) how far to go along each of these for a difference.
    """

    at: Array
    x: Array
    value: float
    slope: Array
    noise: float
    arrow: Arrow
    along: Array
    steps: Array


@dataclass(frozen=True, eq=False)
class _Search:
    """The Laplace-approximated log marginal density of the globals."""

    density: Evaluator
    scales: Array

    def inner(self, x: Array) -> tuple[Array, float, Array]:
        """Return the point with these globals and the effects at their mode, by damped Newton steps."""
        value, gradient = self.density(x)
        for _ in range(_NEWTON_STEPS):
            if not np.isfinite(value):
                break
            step = self.density.solve(self.density.effects(x, concave=True), gradient)
            gain = float(step @ gradient)
            if gain < 1e-10:
                break
            length, tried, slope = self.density.line(x, step, value, gain, _HALVINGS)
            if length == 0:
                break
            x, value, gradient = x + length * step, tried, slope
            if gain < 1e-5:  # what is left is its square
                break
        return x, value, gradient

    def _each[T, R](self, function: Callable[[T], R], of: Iterable[T]) -> list[R]:
        """Return a function of each; several at once where there are many rows: compiled code lets threads run."""
        if self.density.rows.n < _MANY:
            return [function(one) for one in of]

        def quiet(one: T) -> R:
            with np.errstate(all="ignore"):  # which holds in its own thread alone
                return function(one)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(quiet, of))

    def _slopes(self, x: Array, along: Array, steps: Array) -> Array:
        """Return minus the derivatives of the gradient along each of several directions, (g, dim)."""

        def slope(i: int) -> Array:
            found: Array = self.density.slopes(x, along[i : i + 1], steps[i : i + 1])[0]
            return found

        return np.array(self._each(slope, range(len(along)))).reshape(along.shape)

    def place(self, x: Array) -> _Place:
        """Return what is known of the globals of a point; the effects there are where their search begins."""
        g = self.density.shape.globals
        x, value, gradient = self.inner(x)
        at = x[:g] / self.scales
        if not np.isfinite(value):
            empty = np.zeros((g, len(x)))
            arrow = Arrow(self.density.shape, *(np.zeros(0),) * 3)
            return _Place(at, x, np.inf, np.zeros(g), 0.0, arrow, empty, np.ones(g))
        arrow = self.density.effects(x)
        along = np.zeros((g, len(x)))
        along[:, :g] = np.diag(self.scales)
        slopes = self._slopes(x, along, np.full(g, STEP))
        held = np.abs(np.einsum("gi,gi->g", along, slopes))
        along = along - np.array([self.density.solve(arrow, slope) for slope in slopes]).reshape(along.shape)
        known = np.abs(np.einsum("gi,gi->g", along, slopes)) + _BLUR * held
        steps = np.minimum(_FOLLOWED, _APART / np.sqrt(known))
        here = arrow.log_determinant(FLOOR)

        def change(i: int) -> float:
            return (self.density.effects(x + steps[i] * along[i]).log_determinant(FLOOR) - here) / float(steps[i])

        slope = 0.5 * np.array(self._each(change, range(g))) - along @ gradient
        return _Place(at, x, 0.5 * here - value, slope, 1e-14 * abs(value), arrow, along, steps)

    def moved(self, place: _Place, step: Array) -> _Place:
        """Return the place a step in natural units away; the effects begin where they would be if all was linear."""
        return self.place(place.x + step @ place.along)

    def bend(self, place: _Place) -> Array:
        """Return the Hessian by the globals with the effects following their mode, (g, g) in natural units.

        That of the log determinant is not in it.
        """
        g = self.density.shape.globals
        slopes = self._slopes(place.x, place.along, place.steps)
        rest = np.array([self.density.solve(place.arrow, slope) for slope in slopes]).reshape(slopes.shape)
        rest[:, :g] = 0.0
        bend = slopes @ place.along.T - rest @ slopes.T  # the second is what the effects did not follow
        if not np.isfinite(bend).all():
            bend = np.diag(np.nan_to_num(np.diag(bend), nan=1.0, posinf=1.0, neginf=1.0))
        return lifted((bend + bend.T) / 2, _FLAT)

    def hessian(self, place: _Place, bend: Array) -> Array:
        """Return the Hessian, (g, g) in natural units, by differences of the gradient as far as another says."""
        values, vectors = np.linalg.eigh(lifted(bend, _FLAT))
        units = vectors * (_APART / np.sqrt(values))
        changes = np.array([self.moved(place, unit).slope - place.slope for unit in units.T]).reshape(bend.shape)
        back = np.linalg.inv(units)
        hessian = back.T @ changes
        symmetric: Array = (hessian + hessian.T) / 2
        return symmetric
