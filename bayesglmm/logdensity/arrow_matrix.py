"""Arrow-shaped curvature: a dense core, and leaves that meet the core but not each other.

The leaves are the levels of the factor that has most, with every block on that factor; the core is the globals and
the effects of all other blocks, whose levels meet those of the first in rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.design import BlockDesign

__all__ = ["Arrow", "Shape", "lifted", "solved"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shape:
    """How coordinates are taken apart into core and leaves.

    Parameters
    ----------
    globals
        The number g of globals, which come first.
    blocks
        The number of levels m and of columns k of every block, in order.
    leaf_blocks
        The numbers of the blocks that the leaves are of.
    """

    globals: int
    blocks: tuple[tuple[int, int], ...]
    leaf_blocks: tuple[int, ...]

    @classmethod
    def of(cls, globals_: int, blocks: Sequence[BlockDesign]) -> "Shape":
        """Return the shape of a model's coordinates."""
        sizes = tuple((len(block.levels), block.size) for block in blocks)
        most = max(range(len(blocks)), key=lambda number: sizes[number][0], default=None)
        same = () if most is None else [b for b, block in enumerate(blocks) if block.factor == blocks[most].factor]
        return cls(globals_, sizes, tuple(same))

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
        """Return where the coordinates of a block stand."""
        sizes = [m * k for m, k in self.blocks]
        start = self.globals + sum(sizes[:number])
        return slice(start, start + sizes[number])

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Where each coordinate stands, (dim,): those of the core, then leaf by leaf."""
        at = np.arange(self.globals + sum(m * k for m, k in self.blocks))
        core = [at[: self.globals], *(at[self.place(number)] for number in self.core_blocks)]
        leaves = [at[self.place(number)].reshape(self.blocks[number]) for number in self.leaf_blocks]
        return np.concatenate([*core, *([np.concatenate(leaves, axis=1).ravel()] if leaves else [])])

    def apart(self, x: Array) -> tuple[Array, Array]:
        """Return the core (c,) and the leaves (m, k) of coordinates (dim,), as copies."""
        moved = x[self.places]
        return moved[: self.core], moved[self.core :].reshape(self.leaves)

    def together(self, core: Array, leaves: Array) -> Array:
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
        How coordinates are taken apart.
    head
        (c, c) of the core, or a part of it.
    shafts
        (m, k, c) between the leaves and that part.
    corners
        (m, k, k) within each leaf, positive definite.
    """

    shape: Shape
    head: Array
    shafts: Array
    corners: Array

    def schur(self) -> Array:
        """Return the head less what the leaves explain, (c, c)."""
        schur: Array = self.head - np.tensordot(self.shafts, solved(self.corners, self.shafts), ([0, 1], [0, 1]))
        return (schur + schur.T) / 2

    def solve(self, core: Array, leaves: Array, floor: float) -> tuple[Array, Array]:
        """Solve against core (c,) and leaves (m, k); the Schur complement is lifted to the floor."""
        inner = solved(self.corners, leaves[:, :, None])[:, :, 0]
        if not len(self.head):
            return core, inner
        found = np.linalg.solve(lifted(self.schur(), floor), core - np.tensordot(self.shafts, inner, ([0, 1], [0, 1])))
        return found, inner - solved(self.corners, (self.shafts @ found)[:, :, None])[:, :, 0]

    def log_determinant(self, floor: float) -> float:
        """Return the log determinant, the Schur complement lifted to the floor."""
        corners = self.corners
        each = np.log(corners) if corners.shape[-1] == 1 else np.linalg.slogdet(corners)[1]
        if not len(self.head):
            return float(each.sum())
        return float(each.sum() + np.linalg.slogdet(lifted(self.schur(), floor))[1])


def lifted(matrices: Array, floor: float) -> Array:
    """Raise eigenvalues under a floor to it: symmetric (…, k, k)."""
    if matrices.shape[-1] == 0:
        return matrices
    if matrices.shape[-1] == 1:  # many levels of one column are the usual case, and quick this way
        return np.maximum(matrices, floor)
    try:  # all above the floor is usual too, and a Cholesky factor quicker than eigenvalues
        np.linalg.cholesky(matrices - floor * np.eye(matrices.shape[-1]))
        return matrices
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrices)
    result: Array = (vectors * np.maximum(values, floor)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return result


def solved(corners: Array, right: Array) -> Array:
    """Solve (m, k, k) against (m, k, c)."""
    result: Array = right / corners if corners.shape[-1] == 1 else np.linalg.solve(corners, right)
    return result
