"""`rising`, `resting`, `reaching`: what a direction proves by being there, asked before the whole programme is solved.

Which rows rise is a question of the face that a programme ends on. Whether all of them do, or none, and whether a
coefficient can go to an infinity, are questions of feasibility, and answered several times as fast: w·d ≥ 1 in every
row turned up; weights of at least 1 that balance all rows (Stiemke's theorem of the alternative); w·d ≥ 0 with an
entry of d that is ±1. An answer that does not prove itself is no answer, and the programme has to give it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Sparse

__all__ = ["reaching", "resting", "rising"]

type Array = NDArray[np.float64]

_LEAST = 0.5
"""How much every row has to rise along a direction that was to make it rise by 1."""

_ZERO = 1e-9
"""What counts as 0 beside an entry of the direction, or the least weight, of 1: less than the solver promises."""


def rising(turned: Sparse) -> Array | None:
    """Return a direction along which every row rises.

    Parameters
    ----------
    turned
        (D, n) the rows, transposed and turned so that their likelihood does not fall as w·d goes up.

    Returns
    -------
    array or None
        (D,) the direction, w·d well above 0 in every row; None if there is none, or the solver did not find it.
    """
    columns, rows = turned.shape
    d = _solve(columns, A_ub=-turned.T, b_ub=-np.ones(rows), bounds=(None, None), method="highs-ipm")
    return d if d is not None and (turned.T @ d).min(initial=1.0) >= _LEAST else None


def resting(turned: Sparse, free: Sparse) -> Array | None:
    """Return weights of at least 1 that balance all rows: then no direction makes a row rise.

    Parameters
    ----------
    turned
        (D, n) as for `rising`.
    free
        (D, m) the rows along which w·d stays 0, with weights of either sign.

    Returns
    -------
    array or None
        (n + m,) the weights; None if there are none, or the solver did not find them.
    """
    from scipy.sparse import hstack

    matrix = hstack([turned, free], format="csc")
    ends = [(1, None)] * turned.shape[1] + [(None, None)] * free.shape[1]
    weights = _solve(len(ends), A_eq=matrix, b_eq=np.zeros(matrix.shape[0]), bounds=ends)
    return weights if weights is not None and np.abs(matrix @ weights).max(initial=0.0) <= _ZERO else None


def reaching(turned: Sparse, free: Sparse, column: int, sign: int) -> Array | None:
    """Return a direction along which no row falls, with an entry of 1 or −1 in a column.

    Parameters
    ----------
    turned, free
        As for `resting`.
    column, sign
        Which entry, and 1 or −1.

    Returns
    -------
    array or None
        (D,) the direction; None if there is none, or the solver did not find it. On columns of very different sizes
        it has called such a direction infeasible that there was.
    """
    ends: list[tuple[Any, Any]] = [(None, None)] * turned.shape[0]
    ends[column] = (sign, sign)
    most, exactly = np.zeros(turned.shape[1]), np.zeros(free.shape[1])
    d = _solve(len(ends), A_ub=-turned.T, b_ub=most, A_eq=free.T, b_eq=exactly, bounds=ends, method="highs-ipm")
    if d is None:
        return None
    falls = max(-(turned.T @ d).min(initial=0.0), np.abs(free.T @ d).max(initial=0.0))
    return d if falls <= _ZERO else None


def _solve(size: int, *, method: str = "highs-ds", **constraints: Any) -> Array | None:
    """Return a point (size,) that satisfies constraints, None where none was found."""
    from scipy.optimize import linprog

    result = linprog(np.zeros(size), method=method, **constraints)
    return np.asarray(result.x, dtype=np.float64) if result.status == 0 else None
