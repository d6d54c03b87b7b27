"""Pseudo-data of every level: what its rows say of its effects, as one normal observation that would say the same.

They choose coordinates: of effects given the globals and pseudo-data, which are about standard normal whatever the
covariance of the effects is. A level without information has z as its coordinates (non-centred), one with much has
b (centred), the rest lie in between.

References
----------
Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22, 59-73 (centring, and in between).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import lifted
from bayesglmm.logdensity.evaluator import Evaluator

__all__ = ["pseudo_data"]

type Array = NDArray[np.float64]

_STRETCH = 1e-2
"""By how much the logs of sds are moved to see how information changes."""

_FASTEST = 100.0
"""The most that a covariance is thought to change by, given how the information falls as the sds grow."""


def pseudo_data(density: Evaluator, mode: Array, sds: Sequence[slice]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return A and h of every level: a log likelihood hᵀb − bᵀAb/2 that stands for its rows near the mode.

    With A the information of the rows at the mode, the covariance of a level's b given the globals would be right
    there. But as the sds change, the information changes too: that of a group of zeros falls as its b runs away with
    the sd, and b moves as if it knew less. So A is such that the derivative of the covariance by the log of the sds
    is right, I + MᵀAM = (1 − D/2)^(−1/2) (I + MᵀHM) (1 − D/2)^(−1/2) with H the information, D its derivative, MᵀḢM,
    where that is negative. Where it is positive A is H: more was measured to be no better. h is such that the mean
    is the mode.

    Parameters
    ----------
    density
        The density, every level non-centred.
    mode
        (dim,) the mode.
    sds
        Where the coordinates of the sds of each block stand.

    Returns
    -------
    known, pull
        (k, k, m) and (k, m) a block.
    """
    known, pull = [], []
    arrow = density.effects(mode)
    for number, (m, k) in enumerate(density.shape.blocks):
        step = np.zeros(density.dim)
        step[sds[number]] = _STRETCH
        step -= density.solve(arrow, density.slope(mode, step))
        information, root = density.information(mode, number)
        change = density.information(mode + step, number)[0] - density.information(mode - step, number)[0]
        own = np.eye(k) + lifted(root.T @ information @ root, 0.0)
        values, vectors = np.linalg.eigh(np.eye(k) - root.T @ change @ root / (4 * _STRETCH))
        half = (vectors / np.sqrt(np.clip(values, 1.0, _FASTEST))[:, None, :]) @ vectors.swapaxes(1, 2)
        precision = np.eye(k) + lifted(half @ own @ half - np.eye(k), 0.0)
        back = np.linalg.inv(root)
        z = mode[density.shape.place(number)].reshape(m, k)
        known.append(np.moveaxis(back.T @ (precision - np.eye(k)) @ back, 0, -1))
        pull.append(((precision @ z[:, :, None])[:, :, 0] @ back).T)
    return tuple(known), tuple(pull)
