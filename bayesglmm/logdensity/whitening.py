"""Whitened coordinates: a linear map under which the posterior is nearly standard normal.

The map is the transposed inverse of the Cholesky factor of the curvature at the mode, which has arrow shape: a
root of the core, and for each leaf a small root and a strip to the core (see `bayesglmm.logdensity.arrow_matrix`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow

__all__ = ["Whitening", "whitening"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map from w to coordinates x. Both are taken apart into core and leaves.

    Parameters
    ----------
    places
        (dim,) where in x the core stands, then the leaves, leaf by leaf; w is in that order.
    middle
        (dim,) what w = 0 stands for, in the order of x.
    core_root
        (c, c) upper triangular: core of x = core_root w, from the middle.
    leaf_roots
        (k, k, m) upper triangular in its first two: leaf of x = leaf_roots (w − strips · core of x).
    strips
        (c, m, k).
    """

    places: NDArray[np.int64]
    middle: Array
    core_root: Array
    leaf_roots: Array
    strips: Array


def whitening(point: Array, arrow: Arrow, marginal: Array) -> Whitening:
    """Return the map under which a normal with this mode and curvature is standard.

    Parameters
    ----------
    point
        (dim,) the mode.
    arrow
        The curvature there.
    marginal
        (c, c) the curvature of the marginal of the core.
    """
    lower = np.linalg.cholesky(arrow.corners)
    strips = np.linalg.solve(lower, arrow.shafts)
    return Whitening(
        places=arrow.shape.places,
        middle=point,
        core_root=_inverse_transposed(np.linalg.cholesky(marginal)),
        leaf_roots=np.moveaxis(_inverse_transposed(lower), 0, -1),
        strips=np.moveaxis(strips, -1, 0),
    )


def _inverse_transposed(lower: Array) -> Array:
    return np.linalg.inv(lower).swapaxes(-1, -2)
