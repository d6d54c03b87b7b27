"""The Laplace fit: the mode of the marginal posterior of the globals, and the arrow-shaped curvature there.

It is used to choose coordinates and starting points only. The posterior stays exact whatever its quality,
so derivatives by differences are enough, and what is not positive definite is made so.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayesglmm.density.arrow import Arrow, Shape, lifted
from bayesglmm.density.core import information, log_density
from bayesglmm.density.rows import Rows

__all__ = ["Evaluator", "curvature", "marginal_mode"]

type Array = NDArray[np.float64]

_POINTER = ctypes.c_void_p
_LOGP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, _POINTER, _POINTER, _POINTER, _POINTER)(log_density.address)
_INFORMATION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, _POINTER, _POINTER, _POINTER)(
    information.address
)

_STEP = 1e-4
_NEWTON_STEPS = 30
_FLOOR = 0.1
"""The least curvature of an effect in units of its prior, which alone gives 1."""

_FLAT = 0.01
"""The least curvature of the globals in natural units: none is thought wider than ten of them."""

_STEEP = 0.5
"""The largest slope of the log marginal, in natural units, at what is called a mode."""

_WORST = 1e100


@dataclass(frozen=True, eq=False)
class Evaluator:
    """The log density of a model at coordinates x.

    Parameters
    ----------
    header
        What the compiled functions read.
    kept
        The arrays that the header points at, held here so that they live.
    rows
        The rows it is of.
    shape
        How the coordinates are taken apart.
    """

    header: NDArray[np.int64]
    kept: tuple[NDArray[Any], ...]
    rows: Rows
    shape: Shape

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return len(self.shape.places)

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return the log density and its gradient (dim,); −inf and zeros where it is not finite."""
        gradient, value = np.empty(self.dim), np.empty(1)
        data = [array.ctypes.data for array in (x, gradient, value, self.header)]
        if _LOGP(self.dim, *data):
            return -np.inf, np.zeros(self.dim)
        return float(value[0]), gradient

    def slope(self, x: Array, step: Array) -> Array:
        """Return minus the derivative of the gradient along a step, (dim,), times its length."""
        return (self(x - step)[1] - self(x + step)[1]) / 2

    def effects(self, x: Array) -> Arrow:
        """Return minus the Hessian by the effects, all of them non-centred; its head is of those in the core.

        With b = M z of every block it is I + Mᵀ Zᵀ W Z M, where W holds minus the second derivatives of the
        rows' log likelihood by η.
        """
        shape = self.shape
        _, weight, parts = self._parts(x)
        (m, k), c = shape.leaves, shape.core - shape.globals
        core = [parts[number] for number in shape.core_blocks]
        leaf = [parts[number] for number in shape.leaf_blocks]
        corners = np.block([[a.levels(b, weight) for b in leaf] for a in leaf]) if leaf else np.zeros((0, 0, 0))
        corners = lifted(np.eye(k) + (corners + corners.swapaxes(1, 2)) / 2, _FLOOR)
        if not core:
            return Arrow(shape, np.zeros((0, 0)), np.zeros((m, k, 0)), corners)
        head = np.eye(c) + np.block([[a.cross(b, weight) for b in core] for a in core])
        strips = [np.concatenate([a.cross(b, weight) for b in core], axis=1).reshape(m, a.k, c) for a in leaf]
        return Arrow(shape, head, np.concatenate(strips, axis=1), corners)

    def pseudo_data(self, x: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return A and h: hᵀb − bᵀAb/2 is, to second order at x, what the rows of a level say of its b.

        Returns
        -------
        known, pull
            (k, k, m) and (k, m) a block.
        """
        slope, weight, parts = self._parts(x)
        known, pull = [], []
        for part, place in zip(parts, map(self.shape.place, range(len(parts))), strict=True):
            information = lifted(part.sums(part, weight, part.index, part.m), 0.0)
            b = x[place].reshape(part.m, part.k) @ part.root.T
            score = np.array([np.bincount(part.index, slope * column, part.m) for column in part.z.T])
            known.append(np.moveaxis(information, 0, -1))
            pull.append(score + (information @ b[:, :, None])[:, :, 0].T)
        return tuple(known), tuple(pull)

    def _parts(self, x: Array) -> tuple[Array, Array, "list[_Part]"]:
        """Return slopes and weights of the rows, (n,) each, and the blocks as rows see them."""
        n, blocks = self.rows.n, self.shape.blocks
        out = np.empty(2 * n + sum(k * k for _, k in blocks))
        _INFORMATION(self.dim, out.size, *(array.ctypes.data for array in (x, out, self.header)))
        ends = 2 * n + np.cumsum([k * k for _, k in blocks])
        roots = [out[end - k * k : end].reshape(k, k) for end, (_, k) in zip(ends, blocks, strict=True)]
        return (
            out[:n],
            out[n : 2 * n],
            [
                _Part(index, z, m, k, root)
                for index, z, (m, k), root in zip(self.rows.index, self.rows.z, blocks, roots, strict=True)
            ],
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """A block as rows see it: the level of each (n,), the columns (n, k), the number of levels and columns, M."""

    index: NDArray[np.int64]
    z: Array
    m: int
    k: int
    root: Array

    def levels(self, other: "_Part", weight: Array) -> Array:
        """Return Mᵀ Zᵀ W Z M of each level with the same level of a block on the same factor, (m, k, k')."""
        return self._turned(other, weight, self.index, self.m)

    def cross(self, other: "_Part", weight: Array) -> Array:
        """Return Mᵀ Zᵀ W Z M of all levels with all of another block, (m k, m' k')."""
        turned = self._turned(other, weight, self.index * other.m + other.index, self.m * other.m)
        apart = turned.reshape(self.m, other.m, self.k, other.k).transpose(0, 2, 1, 3)
        return apart.reshape(self.m * self.k, other.m * other.k)

    def _turned(self, other: "_Part", weight: Array, cell: NDArray[np.int64], cells: int) -> Array:
        result: Array = self.root.T @ self.sums(other, weight, cell, cells) @ other.root
        return result

    def sums(self, other: "_Part", weight: Array, cell: NDArray[np.int64], cells: int) -> Array:
        """Return Zᵀ W Z over the rows of each cell, (cells, k, k')."""
        sums = np.empty((cells, self.k, other.k))
        for i in range(self.k):
            for j in range(other.k):
                sums[:, i, j] = np.bincount(cell, weight * self.z[:, i] * other.z[:, j], cells)
        return sums


def curvature(density: Evaluator, x: Array, scales: Array) -> Arrow:
    """Return the arrow at a point, from differences of the gradient: 2 (c + k) evaluations.

    Parameters
    ----------
    density
        The density, in any coordinates.
    x
        (dim,) the point.
    scales
        (g,) a natural unit of each global.
    """
    shape = density.shape
    units = np.ones(shape.core)
    units[: shape.globals] = scales
    (m, k), c = shape.leaves, shape.core
    head, shafts, corners = np.empty((c, c)), np.empty((m, k, c)), np.empty((m, k, k))
    for i in range(c):
        step = _STEP * units[i]
        core, leaves = shape.apart(density.slope(x, shape.together(step * np.eye(c)[i], np.zeros((m, k)))) / step)
        head[:, i], shafts[:, :, i] = core, leaves
    for j in range(k):  # leaves do not meet, so all are moved at once
        step = np.zeros((m, k))
        step[:, j] = _STEP
        corners[:, :, j] = shape.apart(density.slope(x, shape.together(np.zeros(c), step)) / _STEP)[1]
    return Arrow(shape, (head + head.T) / 2, shafts, lifted((corners + corners.swapaxes(1, 2)) / 2, _FLOOR))


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
    found = optimize.minimize(search.objective, start, jac=True, method="BFGS", options=options)
    mode = search.inner(found.x * scales)
    value, gradient = search.density(mode)
    steep = not np.abs(found.jac).max(initial=0.0) < _STEEP
    if steep or not np.isfinite([value, found.fun, *gradient]).all() or found.fun >= _WORST:
        return None
    hessian = search.hessian(found.x)
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
            step = self._solve(self.density.effects(x), gradient)
            gain = float(step @ gradient)
            if gain < 1e-10:
                break
            x, value, gradient = self._line(x, step, value, gain)
            if gain < 1e-5:  # what is left is its square
                break
        if np.isfinite(value):
            self.x = x
        return x

    def _solve(self, arrow: Arrow, right: Array) -> Array:
        """Solve for the effects against coordinates (dim,), of which the globals are left at 0."""
        shape = self.density.shape
        core, leaves = shape.apart(right)
        found, rest = arrow.solve(core[shape.globals :], leaves, _FLOOR)
        return shape.together(np.concatenate([np.zeros(shape.globals), found]), rest)

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
        steps[:, :g] = np.diag(_STEP * self.scales)
        return np.array([self.density.slope(x, step) for step in steps]) / (_STEP * self.scales)[:, None]

    def marginal(self, x: Array) -> Array:
        """Return minus the Hessian by the globals with the effects following their mode, (g, g)."""
        g, arrow, slopes = self.density.shape.globals, self.density.effects(x), self._slopes(x)
        follow = np.array([self._solve(arrow, slope) for slope in slopes])
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
        slope = gradient[:g].copy()
        for i, along in enumerate(self._slopes(x)):
            step = -self._solve(arrow, along)  # the effects' mode follows the global
            step[i] = 1.0
            step *= _STEP * self.scales[i]
            up, down = self.density.effects(x + step), self.density.effects(x - step)
            difference = up.log_determinant(_FLOOR) - down.log_determinant(_FLOOR)
            slope[i] -= 0.5 * difference / (2 * step[i])
        return -(value - 0.5 * arrow.log_determinant(_FLOOR)), -slope * self.scales

    def hessian(self, scaled: Array) -> Array:
        """Return the Hessian of the objective, (g, g) in natural units, from differences of its gradient."""
        step = 1e-3
        rows = []
        for direction in np.eye(len(scaled)):
            up, down = self.objective(scaled + step * direction)[1], self.objective(scaled - step * direction)[1]
            rows.append((up - down) / (2 * step))
        return np.array(rows)
