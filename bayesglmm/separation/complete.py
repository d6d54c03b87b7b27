"""`rising`: a direction along which every row rises strictly: complete separation, seen without the whole programme.

Which rows rise is a question of the face that a programme ends on; whether all of them can is one of feasibility,
w·d ≥ 1 in every row turned up, which an interior point method answers in a few steps. The direction is the proof.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.separation.cells import Mask, Sparse

__all__ = ["rising"]

_LEAST = 0.5
"""How much every row has to rise along a direction that was to make it rise by 1."""


def rising(turned: Sparse, fixed: Mask | None = None) -> NDArray[np.float64] | None:
    """Return a direction along which every row rises.

    Parameters
    ----------
    turned
        (n, D) the rows, turned so that their likelihood does not fall as w·d goes up.
    fixed
        (D,) entries of the direction that have to be 0; none if omitted.

    Returns
    -------
    array or None
        (D,) the direction, w·d well above 0 in every row; None if there is none, or the solver did not find it.
    """
    from scipy.optimize import linprog

    rows, columns = turned.shape
    free = np.ones(columns, dtype=np.bool_) if fixed is None else ~fixed
    matrix = -sp.csc_matrix(turned)[:, np.flatnonzero(free)]
    result = linprog(
        np.zeros(free.sum()), A_ub=matrix, b_ub=-np.ones(rows), bounds=(None, None), method="highs-ipm"
    )
    if result.status != 0:
        return None
    d = np.zeros(columns)
    d[free] = result.x
    return d if (turned @ d).min() >= _LEAST else None
