"""Three feasibility problems about the recession cone, each solved several times as fast as the whole programme.

The rows are signed: w_i is multiplied by ±1 so that the likelihood of row i does not fall as w_i·d increases. The
recession cone is the set of directions d with w_i·d ≥ 0 in these rows and w_i·d = 0 in rows with outcomes of both
kinds. Every answer is a certificate that is checked: a direction with w_i·d ≥ 1 in all rows; weights λ_i ≥ 1 with
Σ λ_i w_i = 0, which by Stiemke's theorem of the alternative exclude a row with w_i·d > 0; a recession direction with an
entry of ±1. Where the solver returns none, the whole programme decides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Sparse

__all__ = ["balancing_weights", "direction_with_entry", "strict_direction"]

type Array = NDArray[np.float64]

_LEAST = 0.5
"""The smallest w·d accepted where the solver was asked for w·d ≥ 1."""

_ZERO = 1e-9
"""The largest violation of a constraint, relative to an entry or least weight of 1; below the solver's tolerance."""


def strict_direction(signed: Sparse) -> Array | None:
    """Return a direction with w·d > 0 in every row: complete separation.

    Parameters
    ----------
    signed
        (D, n) the signed rows, transposed.

    Returns
    -------
    array or None
        (D,) the direction; None if there is none, or the solver did not find it.
    """
    columns, rows = signed.shape
    d = _solve(columns, A_ub=-signed.T, b_ub=-np.ones(rows), bounds=(None, None), method="highs-ipm")
    return d if d is not None and (signed.T @ d).min(initial=1.0) >= _LEAST else None


def balancing_weights(signed: Sparse, equality: Sparse) -> Array | None:
    """Return weights of at least 1 under which all rows sum to 0: then no recession direction has a row with w·d > 0.

    Parameters
    ----------
    signed
        (D, n) as for `strict_direction`.
    equality
        (D, m) the rows along which w·d = 0, transposed; their weights may have either sign.

    Returns
    -------
    array or None
        (n + m,) the weights; None if there are none, or the solver did not find them.
    """
    from scipy.sparse import hstack

    matrix = hstack([signed, equality], format="csc")
    bounds = [(1, None)] * signed.shape[1] + [(None, None)] * equality.shape[1]
    weights = _solve(len(bounds), A_eq=matrix, b_eq=np.zeros(matrix.shape[0]), bounds=bounds)
    return weights if weights is not None and np.abs(matrix @ weights).max(initial=0.0) <= _ZERO else None


def direction_with_entry(signed: Sparse, equality: Sparse, column: int, sign: int) -> Array | None:
    """Return a recession direction with an entry of 1 or −1 in a column.

    Parameters
    ----------
    signed, equality
        As for `balancing_weights`.
    column, sign
        Which entry, and 1 or −1.

    Returns
    -------
    array or None
        (D,) the direction; None if there is none, or the solver did not find it. With columns of very different sizes
        the solver has reported feasible problems as infeasible.
    """
    bounds: list[tuple[Any, Any]] = [(None, None)] * signed.shape[0]
    bounds[column] = (sign, sign)
    constraints = {"A_ub": -signed.T, "b_ub": np.zeros(signed.shape[1])}
    constraints |= {"A_eq": equality.T, "b_eq": np.zeros(equality.shape[1])}
    d = _solve(len(bounds), bounds=bounds, method="highs-ipm", **constraints)
    if d is None:
        return None
    violation = max(-(signed.T @ d).min(initial=0.0), np.abs(equality.T @ d).max(initial=0.0))
    return d if violation <= _ZERO else None


def _solve(size: int, *, method: str = "highs-ds", **constraints: Any) -> Array | None:
    """Return a point (size,) that satisfies constraints, None where none was found."""
    from scipy.optimize import linprog

    result = linprog(np.zeros(size), method=method, **constraints)
    return np.asarray(result.x, dtype=np.float64) if result.status == 0 else None
