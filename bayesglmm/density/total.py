"""`log_likelihood(model, …)`: the log likelihood of every draw given its random effects, by the compiled rows."""

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bayesglmm.density.kernels import family_address, link_address
from bayesglmm.density.rows import Rows
from bayesglmm.frames import CELLS, linear_predictor, random_part
from bayesglmm.model import Model

__all__ = ["log_likelihood"]

type Array = NDArray[np.float64]

_LINK = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * 5)
_FAMILY = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 9)


def log_likelihood(model: Model, beta: Array, b: Sequence[Array], parameters: Mapping[str, Array]) -> Array:
    """Return the log likelihood of each draw given b, shape (s,), up to a constant that no draw changes.

    Parameters
    ----------
    model
        The model.
    beta
        (s, p) coefficients on the original scale.
    b
        One (s, m, k) a block.
    parameters
        Family parameters by name, each of s values.
    """
    rows, s = Rows.best(model), len(beta)
    link = _LINK(link_address(model.family.link.rows))
    family = _FAMILY(family_address(model.family.rows))
    x = np.column_stack([np.ones(rows.n), rows.x]) if model.design.has_intercept else rows.x
    own = np.column_stack([np.reshape(parameters[p.name], s) for p in model.family.parameters] or [np.zeros(s)])
    work, slopes = np.empty((5, rows.n)), np.zeros(own.shape[1])
    total, step = np.empty(s), max(1, CELLS // rows.n)
    for start in range(0, s, step):
        part = slice(start, start + step)
        eta = linear_predictor(beta[part], x, rows.offset)
        for effects, z, index in zip(b, rows.z, rows.index, strict=True):
            eta += random_part(effects[part], z, index)
        for j, one in enumerate(eta, start):
            four = [row.ctypes.data for row in work[:4]]
            link(rows.n, one.ctypes.data, *four)
            at, out = own[j].ctypes.data, (work[4].ctypes.data, slopes.ctypes.data)
            total[j] = family(rows.n, rows.y.ctypes.data, rows.trials.ctypes.data, *four, at, *out)
    return total
