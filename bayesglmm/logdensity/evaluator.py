"""The compiled log density at points, its Hessian by differences, and that of the effects from the rows' weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow, Shape, clip_eigenvalues
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.layout import Header
from bayesglmm.logdensity.logp_kernel import expand, information, log_density

__all__ = ["FLOOR", "STEP", "Evaluator", "curvature"]

type Array = NDArray[np.float64]

STEP = 1e-4
"""Step of differences by globals, in natural units."""

_EFFECT_STEP = 0.01
"""Step of differences by the effects of leaves, which are near standard normal: large, so that rounding is small."""

_WIDEST, _SHORTENINGS = 0.01, 4
"""Steps s with s² × curvature above the first times √n are shortened, up to so many times."""

FLOOR = 0.1
"""The least curvature by an effect, whose standard normal prior alone has 1."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """The log density of a model at coordinates x.

    Parameters
    ----------
    header
        The header that the compiled functions read.
    kept
        The arrays whose addresses the header holds, kept alive here.
    rows
        The data rows of the likelihood.
    shape
        How the coordinates are divided into core and leaves.
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
        """Return β (p,) on the original scale and the effects b of all blocks, concatenated."""
        effects = self.dim - self.shape.globals
        p = int(self.header[Header.SLOPES] + self.header[Header.INTERCEPT])
        out = np.empty(self.dim)  # β and the other globals on their own scale, then the effects
        expand.call(self.dim, out.size, x.ctypes.data, out.ctypes.data, self.header.ctypes.data)
        return out[:p].copy(), out[len(out) - effects :].copy()

    def slope(self, x: Array, step: Array) -> Array:
        """Return minus the Hessian times a step, (dim,), by a central difference of the gradient."""
        return (self(x - step)[1] - self(x + step)[1]) / 2

    def slopes(self, x: Array, along: Array, steps: Array) -> Array:
        """Return minus the Hessian times directions (r, dim), (r, dim).

        Steps (r,) of the differences are shortened where the density is narrower than they are.
        """
        products, widest = np.empty_like(along), _WIDEST * max(self.rows.n, 1) ** 0.5
        for i, (direction, step) in enumerate(zip(along, steps, strict=True)):
            for _ in range(_SHORTENINGS):
                products[i] = self.slope(x, step * direction) / step
                curvature_along = abs(float(products[i] @ direction))
                if not curvature_along * step**2 > widest:
                    break
                step = np.sqrt(0.1 * widest / curvature_along)
        return products

    def effects(self, x: Array, *, concave: bool = False) -> Arrow:
        """Return minus the Hessian by the effects z, all of them non-centred; its core holds only effects.

        With b = M z of every block it is I + Mᵀ Zᵀ W Z M, where W holds minus the second derivatives of the
        rows' log likelihood by η; with `concave`, negative ones count as 0.
        """
        shape = self.shape
        weights, blocks = self._weights_and_blocks(x)
        if concave:
            weights = np.maximum(weights, 0.0)
        (m, k), c = shape.leaves, shape.core - shape.globals
        of_core = [blocks[number] for number in shape.core_blocks]
        of_leaves = [blocks[number] for number in shape.leaf_blocks]
        within = [[a.levels(b, weights) for b in of_leaves] for a in of_leaves]
        leaves = np.block(within) if of_leaves else np.zeros((0, 0, 0))
        leaves = clip_eigenvalues(np.eye(k) + (leaves + leaves.swapaxes(1, 2)) / 2, FLOOR)
        if not of_core:
            return Arrow(shape, np.zeros((0, 0)), np.zeros((m, k, 0)), leaves)
        core = np.eye(c) + np.block([[a.cross(b, weights) for b in of_core] for a in of_core])
        cross = [np.concatenate([a.cross(b, weights) for b in of_core], axis=1).reshape(m, a.k, c) for a in of_leaves]
        return Arrow(shape, core, np.concatenate(cross, axis=1), leaves)

    def solve(self, arrow: Arrow, right: Array) -> Array:
        """Solve with the curvature of the effects for a right-hand side (dim,); 0 at the globals."""
        shape = self.shape
        core, leaves = shape.split(right)
        of_core, of_leaves = arrow.solve(core[shape.globals :], leaves, FLOOR)
        return shape.join(np.concatenate([np.zeros(shape.globals), of_core]), of_leaves)

    def information(self, x: Array, number: int) -> tuple[Array, Array]:
        """Return minus the second derivatives of the log likelihood by the b of a block, (m, k, k), and its M."""
        weights, blocks = self._weights_and_blocks(x)
        block = blocks[number]
        return block.sums(block, weights, block.index, block.m), block.root

    def weights_and_roots(self, x: Array) -> tuple[Array, list[Array]]:
        """Return minus the second derivatives of the log likelihood of the rows by η, (n,), and M of every block."""
        weights, blocks = self._weights_and_blocks(x)
        return weights, [block.root for block in blocks]

    def _weights_and_blocks(self, x: Array) -> tuple[Array, "list[_RowBlock]"]:
        """Return W of the rows, (n,), and each block's columns row by row, with its M."""
        n, blocks = self.rows.n, self.shape.blocks
        out = np.empty(n + sum(k * k for _, k in blocks))
        information.call(self.dim, out.size, *(array.ctypes.data for array in (x, out, self.header)))
        ends = n + np.cumsum([k * k for _, k in blocks])
        roots = [out[end - k * k : end].reshape(k, k) for end, (_, k) in zip(ends, blocks, strict=True)]
        return out[:n], [
            _RowBlock(index, z, m, k, root)
            for index, z, (m, k), root in zip(self.rows.index, self.rows.z, blocks, roots, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _RowBlock:
    """A block row by row: the level of each (n,), the columns (n, k), the numbers of levels and columns, M (k, k)."""

    index: NDArray[np.int64]
    z: Array
    m: int
    k: int
    root: Array

    def levels(self, other: "_RowBlock", weights: Array) -> Array:
        """Return Mᵀ Zᵀ W Z M of each level with the same level of a block on the same factor, (m, k, k')."""
        return self._scaled(other, weights, self.index, self.m)

    def cross(self, other: "_RowBlock", weights: Array) -> Array:
        """Return Mᵀ Zᵀ W Z M of all levels with all of another block, (m k, m' k')."""
        cells = self._scaled(other, weights, self.index * other.m + other.index, self.m * other.m)
        by_level = cells.reshape(self.m, other.m, self.k, other.k).transpose(0, 2, 1, 3)
        return by_level.reshape(self.m * self.k, other.m * other.k)

    def _scaled(self, other: "_RowBlock", weights: Array, cell: NDArray[np.int64], cells: int) -> Array:
        result: Array = self.root.T @ self.sums(other, weights, cell, cells) @ other.root
        return result

    def sums(self, other: "_RowBlock", weights: Array, cell: NDArray[np.int64], cells: int) -> Array:
        """Return Zᵀ W Z over the rows of each cell, (cells, k, k')."""
        sums = np.empty((cells, self.k, other.k))
        for i in range(self.k):
            for j in range(other.k):
                sums[:, i, j] = np.bincount(cell, weights * self.z[:, i] * other.z[:, j], cells)
        return sums


def curvature(density: Evaluator, x: Array, scales: Array) -> Arrow:
    """Return minus the Hessian at a point, from differences of the gradient: 2 (c + 2k) evaluations.

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
    core, cross, leaves = np.empty((c, c)), np.empty((m, k, c)), np.empty((m, k, k))
    along = np.array([shape.join(direction, np.zeros((m, k))) for direction in np.eye(c)]).reshape(c, density.dim)
    for i, slope in enumerate(density.slopes(x, along, STEP * units)):
        core[:, i], cross[:, :, i] = shape.split(slope)
    for j in range(k):  # leaves share no rows, so one difference serves all
        step_of_leaves = np.zeros((m, k))
        step_of_leaves[:, j] = _EFFECT_STEP
        step = shape.join(np.zeros(c), step_of_leaves)
        single, double = (shape.split(density.slope(x, times * step))[1] / (times * _EFFECT_STEP) for times in (1, 2))
        leaves[:, :, j] = (4 * single - double) / 3  # Richardson: without the error of second order in the step
    leaves = clip_eigenvalues((leaves + leaves.swapaxes(1, 2)) / 2, FLOOR)
    return Arrow(shape, (core + core.T) / 2, cross, leaves)
