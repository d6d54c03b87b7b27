"""Whitened coordinates: a linear map under which the posterior is nearly standard normal.

The map is the transposed inverse of the Cholesky factor of the curvature at the mode, an arrowhead matrix
(`bayesglmm.logdensity.arrow_matrix`): with L of a leaf and its Schur complement S of the core, the core is
root(S) w, and a leaf L⁻ᵀ (w − L⁻¹ cross · core).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow

__all__ = ["Whitening", "whitening"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map from w to coordinates x, both divided into core and leaves.

    Parameters
    ----------
    places
        (dim,) the positions in x of the core's coordinates, then of the leaves'; w is in that order.
    middle
        (dim,) the x of w = 0.
    core_root
        (c, c) upper triangular: core of x − middle = core_root w.
    leaf_roots
        (k, k, m) upper triangular in the first two: leaf of x − middle = leaf_roots (w − strips · core of x − middle).
    strips
        (c, m, k) L⁻¹ cross of each leaf.
    """

    places: NDArray[np.int64]
    middle: Array
    core_root: Array
    leaf_roots: Array
    strips: Array


def whitening(point: Array, arrow: Arrow, marginal: Array) -> Whitening:
    """Return the map that standardises a normal with this mode and curvature.

    Parameters
    ----------
    point
        (dim,) the mode.
    arrow
        The curvature there.
    marginal
        (c, c) the curvature of the core's marginal, in the place of the Schur complement.
    """
    lower = np.linalg.cholesky(arrow.leaves)
    strips = np.linalg.solve(lower, arrow.cross)
    return Whitening(
        places=arrow.shape.places,
        middle=point,
        core_root=_inverse_transposed(np.linalg.cholesky(marginal)),
        leaf_roots=np.moveaxis(_inverse_transposed(lower), 0, -1),
        strips=np.moveaxis(strips, -1, 0),
    )


def _inverse_transposed(lower: Array) -> Array:
    return np.linalg.inv(lower).swapaxes(-1, -2)
