"""The Laplace fit: the mode of the marginal posterior of the globals, and the arrow-shaped curvature there.

It is used to choose coordinates and starting points only. The posterior stays exact whatever its quality,
so derivatives by differences are enough, and what is not positive definite is made so.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayesglmm.density.arrow import lifted
from bayesglmm.density.evaluator import FLOOR, STEP, Evaluator

__all__ = ["marginal_mode"]

type Array = NDArray[np.float64]

_NEWTON_STEPS = 30

_FLAT = 0.01
"""The least curvature of the globals in natural units: none is thought wider than ten of them."""

_STEEP = 0.5
"""The largest slope of the log marginal, in natural units, at what is called a mode."""

_WORST = 1e100

_MANY = 20_000
"""Rows from which several threads are faster than one."""


def marginal_mode(density: Evaluator, start: Array, scales: Array) -> tuple[Array, Array] | None:
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
        marginal there, made positive definite. None if no mode was found.
    """
    try:
        with np.errstate(all="ignore"):
            return _maximise(_Search(density, scales, start.copy()), start[: density.shape.globals] / scales)
    except np.linalg.LinAlgError:  # beyond the range of doubles on the way
        return None


def _maximise(search: "_Search", start: Array) -> tuple[Array, Array] | None:
    scales = search.scales
    first = search.marginal(search.inner(start * scales))
    inverse = np.linalg.inv(_natural(first, scales))
    options = {"maxiter": 100, "gtol": 0.05, "hess_inv0": (inverse + inverse.T) / 2}
    lowest = optimize.minimize(search.objective, start, jac=True, method="BFGS", options=options)
    found, least, slope = lowest.x, lowest.fun, lowest.jac
    mode = search.inner(found * scales)
    value, gradient = search.density(mode)
    steep = not np.abs(slope).max(initial=0.0) < _STEEP
    if steep or not np.isfinite([value, least, *gradient]).all() or least >= _WORST:
        return None
    hessian = search.hessian(found)
    if np.linalg.eigvalsh((hessian + hessian.T) / 2).min(initial=0.0) < -_FLAT:
        return None
    return mode, lifted((hessian + hessian.T) / 2, _FLAT) / np.outer(scales, scales)


def _natural(matrix: Array, scales: Array) -> Array:
    """Return a curvature in natural units, made positive definite."""
    inside = matrix * np.outer(scales, scales)
    if not np.isfinite(inside).all():
        inside = np.diag(np.nan_to_num(np.diag(inside), nan=1.0, posinf=1.0, neginf=1.0))
    return lifted((inside + inside.T) / 2, _FLAT)


@dataclass
class _Search:
    """Follows the mode of the effects as the globals move."""

    density: Evaluator
    scales: Array
    x: Array

    def inner(self, theta: Array) -> Array:
        """Return the point with these globals and the effects at their mode, by damped Newton steps."""
        g = self.density.shape.globals
        x = self.x.copy()
        x[:g] = theta
        value, gradient = self.density(x)
        for _ in range(_NEWTON_STEPS):
            if not np.isfinite(value):
                break
            step = self.density.solve(self.density.effects(x), gradient)
            gain = float(step @ gradient)
            if gain < 1e-10:
                break
            x, value, gradient = self._line(x, step, value, gain)
            if gain < 1e-5:  # what is left is its square
                break
        if np.isfinite(value):
            self.x = x
        return x

    def _each[T, R](self, function: Callable[[T], R], of: Iterable[T]) -> list[R]:
        """Return a function of each; several at once where there are many rows: compiled code lets threads run."""
        if self.density.rows.n < _MANY:
            return [function(one) for one in of]

        def quiet(one: T) -> R:
            with np.errstate(all="ignore"):  # which holds in its own thread alone
                return function(one)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(quiet, of))

    def _line(self, x: Array, step: Array, value: float, gain: float) -> tuple[Array, float, Array]:
        for halving in range(12):
            length = 0.5**halving
            tried, gradient = self.density(x + length * step)
            if tried > value + 1e-4 * length * gain:
                return x + length * step, tried, gradient
        return x, value, np.zeros_like(x)

    def _slopes(self, x: Array) -> Array:
        """Return minus the derivatives of the gradient by each global, (g, dim)."""
        g = self.density.shape.globals
        steps = np.zeros((g, self.density.dim))
        steps[:, :g] = np.diag(STEP * self.scales)
        return np.array(self._each(lambda step: self.density.slope(x, step), steps)) / (STEP * self.scales)[:, None]

    def marginal(self, x: Array) -> Array:
        """Return minus the Hessian by the globals with the effects following their mode, (g, g)."""
        g, arrow, slopes = self.density.shape.globals, self.density.effects(x), self._slopes(x)
        follow = np.array([self.density.solve(arrow, slope) for slope in slopes])
        result: Array = slopes[:, :g] - slopes @ follow.T
        return result

    def objective(self, scaled: Array) -> tuple[float, Array]:
        """Return minus the Laplace-approximated log marginal density, and its gradient, in natural units."""
        g = self.density.shape.globals
        x = self.inner(scaled * self.scales)
        value, gradient = self.density(x)
        if not np.isfinite(value):
            return _WORST, np.zeros(g)
        arrow = self.density.effects(x)
        slopes = self._slopes(x)

        def change(i: int) -> float:
            step = -self.density.solve(arrow, slopes[i])  # the effects' mode follows the global
            step[i] = 1.0
            step *= STEP * self.scales[i]
            return (self.density.effects(x + step).log_determinant(FLOOR) - here) / float(step[i])

        here = arrow.log_determinant(FLOOR)
        slope = gradient[:g] - 0.5 * np.array(self._each(change, range(g)))
        return -(value - 0.5 * here), -slope * self.scales

    def hessian(self, scaled: Array) -> Array:
        """Return the Hessian of the objective, (g, g) in natural units, from differences of its gradient."""
        step, here = 1e-3, self.objective(scaled)[1]
        return np.array([(self.objective(scaled + step * along)[1] - here) / step for along in np.eye(len(scaled))])
