"""The log density at points, its curvature by differences, and that of the effects from the rows' own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow, Shape, lifted
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.layout import Header
from bayesglmm.logdensity.logp_kernel import expand, information, log_density

__all__ = ["FLOOR", "STEP", "Evaluator", "curvature"]

type Array = NDArray[np.float64]

STEP = 1e-4
"""How far globals are moved for a difference, in natural units."""

_EFFECT_STEP = 0.01
"""How far the effects of leaves are moved, which are near standard normal: so far that rounding is not seen."""

_WIDE, _SHORTER = 0.01, 4
"""How wide a step may be, its square in conditional standard deviations over √n, or it is shortened; how often."""

FLOOR = 0.1
"""The least curvature of an effect in units of its prior, which alone gives 1."""


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
        if log_density.call(self.dim, *data):
            return -np.inf, np.zeros(self.dim)
        return float(value[0]), gradient

    def expanded(self, x: Array) -> tuple[Array, Array]:
        """Return β (p,) on the original scale and the effects of all blocks, one after another."""
        effects = self.dim - self.shape.globals
        p = int(self.header[Header.SLOPES] + self.header[Header.INTERCEPT])
        out = np.empty(self.dim)  # β and the other globals on their own scale, then the effects
        expand.call(self.dim, out.size, x.ctypes.data, out.ctypes.data, self.header.ctypes.data)
        return out[:p].copy(), out[len(out) - effects :].copy()

    def line(self, x: Array, step: Array, value: float, gain: float, halvings: int) -> tuple[float, float, Array]:
        """Return how far to go along a step, and the density and its gradient there; 0 if it gains nowhere.

        `value` is the density at x, `gain` what it gains along the step to first order; the step is halved so often.
        """
        for halving in range(halvings):
            length = 0.5**halving
            tried, gradient = self(x + length * step)
            if tried > value + 1e-4 * length * gain:
                return length, tried, gradient
        return 0.0, value, np.zeros(self.dim)

    def slope(self, x: Array, step: Array) -> Array:
        """Return minus the derivative of the gradient along a step, (dim,), times its length."""
        return (self(x - step)[1] - self(x + step)[1]) / 2

    def slopes(self, x: Array, along: Array, steps: Array) -> Array:
        """Return minus the derivatives of the gradient along directions (r, dim), (r, dim).

        Steps (r,) along them are shortened where the rows' densities are narrower than that.
        """
        found, widest = np.empty_like(along), _WIDE * max(self.rows.n, 1) ** 0.5
        for i, (direction, step) in enumerate(zip(along, steps, strict=True)):
            for _ in range(_SHORTER):
                found[i] = self.slope(x, step * direction) / step
                held = abs(float(found[i] @ direction))
                if not held * step**2 > widest:
                    break
                step = np.sqrt(0.1 * widest / held)
        return found

    def effects(self, x: Array, *, concave: bool = False) -> Arrow:
        """Return minus the Hessian by the effects, all of them non-centred; its head is of those in the core.

        With b = M z of every block it is I + Mᵀ Zᵀ W Z M, where W holds minus the second derivatives of the
        rows' log likelihood by η; `concave` takes 0 where that is negative.
        """
        shape = self.shape
        weight, parts = self._parts(x)
        if concave:
            weight = np.maximum(weight, 0.0)
        (m, k), c = shape.leaves, shape.core - shape.globals
        core = [parts[number] for number in shape.core_blocks]
        leaf = [parts[number] for number in shape.leaf_blocks]
        corners = np.block([[a.levels(b, weight) for b in leaf] for a in leaf]) if leaf else np.zeros((0, 0, 0))
        corners = lifted(np.eye(k) + (corners + corners.swapaxes(1, 2)) / 2, FLOOR)
        if not core:
            return Arrow(shape, np.zeros((0, 0)), np.zeros((m, k, 0)), corners)
        head = np.eye(c) + np.block([[a.cross(b, weight) for b in core] for a in core])
        strips = [np.concatenate([a.cross(b, weight) for b in core], axis=1).reshape(m, a.k, c) for a in leaf]
        return Arrow(shape, head, np.concatenate(strips, axis=1), corners)

    def solve(self, arrow: Arrow, right: Array) -> Array:
        """Solve the curvature of the effects against coordinates (dim,), of which the globals are left at 0."""
        shape = self.shape
        core, leaves = shape.apart(right)
        found, rest = arrow.solve(core[shape.globals :], leaves, FLOOR)
        return shape.together(np.concatenate([np.zeros(shape.globals), found]), rest)

    def information(self, x: Array, number: int) -> tuple[Array, Array]:
        """Return minus the second derivatives of the log likelihood by the b of a block, (m, k, k), and its M."""
        weight, parts = self._parts(x)
        part = parts[number]
        return part.sums(part, weight, part.index, part.m), part.root

    def weights_and_roots(self, x: Array) -> tuple[Array, list[Array]]:
        """Return minus the second derivatives of the log likelihood of the rows by η, (n,), and M of every block."""
        weights, parts = self._parts(x)
        return weights, [part.root for part in parts]

    def _parts(self, x: Array) -> tuple[Array, "list[_Part]"]:
        """Return the weights W of the rows, (n,), and the blocks as rows see them."""
        n, blocks = self.rows.n, self.shape.blocks
        out = np.empty(n + sum(k * k for _, k in blocks))
        information.call(self.dim, out.size, *(array.ctypes.data for array in (x, out, self.header)))
        ends = n + np.cumsum([k * k for _, k in blocks])
        roots = [out[end - k * k : end].reshape(k, k) for end, (_, k) in zip(ends, blocks, strict=True)]
        return out[:n], [
            _Part(index, z, m, k, root)
            for index, z, (m, k), root in zip(self.rows.index, self.rows.z, blocks, roots, strict=True)
        ]


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
    """Return the arrow at a point, from differences of the gradient: 2 (c + 2k) evaluations.

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
    along = np.array([shape.together(direction, np.zeros((m, k))) for direction in np.eye(c)]).reshape(c, density.dim)
    for i, slope in enumerate(density.slopes(x, along, STEP * units)):
        head[:, i], shafts[:, :, i] = shape.apart(slope)
    for j in range(k):  # leaves do not meet, so all are moved at once
        leaves = np.zeros((m, k))
        leaves[:, j] = _EFFECT_STEP
        step = shape.together(np.zeros(c), leaves)
        near, far = (shape.apart(density.slope(x, times * step))[1] / (times * _EFFECT_STEP) for times in (1, 2))
        corners[:, :, j] = (4 * near - far) / 3  # without the error that goes with the square of the step
    return Arrow(shape, (head + head.T) / 2, shafts, lifted((corners + corners.swapaxes(1, 2)) / 2, FLOOR))
