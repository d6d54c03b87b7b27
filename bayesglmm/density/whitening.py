"""Whitened coordinates: which levels are centred, and the map under which the posterior is nearly standard normal.

A level rich in data knows its effect b better than the globals know their sds, so b itself, in units of
the mode's G, is its coordinate (centred); a poor level keeps z with b = diag(sd) L z (non-centred). The map
is the transposed inverse of the Cholesky factor of the curvature at the mode, which has arrow shape: a root
among the globals, and for each level a small root and a strip to the globals.

References
----------
Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22, 59-73 (centring).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.density.laplace import Arrow

__all__ = ["Whitening", "rich_levels", "whitening"]

type Array = NDArray[np.float64]

RICH = 8.0
"""Information on b relative to its prior above which a level is centred, in the direction with least of it."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map from w to coordinates x.

    Parameters
    ----------
    point
        (dim,) what w = 0 stands for.
    root
        (g, g) upper triangular: globals − point = root w.
    roots
        One (m, k, k) a block, upper triangular.
    strips
        One (m, k, g) a block: level − point = roots (w − strips (globals − point)).
    """

    point: Array
    root: Array
    roots: tuple[Array, ...]
    strips: tuple[Array, ...]


def rich_levels(arrow: Arrow) -> tuple[NDArray[np.int64], ...]:
    """Return which levels to centre, one (m,) of 0 and 1 a block, from the curvature in non-centred coordinates.

    There a level's corner is the identity plus the information of its data in units of the prior. One poor
    direction, such as that of a slope whose sd is near 0, keeps a level non-centred.
    """
    chosen = []
    for corner in arrow.corners:
        information = corner[:, 0, 0] if corner.shape[1] == 1 else np.linalg.eigvalsh(corner)[:, 0]
        chosen.append((information - 1 > RICH).astype(np.int64))
    return tuple(chosen)


def whitening(point: Array, arrow: Arrow, marginal: Array) -> Whitening:
    """Return the map under which a normal with this mode and curvature is standard.

    Parameters
    ----------
    point
        (dim,) the mode.
    arrow
        The curvature of the levels there, and their slant with the globals.
    marginal
        (g, g) the curvature of the marginal of the globals.
    """
    lowers = [np.linalg.cholesky(corner) for corner in arrow.corners]
    return Whitening(
        point=np.ascontiguousarray(point),
        root=_inverse_transposed(np.linalg.cholesky(marginal)),
        roots=tuple(_inverse_transposed(lower) for lower in lowers),
        strips=tuple(
            np.ascontiguousarray(np.linalg.solve(lower, shaft))
            for lower, shaft in zip(lowers, arrow.shafts, strict=True)
        ),
    )


def _inverse_transposed(lower: Array) -> Array:
    return np.ascontiguousarray(np.linalg.inv(lower).swapaxes(-1, -2))
