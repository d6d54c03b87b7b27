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

from bayesglmm.density.core import log_density

__all__ = ["Arrow", "Evaluator", "curvature", "lifted", "marginal_mode"]

type Array = NDArray[np.float64]

_POINTER = ctypes.c_void_p
_LOGP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, _POINTER, _POINTER, _POINTER, _POINTER)(log_density.address)

_STEP = 1e-4
_NEWTON_STEPS = 30
_FLOOR = 0.1
"""The least curvature of a level in units of its prior, which alone gives 1."""

_FLAT = 0.01
"""The least curvature of the globals in natural units: none is thought wider than ten of them."""

_STEEP = 0.5
"""The largest slope of the log marginal, in natural units, at what is called a mode."""

_WORST = 1e100


@dataclass(frozen=True, eq=False)
class Evaluator:
    """The log density of a model at coordinates x, and how the coordinates are grouped.

    Parameters
    ----------
    header
        What the compiled function reads.
    kept
        The arrays that the header points at, held here so that they live.
    dim
        The number of coordinates.
    globals
        The number g of globals, which come first.
    blocks
        The number of levels m and columns k of every block, in order.
    """

    header: NDArray[np.int64]
    kept: tuple[NDArray[Any], ...]
    dim: int
    globals: int
    blocks: tuple[tuple[int, int], ...]

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return the log density and its gradient (dim,); −inf and zeros where it is not finite."""
        gradient, value = np.empty(self.dim), np.empty(1)
        data = [array.ctypes.data for array in (x, gradient, value, self.header)]
        if _LOGP(self.dim, *data):
            return -np.inf, np.zeros(self.dim)
        return float(value[0]), gradient

    def pieces(self, x: Array) -> list[Array]:
        """View the coordinates of the blocks, each (m, k)."""
        at, pieces = self.globals, []
        for m, k in self.blocks:
            pieces.append(x[at : at + m * k].reshape(m, k))
            at += m * k
        return pieces


@dataclass(frozen=True, eq=False)
class Arrow:
    """The negative Hessian, less the corners between levels.

    Parameters
    ----------
    head
        (g, g) of the globals.
    shafts
        One (m, k, g) a block: between its levels and the globals.
    corners
        One (m, k, k) a block: within each level, positive definite.
    """

    head: Array
    shafts: list[Array]
    corners: list[Array]

    def schur(self) -> Array:
        """Return the head less what the levels explain, (g, g)."""
        schur = self.head.copy()
        for shaft, corner in zip(self.shafts, self.corners, strict=True):
            schur -= np.einsum("mkg,mkh->gh", shaft, _solve(corner, shaft))
        return (schur + schur.T) / 2


def curvature(density: Evaluator, x: Array, scales: Array) -> Arrow:
    """Return the arrow at a point, from differences of the gradient: 2 (g + Σ k) evaluations.

    Parameters
    ----------
    density
        The density.
    x
        (dim,) the point.
    scales
        (g,) a natural unit of each global.
    """
    g = density.globals
    head, shafts = np.empty((g, g)), [np.empty((m, k, g)) for m, k in density.blocks]
    for i in range(g):
        step = np.zeros(density.dim)
        step[i] = _STEP * scales[i]
        slope = -(density(x + step)[1] - density(x - step)[1]) / (2 * step[i])
        head[:, i] = slope[:g]
        for shaft, piece in zip(shafts, density.pieces(slope), strict=True):
            shaft[:, :, i] = piece
    return Arrow(head, shafts, _corners(density, x))


def _corners(density: Evaluator, x: Array) -> list[Array]:
    """Return (m, k, k) a block: levels of one block do not meet, so all are moved at once."""
    corners = []
    for number, (m, k) in enumerate(density.blocks):
        corner = np.empty((m, k, k))
        for column in range(k):
            step = np.zeros(density.dim)
            density.pieces(step)[number][:, column] = _STEP
            difference = density(x - step)[1] - density(x + step)[1]
            corner[:, :, column] = density.pieces(difference)[number] / (2 * _STEP)
        corners.append(lifted((corner + corner.swapaxes(1, 2)) / 2, _FLOOR))
    return corners


def lifted(matrices: Array, floor: float) -> Array:
    """Raise eigenvalues under a floor to it: symmetric (…, k, k)."""
    if matrices.shape[-1] == 1:  # many levels of one column are the usual case, and quick this way
        return np.maximum(matrices, floor)
    values, vectors = np.linalg.eigh(matrices)
    if (values >= floor).all():
        return matrices
    result: Array = (vectors * np.maximum(values, floor)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return result


def _solve(corner: Array, right: Array) -> Array:
    """Solve (m, k, k) against (m, k, c)."""
    result: Array = right / corner if corner.shape[-1] == 1 else np.linalg.solve(corner, right)
    return result


def _log_determinant(corners: list[Array]) -> float:
    """Return the log determinant of all corners together."""
    return float(sum((np.log(c) if c.shape[-1] == 1 else np.linalg.slogdet(c)[1]).sum() for c in corners))


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
            return _maximise(_Search(density, scales, start.copy()), start[: density.globals] / scales)
    except np.linalg.LinAlgError:  # beyond the range of doubles on the way
        return None


def _maximise(search: "_Search", start: Array) -> tuple[Array, Array] | None:
    scales = search.scales
    first = curvature(search.density, search.inner(start * scales), scales)
    inverse = np.linalg.inv(_natural(first.schur(), scales))
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
    """Follows the mode of the levels as the globals move."""

    density: Evaluator
    scales: Array
    x: Array

    def inner(self, theta: Array) -> Array:
        """Return the point with these globals and the levels at their mode, by damped Newton steps."""
        x = self.x.copy()
        x[: self.density.globals] = theta
        value, gradient = self.density(x)
        for _ in range(_NEWTON_STEPS):
            if not np.isfinite(value):
                break
            step = np.zeros(self.density.dim)
            slopes, corners = self.density.pieces(gradient), _corners(self.density, x)
            for piece, slope, corner in zip(self.density.pieces(step), slopes, corners, strict=True):
                piece[:] = _solve(corner, slope[:, :, None])[:, :, 0]
            gain = float(step @ gradient)
            if gain < 1e-6:
                break
            x, value, gradient = self._line(x, step, value, gain)
        if np.isfinite(value):
            self.x = x
        return x

    def _line(self, x: Array, step: Array, value: float, gain: float) -> tuple[Array, float, Array]:
        for halving in range(12):
            length = 0.5**halving
            tried, gradient = self.density(x + length * step)
            if tried > value + 1e-4 * length * gain:
                return x + length * step, tried, gradient
        return x, value, np.zeros_like(x)

    def objective(self, scaled: Array) -> tuple[float, Array]:
        """Return minus the Laplace-approximated log marginal density, and its gradient, in natural units."""
        g = self.density.globals
        x = self.inner(scaled * self.scales)
        value, gradient = self.density(x)
        if not np.isfinite(value):
            return _WORST, np.zeros(g)
        arrow = curvature(self.density, x, self.scales)
        slope = gradient[:g].copy()
        for i in range(g):
            step = np.zeros(self.density.dim)
            step[i] = _STEP * self.scales[i]
            for piece, shaft, corner in zip(self.density.pieces(step), arrow.shafts, arrow.corners, strict=True):
                piece[:] = -step[i] * _solve(corner, shaft[:, :, i : i + 1])[:, :, 0]
            up, down = _corners(self.density, x + step), _corners(self.density, x - step)
            slope[i] -= 0.5 * (_log_determinant(up) - _log_determinant(down)) / (2 * step[i])
        return -(value - 0.5 * _log_determinant(arrow.corners)), -slope * self.scales

    def hessian(self, scaled: Array) -> Array:
        """Return the Hessian of the objective, (g, g) in natural units, from differences of its gradient."""
        step = 1e-3
        rows = []
        for direction in np.eye(len(scaled)):
            up, down = self.objective(scaled + step * direction)[1], self.objective(scaled - step * direction)[1]
            rows.append((up - down) / (2 * step))
        return np.array(rows)
