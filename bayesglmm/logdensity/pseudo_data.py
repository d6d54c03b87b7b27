"""Pseudo-data of every level: one normal observation of its effects in the place of its rows.

They choose coordinates: the effects are standardised given the globals and the pseudo-data, which makes them about
standard normal whatever their covariance. A level without information is non-centred, one with much is centred, the
rest lie in between.

References
----------
Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22, 59-73 (centring, and in between).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import clip_eigenvalues
from bayesglmm.logdensity.evaluator import Evaluator

__all__ = ["pseudo_data"]

type Array = NDArray[np.float64]

_STRETCH = 1e-2
"""The step of differences by the logs of sds."""

_MOST_CORRECTION = 100.0
"""The largest factor by which a precision is reduced where the information falls as the sds grow."""


def pseudo_data(density: Evaluator, mode: Array, sds: Sequence[slice]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return A and h of every level: a log likelihood hᵀb − bᵀAb/2 that stands for its rows near the mode.

    With A = H, the information of the rows at the mode, the covariance of a level's b given the globals is right
    there. But H changes with the sds: for an all-zero group it decreases as σ grows, so the conditional mode moves
    faster than with H held fixed. So A is such that the derivative of the covariance by the log of the sds is right,
    I + MᵀAM = (1 − D/2)^(−1/2) (I + MᵀHM) (1 − D/2)^(−1/2) with D = MᵀḢM, Ḣ the derivative of H, where D is negative.
    Where it is positive A = H, since the correction made sampling no better there. With h the conditional mean is
    the mode.

    Parameters
    ----------
    density
        The density, every level non-centred.
    mode
        (dim,) the mode.
    sds
        The positions of the sds of each block among the coordinates.

    Returns
    -------
    A, h
        (k, k, m) and (k, m) a block.
    """
    a_of_blocks, h_of_blocks = [], []
    arrow = density.effects(mode)
    for number, (m, k) in enumerate(density.shape.blocks):
        step = np.zeros(density.dim)
        step[sds[number]] = _STRETCH
        step -= density.solve(arrow, density.slope(mode, step))
        information, root = density.information(mode, number)
        change = density.information(mode + step, number)[0] - density.information(mode - step, number)[0]
        uncorrected = np.eye(k) + clip_eigenvalues(root.T @ information @ root, 0.0)
        values, vectors = np.linalg.eigh(np.eye(k) - root.T @ change @ root / (4 * _STRETCH))
        half = (vectors / np.sqrt(np.clip(values, 1.0, _MOST_CORRECTION))[:, None, :]) @ vectors.swapaxes(1, 2)
        precision = np.eye(k) + clip_eigenvalues(half @ uncorrected @ half - np.eye(k), 0.0)
        inverse = np.linalg.inv(root)
        z = mode[density.shape.place(number)].reshape(m, k)
        a_of_blocks.append(np.moveaxis(inverse.T @ (precision - np.eye(k)) @ inverse, 0, -1))
        h_of_blocks.append(((precision @ z[:, :, None])[:, :, 0] @ inverse).T)
    return tuple(a_of_blocks), tuple(h_of_blocks)
