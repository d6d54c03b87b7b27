"""Arrowhead matrices: a dense core, and one small diagonal block (a leaf) for each level of a factor.

The curvature of the log density has this shape: the effects of different levels of one factor share no rows. The
leaves are the levels of the factor with most of them, with every block on that factor; the core is the globals and
the effects of all other blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.design import BlockDesign

__all__ = ["Arrow", "Shape", "clip_eigenvalues"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shape:
    """How coordinates are divided into core and leaves.

    Parameters
    ----------
    globals
        The number g of globals, which come first.
    blocks
        The number of levels m and of columns k of every block, in order.
    leaf_blocks
        The numbers of the blocks whose effects are in the leaves.
    """

    globals: int
    blocks: tuple[tuple[int, int], ...]
    leaf_blocks: tuple[int, ...]

    @classmethod
    def of(cls, globals_: int, blocks: Sequence[BlockDesign]) -> "Shape":
        """Return the shape of a model's coordinates."""
        sizes = tuple((len(block.levels), block.size) for block in blocks)
        largest = max(range(len(blocks)), key=lambda number: sizes[number][0], default=None)
        factor = None if largest is None else blocks[largest].factor
        return cls(globals_, sizes, tuple(number for number, block in enumerate(blocks) if block.factor == factor))

    @property
    def leaves(self) -> tuple[int, int]:
        """The number of leaves, and of coordinates of each."""
        m = self.blocks[self.leaf_blocks[0]][0] if self.leaf_blocks else 0
        return m, sum(self.blocks[number][1] for number in self.leaf_blocks)

    @property
    def core_blocks(self) -> tuple[int, ...]:
        """The numbers of the blocks whose effects are in the core."""
        return tuple(number for number in range(len(self.blocks)) if number not in self.leaf_blocks)

    @property
    def core(self) -> int:
        """The number of coordinates of the core."""
        return self.globals + sum(self.blocks[number][0] * self.blocks[number][1] for number in self.core_blocks)

    def place(self, number: int) -> slice:
        """Return the positions of a block's coordinates."""
        sizes = [m * k for m, k in self.blocks]
        start = self.globals + sum(sizes[:number])
        return slice(start, start + sizes[number])

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """The positions of the core's coordinates, then of those of leaf after leaf, (dim,)."""
        positions = np.arange(self.globals + sum(m * k for m, k in self.blocks))
        core = [positions[: self.globals], *(positions[self.place(number)] for number in self.core_blocks)]
        leaves = [positions[self.place(number)].reshape(self.blocks[number]) for number in self.leaf_blocks]
        return np.concatenate([*core, *([np.concatenate(leaves, axis=1).ravel()] if leaves else [])])

    def split(self, x: Array) -> tuple[Array, Array]:
        """Return the core (c,) and the leaves (m, k) of coordinates (dim,), as copies."""
        ordered = x[self.places]
        return ordered[: self.core], ordered[self.core :].reshape(self.leaves)

    def join(self, core: Array, leaves: Array) -> Array:
        """Return coordinates (dim,) from core and leaves."""
        x = np.empty(len(self.places))
        x[self.places] = np.concatenate([core, leaves.ravel()])
        return x


@dataclass(frozen=True, eq=False)
class Arrow:
    """A symmetric matrix over core and leaves, zero between leaves.

    Parameters
    ----------
    shape
        How coordinates are divided.
    core
        (c, c) within the core, or within a part of it.
    cross
        (m, k, c) between the leaves and that part.
    leaves
        (m, k, k) within each leaf, positive definite.
    """

    shape: Shape
    core: Array
    cross: Array
    leaves: Array

    def schur(self) -> Array:
        """Return the Schur complement of the leaves, (c, c): core − Σ crossᵀ leaf⁻¹ cross."""
        schur: Array = self.core - np.tensordot(self.cross, _solve(self.leaves, self.cross), ([0, 1], [0, 1]))
        return (schur + schur.T) / 2

    def solve(self, core: Array, leaves: Array, floor: float) -> tuple[Array, Array]:
        """Solve for right-hand sides (c,) and (m, k); eigenvalues of the Schur complement are at least the floor."""
        from_leaves = _solve(self.leaves, leaves[:, :, None])[:, :, 0]
        if not len(self.core):
            return core, from_leaves
        right = core - np.tensordot(self.cross, from_leaves, ([0, 1], [0, 1]))
        solution = np.linalg.solve(clip_eigenvalues(self.schur(), floor), right)
        return solution, from_leaves - _solve(self.leaves, (self.cross @ solution)[:, :, None])[:, :, 0]

    def log_determinant(self, floor: float) -> float:
        """Return the log determinant; eigenvalues of the Schur complement are at least the floor."""
        leaves = self.leaves
        each = np.log(leaves) if leaves.shape[-1] == 1 else np.linalg.slogdet(leaves)[1]
        if not len(self.core):
            return float(each.sum())
        return float(each.sum() + np.linalg.slogdet(clip_eigenvalues(self.schur(), floor))[1])


def clip_eigenvalues(matrices: Array, floor: float) -> Array:
    """Return symmetric matrices (…, k, k) with eigenvalues below a floor raised to it."""
    if matrices.shape[-1] == 0:
        return matrices
    if matrices.shape[-1] == 1:
        return np.maximum(matrices, floor)
    try:  # mostly all are above the floor, and a Cholesky factor is quicker than eigenvalues
        np.linalg.cholesky(matrices - floor * np.eye(matrices.shape[-1]))
        return matrices
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
    result: Array = (vectors * np.maximum(values, floor)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return result


def _solve(matrices: Array, right: Array) -> Array:
    """Solve m systems (k, k), each with right-hand sides (k, c)."""
    result: Array = right / matrices if matrices.shape[-1] == 1 else np.linalg.solve(matrices, right)
    return result
